"""schema.sql, migrations/ and queries.sql: what a database person reviews is what runs."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

import zkpoll
from tests.journal.helpers import Nothing, connection, plan
from tests.look import look
from zkpoll.journal.database import statements
from zkpoll.journal.holds import HeldReason
from zkpoll.journal.sqlite import queries
from zkpoll.model.delivery import OutboxState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.journal.database import Journal

ONLY_SQLITE = True
PACKAGE = Path(zkpoll.__file__).parent
MIGRATIONS = sorted((PACKAGE / "journal" / "sql" / "migrations").glob("*.sql"))
OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def bare(sql: str | None) -> str:
    """Return a statement without its comments and line breaks, and with commas as SQLite adds columns."""
    return re.sub(r"\s*([,()])\s*", r"\1", " ".join(re.sub(r"--.*", "", sql or "").split()))


def normalised(objects: Iterable[tuple[str, str, str, str | None]]) -> set[tuple[str, str, str, str]]:
    """Return what a database consists of, without comments and line breaks."""
    return {(kind, name, table, bare(sql)) for kind, name, table, sql in objects}


@pytest.mark.usefixtures("journal")
def test_the_migrations_add_up_to_the_schema(path: Path) -> None:
    """A journal that came through all migrations is the one schema.sql shows."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((PACKAGE / "journal" / "sql" / "schema.sql").read_text())
        shown = normalised(db.execute(OBJECTS))
        assert look(path, "PRAGMA application_id") == db.execute("PRAGMA application_id").fetchall()
    assert normalised(look(path, OBJECTS)) == shown
    assert look(path, "PRAGMA user_version") == [(len(MIGRATIONS),)]


def test_migrations_are_numbered_without_gaps() -> None:
    """The n-th migration is the one that its file name says."""
    assert [int(file.name[:4]) for file in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_no_migration_ends_in_half_a_statement(file: Path) -> None:
    """A migration's last statement is not lost for want of a semicolon."""
    assert bare(file.read_text()).endswith(";")


@pytest.mark.parametrize("query", queries())
def test_every_statement_prepares(journal: Journal, query: str) -> None:
    """A statement that does not fit the schema never reaches an operator."""
    assert connection(journal).execute(f"EXPLAIN {queries()[query]}", Nothing()).fetchall()


@pytest.mark.parametrize("query", queries())
def test_every_statement_is_used(query: str) -> None:
    """queries.sql holds nothing that has outlived its use."""
    code = "".join(file.read_text() for file in (PACKAGE / "journal").glob("*.py"))
    assert re.search(rf'\(\s*"{query}"', code)


NOT_PORTABLE = {
    "a word of SQLite's own": r"\b(PRAGMA|VACUUM|REPLACE|GLOB|ROWID|IFNULL|IIF|TOTAL|GROUP_CONCAT)\b",
    "a way out of conflicts that only SQLite has": r"\bINSERT OR\b|\bUPDATE OR\b",
    "a function of time": r"\b(STRFTIME|JULIANDAY|DATETIME|UNIXEPOCH|DATE|TIME)\s*\(",
    "a function of JSON": r"\bJSON_\w+\s*\(",
    "a parameter whose type nothing tells": r":\w+ IS (NOT )?NULL",
    "the smaller or larger of two values": r"\b(MIN|MAX)\s*\([^()]*,",
    "an identifier or text in the wrong quotes": r"[\"`\[]",
    "a comparison that PostgreSQL spells otherwise": r"==|\bIS (?!NULL|NOT NULL)\S",
    "a limit with a comma": r"\bLIMIT \S+,",
    "a table that only SQLite has": r"\bsqlite_\w+",
}
"""What SQLite takes, and PostgreSQL does not or takes for something else (the manuals of both)."""


def faults(sql: str) -> list[str]:
    """Return what in a statement is not portable."""
    return [what for what, pattern in NOT_PORTABLE.items() if re.search(pattern, bare(sql), re.IGNORECASE)]


@pytest.mark.parametrize("query", statements())
def test_statements_are_those_of_any_store(query: str) -> None:
    """queries.sql keeps to what SQLite and PostgreSQL both take."""
    assert faults(statements()[query]) == []


@pytest.mark.parametrize("sql", [
    "SELECT 1 WHERE :day IS NULL", "SELECT max(a, :b) FROM x", "INSERT OR IGNORE INTO x (a) VALUES (:a)",
    "SELECT datetime('now')", "SELECT a FROM x LIMIT 5, 10", "PRAGMA foreign_keys", 'SELECT "a" FROM x',
    "SELECT a FROM x WHERE a IS b", "SELECT rowid FROM x", "SELECT name FROM sqlite_master",
])  # fmt: skip
def test_what_is_not_portable_is_found(sql: str) -> None:
    """The test above knows such a statement."""
    assert faults(sql)


def test_states_and_reasons_are_those_of_the_code() -> None:
    """A word that statements compare is one that the code knows, and the schema takes every state."""
    sql = "".join(map(bare, queries().values()))
    states = set(re.findall(r"\bstate(?:,| =| THEN| ELSE)? '(\w+)'", sql))
    assert states <= {*get_args(OutboxState)}
    reasons = set(re.findall(r"\breason = '([^']+)'", sql))
    assert reasons <= {*get_args(HeldReason), "same terminal"}
    schema = (PACKAGE / "journal" / "sql" / "schema.sql").read_text()
    check = re.search(r"CHECK \(state IN \(([^)]*)\)\)", schema)
    assert check
    assert set(re.findall(r"\w+", check[1])) == {*get_args(OutboxState)}


def test_what_is_inserted_together_is_numbered() -> None:
    """An insertion whose numbers are asked for returns them, and takes new rows alone."""
    code = "".join(file.read_text() for file in (PACKAGE / "journal").glob("*.py"))
    found = set(re.findall(r'insert_all\(\s*"(\w+)"', code))
    assert found == {"add_punch", "add_form"}
    assert re.search(r"RETURNING seq;$", bare(queries()["add_punch"]))
    assert not [query for query in found if "ON CONFLICT" in queries()[query]]


@pytest.mark.parametrize("query", queries())
def test_parameters_are_named(query: str) -> None:
    """No statement depends on the order of its parameters, so that another database can run it."""
    assert not re.search(r"[?@$%]", bare(queries()[query]))


def test_no_two_statements_share_a_name() -> None:
    """A second statement of the same name does not silently replace the first."""
    files = [PACKAGE / "journal" / "sql" / name for name in ("queries.sql", "sqlite.sql")]
    text = "".join(file.read_text() for file in files)
    assert re.findall(r"^-- name: (\w+)$", text, re.MULTILINE) == list(queries())


@pytest.mark.parametrize(
    "query",
    [
        "known_bytes",
        "punches_of_second",
        "punches_by_id",
        "add_to_outbox",
        "confirm",
        "oldest_pending",
        "first_pending",
    ],
)
def test_what_runs_often_walks_no_table(journal: Journal, query: str) -> None:
    """However long the journal grows, a visit and a delivery take the time of what is new."""
    steps = plan(journal, query)
    assert steps
    assert not [step for step in steps if re.match(r"SCAN (punch|form|outbox)\b|USE TEMP B-TREE", step)]


def test_pending_ones_are_limited_before_they_are_joined(journal: Journal) -> None:
    """Of a long outbox, as many places are looked at as are asked for; only those are joined and sorted."""
    steps = plan(journal, "pending")
    (index,) = [step for step in steps if "outbox" in step]
    assert index.startswith("SEARCH outbox USING COVERING INDEX outbox_pending")
    assert steps.index(index) < steps.index("SCAN waiting")
    assert not [step for step in steps if re.match(r"SCAN punch\b", step)]


@pytest.mark.parametrize("query", ["pending", "oldest_pending"])
def test_pending_is_found_among_the_pending(journal: Journal, query: str) -> None:
    """A million confirmed punches do not slow down the search for the pending one."""
    assert any("outbox_pending" in step for step in plan(journal, query))
