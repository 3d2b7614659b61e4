"""Terminals to clear, somebody who keeps their records, and what must hold whatever went wrong."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.pull.devices import TIMEOUT, login, target, terminal_of
from zkpoll.errors import ZkpollError
from zkpoll.model.fate import Fate
from zkpoll.pull.clearing import Cleared, clear_log
from zkpoll.simulator import Command, Faults, Instead, Terminal, cut, never, refuse, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _pytest.mark import ParameterSet

    from zkpoll.model.log import Slice, Watermark
    from zkpoll.simulator import Transport
    from zkpoll.simulator.terminal import Handler

QUICK: Final = 0.1
"""Seconds of silence allowed where many clearings are harmed one after the other."""
SOME: Final = 60
"""Records of a log that does not come at once."""
_AT_ONCE: Final = 6
LATER: Final = datetime(2026, 12, 1, 8)
"""When nobody has punched in the sample logs."""
STILL_THERE: Final = {
    Fate.UNSETTLED,
    Fate.CHANGED,
    Fate.DISABLE_IGNORED,
    Fate.CLEAR_IGNORED,
    Fate.NOT_CLEARED,
}
"""Outcomes that promise that nothing was cleared."""


@dataclass
class Keeping:
    """Keeps what it was given before, and copies; remembers what it was told, and raises where it is to."""

    settled: set[bytes] = field(default_factory=set)
    """Canonical bytes of the records that may leave the device."""
    known: Watermark | None = None
    raises: dict[str, BaseException] = field(default_factory=dict)
    """What each method raises instead of doing its work."""
    told: list[str] = field(default_factory=list)
    copies: list[bytes] = field(default_factory=list)
    intent: bool = False
    """Whether it is written down that the device may be disabled."""
    clear_sent: bool | None = None

    def _note(self, what: str) -> None:
        self.told.append(what)
        if what in self.raises:
            raise self.raises[what]

    def identify(self, serial: str | None) -> Watermark | None:
        """Return what is known."""
        self._note("identify")
        assert serial is None or serial == "CQZ7224760045"
        return self.known

    def refusal(self, piece: Slice) -> str | None:
        """Refuse records that were never settled, and what is no record."""
        self._note("refusal")
        new = {punch.canonical for punch in piece.punches} - self.settled
        if new or piece.quarantined:
            return f"{len(new)} records are not settled, {len(piece.quarantined)} are in quarantine"
        return None

    def keep_copy(self, layout: int, log: bytes, users: Mapping[int, str]) -> None:
        """Keep the copy; slots without users would be worth nothing."""
        self._note("keep_copy")
        assert len(log) % layout == 0
        assert bool(users) == (layout == 8)
        self.copies.append(log)

    def will_disable(self) -> None:
        """Write the intent down."""
        self._note("will_disable")
        self.intent = True

    def check_locks(self) -> None:
        """Prove the locks."""
        self._note("check_locks")

    def enabled(self, *, clear_sent: bool) -> None:
        """Strike the intent out."""
        self._note("enabled")
        self.intent, self.clear_sent = False, clear_sent

    @property
    def kept(self) -> set[bytes]:
        """Every record that is safe with it, in 40 bytes."""
        rows = {log[at : at + 40] for log in self.copies for at in range(0, len(log), 40)}
        return self.settled | rows


class Site:
    """A terminal with 40-byte records and all that it ever stored and showed."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.first = set(terminal.log)
        self.stored = set(terminal.log)
        self.shown: set[bytes] = set()
        self.users = len(terminal.users)
        self.keeper = Keeping(settled=set(terminal.log))
        self._punches = 0
        for command in (Command.PREPARE_BUFFER, Command.ATTLOG_RRQ):
            terminal.handlers[command] = self._showing(terminal.handlers[command])

    def _showing(self, handler: Handler) -> Handler:
        def handle(session: object, request: object) -> object:
            self.shown |= set(self.terminal.log)
            return handler(session, request)  # type: ignore[arg-type]

        return handle  # type: ignore[return-value]

    def punch(self) -> bool:
        """Let somebody punch; say whether the terminal took it."""
        self._punches += 1
        moment = LATER + timedelta(minutes=self._punches)
        taken = self.terminal.punch(self.terminal.users[0].user_id, moment) is not None
        self.stored |= set(self.terminal.log)
        return taken

    def punch_before(self, *turns: int) -> None:
        """Let somebody punch just before each of these commands, counted from 0, arrives."""

        def punch(_command: int) -> None:
            if len(self.terminal.commands) in turns:
                self.punch()

        self.terminal.before_command = punch


class Setup(NamedTuple):
    """One kind of terminal."""

    model: dict[str, object]
    faults: Faults = Faults()

    def site(self, *, ignores_disable: bool = False) -> Site:
        """Return a terminal of this kind."""
        terminal = terminal_of(40, SOME, **self.model)
        terminal.faults = replace(self.faults, ignores_disable=ignores_disable)
        return Site(terminal)


SETUPS: Final = {
    "with room": Setup({}),
    "full": Setup({"capacity": SOME, "when_full": "overwrite"}),
    "counting 0": Setup({}, Faults(sizes_records=0)),
}


class Step(NamedTuple):
    """One command of a clearing: the `turn`-th of its kind, the `place`-th of all."""

    command: int
    turn: int
    place: int


HARMS: Final[dict[str, Callable[[Step], Instead]]] = {
    "cut before": lambda step: cut(step.command, first=step.turn, times=1),
    "cut after": lambda step: cut(step.command, first=step.turn, times=1, carried_out=True),
    "error": lambda step: refuse(step.command, first=step.turn, times=1),
    "error for good": lambda step: refuse(step.command, first=step.turn),
    "not carried out": lambda step: never(step.command, first=step.turn, times=1),
    "never answered": lambda step: never(step.command, first=step.turn),
    "answer lost": lambda step: never(step.command, first=step.turn, carried_out=True),
}
"""What can become of a command, beside what it is for."""
LASTING: Final = {"error for good", "never answered", "answer lost"}


class Came(NamedTuple):
    """What came of a clearing."""

    cleared: Cleared | None
    error: ZkpollError | None


def clear_at(
    address: tuple[str, int],
    keeper: Keeping,
    transport: str = "tcp",
    stopped: Callable[[], bool] = lambda: False,
    timeout: float = TIMEOUT,
    key: int = 0,
    visit_limit: float = 30,
) -> Cleared:
    """Clear the terminal at `address`."""
    where = target(address, transport, timeout=timeout, key=key, visit_limit=visit_limit)
    with login(where, stopped) as session:
        known = keeper.identify(session.serial_number())
        return clear_log(session, timeout, known, keeper)


def clear(
    terminal: Terminal, keeper: Keeping, transport: Transport = "tcp", timeout: float = TIMEOUT, key: int = 0
) -> Cleared:
    """Clear `terminal`."""
    with serve(terminal, transport=transport) as address:
        return clear_at(address, keeper, transport, timeout=timeout, key=key)


def attempt(site: Site, transport: Transport, timeout: float = QUICK) -> Came:
    """Clear the terminal of `site`, and return what came of it, be it one of the device errors."""
    try:
        return Came(clear(site.terminal, site.keeper, transport, timeout=timeout), None)
    except ZkpollError as error:
        return Came(None, error)


def rarely(kinds: Mapping[str, object], often: str) -> list[ParameterSet]:
    """Return the parameters of a test that is run for one kind often, and for the others in the long run."""
    return [
        pytest.param(kind, id=name, marks=() if name == often else pytest.mark.long)
        for name, kind in kinds.items()
    ]


def steps(setup: Setup, transport: Transport) -> list[Step]:
    """Return every command that an unharmed clearing sends, in order."""
    site = setup.site()
    came = attempt(site, transport, timeout=2)
    assert came.cleared is not None
    assert came.cleared.outcome is Fate.CLEARED
    seen: Counter[int] = Counter()
    found = []
    for place, command in enumerate(site.terminal.commands):
        seen[command] += 1
        found.append(Step(command, seen[command], place))
    return found


def at_each(found: list[Step], harm: Callable[[Step], None]) -> None:
    """Call `harm` with each step, side by side: clearings that are harmed spend their time waiting."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(harm, found):
            continue


def check(site: Site, came: Came, where: object, *, may_stay_disabled: bool = False) -> None:
    """Assert that nobody is locked out unawares, that nothing is lost, and that the outcome is true."""
    _check_open(site, came, where, may_stay_disabled)
    _check_kept(site, where)
    _check_true(site, came, where)


def _check_open(site: Site, came: Came, where: object, may_stay_disabled: bool) -> None:
    assert may_stay_disabled or not site.terminal.disabled, where
    assert site.keeper.intent or not site.terminal.disabled, where
    assert site.keeper.intent == (came.cleared is not None and came.cleared.locked), where
    assert site.terminal.disabled or site.punch(), where


def _check_kept(site: Site, where: object) -> None:
    terminal = site.terminal
    assert Command.CLEAR_DATA not in terminal.commands, where
    assert len(terminal.users) == site.users, where
    assert terminal.commands.count(Command.CLEAR_ATTLOG) <= 1, where
    # What lands between the proof and CLEAR, where DISABLE means nothing, nobody can have seen.
    owed = site.shown if terminal.faults.ignores_disable else site.stored
    assert owed <= site.keeper.kept | set(terminal.log), where


def _check_true(site: Site, came: Came, where: object) -> None:
    asked = Command.CLEAR_ATTLOG in site.terminal.commands
    if came.cleared is None:
        assert Command.DISABLEDEVICE not in site.terminal.commands, (where, came.error)
        assert not asked, (where, came.error)
        return
    fate = came.cleared.outcome
    left = site.first & set(site.terminal.log)
    if fate is Fate.CLEARED:
        assert not left, (where, came)
    if fate in STILL_THERE:
        # In a full log that is overwritten in place, new punches take the place of old ones.
        full = site.terminal.model.when_full == "overwrite"
        assert left if full else left == site.first, (where, came)
    assert fate not in {Fate.UNKNOWN, Fate.CLEARED} or asked, (where, came)
    assert (came.cleared.problem is None) == (
        fate in {Fate.CLEARED, Fate.EMPTY} and _nothing_to_add(came.cleared)
    )


def _nothing_to_add(cleared: Cleared) -> bool:
    return not cleared.disable_ignored and not cleared.locked


def stopping(site: Site, place: int, error: BaseException | None = None) -> Callable[[], bool]:
    """Return what says, from the `place`-th command on, that the run was stopped; or raises `error` once."""
    errors = [error] if error else []

    def stopped() -> bool:
        reached = len(site.terminal.commands) > place
        if reached and errors:
            raise errors.pop()
        return reached and error is None

    return stopped
