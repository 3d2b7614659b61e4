"""What a delivery is given, and what it comes to: an outbox, a destination, a result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from zkpoll.delivery.preflight import Answers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.contract import Format
    from zkpoll.delivery.verdicts import Kind
    from zkpoll.model.delivery import Batch, SentRequest, Settled
    from zkpoll.model.punch import Event


class Outbox(Answers, Protocol):
    """The punches of one destination.

    What `decide` takes down is on disk once anything else is written, in the same transaction: a request that
    follows at once costs no second one. Nothing is waited for before that, or `flush`. All else that writes
    is on disk when it returns.
    """

    def halted(self) -> str | None:
        """Return the words of a dashboard that is gone for good, or None."""

    def halt(self, words: str) -> None:
        """Write down that the dashboard is gone for good."""

    def failed_runs(self) -> int:
        """Return how many runs in a row ended at a failure of the punches that are first."""

    def remember_failed_runs(self, runs: int) -> None:
        """Write that down."""

    def shares(self, count: int) -> Sequence[Outbox]:
        """Return so many outboxes that share its punches: all of a device are in one, in order.

        Those in flight, too, whoever sent them.
        """

    def next(self, limit: int) -> Batch:
        """Return the punches in flight that are not settled, then the oldest pending: `limit` at most.

        What is decided is not among them, on disk or not.
        """

    def look_from_start(self) -> None:
        """Let `next` look at all that is pending once more: what ended late may stand in front."""

    def parked(self, limit: int, tried_before: datetime, after: Event | None) -> Batch:
        """Return the oldest parked punches that were last tried before then, `limit` at most.

        So is one that was tried in a time to come: the clock was wrong. `after` is the last one that was
        returned before, None to begin with the oldest.
        """

    def newest_of_people(self, limit: int) -> Sequence[Event]:
        """Return the newest pending punch of each of up to `limit` people, of all devices in turn.

        They are to be sent like the others. Those in flight are left out, if there are others.
        """

    def send(self, request: SentRequest, ahead: Sequence[str] = ()) -> bool:
        """Write down that a request goes out, with punches of those last returned.

        `ahead` are the ids of others that will follow soon, one a request, if nothing else is written: they
        are written down with it, and nothing is when they go. Return False if it is in flight already, or
        carries none.
        """

    def recall(self, request: SentRequest) -> None:
        """Write down that a request did not go out after all."""

    def settle(self, settled: Settled, answered: Sequence[str]) -> None:
        """Write down the decisions of an answer. The punches it answered for are in flight no more."""

    def decide(self, settled: Settled, answered: Sequence[str]) -> None:
        """Take down the decisions of an answer, as `settle` does, to be written with what comes next."""

    def flush(self) -> None:
        """Write down what was decided last, if that is not on disk yet."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A dashboard, and how to deliver to it."""

    name: str
    access: Access
    format: Format
    batch_size: int
    """Events in one request, at most."""
    attempts: int
    """How often one request is sent before the dashboard is left alone for this run."""
    retry_wait: float
    """Seconds before the second attempt; twice as long before each further one, `LONGEST_WAIT` at most."""
    most: int | None = None
    """Punches of one run, at most."""
    park_retry_every: timedelta = timedelta(days=1)
    """How long a parked punch rests before it is tried again."""
    lanes: int = 1
    """How many requests may be under way at once, each with the punches of some of the devices."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The result of one delivery."""

    confirmed: int
    """Events."""
    requests: int
    """Requests sent, repeats included."""
    problem: str | None = None
    """Why the delivery ended early, in one sentence; None when all is well or the run was stopped."""
    kind: Kind | None = None
    parked: int = 0
    """Events refused for their own fault that were not parked before."""
    capped: bool = False
    """Whether it ended because a run sends no more."""
    came_again: bool = False
    """Whether it ended because the outbox handed out a punch once more that it had confirmed before."""
