"""The types of T-SQL, and what becomes of a value that is converted from one to another, errors included.

SQLite keeps whole numbers and floats as they are, decimals and all times as text of fixed form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Stored = int | float | str | bytes | None
"""A value as SQLite keeps it."""
MAX: Final = -1
"""The length of `varchar(max)`."""
WIDE: Final = Context(prec=76)
DOTLESS: Final = "\u0131"
"""What a Turkish I is in lower case."""


class ServerError(Exception):
    """What SQL Server answers instead of a result."""

    def __init__(self, number: int, message: str, severity: int = 16) -> None:
        super().__init__(message)
        self.number = number
        self.message = message
        self.severity = severity


@dataclass(frozen=True, slots=True)
class Collation:
    """How text is compared, and which bytes it has."""

    name: str
    locale: int
    codec: str
    minds_case: bool = False
    binary: bool = False
    sort_id: int = 0

    def wire(self) -> bytes:
        """Return its five bytes on the wire."""
        flags = 0x01 if self.binary else 0x0C if self.minds_case else 0x0D
        return (self.locale | flags << 20).to_bytes(4, "little") + bytes([self.sort_id])

    def folded(self, text: str) -> str:
        """Return what is compared of a text: blanks behind it never are."""
        text = text.rstrip(" ")
        return text if self.minds_case or self.binary else self.lower(text)

    def lower(self, text: str) -> str:
        """Return a text in lower case. In Turkish, I has no dot there, and i keeps its own in upper case."""
        if self.locale == 0x041F:
            text = text.replace("I", DOTLESS).replace("İ", "i")
        return text.lower()

    def upper(self, text: str) -> str:
        """Return a text in upper case."""
        if self.locale == 0x041F:
            text = text.replace("i", "İ").replace(DOTLESS, "I")
        return text.upper()


COLLATIONS: Final[Mapping[str, Collation]] = {
    one.name: one
    for one in (
        Collation("SQL_Latin1_General_CP1_CI_AS", 0x0409, "cp1252", sort_id=0x34),
        Collation("Latin1_General_CI_AS", 0x0409, "cp1252"),
        Collation("Latin1_General_CS_AS", 0x0409, "cp1252", minds_case=True),
        Collation("Latin1_General_BIN", 0x0409, "cp1252", binary=True),
        Collation("Latin1_General_BIN2", 0x0409, "cp1252", binary=True),
        Collation("Chinese_PRC_CI_AS", 0x0804, "cp936"),
        Collation("Arabic_CI_AS", 0x0401, "cp1256"),
        Collation("Turkish_CI_AS", 0x041F, "cp1254"),
    )
}


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type, with its sizes."""

    name: str
    length: int = 0
    """Characters of n-types, else bytes; `MAX` for max."""
    precision: int = 0
    scale: int = 0
    collation: str = ""
    nullable: bool = True
    strength: int = 0
    """Of its collation: 0 of the database, 1 of a column, 2 told by COLLATE."""

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return self.name in TEXTS

    @property
    def is_binary(self) -> bool:
        """Whether it is bytes."""
        return self.name in BINARIES

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return self.name in WHOLE

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.name in WHOLE or self.name in {"decimal", "float", "real"}

    @property
    def is_time(self) -> bool:
        """Whether it is a date, or a time."""
        return self.name in TIMES


WHOLE: Final[Mapping[str, tuple[int, int]]] = {
    "bit": (0, 1),
    "tinyint": (0, 255),
    "smallint": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}
TEXTS: Final = ("char", "varchar", "nchar", "nvarchar", "text", "ntext")
BINARIES: Final = ("binary", "varbinary", "image")
TIMES: Final = ("date", "time", "datetime2", "datetime", "smalldatetime")
SINCE_2008: Final = frozenset({"date", "time", "datetime2"})
_PRECEDENCE: Final = (
    "null", "binary", "varbinary", "char", "varchar", "nchar", "nvarchar", "text", "ntext", "image", "bit",
    "tinyint", "smallint", "int", "bigint", "decimal", "real", "float", "time", "date", "smalldatetime",
    "datetime", "datetime2",
)  # fmt: skip

NULL: Final = SqlType("null")
INT: Final = SqlType("int")
BIGINT: Final = SqlType("bigint")
FLOAT: Final = SqlType("float")
DATETIME: Final = SqlType("datetime")
DATE: Final = SqlType("date")

DIGITS: Final[Mapping[str, int]] = {"bit": 1, "tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


def as_decimal(kind: SqlType) -> SqlType:
    """Return the decimal type that a number's type is taken for in arithmetic."""
    return kind if kind.name == "decimal" else SqlType("decimal", precision=DIGITS.get(kind.name, 38))


def common(left: SqlType, right: SqlType) -> SqlType:
    """Return the type that two values are brought to before they are compared, or are one column."""
    low, high = sorted((left, right), key=lambda one: _PRECEDENCE.index(one.name))
    nullable = left.nullable or right.nullable
    if high.name == "decimal" and low.is_number:
        one, other = as_decimal(left), as_decimal(right)
        scale = max(one.scale, other.scale)
        whole = max(one.precision - one.scale, other.precision - other.scale)
        return SqlType("decimal", precision=min(38, whole + scale), scale=scale, nullable=nullable)
    if high.is_text and low.is_text:
        length = MAX if MAX in (left.length, right.length) else max(left.length, right.length)
        weak, strong = sorted((left, right), key=lambda one: one.strength)
        if weak.strength == strong.strength and weak.collation != strong.collation:
            raise ServerError(
                468,
                f'Cannot resolve the collation conflict between "{left.collation}" and '
                f'"{right.collation}" in the operation.',
            )
        return SqlType(
            high.name, length, collation=strong.collation, nullable=nullable, strength=strong.strength
        )
    if high.is_binary and low.is_binary:
        return SqlType(high.name, max(left.length, right.length), nullable=nullable)
    if {low.name, high.name} == {"datetime", "datetime2"}:
        return SqlType("datetime2", scale=max(left.scale, right.scale, 3), nullable=nullable)
    if high.name == "datetime2":
        return SqlType("datetime2", scale=max(left.scale, right.scale), nullable=nullable)
    return replace(high, nullable=nullable)


def converted(
    value: Stored, source: SqlType, to: SqlType, *, ydm: bool = False, style: int | None = None
) -> Stored:
    """Return a value as another type has it. Raise `ServerError` as the server does.

    `ydm`: whether the session's language reads year, day, month.
    """
    if value is None:
        return None
    if to.is_whole:
        return _to_whole(value, source, to)
    if to.name == "decimal":
        return _to_decimal(value, source, to)
    if to.name in {"float", "real"}:
        return _to_float(value, source, to)
    if to.is_text:
        return _to_text(value, source, to, style)
    if to.is_binary:
        return _to_binary(value, source, to)
    if to.is_time:
        return _to_time(value, source, to, ydm=ydm)
    return value


def fit(value: int, to: SqlType) -> int:
    """Return a whole number, or raise as the server does where its type does not hold it."""
    low, high = WHOLE[to.name]
    if not low <= value <= high:
        raise ServerError(8115, f"Arithmetic overflow error converting expression to data type {to.name}.")
    return value


def _clash(source: SqlType, to: SqlType) -> ServerError:
    return ServerError(529, f"Explicit conversion from data type {source.name} to {to.name} is not allowed.")


def _to_whole(value: Stored, source: SqlType, to: SqlType) -> int:
    if source.is_text:
        text = str(value).strip(" ")
        if not re.fullmatch(r"[+-]?[0-9]*", text):
            raise ServerError(
                245 if to.name != "bigint" else 8114,
                f"Conversion failed when converting the {source.name} value '{text}' to data type {to.name}."
                if to.name != "bigint"
                else f"Error converting data type {source.name} to bigint.",
            )
        number = int(text or 0)
        if to.name == "int" and not -(2**31) <= number < 2**31:
            raise ServerError(
                248, f"The conversion of the {source.name} value '{text}' overflowed an int column."
            )
    elif isinstance(value, bytes):
        size = {"tinyint": 1, "smallint": 2, "int": 4}.get(to.name, 8)
        number = int.from_bytes(value[-size:].rjust(size, b"\0"), "big", signed=size > 1)
    elif source.is_time and source.name not in {"datetime", "smalldatetime"}:
        raise _clash(source, to)
    elif source.is_time:
        number = round((read_time(str(value)) - datetime(1900, 1, 1)) / timedelta(days=1))
    elif source.name == "decimal":
        number = int(Decimal(str(value)))
    else:
        number = int(value or 0)
    return int(bool(number)) if to.name == "bit" else fit(number, to)


def _to_decimal(value: Stored, source: SqlType, to: SqlType) -> str:
    if source.is_time or source.is_binary:
        raise _clash(source, to)
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError:
        raise ServerError(8114, f"Error converting data type {source.name} to numeric.") from None
    number = number.quantize(Decimal(1).scaleb(-to.scale), ROUND_HALF_UP, WIDE)
    if abs(number) >= Decimal(10) ** (to.precision - to.scale):
        raise ServerError(8115, f"Arithmetic overflow error converting {source.name} to data type numeric.")
    return f"{number:f}"


def _to_float(value: Stored, source: SqlType, to: SqlType) -> float:
    if source.is_time or isinstance(value, bytes):
        raise _clash(source, to)
    try:
        return float(value or 0)
    except ValueError:
        raise ServerError(8114, f"Error converting data type {source.name} to {to.name}.") from None


def _to_text(value: Stored, source: SqlType, to: SqlType, style: int | None) -> str:
    collation = COLLATIONS[to.collation]
    if isinstance(value, bytes):
        text = value.decode("utf-16-le" if to.name.startswith("n") else collation.codec, "replace")
    elif source.is_time:
        text = told_time(str(value), source, style)
    elif source.name in {"float", "real"}:
        text = f"{value:.6g}"
    else:
        text = str(value)
    if not to.name.startswith("n"):
        text = text.encode(collation.codec, "replace").decode(collation.codec)
    if to.length == MAX or to.name in {"text", "ntext"}:
        return text
    if source.is_number and len(text) > to.length:
        if to.name.startswith("n") or not source.is_whole:
            raise ServerError(8115, f"Arithmetic overflow error converting {source.name} to {to.name}.")
        return "*"
    text = text[: to.length]
    return text.ljust(to.length) if to.name in {"char", "nchar"} else text


def _to_binary(value: Stored, source: SqlType, to: SqlType) -> bytes:
    if isinstance(value, bytes):
        raw = value
    elif source.is_whole:
        size = {"bit": 1, "tinyint": 1, "smallint": 2, "int": 4}.get(source.name, 8)
        raw = (int(value or 0) & ((1 << 8 * size) - 1)).to_bytes(size, "big")
        if to.name == "binary" and to.length != len(raw):
            return raw[-to.length :].rjust(to.length, b"\0")
    elif source.is_text:
        raw = text_bytes(str(value), source)
    else:
        raise _clash(source, to)
    if to.length == MAX or to.name == "image":
        return raw
    raw = raw[: to.length]
    return raw.ljust(to.length, b"\0") if to.name == "binary" else raw


def text_bytes(text: str, kind: SqlType) -> bytes:
    """Return the bytes that a text has in its type."""
    if kind.name.startswith("n"):
        return text.encode("utf-16-le")
    return text.encode(COLLATIONS[kind.collation].codec, "replace")


# --- times ---

_CLOCK: Final = r"(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7}))?)?)?"
_PLAIN: Final = re.compile(rf"(\d{{4}})(\d{{2}})(\d{{2}})(?: {_CLOCK})?")
_DASHED: Final = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:([ T]){_CLOCK})?")


def _to_time(value: Stored, source: SqlType, to: SqlType, *, ydm: bool) -> str:
    if source.is_text:
        moment, tail = _read_text(str(value), source, to, ydm=ydm)
    elif source.is_whole or source.name in {"float", "decimal"}:
        if to.name not in {"datetime", "smalldatetime"}:
            raise ServerError(
                529, f"Explicit conversion from data type {source.name} to {to.name} is not allowed."
            )
        moment, tail = datetime(1900, 1, 1) + timedelta(days=float(value or 0)), "0000000"
    elif source.is_time:
        text = str(value)
        if source.name == "time":
            text = f"1900-01-01 {text}"
        moment = read_time(text)
        tail = text.partition(".")[2].ljust(7, "0")
    else:
        raise _clash(source, to)
    return stored_time(moment, tail, to, source)


def _read_text(text: str, source: SqlType, to: SqlType, *, ydm: bool) -> tuple[datetime, str]:
    """Return what a text of a date says: to the second, and the digits behind it.

    Only 20261122 and 2026-11-22T08:59:58 are read alike by every language; datetime2 and date have no such
    trouble.
    """
    bad = ServerError(241, "Conversion failed when converting date and/or time from character string.")
    text = text.strip(" ")
    if found := _PLAIN.fullmatch(text):
        year, month, day, hour, minute, second, digits = found.groups()
    elif found := _DASHED.fullmatch(text):
        year, month, day, between, hour, minute, second, digits = found.groups()
        old = to.name in {"datetime", "smalldatetime"}
        if ydm and old and between != "T":
            month, day = day, month
        if between == "T" and old and second is None:
            raise bad
    elif not text:
        year, month, day, hour, minute, second, digits = "1900", "1", "1", None, None, None, None
    else:
        raise bad
    if to.name == "datetime" and len(digits or "") > 3:
        raise bad
    try:
        moment = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        raise _out_of_range(source, to) from None
    return moment, (digits or "").ljust(7, "0")


def _out_of_range(source: SqlType, to: SqlType) -> ServerError:
    return ServerError(
        242,
        f"The conversion of a {source.name} data type to a {to.name} data type resulted in an out-of-range "
        "value.",
    )


def stored_time(moment: datetime, tail: str, to: SqlType, source: SqlType = NULL) -> str:
    """Given a time to the second and seven digits behind it, return it as its type keeps it."""
    moment = moment.replace(microsecond=0)
    ticks = int(tail[:7].ljust(7, "0"))
    if to.name == "date":
        return moment.date().isoformat()
    try:
        if to.name == "smalldatetime":
            moment += timedelta(seconds=30 if moment.second >= 30 else 0)
            if not datetime(1900, 1, 1) <= moment <= datetime(2079, 6, 6, 23, 59, 59):
                raise _out_of_range(source, to)
            return moment.strftime(f"{moment.year:04}-%m-%d %H:%M:00")
        if to.name == "datetime":
            if moment.year < 1753:
                raise _out_of_range(source, to)
            thirds = (ticks * 300 + 5_000_000) // 10_000_000
            moment += timedelta(seconds=thirds // 300)
            milliseconds = (thirds % 300 * 1000 + 150) // 300
            return moment.strftime(f"{moment.year:04}-%m-%d %H:%M:%S.") + f"{milliseconds:03}"
        unit = 10 ** (7 - to.scale)
        ticks = (ticks + unit // 2) // unit
        moment += timedelta(seconds=ticks // 10**to.scale)
    except OverflowError:
        raise _out_of_range(source, to) from None
    digits = f".{ticks % 10**to.scale:0{to.scale}}" if to.scale else ""
    day = "" if to.name == "time" else f"{moment.year:04}-{moment:%m-%d} "
    return f"{day}{moment:%H:%M:%S}{digits}"


@cache
def _read_day(text: str) -> date:
    return date.fromisoformat(text)


def read_time(text: str) -> datetime:
    """Given a time as it is kept, return it, to the microsecond."""
    if len(text) == 10:
        day = _read_day(text)
        return datetime(day.year, day.month, day.day)
    return datetime.fromisoformat(text[:26])


def told_time(text: str, source: SqlType, style: int | None) -> str:
    """Return a time as text, in one of the server's styles."""
    if style is None and source.name not in {"datetime", "smalldatetime"}:
        return text
    moment = read_time(f"1900-01-01 {text}" if source.name == "time" else text)
    milliseconds = f"{moment.microsecond // 1000:03}"
    forms = {
        None: f"{moment:%b} {moment.day:>2} {moment.year:04} {moment.hour % 12 or 12:>2}:{moment:%M%p}",
        108: f"{moment:%H:%M:%S}",
        112: f"{moment.year:04}{moment:%m%d}",
        120: f"{moment.year:04}-{moment:%m-%d %H:%M:%S}",
        121: f"{moment.year:04}-{moment:%m-%d %H:%M:%S}.{milliseconds}",
        126: f"{moment.year:04}-{moment:%m-%dT%H:%M:%S}" + (f".{milliseconds}" if moment.microsecond else ""),
        23: f"{moment.year:04}-{moment:%m-%d}",
    }
    if style not in forms:
        raise ServerError(281, f"{style} is not a valid style number when converting from {source.name}.")
    return forms[style]


UNITS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("year", "yy", "yyyy"), "year"), **dict.fromkeys(("month", "mm", "m"), "month"),
    **dict.fromkeys(("day", "dd", "d"), "day"), **dict.fromkeys(("hour", "hh"), "hour"),
    **dict.fromkeys(("minute", "mi", "n"), "minute"), **dict.fromkeys(("second", "ss", "s"), "second"),
    **dict.fromkeys(("millisecond", "ms"), "millisecond"),
    **dict.fromkeys(("dayofyear", "dy", "y"), "dayofyear"),
}  # fmt: skip
"""The parts of a date, by their names."""
_SIZES: Final = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


def difference(unit: str, first: str, last: str) -> int:
    """Return how many borders of a unit lie between two times: DATEDIFF."""
    one, other = read_time(first), read_time(last)
    if unit == "year":
        return other.year - one.year
    if unit == "month":
        return (other.year - one.year) * 12 + other.month - one.month
    if unit == "millisecond":
        number = (other - one) // timedelta(milliseconds=1)
    elif unit in _SIZES:
        begin = datetime(1, 1, 1)
        size = timedelta(seconds=_SIZES[unit])
        number = (other - begin) // size - (one - begin) // size
    else:
        raise ServerError(9810, f"The datepart {unit} is not supported by date function datediff.")
    if not -(2**31) <= number < 2**31:
        raise ServerError(
            535,
            "The datediff function resulted in an overflow. The number of dateparts separating two date/time "
            "instances is too large. Try to use datediff with a less precise datepart.",
        )
    return number


def added(unit: str, number: int, text: str, kind: SqlType) -> str:
    """Return a time with some units added: DATEADD."""
    moment = read_time(text)
    try:
        if unit in _SIZES:
            moment += timedelta(seconds=_SIZES[unit] * number)
        elif unit == "millisecond":
            moment += timedelta(milliseconds=number)
        elif unit in {"year", "month"}:
            months = moment.year * 12 + moment.month - 1 + number * (12 if unit == "year" else 1)
            year, month = divmod(months, 12)
            last = (datetime(year + month // 11, (month + 1) % 12 + 1, 1) - timedelta(days=1)).day
            moment = moment.replace(year=year, month=month + 1, day=min(moment.day, last))
        else:
            raise ServerError(9810, f"The datepart {unit} is not supported by date function dateadd.")
        return stored_time(moment, f"{moment.microsecond:06}0", kind)
    except (OverflowError, ValueError):
        raise ServerError(517, f"Adding a value to a '{kind.name}' column caused an overflow.") from None


def part(unit: str, text: str) -> int:
    """Return a part of a time: DATEPART."""
    moment = read_time(text)
    if unit == "dayofyear":
        return moment.timetuple().tm_yday
    if unit == "millisecond":
        return moment.microsecond // 1000
    return int(getattr(moment, unit))


def like(pattern: str, text: str, collation: Collation) -> bool:
    """Say whether a text is like a pattern of %, _ and [sets]."""
    parts = re.findall(r"%|_|\[\^?\]?[^\]]*\]|.", pattern, re.DOTALL)
    made = "".join(
        ".*" if one == "%" else "." if one == "_" else one if len(one) > 1 else re.escape(one)
        for one in parts
    )
    flags = re.DOTALL if collation.minds_case or collation.binary else re.DOTALL | re.IGNORECASE
    return re.fullmatch(made, text, flags) is not None
