"""Visits to one terminal, whatever happens to its log: the journal ends up with all that it showed, once."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.examples import examples
from tests.journal.helpers import Visiting
from tests.look import inside
from tests.pull.devices import visit
from zkpoll.errors import TryLater
from zkpoll.journal import watermarks
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.sums import Tally
from zkpoll.pull import device_tables, slices
from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target
from zkpoll.simulator import EnrolledUser, Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Reading, Slice, Watermark

SERIAL = "MODEL1"
ZONE = ZoneInfo("Europe/London")
USERS = ("1", "2", "30")


@dataclass
class Visitor:
    """The sink of a visit: the real ledger, and a count of what was handed on."""

    journal: Journal
    tally: Tally = field(default_factory=Tally)
    shown: list[bytes] = field(default_factory=list)
    """Canonical bytes of every punch in a verified slice."""
    ledger: Visiting | None = None

    def identify(self, serial: str | None) -> Watermark | None:
        """Begin the visit."""
        assert serial == SERIAL
        Devices(self.journal).meet("model", serial)
        self.ledger = Visiting(self.journal, "model", serial, ZONE)
        return self.ledger.watermark()

    def take(self, piece: Slice) -> None:
        """Journal a slice."""
        assert self.ledger is not None
        self.tally += self.ledger.take(piece)
        self.shown += [punch.canonical for punch in piece.punches]


class Site(RuleBasedStateMachine):
    """One terminal on a real socket, one journal on disk."""

    layout = 40
    capacity = 60

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(device_tables, "TCP_SLICE", 10 * self.layout)  # a log of sixty is a long one here
        patch.setattr(slices, "SLICE", 20 * self.layout)
        self.path = Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "journal.db"
        self.journal = self.stack.enter_context(open_journal(self.path))
        self.outbox = JournalOutbox(self.journal, "main")
        self.shown: set[bytes] = set()
        """Canonical bytes of every punch that was in a verified slice."""
        self.ever: Counter[bytes] = Counter()
        """How often the log ever got a record with these canonical bytes."""
        self.sure = True
        """Whether nothing was changed since the last whole reading that only another one can see."""
        self.now = datetime(2026, 10, 25, 0, 40)

    @initialize(when_full=st.sampled_from(["stop", "drop", "overwrite"]), inline=st.sampled_from([0, 400]))
    def set_up(self, when_full: str, inline: int) -> None:
        """Put the terminal up; its tables are sent inline, or in slices."""
        model = Model(
            layout=self.layout,
            serial=SERIAL,
            capacity=self.capacity,
            when_full=when_full,  # type: ignore[arg-type]
            inline_limit=inline,
        )
        users = [EnrolledUser(uid, user) for uid, user in enumerate(USERS, 1)]
        self.terminal = Terminal(model, users=users)
        append = self.terminal.append

        def counted(row: bytes) -> bool:
            taken = append(row)
            self.ever.update(self.canonical([row]) if taken else ())
            return taken

        self.terminal.append = counted  # type: ignore[method-assign]
        self.address = self.stack.enter_context(serve(self.terminal))

    @rule(
        user=st.sampled_from(USERS), state=st.integers(0, 1), step=st.integers(0, 2), times=st.integers(1, 12)
    )
    def punch(self, user: str, state: int, step: int, times: int) -> None:
        """People punch; several in a second, and exact repeats, included."""
        for _ in range(times):
            self.now += timedelta(seconds=step)
            self.terminal.punch(user, self.now, 1, state)

    @rule(jump=st.sampled_from([-5 * 366 * 86400, -3600, 3600, 86400 * 40]))
    def clock_jumps(self, jump: int) -> None:
        """Set the terminal's clock, back by years or forward."""
        self.now = max(datetime(2000, 1, 1), self.now + timedelta(seconds=jump))

    @rule()
    def clock_restarts(self) -> None:
        """Let the clock restart where it does after power was lost."""
        self.now = datetime(2000, 1, 1)

    @rule()
    def clear(self) -> None:
        """Clear the log behind our back."""
        self.terminal.clear()

    @precondition(lambda self: self.terminal.log)
    @rule(data=st.data())
    def rewrite(self, data: st.DataObject) -> None:
        """Change a record in the middle of the log, where only a whole reading sees it."""
        self.sure = False
        index = data.draw(st.integers(0, len(self.terminal.log) - 1))
        self.terminal.log[index] = self.terminal.log[data.draw(st.integers(0, len(self.terminal.log) - 1))]
        self.ever.update(self.canonical([self.terminal.log[index]]))

    @precondition(lambda self: self.terminal.log)
    @rule(data=st.data())
    def shorten(self, data: st.DataObject) -> None:
        """Take records from the front, as a cyclic delete does."""
        del self.terminal.log[: data.draw(st.integers(1, len(self.terminal.log)))]

    @rule(after=st.integers(16, 2500))
    def breaks_off(self, after: int) -> None:
        """Visit a terminal that reboots in mid-read: what was verified until then is kept."""
        self.terminal.faults = Faults(hang_up_after=after)
        visitor = Visitor(self.journal)
        with suppress(TryLater):
            self.read(visitor)
        self.shown |= set(visitor.shown)
        self.terminal.faults = Faults()
        self.terminal.restart()

    @rule(full=st.booleans())
    def visit(self, full: bool) -> None:
        """Visit the terminal: it is read to the end of its log, and the sum comes out."""
        visitor = Visitor(self.journal)
        reading = self.read(visitor, full=full)
        self.shown |= set(visitor.shown)
        self.sure = self.sure or reading.whole
        assert reading.on_device == len(self.terminal.log)
        assert visitor.tally.records + reading.proved == reading.records
        if reading.whole and not reading.proved:
            assert Counter(visitor.shown) == Counter(self.canonical(self.terminal.log))
        assert reading.whole or not full
        if self.sure:
            self.all_of_it_is_held()

    def all_of_it_is_held(self) -> None:
        """See that the journal holds each record of the log; those with a number, shown twice, are one."""
        assert set(self.canonical(self.terminal.log)) <= set(self.held())

    def read(self, visitor: Visitor, *, full: bool = False) -> Reading:
        """Visit the terminal."""
        target = Target(Address(*self.address), ZONE, timeout=2, visit_limit=20, full=full)
        reading = visit(target, visitor)
        Devices(self.journal).note_reading(SERIAL, reading)
        with self.journal.transaction():
            watermarks.end(self.journal, SERIAL)
        return reading

    def held(self) -> list[bytes]:
        """Return the canonical bytes of every punch in the journal."""
        with inside(self.path) as db:
            return [row[0] for row in db.execute("SELECT bytes FROM form ORDER BY punch")]

    def canonical(self, rows: list[bytes]) -> list[bytes]:
        """Return the canonical bytes of log records."""
        decoded = LAYOUTS[self.layout].decode(b"".join(rows), ANY_SLOT)
        assert not decoded.quarantined
        return [punch.canonical for punch in decoded.punches]

    @invariant()
    def the_journal_holds_all_that_was_shown_once(self) -> None:
        """Each record of a verified slice is in the journal, no more often than it was made; nothing else."""
        held = self.held()
        assert Counter(held) <= self.ever
        assert set(held) == self.shown
        with inside(self.path) as db:
            assert db.execute("SELECT count(*), count(DISTINCT id) FROM punch").fetchone() == (len(held),) * 2
        assert self.outbox.counts().difference == 0

    def teardown(self) -> None:
        """Take everything down."""
        self.stack.close()


class SiteOfSlots(Site):
    """The same with 8-byte records, which may be equal to the byte and need the user table."""

    layout = 8

    def all_of_it_is_held(self) -> None:
        """See that the journal holds each record of the log, as often as the log does."""
        assert Counter(self.canonical(self.terminal.log)) <= Counter(self.held())

    @rule(user=st.sampled_from(USERS), times=st.integers(2, 20))
    def punch_in_a_frozen_second(self, user: str, times: int) -> None:
        """Let the same person punch in the same second, over and over."""
        for _ in range(times):
            self.terminal.punch(user, self.now)


# --- by hand ---


@pytest.fixture(params=[Site, SiteOfSlots])
def site_of_fifty(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give a terminal with 50 records, whose records carry a number or not, and which was never visited."""
    site: Site = request.param()
    site.set_up(when_full="stop", inline=0)
    for user in USERS:
        site.punch(user=user, state=0, step=1, times=16)
    site.punch(user="1", state=1, step=1, times=2)
    yield site
    site.teardown()


def test_a_whole_reading_over_two_visits_proves_nothing(site_of_fifty: Site) -> None:
    """Where an old log is read again from its beginning, and breaks off, what stands behind is not new."""
    site = site_of_fifty
    site.visit(full=False)
    del site.terminal.log[:10]
    site.breaks_off(after={40: 1300, 8: 1100}[site.layout])
    known = Visitor(site.journal).identify(SERIAL)
    assert known is not None
    assert 0 < known.count < 40
    site.visit(full=False)
    site.the_journal_holds_all_that_was_shown_once()
    assert len(site.held()) == 50


def test_a_first_reading_over_two_visits_counts_again(site_of_fifty: Site) -> None:
    """Equal records on both sides of the place where a reading broke off are a punch each, if unnumbered."""
    site = site_of_fifty
    site.terminal.log[-10:] = site.terminal.log[:10]
    site.ever.update(site.canonical(site.terminal.log[:10]))
    site.breaks_off(after={40: 1300, 8: 1100}[site.layout])
    assert 10 < len(site.held()) < 40
    for full in (False, True):
        site.visit(full=full)
        site.the_journal_holds_all_that_was_shown_once()
        assert len(site.held()) == (50 if site.layout == 8 else 40)


def test_what_follows_a_reading_to_the_end_is_new(site_of_fifty: Site) -> None:
    """Equal records behind a log that was read to its end are a punch each, also over two visits."""
    site = site_of_fifty
    site.terminal.log = site.terminal.log[:30]
    site.visit(full=False)
    for row in site.terminal.log[:20]:
        site.terminal.append(row)
    site.breaks_off(after={40: 1300, 8: 900}[site.layout])
    assert 30 < len(site.held()) < 50
    site.visit(full=False)
    assert len(site.held()) == 50


QUICK = settings(
    max_examples=examples(40), stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSite = Site.TestCase
TestSite.settings = QUICK
TestSiteOfSlots = SiteOfSlots.TestCase
TestSiteOfSlots.settings = QUICK
