"""One dashboard's delivery: its pending punches, and how far its shifts are complete."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, carried_out
from zkpoll.delivery.destination import Destination
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.loop import deliver
from zkpoll.delivery.preflight import stopped_by
from zkpoll.delivery.preview import preview, preview_again
from zkpoll.delivery.verdicts import KINDS
from zkpoll.errors import Busy
from zkpoll.journal.outbox import first_again, first_pending
from zkpoll.tasks.outlet import undelivered
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.contract import FollowUp
    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import Dashboard
    from zkpoll.journal.database import Journal
    from zkpoll.model.delivery import Preview, ShiftMove
    from zkpoll.model.punch import Event
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.outlet import Outlet

_log = logging.getLogger(__name__)


def deliver_to(outlet: Outlet, journal: Journal) -> DeliveryOutcome:
    """Deliver the pending punches to one dashboard, under its lock. Raise only `StopRun`."""
    began = time.monotonic()
    name, outcome = outlet.dashboard.name, undelivered(outlet.dashboard)

    def delivered() -> DeliveryOutcome:
        nonlocal outcome  # what was delivered stays told, if telling of shifts fails
        with journal.lock(f"dashboard {name}"):
            if not outlet.outbox.has_its_name():
                raise Busy(
                    "another run has given it another name (was: in the inventory), and delivers by that; "
                    "restart zkpoll serve, which has the inventory as it was"
                )
            outcome = _delivered(outlet, journal)
            return (
                _with_follow_ups(outlet, outcome) if outlet.tells_shifts and not outcome.problem else outcome
            )

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


def _delivered(outlet: Outlet, journal: Journal) -> DeliveryOutcome:
    """Return the result of delivering the dashboard's punches. Raise `JournalError` where it is damaged."""
    dashboard, access = outlet.dashboard, Access.to(outlet.dashboard)
    form = format_of(dashboard, outlet.origins, access.secrets)
    where = Destination(
        name=dashboard.name,
        access=access,
        format=form,
        batch_size=dashboard.batch_size,
        attempts=dashboard.attempts,
        retry_wait=dashboard.retry_wait,
        most=dashboard.max_per_run,
        lanes=dashboard.lanes,
        park_retry_every=timedelta(seconds=dashboard.park_retry_every),
    )
    done = deliver(
        outlet.outbox,
        where,
        more=outlet.more,
        progress=lambda punches: outlet.progress(dashboard.name, punches),
        stop=outlet.stop,
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
        leaves_shifts=not outlet.tells_shifts and bool(form.follow_ups()),
    )


def _with_follow_ups(outlet: Outlet, outcome: DeliveryOutcome) -> DeliveryOutcome:
    """Tell a dashboard how far its punches are complete; return `outcome` with the results.

    If it does not answer, nothing more is said in this run.
    """
    access = Access.to(outlet.dashboard)
    form = format_of(outlet.dashboard, outlet.origins, access.secrets)
    follow_ups = form.follow_ups()
    if not follow_ups or outlet.stop.is_set():
        return outcome
    now = datetime.now(UTC)
    late_before = now - timedelta(seconds=outlet.alert_after)
    reaches = outlet.outbox.reaches(now)
    with Client(access, outlet.stop.is_set) as client:
        if end := stopped_by(form.preflight(), access.url, outlet.outbox, client.send):
            stopped = outlet.stop.is_set()
            return outcome if stopped else replace(outcome, problem=end.message, kind=KINDS[end.verdict])
        for step in follow_ups:
            if outlet.stop.is_set():
                break
            told = carried_out(step.exchange(reaches, late_before), client.send)
            if isinstance(told, Decision):
                words = f"{step.subject}: {told.message}"
                return replace(outcome, problem=words, kind=KINDS[told.verdict])
            _log_move(outlet.dashboard, step, told)
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
