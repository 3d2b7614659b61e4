"""`zkpoll devices ask`: have a device that pushes send punches again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.app import check_names, config_option, load_inventory, open_journal, open_or_empty
from zkpoll.cli.output import say

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory

_TIMES: Final = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


class _LastTime(click.DateTime):
    """A time up to which something counts: a day counts whole."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        found = super().convert(value, param, ctx)
        return found if ":" in str(value) else found.replace(hour=23, minute=59, second=59)


@click.command(short_help="Ask a device that pushes for its punches again.")
@config_option
@click.argument("name")
@click.option(
    "--since",
    type=click.DateTime(_TIMES),
    metavar="TIME",
    help="The first time: 2026-11-01, or 2026-11-01T08:00.",
)
@click.option("--until", type=_LastTime(_TIMES), metavar="TIME", help="The last time; a day counts whole.")
def ask(config: Path | None, name: str, since: datetime | None, until: datetime | None) -> None:
    """Ask the device NAME, which pushes, for its punches from a time to a time, or for all it holds.

    Times are those of the device's own clock. The order waits until the device fetches it with its next call
    to `zkpoll serve`, for an hour; it is offered five times at most. The device then sends these punches as
    it sends any other: what is known already counts as seen before, and is not sent to a dashboard again.
    `zkpoll devices info NAME` shows what became of the order.
    """
    from datetime import UTC, datetime
    from zoneinfo import ZoneInfo

    from zkpoll.reports.words import minute
    from zkpoll.tasks.orders import ask as order
    from zkpoll.tasks.orders import who_is_asked

    inventory = load_inventory(config, secrets=False)
    device = _asked_for(inventory, name)
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
