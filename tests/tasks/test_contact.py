"""The rule of every contact with a device: enabled first, identified, one failure stays one."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from click.testing import CliRunner

from tests.peers import closed_port
from tests.site import Result, Site, entry
from zkpoll.cli import zkpoll
from zkpoll.journal.clearance import Clearance, maybe_disabled
from zkpoll.journal.opening import lock, open_journal
from zkpoll.pull.session import Session
from zkpoll.simulator import Command, Faults, Model, Terminal, never, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.simulator import Listening, SampleDashboard

OWN, OTHER = "AAA1", "BBB2"


class Caller(NamedTuple):
    """A command that is in contact with devices."""

    words: tuple[str, ...]
    settings: str = "never"
    """The device's `clear:`."""
    contact: int = 1
    """The contact that is looked at, counted from the beginning of the command."""
    strikes: bool = True
    """Whether it writes to the journal."""
    every: bool = True
    """Whether it asks all devices, and not only `front`."""


CALLERS: Final = {
    "visit": Caller(("sync",)),
    "clear": Caller(("sync",), "confirmed", contact=2),
    "ping": Caller(("devices", "ping"), strikes=False),
    "info": Caller(("devices", "info", "front"), strikes=False, every=False),
    "clock": Caller(("devices", "clock"), strikes=False),
    "users": Caller(("users", "export")),
}
EACH: Final = pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
FIRST: Final = pytest.mark.parametrize(
    "caller", [pytest.param(one, id=name) for name, one in CALLERS.items() if one.contact == 1]
)
"""Those whose first contact it is: a device that a visit does not reach is not cleared."""


class Place:
    """A terminal that was read once, and the inventory that names it `front`."""

    def __init__(
        self, site: Site, dashboard: SampleDashboard, terminal: Terminal, address: Listening
    ) -> None:
        self.site = site
        self.terminal = terminal
        self.address = address
        self._url = dashboard.url
        self.write("never")
        assert self.run("sync").code == 0
        terminal.punch(terminal.users[0].user_id, terminal.now())
        terminal.commands.clear()

    def write(self, clear: str, *more: str, timeout: int = 1) -> None:
        """Write the inventory, with other devices behind the first."""
        self.site.write(self._url, entry("front", self.address, clear=clear), *more, timeout=timeout)

    def run(self, *words: str) -> Result:
        """Run zkpoll in this process; a failure that would end it goes up."""
        done = CliRunner().invoke(
            zkpoll,
            [*words, "--config", str(self.site.inventory)],
            env=self.site.environment,
            standalone_mode=False,
        )
        if done.exception:
            raise done.exception
        return Result(int(done.return_value or 0), done.stdout, done.stderr)

    def call(self, caller: Caller, happens: Callable[[], None] = lambda: None) -> Result:
        """Run a command; just before the contact that is looked at begins, something `happens`."""
        connects = 0

        def note(command: int) -> None:
            nonlocal connects
            connects += command == Command.CONNECT
            if command == Command.CONNECT and connects == caller.contact:
                self.terminal.commands.clear()
                happens()

        self.write(caller.settings)
        self.terminal.before_command = note
        try:
            return self.run(*caller.words)
        finally:
            self.terminal.before_command = None

    def left_disabled(self) -> None:
        """Let the terminal be as a run leaves it that is killed in the middle of a clearing."""
        with open_journal(self.site.journal) as journal:
            Clearance(journal, OWN).intend()
        self.terminal.disabled = True

    def exchanged(self) -> None:
        """Let another terminal answer at the address, while the first may be disabled."""
        self.left_disabled()
        self.terminal.model = replace(self.terminal.model, serial=OTHER)

    @property
    def maybe_disabled(self) -> frozenset[str]:
        """The devices that the journal says may be disabled."""
        with open_journal(self.site.journal, writable=False) as journal:
            return maybe_disabled(journal)


@pytest.fixture
def front(site: Site, dashboard: SampleDashboard) -> Iterator[Place]:
    """Give a terminal that was read once."""
    terminal = Terminal.with_samples(5, model=Model(serial=OWN))
    with serve(terminal) as address:
        yield Place(site, dashboard, terminal, address)


# --- people can punch again ---


@EACH
def test_a_device_that_may_be_disabled_is_enabled_first(front: Place, caller: Caller) -> None:
    """Before anything is asked people can punch again; who may write strikes out that they may not."""
    front.call(caller, front.left_disabled)
    assert front.terminal.commands[:2] == [Command.CONNECT, Command.ENABLEDEVICE]
    assert not front.terminal.disabled
    assert front.maybe_disabled == (frozenset() if caller.strikes else {"front"})


@EACH
def test_an_intent_stays_where_another_terminal_answers(front: Place, caller: Caller) -> None:
    """The other one may be enabled; that the device itself may be disabled is known until it is met."""
    front.call(caller, front.exchanged)
    assert front.terminal.commands[:2] == [Command.CONNECT, Command.ENABLEDEVICE]
    assert Command.CLEAR_ATTLOG not in front.terminal.commands
    assert front.maybe_disabled == {"front"}
    told = front.run("sync", "--json").document()
    assert told["maybe_disabled"] == ["front"]
    assert "IT MAY STILL BE DISABLED" in told["troubles"]["device front"]["text"]


@EACH
def test_a_device_that_answers_under_another_name(
    front: Place, caller: Caller, dashboard: SampleDashboard
) -> None:
    """By its serial number it is known, and enabled, wherever it is met; its intent is struck then."""
    with serve(front.terminal) as elsewhere:
        other = Terminal.with_samples(3, model=Model(serial=OTHER))
        with serve(other) as own:
            front.write("never", entry("back", own))
            assert front.run("sync", "--device", "back").code == 0
        front.left_disabled()
        gone = entry("front", front.address, enabled="false")
        front.site.write(dashboard.url, gone, entry("back", elsewhere), timeout=1)
        front.run(*(word.replace("front", "back") for word in caller.words))
    asks = caller.words != ("devices", "clock")  # it asks for no serial number
    assert front.terminal.disabled is not asks
    assert front.maybe_disabled == (frozenset() if asks and caller.strikes else {"front"})
    assert not dashboard.conflicts


def test_a_device_that_was_renamed(front: Place) -> None:
    """A name that the journal does not know yet is no reason to leave its device disabled."""
    front.left_disabled()
    front.site.write("http://127.0.0.1:9/", entry("gate", front.address), timeout=1)
    front.run("sync", "--no-deliver")
    assert not front.terminal.disabled
    assert front.maybe_disabled == frozenset()


def test_a_device_that_is_being_cleared_at_another_address(front: Place) -> None:
    """Who meets it meanwhile does not enable it: a punch could be lost, and the run at it will."""
    told: list[int] = []
    with serve(front.terminal) as elsewhere:
        front.terminal.model = replace(front.terminal.model, seats=3)
        # It answers CLEAR only when a whole other run is through.
        front.write("confirmed", entry("back", elsewhere, enabled="false"), timeout=30)

        def meet(command: int) -> None:
            if command == Command.CLEAR_ATTLOG:
                front.terminal.before_command = None
                told.append(front.site.sync("--device", "back", "--no-deliver").code)
                assert front.terminal.disabled

        front.terminal.before_command = meet
        assert front.run("sync").code == 0
    assert told
    assert not front.terminal.log
    assert not front.terminal.disabled
    assert front.maybe_disabled == frozenset()


@EACH
def test_a_device_that_no_run_disabled_is_not_enabled(front: Place, caller: Caller) -> None:
    """Without an intent nothing is sent that changes a terminal."""
    front.call(caller)
    first = front.terminal.commands[:2]
    assert first[0] == Command.CONNECT
    assert first[1] != Command.ENABLEDEVICE


@EACH
def test_a_device_that_cannot_be_enabled_fails(front: Place, caller: Caller) -> None:
    """A device that does not answer ENABLE is not asked as if nothing were wrong, and the intent stays."""

    def happens() -> None:
        front.left_disabled()
        front.terminal.faults = Faults(instead=(never(Command.ENABLEDEVICE),))

    assert front.call(caller, happens).code == 1
    assert front.terminal.commands == [Command.CONNECT, Command.ENABLEDEVICE, Command.EXIT]
    assert front.maybe_disabled == {"front"}


# --- one failure stays one ---


@EACH
def test_a_bug_at_one_device(
    front: Place, caller: Caller, monkeypatch: pytest.MonkeyPatch, dashboard: SampleDashboard
) -> None:
    """It is one failure, of its kind, and the code says bug; the others are asked and shown."""
    connect, port, connects = Session.connect, front.address.port, 0

    def fails(session: Session) -> Session:
        nonlocal connects
        connects += session.address.port == port
        if session.address.port == port and connects == caller.contact:
            raise ZeroDivisionError
        return connect(session)

    others = [Terminal.with_samples(3, model=Model(serial=f"O{number}")) for number in range(2)]
    with ExitStack() as stack:
        entries = [entry(str(one.model.serial), stack.enter_context(serve(one))) for one in others]
        front.write(caller.settings, *entries)
        monkeypatch.setattr(Session, "connect", fails)
        told = front.run(*caller.words)
    assert told.code == 70
    said = told.out + told.err
    assert said.count("zkpoll itself failed here (ZeroDivisionError); please report it") == 1
    if caller.every:
        assert [one.connections for one in others] == [1, 1]
    if caller.words == ("sync",):
        assert len(dashboard.events) >= 6
    elif caller.every:
        assert all(re.search(rf"^{one.model.serial}\b", said, re.MULTILINE) for one in others)


@FIRST
def test_a_device_that_another_run_is_at(front: Place, caller: Caller) -> None:
    """It is left to that one: nothing is sent to it."""
    with lock(front.site.journal, f"device {front.address.host}:{front.address.port}"):
        told = front.run(*caller.words)
    assert told.code == 75
    assert not front.terminal.commands
    assert caller.words == ("sync",) or "another run is at it" in told.out + told.err


@FIRST
def test_a_device_that_is_away(front: Place, caller: Caller) -> None:
    """Where none of those asked for is reached, the code says so."""
    with closed_port() as away:
        front.address = type(front.address)(*away)
        front.write(caller.settings)
        assert front.run(*caller.words).code == 69
