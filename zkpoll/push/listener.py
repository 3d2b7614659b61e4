"""The listener: sockets and limits -> whole requests -> answers. The only importer of waitress.

    connection -> _Request   its head is judged as soon as it is there: strangers are answered, their body
                             is dropped unread; so is what can be read in two ways, or is too large
    whole body -> _Door      in the lane of bodies (they wait for the disk), or in that of all else: polls
                             and refusals never wait behind the journal
    a thread   -> _Reply     asks the desk, and writes one answer, in one piece

waitress 3 brings the loop over the sockets, the parser and the threads. Replaced by name is what it does
otherwise: it reads bodies of strangers, names itself and quotes its callers in its error pages and its log,
lets a slow request live for ever, goes by the clock of the host, takes a length beside chunks, and closes a
connection so that its last answer may be lost.
"""

from __future__ import annotations

import logging
import re
import socket
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from traceback import format_tb
from typing import TYPE_CHECKING, Any, Final

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import Task, ThreadedTaskDispatcher
from waitress.utilities import BadRequest, InternalServerError, RequestEntityTooLarge

from zkpoll.push.addresses import caller
from zkpoll.push.ambiguity import is_ambiguous
from zkpoll.push.contract import UNAVAILABLE, Answer, Head
from zkpoll.push.sockets import BACKLOG, address_of, allow_connections, open_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from zkpoll.push.contract import Desk

_log = logging.getLogger(__name__)

_BODY: Final = 4 * 1024 * 1024
"""Bytes of a body at most; terminals were seen to send up to 60 kB (photos, templates)."""
_HEAD: Final = 16384
"""Bytes of a head at most."""
_SMALL: Final = 64 * 1024
"""Bytes of a body that always has room."""
_AT_ONCE: Final = 64
"""Connections that are accepted in one turn; waitress takes one, and then looks at all that are open."""
_TURN: Final = 0.25
"""Seconds until the loop looks whether it is to stop."""
_SWEEP: Final = 1.0
"""Seconds between two searches for callers that are too slow."""
_TOLD_AGAIN: Final = 60.0
"""Seconds between two warnings that there is no room."""
_TLS: Final = 0x16
"""The first byte of a caller that was told `https`."""
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_UNAVAILABLE: Final = Answer(503, UNAVAILABLE)
_BAD_REQUEST: Final = Answer(400, "Bad Request")
_TOO_LARGE: Final = Answer(413, "Too Large")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a listener its callers may take."""

    whole: float = 60.0
    """Seconds from a request's first byte to its last; and for which a connection may be silent."""
    finish: float = 20.0
    """Seconds for the bodies in hand, once it is to stop."""
    waiting: int = 256
    """Bodies that wait for a thread."""
    threads: int = 8
    """For bodies."""
    quick_threads: int = 2
    """For what has no body: from terminals it touches no disk."""
    connections: int = 2000
    linger: float = 5.0
    """Seconds for which a caller may hear its last answer and go; what it sends meanwhile is dropped. Closed
    at once, with bytes unread, the connection would be reset, and the answer might be lost on its way. Also
    for which an idle connection stays when there is no room."""
    memory: int = 256 * 1024 * 1024
    """Bytes of all large bodies at the same time. A body is never written to a file."""


class Listener:
    """Listens for terminals, from its making on; calls are answered while `serve` runs."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        desk: Desk,
        trusted: Sequence[IPv4Network | IPv6Network],
        limits: Limits,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        self.address = ", ".join(map(address_of, sockets))
        """Where it listens, with the real port: `127.0.0.1:8081`."""
        self._limits = limits
        self._map: dict[int, Any] = {}
        self._door = _Door(desk, trusted, limits, headers, self._map)
        adjustments = Adjustments(
            sockets=list(sockets),
            backlog=BACKLOG,
            connection_limit=allow_connections(limits.connections),
            max_request_header_size=_HEAD + 1,  # what it names is one too many
            max_request_body_size=_BODY + 1,
            inbuf_overflow=2 * _BODY,  # never a file
            ident=None,
            clear_untrusted_proxy_headers=False,
            log_socket_errors=False,
        )
        self._servers = [_Server(one, self._map, adjustments, self._door) for one in sockets]
        self._next_sweep = 0.0

    @property
    def waiting(self) -> int:
        """How many bodies wait for a thread."""
        return self._door.bodies.waiting

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._door.channels())

    def serve(self, stop: threading.Event) -> None:
        """Answer calls until `stop` is set; then accept no more, finish the bodies in hand, and return."""
        self._door.open()
        try:
            while not stop.is_set():
                self._turn()
            self._finish()
        finally:
            self.close()

    def close(self) -> None:
        """Close all that is open, whatever is in hand."""
        self._door.close()
        for server in self._servers:
            server.close()
            for channel in list(server.active_channels.values()):
                channel.handle_close()

    def _turn(self) -> None:
        wasyncore.loop(timeout=_TURN, use_poll=True, map=self._map, count=1)
        if (now := time.monotonic()) >= self._next_sweep:
            self._next_sweep = now + _SWEEP
            for server in self._servers:
                server.maintenance(now)

    def _finish(self) -> None:
        """Finish what is in hand. Whoever asks meanwhile hears 503; who does not is closed at its end."""
        end = time.monotonic() + self._limits.finish
        self._door.stopping = True
        for server in self._servers:
            server.accept_no_more()
        while in_hand := sum(channel.is_in_hand() for channel in self._door.channels()):
            if time.monotonic() > end:
                _log.warning("stopped with %d calls unanswered: they took too long", in_hand)
                return
            self._turn()


@contextmanager
def listening(
    where: str,
    desk: Desk,
    *,
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = (),
    limits: Limits = Limits(),
    headers: Sequence[tuple[str, str]] = (),
) -> Iterator[Listener]:
    """Listen on an address: `127.0.0.1:8081`, `[::]:8081`, `systemd`. Raise `InventoryError` if it cannot be.

    `trusted_proxies` are those whose X-Forwarded-For is believed. `headers` are sent with every answer, also
    with those that the desk is not asked for.
    """
    listener = Listener(open_sockets(where), desk, trusted_proxies, limits, headers)
    try:
        yield listener
    finally:
        listener.close()


# --- what all connections share ---


class _Mute(logging.LoggerAdapter[logging.Logger]):
    """A logger that is not heard: waitress quotes paths, and a path may hold a secret."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802, ARG002
        return False


_MUTE: Final = _Mute(_log)


class _Lane(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Threads, and the connections that wait for one."""

    logger = queue_logger = _MUTE

    @property
    def waiting(self) -> int:
        return len(self.queue)


class _Door:
    """The way of a request to the desk. Whatever the desk raises becomes a 503."""

    def __init__(
        self,
        desk: Desk,
        trusted: Sequence[IPv4Network | IPv6Network],
        limits: Limits,
        headers: Sequence[tuple[str, str]],
        objects: dict[int, Any],
    ) -> None:
        self._desk = desk
        self.trusted = trusted
        self.limits = limits
        self.headers = headers
        """Those of every answer."""
        self._objects = objects
        self.stopping = False
        self.bodies = _Lane()
        self._quick = _Lane()

    def open(self) -> None:
        """Start the threads."""
        self.bodies.set_thread_count(self.limits.threads)
        self._quick.set_thread_count(self.limits.quick_threads)

    def close(self) -> None:
        """Stop the threads; one that is still at work finishes alone, and nobody hears its answer."""
        for lane in (self.bodies, self._quick):
            lane.shutdown(timeout=1)

    def channels(self) -> list[_Channel]:
        """Return the connections that are open."""
        return [one for one in list(self._objects.values()) if isinstance(one, _Channel)]

    def judge(self, request: _Request, head: Head) -> Answer | None:
        """Given a request whose head has just come, return its answer if that does not depend on its body."""
        if self.stopping:
            return _UNAVAILABLE
        try:
            refused = self._desk.turn_away(head)
        except Exception as error:  # noqa: BLE001  # whatever it is, the listener goes on
            return _failed(head, error)
        return refused or (None if self._has_room(request) else _UNAVAILABLE)

    def _has_room(self, request: _Request) -> bool:
        if request.announced <= _SMALL:
            return True
        return sum(one.announced for one in self.channels()) <= self.limits.memory

    def send_on(self, channel: _Channel) -> None:
        """Given a connection, let its next request wait for a thread; too many that wait are not let in."""
        request = channel.requests[0]
        if request.error or request.verdict or not request.body_bytes_received:
            self._quick.add_task(channel)
        elif self.bodies.waiting >= self.limits.waiting:
            request.verdict = _UNAVAILABLE
            self._quick.add_task(channel)
        else:
            self.bodies.add_task(channel)

    def answer(self, request: _Request) -> Answer:
        """Given a request, return its answer."""
        if request.verdict:
            return request.verdict
        if isinstance(request.error, InternalServerError):  # waitress has caught an error of this module
            _log.error("a call from %s failed: %s", request.peer, _where(sys.exc_info()[1]))
            return _UNAVAILABLE
        head = request.head
        if head is None or (request.error and not isinstance(request.error, RequestEntityTooLarge)):
            _log.info("a call from %s is no HTTP that can be read (400)", request.peer)
            return _BAD_REQUEST
        try:
            if request.error:
                self._desk.too_large(head)
                return _TOO_LARGE
            waited = time.monotonic() - request.whole_at
            return self._desk.answer(replace(head, waited=waited), request.get_body_stream().read())
        except Exception as error:  # noqa: BLE001  # whatever it is, the terminal keeps its records
            return _failed(head, error)


def _failed(head: Head, error: BaseException) -> Answer:
    """Log what went wrong, without what the caller sent: an error's text may quote it. Return a 503."""
    _log.error("a call from %s failed: %s", head.address, _where(error))
    return _UNAVAILABLE


def _where(error: BaseException | None) -> str:
    if error is None:
        return "for no reason that is known"
    return "\n".join((type(error).__name__, *format_tb(error.__traceback__))).rstrip()


# --- one request ---


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """One request as it comes in. waitress asks `completed`, `error`, `empty` and `expect_continue`.

    Served is what boards were seen to send: no Host, HTTP/1.0, names in any case, `//`, raw bytes in the URL.
    Two things that none was seen to send are not: a raw space in the URL is 400, and a head whose lines end
    in LF alone is never whole.
    """

    def __init__(self, adjustments: Adjustments, door: _Door, peer: str) -> None:
        super().__init__(adjustments)
        self._door = door
        self.peer = caller(peer, "", ())
        self.began = self.whole_at = time.monotonic()
        self.head: Head | None = None
        self.verdict: Answer | None = None
        """The answer, where it is known before the desk is asked."""
        self.cut_short = False
        """Whether it was answered before its end had come."""

    @property
    def announced(self) -> int:
        """How many bytes its body has or will have, at most."""
        if self.completed:
            return int(self.body_bytes_received)
        return _BODY if self.chunked else int(self.content_length)

    def received(self, data: bytes) -> int:
        """Take what has come; return how much of it is of this request."""
        if data[0] == _TLS and not self.header_plus and not self.headers_finished:
            self.error, self.completed = BadRequest("TLS"), True
        consumed: int = super().received(data)
        if self.headers_finished and self.head is None and not self.empty:
            self._judge()
        if self.completed:
            self.whole_at = time.monotonic()
            self.expect_continue = False
            if self.error or self.verdict:
                self.cut_short = True
                return len(data)  # what follows may be its body: it is nobody's request
        return consumed

    def _judge(self) -> None:
        if self.error and not isinstance(self.error, RequestEntityTooLarge):
            return
        self.head = Head(
            method=self.command,
            path=self.path.encode("latin-1").decode(errors="replace"),
            query=self.request_uri.partition("?")[2],
            address=caller(self.peer, self.headers.get("X_FORWARDED_FOR", ""), self._door.trusted),
            host=self.headers.get("HOST", ""),
            authorization=self.headers.get("AUTHORIZATION", ""),
        )
        self.verdict = self._door.judge(self, self.head)
        if self.verdict:
            self.error = None
            self.completed = True

    def parse_header(self, header_plus: bytes) -> None:
        """Take a head. Raise `ParsingError` where it is none, or none that is clear."""
        if is_ambiguous(header_plus):
            raise ParsingError("ambiguous")
        line, end, rest = header_plus.partition(b"\r\n")
        line = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), line)  # names in GBK
        try:
            super().parse_header(line + end + rest)
        except ValueError as error:  # of urlsplit: `http://[`
            raise ParsingError("no URL") from error


# --- one answer ---


class _Reply(Task):  # type: ignore[misc]
    """One answer, in one piece, and with no header but those that its caller needs."""

    complete = True
    logger = _MUTE

    def execute(self) -> None:
        """Ask the desk, and answer."""
        channel, request = self.channel, self.request
        answer = channel.door.answer(request)
        status = HTTPStatus(answer.status)
        body = answer.text.encode()
        last = channel.door.stopping and len(channel.requests) == 1
        if request.cut_short or last or "close" in request.headers.get("CONNECTION", "").lower():
            request.headers["CONNECTION"] = "close"
        self.status = f"{status.value} {status.phrase}"
        self.content_length = len(body)
        more = (*channel.door.headers, *answer.headers)
        self.response_headers = [("Content-Type", answer.content_type), *more]
        self.start_time = time.time()  # the Date, by which terminals set their clock: not that of a long wait
        whole = self.build_response_header().replace(b"HTTP/1.0", b"HTTP/1.1", 1)
        if not (request.head and request.head.method == "HEAD"):
            whole += body
        self.wrote_header = True
        channel.write_soon(whole)


# --- one connection ---


class _Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = error_task_class = _Reply
    logger = _MUTE
    close_when_flushed: bool

    def __init__(
        self,
        server: _Server,
        sock: socket.socket,
        addr: Any,
        adj: Adjustments,
        map: dict[int, Any],  # noqa: A002
    ) -> None:
        self.door = server.door
        self.peer = caller(addr[0], "", ())
        self.parser_class = partial(_Request, door=self.door, peer=self.peer)
        self._lingers_since: float | None = None
        super().__init__(server, sock, addr, adj, map=map)

    @property
    def last_activity(self) -> float:
        """When something came or went, by a clock that nobody sets."""
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _: float) -> None:  # waitress tells the host's clock
        self._last_activity = time.monotonic()

    @property
    def announced(self) -> int:
        """How many bytes its large bodies have or will have."""
        sizes = [one.announced for one in (*self.requests, self.request) if one]
        return sum(size for size in sizes if size > _SMALL)

    def is_in_hand(self) -> bool:
        """Say whether a request of it waits for its body or its answer."""
        return bool(
            self.requests or self.total_outbufs_len or (self.request and self.request.headers_finished)
        )

    def is_overdue(self, now: float, *, crowded: bool) -> bool:
        """Given the time of `time.monotonic`, say whether it has had its time."""
        limits = self.door.limits
        if self._lingers_since is not None:
            return now - self._lingers_since > limits.linger
        if self.requests:
            return False  # a thread has it
        if self.request and now - self.request.began > limits.whole:
            _log.info("a call from %s was not whole within %g s", self.peer, limits.whole)
            return True
        is_idle = not self.request and not self.total_outbufs_len
        silence = limits.linger if crowded and is_idle else limits.whole
        return now - self.last_activity > silence

    def received(self, data: bytes) -> bool:
        """Take what has come, or drop it after the last answer."""
        return self._lingers_since is None and bool(super().received(data))

    def handle_write(self) -> None:
        """Send what is to be sent; after the last answer say so, and let the other side close first."""
        if not self.close_when_flushed or self.will_close:
            super().handle_write()
            return
        self._flush_exception(self._flush_some)
        if self.connected and not self.will_close and not self.total_outbufs_len:
            self.close_when_flushed = False
            self._lingers_since = time.monotonic()
            self.socket.shutdown(socket.SHUT_WR)

    def handle_error(self) -> None:
        """Close this connection, and no other; log why, without what came by it."""
        if not isinstance(error := sys.exc_info()[1], OSError):  # one that breaks is nothing to tell
            _log.error("the connection of %s failed: %s", self.peer, _where(error))
        self.handle_close()


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """One socket that listens, and its connections."""

    channel_class = _Channel
    logger = _MUTE

    def __init__(
        self, listening: socket.socket, objects: dict[int, Any], adjustments: Adjustments, door: _Door
    ) -> None:
        self.door = door
        self._closing = threading.Lock()
        self._closed = False
        self._told_full = -_TOLD_AGAIN
        kind = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(
            None,
            objects,
            _sock=listening,
            dispatcher=door.bodies,
            adj=adjustments,
            sockinfo=kind,
            bind_socket=False,
        )

    @property
    def _is_full(self) -> bool:
        return len(self._map) >= int(self.adj.connection_limit)

    def readable(self) -> bool:
        """Say whether one more may come in."""
        return bool(self.accepting) and not self._is_full

    def handle_accept(self) -> None:
        """Let in all that wait, up to a number."""
        for _ in range(_AT_ONCE):
            before = len(self._map)
            super().handle_accept()
            if len(self._map) == before or self._is_full:
                return

    def add_task(self, task: _Channel) -> None:
        """Take a connection whose request waits for a thread."""
        self.door.send_on(task)

    def maintenance(self, now: float) -> None:
        """Given the time of `time.monotonic`, close what is too slow."""
        crowded = self._is_full
        if crowded and now - self._told_full > _TOLD_AGAIN:
            self._told_full = now
            _log.warning("%d connections are open, no more are let in", len(self.active_channels))
        for channel in list(self.active_channels.values()):
            if channel.is_overdue(now, crowded=crowded):
                channel.handle_close()

    def handle_error(self) -> None:
        """Go on listening, whatever became of one connection."""
        _log.error("a connection could not be accepted: %s", _where(sys.exc_info()[1]))

    def accept_no_more(self) -> None:
        """Close what listens. The connections stay, and what wakes the loop."""
        wasyncore.dispatcher.close(self)

    def pull_trigger(self) -> None:
        """Wake the loop. A thread that outlives it must write to no file that has got its number since."""
        with self._closing:
            if not self._closed:
                super().pull_trigger()

    def close(self) -> None:
        """Close what listens, and what wakes the loop."""
        with self._closing:
            if not self._closed:
                self._closed = True
                super().close()
