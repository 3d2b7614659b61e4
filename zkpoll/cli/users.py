"""`zkpoll users`: the users of the terminals, and their changes."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import (
    config_option,
    devices_asked,
    json_option,
    load_inventory,
    open_journal,
    stoppable_run,
    verbose_option,
)
from zkpoll.cli.export_output import ExportOutput, format_option, output_option
from zkpoll.cli.export_output import json_option as json_format
from zkpoll.cli.output import print_json, print_table
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping, Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.user_changes import Finding, Roll
    from zkpoll.reports.user_rows import UserRow
    from zkpoll.tasks.read_users import DeviceUsers

_MOST_FILES: Final = 2
_devices = click.option(
    "--device", "names", multiple=True, metavar="NAME", help="Only this device; may be repeated."
)


@click.group()
def users() -> None:
    """Tell who may use which terminal, and what has changed."""


# --- export ---


@users.command(short_help="Export the users of the devices.")
@config_option
@_devices
@format_option
@output_option
@json_format
@verbose_option
def export(
    config: Path | None,
    names: tuple[str, ...],
    format_: str | None,
    output: Path | None,
    as_json: bool,
    verbose: bool,
) -> int:
    """Export the users of all devices, for an audit: a row for each user of each device.

    \b
      device, serial_number    the terminal
      uid, user_id, name       the user's slot there, id and name
      privilege                the terminal's number, and
      privilege_name           user, enroller, manager, administrator, other
      enabled, group, card     card is 0 for none
      has_password             never the password: nothing here tells it

    Names are decoded by the device's encoding:; bytes that mean nothing in it are shown as \\xe2. In CSV an
    apostrophe stands in front of what a spreadsheet would run. The journal keeps what was exported last of
    each device, for `users diff`.

    Devices that cannot be read are named on stderr and left out: exit code 1, or 69 when none was reached;
    where none is read, nothing is written.
    """  # noqa: D301  # click's own mark is the character itself
    from itertools import chain

    from zkpoll.journal.exports import keep_users
    from zkpoll.reports.user_rows import COLUMNS, as_dict

    export = ExportOutput.asked(format_, output, as_json=as_json)
    inventory = load_inventory(config)
    asked = devices_asked(inventory, names, "--device")
    with stoppable_run(verbose=verbose) as stop, open_journal(inventory, writable=True) as journal:
        answered, silent, code = _read_users(inventory, asked, journal, stop)
        if answered or not silent:
            rows = chain.from_iterable(map(_rows, answered))
            count = export.give(COLUMNS, map(as_dict, rows), _show_users, stop)
            export.say_written(f"{count:,} users of {len(answered):,} devices")
        for answer in answered:  # only now: what nobody got was not exported
            keep_users(journal, answer.key, answer.users)
    return code


def _read_users(
    inventory: Inventory, asked: Sequence[Device], journal: Journal, stop: threading.Event
) -> tuple[list[DeviceUsers], list[DeviceUsers], ExitCode]:
    """Ask devices for their users, and name those that do not answer.

    Return the answers with users, those without, and the exit code of both.
    """
    from zkpoll.tasks.read_users import call
    from zkpoll.tasks.result import exit_code

    answers = call(inventory, asked, journal, stop)
    silent = [answer for answer in answers if answer.problem is not None]
    for answer in silent:
        click.echo(f"zkpoll: device {answer.device.name}: {answer.problem}", err=True)
    return [answer for answer in answers if answer.problem is None], silent, exit_code(answers)


def _rows(answer: DeviceUsers) -> tuple[UserRow, ...]:
    from zkpoll.reports.user_rows import rows

    device = answer.device
    return rows(answer.users, device=device.name, serial_number=answer.key, encoding=device.encoding)


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
@_devices
@click.option("--exit-code", "changes_only", is_flag=True, help="For cron: exit code 1 if anything changed.")
@json_option
@verbose_option
def diff(
    files: tuple[Path, ...],
    config: Path | None,
    names: tuple[str, ...],
    changes_only: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Tell what changed between the exports OLD and NEW, in whatever format they are.

    Without NEW the devices are asked for the users they have now. Without OLD that is compared with what was
    last exported of each device, which the journal keeps; nothing but the next `users export` changes that.

    \b
      added, removed           the user is new there, or gone
      renamed, card_changed    and so are enabled, group and password
      became_administrator     or was given more rights there
      privilege_changed        was given less
      on_some_devices          is on some devices and not on others
      device_added             the device is in one of the exports only
      device_removed

    Who is on some devices only is listed also when that is as it was; with --exit-code, only where it
    changed. A password that was changed for another cannot be told.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.reports.user_changes import compare

    if len(files) > _MOST_FILES:
        raise click.UsageError("two exports can be compared, not more")
    if len(files) == _MOST_FILES:
        (before, after), code = _of_files(files, names), ExitCode.OK
    else:
        before, after, code = _since(files, config, names, verbose=verbose)
    findings = [one for one in compare(before, after) if one.is_change or not changes_only]
    _show_findings(findings, as_json=as_json)
    changed = changes_only and bool(findings)
    return code or (ExitCode.ATTENTION if changed else ExitCode.OK)


def _load(path: Path) -> Roll:
    from zkpoll.reports.user_changes import roll_of
    from zkpoll.reports.user_file import load

    return roll_of(load(path))


def _of_files(files: Sequence[Path], names: Sequence[str]) -> list[Roll]:
    """Return two exports by device, of all devices or those of these names."""
    from zkpoll.reports.user_changes import part_of

    rolls = [_load(path) for path in files]
    for name in names:
        if not any(name in roll for roll in rolls):
            raise click.BadParameter(f"no device {name!r} in the exports", param_hint="--device")
    return [part_of(roll, names) for roll in rolls]


def _since(
    files: Sequence[Path], config: Path | None, names: Sequence[str], *, verbose: bool
) -> tuple[Roll, Roll, ExitCode]:
    """Return the export before, the users of today, and the exit code of asking for them."""
    from zkpoll.reports.user_changes import last_exports, part_of

    old = _load(files[0]) if files else None
    inventory = load_inventory(config)
    asked = devices_asked(inventory, names, "--device")
    with stoppable_run(verbose=verbose) as stop, open_journal(inventory, writable=True) as journal:
        answered, silent, code = _read_users(inventory, asked, journal, stop)
        kept = {} if old is not None else last_exports(journal, ((one.device, one.key) for one in answered))
    after = {answer.device.name: _rows(answer) for answer in answered}
    if old is not None:
        return part_of(old, names, {answer.device.name for answer in silent}), after, code
    for name in (name for name in after if name not in kept):
        click.echo(
            f"zkpoll: device {name}: its users were never exported; `zkpoll users export` begins with it",
            err=True,
        )
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
