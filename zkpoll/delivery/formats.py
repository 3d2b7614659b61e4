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


def requests_for(name: str, events: Sequence[Event], batch_size: int) -> list[Request]:
    """Given a format's name and events, return the requests that carry them, in their order.

    Each carries `batch_size` events at most, and no more than the format can.
    """
    form = FORMATS[name]
    size = batch_size if form.most is None else min(batch_size, form.most)
    return [_request(form, events[at : at + size]) for at in range(0, len(events), size)]


def _request(form: Format, events: Sequence[Event]) -> Request:
    body = form.encode(events)
    return Request(body, hashlib.sha256(body).hexdigest(), tuple(event.id for event in events))
