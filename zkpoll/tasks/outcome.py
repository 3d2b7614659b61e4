"""The result of a run: the results of its parts, and the exit code. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy
from zkpoll.model.report import Notice, Trouble
from zkpoll.pull.host_clock import alike
from zkpoll.tasks.result import exit_code, notices, said, troubles
from zkpoll.wall_clock import may_be_the_zone, off_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.errors import ExitCode
    from zkpoll.model.delivery import Preview
    from zkpoll.model.punch import Event
    from zkpoll.tasks.bell_outcome import BellOutcome
    from zkpoll.tasks.database_outcome import DatabaseOutcome
    from zkpoll.tasks.delivery_outcome import BacklogOutcome, DeliveryOutcome
    from zkpoll.tasks.device_outcome import DeviceOutcome
    from zkpoll.tasks.old_copies import OldCopies
    from zkpoll.tasks.result import Result

_APART: Final = 120.0
"""Seconds that terminals' clocks may be off besides the zone."""
LOCKED: Final = Trouble(
    "locked",
    "IT MAY STILL BE DISABLED, so that nobody can punch: switch it off and on; "
    "whatever zkpoll does next at it enables it first",
)


@dataclass(frozen=True, slots=True)
class MaybeDisabled:
    """A device that may still be disabled, by this run or one before it."""

    name: str
    trouble: Trouble = LOCKED
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The device."""
        return f"device {self.name}"


@dataclass(frozen=True, slots=True)
class Stranded:
    """Punches that wait for a dashboard that left the inventory."""

    name: str
    count: int
    """May be 0: then the dashboard was looked at, and all is well."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The dashboard."""
        return f"dashboard {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while any wait."""
        if not self.count:
            return None
        waiting = "1 punch waits" if self.count == 1 else f"{self.count:,} punches wait"
        return Trouble(
            "stranded",
            f"{waiting} for it, and it is not in the inventory any more; if it has another name there, "
            f"write `was: {self.name}` beside that; else name it there again, or give it up: "
            f'`zkpoll outbox discard --to {self.name} --all --pending --reason "..."`',
        )


@dataclass(frozen=True, slots=True)
class Untold:
    """What was found before, by this run or one that did not come to tell it."""

    subject: str
    text: str
    harmless: bool = False
    """Whether nothing needs to be done about it."""
    kind: str | None = None
    trouble: Trouble | None = None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What it was."""
        return (Notice(self.text, self.harmless),)


@dataclass(frozen=True, slots=True)
class HostClock:
    """This host's own clock, as the terminals that a run read show it."""

    drifts: tuple[float, ...] = ()
    """Seconds by which the clocks of terminals are ahead of it, of those that are off alike."""
    read: int = 0
    """How many terminals showed their clock."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """This host."""
        return "this host"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while terminals are off alike."""
        if not self.drifts:
            return None
        middle = sorted(self.drifts)[len(self.drifts) // 2]
        off = f"{off_in_words(-middle)}{', or timezone: is wrong' if may_be_the_zone(middle, _APART) else ''}"
        all_of_them = "both" if self.read == len(self.drifts) == 2 else f"all {self.read}"
        who = all_of_them if len(self.drifts) == self.read else f"{len(self.drifts)} of the {self.read}"
        text = f"its clock is {off}: {who} terminals that were read are off alike; put it right"
        return Trouble("clock", text)


def whose_clock(devices: Sequence[DeviceOutcome]) -> tuple[DeviceOutcome, ...]:
    """Return a run's devices; those whose clocks are off alike blame this host's."""
    drifts = _drifts(devices)
    blamed = alike([drifts[one.name] for one in devices if one.clock_off and one.name in drifts], len(drifts))
    return tuple(replace(one, host_off=one.clock_off and drifts.get(one.name) in blamed) for one in devices)


def _drifts(devices: Sequence[DeviceOutcome]) -> dict[str, float]:
    """Return the seconds by which clocks are ahead, by device; of those that showed a date."""
    read = {one.name: one.reading.drift for one in devices if one.reading}
    return {name: drift for name, drift in read.items() if drift is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    devices: tuple[DeviceOutcome, ...]
    deliveries: tuple[DeliveryOutcome, ...]
    seconds: float
    databases: tuple[DatabaseOutcome, ...] = ()
    pushing: tuple[Result, ...] = ()
    """How devices that push stand, and the door they call at; of a run of `zkpoll serve` alone."""
    stranded: Mapping[str, int] = field(default_factory=dict)
    """Punches that wait for the dashboards which left the inventory, by name; 0 where none do."""
    renamed: tuple[Result, ...] = ()
    """What came of names that changed in the inventory."""
    locked: frozenset[str] = frozenset()
    """Names of devices that may still be disabled, by this run or one before it."""
    backlogs: tuple[BacklogOutcome, ...] = ()
    """Of the dashboards that did not fail; empty where nothing was to be delivered."""
    old_copies: OldCopies | None = None
    """The result of looking after old raw copies; None where that was not done."""
    untold: tuple[tuple[str, str], ...] = ()
    """What is to be told now, each with its subject in front: of this run, or of one that did not tell it."""
    fleet: tuple[Result, ...] = ()
    """How errands of workers stand, a result a queue; the broker that carries them; their clearings."""
    earlier: tuple[Untold, ...] = ()
    """What happened before these results, and is to be told now."""
    bells: tuple[BellOutcome, ...] = ()
    """Whether devices ring that are under watch, of those that this is known of."""
    is_one_of_many: bool = False
    """Whether other hosts do the same on this journal: then what is wrong with this host alone is no part of
    it, or each of them would end what another one began."""
    would_send: tuple[Event, ...] | None = None
    """A dry run's new punches; None when the run was real."""
    previews: tuple[Preview, ...] = ()
    """A dry run's first request to each dashboard that would get any."""

    @property
    def exit_code(self) -> ExitCode:
        """The documented exit code."""
        reached = any(one.reached for one in self.deliveries)
        return exit_code(self.read, self._besides, reached=reached)

    @property
    def read(self) -> tuple[DeviceOutcome | DatabaseOutcome, ...]:
        """The results of what a run reads."""
        return (*self.devices, *self.databases)

    @property
    def overdue(self) -> tuple[tuple[str, str], ...]:
        """What is to be told now and is not told of what this run read anyway."""
        told = {(one.subject, notice.text) for one in self.read for notice in one.notices}
        return tuple(one for one in self.untold if one not in told)

    @property
    def _besides(self) -> tuple[Result, ...]:
        """The results of all besides these. A device that may be disabled has that trouble alone."""
        return (
            *self.deliveries,
            *self.pushing,
            *self.fleet,
            *(Stranded(name, count) for name, count in self.stranded.items()),
            *self.renamed,
            *(MaybeDisabled(name) for name in self.locked),
            *(Untold(subject, text) for subject, text in self.overdue),
            *self.earlier,
            *(shift for one in self.deliveries for shift in one.shift_outcomes),
            *self.backlogs,
            *([self.old_copies] if self.old_copies else []),
            *([self.host_clock] if self.host_clock.read > 1 and not self.is_one_of_many else []),
        )

    @property
    def host_clock(self) -> HostClock:
        """This host's clock; one terminal alone says nothing of it."""
        drifts = _drifts(self.devices)
        return HostClock(tuple(drifts[one.name] for one in self.devices if one.host_off), len(drifts))

    def notices(self) -> tuple[tuple[str, Notice], ...]:
        """Return the events that should be known, each with its subject."""
        return notices((*self.read, *self._besides))

    def troubles(self) -> Mapping[str, Trouble]:
        """Return the troubles that need a person's attention, by subject ("device front-door")."""
        return troubles((*self.read, *self._besides))

    def said(self) -> Mapping[str, Trouble]:
        """Return the troubles to be told, by subject: two that are one are told once."""
        return said(self.troubles())

    def late_troubles(self) -> Mapping[str, Trouble]:
        """Return the troubles that show when all is done: of dashboards, and of devices not visited."""
        early = {one.subject: one.trouble for one in self.read if one.problem}
        early |= {one.subject: None for one in self.devices if one.ring}
        return {subject: told for subject, told in self.said().items() if told != early.get(subject)}

    def other_troubles(self) -> Mapping[str, Trouble]:
        """Return the troubles that no device, database and dashboard of this run tells by its own outcome."""
        own = {one.subject: one.trouble for one in self.read}
        own |= {one.subject: one.trouble for one in self.deliveries}
        return {subject: told for subject, told in self.troubles().items() if told != own.get(subject)}

    def advice(self) -> Mapping[str, Trouble]:
        """Return the advice that a person should hear once, by subject."""
        ways = {one.way: one.advice for one in self.deliveries if one.advice}
        return ways | {one.subject: one.advice for one in self.bells if one.advice}

    def subjects(self) -> frozenset[str]:
        """Return every subject this run looked at; what is told of another run is none."""
        besides = (one for one in self._besides if not isinstance(one, Untold))
        results = {one.subject for one in (*self.read, *besides, *self.bells)}
        return frozenset(results | {one.way for one in self.deliveries})

    def busy(self) -> frozenset[str]:
        """Return the subjects that this run left to another one."""
        return frozenset(one.subject for one in (*self.read, *self._besides) if one.kind == Busy.kind)
