"""The loop for one destination: send, judge, wait, settle."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from math import isqrt
from typing import TYPE_CHECKING, Final

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
from zkpoll.delivery.destination import Delivered
from zkpoll.delivery.lanes import DOUBTED, ENDS, Common, Over, side_by_side
from zkpoll.delivery.preflight import stopped_by
from zkpoll.delivery.verdicts import KINDS, LONGEST_WAIT
from zkpoll.model.delivery import SentRequest, Settled

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.bisection import Part
    from zkpoll.delivery.contract import Answer, Request
    from zkpoll.delivery.destination import Destination, Outbox
    from zkpoll.model.delivery import Batch
    from zkpoll.model.punch import Event

_log = logging.getLogger(__name__)

_AHEAD: Final = 100
"""Punches looked at together, also where fewer fit in a request: among them, one that a dashboard refuses
shows itself as the exception or the rule."""
_WITNESSES: Final = 16
"""People whose newest punches are tried where a whole batch is refused: a new terminal may hold thousands of
punches of people whom the dashboard does not know yet, in front of everybody else's."""
_OTHERS: Final = 100
"""People of whom one is tried before what is doubted: many of the newest may be at fault, too."""
_EAGER: Final = 5
"""From as many such runs on, others are tried only in the 9th, the 16th, the 25th and so on. What is not
answered for stays in flight, and each of them goes in a request of its own when the dashboard is back."""
_TOGETHER: Final = 10
"""Requests of one punch each that are written down together, where the dashboard can be asked what arrived.
After a run that was killed, the next one asks about so many of each lane at most."""
_NOT_TAKEN: Final = frozenset((Verdict.CONFIGURATION, Verdict.SUSPECT, Verdict.TOO_LARGE))
_REMEMBERED: Final = 10_000
"""Confirmed punches that are known again, the last ones. An outbox hands out the oldest, so that what it does
not settle is the first to come again; to remember all would take a hundred bytes each."""
_NOT_SENT = Decision(Verdict.TRY_AGAIN, "the run was stopped")


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
    enough ago are tried again. `progress` gets the number of events that an answer has just confirmed, which
    may not be on disk yet; all are when this returns. When `stop` is set, no further request begins and no
    wait goes on. Only the outbox's own errors are raised.
    """
    if words := outbox.halted():
        return Delivered(0, 0, _gone(words, destination), KINDS[Verdict.GONE])
    common = Common(outbox, destination, more, progress, stop)
    if destination.lanes == 1:
        lanes = [_Lane(outbox, destination, common, stop)]
        ends = [lanes[0].run()]
    else:
        over = Over(stop)
        lanes = [_Lane(share, destination, common, over) for share in outbox.shares(destination.lanes)]
        ends = side_by_side([lane.run for lane in lanes], over)
    return _ended(outbox, destination, common, lanes, ends)


class _Lane:
    """One of the senders of a delivery: a request at a time, of the devices that are its own."""

    def __init__(
        self, outbox: Outbox, destination: Destination, common: Common, stop: threading.Event
    ) -> None:
        self._outbox = outbox
        self._destination = destination
        self._common = common
        self._client = Client(destination.access, common.stopped)
        self._stop = stop
        self._size = most_of(destination.format, destination.batch_size)
        self.parked = self.requests = 0
        self._last_confirmed: dict[str, None] = {}
        """The ids of the punches that were confirmed last, in that order."""
        self.came_again = False
        self._looked_beyond = False
        """Whether other punches than those of the batch were asked for, to show who is at fault."""
        self._unsure: set[str] = set()
        """Ids of events that were sent, and nobody knows whether they arrived."""
        self._sent: Request | None = None
        """The request with punches of the part under way that was sent last, in this run or before."""
        self._replied = False
        """Whether there was an answer to the last request of all."""
        self._went_out = False
        """Whether the dashboard failed at an attempt of the part under way, and not the way there alone."""
        self._coming: Sequence[str] = ()
        """Ids of the punches that go behind the part under way as a rule, one a request."""
        self._lost: bool | None = None
        """Whether the punches under way were sent before this run; None before there are any."""
        self._retrying = Retrying(
            retry=retry_if_result(lambda decision: decision.verdict is Verdict.TRY_AGAIN),
            stop=stop_any(stop_after_attempt(destination.attempts), stop_when_event_set(stop)),
            wait=_Wait(destination.retry_wait),
            sleep=sleep_using_event(stop),
            before_sleep=self._before_wait,
            retry_error_callback=_decision,
        )

    def run(self) -> Decision | None:
        """Send what is pending, then what is parked. Return the decision that ended it, if any."""
        began = datetime.now(UTC)
        with self._client:
            try:
                end = self._send_pending()
                failed = end is not None and end.of_request and not self._stop.is_set()
                self._common.remember(self._outbox, self._lost, failed=failed)
                return end or self._send_parked(began - self._destination.park_retry_every)
            finally:
                self._common.leave()
                self._outbox.flush()

    def _send_pending(self) -> Decision | None:
        """Send the pending punches, and those that come. Return the decision that ends it, if any."""
        coming = True
        while limit := self._limit():
            known = self._common.news
            batch = self._outbox.next(limit)
            self._lost = batch.sent_before > 0
            if batch.events:
                if end := self._settle(batch):
                    return end
            elif coming:
                self._outbox.flush()
                coming = self._common.more(known)
                if not coming:
                    self._outbox.look_from_start()
            else:
                break
        return None

    def _send_parked(self, tried_before: datetime) -> Decision | None:
        """Try again the parked punches last tried before then. Return the decision that ends it, if any."""
        last: Event | None = None
        while (limit := self._limit()) and (batch := self._outbox.parked(limit, tried_before, last)).events:
            last = batch.events[-1]
            if end := self._settle(batch):
                # They are parked: one that fails again is no news, and of no other is it said that it waits.
                return None if end.of_request else end
        return None

    def _limit(self) -> int:
        """Return how many punches to look at now. 0 to end."""
        return 0 if self._stop.is_set() else self._common.may_look_at(max(self._size, _AHEAD))

    def _settle(self, batch: Batch) -> Decision | None:
        """Settle as much of `batch` as the run may still send. Return the decision that ends it, if any."""
        if any(event.id in self._last_confirmed for event in batch.events):
            # Whatever is wrong with the outbox: nobody is sent the same for ever.
            self.came_again = True
            return _NOT_SENT
        with self._common.granted(self, batch) as mine:
            return self._settle_all(mine)

    def _settle_all(self, batch: Batch) -> Decision | None:
        """Send `batch`, in parts if need be, until it is settled or a decision ends it. Return that one."""
        # A parked punch may be stored there already: treat it as sent.
        self._unsure |= {
            event.id for event in batch.events[: None if batch.tried_before else batch.sent_before]
        }
        again = to_repeat(self._destination.format, batch.request)
        trial = self._trial(batch, whole=again is not None)
        while True:
            self._call_witnesses(trial, batch.tried_before)
            if not (part := trial.next()):
                break
            self._coming = () if batch.sent_before or batch.tried_before else trial.coming(_TOGETHER - 1)
            sent = again if again and set(again.ids) == {event.id for event in part} else None
            decision = self._answer_to(part, sent)
            if sent and self._is_outdated(sent, part, decision):
                if decision.verdict is not Verdict.CONFIGURATION:  # that decides nothing on its punches
                    self._write_down(part, Settled(), batch.tried_before)
                trial.cut_anew()
                again = None
                continue
            if sent:
                again = None
            if decision.verdict in ENDS:
                if self._goes_on(batch, trial, part, decision):
                    continue
                return decision
            self._write_down(part, trial.heard(part, decision), batch.tried_before)
        self._size = trial.size_from_now
        return trial.at_fault

    def _call_witnesses(self, trial: Trial, tried_before: bool) -> None:
        """Let a trial know of whatever else the dashboard takes; where it needs one, look for it."""
        if trial.is_open and self._a_witness_elsewhere():
            self._write_down((), trial.vouched_for(), tried_before)
        if trial.at_fault and not self._looked_beyond:
            # Perhaps a punch from behind the batch shows who is at fault.
            self._looked_beyond = True
            trial.call(self._outbox.newest_of_people(_WITNESSES))
        if self._common.confirmed:
            trial.vouch()

    def _a_witness_elsewhere(self) -> bool:
        """Say whether the dashboard takes a punch of another lane now; wait until that is known."""
        if self._destination.lanes == 1:
            return False
        self._outbox.flush()
        return self._common.confirms_others(self._stop)

    def _trial(self, batch: Batch, *, whole: bool) -> Trial:
        """Begin the trial of a batch. One at which runs have ended is tried against others."""
        runs, proven = self._common.failed_runs, self._common.confirmed > 0
        doubted = (
            batch.sent_before > 0
            and not batch.tried_before
            and runs >= DOUBTED
            and (proven or runs < _EAGER or isqrt(runs) ** 2 == runs)
        )
        if doubted and not proven:  # somebody else goes first, if there is anybody
            proven = self._a_witness_elsewhere()
        trial = Trial(batch, self._size, whole=whole, proven=proven, choose=random.choice, doubted=doubted)
        if doubted:
            self._looked_beyond = True
            others = list(self._outbox.newest_of_people(_OTHERS))
            if runs > DOUBTED:  # the newest did not show it: it may be at fault, too, in run after run
                random.shuffle(others)
            trial.call(others)
        return trial

    def _goes_on(self, batch: Batch, trial: Trial, part: Part, decision: Decision) -> bool:
        """Given a decision that ends a delivery as a rule, say whether the trial of its batch goes on."""
        if not decision.of_request or self._stop.is_set():
            return False
        if self._common.confirmed:
            trial.vouch()
        settled = trial.failed(part, decision)
        if settled and settled.parked:
            self._write_down(part, settled, batch.tried_before)
        elif settled is None and batch.tried_before:  # nobody is to wait behind what is parked
            self._outbox.settle(Settled(), [event.id for event in batch.events])
        return settled is not None

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
        self._sent = again
        self._went_out = False
        decision: Decision = self._retrying(self._attempt, part)
        if decision.verdict is Verdict.TRY_AGAIN and self._went_out:
            # One at which a dashboard dies is followed by others at which nobody is there.
            return replace(decision, of_request=True)
        return decision

    def _attempt(self, part: Part) -> Decision:
        if self._stop.is_set():  # while waiting for this attempt
            return _NOT_SENT
        if end := self._common.stopped_first(self._preflight):
            return end
        ids = [event.id for event in part]
        if self._sent and (resent := self._destination.format.resend(self._sent)):
            decision = _on_carried(carried_out(resent, self._send), self._sent)
        else:
            exchange = self._destination.format.exchange(part, unsure=not self._unsure.isdisjoint(ids))
            decision = carried_out(exchange, self._send)
        if decision.verdict is Verdict.TRY_AGAIN:
            self._went_out |= decision.of_request
            self._unsure.update(ids)
        else:
            self._unsure.difference_update(ids)
        return decision

    def _preflight(self) -> Decision | None:
        where = self._destination
        return stopped_by(where.format.preflight(), where.access.url, self._outbox, self._send)

    def _send(self, request: Request) -> Answer:
        """Send a request. Before it goes out, write down what it carries, and what was decided last."""
        if self._stop.is_set():  # between two requests of an exchange
            return Failure(_NOT_SENT.message)
        written_down = self._as_written_down(request)
        # What would be sent again, and not asked about, is to be as little as can be.
        ahead = () if not request.ids or self._destination.format.resend(request) else self._coming
        new = self._outbox.send(written_down, ahead)
        self.requests += 1
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
        # One that is parked for what others showed was sent before this part.
        answered = dict.fromkeys(event.id for event in part) | dict.fromkeys(settled.parked)
        self._outbox.decide(settled, list(answered))
        self._last_confirmed |= dict.fromkeys(settled.confirmed)
        for one in list(islice(self._last_confirmed, max(0, len(self._last_confirmed) - _REMEMBERED))):
            del self._last_confirmed[one]
        self.parked += 0 if tried_before else len(settled.parked)
        self._common.note(self, settled)

    def _before_wait(self, state: RetryCallState) -> None:
        self._outbox.flush()
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.info("%s: %s; again in %.1f s", self._destination.name, _decision(state).message, wait)


def _ended(
    outbox: Outbox,
    destination: Destination,
    common: Common,
    lanes: Sequence[_Lane],
    ends: Sequence[Decision | None],
) -> Delivered:
    """Return the result of a delivery whose lanes ended so, the first to end in front."""
    done = Delivered(
        common.confirmed,
        sum(lane.requests for lane in lanes),
        parked=sum(lane.parked for lane in lanes),
        capped=common.capped,
    )
    if any(lane.came_again for lane in lanes):
        return replace(done, came_again=True)
    # One that was not given its attempts, as the run was stopped or another lane had ended, says nothing.
    told = [end for end in ends if end and end is not _NOT_SENT]
    told = [end for end in told if not (common.stopped() and end.verdict is Verdict.TRY_AGAIN)]
    end = min(told, key=_of_all, default=None)
    if end is None:
        return done
    if end.verdict is Verdict.GONE:
        outbox.halt(end.message)
        problem = _gone(end.message, destination)
    elif KINDS[end.verdict] == "refused":
        problem = (
            f"{end.message}; it refused all that were tried by themselves, so none is parked. If they "
            f"are at fault, and not the dashboard: zkpoll outbox list --pending, and discard"
        )
    else:
        problem = end.message
    return replace(done, problem=problem, kind=KINDS[end.verdict])


def _of_all(end: Decision) -> int:
    """Return the rank of a decision: what concerns all lanes is told, before what concerns one."""
    return 0 if end.verdict is Verdict.GONE else 1 if end.verdict in ENDS else 2


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
