"""All dashboards' endless deliveries in one process that goes on until it is stopped, and how they did.

whoever journals in this process   announces it, and it goes out at once
other runs on the same journal     are looked for every five seconds
what is told                       of the rounds that ended since the last telling, while it still holds
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from zkpoll.delivery.origins import Origins
from zkpoll.errors import Busy
from zkpoll.journal import conditions
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import dashboard_standings
from zkpoll.tasks.arrivals import Feed
from zkpoll.tasks.backlogs import look_after_backlogs
from zkpoll.tasks.deliver_on import by_now, deliver_on
from zkpoll.tasks.outlet import Outlet

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.delivery_outcome import BacklogOutcome, DeliveryOutcome


class Outflow:
    """The deliveries of one process. May be shared by threads."""

    def __init__(
        self,
        inventory: Inventory,
        journal: Journal,
        names: dict[str, str],
        *,
        ending: threading.Event,
        left_behind: tuple[str, str],
        delivers: bool = True,
    ) -> None:
        """Meet all dashboards: each gets what is journalled from now on.

        `names` are the devices' by key, to be added to. Once `ending` is set, no further request begins.
        `left_behind` is what is told, behind its name, of a dashboard that a run with another inventory has
        renamed, with the subject in front.
        """
        self.feed = Feed(readers=1)
        """What is new is announced here."""
        self._inventory = inventory
        self._journal = journal
        self._names = names
        self._ending = ending
        self._words = left_behind
        self._delivers = delivers
        self._outboxes = {one.name: JournalOutbox(journal, one.name) for one in inventory.dashboards}
        self._rounds: dict[str, DeliveryOutcome] = {}
        """The last round of each dashboard, until it is told."""
        self._left_behind: set[str] = set()
        """Dashboards that a run with another inventory has renamed."""
        self._told_failed: set[str] = set()
        """Dashboards of which a round that failed was told last."""

    def works(self) -> list[Callable[[], None]]:
        """Return the work of each delivery, to be done in a thread of its own until `ending` is set."""
        if not self._delivers:
            return []
        origins = Origins.of_inventory(self._inventory.sources, self._names)
        outlets = [
            Outlet(
                one,
                self._outboxes[one.name],
                origins,
                self._inventory.alert_after,
                self.feed.watcher(),
                self._ending,
                tells_shifts=False,
            )
            for one in self._inventory.dashboards
        ]
        return [partial(deliver_on, one, self._journal, self._round_ended) for one in outlets]

    def backlogs(self) -> tuple[BacklogOutcome, ...]:
        """Return how what waits for the dashboards has grown, where this delivers it."""
        if not self._delivers:
            return ()
        now = datetime.now(UTC)
        return look_after_backlogs(self._inventory.dashboards, self._journal, self._told_failed, now)

    def by_now(self) -> tuple[DeliveryOutcome, ...]:
        """Return what is to be told of the rounds that ended since this was asked last."""
        standings = {one.name: one for one in dashboard_standings(self._journal)}
        found = []
        for name in list(self._rounds):
            failed_before = name in self._told_failed
            if name not in standings and name not in self._left_behind:
                self._left_behind.add(name)
                subject, words = self._words
                with self._journal.transaction():
                    conditions.owe(self._journal, subject, f"dashboard {name} {words}")
            outcome = by_now(self._rounds.pop(name), standings.get(name), failed_before=failed_before)
            if outcome is None:
                continue
            found.append(outcome)
            if outcome.kind != Busy.kind:
                (self._told_failed.add if outcome.problem else self._told_failed.discard)(name)
        return tuple(found)

    def _round_ended(self, outcome: DeliveryOutcome) -> None:
        self._rounds[outcome.name] = outcome
