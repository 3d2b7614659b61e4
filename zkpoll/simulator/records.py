"""A terminal's records of punches and users, as bytes.

Layouts are named by their width in bytes. Sources: 8 bytes, MA300 and ZEM500 captures (pyzk issues 56
and 99), and for the flags and the short form of 4 the vendor manual of 2006, pp. 16-17; 16 bytes, js_zklib
issue 50 and the vendor manual; 22 bytes, notes on the WL10 (https://github.com/MrFaviod/pyzk-wl10); 40 bytes,
zk-protocol's F19, and for the work code pyzk issue 96; 49 bytes, SpeedFace-V5L (zk-jubaer issue 6), and for
what measures php_zklib (vodvud) issue 39. Users: 16 bytes, the vendor manual; 28 bytes, js_zklib issue 7; 72
bytes, zk-protocol. Realtime events: 10 bytes, the vendor manual and pyzk issue 164; 12 bytes, pyzk's tests;
32 bytes, zk-protocol's F19. By code alone, which ignores what stands behind 10 and 32 of them: 14 bytes, pyzk
issue 164 (ZEM300); 36 and 52, pyzk and node-zklib; 37, pyzk issue 153 (uFace).
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

ADMIN: Final = 14
"""Privilege of a super administrator."""


class Record(NamedTuple):
    """One punch as the terminal knows it, before it is packed."""

    number: int
    """The record's own running number; 40-byte records carry its low 16 bits."""
    uid: int
    """The user's slot in the user table; 0 where the user is not in it."""
    user_id: str
    time: datetime
    """Device wall clock, whole seconds."""
    verify: int = 1
    state: int = 0
    work_code: int = 0
    mask: int = 255
    """49 bytes: whether a mask was seen, 0 or 1; 255 by a unit that does not look."""
    temperature: str = "255"
    """49 bytes: `36.5`; "255" or nothing by a unit that does not measure."""


@dataclass(frozen=True, slots=True)
class EnrolledUser:
    """One row of the user table."""

    uid: int
    user_id: str
    name: str = ""
    privilege: int = 0
    password: str = ""
    card: int = 0
    group: int = 1


_ATT_8: Final = Struct("<HBxI")
_ATT_4: Final = Struct("<HBB")
_ATT_16: Final = Struct("<IIBBxxI")
_ATT_22: Final = Struct("<H6s4xBIB4x")
_ATT_40: Final = Struct("<H24sBIBI4x")
_TRAILER_49: Final = Struct("<B8s")
_USER_16: Final = Struct("<HB5s8s")
_USER_28: Final = Struct("<HB5s8sIxBHI")
_USER_72: Final = Struct("<HB8s24sIB8x24s")


LONGEST_OFFSET: Final = 1023
"""Seconds that a short record can be behind the last long one."""


def _flags(record: Record) -> int:
    """Return the state in bits 5-7, verify in 3-4, and the bit of the short form clear."""
    return (record.state & 7) << 5 | (record.verify & 3) << 3


def _att_8(record: Record) -> bytes:
    return _ATT_8.pack(record.uid, _flags(record), pack_time(record.time))


def encode_short(record: Record, seconds: int) -> bytes:
    """Return `record` in 4 bytes, so many seconds (at most `LONGEST_OFFSET`) behind the last of 8."""
    return _ATT_4.pack(record.uid, _flags(record) | 1 << 2 | seconds >> 8, seconds & 0xFF)


def _att_16(record: Record) -> bytes:
    number, when = int(record.user_id), pack_time(record.time)
    return _ATT_16.pack(number, when, record.state, record.verify, record.work_code)


def _att_22(record: Record) -> bytes:
    """Pack without verify: where it stands is not known."""
    user_id, when = record.user_id.encode("ascii"), pack_time(record.time)
    return _ATT_22.pack(record.uid, user_id, 1, when, record.state)


def _att_40(record: Record) -> bytes:
    number, user_id = record.number & 0xFFFF, record.user_id.encode()
    when = pack_time(record.time)
    return _ATT_40.pack(number, user_id, record.verify, when, record.state, record.work_code)


def _att_49(record: Record) -> bytes:
    return _att_40(record) + _TRAILER_49.pack(record.mask, record.temperature.encode())


_ENCODERS: Final[dict[int, Callable[[Record], bytes]]] = {
    8: _att_8,
    16: _att_16,
    22: _att_22,
    40: _att_40,
    49: _att_49,
}
LAYOUTS: Final = tuple(_ENCODERS)
"""Widths in bytes of the log layouts."""


def encode_record(record: Record, layout: int) -> bytes:
    """Return `record` in `layout`. Raise `ValueError` if a 16-byte record's user id is no number."""
    return _ENCODERS[layout](record)


_EVENT_10: Final = Struct("<HBB6s")
_EVENT_12: Final = Struct("<IBB6s")
_EVENT_32: Final = Struct("<24sBB6s")
_VALID: Final = 0x10
"""In the state's byte of a 10-byte event: the punch counts."""
EVENTS: Final = (10, 12, 14, 32, 36, 37, 52)
"""Widths in bytes of realtime events."""


def encode_event(record: Record, width: int) -> bytes:
    """Return `record` as a realtime event of one of the widths, its time in six plain bytes.

    What is unknown at the end of some is zero. Raise `ValueError` if a 12-byte event's user id is no number.
    """
    at = record.time
    moment = bytes((at.year - 2000, at.month, at.day, at.hour, at.minute, at.second))
    if width in {10, 14}:
        short = _EVENT_10.pack(record.uid, record.verify, _VALID | record.state & 0xF, moment)
        return short.ljust(width, b"\0")
    if width == 12:
        return _EVENT_12.pack(int(record.user_id), record.verify, record.state, moment)
    return _EVENT_32.pack(record.user_id.encode(), record.verify, record.state, moment).ljust(width, b"\0")


def encode_user(user: EnrolledUser, width: int) -> bytes:
    """Return `user` in 16, 28 or 72 bytes. Raise `ValueError` if a 28-byte user's id is no number."""
    head = user.uid, user.privilege, user.password.encode()
    name = user.name.encode()
    if width == 16:  # before firmware 5.04: the slot is the id
        return _USER_16.pack(*head, name)
    if width == 28:
        return _USER_28.pack(*head, name, user.card, user.group, 0, int(user.user_id))
    return _USER_72.pack(*head, name, user.card, user.group, user.user_id.encode())


def table(rows: Iterable[bytes]) -> bytes:
    """Return a table as it is read out: u32 length of what follows, then the rows."""
    body = b"".join(rows)
    return len(body).to_bytes(4, "little") + body


# Text fields of a record: the bytes behind their NUL mean nothing and are old memory.
_TEXT: Final = {22: [(2, 8)], 40: [(2, 26)], 49: [(2, 26)], 72: [(3, 11), (11, 35), (48, 72)]}
# Bytes that mean nothing at all.
_UNUSED: Final = {40: [(36, 40)], 49: [(36, 40)]}


def with_old_memory(row: bytes, width: int, rubbish: Callable[[int], bytes]) -> bytes:
    """Return `row` with `rubbish(n)` in every place that means nothing, as real units leave there."""
    dirty = bytearray(row)
    for start, end in _TEXT.get(width, []):
        stop = row.find(b"\0", start, end)
        if stop != -1:
            dirty[stop + 1 : end] = rubbish(end - stop - 1)
    for start, end in _UNUSED.get(width, []):
        dirty[start:end] = rubbish(end - start)
    return bytes(dirty)


@dataclass(frozen=True, slots=True)
class FreeSizes:
    """The numbers in the answer to GET_FREE_SIZES (50)."""

    users: int = 0
    fingers: int = 0
    records: int = 0
    operations: int = 0
    admins: int = 0
    passwords: int = 0
    finger_capacity: int = 0
    user_capacity: int = 0
    record_capacity: int = 0


def encode_sizes(counts: FreeSizes, width: int) -> bytes:
    """Return the answer to GET_FREE_SIZES in `width` bytes: 92, 80 (no face words), 112, or 4.

    Four bytes are one zero, whatever the unit holds (D2 and WL20, pyzk issue 41).
    """
    words = [0] * 28
    words[4], words[6], words[8] = counts.users, counts.fingers, counts.records
    words[10], words[12], words[13] = counts.operations, counts.admins, counts.passwords
    words[14], words[15] = counts.finger_capacity, counts.user_capacity
    words[16] = counts.record_capacity
    words[17] = counts.finger_capacity - counts.fingers
    words[18] = counts.user_capacity - counts.users
    words[19] = max(0, counts.record_capacity - counts.records)
    return Struct("<28I").pack(*words)[:width]
