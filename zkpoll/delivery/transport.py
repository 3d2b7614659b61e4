"""The connections under the client: urllib3's, with a watchdog on their sockets.

requests builds its connections out of its caller's sight. A context variable brings what watches a
thread's request to the connection that the request is made on.
"""

from __future__ import annotations

import re
import socket
import ssl
from contextvars import ContextVar
from http import HTTPStatus
from http.client import BadStatusLine, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

if TYPE_CHECKING:
    from io import BufferedReader

    from zkpoll.delivery.watchdog import Leash

LEASH: Final[ContextVar[Leash]] = ContextVar("LEASH")
"""What watches the request that this thread is making."""


_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9] +[1-9][0-9]{2}(?: [^\r\n]*)?\r?\n")
_LENGTH: Final = re.compile("^(content-length|transfer-encoding)", re.IGNORECASE | re.MULTILINE)
_TLS_RECORDS: Final = tuple(bytes((kind, 3, minor)) for kind in (21, 22) for minor in range(5))
"""How an alert and a handshake of TLS begin (RFC 8446, 5.1)."""
_LONGEST_LINE: Final = 64 * 1024
"""Bytes of a line in a head, as the standard library has it."""


class _Head:
    """Reads lines, and remembers the last one."""

    def __init__(self, stream: BufferedReader) -> None:
        self.stream = stream
        self.last = b""

    def readline(self, limit: int) -> bytes:
        self.last = self.stream.readline(limit)
        return self.last

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        self.stream.close()


class NotHttp(HTTPException):
    """The head of an answer that is no HTTP; its text says what is wrong with it."""


class OnlyTls(NotHttp):
    """The port answers in TLS to a request without."""


class NoTunnel(OSError):
    """The proxy makes no tunnel to the dashboard."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__("no tunnel")
        self.status = status
        """What the proxy answered, None without an answer."""


class _WholeHead(HTTPResponse):
    """A response with a complete and sound head, that of its final answer.

    The standard library takes the end of the stream for the end of the headers: `HTTP/1.1 200 OK` and a cut
    cable would be a good answer. It loses the headers behind a line that is none, and takes an interim answer
    for the final one, so that the next request on the connection would get the answer to this one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head = _Head(self.fp)
        self._of_proxy = True
        """Whether it is a proxy's answer to CONNECT, of which nobody reads more than the head."""
        self.fp = self._head  # type: ignore[assignment]  # it takes no more than this to read a head

    def begin(self) -> None:
        """Read the head. Raise `IncompleteRead` when it has no end, `NotHttp` when it is none."""
        self._of_proxy = False
        try:
            super().begin()
        finally:
            if not self.isclosed():
                self.fp = self._head.stream
        if flaw := self._flaw():
            self.close()
            raise flaw
        if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
            self.will_close = True

    def _read_status(self) -> tuple[str, int, str]:
        """Read the line with the status, behind those of interim answers and their headers.

        Raise `NoTunnel` for that of a proxy that makes none.
        """
        while True:
            try:
                found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            except RemoteDisconnected:
                raise
            except BadStatusLine:
                raise _no_status(self._head.last) from None
            if not _STATUS_LINE.match(self._head.last):
                raise _no_status(self._head.last)
            if self._of_proxy and found[1] // 100 != 1 and found[1] != HTTPStatus.OK:
                raise NoTunnel(found[1])
            if found[1] == HTTPStatus.SWITCHING_PROTOCOLS or found[1] // 100 != 1:
                return found
            while self._head.readline(_LONGEST_LINE).strip(b"\r\n"):
                pass

    def _safe_read(self, amt: int) -> bytes:
        """Read so many bytes of the body. Raise `NotHttp` for a piece of less than none."""
        if amt < 0:
            raise NotHttp("its body comes in pieces, one of them without a size")
        read: bytes = super()._safe_read(amt)  # type: ignore[misc]
        return read

    def _flaw(self) -> HTTPException | None:
        if self._head.last not in {b"\r\n", b"\n"}:
            return IncompleteRead(b"")
        # Behind a line that is no header, all are lost. Nobody misses any but those of its length.
        if _LENGTH.search(str(self.headers.get_payload())):
            return NotHttp("a line among its headers is none")
        lengths = {one.strip() for one in ",".join(self.headers.get_all("Content-Length", [])).split(",")}
        if len(lengths) > 1:
            return NotHttp("it has two values for Content-Length")
        (length,) = lengths
        return NotHttp("its Content-Length is no number") if length and not length.isdecimal() else None


def _no_status(line: bytes) -> HTTPException:
    """Return the error for a line that is no status line: that of a cut one, if it may have become one.

    It shows the whole line, since a secret that is cut is no longer found.
    """
    if line.startswith(b"HTTP/") and not line.endswith(b"\n"):
        return IncompleteRead(b"")
    if line.startswith(_TLS_RECORDS):
        return OnlyTls("it speaks TLS")
    return NotHttp(f'it begins with "{line.decode("ascii", "replace").strip()}"')


class _Connection(HTTPConnection):
    response_class = _WholeHead

    def _new_conn(self) -> socket.socket:
        try:
            return _connect(self)
        except OSError as error:
            # Wrapped, because urllib3 takes some of the bare ones for an upload that was cut short.
            raise NewConnectionError(self, "no connection") from error

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request. On a connection that was kept alive, its socket is watched from here on."""
        if self.sock is not None:
            LEASH.get().watch(self.sock)
        super().request(*args, **kwargs)

    def _tunnel(self) -> None:
        """Ask the proxy for a tunnel. Raise `NoTunnel` if it makes none, `TimeoutError` if it is silent."""
        try:
            super()._tunnel()
        except (NoTunnel, TimeoutError):
            raise
        except (OSError, HTTPException) as error:
            raise NoTunnel from error


class _TlsConnection(_Connection, HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request. Raise `BrokenPipeError` when the other side hung up, as without TLS.

        urllib3 then reads the words before it, such as that a certificate of ours is wanted.
        """
        try:
            super().request(*args, **kwargs)
        except ssl.SSLEOFError as error:
            raise BrokenPipeError from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: Final = {"http": _Pool, "https": _TlsPool}


class WatchedAdapter(HTTPAdapter):
    """An adapter of requests with connections that report to the watchdog, also those through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Set up the pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Given a proxy's URL, return its pools."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def close(self) -> None:
        """Close every kept connection now. Left alone, urllib3 waits for the garbage collector."""
        for manager in (self.poolmanager, *self.proxy_manager.values()):
            for key in manager.pools.keys():  # noqa: SIM118  # it cannot be iterated over
                manager.pools[key].close()
        super().close()


def _connect(connection: HTTPConnection) -> socket.socket:
    """Return a connected socket. Raise `OSError` for the last of the host's addresses if none answers.

    Each address gets its share of the time that is left, so that one that swallows packets (IPv6, often)
    does not use up the others'.
    """
    address = (connection.host, connection.port)
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for left in range(len(found), 1, -1):
        try:
            return _connect_to(found[-left], connection, left)
        except OSError:
            continue  # the next address is tried, and the last one's error is raised
    return _connect_to(found[-1], connection, 1)


def _connect_to(found: Any, connection: HTTPConnection, shares: int) -> socket.socket:
    family, kind, protocol, _, target = found
    leash = LEASH.get()
    share = leash.remaining() / shares
    sock = socket.socket(family, kind, protocol)
    try:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        leash.watch(sock)
        sock.settimeout(share)
        sock.connect(target)
        sock.settimeout(leash.remaining())
    except OSError:
        sock.close()
        raise
    return sock
