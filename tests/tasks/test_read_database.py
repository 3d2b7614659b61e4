"""Visits to a database, whatever happens in it: the journal ends up with all that it showed, once."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.in_memory import START, InMemory, punched
from zkpoll.errors import (
    Damaged,
    Encrypted,
    MissingDriver,
    OverLimit,
    Refused,
    Silent,
    Stopped,
    Unreachable,
    WrongSchema,
    ZkpollError,
)
from zkpoll.inventory import Database, Device
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.model.report import BUG
from zkpoll.tasks import read_database as module
from zkpoll.tasks.contact import Contacts
from zkpoll.tasks.read_database import Bridge, read_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Event
    from zkpoll.tasks.database_outcome import DatabaseOutcome


class House:
    """A journal on disk, a database, and the settings for it."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal
        self.vendor = InMemory([punched(number) for number in range(35)])
        self.settings: dict[str, Any] = {
            "name": "head-office",
            "kind": "att2000",
            "file": "/mnt/zk/att2000.mdb",
            "timezone": "Asia/Dhaka",
        }
        self.devices: list[Device] = []
        self.stop = threading.Event()
        self.announced = 0

    def visit(self, *, full: bool = False, writes: bool = True, **settings: Any) -> DatabaseOutcome:
        """Read the database with these settings, from now on."""
        self.settings |= settings

        def announce() -> None:
            self.announced += 1

        return read_database(
            Database.model_validate(self.settings),
            Bridge(
                Contacts(self.journal, self.stop.is_set, writes=writes),
                self.vendor,
                self.devices,
                full=full,
                announce=announce,
            ),
        )

    def stop_at(self, bucket: int) -> None:
        """Let the run be stopped when a part is about to be read."""
        self.vendor.before_bucket = lambda one: self.stop.set() if one == bucket else None

    def reread(self, **settings: Any) -> list[int]:
        """Read the database again, and return the parts that were read for it."""
        self.vendor.read_buckets.clear()
        outcome = self.visit(**settings)
        assert outcome.problem is None
        return sorted(self.vendor.read_buckets)

    def punches(self) -> list[tuple[str, str, str, str]]:
        """Return device key, user id, time and device name of each punch."""
        query = (
            "SELECT device.key, user_id, timestamp, device_name FROM punch"
            " JOIN device ON device.id = punch.device ORDER BY timestamp, user_id"
        )
        return self.look(query)

    def look(self, query: str) -> list[Any]:
        """Look into the journal by a connection of one's own."""
        with closing(sqlite3.connect(self.path)) as db, db:
            return db.execute(query).fetchall()

    def owed(self) -> list[str]:
        """Return what is to be told of the database."""
        return [text for subject, text in conditions.owed(self.journal) if subject == "database head-office"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give a house whose database has 35 rows in four parts."""
    path = tmp_path / "journal.db"
    with open_journal(path) as journal:
        yield House(path, journal)


def texts(outcome: DatabaseOutcome) -> str:
    """Return the notices of an outcome."""
    return "\n".join(notice.text for notice in outcome.notices)


# --- what is new ---


def test_a_first_visit_takes_all(house: House) -> None:
    """Each row is a punch of its terminal, by the door it came in by, under the database's name."""
    outcome = house.visit()
    assert (outcome.tally.rows, outcome.tally.first_seen) == (35, 35)
    assert (outcome.complete, outcome.rows, outcome.buckets, outcome.buckets_read) == (True, 35, 4, 4)
    assert (outcome.problem, outcome.trouble, outcome.notices) == (None, None, ())
    assert house.punches()[0] == ("CQZ1", "1001", "2026-11-22T08:59:58+06:00", "head-office")
    assert len(house.punches()) == 35


def test_an_idle_visit_reads_nothing(house: House) -> None:
    """A part that is as it was is not read."""
    house.visit()
    assert house.reread() == []


def test_only_what_differs_is_read(house: House) -> None:
    """A row that was added late, in the middle of the file, is found by its part."""
    house.visit()
    house.vendor.rows[15] = punched(-10_000)
    assert house.reread() == [1]
    assert ("CQZ1", "1001", "2026-11-15T10:19:58+06:00", "head-office") in house.punches()


def test_what_has_no_fingerprint_is_read_each_time(house: House) -> None:
    """A query's rows are all read at every visit, and are the same punches."""
    house.vendor.fingers = False
    house.visit()
    assert house.reread() == [0, 1, 2, 3]
    assert len(house.punches()) == 35


def test_full_reads_all(house: House) -> None:
    """`--full` reads every part, and finds what is known."""
    house.visit()
    outcome = house.visit(full=True)
    assert (outcome.buckets_read, outcome.tally.seen_before, outcome.tally.first_seen) == (4, 35, 0)


@pytest.mark.parametrize(("hours", "is_read"), [(23, False), (25, True), (-48, True)])
def test_all_is_read_once_a_day(house: House, hours: int, is_read: bool) -> None:
    """Edits that no fingerprint shows are found within a day; a host clock that was ahead changes nothing."""
    house.visit()
    past = datetime.now(UTC) - timedelta(hours=hours)
    with closing(sqlite3.connect(house.path)) as db, db:
        db.execute("UPDATE database SET whole_at = ?", [past.isoformat(timespec="milliseconds")])
    assert house.reread() == ([0, 1, 2, 3] if is_read else [])
    assert house.reread() == []


def test_all_is_read_within_quiet_hours(house: House) -> None:
    """Where there are such hours, the daily reading waits for them, as that of a terminal's log."""
    house.visit()
    past = datetime.now(UTC) - timedelta(hours=25)
    with closing(sqlite3.connect(house.path)) as db, db:
        db.execute("UPDATE database SET whole_at = ?", [past.isoformat(timespec="milliseconds")])
    now = datetime.now(UTC)
    near, far = (
        f"{now + timedelta(hours=off - 1):%H:00}-{now + timedelta(hours=off + 1):%H:00}" for off in (0, 8)
    )
    assert house.reread(timezone="UTC", quiet_hours=far) == []
    assert house.reread(quiet_hours=near) == [0, 1, 2, 3]


def test_another_question_reads_all(house: House) -> None:
    """Where the inventory asks for other rows of it, all of them are looked at."""
    house.vendor.people = None
    house.vendor.rows = [punched(n, "1001", event=n % 2 * 27, id=n, state=n % 3) for n in range(20)]
    house.visit(kind="zkaccess", take="events")
    assert len(house.punches()) == 10
    assert house.reread(events=[0, 27]) == [0, 1]
    assert len(house.punches()) == 20
    assert house.reread() == []


def test_rows_come_in_groups(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many rows are as many transactions, each announced to deliveries when it is on disk."""
    monkeypatch.setattr(module, "GROUP", 15)
    assert house.visit().tally.first_seen == 35
    assert house.announced == 2


# --- what is set aside ---


def test_a_machine_that_is_named_later(house: House) -> None:
    """Rows of a machine without a serial number are told once, and are punches once it is named."""
    house.vendor.rows = [punched(number, machine=number % 2 + 1) for number in range(10)]
    first = house.visit()
    assert "5 rows are set aside: machine 2 has no serial number here; name it in machines:" in texts(first)
    assert house.owed() == [notice.text for notice in first.notices]
    assert (first.tally.set_aside, first.tally.difference) == (5, 0)
    assert house.visit().notices == ()
    assert house.reread(machines={"2": "CQZ2"}) == []
    assert {key for key, *_ in house.punches()} == {"CQZ1", "CQZ2"}
    assert len(house.punches()) == 10


def test_a_person_who_comes_back(house: House) -> None:
    """Rows of a person who is not known are punches once they are."""
    house.vendor.rows = [punched(number, 99) for number in range(3)]
    assert "3 rows are set aside: nobody there has the number" in texts(house.visit())
    assert house.visit().notices == ()
    assert house.vendor.people is not None
    house.vendor.people["99"] = "1099"
    outcome = house.visit()
    assert (outcome.buckets_read, outcome.tally.first_seen) == (0, 3)
    assert {user for _, user, *_ in house.punches()} == {"1099"}


def test_a_machine_that_is_named_while_all_is_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that an earlier visit of a long reading set aside are tried again in the next one."""
    monkeypatch.setattr(module, "GROUP", 10)
    house.vendor.rows = [punched(number, machine=2) for number in range(35)]
    house.stop_at(2)
    with pytest.raises(Stopped):
        house.visit()
    house.stop.clear()
    kept = len(house.look("SELECT * FROM database_row"))
    assert 0 < kept < 35
    assert house.visit(machines={"2": "CQZ2"}).tally.first_seen == 35
    assert len(house.punches()) == 35


def test_rows_set_aside_wait_for_a_long_reading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """People were renumbered, and the visit was cut: rows not read since are given to nobody."""
    monkeypatch.setattr(module, "GROUP", 10)
    house.vendor.rows = [punched(number, 99) for number in range(35)]
    house.visit()
    assert house.vendor.people is not None
    house.vendor.people = {"17": "1002", "18": "1001"}
    house.stop_at(2)
    with pytest.raises(Stopped):
        house.visit()
    house.stop.clear()
    current = house.look("SELECT * FROM database_row JOIN database USING (numbering)")
    house.vendor.people["99"] = "1099"
    house.vendor.rows = []
    house.visit()
    assert len(house.punches()) == len(current) > 0


def test_words_count_all_of_a_visit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is owed of many transactions is one sentence, and that of the outcome."""
    monkeypatch.setattr(module, "GROUP", 10)
    house.vendor.rows = [punched(number, 99) for number in range(35)]
    outcome = house.visit()
    assert house.owed() == [notice.text for notice in outcome.notices]
    assert house.owed()[0].startswith("35 rows are set aside")


# --- people ---


def test_people_who_were_renumbered(house: House) -> None:
    """A rebuilt database gives known badges other numbers: it is told once, and no row changes hands."""
    house.vendor.rows = [punched(number, 17 + number % 2) for number in range(10)]
    house.visit()
    before = house.punches()
    house.vendor.people = {"17": "1002", "18": "1001", "19": "1003"}
    house.vendor.rows = [row._replace(user=18 if row.user == 17 else 17) for row in house.vendor.rows]
    outcome = house.visit()
    assert "2 people have another number there than before" in texts(outcome)
    assert outcome.tally.first_seen == 0
    assert house.punches() == before
    assert house.owed() == [notice.text for notice in outcome.notices]
    assert (outcome.tally.gone, outcome.rows, len(house.look("SELECT * FROM database_row"))) == (0, 10, 10)
    assert house.visit().notices == ()


def test_a_row_that_went_while_people_were_renumbered(house: House) -> None:
    """It is gone; those that are the same punches under other numbers are not."""
    house.vendor.rows = [punched(number) for number in range(10)]
    house.visit()
    house.vendor.people = {"18": "1001"}
    house.vendor.rows = [row._replace(user=18) for row in house.vendor.rows[1:]]
    assert "1 row is gone; what was sent stays" in texts(house.visit())
    assert len(house.punches()) == 10


def test_rows_set_aside_wait_while_people_are_renumbered(house: House) -> None:
    """What was read under old numbers is not given to whoever has them now."""
    house.vendor.rows = [punched(1, 99)]
    house.visit()
    house.vendor.people = {"99": "1001", "18": "1002"}
    house.vendor.rows = []
    house.visit()
    assert house.punches() == []


def test_a_badge_that_was_changed(house: House) -> None:
    """All is read once; old rows keep their user id, new ones have the new one."""
    house.visit()
    house.vendor.people = {"17": "2001", "18": "1002"}
    house.vendor.rows.append(punched(50))
    assert house.reread() == [0, 1, 2, 3]
    assert [user for _, user, *_ in house.punches()].count("1001") == 35
    assert [user for _, user, *_ in house.punches()].count("2001") == 1
    assert house.reread() == []


def test_badges_that_were_exchanged(house: House) -> None:
    """A table whose every second is known under other user ids is not sent a second time."""
    house.vendor.rows = [punched(number) for number in range(1500)]
    house.vendor.part = 500
    house.visit()
    house.vendor.people = {"17": "1001", "99": "9999"}
    house.vendor.rows = [punched(number, 99) for number in range(1500)]
    outcome = house.visit()
    assert "are held, as most of their seconds are known under other user ids" in texts(outcome)
    assert outcome.tally.sudden > 1000


# --- what becomes of rows ---


@pytest.mark.parametrize(
    ("left", "words"),
    [(30, "5 rows are gone; what was sent stays"), (20, "15 rows are gone: it was cleared or replaced;")],
)
def test_rows_that_are_gone(house: House, left: int, words: str) -> None:
    """They are told once, and nothing is taken back."""
    house.visit()
    del house.vendor.rows[left:]
    outcome = house.visit()
    assert words in texts(outcome)
    assert house.owed() == [notice.text for notice in outcome.notices]
    assert (outcome.tally.gone, outcome.rows) == (35 - left, left)
    assert len(house.punches()) == 35
    assert house.visit().notices == ()


def test_a_row_that_is_elsewhere_is_not_gone(house: House) -> None:
    """Before a row of a file is called gone, all of the file is read, once."""
    house.vendor.moves_rows = True
    house.vendor.rows[25] = house.vendor.rows[5]
    assert house.visit().tally.repeats == 1
    house.vendor.rows[5] = punched(100)
    house.vendor.read_buckets.clear()
    outcome = house.visit()
    assert (outcome.notices, outcome.tally.gone, outcome.tally.difference) == ((), 0, 0)
    assert sorted(house.vendor.read_buckets) == [0, 1, 2, 3]
    assert house.reread() == []
    house.vendor.rows[25] = punched(101)
    assert "1 row is gone" in texts(house.visit())
    assert house.reread() == []


@pytest.mark.parametrize(("moves", "read"), [(True, [0, 1, 2, 3]), (False, [1])])
def test_where_rows_cannot_move_nothing_is_sought(house: House, moves: bool, read: list[int]) -> None:
    """A server's rows have their bucket by what they are: what is not there is gone."""
    house.vendor.moves_rows = moves
    house.visit()
    house.vendor.rows[15] = punched(100)
    assert house.reread() == read
    assert len(house.look("SELECT * FROM database_row WHERE gone_at IS NOT NULL")) == 1
    assert house.reread() == []


def test_a_row_that_was_edited(house: House) -> None:
    """It is told once, and what was sent first stays."""
    house.visit()
    house.vendor.rows[3] = house.vendor.rows[3]._replace(state="O")
    outcome = house.visit()
    assert "1 row was edited after it was read" in texts(outcome)
    assert house.look("SELECT DISTINCT state FROM punch") == [(0,)]
    assert house.visit().notices == ()


def test_rows_that_moved_are_known(house: House) -> None:
    """A compacted file has all its rows elsewhere, and nothing new."""
    house.visit()
    house.vendor.rows.reverse()
    outcome = house.visit()
    assert (outcome.tally.seen_before, outcome.tally.first_seen, outcome.tally.gone) == (35, 0, 0)
    assert outcome.notices == ()


def test_rows_that_a_person_typed_in(house: House) -> None:
    """They are sent, or held where the inventory says so; without a machine they are the database's own."""
    house.vendor.rows = [punched(0), punched(1, machine=None)]
    house.vendor.typed = frozenset({("17", (START + timedelta(minutes=1)).isoformat())})
    outcome = house.visit(manual="hold", serial="HQ")
    assert "1 row that a person typed in is held" in texts(outcome)
    assert [(key, time[11:19]) for key, _, time, _ in house.punches()] == [
        ("CQZ1", "08:59:58"),
        ("HQ", "09:00:58"),
    ]


def test_rows_before_the_starting_line_are_held(house: House) -> None:
    """`since` of the database holds what is older."""
    outcome = house.visit(since=(START + timedelta(minutes=5)).isoformat())
    assert outcome.tally.held_since == 5
    assert house.owed() == []


# --- whose they are ---


def test_a_terminal_of_the_inventory_has_its_own_name_and_zone(house: House) -> None:
    """One zone a device: that of the inventory's device, else of `machines:`, else of the database."""
    house.devices = [Device(name="front", host="192.0.2.1", timezone="Europe/London", serial="CQZ1")]
    house.vendor.rows = [punched(number, machine=number) for number in (1, 2, 3)]
    machines = {"2": {"serial": "CQZ2", "timezone": "Asia/Tokyo"}, "3": "CQZ3"}
    house.visit(machines=machines)
    assert [(key, time[19:], name) for key, _, time, name in house.punches()] == [
        ("CQZ1", "+00:00", "front"),
        ("CQZ2", "+09:00", "head-office"),
        ("CQZ3", "+06:00", "head-office"),
    ]


def test_a_terminal_that_was_read_has_the_name_of_its_visit(house: House) -> None:
    """The journal knows the terminal's key by its visits."""
    Devices(house.journal).meet("front", "CQZ1")
    house.devices = [Device(name="front", host="192.0.2.1", timezone="Europe/London")]
    house.visit()
    assert house.punches()[0][2:] == ("2026-11-22T08:59:58+00:00", "front")


@pytest.mark.parametrize("later", ["terminal", "database"])
def test_the_later_of_two_starting_lines_counts(house: House, later: str) -> None:
    """What is older than `since:` of its terminal, or of the database, is held."""
    early, late = datetime(2020, 1, 1), datetime(2026, 12, 1)
    of_terminal, of_database = (late, early) if later == "terminal" else (early, late)
    house.devices = [
        Device(name="front", host="192.0.2.1", timezone="Asia/Dhaka", serial="CQZ1", since=of_terminal)
    ]
    outcome = house.visit(since=of_database.isoformat())
    assert (outcome.tally.first_seen, outcome.tally.held_since) == (35, 35)


def test_the_own_key_stays(house: House) -> None:
    """Rows that no terminal made keep their key when the database is renamed."""
    house.vendor.rows = [punched(0, machine=None)]
    house.visit()
    house.vendor.rows = [punched(0, machine=None), punched(1, machine=None)]
    house.visit(name="main-office")
    assert [(key, name) for key, _, _, name in house.punches()] == [
        ("head-office", "head-office"),
        ("head-office", "main-office"),
    ]


# --- what ends a visit ---


@pytest.mark.parametrize(
    "error",
    [Unreachable, Refused, Encrypted, Damaged, WrongSchema, Silent, MissingDriver],
    ids=lambda e: e.kind,
)
@pytest.mark.parametrize("step", ["open", "tables", "lookups", "fingerprints", "read 2"])
def test_a_failure_is_told(house: House, error: type[ZkpollError], step: str) -> None:
    """A visit that fails says why; the next one brings all that is left."""
    house.vendor.failing[step] = error("it cannot be read")
    outcome = house.visit()
    assert (outcome.problem, outcome.kind, outcome.complete) == ("it cannot be read", error.kind, False)
    assert outcome.trouble
    assert outcome.tally.difference == 0
    assert not house.vendor.is_open
    house.vendor.failing.clear()
    outcome = house.visit()
    assert outcome.complete
    assert outcome.notices == ()
    assert len(house.punches()) == 35


def test_a_bug_is_one_failure(house: House) -> None:
    """What nobody expected is told as a bug, and stays with this database."""
    house.vendor.failing["read 1"] = ZeroDivisionError()
    outcome = house.visit()
    assert outcome.kind == BUG
    house.vendor.failing.clear()
    assert house.visit().complete
    assert len(house.punches()) == 35


def test_damage_leaves_no_fingerprint(house: House) -> None:
    """Sound rows are kept; after that all is read, as a damaged part may have had its neighbour's rows."""
    house.visit()
    house.vendor.rows[0] = punched(-1)
    house.vendor.rows[30] = punched(100)
    house.vendor.failing["read 3"] = Damaged("page 3 cannot be")
    outcome = house.visit()
    assert (outcome.kind, outcome.tally.first_seen, outcome.tally.gone) == ("damaged", 1, 0)
    house.vendor.failing.clear()
    assert house.reread() == [0, 1, 2, 3]
    assert len(house.punches()) == 37


def test_a_server_that_goes_away_each_time(house: House) -> None:
    """A first reading that breaks off again and again goes on where it was; after any other, all is read."""
    for step in range(1, 4):
        house.vendor.failing = {f"read {step}": Silent("the server went away")}
        assert house.visit().kind == Silent.kind
    house.vendor.failing.clear()
    assert house.reread() == [3]
    house.vendor.rows[35:] = [punched(100)]
    house.vendor.failing["read 3"] = Silent("the server went away")
    assert house.visit().kind == Silent.kind
    house.vendor.failing.clear()
    assert house.reread() == [0, 1, 2, 3]
    assert house.reread() == []
    assert len(house.punches()) == 36


def test_the_limit_keeps_what_is_done(house: House) -> None:
    """A visit that takes too long goes on in the next one, until all is read."""
    house.vendor.seconds = 0.05
    outcome = house.visit(visit_limit="0.06s")
    assert outcome.kind == OverLimit.kind
    assert outcome.problem is not None
    assert "visit_limit (0.06 s)" in outcome.problem
    assert outcome.tally.first_seen == 10 * outcome.buckets_read < 35
    visits = 1
    while not house.visit().complete:
        visits += 1
        assert visits < 5
    assert sorted(house.vendor.read_buckets) == [0, 1, 2, 3]
    assert len(house.punches()) == 35


def test_a_limit_that_opening_takes_up_lets_each_visit_get_on(house: House) -> None:
    """Rows that are tried again keep no visit from the table, however short its limit is."""
    house.vendor.rows.append(punched(40, 99))
    house.visit()
    house.vendor.rows += [punched(number, 99) for number in range(41, 90)]
    assert house.vendor.people
    house.vendor.people["99"] = "1099"
    house.vendor.opening = 0.02
    visits = 1
    while not house.visit(visit_limit="10ms").complete:
        visits += 1
        assert visits < 10
    assert len(house.punches()) == 85


def test_a_stop_ends_the_visit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the run is to end, the visit does; what is on disk stays, and the rest comes next time."""
    monkeypatch.setattr(module, "GROUP", 10)
    house.stop_at(2)
    with pytest.raises(Stopped):
        house.visit()
    assert not house.vendor.is_open
    house.stop.clear()
    house.vendor.before_bucket = lambda _: None
    known = len(house.punches())
    assert 20 <= known < 35
    assert house.visit().tally.first_seen == 35 - known


def test_what_is_in_motion_is_left(house: House) -> None:
    """A part that changes while it is read is left for the next visit, without a word."""
    house.vendor.moving = frozenset({1})
    outcome = house.visit()
    assert (outcome.in_motion, outcome.complete, outcome.trouble, outcome.notices) == (1, False, None, ())
    assert outcome.tally.first_seen == 25
    house.vendor.moving = frozenset()
    assert house.reread() == [1]
    assert len(house.punches()) == 35


def test_a_part_in_motion_has_no_rows_gone(house: House) -> None:
    """Nothing is called gone while a part of the table was not seen."""
    house.visit()
    house.vendor.rows.insert(0, house.vendor.rows.pop())
    house.vendor.moving = frozenset({0})
    assert house.visit().tally.gone == 0
    house.vendor.moving = frozenset()
    assert house.visit().tally.gone == 0


def test_another_run_is_at_it(house: House) -> None:
    """A database that another run reads is left to that one."""
    with house.journal.lock("database /mnt/zk/att2000.mdb"):
        outcome = house.visit()
    assert outcome.kind == "busy"
    assert not house.vendor.targets


# --- a dry run ---


def test_a_dry_run_writes_nothing(house: House) -> None:
    """It tells what would be sent, and leaves the journal as it is."""
    house.vendor.rows.append(punched(50, machine=9))
    outcome = house.visit(writes=False)
    assert len(outcome.would_send) == 35
    assert (outcome.tally.first_seen, outcome.tally.set_aside, outcome.tally.difference) == (35, 1, 0)
    assert house.look("SELECT * FROM database") == []
    assert house.punches() == []
    assert house.owed() == []
    house.visit()
    sent: tuple[Event, ...] = house.visit(writes=False).would_send
    assert sent == ()


def test_a_dry_run_tries_rows_again(house: House) -> None:
    """Rows set aside that would be settled now are told."""
    house.vendor.rows = [punched(number, machine=2) for number in range(3)]
    house.visit()
    outcome = house.visit(writes=False, machines={"2": "CQZ2"})
    assert len(outcome.would_send) == 3
    assert house.punches() == []


def test_what_is_asked_of_the_database(house: House) -> None:
    """The target is the inventory's, the password in the clear for the driver alone."""
    house.settings = {
        "name": "hr",
        "kind": "custom",
        "url": "postgresql://zkpoll@10.0.0.5/hr",
        "password": "s3cret",
        "timezone": "UTC",
        "table": "att.log",
        "columns": {"user_id": "emp", "time": "at", "id": "nr"},
        "timeout": "3s",
    }
    house.vendor.people, house.vendor.rows = None, [punched(1, "1001", id=1)]
    house.visit()
    (target,) = house.vendor.targets
    assert (target.url, target.password, target.timeout) == (house.settings["url"], "s3cret", 3.0)
    assert (target.table, target.columns) == ("att.log", {"user": "emp", "time": "at", "id": "nr"})
    assert "s3cret" not in repr(replace(target, name="x"))
