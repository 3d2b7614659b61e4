"""What terminals, strangers and attackers send to the listener, and what they hear."""

from __future__ import annotations

import logging
import re
import socket
import struct
import tempfile
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.push.doors import BATCH, STRANGER, NoteDesk, one_answer, open_door, post, rest
from zkpoll.push.contract import Answer
from zkpoll.push.listener import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.push.doors import Door

ANSWER: Final = re.compile(
    rb"HTTP/1\.1 (\d{3}) [A-Za-z ]+\r\n(?:Connection: (close|Keep-Alive)\r\n)?Content-Length: (\d+)\r\n"
    rb"Content-Type: text/plain\r\n"
    rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n\r\n"
)
"""The head of each answer, whole: there is no other header."""
CANONICAL: Final = [
    b"Host: 192.0.2.1:8081",
    b"User-Agent: iClock Proxy/1.09",
    b"Connection: close",
    b"Accept: */*",
]
SN: Final = b"SN=CQZ7224760045"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    """Give a listener that all tests of this module call."""
    with open_door() as opened:
        yield opened


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request, byte for byte."""
    return b"\r\n".join([line, *headers, b"", body])


def told(data: bytes) -> list[tuple[int, bytes]]:
    """Given what a caller heard, return the status and body of each answer. Nothing else may stand in it."""
    found = []
    while data:
        head = ANSWER.match(data)
        assert head, data
        end = head.end() + int(head[3])
        found.append((int(head[1]), data[head.end() : end]))
        data = data[end:]
    return found


LENGTH: Final = b"Content-Length: %d" % len(BATCH)
POST: Final = b"POST /iclock/cdata?" + SN + b"&table=ATTLOG HTTP/1.1"
GET: Final = b"GET /iclock/getrequest?" + SN + b" HTTP/1.1"
GBK: Final = "张三".encode("gbk")
SERVED: Final[dict[str, tuple[bytes, bytes]]] = {
    "canonical": (request(POST, *CANONICAL, LENGTH, body=BATCH), BATCH),
    "1.1 without Host": (request(POST, *CANONICAL[1:], LENGTH, body=BATCH), BATCH),
    "1.0 without Host": (request(POST.replace(b"1.1", b"1.0"), LENGTH, body=BATCH), BATCH),
    "lower-case names": (request(POST, b"connection: close", LENGTH.lower(), body=BATCH), BATCH),
    "upper-case names": (request(POST, b"CONNECTION: close", LENGTH.upper(), body=BATCH), BATCH),
    "no space after the colon": (
        request(POST, b"Connection:close", LENGTH.replace(b" ", b""), body=BATCH),
        BATCH,
    ),
    "a Content-Type of its own": (
        request(POST, *CANONICAL, b"Content-Type: application/push;charset=UTF-8", LENGTH, body=BATCH),
        BATCH,
    ),
    ".aspx": (request(POST.replace(b"cdata", b"cdata.aspx"), *CANONICAL, LENGTH, body=BATCH), BATCH),
    "absolute URI": (
        request(POST.replace(b"/iclock", b"http://192.0.2.1/iclock"), *CANONICAL, LENGTH, body=BATCH),
        BATCH,
    ),
    "raw TAB in the URL": (
        request(POST.replace(b"&table", b"&INFO=a\tb&table"), *CANONICAL, LENGTH, body=BATCH),
        BATCH,
    ),
    "GBK in the URL": (
        request(POST.replace(b"&table", b"&Name=" + GBK + b"&table"), *CANONICAL, LENGTH, body=BATCH),
        BATCH,
    ),
    "3,000 bytes in the URL": (
        request(POST.replace(b"&table", b"&INFO=" + b"7" * 3000 + b"&table"), *CANONICAL, LENGTH, body=BATCH),
        BATCH,
    ),
    "GBK body": (request(POST, *CANONICAL, b"Content-Length: 4", body=GBK), GBK),
    "chunked": (
        request(POST, *CANONICAL, b"Transfer-Encoding: chunked", body=b"23\r\n" + BATCH + b"\r\n0\r\n\r\n"),
        BATCH,
    ),
    "empty body": (request(POST, *CANONICAL, b"Content-Length: 0"), b""),
    "POST without a length": (request(POST, *CANONICAL), b""),
    "GET of length 0": (request(GET, *CANONICAL, b"Content-Length: 0"), b""),
    "GET": (request(GET, *CANONICAL), b""),
    "a connection that is starting": (request(GET, b"Connection: starting, close"), b""),
    "a cookie": (request(GET, *CANONICAL, b"Cookie: token=abc", b"Accept-Charset: gb2312"), b""),
    "after a stray line": (b"\r\n" + request(GET, *CANONICAL), b""),
}


@pytest.mark.parametrize("name", SERVED)
def test_what_terminals_send_is_served(door: Door, name: str) -> None:
    """Each odd request that a terminal was seen to send, or may send, reaches the desk whole."""
    sent, body = SERVED[name]
    assert told(door.ask(sent)) == [(200, b"OK: %d" % len(body))]
    head, got = door.desk.calls[-1]
    assert got == body
    assert head.query.startswith("SN=CQZ7224760045")
    assert head.path.strip("/").startswith("iclock/")
    assert head.address == "127.0.0.1"


def test_a_query_arrives_as_it_was_sent(door: Door) -> None:
    """Nothing is taken out of a query, and nothing decoded; raw bytes that no URL may hold come escaped."""
    door.ask(request(b"GET /a%20b/iclock/x?SN=1&a=%41\tb#c&n=" + GBK + b" HTTP/1.1", b"Connection: close"))
    head = door.desk.calls[-1][0]
    assert (head.path, head.query) == ("/a b/iclock/x", "SN=1&a=%41\tb#c&n=%D5%C5%C8%FD")


def test_slashes_stay_for_the_desk(door: Door) -> None:
    """`//iclock/cdata` is a path, and no host."""
    door.ask(request(GET.replace(b"/iclock", b"//iclock"), b"Connection: close"))
    assert door.desk.calls[-1][0].path == "//iclock/getrequest"


def test_a_request_may_come_byte_by_byte(door: Door) -> None:
    """A head and a body in pieces of one byte are one request."""
    with door.call() as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post():
            caller.sendall(bytes([byte]))
        assert told(rest(caller)) == [(200, b"OK: 35")]
    assert door.desk.calls[-1][1] == BATCH


def test_a_body_may_come_late(door: Door) -> None:
    """A body that comes after its head is waited for."""
    head, body = post()[: -len(BATCH)], BATCH
    with door.call() as caller:
        caller.sendall(head)
        time.sleep(0.2)
        caller.sendall(body)
        assert told(rest(caller)) == [(200, b"OK: 35")]


def test_who_waits_for_leave_to_send_gets_it(door: Door) -> None:
    """`Expect: 100-continue` is answered before the body; a request without one does not hang on it."""
    with door.call() as caller:
        caller.sendall(request(POST, b"Connection: close", b"Expect: 100-continue", LENGTH))
        assert caller.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        caller.sendall(BATCH)
        assert told(rest(caller)) == [(200, b"OK: 35")]
    assert told(door.ask(request(GET, b"Connection: close", b"Expect: 100-continue"))) == [(200, b"OK: 0")]


def test_a_connection_may_be_kept(door: Door) -> None:
    """A second request on one connection is served, and so are three that came at once, in their order."""
    with door.call() as caller:
        for size in (1, 2):
            caller.sendall(request(POST, b"Content-Length: %d" % size, body=b"x" * size))
            assert told(one_answer(caller)) == [(200, b"OK: %d" % size)]
        several = [request(POST, b"Content-Length: %d" % size, body=b"x" * size) for size in (3, 4, 5)]
        caller.sendall(b"".join(several))
        assert [told(one_answer(caller)) for _ in several] == [
            [(200, b"OK: %d" % size)] for size in (3, 4, 5)
        ]


def test_http_1_0_may_keep_it_too(door: Door) -> None:
    """Who asks for it in HTTP/1.0 is told that the connection stays; who does not, that it ends."""
    with door.call() as caller:
        caller.sendall(request(GET.replace(b"1.1", b"1.0"), b"Connection: Keep-Alive"))
        assert b"\r\nConnection: Keep-Alive\r\n" in one_answer(caller)
        caller.sendall(request(GET.replace(b"1.1", b"1.0")))
        assert b"\r\nConnection: close\r\n" in rest(caller)


def test_a_head_has_no_body(door: Door) -> None:
    """An answer to HEAD tells the length, and is no start of the next answer."""
    with door.call() as caller:
        caller.sendall(request(GET.replace(b"GET", b"HEAD")) + request(GET, b"Connection: close"))
        first, _, second = rest(caller).partition(b"\r\n\r\n")
    assert b"Content-Length: 5" in first
    assert told(second) == [(200, b"OK: 0")]


def test_another_path_is_empty(door: Door) -> None:
    """What the desk answers reaches the caller, status and text, also where there is no text."""
    assert told(door.ask(request(b"GET /UserServer/user?sn=1 HTTP/1.1", b"Connection: close"))) == [
        (404, b"")
    ]


def test_a_caller_that_only_sends_no_more_is_answered(door: Door) -> None:
    """Half a connection is enough for an answer."""
    with door.call() as caller:
        caller.sendall(request(POST, LENGTH, body=BATCH))
        caller.shutdown(socket.SHUT_WR)
        assert told(rest(caller)) == [(200, b"OK: 35")]


@pytest.mark.parametrize("pause", [0, 0.2])
def test_an_answer_is_not_lost_to_what_comes_behind(door: Door, pause: float) -> None:
    """A caller that sends on after its last request is not reset: it hears the answer, and nothing else."""
    with door.call() as caller:
        caller.sendall(post())
        time.sleep(pause)
        caller.sendall(b"\r\n" + request(GET) + b"x" * 100_000)
        assert told(rest(caller)) == [(200, b"OK: 35")]


CUT: Final = {
    "a body that is cut": request(POST, b"Content-Length: 36", body=BATCH),
    "a chunk that is cut": request(POST, b"Transfer-Encoding: chunked", body=b"24\r\n" + BATCH),
    "no last chunk": request(POST, b"Transfer-Encoding: chunked", body=b"23\r\n" + BATCH + b"\r\n"),
    "a head that is cut": GET,
    "nothing": b"",
}


@pytest.mark.parametrize("name", CUT)
def test_what_is_not_whole_is_not_used(door: Door, name: str) -> None:
    """A request that ends before its end is not answered, and the desk does not get it."""
    before = len(door.desk.calls)
    with door.call() as caller:
        caller.sendall(CUT[name])
        caller.shutdown(socket.SHUT_WR)
        assert rest(caller) == b""
    assert len(door.desk.calls) == before


REFUSED: Final = {
    "two lengths": request(POST, LENGTH, LENGTH, body=BATCH),
    "two other lengths": request(POST, LENGTH, b"Content-Length: 3", body=BATCH),
    "two lengths in one": request(POST, b"Content-Length: 35, 35", body=BATCH),
    "a length and chunks": request(
        POST, LENGTH, b"Transfer-Encoding: chunked", body=b"23\r\n" + BATCH + b"\r\n0\r\n\r\n"
    ),
    "a length and no coding": request(POST, LENGTH, b"Transfer-Encoding:", body=BATCH),
    "chunked twice": request(
        POST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "chunked twice in one": request(POST, b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    "chunked in 1.0": request(POST.replace(b"1.1", b"1.0"), b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked in 2.0": request(POST.replace(b"1.1", b"2.0"), b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "another coding": request(POST, b"Transfer-Encoding: gzip", body=b"0\r\n\r\n"),
    "chunked behind a fold": request(POST, b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    "chunked with a tail": request(POST, b"Transfer-Encoding: chunked\x0b", body=b"0\r\n\r\n"),
    "a chunk of no number": request(POST, b"Transfer-Encoding: chunked", body=b"0x23\r\n" + BATCH),
    "a negative chunk": request(POST, b"Transfer-Encoding: chunked", body=b"-1\r\n" + BATCH),
    "a chunk that is longer": request(POST, b"Transfer-Encoding: chunked", body=b"5\r\n" + BATCH),
    "negative": request(POST, b"Content-Length: -1", body=BATCH),
    "with a sign": request(POST, b"Content-Length: +35", body=BATCH),
    "in words": request(POST, b"Content-Length: all", body=BATCH),
    "an empty length": request(POST, b"Content-Length:", body=BATCH),
    "5,000 digits": request(POST, b"Content-Length: " + b"1" * 5000, body=BATCH),
    "other digits": request(POST, "Content-Length: ٣٥".encode(), body=BATCH),
    "a folded line": request(POST, b"X: 1", b" 2", LENGTH, body=BATCH),
    "a space before the colon": request(POST, b"Content-Length : 35", body=BATCH),
    "a NUL in a header": request(POST, b"X: a\0b", LENGTH, body=BATCH),
    "a bare CR in a header": request(POST, b"X: a\rContent-Length: 5", LENGTH, body=BATCH),
    "a bare LF in a header": request(POST, b"X: a\nContent-Length: 5", LENGTH, body=BATCH),
    "no header": request(POST, b"hello", LENGTH, body=BATCH),
    "a raw space in the URL": request(POST.replace(b"&table", b"&INFO=Ver 6.60&table"), LENGTH, body=BATCH),
    "no host": request(b"GET http://[/ HTTP/1.1"),
    "a method in lower case": request(GET.replace(b"GET", b"get")),
    "no method": request(b"\x00\xff\xfe"),
    "a head of 70 kB": request(GET, b"X: " + b"x" * 70_000),
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(190),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused(door: Door, name: str) -> None:
    """A request whose end is in doubt gets 400 in fixed words and the end; the desk gets nothing."""
    before = len(door.desk.calls)
    smuggled = request(b"GET /iclock/smuggled?" + SN + b" HTTP/1.1", b"Connection: close")
    data = door.ask(REFUSED[name] + smuggled)
    assert told(data) == [(400, b"Bad Request")]
    assert b"\r\nConnection: close\r\n" in data
    assert len(door.desk.calls) == before
    assert not any("smuggled" in head.path for head in door.desk.heads)


def test_who_speaks_tls_is_told_at_once(door: Door) -> None:
    """A terminal that was told `https` hears that this is none, and waits for no answer to its hello."""
    assert told(door.ask(REFUSED["a TLS hello"])) == [(400, b"Bad Request")]


def test_a_length_under_another_name_is_none(door: Door) -> None:
    """`Content_Length` is another header, as for every proxy; what follows is the next request."""
    data = door.ask(request(POST, b"Content_Length: 3"), request(GET, b"Connection: close"))
    assert told(data) == [(200, b"OK: 0"), (200, b"OK: 0")]


def test_a_head_with_bare_line_feeds_never_ends() -> None:
    """Lines that end in LF alone are none, and were never seen: such a head is never whole."""
    with open_door(limits=Limits(whole=0.5)) as opened:
        assert opened.ask(request(GET, *CANONICAL).replace(b"\r\n", b"\n")) == b""
        assert opened.desk.heads == []


def test_a_head_has_16_kb(door: Door) -> None:
    """A head of 16,384 bytes is served, one byte more is not."""
    spare = 16384 - len(request(GET, b"Connection: close", b"X: "))
    for more, status in ((0, 200), (1, 400)):
        ((got, _),) = told(door.ask(request(GET, b"Connection: close", b"X: " + b"x" * (spare + more))))
        assert got == status


# --- bodies ---


def test_a_strangers_body_is_not_read(door: Door) -> None:
    """Who may not in is answered at the end of the head, and is not kept waiting for the body."""
    before = len(door.desk.calls)
    head = post(b"", query=STRANGER).replace(b"Content-Length: 0", b"Content-Length: 4000000")
    assert told(door.ask(head)) == [(403, b"Forbidden")]
    assert len(door.desk.calls) == before


@pytest.mark.parametrize("length", [b"Content-Length: 4000000", b"Transfer-Encoding: chunked"])
def test_a_stranger_that_sends_on_hears_it_too(door: Door, length: bytes) -> None:
    """A stranger that sends its whole body before it listens hears the answer, and is not reset."""
    head = request(POST.replace(SN, STRANGER.encode()), length)
    chunk = b"x" * 4_000_000 if b"chunked" not in length else b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with door.call() as caller:
        caller.sendall(head + chunk)
        assert told(rest(caller)) == [(403, b"Forbidden")]


def test_a_strangers_expectation_is_not_met(door: Door) -> None:
    """A stranger that asks for leave to send hears 403, and no `100 Continue`."""
    assert told(door.ask(request(POST.replace(SN, STRANGER.encode()), LENGTH, b"Expect: 100-continue"))) == [
        (403, b"Forbidden")
    ]


def test_a_strangers_body_is_no_request(door: Door) -> None:
    """A request in the body of one that is refused is shown to nobody, whether it comes at once or later."""
    inner = request(b"GET /iclock/inner?" + SN + b" HTTP/1.1")
    with door.call() as caller:
        caller.sendall(request(POST.replace(SN, STRANGER.encode()), b"Content-Length: 4000") + inner)
        time.sleep(0.1)
        caller.sendall(inner)
        caller.shutdown(socket.SHUT_WR)
        assert told(rest(caller)) == [(403, b"Forbidden")]
    assert not any("inner" in head.path for head in door.desk.heads)


def test_all_strangers_hear_the_same(door: Door) -> None:
    """The answer to a stranger is the same to the byte for each method, length and version."""
    framed = [[LENGTH], [b"Transfer-Encoding: chunked"], [b"Content-Length: 99999999"], []]
    sent = [request(line, *headers) for line in (GET, POST) for headers in framed]
    sent.append(request(GET.replace(b"1.1", b"1.0"), b"Connection: keep-alive"))
    heard = [door.ask(one.replace(SN, STRANGER.encode())) for one in sent]
    answers = {re.sub(rb"Date: .*", b"", one) for one in heard}
    assert len(answers) == 1


def test_a_body_has_4_mib(door: Door) -> None:
    """A body of 4 MiB is served whole; one byte more is 413 before it is read, and the desk is told."""
    body = bytes(4 * 1024 * 1024)
    assert told(door.ask(post(body))) == [(200, b"OK: 4194304")]
    head = request(POST, b"Content-Length: 4194305")
    assert told(door.ask(head)) == [(413, b"Too Large")]
    assert door.desk.large[-1].query.startswith("SN=CQZ")
    assert told(door.ask(request(POST, b"Content-Length: 4194305", b"Expect: 100-continue"))) == [
        (413, b"Too Large")
    ]


def test_a_body_is_never_written_to_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The largest body is served where no file can be made: bodies hold passwords and fingers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with open_door() as door:
        assert told(door.ask(post(bytes(4 * 1024 * 1024)))) == [(200, b"OK: 4194304")]


def test_chunks_have_no_more(door: Door) -> None:
    """Chunks end at the same size, wherever the caller wanted to end."""
    before = len(door.desk.large)
    with door.call() as caller:
        caller.sendall(request(POST, b"Transfer-Encoding: chunked"))
        for _ in range(70):
            caller.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert told(rest(caller)) == [(413, b"Too Large")]
    assert len(door.desk.large) == before + 1


def test_a_strangers_large_body_is_a_strangers(door: Door) -> None:
    """Size makes no difference to who may not in."""
    before = len(door.desk.large)
    head = request(POST.replace(SN, STRANGER.encode()), b"Content-Length: 4194305")
    assert told(door.ask(head)) == [(403, b"Forbidden")]
    assert len(door.desk.large) == before


# --- troubles behind the desk, and secrets ---


@pytest.mark.parametrize("query", ["early", "late"])
def test_whatever_the_desk_raises_is_503(query: str, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the desk is 503 and a line in the log with its place, without what the caller sent."""
    caplog.set_level(logging.DEBUG)
    desk = NoteDesk(error=KeyError("hushhush: 1001 2026-11-22"))
    with open_door(desk) as door:
        sent = post(b"hushhush", query=f"{query}=hushhush").replace(b"/iclock", b"/hushhush/iclock")
        assert told(door.ask(sent)) == [(503, b"Unavailable")]
        desk.error = None
        assert told(door.ask(post())) == [(200, b"OK: 35")]
    assert "a call from 127.0.0.1 failed: KeyError" in caplog.text
    assert "doors.py" in caplog.text
    assert "hushhush: 1001" not in caplog.text.replace("KeyError(", "")
    assert "/hushhush" not in caplog.text


def test_an_answer_that_is_none_is_503(caplog: pytest.LogCaptureFixture) -> None:
    """A desk that answers with a status that does not exist is a bug: logged, and 503."""
    with open_door() as door, pytest.MonkeyPatch.context() as patch:
        patch.setattr(door.desk, "answer", lambda *_: Answer(299))
        assert told(door.ask(post())) == [(503, b"Unavailable")]
    assert "a call from 127.0.0.1 failed: ValueError" in caplog.text


def test_what_a_caller_sent_is_never_repeated(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    """Neither an answer nor the log holds a word of a request, whatever is wrong with it."""
    caplog.set_level(logging.DEBUG)
    for sent in (*REFUSED.values(), *CUT.values(), *(sent for sent, _ in SERVED.values())):
        marked = sent.replace(b"/iclock", b"/hushhush/iclock").replace(b"X: ", b"X: hushhush")
        with door.call() as caller:
            caller.sendall(marked)
            caller.shutdown(socket.SHUT_WR)
            assert b"hushhush" not in rest(caller)
    assert "hushhush" not in caplog.text


def test_who_hangs_up_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A caller that resets the connection while it is being answered troubles nobody, and is not told of."""
    caplog.set_level(logging.DEBUG)
    with open_door() as door:
        door.desk.may_answer.clear()
        for _ in range(20):
            with door.call() as caller:
                caller.sendall(request(POST.replace(b"/iclock", b"/hushhush/iclock"), LENGTH, body=BATCH))
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        door.desk.may_answer.set()
        assert told(door.ask(post())) == [(200, b"OK: 35")]
    assert caplog.text == ""


def test_the_date_is_that_of_the_answer() -> None:
    """A terminal sets its clock by the Date: it is not the time before a long wait for the disk."""
    with open_door() as door:
        door.desk.may_answer.clear()
        with door.call() as caller:
            caller.sendall(post())
            time.sleep(2.1)
            door.desk.may_answer.set()
            data = rest(caller)
    now = time.gmtime()
    date = re.search(rb"Date: (.*) GMT", data)
    assert date
    assert time.mktime(now) - time.mktime(time.strptime(date[1].decode(), "%a, %d %b %Y %H:%M:%S")) < 2


# --- addresses ---


def test_a_proxy_is_believed_only_if_it_is_trusted() -> None:
    """X-Forwarded-For is the caller's address where a trusted proxy wrote it, and nothing elsewhere."""
    forwarded = b"X-Forwarded-For: 10.9.9.9, 203.0.113.7"
    sent = request(GET, b"Connection: close", forwarded)
    with open_door(trusted=[ip_network("127.0.0.0/8")]) as door:
        door.ask(sent)
        assert door.desk.heads[-1].address == "203.0.113.7"
    with open_door() as door:
        door.ask(sent)
        assert door.desk.heads[-1].address == "127.0.0.1"


def test_one_socket_takes_both_families() -> None:
    """`[::]` listens for IPv4, too, and shows such a caller by its IPv4 address."""
    with open_door(where="[::]:0") as door:
        port = int(door.listener.address.rpartition(":")[2])
        assert door.listener.address == f"[::]:{port}"
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port)) as caller:
                caller.sendall(request(GET, b"Connection: close"))
                assert told(rest(caller)) == [(200, b"OK: 0")]
            assert door.desk.heads[-1].address == host


# --- anything ---


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_nothing_that_is_sent_ends_it(door: Door, data: st.DataObject) -> None:
    """After any bytes, drawn or made of good requests, the listener answers in its own words, and goes on."""
    pieces = st.sampled_from([*REFUSED.values(), *(sent for sent, _ in SERVED.values())])
    cut = st.builds(lambda sent, at: sent[: at % (len(sent) + 1)], pieces, st.integers(0, 5000))
    sent = b"".join(data.draw(st.lists(st.one_of(st.binary(max_size=200), cut, pieces), max_size=5)))
    with door.call() as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        heard = rest(caller)
    told(heard.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b""))
    assert told(door.ask(post())) == [(200, b"OK: 35")]
