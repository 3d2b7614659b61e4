"""The meaning of terminals' wall clock times in their zone, and of the times that we wrote down. Pure.

A terminal writes down the time on its clock: no zone, no word on daylight saving. When that ends, the clock
shows the same hour twice, and only the order of the log tells the two apart. This host's own clock may have
been wrong as well when it stamped something: what is compared with now goes through `age` and `is_ahead`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, tzinfo

DAY: Final = 86_400
"""Seconds."""
_YEAR: Final = 365.25 * DAY
_SECOND: Final = timedelta(seconds=1)
WALL: Final = len("2000-01-01T00:00:00")
"""Characters of a timestamp in front of its offset."""
_LAST_OF_DAY: Final = timedelta(days=1, microseconds=-1)

CORRECTION: Final = timedelta(seconds=10)
"""A step back of this or less is no repeat. Terminals' clocks gain or lose some seconds a day, and what
corrects them daily, or two readers that share a log, puts records that far out of order. In a true repeat,
so small a step takes two records that are all but the whole span apart."""
REAL_YEAR: Final = 2010
"""Terminals whose clock lost its power restart at 2000-01-01."""
RELEASED: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No host's clock is right before this."""
TOO_FAR: Final = 3600.0
"""Seconds. A clock that is off by an hour or more has the wrong zone or daylight saving, and is not slow."""
_SMALL: Final = 120.0
"""Seconds that are told as such; no terminal's clock is off by more that is looked after."""
_MANY_DAYS: Final = 10
"""Days of which nobody counts the hours."""
_QUARTER: Final = 900
"""Seconds by which the offsets of zones differ, or a multiple of them."""
_ZONES_APART: Final = 26 * 4
"""Quarters of an hour between the zones that are furthest apart, UTC-12 and UTC+14."""
_STEPPED: Final = timedelta(minutes=1)
"""What NTP puts a running host's clock back by is less."""


def age(then: datetime, now: datetime) -> timedelta:
    """Given a time that this host wrote down and now (aware), return how long ago that was; never below 0.

    A time ahead of now counts as just now: this host's clock was wrong then, or is.
    """
    return max(now - then, timedelta(0))


def is_ahead(then: datetime, now: datetime) -> bool:
    """Given a time that this host wrote down and now (aware), say whether it lies ahead: a clock is wrong."""
    return then - now > _STEPPED


def unfold(times: Sequence[datetime], zone: tzinfo, last: datetime | None) -> list[datetime]:
    """Given wall clock times in the log's order, return them with `fold` set where the zone repeats them.

    `last` is the time just before the first, as this function returned it, or None if there is none. Only the
    time before counts for each, so a log may be cut into slices and visits anywhere. Within a repeated span,
    times are of the first pass until one steps back by more than `CORRECTION`; those that follow within the
    span are of the second. So is a time that steps back into the span from just after it (by no more than
    its length): its clock had passed the end already. A span that is entered any other way, from a clock
    that was years ahead or restarted at 2000-01-01 too, begins with the first pass. All other times are
    returned as they are.
    """
    unfolded = list(times)
    for index, change in enumerate(map(_changes(zone).__getitem__, map(datetime.date, times))):
        if change is not None and change.repeats and unfolded[index] in change:
            before = unfolded[index - 1] if index else last
            unfolded[index] = unfolded[index].replace(fold=change.pass_of(unfolded[index], before))
    return unfolded


def offset(time: datetime, zone: tzinfo) -> str:
    """Given a wall clock time (its `fold` counts), return its zone's offset from UTC then: `+06:00`."""
    all_day = _offsets(zone)[time.date()]
    return time.replace(tzinfo=zone).isoformat()[WALL:] if all_day is None else all_day


def in_gap(time: datetime, zone: tzinfo) -> bool:
    """Given a wall clock time, say whether the zone skips it, as where daylight saving begins."""
    change = _changes(zone)[time.date()]
    return change is not None and not change.repeats and time in change


def out_of_repeats(moment: datetime, zone: tzinfo) -> datetime:
    """Given a moment (aware), return it; in an hour that the zone's wall clock shows twice, one from before.

    A caller that goes on from a wall clock's time must not be given one from such an hour: in its first pass
    the same times are still to come, and a punch in it may be of either pass.
    """
    wall = moment.astimezone(zone).replace(tzinfo=None)
    first, second = (wall.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    twice = (first or timedelta()) - (second or timedelta())
    return moment - 2 * max(twice, timedelta())


def complete_until(asked: datetime, off_by: float | None, zone: tzinfo) -> datetime | None:
    """Given when a device was asked for its clock (aware), return up to when a log read then is complete.

    Every record that the device stamps with an earlier time is in that log. `off_by` is how far it was ahead,
    in seconds. None, for no date on its clock, gives None. A clock that lags stamps the next punch
    with a time gone by, and one that is ahead may be put right a moment later: so both count against it, and
    a second for rounding. So does an hour that its `zone` repeats, as its pass may be unknown.
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


def drift_in_words(seconds: float) -> str:
    """Return by how much a clock is ahead, for a table: `+3 s`, `-90 s`; from two minutes on in words."""
    return f"{round(seconds):+d} s" if abs(seconds) < _SMALL else off_in_words(seconds)


def off_in_words(seconds: float) -> str:
    """Given by how much a clock is ahead, return it in words: `59 min ahead`, `2 days 3 h behind`."""
    return f"{in_words(round(abs(seconds)))} {'ahead' if seconds > 0 else 'behind'}"


def in_words(seconds: float) -> str:
    """Return a time span as people say it: `30 s`, `2 h 5 min`, `2 days 3 h`, `40 days`, `26 years`."""
    if seconds < _SMALL:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours < 24:  # of a day
        return _two((hours, "h"), (minutes, "min"))
    days, hours = divmod(round(seconds / 3600), 24)
    if days < _MANY_DAYS:
        return _two((days, "day" if days == 1 else "days"), (hours, "h"))
    if seconds < _YEAR:
        return f"{seconds / DAY:.0f} days"
    years = round(seconds / _YEAR)
    return f"{years} years" if years > 1 else "1 year"


def _two(*parts: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def is_off(seconds: float | None, limit: float | None) -> bool:
    """Say whether a clock that is so many seconds ahead is off by the `limit` or more; None: never."""
    return seconds is not None and limit is not None and abs(seconds) >= limit


def may_be_the_zone(seconds: float, limit: float) -> bool:
    """Say whether a clock that is so many seconds ahead is off as a wrong zone, or daylight saving, has it.

    That is by quarters of an hour, two at least and up to what zones are apart, and by no more besides than a
    clock may be off: `limit` seconds, and no more than is little beside a quarter.
    """
    quarters = round(abs(seconds) / _QUARTER)
    besides = abs(abs(seconds) - quarters * _QUARTER)
    return 2 <= quarters <= _ZONES_APART and besides <= min(limit, _SMALL)


def clock_fault(seconds: float, limit: float | None, zone: str) -> str:
    """Given by how much a device's clock is ahead, say so, and what to do: what follows on `its clock is`.

    `limit` is what it may be off by, `zone` the name of its time zone in the inventory.
    """
    off = off_in_words(seconds)
    if may_be_the_zone(seconds, _SMALL if limit is None else limit):
        return f"{off}, and so are its punches: is timezone: {zone} right? If it is, put the clock right"
    return f"{off}, and so are its punches; put it right"


def clock_suspect(time: datetime, zone: tzinfo, drift: float | None, latest: datetime | None = None) -> bool:
    """Given a record's wall clock time and how far its device's clock is ahead, say whether to doubt it.

    `drift` is in seconds; None, where it is not known, is no reason for doubt. `latest` is a wall clock time
    after which nobody can have punched yet, where no drift tells it.
    """
    return (
        time.year < REAL_YEAR
        or (drift is not None and abs(drift) > DAY)
        or (latest is not None and time > latest)
        or in_gap(time, zone)
    )


class Stamps(dict["date", "tuple[str, bool] | None"]):
    """What all times of a date share: their offset, and whether to doubt them. Filled as dates occur.

    None for a date of which each time has to be asked: where the offset changes, or the times that nobody
    can have punched yet begin. `drift` and `latest` are those of `clock_suspect`.
    """

    def __init__(self, zone: tzinfo, drift: float | None = None, latest: datetime | None = None) -> None:
        super().__init__()
        self._zone = zone
        self._drift = drift
        self._latest = latest

    def __missing__(self, day: date) -> tuple[str, bool] | None:
        one = _changes(self._zone)[day] is None and (self._latest is None or self._latest.date() != day)
        self[day] = found = self._asked(datetime(day.year, day.month, day.day, 12)) if one else None
        return found

    def of(self, time: datetime) -> tuple[str, bool]:
        """Given a wall clock time (its `fold` counts), return its offset as text, and whether to doubt it."""
        return self[time.date()] or self._asked(time)

    def _asked(self, time: datetime) -> tuple[str, bool]:
        return offset(time, self._zone), clock_suspect(time, self._zone, self._drift, self._latest)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a zone's offset: the wall clock times that it repeats or skips."""

    begin: datetime
    end: datetime
    """The first time after them."""
    repeats: bool

    def __contains__(self, time: datetime) -> bool:
        return self.begin <= time < self.end

    def pass_of(self, time: datetime, before: datetime | None) -> int:
        """Given a time that is repeated and the one before it in the log, return its `fold`."""
        if before is None:
            return 0
        if before in self:
            return 1 if before.fold or before - time > CORRECTION else 0
        return 1 if self.end <= before < self.end + (self.end - self.begin) else 0


class _Changes(dict["date", "_Change | None"]):
    """Date -> the change whose times touch it, or None. Filled as dates occur.

    A date has one change at most, which holds for every zone since standard time. A change at midnight
    repeats or skips times of the day before, or of both days.
    """

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, day: date) -> _Change | None:
        first = datetime(day.year, day.month, day.day)
        last = first + _LAST_OF_DAY
        # A repeated or skipped time has two offsets: fold 0 gives that before the change, fold 1 that after.
        before, after = self._offset(first, 0), self._offset(last, 1)
        self[day] = found = None if before == after else self._change(first, last, before, after)
        return found

    def _change(self, first: datetime, last: datetime, before: timedelta, after: timedelta) -> _Change:
        """Given a day's first and last time and the offsets before and after, return the change."""
        low = first - max(before, after)  # UTC, as is `moment`
        seconds = range((last - min(before, after) - low) // _SECOND + 1)
        moment = low + _SECOND * bisect_left(
            seconds, True, key=lambda s: self._in_force(low + s * _SECOND, after)
        )
        begin, end = sorted((moment + before, moment + after))
        return _Change(begin, end, repeats=after < before)

    def _in_force(self, utc: datetime, offset: timedelta) -> bool:
        return self._zone.fromutc(utc.replace(tzinfo=self._zone)).utcoffset() == offset

    def _offset(self, wall: datetime, fold: int) -> timedelta:
        return wall.replace(tzinfo=self._zone, fold=fold).utcoffset() or timedelta()


@cache
def _changes(zone: tzinfo) -> _Changes:
    return _Changes(zone)


class _Offsets(dict["date", "str | None"]):
    """Date -> the offset that holds all day, as text, or None where it changes. Filled as dates occur."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__()
        self._zone = zone

    def __missing__(self, day: date) -> str | None:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=self._zone)
        self[day] = found = None if _changes(self._zone)[day] else noon.isoformat()[WALL:]
        return found


@cache
def _offsets(zone: tzinfo) -> _Offsets:
    return _Offsets(zone)
