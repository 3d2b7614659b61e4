"""A backup: the journal as it is at one moment, in a file that can take its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from zkpoll.durable import put
from zkpoll.errors import TryLater, reason
from zkpoll.journal.opening import open_journal
from zkpoll.journal.sqlite import CopyingFailed, copy_journal
from zkpoll.ordinary_files import check_replaceable


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


def backup(journal: Path, file: Path, *, force: bool = False) -> Backup:
    """Copy the journal as it is at this moment to `file`; whole, sound and on disk when this returns.

    Runs may go on meanwhile. The copy is one file (mode 0600) that can stand in the journal's place. Raise
    `JournalError` when the journal cannot be read or is damaged, `BackupFailed` when `file` is there already
    (unless `force`d) or cannot be written; then nothing of the copy is left.
    """
    with open_journal(journal, writable=False):  # it knows what is a journal, and says what is wrong with one
        try:
            _check_target(journal, file, force)
            with TemporaryDirectory(prefix=".zkpoll-", dir=file.parent) as folder:
                copy = Path(folder) / "copy"
                punches = copy_journal(journal, copy)
                size = copy.stat().st_size
                put(copy, file, replace=force)
        except FileExistsError as error:
            raise _there_already(file) from error
        except OSError as error:
            raise BackupFailed(f"the backup {file} cannot be written: {reason(error)}") from error
        except CopyingFailed as error:
            raise BackupFailed(f"the backup {file} cannot be written: {error}") from error
    return Backup(file, punches, size)


def _check_target(journal: Path, file: Path, force: bool) -> None:
    """Raise `BackupFailed` where `file` must not be written, `NotOrdinary` where it is no ordinary file."""
    parts = [journal.resolve().with_name(journal.resolve().name + end) for end in ("", "-wal", "-shm")]
    if file.resolve() in parts or (file.exists() and file.samefile(journal)):
        raise BackupFailed(f"{file} is the journal itself")
    if file.is_dir():
        raise BackupFailed(f"{file} is a folder; name a file in it")
    check_replaceable(file)
    if not force and os.path.lexists(file):
        raise _there_already(file)


def _there_already(file: Path) -> BackupFailed:
    return BackupFailed(f"{file} is there already; --force overwrites it")
