"""A backup: the journal as it is at one moment, in a file that can take its place; a folder of the last ones.

In such a folder a backup is named after its time, in UTC, and names sort as times do. One that sorts behind
the newest backup is from a clock that was ahead: it counts as the oldest, and no clock that jumped back lets
the newest go. Removed are only files of such a name that are journals, and only once a new one is there.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file, new_folder, put, sync_folder
from zkpoll.errors import JournalError, JournalUnfit, TryLater, reason
from zkpoll.journal.balance import recount_all
from zkpoll.journal.opening import folders, open_journal
from zkpoll.journal.sqlite import CopyingFailed, copy_journal, is_journal
from zkpoll.model.journal_home import file_of
from zkpoll.ordinary_files import check_replaceable, open_to_read

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from zkpoll.model.journal_home import FileHome

_STAMP: Final = "zkpoll-%Y-%m-%dT%H%M%SZ.db"
_STAMPED: Final = re.compile(r"zkpoll-[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z\.db")
_RAW: Final = "raw"
"""The folder beside kept backups for raw copies."""
_PIECE: Final = 1024 * 1024
_UNFINISHED: Final = ".zkpoll-"
"""How the folder of a copy begins that has no name yet."""
_DEAD: Final = timedelta(days=1)
"""No copy takes that long: what was not written to since is of a process that was killed."""


class BackupFailed(TryLater):
    """A backup cannot be written, or would overwrite something."""

    kind = "backup"


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a journal."""

    file: Path
    punches: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup in a folder of the last ones."""

    backup: Backup
    removed: tuple[Path, ...]
    """Older ones."""
    raw_copies: int
    """Raw copies of cleared logs that were not there yet."""


def backup(home: FileHome, file: Path, *, force: bool = False) -> Backup:
    """Copy the journal as it is at this moment to `file`; whole, sound and on disk when this returns.

    Its punches were counted, one by one. Runs may go on meanwhile. The copy is one file (mode 0600) that can
    stand in the journal's place. Where root makes it in a folder of the journal's owner, it is that one's.
    Raise `JournalError` when the journal cannot be read or is damaged, `BackupFailed` when `file` is there
    already (unless `force`d) or cannot be written; then nothing of the copy is left.
    """
    journal = file_of(home)
    # Opening it tells what is a journal, and what is wrong with one.
    with open_journal(home, writable=False), _told(file):
        _check_target(journal, file, force)
        with _copied(journal, file.parent) as (copy, punches):
            size = copy.stat().st_size
            put(copy, file, replace=force)
    return Backup(file, punches, size)


def backup_and_keep(home: FileHome, folder: Path, number: int) -> Kept:
    """Back the journal up into `folder`, and remove its older backups there but for the last `number` in all.

    Raw copies of cleared logs go there, too, and stay. Raise as `backup` does; nothing is removed then.
    """
    with open_journal(home, writable=False), _told(folder):
        if not folder.is_dir():
            raise BackupFailed(
                f"{folder} is no folder that is there; make it, or mount what it is on: "
                "with --keep each backup gets a name of its own in it"
            )
        _remove_dead(folder)
        with _copied(file_of(home), folder) as (copy, punches):
            size, file = copy.stat().st_size, _named(copy, folder)
    with _told(folder / _RAW):
        carried = _carry_raw_copies(folders(home).raw_copies, folder)
    return Kept(Backup(file, punches, size), _removed(folder, file, number), carried)


def beyond(names: Collection[str], newest: str, number: int) -> list[str]:
    """Given names of backups and the newest of them, return those beyond the last `number`. Pure."""
    ordered = sorted(names, key=lambda name: (name <= newest, name))
    return ordered[: max(0, len(ordered) - number)]


@contextmanager
def _copied(journal: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """Give a sound copy of the journal in `folder`, until it has a name, and how many punches are in it."""
    home = journal.resolve().parent
    with TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as place:
        copy = Path(place) / "copy"
        same_owner = folder.stat().st_uid == home.stat().st_uid
        punches = copy_journal(journal, copy, home if same_owner else None)
        _check_sums(journal, copy)
        yield copy, punches


def _check_sums(journal: Path, copy: Path) -> None:
    """Raise `JournalError` where a walk of the copy finds other punches than the journal has counted.

    That one says of itself that it is sound, and something is gone that it held.
    """
    try:
        with open_journal(copy, writable=False) as copied:
            recount_all(copied)
    except JournalUnfit as error:
        fault = "its punches are not those that it has counted"
        raise JournalError(f"the journal {journal} is damaged; it was not backed up: {fault}") from error


@contextmanager
def _told(what: Path) -> Iterator[None]:
    """Turn what keeps a backup from being written into `BackupFailed`."""
    try:
        yield
    except FileExistsError as error:
        raise _there_already(what) from error
    except OSError as error:
        raise BackupFailed(f"the backup {what} cannot be written: {reason(error)}") from error
    except CopyingFailed as error:
        raise BackupFailed(f"the backup {what} cannot be written: {error}") from error


def _check_target(journal: Path, file: Path, force: bool) -> None:
    """Raise `BackupFailed` where `file` must not be written, `NotOrdinary` where it is no ordinary file."""
    parts = [journal.resolve().with_name(journal.resolve().name + end) for end in ("", "-wal", "-shm")]
    if file.resolve() in parts or (file.exists() and file.samefile(journal)):
        raise BackupFailed(f"{file} is the journal itself")
    if file.is_dir():
        raise BackupFailed(
            f"{file} is a folder; name a file in it, or keep the last backups there: --keep 14"
        )
    check_replaceable(file)
    if not force and os.path.lexists(file):
        raise _there_already(file)


def _there_already(file: Path) -> BackupFailed:
    return BackupFailed(f"{file} is there already; --force overwrites it")


# --- a folder of the last ones ---


def _named(copy: Path, folder: Path) -> Path:
    """Give a copy its name in `folder`, of the present second or the next one that is free."""
    moment = datetime.now(UTC)
    while True:
        file = folder / moment.strftime(_STAMP)
        try:
            put(copy, file, replace=False)
        except FileExistsError:
            moment += timedelta(seconds=1)
        else:
            return file


def _remove_dead(folder: Path) -> None:
    """Remove what killed processes left, as far as that is possible; each is as large as a backup."""
    before = (datetime.now(UTC) - _DEAD).timestamp()
    for place in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if stat.S_ISDIR(place.lstat().st_mode) and _last_written(place) < before:
                rmtree(place, ignore_errors=True)


def _last_written(place: Path) -> float:
    return max(path.lstat().st_mtime for path in (place, *place.iterdir()))


def _removed(folder: Path, newest: Path, number: int) -> tuple[Path, ...]:
    """Remove the backups beyond the last `number`, and return them. Raise `BackupFailed` if one stays."""
    path = newest
    try:
        names = [path.name for path in folder.iterdir() if _STAMPED.fullmatch(path.name) and _is_ours(path)]
        old = [folder / name for name in beyond(names, newest.name, number)]
        for path in old:
            path.unlink(missing_ok=True)
        if old:
            sync_folder(folder)
    except OSError as error:
        raise BackupFailed(
            f"the backup {newest} is made, and the older {path} cannot be removed: {reason(error)}"
        ) from error
    return tuple(old)


def _is_ours(path: Path) -> bool:
    """Say whether this is an ordinary file, and a journal. One that may not be read is left alone."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with open_to_read(path) as file:
            return is_journal(file.read(100))
    except OSError:
        return False


def _carry_raw_copies(found: Path, folder: Path) -> int:
    """Copy those raw copies that are not in the folder for them yet, and return how many these are."""
    copies = sorted(found.glob("*.zkraw")) if found.is_dir() else []
    there, home, carried = folder / _RAW, folder, 0
    if copies:
        new_folder(there, home)
    for copy in copies:
        try:
            source = open_to_read(copy)
        except FileNotFoundError:  # its time was over just now
            continue
        except OSError as error:
            raise BackupFailed(f"the raw copy {copy} cannot be read: {reason(error)}") from error
        with source, suppress(FileExistsError):
            with new_file(there / copy.name, replace=False, belongs_to=home) as file:
                while piece := source.read(_PIECE):
                    file.write(piece)
            carried += 1
    return carried
