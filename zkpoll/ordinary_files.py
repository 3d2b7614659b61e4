"""Ordinary files: nothing else is read by name, and nothing else is replaced.

A read of a pipe may wait without end and one of a device may bring bytes without end; a rename would put a
file in the place of either. A folder is refused in the system's own words.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_KINDS: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a symbolic link",
}


class NotOrdinary(OSError):
    """There is something else than an ordinary file."""


class TooLarge(OSError):
    """A file has more bytes than it may have."""


def check_ordinary(path: Path) -> None:
    """Raise `NotOrdinary` or `IsADirectoryError` where no ordinary file is, nor a link to one."""
    _check_read(path.stat())


def open_to_read(path: Path) -> IO[bytes]:
    """Open an ordinary file, or a link to one, to be read; this never waits.

    Raise `NotOrdinary`, or another `OSError` when it cannot be opened.
    """
    check_ordinary(path)  # opening a device may already do something to it
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _check_read(os.fstat(descriptor))  # it may be another one by now
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def contents(path: Path, longest: int) -> bytes:
    """Return the bytes of an ordinary file, or of one that a link leads to.

    Raise `TooLarge` when there are more than `longest`, `NotOrdinary`, or another `OSError` when it cannot
    be read.
    """
    with open_to_read(path) as file:
        data = file.read(longest + 1)
    if len(data) > longest:
        raise TooLarge(errno.EFBIG, f"it is larger than {longest} bytes; is it the right file?")
    return data


def check_replaceable(path: Path) -> None:
    """Raise `NotOrdinary` or `IsADirectoryError` where there is what no file may take the place of.

    A link counts as such, whatever it leads to: a rename would replace the link.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if kind := _other_kind(found):
        raise NotOrdinary(errno.EINVAL, f"it is {kind}, and only an ordinary file is replaced")


def _check_read(found: os.stat_result) -> None:
    if kind := _other_kind(found):
        raise NotOrdinary(errno.EINVAL, f"it is {kind}, expected an ordinary file")


def _other_kind(found: os.stat_result) -> str | None:
    """Return the name of what is no ordinary file, None for one. Raise `IsADirectoryError`."""
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISREG(found.st_mode):
        return None
    return _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
