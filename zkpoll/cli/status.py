"""`zkpoll status`: how everything stands, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import config_option, json_option, load_inventory, open_journal
from zkpoll.cli.output import console, print_grid, print_table, show
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.errand_status import ErrandStatus
    from zkpoll.reports.status import StatusScreen


_FEW: Final = 30
"""Rows of a table, and lines of a list, that a screen shows unless all are asked for."""


@click.command(short_help="Show whether all is well, and how everything stands.")
@config_option
@click.option("--all", "whole", is_flag=True, help="On a terminal, show all rows, however many they are.")
@click.option(
    "--html",
    type=click.Path(path_type=Path, allow_dash=True, dir_okay=False),
    metavar="FILE",
    help="Write it as a page to this file; - for stdout.",
)
@json_option
def status(config: Path | None, whole: bool, html: Path | None, as_json: bool) -> int:
    """Show whether all is well, and how everything stands, by what the journal knows. Nothing is contacted.

    The first line says whether all is well, when a run ended last, and how many punches are confirmed of
    those that dashboards are to get (the held and the discarded are not among them). What needs a person
    stands below it, each in the words that runs have told, with since when.

    \b
      device     when it was last read to its end, how full its log was then,
                 the day it will be full, by how much its clock was off
      calls us   when a device that pushes called last, brought its last
                 punches, by how much its clock is off, the TimeZone it was
                 told, and how often it sent what it had sent before
      push door  whether `zkpoll serve` runs, and how many were not let in
      database   when it was last read to its end, how many rows it has; how
                 many of them are set aside (no punches yet) or were edited
                 after they were read, and how many are gone
      dashboard  how many punches it has confirmed, and how many are pending,
                 parked (refused) and held; when it confirmed one last, and for
                 how long the oldest waits that it has not confirmed
      errands    with workers:, how many visits, deliveries and clearings of
                 each site are done, waiting, under way and late; when one was
                 taken last, who is at how many, and why one is late

    On a terminal, a table of more than 30 rows shows those that need a person and counts the others; --all
    shows them. In a pipe each has a line. The day a log will be full is reckoned from the punches of the 28
    days before its last reading. Times are UTC.

    --html writes the same, and more, as one page for a browser: bars of 28 days, what the dashboards said of
    parked punches, the commands that help. It is made in one piece, with mode 0640, as it holds user ids.
    page: in the inventory has each run write it (docs/status-page.md).

    Exit codes: 0 all is well; 1 something needs you, and is listed below the first line. That is each trouble
    of the last run or of `zkpoll serve` that lasts; a reading, a call or a punch on its way that is older
    than alert_after: (1d), or is stamped ahead of this host's clock; a device that may still be disabled; a
    push door where nobody listens; rows or punches of a database that wait for a person; errands
    that are not done after two spans of `every:`, or a `zkpoll dispatch` that sends none. What has
    `enabled: false` is not missed.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.reports.status import StatusScreen
    from zkpoll.reports.status import status as look

    if html and as_json:
        raise click.UsageError("--html and --json exclude each other")
    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        if html:
            return _write_page(inventory, journal, html)
        screen = look(inventory, journal, datetime.now(UTC))
    show(
        screen,
        as_json=as_json,
        document=StatusScreen.document,
        person=partial(_show_tables, most=None if whole else _FEW),
        lines=StatusScreen.lines,
    )
    return ExitCode.ATTENTION if screen.attention else ExitCode.OK


def _write_page(inventory: Inventory, journal: Journal, path: Path) -> int:
    """Write the page to a file, or to stdout where that is `-`. Return the exit code."""
    from threading import Event

    from zkpoll.errors import reason
    from zkpoll.reports.export_file import OutputFailed, write
    from zkpoll.reports.page.file import put_page
    from zkpoll.reports.page.html import page
    from zkpoll.reports.page.view import page_view

    view = page_view(inventory, journal, datetime.now(UTC))
    text = page(view)
    if str(path) == "-":
        write([text], None, Event())
    else:
        try:
            put_page(path, text)
        except OSError as error:
            raise OutputFailed(f"{path} cannot be written: {reason(error)}") from error
    return ExitCode.ATTENTION if view.screen.attention else ExitCode.OK


def _show_tables(screen: StatusScreen, most: int | None) -> None:
    """Print the verdict, what needs a person, a table for each kind of thing, and all remarks below them.

    Lists are no longer than `most`; a longer table has the rows that need a person, up to that number.
    """
    shown, needed = console(), {need.subject for need in screen.needs}
    shown.print(screen.verdict, markup=False, style="bold red" if needed else "bold green")
    needs = [need.line for need in screen.needs]
    if needs:
        print_grid([("-", (line, "red")) for line in needs[:most]])
    _show_rest(len(needs), most, "red")
    shown.print()
    _show_devices(screen, needed, most)
    owed = (
        _Row(one.name, one.cells(screen.now), not needed.isdisjoint(one.subjects))
        for one in screen.dashboards
    )
    headings = ("dashboard", "confirmed", "pending", "parked", "held", "last delivery", "oldest waits")
    _show_rows(headings, owed, most)
    if screen.errands:
        _show_errands(screen.errands, most)
    remarks = list(screen.remarks())
    for remark in remarks[:most]:
        shown.print(remark, markup=False, style="yellow")
    _show_rest(len(remarks), most, "yellow")


def _show_devices(screen: StatusScreen, needed: AbstractSet[str], most: int | None) -> None:
    """Print what punches come from."""
    shown, now = console(), screen.now
    if screen.called or not (screen.pushing or screen.databases):
        rows = (
            _Row(one.name, one.cells(now), one.stale or one.subject in needed, one.enabled)
            for one in screen.called
        )
        _show_rows(("device", "last read", "log", "full on", "clock"), rows, most)
    if screen.databases:
        stores = (
            _Row(one.name, one.cells(now), one.stale or one.subject in needed, one.enabled)
            for one in screen.databases
        )
        _show_rows(("database", "last read", "rows", "set aside", "edited", "gone"), stores, most)
    if screen.door:
        calls = (
            _Row(one.name, one.cells(now), one.looks_bad or one.subject in needed, one.enabled)
            for one in screen.pushing
        )
        headings = ("calls us", "last call", "last punches", "clock", "TimeZone", "replays")
        _show_rows(headings, calls, most, end="")
        for words in screen.door.words():
            style = "red" if screen.door.attention else None
            shown.print(f"push door: {words}", markup=False, style=style)
        shown.print()


def _show_errands(errands: ErrandStatus, most: int | None) -> None:
    """Print how the errands of each queue stand, who is at them, and which are late."""
    from zkpoll.model.errand import STATES

    queues = (_Row(one.name, one.cells(errands.now), bool(one.outcome.late)) for one in errands.queues)
    _show_rows(("errands", *STATES, "taken last"), queues, most)
    workers = [_Row(who, cells, needs=False) for who, *cells in errands.workers()]
    if workers:
        _show_rows(("worker", "under way", "longest"), workers, most)
    late = [_Row(subject, cells, needs=True) for subject, *cells in errands.late_ones()]
    if late:
        _show_rows(("late", "since", "why"), late, most)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a table."""

    name: str
    cells: Sequence[str]
    needs: bool
    """Whether it needs a person."""
    enabled: bool = True


def _show_rest(lines: int, most: int | None, style: str) -> None:
    """Print how many lines a list leaves out."""
    if most is not None and lines > most:
        console().print(f"and {lines - most:,} more; --all shows them", style=style)


def _show_rows(headings: Sequence[str], rows: Iterable[_Row], most: int | None, end: str = "\n") -> None:
    """Print a table; of more than `most` rows those that need a person, and how many others there are."""
    rows = list(rows)
    few = rows if most is None or len(rows) <= most else [row for row in rows if row.needs][:most]
    if few:
        cells = [(row.name, *row.cells) for row in few]
        print_table(headings, cells, styles=["red" if row.needs else None for row in few])
    names = {row.name for row in few}
    if others := [row for row in rows if row.name not in names]:
        console().print(f"{headings[0]}: {_left_out(others, 'more ' if few else '')}", markup=False)
    console().print(end=end)


def _left_out(rows: Sequence[_Row], more: str) -> str:
    """Return in one line which rows a table leaves out."""
    from zkpoll.reports.words import are

    need, off = sum(row.needs for row in rows), sum(not (row.needs or row.enabled) for row in rows)
    well = len(rows) - need - off
    parts = (
        f"{need:,} {more}{'needs' if need == 1 else 'need'} you" if need else "",
        f"{well:,} {more}{are(well)} well" if well else "",
        f"{off:,} switched off" if off else "",
    )
    return f"{', '.join(filter(None, parts))}; --all shows them"
