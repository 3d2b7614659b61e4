"""All that the page shows, read from the journal at one moment. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll import __version__
from zkpoll.journal.decisions import Decisions
from zkpoll.journal.quarantine import quarantined
from zkpoll.reports.page.bars import Bars, by_day
from zkpoll.reports.page.remedies import remedy
from zkpoll.reports.status import status

if TYPE_CHECKING:
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.decisions import Waiting
    from zkpoll.journal.quarantine import Impossible
    from zkpoll.reports.database_status import DatabaseStatus
    from zkpoll.reports.status import DashboardStatus, DeviceStatus, StatusScreen
    from zkpoll.reports.verdict import Need

MOST: Final = 50
"""Parked punches, and records in quarantine, that the page lists."""


@dataclass(frozen=True, slots=True)
class NeedRow:
    """A thing that needs a person, with what helps."""

    need: Need
    command: str | None
    """The command that helps, or None where the sentence has all that there is to do."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A terminal, its site, and the punches that it brought."""

    status: DeviceStatus
    site: str | None
    bars: Bars
    needs: tuple[Need, ...]
    """What a person has to see to; empty where it is well."""


@dataclass(frozen=True, slots=True)
class DatabaseRow:
    """A database of vendor software, its site, and the punches that its rows show."""

    status: DatabaseStatus
    site: str | None
    bars: Bars
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class DashboardRow:
    """A dashboard, and what it confirmed and waited for today."""

    status: DashboardStatus
    needs: tuple[Need, ...]


@dataclass(frozen=True, slots=True)
class PageView:
    """All that the page shows. Times are UTC; it shows them in `zone`."""

    screen: StatusScreen
    version: str
    zone: ZoneInfo
    needs: tuple[NeedRow, ...]
    devices: tuple[DeviceRow, ...]
    databases: tuple[DatabaseRow, ...]
    dashboards: tuple[DashboardRow, ...]
    parked: tuple[Waiting, ...]
    """The first of them, of all dashboards together no more than `MOST`."""
    quarantine: tuple[Impossible, ...]
    """The first of those that nobody accepted, no more than `MOST`."""

    @property
    def now(self) -> datetime:
        """The moment of all this (UTC)."""
        return self.screen.now


def page_view(inventory: Inventory, journal: Journal, now: datetime) -> PageView:
    """Return all that the page shows. `now` is UTC. Raise `JournalError` where the journal cannot be read."""
    screen = status(inventory, journal, now)
    zone = ZoneInfo(inventory.zone_by_default or "UTC")
    needs: dict[str, list[Need]] = {}
    for need in screen.needs:
        needs.setdefault(need.subject, []).append(need)

    def of(*subjects: str) -> tuple[Need, ...]:
        return tuple(need for subject in subjects for need in needs.get(subject, ()))

    sites = {one.name: one.site for one in inventory.sources}
    zones = {one.name: ZoneInfo(one.timezone) for one in inventory.sources}
    return PageView(
        screen=screen,
        version=__version__,
        zone=zone,
        needs=tuple(NeedRow(need, remedy(need)) for need in screen.needs),
        devices=tuple(
            DeviceRow(
                one,
                sites[one.name],
                by_day(one.standing.punched, now.astimezone(zones[one.name]).date()),
                of(one.subject, *([one.push.subject] if one.push else [])),
            )
            for one in screen.devices
        ),
        databases=tuple(
            DatabaseRow(one, sites[one.name], by_day({}, now.date()), of(one.subject))
            for one in screen.databases
        ),
        dashboards=tuple(DashboardRow(one, of(*sorted(one.subjects))) for one in screen.dashboards),
        parked=_parked(journal, screen),
        quarantine=tuple(one for one in quarantined(journal) if one.accepted_at is None)[:MOST],
    )


def _parked(journal: Journal, screen: StatusScreen) -> tuple[Waiting, ...]:
    """Return the first parked punches of the dashboards, no more than `MOST` of all together."""
    found: list[Waiting] = []
    for one in screen.dashboards:
        if one.standing.parked and len(found) < MOST:
            found += Decisions(journal, one.name).first("parked", MOST - len(found))
    return tuple(found)
