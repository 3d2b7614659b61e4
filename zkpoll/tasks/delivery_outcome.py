"""The results of delivering to a dashboard, and of telling it how far shifts are complete. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy
from zkpoll.model.report import Notice, Trouble
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from zkpoll.delivery.verdicts import Kind
    from zkpoll.model.delivery import Backlog, ShiftMove

_CONFIGURATION: Final[Kind] = "configuration"
_REFUSED: Final[Kind] = "refused"
_FAULT: Final = 40
"""Characters of a sentence that tell which fault it is; what follows may count, or quote."""

BACKLOG: Final = "backlog of "
"""What the subject of a backlog begins with, before the dashboard's name."""
EXPOSED: Final = (
    "plain http: anybody on the way can read and change the punches, and read the secrets; use https"
)


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The result of delivery to a dashboard."""

    name: str
    confirmed: int = 0
    """Punches confirmed in this run."""
    parked: int = 0
    """Punches refused in this run for their own fault."""
    requests: int = 0
    capped: bool = False
    """Whether it ended because a run sends no more."""
    exposed: bool = False
    """Whether anybody on the way there can read the punches and the credentials."""
    counts: Counts = field(default_factory=Counts)
    """All its punches, by state."""
    oldest_pending: str | None = None
    """When the oldest pending punch was journalled: UTC, ISO 8601."""
    problem: str | None = None
    kind: str | None = None
    shifts: tuple[ShiftMove, ...] = ()
    """The shifts it was told of in this run."""
    leaves_shifts: bool = False
    """Whether it has shifts, and this run left it to others to tell it of them: they know how that stands."""
    seconds: float = 0.0

    @property
    def subject(self) -> str:
        """The subject of its trouble."""
        return f"dashboard {self.name}"

    @property
    def reached(self) -> bool:
        """Whether the dashboard surely answered."""
        return bool(self.confirmed) or self.kind == _REFUSED

    @property
    def failed(self) -> bool:
        """Whether it ended early, for another reason than another run's being at it."""
        return self.problem is not None and self.kind != Busy.kind

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention, or None."""
        if self.problem and self.failed:  # whoever has its lock delivers what this run journals
            # Another fault of the configuration is another trouble, to be told where the first was mended.
            fault = self.problem[:_FAULT] if self.kind == _CONFIGURATION else ""
            return Trouble(f"{self.kind}{fault and ': '}{fault}", self.problem + self._waiting)
        if self.counts.parked:
            punches = "1 punch is" if self.counts.parked == 1 else f"{self.counts.parked:,} punches are"
            text = f"{punches} parked; see `zkpoll outbox list`"
            return Trouble(f"{self.counts.parked} parked", text)
        return None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """None: a delivery leaves states to a person, and no events."""
        return ()

    @property
    def advice(self) -> Trouble | None:
        """The advice that a person should hear once, and may leave as it is."""
        return Trouble("exposed", EXPOSED, once=True) if self.exposed else None

    @property
    def way(self) -> str:
        """The subject of that advice."""
        return f"way to dashboard {self.name}"

    @property
    def shift_outcomes(self) -> tuple[ShiftOutcome, ...]:
        """The results of telling it of shifts, each with a subject of its own."""
        return tuple(ShiftOutcome(self.name, move) for move in self.shifts)

    @property
    def _waiting(self) -> str:
        if not self.counts.pending:
            return ""
        since = f", the oldest since {self.oldest_pending[:16]}Z" if self.oldest_pending else ""
        waiting = "1 punch waits" if self.counts.pending == 1 else f"{self.counts.pending:,} punches wait"
        return f"; {waiting}{since}"


@dataclass(frozen=True, slots=True)
class BacklogOutcome:
    """The backlog of a dashboard that answers: whether it takes fewer punches than come in."""

    dashboard: str
    backlog: Backlog
    capped: bool = False
    """Whether the inventory says how many punches a run may send."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of its trouble."""
        return f"{BACKLOG}{self.dashboard}"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while it grows."""
        if not self.backlog.grows:
            return None
        what = (
            "raise max_per_run" if self.capped else "it has to answer faster, or to take a larger batch_size"
        )
        return Trouble("growing", f"{self.backlog.growth}: it takes fewer than come in; {what}")


@dataclass(frozen=True, slots=True)
class ShiftOutcome:
    """The result of telling a dashboard how far a shift's punches are complete."""

    dashboard: str
    move: ShiftMove
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The subject of its trouble."""
        return f"shift {self.move.name} of {self.dashboard}"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention, or None."""
        move = self.move
        if move.problem:
            return Trouble("not moved", move.problem)
        if not move.late:
            return None
        if move.until is None:
            text = "nobody knows up to when its punches are complete, and no attendance is processed"
            return Trouble("late", f"{text}: {move.held_by}")
        text = f"its punches are complete until {move.until:%Y-%m-%d %H:%MZ} only"
        return Trouble("late", f"{text}, and no attendance is processed after that: {move.held_by}")
