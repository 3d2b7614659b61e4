"""Tables and columns as the database spells them, found in its catalogue by name in any case. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from zkpoll.errors import Refused, WrongSchema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from zkpoll.bridge.schemas import TableFacts

ColumnSort = Literal["integer", "number", "time", "text"]
"""What may be reckoned with a column: whole numbers, other numbers, dates with times, or nothing."""
_SHOWN: Final = 12
"""Names that a person is shown of what there is."""
_INTEGERS: Final = frozenset({"bigint", "int", "integer", "mediumint", "smallint", "tinyint"})
_NUMBERS: Final = frozenset({"decimal", "double", "double precision", "float", "numeric", "real"})
_TIMES: Final = frozenset(
    {"date", "datetime", "datetime2", "datetimeoffset", "smalldatetime", "timestamp",
     "timestamp without time zone", "timestamp with time zone"}
)  # fmt: skip

_COLUMNS: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS
WHERE LOWER(TABLE_NAME) IN :names
"""
# A server of Turkey has no dot on an i that was I: there LOWER('CHECKINOUT') is another word.
_SQL_SERVER_COLUMNS: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS
WHERE TABLE_NAME COLLATE Latin1_General_CI_AS IN :names
"""
_TABLES: Final = """
SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES
WHERE LOWER(TABLE_SCHEMA) NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')
"""
# PostgreSQL's information_schema hides what the login may not read, which would then seem to be missing.
_POSTGRESQL_FROM: Final = """
FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
"""
_POSTGRESQL_WHERE: Final = """
t.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
"""
_POSTGRESQL_COLUMNS: Final = f"""
SELECT n.nspname, t.relname, a.attname, pg_catalog.format_type(a.atttypid, NULL) {_POSTGRESQL_FROM}
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid
WHERE a.attnum > 0 AND NOT a.attisdropped AND lower(t.relname) IN :names AND {_POSTGRESQL_WHERE}
"""
_POSTGRESQL_TABLES: Final = f"SELECT n.nspname, t.relname {_POSTGRESQL_FROM} WHERE {_POSTGRESQL_WHERE}"
_SQLITE_COLUMNS: Final = """
SELECT 'main', m.name, c.name, c.type FROM sqlite_master m, pragma_table_info(m.name) c
WHERE m.type IN ('table', 'view') AND lower(m.name) IN :names
"""
_SQLITE_TABLES: Final = "SELECT 'main', name FROM sqlite_master WHERE type IN ('table', 'view')"


def columns_text(dialect: str) -> str:
    """Return the statement for columns: schema, table, column, type. `:names` of tables are in lower case."""
    own = {"postgresql": _POSTGRESQL_COLUMNS, "sqlite": _SQLITE_COLUMNS, "mssql": _SQL_SERVER_COLUMNS}
    return own.get(dialect, _COLUMNS)


def tables_text(dialect: str) -> str:
    """Return the statement for the names of all tables and views: schema, table."""
    return {"postgresql": _POSTGRESQL_TABLES, "sqlite": _SQLITE_TABLES}.get(dialect, _TABLES)


class CatalogueRow(NamedTuple):
    """A column, as the catalogue has it."""

    schema: str | None
    table: str
    column: str
    type: str


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column that is there."""

    name: str
    sort: ColumnSort = "text"


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that is there, with the columns that are read of it, by their meanings."""

    schema: str | None
    name: str
    columns: Mapping[str, FoundColumn]

    @property
    def spelling(self) -> str:
        """Its name, for a person."""
        return f"{self.schema}.{self.name}" if self.schema else self.name


def sort_of(type_name: str, dialect: str) -> ColumnSort:
    """Given the name of a type, return what may be reckoned with it.

    SQLite's columns hold what they like: there times are text, and what is not declared as text is a number.
    """
    name = type_name.lower()
    if dialect == "sqlite":
        return "text" if any(part in name for part in ("char", "text", "clob", "date", "time")) else "integer"
    if dialect == "mssql" and name == "date":
        return "text"  # of which SQL Server tells no hours
    if name in _INTEGERS:
        return "integer"
    return "number" if name in _NUMBERS else "time" if name in _TIMES else "text"


def wanted_names(facts: Iterable[TableFacts]) -> list[str]:
    """Return the names of tables to look for, in lower case: with and without a schema in front."""
    names = {one for each in facts for _, one in _readings(each.name)}
    return sorted({name.lower() for name in names})


def find_table(
    facts: TableFacts, catalogue: Sequence[CatalogueRow], default_schema: str | None, dialect: str
) -> FoundTable | None:
    """Return a table with its columns; None where it is not there, or in several schemas but the default one.

    Raise `WrongSchema` where a column is missing that is needed.
    """
    for schema, name in _readings(facts.name):
        places = {
            (row.schema, row.table)
            for row in catalogue
            if row.table.lower() == name.lower()
            and (schema is None or (row.schema or "").lower() == schema.lower())
        }
        place = _choose(places, name, default_schema)
        if place is not None:
            rows = [row for row in catalogue if (row.schema, row.table) == place]
            own = None if place[0] == default_schema else place[0]
            return FoundTable(own, place[1], _find_columns(facts, rows, dialect))
    return None


def missing_table(
    name: str, there: Collection[tuple[str | None, str]], default_schema: str | None
) -> WrongSchema | Refused:
    """Return the error for a table that was not found among the columns, given the tables that there are."""
    near = {
        (schema, table)
        for wanted, bare in _readings(name)
        for schema, table in there
        if table.lower() == bare.lower() and (wanted is None or wanted.lower() == (schema or "").lower())
    }
    if len(near) > 1:
        places = ", ".join(sorted(f"{schema}.{table}" for schema, table in near))
        return WrongSchema(f"the table {name} is there more than once; name one of {places}")
    if near:
        return Refused(f"this login may not read the table {name}")
    names = [table if schema == default_schema else f"{schema}.{table}" for schema, table in there]
    return WrongSchema(f"there is no table {name}; {_told(names)}")


def find_names(names: Mapping[str, str], there: Sequence[str]) -> dict[str, int]:
    """Given the columns of a query by meaning, return the place of each among those that it gave.

    Raise `WrongSchema` where one is missing.
    """
    lower = [name.lower() for name in there]
    lacking = [name for name in names.values() if name.lower() not in lower]
    if lacking:
        raise WrongSchema(f"the query gives no column {lacking[0]}; {_told(there)}")
    return {
        meaning: there.index(name) if name in there else lower.index(name.lower())
        for meaning, name in names.items()
    }


def _readings(name: str) -> list[tuple[str | None, str]]:
    """Return what a name may mean, as (schema, table): with a dot in it, a schema's table first."""
    bare = name.translate(dict.fromkeys(map(ord, '[]"`')))
    schema, dot, table = bare.rpartition(".")
    return [(schema.rpartition(".")[2], table), (None, bare)] if dot else [(None, bare)]


def _choose(
    places: set[tuple[str | None, str]], name: str, default_schema: str | None
) -> tuple[str | None, str] | None:
    """Return the place of a table, the default schema and the same spelling first; None where several are."""
    near = {place for place in places if place[0] == default_schema} or places
    exact = {place for place in near if place[1] == name} or near
    return next(iter(exact)) if len(exact) == 1 else None


def _find_columns(facts: TableFacts, rows: Sequence[CatalogueRow], dialect: str) -> dict[str, FoundColumn]:
    found = {}
    for meaning, names in facts.columns.items():
        row = next((row for name in names if (row := _named(name, rows)) is not None), None)
        if row is not None:
            found[meaning] = FoundColumn(row.column, sort_of(row.type, dialect))
        elif meaning in facts.needed:
            there = _told([row.column for row in rows])
            raise WrongSchema(f"the table {rows[0].table} has no column {' or '.join(names)}; {there}")
    return found


def _named(name: str, rows: Sequence[CatalogueRow]) -> CatalogueRow | None:
    near = [row for row in rows if row.column.lower() == name.lower()]
    return next((row for row in near if row.column == name), near[0] if near else None)


def _told(names: Iterable[str]) -> str:
    """Return what there is, for a person."""
    there = sorted(names)
    if not there:
        return "this login sees none"
    more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    return f"there are: {', '.join(there[:_SHOWN])}{more}"
