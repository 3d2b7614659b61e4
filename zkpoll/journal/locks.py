"""Lock files: one for each device and dashboard, locked by the OS.

A killed process frees them. They lie beside the journal, since runs that share a journal are the ones that
must not collide. A file's presence means nothing: only the OS's lock on it does.
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from filelock import FileLock, Timeout

from zkpoll.errors import Busy, JournalError, Locked, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LONGEST: Final = 200
"""Bytes of a name in a file's name."""


class Locks:
    """The locks of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self, subject: str) -> Iterator[None]:
        """Hold the lock of a subject ("device 192.168.1.201:4370"), or raise `Busy` at once."""
        path = self._folder / _file_name(subject)
        lock = FileLock(path, thread_local=False, mode=0o600)
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise JournalError(f"the folder {self._folder} cannot be made: {reason(error)}") from error
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise Busy("another run is at it; it is left to that one") from error
        except OSError as error:
            raise Locked(f"its lock {path} cannot be taken: {reason(error)}; who owns it?") from error
        try:
            yield
        finally:
            lock.release()


def _file_name(subject: str) -> str:
    """Return the file name of a subject: its kind and its name, or that name's digest where it is long.

    No two subjects share one. A name of 64 letters may be 768 bytes when quoted, and file systems take 255.
    """
    kind, _, name = subject.partition(" ")
    quoted = quote(name, safe="")
    return f"{kind}-{quoted if len(quoted) <= _LONGEST else sha256(name.encode()).hexdigest()}.lock"
