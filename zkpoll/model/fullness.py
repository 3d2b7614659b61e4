"""How full a terminal's log is, when it will be full, and from when on a person is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

FULL: Final = "full"
NEARLY_FULL: Final = "nearly full"
"""Kinds of trouble."""
WINDOW: Final = timedelta(days=28)
"""Four whole weeks, so that weekends count for what they are."""
_KNOWN: Final = 3
"""Days; of fewer a rate says nothing."""
_SOON: Final = 14
"""Days in which a log is cleared at the latest, where somebody has to go there."""
_ALL_BUT_FULL: Final = 98
"""Percent at which a log that is to be cleared by itself should have been."""
_CLEARING_TAKES: Final = 5
"""Percent that come in while a clearing that is due waits for its hours, and some."""
_AHEAD: Final = 36_500
"""Days; what is full in a hundred years is not full at this rate."""


@dataclass(frozen=True, slots=True)
class WarnAt:
    """From when on a person is told of a device's log and clock, by the inventory."""

    full: int | None = 90
    """Percent; None for never."""
    clear_above: int | None = None
    """Percent above which its log is cleared by itself; None for never."""
    clock: float | None = 120.0
    """Seconds that its clock may be off; None for any."""

    @property
    def percent(self) -> int | None:
        """From how many percent on its log is nearly full.

        Where it is to be cleared by itself, that is given the time to happen.
        """
        if self.full is None or self.clear_above is None:
            return self.full
        if not self.clear_above:
            return max(self.full, _ALL_BUT_FULL)
        return max(self.full, min(_ALL_BUT_FULL, self.clear_above + _CLEARING_TAKES))


@dataclass(frozen=True, slots=True)
class Fullness:
    """How full a device's log is; it tells its capacity."""

    records: int
    capacity: int
    on: date
    """The day on which its records were counted (UTC)."""
    per_day: float | None = None
    """New punches a day; None where that is not known."""

    @property
    def is_half_full(self) -> bool:
        """Whether it is half full: how fast it fills is nobody's concern before.

        A log that holds two weeks of punches, or less, is never further from being full.
        """
        return 2 * self.records >= self.capacity

    @property
    def is_full(self) -> bool:
        """Whether there is no room left."""
        return self.records >= self.capacity

    @property
    def days_left(self) -> float | None:
        """Days until it is full at this rate; None where that is not in sight."""
        free = max(0, self.capacity - self.records)
        if not free:
            return 0.0
        days = free / self.per_day if self.per_day else _AHEAD
        return days if days < _AHEAD else None

    @property
    def full_on(self) -> date | None:
        """The day on which it is full at this rate; None where that is not in sight."""
        return None if self.days_left is None else self.on + timedelta(days=self.days_left)

    def is_nearly(self, at: WarnAt) -> bool:
        """Say whether it is so full that a person is to be told, or full."""
        if at.percent is None:
            return False
        if self.capacity - self.records <= 1 or self.records * 100 >= at.percent * self.capacity:
            return True
        # One that is cleared by itself is cleared before that day.
        soon = self.days_left is not None and self.days_left <= _SOON
        return soon and self.is_half_full and at.clear_above is None

    @property
    def words(self) -> str:
        """How full it is, and when it will be full: `95 % full (95,000 of 100,000 records), full on ...`."""
        share = min(100, self.records * 100 // self.capacity)
        text = f"{share} % full ({self.records:,} of {self.capacity:,} records)"
        return text if self.is_full else f"{text}{self.when}"

    @property
    def when(self) -> str:
        """When it will be full, to be said after something else; nothing where that is not in sight."""
        if self.full_on is None or not self.per_day:
            return ""
        pace = f"{round(self.per_day):,}" if self.per_day >= 1 else "less than 1"
        return f", full on about {self.full_on} at {pace} a day"


def fullness(records: int | None, capacity: int | None, on: date, per_day: float | None) -> Fullness | None:
    """Return how full a log is, or None of a device that does not tell its capacity."""
    return None if records is None or not capacity else Fullness(records, capacity, on, per_day)


def pace(punches: Mapping[date, int], met: date, last: date) -> float | None:
    """Given a device's punches by the day they were stamped with, return how many a day brings, or None.

    `met` is the day of first contact, `last` that of the last reading, which is not over and does not count.
    The days are those of the `WINDOW` before it that are known: since the first punch, as a log tells of days
    before anybody read it, or since first contact.
    """
    first = max(last - WINDOW, min([met, *(day for day in punches if day < last)]))
    days = (last - first).days
    if days < _KNOWN:
        return None
    return sum(count for day, count in punches.items() if first <= day < last) / days
