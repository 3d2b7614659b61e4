"""Writes Access files of Jet 3, Jet 4 and later, from the facts that mdbtools and Jackcess published.

It makes what no library makes: files of Jet 3, pages under a key, columns that were dropped or added since,
rows that have moved, maps of both types, definitions of several pages. It knows nothing of the reader.

    book = Book(JET4)
    book.add(Table("CHECKINOUT", [Column("USERID", LONG), ...], [Row(17, ...)]))
    made = book.make()
    made.data, made.pages["CHECKINOUT"]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BOOL, BYTE, INT, LONG, MONEY, SINGLE, DOUBLE, DATE = range(1, 9)
BINARY, TEXT, OLE, MEMO = range(9, 13)
GUID, NUMERIC = 15, 16
WIDTHS: Final = {
    BOOL: 1,
    BYTE: 1,
    INT: 2,
    LONG: 4,
    MONEY: 8,
    SINGLE: 4,
    DOUBLE: 8,
    DATE: 8,
    GUID: 16,
    NUMERIC: 17,
}
"""Bytes of the types of one width; a boolean takes none in a row."""
VARIABLE: Final = (TEXT, BINARY, OLE, MEMO)
HEADER_KEY: Final = bytes([0xC7, 0xDA, 0x39, 0x6B])
JET3, JET4 = 3, 4
VERSION_BYTES: Final = {
    "Jet 3": 0,
    "Jet 4": 1,
    "ACE 2007": 2,
    "ACE 2010": 3,
    "ACE 2013": 4,
    "ACE 2016": 5,
    "ACE 2019": 6,
}


@dataclass
class Column:
    """A column. Number, slot and offset are given in order where they are None.

    One of a fixed type is variable where a slot is given; its values are bytes then.
    """

    name: str
    kind: int
    length: int = 510
    """Bytes of a text, at most."""
    number: int | None = None
    slot: int | None = None
    offset: int | None = None
    dropped: bool = False
    """Whether it takes room in rows, and the definition does not have it."""
    flags: int = 0

    @property
    def fixed(self) -> bool:
        """Whether its values stand in front of the variable ones."""
        return self.kind not in VARIABLE and self.slot is None


@dataclass
class Row:
    """A row: a value a column, dropped ones included; those that it was written without are left out."""

    values: Sequence[Any]
    deleted: bool = False
    moved: bool = False
    """Whether it is on another page, and a pointer in its place."""
    compressed: bool = True
    """Whether texts of Jet 4 are compressed where that is possible."""
    columns: int | None = None
    """The number of columns that the table had; None: as many as there are values."""


@dataclass
class Table:
    """A table."""

    name: str
    columns: list[Column]
    rows: list[Row] = field(default_factory=list)
    map_type: int = 0
    indexes: int = 0
    flags: int = 0
    kind: int = 1
    """In MSysObjects: 1 is a table, 6 a linked one."""
    rows_a_page: int = 1000
    """At most."""

    def __post_init__(self) -> None:
        """Give numbers, slots and offsets."""
        offset = slot = 0
        for number, column in enumerate(self.columns):
            column.number = number if column.number is None else column.number
            if column.fixed:
                column.offset = offset if column.offset is None else column.offset
                offset = max(offset, column.offset + (0 if column.kind == BOOL else WIDTHS[column.kind]))
            else:
                column.slot = slot if column.slot is None else column.slot
                slot = max(slot, column.slot + 1)

    @property
    def slots(self) -> int:
        """How many variable columns it has, or had."""
        return max((1 + (c.slot or 0) for c in self.columns if not c.fixed), default=0)


@dataclass
class Made:
    """A file, and where its parts are."""

    data: bytes
    page_size: int
    pages: dict[str, list[int]]
    """The pages with rows of each table; those of moved rows come last."""
    definitions: dict[str, list[int]]
    maps: dict[str, list[int]]
    """The page with the row of the map, and for type 1 those of the bitmap."""

    def page(self, number: int) -> bytes:
        """Return a page."""
        return self.data[number * self.page_size : (number + 1) * self.page_size]

    def with_page(self, number: int, page: bytes) -> bytes:
        """Return the file with another page in that place."""
        assert len(page) == self.page_size
        before, behind = number * self.page_size, (number + 1) * self.page_size
        return self.data[:before] + page + self.data[behind:]


def scrambled(key: bytes, data: bytes) -> bytes:
    """RC4, as it is published."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    out = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)


def compressed(text: str) -> bytes | None:
    """Return a text as Jet 4 compresses it, None where it cannot."""
    if any(ord(unit) % 256 == 0 for unit in text) or any(ord(unit) > 0xFFFF for unit in text):
        return None
    out, narrow = b"\xff\xfe", True
    for unit in text:
        if (ord(unit) < 256) != narrow:
            narrow = not narrow
            out += b"\0"
        out += bytes([ord(unit)]) if narrow else unit.encode("utf-16-le")
    return out


def days(at: datetime) -> float:
    """Return a wall clock as Access keeps it: whole days, and the time of day away from zero."""
    past = at - datetime(1899, 12, 30)
    part = timedelta(seconds=past.seconds, microseconds=past.microseconds) / timedelta(days=1)
    return past.days + part if past.days >= 0 else past.days - part


class Book:
    """A file to be made."""

    def __init__(
        self, version: str = "Jet 4", page_key: int = 0, code_page: int = 1252, real_code_page: str = "cp1252"
    ) -> None:
        """`real_code_page`: the codec in which texts of Jet 3 are written."""
        self.version = version
        self.jet = JET3 if version == "Jet 3" else JET4
        self.page_size = 2048 if self.jet == JET3 else 4096
        self.page_key = page_key
        self.code_page = code_page
        self.codec = real_code_page
        self.tables: list[Table] = []
        self._pages: list[bytes] = []

    def add(self, table: Table) -> None:
        """Take a table into the file."""
        self.tables.append(table)

    def make(self) -> Made:
        """Return the file."""
        objects = Table(
            "MSysObjects",
            [
                Column("Id", LONG),
                Column("ParentId", LONG),
                Column("Name", TEXT, 128),
                Column("Type", INT),
                Column("DateCreate", DATE),
                Column("DateUpdate", DATE),
                Column("Flags", LONG),
                Column("LvProp", OLE, 0),
            ],
            flags=-0x80000000,
        )
        made = Made(b"", self.page_size, {}, {}, {})
        self._pages = [b"", self._rows_page([(b"\0" + bytes(68), 0)], 0), b""]
        now = datetime(2026, 11, 22)
        for table in self.tables:
            self._write(table, made, self._take())
            head = made.definitions[table.name][0]
            objects.rows.append(Row([head, 0, table.name, table.kind, now, now, table.flags, None]))
        objects.rows.append(Row([2, 0, "MSysObjects", 1, now, now, objects.flags, None]))
        self._write(objects, made, 2)
        self._pages[0] = self._header()
        made.data = b"".join(self._sealed(number, page) for number, page in enumerate(self._pages))
        return made

    # --- pages ---

    def _take(self) -> int:
        self._pages.append(b"")
        return len(self._pages) - 1

    def _header(self) -> bytes:
        ace = self.version.startswith("ACE")
        page = bytearray(self.page_size)
        page[:4] = b"\0\1\0\0"
        page[4:20] = b"Standard ACE DB\0" if ace else b"Standard Jet DB\0"
        page[0x14] = VERSION_BYTES[self.version]
        page[0x3C:0x3E] = struct.pack("<H", self.code_page)
        page[0x3E:0x42] = struct.pack("<I", self.page_key)
        length = 126 if self.jet == JET3 else 128
        page[0x18 : 0x18 + length] = scrambled(HEADER_KEY, bytes(page[0x18 : 0x18 + length]))
        return bytes(page)

    def _sealed(self, number: int, page: bytes) -> bytes:
        page = page.ljust(self.page_size, b"\0")
        if number == 0 or not self.page_key:
            return page
        return scrambled(struct.pack("<I", self.page_key ^ number), page)

    def _rows_page(self, rows: Sequence[tuple[bytes, int]], owner: int) -> bytes:
        """Given rows and their flags, return the page."""
        end, places, body = self.page_size, [], b""
        for row, flags in rows:
            end -= len(row)
            places.append(end | flags)
            body = row + body
        head = struct.pack("<BBHI", 1, 1, 0, owner) + (b"" if self.jet == JET3 else bytes(4))
        head += struct.pack("<H", len(rows)) + struct.pack(f"<{len(places)}H", *places)
        free = self.page_size - len(head) - len(body)
        assert free >= 0
        head = head[:2] + struct.pack("<H", free) + head[4:]
        return head + bytes(free) + body

    def _write(self, table: Table, made: Made, head: int) -> None:
        """Write a table; its definition begins on page `head`."""
        mapped = self._take()
        pages = self._data(table, head)
        made.pages[table.name] = pages
        row, rest = self._map(table, pages)
        self._pages[mapped] = self._rows_page([(row, 0), (b"\0" + bytes(68), 0)], 0)
        made.maps[table.name] = [mapped, *rest]
        made.definitions[table.name] = self._definition(table, head, mapped)

    def _data(self, table: Table, owner: int) -> list[int]:
        """Write the rows, and return their pages."""
        limit = self.page_size - 32
        packed: list[list[tuple[bytes, int, Row]]] = [[]]
        used = 0
        for row in table.rows:
            data = self._row(table, row)
            room = 6 if row.moved else len(data) + 2
            if used + room > limit or len(packed[-1]) >= table.rows_a_page:
                packed.append([])
                used = 0
            used += room
            packed[-1].append((data, 0xC000 if row.deleted else 0, row))
        numbers = [self._take() for _ in packed]
        away: list[int] = []
        for number, rows in zip(numbers, packed, strict=True):
            here = []
            for data, flags, row in rows:
                if row.moved:
                    other = self._take()
                    away.append(other)
                    filler = (b"\0" * 7, 0xC000)
                    self._pages[other] = self._rows_page([filler, (data, 0x8000)], owner)
                    here.append((bytes([1]) + struct.pack("<I", other)[:3], flags | 0x4000))
                else:
                    here.append((data, flags))
            self._pages[number] = self._rows_page(here, owner)
        return numbers + away

    def _map(self, table: Table, pages: list[int]) -> tuple[bytes, list[int]]:
        """Return the row of a map of pages, and the pages it has besides."""
        if table.map_type == 0:
            first = min(pages)
            return b"\0" + struct.pack("<I", first) + self._bitmap(pages, first, 512), []
        each = (self.page_size - 4) * 8
        pointers, taken = b"", []
        for index in range(17):
            held = [page for page in pages if page // each == index]
            if held:
                number = self._take()
                taken.append(number)
                self._pages[number] = b"\5\1\0\0" + self._bitmap(held, index * each, each)
            pointers += struct.pack("<I", number if held else 0)
        return b"\1" + pointers, taken

    @staticmethod
    def _bitmap(pages: list[int], first: int, size: int) -> bytes:
        bitmap = bytearray(size // 8)
        for page in pages:
            bitmap[(page - first) // 8] |= 1 << (page - first) % 8
        return bytes(bitmap)

    def _definition(self, table: Table, head: int, mapped: int) -> list[int]:
        """Write a definition, and return its pages."""
        there = [column for column in table.columns if not column.dropped]
        most = 1 + max(column.number or 0 for column in table.columns)
        pointers = struct.pack("<II", mapped << 8, mapped << 8 | 1)
        counts = struct.pack("<HHHII", most, table.slots, len(there), table.indexes, table.indexes)
        if self.jet == JET3:
            body = struct.pack("<I", 152) + bytes(4) + b"N" + counts + pointers
            body += bytes(8 * table.indexes)
        else:
            body = bytes(4) + struct.pack("<I", 152) + bytes(20) + b"N" + counts + pointers
            body += bytes(12 * table.indexes)
        body += b"".join(self._column(column) for column in there)
        for column in there:
            if self.jet == JET3:
                name = column.name.encode(self.codec)
                body += bytes([len(name)]) + name
            else:
                name = column.name.encode("utf-16-le")
                body += struct.pack("<H", len(name)) + name
        body += b"\xff\xff"
        body = struct.pack("<I", len(body) + 12) + body
        room = self.page_size - 8
        parts = [body[at : at + room] for at in range(0, len(body), room)]
        numbers = [head, *(self._take() for _ in parts[1:])]
        for number, part, following in zip(numbers, parts, [*numbers[1:], 0], strict=True):
            self._pages[number] = b"\2\1\0\0" + struct.pack("<I", following) + part
        return numbers

    def _column(self, column: Column) -> bytes:
        flags = column.flags | (3 if column.fixed else 2)
        length = column.length if column.kind == TEXT else WIDTHS.get(column.kind, 0)
        slot, offset = column.slot or 0, column.offset or 0
        if self.jet == JET3:
            head = struct.pack("<BHHH", column.kind, column.number, slot, column.number)
            return head + bytes(6) + struct.pack("<BHH", flags, offset, length)
        head = struct.pack("<BIHHH", column.kind, 0x653, column.number, slot, column.number)
        return head + bytes(4) + struct.pack("<H", flags) + bytes(4) + struct.pack("<HH", offset, length)

    # --- rows ---

    def _row(self, table: Table, row: Row) -> bytes:
        """Return the bytes of a row."""
        pairs = list(zip(table.columns, row.values, strict=False))
        count = row.columns if row.columns is not None else 1 + max(c.number or 0 for c, _ in pairs)
        fixed = bytearray()
        mask = bytearray((count + 7) // 8)
        slots: dict[int, bytes] = {}
        for column, value in pairs:
            number = column.number or 0
            if value is not None and value is not False:
                mask[number // 8] |= 1 << number % 8
            if not column.fixed:
                slots[column.slot or 0] = b"" if value is None else self._variable(value, row)
            elif column.kind != BOOL:
                data = bytes(WIDTHS[column.kind]) if value is None else self._fixed(column, value)
                begin = column.offset or 0
                fixed = fixed.ljust(begin + len(data), b"\0")
                fixed[begin : begin + len(data)] = data
        size = 1 if self.jet == JET3 else 2
        head = count.to_bytes(size, "little") + fixed
        if not table.slots:
            return bytes(head + mask)
        variable = [slots.get(slot, b"") for slot in range(1 + max(slots, default=-1))]
        begins = [len(head)]
        for one in variable:
            begins.append(begins[-1] + len(one))
        body = bytes(head) + b"".join(variable)
        if self.jet == JET4:
            places = struct.pack(f"<{len(begins)}H", *reversed(begins))
            return body + places + struct.pack("<H", len(variable)) + bytes(mask)
        return body + self._places3(body, begins, len(mask)) + bytes([len(variable)]) + bytes(mask)

    @staticmethod
    def _places3(body: bytes, begins: list[int], mask: int) -> bytes:
        """Return the offsets of a row of Jet 3, and its jumps: the first value behind each 256 bytes."""
        jumps = 0
        while (len(body) + len(begins) + jumps + mask) // 256 > jumps:
            jumps += 1
        table = []
        for jump in range(1, jumps + 1):
            over = [index for index, begin in enumerate(begins) if begin >= 256 * jump]
            table.append(over[0] if over else 0xFF)
        return bytes(begin % 256 for begin in reversed(begins)) + bytes(reversed(table))

    def _variable(self, value: str | bytes, row: Row) -> bytes:
        if isinstance(value, bytes):
            return value
        if self.jet == JET3:
            return value.encode(self.codec)
        short = compressed(value) if row.compressed else None
        return value.encode("utf-16-le") if short is None else short

    @staticmethod
    def _fixed(column: Column, value: Any) -> bytes:
        if column.kind == DATE:
            return struct.pack("<d", value if isinstance(value, float) else days(value))
        if column.kind == MONEY:
            return struct.pack("<q", round(value * 10_000))
        codes = {BYTE: "<B", INT: "<h", LONG: "<i", SINGLE: "<f", DOUBLE: "<d"}
        return struct.pack(codes[column.kind], value) if column.kind in codes else bytes(value)
