"""The plainest server that terminals push to: a socket, the bytes that came, the bytes that go."""

from __future__ import annotations

import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from types import TracebackType

DATE: Final = "Sun, 22 Nov 2026 02:59:58 GMT"
SETTINGS: Final = {
    "ATTLOGStamp": "None",
    "ErrorDelay": "30",
    "Delay": "7",
    "TransFlag": "111111111111",
    "TimeZone": "6",
    "Realtime": "1",
    "ServerVer": "2.2.14",
}
"""What a server tells that behaves."""
_PATIENCE: Final = 10.0
"""Seconds."""


class Asked(NamedTuple):
    """One request as it came."""

    raw: bytes
    connection: int
    """The number of the connection it came over, from 1."""

    @property
    def line(self) -> str:
        """The request line."""
        return self.raw.split(b"\r\n", 1)[0].decode()

    @property
    def head(self) -> list[str]:
        """The header lines."""
        return self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]

    @property
    def body(self) -> bytes:
        """What stands behind the head."""
        return self.raw.partition(b"\r\n\r\n")[2]


def reply(body: str = "OK", status: int = 200, date: str | None = DATE, *headers: str) -> bytes:
    """Return an answer as bytes."""
    lines = [f"HTTP/1.1 {status} X", *headers, "Content-Type: text/plain"]
    lines += [f"Date: {date}"] if date else []
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


@dataclass
class Booth:
    """A server on a loopback port for as long as the `with` block lasts.

    Each answer of `answers` is used once; then it answers as it should: settings, commands, `OK`.
    """

    settings: dict[str, str] = field(default_factory=lambda: dict(SETTINGS))
    answers: deque[bytes] = field(default_factory=deque)
    """`b""` hangs up."""
    commands: list[str] = field(default_factory=list)
    """Given out at the next getrequest."""
    registered: bool = False
    """Whether it knows the terminal, in the access dialect."""
    at: int = 0
    """The port; 0 for any free one."""
    silent: bool = False
    """It takes requests, and answers none."""
    requests: list[Asked] = field(default_factory=list)
    broken: list[bytes] = field(default_factory=list)
    """Requests that were not whole when the terminal left."""

    def __enter__(self) -> Self:
        self._connections: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", self.at))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self.hang_up()
        self._thread.join()
        self._server.close()

    def hang_up(self) -> None:
        """Close every connection."""
        for one in self._connections:
            with suppress(OSError):  # closed already
                one.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        """What is typed into a terminal."""
        return f"http://127.0.0.1:{self.port}"

    def posted(self, word: str = "table=ATTLOG") -> list[Asked]:
        """Return the requests whose line contains `word`."""
        return [one for one in self.requests if word in one.line]

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return  # it is over
            self._connections.append(client)
            with client, suppress(OSError):  # the terminal left
                client.settimeout(_PATIENCE)
                while self._exchange(client):
                    pass

    def _exchange(self, client: socket.socket) -> bool:
        """Take a request and answer it; return whether another may come over this connection."""
        raw = b""
        while not _whole(raw):
            data = client.recv(65536)
            if not data:
                self.broken += [raw] if raw else []
                return False
            raw += data
        asked = Asked(raw, len(self._connections))
        self.requests.append(asked)
        if self.silent:
            return True
        answer = self.answers.popleft() if self.answers else self._usual(asked.line)
        client.sendall(answer)
        return "Connection: keep-alive" in asked.head and bool(answer)

    def _usual(self, line: str) -> bytes:
        lines = [f"{key}={value}" for key, value in self.settings.items()]
        if "options=all" in line and "DeviceType=acc" in line:
            return reply(
                "\n".join(["registry=ok", "RegistryCode=Uy47fxftP3", *lines]) if self.registered else "OK"
            )
        if "options=all" in line:
            return reply("\n".join(["GET OPTION FROM: X", *lines, ""]))
        if "/registry" in line:
            self.registered = True
            return reply("RegistryCode=Uy47fxftP3")
        if "/push" in line:
            return reply("\n".join(lines))
        if "type=time" in line:
            return reply("DateTime=864269998,ServerTZ=+0530")
        if "getrequest" in line and self.commands:
            commands, self.commands = self.commands, []
            return reply("".join(f"{command}\n" for command in commands))
        return reply("OK: 1" if "table=" in line else "OK")


def _whole(raw: bytes) -> bool:
    head, end, body = raw.partition(b"\r\n\r\n")
    lengths = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
    return bool(end) and len(body) >= int(lengths[0].split(b" ")[1] if lengths else 0)


def settings(**others: Any) -> dict[str, str]:
    """Return `SETTINGS` with others in their place; None leaves one out."""
    both = {**SETTINGS, **others}
    return {key: value for key, value in both.items() if value is not None}
