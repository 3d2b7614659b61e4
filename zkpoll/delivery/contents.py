"""The content of an answer's body, read once: its text, its JSON, and what it only claims to be. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from zkpoll.delivery.excerpts import as_text

_HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
_JSON_TYPE: Final = re.compile(r"[^/]+/(?:.+\+|x-)?json")
_OBJECT: Final = re.compile(r"\{\s*\"")
"""The beginning of an object in JSON."""
_BLANK: Final = re.compile("[\\s\0-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*")
"""What shows as nothing: blanks, control characters, byte order marks, signs without a width."""


@dataclass(frozen=True, slots=True)
class Content:
    """What the body of an answer holds."""

    text: str = field(repr=False)
    page: bool = False
    """Whether it was meant for a person's browser."""
    is_json: bool = False
    value: Any = field(default=None, repr=False)
    """The value of its JSON, None without one; of a name that an object has twice, the last."""
    twice: bool = False
    """Whether one of its objects has a name twice, so that another reader may see another value."""
    claims_json: bool = False
    """Whether it is of a type of JSON, begins as an object does, or has one anywhere."""


def read(body: bytes, content_type: str = "") -> Content:
    """Given a body and its Content-Type, return what it holds.

    A page begins with `<`, whatever its type says, in JSON's quotes as well. Frameworks call anything
    `text/html` by habit, so what has that type is a page only if it is no JSON, and holds a `<`.
    """
    text = as_text(body)
    shown = text[_end_of_blanks(text) :]
    if shown.startswith("<"):
        return Content(text, page=True)
    kind = content_type.partition(";")[0].strip().lower()
    of_json = bool(shown) and (shown.startswith("{") or _JSON_TYPE.fullmatch(kind) is not None)
    claims = of_json or _OBJECT.search(shown) is not None
    names = _ObjectNames()
    try:
        value = json.loads(shown, object_pairs_hook=names.one_object)
    except (ValueError, RecursionError):
        page = kind in _HTML_TYPES and "<" in shown and not of_json
        return Content(text, page=page, claims_json=claims)
    page = isinstance(value, str) and value.startswith("<", _end_of_blanks(value))
    return Content(text, page, True, value, names.twice, claims)


def _end_of_blanks(text: str) -> int:
    blank = _BLANK.match(text)
    return blank.end() if blank else 0


class _ObjectNames:
    """Makes objects of their pairs, and remembers whether one had a name twice."""

    twice = False

    def one_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        self.twice = self.twice or len(made) < len(pairs)
        return made
