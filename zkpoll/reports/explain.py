"""The screen of a person's day: every punch, and its fate. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from zkpoll.journal.database_overview import database_standings
from zkpoll.journal.overview import DeviceStanding, device_standings, sightings
from zkpoll.journal.pushed import pushed_standings
from zkpoll.journal.quarantine import quarantined
from zkpoll.model.printable import shown
from zkpoll.model.punch import punch_state
from zkpoll.reports.words import CALLS_US, counted, iso, second
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.database_overview import DatabaseStanding, RowSighting
    from zkpoll.journal.overview import Place, Sighting
    from zkpoll.reports.people import Person

_VERIFIED: Final = {0: "password", 1: "finger", 2: "card", 3: "password", 4: "card", 15: "face", 25: "palm"}
"""The meaning of the number in most firmware; it is shown with the number, as in some it means another."""
_HELD: Final = {
    "since": "it is from before the device's since:",
    "repeat": "it is within repeat_within of the one before",
    "same second": "another punch of that person has its second",
    "exact repeat": "its terminal shows its record more than once",
    "manual": "a person typed it in at the vendor's program",
    "sudden": "its database brought very many at once, most of them in seconds known under other user ids",
    "another terminal": "its terminal is not accepted",
}
"""Why a punch is held, in a sentence."""


_FIRST: Final = 3
"""Devices that may hold more punches of a day, and are told by name."""
_ALSO: Final = {"pull": "at its terminal", "push": "by push"}
"""Which door showed a punch besides; in which databases it stands is told by their names."""


@dataclass(frozen=True, slots=True)
class DeviceReach:
    """How far a device is read."""

    device: str
    read_at: datetime | None
    whole_at: datetime | None
    covers: bool | None
    """Whether it was read after that day had ended there; None where its zone is not known, or `ahead`."""
    quarantined: Mapping[str, int]
    """Impossible records of it by reason; one of them may have been a punch of that day."""
    ahead: bool = False
    """Whether that reading is stamped ahead of now, so that nobody knows when it was."""
    calls_us: bool = False
    """Whether it has no host, so that nobody reads it."""
    pushes: bool = False
    """Whether it calls us, be it read as well or not."""
    called_at: datetime | None = None
    """When it called last."""
    in_use: bool = True
    """Whether a run reads it; false for what has `enabled: false`."""

    def __str__(self) -> str:
        """Return how far that is, in words."""
        last = f"last {second(self.called_at)}" if self.called_at else "never until now"
        if self.calls_us:
            parts = [f"{CALLS_US}, {last}; what it has not sent yet is not known"]
        else:
            parts = self._reading(self.read_at) if self.read_at else ["never read"]
            parts += [f"{CALLS_US} as well, {last}"] if self.pushes else []
        parts += [f"{count:,} in quarantine: {reason}" for reason, count in self.quarantined.items()]
        return ", ".join(parts)

    def _reading(self, read_at: datetime) -> list[str]:
        parts = [f"read {second(read_at)}"]
        parts += ["WHICH IS AHEAD of this host's clock"] if self.ahead else []
        parts.append(f"read whole {second(self.whole_at)}" if self.whole_at else "never read whole")
        parts += ["NOT READ since that day ended"] if self.covers is False else []
        return parts


@dataclass(frozen=True, slots=True)
class DatabaseReach:
    """How far a database is read. That says nothing of what its program has not fetched from terminals."""

    database: str
    read_at: datetime | None
    set_aside: int = 0
    """Rows of it that are no punches yet; one of them may be a punch of that day."""
    ahead: bool = False
    """Whether that reading is stamped ahead of now, so that nobody knows when it was."""

    def __str__(self) -> str:
        """Return how far that is, in words."""
        parts = ["never read"]
        if self.read_at:
            parts = [f"read {second(self.read_at)}"]
            parts += ["WHICH IS AHEAD of this host's clock"] if self.ahead else []
            parts.append("what its program had not fetched by then is not known")
        parts += [f"{counted(self.set_aside, 'row')} set aside"] if self.set_aside else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class PersonDay:
    """All that is known of a person's day."""

    user: str
    day: date
    punches: tuple[Sighting, ...]
    devices: tuple[DeviceReach, ...]
    databases: tuple[DatabaseReach, ...] = ()
    name: str | None = None
    """The person's; None where no export of users has one."""

    @property
    def title(self) -> str:
        """The person and the day."""
        return f"user {self.user}{f' ({self.name})' if self.name else ''} on {self.day:%A} {self.day}"

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "user_id": self.user,
            "name": self.name,
            "date": self.day.isoformat(),
            "punches": [_document(punch) for punch in self.punches],
            "devices": [
                {
                    "name": one.device,
                    "read_at": iso(one.read_at),
                    "whole_at": iso(one.whole_at),
                    "calls_us": one.calls_us,
                    "last_call": iso(one.called_at),
                    "read_after_that_day": one.covers,
                    "quarantined": dict(one.quarantined),
                }
                for one in self.devices
            ],
            "databases": [
                {"name": one.database, "read_at": iso(one.read_at), "set_aside": one.set_aside}
                for one in self.databases
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield who it is about, and a line for each punch and dashboard, or else how far all is read."""
        yield self.title
        for punch in self.punches:
            verified, stated, _ = _manner(punch)
            head = [punch.timestamp, punch.device, verified, stated, _came(punch)]
            for places in [[place.dashboard, fate(place)] for place in punch.places] or [[]]:
                yield "  ".join([*head, *_doubts(punch), *places])
        if not self.punches:
            yield from self.not_seen()

    def more_may_come(self) -> str | None:
        """Return which devices may hold more punches of that day, the one that was read first in front."""
        open_ = [one for one in self.devices if one.in_use and one.covers is False]
        open_.sort(key=lambda one: (one.read_at is not None, one.read_at, one.device))
        if not open_:
            return None
        first = [
            f"{one.device} was {f'last read {second(one.read_at)}' if one.read_at else 'never read'}"
            for one in open_[:_FIRST]
        ]
        others = f", and {counted(len(open_) - _FIRST, 'other')} later" if len(open_) > _FIRST else ""
        return f"More may come of that day: {', '.join(first)}{others}."

    def not_seen(self) -> Iterator[str]:
        """Yield that no punch was seen, and how far that can be known."""
        who = "No device and no database" if self.databases else "No device"
        yield f"{who} has shown a punch of user {self.user} on {self.day}."
        yield from (f"{one.device}: {one}" for one in self.devices)
        yield from (f"{one.database}: {one}" for one in self.databases)


def explain(inventory: Inventory, journal: Journal, person: Person, day: date, now: datetime) -> PersonDay:
    """Given a person and a day by the devices' wall clocks, return that day's punches. `now` is UTC."""
    known, calls = device_standings(journal, now, rates=False), pushed_standings(journal)
    settings: dict[str, Device | None] = dict.fromkeys(known)
    settings |= {device.name: device for device in inventory.devices}
    impossible: dict[str, Counter[str]] = {}
    for one in quarantined(journal):
        impossible.setdefault(one.serial_number, Counter())[one.reason] += 1

    def reach(standing: DeviceStanding, device: Device | None) -> DeviceReach:
        calls_us = device is not None and device.host is None
        covers, ahead = None, standing.is_ahead(now)
        if device is not None and not (ahead or calls_us):
            end = datetime.combine(day, datetime.max.time(), ZoneInfo(device.timezone))
            covers = standing.read_at is not None and standing.read_at > end
        call = calls.get(standing.name)
        return DeviceReach(
            standing.name,
            standing.read_at,
            standing.whole_at,
            covers,
            dict(impossible.get(standing.serial_number or "", {})),
            ahead,
            calls_us=calls_us,
            pushes=device is not None and device.push is not None,
            called_at=call.last_call_at if call else None,
            in_use=device is not None and device.enabled,
        )

    return PersonDay(
        person.user_id,
        day,
        tuple(sightings(journal, person.user_id, day)),
        tuple(reach(known.get(name) or DeviceStanding(name), device) for name, device in settings.items()),
        _databases(inventory, database_standings(journal), now),
        person.name,
    )


def _databases(
    inventory: Inventory, known: Mapping[str, DatabaseStanding], now: datetime
) -> tuple[DatabaseReach, ...]:
    """Return how far the databases are read that the journal or the inventory knows."""
    found = []
    for name in dict.fromkeys((*known, *(one.name for one in inventory.databases))):
        one = known.get(name)
        read = one.read_at if one else None
        aside = one.set_aside if one else 0
        found.append(DatabaseReach(name, read, aside, read is not None and is_ahead(read, now)))
    return tuple(found)


def details(punch: Sighting) -> Iterator[str]:
    """Yield all that is known of a punch, a line each."""
    yield ", ".join(_manner(punch))
    yield punch.id
    yield _came(punch)
    if punch.line_rest:
        yield f"what else stood on its line: {shown(punch.line_rest)}"
    yield from _doubts(punch)
    for place in punch.places:
        yield f"{place.dashboard}: {fate(place)}"


def fate(place: Place) -> str:
    """Return the fate of a punch at a dashboard, in words."""
    if place.state is None:
        return "never meant for it: journalled before it was known; see `zkpoll backfill`"
    since = second(place.since or "")
    text = f"confirmed {since}" if place.state == "confirmed" else f"{place.state} since {since}"
    if place.in_flight and place.state == "pending":
        text += ", sent, not answered yet"
    if place.tried_at:
        text += f", last refused {second(place.tried_at)}"
    reason = _HELD.get(place.reason or "", place.reason) if place.state == "held" else place.reason
    return f"{text}: {reason}" if reason else text


def _document(punch: Sighting) -> dict[str, Any]:
    document = asdict(punch) | {"punch_state": punch_state(punch.state)}
    if punch.assigned is None:
        del document["assigned"]
    return document


def _manner(punch: Sighting) -> tuple[str, str, str]:
    """Return how the person was verified, the state (in, out, …) and the time of a punch."""
    verified, stated = _VERIFIED.get(punch.verify), punch_state(punch.state)
    return (
        f"{verified} ({punch.verify})" if verified else f"verify {punch.verify}",
        f"{stated} ({punch.state})" if stated else f"state {punch.state}",
        punch.timestamp,
    )


def _came(punch: Sighting) -> str:
    """Return by which door a punch came first, and when; and where else it was seen."""
    rows = [f"in {row.database} {second(row.seen_at)}{_fate_of_row(row)}" for row in punch.rows]
    others = [_ALSO[door] for door in punch.doors if door in _ALSO and door != punch.source]
    if punch.source == "bridge" and rows:
        first, *more = rows
        return "; also ".join([f"read {first}", *others, *more])
    word = {"push": "received by push"}.get(punch.source, "read")
    return "; also ".join([f"{word} {second(punch.journalled_at)}", *others, *rows])


def _fate_of_row(row: RowSighting) -> str:
    if row.gone_at:
        return f" (gone from there {second(row.gone_at)})"
    return f" (changed there {second(row.changed_at)})" if row.changed_at else ""


def _doubts(punch: Sighting) -> list[str]:
    doubts = ["its clock cannot have been right"] if punch.clock_suspect else []
    doubts += ["typed in at the vendor's program"] if punch.manual else []
    if word := punch.assigned:
        doubts.append(f"whose it is was said by {word.person} {second(word.assigned_at)} (slot {word.slot})")
    return [*doubts, "its terminal is not accepted"] if punch.stranger else doubts
