"""The screen of how devices and dashboards stand, by what the journal knows. Nothing here writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.conditions import told
from zkpoll.journal.overview import (
    DashboardStanding,
    DeviceStanding,
    dashboard_standings,
    device_standings,
)
from zkpoll.reports.push_status import push_status
from zkpoll.reports.words import CALLS_US, ahead, iso, minute, span
from zkpoll.tasks.outcome import LOCKED
from zkpoll.wall_clock import age

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Condition
    from zkpoll.reports.push_status import DoorStatus, PushStatus

_AHEAD: Final = "stamped ahead of this host's clock, which was wrong then, or is"


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

    @property
    def name(self) -> str:
        """Its name in the inventory."""
        return self.standing.name

    @property
    def attention(self) -> bool:
        """Whether a person has to see to its last reading; not where it is taken out."""
        return self.stale or (self.ahead and self.enabled)

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
        """Yield, one by one, the facts about it that are not as usual."""
        if not self.enabled:
            yield "enabled: false"
        if self.ahead:
            yield f"its last reading is {_AHEAD}"
        if (self.standing.fill or 0) >= 1 and not self.calls_us:
            yield "ITS LOG IS FULL"
        if self.push and self.push.ahead:
            yield f"its last call is {_AHEAD}"
        if self.standing.disabled_since:
            since = minute(self.standing.disabled_since)
            yield f"MAY STILL BE DISABLED since {since}, so that nobody can punch: switch it off and on"
        if self.standing.stranger:
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
            "last_success": iso(standing.read_at),
            "last_whole": iso(standing.whole_at),
            "records": standing.on_device,
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

    @property
    def name(self) -> str:
        """Its name in the inventory, today or while it was there."""
        return self.standing.name

    @property
    def attention(self) -> bool:
        """Whether a person has to see to what waits for it."""
        return self.stale or self.ahead

    def cells(self, now: datetime) -> tuple[str, str]:
        """Return its punches by state, and for how long the oldest waits."""
        standing, waits = self.standing, ""
        if standing.oldest:
            waits = f"the oldest for {span(age(standing.oldest, now))}"
            waits = f"the oldest since {minute(standing.oldest)}, AHEAD" if self.ahead else waits
        return (
            f"{standing.pending:,} pending, {standing.parked:,} parked, {standing.held:,} held",
            f"{waits}, TOO LONG" if self.stale else waits,
        )

    def remarks(self) -> Iterator[str]:
        """Yield, one by one, the facts about it that are not as usual."""
        if not self.named:
            yield "not in the inventory"
        if self.ahead:
            yield f"its oldest punch is {_AHEAD}"
        if self.standing.halted:
            yield (
                f"nothing is sent there: {self.standing.halted};"
                f" to go on: zkpoll dashboards resume {self.name}"
            )

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        standing = asdict(self.standing)
        oldest = standing.pop("oldest")
        return {
            **standing,
            "in_inventory": self.named,
            "stale": self.stale,
            "ahead_of_clock": self.ahead,
            "oldest_unconfirmed": iso(oldest),
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
    """Those that a person was told of, and last."""
    locked: frozenset[str] = frozenset()
    """Names of devices that may still be disabled, also of those that left the inventory."""
    door: DoorStatus | None = None
    """The push door; None where no device pushes."""

    @property
    def attention(self) -> bool:
        """Whether anything is older than it may be or stamped ahead of now, or anybody may be locked out.

        So is a push door where nobody listens, and a device that has not called there for too long.
        """
        calls = (one.push for one in self.devices if one.push)
        return (
            bool(self.locked)
            or any(one.attention for one in (*self._all(), *calls))
            or bool(self.door and self.door.attention)
        )

    @property
    def called(self) -> tuple[DeviceStatus, ...]:
        """The devices that we call."""
        return tuple(one for one in self.devices if not one.calls_us)

    @property
    def pushing(self) -> tuple[tuple[str, PushStatus], ...]:
        """The devices that call us, each with its name; some of them we call, too."""
        return tuple((one.name, one.push) for one in self.devices if one.push)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "as_of": iso(self.now),
            "attention": self.attention,
            "alert_after": self.limit.total_seconds(),
            "maybe_disabled": sorted(self.locked),
            "push_door": self.door and self.door.document(),
            "devices": [device.document() for device in self.devices],
            "dashboards": [dashboard.document() for dashboard in self.dashboards],
            "troubles": [
                {"subject": subject, "kind": one.kind, "since": iso(one.since)}
                for subject, one in self.troubles.items()
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield a line for each device, door, dashboard and trouble, its kind in front.

        What is empty is left out.
        """
        for device in self.devices:
            read, log, full_on, clock = device.cells(self.now)
            read = read if device.calls_us else f"read {read}"
            cells = [read, log, full_on and f"full on {full_on}", clock and f"clock {clock}"]
            cells += device.push.words(self.now) if device.push else []
            yield "  ".join(filter(None, ["device", device.name, *cells, *device.remarks()]))
        for name in self._others_locked():
            yield f"device  {name}  {LOCKED.text}"
        if self.door:
            yield "  ".join(["door", "push", *self.door.words()])
        for dashboard in self.dashboards:
            cells = [*dashboard.cells(self.now), *dashboard.remarks()]
            yield "  ".join(filter(None, ["dashboard", dashboard.name, *cells]))
        for subject, one in self.troubles.items():
            yield f"trouble  {subject}  since {minute(one.since)}  {one.kind}"

    def remarks(self) -> Iterator[str]:
        """Yield all that is not as usual: the tables of devices and dashboards leave it out."""
        for one in self._all():
            yield from (f"{one.name}: {remark}" for remark in one.remarks())
        for name in self._others_locked():
            yield f"{name}: {LOCKED.text}"
        for subject, trouble in self.troubles.items():
            yield f"{subject}: since {minute(trouble.since)}: {trouble.kind}"

    def _others_locked(self) -> list[str]:
        """Return the names of those that may be disabled, and are no device of the inventory."""
        return sorted(self.locked - {one.name for one in self.devices if one.standing.disabled_since})

    def _all(self) -> Iterator[DeviceStatus | DashboardStatus]:
        yield from self.devices
        yield from self.dashboards


def status(inventory: Inventory, journal: Journal, now: datetime) -> StatusScreen:
    """Return how everything stands. `now` is UTC.

    Dashboards that left the inventory are shown, too, while punches wait for them.
    """
    limit = timedelta(seconds=inventory.alert_after)
    met = device_standings(journal, now)
    devices = [(one, met.get(one.name) or DeviceStanding(one.name)) for one in inventory.devices]
    known = {standing.name: standing for standing in dashboard_standings(journal)}
    dashboards = [
        known.pop(one.name, DashboardStanding(one.name, None, 0, 0, 0, None)) for one in inventory.dashboards
    ]
    left = [standing for standing in known.values() if standing.oldest]
    calls, door = push_status(inventory, journal, limit, now)
    return StatusScreen(
        now,
        limit,
        tuple(_of_device(device, one, calls.get(device.name), limit, now) for device, one in devices),
        tuple(
            DashboardStatus(standing, named, standing.is_stale(limit, now), standing.is_ahead(now))
            for named, standings in ((True, dashboards), (False, left))
            for standing in standings
        ),
        told(journal),
        maybe_disabled(journal),
        door,
    )


def _of_device(
    device: Device, standing: DeviceStanding, push: PushStatus | None, limit: timedelta, now: datetime
) -> DeviceStatus:
    calls_us = device.host is None
    return DeviceStatus(
        standing,
        device.enabled,
        stale=device.enabled and not calls_us and standing.is_stale(limit, now),
        ahead=not calls_us and standing.is_ahead(now),
        calls_us=calls_us,
        push=push,
    )
