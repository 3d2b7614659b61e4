"""`zkpoll quarantine`: records with impossible values and rows that are nobody's, kept raw."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import (
    account,
    agreed,
    config_option,
    formerly,
    json_option,
    load_inventory,
    open_journal,
    refuse_unasked,
    yes_option,
)
from zkpoll.cli.dates import DAY, between
from zkpoll.cli.output import print_json, say
from zkpoll.cli.selection import Asked, former_options, names_in_journal
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.quarantine import Impossible, SetAside
    from zkpoll.model.sums import Tally

_FIRST_FEW: Final = 5
"""Records shown before a person is asked whether to accept them."""


@click.group(short_help="Look at records that are no punches, and decide.")
def quarantine() -> None:
    """Look at records that are impossible and rows that are nobody's, and decide about them."""


@quarantine.command("list", short_help="List impossible records, and rows that are nobody's.")
@config_option
@former_options
@json_option
def list_(config: Path | None, asked: Asked, as_json: bool) -> None:
    """List impossible records: their device, why, since when, and their bytes.

    Such a record has a date like 30 February, a user id that cannot be printed, or other bytes that make no
    sense. It is kept as the device gave it, counted in the outcome of each whole reading, and not sent. Until
    a person accepts it, the log it is in is not cleared. A later zkpoll may be able to read it: then it is a
    punch from the next visit of its device on.

    A record of 8 bytes names a slot of the terminal's user table instead of a person. Where that slot is
    nobody's any more, the slot and the time are shown: `quarantine assign` says whose punch it is.

    So is a row of a database of which nobody knows the person or the terminal, or whose time cannot be: its
    database, why, since when, and the row as it stands there. It is tried again when its database is read.
    """
    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        _, records, rows = _found(inventory, journal, asked)
    if as_json:
        print_json([*map(_document, records), *map(asdict, rows)])
        return
    for line in (*map(_line, records), *map(_row_line, rows)):
        say(line)
    if not (records or rows) and sys.stdout.isatty():
        click.echo("Nothing is in quarantine.")


def _found(
    inventory: Inventory, journal: Journal, asked: Asked
) -> tuple[frozenset[str] | None, list[Impossible], list[SetAside]]:
    """Return the names asked for (None: all), and the records and rows of those in quarantine."""
    from zkpoll.journal.database_overview import database_standings
    from zkpoll.journal.quarantine import quarantined, rows_set_aside

    records, rows = quarantined(journal), rows_set_aside(journal)
    also = {*database_standings(journal), *(one.device for one in records if one.device)}
    names = names_in_journal(inventory, journal, asked, also)
    if names is None:
        return None, records, rows
    return (
        names,
        [one for one in records if one.device in names],
        [one for one in rows if one.database in names],
    )


@quarantine.command(short_help="Let them keep no log from being cleared any more.")
@config_option
@former_options
@yes_option
def accept(config: Path | None, asked: Asked, yes: bool) -> int:
    """Accept that a device's impossible records stay so: they no longer keep its log from being cleared.

    That is for all there are by now; one that comes later has to be accepted, too. They are not sent, and
    stay in quarantine, and in the copy that is kept of each log that is cleared. One that a later zkpoll can
    read is a punch then, and is sent all the same.

    Accepted rows of a database are told no more, nor tried again at each visit. One that is read again, and
    whose person and terminal are known by then, is a punch and is sent.
    """
    from zkpoll.journal import quarantine as room
    from zkpoll.journal.devices import Devices
    from zkpoll.reports.words import are, counted

    if not asked:
        raise click.UsageError("say which: --device or --site")
    refuse_unasked(yes)
    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        names, found, aside = _found(inventory, journal, asked)
        known = Devices(journal)
        keys = {known.key_of(name) for name in names or ()}
    # Not those of a stranger at its address.
    records = [one for one in found if one.serial_number in keys and one.accepted_at is None]
    rows = [one for one in aside if one.accepted_at is None]
    lines, what = [*map(_line, records), *map(_row_line, rows)], "record" if records else "row"
    owners = {one.device for one in records} | {one.database for one in rows}
    name = ", ".join(sorted(filter(None, owners))) or ", ".join((*asked.names, *asked.sites))
    if not lines:
        click.echo(f"Nothing of {name} is in quarantine that is not accepted.")
        return ExitCode.OK
    if not yes:
        for line in lines[:_FIRST_FEW]:
            click.echo(line, err=True)
        if len(lines) > _FIRST_FEW:
            click.echo(f"... and {len(lines) - _FIRST_FEW:,} more", err=True)
        if not agreed(f"Accept {counted(len(lines), what)} of {name}?"):
            click.echo("Nothing is accepted.")
            return ExitCode.ATTENTION
    with open_journal(inventory, writable=True) as journal:
        count = room.accept(journal, records) + room.accept_rows(journal, rows)
    click.echo(f"{counted(count, what)} of {name} {are(count)} accepted.")
    return ExitCode.OK


@quarantine.command(short_help="Say whose the records of a deleted user are.")
@config_option
@click.argument("name", metavar="DEVICE")
@click.option("--slot", required=True, type=int, metavar="NUMBER", help="The slot that they name.")
@click.option("--user", required=True, metavar="USER", help="The user id of the person whose it was.")
@click.option("--from", "first", type=DAY, metavar="DATE", help="Only from this day on: 2026-01-01.")
@click.option("--until", "last", type=DAY, metavar="DATE", help="Only up to this day.")
@formerly("--to", "--until")
@yes_option
def assign(
    config: Path | None,
    name: str,
    slot: int,
    user: str,
    first: str | None,
    last: str | None,
    yes: bool,
) -> int:
    """Say whose the records of a slot are that is nobody's any more: they are that user's punches.

    Some terminals write no user id into their log but a slot of their user table. Whoever was deleted there
    before the log was read has a slot and no id, and those records are in quarantine. If you know whose slot
    it was, from an old list of users or by asking people:

    \b
      zkpoll quarantine list
      zkpoll quarantine assign front-door --slot 7 --user 1007

    Where the slot was first one person's and then another's, say for which days: DATE is a day by the
    device's own clock. The records leave quarantine, accepted or not, are punches with this user id, and are
    sent at the next sync. The journal keeps who said so, and when. NOBODY CAN UNDO IT: they are shown first.

    Records of that slot that come later are put into quarantine again, and need another `assign`.
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.journal.quarantine import quarantined
    from zkpoll.model.punch import is_user_id
    from zkpoll.reports.words import counted
    from zkpoll.tasks import release

    if not is_user_id(user):
        raise click.BadParameter(
            "a user id is 1 to 24 letters, digits and signs of ASCII, none of them a blank at an end",
            param_hint="--user",
        )
    refuse_unasked(yes)
    inventory = load_inventory(config, secrets=False)
    begin, end = between(inventory, first, last, ("--from", "--until"))
    with open_journal(inventory) as journal:
        device, key = _of_inventory(inventory, journal, name)
        found = [one for one in map(release.unowned, quarantined(journal)) if one]
    records = [one for one in found if one.record.serial_number == key]
    meant = [one for one in records if one.slot == slot]
    if not meant:
        slots = ", ".join(
            f"{slot} ({n:,})" for slot, n in sorted(Counter(one.slot for one in records).items())
        )
        there_are = f"there are records of slot {slots}" if slots else "nor of any other slot"
        raise click.BadParameter(
            f"no record of slot {slot} of {name} is in quarantine; {there_are}", param_hint="--slot"
        )
    meant.sort(key=lambda one: one.time)
    days = f"from {meant[0].time:%Y-%m-%d} to {meant[-1].time:%Y-%m-%d}"
    meant = [
        one
        for one in meant
        if (begin is None or one.time.date() >= begin) and (end is None or one.time.date() <= end)
    ]
    if not meant:
        raise click.UsageError(f"the records of slot {slot} are {days}; none is of the days that you say")
    if not yes:
        for one in meant[:_FIRST_FEW]:
            click.echo(_line(one.record), err=True)
        if len(meant) > _FIRST_FEW:
            click.echo(f"... and {len(meant) - _FIRST_FEW:,} more", err=True)
        span = f"from {meant[0].time} to {meant[-1].time}"
        question = f"{counted(len(meant), 'record')} of slot {slot} of {name}, {span}: all of user {user}?"
        if not agreed(f"{question} Nobody can undo this."):
            click.echo("Nothing is assigned.")
            return ExitCode.ATTENTION
    with open_journal(inventory, writable=True) as journal:
        tally = release.assign(journal, inventory, device, key, meant, user, account())
    for line in _assigned(tally, user, name):
        click.echo(line)
    return ExitCode.OK


def _of_inventory(inventory: Inventory, journal: Journal, name: str) -> tuple[Device, str]:
    """Return the device of a name and its key. Refuse one that the inventory or the journal does not know."""
    from zkpoll.journal.decisions import device_names, names_of_punches
    from zkpoll.journal.devices import Devices

    device = next((one for one in inventory.devices if one.name == name), None)
    key = Devices(journal).key_of(name)
    if device is not None and key is not None:
        return device, key
    if device is None and name in device_names(journal) | names_of_punches(journal):
        why = "is not in the inventory any more, so nobody knows the zone of its clock; name it there again"
        raise click.BadParameter(f"{name} {why}", param_hint="DEVICE")
    raise click.BadParameter(f"no device {name!r} in the journal", param_hint="DEVICE")


def _assigned(tally: Tally, user: str, name: str) -> Iterator[str]:
    from zkpoll.reports.words import are, counted, punches

    held = tally.same_second + tally.held_exact_repeats + tally.held_since + tally.held_repeats
    new = tally.first_seen + tally.same_second + tally.held_exact_repeats
    yield f"{counted(tally.records, 'record')} of {name} {are(tally.records)} of user {user} now."
    if sent := new - held:
        yield f"{punches(sent)} {'goes' if sent == 1 else 'go'} out at the next sync."
    if held:
        yield f"{punches(held)} {are(held)} held; see zkpoll outbox list --held."
    if known := tally.records - new:
        yield f"{punches(known)} {'was' if known == 1 else 'were'} known already, by another door."


def _document(record: Impossible) -> dict[str, object]:
    from zkpoll.tasks.release import unowned

    document = asdict(record) | {"raw": record.raw.hex()}
    found = unowned(record)
    return document | {"slot": found.slot, "time": found.time.isoformat()} if found else document


def _line(record: Impossible) -> str:
    from zkpoll.tasks.release import unowned

    name, found = record.device or "no device any more", unowned(record)
    why = f"{record.reason} (slot {found.slot}, {found.time})" if found else record.reason
    what = f"{why}: {record.raw.hex()}{'  (accepted)' if record.accepted_at else ''}"
    return f"{record.quarantined_at}  {name} ({record.serial_number})  {what}"


def _row_line(row: SetAside) -> str:
    from zkpoll.model.printable import shown

    why = f"{row.reason} ({row.detail})" if row.detail else row.reason
    what = f"{why}: {row.raw}{'  (accepted)' if row.accepted_at else ''}"
    return shown(f"{row.since}  {row.database or row.address} (row {row.key})  {what}")
