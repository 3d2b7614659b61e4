"""One punch: as a device shows it, with its identity, and what is none."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from zkpoll.wall_clock import offset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll")
_ID_SEED = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = str.maketrans("0123456789abcdef", "89ab89ab89ab89ab")


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
    return f"{h[:8]}-{h[8:12]}-5{h[13:16]}-{h[16].translate(_VARIANT)}{h[17:20]}-{h[20:32]}"


Door = Literal["pull", "push"]
"""The way a punch came in: `pull`, we called its device on port 4370; `push`, its device called us."""


class Form(IntFlag):
    """The kind of bytes in which a door shows punches: of port 4370, one of five layouts; of push, a line.

    On one device, other bytes of one form are another record. The journal keeps these numbers.
    """

    PULL_8 = 1
    PULL_16 = 2
    PULL_22 = 4
    PULL_40 = 8
    PULL_49 = 16
    PUSH = 32


_COUNTED: Final = Form.PULL_8 | Form.PULL_16 | Form.PULL_22
"""The forms of a log whose records carry no number."""
PUSHED: Final = b"push\n"
"""What the bytes of push begin with, of punches as of what is quarantined; no believable record of port 4370
does, and no line holds a line's end."""


def is_counted(form: Form | None) -> bool:
    """Say whether equal bytes of a form are as many records as one reading shows: they carry no number.

    With a number they are one record. So are equal lines of push: a terminal may send all it has again.
    """
    return form is not None and bool(form & _COUNTED)


def of_one_door(form: Form | None) -> Form:
    """Return all forms of the door that a form is of."""
    push = form is not None and form & Form.PUSH
    return Form.PUSH if push else ~Form.PUSH


LAYOUT_FORMS: Final[Mapping[int, Form]] = {
    8: Form.PULL_8,
    16: Form.PULL_16,
    22: Form.PULL_22,
    40: Form.PULL_40,
    49: Form.PULL_49,
}
"""The forms of port 4370 by the bytes of a record."""


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
    """The door it came in by: `pull`, `push`."""
    clock_suspect: bool = False
    """Whether the clock that stamped it cannot have been right; never part of the JSON."""


def event(
    punch: Punch, device_key: str, device: str, zone: tzinfo, source: str, suspect: bool = False
) -> Event:
    """Given a punch and where it was read, return it with its identity and its offset from UTC.

    The identity is that of the first punch of that user in that second.
    """
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


def as_json(event: Event) -> dict[str, Any]:
    """Given an event, return its JSON object, keys in the contract's order.

    `status` and `type` are the names dashboards already know for the device's verify and state numbers.
    """
    return {
        "user_id": event.user_id,
        "timestamp": event.timestamp,
        "status": event.verify,
        "type": event.state,
        "id": event.id,
        "device": event.device,
        "serial_number": event.serial_number,
        "punch_state": punch_state(event.state),
        "work_code": event.work_code,
        "source": event.source,
    }
