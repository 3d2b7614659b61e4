"""A dashboard's own words, fit for a message: text, on one line, short, without secrets. Pure."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXCERPT: Final = 200
"""Characters of the dashboard's own words in a message; enough for a validation error."""
_LOOKED_AT: Final = 64 * 1024
"""Characters of a text in which those of its excerpt are looked for; a body may have millions."""
_HTML_STARTS: Final = ("<!doctype html", "<html")


def as_text(body: bytes) -> str:
    """Return a body in UTF-8, UTF-16 or UTF-32 as text. Bytes that are none become replacement characters."""
    encoding = json.detect_encoding(body)
    # Half a character at its end shows that the zeros in a body without a mark are not those of UTF-16 or 32.
    halves = encoding.endswith(("-le", "-be")) and len(body) % (int(encoding[4:6]) // 8)
    return body.decode("utf-8" if halves else encoding, "replace")


def json_in(text: str) -> Any:
    """Given a text, return the value that its JSON holds. Raise ValueError if it is none, or too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too many levels of objects and lists") from None


def is_page(words: str) -> bool:
    """Given somebody's words, return whether they are a whole web page, and not a few with tags in them."""
    return words[:1024].lstrip().lower().startswith(_HTML_STARTS)


def excerpt(text: str, secrets: Sequence[str]) -> str:
    """Return the first printable characters of `text` on one line.

    Redacted before it is cut, and once characters that hide between the letters of a secret are gone.
    """
    shown = "".join(c for c in text[:_LOOKED_AT] if c.isprintable() or c.isspace())
    return redact(" ".join(shown.split()), secrets)[:_EXCERPT]


def quoted(words: str) -> str:
    """Given an excerpt, return the end of a sentence that quotes it. Nothing if it is empty."""
    return f'; it says: "{words}"' if words else ""


def redact(text: str, secrets: Sequence[str]) -> str:
    """Given text, return it without the secrets, in any of the spellings an echo may give them."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    return text


def _spellings(secret: str) -> set[str]:
    """Return a secret as text, JSON, URL and HTML would show it."""
    escaped, kept = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
    return {
        secret,
        *(escaped, escaped.replace("/", "\\/")),  # as PHP writes it
        *(kept, kept.replace("/", "\\/")),
        quote(secret),
        quote(secret, safe=""),
        html.escape(secret),
    }
