r"""Reading the lines of a body: punches, what is quarantined, events of doors. Pure.

    body
    |  every       LF, CRLF or CR; empty lines mean nothing; 10,000 at most
    |  shape       `time=...<TAB>pin=...`   by key, in any order        (rtlog; an F22's ATTLOG)
    |              `PIN<TAB>time<TAB>...`   by place, four fields or more (ATTLOG)
    |  believable  an id, a date, numbers in their range
    v
    a punch | an event of a door, only counted | quarantined, with the reason

One bad line never blocks a queue, and none is left out without being counted. It must never happen that a
password, a template or a card number is kept: not beside a punch, not in quarantine.

The form of a punch is `push\n` and its fields; the bytes of a line in quarantine begin with `push\n`, too. So
neither is ever taken for a record of port 4370: one of 8 bytes has a 0 where the `h` stands, those of 22, 40
and 49 would have an LF in a user id, one of 16 bytes is of user 1,752,397,168, and no form is that short.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Final

from zkpoll.model.punch import Punch, Quarantined
from zkpoll.wall_clock import unfold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

MOST_LINES: Final = 10_000
"""Lines of one body. Terminals send 128 punches a request (MB10-VL: capture)."""
RAW: Final = 4096
"""Bytes of a line that are kept in quarantine."""
REST: Final = 1024
"""Bytes of the rest of a line that are kept beside its punch."""
NO_STATE: Final = 255
"""None was chosen (SpeedFace-V5L: capture)."""
OTHER_VERIFY: Final = 200
"""The vendor's number for other ways to be recognised."""
JUST_NOW: Final = timedelta(minutes=5)
"""A punch that comes so soon after one of its two readings was made then: terminals send at once."""

_LINE: Final = re.compile(rb"[^\r\n]+")
_MARK: Final = b"push\n"
_HEAD: Final = 5
"""Fields of a positional line up to the work code."""
_BYTE: Final = 255
_U32: Final = 0xFFFF_FFFF
"""Work codes of port 4370 end here."""
_TIME_KEY: Final = re.compile(rb"(?:^|\t)time=", re.IGNORECASE)
_ID: Final = re.compile(rb"[ -~]{1,24}")
_TIME: Final = re.compile(rb"(20\d\d)-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)")
_BITS: Final = re.compile(rb"[01]{16}")
_LIKE_A_TIME: Final = re.compile(rb"\d[-\d]{5,} [-:\d]+")
"""A time, or what a clock that was never set makes of one: `1971--10--29 -23:-27:-54` (a capture)."""
_GRANTED: Final = (range(20), range(4000, 5000))
"""Events of a door that let a person in (access protocol of 2020, and of 2024)."""

_SECRET: Final = re.compile(
    rb"((?:pass|pwd|tmp|templ|content|card|key|secret|photo|image)\w{0,20}[ '\"]{0,2}[=:])[^\t]+",
    re.IGNORECASE,
)
"""A field whose value is never kept: Passwd, TMP, Content, cardno, Card ..., up to the next TAB. Where spaces
stand for TABs (a capture), to the end of the line."""
_LONG: Final = re.compile(rb"[A-Za-z0-9+/=_-]{48,}")
"""A template without its key, as where its line was broken. No field of a punch is so long."""
_OTHER_TABLE: Final = re.compile(rb"\s*(\w+)[ \t]+\w+ ?=")
"""The beginning of a record of another table: `USER PIN=`, `FP PIN=`, `BIODATA Pin=`."""


class Oddity(StrEnum):
    """The reason why a line is not believable, in words that are told."""

    FEW = "fewer than four fields"
    NO_ID = "user id is not 1-24 printable ASCII characters"
    NO_DATE = "no such date"
    NO_STATE = "state is not a number from 0 to 255"
    NO_VERIFY = "verify is not a number from 0 to 255"
    TWICE = "a key stands there twice"
    NO_GRANT = "this event of a door is not known to let a person in"
    OTHER_TABLE = "a line of another table"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a body, read."""

    punches: tuple[Punch, ...]
    """Their times have no `fold` yet."""
    rests: tuple[bytes, ...]
    """For each punch what else stands on its line, but for secrets."""
    quarantined: tuple[Quarantined, ...]
    door_events: int


class _Unbelievable(Exception):
    """A line that is no punch, and why."""

    def __init__(self, reason: Oddity) -> None:
        super().__init__(reason)
        self.reason = reason


def every(body: bytes) -> Iterator[bytes]:
    """Given a body, yield its lines that are not empty.

    A CR alone ends one, too, though no terminal was seen to send that: else the next record would be taken
    for the rest of the one before, and be acknowledged with it.
    """
    return (found[0] for found in _LINE.finditer(body))


def split(body: bytes) -> list[bytes] | None:
    """Given a body, return its lines as `every` does, or None where they are too many."""
    found = list(islice(every(body), MOST_LINES + 1))
    return found if len(found) <= MOST_LINES else None


def read(lines: Iterable[bytes]) -> Lines:
    """Given lines that are not empty, return what each of them is."""
    punches: list[Punch] = []
    rests: list[bytes] = []
    quarantined: list[Quarantined] = []
    door_events = 0
    for line in lines:
        try:
            found = _keyed(line) if _is_keyed(line) else _positional(line)
        except _Unbelievable as doubt:
            quarantined.append(Quarantined(_MARK + _harmless(line[:RAW])[:RAW], doubt.reason))
            continue
        if found is None:
            door_events += 1
        else:
            punches.append(found[0])
            rests.append(_harmless(found[1][:REST])[:REST])
    return Lines(tuple(punches), tuple(rests), tuple(quarantined), door_events)


def reads_as_punch(line: bytes) -> bool:
    """Say whether a line has the shape of a punch, believable or not."""
    if _is_keyed(line):
        return True
    fields = line.split(b"\t")
    return len(fields) >= _HEAD - 1 and bool(_LIKE_A_TIME.match(fields[1]))


def settle_passes(
    times: Sequence[datetime], zone: tzinfo, last: datetime | None, received: datetime
) -> list[datetime]:
    """Given wall clock times in their order, return them with `fold` set where the zone repeats them.

    `last` is the time before the first, as this function returned it; `received` is when they came (aware). A
    time that one of its two readings puts within five minutes of that has this one; of all others the order
    tells.
    """
    settled: list[datetime] = []
    for time in times:
        (last,) = unfold([time], zone, last)
        moments = [time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
        if moments[0] < moments[1]:  # a time that is skipped has them the other way round
            away = [abs(received - moment) for moment in moments]
            if min(away) <= JUST_NOW:
                last = last.replace(fold=away.index(min(away)))
        settled.append(last)
    return settled


# --- the two shapes ---


def _is_keyed(line: bytes) -> bool:
    """Say which of the two it is; an id may hold a `=` as well."""
    return bool(_TIME_KEY.search(line)) and not _OTHER_TABLE.match(line)


def _positional(line: bytes) -> tuple[Punch, bytes]:
    r"""`PIN\ttime\tstatus\tverify[\twork code[\trest ...]]`. 4 to 11 fields were seen, and a TAB behind.

    What follows the work code differs between firmwares and does not tell what it is: a mask, a
    temperature, a row counter that restarts.
    """
    if _OTHER_TABLE.match(line):
        raise _Unbelievable(Oddity.OTHER_TABLE)
    fields = line.split(b"\t", _HEAD)
    if len(fields) < _HEAD - 1:
        raise _Unbelievable(Oddity.FEW)
    pin, time, state, verify, *more = fields
    work_code = _number(more[0], _U32) if more else None
    punch = _punch(pin, time, _number(state, _BYTE), _number(verify, _BYTE), work_code or 0)
    return punch, b"".join(more[1:])


def _keyed(line: bytes) -> tuple[Punch, bytes] | None:
    """`key=value` fields in any order; None for an event of a door, which names no person.

    SenseFace 2A, F22 (captures). `event` is absent on an F22.
    """
    fields = [field.partition(b"=") for field in line.split(b"\t") if field]
    values = {key.lower(): value for key, _, value in fields}
    if len(values) < len(fields):
        raise _Unbelievable(Oddity.TWICE)
    _time(values.get(b"time", b""))
    pin = values.get(b"pin", b"")
    if pin in (b"", b"0"):
        if all(sign for _, sign, _ in fields):
            return None
        raise _Unbelievable(Oddity.NO_ID)
    if b"event" in values and not _grants(values[b"event"]):
        raise _Unbelievable(Oddity.NO_GRANT)
    state = _number(values.get(b"inoutstatus", b""), 1)
    kind = values.get(b"verifytype", b"")
    verify = OTHER_VERIFY if _BITS.fullmatch(kind) else _number(kind, _BYTE)
    punch = _punch(pin, values[b"time"], NO_STATE if state is None else state, verify, 0)
    return punch, _rest(punch, fields)


def _grants(event: bytes) -> bool:
    number = _number(event, _U32)
    return any(number in granted for granted in _GRANTED)


def _rest(punch: Punch, fields: Iterable[tuple[bytes, bytes, bytes]]) -> bytes:
    """Return the fields, as sent, that the punch does not hold as they are."""
    held: Mapping[bytes, bytes] = {
        b"time": str(punch.time).encode(),
        b"pin": punch.user_id.encode(),
        b"inoutstatus": b"%d" % punch.state,
        b"verifytype": b"%d" % punch.verify,
    }
    return b"\t".join(key + sign + value for key, sign, value in fields if held.get(key.lower()) != value)


# --- what is believable ---


def _punch(pin: bytes, time: bytes, state: int | None, verify: int | None, work_code: int) -> Punch:
    """Given an id and a time as sent, and numbers, None where they are none, return the punch.

    Raise `_Unbelievable` where it is none.
    """
    if not _ID.fullmatch(pin) or pin.isspace() or _SECRET.search(pin):
        raise _Unbelievable(Oddity.NO_ID)
    wall = _time(time)
    if state is None:
        raise _Unbelievable(Oddity.NO_STATE)
    if verify is None:
        raise _Unbelievable(Oddity.NO_VERIFY)
    canonical = _MARK + b"%b\t%b\t%d\t%d\t%d" % (pin, time, state, verify, work_code)
    return Punch(pin.decode("ascii"), wall, verify, state, work_code, canonical)


def _time(text: bytes) -> datetime:
    """Given `YYYY-MM-DD HH:MM:SS`, return it; raise `_Unbelievable` where no calendar or clock has it."""
    match = _TIME.fullmatch(text)
    try:
        if match:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second)
    except ValueError:
        pass
    raise _Unbelievable(Oddity.NO_DATE)


def _number(text: bytes, most: int) -> int | None:
    """Given decimal digits, return their number; None where they are no digits, or above `most`."""
    if not text.isdigit() or len(text) > len(str(_U32)):
        return None
    return number if (number := int(text)) <= most else None


def _harmless(text: bytes) -> bytes:
    """Given (a part of) a line, return it without passwords, templates and card numbers.

    Of a user or a template of another table only the kind is left.
    """
    if (kind := _OTHER_TABLE.match(text)) and _SECRET.search(text):
        text = kind[1] + b" *"
    return _LONG.sub(b"*", _SECRET.sub(rb"\1*", text))
