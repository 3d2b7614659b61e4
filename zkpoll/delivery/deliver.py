"""The loop for one destination: send, judge, wait, confirm."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

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

from zkpoll.delivery.client import Client
from zkpoll.delivery.formats import requests_for
from zkpoll.delivery.policy import KINDS, LONGEST_WAIT, Decision, Kind, Verdict, judge

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.access import Access
    from zkpoll.delivery.formats import Request
    from zkpoll.punch import Event

_log = logging.getLogger(__name__)

_NOT_SENT = Decision(Verdict.TRY_AGAIN, "the run was stopped")


class Outbox(Protocol):
    """The events one destination has yet to confirm."""

    def pending(self, limit: int) -> Sequence[Event]:
        """Return the oldest pending events, `limit` at most."""

    def confirm(self, ids: Sequence[str]) -> None:
        """Given ids of pending events, mark them confirmed: when this returns, it is on disk."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A dashboard, and how to deliver to it."""

    name: str
    access: Access
    format: str
    """A name in `formats.FORMATS`."""
    batch_size: int
    """Events in one request, at most."""
    attempts: int
    """How often one request is sent before the dashboard is left alone for this run."""
    retry_wait: float
    """Seconds before the second attempt; twice as long before each further one, `LONGEST_WAIT` at most."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one delivery."""

    confirmed: int
    """Events."""
    requests: int
    """Requests sent, repeats included."""
    problem: str | None = None
    """Why the delivery ended early, in one sentence; None when all is well or the run was stopped."""
    kind: Kind | None = None


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
    will come any more (False; the outbox is looked at once more). `progress` gets the number of events that
    an answer has just confirmed. When `stop` is set, no further request begins and no wait goes on. Only the
    outbox's own errors are raised.
    """
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
        self._confirmed = 0
        self._requests = 0
        self._retrying = self._retries()

    def run(self, more: Callable[[], bool]) -> Delivered:
        coming = True
        while not self._stop.is_set():
            events = self._outbox.pending(self._destination.batch_size)
            if events:
                if problem := self._send_all(events):
                    return self._ended(problem)
            elif coming:
                coming = more()
            else:
                break
        return Delivered(self._confirmed, self._requests)

    def _send_all(self, events: Sequence[Event]) -> Decision | None:
        """Send `events`, confirming each request; return the decision that ends the delivery, if any."""
        where = self._destination
        for request in requests_for(where.format, events, where.batch_size):
            decision = self._retrying(self._attempt, request)
            if decision.verdict is not Verdict.CONFIRMED:
                return decision
            self._confirm(request)
        return None

    def _attempt(self, request: Request) -> Decision:
        if self._stop.is_set():  # while waiting for this attempt
            return _NOT_SENT
        self._requests += 1
        return judge(self._client.post(request), self._destination.access.secrets)

    def _confirm(self, request: Request) -> None:
        self._outbox.confirm(request.ids)
        self._confirmed += len(request.ids)
        self._progress(len(request.ids))

    def _ended(self, decision: Decision) -> Delivered:
        if self._stop.is_set() and decision.verdict is Verdict.TRY_AGAIN:
            return Delivered(self._confirmed, self._requests)  # it was not given its attempts
        kind = KINDS[decision.verdict]
        return Delivered(self._confirmed, self._requests, decision.message, kind)

    def _retries(self) -> Retrying:
        where = self._destination
        return Retrying(
            retry=retry_if_result(_wants_another),
            stop=stop_any(stop_after_attempt(where.attempts), stop_when_event_set(self._stop)),
            wait=_Wait(where.retry_wait),
            sleep=sleep_using_event(self._stop),
            before_sleep=self._tell,
            retry_error_callback=_decision,
        )

    def _tell(self, state: RetryCallState) -> None:
        wait = state.next_action.sleep if state.next_action else 0.0
        _log.info("%s: %s; again in %.1f s", self._destination.name, _decision(state).message, wait)


class _Wait:
    """Exponential with jitter from `first` seconds on, but never less than what the dashboard asked for."""

    def __init__(self, first: float) -> None:
        self._backoff = wait_exponential(multiplier=first, max=LONGEST_WAIT) + wait_random(0, first)

    def __call__(self, state: RetryCallState) -> float:
        return min(max(self._backoff(state), _decision(state).wait), LONGEST_WAIT)


def _wants_another(decision: Decision) -> bool:
    return decision.verdict is Verdict.TRY_AGAIN


def _decision(state: RetryCallState) -> Decision:
    """Return what the last attempt led to."""
    assert state.outcome is not None  # noqa: S101  # tenacity sets it before it asks anything
    decision: Decision = state.outcome.result()
    return decision
