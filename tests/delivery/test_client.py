"""One POST, one answer, within a total limit; against a real server."""

from __future__ import annotations

import gc
import gzip
import logging
import re
import socket
import ssl
import threading
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook

from tests.certificates import Authority
from tests.delivery.dashboard import DROP, Dashboard, MuteServer, Script
from tests.delivery.forms import request
from tests.delivery.outbox import EXAMPLE
from zkpoll import __version__
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Answer, Failure, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Serve = Callable[..., Dashboard]

TOKEN = "s3cret-t0ken-9f8e7d6c"
SIGNING = "whsec_c2lnbmluZy1zZWNyZXQtb2YtMzItYnl0ZXMtMDEyMw=="
LIMIT = 0.5
"""Seconds: the total limit in these tests."""
SOON = LIMIT + 1.0
"""Seconds within which a request with that limit must have ended, on a busy machine."""
REQUEST = request("events", [EXAMPLE])
LARGE = Request(b"x" * 32_000_000, "key", ("id",))
"""More than the kernel's buffers take on behalf of a server that reads nothing."""


def post(url: str, token: str | None = TOKEN, timeout: float = 5.0, request: Request = REQUEST) -> Answer:
    """Return a new client's answer to one request."""
    with Client(Access(url, timeout, token)) as client:
        return client.send(request)


def post_timed(url: str, request: Request = REQUEST) -> tuple[Answer, float]:
    """Return the answer under the short limit, and the seconds it took."""
    started = time.monotonic()
    answer = post(url, timeout=LIMIT, request=request)
    return answer, time.monotonic() - started


def reason(answer: Answer) -> str:
    """Return why there is no answer."""
    assert isinstance(answer, Failure), answer
    return answer.reason


def test_what_is_sent(serve: Serve) -> None:
    """The body goes out verbatim, with the token, its key and who sends it."""
    server = serve()
    assert post(server.url) == Reply(200, body=b'{"ok":true}')
    (got,) = server.received
    assert (got.path, got.body) == ("/v1/attendance", REQUEST.body)
    assert got.headers["Authorization"] == f"Bearer {TOKEN}"
    assert got.headers["Idempotency-Key"] == REQUEST.key
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Accept"] == "application/json"
    assert got.headers["User-Agent"] == f"zkpoll/{__version__}"


def test_what_comes_back(serve: Serve) -> None:
    """An answer's status, type, body and wishes come back as they were sent."""
    date = "Sun, 22 Nov 2026 08:59:58 GMT"
    headers = {"Content-Type": "text/plain", "Retry-After": "9", "Location": "/x", "Date": date}
    server = serve(Script(503, headers, b"busy"))
    assert post(server.url) == Reply(503, "text/plain", b"busy", "/x", "9", date, whole=True)


def test_options(serve: Serve) -> None:
    """What an address takes is asked with the credentials, and with neither a body nor a key."""
    server = serve(Script(204, {"Allow": "OPTIONS, POST"}, b""))
    with Client(Access(server.url, 5.0, TOKEN, headers={"X-Api-Key": "k"}, signing=(SIGNING,))) as client:
        assert client.send(Request(method="OPTIONS")) == Reply(204)
    (got,) = server.received
    assert (got.method, got.path, got.body) == ("OPTIONS", "/v1/attendance", b"")
    assert (got.headers["Authorization"], got.headers["X-Api-Key"]) == (f"Bearer {TOKEN}", "k")
    assert not {"content-type", "idempotency-key", "webhook-id"} & {name.lower() for name in got.headers}


def test_a_user_and_a_password(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user and a password go as Basic, and those in ~/.netrc stay there."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password netrc-password\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve()
    with Client(Access(server.url, 5.0, basic=("zkpoll", "p\u00e4ssword"))) as client:
        client.send(REQUEST)
    # The bytes of "zkpoll:p\u00e4ssword" in UTF-8.
    assert server.received[0].headers["Authorization"] == "Basic emtwb2xsOnDDpHNzd29yZA=="


def test_extra_headers(serve: Serve) -> None:
    """Extra headers go with every request, an Authorization among them too; ours stay ours."""
    extra = {"X-Api-Key": "k\u00e9y", "authorization": "Key 1", "content-type": "text/html"}
    server = serve()
    with Client(Access(server.url, 5.0, headers=extra)) as client:
        client.send(REQUEST)
        client.send(REQUEST)
    for got in server.received:
        sent = [(name.lower(), value) for name, value in got.headers.items()]
        assert ("x-api-key", "k\u00e9y") in sent
        assert [value for name, value in sent if name == "authorization"] == ["Key 1"]
        assert [value for name, value in sent if name == "content-type"] == ["application/json"]


def test_large_requests_are_packed(serve: Serve) -> None:
    """Where it is asked for, what is over 8 kB is packed, the same each time; its key does not change."""
    small, large = (Request(b'"' + b"x" * size + b'"', "k" * 64, ("id",)) for size in (8_190, 8_191))
    server = serve()
    with Client(Access(server.url, 5.0, gzip=True)) as client:
        for sent in (small, large):
            client.send(sent)
        time.sleep(1.1)  # the time in a packed body is in seconds
        client.send(large)
    assert post(server.url, request=large) == Reply(200, body=b'{"ok":true}')
    plain, packed, again, unasked = server.received
    assert (plain.body, plain.headers["Content-Encoding"]) == (small.body, None)
    assert (unasked.body, unasked.headers["Content-Encoding"]) == (large.body, None)
    assert (packed.body, packed.headers["Content-Encoding"]) == (again.body, "gzip")
    assert gzip.decompress(packed.body) == large.body
    assert packed.headers["Idempotency-Key"] == large.key


@pytest.mark.parametrize("packed", [False, True])
def test_requests_are_signed(serve: Serve, packed: bool) -> None:
    """Each attempt is signed at its own time, over the events as they were before packing."""
    large = Request(b'"' + b"x" * 10_000 + b'"', "k" * 64, ("id",))
    server = serve()
    with Client(Access(server.url, 5.0, gzip=packed, signing=(SIGNING,))) as client:
        before = time.time()
        client.send(large)
        time.sleep(1.1)
        client.send(large)
    for got in server.received:
        body = gzip.decompress(got.body) if packed else got.body
        Webhook(SIGNING).verify(body, dict(got.headers), json_parse=False)
    ids = {got.headers["webhook-id"] for got in server.received}
    first, second = (int(got.headers["webhook-timestamp"]) for got in server.received)
    assert ids == {large.key}
    assert int(before) <= first < second <= time.time()


def test_keep_alive(serve: Serve) -> None:
    """Requests to one dashboard share a connection, and carry no cookie from one to the next."""
    server = serve(Script(headers={"Set-Cookie": "session=1; Path=/"}))
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        for _ in range(3):
            client.send(REQUEST)
    assert len({got.peer for got in server.received}) == 1
    assert [got.headers["Cookie"] for got in server.received] == [None] * 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_not_followed(serve: Serve, status: int) -> None:
    """The token and the punches go nowhere but to the address they were meant for."""
    elsewhere = serve()
    server = serve(Script(status, {"Location": elsewhere.url}))
    assert post(server.url) == Reply(status, body=b'{"ok":true}', location=elsewhere.url)
    assert elsewhere.received == []


def test_redirect_to_nonsense(serve: Serve) -> None:
    """A redirect to what is no address is an answer like any other."""
    server = serve(Script(302, {"Location": "http://[::bad/\xff"}))
    assert isinstance(post(server.url), Reply)


@pytest.mark.parametrize("token", [TOKEN, None])
def test_netrc_not_used(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """A password in ~/.netrc neither replaces the token nor stands in for a missing one."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password netrc-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    server = serve()
    post(server.url, token)
    assert server.received[0].headers["Authorization"] == (f"Bearer {TOKEN}" if token else None)


def test_proxy_from_the_environment(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP_PROXY is used, and NO_PROXY takes a dashboard out of it."""
    proxy, server = serve(), serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    post("http://dashboard.invalid/v1")
    assert proxy.received[0].path == "http://dashboard.invalid/v1"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    post(server.url)
    assert len(server.received) == 1


def test_proxy_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be reached is named as the culprit."""
    with MuteServer() as gone:
        place = gone.place
    monkeypatch.setenv("HTTPS_PROXY", f"http://somebody:proxy-password@{place}")
    answer = post("https://dashboard.invalid/v1")
    assert "HTTPS_PROXY" in reason(answer)
    assert "proxy-password" not in reason(answer)


@pytest.mark.parametrize("part", ["head", "body"])
def test_trickled_answer(serve: Serve, part: str) -> None:
    """The limit holds for the whole answer, not for the silence between two of its bytes."""
    answer, took = post_timed(serve(Script(trickle=part)).url)  # type: ignore[arg-type]
    assert reason(answer).endswith("within 0.5 s")
    assert LIMIT - 0.1 < took < SOON


def test_trickled_answer_on_a_kept_connection(serve: Serve) -> None:
    """The limit holds for the second request on a connection as for the first."""
    server = serve(Script(), Script(trickle="body"), Script())
    with Client(Access(server.url, LIMIT, TOKEN)) as client:
        answers = [client.send(REQUEST) for _ in range(3)]
    assert [type(answer) for answer in answers] == [Reply, Failure, Reply]
    peers = [got.peer for got in server.received]
    assert peers[0] == peers[1] != peers[2]


def test_late_answer(serve: Serve) -> None:
    """An answer that does not begin within the limit is none."""
    answer, took = post_timed(serve(Script(delay=60)).url)
    assert "no complete answer" in reason(answer)
    assert took < SOON


def test_upload_never_read(serve: Serve) -> None:
    """The limit holds for a dashboard that takes the connection and never reads the punches."""
    answer, took = post_timed(serve(Script(deaf=True)).url, LARGE)
    assert "no complete answer" in reason(answer)
    assert took < SOON


def test_never_connected() -> None:
    """The limit holds while connecting."""
    with MuteServer(backlog=0) as server:
        server.fill(4)
        answer, took = post_timed(f"http://{server.place}/")
    assert "no complete answer" in reason(answer)
    assert took < SOON


def test_tls_handshake_unanswered() -> None:
    """The limit holds during the TLS handshake, and a slow one is not called a wrong certificate."""
    with MuteServer() as server:
        answer, took = post_timed(f"https://{server.place}/")
    assert isinstance(answer, Failure)
    assert not answer.lasting
    assert "no complete answer" in reason(answer)
    assert took < SOON


@pytest.mark.parametrize(
    "script", [Script(trickle="head"), Script(trickle="body"), Script(deaf=True)], ids=lambda s: str(s)[14:50]
)
def test_limit_over_tls(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    """The total limit holds inside TLS too."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    answer, took = post_timed(serve(script, certificate=certificate).url, LARGE if script.deaf else REQUEST)
    assert "no complete answer" in reason(answer)
    assert took < SOON


def test_trusted_tls(serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate whose authority is named is accepted, and the connection is kept alive."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server = serve(certificate=certificate)
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        answers = [client.send(REQUEST) for _ in range(2)]
    assert [type(answer) for answer in answers] == [Reply, Reply]
    assert len({got.peer for got in server.received}) == 1


def test_untrusted_tls(serve: Serve, certificate: Path) -> None:
    """A certificate nobody vouches for gets no punch, no token and no second attempt."""
    server = serve(certificate=certificate)
    answer = post(server.url)
    assert isinstance(answer, Failure)
    assert answer.lasting
    assert "self-signed certificate" in answer.reason
    assert server.received == []


def test_an_authority_of_its_own(serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ca_file` vouches for the dashboard, whatever bundle the environment names."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
    server = serve(certificate=authority.in_one_file("dashboard"))
    with Client(Access(server.url, 5.0, TOKEN, ca_file=authority.file)) as client:
        assert [type(client.send(REQUEST)) for _ in range(2)] == [Reply, Reply]


def test_another_authority(
    serve: Serve, authority: Authority, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ca_file` alone vouches: what the environment's bundle would accept is refused, and it is named."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server = serve(certificate=certificate)
    with Client(Access(server.url, 5.0, TOKEN, ca_file=authority.file)) as client:
        answer = client.send(REQUEST)
    assert "put its authority into ca_file:" in reason(answer)
    assert server.received == []
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "name its authority in ca_file:" in reason(post(server.url))


@pytest.mark.parametrize("split", [True, False])
def test_a_certificate_of_ours(serve: Serve, authority: Authority, split: bool) -> None:
    """A dashboard that asks for certificates gets ours, whether its key is in the same file or not."""
    server = serve(certificate=authority.in_one_file("dashboard"), clients=authority.file)
    cert, key = authority.issue("zkpoll") if split else (authority.in_one_file("zkpoll"), None)
    with Client(
        Access(server.url, 5.0, TOKEN, ca_file=authority.file, client_cert=cert, client_key=key)
    ) as client:
        assert [type(client.send(REQUEST)) for _ in range(2)] == [Reply, Reply]


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_no_certificate_or_a_wrong_one(
    serve: Serve, authority: Authority, tmp_path: Path, given: bool, old: bool
) -> None:
    """A dashboard that lacks our certificate, in TLS 1.2 or 1.3, gets no punch, and client_cert is named."""
    server = serve(certificate=authority.in_one_file("dashboard"), clients=authority.file)
    if old:
        server.socket.context.maximum_version = ssl.TLSVersion.TLSv1_2  # type: ignore[attr-defined]
    cert = Authority(tmp_path, "stranger").in_one_file("zkpoll") if given else None
    with Client(Access(server.url, 5.0, TOKEN, ca_file=authority.file, client_cert=cert)) as client:
        answer = client.send(REQUEST)
    assert isinstance(answer, Failure)
    assert answer.lasting
    remedy = "does it accept the certificate in client_cert:" if given else "name one in client_cert:"
    assert remedy in answer.reason
    assert server.received == []


def test_tls_to_plain_port(serve: Serve) -> None:
    """https:// to a port that speaks plain HTTP says so."""
    answer = post(serve().url.replace("http:", "https:"))
    assert isinstance(answer, Failure)
    assert answer.lasting
    assert "no TLS" in answer.reason


def test_refused() -> None:
    """A closed port is another attempt's business."""
    with MuteServer() as gone:
        place = gone.place
    assert post(f"http://{place}/") == Failure(
        f"{place} refuses the connection; is the dashboard running there?", unsent=True
    )


def test_what_surely_did_not_go_out(serve: Serve, certificate: Path) -> None:
    """Without a connection, and over none that can be trusted, nobody has a request; with one, who knows."""
    with MuteServer() as mute, MuteServer(0) as full:
        full.fill(4)
        asked = {
            "http://no-such-host.invalid/": True,
            "ftp://127.0.0.1/": True,
            "http://127.0.0.1:9/": True,
            f"http://{full.place}/": True,
            serve(certificate=certificate).url: True,
            f"http://{mute.place}/": False,
            serve(DROP).url: False,
            serve(Script(trickle="head")).url: False,
        }
        found = {url: post(url, timeout=0.4) for url in asked}
    assert {url: answer.unsent for url, answer in found.items() if isinstance(answer, Failure)} == asked


@pytest.mark.parametrize(
    "script",
    [
        DROP,
        Script(raw=b"HTTP/1.1 200 OK"),
        Script(raw=b"HTTP/1.1 200 OK\r\n"),
        Script(raw=b"HTTP/1.1 200 OK\r\nContent-Type: text/ht"),
        Script(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"),
        Script(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
        Script(raw=b"HTTP/1.1 100 Continue\r\n\r\n"),
        Script(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
        Script(raw=b"\x00\xff" * 100),
        Script(raw=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    ],
    ids=lambda script: str(script.raw)[:40],
)
def test_half_an_answer(serve: Serve, script: Script) -> None:
    """An answer that was cut or damaged anywhere is no answer, even if its beginning says 200."""
    answer = post(serve(script).url)
    assert isinstance(answer, Failure)
    assert not answer.lasting


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NO_HTTP = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", 'it begins with "SSH-2.0-OpenSSH_9.6"'),
    "bytes": (b"\x15\x02\x01\x00\x02\x1b[31m\n", 'it begins with "[31m"'),
    "a body alone": (b'{"ok": true}\n', 'it begins with "{"ok": true}"'),
    "another version": (b"HTTP/2.0 200 OK\r\n\r\n", 'it begins with "HTTP/2.0 200 OK"'),
    "a status that Python reads": (b"HTTP/1.1 2_0_0 OK\r\n\r\n", 'it begins with "HTTP/1.1 2_0_0 OK"'),
    "a status without end": (b"HTTP/1.1 200 " + b"x" * 90_000, "its head has no end"),
    "a header without end": (OK + b"X: " + b"x" * 90_000, "its head has no end"),
    "headers without end": (OK + b"X: y\r\n" * 200, "its head has no end"),
    "no header": (OK + b"no header\r\nContent-Length: 100\r\n\r\n{}", "a line among its headers is none"),
    "a blank too many": (OK + b"Transfer-Encoding : chunked\r\n\r\n", "a line among its headers is none"),
    "no length": (OK + b"Content-Length: some\r\n\r\n{}", "its Content-Length is no number"),
    "a length below 0": (OK + b"Content-Length: -1\r\n\r\n{}", "its Content-Length is no number"),
    "two lengths": (
        OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "it has two values for Content-Length",
    ),
    "no size": (CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n", "in pieces, one of them without a size"),
    "a size below 0": (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", "in pieces, one of them without a size"),
    "a size without end": (CHUNKED + b"0" * 90_000, "a line between the pieces of its body has no end"),
    "a trailer without end": (CHUNKED + b"0\r\n" + b"x" * 90_000, "a line between the pieces of its body"),
    "not packed": (
        OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        "its body is not packed as its Content-Encoding says",
    ),
}


@pytest.mark.parametrize(("raw", "told"), NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_not_http(serve: Serve, raw: bytes, told: str) -> None:
    """What answers and is not HTTP is named as such, with what was seen, without control characters."""
    answer = post(serve(Script(raw=raw)).url)
    assert isinstance(answer, Failure)
    assert not answer.lasting
    assert re.fullmatch(
        rf"what answers at 127\.0\.0\.1:\d+ is not HTTP: .*{re.escape(told)}.*; check url:", answer.reason
    )
    assert answer.reason.isprintable()


@pytest.mark.parametrize("before", [0, 50, 150, 190])
def test_what_is_not_http_echoes_no_secret(serve: Serve, before: int) -> None:
    """Of what answers with the token in place of HTTP, no part of the token is shown."""
    said = reason(post(serve(Script(raw=f"{'x' * before}{TOKEN}\r\n".encode())).url))
    assert "is not HTTP" in said
    assert TOKEN[:4] not in said


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "complete"),
        (b"HTTP/1.1 2", "complete: its head broke off"),
        (OK + b"Content-Le", "complete: its head broke off"),
        (OK + b"Content-Length: 1100\r\n\r\n{}", "complete: 2 of 1,100 bytes of its body came"),
        (CHUNKED, "complete: its body broke off"),
        (CHUNKED + b"5\r\nhe", "complete: its body broke off"),
        (CHUNKED + b"2\r\n{}\r\n", "complete: its body broke off"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", "complete"),
    ],
)
def test_how_far_it_came(serve: Serve, raw: bytes, told: str) -> None:
    """An answer that broke off says where."""
    said = reason(post(serve(Script(raw=raw)).url))
    assert said.endswith(f"closed the connection before its answer was {told}")


@pytest.mark.parametrize("header", [b"no header", b"X Powered By: somebody", b"X : y"])
def test_an_odd_header_that_hides_no_length(serve: Serve, header: bytes) -> None:
    """A line among the headers that is none does no harm where the length stands before it."""
    raw = OK + b"Content-Length: 2\r\n" + header + b"\r\nX: y\r\n\r\n{}"
    assert post(serve(Script(raw=raw)).url) == Reply(200, body=b"{}")


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints", "199"])
def test_interim_answers_are_skipped(serve: Serve, status: str) -> None:
    """The answer to a request is the one behind all interim ones, and none is left for the next request."""
    interim = f"HTTP/1.1 {status}\r\nLink: </x>\r\n\r\n".encode()
    server = serve(Script(early=interim * 3, delay=0.3, body=b'"first"'), Script(body=b'"second"'))
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        assert client.send(REQUEST) == Reply(200, body=b'"first"')
        assert client.send(REQUEST) == Reply(200, body=b'"second"')


def test_another_protocol_is_not_spoken(serve: Serve) -> None:
    """A connection on which the dashboard goes over to another protocol carries no further request."""
    switch = Script(early=b"HTTP/1.1 101 Switching Protocols\r\n\r\n", delay=0.3, body=b'"first"')
    server = serve(switch, Script(body=b'"second"'))
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        assert client.send(REQUEST) == Reply(101)
        assert client.send(REQUEST) == Reply(200, body=b'"second"')


def test_interim_answers_without_end(serve: Serve) -> None:
    """The limit holds for a dashboard that sends nothing but interim answers."""
    answer, took = post_timed(serve(Script(early=b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10_000, delay=60)).url)
    assert "no complete answer" in reason(answer)
    assert took < SOON


@pytest.mark.parametrize(
    "raw",
    [
        CHUNKED + b"0" * 60_000_000,
        CHUNKED + b"0\r\n" + b"x" * 60_000_000,
        OK + b"X: y\r\n" * 10_000_000,
        OK + b"X: " + b"x" * 60_000_000,
        b"x" * 60_000_000,
        OK + b"Content-Length: 4000000000\r\n\r\n" + b"x" * 60_000_000,
        CHUNKED + b"f0000000\r\n" + b"x" * 60_000_000,
        OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 300_000_000, 9, mtime=0),
    ],
    ids=lambda raw: repr(raw[15:60]),
)
def test_memory_is_bounded(serve: Serve, raw: bytes) -> None:
    """Whatever is announced or sent, an answer takes no more memory than its first 4 MB need."""
    server = serve(Script(raw=raw))
    tracemalloc.start()
    try:
        post(server.url)
        assert tracemalloc.get_traced_memory()[1] < 32_000_000
    finally:
        tracemalloc.stop()


def test_answer_without_length(serve: Serve) -> None:
    """An answer that ends with its connection is complete."""
    assert post(serve(Script(length=False)).url) == Reply(200, body=b'{"ok":true}')


def test_large_answer(serve: Serve) -> None:
    """Of a large answer only the beginning is read; it counts, and the next request is not disturbed."""
    server = serve(Script(body=b"x" * 50_000_000), Script())
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        assert client.send(REQUEST) == Reply(200, body=b"x" * 4_194_304, whole=False)
        assert client.send(REQUEST) == Reply(200, body=b'{"ok":true}')


def test_connection_lost_between_requests(serve: Serve) -> None:
    """A kept connection that the dashboard closed meanwhile costs nothing."""
    server = serve(Script(length=False), Script())
    with Client(Access(server.url, 5.0, TOKEN)) as client:
        assert isinstance(client.send(REQUEST), Reply)
        assert isinstance(client.send(REQUEST), Reply)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "dashboard.example.com/v1",
        "ftp://dashboard.example.com/",
        "http://",
        "http://[::1/",
        "http://host:port/",
        "http://host:99999/",
        "http://somebody:url-password@127.0.0.1/",
        "http://" + "a" * 70 + ".invalid/",
        "http://a..invalid/",
        "http://*.invalid/",
        "http://\u2024/",
    ],
)
def test_unusable_url(url: str) -> None:
    """What is no address of a dashboard is said to be none, at once and for good; no password is shown."""
    answer = post(url)
    assert isinstance(answer, Failure)
    assert answer.lasting
    assert "url:" in answer.reason
    assert "url-password" not in answer.reason


@pytest.mark.parametrize(
    "token", ["", " ", "two words", "line\nbreak", "l\r\nX-Evil: 1", "t\u00f6ken", "\x7f"]
)
def test_unusable_token(serve: Serve, token: str) -> None:
    """A token that cannot stand in a header is never sent, and not shown either."""
    server = serve()
    answer = post(server.url, token)
    assert isinstance(answer, Failure)
    assert answer.lasting
    assert server.received == []


def test_ca_bundle_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate bundle that is not there is named."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent/ca.pem")
    assert "/nonexistent/ca.pem" in reason(post("https://127.0.0.1:9/"))


def test_stopped_in_flight(serve: Serve) -> None:
    """A request in flight ends within moments of a stop, long before its limit."""
    server = serve(Script(delay=60))
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    with Client(Access(server.url, 60.0, TOKEN), stop.is_set) as client:
        answer = client.send(REQUEST)
    assert "stopped" in reason(answer)
    assert time.monotonic() - started < 5


def test_secrets_in_no_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """Not even the libraries' debug log, or a repr, shows a token, a password, a header's value or a key."""
    caplog.set_level(logging.DEBUG)
    server = serve(Script(), Script(raw=b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"), DROP)
    headers = {"X-Api-Key": "api-key-1"}
    ways = (
        Access(server.url, 5.0, TOKEN),
        Access(server.url, 5.0, basic=("zkpoll", "hunter2"), headers=headers, signing=(SIGNING,)),
    )
    for access in ways:
        with Client(access) as client:
            shown = repr([access, client, *(client.send(REQUEST) for _ in range(3))])
        assert "POST" in caplog.text
        assert not [secret for secret in access.secrets if secret in caplog.text + shown]


def test_nothing_is_left_open(serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good, cut, slow and half-read answers leave no socket behind (pytest fails on a ResourceWarning)."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    for cert in (None, certificate):
        scripts = (
            Script(),
            DROP,
            Script(trickle="body"),
            Script(body=b"x" * 1_000_000),
            Script(trickle="head"),
        )
        server = serve(*scripts, certificate=cert)
        with Client(Access(server.url, 0.3, TOKEN)) as client:
            for _ in scripts:
                client.send(REQUEST)
        del client
        gc.collect()


def test_left_client_hangs_up(serve: Serve) -> None:
    """Leaving a client closes its connection there and then, also after a request that failed."""
    gc.disable()
    try:
        server = serve(DROP, Script())
        with Client(Access(server.url, 5.0, TOKEN)) as client:
            assert [type(client.send(REQUEST)) for _ in range(2)] == [Failure, Reply]
        started = time.monotonic()
        server.close()
        assert time.monotonic() - started < SOON
    finally:
        gc.enable()


def test_every_address_is_tried(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard is found though the first of its name's addresses swallows all packets."""
    with MuteServer(backlog=0) as hole:
        hole.fill(4)
        server = serve()
        found = [socket.getaddrinfo(*place, type=socket.SOCK_STREAM)[0] for place in _places(hole, server)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        answer = post("http://dashboard.invalid/", timeout=1.0)
    assert isinstance(answer, Reply)


def _places(hole: MuteServer, server: Dashboard) -> list[tuple[str, int]]:
    return [("127.0.0.1", int(hole.place.rpartition(":")[2])), ("127.0.0.1", server.server_port)]
