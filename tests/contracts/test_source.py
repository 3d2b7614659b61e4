"""What every database that is read has to keep: one class, run against each sort of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.bridge.in_memory import InMemory
from zkpoll.bridge.contract import PunchRow, Target
from zkpoll.bridge.opening import open_database

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zkpoll.bridge.contract import Source

START = datetime(2026, 11, 20, 8, 59, 58)
PEOPLE = {"17": "1001", "18": "1002"}
MACHINES = {"1": "CQZ1", "2": ""}
Told = tuple[int, datetime, str, int, str]
"""Number of the person, time, letter of the state, verify, number of the machine."""


class Made(Protocol):
    """A database of ZKTime 5 with people and machines, that a test may write to."""

    def put(self, rows: Sequence[Told]) -> None:
        """Let it have these punches, and no others."""

    def open(self) -> AbstractContextManager[Source]:
        """Open it for one visit."""


class MadeInMemory:
    """The double that other tests use."""

    def __init__(self, _folder: Path) -> None:
        machines = {number: frozenset({serial} - {""}) for number, serial in MACHINES.items()}
        self._database = InMemory([], dict(PEOPLE), machines)

    def put(self, rows: Sequence[Told]) -> None:
        """Let it have these punches, and no others."""
        self._database.rows = [
            PunchRow(time, user, state=state, verify=verify, machine=machine)
            for user, time, state, verify, machine in rows
        ]

    def open(self) -> AbstractContextManager[Source]:
        """Open it for one visit."""
        return self._database(Target("hq", "att2000", "memory"))


class MadeOfSqlite:
    """A SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "att2000.db"
        with closing(sqlite3.connect(self._path)) as db, db:
            db.executescript(
                "CREATE TABLE CHECKINOUT (USERID INTEGER, CHECKTIME DATETIME, CHECKTYPE TEXT,"
                " VERIFYCODE INTEGER, SENSORID TEXT, PRIMARY KEY (USERID, CHECKTIME));"
                "CREATE TABLE USERINFO (USERID INTEGER PRIMARY KEY, Badgenumber TEXT, Name TEXT);"
                "CREATE TABLE Machines (ID INTEGER PRIMARY KEY, MachineNumber INTEGER, sn TEXT);"
            )
            db.executemany("INSERT INTO USERINFO (USERID, Badgenumber) VALUES (?, ?)", PEOPLE.items())
            db.executemany("INSERT INTO Machines (MachineNumber, sn) VALUES (?, ?)", MACHINES.items())

    def put(self, rows: Sequence[Told]) -> None:
        """Let it have these punches, and no others."""
        with closing(sqlite3.connect(self._path)) as db, db:
            db.execute("DELETE FROM CHECKINOUT")
            told = [(user, str(time), *more) for user, time, *more in rows]
            db.executemany("INSERT INTO CHECKINOUT VALUES (?, ?, ?, ?, ?)", told)

    def open(self) -> AbstractContextManager[Source]:
        """Open it for one visit."""
        return open_database(Target("hq", "att2000", str(self._path), file=self._path))


def punches(number: int) -> list[Told]:
    """Return so many punches, nine hours apart."""
    return [
        (17 + one % 2, START + timedelta(hours=9 * one), "IO"[one % 2], 1, str(1 + one % 2))
        for one in range(number)
    ]


def told(row: PunchRow) -> Told:
    """Return what a row tells, as text and numbers come from any driver."""
    assert isinstance(row.time, datetime)
    return int(str(row.user)), row.time, str(row.state), int(str(row.verify)), str(row.machine).strip()


def all_told(source: Source) -> list[Told]:
    """Return what all rows tell."""
    return sorted(told(row) for piece in source.read(source.fingerprints().keys()) for row in piece.rows)


@pytest.fixture(params=[MadeInMemory, MadeOfSqlite])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Give a database of each sort."""
    made: Made = request.param(tmp_path)
    return made


class TestSource:
    """The promises of a database that is open."""

    def test_it_tells_what_it_is(self, made: Made) -> None:
        """A person sees its engine and its tables, that of punches first."""
        with made.open() as source:
            assert source.opened.engine
            assert source.tables()[0] == "CHECKINOUT"

    def test_it_tells_people_and_machines(self, made: Made) -> None:
        """Badges by number; the serial numbers of machines, none where it is blank."""
        with made.open() as source:
            found = source.lookups()
        assert found.people == PEOPLE
        assert {number: set(serials) for number, serials in found.machines.items()} == {
            "1": {"CQZ1"},
            "2": set(),
        }
        assert found.typed == frozenset()
        assert found.digest() == found.digest()

    def test_all_rows_are_in_its_parts(self, made: Made) -> None:
        """What is read of all buckets is what is there, once."""
        made.put(punches(25))
        with made.open() as source:
            assert all_told(source) == sorted(punches(25))

    def test_each_part_ends_once(self, made: Made) -> None:
        """A bucket's rows come to an end, and only buckets that were asked for come."""
        made.put(punches(25))
        with made.open() as source:
            asked = sorted(source.fingerprints())[::2]
            ended = [piece.bucket for piece in source.read(asked) if piece.ends]
        assert sorted(ended) == asked

    def test_fingerprints_last(self, made: Made) -> None:
        """Where nothing changed, each is what it was, and short."""
        made.put(punches(25))
        with made.open() as source:
            first = dict(source.fingerprints())
        with made.open() as source:
            assert dict(source.fingerprints()) == first
        assert all(0 < len(one) <= 16 for one in first.values())

    @pytest.mark.parametrize("place", [0, 12, 25])
    def test_a_new_row_is_in_a_part_that_differs(self, made: Made, place: int) -> None:
        """Late or not: what is read of the parts that differ holds it."""
        made.put(punches(25))
        with made.open() as source:
            before = dict(source.fingerprints())
        new = (18, START + timedelta(days=1, seconds=place), "I", 15, "2")
        made.put([*punches(25)[:place], new, *punches(25)[place:]])
        with made.open() as source:
            now = source.fingerprints()
            differing = [bucket for bucket, finger in now.items() if before.get(bucket) != finger]
            found = [told(row) for piece in source.read(differing) for row in piece.rows]
        assert new in found

    def test_a_row_that_is_gone_changes_a_part(self, made: Made) -> None:
        """Its bucket has another fingerprint, or is none any more."""
        made.put(punches(25))
        with made.open() as source:
            before = dict(source.fingerprints())
        made.put(punches(24))
        with made.open() as source:
            assert dict(source.fingerprints()) != before
            assert all_told(source) == sorted(punches(24))

    def test_an_empty_table(self, made: Made) -> None:
        """It has no rows, and that is no failure."""
        with made.open() as source:
            assert all_told(source) == []
            assert source.contents().rows == 0
            assert source.contents().newest is None

    def test_its_contents_are_counted(self, made: Made) -> None:
        """Rows by machine, and the newest."""
        made.put(punches(25))
        with made.open() as source:
            found = source.contents()
        assert found.rows == 25
        assert {one.machine: one.rows for one in found.machines} == {"1": 13, "2": 12}
        assert found.newest == START + timedelta(hours=9 * 24)

    def test_its_people_are_told(self, made: Made) -> None:
        """Each with number and badge."""
        with made.open() as source:
            assert {user.number: user.badge for user in source.users()} == PEOPLE
