"""`zkpoll users`: the users of terminals and databases, and their changes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import (
    config_option,
    json_option,
    load_inventory,
    open_journal,
    stoppable_run,
    verbose_option,
)
from zkpoll.cli.export_output import ExportOutput, force_option, format_option, output_option
from zkpoll.cli.export_output import json_option as json_format
from zkpoll.cli.output import print_json, print_table, say
from zkpoll.cli.selection import Asked, fitting, names_at, source_options, sources_asked
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from zkpoll.inventory import Database, Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.user_changes import Finding, Roll
    from zkpoll.reports.user_rows import UserRow
    from zkpoll.tasks.all_users import Answer

_MOST_FILES: Final = 2


@click.group(short_help="Tell who may use which terminal, and what changed.")
def users() -> None:
    """Tell who may use which terminal, whom a database knows, and what has changed."""


# --- export ---


@users.command(short_help="Export the users of devices and databases.")
@config_option
@source_options
@format_option
@output_option
@force_option
@json_format
@verbose_option
def export(
    config: Path | None,
    asked: Asked,
    format_: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Export the users of all devices and databases, for an audit: a row for each user of each.

    \b
      device, serial_number    the terminal, or the database
      uid, user_id, name       the user's slot, id and name; of a database
                               the number that its program has, the badge, name
      privilege                the number there, and
      privilege_name           user, enroller, manager, administrator, other;
                               of a database user, or its number again
      enabled, group, card     card is 0 for none
      has_password             never the password: nothing here tells it

    Names are decoded by the device's encoding:; bytes that mean nothing in it are shown as \\xe2. In CSV an
    apostrophe stands in front of what a spreadsheet would run. The journal keeps what was exported last of
    each, for `users diff`.

    Those that cannot be read are named on stderr and left out: exit code 1, or 69 when none was reached;
    where none is read, nothing is written. One that another run is at is named as well, and no failure: exit
    code 0, or 75 where that is all of them.
    """  # noqa: D301  # click's own mark is the character itself
    from itertools import chain

    from zkpoll.journal.exports import keep_users
    from zkpoll.reports.user_rows import COLUMNS, as_dict

    export = ExportOutput.asked(format_, output, as_json=as_json, force=force)
    inventory = load_inventory(config)
    sources = sources_asked(inventory, asked)
    with stoppable_run(verbose=verbose) as stop, open_journal(inventory, writable=True) as journal:
        answered, silent, code = _read_users(inventory, sources, journal, stop)
        if answered or not silent:
            rows = chain.from_iterable(map(_rows, answered))
            count = export.give("users", COLUMNS, map(as_dict, rows), _show_users, stop)
            export.say_written(f"{count:,} users of {_sources(answered)}")
        for answer in answered:  # only now: what nobody got was not exported
            keep_users(journal, answer.key, answer.users)
    return code


def _read_users(
    inventory: Inventory,
    asked: tuple[list[Device], list[Database]],
    journal: Journal,
    stop: threading.Event,
) -> tuple[list[Answer], list[Answer], ExitCode]:
    """Ask devices and databases for their users, and name those that do not answer.

    Return the answers with users, those without, and the exit code of both.
    """
    from zkpoll.bridge.opening import open_database
    from zkpoll.tasks.all_users import ask_all
    from zkpoll.tasks.result import exit_code

    answers = ask_all(inventory, *asked, journal, open_database, stop)
    silent = [answer for answer in answers if answer.problem is not None]
    for answer in silent:
        click.echo(f"zkpoll: {answer.subject}: {answer.problem}", err=True)
    return [answer for answer in answers if answer.problem is None], silent, exit_code(answers)


def _sources(answered: Sequence[Answer]) -> str:
    """Return how many devices and databases those are, in words."""
    databases = sum(one.of_database for one in answered)
    devices = f"{len(answered) - databases:,} devices"
    return f"{devices} and {databases:,} databases" if databases else devices


def _rows(answer: Answer) -> tuple[UserRow, ...]:
    from zkpoll.reports.user_rows import rows

    return rows(
        answer.users,
        device=answer.name,
        serial_number=answer.key,
        encoding=answer.encoding,
        of_database=answer.of_database,
    )


def _show_users(rows: Sequence[Mapping[str, object]]) -> None:
    cells = [
        (
            str(row["device"]),
            str(row["user_id"]),
            str(row["name"]),
            f"{row['privilege_name']}{'' if row['enabled'] else ', disabled'}",
            str(row["card"] or ""),
        )
        for row in rows
    ]
    headings = ("device", "user", "name", "privilege", "card")
    print_table(headings, cells, none="There are no users.")


# --- diff ---


@users.command(short_help="Tell what changed between two exports, or since the last.")
@click.argument("files", nargs=-1, metavar="[OLD [NEW]]", type=click.Path(path_type=Path))
@config_option
@source_options
@click.option("--everywhere", is_flag=True, help="List also who is on some devices and not on others.")
@click.option("--exit-code", "tells", is_flag=True, help="For cron: exit code 1 if anything changed.")
@json_option
@verbose_option
def diff(
    files: tuple[Path, ...],
    config: Path | None,
    asked: Asked,
    everywhere: bool,
    tells: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Tell what changed between the exports OLD and NEW, in whatever format they are.

    Without NEW devices and databases are asked for the users they have now. Without OLD that is compared with
    what was last exported of each, which the journal keeps; nothing but the next `users export` changes that.

    \b
      added, removed           the user is new there, or gone
      renamed, card_changed    and so are enabled, group and password
      became_administrator     or was given more rights there
      privilege_changed        was given less
      device_added             the device is in one of the exports only
      device_removed
      on_some_devices          with --everywhere: is on some devices and not on
                               others, whether that was so before or not

    Only changes are listed. Where nothing changed, nothing is printed (but to a person at a terminal, that it
    is so), and the exit code is 0. Who is on some devices only is counted in a line behind the changes;
    --everywhere lists them. --json prints an array of the same, without that count. A password that was
    changed for another cannot be told.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.reports.user_changes import compare, on_some_devices

    if len(files) > _MOST_FILES:
        raise click.UsageError("two exports can be compared, not more")
    if len(files) == _MOST_FILES:
        (before, after), code = _of_files(files, config, asked), ExitCode.OK
    else:
        before, after, code = _since(files, config, asked, verbose=verbose)
    changes, scattered = compare(before, after), on_some_devices(before, after)
    _show_findings((*changes, *scattered) if everywhere else changes, as_json=as_json)
    if changes and scattered and not (everywhere or as_json):
        say(_some_only(len(scattered)))
    return code or (ExitCode.ATTENTION if tells and changes else ExitCode.OK)


def _some_only(count: int) -> str:
    from zkpoll.reports.words import are, counted

    it = "it" if count == 1 else "them"
    return f"{counted(count, 'user')} {are(count)} on some devices only; --everywhere lists {it}"


def _load(path: Path) -> Roll:
    from zkpoll.reports.user_changes import roll_of
    from zkpoll.reports.user_file import load

    return roll_of(load(path))


def _of_files(files: Sequence[Path], config: Path | None, asked: Asked) -> list[Roll]:
    """Return two exports by device, of all devices or those that are asked for."""
    from zkpoll.reports.user_changes import part_of

    rolls = [_load(path) for path in files]
    at = names_at(load_inventory(config, secrets=False), asked) if asked.sites else None
    names = fitting(asked, (name for roll in rolls for name in roll), at, "device", "exports")
    return [part_of(roll, names) if asked else roll for roll in rolls]


def _since(
    files: Sequence[Path], config: Path | None, asked: Asked, *, verbose: bool
) -> tuple[Roll, Roll, ExitCode]:
    """Return the export before, the users of today, and the exit code of asking for them."""
    from zkpoll.reports.user_changes import last_exports, part_of

    old = _load(files[0]) if files else None
    inventory = load_inventory(config)
    sources = sources_asked(inventory, asked)
    names = [one.name for group in sources for one in group] if asked else []
    with stoppable_run(verbose=verbose) as stop, open_journal(inventory, writable=True) as journal:
        answered, silent, code = _read_users(inventory, sources, journal, stop)
        kept = {} if old is not None else last_exports(journal, answered)
    after = {answer.name: _rows(answer) for answer in answered}
    if old is not None:
        return part_of(old, names, {answer.name for answer in silent}), after, code
    for answer in (one for one in answered if one.name not in kept):
        text = "its users were never exported; `zkpoll users export` begins with it"
        click.echo(f"zkpoll: {answer.subject}: {text}", err=True)
        code = code or ExitCode.ATTENTION
    return kept, {name: after[name] for name in kept}, code


def _show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    from threading import Event

    from zkpoll.reports.export_file import write

    cells: Iterator[tuple[str, str, str]] = (finding.cells() for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    elif sys.stdout.isatty():
        print_table(("device", "user", "what"), cells, none="Nothing has changed.")
    else:
        write(("  ".join(filter(None, row)) + "\n" for row in cells), None, Event())
