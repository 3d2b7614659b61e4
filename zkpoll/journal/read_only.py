"""Connections that only read a journal, also where nothing can be written: a mounted snapshot, a backup.

SQLite reads a file in WAL mode with two more beside it (-wal, -shm), and makes those that are missing:

    they are there, or can be made      read as ever
    neither -wal nor -journal holds     the file is read alone: SQLite is told that nobody writes it, takes no
      anything                            locks, and makes nothing
    one of them does                    refused: what it holds is part of the journal

They are made only by who may write the journal, or they would be in its owner's way. And where this process
may not write, others may, as in a folder that a container has read-only. So a file that is read alone is
compared with itself after each statement: what was read of one that changed is no answer.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from zkpoll.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

_NOT_MADE: Final = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
)
"""How SQLite fails where it cannot make the files it needs: on a full disk by one of the last two."""


class Still:
    """A file that is read as if nobody wrote it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._first = self._look()

    @property
    def changed(self) -> bool:
        """Whether somebody has written it, or put another in its place."""
        return self._look() != self._first

    def _look(self) -> tuple[int, int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def connect_to_read(path: Path, timeout: float) -> tuple[sqlite3.Connection, Still | None]:
    """Connect to the journal at `path` to read it, waiting `timeout` seconds for others.

    Return the file as well where it is read alone: what was read holds while it has not `changed`. Raise
    `JournalError` where a writer has to be there first, `sqlite3.Error` where it cannot be opened.
    """
    file = path.resolve()  # SQLite's files lie beside the one that a link names
    still = Still(file)
    name = file.as_uri() + "?mode=ro"
    if _may_write(file) or all(_beside(file, end).exists() for end in ("-wal", "-shm")):
        db = _connect(name, timeout)
        try:
            db.execute("SELECT 1 FROM sqlite_master").close()
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode & 0xFF not in _NOT_MADE:
                raise
        else:
            return db, None
    for end in ("-wal", "-journal"):
        if _beside(file, end).exists() and _beside(file, end).stat().st_size:
            raise JournalError(
                f"the journal {path} cannot be read where nothing can be written, as {file.name}{end} holds"
                " changes that belong into it; copy both to another folder, and name the copy as journal:"
            )
    return _connect(name + "&immutable=1", timeout), still


def _may_write(file: Path) -> bool:
    """Say whether this process may write the file, and make others beside it.

    Files that were made beside one that it may not write would be in its owner's way.
    """
    return os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)


def _beside(file: Path, end: str) -> Path:
    return file.with_name(file.name + end)


def _connect(name: str, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(name, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
