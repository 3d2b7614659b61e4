"""The journal that an inventory names: whether there is one, opening it, its locks and its folders."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zkpoll.errors import JournalError, reason
from zkpoll.journal.locks import JournalFile
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.model.state_folders import StateFolders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal


def open_journal(where: Path, *, writable: bool = True) -> Journal:
    """Open the journal at `where`; one to write to is made if there is none.

    `writable=False` changes nothing in it and needs one in today's form. Raise `JournalError` when it cannot
    be opened, is damaged, foreign, or written by a newer zkpoll.
    """
    return SqliteJournal(where, writable=writable)


def open_empty() -> Journal:
    """Open a journal in memory, which is gone when it is closed. Its locks lock nothing."""
    return SqliteJournal(None)


def is_there(where: Path) -> bool:
    """Say whether there is a journal at `where`; one that cannot be seen is left to `open_journal`."""
    try:
        return where.exists()
    except OSError:
        return True


def look_at(where: Path) -> Journal:
    """Open the journal to be read; an empty one in memory while there is none, as looking makes none."""
    return open_journal(where, writable=False) if is_there(where) else open_empty()


@contextmanager
def lock(where: Path, subject: str) -> Iterator[None]:
    """Hold the lock of a subject, as `Journal.lock` does, without opening the journal at `where`."""
    try:
        file = JournalFile(where)
    except OSError as error:
        raise JournalError(f"the journal {where} cannot be opened: {reason(error)}") from error
    with closing(file), file.held(subject):
        yield


def folders(where: Path) -> StateFolders:
    """Return the folders beside the journal at `where`; beside the file itself where that is a link."""
    return StateFolders.beside(Path(os.path.realpath(where)))
