"""Random decisions, deliveries, renames and prunings: what is counted as it comes is what a walk finds."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.examples import examples
from tests.journal.helpers import SHOWN, START, Bridge, bucket, line, piece, punch, push, row, visit
from tests.journal.stores import InPostgres, InSqlite, Store
from zkpoll.journal.decisions import Decisions, Selection, Span, dashboards
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.prune import Terms, prune
from zkpoll.journal.renames import Rename, follow
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled

NAMES = st.sampled_from(["main", "spare"])
COUNTS = st.integers(1, 4)
STATES = st.frozensets(st.sampled_from(["pending", "parked", "held", "discarded"]), min_size=1)


class BrokenOff(Exception):
    """A transaction is undone before its end."""


class Balances(RuleBasedStateMachine):
    """A terminal, strangers in its place, and dashboards that come, go and are joined."""

    kind: type[Store] = InSqlite

    @initialize()
    def create(self) -> None:
        """Begin with a journal that was just made."""
        self.store = self.kind()
        self.journal = self.store.open()
        self.second = 0
        JournalOutbox(self.journal, "main")

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self.store.close()

    @rule(count=COUNTS, states=st.sampled_from([(0,), (0, 1)]))
    def is_read(self, count: int, states: tuple[int, ...]) -> None:
        """Read new punches; some share their second with another one, and are held."""
        new = range(self.second, self.second + count)
        self.second += count
        visit(self.journal).take(piece(*(punch("A", one, state=state) for one in new for state in states)))

    @rule(count=COUNTS, undone=st.booleans())
    def pushes(self, count: int, undone: bool) -> None:
        """Push what is new, in a transaction that may never end."""
        visit(self.journal)
        lines = [line("B", one) for one in range(self.second, self.second + count)]
        self.second += count
        with suppress(BrokenOff):
            push(self.journal, *lines, fail=BrokenOff() if undone else None)

    @rule(count=COUNTS, known=st.booleans())
    def a_stranger_answers(self, count: int, known: bool) -> None:
        """Hold what a stranger shows; it may be the terminal itself, which has shown one of that before."""
        visit(self.journal).take(piece(punch("C", self.second)))
        lines = [line("C", self.second + one) for one in range(count)]
        push(self.journal, *lines, key=f"S{self.second}")
        self.second += count
        if known:
            Devices(self.journal).accept_as_same("front-door")

    @rule(count=COUNTS)
    def a_database_shows(self, count: int) -> None:
        """Read rows of what was shown last, and of what the terminal will show."""
        rows = [row("A", one) for one in range(max(0, self.second - count), self.second + count)]
        Bridge(self.journal).take(bucket(self.second, *rows))

    @rule(name=NAMES)
    def is_met(self, name: str) -> None:
        """Meet a dashboard, or meet it again."""
        JournalOutbox(self.journal, name)

    @rule(name=NAMES, count=COUNTS, parked=st.integers(0, 2), whole=st.booleans())
    def is_delivered(self, name: str, count: int, parked: int, whole: bool) -> None:
        """Send some; of these some are refused, and the answer may be about single ones."""
        outbox = JournalOutbox(self.journal, name)
        ids = tuple(event.id for event in outbox.next(count).events)
        if ids:
            outbox.send(SentRequest(ids))
            refused = {} if whole else dict.fromkeys(ids[:parked], "no")
            taken = tuple(one for one in ids if one not in refused)
            outbox.settle(Settled(taken, parked=refused), ids)

    @rule(name=NAMES, states=STATES, upto=st.integers(1, 30), retried=st.booleans())
    def is_decided(self, name: str, states: frozenset[str], upto: int, retried: bool) -> None:
        """Discard some, or let some be sent after all."""
        desk, choice = Decisions(self.journal, name), Selection(states)
        if retried:
            desk.retry(choice, Places([(1, upto)]))
        else:
            desk.discard(choice, Places([(1, upto)]), "a mistake")

    @rule(name=NAMES, repeats=st.booleans())
    def is_backfilled(self, name: str, repeats: bool) -> None:
        """Put in what it was not to get."""
        Decisions(self.journal, name).backfill(
            Span(START.date(), START.date()), repeats=repeats, dry_run=False
        )

    @rule(name=NAMES)
    def is_given_up(self, name: str) -> None:
        """Give a dashboard up."""
        if name in dashboards(self.journal):
            Decisions(self.journal, name).give_up()

    @rule(old=NAMES, new=NAMES)
    def is_renamed(self, old: str, new: str) -> None:
        """Let a dashboard have another name, which another one may have: then they are one."""
        if old != new:
            follow(self.journal, Rename("dashboard", old, new))

    @rule()
    def is_pruned(self) -> None:
        """Prune what may go of the terminal, which has left the inventory."""
        prune(self.journal, Terms(datetime.now(UTC) + timedelta(days=1), frozenset(), "front-door"))

    @invariant()
    def what_is_counted_is_what_a_walk_finds(self) -> None:
        """Both sides of the sum are what they should be, for each dashboard."""
        for name, number in self.journal.all("destinations"):
            row = self.journal.one("recount", destination=number) or ()
            assert row[9:] == (row[0], row[2], row[5])
            assert sum(row[1:6]) == row[0], name

    @invariant()
    def what_devices_show_is_counted_too(self) -> None:
        """A walk of what each has shown, pruned punches included, finds as many."""
        for counted, found in self.store.look(SHOWN):
            assert counted == found


TestBalances = Balances.TestCase
TestBalances.settings = settings(max_examples=examples(80), stateful_step_count=25, deadline=None)


class BalancesOnPostgres(Balances):
    """The same in PostgreSQL."""

    kind = InPostgres


TestBalancesOnPostgres = pytest.mark.long(BalancesOnPostgres.TestCase)
TestBalancesOnPostgres.settings = settings(TestBalances.settings, max_examples=examples(20))
