"""Record layouts: finding that of a log, and decoding under it. Pure.

The layout is found by evidence, the bytes themselves. Neither a clock nor the device's count takes part:
terminals lose the one, and the other is often stale.

    the first bytes of a log, 2,000 records at most
    |  count       decode them under each layout whose width divides the log: how many are believable?
    |  candidates  the layouts under which 2/3 are. A wrong one reaches 3/5 (40-byte records read as 16)
    |  8 or 16?    each pair of 8-byte records is one of 16, so these two are told apart by fields that only
    |              one of them can have. Where these tell nothing (a tiny log from a clock that restarted in
    |              2000): 16, if half of the records are believable so; but if 8 fits as well, no layout
    |  narrowest   of the candidates, the narrowest: it was asked to prove itself most often
    |  proof       19 of 20 records are believable under it; one impossible record is always allowed. Records
    |              of 8 bytes must show flags, too
    v
    a layout, or `UnknownLayout`: the bytes are saved, the log stays on the device, a person looks

    a watermark's layout is presumed before all this, until it no longer fits (`reader.layout_of`)
    single impossible records of a known layout are quarantined; too many of them end the reading

It must never happen that a log is decoded by the nearest layout, that a time which cannot be right
(2000-01-01) counts against a record, or that a record is left out without being quarantined.

Sources for all layouts: captures published with client projects, and the 2006 vendor manual; each decoder
names its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from struct import Struct
from typing import TYPE_CHECKING, Final

from zkpoll.errors import UnknownLayout
from zkpoll.model.packed_time import CALENDAR
from zkpoll.model.punch import Punch, Quarantined
from zkpoll.wall_clock import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Believed = Punch | Quarantined

BELIEVABLE: Final = 0.95
"""Share of records that must be believable: single impossible records are real, many are a wrong layout."""
_MOST: Final = 2 / 3
"""Share of believable records that makes a layout a candidate; a wrong one reaches 3/5 (16 bytes for 40)."""
_HALF: Final = 1 / 2
"""The same for 16 bytes against 8: two records of which one is impossible may still be of 16 bytes."""
_SAMPLE: Final = 2000
"""Records looked at to find the layout."""
_STATES: Final = frozenset((0, 1, 2, 3, 4, 5, 255))
_WORK_CODES: Final = 100_000_000
"""Work codes have up to eight digits; read as a time, this is February 2003."""
_NEVER_BY_CHANCE: Final = 3
"""Punches that are not all followed by one at 2000-01-01 00:00:00 to the second."""
_SECOND: Final = tuple(timedelta(seconds=second) for second in range(DAY))
"""Seconds of the day, ready made: building one for each record would be a third of all decoding time."""


class Doubt(StrEnum):
    """The reason why a record is not believable, in words that are told."""

    NO_DATE = "no such date"
    NO_ID = "user id is not printable text"
    NO_STATE = "unknown state"
    NO_SLOT = "its slot is not in the user table"
    ODD_BYTES = "bytes that are constant in this layout differ"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A run of records, decoded, in the log's order."""

    punches: tuple[Punch, ...]
    quarantined: tuple[Quarantined, ...]
    tail: tuple[bytes, ...]
    """Identities (canonical bytes, or raw ones where quarantined) of the last records."""

    @property
    def impossible(self) -> int:
        """How many records speak against the layout; one whose user was deleted since does not."""
        return sum(record.reason != Doubt.NO_SLOT for record in self.quarantined)


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
        """Given whole records and the device's users by slot, return them decoded.

        With the identities of the last `keep` of them. `data` must be a multiple of `width` long.
        """
        records = list(self.records(data, users))
        punches = tuple([record for record in records if type(record) is Punch])
        quarantined = tuple([record for record in records if type(record) is Quarantined])
        tail = tuple(identity(record) for record in records[-keep:]) if keep else ()
        return Decoded(punches, quarantined, tail)


def identity(record: Believed) -> bytes:
    """Return the bytes that identify a record when it is read again."""
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
            reason = Doubt.NO_ID if not user_id else Doubt.NO_STATE if day else Doubt.NO_DATE
            yield Quarantined(pack(number, text, verify, time, state, tail), reason)


_TRAILED = Struct("<40s9s")


def _trailed_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """49 bytes: a 40-byte record, 0xff, 8 ASCII ("255", or empty). SpeedFace-V5L, Mini TA and others."""
    heads, trailers = zip(*_TRAILED.iter_unpack(data), strict=True) if data else ((), ())
    records = _text_records(b"".join(heads), users)
    for record, head, trailer in zip(records, heads, trailers, strict=True):
        text = trailer[1:].partition(b"\0")[0]
        if trailer[0] != 0xFF or not (not text or text.isdigit()):
            yield Quarantined(head + trailer, Doubt.ODD_BYTES)
        elif isinstance(record, Punch):
            yield record._replace(canonical=record.canonical + b"\xff" + text.ljust(8, b"\0"))
        else:
            yield Quarantined(head + trailer, record.reason)


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
            yield Quarantined(raw, Doubt.NO_ID if not user else Doubt.NO_STATE if day else Doubt.NO_DATE)


_WIFI = Struct("<H6s4sBIB4s")


def _wifi_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """22 bytes: u16 slot, 6 ASCII id, 4 zero, u8 1, u32 time, u8 state, 4 zero. WL10 (AK3750WIFI).

    The slot turns 0 when its user is deleted, so it means nothing. States 0, 1 and 4 were seen. Where verify
    stands is unknown; it is given as 0. Source: https://github.com/MrFaviod/pyzk-wl10
    """
    ids = _TextIds(6)
    for slot, text, zeros, one, time, state, more_zeros in _WIFI.iter_unpack(data):
        user_id, clean = ids[text]
        day = CALENDAR[time // DAY]
        if user_id and day and state in _STATES and one == 1 and not any(zeros + more_zeros):
            canonical = _WIFI.pack(0, clean, b"", 1, time, state, b"")
            yield Punch(user_id, day + _SECOND[time % DAY], 0, state, 0, canonical)
        else:
            raw = _WIFI.pack(slot, text, zeros, one, time, state, more_zeros)
            odd = Doubt.ODD_BYTES if state in _STATES else Doubt.NO_STATE
            yield Quarantined(raw, Doubt.NO_ID if not user_id else odd if day else Doubt.NO_DATE)


_SLOTTED = Struct("<HBBI")


def _slotted_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """8 bytes: u16 slot, u8 flags (0-2 state, 3-4 verify, 5 long), u8 0, u32 time. ZEM500, MA300.

    Every published capture has this order; pyzk's contradicts them all.
    """
    for user, flags, zero, time in _SLOTTED.iter_unpack(data):
        day = CALENDAR[time // DAY]
        state, verify = flags & 7, flags >> 3 & 3
        raw = _SLOTTED.pack(user, flags, zero, time)
        if not day:
            yield Quarantined(raw, Doubt.NO_DATE)
        elif state not in _STATES:
            yield Quarantined(raw, Doubt.NO_STATE)
        elif not user or zero or flags & 0xC0:
            yield Quarantined(raw, Doubt.ODD_BYTES)
        elif user not in users:
            yield Quarantined(raw, Doubt.NO_SLOT)
        else:
            yield Punch(users[user], day + _SECOND[time % DAY], verify, state, 0, raw)


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


ANY_SLOT: Final = _AnySlot()


def too_many(impossible: int, records: int) -> bool:
    """Say whether so many impossible records among `records` speak against the layout itself.

    Single impossible records are real, so one is always allowed.
    """
    return impossible > max(1, records * (1 - BELIEVABLE))


def fits(layout: Layout, data: bytes) -> bool:
    """Say whether the records that `data` begins with are believable under `layout`."""
    believable, records = _counted(layout, data)
    return bool(believable) and not too_many(records - believable, records)


def _counted(layout: Layout, data: bytes) -> tuple[int, int]:
    """Return how many of the first records of `data` are believable under `layout`, and their number."""
    sample = data[: len(data) // layout.width * layout.width][: _SAMPLE * layout.width]
    decoded = layout.decode(sample, ANY_SLOT)
    return len(decoded.punches), len(sample) // layout.width


def detect(data: bytes, total: int) -> Layout:
    """Given the first bytes of a log of `total` bytes, return its layout.

    Raise `UnknownLayout` when none fits, or when two fit and nothing tells them apart.
    """
    counts = {width: _counted(layout, data) for width, layout in LAYOUTS.items() if not total % width}
    shares = {width: believable / max(records, 1) for width, (believable, records) in counts.items()}
    rivals = {width for width, share in shares.items() if share >= _MOST}
    if 16 in shares and rivals & {8, 16}:
        told = _eight_or_sixteen(data)
        if told is None and shares[16] >= _HALF:
            if fits(LAYOUTS[8], data):
                raise UnknownLayout(f"the log of {total} bytes fits the layouts 8 and 16 alike", data)
            told = 16
        rivals.discard(8 if told == 16 else 16)
    narrowest = min(rivals, default=None)
    if narrowest is None or not fits(LAYOUTS[narrowest], data) or (narrowest == 8 and not _flagged(data)):
        raise UnknownLayout(f"the log of {total} bytes fits no known record layout", data)
    return LAYOUTS[narrowest]


def _flagged(data: bytes) -> bool:
    """Say whether 8-byte records tell how people were recognised, or that they are of the long form.

    All that were published do. A K40 answers the old command with memory that reads as 8-byte records of
    January 2000, but for this; it is at least as long as one of its own 40-byte records.
    """
    flags = data[2::8]
    return len(flags) < 5 or sum(bool(each & 0x38) for each in flags) >= len(flags) / 4


def _eight_or_sixteen(data: bytes) -> int | None:
    """Given a log of 8-byte or of 16-byte records, return 8 or 16, or None if nothing tells them apart.

    A 16-byte record ends in two reserved bytes, always 0, and a work code, mostly 0. Read as a second 8-byte
    record, they are of the year 2000. Two 8-byte records end in the second one's time, in the range of the
    first one's, and have the second one's flags in place of the reserved bytes. From a clock that
    restarted in 2000, a time and a work code look alike.
    """
    pairs = [fields[1:] for fields in _NUMERIC.iter_unpack(data[: len(data) // 16 * 16])]
    times = [time for time, *_ in pairs] or [0]
    earliest, latest = max(min(times) - 31 * DAY, _WORK_CODES), max(times) + 31 * DAY
    eight = sum(any(reserved) or earliest <= code <= latest for *_, reserved, code in pairs)
    sixteen = sum(not any(reserved) and code < _WORK_CODES <= time for time, _, _, reserved, code in pairs)
    if eight != sixteen:
        return 8 if eight > sixteen else 16
    never_coded = not any(any(reserved) or code for *_, reserved, code in pairs)
    return 16 if never_coded and sum(map(bool, times)) >= _NEVER_BY_CHANCE else None
