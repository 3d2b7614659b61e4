"""What a second run does while a first one has written and not yet committed, in both stores.

Places are given when rows are inserted, and seen when they are committed. Where the two orders differ, what
asks for "all behind the last one" passes over punches for good. So whoever asks for that waits for the commit
of all others, and they for that one. What a visit and a delivery do all day asks for nothing of the kind: in
PostgreSQL they are side by side, and only those of one subject wait for each other.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import START, Bridge, bucket, line, piece, punches, push, row, visit
from tests.journal.stores import InPostgres, InSqlite
from zkpoll.journal import conditions
from zkpoll.journal.decisions import Decisions, Selection, Span
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.renames import Rename, follow
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.report import Condition, News

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.journal.stores import Store
    from zkpoll.journal.database import Journal

    Work = Callable[[Journal], object]

MISSED = """
SELECT name, seq FROM destination CROSS JOIN punch
WHERE seq > after AND NOT EXISTS (SELECT 1 FROM outbox WHERE destination = destination.id AND punch = seq)
"""
BESIDES = """
SELECT name, punch FROM outbox JOIN destination ON id = destination
WHERE punch <= after OR NOT EXISTS (SELECT 1 FROM punch WHERE seq = outbox.punch)
"""


@pytest.fixture(params=[InSqlite, InPostgres])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a place for a journal, with one dashboard and some punches in it."""
    store: Store = request.param()
    try:
        with store.open() as journal:
            JournalOutbox(journal, "main")
            visit(journal).take(piece(*punches(3)))
        yield store
    finally:
        store.close()


def reads(journal: Journal) -> None:
    """Read another terminal."""
    visit(journal, "back", "BACK").take(piece(*punches(4)))


def delivers(journal: Journal) -> None:
    """Deliver what waits."""
    outbox = JournalOutbox(journal, "main")
    ids = tuple(event.id for event in outbox.next(9).events)
    outbox.send(SentRequest(ids))
    outbox.settle(Settled(ids), ids)


def tells(journal: Journal) -> None:
    """Tell of a trouble that both runs have found, and of the end of all others."""
    at = datetime(2026, 11, 22, 8, tzinfo=UTC)
    found = {"device front": Condition("unreachable", at, at, "it does not answer", advice=False, owed=None)}

    def decide(before: Mapping[str, Condition]) -> News:
        return News((), found if not before else dict(before))

    conditions.tell(journal, decide)


SECOND: dict[str, Work] = {
    "reads another terminal": lambda journal: visit(journal, "side", "SIDE").take(piece(*punches(5))),
    "reads the same records": lambda journal: visit(journal, "back", "BACK").take(piece(*punches(4))),
    "hears of the same punch": lambda journal: push(
        journal, line("0", 0), line("B", 9), name="back", key="BACK"
    ),
    "finds it in a database": lambda journal: Bridge(journal).take(bucket(1, row("0", 0), row("B", 9))),
    "meets a dashboard": lambda journal: JournalOutbox(journal, "late"),
    "gives a dashboard up": lambda journal: Decisions(journal, "main").give_up(),
    "puts in what a dashboard was not to get": lambda journal: Decisions(journal, "main").backfill(
        Span(START.date(), START.date()), repeats=True, dry_run=False
    ),
    "discards what waits": lambda journal: Decisions(journal, "main").discard(
        Selection(frozenset({"pending"})), Places([(1, 10**9)]), "a mistake"
    ),
    "renames the dashboard": lambda journal: follow(journal, Rename("dashboard", "main", "renamed")),
    "delivers": delivers,
    "tells": tells,
}
FIRST: dict[str, tuple[Work, int | str]] = {
    "reads, and has yet to insert": (reads, "add_punch"),
    "reads, and has yet to fill the outboxes": (reads, "add_to_outbox"),
    "reads": (reads, 3),
    "delivers, and has yet to confirm": (delivers, "count_confirmed"),
    "sends": (delivers, 1),
    "delivers": (delivers, 2),
    "tells, and has yet to write": (tells, "remember_condition"),
    "tells": (tells, 1),
}
"""Each with where it is held up: before a statement, or before the commit of its n-th transaction."""


@contextmanager
def held_up(
    journal: Journal, where: int | str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Hold a run up: it has come so far, and may go on."""
    there, go_on = threading.Event(), threading.Event()
    real, begun = journal.transaction, iter(range(1, 100))

    def come_to(place: int | str) -> None:
        if place == where and not there.is_set():
            there.set()
            assert go_on.wait(30)

    @contextmanager
    def transaction(patience: float | None = None, *, only: str | None = None) -> Iterator[None]:
        with real(patience, only=only):
            yield
            come_to(next(begun))

    def verb(name: str) -> Callable[..., object]:
        # What is put off is run at once: what may happen in front of it may, then, behind it as well.
        does: Callable[..., object] = getattr(journal, "run_many" if name == "run_later" else name)

        def come_and_do(query: str, *arguments: object, **more: object) -> object:
            come_to(query)
            return does(query, *arguments, **more)

        return come_and_do

    for name in ("run_later", "run_at_end", "run", "run_many", "insert_all"):
        monkeypatch.setattr(journal, name, verb(name))
    monkeypatch.setattr(journal, "transaction", transaction)
    try:
        yield there, go_on
    finally:
        go_on.set()


def places(store: Store) -> dict[int, set[int]]:
    """Return the places of the punches that can be seen, by device."""
    found: dict[int, set[int]] = {}
    for device, seq in store.look("SELECT device, seq FROM punch"):
        found.setdefault(device, set()).add(seq)
    return found


@pytest.mark.parametrize("second", SECOND)
@pytest.mark.parametrize("first", FIRST)
def test_two_at_once(store: Store, first: str, second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither fails, no punch is passed over or doubled, and none appears behind one of its device."""
    work, where = FIRST[first]
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(2) as pool,
        held_up(one, where, monkeypatch) as (there, go_on),
    ):
        runs = [pool.submit(work, one)]
        assert there.wait(20), runs
        runs.append(pool.submit(SECOND[second], other))
        wait([runs[1]], 0.2)
        seen = places(store)
        go_on.set()
        for run in runs:
            run.result(40)
    for device, some in places(store).items():
        known = seen.get(device, set())
        assert {place for place in some if place <= max(known, default=0)} == known
    assert store.look(MISSED) == store.look(BESIDES) == []
    with store.open() as journal:
        for name, _ in journal.all("destinations"):
            outbox = JournalOutbox(journal, name)
            assert outbox.recount() == outbox.counts()
            assert outbox.counts().difference == 0
