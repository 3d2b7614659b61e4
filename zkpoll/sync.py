"""One run: devices in parallel, stages in order, one result for each device and dashboard.

    visit every device ──▶ journal ──▶ deliver to every dashboard      side by side
    then clear the logs that are due, each in a visit of its own

No policy of its own: the rooms decide. A dashboard gets what the journal already holds at once, and no
device waits for another. A dry run visits the devices, too, with sinks that only look, and does nothing else.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from zkpoll.delivery.origins import Origins
from zkpoll.errors import Stopped
from zkpoll.journal import conditions
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import folders
from zkpoll.journal.outbox import JournalOutbox, waiting
from zkpoll.tasks.arrivals import Feed
from zkpoll.tasks.clear import clear, due
from zkpoll.tasks.contact import looking, writing
from zkpoll.tasks.deliver import Lane, deliver_to, previewed, undelivered
from zkpoll.tasks.log_sink import Claims, DrySink, JournalSink
from zkpoll.tasks.old_copies import remove_old_copies
from zkpoll.tasks.outcome import Outcome, whose_clock
from zkpoll.tasks.run import Observer, Options, joined
from zkpoll.tasks.visit import visit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from zkpoll.inventory import Device, Inventory
    from zkpoll.tasks.contact import Contacts
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.device_outcome import ClearOutcome, DeviceOutcome
    from zkpoll.tasks.log_sink import LogSink


def sync(
    inventory: Inventory,
    options: Options | None = None,
    *,
    stop: threading.Event | None = None,
    observer: Observer | None = None,
) -> Outcome:
    """Read the devices, journal new punches, deliver pending ones, and return the result.

    Once `stop` is set, everything ends soon and `Stopped` is raised. Punches journalled and confirmed by then
    stay so. Raise `JournalError` when the journal cannot be used.
    """
    options = options or Options()
    run = _Run(inventory, options, stop or threading.Event(), observer or Observer())
    return run.look() if options.dry_run else run.work()


class _Run:
    """The stages of one run."""

    def __init__(
        self, inventory: Inventory, options: Options, stop: threading.Event, observer: Observer
    ) -> None:
        names = options.devices
        self._inventory = inventory
        self._options = options
        self._stop = stop
        self._observer = observer
        self._devices = [one for one in inventory.called if (one.name in names if names else one.enabled)]
        self._feed = Feed(len(self._devices))
        self._began = time.monotonic()

    def look(self) -> Outcome:
        """Read, and return the punches that would be sent. Write nothing."""
        with looking(self._inventory.journal, self._stop.is_set) as contacts:
            journal = contacts.journal
            names = Devices(journal).names()
            sink = partial(DrySink, journal=journal, claims=Claims(), names=names)
            devices = whose_clock(self._side_by_side(self._visits(contacts, sink), [])[0])
            new = tuple(event for one in devices for event in one.would_send)
            origins = Origins.of_inventory(self._inventory.devices, names)
            first = (previewed(one, origins, journal, new) for one in self._inventory.dashboards)
            return Outcome(
                devices=devices,
                deliveries=(),
                locked=maybe_disabled(journal),
                untold=conditions.owed(journal),
                seconds=time.monotonic() - self._began,
                would_send=new,
                previews=tuple(filter(None, first)),
            )

    def work(self) -> Outcome:
        """Read and deliver side by side, then clear the logs that are due."""
        inventory = self._inventory
        with writing(inventory.journal, self._stop.is_set) as contacts:
            journal = contacts.journal
            newest = Devices(journal).newest_reading(until=datetime.now(UTC))
            names = Devices(journal).names()
            sink = partial(
                JournalSink,
                journal=journal,
                claims=Claims(),
                names=names,
                unknown_logs=folders(inventory.journal).unknown_logs,
                announce=self._feed.announce,
            )
            outboxes = {one.name: JournalOutbox(journal, one.name) for one in inventory.dashboards}
            visited, deliveries = self._side_by_side(
                self._visits(contacts, sink), self._deliveries(contacts, outboxes, names)
            )
            devices = whose_clock(visited)
            cleared, old_copies = self._clear_logs(contacts, devices), None
            if self._options.clear == "due":
                old_copies = remove_old_copies(inventory, devices, newest, datetime.now(UTC))
            left = {name: count for name, count in waiting(journal).items() if name not in outboxes}
            return Outcome(
                devices=tuple(replace(one, clearing=cleared.get(one.name)) for one in devices),
                deliveries=tuple(_with_counts(one, outboxes[one.name]) for one in deliveries),
                stranded=left,
                locked=maybe_disabled(journal),
                old_copies=old_copies,
                untold=conditions.owed(journal),
                seconds=time.monotonic() - self._began,
            )

    def _visits(
        self, contacts: Contacts, sink: Callable[[Device], LogSink]
    ) -> list[Callable[[], DeviceOutcome]]:
        newest = Devices(contacts.journal).newest_reading()

        def visited(device: Device) -> DeviceOutcome:
            try:
                outcome = visit(
                    device,
                    contacts,
                    sink(device),
                    full=self._options.full,
                    newest=newest,
                    progress=self._observer.records_read,
                )
            finally:
                self._feed.reader_ended()
            self._observer.device_done(outcome)
            return outcome

        return [partial(visited, device) for device in self._devices]

    def _deliveries(
        self, contacts: Contacts, outboxes: dict[str, JournalOutbox], names: dict[str, str]
    ) -> list[Callable[[], DeliveryOutcome]]:
        """Return the delivery to each dashboard. `names` are the devices' by key, as visits learn them."""
        inventory = self._inventory
        if not self._options.deliver:
            return [partial(undelivered, one) for one in inventory.dashboards]
        origins = Origins.of_inventory(inventory.devices, names)
        lanes = (
            Lane(
                one,
                outboxes[one.name],
                origins,
                inventory.alert_after,
                self._feed.watcher(),
                self._stop,
                self._observer.delivered,
            )
            for one in inventory.dashboards
        )
        return [partial(deliver_to, lane, contacts.journal) for lane in lanes]

    def _side_by_side(
        self,
        visits: Sequence[Callable[[], DeviceOutcome]],
        deliveries: Sequence[Callable[[], DeliveryOutcome]],
    ) -> tuple[list[DeviceOutcome], list[DeliveryOutcome]]:
        """Read and deliver at the same time, and return the results."""
        with (
            ThreadPoolExecutor(self._inventory.parallel, "device") as readers,
            ThreadPoolExecutor(max(1, len(deliveries)), "dashboard") as senders,
        ):
            reading = [readers.submit(one) for one in visits]
            sending = [senders.submit(one) for one in deliveries]
            everything: list[Future[Any]] = [*reading, *sending]
            joined(everything, self._end)
        if self._stop.is_set():
            raise Stopped(Stopped.__doc__)
        return [one.result() for one in reading], [one.result() for one in sending]

    def _clear_logs(self, contacts: Contacts, visited: Sequence[DeviceOutcome]) -> dict[str, ClearOutcome]:
        """Clear the logs that are due, now that their punches are delivered. Return the results by device."""
        now, options = datetime.now(UTC), self._options
        ripe: list[Device] = []
        if options.deliver and options.clear != "never":
            known, complete = Devices(contacts.journal), {one.name for one in visited if one.complete}
            for device in self._devices:
                is_due = options.clear == "now" or due(device, known.last_reading(device.name), now)
                if device.name in complete and is_due:
                    ripe.append(device)
        work = partial(
            clear,
            contacts=contacts,
            raw_copies=folders(self._inventory.journal).raw_copies,
            by_hand=options.clear == "now",
        )
        with ThreadPoolExecutor(self._inventory.parallel, "device") as pool:
            cleared = joined([pool.submit(work, device) for device in ripe], self._end)
        if self._stop.is_set():
            raise Stopped(Stopped.__doc__)
        return {device.name: one for device, one in zip(ripe, cleared, strict=True)}

    def _end(self) -> None:
        """Let all threads end soon."""
        self._stop.set()
        self._feed.close()


def _with_counts(outcome: DeliveryOutcome, outbox: JournalOutbox) -> DeliveryOutcome:
    """Return a delivery's result with how its punches stand at the end of the run."""
    return replace(outcome, counts=outbox.counts(), oldest_pending=outbox.oldest_pending())
