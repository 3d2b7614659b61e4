"""Visits to a database in which anything happens: the journal ends up with all that it showed, once."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.bridge.in_memory import START, InMemory, punched
from tests.examples import examples
from tests.look import inside
from zkpoll.errors import Damaged, Silent, Stopped
from zkpoll.inventory import Database
from zkpoll.journal.opening import open_journal
from zkpoll.tasks import read_database as module
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.read_database import Bridge, read_database

if TYPE_CHECKING:
    from zkpoll.bridge.contract import PunchRow
    from zkpoll.tasks.database_outcome import DatabaseOutcome

PLACES = st.integers(0, 60)
BUCKETS = st.integers(0, 6)
MINUTES = st.integers(0, 300)
PEOPLE = st.sampled_from([17, 18, 19])
MACHINES = st.sampled_from(["1", "2", None])
STATES = st.sampled_from("IO")


class Bureau(RuleBasedStateMachine):
    """One database in memory, one journal on disk."""

    @initialize(rows=st.lists(st.tuples(MINUTES, PEOPLE, MACHINES, STATES), max_size=30))
    def begin(self, rows: list[tuple[int, int, str | None, str]]) -> None:
        """Open both."""
        self.stack = ExitStack()
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(module, "GROUP", 7)
        self.path = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "journal.db"
        self.journal = self.stack.enter_context(open_journal(self.path))
        self.database = InMemory(part=5)
        self.settings: dict[str, Any] = {"name": "hq", "kind": "att2000", "file": "/a.mdb", "timezone": "UTC"}
        self.stopping = False
        self.ever: set[tuple[str, str, str]] = set()
        """Every punch that a visit to the end has to have found."""
        self.sent: dict[tuple[str, str, str], int] = {}
        for row in rows:
            self.add(*row, place=0)

    def teardown(self) -> None:
        """Close both, once all has settled."""
        if not hasattr(self, "journal"):
            return
        with self.stack:
            self.database.failing.clear()
            self.database.moving = frozenset()
            self.settings["machines"] = {"2": "CQZ2"}
            assert self.database.people is not None
            self.database.people["19"] = "1003"
            outcome = self.visit(full=False)
            assert outcome
            assert outcome.complete, outcome.problem
            assert outcome.rows == len(self.database.rows)
            assert self.punches().keys() == self.ever
            again = self.visit(full=False)
            assert again
            assert (again.buckets_read, again.notices) == (0, ())

    # --- what happens there ---

    @rule(minute=MINUTES, user=PEOPLE, machine=MACHINES, state=STATES, place=PLACES)
    def add(self, minute: int, user: int, machine: str | None, state: str, place: int) -> None:
        """Somebody punched; the row may come late, and anywhere."""
        if all(
            (row.user, row.time) != (user, START + timedelta(minutes=minute)) for row in self.database.rows
        ):
            self.database.rows.insert(place, punched(minute, user, machine=machine, state=state))

    @rule(place=PLACES, state=STATES)
    def edit(self, place: int, state: str) -> None:
        """A person edits a row."""
        if place < len(self.database.rows):
            self.database.rows[place] = self.database.rows[place]._replace(state=state)

    @rule()
    def compact(self) -> None:
        """All rows are elsewhere."""
        self.database.rows.sort(key=str)

    @rule(place=PLACES)
    def delete(self, place: int) -> None:
        """A row that was read is deleted; one that was not is nobody's loss."""
        rows = self.database.rows
        if place < len(rows) and self.identity(rows[place]) in self.punches():
            del rows[place]

    @rule()
    def enrol(self) -> None:
        """The person who was not known is known again."""
        assert self.database.people is not None
        self.database.people["19"] = "1003"

    @rule()
    def name_the_machine(self) -> None:
        """The inventory names the machine without a serial number."""
        self.settings["machines"] = {"2": "CQZ2"}

    # --- visits ---

    @rule(full=st.booleans())
    def visit_well(self, full: bool) -> None:
        """A visit to which nothing happens."""
        self.visit(full=full)

    @rule(bucket=BUCKETS, error=st.sampled_from([Damaged, Silent]))
    def visit_that_fails(self, bucket: int, error: type[Damaged | Silent]) -> None:
        """A part cannot be read."""
        self.database.failing[f"read {bucket}"] = error("no")
        self.visit(full=False)
        self.database.failing.clear()

    @rule(buckets=st.frozensets(BUCKETS))
    def visit_in_motion(self, buckets: frozenset[int]) -> None:
        """Parts change while they are read."""
        self.database.moving = buckets
        self.visit(full=False)
        self.database.moving = frozenset()

    @rule(bucket=BUCKETS)
    def visit_that_is_stopped(self, bucket: int) -> None:
        """The run ends in the middle."""

        def stop(now: int) -> None:
            self.stopping = now >= bucket

        self.database.before_bucket = stop
        self.visit(full=False)
        self.stopping = False
        self.database.before_bucket = lambda _: None

    @rule(bucket=BUCKETS, minute=MINUTES, user=PEOPLE)
    def visit_with_a_late_row(self, bucket: int, minute: int, user: int) -> None:
        """A row comes while others are read."""

        def add(now: int) -> None:
            if now == bucket:
                self.add(minute, user, "1", "I", place=len(self.database.rows))

        self.database.before_bucket = add
        self.visit(full=False)
        self.database.before_bucket = lambda _: None

    # --- what holds ---

    @invariant()
    def nothing_changes_downstream(self) -> None:
        """A punch that was journalled stays as it was."""
        if hasattr(self, "journal"):
            now = self.punches()
            assert self.sent.items() <= now.items()
            self.sent = now

    def visit(self, *, full: bool) -> DatabaseOutcome | None:
        """Read the database; None where the run was stopped."""
        contacts = Contacts(self.journal, lambda: self.stopping, writes=True)
        outcome = None
        with suppress(Stopped):
            outcome = read_database(
                Database.model_validate(self.settings), Bridge(contacts, self.database, full=full)
            )
            assert outcome.tally.difference == 0
            assert outcome.kind != "bug"
        self.ever |= set(map(self.identity, self.database.rows)) | self.punches().keys()
        return outcome

    def punches(self) -> dict[tuple[str, str, str], int]:
        """Return the states of all punches."""
        with inside(self.path) as db:
            rows = db.execute(
                "SELECT key, user_id, timestamp, state FROM punch JOIN device ON device.id = punch.device"
            ).fetchall()
        found = {(key, user, time): state for key, user, time, state in rows}
        assert len(found) == len(rows), "no punch is there twice"
        return found

    def identity(self, row: PunchRow) -> tuple[str, str, str]:
        """Return whose punch a row is, and when, by what will be known in the end; worked out here."""
        badge = {17: "1001", 18: "1002", 19: "1003"}[int(str(row.user))]
        key = "hq" if row.machine is None else f"CQZ{row.machine!s}"
        assert isinstance(row.time, datetime)
        return key, badge, f"{row.time.isoformat()}+00:00"


TestBureau = Bureau.TestCase
TestBureau.settings = settings(
    max_examples=examples(60),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
