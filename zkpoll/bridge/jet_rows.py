"""Rows of an Access table: from bytes to values. Pure.

    Jet 4   columns at the time of writing (2) | fixed values | variable values | end of these (2) |
            where each begins, the last one first (2 each) | how many (2) | null mask, a bit a column
    Jet 3   the same with 1 byte each; where a row is longer than 256 bytes, a table of jumps stands in front
            of "how many": the values from which on 256 more are added

A row has the columns that the table had when it was written, so no definition tells its form. It must never
happen that a value is read from outside its row, or from the place of another one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zkpoll.bridge.contract import EPOCH
from zkpoll.bridge.jet_columns import BOOLEAN, CURRENCY, DATE, TEXT
from zkpoll.bridge.jet_pages import JET3, Rotten, shorts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkpoll.bridge.contract import Cell
    from zkpoll.bridge.jet_columns import JetColumn, JetDefinition
    from zkpoll.bridge.jet_pages import JetForm

    Parts = tuple[int, int, tuple[int, ...], int]

_FIRST_DAY: Final = -693_593
"""The first day of the calendar, 0001-01-01."""
_LAST_DAY: Final = 2_958_465
"""The last one, 9999-12-31."""
_DAY: Final = 86_400_000_000
"""Microseconds."""
_COMPRESSED: Final = b"\xff\xfe"
_KEPT: Final = 5000
"""How many texts and shapes are kept: a table repeats few."""
_SHORT_TEXT: Final = 64
"""Bytes of a text that is worth it."""
_SHORT: Final = Struct("<H")


def as_date(days: float) -> datetime | None:
    """Given days since 1899-12-30, return the wall clock to the microsecond, or None: no calendar has it.

    Below zero the fraction still counts forward: -1.25 is six o'clock of the day before.
    """
    if not _FIRST_DAY - 1 < days < _LAST_DAY + 1:  # NaN is not, either
        return None
    day = int(days)
    return EPOCH + timedelta(day, 0, round(abs(days - day) * _DAY))


def as_text(raw: bytes) -> str:
    """Given a text of Jet 4, return it: UTF-16, or compressed. Raise `Rotten`.

    Compressed, it has one byte a character, and each 00 changes to UTF-16 or back.
    """
    if not raw.startswith(_COMPRESSED):
        if len(raw) % 2:
            raise Rotten("holds a text with half a character")
        return raw.decode("utf-16-le", "replace")
    if 0 not in raw:
        return raw[2:].decode("latin-1")
    wide = bytearray()
    place, narrow = 2, True
    while place < len(raw):
        if not raw[place]:
            narrow = not narrow
            place += 1
        elif narrow:
            wide += raw[place : place + 1] + b"\0"
            place += 1
        else:
            wide += raw[place : place + 2]
            place += 2
    if len(wide) % 2:
        raise Rotten("holds a text with half a character")
    return wide.decode("utf-16-le", "replace")


class Texts(dict[bytes, str]):
    """Bytes -> the text; the short ones are kept."""

    def __init__(self, form: JetForm, code_page: str) -> None:
        super().__init__()
        self.code_page: Final = code_page
        """The codec of texts of Jet 3."""
        self._read: Callable[[bytes], str] = (
            (lambda raw: raw.decode(code_page, "replace")) if form is JET3 else as_text
        )

    def __missing__(self, raw: bytes) -> str:
        text = self._read(raw)
        if len(raw) <= _SHORT_TEXT:
            if len(self) >= _KEPT:
                self.clear()
            self[raw] = text
        return text


class _Shape(NamedTuple):
    """Where the values of a row are: the fixed ones, then the variable ones, then what needs no bytes.

    Places are counted from the row's beginning. It is made once for all rows of equal length, numbers and
    null masks: a table has few shapes, and a row needs little more than the values themselves.
    """

    fixed: Struct
    turned: tuple[tuple[int, Callable[[Any], Cell]], ...]
    """Of the fixed values that are not what they are unpacked as: the index, and what makes them so."""
    variable: tuple[tuple[int, int, Callable[[bytes], Cell]], ...]
    """Where each begins and ends, and what makes a value of the bytes."""
    rest: tuple[Cell, ...]
    """Booleans, and the None of what is not there or not read."""
    pick: Callable[[Sequence[Cell]], tuple[Cell, ...]]
    """Puts all these into the order in which they were asked for."""


class RowDecoder:
    """Decodes rows of one table into the columns asked for."""

    def __init__(
        self,
        form: JetForm,
        definition: JetDefinition,
        columns: Sequence[JetColumn],
        key: Sequence[JetColumn],
        texts: Texts,
    ) -> None:
        self._columns = columns
        self._key = key
        self._texts = texts
        self._head = form.in_row.size
        """Bytes in front of the values."""
        self._parts = (_parts3 if form is JET3 else _parts4) if definition.variable else _parts_without(form)
        self._tail = 0
        """Bytes behind the values, the most that were seen: these, the head and the length tell a shape."""
        self._shapes: dict[tuple[int, bytes, bytes], _Shape] = {}

    def row(self, page: bytes, begin: int, end: int) -> tuple[Cell, ...]:
        """Given where a row stands on a page, return its values. Raise `Rotten`."""
        tail = max(begin, end - self._tail)
        told = (end - begin, page[begin : begin + self._head], page[tail:end])
        fixed, turned, variable, rest, pick = self._shapes.get(told) or self._shape(page, begin, end, told)
        values: list[Cell] = [*fixed.unpack_from(page, begin)]
        for index, turn in turned:
            values[index] = turn(values[index])
        for low, high, read in variable:
            values.append(read(page[begin + low : begin + high]))
        values += rest
        return pick(values)

    def _shape(self, page: bytes, begin: int, end: int, told: tuple[int, bytes, bytes]) -> _Shape:
        """Return the shape of a row, and keep it by what tells it. Raise `Rotten`."""
        columns, mask, places, size = self._parts(page, begin, end)
        if places[-1] < self._head or any(later < one for later, one in pairwise(places)):
            raise Rotten("holds a row whose values overlap")
        count = len(places) - 1
        there = {
            one
            for one in (*self._columns, *self._key)
            if one.number < columns and mask >> one.number & 1 and (one.slot is None or one.slot < count)
        }
        if not all(one in there or one.type == BOOLEAN for one in self._key):
            raise Rotten("holds a row without its key")
        read = [one for one in self._columns if one in there and one.readable and one.type != BOOLEAN]
        fixed = sorted({one for one in read if one.slot is None}, key=lambda one: one.offset)
        form, at = "<", 0
        for one in fixed:
            form += f"{self._head + one.offset - at}x{one.code}"
            at = self._head + one.offset + one.size
        if at > places[-1]:
            raise Rotten("holds a row that is too short for its values")
        variable = [(one, one.slot) for one in read if one.slot is not None]
        rest = [one for one in self._columns if one not in read]
        order = [*fixed, *(one for one, _ in variable), *rest]
        shape = _Shape(
            Struct(form),
            tuple((index, turn) for index, one in enumerate(fixed) if (turn := self._turn(one))),
            tuple((places[-1 - slot], places[-2 - slot], self._reads(one)) for one, slot in variable),
            tuple(one in there if one.type == BOOLEAN else None for one in rest),
            _picker([order.index(one) for one in self._columns]),
        )
        if size > self._tail or len(self._shapes) >= _KEPT:
            self._shapes.clear()
        if size <= self._tail:
            self._shapes[told] = shape
        self._tail = max(self._tail, size)
        return shape

    def _turn(self, column: JetColumn) -> Callable[[Any], Cell] | None:
        """Return what makes a column's value of what `struct` gives, None where it is the value already."""
        turns: dict[int, Callable[[Any], Cell]] = {
            TEXT: self._texts.__getitem__,
            DATE: as_date,
            CURRENCY: lambda units: units / 10_000,
        }
        return turns.get(column.type)

    def _reads(self, column: JetColumn) -> Callable[[bytes], Cell]:
        """Return what makes a value of the bytes of a variable column."""
        if column.type == TEXT:
            return self._texts.__getitem__
        number, turn = Struct("<" + column.code), self._turn(column)

        def read(raw: bytes) -> Cell:
            if len(raw) != number.size:
                raise Rotten("holds a number of the wrong width")
            value = number.unpack(raw)[0]
            return turn(value) if turn else value

        return read


def _picker(places: Sequence[int]) -> Callable[[Sequence[Cell]], tuple[Cell, ...]]:
    """Return what picks the values at these places."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


def _parts4(page: bytes, begin: int, end: int) -> Parts:
    """Return how many columns a row of Jet 4 has, its null mask, its places, and the bytes that these take.

    Places are where its variable values are, counted from the row's beginning: the end of all of them, then
    where each begins, the last one first. Raise `Rotten`.
    """
    columns = _SHORT.unpack_from(page, begin)[0] if end - begin >= 2 else 0
    mask_at = end - (columns + 7 >> 3)
    if not columns or mask_at < begin + 6:
        raise Rotten("holds a row without columns")
    count = _SHORT.unpack_from(page, mask_at - 2)[0]
    places_at = mask_at - 4 - 2 * count
    if places_at < begin + 2:
        raise Rotten("holds a row of more values than it has room for")
    places = shorts(count + 1).unpack_from(page, places_at)
    if places[0] > places_at - begin:
        raise Rotten("holds a row whose values overlap")
    return columns, int.from_bytes(page[mask_at:end], "little"), places, end - places_at


def _parts3(page: bytes, begin: int, end: int) -> Parts:
    """Do the same for a row of Jet 3, whose places have one byte each, and jumps of 256.

    Where the jumps are more than the values need, the last one means nothing.
    """
    columns = page[begin]
    mask_at = end - (columns + 7 >> 3)
    jumps_at = mask_at - 1 - (end - begin - 1) // 256
    if not columns or jumps_at < begin + 2:
        raise Rotten("holds a row without columns")
    count = page[mask_at - 1]
    places_at = jumps_at - 1 - count
    if places_at < begin + 1:
        raise Rotten("holds a row of more values than it has room for")
    jumps = page[jumps_at : mask_at - 1][::-1][: (places_at - begin) // 256]
    places = tuple(
        byte + 256 * sum(jump <= slot for jump in jumps)
        for slot, byte in zip(range(count, -1, -1), page[places_at:jumps_at], strict=True)
    )
    if places[0] > places_at - begin:
        raise Rotten("holds a row whose values overlap")
    return columns, int.from_bytes(page[mask_at:end], "little"), places, end - places_at


def _parts_without(form: JetForm) -> Callable[[bytes, int, int], Parts]:
    """Return what does the same in a table without variable columns: all up to the null mask is fixed."""

    def parts(page: bytes, begin: int, end: int) -> Parts:
        columns = form.in_row.unpack_from(page, begin)[0] if end - begin >= form.in_row.size else 0
        mask_at = end - (columns + 7 >> 3)
        if not columns or mask_at < begin + form.in_row.size:
            raise Rotten("holds a row without columns")
        return columns, int.from_bytes(page[mask_at:end], "little"), (mask_at - begin,), end - mask_at

    return parts
