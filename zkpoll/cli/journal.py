"""`zkpoll journal`: restore, back up and prune the journal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    agreed,
    config_option,
    json_option,
    load_inventory,
    no_such_device,
    open_journal,
    open_or_empty,
    refuse_unasked,
    yes_option,
)
from zkpoll.cli.output import console, print_json, print_lines, print_table, say
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.comparison import Comparison
    from zkpoll.journal.prune import Terms
    from zkpoll.reports.old_punches import OldPunches


@click.group()
def journal() -> None:
    """Back the journal up, keep it small, prove it, and put back what it lost."""


@journal.command(short_help="Prove that the journal holds what a raw copy holds.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@click.option("--write", is_flag=True, help="Put what is missing into the journal.")
@yes_option
@json_option
def restore(file: Path, config: Path | None, write: bool, yes: bool, as_json: bool) -> int:
    """Prove that the journal's rows can be rebuilt from FILE, the raw copy of a log.

    Each record is decoded as when it was read, and looked for in the journal by its bytes and its id:

    \b
      in the journal  it is there, under the id that the copy gives it
      missing         it is not; --write puts it there, also into a new journal
      quarantined     nobody can believe it, and it is in quarantine there
      differ          it is there under another id: its slot was another user's then

    Exit code 1 where a record is missing or differs. What --write puts back goes to every dashboard at the
    next sync, as if it were read just now, under the ids it always had; nothing is doubled in the journal.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.model.printable import shown
    from zkpoll.pull import raw_copy
    from zkpoll.reports.words import counted
    from zkpoll.tasks.restore import compare
    from zkpoll.tasks.restore import restore as put_back

    if write:
        refuse_unasked(yes)
    copy = raw_copy.load(file)
    inventory = load_inventory(config, secrets=False)
    with open_or_empty(inventory) if write else open_journal(inventory) as opened:
        found, written = compare(opened, copy), 0
    if not as_json:
        say(
            f"{shown(copy.device)} ({shown(copy.serial_number)}),"
            f" as read at {copy.taken_at:%Y-%m-%d %H:%M} UTC:"
            f" {copy.count:,} records of {copy.layout} bytes\n{_counts(found)}"
        )
    question = f"Put {counted(found.missing, 'missing record')} into the journal?"
    if write and found.missing and (yes or agreed(question)):
        with open_journal(inventory, writable=True) as opened:
            found, written = put_back(opened, inventory, copy)
    if as_json:
        header, names = copy.header(), ("device", "serial_number", "taken_at", "layout", "count", "sha256")
        print_json({name: header[name] for name in names} | asdict(found) | {"written": written})
    elif written:
        say(f"{written:,} put into the journal, which now has: {_counts(found)}")
    elif write:
        click.echo("Nothing is put into the journal.")
    return ExitCode.OK if found.proved else ExitCode.ATTENTION


def _counts(found: Comparison) -> str:
    return (
        f"{found.in_journal:,} in the journal, {found.missing:,} missing,"
        f" {found.quarantined:,} quarantined, {found.differ:,} differ"
    )


# --- backup ---


@journal.command(short_help="Copy the journal to a file, also while a sync runs.")
@click.argument("file", type=click.Path(path_type=Path))
@config_option
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@json_option
def backup(file: Path, config: Path | None, force: bool, as_json: bool) -> int:
    """Copy the journal to FILE, as it is at this moment.

    Runs may go on meanwhile. The copy is checked before it gets its name, and for its owner alone (mode
    0600), since it tells who came when. To restore it, stop zkpoll, copy it to the journal's place, and
    delete what lies beside it as `-wal` and `-shm`.
    """
    from zkpoll.journal import backup as backups

    made = backups.backup(load_inventory(config, secrets=False).journal, file, force=force)
    if as_json:
        click.echo(json.dumps({"file": str(made.file), "punches": made.punches, "bytes": made.size}))
    else:
        say(f"{made.file}: {made.punches:,} punches, {made.size:,} bytes")
    return ExitCode.OK


# --- prune ---


@journal.command(short_help="Remove old punches that nobody needs any more.")
@config_option
@click.option("--older-than", required=True, metavar="AGE", help="Such as 400d; 30d at least.")
@click.option("--device", metavar="NAME", help="Only of this device, by its name or serial number.")
@click.option("--compact", is_flag=True, help="Make the file smaller afterwards; takes its size in room.")
@click.option("--dry-run", is_flag=True, help="Print the numbers; remove nothing.")
@yes_option
@json_option
def prune(
    config: Path | None,
    older_than: str,
    device: str | None,
    compact: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove punches from the journal that were journalled longer than AGE ago.

    The numbers are shown first, and you are asked. What stays, however old it is:

    \b
      undelivered  it is pending or parked for a dashboard, or no dashboard had it
      held         it is held for a dashboard
      same second  it shares its second with another punch of that person
      on device    its device may still show it, and it would come in as new

    A device cannot show a punch any more once zkpoll itself has cleared its log since (`clear:`). One that
    left the inventory must be named with --device, and it must not have been read, nor have called, for AGE;
    if it came back with its log, what was removed would be sent again, under the ids it always had. A device
    that only pushes is never cleared, and may push its whole log again at any time: while it is in the
    inventory, nothing of it goes.

    By a clock of this host that may be wrong nothing is removed unasked: one that is not synchronised, that
    no terminal's bears out, or that is days past the newest reading.
    """  # noqa: D301  # click's own mark is the character itself
    from datetime import UTC, datetime

    from zkpoll.journal import prune
    from zkpoll.reports.old_punches import OldPunches
    from zkpoll.reports.words import punches
    from zkpoll.tasks.clock_doubt import ClockInDoubt, doubted

    refuse_unasked(yes or dry_run, "--yes, or --dry-run")
    inventory = load_inventory(config, secrets=False)
    terms = _terms(inventory, older_than, device)
    with open_journal(inventory) as opened:
        if terms.device and not prune.knows(opened, terms.device):
            raise no_such_device(terms.device)
        old = OldPunches(terms.before, prune.old_punches(opened, terms))
        doubt = doubted(opened, datetime.now(UTC)) if old.removable else None
    if doubt and yes and not dry_run:
        raise ClockInDoubt(
            f"nothing is removed unasked, while {doubt}; run `zkpoll sync`, or leave --yes away"
        )
    if not as_json:
        _show(old)
    if doubt:
        click.echo(f"zkpoll: careful: {doubt}", err=True)
    question = f"Remove {punches(old.removable)} from the journal?"
    may, removed = yes or dry_run or not old.removable or agreed(question), 0
    if may and not dry_run:
        with open_journal(inventory, writable=True) as opened:
            removed = prune.prune(opened, terms)
            if compact:
                prune.compact(opened)
    if as_json:
        print_json(old.document(removed))
    else:
        click.echo(f"{punches(removed)} removed." if removed else "Nothing is removed.")
    return ExitCode.OK if may else ExitCode.ATTENTION


def _terms(inventory: Inventory, older_than: str, device: str | None) -> Terms:
    """Given an age as it was typed, return the terms of the removal."""
    from datetime import UTC, datetime, timedelta

    from zkpoll.inventory.kinds import Duration
    from zkpoll.journal.prune import LONGEST, SHORTEST, Terms

    try:
        age = Duration(SHORTEST, LONGEST).parse(older_than)
        before = datetime.now(UTC) - timedelta(seconds=age)
    except (ValueError, OverflowError) as error:
        what = f"expected an age from {SHORTEST} to {LONGEST}, such as 400d"
        raise click.BadParameter(what, param_hint="--older-than") from error
    names = {name for one in inventory.devices for name in (one.name, one.serial) if name}
    return Terms(before, frozenset(names), device)


def _show(old: OldPunches) -> None:
    if not old.shares:
        click.echo(f"No punch was journalled before {old.before:%Y-%m-%d %H:%M} UTC.")
    elif sys.stdout.isatty():
        _show_table(old)
    else:
        print_lines(old.lines())


def _show_table(old: OldPunches) -> None:
    from rich.table import Column

    from zkpoll.reports.old_punches import STAYS

    shown = console()
    shown.print(f"Punches journalled before {old.before:%Y-%m-%d %H:%M} UTC:")
    headings = (Column(heading, justify="right") for heading in ("may go", *STAYS.values()))
    print_table(("device", *headings), old.rows())
    for remark in old.remarks():
        shown.print(remark, markup=False)
