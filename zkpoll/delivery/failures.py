"""The words by which a 2xx says that it is none: that something failed. Pure.

`{"error": "..."}`, `{"ok": false}`, `{"success": false}`, `{"status": "error"}`, of the request, or of one of
its records in a list. What is said of records that are rejected by name counts for those alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.delivery.contents import Content

_APART: Final = frozenset({"rejected", "present"})
_NO: Final = frozenset({"", "0", "false", "no"})
_FAILED: Final = frozenset({"error", "fail", "failed", "failure"})


def failure_in(content: Content) -> str:
    """Given what an answer holds, return what in it says that something failed. Empty if nothing does."""
    if content.value is False:
        return "its JSON is false"
    for said in _objects(content.value):
        for name, value in said.items():
            match name.lower():
                case "error" | "errors" if value:
                    return f"`{name}` is not empty"
                case "ok" | "success" if not value or _word(value) in _NO:
                    return f"`{name}` is no yes"
                case "status" if _word(value) in _FAILED:
                    return f"`{name}` is {_word(value)}"
                case _:
                    pass
    return ""


def _word(value: Any) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the object that speaks of the request, and those in its lists, which speak of its records."""
    if isinstance(value, dict):
        yield value
        lists = [one for name, one in value.items() if name not in _APART and isinstance(one, list)]
    else:
        lists = [value] if isinstance(value, list) else []
    for records in lists:
        yield from (one for one in records if isinstance(one, dict))
