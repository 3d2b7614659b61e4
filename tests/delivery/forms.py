"""The formats that need no settings, and what they send first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.delivery.formats.events import Events, SingleEvent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Format, Request
    from zkpoll.model.punch import Event

FORMS: Final[Mapping[str, Format]] = {"events": Events(), "event": SingleEvent()}
"""By the name that an inventory gives them."""


class Carried(NamedTuple):
    """What a request carries that holds events."""

    body: bytes
    key: str
    ids: tuple[str, ...]


def carried(name: str, events: Sequence[Event]) -> Carried:
    """Return what the request holds that carries events, in the format of that name."""
    found = request(name, events)
    assert found.body is not None
    assert found.key is not None
    return Carried(found.body, found.key, found.ids)


def request(name: str, events: Sequence[Event]) -> Request:
    """Return the request that carries events, in the format of that name."""
    return next(FORMS[name].exchange(events, unsure=False))
