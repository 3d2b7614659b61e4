"""`zkpoll status`: how everything stands, on one screen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option, load_inventory, open_journal
from zkpoll.cli.output import console, print_table, show
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zkpoll.reports.status import StatusScreen


@click.command(short_help="Show how devices and dashboards stand.")
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> int:
    """Show how devices and dashboards stand, by what the journal knows; nothing is contacted.

    \b
      device     when it was last read to its end, how full its log was then,
                 the day it will be full, by how much its clock was off
      calls us   when a device that pushes called last, brought its last
                 punches, by how much its clock is off, the TimeZone it was
                 told, and how often it sent what it had sent before
      push door  whether `zkpoll serve` runs, and how many were not let in
      dashboard  how many punches are pending, parked (refused) and held, and
                 for how long the oldest waits that it has not confirmed
      trouble    what a person was told of, and lasts

    The day a log will be full is reckoned from the punches of the 28 days before its last reading. Exit
    code 1 where a reading of a device, or a pending or parked punch, is older than alert_after: (1d) or
    stamped ahead of this host's clock, or a device was never read; devices with `enabled: false` do not
    count, and no reading is missed of those that have no host:. Exit code 1 also where a device that pushes
    has not called for that long, or never, where devices push and no `zkpoll serve` runs, and where any
    device may still be disabled by a clearing that broke off. Times are UTC.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.reports.status import StatusScreen
    from zkpoll.reports.status import status as look

    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        screen = look(inventory, journal, datetime.now(UTC))
    show(
        screen,
        as_json=as_json,
        document=StatusScreen.document,
        person=_show_tables,
        lines=StatusScreen.lines,
    )
    return ExitCode.ATTENTION if screen.attention else ExitCode.OK


def _show_tables(screen: StatusScreen) -> None:
    """Print a table for each kind of thing, bad rows in red, and all remarks below them."""
    from rich.table import Column

    shown, now = console(), screen.now

    def table(headings: Sequence[str], rows: Iterable[tuple[str, tuple[str, ...], bool]]) -> None:
        rows = list(rows)
        print_table(
            map(Column, headings),
            [(name, *cells) for name, cells, _ in rows],
            styles=["red" if is_bad else None for _, _, is_bad in rows],
        )

    if screen.called or not screen.pushing:
        rows = ((one.name, one.cells(now), one.attention) for one in screen.called)
        table(("device", "last read", "log", "full on", "clock"), rows)
        shown.print()
    if screen.door:
        calls = ((name, one.cells(now), one.looks_bad) for name, one in screen.pushing)
        table(("calls us", "last call", "last punches", "clock", "TimeZone", "replays"), calls)
        for words in screen.door.words():
            style = "red" if screen.door.attention else None
            shown.print(f"push door: {words}", markup=False, style=style)
        shown.print()
    owed = ((one.name, one.cells(now), one.attention) for one in screen.dashboards)
    table(("dashboard", "punches", "waiting"), owed)
    shown.print()
    for remark in screen.remarks():
        shown.print(remark, markup=False, style="yellow")
