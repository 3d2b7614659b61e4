"""The contract of a format: punches -> requests, answers -> decisions. Pure.

A new format is a module in `formats` with a class like `Format` below, and a row in `formats.registry`. Its
settings are the twin of that in `zkpoll/inventory/formats/`. It does no I/O: it makes the requests, and the
client sends them.

    exchange = form.exchange(events, unsure=False)
    decision = carried_out(exchange, client.send)

Nothing is raised: an answer that never came is a `Failure`, and the end of an exchange is a `Decision`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from zkpoll.delivery.contents import Content, read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from zkpoll.model.delivery import Reach, SentRequest, ShiftMove
    from zkpoll.model.punch import Event

T = TypeVar("T")

_FIRST_WORDS: Final = 1024
"""Bytes of a body: enough to know a web page, and for an excerpt."""

# --- what is asked ---


@dataclass(frozen=True, slots=True)
class Request:
    """One request over HTTP. `Access` has the parts that all requests to a dashboard share."""

    body: bytes | None = field(default=None, repr=False)
    key: str | None = None
    """The `Idempotency-Key` of one that carries events; None for one that changes nothing there."""
    ids: tuple[str, ...] = ()
    """The identities of the events in the body, in its order."""
    method: str = "POST"
    path: str = ""
    """Follows the dashboard's URL."""
    headers: Mapping[str, str] = field(default_factory=dict)


# --- what is answered ---


@dataclass(frozen=True)
class Reply:
    """An answer of the dashboard. Its text may echo a secret, so no repr shows it."""

    status: int
    content_type: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    """The body, or as much of its beginning as the client cares to read."""
    location: str = field(default="", repr=False)
    retry_after: str = field(default="", repr=False)
    date: str = field(default="", repr=False)
    """When it answered, by its own clock."""
    whole: bool = True
    """Whether `body` is all of it."""
    marks: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The headers by which somebody in between is known, by their names in small letters."""

    @cached_property
    def content(self) -> Content:
        """What the body holds, read once. Of one that is not whole, no more than its first words count."""
        return read(self.body if self.whole else self.body[:_FIRST_WORDS], self.content_type)


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason for there being no answer."""

    reason: str
    """One sentence a person can act on; holds no secret."""
    lasting: bool = False
    """Another attempt would end the same way: a certificate, an address, a malformed token."""
    unsent: bool = False
    """Nothing of the request went out, so that nobody can have it: there was no connection."""


Answer: TypeAlias = Reply | Failure

# --- what that means ---


class Verdict(Enum):
    """The fate of a batch after an answer."""

    CONFIRMED = "confirmed"  # but for what the decision names as rejected
    NAMED = "named"  # what the decision names is settled; the others go again
    TRY_AGAIN = "try again"  # within this run
    TOO_LARGE = "too large"
    SUSPECT = "suspect"  # perhaps a record's own fault, perhaps the dashboard's
    CONFIGURATION = "configuration"  # no attempt can succeed before a person changes something
    GONE = "gone"  # for good, until a person says otherwise


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and the words and records that go with it."""

    verdict: Verdict
    message: str = ""
    """One sentence a person can act on; empty when confirmed; holds no secret."""
    wait: float = 0.0
    """Seconds to wait before another attempt, at least, because the dashboard asked for it."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Records refused for their own fault, by id, each with the dashboard's words."""
    unasked: frozenset[str] = frozenset()
    """Those of them about which nobody was asked: the words are ours."""
    present: frozenset[str] = frozenset()
    """Records that the dashboard holds already, by id."""
    of_request: bool = False
    """Whether what a request carried may have brought that about: it went out, and then something failed."""


# --- what a format offers ---

Exchange: TypeAlias = Generator[Request, Answer, Decision]
"""Yields requests, is sent the answer to each, and returns what becomes of its events."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a dashboard that changes nothing there."""

    step: str
    """The name of what its answer decides, as a step of a ping."""
    asked: str
    """The question in words that follow "200 to"."""
    request: Request
    meaning: Callable[[Reply], tuple[bool | None, str] | None]
    """Reads a reply: whether it is well (None: nobody knows), and words; None where it says no more than it
    would to a delivery."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """A question that a dashboard has to have answered once before anything is sent to it.

    A flaw in what it tells is a flaw of all that would be sent, and ends the delivery.
    """

    request: Request
    compared_with: str
    """What of the settings its answer is compared with; where that is changed, it is asked anew."""
    told: Callable[[Answer], str | Decision]
    """Reads an answer: what it tells, or the decision on one that tells nothing."""
    flaw: Callable[[str], str | None]
    """Says what is wrong with what it told, in one sentence; None where nothing is."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """An exchange after a delivery that tells a dashboard how far its punches are complete."""

    subject: str
    """Of what, as a message says it: "shift Day"."""
    zone: ZoneInfo
    """The time zone in which people there read times."""
    exchange: Callable[[Mapping[str, Reach], datetime], Generator[Request, Answer, ShiftMove | Decision]]
    """Begins it, given how far each device is, by name, and the moment (aware) before which that is late. It
    returns what came of it, or, where the dashboard does not answer, the decision that says so."""


class Format(Protocol):
    """Makes requests of punches, and decisions of answers.

    Made of the settings of its format (None if it has none), the origins of the punches, and the secrets
    that no message may hold, in this order.
    """

    @property
    def most(self) -> int | None:
        """How many events one request can carry. None for any number."""

    def carry(self, events: Sequence[Event]) -> Request | Decision:
        """Given events, not more than a request can carry, return the request that carries them.

        The same events always give the same bytes. A decision settles all of them without a request.
        """

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Given events, not more than a request can carry, begin the exchange that settles them.

        `unsure` says that they may be there already: they were sent before, and the answer was lost.
        """

    def resend(self, request: Request) -> Exchange | None:
        """Given a request whose answer was lost, begin the exchange that sends it again, byte for byte.

        It may have been made by other settings, or by another format that resends, and has neither path nor
        headers of its own. None where the other side does not know a repeat: such a format looks first, in
        an exchange that is `unsure`, and its requests are never sent again as they were.
        """

    def preflight(self) -> Preflight | None:
        """Return the question that has to be answered before anything is sent, if there is one."""

    def probes(self) -> Sequence[Probe]:
        """Return the questions that show whether it would take punches."""

    def follow_ups(self) -> Sequence[FollowUp]:
        """Return the exchanges that follow a delivery that ended well."""


# --- for formats, and for those that use one ---


def to_repeat(form: Format, sent: SentRequest | None) -> Request | None:
    """Given a format and a request as it went out, return the one to send again as it was, or None."""
    if sent is None or sent.body is None or sent.method is None:
        return None
    request = Request(sent.body, sent.key, sent.ids, sent.method)
    return request if form.resend(request) else None


def carrying(events: Sequence[Event], body: bytes, method: str = "POST", path: str = "") -> Request:
    """Given events and a body that holds them, return the request. Its key is the SHA-256 of the body."""
    key = hashlib.sha256(body).hexdigest()
    return Request(body, key, tuple(event.id for event in events), method, path)


def carried_out(exchange: Generator[Request, Answer, T], send: Callable[[Request], Answer]) -> T:
    """Given an exchange and a function that sends a request, send all of its requests. Return its result."""
    try:
        request = next(exchange)
        while True:
            request = exchange.send(send(request))
    except StopIteration as end:
        result: T = end.value
        return result


def most_of(form: Format, batch_size: int) -> int:
    """Given a format and the most events wanted in a request, return how many it can be."""
    return min(batch_size, form.most or batch_size)
