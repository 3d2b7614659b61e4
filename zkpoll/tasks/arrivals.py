"""The signal to deliveries that something new was journalled, or that nothing more will come."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_AGAIN: Final = 5.0
"""Seconds after which a delivery looks for what other runs have journalled: they leave it to this one."""


class Feed:
    """The signal between the readers of a run, that announce, and its deliveries, that wait."""

    def __init__(self, readers: int) -> None:
        """Given the number of readers, open the feed. It closes when all of them have ended."""
        self._changed = threading.Condition()
        self._readers = readers
        self._journalled = 0

    def announce(self) -> None:
        """Say that something new is in the journal."""
        with self._changed:
            self._journalled += 1
            self._changed.notify_all()

    def reader_ended(self) -> None:
        """Say that one reader will announce nothing more."""
        with self._changed:
            self._readers -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing more will come, even from readers that have not ended."""
        with self._changed:
            self._readers = 0
            self._changed.notify_all()

    def watcher(self) -> Callable[[], bool]:
        """Return a function for one delivery.

        It waits until there may be something new (True), or nothing more will come (False): something was
        announced since its last call, or another run may have journalled something meanwhile.
        """
        seen = 0

        def more() -> bool:
            nonlocal seen
            with self._changed:
                self._changed.wait_for(lambda: self._journalled > seen or self._readers <= 0, LOOK_AGAIN)
                ended = self._journalled == seen and self._readers <= 0
                seen = self._journalled
                return not ended

        return more
