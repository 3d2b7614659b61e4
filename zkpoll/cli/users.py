"""`zkpoll users`: who may use which terminal, and what has changed."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import check_names, config_option, json_option
from zkpoll.cli.exports import format_option, give, output_option, show_table, told, way
from zkpoll.cli.exports import json_option as json_format
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.sqlite import Journal
    from zkpoll.reports.user_changes import Finding, Roll, Value
    from zkpoll.reports.user_rows import UserRow
    from zkpoll.tasks.read_users import Answer

_MOST_FILES: Final = 2
_devices = click.option(
    "--device", "names", multiple=True, metavar="NAME", help="Only this device; may be repeated."
)
_verbose = click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is done.")


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
@_verbose
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
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.journal.exports import keep_users
    from zkpoll.journal.sqlite import Journal
    from zkpoll.reports.user_rows import COLUMNS, as_dict

    how = way(format_, output, as_json=as_json)
    inventory, asked = _asked(config, names)
    with sync_report.log(verbose), stop_on_signal() as stop, Journal(inventory.journal) as journal:
        answers, code = _called(inventory, asked, journal, stop)
        answered = _answered(answers)
        if answered or not answers:
            rows = chain.from_iterable(_rows(answer) for answer in answered)
            count = give(how, COLUMNS, map(as_dict, rows), _show_users, stop)
            told(how, f"{count:,} users of {len(answered):,} devices")
        for answer in answered:  # only now: what nobody got was not exported
            keep_users(journal, answer.key, answer.users)
    return code


def _asked(config: Path | None, names: Sequence[str]) -> tuple[Inventory, list[Device]]:
    """Return the inventory, and its devices of these names; without any, those that are enabled."""
    from zkpoll.inventory import load, locate

    inventory = load(locate(config, os.environ), os.environ)
    check_names(inventory, names, "--device")
    return inventory, [one for one in inventory.devices if (one.name in names if names else one.enabled)]


def _called(
    inventory: Inventory, asked: Sequence[Device], journal: Journal, stop: threading.Event
) -> tuple[list[Answer], ExitCode]:
    """Ask devices for their users; name those that did not answer. Return the answers and the exit code."""
    from zkpoll.journal.locks import Locks
    from zkpoll.tasks.read_users import call, exit_code

    answers = call(inventory, asked, journal, Locks(inventory.journal), stop)
    for answer in answers:
        if answer.problem is not None:
            click.echo(f"zkpoll: device {answer.device.name}: {answer.problem}", err=True)
    return answers, exit_code(answers)


def _answered(answers: Iterable[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.problem is None]


def _rows(answer: Answer) -> tuple[UserRow, ...]:
    from zkpoll.reports import user_rows as audit

    device = answer.device
    return audit.rows(answer.users, device=device.name, serial_number=answer.key, encoding=device.encoding)


def _show_users(rows: Sequence[Mapping[str, object]]) -> None:
    headings = ("device", "user", "name", "privilege", "card")
    show_table(headings, map(_short, rows), "There are no users.")


def _short(row: Mapping[str, object]) -> tuple[str, ...]:
    privilege = f"{row['privilege_name']}{'' if row['enabled'] else ', disabled'}"
    return str(row["device"]), str(row["user_id"]), str(row["name"]), privilege, str(row["card"] or "")


# --- diff ---


@users.command(short_help="Tell what changed between two exports, or since the last.")
@click.argument("files", nargs=-1, metavar="[OLD [NEW]]", type=click.Path(path_type=Path))
@config_option
@_devices
@click.option("--exit-code", "changes_only", is_flag=True, help="For cron: exit code 1 if anything changed.")
@json_option
@_verbose
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


def _of_files(files: Sequence[Path], names: Sequence[str]) -> list[Roll]:
    """Return two exports by device, of the devices of these names; without any, all."""
    rolls = [_load(path) for path in files]
    for name in names:
        if not any(name in roll for roll in rolls):
            raise click.BadParameter(f"no device {name!r} in the exports", param_hint="--device")
    return [{name: roll[name] for name in roll if name in names or not names} for roll in rolls]


def _load(path: Path) -> Roll:
    from zkpoll.reports.user_changes import roll_of
    from zkpoll.reports.user_file import load

    return roll_of(load(path))


def _since(
    files: Sequence[Path], config: Path | None, names: Sequence[str], *, verbose: bool
) -> tuple[Roll, Roll, ExitCode]:
    """Return what was exported before, what the devices have now, and the exit code of asking them."""
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.journal.sqlite import Journal

    old = _load(files[0]) if files else None
    inventory, asked = _asked(config, names)
    with sync_report.log(verbose), stop_on_signal() as stop, Journal(inventory.journal) as journal:
        answers, code = _called(inventory, asked, journal, stop)
        answered = _answered(answers)
        kept = None if old is not None else _kept(journal, answered)
    after = {answer.device.name: _rows(answer) for answer in answered}
    if kept is not None:
        return kept, {name: after[name] for name in kept}, _code(code, after, kept)
    silent = {answer.device.name for answer in answers} - after.keys()
    before = {
        name: rows
        for name, rows in (old or {}).items()
        if name not in silent and (name in names or not names)
    }
    return before, after, code


def _kept(journal: Journal, answered: Sequence[Answer]) -> Roll:
    """Return what was last exported of each device; name those of which nothing was."""
    from dataclasses import replace

    from zkpoll.journal.exports import last_users

    kept: dict[str, tuple[UserRow, ...]] = {}
    for answer in answered:
        last = last_users(journal, answer.key)
        if last is not None:
            kept[answer.device.name] = _rows(replace(answer, users=last.users))
        else:
            click.echo(
                f"zkpoll: device {answer.device.name}: its users were never exported;"
                " `zkpoll users export` begins with it",
                err=True,
            )
    return kept


def _code(code: ExitCode, after: Roll, kept: Roll) -> ExitCode:
    """Return the exit code of a comparison: a device that cannot be compared needs attention."""
    return code or (ExitCode.ATTENTION if kept.keys() < after.keys() else ExitCode.OK)


# --- showing what changed ---


def _show_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    from threading import Event

    from zkpoll.reports.export_file import write

    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    if sys.stdout.isatty():
        show_table(("device", "user", "what"), map(_cells, findings), "Nothing has changed.")
        return
    write(_lines(findings), None, Event())


def _lines(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        device, user, what = _cells(finding)
        yield "  ".join(filter(None, (device, user, what))) + "\n"


def _cells(finding: Finding) -> tuple[str, str, str]:
    user = f"{finding.user_id} {finding.name}".rstrip() if finding.user_id is not None else ""
    return finding.device or "", user, _what(finding)


def _what(finding: Finding) -> str:
    before, after = _word(finding.before), _word(finding.after)
    match finding.kind:
        case "added" | "removed":
            return finding.kind
        case "device_added":
            return f"not in the older export; {after} users"
        case "device_removed":
            return f"not in the newer export; {before} users"
        case "on_some_devices":
            return f"only on {after}{f', before on {before}' if finding.is_change else ''}"
        case kind:
            return f"{kind.replace('_', ' ')}: {before} -> {after}"


def _word(value: Value) -> str:
    match value:
        case None | ():
            return "none"
        case True | False:
            return "yes" if value else "no"
        case tuple():
            return ", ".join(value)
        case _:
            return str(value) or "none"
