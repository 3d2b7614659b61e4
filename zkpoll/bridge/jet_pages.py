"""Pages of Access files: where things stand on them, the rows they hold, their cipher. Pure.

Numbers are little-endian. Sources: the HACKING notes of mdbtools, Jackcess, and real files, checked against
mdb-export.
"""

from __future__ import annotations

from functools import cache
from itertools import cycle
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_PAGE: Final = 1
DEFINITION_PAGE: Final = 2
MAP_PAGE: Final = 5
PAGE_TYPES: Final = range(6)
"""What a page may begin with: data, a definition, two kinds of index and a usage map are 1 to 5."""
DELETED: Final = 0x8000
"""A row that was deleted, or one that another page's row has moved to."""
MOVED: Final = 0x4000
"""A row that is elsewhere; a pointer stands in its place."""
PLACE: Final = 0x1FFF
"""Where a row begins, without these two."""
POINTER: Final = Struct("<I")
"""The number of a row in its page (1 byte), that of the page (3 bytes)."""
_SHORT: Final = Struct("<H")


class Rotten(ValueError):
    """Bytes that cannot be what stands there: the end of a sentence that begins with the page."""


class JetForm(NamedTuple):
    """Where things stand in one generation of files, in bytes from the beginning of a page."""

    page_size: int
    directory: int
    """Of a page with rows: how many (2 bytes), then 2 bytes each."""
    counts: int
    """Of a definition: how many variable columns, then how many columns (2 bytes each)."""
    indexes: int
    """How many indexes stand in front of the columns (4 bytes)."""
    owned: int
    """A pointer to the usage map of the table's pages."""
    columns: int
    """Where the columns begin, but for the indexes."""
    index_size: int
    """Bytes of an index in front of the columns."""
    column: Struct
    """Type, number, variable slot, flags, fixed offset, length."""
    name: Struct
    """How long a column's name is, in bytes."""
    in_row: Struct
    """Within a row: a number of columns or values, or an offset."""


JET3: Final = JetForm(2048, 8, 23, 31, 35, 43, 8, Struct("<BHH8xBHH"), Struct("<B"), Struct("<B"))
JET4: Final = JetForm(4096, 12, 43, 51, 55, 63, 12, Struct("<B4xHH6xH4xHH"), Struct("<H"), Struct("<H"))


@cache
def shorts(count: int) -> Struct:
    """Return what reads `count` numbers of 2 bytes."""
    return Struct(f"<{count}H")


def slots(form: JetForm, page: bytes) -> tuple[int, ...]:
    """Return where the rows of a page begin, with their flags. Raise `Rotten`."""
    if len(page) != form.page_size:
        raise Rotten("is cut")
    (count,) = _SHORT.unpack_from(page, form.directory)
    if form.directory + 2 + 2 * count > form.page_size:
        raise Rotten(f"cannot hold {count} rows")
    return shorts(count).unpack_from(page, form.directory + 2)


def row_at(form: JetForm, page: bytes, number: int) -> tuple[int, int, int]:
    """Return where a row of a page begins and ends, and its flags. Raise `Rotten`.

    A row ends where the one before it begins, deleted or not.
    """
    places = slots(form, page)
    if number >= len(places):
        raise Rotten(f"has no row {number}")
    begin = places[number] & PLACE
    end = places[number - 1] & PLACE if number else form.page_size
    if not form.directory + 2 + 2 * len(places) <= begin < end <= form.page_size:
        raise Rotten("holds a row that reaches out of its place")
    return begin, end, places[number] & ~PLACE


def bits(bitmap: bytes) -> Iterator[int]:
    """Yield the numbers of the bits that are set, the low one of each byte first."""
    for index, byte in enumerate(bitmap):
        if byte:
            yield from (index * 8 + bit for bit in range(8) if byte >> bit & 1)


def rc4(key: bytes, data: bytes) -> bytes:
    """Encrypt or decrypt by RC4."""
    state = list(range(256))
    other = 0
    for index, part in zip(range(256), cycle(key)):
        held = state[index]
        other = (other + held + part) & 255
        state[index], state[other] = state[other], held
    stream = bytearray(len(data))
    other = 0
    for index in range(len(data)):
        place = (index + 1) & 255
        held = state[place]
        other = (other + held) & 255
        state[place], state[other] = swapped, _ = state[other], held
        stream[index] = state[(held + swapped) & 255]
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")
    return mixed.to_bytes(len(data), "little")
