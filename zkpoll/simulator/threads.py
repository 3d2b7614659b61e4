"""A threaded server that stops at once: connections are closed and every thread is joined."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from socketserver import BaseServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL: Final = 0.02
"""Seconds until a server notices that it is to stop."""


class Stoppable(ThreadingMixIn):
    """One thread a connection; mix into a `socketserver.TCPServer`."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(*args, **kwargs)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, and serve it in a thread of its own."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection, and close it."""
        self._connections.discard(request)
        super().shutdown_request(request)  # type: ignore[misc]  # of the server it is mixed into

    def hang_up(self) -> None:
        """End every connection, and every wait of its thread."""
        self.stopping.set()
        for connection in list(self._connections):
            with suppress(OSError):  # closed in this very moment
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Serve in a thread; on leaving, stop, close every socket and join every thread."""
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        if isinstance(server, Stoppable):
            server.hang_up()
        thread.join()
        server.server_close()
