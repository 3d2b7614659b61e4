"""What an answer means, and what to tell a person about it. Pure: tables and text, no I/O."""

from __future__ import annotations

import codecs
import html
import json
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LONGEST_WAIT: Final = 30.0
"""Seconds between two attempts at most, whatever a dashboard asks for: the next run comes anyway."""
_EXCERPT: Final = 200
"""Characters of the dashboard's own words in a message; enough for a validation error."""
_HTML_TYPES: Final = frozenset({"text/html", "application/xhtml+xml"})
_HTML_STARTS: Final = ("<!doctype html", "<html")
_NO_CONTENT: Final = 204


class Verdict(Enum):
    """What becomes of the batch an answer is about."""

    CONFIRMED = "confirmed"
    TRY_AGAIN = "try again"  # within this run
    CONFIGURATION = "configuration"  # no attempt can succeed before a person changes something
    STAYS = "stays"  # refused: stays pending for the next run


Kind: TypeAlias = Literal["unreachable", "configuration", "refused"]

KINDS: Final[Mapping[Verdict, Kind]] = {
    Verdict.TRY_AGAIN: "unreachable",
    Verdict.CONFIGURATION: "configuration",
    Verdict.STAYS: "refused",
}
"""The word for a delivery that ended with this verdict, in JSON output and logs."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the dashboard answered. Its text may echo the token, so no repr shows it."""

    status: int
    content_type: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    """The body, or as much of its beginning as the client cares to read."""
    location: str = field(default="", repr=False)
    retry_after: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer."""

    reason: str
    """One sentence a person can act on; holds no secret."""
    lasting: bool = False
    """Another attempt would end the same way: a certificate, an address, a malformed token."""


Answer: TypeAlias = Reply | Failure


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, with what a person needs to know."""

    verdict: Verdict
    message: str = ""
    """One sentence a person can act on; empty when confirmed; holds no secret."""
    wait: float = 0.0
    """Seconds to wait before another attempt, at least, because the dashboard asked for it."""


_Rule: TypeAlias = tuple[Verdict, str]

_WEB_PAGE: Final[_Rule] = (
    Verdict.CONFIGURATION,
    "with a web page (a login page?), which confirms nothing; check url:, or let it answer with JSON",
)
_STATUSES: Final[Mapping[int, _Rule]] = {
    401: (Verdict.CONFIGURATION, "and does not accept the token; check token: or token_file:"),
    403: (Verdict.CONFIGURATION, "and lets this token deliver nothing; check its rights and url:"),
    404: (Verdict.CONFIGURATION, "because nothing takes punches at this address; check url:"),
    408: (Verdict.TRY_AGAIN, "because the request took too long to arrive"),
    425: (Verdict.TRY_AGAIN, "and asks to send it again later"),
    429: (Verdict.TRY_AGAIN, "and asks for fewer requests"),
}
_CLASSES: Final[Mapping[int, _Rule]] = {
    2: (Verdict.CONFIRMED, ""),
    3: (
        Verdict.CONFIGURATION,
        "and points to {location}, which is not followed; set url: to the address that takes punches",
    ),
    5: (Verdict.TRY_AGAIN, "and cannot take punches now"),
}
_REFUSED: Final[_Rule] = (Verdict.STAYS, "and refused the batch, which stays pending")


def judge(answer: Answer, secrets: Sequence[str] = ()) -> Decision:
    """Given an answer, return what becomes of its batch.

    Only a 2xx whose body is not HTML confirms. No message holds any of the `secrets`, even where the
    dashboard echoes them.
    """
    if isinstance(answer, Failure):
        verdict = Verdict.CONFIGURATION if answer.lasting else Verdict.TRY_AGAIN
        return Decision(verdict, redact(answer.reason, secrets))
    verdict, advice = _rule(answer)
    if verdict is Verdict.CONFIRMED:
        return Decision(verdict)
    return Decision(verdict, _sentence(answer, advice, secrets), asked_wait(answer.retry_after))


def is_html(reply: Reply) -> bool:
    """Given a reply, return whether a person's browser was meant to get it, by its type or its beginning."""
    if reply.status == _NO_CONTENT:
        return False  # there is no body, whatever type a framework puts on it by habit
    kind = reply.content_type.partition(";")[0].strip().lower()
    return kind in _HTML_TYPES or _text(reply.body).lstrip().lower().startswith(_HTML_STARTS)


def asked_wait(retry_after: str) -> float:
    """Given a Retry-After header, return the seconds it asks for, `LONGEST_WAIT` at most.

    Return 0 for what is not a plain number: a date would need a clock that both sides agree on.
    """
    digits = retry_after.strip()
    if not (digits.isascii() and digits.isdigit()):
        return 0.0
    return min(float(digits), LONGEST_WAIT)


def redact(text: str, secrets: Sequence[str]) -> str:
    """Given text, return it without the secrets, in any of the spellings an echo may give them."""
    for spelling in (spelling for secret in secrets for spelling in _spellings(secret)):
        text = text.replace(spelling, "***")
    return text


def _rule(reply: Reply) -> _Rule:
    kind = reply.status // 100
    if kind == 2 and is_html(reply):
        return _WEB_PAGE
    return _STATUSES.get(reply.status) or _CLASSES.get(kind, _REFUSED)


def _sentence(reply: Reply, advice: str, secrets: Sequence[str]) -> str:
    location = _excerpt(reply.location, secrets) or "nowhere"
    words = "" if is_html(reply) else _excerpt(_text(reply.body), secrets)
    said = f'; it says: "{words}"' if words else ""
    return f"the dashboard answered {reply.status} {advice.format(location=location)}{said}"


def _excerpt(text: str, secrets: Sequence[str]) -> str:
    """Return the first printable characters of `text` on one line.

    Redacted before it is cut, and after what hides between the letters of a token is gone.
    """
    shown = "".join(c for c in text if c.isprintable() or c.isspace())
    return redact(" ".join(shown.split()), secrets)[:_EXCERPT]


def _text(body: bytes) -> str:
    """Return a body as text; what is no text becomes replacement characters."""
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace")
    return body.decode("utf-8-sig", "replace")


def _spellings(token: str) -> list[str]:
    """Return the token as text, JSON, URL and HTML would show it, longest first."""
    spellings = {
        token,
        json.dumps(token)[1:-1],
        token.replace("/", "\\/"),
        quote(token),
        quote(token, safe=""),
        html.escape(token),
    }
    return sorted(spellings, key=len, reverse=True)
