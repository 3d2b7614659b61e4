"""Terminals' time: the packed form, the zone, how far a clock is off. Pure."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.wall_clock import out_of_repeats

if TYPE_CHECKING:
    from datetime import tzinfo

DAY: Final = 86_400
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


def complete_until(asked: datetime, off_by: float | None, zone: tzinfo) -> datetime | None:
    """Given when a device was asked for its clock (aware), return up to when a log read then is complete.

    Whatever the device stamps with an earlier time is in that log. `off_by` is how far it was ahead, in
    seconds; None where it showed no date, and then nobody can tell. A clock that lags stamps the next punch
    with a time gone by, and one that is ahead may be put right a moment later: so both count against it, and
    a second for rounding. So does an hour that its `zone` repeats, of which nobody may know the pass.
    """
    if off_by is None:
        return None
    return out_of_repeats(asked - timedelta(seconds=math.ceil(abs(off_by)) + 1), zone)


def drift(device: datetime, now: datetime, zone: tzinfo) -> timedelta:
    """Given a device's wall clock and the true time (aware), return how far the device is ahead.

    In the hour that the end of summer time repeats, the reading that makes the drift smaller is taken.
    """
    now = now.astimezone(UTC)  # two times of one zone would be subtracted as wall clocks
    readings = (device.replace(tzinfo=zone, fold=fold) - now for fold in (0, 1))
    return min(readings, key=abs)
