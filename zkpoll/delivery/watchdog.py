"""A total limit on one HTTP request.

A socket's own timeout limits the silence between two bytes, so that the wait for a server with one byte a
second has no end. A watchdog cuts the request's connection instead, in any state.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_STOP_POLL: Final = 0.1
"""Seconds between looks at whether the run was stopped."""
_GRACE: Final = 1.0
"""Seconds that a request in flight gets to end well once the run was stopped."""


class Watchdog:
    """Cuts the watched connection `limit` seconds after it was started, or soon after the run is stopped.

    A context manager around one request. Its thread has ended when it is left. It cannot interrupt the
    look-up of a name: there the limits of the system's resolver hold (`resolv.conf`).
    """

    def __init__(self, limit: float, stopped: Callable[[], bool]) -> None:
        self._end = time.monotonic() + limit
        self._stopped = stopped
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="zkpoll-watchdog", daemon=True)
        self.fired = False
        """Whether it cut the connection: what was read until then must not pass for an answer."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._forget()

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

    def _run(self) -> None:
        while not self._done.wait(min(_STOP_POLL, max(0.0, self._end - time.monotonic()))):
            if self._stopped():
                self._end = min(self._end, time.monotonic() + _GRACE)
                self._stopped = lambda: False
            if time.monotonic() >= self._end:
                with self._lock:
                    self.fired = True
                    self._cut()
                return

    def _cut(self) -> None:
        if self._handle is not None:
            # The other side may have closed it a moment ago.
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
