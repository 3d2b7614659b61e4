"""How databases of vendor software stand, and which rows were edited or are gone. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal

PAGE: Final = 2_000
"""Rows looked at at a time; what a page holds is all that is in memory."""


@dataclass(frozen=True, slots=True)
class DatabaseStanding:
    """How a database of the inventory stands. Times are UTC; None where there is nothing yet."""

    name: str
    address: str
    kind: str
    """The vendor's program."""
    key: str
    """The device key of its rows that no terminal made."""
    met_at: datetime
    read_at: datetime | None
    """Its last complete visit."""
    whole_at: datetime | None
    """Its last complete whole reading; None while one is under way."""
    rows: int
    """Rows that are there."""
    set_aside: int
    """Those of them that are no punches for now, and nobody accepted."""
    changed: int
    """Those of them that say another thing than the punch that was sent."""
    gone: int
    """Rows with a punch that are there no more."""
    pending: int
    """Punches that it shows and that wait for any dashboard."""


@dataclass(frozen=True, slots=True)
class HeldForPerson:
    """How many punches of a database are held until a person decides about them."""

    sudden: int = 0
    """Most of their seconds were known under other user ids."""
    manual: int = 0
    """A person typed them in."""


@dataclass(frozen=True, slots=True)
class RowSighting:
    """A row that shows a punch. Times are UTC, ISO 8601."""

    database: str
    """Its name in the inventory, or its address where that has another name by now."""
    seen_at: str
    """When it was first seen."""
    changed_at: str | None
    """When it was seen to say another thing than before, the last time."""
    gone_at: str | None
    """When it was seen to be gone."""


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that was edited in its database, or is gone, after it was journalled. Times are UTC, ISO 8601."""

    key: str
    """The row's own identity."""
    changed_at: str | None
    gone_at: str | None
    raw: str | None
    """What it says now, or said last, where it was edited."""
    id: str | None
    """That of its punch; None, as are all that follow, where that was pruned."""
    device: str | None
    serial_number: str | None
    user_id: str | None
    timestamp: str | None
    """By the device's wall clock, with its offset."""
    verify: int | None
    state: int | None
    work_code: int | None


def database_standings(journal: Journal) -> dict[str, DatabaseStanding]:
    """Return how the databases stand that have a name in the inventory, by name."""
    pending: dict[int, int] = dict(journal.all("pending_of_databases"))
    found = {}
    for id_, name, address, kind, key, met, read, whole, *counts in journal.all("database_standings"):
        rows, set_aside, changed, gone = counts
        found[name] = DatabaseStanding(
            name,
            address,
            kind,
            key,
            datetime.fromisoformat(met).astimezone(UTC),
            _moment(read),
            _moment(whole),
            rows,
            set_aside,
            changed,
            gone,
            pending.get(id_, 0),
        )
    return found


def held_for_person(journal: Journal) -> dict[str, HeldForPerson]:
    """Return how many punches of databases are held for a person, by name of those that have any."""
    found: dict[str, dict[str, int]] = {}
    for name, hold, count in journal.all("held_of_databases"):
        found.setdefault(name, {})[hold] = count
    return {name: HeldForPerson(**counts) for name, counts in found.items()}


def rows_of_punch(journal: Journal, seq: int) -> tuple[RowSighting, ...]:
    """Return the rows that show the punch at a place, in the order in which they were seen."""
    return tuple(RowSighting(*row) for row in journal.all("rows_of_punch", punch=seq))


def row_changes(journal: Journal, name: str) -> Iterator[RowChange]:
    """Yield the rows of a database that were edited or are gone; no transaction is open in between."""
    after = ""
    while page := journal.all("row_changes", name=name, after=after, limit=PAGE):
        yield from (RowChange(*row) for row in page)
        after = page[-1][0]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
