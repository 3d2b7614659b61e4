"""A terminal looked at step by step: its login, and its account of itself.

The login is the one that visits make, on the one connection that most units take, and alone decides. Only
where it fails is a second look taken: at the bytes that do come back there, or over the other transport.
Nothing on the terminal is changed.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from zkpoll import wall_clock
from zkpoll.errors import (
    HungUp,
    NotATerminal,
    NothingLaidOut,
    StopRun,
    TryLater,
    Unreachable,
    WrongChecksums,
    WrongKey,
    WrongSerial,
    ZkpollError,
)
from zkpoll.model.fullness import fullness
from zkpoll.model.step import Step
from zkpoll.pull import codes
from zkpoll.pull.framing import Frame, encode_tcp
from zkpoll.pull.link import Address, Limits, open_link
from zkpoll.pull.reader import check_laid_out
from zkpoll.pull.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.model.fullness import Fullness, WarnAt
    from zkpoll.pull.identity import Identity
    from zkpoll.pull.reader import Target
    from zkpoll.pull.sizes import Sizes

    Hook = Callable[[Session], None]
    Who = Callable[[str | None], Identity]

_SECOND_LOOK: Final = 2.0
"""Seconds for each second look, at most; terminals answer within 0.15 s."""
_FIRST_BYTES: Final = 64
_STRANGERS: Final = (
    (b"HTTP/", "an HTTP server"),
    (b"<", "an HTTP server"),  # very old ones answer with the page alone
    (b"SSH-", "an SSH server"),
    (b"\x15\x03", "a server that speaks TLS"),
    (b"\xaa", "a C3 or inBio panel, which speaks another protocol"),
)
"""Other servers on such a port, by the first bytes they send."""
_DETAILS: Final = {
    "vendor": "~OEMVendor",
    "platform": "~Platform",
    "produced": "~ProductTime",
    "mac": "MAC",
    "algorithm": "~ZKFPVersion",
}

T = TypeVar("T")


class LoginPart(StrEnum):
    """The parts of a login, in order."""

    PORT = "port"
    PROTOCOL = "protocol"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class About:
    """A terminal's account of itself; None where it does not tell."""

    serial_number: str | None = None
    model: str | None = None
    firmware: str | None = None
    users: int | None = None
    user_capacity: int | None = None
    records: int | None = None
    capacity: int | None = None
    """Records its log can hold."""
    clock: datetime | None = None
    """Its wall clock."""
    drift: float | None = None
    """Seconds by which that is ahead."""
    vendor: str | None = None
    platform: str | None = None
    produced: str | None = None
    mac: str | None = None
    algorithm: str | None = None
    """Version of its fingerprint templates."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of looking at a terminal."""

    steps: tuple[Step, ...]
    """As far as it came."""
    about: About | None
    """None when it could not be asked to the end."""
    kind: str | None = None
    """Kind of the error that ended it; None when all was asked."""

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.ok is not False for step in self.steps)

    @property
    def problems(self) -> tuple[str, ...]:
        """The text of each step that failed: the cause and the cure."""
        return tuple(step.text for step in self.steps if step.ok is False)


def diagnose(
    target: Target,
    who: Who,
    *,
    stopped: Callable[[], bool] = lambda: False,
    after_connect: Hook = lambda _session: None,
    details: bool = False,
    lay_out: bool = False,
    per_day: float | None = None,
) -> Diagnosis:
    """Given a device, log in to it and ask for its account of itself; return that, and each step.

    `who` settles whose serial number it tells, `after_connect` is called before anything is asked. With
    `details` it is asked for the rest of `About`, too. With `lay_out` its log is laid out, and dropped: only
    where nothing came of that before. A device that hands out each record once would have none left for the
    next visit. `per_day` is how many punches a day bring to its log, where that is known. Raise only what
    stops the whole run.
    """
    session = Watched(
        target.address, limits=Limits(target.timeout, target.visit_limit, stopped), key=target.key
    )
    steps = _Steps()
    try:
        steps.ask("name", lambda: _resolved(target.address), lambda found: (", ".join(found), True))
        steps.begin(LoginPart.PORT)
        with session:
            steps.done += [_part(session, part) for part in LoginPart]
            steps.begin("enable")
            after_connect(session)
            about = _asked(session, target, who, steps, details=details, lay_out=lay_out, per_day=per_day)
    except StopRun:
        raise
    except ZkpollError as error:
        if steps.name == LoginPart.PORT:
            _login_failed(session, error, steps)
            text = explained(session, error, target.timeout, stopped)  # takes a time of its own
            steps.done[-1] = replace(steps.done[-1], text=text)
        else:
            steps.add(str(error), ok=False)
        return Diagnosis(tuple(steps.done), None, error.kind)
    return Diagnosis(tuple(steps.done), about)


class Watched(Session):
    """A session that notes how far its login came, and how long each part took."""

    def __init__(self, address: Address, *, limits: Limits, key: int = 0) -> None:
        super().__init__(address, limits=limits, key=key)
        self.opened: float | None = None
        """Seconds that the connection took to open; None while it is not."""
        self.answered: dict[int, float] = {}
        """Seconds that the answer took, by command."""
        self.ready = False
        """Whether the login is done."""

    def connect(self) -> Session:
        """Log in as `Session` does."""
        super().connect()
        self.ready = True
        return self

    @property
    def asked_for_key(self) -> bool:
        """Whether the terminal wanted a comm key."""
        return codes.AUTH in self.answered

    def _asked(self, command: int, data: bytes = b"") -> Frame:
        began = time.monotonic()
        reply = super()._asked(command, data)
        self.answered[command] = time.monotonic() - began
        return reply

    def _ZK__create_socket(self) -> None:  # noqa: N802  # the driver's name
        self.opened, began = None, time.monotonic()
        self.answered.clear()
        super()._ZK__create_socket()
        self.opened = time.monotonic() - began


@contextmanager
def logged_in(target: Target, stopped: Callable[[], bool] = lambda: False) -> Iterator[Session]:
    """Give a session with a device. A login that fails is explained as by `diagnose`."""
    session = Watched(
        target.address, limits=Limits(target.timeout, target.visit_limit, stopped), key=target.key
    )
    try:
        with session:
            yield session
    except StopRun:
        raise
    except ZkpollError as error:
        if session.ready:
            raise
        raise type(error)(explained(session, error, target.timeout, stopped)) from error


class _Steps:
    """The steps that are done, and the clock of the one under way."""

    def __init__(self) -> None:
        self.done: list[Step] = []
        self.begin("name")

    def begin(self, name: str) -> None:
        """Begin a step."""
        self.name = name
        self._began = time.monotonic()

    def add(self, text: str, ok: bool | None) -> None:
        """End the step under way."""
        self.done.append(Step(self.name, ok, time.monotonic() - self._began, text))

    def ask(self, name: str, question: Callable[[], T], say: Callable[[T], tuple[str, bool | None]]) -> T:
        """Ask `question` as a step of its own, and return the answer."""
        self.begin(name)
        answer = question()
        self.add(*say(answer))
        return answer


# --- the login ---


def _resolved(address: Address) -> list[str]:
    """Return the addresses of a host. Raise `Unreachable` when it has none."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        text = f"the name {address.host} does not resolve; check host: or the name server"
        raise Unreachable(text) from error
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def _part(session: Watched, part: LoginPart) -> Step:
    """Return a part of a login that is done, as a step."""
    address = session.address
    if part is LoginPart.PORT:
        over_tcp = address.transport == "tcp"
        return Step(part, True, session.opened if over_tcp else None, f"{address.transport} {address.port}")
    if part is LoginPart.PROTOCOL:
        return Step(part, True, session.answered.get(codes.CONNECT), "a terminal answers")
    text = "accepted" if session.asked_for_key else "none is asked for"
    return Step(part, True, session.answered.get(codes.AUTH), text)


def _login_failed(session: Watched, error: ZkpollError, steps: _Steps) -> None:
    """Add the parts of a login that are done, and the one that `error` ended, with its own words."""
    unheard = isinstance(error, Unreachable) and not isinstance(error, WrongChecksums)
    if session.opened is None or (not session.tcp and unheard):
        ended = LoginPart.PORT
    elif session.asked_for_key or isinstance(error, WrongKey):
        ended = LoginPart.KEY
    else:
        ended = LoginPart.PROTOCOL
    steps.name = ended
    steps.add(str(error), ok=False)
    parts = list(LoginPart)
    steps.done[-1:-1] = [_part(session, part) for part in parts[: parts.index(ended)]]


def explained(
    session: Watched, error: ZkpollError, timeout: float, stopped: Callable[[], bool] = lambda: False
) -> str:
    """Given a login that failed, return the cause and the cure, after a second look."""
    address, limits = session.address, Limits(min(timeout, _SECOND_LOOK), 3 * _SECOND_LOOK, stopped)
    if isinstance(error, NotATerminal) and (stranger := stranger_of(first_bytes(address, limits))):
        return f"{address} is {stranger}, and no terminal; check host: and port:"
    if not isinstance(error, Unreachable) or isinstance(error, WrongChecksums):
        return str(error)
    other = "udp" if session.tcp else "tcp"
    answers = speaks(Address(address.host, address.port, other), limits)
    if answers and (session.opened is None or not session.tcp):
        return f"{address} answers on {other.upper()} only: set `transport: {other}`"
    return _unanswered(session, error, other_answers=answers)


def _unanswered(session: Watched, error: Unreachable, *, other_answers: bool) -> str:
    """Return the words for a host that does not speak the protocol over the transport it was asked by."""
    address, cause = session.address, error.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return f"{address} refuses the connection, and nothing answers on UDP; check host: and port:"
    if isinstance(cause, TimeoutError):
        return (
            f"{address} does not answer, nor on UDP: what is sent there is filtered or lost; "
            "is it switched on, on this network, and not behind a firewall?"
        )
    if session.opened is None or not session.tcp:
        return str(error)
    hung_up = isinstance(cause, HungUp)
    what = "hangs up when spoken to" if hung_up else "takes the connection and says nothing"
    menu = "" if hung_up else ", or somebody is in its menu"
    if other_answers:
        return (
            f"{address} {what}, but answers on UDP: it is busy with another client{menu}; "
            "if it is not, set `transport: udp`"
        )
    return (
        f"{address} {what}: it is busy with another client, which must hang up first{menu}, "
        "or no terminal (a C3 panel is silent, and so are some HTTP servers)"
    )


# --- a second look ---


def speaks(address: Address, limits: Limits) -> bool:
    """Say whether a terminal answers one CONNECT at `address`; take leave of it if so."""
    try:
        link = open_link(address, limits)
    except TryLater:
        return False
    try:
        link.send(Frame(codes.CONNECT, 0, 0))
        while (reply := link.receive(limits.silence())).reply_id:
            limits.check()  # a unit that repeats its last frame: that one answers nothing
        if reply.command == codes.CONNECT:
            return False  # an echo
        link.send(Frame(codes.EXIT, reply.session, 1))
        with suppress(TryLater):
            link.receive(limits.silence())
    except TryLater:
        return False
    else:
        return True
    finally:
        link.close()


def first_bytes(address: Address, limits: Limits) -> bytes:
    """Return the first bytes that come back over TCP when CONNECT is sent; none when nothing comes."""
    if address.transport != "tcp":
        return b""
    try:
        with socket.create_connection((address.host, address.port), limits.timeout) as sock:
            sock.sendall(encode_tcp(Frame(codes.CONNECT, 0, 0)))
            return sock.recv(_FIRST_BYTES)
    except OSError:
        return b""


def stranger_of(data: bytes) -> str | None:
    """Given the first bytes that a server sends, return its kind, or None where they do not tell."""
    return next((what for start, what in _STRANGERS if data.startswith(start)), None)


# --- its account of itself ---


def _asked(
    session: Session,
    target: Target,
    who: Who,
    steps: _Steps,
    *,
    details: bool,
    lay_out: bool,
    per_day: float | None,
) -> About:
    """Ask a terminal for its account of itself, a step for each question, and return it."""
    serial = steps.ask("serial", session.serial_number, lambda told: _whose(who, told))
    model = steps.ask("model", lambda: session.option("~DeviceName"), _as_step)
    firmware = steps.ask("firmware", session.firmware, _as_step)
    held = steps.ask("users", session.sizes, _users)
    steps.begin("records")
    why = _not_laid_out(session, held) if lay_out else None
    today = datetime.now(UTC).date()
    log = fullness(held.records, held.capacity, today, per_day) if held else None
    steps.done.append(Step("records", *_records(held, log, why, target.warn_at)))
    clock, drift = steps.ask(
        "clock", lambda: shown_clock(session, target), lambda told: judged(told[1], target)
    )
    return About(
        serial,
        model,
        firmware,
        users=held.users if held else None,
        user_capacity=held.user_capacity if held else None,
        records=held.records if held else None,
        capacity=held.capacity if held else None,
        clock=clock,
        drift=drift,
        **({name: session.option(option) for name, option in _DETAILS.items()} if details else {}),
    )


def _whose(who: Who, serial: str | None) -> tuple[str, bool | None]:
    try:
        found = who(serial)
    except WrongSerial as error:
        return str(error), False
    if found.problem:
        return found.problem, False
    if serial is not None and not found.by_inventory:
        return serial, True
    return f"{serial or 'it tells none'}; {found.key} in the inventory", True


def _as_step(text: str | None) -> tuple[str, bool | None]:
    """Return a terminal's answer in words, and whether it is one."""
    return (text, True) if text else ("it does not tell", None)


def _users(held: Sizes | None) -> tuple[str, bool | None]:
    if held is None:
        return "it does not tell", None
    most = held.user_capacity
    return f"{held.users:,} of {most:,}" if most else f"{held.users:,}", True


def _not_laid_out(session: Session, held: Sizes | None) -> str | None:
    """Return why a log cannot be read although records are counted; None if it can, or nothing tells."""
    try:
        check_laid_out(session, held)
    except NothingLaidOut as error:
        return str(error)
    return None


def _records(
    held: Sizes | None, log: Fullness | None, not_laid_out: str | None, at: WarnAt
) -> tuple[bool | None, None, str]:
    """Return how full a terminal's log is, and whether it can be read, as the rest of a step."""
    if held is None:
        return None, None, "it does not tell"
    text = f"{held.records:,} of {held.capacity:,}, {fill(held.records, held.capacity)}"
    if not_laid_out:
        return False, None, f"{text}: {not_laid_out}"
    if log is None or not log.is_nearly(at):
        return True, None, text
    if log.is_full:
        return False, None, f"{text}: it refuses new punches or overwrites old ones; have its log cleared"
    return False, None, f"{text}{log.when}: nearly full; have its log cleared (docs/clearing.md)"


def shown_clock(session: Session, target: Target) -> tuple[datetime | None, float | None]:
    """Return the time on a terminal's clock, and how many seconds that is ahead; None for no real date."""
    clock = session.time()
    return clock, wall_clock.drift(clock, datetime.now(UTC), target.zone).total_seconds() if clock else None


def judged(drift: float | None, target: Target) -> tuple[str, bool | None]:
    """Given the seconds by which a device's clock is ahead, say so, and whether that is acceptable."""
    limit = target.warn_at.clock
    if drift is None:
        return "it shows no real date", None
    if not wall_clock.is_off(drift, limit):
        return wall_clock.drift_in_words(drift), True
    return wall_clock.clock_fault(drift, limit, str(target.zone)), False


def fill(records: int, capacity: int) -> str:
    """Return how full a log is: `1 %`; less than that is `<1 %`, and only a full one is `100 %`."""
    percent = records * 100 // capacity
    return f"{percent} %" if percent or not records else "<1 %"
