"""The second door, for as long as it is open: callers, deliveries and upkeep side by side.

    callers     the listener's threads ──▶ desk ──▶ journal, and then the answer
    deliveries  a thread for each dashboard: what is journalled goes out at once
    upkeep      once a second: what callers told is written down, commands are looked up and queued
                once a minute: news, and figures for Prometheus twice a minute

No policy of its own: the rooms decide. Nothing that a caller waits for waits for a dashboard.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from zkpoll import service_manager
from zkpoll.delivery.origins import Origins
from zkpoll.errors import Busy, InventoryError, JournalError, JournalUnfit
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import dashboard_standings
from zkpoll.journal.pushed import pushed_standings
from zkpoll.model.sums import Counts
from zkpoll.push.listener import listening
from zkpoll.tasks.arrivals import Feed
from zkpoll.tasks.deliver import Lane
from zkpoll.tasks.deliver_on import deliver_on
from zkpoll.tasks.desk import LOCK_WAIT, Desk
from zkpoll.tasks.outcome import Outcome
from zkpoll.tasks.push_outcome import ListenerOutcome, PushOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import Met
    from zkpoll.push.listener import Listener
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome

_log = logging.getLogger(__name__)

_UPKEEP: Final = 1.0
NEWS: Final = 60.0
"""Seconds between two looks for what a person has to know."""


@dataclass(frozen=True, slots=True)
class Observers:
    """The listeners to one `serve`. Called from its threads."""

    ready: Callable[[str], None]
    """Called once, with the address, when callers are let in."""
    news: Callable[[Outcome, Journal], None]
    """Called once a minute, and at the end, with how all stands. Whoever tells it strikes what is owed."""


def serve(
    inventory: Inventory,
    observers: Observers,
    *,
    stop: threading.Event,
    deliver: bool = True,
    clock_is_right: bool = False,
) -> None:
    """Listen for devices that push, until `stop` is set; then finish what is in hand, and return.

    Raise `InventoryError` where nothing is there to listen for, or on; `Busy` where another one has this
    journal; `JournalError` where it cannot be used, or is not in its place any more.
    """
    if inventory.listen is None:
        raise InventoryError("listen: is missing in the inventory; it says where `zkpoll serve` listens")
    if not any(one.enabled for one in inventory.pushing):
        raise InventoryError("no enabled device of the inventory has push:, so that nobody may call")
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(inventory.journal, patience=LOCK_WAIT))
        try:
            stack.enter_context(journal.lock("serve"))
        except Busy as error:
            raise Busy(f"another `zkpoll serve` has the journal {inventory.journal}") from error
        service = _Service(inventory, journal, observers, deliver=deliver, clock_is_right=clock_is_right)
        listener = stack.enter_context(
            listening(
                str(inventory.listen.address),
                service.desk,
                trusted_proxies=inventory.listen.trusted_proxies,
            )
        )
        service.run(listener, stop)


class _Service:
    """The threads of one `serve`."""

    def __init__(
        self,
        inventory: Inventory,
        journal: Journal,
        observers: Observers,
        *,
        deliver: bool,
        clock_is_right: bool,
    ) -> None:
        self._inventory = inventory
        self._journal = journal
        self._observers = observers
        self._delivers = deliver
        self._names = Devices(journal).names()
        self._feed = Feed(readers=1)
        self._rounds: dict[str, DeliveryOutcome] = {}
        self._began, self._started = datetime.now(UTC), time.monotonic()
        self._poll_every = inventory.listen.poll_every if inventory.listen else 0
        self._ending = threading.Event()
        """Set when no further request to a dashboard is to begin."""
        # Before the first caller: a dashboard gets what is journalled after it was met.
        self._outboxes = {one.name: JournalOutbox(journal, one.name) for one in inventory.dashboards}
        self.desk = Desk(inventory, journal, taken=self._taken, clock_is_right=clock_is_right)

    def run(self, listener: Listener, stop: threading.Event) -> None:
        """Let callers in until `stop` is set, or a thread fails; raise its error then."""
        works: list[Callable[[], None]] = [self._keep_up]
        if self._delivers:
            works += self._deliveries()
        with ThreadPoolExecutor(len(works), "serve") as pool:
            running = [pool.submit(_ending_all, work, stop) for work in works]
            self._observers.ready(listener.address)
            service_manager.notify("READY=1")
            try:
                listener.serve(stop)
            finally:
                service_manager.notify("STOPPING=1")
                stop.set()
                self._ending.set()
                self._feed.close()
        for one in running:
            one.result()
        self.desk.write_down(datetime.now(UTC), all_of_it=True)
        self._tell()

    def _taken(self, met: Met, name: str) -> None:
        if met.held is None:
            self._names[met.key] = name
        self._feed.announce()

    # --- deliveries ---

    def _deliveries(self) -> list[Callable[[], None]]:
        origins = Origins.of_inventory(self._inventory.devices, self._names)
        lanes = [
            Lane(
                one,
                self._outboxes[one.name],
                origins,
                self._inventory.alert_after,
                self._feed.watcher(),
                self._ending,
                tells_shifts=False,
            )
            for one in self._inventory.dashboards
        ]
        return [partial(deliver_on, lane, self._journal, self._round_ended) for lane in lanes]

    def _round_ended(self, outcome: DeliveryOutcome) -> None:
        self._rounds[outcome.name] = outcome

    # --- upkeep ---

    def _keep_up(self) -> None:
        """Do what is due every second, until the end. Raise `JournalUnfit`; all else is tried again."""
        told_at = time.monotonic()
        while not self._ending.wait(_UPKEEP):
            service_manager.notify("WATCHDOG=1")
            try:
                self._journal.check_in_place()
                self.desk.write_down(datetime.now(UTC))
                self.desk.exchange_orders()
                if time.monotonic() - told_at >= NEWS:
                    told_at = time.monotonic()
                    self._tell()
            except JournalUnfit:
                raise
            except JournalError as error:
                self.desk.problem = str(error)
                _log.warning("%s", error)

    def _tell(self) -> None:
        self._observers.news(self._outcome(), self._journal)

    def _outcome(self) -> Outcome:
        """Return how callers and dashboards stand, as the outcome of a run that read nothing."""
        now = datetime.now(UTC)
        standings = pushed_standings(self._journal)
        pushing = [
            PushOutcome(
                seat.device.name,
                standings.get(seat.device.name),
                now,
                self._began,
                self._poll_every,
                seat.too_large,
            )
            for seat in self.desk.seats.values()
            if seat.device.enabled
        ]
        owed = (one for one in conditions.owed(self._journal) if one[0].startswith("push "))
        return Outcome(
            devices=(),
            deliveries=self._deliveries_by_now(),
            pushing=(*pushing, ListenerOutcome(self.desk.problem or self.desk.clock_doubt(now))),
            untold=tuple(owed),
            seconds=time.monotonic() - self._started,
        )

    def _deliveries_by_now(self) -> tuple[DeliveryOutcome, ...]:
        """Return the last round of each dashboard, with what waits for it by now."""
        waiting = {one.name: one for one in dashboard_standings(self._journal)}
        found = []
        for name, outcome in self._rounds.items():
            one = waiting[name]
            counts = Counts(one.pending + one.parked + one.held, one.pending, 0, one.parked, one.held)
            oldest = one.oldest.isoformat() if one.oldest and one.pending else None
            found.append(replace(outcome, counts=counts, oldest_pending=oldest))
        return tuple(found)


def _ending_all(work: Callable[[], None], stop: threading.Event) -> None:
    """Do one thread's work; if it fails, all others end, too."""
    try:
        work()
    except BaseException:
        stop.set()
        raise
