"""Frames over one socket, with a limit on every wait.

A `Link` is one TCP connection or one UDP socket to one device: it sends frames, and gives the frames that
come back. It knows nothing of commands. Every wait ends: after `timeout` seconds of silence, at the end of
the visit's time, or at once when the run is stopped.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zkpoll.errors import HungUp, OverLimit, SeatTaken, Silent, Stopped, Unreachable, WireError, reason
from zkpoll.pull import framing

if TYPE_CHECKING:
    from collections.abc import Callable

_STOP_POLL: Final = 0.25
"""Seconds between looks at whether the run was stopped, so that Ctrl-C never waits out a timeout."""
_RESEND: Final = 1.0
"""Seconds before a datagram is sent again; real units answer within 0.15 s."""
_SENDINGS: Final = 8
"""How often a datagram is sent, at least, before its answer has been awaited for a whole timeout."""
_RECEIVE: Final = 256 * 1024
"""Bytes asked of the socket at once; larger than any datagram and than pyzk's largest slice."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a device: host, port, transport."""

    host: str
    port: int = 4370
    transport: str = "tcp"

    def __str__(self) -> str:
        """Return `host:port`, or `[host]:port` for IPv6."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Limits:
    """The limits of one visit, or of a part of it: silence, its whole time, a stop of the run."""

    def __init__(
        self,
        timeout: float,
        limit: float,
        stopped: Callable[[], bool] = lambda: False,
        what: str = "the visit",
    ) -> None:
        """Begin `what`, which may take `limit` seconds."""
        self.timeout = timeout
        """Seconds of silence between bytes."""
        self._limit = limit
        self._end = time.monotonic() + limit
        self._stopped = stopped
        self._what = what

    def within(self, seconds: float, what: str) -> Limits:
        """Return the limits of a part, `what`, that begins now: so many seconds, or what is left if less."""
        return self if self.left() < seconds else Limits(self.timeout, seconds, self._stopped, what)

    def anew(self, seconds: float, what: str) -> Limits:
        """Return the limits of `what`, which begins now: so many seconds, however much of these is left.

        The silence and the stop are the same.
        """
        return Limits(self.timeout, seconds, self._stopped, what)

    def left(self) -> float:
        """Return the seconds that are left; less than 0 where it took too long."""
        return self._end - time.monotonic()

    def check(self) -> None:
        """Raise `Stopped` when the run was stopped, `OverLimit` when it took too long."""
        if self._stopped():
            raise Stopped
        if self.left() < 0:
            raise OverLimit(f"{self._what} took longer than its limit of {self._limit:g} s")

    def silence(self) -> float:
        """Return the moment (`time.monotonic`) when silence from now on has lasted too long."""
        return time.monotonic() + self.timeout

    def patience(self) -> float:
        """Return the seconds after which a datagram counts as lost."""
        return min(_RESEND, self.timeout / _SENDINGS)

    def pause(self, until: float) -> float:
        """Given a moment to wait for, return the seconds to wait before looking around again."""
        self.check()
        return max(0.001, min(until - time.monotonic(), self.left(), _STOP_POLL))

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds, but never past the visit's end or a stop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self.pause(until))


class Link(ABC):
    """One conversation's socket."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._socket = sock
        self.limits = limits
        self.longest = framing.MAX_SHORT
        """The most bytes that the payload of a frame may have by now."""
        self.bytes_received = 0
        self.damaged = b""
        """The last datagram that was no sound frame, until a sound one comes."""

    @abstractmethod
    def send(self, frame: framing.Frame) -> None:
        """Send `frame`. Raise `HungUp` when the device is gone, `Silent` when it takes nothing."""

    @abstractmethod
    def receive(self, until: float) -> framing.Frame:
        """Return the next frame, waiting until the moment `until` for it to begin.

        Raise `Silent` when nothing came, `HungUp` when the device closed, `WireError` for bytes that are no
        frame, `OverLimit` at the end of the visit's time.
        """

    def has_room(self) -> bool:
        """Return whether a short frame is taken at once, as it is not where the device reads nothing."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_WRITE)
            return bool(selector.select(0))

    def close(self) -> None:
        """Close the socket. Never raises."""
        self._socket.close()

    def peer(self) -> str | None:
        """Return the numeric address that it leads to, or None if the device has hung up already."""
        try:
            host: str = self._socket.getpeername()[0]
        except OSError:
            return None
        return host

    def _receive_some(self, until: float) -> bytes:
        while True:
            self._socket.settimeout(self.limits.pause(until))
            try:
                data = self._socket.recv(_RECEIVE)
            except TimeoutError:
                if time.monotonic() >= until:
                    raise Silent(f"no answer for {self.limits.timeout:g} s") from None
            except OSError as error:
                raise HungUp(f"the connection broke: {reason(error)}") from error
            else:
                self.bytes_received += len(data)
                return data


class TcpLink(Link):
    """A TCP stream; frames may be cut and joined anywhere."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        super().__init__(sock, limits)
        self._reader = framing.FrameReader()

    def send(self, frame: framing.Frame) -> None:
        """Send `frame` whole."""
        self._socket.settimeout(self.limits.timeout)
        try:
            self._socket.sendall(framing.encode_tcp(frame))
        except TimeoutError:
            raise Silent(f"nothing was taken for {self.limits.timeout:g} s") from None
        except OSError as error:
            raise HungUp(f"the connection broke: {reason(error)}") from error

    def receive(self, until: float) -> framing.Frame:
        """Return the next frame; once one has begun, each further byte starts the silence anew."""
        while (frame := self._reader.next_frame(self.longest)) is framing.NEED_MORE:
            data = self._receive_some(until)
            if not data:
                where = " in the middle of a frame" if self._reader.started else ""
                raise HungUp(f"the device closed the connection{where}")
            self._reader.feed(data)
            until = self.limits.silence()
        return frame


class UdpLink(Link):
    """Datagrams, one frame each; a damaged one counts as lost."""

    def send(self, frame: framing.Frame) -> None:
        """Send `frame` as one datagram."""
        try:
            self._socket.send(framing.encode(frame))
        except OSError as error:
            raise HungUp(f"the device's port is closed: {reason(error)}") from error

    def receive(self, until: float) -> framing.Frame:
        """Return the next sound datagram's frame."""
        while True:
            payload = self._receive_some(until)
            try:
                frame = framing.decode(payload)
            except WireError:
                self.damaged = payload
            else:
                self.damaged = b""
                return frame


def open_link(address: Address, limits: Limits) -> Link:
    """Open the one connection of a visit.

    Raise `Unreachable` with the cause in words, or `OverLimit` or `Stopped` as every wait does.
    """
    limits.check()
    try:
        if address.transport == "udp":
            return UdpLink(_udp_socket(address), limits)
        return TcpLink(_tcp_socket(address, limits), limits)
    except (ConnectionRefusedError, ConnectionResetError) as error:
        raise SeatTaken(_cause(address, limits, error)) from error
    except (OSError, UnicodeError) as error:
        raise Unreachable(_cause(address, limits, error)) from error


def _udp_socket(address: Address) -> socket.socket:
    """Return a connected UDP socket, so that only this device is heard and a closed port is noticed.

    Before a host answers, nothing tells whether it hears us. So of several addresses one is chosen: IPv4,
    since terminals of the UDP age speak nothing else.
    """
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, target = min(found, key=lambda one: one[0] is not socket.AF_INET)
    sock = socket.socket(family, kind, protocol)
    try:
        sock.connect(target)
    except OSError:
        sock.close()
        raise
    return sock


def _tcp_socket(address: Address, limits: Limits) -> socket.socket:
    """Return a TCP socket connected to the first of the host's addresses that answers."""
    *others, last = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, target in others:
        with suppress(OSError):
            return _connected(socket.socket(family, kind, protocol), target, limits)
    family, kind, protocol, _, target = last
    return _connected(socket.socket(family, kind, protocol), target, limits)


def _connected(sock: socket.socket, target: Any, limits: Limits) -> socket.socket:
    """Connect `sock` to `target` and return it; close it when that fails."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(target)
        _await_connection(sock, limits)
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connection(sock: socket.socket, limits: Limits) -> None:
    """Return once `sock` is connected. Raise the `OSError` that says why it cannot be."""
    until = limits.silence()
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while not selector.select(limits.pause(until)):
            if time.monotonic() >= until:
                raise TimeoutError
    if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, os.strerror(code))


def _cause(address: Address, limits: Limits, error: Exception) -> str:
    match error:
        case socket.gaierror() | UnicodeError():
            return f"the name {address.host} does not resolve; check host: or the name server"
        case TimeoutError():
            return (
                f"{address} does not answer for {limits.timeout:g} s; is it switched on, "
                "on this network, and not behind a firewall?"
            )
        case ConnectionRefusedError():
            return (
                f"{address} refuses the connection; check host: and port:, "
                "or try transport: udp for an older terminal"
            )
        case OSError():
            return f"{address} cannot be reached: {reason(error)}"
        case _:
            return f"{address} cannot be reached"
