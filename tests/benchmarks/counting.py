"""A dashboard that only counts ids: it takes next to nothing from who is measured."""

from __future__ import annotations

import selectors
import socket
import sys
from dataclasses import dataclass, field
from typing import Final

_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_LENGTH: Final = b"Content-Length: "


@dataclass
class _Connection:
    """One connection, and what has come in of the request under way."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)

    def read(self) -> int | None:
        """Take what came; return the ids of the requests that are complete, None at the end."""
        data = self.sock.recv(1 << 20)
        if not data:
            return None
        self.received += data
        found = 0
        while (end := self._end()) is not None:
            found += self.received.count(b'"id":', 0, end)
            del self.received[:end]
            self.sock.sendall(_ANSWER)
        return found

    def _end(self) -> int | None:
        """Return where the first request ends, or None while it is not complete."""
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return None
        at = self.received.find(_LENGTH, 0, head) + len(_LENGTH)
        end = head + 4 + int(self.received[at : self.received.find(b"\r\n", at)])
        return end if len(self.received) >= end else None


def main() -> None:
    """Print its address, count until standard input ends, and print how many ids there were."""
    total = 0
    with (
        selectors.DefaultSelector() as selector,
        socket.create_server(("127.0.0.1", 0), backlog=64) as server,
    ):
        print(f"http://127.0.0.1:{server.getsockname()[1]}/", flush=True)  # noqa: T201  # for who starts us
        selector.register(server, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    print(total, flush=True)  # noqa: T201  # for who starts us
                    return
                if key.fileobj is server:
                    sock, _ = server.accept()
                    selector.register(sock, selectors.EVENT_READ, _Connection(sock))
                    continue
                found = key.data.read()
                if found is None:
                    selector.unregister(key.fileobj)
                    key.data.sock.close()
                total += found or 0
