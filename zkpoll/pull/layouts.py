"""Record layouts: finding that of a log, and decoding under it. Pure.

The layout is found by evidence, the bytes themselves. Neither a clock nor the device's count takes part:
terminals lose the one, and the other is often stale.

    the first bytes of a log, 2,000 records at most
    |  count       decode them under each layout that divides the log: how many are believable?
    |  candidates  the layouts under which 2/3 are, with a state that has a name. A wrong one reaches 3/5
    |              (40-byte records read as 16)
    |  8 or 4      some 8-byte records may be short (`short_form`). A stride of 4 fits much, so then there is
    |              more to be proved (`_short_ones_prove`)
    |  8 or 16?    each pair of 8-byte records is one of 16, so these two are told apart by fields that only
    |              one of them can have. Where these tell nothing (a tiny log from a clock that restarted in
    |              2000): 16, if half of the records are believable so; but if 8 fits as well, no layout
    |  narrowest   of the candidates, the narrowest: it was asked to prove itself most often
    |  proof       19 of 20 records are believable under it, of whatever state; one impossible record is
    |              always allowed. Records of 8 bytes must show flags, too
    |  else        where there is no candidate, a terminal may number its states as it likes. So the one
    |              layout that passes the proof; of several, that with more states that have a name. Such
    |              records must be as they always were in what else is known of them
    v
    a layout, or `UnknownLayout`: the bytes are saved, the log stays on the device, a person looks

    a watermark's layout is presumed before all this, until it no longer fits (`reader.layout_of`)
    single impossible records of a known layout are quarantined; too many of them end the reading

Some terminals store an id that is no ASCII, of one person, who may make many of the records. Such a record is
quarantined, and counts neither for nor against a layout where it has a real date, and an id that is not empty
and padded with NULs; but it may not be so with most records. Rubbish and a wrong stride show empty ids, or
such that fill their field.

It must never happen that a log is decoded by the nearest layout, that a time which cannot be right
(2000-01-01) counts against a record, or that a record is left out without being quarantined.

Sources for all layouts: captures published with client projects, and the 2006 vendor manual; each decoder
names its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from struct import Struct
from typing import TYPE_CHECKING, Final

from zkpoll.errors import UnknownLayout
from zkpoll.model.packed_time import CALENDAR
from zkpoll.model.punch import MIXED, NOBODYS, Punch, Quarantined
from zkpoll.pull.short_form import SHORT, any_short, as_sent, is_short, widened
from zkpoll.wall_clock import DAY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Believed = Punch | Quarantined

BELIEVABLE: Final = 0.95
"""Share of records that must be believable: single impossible records are real, many are a wrong layout."""
_MOST: Final = 2 / 3
"""Share of believable records that makes a layout a candidate; a wrong one reaches 3/5 (16 bytes for 40)."""
_HALF: Final = 1 / 2
"""The same for 16 bytes against 8: two records of which one is impossible may still be of 16 bytes."""
_SAMPLE: Final = 2000
"""Records looked at to find the layout."""
_NAMED: Final = frozenset((0, 1, 2, 3, 4, 5, 255))
"""States that have a name, or are none. Others may be set at a terminal, so these only tell layouts apart."""
_WORK_CODES: Final = 100_000_000
"""Work codes have up to eight digits; read as a time, this is February 2003."""
_NEVER_BY_CHANCE: Final = 3
"""Punches that are not all followed by one at 2000-01-01 00:00:00 to the second."""


class _Seconds(dict[int, timedelta]):
    """Second of a day -> its distance from midnight.

    Filled as they occur. An idle visit needs a few; one that reads the whole log would spend a third of its
    decoding on making one for each record.
    """

    def __missing__(self, second: int) -> timedelta:
        self[second] = found = timedelta(seconds=second)
        return found


_SECOND: Final = _Seconds()


class Doubt(StrEnum):
    """The reason why a record is not believable, in words that are told."""

    NO_DATE = "no such date"
    NO_ID = "user id is not printable text"
    NO_SLOT = NOBODYS
    ODD_BYTES = "bytes that are constant in this layout differ"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A run of records, decoded, in the log's order."""

    punches: tuple[Punch, ...]
    quarantined: tuple[Quarantined, ...]
    tail: tuple[bytes, ...]
    """Identities (canonical bytes, or raw ones where quarantined) of the last records."""
    odd_ids: int = 0
    """How many records are sound but for an id that is not printable: they prove nothing."""

    @property
    def impossible(self) -> int:
        """How many records speak against the layout; one whose user was deleted since does not."""
        return sum(record.reason != Doubt.NO_SLOT for record in self.quarantined) - self.odd_ids


@dataclass(frozen=True, slots=True)
class Layout:
    """One record format."""

    width: int
    """Bytes of a record, as it is decoded."""
    records: Callable[[bytes, Mapping[int, str]], Iterator[Believed]]
    """Decodes a run of whole records; the mapping translates slots to user ids where the layout has slots."""
    needs_users: bool = False
    """Whether records carry slots of the user table instead of user ids."""
    even: Callable[[Iterable[bytes]], Iterator[bytes]] = iter
    """Makes a log's records, given in runs of its bytes from the first on, equally wide."""
    as_sent: Callable[[bytes], bytes] = bytes
    """Undoes that."""
    shortest: int = 0
    """Bytes of the shortest record as it stands in a log, where some are shorter; else 0."""
    ids: slice = field(default_factory=lambda: slice(0))
    """Where in a record its user id stands, if that is text."""
    numbered: bool = False
    """Whether a record begins with its own number."""

    def divides(self, total: int) -> bool:
        """Say whether `total` bytes may be whole records."""
        return total % (self.shortest or self.width) == 0

    def whole(self, log: bytes) -> bytes:
        """Return the records of a whole log, `even`. Raise `UnknownLayout` when it ends inside one."""
        return b"".join(self.even([log]))

    def decode(self, data: bytes, users: Mapping[int, str], keep: int = 0) -> Decoded:
        """Given whole records and the device's users by slot, return them decoded.

        With the identities of the last `keep` of them. `data` must be a multiple of `width` long, with its
        records `even`.
        """
        records = list(self.records(data, users))
        punches = tuple([record for record in records if type(record) is Punch])
        quarantined = tuple([record for record in records if type(record) is Quarantined])
        tail = tuple(identity(record) for record in records[-keep:]) if keep else ()
        strange = [one.raw[self.ids] for one in quarantined if one.reason is Doubt.NO_ID]
        return Decoded(punches, quarantined, tail, sum(map(_is_padded, strange)))


def _is_padded(field: bytes) -> bool:
    """Say whether a field holds some bytes, and NULs behind them."""
    text = field.rstrip(b"\0")
    return 0 < len(text) < len(field) and 0 not in text


def identity(record: Believed) -> bytes:
    """Return the bytes that identify a record when it is read again."""
    return record.canonical if isinstance(record, Punch) else record.raw


# --- the layouts ---

_TEXT = Struct("<H24sBIBI4s")
_TEXT_CANONICAL = Struct("<H24sBIB8x")


def _text_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """40 bytes: u16 number, 24 id, u8 verify, u32 time, u8 state, u32 work code, 4 others. Most TFT devices.

    The first u16 is the record's own number, not a user. The last 4 bytes differ between firmwares and may
    hold old memory; they mean nothing. A work code is told, but a record is the same under another one: where
    nobody is asked for it, nothing says what a firmware leaves there.
    """
    ids = _TextIds(24)
    # Local names, and a Punch made as the tuple it is: this loop meets every record of most terminals.
    days, seconds, pack, new = CALENDAR, _SECOND, _TEXT_CANONICAL.pack, tuple.__new__
    for number, text, verify, time, state, work_code, tail in _TEXT.iter_unpack(data):
        user_id, clean = ids[text]
        day = days[time // DAY]
        if user_id and day:
            canonical = pack(number, clean, verify, time, state)
            yield new(Punch, (user_id, day + seconds[time % DAY], verify, state, work_code, canonical))
        else:
            raw = _TEXT.pack(number, text, verify, time, state, work_code, tail)
            yield Quarantined(raw, Doubt.NO_ID if day else Doubt.NO_DATE)


_TRAILED = Struct("<40s9s")
_TRAILER = re.compile(rb".(|[0-9]+(?:\.[0-9]+)?)(?:\0.*)?", re.DOTALL)
"""A flag, and a decimal number or nothing, up to a NUL."""


def _trailed_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """49 bytes: a 40-byte record, u8 mask, 8 ASCII temperature. SpeedFace-V5L, Mini TA and others.

    A terminal without the sensors says 255 for the mask, and "255" or nothing for the temperature, as the
    push protocol does: "36.5" stands behind a 0 or a 1 (https://github.com/vodvud/php_zklib/issues/39). They
    are part of the record.
    """
    heads, trailers = zip(*_TRAILED.iter_unpack(data), strict=True) if data else ((), ())
    clean = _Trailers()
    for record, head, trailer in zip(_text_records(b"".join(heads), users), heads, trailers, strict=True):
        if not (sound := clean[trailer]):
            yield Quarantined(head + trailer, Doubt.ODD_BYTES)
        elif isinstance(record, Punch):
            yield record._replace(canonical=record.canonical + sound)
        else:
            yield Quarantined(head + trailer, record.reason)


class _Trailers(dict[bytes, bytes]):
    """A trailer -> itself with what follows its NUL zeroed; nothing if it is none. A log repeats few."""

    def __missing__(self, trailer: bytes) -> bytes:
        found = _TRAILER.fullmatch(trailer)
        self[trailer] = clean = trailer[:1] + found[1].ljust(8, b"\0") if found else b""
        return clean


_NUMERIC = Struct("<IIBB2sI")


def _numeric_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:  # noqa: ARG001
    """16 bytes: u32 id, u32 time, u8 state, u8 verify, 2 reserved, u32 work code. Firmware 6.60 (2015).

    State before verify, as in the vendor manual; pyzk has them the wrong way round. So little is constant
    here that a state without a name is believed only where the rest is as it always was.
    """
    for user, time, state, verify, reserved, work_code in _NUMERIC.iter_unpack(data):
        day = CALENDAR[time // DAY]
        odd = state not in _NAMED and (any(reserved) or work_code >= _WORK_CODES)
        if user and day and not odd:
            canonical = _NUMERIC.pack(user, time, state, verify, b"", work_code)
            yield Punch(str(user), day + _SECOND[time % DAY], verify, state, work_code, canonical)
        else:
            raw = _NUMERIC.pack(user, time, state, verify, reserved, work_code)
            yield Quarantined(raw, Doubt.NO_ID if not user else Doubt.ODD_BYTES if day else Doubt.NO_DATE)


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
        odd = one != 1 or any(zeros + more_zeros)
        if user_id and day and not odd:
            canonical = _WIFI.pack(0, clean, b"", 1, time, state, b"")
            yield Punch(user_id, day + _SECOND[time % DAY], 0, state, 0, canonical)
        else:
            raw = _WIFI.pack(slot, text, zeros, one, time, state, more_zeros)
            yield Quarantined(raw, Doubt.NO_DATE if not day else Doubt.ODD_BYTES if odd else Doubt.NO_ID)


_SLOTTED = Struct("<HBBI")


def _slotted_records(data: bytes, users: Mapping[int, str]) -> Iterator[Believed]:
    """8 bytes: u16 slot, u8 flags, u8 0, u32 time; or 4, u16 slot, u8 flags, u8. ZEM500, MA300.

    Of the flags, bits 5-7 are the state, 3-4 verify, and 2 tells a short record, whose seconds since the last
    long one are the others and the byte behind them. So says the vendor's manual of 2006, counting from the
    top, and so read all published captures; pyzk's order of the fields contradicts them all. A short record
    comes here with its time behind it (`short_form`).
    """
    for user, flags, low, time in _SLOTTED.iter_unpack(data):
        day = CALENDAR[time // DAY]
        raw = _SLOTTED.pack(user, flags, low, time)
        if not day:
            yield Quarantined(raw, Doubt.NO_DATE)
        elif not user or (low and not is_short(raw)):
            yield Quarantined(raw, Doubt.ODD_BYTES)
        elif user not in users:
            yield Quarantined(raw, Doubt.NO_SLOT)
        else:
            yield Punch(users[user], day + _SECOND[time % DAY], flags >> 3 & 3, flags >> 5, 0, raw)


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
        Layout(8, _slotted_records, needs_users=True, even=widened, as_sent=as_sent, shortest=SHORT),
        Layout(16, _numeric_records),
        Layout(22, _wifi_records, ids=slice(2, 8)),
        Layout(40, _text_records, ids=slice(2, 26), numbered=True),
        Layout(49, _trailed_records, ids=slice(2, 26), numbered=True),
    )
}
"""By the bytes of a record."""


def layout_called(number: int) -> Layout | None:
    """Return the layout that a watermark or a raw copy gives by this number, or None."""
    return LAYOUTS.get(8 if number == MIXED else number)


def bytes_a_record(number: int) -> str:
    """Return how many bytes the records of a layout have, in words, by its number."""
    return "8 and 4" if number == MIXED else str(number)


def number_of(layout: Layout, data: bytes) -> int:
    """Return the number by which a watermark or a raw copy tells the layout of these records, each `even`."""
    return MIXED if layout.shortest and any_short(data) else layout.width


# --- which one ---


class _AnySlot(dict[int, str]):
    """Stands in for the user table while the layout is looked for: any slot may be a user's."""

    def __contains__(self, _slot: object) -> bool:
        return True

    def __missing__(self, slot: int) -> str:
        return str(slot)


ANY_SLOT: Final = _AnySlot()


def too_many(impossible: int, records: int, odd_ids: int = 0) -> bool:
    """Say whether so many impossible records among `records` speak against the layout itself.

    Single impossible records are real, so one is always allowed. Those of odd ids prove nothing, as long as
    they are not the most.
    """
    if impossible + odd_ids <= 1:
        return False
    return impossible > max(1, (records - odd_ids) * (1 - BELIEVABLE)) or odd_ids > records / 2


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the first records of a log are under a layout."""

    records: int = 0
    believable: int = 0
    named: int = 0
    """Those of the believable ones whose state has a name."""
    odd_ids: int = 0

    @property
    def named_share(self) -> float:
        """How many of the records that prove anything are believable, with a state that has a name."""
        return self.named / max(1, self.records - self.odd_ids)

    @property
    def fits(self) -> bool:
        """Whether enough of the records are believable."""
        impossible = self.records - self.believable - self.odd_ids
        return bool(self.believable) and not too_many(impossible, self.records, self.odd_ids)

    @property
    def proves(self) -> bool:
        """The same, but not by the one impossible record that is always allowed."""
        return self.fits and self.believable >= (self.records - self.odd_ids) * _MOST


def fits(layout: Layout, data: bytes, *, named: bool = False) -> bool:
    """Say whether the records that `data` begins with are believable under `layout`.

    With `named`, whether they are so with states that have a name.
    """
    what = _weighed(layout, _first(layout, data))
    return replace(what, believable=what.named).fits if named else what.fits


def _first(layout: Layout, data: bytes, total: int | None = None) -> bytes:
    """Return the first records of `data`, each as wide, or nothing where they cannot be such of this layout.

    `total` tells whether the log ends here.
    """
    runs = layout.even([data[:total]])
    try:
        first = next(runs, b"")
        if total is not None and len(data) >= total:
            next(runs, None)  # raises where it ends inside a record
    except UnknownLayout:
        return b""
    return first[: min(len(first) // layout.width, _SAMPLE) * layout.width]


def _weighed(layout: Layout, records: bytes) -> _Evidence:
    decoded = layout.decode(_plain(records) if layout.width == _NUMERIC.size else records, ANY_SLOT)
    named = sum(punch.state in _NAMED for punch in decoded.punches)
    believable = len(decoded.punches)
    if named < believable and layout.numbered:
        believable -= _doubted(layout, records)
    return _Evidence(len(records) // layout.width, believable, named, decoded.odd_ids)


def _plain(records: bytes) -> bytes:
    """Return those 16-byte records in which all is zero that always was, with a work code of eight digits.

    Two in five windows of 16 bytes on a 40-byte log are believable but for that.
    """
    rows = _NUMERIC.iter_unpack(records)
    return b"".join(_NUMERIC.pack(*row) for row in rows if not any(row[4]) and row[5] < _WORK_CODES)


def _doubted(layout: Layout, records: bytes) -> int:
    """Return how many numbered records whose state has no name have no other sign of being records.

    That is an id padded with NULs, or the number behind that of the record before. Memory that holds a text,
    and 8-byte records read at 40, have a printable id, a date, and nothing else.
    """
    before = doubted = 0
    for at in range(0, len(records), layout.width):
        record = records[at : at + layout.width]
        number = int.from_bytes(record[:2], "little")
        follows = at > 0 and number == (before + 1) & 0xFFFF
        if not follows and not _is_padded(record[layout.ids]):
            (punch,) = layout.decode(record, ANY_SLOT).punches or (None,)
            doubted += punch is not None and punch.state not in _NAMED
        before = number
    return doubted


def detect(data: bytes, total: int) -> Layout:
    """Given the first bytes of a log of `total` bytes, return its layout.

    Raise `UnknownLayout` when none fits, or when two fit and nothing tells them apart.
    """
    unknown = UnknownLayout(f"the log of {total} bytes fits no known record layout", data)
    first = {width: _first(layout, data, total) for width, layout in LAYOUTS.items() if layout.divides(total)}
    found = {width: _weighed(LAYOUTS[width], records) for width, records in first.items()}
    if 16 in found:
        told = _eight_or_sixteen(data)
        if told is None and found[16].believable >= found[16].records * _HALF:
            if found[8].fits:
                raise UnknownLayout(f"the log of {total} bytes fits the layouts 8 and 16 alike", data)
            told = 16
        del found[8 if told == 16 else 16]
    slotted = first.get(8, b"")
    is_mixed = 8 in found and (total % 8 != 0 or any_short(slotted))
    if is_mixed and not (found[8].proves and _flagged(slotted) and _short_ones_prove(slotted, data)):
        del found[8]
    narrowest = min((width for width, what in found.items() if what.named_share >= _MOST), default=None)
    if narrowest is not None:
        if not found[narrowest].fits or (narrowest == 8 and not _flagged(slotted)):
            raise unknown
        return LAYOUTS[narrowest]
    if not _flagged(slotted):
        found.pop(8, None)
    proved = sorted((what.named_share, width) for width, what in found.items() if what.proves)
    if not proved or [share for share, _ in proved].count(proved[-1][0]) > 1:
        raise unknown
    return LAYOUTS[proved[-1][1]]


def _flagged(records: bytes) -> bool:
    """Say whether 8-byte records tell how people were recognised, or that they went.

    All that were published do, without seconds in a long one. A K40 answers the old command with memory that
    reads as 8-byte records of January 2000, but for this; it is at least as long as one of its own 40-byte
    records.
    """
    flags = records[2::8]
    if len(flags) < 5:
        return True
    told = [each for each in flags if each & 0xF8]
    return len(told) >= len(flags) / 4 and any(each & SHORT or not each & 3 for each in told)


def _short_ones_prove(records: bytes, data: bytes) -> bool:
    """Say whether 8-byte records of which some are short, as they stand in `data`, are more than memory.

    The short ones must not be earlier than what is in front of them, and lean on a sound long one. Long ones
    have no seconds, and most are of a time that memory full of small numbers does not read as. Only a log of
    a clock that was never set is missed so.
    """
    against = old = 0
    before, sound = 0, False
    for slot, flags, low, time in _SLOTTED.iter_unpack(records):
        if flags & SHORT:
            against += not slot or not sound or time < before
        else:
            sound = bool(slot and CALENDAR[time // DAY]) and not (low or flags & 3)
            against += not sound
            old += 1 if time < _WORK_CODES else -1
        before = time
    return old < 0 and not too_many(against, len(records) // 8) and not _all_long(data)


def _all_long(data: bytes) -> bool:
    """Say whether 8-byte records have the bytes of long ones, but some the bit of short ones.

    Then that bit means something else here, or one of them is damaged: they would be read as others.
    """
    rows = list(_SLOTTED.iter_unpack(data[: len(data) // 8 * 8]))
    times = [time for _, flags, _, time in rows if not flags & SHORT] or [0]
    earliest, latest = min(times) - 31 * DAY, max(times) + 31 * DAY
    long = {False: [0, 0], True: [0, 0]}
    for slot, flags, low, time in rows:
        long[bool(flags & SHORT)][bool(slot and not low and earliest <= time <= latest)] += 1
    (other, sound), (short, strange) = long[False], long[True]
    return strange > short and not too_many(other, other + sound)


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
