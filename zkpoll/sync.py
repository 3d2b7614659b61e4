"""One run: devices in parallel, stages in order, one outcome for each device and dashboard.

No policy of its own: what to read, what is new, what to send again and what it all comes to is decided in
the rooms. Reading and delivery go on side by side: a dashboard gets what the journal already holds at once,
and no device waits for another.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from zkpoll import evidence
from zkpoll.delivery.deliver import Destination, deliver
from zkpoll.errors import Busy, Stopped, StopRun, UnknownLayout, WrongSerial, ZkpollError
from zkpoll.feed import Feed
from zkpoll.journal.ledger import Devices, Ledger
from zkpoll.journal.outbox import Outbox
from zkpoll.journal.store import Journal
from zkpoll.locks import Locks
from zkpoll.outcome import BUG, DeliveryOutcome, DeviceOutcome, Outcome
from zkpoll.pull.identity import device_key
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target, visit
from zkpoll.punch import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from contextlib import AbstractContextManager

    from zkpoll.inventory import Dashboard, Device, Inventory
    from zkpoll.punch import Event, Reading, Slice, Watermark

_log = logging.getLogger(__name__)

_BUG = "zkpoll itself failed here ({}); please report it, with what -v prints"


@dataclass(frozen=True, slots=True)
class Options:
    """What a person asked of this run."""

    devices: frozenset[str] = frozenset()
    """Names of the devices to visit; empty for all that are enabled."""
    full: bool = False
    """Read whole logs, also where only the new part is needed."""
    deliver: bool = True
    dry_run: bool = False
    """Read, and write nothing: neither to the journal nor to a dashboard."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Who is watching. Called from the threads that do the work."""

    records_read: Callable[[str, int], None] = lambda _device, _records: None
    device_done: Callable[[DeviceOutcome], None] = lambda _outcome: None
    delivered: Callable[[str, int], None] = lambda _dashboard, _punches: None


def sync(
    inventory: Inventory,
    options: Options | None = None,
    *,
    stop: threading.Event | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Read the devices, journal what is new, deliver what is pending, and return what it came to.

    Once `stop` is set, everything ends soon and `Stopped` is raised; what was journalled and confirmed stays
    so. Raise `JournalError` when the journal cannot be used.
    """
    began = time.monotonic()
    options = options or Options()
    devices = [device for device in inventory.devices if _asked_for(device, options)]
    with _open_journal(inventory, options) as journal:
        run = _Run(
            inventory,
            options,
            journal,
            Locks(inventory.journal),
            stop or threading.Event(),
            observer or Observer(),
            Feed(len(devices)),
            _Claims(),
        )
        visits = [_Visit(device, run) for device in devices]
        outboxes = {} if options.dry_run else run.outboxes()
        delivered = _side_by_side(run, visits, outboxes)
        return Outcome(
            devices=tuple(visit.outcome for visit in visits),
            deliveries=tuple(_with_counts(delivered[name], outbox) for name, outbox in outboxes.items()),
            seconds=time.monotonic() - began,
            would_send=tuple(new for visit in visits for new in visit.new.values())
            if options.dry_run
            else None,
        )


def _would_send(visits: Sequence[_Visit]) -> tuple[Event, ...]:
    return tuple(event for visit in visits for event in visit.new.values())


def _asked_for(device: Device, options: Options) -> bool:
    return device.name in options.devices if options.devices else device.enabled


def _open_journal(inventory: Inventory, options: Options) -> Journal:
    """Open the journal; a dry run looks at the one there is, or at an empty one in memory."""
    if not options.dry_run:
        return Journal(inventory.journal)
    if inventory.journal.exists():
        return Journal(inventory.journal, writable=False)
    return Journal(None)


@dataclass(frozen=True, slots=True)
class _Run:
    """What all threads of a run share."""

    inventory: Inventory
    options: Options
    journal: Journal
    locks: Locks
    stop: threading.Event
    observer: Observer
    feed: Feed
    claims: _Claims

    def outboxes(self) -> dict[str, Outbox]:
        """Return every dashboard's outbox, by name."""
        return {where.name: Outbox(self.journal, where.name) for where in self.inventory.dashboards}

    def lock(self, what: str) -> AbstractContextManager[None]:
        """Return the lock of `what`; where there is no journal yet, nobody else can be at it."""
        if self.options.dry_run and not self.inventory.journal.exists():
            return nullcontext()
        return self.locks.held(what)


class _Claims:
    """Which device of the inventory reached which terminal in this run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}

    def claim(self, key: str, name: str) -> None:
        """Raise `WrongSerial` if another device of the inventory is that terminal."""
        with self._lock:
            other = self._names.setdefault(key, name)
        if other != name:
            raise WrongSerial(f"{name} is the same terminal as {other} (serial number {key}); take one out")


def _side_by_side(
    run: _Run, visits: Sequence[_Visit], outboxes: Mapping[str, Outbox]
) -> dict[str, DeliveryOutcome]:
    """Read and deliver at the same time, and return what delivery came to, by dashboard."""
    dashboards = {where.name: where for where in run.inventory.dashboards if where.name in outboxes}
    with (
        ThreadPoolExecutor(run.inventory.parallel, "device") as readers,
        ThreadPoolExecutor(max(1, len(dashboards)), "dashboard") as senders,
    ):
        reading = [readers.submit(visit) for visit in visits]
        sending = {
            name: senders.submit(_deliver, run, where, outboxes[name]) for name, where in dashboards.items()
        }
        _join(run, [*reading, *sending.values()])
    if run.stop.is_set():
        raise Stopped(Stopped.__doc__)
    return {name: future.result() for name, future in sending.items()}


def _join(run: _Run, futures: Sequence[Future[Any]]) -> None:
    """Wait for all threads; when one raises what stops the run, stop the others and raise that."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    failure = next((error for future in done if (error := future.exception())), None)
    if failure is not None:
        run.stop.set()
        run.feed.close()
        raise failure


# --- one device ---


@dataclass(slots=True)
class _Visit:
    """One device's part of a run, and the sink of its door."""

    device: Device
    run: _Run
    key: str | None = None
    tally: Tally = field(default_factory=Tally)
    new: dict[str, Event] = field(default_factory=dict)
    ledger: Ledger | None = None
    outcome: DeviceOutcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = DeviceOutcome(self.device.name, str(self.address))

    @property
    def address(self) -> Address:
        """Where the device answers."""
        return Address(self.device.host, self.device.port, self.device.transport)

    def __call__(self) -> None:
        """Visit the device, whatever happens; raise only what stops the whole run."""
        began = time.monotonic()
        try:
            outcome = self._visited()
        finally:
            self.run.feed.reader_ended()
        self.outcome = replace(outcome, key=self.key, tally=self.tally, seconds=time.monotonic() - began)
        _tell(self.outcome)
        self.run.observer.device_done(self.outcome)

    def _visited(self) -> DeviceOutcome:
        try:
            with self.run.lock(f"device {self.address}"):
                return replace(self.outcome, reading=self._read())
        except StopRun:
            raise
        except UnknownLayout as error:
            saved = "" if self.run.options.dry_run else self._saved(error.log)
            return replace(self.outcome, problem=f"{error}{saved}", kind=error.kind)
        except ZkpollError as error:
            return replace(self.outcome, problem=str(error), kind=error.kind)
        except Exception as error:  # noqa: BLE001  # one failure stays one failure
            _log.exception("%s: %s", self.device.name, _BUG.format(type(error).__name__))
            return replace(self.outcome, problem=_BUG.format(type(error).__name__), kind=BUG)

    def _saved(self, log: bytes) -> str:
        return "; " + evidence.save(self.run.inventory.journal, self.device.name, log)

    def _read(self) -> Reading:
        device, run = self.device, self.run
        target = Target(
            self.address, ZoneInfo(device.timezone), device.timeout, device.visit_limit, device.key()
        )
        _log.info("%s: visiting %s", device.name, self.address)
        return visit(
            target,
            self,
            stopped=run.stop.is_set,
            progress=lambda records: run.observer.records_read(device.name, records),
        )

    def identify(self, serial: str | None) -> Watermark | None:
        """Settle under which device key this visit runs, and return what the journal has of that log."""
        known = Devices(self.run.journal)
        name = self.device.name
        key = device_key(name, serial, self.device.serial, known.key_of(name))
        self.run.claims.claim(key, name)
        if not self.run.options.dry_run:
            known.meet(name, key)
        self.key = key
        self.ledger = Ledger(self.run.journal, name, key, ZoneInfo(self.device.timezone))
        return self.ledger.watermark()

    def take(self, piece: Slice) -> None:
        """Journal `piece`; a dry run only looks at what would be new."""
        if self.ledger is None:
            raise WrongSerial(f"{self.device.name} was read before it was known who it is")
        if self.run.options.dry_run:
            found = self.ledger.sort(piece)
            self.new |= {event.id: event for event, _ in found.first_seen}
            self.tally += found.tally
            return
        self.tally += self.ledger.take(piece)
        self.run.feed.announce()


def _tell(outcome: DeviceOutcome) -> None:
    if outcome.trouble:
        _log.warning("%s: %s", outcome.name, outcome.trouble.text)
    if outcome.reading:
        reading, tally = outcome.reading, outcome.tally
        _log.info(
            "%s: serial %s, %d records read, %d new, clock %+d s, %.1f s",
            *(
                outcome.name,
                outcome.key,
                reading.records,
                tally.first_seen,
                round(reading.drift or 0),
                outcome.seconds,
            ),
        )


# --- one dashboard ---


def _deliver(run: _Run, dashboard: Dashboard, outbox: Outbox) -> DeliveryOutcome:
    """Deliver what is pending to one dashboard; raise only what stops the whole run."""
    began = time.monotonic()
    outcome = DeliveryOutcome(dashboard.name)
    if not run.options.deliver:
        return outcome
    try:
        with run.lock(f"dashboard {dashboard.name}"):
            done = deliver(
                outbox,
                _destination(dashboard),
                more=run.feed.watcher(),
                progress=lambda punches: run.observer.delivered(dashboard.name, punches),
                stop=run.stop,
            )
        outcome = replace(
            outcome, confirmed=done.confirmed, requests=done.requests, problem=done.problem, kind=done.kind
        )
    except StopRun:
        raise
    except Busy as error:
        outcome = replace(outcome, problem=str(error), kind=error.kind)
    except Exception as error:  # noqa: BLE001  # one failure stays one failure
        _log.exception("%s: %s", dashboard.name, _BUG.format(type(error).__name__))
        outcome = replace(outcome, problem=_BUG.format(type(error).__name__), kind=BUG)
    if outcome.problem:
        _log.warning("%s: %s", dashboard.name, outcome.problem)
    return replace(outcome, seconds=time.monotonic() - began)


def _destination(dashboard: Dashboard) -> Destination:
    return Destination(
        name=dashboard.name,
        url=dashboard.url,
        token=dashboard.bearer(),
        format=dashboard.format,
        batch_size=dashboard.batch_size,
        timeout=dashboard.timeout,
        attempts=dashboard.attempts,
        retry_wait=dashboard.retry_wait,
    )


def _with_counts(outcome: DeliveryOutcome, outbox: Outbox) -> DeliveryOutcome:
    return replace(outcome, counts=outbox.counts(), oldest_pending=outbox.oldest_pending())
