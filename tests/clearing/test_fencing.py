"""A clearing that loses the journal on its way, and with it the locks of its run: PostgreSQL frees them."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from threading import Event
from typing import TYPE_CHECKING, Self

import psycopg
import pytest

from tests.bridge.relays import Relay
from tests.journal.on_postgres import journal_url
from tests.journal.test_postgres import end_session, through
from tests.site import TOKEN, Site, entry
from zkpoll.errors import JournalError, Stopped
from zkpoll.inventory import load
from zkpoll.journal.clearance import Clearance, intended
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.postgres import PostgresJournal
from zkpoll.model.delivery import Settled
from zkpoll.model.fate import Fate
from zkpoll.simulator import Command, Model, Terminal, serve
from zkpoll.tasks import contact as contacts
from zkpoll.tasks.clear import clear
from zkpoll.tasks.contact import Contacts, contact
from zkpoll.tasks.log_sink import JournalSink
from zkpoll.tasks.visit import visit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import TracebackType

    from zkpoll.tasks.device_outcome import ClearOutcome

SERIAL = "S1"
LOG = 5
GOES_ON = Event().is_set
"""Of a run that nobody stops."""


class Place:
    """A terminal whose log is read, delivered, and may be cleared."""

    def __init__(self, folder: Path, url: str) -> None:
        self.terminal = Terminal.with_samples(LOG, model=Model(serial=SERIAL))
        self.log = list(self.terminal.log)
        self.url = url
        self._folder = folder
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        site = Site(self._folder)
        address = self._exit.enter_context(serve(self.terminal))
        site.write("http://127.0.0.1:9/x", entry("front", address))
        self.device = load(site.inventory, {"TOKEN": TOKEN}).devices[0]
        with PostgresJournal(self.url) as journal:
            JournalOutbox(journal, "main")
        self.read()
        with PostgresJournal(self.url) as journal:
            outbox = JournalOutbox(journal, "main")
            ids = tuple(event.id for event in outbox.next(LOG).events)
            assert len(ids) == LOG
            outbox.settle(Settled(ids), ids)
        self.terminal.commands.clear()
        return self

    def read(self) -> None:
        """Read its log."""
        with PostgresJournal(self.url) as journal:
            means = self._means(journal)
            sink = JournalSink(
                self.device,
                journal,
                means.claims,
                {},
                unknown_logs=self._folder / "unknown",
                announce=lambda: None,
            )
            read = visit(self.device, means, sink)
            assert read
            assert read.problem is None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def clear(self, journal_at: str) -> ClearOutcome:
        """Clear its log, with the journal at a URL."""
        with PostgresJournal(journal_at) as journal:
            return clear(self.device, self._means(journal), self._folder / "copies")

    def meet(self, stopped: Callable[[], bool] = GOES_ON) -> None:
        """Be in contact with it once."""
        with (
            PostgresJournal(self.url) as journal,
            contact(self._means(journal, stopped), self.device) as (session, guard),
        ):
            guard.ask(session)

    def _means(self, journal: PostgresJournal, stopped: Callable[[], bool] = GOES_ON) -> Contacts:
        return Contacts(journal, stopped, writes=True)

    @property
    def intended(self) -> bool:
        """Whether the journal has an intent for it."""
        with PostgresJournal(self.url) as journal:
            return intended(journal, SERIAL)

    def intend(self, seconds_ago: float) -> None:
        """Put an intent into the journal, as a run has left it."""
        with PostgresJournal(self.url) as journal:
            Clearance(journal, SERIAL).intend()
        self.age(seconds_ago)

    def age(self, seconds_ago: float) -> None:
        """Let the intent be so old."""
        with closing(psycopg.connect(self.url, autocommit=True)) as db:
            db.execute(
                "UPDATE zkpoll.intent SET since = to_char(clock_timestamp() AT TIME ZONE 'UTC'"
                ' - make_interval(secs => %s), \'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"\')',
                [seconds_ago],
            )

    def is_cleared_after_all(self) -> bool:
        """Say whether another run, later, finds all as it was, and clears the log."""
        self.age(100)
        assert self.terminal.log == self.log
        self.read()
        cleared = self.clear(self.url)
        return (cleared.fate, self.terminal.disabled, self.intended) == (Fate.CLEARED, False, False)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Return a terminal, and a journal of its own."""
    with journal_url() as url, Place(tmp_path, url) as place:
        yield place


def test_a_session_that_ends_before_disable(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the intent and DISABLE: neither it nor anything else is sent."""
    intend = Clearance.intend

    def and_end(clearance: Clearance) -> None:
        intend(clearance)
        end_session(place.url)

    with monkeypatch.context() as patch:
        patch.setattr(Clearance, "intend", and_end)
        with pytest.raises(JournalError, match="is not reachable"):
            place.clear(place.url)
    assert not {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG, Command.ENABLEDEVICE} & set(
        place.terminal.commands
    )
    assert place.intended
    assert place.is_cleared_after_all()


def test_a_session_that_ends_before_clear(place: Place) -> None:
    """While it is disabled: it is not cleared, and enabled at once; the intent stays for the next run."""

    def end(command: int) -> None:
        if command == Command.DISABLEDEVICE:
            end_session(place.url)

    place.terminal.before_command = end
    with pytest.raises(JournalError, match="is not reachable"):
        place.clear(place.url)
    place.terminal.before_command = None
    assert Command.DISABLEDEVICE in place.terminal.commands
    assert Command.CLEAR_ATTLOG not in place.terminal.commands
    assert not place.terminal.disabled
    assert place.intended
    assert place.is_cleared_after_all()


def test_a_server_that_falls_silent_while_it_is_disabled(place: Place) -> None:
    """It is asked for two seconds, and then the terminal is enabled: nobody waits for the server."""
    disabled: list[float] = []
    with through(place.url, Relay) as (relay, url):

        def freeze(command: int) -> None:
            if command == Command.DISABLEDEVICE:
                disabled.append(time.monotonic())
                relay.mute()
            if command == Command.ENABLEDEVICE:
                disabled.append(time.monotonic())

        place.terminal.before_command = freeze
        with pytest.raises(JournalError, match="is not reachable"):
            place.clear(url)
        place.terminal.before_command = None
    assert Command.CLEAR_ATTLOG not in place.terminal.commands
    assert not place.terminal.disabled
    assert 2 <= disabled[1] - disabled[0] < 6
    assert place.is_cleared_after_all()


# --- those that come after ---


def test_a_young_intent_is_waited_for(place: Place) -> None:
    """Whoever lost its locks may be at it for a minute: no other run even logs in before."""
    place.intend(seconds_ago=contacts._AT_WORK - 2)
    place.terminal.disabled = True
    began = time.monotonic()
    place.meet()
    assert 1 < time.monotonic() - began < 15
    assert not place.terminal.disabled
    assert not place.intended


def test_an_old_intent_is_not_waited_for(place: Place) -> None:
    """Nor one of a server whose clock has gone back, for longer than a minute."""
    place.intend(seconds_ago=contacts._AT_WORK)
    began = time.monotonic()
    place.meet()
    assert time.monotonic() - began < 10
    assert not place.intended


@pytest.mark.parametrize("seconds_ago", [0, -100_000])
def test_a_wait_for_an_intent_ends_with_the_run(place: Place, seconds_ago: float) -> None:
    """A run that is stopped meanwhile leaves the terminal alone."""
    place.intend(seconds_ago)
    with pytest.raises(Stopped):
        place.meet(lambda: True)
    assert not place.terminal.commands
    assert place.intended
