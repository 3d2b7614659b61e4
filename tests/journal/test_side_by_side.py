"""Writers beside each other in PostgreSQL: what may be, what may not, and what would be lost if it were.

A transaction of one subject's only shares the journal with those of others. Each race that this opens is
shown here by two sessions: it does not happen as it is, and does where the wrong work is let in.
"""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import SHOWN, line, piece, punch, punches, push, visit
from tests.journal.stores import InPostgres
from tests.journal.test_commit_order import BESIDES, MISSED, held_up
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Destination
from zkpoll.delivery.formats.events import SingleEvent
from zkpoll.delivery.loop import deliver
from zkpoll.errors import JournalError
from zkpoll.journal import conditions, decisions, devices, exports, intake, postgres
from zkpoll.journal.balance import recount_all
from zkpoll.journal.database import BESIDE, AlreadyThere, of_dashboard, of_device, statements
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.renames import Rename, follow
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.report import Condition, News
from zkpoll.simulator import SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Event

PENDING = Selection(frozenset({"pending"}))
WRITES = {
    name
    for name, text in statements().items()
    if re.sub(r"--.*", "", text).split()[0] in {"INSERT", "UPDATE", "DELETE"}
}


@pytest.fixture
def store() -> Iterator[InPostgres]:
    """Return a place for a journal, with a dashboard and some punches in it."""
    store = InPostgres()
    try:
        with store.open() as journal:
            JournalOutbox(journal, "main")
            visit(journal, "front", "FRONT").take(piece(*punches(3)))
            visit(journal, "back", "BACK").take(piece(*punches(3)))
        yield store
    finally:
        store.close()


def check(store: InPostgres) -> None:
    """Nothing is passed over, in an outbox without reason, or counted otherwise than it is."""
    assert store.look(MISSED) == store.look(BESIDES) == []
    assert all(counted == found for counted, found in store.look(SHOWN))
    with store.open() as journal:
        for name, _ in journal.all("destinations"):
            outbox = JournalOutbox(journal, name)
            assert outbox.recount() == outbox.counts()
            assert outbox.counts().difference == 0


# --- what may be side by side ---

SUBJECTS = (of_device("FRONT"), of_device("BACK"), of_dashboard(1), of_dashboard(2), None)


@pytest.mark.parametrize("second", SUBJECTS)
@pytest.mark.parametrize("first", SUBJECTS)
def test_who_waits_for_whom(store: InPostgres, first: str | None, second: str | None) -> None:
    """Those of one subject, and whoever writes for all: he for each, and each for him."""
    with store.open() as one, store.open() as other, one.transaction(only=first):
        if first and second and first != second:
            with other.transaction(0.5, only=second):
                pass
        else:
            with pytest.raises(JournalError, match="locked"), other.transaction(0.1, only=second):
                pass


@pytest.mark.parametrize("query", sorted(WRITES - BESIDE))
def test_no_other_statement_is_run_beside_others(store: InPostgres, query: str) -> None:
    """Whatever is not known to be safe is refused before it is sent."""
    with store.open() as journal:
        for verb in (
            lambda: journal.run(query),
            lambda: journal.one(query),
            lambda: journal.run_many(query, [{}]),
            lambda: journal.run_over(query, [1]),
            lambda: journal.run_later(query, [{}]),
            lambda: journal.run_at_end(query),
        ):
            with pytest.raises(RuntimeError, match="while others write"), journal.transaction(only="x"):
                verb()


def test_what_one_thread_may_not_write_another_one_may(store: InPostgres) -> None:
    """A statement that is a transaction by itself waits for a thread that has the session for one subject."""
    with store.open() as journal:
        others: tuple[Callable[[], object], ...] = (
            lambda: journal.run("remember_failed_runs", destination=1, runs=2),
            lambda: journal.one("meet_destination", name="other"),
            lambda: journal.run_many("forget_condition", [{"subject": "x"}]),
            lambda: journal.run_over("hold_punches", [1], hold="since"),
        )
        with ThreadPoolExecutor(len(others)) as pool:
            with journal.transaction(only=of_device("FRONT")):
                waiting = [pool.submit(one) for one in others]
                assert not wait(waiting, 0.2).done
            assert not wait(waiting, 20).not_done
            assert [one.exception() for one in waiting] == [None] * len(others)


def test_what_was_put_off_and_fails_is_not_taken_for_what_was_inserted(store: InPostgres) -> None:
    """A place that is there already, sent with records, does not say that the records are."""
    with store.open() as journal:

        def insert(*rows: tuple[object, ...]) -> None:
            with journal.savepoint():
                journal.insert_all("add_form", rows)

        def insert_behind_a_place() -> None:
            with journal.transaction():
                journal.run_later("add_to_outbox", [{"first": 1, "last": 2, "held": None, "now": "x"}])
                insert((1, b"x", 1, 1))

        with pytest.raises(JournalError, match="outbox_pkey") as failed:
            insert_behind_a_place()
        assert not isinstance(failed.value, AlreadyThere)
        with pytest.raises(AlreadyThere), journal.transaction():
            insert((1, b"x", 1, 1), (1, b"x", 1, 1))


def test_what_is_run_beside_others_is_in_the_file() -> None:
    """No name outlives its statement."""
    assert BESIDE <= WRITES


def test_a_visit_waits_neither_for_another_one_nor_for_a_delivery(
    store: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is held up before its end, by a server that is away, keeps nobody else from his."""
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(2) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        first = pool.submit(visit(one, "front", "FRONT").take, piece(*punches(9)))
        assert there.wait(20)
        visit(other, "back", "BACK").take(piece(*punches(8)))
        outbox = JournalOutbox(other, "main")
        ids = tuple(event.id for event in outbox.next(99).events)
        outbox.send(SentRequest(ids))
        outbox.settle(Settled(ids), ids)
        assert not first.done()
        go_on.set()
        assert first.result(20).first_seen == 6
    assert len(ids) == 11
    check(store)
    assert store.look("SELECT confirmed, due FROM destination") == [(11, 17)]


def test_counts_are_added_to_in_turn(store: InPostgres) -> None:
    """Two that end at once take the rows of all dashboards one after the other: neither has some of them."""
    with store.open() as journal, closing(store.connect()) as other, other.transaction():
        JournalOutbox(journal, "spare")
        other.execute("SELECT pg_advisory_xact_lock(%s)", [postgres._number("the counts")])
        with pytest.raises(JournalError, match="locked"), journal.transaction(0.1, only=of_device("FRONT")):
            journal.run_at_end("count_due", number=1)
        with journal.transaction(0.1, only=of_device("FRONT")):
            journal.run_later("keep_name", [{"name": "front"}])  # who adds to no count waits for nobody
        with journal.transaction(0.1):
            journal.run_at_end("count_due", number=0)  # and whoever is alone has nobody to wait for
    check(store)


def test_what_a_commit_did_not_keep_is_told(store: InPostgres) -> None:
    """PostgreSQL answers COMMIT without an error where a statement before it has failed."""
    with store.open() as journal:
        with (
            pytest.raises(JournalError, match="has not kept what was written"),
            journal.transaction(),
            suppress(JournalError),
        ):
            journal.run("keep_name", name=None)
        with pytest.raises(JournalError, match="null value"), journal.transaction():
            journal.run_later("keep_name", [{"name": "gate"}, {"name": None}])
        with journal.transaction():
            journal.run_later("keep_name", [{"name": "gate"}])
    assert ("gate",) in store.look("SELECT name FROM punched_name")


# --- 1: the places of what one has inserted need not follow each other ---


@contextmanager
def between_two_rows(
    monkeypatch: pytest.MonkeyPatch, journal: Journal, work: Callable[[], object]
) -> Iterator[None]:
    """Let another run journal between the rows that one inserts, as it may at any of them."""
    real = journal.insert_all

    def insert_all(query: str, rows: Sequence[tuple[object, ...]]) -> Sequence[int]:
        if query != "add_punch":
            return real(query, rows)
        first = real(query, rows[:2])
        work()
        return [*first, *real(query, rows[2:])]

    monkeypatch.setattr(journal, "insert_all", insert_all)
    yield


def test_places_between_those_of_another(store: InPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each puts into the outboxes what it has inserted itself, and knows it for its own."""
    with store.open() as one, store.open() as other:
        beside = visit(other, "back", "BACK")
        reading = visit(one, "front", "FRONT")
        with between_two_rows(monkeypatch, one, lambda: beside.take(piece(*punches(8)))):
            assert reading.take(piece(*punches(4, first=3))).first_seen == 4
        again = reading.take(piece(*punches(7)))
    assert (again.exact_repeats, again.seen_before) == (4, 3)
    check(store)


def test_places_taken_for_a_span_would_fail(store: InPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first to the last there are those of another, which have their places already."""
    monkeypatch.setattr(intake, "spans", lambda seqs: [(min(seqs), max(seqs))] if seqs else [])
    with store.open() as one, store.open() as other:
        beside, reading = visit(other, "back", "BACK"), visit(one, "front", "FRONT")
        with (
            pytest.raises(JournalError, match="outbox_pkey"),
            between_two_rows(monkeypatch, one, lambda: beside.take(piece(*punches(8)))),
        ):
            reading.take(piece(*punches(4, first=3)))


# --- 2 to 4: what asks what all punches are up to now, or what others have told ---


@contextmanager
def beside_others(monkeypatch: pytest.MonkeyPatch, journal: Journal) -> Iterator[None]:
    """Let all that a run writes be written beside others, which is wrong."""
    real = journal.transaction
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "check_beside", lambda _: None)
        patch.setattr(
            journal, "transaction", lambda patience=None, *, only=None: real(patience, only=only or "x")
        )
        yield


def reads(journal: Journal) -> None:
    """Read more of a terminal."""
    visit(journal, "front", "FRONT").take(piece(*punches(9)))


def tells(journal: Journal) -> int:
    """Tell of a trouble; return how many were known before."""
    at, before = datetime(2026, 11, 22, 8, tzinfo=UTC), list[int]()

    def decide(known: Mapping[str, Condition]) -> News:
        before.append(len(known))
        found = Condition("unreachable", at, at, "it does not answer", advice=False, owed=None)
        return News((), {"device front": found})

    conditions.tell(journal, decide)
    return before[0]


def is_damaged(store: InPostgres) -> bool:
    """Say whether the journal's own sums find that something is wrong."""
    if store.look(MISSED) or store.look(BESIDES):
        return True
    with store.open() as journal:
        try:
            recount_all(journal)
        except JournalError:
            return True
    return False


def joins(journal: Journal) -> None:
    """Give a dashboard the name of another one."""
    JournalOutbox(journal, "late")
    follow(journal, Rename("dashboard", "main", "late"))


ALONE: dict[str, tuple[Callable[[Journal], object], str | int, Callable[[Journal], object]]] = {
    "a new dashboard": (reads, 2, lambda journal: JournalOutbox(journal, "late")),
    "one that is given up": (reads, "count_due", lambda journal: Decisions(journal, "main").give_up()),
    "one that is joined with another one": (
        reads,
        2,
        joins,
    ),
}
"""What a person or a run does while a visit is held up in its place."""


@pytest.mark.parametrize("wrong", [False, True], ids=["as it is", "beside others"])
@pytest.mark.parametrize("what", ALONE)
def test_who_asks_for_all_punches_waits(
    store: InPostgres, what: str, wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a visit that has not ended it would lose punches for a dashboard, or count them wrongly."""
    first, where, second = ALONE[what]
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(2) as pool,
        held_up(one, where, monkeypatch) as (there, go_on),
        beside_others(monkeypatch, other) if wrong else nullcontext(),
    ):
        runs = [pool.submit(first, one)]
        assert there.wait(20), runs
        runs.append(pool.submit(second, other))
        wait([runs[1]], 3 if wrong else 0.2)
        go_on.set()
        failed = [run for run in runs if run.exception(40)]
    assert (bool(failed) or is_damaged(store)) == wrong, failed


@pytest.mark.parametrize("wrong", [False, True], ids=["as it is", "beside others"])
def test_each_trouble_is_told_once(store: InPostgres, wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two runs at once one knows what the other tells; beside each other, both tell it."""
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(2) as pool,
        held_up(one, "remember_condition", monkeypatch) as (there, go_on),
        beside_others(monkeypatch, one) if wrong else nullcontext(),
        beside_others(monkeypatch, other) if wrong else nullcontext(),
    ):
        if wrong:
            monkeypatch.setattr(postgres, "_begin", lambda *_: f"BEGIN; {postgres._FORM_FOUND}")
        runs = [pool.submit(tells, one)]
        assert there.wait(20), runs
        runs.append(pool.submit(tells, other))
        wait([runs[1]], 0.5)
        go_on.set()
        known = [run.result(40) for run in runs]
    assert known == [0, 0 if wrong else 1]


# --- 5: one record by two doors ---


@pytest.mark.parametrize("wrong", [False, True], ids=["as it is", "each for itself"])
def test_one_record_by_two_doors(store: InPostgres, wrong: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both doors write for the device, and the second one sees what the first one has brought."""
    if wrong:
        monkeypatch.setattr(devices, "of_device", lambda key: f"what {key} pushes")
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(2) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        push(other, line("9", 9), name="front", key="FRONT")
        runs = [pool.submit(visit(one, "front", "FRONT").take, piece(punch("7", 7), punch("8", 8)))]
        assert there.wait(20), runs
        again = (line("9", 9), line("7", 7), line("8", 8))
        runs.append(pool.submit(push, other, *again, name="front", key="FRONT"))
        wait([runs[1]], 0.5)
        go_on.set()
        assert runs[0].result(40).first_seen == 2
        if wrong:
            with pytest.raises(JournalError, match="punch_identity"):
                runs[1].result(40)
        else:
            tally = runs[1].result(40)
            assert (tally.first_seen, tally.seen_before, tally.by_other_door) == (0, 3, 2)
    check(store)


# --- 3: what is paged by place ---


def listed(journal: Journal) -> Iterator[int]:
    """List what waits for a dashboard."""
    return (one.seq for one in Decisions(journal, "main").punches(PENDING))


def exported(journal: Journal) -> Iterator[int]:
    """Export all punches."""
    for one in exports.punches(journal, exports.Wanted()):
        yield from (seq for (seq,) in journal.look_up("punches_by_id", [one.event.id]))


def handed_out(journal: Journal) -> Iterator[int]:
    """Hand out what is parked, which all is."""
    outbox, after = JournalOutbox(journal, "main"), None
    while page := outbox.parked(2, datetime.now(UTC) + timedelta(days=1), after).events:
        yield from (seq for (seq,) in journal.look_up("punches_by_id", [one.id for one in page]))
        after = page[-1]


PAGED: dict[str, Callable[[Journal], Iterator[int]]] = {
    "the list of what waits": listed,
    "the export": exported,
    "what is parked": handed_out,
}


@pytest.mark.parametrize("paged", PAGED)
def test_what_commits_between_two_pages(
    store: InPostgres, paged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places in front of those of a page are passed over by that command at most, and nothing comes twice."""
    monkeypatch.setattr(decisions, "PAGE", 2)
    monkeypatch.setattr(exports, "PAGE", 2)
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(1) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        late = pool.submit(visit(one, "front", "FRONT").take, piece(*punches(6)))
        assert there.wait(20)
        visit(other, "back", "BACK").take(piece(*punches(9)))
        if paged == "what is parked":
            outbox = JournalOutbox(other, "main")
            ids = [event.id for event in outbox.next(99).events]
            outbox.settle(Settled((), parked=dict.fromkeys(ids, "no")))
        before = {seq for (seq,) in store.look("SELECT seq FROM punch")}
        found, all_found = list[int](), PAGED[paged](other)
        while not found or found[-1] < max(before) - 3:
            found.append(next(all_found))
        go_on.set()
        late.result(20)
        if paged == "what is parked":
            with store.open() as third:
                outbox = JournalOutbox(third, "main")
                ids = [event.id for event in outbox.next(99).events]
                outbox.settle(Settled((), parked=dict.fromkeys(ids, "no")))
        found += all_found
        came = {seq for (seq,) in store.look("SELECT seq FROM punch")} - before
        assert came
        assert min(came) < max(before)
        assert len(found) == len(set(found))
        assert set(found) == before
        assert set(PAGED[paged](other)) == before | came


@pytest.mark.parametrize("lanes", [1, 2])
def test_what_ends_late_goes_out(store: InPostgres, lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that is behind its place may pass over it; the next one does not."""
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(1) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        late = pool.submit(visit(one, "front", "FRONT").take, piece(*punches(6)))
        assert there.wait(20)
        visit(other, "back", "BACK").take(piece(*punches(9)))
        shares = JournalOutbox(other, "main").shares(lanes)
        sent = [event.id for share in shares for event in delivered(share)]
        assert len(sent) == 12
        go_on.set()
        late.result(20)
        sent += [event.id for share in shares for event in delivered(share)]
        for share in shares:
            share.flush()
        shares = JournalOutbox(other, "main").shares(lanes)
        sent += [event.id for share in shares for event in delivered(share)]
        assert all(share.next(9).events == () for share in shares)
    assert len(sent) == len(set(sent)) == 15


@pytest.mark.parametrize("lanes", [1, 2])
def test_what_ends_late_goes_out_before_the_end(
    store: InPostgres, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delivery that waits for readers of its own run has all that they brought, in whatever order."""
    with (
        SampleDashboard() as dashboard,
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(1) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        late = pool.submit(visit(one, "front", "FRONT").take, piece(*punches(6)))
        assert there.wait(20)
        visit(other, "back", "BACK").take(piece(*punches(9)))

        def more() -> bool:
            go_on.set()
            late.result(20)
            return False

        where = Destination("main", Access(dashboard.url, 5), SingleEvent(), 1, 1, 0, lanes=lanes)
        outbox = JournalOutbox(other, "main")
        done = deliver(outbox, where, more=more, progress=lambda _: None, stop=threading.Event())
        assert (done.confirmed, done.problem) == (15, None)
        assert outbox.owes_nothing()
    check(store)


def delivered(outbox: JournalOutbox) -> Sequence[Event]:
    """Send what is next, and take down that it was taken: on disk with what comes next."""
    events = outbox.next(99).events
    ids = tuple(event.id for event in events)
    outbox.send(SentRequest(ids))
    outbox.decide(Settled(ids), ids)
    return events


def test_what_comes_behind_the_one_that_was_seen_is_not_discarded(
    store: InPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person has not seen what ended late, though it stands in front of what he has seen."""
    with (
        store.open() as one,
        store.open() as other,
        ThreadPoolExecutor(1) as pool,
        held_up(one, 2, monkeypatch) as (there, go_on),
    ):
        late = pool.submit(visit(one, "front", "FRONT").take, piece(*punches(6)))
        assert there.wait(20)
        visit(other, "back", "BACK").take(piece(*punches(9)))
        found = decisions.meant(other, ["main"], PENDING, decisions.why_not_discarded, shown=1)
        go_on.set()
        late.result(20)
        assert Decisions(other, "main").discard(PENDING, found.portions["main"].seen, "x") == 12
    check(store)
    assert store.look("SELECT count(*) FROM outbox WHERE state = 'pending'") == [(3,)]
