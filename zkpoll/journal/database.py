"""The journal's database: the verbs that every store of it has.

Statements are named. Those of sql/queries.sql run on every store; each store has a small file of its own for
those that need its own words (sql/sqlite.sql). Any thread may call any verb. The one error is `JournalError`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, Union

from zkpoll.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from zkpoll.errors import JournalUnfit

SQL: Final = resources.files("zkpoll.journal") / "sql"
Row = tuple[Any, ...]
Values = Union["Sequence[object]", "dict[int, object]"]
"""Values that a statement is run over: a sequence, or a mapping of places to values."""


class AlreadyThere(JournalError):
    """A row that was to be inserted is there already."""


class Journal(Protocol):
    """An open journal. A context manager that closes it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def all(self, query: str, /, **parameters: object) -> list[Row]:
        """Run the named query and return its rows."""

    def one(self, query: str, /, **parameters: object) -> Row | None:
        """Run the named query and return its first row, or None."""

    def run(self, query: str, /, **parameters: object) -> int:
        """Run the named statement in the transaction under way and return how many rows it changed."""

    def run_many(self, query: str, rows: Sequence[Mapping[str, object]]) -> int:
        """Run the named statement once for each of `rows` and return how many rows it changed."""

    def insert_all(self, query: str, rows: Sequence[Mapping[str, object]]) -> list[int]:
        """Run the named insertion for each of `rows`, all new; return the numbers it gives them, in order.

        Raise `AlreadyThere` if one of the rows is there already, and `RuntimeError` outside a savepoint.
        """

    def look_up(self, query: str, values: Values, **parameters: object) -> list[Row]:
        """Run the named query over `values`; its rows begin with the place of the value they belong to.

        In the statement, `incoming` is a table of the values, each with its place.
        """

    def run_over(self, query: str, values: Values, **parameters: object) -> int:
        """Run the named statement over `values`, as `look_up` does, and return how many rows it changed."""

    def transaction(self, patience: float | None = None) -> AbstractContextManager[None]:
        """Do what is inside as one transaction: on disk when it ends, undone when it raises.

        `patience` is how many seconds it waits for all others, if not as long as the journal's own says.
        """

    def savepoint(self) -> AbstractContextManager[None]:
        """Do what is inside as a part of the transaction under way, which is undone alone when it raises.

        Raise `RuntimeError` outside a transaction.
        """

    def check_in_place(self) -> None:
        """Raise `JournalUnfit` where the journal is not in its place, and no other run would find it."""

    def damaged(self) -> JournalUnfit:
        """Return the error to raise where what is in it cannot be."""

    def lock(self, subject: str) -> AbstractContextManager[None]:
        """Hold the lock of a subject ("device 192.168.1.201:4370", "dashboard main") between all runs.

        Raise `Busy` at once where another run holds it, `Locked` where it cannot be taken. A killed run frees
        it. A journal in memory is nobody else's: its locks lock nothing.
        """

    def is_locked(self, subject: str) -> bool | None:
        """Say whether any run holds the lock of a subject now; None where that cannot be seen."""


def now() -> str:
    """Return the present moment as the journal writes it: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@cache
def statements(file: str = "queries.sql") -> Mapping[str, str]:
    """Return the statements of a file in sql/ by their names."""
    sections = (SQL / file).read_text("utf-8").split("-- name: ")[1:]
    return {name.strip(): text.strip() for name, _, text in (part.partition("\n") for part in sections)}
