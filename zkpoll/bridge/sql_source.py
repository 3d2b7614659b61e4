"""A database on a server, or a SQLite file, as the contract has it."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, text

from zkpoll.bridge.contract import Contents, Lookups, MachineRows, Opened, Piece
from zkpoll.bridge.schemas import TableFacts, schema_of
from zkpoll.bridge.side_tables import USER_MEANINGS, badges, serials, typed_in, user_of
from zkpoll.bridge.sql_catalogue import (
    CatalogueRow,
    columns_text,
    find_names,
    find_table,
    missing_table,
    tables_text,
    wanted_names,
)
from zkpoll.bridge.sql_rights import may_write
from zkpoll.bridge.sql_sessions import Speaking
from zkpoll.bridge.sql_statements import ODD, PunchStatements, plain_rows, row_count, typed_rows
from zkpoll.bridge.sql_values import as_cell, as_time, punch_rows
from zkpoll.bridge.values import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy import CursorResult, Executable

    from zkpoll.bridge.contract import Cell, DatabaseUser, PunchRow, Target
    from zkpoll.bridge.sql_catalogue import FoundTable
    from zkpoll.bridge.sql_sessions import SqlSession

_ALL: Final = 0
"""The one bucket of a query."""
_PIECE: Final = 10_000
"""Rows of a query in a piece, and rows that are taken from a driver at once."""
_RANGE_BUCKETS: Final = 1_000
_RANGE_ROWS: Final = 20_000
"""What one statement reads at most, but for a single bucket that has more. Without an index each of them goes
through the whole table."""
_DIGEST: Final = 16
_UNREGISTERED: Final = TableFacts("iclock_unregister", {})
"""BioTime's table of the punches of people whom it does not know."""


class _Found:
    """The tables that are read, as the database spells them."""

    def __init__(self, tables: Mapping[str, FoundTable | None], statements: PunchStatements) -> None:
        self.tables = tables
        self.statements = statements

    @property
    def punches(self) -> FoundTable:
        found = self.tables["punches"]
        assert found is not None  # noqa: S101 - without it there is no such object
        return found


class SqlSource:
    """An open database: a `Source`."""

    in_motion = 0
    """A server's answer is of one moment, and so is the copy of a file."""

    moves_rows = False
    """A row's number, or its day, tells its bucket."""

    def __init__(self, target: Target, session: SqlSession) -> None:
        self._target = target
        self._connection = session.connection
        self._dialect = session.connection.dialect.name
        self._speaking = Speaking(target)
        self._schema = schema_of(target)
        self._opened = Opened(session.engine, session.read_only)
        self._known: _Found | None = None
        self._rows: dict[int, int] = {}
        """How many rows the buckets have."""

    @property
    def opened(self) -> Opened:
        """What is known of it so far."""
        return self._opened

    def tables(self) -> tuple[str, ...]:
        """Return the tables that are read. From here on `opened` tells whether the login could write."""
        if self._schema.punches is None:
            next(self._query_rows(), None)
            return ("query",)
        tables = self._find().tables
        with self._speaking():
            could = may_write(self._connection, self._find().punches)
            self._connection.rollback()
        self._opened = replace(self._opened, may_write=could)
        return tuple(one.spelling for one in tables.values() if one is not None)

    def lookups(self) -> Lookups:
        """Read the tables beside that of punches."""
        if self._schema.punches is None:
            return Lookups()
        tables = self._find().tables
        people, machines, typed = (tables[part] for part in ("people", "machines", "typed"))
        return Lookups(
            badges(self._cells(plain_rows(people, ("number", "badge"))))
            if self._schema.user_is == "number" and people
            else None,
            serials(self._cells(plain_rows(machines, ("number", "serial"))))
            if machines and "serial" in machines.columns
            else {},
            typed_in((as_cell(number), as_time(time), 1) for number, time in self._select(typed_rows(typed)))
            if typed
            else frozenset(),
        )

    def fingerprints(self) -> Mapping[int, bytes]:
        """Return the fingerprint of each bucket; that of the rows whose bucket cannot be told has none."""
        if self._schema.punches is None:
            return {_ALL: b""}
        rows, prints = {}, {}
        for bucket, count, *sums in self._select(self._find().statements.fingerprints()):
            rows[int(bucket)], prints[int(bucket)] = int(count), b""
            if int(bucket) != ODD:  # whose numbers may be none
                told = [one if one is None or isinstance(one, str) else int(one) for one in sums]
                digest = hashlib.blake2b(repr([int(count), *told]).encode(), digest_size=_DIGEST)
                prints[int(bucket)] = digest.digest()
        self._rows = rows
        return prints

    def read(self, buckets: Collection[int]) -> Iterator[Piece]:
        """Yield the rows of buckets that `fingerprints` told. Those side by side are read at once."""
        if self._schema.punches is None:
            yield from self._query_pieces()
            return
        statements = self._find().statements
        make = punch_rows({meaning: place for place, meaning in enumerate(statements.meanings)})
        for some in ranges(buckets, self._rows):
            rows: dict[int, list[PunchRow]] = {bucket: [] for bucket in some}
            for row in self._select(statements.rows(some[0], some[-1])):
                if (there := rows.get(int(row[-1]))) is not None:
                    there.append(make(row))
            yield from (Piece(bucket, there) for bucket, there in rows.items())

    def contents(self) -> Contents:
        """Count what is there."""
        counted: Counter[tuple[str | None, str | None]] = Counter()
        newest = _Newest()
        if self._schema.punches is None:
            for row in self._query_rows():
                counted[bare(row.machine) or None, bare(row.serial) or None] += 1
                newest.see(row.time)
        else:
            found = self._find()
            has = [one in found.punches.columns for one in ("machine", "serial")]
            for *by, count, time in self._select(found.statements.contents()):
                told = iter(by)
                machine, serial = (bare(as_cell(next(told))) or None if one else None for one in has)
                counted[machine, serial] += int(count)
                newest.see(as_time(time))
        rows = sorted(counted.items(), key=lambda one: (one[0][0] or "", one[0][1] or ""))
        machines = tuple(MachineRows(machine, serial, count) for (machine, serial), count in rows)
        return Contents(counted.total(), machines, newest.time, tuple(self._notes()))

    def _notes(self) -> Iterator[str]:
        if self._target.kind != "biotime":
            return
        found = find_table(
            _UNREGISTERED, self._catalogue([_UNREGISTERED]), self._default_schema, self._dialect
        )
        if found is None:
            return
        ((count,),) = self._select(row_count(found))
        if count:
            yield f"punches of people who are not registered: {count} ({found.name})"

    def users(self) -> Iterator[DatabaseUser]:
        """Yield the people. Of passwords, only whether there is one is asked."""
        found = None if self._schema.punches is None else self._find().tables["people"]
        if found is None:
            return
        meanings = [one for one in USER_MEANINGS if one in found.columns]
        for row in self._cells(plain_rows(found, meanings)):
            yield user_of(dict(zip(meanings, row, strict=True)))

    # --- the tables ---

    @property
    def _default_schema(self) -> str | None:
        return self._connection.dialect.default_schema_name

    def _find(self) -> _Found:
        """Look for the tables once. Raise `WrongSchema`."""
        if self._known is None:
            schema = self._schema
            assert schema.punches is not None  # noqa: S101 - a query has none, and is not looked for
            facts = {"punches": schema.punches, "people": schema.people, "machines": schema.machines}
            facts["typed"] = schema.typed
            catalogue = self._catalogue([one for one in facts.values() if one is not None])
            tables = {
                part: None if one is None else find_table(one, catalogue, self._default_schema, self._dialect)
                for part, one in facts.items()
            }
            needed = ["punches", *(["people"] if schema.user_is == "number" else [])]
            for part in needed:
                if tables[part] is None and (one := facts[part]) is not None:
                    names = self._select(text(tables_text(self._dialect)))
                    there = [(schema, table) for schema, table in map(_names, names) if self._near(schema)]
                    raise missing_table(one.name, there, self._default_schema)
            punches = tables["punches"]
            assert punches is not None  # noqa: S101 - it is needed
            numbers = schema.user_is == "number"
            statements = PunchStatements(self._dialect, punches, schema.bucket, numbers=numbers)
            self._known = _Found(tables, statements)
        return self._known

    def _catalogue(self, facts: Sequence[TableFacts]) -> list[CatalogueRow]:
        statement = text(columns_text(self._dialect)).bindparams(bindparam("names", expanding=True))
        rows = self._select(statement, {"names": wanted_names(facts)})
        return [one for row in rows if self._near((one := CatalogueRow(*_names(row))).schema)]

    def _near(self, schema: str | None) -> bool:
        """Say whether tables of a schema may be meant. MySQL's are databases: that of the address alone is.

        Unless the address has none, or the inventory names one in front of the table.
        """
        own = self._default_schema
        free = self._dialect != "mysql" or own is None or "." in (self._target.table or "")
        return free or (schema or "").lower() == (own or "").lower()

    # --- statements ---

    def _select(
        self, statement: Executable, values: Mapping[str, Any] | None = None
    ) -> Iterator[Sequence[Any]]:
        """Yield the rows of a statement.

        No transaction outlasts it: one that stays open would keep the program from altering its own tables.
        """
        with self._speaking():
            for some in self._connection.execute(statement, values).partitions(_PIECE):
                yield from some
            self._connection.rollback()

    def _cells(self, statement: Executable) -> Iterator[list[Cell]]:
        """Yield the rows of a statement, their values as the contract has them."""
        return ([as_cell(value) for value in row] for row in self._select(statement))

    @contextmanager
    def _streamed(self) -> Iterator[CursorResult[Any]]:
        """Send the query; its rows come as they are taken."""
        options: dict[str, Any] = {"no_parameters": True, "stream_results": True, "yield_per": _PIECE}
        with self._speaking():
            query = (self._target.query or "").strip().rstrip(";")
            result = self._connection.exec_driver_sql(query, execution_options=options)
            try:
                yield result
            finally:
                result.close()
                self._connection.rollback()

    def _query_rows(self) -> Iterator[PunchRow]:
        with self._streamed() as result:
            make = self._query_reader(result)
            for row in result:
                yield make(row)

    def _query_reader(self, result: CursorResult[Any]) -> Callable[[Sequence[Any]], PunchRow]:
        return punch_rows(find_names(self._target.columns, list(result.keys())))

    def _query_pieces(self) -> Iterator[Piece]:
        rows: list[PunchRow] = []
        for row in self._query_rows():
            if len(rows) == _PIECE:
                yield Piece(_ALL, rows, ends=False)
                rows = []
            rows.append(row)
        yield Piece(_ALL, rows)


class _Newest:
    """The newest of some times."""

    def __init__(self) -> None:
        self.time: datetime | None = None

    def see(self, time: object) -> None:
        if isinstance(time, datetime) and (self.time is None or time > self.time):
            self.time = time


def _names(row: Sequence[Any]) -> list[Any]:
    """Return names of the catalogue, which MySQL 8 may give as bytes."""
    return [cell.decode() if isinstance(cell, (bytes, bytearray)) else cell for cell in row]


def ranges(buckets: Collection[int], rows: Mapping[int, int]) -> Iterator[list[int]]:
    """Given how many rows each bucket has, yield lists of those to read that stand side by side. Pure."""
    wanted = set(buckets)
    some: list[int] = []
    size = 0
    for bucket in sorted({*rows, *wanted}):
        count = rows.get(bucket, 0)
        full = len(some) == _RANGE_BUCKETS or size + count > _RANGE_ROWS or some == [ODD]
        if some and (full or bucket not in wanted):
            yield some
            some, size = [], 0
        if bucket in wanted:
            some.append(bucket)
            size += count
    if some:
        yield some
