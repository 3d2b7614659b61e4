"""A clock on which bytes take their time, so that minutes of a slow line pass in a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from zkpoll.pull import clearing, device_tables, link, session
from zkpoll.pull.link import TcpLink
from zkpoll.simulator import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from zkpoll.pull.framing import Frame
    from zkpoll.simulator import ClientSession, Terminal, WireFrame
    from zkpoll.simulator.terminal import Handler

DRIP: Final = 0.9
"""Seconds that a byte of a drip takes: less than any silence that counts."""


class Clock:
    """Takes the place of `time` in what speaks to devices; runs on with each byte that comes.

    `Limits` of before it must not be used behind it.
    """

    def __init__(self, patch: pytest.MonkeyPatch, terminal: Terminal) -> None:
        self.disabled: float | None = None
        """For how many seconds nobody could punch; the longest time, if there were several."""
        self._passed = self._byte = 0.0
        self._links: list[TcpLink] = []
        self._drips: set[int] = set()
        self._since: float | None = None
        for module in (clearing, device_tables, link, session):
            patch.setattr(module, "time", self)
        send, receive = TcpLink.send, TcpLink._receive_some

        def send_noted(one: TcpLink, frame: Frame) -> None:
            if one not in self._links:
                self._links.append(one)
            send(one, frame)

        def receive_slowly(one: TcpLink, until: float) -> bytes:
            data = receive(one, until)
            self._passed += len(data) * (DRIP if self._links.index(one) in self._drips else self._byte)
            return data

        patch.setattr(TcpLink, "send", send_noted)
        patch.setattr(TcpLink, "_receive_some", receive_slowly)
        patch.setattr(link, "_RECEIVE", 1)  # so that time passes evenly
        for command, happens in (
            (Command.DISABLEDEVICE, self._is_disabled),
            (Command.ENABLEDEVICE, self._is_enabled),
        ):
            patch.setitem(terminal.handlers, command, _behind(happens, terminal.handlers[command]))

    # --- as `time` is ---

    def monotonic(self) -> float:
        """Return the moment."""
        return time.monotonic() + self._passed

    def sleep(self, seconds: float) -> None:
        """Let time pass, at once."""
        self._passed += seconds

    # --- the line ---

    def slow(self, bytes_a_second: float) -> None:
        """Let all bytes take their time from now on."""
        self._byte = 1 / bytes_a_second

    def drip(self, *connections: int) -> None:
        """Let the bytes of some connections, counted from 0, drip from now on."""
        self._drips.update(connections)

    def drip_now(self) -> None:
        """Let the bytes of the newest connection drip from now on."""
        self._drips.add(len(self._links) - 1)

    # --- how long nobody can punch ---

    def _is_disabled(self) -> None:
        self._since = self.monotonic()

    def _is_enabled(self) -> None:
        if self._since is not None:
            self.disabled = max(self.disabled or 0.0, self.monotonic() - self._since)
        self._since = None


def _behind(happens: Callable[[], None], handler: Handler) -> Handler:
    """Return a terminal's handler of a command, before which something happens."""

    def handle(client: ClientSession, request: WireFrame) -> list[WireFrame]:
        happens()
        return handler(client, request)

    return handle
