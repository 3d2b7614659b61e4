"""What waits for each dashboard at the end of a run: written down, and compared with the day before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.journal.backlog import backlogs, note_backlogs
from zkpoll.journal.course import note_courses
from zkpoll.tasks.delivery_outcome import BacklogOutcome

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from zkpoll.inventory import Dashboard
    from zkpoll.journal.database import Journal


def look_after_backlogs(
    dashboards: Sequence[Dashboard], journal: Journal, failed: Collection[str], now: datetime
) -> tuple[BacklogOutcome, ...]:
    """Return how the backlogs of those dashboards stand of which that is known. `now` is UTC.

    `failed` are the names of those to which the last delivery failed: that says it all.
    """
    note_backlogs(journal, now, failed)
    note_courses(journal, now)
    known = backlogs(journal, now)
    return tuple(
        BacklogOutcome(one.name, known[one.name], capped=one.max_per_run is not None)
        for one in dashboards
        if one.name not in failed and one.name in known and known[one.name].more is not None
    )
