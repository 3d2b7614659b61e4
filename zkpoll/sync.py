"""One run: devices in parallel, stages in order, one result for each device, database and dashboard.

    visit every device  ──▶ journal ──▶ deliver to every dashboard      side by side
    read every database ──▶
    then clear the logs that are due, each in a visit of its own

No policy of its own: the rooms decide. A dashboard gets what the journal already holds at once, and no
device waits for another. A dry run reads, too, with sinks that only look, and does nothing else.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from zkpoll.delivery.origins import Origins
from zkpoll.errors import ExitCode, Stopped
from zkpoll.journal import conditions
from zkpoll.journal.balance import recount_all
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices
from zkpoll.journal.first_arrivals import never_read
from zkpoll.journal.opening import folders
from zkpoll.journal.outbox import JournalOutbox, waiting
from zkpoll.journal.overview import last_place
from zkpoll.journal.rates import kept_rates
from zkpoll.journal.runs import note_run
from zkpoll.journal.sessions import Sessions
from zkpoll.tasks.arrivals import Feed
from zkpoll.tasks.backlogs import look_after_backlogs
from zkpoll.tasks.claims import Claims
from zkpoll.tasks.contact import looking, writing
from zkpoll.tasks.device_outcome import SAME_SERIAL
from zkpoll.tasks.log_rates import rated, with_rate
from zkpoll.tasks.log_sink import DrySink, JournalSink
from zkpoll.tasks.old_copies import remove_old_copies
from zkpoll.tasks.outcome import Outcome, whose_clock
from zkpoll.tasks.outlet import Outlet, undelivered
from zkpoll.tasks.renames import follow_renames
from zkpoll.tasks.rings import in_rings, owners, rings
from zkpoll.tasks.run import Observer, Options, joined
from zkpoll.tasks.visit import visit_in_turn
from zkpoll.tasks.when_due import deliver_when_due

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future

    from zkpoll.bridge.contract import Opens
    from zkpoll.inventory import Database, Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Event
    from zkpoll.model.report import Condition
    from zkpoll.tasks.contact import Contacts
    from zkpoll.tasks.database_outcome import DatabaseOutcome
    from zkpoll.tasks.delivery_outcome import BacklogOutcome, DeliveryOutcome
    from zkpoll.tasks.device_outcome import ClearOutcome, DeviceOutcome
    from zkpoll.tasks.log_sink import LogSink


_DATABASES: Final = 4
"""The most databases read at the same time: a file of a million rows takes 100 MB of memory."""


def sync(
    inventory: Inventory,
    options: Options | None = None,
    *,
    stop: threading.Event | None = None,
    observer: Observer | None = None,
    opens: Opens | None = None,
    before_delivery: Callable[[Journal, int], None] | None = None,
) -> Outcome:
    """Read devices and databases, journal new punches, deliver pending ones, and return the result.

    Where `before_delivery` is given, and one of them is read for the first time, nothing is delivered until
    all are read: it is called in between, with the journal and the last place in it before the run.

    Once `stop` is set, everything ends soon and `Stopped` is raised. Punches journalled and confirmed by then
    stay so. `opens` is how databases are opened, if not as they are. Raise `JournalError` when the journal
    cannot be used.
    """
    options = options or Options()
    run = _Run(inventory, options, stop or threading.Event(), observer or Observer(), opens, before_delivery)
    return run.look() if options.dry_run else run.work()


class _Run:
    """The stages of one run."""

    def __init__(
        self,
        inventory: Inventory,
        options: Options,
        stop: threading.Event,
        observer: Observer,
        opens: Opens | None,
        before_delivery: Callable[[Journal, int], None] | None,
    ) -> None:
        names = options.devices
        self._inventory = inventory
        self._options = options
        self._stop = stop
        self._observer = observer
        self._opens = opens
        self._devices = [one for one in inventory.called if (one.name in names if names else one.enabled)]
        self._databases = [
            one for one in inventory.databases if (one.name in names if names else one.enabled)
        ]
        self._feed = Feed(len(self._devices) + len(self._databases))
        self._claims = Claims(inventory.devices, asks_again=True)
        self._began = time.monotonic()
        self._before_delivery = before_delivery

    def look(self) -> Outcome:
        """Read, and return the punches that would be sent. Write nothing."""
        with looking(self._inventory.home, self._stop.is_set, self._claims) as contacts:
            journal = contacts.journal
            names = Devices(journal).names()
            sink = partial(DrySink, journal=journal, claims=contacts.claims, names=names)
            visited, databases, _ = self._side_by_side(
                self._visits(contacts, sink), self._readings(contacts, names), []
            )
            kept = {name: rate.per_day for name, rate in kept_rates(journal).items()}
            devices = [with_rate(one, kept) for one in whose_clock(self._in_rings(visited, journal))]
            read: tuple[DeviceOutcome | DatabaseOutcome, ...] = (*devices, *databases)
            new = _once(event for one in read for event in one.would_send)
            from zkpoll.tasks.deliver import previewed

            origins = Origins.of_inventory(self._inventory.sources, names)
            first = (previewed(one, origins, journal, new) for one in self._inventory.dashboards)
            return Outcome(
                devices=tuple(devices),
                databases=tuple(databases),
                deliveries=(),
                locked=maybe_disabled(journal),
                untold=conditions.owed(journal),
                seconds=time.monotonic() - self._began,
                would_send=new,
                previews=tuple(filter(None, first)),
            )

    def work(self) -> Outcome:
        """Read and deliver side by side, then clear the logs that are due. Note that the run has ended."""
        inventory = self._inventory
        with (
            writing(inventory.home, self._stop.is_set, self._claims) as contacts,
            Sessions(inventory.home, contacts.journal) as sessions,
        ):
            journal = contacts.journal
            renamed = follow_renames(inventory, journal, self._stop.is_set)
            newest = Devices(journal).newest_reading(until=datetime.now(UTC))
            names = Devices(journal).names()
            sink = partial(
                JournalSink,
                journal=journal,
                claims=contacts.claims,
                names=names,
                unknown_logs=folders(inventory.home).unknown_logs,
                announce=self._feed.announce,
            )
            outboxes = {one.name: JournalOutbox(journal, one.name) for one in inventory.dashboards}
            reading = self._visits(contacts, sink, sessions), self._readings(contacts, names)
            delivering = self._deliveries(contacts, outboxes, names)
            sources = [one.name for one in (*self._devices, *self._databases)]
            if self._before_delivery and self._options.deliver and never_read(journal, sources):
                before = last_place(journal)
                visited, databases, _ = self._side_by_side(*reading, [])
                self._before_delivery(journal, before)
                _, _, deliveries = self._side_by_side(list, [], delivering)
            else:
                visited, databases, deliveries = self._side_by_side(*reading, delivering)
            devices = rated(journal, whose_clock(self._in_rings(visited, journal)))
            cleared, old_copies = self._clear_logs(contacts, devices, sessions), None
            if self._options.clear == "due":
                old_copies = remove_old_copies(inventory, devices, newest, datetime.now(UTC))
            if self._options.full:
                recount_all(journal, but=outboxes)
            left = {name: count for name, count in waiting(journal).items() if name not in outboxes}
            outcome = Outcome(
                devices=tuple(replace(one, clearing=cleared.get(one.name)) for one in devices),
                databases=tuple(databases),
                deliveries=tuple(self._with_counts(one, outboxes[one.name]) for one in deliveries),
                backlogs=self._backlogs(journal, deliveries),
                stranded=left,
                renamed=renamed,
                locked=maybe_disabled(journal),
                old_copies=old_copies,
                untold=conditions.owed(journal),
                seconds=time.monotonic() - self._began,
            )
            if outcome.exit_code is not ExitCode.LOCKED:  # what another run is at, that one will have ended
                note_run(journal)
            return outcome

    def _in_rings(self, visited: Sequence[DeviceOutcome], journal: Journal) -> list[DeviceOutcome]:
        """Return devices that were visited; those that answer at each other's addresses say so."""
        whose = owners(self._inventory.devices, Devices(journal).names())
        return in_rings(visited, rings(self._claims.told(), whose))

    def _visits(
        self, contacts: Contacts, sink: Callable[..., LogSink], sessions: Sessions | None = None
    ) -> Callable[[], list[DeviceOutcome]]:
        """Return the visits to all devices, each with one of the `sessions` with the journal.

        All at once; then those again that had to be left until the others were heard; at last, one after
        another, those that had another one's serial number before: one terminal may have one seat for both.
        """
        newest = Devices(contacts.journal).newest_reading()
        told = conditions.told(contacts.journal)
        copies = [one for one in self._devices if _is_copy(told.get(f"device {one.name}"))]
        outcomes: dict[str, DeviceOutcome] = {}

        def visited(device: Device) -> None:
            with sessions.one() if sessions else nullcontext(contacts.journal) as journal:
                outcome = visit_in_turn(
                    device,
                    replace(contacts, journal=journal),
                    partial(sink, journal=journal),
                    full=self._options.full,
                    newest=newest,
                    progress=self._observer.records_read,
                )
            if outcome is not None:
                outcomes[device.name] = outcome
                self._feed.reader_ended()
                self._observer.device_done(outcome)

        def all_visited() -> list[DeviceOutcome]:
            with ThreadPoolExecutor(self._inventory.at_once, "device") as pool:
                joined([pool.submit(visited, one) for one in self._devices if one not in copies], self._end)
                left = [one for one in self._devices if self._claims.is_left(one.name)]
                joined([pool.submit(visited, one) for one in left], self._end)
                for one in copies:
                    joined([pool.submit(visited, one)], self._end)
            return [outcomes[one.name] for one in self._devices]

        self._claims.will_ask(one.name for one in self._devices if one not in copies)
        return all_visited

    def _readings(self, contacts: Contacts, names: dict[str, str]) -> list[Callable[[], DatabaseOutcome]]:
        """Return the reading of each database. `names` are the devices' by key, to add the databases' to."""
        if not self._databases:
            return []
        from zkpoll.bridge.opening import open_database
        from zkpoll.tasks.read_database import Bridge, read_database

        bridge = Bridge(
            contacts,
            self._opens or open_database,
            self._inventory.devices,
            names,
            full=self._options.full,
            announce=self._feed.announce,
            progress=self._observer.records_read,
        )

        def read(database: Database) -> DatabaseOutcome:
            try:
                outcome = read_database(database, bridge)
            finally:
                self._feed.reader_ended()
            self._observer.database_done(outcome)
            return outcome

        return [partial(read, database) for database in self._databases]

    def _deliveries(
        self, contacts: Contacts, outboxes: dict[str, JournalOutbox], names: dict[str, str]
    ) -> list[Callable[[], DeliveryOutcome]]:
        """Return the delivery to each dashboard. `names` are the devices' by key, as visits learn them."""
        inventory = self._inventory
        if not self._options.deliver:
            return [partial(undelivered, one) for one in inventory.dashboards]
        origins = Origins.of_inventory(inventory.sources, names)
        outlets = (
            Outlet(
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
        return [partial(deliver_when_due, one, contacts.journal) for one in outlets]

    def _backlogs(
        self, journal: Journal, deliveries: Sequence[DeliveryOutcome]
    ) -> tuple[BacklogOutcome, ...]:
        """Return how what waits has grown, where this run was to deliver it."""
        if not self._options.deliver:
            return ()
        failed = {one.name for one in deliveries if one.failed}
        return look_after_backlogs(self._inventory.dashboards, journal, failed, datetime.now(UTC))

    def _side_by_side(
        self,
        visits: Callable[[], list[DeviceOutcome]],
        readings: Sequence[Callable[[], DatabaseOutcome]],
        deliveries: Sequence[Callable[[], DeliveryOutcome]],
    ) -> tuple[list[DeviceOutcome], list[DatabaseOutcome], list[DeliveryOutcome]]:
        """Read and deliver at the same time, and return the results."""
        with (
            ThreadPoolExecutor(1, "devices") as caller,
            ThreadPoolExecutor(_DATABASES, "database") as readers,
            ThreadPoolExecutor(max(1, len(deliveries)), "dashboard") as senders,
        ):
            calling = caller.submit(visits)
            reading = [readers.submit(one) for one in readings]
            sending = [senders.submit(one) for one in deliveries]
            everything: list[Future[Any]] = [calling, *reading, *sending]
            joined(everything, self._end)
        if self._stop.is_set():
            raise Stopped(Stopped.__doc__)
        return (
            calling.result(),
            [one.result() for one in reading],
            [one.result() for one in sending],
        )

    def _clear_logs(
        self, contacts: Contacts, visited: Sequence[DeviceOutcome], sessions: Sessions
    ) -> dict[str, ClearOutcome]:
        """Clear the logs that are due, now that their punches are delivered. Return the results by device."""
        now, options = datetime.now(UTC), self._options
        if options.clear != "now" and all(one.clear.above is None for one in self._devices):
            return {}
        from zkpoll.tasks.clear import clear, due

        ripe: list[Device] = []
        if options.deliver and options.clear != "never":
            known, complete = Devices(contacts.journal), {one.name for one in visited if one.complete}
            for device in self._devices:
                is_due = options.clear == "now" or due(device, known.last_reading(device.name), now)
                if device.name in complete and is_due:
                    ripe.append(device)
        raw_copies = folders(self._inventory.home).raw_copies

        def work(device: Device) -> ClearOutcome:
            with sessions.one() as journal:
                means = replace(contacts, journal=journal)
                return clear(device, means, raw_copies, by_hand=options.clear == "now")

        with ThreadPoolExecutor(self._inventory.at_once, "device") as pool:
            cleared = joined([pool.submit(work, device) for device in ripe], self._end)
        if self._stop.is_set():
            raise Stopped(Stopped.__doc__)
        return {device.name: one for device, one in zip(ripe, cleared, strict=True)}

    def _with_counts(self, outcome: DeliveryOutcome, outbox: JournalOutbox) -> DeliveryOutcome:
        """Return a delivery's result with how its punches stand at the end of the run."""
        counts = outbox.recount() if self._options.full else outbox.counts()
        return replace(outcome, counts=counts, oldest_pending=outbox.oldest_pending())

    def _end(self) -> None:
        """Let all threads end soon."""
        self._stop.set()
        self._feed.close()


def _is_copy(told: Condition | None) -> bool:
    """Given what was told of a device last, say whether it had another one's serial number."""
    return told is not None and told.kind.startswith(SAME_SERIAL)


def _once(events: Iterable[Event]) -> tuple[Event, ...]:
    """Return events without those that two doors show."""
    return tuple({event.id: event for event in events}.values())
