"""The connections under the client: urllib3's, with a watchdog on their sockets.

requests builds its connections out of its caller's sight. A context variable brings the watchdog of a
thread's request to the connection that the request is made on.
"""

from __future__ import annotations

import socket
import ssl
from contextvars import ContextVar
from http.client import HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

if TYPE_CHECKING:
    from io import BufferedReader

    from zkpoll.delivery.watchdog import Watchdog

WATCHDOG: Final[ContextVar[Watchdog]] = ContextVar("WATCHDOG")
"""The watchdog of the request that this thread is making."""


class _Head:
    """Reads lines, and remembers the last one."""

    def __init__(self, stream: BufferedReader) -> None:
        self._stream = stream
        self.last = b""

    def readline(self, limit: int) -> bytes:
        self.last = self._stream.readline(limit)
        return self.last

    def close(self) -> None:
        self._stream.close()


class _WholeHead(HTTPResponse):
    """A response with a complete head.

    The standard library takes the end of the stream for the end of the headers: `HTTP/1.1 200 OK` and a cut
    cable would be a good answer.
    """

    def begin(self) -> None:
        """Read the head. Raise `IncompleteRead` when it has no end."""
        stream = self.fp
        head = _Head(stream)
        self.fp = head  # type: ignore[assignment]  # it takes no more than this to read a head
        try:
            super().begin()
        finally:
            if not self.isclosed():
                self.fp = stream
        if head.last not in {b"\r\n", b"\n"}:
            self.close()
            raise IncompleteRead(b"")


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
            WATCHDOG.get().watch(self.sock)
        super().request(*args, **kwargs)


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
    watchdog = WATCHDOG.get()
    share = watchdog.remaining() / shares
    sock = socket.socket(family, kind, protocol)
    try:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        watchdog.watch(sock)
        sock.settimeout(share)
        sock.connect(target)
        sock.settimeout(watchdog.remaining())
    except OSError:
        sock.close()
        raise
    return sock
