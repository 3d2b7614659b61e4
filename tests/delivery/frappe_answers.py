"""Every answer that docs/frappe.md tells about, and what it has to mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.delivery.frappe_site import error_body
from zkpoll.delivery.contract import Answer, Failure, Reply, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

TIME: Final = "2026-11-22 08:59:58"
"""When the punch was that is answered for, by the clock of the site."""
NOT_ASKED: Final = "not asked"
HAS_IT: Final = "the checkin"
NOBODY: Final = "no employee with that user id"
INACTIVE: Final = "no such checkin; the employee is Inactive"
HAS_NONE: Final = "no such checkin"

MEANINGS: Final[Mapping[Verdict, tuple[str, str]]] = {
    Verdict.CONFIRMED: ("confirmed", "goes on"),
    Verdict.NAMED: ("parked", "goes on"),
    Verdict.TRY_AGAIN: ("stays pending", "tries again, up to `attempts` times"),
    Verdict.SUSPECT: ("parked, once others are confirmed", "goes on"),
    Verdict.TOO_LARGE: ("parked, once others are confirmed", "goes on"),
    Verdict.CONFIGURATION: ("stays pending", "stops there, and says what to put right"),
    Verdict.GONE: ("stays pending", "stops there until `zkpoll dashboards resume NAME`"),
}
"""What a verdict is to the punch, and what the run does."""


def reply(content: object, status: int = 200) -> Reply:
    """Return a reply of the site with a JSON content."""
    return Reply(status, "application/json", json.dumps(content).encode())


def error(status: int, name: str = "", message: str = "as it says <b>there</b>") -> Reply:
    """Return a reply of the site with an exception."""
    return Reply(status, "application/json", error_body(name, message) if name else b"{}")


def rows(*found: Mapping[str, object]) -> Reply:
    """Return a reply of the site with a list of documents."""
    return reply({"data": found})


def receipt(time: str = TIME) -> Reply:
    """Return a reply of the site with the checkin that it made."""
    return reply({"message": {"name": "EMP-CKIN-12-2026-000001", "employee": "HR-EMP-00001", "time": time}})


ACTIVE: Final = rows({"name": "HR-EMP-00001", "status": "Active"})
PAGE: Final = b"<!doctype html><title>Login</title>"
FOUND: Final[Mapping[str, tuple[Answer, ...]]] = {
    NOT_ASKED: (),
    HAS_IT: (ACTIVE, rows({"name": "EMP-CKIN-12-2026-000001", "log_type": "IN", "device_id": "front-door"})),
    NOBODY: (rows(),),
    INACTIVE: (rows({"name": "HR-EMP-00001", "status": "Inactive"}), rows()),
    HAS_NONE: (ACTIVE, rows()),
}
"""What the site answers to the two questions, by what it has."""


SOMEBODYS: Final = rows({"name": "EMP-CKIN-12-2026-000009"})
NOBODYS: Final = rows()
"""What the site answers where it is asked for any checkin of that second, before a punch is sent again."""


@dataclass(frozen=True)
class Case:
    """A row of the table: each of the answers, and then those to the questions."""

    shown: str
    has: str
    answers: tuple[Answer, ...]
    """Each by itself to the punch; or to the question before it, where its answer was lost."""
    verdict: Verdict
    to_questions: tuple[tuple[Answer, ...], ...] = ()
    """What the site answers where it is asked; else what `has` says."""

    @property
    def row(self) -> str:
        """The row as the page shows it."""
        punch, run = MEANINGS[self.verdict]
        return f"| {self.shown} | {self.has} | {punch} | {run} |"

    @property
    def dialogues(self) -> list[tuple[bool, list[Answer]]]:
        """Whether the punch may be there already, and the answers in their order; one for each."""
        tails = self.to_questions or (FOUND[self.has],)
        return [
            (first is SOMEBODYS or first is NOBODYS, [first, *tail])
            for first in self.answers
            for tail in tails
        ]


_LOST: Final = (SOMEBODYS,)
_WITHOUT: Final = (
    reply({}),
    reply({"message": None}),
    reply({"message": "ok"}),
    reply({"message": {"name": "EMP-CKIN-12-2026-000001"}}),
    reply({"message": {"name": 7, "time": TIME}}),
    reply([]),
    Reply(204),
    Reply(200, "text/plain", b"OK"),
)
_REFUSED: Final = (
    error(417, "ValidationError"),
    error(417, "CheckinRadiusExceededError"),
    error(417, "SomethingNew"),
    error(417),
    Reply(417, "application/json", b'{"exc_type": ["odd"]}'),
    Reply(417, "text/plain", b"Expectation Failed"),
    error(404, "DoesNotExistError"),
    error(400, "SomethingNew"),
    error(422),
    error(500, "TypeError"),
)
_ANY_OTHER: Final = (
    "any other 400, 417 or 422, 404 `DoesNotExistError`, or 500 with an error that is not the database's"
)
_CONFLICTS: Final = (error(409, "DuplicateEntryError"), error(409, "NameError"), error(409))
_NO_LISTS: Final = (
    error(400),
    error(403, "PermissionError"),
    error(404, "DoesNotExistError"),
    error(413),
    error(417, "DataError"),
    reply({}),
    reply({"data": None}),
    reply({"data": ["HR-EMP-00001"]}),
    reply({"data": [{"name": None}]}),
    reply([]),
    Reply(204),
    Reply(200, "text/html", PAGE),
    Reply(401),
    Reply(302, location="/login"),
)
_NO_ANSWERS: Final = (error(503, "SessionStopped"), Reply(429, retry_after="27"), Failure("no answer"))


def _to_either(*answers: Answer) -> tuple[tuple[Answer, ...], ...]:
    """Return what is answered where each of these answers the first question, and the second."""
    return tuple(tail for answer in answers for tail in ((answer,), (ACTIVE, answer)))


CASES: Final = (
    Case(
        "200 with the checkin, at the time of the punch",
        NOT_ASKED,
        (receipt(), receipt(f"{TIME}.000000"), receipt(TIME.replace(" ", "T"))),
        Verdict.CONFIRMED,
    ),
    Case("200 with a checkin at another time", NOT_ASKED, (receipt("2026-12-24 18:00:00"),), Verdict.GONE),
    Case("any other 2xx", HAS_IT, _WITHOUT, Verdict.CONFIRMED),
    Case("any other 2xx", NOBODY, _WITHOUT, Verdict.NAMED),
    Case("any other 2xx", HAS_NONE, _WITHOUT, Verdict.CONFIGURATION),
    Case("any other 2xx", INACTIVE, _WITHOUT, Verdict.CONFIGURATION),
    Case(
        "417 `InactiveEmployeeStatusError`",
        NOT_ASKED,
        (error(417, "InactiveEmployeeStatusError"),),
        Verdict.NAMED,
    ),
    Case(
        "417 `TimestampMismatchError`, `DocumentLockedError`, `QueryDeadlockError`, `QueryTimeoutError`,"
        " `TooManyRequestsError`, `RateLimitExceededError`, `SessionStopped` or `InReadOnlyMode`",
        NOT_ASKED,
        tuple(
            error(417, name)
            for name in (
                *("TimestampMismatchError", "DocumentLockedError", "QueryDeadlockError", "QueryTimeoutError"),
                *("TooManyRequestsError", "RateLimitExceededError", "SessionStopped", "InReadOnlyMode"),
            )
        ),
        Verdict.TRY_AGAIN,
    ),
    Case(
        "400 `CSRFTokenError`, `InvalidAuthorizationHeader`, `…Prefix` or `…Token`",
        NOT_ASKED,
        (
            error(400, "CSRFTokenError"),
            error(400, "InvalidAuthorizationHeader"),
            error(400, "InvalidAuthorizationPrefix"),
            error(400, "InvalidAuthorizationToken"),
        ),
        Verdict.CONFIGURATION,
    ),
    Case(
        "417 `AppNotInstalledError`", NOT_ASKED, (error(417, "AppNotInstalledError"),), Verdict.CONFIGURATION
    ),
    Case(_ANY_OTHER, HAS_IT, _REFUSED, Verdict.CONFIRMED),
    Case(_ANY_OTHER, NOBODY, _REFUSED, Verdict.NAMED),
    Case(_ANY_OTHER, INACTIVE, _REFUSED, Verdict.NAMED),
    Case(_ANY_OTHER, HAS_NONE, _REFUSED, Verdict.SUSPECT),
    Case("409", HAS_IT, _CONFLICTS, Verdict.CONFIRMED),
    Case("409", NOBODY, _CONFLICTS, Verdict.NAMED),
    Case("409", INACTIVE, _CONFLICTS, Verdict.NAMED),
    Case("409", HAS_NONE, _CONFLICTS, Verdict.TRY_AGAIN),
    Case(
        "401, 403, any other 404 or 4xx",
        NOT_ASKED,
        (
            error(401, "AuthenticationError"),
            error(403, "PermissionError"),
            error(404),
            error(405),
            error(415),
        ),
        Verdict.CONFIGURATION,
    ),
    Case(
        "2xx, 400, 417 or 422 with a web page",
        NOT_ASKED,
        tuple(Reply(status, "text/html", PAGE) for status in (200, 400, 417, 422)),
        Verdict.CONFIGURATION,
    ),
    Case("3xx", NOT_ASKED, (Reply(301), Reply(302, location="/login")), Verdict.CONFIGURATION),
    Case(
        "408, 425, 429, any other 5xx",
        NOT_ASKED,
        (
            *(
                Reply(408),
                Reply(425),
                Reply(429),
                error(429, "RateLimitExceededError"),
                Reply(502),
                Reply(504),
            ),
            *(error(500, "OperationalError"), error(503, "InReadOnlyMode"), error(508)),
        ),
        Verdict.TRY_AGAIN,
    ),
    Case(
        "no connection, or no whole answer within `timeout`",
        NOT_ASKED,
        (Failure("refuses the connection"),),
        Verdict.TRY_AGAIN,
    ),
    Case("413", NOT_ASKED, (Reply(413),), Verdict.TOO_LARGE),
    Case("410", NOT_ASKED, (Reply(410),), Verdict.GONE),
    Case("lost, of an earlier request", HAS_IT, _LOST, Verdict.CONFIRMED),
    Case(
        "lost, of an earlier request",
        f"{NOBODY}, and a checkin of that second",
        _LOST,
        Verdict.NAMED,
        (FOUND[NOBODY],),
    ),
    Case(
        "lost, of an earlier request; 200 with the checkin to the next",
        HAS_NONE,
        _LOST,
        Verdict.CONFIRMED,
        ((*FOUND[HAS_NONE], receipt()),),
    ),
    Case(
        "lost, of an earlier request; 200 with the checkin to the next",
        "no checkin of anybody in that second",
        (NOBODYS,),
        Verdict.CONFIRMED,
        ((receipt(),),),
    ),
    Case(
        "whatever has to be asked about",
        "answers with 3xx, any other 4xx or no list",
        (SOMEBODYS, _REFUSED[0], _WITHOUT[0], _CONFLICTS[0]),
        Verdict.CONFIGURATION,
        _to_either(*_NO_LISTS),
    ),
    Case(
        "whatever has to be asked about",
        "answers with 410",
        (SOMEBODYS, _REFUSED[0], _WITHOUT[0], _CONFLICTS[0]),
        Verdict.GONE,
        _to_either(Reply(410)),
    ),
    Case(
        "whatever has to be asked about",
        "gives no answer, or 429 or 5xx",
        (SOMEBODYS, _REFUSED[0], _WITHOUT[0], _CONFLICTS[0]),
        Verdict.TRY_AGAIN,
        _to_either(*_NO_ANSWERS),
    ),
)
