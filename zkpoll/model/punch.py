"""One punch: as a device shows it, with its identity, and what is none."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping
    from datetime import datetime

    from zkpoll.wall_clock import Stamps

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll")
_ID_SEED = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT: Final = dict(zip("0123456789abcdef", "89ab89ab89ab89ab", strict=True))


def punch_id(device_key: str, user_id: str, time: str, nth: int = 1) -> str:
    """Given a punch's device key, user id and wall clock time, return its one identity.

    `time` is `YYYY-MM-DDTHH:MM:SS`; `nth` counts the punches of that user in that second, from 1. The same
    UUID (version 5) on every machine, every retry and by every door; written out here because the standard
    library's way costs four times as much per punch.
    """
    seed = _ID_SEED.copy()
    seed.update(f"{device_key}\n{user_id}\n{time}".encode())
    if nth > 1:
        seed.update(f"\n{nth}".encode())
    h = seed.hexdigest()
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"


Door = Literal["pull", "push", "bridge"]
"""The way a punch came in: `pull`, we called its device on port 4370; `push`, its device called us;
`bridge`, we read it in a database of vendor software."""


class Form(IntFlag):
    """The kind of bytes in which a door shows punches: a layout of port 4370, a pushed line, a row.

    On one device, other bytes of one form are another record. The journal keeps these numbers.
    """

    PULL_8 = 1
    PULL_16 = 2
    PULL_22 = 4
    PULL_40 = 8
    PULL_49 = 16
    PUSH = 32
    BRIDGE = 64


_COUNTED: Final = Form.PULL_8 | Form.PULL_16 | Form.PULL_22
"""The forms of a log whose records carry no number."""
_PULLED: Final = _COUNTED | Form.PULL_40 | Form.PULL_49
PUSHED: Final = b"push\n"
"""What the bytes of push begin with, of punches as of what is quarantined; no believable record of port 4370
does, and no line holds a line's end."""

BRIDGED: Final = b"db\n"
"""What the bytes of a database's row begin with; user id, a tab, and wall clock to the second follow."""


def doors_of(forms: Form) -> tuple[Door, ...]:
    """Return the doors that forms are of."""
    doors: list[tuple[Door, Form]] = [("pull", _PULLED), ("push", Form.PUSH), ("bridge", Form.BRIDGE)]
    return tuple(door for door, kinds in doors if forms & kinds)


def is_counted(form: Form | None) -> bool:
    """Say whether equal bytes of a form are as many records as one reading shows: they carry no number.

    With a number they are one record. So are equal lines of push: a terminal may send all it has again.
    """
    return form is not None and bool(form & _COUNTED)


def of_one_door(form: Form | None) -> Form:
    """Return all forms of the door that a form is of."""
    return form if form in {Form.PUSH, Form.BRIDGE} else ~(Form.PUSH | Form.BRIDGE)


LAYOUT_FORMS: Final[Mapping[int, Form]] = {
    8: Form.PULL_8,
    16: Form.PULL_16,
    22: Form.PULL_22,
    40: Form.PULL_40,
    49: Form.PULL_49,
}
"""The forms of port 4370 by the bytes of a record."""
MIXED: Final = 4
"""The number of the layout of 8-byte records where some of a log are in their short form, of 4 bytes."""


def bytes_known_by(layout: int) -> int:
    """Return how many bytes a record of a layout is known by: all that it has, and 8 of a short one."""
    return 8 if layout == MIXED else layout


_LONGEST_ID: Final = 24
"""Characters of a user id, in the records of terminals."""


def is_user_id(text: str) -> bool:
    """Say whether a text can be the user id of a punch: printable ASCII, without a blank at its ends."""
    return 0 < len(text) <= _LONGEST_ID and text.isascii() and text.isprintable() and text == text.strip()


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
    """In, out, break ...: the device's number; 0-5 have a name, 255 is none."""
    work_code: int
    canonical: bytes
    """The record's bytes with what means nothing zeroed; the record's identity on its device."""


NOBODYS: Final = "its slot is not in the user table"
"""The reason of a quarantined record of which nobody knows whose it is. No later user table tells: the slot
may be another person's then."""
ANOTHERS: Final = "its slot was another person's before"
"""The same of one that waited in quarantine while its slot changed hands, so that the user table may name the
wrong person."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Bytes from a device that are not a believable record."""

    raw: bytes
    reason: str


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
    """The door it came in by: `pull`, `push`, `bridge`."""
    clock_suspect: bool = False
    """Whether the clock that stamped it cannot have been right; part of the JSON only where asked for."""
    manual: bool = False
    """Whether a person typed it in at the vendor's program; part of the JSON only then."""


def events(
    punches: Iterable[Punch],
    device_key: str,
    device: str,
    stamps: Stamps,
    source: str,
    manual: Container[bytes] = (),
) -> list[Event]:
    """Given punches and where they were read, return them with their identities and offsets from UTC.

    Each identity is that of the first punch of that user in that second. `stamps` are those of the device's
    clock, `manual` the canonical bytes of punches that a person typed in.
    """
    # An Event made as the tuple it is: this loop meets every record that is new.
    new, stamp = tuple.__new__, stamps.of
    found = []
    for user_id, time, verify, state, work_code, canonical in punches:
        wall = time.isoformat()
        offset, suspect = stamp(time)
        id_, typed = punch_id(device_key, user_id, wall), canonical in manual
        fields = device, device_key, user_id, wall + offset, verify, state, work_code, source
        found.append(new(Event, (id_, *fields, suspect, typed)))
    return found


PUNCH_STATES: Final = (
    "check_in",
    "check_out",
    "break_out",
    "break_in",
    "overtime_in",
    "overtime_out",
)
"""The standard words for the device's states 0-5, by position."""


def punch_state(state: int) -> str | None:
    """Given the device's state number, return the standard word for it, or None outside 0-5."""
    return PUNCH_STATES[state] if 0 <= state < len(PUNCH_STATES) else None


def as_json(event: Event, extra: Collection[str] = ()) -> dict[str, Any]:
    """Given an event, return its JSON object, keys in the contract's order, `extra` fields behind.

    `status` and `type` are the names dashboards already know for the device's verify and state numbers.
    """
    id_, device, key, user_id, timestamp, verify, state, work_code, source, _, manual = event
    told = {
        "user_id": user_id,
        "timestamp": timestamp,
        "status": verify,
        "type": state,
        "id": id_,
        "device": device,
        "serial_number": key,
        "punch_state": punch_state(state),
        "work_code": work_code,
        "source": source,
    }
    told = told | {"manual": True} if manual else told
    return told | {name: getattr(event, name) for name in extra} if extra else told
