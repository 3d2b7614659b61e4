"""Locks between runs: one for each device and dashboard, held by the OS on the journal's own file.

Runs that share a journal are the ones that must not collide, and what they share is its file, whatever name
each of them has for it. So a lock is a byte of that file: no symlink, no other path and no folder that
somebody removes leads two runs past each other. The bytes lie far behind the file's end; nothing is ever
written there. A killed process frees its locks.

    between threads     a set of the subjects that this process has locked
    between processes   a lock on the subject's byte, of the one opening that all locks share (F_OFD_SETLK)

Closing any opening of a file drops all locks that SQLite in this process has on it, and so may lose
punches. That is why an open file is kept until the last journal of this process on it is closed.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import threading
from contextlib import contextmanager, suppress
from hashlib import sha256
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote

from zkpoll.durable import new_folder, new_small_file
from zkpoll.errors import Busy, JournalError, JournalUnfit, Locked, reason

if sys.platform == "linux":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import FileLock

_FIRST: Final = 1 << 62
"""The first byte that is ever locked. SQLite's own locks lie at 1 GiB, and its files end at 2^48."""
_SQLITE_SHARED: Final = (1 << 30) + 2
_SQLITE_SHARED_SIZE: Final = 510
"""The bytes of which whoever has a journal in WAL mode open holds a part (SHARED_FIRST of SQLite's os.h)."""
_TAKEN: Final = frozenset((errno.EAGAIN, errno.EACCES))
"""Errors of a lock that somebody else holds."""
_NO_LOCKS: Final = frozenset((errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL))
"""Errors of a file system without locks, such as some network drives, or of a system without such locks."""
_FLOCK: Final = "hhqqi"
"""struct flock: kind, from where, first byte, how many, and 0 where a process would be."""
_LONGEST: Final = 200
"""Bytes of a name in a lock file's name."""
_BUSY: Final = "another run is at it; it is left to that one"


class _Means(Protocol):
    """The way in which one process locks subjects of one journal against others."""

    def take(self, subject: str) -> None:
        """Lock a subject. Raise `BlockingIOError` where another process has it, or another `OSError`."""

    def free(self, subject: str) -> None:
        """Free a subject that was taken."""

    def is_taken(self, subject: str) -> bool:
        """Say whether another process has a subject. Raise `OSError` where that cannot be seen."""

    def is_used_elsewhere(self) -> bool:
        """Say whether another process has the journal open, as far as that can be seen."""

    def close(self) -> None:
        """Let go of what is held open."""


class ByteLocks:
    """Locks on bytes of the journal's file."""

    def __init__(self, path: Path, access: int = os.O_RDWR) -> None:
        """Given a journal, open its file. Raise `OSError` where it may not be written."""
        self._descriptor = os.open(path, access | os.O_CLOEXEC)

    @classmethod
    def to_look(cls, path: Path) -> ByteLocks:
        """Given a journal, open its file to see its locks, and take none. Raise `OSError`."""
        return cls(path, os.O_RDONLY)

    def take(self, subject: str) -> None:
        """Lock a subject, as `_Means` has it."""
        try:
            self._set(subject, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
            raise BlockingIOError(error.errno, error.strerror) from error

    def free(self, subject: str) -> None:
        """Free a subject that was taken."""
        self._set(subject, fcntl.F_UNLCK)

    def is_taken(self, subject: str) -> bool:
        """Ask who is in the way of a lock: nobody is hindered meanwhile."""
        answer = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, _flock(subject, fcntl.F_WRLCK))
        kind: int = struct.unpack(_FLOCK, answer)[0]
        return kind != fcntl.F_UNLCK

    def is_used_elsewhere(self) -> bool:
        """Ask who is in the way of SQLite's lock against all others: whoever has the journal open is.

        Asked as SQLite locks, by the process: its own locks are in nobody's way.
        """
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _SQLITE_SHARED, _SQLITE_SHARED_SIZE, 0)
        answer = fcntl.fcntl(self._descriptor, fcntl.F_GETLK, wanted)
        kind: int = struct.unpack(_FLOCK, answer)[0]
        return kind != fcntl.F_UNLCK

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _set(self, subject: str, kind: int) -> None:
        fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _flock(subject, kind))


def _flock(subject: str, kind: int) -> bytes:
    byte = _FIRST + int.from_bytes(sha256(subject.encode()).digest()[:7], "big")
    return struct.pack(_FLOCK, kind, os.SEEK_SET, byte, 1, 0)


class LockFiles:
    """Locks on files of their own beside the journal's, for systems without the other kind."""

    def __init__(self, path: Path) -> None:
        """Given a journal, make the folder for the files. Raise `OSError` where that cannot be."""
        real = path.resolve()
        self._folder = real.with_name(f"{real.name}.locks")
        new_folder(self._folder, real.parent)
        self._held: dict[str, FileLock] = {}

    @classmethod
    def to_look(cls, path: Path) -> LockFiles:
        """Given a journal, make the folder for the files, as for locks of our own. Raise `OSError`."""
        return cls(path)

    def take(self, subject: str) -> None:
        """Lock a subject, as `_Means` has it."""
        from filelock import FileLock, Timeout

        path = self._folder / _file_name(subject)
        new_small_file(path, self._folder.parent)
        lock = FileLock(path, thread_local=False, mode=0o600, fallback_to_soft=False)
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        self._held[subject] = lock

    def free(self, subject: str) -> None:
        """Free a subject that was taken."""
        self._held.pop(subject).release()

    def is_taken(self, subject: str) -> bool:
        """Try to take it: such a file tells nothing else."""
        try:
            self.take(subject)
        except BlockingIOError:
            return True
        self.free(subject)
        return False

    def is_used_elsewhere(self) -> bool:
        """Such files do not tell; whoever is at something has its lock."""
        return False

    def close(self) -> None:
        """Nothing is held open."""


_MEANS: Final[type[ByteLocks | LockFiles]] = ByteLocks if sys.platform == "linux" else LockFiles


class _Shared:
    """What all openings of one file in this process share."""

    def __init__(self) -> None:
        self.users = 0
        self.subjects: set[str] = set()
        """The subjects that are locked."""
        self.means: _Means | None = None
        """None until the first lock is taken: what only reads opens no second file."""
        self.eyes: _Means | None = None
        """None until it is asked who has a lock."""


_shared: Final[dict[tuple[int, int], _Shared]] = {}
_guard: Final = threading.Lock()
"""Held where `_shared`, or anything in it, is looked at."""


class JournalFile:
    """The file of a journal, which one it is on its disk, and its locks."""

    def __init__(self, path: Path) -> None:
        """Given a journal, note which file it is now. Raise `OSError` if there is none."""
        self._path = path.absolute()
        self._identity = _identity(self._path)
        self._log: tuple[Path, tuple[int, int]] | None = None
        """SQLite's log beside it, and which file that is."""
        with _guard:
            self._share = _shared.setdefault(self._identity, _Shared())
            self._share.users += 1

    def close(self) -> None:
        """Let go of the file. SQLite must have closed it before."""
        self._log = None  # whoever is the last to close a journal removes it
        with _guard:
            self._share.users -= 1
            if not self._share.users:
                del _shared[self._identity]
                for one in filter(None, (self._share.means, self._share.eyes)):
                    one.close()

    def watch_log(self) -> None:
        """Take SQLite's log for a part of the journal from now on, until it is closed.

        It is there from the first transaction to the end, and what is committed may stand nowhere else.
        """
        if self._log is None:
            real = self._path.resolve()
            log = real.with_name(f"{real.name}-wal")
            with suppress(OSError):  # it is not there yet while a journal is being made
                self._log = log, _identity(log)

    def check_in_place(self) -> None:
        """Raise `JournalUnfit` where the name of the journal or of its log leads to another file, or none."""
        parts = [(self._path, self._identity), *([self._log] if self._log else [])]
        try:
            for path, identity in parts:
                if _identity(path) != identity:
                    fate = "replaced by another file"
                    break
            else:
                return
        except FileNotFoundError:
            fate = "removed"
        except OSError as error:
            why = reason(error)
            raise JournalError(f"the journal {path} cannot be seen any more: {why}") from error
        raise JournalUnfit(
            f"the journal {path} was {fate} while zkpoll was at it, and what was written since is gone "
            "with it; what the terminals still hold is read again by the next run"
        )

    @contextmanager
    def held(self, subject: str) -> Iterator[None]:
        """Hold the lock of a subject ("device 192.168.1.201:4370").

        Raise `Busy` at once where another run has it, `Locked` where it cannot be taken, and `JournalError`
        where the journal is not in its place any more (other runs would take their locks elsewhere), or is
        where nothing can be locked.
        """
        self.check_in_place()
        self._take(subject)
        try:
            yield
        finally:
            self._free(subject)

    def is_held(self, subject: str) -> bool | None:
        """Say whether a run has the lock of a subject, without taking it; None where that cannot be seen."""
        share = self._share
        with _guard:
            if subject in share.subjects:
                return True
            try:
                share.eyes = share.eyes or _MEANS.to_look(self._path)
                return share.eyes.is_taken(subject)
            except OSError:
                return None

    def is_used_elsewhere(self) -> bool:
        """Say whether another process has the journal open, to read it or to write. Raise `OSError`."""
        with _guard:
            share = self._share
            share.means = share.means or _MEANS(self._path)
            return share.means.is_used_elsewhere()

    def _take(self, subject: str) -> None:
        share = self._share
        with _guard:
            if subject in share.subjects:
                raise Busy(_BUSY)
            try:
                if share.means is None:
                    share.means = _MEANS(self._path)
                share.means.take(subject)
            except BlockingIOError as error:
                raise Busy(_BUSY) from error
            except OSError as error:
                if error.errno in _NO_LOCKS:
                    raise JournalError(f"the journal {self._path} {_lockless(self._path, error)}") from error
                why = f"{reason(error)}; who owns it?"
                raise Locked(f"its lock on {self._path} cannot be taken: {why}") from error
            share.subjects.add(subject)

    def _free(self, subject: str) -> None:
        with _guard:
            self._share.subjects.discard(subject)
            if self._share.means:
                self._share.means.free(subject)


def without_locks(journal: Path) -> str | None:
    """Given a journal, say that nothing can be locked where it lies, or None where that is not so.

    Tried on a file without a name beside it. SQLite takes some errors of such a place for other trouble.
    """
    with suppress(OSError), TemporaryFile(dir=journal.resolve().parent) as file:
        try:
            if sys.platform == "linux":
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return _lockless(journal, error) if error.errno in _NO_LOCKS else None
    return None


def _lockless(journal: Path, error: OSError) -> str:
    folder = journal.resolve().parent
    return (
        f"cannot be used: the file system of {folder} locks no files ({reason(error)}), and two runs would "
        "collide; keep the journal on a local disk"
    )


def _identity(path: Path) -> tuple[int, int]:
    """Return which file this is, on which device."""
    found = path.stat()
    return found.st_dev, found.st_ino


def _file_name(subject: str) -> str:
    """Return the file name of a subject: its kind and its name, or that name's digest where it is long.

    No two subjects share one. A name of 64 letters may be 768 bytes when quoted, and file systems take 255.
    """
    kind, _, name = subject.partition(" ")
    quoted = quote(name, safe="")
    return f"{kind}-{quoted if len(quoted) <= _LONGEST else sha256(name.encode()).hexdigest()}.lock"
