"""The stages of a run, in process: who waits for whom, and what one failure does to the others."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.peers import closed_port
from tests.site import TOKEN, Site, entry
from zkpoll.errors import ExitCode, JournalError, Stopped
from zkpoll.inventory import Inventory, load
from zkpoll.journal import sqlite
from zkpoll.journal.opening import open_journal
from zkpoll.model.punch import punch_id
from zkpoll.pull.host_clock import synchronised
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.session import Session
from zkpoll.pull.set_clock import correct
from zkpoll.simulator import Command, Faults, Model, Terminal, serve
from zkpoll.sync import sync
from zkpoll.tasks.run import Observer, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.simulator import SampleDashboard

SOON = 10.0
"""Seconds that a loaded machine may need for what takes moments."""
DHAKA = ZoneInfo("Asia/Dhaka")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """See that every thread of a run has ended with it."""
    yield
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("device", "dashboard"))]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Give what ends with the test."""
    with ExitStack() as opened:
        yield opened


def terminal(serial: str, records: int = 5, faults: Faults | None = None) -> Terminal:
    """Return a terminal with this serial number."""
    return Terminal.with_samples(records, model=Model(serial=serial), faults=faults)


def inventory(site: Site, *entries: str, url: str, parallel: int = 16, timeout: float = SOON) -> Inventory:
    """Return an inventory, as a run loads it."""
    site.write(url, *entries, more=f"parallel: {parallel}\n", timeout=timeout)
    return load(site.inventory, {"TOKEN": TOKEN})


def ids_of(*terminals: Terminal) -> set[str]:
    """Return the ids of every punch that these terminals took."""
    return {
        punch_id(str(one.model.serial), record.user_id, record.time.isoformat())
        for one in terminals
        for record in one.history
    }


# --- in parallel ---


class Gauge:
    """Counts how many terminals are being visited at the same time."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, command: int) -> None:
        """Take note of a command that a terminal got."""
        with self._lock:
            self._now += (command == Command.CONNECT) - (command == Command.EXIT)
            self.most = max(self.most, self._now)


def test_one_after_another(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """With `parallel: 1` a device is visited when the one before it has been left."""
    gauge = Gauge()
    terminals = [terminal(f"S{number}", faults=Faults(delay=0.002)) for number in range(4)]
    for one in terminals:
        one.before_command = gauge
    entries = [entry(str(one.model.serial), stack.enter_context(serve(one))) for one in terminals]
    outcome = sync(inventory(site, *entries, url=dashboard.url, parallel=1))
    assert outcome.exit_code is ExitCode.OK
    assert gauge.most == 1
    assert dashboard.events.keys() == ids_of(*terminals)


def test_all_at_once(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """With `parallel: 4` four devices are visited at the same time."""
    together = threading.Barrier(4)
    terminals = [terminal(f"S{number}") for number in range(4)]

    def meet(command: int) -> None:
        if command == Command.CONNECT:
            together.wait(SOON)

    for one in terminals:
        one.before_command = meet
    entries = [entry(str(one.model.serial), stack.enter_context(serve(one))) for one in terminals]
    outcome = sync(inventory(site, *entries, url=dashboard.url, parallel=4))
    assert outcome.exit_code is ExitCode.OK
    assert not together.broken
    assert [device.name for device in outcome.devices] == ["S0", "S1", "S2", "S3"]
    assert dashboard.events.keys() == ids_of(*terminals)


# --- one failure stays one failure ---


def fails_at(name: str) -> Callable[[str, int], None]:
    """Return an observer's function that fails when it is called for `name`."""

    def fail(subject: str, _number: int) -> None:
        if subject == name:
            raise ZeroDivisionError

    return fail


def test_a_bug_in_one_visit(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """A bug that one device meets is that device's failure; the others are read, and the code says bug."""
    a, b = terminal("A"), terminal("B")
    entries = [entry("a", stack.enter_context(serve(a))), entry("b", stack.enter_context(serve(b)))]
    settings = inventory(site, *entries, url=dashboard.url)
    outcome = sync(settings, observer=Observer(records_read=fails_at("a")))
    assert outcome.exit_code is ExitCode.BUG
    bad, good = outcome.devices
    assert bad.kind == "bug"
    assert "please report it" in str(bad.problem)
    assert "ZeroDivisionError" in str(bad.problem)
    assert good.trouble is None
    assert ids_of(b) <= dashboard.events.keys()
    assert sync(settings).exit_code is ExitCode.OK
    assert dashboard.events.keys() == ids_of(a, b)
    assert dashboard.duplicates == 0


def test_a_bug_in_one_delivery(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """A bug in a delivery leaves the reading done, and what was confirmed confirmed."""
    one = terminal("A")
    settings = inventory(site, entry("a", stack.enter_context(serve(one))), url=dashboard.url)
    outcome = sync(settings, observer=Observer(delivered=fails_at("dashboard")))
    assert outcome.exit_code is ExitCode.BUG
    assert outcome.devices[0].trouble is None
    assert outcome.deliveries[0].kind == "bug"
    assert outcome.deliveries[0].counts.confirmed == 5
    assert sync(settings).exit_code is ExitCode.OK
    assert dashboard.events.keys() == ids_of(one)
    assert dashboard.duplicates == 0


def test_what_was_pending_goes_out_while_all_devices_are_off(site: Site, dashboard: SampleDashboard) -> None:
    """A run that reaches no device delivers what the journal holds."""
    one = terminal("A")
    with serve(one) as address:
        settings = inventory(site, entry("a", address), url=dashboard.url)
        sync(settings, Options(deliver=False))
    with closed_port() as down, closed_port() as gone:
        outcome = sync(inventory(site, entry("a", down), entry("b", gone), url=dashboard.url))
    assert [device.kind for device in outcome.devices] == ["unreachable", "unreachable"]
    assert outcome.exit_code is ExitCode.ATTENTION
    assert outcome.deliveries[0].confirmed == 5
    assert dashboard.events.keys() == ids_of(one)


# --- what stops a run ---


def test_a_journal_that_another_program_holds(
    site: Site, dashboard: SampleDashboard, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal that cannot be written in mid-run ends the run at once, silent devices or not."""
    monkeypatch.setattr(sqlite, "WAIT", 0.2)
    with open_journal(site.journal):
        pass
    other = stack.enter_context(
        closing(sqlite3.connect(site.journal, isolation_level=None, check_same_thread=False))
    )
    one = terminal("A")

    def lock(command: int) -> None:
        if command == Command.PREPARE_BUFFER and not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")

    one.before_command = lock
    mute = stack.enter_context(serve(Terminal(faults=Faults(mute=True))))
    address = stack.enter_context(serve(one))
    settings = inventory(site, entry("a", address), entry("b", mute), url=dashboard.url, timeout=60)
    began = time.monotonic()
    with pytest.raises(JournalError, match="locked by another program"):
        sync(settings)
    assert time.monotonic() - began < SOON
    assert not dashboard.events
    other.execute("ROLLBACK")
    one.before_command = None
    one.restart()
    settings = inventory(site, entry("a", address), url=dashboard.url)
    assert sync(settings).exit_code is ExitCode.OK
    assert dashboard.events.keys() == ids_of(one)


def test_a_run_that_is_stopped(site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
    """A run that is told to stop ends at once, with those devices too whose turn had not come."""
    mutes = [Terminal(faults=Faults(mute=True)) for _ in range(3)]
    entries = [entry(f"m{number}", stack.enter_context(serve(one))) for number, one in enumerate(mutes)]
    settings = inventory(site, *entries, url=dashboard.url, parallel=1, timeout=60)
    stop = threading.Event()
    mutes[0].before_command = lambda _command: stop.set()
    began = time.monotonic()
    with pytest.raises(Stopped):
        sync(settings, stop=stop)
    assert time.monotonic() - began < SOON
    assert mutes[1].connections == mutes[2].connections == 0


# --- setting a clock ---


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        (timedelta(seconds=90), None),
        (timedelta(seconds=-90), None),
        (timedelta(hours=3), "it is off by 3 h"),
        (timedelta(seconds=20), "within 30 s"),
    ],
)
def test_setting_a_clock_with_what_the_host_says(ahead: timedelta, reason: str | None) -> None:
    """A clock is set to the zone's time where this host can be trusted, and otherwise left as it is."""
    one = Terminal()
    one.set_clock(datetime.now(DHAKA).replace(tzinfo=None) + ahead)
    before = one.now()
    with serve(one) as address, Session(Address(*address), limits=Limits(SOON, 60, lambda: False)) as session:
        told = correct(session, DHAKA, ahead.total_seconds(), 30, None)
        off = abs(one.now() - datetime.now(DHAKA).replace(tzinfo=None))
    if synchronised() is not True and ahead != timedelta(seconds=20):
        assert told is not None
        assert "this host's clock is" in told
    elif reason:
        assert told is not None
        assert told.startswith(reason)
    else:
        assert told is None
    assert (Command.SET_TIME in one.commands) is (told is None)
    assert (off < timedelta(seconds=SOON)) is (told is None)
    assert told is None or timedelta(0) <= one.now() - before < timedelta(seconds=60)


@pytest.mark.skipif(synchronised() is not True, reason="this host's clock is not synchronised")
def test_a_journal_from_the_future() -> None:
    """A host that is behind its journal's newest run sets no clock."""
    with serve(Terminal()) as address, Session(Address(*address), limits=Limits(SOON, 60)) as session:
        told = correct(session, DHAKA, 90, 30, datetime.now(UTC) + timedelta(hours=1))
    assert told == "this host's clock is behind the journal's newest run"
