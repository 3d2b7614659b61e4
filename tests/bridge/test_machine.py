"""Months of a vendor's database, drawn: late rows, edits, renumbering, old copies, torn pages, kills.

What must come out is written over `machine_world`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.bridge.machine_world import Killed, World
from tests.bridge.offices import AccessOffice, Entry, Office, SqlOffice, Truth
from tests.examples import examples
from zkpoll.errors import JournalError
from zkpoll.tasks import read_database as module

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bridge.jackcess import Jackcess

USERS = st.sampled_from(["17", "18", "19", "20"])
BADGES = st.sampled_from([None, "1001", "1002", *(str(number) for number in range(2001, 2007))])
SERIALS = st.sampled_from(["CQZ1", "CQZ2"])
SECONDS = st.integers(0, 60)
NUMBERS = st.one_of(st.integers(1, 40), st.sampled_from([1000, 1001, 2500, 7000]))
ROWS = st.builds(
    Entry,
    number=NUMBERS,
    user=USERS,
    second=SECONDS,
    state=st.integers(0, 1),
    verify=st.sampled_from([1, 15]),
    work_code=st.sampled_from([0, 0, 7]),
    machine=st.sampled_from([1, 1, 1, 2, 3, 0]),
    serial=st.sampled_from(["", "", "CQZ1", "CQZ3"]),
    manual=st.sampled_from([False] * 5 + [True]),
    memo=st.just(""),
)
CALLS = st.integers(1, 70)


class Months(RuleBasedStateMachine):
    """A database and its program, people, a journal, and zkpoll now and then."""

    make: Callable[[Path], Office]

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "office"
        path.mkdir()
        self.office = type(self).make(path)
        self.world = World(self.office)
        self.copies: list[Any] = []

    @initialize(count=st.integers(0, 150), pace=st.sampled_from([2, 3, 5]))
    def begin(self, count: int, pace: int) -> None:
        """Begin with some pages full of rows."""
        self.steps, self.pace = 0, pace
        rows = [
            self._fit(Entry(3000 + n, str(17 + n % 4), 100 + n, n % 2, machine=n % 4)) for n in range(count)
        ]
        people = {"17": "1001", "18": "1002", "19": "1003"}
        self.office.rebuild(Truth({one.key: one for one in rows}, people, frozenset({(1, "CQZ1")})))

    def teardown(self) -> None:
        """See that a last visit finds all, and leave nothing behind."""
        try:
            if sys.exc_info()[0] is None:
                self.world.visit(full=True)
                assert self.world.is_certain
        finally:
            self.world.close()
            if isinstance(self.office, SqlOffice):
                self.office.close()
            self.folder.cleanup()

    # --- the vendor's program ---

    @property
    def rows(self) -> list[Entry]:
        """The rows, in an order that does not change."""
        return [self.office.truth.rows[key] for key in sorted(self.office.truth.rows)]

    def _fit(self, row: Entry) -> Entry:
        """Return a row as the program's table can have it."""
        if not self.office.has_numbers:
            return row._replace(number=0)
        if not self.office.has_people:
            return row._replace(machine=0, manual=False)
        return row._replace(serial="", machine=row.machine % 3)

    def _set(self, rows: list[Entry]) -> None:
        self.office.set(replace(self.office.truth, rows={row.key: row for row in rows}))

    def _free(self, row: Entry) -> bool:
        taken = {one.number or one.key for one in self.rows}
        if isinstance(self.office, SqlOffice):
            taken |= self.office.pending
        return (row.number or row.key) not in taken

    @rule(rows=st.lists(ROWS, min_size=1, max_size=8))
    def rows_come(self, rows: list[Entry]) -> None:
        """Add rows: of any time, with any numbers, in any order."""
        for row in map(self._fit, rows):
            if self._free(row):
                self._set([*self.rows, row])

    @precondition(lambda self: self.office.truth.rows)
    @rule(
        data=st.data(),
        state=st.integers(0, 1),
        verify=st.sampled_from([1, 15, 4]),
        work_code=st.sampled_from([0, 7]),
        memo=st.sampled_from(["", "x" * 30]),
    )
    def a_row_is_edited(self, data: st.DataObject, **told: Any) -> None:
        """Change in place what a row says; where it grows, it may move to another page."""
        row = data.draw(st.sampled_from(self.rows), "row")
        self._set([one if one != row else one._replace(**told) for one in self.rows])

    @precondition(lambda self: self.office.truth.rows)
    @rule(data=st.data(), second=SECONDS)
    def a_time_is_edited(self, data: st.DataObject, second: int) -> None:
        """Change when somebody punched."""
        row = data.draw(st.sampled_from(self.rows), "row")
        new = row._replace(second=second)
        if new.number or self._free(new):
            self._set([one if one != row else new for one in self.rows])

    @precondition(lambda self: self.office.truth.rows)
    @rule(first=st.integers(0, 150), count=st.integers(1, 6))
    def some_are_deleted(self, first: int, count: int) -> None:
        """Delete a few rows."""
        self._set([*self.rows[:first], *self.rows[first + count :]])

    @rule(share=st.sampled_from([2, 3]))
    def many_are_deleted(self, share: int) -> None:
        """Delete more than a fifth."""
        self._set(self.rows[::share])

    @precondition(lambda self: self.office.has_people)
    @rule(order=st.permutations(["17", "18", "19", "20", "21"]), stray=st.booleans())
    def people_are_renumbered(self, order: list[str], stray: bool) -> None:
        """Rebuild the database: everyone has another number, and so have their rows."""
        truth = self.office.truth
        others = dict(zip(["17", "18", "19", "20", "21"], order, strict=True))
        people = {others[number]: badge for number, badge in truth.people.items()}
        rows = [row._replace(user=others[row.user]) for row in self.rows if stray or row.user in truth.people]
        self.office.rebuild(Truth({row.key: row for row in rows}, people, truth.machines))

    @precondition(lambda self: self.office.has_people)
    @rule(number=USERS, badge=BADGES)
    def a_person_changes(self, number: str, badge: str | None) -> None:
        """Add a person, change a badge in place, or forget somebody."""
        people = {one: other for one, other in self.office.truth.people.items() if one != number}
        if badge not in people.values():
            people |= {} if badge is None else {number: badge}
            self.office.set(replace(self.office.truth, people=people))

    @precondition(lambda self: self.office.has_people)
    @rule(number=st.integers(1, 3), serial=SERIALS, again=st.booleans())
    def a_machine_is_added(self, number: int, serial: str, again: bool) -> None:
        """Give a machine a serial number, or, in a file, a number that another machine has."""
        truth = self.office.truth
        others = {one for one in truth.machines if one[0] != number}
        if again and not self.office.has_numbers:
            others = set(truth.machines)
        self.office.set(replace(truth, machines=frozenset({*others, (number, serial)})))

    @rule(number=st.sampled_from([2, 3, 3, 1]), serial=st.sampled_from(["CQZ1", "CQZ2", "CQZ4", None]))
    def a_machine_is_named(self, number: int, serial: str | None) -> None:
        """Add a machine to the inventory, or take it out."""
        machines = {one: other for one, other in self.world.settings["machines"].items() if other != serial}
        machines.pop(str(number), None)
        self.world.settings["machines"] = machines | ({str(number): serial} if serial else {})

    @rule()
    def it_is_compacted(self) -> None:
        """Let the program compact it."""
        if not (isinstance(self.office, SqlOffice) and self.office.pending):
            self.office.compact()

    @rule()
    def a_copy_is_made(self) -> None:
        """Keep a copy."""
        self.copies.append(self.office.copy())

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def a_copy_is_put_back(self, data: st.DataObject) -> None:
        """Restore a copy of any age."""
        if isinstance(self.office, SqlOffice):
            self.office.end_slow(keep=False)
        self.office.restore(data.draw(st.sampled_from(self.copies), "copy"))

    @precondition(lambda self: isinstance(self.office, SqlOffice) and not self.office.is_file)
    @rule(rows=st.lists(ROWS, min_size=1, max_size=3), younger=ROWS)
    def a_transaction_stays_open(self, rows: list[Entry], younger: Entry) -> None:
        """Take numbers in a transaction that is committed after a younger one, or never."""
        assert isinstance(self.office, SqlOffice)
        mine = {one.number: one for one in map(self._fit, rows) if self._free(one)}
        self.office.begin_slow(mine.values())
        self.rows_come([younger])

    @precondition(lambda self: isinstance(self.office, SqlOffice) and bool(self.office.pending))
    @rule(keep=st.booleans())
    def a_transaction_ends(self, keep: bool) -> None:
        """Commit it, or undo it."""
        assert isinstance(self.office, SqlOffice)
        self.office.end_slow(keep=keep)

    # --- zkpoll ---

    def _read(self, *, full: bool = False) -> None:
        outcome = self.world.visit(full=full)
        assert outcome is not None
        assert (outcome.problem, outcome.in_motion, outcome.complete) == (None, 0, True)

    @invariant()
    def it_is_read_now_and_then(self) -> None:
        """Read it to the end, each time that so much has happened."""
        self.steps += 1
        if self.steps % self.pace == 0:
            self._read()

    @rule()
    def all_of_it_is_read(self) -> None:
        """Read also what is as it was."""
        self._read(full=True)

    @rule()
    def a_day_goes_by(self) -> None:
        """Let the daily reading be due."""
        self.world.a_day_goes_by()

    @rule(calls=CALLS, error=st.sampled_from([Killed, JournalError]))
    def a_visit_dies(self, calls: int, error: type[BaseException]) -> None:
        """Kill a visit at one of its calls into the journal, or let the journal refuse it."""
        self.world.visit(dies=(calls, error()))

    @rule(looks=st.integers(0, 4))
    def a_visit_is_stopped(self, looks: int) -> None:
        """Stop a visit when it asks for the first, second ... time whether it is to, or at its limit."""
        asked = iter(range(1, 1000))
        if looks:
            self.world.visit(stopped=lambda: next(asked) >= looks)
        else:
            self.world.visit(visit_limit="10ms")

    @rule()
    def it_is_read_dry(self) -> None:
        """Look at what would be sent, and then read it."""
        self.world.dry_run()

    @precondition(lambda self: isinstance(self.office, AccessOffice))
    @rule(data=st.data(), how=st.sampled_from(["other bytes", "nothing"]), first=st.sampled_from([1, 2]))
    def a_page_is_torn(self, data: st.DataObject, how: str, first: int) -> None:
        """Let a page be half written for a while of a visit."""
        assert isinstance(self.office, AccessOffice)
        page = data.draw(st.sampled_from(self.office.pages(all_=True)), "page")
        half = b"\0" * 2048 if how == "nothing" else bytes(n * 37 % 251 for n in range(2048))
        self.world.visit(meanwhile=self.office.torn(page, half, first, first + 1))

    @precondition(lambda self: isinstance(self.office, AccessOffice))
    @rule(data=st.data())
    def a_page_stays_torn(self, data: st.DataObject) -> None:
        """Let half of a page of punches be lost for a whole visit."""
        assert isinstance(self.office, AccessOffice)
        if pages := self.office.pages(all_=False):
            page = data.draw(st.sampled_from(pages), "page")
            self.world.visit(meanwhile=self.office.torn(page, b"\0" * 2048, 1, 1000))


def run(make: Callable[[Path], Office], number: int) -> None:
    """Draw so many months in such an office."""

    class Here(Months):
        pass

    Here.make = staticmethod(make)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUP", 40)
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=examples(number),
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.timeout(400)  # a busy machine
def test_months_of_a_file(jackcess: Jackcess) -> None:
    """An Access file, whatever is done to it: each row it ever held is a punch once, no byte changes."""
    run(lambda folder: AccessOffice(jackcess, folder), 16)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql", "mysql"])
def test_months_of_a_server(engine: str) -> None:
    """A database that speaks SQL, also while transactions end in another order than they began."""
    run(lambda folder: SqlOffice(engine, folder), 16)
