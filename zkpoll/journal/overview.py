"""How devices, dashboards and single punches stand, by what the journal knows. Nothing here writes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.journal import way_out
from zkpoll.journal.database_overview import rows_of_punch
from zkpoll.model.fullness import WINDOW, fullness, pace
from zkpoll.model.punch import Form, doors_of
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.journal.database import Journal, Row
    from zkpoll.journal.database_overview import RowSighting
    from zkpoll.journal.holds import Hold
    from zkpoll.model.delivery import OutboxState
    from zkpoll.model.fullness import Fullness
    from zkpoll.model.punch import Door

_NEVER_ENDS: Final = datetime.max.replace(tzinfo=UTC)
_SIGHTED: Final = (
    "id", "device", "serial_number", "timestamp", "verify", "state", "work_code", "source", "journalled_at",
    "hold",
)  # fmt: skip
"""The fields of a `Sighting` as a row gives them."""


@dataclass(frozen=True, slots=True)
class DeviceStanding:
    """What is known of a device of the inventory. Times are UTC; None where there is nothing yet."""

    name: str
    serial_number: str | None = None
    met_at: datetime | None = None
    read_at: datetime | None = None
    """When it was last read to its end."""
    whole_at: datetime | None = None
    """When all of its log was last read."""
    on_device: int | None = None
    """Records in its log then."""
    capacity: int | None = None
    drift: float | None = None
    """Seconds by which its clock was ahead then."""
    cleared_at: datetime | None = None
    disabled_since: datetime | None = None
    """Since when it may be disabled, so that nobody can punch."""
    stranger: str | None = None
    """The serial number of another terminal, which answers where it belongs."""
    quarantined: int = 0
    """Impossible records that nobody accepted yet."""
    accepted: int = 0
    """Impossible records that a person accepted."""
    per_day: float | None = None
    """New punches a day, over the last weeks; None where that is not known."""
    as_of: datetime = _NEVER_ENDS
    """The moment of all this; what is stamped ahead of it was just before it, by a clock that was wrong."""
    punched: Mapping[date, int] = field(default_factory=dict, compare=False)
    """New punches of the last weeks by the day that its clock showed; empty where they were not counted."""

    @property
    def fill(self) -> float | None:
        """How full its log is, from 0 to 1."""
        if self.on_device is None or not self.capacity:
            return None
        return self.on_device / self.capacity

    @property
    def fullness(self) -> Fullness | None:
        """How full its log is; None while it was not read, or where it tells no capacity."""
        counted = max(filter(None, (self.read_at, self.cleared_at)), default=None)
        if counted is None:
            return None
        return fullness(self.on_device, self.capacity, min(counted, self.as_of).date(), self.per_day)

    @property
    def full_on(self) -> date | None:
        """The day on which its log will be full at the present rate; None where none is in sight."""
        log = self.fullness
        return log.full_on if log else None

    def is_stale(self, limit: timedelta, now: datetime) -> bool:
        """Say whether its last reading is older than `limit`, or there is none."""
        return self.read_at is None or age(self.read_at, now) > limit

    def is_ahead(self, now: datetime) -> bool:
        """Say whether its last reading is stamped ahead of now, so that nobody knows how old it is."""
        return self.read_at is not None and is_ahead(self.read_at, now)


@dataclass(frozen=True, slots=True)
class DashboardStanding:
    """What waits for a dashboard, also for one that left the inventory."""

    name: str
    halted: str | None
    """What it said when it was gone for good (410)."""
    pending: int
    parked: int
    held: int
    oldest: datetime | None
    """Since when the oldest punch waits that it has not confirmed, pending or parked (UTC)."""
    confirmed: int = 0
    confirmed_at: datetime | None = None
    """When it confirmed one last (UTC)."""

    @property
    def due(self) -> int:
        """The punches that it has or is to get: all but the held and the discarded."""
        return self.confirmed + self.pending + self.parked

    def is_stale(self, limit: timedelta, now: datetime) -> bool:
        """Say whether a punch waits for longer than `limit`."""
        return self.oldest is not None and age(self.oldest, now) > limit

    def is_ahead(self, now: datetime) -> bool:
        """Say whether the oldest is stamped ahead of now, so that nobody knows for how long it waits."""
        return self.oldest is not None and is_ahead(self.oldest, now)


@dataclass(frozen=True, slots=True)
class Place:
    """How a punch stands with one dashboard."""

    dashboard: str
    state: OutboxState | None
    """None where the punch was never meant for it."""
    reason: str | None
    """Of a parked one the dashboard's words; of a held or discarded one, why."""
    since: str | None
    """When it came to be in that state (UTC, ISO 8601); of a confirmed one, when it was."""
    tried_at: str | None
    """Parked: when it was last refused."""
    in_flight: bool
    """Whether it was sent last, and the answer is not known."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A person's word on whose a punch is."""

    slot: int
    """The slot of the device's user table that its record names."""
    person: str
    """The account that said so."""
    assigned_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A punch of a person, as a device showed it."""

    id: str
    device: str
    """The device's name when the punch was journalled."""
    serial_number: str
    timestamp: str
    """By the device's wall clock, with its offset."""
    verify: int
    state: int
    work_code: int
    source: str
    journalled_at: str
    """When it was read, or received (UTC, ISO 8601)."""
    hold: Hold | None
    """Why it is not sent unless a person asks."""
    clock_suspect: bool
    stranger: bool
    """Whether its terminal answers where another one belongs, and is not accepted."""
    line_rest: str | None = None
    """Of one that was pushed what else stood on its line; may hold any letters."""
    places: tuple[Place, ...] = ()
    manual: bool = False
    """Whether a person typed it in at the vendor's program."""
    doors: tuple[Door, ...] = ()
    """The doors that have shown it until now."""
    rows: tuple[RowSighting, ...] = ()
    """The rows of databases that show it."""
    assigned: Assigned | None = None
    """Who said whose it is, where its slot was nobody's; else None."""


def device_standings(journal: Journal, now: datetime, *, rates: bool = True) -> dict[str, DeviceStanding]:
    """Return how the devices stand that have a name, by name. `now` is UTC.

    Without `rates`, how fast their logs fill is as a run has kept it, and their punches are not counted by
    day: that takes long where there are many.
    """
    quarantined = {device: counts for device, *counts in journal.all("quarantined_by_device")}
    punched = _punched(journal, now - WINDOW - timedelta(days=1)) if rates else None
    found = {}
    for number, name, *row, kept in journal.all("device_standings"):
        standing = _device(name, tuple(row), quarantined.get(number, (0, 0)), now)
        days = (punched or {}).get(number, {})
        per_day = kept if punched is None else _pace(standing, days)
        found[name] = replace(standing, per_day=per_day, punched=days)
    return found


def _device(name: str, row: Row, quarantined: Sequence[int], now: datetime) -> DeviceStanding:
    key, met, read, whole, on_device, capacity, drift, cleared, disabled, stranger = row
    return DeviceStanding(
        name=name,
        serial_number=key,
        met_at=_moment(met),
        read_at=_moment(read),
        whole_at=_moment(whole),
        on_device=on_device,
        capacity=capacity,
        drift=drift,
        cleared_at=_moment(cleared),
        disabled_since=_moment(disabled),
        stranger=stranger,
        quarantined=quarantined[0],
        accepted=quarantined[1],
        as_of=now,
    )


def _pace(standing: DeviceStanding, punched: Mapping[date, int]) -> float | None:
    """Return how many punches a day brings to a device; None while that is not known."""
    if standing.met_at is None or standing.read_at is None:
        return None
    return pace(punched, standing.met_at.date(), min(standing.read_at, standing.as_of).date())


def _punched(journal: Journal, since: datetime) -> dict[int, dict[date, int]]:
    """Return how many punches were journalled since then, by device and the day of their own timestamps.

    A punch of the last weeks was journalled in the last weeks. Those that were counted today are not counted
    again.
    """
    found: dict[int, dict[date, int]] = {}
    counted = journal.one("punched_until")
    first = counted[0] + 1 if counted else first_since(journal, since)
    rows = journal.all("punched_by_day", seq=first, last=last_place(journal), bridge=int(Form.BRIDGE))
    for device, day, count in (*(journal.all("punched") if counted else ()), *rows):
        days = found.setdefault(device, {})
        days[date.fromisoformat(day)] = days.get(date.fromisoformat(day), 0) + count
    return found


def rows_by_day(journal: Journal, now: datetime) -> dict[str, dict[date, int]]:
    """Return how many punches rows of databases show that were journalled in the last weeks. `now` is UTC.

    By the name of the database, and the day of their own timestamps.
    """
    found: dict[str, dict[date, int]] = {}
    first = first_since(journal, now - WINDOW - timedelta(days=1))
    for name, day, count in journal.all("rows_by_day", seq=first, bridge=int(Form.BRIDGE)):
        found.setdefault(name, {})[date.fromisoformat(day)] = count
    return found


def first_since(journal: Journal, since: datetime) -> int:
    """Return the place of the first punch that was journalled since then.

    Places rise with time, so that it is found by halves, not by walking all.
    """
    text = since.isoformat(timespec="milliseconds")
    return bisect_left(range(last_place(journal) + 1), text, key=lambda seq: _journalled_from(journal, seq))


def last_place(journal: Journal) -> int:
    """Return the place of the punch that was journalled last, 0 where there is none."""
    row = journal.one("last_punch")
    return row[0] if row else 0


def _journalled_from(journal: Journal, seq: int) -> str:
    row = journal.one("journalled_from", seq=seq)
    return str(row[0]) if row else ""


def dashboard_standings(journal: Journal) -> list[DashboardStanding]:
    """Return how all dashboards stand that the journal knows."""
    return [_dashboard(row) for row in journal.all("dashboard_standings")]


def last_journalled(journal: Journal) -> datetime | None:
    """Return when the last punch was journalled, by this host's clock then (UTC), or None."""
    row = journal.one("last_journalled")
    return _moment(row[0]) if row else None


def _dashboard(row: Row) -> DashboardStanding:
    name, halted, confirmed, confirmed_at, pending, parked, held, *oldest = row
    since = _moment(min(filter(None, oldest), default=None))
    return DashboardStanding(name, halted, pending, parked, held, since, confirmed, _moment(confirmed_at))


def sightings(journal: Journal, user: str, day: date) -> list[Sighting]:
    """Return the punches of a person on a day by the devices' wall clocks, with all their places."""
    rows = journal.all("punches_of_person", user=user, day=day.isoformat())
    return [_sighting(row, _places(journal, row[0]), rows_of_punch(journal, row[0])) for row in rows]


def _sighting(row: Row, places: tuple[Place, ...], shown: tuple[RowSighting, ...]) -> Sighting:
    _, *fields, suspect, stranger, rest, slot, person, assigned_at, manual, kinds = row
    values = dict(zip(_SIGHTED, fields, strict=True))
    return Sighting(
        **values,
        clock_suspect=bool(suspect),
        stranger=bool(stranger),
        line_rest=rest and rest.decode(errors="backslashreplace"),
        places=places,
        manual=bool(manual),
        doors=doors_of(Form(kinds)),
        rows=shown,
        assigned=None if person is None else Assigned(slot, person, assigned_at),
    )


def _places(journal: Journal, seq: int) -> tuple[Place, ...]:
    around = journal.all("requests_around", punch=seq)
    sent_to = {
        name for name, text in around if any(a <= seq <= b for a, b in way_out.spans_sent(journal, text))
    }
    rows = journal.all("places_of_punch", punch=seq)
    return tuple(
        Place(dashboard, state, reason, since, tried_at, dashboard in sent_to)
        for dashboard, state, reason, since, tried_at in rows
    )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
