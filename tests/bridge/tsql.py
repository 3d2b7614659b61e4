"""Queries in T-SQL, taken seriously: each expression has a type, and SQLite does the rest.

    statement ──▶ Translator ──▶ Translation: SQLite's text, the names and types of what comes out

It knows what SQL Server minds: names that there are, columns outside of GROUP BY, conditions in the place of
values, whole numbers that overflow, text that is compared without case. What it does not know it refuses in
error 50000, which is ours: nothing is guessed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlglot import exp

from tests.bridge import tsql_values as values
from tests.bridge.tsql_values import (
    BIGINT,
    COLLATIONS,
    DATETIME,
    FLOAT,
    INT,
    MAX,
    NULL,
    ServerError,
    SqlType,
    Stored,
)
from tests.bridge.tsql_words import incorrect, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Call = Callable[..., Stored]


@dataclass(frozen=True, slots=True)
class Value:
    """An expression in SQLite's words, with its type."""

    sql: str
    kind: SqlType


@dataclass(frozen=True, slots=True)
class OutColumn:
    """A column that comes out of a query."""

    name: str
    kind: SqlType


@dataclass(frozen=True, slots=True)
class Relation:
    """Something to select from."""

    names: tuple[str, ...]
    """What its columns may be qualified by: its alias, or the table's name with and without its schema."""
    alias: str
    """What it is called in SQLite's words."""
    columns: Sequence[OutColumn]
    sql: str


class Names(Protocol):
    """Who knows the tables and the session."""

    ydm: bool
    """Whether dates such as 2026-22-11 are read year, day, month."""

    @property
    def year(self) -> int:
        """The year of the server."""

    @property
    def collation(self) -> str:
        """The database's collation."""

    def table(self, schema: str, name: str) -> tuple[str, Sequence[OutColumn]] | exp.Query | None:
        """Return SQLite's words for a table and its columns, a view's query, or None.

        Raise where the login may not read it.
        """

    def told(self, name: str, arguments: Sequence[Stored]) -> tuple[Stored, SqlType]:
        """Return what a function tells of the session and its rights."""

    def same(self, one: str, other: str) -> bool:
        """Say whether two spellings are one name."""


@dataclass(slots=True)
class Scope:
    """The relations that an expression sees, the query around it included."""

    relations: list[Relation] = field(default_factory=list)
    outer: Scope | None = None
    groups: list[exp.Expr] | None = None
    """What the query groups by; None where it does not."""
    inside: bool = False
    """Whether the expression is inside of an aggregate."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A query in SQLite's words."""

    sql: str
    columns: list[OutColumn]


_TYPES: Final[Mapping[str, str]] = {
    "BIT": "bit", "UTINYINT": "tinyint", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint",
    "DECIMAL": "decimal", "FLOAT": "float", "DOUBLE": "float", "CHAR": "char", "VARCHAR": "varchar",
    "NCHAR": "nchar", "NVARCHAR": "nvarchar", "TEXT": "text", "DATE": "date", "TIME": "time",
    "DATETIME": "datetime", "DATETIME2": "datetime2", "SMALLDATETIME": "smalldatetime", "BINARY": "binary",
    "VARBINARY": "varbinary", "IMAGE": "image",
}  # fmt: skip
_OPERATORS: Final[Mapping[type[exp.Expr], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: Final = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_CONDITIONS: Final = (
    *_OPERATORS, exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Like, exp.Is, exp.Exists, exp.Escape
)  # fmt: skip
_NOT_COMPARED: Final = frozenset({"text", "ntext", "image"})
_AGGREGATES: Final = (exp.Count, exp.Sum, exp.Min, exp.Max, exp.Avg)


def type_of(node: exp.DataType, year: int, collation: str, *, cast: bool = False) -> SqlType:
    """Given the name of a type, return it. Where no length is told, casts mean 30, columns 1."""
    word = node.this.name if isinstance(node.this, exp.DataType.Type) else str(node.this)
    name = _TYPES.get(word)
    if name is None or (year < 2008 and name in values.SINCE_2008):
        raise ServerError(243, f"Type {node.sql('tsql').lower()} is not a defined system type.")
    sizes = [one.name.upper() for one in node.expressions]
    if name == "decimal":
        return SqlType(
            name, precision=int(sizes[0]) if sizes else 18, scale=int(sizes[1]) if sizes[1:] else 0
        )
    if name in {"datetime2", "time"}:
        return SqlType(name, scale=int(sizes[0]) if sizes else 7)
    if name in {"text", "image"}:
        return SqlType(name, MAX, collation=collation if name == "text" else "")
    if name in values.TEXTS or name in values.BINARIES:
        length = MAX if sizes == ["MAX"] else int(sizes[0]) if sizes else 30 if cast else 1
        return SqlType(name, length, collation=collation if name in values.TEXTS else "")
    return SqlType(name)


class Translator:
    """Translates queries for one session."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.calls: list[Call] = []
        """What SQLite calls back, by number: `call(3, …)`."""
        self._aliases = 0
        self._ctes: dict[str, Sequence[OutColumn]] = {}

    # --- queries ---

    def query(self, node: exp.Expr, outer: Scope | None = None, *, top: bool = True) -> Translation:
        """Translate a SELECT or a UNION of them. `top`: whether it is no part of another one."""
        if isinstance(node, exp.Subquery):
            node = node.this
        with_ = node.args.get("with_")
        prefix = ""
        if with_ is not None:
            parts = []
            for cte in with_.expressions:
                made = self.query(cte.this, outer, top=False)
                self._ctes[cte.alias.lower()] = self._named(made.columns, cte.alias)
                parts.append(f"{_quoted(cte.alias.lower())} AS ({made.sql})")
            prefix = f"WITH {', '.join(parts)} "
        if isinstance(node, exp.SetOperation):
            left, right = (self.query(one, outer, top=False) for one in (node.left, node.right))
            if len(left.columns) != len(right.columns):
                raise ServerError(
                    205,
                    "All queries combined using a UNION, INTERSECT or EXCEPT operator must "
                    "have an equal number of expressions in their target lists.",
                )
            columns = [
                OutColumn(one.name, values.common(one.kind, other.kind))
                for one, other in zip(left.columns, right.columns, strict=True)
            ]
            word = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}[type(node)]
            every = " ALL" if not node.args.get("distinct") else ""
            order = self._union_order(node, columns)
            return Translation(f"{prefix}{left.sql} {word}{every} {right.sql}{order}", columns)
        if not isinstance(node, exp.Select):
            raise unknown(type(node).__name__)
        made = self._select(node, outer, top=top)
        return Translation(prefix + made.sql, made.columns)

    def _union_order(self, node: exp.Expr, columns: Sequence[OutColumn]) -> str:
        order = node.args.get("order")
        if order is None:
            return ""
        places = []
        for one in order.expressions:
            name = one.this.name
            place = next((n for n, c in enumerate(columns, 1) if self._names.same(c.name, name)), None)
            if place is None:
                raise ServerError(207, f"Invalid column name '{name}'.")
            places.append(f"{place}{' DESC' if one.args.get('desc') else ''}")
        return f" ORDER BY {', '.join(places)}"

    def _select(self, node: exp.Select, outer: Scope | None, *, top: bool) -> Translation:
        scope = Scope(outer=outer)
        source = self._from(node, scope)
        where = node.args.get("where")
        tail = f" WHERE {self.condition(where.this, scope)}" if where is not None else ""
        having = node.args.get("having")
        tail += self._groups(node, scope)
        columns: list[OutColumn] = []
        parts: list[str] = []
        for one in node.expressions:
            for name, value in self._shown(one, scope):
                columns.append(OutColumn(name, value.kind))
                parts.append(value.sql)
        if not top:
            self._named(columns, "")
        if having is not None:
            tail += f" HAVING {self.condition(having.this, scope)}"
        tail += self._order_and_limit(node, columns, parts, scope, top=top)
        for word in ("laterals", "windows", "qualify", "pivots", "match", "locks", "sample", "into", "for_"):
            if node.args.get(word):
                raise unknown(f"SELECT with {word}")
        distinct = ""
        if node.args.get("distinct") is not None:
            distinct = "DISTINCT "
            parts = [
                f"{one} {self._collate(column.kind)}" for one, column in zip(parts, columns, strict=True)
            ]
        text = ", ".join(
            f"{one} AS {_quoted(column.name or f'column {n}')}"
            for n, (one, column) in enumerate(zip(parts, columns, strict=True))
        )
        return Translation(f"SELECT {distinct}{text}{source}{tail}", columns)

    def _groups(self, node: exp.Select, scope: Scope) -> str:
        """Tell the scope what the query groups by, and return SQLite's words for it."""
        group = node.args.get("group")
        if group is None:
            if node.args.get("having") is not None or any(_aggregates(one) for one in node.expressions):
                scope.groups = []
            return ""
        scope.groups = list(group.expressions)
        return f" GROUP BY {', '.join(self._group(one, scope) for one in group.expressions)}"

    def _order_and_limit(
        self,
        node: exp.Select,
        columns: Sequence[OutColumn],
        parts: Sequence[str],
        scope: Scope,
        *,
        top: bool,
    ) -> str:
        order, limit, offset = (node.args.get(one) for one in ("order", "limit", "offset"))
        if order is not None and not top and limit is None:
            raise ServerError(
                1033,
                "The ORDER BY clause is invalid in views, inline functions, derived tables, subqueries, and "
                "common table expressions, unless TOP or FOR XML is also specified.",
                15,
            )
        made = f" ORDER BY {self._order(order, columns, parts, scope)}" if order is not None else ""
        return made + self._limit(limit, offset, ordered=order is not None)

    def _limit(self, limit: exp.Expr | None, offset: exp.Expr | None, *, ordered: bool) -> str:
        pages = offset is not None or isinstance(limit, exp.Fetch)
        if pages and (self._names.year < 2012 or not ordered):
            raise incorrect("OFFSET" if offset is not None else "FETCH")
        count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit and limit.expression
        if isinstance(limit, exp.Limit) and (
            limit.args.get("limit_options") or not isinstance(count, exp.Literal)
        ):
            raise unknown("TOP with anything but a number")
        text = f" LIMIT {int(count.name)}" if isinstance(count, exp.Literal) else ""
        if offset is not None:
            text = (text or " LIMIT -1") + f" OFFSET {int(offset.expression.name)}"
        return text

    def _order(
        self, order: exp.Expr, columns: Sequence[OutColumn], parts: Sequence[str], scope: Scope
    ) -> str:
        made = []
        for one in order.expressions:
            node = one.this
            place = None
            if isinstance(node, exp.Literal) and not node.is_string:
                place = int(node.name) - 1
                if not 0 <= place < len(columns):
                    raise ServerError(
                        108,
                        f"The ORDER BY position number {node.name} is out of range of the "
                        "number of items in the select list.",
                    )
            elif isinstance(node, exp.Column) and not node.table:
                named = [n for n, each in enumerate(columns) if self._names.same(each.name, node.name)]
                place = named[0] if named else None
            value = Value(parts[place], columns[place].kind) if place is not None else self.value(node, scope)
            made.append(f"{value.sql} {self._collate(value.kind)}{' DESC' if one.args.get('desc') else ''}")
        return ", ".join(made)

    def _group(self, node: exp.Expr, scope: Scope) -> str:
        if not any(node.find_all(exp.Column)):
            raise ServerError(
                164,
                "Each GROUP BY expression must contain at least one column that is not an outer reference.",
                15,
            )
        if any(_aggregates(node)):
            raise ServerError(
                144,
                "Cannot use an aggregate or a subquery in an expression used for the group by "
                "list of a GROUP BY clause.",
                15,
            )
        value = self.value(node, Scope(scope.relations, scope.outer))
        return f"{value.sql} {self._collate(value.kind)}"

    def _shown(self, node: exp.Expr, scope: Scope) -> list[tuple[str, Value]]:
        if isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star)):
            qualifier = node.table if isinstance(node, exp.Column) else ""
            relations = [one for one in scope.relations if not qualifier or self._is(one, [qualifier])]
            if not relations or scope.groups is not None:
                raise unknown("this *")
            return [
                (column.name, Value(f"{one.alias}.{_quoted(column.name)}", column.kind))
                for one in relations
                for column in one.columns
            ]
        inner = node.unalias()
        name = node.alias or (inner.name if isinstance(inner, exp.Column) else "")
        return [(name, self.value(inner, scope))]

    @staticmethod
    def _named(columns: Sequence[OutColumn], table: str) -> Sequence[OutColumn]:
        """Return the columns of a derived table, which all need a name of their own."""
        if table:
            for number, one in enumerate(columns, 1):
                if not one.name:
                    raise ServerError(8155, f"No column name was specified for column {number} of '{table}'.")
            names = [one.name.lower() for one in columns]
            for name in names:
                if names.count(name) > 1:
                    raise ServerError(
                        8156, f"The column '{name}' was specified multiple times for '{table}'."
                    )
        return columns

    # --- from ---

    def _from(self, node: exp.Select, scope: Scope) -> str:
        first = node.args.get("from_")
        if first is None:
            return ""
        text = f" FROM {self._relation(first.this, scope)}"
        for join in [*first.this.args.get("joins", []), *node.args.get("joins", [])]:
            side, kind = (join.args.get("side") or "").upper(), (join.args.get("kind") or "").upper()
            if (
                side not in {"", "LEFT"}
                or kind not in {"", "INNER", "OUTER", "CROSS"}
                or join.args.get("method")
            ):
                raise unknown(f"{side} {kind} JOIN")
            before = len(scope.relations)
            relation = self._relation(join.this, scope)
            on = join.args.get("on")
            if on is None:
                if kind != "CROSS" and side:
                    raise incorrect("JOIN")
                text += f" CROSS JOIN {relation}"
                continue
            text += f" {'LEFT ' if side else ''}JOIN {relation} ON {self.condition(on, scope)}"
            if side:
                for n in range(before, len(scope.relations)):
                    one = scope.relations[n]
                    loose = [OutColumn(c.name, replace(c.kind, nullable=True)) for c in one.columns]
                    scope.relations[n] = replace(one, columns=loose)
        return text

    def _relation(self, node: exp.Expr, scope: Scope) -> str:
        self._aliases += 1
        alias = f"r{self._aliases}"
        if isinstance(node, exp.Subquery):
            if not node.alias:
                raise incorrect(")")
            made = self.query(node.this, scope.outer, top=False)
            relation = Relation((node.alias,), alias, self._named(made.columns, node.alias), f"({made.sql})")
        elif isinstance(node, exp.Table) and isinstance(node.this, exp.Anonymous):
            if node.this.name.lower() != "fn_listextendedproperty":
                raise ServerError(208, f"Invalid object name '{node.this.name}'.")
            relation = Relation(("fn",), alias, [], "(SELECT 1 WHERE 0)")
        elif isinstance(node, exp.Table):
            relation = self._table(node, alias)
        else:
            raise unknown(type(node).__name__)
        scope.relations.append(relation)
        return f"{relation.sql} AS {alias}"

    def _table(self, node: exp.Table, alias: str) -> Relation:
        columns = self._ctes.get(node.name.lower()) if not node.db else None
        if columns is not None:
            return Relation((node.alias or node.name,), alias, columns, _quoted(node.name.lower()))
        found = self._names.table(node.db, node.name)
        if found is None:
            whole = ".".join(one for one in (node.catalog, node.db, node.name) if one)
            raise ServerError(208, f"Invalid object name '{whole}'.")
        names = (node.alias,) if node.alias else (node.name, f"{node.db or 'dbo'}.{node.name}")
        if isinstance(found, exp.Query):
            made = self.query(found, top=False)
            return Relation(names, alias, self._named(made.columns, node.name), f"({made.sql})")
        return Relation(names, alias, found[1], found[0])

    def _is(self, relation: Relation, qualifier: Sequence[str]) -> bool:
        return any(self._names.same(".".join(qualifier), one) for one in relation.names)

    def _column(self, node: exp.Column, scope: Scope) -> Value:
        name = node.name
        qualifier = [one for one in (node.db, node.table) if one]
        each: Scope | None = scope
        while each is not None:
            near = [one for one in each.relations if not qualifier or self._is(one, qualifier)]
            found = [
                (one, column) for one in near for column in one.columns if self._names.same(column.name, name)
            ]
            if len(found) > 1:
                raise ServerError(209, f"Ambiguous column name '{name}'.")
            if found:
                relation, column = found[0]
                if each.groups is not None and not each.inside and not self._in_groups(node, each):
                    raise ServerError(
                        8120,
                        f"Column '{relation.names[-1]}.{name}' is invalid in the select list because it is "
                        "not contained in either an aggregate function or the GROUP BY clause.",
                    )
                return Value(f"{relation.alias}.{_quoted(column.name)}", column.kind)
            if qualifier and near:
                break
            each = each.outer
        if qualifier and not self._sees(qualifier, scope):
            raise ServerError(
                4104, f'The multi-part identifier "{".".join([*qualifier, name])}" could not be bound.'
            )
        raise ServerError(207, f"Invalid column name '{name}'.")

    def _sees(self, qualifier: Sequence[str], scope: Scope | None) -> bool:
        while scope is not None:
            if any(self._is(one, qualifier) for one in scope.relations):
                return True
            scope = scope.outer
        return False

    def _in_groups(self, node: exp.Expr, scope: Scope) -> bool:
        """Say whether an expression, or one around it in the same query, is one that the query groups by."""
        told = {one.sql("tsql", normalize=True, identify=True).lower() for one in scope.groups or ()}
        bare = {one.rpartition(".")[2] for one in told if re.fullmatch(r"[\[\]\w. ]+", one)}
        each: exp.Expr | None = node
        while each is not None and not isinstance(each, exp.Query):
            text = each.sql("tsql", normalize=True, identify=True).lower()
            if text in told or (isinstance(each, exp.Column) and text.rpartition(".")[2] in bare):
                return True
            each = each.parent
        return False

    # --- conditions ---

    def condition(self, node: exp.Expr, scope: Scope) -> str:
        """Translate what is true, false or unknown. A value is none of it."""
        if isinstance(node, exp.Paren):
            return f"({self.condition(node.this, scope)})"
        if isinstance(node, (exp.And, exp.Or)):
            word = "AND" if isinstance(node, exp.And) else "OR"
            return f"({self.condition(node.left, scope)} {word} {self.condition(node.right, scope)})"
        if isinstance(node, exp.Not):
            return f"(NOT {self.condition(node.this, scope)})"
        sign = _OPERATORS.get(type(node))
        if sign is not None:
            return self._compared(self.value(node.this, scope), sign, self.value(node.expression, scope))
        if isinstance(node, (exp.In, exp.Between)):
            return self._in(node, scope) if isinstance(node, exp.In) else self._between(node, scope)
        return self._other_condition(node, scope)

    def _other_condition(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node, exp.Is):
            if not isinstance(node.expression, exp.Null):
                raise incorrect("IS")
            return f"({self.value(node.this, scope).sql} IS NULL)"
        if isinstance(node, exp.Like):
            made = self._like(node, scope)
            return f"(NOT {made})" if node.args.get("negate") else made
        if isinstance(node, exp.Exists):
            return f"EXISTS ({self.query(node.this, scope, top=False).sql})"
        if isinstance(node, exp.Escape):
            raise unknown("LIKE with ESCAPE")
        raise ServerError(
            4145,
            "An expression of non-boolean type specified in a context where a condition is expected, near "
            f"'{node.sql('tsql')}'.",
            15,
        )

    def _between(self, node: exp.Between, scope: Scope) -> str:
        value, low, high = (self.value(node.args[one], scope) for one in ("this", "low", "high"))
        return f"({self._compared(value, '>=', low)} AND {self._compared(value, '<=', high)})"

    def _in(self, node: exp.In, scope: Scope) -> str:
        value = self.value(node.this, scope)
        query = node.args.get("query")
        if query is not None:
            made = self.query(query, scope, top=False)
            if len(made.columns) != 1:
                raise ServerError(
                    116,
                    "Only one expression can be specified in the select list when the subquery "
                    "is not introduced with EXISTS.",
                )
            kind = values.common(value.kind, made.columns[0].kind)
            return f"({self._as(value, kind).sql} {self._collate(kind)} IN ({made.sql}))"
        if not node.expressions:
            raise incorrect(")")
        each = (self._compared(value, "=", self.value(one, scope)) for one in node.expressions)
        return f"({' OR '.join(each)})"

    def _like(self, node: exp.Like, scope: Scope) -> str:
        text = self.value(node.this, scope)
        pattern = self.value(node.expression, scope)
        if not text.kind.is_text:
            text = self._as(text, SqlType("varchar", 200, collation=self._names.collation))
        collation = COLLATIONS[text.kind.collation or self._names.collation]
        return f"({self._call(lambda a, b: int(values.like(b, a, collation)), text.sql, pattern.sql)})"

    def _compared(self, left: Value, sign: str, right: Value) -> str:
        kind = values.common(left.kind, right.kind)
        if kind.name in _NOT_COMPARED:
            raise ServerError(
                402,
                f"The data types {left.kind.name} and {right.kind.name} are incompatible in the "
                "equal to operator.",
            )
        one, other = self._as(left, kind), self._as(right, kind)
        if kind.name == "decimal":
            made = self._call(
                lambda a, b: (Decimal(a) > Decimal(b)) - (Decimal(a) < Decimal(b)), one.sql, other.sql
            )
            return f"({made} {sign} 0)"
        return f"({one.sql} {sign} {other.sql} {self._collate(kind)})"

    def _collate(self, kind: SqlType) -> str:
        return f'COLLATE "{kind.collation or self._names.collation}"' if kind.is_text else ""

    # --- values ---

    def value(self, node: exp.Expr, scope: Scope) -> Value:
        """Translate a value. Conditions are none in T-SQL."""
        if isinstance(node, _CONDITIONS):
            raise incorrect(node.sql("tsql"))
        if isinstance(node, _AGGREGATES):
            return self._aggregate(node, scope)
        for kinds, make in self._MAKERS:
            if isinstance(node, kinds):
                made: Value = make(self, node, scope)
                return made
        raise unknown(f"{type(node).__name__}: {node.sql('tsql')}")

    def _call(self, function: Call, *arguments: str) -> str:
        """Return SQLite's words for calling us back; with a null among the arguments it is null."""

        def guarded(*given: Stored) -> Stored:
            return None if any(one is None for one in given) else function(*given)

        return self._call_with_nulls(guarded, *arguments)

    def _call_with_nulls(self, function: Call, *arguments: str) -> str:
        self.calls.append(function)
        return f"call({', '.join([str(len(self.calls) - 1), *arguments])})"

    def _as(self, value: Value, to: SqlType, style: int | None = None) -> Value:
        """Return a value as another type has it."""
        source = value.kind
        to = replace(to, nullable=source.nullable)
        if source.name == "null" or source == to or (source.is_text and to == replace(source, name=to.name)):
            return Value(value.sql, to)
        if source.is_whole and to.is_whole and values.WHOLE[source.name][1] <= values.WHOLE[to.name][1]:
            return Value(value.sql, to)
        ydm = self._names.ydm
        made = self._call(lambda one: values.converted(one, source, to, ydm=ydm, style=style), value.sql)
        return Value(made, to)

    def _literal(self, node: exp.Literal, _scope: Scope) -> Value:
        if node.is_string:
            return self._text(node.name, "varchar")
        if re.fullmatch(r"[0-9]+", node.name):
            if int(node.name) < 2**31:
                return Value(node.name, replace(INT, nullable=False))
            return Value(f"'{int(node.name)}'", SqlType("decimal", precision=len(node.name), nullable=False))
        if "e" in node.name.lower():
            return Value(node.name, replace(FLOAT, nullable=False))
        whole, _, part = node.name.partition(".")
        kind = SqlType("decimal", precision=len(whole + part), scale=len(part), nullable=False)
        return Value(f"'{Decimal(node.name):f}'", kind)

    def _text(self, text: str, name: str) -> Value:
        kind = SqlType(name, max(1, len(text)), collation=self._names.collation, nullable=False)
        if name == "varchar":
            codec = COLLATIONS[self._names.collation].codec
            text = text.encode(codec, "replace").decode(codec)
        return Value("'" + text.replace("'", "''") + "'", kind)

    def _cast(self, node: exp.Cast, scope: Scope) -> Value:
        to = type_of(node.to, self._names.year, self._names.collation, cast=True)
        value = self.value(node.this, scope)
        if value.kind.is_text and to.is_text:
            to = replace(to, collation=value.kind.collation, strength=value.kind.strength)
        return self._as(value, to)

    def _convert(self, node: exp.Convert, scope: Scope) -> Value:
        to = type_of(node.this, self._names.year, self._names.collation, cast=True)
        style = node.args.get("style")
        return self._as(
            self.value(node.expression, scope), to, int(style.name) if style is not None else None
        )

    def _collated(self, node: exp.Collate, scope: Scope) -> Value:
        name = node.expression.name
        if name.lower() == "database_default":
            name = self._names.collation
        found = next((one for one in COLLATIONS if one.lower() == name.lower()), None)
        if found is None:
            raise ServerError(448, f"Invalid collation '{name}'.")
        value = self.value(node.this, scope)
        if not value.kind.is_text:
            raise ServerError(447, f"Expression type {value.kind.name} is invalid for COLLATE clause.")
        return Value(value.sql, replace(value.kind, collation=found, strength=2))

    def _arithmetic(self, node: exp.Binary, scope: Scope) -> Value:
        sign = _ARITHMETIC[type(node)]
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        kind = values.common(left.kind, right.kind)
        if kind.is_text or kind.is_binary:
            if sign != "+":
                raise ServerError(
                    402,
                    f"The data types {left.kind.name} and {right.kind.name} are incompatible in "
                    "the operator.",
                )
            length = (
                MAX if MAX in (left.kind.length, right.kind.length) else left.kind.length + right.kind.length
            )
            limit = 4000 if kind.name.startswith("n") else 8000
            made = f"({self._as(left, kind).sql} || {self._as(right, kind).sql})"
            return Value(made, replace(kind, length=min(length, limit)))
        if kind.is_time:
            raise unknown("arithmetic with times")
        if kind.name == "decimal":
            return self._decimal_arithmetic(sign, left, right)
        one, other = self._as(left, kind), self._as(right, kind)
        if kind.name == "null":
            return Value("NULL", INT)
        if kind.is_whole:
            return Value(
                self._call(lambda a, b: values.fit(_whole(sign, a, b), kind), one.sql, other.sql), kind
            )
        if sign == "/":
            made = self._call(lambda a, b: a / b if b else _by_zero(), one.sql, other.sql)
            return Value(made, kind)
        return Value(f"({one.sql} {sign} {other.sql})", kind)

    def _decimal_arithmetic(self, sign: str, left: Value, right: Value) -> Value:
        one, other = values.as_decimal(left.kind), values.as_decimal(right.kind)
        if sign in "+-":
            scale = max(one.scale, other.scale)
            precision = max(one.precision - one.scale, other.precision - other.scale) + scale + 1
        elif sign == "*":
            scale, precision = one.scale + other.scale, one.precision + other.precision + 1
        elif sign == "/":
            scale = max(6, one.scale + other.precision + 1)
            precision = one.precision - one.scale + other.scale + scale
        else:
            scale = max(one.scale, other.scale)
            precision = min(one.precision - one.scale, other.precision - other.scale) + scale
        if precision > 38 and scale:
            scale = max(min(scale, 6), scale - (precision - 38))
        kind = SqlType("decimal", precision=min(38, precision), scale=scale)

        def reckon(a: str, b: str) -> Stored:
            x, y = Decimal(a), Decimal(b)
            if sign in "/%" and not y:
                _by_zero()
            context = values.WIDE
            made = {
                "+": context.add, "-": context.subtract, "*": context.multiply, "/": context.divide,
                "%": context.remainder,
            }[sign](x, y)  # fmt: skip
            if sign == "/":
                made = made.quantize(Decimal(1).scaleb(-scale), "ROUND_DOWN", context)
            return values.converted(f"{made:f}", kind, kind)

        return Value(self._call(reckon, self._as(left, one).sql, self._as(right, other).sql), kind)

    def _negative(self, node: exp.Neg, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        if value.kind.name == "decimal":
            return Value(self._call(lambda one: f"{-Decimal(one):f}", value.sql), value.kind)
        return Value(f"(- {value.sql})", value.kind)

    def _bits(self, node: exp.Binary, scope: Scope) -> Value:
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        return Value(f"({left.sql} & {right.sql})", values.common(left.kind, right.kind))

    def _case(self, node: exp.Case, scope: Scope) -> Value:
        told = [self.value(one.args["true"], scope) for one in node.args["ifs"]]
        default = node.args.get("default")
        other = self.value(default, scope) if default is not None else Value("NULL", NULL)
        kind = other.kind
        for one in told:
            kind = values.common(kind, one.kind)
        whens = []
        for one, value in zip(node.args["ifs"], told, strict=True):
            if node.this is not None:
                when = self._compared(self.value(node.this, scope), "=", self.value(one.this, scope))
            else:
                when = self.condition(one.this, scope)
            whens.append(f"WHEN {when} THEN {self._as(value, kind).sql}")
        made = f"CASE {' '.join(whens)} ELSE {self._as(other, kind).sql} END"
        return Value(f"({made})", replace(kind, nullable=True))

    def _coalesce(self, node: exp.Coalesce, scope: Scope) -> Value:
        told = [self.value(one, scope) for one in (node.this, *node.expressions)]
        kind = told[0].kind
        if not node.args.get("is_null") or kind.name == "null":
            for one in told[1:]:
                kind = values.common(kind, one.kind)
        made = f"coalesce({', '.join(self._as(one, kind).sql for one in told)})"
        return Value(made, replace(kind, nullable=all(one.kind.nullable for one in told)))

    def _nullif(self, node: exp.Nullif, scope: Scope) -> Value:
        left, right = self.value(node.this, scope), self.value(node.expression, scope)
        made = f"(CASE WHEN {self._compared(left, '=', right)} THEN NULL ELSE {left.sql} END)"
        return Value(made, replace(left.kind, nullable=True))

    def _textual(self, node: exp.Expr, scope: Scope) -> Value:
        """Return a value as text, as string functions take it."""
        if isinstance(node, exp.Cast) and node.to.this == exp.DataType.Type.TEXT:
            node = node.this  # the parser's own addition
        value = self.value(node, scope)
        return value if value.kind.is_text else self._as(value, self._varchar(8000))

    def _varchar(self, length: int) -> SqlType:
        return SqlType("varchar", length, collation=self._names.collation)

    def _code(self, node: exp.Func, scope: Scope) -> Value:
        value = self._textual(node.this, scope)
        if isinstance(node, exp.Unicode):
            return Value(self._call_with_nulls(lambda one: ord(one[0]) if one else None, value.sql), INT)
        narrow = replace(value.kind, name="varchar")
        first = self._call_with_nulls(
            lambda one: values.text_bytes(one, narrow)[0] if one else None, value.sql
        )
        return Value(first, INT)

    def _length(self, node: exp.Length, scope: Scope) -> Value:
        value = self._textual(node.this, scope)
        return Value(self._call(lambda one: len(one.rstrip(" ")), value.sql), INT)

    def _shaped(self, node: exp.Func, scope: Scope) -> Value:
        """LOWER, UPPER, LTRIM, RTRIM."""
        value = self._textual(node.this, scope)
        collation = COLLATIONS[value.kind.collation or self._names.collation]
        shape: Call
        if isinstance(node, exp.Lower):
            shape = collation.lower
        elif isinstance(node, exp.Upper):
            shape = collation.upper
        elif str(node.args.get("position")) == "LEADING":
            shape = _left_bare
        else:
            shape = _right_bare
        return Value(self._call(shape, value.sql), value.kind)

    def _part_of(self, node: exp.Func, scope: Scope) -> Value:
        """SUBSTRING, LEFT, RIGHT."""
        inner = node.this
        value = self.value(inner, scope) if isinstance(node, exp.Substring) else self._textual(inner, scope)
        if not value.kind.is_text and not value.kind.is_binary:
            raise ServerError(
                8116, f"Argument data type {value.kind.name} is invalid for argument 1 of substring function."
            )
        if isinstance(node, exp.Substring):
            first, count = self.value(node.args["start"], scope), self.value(node.args["length"], scope)
            return Value(
                self._call(
                    lambda one, at, n: one[max(0, at - 1) : max(0, at - 1 + n)],
                    value.sql,
                    first.sql,
                    count.sql,
                ),
                replace(value.kind, name=value.kind.name.replace("nchar", "nvarchar")),
            )
        count = self.value(node.expression, scope)
        if isinstance(node, exp.Left):
            return Value(self._call(lambda one, n: one[:n], value.sql, count.sql), value.kind)
        return Value(self._call(lambda one, n: one[max(0, len(one) - n) :], value.sql, count.sql), value.kind)

    def _replaced(self, node: exp.Replace, scope: Scope) -> Value:
        value, old, new = (
            self._textual(node.args[one], scope) for one in ("this", "expression", "replacement")
        )
        return Value(f"replace({value.sql}, {old.sql}, {new.sql})", replace(value.kind, length=MAX))

    def _hash(self, node: exp.Func, scope: Scope) -> Value:
        value = self.value(node.this, scope)
        length = node.args.get("length")
        name = "md5" if isinstance(node, exp.MD5) else f"sha{length.name if length is not None else 1}"
        if name.startswith("sha") and name != "sha1" and self._names.year < 2012:
            return Value("NULL", SqlType("varbinary", 8000))
        kind = value.kind
        if not kind.is_text and not kind.is_binary:
            raise ServerError(
                8116, f"Argument data type {kind.name} is invalid for argument 2 of hashbytes function."
            )

        def digest(one: str | bytes) -> bytes:
            raw = one if isinstance(one, bytes) else values.text_bytes(one, kind)
            if len(raw) > 8000 and self._names.year < 2016:
                raise ServerError(8152, "String or binary data would be truncated.")
            return hashlib.new(name, raw, usedforsecurity=False).digest()

        return Value(self._call(digest, value.sql), SqlType("varbinary", 8000))

    def _timely(self, node: exp.Expr, scope: Scope) -> Value:
        """Return a value as a time, as functions of dates take it."""
        if isinstance(node, (exp.TimeStrToTime, exp.TsOrDsToDate)):
            node = node.this
        value = self.value(node, scope)
        if value.kind.is_time:
            return value
        return self._as(value, DATETIME if self._names.year < 2008 else SqlType("datetime2", scale=7))

    def _difference(self, node: exp.DateDiff, scope: Scope) -> Value:
        unit = _unit(node.args["unit"])
        first, last = self._timely(node.expression, scope), self._timely(node.this, scope)
        return Value(self._call(lambda a, b: values.difference(unit, a, b), first.sql, last.sql), INT)

    def _added(self, node: exp.DateAdd, scope: Scope) -> Value:
        unit = _unit(node.args["unit"])
        number = self._as(self.value(node.expression, scope), INT)
        time = self.value(node.this, scope)
        if not time.kind.is_time:
            time = self._as(time, DATETIME)
        kind = time.kind
        return Value(self._call(lambda n, one: values.added(unit, n, one, kind), number.sql, time.sql), kind)

    def _part(self, node: exp.Func, scope: Scope) -> Value:
        unit = _unit(node.this) if isinstance(node, exp.Extract) else type(node).__name__.lower()
        time = self._timely(node.expression if isinstance(node, exp.Extract) else node.this, scope)
        return Value(self._call(lambda one: values.part(unit, one), time.sql), INT)

    def _rounded(self, node: exp.Func, scope: Scope) -> Value:
        """FLOOR, CEILING, ABS."""
        value = self.value(node.this, scope)
        kind = value.kind
        if isinstance(node, exp.Abs):
            if kind.name == "decimal":
                return Value(self._call(lambda one: f"{abs(Decimal(one)):f}", value.sql), kind)
            return Value(f"abs({value.sql})", kind)
        way = ROUND_FLOOR if isinstance(node, exp.Floor) else ROUND_CEILING
        if kind.is_whole:
            return value
        if kind.name == "decimal":
            made = self._call(lambda one: f"{Decimal(one).to_integral_value(way):f}", value.sql)
            return Value(made, replace(kind, scale=0))
        value = self._as(value, FLOAT)
        return Value(self._call(lambda one: float(Decimal(one).to_integral_value(way)), value.sql), FLOAT)

    def _subquery(self, node: exp.Subquery, scope: Scope) -> Value:
        made = self.query(node.this, scope, top=False)
        if len(made.columns) != 1:
            raise ServerError(
                116,
                "Only one expression can be specified in the select list when the subquery is "
                "not introduced with EXISTS.",
            )
        return Value(f"({made.sql})", replace(made.columns[0].kind, nullable=True))

    def _of_session(self, node: exp.Expr, scope: Scope) -> Value:
        """What does not depend on rows: @@VERSION, DB_NAME(), HAS_PERMS_BY_NAME('x', 'OBJECT', 'SELECT')."""
        if isinstance(node, exp.Parameter):
            if not isinstance(node.this, exp.Parameter):
                raise ServerError(137, f'Must declare the scalar variable "@{node.name}".', 15)
            name, given = f"@@{node.this.name}", []
        elif isinstance(node, exp.Anonymous):
            name, given = node.name, list(node.expressions)
        else:
            name = {"CurrentSchema": "schema_name", "ObjectId": "object_id", "CurrentTimestamp": "getdate"}[
                type(node).__name__
            ]
            given = [one for one in (node.this, node.expression) if isinstance(one, exp.Expr)]
        told, kind = self._names.told(name.lower(), [self._constant(one, scope) for one in given])
        if isinstance(told, str):
            return Value("'" + told.replace("'", "''") + "'", kind)
        return Value("NULL" if told is None else str(told), kind)

    def _constant(self, node: exp.Expr, _scope: Scope) -> Stored:
        if isinstance(node, exp.Null):
            return None
        if isinstance(node, (exp.Literal, exp.National)):
            return node.name if not isinstance(node, exp.Literal) or node.is_string else int(node.name)
        raise unknown(f"a function of the session with {node.sql('tsql')}")

    # --- aggregates ---

    def _aggregate(self, node: exp.AggFunc, scope: Scope) -> Value:
        if scope.inside:
            raise ServerError(
                130,
                "Cannot perform an aggregate function on an expression containing an aggregate "
                "or a subquery.",
                15,
            )
        if scope.groups is None:
            raise ServerError(
                147,
                "An aggregate may not appear in the WHERE clause unless it is in a subquery "
                "contained in a HAVING clause or a select list.",
                15,
            )
        inner = Scope(scope.relations, scope.outer, scope.groups, inside=True)
        if isinstance(node, exp.Count):
            kind = BIGINT if node.args.get("big_int") else INT
            if isinstance(node.this, (exp.Star, exp.Literal)):
                return Value("count(*)", replace(kind, nullable=False))
            distinct, value = self._operand(node.this, inner)
            return Value(f"count({distinct}{value.sql} {self._collate(value.kind)})", kind)
        distinct, value = self._operand(node.this, inner)
        name = type(node).__name__.lower()
        if value.kind.name in _NOT_COMPARED or value.kind.name == "bit":
            raise ServerError(8117, f"Operand data type {value.kind.name} is invalid for {name} operator.")
        if name in {"min", "max"}:
            word = f"decimal_{name}" if value.kind.name == "decimal" else name
            made = f"{word}({value.sql} {self._collate(value.kind)})"
            return Value(made, replace(value.kind, nullable=True))
        return self._total(name, distinct, value)

    def _total(self, name: str, distinct: str, value: Value) -> Value:
        """SUM, AVG."""
        kind = value.kind
        if not kind.is_number:
            raise ServerError(8117, f"Operand data type {kind.name} is invalid for {name} operator.")
        if kind.name == "decimal":
            to = SqlType("decimal", precision=38, scale=kind.scale)
            if name == "avg":
                raise unknown("AVG of decimals")
            total = f"decimal_sum({distinct}{value.sql})"
            return Value(self._call(lambda one: values.converted(one, kind, to), total), to)
        if kind.is_whole:
            to = BIGINT if kind.name == "bigint" else INT
            total = f"whole_sum({distinct}{value.sql})"
            if name == "avg":
                total = f"({total} / count({distinct}{value.sql}))"
            return Value(self._call(lambda one: values.fit(int(one), to), total), to)
        return Value(f"{name}({distinct}{value.sql})", FLOAT)

    def _operand(self, node: exp.Expr, scope: Scope) -> tuple[str, Value]:
        if isinstance(node, exp.Distinct):
            return "DISTINCT ", self.value(node.expressions[0], scope)
        return "", self.value(node, scope)

    _MAKERS: Final[Sequence[tuple[Any, Callable[..., Value]]]] = (
        (exp.Column, _column),
        (exp.Literal, _literal),
        (exp.National, lambda self, node, _scope: self._text(node.name, "nvarchar")),
        (exp.Null, lambda _self, _node, _scope: Value("NULL", NULL)),
        (exp.Paren, lambda self, node, scope: self.value(node.this, scope)),
        (exp.HexString, lambda _self, node, _scope: Value(f"x'{node.name}'", SqlType("varbinary", 8000))),
        (exp.Convert, _convert),
        (exp.TryCast, lambda _self, node, _scope: _refuse(node)),
        (exp.Cast, _cast),
        (exp.Collate, _collated),
        (tuple(_ARITHMETIC), _arithmetic),
        (exp.BitwiseAnd, _bits),
        (exp.Neg, _negative),
        (exp.Case, _case),
        (exp.Coalesce, _coalesce),
        (exp.Nullif, _nullif),
        ((exp.Ascii, exp.Unicode), _code),
        (exp.Length, _length),
        ((exp.Lower, exp.Upper, exp.Trim), _shaped),
        ((exp.Substring, exp.Left, exp.Right), _part_of),
        (exp.Replace, _replaced),
        ((exp.MD5, exp.SHA, exp.SHA2), _hash),
        (exp.DateDiff, _difference),
        (exp.DateAdd, _added),
        ((exp.Extract, exp.Year, exp.Month, exp.Day), _part),
        ((exp.Floor, exp.Ceil, exp.Abs), _rounded),
        (exp.Subquery, _subquery),
        ((exp.Parameter, exp.Anonymous, exp.CurrentSchema, exp.ObjectId, exp.CurrentTimestamp), _of_session),
    )  # fmt: skip


def _refuse(node: exp.Expr) -> Value:
    raise unknown(node.sql("tsql"))


def _left_bare(text: str) -> str:
    return text.lstrip(" ")


def _right_bare(text: str) -> str:
    return text.rstrip(" ")


def _unit(node: exp.Expr) -> str:
    unit = values.UNITS.get(node.name.lower())
    if unit is None:
        raise unknown(f"the datepart {node.name}")
    return unit


def _aggregates(node: exp.Expr) -> list[exp.Expr]:
    """Return the aggregates of an expression, but for those of queries inside."""
    return [
        one
        for one in node.find_all(*_AGGREGATES)
        if one.find_ancestor(exp.Query) is node.find_ancestor(exp.Query) or one is node
    ]


def _whole(sign: str, a: int, b: int) -> int:
    """Reckon with whole numbers; a quotient is cut off towards nought."""
    if sign == "+":
        return a + b
    if sign == "-":
        return a - b
    if sign == "*":
        return a * b
    if not b:
        _by_zero()
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient if sign == "/" else a - quotient * b


def _by_zero() -> Any:
    raise ServerError(8134, "Divide by zero error encountered.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
