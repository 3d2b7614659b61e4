"""The course of a dashboard's day: a point each half hour, also while it fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.journal.helpers import confirm, pending, piece, punch, visit
from zkpoll.journal.course import Course, Point, courses, note_courses
from zkpoll.journal.outbox import JournalOutbox

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

NOW = datetime(2026, 11, 22, 3, 10, tzinfo=UTC)
HALF = timedelta(minutes=30)


def test_points(journal: Journal) -> None:
    """Each half hour has one point of each dashboard; after a day it is forgotten."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1", 1), punch("2", 2), punch("3", 3)))
    confirm(outbox, pending(outbox, 1))
    for minutes in (0, 5, 19, 20, 45):
        note_courses(journal, NOW + timedelta(minutes=minutes))
    times = [NOW, NOW + timedelta(minutes=20)]
    assert courses(journal)["main"] == Course(tuple(Point(at, 2, 1) for at in times), 1)
    later = NOW + timedelta(hours=27)
    note_courses(journal, later)
    assert [one.at for one in courses(journal)["main"].points] == [later]


def test_a_wrong_clock(journal: Journal) -> None:
    """A point of a time to come is forgotten by the next one, and keeps none away."""
    JournalOutbox(journal, "main")
    note_courses(journal, NOW + timedelta(days=400))
    note_courses(journal, NOW)
    assert [one.at for one in courses(journal)["main"].points] == [NOW]


def test_confirmed_since() -> None:
    """Counted from the first point after midnight; where none is soon after it, from the one before."""
    day = datetime(2026, 11, 22, tzinfo=UTC)
    soon, late = Point(day + timedelta(minutes=4), 0, 100), Point(day + timedelta(hours=8), 0, 130)
    before = Point(day - timedelta(hours=6), 0, 90)
    assert Course((before, soon, late), 150).confirmed_since(day) == (50, soon.at)
    assert Course((before, late), 150).confirmed_since(day) == (60, before.at)
    assert Course((late,), 150).confirmed_since(day) == (20, late.at)
    assert Course((), 150).confirmed_since(day) is None


def test_waited() -> None:
    """The most of each hour; an hour without a point has what the one before ended with."""
    points = tuple(
        Point(NOW - timedelta(minutes=ago), waited, 0) for ago, waited in ((170, 7), (130, 3), (50, 1))
    )
    assert Course(points, 0).waited(NOW, 4) == (0, 7, 3, 3)


def test_pruned(journal: Journal) -> None:
    """What is pruned stays counted as confirmed, as it was."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1", 1), punch("2", 2)))
    confirm(outbox, pending(outbox))
    assert courses(journal)["main"].confirmed == 2
    with journal.transaction():
        journal.run_over("count_removed", [1])
    assert courses(journal)["main"].confirmed == 2
