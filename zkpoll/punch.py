"""The nouns that cross borders between the rooms. All are frozen; none does I/O."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

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


@dataclass(frozen=True, slots=True)
class Punch:
    """One attendance record as a device shows it."""

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
class Slice:
    """A verified run of consecutive records of one log, in the log's order."""

    layout: int
    """Width of a record in bytes: 8, 16, 22, 40 or 49."""
    end: int
    """How many records of the log lie before the end of this slice."""
    punches: tuple[Punch, ...]
    quarantined: tuple[Quarantined, ...]
    tail: tuple[bytes, ...]
    """Canonical bytes (raw bytes where quarantined) of the last records up to `end`, oldest first."""

    @property
    def records(self) -> int:
        """How many records the slice holds."""
        return len(self.punches) + len(self.quarantined)


@dataclass(frozen=True, slots=True)
class Watermark:
    """How much of a device's log is in the journal, with the proof."""

    layout: int
    count: int
    tail: tuple[bytes, ...]


class Sink(Protocol):
    """What a door hands its records to; `sync.py` provides it, so that no door knows the journal."""

    def identify(self, serial: str | None) -> Watermark | None:
        """Given the serial number the device tells, return what is already known of its log.

        Raise `WrongSerial` if it may not be read under this name.
        """

    def take(self, piece: Slice) -> None:
        """Keep `piece` for good: when this returns, it is on disk."""


@dataclass(frozen=True, slots=True)
class Event:
    """One punch with its identity: what a dashboard gets."""

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


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the records of one or more slices (the reading sum)."""

    first_seen: int = 0
    seen_before: int = 0
    exact_repeats: int = 0
    same_second: int = 0
    quarantined: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.first_seen + other.first_seen,
            self.seen_before + other.seen_before,
            self.exact_repeats + other.exact_repeats,
            self.same_second + other.same_second,
            self.quarantined + other.quarantined,
        )

    @property
    def records(self) -> int:
        """The sum."""
        return (
            self.first_seen
            + self.seen_before
            + self.exact_repeats
            + self.same_second
            + self.quarantined
        )
