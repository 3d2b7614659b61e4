"""Hundreds of single-seat terminals in one process, and people who punch at them all the time.

A terminal tells when two were at it at once: it has one seat, refuses the second, and notes whom it refused.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from tests.crash.test_two_hosts import shown
from zkpoll.simulator import Command, Faults, Model, Terminal, serve
from zkpoll.simulator.samples import sample_users

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from zkpoll.simulator import ClientSession, Listening, WireFrame

_BEGIN: Final = datetime(2026, 11, 22, 6)
_STEP: Final = timedelta(seconds=2)
"""Between two punches at a terminal, by its clock: no two of a person are in one second."""


@dataclass(frozen=True)
class Refused:
    """A client that found the seat of a terminal taken."""

    serial: str
    seated_at: float
    """When the other one sat down, by `time.monotonic`."""
    at: float
    """When this one was refused."""


@dataclass
class Watched:
    """A terminal, and what is noted of who comes to it."""

    serial: str
    terminal: Terminal
    refused: list[Refused] = field(default_factory=list)
    disabled_for: list[float] = field(default_factory=list)
    """Seconds of each time that it took no punches."""
    seated_at: float = 0.0
    disabled_at: float | None = None
    clock: datetime = _BEGIN

    def __post_init__(self) -> None:
        """Look over the shoulder of the handlers that count."""
        handlers = self.terminal.handlers
        self._connect, self._enable = handlers[Command.CONNECT], handlers[Command.ENABLEDEVICE]
        self._disable = handlers[Command.DISABLEDEVICE]
        handlers[Command.CONNECT] = self._on_connect
        handlers[Command.ENABLEDEVICE] = self._on_enable
        handlers[Command.DISABLEDEVICE] = self._on_disable

    def punch(self, dice: random.Random) -> bool:
        """Let somebody punch; return whether the terminal took it."""
        self.clock += _STEP
        return self.terminal.punch(dice.choice(self.terminal.users).user_id, self.clock) is not None

    def _on_connect(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        answer = self._connect(session, request)
        if answer:
            self.seated_at = time.monotonic()
        else:
            self.refused.append(Refused(self.serial, self.seated_at, time.monotonic()))
        return answer

    def _on_disable(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.disabled_at = self.disabled_at or time.monotonic()
        return self._disable(session, request)

    def _on_enable(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if self.disabled_at is not None:
            self.disabled_for.append(time.monotonic() - self.disabled_at)
            self.disabled_at = None
        return self._enable(session, request)


class Crowd:
    """Terminals that answer on loopback, as long as the `with` block lasts."""

    def __init__(self, count: int, *, records: int = 0, delay: float = 0.0) -> None:
        """`records` are in each log at the beginning; `delay` is in seconds, before each answer."""
        self.watched: dict[str, Watched] = {}
        """By serial number."""
        self.places: dict[str, Listening] = {}
        self._ends = ExitStack()
        people, dice = sample_users(20), random.Random(count)
        for number in range(count):
            serial = f"T{number:03}"
            terminal = Terminal(Model(serial=serial), Faults(delay=delay), people)
            one = self.watched[serial] = Watched(serial, terminal)
            for _ in range(records):
                one.punch(dice)

    def __enter__(self) -> Self:
        for serial, one in self.watched.items():
            self.places[serial] = self._ends.enter_context(serve(one.terminal))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    @property
    def punched(self) -> set[str]:
        """The ids of all that was ever punched."""
        return shown({serial: one.terminal for serial, one in self.watched.items()})

    @property
    def disabled(self) -> list[str]:
        """The terminals that take no punches now."""
        return [serial for serial, one in self.watched.items() if one.terminal.disabled]

    @property
    def longest_disabled(self) -> float:
        """The most seconds that one took no punches at a stretch."""
        return max((most for one in self.watched.values() for most in one.disabled_for), default=0.0)

    def crowded(self, excuses: Sequence[float] = ()) -> list[Refused]:
        """Return who came to a terminal that another one was at.

        `excuses` are moments at which locks were lost. Who sat down before one, and is there yet, has no
        lock any more: then the next one comes, and only the terminal can refuse it.
        """
        found = [refused for one in self.watched.values() for refused in one.refused]
        return [one for one in found if not any(one.seated_at <= moment <= one.at for moment in excuses)]


class People:
    """A thread in which people punch at a crowd's terminals, as long as the `with` block lasts."""

    def __init__(self, crowd: Crowd, seed: int, pause: float) -> None:
        """`pause` is in seconds, between two punches, on average."""
        self.taken = 0
        """Punches that the terminals took."""
        self._crowd = list(crowd.watched.values())
        self._dice = random.Random(seed)
        self._pause = pause
        self._go_home = threading.Event()
        self._thread = threading.Thread(target=self._punch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._go_home.set()
        self._thread.join()

    def _punch(self) -> None:
        while not self._go_home.wait(self._dice.uniform(0, 2 * self._pause)):
            self.taken += self._dice.choice(self._crowd).punch(self._dice)
