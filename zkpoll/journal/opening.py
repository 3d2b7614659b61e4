"""The journal that an inventory names: whether there is one, opening it, its locks and its folders."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file
from zkpoll.errors import JournalError, reason
from zkpoll.journal import conditions
from zkpoll.journal.locks import JournalFile
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.model.state_folders import StateFolders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal


_MARK: Final = """\
zkpoll began the journal beside this file. Should the journal be gone one day, and this file not, the next run
says so. To begin a new one without a word, remove both.
"""
_ANEW: Final = (
    "was gone, and is begun anew: what the terminals still hold counts as unread and is sent again, under "
    "the ids it had, also what was held or discarded; if that is not meant, restore a backup"
)


def open_journal(where: Path, *, writable: bool = True, patience: float | None = None) -> Journal:
    """Open the journal at `where`; one to write to is made if there is none.

    `writable=False` changes nothing in it and needs one in today's form. `patience` is the time in seconds
    that a transaction waits for those of other processes, `sqlite.WAIT` if not said.

    Raise `JournalError` when it cannot be opened, is empty, damaged, foreign, written by a newer zkpoll, or
    was moved away in part.
    """
    if not is_there(where):
        if not writable:
            raise JournalError(f"the journal {where} cannot be opened: {_missing(where)}")
        _begin(where)
    with ExitStack() as failed:
        journal = failed.enter_context(SqliteJournal(where, writable=writable, patience=patience))
        if writable:
            _mark(where)
        failed.pop_all()
    return journal


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
    """Open the journal to be read; a new one in memory while there is none, as looking makes none."""
    return open_journal(where, writable=False) if is_there(where) else _new(where)


def _begin(where: Path) -> None:
    """Make the journal: whole and for its owner alone, as it holds personal data, or not at all.

    SQLite's side files take after it.
    """
    with _new(where) as new:
        try:
            with new_file(_real(where), replace=False) as file:
                new.write_to(Path(file.name), where)
        except FileExistsError:
            pass  # another run has made it just now
        except OSError as error:
            raise JournalError(f"the journal {where} cannot be opened: {reason(error)}") from error


def _new(where: Path) -> SqliteJournal:
    """Return a new journal in memory; if it is not the first one at `where`, that is to be told."""
    left = _real(where).with_name(_real(where).name + "-wal")
    # Another run may have made a journal just now, and with it such a part.
    if left.exists() and left.stat().st_size and not is_there(where):
        raise JournalError(
            f"the journal {where} is gone, and a part of it, {left}, is left: put the journal back; or "
            "remove that part, and restore a backup or begin anew"
        )
    new = SqliteJournal(None)
    if _had_one(where):
        with new.transaction():
            conditions.owe(new, "journal", f"{where} {_ANEW}")
    return new


def _had_one(where: Path) -> bool:
    """Say whether there was a journal at `where` before: what is kept beside it is left."""
    beside = folders(where)
    return any(path.exists() for path in (beside.begun, beside.raw_copies, beside.unknown_logs))


def _missing(where: Path) -> str:
    """Say what to do where there is no journal to be read."""
    if _had_one(where):
        return "it is gone; restore a backup, or let `zkpoll sync` begin a new one"
    return "there is none yet; `zkpoll sync` makes it"


def _mark(where: Path) -> None:
    """Leave the mark of a journal that was begun."""
    mark = folders(where).begun
    try:
        if not mark.exists():
            mark.write_text(_MARK, "utf-8")
    except OSError as error:
        raise JournalError(f"{mark} cannot be written: {reason(error)}") from error


def _real(where: Path) -> Path:
    """Return the file that a journal's name leads to, also where there is none yet."""
    return Path(os.path.realpath(where))


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
    return StateFolders.beside(_real(where))
