"""Every answer that docs/dashboards.md tells about, and what it has to mean."""

from __future__ import annotations

from dataclasses import dataclass

from zkpoll.delivery.contract import Answer, Failure, Reply, Verdict

IDS = ("a1", "b2", "c3")
"""The ids of the request that is answered."""
REJECTS_ONE = b'{"rejected": [{"id": "b2", "error": "unknown employee"}]}'
REJECTS_SOME = b'{"accepted": 1, "rejected": 2}'
HAS_ONE = b'{"present": [{"id": "a1"}]}'
REJECTS_ELSEWHERE = (
    b'{"data": {"rejected": ["b2"]}}',
    b'[{"id": "b2", "state": "Rejected"}]',
    b'{"Rejected": []}',
    b'{"rejected": [], "note": "2 REJECTED"}',
    b"1 rejected",
)
FAILS = (
    b'{"error": "database is locked"}',
    b'{"errors": ["b2"], "data": null}',
    b'{"ok": false}',
    b'{"success": "false"}',
    b'{"status": "error"}',
    b'[{"id": "a1", "ok": true}, {"id": "b2", "ok": false}]',
    b'{"results": [{"id": "b2", "error": "unknown employee"}]}',
    b"false",
)
FAILS_ONE = b'{"ok": false, "rejected": [{"id": "b2", "error": "unknown employee"}]}'
BROKEN = (b'{"ok": tr', b"OK", b'{"ok": true} and more')
TWICE = (b'{"ok": false, "ok": true}', b'{"data": [{"id": "a1", "id": "b2"}]}')
PAGE = b"<!doctype html><title>Log in</title>"
PAGES = (
    PAGE,
    b"\r\n <!-- nobody --> ",
    b"<?xml version='1.0'?><error/>",
    b"<head><title>Log in",
    b'"<html>"',
)

GOES_ON = "goes on"
SPLITS = "sends them again in halves"
STOPS = "stops there, and says what to put right"
RETRIES = "tries again, up to `attempts` times"

MEANINGS = {
    Verdict.CONFIRMED: ("confirmed", GOES_ON),
    Verdict.TRY_AGAIN: ("stay pending", RETRIES),
    Verdict.TOO_LARGE: ("stay pending", "sends them again in halves, and no larger ones"),
    Verdict.SUSPECT: ("at fault, or not: see below", SPLITS),
    Verdict.CONFIGURATION: ("stay pending", STOPS),
    Verdict.GONE: ("stay pending", "stops there until `zkpoll dashboards resume NAME`"),
}
"""What a verdict is to the punches, and what the run does; of one that names none."""


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    shown: str
    answers: tuple[Answer, ...]
    verdict: Verdict
    punches: str = ""
    """Where the answer names some of them."""

    @property
    def row(self) -> str:
        """The row as the page shows it."""
        punches, run = MEANINGS.get(self.verdict, ("", "sends the others again"))
        return f"| {self.shown} | {self.punches or punches} | {run} |"


def _all(*statuses: int, body: bytes = b"{}", content_type: str = "application/json") -> tuple[Reply, ...]:
    return tuple(Reply(status, content_type, body) for status in statuses)


CASES = (
    Case(
        "2xx",
        (
            *_all(200, 201, 202, 204, 299),
            *_all(200, 207, body=b'{"rejected": []}'),
            *(Reply(200, "text/html", body) for body in (b"OK", b'{"id": "<b>"}', b"")),
            *(Reply(200, "text/plain", body) for body in (b"OK", b"")),
            *_all(200, body=b'{"error": null, "ok": 1, "status": "ok", "errors": []}'),
        ),
        Verdict.CONFIRMED,
    ),
    Case(
        '2xx, and `"rejected"` lists some of them',
        _all(200, 207, body=REJECTS_ONE),
        Verdict.CONFIRMED,
        "those parked, the others confirmed",
    ),
    Case('2xx, and `"rejected"` does not say which', _all(200, body=REJECTS_SOME), Verdict.CONFIGURATION),
    Case(
        "2xx, and the word `rejected` anywhere else",
        tuple(Reply(200, body=body) for body in REJECTS_ELSEWHERE),
        Verdict.CONFIGURATION,
    ),
    Case(
        "2xx that says that it failed",
        tuple(reply for body in FAILS for reply in _all(200, 202, 207, body=body)),
        Verdict.SUSPECT,
    ),
    Case(
        'the same, and `"rejected"` lists some of them',
        _all(200, 207, body=FAILS_ONE),
        Verdict.NAMED,
        "those parked",
    ),
    Case(
        '207 without `"rejected"`',
        (*_all(207), *_all(207, body=b"[]"), Reply(207)),
        Verdict.CONFIGURATION,
    ),
    Case(
        "2xx with JSON that is broken, or says one thing twice",
        tuple(reply for body in BROKEN + TWICE for reply in _all(200, body=body)),
        Verdict.CONFIGURATION,
    ),
    Case(
        "2xx, 400, 417 or 422 with a web page",
        (
            *_all(200, 400, 417, 422, body=PAGE, content_type="text/html"),
            *(reply for body in PAGES for reply in _all(200, 422, body=body)),
            Reply(200, "text/html", b"Hello <a href='/login'>"),
        ),
        Verdict.CONFIGURATION,
    ),
    Case("2xx with more than 4 MB", (Reply(200, body=b"{", whole=False),), Verdict.CONFIGURATION),
    Case(
        '4xx, and `"rejected"` lists some of them',
        _all(400, 401, 409, 413, 417, 422, 429, body=REJECTS_ONE),
        Verdict.NAMED,
        "those parked",
    ),
    Case(
        '409, and `"present"` lists some of them', _all(409, body=HAS_ONE), Verdict.NAMED, "those confirmed"
    ),
    Case("400, 417, 422", _all(400, 417, 422), Verdict.SUSPECT),
    Case("413", _all(413), Verdict.TOO_LARGE),
    Case("408, 409, 425, 429, 5xx", _all(408, 409, 425, 429, 500, 502, 503, 504), Verdict.TRY_AGAIN),
    Case(
        "no connection, or no whole answer within `timeout`",
        (Failure("refuses the connection"),),
        Verdict.TRY_AGAIN,
    ),
    Case("401, 403, 404, any other 4xx", _all(401, 403, 404, 405, 415, 418, 451), Verdict.CONFIGURATION),
    Case("3xx: redirects are not followed", _all(301, 302, 304, 307, 308), Verdict.CONFIGURATION),
    Case(
        "no TLS, or a certificate that is not accepted",
        (Failure("expired", lasting=True),),
        Verdict.CONFIGURATION,
    ),
    Case("410", _all(410), Verdict.GONE),
    Case("anything else", _all(100, 199, 600, 999), Verdict.CONFIGURATION),
)
