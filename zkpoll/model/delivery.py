"""Punches on their way to a dashboard, and what it answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from zkpoll.model.punch import Event


BACKLOG_FLOOR: Final = 20
"""Punches. A backlog that grew by fewer is as it was: people do not punch equally often on all days."""
OutboxState = Literal["pending", "confirmed", "parked", "held", "discarded"]
"""How a punch stands with one dashboard: every punch is in exactly one of these."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a dashboard told when it was asked about itself."""

    text: str
    at: datetime
    """When it answered (UTC), by this host's clock."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far one device's punches are read, and settled with one dashboard."""

    complete_until: datetime | None = None
    """What it stamped with an earlier time is in the journal (UTC); None where that is not known."""
    unsettled_since: datetime | None = None
    """The time of its earliest punch that is neither confirmed nor given up, and will be sent."""
    pending: int = 0
    parked: int = 0
    held: int = 0
    """Those that came from a terminal that answers where it does not belong."""
    quarantined: int = 0
    """Records of it that no person has accepted; when they were made is not known."""
    set_aside: Mapping[str, int] = field(default_factory=dict)
    """Rows that no person has accepted, by the names of the databases that have its punches, too."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """The punches that wait for a dashboard, and how they have become more."""

    pending: int
    more: int | None = None
    """How many more than some days ago; None where nobody knows."""
    days: int = 1

    @property
    def grows(self) -> bool:
        """Whether it has grown by more than days differ."""
        return self.more is not None and self.more >= BACKLOG_FLOOR

    @property
    def growth(self) -> str:
        """By how much it has grown, in words."""
        then = "yesterday" if self.days == 1 else f"{self.days} days ago"
        return f"{self.pending:,} punches wait, {self.more or 0:,} more than {then}"


@dataclass(frozen=True, slots=True)
class ShiftMove:
    """How far a dashboard was told that a shift's punches are complete."""

    name: str
    until: datetime | None
    """Up to when they are (UTC); None where one of its devices says nothing of that."""
    held_by: str
    """What keeps it from being later, in words."""
    moved: bool = False
    """Whether the dashboard was told so in this run; if not, it knew as much, or could not be told."""
    late: bool = False
    """Whether a person has to hear of it: that is too long ago, or will stay so until they do something."""
    problem: str | None = None
    """Why the dashboard does not take it, in one sentence."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The request that a dashboard would be sent first, with a mask in place of what is secret."""

    dashboard: str
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    """Before it is packed; with one punch, also where a new request carries many."""
    problem: str | None = None
    """Why there is no request: its punch would be set aside; the rest is empty then."""
    again: int = 0
    """Punches of one that is sent again as it was, and is shown whole; 0 for a new one."""
    sent_at: str | None = None
    """When that one was sent first (UTC, ISO 8601)."""


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request that carries punches, as it went out."""

    ids: tuple[str, ...]
    """The identities of its punches."""
    method: str | None = None
    key: str | None = None
    """Its `Idempotency-Key`: the SHA-256 of its body."""
    body: bytes | None = field(default=None, repr=False)
    """Byte for byte. None, as are method and key, where it cannot be sent again as it was."""
    began_at: str | None = field(default=None, compare=False)
    """When it was written down, before it was sent (UTC, ISO 8601); None where that is not known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Punches that are next on their way to one destination, oldest first."""

    events: tuple[Event, ...] = ()
    in_flight: int = 0
    """How many of the first were sent together and not answered for."""
    sent_before: int = 0
    """How many of the first, those included, were ever sent and not answered for."""
    tried_before: bool = False
    """Whether they were parked, and are tried again."""
    request: SentRequest | None = None
    """The request of those in flight, where it is to be sent again as it was."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What an answer decided about punches, by id."""

    confirmed: tuple[str, ...] = ()
    parked: Mapping[str, str] = field(default_factory=dict)
    """Refused for their own fault, each with the dashboard's words."""
    unasked: frozenset[str] = frozenset()
    """Those of the parked about which nobody was asked, so that they may be looked at again at once."""
