"""A journal in SQLite, copied into an empty database of PostgreSQL: all of it and proved, or nothing.

Nobody may journal anything meanwhile that the copy would lack, and nothing is kept that was not compared:

    the file       nobody else has it open when this begins, nor when it ends; its write lock is held
    the database   one transaction makes the tables, fills them and compares them; killed, nothing is there
    the proof      as many rows in each table, and the same sum of each dashboard, counted one by one
    the numbers    as they are; the next one is larger than any that was used, by what was pruned, too
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zkpoll.errors import Busy, JournalError, JournalUnfit
from zkpoll.journal.balance import recount
from zkpoll.journal.database import SQL
from zkpoll.journal.opening import is_there
from zkpoll.journal.read_only import connect_to_read
from zkpoll.journal.sqlite import WAIT, SqliteJournal
from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zkpoll.journal.database import Journal, Row
    from zkpoll.journal.postgres import PostgresJournal
    from zkpoll.model.sums import Counts

_KINDS: Final = {"INTEGER": (int,), "TEXT": (str,), "BLOB": (bytes,), "REAL": (float, int)}
"""What may be in a column, beside nothing; SQLite itself takes anything."""
_IN_USE: Final = (
    "another zkpoll has the journal {} open, and nothing is copied: stop cron, the timers and `zkpoll serve`"
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What was found the same on both sides."""

    rows: Mapping[str, int]
    """How many rows each table has."""
    sums: Mapping[str, Counts]
    """The sum of each dashboard, also of those that left the inventory."""


class _Undone(Exception):
    """All was copied and proved, and is not to be kept."""


def copy_to(file: Path, url: str, *, password: str | None = None, keep: bool = True) -> Copied:
    """Copy the journal in `file` into the database at `url`; all of it is on disk there when this returns.

    Without `keep` all is done, proved and undone. Raise `JournalError` where the file is not there, damaged
    or holds what PostgreSQL does not take, or where the database cannot be used or has a journal already;
    `Busy` where another process has the file open. The database has nothing new then.
    """
    try:
        from zkpoll.journal.postgres import PostgresJournal, without_secrets
    except ImportError as error:
        raise JournalError("a journal in PostgreSQL needs psycopg: pip install 'zkpoll[postgres]'") from error
    if not is_there(file):
        raise JournalError(f"the journal {file} is not there, and nothing is copied")
    found: list[Copied] = []
    with ExitStack() as stack, _translated(file):
        source = stack.enter_context(SqliteJournal(file))
        _check_alone(source, file)
        stack.enter_context(source.transaction())
        reading, _ = connect_to_read(file, WAIT)
        stack.enter_context(closing(reading))
        _check_sound(reading, file)
        sums = {name: recount(source, number) for name, number in source.all("destinations")}

        def fill(target: PostgresJournal) -> None:
            rows = _copied(reading, target, file)
            _prove(target, sums)
            source.check_in_place()
            _check_alone(source, file)
            found.append(Copied(rows, sums))
            if not keep:
                raise _Undone

        with suppress(_Undone):
            stack.enter_context(PostgresJournal(url, password=password, begun=fill))
        if not found:
            raise JournalError(
                f"the journal {without_secrets(url)} is there already, and nothing is copied over one"
            )
    return found[0]


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    """Raise `JournalError` for what SQLite says where a part of the file cannot be read."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"the journal {file} cannot be read, and nothing is copied: {error}") from error


def _check_alone(source: SqliteJournal, file: Path) -> None:
    if source.is_used_elsewhere():
        raise Busy(_IN_USE.format(file))


def _check_sound(source: sqlite3.Connection, file: Path) -> None:
    fault = str(source.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if fault != "ok":
        # The first line of SQLite's words only names the database.
        what = fault.strip().splitlines()[-1]
        raise JournalError(f"the journal {file} is damaged, and nothing is copied: {what}")


def _copied(source: sqlite3.Connection, target: PostgresJournal, file: Path) -> dict[str, int]:
    """Copy all tables, and return how many rows each has."""
    source.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    used = dict(source.execute("SELECT name, seq FROM sqlite_sequence"))
    counts = {}
    for table, first, is_numbered in _tables():
        described = source.execute(f'PRAGMA table_info("{table}")')  # generated columns are not in it
        fields = [_Field(name, kind, bool(key)) for _, name, kind, _, _, key in described]
        columns = [one.name for one in fields]
        asked = ", ".join(f'"{name}"' for name in columns)
        (count,) = source.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608  # our own name
        rows = source.execute(f'SELECT {asked} FROM "{table}"')  # noqa: S608  # our own names
        counts[table] = target.fill(table, columns, _taken(rows, table, fields, file))
        if counts[table] != count:
            raise JournalError(
                f"{count:,} rows of {table} were copied, and {counts[table]:,} arrived; nothing is kept"
            )
        if is_numbered:
            (largest,) = source.execute(f'SELECT max("{first}") FROM "{table}"').fetchone()  # noqa: S608
            if last := max(largest or 0, used.get(table, 0)):
                target.number_after(table, first, last)
    return counts


@dataclass(frozen=True, slots=True)
class _Field:
    """A column of a table."""

    name: str
    type: str
    is_key: bool


def _taken(rows: Iterator[Row], table: str, fields: list[_Field], file: Path) -> Iterator[Row]:
    """Yield rows as they are. Raise `JournalError` at one that PostgreSQL would refuse, or change."""
    fit: set[tuple[type, ...]] = set()
    for row in rows:
        kinds = tuple(map(type, row))
        if kinds not in fit or not all(map(_is_text_taken, row)):
            _check_row(row, table, fields, file)
            fit.add(kinds)
        yield row


def _check_row(row: Row, table: str, fields: list[_Field], file: Path) -> None:
    pairs = list(zip(fields, row, strict=True))
    wrong = [one.name for one, value in pairs if not (_fits(value, one) and _is_text_taken(value))]
    if wrong:
        key = ", ".join(
            f"{one.name} {value.hex() if isinstance(value, bytes) else shown(str(value))}"
            for one, value in pairs
            if one.is_key
        )
        raise JournalError(
            f"the journal {file} has something in {table}.{wrong[0]} that PostgreSQL does not take, in the "
            f"row of {key}; nothing is copied"
        )


def _fits(value: object, field: _Field) -> bool:
    return value is None or isinstance(value, _KINDS[field.type])


def _is_text_taken(value: Any) -> bool:
    """Say whether a value is no text, or one that PostgreSQL takes: without NUL, and all of it UTF-8."""
    if type(value) is not str:
        return True
    if value.isascii():
        return "\0" not in value
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def _prove(target: Journal, sums: Mapping[str, Counts]) -> None:
    """Count the punches of each dashboard one by one. Raise `JournalError` where a sum is another one."""
    numbers: dict[str, int] = dict(target.all("destinations"))
    try:
        same = {name: recount(target, number) for name, number in numbers.items()} == sums
    except JournalUnfit:
        same = False
    if not same:
        raise JournalError("the copy has other sums than the journal, and nothing is kept")


def _tables() -> list[tuple[str, str, str]]:
    """Return the tables, each behind those that it refers to, and the first column of each.

    The third text is not empty where that one gets a number by itself.
    """
    return re.findall(
        r"^CREATE TABLE (\w+) \(\n +(\w+) +(INTEGER PRIMARY KEY(?! REFERENCES| CHECK))?",
        (SQL / "schema.sql").read_text("utf-8"),
        re.MULTILINE,
    )
