"""Every class of answer a dashboard can give, and a dashboard that remembers what it said to whom.

What an answer has to mean is written down here from docs/dashboards.md, not asked of zkpoll.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from zkpoll.simulator import HttpAnswer, Received, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.simulator.dashboard import JsonEvent

FOREIGN = "224c9c2b-8130-5e29-a627-3b68fe8961e9"
"""The id of a punch that is in no test's journal."""
_JSON = {"Content-Type": "application/json"}
_PAGE = b"<!doctype html><title>Log in</title>"


@dataclass(frozen=True)
class Said:
    """One answer, and what it means to the punches of its request."""

    answer: HttpAnswer
    decides: bool = True
    """Whether it is an answer for the request; if not, the same request has to come again."""
    named: frozenset[str] = frozenset()
    """Ids that it rejects by name."""
    refused: bool = False
    """Whether the request is refused, and nobody is named."""

    @property
    def lost(self) -> bool:
        """Whether nobody knows what became of the request."""
        answer = self.answer
        # 600 is no status at all: an answer, which somebody has to put right.
        passing = answer.status // 100 == 5 or answer.status in {408, 409, 425, 429}
        return not self.decides and (answer.cut or passing)


class Mood(Protocol):
    """One class of answers."""

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer a request that holds these events."""


@dataclass(frozen=True)
class Takes:
    """Take everything."""

    status: int = 200

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:  # noqa: ARG002
        """Answer with a 2xx."""
        return Said(HttpAnswer(self.status, b"" if self.status == 204 else b'{"rejected": []}'))


@dataclass(frozen=True)
class Well:
    """Take everything, but for requests that hold a record of somebody guilty."""

    status: int = 422

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with a 200 or a refusal."""
        guilty = any(event["user_id"] in odd.guilty for event in events)
        return (Refuses(self.status) if guilty else Takes())(odd, events)


@dataclass(frozen=True)
class Trips:
    """Take everything, but fail at requests that hold a record of somebody guilty."""

    over: Evades
    """How it fails."""

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with a 200, or with what decides nothing."""
        guilty = any(event["user_id"] in odd.guilty for event in events)
        return (self.over if guilty else Takes())(odd, events)


@dataclass(frozen=True)
class Refuses:
    """Refuse everything, and say not why."""

    status: int

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:  # noqa: ARG002
        """Answer with a 400, 417 or 422, or with a 200 that says the same."""
        answer = HttpAnswer(self.status, b'{"error": "no such person"}', keep=False)
        return Said(answer, refused=True)


@dataclass(frozen=True)
class TooLarge:
    """Take no more than so many events in a request."""

    most: int

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with a 200 or a 413."""
        return Takes()(odd, events) if len(events) <= self.most else Said(HttpAnswer(413), refused=True)


@dataclass(frozen=True)
class Names:
    """Reject some by name; with a 2xx, keep the others."""

    status: int
    which: frozenset[int]
    """Places in the request."""
    bare: bool = False
    """Whether the names are bare ids, in capital letters."""

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with what is rejected."""
        ids = [event["id"] for event in events]
        named = frozenset(ids[place % len(ids)] for place in self.which)
        if 200 <= self.status < 300:
            odd.keep([event for event in events if event["id"] not in named])
        rejected = [one.upper() if self.bare else {"id": one, "error": "unknown"} for one in sorted(named)]
        answer = HttpAnswer(self.status, json.dumps({"rejected": rejected}).encode(), keep=False)
        return Said(answer, named=named) if self.status < 500 else Said(answer, decides=False)


@dataclass(frozen=True)
class Unclear:
    """Reject some, keep the others, and do not say which."""

    own: bool
    """Whether one of the request's is named all the same."""
    count: bool
    """Whether there is a number only, and no names."""

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with a 200."""
        odd.keep(list(events[1:]))
        rejected = 1 if self.count else [events[0]["id"], FOREIGN] if self.own else [{"id": FOREIGN}]
        return Said(HttpAnswer(200, json.dumps({"rejected": rejected}).encode(), keep=False), decides=False)


@dataclass(frozen=True)
class Mumbles:
    """Answer with a good status, and with what nobody understands."""

    body: bytes
    kept: bool
    status: int = 200

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:  # noqa: ARG002
        """Answer with a 2xx."""
        return Said(HttpAnswer(self.status, self.body, {}, keep=self.kept), decides=False)


@dataclass(frozen=True)
class HasSome:
    """Name some that it holds already in a 409; a plain one if it holds none."""

    which: frozenset[int]

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:
        """Answer with a 409."""
        present = [event["id"] for place, event in enumerate(events) if place in self.which]
        present = [one for one in present if one in odd.events]
        answer = HttpAnswer(409, json.dumps({"present": [*present, FOREIGN]}).encode())
        return Said(answer, decides=bool(present))


@dataclass(frozen=True)
class Evades:
    """Answer with what decides nothing."""

    status: int
    page: bool = False
    kept: bool | None = None
    cut: bool = False
    """Whether the answer breaks off, or never comes where it is empty."""
    empty: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def __call__(self, odd: Odd, events: Sequence[JsonEvent]) -> Said:  # noqa: ARG002
        """Answer as it is written above."""
        headers = {"Content-Type": "text/html"} if self.page else _JSON
        body = b"" if self.empty else _PAGE if self.page else b'{"accepted": 1}'
        answer = HttpAnswer(self.status, body, headers | dict(self.headers), cut=self.cut, keep=self.kept)
        return Said(answer, decides=False)


@dataclass(frozen=True)
class Heard:
    """One request, and what was said to it."""

    request: Received
    events: list[JsonEvent]
    said: Said
    settings: tuple[str, int]
    """Format and batch size of that time."""
    made_by: tuple[str, int]
    """Format and batch size of when it was first sent."""
    run: int = 0
    """The run in which it came."""
    parked: bool = False
    """Whether it holds records that were parked before that run."""

    @property
    def ids(self) -> frozenset[str]:
        """The ids in the request."""
        return frozenset(event["id"] for event in self.events)

    @property
    def must_come_again(self) -> bool:
        """Whether the next request has to be this one, by whatever settings.

        A request that other settings made is let go by any answer that is one.
        """
        return not self.said.decides and (self.said.lost or self.made_by == self.settings)

    def is_same_as(self, other: Heard) -> bool:
        """Say whether both requests are the same, byte for byte."""
        key = hashlib.sha256(self.request.body).hexdigest()
        return (self.request.body, key) == (other.request.body, other.request.idempotency_key)


@dataclass
class Odd(SampleDashboard):
    """A dashboard that is in one mood after the other."""

    guilty: frozenset[str]
    """User ids that it does not know."""
    settings: tuple[str, int] = ("events", 7)
    moods: deque[Mood] = field(default_factory=deque)
    then: Mood = Well()
    """When there are no more moods."""
    heard: list[Heard] = field(default_factory=list)
    run: int = 0
    """The run that is under way."""
    parked: frozenset[str] = frozenset()
    """Ids of what was parked when it began."""

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def is_gone(self) -> bool:
        """Whether the last thing it said was that it is gone for good."""
        return bool(self.heard) and self.heard[-1].said.answer.status == 410

    def default(self, request: Received) -> HttpAnswer:
        """Answer in the mood of the moment, and remember it."""
        content: dict[str, Any] = json.loads(request.body)
        events = content.get("events", [content])
        said = (self.moods.popleft() if self.moods else self.then)(self, events)
        before = [one for one in self.heard if one.request.body == request.body]
        made_by = before[-1].made_by if before else self.settings
        parked = any(event["id"] in self.parked for event in events)
        self.heard.append(Heard(request, events, said, self.settings, made_by, self.run, parked))
        return said.answer


def named_in(heard: Iterable[Heard]) -> set[str]:
    """Return the ids that were rejected by name."""
    return {one for each in heard for one in each.said.named}


def failed_alone_in(heard: Iterable[Heard]) -> set[str]:
    """Return the ids that were in a request of their own that was not answered for."""
    return {one for each in heard for one in each.ids if not each.said.decides and len(each.ids) == 1}


def is_doubted(heard: Sequence[Heard]) -> bool:
    """Say whether two runs, that of the last request among them, had answers that decide nothing."""
    return len({each.run for each in heard if not each.said.decides}) > 1


def refused_alone_in(heard: Iterable[Heard]) -> set[str]:
    """Return the ids that were refused in a request of their own."""
    return {one for each in heard for one in each.ids if each.said.refused and len(each.ids) == 1}
