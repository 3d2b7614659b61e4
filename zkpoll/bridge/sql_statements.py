"""The statements that are sent, by dialect. Pure: nothing but SELECT, values as parameters.

    fingerprints  SELECT bucket, count(*), … FROM (SELECT <bucket> AS bucket, … FROM punches) GROUP BY bucket
    rows          SELECT …, <bucket> FROM punches WHERE <between two buckets>

The server tells the bucket of each row it gives, by the same expression that it counts by: no row falls
between its reckoning and ours. Rows whose bucket cannot be told are in `ODD`.
"""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    DateTime,
    Numeric,
    String,
    Text,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects import mssql, mysql, postgresql
from sqlalchemy.sql import quoted_name
from sqlalchemy.types import BINARY

from zkpoll.bridge.contract import EPOCH, MEANINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, FromClause, Select

    from zkpoll.bridge.sql_catalogue import ColumnSort, FoundColumn, FoundTable

    Expression = ColumnElement[Any]

ODD: Final = -1
"""The bucket of rows whose bucket cannot be told: no number, no date, one out of all bounds."""
ROWS_A_BUCKET: Final = 1_000
"""Numbers of rows in a bucket."""
_MOST: Final[Mapping[ColumnSort, int]] = {"integer": 9 * 10**18, "number": 10**15}
"""Row numbers below are reckoned with. Those that tell the time of their making (snowflakes) have 19 digits;
of a float, a thousandth is exact up to 16."""


def _plain(value: str | int) -> Expression:
    """Return a constant of ours as it stands in a statement."""
    return literal_column(str(value) if isinstance(value, int) else f"'{value}'")


class Grammar:
    """How a dialect says it; this one is PostgreSQL's."""

    first_day: Expression = literal_column("TIMESTAMP '1900-01-01 00:00:00'")
    last_day: Expression = literal_column("TIMESTAMP '9999-12-31 00:00:00'")
    """Days from the first and before the last are buckets."""

    def thousands(self, number: Expression) -> Expression:
        """Return whole numbers divided by a thousand, rounded down."""
        return number.op("/")(_plain(ROWS_A_BUCKET))

    def is_number(self, number: Expression, most: int) -> Expression:
        """Say whether a value is a number from 0 on, below the one that is given."""
        return and_(number >= _plain(0), number < _plain(most))

    def day(self, time: Expression) -> Expression:
        """Return the days from the epoch to a time."""
        return cast(time, postgresql.DATE).op("-")(literal_column(f"DATE '{EPOCH:%Y-%m-%d}'"))

    def midnight(self, day: int) -> Expression:
        """Return the time at which a day begins."""
        return literal(EPOCH + timedelta(days=day), DateTime())

    def second(self, time: Expression) -> Expression:
        """Return the second of the day."""
        clock = cast(cast(time, postgresql.TIMESTAMP), postgresql.TIME)
        return cast(func.date_part(_plain("epoch"), clock), BigInteger)

    def is_dated(self, text: Expression) -> Expression:
        """Say whether text begins as a date."""
        return text.op("~")(_plain("^[12][0-9]{3}-[01][0-9]-[0-3][0-9]"))

    def text(self, value: Expression) -> Expression:
        """Return a value as text that is compared byte by byte."""
        return cast(value, Text)

    def part(self, text: Expression, first: int, letters: int) -> Expression:
        """Return some letters of a text."""
        return func.substr(text, _plain(first), _plain(letters))

    def joined(self, texts: Sequence[Expression]) -> Expression:
        """Return texts as one, with a mark between; none counts as one that is never there."""
        parts = [part for text in texts for part in (func.coalesce(text, _plain("~")), _plain("|"))]
        return func.concat(*parts)

    def digest(self, text: Expression) -> Expression:
        """Return 32 bits of a text's digest, as a number."""
        bits = _plain("x").op("||")(self.part(func.md5(text), 1, 8))
        return cast(cast(bits, postgresql.BIT(32)), BigInteger)

    def letter(self, text: Expression) -> Expression:
        """Return the number of a text's first letter; case counts."""
        return func.ascii(self.text(text))

    def total(self, number: Expression) -> Expression:
        """Return a sum that never overflows."""
        return func.sum(number)

    def sound(self, time: Expression) -> Expression:
        """Return a time, or none where the driver has no value for it."""
        bounds = and_(time >= literal_column("TIMESTAMP '0001-01-02'"), time < self.last_day)
        return case((bounds, time))


class _MySql(Grammar):
    first_day = literal_column("'1900-01-01 00:00:00'")
    last_day = literal_column("'9999-12-31 00:00:00'")

    def thousands(self, number: Expression) -> Expression:
        return number.op("DIV")(_plain(ROWS_A_BUCKET))

    def day(self, time: Expression) -> Expression:
        return func.datediff(time, _plain(f"{EPOCH:%Y-%m-%d}"))

    def second(self, time: Expression) -> Expression:
        return func.time_to_sec(func.time(time))

    def is_dated(self, text: Expression) -> Expression:
        return text.op("REGEXP")(_plain("^[12][0-9]{3}-[01][0-9]-[0-3][0-9]"))

    def text(self, value: Expression) -> Expression:
        return cast(value, BINARY)  # texts of two collations cannot be joined

    def digest(self, text: Expression) -> Expression:
        number = func.conv(self.part(func.md5(text), 1, 8), _plain(16), _plain(10))
        return cast(number, mysql.INTEGER(unsigned=True))

    def sound(self, time: Expression) -> Expression:
        return time


class _SqlServer(Grammar):
    # Only this form of a date means the same in every language of a login.
    first_day = literal_column("CAST('19000101' AS datetime)")
    last_day = literal_column("CAST('99991231' AS datetime)")
    _epoch: Expression = literal_column(f"CAST('{EPOCH:%Y%m%d}' AS datetime)")

    def day(self, time: Expression) -> Expression:
        return func.datediff(literal_column("day"), self._epoch, time)

    def midnight(self, day: int) -> Expression:
        return func.dateadd(literal_column("day"), literal(day), self._epoch)

    def second(self, time: Expression) -> Expression:
        hour, minute, second = (
            func.datepart(literal_column(part), time) for part in ("hour", "minute", "second")
        )
        return cast(hour * _plain(3600) + minute * _plain(60) + second, BigInteger)

    def is_dated(self, text: Expression) -> Expression:
        return text.like(_plain("[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]%"))

    def text(self, value: Expression) -> Expression:
        return cast(value, mssql.NVARCHAR(200)).collate("Latin1_General_BIN")

    def part(self, text: Expression, first: int, letters: int) -> Expression:
        return func.substring(text, _plain(first), _plain(letters))

    def joined(self, texts: Sequence[Expression]) -> Expression:
        parts = [part for text in texts for part in (func.coalesce(text, _plain("~")), _plain("|"))]
        return reduce(lambda left, right: left.op("+")(right), parts)

    def digest(self, text: Expression) -> Expression:
        head = self.part(func.hashbytes(_plain("MD5"), text), 1, 4)
        return cast(cast(head, mssql.BINARY(4)), BigInteger)

    def letter(self, text: Expression) -> Expression:
        return func.unicode(self.text(text))

    def total(self, number: Expression) -> Expression:
        return func.sum(cast(number, Numeric(38, 0)))

    def sound(self, time: Expression) -> Expression:
        return time


class _Sqlite(Grammar):
    def text(self, value: Expression) -> Expression:
        return value

    def joined(self, texts: Sequence[Expression]) -> Expression:
        return reduce(lambda left, right: left.op("||")(_plain("|")).op("||")(right), texts)

    def total(self, number: Expression) -> Expression:
        return func.group_concat(number)

    def is_number(self, number: Expression, most: int) -> Expression:
        return and_(func.typeof(number) == _plain("integer"), super().is_number(number, most))

    def is_dated(self, text: Expression) -> Expression:
        return text.op("GLOB")(_plain("[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*"))

    def sound(self, time: Expression) -> Expression:
        return time


GRAMMARS: Final[Mapping[str, Grammar]] = {
    "postgresql": Grammar(),
    "mysql": _MySql(),
    "mssql": _SqlServer(),
    "sqlite": _Sqlite(),
}
"""By the names that SQLAlchemy gives the dialects."""


def _date(bucket: int) -> str:
    """Return the date of a bucket of text: that of 20261122."""
    return f"{bucket // 10_000:04}-{bucket // 100 % 100:02}-{bucket % 100:02}"


def _source(found: FoundTable) -> FromClause:
    return table(
        quoted_name(found.name, quote=True), schema=found.schema and quoted_name(found.schema, quote=True)
    )


def _column(found: FoundColumn) -> Expression:
    return column(quoted_name(found.name, quote=True))


class PunchStatements:
    """The statements for a table of punches."""

    def __init__(self, dialect: str, found: FoundTable, bucket: str, *, numbers: bool) -> None:
        """`bucket` is "number" or "day"; `numbers`: whether rows know people by the program's numbers."""
        self._dialect = dialect
        self._say = GRAMMARS[dialect]
        self._found = found
        self._columns = {meaning: _column(one) for meaning, one in found.columns.items()}
        sorts = {meaning: one.sort for meaning, one in found.columns.items()}
        # A table whose ids are text has no thousands of them.
        self._by_number = bucket == "number" and sorts["id"] != "text"
        self._timed = sorts["time"] == "time"
        self._plain_user = numbers and sorts["user"] == "integer"
        self._bucket = self._number_bucket(sorts["id"]) if self._by_number else self._day_bucket()

    # --- buckets ---

    def _number_bucket(self, sort: ColumnSort) -> Expression:
        number = self._columns["id"]
        if sort == "integer":
            whole = self._say.thousands(number)
        else:
            whole = cast(func.floor(number.op("/")(literal_column("1000.0"))), BigInteger)
        return case((self._say.is_number(number, _MOST[sort]), whole), else_=_plain(ODD))

    def _day_bucket(self) -> Expression:
        say, time = self._say, self._columns["time"]
        if self._timed:
            inside = and_(time >= say.first_day, time < say.last_day)
            # MySQL keeps days that no calendar has, such as 2026-00-10: they are no number of days.
            return func.coalesce(case((inside, say.day(time)), else_=_plain(ODD)), _plain(ODD))
        # Of text, the digits of its date are the bucket: 20261122. It is not read as a date, which may fail.
        text = say.text(time)
        digits = [say.part(text, first, letters) for first, letters in ((1, 4), (6, 2), (9, 2))]
        year, month, day = (cast(one, BigInteger) for one in digits)
        number = year * _plain(10_000) + month * _plain(100) + day
        return case((say.is_dated(text), number), else_=_plain(ODD))

    def _between(self, first: int, last: int) -> Expression:
        """Say whether a row is in one of some buckets; true of all that are, perhaps of a few others."""
        if first == ODD:
            return (
                self._bucket == _plain(ODD)
                if last == ODD
                else or_(self._bucket == _plain(ODD), self._between(0, last))
            )
        if self._by_number:
            number = self._columns["id"]
            low, high = first * ROWS_A_BUCKET, (last + 1) * ROWS_A_BUCKET
            return and_(number >= literal(low, BigInteger()), number < literal(high, BigInteger()))
        if self._timed:
            time = self._columns["time"]
            return and_(time >= self._say.midnight(first), time < self._say.midnight(last + 1))
        text = self._say.text(self._columns["time"])
        return self._say.part(text, 1, 10).between(literal(_date(first)), literal(_date(last)))

    # --- statements ---

    def fingerprints(self) -> Select[Any]:
        """Return the statement for the fingerprints: the bucket, how many rows, then what they sum up to.

        Of SQLite that is all that the rows hold, since the copy is near.
        """
        parts = self._parts()
        names = [f"part_{number}" for number in range(len(parts))]
        inner = select(
            self._bucket.label("bucket"), *(one.label(name) for one, name in zip(parts, names, strict=True))
        )
        rows = inner.select_from(_source(self._found)).subquery("counted")
        totals = [self._say.total(rows.c[name]) for name in names]
        if self._by_number and self._dialect != "sqlite":
            totals += [func.min(rows.c[names[0]]), func.max(rows.c[names[0]])]
        return select(rows.c.bucket, func.count(), *totals).group_by(rows.c.bucket)

    def _parts(self) -> list[Expression]:
        if self._dialect == "sqlite":
            return [self._say.joined([func.quote(one) for one in self._columns.values()])]
        return [self._columns["id"]] if self._by_number else self._day_parts()

    def _day_parts(self) -> list[Expression]:
        """Return what the rows of a day are summed up by.

        Each of them is bound to the user and to the second, so that two rows that change places show.
        """
        say = self._say
        second = say.second(self._columns["time"]) if self._timed else None
        if self._plain_user and second is not None:
            user = cast(self._columns["user"], BigInteger)
            parts = [user, second, user * second]
            if "state" in self._columns:
                letter = func.coalesce(say.letter(self._columns["state"]), _plain(0))
                parts += [letter, letter * user, letter * second]
            return parts
        names = ("id", "user", "state") if self._timed else ("id", "user", "state", "time")
        told = [one for one in names if one in self._columns]
        digest = say.digest(say.joined([say.text(self._columns[one]) for one in told]))
        return [digest] if second is None else [digest, second, digest * second]

    def rows(self, first: int, last: int) -> Select[Any]:
        """Return the statement for the rows of some buckets: columns as `meanings`, then the bucket."""
        read = [self._sound(meaning) for meaning in self.meanings]
        rows = select(*read, self._bucket.label("zkpoll_bucket")).select_from(_source(self._found))
        return rows.where(self._between(first, last))

    @property
    def meanings(self) -> list[str]:
        """The meanings of the columns that are read, in their order."""
        return [meaning for meaning in MEANINGS if meaning in self._columns]

    def _sound(self, meaning: str) -> Expression:
        one = self._columns[meaning]
        return self._say.sound(one).label("zkpoll_time") if meaning == "time" and self._timed else one

    def contents(self) -> Select[Any]:
        """Return the statement for each machine: its number, its serial, how many rows, the newest time."""
        by = [self._columns[one] for one in ("machine", "serial") if one in self._columns]
        newest = func.max(self._sound_time())
        return select(*by, func.count(), newest).select_from(_source(self._found)).group_by(*by)

    def _sound_time(self) -> Expression:
        time = self._columns["time"]
        return self._say.sound(time) if self._timed else time


def plain_rows(found: FoundTable, meanings: Collection[str]) -> Select[Any]:
    """Return the statement for some columns of a table; what it does not have is left out.

    Of `has_pin`, only whether there is one leaves the server.
    """
    read = []
    for meaning in meanings:
        if meaning in found.columns:
            one = _column(found.columns[meaning])
            if meaning == "has_pin":
                full = func.coalesce(cast(one, String(10)), _plain("")) != _plain("")
                one = case((full, _plain(1))).label("has_pin")
            read.append(one)
    return select(*read).select_from(_source(found))


def typed_rows(found: FoundTable) -> Select[Any]:
    """Return the statement for the rows that a person typed in: who, when."""
    columns = found.columns
    added = _column(columns["added"]) == _plain(1)
    return (
        select(_column(columns["number"]), _column(columns["time"])).select_from(_source(found)).where(added)
    )


def row_count(found: FoundTable) -> Select[Any]:
    """Return the statement for the number of a table's rows."""
    return select(func.count()).select_from(_source(found))
