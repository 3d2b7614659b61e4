"""The journal's database: the verbs that every store of it has.

Statements are named. Those of sql/queries.sql run on every store; each store has a small file of its own for
those that need its own words (sql/sqlite.sql). Any thread may call any verb. The one error is `JournalError`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, Union

from zkpoll.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from importlib.resources.abc import Traversable
    from types import TracebackType

    from zkpoll.errors import JournalUnfit

SQL: Final = resources.files("zkpoll.journal") / "sql"
PROOF: Final = 2.0
"""Seconds in which a journal proves that it is there, and its locks hold. A server frees those of a client
that is gone after many more: whoever has proved them a moment ago is alone."""
Row = tuple[Any, ...]
Values = Union["Sequence[object]", "dict[int, object]"]
"""Values that a statement is run over: a sequence, or a mapping of places to values."""
BESIDE: Final = frozenset(
    {
        # the records of a device, by whatever door
        *("add_punch", "add_form", "add_line", "add_kind", "add_shown", "keep_name", "keep_last"),
        *("add_to_outbox", "count_due", "add_to_quarantine", "leave_quarantine"),
        *("forget_form", "add_kind_of_forgotten", "set_watermark", "end_of_log", "note_reading", "owe"),
        *("keep_batch", "add_contact"),
        # what goes out to a dashboard, and what it answers
        *("add_request", "shrink_request", "forget_request", "confirm", "count_confirmed", "park"),
    }
)
"""The statements that write beside other writers, in a transaction of one subject: see `transaction`.

They look at, and change, what is that subject's alone. Where they add to what others add to as well, neither
needs to know of the other. All other statements may go by what all punches are up to now, which nobody knows
while others write."""


class AlreadyThere(JournalError):
    """A row that was to be inserted is there already."""


class NotBegun(JournalError):
    """There is no journal in the database yet."""


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

    def insert_all(self, query: str, rows: Sequence[tuple[object, ...]]) -> Sequence[int]:
        """Run the named insertion for each of `rows`, all new; return the numbers it gives them, in order.

        A row has the values in the order in which the statement names them. The numbers rise; between them
        there may be those of others. Raise `AlreadyThere` if one of the rows is there already, and
        `RuntimeError` outside a savepoint.
        """

    def look_up(self, query: str, values: Values, **parameters: object) -> list[Row]:
        """Run the named query over `values`; its rows begin with the place of the value they belong to.

        In the statement, `incoming` is a table of the values, each with its place.
        """

    def run_over(self, query: str, values: Values, **parameters: object) -> int:
        """Run the named statement over `values`, as `look_up` does, and return how many rows it changed."""

    def run_later(self, query: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Run the named statement for each of `rows` in the transaction under way, with what is run next.

        A server that is away is not waited for once more; what fails, fails with that.
        """

    def run_at_end(self, query: str, /, **parameters: object) -> None:
        """Run the named statement at the end of the transaction under way, when all else is done.

        For what many transactions add to in one row: others wait for that until the transaction has ended.
        """

    def transaction(
        self, patience: float | None = None, *, only: str | None = None
    ) -> AbstractContextManager[None]:
        """Do what is inside as one transaction: on disk when it ends, undone when it raises.

        Nobody else writes meanwhile: all punches there are can be seen. With `only`, a subject (`of_device`,
        `of_dashboard`), nobody else writes what is that one's, and others may do so beside it: for the
        statements in `BESIDE` alone. `patience` is how many seconds it waits for all others, if not as long
        as the journal's own says.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """Read what is inside as of one moment, whatever others write meanwhile. Nothing is written in it.

        Other threads that use this journal wait for its end. Raise `RuntimeError` within a transaction.
        """

    def savepoint(self) -> AbstractContextManager[None]:
        """Do what is inside as a part of the transaction under way, which is undone alone when it raises.

        Raise `RuntimeError` outside a transaction.
        """

    def check_in_place(self) -> None:
        """Raise `JournalUnfit` where the journal is not in its place, and no other run would find it.

        Raise `JournalError`, after `PROOF` seconds at most, where the locks that are held may be another
        run's by now.
        """

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


def of_device(key: str) -> str:
    """Return the subject of the transactions that write the records of the device with a key."""
    return f"the records of {key}"


def of_dashboard(destination: int | None) -> str:
    """Return the subject of the transactions that write what goes out to the destination with a number."""
    return f"the outbox {destination}"


@cache
def check_beside(query: str) -> None:
    """Raise `RuntimeError` where a named statement writes, and not beside others."""
    text = statements().get(query, "UPDATE")  # of a store's own words none does
    words = re.sub(r"--.*", "", text).split()
    if words[0] in {"INSERT", "UPDATE", "DELETE"} and query not in BESIDE:
        raise RuntimeError(f"{query} is run while others write, and is not one of those that may be")


@cache
def migrations() -> list[Traversable]:
    """Return the migrations in order; the n-th brings the journal to form n."""
    found = (SQL / "migrations").iterdir()
    return sorted((file for file in found if file.name.endswith(".sql")), key=lambda file: file.name)


@cache
def statements(file: str = "queries.sql") -> Mapping[str, str]:
    """Return the statements of a file in sql/ by their names."""
    sections = (SQL / file).read_text("utf-8").split("-- name: ")[1:]
    return {name.strip(): text.strip() for name, _, text in (part.partition("\n") for part in sections)}
