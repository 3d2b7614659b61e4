"""Real Access files of all formats and histories: every row is read, as it was put in."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.jackcess import (
    CHECKINOUT,
    VERSIONS,
    Checked,
    Column,
    Index,
    Jackcess,
    Person,
    Table,
)
from tests.bridge.reading import (
    AT_ONCE,
    MORNING,
    as_exported,
    as_rows,
    punches,
    read,
    target,
    told_by_export,
)
from tests.fuzz.command import peak_in
from zkpoll.bridge.contract import PunchRow
from zkpoll.bridge.opening import open_database

if TYPE_CHECKING:
    from pathlib import Path

LONG = [pytest.mark.long, pytest.mark.timeout(600)]


def key(one: Checked) -> dict[str, Any]:
    """Return what finds a punch in CHECKINOUT."""
    return {"USERID": one.user, "CHECKTIME": one.time}


@pytest.mark.parametrize("work_code_again", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_row_of_each_format_is_read(
    jackcess: Jackcess, tmp_path: Path, version: str, *, work_code_again: bool
) -> None:
    """Serial numbers and work codes stay in their columns, also where one was dropped and made again."""
    path = tmp_path / "whatever.dat"
    put_in = punches(1000)
    jackcess.att2000(path, put_in, [Person(17, "1001")], version=version, work_code_again=work_code_again)
    assert read(path) == as_rows(put_in)
    assert as_exported(read(path)) == told_by_export(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_texts_of_all_scripts_are_read(jackcess: Jackcess, tmp_path: Path, *, compressed: bool) -> None:
    """Text is the same whether the file compresses it or not."""
    path = tmp_path / "att2000.mdb"
    codes = ["", "Ümlaut", "অফিস", "办公室", "a" * 24]
    put_in = [
        Checked(17, MORNING + timedelta(minutes=n), work_code=code, serial=code[:20])
        for n, code in enumerate(codes)
    ]
    jackcess.att2000(path, put_in, compressed=compressed)
    assert read(path) == as_rows(put_in)
    assert as_exported(read(path)) == told_by_export(path)
    face = Checked(17, MORNING - timedelta(minutes=1), work_code="Zoë 😀")  # mdb-export has no such letters
    jackcess.append(path, "CHECKINOUT", [(*face[:6], *face[7:])])
    assert read(path) == as_rows([*put_in, face])


def test_rows_that_outgrew_their_page_are_read_once(jackcess: Jackcess, tmp_path: Path) -> None:
    """A row that moved to another page is told by the page that points to it, and by no other."""
    path = tmp_path / "att2000.mdb"
    put_in = punches(1000)
    jackcess.att2000(path, put_in)
    jackcess.edit(path, "CHECKINOUT", [(key(one), {"Memoinfo": "x" * 30}) for one in put_in[:500:2]])
    assert read(path) == as_rows(put_in)
    assert as_exported(read(path)) == told_by_export(path)


def test_a_change_of_a_moved_row_changes_its_bucket(jackcess: Jackcess, tmp_path: Path) -> None:
    """The fingerprint of a page covers the pages that its rows moved to."""
    path = tmp_path / "att2000.mdb"
    put_in = punches(300)
    jackcess.att2000(path, put_in)
    jackcess.edit(path, "CHECKINOUT", [(key(put_in[0]), {"Memoinfo": "x" * 30, "WorkCode": "y" * 24})])
    with open_database(target(path), AT_ONCE) as source:
        before = source.fingerprints()
        pieces = list(source.read(before))
    (home,) = (piece.bucket for piece in pieces if put_in[0].time in {row.time for row in piece.rows})
    jackcess.edit(path, "CHECKINOUT", [(key(put_in[0]), {"CHECKTYPE": "o"})])
    with open_database(target(path), AT_ONCE) as source:
        after = source.fingerprints()
        assert after[home] != before[home]
        (piece,) = source.read([home])
    assert "o" in {row.state for row in piece.rows if row.time == put_in[0].time}


def test_deleted_rows_are_gone_and_their_room_is_used_again(jackcess: Jackcess, tmp_path: Path) -> None:
    """Of a file in which rows were deleted, the others are read, and what came in their place."""
    path = tmp_path / "att2000.mdb"
    put_in = punches(1000)
    jackcess.att2000(path, put_in[:900], work_code_again=False)
    jackcess.delete(path, "CHECKINOUT", map(key, put_in[:900:3]))
    jackcess.append(path, "CHECKINOUT", put_in[900:])
    left = [one for n, one in enumerate(put_in) if n >= 900 or n % 3]
    assert read(path) == as_rows(left)
    assert as_exported(read(path)) == told_by_export(path)


def test_rows_older_than_a_column_lack_it(jackcess: Jackcess, tmp_path: Path) -> None:
    """A row has the columns that the table had when it was written."""
    path = tmp_path / "att2000.mdb"
    table = Table("CHECKINOUT", CHECKINOUT.columns[:6], CHECKINOUT.indexes)
    people = Table("USERINFO", (Column("USERID", "LONG"), Column("Badgenumber", "TEXT", 24)))
    jackcess.make(path, {table: [one[:6] for one in punches(10)], people: ()})
    jackcess.add_column(path, "CHECKINOUT", Column("sn", "TEXT", 20))
    jackcess.append(path, "CHECKINOUT", [(*one[:6], "CQZ7224760045") for one in punches(20)[10:]])
    assert read(path) == {
        PunchRow(one.time, one.user, None, one.state, one.verify, None, serial, one.machine)
        for n, one in enumerate(punches(20))
        for serial in [None if n < 10 else "CQZ7224760045"]
    }


def test_after_compaction_all_pages_differ_and_all_rows_are_there(jackcess: Jackcess, tmp_path: Path) -> None:
    """A file that was written anew in the order of its keys has the same rows."""
    path = tmp_path / "att2000.mdb"
    put_in = punches(2000)
    jackcess.att2000(path, put_in)
    jackcess.delete(path, "CHECKINOUT", map(key, put_in[::7]))
    before = read(path)
    with open_database(target(path), AT_ONCE) as source:
        pages = set(source.fingerprints().values())
    jackcess.compact(path)
    with open_database(target(path), AT_ONCE) as source:
        assert not pages & set(source.fingerprints().values())
    assert read(path) == before == as_rows(one for n, one in enumerate(put_in) if n % 7)


def test_zkaccess_attendance_and_events_are_read(jackcess: Jackcess, tmp_path: Path) -> None:
    """A file of ZKAccess has punches with numbers of their own, and events; one of the two is read."""
    path = tmp_path / "access.mdb"
    jackcess.make(path, zkaccess())
    (punch,) = read(target(path, "zkaccess"))
    assert punch == PunchRow(MORNING, 17, 1, "I", 1, 0, "CQZ7224760045", 3)
    assert read(target(path, "zkaccess", "events")) == {
        PunchRow(MORNING, "1001", 1, 0, 1, None, "CQZ7224760045", 3, None, 14),
        PunchRow(MORNING, None, 2, 2, 200, None, None, 3, None, 8),
    }
    with open_database(target(path, "zkaccess", "events"), AT_ONCE) as source:
        assert source.tables() == ("acc_monitor_log", "USERINFO", "Machines")
        assert source.lookups().people is None
        assert source.lookups().machines == {"3": frozenset({"CQZ7224760045"})}
        assert [one.badge for one in source.users()] == ["1001"]


def test_a_table_of_any_program_is_read(jackcess: Jackcess, tmp_path: Path) -> None:
    """Of a custom database, the columns are read that the inventory names, whatever their case."""
    path = tmp_path / "hr.accdb"
    columns = Column("EmpNo", "TEXT", 20), Column("PunchAt", "SHORT_DATE_TIME"), Column("Job", "LONG")
    jackcess.make(path, {Table("AttLog", columns): [("1001", MORNING, 5), (None, None, None)]}, "2010")
    named = {"user": "EMPNO", "time": "punchat", "work_code": "job"}
    told = target(path, "custom", table="attlog", columns=named)
    assert read(told) == {PunchRow(MORNING, "1001", work_code=5), PunchRow(None, None)}
    with open_database(told, AT_ONCE) as source:
        assert source.tables() == ("AttLog",)
        assert list(source.users()) == []


@pytest.mark.parametrize("count", [30_000, pytest.param(1_000_000, marks=LONG)])
def test_a_large_file_is_never_in_memory(jackcess: Jackcess, tmp_path: Path, count: int) -> None:
    """All rows of a file of 100 MB pass, and a process that reads them needs less than 100 MB."""
    path = tmp_path / "att2000.mdb"

    minute, first = timedelta(minutes=1), datetime(2020, 1, 1)
    rows = (Checked(n % 500, first + n * minute, serial="CQZ7224760045") for n in range(count))
    jackcess.att2000(path, rows)
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, str(path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stderr.split() == [str(count), str(count * (count - 1) // 2)]
    assert peak_in(done.stdout) < 100_000_000


COUNTING = """
import sys
from datetime import datetime
from pathlib import Path
from zkpoll.bridge.contract import Target
from zkpoll.bridge.opening import open_database

first = datetime(2020, 1, 1)
rows = minutes = 0
path = Path(sys.argv[1])
with open_database(Target("head-office", "att2000", str(path), path)) as source:
    source.lookups()
    for piece in source.read(source.fingerprints()):
        rows += len(piece.rows)
        minutes += sum(round((row.time - first).total_seconds() / 60) for row in piece.rows)
assert "sqlalchemy" not in sys.modules
print(rows, minutes, file=sys.stderr)
print(Path("/proc/self/status").read_text())
"""


def zkaccess() -> dict[Table, list[tuple[Any, ...]]]:
    """Return tables like ZKAccess's, with a row or two."""
    checkinout = Table(
        "CHECKINOUT",
        (
            Column("USERID", "LONG"),
            Column("CHECKTIME", "SHORT_DATE_TIME"),
            Column("CHECKTYPE", "TEXT", 1),
            Column("VERIFYCODE", "LONG"),
            Column("SENSORID", "TEXT", 5),
            Column("LOGID", "LONG", auto=True),
            Column("MachineId", "LONG"),
            Column("sn", "TEXT", 20),
            Column("WorkCode", "LONG"),
        ),
        (Index("PK", ("USERID", "CHECKTIME"), primary=True),),
    )
    log = Table(
        "acc_monitor_log",
        (
            Column("id", "LONG", auto=True),
            Column("status", "LONG"),
            Column("time", "SHORT_DATE_TIME"),
            Column("pin", "TEXT", 50),
            Column("card_no", "TEXT", 50),
            Column("device_id", "LONG"),
            Column("device_sn", "TEXT", 50),
            Column("verified", "LONG"),
            Column("state", "LONG"),
            Column("event_type", "LONG"),
            Column("description", "TEXT", 200),
        ),
        (Index("PK", ("id",), primary=True),),
    )
    people = Table("USERINFO", (Column("USERID", "LONG"), Column("Badgenumber", "TEXT", 24)))
    machines = Table("Machines", (Column("MachineNumber", "LONG"), Column("sn", "TEXT", 20)))
    return {
        checkinout: [(17, MORNING, "I", 1, "9", None, 3, "CQZ7224760045", 0)],
        log: [
            (None, 0, MORNING, "1001", None, 3, "CQZ7224760045", 1, 0, 14, "door"),
            (None, 0, MORNING, None, None, 3, None, 200, 2, 8, "door"),
        ],
        people: [(17, "1001")],
        machines: [(3, "CQZ7224760045")],
    }
