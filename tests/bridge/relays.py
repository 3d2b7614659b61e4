"""A relay in front of a server, which can be cut, or left to be silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Relay:
    """Passes bytes between clients and a server on loopback, at a free port or at a given one."""

    def __init__(self, port: int, listen: int = 0) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", listen))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._mute = threading.Event()
        self._is_cut = threading.Event()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        for thread in self._threads:
            thread.join()

    def cut(self) -> None:
        """Close all connections, and take no more."""
        self._is_cut.set()
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def mute(self) -> None:
        """Take what comes and pass nothing on: the connection stays, and nobody answers."""
        self._mute.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                if self._is_cut.is_set():  # it was cut in this very moment, and may not have seen these two
                    client.close()
                    server.close()
                    return
                for pair in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._pass, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._mute.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
