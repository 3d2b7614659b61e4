"""Random visits, confirmations and reopenings against a model of the journal in plain Python."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.journal.helpers import DHAKA, KEY, START, visit
from tests.journal.stores import InPostgres, InSqlite, Store
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import dashboard_standings
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Slice, Watermark
from zkpoll.model.punch import Form, Punch, Quarantined, punch_id
from zkpoll.model.sums import Counts, Tally

QUARANTINED = 16
RECORDS = st.integers(0, QUARANTINED + 1)
"""Four bits are a record: its own number, who, which second, how. Above, it is not believable."""
SLICES = st.lists(st.lists(RECORDS, max_size=8), min_size=1, max_size=3)
USERS = st.tuples(st.sampled_from("AB"), st.sampled_from("AB"))
"""The user table: who has slot 0, who slot 1. It may change from visit to visit."""
DASHBOARDS = st.sampled_from(["main", "spare"])


class Kept(NamedTuple):
    """A punch that the journal must hold."""

    id: str
    user_id: str
    verify: int
    hold: str | None
    nth: int


@dataclass
class Model:
    """What must have become of all records so far."""

    form: Form
    kept: dict[bytes, list[Kept]]
    """By their bytes, in the order of their occurrences."""
    visit_of: dict[bytes, int]
    quarantined: set[bytes]
    states: dict[str, Counter[str]]
    visit: int = 0
    of_second: Counter[str] = field(default_factory=Counter)
    """How many punches of each user and second there are, by the id of the first."""
    shown: Counter[bytes] = field(default_factory=Counter)
    """How often this visit has shown each record so far."""

    def begin(self) -> None:
        """Begin a visit."""
        self.visit += 1
        self.shown = Counter()

    def take(self, records: list[Punch | Quarantined], *, proved_new: bool) -> Tally:
        """Take the records of a slice, one by one."""
        found: Counter[str] = Counter()
        for record in records:
            if isinstance(record, Quarantined):
                found["quarantined"] += 1
                found["newly_quarantined"] += record.raw not in self.quarantined
                self.quarantined.add(record.raw)
            else:
                found.update(self._take(record, proved_new))
        return Tally(**found)

    def _take(self, punch: Punch, proved_new: bool) -> list[str]:
        self.shown[punch.canonical] += 1
        known = self.kept.setdefault(punch.canonical, [])
        again = self.visit_of.get(punch.canonical) == self.visit
        if self.form is Form.PULL_40 and known and (again or not proved_new):
            return ["exact_repeats" if again else "seen_before"]
        if self.form is Form.PULL_8 and not proved_new and self.shown[punch.canonical] <= len(known):
            return ["seen_before"]
        first = punch_id(KEY, punch.user_id, punch.time.isoformat())
        self.of_second[first] += 1
        nth = self.of_second[first]
        hold = None
        if known:
            hold = "same second" if punch.time.year == 2000 else "exact repeat"
        elif nth > 1:
            hold = "same second"
        id_ = punch_id(KEY, punch.user_id, punch.time.isoformat(), nth)
        known.append(Kept(id_, punch.user_id, punch.verify, hold, nth))
        self.visit_of[punch.canonical] = self.visit
        for states in self.states.values():
            states["punches"] += 1
            states["held" if hold else "pending"] += 1
        if hold == "exact repeat":
            return ["exact_repeats", "held_exact_repeats"]
        return ["same_second", *(["clock_repeats"] if len(known) > 1 else [])] if hold else ["first_seen"]

    def ids(self) -> list[str]:
        """Return the ids of all punches."""
        return [one.id for some in self.kept.values() for one in some]


def decoded(number: int, users: tuple[str, str]) -> Punch | Quarantined:
    """Return what a device with these users shows for record `number`."""
    raw = bytes([number] * 8)
    if number >= QUARANTINED:
        return Quarantined(raw, "no such date")
    slot, believable, verify = number >> 1 & 1, number >> 2 & 1, number >> 3
    return Punch(users[slot], START if believable else datetime(2000, 1, 1), verify, 0, 0, raw)


class JournalMachine(RuleBasedStateMachine):
    """One device, two dashboards: whatever comes in whatever order, both sums come out."""

    kind: type[Store] = InSqlite

    @initialize(form=st.sampled_from([Form.PULL_8, Form.PULL_40]))
    def create(self, form: Form) -> None:
        """Begin with a journal that was just made, and a device whose records carry a number or not."""
        self.store = self.kind()
        self.journal = self.store.open()
        self.outboxes: dict[str, JournalOutbox] = {}
        self.model = Model(form, {}, {}, set(), {})

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self.store.close()

    @rule(slices=SLICES, users=USERS, proved_new=st.booleans())
    def visits(self, slices: list[list[int]], users: tuple[str, str], proved_new: bool) -> None:
        """Every record of every slice becomes what the model says, and what a look says."""
        ledger, looking = (visit(self.journal, zone=DHAKA) for _ in range(2))
        looked: list[Tally] = []
        expected: list[Tally] = []
        pieces: list[Slice] = []
        self.model.begin()
        end = 0
        for numbers in slices:
            end += len(numbers)
            records = [decoded(number, users) for number in numbers]
            punches = tuple(record for record in records if isinstance(record, Punch))
            quarantined = tuple(record for record in records if isinstance(record, Quarantined))
            mark = Watermark(8, end, ())
            pieces.append(Slice(punches, quarantined, mark, form=self.model.form, proved_new=proved_new))
            looked.append(looking.sort(pieces[-1]).tally)
            expected.append(self.model.take(records, proved_new=proved_new))
        for piece, seen, expect in zip(pieces, looked, expected, strict=True):
            tally = ledger.take(piece)
            assert tally == expect
            assert replace(seen, newly_quarantined=tally.newly_quarantined) == tally
            assert tally.records == piece.records

    @rule(name=DASHBOARDS)
    def meets_a_dashboard(self, name: str) -> None:
        """Meet a dashboard, or meet it again."""
        self.outboxes[name] = JournalOutbox(self.journal, name)
        self.model.states.setdefault(name, Counter())

    @precondition(lambda self: self.outboxes)
    @rule(data=st.data(), limit=st.integers(1, 5))
    def delivers(self, data: st.DataObject, limit: int) -> None:
        """Confirm some of what is pending at a dashboard."""
        name = data.draw(st.sampled_from(sorted(self.outboxes)))
        events = self.outboxes[name].next(limit).events
        taken = data.draw(st.lists(st.sampled_from(events), unique=True)) if events else []
        self.outboxes[name].settle(Settled(tuple(event.id for event in taken)))
        self.model.states[name].update(pending=-len(taken), confirmed=len(taken))

    @rule()
    def ends_and_begins_again(self) -> None:
        """End the program and run it again."""
        self.journal.__exit__(None, None, None)
        self.journal = self.store.open()
        self.outboxes = {name: JournalOutbox(self.journal, name) for name in self.outboxes}

    @invariant()
    def the_journal_holds_exactly_the_punches(self) -> None:
        """Nothing is lost, doubled or renamed."""
        found: dict[bytes, list[Kept]] = {}
        for bytes_, *fields in self.store.look(
            "SELECT form.bytes, id, user_id, verify, hold, nth FROM form JOIN punch ON seq = form.punch"
            " ORDER BY bytes, occurrence",
        ):
            found.setdefault(bytes_, []).append(Kept(*fields))
        assert found == {bytes_: kept for bytes_, kept in self.model.kept.items() if kept}
        assert {raw for (raw,) in self.store.look("SELECT raw FROM quarantine")} == self.model.quarantined

    @invariant()
    def ids_are_unique(self) -> None:
        """No two punches have one id."""
        assert len(self.model.ids()) == len(set(self.model.ids()))

    @invariant()
    def the_sums_come_out(self) -> None:
        """For each dashboard, every punch is in the one state that it should be in."""
        for name, outbox in self.outboxes.items():
            counts = outbox.counts()
            assert counts.difference == 0
            assert counts == Counts(**self.model.states[name])
        confirmed = {one.name: one.confirmed for one in dashboard_standings(self.journal)}
        assert confirmed == {name: self.model.states[name]["confirmed"] for name in self.outboxes}


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=examples(60), stateful_step_count=12, deadline=None)


class JournalMachineOnPostgres(JournalMachine):
    """The same in PostgreSQL."""

    kind = InPostgres


TestJournalOnPostgres = pytest.mark.long(JournalMachineOnPostgres.TestCase)
TestJournalOnPostgres.settings = settings(TestJournal.settings, max_examples=examples(20))
