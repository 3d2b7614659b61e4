"""Moments as the page writes them: by the wall clock of one zone, and how long ago. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.reports.words import span
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""Whatever language the host speaks."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments in words, at a moment."""

    now: datetime
    """UTC."""
    zone: ZoneInfo

    def wall(self, moment: datetime | str) -> datetime:
        """Given a moment (aware, or ISO 8601), return it by the zone's wall clock."""
        read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return read.astimezone(self.zone)

    def short(self, moment: datetime | str) -> str:
        """Return a moment: `08:11` of today, `26 Nov 07:55`, and with its year where that is another one."""
        then, now = self.wall(moment), self.now.astimezone(self.zone)
        if then.date() == now.date():
            return f"{then:%H:%M}"
        return f"{self.day(then.date())} {then:%H:%M}"

    def long(self, moment: datetime | str) -> str:
        """Return a moment with its year: `29 Nov 2026, 08:42`."""
        then = self.wall(moment)
        return f"{then.day} {_MONTHS[then.month - 1]} {then.year}, {then:%H:%M}"

    def day(self, day: date) -> str:
        """Return a day: `26 Nov`, and with its year where that is not this one."""
        text = f"{day.day} {_MONTHS[day.month - 1]}"
        return text if day.year == self.now.astimezone(self.zone).year else f"{text} {day.year}"

    def ago(self, moment: datetime | str) -> str:
        """Return how long ago a moment was: `3 min ago`; one that has not come yet as it is."""
        then = self.wall(moment).astimezone(UTC)
        if is_ahead(then, self.now):
            return f"{self.short(then)}, AHEAD"
        return f"{span(age(then, self.now))} ago"

    def iso(self, moment: datetime | str) -> str:
        """Return a moment as machines read it."""
        return f"{self.wall(moment).astimezone(UTC):%Y-%m-%dT%H:%MZ}"
