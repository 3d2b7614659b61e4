"""HTTP as terminals speak it: one request, one answer, over a socket of our own.

A client library would put right what is odd here: HTTP/1.1 without Host, bodies without Content-Type,
the order of headers, and spaces that alone are escaped in a query.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from zkpoll.simulator.push_model import PushFaults, PushModel

USER_AGENT: Final = "iClock Proxy/1.09"
_WRITES: Final = 20
"""Writes a second on a slow line."""


class PushServer(NamedTuple):
    """What is typed into a terminal: where it pushes to."""

    host: str
    port: int
    prefix: str = ""
    """What stands behind the address, without a slash at its end: `/secret`."""

    @classmethod
    def of(cls, url: str) -> PushServer:
        """Given `http://HOST[:PORT][/PREFIX]`, return the server. Raise `ValueError` if it is none."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            raise ValueError("a virtual terminal speaks http:// only, without TLS")
        if parts.scheme != "http" or not parts.hostname or parts.query or parts.fragment or parts.username:
            raise ValueError(f"{url!r} is no address to push to; write it as http://HOST:PORT")
        parts.hostname.encode("idna")  # raises UnicodeError, which is a ValueError
        return cls(parts.hostname, parts.port or 80, parts.path.rstrip("/"))

    @property
    def netloc(self) -> str:
        """Host and port, as a Host header has them (C08, C31)."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PushRequest:
    """A request before it is bytes."""

    method: str
    name: str
    """The last part of its path: `cdata`."""
    query: str
    """As it is sent, but for its spaces."""
    body: bytes | None = None
    """None for none at all, as with GET."""
    token: str | None = None
    """The cookie of the 3.x dialect."""

    def encoded(self, server: PushServer, model: PushModel) -> bytes:
        """Return the bytes that `model` sends to `server`; headers in the order of C09 and C14."""
        prefix = server.prefix if model.keeps_prefix else ""
        path = f"{prefix}/iclock/{self.name}{'.aspx' if model.aspx else ''}"
        lines = [f"{self.method} {path}?{self.query.replace(' ', '%20')} HTTP/{model.http}"]
        lines += [f"Cookie: token={self.token}"] if self.token else []
        lines += [f"Host: {server.netloc}"] if model.host else []
        lines += [f"User-Agent: {USER_AGENT}", f"Connection: {_connection(model)}", "Accept: */*"]
        if model.dialect == "3.x":
            lines += ["Accept-Charset: UTF-8", "Accept-Language: zh-CN"]
        if self.body is not None:
            lines += [f"Content-Type: {model.content_type}"] if model.content_type else []
            lines += [f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + (self.body or b"")


def _connection(model: PushModel) -> str:
    if model.keeps_open:
        return "keep-alive"
    return "starting" if model.dialect == "3.x" else "close"  # as the documents of 3.x print it


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """The answer of a server, as a terminal takes it."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str, *, exact: bool = False) -> str:
        """Return the value of a header, "" if there is none; `exact` looks at the name's case, too."""
        same = name.__eq__ if exact else lambda other: other.lower() == name.lower()
        return next((value for other, value in self.headers if same(other)), "")

    @property
    def ok(self) -> bool:
        """Whether what was sent counts as delivered: the status is 200, and the body contains `OK`."""
        return self.status == 200 and b"OK" in self.body

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def lines(self, *, whole: bool = False) -> list[str]:
        """Return the lines of the body; `whole` leaves out a last one that is not ended by LF."""
        *ended, rest = self.text.split("\n")
        return [line.rstrip("\r") for line in (ended if whole else [*ended, rest]) if line.strip()]

    def date(self, *, exact: bool = False) -> datetime | None:
        """Return the moment of `Date` (UTC, without a zone), None if there is none."""
        try:
            return datetime.strptime(self.header("Date", exact=exact), "%a, %d %b %Y %H:%M:%S GMT")
        except ValueError:
            return None


class HungUpError(Exception):
    """The terminal itself closed the connection in the middle of a body."""


class PushLine:
    """The line to a server: sends the bytes of a request, and takes the answer.

    One caller at a time; `hang_up` may be called from anywhere.
    """

    def __init__(self, server: PushServer, timeout: float) -> None:
        self.server = server
        self.timeout = timeout
        """Seconds of silence that end a request."""
        self.hung_up = 0
        """Requests that were broken off by a fault."""
        self._socket: socket.socket | None = None
        self._left = False

    def hang_up(self) -> None:
        """Close the connection; a request under way fails at once."""
        self._left = True
        if line := self._socket:
            with suppress(OSError):  # not connected, or no longer
                line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of a connection that was kept."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def ask(self, request: bytes, model: PushModel, faults: PushFaults) -> PushAnswer:
        """Send `request` and return its answer.

        Raise `OSError` if the server cannot be reached or leaves, `HTTPException` if what comes is no
        answer, `HungUpError` if a fault ended it.
        """
        kept, self._left = self._socket is not None, False
        try:
            return self._try(request, model, faults)
        except (ConnectionError, HTTPException):
            if self._left or not kept:
                raise
        # A server may close a socket that rests: that is no failure, the request goes over a new one.
        return self._try(request, model, faults)

    def _try(self, request: bytes, model: PushModel, faults: PushFaults) -> PushAnswer:
        keep = False
        try:
            line = self._socket or self._connect()
            self._send(line, request, faults)
            with HTTPResponse(line, method=request.split(b" ", 1)[0].decode()) as answer:
                answer.begin()
                body = answer.read()
                keep = model.keeps_open and not answer.will_close
                return PushAnswer(answer.status, tuple(answer.headers.items()), body)
        finally:
            if not keep:
                self.close()

    def _connect(self) -> socket.socket:
        where = socket.getaddrinfo(self.server.host, self.server.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = where[0]
        self._socket = socket.socket(family, kind, protocol)
        self._socket.settimeout(self.timeout)
        self._socket.connect(address)
        return self._socket

    def _send(self, line: socket.socket, request: bytes, faults: PushFaults) -> None:
        limit = faults.hang_up_after
        tired = faults.hang_up_times is not None and self.hung_up >= faults.hang_up_times
        end = request.index(b"\r\n\r\n") + 4 + (limit or 0)
        broken = limit is not None and not tired and end < len(request)
        data = request[:end] if broken else request
        size = max(1, faults.bandwidth // _WRITES) if faults.bandwidth else len(data)
        for start in range(0, len(data), size):
            line.sendall(data[start : start + size])
            if faults.bandwidth:
                time.sleep(size / faults.bandwidth)
        if broken:
            self.hung_up += 1
            raise HungUpError
