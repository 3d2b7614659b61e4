"""The records that an answer names as rejected or present. Pure.

`{"rejected": [{"id": "...", "error": "..."}], "present": [{"id": "..."}]}`: records refused for
their own fault, and, in a 409, records that the dashboard holds already. The word `rejected` anywhere else
rejects something that cannot be told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from zkpoll.delivery.contents import Content

_WORD: Final = "rejected"
_ESCAPE: Final = "\\u"
"""What JSON may write a letter of the word as."""


@dataclass(frozen=True, slots=True)
class Named:
    """The records of one request that its answer names."""

    rejected: Mapping[str, str] = field(default_factory=dict)
    """What is said of each, by id."""
    present: frozenset[str] = frozenset()
    unclear: bool = False
    """Whether records are rejected, and which ones cannot be told."""
    stray: bool = False
    """Whether the word is where it is not understood."""


def named(content: Content, ids: Collection[str]) -> Named:
    """Given what an answer holds and the ids of its request, return the records that it names."""
    stray = _is_stray(content)
    if not isinstance(content.value, dict):
        return Named(stray=stray)
    if content.twice:
        return Named(unclear=_WORD in content.value, stray=stray)
    own = {one.lower(): one for one in ids}
    rejected, unclear = _rejected(content.value.get(_WORD), own)
    present = frozenset(one for one in _own(content.value.get("present"), own) if one)
    return Named(rejected, present, unclear, stray)


def mentions(text: str) -> int:
    """Return how often a text has the word: in any case, within another, with zeros between its letters."""
    return text.replace("\0", "").lower().count(_WORD)


def _is_stray(content: Content) -> bool:
    """Say whether the word is anywhere but in `rejected` at the top, and in what that says of each."""
    mentioned, at_top = mentions(content.text), isinstance(content.value, dict) and _WORD in content.value
    if mentioned <= at_top and _ESCAPE not in content.text:
        return False  # as in most answers, so that they are not walked through
    if not content.is_json:
        return mentioned > 0
    waiting = [content.value]
    if at_top:
        others = {name: value for name, value in content.value.items() if name != _WORD}
        # In what is said of the records that it lists, only a name would list more of them.
        waiting = [others, *_names_within(content.value[_WORD])]
    while waiting:
        match waiting.pop():
            case str() as text if mentions(text):
                return True
            case dict() as found:
                waiting += [*found.keys(), *found.values()]
            case list() as found:
                waiting += found
            case _:
                pass
    return False


def _names_within(value: Any) -> list[str]:
    """Return the names in all the objects of a value."""
    names: list[str] = []
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as found:
                names += found
                waiting += found.values()
            case list() as found:
                waiting += found
            case _:
                pass
    return names


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
