"""An Access file as a database of punches: what is told of it, while it changes, is damaged, or is none."""

from __future__ import annotations

import os
import random
import struct
import sys
import threading
from datetime import datetime, timedelta
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.jackcess import CHECKINOUT, Checked, Column, Jackcess, Machine, Person, Table, Typed
from tests.bridge.jet_bytes import PAGE, page_key_set
from tests.bridge.reading import AT_ONCE, MORNING, as_rows, punches, read, target
from tests.waiting import wait_for
from zkpoll.bridge.access import Patience, refusal
from zkpoll.bridge.contract import EPOCH, DatabaseUser, MachineRows, PunchRow, Target
from zkpoll.bridge.opening import open_database
from zkpoll.errors import Damaged, Encrypted, Refused, Silent, Unreachable, WrongSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zkpoll.bridge.contract import Piece

PEOPLE = [
    Person(17, " 1001 ", "Amina Rahman", card="0004711", privilege=3, password="1234"),
    Person(18, "1002", None, password=""),
]
PUT_IN = punches(1000)


@pytest.fixture(scope="module")
def original(jackcess: Jackcess, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of a file with punches at its end, and people, terminals and typed rows."""
    path = tmp_path_factory.mktemp("original") / "att2000.mdb"
    machines = [
        Machine(1, "CQZ7224760045 "),
        Machine(2, "0"),
        Machine(2, "A"),
        Machine(2, "B"),
        Machine(None),
    ]
    off = timedelta(milliseconds=490)
    typed = [
        Typed(17, MORNING),
        Typed(18, MORNING + off),
        Typed(18, MORNING - off),
        Typed(17, EPOCH, 0),
    ]
    jackcess.att2000(path, PUT_IN[:500], PEOPLE, machines, typed)
    jackcess.append(path, "CHECKINOUT", [(*one[:6], *one[7:]) for one in PUT_IN[500:]])
    return path.read_bytes()


@pytest.fixture
def path(original: bytes, tmp_path: Path) -> Path:
    """Give a file of these bytes."""
    file = tmp_path / "att2000.mdb"
    file.write_bytes(original)
    return file


class Sleeps:
    """Stands for waiting: what is to happen meanwhile happens at once."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.told: list[float] = []
        self._steps = list(steps)

    def __call__(self, seconds: float) -> None:
        """Do the next step instead."""
        self.told.append(round(seconds, 1))
        if self._steps:
            self._steps.pop(0)()

    @property
    def pauses(self) -> int:
        """How often the pause was waited for."""
        return self.told.count(2.0)


def put(path: Path, at: int, new: bytes) -> None:
    """Write into a file, at a time of its own."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(new)
    before = path.stat()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10_000_000))


def until_damage(pieces: Iterator[Piece]) -> tuple[set[PunchRow], str]:
    """Return the rows that are read, and what is told in the end."""
    rows: set[PunchRow] = set()
    try:
        for piece in pieces:
            rows.update(piece.rows)
    except Damaged as told:
        return rows, str(told)
    raise AssertionError("no damage was told")


def pages_of(path: Path) -> list[int]:
    """Return the pages of the punches."""
    with open_database(target(path), AT_ONCE) as source:
        return sorted(source.fingerprints())


def rows_by_page(path: Path) -> dict[int, set[PunchRow]]:
    """Return the rows of each page of punches."""
    with open_database(target(path), AT_ONCE) as source:
        return {piece.bucket: set(piece.rows) for piece in source.read(source.fingerprints())}


# --- what it tells ---


def test_people_terminals_and_typed_rows_are_looked_up(path: Path) -> None:
    """Badges and serial numbers lose their blanks; a typed row has the second it is nearest to."""
    with open_database(target(path), AT_ONCE) as source:
        lookups = source.lookups()
    assert lookups.people == {"17": "1001", "18": "1002"}
    assert lookups.machines == {"1": frozenset({"CQZ7224760045"}), "2": frozenset({"A", "B"})}
    assert lookups.typed == {("17", "2026-11-22T08:59:58"), ("18", "2026-11-22T08:59:58")}


def test_users_are_told_without_their_passwords(path: Path) -> None:
    """Of a password only whether there is one is told."""
    with open_database(target(path), AT_ONCE) as source:
        assert sorted(source.users(), key=lambda one: one.number) == [
            DatabaseUser("17", "1001", "Amina Rahman", "0004711", 3, has_password=True),
            DatabaseUser("18", "1002", "", "", 0, has_password=False),
        ]


def test_contents_are_counted_by_machine(path: Path) -> None:
    """Each machine number has its rows and serial number, and the newest row is told."""
    with open_database(target(path), AT_ONCE) as source:
        contents = source.contents()
    assert contents.rows == sum(one.rows for one in contents.machines) == 1000
    assert MachineRows("1", "CQZ7224760045", 167) in contents.machines
    assert MachineRows("2", None, 166) in contents.machines
    assert contents.newest == PUT_IN[-1].time


@pytest.mark.parametrize("lock", ["att2000.ldb", "att2000.laccdb"])
def test_a_lock_file_beside_it_is_only_named(path: Path, lock: str) -> None:
    """A lock file of the vendor's program, open or copied along, changes nothing."""
    path.with_name(lock).touch()
    with open_database(target(path), AT_ONCE) as source:
        opened = source.opened
        assert source.tables() == ("CHECKINOUT", "USERINFO", "Machines", "CHECKEXACT")
    assert (opened.engine, opened.read_only, opened.may_write) == ("Access (Jet 4)", True, None)
    (note,) = opened.notes
    assert note.startswith(f"{lock} stands beside it")
    assert read(path) == as_rows(PUT_IN)


def test_a_time_that_is_none_is_no_damage(path: Path) -> None:
    """A row whose time no calendar has is read without one."""
    (page, rows), *_ = sorted(rows_by_page(path).items())
    one = min(rows)
    assert isinstance(one.time, datetime)
    data = path.read_bytes()
    at = data.index(struct.pack("<d", (one.time - EPOCH) / timedelta(days=1)), page * PAGE)
    put(path, at, struct.pack("<d", 1e300))
    assert read(path) == as_rows(PUT_IN) - {one} | {one._replace(time=None)}


def test_nothing_is_written(path: Path) -> None:
    """A whole visit leaves bytes, time and folder of a file as they were, also if it is damaged."""
    path.with_name("att2000.ldb").touch()
    put(path, pages_of(path)[3] * PAGE, bytes(PAGE))

    def state() -> tuple[object, ...]:
        return (
            path.read_bytes(),
            path.stat().st_mtime_ns,
            path.stat().st_ctime_ns,
            sorted(path.parent.iterdir()),
        )

    before = state()
    with open_database(target(path)) as source:
        source.tables()
        source.lookups()
        list(source.users())
        with pytest.raises(Damaged):
            source.contents()
        with pytest.raises(Damaged):
            list(source.read(source.fingerprints()))
    assert state() == before


# --- while it is written ---


def test_a_page_that_changes_between_its_readings_is_left_out(path: Path) -> None:
    """Of a page in motion no row is told in this visit, and of all others each."""
    by_page = rows_by_page(path)
    page = sorted(by_page)[2]
    sleeps = Sleeps(lambda: put(path, page * PAGE + 2, b"\7"))
    with open_database(target(path), Patience(sleep=sleeps)) as source:
        found = list(source.read(source.fingerprints()))
        assert source.in_motion == 1
    assert {piece.bucket: set(piece.rows) for piece in found} == {
        number: rows for number, rows in by_page.items() if number != page
    }
    assert all(0 < seconds <= 0.1 for seconds in sleeps.told)
    assert len(read(path)) == 1000


def test_halves_of_times_are_never_told(path: Path) -> None:
    """A writer that is halfway through a time, again and again, makes no punch of a time that never was."""
    by_page = rows_by_page(path)
    page = sorted(by_page)[1]
    one = min(by_page[page])
    assert isinstance(one.time, datetime)
    at = path.read_bytes().index(struct.pack("<d", (one.time - EPOCH) / timedelta(days=1)), page * PAGE)
    written = {one.time}
    steps, stop = [0], threading.Event()

    def write() -> None:
        for n in count():
            if stop.is_set():
                return
            moment = MORNING + timedelta(days=400 * (n % 2), seconds=n)
            written.add(moment)
            new = struct.pack("<d", (moment - EPOCH) / timedelta(days=1))
            with path.open("r+b", buffering=0) as file:
                for part in (0, 4):
                    file.seek(at + part)
                    file.write(new[part : part + 4])
                    steps[0] += 1

    def sleep(_: float) -> None:
        begun = steps[0]
        wait_for(lambda: steps[0] > begun + 4)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            with open_database(target(path), Patience(sleep=sleep)) as source:
                rows = {row for piece in source.read(source.fingerprints()) for row in piece.rows}
                assert source.in_motion == 1
            assert rows == as_rows(PUT_IN) - by_page[page]
    finally:
        stop.set()
        writer.join()
    assert {row.time for row in read(path)} <= {row.time for row in as_rows(PUT_IN)} | written


def test_the_program_may_write_it_beside(jackcess: Jackcess, path: Path) -> None:
    """A file that another program has open is read; what comes late comes in the next visit."""
    more = [Checked(99, MORNING + timedelta(days=n)) for n in range(50)]
    with jackcess.kept_open(path):
        assert read(path) == as_rows(PUT_IN)
        with open_database(target(path), AT_ONCE) as source:
            before = source.fingerprints()
            jackcess.append(path, "CHECKINOUT", [(*one[:6], *one[7:]) for one in more])
            early = {row for piece in source.read(before) for row in piece.rows}
        assert early <= as_rows([*PUT_IN, *more])
        with open_database(target(path), AT_ONCE) as source:
            after = source.fingerprints()
            differs = [page for page, digest in after.items() if before.get(page) != digest]
            late = {row for piece in source.read(differs) for row in piece.rows}
            assert source.in_motion == 0
    assert len(differs) < len(after)
    assert early | late == as_rows([*PUT_IN, *more])


def test_a_copy_may_take_its_place_meanwhile(path: Path, original: bytes) -> None:
    """A visit goes on in the file that it has begun with."""
    with open_database(target(path), AT_ONCE) as source:
        pages = source.fingerprints()
        new = path.with_name("new.mdb")
        new.write_bytes(bytes(len(original)))
        new.replace(path)
        assert {row for piece in source.read(pages) for row in piece.rows} == as_rows(PUT_IN)


def test_damage_in_a_file_that_changes_is_looked_at_again(path: Path, original: bytes) -> None:
    """What was whole again after a pause was no damage: the page is in motion, and nothing is told."""
    page = pages_of(path)[2]
    whole = original[page * PAGE : (page + 1) * PAGE]
    put(path, page * PAGE, bytes(PAGE))
    sleeps = Sleeps(lambda: put(path, 0x800, b"\0"), lambda: put(path, page * PAGE, whole))
    with open_database(target(path), Patience(sleep=sleeps)) as source:
        found = list(source.read(source.fingerprints()))
        assert page not in {piece.bucket for piece in found}
        assert source.in_motion == 1
    assert sleeps.pauses == 1
    assert read(path) == as_rows(PUT_IN)


def test_damage_that_lasts_in_a_file_that_changes_is_told(path: Path) -> None:
    """After three pauses what is still damaged is told."""
    page = pages_of(path)[2]
    put(path, page * PAGE, bytes(PAGE))
    sleeps = Sleeps(*[lambda: put(path, 0x800, b"\0")] * 9)
    with open_database(target(path), Patience(sleep=sleeps)) as source:
        _, told = until_damage(source.read(source.fingerprints()))
    assert f"page {page} of CHECKINOUT" in told
    assert sleeps.pauses == 3


def test_a_file_that_is_copied_in_meanwhile_is_waited_for(path: Path, original: bytes) -> None:
    """A file that grows is opened once it is whole."""
    path.write_bytes(original[:5000])

    def grow() -> None:
        path.write_bytes(original[:9000])

    def end() -> None:
        path.write_bytes(original)

    sleeps = Sleeps(grow, end)
    with open_database(target(path), Patience(sleep=sleeps)) as source:
        assert source.tables()[0] == "CHECKINOUT"
    assert sleeps.told == [0.1, 2.0]


def test_people_who_change_while_they_are_read_are_read_again(path: Path, original: bytes) -> None:
    """No badge is believed that differs between two readings; one that never rests ends the visit."""
    at = original.index(b"1002")
    sleeps = Sleeps(lambda: put(path, at, b"1003"))
    with open_database(target(path), Patience(sleep=sleeps)) as source:
        assert source.lookups().people == {"17": "1001", "18": "1003"}
    assert sleeps.pauses == 1
    digits = iter("456789" * 10)
    sleeps = Sleeps(*[lambda: put(path, at, b"100" + next(digits).encode())] * 60)
    with open_database(target(path), Patience(sleep=sleeps)) as source, pytest.raises(Silent) as told:
        source.lookups()
    assert str(told.value) == "USERINFO changes all the time while it is read"
    assert sleeps.pauses == 3


# --- damage ---


@pytest.mark.parametrize(
    ("begin", "end"), [(0, PAGE), (PAGE // 2, PAGE), (0, PAGE // 2), (PAGE - 40, PAGE), (1000, 1400)]
)
def test_rows_of_sound_pages_are_read_beside_damage(path: Path, begin: int, end: int) -> None:
    """A page that is zeroed, or a part of it, is named behind the rows of all other pages."""
    by_page = rows_by_page(path)
    page = sorted(by_page)[4]
    put(path, page * PAGE + begin, bytes(end - begin))
    with open_database(target(path), AT_ONCE) as source:
        rows, told = until_damage(source.read(source.fingerprints()))
        assert source.in_motion == 0
    assert rows == as_rows(PUT_IN) - by_page[page]
    assert f"page {page} of CHECKINOUT" in told
    assert "compact and repair" in told


def test_many_damaged_pages_are_told_in_one_sentence(path: Path) -> None:
    """Some pages are named, the others counted."""
    pages = pages_of(path)
    for page in pages[:7]:
        put(path, page * PAGE, bytes(PAGE))
    with open_database(target(path), AT_ONCE) as source:
        _, told = until_damage(source.read(source.fingerprints()))
    named = ", ".join(map(str, pages[:5]))
    assert told.startswith(
        f"7 pages of CHECKINOUT are damaged ({named} and 2 more); their rows were not read; "
    )


def test_a_file_that_lacks_its_end_tells_its_other_rows(path: Path) -> None:
    """Of a file that was cut behind a page, the rows in front are read, and the page that lacks is named."""
    by_page = rows_by_page(path)
    last = max(by_page)
    os.truncate(path, last * PAGE)
    with open_database(target(path), AT_ONCE) as source:
        rows, told = until_damage(source.read(source.fingerprints()))
    assert rows == as_rows(PUT_IN) - by_page[last]
    assert told.startswith(f"CHECKINOUT: the file ends before the end of page {last}; the rows of that page ")


@pytest.mark.parametrize("length", [0, 10, 5000, 3 * PAGE, -1])
def test_a_file_that_is_cut_within_a_page_is_damaged(path: Path, original: bytes, length: int) -> None:
    """A length that is no whole number of pages, or too few of them, is told at once."""
    os.truncate(path, length if length >= 0 else len(original) + length)
    with pytest.raises(Damaged), open_database(target(path), AT_ONCE) as source:
        source.lookups()


# --- what is no such file ---


def test_what_cannot_be_opened_is_told_in_one_sentence(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe are not reached; nothing waits for them."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, why in [
        (tmp_path / "none.mdb", "no such file or directory"),
        (tmp_path, "is a directory"),
        (pipe, "it is a pipe, expected an ordinary file"),
    ]:
        with pytest.raises(Unreachable) as told, open_database(target(path), AT_ONCE):
            pass
        assert str(told.value) == f"{path} cannot be read: {why}"


def test_rights_and_sharing_are_told_apart(tmp_path: Path) -> None:
    """Missing rights are a person's affair; a file that a program has for itself alone is tried again."""
    path = tmp_path / "att2000.mdb"
    assert isinstance(refusal(path, PermissionError(13, "Permission denied")), Refused)
    for code in (32, 33):
        error = PermissionError(13, "Permission denied")
        error.winerror = code  # type: ignore[attr-defined,unused-ignore]
        told = refusal(path, error)
        assert isinstance(told, Unreachable)
        assert "held by another program for itself alone" in str(told)


def test_missing_tables_and_columns_are_told(jackcess: Jackcess, path: Path, tmp_path: Path) -> None:
    """A file of another program is told by what was looked for and what there is."""
    for told, why in [
        (target(path, "zkaccess"), "CHECKINOUT has no column LOGID; it has USERID, CHECKTIME, CHECKTYPE, "),
        (
            target(path, "zkaccess", "events"),
            "there is no table acc_monitor_log; there are CHECKEXACT, CHECKINOUT, Machines, USERINFO",
        ),
        (target(path, "custom", table="AttLog", columns={}), "there is no table AttLog; there are "),
        (target(path, "custom", query="SELECT 1"), "an Access file takes no query"),
    ]:
        with pytest.raises(WrongSchema) as raised, open_database(told, AT_ONCE):
            pass
        assert str(raised.value).startswith(why)
    lone = tmp_path / "lone.mdb"
    jackcess.make(lone, {CHECKINOUT: ()})
    with pytest.raises(WrongSchema, match="there is no table USERINFO; there are CHECKINOUT"):
        read(lone)
    jackcess.make(lone, {CHECKINOUT: (), Table("userinfo", (Column("userid", "LONG"),)): ()})
    with pytest.raises(WrongSchema, match="userinfo has no column Badgenumber; it has userid"):
        read(lone)


@pytest.mark.parametrize(("kind", "column"), [("MEMO", "Terminal"), ("GUID", "RowId"), ("NUMERIC", "Badge")])
def test_a_column_that_cannot_be_read_is_told(
    jackcess: Jackcess, tmp_path: Path, kind: str, column: str
) -> None:
    """What a person names is read or refused: passed over, rows would be of another terminal."""
    path = tmp_path / "own.mdb"
    kinds = {"Badge": "LONG", "At": "SHORT_DATE_TIME", "Terminal": "TEXT", "RowId": "LONG", column: kind}
    columns = tuple(Column(name, one, 20 if one == "TEXT" else 0) for name, one in kinds.items())
    jackcess.make(path, {Table("AttLog", columns): ()})
    meanings = {"user": "Badge", "time": "At", "serial": "Terminal", "id": "RowId"}
    with (
        pytest.raises(WrongSchema, match=f"AttLog has its {column} in a type that is not read"),
        open_database(target(path, "custom", table="AttLog", columns=meanings), AT_ONCE),
    ):
        pass


def test_an_encrypted_file_is_refused(jackcess: Jackcess, tmp_path: Path) -> None:
    """A file of Access 2007 or later that a password encrypts is told as such, in one sentence."""
    path = tmp_path / "att2000.accdb"
    jackcess.att2000(path, PUT_IN[:10], version="2010")
    data = path.read_bytes()
    noise = random.Random(7).randbytes(len(data) - PAGE)
    path.write_bytes(page_key_set(data[:PAGE], b"\1\2\3\4") + noise)
    with pytest.raises(Encrypted, match="encrypted with a password"):
        read(path)


def test_what_a_file_is_goes_by_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is no Access file, whatever its name; SQLite's file and an address are opened by SQL."""
    path = tmp_path / "att2000.mdb"
    path.write_text("Badgenumber;CHECKTIME\n" * 1000)
    with pytest.raises(WrongSchema):
        read(path)
    by_sql: list[Target] = []

    class Sql(ModuleType):
        @staticmethod
        def open_sql(told: Target) -> Any:
            by_sql.append(told)
            raise Refused("not here")

    monkeypatch.setitem(sys.modules, "zkpoll.bridge.sql", Sql("zkpoll.bridge.sql"))
    path.write_bytes(b"SQLite format 3\0" + bytes(84))
    url = Target("head-office", "biotime", "10.0.0.5", url="postgresql://zkpoll@10.0.0.5/biotime")
    for told in (target(path), url):
        with pytest.raises(Refused), open_database(told):
            pass
    assert by_sql == [target(path), url]
