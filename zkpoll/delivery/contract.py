"""What a format is: how punches become requests, and what the answers mean. Pure.

A format says what to ask, and the client carries its exchange out:

    exchange = form.exchange(events, unsure=False)
    decision = carried_out(exchange, client.send)
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from zkpoll.delivery.verdicts import Answer, Decision, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zkpoll.model.punch import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request over HTTP, but for what is the same in all of them: `Access` has that."""

    body: bytes | None = field(default=None, repr=False)
    key: str | None = None
    """The `Idempotency-Key` of one that carries events; None for one that changes nothing there."""
    ids: tuple[str, ...] = ()
    """The identities of the events in the body, in its order."""
    method: str = "POST"
    path: str = ""
    """What follows the dashboard's URL."""
    headers: Mapping[str, str] = field(default_factory=dict)


Exchange: TypeAlias = Generator[Request, Answer, Decision]
"""Gives one request after the other, is sent the answer to each, and returns what becomes of its events."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a dashboard that changes nothing there."""

    step: str
    """The name of what its answer decides, as a step of a ping."""
    asked: str
    """What is asked, in words that follow "200 to"."""
    request: Request
    meaning: Callable[[Reply], tuple[bool | None, str] | None]
    """What a reply says of it: whether it is well (None: nobody knows), and words; None where it says
    no more than it would to a delivery."""


def carrying(events: Sequence[Event], body: bytes, method: str = "POST", path: str = "") -> Request:
    """Given events and a body that holds them, return the request; its key is the SHA-256 of the body."""
    key = hashlib.sha256(body).hexdigest()
    return Request(body, key, tuple(event.id for event in events), method, path)


def carried_out(exchange: Generator[Request, Answer, T], send: Callable[[Request], Answer]) -> T:
    """Given an exchange and who sends one request, send all of its requests; return what it comes to."""
    try:
        request = next(exchange)
        while True:
            request = exchange.send(send(request))
    except StopIteration as end:
        result: T = end.value
        return result


class Format(Protocol):
    """How punches become requests, and what the answers mean. Pure: it asks by way of an `Exchange`."""

    @property
    def most(self) -> int | None:
        """How many events one request can carry; None for any number."""

    def carry(self, events: Sequence[Event]) -> Request | Decision:
        """Given events, not more than a request can carry, return the request that carries them.

        A decision where it is settled about all of them that none can be sent.
        """

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Given events, not more than a request can carry, begin the exchange that settles them.

        `unsure` says that they may be there already: they were sent before, and the answer was lost.
        """

    def preflight(self) -> Probe | None:
        """Return the question before the first event of a delivery, if there is one.

        What its answer shows to be wrong is wrong with every event, and ends the delivery.
        """

    def probes(self) -> Sequence[Probe]:
        """Return the questions that show whether it would take punches."""


def most_of(form: Format, batch_size: int) -> int:
    """Given a format and the most events wanted in a request, return how many it can be."""
    return min(batch_size, form.most or batch_size)
