"""What every store of the journal promises: its verbs, its transactions, its one error.

Another store joins by another entry in `STORES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.journal.conftest import new_journal
from zkpoll.errors import JournalError
from zkpoll.journal.database import AlreadyThere
from zkpoll.journal.opening import open_empty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zkpoll.journal.database import Journal

STORES: Final[Mapping[str, Callable[[Path], AbstractContextManager[Journal]]]] = {
    "sqlite": lambda folder: new_journal("sqlite", folder),
    "postgres": lambda folder: new_journal("postgres", folder),
    "memory": lambda _folder: open_empty(),
}
DEVICES = [{"key": key, "name": key.lower(), "now": "2026"} for key in ("A", "B", "C")]


@pytest.fixture(params=STORES)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """Open a new journal in each store."""
    with STORES[request.param](tmp_path) as opened:
        yield opened


def names(journal: Journal) -> list[str]:
    """Return the names of all dashboards."""
    return [name for name, _ in journal.all("destinations")]


def remember(journal: Journal, subject: str) -> int:
    """Store a condition."""
    told = {"kind": "x", "since": "2026", "told_at": "2026", "text": None, "advice": False, "owed": None}
    return journal.run("remember_condition", subject=subject, **told)


def test_rows(journal: Journal) -> None:
    """All rows come as tuples, one row or None."""
    assert (journal.all("destinations"), journal.one("halted", destination=1)) == ([], None)
    with journal.transaction():
        assert journal.one("meet_destination", name="main") == (1,)
        assert journal.one("meet_destination", name="main") == (1,)
    assert journal.all("destinations") == [("main", 1)]
    assert journal.one("halted", destination=1) == (None,)


def test_rows_that_were_changed_are_counted(journal: Journal) -> None:
    """One statement, and one that is run for many rows, say how many rows they changed."""
    with journal.transaction():
        assert remember(journal, "a") == remember(journal, "b") == 1
        assert journal.run("forget_condition", subject="x") == 0
        assert journal.run_many("forget_condition", [{"subject": one} for one in "abc"]) == 2
        assert journal.run_many("forget_condition", []) == 0


def test_insertions_tell_their_places_in_order(journal: Journal) -> None:
    """What each insertion returns comes in the order of the rows."""
    with journal.transaction():
        journal.one("meet_device", **DEVICES[0])
        with journal.savepoint():
            places = journal.insert_all("add_punch", [punch(id_) for id_ in ("z", "m", "a")])
            assert list(journal.insert_all("add_punch", [])) == []
    found = journal.look_up("punches_of_second", ["z", "m", "a"])
    assert [seq for _, seq, *_ in sorted(found)] == list(places) == sorted(places)


def punch(id_: str) -> tuple[object, ...]:
    """Return a row of the table of punches."""
    return (id_, 1, None, 1, "x", "x", "x", 0, 0, 0, 0, 0, "x", None, 0, "x")


def ids(journal: Journal, *asked: str) -> list[str]:
    """Return those of the ids asked for that punches have."""
    return [asked[place] for place, *_ in sorted(journal.look_up("punches_of_second", asked))]


def test_insertions_are_all_or_none(journal: Journal) -> None:
    """Where one row is there already, all of a savepoint is undone; the transaction goes on."""

    def insert(*rows: str) -> Sequence[int]:
        with journal.savepoint():
            return journal.insert_all("add_punch", [punch(id_) for id_ in rows])

    with journal.transaction():
        journal.one("meet_device", **DEVICES[0])
        insert("a")
        with pytest.raises(AlreadyThere):
            insert("b", "a", "c")
        places = insert("b", "c")
        assert [row[:2] for row in sorted(journal.look_up("punches_of_second", ["b", "c"]))] == [
            *enumerate(places)
        ]
    assert ids(journal, "a", "b", "c") == ["a", "b", "c"]


def test_insertions_without_numbers(journal: Journal) -> None:
    """Rows that get no number are inserted, and none is told."""
    with journal.transaction():
        journal.one("meet_device", **DEVICES[0])
        with journal.savepoint():
            (seq,) = journal.insert_all("add_punch", [punch("a")])
            rows = [(1, bytes_, 1, seq) for bytes_ in (b"x", b"y", b"z")]
            assert list(journal.insert_all("add_form", rows[:2])) == []
        with pytest.raises(AlreadyThere), journal.savepoint():
            journal.insert_all("add_form", [rows[2], rows[0]])
    assert journal.look_up("known_bytes", [b"x", b"y", b"z"], device=1) == [
        (0, 1, 1, seq, seq), (1, 1, 1, seq, seq),
    ]  # fmt: skip


def test_insertions_are_made_in_a_savepoint(journal: Journal) -> None:
    """Outside one, half of them may stay: a mistake of ours. So is a savepoint outside a transaction."""
    with pytest.raises(RuntimeError, match="savepoint"), journal.transaction():
        journal.insert_all("meet_destination", [("main",)])
    with pytest.raises(RuntimeError, match="transaction"), journal.savepoint():
        raise AssertionError
    assert names(journal) == []


def test_values_are_looked_up_by_their_places(journal: Journal) -> None:
    """Each row begins with the place of its value; values that are not there have none."""
    with journal.transaction():
        journal.one("meet_device", **DEVICES[0])
        with journal.savepoint():
            seqs = journal.insert_all("add_punch", [punch("a"), punch("b")])
    found = journal.look_up("punches_of_second", ["b", "?", "a"])
    assert sorted(row[:2] for row in found) == [(0, seqs[1]), (2, seqs[0])]
    assert [row[:2] for row in journal.look_up("punches_of_second", {7: "a"})] == [(7, seqs[0])]
    assert journal.look_up("punches_of_second", []) == []


def test_a_statement_is_run_over_values(journal: Journal) -> None:
    """It changes the rows that the values name, and counts them."""
    with journal.transaction():
        journal.one("meet_device", **DEVICES[0])
        with journal.savepoint():
            seqs = journal.insert_all("add_punch", [punch("a"), punch("b"), punch("c")])
        assert journal.run_over("remove_punches", [seqs[0], seqs[2], 99]) == 2
    assert ids(journal, "a", "b", "c") == ["b"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_is_all_or_nothing(journal: Journal, error: type[BaseException]) -> None:
    """Whatever is raised inside undoes all of it; another one can begin."""

    def half() -> None:
        with journal.transaction():
            remember(journal, "half")
            raise error

    with pytest.raises(error):
        half()
    assert journal.all("conditions") == []
    with journal.transaction():
        remember(journal, "whole")
    assert [row[0] for row in journal.all("conditions")] == ["whole"]


@pytest.mark.parametrize("ask", [
    lambda it: it.all("destinations"), lambda it: it.one("destinations"), lambda it: remember(it, "x"),
    lambda it: it.run_many("forget_condition", [{"subject": "x"}]), lambda it: it.transaction().__enter__(),
    lambda it: it.look_up("punches_by_id", ["x"]), lambda it: it.run_over("remove_punches", [1]),
])  # fmt: skip
def test_one_error(journal: Journal, ask: Callable[[Journal], AbstractContextManager[None]]) -> None:
    """A store that cannot answer says so by the journal's own error."""
    journal.__exit__(None, None, None)
    with pytest.raises(JournalError):
        ask(journal)
