"""A listener that serves, the desk behind it, and callers that write their own HTTP."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.push.contract import FORBIDDEN, Answer, Head
from zkpoll.push.listener import Limits, Listener, listening

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from ipaddress import IPv4Network, IPv6Network

STRANGER: Final = "SN=STRANGER"
BATCH: Final = b"1001\t2026-11-22 08:59:58\t0\t1\t0\t0\t0\n"
PATIENCE: Final = 20.0
"""Seconds until a test gives up on an answer."""


@dataclass
class NoteDesk:
    """A desk that refuses one caller, notes what the others sent, and works only while it is let to."""

    heads: list[Head] = field(default_factory=list)
    """All that were shown at the door."""
    calls: list[tuple[Head, bytes]] = field(default_factory=list)
    large: list[Head] = field(default_factory=list)
    may_answer: threading.Event = field(default_factory=threading.Event)
    """Those with a body wait for it."""
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.may_answer.set()

    def turn_away(self, head: Head) -> Answer | None:
        """Refuse the stranger."""
        self.heads.append(head)
        if self.error and "early" in head.query:
            raise self.error
        return Answer(403, FORBIDDEN) if STRANGER in head.query else None

    def too_large(self, head: Head) -> None:
        """Note it."""
        self.large.append(head)

    def answer(self, head: Head, body: bytes) -> Answer:
        """Note the call, and tell how long its body is."""
        if self.error:
            raise self.error
        if body:
            self.may_answer.wait(PATIENCE)
        self.calls.append((head, body))
        return Answer(200, f"OK: {len(body)}") if head.path.startswith("/iclock/") else Answer(404)


@dataclass(frozen=True)
class Door:
    """A listener that serves in a thread."""

    desk: NoteDesk
    listener: Listener
    stop: threading.Event
    thread: threading.Thread

    def call(self) -> socket.socket:
        """Connect to it."""
        host, _, port = self.listener.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), PATIENCE)

    def ask(self, *pieces: bytes) -> bytes:
        """Given what to send, return all that comes back until the other side closes."""
        with self.call() as caller:
            for piece in pieces:
                caller.sendall(piece)
            return rest(caller)

    def close(self) -> None:
        """Stop it, and wait until it has stopped."""
        self.stop.set()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()


@contextmanager
def open_door(
    desk: NoteDesk | None = None,
    where: str = "127.0.0.1:0",
    limits: Limits | None = None,
    trusted: Sequence[IPv4Network | IPv6Network] = (),
) -> Iterator[Door]:
    """Serve until the end of the block."""
    desk, stop = desk or NoteDesk(), threading.Event()
    with listening(where, desk, trusted_proxies=trusted, limits=limits or Limits()) as listener:
        thread = threading.Thread(target=listener.serve, args=(stop,))
        thread.start()
        door = Door(desk, listener, stop, thread)
        try:
            yield door
        finally:
            desk.may_answer.set()
            door.close()


def rest(caller: socket.socket) -> bytes:
    """Return all that comes until the other side closes. Raise `ConnectionResetError` if it resets."""
    found = b""
    while piece := caller.recv(65536):
        found += piece
    return found


def one_answer(caller: socket.socket) -> bytes:
    """Return one answer, and leave the connection open."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = caller.recv(1)
        if not piece:
            return found
        found += piece
    length = int(found.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
    while length:
        piece = caller.recv(length)
        assert piece
        found, length = found + piece, length - len(piece)
    return found


def post(body: bytes = BATCH, *headers: bytes, query: str = "SN=CQZ7224760045&table=ATTLOG") -> bytes:
    """Return a request that closes the connection afterwards."""
    head = [f"POST /iclock/cdata?{query} HTTP/1.1".encode(), b"Connection: close", *headers]
    return b"\r\n".join([*head, b"Content-Length: %d" % len(body), b"", body])
