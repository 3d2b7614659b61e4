"""Which layout the bytes of a log are, and their records and users. Pure.

The layout is found by evidence: the log is decoded under each candidate, and the one under which nearly
all records are believable wins. Neither a clock nor the device's count takes part: terminals lose the
one, and the other is often stale. Sources for all layouts: captures published with client projects, and
the 2006 vendor manual; each `Layout` names its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from struct import Struct
from typing import TYPE_CHECKING, Final

from zkpoll.errors import UnknownLayout
from zkpoll.pull.clock import CALENDAR, DAY
from zkpoll.punch import Punch, Quarantined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Believed = Punch | Quarantined

BELIEVABLE: Final = 0.95
"""Share of records that must be believable: single impossible records are real, many are a wrong layout."""
_SAMPLE: Final = 2000
"""Records looked at to find the layout."""
_STATES: Final = frozenset((0, 1, 2, 3, 4, 5, 255))
_SECOND: Final = tuple(timedelta(seconds=second) for second in range(DAY))
"""Seconds of the day, ready made: building one for each record would be a third of all decoding time."""

_NO_DATE: Final = "no such date"
_NO_ID: Final = "user id is not printable text"
_NO_STATE: Final = "unknown state"
_NO_SLOT: Final = "its slot is not in the user table"
_ODD_BYTES: Final = "bytes that are constant in this layout differ"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a run of records is, in the log's order."""

    punches: tuple[Punch, ...]
    quarantined: tuple[Quarantined, ...]
    tail: tuple[bytes, ...]
    """Identities (canonical bytes, or raw ones where quarantined) of the last records."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One record format."""

    width: int
    """Bytes of a record."""
    records: Callable[[bytes, Mapping[int, str]], Iterator[Believed]]
    """Decodes a run of whole records; the mapping translates slots to user ids where the layout has slots."""
    needs_users: bool = False
    """Whether records carry slots of the user table instead of user ids."""

    def decode(self, data: bytes, users: Mapping[int, str], keep: int = 0) -> Decoded:
        """Given whole records and the device's users by slot, return what they are.

        Also return the identities of the last `keep` of them. `data` must be a multiple of `width` long.
        """
        records = list(self.records(data, users))
        punches = tuple([record for record in records if type(record) is Punch])
        quarantined = tuple([record for record in records if type(record) is Quarantined])
        tail = tuple(identity(record) for record in records[-keep:]) if keep else ()
        return Decoded(punches, quarantined, tail)


def identity(record: Believed) -> bytes:
    """Return the bytes by which a record is recognised when it is read again."""
    return record.canonical if isinstance(record, Punch) else record.raw


# --- the layouts ---

_TEXT = Struct("<H24sBIB8s")


def _text_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """40 bytes: u16 number, 24 id, u8 verify, u32 time, u8 state, 8 tail. Most TFT devices.

    The first u16 is the record's own number, not a user. The tail differs between firmwares and may hold
    old memory; it means nothing.
    """
    ids = _TextIds(24)
    # Local names, and a Punch made as the tuple it is: this loop meets every record of most terminals.
    days, seconds, pack, new = CALENDAR, _SECOND, _TEXT.pack, tuple.__new__
    for number, text, verify, time, state, tail in _TEXT.iter_unpack(data):
        user_id, clean = ids[text]
        day = days[time // DAY]
        if user_id and day and state in _STATES:
            canonical = pack(number, clean, verify, time, state, b"")
            yield new(Punch, (user_id, day + seconds[time % DAY], verify, state, 0, canonical))
        else:
            reason = _NO_ID if not user_id else _NO_STATE if day else _NO_DATE
            yield Quarantined(pack(number, text, verify, time, state, tail), reason)


_TRAILED = Struct("<40s9s")


def _trailed_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """49 bytes: a 40-byte record, 0xff, 8 ASCII ("255", or empty). SpeedFace-V5L, Mini TA and others."""
    heads, trailers = zip(*_TRAILED.iter_unpack(data), strict=True) if data else ((), ())
    for record, trailer in zip(_text_records(b"".join(heads), users), trailers, strict=True):
        text = trailer[1:].partition(b"\0")[0]
        if trailer[0] != 0xFF or not (not text or text.isdigit()):
            yield Quarantined(identity(record)[:40] + trailer, _ODD_BYTES)
        elif isinstance(record, Punch):
            yield record._replace(canonical=record.canonical + b"\xff" + text.ljust(8, b"\0"))
        else:
            yield Quarantined(record.raw + trailer, record.reason)


_NUMERIC = Struct("<IIBB2sI")


def _numeric_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """16 bytes: u32 id, u32 time, u8 state, u8 verify, 2 reserved, u32 work code. Firmware 6.60 (2015).

    State before verify, as in the vendor manual; pyzk has them the wrong way round.
    """
    for user, time, state, verify, reserved, work_code in _NUMERIC.iter_unpack(data):
        day = CALENDAR[time // DAY]
        if user and day and state in _STATES:
            canonical = _NUMERIC.pack(user, time, state, verify, b"", work_code)
            yield Punch(str(user), day + _SECOND[time % DAY], verify, state, work_code, canonical)
        else:
            raw = _NUMERIC.pack(user, time, state, verify, reserved, work_code)
            yield Quarantined(raw, _NO_ID if not user else _NO_STATE if day else _NO_DATE)


_WIFI = Struct("<H6s4sBIB4s")


def _wifi_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """22 bytes: u16 slot, 6 ASCII id, 4 zero, u8 1, u32 time, u8 in/out, 4 zero. WL10 (AK3750WIFI).

    Where verify stands is unknown; it is given as 0. Source: https://github.com/MrFaviod/pyzk-wl10
    """
    ids = _TextIds(6)
    for slot, text, zeros, one, time, state, more_zeros in _WIFI.iter_unpack(data):
        user_id, clean = ids[text]
        day = CALENDAR[time // DAY]
        if user_id and day and state in (0, 1) and one == 1 and not any(zeros + more_zeros):
            canonical = _WIFI.pack(slot, clean, b"", 1, time, state, b"")
            yield Punch(user_id, day + _SECOND[time % DAY], 0, state, 0, canonical)
        else:
            raw = _WIFI.pack(slot, text, zeros, one, time, state, more_zeros)
            yield Quarantined(raw, _wifi_reason(user_id, bool(day), state))


def _wifi_reason(user_id: str, dated: bool, state: int) -> str:
    if not user_id:
        return _NO_ID
    if not dated:
        return _NO_DATE
    return _ODD_BYTES if state in (0, 1) else _NO_STATE


_SLOTTED = Struct("<HBBI")


def _slotted_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """8 bytes: u16 slot, u8 flags (0-2 state, 3-4 verify, 5 long), u8 0, u32 time. ZEM500, MA300.

    Every published capture has this order; pyzk's contradicts them all.
    """
    for user, flags, zero, time in _SLOTTED.iter_unpack(data):
        day = CALENDAR[time // DAY]
        state, verify = flags & 7, flags >> 3 & 3
        raw = _SLOTTED.pack(user, flags, zero, time)
        if not _slotted_believable(user, flags, zero) or not day:
            yield Quarantined(raw, _NO_DATE if not day else _ODD_BYTES)
        elif user not in users:
            yield Quarantined(raw, _NO_SLOT)
        else:
            yield Punch(users[user], day + _SECOND[time % DAY], verify, state, 0, raw)


def _slotted_believable(user: int, flags: int, zero: int) -> bool:
    return bool(user) and not zero and flags & 7 in _STATES and not flags & 0xC0


class _TextIds(dict[bytes, tuple[str, bytes]]):
    """Field bytes -> (user id, the field with what follows its NUL zeroed); ("", …) if it is no id.

    A log repeats few ids, so each is looked at once.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self._width = width

    def __missing__(self, field: bytes) -> tuple[str, bytes]:
        text = field.partition(b"\0")[0]
        user_id = text.decode("ascii", "replace")
        good = text.isascii() and user_id.isprintable() and not user_id.isspace()
        self[field] = found = (user_id if good else "", text.ljust(self._width, b"\0"))
        return found


LAYOUTS: Final[Mapping[int, Layout]] = {
    layout.width: layout
    for layout in (
        Layout(8, _slotted_records, needs_users=True),
        Layout(16, _numeric_records),
        Layout(22, _wifi_records),
        Layout(40, _text_records),
        Layout(49, _trailed_records),
    )
}


# --- which one ---


class _AnySlot(dict[int, str]):
    """Stands in for the user table while the layout is looked for: any slot may be a user's."""

    def __contains__(self, _slot: object) -> bool:
        return True

    def __missing__(self, slot: int) -> str:
        return str(slot)


def too_many(impossible: int, records: int) -> bool:
    """Say whether so many impossible records among `records` speak against the layout itself.

    Single impossible records are real, so one is always allowed.
    """
    return impossible > max(1, records * (1 - BELIEVABLE))


def fits(layout: Layout, data: bytes) -> bool:
    """Say whether the records that `data` begins with are believable under `layout`."""
    sample = data[: len(data) // layout.width * layout.width][: _SAMPLE * layout.width]
    decoded = layout.decode(sample, _AnySlot())
    impossible = len(decoded.quarantined)
    return bool(decoded.punches) and not too_many(impossible, len(decoded.punches) + impossible)


def detect(data: bytes, total: int) -> Layout:
    """Given the first bytes of a log of `total` bytes, return its layout.

    Raise `UnknownLayout` when none fits, or when two fit and nothing tells them apart.
    """
    found = {layout.width for layout in LAYOUTS.values() if not total % layout.width and fits(layout, data)}
    if {8, 16} <= found:
        found -= _refuted_of_8_and_16(data)
    if len(found) != 1:
        what = f"fits the layouts {sorted(found)} alike" if found else "fits no known record layout"
        raise UnknownLayout(f"the log of {total} bytes {what}", data)
    return LAYOUTS[found.pop()]


def _refuted_of_8_and_16(data: bytes) -> set[int]:
    """Given a log that reads as 8-byte and as 16-byte records, return which of the two it is not.

    A 16-byte record ends in two reserved bytes and a work code, mostly 0, which read as a second 8-byte
    record at 2000-01-01. Two 8-byte records end in the second one's time, in the range of the first one's,
    and where a reserved byte would be, the second one's flags.
    """
    pairs = list(_NUMERIC.iter_unpack(data[: len(data) // 16 * 16]))
    if not any(work_code or any(reserved) for *_, reserved, work_code in pairs):
        return {8} if any(time for _, time, *_ in pairs) else set()
    earliest = min(time for _, time, *_ in pairs) - 31 * DAY
    latest = max(time for _, time, *_ in pairs) + 31 * DAY
    alike = sum(any(reserved) or earliest <= code <= latest for *_, reserved, code in pairs)
    return {16} if alike > len(pairs) / 2 else {8}
