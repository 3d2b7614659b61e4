"""A look into a journal beside zkpoll's own: the one way in which tests see, or change, what is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


MISCOUNTED: Final = (
    "SELECT name FROM destination WHERE confirmed <> (SELECT count(*) FROM outbox"
    " WHERE outbox.destination = destination.id AND outbox.state = 'confirmed')"
)
"""The dashboards of which the journal counts other confirmed punches than there are."""


def look(journal: Path, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Any]:
    """Return the rows of a query."""
    with inside(journal) as db:
        return db.execute(sql, parameters).fetchall()


@contextmanager
def inside(journal: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection; what is changed over it is kept at the end, if nothing is raised."""
    with closing(sqlite3.connect(journal)) as db, db:
        yield db
