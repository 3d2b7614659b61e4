"""Which formats there are, and a batch of events as one request. Pure.

A format lives in a module of its own and is entered in `FORMATS`; nothing else knows one by name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.delivery import events as _events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zkpoll.punch import Event


@dataclass(frozen=True, slots=True)
class Format:
    """How events become a body."""

    encode: Callable[[Sequence[Event]], bytes]
    """The same events always give the same bytes: the key of a retry must not change."""
    most: int | None = None
    """How many events one body can carry; None for any number."""


FORMATS: Final[Mapping[str, Format]] = {
    "events": Format(_events.encode_list),
    "event": Format(_events.encode_bare, most=1),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One POST: what a 2xx answer to it answers for."""

    body: bytes = field(repr=False)
    key: str
    """The `Idempotency-Key`: SHA-256 of the body, in hex."""
    ids: tuple[str, ...]
    """The identities of the events in the body, in its order."""


def most_of(name: str, batch_size: int) -> int:
    """Given a format's name and the most events wanted in a request, return how many it can be."""
    return min(batch_size, FORMATS[name].most or batch_size)


def request(name: str, events: Sequence[Event]) -> Request:
    """Given a format's name and events, not more than it can carry, return the request that carries them."""
    body = FORMATS[name].encode(events)
    return Request(body, hashlib.sha256(body).hexdigest(), tuple(event.id for event in events))
