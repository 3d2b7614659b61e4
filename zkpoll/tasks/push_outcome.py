"""How devices that push stand, and the door they call at, as results. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model.report import Notice, Trouble
from zkpoll.wall_clock import age, clock_fault, is_off

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from zkpoll.journal.pushed import PushStanding

PUSH: Final = "push "
"""The beginning of every subject of the push door; no other run tells of these."""
WRITTEN_EVERY: Final = timedelta(minutes=1)
"""How often what calls tell is written; the first time at once, so that a person at the terminal sees it."""
SILENT: Final = 3
"""Calls that an idle device leaves out until it counts as silent."""
_LONG_SILENT: Final = timedelta(minutes=15)
"""A silence that a person is told of: a router that restarts, or a terminal, takes some minutes."""
_MAY_WAIT: Final = 600.0
"""Seconds that half of the last punches may have waited in a terminal before they came."""
_COMES_AGAIN: Final = timedelta(hours=1)
"""A body that was refused comes again within minutes; one that stays away for longer is none any more."""


def is_silent(last_call_at: datetime, now: datetime, poll_every: int) -> bool:
    """Say whether a device leaves out its calls, every `poll_every` seconds, by the last one written down."""
    return age(last_call_at, now) > timedelta(seconds=SILENT * poll_every) + WRITTEN_EVERY


@dataclass(frozen=True, slots=True)
class ServeFigures:
    """How `zkpoll serve` does at a moment, as figures."""

    problem: str | None
    """Why punches are not taken, in one sentence."""
    waiting_bodies: int
    """Bodies that wait to be journalled."""
    connections: int
    punches: Mapping[str, int]
    """New punches since it began, by device."""


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """How one device that pushes stands."""

    name: str
    standing: PushStanding | None
    """None while it never called."""
    now: datetime
    since: datetime
    """Since when it could have called."""
    poll_every: int
    """Seconds."""
    too_large: int = 0
    """Bodies that were refused for their size."""
    too_large_at: datetime | None = None
    """When the last of them came."""
    failed: int = 0
    """Calls that `serve` could not answer, by a fault of its own."""
    failed_at: datetime | None = None
    """When the last of them came."""
    warn_clock: float | None = 120.0
    """Seconds that its clock may be off; None for any."""
    timezone: str = ""
    """That of its clock, by the inventory."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of its trouble; that of its log is the pull door's."""
        return f"{PUSH}{self.name}"

    @property
    def is_open(self) -> bool:
        """Whether nobody can know yet how it stands: it has not called, and may still do so in good time."""
        return not self._has_called and not self._silent

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention, or None."""
        if silent := self._silent:
            return silent
        standing = self.standing
        if standing is None:
            return None
        if standing.is_stranger:
            return Trouble(
                "another terminal",
                f"another terminal calls in its name, serial number {standing.serial_number}; its punches are"
                f" kept, and not delivered. Put serial: right, or run `zkpoll devices accept {self.name}`",
            )
        if self._comes_again(self.too_large_at):
            text = "a body of over 4 MB or 10,000 lines was refused"
            text += f" {_times(self.too_large)}, and its punches do not come in; please report it"
            return Trouble("too large", text)
        if self._comes_again(self.failed_at):
            text = f"a call of it failed here {_times(self.failed)}, and what it brought did not come in"
            more = "this is a bug, please report it, with what `zkpoll serve -v` says"
            return Trouble("failed", f"{text}; {more}")
        ahead = -(standing.skew or 0)
        # A punch may wait in the terminal, where the line is bad; none comes before it is made.
        limit = self.warn_clock and (self.warn_clock if ahead > 0 else max(self.warn_clock, _MAY_WAIT))
        if is_off(ahead, limit):
            return Trouble("clock", f"its clock is {clock_fault(ahead, limit, self.timezone)}")
        return None

    def _comes_again(self, at: datetime | None) -> bool:
        return at is not None and age(at, self.now) < _COMES_AGAIN

    @property
    def _has_called(self) -> bool:
        return self.standing is not None and self.standing.last_call_at >= self.since

    @property
    def _silent(self) -> Trouble | None:
        if self.standing is None:
            if age(self.since, self.now) < _LONG_SILENT:
                return None
            return Trouble(
                "never called", "it has never called; `zkpoll devices pending` shows who was refused"
            )
        last = max(self.standing.last_call_at, self.since)
        if age(last, self.now) < max(_LONG_SILENT, timedelta(seconds=SILENT * self.poll_every)):
            return None
        return Trouble("silent", f"it has not called since {self.standing.last_call_at:%Y-%m-%d %H:%MZ}")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


@dataclass(frozen=True, slots=True)
class DialectOutcome:
    """The dialect of a device that pushes; a subject of its own, as it stays while troubles come and go."""

    name: str
    dialect: str | None
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of the advice."""
        return f"{PUSH}dialect of {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The advice, told once."""
        if self.dialect != "access":
            return None
        text = "it is that of access control (3.x), for which no real terminal was tried"
        return Trouble("dialect", f"{text}; set T&A PUSH in its menu if it can", once=True)


@dataclass(frozen=True, slots=True)
class ListenerOutcome:
    """How the push door itself stands."""

    problem: str | None = None
    """Why punches are not taken, in one sentence."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The door."""
        return f"{PUSH}door"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while punches are not taken."""
        if self.problem is None:
            return None
        return Trouble("not taken", f"punches are not taken, terminals keep them: {self.problem}")
