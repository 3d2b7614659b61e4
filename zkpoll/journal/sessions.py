"""Sessions with one journal, for the threads of one process."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from zkpoll.errors import JournalError
from zkpoll.journal.opening import open_journal
from zkpoll.model.journal_home import JournalServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal
    from zkpoll.model.journal_home import JournalHome

_log = logging.getLogger(__name__)

_MOST: Final = 8
"""Sessions of one process with a server, which lets a hundred in as a rule."""
_REST: Final = 60.0
"""Seconds until another one is tried, where a server has let no more in."""


class Sessions:
    """Sessions with one journal, opened as threads need them. A context manager that closes them.

    A session with a server does one thing at a time. Where the server is far away, threads that share one
    wait for each other's answers; so as many as `_MOST` of them have one each. A file has one writer, and
    is opened once.
    """

    def __init__(self, home: JournalHome, first: Journal) -> None:
        """`first` is open already, and is not closed here."""
        self._home = home
        self._most = _MOST if isinstance(home, JournalServer) else 1
        self._lock = threading.Lock()
        self._first = first
        self._users = {first: 0}
        """How many threads use each session now."""
        self._opening = 0
        """How many are being opened."""
        self._again_at = 0.0
        """Before that moment, by the monotonic clock, no further one is tried."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for journal in self._users:
            if journal is not self._first:
                journal.__exit__(None, None, None)

    @contextmanager
    def one(self) -> Iterator[Journal]:
        """Give the session that the fewest use: what is done inside is done with it alone."""
        self._open_another()
        with self._lock:
            journal = min(self._users, key=self._users.__getitem__)
            self._users[journal] += 1
        try:
            yield journal
        finally:
            with self._lock:
                self._users[journal] -= 1

    def _open_another(self) -> None:
        """Open a session more, where all are in use. Where that fails, those that there are have to do."""
        with self._lock:
            full = len(self._users) + self._opening >= self._most or time.monotonic() < self._again_at
            if full or not all(self._users.values()):
                return
            self._opening += 1
        opened = None
        try:
            opened = open_journal(self._home)
        except JournalError as error:
            _log.info("%d sessions with the journal have to do: %s", len(self._users), error)
        with self._lock:
            self._opening -= 1
            if opened:
                self._users[opened] = 0
            else:
                self._again_at = time.monotonic() + _REST
