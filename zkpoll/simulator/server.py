"""A virtual terminal on a real socket, over TCP or UDP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from functools import partial
from select import select
from socketserver import BaseRequestHandler, TCPServer, UDPServer
from struct import pack
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from zkpoll.simulator.terminal import LARGEST_DATAGRAM, ClientSession, Terminal
from zkpoll.simulator.threads import Stoppable, running
from zkpoll.simulator.wire import NoStartMarkError, take_payloads, with_top

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Transport = Literal["tcp", "udp"]

_RECEIVE: Final = 65536
_BURST: Final = 8
"""Datagrams sent without a pause; a receiver's default buffer holds about ninety."""
_BREATH: Final = 0.001
"""Seconds of that pause."""
_UDP_CLIENTS: Final = 64
"""Sessions remembered over UDP, where nobody closes a connection."""


class Listening(NamedTuple):
    """The address that a terminal answers at."""

    host: str
    port: int


@contextmanager
def serve(
    terminal: Terminal, host: str = "127.0.0.1", port: int = 0, transport: Transport = "tcp"
) -> Iterator[Listening]:
    """Let `terminal` answer on `host` and `port` (0 for any free one), and yield its endpoint.

    Raise `OSError` if the address cannot be had.
    """
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    family, _, _, _, where = socket.getaddrinfo(host, port, type=kind)[0]
    server = (_TcpServer if transport == "tcp" else _UdpServer)(terminal, family, where)
    with running(server):
        name, number = server.server_address[:2]
        yield Listening(str(name), number)


class _TcpServer(Stoppable, TCPServer):
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, terminal: Terminal, family: int, where: Any) -> None:
        self.terminal = terminal
        self.address_family = family
        super().__init__(where, _TcpClient)


class _TcpClient(BaseRequestHandler):
    """One TCP client and its connection."""

    server: _TcpServer
    request: socket.socket

    def setup(self) -> None:
        self.terminal = self.server.terminal
        self.terminal.connections += 1
        self.session = ClientSession(send=lambda payload: self._send([payload]), cut_off=self._cut_off)
        self.sent = 0
        self.outlet = threading.Lock()
        self.owed = b""
        """The last frame of an answer, that goes out with the next one."""
        # Without this the system joins small writes, and cuts would not reach the client as cuts.
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self) -> None:
        try:
            self._serve()
        except (OSError, NoStartMarkError):
            return  # the client left, or spoke another protocol: either way the connection ends

    def finish(self) -> None:
        self.terminal.leave(self.session)

    def _serve(self) -> None:
        stream = bytearray()
        while data := self.request.recv(_RECEIVE):
            self.terminal.bytes_received += len(data)
            stream += data
            for payload in take_payloads(stream):
                self._send(self.terminal.reply(self.session, payload))
                if self.session.hang_up == "reset":
                    # A zero linger time makes close() send RST.
                    self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
                    self.request.close()
                if self.session.hang_up:
                    return

    def _send(self, answer: Sequence[bytes]) -> None:
        injector, frames = self.terminal.injector, [with_top(payload) for payload in answer]
        if answer:
            self._pause(injector.faults.delay)
        # An event comes before an answer or behind it, never inside.
        with self.outlet:
            parts = [frames] if injector.faults.join else [[frame] for frame in frames]
            if self.owed:
                parts = [[self.owed + frames[0]]] if len(frames) == 1 else [[self.owed], *parts]
                self.owed = b""
            for number, part in enumerate(parts, 1):
                if number == len(parts) > 1 and self._asked_on():
                    self.owed = part[0]
                    return
                self._send_part(part)
                self._pause(self.terminal.model.gap)

    def _cut_off(self) -> None:
        with suppress(OSError):  # the client has left already
            self.request.shutdown(socket.SHUT_RDWR)

    def _asked_on(self) -> bool:
        """Return whether the next request came while the end of the answer was waiting for its turn.

        zkteco-js and node-zklib ask on once they have the last DATA, and take what they read next for the
        answer. So that ACK_OK goes into one write with the next answer, of which they see the head alone.
        """
        return bool(self.terminal.model.gap and select([self.request], [], [], 0)[0])

    def _send_part(self, frames: Sequence[bytes]) -> None:
        injector, dripping = self.terminal.injector, self.session.dripping
        for data in injector.writes(frames, dripping=dripping):
            allowed = injector.may_send(self.sent)
            self._write(data[:allowed])
            if allowed is not None and allowed <= len(data):
                injector.hung_up()
                raise ConnectionAbortedError
            self._pause(injector.faults.drip if dripping else injector.faults.gap)

    def _write(self, data: bytes) -> None:
        # Counted first: a client that has the bytes finds them counted.
        self.sent += len(data)
        self.terminal.bytes_sent += len(data)
        self.request.sendall(data)
        if self.terminal.faults.bandwidth:
            self._pause(len(data) / self.terminal.faults.bandwidth)

    def _pause(self, seconds: float) -> None:
        if seconds and self.server.stopping.wait(seconds):
            raise ConnectionAbortedError


class _UdpServer(UDPServer):
    """All clients take turns in one thread."""

    max_packet_size = _RECEIVE

    def __init__(self, terminal: Terminal, family: int, where: Any) -> None:
        self.terminal = terminal
        self.address_family = family
        self.stopping = threading.Event()
        self.sessions: dict[Any, ClientSession] = {}
        self.outlet = threading.Lock()
        super().__init__(where, _Datagram)

    def shutdown(self) -> None:
        self.stopping.set()
        super().shutdown()

    def session_of(self, client: Any) -> ClientSession:
        """Return the session of a client address, a new one for a stranger."""
        if client not in self.sessions:
            if len(self.sessions) >= _UDP_CLIENTS:
                self.terminal.leave(self.sessions.pop(next(iter(self.sessions))))
            send = partial(self.send, client)
            self.sessions[client] = ClientSession(seated=False, largest=LARGEST_DATAGRAM, send=send)
        return self.sessions[client]

    def send(self, client: Any, *payloads: bytes) -> None:
        """Send datagrams to `client`, as the network delivers them."""
        terminal = self.terminal
        with self.outlet:
            for number, datagram in enumerate(terminal.injector.datagrams(payloads), 1):
                terminal.bytes_sent += len(datagram)
                self.socket.sendto(datagram, client)
                rest = 0.0 if number % _BURST else _BREATH
                if bandwidth := terminal.faults.bandwidth:
                    rest = len(datagram) / bandwidth
                if self.stopped(rest):
                    return

    def stopped(self, seconds: float) -> bool:
        """Wait so many seconds; return whether it is to stop."""
        return bool(seconds) and self.stopping.wait(seconds)


class _Datagram(BaseRequestHandler):
    """One request over UDP."""

    server: _UdpServer

    def handle(self) -> None:
        payload, _ = cast("tuple[bytes, socket.socket]", self.request)
        terminal = self.server.terminal
        terminal.bytes_received += len(payload)
        answer = terminal.reply(self.server.session_of(self.client_address), payload)
        if not (answer and self.server.stopped(terminal.faults.delay)):
            self.server.send(self.client_address, *answer)
