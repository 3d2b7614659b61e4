"""A clock on which bytes take their time, so that minutes of a slow line pass in a moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from zkpoll.pull import clearing, device_tables, link, session
from zkpoll.pull.link import Link, TcpLink
from zkpoll.simulator import Command

if TYPE_CHECKING:
    import pytest

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
        self._terminal = terminal
        self._links: list[Link] = []  # in the order of their first bytes
        self._drips: set[int] = set()
        self._since: float | None = None
        for module in (clearing, device_tables, link, session):
            patch.setattr(module, "time", self)
        receive = Link._receive_some

        def receive_slowly(one: Link, until: float) -> bytes:
            data = receive(one, until)
            self._passed += len(data) * (DRIP if self._number(one) in self._drips else self._byte)
            return data

        patch.setattr(TcpLink, "_receive_some", receive_slowly)
        patch.setattr(link, "_RECEIVE", 1)  # so that time passes evenly
        self._watch(Command.DISABLEDEVICE, self._is_disabled)
        self._watch(Command.ENABLEDEVICE, self._is_enabled)

    def _number(self, one: Link) -> int:
        if one not in self._links:
            self._links.append(one)
        return self._links.index(one)

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

    # --- how long nobody can punch ---

    def _watch(self, command: int, happens: object) -> None:
        handler: Handler = self._terminal.handlers[command]

        def handle(client: ClientSession, request: WireFrame) -> list[WireFrame]:
            happens()  # type: ignore[operator]
            return handler(client, request)

        self._terminal.handlers[command] = handle

    def _is_disabled(self) -> None:
        self._since = self.monotonic()

    def _is_enabled(self) -> None:
        if self._since is not None:
            self.disabled = max(self.disabled or 0.0, self.monotonic() - self._since)
        self._since = None
