"""The screen of how everything stands, by what the journal knows. Nothing here writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from zkpoll.journal import conditions
from zkpoll.journal.backlog import backlogs
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.overview import (
    DashboardStanding,
    DeviceStanding,
    dashboard_standings,
    device_standings,
)
from zkpoll.journal.runs import last_run
from zkpoll.journal.watches import ANY_WATCH
from zkpoll.model.fullness import FULL, NEARLY_FULL, WarnAt
from zkpoll.reports.database_status import database_status
from zkpoll.reports.errand_status import errand_status
from zkpoll.reports.push_status import push_status
from zkpoll.reports.verdict import NO_RUN_YET, STALE, TOO_LONG, LastRun, Need, confirmed, needs, of_things
from zkpoll.reports.words import CALLS_US, OFF, STAMPED_AHEAD, ahead, counted, iso, minute, punches, span
from zkpoll.tasks.delivery_outcome import BACKLOG
from zkpoll.tasks.device_outcome import warn_at
from zkpoll.tasks.outcome import LOCKED
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.delivery import Backlog
    from zkpoll.model.report import Condition
    from zkpoll.reports.database_status import DatabaseStatus
    from zkpoll.reports.errand_status import ErrandStatus
    from zkpoll.reports.push_status import DoorStatus, PushStatus

WATCHING: Final = "`zkpoll watch` runs: terminals that it has are read at each punch"


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """A device of the inventory, and how it stands."""

    standing: DeviceStanding
    enabled: bool
    stale: bool
    """Whether its last reading is older than it may be."""
    ahead: bool = False
    """Whether its last reading is stamped ahead of now, so that nobody knows how old it is."""
    calls_us: bool = False
    """Whether it has no host: nobody reads it, and no reading of it is missed."""
    push: PushStatus | None = None
    """How its calls stand; None of one that does not push."""
    told: str | None = None
    """The kind of the trouble that a run has told of it, if any."""
    warn_at: WarnAt = field(default_factory=WarnAt)
    """From when on a person is told of its log and clock."""

    @property
    def subject(self) -> str:
        """The subject of its troubles."""
        return f"device {self.name}"

    @property
    def nearly_full(self) -> bool:
        """Whether its log is full or nearly, and a person has to see to it."""
        log = self.standing.fullness
        return self.enabled and not self.calls_us and log is not None and log.is_nearly(self.warn_at)

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.standing.name

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to; its last reading and its log not where it is taken out."""
        read_at, log = self.standing.read_at, self.standing.fullness
        if self.standing.disabled_since:
            yield Need(self.subject, LOCKED.kind, LOCKED.text, self.standing.disabled_since)
        if self.stale:
            yield Need(self.subject, STALE, "it is not read" if read_at else "it was never read", read_at)
        if self.ahead and self.enabled:
            yield Need(self.subject, "ahead", f"its last reading is {STAMPED_AHEAD}")
        if log and self.nearly_full and FULL not in (self.told or ""):  # a kind may be two, joined
            yield Need(self.subject, FULL if log.is_full else NEARLY_FULL, f"its log is {log.words}", read_at)
        if self.push:
            yield from self.push.needs()

    def cells(self, now: datetime) -> tuple[str, str, str, str]:
        """Return its last reading, how full its log was then, the day it will be full, and its clock."""
        if self.calls_us:  # what was read while it had a host says nothing of it today
            return CALLS_US, "", "", ""
        read = "never"
        if self.standing.read_at:
            ago = f"{span(age(self.standing.read_at, now))} ago"
            read = f"{minute(self.standing.read_at)}, AHEAD" if self.ahead else ago
        log = ""
        if self.standing.on_device is not None:
            log = f"{self.standing.on_device:,} records"
            if self.standing.fill is not None:
                log = f"{self.standing.on_device:,} of {self.standing.capacity:,} ({self.standing.fill:.0%})"
        return (
            f"{read}, TOO LONG" if self.stale else read,
            log,
            str(self.standing.full_on or ""),
            "" if self.standing.drift is None else ahead(self.standing.drift),
        )

    def remarks(self) -> Iterator[str]:
        """Yield, one by one, the facts about it that are not as usual, beside its needs."""
        if not self.enabled:
            yield OFF
            if self.ahead:
                yield f"its last reading is {STAMPED_AHEAD}"
        if self.standing.stranger and not self.told:
            yield f"another terminal ({self.standing.stranger}) answers there"
        if self.standing.quarantined:
            yield f"{self.standing.quarantined:,} quarantined"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        standing = self.standing
        return {
            "name": standing.name,
            "serial_number": standing.serial_number,
            "enabled": self.enabled,
            "calls_us": self.calls_us,
            "stale": self.stale,
            "ahead_of_clock": self.ahead,
            "read_at": iso(standing.read_at),
            "whole_at": iso(standing.whole_at),
            "on_device": standing.on_device,
            "capacity": standing.capacity,
            "per_day": None if standing.per_day is None else round(standing.per_day, 1),
            "full_on": standing.full_on.isoformat() if standing.full_on else None,
            "drift": standing.drift,
            "cleared_at": iso(standing.cleared_at),
            "maybe_disabled_since": iso(standing.disabled_since),
            "stranger": standing.stranger,
            "quarantined": standing.quarantined,
            "accepted": standing.accepted,
            "push": self.push and self.push.document(),
        }


@dataclass(frozen=True, slots=True)
class DashboardStatus:
    """A dashboard, and how it stands."""

    standing: DashboardStanding
    named: bool
    """Whether it is in the inventory."""
    stale: bool
    """Whether a punch waits for longer than it may."""
    ahead: bool = False
    """Whether what waits is stamped ahead of now, so that nobody knows for how long."""
    backlog: Backlog | None = None
    """How what waits has grown; None of one that gets nothing."""

    @property
    def name(self) -> str:
        """Its name in the inventory, today or while it was there."""
        return self.standing.name

    @property
    def subjects(self) -> frozenset[str]:
        """The subjects of its troubles."""
        return frozenset((f"dashboard {self.name}", f"{BACKLOG}{self.name}"))

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to."""
        subject, oldest = f"dashboard {self.name}", self.standing.oldest
        if self.standing.halted:
            text = f"nothing is sent there: {self.standing.halted}"
            yield Need(subject, "halted", f"{text}; to go on: zkpoll dashboards resume {self.name}")
        if self.stale:
            waiting = punches(self.standing.pending + self.standing.parked)
            gone = "" if self.named else ", and it is not in the inventory"
            yield Need(subject, TOO_LONG, f"{waiting} not confirmed for too long{gone}", oldest)
        if self.ahead:
            yield Need(subject, "ahead", f"its oldest punch is {STAMPED_AHEAD}")
        if self.backlog and self.backlog.grows:
            yield Need(f"{BACKLOG}{self.name}", "growing", self.backlog.growth)

    def cells(self, now: datetime) -> tuple[str, str, str, str, str, str]:
        """Return its punches by state, its last delivery, and for how long the oldest waits."""
        one, waits, last = self.standing, "", ""
        if one.oldest:
            waits = f"since {minute(one.oldest)}, AHEAD" if self.ahead else span(age(one.oldest, now))
        if one.confirmed_at:
            ago = f"{span(age(one.confirmed_at, now))} ago"
            last = minute(one.confirmed_at) if is_ahead(one.confirmed_at, now) else ago
        counts = (f"{number:,}" for number in (one.confirmed, one.pending, one.parked, one.held))
        confirmed, pending, parked, held = counts
        return confirmed, pending, parked, held, last, f"{waits}, TOO LONG" if self.stale else waits

    def words(self, now: datetime) -> Iterator[str]:
        """Yield the same in words, without what is empty."""
        confirmed, pending, parked, held, last, waits = self.cells(now)
        yield f"{confirmed} confirmed, {pending} pending, {parked} parked, {held} held"
        if last:
            yield f"last delivery {last}"
        if waits:
            yield f"the oldest waits {waits}" if self.ahead else f"the oldest for {waits}"

    def remarks(self) -> Iterator[str]:
        """Yield, one by one, the facts about it that are not as usual, and need nobody."""
        if not self.named:
            yield "not in the inventory"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        standing = asdict(self.standing)
        oldest, confirmed_at = standing.pop("oldest"), standing.pop("confirmed_at")
        return {
            **standing,
            "confirmed_at": iso(confirmed_at),
            "in_inventory": self.named,
            "stale": self.stale,
            "ahead_of_clock": self.ahead,
            "oldest_unconfirmed": iso(oldest),
            "more_than_before": self.backlog.more if self.backlog else None,
        }


@dataclass(frozen=True, slots=True)
class StatusScreen:
    """How everything stands at a moment."""

    now: datetime
    limit: timedelta
    """How old a reading, or a punch that waits, may be."""
    devices: tuple[DeviceStatus, ...]
    dashboards: tuple[DashboardStatus, ...]
    troubles: Mapping[str, Condition]
    """Those that runs found, and that last; by subject."""
    locked: frozenset[str] = frozenset()
    """Names of devices that may still be disabled, also of those that left the inventory."""
    door: DoorStatus | None = None
    """The push door; None where no device pushes."""
    databases: tuple[DatabaseStatus, ...] = ()
    run: LastRun = NO_RUN_YET
    """The last run of `zkpoll sync`."""
    errands: ErrandStatus | None = None
    """The errands of workers; None where the inventory has none."""
    watching: bool | None = False
    """Whether a `zkpoll watch` has the journal; None where that cannot be seen."""

    @property
    def attention(self) -> bool:
        """Whether anything needs a person."""
        return bool(self.needs)

    @property
    def needs(self) -> tuple[Need, ...]:
        """What needs a person: the troubles that runs found, and what shows at this moment."""
        shown = chain.from_iterable(one.needs() for one in self._all())
        explained = self.errands.explained if self.errands else frozenset()
        found = (one for one in shown if one.kind != STALE or one.subject not in explained)
        fleet = self.errands.needs() if self.errands else ()
        door = self.door.needs() if self.door else ()
        others = (Need(f"device {name}", LOCKED.kind, LOCKED.text) for name in self._others_locked())
        return needs(self.troubles, (*found, *others, *door, *fleet), self._begun_last, self.now)

    @property
    def verdict(self) -> str:
        """The one line that says whether all is well."""
        needed = len(self.needs)
        thing = f"{counted(needed, 'thing')} {'needs' if needed == 1 else 'need'} you"
        named = [one.standing for one in self.dashboards if one.named]
        reads = any(one.enabled for one in self.called) or any(one.enabled for one in self.databases)
        run = self._begun_last.words(self.now) if reads or self._begun_last.ended_at else None
        return "; ".join(filter(None, (thing if needed else self._well(), run, confirmed(named))))

    @property
    def _begun_last(self) -> LastRun:
        """When anything was begun last that reads devices: with workers, their errands."""
        return self.errands.dispatch if self.errands else self.run

    def _well(self) -> str:
        terminals = [one.enabled for one in self.devices]
        stores = [one.enabled for one in self.databases]
        door = bool(self.door and self.door.needed)
        named = sum(one.named for one in self.dashboards)
        things = of_things(
            (sum(terminals), "terminal"), (sum(stores), "database"), (door, "push door"), (named, "dashboard")
        )
        off = of_things(
            (terminals.count(False), "terminal"),
            (stores.count(False), "database"),
        )
        return f"{things or 'nothing to look after, all is'} well{off and f', {off} switched off'}"

    @property
    def called(self) -> tuple[DeviceStatus, ...]:
        """The devices that we call."""
        return tuple(one for one in self.devices if not one.calls_us)

    @property
    def pushing(self) -> tuple[PushStatus, ...]:
        """The devices that call us; some of them we call, too."""
        return tuple(one.push for one in self.devices if one.push)

    @property
    def advice(self) -> Mapping[str, Condition]:
        """What a person was told and need do nothing about, by subject."""
        return {subject: one for subject, one in self.troubles.items() if one.advice}

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "as_of": iso(self.now),
            "attention": self.attention,
            "verdict": self.verdict,
            "needs": [need.document() for need in self.needs],
            "last_run_at": iso(self.run.ended_at),
            "watching": self.watching,
            "alert_after": self.limit.total_seconds(),
            "maybe_disabled": sorted(self.locked),
            "errands": self.errands and self.errands.document(),
            "push_door": self.door and self.door.document(),
            "devices": [device.document() for device in self.devices],
            "databases": [database.document() for database in self.databases],
            "dashboards": [dashboard.document() for dashboard in self.dashboards],
            "troubles": {
                subject: {"kind": one.kind, "text": one.text, "advice": one.advice, "since": iso(one.since)}
                for subject, one in self.troubles.items()
            },
        }

    def lines(self) -> Iterator[str]:
        """Yield the verdict, and a line for each thing that needs a person.

        Then one for each device, database, door, dashboard, queue of errands and advice, its kind in front.
        What is empty is left out.
        """
        yield self.verdict
        for need in self.needs:
            yield f"trouble  {need.line}"
        for device in self.devices:
            read, log, full_on, clock = device.cells(self.now)
            read = read if device.calls_us else f"read {read}"
            cells = [read, log, full_on and f"full on {full_on}", clock and f"clock {clock}"]
            cells += device.push.words(self.now) if device.push else []
            yield "  ".join(filter(None, ["device", device.name, *cells, *device.remarks()]))
        for database in self.databases:
            yield "  ".join(["database", database.name, *database.words(self.now), *database.remarks()])
        if self.door:
            yield "  ".join(["door", "push", *self.door.words()])
        if self.watching:
            yield f"watch  {WATCHING}"
        for dashboard in self.dashboards:
            yield "  ".join(["dashboard", dashboard.name, *dashboard.words(self.now), *dashboard.remarks()])
        if self.errands:
            yield from self.errands.lines()
        for subject, one in self.advice.items():
            yield f"advice  {subject}: {one.text or one.kind} (since {minute(one.since)})"

    def remarks(self) -> Iterator[str]:
        """Yield all besides that is not as usual: the tables of devices, databases and dashboards lack it."""
        if self.watching:
            yield WATCHING
        off = [one.name for one in self._all() if OFF in one.remarks()]
        if off:
            yield f"{OFF}: {', '.join(off)}"
        for one in self._all():
            yield from (f"{one.name}: {remark}" for remark in one.remarks() if remark != OFF)
        for subject, told in self.advice.items():
            yield f"{subject}: {told.text or told.kind}"

    def _others_locked(self) -> list[str]:
        """Return the names of those that may be disabled, and are no device of the inventory."""
        return sorted(self.locked - {one.name for one in self.devices if one.standing.disabled_since})

    def _all(self) -> Iterator[DeviceStatus | DatabaseStatus | DashboardStatus]:
        yield from self.devices
        yield from self.databases
        yield from self.dashboards


def status(inventory: Inventory, journal: Journal, now: datetime) -> StatusScreen:
    """Return how everything stands. `now` is UTC.

    Dashboards that left the inventory are shown, too, while punches wait for them.
    """
    limit = timedelta(seconds=inventory.alert_after)
    met = device_standings(journal, now)
    known = {standing.name: standing for standing in dashboard_standings(journal)}
    named = [
        known.pop(one.name, DashboardStanding(one.name, None, 0, 0, 0, None)) for one in inventory.dashboards
    ]
    left = [standing for standing in known.values() if standing.oldest]
    calls, door = push_status(inventory, journal, limit, now)
    troubles = {subject: one for subject, one in conditions.told(journal).items() if one.stands}
    growing = backlogs(journal, now)

    def of_device(device: Device) -> DeviceStatus:
        standing, calls_us = met.get(device.name) or DeviceStanding(device.name), device.host is None
        trouble = troubles.get(f"device {device.name}")
        return DeviceStatus(
            standing,
            device.enabled,
            stale=device.enabled and not calls_us and standing.is_stale(limit, now),
            ahead=not calls_us and standing.is_ahead(now),
            calls_us=calls_us,
            push=calls.get(device.name),
            told=trouble.kind if trouble else None,
            warn_at=warn_at(device),
        )

    def of_dashboard(standing: DashboardStanding, *, named: bool) -> DashboardStatus:
        stale, ahead = standing.is_stale(limit, now), standing.is_ahead(now)
        return DashboardStatus(standing, named, stale, ahead, growing.get(standing.name))

    return StatusScreen(
        now,
        limit,
        tuple(map(of_device, inventory.devices)),
        (
            *(of_dashboard(one, named=True) for one in named),
            *(of_dashboard(one, named=False) for one in left),
        ),
        troubles,
        maybe_disabled(journal),
        door,
        database_status(inventory, journal, limit, now),
        _last_run(journal, met, limit, now),
        errand_status(inventory, journal, now),
        journal.is_locked(ANY_WATCH),
    )


def _last_run(
    journal: Journal, met: Mapping[str, DeviceStanding], limit: timedelta, now: datetime
) -> LastRun:
    """Return the last run; none is overdue where any device was read and no run has ended yet."""
    ended = last_run(journal)
    overdue = not any(one.read_at for one in met.values()) if ended is None else age(ended, now) > limit
    return LastRun(ended, overdue)
