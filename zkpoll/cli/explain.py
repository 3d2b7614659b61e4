"""`zkpoll explain`: the punches of a person on a day, and their fates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import DAY, config_option, json_option, load_inventory, open_journal
from zkpoll.cli.output import console, say, show

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.reports.explain import PersonDay


@click.command(short_help="Show what became of a person's punches on a day.")
@click.argument("user")
@click.argument("day", metavar="DATE", type=DAY)
@config_option
@json_option
def explain(user: str, day: datetime, config: Path | None, as_json: bool) -> None:
    """Show every punch of USER (a user id) on DATE (2026-11-22, by the devices' wall clocks).

    Each with its device, when it was read, or received from a device that pushes, and for each dashboard what
    became of it: confirmed when, refused with which words, held or discarded why, or still waiting. Where no
    device has shown one, it says when each was last read, read whole, and called last: what was punched since
    then is not known yet, nor is what a device that calls us has not sent. What `zkpoll journal prune`
    removed is not known any more. Times are UTC but for those of the punches.
    """
    from zkpoll.reports.explain import PersonDay
    from zkpoll.reports.explain import explain as look

    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        screen = look(inventory, journal, user, day.date(), datetime.now(UTC))
    show(screen, as_json=as_json, document=PersonDay.document, person=_show_person, lines=PersonDay.lines)


def _show_person(screen: PersonDay) -> None:
    """Print each punch under a bold line with its time and device."""
    from zkpoll.reports.explain import details

    shown = console()
    for punch in screen.punches:
        head = f"{punch.timestamp[11:19]}  {punch.device} ({punch.serial_number})"
        shown.print(head, markup=False, style="bold")
        for line in details(punch):
            say(f"  {line}")
    for line in [] if screen.punches else screen.not_seen():
        shown.print(line, markup=False)
