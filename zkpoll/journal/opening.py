"""The journal that an inventory names: whether there is one, opening it, its locks and its folders."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file, new_small_file
from zkpoll.errors import JournalError, reason
from zkpoll.journal import conditions
from zkpoll.journal.database import NotBegun
from zkpoll.journal.locks import JournalFile
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.model.journal_home import FileAndState, JournalServer, beside, file_of
from zkpoll.model.state_folders import StateFolders

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal
    from zkpoll.journal.postgres import PostgresJournal
    from zkpoll.model.journal_home import FileHome, JournalHome


_MARK: Final = """\
zkpoll began the journal {of}. Should the journal be gone one day, and this file not, the next run
says so. To begin a new one without a word, remove both.
"""
_KNOWN_BY: Final = "It is known by {}.\n"
_NAMES: Final = re.compile(r"zkpoll began the journal (.+)\. Should the journal be gone")
_KNOWN: Final = re.compile(r"It is known by (\w+)\.")
_BESIDE: Final = "beside this file"
_ANEW: Final = (
    "was gone, and is begun anew: what the terminals still hold counts as unread and is sent again, under "
    "the ids it had, also what was held or discarded; if that is not meant, restore a backup"
)


def open_journal(where: JournalHome, *, writable: bool = True, patience: float | None = None) -> Journal:
    """Open the journal at `where`; one to write to is made if there is none.

    `writable=False` changes nothing in it and needs one in today's form. `patience` is the time in seconds
    that a transaction waits for those of other processes, `sqlite.WAIT` if not said.

    Raise `JournalError` when it cannot be opened, is empty, damaged, foreign, written by a newer zkpoll, or
    was moved away in part; and a writer where its `state_dir:` is another journal's.
    """
    if not isinstance(where, JournalServer) and not is_there(where):
        if not writable:
            raise JournalError(f"the journal {where} cannot be opened: {_missing(where)}")
        _check_mark(where)
        _begin(where)
    with ExitStack() as failed:
        journal: Journal
        if isinstance(where, JournalServer):
            journal = failed.enter_context(_on_server(where, writable=writable, patience=patience))
        else:
            journal = failed.enter_context(
                SqliteJournal(file_of(where), writable=writable, patience=patience)
            )
        if writable:
            _mark(where, journal)
        failed.pop_all()
    return journal


def open_empty() -> Journal:
    """Open a journal in memory, which is gone when it is closed. Its locks lock nothing."""
    return SqliteJournal(None)


def is_there(where: FileHome) -> bool:
    """Say whether there is a journal's file; one that cannot be seen is left to `open_journal`."""
    try:
        return file_of(where).exists()
    except OSError:
        return True


def look_at(where: JournalHome) -> Journal:
    """Open the journal to be read; a new one in memory while there is none, as looking makes none."""
    if isinstance(where, JournalServer):
        try:
            return open_journal(where, writable=False)
        except NotBegun:
            return _in_memory(where)
    return open_journal(where, writable=False) if is_there(where) else _new(where)


def _on_server(where: JournalServer, *, writable: bool, patience: float | None) -> Journal:
    """Open the journal in a database, as `open_journal` does."""

    def begun(journal: Journal) -> None:
        _check_mark(where)
        if _had_one(where):
            conditions.owe(journal, "journal", f"{where} {_ANEW}")

    if writable and not os.path.isdir(where.state):  # noqa: PTH112  # it never raises
        raise JournalError(
            f"the journal {where} cannot be opened: the folder for what lies beside it (state_dir:), "
            f"{where.state}, is not there; make it"
        )
    try:
        return _store(where)(
            where.url, password=where.password, writable=writable, patience=patience, begun=begun
        )
    except NotBegun as error:
        raise NotBegun(f"the journal {where} cannot be opened: {_missing(where)}") from error


def _store(where: JournalServer) -> type[PostgresJournal]:
    """Return the store, which is imported only here. Raise `JournalError` where its driver is missing."""
    try:
        from zkpoll.journal.postgres import PostgresJournal
    except ImportError as error:
        raise JournalError(
            f"the journal {where} cannot be opened: a journal in PostgreSQL needs psycopg: "
            "pip install 'zkpoll[postgres]'"
        ) from error
    return PostgresJournal


def _begin(where: FileHome) -> None:
    """Make the journal: whole and for its owner alone, as it holds personal data, or not at all.

    SQLite's side files take after it.
    """
    with _new(where) as new:
        real = _real(file_of(where))
        try:
            with new_file(real, replace=False, belongs_to=real.parent) as file:
                new.write_to(Path(file.name), file_of(where))
        except FileExistsError:
            pass  # another run has made it just now
        except OSError as error:
            raise JournalError(f"the journal {where} cannot be opened: {reason(error)}") from error


def _new(where: FileHome) -> SqliteJournal:
    """Return a new journal in memory that may become that file."""
    real = _real(file_of(where))
    left = real.with_name(real.name + "-wal")
    # Another run may have made a journal just now, and with it such a part.
    if left.exists() and left.stat().st_size and not is_there(where):
        raise JournalError(
            f"the journal {where} is gone, and a part of it, {left}, is left: put the journal back; or "
            "remove that part, and restore a backup or begin anew"
        )
    return _in_memory(where)


def _in_memory(where: JournalHome) -> SqliteJournal:
    """Return a new journal in memory; if it is not the first one at `where`, that is to be told."""
    new = SqliteJournal(None)
    if _had_one(where):
        with new.transaction():
            conditions.owe(new, "journal", f"{where} {_ANEW}")
    return new


def _had_one(where: JournalHome) -> bool:
    """Say whether there was a journal at `where` before: what is kept beside it is left."""
    left = folders(where)
    try:
        return any(path.exists() for path in (left.begun, left.raw_copies, left.unknown_logs))
    except OSError as error:
        raise JournalError(
            f"the journal {where} cannot be opened: {left.begun.parent} cannot be seen: {reason(error)}"
        ) from error


def _missing(where: JournalHome) -> str:
    """Say what to do where there is no journal to be read."""
    if _had_one(where):
        return "it is gone; restore a backup, or let `zkpoll sync` begin a new one"
    return "there is none yet; `zkpoll sync` makes it"


@dataclass(frozen=True, slots=True)
class _Mark:
    """The journal that a folder belongs to, as its mark says."""

    of: str
    """Where it was when the mark was written."""
    known_by: str | None = None
    """What it has wherever it is moved or copied to; None before it met a device."""


def _mark(where: JournalHome, journal: Journal) -> None:
    """Leave the mark of a journal that was begun; in a folder of its own, it says which one.

    There it follows a journal that was moved. Raise `JournalError` where it is another one's.
    """
    mark = folders(where).begun
    try:
        if isinstance(where, Path):
            if not mark.exists():
                new_small_file(mark, mark.parent, _MARK.format(of=_BESIDE).encode(), mode=0o644)
            return
        before = _marked(where)
        if before and before.of == _name(where) and before.known_by:
            return
        first = journal.one("first_device")
        known_by = sha256("\n".join(first).encode()).hexdigest()[:16] if first else None
        _check_mark(where, known_by)
        now = _Mark(_name(where), known_by)
        text = _MARK.format(of=now.of) + (_KNOWN_BY.format(known_by) if known_by else "")
        if not mark.exists():
            if isinstance(where, FileAndState):
                _tell_left_behind(where, journal)
            new_small_file(mark, mark.parent, text.encode(), mode=0o644)
        elif before != now:
            # One that may not be written says what it said, and is asked again.
            with (
                suppress(OSError),
                new_file(mark, replace=True, mode=0o644, belongs_to=mark.parent) as file,
            ):
                file.write(text.encode())
    except OSError as error:
        raise JournalError(f"{mark} cannot be written: {reason(error)}") from error


def _check_mark(where: JournalHome, known_by: str | None = None) -> None:
    """Raise `JournalError` where the folder of the journal at `where` is another one's.

    It is the same one where it is in the same place, or `known_by` is the same. Nothing is known of one that
    is yet to be begun, nor of a mark that zkpoll wrote beside a file, or did not write.
    """
    if isinstance(where, Path) or (before := _marked(where)) is None or before.of == _name(where):
        return
    if known_by is None or before.known_by != known_by:
        raise JournalError(
            f"the journal {where} cannot be opened: its state_dir:, {where.state}, is that of the journal "
            f"{before.of}, as {folders(where).begun} says; give each a folder of its own, or, if it is the "
            "same journal in another place, remove that file"
        )


def _marked(where: FileAndState | JournalServer) -> _Mark | None:
    """Return what the mark in the folder says; None where there is none, or it names no journal."""
    mark = folders(where).begun
    try:
        text = mark.read_text("utf-8", "replace") if mark.is_file() else ""
    except OSError as error:
        raise JournalError(f"{mark} cannot be read: {reason(error)}") from error
    named, known = _NAMES.search(text), _KNOWN.search(text)
    if named is None or named[1] == _BESIDE:
        return None
    of = named[1]
    if isinstance(where, FileAndState) and of == str(where):  # perhaps a link, or not absolute
        of = _name(where)
    return _Mark(of, known[1] if known else None)


def _name(where: FileAndState | JournalServer) -> str:
    """Return how a mark names a journal."""
    return str(_real(where.file)) if isinstance(where, FileAndState) else str(where)


def _tell_left_behind(where: FileAndState, journal: Journal) -> None:
    """Let a run tell what lies beside a file that has got a `state_dir:`, and is not looked for there."""
    old, new = StateFolders.beside(_real(where.file)), folders(where)
    pairs = ((old.raw_copies, new.raw_copies), (old.unknown_logs, new.unknown_logs))
    left = [(there, here) for there, here in pairs if there.exists() and _real(there) != _real(here)]
    if not left:
        return
    with journal.transaction():
        for there, here in left:
            text = f"{there} is not looked for any more: by state_dir: it is {here}; move what is in it there"
            conditions.owe(journal, "journal", text)


def _real(file: Path) -> Path:
    """Return the file that a journal's name leads to, also where there is none yet."""
    return Path(os.path.realpath(file))


@contextmanager
def lock(where: JournalHome, subject: str) -> Iterator[None]:
    """Hold the lock of a subject, as `Journal.lock` does, without opening a journal's file at `where`."""
    if isinstance(where, JournalServer):
        with open_journal(where, writable=False) as journal, journal.lock(subject):
            yield
        return
    try:
        file = JournalFile(file_of(where))
    except OSError as error:
        raise JournalError(f"the journal {where} cannot be opened: {reason(error)}") from error
    with closing(file), file.held(subject):
        yield


def folders(where: JournalHome) -> StateFolders:
    """Return the folders beside the journal at `where`; beside the file itself where that is a link."""
    return StateFolders.beside(_real(where) if isinstance(where, Path) else beside(where))
