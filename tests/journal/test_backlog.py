"""What waits for a dashboard, against what waited the day before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import connection, piece, punch, visit
from zkpoll.journal.backlog import backlogs, grown, note_backlogs
from zkpoll.journal.decisions import Decisions, Span
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Backlog

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
OLD = NOW - 30 * HOUR
"""Since when the oldest waits."""


def point(hours: float, waited: int) -> tuple[datetime, int]:
    """Return how many waited so many hours ago."""
    return NOW - hours * HOUR, waited


@pytest.mark.parametrize(
    ("points", "found"),
    [
        ([point(24, 9300)], Backlog(12_400, 3100)),
        ([point(24, 9300), point(21, 9400), point(19, 400), point(1, 12_300)], Backlog(12_400, 3000)),
        ([point(24, 13_000)], Backlog(12_400, -600)),
        ([point(70, 400)], Backlog(12_400, 12_000, 3)),
        ([], Backlog(12_400)),
        ([point(19, 400)], Backlog(12_400)),
        ([point(-24, 400)], Backlog(12_400)),
        ([point(26 * 365 * 24, 400)], Backlog(12_400)),
    ],
    ids=["a day", "the newest of those", "fewer", "days", "none", "too new", "from a time to come", "ages"],
)
def test_how_it_has_grown(points: list[tuple[datetime, int]], found: Backlog) -> None:
    """It is compared with the newest moment that is a day ago or longer; a wrong clock's do not count."""
    assert grown(12_400, OLD, points, NOW) == found
    assert grown(12_400, OLD, points[::-1], NOW) == found


@pytest.mark.parametrize("oldest", [None, NOW, NOW - 23 * HOUR, NOW + HOUR])
def test_a_young_one_is_none(oldest: datetime | None) -> None:
    """What waits for less than a day, or nobody knows since when, has not grown."""
    assert grown(12_400, oldest, [point(24, 0)], NOW) == Backlog(12_400, 0)


def test_a_few_are_none() -> None:
    """The difference of two days is no backlog that grows."""
    assert grown(19, OLD, [point(24, 0)], NOW) == Backlog(19, 0)
    assert not grown(119, OLD, [point(24, 100)], NOW).grows
    assert grown(120, OLD, [point(24, 100)], NOW).grows


def test_the_words() -> None:
    """How many, how many more, and since when."""
    assert Backlog(12_400, 3100).growth == "12,400 punches wait, 3,100 more than yesterday"
    assert Backlog(12_400, 3100, 3).growth == "12,400 punches wait, 3,100 more than 3 days ago"


def waiting(journal: Journal, people: int) -> None:
    """Let so many punches wait for a dashboard, the oldest since more than a day."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(*(punch(str(user)) for user in range(people))))
    connection(journal).execute("UPDATE outbox SET changed_at = ?", [OLD.isoformat()])


def noted(journal: Journal) -> list[int]:
    """Return how many waited at each moment that is written down, the first ones first."""
    return [waited for _, waited in sorted((at, waited) for _, at, waited in journal.all("backlog_points"))]


def test_once_an_hour(journal: Journal) -> None:
    """What waits is written down once an hour, and for eight days; then it is compared with."""
    waiting(journal, 30)
    note_backlogs(journal, NOW - 21 * HOUR, set())
    note_backlogs(journal, NOW - 20.5 * HOUR, set())
    assert noted(journal) == [30]
    visit(journal).take(piece(*(punch(str(user)) for user in range(30, 60))))
    note_backlogs(journal, NOW, set())
    assert noted(journal) == [30, 60]
    assert backlogs(journal, NOW) == {"main": Backlog(60, 30)}
    note_backlogs(journal, NOW + timedelta(days=20), set())
    assert noted(journal) == [60]


def test_a_clock_that_jumps(journal: Journal) -> None:
    """What a clock that was years ahead has stamped is forgotten, and no reason to write nothing down."""
    waiting(journal, 30)
    note_backlogs(journal, NOW + timedelta(days=900), set())
    note_backlogs(journal, NOW, set())
    assert noted(journal) == [30]
    assert backlogs(journal, NOW) == {"main": Backlog(30)}


def test_a_failure_forgets(journal: Journal) -> None:
    """What gathers while a dashboard fails is no sign of its pace: all begins anew when it is back."""
    waiting(journal, 30)
    JournalOutbox(journal, "spare")
    note_backlogs(journal, NOW - 24 * HOUR, set())
    note_backlogs(journal, NOW, {"main"})
    assert backlogs(journal, NOW) == {"main": Backlog(30), "spare": Backlog(0, 0)}


def test_a_backfill_forgets(journal: Journal) -> None:
    """Years that a person has put into the outbox are no backlog that grows."""
    waiting(journal, 30)
    JournalOutbox(journal, "spare")
    note_backlogs(journal, NOW - 24 * HOUR, set())
    Decisions(journal, "spare").backfill(
        Span(date(2026, 1, 1), date(2026, 12, 31)), repeats=False, dry_run=False
    )
    assert backlogs(journal, NOW) == {"main": Backlog(30, 0), "spare": Backlog(30, 0)}
    connection(journal).execute("UPDATE outbox SET changed_at = ?", [OLD.isoformat()])
    assert backlogs(journal, NOW)["spare"] == Backlog(30)


def test_one_that_was_given_up(journal: Journal) -> None:
    """A dashboard that gets nothing has no backlog."""
    waiting(journal, 30)
    Decisions(journal, "main").give_up()
    assert backlogs(journal, NOW) == {}
