"""8-byte records in their short form, made as wide as the others, and back. Pure.

    long    8 bytes   u16 slot, u8 flags, u8 0, u32 time
    short   4 bytes   u16 slot, u8 flags, u8       bit 2 of the flags is set; their low two bits and the byte
                                                   behind them are seconds since the last long record

A short record says when only together with a long one in front of it. So each is given the time that it has,
as a u32 behind its four bytes: all records of a log are 8 bytes wide then, and each can be told by its bytes
alone, for good. Bit 2 keeps the two forms apart.

Source: the vendor's manual of 2006, pp. 16-17, its bits counted from the top; no bytes of the short form were
ever published.
"""

from __future__ import annotations

from datetime import timedelta
from struct import Struct
from typing import TYPE_CHECKING, Final

from zkpoll.errors import UnknownLayout
from zkpoll.model.packed_time import pack, unpack
from zkpoll.wall_clock import DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHORT: Final = 4
"""The bit of the flags that a short record has; and its bytes."""
_WIDE: Final = 8
_LONG_FLAGS: Final = bytes(flags for flags in range(256) if not flags & SHORT)
_NEVER_WRITTEN: Final = b"\xff" * _WIDE
"""A long record's place in memory that is empty: one bad record, and no two short ones of nobody."""
_TIME: Final = Struct("<4xI")
_U32: Final = 1 << 32


def any_short(records: bytes) -> bool:
    """Say whether one of these records, each 8 bytes wide, is a short one."""
    if not records[2::_WIDE].translate(None, _LONG_FLAGS):  # as in most logs
        return False
    return any(is_short(records[at : at + _WIDE]) for at in range(0, len(records), _WIDE))


def is_short(record: bytes) -> bool:
    """Say whether a record is a short one, by its own bytes and the four that follow them."""
    return bool(record[2] & SHORT) and record != _NEVER_WRITTEN


def widened(runs: Iterable[bytes]) -> Iterator[bytes]:
    """Given the bytes of a log from a long record on, yield its records, each 8 bytes wide.

    Raise `UnknownLayout` when they begin with a short record, or end inside one.
    """
    held, long = b"", None
    for run in runs:
        held += run
        records, at = [], len(held) // _WIDE * _WIDE
        if any_short(held[:at]) or held[at - _WIDE : at] == _NEVER_WRITTEN:
            at = 0
        elif at:  # as most logs have no others
            records, long = [held[:at]], _TIME.unpack_from(held, at - _WIDE)[0]
        while at + SHORT <= len(held):
            record = held[at : at + _WIDE]
            width = _WIDE if _NEVER_WRITTEN.startswith(record) or not is_short(record) else SHORT
            if len(record) < width:
                break
            record = record[:width]
            if width == _WIDE:
                long = _TIME.unpack(record)[0] if record != _NEVER_WRITTEN else long
            elif long is None:
                raise UnknownLayout("the log begins with a short record, which does not say when", held)
            else:
                seconds = (record[2] & 3) << 8 | record[3]
                record += _after(long, seconds).to_bytes(4, "little")
            records.append(record)
            at += width
        held = held[at:]
        yield b"".join(records)
    if held:
        raise UnknownLayout("the log ends inside a record: no known layout", held)


def _after(long: int, seconds: int) -> int:
    """Return the packed time that is so many seconds after another one.

    Packed months have 31 days each, so a shorter one is left by the calendar. Behind the last second that a
    u32 tells comes 0.
    """
    later = (long + seconds) % _U32
    began = unpack(long)
    if began is None or later // DAY == long // DAY:
        return later
    return pack(began + timedelta(seconds=seconds)) % _U32


def as_sent(records: bytes) -> bytes:
    """Given records that are 8 bytes wide each, return them as they stood in the log."""
    if not any_short(records):
        return records
    each = (records[at : at + _WIDE] for at in range(0, len(records), _WIDE))
    return b"".join(record[:SHORT] if is_short(record) else record for record in each)
