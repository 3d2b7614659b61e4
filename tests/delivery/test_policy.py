"""What each answer means."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.delivery.policy import Failure, Reply, Verdict, asked_wait, is_html, judge, redact

TOKEN = "s3cret/tok+en==&<9f8e7d>"

CONFIRMED, TRY_AGAIN = Verdict.CONFIRMED, Verdict.TRY_AGAIN
CONFIGURATION, STAYS = Verdict.CONFIGURATION, Verdict.STAYS

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
    (400, STAYS),
    (405, STAYS),
    (409, STAYS),
    (413, STAYS),
    (422, STAYS),
    (102, STAYS),
    (600, STAYS),
    (999, STAYS),
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
        ("text/html", b"ok"),
        ("text/html", b""),
        ("Text/HTML; charset=utf-8", b"ok"),
        ("application/xhtml+xml", b""),
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
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    """A number of seconds is honoured up to half a minute; anything else asks for nothing."""
    assert asked_wait(header) == seconds


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
    assert decision.message.isprintable()
    assert 0 <= decision.wait <= 30


@given(token=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8), around=st.text())
def test_redact(token: str, around: str) -> None:
    """The token is gone from any text, and text without one is left alone."""
    assert token not in redact(f"{around}{token}{around}", [token])
    assert redact(around, []) == around
