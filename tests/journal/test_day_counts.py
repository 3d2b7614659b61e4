"""The punches of each day, counted once a day and added to by who looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.journal.helpers import START, line, piece, punch, push, visit
from zkpoll.journal.day_counts import count_once_a_day
from zkpoll.journal.overview import device_standings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from zkpoll.journal.database import Journal


def punched(journal: Journal) -> Mapping[date, int]:
    """Return the punches of the only device by day."""
    (one,) = device_standings(journal, datetime.now(UTC)).values()
    return one.punched


def test_the_same_number_counted_or_not(journal: Journal) -> None:
    """What was counted and what came since is what a walk finds, whenever that was counted."""
    day = 86_400
    visiting, now = visit(journal), datetime.now(UTC)
    visiting.take(piece(punch("1", 0), punch("1", day)))
    walked = punched(journal)
    count_once_a_day(journal, now)
    assert punched(journal) == walked
    visiting.take(piece(punch("1", 0), punch("1", day), punch("2", day + 5), punch("2", 2 * day)))
    push(journal, line("3", 9))
    expected = {(START + timedelta(days=ago)).date(): number for ago, number in ((0, 2), (1, 2), (2, 1))}
    assert punched(journal) == expected
    count_once_a_day(journal, now + timedelta(hours=1))
    assert journal.all("punched") != []
    assert punched(journal) == expected
    count_once_a_day(journal, now + timedelta(hours=21))
    assert punched(journal) == expected
    assert sum(number for *_, number in journal.all("punched")) == 5


def test_a_wrong_clock(journal: Journal) -> None:
    """What a clock that was ahead has counted is counted anew."""
    visiting, now = visit(journal), datetime.now(UTC)
    count_once_a_day(journal, now + timedelta(days=400))
    visiting.take(piece(punch("1", 0)))
    count_once_a_day(journal, now)
    assert sum(number for *_, number in journal.all("punched")) == 1
