"""`zkpoll journal`: the journal itself, and what insures it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option
from zkpoll.cli.output import say
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.holds import Holding
    from zkpoll.journal.prune import Fate, Share, Terms
    from zkpoll.journal.restore import Found
    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.sums import Tally
    from zkpoll.pull.raw_copy import RawCopy


@click.group()
def journal() -> None:
    """Back the journal up, keep it small, prove it, and put back what it lost."""


@journal.command(short_help="Prove that the journal holds what a raw copy holds.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@click.option("--write", is_flag=True, help="Put what is missing into the journal.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
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
    from zkpoll.inventory import load, locate
    from zkpoll.pull import raw_copy

    if write and not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes")
    copy = raw_copy.load(file)
    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    with _to_look_at(inventory.journal, new=write) as opened:
        found, written = _compared(opened, copy), 0
    if not as_json:
        _tell(copy, found)
    if write and found.missing and (yes or _agreed(found)):
        found, written = _written(inventory, copy)
    if as_json:
        click.echo(json.dumps(_document(copy, found, written), indent=2))
    elif written:
        say(f"{written:,} put into the journal, which now has: {_counts(found)}")
    elif write:
        click.echo("Nothing is put into the journal.")
    return ExitCode.OK if found.proved else ExitCode.ATTENTION


def _to_look_at(path: Path, *, new: bool) -> Journal:
    """Open the journal to look at it; where a `new` one may be made, it is not made for that."""
    from zkpoll.journal.sqlite import Journal

    return Journal(None) if new and not path.exists() else Journal(path, writable=False)


def _compared(opened: Journal, copy: RawCopy) -> Found:
    from zoneinfo import ZoneInfo

    from zkpoll.journal.restore import Found, Restoring

    restore = Restoring(opened, copy.device, copy.serial_number, ZoneInfo(copy.zone))
    found: list[Found] = []
    copy.hand_on(lambda piece: found.append(restore.compare(piece)))
    return sum(found, Found())


def _written(inventory: Inventory, copy: RawCopy) -> tuple[Found, int]:
    """Put what is missing into the journal; return what it holds then, and how many that were."""
    from zoneinfo import ZoneInfo

    from zkpoll.journal import restore
    from zkpoll.journal.outbox import Outbox
    from zkpoll.journal.sqlite import Journal

    tallies: list[Tally] = []
    with Journal(inventory.journal) as opened:
        for dashboard in inventory.dashboards:  # a new one gets only what is journalled after it was met
            Outbox(opened, dashboard.name)
        restore.meet(opened, copy.device, copy.serial_number)
        holding = _holding(opened, inventory, copy)
        zone = ZoneInfo(copy.zone)
        room = restore.Restoring(opened, copy.device, copy.serial_number, zone, holding)
        copy.hand_on(lambda piece: tallies.append(room.add(piece)))
        found = _compared(opened, copy)
    return found, sum(one.first_seen + one.same_second + one.newly_quarantined for one in tallies)


def _holding(opened: Journal, inventory: Inventory, copy: RawCopy) -> Holding:
    """Return which punches the inventory holds, of the device as it is named by now."""
    from zkpoll.journal.devices import Devices
    from zkpoll.journal.holds import HOLD_NOTHING, Holding

    name = Devices(opened).name_of(copy.serial_number)
    found = (Holding(one.since, one.repeat_within) for one in inventory.devices if one.name == name)
    return next(found, HOLD_NOTHING)


def _agreed(found: Found) -> bool:
    records = "record" if found.missing == 1 else "records"
    return click.confirm(f"Put {found.missing:,} missing {records} into the journal?", err=True)


def _tell(copy: RawCopy, found: Found) -> None:
    say(
        f"{copy.device} ({copy.serial_number}), as read at {copy.taken_at:%Y-%m-%d %H:%M} UTC:"
        f" {copy.count:,} records of {copy.layout} bytes\n{_counts(found)}"
    )


def _counts(found: Found) -> str:
    return (
        f"{found.in_journal:,} in the journal, {found.missing:,} missing,"
        f" {found.quarantined:,} quarantined, {found.differ:,} differ"
    )


def _document(copy: RawCopy, found: Found, written: int) -> dict[str, object]:
    names = ("device", "serial_number", "taken_at", "layout", "count", "sha256")
    header = copy.header()
    return {name: header[name] for name in names} | asdict(found) | {"written": written}


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
    from zkpoll.inventory import load, locate
    from zkpoll.journal import prune

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    made = prune.backup(inventory.journal, file, force=force)
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
@click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
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
      same second  it shares its id with another punch
      on device    its device may still show it, and it would come in as new

    A device cannot show a punch any more once zkpoll itself has cleared its log since (`clear:`). One that
    left the inventory must be named with --device, and it must not have been read for AGE; if it came back
    with its log, what was removed would be sent again, under the ids it always had.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.inventory import load, locate

    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes, or --dry-run")
    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    terms = _terms(inventory, older_than, device)
    shares = _old_punches(inventory, terms)
    if not as_json:
        _show(shares, terms)
    agreed = yes or dry_run or _agreed_to_remove(sum(share.removable for share in shares))
    removed = _pruned(inventory, terms, compact) if agreed and not dry_run else 0
    if as_json:
        click.echo(json.dumps(_pruning(shares, terms, removed), indent=2))
    else:
        click.echo(f"{_punches(removed)} removed." if removed else "Nothing is removed.")
    return ExitCode.OK if agreed else ExitCode.ATTENTION


def _terms(inventory: Inventory, older_than: str, device: str | None) -> Terms:
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


def _old_punches(inventory: Inventory, terms: Terms) -> list[Share]:
    from zkpoll.journal import prune
    from zkpoll.journal.sqlite import Journal

    with Journal(inventory.journal, writable=False) as opened:
        if terms.device and not prune.knows(opened, terms.device):
            raise click.BadParameter(f"no device {terms.device!r} in the journal", param_hint="--device")
        return prune.old_punches(opened, terms)


def _pruned(inventory: Inventory, terms: Terms, compact: bool) -> int:
    from zkpoll.journal import prune
    from zkpoll.journal.sqlite import Journal

    with Journal(inventory.journal) as opened:
        removed = prune.prune(opened, terms)
        if compact:
            prune.compact(opened)
    return removed


def _agreed_to_remove(count: int) -> bool:
    """Ask, where there is anything to ask about."""
    return not count or click.confirm(f"Remove {_punches(count)} from the journal?", err=True)


def _punches(count: int) -> str:
    return f"{count:,} {'punch' if count == 1 else 'punches'}"


_STAYS: dict[Fate, str] = {
    "undelivered": "undelivered",
    "held": "held",
    "same_second": "same second",
    "on_device": "on device",
}
"""Why punches stay, in JSON and in words."""


def _show(shares: list[Share], terms: Terms) -> None:
    if not shares:
        click.echo(f"No punch was journalled before {terms.before:%Y-%m-%d %H:%M} UTC.")
    elif sys.stdout.isatty():
        _show_table(shares, terms)
    else:
        for share in shares:
            click.echo(_line(share))


def _line(share: Share) -> str:
    stays = [f"{share.counts[key]:,} {word}" for key, word in _STAYS.items() if share.counts.get(key)]
    words = [f"{share.device}  {share.removable:,} may go", ", ".join(stays), _why(share)]
    return "  ".join(filter(None, words))


def _why(share: Share) -> str:
    return f"({share.why})" if share.why and share.counts.get("on_device") else ""


def _show_table(shares: list[Share], terms: Terms) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("device", overflow="fold")
    for heading in ("may go", *_STAYS.values()):
        table.add_column(heading, justify="right")
    for share in shares:
        table.add_row(escape(share.device), *(f"{number:,}" for number in _numbers(share).values()))
    console = Console(highlight=False)
    console.print(f"Punches journalled before {terms.before:%Y-%m-%d %H:%M} UTC:")
    console.print(table)
    for share in shares:
        if why := _why(share):
            console.print(escape(f"{share.device}: on device {why}"))


def _numbers(share: Share) -> dict[str, int]:
    return {"removable": share.removable} | {fate: share.counts.get(fate, 0) for fate in _STAYS}


def _pruning(shares: list[Share], terms: Terms, removed: int) -> dict[str, object]:
    devices = [
        {"device": share.device, "serial_number": share.serial_number, **_numbers(share), "why": share.why}
        for share in shares
    ]
    return {
        "before": terms.before.isoformat(timespec="milliseconds"),
        "devices": devices,
        "removed": removed,
    }
