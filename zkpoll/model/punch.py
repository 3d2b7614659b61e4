"""The nouns that cross borders between the rooms. All are frozen; none does I/O."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import astuple, dataclass, field
from operator import add
from typing import TYPE_CHECKING, NamedTuple, Protocol

from zkpoll.wall_clock import offset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll")
_ID_SEED = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = str.maketrans("0123456789abcdef", "89ab89ab89ab89ab")


def punch_id(device_key: str, user_id: str, time: str) -> str:
    """Given a punch's device key, user id and wall clock time, return its one identity.

    `time` is `YYYY-MM-DDTHH:MM:SS`. The same UUID (version 5) on every machine, every retry and by every
    door; written out here because the standard library's way costs four times as much per punch.
    """
    seed = _ID_SEED.copy()
    seed.update(f"{device_key}\n{user_id}\n{time}".encode())
    h = seed.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{h[16].translate(_VARIANT)}{h[17:20]}-{h[20:32]}"


class Punch(NamedTuple):
    """One attendance record as a device shows it.

    A named tuple, which is as frozen as the dataclasses here and takes a third of their time to make:
    a full log holds hundreds of thousands.
    """

    user_id: str
    time: datetime
    """The device's wall clock, naive, to the second."""
    verify: int
    """How the person was recognised: the device's number (finger, card, face ...)."""
    state: int
    """In, out, break ...: the device's number, 0-5, or 255 for none."""
    work_code: int
    canonical: bytes
    """The record's bytes with what means nothing zeroed; the record's identity on its device."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes from a device that are not a believable record."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Watermark:
    """How much of a device's log is in the journal, with the proof."""

    layout: int
    """Width of a record in bytes: 8, 16, 22, 40 or 49."""
    count: int
    """How many of the log's records are in the journal."""
    tail: tuple[bytes, ...]
    """Canonical bytes (raw bytes where quarantined) of the last of them, oldest first."""
    fold: int = 0
    """1 if the last of them lies in the second pass of an hour that daylight saving repeats."""
    whole_at: datetime | None = None
    """When all of the log was last read; None while it never was."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A verified run of consecutive records of one log, in the log's order."""

    punches: tuple[Punch, ...]
    """Their times have `fold` set in the second pass of a repeated hour."""
    quarantined: tuple[Quarantined, ...]
    mark: Watermark | None
    """The watermark at the end of the slice; None where the log is only gone over again."""
    drift: float | None = None
    """Seconds by which the device's clock is ahead, where it is known."""

    @property
    def records(self) -> int:
        """How many records the slice holds."""
        return len(self.punches) + len(self.quarantined)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a visit to a device found, beside the records it handed on."""

    layout: int | None
    """Width of a record in bytes; None when the log is empty."""
    records: int
    """Records read from the log's bytes."""
    proved: int
    """Those of them that were not handed on: the last known ones, found where they were."""
    on_device: int
    """Records in the log, by its bytes."""
    capacity: int | None
    """Records the log can hold, where the device tells."""
    drift: float | None
    """Seconds by which the device's clock is ahead; None when it shows no real date."""
    whole: bool
    """Whether all of the log was read in this visit."""
    before: int
    """Records of the log that were in the journal before this visit."""
    continued: bool
    """Whether the log still held, where they were, the last records that were known of it."""
    round_trips: int = 0
    bytes_received: int = 0
    complete_until: datetime | None = None
    """What the device stamped with an earlier time was in the log that was read (UTC); None where its clock
    shows no date."""


class Sink(Protocol):
    """What a door hands its records to; `sync.py` provides it, so that no door knows the journal."""

    def identify(self, serial: str | None) -> Watermark | None:
        """Given the serial number the device tells, return what is already known of its log.

        Raise `WrongSerial` if it may not be read under this name.
        """

    def take(self, piece: Slice) -> None:
        """Keep `piece` for good: when this returns, it is on disk."""


class Event(NamedTuple):
    """One punch with its identity: what a dashboard gets. A named tuple for the same reason as `Punch`."""

    id: str
    device: str
    """The device's name in the inventory when the punch was journalled."""
    serial_number: str
    """The device key."""
    user_id: str
    timestamp: str
    """ISO 8601 with the offset that was fixed when the punch was journalled."""
    verify: int
    state: int
    work_code: int
    source: str
    """The door it came in by: `pull`."""
    clock_suspect: bool = False
    """Whether the clock that stamped it cannot have been right; never part of the JSON."""


def event(
    punch: Punch, device_key: str, device: str, zone: tzinfo, source: str, suspect: bool = False
) -> Event:
    """Given a punch and where it was read, return it with its identity and its offset from UTC."""
    wall = punch.time.isoformat()
    return Event(
        id=punch_id(device_key, punch.user_id, wall),
        device=device,
        serial_number=device_key,
        user_id=punch.user_id,
        timestamp=wall + offset(punch.time, zone),
        verify=punch.verify,
        state=punch.state,
        work_code=punch.work_code,
        source=source,
        clock_suspect=suspect,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the records of one or more slices (the reading sum)."""

    first_seen: int = 0
    seen_before: int = 0
    exact_repeats: int = 0
    same_second: int = 0
    quarantined: int = 0
    newly_quarantined: int = 0
    """Those of the quarantined that were not in quarantine before; no part of the sum."""
    held_since: int = 0
    """Those first seen that are older than the device's starting line, and held; no part of the sum."""
    held_repeats: int = 0
    """Those first seen that are repeats of another one, and held; no part of the sum."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(add, astuple(self), astuple(other)))

    @property
    def records(self) -> int:
        """The sum."""
        return self.first_seen + self.seen_before + self.exact_repeats + self.same_second + self.quarantined


@dataclass(frozen=True, slots=True)
class Counts:
    """The journal sum of one destination: every punch is in exactly one state."""

    punches: int = 0
    pending: int = 0
    confirmed: int = 0
    parked: int = 0
    held: int = 0
    discarded: int = 0

    @property
    def difference(self) -> int:
        """Punches that are in no state (or, negative, in more than one); 0 when the sum comes out."""
        return self.punches - (self.pending + self.confirmed + self.parked + self.held + self.discarded)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one device's punches are read, and settled with one dashboard."""

    complete_until: datetime | None = None
    """What it stamped with an earlier time is in the journal (UTC); None where that is not known."""
    unsettled_since: datetime | None = None
    """The time of its earliest punch that is neither confirmed nor given up, and will be sent."""
    pending: int = 0
    parked: int = 0
    held: int = 0
    """Those that came from a terminal that answers where it does not belong."""


@dataclass(frozen=True, slots=True)
class ShiftMove:
    """How far a dashboard was told that a shift's punches are complete."""

    name: str
    until: datetime | None
    """Up to when they are (UTC); None where one of its devices says nothing of that."""
    held_by: str
    """What keeps it from being later, in words."""
    moved: bool = False
    """Whether the dashboard was told so in this run; if not, it knew as much, or could not be told."""
    late: bool = False
    """Whether that is longer ago than a person may want to wait."""
    problem: str | None = None
    """Why the dashboard does not take it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The request that a dashboard would be sent first, with a mask in place of what is secret."""

    dashboard: str
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    """Before it is packed; with one punch, also where a request carries many."""
    problem: str | None = None
    """Why there is no request: its punch would be set aside; the rest is empty then."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Punches that are next on their way to one destination, oldest first."""

    events: tuple[Event, ...] = ()
    in_flight: int = 0
    """How many of the first were sent together, last of all, and not answered for."""
    sent_before: int = 0
    """How many of the first, those included, were ever sent and not answered for."""
    tried_before: bool = False
    """Whether they were parked, and are tried again."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What an answer decided about punches, by id."""

    confirmed: tuple[str, ...] = ()
    parked: Mapping[str, str] = field(default_factory=dict)
    """Refused for their own fault, each with the dashboard's words."""
    unasked: frozenset[str] = frozenset()
    """Those of the parked about which nobody was asked, so that they may be looked at again at once."""
