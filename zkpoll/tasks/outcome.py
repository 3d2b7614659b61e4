"""What a run comes to: one outcome per device and per dashboard, and the exit code. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkpoll.errors import Busy, ExitCode, UnknownLayout, Unreachable, WireError
from zkpoll.model.report import Notice, Trouble
from zkpoll.model.sums import Counts, Tally
from zkpoll.wall_clock import TOO_FAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zkpoll.model.delivery import Preview, ShiftMove
    from zkpoll.model.log import Reading
    from zkpoll.model.punch import Event

BUG = "bug"
"""The kind of a failure that is zkpoll's own."""
_CLEARED = "cleared"
_NOT_CLEARED = frozenset(("unsettled", "not cleared"))
"""Fates of a log that last until somebody sees to it."""
REFUSED = "refused"
"""The fate of a log that a device proved unfit to have cleared, which was told then."""
_NO_NEWS = _NOT_CLEARED | {"changed", REFUSED, BUG}
_COUNTED = frozenset((UnknownLayout.kind, WireError.kind))
"""Kinds whose sentences count bytes of a log, which grows while the trouble stays the same."""


@dataclass(frozen=True, slots=True)
class ClearOutcome:
    """What clearing a device's log came to."""

    fate: str
    """What became of the log, in the words of `pull.clearing.Fate`; or why it was not tried."""
    records: int = 0
    """Records in it."""
    problem: str | None = None
    """Why it was not cleared, or what else a person should know, in one sentence."""
    copy: str | None = None
    """Where the raw copy of it is."""


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What a visit to a device came to."""

    name: str
    address: str
    key: str | None = None
    tally: Tally = field(default_factory=Tally)
    """What became of the records handed on, also of a visit that broke off."""
    reading: Reading | None = None
    clock_set: bool = False
    """Whether the device's clock was set."""
    clock_kept: str | None = None
    """Why its clock was not set, though it is off and the inventory asks for it."""
    clearing: ClearOutcome | None = None
    """What came of clearing its log; None where that was not due."""
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
        """What needs a person's attention for as long as it lasts, or None."""
        if self.problem:
            kind = self.kind if self.kind in _COUNTED else None
            return Trouble(kind or self.problem, self.problem)
        if self.difference:
            text = f"{self.difference} records read are nowhere; this is a bug, please report it"
            return Trouble(BUG, text)
        if self.clearing and self.clearing.fate == BUG:
            return Trouble(BUG, self.clearing.problem or "")
        if self.clearing and self.clearing.fate in _NOT_CLEARED:
            text = f"its log is due to be cleared, and is not: {self.clearing.problem}"
            return Trouble("not cleared", text)
        if self.clock_kept:
            return Trouble("clock", f"its clock is off by {self.drift} and was not set: {self.clock_kept}")
        if self.reading and abs(self.reading.drift or 0) >= TOO_FAR and not self.clock_set:
            return Trouble("clock", f"its clock is off by {self.drift}, and so are its punches; put it right")
        if self.full:
            text = f"its log is full ({self.reading and self.reading.on_device} records)"
            return Trouble("full", f"{text}: it refuses new punches or overwrites old ones; have it cleared")
        return None

    @property
    def full(self) -> bool:
        """Whether the device's log is at its capacity, where it tells that."""
        reading = self.reading
        if reading is None or (self.clearing and self.clearing.fate == _CLEARED):
            return False
        return 0 < (reading.capacity or 0) <= reading.on_device

    @property
    def drift(self) -> str:
        """By how much the device's clock is off, in words."""
        seconds = self.reading.drift if self.reading else None
        return "an unknown time" if seconds is None else f"{round(seconds):+d} s"

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What happened in this visit that a person should know of."""
        return tuple(_notices(self))


def _notices(outcome: DeviceOutcome) -> Iterator[Notice]:
    tally, reading = outcome.tally, outcome.reading
    if tally.newly_quarantined:
        yield Notice(f"{_records(tally.newly_quarantined)} impossible; see `zkpoll quarantine list`")
    if tally.same_second:
        yield Notice(f"{_records(tally.same_second)} of a user in a second that holds another one, held")
    if tally.held_since:
        text = "record older than since: is" if tally.held_since == 1 else "records older than since: are"
        yield Notice(f"{tally.held_since:,} {text} held, not sent", harmless=True)
    if outcome.clearing:
        yield from _cleared(outcome.clearing)
    if outcome.clock_set:
        yield Notice(f"its clock was off by {outcome.drift} and was set", harmless=True)
    if reading and not reading.before and 0 < (reading.capacity or 0) <= reading.on_device:
        yield Notice("its log was full before it was read: RECORDS MAY HAVE BEEN OVERWRITTEN UNSEEN")
    if reading and reading.before and not reading.continued:
        notice = _changed_log(reading, tally)
        if not (outcome.full and notice.harmless):  # a full log wraps at every punch, and is told as full
            yield notice


def _cleared(clearing: ClearOutcome) -> Iterator[Notice]:
    if clearing.fate == _CLEARED:
        text = f"its log of {clearing.records:,} records was cleared; a copy is in {clearing.copy}"
        yield Notice(text, harmless=True)
    if clearing.problem and clearing.fate not in _NO_NEWS:
        yield Notice(clearing.problem)


def _changed_log(reading: Reading, tally: Tally) -> Notice:
    """Say what became of a log whose last known records are not where they were."""
    if reading.on_device < reading.before:
        sizes = f"{reading.before} records then, {reading.on_device} now"
        return Notice(f"its log was cleared or shortened since the last visit: {sizes}", harmless=True)
    if tally.seen_before:
        return Notice("its log was wrapped or rewritten; all of it was read", harmless=True)
    if reading.capacity and reading.on_device < reading.capacity:
        return Notice(
            "its log shares no record with the last reading: it was cleared and filled again, or "
            "RECORDS WERE OVERWRITTEN UNSEEN; read it more often"
        )
    return Notice(
        "its full log shares no record with the last reading: RECORDS WERE OVERWRITTEN UNSEEN; "
        "read it more often, or have it cleared"
    )


LOCKED = Trouble(
    "locked",
    "IT MAY STILL BE DISABLED, so that nobody can punch: switch it off and on; "
    "whatever zkpoll does next at it enables it first",
)


def _stranded(name: str, count: int) -> Trouble:
    waiting = "1 punch waits" if count == 1 else f"{count:,} punches wait"
    return Trouble(
        "stranded",
        f"{waiting} for it, and it is not in the inventory any more; name it there again, or give it up: "
        f'`zkpoll outbox discard --to {name} --all --pending --reason "..."`',
    )


EXPOSED = "plain http: anybody on the way can read and change the punches, and read the secrets; use https"


def _way_to(name: str) -> str:
    return f"way to dashboard {name}"


def _shift(delivery: DeliveryOutcome, shift: ShiftMove) -> str:
    return f"shift {shift.name} of {delivery.name}"


def _held_shift(shift: ShiftMove) -> Trouble | None:
    """Return what needs a person's attention about a shift, or None."""
    if shift.problem:
        return Trouble("not moved", shift.problem)
    if not shift.late:
        return None
    if shift.until is None:
        text = "nobody knows up to when its punches are complete, and no attendance is processed"
        return Trouble("late", f"{text}: {shift.held_by}")
    text = f"its punches are complete until {shift.until:%Y-%m-%d %H:%MZ} only"
    return Trouble("late", f"{text}, and no attendance is processed after that: {shift.held_by}")


_FAULT = 40
"""Characters of a sentence that tell which fault it is; what follows may count, or quote."""


def _records(number: int) -> str:
    return "1 record is" if number == 1 else f"{number} records are"


def _punches(number: int) -> str:
    return "1 punch is" if number == 1 else f"{number:,} punches are"


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What delivery to a dashboard came to."""

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
    """How far it was told that each shift is complete; none where it was not told in this run."""
    seconds: float = 0.0

    @property
    def trouble(self) -> Trouble | None:
        """What needs a person's attention, or None."""
        if self.counts.difference:
            text = f"{self.counts.difference} punches are in no state; this is a bug, please report it"
            return Trouble(BUG, text)
        if self.problem:
            # Another fault of the configuration is another trouble, which whoever mended the first must hear.
            fault = self.problem[:_FAULT] if self.kind == "configuration" else ""
            return Trouble(f"{self.kind}{fault and ': '}{fault}", self.problem + self._waiting)
        if self.counts.parked:
            text = f"{_punches(self.counts.parked)} parked; see `zkpoll outbox list`"
            return Trouble(f"{self.counts.parked} parked", text)
        return None

    @property
    def _waiting(self) -> str:
        if not self.counts.pending:
            return ""
        since = f", the oldest since {self.oldest_pending[:16]}Z" if self.oldest_pending else ""
        waiting = "1 punch waits" if self.counts.pending == 1 else f"{self.counts.pending:,} punches wait"
        return f"; {waiting}{since}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    devices: tuple[DeviceOutcome, ...]
    deliveries: tuple[DeliveryOutcome, ...]
    seconds: float
    stranded: Mapping[str, int] = field(default_factory=dict)
    """Punches that wait for the dashboards which left the inventory, by name; 0 where none do."""
    locked: frozenset[str] = frozenset()
    """Names of devices that may still be disabled, by this run or one before it."""
    would_send: tuple[Event, ...] | None = None
    """A dry run's new punches; None when the run was real."""
    previews: tuple[Preview, ...] = ()
    """A dry run's first request to each dashboard that would get any."""

    @property
    def exit_code(self) -> ExitCode:
        """The documented exit code."""
        kinds = [outcome.kind for outcome in self.devices]
        troubles = self.troubles().values()
        if BUG in kinds or any(trouble.kind == BUG for trouble in troubles):
            return ExitCode.BUG
        if kinds and all(kind == Busy.kind for kind in kinds):
            return ExitCode.LOCKED
        if kinds and all(kind == Unreachable.kind for kind in kinds) and not self._dashboard_reached():
            return ExitCode.UNREACHABLE
        attention = any(not notice.harmless for _, notice in self.notices())
        return ExitCode.ATTENTION if attention or troubles else ExitCode.OK

    def notices(self) -> tuple[tuple[str, Notice], ...]:
        """Return what happened once and should be known, each with its subject."""
        return tuple((f"device {one.name}", notice) for one in self.devices for notice in one.notices)

    def troubles(self) -> Mapping[str, Trouble]:
        """Return what needs a person's attention, by subject ("device front-door")."""
        found = {f"device {outcome.name}": outcome.trouble for outcome in self.devices}
        found |= {f"dashboard {outcome.name}": outcome.trouble for outcome in self.deliveries}
        found |= {f"dashboard {name}": _stranded(name, n) for name, n in self.stranded.items() if n}
        found |= {f"device {name}": LOCKED for name in self.locked}
        found |= {_shift(one, shift): _held_shift(shift) for one in self.deliveries for shift in one.shifts}
        return {subject: trouble for subject, trouble in found.items() if trouble}

    def late_troubles(self) -> Mapping[str, Trouble]:
        """Return those troubles that show when all is done: of dashboards, and of what was not visited."""
        early = {f"device {one.name}": one.trouble for one in self.devices if one.problem}
        return {subject: told for subject, told in self.troubles().items() if told != early.get(subject)}

    def other_troubles(self) -> Mapping[str, Trouble]:
        """Return those troubles that are no device's and no dashboard's of this run by their own outcomes."""
        own = {f"device {one.name}": one.trouble for one in self.devices}
        own |= {f"dashboard {one.name}": one.trouble for one in self.deliveries}
        return {subject: told for subject, told in self.troubles().items() if told != own.get(subject)}

    def advice(self) -> Mapping[str, Trouble]:
        """Return what a person should know once, and may leave as it is."""
        return {
            _way_to(outcome.name): Trouble("exposed", EXPOSED, once=True)
            for outcome in self.deliveries
            if outcome.exposed
        }

    def subjects(self) -> frozenset[str]:
        """Return everything this run looked at."""
        devices = {f"device {outcome.name}" for outcome in self.devices}
        dashboards = {f"dashboard {outcome.name}" for outcome in self.deliveries}
        dashboards |= {f"dashboard {name}" for name in self.stranded}
        dashboards |= {_shift(one, shift) for one in self.deliveries for shift in one.shifts}
        return frozenset(devices | dashboards | {_way_to(outcome.name) for outcome in self.deliveries})

    def busy(self) -> frozenset[str]:
        """Return what this run left to another one, by subject."""
        devices = {f"device {outcome.name}" for outcome in self.devices if outcome.kind == Busy.kind}
        return frozenset(
            devices | {f"dashboard {one.name}" for one in self.deliveries if one.kind == Busy.kind}
        )

    def _dashboard_reached(self) -> bool:
        return any(delivery.confirmed or delivery.kind == "refused" for delivery in self.deliveries)
