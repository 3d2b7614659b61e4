"""A private copy of a SQLite file: an open cursor of ours would make the vendor's commits fail."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from zkpoll.errors import Damaged, Silent, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_IN_MEMORY: Final = 64 * 2**20
"""Bytes of a file up to which its copy is made in memory. ZKTimeNet.db has 2.6 MB with 4,000 punches."""
_STEP: Final = 2_000
"""Pages that are copied at once, 8 MB: between two steps the vendor's program may write."""
_WAIT: Final = 0.1
"""Seconds between two tries of a locked file."""
_BROKEN_OFF: Final = "a program was stopped while it wrote to the file: open it there once"
_PRIMARY: Final = 0xFF
"""The part of SQLite's error codes that names the sort."""


@contextmanager
def copied(file: Path, timeout: float) -> Iterator[sqlite3.Connection]:
    """Copy a SQLite file, which is opened for reading alone. The copy goes with the context.

    Raise `Unreachable` where it cannot be opened, `Silent` where it is locked for `timeout` seconds or
    written to all the time, `Damaged` where it is no sound SQLite file.
    """
    try:
        # A name of nothing is SQLite's for a temporary file without a name.
        small = file.stat().st_size <= _IN_MEMORY
        copy = sqlite3.connect(":memory:" if small else "")
    except OSError as error:
        raise Unreachable(f"the file cannot be opened: {error.strerror}") from None
    try:
        _copy(file, copy, timeout)
        yield copy
    finally:
        copy.close()


def _copy(file: Path, copy: sqlite3.Connection, timeout: float) -> None:
    log, index = (file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))
    # With a write-ahead log, even a reader makes the files of the log, of which the vendor's program could
    # not write to ours. Where there are none, nobody has the database open, and it is all in the file.
    asleep = _has_log(file) and not log.exists()
    if log.exists() and not index.exists():
        raise Unreachable(_BROKEN_OFF)
    path = quote(file.as_posix())
    mode = "immutable=1" if asleep else "mode=ro"
    address = f"file://{'' if path.startswith('/') else '/'}{path}?{mode}"
    try:
        source = sqlite3.connect(address, uri=True, timeout=_WAIT)
        try:
            source.backup(copy, pages=_STEP, progress=_patience(timeout), sleep=_WAIT)
        finally:
            source.close()
        # A copy of a file that ends in the middle, or is torn, would be believed row by row.
        (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise _told(error) from None
    if found.startswith("***"):
        raise Damaged("the file is damaged: SQLite's quick_check finds faults in it")
    if asleep and log.exists():
        raise Silent("another program began to write to the file while it was copied")


def _has_log(file: Path) -> bool:
    """Say whether a database is kept with a write-ahead log, by the versions in its header."""
    try:
        with file.open("rb") as opened:
            return opened.read(20)[18:] == b"\x02\x02"
    except OSError as error:
        raise Unreachable(f"the file cannot be opened: {error.strerror}") from None


def _patience(timeout: float) -> Callable[[int, int, int], None]:
    """Return what a backup calls after each step; it raises `Silent` where nothing moves for `timeout` s.

    A file that is written to meanwhile is copied from its beginning again: the fewest pages left count.
    """
    fewest: float = float("inf")
    end = monotonic() + timeout

    def look(status: int, remaining: int, total: int) -> None:
        nonlocal fewest, end
        if status in (sqlite3.SQLITE_OK, sqlite3.SQLITE_DONE) and total and remaining < fewest:
            fewest, end = remaining, monotonic() + timeout
        elif monotonic() > end:
            raise Silent(f"the file was locked or written to by another program for {timeout:g} s")

    return look


def _told(error: sqlite3.Error) -> Damaged | Silent | Unreachable:
    """Return the error to raise for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Damaged(f"the file is damaged, encrypted or no SQLite file: {error}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Silent("the file was locked by another program")
    if code == sqlite3.SQLITE_READONLY:
        return Unreachable(_BROKEN_OFF)
    return Unreachable(f"the file cannot be read: {error}")
