"""A proxy on loopback that takes CONNECT, as those of companies do, and leads to anywhere, or refuses."""

from __future__ import annotations

import selectors
import socket
import threading
from typing import Self

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n"


class Proxy:
    """Says `answer` to each CONNECT, and leads on to the place asked for if `leads` is set."""

    def __init__(self, answer: bytes = ESTABLISHED, *, leads: bool = True) -> None:
        self._answer, self._leads = answer, leads
        self.heads: list[str] = []
        """What it was asked, each with its headers."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = [threading.Thread(target=self._serve)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._server.close()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._treat, args=(caller,))
            self._threads.append(thread)
            thread.start()

    def _treat(self, caller: socket.socket) -> None:
        with caller:
            head = b""
            while b"\r\n\r\n" not in head and (read := caller.recv(65536)):
                head += read
            self.heads.append(head.decode("latin-1"))
            caller.sendall(self._answer)
            if self._leads:
                host, _, port = head.split(b" ")[1].decode().rpartition(":")
                with socket.create_connection((host, int(port))) as there:
                    self._carry(caller, there)

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        """Carry bytes both ways, until either side hangs up."""
        with selectors.DefaultSelector() as ready:
            ready.register(one, selectors.EVENT_READ, other)
            ready.register(other, selectors.EVENT_READ, one)
            while not self._ended.is_set():
                for key, _ in ready.select(0.05):
                    source, target = key.fileobj, key.data
                    try:
                        read = source.recv(65536)  # type: ignore[union-attr]
                        target.sendall(read)
                    except OSError:
                        return
                    if not read:
                        return
