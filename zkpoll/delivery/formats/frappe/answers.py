"""The answers of a Frappe site to any question, and the paths of its documents. Pure.

Its texts are in its own language and decide nothing. Its statuses and the names of its errors do. The names
are in exceptions.py of frappe/frappe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from zkpoll.delivery.contract import Decision, Reply, Request, Verdict
from zkpoll.delivery.excerpts import excerpt, is_page, json_in
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.verdicts import (
    Rule,
    asked_wait,
    by_status,
    by_stranger,
    explained,
    json_of,
    judge,
    sentence,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.delivery.contract import Answer

EMPLOYEE: Final = "Employee"
CHECKIN: Final = "Employee Checkin"
SHIFT: Final = "Shift Type"
ZONE: Final = "the question for its time zone"
_CLOSED: Final = frozenset({403, 404})
"""Statuses for documents that a user may not read, or of a kind unknown to the site."""

_BUSY: Final = Rule(Verdict.TRY_AGAIN, "and cannot take it now")
_UNKNOWN: Final = Rule(Verdict.CONFIGURATION, "and does not accept who we say we are; check token:")
_EXCEPTIONS: Final[Mapping[str, Rule]] = {
    "TimestampMismatchError": _BUSY,
    "DocumentLockedError": _BUSY,
    "QueryDeadlockError": _BUSY,
    "QueryTimeoutError": _BUSY,
    "TooManyRequestsError": _BUSY,
    "RateLimitExceededError": _BUSY,
    "SessionStopped": _BUSY,
    "InReadOnlyMode": _BUSY,
    "CSRFTokenError": _UNKNOWN,
    "InvalidAuthorizationHeader": _UNKNOWN,
    "InvalidAuthorizationPrefix": _UNKNOWN,
    "InvalidAuthorizationToken": _UNKNOWN,
    "AppNotInstalledError": Rule(Verdict.CONFIGURATION, "and lacks the app that takes checkins; check app:"),
}
"""The meaning of errors, by any status: those that are no record's fault."""
_ADVICE: Final = {
    EMPLOYEE: "let the user of token: read Employee, and check employee_field:",
    CHECKIN: "let the user of token: read Employee Checkin with its time (the role HR User), and check app:",
    ZONE: "let the user of token:, and whatever stands before the site, call frappe.client.get_time_zone, and"
    " check url:",
}
"""What to do about a site that does not tell what it was asked for, by what that was."""
_BREAK: Final = re.compile(r"<\s*/?\s*(?:br|p|div|li|tr)\b[^>]*>", re.IGNORECASE)
_TAG: Final = re.compile("<[^>]*>")


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the answers of a site."""

    secrets: tuple[str, ...] = field(default=(), repr=False)
    """Texts that no message may hold."""

    def by_status(self, answer: Answer) -> Decision:
        """Given an answer, return the decision by its status, in the site's words."""
        decision = judge(answer, self.secrets)
        if not isinstance(answer, Reply) or not (said := words(answer)):
            return decision
        rule = by_status(answer.status, page=is_page(said))
        if Verdict.CONFIRMED in (decision.verdict, rule.verdict):
            return decision  # what is wrong with a 2xx, if anything, the decision says
        shown = said.encode("utf-8", "backslashreplace").decode()  # JSON can tell of half a character
        told = Rule(decision.verdict, rule.advice, decision.of_request)
        return explained(told, answer, shown, self.secrets)

    def by_error(self, answer: Answer) -> Decision | None:
        """Given an answer, return the decision by the name of its error. None if that decides nothing."""
        rule = _EXCEPTIONS.get(error_of(answer)) if isinstance(answer, Reply) else None
        if rule is None or not isinstance(answer, Reply):
            return None
        return Decision(rule.verdict, self.sentence(answer, rule.advice), asked_wait(answer))

    def not_told(self, answer: Answer, kind: str) -> Decision:
        """Given an answer without what was asked for, of a kind, return the decision on what waits for it."""
        decision = self.by_status(answer)
        if (
            not isinstance(answer, Reply)
            or by_stranger(answer)
            or decision.verdict in (Verdict.TRY_AGAIN, Verdict.GONE)
        ):
            return decision
        if decision.verdict is Verdict.CONFIGURATION and answer.status not in _CLOSED:
            return decision
        return Decision(Verdict.CONFIGURATION, self.sentence(answer, f"to {kind}; {_ADVICE[kind]}"))

    def sentence(self, reply: Reply, meant: str) -> str:
        """Given a reply and its meaning, return a sentence of both and of the site's own words."""
        return sentence(reply, f" {meant}", self.excerpt(reply))

    def excerpt(self, reply: Reply) -> str:
        """Given a reply, return the site's own words, as a message may show them."""
        return excerpt(words(reply), self.secrets)


# --- documents ---


def document(kind: str, name: str) -> str:
    """Given a kind of documents and the name of one, return its path."""
    return f"/api/resource/{quote(kind)}/{quote(name, safe='')}"


def listing(kind: str, fields: Sequence[str], filters: Sequence[Sequence[object]], most: int) -> Request:
    """Return the question for documents of a kind that all of the filters fit."""
    query = {"fields": compact(fields), "filters": compact(filters), "limit_page_length": most}
    return Request(method="GET", path=f"/api/resource/{quote(kind)}?{urlencode(query, quote_via=quote)}")


# --- what is in an answer ---


def content(reply: Reply) -> Mapping[str, Any]:
    """Return the object that a reply holds. An empty one if it holds none."""
    held = json_of(reply)
    return held if isinstance(held, dict) else {}


def rows(answer: Answer) -> Sequence[Mapping[str, Any]] | None:
    """Return the documents that an answer lists, each with a name. None if it is no such list."""
    if not isinstance(answer, Reply) or judge(answer).verdict is not Verdict.CONFIRMED:
        return None
    listed = content(answer).get("data")
    if not isinstance(listed, list):
        return None
    named = all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in listed)
    return listed if named else None


def error_of(reply: Reply) -> str:
    """Return the name of the error in a reply. Empty if there is none."""
    error = content(reply).get("exc_type")
    return error if isinstance(error, str) else ""


def words(reply: Reply) -> str:
    """Return the site's words to a person, without their HTML. Empty if there are none."""
    held = content(reply)
    said = [held.get("exception"), held.get("_error_message")]
    try:  # a list in JSON, of objects in JSON; the message of an error is the last
        logged: Any = held.get("_server_messages")
        said += [json_in(text).get("message") for text in json_in(logged)]
    except (ValueError, TypeError, AttributeError):
        pass
    last = next((text for text in reversed(said) if text and isinstance(text, str)), "")
    return _TAG.sub("", _BREAK.sub(" ", last))
