"""Errands: pieces of work that go to workers, and how each stands. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

if TYPE_CHECKING:
    from datetime import datetime

Kind: TypeAlias = Literal["visit", "deliver", "clear"]
State: TypeAlias = Literal["done", "waiting", "under way", "late"]
"""How an errand stands. One that is late counts as neither waiting nor under way."""
WhyLate: TypeAlias = Literal["not sent", "not taken", "not ended"]
"""The last of what should have happened to an errand that is late."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
STATES: Final[tuple[State, ...]] = get_args(State)
AT_MOST: Final[dict[Kind, float]] = {"visit": 900.0, "deliver": 60.0, "clear": 900.0}
"""Seconds that the work itself may take. Of a visit, the inventory may say another limit."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A visit to a device or a database, a delivery to a dashboard, a clearing of a device, if it is due."""

    kind: Kind
    name: str
    """In the inventory."""

    @property
    def subject(self) -> str:
        """Return what names it to people, the journal and the broker, as "visit gate"."""
        return f"{self.kind} {self.name}"

    @classmethod
    def of(cls, subject: str) -> Self:
        """Return the errand that a subject names. Raise `ValueError` for one that names none."""
        word, _, name = subject.partition(" ")
        for kind in KINDS:
            if kind == word and name:
                return cls(kind, name)
        raise ValueError(f"no such errand: {subject!r}")


@dataclass(frozen=True, slots=True)
class Queue:
    """Errands that the same workers take: those of a site, those of no site, or all deliveries."""

    site: str | None = None
    deliveries: bool = False

    @property
    def subject(self) -> str:
        """Return the subject of its trouble."""
        if self.deliveries:
            return "deliveries"
        return "queue of devices without site" if self.site is None else f"queue {self.site}"

    @property
    def command(self) -> str:
        """Return the command of a worker that takes them."""
        if self.deliveries:
            return "zkpoll worker --deliver"
        return "zkpoll worker" if self.site is None else f"zkpoll worker --site {shlex.quote(self.site)}"


@dataclass(frozen=True, slots=True)
class ErrandStanding:
    """How an errand stands. Times are UTC, by the clock of whoever wrote them down."""

    errand: Errand
    sent_at: datetime
    """When it was last claimed, to be sent."""
    until: datetime | None
    """The end of the span in which it was sent: the name of that sending. None: it could not be sent."""
    waits_since: datetime
    """Since when it was not done; of one that was taken and done, when that sending was claimed."""
    taken: datetime | None
    """The sending that was taken last; None where none was."""
    taken_at: datetime | None
    taken_by: str | None
    done_at: datetime | None
    """When that taking ended; None while it has not."""
    outcome: str | None
    """How it ended."""

    @property
    def is_waiting(self) -> bool:
        """Say whether nobody has taken the last sending."""
        return self.until is None or self.taken != self.until

    @property
    def is_under_way(self) -> bool:
        """Say whether somebody took it, and has not ended it; also one who was killed meanwhile."""
        return self.taken_at is not None and self.done_at is None

    @property
    def why_late(self) -> WhyLate:
        """Return what has not happened, if it is late."""
        if self.is_under_way:
            return "not ended"
        return "not sent" if self.until is None else "not taken"

    def state(self, now: datetime, every: float, limit: float | None = None) -> State:
        """Return how it stands at a moment; the arguments are those of `is_late`."""
        if self.is_late(now, every, limit):
            return "late"
        return "under way" if self.is_under_way else "waiting" if self.is_waiting else "done"

    def is_late(self, now: datetime, every: float, limit: float | None = None) -> bool:
        """Say whether it was not done for more than two of its spans, each of `every` seconds.

        `now` is UTC. Where somebody is at it, the work may take `limit` seconds; if that is not said, what
        `AT_MOST` says. One that was late when it was taken is late until it is done.
        """
        if not (self.is_waiting or self.is_under_way):
            return False
        seen = now
        if self.taken_at is not None and self.is_under_way:
            allowed = AT_MOST[self.errand.kind] if limit is None else limit
            if timedelta(0) <= now - self.taken_at <= timedelta(seconds=allowed):
                seen = self.taken_at
        return seen - self.waits_since > timedelta(seconds=2 * every)
