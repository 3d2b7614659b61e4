"""One dashboard's endless delivery: round after round, each a delivery of what is pending by then.

    wait      until something new is announced, or another run may have journalled something
    a round   as in a run of `zkpoll sync`, under the dashboard's lock, which is free between two rounds
    it fails  5 s of rest, twice as long after each further failure, 5 min at most

A dashboard that is away keeps nobody waiting: whoever journals only announces.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Busy, JournalError, JournalUnfit
from zkpoll.tasks.deliver import deliver_to, undelivered

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.journal.database import Journal
    from zkpoll.tasks.deliver import Lane
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome

FIRST_REST: Final = 5.0
LONGEST_REST: Final = 300.0
"""Seconds."""


def deliver_on(lane: Lane, journal: Journal, ended: Callable[[DeliveryOutcome], None]) -> None:
    """Deliver to one dashboard until the lane's `more` says no, or its `stop` is set.

    `ended` is called with the result of each round. Raise `JournalUnfit`; a journal that is locked, or whose
    disk is full, may be free again by the next round.
    """
    rest = FIRST_REST
    a_round = replace(lane, more=lambda: False)
    while not lane.stop.is_set():
        try:
            outcome = deliver_to(a_round, journal)
        except JournalUnfit:
            raise
        except JournalError as error:
            outcome = replace(undelivered(lane.dashboard), problem=str(error), kind=error.kind)
        ended(outcome)
        if outcome.problem and outcome.kind != Busy.kind:
            lane.stop.wait(rest)
            rest = min(2 * rest, LONGEST_REST)
            continue
        rest = FIRST_REST
        if not lane.more():
            return
