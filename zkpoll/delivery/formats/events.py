"""The formats `events` and `event`: punches as the JSON contract has them. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

from zkpoll.delivery.contract import Probe, Reply, Request, Verdict, carrying
from zkpoll.delivery.verdicts import is_html, judge
from zkpoll.model.punch import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.contract import Exchange, FollowUp
    from zkpoll.delivery.origins import Origins
    from zkpoll.model.punch import Event

_NOT_EMPTY: Final = frozenset({400, 415, 422})
"""Answers of frameworks to an empty batch, once they have accepted the sender."""
_NO_OPTIONS: Final = frozenset({405, 501})
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Events:
    """The format `events`: a list of punches a request. `{"events": [event, ...]}`."""

    settings: None = None
    origins: Origins | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""
    extra: tuple[str, ...] = ()
    """Fields that are in each event besides."""
    most: ClassVar[int | None] = None

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that carries any number of events."""
        return carrying(events, compact({"events": [as_json(event, self.extra) for event in events]}))

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:  # noqa: ARG002  # ids are unique
        """Send the events. A dashboard knows a repeat by its id."""
        return self.resend(self.carry(events))

    def resend(self, request: Request) -> Exchange:
        """Send a request as it is."""
        return judge((yield request), self.secrets, request.ids)

    def preflight(self) -> None:
        """Ask nothing."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask with an empty batch."""
        empty = carrying((), compact({"events": []}))
        return (Probe("credentials", "an empty batch", empty, _to_empty_batch),)

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Send nothing more."""
        return ()


@dataclass(frozen=True, slots=True)
class SingleEvent(Events):
    """The format `event`: the event itself, one a request."""

    most: ClassVar[int | None] = 1

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that carries exactly one event."""
        (event,) = events
        return carrying(events, compact(as_json(event, self.extra)))

    def probes(self) -> tuple[Probe, ...]:
        """Ask with OPTIONS, since there is no empty event."""
        return OPTIONS


def compact(value: object) -> bytes:
    """Given a value, return it as JSON in UTF-8. The same value always gives the same bytes."""
    text = _ENCODER.encode(value)
    # A lone surrogate has no UTF-8; as backslash-u it is still JSON, and one odd name blocks nobody.
    return text.encode("utf-8", "backslashreplace")


def _to_empty_batch(reply: Reply) -> tuple[bool | None, str] | None:
    decision = judge(reply, ids=())
    if decision.verdict is Verdict.CONFIRMED:
        return True, "accepted"
    if decision.verdict is Verdict.SUSPECT and reply.status // 100 == 2:
        return None, "not told, since it answers an empty batch with a failure; the first punch will tell"
    if reply.status in _NOT_EMPTY and not is_html(reply):
        return True, "seem accepted; that it takes no empty batch is fine"
    return None


def _to_options(reply: Reply) -> tuple[None, str] | None:
    fine = reply.status // 100 == 2 and not is_html(reply)
    if fine or reply.status in _NO_OPTIONS:
        return None, "not asked for; the first punch will tell"
    return None


OPTIONS: Final = (Probe("credentials", "OPTIONS", Request(method="OPTIONS"), _to_options),)
"""The question to a dashboard that takes nothing but punches."""
