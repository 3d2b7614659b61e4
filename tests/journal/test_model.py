"""Random visits, confirmations and reopenings against a model of the journal in plain Python."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.journal.helpers import DHAKA, KEY, START, visit
from tests.look import look
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
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
    same_second: int


@dataclass
class Model:
    """What must have become of all records so far."""

    kept: dict[bytes, Kept]
    visit_of: dict[bytes, int]
    quarantined: set[bytes]
    states: dict[str, Counter[str]]
    visit: int = 0

    def take(self, records: list[Punch | Quarantined]) -> Tally:
        """Take the records of a slice, one by one."""
        found: Counter[str] = Counter()
        unknown: set[bytes] = set()
        for record in records:
            if isinstance(record, Quarantined):
                found["quarantined"] += 1
                found["newly_quarantined"] += record.raw not in self.quarantined
                self.quarantined.add(record.raw)
            elif record.canonical in unknown:
                found["exact_repeats"] += 1
            else:
                if record.canonical not in self.kept:
                    unknown.add(record.canonical)
                found[self._take(record)] += 1
        return Tally(**found)

    def _take(self, punch: Punch) -> str:
        id_ = punch_id(KEY, punch.user_id, punch.time.isoformat())
        others = [kept for kept in self.kept.values() if kept.id == id_]
        if punch.canonical in self.kept:
            return "exact_repeats" if self.visit_of[punch.canonical] == self.visit else "seen_before"
        self.kept[punch.canonical] = Kept(id_, punch.user_id, punch.verify, int(bool(others)))
        self.visit_of[punch.canonical] = self.visit
        for states in self.states.values():
            states["punches"] += 1
            states["held" if others else "pending"] += 1
        return "same_second" if others else "first_seen"


def decoded(number: int, users: tuple[str, str]) -> Punch | Quarantined:
    """Return what a device with these users shows for record `number`."""
    raw = bytes([number] * 8)
    if number >= QUARANTINED:
        return Quarantined(raw, "no such date")
    slot, second, verify = number >> 1 & 1, number >> 2 & 1, number >> 3
    return Punch(users[slot], START + timedelta(seconds=second), verify, 0, 0, raw)


class JournalMachine(RuleBasedStateMachine):
    """One device, two dashboards: whatever comes in whatever order, both sums come out."""

    @initialize()
    def create(self) -> None:
        """Begin with a journal that was just made."""
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.db"
        self.journal = open_journal(self.path)
        self.outboxes: dict[str, JournalOutbox] = {}
        self.model = Model({}, {}, set(), {})

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self.folder.cleanup()

    @rule(slices=SLICES, users=USERS)
    def visits(self, slices: list[list[int]], users: tuple[str, str]) -> None:
        """Every record of every slice becomes what the model says."""
        ledger = visit(self.journal, zone=DHAKA)
        self.model.visit += 1
        end = 0
        for numbers in slices:
            end += len(numbers)
            records = [decoded(number, users) for number in numbers]
            expected = self.model.take(records)
            punches = tuple(record for record in records if isinstance(record, Punch))
            quarantined = tuple(record for record in records if isinstance(record, Quarantined))
            tally = ledger.take(Slice(punches, quarantined, Watermark(8, end, ()), form=Form.PULL_8))
            assert tally == expected
            assert tally.records == len(numbers)

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
        self.journal = open_journal(self.path)
        self.outboxes = {name: JournalOutbox(self.journal, name) for name in self.outboxes}

    @invariant()
    def the_journal_holds_exactly_the_punches(self) -> None:
        """Nothing is lost, doubled or renamed."""
        found = look(self.path, "SELECT canonical, id, user_id, verify, same_second FROM punch")
        assert len(found) == len(self.model.kept)
        assert {canonical: Kept(*fields) for canonical, *fields in found} == self.model.kept
        assert {raw for (raw,) in look(self.path, "SELECT raw FROM quarantine")} == self.model.quarantined

    @invariant()
    def ids_are_unique(self) -> None:
        """No two punches have one id, but for those of the same second."""
        ids = [kept.id for kept in self.model.kept.values() if not kept.same_second]
        assert len(ids) == len(set(ids))

    @invariant()
    def the_sums_come_out(self) -> None:
        """For each dashboard, every punch is in the one state that it should be in."""
        for name, outbox in self.outboxes.items():
            counts = outbox.counts()
            assert counts.difference == 0
            assert counts == Counts(**self.model.states[name])


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=examples(60), stateful_step_count=12, deadline=None)
