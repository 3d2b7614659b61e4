"""Records packed by hand from the published offsets, and logs of them as terminals keep them.

Nothing here comes from the code under test: field order, packed time and constants stand as the published
descriptions give them, so that one mistake cannot pass on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from struct import pack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

MONDAY = datetime(2026, 11, 23, 8, 30)
EPOCH = datetime(2000, 1, 1)


def packed(moment: datetime) -> int:
    """Return `moment` as terminals pack it: months of 31 days, years of 12 months."""
    days = ((moment.year - 2000) * 12 + moment.month - 1) * 31 + moment.day - 1
    return ((days * 24 + moment.hour) * 60 + moment.minute) * 60 + moment.second


def packed_date(year: int, month: int, day: int) -> int:
    """Return midnight of a date as terminals pack it, whether the calendar has it or not."""
    return ((year - 2000) * 12 * 31 + (month - 1) * 31 + day - 1) * 86_400


@dataclass(frozen=True)
class Made:
    """What a record is to say; each layout takes what it has room for."""

    user: str = "1001"
    time: int = packed(MONDAY)
    number: int = 1
    verify: int = 1
    state: int = 0
    work_code: int = 0
    flags: int = 0x08
    slot: int = 7


def record_8(made: Made) -> bytes:
    """Return u16 slot, u8 flags, u8 0, u32 time."""
    return pack("<HBBI", made.slot, made.flags, 0, made.time)


def record_16(made: Made) -> bytes:
    """Return u32 id, u32 time, u8 state, u8 verify, 2 reserved, u32 work code."""
    return pack("<IIBBHI", int(made.user), made.time, made.state, made.verify, 0, made.work_code)


def record_22(made: Made) -> bytes:
    """Return u16 uid, 6 ASCII id, 4 zero, u8 1, u32 time, u8 state, 4 zero."""
    return pack("<H6sIBIBI", made.slot, made.user.encode(), 0, 1, made.time, made.state, 0)


def record_40(made: Made, tail: bytes = b"") -> bytes:
    """Return u16 number, 24 ASCII id, u8 verify, u32 time, u8 state, u32 work code, 4 others."""
    head = pack("<H24sBIB", made.number & 0xFFFF, made.user.encode(), made.verify, made.time, made.state)
    return head + pack("<I4s", made.work_code, tail)


def record_49(made: Made, text: bytes = b"255", mask: int = 0xFF) -> bytes:
    """Return a 40-byte record, u8 mask, 8 ASCII temperature."""
    return record_40(made) + bytes([mask]) + text.ljust(8, b"\0")


def record_4(slot: int, flags: int, seconds: int) -> bytes:
    """Return u16 slot, u8 flags with the bit of a short record and two of its seconds, u8 the others."""
    return pack("<HBB", slot, flags | 0x04 | seconds >> 8, seconds & 0xFF)


RECORDS: dict[int, Callable[[Made], bytes]] = {
    8: record_8,
    16: record_16,
    22: record_22,
    40: record_40,
    49: record_49,
}


@dataclass(frozen=True)
class Site:
    """What is the same in all records of one terminal, and how its people punch."""

    users: tuple[str, ...]
    start: datetime = MONDAY
    verify: tuple[int, ...] = (1,)
    states: tuple[int, ...] = (0, 1)
    work_codes: tuple[int, ...] = (0,)
    flags: tuple[int, ...] = (0x08,)
    gap: int = 4000
    """Most seconds between two punches."""


def log(width: int, count: int, site: Site, chance: random.Random) -> list[bytes]:
    """Return `count` records as a terminal of `site` would have appended them."""
    moment = site.start
    made = []
    for number in range(1, count + 1):
        moment += timedelta(seconds=chance.randint(0, site.gap))
        slot = chance.randrange(len(site.users))
        made.append(
            RECORDS[width](
                Made(
                    user=site.users[slot],
                    time=packed(moment),
                    number=number,
                    verify=chance.choice(site.verify),
                    state=chance.choice(site.states),
                    work_code=chance.choice(site.work_codes),
                    flags=chance.choice(site.flags),
                    slot=slot + 1,
                )
            )
        )
    return made


def damage(width: int, record: bytes) -> bytes:
    """Return `record` with 30 February as its date, as single bad records in real logs have."""
    at = {8: 4, 16: 4, 22: 13, 40: 27, 49: 27}[width]
    year = 2000 + int.from_bytes(record[at : at + 4], "little") // (12 * 31 * 86_400)
    return record[:at] + packed_date(year, 2, 30).to_bytes(4, "little") + record[at + 4 :]
