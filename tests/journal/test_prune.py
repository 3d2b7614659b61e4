"""A backup is the journal, whole or not there; pruning lets nothing go that anybody may still need."""

from __future__ import annotations

import resource
import sqlite3
import stat
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.helpers import KEY, confirm, line, odd, pending, piece, punch, punches, push, visit
from tests.look import MISCOUNTED, inside, look
from zkpoll.errors import ExitCode, JournalError
from zkpoll.journal import prune, sqlite
from zkpoll.journal.backup import Backup, BackupFailed, backup
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.prune import ALL, DeviceLog, Limit, Terms, off_device
from zkpoll.journal.pushed import Contact, contacts
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal

HERE = frozenset({"front-door"})
LATER = datetime.now(UTC) + timedelta(days=500)
TERMS = Terms(LATER - timedelta(days=400), HERE)
"""What a person wants removed in 500 days, of journals that are filled today."""
DISCARDABLE = Selection(frozenset({"pending", "parked", "held"}))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where a backup is to be."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "journal.db"


def content(path: Path) -> list[str]:
    """Return all that a journal's file says."""
    with inside(path) as db:
        return list(db.iterdump())


# --- backup ---


def test_a_backup_is_the_journal(journal: Journal, path: Path, target: Path) -> None:
    """A backup says what the journal says, in one file for its owner alone, and can stand in its place."""
    visit(journal).take(piece(*punches(3000)))
    assert backup(path, target) == Backup(target, 3000, target.stat().st_size)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [file.name for file in target.parent.iterdir()] == ["journal.db"]
    assert content(target) == content(path)
    with open_journal(target) as restored:
        assert visit(restored).take(piece(*punches(3000))).seen_before == 3000


def test_a_backup_while_others_write(journal: Journal, path: Path, target: Path) -> None:
    """While a sync journals, each backup is sound and has whole slices only, and the sync goes on."""
    JournalOutbox(journal, "main")
    stop = threading.Event()

    def write() -> None:
        ledger, first = visit(journal), 0
        while not stop.is_set() and first < 40_000:
            ledger.take(piece(*punches(100, first=first), end=first + 100))
            first += 100

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = [backup(path, target, force=True).punches for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert made == sorted(made)
    assert not [count for count in made if count % 100]
    assert look(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_backup_overwrites_nothing(journal: Journal, path: Path, target: Path) -> None:
    """What is there already stays as it is, until a person says that it may go."""
    visit(journal)
    target.write_text("older")
    with pytest.raises(BackupFailed, match="is there already; --force overwrites it"):
        backup(path, target)
    assert target.read_text() == "older"
    backup(path, target, force=True)
    assert content(target) == content(path)


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
@pytest.mark.usefixtures("journal")
def test_a_backup_never_lands_on_the_journal(path: Path, end: str) -> None:
    """Not even by force is the journal replaced by its copy, under whatever name it is meant."""
    other = path.parent / "link.db"
    other.symlink_to(path)
    names = [path.with_name(path.name + end), path.parent / "." / (path.name + end)]
    for name in [*names, other]:
        with pytest.raises(BackupFailed, match="is the journal itself"):
            backup(path, name, force=True)
    hard = path.parent / "hard.db"
    hard.hardlink_to(path)
    with pytest.raises(JournalError, match="has a second name"):
        backup(path, hard, force=True)
    assert hard.samefile(path)


@pytest.mark.usefixtures("journal")
def test_where_no_backup_can_be(path: Path, tmp_path: Path) -> None:
    """A folder, and one that is not there, are named in one sentence."""
    with pytest.raises(BackupFailed, match="is a folder; name a file in it"):
        backup(path, tmp_path)
    with pytest.raises(BackupFailed, match="cannot be written: no such file or directory"):
        backup(path, tmp_path / "missing" / "journal.db")


def test_no_journal_no_backup(path: Path, target: Path) -> None:
    """What is no journal is not backed up, and none is made for it."""
    with pytest.raises(JournalError, match="cannot be opened") as caught:
        backup(path, target)
    assert caught.value.exit_code is ExitCode.JOURNAL
    assert not path.exists()
    assert not target.exists()


def test_a_damaged_journal_is_no_backup(path: Path, target: Path) -> None:
    """Damage is found before it replaces the last good backup."""
    with open_journal(path) as journal:
        visit(journal).take(piece(*punches(3000)))
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4 // 4096 * 4096)
        file.write(b"\xa5" * (size // 2 // 4096 * 4096))
    target.write_text("good")
    with pytest.raises(JournalError, match="is damaged; it was not backed up"):
        backup(path, target, force=True)
    assert [file.name for file in target.parent.iterdir()] == ["journal.db"]
    assert target.read_text() == "good"


@pytest.mark.parametrize(
    "lost", ["DELETE FROM outbox WHERE punch = 7", "UPDATE outbox SET state = 'discarded' WHERE punch = 7"]
)
def test_a_journal_that_lost_what_was_settled_is_no_backup(path: Path, target: Path, lost: str) -> None:
    """A file that is sound by itself is no backup where it holds other punches than were counted."""
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        visit(journal).take(piece(*punches(9)))
        confirm(outbox, pending(outbox))
        backup(path, target)
        good = target.read_bytes()
        with inside(path) as db:
            db.execute(lost)
        assert outbox.counts().confirmed == 9  # nobody sees it who does not walk
    with pytest.raises(JournalError, match="is damaged; it was not backed up: its punches"):
        backup(path, target, force=True)
    assert [file.name for file in target.parent.iterdir()] == ["journal.db"]
    assert target.read_bytes() == good


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow larger."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_no_half_backup(path: Path, target: Path) -> None:
    """A backup that does not fit is not there at all."""
    with open_journal(path) as journal:
        visit(journal).take(piece(*punches(3000)))
    with files_of_at_most(100_000), pytest.raises(BackupFailed, match="cannot be written"):
        backup(path, target)
    assert not list(target.parent.iterdir())


def test_the_wait_for_a_backup_ends(path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes the journal for itself, once it is open, is named; nobody waits for ever."""
    with open_journal(path):
        pass
    monkeypatch.setattr(sqlite, "WAIT", 0.3)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")  # in which a writer keeps readers out
        opened = open_journal

        def then_locked(path: Path, *, writable: bool) -> Journal:
            journal = opened(path, writable=writable)
            other.execute("BEGIN EXCLUSIVE")
            return journal

        monkeypatch.setattr("zkpoll.journal.backup.open_journal", then_locked)
        with pytest.raises(BackupFailed, match="is locked"):
            backup(path, target)
    assert not target.exists()


# --- which punches cannot be on their device any more ---


OLD = Terms(datetime(2026, 11, 27, tzinfo=UTC), HERE)
"""What a person wants removed in the year 2028."""
CLEARED = DeviceLog(
    1, KEY, "front-door", read_at="2027-12-01", cleared_at="2026-06-01T03:00:00.000+00:00", cleared_after=700
)
"""A device in use that zkpoll cleared, and that showed nothing since."""
THEN = Limit(700, why="they came after its last clearing")
"""What that clearing lets go."""
NEVER = replace(CLEARED, cleared_at=None, cleared_after=None)
UNTOLD = "it never told how many records that holds"
UNKNOWN = f"its log was never cleared by zkpoll; {UNTOLD}"
GONE = DeviceLog(2, "OIN7030067091200012", read_at="2026-06-01T03:00:00.000+00:00")
"""A device that has no name any more."""


@pytest.mark.parametrize(
    ("log", "device", "expected"),
    [
        (CLEARED, None, THEN),
        (CLEARED, KEY, THEN),
        (CLEARED, "front-door", THEN),
        (replace(CLEARED, cleared_at="2099-01-01T00:00:00.000+00:00"), None, THEN),  # by a clock far ahead
        (replace(CLEARED, cleared_at="1970-01-01T00:00:00.000+00:00"), None, THEN),
        (replace(CLEARED, records=5, since_cleared=5), None, THEN),
        (replace(GONE, cleared_at=CLEARED.cleared_at, cleared_after=700), None, THEN),
        (GONE, GONE.key, Limit(ALL)),
    ],
)
def test_what_cannot_be_on_its_device(log: DeviceLog, device: str | None, expected: Limit) -> None:
    """Only a clearing of ours, or a person's word on a device that is gone, lets punches go."""
    assert off_device(log, replace(OLD, device=device)) == expected


@pytest.mark.parametrize(
    ("log", "device", "why"),
    [
        (CLEARED, "other", "not asked for"),
        (NEVER, None, UNKNOWN),
        (NEVER, KEY, UNKNOWN),
        (
            replace(NEVER, capacity=5),
            None,
            "its log was never cleared by zkpoll; it holds 5 records, and the last 10 that were read stay",
        ),
        (
            replace(NEVER, read_at=None, called_at="2027-12-01"),
            KEY,
            f"it may push all of its log again, which was never cleared by zkpoll; {UNTOLD}",
        ),
        (
            replace(CLEARED, cleared_after=None),
            None,
            f"it was cleared by an older zkpoll; wait until it is cleared again; {UNTOLD}",
        ),
        (replace(CLEARED, maybe_disabled=True), None, "a clearing of its log was broken off; sync it first"),
        (
            replace(CLEARED, records=5, since_cleared=4),
            None,
            f"its log shows records older than its clearing; {UNTOLD}",
        ),
        (GONE, None, f"it left the inventory: --device {GONE.key}"),
        (replace(GONE, seen_as="front-door"), GONE.key, UNKNOWN),
        (
            replace(GONE, read_at="2026-11-28T00:00:00.000+00:00"),
            GONE.key,
            "it was read on 2026-11-28; wait until that is as long ago",
        ),
        (
            replace(GONE, called_at="2026-11-29T00:00:00.000+00:00"),
            GONE.key,
            "it called on 2026-11-29; wait until that is as long ago",
        ),
    ],
)
def test_what_may_be_on_its_device(log: DeviceLog, device: str | None, why: str) -> None:
    """Where it cannot be known that a device shows nothing old any more, nothing goes, and that is said."""
    assert off_device(log, replace(OLD, device=device)) == Limit(why=why)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(-900, 900), st.integers(0, 900))
def test_nothing_goes_that_came_after_the_clearing(records: int, since: int, days: int, place: int) -> None:
    """Whatever the clock said when a device in use was cleared, what was journalled after that stays."""
    stamped = (OLD.before - timedelta(days=days)).isoformat()
    log = replace(CLEARED, records=records, since_cleared=since, cleared_at=stamped, cleared_after=place)
    assert off_device(log, OLD).upto == (None if records > since else place)


# --- pruning ---


AGE = """
UPDATE punch SET journalled_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', journalled_at, '-2 days');
UPDATE quarantine SET quarantined_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', quarantined_at, '-2 days');
"""


def age(path: Path) -> None:
    """Let all that is journalled be two days older."""
    with inside(path) as db:
        db.executescript(AGE)


def age_and_clear(journal: Journal, path: Path) -> None:
    """Let all that is journalled be two days older, and every device's log cleared just now."""
    age(path)
    for (key,) in look(path, "SELECT key FROM device"):
        clearance = Clearance(journal, key)
        clearance.intend()
        clearance.cleared()


def users(path: Path) -> list[str]:
    """Return whose punches are left."""
    return [user for (user,) in look(path, "SELECT user_id FROM punch ORDER BY seq")]


def test_only_what_every_dashboard_is_done_with_goes(journal: Journal, path: Path) -> None:
    """Confirmed and discarded punches go; a pending, parked or held one stays, whatever the others say."""
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    names = ["both", "main only", "parked", "given up", "held"]
    visit(journal).take(piece(*(punch(name) for name in names)))
    ids = dict(zip(names, (event.id for event in pending(main)), strict=True))
    main.settle(
        Settled((ids["both"], ids["main only"], ids["held"]), {ids["parked"]: "no", ids["given up"]: "no"})
    )
    Decisions(journal, "main").discard(Selection(frozenset(), ids=(ids["given up"],)), Places([(1, 9)]), "x")
    pending(spare)
    spare.settle(Settled(tuple(ids[name] for name in names if name not in {"main only", "held"})))
    with inside(path) as db:
        db.execute(
            "UPDATE outbox SET state = 'held', reason = 'repeat' WHERE state = 'pending' AND punch = 5"
        )
    age_and_clear(journal, path)
    (share,) = prune.old_punches(journal, TERMS)
    assert (share.device, share.serial_number, share.why) == ("front-door", KEY, None)
    assert share.counts == {"removable": 2, "undelivered": 2, "held": 1}
    assert prune.prune(journal, TERMS) == 2
    assert users(path) == ["main only", "parked", "held"]
    assert main.counts() == Counts(punches=3, confirmed=2, parked=1)
    assert spare.counts() == Counts(punches=3, pending=1, confirmed=1, held=1)
    assert look(path, MISCOUNTED) == []
    assert look(path, "PRAGMA foreign_key_check") == []
    assert prune.prune(journal, TERMS) == 0


def test_what_no_dashboard_ever_had_stays(journal: Journal, path: Path) -> None:
    """A punch that is older than every dashboard is nowhere else."""
    visit(journal).take(piece(punch("a")))
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    confirm(main, pending(main))
    age_and_clear(journal, path)
    assert prune.prune(journal, TERMS) == 1
    assert users(path) == ["a"]


def test_what_is_in_flight_stays(journal: Journal, path: Path) -> None:
    """A punch that a person gave up while it was sent stays until that is answered."""
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    main.send(SentRequest(tuple(event.id for event in pending(main))))
    Decisions(journal, "main").discard(DISCARDABLE, Places([(1, 9)]), "x")
    age_and_clear(journal, path)
    assert prune.prune(journal, TERMS) == 0
    main.settle(Settled())
    assert prune.prune(journal, TERMS) == 2


def test_punches_that_share_an_id_stay_together(journal: Journal, path: Path) -> None:
    """As long as one punch of a second waits for a person, the one that has its id stays beside it."""
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("a", verify=4), punch("b")))
    confirm(main, pending(main))
    age_and_clear(journal, path)
    (share,) = prune.old_punches(journal, TERMS)
    assert share.counts == {"removable": 1, "held": 1, "same_second": 1}
    assert prune.prune(journal, TERMS) == 1
    assert users(path) == ["a", "a"]


def test_what_is_not_old_stays(journal: Journal, path: Path) -> None:
    """Only what was journalled before the day named goes, to the millisecond."""
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a")))
    age_and_clear(journal, path)
    confirm(main, pending(main))
    ((at,),) = look(path, "SELECT journalled_at FROM punch")
    moment = datetime.fromisoformat(at)
    assert prune.old_punches(journal, replace(TERMS, before=moment)) == []
    assert prune.prune(journal, replace(TERMS, before=moment)) == 0
    assert prune.prune(journal, replace(TERMS, before=moment + timedelta(milliseconds=1))) == 1


def delivered(journal: Journal, *names: str, key: str = KEY) -> None:
    """Have punches of these users read from a device, and confirmed."""
    main = JournalOutbox(journal, "main")
    name = "front-door" if key == KEY else "gate"
    visit(journal, name, key).take(piece(*(punch(user) for user in names)))
    whole = Reading(40, len(names), 0, len(names), None, None, whole=True, before=0, continued=False)
    Devices(journal).note_reading(key, whole)
    confirm(main, pending(main))


def test_what_its_device_still_shows_stays(journal: Journal, path: Path) -> None:
    """Removing it would make a new punch of it at the next whole reading; this is that very mistake, made."""
    delivered(journal, "a", "b")
    age(path)
    (share,) = prune.old_punches(journal, TERMS)
    assert (share.counts, share.why) == ({}, UNKNOWN)
    assert prune.prune(journal, TERMS) == 0
    assert visit(journal).take(piece(punch("a"), punch("b"))).seen_before == 2
    with inside(path) as db:
        db.executescript("DELETE FROM outbox; DELETE FROM form; DELETE FROM punch")
    assert visit(journal).take(piece(punch("a"), punch("b"))).first_seen == 2


def test_a_cleared_log_that_comes_back_stays(journal: Journal, path: Path) -> None:
    """A terminal that shows old records after its clearing keeps them in the journal."""
    delivered(journal, "a", "b")
    age_and_clear(journal, path)
    delivered(journal, "a", "b")
    (share,) = prune.old_punches(journal, TERMS)
    assert share.why
    assert share.why.startswith("its log shows records older than its clearing; ")
    assert prune.prune(journal, TERMS) == 0


@pytest.mark.parametrize("stamped", ["2099-01-01T00:00:00.000+00:00", "1970-01-01T00:00:00.000+00:00"])
def test_the_clock_of_a_clearing_means_nothing(journal: Journal, path: Path, stamped: str) -> None:
    """Whenever a clearing says that it was, what came before it goes, and what came after it stays."""
    delivered(journal, "old")
    age_and_clear(journal, path)
    delivered(journal, "a", "b")
    with inside(path) as db:
        db.execute("UPDATE device SET cleared_at = ?", (stamped,))
    assert prune.prune(journal, TERMS) == 1
    assert users(path) == ["a", "b"]


def test_a_punch_that_came_while_the_log_was_cleared_stays(journal: Journal, path: Path) -> None:
    """What is journalled once a clearing began may be on its device yet."""
    delivered(journal, "a")
    clearance = Clearance(journal, KEY)
    clearance.intend()
    delivered(journal, "b")
    clearance.cleared()
    assert prune.prune(journal, TERMS) == 1
    assert users(path) == ["b"]


def test_a_clearing_of_unknown_place_lets_nothing_go(journal: Journal) -> None:
    """Where it was not written down what was in the journal when a clearing began, all stays."""
    delivered(journal, "a")
    Clearance(journal, KEY).cleared()
    (share,) = prune.old_punches(journal, TERMS)
    assert share.why
    assert share.why.startswith("it was cleared by an older zkpoll; wait until it is cleared again")
    assert prune.prune(journal, TERMS) == 0


def stamp(path: Path, user: str, days_ago: int) -> None:
    """Let the clock have been wrong when the punches of a user were journalled."""
    moment = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="milliseconds")
    with inside(path) as db:
        db.execute("UPDATE punch SET journalled_at = ? WHERE user_id = ?", (moment, user))


def test_what_a_clock_that_was_behind_stamped_is_not_old(journal: Journal, path: Path) -> None:
    """What was journalled after a young punch is young, though it was stamped years ago."""
    terms = replace(TERMS, before=datetime.now(UTC) - timedelta(days=400))
    delivered(journal, *"abcd")
    age_and_clear(journal, path)
    for user, days_ago in (("a", 401), ("b", 399), ("c", 5000), ("d", 398)):
        stamp(path, user, days_ago)
    assert prune.prune(journal, terms) == 1
    assert users(path) == ["b", "c", "d"]


def test_what_a_clock_that_was_ahead_stamped_keeps_nothing_else(journal: Journal, path: Path) -> None:
    """What is stamped with a time to come stays itself, and what came after it goes when it is old."""
    terms = replace(TERMS, before=datetime.now(UTC) - timedelta(days=400))
    delivered(journal, *"abcd")
    age_and_clear(journal, path)
    for user, days_ago in (("a", 403), ("b", -800), ("c", 402), ("d", 401)):
        stamp(path, user, days_ago)
    assert prune.prune(journal, terms) == 3
    assert users(path) == ["b"]


def test_old_quarantined_records_are_no_new_ones(journal: Journal, path: Path) -> None:
    """What was in quarantine before a clearing, whenever it says it came, is not what the log shows since."""
    visit(journal).take(piece(odd(b"1"), odd(b"2")))
    delivered(journal, "a", "b")
    age_and_clear(journal, path)
    with inside(path) as db:
        db.execute("UPDATE quarantine SET quarantined_at = '2099-01-01T00:00:00.000+00:00'")
    delivered(journal, "a", "b")  # a person put the old log back
    (share,) = prune.old_punches(journal, TERMS)
    assert share.why
    assert share.why.startswith("its log shows records older than its clearing; ")


def test_what_came_after_the_clearing_stays(journal: Journal, path: Path) -> None:
    """Of a log that was cleared and filled again, what is in it stays, and is known at the next reading."""
    delivered(journal, "a", "b")
    age_and_clear(journal, path)
    delivered(journal, "c", "d")
    visit(journal).take(piece(odd(b"?"), end=3))
    (share,) = prune.old_punches(journal, TERMS)
    assert (share.counts, share.why) == ({"removable": 2}, "they came after its last clearing")
    assert prune.prune(journal, TERMS) == 2
    tally = visit(journal).take(piece(punch("c"), punch("d"), odd(b"?")))
    assert (tally.first_seen, tally.seen_before) == (0, 2)


def test_what_a_device_may_push_again_stays(journal: Journal, path: Path) -> None:
    """Of a device that only pushes nothing goes: its whole log may come again. Once it left it is known."""
    main = JournalOutbox(journal, "main")
    push(journal, line("a"), line("b"), rests=[b"1", b"2"])
    moment = datetime.now(UTC)
    contacts(journal, [Contact("front-door", KEY, moment, moment, "192.0.2.7")])
    confirm(main, pending(main))
    age(path)
    (share,) = prune.old_punches(journal, TERMS)
    assert share.counts == {}
    assert share.why
    assert share.why.startswith("it may push all of its log again, which was never cleared by zkpoll")
    assert prune.prune(journal, TERMS) == 0
    assert push(journal, line("a"), line("b")).seen_before == 2
    gone = replace(TERMS, inventory=frozenset(), device="front-door")
    assert prune.prune(journal, gone) == 2
    left = "SELECT seq FROM punch UNION ALL SELECT punch FROM form UNION ALL SELECT punch FROM push_line"
    assert look(path, left) == []
    assert push(journal, line("a"), line("b"), rests=[b"1", b"2"]).seen_before == 2
    assert look(path, left) == []


def test_what_was_pushed_since_a_clearing_is_not_what_the_log_shows(journal: Journal, path: Path) -> None:
    """A log that shows old records lets none of them go, whatever else came by push after its clearing."""
    delivered(journal, "a", "b")
    push(journal, odd(b"1"))
    age_and_clear(journal, path)
    push(journal, line("c"), line("d"), odd(b"2"), odd(b"3"))
    delivered(journal, "a", "b")
    (share,) = prune.old_punches(journal, TERMS)
    assert share.why
    assert share.why.startswith("its log shows records older than its clearing; ")
    assert prune.prune(journal, TERMS) == 0


def test_a_device_with_two_doors_that_was_cleared(journal: Journal, path: Path) -> None:
    """What was in its log goes once zkpoll has cleared that, with all that was pushed of it."""
    JournalOutbox(journal, "main")
    push(journal, line("a"), line("b"), rests=[b"1", b"2"])
    delivered(journal, "a", "b")
    age_and_clear(journal, path)
    push(journal, line("c"), rests=[b"3"])
    delivered(journal, "c")
    assert prune.prune(journal, TERMS) == 2
    assert users(path) == ["c"]
    assert look(path, "SELECT rest FROM push_line") == [(b"3",)]
    assert look(path, "SELECT count(*) FROM form") == [(2,)]
    assert look(path, "PRAGMA foreign_key_check") == []


def test_a_clearing_that_was_broken_off(journal: Journal, path: Path) -> None:
    """While nobody knows what became of a clearing, nothing goes."""
    delivered(journal, "a")
    age_and_clear(journal, path)
    Clearance(journal, KEY).intend()
    assert prune.prune(journal, TERMS) == 0
    Clearance(journal, KEY).done()
    assert prune.prune(journal, TERMS) == 1


def test_a_device_that_left_must_be_named(journal: Journal, path: Path) -> None:
    """Its punches go when a person names it, and nobody else's do."""
    delivered(journal, "a")
    delivered(journal, "b", key="OIN1")
    age(path)
    shares = {share.device: share.why for share in prune.old_punches(journal, TERMS)}
    assert shares["gate"] == "it left the inventory: --device gate"
    assert prune.prune(journal, TERMS) == 0
    for name in ("front-door", KEY):
        assert prune.prune(journal, replace(TERMS, device=name)) == 0
    (share,) = prune.old_punches(journal, replace(TERMS, device="gate"))
    assert share.counts == {"removable": 1}
    assert prune.prune(journal, replace(TERMS, device="OIN1")) == 1
    assert users(path) == ["a"]


def test_what_comes_back_is_known(journal: Journal, path: Path) -> None:
    """A record that is shown again is no new one, and nobody is sent it; new ones have new places."""
    delivered(journal, "a", "b")
    ((last,),) = look(path, "SELECT max(seq) FROM punch")
    age_and_clear(journal, path)
    assert prune.prune(journal, TERMS) == 2
    tally = visit(journal).take(piece(punch("a"), punch("b"), punch("c")))
    assert (tally.seen_before, tally.first_seen) == (2, 1)
    assert users(path) == ["c"]
    assert look(path, "SELECT min(seq) FROM punch") > [(last,)]
    assert JournalOutbox(journal, "main").counts() == Counts(punches=1, pending=1)


def test_a_new_dashboard_after_pruning(journal: Journal, path: Path) -> None:
    """A dashboard that comes when the journal is empty gets what comes from then on."""
    delivered(journal, "a")
    age_and_clear(journal, path)
    prune.prune(journal, TERMS)
    late = JournalOutbox(journal, "late")
    visit(journal).take(piece(punch("c")))
    assert late.counts() == Counts(punches=1, pending=1)


def test_many_pages(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, each is looked at once, and what stays between them stays."""
    monkeypatch.setattr(prune, "PAGE", 7)
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(100)))
    confirm(main, [event for number, event in enumerate(pending(main, 100)) if number % 3])
    age_and_clear(journal, path)
    (share,) = prune.old_punches(journal, TERMS)
    assert share.counts == {"removable": 66, "undelivered": 34}
    assert prune.prune(journal, TERMS) == 66
    assert main.counts() == Counts(punches=34, pending=34)
    assert look(path, "PRAGMA foreign_key_check") == []


def test_compacting_gives_room_back(journal: Journal, path: Path) -> None:
    """The file gets smaller, says what it said, and goes on as before."""
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(5000)))
    confirm(main, pending(main, 5000))
    age_and_clear(journal, path)
    visit(journal).take(piece(*punches(10, first=5000)))
    prune.prune(journal, TERMS)
    before = content(path)
    size = sum(file.stat().st_size for file in path.parent.iterdir())
    prune.compact(journal)
    assert content(path) == before
    assert look(path, "PRAGMA page_count")[0][0] * 4096 < size / 4
    assert len(pending(main, 99)) == 10
