"""A real HTTP server on loopback that does what a test scripts, and remembers what it was sent."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from pathlib import Path

TRICKLE = 0.05
"""Seconds between two bytes of a trickled answer."""


@dataclass(frozen=True)
class Script:
    """How one request is treated."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"ok":true}'
    early: bytes = b""
    """What is sent before the delay, verbatim."""
    delay: float = 0.0
    """Seconds before the answer."""
    trickle: Literal["head", "body"] | None = None
    """Which part is sent byte by byte, without end."""
    raw: bytes | None = None
    """What is sent instead of an answer, verbatim, before the connection is closed."""
    deaf: bool = False
    """Whether the body of the request is left unread."""
    length: bool = True
    """Whether the answer tells its length; without, its end is the end of the connection."""


DROP = Script(raw=b"")
"""The connection is closed without an answer."""


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: Message
    body: bytes
    peer: tuple[str, int]
    method: str = "POST"

    @property
    def ids(self) -> list[str]:
        """The ids of the events in a body of the format `events`."""
        return [event["id"] for event in json.loads(self.body)["events"]]


Treatment = Script | Callable[[Received], Script]
"""How a request is treated, or who decides that when it has come in."""


class Dashboard(http.server.ThreadingHTTPServer):
    """Treats its requests by `scripts`, one after the other, and every further one by the last of them.

    With `clients`, the file of an authority, it wants a certificate of that authority from whoever comes.
    """

    daemon_threads = False  # so that closing it waits for its handlers: nothing may be left behind

    def __init__(
        self, *scripts: Treatment, certificate: Path | None = None, clients: Path | None = None
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripts: tuple[Treatment, ...] = scripts or (Script(),)
        self.received: list[Received] = []
        self.seen = threading.Event()
        self.closing = threading.Event()
        self._started = 0
        self._lock = threading.Lock()
        self._scheme = "https" if certificate else "http"
        if certificate:
            self._encrypt(certificate, clients)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving, and wait for every connection's end."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    @property
    def url(self) -> str:
        """Where punches are taken."""
        return f"{self._scheme}://127.0.0.1:{self.server_port}/v1/attendance"

    def next_script(self) -> Treatment:
        """Return how the request that has just begun is treated."""
        with self._lock:
            script = self.scripts[min(self._started, len(self.scripts) - 1)]
            self._started += 1
            return script

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what these tests are about."""

    def _encrypt(self, certificate: Path, clients: Path | None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if clients:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: Dashboard

    def do_POST(self) -> None:
        treatment = self.server.next_script()
        if isinstance(treatment, Script) and treatment.deaf:
            self.server.seen.set()
            self.server.closing.wait()
            self.close_connection = True
            return
        received = self._remember()
        script = treatment if isinstance(treatment, Script) else treatment(received)
        self.wfile.write(script.early)
        self.server.closing.wait(script.delay)
        if script.raw is not None:
            self.connection.sendall(script.raw)
            self.close_connection = True
            return
        self._answer(script)

    do_GET = do_POST  # noqa: N815

    def do_OPTIONS(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output clean."""

    def _remember(self) -> Received:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        received = Received(self.path, self.headers, body, self.client_address, self.command)
        self.server.received.append(received)
        self.server.seen.set()
        return received

    def _answer(self, script: Script) -> None:
        head = [f"HTTP/1.1 {script.status} Scripted", *(f"{k}: {v}" for k, v in script.headers.items())]
        if script.trickle == "head":
            return self._trickle("\r\n".join(head).encode() + b"\r\nX-Slow: ")
        if script.trickle == "body":
            return self._trickle("\r\n".join(head).encode() + b"\r\n\r\n")
        if script.length:
            head.append(f"Content-Length: {len(script.body)}")
        self.close_connection = not script.length
        self.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1") + script.body)
        return None

    def _trickle(self, beginning: bytes) -> None:
        self.close_connection = True
        self.wfile.write(beginning)
        while not self.server.closing.wait(TRICKLE):
            self.connection.sendall(b"x")


class MuteServer:
    """Accepts connections in the kernel alone: whoever connects never hears a byte."""

    def __init__(self, backlog: int = 5) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(backlog)
        self._crowd: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in [*self._crowd, self._socket]:
            sock.close()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._socket.getsockname()[1]}"

    def fill(self, connections: int) -> None:
        """Take up the backlog, so that the next connection is neither taken nor refused."""
        for _ in range(connections):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(self._socket.getsockname())
            self._crowd.append(sock)
