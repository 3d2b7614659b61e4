"""All that the page shows, read from the journal at one moment. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from zkpoll import __version__
from zkpoll.errors import JournalUnfit
from zkpoll.journal.balance import balance
from zkpoll.journal.course import Course, courses
from zkpoll.journal.decisions import Decisions
from zkpoll.journal.overview import rows_by_day
from zkpoll.journal.quarantine import not_accepted, rows_not_accepted
from zkpoll.reports.page.bars import Bars, by_day, together
from zkpoll.reports.page.remedies import remedy
from zkpoll.reports.page.signs import State, is_mild, state_of
from zkpoll.reports.status import status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.decisions import Waiting
    from zkpoll.journal.quarantine import Impossible, SetAside
    from zkpoll.model.fullness import Fullness
    from zkpoll.model.sums import Counts
    from zkpoll.reports.database_status import DatabaseStatus
    from zkpoll.reports.status import DashboardStatus, DeviceStatus, StatusScreen
    from zkpoll.reports.verdict import Need

_Needs: TypeAlias = "Mapping[str, tuple[Need, ...]]"
"""What needs a person, by subject."""
MOST: Final = 50
"""Parked punches, records in quarantine and rows set aside that the page lists."""
MOST_NEEDS: Final = 100
"""Things that need a person that the page lists; each terminal's row shows that it is one."""
_HOURS: Final = 24


@dataclass(frozen=True, slots=True)
class NeedRow:
    """A thing that needs a person, with what helps."""

    need: Need
    command: str | None
    """The command that helps, or None where the sentence has all that there is to do."""

    @property
    def is_mild(self) -> bool:
        """Whether no punch is kept from its way by it."""
        return is_mild([self.need])


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A terminal, its site, and the punches that it brought."""

    status: DeviceStatus
    site: str | None
    bars: Bars
    needs: tuple[Need, ...]
    """What a person has to see to; empty where it is well."""
    log: Fullness | None
    """How full its log was; None where that is not known, or nobody reads it."""

    @property
    def state(self) -> State:
        """How it stands."""
        well = "calls us" if self.status.calls_us else "well"
        return state_of(self.needs, enabled=self.status.enabled, well=well)


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """A database of vendor software, its site, and the punches that its rows show."""

    status: DatabaseStatus
    site: str | None
    bars: Bars
    needs: tuple[Need, ...]

    @property
    def state(self) -> State:
        """How it stands."""
        return state_of(self.needs, enabled=self.status.enabled)


@dataclass(frozen=True, slots=True)
class DashboardRow:
    """A dashboard, and how its day went."""

    status: DashboardStatus
    address: str
    """Its scheme and host, without what may be secret; empty where it left the inventory."""
    counts: Counts | None
    """Its punches by state; None where they do not come out, as the journal is damaged."""
    confirmed_today: tuple[int, datetime] | None
    """How many, and since when that was counted; None where nothing was counted yet."""
    waited: Bars
    """The most punches that waited in each of the last hours, and now."""
    needs: tuple[Need, ...]

    @property
    def state(self) -> State:
        """How it stands."""
        return state_of(self.needs, well="well" if self.status.named else "left the inventory")


@dataclass(frozen=True, slots=True)
class Site:
    """The terminals of a site, those in trouble first."""

    name: str | None
    devices: tuple[DeviceRow, ...]

    @property
    def in_trouble(self) -> int:
        """How many need a person."""
        return sum(bool(one.needs) for one in self.devices)

    @property
    def bars(self) -> Bars:
        """What all of them brought together."""
        return together(one.bars for one in self.devices)


@dataclass(frozen=True, slots=True)
class PageView:
    """All that the page shows. Times are UTC; it shows them in `zone`."""

    screen: StatusScreen
    verdict: str
    """The one line that says whether all is well."""
    version: str
    zone: ZoneInfo
    needs: tuple[NeedRow, ...]
    devices: tuple[DeviceRow, ...]
    """Those in trouble first, those that are switched off last, else in the inventory's order."""
    databases: tuple[DatabaseRow, ...]
    dashboards: tuple[DashboardRow, ...]
    parked: tuple[Waiting, ...]
    """The first of them, of all dashboards together no more than `MOST`."""
    quarantine: tuple[Impossible, ...]
    """The first of those that nobody accepted, no more than `MOST`."""
    quarantine_in_all: int
    set_aside: tuple[SetAside, ...]
    """The first rows of databases that nobody accepted, no more than `MOST`."""

    @property
    def now(self) -> datetime:
        """The moment of all this (UTC)."""
        return self.screen.now

    @property
    def sites(self) -> tuple[Site, ...]:
        """The terminals by site; those without one are the last."""
        found: dict[str | None, list[DeviceRow]] = {}
        for one in self.devices:
            found.setdefault(one.site, []).append(one)
        named = [Site(name, tuple(rows)) for name, rows in found.items() if name is not None]
        named.sort(key=lambda one: (not one.in_trouble, one.name))
        return (*named, *(Site(None, tuple(found[None])) for _ in [0] if None in found))

    @property
    def bars(self) -> Bars:
        """What all terminals brought together, day by day."""
        return together(one.bars for one in self.devices)

    @property
    def read(self) -> tuple[DeviceRow, ...]:
        """The terminals that are called, and whose last reading is not too old."""
        return tuple(one for one in self.called if not (one.status.stale or one.status.ahead))

    @property
    def called(self) -> tuple[DeviceRow, ...]:
        """The terminals in use that are called."""
        return tuple(one for one in self.devices if one.status.enabled and not one.status.calls_us)

    @property
    def waiting(self) -> int:
        """Punches that are on their way to dashboards."""
        return sum(one.status.standing.pending for one in self.dashboards)

    @property
    def waits_since(self) -> datetime | None:
        """Since when the oldest waits that a dashboard has not confirmed."""
        return min(
            (one.status.standing.oldest for one in self.dashboards if one.status.standing.oldest),
            default=None,
        )

    @property
    def parked_in_all(self) -> int:
        """Punches that dashboards refused."""
        return sum(one.status.standing.parked for one in self.dashboards)

    @property
    def aside_in_all(self) -> int:
        """Rows of databases that are no punches for now."""
        return sum(one.status.standing.set_aside for one in self.databases if one.status.standing)


def page_view(inventory: Inventory, journal: Journal, now: datetime) -> PageView:
    """Return all that the page shows, as of one moment. `now` is UTC.

    Raise `JournalError` where the journal cannot be read, and `RuntimeError` within a transaction of it.
    """
    with journal.snapshot():
        screen = status(inventory, journal, now)
        needs = screen.needs
        by_subject = _by_subject(needs)
        gone, quarantine_in_all = not_accepted(journal, MOST)
        rows = rows_not_accepted(journal, MOST) if inventory.databases else []
        by_database = rows_by_day(journal, now) if inventory.databases else {}
        return PageView(
            screen=screen,
            verdict=screen.verdict,
            version=__version__,
            zone=ZoneInfo(inventory.zone_by_default or "UTC"),
            needs=tuple(NeedRow(need, remedy(need)) for need in needs),
            devices=_devices(inventory, screen, by_subject),
            databases=_databases(inventory, screen, by_subject, by_database),
            dashboards=_dashboards(inventory, screen, by_subject, journal),
            parked=_parked(journal, screen),
            quarantine=tuple(gone),
            quarantine_in_all=quarantine_in_all,
            set_aside=tuple(rows),
        )


def _by_subject(needs: Sequence[Need]) -> _Needs:
    found: dict[str, tuple[Need, ...]] = {}
    for need in needs:
        found[need.subject] = (*found.get(need.subject, ()), need)
    return found


def _devices(inventory: Inventory, screen: StatusScreen, needs: _Needs) -> tuple[DeviceRow, ...]:
    today = _days(inventory, screen.now)
    sites = {one.name: one.site for one in inventory.devices}
    rows = []
    for one in screen.devices:
        subjects = (one.subject, *([one.push.subject] if one.push else []))
        mine = tuple(need for subject in subjects for need in needs.get(subject, ()))
        bars = by_day(one.standing.punched, today[one.name])
        log = None if one.calls_us else one.standing.fullness
        rows.append(DeviceRow(one, sites[one.name], bars, mine, log))
    rows.sort(key=lambda row: (not row.needs, is_mild(row.needs), not row.status.enabled))
    return tuple(rows)


def _databases(
    inventory: Inventory, screen: StatusScreen, needs: _Needs, counts: Mapping[str, Mapping[date, int]]
) -> tuple[DatabaseRow, ...]:
    today = _days(inventory, screen.now)
    sites = {one.name: one.site for one in inventory.databases}
    rows = [
        DatabaseRow(
            one,
            sites[one.name],
            by_day(counts.get(one.name, {}), today[one.name]),
            needs.get(one.subject, ()),
        )
        for one in screen.databases
    ]
    rows.sort(key=lambda row: (not row.needs, not row.status.enabled))
    return tuple(rows)


def _days(inventory: Inventory, now: datetime) -> Mapping[str, date]:
    """Return for each source which day its wall clock shows, where it is right."""
    return {one.name: now.astimezone(ZoneInfo(one.timezone)).date() for one in inventory.sources}


def _dashboards(
    inventory: Inventory, screen: StatusScreen, needs: _Needs, journal: Journal
) -> tuple[DashboardRow, ...]:
    known = courses(journal)
    numbers: dict[str, int] = dict(journal.all("destinations"))
    addresses = {one.name: _address(one.url) for one in inventory.dashboards}
    zone = ZoneInfo(inventory.zone_by_default or "UTC")
    begin = screen.now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    for one in screen.dashboards:
        course = known.get(one.name, Course((), 0))
        subjects = (*sorted(one.subjects), f"way to dashboard {one.name}")
        waited = course.waited(screen.now, _HOURS - 1)
        rows.append(
            DashboardRow(
                one,
                addresses.get(one.name, ""),
                _counts(journal, numbers.get(one.name)),
                course.confirmed_since(begin),
                Bars((*waited, one.standing.pending)),
                tuple(need for subject in subjects for need in needs.get(subject, ())),
            )
        )
    return tuple(rows)


def _address(url: str) -> str:
    """Return a URL without its path and query, which may be secret, as those of webhooks are."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _counts(journal: Journal, destination: int | None) -> Counts | None:
    """Return a dashboard's punches by state; None where they do not come out."""
    try:
        return balance(journal, destination)
    except JournalUnfit:
        return None


def _parked(journal: Journal, screen: StatusScreen) -> tuple[Waiting, ...]:
    """Return the first parked punches of the dashboards, no more than `MOST` of all together."""
    found: list[Waiting] = []
    for one in screen.dashboards:
        if one.standing.parked and len(found) < MOST:
            found += Decisions(journal, one.name).first("parked", MOST - len(found))
    return tuple(found)
