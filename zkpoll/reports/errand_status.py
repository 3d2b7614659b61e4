"""How errands of workers stand, for the screen of `zkpoll status` and the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from zkpoll.journal.errands import standings
from zkpoll.model.errand import STATES, Queue
from zkpoll.reports.verdict import LastRun, Need
from zkpoll.reports.words import iso, minute, span
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.tasks.fleet_outcome import QueueOutcome, by_queue, errand_places, is_served, queues_of
from zkpoll.wall_clock import age

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.errand import ErrandStanding, State

NOTHING_TO_SEND: Final = LastRun(None, overdue=False, what="dispatch")
_PAUSE: Final = timedelta(minutes=1)
"""Between two dispatches, which cron or the timer starts."""


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The errands of a queue, and who takes them."""

    queue: Queue
    counts: Mapping[State, int]
    last: ErrandStanding | None
    """The one that was taken last."""
    outcome: QueueOutcome

    @property
    def name(self) -> str:
        """It, in words."""
        if self.queue.deliveries:
            return "deliveries"
        return "no site" if self.queue.site is None else f"site {self.queue.site}"

    def cells(self, now: datetime) -> tuple[str, str, str, str, str]:
        """Return how many of its errands are in each state, and when one was taken last."""
        done, waiting, under_way, late = (f"{self.counts[one]:,}" for one in STATES)
        taken = "never"
        if self.last and self.last.taken_at:
            taken = f"{span(age(self.last.taken_at, now))} ago by {self.last.taken_by}"
        return done, waiting, under_way, late, taken

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "site": self.queue.site,
            "deliveries": self.queue.deliveries,
            **{state.replace(" ", "_"): self.counts[state] for state in STATES},
            "taken_at": iso(self.last.taken_at if self.last else None),
            "taken_by": self.last.taken_by if self.last else None,
        }


@dataclass(frozen=True, slots=True)
class ErrandStatus:
    """How all errands of an inventory stand at a moment."""

    now: datetime
    every: float
    """Seconds."""
    dispatch: LastRun
    """When errands were sent last."""
    queues: tuple[QueueStatus, ...]
    under_way: tuple[ErrandStanding, ...]
    """Those that somebody has taken and not ended, the first one first; also those of them that are late."""
    late: tuple[ErrandStanding, ...]
    """Those that are late, the first one first."""

    @property
    def counts(self) -> Mapping[State, int]:
        """How many errands are in each state."""
        return {state: sum(one.counts[state] for one in self.queues) for state in STATES}

    @property
    def oldest_late(self) -> timedelta:
        """For how long the one waits that is late for longest; nothing where none is."""
        return max((age(one.waits_since, self.now) for one in self.late), default=timedelta(0))

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to: a queue of which errands are late.

        Where nothing is sent any more, what waits says nothing of the workers.
        """
        for one in self.queues:
            late = one.outcome.late
            if self.dispatch.overdue:
                late = tuple(errand for errand in late if errand.is_under_way)
            trouble = QueueOutcome(one.queue, late, one.outcome.served).trouble
            if trouble:
                yield Need(one.queue.subject, trouble.kind, trouble.text)

    @property
    def explained(self) -> frozenset[str]:
        """The subjects of devices and databases that are not read, as is said of their queues."""
        names = [one.errand.name for one in self.late if one.errand.kind == "visit"]
        return frozenset(f"{what}{name}" for name in names for what in ("device ", DATABASE))

    def workers(self) -> list[tuple[str, str, str]]:
        """Return who is at something: the worker, how many errands, and which for longest."""
        taken: dict[str, list[ErrandStanding]] = {}
        for one in self.under_way:
            taken.setdefault(one.taken_by or "", []).append(one)
        return [(who, f"{len(some):,}", self._for_how_long(some[0])) for who, some in sorted(taken.items())]

    def _for_how_long(self, one: ErrandStanding) -> str:
        return f"{one.errand.subject}, {span(age(one.taken_at or self.now, self.now))}"

    def late_ones(self) -> list[tuple[str, str, str]]:
        """Return what is late, since when, and why."""
        return [(one.errand.subject, minute(one.waits_since), self._why(one)) for one in self.late]

    def _why(self, one: ErrandStanding) -> str:
        match one.why_late:
            case "not sent":
                return "it could not be sent"
            case "not taken":
                return "nobody took it"
            case "not ended":
                ago = span(age(one.taken_at or self.now, self.now))
                return f"taken {ago} ago by {one.taken_by}, not ended"

    def lines(self) -> Iterator[str]:
        """Yield a line for each queue, each worker that is at something, and each errand that is late."""
        for queue in self.queues:
            *numbers, taken = queue.cells(self.now)
            words = (f"{number} {state}" for number, state in zip(numbers, STATES, strict=True))
            yield "  ".join(("errands", queue.name, ", ".join(words), f"taken {taken}"))
        for who, number, longest in self.workers():
            yield "  ".join(("worker", who, f"{number} under way", f"longest {longest}"))
        for subject, since, why in self.late_ones():
            yield "  ".join(("late", subject, f"since {since}", why))

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "every": self.every,
            "sent_at": iso(self.dispatch.ended_at),
            "queues": [one.document() for one in self.queues],
            "under_way": [
                {"subject": one.errand.subject, "taken_at": iso(one.taken_at), "taken_by": one.taken_by}
                for one in self.under_way
            ],
            "late": [
                {
                    "subject": one.errand.subject,
                    "why": one.why_late,
                    "waits_since": iso(one.waits_since),
                    "taken_at": iso(one.taken_at),
                    "taken_by": one.taken_by,
                }
                for one in self.late
            ],
        }


def errand_status(inventory: Inventory, journal: Journal, now: datetime) -> ErrandStatus | None:
    """Return how the errands of an inventory stand; None where it has no workers. `now` is UTC.

    What is not in use there counts for nothing, but as a sign that something was sent.
    """
    if not inventory.workers:
        return None
    every, places, everything = inventory.workers.every, errand_places(inventory), standings(journal)
    grouped = by_queue(places, everything)

    def state(one: ErrandStanding) -> State:
        return one.state(now, every, places[one.errand].limit)

    def of_queue(queue: Queue) -> QueueStatus:
        mine = grouped[queue]
        counts = Counter(map(state, mine))
        taken = [one for one in mine if one.taken_at]
        last = max(taken, key=lambda one: one.taken_at or now, default=None)
        late = tuple(one for one in mine if state(one) == "late")
        return QueueStatus(
            queue,
            {one: counts[one] for one in STATES},
            last,
            QueueOutcome(queue, late, is_served(mine, every, now)),
        )

    known = [one for some in grouped.values() for one in some]
    return ErrandStatus(
        now,
        every,
        _last_dispatch([one.sent_at for one in everything], every, now) if places else NOTHING_TO_SEND,
        tuple(map(of_queue, queues_of(inventory))),
        tuple(sorted((one for one in known if one.is_under_way), key=lambda one: one.taken_at or now)),
        tuple(sorted((one for one in known if state(one) == "late"), key=lambda one: one.waits_since)),
    )


def _last_dispatch(sent: list[datetime], every: float, now: datetime) -> LastRun:
    """Return when errands were sent last. All are sent once in each span, so it is overdue after two.

    What is stamped a span ahead of now would have been sent anew by now.
    """
    if not sent:
        return LastRun(None, overdue=True, what="dispatch")
    last, spans = max(sent), timedelta(seconds=every)
    return LastRun(last, not -spans <= now - last <= 2 * spans + _PAUSE, "dispatch")
