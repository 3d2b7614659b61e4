"""One dashboard's part of a run: deliver what is pending, say how far it is complete, say what it came to."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, carried_out
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.loop import Destination, deliver
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.preview import preview
from zkpoll.delivery.verdicts import KINDS
from zkpoll.errors import Busy, Locked, StopRun
from zkpoll.journal.outbox import first_pending
from zkpoll.tasks.outcome import BUG, DeliveryOutcome
from zkpoll.tasks.run import FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.contract import FollowUp
    from zkpoll.inventory import Dashboard
    from zkpoll.journal.outbox import Outbox
    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.delivery import Preview, ShiftMove
    from zkpoll.model.punch import Event
    from zkpoll.tasks.run import Run

_log = logging.getLogger(__name__)


def deliver_to(run: Run, dashboard: Dashboard, outbox: Outbox) -> DeliveryOutcome:
    """Deliver what is pending to one dashboard; raise only what stops the whole run."""
    began = time.monotonic()
    outcome = DeliveryOutcome(dashboard.name, exposed=dashboard.exposed)
    if not run.options.deliver:
        return outcome
    try:
        with run.lock(f"dashboard {dashboard.name}"):
            outcome = _delivered(run, dashboard, outbox, outcome)
            if outcome.problem is None:
                outcome = _with_follow_ups(run, dashboard, outbox, outcome)
    except StopRun:
        raise
    except (Busy, Locked) as error:
        outcome = replace(outcome, problem=str(error), kind=error.kind)
    except Exception as error:  # noqa: BLE001  # one failure stays one failure
        _log.exception("%s: %s", dashboard.name, FAILED.format(type(error).__name__))
        outcome = replace(outcome, problem=FAILED.format(type(error).__name__), kind=BUG)
    _tell(outcome)
    return replace(outcome, seconds=time.monotonic() - began)


def _delivered(run: Run, dashboard: Dashboard, outbox: Outbox, outcome: DeliveryOutcome) -> DeliveryOutcome:
    """Return `outcome` with what became of the dashboard's punches."""
    access = Access.to(dashboard)
    terminals = Origins.of_inventory(run.inventory.devices, run.names)
    where = Destination(
        name=dashboard.name,
        access=access,
        format=format_of(dashboard, terminals, access.secrets),
        batch_size=dashboard.batch_size,
        attempts=dashboard.attempts,
        retry_wait=dashboard.retry_wait,
        most=dashboard.max_per_run,
        park_retry_every=timedelta(seconds=dashboard.park_retry_every),
    )
    done = deliver(
        outbox,
        where,
        more=run.feed.watcher(),
        progress=lambda punches: run.observer.delivered(dashboard.name, punches),
        stop=run.stop,
    )
    return replace(
        outcome,
        confirmed=done.confirmed,
        parked=done.parked,
        requests=done.requests,
        capped=done.capped,
        problem=done.problem,
        kind=done.kind,
    )


def _with_follow_ups(
    run: Run, dashboard: Dashboard, outbox: Outbox, outcome: DeliveryOutcome
) -> DeliveryOutcome:
    """Tell a dashboard how far its punches are complete; return `outcome` with what came of that.

    Where it does not answer, nothing more is said in this run.
    """
    access = Access.to(dashboard)
    terminals = Origins.of_inventory(run.inventory.devices, run.names)
    follow_ups = format_of(dashboard, terminals, access.secrets).follow_ups()
    if not follow_ups:
        return outcome
    late_before = datetime.now(UTC) - timedelta(seconds=run.inventory.alert_after)
    reaches = outbox.reaches()
    with Client(access, run.stop.is_set) as client:
        for step in follow_ups:
            if run.stop.is_set():
                break
            told = carried_out(step.exchange(reaches, late_before), client.send)
            if isinstance(told, Decision):
                words = f"{step.subject}: {told.message}"
                return replace(outcome, problem=words, kind=KINDS[told.verdict])
            _log_move(dashboard, step, told)
            outcome = replace(outcome, shifts=(*outcome.shifts, told))
    return outcome


def _log_move(dashboard: Dashboard, step: FollowUp, move: ShiftMove) -> None:
    zone = step.zone
    until = f"{move.until.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone})" if move.until else "an unknown time"
    why = move.problem or move.held_by
    _log.info("%s: %s is complete until %s: %s", dashboard.name, step.subject, until, why)


def _tell(outcome: DeliveryOutcome) -> None:
    if outcome.requests:
        _log.info("%s: %d punches delivered, %d requests", outcome.name, outcome.confirmed, outcome.requests)
    if outcome.parked:
        _log.warning("%s: %d punches were refused and parked", outcome.name, outcome.parked)
    if outcome.capped:
        _log.info("%s: as many punches as a run may send (max_per_run)", outcome.name)


def previewed(
    dashboard: Dashboard, terminals: Origins, journal: Journal, new: Sequence[Event]
) -> Preview | None:
    """Given a dashboard and new punches, oldest first, return what it would be sent first; None for nothing.

    That is what the journal has pending for it, if there is anything.
    """
    event = first_pending(journal, dashboard.name) or next(iter(new), None)
    if event is None:
        return None
    access = Access.to(dashboard)
    return preview(dashboard.name, access, format_of(dashboard, terminals, access.secrets), event)
