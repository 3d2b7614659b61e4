"""Something in front of a dashboard that twists its answers: another status, another body, other bytes.

The dashboard behind it does as documented. So it is known what is there, and what only was said.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import threading
import time
import zlib
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from hypothesis import strategies as st

from zkpoll.simulator import Received

if TYPE_CHECKING:
    from types import TracebackType

    from zkpoll.simulator import HttpAnswer

_HEAD: Final = re.compile(rb"(\S+) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_GOOD: Final = re.compile(rb"HTTP/1\.[0-9] +(2[0-9][0-9]|409)")
"""The status of an answer that may confirm; a template may count a 409 as a repeat."""
_WRITE: Final = 64 * 1024
_PIECES: Final = 5_000
_MANY: Final = 70_000
"""More than a line of a head may have, and than JSON may be deep."""


class Behind(Protocol):
    """A dashboard, without a socket."""

    def answer(self, request: Received) -> HttpAnswer:
        """Do what a request asks for, and answer."""


@dataclass(frozen=True)
class Message:
    """An answer under way."""

    request: Received
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def raw(self) -> bytes:
        """Return it as it goes over the wire."""
        lines = [b"HTTP/1.1 %d OK" % self.status, *(b"%b: %b" % pair for pair in self.headers)]
        if not any(name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self.headers):
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", self.body])

    def having(self, name: bytes, value: bytes) -> Message:
        """Return it with a header in place of others of that name."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))


def _spelled_out(text: bytes) -> bytes:
    """Return bytes, each MANY(x) in them spelled out: an example is printed in few words."""
    return re.sub(rb"MANY\((.*?)\)", lambda found: found[1] * _MANY, text)


class Distortion:
    """A change to an answer."""

    serves = True
    """Whether the dashboard gets the request at all."""
    confirms_nothing = False
    """Whether an answer confirms nothing that was changed so, and in no other way."""

    def message(self, message: Message) -> Message:
        """Return the answer, changed."""
        return message

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return what is written, one after the other, changed; None hangs up."""
        return writes


@dataclass(frozen=True)
class Lost(Distortion):
    """No answer, and the connection ends; perhaps the request never came."""

    arrives: bool
    confirms_nothing = True

    @property
    def serves(self) -> bool:  # type: ignore[override]
        """Whether the dashboard gets it."""
        return self.arrives

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:  # noqa: ARG002
        """Return nothing."""
        return [None]


@dataclass(frozen=True)
class Mute(Distortion):
    """No answer, and the connection stays."""

    confirms_nothing = True

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:  # noqa: ARG002
        """Return nothing."""
        return []


@dataclass(frozen=True)
class Instead(Distortion):
    """Another answer; the request comes no further."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    serves = False

    def message(self, message: Message) -> Message:
        """Return it; ID0 in its body is the first id of the request, SECRET its credentials."""
        ids = ids_in(message.request)
        body = _spelled_out(self.body).replace(
            b"SECRET", message.request.headers.get("authorization", "").encode()
        )
        for place in range(3):
            name = ids[place % len(ids)] if ids else "none"
            body = body.replace(b"ID%d" % place, name.encode())
        return Message(message.request, self.status, self.headers, body)


@dataclass(frozen=True)
class Refusing(Instead):
    """An answer that says, in a way that a dashboard may choose, that not all of it was taken."""

    confirms_nothing = True


@dataclass(frozen=True)
class Status(Distortion):
    """Another status."""

    status: int

    def message(self, message: Message) -> Message:
        """Return the answer with it."""
        return replace(message, status=self.status)


@dataclass(frozen=True)
class Header(Distortion):
    """One header more, or in place of one."""

    name: bytes
    value: bytes
    besides: bool

    def message(self, message: Message) -> Message:
        """Return the answer with it."""
        value = _spelled_out(self.value)
        if self.besides:
            return replace(message, headers=(*message.headers, (self.name, value)))
        return message.having(self.name, value)


@dataclass(frozen=True)
class Leaf(Distortion):
    """Something else somewhere in the JSON of the body."""

    place: int
    value: Any
    rename: bool
    """Whether it is a name that is another."""

    def message(self, message: Message) -> Message:
        """Return the answer with it."""
        try:
            tree = json.loads(message.body)
        except (ValueError, RecursionError):
            return message
        places = list(_places(tree))
        if not places:
            return replace(message, body=json.dumps(self.value).encode())
        holder, key = places[self.place % len(places)]
        if self.rename and isinstance(holder, dict):
            holder[str(self.value)] = holder.pop(key)
        else:
            holder[key] = self.value
        return replace(message, body=json.dumps(tree).encode())


def _places(tree: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        pairs = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, value in pairs:
            found.append((one, key))
            waiting.append(value)
    return found


@dataclass(frozen=True)
class Chunked(Distortion):
    """The body comes in pieces of some size, behind the sizes that are named here, if any are."""

    size: int
    sizes: tuple[bytes, ...]
    end: bytes

    def message(self, message: Message) -> Message:
        """Return the answer so."""
        size = max(self.size, len(message.body) // _PIECES)
        pieces = [message.body[at : at + size] for at in range(0, len(message.body), size)]
        named = [_spelled_out(size) for size in self.sizes]
        sizes = [*named, *(b"%x" % len(piece) for piece in pieces[len(self.sizes) :])]
        body = b"".join(b"%b\r\n%b\r\n" % pair for pair in zip(sizes, pieces, strict=False))
        return replace(message.having(b"Transfer-Encoding", b"chunked"), body=body + self.end)


@dataclass(frozen=True)
class Packed(Distortion):
    """The body is packed, though nobody asked for that; it may be long."""

    how: str
    megabytes: int
    """So many of blanks are behind it before it is packed."""

    def message(self, message: Message) -> Message:
        """Return the answer so. Never is all of it in the memory of this process."""
        packer = zlib.compressobj(1, wbits=31 if "gzip" in self.how else 15)
        pieces = [message.body, *repeat(b" " * 1_000_000, self.megabytes)]
        packed = b"".join([*map(packer.compress, pieces), packer.flush()])
        return replace(message.having(b"Content-Encoding", self.how.encode()), body=packed)


@dataclass(frozen=True)
class Long(Distortion):
    """The body is behind many bytes, or before them."""

    filling: bytes
    times: int
    before: bool

    def message(self, message: Message) -> Message:
        """Return the answer so."""
        filling = self.filling * self.times
        return replace(message, body=filling + message.body if self.before else message.body + filling)


@dataclass(frozen=True)
class Noise(Distortion):
    """Any bytes, and the connection ends or stays."""

    data: bytes
    times: int
    ends: bool

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:  # noqa: ARG002
        """Return them."""
        return [*_repeated(self.data, self.times), *([None] if self.ends else [])]


@dataclass(frozen=True)
class Cut(Distortion):
    """The answer ends somewhere, counted from its end where that is below 0."""

    at: int
    arrives: bool
    """Whether the dashboard gets the request; else what is in front begins to say that all is well."""
    confirms_nothing = True

    @property
    def serves(self) -> bool:  # type: ignore[override]
        """Whether the dashboard gets it."""
        return self.arrives

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return the beginning."""
        whole = b"".join(one or b"" for one in writes)
        return [whole[: min(self.at, len(whole) - 1)] if self.at >= 0 else whole[: self.at], None]


@dataclass(frozen=True)
class Flip(Distortion):
    """One byte is another."""

    at: int
    new: int

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return the answer with it."""
        whole = bytearray(b"".join(one or b"" for one in writes))
        if whole:
            whole[self.at % len(whole)] = self.new
        return [bytes(whole)]


@dataclass(frozen=True)
class InFront(Distortion):
    """Interim answers, or anything, in front."""

    data: bytes
    times: int

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return the answer behind them."""
        return [*_repeated(self.data, self.times), *writes]


def _repeated(data: bytes, times: int) -> list[bytes]:
    """Return bytes so many times, as writes that are mostly the same object in memory."""
    at_once = min(times, max(1, _WRITE // max(1, len(data))))
    return [data * at_once] * (times // at_once)


@dataclass(frozen=True)
class Twice(Distortion):
    """The answer comes twice, so that the next request finds one that is not its own."""

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return it so."""
        return [b"".join(one or b"" for one in writes)] * 2


@dataclass(frozen=True)
class Slow(Distortion):
    """A little late, in two parts."""

    seconds: float
    first: int

    def writes(self, writes: list[bytes | None]) -> list[bytes | None]:
        """Return it after a while."""
        time.sleep(self.seconds)
        whole = b"".join(one or b"" for one in writes)
        return [whole[: self.first], whole[self.first :]]


@dataclass(frozen=True)
class Turn:
    """A distortion, and the answers that it is for."""

    nth: int | None
    """From 1; None for each."""
    distortion: Distortion


class Front:
    """What stands in front of a dashboard, for as long as the `with` block lasts."""

    def __init__(self, behind: Behind, *, own_rules: bool = False) -> None:
        """Given a dashboard, stand in front; with `own_rules` any 2xx of it may confirm."""
        self._behind = behind
        self._own_rules = own_rules
        self.distorted: list[Received] = []
        """Requests that did not get the dashboard's own answer."""
        self.doubtful: list[Received] = []
        """Those of them whose answer may confirm."""
        self.count = 0
        """Requests since `do`."""
        self._turns: tuple[Turn, ...] = ()
        self._streams: dict[socket.socket, bytearray] = {}
        self.broken: Exception | None = None
        """What ended it before its time."""

    def do(self, *turns: Turn) -> None:
        """Distort answers so from now on."""
        self._turns, self.count = turns, 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waker.close()
        self._thread.join()
        if self.broken:
            raise self.broken

    @property
    def url(self) -> str:
        """Where it listens."""
        return "http://127.0.0.1:{1}".format(*self._listener.getsockname())

    # --- the wire ---

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector, self._listener, self._wake:
            for own in (self._listener, self._wake):
                selector.register(own, selectors.EVENT_READ)
            try:
                while self._wake not in (ready := [key.fileobj for key, _ in selector.select()]):
                    for one in ready:
                        assert isinstance(one, socket.socket)
                        self._look_at(one, selector)
            except Exception as error:  # noqa: BLE001  # a test that went on without an answer would say nothing
                self.broken = error
            finally:
                for stream in self._streams:
                    stream.close()

    def _look_at(self, one: socket.socket, selector: selectors.BaseSelector) -> None:
        if one is self._listener:
            client, _ = one.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.settimeout(1)
            self._streams[client] = bytearray()
            selector.register(client, selectors.EVENT_READ)
        elif not self._heard(one):
            selector.unregister(one)
            del self._streams[one]
            one.close()

    def _heard(self, client: socket.socket) -> bool:
        """Answer what a client has sent. Return whether its connection lasts."""
        stream = self._streams[client]
        try:
            data = client.recv(65536)
            stream += data
            while request := _taken(stream):
                for written in self._answer(request):
                    if written is None:
                        return False
                    client.sendall(written)
        except OSError:
            return False
        return bool(data)

    # --- what is said ---

    def _answer(self, request: Received) -> list[bytes | None]:
        self.count += 1
        turns = [one.distortion for one in self._turns if one.nth in {None, self.count}]
        message = Message(request, HTTPStatus.OK, ((b"Content-Type", b"application/json"),), b"{}")
        if all(one.serves for one in turns):
            answer = self._behind.answer(request)
            headers = tuple((name.encode(), value.encode()) for name, value in answer.headers.items())
            message = Message(request, answer.status, headers, answer.body)
        own = message.raw()
        for one in turns:
            message = one.message(message)
        writes: list[bytes | None] = [message.raw()]
        for one in turns:
            writes = one.writes(writes)
        if writes != [own]:
            self.distorted.append(request)
            may = len(turns) > 1 or not turns[0].confirms_nothing
            may |= self._own_rules and isinstance(turns[0], Refusing)
            if may and _GOOD.search(b"".join(one or b"" for one in dict.fromkeys(writes))):
                self.doubtful.append(request)
        return writes


def _taken(stream: bytearray) -> Received | None:
    """Take the first whole request from a stream; None where there is none."""
    head = _HEAD.match(stream)
    if not head:
        return None
    lines = (line.partition(b":") for line in head[3].split(b"\r\n"))
    headers = {name.decode().lower(): value.strip().decode("latin-1") for name, _, value in lines}
    end = head.end() + int(headers.get("content-length", 0))
    if len(stream) < end:
        return None
    request = Received(head[1].decode(), head[2].decode(), headers, bytes(stream[head.end() : end]))
    del stream[:end]
    return request


def ids_in(request: Received) -> list[str]:
    """Return the ids of punches that a request names, in their order."""
    found = re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", request.body.decode())
    return list(dict.fromkeys(found))


# --- what is drawn ---

_STATUSES: Final = st.sampled_from(
    [
        *(200, 200, 200, 201, 202, 204, 205, 206, 207, 208, 226, 299, 300, 301, 302, 304, 307, 400, 401, 403),
        *(404, 405, 408, 409, 410, 411, 413, 415, 417, 422, 425, 429, 500, 502, 503, 504, 599, 600, 999),
        *(0, 99, 100, 101, 103, 199, 1000),
    ]
)
_WORDS: Final = (
    b"",
    b"OK",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b'{"accepted": 1}',
    b'{"rejected": []}',
    b'{"rejected": ["ID0"]}',
    b'{"rejected": [{"id": "ID1", "error": "no \\u001b[2K\\r\\nsuch \\ud800 person"}]}',
    b'{"rejected": [{"id": "ID0", "error": {"a": ["\\u202e", 1e999]}}], "present": ["ID1"]}',
    b'{"present": ["ID0", "ID1", "ID2"]}',
    b'{"error": "\\u001b]0;x\\u0007\\u2028 SECRET"}',
    b"unknown key SECRET \x1b[31m\r\n\0",
    b'{"message": "SECRET", "name": "odoo.exceptions.ValidationError"}',
    json.dumps(
        {"exc_type": "ValidationError", "_server_messages": '["{\\"message\\": \\"SECRET\\"}"]'}
    ).encode(),
    b'{"exception": "frappe.exceptions.ValidationError: SECRET", "exc_type": 7, "_server_messages": "[[["}',
    b"MANY([)",
    b'MANY({"a":)',
    b"MANY(1)",
    b'{"n": -MANY(9)}',
    b'{"data": [], "message": NaN}',
    b'{"message": {"name": "X", "time": "2026-11-22 08:59:58"}}',
    b'{"message": {"time_zone": "../../etc/passwd"}}',
    b'{"message": {"time_zone": "Asia/Dhaka\\u0000"}}',
    b'{"data": {"last_sync_of_checkin": "9999-12-31 23:59:59", "enable_auto_attendance": 1}}',
    b'{"data": {"last_sync_of_checkin": "0001-01-01 00:00:00+23:59"}}',
    b'{"data": [{"name": "\\u001b[2K", "attendance_device_id": null}]}',
    b"\xff\xfe" + "[1]".encode("utf-16-le"),
    b"\xef\xbb\xbf{}",
    b"\xff" * 300,
    b"\xc3\x28 \xed\xa0\x80",
)
_REFUSING: Final = (
    b'{"rejected": ["nobody"]}',
    b'{"rejected": 1}',
    b'{"data": {"rejected": ["ID0"]}}',
    b'{"Rejected": ["ID0"]}',
    b'[{"rejected": "ID0"}]',
    b'{"re\\u006aected": ["ID9"]}',
    b'{"rejected": [], "rejected": ["ID0"]}',
    '{"rejected": ["x"]}'.encode("utf-16-le"),
    b"<!-- -->",
    b"<?xml version='1.0'?>",
    b"\n <html>",
    b'"<html>"',
    b'{"error": "no"}',
    b'{"success": false}',
    b'{"ok": false}',
    b'{"accepted": ',
)
"""Bodies that no 2xx confirms with, as docs/dashboards.md has it."""
_BODIES: Final = st.sampled_from(_WORDS) | st.sampled_from(_REFUSING) | st.binary(max_size=80)
_NAMES: Final = st.sampled_from(
    [
        b"Content-Type",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Content-Encoding",
        b"Retry-After",
        b"Location",
        b"Date",
        b"Connection",
        b"Set-Cookie",
        b"X\xff",
        b"",
        b" folded",
    ]
)
_VALUES: Final = st.sampled_from(
    [
        *(b"", b"0", b"1", b"-1", b"+5", b"5, 5", b"5, 6", b"0x10", b"99999999999999999999", b"\xb2", b"1e3"),
        *(b"chunked", b"gzip", b"deflate", b"br", b"identity, chunked", b"close", b"keep-alive", b"upgrade"),
        *(b"text/html", b"application/json; charset=\xff", b"application/json; charset=utf-7", b"x/y+json"),
        *(b"Sun, 22 Nov 2026 08:59:58 GMT", b"Sun, 99 Nov 99999 99:99:99 +9999", b"\x1b[2K", b"http://[::1"),
        *(b"//\r\n folded", b"a=b; Domain=\0", b"MANY(x)"),
    ]
) | st.binary(max_size=30)
_HEADERS: Final = st.lists(st.tuples(_NAMES, _VALUES), max_size=3).map(tuple)
_LEAVES: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 10**30, float("inf"), float("nan"), "", "rejected", "\x1b[2K\r\n"),
        *("\ud800", "\u202e", [], {}, [[]], [{}], {"": ""}, {"id": []}, "2026-11-22", "IN", "x" * 3_000),
        *("9999-99-99 99:99:99", "name", "time", "message", "data", "error"),
    ]
)
_COUNTS: Final = st.sampled_from([1, 1, 2, 50, 2_000])

DISTORTIONS: Final[st.SearchStrategy[Distortion]] = st.one_of(
    st.builds(Instead, _STATUSES, _HEADERS, _BODIES),
    st.builds(Leaf, st.integers(0, 40), _LEAVES, st.booleans()),
    st.builds(Status, _STATUSES),
    st.builds(Header, _NAMES, _VALUES, st.booleans()),
    st.builds(Refusing, st.sampled_from([200, 201, 202]), st.just(()), st.sampled_from(_REFUSING)),
    st.builds(Lost, st.booleans()),
    st.just(Mute()),
    st.builds(
        Chunked,
        st.sampled_from([1, 7, 4096]),
        st.lists(
            st.sampled_from([b"", b"0", b"-1", b"ffffffff", b"zz", b"3;x=y", b"MANY(x)"]), max_size=2
        ).map(tuple),
        st.sampled_from([b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\n", b"", b"7fffffffffffffff\r\n"]),
    ),
    st.builds(
        Packed,
        st.sampled_from(["gzip", "deflate", "br", "x-gzip"]),
        st.sampled_from([0, 1, 5, 150]),
    ),
    st.builds(
        Long, st.sampled_from([b" ", b"[", b"<", b"x", b"\0"]), st.sampled_from([1, 5_000_000]), st.booleans()
    ),
    st.builds(Noise, st.binary(max_size=60), _COUNTS, st.booleans()),
    st.builds(Cut, st.integers(0, 400) | st.integers(-60, -1), st.booleans()),
    st.builds(Flip, st.integers(0, 400), st.integers(0, 255)),
    st.builds(
        InFront,
        st.sampled_from(
            [
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
                b"HTTP/1.1 101 Switching\r\n\r\n",
                b"\r\n",
                b"HTTP/1.1 200 OK",
                b"X-Header: y\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            ]
        )
        | st.binary(max_size=20),
        _COUNTS,
    ),
    st.just(Twice()),
    st.builds(Slow, st.floats(0, 0.02), st.integers(0, 100)),
)
FLOODS: Final[st.SearchStrategy[Distortion]] = st.one_of(
    st.builds(InFront, st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n"]), st.just(4_000_000)),
    st.builds(
        Noise, st.sampled_from([b"x", b"HTTP/1.1 200 OK\r\nX: y\r\n"]), st.just(4_000_000), st.booleans()
    ),
    st.builds(Packed, st.sampled_from(["gzip", "deflate"]), st.just(2_000)),
    st.builds(Long, st.sampled_from([b"[", b" ", b'"\\ud800'[1:]]), st.just(10_000_000), st.booleans()),
)
"""Answers without an end, or almost."""
TURNS: Final = st.builds(Turn, st.integers(1, 12) | st.none(), DISTORTIONS)
