"""Terminals' packed time: seconds in a calendar of 31-day months. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from zkpoll.wall_clock import DAY

_EPOCH_YEAR: Final = 2000
_MONTH_SLOTS: Final = 31
_YEAR_SLOTS: Final = 12 * _MONTH_SLOTS


class _Calendar(dict[int, datetime | None]):
    """Day slot (packed time // 86400) -> its midnight, or None if the calendar lacks that day.

    Every month has 31 slots, so 31 February can be written; it is not a date. Source: the 2006 vendor
    manual, and captures from four devices. Dividing days by 365, as one published formula does, gives
    wrong years. Filled as days occur; a u32 has 49,711 of them.
    """

    def __missing__(self, slot: int) -> datetime | None:
        year, rest = divmod(slot, _YEAR_SLOTS)
        month, day = divmod(rest, _MONTH_SLOTS)
        try:
            self[slot] = found = datetime(_EPOCH_YEAR + year, month + 1, day + 1)
        except ValueError:
            self[slot] = found = None
        return found


CALENDAR: Final = _Calendar()


def unpack(packed: int) -> datetime | None:
    """Given a packed time (u32), return the wall clock time, or None if there is no such date."""
    slot, second = divmod(packed, DAY)
    midnight = CALENDAR[slot]
    return midnight and midnight + timedelta(seconds=second)


def pack(time: datetime) -> int:
    """Given a wall clock time from the year 2000 on, return its packed form (u32)."""
    slot = (time.year - _EPOCH_YEAR) * _YEAR_SLOTS + (time.month - 1) * _MONTH_SLOTS + time.day - 1
    return slot * DAY + time.hour * 3600 + time.minute * 60 + time.second
