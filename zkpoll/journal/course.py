"""How what waits for each dashboard, and what it has confirmed, goes on through the day.

    each half hour      the first that writes after it began notes a point of each dashboard
    after a day         it is forgotten

Unlike the points of a backlog, these stay while a dashboard fails: that is what they show. Between two that
are further apart nothing ran, so nothing changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal

_SPAN: Final = 1800
"""Seconds: where days begin at a quarter of an hour, as in Nepal, a day is told from the point after that."""
_KEPT: Final = timedelta(hours=26)
"""A day, and what a point may be late."""
_LATE: Final = timedelta(minutes=15)
"""How long after a day's begin its first point may be and still stand for that."""


@dataclass(frozen=True, slots=True)
class Point:
    """How it stood with a dashboard at a moment."""

    at: datetime
    """UTC."""
    pending: int
    """Punches that waited."""
    confirmed: int
    """Punches confirmed until then, those that are pruned by now included."""


@dataclass(frozen=True, slots=True)
class Course:
    """How it went on with a dashboard in the last day."""

    points: tuple[Point, ...]
    """The first one first."""
    confirmed: int
    """By now."""

    def confirmed_since(self, begin: datetime) -> tuple[int, datetime] | None:
        """Given when a day began (aware), return how many were confirmed since, and since when in truth.

        That is the moment of the point that is nearest: shortly after the day began, else before that. None
        where none was noted yet.
        """
        soon = [one for one in self.points if begin <= one.at <= begin + _LATE]
        before = [one for one in self.points if one.at < begin]
        first = next(iter((*soon, *before[-1:], *self.points)), None)
        return (max(0, self.confirmed - first.confirmed), first.at) if first else None

    def waited(self, now: datetime, hours: int) -> tuple[int, ...]:
        """Return the most that waited in each of the last hours until now, the first one first."""
        found = []
        for ago in range(hours, 0, -1):
            begin, end = now - timedelta(hours=ago), now - timedelta(hours=ago - 1)
            within = [one.pending for one in self.points if begin <= one.at < end]
            before = [one.pending for one in self.points if one.at < begin]
            found.append(max(*within, *before[-1:], 0, 0))
        return tuple(found)


def courses(journal: Journal) -> dict[str, Course]:
    """Return the course of each dashboard that the journal knows, by name."""
    points: dict[str, list[Point]] = {}
    for name, at, pending, confirmed in journal.all("course"):
        points.setdefault(name, []).append(Point(datetime.fromisoformat(at), pending, confirmed))
    return {
        name: Course(tuple(points.get(name, ())), confirmed)
        for name, confirmed in journal.all("confirmed_ever")
    }


def note_courses(journal: Journal, now: datetime) -> None:
    """Note a point of each dashboard of which this half hour has none. `now` is UTC."""
    since = datetime.fromtimestamp(now.timestamp() // _SPAN * _SPAN, now.tzinfo)
    if not (missing := _without_point(journal, since, now)):
        return
    with journal.transaction():
        rows = [{"destination": number, "now": _text(now)} for number in missing]
        journal.run_many("note_course", rows)
        first, last = _text(now - _KEPT), _text(now + timedelta(minutes=1))
        journal.run("forget_points_of_course", first=first, last=last)


def _without_point(journal: Journal, since: datetime, now: datetime) -> Sequence[int]:
    return [number for (number,) in journal.all("without_point", since=_text(since), now=_text(now))]


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
