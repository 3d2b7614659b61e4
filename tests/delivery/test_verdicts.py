"""What each answer means."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.delivery.contents import read
from zkpoll.delivery.contract import Failure, Reply, Verdict
from zkpoll.delivery.excerpts import redact
from zkpoll.delivery.rejections import named
from zkpoll.delivery.verdicts import asked_wait, is_html, judge

TOKEN = "s3cret/tok+en==&<9f8e7d>"

CONFIRMED, TRY_AGAIN = Verdict.CONFIRMED, Verdict.TRY_AGAIN
CONFIGURATION, SUSPECT = Verdict.CONFIGURATION, Verdict.SUSPECT
NAMED, TOO_LARGE, GONE = Verdict.NAMED, Verdict.TOO_LARGE, Verdict.GONE
IDS = ["0a", "0b", "0c"]

STATUSES = [
    (200, CONFIRMED),
    (201, CONFIRMED),
    (202, CONFIRMED),
    (204, CONFIRMED),
    (299, CONFIRMED),
    (301, CONFIGURATION),
    (302, CONFIGURATION),
    (304, CONFIGURATION),
    (307, CONFIGURATION),
    (308, CONFIGURATION),
    (401, CONFIGURATION),
    (403, CONFIGURATION),
    (404, CONFIGURATION),
    (408, TRY_AGAIN),
    (425, TRY_AGAIN),
    (429, TRY_AGAIN),
    (500, TRY_AGAIN),
    (502, TRY_AGAIN),
    (503, TRY_AGAIN),
    (504, TRY_AGAIN),
    (599, TRY_AGAIN),
    (400, SUSPECT),
    (405, CONFIGURATION),
    (409, TRY_AGAIN),
    (410, GONE),
    (413, TOO_LARGE),
    (415, CONFIGURATION),
    (417, SUSPECT),
    (418, CONFIGURATION),
    (422, SUSPECT),
    (451, CONFIGURATION),
    (102, CONFIGURATION),
    (600, CONFIGURATION),
    (999, CONFIGURATION),
]


@pytest.mark.parametrize(("status", "verdict"), STATUSES)
def test_status(status: int, verdict: Verdict) -> None:
    """Each status has its verdict, and all but a confirmation have a sentence that names the status."""
    decision = judge(Reply(status, "application/json", b'{"detail": "as scripted"}'))
    assert decision.verdict is verdict
    assert (str(status) in decision.message) is (verdict is not CONFIRMED)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/html", b"Hello <br>"),
        ("Text/HTML; charset=utf-8", b"Hello <br>"),
        ("application/xhtml+xml", b"Hello <br/>"),
        ("", b"<html><body>Sign in"),
        ("application/json", b"<!DOCTYPE html><title>Sign in</title>"),
        ("text/plain", b"\xef\xbb\xbf \r\n\t<!DocType HTML>"),
        ("", "\ufeff<HTML lang=en>".encode("utf-16-le")),
    ],
)
def test_login_page(content_type: str, body: bytes) -> None:
    """A web page confirms nothing, however it is announced, and a person is told where to look."""
    decision = judge(Reply(200, content_type, body))
    assert decision.verdict is CONFIGURATION
    assert "login page" in decision.message
    assert "url:" in decision.message


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, "", b""),
        (200, "application/json", b'{"note": "<html>"}'),
        (200, "text/plain", b"OK"),
        (200, "application/octet-stream", b"\xff\xfe\x00"),
        (204, "text/html; charset=utf-8", b""),
        (200, "text/html; charset=utf-8", b""),
        (200, "text/html", b" \r\n"),
        (200, "text/html", b"OK"),
        (200, "text/html", b'{"note": "<html>"}'),
    ],
)
def test_not_a_page(status: int, content_type: str, body: bytes) -> None:
    """A good answer that is no web page confirms; one without content cannot be a page."""
    assert judge(Reply(status, content_type, body)).verdict is CONFIRMED


@pytest.mark.parametrize("lasting", [True, False])
def test_failure(lasting: bool) -> None:
    """No answer means another attempt, unless another attempt would fail the same way."""
    decision = judge(Failure("the cable is out", lasting))
    assert decision.verdict is (CONFIGURATION if lasting else TRY_AGAIN)
    assert decision.message == "the cable is out"


def test_redirect_says_where() -> None:
    """A redirect's message says where it points."""
    decision = judge(Reply(302, location="https://sso.example.com/login?{next}"))
    assert "https://sso.example.com/login?{next}" in decision.message


def test_own_words() -> None:
    """A refusal carries the dashboard's own words: printable, on one line, 200 characters at most."""
    decision = judge(
        Reply(422, "application/json", b'{"error":\n\t"user 1001\x1b[31m\x07 is\xe2\x80\xae unknown"}')
    )
    assert decision.message.endswith('; it says: "{"error": "user 1001[31m is unknown"}"')
    assert len(judge(Reply(422, "text/plain", b"word " * 10_000)).message) < 300
    assert "<" not in judge(Reply(400, "text/html", b"<h1>Bad request</h1>")).message


@pytest.mark.parametrize("status", [400, 417, 422])
def test_a_page_judges_no_record(status: int) -> None:
    """What a proxy or a framework shows to a browser is no word on a record."""
    assert judge(Reply(status, "text/html", b"<h1>Oops</h1>")).verdict is CONFIGURATION


def test_a_proxy_may_say_too_large() -> None:
    """413 comes from proxies, as a page, and means what it says."""
    assert judge(Reply(413, "text/html", b"<h1>413 Request Entity Too Large</h1>")).verdict is TOO_LARGE


REJECTED = b'{"rejected": [{"id": "0b", "error": "user 7 unknown"}, "0C"]}'


@pytest.mark.parametrize("status", [200, 202, 207])
def test_a_good_answer_may_reject_some(status: int) -> None:
    """A 2xx confirms but for the records it names, in any case of letters, each with its words."""
    decision = judge(Reply(status, body=REJECTED), ids=IDS)
    said = {"0b": "user 7 unknown", "0c": f"the dashboard answered {status}"}
    assert (decision.verdict, decision.rejected) == (CONFIRMED, said)


@pytest.mark.parametrize("status", [400, 409, 413, 417, 422, 429, 401])
def test_a_refusal_may_name_the_guilty(status: int) -> None:
    """A 4xx that names records refuses those; the others stay."""
    decision = judge(Reply(status, body=REJECTED), ids=IDS)
    assert (decision.verdict, list(decision.rejected)) == (NAMED, ["0b", "0c"])


@pytest.mark.parametrize("status", [500, 503, 302])
def test_other_answers_name_nothing(status: int) -> None:
    """What a server says in trouble is no word on a record."""
    decision = judge(Reply(status, body=REJECTED), ids=IDS)
    assert decision.verdict in (TRY_AGAIN, CONFIGURATION)
    assert not decision.rejected


@pytest.mark.parametrize(
    "rejected",
    ["3", '"some"', "true", '{"0b": "unknown"}', '[{"id": "elsewhere"}]', "[1]", '[{"error": "x"}]', "[["],
)
def test_rejected_but_which(rejected: str) -> None:
    """A 2xx that rejects, and does not say what, confirms nothing; a 4xx is what its status says."""
    body = f'{{"rejected": {rejected}}}'.encode()
    assert judge(Reply(200, body=body), ids=IDS).verdict is CONFIGURATION
    assert judge(Reply(422, body=body), ids=IDS).verdict is SUSPECT


@pytest.mark.parametrize("rejected", ["0", "[]", "null", "false", "{}"])
def test_nothing_rejected(rejected: str) -> None:
    """An empty list, or a count of none, rejects nothing."""
    decision = judge(Reply(200, body=f'{{"accepted": 3, "rejected": {rejected}}}'.encode()), ids=IDS)
    assert (decision.verdict, decision.rejected) == (CONFIRMED, {})


def test_an_answer_too_long_to_be_read() -> None:
    """A 2xx whose end was not read may hold a rejection, so that it confirms nothing."""
    assert judge(Reply(200, body=b'{"accepted": [', whole=False), ids=IDS).verdict is CONFIGURATION
    assert judge(Reply(422, body=b"{", whole=False), ids=IDS).verdict is SUSPECT


def test_a_conflict_may_name_what_is_present() -> None:
    """A 409 that names records as present confirms those, even where it also rejects them."""
    body = b'{"present": [{"id": "0A"}, "0c"], "rejected": [{"id": "0c"}]}'
    decision = judge(Reply(409, body=body), ids=IDS)
    assert (decision.verdict, decision.present) == (NAMED, frozenset(("0a", "0c")))
    assert judge(Reply(422, body=b'{"present": ["0a"]}'), ids=IDS).verdict is SUSPECT


def test_rejections_keep_secrets() -> None:
    """What is said of a record is as short and as silent about secrets as any message."""
    said = json.dumps({"rejected": [{"id": "0a", "error": {"token": TOKEN, "more": "x" * 900}}]})
    (words,) = judge(Reply(200, body=said.encode()), [TOKEN], IDS).rejected.values()
    assert words.startswith('{"token": "***"')
    assert len(words) <= 200


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    keys = st.sampled_from(["rejected", "present", "id", "error"])
    return st.lists(inner) | st.dictionaries(keys, inner)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), _nested))
def test_any_json(value: object) -> None:
    """Whatever JSON an answer holds, no record is named that was not sent."""
    found = named(read(json.dumps(value).encode()), IDS)
    assert found.rejected.keys() <= set(IDS)
    assert found.present <= set(IDS)


def test_depths() -> None:
    """An answer that is nested without end is not understood, and confirms nothing."""
    deep = b'{"rejected":' + b"[" * 100_000
    assert judge(Reply(200, body=deep), ids=IDS).verdict is CONFIGURATION


@pytest.mark.parametrize(
    "echo",
    [
        TOKEN,
        json.dumps({"got": f"Bearer {TOKEN}"}),
        TOKEN.replace("/", "\\/"),
        quote(TOKEN),
        quote(TOKEN, safe=""),
        TOKEN.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "\u200b".join(TOKEN),
        "\x00".join(TOKEN),
        "x" * 190 + TOKEN,
    ],
)
@pytest.mark.parametrize("status", [302, 401, 403, 404, 422, 429, 500])
def test_echoed_token(status: int, echo: str) -> None:
    """A dashboard that echoes the token does not bring it into a message or a repr."""
    reply = Reply(status, "text/plain", echo.encode(), f"https://x/?t={echo}", "1")
    shown = judge(reply, [TOKEN]).message + repr(judge(reply, [TOKEN])) + repr(reply)
    for part in (TOKEN, quote(TOKEN, safe=""), TOKEN[:10], "s3cret"):
        assert part not in shown


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("86400", 30),
        ("9" * 5000, 30),
        ("-5", 0),
        ("1.5", 0),
        ("\u0667", 0),
        ("Wed, 21 Oct 2026 07:28:10 GMT", 10),
        ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
        ("Thu, 22 Oct 2026 07:28:00 GMT", 30),
        ("Wed, 99 Oct 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2026 07:28:10", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    """Seconds or a date are honoured up to half a minute; anything else asks for nothing."""
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert asked_wait(Reply(503, retry_after=header, date=date)) == seconds


def test_a_date_needs_a_date() -> None:
    """A date counts from the answer's own: no other clock is asked."""
    for date in ("", "yesterday"):
        assert asked_wait(Reply(503, retry_after="Wed, 21 Oct 2026 07:28:10 GMT", date=date)) == 0


@given(
    status=st.integers(0, 999),
    content_type=st.text() | st.sampled_from(["text/html", "application/json"]),
    body=st.binary() | st.sampled_from([b"<html>", b" <!doctype HTML", b"{}"]),
    location=st.text(),
    retry_after=st.text() | st.integers().map(str),
)
def test_any_answer(status: int, content_type: str, body: bytes, location: str, retry_after: str) -> None:
    """Any answer gets a verdict, and only a 2xx that is no web page confirms."""
    reply = Reply(status, content_type, body, location, retry_after)
    decision = judge(reply, [TOKEN])
    assert (decision.verdict is CONFIRMED) is (200 <= status <= 299 and not is_html(reply))
    assert (decision.message == "") is (decision.verdict is CONFIRMED)
    assert not decision.rejected
    assert decision.message.isprintable()
    assert 0 <= decision.wait <= 30


@given(token=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8), around=st.text())
def test_redact(token: str, around: str) -> None:
    """The token is gone from any text, and text without one is left alone."""
    assert token not in redact(f"{around}{token}{around}", [token])
    assert redact(around, []) == around
