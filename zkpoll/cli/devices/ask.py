"""`zkpoll devices ask`: have a device that pushes send punches again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import check_names, config_option, load_inventory, open_journal, open_or_empty
from zkpoll.cli.dates import DAY, day
from zkpoll.cli.output import say

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory

_CLOCK: Final = re.compile(r"(.+?)[T ](\d\d:\d\d(?::\d\d)?)", re.ASCII)
"""A day, and the time of day behind it."""


@click.command(short_help="Ask a device that pushes for its punches again.")
@config_option
@click.argument("name")
@click.option(
    "--since",
    "first",
    type=DAY,
    metavar="TIME",
    help="The first time: 2026-11-01, 2026-11-01T08:00, or yesterday.",
)
@click.option("--until", "last", type=DAY, metavar="TIME", help="The last time; a day counts whole.")
def ask(config: Path | None, name: str, first: str | None, last: str | None) -> None:
    """Ask the device NAME, which pushes, for its punches from a time to a time, or for all it holds.

    Times are those of the device's own clock. The order waits until the device fetches it with its next call
    to `zkpoll serve`, for an hour; it is offered five times at most. The device then sends these punches as
    it sends any other: what is known already counts as seen before, and is not sent to a dashboard again.
    `zkpoll devices info NAME` shows what became of the order.
    """
    from zoneinfo import ZoneInfo

    from zkpoll.reports.words import minute
    from zkpoll.tasks.orders import ask as order
    from zkpoll.tasks.orders import who_is_asked

    inventory = load_inventory(config, secrets=False)
    device = _asked_for(inventory, name)
    since = _time(inventory, device, first, "--since", time.min)
    until = _time(inventory, device, last, "--until", time(23, 59, 59))
    if since and until and since > until:
        raise click.BadParameter("it is before --since", param_hint="--until")
    with open_or_empty(inventory) as journal:
        standing, runs = who_is_asked(journal, device), journal.is_locked("serve")
    with open_journal(inventory, writable=True) as journal:
        now = datetime.now(UTC)
        found = order(journal, standing.serial_number, ZoneInfo(device.timezone), (since, until), now)
    asked = "is asked" if found.is_new else "is asked already"
    serving = {True: "", False: ", once `zkpoll serve` runs", None: ", while `zkpoll serve` runs"}[runs]
    every = f"every {inventory.listen.poll_every} s, " if inventory.listen else ""
    say(
        f"{name} {asked} for its punches from {found.since} to {found.until}.\n"
        f"It fetches that with its next call{serving}; it calls {every}last at"
        f" {minute(standing.last_call_at)}.\n"
        f"What came of it: `zkpoll devices info {name}`."
    )


def _time(
    inventory: Inventory, device: Device, text: str | None, parameter: str, else_at: time
) -> datetime | None:
    """Given a time as a person wrote it, by the device's clock, return it: of a day alone, at `else_at`."""
    if text is None:
        return None
    split = _CLOCK.fullmatch(text)
    found = day(inventory, split[1] if split else text, parameter, device.timezone)
    try:
        return datetime.combine(found, time.fromisoformat(split[2]) if split else else_at)
    except ValueError:
        raise click.BadParameter(f"{text!r} has no time of day such as 08:00", param_hint=parameter) from None


def _asked_for(inventory: Inventory, name: str) -> Device:
    """Return the device of this name. Refuse one that is not there, or may not call."""
    check_names(inventory, [name], "NAME")
    device = next(one for one in inventory.devices if one.name == name)
    if device.push is None:
        raise click.BadParameter(
            f"{name} does not push; `zkpoll sync --full` reads all of it", param_hint="NAME"
        )
    if not device.enabled:
        raise click.BadParameter(f"{name} is taken out (enabled: false), and may not call", param_hint="NAME")
    return device
