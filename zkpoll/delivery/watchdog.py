"""A total limit on one HTTP request.

A socket's own timeout limits the silence between two bytes, so that the wait for a server with one byte a
second has no end. A watchdog cuts the request's connection instead, in any state.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK: Final = 0.1
"""Seconds between two looks: how late a request may be cut, or a stop be seen."""
_GRACE: Final = 1.0
"""Seconds that a request in flight gets to end well once the run was stopped."""


class Leash:
    """One request, and the connection it goes on with, which is cut once its time is over.

    A look-up of a name cannot be cut: there the limits of the system's resolver hold (`resolv.conf`).
    """

    def __init__(self, limit: float) -> None:
        """Given the seconds that the request may take, begin."""
        self._end = time.monotonic() + limit
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._stopping = False
        self.fired = False
        """Whether it cut the connection: what was read until then must not pass for an answer."""

    def remaining(self) -> float:
        """Return the seconds left. Raise `TimeoutError` when there are none."""
        left = self._end - time.monotonic()
        if self.fired or left <= 0:
            raise TimeoutError
        return left

    def watch(self, sock: socket.socket) -> None:
        """Given the socket that the request goes on with, watch it instead of any before it.

        A duplicate of its handle is kept: a TLS handshake takes the socket object itself apart.
        """
        handle = socket.fromfd(sock.fileno(), sock.family, sock.type, sock.proto)
        with self._lock:
            self._forget()
            self._handle = handle
            if self.fired:
                self._cut()

    def look(self, *, stopped: bool) -> None:
        """Cut the connection if the time is over. It ends soon once the run was stopped."""
        if stopped and not self._stopping:
            self._stopping = True
            self._end = min(self._end, time.monotonic() + _GRACE)
        if not self.fired and time.monotonic() >= self._end:
            with self._lock:
                self.fired = True
                self._cut()

    def end(self) -> None:
        """Watch no more."""
        with self._lock:
            self._forget()

    def _cut(self) -> None:
        if self._handle is not None:
            # The other side may have closed it a moment ago.
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class Watchdog:
    """Cuts what takes too long, for one client, which has one request under way at a time.

    One thread for all of its requests, from the first to `close`: to start and await one for each would cost
    as much as a fast dashboard's answer.
    """

    def __init__(self, stopped: Callable[[], bool]) -> None:
        """`stopped` turns true when the run is being stopped."""
        self._stopped = stopped
        self._leash: Leash | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, limit: float) -> Iterator[Leash]:
        """Watch one request, which may take so many seconds."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="zkpoll-watchdog", daemon=True)
            self._thread.start()
        self._leash = leash = Leash(limit)
        try:
            yield leash
        finally:
            self._leash = None
            leash.end()

    def close(self) -> None:
        """End the thread, if there is one, and wait for that."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(_LOOK):
            if leash := self._leash:
                leash.look(stopped=self._stopped())
