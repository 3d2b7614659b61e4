"""How many punches each day brought, day by day. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from statistics import median
from typing import TYPE_CHECKING, Final

from zkpoll.model.fullness import WINDOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

DAYS: Final = WINDOW.days
"""Days before today that have a bar."""
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Bars:
    """Numbers in a row, the oldest first; the last one is of the day, or hour, that is not over."""

    counts: tuple[int, ...]

    @property
    def last(self) -> int:
        """The number of today, or of this hour."""
        return self.counts[-1]

    @property
    def most(self) -> int:
        """The largest number."""
        return max(self.counts)

    @property
    def on_this_weekday(self) -> float:
        """The median of the days that were the same day of the week as today."""
        return median(self.counts[-1 - _WEEK :: -_WEEK])

    @property
    def on_a_day(self) -> float:
        """The median of all days before today that brought any; 0 where none did."""
        return median([count for count in self.counts[:-1] if count] or [0])


def by_day(counts: Mapping[date, int], today: date) -> Bars:
    """Given how many punches each day brought, return those of the last days and today."""
    return Bars(tuple([counts.get(day, 0) for day in _days_until(today)]))


@cache
def _days_until(today: date) -> tuple[date, ...]:
    return tuple(today - timedelta(days=ago) for ago in range(DAYS, -1, -1))


def together(several: Iterable[Bars]) -> Bars:
    """Return the sums of bars of the same days."""
    rows = [one.counts for one in several]
    return Bars(tuple(map(sum, zip(*rows, strict=True)))) if rows else Bars((0,) * (DAYS + 1))
