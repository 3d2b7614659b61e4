"""Our own reader of Access files: the file, its tables, maps and rows. `jet_writer` makes the files."""

from __future__ import annotations

import csv
import io
import os
import shutil
import struct
import subprocess
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bridge.jet_writer import (
    BINARY,
    BOOL,
    BYTE,
    DATE,
    DOUBLE,
    GUID,
    INT,
    LONG,
    MEMO,
    MONEY,
    NUMERIC,
    OLE,
    SINGLE,
    TEXT,
    VERSION_BYTES,
    Book,
    Column,
    Made,
    Row,
    Table,
)
from tests.examples import examples
from zkpoll.bridge.jet import JetFile
from zkpoll.errors import Damaged, Encrypted, WrongSchema
from zkpoll.ordinary_files import NotOrdinary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from zkpoll.bridge.contract import Cell

MONDAY = datetime(2026, 11, 23, 8, 59, 58)
GENERATIONS = ["Jet 3", "Jet 4"]
KEY = ("USERID", "CHECKTIME")
NAMES = ("USERID", "CHECKTIME", "CHECKTYPE", "VERIFYCODE", "SENSORID", "sn", "WorkCode")


def columns() -> list[Column]:
    """Return those of CHECKINOUT as real files have them: WorkCode was dropped, and made again behind sn."""
    return [
        Column("USERID", LONG),
        Column("CHECKTIME", DATE),
        Column("CHECKTYPE", TEXT, 2),
        Column("VERIFYCODE", LONG),
        Column("SENSORID", TEXT, 10),
        Column("Memoinfo", TEXT, 60),
        Column("gone", LONG, dropped=True),
        Column("WorkCode", TEXT, 48, number=9, slot=4),
        Column("sn", TEXT, 40, number=7, slot=3),
        Column("UserExtFmt", INT, number=8),
    ]


def punch(user: int, at: datetime = MONDAY, serial: str | None = "CQZ7224760045", **kinds: Any) -> Row:
    """Return a row of CHECKINOUT."""
    return Row([user, at, "I", 1, "1", None, None, "7", serial, 0], **kinds)


def checkinout(*rows: Row, version: str = "Jet 4", page_key: int = 0, **table: Any) -> Made:
    """Return a file with such a table."""
    book = Book(version, page_key)
    book.add(Table("CHECKINOUT", columns(), list(rows), **table))
    return book.make()


def opened(data: bytes) -> JetFile:
    """Open a file that is in memory."""
    return JetFile(io.BytesIO(data))


def read(
    data: bytes, table: str = "CHECKINOUT", names: Sequence[str] = NAMES, key: Sequence[str] = KEY
) -> list[tuple[Cell, ...]]:
    """Return the rows of a table."""
    file = opened(data)
    found = file.tables[table.casefold()]
    return [
        row
        for number in found.pages()
        for row in found.rows(number, file.page(number), names, key, file.page)
    ]


def one_row(column: Column, value: Any, version: str = "Jet 4", **row: Any) -> Made:
    """Return a file whose table `T` has a number and one value."""
    book = Book(version)
    book.add(Table("T", [Column("id", LONG), column], [Row([1, value], **row)]))
    return book.make()


def value_of(column: Column, value: Any, version: str = "Jet 4", **row: Any) -> Cell:
    """Write a value, and return it as it is read."""
    ((found,),) = read(one_row(column, value, version, **row).data, "T", [column.name], ["id"])
    return found


class TestFile:
    """A file as a whole."""

    @pytest.mark.parametrize("version", VERSION_BYTES)
    def test_each_version_is_read(self, version: str) -> None:
        """A file of any version tells which it is, and has the rows that were written."""
        made = checkinout(punch(17), punch(18), version=version)
        assert opened(made.data).version == version
        assert read(made.data) == [(user, MONDAY, "I", 1, "1", "CQZ7224760045", "7") for user in (17, 18)]

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_pages_under_a_key_are_read_without_a_password(self, version: str) -> None:
        """Where the header has a key, each page but the first is decrypted."""
        made = checkinout(punch(17), version=version, page_key=0xDEADBEEF)
        assert b"USERID" not in made.data
        assert b"U\0S\0E\0R\0I\0D\0" not in made.data
        assert [row[0] for row in read(made.data)] == [17]

    def test_an_encrypted_accdb_is_refused_in_a_sentence(self) -> None:
        """Whoever has an encrypted file hears that it must be decrypted, and where."""
        made = checkinout(punch(17), version="ACE 2010")
        locked = made.data[: 2 * 4096] + bytes(byte ^ 0xA7 for byte in made.data[2 * 4096 :])
        with pytest.raises(Encrypted, match=r"^the database is encrypted .*decrypt it in Access"):
            opened(locked)

    @pytest.mark.parametrize("version", GENERATIONS)
    @given(data=st.data())
    @settings(max_examples=examples(40))
    def test_a_length_that_is_no_whole_pages_is_damage(self, version: str, data: st.DataObject) -> None:
        """A file that was cut anywhere within a page is damaged, before any page is looked at."""
        made = checkinout(punch(17), version=version)
        length = data.draw(
            st.integers(0, len(made.data) - 1).filter(lambda size: size % made.page_size or not size)
        )
        with pytest.raises(Damaged, match=r"the file (ends within a page|has only)"):
            opened(made.data[:length])

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_file_cut_between_pages_is_damage(self, version: str) -> None:
        """Whatever whole pages are missing at its end, no rows are left out without a word."""
        made = checkinout(*(punch(user) for user in range(300)), version=version)
        for pages in range(1, len(made.data) // made.page_size):
            with pytest.raises(Damaged):
                read(made.data[: pages * made.page_size])

    @pytest.mark.parametrize(
        "data", [b"SQLite format 3\0" + bytes(4080), b"\0\1\0\0Standard Jet XX\0" + bytes(4076), b"hello"]
    )
    def test_what_is_no_access_file_is_told(self, data: bytes) -> None:
        """Another file than an Access database is named as such."""
        with pytest.raises(WrongSchema, match="this is no Access database"):
            opened(data)

    def test_a_later_version_is_not_guessed(self) -> None:
        """A version that nobody knows is not read as the nearest one."""
        data = bytearray(checkinout(punch(17)).data)
        data[0x14] = 7
        with pytest.raises(WrongSchema, match="version 7"):
            opened(bytes(data))

    def test_it_is_opened_shared_and_unlocked(self, tmp_path: Path) -> None:
        """Reading makes no file, changes none, and needs no right to write."""
        made = checkinout(punch(17))
        path = tmp_path / "att2000.mdb"
        path.write_bytes(made.data)
        path.chmod(0o400)
        before = path.stat()
        with JetFile.open(path) as file:
            assert list(file.tables) == ["checkinout"]
            assert file.pages == len(made.data) // 4096
        after = path.stat()
        assert list(tmp_path.iterdir()) == [path]
        assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)

    def test_a_page_is_as_it_is_now(self, tmp_path: Path) -> None:
        """A page that another program writes between two readings is read as it is then."""
        path = tmp_path / "att2000.mdb"
        path.write_bytes(checkinout(punch(17)).data)
        with JetFile.open(path) as file, path.open("r+b") as other:
            first = file.page(3)
            other.seek(3 * 4096)
            other.write(b"x" * 4096)
            other.flush()
            assert file.page(3) == b"x" * 4096 != first

    def test_a_pipe_is_not_waited_for(self, tmp_path: Path) -> None:
        """What is no ordinary file is refused at once."""
        os.mkfifo(tmp_path / "att2000.mdb")
        with pytest.raises(NotOrdinary), JetFile.open(tmp_path / "att2000.mdb"):
            pass

    def test_a_page_outside_is_damage(self) -> None:
        """A page that the file does not have is damage, not an empty page."""
        made = checkinout(punch(17))
        with pytest.raises(Damaged, match="before the end of page 99"):
            opened(made.data).page(99)

    def test_system_tables_and_links_are_left_out(self) -> None:
        """Only the users' own tables are there."""
        book = Book()
        book.add(Table("CHECKINOUT", columns()))
        book.add(Table("MSysACEs", columns(), flags=-0x80000000))
        book.add(Table("hidden", columns(), flags=2))
        book.add(Table("linked", columns(), kind=6))
        assert list(opened(book.make().data).tables) == ["checkinout"]


class TestDefinition:
    """What a table's definition tells."""

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_columns_are_found_in_any_case(self, version: str) -> None:
        """Columns go by casefolded names, and tell how they are spelled; those dropped are not there."""
        made = checkinout(version=version, indexes=3)
        table = opened(made.data).tables["checkinout"]
        assert table.name == "CHECKINOUT"
        assert {name: column.name for name, column in table.columns.items()} == {
            column.name.casefold(): column.name for column in columns() if not column.dropped
        }

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_it_may_take_several_pages(self, version: str) -> None:
        """A definition of 200 columns with long names is joined from its pages."""
        wide = [Column(f"{index:03}{'n' * 60}", TEXT) for index in range(200)]
        book = Book(version)
        book.add(Table("wide", wide, [Row([str(index) for index in range(200)])]))
        made = book.make()
        assert len(made.definitions["wide"]) > 3
        (row,) = read(made.data, "wide", [column.name for column in wide], ())
        assert row == tuple(str(index) for index in range(200))

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_chain_without_an_end_ends(self, version: str) -> None:
        """A definition whose pages lead back to the first is damage."""
        made = checkinout(version=version)
        number = made.definitions["CHECKINOUT"][0]
        page = made.page(number)
        circle = made.with_page(number, page[:4] + struct.pack("<I", number) + page[8:])
        with pytest.raises(Damaged, match=f"page {number} of CHECKINOUT is not part of its definition"):
            read(circle)

    @pytest.mark.parametrize("version", GENERATIONS)
    @given(data=st.data())
    @settings(max_examples=examples(200))
    def test_whatever_it_is_it_is_read_or_damage(self, version: str, data: st.DataObject) -> None:
        """Any bytes in a definition end in rows or in damage, never in another error."""
        made = checkinout(punch(17), version=version, indexes=1)
        number = made.definitions["CHECKINOUT"][0]
        page = bytearray(made.page(number))
        for place in data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=8)):
            page[place] = data.draw(st.integers(0, 255))
        assert_sound_or_damaged(made.with_page(number, bytes(page)), typed=False)


class TestMap:
    """The map of the pages that a table owns."""

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize("map_type", [0, 1])
    def test_it_tells_all_pages_in_order(self, version: str, map_type: int) -> None:
        """A map in one row and one over pages both tell all of a table's pages."""
        made = checkinout(
            *(punch(user) for user in range(500)), version=version, map_type=map_type, rows_a_page=7
        )
        assert opened(made.data).tables["checkinout"].pages() == tuple(made.pages["CHECKINOUT"])
        assert [row[0] for row in read(made.data)] == list(range(500))

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_stale_pages_are_not_read(self, version: str) -> None:
        """A page that looks like one of the table's and is in no map is not the table's."""
        made = checkinout(punch(17), version=version)
        (number,) = made.pages["CHECKINOUT"]
        assert [row[0] for row in read(made.data + made.page(number))] == [17]

    @pytest.mark.parametrize("map_type", [0, 1])
    def test_a_page_outside_the_file_is_damage(self, map_type: int) -> None:
        """A map that tells of a page behind the file's end is damage."""
        made = checkinout(punch(17), map_type=map_type)
        number = made.maps["CHECKINOUT"][-1]
        page = bytearray(made.page(number))
        page[100 if map_type else 4095] = 0x80
        with pytest.raises(Damaged, match="the file ends before the end of page"):
            read(made.with_page(number, bytes(page)))

    def test_a_map_of_millions_of_pages_ends_at_the_first_that_is_not_there(self) -> None:
        """Of a map whose bits are all set, the pages of the file are told, and one behind them."""
        made = checkinout(punch(17), map_type=1)
        number = made.maps["CHECKINOUT"][-1]
        file = opened(made.with_page(number, b"\5\1\0\0" + b"\xff" * 4092))
        assert file.tables["checkinout"].pages() == tuple(range(file.pages + 1))

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize("map_type", [0, 1])
    @given(data=st.data())
    @settings(max_examples=examples(100))
    def test_whatever_it_is_it_is_read_or_damage(
        self, version: str, map_type: int, data: st.DataObject
    ) -> None:
        """Any bytes in a map end in rows or in damage, never in another error."""
        made = checkinout(punch(17), version=version, map_type=map_type)
        number = data.draw(st.sampled_from(made.maps["CHECKINOUT"]))
        page = bytearray(made.page(number))
        near = st.one_of(st.integers(0, 20), st.integers(made.page_size - 150, made.page_size - 1))
        for place in data.draw(st.lists(near, min_size=1, max_size=5)):
            page[place] = data.draw(st.integers(0, 255))
        assert_sound_or_damaged(made.with_page(number, bytes(page)))


class TestRow:
    """A row, from bytes to values."""

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_value_is_at_its_slot_not_at_its_rank(self, version: str) -> None:
        """Serial and work code are not swapped where the vendor made WorkCode again behind sn."""
        made = checkinout(punch(17, serial="CQZ7224760045"), version=version)
        assert read(made.data, names=["sn", "WorkCode"]) == [("CQZ7224760045", "7")]

    def test_columns_stand_in_the_order_asked_for(self) -> None:
        """One column, all, none, the same twice: as they were asked for, in any case."""
        made = checkinout(punch(17))
        assert read(made.data, names=["workcode", "USERID", "sn", "userid"]) == [
            ("7", 17, "CQZ7224760045", 17)
        ]
        assert read(made.data, names=["CheckTime"]) == [(MONDAY,)]
        assert read(made.data, names=[]) == [()]

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_deleted_rows_are_left_out(self, version: str) -> None:
        """A row that was deleted is not there, and those behind it are."""
        made = checkinout(punch(1), punch(2, deleted=True), punch(3), version=version)
        assert [row[0] for row in read(made.data)] == [1, 3]

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_columns_added_since_are_empty(self, version: str) -> None:
        """A row that was written before a column was added has None there, False where it is a boolean."""
        late = [Column("live", LONG), Column("flag", BOOL), Column("note", TEXT)]
        old = Row([1, "a"])
        book = Book(version)
        book.add(
            Table("T", [Column("id", LONG), Column("x", TEXT), *late], [old, Row([2, "b", 5, True, "c"])])
        )
        assert read(book.make().data, "T", ["id", "x", "live", "flag", "note"], ["id"]) == [
            (1, "a", None, False, None),
            (2, "b", 5, True, "c"),
        ]

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_table_of_numbers_only(self, version: str) -> None:
        """Rows of a table without texts are of another form, and are read."""
        book = Book(version)
        book.add(
            Table("T", [Column("id", LONG), Column("n", BYTE)], [Row([1, 200]), Row([2, None]), Row([-3, 0])])
        )
        assert read(book.make().data, "T", ["id", "n"], ["id"]) == [(1, 200), (2, None), (-3, 0)]

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize(
        ("kind", "value"),
        [
            (BOOL, True), (BOOL, False), (BYTE, 255), (INT, -32768), (LONG, -(2**31)), (LONG, None),
            (MONEY, -12.3456), (SINGLE, 0.5), (DOUBLE, 1e300), (DATE, MONDAY), (DATE, None),
            (TEXT, ""), (TEXT, None), (TEXT, "Zoë"),
        ],
    )  # fmt: skip
    def test_each_type_is_read(self, version: str, kind: int, value: Any) -> None:
        """Booleans, numbers, money, dates and texts come as they were written."""
        assert value_of(Column("x", kind), value, version) == value

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize(
        ("kind", "value"),
        [(BINARY, b"secret"), (OLE, bytes(12)), (MEMO, bytes(12)), (GUID, bytes(16)), (NUMERIC, bytes(17))],
    )
    def test_what_is_never_read_is_none(self, version: str, kind: int, value: bytes) -> None:
        """Memos, objects, binaries, GUIDs and decimals are None, and columns behind them are right."""
        book = Book(version)
        held = [Column("id", LONG), Column("x", kind), Column("t", TEXT), Column("n", INT)]
        book.add(Table("T", held, [Row([1, value, "behind", 7])]))
        file = book.make().data
        assert read(file, "T", ["x", "t", "n"], ["id"]) == [(None, "behind", 7)]
        assert not opened(file).tables["t"].columns["x"].readable

    def test_a_calculated_column_is_not_read(self) -> None:
        """A calculated column, whose values have another form, is None, and no text made of its bytes."""
        assert value_of(Column("x", TEXT, flags=0xC000), "abc") is None

    def test_a_number_among_variable_values(self) -> None:
        """A number that the definition has among the variable values is read there, or is damage."""
        held = Column("x", LONG, slot=0)
        assert value_of(held, struct.pack("<i", -7)) == -7
        assert value_of(Column("x", MONEY, slot=0), struct.pack("<q", 25_000)) == 2.5
        with pytest.raises(Damaged, match="a number of the wrong width"):
            value_of(held, b"\7")

    def test_rows_of_more_than_256_bytes_of_jet_3(self) -> None:
        """Long rows of Jet 3, with every number of jumps, are read."""
        texts = [[letter * length for letter in "abcdef"] for length in range(0, 256, 3)]
        held = [Column("id", LONG), *(Column(letter, TEXT) for letter in "abcdef")]
        book = Book("Jet 3")
        book.add(Table("T", held, [Row([index, *row]) for index, row in enumerate(texts)]))
        rows = read(book.make().data, "T", list("abcdef"), ["id"])
        assert rows == [tuple(row) for row in texts]

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize("missing", [0, 1])
    def test_a_row_without_its_key_is_damage(self, version: str, missing: int) -> None:
        """A row that lacks its person or its time is damage, and the page and the table are named."""
        row = punch(17)
        values: list[Any] = [*row.values]
        values[missing] = None
        made = checkinout(punch(1), Row(values), version=version)
        (number,) = made.pages["CHECKINOUT"]
        with pytest.raises(Damaged, match=f"^page {number} of CHECKINOUT holds a row without its key$"):
            read(made.data)

    def test_a_key_of_text_must_be_there(self) -> None:
        """A key that is a text may be empty, and not missing."""
        assert read(one_row(Column("x", TEXT), "").data, "T", ["id"], ["x"]) == [(1,)]
        with pytest.raises(Damaged, match="without its key"):
            read(one_row(Column("x", TEXT), None).data, "T", ["id"], ["x"])

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_rows_of_another_table_are_not_taken(self, version: str) -> None:
        """A page of a map that is another table's, or none with rows, is damage."""
        book = Book(version)
        book.add(Table("A", [Column("id", LONG)], [Row([1])]))
        book.add(Table("B", [Column("id", LONG)], [Row([2])]))
        made = book.make()
        file = opened(made.data)
        table = file.tables["a"]
        for number in (*made.pages["B"], *made.maps["A"], *made.definitions["A"], 1):
            with pytest.raises(Damaged, match=f"page {number} of A is no page with its rows"):
                table.rows(number, file.page(number), ["id"], ["id"], file.page)


class TestMoved:
    """Rows that grew out of their page."""

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_they_are_followed_once(self, version: str) -> None:
        """A row that moved is read where it is now, in its old place, and only once."""
        made = checkinout(punch(1), punch(2, moved=True), punch(3), version=version)
        assert [row[0] for row in read(made.data)] == [1, 2, 3]

    def test_their_pages_are_told(self) -> None:
        """The pages that rows of a page have moved to are told, for its fingerprint."""
        made = checkinout(punch(1, moved=True), punch(2), punch(3, moved=True))
        first, *others = made.pages["CHECKINOUT"]
        file = opened(made.data)
        table = file.tables["checkinout"]
        assert table.moved_to(file.page(first)) == tuple(others)
        assert [table.moved_to(file.page(other)) for other in others] == [(), ()]

    @pytest.mark.parametrize(
        ("pointer", "told"),
        [
            (b"\1\xff\xff\xff", "moved to page 16777215, and the file ends before it"),
            (b"\1\2\0\0", "is no page with its rows"),
            (b"\x09here", "has no row 9"),
            (b"\0self", "holds a row that has moved twice"),
        ],
    )
    def test_a_pointer_that_leads_nowhere_is_damage(self, pointer: bytes, told: str) -> None:
        """A pointer out of the file, to another table, to no row or to a pointer is damage, and ends."""
        made = checkinout(punch(1, moved=True))
        first, other = made.pages["CHECKINOUT"]
        places = {b"here": other, b"self": first}
        to = struct.pack("<I", places[pointer[1:]])[:3] if pointer[1:] in places else pointer[1:]
        data = made.with_page(first, made.page(first)[:-4] + pointer[:1] + to)
        with pytest.raises(Damaged, match=told):
            read(data)
        file = opened(data)
        assert all(number < file.pages for number in file.tables["checkinout"].moved_to(file.page(first)))


class TestText:
    """Texts."""

    @given(
        st.text(
            st.characters(min_codepoint=1, max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=200
        ).filter(lambda text: not text.startswith("\ufeff")),
        st.booleans(),
    )
    @settings(max_examples=examples(100))
    def test_compressed_or_not_it_is_the_same(self, text: str, compressed: bool) -> None:
        """Any text of Jet 4 comes as it was written, be it compressed in part, as a whole, or not at all."""
        assert value_of(Column("x", TEXT), text, compressed=compressed) == text

    @pytest.mark.parametrize(
        ("code_page", "codec", "text"),
        [
            (1252, "cp1252", "Zoë"),
            (1256, "cp1256", "سارة"),
            (874, "cp874", "สมชาย"),
            (936, "gbk", "王小明"),
            (9999, "latin-1", "Zoë"),
        ],
    )
    def test_jet_3_is_of_the_files_code_page(self, code_page: int, codec: str, text: str) -> None:
        """Texts and names of Jet 3 are of the code page in the header; of an unknown one, Latin-1."""
        book = Book("Jet 3", code_page=code_page, real_code_page=codec)
        book.add(Table("T", [Column("id", LONG), Column(text, TEXT)], [Row([1, text])]))
        assert read(book.make().data, "T", [text], ["id"]) == [(text,)]

    def test_half_a_character_is_damage(self) -> None:
        """A text of an odd number of bytes cannot be right."""
        made = one_row(Column("x", TEXT), "abcd", compressed=False)
        page = bytearray(made.page(made.pages["T"][0]))
        end = page.rindex(b"d\0") + 2
        page[end : end + 2] = struct.pack("<H", struct.unpack_from("<H", page, end)[0] - 1)
        with pytest.raises(Damaged, match="half a character"):
            read(made.with_page(made.pages["T"][0], bytes(page)), "T", ["x"], ["id"])


class TestDate:
    """Dates and times."""

    @given(
        st.datetimes(datetime(100, 1, 1), datetime(9999, 12, 31)).map(lambda at: at.replace(microsecond=0))
    )
    @settings(max_examples=examples(100))
    def test_it_is_the_second_that_was_written(self, at: datetime) -> None:
        """Every second that Access can keep comes back, before 1899 too, as near as the double has it."""
        found = value_of(Column("x", DATE), at)
        assert isinstance(found, datetime)
        assert abs(found - at) <= timedelta(microseconds=25)
        if datetime(1900, 1, 1) <= at < datetime(2079, 1, 1):
            assert found == at

    @pytest.mark.parametrize(
        ("days", "at"),
        [
            (0.0, datetime(1899, 12, 30)),
            (0.25, datetime(1899, 12, 30, 6)),
            (-0.25, datetime(1899, 12, 30, 6)),
            (-1.25, datetime(1899, 12, 29, 6)),
            (36526.0, datetime(2000, 1, 1)),
            (85170.5, datetime(2133, 3, 8, 12)),
            (-693593.0, datetime(1, 1, 1)),
        ],
    )
    def test_below_zero_the_time_still_goes_forward(self, days: float, at: datetime) -> None:
        """The fraction is the time of day on both sides of day 0."""
        assert value_of(Column("x", DATE), days) == at

    @pytest.mark.parametrize(
        "days", [float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 2958466.0, -693594.0]
    )
    def test_what_no_calendar_has_is_none(self, days: float) -> None:
        """A double that is no date is None, also where it is a key: the row is there, its time is absurd."""
        assert value_of(Column("x", DATE), days) is None
        assert read(one_row(Column("x", DATE), days).data, "T", ["id", "x"], ["x"]) == [(1, None)]


KINDS: dict[int, st.SearchStrategy[Any]] = {
    BOOL: st.booleans(),
    BYTE: st.integers(0, 255),
    INT: st.integers(-(2**15), 2**15 - 1),
    LONG: st.integers(-(2**31), 2**31 - 1),
    DOUBLE: st.floats(allow_nan=False),
    DATE: st.integers(0, 4_000_000_000).map(
        lambda seconds: datetime(1930, 1, 1) + timedelta(seconds=seconds)
    ),
    TEXT: st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=40),
    BINARY: st.binary(max_size=20),
}


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Draw a table: columns of any type, some dropped, slots in any order; rows, some deleted or moved."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=0, max_size=12))
    held = [Column("id", LONG)]
    texts = [index for index, kind in enumerate(kinds) if kind in (TEXT, BINARY)]
    shuffled = draw(st.booleans())
    slots = dict(
        zip(texts, draw(st.permutations(range(len(texts)))) if shuffled else range(len(texts)), strict=True)
    )
    for index, kind in enumerate(kinds):
        held.append(Column(f"c{index}", kind, slot=slots.get(index), dropped=draw(st.integers(0, 5)) == 0))
    rows = []
    least = len(held) if shuffled else texts[0] + 2 if texts else 1
    for number in range(draw(st.integers(0, 12))):
        count = draw(st.integers(min(least, len(held)), len(held)))
        values = [draw(st.none() | KINDS[column.kind]) for column in held[1:count]]
        rows.append(
            Row(
                [number, *values],
                deleted=draw(st.integers(0, 4)) == 0,
                moved=draw(st.integers(0, 4)) == 0,
                compressed=draw(st.booleans()),
            )
        )
    return Table("T", held, rows, map_type=draw(st.integers(0, 1)), rows_a_page=draw(st.integers(1, 8)))


def expected(table: Table) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns of a table that are told, and the rows that must be read."""
    told = [(index, column) for index, column in enumerate(table.columns) if not column.dropped]
    rows = []
    for row in table.rows:
        if row.deleted:
            continue
        values: list[Any] = []
        for index, column in told:
            value = row.values[index] if index < len(row.values) else None
            if column.kind == BOOL:
                value = bool(value)
            values.append(None if column.kind == BINARY else value)
        rows.append(tuple(values))
    return [column.name for _, column in told], rows


class TestDrawn:
    """Tables of any columns."""

    @pytest.mark.parametrize("version", ["Jet 3", "Jet 4", "ACE 2016"])
    @given(table=tables(), key=st.sampled_from([0, 0, 0, 0x01020304]))
    @settings(max_examples=examples(80))
    def test_what_was_written_is_read(self, version: str, table: Table, key: int) -> None:
        """Whatever a table's columns and rows are, they come back as they were written, in order."""
        book = Book(version, 0 if version.startswith("ACE") else key)
        book.add(table)
        names, rows = expected(table)
        assert read(book.make().data, "T", names, ["id"]) == rows


TYPES = (int, datetime, str, int, str, str, str)


def has_types(rows: Sequence[tuple[Cell, ...]]) -> bool:
    """Say whether rows of `NAMES` have nothing else than their columns can have."""
    return all(
        len(row) == len(TYPES)
        and all(cell is None or type(cell) is kind for cell, kind in zip(row, TYPES, strict=True))
        for row in rows
    )


def assert_sound_or_damaged(data: bytes, *, typed: bool = True) -> None:
    """Read a file of punches: rows of the right types, or `Damaged`; any other error is a bug.

    `typed`: whether the definition is sound, so that columns have their types.
    """
    try:
        file = opened(data)
        table = file.tables.get("checkinout")
        if table is None or not {name.casefold() for name in NAMES} <= table.columns.keys():
            assert not typed
            return
        rows = []
        for number in table.pages():
            page = file.page(number)
            table.moved_to(page)
            rows += table.rows(number, page, NAMES, KEY, file.page)
    except Damaged as damage:
        told = str(damage)
        assert len(told.splitlines()) == 1
    else:
        assert has_types(rows) or not typed


def halves(page: bytes) -> Iterator[bytes]:
    """Yield a page with sectors of it zeroed, as a write that was torn leaves it."""
    for size in (512, 1024, len(page) // 2):
        for begin in range(0, len(page), size):
            yield page[:begin] + bytes(size) + page[begin + size :]


class TestDamage:
    """Pages that are not as they were written."""

    @staticmethod
    def full(version: str) -> tuple[bytes, Callable[[bytes], list[tuple[Cell, ...]]]]:
        """Return a page of 29 punches, and what reads another one in its place."""
        punches = [punch(user, MONDAY + timedelta(seconds=user)) for user in range(29)]
        made = checkinout(*punches, version=version)
        file = opened(made.data)
        table = file.tables["checkinout"]
        (number,) = table.pages()
        return file.page(number), lambda page: table.rows(number, page, NAMES, KEY, file.page)

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_page_cut_anywhere_is_damage(self, version: str) -> None:
        """A page that ends too early is damage, whatever of it is there."""
        page, rows = self.full(version)
        for length in range(len(page)):
            with pytest.raises(Damaged):
                rows(page[:length])

    @pytest.mark.parametrize("version", GENERATIONS)
    def test_a_page_half_zeroed_is_damage(self, version: str) -> None:
        """Zeroed sectors that touch a row are damage; those that touch none change nothing."""
        page, rows = self.full(version)
        sound, damaged = rows(page), 0
        for torn in halves(page):
            if torn == page:
                assert rows(torn) == sound
                continue
            with pytest.raises(Damaged):
                rows(torn)
            damaged += 1
        assert damaged > 5

    @pytest.mark.parametrize("version", GENERATIONS)
    @pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.long), 13])
    def test_whatever_byte_is_another_it_is_read_or_damage(self, version: str, step: int) -> None:
        """With any byte another one, there are rows of the right types or damage, never another error."""
        page, rows = self.full(version)
        damaged = 0
        for place in [*range(16), *range(16, len(page), step)]:
            for byte in {page[place] ^ 0xFF, 0, 0xFF, page[place] ^ 1} - {page[place]}:
                try:
                    found = rows(page[:place] + bytes([byte]) + page[place + 1 :])
                except Damaged:
                    damaged += 1
                else:
                    assert has_types(found)
        assert damaged > 20

    @pytest.mark.parametrize("version", GENERATIONS)
    @given(data=st.data())
    @settings(max_examples=examples(200))
    def test_whatever_the_file_is_it_is_read_or_damage(self, version: str, data: st.DataObject) -> None:
        """Bytes changed anywhere in a file, pages swapped or written over: it ends in rows or in damage."""
        made = checkinout(
            punch(1), punch(2, moved=True), punch(3, deleted=True), punch(4), version=version, map_type=1
        )
        size, changed = made.page_size, bytearray(made.data)
        pages = len(changed) // size
        for _ in range(data.draw(st.integers(1, 4))):
            number = data.draw(st.integers(1, pages - 1))
            what = data.draw(st.sampled_from(["byte", "head", "swap", "zero"]))
            if what == "byte":
                changed[number * size + data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
            elif what == "head":
                changed[number * size + data.draw(st.integers(0, 63))] = data.draw(st.integers(0, 255))
            elif what == "swap":
                other = data.draw(st.integers(1, pages - 1))
                one, two = (bytes(changed[at * size : (at + 1) * size]) for at in (number, other))
                changed[number * size : (number + 1) * size] = two
                changed[other * size : (other + 1) * size] = one
            else:
                changed[number * size : (number + 1) * size] = bytes(size)
        assert_sound_or_damaged(bytes(changed), typed=False)


@pytest.fixture
def mdb_export() -> str:
    """Give mdbtools' own reader; skip where it is not installed."""
    found = shutil.which("mdb-export")
    if found is None:
        pytest.skip("mdb-export (mdbtools) is not installed")
    return found


class TestOthers:
    """What another reader makes of the same files."""

    @pytest.mark.parametrize("version", VERSION_BYTES)
    @pytest.mark.parametrize("map_type", [0, 1])
    def test_mdb_export_reads_the_same(
        self, version: str, map_type: int, tmp_path: Path, mdb_export: str
    ) -> None:
        """The tests' own files are Access files to mdbtools too, and both read the same rows of them."""
        rows = [
            punch(user, MONDAY + timedelta(seconds=user), deleted=user % 9 == 4, serial="é" * (user % 250))
            for user in range(400)
        ]
        made = checkinout(*rows, version=version, map_type=map_type)
        path = tmp_path / "att2000.mdb"
        path.write_bytes(made.data)
        command = [mdb_export, "-D", "%Y-%m-%d %H:%M:%S", "-T", "%Y-%m-%d %H:%M:%S", str(path), "CHECKINOUT"]
        told = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
        assert told.stderr == ""
        others = [tuple(row[name] for name in NAMES) for row in csv.DictReader(told.stdout.splitlines())]
        assert others == [tuple(map(str, row)) for row in read(made.data)]
        assert len(others) == 356
