"""Every answer that docs/template.md tells about, and what it has to mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.delivery.answers import CHALLENGE, HAS_ONE, IDS, PAGE, REJECTS_ONE, REJECTS_SOME, RIDDLE, Case
from zkpoll.delivery.contract import Failure, Reply, Verdict
from zkpoll.inventory.formats.template import Success

SUCCESS: Final = Success(status=(200, 201, 409), path=("ok",), value=True)
"""As the page has it."""
WITHOUT_409: Final = Success(status=(200, 201), path=("ok",), value=True)

OK: Final = b'{"ok": true}'
REFUSES: Final = b'{"ok": false, "error": "unknown employee"}'
REJECTS_ONE_OF_OK: Final = b'{"ok": true, "rejected": [{"id": "b2", "error": "unknown employee"}]}'


@dataclass(frozen=True)
class TemplateCase(Case):
    """A row of the table, with what was asked of success and which punches the request held."""

    success: Success = SUCCESS
    ids: tuple[str, ...] = IDS


def _all(*statuses: int, body: bytes = OK, content_type: str = "application/json") -> tuple[Reply, ...]:
    return tuple(Reply(status, content_type, body) for status in statuses)


CASES: Final = (
    TemplateCase(
        "2xx as `success:` asks for",
        _all(200, 201)
        + _all(200, body=b'{"ok": true, "error": "none", "success": 0, "status": 500}')
        + _all(200, content_type="text/html; charset=UTF-8"),
        Verdict.CONFIRMED,
    ),
    TemplateCase(
        'the same, and `"rejected"` lists some of them',
        _all(200, body=REJECTS_ONE_OF_OK),
        Verdict.CONFIRMED,
        "those parked, the others confirmed",
    ),
    TemplateCase("2xx that is not among `status`", _all(202, 204, 207), Verdict.SUSPECT),
    TemplateCase(
        "2xx with something else at `path`, or nothing",
        _all(200, body=REFUSES)
        + _all(200, body=b"{}")
        + _all(200, body=b'{"ok": null}')
        + _all(200, body=b'{"ok": 1}'),
        Verdict.SUSPECT,
    ),
    TemplateCase(
        "2xx without JSON, where there is a `path`",
        _all(200, body=b"OK") + _all(200, body=b"") + _all(200, body=b'Saved{"ok": true}'),
        Verdict.SUSPECT,
    ),
    TemplateCase(
        'one of these three, and `"rejected"` lists some of them',
        _all(200, 202, body=REJECTS_ONE),
        Verdict.NAMED,
        "those parked",
    ),
    TemplateCase(
        '2xx, and `"rejected"` does not say which', _all(200, 202, body=REJECTS_SOME), Verdict.CONFIGURATION
    ),
    TemplateCase(
        "2xx, and the word `rejected` anywhere else, where `path` does not look",
        _all(200, body=b'{"ok": true, "data": {"rejected": ["b2"]}}')
        + _all(200, body=b'{"ok": true, "Rejected": []}'),
        Verdict.CONFIGURATION,
    ),
    TemplateCase(
        "2xx with JSON that says one thing twice",
        _all(200, body=b'{"ok": false, "ok": true}'),
        Verdict.CONFIGURATION,
    ),
    TemplateCase("409 to one punch, and 409 is among `status`", _all(409), Verdict.CONFIRMED, ids=("a1",)),
    TemplateCase(
        "409 to several, and 409 is among `status`", _all(409), Verdict.SUSPECT, "some may be there"
    ),
    TemplateCase("409 that is not among `status`", _all(409), Verdict.TRY_AGAIN, success=WITHOUT_409),
    TemplateCase(
        '409, and `"present"` lists some of them', _all(409, body=HAS_ONE), Verdict.NAMED, "those confirmed"
    ),
    TemplateCase(
        '4xx, and `"rejected"` lists some of them',
        _all(400, 409, 413, 422, 429, body=REJECTS_ONE),
        Verdict.NAMED,
        "those parked",
    ),
    TemplateCase(
        "2xx, 400, 417 or 422 with a web page",
        _all(200, 400, 417, 422, body=PAGE, content_type="text/html") + _all(200, body=PAGE),
        Verdict.CONFIGURATION,
    ),
    TemplateCase(
        "any, with a challenge or block of Cloudflare or AWS WAF",
        (
            Reply(200, body=OK, marks=CHALLENGE),
            Reply(409, "text/html", PAGE, marks=CHALLENGE),
            Reply(201, marks=RIDDLE),
        ),
        Verdict.CONFIGURATION,
    ),
    TemplateCase("409 with a web page", _all(409, body=PAGE), Verdict.TRY_AGAIN, ids=("a1",)),
    TemplateCase("2xx with more than 4 MB", (Reply(200, body=OK, whole=False),), Verdict.CONFIGURATION),
    TemplateCase("400, 417, 422", _all(400, 417, 422), Verdict.SUSPECT),
    TemplateCase("413", _all(413), Verdict.TOO_LARGE),
    TemplateCase("408, 425, 429, 5xx", _all(408, 425, 429, 500, 502, 503, 504), Verdict.TRY_AGAIN),
    TemplateCase(
        "no connection, or no whole answer within `timeout`",
        (Failure("refuses the connection"),),
        Verdict.TRY_AGAIN,
    ),
    TemplateCase("401, 403, 404, any other 4xx", _all(401, 403, 404, 405, 415, 451), Verdict.CONFIGURATION),
    TemplateCase("3xx: redirects are not followed", _all(301, 302, 307, 308), Verdict.CONFIGURATION),
    TemplateCase(
        "no TLS, none newer than 1.1, or a certificate that is not accepted",
        (Failure("expired", lasting=True),),
        Verdict.CONFIGURATION,
    ),
    TemplateCase("410", _all(410), Verdict.GONE),
    TemplateCase("anything else", _all(100, 600, 999), Verdict.CONFIGURATION),
)
