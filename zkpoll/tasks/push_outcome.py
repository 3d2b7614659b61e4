"""How devices that push stand, and the door they call at, as results. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model.report import Notice, Trouble
from zkpoll.wall_clock import TOO_FAR, age

if TYPE_CHECKING:
    from datetime import datetime

    from zkpoll.journal.pushed import PushStanding

SILENT: Final = 3
"""Calls that an idle device leaves out until it counts as silent."""
_LONG_SILENT: Final = timedelta(minutes=15)
"""A silence that a person is told of: a router that restarts, or a terminal, takes some minutes."""


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
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of its trouble; that of its log is the pull door's."""
        return f"push {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention, or None."""
        if silent := self._silent:
            return silent
        standing = self.standing
        if standing is None:
            return None
        if self.too_large:
            text = f"{self.too_large} bodies of over 4 MB or 10,000 lines were refused, and come again"
            return Trouble("too large", f"{text}; please report it")
        if abs(standing.skew or 0) >= TOO_FAR:
            late = f"{round(standing.skew or 0):+d} s"
            text = f"its punches come {late} after the time they tell: its clock or timezone: is wrong"
            return Trouble("clock", text)
        if standing.dialect == "access":
            text = "it speaks the access dialect, for which no real terminal was tried"
            return Trouble("dialect", f"{text}; set T&A PUSH in its menu if it can", once=True)
        return None

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
        return "push door"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while punches are not taken."""
        if self.problem is None:
            return None
        return Trouble("not taken", f"punches are not taken, terminals keep them: {self.problem}")
