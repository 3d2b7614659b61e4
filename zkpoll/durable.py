"""Files that are whole and on disk, or not there at all.

A file is written under another name beside its place, synced, given its name in one step, and the folder is
synced. A killed process leaves the file that was there before, and at most a `.part` beside it.

What root makes beside a journal belongs to the owner of the journal's folder, or the service that works
there could not use it. Only what was made just now is given away, by its descriptor: no name leads elsewhere.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Final

from zkpoll.ordinary_files import check_replaceable

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER_ONLY: Final = 0o600
PART: Final = ".part"
"""The ending of a file that is not whole yet."""
_LONGEST_NAME: Final = 60
"""Characters of a file's name that its `.part` repeats: 240 bytes at most, and file systems take 255."""
_OLD: Final = 86_400
"""Seconds since it was written to, after which nobody goes on with a `.part`."""
_NO_LINKS: Final = frozenset((errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
"""Errors of a file system without hard links, such as FAT and some network drives."""

_NO_OWNERS: Final = frozenset((errno.EPERM, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS))
"""Errors of a file system without owners, and of a container in which that owner is unknown."""


@contextmanager
def new_file(
    path: Path,
    *,
    replace: bool,
    mode: int = OWNER_ONLY,
    folder_unseen: bool = True,
    belongs_to: Path | None = None,
) -> Iterator[IO[bytes]]:
    """Give a file that is at `path`, whole and on disk, when the block ends without an error.

    `replace` says whether it takes the place of a file that is there; if not, raise `FileExistsError`. What
    is no ordinary file is never replaced; raise `NotOrdinary`, which is an `OSError`.
    `folder_unseen` allows a folder that may be written to but not read, whose sync the system refuses.
    `belongs_to` is the folder to whose owner it belongs where root makes it. Raise `OSError` when it cannot
    be written. After an error in the block, or before it has its name, nothing of it is left.
    """
    if replace:
        check_replaceable(path)  # now: what is refused in the end was written for nothing
    with NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name[:_LONGEST_NAME]}.", suffix=PART, delete=False
    ) as file:
        part = Path(file.name)
        try:
            if belongs_to:
                hand_over(file.fileno(), belongs_to)
            yield file.file
            file.flush()
            if mode != OWNER_ONLY:
                part.chmod(mode)
            put(part, path, replace=replace, folder_unseen=folder_unseen)
        finally:
            with suppress(OSError):  # it has its name by now; or the disk is failing, which is told already
                part.unlink()


def new_folder(path: Path, belongs_to: Path) -> None:
    """Make a folder for its owner alone, if it is not there; as root, for the owner of `belongs_to`.

    Raise `OSError` when it cannot be made.
    """
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    if _is_root():
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            hand_over(descriptor, belongs_to)
        finally:
            os.close(descriptor)


def new_small_file(path: Path, belongs_to: Path, content: bytes = b"", *, mode: int = OWNER_ONLY) -> None:
    """Make a file of no importance, if nothing is there; as root, for the owner of the folder `belongs_to`.

    Raise `OSError` when it cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        hand_over(descriptor, belongs_to)
        file.write(content)


def hand_over(descriptor: int, belongs_to: Path) -> None:
    """As root, give a file or folder that was made just now to the owner of another folder, by uid and gid.

    Anybody else leaves it as it is, and so does a file system that knows no owners, or not that one.
    """
    if not _is_root():
        return
    owner = belongs_to.stat()
    try:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    except OSError as error:
        if error.errno not in _NO_OWNERS:
            raise


def _is_root() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def parts_of(path: Path) -> list[Path]:
    """Return the names under which `new_file` wrote a file, and which it has not removed, or was killed."""
    found = path.parent.glob(f".{escape(path.name[:_LONGEST_NAME])}.*{PART}")
    return [part for part in found if _same(part, path)]


def remove_old_parts(path: Path, older_than: float = _OLD) -> None:
    """Remove what processes that were killed have left of a file that is written again and again.

    What was written to within `older_than` seconds stays: another process may be at it. Raise `OSError`.
    """
    for part in path.parent.glob(f".{escape(path.name[:_LONGEST_NAME])}.*{PART}"):
        with suppress(FileNotFoundError):  # another process did so just now
            if time.time() - part.lstat().st_mtime > older_than:
                part.unlink()


def _same(part: Path, path: Path) -> bool:
    try:
        return part.samefile(path)
    except FileNotFoundError:  # it was removed just now
        return False


def put(file: Path, path: Path, *, replace: bool, folder_unseen: bool = True) -> None:
    """Give a whole file of the same file system its name; on disk when this returns.

    The arguments and errors are those of `new_file`. The file's old name may last.
    """
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if replace:
        check_replaceable(path)
        file.replace(path)
    else:
        _name_once(file, path)
    try:
        sync_folder(path.parent)
    except PermissionError:  # also on Windows, which knows no such sync
        if not folder_unseen:
            raise


def _name_once(file: Path, path: Path) -> None:
    """Give a file another name; raise `FileExistsError` where one has it already."""
    try:
        os.link(file, path)  # unlike a rename, it fails where a file is
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _take_name(file, path)


def _take_name(file: Path, path: Path) -> None:
    """Take a name with an empty file first, then rename over it."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    file.replace(path)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
