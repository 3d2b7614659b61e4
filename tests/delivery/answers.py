"""Every answer that docs/dashboards.md tells about, and what it has to mean."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    b'{"status": false}',
    b'{"status": 500}',
    b'{"inserted": 2, "failed": 1}',
    b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Server Error"}}',
    b'{"status": "error: database is locked"}',
    b'{"status": "400 Bad Request"}',
    b'{"isSuccess": false}',
    b'{"succeeded": false, "data": null}',
    b'{"result": "error"}',
    b'{"has_errors": true}',
    b'{"code": 500, "message": "Internal Error"}',
    b'{"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3.00 seconds"}',  # AWS Lambda
    b'{"FailedRecordCount": 1, "Records": [{"SequenceNumber": "4"}]}',  # AWS Kinesis, PutRecords
    b"false",
    b"0",
)
SAYS_SO = (
    b"ERROR: database is locked",
    b"Error: No database selected",  # MySQL's 1046
    b"Connection failed: Access denied for user 'root'@'localhost'",  # what PHP's tutorials let it say
    b"Could not connect: Can't connect to MySQL server",
    b"SQLSTATE[HY000] [2002] No such file or directory",
    b"Connected successfullyError: INSERT INTO punches",
    b"errors: 10",
    b"2 saved, 1 failed",
    b"Traceback (most recent call last):",
    b"Unauthorized",
    b'\nWarning: mysqli_connect(): Connection refused in /var/www/in.php on line 3\n{"ok":true}',
)
SAYS_NONE_DID = (
    b"3 saved, 0 failed",
    b"Failed: 0",
    b"Failed punches = 0, saved 3",
    b"ERRORS: none",
    b"Saved without any errors.",
    b"Error log empty",
)
FAILS_ONE = b'{"ok": false, "rejected": [{"id": "b2", "error": "unknown employee"}]}'
BROKEN = (b'{"ok": tr', b"OK", b'{"ok": true} and more')
AROUND = (b'Connected successfully{"ok":true}', b'{"ok":true}<script src="//counter.example"></script>')
TWICE = (b'{"ok": false, "ok": true}', b'{"data": [{"id": "a1", "id": "b2"}]}')
PAGE = b"<!doctype html><title>Log in</title>"
PAGES = (
    PAGE,
    b"\r\n <!-- nobody --> ",
    b"<?xml version='1.0'?><error/>",
    b"<head><title>Log in",
    b'"<html>"',
    b'<b>Warning</b>: mysqli\n{"ok":true}',
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 50
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CUT = (
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    CHUNKED,
    CHUNKED + b"5\r\n{",
    CHUNKED + b"2\r\n{}\r\n",
    INTERIM,
)
CHALLENGE = {"cf-mitigated": "challenge"}
"""As Cloudflare tells of one."""
RIDDLE = {"x-amzn-waf-action": "challenge"}
"""As AWS WAF does, with a 202 and no body."""

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
    raw: tuple[bytes, ...] = field(default=(), kw_only=True)
    """What a server sends, byte for byte, that comes to the same."""

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
            *_all(200, body=b'{"error": "none", "errorMessage": "", "failed": "0", "hasErrors": false}'),
            *_all(201, body=b'{"id": 7, "code": "450", "status": 1, "type": 0}'),  # what it made of the punch
            *(Reply(200, "text/plain", body) for body in SAYS_NONE_DID),
            *_all(200, body=b'{"ok":true}', content_type="text/html; charset=UTF-8"),
            *_all(200, body=b"1", content_type="text/html"),
        ),
        Verdict.CONFIRMED,
    ),
    Case(
        "2xx behind 1xx, however many",
        _all(200),
        Verdict.CONFIRMED,
        raw=tuple(INTERIM + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + end for end in (b"OK", b"{}")),
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
        (
            *(reply for body in FAILS for reply in _all(200, 202, 207, body=body)),
            *(Reply(200, kind, body) for body in SAYS_SO for kind in ("text/html", "text/plain", "")),
        ),
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
        (
            *(reply for body in BROKEN + TWICE for reply in _all(200, body=body)),
            *(reply for body in AROUND for reply in _all(200, body=body, content_type="text/html")),
        ),
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
    Case(
        "any, with a challenge or block of Cloudflare or AWS WAF",
        (
            *(Reply(status, "text/html", PAGE, marks=CHALLENGE) for status in (200, 403, 429, 503)),
            Reply(403, "text/html", b"<title>Just a moment...</title>", marks={"server": "cloudflare"}),
            Reply(403, "text/plain", b"error code: 1020", marks={"server": "cloudflare"}),
            *(Reply(status, marks=RIDDLE) for status in (202, 405)),
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
    Case(
        "400 of a port that speaks TLS, where `url:` begins with http",
        (
            *_all(400, body=b"<title>400 The plain HTTP request was sent to HTTPS port</title>"),
            Reply(400, body=b"Client sent an HTTP request to an HTTPS server.\n"),
        ),
        Verdict.CONFIGURATION,
    ),
    Case("400, 417, 422", _all(400, 417, 422), Verdict.SUSPECT),
    Case("413", _all(413), Verdict.TOO_LARGE),
    Case("408, 409, 425, 429, 5xx", _all(408, 409, 425, 429, 500, 502, 503, 504), Verdict.TRY_AGAIN),
    Case(
        "no connection, or no whole answer within `timeout`",
        (Failure("refuses the connection"),),
        Verdict.TRY_AGAIN,
    ),
    Case("any that breaks off, 200 or not", (Failure("closed the connection"),), Verdict.TRY_AGAIN, raw=CUT),
    Case("what is not HTTP", (Failure("is not HTTP"),), Verdict.TRY_AGAIN, raw=(b"SSH-2.0-OpenSSH_9.6\r\n",)),
    Case("401, 403, 404, any other 4xx", _all(401, 403, 404, 405, 407, 415, 418, 451), Verdict.CONFIGURATION),
    Case(
        "407, or a proxy that lets nobody through",
        (*_all(407, body=PAGE), Failure("lets nobody through", lasting=True)),
        Verdict.CONFIGURATION,
    ),
    Case("3xx: redirects are not followed", _all(301, 302, 304, 307, 308), Verdict.CONFIGURATION),
    Case(
        "no TLS, none newer than 1.1, or a certificate that is not accepted",
        (Failure("expired", lasting=True),),
        Verdict.CONFIGURATION,
    ),
    Case(
        "TLS, where `url:` begins with http",
        (Failure("speaks TLS", lasting=True),),
        Verdict.CONFIGURATION,
        raw=(b"\x15\x03\x01\x00\x02\x02\x46",),
    ),
    Case("410", _all(410), Verdict.GONE),
    Case("anything else", _all(100, 199, 600, 999), Verdict.CONFIGURATION),
)
