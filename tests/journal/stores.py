"""Where a state machine has its journal: in either store, empty at the beginning of each example."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg

from tests.journal.helpers import SHOWN
from tests.journal.on_postgres import journal_url
from tests.look import look
from zkpoll.journal.opening import open_journal
from zkpoll.journal.postgres import PostgresJournal

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

_OTHERWISE: Final = {
    SHOWN: SHOWN.replace(
        "CAST(substr(bytes, 1, 3) AS TEXT)", "convert_from(substr(bytes, 1, 3), 'LATIN1')"
    ).replace("char(10)", "chr(10)"),
    "PRAGMA foreign_key_check": "SELECT 1 WHERE false",
}
"""Looks that PostgreSQL has in other words; it never holds a row that refers to none."""


class Store(Protocol):
    """The place of one example's journal."""

    def open(self) -> Journal:
        """Open the journal, as a run does."""

    def look(self, query: str) -> list[tuple[Any, ...]]:
        """Return what is in it, beside zkpoll's own ways."""

    def close(self) -> None:
        """Leave nothing behind."""


class InSqlite:
    """A journal in a file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._path = Path(self._folder.name) / "journal.db"

    def open(self) -> Journal:
        """Open it."""
        return open_journal(self._path)

    def look(self, query: str) -> list[tuple[Any, ...]]:
        """Look into the file."""
        return look(self._path, query)

    def close(self) -> None:
        """Remove it."""
        self._folder.cleanup()


class InPostgres:
    """A journal in PostgreSQL: all examples of a process have one database, which is emptied for each."""

    def __init__(self) -> None:
        self._url = _database()
        with closing(psycopg.connect(self._url, autocommit=True)) as db:
            tables = db.execute(
                "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables"
                " WHERE schemaname = 'zkpoll' AND tablename <> 'journal_form'"
            ).fetchone()
            assert tables
            db.execute("SET search_path = zkpoll")
            db.execute(f"TRUNCATE {tables[0]} RESTART IDENTITY".encode())
        self._eye = self.connect()

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Connect to its database, as a person may."""
        return psycopg.connect(self._url, autocommit=True, options="-c search_path=zkpoll")

    def open(self) -> Journal:
        """Open it, in a session of its own."""
        return PostgresJournal(self._url)

    def look(self, query: str) -> list[tuple[Any, ...]]:
        """Look into it by another session."""
        return self._eye.execute(_OTHERWISE.get(query, query).encode()).fetchall()

    def close(self) -> None:
        """End that session."""
        self._eye.close()


_ENDS: Final = ExitStack()


@cache
def _database() -> str:
    return _ENDS.enter_context(journal_url())
