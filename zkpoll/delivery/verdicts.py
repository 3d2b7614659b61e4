"""The meaning of an answer, and the sentence that a person reads about it. Pure: tables and text, no I/O."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from zkpoll.delivery.contract import Answer, Decision, Failure, Reply, Verdict
from zkpoll.delivery.excerpts import excerpt, is_page, quoted, redact
from zkpoll.delivery.failures import failure_in
from zkpoll.delivery.rejections import Named, named
from zkpoll.delivery.strangers import guard_of, wants_tls

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

LONGEST_WAIT: Final = 30.0
"""Seconds between two attempts at most, whatever a dashboard asks for: the next run comes anyway."""
NO_RIGHT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""Answers to somebody without the right to ask."""


Kind: TypeAlias = Literal["unreachable", "configuration", "refused", "gone"]

KINDS: Final[Mapping[Verdict, Kind]] = {
    Verdict.TRY_AGAIN: "unreachable",
    Verdict.CONFIGURATION: "configuration",
    Verdict.SUSPECT: "refused",
    Verdict.TOO_LARGE: "refused",
    Verdict.GONE: "gone",
}
"""The word for a delivery that ended with this verdict, in JSON output and logs."""


class Rule(NamedTuple):
    """A verdict, and the advice that goes with it."""

    verdict: Verdict
    advice: str = ""
    """Follows the status in a sentence; `{location}` is where a redirect points."""
    of_request: bool = False
    """Whether what the request carried may have brought the answer about: others may get a better one."""


_WEB_PAGE: Final = Rule(
    Verdict.CONFIGURATION,
    "with a web page (a login page?), which decides nothing; check url:, or let it answer with JSON",
    of_request=True,
)
_UNCLEAR: Final = Rule(
    Verdict.CONFIGURATION,
    "and rejects some records without saying which, so nothing is confirmed; rejected: must list their ids",
)
_TOO_LONG: Final = Rule(
    Verdict.CONFIGURATION,
    "at such length that what it may reject was not read, so nothing is confirmed; make batch_size smaller",
)
_STRAY: Final = Rule(
    Verdict.CONFIGURATION,
    "and has the word rejected where it is not understood, so nothing is confirmed; it must be the name of a"
    " list of ids at the top of the JSON, and stand nowhere else",
)
_TWICE: Final = Rule(
    Verdict.CONFIGURATION,
    "with JSON in which an object has one name twice, so nothing is confirmed; let it say each thing once",
)
_SEVERAL: Final = Rule(
    Verdict.CONFIGURATION,
    "(several results) without saying which of them failed, so nothing is confirmed; let it answer 200, or"
    " list the ids of those in rejected:",
)
_NO_JSON: Final = Rule(
    Verdict.CONFIGURATION,
    "with what should be JSON and is none, so nothing is confirmed; let it answer with whole JSON, or a word",
    of_request=True,
)
_GUARDED: Final = Rule(
    Verdict.CONFIGURATION,
    "with a challenge or block of {guard}, which only browsers pass, so nothing is confirmed; let {guard}"
    " allow requests from this machine's address to url:",
)
_TLS_ONLY: Final = Rule(
    Verdict.CONFIGURATION,
    "because this port speaks TLS, and url: begins with http://; write https://",
)
_REFUSED: Final = "and refused it"
_STATUSES: Final[Mapping[int, Rule]] = {
    400: Rule(Verdict.SUSPECT, _REFUSED),
    401: Rule(
        Verdict.CONFIGURATION,
        "and does not accept who we say we are; check token:, basic:, headers: or signing:",
    ),
    403: Rule(
        Verdict.CONFIGURATION,
        "and lets us deliver nothing; check the rights of the token or user, and url:",
    ),
    404: Rule(Verdict.CONFIGURATION, "because nothing takes punches at this address; check url:"),
    407: Rule(
        Verdict.CONFIGURATION,
        "because the proxy on the way wants a user and a password; write them into HTTP_PROXY:"
        " http://USER:PASSWORD@HOST:PORT",
    ),
    408: Rule(Verdict.TRY_AGAIN, "because the request took too long to arrive"),
    409: Rule(Verdict.TRY_AGAIN, "because of a conflict, and names no record that it holds already", True),
    410: Rule(Verdict.GONE, "and says that it is gone for good"),
    415: Rule(Verdict.CONFIGURATION, "and does not take this kind of body; check format: and gzip:"),
    413: Rule(Verdict.TOO_LARGE, "because the request is too large"),
    417: Rule(Verdict.SUSPECT, _REFUSED),
    422: Rule(Verdict.SUSPECT, _REFUSED),
    425: Rule(Verdict.TRY_AGAIN, "and asks to send it again later"),
    429: Rule(Verdict.TRY_AGAIN, "and asks for fewer requests"),
}
_CLASSES: Final[Mapping[int, Rule]] = {
    2: Rule(Verdict.CONFIRMED, ""),
    3: Rule(
        Verdict.CONFIGURATION,
        "and points to {location}, which is not followed; set url: to the address that takes punches",
    ),
    4: Rule(Verdict.CONFIGURATION, "and takes no such request; check url: and format:"),
    5: Rule(Verdict.TRY_AGAIN, "and cannot take punches now", True),
}
_NONSENSE: Final = Rule(Verdict.CONFIGURATION, "which is no answer to a request; check url:")


def judge(
    answer: Answer,
    secrets: Sequence[str] = (),
    ids: Collection[str] | None = None,
    broken: Callable[[Reply], Rule | None] | None = None,
) -> Decision:
    """Given an answer and the ids of its request, return the decision on its batch.

    A 2xx confirms, unless somebody in front of the dashboard gave it, or what it holds says otherwise: a web
    page, a rejection that is not understood, or the rule that it breaks (by `broken`, else by `by_words`).
    That rule is CONFIRMED where it has looked at a rejection, too. Without ids, None, the format has its own
    rules for what a 2xx holds. No message holds any of the `secrets`, even where the dashboard echoes them.
    """
    if isinstance(answer, Failure):
        verdict = Verdict.CONFIGURATION if answer.lasting else Verdict.TRY_AGAIN
        went_out = not (answer.lasting or answer.unsent)
        return Decision(verdict, redact(answer.reason, secrets), of_request=went_out)
    try:
        return _judged(answer, secrets, ids, broken or by_words)
    except MemoryError:
        words = "the answer of the dashboard takes more memory than there is"
        return Decision(Verdict.TRY_AGAIN, words, of_request=True)


def _judged(
    answer: Reply,
    secrets: Sequence[str],
    ids: Collection[str] | None,
    broken: Callable[[Reply], Rule | None],
) -> Decision:
    content = answer.content
    if rule := by_stranger(answer):
        return explained(rule, answer, "" if content.page else content.text, secrets)
    found = Named() if ids is None else named(content, ids)
    rule = by_records(by_status(answer.status, page=content.page), answer, found)
    if rule.verdict is Verdict.CONFIRMED and ids is not None:
        rule = _by_content(answer, found, broken(answer))
    if rule.verdict not in (Verdict.CONFIRMED, Verdict.NAMED):
        return explained(rule, answer, "" if content.page else content.text, secrets)
    words = {one: excerpt(said, secrets) or sentence(answer) for one, said in found.rejected.items()}
    return Decision(rule.verdict, rejected=words, present=present(answer, found))


def _by_content(reply: Reply, found: Named, broken: Rule | None) -> Rule:
    """Given a 2xx, the records it names and the rule it breaks, return the rule of it."""
    if reply.content.twice:
        return _TWICE
    if broken:
        refused = broken.verdict is Verdict.SUSPECT and found.rejected
        return Rule(Verdict.NAMED) if refused else broken
    return _STRAY if found.stray else Rule(Verdict.CONFIRMED)


def by_stranger(reply: Reply) -> Rule | None:
    """Given a reply, return its rule if it is of somebody in front of the dashboard, else None."""
    if guard := guard_of(reply):
        return Rule(_GUARDED.verdict, _GUARDED.advice.replace("{guard}", guard))
    return _TLS_ONLY if wants_tls(reply) else None


def by_words(reply: Reply) -> Rule | None:
    """Given a 2xx, return the rule that it breaks by its own words. None if it breaks none."""
    content = reply.content
    if failure := failure_in(content):
        return Rule(Verdict.SUSPECT, f"and says that it failed ({failure})")
    if content.claims_json and not content.is_json:
        return _NO_JSON
    listed = isinstance(content.value, dict) and "rejected" in content.value
    return _SEVERAL if reply.status == HTTPStatus.MULTI_STATUS and not listed else None


def by_status(status: int, *, page: bool) -> Rule:
    """Given a status, and whether a web page came with it, return the rule for all of a batch."""
    rule = _STATUSES.get(status) or _CLASSES.get(status // 100, _NONSENSE)
    return _WEB_PAGE if page and rule.verdict in (Verdict.CONFIRMED, Verdict.SUSPECT) else rule


def by_records(rule: Rule, reply: Reply, found: Named) -> Rule:
    """Given the rule of a status, the reply and the records it names, return the rule of the reply."""
    if rule.verdict is Verdict.CONFIRMED and not reply.whole:
        return _TOO_LONG
    if rule.verdict is Verdict.CONFIRMED and found.unclear:
        return _UNCLEAR
    refused = reply.status // 100 == 4
    return Rule(Verdict.NAMED) if refused and (found.rejected or present(reply, found)) else rule


def present(reply: Reply, found: Named) -> frozenset[str]:
    """Given a reply and the records it names, return those that are there already. Only a 409 says so."""
    return found.present if reply.status == HTTPStatus.CONFLICT else frozenset()


def explained(rule: Rule, reply: Reply, said: str, secrets: Sequence[str]) -> Decision:
    """Given the rule of a reply, and the dashboard's own words, return the decision that a person reads."""
    advice = rule.advice.replace("{location}", excerpt(reply.location, secrets) or "nowhere")
    words = "" if is_page(said) else excerpt(said, secrets)
    told = sentence(reply, f" {advice}", words)
    return Decision(rule.verdict, told, asked_wait(reply), of_request=rule.of_request)


def sentence(reply: Reply, advice: str = "", words: str = "") -> str:
    """Given a reply, advice that follows its status, and an excerpt, return the sentence of all three."""
    return f"the dashboard answered {reply.status}{advice}{quoted(words)}"


def json_of(reply: Reply) -> Any:
    """Given a reply, return the value that its JSON holds. None if it holds none."""
    return reply.content.value


def is_html(reply: Reply) -> bool:
    """Given a reply, return whether a person's browser was meant to get it."""
    return reply.content.page


def asked_wait(reply: Reply) -> float:
    """Given a reply, return the seconds its Retry-After asks for, `LONGEST_WAIT` at most.

    A date counts from the reply's own, so that no two clocks need to agree. Without one it asks for nothing.
    """
    asked = reply.retry_after.strip()
    if asked.isascii() and asked.isdigit():
        return min(float(asked), LONGEST_WAIT)
    try:
        seconds = (parsedate_to_datetime(asked) - parsedate_to_datetime(reply.date)).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or one of them without a zone
        return 0.0
    return min(max(seconds, 0.0), LONGEST_WAIT)
