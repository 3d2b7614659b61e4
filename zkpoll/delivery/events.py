"""The JSON contract: one punch as a dashboard gets it. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.punch import Event

PUNCH_STATES: Final = (
    "check_in",
    "check_out",
    "break_out",
    "break_in",
    "overtime_in",
    "overtime_out",
)
"""The standard words for the device's states 0-5, by position."""


def punch_state(state: int) -> str | None:
    """Given the device's state number, return the standard word for it, or None outside 0-5."""
    return PUNCH_STATES[state] if 0 <= state < len(PUNCH_STATES) else None


def as_json(event: Event) -> dict[str, Any]:
    """Given an event, return its JSON object, keys in the contract's order.

    `status` and `type` are the names dashboards already know for the device's verify and state numbers.
    """
    return {
        "user_id": event.user_id,
        "timestamp": event.timestamp,
        "status": event.verify,
        "type": event.state,
        "id": event.id,
        "device": event.device,
        "serial_number": event.serial_number,
        "punch_state": punch_state(event.state),
        "work_code": event.work_code,
        "source": event.source,
    }


def encode_list(events: Sequence[Event]) -> bytes:
    """Given events, return the body of the format `events`: `{"events": [event, ...]}`."""
    return _compact({"events": [as_json(event) for event in events]})


def encode_bare(events: Sequence[Event]) -> bytes:
    """Given exactly one event, return the body of the format `event`: the event itself."""
    (event,) = events
    return _compact(as_json(event))


def _compact(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate has no UTF-8; as backslash-u it is still JSON, and one odd name blocks nobody.
    return text.encode("utf-8", "backslashreplace")
