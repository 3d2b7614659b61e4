"""What is read by the page while another session commits between two pages, in both stores.

Nothing is left out: what was meant before the reading began, and still is when it ends, is there. Nothing
comes twice, and all is in the order of journalling. Nothing is invented: each was meant at some moment.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import START, line, piece, punches, push, visit
from tests.journal.stores import InPostgres, InSqlite
from zkpoll.journal import decisions, exports, prune
from zkpoll.journal.database import of_device
from zkpoll.journal.decisions import Decisions, Selection, Span
from zkpoll.journal.exports import Wanted
from zkpoll.journal.intake import Intake
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.prune import Terms
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.journal.stores import Store
    from zkpoll.journal.database import Journal

    Reading = Callable[[Journal], Iterator[str]]
    Work = Callable[[Journal], object]

LATER = datetime.now(UTC) + timedelta(days=500)
OLD = Terms(LATER - timedelta(days=400), frozenset(), "front-door")
"""All that is in a journal of today, of a device that is in the inventory no more."""
EVERYWHERE = Places([(1, 10**9)])
ALL = frozenset({"pending", "parked", "held", "discarded"})


@pytest.fixture(params=[InSqlite, InPostgres])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Return a journal of pages of two, in which a dashboard has punches in each state."""
    for module in (decisions, exports, prune):
        monkeypatch.setattr(module, "PAGE", 2)
    store: Store = request.param()
    try:
        with store.open() as journal:
            outbox = JournalOutbox(journal, "main")
            visit(journal).take(piece(*punches(14)))
            visit(journal, "back", "BACK").take(piece(*punches(3)))
            ids = tuple(event.id for event in outbox.next(17).events)
            outbox.send(SentRequest(ids[:9]))
            outbox.settle(Settled(ids[:3], parked=dict.fromkeys(ids[3:9], "no")), ids[:9])
            Decisions(journal, "main").discard(Selection(ALL, ids=ids[9:12]), EVERYWHERE, "a mistake")
        yield store
    finally:
        store.close()


def parked_by_the_page(journal: Journal) -> Iterator[str]:
    """Yield what a delivery finds parked."""
    outbox, last = JournalOutbox(journal, "main"), None
    while events := outbox.parked(2, LATER, last).events:
        yield from (event.id for event in events)
        last = events[-1]


READINGS: dict[str, Reading] = {
    "export": lambda journal: (one.event.id for one in exports.punches(journal, Wanted())),
    "export of a device": lambda journal: (
        one.event.id for one in exports.punches(journal, Wanted(devices=frozenset({"front-door"})))
    ),
    "export of a day": lambda journal: (
        one.event.id for one in exports.punches(journal, Wanted(START.date(), START.date()))
    ),
    "outbox": lambda journal: (one.id for one in Decisions(journal, "main").punches(Selection(ALL))),
    "outbox, parked": lambda journal: (
        one.id for one in Decisions(journal, "main").punches(Selection(frozenset({"parked"})))
    ),
    "parked": parked_by_the_page,
}


def delivers(journal: Journal) -> None:
    """Deliver what is pending, and park half of it."""
    outbox = JournalOutbox(journal, "main")
    ids = tuple(event.id for event in outbox.next(99).events)
    outbox.send(SentRequest(ids))
    outbox.settle(Settled(ids[::2], parked=dict.fromkeys(ids[1::2], "no")), ids)


MEANWHILE: dict[str, Work] = {
    "reads": lambda journal: visit(journal, "side", "SIDE").take(piece(*punches(5))),
    "reads the same": lambda journal: visit(journal).take(piece(*punches(16))),
    "is pushed": lambda journal: push(journal, line("B", 9), line("A", 1), name="back", key="BACK"),
    "delivers": delivers,
    "retries": lambda journal: Decisions(journal, "main").retry(Selection(frozenset({"parked"})), EVERYWHERE),
    "discards": lambda journal: Decisions(journal, "main").discard(
        Selection(frozenset({"parked", "pending"})), EVERYWHERE, "a mistake"
    ),
    "prunes": lambda journal: prune.prune(journal, OLD),
    "backfills": lambda journal: Decisions(journal, "late").backfill(
        Span(START.date(), START.date()), repeats=True, dry_run=False
    ),
}


@contextmanager
def one_that_writes_already(journal: Journal) -> Iterator[None]:
    """Be in the middle of a transaction, with new punches that nobody else sees."""
    met = visit(journal, "slow", "SLOW")
    with journal.transaction(only=of_device(met.key)):
        intake = Intake(journal, "slow", met.key, UTC, source="pull")
        intake.add(piece(*punches(4)))
        yield


BEFORE = "commits what it wrote before"
WITH = [(one, work) for one in READINGS for work in (*MEANWHILE, BEFORE)]
WITH.remove(("parked", BEFORE))  # a delivery writes, and waits for who writes already


@pytest.mark.parametrize(("reading", "work"), WITH)
def test_what_is_read_by_the_page_is_whole(store: Store, reading: str, work: str) -> None:
    """Whatever another session commits between the first page and the next."""
    with store.open() as reader, store.open() as other, ExitStack() as slow:
        if work == BEFORE:
            slow.enter_context(one_that_writes_already(other))
        before = list(READINGS[reading](reader))
        assert len(before) >= 6
        found = []
        for one in READINGS[reading](reader):
            found.append(one)
            if len(found) == 2:
                slow.close() if work == BEFORE else MEANWHILE[work](other)
        after = list(READINGS[reading](reader))
    assert len(set(found)) == len(found)
    assert set(before) & set(after) <= set(found) <= {*before, *after}
    places = {id_: seq for seq, id_ in store.look("SELECT seq, id FROM punch")}
    known = [places[one] for one in found if one in places]  # what was removed has none any more
    assert known == sorted(known)


@pytest.mark.parametrize(("work", "keeps"), [("reads", False), ("backfills", True)])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_what_goes_is_decided_by_the_page(
    store: Store, work: str, at: int, monkeypatch: pytest.MonkeyPatch, *, keeps: bool
) -> None:
    """A removal leaves out nothing that may go, and takes nothing that another session wants since."""
    with store.open() as one, store.open() as other:
        delivers(one)
        Decisions(one, "main").discard(Selection(frozenset({"parked"})), EVERYWHERE, "a mistake")
        real, pages = one.transaction, iter(range(1, 100))

        @contextmanager
        def transaction(patience: float | None = None, *, only: str | None = None) -> Iterator[None]:
            with real(patience, only=only):
                yield
            if next(pages) == at:
                MEANWHILE[work](other)

        with monkeypatch.context() as patch:
            patch.setattr(one, "transaction", transaction)
            removed = prune.prune(one, OLD)
    kept = store.look("SELECT seq FROM punch WHERE device_name = 'front-door'")
    assert removed == 14 - len(kept)
    assert len(kept) == (14 - 2 * at if keeps else 0)
    if keeps:
        wanted = (
            "SELECT seq FROM punch JOIN outbox ON punch = seq"
            " JOIN destination ON destination.id = destination"
            " WHERE destination.name = 'late' AND outbox.state = 'pending' AND device_name = 'front-door'"
        )
        assert sorted(store.look(wanted)) == sorted(kept)
