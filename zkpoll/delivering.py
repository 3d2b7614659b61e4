"""One dashboard's part of a run: deliver what is pending, say how far it is complete, say what it came to."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.deliver import Destination, deliver
from zkpoll.delivery.formats import format_of
from zkpoll.delivery.frappe.answers import Judge
from zkpoll.delivery.frappe.shifts import bound, moving
from zkpoll.delivery.ping import ping
from zkpoll.delivery.preview import preview
from zkpoll.delivery.request import carried_out
from zkpoll.delivery.terminals import Terminals
from zkpoll.errors import Busy, JournalError, Locked, StopRun
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import first_pending, newest_punch
from zkpoll.journal.store import Journal
from zkpoll.outcome import BUG, DeliveryOutcome
from zkpoll.run import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.formats import Format
    from zkpoll.delivery.ping import Ping
    from zkpoll.inventory import Dashboard, Inventory
    from zkpoll.journal.outbox import Outbox
    from zkpoll.punch import Event, Preview, ShiftMove
    from zkpoll.run import Run

_log = logging.getLogger(__name__)


def deliver_to(run: Run, dashboard: Dashboard, outbox: Outbox) -> DeliveryOutcome:
    """Deliver what is pending to one dashboard; raise only what stops the whole run."""
    began = time.monotonic()
    outcome = DeliveryOutcome(dashboard.name, exposed=dashboard.exposed)
    if not run.options.deliver:
        return outcome
    try:
        with run.lock(f"dashboard {dashboard.name}"):
            done = deliver(
                outbox,
                _destination(run, dashboard),
                more=run.feed.watcher(),
                progress=lambda punches: run.observer.delivered(dashboard.name, punches),
                stop=run.stop,
            )
            shifts = _move_shifts(run, dashboard, outbox) if done.problem is None else ()
        outcome = replace(
            outcome,
            confirmed=done.confirmed,
            parked=done.parked,
            requests=done.requests,
            capped=done.capped,
            problem=done.problem,
            kind=done.kind,
            shifts=shifts,
        )
    except StopRun:
        raise
    except (Busy, Locked) as error:
        outcome = replace(outcome, problem=str(error), kind=error.kind)
    except Exception as error:  # noqa: BLE001  # one failure stays one failure
        _log.exception("%s: %s", dashboard.name, FAILED.format(type(error).__name__))
        outcome = replace(outcome, problem=FAILED.format(type(error).__name__), kind=BUG)
    _tell(outcome)
    return replace(outcome, seconds=time.monotonic() - began)


def _tell(outcome: DeliveryOutcome) -> None:
    if outcome.parked:
        _log.warning("%s: %d punches were refused and parked", outcome.name, outcome.parked)
    if outcome.capped:
        _log.info("%s: as many punches as a run may send (max_per_run)", outcome.name)


def _move_shifts(run: Run, dashboard: Dashboard, outbox: Outbox) -> tuple[ShiftMove, ...]:
    """Tell a dashboard how far its shifts' punches are complete, where the inventory names some.

    What fails is tried again by the next run.
    """
    site = dashboard.frappe
    if site is None or not site.shifts:
        return ()
    late_before = datetime.now(UTC) - timedelta(seconds=run.inventory.alert_after)
    reaches, access, zone = outbox.reaches(), Access.to(dashboard), ZoneInfo(site.timezone)
    wanted = [bound(shift, reaches, late_before) for shift in site.shifts]
    judge = Judge(access.secrets)
    with Client(access, run.stop.is_set) as client:
        moves = tuple(carried_out(moving(move, zone, judge), client.send) for move in wanted)
    for move in moves:
        until = f"{move.until.astimezone(zone):%Y-%m-%d %H:%M:%S}" if move.until else "nobody knows when"
        why = move.problem or move.held_by
        _log.info("%s: shift %s is complete until %s (%s)", dashboard.name, move.name, until, why)
    return moves


def _destination(run: Run, dashboard: Dashboard) -> Destination:
    return Destination(
        name=dashboard.name,
        access=Access.to(dashboard),
        format=format_for(dashboard, run.inventory, run.journal),
        batch_size=dashboard.batch_size,
        attempts=dashboard.attempts,
        retry_wait=dashboard.retry_wait,
        most=dashboard.max_per_run,
        park_retry_every=timedelta(seconds=dashboard.park_retry_every),
    )


def previewed(
    dashboard: Dashboard, inventory: Inventory, journal: Journal, new: Sequence[Event]
) -> Preview | None:
    """Given a dashboard and new punches, oldest first, return what it would be sent first; None for nothing.

    That is what the journal has pending for it, if there is anything.
    """
    event = first_pending(journal, dashboard.name) or next(iter(new), None)
    if event is None:
        return None
    form = format_for(dashboard, inventory, journal)
    return preview(dashboard.name, Access.to(dashboard), form, event)


def pinged(dashboard: Dashboard, inventory: Inventory) -> tuple[Ping, Preview | None]:
    """Given a dashboard, ask whether it would take punches; return that, and what it would be sent first.

    Where nothing waits for it, the newest punch is the example. A journal that cannot be read, or is not
    there yet, has none.
    """
    try:
        with Journal(inventory.journal, writable=False) as journal:
            newest = filter(None, [newest_punch(journal)])
            shown = previewed(dashboard, inventory, journal, tuple(newest))
    except JournalError as error:
        _log.info("%s", error)
        shown = None
    return ping(Access.to(dashboard), format_for(dashboard, inventory, None)), shown


def format_for(dashboard: Dashboard, inventory: Inventory, journal: Journal | None) -> Format:
    """Given a dashboard, return its format, which knows the terminals that punches come from.

    Without a journal no terminal was renamed yet.
    """
    names = Devices(journal).names() if journal else {}
    terminals = Terminals.of_inventory(inventory.devices, names)
    return format_of(dashboard, terminals, Access.to(dashboard).secrets)
