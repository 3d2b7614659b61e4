"""One errand, as its part of a run of `zkpoll sync` would be: a visit, a delivery, a clearing."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from zkpoll.delivery.lanes import Over
from zkpoll.delivery.origins import Origins
from zkpoll.fleet.errands import DELIVERY
from zkpoll.inventory import Device
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import folders
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.tasks.arrivals import LOOK_AGAIN
from zkpoll.tasks.claims import Claims, lock_of
from zkpoll.tasks.clear import clear
from zkpoll.tasks.clearing_outcome import ClearingOutcome
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.deliver import deliver_to
from zkpoll.tasks.deliver_on import deliver_on
from zkpoll.tasks.log_rates import rated
from zkpoll.tasks.log_sink import JournalSink
from zkpoll.tasks.outlet import Outlet
from zkpoll.tasks.visit import visit_in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.fleet.errands import Plan
    from zkpoll.inventory import Database
    from zkpoll.journal.database import Journal
    from zkpoll.model.errand import Errand
    from zkpoll.tasks.database_outcome import DatabaseOutcome
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.device_outcome import DeviceOutcome

    Done: TypeAlias = DeviceOutcome | DatabaseOutcome | DeliveryOutcome | ClearingOutcome

_ROUNDS: Final = DELIVERY - 5
"""Seconds after which a delivery begins no further round, so that it has ended when the next one comes."""
_ENDS: Final = 4.0
"""Seconds more after which it begins no further request."""


@dataclass(frozen=True, slots=True)
class Means:
    """What an errand is carried out with."""

    plan: Plan
    journal: Journal
    stop: threading.Event
    """Set when everything is to end soon."""


def lock_for(plan: Plan, errand: Errand) -> str:
    """Return the subject of the lock under which an errand is carried out."""
    if errand.kind == "deliver":
        return f"dashboard {errand.name}"
    source = plan.source(errand.name)
    return lock_of(source) if isinstance(source, Device) else f"{DATABASE}{source.address}"


def carry_out(errand: Errand, means: Means, until: datetime) -> Done:
    """Carry out an errand of the plan, and return its result. Raise only `StopRun`.

    `until` is when it is due again (UTC).
    """
    if errand.kind == "deliver":
        return _delivered(errand, means, until)
    if errand.kind == "clear":
        return _cleared(means.plan.device(errand.name), means)
    source = means.plan.source(errand.name)
    return _visited(source, means) if isinstance(source, Device) else _read(source, means)


# --- devices ---


def _visited(device: Device, means: Means) -> DeviceOutcome:
    """Read a device's log. One whose case hangs on others is settled by what the journal knows of these."""
    inventory, journal = means.plan.inventory, means.journal
    claims = Claims(inventory.devices, asks_again=True)
    claims.will_ask([device.name])
    contacts = Contacts(journal, means.stop.is_set, writes=True, claims=claims)
    sink = partial(
        JournalSink,
        journal=journal,
        claims=claims,
        names={},
        unknown_logs=folders(inventory.home).unknown_logs,
        announce=lambda: None,
    )
    newest = Devices(journal).newest_reading() if device.clock else None
    outcome = None
    while outcome is None:  # None once at most: then it is heard, or left out
        outcome = visit_in_turn(device, contacts, sink, newest=newest)
    return rated(journal, [outcome])[0]


def _cleared(device: Device, means: Means) -> ClearingOutcome:
    inventory = means.plan.inventory
    contacts = Contacts(means.journal, means.stop.is_set, writes=True, claims=Claims(inventory.devices))
    return ClearingOutcome(device.name, clear(device, contacts, folders(inventory.home).raw_copies))


def _read(database: Database, means: Means) -> DatabaseOutcome:
    from zkpoll.bridge.opening import open_database
    from zkpoll.tasks.read_database import Bridge, read_database

    contacts = Contacts(means.journal, means.stop.is_set, writes=True)
    return read_database(database, Bridge(contacts, open_database, means.plan.inventory.devices))


# --- dashboards ---


def _delivered(errand: Errand, means: Means, until: datetime) -> DeliveryOutcome:
    """Deliver what is pending, and what comes meanwhile, for as long as one delivery takes at most."""
    inventory, journal = means.plan.inventory, means.journal
    dashboard = means.plan.dashboard(errand.name)
    outbox = JournalOutbox(journal, dashboard.name)
    left = min(_ROUNDS, (until - datetime.now(UTC)).total_seconds())
    with _over_after(left + _ENDS, means.stop) as over:
        outlet = Outlet(
            dashboard,
            outbox,
            Origins.of_inventory(inventory.sources, Devices(journal).names()),
            inventory.alert_after,
            _watcher(outbox, left, over),
            over,
        )
        rounds = [deliver_to(replace(outlet, more=lambda: False), journal)]
        if not rounds[0].problem and outlet.more():
            deliver_on(replace(outlet, tells_shifts=False), journal, rounds.append)
    counts = outbox.counts()
    return replace(
        rounds[-1],
        confirmed=sum(one.confirmed for one in rounds),
        parked=sum(one.parked for one in rounds),
        requests=sum(one.requests for one in rounds),
        seconds=sum(one.seconds for one in rounds),
        shifts=rounds[0].shifts,
        leaves_shifts=False,
        counts=counts,
        oldest_pending=outbox.oldest_pending(),
    )


def _watcher(outbox: JournalOutbox, seconds: float, over: threading.Event) -> Callable[[], bool]:
    """Return a function that waits until something is owed (True), or the time is over (False)."""
    end = time.monotonic() + seconds

    def more() -> bool:
        while (left := end - time.monotonic()) > 0:
            if over.wait(min(LOOK_AGAIN, left)):
                return False
            if time.monotonic() < end and not outbox.owes_nothing():
                return True
        return False

    return more


@contextmanager
def _over_after(seconds: float, stop: threading.Event) -> Iterator[threading.Event]:
    """Give an event that is set when `stop` is, or so many seconds have passed."""
    over = Over(stop)
    timer = threading.Timer(max(0.0, seconds), over.set)
    timer.daemon = True
    timer.start()
    try:
        yield over
    finally:
        timer.cancel()
