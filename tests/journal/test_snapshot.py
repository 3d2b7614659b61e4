"""What is read in a snapshot is of one moment, in either store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punch, visit
from tests.journal.stores import InPostgres, InSqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.journal.stores import Store
    from zkpoll.journal.database import Journal


@pytest.fixture(params=[InSqlite, InPostgres])
def place(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Give the place of a journal."""
    made: Store = request.param()
    yield made
    made.close()


def seen(journal: Journal) -> int:
    """Return the place of the last punch that a journal shows."""
    row = journal.one("last_punch")
    return row[0] if row else 0


def test_others_write_meanwhile(place: Store) -> None:
    """What others journal meanwhile is seen after it, not in it; it keeps nobody from writing."""
    with place.open() as writer, place.open() as reader:
        visit(writer).take(piece(punch("1", 1)))
        with reader.snapshot():
            before = seen(reader)
            visit(writer).take(piece(punch("1", 1), punch("2", 2)))
            assert seen(reader) == before < seen(writer)
            assert reader.look_up("punches_by_id", ["x"]) == []
        assert seen(reader) == seen(writer)


def test_none_within_another_one(place: Store) -> None:
    """It is no part of a transaction, nor of another snapshot; after either one there may be one."""
    with place.open() as journal:
        with journal.transaction(), pytest.raises(RuntimeError), journal.snapshot():
            pass
        with journal.snapshot(), pytest.raises(RuntimeError), journal.snapshot():
            pass
        with pytest.raises(ZeroDivisionError), journal.snapshot():
            raise ZeroDivisionError
        with journal.snapshot():
            assert seen(journal) == 0
        visit(journal).take(piece(punch("1", 1)))
