"""The journal's file: how it is made, what it refuses, and one clear error for each way it can fail."""

from __future__ import annotations

import os
import re
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import (
    DHAKA,
    KEY,
    START,
    Bridge,
    Visiting,
    aside,
    bucket,
    connection,
    piece,
    punch,
    punches,
    row,
    visit,
)
from tests.journal.opener import ROUNDS
from tests.look import inside, look
from tests.places import ordinary_user, public_folder
from zkpoll.errors import ExitCode, JournalError, JournalUnfit, WrongSerial
from zkpoll.journal import (
    backlog,
    callers,
    conditions,
    database_overview,
    errands,
    exports,
    names,
    overview,
    prune,
    pushed,
    quarantine,
    rates,
    renames,
    runs,
    sqlite,
    watermarks,
)
from zkpoll.journal.clearance import Clearance, intended, seconds_since_intended
from zkpoll.journal.comparison import Restoring, meet
from zkpoll.journal.course import courses, note_courses
from zkpoll.journal.database import Journal
from zkpoll.journal.day_counts import count_once_a_day
from zkpoll.journal.decisions import Decisions, Selection, Span, dashboards, device_names, names_of_punches
from zkpoll.journal.devices import Devices
from zkpoll.journal.intake import Intake
from zkpoll.journal.ledger import Ledger
from zkpoll.journal.opening import open_empty, open_journal
from zkpoll.journal.outbox import JournalOutbox, first_pending, newest_punch
from zkpoll.journal.pushed import Command, CommandNews, Contact, Gap, Pushed
from zkpoll.journal.quarantine import (
    SetAside,
    accept,
    accept_rows,
    not_accepted,
    quarantined,
    rows_not_accepted,
    rows_set_aside,
)
from zkpoll.journal.spans import Places
from zkpoll.journal.sqlite import APPLICATION_ID, SqliteJournal
from zkpoll.journal.taking import Taking
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.errand import Errand
from zkpoll.model.log import Reading, Watermark
from zkpoll.model.report import News
from zkpoll.model.sums import Counts
from zkpoll.model.user import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[2]

ONLY_SQLITE = True


@contextmanager
def refused(path: Path, why: str) -> Iterator[None]:
    """Expect one `JournalError` in an operator's words that names the file."""
    with pytest.raises(JournalError, match=re.escape(why)) as caught:
        yield
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert not re.search("sqlite|error|pragma", message.replace(str(path), ""), re.IGNORECASE)
    assert caught.value.exit_code is ExitCode.JOURNAL


def mode(path: Path) -> int:
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


# --- how it is made ---


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),  # FULL
        ("foreign_keys", 1),
        ("application_id", APPLICATION_ID),
        ("user_version", 22),
    ],
)
def test_settings(journal: Journal, setting: str, value: object) -> None:
    """A committed transaction is on disk, and the file says whose it is and in which form."""
    assert connection(journal).execute(f"PRAGMA {setting}").fetchone() == (value,)


def test_only_its_owner_can_read_it(path: Path) -> None:
    """Whatever the umask, nobody else reads who came when, in the side files neither."""
    before = os.umask(0)
    try:
        with open_journal(path) as journal:
            visit(journal).take(piece(punch()))
            files = sorted(path.parent.iterdir())
            names = ["journal.db", "journal.db-shm", "journal.db-wal", "journal.db.begun"]
            assert [file.name for file in files] == names
            assert [mode(file) for file in files[:3]] == [0o600] * 3
    finally:
        os.umask(before)


def test_everything_survives_reopening(path: Path) -> None:
    """What was journalled, confirmed and covered is there after the program has ended."""
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        visit(journal).take(piece(punch("1"), punch("2")))
        outbox.settle(Settled((outbox.next(1).events[0].id,)))
    with open_journal(path) as journal:
        assert JournalOutbox(journal, "main").counts() == Counts(punches=2, pending=1, confirmed=1)
        watermark = visit(journal).watermark()
        assert watermark
        assert (watermark.layout, watermark.count) == (40, 2)
        assert watermark.tail == (punch("1").canonical, punch("2").canonical)


def test_any_file_name_will_do(tmp_path: Path) -> None:
    """Characters that mean something in a URI mean nothing in the journal's name."""
    path = tmp_path / "a?mode=memory#b%20c é.db"
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
    assert look(path, "SELECT name FROM destination") == [("main",)]


def test_made_by_many_at_once(tmp_path: Path) -> None:
    """Runs that begin at the same moment on a new machine all get the one journal."""
    arguments = [sys.executable, "-m", "tests.journal.opener", str(tmp_path), str(time.time() + 1)]
    openers = [subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    said = [opener.communicate()[1] for opener in openers]
    assert said == [""] * 4
    assert len(list(tmp_path.glob("*.db"))) == ROUNDS  # two that close at once may leave side files


def test_opening_it_twice_keeps_its_locks(path: Path) -> None:
    """A second opening in one process does not free the first one's locks, which would lose its punches."""
    elsewhere = "import sys, pathlib; from zkpoll.journal.sqlite import SqliteJournal as J; "
    elsewhere += "J(pathlib.Path(sys.argv[1])).__exit__(None, None, None)"
    with open_journal(path) as journal:
        ledger = visit(journal)
        with open_journal(path):
            subprocess.run([sys.executable, "-c", elsewhere, str(path)], cwd=ROOT, check=True)
            ledger.take(piece(punch()))
            assert path.with_name("journal.db-wal").exists()
            assert look(path, "SELECT count(*) FROM punch") == [(1,)]


# --- another file in its place ---


@pytest.mark.parametrize("then", ["was removed", "was replaced by another file"])
def test_what_no_other_run_would_find_is_not_kept(path: Path, then: str) -> None:
    """A journal that is not in its place any more keeps nothing, and says so when it is closed, too."""
    journal = open_journal(path)
    ledger = visit(journal)
    path.rename(path.with_name("moved.db"))
    if then != "was removed":
        path.write_bytes(b"x")
    with refused(path, then), journal:
        with refused(path, then):
            ledger.take(piece(punch()))
        assert journal.one("last_punch") == (0,)


def test_a_journal_that_was_only_read_may_go(path: Path) -> None:
    """Whoever only looked has written nothing that could be lost."""
    with open_journal(path):
        pass
    with open_journal(path, writable=False):
        path.unlink()


# --- looking only ---


def test_read_only_reads(path: Path) -> None:
    """A look at the journal sees what is in it, also while another process writes."""
    with open_journal(path) as journal:
        visit(journal).take(piece(punch()))
        with open_journal(path, writable=False) as look:
            ledger = Visiting(look, "front-door", KEY, DHAKA)
            assert ledger.sort(piece(punch(), punch("2"))).tally.seen_before == 1


def test_read_only_does_not_write(journal: Journal, path: Path) -> None:
    """What only looks cannot change anything, and says so."""
    visit(journal)
    with open_journal(path, writable=False) as look:
        ledger = Visiting(look, "front-door", KEY, DHAKA)
        with refused(path, "cannot be written"):
            ledger.take(piece(punch()))


def test_read_only_does_not_create(path: Path) -> None:
    """A look at a journal that is not there leaves nothing behind."""
    with refused(path, "cannot be opened"):
        open_journal(path, writable=False)
    assert not path.exists()


def test_read_only_wants_todays_form(path: Path) -> None:
    """A look at a journal that is older says what to do."""
    with open_journal(path) as journal:
        connection(journal).execute("PRAGMA user_version = 1")
    with refused(path, "`zkpoll sync` brings it up to date"):
        open_journal(path, writable=False)


def test_a_journal_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run before the first run needs no journal."""
    monkeypatch.chdir(tmp_path)
    with open_empty() as journal:
        assert visit(journal).take(piece(punch())).first_seen == 1
    assert not list(tmp_path.iterdir())


# --- what it refuses ---


def test_a_newer_zkpoll_came_while_it_ran(journal: Journal, path: Path) -> None:
    """What runs on in the old form writes nothing any more, and says that it has to be started again."""
    visit(journal).take(piece(punch()))
    newer(path)
    with pytest.raises(JournalUnfit, match="start this one again"):
        visit(journal)
    assert look(path, "SELECT count(*) FROM punch") == [(1,)]


def newer(path: Path) -> None:
    """Make a journal of a form yet to come."""
    with open_journal(path) as journal:
        connection(journal).execute("PRAGMA user_version = 99")


def foreign(path: Path) -> None:
    """Make another program's database, with a table named like ours."""
    with inside(path) as db:
        db.execute("CREATE TABLE punch (seq)")


def foreign_but_empty(path: Path) -> None:
    """Make another program's database without a table."""
    with inside(path) as db:
        db.execute("PRAGMA user_version = 3")


def text(path: Path) -> None:
    """Make a text file of several pages."""
    path.write_text("journal: /var/lib/zkpoll/journal.db\n" * 200)


def short_text(path: Path) -> None:
    """Make a text file shorter than a database's head."""
    path.write_text("journal: x\n")


def damaged_head(path: Path) -> None:
    """Make a journal and overwrite the page that tells its tables."""
    with open_journal(path):
        pass
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3900)


def empty(path: Path) -> None:
    """Make a file of no bytes."""
    path.touch()


def no_ordinary_file(path: Path) -> None:
    """Make a pipe in the journal's place."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    """Make a folder in the journal's place."""
    path.mkdir()


def folder_missing(path: Path) -> Path:
    """Return a path in a folder that is not there."""
    return path / "missing" / "journal.db"


def below_a_file(path: Path) -> Path:
    """Return a path in a folder that is a file."""
    path.touch()
    return path / "journal.db"


def not_a_disk(_path: Path) -> Path:
    """Return a path where nobody can create a file, root neither."""
    return Path("/proc/journal.db")


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (newer, "was written by a newer zkpoll (form 99; this one knows 22); upgrade zkpoll"),
        (foreign, "is some other program's database"),
        (foreign_but_empty, "is some other program's database"),
        (text, "is not a journal but some other kind of file"),
        (short_text, "is not a journal but some other kind of file"),
        (damaged_head, "is damaged; restore a backup"),
        (empty, "is empty (0 bytes), which none ever is: restore a backup, or remove it"),
        (no_ordinary_file, "cannot be opened: it is a pipe, expected an ordinary file"),
        (folder, "cannot be opened: it is a folder"),
        (folder_missing, "cannot be opened"),
        (below_a_file, "cannot be opened"),
        (not_a_disk, "cannot be opened"),
    ],
)
def test_what_is_no_usable_journal_is_refused(
    path: Path, make: Callable[[Path], Path | None], why: str, writable: bool
) -> None:
    """What cannot be our journal is named in one sentence, and left as it is."""
    path = make(path) or path
    before = path.read_bytes() if path.is_file() else None
    with refused(path, why):
        open_journal(path, writable=writable)
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a folder that everybody can enter."""
    with public_folder() as folder:
        yield folder


def test_a_folder_one_may_not_write_to(public: Path) -> None:
    """Without the right to create it, the error says so."""
    public.chmod(0o555)
    with ordinary_user(), refused(public / "journal.db", "cannot be opened: permission denied"):
        open_journal(public / "journal.db")


def test_a_folder_one_may_not_enter(public: Path) -> None:
    """Without the right even to look, the error says so."""
    public.chmod(0o000)
    with ordinary_user(), refused(public / "journal.db", "cannot be opened: permission denied"):
        open_journal(public / "journal.db", writable=False)


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_journal_one_may_not_write(public: Path, folder_mode: int) -> None:
    """Another user's journal is refused when it is opened, not after the devices were read."""
    path = public / "journal.db"
    with open_journal(path):
        pass
    path.chmod(0o444)
    public.chmod(folder_mode)
    with ordinary_user(), refused(path, "it may not be written; check who owns it"):
        open_journal(path)


# --- what goes wrong later ---


def test_a_damaged_journal(path: Path) -> None:
    """Pages that were overwritten end the run with one clear error, in whatever is asked of them."""
    log = piece(*punches(3000))
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        visit(journal).take(log)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2 // 4096 * 4096))
    with open_journal(path) as journal:
        ledger = Visiting(journal, "front-door", KEY, DHAKA)
        with refused(path, "is damaged; restore a backup, or move it away to begin a new one"):
            ledger.take(log)
        with refused(path, "is damaged"):
            JournalOutbox(journal, "main").next(3000)


def test_locked_by_another_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for another process ends; nothing is kept, and the next try succeeds."""
    monkeypatch.setattr(sqlite, "WAIT", 0.05)
    with open_journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        ledger = visit(journal)
        other.execute("BEGIN IMMEDIATE")
        with refused(path, "is locked by another program"):
            ledger.take(piece(punch()))
        other.execute("ROLLBACK")
        assert ledger.watermark() is None
        assert ledger.take(piece(punch())).first_seen == 1


@pytest.mark.parametrize("writable", [True, False])
def test_locked_for_good(path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool) -> None:
    """A program that keeps the whole file to itself is reported when the journal is opened."""
    monkeypatch.setattr(sqlite, "WAIT", 0.05)
    with open_journal(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with refused(path, "is locked by another program"):
            open_journal(path, writable=writable)


@contextmanager
def no_room_for_pages(journal: Journal, _path: Path) -> Iterator[None]:
    """Let the database grow by five pages."""
    pages = connection(journal).execute("PRAGMA page_count").fetchone()[0]
    connection(journal).execute(f"PRAGMA max_page_count = {pages + 5}")
    yield
    connection(journal).execute(f"PRAGMA max_page_count = {2**32 - 2}")


@contextmanager
def no_room_on_disk(_journal: Journal, path: Path) -> Iterator[None]:
    """Let no file grow by more than 40 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name("journal.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("no_room", [no_room_for_pages, no_room_on_disk])
def test_a_full_disk(
    journal: Journal, path: Path, no_room: Callable[[Journal, Path], AbstractContextManager[None]]
) -> None:
    """A slice that does not fit is not kept at all; once there is room, it is."""
    outbox = JournalOutbox(journal, "main")
    ledger = visit(journal)
    ledger.take(piece(punch("first")))
    watermark = ledger.watermark()
    with no_room(journal, path), refused(path, "the disk is full"):
        ledger.take(piece(*punches(2000)))
    assert look(path, "PRAGMA integrity_check") == [("ok",)]
    assert look(path, "SELECT user_id FROM punch") == [("first",)]
    assert outbox.counts() == Counts(punches=1, pending=1)
    assert ledger.watermark() == watermark
    assert ledger.take(piece(*punches(2000))).first_seen == 2000
    assert outbox.counts() == Counts(punches=2001, pending=2001)


def test_what_raises_inside_a_transaction_undoes_it(journal: Journal) -> None:
    """Whatever goes wrong half way, half of it is not kept, and the journal can be used again."""

    def half(error: type[BaseException]) -> None:
        with journal.transaction():
            journal.run("owe", subject="x", text="x", now="x")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            half(error)
    assert journal.all("owed") == []
    with journal.transaction():
        journal.run("strike_owed", subject="x", text="x")


# --- every public method ---


@dataclass(frozen=True)
class Rooms:
    """One of everything, on the same journal."""

    journal: Journal
    devices: Devices
    ledger: Visiting
    outbox: JournalOutbox
    decisions: Decisions
    clearance: Clearance
    restoring: Restoring
    pushed: Pushed
    confirmable: str
    bridge: Bridge
    set_aside: list[SetAside]


def counted_rows(rooms: Rooms) -> None:
    """Count a row, in a transaction, as a visit does."""
    with rooms.journal.transaction():
        rooms.bridge.ledger.add_rows_there(1)


def met(rooms: Rooms) -> None:
    """Meet a database."""
    with rooms.journal.transaction():
        rooms.bridge.ledger.meet("branch", "att2000", "x")


def retaken(rooms: Rooms) -> None:
    """Try a row again that was set aside."""
    taking = rooms.bridge.taking()
    with rooms.journal.transaction():
        taking.retake([row("x", key="x")])


def inserted(journal: Journal, rows: list[tuple[object, ...]]) -> Sequence[int]:
    """Return what dashboards that were inserted together are numbered."""
    with journal.transaction(), journal.savepoint():
        return journal.insert_all("meet_destination", rows)


READING = Reading(40, 1, 0, 1, None, None, whole=True, before=0, continued=False)
CONTACT = Contact("gate", "X1", datetime.now(UTC), datetime.now(UTC), "192.0.2.7", stamps={"OPERLOG": "9"})
CHECK = Command("x", "CHECK", "by hand", datetime.now(UTC))
PENDING = Selection(frozenset({"pending"}))
TERMS = prune.Terms(datetime.now(UTC), frozenset({"front-door"}))
USER = User(1, "1001", b"", 0, 0, 0, has_password=True)
SPAN = Span(date(2026, 11, 22), date(2026, 11, 22))


def decide(it: Rooms, times: int) -> None:
    """Take down what an answer decided."""
    for _ in range(times):
        it.outbox.decide(Settled((it.confirmable,)), (it.confirmable,))


def decide_and_flush(it: Rooms) -> None:
    """Take it down, and write it down."""
    decide(it, 1)
    it.outbox.flush()


def look_and_hand_out(it: Rooms) -> None:
    """Look at all that is pending; to want to do so costs nothing."""
    it.outbox.look_from_start()
    it.outbox.next(1)


ERRAND, SENT = Errand("visit", "front-door"), datetime.now(UTC)


def seen_at_once(journal: Journal) -> object:
    """Return what a snapshot shows."""
    with journal.snapshot():
        return journal.all("conditions")


CALLS: dict[str, Callable[[Rooms], object]] = {
    "renames.follow": lambda it: renames.follow(it.journal, renames.Rename("device", "front-door", "gate")),
    "Journal.all": lambda it: it.journal.all("conditions"),
    "Journal.one": lambda it: it.journal.one("last_punch"),
    "Journal.run": lambda it: it.journal.run("forget_requests", destination=1),
    "Journal.run_over": lambda it: it.journal.run_over("remove_punches", [0]),
    "Journal.run_later": lambda it: it.journal.run_later("forget_condition", [{"subject": "x"}]),
    "Journal.run_at_end": lambda it: it.journal.run_at_end("forget_requests", destination=1),
    "Journal.run_many": lambda it: it.journal.run_many("meet_destination", [{"name": "x"}]),
    "Journal.insert_all": lambda it: inserted(it.journal, [("x",)]),
    "Journal.look_up": lambda it: it.journal.look_up("punches_by_id", ["x"]),
    "Journal.transaction": lambda it: it.journal.transaction().__enter__(),
    "Journal.snapshot": lambda it: seen_at_once(it.journal),
    "Journal.savepoint": lambda it: inserted(it.journal, []),
    "Devices.last_readings": lambda it: it.devices.last_readings(),
    "Devices.key_of": lambda it: it.devices.key_of("front-door"),
    "Devices.name_of": lambda it: it.devices.name_of(KEY),
    "Devices.key_of_serial": lambda it: it.devices.key_of_serial("X1"),
    "Devices.meet_in_rows": lambda it: it.devices.meet_in_rows("X1"),
    "Devices.renamed": lambda it: it.devices.renamed(),
    "Devices.whose": lambda it: it.devices.whose(KEY),
    "Devices.stranger_at": lambda it: it.devices.stranger_at("front-door"),
    "Devices.answered_in_turn": lambda it: it.devices.answered_in_turn("front-door", "X1"),
    "Devices.is_being_met": lambda it: it.devices.is_being_met("front-door", "device front-door"),
    "Devices.names": lambda it: it.devices.names(),
    "Devices.aliases": lambda it: it.devices.aliases("front-door"),
    "Devices.key_of_caller": lambda it: it.devices.key_of_caller("gate", "X1"),
    "Devices.meet": lambda it: it.devices.meet("front-door", KEY),
    "Devices.meet_caller": lambda it: it.devices.meet_caller("gate", "X1"),
    "Devices.transaction_of_caller": lambda it: it.devices.transaction_of_caller("gate", "X1").__enter__(),
    "Devices.meet_stranger": lambda it: it.devices.meet_stranger("front-door", "X1"),
    "Devices.accept": lambda it: it.devices.accept("front-door"),
    "Devices.accept_as_same": lambda it: it.devices.accept_as_same("front-door"),
    "Devices.note_reading": lambda it: it.devices.note_reading(KEY, READING),
    "Devices.known": lambda it: it.devices.known(),
    "Devices.newest_reading": lambda it: it.devices.newest_reading(),
    "Devices.last_reading": lambda it: it.devices.last_reading("front-door"),
    "Intake": lambda it: Intake(it.journal, "front-door", KEY, DHAKA, source="pull"),
    "Ledger": lambda it: Ledger(it.journal, "x"),
    "Ledger.meet": met,
    "Ledger.fingerprints": lambda it: it.bridge.ledger.fingerprints(),
    "Ledger.people_news": lambda it: it.bridge.ledger.people_news({}),
    "Ledger.set_aside": lambda it: list(it.bridge.ledger.set_aside()),
    "Ledger.begin_whole": lambda it: it.bridge.ledger.begin_whole(b"x", {"2": "b"}),
    "Ledger.keep_lookups": lambda it: it.bridge.ledger.keep_lookups(b"x"),
    "Ledger.misses": lambda it: it.bridge.ledger.misses([2]),
    "Ledger.end": lambda it: it.bridge.ledger.end([2], b"", {"2": "b"}, whole=True),
    "Ledger.add_rows_there": counted_rows,
    "Taking.take": lambda it: it.bridge.take(bucket(1, row("7"), aside("z"))),
    "Taking.retake": retaken,
    "Taking.look": lambda it: it.bridge.taking().look([bucket(1, row("7"))]),
    "backlogs": lambda it: backlog.backlogs(it.journal, datetime.now(UTC)),
    "note_backlogs": lambda it: backlog.note_backlogs(it.journal, datetime.now(UTC), {"main"}),
    "database_standings": lambda it: database_overview.database_standings(it.journal),
    "rows_of_punch": lambda it: database_overview.rows_of_punch(it.journal, 1),
    "row_changes": lambda it: list(database_overview.row_changes(it.journal, "head-office")),
    "rows_set_aside": lambda it: rows_set_aside(it.journal),
    "accept_rows": lambda it: accept_rows(it.journal, it.set_aside),
    "watermarks.load": lambda it: watermarks.load(it.journal, KEY),
    "watermarks.store": lambda it: watermarks.store(it.journal, KEY, Watermark(40, 0, ())),
    "Intake.sort": lambda it: it.ledger.intake.sort(piece(punch())),
    "Intake.add": lambda it: it.ledger.take(piece(punch())),
    "quarantined": lambda it: quarantined(it.journal),
    "accept": lambda it: accept(it.journal, []),
    "to_be_judged": lambda it: quarantine.to_be_judged(it.journal, KEY),
    "people_of": lambda it: quarantine.people_of(it.journal, KEY, b"a", b"b", 8),
    "assign": lambda it: quarantine.assign(it.journal, KEY, it.ledger.intake, {}, 7, "bob"),
    "JournalOutbox": lambda it: JournalOutbox(it.journal, "main"),
    "JournalOutbox.has_its_name": lambda it: it.outbox.has_its_name(),
    "JournalOutbox.next": lambda it: it.outbox.next(1),
    "JournalOutbox.newest_of_people": lambda it: it.outbox.newest_of_people(1),
    "JournalOutbox.parked": lambda it: it.outbox.parked(1, datetime.now(UTC)),
    "JournalOutbox.send": lambda it: it.outbox.send(SentRequest((it.confirmable,))),
    "JournalOutbox.recall": lambda it: it.outbox.recall(SentRequest((it.confirmable,))),
    "JournalOutbox.settle": lambda it: it.outbox.settle(Settled((it.confirmable,))),
    "JournalOutbox.decide": lambda it: decide(it, 2),  # the second writes down the first
    "JournalOutbox.flush": decide_and_flush,
    "JournalOutbox.owes_nothing": lambda it: it.outbox.owes_nothing(),
    "JournalOutbox.look_from_start": look_and_hand_out,
    "JournalOutbox.shares": lambda it: it.outbox.shares(2)[0].next(1),
    "JournalOutbox.kept_answer": lambda it: it.outbox.kept_answer(b"x"),
    "JournalOutbox.keep_answer": lambda it: it.outbox.keep_answer(b"x", "UTC"),
    "JournalOutbox.halted": lambda it: it.outbox.halted(),
    "JournalOutbox.failed_runs": lambda it: it.outbox.failed_runs(),
    "JournalOutbox.remember_failed_runs": lambda it: it.outbox.remember_failed_runs(1),
    "JournalOutbox.halt": lambda it: it.outbox.halt("gone"),
    "JournalOutbox.counts": lambda it: it.outbox.counts(),
    "JournalOutbox.recount": lambda it: it.outbox.recount(),
    "JournalOutbox.oldest_pending": lambda it: it.outbox.oldest_pending(),
    "JournalOutbox.reaches": lambda it: it.outbox.reaches(datetime.now(UTC)),
    "first_pending": lambda it: first_pending(it.journal, "main"),
    "newest_punch": lambda it: newest_punch(it.journal),
    "dashboards": lambda it: dashboards(it.journal),
    "device_names": lambda it: device_names(it.journal),
    "names_of_punches": lambda it: names_of_punches(it.journal),
    "Decisions": lambda it: Decisions(it.journal, "main"),
    "Decisions.punches": lambda it: list(it.decisions.punches(PENDING)),
    "Decisions.first": lambda it: it.decisions.first("pending", 5),
    "Decisions.retry": lambda it: it.decisions.retry(PENDING, Places([(1, 1)])),
    "Decisions.discard": lambda it: it.decisions.discard(PENDING, Places([(1, 1)]), "x"),
    "Decisions.backfill": lambda it: it.decisions.backfill(SPAN, repeats=True, dry_run=False),
    "Decisions.give_up": lambda it: it.decisions.give_up(),
    "Decisions.resume": lambda it: it.decisions.resume(),
    "Clearance": lambda it: Clearance(it.journal, KEY),
    "Clearance.unsettled": lambda it: it.clearance.unsettled(piece(punch())),
    "Clearance.refused": lambda it: it.clearance.refused(),
    "Clearance.numbers": lambda it: it.clearance.numbers(),
    "intended": lambda it: intended(it.journal, KEY),
    "Clearance.intend": lambda it: it.clearance.intend(),
    "seconds_since_intended": lambda it: seconds_since_intended(it.journal, KEY),
    "Clearance.done": lambda it: it.clearance.done(),
    "Clearance.cleared": lambda it: it.clearance.cleared(),
    "Clearance.note_clear_ignored": lambda it: it.clearance.note_clear_ignored(),
    "Clearance.note_disable_ignored": lambda it: it.clearance.note_disable_ignored("x"),
    "Clearance.allow": lambda it: it.clearance.allow(),
    "Pushed.stamps": lambda it: it.pushed.stamps(),
    "Pushed.digest": lambda it: it.pushed.digest("ATTLOG"),
    "Pushed.last_time": lambda it: it.pushed.last_time(),
    "Pushed.keep_batch": lambda it: it.pushed.keep_batch("ATTLOG", "1", b"x", last=START, skews=[1.5]),
    "Pushed.keep_call": lambda it: it.pushed.keep_call(CONTACT),
    "Pushed.registry_code": lambda it: it.pushed.registry_code(),
    "Pushed.held": lambda it: it.pushed.held(),
    "Pushed.not_pushed": lambda it: it.pushed.not_pushed(0, START, datetime.now(UTC)),
    "Pushed.gap": lambda it: it.pushed.gap(),
    "Pushed.keep_gap": lambda it: it.pushed.keep_gap(Gap()),
    "Pushed.queue": lambda it: it.pushed.queue(CHECK, "by hand"),
    "Pushed.commands": lambda it: it.pushed.commands(),
    "pushed.all_commands": lambda it: pushed.all_commands(it.journal),
    "pushed.waiting_commands": lambda it: pushed.waiting_commands(it.journal),
    "pushed.note_commands": lambda it: pushed.note_commands(it.journal, [CommandNews(KEY, "x")]),
    "pushed.contacts": lambda it: pushed.contacts(it.journal, [CONTACT]),
    "pushed.pushed_standings": lambda it: pushed.pushed_standings(it.journal),
    "callers.note": lambda it: callers.note(it.journal, [], 1),
    "callers.pending": lambda it: callers.pending(it.journal),
    "callers.nameless": lambda it: callers.nameless(it.journal),
    "callers.forget": lambda it: callers.forget(it.journal),
    "Restoring": lambda it: Restoring(it.journal, "front-door", KEY, DHAKA, source="pull"),
    "Restoring.compare": lambda it: it.restoring.compare(piece(punch())),
    "Restoring.add": lambda it: it.restoring.add(piece(punch())),
    "upkeep.old_punches": lambda it: prune.old_punches(it.journal, TERMS),
    "upkeep.prune": lambda it: prune.prune(it.journal, TERMS),
    "upkeep.compact": lambda it: prune.compact(it.journal),
    "upkeep.knows": lambda it: prune.knows(it.journal, "front-door"),
    "meet": lambda it: meet(it.journal, "front-door", "X1"),
    "exports.last_users": lambda it: exports.last_users(it.journal, KEY),
    "exports.keep_users": lambda it: exports.keep_users(it.journal, KEY, [USER]),
    "names.exported_names": lambda it: list(names.exported_names(it.journal)),
    "names.has_punched": lambda it: names.has_punched(it.journal, "1001"),
    "names.ids_of_punches": lambda it: names.ids_of_punches(it.journal),
    "exports.punches": lambda it: list(exports.punches(it.journal, exports.Wanted())),
    "device_standings": lambda it: overview.device_standings(it.journal, datetime.now(UTC)),
    "kept_rates": lambda it: rates.kept_rates(it.journal),
    "rates_by_now": lambda it: rates.rates_by_now(it.journal, ["front-door"], datetime.now(UTC)),
    "count_once_a_day": lambda it: count_once_a_day(it.journal, datetime.now(UTC)),
    "rows_by_day": lambda it: overview.rows_by_day(it.journal, datetime.now(UTC)),
    "courses": lambda it: courses(it.journal),
    "note_courses": lambda it: note_courses(it.journal, datetime.now(UTC)),
    "not_accepted": lambda it: not_accepted(it.journal, 5),
    "rows_not_accepted": lambda it: rows_not_accepted(it.journal, 5),
    "dashboard_standings": lambda it: overview.dashboard_standings(it.journal),
    "conditions.told": lambda it: conditions.told(it.journal),
    "sightings": lambda it: overview.sightings(it.journal, "1001", date(2026, 11, 22)),
    "runs.note_run": lambda it: runs.note_run(it.journal),
    "runs.last_run": lambda it: runs.last_run(it.journal),
    "errands.claim": lambda it: errands.claim(it.journal, {ERRAND: "x"}, SENT, SENT),
    "errands.give_back": lambda it: errands.give_back(it.journal, [ERRAND], SENT),
    "errands.sent_with": lambda it: errands.sent_with(it.journal, ERRAND, SENT),
    "errands.take": lambda it: errands.take(it.journal, ERRAND, SENT, "x", SENT),
    "errands.done": lambda it: errands.done(it.journal, ERRAND, SENT, "x", SENT, "read"),
    "errands.standings": lambda it: errands.standings(it.journal),
    "errands.forget_but": lambda it: errands.forget_but(it.journal, []),
    "memory.tell": lambda it: conditions.tell(it.journal, lambda before: News((), before)),
}


@pytest.fixture
def rooms(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rooms]:
    """Open a journal that holds something of everything and waits for nobody."""
    monkeypatch.setattr(sqlite, "WAIT", 0.01)
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        ledger = visit(journal)
        ledger.take(piece(punch()))
        rooms = Devices(journal), ledger, outbox, Decisions(journal, "main"), Clearance(journal, KEY)
        restoring = Restoring(journal, "front-door", KEY, DHAKA, source="pull")
        bridge = Bridge(journal)
        bridge.take(bucket(1, aside("x")))
        yield Rooms(
            journal,
            *rooms,
            restoring,
            Pushed(journal, KEY),
            outbox.next(1).events[0].id,
            bridge,
            rows_set_aside(journal),
        )


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_locked_everywhere(rooms: Rooms, path: Path, call: Callable[[Rooms], object]) -> None:
    """Whatever meets a locked database says so in our words."""
    connection(rooms.journal).execute(
        "PRAGMA journal_mode = DELETE"
    )  # in which a writer keeps readers out, too
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with refused(path, "is locked by another program"):
            call(rooms)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_any_error_of_the_database(rooms: Rooms, call: Callable[[Rooms], object]) -> None:
    """No error of the database itself leaves the journal room."""
    connection(rooms.journal).close()
    with pytest.raises(JournalError) as caught:
        call(rooms)
    assert isinstance(caught.value.__cause__, sqlite3.Error)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_truth_value_goes_into_a_number(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch, call: Callable[[Rooms], object]
) -> None:
    """A column that holds 0 or 1 is given a number: other databases know the difference."""
    found: set[str] = set()

    def noted(name: str, verb: Callable[..., object]) -> Callable[..., object]:
        def noting(journal: SqliteJournal, query: str, *given: object, **parameters: object) -> object:
            rows = given[0] if name in {"run_many", "insert_all"} else [parameters]
            assert isinstance(rows, list)
            values = (value for row in rows for value in (row if isinstance(row, tuple) else row.values()))
            found.update(query for value in values if isinstance(value, bool))
            return verb(journal, query, *given, **parameters)

        return noting

    for name in ("run", "run_many", "run_over", "insert_all"):
        monkeypatch.setattr(SqliteJournal, name, noted(name, getattr(SqliteJournal, name)))
    with suppress(WrongSerial):
        call(rooms)
    assert found <= {"note_reading", "end_visit"}  # where it is a condition


ROOMS = (
    Journal, Devices, Intake, JournalOutbox, Decisions, Clearance, Pushed, Restoring, Ledger, Taking,
)  # fmt: skip


def test_no_method_is_forgotten() -> None:
    """The two tests above meet every public method of the room."""
    public = {f"{room.__name__}.{name}" for room in ROOMS for name in vars(room) if not name.startswith("_")}
    public -= {
        "Journal.lock",
        "Journal.is_locked",
        "Journal.check_in_place",
        "Journal.damaged",
    }  # of a file: test_locks.py; of what was read: test_outbox.py
    assert public == {name for name in CALLS if name[0].isupper() and "." in name}


def test_patience_is_for_all_others(path: Path) -> None:
    """A transaction that may wait so long waits no longer for threads and processes together."""
    with open_journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        begun, done = threading.Event(), threading.Event()

        def hold() -> None:
            with journal.transaction():
                begun.set()
                done.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait(20)
        began = time.monotonic()
        with pytest.raises(JournalError, match="not free in time"), journal.transaction(0.2):
            pass
        done.set()
        thread.join()
        other.execute("BEGIN IMMEDIATE")
        with refused(path, "is locked by another program"), journal.transaction(0.2):
            pass
        assert time.monotonic() - began < 10
        other.execute("ROLLBACK")
        with journal.transaction(0.2):
            pass


def test_threads_wait_for_another_process_together(path: Path) -> None:
    """One that gave up did so for all that wait behind it; once the journal is free, all can write."""
    open_journal(path).__exit__(None, None, None)
    with (
        SqliteJournal(path, patience=2) as journal,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")

        def write() -> str:
            try:
                with journal.transaction():
                    return ""
            except JournalError as error:
                return str(error)

        began = time.monotonic()
        said = [one.result() for one in [pool.submit(write) for _ in range(8)]]
        assert all("is locked by another program" in one for one in said), said
        assert 2 <= time.monotonic() - began < 8  # each by itself: 16
        freed = threading.Timer(0.5, other.execute, ["ROLLBACK"])
        freed.start()
        assert write() == ""
        freed.join()


def test_a_thread_of_little_patience_gives_up_alone(path: Path) -> None:
    """Another one that waits behind it goes on waiting, and writes once the journal is free."""
    open_journal(path).__exit__(None, None, None)
    with (
        SqliteJournal(path, patience=20) as journal,
        closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other,
        ThreadPoolExecutor(3) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")

        def write(patience: float | None) -> str:
            try:
                with journal.transaction(patience):
                    return ""
            except JournalError as error:
                return str(error)

        hasty = pool.submit(write, 1)
        time.sleep(0.3)  # it waits for the other process by now
        patient = [pool.submit(write, one) for one in (None, 20)]
        assert "is locked by another program" in hasty.result()
        time.sleep(0.3)
        other.execute("ROLLBACK")
        assert [one.result() for one in patient] == ["", ""]
