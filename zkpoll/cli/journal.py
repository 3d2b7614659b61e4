"""`zkpoll journal`: the journal itself, and what insures it."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zkpoll.cli.options import config_option, json_option
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.holding import Holding
    from zkpoll.journal.restoring import Found
    from zkpoll.journal.store import Journal
    from zkpoll.punch import Tally
    from zkpoll.rawcopy import RawCopy


@click.group()
def journal() -> None:
    """Prove the journal, and put back what it lost."""


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
    from zkpoll import rawcopy
    from zkpoll.inventory import load, locate

    if write and not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes")
    copy = rawcopy.load(file)
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
        click.echo(f"{written:,} put into the journal, which now has: {_counts(found)}")
    elif write:
        click.echo("Nothing is put into the journal.")
    return ExitCode.OK if found.proved else ExitCode.ATTENTION


def _to_look_at(path: Path, *, new: bool) -> Journal:
    """Open the journal to look at it; where a `new` one may be made, it is not made for that."""
    from zkpoll.journal.store import Journal

    return Journal(None) if new and not path.exists() else Journal(path, writable=False)


def _compared(opened: Journal, copy: RawCopy) -> Found:
    from zoneinfo import ZoneInfo

    from zkpoll.journal.restoring import Found, Restoring

    restoring = Restoring(opened, copy.device, copy.serial_number, ZoneInfo(copy.zone))
    found: list[Found] = []
    copy.hand_on(lambda piece: found.append(restoring.compare(piece)))
    return sum(found, Found())


def _written(inventory: Inventory, copy: RawCopy) -> tuple[Found, int]:
    """Put what is missing into the journal; return what it holds then, and how many that were."""
    from zoneinfo import ZoneInfo

    from zkpoll.journal import restoring
    from zkpoll.journal.outbox import Outbox
    from zkpoll.journal.store import Journal

    tallies: list[Tally] = []
    with Journal(inventory.journal) as opened:
        for dashboard in inventory.dashboards:  # a new one gets only what is journalled after it was met
            Outbox(opened, dashboard.name)
        restoring.meet(opened, copy.device, copy.serial_number)
        holding = _holding(opened, inventory, copy)
        zone = ZoneInfo(copy.zone)
        room = restoring.Restoring(opened, copy.device, copy.serial_number, zone, holding)
        copy.hand_on(lambda piece: tallies.append(room.add(piece)))
        found = _compared(opened, copy)
    return found, sum(one.first_seen + one.same_second + one.newly_quarantined for one in tallies)


def _holding(opened: Journal, inventory: Inventory, copy: RawCopy) -> Holding:
    """Return which punches the inventory holds, of the device as it is named by now."""
    from zkpoll.journal.devices import Devices
    from zkpoll.journal.holding import HOLD_NOTHING, Holding

    name = Devices(opened).name_of(copy.serial_number)
    found = (Holding(one.since, one.repeat_within) for one in inventory.devices if one.name == name)
    return next(found, HOLD_NOTHING)


def _agreed(found: Found) -> bool:
    records = "record" if found.missing == 1 else "records"
    return click.confirm(f"Put {found.missing:,} missing {records} into the journal?", err=True)


def _tell(copy: RawCopy, found: Found) -> None:
    click.echo(
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
