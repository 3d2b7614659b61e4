"""The contract of the bridge: a database to read, its rows as they stand there, and whoever reads them. Pure.

A table of punches is a set of buckets, each with a fingerprint. What is new is the difference of sets against
our own ledger: a bucket whose fingerprint is known is not read; of another one, all rows are looked up. No
time and no number tells what is new.

    open ──▶ lookups ──▶ fingerprints ──▶ read the buckets that differ
                         (before any row: taken after, they would cover rows that nobody has seen)
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

DatabaseKind = Literal["att2000", "zkaccess", "biotime", "zktime-net", "zkbio", "custom"]
"""The vendor's program whose tables they are; `custom`: the inventory names table and columns."""
Take = Literal["attendance", "events"]
"""Which of two tables of punches is read: no program's rows are taken from both."""
Cell = int | float | str | bool | bytes | datetime | None
"""A value of a column, as the driver gives it."""
EPOCH: Final = datetime(1899, 12, 30)
"""Day 0 of Access. Buckets that are days are counted from here."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database to read, and what of it. Either `file` or `url`."""

    name: str
    """Its name in the inventory."""
    kind: DatabaseKind
    address: str
    """What a person is shown, and what the lock is named by; without a password."""
    file: Path | None = None
    """An Access or SQLite file, absolute."""
    url: str | None = None
    """As SQLAlchemy takes it, without a password: `postgresql://zkpoll@10.0.0.5:7496/biotime`."""
    password: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    """Seconds: of connecting, and of a silence."""
    take: Take = "attendance"
    table: str | None = None
    """`custom`: the table or view, perhaps with its schema in front (`dbo.AttLog`)."""
    query: str | None = None
    """`custom`, instead of a table: one SELECT, read whole at every visit."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """`custom`: the column of each meaning, of those that `PunchRow` has."""


class PunchRow(NamedTuple):
    """A row of a table of punches. The fields are meanings; what the table does not have is None.

    Values are as they stand there: numbers may come as text, text with blanks.
    """

    time: Cell
    """A naive datetime is the terminal's wall clock, an aware one an instant; microseconds may be off. What
    is no date there is None, or the text that stands in its place."""
    user: Cell
    """The badge; or the program's own number of the person where the schema says so."""
    id: Cell = None
    """The row's own number, where the table has one."""
    state: Cell = None
    verify: Cell = None
    work_code: Cell = None
    serial: Cell = None
    """The terminal's serial number, as the row tells it."""
    machine: Cell = None
    """The program's number of the terminal."""
    operator: Cell = None
    """Who typed the row in, where the table tells that."""
    event: Cell = None
    """The event's type, where the table holds other events than punches."""


MEANINGS: Final = PunchRow._fields
"""What a column of a table of punches may mean."""


def as_raw(row: PunchRow) -> str:
    """Return a row as text, to be kept where it is set aside."""
    told = {key: value for key, value in row._asdict().items() if value is not None}
    for key, value in told.items():
        if isinstance(value, datetime):
            told[key] = {"at": value.isoformat()}
        elif isinstance(value, bytes):
            told[key] = {"bytes": value.hex()}
    return json.dumps(told, ensure_ascii=False)


def from_raw(text: str) -> PunchRow:
    """Given what `as_raw` made, return the row."""
    told: dict[str, Any] = {"time": None, "user": None, **json.loads(text)}
    for key, value in told.items():
        if isinstance(value, dict):
            told[key] = (
                datetime.fromisoformat(value["at"]) if "at" in value else bytes.fromhex(value["bytes"])
            )
    return PunchRow(**told)


class Piece(NamedTuple):
    """Rows of one bucket: all of them, but for `query:`, whose one bucket comes in pieces."""

    bucket: int
    rows: Sequence[PunchRow]
    ends: bool = True
    """Whether the bucket ends with these rows."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the tables beside that of punches tell. Texts are stripped of blanks."""

    people: Mapping[str, str] | None = None
    """The badges by the program's numbers of people; None where the rows themselves have badges."""
    machines: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The serial numbers by the numbers of terminals, which are not unique there."""
    typed: frozenset[tuple[str, str]] = frozenset()
    """(number of the person, wall clock to the nearest second as `2026-11-22T08:59:58`) of the rows that a
    person typed in."""

    def digest(self) -> bytes:
        """Return 16 bytes that differ where any of it differs."""
        machines = {number: sorted(serials) for number, serials in self.machines.items()}
        told = json.dumps([self.people, machines, sorted(self.typed)], sort_keys=True)
        return hashlib.blake2b(told.encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class DatabaseUser:
    """A person, as the program knows them."""

    number: str
    badge: str
    name: str = ""
    card: str = ""
    privilege: int | None = None
    has_password: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What is known of a database once it is open."""

    engine: str
    """`Access (Jet 4)`, `PostgreSQL 15.4`."""
    read_only: bool
    """Whether the session itself cannot write."""
    may_write: bool | None = None
    """Whether the login could write to the table of punches; None where that cannot be told."""
    notes: tuple[str, ...] = ()
    """What else a person should know, a sentence each: a lock file that was copied along."""


@dataclass(frozen=True, slots=True)
class MachineRows:
    """How many rows a machine has."""

    machine: str | None
    """Its number in the rows."""
    serial: str | None
    """Its serial number in the rows."""
    rows: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds, counted."""

    rows: int
    machines: tuple[MachineRows, ...]
    newest: datetime | None = None
    """The time of the newest row, as it stands there."""
    notes: tuple[str, ...] = ()
    """`12 people punched who are not registered (iclock_unregister)`."""


class Source(Protocol):
    """An open database. One visit has one; it is of one thread.

    Any method may raise `Unreachable`, `Refused`, `Silent`, `Damaged`, `WrongSchema`: one sentence, without
    a password and without values of rows.
    """

    @property
    def opened(self) -> Opened:
        """What is known of it so far."""

    @property
    def in_motion(self) -> int:
        """Buckets that were left out in this visit, since they changed while they were read."""

    @property
    def moves_rows(self) -> bool:
        """Whether a row may come to stand in another bucket, or stand in two."""

    def tables(self) -> tuple[str, ...]:
        """Return the tables that are read, in the database's own spelling, that of punches first.

        Raise `WrongSchema`, which names what was looked for and what there is.
        """

    def lookups(self) -> Lookups:
        """Read the tables beside that of punches."""

    def fingerprints(self) -> Mapping[int, bytes]:
        """Return the fingerprint of each bucket as it is now, at most 16 bytes; empty: it has none.

        A bucket without one is read at every visit.
        """

    def read(self, buckets: Collection[int]) -> Iterator[Piece]:
        """Yield the rows of buckets that `fingerprints` told.

        A bucket whose rows are in motion is left out, for the next visit. Raise `Damaged` behind the last
        sound piece where a part cannot be read; all that was yielded is sound.
        """

    def contents(self) -> Contents:
        """Count what is there."""

    def users(self) -> Iterator[DatabaseUser]:
        """Yield the people."""


class Opens(Protocol):
    """Opens databases of one sort."""

    def __call__(self, target: Target) -> AbstractContextManager[Source]:
        """Open a database for one visit. Raise as `Source` does, or `Encrypted`, `MissingDriver`."""
