"""One run: devices in parallel, stages in order, one outcome for each device and dashboard.

No policy of its own: what to read, what is new, what to send again and what it all comes to is decided in
the rooms. Reading and delivery go on side by side: a dashboard gets what the journal already holds at once,
and no device waits for another.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from zkpoll.delivery.origins import Origins
from zkpoll.errors import Stopped
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.devices import Devices
from zkpoll.journal.locks import Locks
from zkpoll.journal.outbox import waiting
from zkpoll.journal.sqlite import Journal
from zkpoll.pull import raw_copy
from zkpoll.tasks.arrivals import Feed
from zkpoll.tasks.clear import Clearing, due
from zkpoll.tasks.deliver import deliver_to, previewed
from zkpoll.tasks.outcome import DeliveryOutcome, Outcome
from zkpoll.tasks.run import Observer, Options, Run, joined
from zkpoll.tasks.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.outbox import Outbox
    from zkpoll.model.delivery import Preview
    from zkpoll.model.punch import Event

_log = logging.getLogger(__name__)


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
        run = Run(
            inventory,
            options,
            journal,
            Locks(inventory.journal),
            stop or threading.Event(),
            observer or Observer(),
            Feed(len(devices)),
            Devices(journal).newest_reading(),
            names=Devices(journal).names(),
        )
        visits = [Visit(device, run) for device in devices]
        outboxes = {} if options.dry_run else run.outboxes()
        delivered = _side_by_side(run, visits, outboxes)
        if not options.dry_run:
            _clear_logs(run, visits)
        would_send = _would_send(visits)
        return Outcome(
            devices=tuple(visit.outcome for visit in visits),
            deliveries=tuple(_with_counts(delivered[name], outbox) for name, outbox in outboxes.items()),
            stranded={} if options.dry_run else _stranded(inventory, journal),
            locked=maybe_disabled(journal),
            seconds=time.monotonic() - began,
            would_send=would_send if options.dry_run else None,
            previews=_previews(run, would_send) if options.dry_run else (),
        )


def _clear_logs(run: Run, visits: Sequence[Visit]) -> None:
    """Clear the logs that are due, each in a visit of its own, now that what they held is delivered."""
    now = datetime.now(UTC)
    ripe = [visit for visit in visits if due(visit.device, visit.outcome, run.options, now)]
    with ThreadPoolExecutor(run.inventory.parallel, "device") as pool:
        joined([pool.submit(_clear_log, run, visit) for visit in ripe], run.end)
    if run.stop.is_set():
        raise Stopped(Stopped.__doc__)
    _forget_old_copies(run, now)


def _clear_log(run: Run, visit: Visit) -> None:
    before = visit.outcome
    clearing = Clearing(
        visit.device, run, before.key or "", before.reading.on_device if before.reading else 0
    )
    visit.outcome = replace(before, clearing=clearing())


def _forget_old_copies(run: Run, now: datetime) -> None:
    try:
        removed = raw_copy.prune(run.inventory.journal, timedelta(seconds=run.inventory.keep_raw), now)
    except raw_copy.CopyFailed as error:
        _log.warning("%s", error)
    else:
        for path in removed:
            _log.info("%s is older than keep_raw, and was removed", path)


def _stranded(inventory: Inventory, journal: Journal) -> dict[str, int]:
    """Return how many punches wait for dashboards that the inventory does not name any more."""
    named = {where.name for where in inventory.dashboards}
    return {name: count for name, count in waiting(journal).items() if name not in named}


def _would_send(visits: Sequence[Visit]) -> tuple[Event, ...]:
    return tuple(event for visit in visits for event in visit.new.values())


def _previews(run: Run, new: Sequence[Event]) -> tuple[Preview, ...]:
    terminals = Origins.of_inventory(run.inventory.devices, run.names)
    found = (previewed(where, terminals, run.journal, new) for where in run.inventory.dashboards)
    return tuple(filter(None, found))


def _asked_for(device: Device, options: Options) -> bool:
    return device.name in options.devices if options.devices else device.enabled


def _open_journal(inventory: Inventory, options: Options) -> Journal:
    """Open the journal; a dry run looks at the one there is, or at an empty one in memory."""
    if not options.dry_run:
        return Journal(inventory.journal)
    if inventory.journal.exists():
        return Journal(inventory.journal, writable=False)
    return Journal(None)


def _side_by_side(
    run: Run, visits: Sequence[Visit], outboxes: Mapping[str, Outbox]
) -> dict[str, DeliveryOutcome]:
    """Read and deliver at the same time, and return what delivery came to, by dashboard."""
    dashboards = {where.name: where for where in run.inventory.dashboards if where.name in outboxes}
    with (
        ThreadPoolExecutor(run.inventory.parallel, "device") as readers,
        ThreadPoolExecutor(max(1, len(dashboards)), "dashboard") as senders,
    ):
        reading = [readers.submit(visit) for visit in visits]
        sending = {
            name: senders.submit(deliver_to, run, where, outboxes[name]) for name, where in dashboards.items()
        }
        everything: list[Future[Any]] = [*reading, *sending.values()]
        joined(everything, run.end)
    if run.stop.is_set():
        raise Stopped(Stopped.__doc__)
    return {name: future.result() for name, future in sending.items()}


def _with_counts(outcome: DeliveryOutcome, outbox: Outbox) -> DeliveryOutcome:
    return replace(outcome, counts=outbox.counts(), oldest_pending=outbox.oldest_pending())
