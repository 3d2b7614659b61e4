"""Two runs at once on one journal, each blind to the other's locks: nobody confirms what nobody took."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.examples import examples
from tests.journal.helpers import piece, punch, visit
from tests.journal.stores import InPostgres, InSqlite, Store
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.spans import Places, count_of, spans_in
from zkpoll.model.delivery import Batch, SentRequest, Settled

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

RUNS = st.integers(0, 1)


@dataclass
class Run:
    """One run, and the request that it waits for an answer to."""

    journal: Journal
    outbox: JournalOutbox
    batch: Batch = field(default_factory=Batch)
    waiting: SentRequest | None = None
    taken: tuple[str, ...] = ()
    """What the dashboard took of that request."""


class TwoRuns(RuleBasedStateMachine):
    """What the dashboard took, and what the journal says of it, whatever comes between the two."""

    kind: type[Store] = InSqlite

    @initialize()
    def create(self) -> None:
        """Begin with a journal that was just made."""
        self.store = self.kind()
        self.people = 0
        self.taken: set[str] = set()
        self.named: set[str] = set()
        self.discarded: set[str] = set()
        self.runs = [self._begun(), self._begun()]

    def teardown(self) -> None:
        """Leave nothing behind."""
        for run in self.runs:
            run.journal.__exit__(None, None, None)
        self.store.close()

    def _begun(self) -> Run:
        journal = self.store.open()
        return Run(journal, JournalOutbox(journal, "main"))

    @rule(count=st.integers(1, 6))
    def people_punch(self, count: int) -> None:
        """Let punches become pending."""
        new = [punch(str(self.people + number)) for number in range(count)]
        self.people += count
        visit(self.runs[0].journal).take(piece(*new))

    @rule(which=RUNS, limit=st.integers(1, 6), kept=st.booleans(), data=st.data())
    def sends(self, which: int, limit: int, kept: bool, data: st.DataObject) -> None:
        """Send a request, the one in flight first. The dashboard takes some of it, and has yet to answer."""
        run = self.runs[which]
        if run.waiting:
            return
        run.batch = run.outbox.next(limit)
        if not run.batch.events:
            return
        request = run.batch.request
        if request is None:
            ids = tuple(event.id for event in run.batch.events[: data.draw(st.integers(1, limit))])
            body = " ".join(ids).encode()
            key = sha256(body).hexdigest()
            request = SentRequest(ids, "POST", key, body) if kept else SentRequest(ids)
        assert request.body is None or set(request.body.decode().split()) == set(request.ids)
        assert self.discarded.isdisjoint(request.ids)
        run.outbox.send(request)
        run.waiting = request
        run.taken = tuple(one for one in request.ids if data.draw(st.booleans()))
        self.taken.update(run.taken)

    @rule(which=RUNS, named=st.booleans())
    def is_answered(self, which: int, named: bool) -> None:
        """Let the answer come: it tells what was taken, and may reject the rest by name."""
        run = self.runs[which]
        if run.waiting is None:
            return
        parked = {one: "no" for one in run.waiting.ids if one not in run.taken} if named else {}
        self.named.update(parked)
        run.outbox.settle(Settled(run.taken, parked), run.waiting.ids)
        run.waiting = None

    @rule(which=RUNS)
    def hears_nothing(self, which: int) -> None:
        """Let the answer be lost, and the run go on."""
        self.runs[which].waiting = None

    @rule(which=RUNS)
    def did_not_go_out(self, which: int) -> None:
        """Let a request that is new to its run turn out not to have been sent."""
        run = self.runs[which]
        if run.waiting and not run.taken and run.batch.request is None:
            run.outbox.recall(run.waiting)
            run.waiting = None

    @rule(which=RUNS)
    def is_killed(self, which: int) -> None:
        """End a run in the middle of whatever it does, and begin another."""
        self.runs[which].journal.__exit__(None, None, None)
        self.runs[which] = self._begun()

    @rule(data=st.data())
    def a_person_discards(self, data: st.DataObject) -> None:
        """Let a person discard a punch that is not settled."""
        left = [one for one, state in self._states() if state in {"pending", "parked"}]
        waiting = {one for run in self.runs if run.waiting for one in run.waiting.ids}
        if free := sorted(set(left) - waiting):
            one = data.draw(st.sampled_from(free))
            self.discarded.add(one)
            Decisions(self.runs[0].journal, "main").discard(
                Selection(frozenset(), ids=(one,)), Places([(1, 10**9)]), "x"
            )

    def _states(self) -> list[tuple[str, str]]:
        return self.store.look(
            "SELECT punch.id, outbox.state FROM outbox JOIN punch ON punch.seq = outbox.punch"
        )

    @invariant()
    def nothing_is_claimed(self) -> None:
        """Confirmed is what was taken, parked what was refused by name, discarded what a person said."""
        states = self._states()
        assert len(states) == self.people
        assert {one for one, state in states if state == "confirmed"} <= self.taken
        assert {one for one, state in states if state == "parked"} <= self.named
        assert {one for one, state in states if state == "discarded"} == self.discarded

    @invariant()
    def what_is_in_flight_is_written_down(self) -> None:
        """A request that was answered leaves nothing behind, and none has punches that it did not carry."""
        assert not self.store.look("PRAGMA foreign_key_check")
        requests = self.store.look("SELECT punches, first, last, places FROM request")
        for punches, first, last, places in requests:
            left = spans_in(places)
            assert 0 < count_of(left) <= punches
            assert (left[0][0], left[-1][1]) == (first, last)

    @rule()
    def a_good_day(self) -> None:
        """With one run alone, and answers that come, everything is settled and nothing stays in flight."""
        self.runs[1].waiting = None
        self.is_killed(0)
        outbox = self.runs[0].outbox
        while (batch := outbox.next(4)).events:
            ids = tuple(event.id for event in batch.events)
            ids = batch.request.ids if batch.request else ids
            request = batch.request or SentRequest(ids)
            outbox.send(request)
            self.taken.update(ids)
            outbox.settle(Settled(ids), ids)
        counts = outbox.counts()
        assert (counts.pending, counts.difference) == (0, 0)
        assert self.store.look("SELECT * FROM request") == []


TestTwoRuns = TwoRuns.TestCase
TestTwoRuns.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)


class TwoRunsOnPostgres(TwoRuns):
    """The same in PostgreSQL."""

    kind = InPostgres


TestTwoRunsOnPostgres = pytest.mark.long(TwoRunsOnPostgres.TestCase)
TestTwoRunsOnPostgres.settings = settings(TestTwoRuns.settings, max_examples=examples(20))
