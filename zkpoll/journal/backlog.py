"""How many punches wait for each dashboard, hour by hour: a backlog that grows is seen before it is old.

    every hour      what waits is written down, unless the dashboard failed: then all is forgotten, as what
                    gathers while it is away says nothing of its pace
    at each look    what waits now, against what waited 20 hours ago or longer

A backlog that is younger than a day is none yet: it may be the first reading of a terminal, or a backfill.
Times ahead of now were stamped by a wrong clock, and count for nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.model.delivery import BACKLOG_FLOOR, Backlog
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from zkpoll.journal.database import Journal

_EVERY: Final = timedelta(hours=1)
"""The time between two moments that are written down."""
_A_DAY_AGO: Final = timedelta(hours=20)
"""Less than a day, so that a daily run that is early compares with the one of the day before."""
_LONGEST: Final = timedelta(days=8)
"""How long ago what is compared with may be: a run a week is enough to see it."""
_YOUNG: Final = timedelta(days=1)


def grown(
    pending: int, oldest: datetime | None, points: Sequence[tuple[datetime, int]], now: datetime
) -> Backlog:
    """Given what waits, since when the oldest does, and what waited before, return how it has grown. Pure.

    Of `points`, each a moment and how many waited then, the order does not count. All times are aware.
    """
    if pending < BACKLOG_FLOOR or oldest is None or is_ahead(oldest, now) or now - oldest < _YOUNG:
        return Backlog(pending, 0)
    before = [(at, waited) for at, waited in points if _A_DAY_AGO <= now - at <= _LONGEST]
    if not before:
        return Backlog(pending)
    at, waited = max(before)
    return Backlog(pending, pending - waited, max(1, round((now - at) / _YOUNG)))


def backlogs(journal: Journal, now: datetime) -> dict[str, Backlog]:
    """Return how what waits for each dashboard that gets punches has grown, by name. `now` is UTC."""
    points: dict[int, list[tuple[datetime, int]]] = {}
    for destination, at, waited in journal.all("backlog_points"):
        points.setdefault(destination, []).append((datetime.fromisoformat(at), waited))
    return {
        name: grown(pending, datetime.fromisoformat(oldest) if oldest else None, points.get(number, []), now)
        for number, name, pending, oldest in journal.all("backlogs")
    }


def note_backlogs(journal: Journal, now: datetime, failed: Collection[str]) -> None:
    """Write down what waits for each dashboard, where an hour has passed since that was done. `now` is UTC.

    `failed` are the names of those that failed: of these, what was written down before is forgotten.
    """
    newest: dict[int, datetime] = {}
    points, rows = journal.all("backlog_points"), journal.all("backlogs")
    for destination, at, _ in points:
        moment = datetime.fromisoformat(at)
        if not is_ahead(moment, now):
            newest[destination] = max(moment, newest.get(destination, moment))
    known = {destination for destination, *_ in points}
    forgotten = [{"destination": number} for number, name, *_ in rows if name in failed and number in known]
    text = now.isoformat(timespec="milliseconds")
    noted = [
        {"destination": number, "at": text, "pending": pending}
        for number, name, pending, _ in rows
        if name not in failed and (number not in newest or now - newest[number] >= _EVERY)
    ]
    if not forgotten and not noted:
        return
    with journal.transaction():
        journal.run_many("forget_backlog", forgotten)
        journal.run_many("note_backlog", noted)
        first, last = now - _LONGEST, now + timedelta(minutes=1)
        journal.run(
            "forget_backlog_points",
            first=first.isoformat(timespec="milliseconds"),
            last=last.isoformat(timespec="milliseconds"),
        )
