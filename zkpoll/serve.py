"""The second door, for as long as it is open: callers, deliveries and upkeep side by side.

    callers     the listener's threads ──▶ desk ──▶ journal, and then the answer
    deliveries  a thread for each dashboard: what is journalled goes out at once
    watch       where that is asked for: a thread for each terminal that is called, as `zkpoll watch` has them
    upkeep      once a second: what callers told is written down, commands are looked up
                every five seconds: commands that are due are queued
                once a minute: news, and figures for Prometheus twice a minute
    the door    once a second: whether punches are taken, which is told also where the journal hangs

No policy of its own: the rooms decide. Nothing that a caller waits for waits for a dashboard.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from zkpoll import service_manager
from zkpoll.errors import Busy, InventoryError, JournalError, JournalUnfit, Locked, LocksLost
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import pushed_standings
from zkpoll.journal.sessions import Sessions
from zkpoll.journal.standing_lock import StandingLock
from zkpoll.journal.watches import ANY_WATCH
from zkpoll.model.journal_home import JournalServer
from zkpoll.push.listener import Limits, listening
from zkpoll.tasks.admin_desk import LIMITS as OF_THE_PAGE
from zkpoll.tasks.admin_desk import AdminDesk
from zkpoll.tasks.desk import LOCK_WAIT, Desk
from zkpoll.tasks.health_desk import Health, HealthDesk
from zkpoll.tasks.orders import Orders
from zkpoll.tasks.outcome import Outcome
from zkpoll.tasks.outflow import Outflow
from zkpoll.tasks.push_outcome import (
    PUSH,
    DialectOutcome,
    ListenerOutcome,
    PushOutcome,
    ServeFigures,
    is_silent,
)
from zkpoll.tasks.renames import follow_renames
from zkpoll.watch import Watching, ending_all, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import Met
    from zkpoll.push.listener import Listener
    from zkpoll.tasks.admin_desk import LivePage
    from zkpoll.tasks.result import Result

_log = logging.getLogger(__name__)

_UPKEEP: Final = 1.0
"""Seconds."""
_ORDERS: Final = 5.0
"""Seconds between two looks for what devices are to be asked for."""
_LASTS: Final = 30.0
"""Seconds for which punches are not taken until a person is told: terminals have sent them again by then."""
FIGURES: Final = 30.0
"""Seconds between two writings of figures."""
_OF_HEALTH: Final = Limits(whole=10, finish=1, waiting=8, threads=1, connections=64, linger=1)
"""How much of the health check's listener its callers may take: a few, and quick ones."""
_LEFT_BEHIND: Final = (
    "was given another name by a run with a newer inventory (was:), and is sent nothing by this one now; "
    "restart zkpoll serve"
)
NEWS: Final = 60.0
"""Seconds between two looks for what a person has to know."""


@dataclass(frozen=True, slots=True)
class Observers:
    """The listeners to one `serve`. Called from its threads."""

    ready: Callable[[str, Journal], None]
    """Called once, with the address, when callers are let in."""
    door: Callable[[ListenerOutcome], None]
    """Called once a second with how the door stands, also while the journal hangs."""
    figures: Callable[[ServeFigures, Journal], None]
    """Called twice a minute. May raise `JournalError`."""
    news: Callable[[Outcome, Journal], None]
    """Called once a minute, and at the end, with how all but the door stands. Whoever tells it strikes what
    is owed. May raise `JournalError`."""


def serve(
    inventory: Inventory,
    observers: Observers,
    *,
    stop: threading.Event,
    deliver: bool = True,
    clock_is_right: bool = False,
    page: LivePage | None = None,
    watching: Sequence[Device] | None = None,
) -> None:
    """Listen for devices that push, until `stop` is set; then finish what is in hand, and return.

    With `admin:` in the inventory, people see the `page` at its address. Devices in `watching` are watched
    meanwhile. Raise `InventoryError` where nothing is there to listen for, or on, or to watch; `Busy` where
    another one has this journal, or all those devices; `JournalError` where it cannot be used, or is not in
    its place any more.
    """
    if inventory.listen is None:
        raise InventoryError("listen: is missing in the inventory; it says where `zkpoll serve` listens")
    if not any(one.enabled for one in inventory.pushing):
        raise InventoryError("no enabled device of the inventory has push:, so that nobody may call")
    with ExitStack() as stack:
        journal = stack.enter_context(open_journal(inventory.home, patience=LOCK_WAIT))
        locks = stack.enter_context(_Locks(inventory, journal))
        locks.take()
        service = _Service(
            inventory, journal, locks, observers, deliver=deliver, clock_is_right=clock_is_right
        )
        if watching is not None:
            service.watch(watched(inventory, watching, journal), stack, stop)
        listener = stack.enter_context(
            listening(
                str(inventory.listen.address),
                service.desk,
                trusted_proxies=inventory.listen.trusted_proxies,
            )
        )
        health = None
        if where := inventory.listen.health:
            desk = HealthDesk(partial(service.health, listener))
            health = stack.enter_context(listening(str(where), desk, limits=_OF_HEALTH))
        admin = None
        if page and inventory.admin:
            people = AdminDesk(page, inventory.admin.password())
            where_to_look = str(inventory.admin.address)
            admin = stack.enter_context(
                listening(where_to_look, people, limits=OF_THE_PAGE, headers=page.headers())
            )
        service.run(listener, health, admin, stop)


class _Locks:
    """What one `serve` holds while it lives. A context manager that lets it go."""

    def __init__(self, inventory: Inventory, journal: Journal) -> None:
        self._home = inventory.home
        self._place = StandingLock(journal, "serve")
        self._sign = StandingLock(journal, ANY_WATCH)
        self.watches = False
        """Whether others are to see that a watch runs."""

    def take(self) -> None:
        """Take what is not held. Raise `JournalError`; `Busy` where another `serve` has this journal."""
        try:
            self._place.take()
        except Busy as error:
            raise Busy(f"another `zkpoll serve` has the journal {self._home}") from error
        if self.watches:
            with suppress(Busy, Locked):  # another watch shows that it runs
                self._sign.take()

    def let_go(self) -> None:
        """Let go of all: a session with a server begins anew once nothing is locked by it any more."""
        self._sign.let_go()
        self._place.let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()


class _Service:
    """The threads of one `serve`."""

    def __init__(
        self,
        inventory: Inventory,
        journal: Journal,
        locks: _Locks,
        observers: Observers,
        *,
        deliver: bool,
        clock_is_right: bool,
    ) -> None:
        self._inventory = inventory
        self._journal = journal
        self._locks = locks
        self._observers = observers
        self._renamed = follow_renames(inventory, journal, lambda: False)
        self._names = Devices(journal).names()
        self._began, self._started = datetime.now(UTC), time.monotonic()
        self._watching: Watching | None = None
        self._poll_every = inventory.listen.poll_every if inventory.listen else 0
        self._ending = threading.Event()
        """Set when no further request to a dashboard is to begin."""
        # Before the first caller: a dashboard gets what is journalled after it was met.
        self._outflow = Outflow(
            inventory,
            journal,
            self._names,
            ending=self._ending,
            left_behind=(f"{PUSH}door", _LEFT_BEHIND),
            delivers=deliver,
        )
        self.desk = Desk(inventory, journal, taken=self._taken, clock_is_right=clock_is_right)

    def watch(self, devices: Sequence[Device], stack: ExitStack, stop: threading.Event) -> None:
        """Watch devices besides, from `run` on; what that takes is held until `stack` ends."""
        self._locks.watches = True
        self._locks.take()
        home, first = self._inventory.home, self._journal
        if isinstance(home, JournalServer):  # one that is lost is lost to all whose locks it holds
            first = stack.enter_context(open_journal(home))
        self._watching = Watching(
            self._inventory,
            devices,
            self._journal,
            stack.enter_context(Sessions(home, first)),
            self._names,
            announce=self._outflow.feed.announce,
            stop=stop,
            trouble=lambda _problem: None,  # it is that of the door, too, and told as such
        )

    def run(
        self, listener: Listener, health: Listener | None, admin: Listener | None, stop: threading.Event
    ) -> None:
        """Let callers in until `stop` is set, or a thread fails; raise its error then."""
        works: list[Callable[[], None]] = [partial(self._keep_up, listener), self._watch_door]
        if health:
            works.append(partial(health.serve, stop))
            _log.info("health is told at http://%s/health", health.address)
        if admin:
            works.append(partial(admin.serve, stop))
            _log.info("the status page is at http://%s/", admin.address)
        works += self._outflow.works()
        works += self._watching.works if self._watching else []
        with ThreadPoolExecutor(len(works), "serve") as pool:
            running = [pool.submit(ending_all, work, stop) for work in works]
            try:
                self._observers.ready(listener.address, self._journal)
                service_manager.notify("READY=1")
                listener.serve(stop)
            finally:
                service_manager.notify("STOPPING=1")
                stop.set()
                self._ending.set()
                self._outflow.feed.close()
        for one in running:
            one.result()
        self._close_the_books()

    def _close_the_books(self) -> None:
        """Write down and tell the last. A journal that takes nothing by now is waited for no more.

        No punch hangs on it. Raise `JournalUnfit`.
        """
        if self.desk.unfit:
            raise self.desk.unfit
        if self.desk.problem:
            return
        try:
            self.desk.write_down(datetime.now(UTC), all_of_it=True)
            self.desk.exchange_orders()
            self._tell()
        except JournalUnfit:
            raise
        except JournalError as error:
            _log.warning("when devices called last is not written down: %s", error)

    def _taken(self, met: Met, name: str) -> None:
        if met.held is None:
            self._names[met.key] = name
        self._outflow.feed.announce()

    # --- upkeep ---

    def _keep_up(self, listener: Listener) -> None:
        """Do what is due every second, until the end. All that fails is tried again.

        Raise `JournalUnfit`; `Busy` where the session with a server was lost, and another `serve` has taken
        its place.
        """
        told_at = measured_at = asked_at = time.monotonic()
        orders = Orders(self._inventory, self._journal)
        while not self._ending.wait(_UPKEEP):
            service_manager.notify("WATCHDOG=1")
            if self.desk.unfit:
                raise self.desk.unfit
            try:
                self._locks.take()
                self._journal.check_in_place()
                self.desk.try_again()
                now = datetime.now(UTC)
                self.desk.write_down(now)
                if time.monotonic() - asked_at >= _ORDERS and not self.desk.clock_doubt(now):
                    asked_at = time.monotonic()
                    orders.look_after(now, self.desk.zones_told())
                self.desk.exchange_orders()
                if time.monotonic() - measured_at >= FIGURES:
                    measured_at = time.monotonic()
                    self._observers.figures(self._figures(listener), self._journal)
                if time.monotonic() - told_at >= NEWS:
                    told_at = time.monotonic()
                    self._tell()
            except JournalUnfit:
                raise
            except JournalError as error:
                if isinstance(error, LocksLost):
                    self._locks.let_go()
                if self.desk.problem != str(error):
                    _log.warning("%s", error)
                self.desk.problem = str(error)

    def _figures(self, listener: Listener) -> ServeFigures:
        punches = {one.device.name: one.new_punches for one in self.desk.seats.values() if one.device.enabled}
        return ServeFigures(self._problem(), listener.waiting, listener.connections, punches)

    def health(self, listener: Listener) -> Health:
        """Return how all does at this moment. Asks no disk."""
        now = datetime.now(UTC)
        enabled = [seat for seat in self.desk.seats.values() if seat.device.enabled]
        silent = (
            one.device.name
            for one in enabled
            if is_silent(max(self._began, one.last_call_at or self._began), now, self._poll_every)
        )
        return Health(
            len(enabled), tuple(silent), listener.waiting, self.desk.problem, self.desk.clock_doubt(now)
        )

    def _problem(self) -> str | None:
        """Return why punches are not taken, or None."""
        return self.desk.problem or self.desk.clock_doubt(datetime.now(UTC))

    def _watch_door(self) -> None:
        """Look once a second whether punches are taken; what lasts is told."""
        since = time.monotonic()
        while not self._ending.wait(_UPKEEP):
            problem = self._problem()
            if problem is None:
                since = time.monotonic()
            if problem is None or time.monotonic() - since >= _LASTS:
                self._observers.door(ListenerOutcome(problem))

    def _tell(self) -> None:
        outcome, found = self._outcome(), None
        if self._watching:
            found = self._watching.found()
            self._watching.note(found)
            outcome = self._watching.outcome(found, outcome)
        self._observers.news(outcome, self._journal)
        if self._watching and found:
            self._watching.has_told(found)
        self._renamed = tuple(one for one in self._renamed if one.trouble)

    def _outcome(self) -> Outcome:
        """Return how callers and dashboards stand, as the outcome of a run that read nothing."""
        deliveries = self._outflow.by_now()
        owed = (one for one in conditions.owed(self._journal) if one[0].startswith(PUSH))
        return Outcome(
            devices=(),
            deliveries=deliveries,
            backlogs=self._outflow.backlogs(),
            pushing=tuple(self._callers_by_now(datetime.now(UTC))),
            untold=tuple(owed),
            renamed=self._renamed,
            seconds=time.monotonic() - self._started,
        )

    def _callers_by_now(self, now: datetime) -> Iterator[Result]:
        """Yield how each device stands that may call."""
        standings = pushed_standings(self._journal)
        enabled = [seat for seat in self.desk.seats.values() if seat.device.enabled]
        for seat in enabled:
            name = seat.device.name
            one = standings.get(name)
            calls = PushOutcome(
                name,
                one,
                now,
                self._began,
                self._poll_every,
                too_large=seat.too_large,
                too_large_at=seat.too_large_at,
                failed=seat.failed,
                failed_at=seat.failed_at,
                warn_clock=seat.device.warned_clock,
                timezone=seat.device.timezone,
            )
            dialect = DialectOutcome(name, one.dialect if one else None)
            if not calls.is_open:
                yield calls
            yield dialect
