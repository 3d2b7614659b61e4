"""Random days of a terminal that is read and pushes as well: what it ever showed is in the journal, once."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.journal.helpers import KEY, START, Visiting, confirm, line, pending, push, visit
from tests.journal.stores import InPostgres, InSqlite, Store
from zkpoll.journal import watermarks
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.log import Reading, Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, Punch
from zkpoll.wall_clock import WALL

LAYOUTS = st.sampled_from([8, 16, 22, 40, 49])
NUMBERED = {40, 49}
SIZES = st.integers(1, 4)


class BrokenOff(Exception):
    """A transaction is undone before its end."""


class Record(NamedTuple):
    """A record in the terminal's log."""

    number: int
    user: str
    second: int
    state: int
    verify: int
    work_code: int

    def as_line(self) -> Punch:
        """Return it as it is pushed."""
        verify, work_code = self.verify, self.work_code
        return line(self.user, self.second, verify=verify, state=self.state, work_code=work_code)

    def as_record(self, layout: int) -> Punch:
        """Return it as a reading shows it: few layouts have all of it, and those number verify otherwise."""
        number = self.number if layout in NUMBERED else ""
        verify = 0 if layout == 22 else self.verify + 10 * (layout == 8)
        text = f"{number} {self.user} {self.second} {verify} {self.state}"
        time = START + timedelta(seconds=self.second)
        return Punch(self.user, time, verify, self.state, 0, text.encode().ljust(layout, b"\0"))

    @property
    def shown(self) -> tuple[str, str, int]:
        """Return what is told of it: whose, when, and in or out."""
        return self.user, (START + timedelta(seconds=self.second)).isoformat(), self.state


class BothDoors(RuleBasedStateMachine):
    """A terminal, people, its two doors and a dashboard."""

    kind: type[Store] = InSqlite

    @initialize(layout=LAYOUTS)
    def create(self, layout: int) -> None:
        """Begin with a journal that was just made, and an empty log."""
        self.store = self.kind()
        self.journal = self.store.open()
        self.outbox = JournalOutbox(self.journal, "main")
        self.layout = layout
        self.second = 0
        self.log: list[Record] = []
        self.sent = 0  # records of the log that were pushed, and acknowledged
        self.in_hand: list[Record] = []  # the last batch
        self.made: set[tuple[str, str, int]] = set()
        self.shown: set[tuple[str, str, int]] = set()
        self.read: defaultdict[int, set[Record]] = defaultdict(set)  # by layout

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self.store.close()

    # --- the terminal ---

    @rule(
        user=st.sampled_from("AB"),
        later=st.sampled_from([0, 0, 1, 40]),
        state=st.sampled_from([0, 0, 1]),
        verify=st.sampled_from([1, 15]),
        work_code=st.sampled_from([0, 7]),
    )
    def somebody_punches(self, user: str, later: int, state: int, verify: int, work_code: int) -> None:
        """Let a person punch; nobody does twice in a second, but in and out."""
        self.second += later
        record = Record(len(self.log), user, self.second, state, verify, work_code)
        if record.shown not in self.made:
            self.made.add(record.shown)
            self.log.append(record)

    @precondition(lambda self: self.log)
    @rule(layout=LAYOUTS)
    def firmware_changes(self, layout: int) -> None:
        """Let the log have another layout."""
        self.layout = layout

    # --- push ---

    def _push(self, records: list[Record], *, undone: bool = False) -> None:
        """Push a batch. `undone`: it is taken, and its transaction never ends."""
        self.in_hand = records
        if undone:
            with suppress(BrokenOff):
                push(self.journal, *(record.as_line() for record in records), fail=BrokenOff())
            return
        tally = push(self.journal, *(record.as_line() for record in records))
        new = {record.shown for record in records} - self.shown
        assert tally.first_seen + tally.same_second == len(new)
        assert tally.records == len(records)
        self.shown |= new

    @rule(size=SIZES, heard=st.booleans(), undone=st.booleans())
    def pushes_what_is_new(self, size: int, heard: bool, undone: bool) -> None:
        """Let the terminal push its next records; whether it hears the answer, it alone knows."""
        records = self.log[self.sent : self.sent + size]
        self._push(records, undone=undone)
        if heard and not undone:
            self.sent += len(records)

    @rule()
    def pushes_it_again(self) -> None:
        """Let the terminal push its last batch once more, also one that its log has lost since."""
        self._push(self.in_hand)

    @rule(start=st.sampled_from([0, 0, 1, 2, 5]), size=SIZES, twice=st.booleans())
    def pushes_what_it_is_asked_for(self, start: int, size: int, twice: bool) -> None:
        """Let it push its log again, or the end of it, in batches of any size; some show a line twice."""
        for first in range(start, len(self.log), size):
            records = self.log[first : first + size]
            self._push(records + records[:twice])

    # --- pull ---

    @rule(data=st.data(), size=SIZES, whole=st.booleans())
    def is_read(self, data: st.DataObject, size: int, whole: bool) -> None:
        """Read the log from where the last reading ended. It may break off, and push comes in between."""
        ledger = visit(self.journal)
        mark = ledger.watermark()
        bytes_ = [record.as_record(self.layout).canonical for record in self.log]
        start, new = 0, False
        if mark and not mark.count:
            new = mark.all_read
        elif mark and bytes_[max(0, mark.count - 8) : mark.count] == list(mark.tail):
            start, new = mark.count, mark.all_read
        for first in range(start, len(self.log), size):
            if data.draw(st.sampled_from([False, False, False, True]), "breaks off"):
                return
            end = min(first + size, len(self.log))
            self._take(ledger, first, end, new=new)
            if data.draw(st.booleans(), "pushes meanwhile"):
                self._push(self.log[data.draw(st.integers(0, end)) : end])
        if whole:
            self._take(ledger, 0, start, new=False, marked=False)
        with self.journal.transaction():
            on_device = len(self.log)
            reading = Reading(
                self.layout, on_device, 0, on_device, None, None, whole=whole, before=0, continued=True
            )
            Devices(self.journal).note_reading(KEY, reading)
            watermarks.end(self.journal, KEY)

    def _take(self, ledger: Visiting, first: int, end: int, *, new: bool, marked: bool = True) -> None:
        """Take a slice of the log."""
        punches = tuple(record.as_record(self.layout) for record in self.log[first:end])
        tail = [record.as_record(self.layout).canonical for record in self.log[max(0, end - 8) : end]]
        mark = Watermark(self.layout, end, tuple(tail), all_read=new) if marked else None
        form = LAYOUT_FORMS[self.layout]
        tally = ledger.take(Slice(punches, (), mark, form=form, proved_new=new))
        found = {record.shown for record in self.log[first:end]} - self.shown
        assert (tally.first_seen + tally.same_second, tally.records) == (len(found), end - first)
        assert not tally.exact_repeats
        self.shown |= found
        self.read[self.layout].update(self.log[first:end])

    # --- what follows ---

    @rule(count=st.integers(1, 9))
    def is_delivered(self, count: int) -> None:
        """Confirm some of what is pending."""
        confirm(self.outbox, pending(self.outbox, count))

    @rule()
    def is_cleared_with_proof(self) -> None:
        """Clear the log where that may be: all of it was read, whatever was pushed, and is confirmed."""
        if self.journal.one("device_by_key", key=KEY) is None:
            return
        clearance = Clearance(self.journal, KEY)
        punches = tuple(record.as_record(self.layout) for record in self.log)
        found = clearance.unsettled(Slice(punches, (), None, form=LAYOUT_FORMS[self.layout]))
        assert found.unknown == len(set(self.log) - self.read[self.layout])
        if found.refusal is None:
            assert {record.shown for record in self.log} <= self.shown
            clearance.intend()
            clearance.cleared()
            self.log, self.sent = [], 0
            self.read.clear()

    # --- what must hold ---

    @invariant()
    def the_journal_has_what_was_shown_once(self) -> None:
        """Neither door loses, doubles or invents a punch."""
        rows = self.store.look("SELECT user_id, timestamp, state FROM punch")
        found = [(user, timestamp[:WALL], state) for user, timestamp, state in rows]
        assert len(found) == len(set(found))
        assert set(found) == self.shown

    @invariant()
    def only_contradictions_are_held(self) -> None:
        """Of a person's second one punch goes out, in or out; the other waits for somebody to look at it."""
        holds = defaultdict(list)
        rows = self.store.look("SELECT user_id, timestamp, hold FROM punch ORDER BY seq")
        for user, timestamp, hold in rows:
            holds[user, timestamp].append(hold)
        for found in holds.values():
            assert found == [None, *["same second"] * (len(found) - 1)]

    @invariant()
    def the_sums_come_out(self) -> None:
        """The dashboard gets each punch that is not held."""
        counts = self.outbox.counts()
        assert (counts.difference, counts.punches) == (0, len(self.shown))


TestBothDoors = BothDoors.TestCase
TestBothDoors.settings = settings(max_examples=examples(100), stateful_step_count=25, deadline=None)


class BothDoorsOnPostgres(BothDoors):
    """The same in PostgreSQL."""

    kind = InPostgres


TestBothDoorsOnPostgres = pytest.mark.long(BothDoorsOnPostgres.TestCase)
TestBothDoorsOnPostgres.settings = settings(TestBothDoors.settings, max_examples=examples(20))
