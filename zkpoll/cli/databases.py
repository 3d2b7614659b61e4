"""`zkpoll databases`: the databases of vendor software."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    check_databases,
    config_option,
    json_option,
    load_inventory,
    open_or_empty,
)
from zkpoll.cli.output import few, print_json, print_lines, print_table
from zkpoll.cli.ping_report import PingReport, report_options
from zkpoll.cli.selection import Asked, database_names, databases_asked, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zkpoll.inventory import Database, Inventory
    from zkpoll.journal.database_overview import RowChange
    from zkpoll.reports.database_list import ListedDatabase
    from zkpoll.tasks.inspect_database import DatabaseInspection


@click.group()
def databases() -> None:
    """Look after the databases of vendor software."""


@databases.command("list")
@config_option
@database_names
@json_option
def list_(config: Path | None, asked: Asked, as_json: bool) -> None:
    """List the databases of the inventory, with what the journal knows of them; none is asked.

    Columns: name, kind, address, rows, when it was last read to the end (UTC); how many of its rows are set
    aside (no punches yet: `zkpoll quarantine list` shows them), were edited there after they were read, are
    gone (`zkpoll databases changes` shows both); and how many of its punches wait for a dashboard. `(off)` is
    one with enabled: false.
    """
    from zkpoll.reports.database_list import database_list

    inventory = listed(load_inventory(config, secrets=False), asked, "database")
    with open_or_empty(inventory) as journal:
        found = database_list(inventory, journal)
    if as_json:
        print_json([one.document() for one in found])
    elif sys.stdout.isatty():
        _show_list(found)
    else:
        print_lines("  ".join(one.cells()) for one in found)


def _show_list(found: Sequence[ListedDatabase]) -> None:
    """Print a table; the place of a database stands below its name, as there is no room beside it."""
    from rich.table import Column

    rows = []
    for one in found:
        title, kind, address, number, read, *counts = one.cells()
        rows.append((f"{title} ({kind})\n{address}", f"{read}\n{number} rows", *counts))
    numbers = (Column(one, justify="right") for one in ("set aside", "edited", "gone", "waiting"))
    headings = [Column("database", overflow="fold"), Column("last read", no_wrap=True), *numbers]
    print_table(headings, rows, none="The inventory has no databases.", gap=1)


@databases.command()
@config_option
@database_names
@json_option
@report_options
def ping(config: Path | None, asked: Asked, as_json: bool, verbose: bool, quiet: bool) -> int:
    """Ask databases whether they can be read, step by step; change nothing in them.

    Prints a line for each: the program that keeps it, its rows, the newest one, and how long it took; and how
    many are well. Where a step fails, or with -v, it shows each step with its time and what was found: the
    program, the login, the tables, whether anything could be written, the people, the rows, whose the rows of
    each machine are and where that is told, the rows that a person typed in, and the newest one. What cannot
    be told is shown in any case, and of a step that fails why, and what to do. Without NAME all databases are
    asked that the inventory does not take out.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached; 75 another run is at all of them.
    Where it is at some of them, these count as not asked for.
    """
    from zkpoll.tasks.result import exit_code

    inventory = load_inventory(config)
    databases = databases_asked(inventory, asked)
    names = [one.name for one in databases]
    report = PingReport(names, verbose=verbose, quiet=quiet, as_json=as_json)
    found: list[DatabaseInspection] = []
    for one in _inspected(inventory, databases):
        found.append(one)
        report.show(one)
    report.end()
    if as_json:
        print_json(list(map(_document, found)))
    return exit_code(found)


def _inspected(inventory: Inventory, databases: Sequence[Database]) -> Iterator[DatabaseInspection]:
    """Ask databases in parallel. Yield the results in the inventory's order."""
    from concurrent.futures import ThreadPoolExecutor

    from zkpoll.bridge.opening import open_database
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.tasks.contact import looking
    from zkpoll.tasks.inspect_database import inspect_database

    with (
        stop_on_signal() as stop,
        looking(inventory.home, stop.is_set) as contacts,
        ThreadPoolExecutor(inventory.at_once, "database") as pool,
    ):
        yield from pool.map(lambda one: inspect_database(one, contacts, open_database), databases)


def _document(found: DatabaseInspection) -> dict[str, object]:
    about = found.about
    newest = about and about.newest and about.newest.isoformat()
    return {
        "name": found.name,
        "address": found.address,
        "ok": found.ok,
        "kind": found.kind,
        "steps": list(map(asdict, found.steps)),
        "about": about and asdict(about) | {"newest": newest},
    }


@databases.command(short_help="List rows that were edited or are gone.")
@config_option
@click.argument("name")
@json_option
def changes(config: Path | None, name: str, as_json: bool) -> None:
    """List the rows of the database NAME that were edited after they were read, or are gone.

    Each with when that was seen (UTC), its user, its time and its device, what it says now and what was sent.
    Nothing of it was taken back or sent again: what was sent first stays. A row whose time or person was
    edited is one that is gone and another one. It is the journal that tells; the database is not asked.

    --json prints an array with an object a line, as they are read.
    """
    from zkpoll.journal.database_overview import row_changes

    inventory = load_inventory(config, secrets=False)
    check_databases(inventory, [name], "NAME")
    with open_or_empty(inventory) as journal:
        _show_changes(row_changes(journal, name), as_json=as_json)


def _show_changes(rows: Iterator[RowChange], *, as_json: bool) -> None:
    """Print rows as they come: none but a page of them is in memory."""
    from zkpoll.reports.database_changes import change_cells, change_document
    from zkpoll.reports.tables import FORMATS

    if as_json:
        for piece in FORMATS["json"]((), map(change_document, rows)):
            click.echo(piece, nl=False)
        return
    if sys.stdout.isatty():
        found, rows = few(rows)
        if found is not None:
            headings = ("seen (UTC)", "user", "punched", "device", "what")
            print_table(headings, map(change_cells, found), none="No row was edited, and none is gone.")
            return
    print_lines("  ".join(change_cells(row)) for row in rows)
