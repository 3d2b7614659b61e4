"""Rows of a database that were edited or are gone, in words and for JSON. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from zkpoll.model.printable import shown
from zkpoll.model.punch import punch_state
from zkpoll.reports.words import second

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zkpoll.journal.database_overview import RowChange

_WHOSE: Final = frozenset({"time", "user", "id"})
"""What of a row tells which one it is: where that is edited, it is another row."""


def change_cells(change: RowChange) -> tuple[str, str, str, str, str]:
    """Return when a row was seen to be edited or gone (UTC), its user, time and device, and its news."""
    punched = (change.timestamp or "")[:19].replace("T", " ")
    words = "gone" if change.gone_at else f"now {_says(change.raw)}"
    if change.id is None:
        words += f" (row {change.key}, whose punch was pruned)"
    elif not change.gone_at:
        words += f"; sent as {_first(change)}"
    at = second(change.gone_at or change.changed_at or "")
    return at, change.user_id or "-", punched or "-", change.device or "-", shown(words)


def change_document(change: RowChange) -> Mapping[str, Any]:
    """Return the row for JSON. Its state and the like are those of its punch; `says_now` are its own."""
    told = asdict(change)
    raw = told.pop("raw")
    return {"what": "gone" if change.gone_at else "edited", **told, "says_now": _told(raw) if raw else None}


def _says(raw: str | None) -> str:
    """Return what a row says beside whose it is and when: `state O, verify 1`."""
    told = {key: value for key, value in (_told(raw) if raw else {}).items() if key not in _WHOSE}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in told.items()) or "nothing"


def _first(change: RowChange) -> str:
    """Return what the row said at first."""
    stated = None if change.state is None else punch_state(change.state)
    state = f"{stated} ({change.state})" if stated else f"state {change.state}"
    return f"{state}, verify {change.verify}, work code {change.work_code}"


def _told(raw: str) -> dict[str, Any]:
    """Given a row as text, return its values by their meaning; moments and bytes are text."""
    told: dict[str, Any] = json.loads(raw)
    return {
        key: value.get("at") or value.get("bytes") if isinstance(value, dict) else value
        for key, value in told.items()
    }
