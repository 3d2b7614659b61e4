"""A database that takes T-SQL: its tables, their locks, who may do what, and the views that tell of it."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp

from tests.bridge import tsql_values as values
from tests.bridge.tsql import OutColumn, Translator, type_of
from tests.bridge.tsql_catalogue import VIEWS, ServerTable, TableColumn, catalogue, kind_of
from tests.bridge.tsql_values import COLLATIONS, INT, MAX, ServerError, SqlType, Stored
from tests.bridge.tsql_words import incorrect, statements, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Row = tuple[Stored, ...]

VERSIONS: Final[Mapping[int, tuple[int, int, int, str]]] = {
    2005: (9, 0, 5000, "2005 - 9.00.5000.00 (X64)"),
    2008: (10, 50, 6000, "2008 R2 (SP3) - 10.50.6000.34 (X64)"),
    2014: (12, 0, 6024, "2014 (SP3) - 12.0.6024.0 (X64)"),
    2019: (15, 0, 2000, "2019 (RTM) - 15.0.2000.5 (X64)"),
}
"""Major, minor, build, and what @@VERSION tells behind the program's name."""
_OPTIONS: Final = frozenset(
    {
        "ARITHABORT", "CONCAT_NULL_YIELDS_NULL", "ANSI_NULLS", "ANSI_NULL_DFLT_ON", "ANSI_PADDING",
        "ANSI_WARNINGS", "CURSOR_CLOSE_ON_COMMIT", "QUOTED_IDENTIFIER", "TEXTSIZE", "LOCK_TIMEOUT",
        "DEADLOCK_PRIORITY", "DATEFORMAT", "LANGUAGE", "NOCOUNT", "ROWCOUNT", "XACT_ABORT",
        "IMPLICIT_TRANSACTIONS", "TRANSACTION", "IDENTITY_INSERT", "DATEFIRST",
    }
)  # fmt: skip
_RIGHTS: Final = {"Insert": "INSERT", "Update": "UPDATE", "Delete": "DELETE"}


class Interrupted(Exception):
    """Whoever asked does not wait for it any more."""


@dataclass(slots=True)
class Login:
    """Who may log in, and do what."""

    name: str = "reader"
    password: str = "secret"
    may_write: bool = False
    denied: frozenset[str] = frozenset()
    """Tables that it may not read, though it sees them."""
    hidden: frozenset[str] = frozenset()
    """Tables that it has no right on at all: it does not see them either."""
    language: str = "us_english"
    """What its session speaks, where the client does not choose."""


@dataclass(slots=True)
class Answer:
    """What a statement led to."""

    word: str
    columns: list[OutColumn] | None = None
    rows: list[Row] = field(default_factory=list)
    count: int | None = None


class Database:
    """A database of one server."""

    def __init__(
        self, name: str = "zk", *, year: int = 2019, collation: str = "SQL_Latin1_General_CP1_CI_AS"
    ) -> None:
        self.name = name
        self.year = year
        self.collation = collation
        self.patience = 1.0
        """What lock timeouts are multiplied by."""
        self.changed = Condition()
        """Held while a statement runs; notified where a lock ends."""
        self.locked: set[str] = set()
        """Tables that another program has locked, as `schema.name`."""
        self._writer: Session | None = None
        self._written: set[str] = set()
        self._tables: list[ServerTable] = []
        self._ids = 1000
        self._failed: ServerError | None = None
        self.calls: Sequence[Callable[..., Stored]] = ()
        self._sqlite = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for one in COLLATIONS.values():
            self._sqlite.create_collation(one.name, _order_of(one))
        self._sqlite.create_function("call", -1, self._call, deterministic=True)
        aggregates: tuple[Any, ...] = (_DecimalSum, _DecimalMin, _DecimalMax, _WholeSum)
        for aggregate in aggregates:
            self._sqlite.create_aggregate(aggregate.name, 1, aggregate)
        self._tell()

    def close(self) -> None:
        """Let everything go."""
        self._sqlite.close()

    def run(self, text: str) -> list[Row]:
        """Run a batch as the administrator, and return the rows of its last statement."""
        session = Session(self, Login("sa", may_write=True))
        answers = [session.run(one) for one in statements(text, self.year)]
        return answers[-1].rows if answers else []

    @contextmanager
    def lock(self, table: str) -> Iterator[None]:
        """Lock a table as another program does, for writing."""
        found = self.find("", table)
        assert found is not None
        with self.changed:
            self.locked.add(found.stored)
        try:
            yield
        finally:
            with self.changed:
                self.locked.discard(found.stored)
                self.changed.notify_all()

    def same(self, one: str, other: str) -> bool:
        """Say whether two spellings are one name."""
        fold = COLLATIONS[self.collation].folded
        return fold(one) == fold(other)

    def find(self, schema: str, name: str) -> ServerTable | None:
        """Return a table or a view."""
        return next(
            (
                one
                for one in self._tables
                if self.same(one.name, name) and self.same(one.schema, schema or "dbo")
            ),
            None,
        )

    # --- SQLite ---

    def _call(self, number: int, *arguments: Stored) -> Stored:
        try:
            return self.calls[number](*arguments)
        except ServerError as error:
            self._failed = error
            raise

    def execute(self, text: str, given: Sequence[Stored] = ()) -> sqlite3.Cursor:
        """Run a statement in SQLite's words."""
        self._failed = None
        try:
            return self._sqlite.execute(text, given)
        except sqlite3.IntegrityError as error:
            if "NOT NULL" in str(error):
                raise ServerError(515, f"Cannot insert the value NULL: {error}.") from None
            raise ServerError(
                2627, "Violation of PRIMARY KEY constraint. Cannot insert duplicate key."
            ) from None
        except (sqlite3.OperationalError, OverflowError):
            if self._failed is not None:
                raise self._failed from None
            raise

    # --- locks ---

    def wait_for(self, session: Session, tables: set[str], *, writes: bool) -> None:
        """Wait until no other has a lock on tables; as long as the session's LOCK_TIMEOUT allows."""
        limit = session.lock_timeout
        end = None if limit < 0 else time.monotonic() + limit / 1000 * self.patience
        while self._is_busy(session, tables, writes=writes):
            if session.interrupted():
                raise Interrupted
            if end is not None and time.monotonic() >= end:
                raise ServerError(1222, "Lock request time out period exceeded.")
            self.changed.wait(0.02)

    def _is_busy(self, session: Session, tables: set[str], *, writes: bool) -> bool:
        if tables & self.locked:
            return True
        other = self._writer is not None and self._writer is not session
        return other and (writes or bool(tables & self._written))

    def begin_writing(self, session: Session, table: ServerTable) -> None:
        """Make what a session writes part of its transaction, if it has one."""
        if session.transactions:
            if self._writer is None:
                self._sqlite.execute("BEGIN")
                self._writer = session
            self._written.add(table.stored)

    def end_writing(self, session: Session, word: str) -> None:
        """Commit or roll back what a session wrote, and let others in."""
        with self.changed:
            if self._writer is session:
                self._sqlite.execute(word)
                self._writer = None
                self._written.clear()
                self.changed.notify_all()

    # --- tables ---

    def create(self, node: exp.Create) -> None:
        """CREATE TABLE, CREATE VIEW."""
        target = node.this.this if isinstance(node.this, exp.Schema) else node.this
        if self.find(target.db, target.name) is not None:
            raise ServerError(2714, f"There is already an object named '{target.name}' in the database.")
        self._ids += 1
        made = ServerTable(self._ids, target.db or "dbo", target.name)
        if node.kind == "VIEW":
            made.query = node.expression
            shown = Translator(Session(self, Login("sa", may_write=True))).query(made.query, top=False)
            made.columns = [TableColumn(one.name, one.kind) for one in shown.columns]
        elif node.kind == "TABLE":
            self._create_table(made, node.this.expressions)
        else:
            raise unknown(f"CREATE {node.kind}")
        self._tables.append(made)
        self._tell()

    def _create_table(self, made: ServerTable, parts: Sequence[exp.Expr]) -> None:
        for one in parts:
            if isinstance(one, exp.ColumnDef):
                column, is_key = self._column(one)
                made.columns.append(column)
                if is_key:
                    made.key = (column.name,)
            elif isinstance(one, (exp.Constraint, exp.PrimaryKey)):
                key = one.find(exp.PrimaryKey)
                if key is not None:
                    made.key = tuple(each.name for each in key.find_all(exp.Column))
            else:
                raise unknown(one.sql("tsql"))
        for column in made.columns:
            if column.identity:
                made.next_identity = column.identity[0]
        declared = [_declared(one) for one in made.columns]
        made.key = tuple(self._spelled(made, one) for one in made.key)
        if made.key:
            declared.append(f"PRIMARY KEY ({', '.join(map(_quoted, made.key))})")
        self.execute(f"CREATE TABLE {made.stored} ({', '.join(declared)})")

    def _spelled(self, table: ServerTable, name: str) -> str:
        return next(one.name for one in table.columns if self.same(one.name, name))

    def _column(self, node: exp.ColumnDef) -> tuple[TableColumn, bool]:
        assert isinstance(node.kind, exp.DataType)
        kind = replace(type_of(node.kind, self.year, self.collation), strength=1)
        made = TableColumn(node.name, kind)
        is_key = False
        for one in node.constraints:
            what = one.kind
            if isinstance(what, exp.NotNullColumnConstraint):
                made = replace(made, kind=replace(made.kind, nullable=bool(what.args.get("allow_null"))))
            elif isinstance(what, exp.PrimaryKeyColumnConstraint):
                made, is_key = replace(made, kind=replace(made.kind, nullable=False)), True
            elif isinstance(what, exp.GeneratedAsIdentityColumnConstraint):
                first, step = what.args.get("start"), what.args.get("increment")
                made = replace(
                    made,
                    identity=(int(first.name) if first else 1, int(step.name) if step else 1),
                    kind=replace(made.kind, nullable=False),
                )
            elif isinstance(what, exp.AutoIncrementColumnConstraint):
                made = replace(made, identity=(1, 1), kind=replace(made.kind, nullable=False))
            elif isinstance(what, exp.DefaultColumnConstraint):
                value = what.this.unnest()
                if isinstance(value, exp.CurrentTimestamp):
                    made = replace(made, now=True)
                else:
                    given = value.name if getattr(value, "is_string", False) else int(value.sql("tsql"))
                    made = replace(made, default=given)
            elif isinstance(what, exp.CollateColumnConstraint):
                made = replace(made, kind=replace(made.kind, collation=what.this.name))
            else:
                raise unknown(one.sql("tsql"))
        return made, is_key

    def drop(self, node: exp.Drop) -> None:
        """DROP TABLE, DROP VIEW."""
        for target in node.args["tables"]:
            found = self.find(target.db, target.name)
            if found is None:
                raise ServerError(
                    3701, f"Cannot drop the table '{target.name}', because it does not exist.", 11
                )
            self._tables.remove(found)
            if found.query is None:
                self.execute(f"DROP TABLE {found.stored}")
        self._tell()

    # --- what tells of the tables ---

    def _tell(self) -> None:
        """Write down what the catalogue's views tell."""
        for name, rows in catalogue(self.name, self._tables).items():
            columns = VIEWS[name].split()
            self.execute(f'DROP TABLE IF EXISTS "{name}"')
            told = [f"{_quoted(one)} {_affinity(kind_of(name, one, self.collation))}" for one in columns]
            self.execute(f'CREATE TABLE "{name}" ({", ".join([*told, "_table"])})')
            marks = ", ".join("?" * (len(columns) + 1))
            for row in rows:
                self.execute(f'INSERT INTO "{name}" VALUES ({marks})', row)  # noqa: S608 - names of our own

    def views_for(self, session: Session, name: str) -> tuple[str, list[OutColumn]] | None:
        """Return a view of the catalogue, without what a login does not see."""
        known = next((one for one in VIEWS if self.same(one, name)), None)
        if known is None:
            return None
        columns = [OutColumn(one, kind_of(known, one, self.collation)) for one in VIEWS[known].split()]
        hidden = [one.id for one in self._tables if session.is_among(one, session.login.hidden)]
        numbers = ", ".join(map(str, hidden))
        where = f"_table IS NULL OR _table NOT IN ({numbers})"
        return f'(SELECT * FROM "{known}" WHERE {where})', columns  # noqa: S608 - names of our own


class Session:
    """What one connection has set, and may do. It knows the names for a `Translator`."""

    def __init__(self, database: Database, login: Login, number: int = 51, language: str = "") -> None:
        self.database = database
        self.login = login
        self.number = number
        self.transactions = 0
        self.lock_timeout = -1
        """Milliseconds; -1: for ever."""
        self.settings: dict[str, str] = {}
        self.interrupted: Callable[[], bool] = lambda: False
        self._speak(language or login.language)
        self._identity_insert: str | None = None
        self._touched: set[str] = set()
        self._inside = 0

    def _speak(self, language: str) -> None:
        self.settings["LANGUAGE"] = language
        english = language.lower().strip("'\"[]") in {"us_english", "english"}
        self.ydm = not english

    @property
    def year(self) -> int:
        """The year of the server."""
        return self.database.year

    @property
    def collation(self) -> str:
        """The database's collation."""
        return self.database.collation

    def same(self, one: str, other: str) -> bool:
        """Say whether two spellings are one name."""
        return self.database.same(one, other)

    def is_among(self, table: ServerTable, names: frozenset[str]) -> bool:
        """Say whether a table is one of some names."""
        return any(
            one.lower() in {table.name.lower(), f"{table.schema}.{table.name}".lower()} for one in names
        )

    # --- names ---

    def table(self, schema: str, name: str) -> tuple[str, Sequence[OutColumn]] | exp.Query | None:
        """Return SQLite's words for a table and its columns, a view's query, or None."""
        found = self.database.find(schema, name)
        if found is None:
            return self._session_view(schema, name) or self.database.views_for(self, f"{schema}.{name}")
        self._may(found, "SELECT")
        if found.query is not None:
            return found.query
        self._touched.add(found.stored)
        return found.stored, [OutColumn(one.name, one.kind) for one in found.columns]

    def _session_view(self, schema: str, name: str) -> tuple[str, Sequence[OutColumn]] | None:
        if (schema.lower(), name.lower()) != ("sys", "dm_exec_sessions"):
            return None
        columns = [
            OutColumn("session_id", SqlType("smallint")),
            OutColumn("transaction_isolation_level", INT),
        ]
        return f"(SELECT {self.number} AS session_id, 2 AS transaction_isolation_level)", columns

    def _may(self, table: ServerTable, right: str) -> None:
        if not self.has(table, right):
            raise ServerError(
                229,
                f"The {right} permission was denied on the object '{table.name}', database "
                f"'{self.database.name}', schema '{table.schema}'.",
                14,
            )

    def has(self, table: ServerTable, right: str) -> bool:
        """Say whether the login has a right on a table."""
        if self.login.name == "sa":
            return True
        if self.is_among(table, self.login.hidden):
            return False
        if right == "SELECT":
            return not self.is_among(table, self.login.denied)
        return self.login.may_write

    def told(self, name: str, arguments: Sequence[Stored]) -> tuple[Stored, SqlType]:
        """Return what a function tells of the session and its rights."""
        text = SqlType("nvarchar", 300, collation=self.collation)
        major, minor, build, words = VERSIONS[self.year]
        plain: dict[str, tuple[Stored, SqlType]] = {
            "@@version": (f"Microsoft SQL Server {words} \n\tStand-in of zkpoll's tests", text),
            "@@spid": (self.number, SqlType("smallint")),
            "@@trancount": (self.transactions, INT),
            "@@lock_timeout": (self.lock_timeout, INT),
            "@@servername": ("STANDIN", text),
            "@@language": (self.settings["LANGUAGE"], text),
            "db_name": (self.database.name, text),
            "user_name": ("dbo" if self.login.name == "sa" else self.login.name, text),
            "suser_sname": (self.login.name, text),
            "original_login": (self.login.name, text),
            "getdate": (values.stored_time(datetime.now(), "0", values.DATETIME), values.DATETIME),
            "is_srvrolemember": (int(self.login.name == "sa"), INT),
            "is_member": (int(self.login.name == "sa" or self.login.may_write), INT),
        }
        if name in plain:
            return plain[name]
        if name == "schema_name":
            return ({1: "dbo"}.get(int(arguments[0] or 0)) if arguments else "dbo"), text
        if name == "serverproperty":
            version = f"{major}.{minor}.{build}.0"
            told = {
                "productversion": version,
                "collation": self.collation,
                "edition": "Express Edition (64-bit)",
            }
            return told.get(str(arguments[0]).lower()), text
        if name == "object_id":
            found = self._object(str(arguments[0]))
            return (found.id if found else None), INT
        if name == "has_perms_by_name":
            return self._has_perms(arguments), INT
        raise unknown(name)

    def _object(self, name: str) -> ServerTable | None:
        schema, _, table = name.replace("[", "").replace("]", "").rpartition(".")
        found = self.database.find(schema.rpartition(".")[2], table)
        return None if found is None or self.is_among(found, self.login.hidden) else found

    def _has_perms(self, arguments: Sequence[Stored]) -> int | None:
        name, sort, right = (*arguments, None, None)[:3]
        if name is None or str(sort).upper() == "DATABASE":
            return int(self.login.name == "sa" or (self.login.may_write and str(right).upper() != "CONTROL"))
        found = self._object(str(name))
        rights = {"SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "CONTROL", "ANY"}
        if found is None or str(sort).upper() != "OBJECT" or str(right).upper() not in rights:
            return None
        return int(self.has(found, str(right).upper()))

    # --- statements ---

    def run(self, node: exp.Expr) -> Answer:
        """Run a statement. Raise `ServerError`, `Interrupted`."""
        self._touched = set()
        with self.database.changed:
            if isinstance(node, exp.Query):
                return self._select(node)
            if isinstance(node, (exp.Insert, exp.Update, exp.Delete)):
                return self._write(node)
            if isinstance(node, (exp.Create, exp.Drop)):
                return self._define(node)
        return self._steer(node)

    def _define(self, node: exp.Create | exp.Drop) -> Answer:
        if not self.login.may_write:
            raise ServerError(
                262, f"{node.key.upper()} permission denied in database '{self.database.name}'.", 14
            )
        if isinstance(node, exp.Create):
            self.database.create(node)
        else:
            self.database.drop(node)
        return Answer(node.key.upper())

    def _steer(self, node: exp.Expr) -> Answer:
        """Do what touches no table: transactions, settings, USE."""
        if isinstance(node, exp.Transaction):
            self.transactions += 1
            return Answer("BEGIN")
        if isinstance(node, (exp.Commit, exp.Rollback)):
            word = "COMMIT" if isinstance(node, exp.Commit) else "ROLLBACK"
            if not self.transactions:
                number = 3902 if word == "COMMIT" else 3903
                raise ServerError(
                    number, f"The {word} TRANSACTION request has no corresponding BEGIN TRANSACTION."
                )
            self.transactions = self.transactions - 1 if word == "COMMIT" else 0
            if not self.transactions:
                self.database.end_writing(self, word)
            return Answer(word)
        if isinstance(node, exp.Set) or (isinstance(node, exp.Command) and node.name.upper() == "SET"):
            self._set(node.sql("tsql"))
            return Answer("SET")
        if isinstance(node, exp.Use):
            if not self.same(node.this.name, self.database.name):
                raise ServerError(
                    911,
                    f"Database '{node.this.name}' does not exist. Make sure that the name is "
                    "entered correctly.",
                )
            return Answer("USE")
        if isinstance(node, exp.Execute):
            raise ServerError(2812, f"Could not find stored procedure '{node.this.name}'.")
        raise unknown(f"{type(node).__name__}: {node.sql('tsql')}")

    def _set(self, text: str) -> None:
        parts = re.sub(r"[=;]", " ", text).split()[1:]
        name = parts[0].upper()
        if name not in _OPTIONS:
            raise ServerError(195, f"'{name}' is not a recognized SET option.", 15)
        self.settings[name] = " ".join(parts[1:])
        if name == "LOCK_TIMEOUT":
            self.lock_timeout = int(parts[1])
        elif name == "LANGUAGE":
            self._speak(parts[1])
        elif name == "DATEFORMAT":
            self.ydm = parts[1].lower() in {"dmy", "ydm"}
        elif name == "IDENTITY_INSERT":
            self._identity_insert = parts[1] if parts[2].upper() == "ON" else None

    def _select(self, node: exp.Query) -> Answer:
        if node.args.get("into"):
            raise ServerError(262, f"CREATE TABLE permission denied in database '{self.database.name}'.", 14)
        translator = Translator(self)
        made = translator.query(node)
        if not _reads_past(node):
            self.database.wait_for(self, self._touched, writes=False)
        self.database.calls = translator.calls
        rows = self.database.execute(made.sql).fetchall()
        return Answer("SELECT", made.columns, rows, len(rows))

    def _write(self, node: exp.Insert | exp.Update | exp.Delete) -> Answer:
        target = node.this.this if isinstance(node.this, exp.Schema) else node.this
        table = self.database.find(target.db, target.name)
        if table is None or table.query is not None:
            raise ServerError(208, f"Invalid object name '{target.name}'.")
        self._may(table, _RIGHTS[type(node).__name__])
        self.database.wait_for(self, {table.stored}, writes=True)
        if isinstance(node, exp.Insert):
            rows = self._inserted(node, table)
            self.database.begin_writing(self, table)
            marks = ", ".join("?" * len(table.columns))
            for row in rows:
                self.database.execute(f"INSERT INTO {table.stored} VALUES ({marks})", row)  # noqa: S608 - names of our own
            return Answer("INSERT", count=len(rows))
        translator = Translator(self)
        pick = exp.select("*").from_(target.copy())
        if node.args.get("where"):
            pick.set("where", node.args["where"].copy())
        changes = node.expressions if isinstance(node, exp.Update) else []
        columns = [self._own_column(table, one.this.name) for one in changes]
        for one, column in zip(changes, columns, strict=True):
            pick.select(exp.alias_(one.expression.copy(), f"new {column.name}"), copy=False)
        made = translator.query(pick)
        self.database.calls = translator.calls
        picked = self.database.execute(re.sub(r"^SELECT ", "SELECT r1.rowid, ", made.sql)).fetchall()
        kinds = [one.kind for one in made.columns[len(table.columns) :]]
        self.database.begin_writing(self, table)
        for row in picked:
            if isinstance(node, exp.Delete):
                self.database.execute(f"DELETE FROM {table.stored} WHERE rowid = ?", row[:1])  # noqa: S608 - names of our own
                continue
            given = row[1 + len(table.columns) :]
            fresh = [self._fitting(*one) for one in zip(given, kinds, columns, strict=True)]
            told = ", ".join(f"{_quoted(one.name)} = ?" for one in columns)
            self.database.execute(f"UPDATE {table.stored} SET {told} WHERE rowid = ?", [*fresh, row[0]])  # noqa: S608 - names of our own
        return Answer(type(node).__name__.upper(), count=len(picked))

    def _own_column(self, table: ServerTable, name: str) -> TableColumn:
        found = next((one for one in table.columns if self.same(one.name, name)), None)
        if found is None:
            raise ServerError(207, f"Invalid column name '{name}'.")
        return found

    def _inserted(self, node: exp.Insert, table: ServerTable) -> list[list[Stored]]:
        """Return the rows to insert, as they are kept."""
        names = [one.name for one in node.this.expressions] if isinstance(node.this, exp.Schema) else []
        told = [self._own_column(table, one) for one in names]
        with_identity = self._identity_insert is not None and self.same(
            self._identity_insert.rpartition(".")[2].strip("[]"), table.name
        )
        if not told:
            told = [one for one in table.columns if with_identity or not one.identity]
        if any(one.identity for one in told) and not with_identity:
            raise ServerError(
                544,
                f"Cannot insert explicit value for identity column in table '{table.name}' when "
                "IDENTITY_INSERT is set to OFF.",
            )
        if not isinstance(node.expression, exp.Values):
            raise unknown("INSERT without VALUES")
        if len(node.expression.expressions) > 1 and self.year < 2008:
            raise incorrect(",")
        return [self._inserted_row(one, table, told) for one in node.expression.expressions]

    def _inserted_row(self, node: exp.Expr, table: ServerTable, told: Sequence[TableColumn]) -> list[Stored]:
        if len(node.expressions) != len(told):
            raise ServerError(110, "The number of columns and values of the INSERT statement must match.")
        translator = Translator(self)
        made = translator.query(exp.select(*(one.copy() for one in node.expressions)))
        self.database.calls = translator.calls
        given = self.database.execute(made.sql).fetchone()
        fresh = {
            column.name: self._fitting(value, out.kind, column)
            for value, out, column in zip(given, made.columns, told, strict=True)
        }
        row: list[Stored] = []
        for column in table.columns:
            if column.name in fresh:
                value = fresh[column.name]
                if column.identity and isinstance(value, int):
                    table.next_identity = max(table.next_identity, value + column.identity[1])
            elif column.identity:
                value = table.next_identity
                table.next_identity += column.identity[1]
            elif column.now:
                value = self.told("getdate", [])[0]
            else:
                value = column.default
            row.append(value)
        return row

    def _fitting(self, value: Stored, kind: SqlType, column: TableColumn) -> Stored:
        """Return a value as a column keeps it. Text that is too long is refused, not cut."""
        bounded = kind.is_text and column.kind.is_text and column.kind.length != MAX
        if bounded and value is not None and len(str(value).rstrip(" ")) > column.kind.length:
            raise ServerError(8152, "String or binary data would be truncated.")
        return values.converted(value, kind, column.kind, ydm=self.ydm)


def _reads_past(node: exp.Expr) -> bool:
    hints = {one.name.upper() for hint in node.find_all(exp.WithTableHint) for one in hint.expressions}
    return bool(hints & {"NOLOCK", "READUNCOMMITTED", "READPAST"})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _affinity(kind: SqlType) -> str:
    if kind.is_text:
        return f'TEXT COLLATE "{kind.collation}"'
    if kind.is_whole:
        return "INTEGER"
    return "REAL" if kind.name in {"float", "real"} else "BLOB" if kind.is_binary else "TEXT"


def _declared(column: TableColumn) -> str:
    return f"{_quoted(column.name)} {_affinity(column.kind)}{'' if column.kind.nullable else ' NOT NULL'}"


def _order_of(collation: values.Collation) -> Callable[[str, str], int]:
    def order(one: str, other: str) -> int:
        left, right = collation.folded(one), collation.folded(other)
        return (left > right) - (left < right)

    return order


class _DecimalSum:
    """The sum of decimals, exact."""

    name = "decimal_sum"

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, value: str | None) -> None:
        if value is not None:
            self._total = values.WIDE.add(self._total or Decimal(0), Decimal(value))

    def finalize(self) -> str | None:
        return None if self._total is None else f"{self._total:f}"


class _WholeSum:
    """The sum of whole numbers, of any size."""

    name = "whole_sum"

    def __init__(self) -> None:
        self._total: int | None = None

    def step(self, value: int | None) -> None:
        if value is not None:
            self._total = (self._total or 0) + value

    def finalize(self) -> int | str | None:
        return self._total if self._total is None or abs(self._total) < 2**63 else str(self._total)


class _DecimalMin:
    """The smallest of decimals."""

    name = "decimal_min"

    def __init__(self) -> None:
        self._values: list[str] = []

    def step(self, value: str | None) -> None:
        if value is not None:
            self._values.append(value)

    def finalize(self) -> str | None:
        return min(self._values, key=Decimal, default=None)


class _DecimalMax(_DecimalMin):
    """The largest of decimals."""

    name = "decimal_max"

    def finalize(self) -> str | None:
        return max(self._values, key=Decimal, default=None)
