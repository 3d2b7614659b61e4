"""The part of a log that a visit reads. Pure.

A log is appended to until it is cleared, wrapped or rewritten. The watermark has the number of its
records in the journal, and the last of them. If those are still in their place, everything before them need
not be read again, except once a day as a reconciliation.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll import wall_clock

if TYPE_CHECKING:
    from datetime import tzinfo

    from zkpoll.model.log import Watermark

QuietHours = tuple[time, time]
"""From when to when, by the device's wall clock; may span midnight."""

RECONCILE: Final = timedelta(days=1)
_WITHIN_QUIET_HOURS: Final = timedelta(hours=20)
"""Less than a day, or a run that is a minute earlier than yesterday's would wait for tomorrow's."""
_OUTSIDE_QUIET_HOURS: Final = timedelta(days=2)
"""Where no run ever falls into the quiet hours, a reconciliation at a bad time beats none."""


def resume(watermark: Watermark | None, width: int, total: int) -> int | None:
    """Given the watermark of a log that now has `total` bytes of records, return the record to go on from.

    That is the first of the watermark's last records, to be read again as the proof. None when all must be
    read: the log is new, shorter than it was, or of another layout.
    """
    if watermark is None or not watermark.tail or watermark.layout != width or total % width:
        return None
    if total // width < watermark.count:
        return None
    return watermark.count - len(watermark.tail)


def nothing_new(watermark: Watermark | None, counted: int) -> bool:
    """Say whether a log that is laid out empty has nothing new: the device counts what was known before.

    Some firmware hands out each record once.
    """
    return watermark is not None and watermark.all_read and 0 < watermark.count == counted


def reconciliation_due(last: datetime | None, now: datetime, quiet: QuietHours | None, zone: tzinfo) -> bool:
    """Given when a log was last read whole, say whether to read it whole again.

    Once a day, within the quiet hours if there are any. A log that was never read to its end has no need.
    """
    if last is None:
        return False
    if last > now:  # this host's clock was wrong then
        return True
    age = wall_clock.age(last, now)
    if quiet is None:
        return age >= RECONCILE
    if within(quiet, now.astimezone(zone).time()):
        return age >= _WITHIN_QUIET_HOURS
    return age >= _OUTSIDE_QUIET_HOURS


def within(hours: QuietHours, moment: time) -> bool:
    """Say whether a time of day lies within `hours`."""
    begin, end = hours
    if begin <= end:
        return begin <= moment < end
    return moment >= begin or moment < end
