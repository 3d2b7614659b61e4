"""Reading Access files as a visit does."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.jackcess import Checked
from zkpoll.bridge.access import Patience
from zkpoll.bridge.contract import PunchRow, Target
from zkpoll.bridge.opening import open_database

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zkpoll.bridge.contract import DatabaseKind, Take

MORNING = datetime(2026, 11, 22, 8, 59, 58)
AT_ONCE = Patience(apart=0.0, pause=0.0)
"""For files that nobody writes."""


def target(path: Path, kind: DatabaseKind = "att2000", take: Take = "attendance", **told: Any) -> Target:
    """Return what names a file."""
    return Target("head-office", kind, str(path), path, take=take, **told)


def punches(count: int, memo: str | None = None) -> list[Checked]:
    """Return invented punches of ten people, a minute apart; the serial numbers and work codes differ."""
    return [
        Checked(
            17 + n % 10,
            MORNING + timedelta(minutes=n),
            state="IOio01"[n % 6],
            verify=(1, 15, 257)[n % 3],
            machine=str(1 + n % 2),
            memo=memo,
            serial=("CQZ7224760045", "CQZ7224760046", None)[n % 3],
            work_code=str(n),
        )
        for n in range(count)
    ]


def as_rows(told: Iterable[Checked]) -> set[PunchRow]:
    """Return the rows that punches are to be read as."""
    return {
        PunchRow(
            one.time, one.user, None, one.state, one.verify, one.work_code, one.serial, one.machine
        )
        for one in told
    }  # fmt: skip


def read(told: Target | Path) -> set[PunchRow]:
    """Return all rows of a file; each is there once."""
    with open_database(told if isinstance(told, Target) else target(told), AT_ONCE) as source:
        rows = [row for piece in source.read(source.fingerprints().keys()) for row in piece.rows]
    assert len(set(rows)) == len(rows)
    return set(rows)


def exported(path: Path, table: str = "CHECKINOUT") -> list[dict[str, str]]:
    """Return the rows of a table as mdb-export reads them; skip where there is none."""
    command = shutil.which("mdb-export")
    if command is None:
        pytest.skip("there is no mdb-export")
    done = subprocess.run(
        [command, "-T", "%Y-%m-%dT%H:%M:%S", path, table], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return list(csv.DictReader(io.StringIO(done.stdout)))


def as_exported(rows: Iterable[PunchRow]) -> list[tuple[str, ...]]:
    """Return rows as `exported` tells their columns, in order."""
    told = (
        (row.user, row.time, row.state, row.verify, row.machine, row.serial, row.work_code) for row in rows
    )
    return sorted(
        tuple(
            "" if cell is None else cell.isoformat() if isinstance(cell, datetime) else str(cell)
            for cell in cells
        )
        for cells in told
    )


EXPORTED = ("USERID", "CHECKTIME", "CHECKTYPE", "VERIFYCODE", "SENSORID", "sn", "WorkCode")


def told_by_export(path: Path) -> list[tuple[str, ...]]:
    """Return the rows of CHECKINOUT as mdb-export reads them, as `as_exported` tells ours."""
    return sorted(tuple(row[column] for column in EXPORTED) for row in exported(path))
