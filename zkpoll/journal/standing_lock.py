"""A lock that a process holds for as long as it lives, though its sessions may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from zkpoll.journal.database import Journal


class StandingLock:
    """The lock of a subject, which may be let go and taken again.

    A session that is lost has lost its locks, and nothing begins a new one before all of them are let go.
    """

    def __init__(self, journal: Journal, subject: str) -> None:
        self._journal = journal
        self._subject = subject
        self._held: AbstractContextManager[None] | None = None

    def take(self) -> None:
        """Hold it from now on, unless it is held. Raise `Busy`, `Locked` or `JournalError`."""
        if self._held is None:
            lock = self._journal.lock(self._subject)
            lock.__enter__()
            self._held = lock

    def let_go(self) -> None:
        """Hold it no longer."""
        lock, self._held = self._held, None
        if lock is not None:
            lock.__exit__(None, None, None)
