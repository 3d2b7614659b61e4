"""Columns of an Access table, as its definition tells them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from struct import Struct, calcsize, error
from typing import TYPE_CHECKING, Final

from zkpoll.bridge.jet_pages import JET3, Rotten

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.bridge.jet_pages import JetForm

BOOLEAN: Final = 1
CURRENCY: Final = 5
DATE: Final = 8
TEXT: Final = 10
NUMBERS: Final[Mapping[int, str]] = {2: "B", 3: "h", 4: "i", CURRENCY: "q", 6: "f", 7: "d", DATE: "d"}
"""The types of one fixed width, as `struct` writes them: byte, two integers, currency, two floats, date."""
_FIXED: Final = 0x01
_CALCULATED: Final = 0xC000
"""The flags of a calculated column, whose values have a form of their own (2010 and later)."""
_MOST_COLUMNS: Final = 255
_TWO: Final = Struct("<HH")
_LONG: Final = Struct("<I")


@dataclass(frozen=True, slots=True)
class JetColumn:
    """A column of an Access table."""

    name: str
    """As it is spelled there."""
    type: int
    number: int
    """Its bit in the null mask of a row."""
    slot: int | None
    """Its place among the variable values of a row; it is not its rank among the columns. None: fixed."""
    offset: int
    """Where its value begins among the fixed values of a row."""
    length: int
    """Bytes of its values, at most."""
    calculated: bool = False

    @property
    def readable(self) -> bool:
        """Whether values are read: of texts, numbers, dates and booleans, not of memos, objects, GUIDs."""
        return self.type in (BOOLEAN, TEXT, *NUMBERS) and not self.calculated

    @property
    def is_fixed(self) -> bool:
        """Whether its value stands among the fixed ones; a boolean stands in the null mask alone."""
        return self.readable and self.slot is None and self.type != BOOLEAN

    @property
    def code(self) -> str:
        """Its value among fixed ones, as `struct` writes it."""
        return NUMBERS.get(self.type, f"{self.length}s")

    @property
    def size(self) -> int:
        """Bytes of its value among fixed ones."""
        return calcsize("<" + self.code)


@dataclass(frozen=True, slots=True)
class JetDefinition:
    """What a table's definition tells of it."""

    columns: Mapping[str, JetColumn]
    """By casefolded name."""
    variable: int
    """How many variable columns it has or had. With none, its rows are of another form."""
    owned: int
    """Pointer to the usage map of its pages."""


def read_definition(form: JetForm, data: bytes, code_page: str) -> JetDefinition:
    """Given the joined pages of a definition, return what it tells. Raise `Rotten`."""
    try:
        return _read(form, data, code_page)
    except error:
        raise Rotten("holds a definition that ends too early") from None


def _read(form: JetForm, data: bytes, code_page: str) -> JetDefinition:
    variable, count = _TWO.unpack_from(data, form.counts)
    if count > _MOST_COLUMNS:
        raise Rotten(f"holds a definition of {count} columns")
    place = form.columns + form.index_size * _LONG.unpack_from(data, form.indexes)[0]
    facts = [form.column.unpack_from(data, place + form.column.size * index) for index in range(count)]
    place += form.column.size * count
    columns: dict[str, JetColumn] = {}
    for kind, number, slot, flags, offset, length in facts:
        size = form.name.unpack_from(data, place)[0]
        place += form.name.size
        raw = data[place : place + size]
        place += size
        name = raw.decode(code_page if form is JET3 else "utf-16-le", "replace")
        fixed = bool(flags & _FIXED)
        column = JetColumn(
            name, kind, number, None if fixed else slot, offset, length, bool(flags & _CALCULATED)
        )
        if len(raw) < size or not size or number >= _MOST_COLUMNS or name.casefold() in columns:
            raise Rotten("holds a definition whose columns cannot be right")
        columns[name.casefold()] = column
    if len({column.number for column in columns.values()}) < count or _overlap(columns.values()):
        raise Rotten("holds a definition whose columns cannot be right")
    return JetDefinition(columns, variable, _LONG.unpack_from(data, form.owned)[0])


def _overlap(columns: Iterable[JetColumn]) -> bool:
    """Say whether two columns have the same bytes among the fixed values."""
    spans = sorted((one.offset, one.offset + one.size) for one in columns if one.is_fixed)
    return any(begin < end for (_, end), (begin, _) in pairwise(spans))
