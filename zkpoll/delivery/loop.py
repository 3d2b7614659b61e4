"""The loop for one destination: send, judge, wait, settle."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_result,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_exponential,
    wait_random,
)

from zkpoll.delivery.bisection import Trial
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, Failure, Reply, Verdict, carried_out, most_of, to_repeat
from zkpoll.delivery.verdicts import KINDS, LONGEST_WAIT, Kind
from zkpoll.model.delivery import SentRequest, Settled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.bisection import Part
    from zkpoll.delivery.contract import Answer, Format, Request
    from zkpoll.model.delivery import Batch
    from zkpoll.model.punch import Event

_log = logging.getLogger(__name__)

_AHEAD: Final = 100
"""Punches looked at together, also where fewer fit in a request: among them, one that a dashboard refuses
shows itself as the exception or the rule."""
_WITNESSES: Final = 16
"""People whose newest punches are tried where a whole batch is refused: a new terminal may hold thousands of
punches of people whom the dashboard does not know yet, in front of everybody else's."""
_NOT_TAKEN: Final = frozenset((Verdict.CONFIGURATION, Verdict.SUSPECT, Verdict.TOO_LARGE))
_REMEMBERED: Final = 10_000
"""Confirmed punches that are known again, the last ones. An outbox hands out the oldest, so that what it does
not settle is the first to come again; to remember all would take a hundred bytes each."""
_NOT_SENT = Decision(Verdict.TRY_AGAIN, "the run was stopped")


class Outbox(Protocol):
    """The punches of one destination. Each method that writes is on disk when it returns."""

    def halted(self) -> str | None:
        """Return the words of a dashboard that is gone for good, or None."""

    def halt(self, words: str) -> None:
        """Write down that the dashboard is gone for good."""

    def next(self, limit: int) -> Batch:
        """Return the punches in flight that are not settled, then the oldest pending: `limit` at most."""

    def parked(self, limit: int, tried_before: datetime, after: Event | None) -> Batch:
        """Return the oldest parked punches that were last tried before then, `limit` at most.

        So is one that was tried in a time to come: the clock was wrong. `after` is the last one that was
        returned before, None to begin with the oldest.
        """

    def newest_of_people(self, limit: int) -> Sequence[Event]:
        """Return the newest pending punch of each of up to `limit` people, to be sent like the others."""

    def send(self, request: SentRequest) -> bool:
        """Write down that a request goes out, with punches of those last returned.

        Return False, with nothing done, if it is in flight already.
        """

    def recall(self, request: SentRequest) -> None:
        """Write down that a request did not go out after all."""

    def settle(self, settled: Settled, answered: Sequence[str]) -> None:
        """Write down the decisions of an answer. The punches it answered for are in flight no more."""


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


def deliver(
    outbox: Outbox,
    destination: Destination,
    *,
    more: Callable[[], bool],
    progress: Callable[[int], None],
    stop: threading.Event,
) -> Delivered:
    """Given an outbox and its destination, send what is pending until nothing is and nothing more comes.

    `more` is called when nothing is pending: it blocks until there may be something new (True) or nothing
    will come any more (False, and the outbox is looked at once more). Then punches that were parked long
    enough ago are tried again. `progress` gets the number of events that an answer has just confirmed. When
    `stop` is set, no further request begins and no wait goes on. Only the outbox's own errors are raised.
    """
    if words := outbox.halted():
        return Delivered(0, 0, _gone(words, destination), KINDS[Verdict.GONE])
    with Client(destination.access, stop.is_set) as client:
        return _Delivery(outbox, destination, client, progress, stop).run(more)


class _Delivery:
    def __init__(
        self,
        outbox: Outbox,
        destination: Destination,
        client: Client,
        progress: Callable[[int], None],
        stop: threading.Event,
    ) -> None:
        self._outbox = outbox
        self._destination = destination
        self._client = client
        self._progress = progress
        self._stop = stop
        self._size = most_of(destination.format, destination.batch_size)
        self._left = destination.most
        """Punches that this run may yet send; None for any number."""
        self._confirmed = self._parked = self._requests = 0
        self._last_confirmed: dict[str, None] = {}
        """The ids of the punches that were confirmed last, in that order."""
        self._came_again = False
        self._looked_beyond = False
        """Whether other punches than those of the batch were asked for, to show who is at fault."""
        self._preflight = destination.format.preflight()
        """What is asked before the first event goes out; None once it was, with nothing found to be wrong."""
        self._unsure: set[str] = set()
        """Ids of events that were sent, and nobody knows whether they arrived."""
        self._sent: Request | None = None
        """The request with punches of the part under way that was sent last, in this run or before."""
        self._replied = False
        """Whether there was an answer to the last request of all."""
        self._retrying = Retrying(
            retry=retry_if_result(lambda decision: decision.verdict is Verdict.TRY_AGAIN),
            stop=stop_any(stop_after_attempt(destination.attempts), stop_when_event_set(stop)),
            wait=_Wait(destination.retry_wait),
            sleep=sleep_using_event(stop),
            before_sleep=self._log_wait,
            retry_error_callback=_decision,
        )

    def run(self, more: Callable[[], bool]) -> Delivered:
        began = datetime.now(UTC)
        end = self._send_pending(more) or self._send_parked(began - self._destination.park_retry_every)
        return self._ended(end)

    def _send_pending(self, more: Callable[[], bool]) -> Decision | None:
        """Send the pending punches, and those that come. Return the decision that ends it, if any."""
        coming = True
        while limit := self._limit():
            batch = self._outbox.next(limit)
            if batch.events:
                if end := self._settle(batch):
                    return end
            elif coming:
                coming = more()
            else:
                break
        return None

    def _send_parked(self, tried_before: datetime) -> Decision | None:
        """Try again the parked punches last tried before then. Return the decision that ends it, if any."""
        last: Event | None = None
        while (limit := self._limit()) and (batch := self._outbox.parked(limit, tried_before, last)).events:
            last = batch.events[-1]
            if end := self._settle(batch):
                return end
        return None

    def _limit(self) -> int:
        """Return how many punches to look at now. 0 to end."""
        if self._stop.is_set():
            return 0
        limit = max(self._size, _AHEAD)
        return limit if self._left is None else min(limit, self._left)

    def _settle(self, batch: Batch) -> Decision | None:
        """Send `batch`, in parts if need be, until it is settled or a decision ends it. Return that one."""
        if any(event.id in self._last_confirmed for event in batch.events):
            # Whatever is wrong with the outbox: nobody is sent the same for ever.
            self._came_again = True
            return _NOT_SENT
        # A parked punch may be stored there already: treat it as sent.
        self._unsure |= {
            event.id for event in batch.events[: None if batch.tried_before else batch.sent_before]
        }
        again = to_repeat(self._destination.format, batch.request)
        trial = Trial(
            batch, self._size, whole=again is not None, proven=self._confirmed > 0, choose=random.choice
        )
        while True:
            if trial.at_fault and not self._looked_beyond:
                # Perhaps a punch from behind the batch shows who is at fault.
                self._looked_beyond = True
                trial.call(self._outbox.newest_of_people(_WITNESSES))
            if not (part := trial.next()):
                break
            decision = self._answer_to(part, again)
            if again and self._is_outdated(again, part, decision):
                if decision.verdict is not Verdict.CONFIGURATION:  # that decides nothing on its punches
                    self._write_down(part, Settled(), batch.tried_before)
                trial.cut_anew()
                again = None
                continue
            again = None
            if decision.verdict in (Verdict.TRY_AGAIN, Verdict.CONFIGURATION, Verdict.GONE):
                return decision
            self._write_down(part, trial.heard(part, decision), batch.tried_before)
        self._size = trial.size
        return trial.at_fault

    def _is_outdated(self, again: Request, part: Part, decision: Decision) -> bool:
        """Say whether a request that was made by other settings was answered, and not taken.

        Then its punches go as the settings make requests now: perhaps that is what somebody put right.
        """
        if not self._replied or decision.verdict not in _NOT_TAKEN:
            return False
        if len(part) > self._size:
            return True
        made = self._destination.format.carry(part)
        return isinstance(made, Decision) or (made.key, made.method) != (again.key, again.method)

    def _answer_to(self, part: Part, again: Request | None) -> Decision:
        """Send a part until the dashboard answers for it, or its attempts are used up.

        `again` is the request that carried it before, if that is to be sent once more.
        """
        if self._stop.is_set():
            return _NOT_SENT
        if self._preflight:
            answer = self._send(self._preflight.request)
            meaning = self._preflight.meaning(answer) if isinstance(answer, Reply) else None
            if meaning and meaning[0] is False:  # no answer shows nothing
                return Decision(Verdict.CONFIGURATION, meaning[1])
        self._preflight = None
        self._sent = again
        decision: Decision = self._retrying(self._attempt, part)
        return decision

    def _attempt(self, part: Part) -> Decision:
        if self._stop.is_set():  # while waiting for this attempt
            return _NOT_SENT
        ids = [event.id for event in part]
        if self._sent and (resent := self._destination.format.resend(self._sent)):
            decision = _on_carried(carried_out(resent, self._send), self._sent)
        else:
            exchange = self._destination.format.exchange(part, unsure=not self._unsure.isdisjoint(ids))
            decision = carried_out(exchange, self._send)
        if decision.verdict is Verdict.TRY_AGAIN:
            self._unsure.update(ids)
        else:
            self._unsure.difference_update(ids)
        return decision

    def _send(self, request: Request) -> Answer:
        """Send a request. Before one that carries punches goes out, write it down."""
        if self._stop.is_set():  # between two requests of an exchange
            return Failure(_NOT_SENT.message)
        written_down = self._as_written_down(request)
        new = bool(request.ids) and self._outbox.send(written_down)
        self._requests += 1
        answer = self._client.send(request)
        self._replied = isinstance(answer, Reply)
        if new and isinstance(answer, Failure) and answer.unsent:
            self._outbox.recall(written_down)
        elif request.ids:
            self._sent = request
        return answer

    def _as_written_down(self, request: Request) -> SentRequest:
        """Return what the outbox keeps of a request: no secret, and bytes only if they may go out again."""
        form, access = self._destination.format, self._destination.access
        if access.in_bodies or not form.resend(request):
            return SentRequest(request.ids)
        return SentRequest(request.ids, request.method, request.key, request.body)

    def _write_down(self, part: Part, settled: Settled, tried_before: bool) -> None:
        self._outbox.settle(settled, [event.id for event in part])
        self._confirmed += len(settled.confirmed)
        self._last_confirmed |= dict.fromkeys(settled.confirmed)
        for one in list(islice(self._last_confirmed, max(0, len(self._last_confirmed) - _REMEMBERED))):
            del self._last_confirmed[one]
        self._parked += 0 if tried_before else len(settled.parked)
        if self._left is not None:
            sent = len(settled.confirmed) + len(settled.parked) - len(settled.unasked)
            self._left = max(0, self._left - sent)
        if settled.confirmed:
            self._progress(len(settled.confirmed))

    def _ended(self, end: Decision | None) -> Delivered:
        done = Delivered(self._confirmed, self._requests, parked=self._parked, capped=self._left == 0)
        if self._came_again:
            return replace(done, came_again=True)
        if end is None or (self._stop.is_set() and end.verdict is Verdict.TRY_AGAIN):
            return done  # all is well, or it was not given its attempts
        if end.verdict is Verdict.GONE:
            self._outbox.halt(end.message)
            problem = _gone(end.message, self._destination)
        elif KINDS[end.verdict] == "refused":
            problem = (
                f"{end.message}; it refused all that were tried by themselves, so none is parked. If they "
                f"are at fault, and not the dashboard: zkpoll outbox list --pending, and discard"
            )
        else:
            problem = end.message
        return replace(done, problem=problem, kind=KINDS[end.verdict])

    def _log_wait(self, state: RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.info("%s: %s; again in %.1f s", self._destination.name, _decision(state).message, wait)


def _gone(words: str, destination: Destination) -> str:
    return f"{words}; to go on: zkpoll dashboards resume {destination.name}"


def _on_carried(decision: Decision, request: Request) -> Decision:
    """Given the decision on a request that was sent again, return it for a part that may hold more."""
    if decision.verdict is not Verdict.CONFIRMED:
        return decision
    taken = frozenset(request.ids) - decision.rejected.keys()
    return replace(decision, verdict=Verdict.NAMED, present=taken)


class _Wait:
    """Exponential with jitter from `first` seconds on, but never less than the dashboard asked for."""

    def __init__(self, first: float) -> None:
        self._backoff = wait_exponential(multiplier=first, max=LONGEST_WAIT) + wait_random(0, first)

    def __call__(self, state: RetryCallState) -> float:
        return min(max(self._backoff(state), _decision(state).wait), LONGEST_WAIT)


def _decision(state: RetryCallState) -> Decision:
    """Return the decision of the last attempt."""
    assert state.outcome is not None  # noqa: S101  # tenacity sets it before it asks anything
    decision: Decision = state.outcome.result()
    return decision
