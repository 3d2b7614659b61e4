"""The statements that zkpoll sends for a program's tables, as text, for servers that are not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import registry

from zkpoll.bridge.schemas import schema_of
from zkpoll.bridge.sql_catalogue import CatalogueRow, columns_text, find_table, tables_text
from zkpoll.bridge.sql_statements import ODD, PunchStatements, plain_rows, row_count, typed_rows

if TYPE_CHECKING:
    from sqlalchemy import Executable

    from zkpoll.bridge.contract import Target
    from zkpoll.bridge.schemas import TableFacts
    from zkpoll.bridge.sql_catalogue import FoundTable

DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mssql": "pymssql", "sqlite": "pysqlite"}
_NUMBERS = {"att2000": {"user", "number"}, "zkaccess": {"user", "number"}, "zktime-net": {"user", "number"}}
_TYPES = {"postgresql": "timestamp without time zone", "mysql": "datetime", "mssql": "datetime"}


def statements(target: Target, dialect_name: str) -> list[str]:
    """Given a target and a dialect (`mssql`, `postgresql`, `mysql`, `sqlite`), return every statement.

    Values stand in them as literals. The columns are taken to be all there, and of the usual types; ids of
    zkbio are text.
    """
    schema = schema_of(target)
    if schema.punches is None:
        return [target.query or ""]
    punches = _found(schema.punches, target, dialect_name)
    made = PunchStatements(dialect_name, punches, schema.bucket, numbers=schema.user_is == "number")
    said: list[Executable] = [
        made.fingerprints(),
        made.rows(3, 4),
        made.rows(ODD, ODD),
        made.contents(),
        row_count(punches),
    ]
    if schema.people:
        people = _found(schema.people, target, dialect_name)
        said += [plain_rows(people, ("number", "badge")), plain_rows(people, list(schema.people.columns))]
    if schema.machines:
        said.append(plain_rows(_found(schema.machines, target, dialect_name), ("number", "serial")))
    if schema.typed:
        said.append(typed_rows(_found(schema.typed, target, dialect_name)))
    dialect: Any = registry.load(f"{dialect_name}.{DRIVERS[dialect_name]}")(paramstyle="named")
    texts = [
        str(one.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
        for one in said
    ]
    names = "('checkinout', 'userinfo')"
    return [*texts, columns_text(dialect_name).replace(":names", names), tables_text(dialect_name)]


def _found(facts: TableFacts, target: Target, dialect: str) -> FoundTable:
    rows = [
        CatalogueRow("dbo", facts.name.rpartition(".")[2], names[0], _type(meaning, target, dialect))
        for meaning, names in facts.columns.items()
    ]
    found = find_table(facts, rows, None, dialect)
    assert found is not None
    return found


def _type(meaning: str, target: Target, dialect: str) -> str:
    if meaning == "time":
        return _TYPES.get(dialect, "text")
    text_id = target.kind == "zkbio"
    numbers = _NUMBERS.get(target.kind, set()) | ({"added"} if text_id else {"id", "added"})
    return "int" if meaning in numbers else "varchar"
