"""The tables of a database that takes T-SQL, and the views of its catalogue that tell of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.bridge import tsql_values as values
from tests.bridge.tsql_values import INT, MAX, SqlType, Stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlglot import exp


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table."""

    name: str
    kind: SqlType
    default: Stored = None
    now: bool = False
    """Whether its default is the time."""
    identity: tuple[int, int] | None = None


@dataclass(slots=True)
class ServerTable:
    """A table, or a view with the query that it is."""

    id: int
    schema: str
    name: str
    columns: list[TableColumn] = field(default_factory=list)
    key: tuple[str, ...] = ()
    next_identity: int = 1
    query: exp.Query | None = None

    @property
    def stored(self) -> str:
        """What it is called in SQLite's words."""
        return '"' + f"{self.schema}.{self.name}".replace('"', '""') + '"'


_TYPE_IDS: Final = {
    "image": 34, "text": 35, "date": 40, "time": 41, "datetime2": 42, "tinyint": 48, "smallint": 52,
    "int": 56, "smalldatetime": 58, "real": 59, "datetime": 61, "float": 62, "ntext": 99, "bit": 104,
    "decimal": 106, "bigint": 127, "varbinary": 165, "varchar": 167, "binary": 173, "char": 175,
    "nvarchar": 231, "nchar": 239,
}  # fmt: skip
_NUMERIC: Final = frozenset(
    {
        "object_id", "column_id", "default_object_id", "user_type_id", "system_type_id", "is_nullable",
        "max_length", "precision", "scale", "schema_id", "principal_id", "parent_object_id",
        "parent_column_id", "is_persisted", "is_computed", "is_identity", "class", "major_id",
        "minor_id", "unique_index_id", "index_id", "index_type", "is_unique", "is_primary_key",
        "is_unique_constraint", "key_ordinal", "is_descending_key", "is_included_column",
        "index_column_id", "ORDINAL_POSITION", "CHARACTER_MAXIMUM_LENGTH", "NUMERIC_PRECISION",
        "NUMERIC_SCALE", "seed_value", "increment_value", "is_user_defined", "is_not_for_replication",
    }
)  # fmt: skip
VIEWS: Final[Mapping[str, str]] = {
    "sys.objects": "object_id name schema_id parent_object_id type type_desc",
    "sys.tables": "object_id name schema_id type type_desc",
    "sys.schemas": "schema_id name principal_id",
    "sys.columns": (
        "object_id name column_id default_object_id user_type_id system_type_id is_nullable max_length "
        "precision scale collation_name is_identity"
    ),
    "sys.types": (
        "name system_type_id user_type_id schema_id max_length precision scale collation_name "
        "is_nullable is_user_defined"
    ),
    "sys.default_constraints": "object_id name schema_id parent_object_id parent_column_id definition",
    "sys.computed_columns": "object_id name column_id is_computed is_persisted definition",
    "sys.identity_columns": (
        "object_id name column_id is_identity seed_value increment_value last_value is_not_for_replication"
    ),
    "sys.extended_properties": "class class_desc major_id minor_id name value",
    "sys.key_constraints": "object_id name schema_id parent_object_id type unique_index_id",
    "sys.indexes": (
        "object_id index_id name type type_desc is_unique is_primary_key is_unique_constraint "
        "filter_definition"
    ),
    "sys.index_columns": (
        "object_id index_id index_column_id column_id key_ordinal is_descending_key is_included_column"
    ),
    "sys.system_views": "object_id name schema_id",
    "INFORMATION_SCHEMA.TABLES": "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME TABLE_TYPE",
    "INFORMATION_SCHEMA.COLUMNS": (
        "TABLE_CATALOG TABLE_SCHEMA TABLE_NAME COLUMN_NAME ORDINAL_POSITION COLUMN_DEFAULT IS_NULLABLE "
        "DATA_TYPE CHARACTER_MAXIMUM_LENGTH NUMERIC_PRECISION NUMERIC_SCALE COLLATION_NAME"
    ),
    "INFORMATION_SCHEMA.SCHEMATA": "CATALOG_NAME SCHEMA_NAME SCHEMA_OWNER",
    "INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS": (
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME UNIQUE_CONSTRAINT_SCHEMA "
        "UNIQUE_CONSTRAINT_NAME MATCH_OPTION UPDATE_RULE DELETE_RULE"
    ),
    "INFORMATION_SCHEMA.KEY_COLUMN_USAGE": (
        "CONSTRAINT_CATALOG CONSTRAINT_SCHEMA CONSTRAINT_NAME TABLE_SCHEMA TABLE_NAME COLUMN_NAME "
        "ORDINAL_POSITION"
    ),
}
"""The columns of the catalogue's views."""


def kind_of(view: str, column: str, collation: str) -> SqlType:
    """Return the type of a column of a view."""
    if column in _NUMERIC or (view, column) == ("sys.indexes", "type"):
        return INT
    return SqlType(
        "nvarchar", 128 if column not in {"definition", "value"} else 4000, collation=collation, strength=1
    )


def catalogue(database: str, tables: Sequence[ServerTable]) -> dict[str, list[tuple[Stored, ...]]]:
    """Return the rows of the catalogue's views, the table's number behind each."""
    told: dict[str, list[dict[str, Stored]]] = {name: [] for name in VIEWS}
    schemas = {"dbo": 1, **{one.schema: 5 + n for n, one in enumerate(tables) if one.schema != "dbo"}}
    for name, number in schemas.items():
        told["sys.schemas"].append({"schema_id": number, "name": name, "principal_id": 1})
        told["INFORMATION_SCHEMA.SCHEMATA"].append(
            {"CATALOG_NAME": database, "SCHEMA_NAME": name, "SCHEMA_OWNER": "dbo"}
        )
    for name, number in _TYPE_IDS.items():
        told["sys.types"].append(
            {"name": name, "system_type_id": number, "user_type_id": number, "schema_id": 4}
        )
    told["sys.types"].append({"name": "sysname", "system_type_id": 231, "user_type_id": 256, "schema_id": 4})
    told["sys.system_views"].append({"object_id": -1, "name": "dm_exec_sessions", "schema_id": 4})
    for table in tables:
        _tell_table(database, table, schemas[table.schema], told)
    return {
        name: [(*(row.get(one) for one in columns.split()), row.get("_table")) for row in told[name]]
        for name, columns in VIEWS.items()
    }


def _tell_table(
    database: str, table: ServerTable, schema: int, told: dict[str, list[dict[str, Stored]]]
) -> None:
    view = table.query is not None
    names: dict[str, Stored] = {
        "TABLE_CATALOG": database, "TABLE_SCHEMA": table.schema, "TABLE_NAME": table.name,
        "_table": table.id,
    }  # fmt: skip
    told["INFORMATION_SCHEMA.TABLES"].append({**names, "TABLE_TYPE": "VIEW" if view else "BASE TABLE"})
    itself: dict[str, Stored] = {
        "object_id": table.id, "name": table.name, "schema_id": schema, "parent_object_id": 0,
        "type": "V " if view else "U ", "type_desc": "VIEW" if view else "USER_TABLE", "_table": table.id,
    }  # fmt: skip
    told["sys.objects"].append(itself)
    if not view:
        told["sys.tables"].append(itself)
    for number, column in enumerate(table.columns, 1):
        name, kind, identity = column.name, column.kind, column.identity
        digits = {"float": 53, "real": 24}.get(kind.name, values.DIGITS.get(kind.name, kind.precision))
        length = MAX if kind.length == MAX else kind.length * (2 if kind.name.startswith("n") else 1)
        told["sys.columns"].append(
            {
                "object_id": table.id, "name": name, "column_id": number, "default_object_id": 0,
                "user_type_id": _TYPE_IDS[kind.name], "system_type_id": _TYPE_IDS[kind.name],
                "is_nullable": int(kind.nullable), "max_length": length or 8, "precision": digits or 0,
                "scale": kind.scale, "collation_name": kind.collation or None,
                "is_identity": int(identity is not None), "_table": table.id,
            }
        )  # fmt: skip
        told["INFORMATION_SCHEMA.COLUMNS"].append(
            {
                **names, "COLUMN_NAME": name, "ORDINAL_POSITION": number, "DATA_TYPE": kind.name,
                "IS_NULLABLE": "YES" if kind.nullable else "NO",
                "CHARACTER_MAXIMUM_LENGTH": kind.length or None,
                "NUMERIC_PRECISION": digits or None, "NUMERIC_SCALE": kind.scale if digits else None,
                "COLLATION_NAME": kind.collation or None,
            }
        )  # fmt: skip
        if identity is not None:
            told["sys.identity_columns"].append(
                {
                    "object_id": table.id, "name": name, "column_id": number, "is_identity": 1,
                    "seed_value": identity[0], "increment_value": identity[1], "_table": table.id,
                }
            )  # fmt: skip
    if table.key:
        key: dict[str, Stored] = {
            "object_id": table.id, "index_id": 1, "name": f"PK_{table.name}", "type": 1,
            "type_desc": "CLUSTERED",
            "is_unique": 1, "is_primary_key": 1, "is_unique_constraint": 0, "_table": table.id,
        }  # fmt: skip
        told["sys.indexes"].append(key)
        told["sys.key_constraints"].append(
            {**key, "object_id": -table.id, "parent_object_id": table.id, "type": "PK", "unique_index_id": 1}
        )
        for place, one in enumerate(table.key, 1):
            number = [each.name for each in table.columns].index(one) + 1
            told["sys.index_columns"].append(
                {
                    "object_id": table.id, "index_id": 1, "index_column_id": place, "column_id": number,
                    "key_ordinal": place, "is_descending_key": 0, "is_included_column": 0, "_table": table.id,
                }
            )  # fmt: skip
