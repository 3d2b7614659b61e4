"""What a person looks at, and a run with nothing to do, cost the same however much is settled."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.journal.helpers import KEY, START, Bridge, aside, connection, line, piece, punch, push, row, visit
from zkpoll.journal import callers
from zkpoll.journal.backlog import backlogs
from zkpoll.journal.balance import balance
from zkpoll.journal.course import courses, note_courses
from zkpoll.journal.database_overview import database_standings, held_for_person, row_changes
from zkpoll.journal.decisions import Decisions, Selection, Span, names_of_punches
from zkpoll.journal.devices import Devices
from zkpoll.journal.exports import Wanted, punches
from zkpoll.journal.names import has_punched, ids_of_punches
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox, first_pending, newest_punch, waiting
from zkpoll.journal.overview import (
    dashboard_standings,
    device_standings,
    last_journalled,
    rows_by_day,
    sightings,
)
from zkpoll.journal.prune import Terms, old_punches, prune
from zkpoll.journal.pushed import Pushed, pushed_standings
from zkpoll.journal.quarantine import not_accepted, quarantined, rows_not_accepted, rows_set_aside
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Event

PEOPLE: Final = 4
FEW: Final = 400
MANY: Final = 10 * FEW
DAY: Final = date(2026, 1, 2)
"""The only day of which every journal has as many punches."""
TERMS: Final = Terms(datetime(2021, 1, 1, tzinfo=UTC), frozenset({"front-door", "head-office"}))


def settled_journal(path: Path, days: int) -> Journal:
    """Make a journal of so many punches, two a day and person, all confirmed, and one that waits.

    They were journalled years ago. So were as many rows of a database, in two parts of its table: one of them
    was edited, one is gone, and one is nobody's.
    """
    journal = open_journal(path)
    outbox, first = JournalOutbox(journal, "main"), datetime(2026, 1, 1, 8)
    since = (first - START).total_seconds()
    moments = [day * 86400 + hour * 3600 for day in range(days // (2 * PEOPLE)) for hour in (0, 9)]
    visit(journal).take(piece(*(punch(str(who), int(since) + at) for at in moments for who in range(PEOPLE))))
    while events := outbox.next(2000).events:
        outbox.settle(Settled(tuple(event.id for event in events)))
    rows = [row(str(who), int(since) + at + 1) for at in moments for who in range(PEOPLE)]
    bridge, half = Bridge(journal), len(rows) // 2
    bridge.visit({1: rows[:half], 2: [*rows[half:], aside("x")]})
    bridge.visit({1: [row("0", int(since) + 1, state=1), *rows[2:half]], 2: [*rows[half:], aside("x")]})
    while events := outbox.next(2000).events:
        outbox.settle(Settled(tuple(event.id for event in events)))
    connection(journal).execute("UPDATE punch SET journalled_at = '2020-01-01T00:00:00.000+00:00'")
    visit(journal).take(piece(punch("0", int(since) - 60)))
    push(journal, line("0", int(since) - 60))
    return journal


def run_end(journal: Journal) -> None:
    """Ask what an idle delivery and the end of its run ask."""
    outbox = JournalOutbox(journal, "main")
    outbox.next(500)
    outbox.counts()
    outbox.oldest_pending()
    outbox.reaches(datetime.now(UTC))
    first_pending(journal, "main")
    newest_punch(journal)
    waiting(journal)
    last_journalled(journal)
    backlogs(journal, datetime.now(UTC))


def lists(journal: Journal) -> None:
    """Ask what the lists of devices, databases, quarantine and outboxes show."""
    Devices(journal).known()
    quarantined(journal)
    database_standings(journal)
    list(Decisions(journal, "main").punches(Selection(frozenset(("pending", "parked", "held")))))
    names_of_punches(journal)


def databases(journal: Journal) -> None:
    """Ask what an idle visit to a database, and the lists of what is odd in it, ask."""
    ledger = Bridge(journal).ledger
    assert not ledger.misses([1, 2])
    assert list(ledger.set_aside()) == [[("x", "raw x")]]
    ledger.end([1, 2], b"lookups", None, whole=False)
    (standing,) = database_standings(journal).values()
    assert (standing.set_aside, standing.changed, standing.gone) == (1, 1, 1)
    assert len(list(row_changes(journal, standing.name))) == 2
    assert len(rows_set_aside(journal)) == 1
    held_for_person(journal)
    assert JournalOutbox(journal, "main").reaches(datetime.now(UTC))["front-door"].set_aside


def serving(journal: Journal) -> None:
    """Ask what serve asks of a device that pushes, beside its batches, and what the metrics show."""
    pushed_standings(journal)
    callers.pending(journal)
    device_standings(journal, datetime.now(UTC), rates=False)
    Pushed(journal, KEY).held()
    Pushed(journal, KEY).gap()


def pruned(journal: Journal) -> None:
    """Look at what may be pruned, and prune it, of a device whose log was never cleared."""
    old_punches(journal, TERMS)
    prune(journal, TERMS)


def status(journal: Journal) -> None:
    """Ask what the status screen and the metrics show."""
    now = datetime.now(UTC)
    device_standings(journal, now)
    dashboard_standings(journal)


def page(journal: Journal) -> None:
    """Ask what the page shows besides."""
    now = datetime.now(UTC)
    with journal.snapshot():
        courses(journal)
        balance(journal, 1)
        rows_by_day(journal, now)
        not_accepted(journal, 50)
        rows_not_accepted(journal, 50)
        Decisions(journal, "main").first("parked", 50)
    note_courses(journal, now)


def explained(journal: Journal) -> None:
    """Ask for a person's day, and for a person whom nobody knows."""
    assert len(sightings(journal, "1", DAY)) == 4
    assert not has_punched(journal, "10010")
    assert len(ids_of_punches(journal)) == PEOPLE


def exported(journal: Journal) -> None:
    """Export one person's day, and everybody's."""
    assert len(list(punches(journal, Wanted(DAY, DAY, "2")))) == 4
    assert len(list(punches(journal, Wanted(DAY, DAY)))) == 4 * PEOPLE


def backfilled(journal: Journal) -> None:
    """Look at what a backfill of a day would do."""
    Decisions(journal, "main").backfill(Span(DAY, DAY), repeats=False, dry_run=True)


def steps(journal: Journal, look: Callable[[Journal], None]) -> int:
    """Return how many hundreds of steps SQLite's machine takes for a look."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection(journal).set_progress_handler(step, 100)
    look(journal)
    connection(journal).set_progress_handler(None, 0)
    return taken


@pytest.mark.parametrize(
    "look", [run_end, lists, databases, status, page, explained, exported, backfilled, serving, pruned]
)
def test_what_is_settled_costs_nothing(tmp_path: Path, look: Callable[[Journal], None]) -> None:
    """Ten times as many settled punches take no more steps."""
    with (
        settled_journal(tmp_path / "few.db", FEW) as few,
        settled_journal(tmp_path / "many.db", MANY) as many,
    ):
        assert steps(many, look) <= 1.3 * steps(few, look) + 3


def test_what_was_pruned_is_not_walked_again(tmp_path: Path) -> None:
    """Once all that may go has gone, looking at the rest, and pruning again, cost what stays."""
    with (
        settled_journal(tmp_path / "few.db", FEW) as few,
        settled_journal(tmp_path / "many.db", MANY) as many,
    ):
        for journal in (few, many):
            capacity = Reading(40, 0, 0, 40, 40, None, whole=True, before=0, continued=False)
            with journal.transaction():
                Devices(journal).note_reading(KEY, capacity)
            assert sum(one.removable for one in old_punches(journal, TERMS)) > 300
            prune(journal, TERMS)
        assert steps(many, pruned) <= 1.3 * steps(few, pruned) + 3


def test_the_steps_of_a_walk_are_seen(tmp_path: Path) -> None:
    """The test above would find a walk."""

    def walk(journal: Journal) -> None:
        JournalOutbox(journal, "main").recount()

    with (
        settled_journal(tmp_path / "few.db", FEW) as few,
        settled_journal(tmp_path / "many.db", MANY) as many,
    ):
        assert steps(many, walk) > 5 * steps(few, walk)


@pytest.mark.parametrize("limit", [3, 100])
def test_a_lane_walks_past_the_others_once(tmp_path: Path, limit: int) -> None:
    """What is pending of the devices of other lanes, before a lane's own and behind, costs it one walk."""

    def backlog(others: int) -> list[int]:
        with open_journal(tmp_path / f"{others}.db") as journal:
            one = JournalOutbox(journal, "main").shares(2)[1]
            for key in ("KEY0", "KEY4", "KEY1"):  # the first and the last are of the other share
                count = 12 if key == "KEY4" else others
                visit(journal, key, key).take(piece(*(punch(f"{key}{n}") for n in range(count))))
            taken = []
            for _ in range(6):
                batch: tuple[Event, ...] = ()

                def look(journal: Journal) -> None:  # noqa: ARG001
                    nonlocal batch
                    batch = one.next(limit).events

                taken.append(steps(journal, look))
                if batch:
                    ids = tuple(event.id for event in batch)
                    one.send(SentRequest(ids))
                    one.decide(Settled(ids), ids)
            assert not batch
            return taken

    few, many = backlog(FEW), backlog(MANY)
    longer = [number for number, one in enumerate(many) if one > 2 * few[number] + 3]
    assert len(longer) == 2  # past those before its own, and past those behind
