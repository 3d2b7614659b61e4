"""What a run comes to: one outcome per device and per dashboard, and the exit code. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkpoll.errors import Busy, ExitCode, Unreachable
from zkpoll.news import Trouble
from zkpoll.punch import Counts, Event, Tally

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.punch import Reading

BUG = "bug"
"""The kind of a failure that is zkpoll's own."""


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What a visit to a device came to."""

    name: str
    address: str
    key: str | None = None
    tally: Tally = field(default_factory=Tally)
    """What became of the records handed on, also of a visit that broke off."""
    reading: Reading | None = None
    problem: str | None = None
    """One sentence; None when all is well."""
    kind: str | None = None
    seconds: float = 0.0

    @property
    def difference(self) -> int:
        """Records that were read and are nowhere; 0 when the reading sum comes out."""
        return self.reading.records - self.tally.records if self.reading else 0

    @property
    def trouble(self) -> Trouble | None:
        """What needs a person's attention, or None."""
        if self.problem:
            return Trouble(self.problem, self.problem)
        for count, kind, text in (
            (self.difference, BUG, "records read are nowhere; this is a bug, please report it"),
            (self.tally.quarantined, "quarantine", "impossible records are in quarantine"),
            (self.tally.same_second, "same second", "further punches of a user in one second are held"),
        ):
            if count:
                return Trouble(f"{kind} {count}", f"{count} {text}")
        return None


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What delivery to a dashboard came to."""

    name: str
    confirmed: int = 0
    """Punches confirmed in this run."""
    requests: int = 0
    counts: Counts = field(default_factory=Counts)
    """All its punches, by state."""
    oldest_pending: str | None = None
    """When the oldest pending punch was journalled: UTC, ISO 8601."""
    problem: str | None = None
    kind: str | None = None
    seconds: float = 0.0

    @property
    def trouble(self) -> Trouble | None:
        """What needs a person's attention, or None."""
        if self.problem:
            waiting = f"; {self.counts.pending} punches wait" if self.counts.pending else ""
            return Trouble(self.kind or "", self.problem + waiting)
        if self.counts.difference:
            text = f"{self.counts.difference} punches are in no state; this is a bug, please report it"
            return Trouble(BUG, text)
        return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    devices: tuple[DeviceOutcome, ...]
    deliveries: tuple[DeliveryOutcome, ...]
    seconds: float
    would_send: tuple[Event, ...] | None = None
    """A dry run's new punches; None when the run was real."""

    @property
    def exit_code(self) -> ExitCode:
        """The documented exit code."""
        kinds = [outcome.kind for outcome in self.devices]
        if BUG in kinds or any(delivery.kind == BUG for delivery in self.deliveries):
            return ExitCode.BUG
        if kinds and all(kind == Busy.kind for kind in kinds):
            return ExitCode.LOCKED
        if kinds and all(kind == Unreachable.kind for kind in kinds) and not self._dashboard_reached():
            return ExitCode.UNREACHABLE
        return ExitCode.ATTENTION if self.troubles() else ExitCode.OK

    def troubles(self) -> Mapping[str, Trouble]:
        """Return what needs a person's attention, by subject ("device front-door")."""
        found = {f"device {outcome.name}": outcome.trouble for outcome in self.devices}
        found |= {f"dashboard {outcome.name}": outcome.trouble for outcome in self.deliveries}
        return {subject: trouble for subject, trouble in found.items() if trouble}

    def subjects(self) -> frozenset[str]:
        """Return everything this run looked at."""
        devices = {f"device {outcome.name}" for outcome in self.devices}
        return frozenset(devices | {f"dashboard {outcome.name}" for outcome in self.deliveries})

    def _dashboard_reached(self) -> bool:
        return any(delivery.confirmed or delivery.kind == "refused" for delivery in self.deliveries)
