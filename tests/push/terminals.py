"""A known terminal, and requests of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from zkpoll.push.calls import parse
from zkpoll.push.contract import Answer, Batch, Call, Head, Known, Reaction
from zkpoll.push.reaction import react

if TYPE_CHECKING:
    from zkpoll.model.punch import Punch

SERIAL = "CQZ7224760045"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
DHAKA = ZoneInfo("Asia/Dhaka")
KNOWN = Known(SERIAL, DHAKA, poll_every=30, registry_code="c0de0123456789ab")


def head(target: str, method: str = "GET", address: str = "192.0.2.7") -> Head:
    """Given a target as sent, with no escapes in its path, return the head of its request."""
    path, _, query = target.partition("?")
    return Head(method, path, query, address)


def call_of(target: str, method: str = "GET") -> Call:
    """Given a target of a path that is served, return its call."""
    call = parse(head(target, method))
    assert call is not None
    return call


def get(target: str, known: Known = KNOWN, now: datetime = NOW) -> Reaction:
    """Return what a GET leads to; `target` stands behind `/iclock/`."""
    reaction = react(call_of(f"/iclock/{target}"), b"", known, now)
    assert isinstance(reaction, Reaction)
    return reaction


def post(target: str, body: bytes, known: Known = KNOWN, now: datetime = NOW) -> Reaction:
    """Return what a POST leads to; `target` stands behind `/iclock/`."""
    reaction = react(call_of(f"/iclock/{target}", "POST"), body, known, now)
    assert isinstance(reaction, Reaction)
    return reaction


def post_any(target: str, body: bytes, known: Known = KNOWN) -> Reaction | Answer:
    """Return what a POST leads to, refused or not."""
    return react(call_of(f"/iclock/{target}", "POST"), body, known, NOW)


def batch_of(reaction: Reaction) -> Batch:
    """Return a reaction's batch, which must be there."""
    assert reaction.batch is not None
    return reaction.batch


def fields_of(punch: Punch) -> list[Any]:
    """Return a punch as `tests/captures/push.yaml` writes it."""
    return [punch.user_id, str(punch.time), punch.state, punch.verify, punch.work_code]
