"""`zkpoll status`: how everything stands, on one screen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option, load_inventory, open_journal
from zkpoll.cli.output import console, print_table, show
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
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
      dashboard  how many punches are pending, parked (refused) and held, and
                 for how long the oldest waits that it has not confirmed
      trouble    what a person was told of, and lasts

    The day a log will be full is reckoned from the punches of the 28 days before its last reading. Exit
    code 1 where a reading of a device, or a pending or parked punch, is older than alert_after: (1d) or
    stamped ahead of this host's clock, or a device was never read; devices with `enabled: false` and those
    that call us (no host:) do not count. Exit code 1 also where any device may still be disabled by a
    clearing that broke off. Times are UTC.
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
    """Print a table of devices and one of dashboards, bad rows in red, and all remarks below them."""
    from rich.table import Column

    shown = console()
    for headings, rows in (
        (("device", "last read", "log", "full on", "clock"), screen.devices),
        (("dashboard", "punches", "waiting"), screen.dashboards),
    ):
        print_table(
            map(Column, headings),
            [(one.name, *one.cells(screen.now)) for one in rows],
            styles=["red" if one.attention else None for one in rows],
        )
        shown.print()
    for remark in screen.remarks():
        shown.print(remark, markup=False, style="yellow")
