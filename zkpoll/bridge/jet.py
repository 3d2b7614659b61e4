"""Access files, read by ourselves: Jet 3, Jet 4 and ACE (2007 to 2019). Nothing is ever written.

    page 0          version, code page, and the key of the pages' cipher
    page 2          the definition of MSysObjects, whose rows name each table and the page of its definition
    a definition    the columns, and a pointer to the map of the pages that the table owns
    the map         the table's pages with rows. Pages that no map holds may look like them and are stale
    a page          rows; in the place of one that grew out of its page stands a pointer to another page

Whatever the bytes are, reading ends, and it never leaves the file, the page or the row: a chain of pages
has an end and no page twice, a pointer leads to a row and not to another pointer.
"""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from functools import cached_property
from os import SEEK_END
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from zkpoll.bridge.jet_columns import read_definition
from zkpoll.bridge.jet_pages import (
    DATA_PAGE,
    DEFINITION_PAGE,
    DELETED,
    JET3,
    JET4,
    MAP_PAGE,
    MOVED,
    PAGE_TYPES,
    PLACE,
    POINTER,
    Rotten,
    bits,
    rc4,
    row_at,
    slots,
)
from zkpoll.bridge.jet_rows import RowDecoder, Texts
from zkpoll.errors import Damaged, Encrypted, WrongSchema
from zkpoll.ordinary_files import open_to_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from zkpoll.bridge.contract import Cell
    from zkpoll.bridge.jet_columns import JetColumn, JetDefinition

_MAGIC: Final = (b"\0\1\0\0Standard Jet DB\0", b"\0\1\0\0Standard ACE DB\0")
_VERSIONS: Final = ("Jet 3", "Jet 4", "ACE 2007", "ACE 2010", "ACE 2013", "ACE 2016", "ACE 2019")
"""By byte 0x14 of page 0."""
_HEADER: Final = 0x18
"""From here on page 0 is encrypted, by a key that all files share."""
_HEADER_END: Final = 0x42
_HEADER_KEY: Final = bytes.fromhex("c7da396b")
_CODE_PAGE: Final = slice(0x3C - _HEADER, 0x3E - _HEADER)
_PAGE_KEY: Final = slice(0x3E - _HEADER, 0x42 - _HEADER)
_OBJECTS: Final = 2
"""The page of the definition of MSysObjects."""
_A_TABLE: Final = 1
_OF_THE_SYSTEM: Final = 0x80000002
"""Flags of tables that are not the user's."""
_OBJECT_COLUMNS: Final = ("name", "id", "type", "flags")
_PAGE_OF_ID: Final = 0xFFFFFF
"""The low bits of a table's Id are the page of its definition."""
_MAP_HERE: Final = 0
_MAP_ELSEWHERE: Final = 1
_MAP_HEAD: Final = 5
_DECRYPT: Final = (
    "the database is encrypted with a password, and cannot be read; decrypt it in Access (File, Info, Decrypt"
    " Database), or name a copy that is not encrypted"
)
_LONGEST_CHAIN: Final = 64
"""Pages of a definition: 255 columns with the longest names and 32 indexes take 40 of Jet 3."""


class JetFile:
    """An Access file that is open for reading. Of its pages none is kept, of its tables the definitions.

    All that reads may raise `Damaged`, or `OSError` as the system does.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Given a file that keeps no buffer, look at its first pages.

        Raise `Damaged`, `Encrypted`, or `WrongSchema` where it is no Access file that can be read.
        """
        self._file = file
        self._page_key = 0
        size = file.seek(0, SEEK_END)
        file.seek(0)
        header = file.read(_HEADER_END)
        if size and not header.startswith(tuple(magic[: len(header)] for magic in _MAGIC)):
            raise WrongSchema("this is no Access database: its first bytes are others")
        if len(header) < _HEADER_END:
            raise Damaged(f"the file has only {size} bytes")
        if header[0x14] >= len(_VERSIONS):
            raise WrongSchema(f"Access databases of version {header[0x14]} are unknown to this zkpoll")
        self.version: Final = _VERSIONS[header[0x14]]
        """`Jet 3`, `Jet 4`, `ACE 2007` ..."""
        self.form: Final = JET4 if header[0x14] else JET3
        self.page_size: Final = self.form.page_size
        """Bytes."""
        if size % self.page_size:
            raise Damaged(f"the file ends within a page: {size} bytes are no multiple of {self.page_size}")
        clear = rc4(_HEADER_KEY, header[_HEADER:])
        key = int.from_bytes(clear[_PAGE_KEY], "little")
        if self.version.startswith("ACE"):
            kind = self.page(_OBJECTS)[0]
            if kind not in PAGE_TYPES or (key and kind != DEFINITION_PAGE):
                raise Encrypted(_DECRYPT)
        else:
            self._page_key = key
        self.texts: Final = Texts(self.form, _codec(int.from_bytes(clear[_CODE_PAGE], "little")))

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[JetFile]:
        """Open a file, shared with whoever writes it; there is no lock file. Raise as `JetFile` does."""
        with (
            open_to_read(path) as held,
            open(held.fileno(), "rb", buffering=0, closefd=False) as file,
        ):
            yield cls(file)

    @property
    def pages(self) -> int:
        """How many whole pages the file has now."""
        return self._file.seek(0, SEEK_END) // self.page_size

    def page(self, number: int) -> bytes:
        """Return a page, decrypted, as it is now. Raise `Damaged` where the file has no such page."""
        self._file.seek(number * self.page_size)
        data = self._file.read(self.page_size)
        if len(data) < self.page_size:
            raise Damaged(f"the file ends before the end of page {number}")
        if self._page_key and number:
            return rc4(POINTER.pack(self._page_key ^ number), data)
        return data

    @cached_property
    def tables(self) -> Mapping[str, JetTable]:
        """The users' tables, by casefolded name."""
        objects = JetTable(self, "MSysObjects", _OBJECTS)
        if not set(_OBJECT_COLUMNS) <= objects.columns.keys():
            raise Damaged(f"page {_OBJECTS} is not the definition of MSysObjects")
        found: dict[str, JetTable] = {}
        for number in objects.pages():
            page = self.page(number)
            for name, place, kind, flags in objects.rows(
                number, page, _OBJECT_COLUMNS, _OBJECT_COLUMNS[:2], self.page
            ):
                if not (isinstance(name, str) and isinstance(place, int)):
                    raise Damaged(f"page {_OBJECTS} is not the definition of MSysObjects")
                if kind != _A_TABLE or (isinstance(flags, int) and flags & _OF_THE_SYSTEM):
                    continue
                if name.casefold() in found:
                    raise Damaged(f"page {number} of MSysObjects names a table again that there is already")
                found[name.casefold()] = JetTable(self, name, place & _PAGE_OF_ID)
        return MappingProxyType(found)


class JetTable:
    """A table of an Access file. Its definition is read when it is first needed, and kept."""

    def __init__(self, file: JetFile, name: str, place: int) -> None:
        """Given the page that its definition begins on."""
        self._file = file
        self.name: Final = name
        """As it is spelled there."""
        self._place = place
        self._decoders: dict[tuple[tuple[str, ...], tuple[str, ...]], RowDecoder] = {}

    @property
    def columns(self) -> Mapping[str, JetColumn]:
        """Its columns, by casefolded name."""
        return self._definition.columns

    def pages(self) -> tuple[int, ...]:
        """Return the numbers of its pages with rows, as the map of its pages is now, in order.

        The first that the file ends before is the last of them: whoever asks for that page is told. A map
        that is rotten may have millions more.
        """
        number, row = divmod(self._definition.owned, 256)
        page = self._file.page(number)
        with self._telling(number):
            if page[0] != DATA_PAGE:
                raise Rotten("is not where the map of its pages begins")
            begin, end, _ = row_at(self._file.form, page, row)
        found = []
        limit = self._file.pages
        for owned in self._mapped(page[begin:end]):
            found.append(owned)
            if owned >= limit:
                break
        return tuple(found)

    def moved_to(self, page: bytes) -> tuple[int, ...]:
        """Given one of its pages, return the pages that rows of it have moved to.

        What cannot be right there is left out: `rows` tells it.
        """
        form = self._file.form
        try:
            places = slots(form, page)
        except Rotten:
            return ()
        begins = (place & PLACE for place in places if place & MOVED and not place & DELETED)
        limit = form.page_size - POINTER.size
        found = {POINTER.unpack_from(page, begin)[0] >> 8 for begin in begins if begin <= limit}
        pages = self._file.pages if found else 0
        return tuple(sorted(number for number in found if number < pages))

    def rows(
        self,
        number: int,
        page: bytes,
        columns: Sequence[str],
        key: Sequence[str],
        fetch: Callable[[int], bytes],
    ) -> list[tuple[Cell, ...]]:
        """Given one of its pages, return the rows that are on it, or have moved from it; no deleted ones.

        Values stand in the order of `columns`. `fetch` returns a page that a row has moved to. Raise
        `Damaged` where anything there cannot be right, or a row has no value in one of the columns `key`.
        """
        with self._telling(number):
            return list(self._rows(page, self._decoder(tuple(columns), tuple(key)), fetch))

    def _rows(
        self, page: bytes, decoder: RowDecoder, fetch: Callable[[int], bytes]
    ) -> Iterator[tuple[Cell, ...]]:
        self._check(page)
        form = self._file.form
        places = slots(form, page)
        floor, end = form.directory + 2 + 2 * len(places), form.page_size
        for place in places:
            begin = place & PLACE
            if not place & DELETED:
                if not floor <= begin < end <= form.page_size:
                    raise Rotten("holds a row that reaches out of its place")
                if place & MOVED:
                    yield self._moved(page[begin:end], decoder, fetch)
                else:
                    yield decoder.row(page, begin, end)
            end = begin

    def _moved(self, pointer: bytes, decoder: RowDecoder, fetch: Callable[[int], bytes]) -> tuple[Cell, ...]:
        """Return the row that a pointer leads to. It is there by any flag but one: it must not move on."""
        if len(pointer) < POINTER.size:
            raise Rotten("holds a row that has moved nowhere")
        number, row = divmod(POINTER.unpack_from(pointer)[0], 256)
        if number >= self._file.pages:
            raise Rotten(f"holds a row that has moved to page {number}, and the file ends before it")
        page = fetch(number)
        with self._telling(number):
            self._check(page)
            begin, end, flags = row_at(self._file.form, page, row)
            if flags & MOVED:
                raise Rotten("holds a row that has moved twice")
            return decoder.row(page, begin, end)

    def _check(self, page: bytes) -> None:
        """Raise `Rotten` where it is no page with rows of this table."""
        if page[:1] != bytes([DATA_PAGE]) or int.from_bytes(page[4:8], "little") != self._place:
            raise Rotten("is no page with its rows")

    def _decoder(self, columns: tuple[str, ...], key: tuple[str, ...]) -> RowDecoder:
        if (columns, key) not in self._decoders:
            wanted, needed = ([self.columns[name.casefold()] for name in names] for names in (columns, key))
            self._decoders[columns, key] = RowDecoder(
                self._file.form, self._definition, wanted, needed, self._file.texts
            )
        return self._decoders[columns, key]

    def _mapped(self, row: bytes) -> Iterator[int]:
        """Given the row that a map of pages begins with, yield the pages it has, in order."""
        if row[0] == _MAP_HERE and len(row) >= _MAP_HEAD:
            first = int.from_bytes(row[1:_MAP_HEAD], "little")
            yield from (first + bit for bit in bits(row[_MAP_HEAD:]))
        elif row[0] == _MAP_ELSEWHERE:
            for index in range((len(row) - 1) // POINTER.size):
                (number,) = POINTER.unpack_from(row, 1 + POINTER.size * index)
                if number:
                    page = self._file.page(number)
                    if page[0] != MAP_PAGE:
                        raise Damaged(f"page {number} of {self.name} is not part of its map of pages")
                    first = index * (self._file.page_size - POINTER.size) * 8
                    yield from (first + bit for bit in bits(page[POINTER.size :]))
        else:
            raise Damaged(f"the map of the pages of {self.name} cannot be right")

    @cached_property
    def _definition(self) -> JetDefinition:
        joined = bytearray()
        number, seen = self._place, set[int]()
        while number or not seen:
            page = self._file.page(number)
            if page[0] != DEFINITION_PAGE or number in seen or len(seen) >= _LONGEST_CHAIN:
                raise Damaged(f"page {number} of {self.name} is not part of its definition")
            joined += page[8:] if seen else page
            seen.add(number)
            number = int.from_bytes(page[4:8], "little")
        with self._telling(self._place):
            return read_definition(self._file.form, bytes(joined), self._file.texts.code_page)

    @contextmanager
    def _telling(self, number: int) -> Iterator[None]:
        """Make `Damaged` of what is rotten, with the page and the table."""
        try:
            yield
        except Rotten as rotten:
            raise Damaged(f"page {number} of {self.name} {rotten}") from None


def _codec(code_page: int) -> str:
    """Return the codec of a Windows code page; Latin-1 where there is none."""
    try:
        return codecs.lookup(f"cp{code_page}").name
    except LookupError:
        return "latin-1"
