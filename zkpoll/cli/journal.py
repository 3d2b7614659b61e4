"""`zkpoll journal`: restore, back up, copy and prune the journal."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

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
from zkpoll.cli.streams import going_on
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.comparison import Comparison
    from zkpoll.journal.prune import Terms
    from zkpoll.reports.old_punches import OldPunches

_LONGEST_PASSWORD: Final = 4096
"""Bytes of a file with a password."""


@click.group(short_help="Back the journal up, keep it small, prove it.")
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
      differ          it is there under another id: its slot was another's

    Exit code 1 where a record is missing or differs. What --write puts back goes to every dashboard at the
    next sync, as if it were read just now, under the ids it always had; nothing is doubled in the journal.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.model.printable import shown
    from zkpoll.pull import raw_copy
    from zkpoll.pull.layouts import bytes_a_record
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
        with going_on():
            say(
                f"{shown(copy.device)} ({shown(copy.serial_number)}),"
                f" as read at {copy.taken_at:%Y-%m-%d %H:%M} UTC:"
                f" {copy.count:,} records of {bytes_a_record(copy.layout)} bytes\n{_counts(found)}"
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
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE|DIR")
@config_option
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option(
    "--keep",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Back up into the folder DIR, and keep the last N backups there.",
)
@json_option
def backup(file: Path, config: Path | None, force: bool, keep: int | None, as_json: bool) -> int:
    """Copy the journal to FILE, or into the folder DIR, as it is at this moment.

    Runs may go on meanwhile. The copy is checked before it gets its name, and for its owner alone (mode
    0600), since it tells who came when. To restore it, stop zkpoll, copy it to the journal's place, and
    delete what lies beside it as `-wal` and `-shm`.

    With --keep the backup is DIR/zkpoll-2026-11-29T031000Z.db, by the time in UTC, and once it is there,
    older ones beyond the last N are removed: files of such a name that are journals, and nothing else. Give
    each journal a folder of its own. The raw copies of cleared logs go into DIR/raw, and stay there. From
    cron nothing is printed while all is well.

    A journal in PostgreSQL is backed up by the server's own means: the command for it is told.

    Exit codes: 0 it is made; 1 it is not, or an older one cannot be removed; 2 the journal is on a server;
    74 the journal cannot be read.
    """
    import shlex

    from zkpoll.journal import backup as backups
    from zkpoll.model.journal_home import JournalServer
    from zkpoll.reports.words import counted

    if keep and force:
        raise click.UsageError("--keep overwrites nothing; leave --force away")
    home = load_inventory(config, secrets=False).home
    if isinstance(home, JournalServer):
        target = file / "zkpoll.dump" if keep else file
        dump = ("pg_dump", "--schema=zkpoll", "--format=custom", f"--file={target}", home.url)
        raise click.UsageError(f"the journal {home} is on a server; this backs it up: {shlex.join(dump)}")
    if keep is None:
        made = backups.backup(home, file, force=force)
        kept = None
    else:
        kept = backups.backup_and_keep(home, file, keep)
        made = kept.backup
    if as_json:
        more = {"removed": list(map(str, kept.removed)), "raw_copies": kept.raw_copies} if kept else {}
        document = {"file": str(made.file), "punches": made.punches, "bytes": made.size}
        click.echo(json.dumps(document | more))
    elif kept is None or sys.stdout.isatty():
        parts = [f"{made.punches:,} punches", f"{made.size:,} bytes"]
        if kept:
            parts += [counted(kept.raw_copies, "new raw copy", "new raw copies")] if kept.raw_copies else []
            parts += [f"{counted(len(kept.removed), 'older backup')} removed"] if kept.removed else []
        say(f"{made.file}: {', '.join(parts)}")
    return ExitCode.OK


# --- copy ---


@journal.command(short_help="Copy the journal from its file into PostgreSQL.")
@config_option
@click.option("--to", "url", required=True, metavar="URL", help="postgresql://USER@HOST/DATABASE")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with the password of USER alone.",
)
@click.option("--dry-run", is_flag=True, help="Copy and prove all of it, and undo that.")
@json_option
def copy(config: Path | None, url: str, password_file: Path | None, dry_run: bool, as_json: bool) -> int:
    """Copy the journal from its SQLite file into the PostgreSQL database at URL, which has none yet.

    Stop cron, the timers and `zkpoll serve` first, and start them again once `journal:` in the inventory
    names the URL: what they write into the file after the copy is in no copy. While another zkpoll has the
    journal open, nothing is copied, and until the copy ends none can write to it. The file stays as it is.

    All is copied in one transaction, under the numbers it has, and proved before that ends: as many rows in
    each table, and the same sum of each dashboard, counted one by one. A copy that fails or is killed leaves
    nothing in the database.

    The password is not part of URL, which every user of this machine may see. It is in --password-file, in
    PGPASSWORD, or in ~/.pgpass.

    Exit codes: 0 it is copied, or with --dry-run can be; 74 a journal cannot be used; 75 another zkpoll has
    the journal open.
    """
    from zkpoll.journal.copy import copy_to
    from zkpoll.model.journal_home import JournalServer, beside, file_of
    from zkpoll.reports.words import counted, punches

    _check_url(url)
    password = _password_in(password_file) if password_file else None
    home = load_inventory(config, secrets=False).home
    if isinstance(home, JournalServer):
        raise click.UsageError(f"the journal {home} is on a server already")
    file = file_of(home)
    found = copy_to(file, url, password=password, keep=not dry_run)
    if as_json:
        sums = {name: asdict(one) for name, one in found.sums.items()}
        print_json({"file": str(file), "copied": not dry_run, "rows": found.rows, "sums": sums})
        return ExitCode.OK
    rows = sum(found.rows.values()) - found.rows["punch"]
    what = f"{punches(found.rows['punch'])} and {counted(rows, 'other row')}"
    proof = f"the same sums of {counted(len(found.sums), 'dashboard')}"
    if dry_run:
        say(f"{what} can be copied, with {proof}. Nothing is kept of it.")
        return ExitCode.OK
    say(f"{what} are copied, with {proof}.")
    state = beside(home).resolve().parent
    say(f"Set `journal: {url}` and `state_dir: {state}` in the inventory; then start cron.")
    say(f"Keep {file}: nothing writes to it any more, and the copy has no backup yet.")
    return ExitCode.OK


def _check_url(url: str) -> None:
    """Refuse what is no URL of a PostgreSQL database, or shows a password."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"postgresql", "postgres"}:
        raise click.BadParameter("expected postgresql://USER@HOST/DATABASE", param_hint="--to")
    if ":" in parts.netloc.rpartition("@")[0] or "password=" in parts.query:
        raise click.BadParameter(
            "every user of this machine can see a password there; name a file with it: --password-file",
            param_hint="--to",
        )


def _password_in(file: Path) -> str:
    """Return the password in a file."""
    from zkpoll.errors import reason
    from zkpoll.ordinary_files import contents

    try:
        text = contents(file, _LONGEST_PASSWORD).decode()
    except OSError as error:
        raise click.BadParameter(f"{file}: {reason(error)}", param_hint="--password-file") from error
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"{file} is no text", param_hint="--password-file") from error
    return text.rstrip("\r\n")


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
      undelivered  it is pending or parked for a dashboard, or none had it
      held         it is held for a dashboard
      same second  it shares its second with another punch of that person
      in a database  a database that is read still shows it

    What its device may still show stays as well; that is not counted, and the reason is told. A device cannot
    show a punch any more once zkpoll itself has cleared its log since (`clear:`), or has read twice as many
    further records of its log as that holds. One that left the inventory must be named with --device, and it
    must not have been read, nor have called, for AGE. Of a device that only pushes nothing goes while it is
    in the inventory.

    What was removed is known if it is shown again after all, and is not sent again: 32 bytes of it are kept,
    but not whose it was, nor when.

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
        with going_on():
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
