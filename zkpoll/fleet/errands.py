"""Which errands an inventory gives, when each is due again, and by which queue it goes. Pure.

Time is cut into spans, the same on all machines. An errand is sent once in each, at most, and its message
counts until the span ends: by then it is done, under way, or sent anew.

    visit     a device with a host, or a database    a span of `every:`
    deliver   to a dashboard                         a minute, which is as long as one delivery takes at most
    clear     a device's log, if it is due           a span of `every:`
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.inventory.digest import settings_digest
from zkpoll.tasks.clear import due
from zkpoll.tasks.fleet_outcome import errand_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.inventory import Dashboard, Database, Device, Inventory
    from zkpoll.journal.devices import LastReading
    from zkpoll.model.errand import Errand, Kind

DELIVERY: Final = 60.0
"""Seconds of a delivery's span."""
TO_DASHBOARDS: Final = "deliver"
"""The queue of all deliveries."""
ANYWHERE: Final = "visit"
"""The queue of what has no site."""
_BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)


def span_end(now: datetime, seconds: float) -> datetime:
    """Return when the span of so many seconds ends in which `now` (UTC) is."""
    spans = int((now - _BEGIN).total_seconds() // seconds) + 1
    return _BEGIN + timedelta(seconds=spans * seconds)


def span_of(kind: Kind, every: float) -> float:
    """Return the seconds of the span of an errand's kind, where devices are visited once in `every`."""
    return DELIVERY if kind == "deliver" else every


def at_site(site: str | None) -> str:
    """Return the queue of what is at a site, or has none."""
    return f"site.{site}" if site else ANYWHERE


def queues(inventory: Inventory, sites: Iterable[str], *, deliver: bool) -> list[str]:
    """Return the queues that a worker takes errands from, as it was asked for.

    Asked for nothing, it takes from all that there are.
    """
    sites = tuple(sites)
    if not (sites or deliver):
        return [ANYWHERE, *(at_site(one) for one in inventory.sites), TO_DASHBOARDS]
    return [*(at_site(one) for one in sites), *([TO_DASHBOARDS] if deliver else [])]


def threads_for(inventory: Inventory, names: Iterable[str], threads: int) -> int:
    """Return how many threads a worker needs that takes from these queues, for so many visits at once.

    A delivery has a thread for as long as its span, and waits for punches nearly all of that.
    """
    return threads + (len(inventory.dashboards) if TO_DASHBOARDS in names else 0)


class Plan:
    """The errands of one inventory: all that may be due. May be shared by threads."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._devices = {one.name: one for one in inventory.called if one.enabled}
        self._sources: dict[str, Device | Database] = {
            **self._devices,
            **{one.name: one for one in inventory.databases if one.enabled},
        }
        self._dashboards = {one.name: one for one in inventory.dashboards}
        self._all = dict.fromkeys(errand_places(inventory))

    def source(self, name: str) -> Device | Database:
        """Return the device or database of a name that is visited. Raise `KeyError`."""
        return self._sources[name]

    def device(self, name: str) -> Device:
        """Return the device of a name that is visited. Raise `KeyError`."""
        return self._devices[name]

    def dashboard(self, name: str) -> Dashboard:
        """Return the dashboard of a name. Raise `KeyError`."""
        return self._dashboards[name]

    def has(self, errand: Errand) -> bool:
        """Say whether the inventory has an errand, and what it is for is in use."""
        return errand in self._all

    def queue(self, errand: Errand) -> str:
        """Return the queue by which an errand of the inventory goes."""
        return TO_DASHBOARDS if errand.kind == "deliver" else at_site(self._sources[errand.name].site)

    def settings(self, errand: Errand) -> str:
        """Return the digest of the settings that an errand of the inventory goes by."""
        deliver = errand.kind == "deliver"
        return settings_digest(self._dashboards[errand.name] if deliver else self._sources[errand.name])

    def visits(self) -> list[Errand]:
        """Return the visits to all devices and databases, in the inventory's order."""
        return self._of("visit")

    def deliveries(self) -> list[Errand]:
        """Return the deliveries to all dashboards."""
        return self._of("deliver")

    def ever_cleared(self) -> list[Errand]:
        """Return the clearings of all logs that are ever cleared."""
        return self._of("clear")

    def _of(self, kind: Kind) -> list[Errand]:
        return [one for one in self._all if one.kind == kind]

    def due_to_be_cleared(self, last: Mapping[str, LastReading], now: datetime) -> list[Errand]:
        """Return the clearings of logs that are due by their last reading.

        `last` has that by the device's name. `now` is UTC.
        """
        return [
            errand
            for errand in self.ever_cleared()
            if due(self._devices[errand.name], last.get(errand.name), now)
        ]

    def clearings(
        self, last: Mapping[str, LastReading], taken: Mapping[Errand, datetime], now: datetime
    ) -> list[Errand]:
        """Return those of them that are to be sent: none of what was sent since that reading, and taken.

        `taken` is when those were sent that somebody took.
        """
        return [
            errand
            for errand in self.due_to_be_cleared(last, now)
            if not (errand in taken and taken[errand] >= last[errand.name].read_at)
        ]
