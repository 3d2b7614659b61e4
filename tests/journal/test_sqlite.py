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
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import DHAKA, KEY, START, Visiting, connection, piece, punch, punches, visit
from tests.journal.opener import ROUNDS
from tests.look import inside, look
from tests.places import ordinary_user, public_folder
from zkpoll.errors import ExitCode, JournalError, WrongSerial
from zkpoll.journal import callers, conditions, exports, overview, prune, pushed, sqlite, watermarks
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.comparison import Restoring, meet
from zkpoll.journal.database import Journal
from zkpoll.journal.decisions import Decisions, Selection, Span, dashboards, has_device
from zkpoll.journal.devices import Devices
from zkpoll.journal.intake import Intake
from zkpoll.journal.opening import open_empty, open_journal
from zkpoll.journal.outbox import JournalOutbox, first_pending, newest_punch
from zkpoll.journal.pushed import Command, CommandNews, Contact, Gap, Pushed
from zkpoll.journal.quarantine import accept, quarantined
from zkpoll.journal.sqlite import APPLICATION_ID, SqliteJournal
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading, Watermark
from zkpoll.model.report import News
from zkpoll.model.sums import Counts
from zkpoll.model.user import User

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

ROOT = Path(__file__).parents[2]


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
        ("user_version", 10),
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
        (newer, "was written by a newer zkpoll (form 99; this one knows 10); upgrade zkpoll"),
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
            journal.run("remember_condition", subject="x", kind="x", since="x", told_at="x")
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            half(error)
    assert journal.all("conditions") == []
    with journal.transaction():
        journal.run("forget_condition", subject="x")


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


def inserted(journal: Journal, rows: list[dict[str, object]]) -> list[int]:
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
CALLS: dict[str, Callable[[Rooms], object]] = {
    "Journal.all": lambda it: it.journal.all("conditions"),
    "Journal.one": lambda it: it.journal.one("last_punch"),
    "Journal.run": lambda it: it.journal.run("forget_requests", destination=1),
    "Journal.run_over": lambda it: it.journal.run_over("remove_punches", [0]),
    "Journal.run_many": lambda it: it.journal.run_many("meet_destination", [{"name": "x"}]),
    "Journal.insert_all": lambda it: inserted(it.journal, [{"name": "x"}]),
    "Journal.look_up": lambda it: it.journal.look_up("punches_by_id", ["x"]),
    "Journal.transaction": lambda it: it.journal.transaction().__enter__(),
    "Journal.savepoint": lambda it: inserted(it.journal, []),
    "Devices.key_of": lambda it: it.devices.key_of("front-door"),
    "Devices.name_of": lambda it: it.devices.name_of(KEY),
    "Devices.names": lambda it: it.devices.names(),
    "Devices.aliases": lambda it: it.devices.aliases("front-door"),
    "Devices.key_of_caller": lambda it: it.devices.key_of_caller("gate", "X1"),
    "Devices.meet": lambda it: it.devices.meet("front-door", KEY),
    "Devices.meet_caller": lambda it: it.devices.meet_caller("gate", "X1"),
    "Devices.meet_stranger": lambda it: it.devices.meet_stranger("front-door", "X1"),
    "Devices.accept": lambda it: it.devices.accept("front-door"),
    "Devices.accept_as_same": lambda it: it.devices.accept_as_same("front-door"),
    "Devices.note_reading": lambda it: it.devices.note_reading(KEY, READING),
    "Devices.known": lambda it: it.devices.known(),
    "Devices.newest_reading": lambda it: it.devices.newest_reading(),
    "Devices.last_reading": lambda it: it.devices.last_reading("front-door"),
    "Intake": lambda it: Intake(it.journal, "front-door", KEY, DHAKA, source="pull"),
    "watermarks.load": lambda it: watermarks.load(it.journal, KEY),
    "watermarks.store": lambda it: watermarks.store(it.journal, KEY, Watermark(40, 0, ())),
    "Intake.sort": lambda it: it.ledger.intake.sort(piece(punch())),
    "Intake.add": lambda it: it.ledger.take(piece(punch())),
    "quarantined": lambda it: quarantined(it.journal),
    "accept": lambda it: accept(it.journal, []),
    "JournalOutbox": lambda it: JournalOutbox(it.journal, "main"),
    "JournalOutbox.next": lambda it: it.outbox.next(1),
    "JournalOutbox.newest_of_people": lambda it: it.outbox.newest_of_people(1),
    "JournalOutbox.parked": lambda it: it.outbox.parked(1, datetime.now(UTC)),
    "JournalOutbox.send": lambda it: it.outbox.send(SentRequest((it.confirmable,))),
    "JournalOutbox.recall": lambda it: it.outbox.recall(SentRequest((it.confirmable,))),
    "JournalOutbox.settle": lambda it: it.outbox.settle(Settled((it.confirmable,))),
    "JournalOutbox.halted": lambda it: it.outbox.halted(),
    "JournalOutbox.halt": lambda it: it.outbox.halt("gone"),
    "JournalOutbox.counts": lambda it: it.outbox.counts(),
    "JournalOutbox.oldest_pending": lambda it: it.outbox.oldest_pending(),
    "JournalOutbox.reaches": lambda it: it.outbox.reaches(datetime.now(UTC)),
    "first_pending": lambda it: first_pending(it.journal, "main"),
    "newest_punch": lambda it: newest_punch(it.journal),
    "dashboards": lambda it: dashboards(it.journal),
    "has_device": lambda it: has_device(it.journal, "front-door"),
    "Decisions": lambda it: Decisions(it.journal, "main"),
    "Decisions.punches": lambda it: list(it.decisions.punches(PENDING)),
    "Decisions.retry": lambda it: it.decisions.retry(PENDING, 1),
    "Decisions.discard": lambda it: it.decisions.discard(PENDING, 1, "x"),
    "Decisions.backfill": lambda it: it.decisions.backfill(SPAN, repeats=True, dry_run=False),
    "Decisions.give_up": lambda it: it.decisions.give_up(),
    "Decisions.resume": lambda it: it.decisions.resume(),
    "Clearance": lambda it: Clearance(it.journal, KEY),
    "Clearance.unsettled": lambda it: it.clearance.unsettled(piece(punch())),
    "Clearance.refused": lambda it: it.clearance.refused(),
    "Clearance.numbers": lambda it: it.clearance.numbers(),
    "Clearance.intended": lambda it: it.clearance.intended(),
    "Clearance.intend": lambda it: it.clearance.intend(),
    "Clearance.done": lambda it: it.clearance.done(),
    "Clearance.cleared": lambda it: it.clearance.cleared(),
    "Clearance.note_clear_ignored": lambda it: it.clearance.note_clear_ignored(),
    "Clearance.note_disable_ignored": lambda it: it.clearance.note_disable_ignored("x"),
    "Clearance.allow": lambda it: it.clearance.allow(),
    "Pushed.stamps": lambda it: it.pushed.stamps(),
    "Pushed.digest": lambda it: it.pushed.digest("ATTLOG"),
    "Pushed.last_time": lambda it: it.pushed.last_time(),
    "Pushed.keep_batch": lambda it: it.pushed.keep_batch("ATTLOG", "1", b"x", last=START, skews=[1.5]),
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
    "exports.punches": lambda it: list(exports.punches(it.journal, exports.Wanted())),
    "device_standings": lambda it: overview.device_standings(it.journal, datetime.now(UTC)),
    "dashboard_standings": lambda it: overview.dashboard_standings(it.journal),
    "conditions.told": lambda it: conditions.told(it.journal),
    "sightings": lambda it: overview.sightings(it.journal, "1001", date(2026, 11, 22)),
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
        yield Rooms(journal, *rooms, restoring, Pushed(journal, KEY), outbox.next(1).events[0].id)


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
            found.update(query for row in rows for value in row.values() if isinstance(value, bool))
            return verb(journal, query, *given, **parameters)

        return noting

    for name in ("run", "run_many", "run_over", "insert_all"):
        monkeypatch.setattr(SqliteJournal, name, noted(name, getattr(SqliteJournal, name)))
    with suppress(WrongSerial):
        call(rooms)
    assert found <= {"note_reading"}  # where it is a condition


def test_no_method_is_forgotten() -> None:
    """The two tests above meet every public method of the room."""
    public = {
        f"{room.__name__}.{name}"
        for room in (Journal, Devices, Intake, JournalOutbox, Decisions, Clearance, Pushed, Restoring)
        for name in vars(room)
        if not name.startswith("_")
    }
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
