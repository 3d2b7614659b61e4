"""Random days of a terminal with three doors: each row's person and second are one punch; nothing is lost.

The written model: a punch is a person's second in one state. A terminal's log and its pushes tell each
record; the vendor's database has one row for a person and second, of whatever state its program put there, in
some page of its file, perhaps not yet, no more, or with nobody's badge. What must come out:

    every (person, second) that any door ever told is in the journal
    a (person, second) that the database told has one punch for each state that terminals told, at the most:
      the row is one of them
    every row that any state of the database ever showed is a punch, or set aside
    of a person's second one punch goes out; the others wait for a person
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.journal.helpers import (
    SHOWN,
    START,
    Bridge,
    aside,
    bucket,
    confirm,
    line,
    pending,
    piece,
    push,
    row,
    visit,
)
from tests.journal.stores import InPostgres, InSqlite, Store
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.punch import Punch
from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from zkpoll.model.bridged import AsideRow, SettledRow

USERS = st.sampled_from("AB")
STATES = st.sampled_from([0, 0, 1])
PAGES = st.integers(0, 2)


class Killed(Exception):
    """A transaction is undone before its end."""


class Record(NamedTuple):
    """What a terminal holds of a punch."""

    user: str
    second: int
    state: int

    @property
    def shown(self) -> tuple[str, str]:
        """Return whose it is, and when."""
        return self.user, (START + timedelta(seconds=self.second)).isoformat()

    def as_record(self, layout: int) -> Punch:
        """Return it as a reading shows it."""
        bytes_ = f"{self.user} {self.second} {self.state}".encode().ljust(layout, b"\0")
        return Punch(self.user, START + timedelta(seconds=self.second), 33, self.state, 0, bytes_)

    def as_line(self) -> Punch:
        """Return it as it is pushed."""
        return line(self.user, self.second, state=self.state)


class ThreeDoors(RuleBasedStateMachine):
    """A terminal, a vendor's program that fetches from it in its own way, all three doors, a dashboard."""

    kind: type[Store] = InSqlite

    @initialize(layout=st.sampled_from([8, 16, 22, 40, 49]))
    def create(self, layout: int) -> None:
        """Begin with a journal that was just made, an empty log and an empty database."""
        self.store = self.kind()
        self.journal = self.store.open()
        self.outbox = JournalOutbox(self.journal, "main")
        self.bridge = Bridge(self.journal)
        self.layout = layout
        self.second = 0
        self.log: list[Record] = []
        self.pages: defaultdict[int, dict[tuple[str, str], Record]] = defaultdict(dict)
        self.strangers: set[str] = set()
        """People whom the vendor's program does not know just now."""
        self.told: set[tuple[str, str]] = set()
        """Persons and seconds that any door told."""
        self.states: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        """The states in which terminals told them."""
        self.rows: set[tuple[str, str]] = set()
        """Those that were rows, settled."""
        self.nobodys: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.journal.__exit__(None, None, None)
        self.store.close()

    # --- the terminal, and the vendor's program ---

    @rule(user=USERS, later=st.sampled_from([0, 0, 1, 40]), state=STATES)
    def somebody_punches(self, user: str, later: int, state: int) -> None:
        """Let a person punch; nobody does twice in a second, but in and out."""
        self.second += later
        record = Record(user, self.second, state)
        if record not in self.log:
            self.log.append(record)

    @precondition(lambda self: self.log)
    @rule(data=st.data(), page=PAGES, state=st.one_of(st.none(), STATES))
    def the_program_fetches(self, data: st.DataObject, page: int, state: int | None) -> None:
        """Let the vendor's program fetch a record, of any age, and perhaps know its state better."""
        record = data.draw(st.sampled_from(self.log), "record")
        if not any(record.shown in rows for rows in self.pages.values()):
            self.pages[page][record.shown] = record if state is None else record._replace(state=state)

    @rule(user=USERS, second=st.integers(0, 45), state=STATES, page=PAGES)
    def somebody_is_typed_in(self, user: str, second: int, state: int, page: int) -> None:
        """Let a person be entered by hand."""
        record = Record(user, second, state)
        if not any(record.shown in rows for rows in self.pages.values()):
            self.pages[page][record.shown] = record

    @precondition(lambda self: any(self.pages.values()))
    @rule(data=st.data(), page=PAGES, how=st.sampled_from(["moved", "gone", "edited"]))
    def a_row_changes(self, data: st.DataObject, page: int, how: str) -> None:
        """Let a row go to another page, be deleted, or be edited."""
        places = [(number, key) for number, rows in sorted(self.pages.items()) for key in sorted(rows)]
        number, key = data.draw(st.sampled_from(places), "row")
        record = self.pages[number].pop(key)
        if how == "edited":
            self.pages[number][key] = record._replace(state=1 - record.state)
        elif how == "moved":
            self.pages[page][key] = record

    @rule(user=USERS)
    def a_person_comes_or_goes(self, user: str) -> None:
        """Let the program forget a person, or know them again."""
        self.strangers ^= {user}

    @rule()
    def the_log_is_cleared(self) -> None:
        """Let the program clear the log."""
        self.log = []

    # --- the doors ---

    @rule(first=st.integers(0, 5), size=st.integers(1, 4))
    def is_pushed(self, first: int, size: int) -> None:
        """Let the terminal push some of its log."""
        self._told(records := self.log[first : first + size])
        tally = push(self.journal, *(record.as_line() for record in records))
        assert tally.records == len(records)

    @rule(size=st.integers(1, 4), layout=st.sampled_from([None, None, None, 16, 40]))
    def is_read(self, size: int, layout: int | None) -> None:
        """Read the log, in slices."""
        self.layout = layout or self.layout
        visiting = visit(self.journal)
        for first in range(0, len(self.log), size):
            self._told(records := self.log[first : first + size])
            shown = [record.as_record(self.layout) for record in records]
            tally = visiting.take(piece(*shown, end=first + len(shown), layout=self.layout))
            assert tally.records == len(records)

    def _told(self, records: list[Record]) -> None:
        for record in records:
            self.told.add(record.shown)
            self.states[record.shown].add(record.state)

    def _rows(self, number: int) -> list[SettledRow | AsideRow]:
        return [
            aside(f"{user} {time}")
            if user in self.strangers
            else row(user, record.second, state=record.state, key=f"{user} {time}")
            for (user, time), record in self.pages[number].items()
        ]

    @rule(data=st.data(), whole=st.booleans())
    def the_database_is_read(self, data: st.DataObject, whole: bool) -> None:
        """Read the pages that differ, in any order; the visit may be killed between two, or within one."""
        ledger, taking = self.bridge.ledger, self.bridge.taking()
        known = {} if whole else ledger.fingerprints()
        for number in data.draw(st.permutations(range(3)), "order"):
            one = bucket(number, *self._rows(number))
            if known.get(number) == one.fingerprint:
                continue
            fate = data.draw(st.sampled_from(["well", "well", "well", "killed", "undone"]), "fate")
            if fate == "undone":
                with suppress(Killed), self.journal.transaction():
                    taking.take([one])
                    raise Killed
                return
            with self.journal.transaction():
                tally = taking.take([one])
            assert (tally.difference, tally.rows) == (0, len(one.rows))
            self._shown(number)
            if fate == "killed":
                return
        ended = ledger.end(range(3), b"", None, whole=whole)
        assert ended.rows == sum(map(len, self.pages.values()))

    def _shown(self, number: int) -> None:
        for key, record in self.pages[number].items():
            if record.user in self.strangers and key not in self.rows:
                self.nobodys.add(key)
            else:
                self.told.add(key)
                self.rows.add(key)

    @rule(count=st.integers(1, 9))
    def is_delivered(self, count: int) -> None:
        """Confirm some of what is pending."""
        confirm(self.outbox, pending(self.outbox, count))

    # --- what must hold ---

    @invariant()
    def what_was_told_is_there(self) -> None:
        """Every person's second that a door told is in the journal, and none that none told."""
        found = self.store.look("SELECT DISTINCT user_id, substr(timestamp, 1, 19) FROM punch")
        assert set(found) == self.told

    @invariant()
    def a_row_is_one_punch(self) -> None:
        """A row adds a punch of its own only where no terminal told its second before."""
        rows = self.store.look("SELECT user_id, timestamp FROM punch")
        counts = Counter((user, timestamp[:WALL]) for user, timestamp in rows)
        for key, count in counts.items():
            states = len(self.states[key])
            assert 1 <= count <= max(1, states) if key in self.rows else count == states

    @invariant()
    def every_row_is_a_punch_or_set_aside(self) -> None:
        """The ledger has each row that was read, with its own punch or a reason."""
        found = self.store.look(
            "SELECT key, user_id, substr(timestamp, 1, 19), reason FROM database_row"
            " LEFT JOIN punch ON seq = punch",
        )
        assert {tuple(key.split(" ", 1)) for key, *_ in found} == self.rows | self.nobodys
        for key, user, time, reason in found:
            assert (user is None) == (reason is not None)
            assert user is None or key == f"{user} {time}"

    @invariant()
    def rows_and_records_are_counted_as_they_come(self) -> None:
        """How many rows are there, and punches were shown, is what a walk finds; whose they are is noted."""
        for counted, found in self.store.look(
            "SELECT rows_there, (SELECT count(*) FROM database_row WHERE database = database.id"
            " AND bucket IS NOT NULL) FROM database",
        ):
            assert counted == found
        for counted, found in self.store.look(SHOWN):
            assert counted == found
        whose = self.store.look(
            "SELECT DISTINCT database, device FROM database_row JOIN punch ON seq = database_row.punch",
        )
        assert set(whose) <= set(self.store.look("SELECT database, device FROM database_device"))

    @invariant()
    def one_of_a_second_goes_out(self) -> None:
        """Of a person's second one punch goes out; the others wait for somebody to look at them."""
        holds = defaultdict(list)
        for user, timestamp, hold in self.store.look(
            "SELECT user_id, timestamp, hold FROM punch ORDER BY seq"
        ):
            holds[user, timestamp].append(hold)
        for found in holds.values():
            assert found == [None, *["same second"] * (len(found) - 1)]
        assert self.outbox.counts().difference == 0


TestThreeDoors = ThreeDoors.TestCase
TestThreeDoors.settings = settings(max_examples=examples(100), stateful_step_count=30, deadline=None)


class ThreeDoorsOnPostgres(ThreeDoors):
    """The same in PostgreSQL."""

    kind = InPostgres


TestThreeDoorsOnPostgres = pytest.mark.long(ThreeDoorsOnPostgres.TestCase)
TestThreeDoorsOnPostgres.settings = settings(TestThreeDoors.settings, max_examples=examples(20))
