"""One dashboard's delivery: its pending punches, and how far its shifts are complete."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, carried_out
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.loop import Destination, deliver
from zkpoll.delivery.preview import preview, preview_again
from zkpoll.delivery.verdicts import KINDS
from zkpoll.errors import Busy
from zkpoll.journal.outbox import first_again, first_pending
from zkpoll.tasks.delivery_outcome import DeliveryOutcome
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.contract import FollowUp
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import Dashboard
    from zkpoll.journal.database import Journal
    from zkpoll.journal.outbox import JournalOutbox
    from zkpoll.model.delivery import Preview, ShiftMove
    from zkpoll.model.punch import Event

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lane:
    """One dashboard, and the means of its delivery."""

    dashboard: Dashboard
    outbox: JournalOutbox
    origins: Origins
    alert_after: float
    """Seconds after which a shift that is not complete is late."""
    more: Callable[[], bool]
    """Waits until something may be new (True), or nothing more will come."""
    stop: threading.Event
    progress: Callable[[str, int], None] = lambda _dashboard, _punches: None
    """Called with the dashboard's name and the number of punches each time some were delivered."""
    tells_shifts: bool = True
    """Whether it is told how far its shifts are complete; what pulls no logs finds nothing out about that."""


def deliver_to(lane: Lane, journal: Journal) -> DeliveryOutcome:
    """Deliver the pending punches to one dashboard, under its lock. Raise only `StopRun`."""
    began = time.monotonic()
    name, outcome = lane.dashboard.name, undelivered(lane.dashboard)

    def delivered() -> DeliveryOutcome:
        nonlocal outcome  # what was delivered stays told, if telling of shifts fails
        with journal.lock(f"dashboard {name}"):
            outcome = _delivered(lane, journal)
            return _with_follow_ups(lane, outcome) if lane.tells_shifts and not outcome.problem else outcome

    outcome = one_failure(name, delivered, lambda problem, kind: replace(outcome, problem=problem, kind=kind))
    if outcome.kind == Busy.kind:
        _log.info("%s: %s", name, outcome.problem)
    if outcome.requests:
        _log.info("%s: %d punches delivered, %d requests", name, outcome.confirmed, outcome.requests)
    if outcome.parked:
        _log.warning("%s: %d punches were refused and parked", name, outcome.parked)
    if outcome.capped:
        _log.info("%s: as many punches as a run may send (max_per_run)", name)
    return replace(outcome, seconds=time.monotonic() - began)


def undelivered(dashboard: Dashboard) -> DeliveryOutcome:
    """Return the result of a run that delivers nothing to a dashboard."""
    return DeliveryOutcome(dashboard.name, exposed=dashboard.exposed)


def _delivered(lane: Lane, journal: Journal) -> DeliveryOutcome:
    """Return the result of delivering the dashboard's punches. Raise `JournalError` where it is damaged."""
    dashboard, access = lane.dashboard, Access.to(lane.dashboard)
    form = format_of(dashboard, lane.origins, access.secrets)
    where = Destination(
        name=dashboard.name,
        access=access,
        format=form,
        batch_size=dashboard.batch_size,
        attempts=dashboard.attempts,
        retry_wait=dashboard.retry_wait,
        most=dashboard.max_per_run,
        park_retry_every=timedelta(seconds=dashboard.park_retry_every),
    )
    done = deliver(
        lane.outbox,
        where,
        more=lane.more,
        progress=lambda punches: lane.progress(dashboard.name, punches),
        stop=lane.stop,
    )
    if done.came_again:
        raise journal.damaged()
    return replace(
        undelivered(dashboard),
        confirmed=done.confirmed,
        parked=done.parked,
        requests=done.requests,
        capped=done.capped,
        problem=done.problem,
        kind=done.kind,
        leaves_shifts=not lane.tells_shifts and bool(form.follow_ups()),
    )


def _with_follow_ups(lane: Lane, outcome: DeliveryOutcome) -> DeliveryOutcome:
    """Tell a dashboard how far its punches are complete; return `outcome` with the results.

    If it does not answer, nothing more is said in this run.
    """
    access = Access.to(lane.dashboard)
    follow_ups = format_of(lane.dashboard, lane.origins, access.secrets).follow_ups()
    if not follow_ups:
        return outcome
    now = datetime.now(UTC)
    late_before = now - timedelta(seconds=lane.alert_after)
    reaches = lane.outbox.reaches(now)
    with Client(access, lane.stop.is_set) as client:
        for step in follow_ups:
            if lane.stop.is_set():
                break
            told = carried_out(step.exchange(reaches, late_before), client.send)
            if isinstance(told, Decision):
                words = f"{step.subject}: {told.message}"
                return replace(outcome, problem=words, kind=KINDS[told.verdict])
            _log_move(lane.dashboard, step, told)
            outcome = replace(outcome, shifts=(*outcome.shifts, told))
    return outcome


def _log_move(dashboard: Dashboard, step: FollowUp, move: ShiftMove) -> None:
    zone = step.zone
    until = f"{move.until.astimezone(zone):%Y-%m-%d %H:%M:%S} ({zone})" if move.until else "an unknown time"
    why = move.problem or move.held_by
    _log.info("%s: %s is complete until %s: %s", dashboard.name, step.subject, until, why)


def previewed(
    dashboard: Dashboard, terminals: Origins, journal: Journal, new: Sequence[Event]
) -> Preview | None:
    """Given a dashboard and new punches, oldest first, return its first request, or None for none.

    It is one that was not answered for, as it went out; else it carries the oldest punch that is pending for
    it in the journal, else the first new one.
    """
    access = Access.to(dashboard)
    form = format_of(dashboard, terminals, access.secrets)
    sent = first_again(journal, dashboard.name)
    if sent and (again := preview_again(dashboard.name, access, form, sent)):
        return again
    event = first_pending(journal, dashboard.name) or next(iter(new), None)
    return preview(dashboard.name, access, form, event) if event else None
