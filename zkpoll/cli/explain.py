"""`zkpoll explain`: what became of the punches of a person on a day."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from zkpoll.cli.app import config_option, json_option
from zkpoll.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.overview import DeviceStanding, Place, Sighting
    from zkpoll.journal.quarantine import Impossible
    from zkpoll.journal.sqlite import Journal

_VERIFIED: Final = {0: "password", 1: "finger", 2: "card", 3: "password", 4: "card", 15: "face", 25: "palm"}
"""What most firmware means by the number; all is shown with the number, as some mean others."""
_HELD: Final = {
    "since": "it is from before the device's since:",
    "repeat": "it is within repeat_within of the one before",
    "same second": "another punch of that person has its second, and its id",
    "another terminal": "its terminal is not accepted",
}
"""Why a punch is held, in a sentence."""


@click.command(short_help="Show what became of a person's punches on a day.")
@click.argument("user")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@config_option
@json_option
def explain(user: str, day: datetime, config: Path | None, as_json: bool) -> None:
    """Show every punch of USER (a user id) on DATE (2026-11-22, by the devices' wall clocks).

    Each with its device, when it was read, and for each dashboard what became of it: confirmed when,
    refused with which words, held or discarded why, or still waiting. Where no device has shown one, it says
    when each was last read, and read whole: what was punched since then is not known yet, and what
    `zkpoll journal prune` removed is not known any more. Times are UTC but for those of the punches.
    """
    from zkpoll.inventory import load, locate
    from zkpoll.journal.sqlite import Journal

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    with Journal(inventory.journal, writable=False) as journal:
        found = _look(inventory, journal, user, day.date())
    if as_json:
        click.echo(json.dumps(_document(found), indent=2))
    elif sys.stdout.isatty():
        _show_person(found)
    else:
        _show_lines(found)


# --- what there is; pure but for the journal ---


@dataclass(frozen=True, slots=True)
class _Read:
    """How far a device is known."""

    device: str
    read_at: datetime | None
    whole_at: datetime | None
    covers: bool | None
    """Whether it was read after that day had ended there; None where its zone is not known."""
    quarantined: Mapping[str, int]
    """Impossible records of it by reason; one of them may have been a punch of that day."""


@dataclass(frozen=True, slots=True)
class _Day:
    """All that is known of a person's day."""

    user: str
    day: date
    punches: tuple[Sighting, ...]
    devices: tuple[_Read, ...]


def _look(inventory: Inventory, journal: Journal, user: str, day: date) -> _Day:
    from zkpoll.journal.overview import DeviceStanding, device_standings, sightings
    from zkpoll.journal.quarantine import quarantined

    known = device_standings(journal, datetime.now(UTC))
    settings: dict[str, Device | None] = dict.fromkeys(known)
    settings |= {device.name: device for device in inventory.devices}
    records = quarantined(journal)
    return _Day(
        user,
        day,
        tuple(sightings(journal, user, day)),
        tuple(
            _read(known.get(name) or DeviceStanding(name), device, day, records)
            for name, device in settings.items()
        ),
    )


def _read(standing: DeviceStanding, device: Device | None, day: date, records: Sequence[Impossible]) -> _Read:
    from zoneinfo import ZoneInfo

    reasons = Counter(one.reason for one in records if one.serial_number == standing.serial_number)
    covers = None
    if device is not None:
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(device.timezone))
        covers = standing.read_at is not None and standing.read_at >= end
    return _Read(standing.name, standing.read_at, standing.whole_at, covers, dict(reasons))


# --- a program ---


def _document(found: _Day) -> dict[str, Any]:
    return {
        "user_id": found.user,
        "date": found.day.isoformat(),
        "punches": [asdict(punch) | {"punch_state": _state(punch.state)} for punch in found.punches],
        "devices": [_read_json(read) for read in found.devices],
    }


def _read_json(read: _Read) -> dict[str, Any]:
    return {
        "name": read.device,
        "last_success": _iso(read.read_at),
        "last_whole": _iso(read.whole_at),
        "read_after_that_day": read.covers,
        "quarantined": dict(read.quarantined),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None


# --- a pipe: a line for each punch and dashboard, or for each device ---


def _show_lines(found: _Day) -> None:
    for punch in found.punches:
        for place in punch.places:
            click.echo("  ".join([*_punch_cells(punch), place.dashboard, _fate(place)]))
        if not punch.places:
            click.echo("  ".join(_punch_cells(punch)))
    for line in [] if found.punches else _not_seen(found):
        click.echo(line)


def _punch_cells(punch: Sighting) -> list[str]:
    return [
        punch.timestamp,
        punch.device,
        _verified(punch.verify),
        _stated(punch.state),
        f"read {_second(punch.journalled_at)}",
        *_doubts(punch),
    ]


def _not_seen(found: _Day) -> Iterable[str]:
    """Yield that nothing was seen, and how far that can be known."""
    yield f"No device has shown a punch of user {found.user} on {found.day}."
    for read in found.devices:
        yield f"{read.device}: {_how_far(read)}"


def _how_far(read: _Read) -> str:
    if read.read_at is None:
        return "never read"
    parts = [f"read {_second(_iso(read.read_at))}"]
    parts.append(f"read whole {_second(_iso(read.whole_at))}" if read.whole_at else "never read whole")
    parts += ["NOT READ since that day ended"] if read.covers is False else []
    parts += [f"{count:,} in quarantine: {reason}" for reason, count in read.quarantined.items()]
    return ", ".join(parts)


# --- a person ---


def _show_person(found: _Day) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for punch in found.punches:
        head = f"{punch.timestamp[11:19]}  {punch.device} ({punch.serial_number})"
        console.print(head, markup=False, style="bold")
        for line in _details(punch):
            say(f"  {line}")
    for line in [] if found.punches else _not_seen(found):
        console.print(line, markup=False)


def _details(punch: Sighting) -> Iterable[str]:
    yield f"{_verified(punch.verify)}, {_stated(punch.state)}, {punch.timestamp}"
    yield punch.id
    yield f"read {_second(punch.journalled_at)}"
    yield from _doubts(punch)
    for place in punch.places:
        yield f"{place.dashboard}: {_fate(place)}"


def _doubts(punch: Sighting) -> list[str]:
    doubts = ["its clock cannot have been right"] if punch.clock_suspect else []
    doubts += ["its terminal is not accepted"] if punch.stranger else []
    return doubts


def _fate(place: Place) -> str:
    """Return what became of a punch at a dashboard."""
    if place.state is None:
        return "never meant for it: journalled before it was known; see `zkpoll backfill`"
    text = f"{place.state} since {_second(place.since)}"
    if place.state == "confirmed":
        text = f"confirmed {_second(place.since)}"
    if place.in_flight and place.state == "pending":
        text += ", sent, not answered yet"
    if place.tried_at:
        text += f", last refused {_second(place.tried_at)}"
    reason = _HELD.get(place.reason or "", place.reason) if place.state == "held" else place.reason
    return f"{text}: {reason}" if reason else text


def _verified(number: int) -> str:
    word = _VERIFIED.get(number)
    return f"{word} ({number})" if word else f"verify {number}"


def _stated(number: int) -> str:
    word = _state(number)
    return f"{word} ({number})" if word else f"state {number}"


def _state(number: int) -> str | None:
    from zkpoll.model.punch import punch_state

    return punch_state(number)


def _second(moment: str | None) -> str:
    """Return a moment of the journal to the second."""
    return f"{(moment or '')[:19].replace('T', ' ')}Z"
