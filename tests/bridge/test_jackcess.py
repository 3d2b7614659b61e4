"""The Access files that tests are made of are what they are said to be."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.bridge.jackcess import VERSIONS, Checked, Jackcess, Machine, Person, Typed

if TYPE_CHECKING:
    from pathlib import Path

MDB_EXPORT = shutil.which("mdb-export")
MORNING = datetime(2026, 11, 22, 8, 59, 58)
PUNCHES = [
    Checked(
        17 + n % 5, MORNING + timedelta(minutes=n), serial="CQZ7224760045", memo=f"memo {n}", work_code=str(n)
    )
    for n in range(300)
]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_holds_what_was_put_in(jackcess: Jackcess, tmp_path: Path, version: str) -> None:
    """Each format has the rows, also where the column WorkCode was dropped and made again."""
    path = tmp_path / "att2000.mdb"
    jackcess.att2000(
        path,
        PUNCHES,
        [Person(17, "1001", "Amina Rahman", password="1")],
        [Machine(1, "CQZ7224760045")],
        [Typed(17, MORNING)],
        version=version,
    )
    rows = jackcess.rows(path, "CHECKINOUT")
    assert list(rows[0]) == [
        "USERID", "CHECKTIME", "CHECKTYPE", "VERIFYCODE", "SENSORID", "Memoinfo", "sn", "UserExtFmt",
        "WorkCode",
    ]  # fmt: skip
    assert [(row["USERID"], row["CHECKTIME"], row["sn"], row["WorkCode"]) for row in rows] == [
        (one.user, one.time, one.serial, one.work_code) for one in PUNCHES
    ]
    assert [row["Badgenumber"] for row in jackcess.rows(path, "USERINFO")] == ["1001"]
    assert [row["MachineNumber"] for row in jackcess.rows(path, "Machines")] == [1]
    assert [row["ISADD"] for row in jackcess.rows(path, "CHECKEXACT")] == [1]


@pytest.mark.skipif(MDB_EXPORT is None, reason="there is no mdb-export")
def test_mdb_export_reads_the_same(jackcess: Jackcess, tmp_path: Path) -> None:
    """Another reader finds serial numbers and work codes in their columns."""
    assert MDB_EXPORT
    path = tmp_path / "att2000.mdb"
    jackcess.att2000(path, PUNCHES)
    told = subprocess.run([MDB_EXPORT, path, "CHECKINOUT"], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    rows = list(csv.DictReader(io.StringIO(told.stdout)))
    assert [(row["sn"], row["WorkCode"], row["Memoinfo"]) for row in rows] == [
        (one.serial, one.work_code, one.memo) for one in PUNCHES
    ]


def test_rows_are_edited_deleted_and_compacted(jackcess: Jackcess, tmp_path: Path) -> None:
    """A file can be changed as the vendor's program changes it, also while it is kept open."""
    path = tmp_path / "att2000.mdb"
    jackcess.att2000(path, PUNCHES)
    key = {"USERID": PUNCHES[7].user, "CHECKTIME": PUNCHES[7].time}
    with jackcess.kept_open(path):
        jackcess.edit(path, "CHECKINOUT", [(key, {"Memoinfo": "x" * 30})])
        jackcess.delete(
            path, "CHECKINOUT", [{"USERID": one.user, "CHECKTIME": one.time} for one in PUNCHES[:3]]
        )
        jackcess.append(path, "CHECKINOUT", [(1, MORNING, "O", 1, "1", None, None, 0, None)])
    before = jackcess.rows(path, "CHECKINOUT")
    assert len(before) == 298
    assert [row["Memoinfo"] for row in before if row["CHECKTIME"] == PUNCHES[7].time] == ["x" * 30]
    jackcess.compact(path)
    after = jackcess.rows(path, "CHECKINOUT")
    assert after == sorted(before, key=lambda row: (row["USERID"], row["CHECKTIME"]))
