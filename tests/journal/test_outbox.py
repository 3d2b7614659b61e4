"""A dashboard's way out: oldest first, exactly once confirmed, nobody forgotten."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.journal.helpers import KEY, piece, punch, punches, visit
from zkpoll.journal.outbox import Outbox
from zkpoll.journal.store import Journal
from zkpoll.punch import Counts, Event

if TYPE_CHECKING:
    from pathlib import Path


def users(outbox: Outbox, limit: int = 99) -> list[str]:
    """Return whose punches are pending."""
    return [event.user_id for event in outbox.pending(limit)]


def confirm(outbox: Outbox, count: int) -> None:
    """Confirm the oldest pending punches."""
    outbox.confirm([event.id for event in outbox.pending(count)])


def test_an_event_is_whole(journal: Journal) -> None:
    """What comes out is what a dashboard is promised, with the device key for its serial number."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(punch("1001", verify=15, state=4, work_code=7)))
    assert outbox.pending(1) == [
        Event(
            id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
            device="front-door",
            serial_number=KEY,
            user_id="1001",
            timestamp="2026-11-22T08:59:58+06:00",
            verify=15,
            state=4,
            work_code=7,
            source="pull",
        )
    ]


def test_oldest_first(journal: Journal) -> None:
    """Punches go out in the order they were journalled, whatever their clocks say."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(punch("a", 500), punch("b", 3)))
    visit(journal, "warehouse", "OTHER1").take(piece(punch("c", 0)))
    assert users(outbox) == ["a", "b", "c"]
    assert users(outbox, limit=2) == ["a", "b"]
    assert users(outbox, limit=0) == []


def test_exactly_those_are_confirmed(journal: Journal) -> None:
    """A confirmation moves the punches it names and no other, for that dashboard alone."""
    main, spare = Outbox(journal, "main"), Outbox(journal, "spare")
    visit(journal).take(piece(*(punch(user) for user in "abcd")))
    events = main.pending(99)
    main.confirm([events[2].id, events[0].id])
    assert users(main) == ["b", "d"]
    assert users(spare) == ["a", "b", "c", "d"]
    assert main.counts() == Counts(punches=4, pending=2, confirmed=2)


def test_a_same_second_is_not_confirmed_along(journal: Journal) -> None:
    """A confirmation of the punch that holds an id leaves the held one of that id to a person."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(punch(verify=1), punch(verify=2)))
    confirm(outbox, 99)
    assert outbox.counts() == Counts(punches=2, confirmed=1, held=1)
    assert users(outbox) == []


def test_confirming_twice_is_harmless(journal: Journal, path: Path) -> None:
    """A second confirmation changes nothing, by the same run or by another."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    ids = [event.id for event in outbox.pending(2)]
    with Journal(path) as elsewhere:
        other = Outbox(elsewhere, "main")
        other.pending(2)
        outbox.confirm(ids)
        outbox.confirm(ids)
        other.confirm(ids)
    assert outbox.counts() == Counts(punches=3, pending=1, confirmed=2)


def test_what_a_person_discarded_stays_so(journal: Journal, path: Path) -> None:
    """A confirmation moves what is pending, and no punch that was decided on meanwhile."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(*punches(2)))
    ids = [event.id for event in outbox.pending(2)]
    with closing(sqlite3.connect(path)) as person, person:
        person.execute("UPDATE outbox SET state = 'discarded' WHERE punch = 1")
    outbox.confirm(ids)
    assert outbox.counts() == Counts(punches=2, confirmed=1, discarded=1)


def test_confirming_nothing_is_harmless(journal: Journal) -> None:
    """A dashboard that took none of a batch confirms none of it."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(punch()))
    outbox.confirm([])
    assert outbox.counts() == Counts(punches=1, pending=1)


def test_a_new_dashboard_gets_what_comes_from_now_on(journal: Journal) -> None:
    """A destination met later is not flooded with the past, and its sum comes out without it."""
    visit(journal).take(piece(punch("past")))
    late = Outbox(journal, "late")
    assert late.counts() == Counts()
    visit(journal).take(piece(punch("past"), punch("new")))
    assert users(late) == ["new"]
    assert late.counts() == Counts(punches=1, pending=1)


def test_a_dashboard_that_is_absent_misses_nothing(path: Path) -> None:
    """A destination that left the inventory for some runs finds everything waiting."""
    with Journal(path) as journal:
        Outbox(journal, "absent")
        confirm(Outbox(journal, "main"), 99)
    with Journal(path) as journal:
        main = Outbox(journal, "main")
        visit(journal).take(piece(*punches(3)))
        confirm(main, 99)
    with Journal(path) as journal:
        assert Outbox(journal, "absent").counts() == Counts(punches=3, pending=3)
        assert Outbox(journal, "main").counts() == Counts(punches=3, confirmed=3)


def test_a_dashboard_without_punches(journal: Journal) -> None:
    """Where nothing is, nothing is pending, and the sum is zero."""
    outbox = Outbox(journal, "main")
    assert outbox.pending(9) == []
    assert outbox.counts() == Counts()
    assert outbox.oldest_pending() is None


def test_the_oldest_pending(journal: Journal) -> None:
    """How long a dashboard has been behind is told by the journal's clock, not by the device's."""
    outbox = Outbox(journal, "main")
    visit(journal).take(piece(punch("a", 9_000_000)))
    oldest = outbox.oldest_pending()
    assert oldest
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(oldest) < timedelta(minutes=1)
    confirm(outbox, 1)
    assert outbox.oldest_pending() is None
