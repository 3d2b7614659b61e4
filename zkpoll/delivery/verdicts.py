"""What an answer means, and what to tell a person about it. Pure: tables and text, no I/O."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from zkpoll.delivery.contract import Answer, Decision, Failure, Reply, Verdict
from zkpoll.delivery.excerpts import as_text, excerpt, is_page, quoted, redact
from zkpoll.delivery.rejections import named

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

LONGEST_WAIT: Final = 30.0
"""Seconds between two attempts at most, whatever a dashboard asks for: the next run comes anyway."""
NO_RIGHT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""What is answered to somebody who may not ask."""


Kind: TypeAlias = Literal["unreachable", "configuration", "refused", "gone"]

KINDS: Final[Mapping[Verdict, Kind]] = {
    Verdict.TRY_AGAIN: "unreachable",
    Verdict.CONFIGURATION: "configuration",
    Verdict.SUSPECT: "refused",
    Verdict.TOO_LARGE: "refused",
    Verdict.GONE: "gone",
}
"""The word for a delivery that ended with this verdict, in JSON output and logs."""


_Rule: TypeAlias = tuple[Verdict, str]

_WEB_PAGE: Final[_Rule] = (
    Verdict.CONFIGURATION,
    "with a web page (a login page?), which decides nothing; check url:, or let it answer with JSON",
)
_UNCLEAR: Final[_Rule] = (
    Verdict.CONFIGURATION,
    "and rejects some records without saying which, so nothing is confirmed; rejected: must list their ids",
)
_TOO_LONG: Final[_Rule] = (
    Verdict.CONFIGURATION,
    "at such length that what it may reject was not read, so nothing is confirmed; make batch_size smaller",
)
_REFUSED: Final = "and refused it"
_STATUSES: Final[Mapping[int, _Rule]] = {
    400: (Verdict.SUSPECT, _REFUSED),
    401: (
        Verdict.CONFIGURATION,
        "and does not accept who we say we are; check token:, basic:, headers: or signing:",
    ),
    403: (
        Verdict.CONFIGURATION,
        "and lets us deliver nothing; check the rights of the token or user, and url:",
    ),
    404: (Verdict.CONFIGURATION, "because nothing takes punches at this address; check url:"),
    408: (Verdict.TRY_AGAIN, "because the request took too long to arrive"),
    409: (Verdict.TRY_AGAIN, "because of a conflict, and names no record that it holds already"),
    410: (Verdict.GONE, "and says that it is gone for good"),
    415: (Verdict.CONFIGURATION, "and does not take this kind of body; check format: and gzip:"),
    413: (Verdict.TOO_LARGE, "because the request is too large"),
    417: (Verdict.SUSPECT, _REFUSED),
    422: (Verdict.SUSPECT, _REFUSED),
    425: (Verdict.TRY_AGAIN, "and asks to send it again later"),
    429: (Verdict.TRY_AGAIN, "and asks for fewer requests"),
}
_CLASSES: Final[Mapping[int, _Rule]] = {
    2: (Verdict.CONFIRMED, ""),
    3: (
        Verdict.CONFIGURATION,
        "and points to {location}, which is not followed; set url: to the address that takes punches",
    ),
    4: (Verdict.CONFIGURATION, "and takes no such request; check url: and format:"),
    5: (Verdict.TRY_AGAIN, "and cannot take punches now"),
}
_NONSENSE: Final[_Rule] = (Verdict.CONFIGURATION, "which is no answer to a request; check url:")


def judge(answer: Answer, secrets: Sequence[str] = (), ids: Collection[str] = ()) -> Decision:
    """Given an answer and the ids of its request, return what becomes of its batch.

    Only a 2xx whose body is not HTML confirms. No message holds any of the `secrets`, even where the
    dashboard echoes them.
    """
    if isinstance(answer, Failure):
        verdict = Verdict.CONFIGURATION if answer.lasting else Verdict.TRY_AGAIN
        return Decision(verdict, redact(answer.reason, secrets))
    verdict, advice = _rule(answer)
    found = named(answer.body, ids)
    if verdict is Verdict.CONFIRMED and (found.unclear or not answer.whole):
        verdict, advice = _UNCLEAR if answer.whole else _TOO_LONG
    present = found.present if answer.status == 409 else frozenset()
    if answer.status // 100 == 4 and (found.rejected or present):
        verdict = Verdict.NAMED
    if verdict not in (Verdict.CONFIRMED, Verdict.NAMED):
        return Decision(verdict, _sentence(answer, advice, secrets), asked_wait(answer))
    words = {one: excerpt(said, secrets) or _status(answer) for one, said in found.rejected.items()}
    return Decision(verdict, rejected=words, present=present)


def is_html(reply: Reply) -> bool:
    """Given a reply, return whether a person's browser was meant to get it, by its type or its beginning."""
    # Where there is no body, a type means nothing: frameworks put one on by habit.
    return bool(reply.body.strip()) and is_page(reply.content_type, reply.body)


def asked_wait(reply: Reply) -> float:
    """Given a reply, return the seconds its Retry-After asks for, `LONGEST_WAIT` at most.

    A date counts from the reply's own, so that no two clocks need to agree; without one it asks for nothing.
    """
    asked = reply.retry_after.strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(reply.date)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or one of them without a zone
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _rule(reply: Reply) -> _Rule:
    kind = reply.status // 100
    rule = _STATUSES.get(reply.status) or _CLASSES.get(kind, _NONSENSE)
    if rule[0] in (Verdict.CONFIRMED, Verdict.SUSPECT) and is_html(reply):
        return _WEB_PAGE
    return rule


def _sentence(reply: Reply, advice: str, secrets: Sequence[str]) -> str:
    location = excerpt(reply.location, secrets) or "nowhere"
    words = "" if is_html(reply) else excerpt(as_text(reply.body), secrets)
    return f"{_status(reply)} {advice.format(location=location)}{quoted(words)}"


def _status(reply: Reply) -> str:
    return f"the dashboard answered {reply.status}"
