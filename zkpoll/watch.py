"""Devices under watch, until the process ends: read when somebody punches, and delivered at once.

    devices     a thread for each: it stays with its terminal, reads when that rings, or is silent for long
    deliveries  a thread for each dashboard: what is journalled goes out at once
    upkeep      once a second: is the journal in its place; once a minute: news, and that this goes on

`zkpoll serve --watch` has the same devices beside its callers. No policy of its own: the tasks decide.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from zkpoll import service_manager
from zkpoll.errors import Busy, InventoryError, JournalError, JournalUnfit, Locked
from zkpoll.fleet.news import NEWS, exchanged, untold_here
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.runs import note_run
from zkpoll.journal.sessions import Sessions
from zkpoll.journal.standing_lock import StandingLock
from zkpoll.journal.watches import ANY_WATCH, is_watched
from zkpoll.model.sums import Tally
from zkpoll.tasks.device_outcome import Released
from zkpoll.tasks.log_rates import rated
from zkpoll.tasks.outcome import Outcome, Untold, whose_clock
from zkpoll.tasks.outflow import Outflow
from zkpoll.tasks.renames import follow_renames
from zkpoll.tasks.watch_device import WatchMeans, watch_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.bell_outcome import BellOutcome
    from zkpoll.tasks.device_outcome import DeviceOutcome

_log = logging.getLogger(__name__)

_UPKEEP: Final = 1.0
"""Seconds."""
_LEFT_BEHIND: Final = (
    "was given another name by a run with a newer inventory (was:), and is sent nothing by this one now; "
    "restart zkpoll watch"
)


@dataclass(frozen=True, slots=True)
class WatchObservers:
    """The listeners to one `zkpoll watch`. Called from its threads."""

    ready: Callable[[Sequence[Device], Sequence[str]], None]
    """Called once, with the devices that are watched, and the names of those that another process watches."""
    journal: Callable[[str | None], None]
    """Called with why the journal cannot be used at the moment, or None, each time that is known."""
    news: Callable[[Outcome, Journal], None]
    """Called once a minute, and at the end, with how all stands. Whoever tells it strikes what is owed. May
    raise `JournalError`."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be told of devices under watch."""

    devices: tuple[DeviceOutcome, ...]
    """The last result of each; what happened, in it, was not told yet."""
    earlier: tuple[Untold, ...]
    """What happened before these results, and was not told yet."""
    bells: tuple[BellOutcome, ...]
    read: bool
    """Whether any device was asked since this was told last, and another run was not at it."""


class Watching:
    """The watches of one process: their threads' work, and what they found until it is told."""

    def __init__(
        self,
        inventory: Inventory,
        devices: Sequence[Device],
        journal: Journal,
        sessions: Sessions,
        names: dict[str, str],
        *,
        announce: Callable[[], None],
        stop: threading.Event,
        trouble: Callable[[str | None], None],
    ) -> None:
        """`names` are the devices' by key, to be added to; `trouble` is called as `WatchMeans.journal` is."""
        self._inventory = inventory
        self._journal = journal
        self._lock = threading.Lock()
        self._last: dict[str, DeviceOutcome] = {}
        self._earlier: list[Untold] = []
        self._bells: dict[str, BellOutcome] = {}
        self._read = False
        means = WatchMeans(inventory, sessions, names, stop, announce, self._told, self._listened, trouble)
        self.works: list[Callable[[], None]] = [partial(watch_device, one, means) for one in devices]
        """The work of each watch, to be done in a thread of its own until `stop` is set."""

    def found(self) -> Found:
        """Return what is to be told now."""
        with self._lock:
            devices = tuple(self._last[one.name] for one in self._inventory.devices if one.name in self._last)
            return Found(devices, tuple(self._earlier), tuple(self._bells.values()), self._read)

    def has_told(self, found: Found) -> None:
        """Note that this was told: what happened is told once, and how things stand stays."""
        with self._lock:
            self._earlier = self._earlier[len(found.earlier) :]
            self._read = False
            for one in found.devices:
                if self._last[one.name] is one:
                    self._last[one.name] = settled(one)
                else:  # another one came meanwhile, which took it for untold
                    self._earlier = [each for each in self._earlier if each not in _events(one)]

    def outcome(self, found: Found, outcome: Outcome) -> Outcome:
        """Given what was found, and the outcome of all else, return that of both. Raise `JournalError`."""
        devices = exchanged(found.devices, self._inventory, self._journal)
        due = [(one.subject, one.text) for one in found.earlier if not one.harmless]
        untold = (*outcome.untold, *untold_here(found.devices, due, self._journal))
        return replace(
            outcome,
            devices=tuple(rated(self._journal, whose_clock(devices))),
            earlier=tuple(one for one in found.earlier if one.harmless),
            bells=found.bells,
            locked=maybe_disabled(self._journal),
            untold=tuple(dict.fromkeys(untold)),
        )

    def note(self, found: Found) -> None:
        """Write down that devices are read, as the end of a run does. Raise `JournalError`."""
        if found.read:
            note_run(self._journal)

    def _told(self, outcome: DeviceOutcome) -> None:
        with self._lock:
            if before := self._last.get(outcome.name):
                self._earlier += _events(before)
            self._last[outcome.name] = outcome
            self._read = self._read or outcome.kind != Busy.kind

    def _listened(self, outcome: BellOutcome) -> None:
        with self._lock:
            self._bells[outcome.name] = outcome


def _events(outcome: DeviceOutcome) -> list[Untold]:
    """Return what happened by a result, but for how things stand, which the next one tells."""
    return [Untold(outcome.subject, notice.text, notice.harmless) for notice in outcome.notices]


def settled(outcome: DeviceOutcome) -> DeviceOutcome:
    """Given a result that was told, return what of it still holds: how the device stands. Pure."""
    reading = outcome.reading
    if reading and outcome.clock_set:  # it was off then
        reading = replace(reading, drift=None)
    lasting = outcome.clearing if outcome.clearing and outcome.clearing.trouble else None
    return replace(
        outcome,
        tally=Tally(seen_before=outcome.tally.records),
        reading=reading,
        whole=None,
        clock_set=False,
        clearing=lasting,
        not_pushed=0,
        released=Released(),
    )


def watched(inventory: Inventory, devices: Sequence[Device], journal: Journal) -> list[Device]:
    """Given the devices that a person asked for, return those that no other process watches.

    Raise `InventoryError` where none is to be called, `Busy` where others watch all of them.
    """
    if not devices:
        raise InventoryError("no enabled device of the inventory has host:, so there is nothing to watch")
    free = [one for one in devices if not is_watched(journal, one.name)]
    if not free:
        names = ", ".join(one.name for one in devices[:3]) + (", …" if len(devices) > 3 else "")
        raise Busy(f"another `zkpoll watch` has {names} (journal {inventory.home})")
    return free


def watch(
    inventory: Inventory,
    devices: Sequence[Device],
    observers: WatchObservers,
    *,
    stop: threading.Event,
    deliver: bool = True,
) -> None:
    """Watch devices until `stop` is set; then end what is under way soon, and return.

    Raise `InventoryError` where there is nothing to watch; `Busy` where other processes watch all of it;
    `JournalError` where the journal cannot be used, or is not in its place any more.
    """
    with open_journal(inventory.home) as journal, Sessions(inventory.home, journal) as sessions:
        free = watched(inventory, devices, journal)
        left = [one.name for one in devices if one not in free]
        _Watch(inventory, free, journal, sessions, observers, stop, deliver=deliver).run(left)


class _Watch:
    """The threads of one `zkpoll watch`."""

    def __init__(
        self,
        inventory: Inventory,
        devices: Sequence[Device],
        journal: Journal,
        sessions: Sessions,
        observers: WatchObservers,
        stop: threading.Event,
        *,
        deliver: bool,
    ) -> None:
        self._devices = devices
        self._journal = journal
        self._observers = observers
        self._stop = stop
        self._renamed = follow_renames(inventory, journal, stop.is_set)
        self._began = time.monotonic()
        self._sign = StandingLock(journal, ANY_WATCH)
        """By which others see that a watch runs, where it is this one's."""
        names = Devices(journal).names()
        # Before the first reading: a dashboard gets what is journalled after it was met.
        self._outflow = Outflow(
            inventory, journal, names, ending=stop, left_behind=("watch", _LEFT_BEHIND), delivers=deliver
        )
        self._watching = Watching(
            inventory,
            devices,
            journal,
            sessions,
            names,
            announce=self._outflow.feed.announce,
            stop=stop,
            trouble=observers.journal,
        )

    def run(self, left: Sequence[str]) -> None:
        """Watch until `stop` is set, or a thread fails; raise its error then.

        `left` are the names of devices that other processes watch.
        """
        works = [*self._watching.works, *self._outflow.works()]
        with ThreadPoolExecutor(len(works), "watch") as pool:
            running = [pool.submit(ending_all, work, self._stop) for work in works]
            try:
                self._observers.ready(self._devices, left)
                service_manager.notify("READY=1")
                self._keep_up()
            finally:
                self._sign.let_go()
                service_manager.notify("STOPPING=1")
                self._stop.set()
                self._outflow.feed.close()
        for one in running:
            one.result()
        try:
            self._tell()
        except JournalUnfit:
            raise
        except JournalError as error:
            _log.warning("what was found last is told by the next run: %s", error)

    def _keep_up(self) -> None:
        """Do what is due every second, until the end. Raise `JournalUnfit`; all else is tried again."""
        told_at = time.monotonic()
        self._show()
        while not self._stop.wait(_UPKEEP):
            service_manager.notify("WATCHDOG=1")
            try:
                self._journal.check_in_place()
                if time.monotonic() - told_at >= NEWS:
                    told_at = time.monotonic()
                    self._show()
                    self._tell()
            except JournalUnfit:
                raise
            except JournalError as error:
                # A session with a server begins anew once nothing is locked by it any more.
                self._sign.let_go()
                self._observers.journal(str(error))

    def _show(self) -> None:
        """Let others see that a watch runs, unless they see another one. Raise `JournalError`."""
        with suppress(Busy, Locked):  # whoever has it
            self._sign.take()

    def _tell(self) -> None:
        found = self._watching.found()
        outcome = Outcome(
            devices=(),
            deliveries=self._outflow.by_now(),
            backlogs=self._outflow.backlogs(),
            renamed=self._renamed,
            seconds=time.monotonic() - self._began,
        )
        self._watching.note(found)
        self._observers.news(self._watching.outcome(found, outcome), self._journal)
        self._watching.has_told(found)
        self._observers.journal(None)
        self._renamed = tuple(one for one in self._renamed if one.trouble)


def ending_all(work: Callable[[], None], stop: threading.Event) -> None:
    """Do one thread's work; if it fails, all others end, too."""
    try:
        work()
    except BaseException:
        stop.set()
        raise
