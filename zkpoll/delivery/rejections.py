"""The records that an answer names as rejected or present. Pure.

`{"rejected": [{"id": "...", "error": "..."}], "present": [{"id": "..."}]}`: records refused for
their own fault, and, in a 409, records that the dashboard holds already. Anything else means nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zkpoll.delivery.excerpts import as_text, json_in

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Named:
    """The records of one request that its answer names."""

    rejected: Mapping[str, str] = field(default_factory=dict)
    """What is said of each, by id."""
    present: frozenset[str] = frozenset()
    unclear: bool = False
    """Whether records are rejected, and which ones cannot be told."""


def named(body: bytes, ids: Collection[str]) -> Named:
    """Given an answer's body and the ids of its request, return the records that it names."""
    text = as_text(body)
    if '"rejected"' not in text and '"present"' not in text:
        return Named()
    try:
        content = json_in(text)
    except ValueError:
        return Named(unclear=True)
    if not isinstance(content, dict):
        return Named()
    own = {one.lower(): one for one in ids}
    rejected, unclear = _rejected(content.get("rejected"), own)
    present = frozenset(one for one in _own(content.get("present"), own) if one)
    return Named(rejected, present, unclear)


def _rejected(value: Any, own: Mapping[str, str]) -> tuple[dict[str, str], bool]:
    """Return the rejected records, and whether there are more that cannot be told.

    A count is common: `"rejected": 0` rejects nothing, and `"rejected": 3` names none.
    """
    if not value:
        return {}, False
    if not isinstance(value, list):
        return {}, True
    rejected: dict[str, str] = {}
    ids = _own(value, own)
    for one, entry in zip(ids, value, strict=True):
        said = entry.get("error", "") if isinstance(entry, dict) else ""
        if one:
            rejected[one] = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
    return rejected, None in ids


def _own(value: Any, own: Mapping[str, str]) -> list[str | None]:
    """Return, for each entry of a list, the id of this request that it names, or None."""
    entries = value if isinstance(value, list) else []
    ids = [entry.get("id") if isinstance(entry, dict) else entry for entry in entries]
    return [own.get(one.lower()) if isinstance(one, str) else None for one in ids]
