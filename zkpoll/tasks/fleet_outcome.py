"""How errands of workers stand, by the queues that workers take them from, as results. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model.errand import Errand, Queue
from zkpoll.model.report import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.model.errand import ErrandStanding, WhyLate
    from zkpoll.model.report import Notice

NOT_TAKEN: Final = "not taken"
BEHIND: Final = "behind"
"""The kind of the trouble where some errands are taken and others wait for too long."""
KINDS_OF_QUEUES: Final = frozenset(("not sent", NOT_TAKEN, BEHIND, "not ended"))
_NOUNS: Final = {
    "visit": ("visit", "visits"),
    "deliver": ("delivery", "deliveries"),
    "clear": ("clearing", "clearings"),
}


@dataclass(frozen=True, slots=True)
class ErrandPlace:
    """Where an errand of the inventory is done."""

    queue: Queue
    limit: float | None
    """Seconds that its work may take; None for those of its kind."""


def errand_places(inventory: Inventory) -> dict[Errand, ErrandPlace]:
    """Return the errands that an inventory has, with their places; those of what is switched off are none."""
    found = {}
    for device in inventory.called:
        if device.enabled:
            place = ErrandPlace(Queue(device.site), device.visit_limit)
            found[Errand("visit", device.name)] = place
            if device.clear.above is not None:
                found[Errand("clear", device.name)] = place
    for database in inventory.databases:
        if database.enabled:
            found[Errand("visit", database.name)] = ErrandPlace(Queue(database.site), database.visit_limit)
    for dashboard in inventory.dashboards:
        found[Errand("deliver", dashboard.name)] = ErrandPlace(Queue(deliveries=True), None)
    return found


def queues_of(inventory: Inventory) -> tuple[Queue, ...]:
    """Return the queues of an inventory, in its order: of sites, of devices without one, of deliveries."""
    found = dict.fromkeys(place.queue for place in errand_places(inventory).values())
    return tuple(sorted(found, key=lambda one: (one.deliveries, one.site is None)))


@dataclass(frozen=True, slots=True)
class QueueOutcome:
    """How the errands of one queue stand."""

    queue: Queue
    late: tuple[ErrandStanding, ...] = ()
    """Those that are late."""
    served: bool = True
    """Whether anybody has taken an errand of it lately."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The queue."""
        return self.queue.subject

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while errands of it are late."""
        by_reason: dict[WhyLate, list[ErrandStanding]] = {}
        for one in sorted(self.late, key=lambda one: one.waits_since):
            by_reason.setdefault(one.why_late, []).append(one)
        told = []
        if unsent := by_reason.get("not sent"):
            told.append(("not sent", f"{_waiting(unsent)}, and could not be sent; does the broker answer?"))
        if waiting := by_reason.get("not taken"):
            told.append(self._of_waiting(waiting))
        if unended := by_reason.get("not ended"):
            told.append(("not ended", _unended(unended)))
        return Trouble(told[0][0], "; ".join(text for _, text in told)) if told else None

    def _of_waiting(self, waiting: Sequence[ErrandStanding]) -> tuple[str, str]:
        since = _waiting(waiting)
        if self.served:
            why = "there are too few workers, or some have another inventory"
            return BEHIND, f"{since}, while others are taken: {why}"
        there = " there" if self.queue.site is not None else ""
        what = "it" if len(waiting) == 1 else "them"
        return NOT_TAKEN, f"{since}, and nobody takes {what}; is `{self.queue.command}` running{there}?"


def _waiting(errands: Sequence[ErrandStanding]) -> str:
    verb = "waits" if len(errands) == 1 else "wait"
    return f"{_counted(errands)} {verb} since {_minute(errands[0].waits_since)}"


def _unended(errands: Sequence[ErrandStanding]) -> str:
    first = errands[0]
    were = f"{_counted(errands)} {'was' if len(errands) == 1 else 'were'} taken, and not ended"
    at = _minute(first.taken_at or first.sent_at)
    who = f"`{first.errand.subject}` was taken last by {first.taken_by} at {at}"
    return f"{were} since {_minute(first.waits_since)}: {who}; see that worker's log"


def _counted(errands: Iterable[ErrandStanding]) -> str:
    """Return how many errands there are of each kind: `12 visits and 1 clearing`."""
    kinds = [one.errand.kind for one in errands]
    parts = [f"{kinds.count(kind):,} {_NOUNS[kind][kinds.count(kind) > 1]}" for kind in dict.fromkeys(kinds)]
    return " and ".join(parts)


def _minute(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%MZ}"


def queue_outcomes(
    inventory: Inventory, standings: Iterable[ErrandStanding], now: datetime
) -> tuple[QueueOutcome, ...]:
    """Given how errands stand, return how each queue of the inventory does. `now` is UTC.

    None where it has no workers.
    """
    if not inventory.workers:
        return ()
    every, places = inventory.workers.every, errand_places(inventory)
    grouped = by_queue(places, standings)
    return tuple(
        QueueOutcome(
            queue,
            tuple(one for one in grouped[queue] if one.is_late(now, every, places[one.errand].limit)),
            is_served(grouped[queue], every, now),
        )
        for queue in queues_of(inventory)
    )


def by_queue(
    places: Mapping[Errand, ErrandPlace], standings: Iterable[ErrandStanding]
) -> dict[Queue, list[ErrandStanding]]:
    """Return how the errands of each queue stand; what is not in the inventory is in none."""
    found: dict[Queue, list[ErrandStanding]] = {place.queue: [] for place in places.values()}
    for one in standings:
        if place := places.get(one.errand):
            found[place.queue].append(one)
    return found


def is_served(standings: Iterable[ErrandStanding], every: float, now: datetime) -> bool:
    """Say whether anybody took one of some errands within a span, which is `every` seconds.

    What is late was sent two spans ago: where the last worker has gone since, nobody took any in this one.
    """
    taken = (one.taken_at for one in standings if one.taken_at)
    return any(abs(now - at) <= timedelta(seconds=every) for at in taken)


@dataclass(frozen=True, slots=True)
class BrokerOutcome:
    """How the broker that carries errands stands."""

    problem: str | None = None
    """Why nothing can be sent, in one sentence."""
    kind: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The broker."""
        return "broker"

    @property
    def trouble(self) -> Trouble | None:
        """The trouble while errands cannot be sent."""
        if self.problem is None:
            return None
        text = f"no errands are sent, so workers read and deliver nothing: {self.problem}"
        return Trouble("not sent", text)
