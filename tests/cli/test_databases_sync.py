"""`zkpoll sync` as a process, over databases of vendor software, terminals and dashboards."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.site import Site, entry
from zkpoll.journal.opening import open_journal
from zkpoll.model.punch import punch_id
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

START = datetime(2026, 11, 20, 8, 59, 58)
SERIAL = "CQZ7224760045"
DHAKA = ZoneInfo("Asia/Dhaka")


class Office:
    """A SQLite file with the tables of ZKTime 5."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write(
            "CREATE TABLE CHECKINOUT (USERID INTEGER, CHECKTIME DATETIME, CHECKTYPE TEXT, VERIFYCODE INTEGER,"
            " SENSORID TEXT, sn TEXT)",
            "CREATE TABLE USERINFO (USERID INTEGER PRIMARY KEY, Badgenumber TEXT, Name TEXT)",
            "CREATE TABLE Machines (ID INTEGER PRIMARY KEY, MachineNumber INTEGER, sn TEXT)",
        )
        self.enrol([(17, "1001"), (18, "1002")])
        self.fill_in("INSERT INTO Machines VALUES (1, 1, ?)", [(SERIAL,)])

    def write(self, *statements: str) -> None:
        """Do something to it, as the vendor's program would."""
        with closing(sqlite3.connect(self.path)) as db, db:
            for statement in statements:
                db.execute(statement)

    def fill_in(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Put rows into it."""
        with closing(sqlite3.connect(self.path)) as db, db:
            db.executemany(statement, rows)

    def enrol(self, people: Iterable[tuple[int, str]]) -> None:
        """Add people: number and badge."""
        self.fill_in("INSERT INTO USERINFO VALUES (?, ?, '')", people)

    def punch(self, rows: Iterable[tuple[int, datetime, str, int, str, str]]) -> None:
        """Add punches: number of the person, time, state, verify, number and serial number of the machine."""
        told = ((user, str(time), *rest) for user, time, *rest in rows)
        self.fill_in("INSERT INTO CHECKINOUT VALUES (?, ?, ?, ?, ?, ?)", told)

    def fill(self, number: int, *, machine: str = "1") -> None:
        """Add so many punches, an hour apart."""
        self.punch(
            (17 + n % 2, START + timedelta(hours=n), "IO"[n % 2], 1, machine, "") for n in range(number)
        )


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Give a database without punches."""
    return Office(tmp_path / "att2000.db")


def write(site: Site, url: str, *databases: str, devices: Iterable[str] = ()) -> None:
    """Write an inventory with databases, each the inside of a YAML flow mapping."""
    lists = {"databases": databases, "devices": tuple(devices)}
    site.inventory.write_text(
        f"dashboard: {{url: '{url}', token: '${{TOKEN}}', attempts: 1, timeout: 5}}\n"
        f"journal: {site.journal.name}\n"
        "defaults: {timezone: Asia/Dhaka, timeout: 2}\n"
        + "".join(
            f"{key}:\n" + "".join(f"  - {{{one}}}\n" for one in entries)
            for key, entries in lists.items()
            if entries
        )
    )


HQ = "name: head-office, kind: att2000, file: att2000.db"


def test_the_whole_way(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """Every row arrives once, as the event that its terminal would have been, and cron hears nothing."""
    office.fill(60)
    write(site, dashboard.url, HQ)
    first = site.sync()
    requests = len(dashboard.requests)
    second = site.sync()
    assert (first.code, first.out, first.err) == (0, "", "")
    assert (second.code, second.out, second.err) == (0, "", "")
    assert len(dashboard.requests) == requests
    assert len(dashboard.events) == 60
    identity = punch_id(SERIAL, "1001", "2026-11-20T08:59:58")
    assert dashboard.events[identity] == {
        "user_id": "1001",
        "timestamp": "2026-11-20T08:59:58+06:00",
        "status": 1,
        "type": 0,
        "id": identity,
        "device": "head-office",
        "serial_number": SERIAL,
        "punch_state": "check_in",
        "work_code": 0,
        "source": "bridge",
    }
    office.punch([(17, datetime(2019, 1, 1, 7), "I", 1, "1", "")])
    assert site.sync().code == 0
    assert punch_id(SERIAL, "1001", "2019-01-01T07:00:00") in dashboard.events


@pytest.mark.parametrize("first", ["front", "head-office", "both"])
def test_a_terminal_and_its_database(
    site: Site, office: Office, dashboard: SampleDashboard, first: str
) -> None:
    """What a terminal and the vendor's program show is one punch, whichever comes first."""
    terminal = Terminal.with_samples(80)
    terminal.set_clock(datetime.now(DHAKA).replace(tzinfo=None))
    numbers: dict[str, int] = {}
    for record in terminal.history:
        numbers.setdefault(record.user_id, 100 + len(numbers))
    office.enrol((number, user) for user, number in numbers.items())
    office.punch(
        (numbers[one.user_id], one.time, "IO"[one.state], one.verify, "1", "") for one in terminal.history
    )
    with serve(terminal) as address:
        write(site, dashboard.url, HQ, devices=[entry("front", address)])
        outcome = site.sync(*(["--device", first] if first != "both" else []))
        again = site.sync()
    assert dashboard.events.keys() == {
        punch_id(SERIAL, one.user_id, one.time.isoformat()) for one in terminal.history
    }
    assert dashboard.duplicates == 0
    shown_by = {event["device"] for event in dashboard.events.values()}
    assert shown_by <= ({"front", "head-office"} if first == "both" else {first})
    assert (outcome.code, outcome.err) == (0, "")
    assert (again.code, again.err) == (0, "")


def test_a_state_that_differs(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """A punch that is IN at the terminal and OUT in the database is one punch, and told once."""
    terminal = Terminal.with_samples(1)
    terminal.set_clock(datetime.now(DHAKA).replace(tzinfo=None))
    (record,) = terminal.history
    office.enrol([(20, record.user_id)])
    office.punch([(20, record.time, "OI"[record.state], 1, "1", "")])
    with serve(terminal) as address:
        write(site, dashboard.url, HQ, devices=[entry("front", address)])
        first = site.sync("--device", "head-office")
        second = site.sync("--device", "front")
        third = site.sync()
    assert (first.code, first.err) == (0, "")
    assert second.code == 1
    assert "device front: 1 punch has another state than in the database" in second.err
    assert (third.code, third.err) == (0, "")
    assert len(dashboard.events) == 1


def test_json_tells_each_database(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """The document has databases beside devices, and their sum."""
    office.fill(30)
    office.punch([(17, START + timedelta(minutes=1), "I", 1, "9", "")])
    write(site, dashboard.url, HQ)
    document = site.report()
    (found,) = document["databases"]
    expected: dict[str, Any] = {
        "name": "head-office",
        "kind": "att2000",
        "address": str(office.path),
        "ok": True,
        "failure": None,
        "problem": None,
        "complete": True,
        "rows": 31,
        "buckets": 2,
        "buckets_read": 2,
        "rows_read": 31,
        "first_seen": 30,
        "seen_before": 0,
        "set_aside": 1,
        "changed": 0,
        "gone": 0,
    }
    assert {key: found[key] for key in expected} == expected
    assert found["notices"] == [
        (
            "1 row is set aside: machine 9 has no serial number here; name it in machines:;"
            " see `zkpoll quarantine list`"
        )
    ]
    assert document["sums"]["bridge"] == {
        "rows": 31,
        "first_seen": 30,
        "seen_before": 0,
        "repeats": 0,
        "set_aside": 1,
    }
    assert document["exit_code"] == 1
    assert document["devices"] == []
    assert site.report()["exit_code"] == 0


def test_what_is_set_aside_is_told_once(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """Cron mails what to do, and goes quiet; once it is done, the rows arrive."""
    office.fill(3, machine="9")
    write(site, dashboard.url, HQ)
    first, second = site.sync(), site.sync()
    assert first.code == 1
    assert first.err == (
        "zkpoll: database head-office: 3 rows are set aside: machine 9 has no serial number here; name it in"
        " machines:; see `zkpoll quarantine list`\n"
    )
    assert (second.code, second.err) == (0, "")
    write(site, dashboard.url, f"{HQ}, machines: {{9: CQZ9}}")
    third = site.sync()
    assert (third.code, third.err) == (0, "")
    assert {event["serial_number"] for event in dashboard.events.values()} == {"CQZ9"}


def test_one_of_several(site: Site, office: Office, dashboard: SampleDashboard, tmp_path: Path) -> None:
    """`--device` takes databases, and reads no others; a name that is not there is refused."""
    other = Office(tmp_path / "other.db")
    office.fill(2)
    other.fill(4, machine="")
    write(site, dashboard.url, HQ, "name: plant, kind: att2000, file: other.db")
    document = site.report("--device", "plant")
    assert [one["name"] for one in document["databases"]] == ["plant"]
    assert {event["serial_number"] for event in dashboard.events.values()} == {"plant"}
    wrong = site.sync("--device", "plnat")
    assert wrong.code == 2
    assert "no device or database 'plnat' in the inventory; there are head-office, plant" in wrong.err


def test_a_database_taken_out(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """`enabled: false` leaves it alone, unless it is named."""
    office.fill(2)
    write(site, dashboard.url, f"{HQ}, enabled: false")
    assert site.report()["databases"] == []
    assert len(site.report("--device", "head-office")["databases"]) == 1


def test_a_dry_run(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """It shows what would be sent, and makes no journal."""
    office.fill(5)
    write(site, dashboard.url, HQ)
    found = site.sync("--dry-run")
    assert found.code == 0
    assert len([json.loads(line) for line in found.out.splitlines()]) == 5
    assert not site.journal.exists()
    assert not dashboard.events


def test_what_cannot_be_reached(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """A file that is not there is told; 69 only where nothing at all was reached."""
    away = "name: away, kind: att2000, file: nowhere.mdb"
    write(site, dashboard.url, away)
    found = site.sync("--no-deliver")
    assert found.code == 69
    assert found.err.startswith("zkpoll: database away: ")
    office.fill(2)
    write(site, dashboard.url, away, HQ)
    assert site.sync().code == 1
    assert len(dashboard.events) == 2


def test_another_run_is_at_it(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """Where another run is at all that was asked for, it is left to that one."""
    office.fill(2)
    write(site, dashboard.url, HQ)
    with open_journal(site.journal) as journal, journal.lock(f"database {office.path}"):
        found = site.sync()
    assert (found.code, found.err) == (75, "")


def test_verbose_says_all(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """`-v` tells the way, what was read, and the sum."""
    office.fill(2)
    write(site, dashboard.url, HQ)
    found = site.sync("-v")
    assert found.code == 0
    assert f"head-office: reading {office.path}" in found.err
    assert "head-office: 1 of 1 parts of its table read, 2 rows, 2 new" in found.err
    assert "1 of 1 databases read, 2 new punches" in found.err


def test_all_of_it_again(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """`--full` reads every part, and sends nothing twice."""
    office.fill(60)
    write(site, dashboard.url, HQ)
    site.sync()
    (found,) = site.report("--full")["databases"]
    assert (found["buckets_read"], found["seen_before"], found["first_seen"]) == (3, 60, 0)
    assert dashboard.duplicates == 0


def test_it_is_never_written(site: Site, office: Office, dashboard: SampleDashboard) -> None:
    """Not a byte of the vendor's file changes, and no file is left beside it."""
    office.fill(10)
    write(site, dashboard.url, HQ)
    before, beside = office.path.read_bytes(), sorted(office.path.parent.glob("att2000*"))
    site.sync()
    assert office.path.read_bytes() == before
    assert sorted(office.path.parent.glob("att2000*")) == beside
