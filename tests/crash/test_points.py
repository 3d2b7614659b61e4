"""No write, no request and no answer is without a point at which a run is killed."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.crash.points import (
    ERRANDS,
    PACKAGE,
    PRUNED,
    PUSHED,
    UNREACHED,
    found_in,
    places,
    statement,
    statements,
)
from zkpoll.journal.sqlite import queries

if TYPE_CHECKING:
    from tests.crash.points import Place
    from tests.crash.world import Count

_WRITES = {
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
}


@pytest.fixture
def counted(counts: dict[str, Count]) -> tuple[set[str], set[str]]:
    """Give the points that were reached, and the files of zkpoll that were loaded, in any stage."""
    reached = {point for count in counts.values() for point in count.reached}
    return reached, {file for count in counts.values() for file in count.modules}


def written_by(query: str) -> set[str]:
    """Return what a statement writes to, as SQLite has it."""
    found: set[str] = set()

    def note(action: int, table: str | None, *_: str | None) -> int:
        if action in _WRITES:
            found.add(f"{_WRITES[action]} {table}")
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript((PACKAGE / "journal" / "sql" / "schema.sql").read_text("utf-8"))
        db.execute("CREATE TEMP TABLE incoming (place INTEGER PRIMARY KEY, value)")
        db.set_authorizer(note)
        db.execute(f"EXPLAIN {queries()[query]}", dict.fromkeys(re.findall(r":(\w+)", queries()[query])))
    return found


@pytest.mark.parametrize("query", queries())
def test_every_statement_that_writes_is_a_point(query: str) -> None:
    """What SQLite says a statement writes to is what its point is named for; others have none."""
    written, point = written_by(query), statements()[query]
    # An insertion that settles conflicts updates the same table; the point comes before both.
    assert {what.split()[1] for what in written} == ({point.split()[1]} if point else set())
    assert not point or point in written


@pytest.mark.parametrize("call", [
    "sock.sendall(data)", "self._socket.recv(64)", "link.send(frame)", "session.post(url)",
    "response.iter_content(9)", "db.executemany(sql, rows)", "os.open(path, flags)", "os.replace(a, b)",
    "path.replace(other)", "shutil.move(a, b)", "path.write_text('x')", "path.mkdir()", "path.unlink()",
    "open(path, 'w')", "open(path, mode='ab')", "open(path, mode)", "path.open('x')", "path.open(mode='r+')",
    "gzip.open(path, 'wb')", "NamedTemporaryFile(dir=path)", "os.link(a, b)", "os.fsync(number)",
    "lock.acquire()",
])  # fmt: skip
def test_a_call_that_writes_sends_or_receives_is_found(call: str) -> None:
    """Whatever the object is called, such a call is a place, with its line and its function."""
    source = f"class A:\n    def b(self):\n        with some(1):\n            x = f({call})\n"
    (place,) = found_in(source, "some.py")
    assert (place.file, place.first, place.last, place.function) == ("some.py", 4, 4, "A.b")


@pytest.mark.parametrize("call", [
    "open(path)", "open(path, 'rb')", "path.open()", "path.open('r')", "text.replace('a', 'b')",
    "moment.replace(tzinfo=None)", "replace(outcome, problem=None)", "path.read_text()", "table.get('post')",
])  # fmt: skip
def test_a_call_that_only_reads_is_no_place(call: str) -> None:
    """What leaves no trace outside the process needs no point."""
    assert not found_in(call, "some.py")


def test_an_excuse_names_a_place() -> None:
    """An excuse without a place is a name that was changed, and would excuse nothing."""
    functions = {f"{place.file} {place.function}" for place in places()}
    assert [name for name in UNREACHED if name not in functions] == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_place_is_reached(counted: tuple[set[str], set[str]]) -> None:
    """A stage comes to every write, request and answer of the code it is made of, and leaves it."""
    reached, files = counted
    assert len(files) > 20
    missed = [place for place in places() if place.file in files and not _both(place) <= reached]
    unexcused = [str(place) for place in missed if not place.reason]
    assert not unexcused, f"no stage in world.py reaches {', '.join(unexcused)}"
    assert [str(place) for place in places() if place.reason and place not in missed] == []


def _both(place: Place) -> set[str]:
    return {f"before {place}", f"after {place}"}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_statement_is_reached(counted: tuple[set[str], set[str]]) -> None:
    """A stage comes to every statement that writes, of those that its code runs."""
    reached, files = counted
    code = "".join((PACKAGE / file).read_text("utf-8") for file in files)
    missed = [
        name
        for name, what in statements().items()
        if what and f'"{name}"' in code and f"before {what}" not in reached
    ]
    unexcused = sorted(set(missed) - PUSHED - PRUNED - ERRANDS)
    assert not unexcused, f"no stage in world.py reaches the statements {', '.join(unexcused)}"
    assert set(missed) >= PUSHED | PRUNED


@pytest.mark.long
@pytest.mark.timeout(600)
def test_nothing_is_written_elsewhere(counts: dict[str, Count]) -> None:
    """No file is opened to be written, made, renamed or removed, and nobody is called, but at a place."""
    assert [stray for count in counts.values() for stray in count.strays] == []


def test_sqlite_names_a_row_as_queries_sql_does() -> None:
    """What SQLite's trace shows of a statement with a comment leads to the same point."""
    traced: list[str] = []
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE punch (id, raw)")
        db.set_trace_callback(traced.append)
        db.executemany(
            "-- UPDATE nothing\n\nINSERT INTO punch (id, raw) VALUES (:id, :raw)",
            [{"id": "INSERT INTO x", "raw": b"1"}] * 2,
        )
    assert [what for sql in traced if (what := statement(sql))] == ["INSERT punch"] * 2
