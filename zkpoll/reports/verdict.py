"""What needs a person, and the one line that says so or that all is well. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from zkpoll.reports.words import are, counted, iso, minute, span
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.fleet_outcome import KINDS_OF_QUEUES
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from zkpoll.journal.overview import DashboardStanding
    from zkpoll.model.report import Condition

STALE: Final = "stale"
"""The kind of a need: it was not heard of for too long."""
NO_RUN: Final = "no run"
"""The kind of the one need in place of all that are stale, as no run has ended that would have read them."""
DISPATCH: Final = "zkpoll dispatch"
TOO_LONG: Final = "too long"
"""The kind of a need: punches wait for too long."""
_WHY_KNOWN: Final = frozenset(
    (STALE, TOO_LONG, "silent", "never called", "halted", "growing", *KINDS_OF_QUEUES)
)
"""Kinds of needs that go without saying where a run has told what is wrong with the same subject."""


@dataclass(frozen=True, slots=True)
class Need:
    """A thing that needs a person."""

    subject: str
    """As cron's lines have it: `device front-door`."""
    kind: str
    text: str
    """One sentence; of a trouble the one that was told."""
    since: datetime | None = None
    """UTC; None where that is not known."""

    @property
    def line(self) -> str:
        """It in one line."""
        since = f" (since {minute(self.since)})" if self.since else ""
        return f"{self.subject}: {self.text}{since}"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"subject": self.subject, "kind": self.kind, "text": self.text, "since": iso(self.since)}


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last run of `zkpoll sync` that ended, or where workers visit, the last errands that were sent."""

    ended_at: datetime | None
    """UTC; None where none has."""
    overdue: bool
    """Whether that is longer ago than it may be."""
    what: Literal["run", "dispatch"] = "run"

    def words(self, now: datetime) -> str:
        """Return when that was, in words."""
        if self.ended_at is None:
            return "no run has ended yet" if self.what == "run" else "no dispatch yet"
        if is_ahead(self.ended_at, now):
            return f"last {self.what} stamped {minute(self.ended_at)}, AHEAD"
        return f"last {self.what} {span(age(self.ended_at, now))} ago"


NO_RUN_YET: Final = LastRun(None, overdue=False)


def needs(
    troubles: Mapping[str, Condition], found: Iterable[Need], run: LastRun, now: datetime
) -> tuple[Need, ...]:
    """Given the troubles of runs, and what is found wrong at this moment, return what needs a person.

    What was found goes without saying where a run has told why, or that very thing, of its subject. Where no
    run ends any more, that is one thing, and not as many as there are devices.
    """
    told = {subject: one for subject, one in troubles.items() if not one.advice}
    news = [one for one in found if not _is_told(one, told.get(one.subject))]
    unread = [one for one in news if run.overdue and one.kind == STALE]
    return (
        *_no_run(unread, run, now),
        *(Need(subject, one.kind, one.text or one.kind, one.since) for subject, one in told.items()),
        *(one for one in news if not (run.overdue and one.kind == STALE)),
    )


def _is_told(need: Need, told: Condition | None) -> bool:
    return told is not None and (need.kind in _WHY_KNOWN or need.kind == told.kind)


def _no_run(unread: Sequence[Need], run: LastRun, now: datetime) -> Iterator[Need]:
    if run.what == "dispatch":
        if run.overdue:
            yield Need(DISPATCH, NO_RUN, _no_dispatch(run, now), run.ended_at)
        return
    if not unread:
        return
    since = run.ended_at
    stores = sum(one.subject.startswith(DATABASE) for one in unread)
    which = of_things((len(unread) - stores, "device"), (stores, "database"))
    how = "no run has ended yet" if since is None else f"no run has ended for {span(age(since, now))}"
    text = f"{how}, so {which} {are(len(unread))} not read; see whether cron or the timer starts it"
    yield Need("zkpoll sync", NO_RUN, text, since)


def _no_dispatch(run: LastRun, now: datetime) -> str:
    if run.ended_at is None:
        how = "it has sent no errand yet"
    elif is_ahead(run.ended_at, now):
        how = "it has sent no errand since a time that lies ahead of this host's clock"
    else:
        how = f"it has sent no errand for {span(age(run.ended_at, now))}"
    return f"{how}, so nothing is read and delivered; see whether cron or the timer starts it"


def of_things(*numbers: tuple[int, str]) -> str:
    """Given numbers with their nouns, return them in one phrase: `2 terminals, 1 database and 1 dashboard`.

    What there is none of is left out.
    """
    things = [counted(number, noun) for number, noun in numbers if number]
    return " and ".join(filter(None, (", ".join(things[:-1]), *things[-1:])))


def confirmed(dashboards: Sequence[DashboardStanding]) -> str | None:
    """Return how many punches are confirmed, of those that dashboards are to get; None without a dashboard.

    Dashboards that have the same numbers have the same punches.
    """
    if not dashboards:
        return None
    numbers = {(one.confirmed, one.due) for one in dashboards}
    done, due = sum(one.confirmed for one in dashboards), sum(one.due for one in dashboards)
    if len(numbers) == 1:
        ((done, due),) = numbers
    if not due:
        return "no punches yet"
    all_of_them = "" if len(numbers) == 1 else f", by {len(dashboards)} dashboards together"
    return f"{done:,} of {counted(due, 'punch', 'punches')} confirmed{all_of_them}"
