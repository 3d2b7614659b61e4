"""A sample dashboard: takes events over HTTP, keeps each once, and fails on request."""

from __future__ import annotations

import json
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Final, Self

from zkpoll.simulator.threads import Stoppable, running

if TYPE_CHECKING:
    from types import TracebackType

JsonEvent = dict[str, Any]
"""One punch in JSON; `id` tells it from all others."""

_JSON: Final = {"Content-Type": "application/json"}
_TRICKLES: Final = 20
"""Writes a second of a trickling body."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Header names in lower case."""
    body: bytes

    @property
    def idempotency_key(self) -> str | None:
        """The `Idempotency-Key` header."""
        return self.headers.get("idempotency-key")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One HTTP answer, and its faults."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)
    delay: float = 0.0
    """Seconds before the status line."""
    early: bytes = b""
    """What comes before the status line: interim answers."""
    cut: bool = False
    """Close the connection in the middle of the body (before the status line if it is empty)."""
    trickle: int | None = None
    """Body bytes a second."""
    keep: bool | None = None
    """Whether the events are kept; None keeps them with a 2xx status."""

    @property
    def keeps(self) -> bool:
        """Whether the events of the request are kept."""
        return 200 <= self.status < 300 if self.keep is None else self.keep


Script = HttpAnswer | Callable[[Received], HttpAnswer]
"""The answer to one request, or a function that makes it."""


class SampleDashboard:
    """A dashboard on a loopback address, for as long as the `with` block lasts.

    A test may put answers into `answers` at any time; each is used once. When there are none,
    `default` answers: 401 for a wrong token, 400 for no JSON, 422 for no events, else
    `200 {"accepted": n}`.
    """

    def __init__(self, token: str | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.token = token
        self.answers: deque[Script] = deque()
        self.requests: list[Received] = []
        self.events: dict[str, JsonEvent] = {}
        """Every event kept, by id, in order of arrival."""
        self.duplicates = 0
        """Events that came again."""
        self.conflicts: list[JsonEvent] = []
        """Those of them whose content was not the same."""
        self.connections = 0
        self._lock = threading.Lock()
        self._where = host, port
        self._exit = ExitStack()
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        server = _Server(self._where, self)
        self._server = server
        self._exit.enter_context(running(server))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.close()

    @property
    def url(self) -> str:
        """Where to POST. Raise `RuntimeError` outside the `with` block."""
        if self._server is None:
            raise RuntimeError("the dashboard is not open")
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else host
        return f"http://{name!s}:{port}/v1/attendance"

    def answer(self, request: Received) -> HttpAnswer:
        """Record `request`, keep its events if the answer says so, and return the answer."""
        with self._lock:
            self.requests.append(request)
            script = self.answers.popleft() if self.answers else self.default
        answer = script(request) if callable(script) else script
        if answer.keeps:
            with suppress(ValueError):  # a scripted answer to what is no JSON
                self.keep(_events(request.body) or [])
        return answer

    def default(self, request: Received) -> HttpAnswer:
        """Return the answer of a well-behaved dashboard to `request`."""
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return _answer(HTTPStatus.UNAUTHORIZED, error="wrong token")
        if request.method != "POST":
            return _answer(HTTPStatus.METHOD_NOT_ALLOWED, error="POST events here")
        try:
            events = _events(request.body)
        except ValueError:
            return _answer(HTTPStatus.BAD_REQUEST, error="not JSON")
        if events is None:
            return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, error="no events with an id")
        return _answer(HTTPStatus.OK, accepted=len(events))

    def keep(self, events: list[JsonEvent]) -> None:
        """Keep each event once; count those that came before."""
        with self._lock:
            for event in events:
                kept = self.events.setdefault(event["id"], event)
                self.duplicates += kept is not event
                if kept != event:
                    self.conflicts.append(event)


def _answer(status: HTTPStatus, **body: object) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(body).encode())


def _events(body: bytes) -> list[JsonEvent] | None:
    """Return the events of `{"events": [...]}` or one bare event, or None if it is neither.

    Raise `ValueError` if it is no JSON.
    """
    content = json.loads(body)
    if not isinstance(content, dict):
        return None
    events = content.get("events", [content])
    if not isinstance(events, list):
        return None
    sound = all(isinstance(event, dict) and isinstance(event.get("id"), str) for event in events)
    return events if sound else None


class _Server(Stoppable, TCPServer):
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, where: tuple[str, int], dashboard: SampleDashboard) -> None:
        self.dashboard = dashboard
        if ":" in where[0]:
            self.address_family = socket.AF_INET6
        super().__init__(where, _Exchange)


class _Exchange(BaseHTTPRequestHandler):
    """One connection, kept alive between requests."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # Status line, headers and body leave in one write, as from any real server: with two, a delayed
    # TCP acknowledgement in between costs 40 ms.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.dashboard.connections += 1

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def finish(self) -> None:
        try:
            super().finish()
        except ConnectionError:
            self.rfile.close()  # nobody is there to flush the rest to

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's own name
        """Say nothing."""

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self._respond(self.server.dashboard.answer(Received(self.command, self.path, headers, body)))

    do_GET = do_PUT = do_PATCH = do_OPTIONS = do_POST  # noqa: N815

    def _respond(self, answer: HttpAnswer) -> None:
        self._wait(answer.delay)
        if answer.cut and not answer.body:
            self.close_connection = True
            return
        self.wfile.write(answer.early)
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if answer.cut:
            self.wfile.write(answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif answer.trickle:
            self._trickle(answer.body, answer.trickle)
        else:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _trickle(self, body: bytes, speed: int) -> None:
        size = max(1, speed // _TRICKLES)
        for start in range(0, len(body), size):
            self.wfile.flush()
            self._wait(size / speed)
            self.wfile.write(body[start : start + size])

    def _wait(self, seconds: float) -> None:
        if seconds and self.server.stopping.wait(seconds):
            raise ConnectionAbortedError
