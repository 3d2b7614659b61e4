"""One dashboard's endless delivery: round after round, each a delivery of what is pending by then.

    wait      until something new is announced, or another run may have journalled something
    a round   as in a run of `zkpoll sync`, under the dashboard's lock, which is free between two rounds
    it fails  5 s of rest, twice as long after each further failure, 5 min at most
    by now    what a round came to is told while it still holds: another run may have delivered since

A dashboard that is away keeps nobody waiting: whoever journals only announces.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy, JournalError, JournalUnfit
from zkpoll.model.sums import Counts
from zkpoll.tasks.deliver import deliver_to
from zkpoll.tasks.outlet import undelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.journal.database import Journal
    from zkpoll.journal.overview import DashboardStanding
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.outlet import Outlet

FIRST_REST: Final = 5.0
LONGEST_REST: Final = 300.0
"""Seconds."""


def deliver_on(outlet: Outlet, journal: Journal, ended: Callable[[DeliveryOutcome], None]) -> None:
    """Deliver to one dashboard until the outlet's `more` says no, or its `stop` is set.

    `ended` is called with the result of each round. Raise `JournalUnfit`; a journal that is locked, or whose
    disk is full, may be free again by the next round.
    """
    rest = FIRST_REST
    a_round = replace(outlet, more=lambda: False)
    while not outlet.stop.is_set():
        try:
            outcome = deliver_to(a_round, journal)
        except JournalUnfit:
            raise
        except JournalError as error:
            outcome = replace(undelivered(outlet.dashboard), problem=str(error), kind=error.kind)
        ended(outcome)
        if outcome.problem and outcome.kind != Busy.kind:
            outlet.stop.wait(rest)
            rest = min(2 * rest, LONGEST_REST)
            continue
        rest = FIRST_REST
        if not outlet.more():
            return


def by_now(
    outcome: DeliveryOutcome, standing: DashboardStanding | None, *, failed_before: bool
) -> DeliveryOutcome | None:
    """Given a round's result and how its dashboard stands by now, return what is to be told of it.

    None where that is for others to tell, or shows in the next round: another run, which tells of the same
    dashboard, may have delivered, or failed to, since. `failed_before` says whether a round before it was
    told to have failed. None for `standing`: a run with another inventory has renamed it since. Pure.
    """
    if standing is None or outcome.kind == JournalError.kind:  # no fault of the dashboard
        return None
    if outcome.problem and outcome.kind != Busy.kind:
        holds = standing.pending > 0
    else:
        holds = (outcome.capped or not standing.pending) and (failed_before or not outcome.leaves_shifts)
    if not holds:
        return None
    counts = Counts(
        standing.pending + standing.parked + standing.held,
        standing.pending,
        0,
        standing.parked,
        standing.held,
    )
    oldest = standing.oldest.isoformat() if standing.oldest and standing.pending else None
    return replace(outcome, counts=counts, oldest_pending=oldest)
