"""The journal's SQLite file: open, migrate, and one clear error for each way it can fail.

WAL with `synchronous=FULL`: when a transaction returns, it is on disk. One connection a process, shared by
its threads under a lock; other processes wait for each other up to `WAIT` seconds.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from contextlib import ExitStack, closing, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Final, Self

from zkpoll.durable import hand_over, parts_of
from zkpoll.errors import JournalError, JournalUnfit, reason
from zkpoll.journal.database import AlreadyThere, check_beside, migrations, statements
from zkpoll.journal.locks import JournalFile, without_locks
from zkpoll.journal.read_only import connect_to_read
from zkpoll.model.punch import punch_id
from zkpoll.ordinary_files import check_ordinary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from zkpoll.journal.database import Row, Values
    from zkpoll.journal.read_only import Still

APPLICATION_ID: Final = 0x7A6B706C  # "zkpl"
WAIT: Final = 30.0
"""Seconds to wait for another process's transaction; the longest journals some ten thousand punches."""
_SETTINGS: Final = (
    "foreign_keys = ON",
    "temp_store = MEMORY",
    "cache_size = -32000",  # 32 MB: the two indexes by record and by id are written to at random
)
_IDENTITY: Final = """
SELECT application_id, user_version, EXISTS (SELECT 1 FROM sqlite_master)
FROM pragma_application_id, pragma_user_version
"""
"""One statement, hence one moment: another process may be making the journal just now."""
_CAUSES: Final = {
    "SQLITE_BUSY": "is locked by another program",
    "SQLITE_LOCKED": "is locked by another program",
    "SQLITE_PROTOCOL": "is locked by another program",
    "SQLITE_READONLY": "cannot be written; check who owns it and its folder",
    "SQLITE_FULL": "cannot grow: the disk is full",
    "SQLITE_IOERR": "cannot be read or written: the disk is full or failing",
    "SQLITE_CORRUPT": "is damaged; restore a backup, or move it away to begin a new one",
    "SQLITE_NOTADB": "is not a journal but some other kind of file",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder exists and who owns it",
    "SQLITE_PERM": "may not be opened; check who owns it",
    "SQLITE_AUTH": "may not be opened; check who owns it",
}
_UNFIT: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_CHANGED: Final = "was written by another program while it was read without a lock; try again"
_OF_LOCKS: Final = (
    *("SQLITE_BUSY", "SQLITE_PROTOCOL", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK", "SQLITE_IOERR_UNLOCK"),
    *("SQLITE_IOERR_CHECKRESERVEDLOCK", "SQLITE_IOERR_SHMLOCK"),
)
"""Errors that may come of a file system without locks; which one depends on its words for that."""


class SqliteJournal:
    """A journal in an SQLite file, or in memory."""

    def __init__(self, path: Path | None, *, writable: bool = True, patience: float | None = None) -> None:
        """Open the journal at `path`; None makes one in memory.

        `writable=False` changes nothing in it and needs one in today's form. `patience` is how many
        seconds a transaction waits for those of other processes, `WAIT` if not said. Raise `JournalError`
        when it cannot be opened, is empty, damaged, foreign, or written by a newer zkpoll.
        """
        self._path = path
        self._patience = WAIT if patience is None else patience
        self._lock = threading.RLock()
        self._in_savepoint = False
        self._only: str | None = None
        """The subject of the transaction under way, if it has but one."""
        self._gave_up_at = 0.0
        """When a thread last gave up waiting for other processes, by the monotonic clock."""
        self._still: Still | None = None
        self._writable = writable
        self._file = None if path is None else _file(path, writable)
        with ExitStack() as failed:
            if self._file:
                failed.callback(self._file.close)
            with self._translated():
                self._db, self._still = _connect(path, writable, self._patience)
                failed.callback(self._db.close)
                self._prepare(writable)
            failed.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._db.close()
            if self._file:
                self._file.close()
        if kind is None and self._file and self._writable:
            self._file.check_in_place()

    def all(self, query: str, /, **parameters: object) -> list[Row]:
        """Run the named query and return its rows."""
        with self._lock, self._translated():
            return self._db.execute(queries()[query], parameters).fetchall()

    def one(self, query: str, /, **parameters: object) -> Row | None:
        """Run the named query and return its first row, or None."""
        with self._lock, self._translated():
            self._check(query)
            row: Row | None = self._db.execute(queries()[query], parameters).fetchone()
            return row

    def run(self, query: str, /, **parameters: object) -> int:
        """Run the named statement in the transaction under way and return how many rows it changed."""
        with self._lock, self._translated():
            self._check(query)
            return self._db.execute(queries()[query], parameters).rowcount

    def run_many(self, query: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Run the named statement once for each of `rows` and return how many rows it changed."""
        with self._lock, self._translated():
            self._check(query)
            return self._db.executemany(queries()[query], rows).rowcount

    def run_later(self, query: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Run the named statement for each of `rows`, at once: nothing here is far away."""
        self.run_many(query, rows)

    def run_at_end(self, query: str, /, **parameters: object) -> None:
        """Run the named statement, at once: nobody else writes."""
        self.run(query, **parameters)

    def _check(self, query: str) -> None:
        if self._only:
            check_beside(query)

    def insert_all(self, query: str, rows: Sequence[tuple[object, ...]]) -> Sequence[int]:
        """Run the named insertion for each of `rows`, all new; return the numbers it gives them, in order.

        A row has the values in the order in which the statement names them. The numbers follow each other.
        Raise `AlreadyThere` if one of the rows is there already, and `RuntimeError` outside a savepoint.
        """
        sql, numbers = _insertion(query)
        with self._lock, self._translated():
            if not self._in_savepoint:
                raise RuntimeError(f"{query} is run outside a savepoint")
            self._check(query)
            try:
                self._db.executemany(sql, rows)
            except sqlite3.IntegrityError as error:
                raise AlreadyThere(str(self._error(_cause(error)))) from error
            if not (numbers and rows):
                return ()
            # Each new row gets the number behind the largest; within a transaction nobody else inserts.
            last: int = self._db.execute("SELECT last_insert_rowid()").fetchone()[0]
            return range(last - len(rows) + 1, last + 1)

    def look_up(self, query: str, values: Values, **parameters: object) -> list[Row]:
        """Run the named query over `values`; its rows begin with the place of the value they belong to.

        In the statement, `incoming` is a table of the values, each with its place.
        """
        with self._lock:
            self._take_in(values)
            return self.all(query, **parameters)

    def run_over(self, query: str, values: Values, **parameters: object) -> int:
        """Run the named statement over `values`, as `look_up` does, and return how many rows it changed."""
        with self._lock:
            self._take_in(values)
            return self.run(query, **parameters)

    def _take_in(self, values: Values) -> None:
        with self._translated():
            self._db.execute("DELETE FROM incoming")
            pairs = values.items() if isinstance(values, dict) else enumerate(values)
            self._db.executemany("INSERT INTO incoming (place, value) VALUES (?, ?)", pairs)

    @contextmanager
    def transaction(self, patience: float | None = None, *, only: str | None = None) -> Iterator[None]:
        """Do what is inside as one transaction: on disk when it ends, undone when it raises.

        Nobody else writes meanwhile, though it may write what is one subject's `only`. `patience` is how many
        seconds it waits for all others, threads of this process included; without it, that of the journal is
        for other processes. Raise `JournalError` where the journal is not in its place any more, and no other
        run would find it.
        """
        with self._locked(patience):
            try:
                if self._file:
                    self._file.watch_log()
                self._check_form()
                self._only = only
                yield
                if self._file:
                    self._file.check_in_place()
                with self._translated():
                    self._db.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._only = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read what is inside as of one moment. Nobody waits for it, but for this connection."""
        with self._lock:
            with self._translated():
                if self._db.in_transaction:
                    raise RuntimeError("a snapshot is begun in a transaction")
                self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._roll_back()

    @contextmanager
    def _locked(self, patience: float | None) -> Iterator[None]:
        """Begin a transaction that no other thread takes part in, or raise `JournalError`."""
        began = time.monotonic()
        if not self._lock.acquire(timeout=-1 if patience is None else patience):
            raise self._error("is locked: it was not free in time")
        try:
            # Another thread may have waited for other processes meanwhile, and given up: then the time that
            # this one has waited for that thread counts as well.
            left = self._patience if patience is None and began < self._gave_up_at else patience
            if left is not None:
                self._wait_for_others(max(0.0, left - (time.monotonic() - began)))
            try:
                with self._translated():
                    self._db.execute("BEGIN IMMEDIATE")
            except JournalError:
                self._gave_up_at = time.monotonic()
                raise
            finally:
                if left is not None:
                    self._wait_for_others(self._patience)
            yield
        finally:
            self._lock.release()

    def _wait_for_others(self, seconds: float) -> None:
        """Let transactions wait so long for those of other processes."""
        with self._translated():
            self._db.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Do what is inside as a part of the transaction under way, which is undone alone when it raises.

        Raise `RuntimeError` outside a transaction.
        """
        with self._lock:
            if not self._db.in_transaction:
                raise RuntimeError("a savepoint is asked for outside a transaction")
            with self._translated():
                self._db.execute("SAVEPOINT part")
            self._in_savepoint = True
            try:
                yield
            except BaseException:
                self._undo_part()
                raise
            finally:
                self._in_savepoint = False
                with self._translated():
                    if self._db.in_transaction:
                        self._db.execute("RELEASE part")

    def _undo_part(self) -> None:
        with self._translated():
            if self._db.in_transaction:  # SQLite has undone all of it by itself after some errors
                self._db.execute("ROLLBACK TO part")

    def _roll_back(self) -> None:
        with self._translated():
            if self._db.in_transaction:  # SQLite has done it by itself after some errors
                self._db.execute("ROLLBACK")

    def check_in_place(self) -> None:
        """Raise `JournalUnfit` where the journal is not in its place any more."""
        if self._file:
            self._file.check_in_place()

    def damaged(self) -> JournalUnfit:
        """Return the error to raise where what is in it cannot be."""
        return JournalUnfit(self._sentence(_CAUSES["SQLITE_CORRUPT"]))

    def lock(self, subject: str) -> AbstractContextManager[None]:
        """Hold the lock of a subject: a byte of the journal's file, locked by the OS."""
        return self._file.held(subject) if self._file else nullcontext()

    def is_locked(self, subject: str) -> bool | None:
        """Say whether any run holds the lock of a subject; nobody's is hindered."""
        return self._file.is_held(subject) if self._file else False

    def is_used_elsewhere(self) -> bool:
        """Say whether another process has it open, as far as that can be seen."""
        try:
            return bool(self._file and self._file.is_used_elsewhere())
        except OSError as error:
            raise self._error(f"cannot be opened: {reason(error)}") from error

    def write_to(self, file: Path, journal: Path) -> None:
        """Write it into an empty file that is to be `journal`. Raise `JournalError` in that one's name."""
        with self._lock, closing(sqlite3.connect(file, isolation_level=None)) as target:
            try:
                target.execute("PRAGMA journal_mode = OFF")  # half a file is thrown away
                self._db.backup(target)
            except sqlite3.Error as error:
                raise JournalError(f"the journal {journal} {_why(error, journal)}") from error

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._check_still()
            kind = JournalUnfit if getattr(error, "sqlite_errorname", "").startswith(_UNFIT) else JournalError
            raise kind(self._sentence(_why(error, self._path))) from error
        self._check_still()

    def _check_still(self) -> None:
        if self._still and self._still.changed:
            raise self._error(_CHANGED)

    def _error(self, what: str) -> JournalError:
        return JournalError(self._sentence(what))

    def _sentence(self, what: str) -> str:
        return f"the journal {self._path or 'in memory'} {what}"

    # --- opening ---

    def _prepare(self, writable: bool) -> None:
        for setting in _SETTINGS:
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TEMP TABLE incoming (place INTEGER PRIMARY KEY, value)")
        current = self._is_current()
        if not writable:
            if not current:
                raise self._error("was written by an older zkpoll; `zkpoll sync` brings it up to date")
            return
        self._use_wal()
        self._db.execute("PRAGMA synchronous = FULL")
        if not current:
            self._migrate()

    def _is_current(self) -> bool:
        """Say whether the file has today's form; raise `JournalError` for what is not ours or newer."""
        application, version, has_tables = self._db.execute(_IDENTITY).fetchone()
        if application != APPLICATION_ID and (version or has_tables):
            raise self._error("is some other program's database")
        self._check_form()
        return bool(version == len(migrations()))

    def _check_form(self) -> None:
        """Raise `JournalUnfit` where a newer zkpoll has written it, also while this one runs.

        What that one counts, or keeps elsewhere, this one would leave out.
        """
        with self._translated():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(migrations()):
            raise JournalUnfit(
                self._sentence(
                    f"was written by a newer zkpoll (form {version}; this one knows {len(migrations())}); "
                    "upgrade zkpoll, or start this one again"
                )
            )

    def _use_wal(self) -> None:
        """Turn to WAL; does nothing where the file has turned already."""
        deadline = time.monotonic() + WAIT
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # SQLite itself does not wait here when two processes make the journal at the same moment.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _migrate(self) -> None:
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            self._db.create_function("punch_id", 4, punch_id, deterministic=True)
            for number in range(version + 1, len(migrations()) + 1):
                for statement in _statements_in(migrations()[number - 1].read_text("utf-8")):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")


def _connect(path: Path | None, writable: bool, patience: float) -> tuple[sqlite3.Connection, Still | None]:
    if path is not None and not writable:
        return connect_to_read(path, patience)
    name = path.absolute().as_uri() if path else ":memory:"
    db = sqlite3.connect(name, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
    return db, None


def _file(path: Path, writable: bool) -> JournalFile:
    """Return the file of a journal; refuse what SQLite would not name, or would take for a new journal.

    Nothing is opened here: closing it again would drop the locks that this process holds on it.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        found = path.stat()
        check_ordinary(path)
        if writable and not os.access(path, os.W_OK):  # else SQLite would open it to be read
            raise PermissionError(_why_not_written(path))
        if not found.st_size:
            raise JournalError(
                f"the journal {path} is empty (0 bytes), which none ever is: restore a backup, or remove it "
                "to begin a new one"
            )
        unfinished = parts_of(path.resolve())  # before the names are counted: another run may be making it
        if path.stat().st_nlink > 1 + len(unfinished):
            # SQLite's side files bear one of the names only.
            raise JournalError(
                f"the journal {path} has a second name (a hard link), and is damaged where both are used; "
                f"remove the other one, which `find / -samefile {path}` finds"
            )
        return JournalFile(path)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be opened: {reason(error)}") from error


def _why_not_written(path: Path) -> str:
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "it lies on a read-only file system, and may only be read"
    return "it may not be written; check who owns it"


def _why(error: sqlite3.Error, path: Path | None) -> str:
    """Say what an error means; also whether it is that nothing can be locked where the journal lies."""
    of_locks = getattr(error, "sqlite_errorname", "").startswith(_OF_LOCKS)
    lockless = without_locks(path) if path and of_locks else None
    return lockless or _cause(error)


def _cause(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    return next((cause for code, cause in _CAUSES.items() if name.startswith(code)), f"failed: {error}")


@cache
def queries() -> Mapping[str, str]:
    """Return every statement by its name: those of all stores, and those in SQLite's own words."""
    return {**statements(), **statements("sqlite.sql")}


@cache
def _insertion(query: str) -> tuple[str, bool]:
    """Return a named insertion with its values by position, and whether it is to return numbers.

    By name each value of each row would be looked up again, and RETURNING takes twenty times as long.
    """
    sql, numbers, _ = queries()[query].partition("RETURNING")
    return re.sub(r":\w+", "?", sql), bool(numbers)


def _statements_in(script: str) -> Iterator[str]:
    """Yield the statements of an SQL script one by one, so that they run inside our transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def is_journal(head: bytes) -> bool:
    """Given the first 100 bytes of a file, say whether it is a journal, of whatever form."""
    return head.startswith(b"SQLite format 3\0") and head[68:72] == APPLICATION_ID.to_bytes(4, "big")


# --- copying ---


class CopyingFailed(Exception):
    """A copy of a journal cannot be written, in SQLite's words."""


def copy_journal(journal: Path, copy: Path, belongs_to: Path | None = None) -> int:
    """Copy a journal into a new file, see that the copy is sound, and return how many punches are in it.

    `belongs_to` is the folder to whose owner the file belongs where root makes it. Raise `JournalError` when
    the journal is damaged, `CopyingFailed` or `OSError` when the copy cannot be written or the journal stays
    locked.
    """
    descriptor = os.open(copy, os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if belongs_to:
            hand_over(descriptor, belongs_to)
    finally:
        os.close(descriptor)
    try:
        found, punches = _copied(journal, copy)
    except sqlite3.Error as error:
        raise CopyingFailed(str(error)) from error
    if found != "ok":
        # The first line of SQLite's words only names the database.
        fault = found.strip().splitlines()[-1]
        raise JournalError(f"the journal {journal} is damaged; it was not backed up: {fault}")
    return punches


def _copied(journal: Path, copy: Path) -> tuple[str, int]:
    """Copy a journal; return "ok" or a fault of the copy, and how many punches are in it."""
    source, still = connect_to_read(journal, WAIT)
    with closing(source), closing(sqlite3.connect(copy, isolation_level=None)) as target:
        source.backup(target, progress=_Patience())
        if still and still.changed:
            raise JournalError(f"the journal {journal} {_CHANGED}")
        try:
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without side files
            found: str = target.execute("PRAGMA integrity_check(1)").fetchone()[0]
            punches: int = target.execute("SELECT count(*) FROM punch").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                raise
            return str(error), 0
    return found, punches


class _Patience:
    """Ends the wait for another program that keeps the whole journal to itself; SQLite's has no end."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + WAIT

    def __call__(self, status: int, _remaining: int, _total: int) -> None:
        """Given SQLite's answer to one step, raise `TimeoutError` where it has been busy too long."""
        busy = status in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        if busy and time.monotonic() > self._deadline:
            raise TimeoutError("the journal is locked by another program")
