"""A journal that an earlier zkpoll wrote is brought up to date in one transaction, without a loss."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zkpoll
from tests.journal.helpers import (
    DHAKA,
    KEY,
    Bridge,
    aside,
    connection,
    line,
    pending,
    piece,
    punch,
    push,
    row,
    visit,
)
from tests.look import inside, look
from zkpoll.errors import JournalError
from zkpoll.journal.callers import pending as pending_callers
from zkpoll.journal.conditions import told
from zkpoll.journal.decisions import Decisions, Selection, names_of_punches
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import dashboard_standings
from zkpoll.journal.pushed import pushed_standings
from zkpoll.journal.runs import last_run
from zkpoll.journal.spans import Places
from zkpoll.model.punch import events, punch_id
from zkpoll.model.report import Condition
from zkpoll.model.sums import BridgeTally, Counts, Tally
from zkpoll.wall_clock import Stamps

if TYPE_CHECKING:
    from zkpoll.model.punch import Punch

MIGRATIONS = sorted((Path(zkpoll.__file__).parent / "journal" / "sql" / "migrations").glob("*.sql"))
FORMS = 5
"""The form of the journal before the bytes of records had a table of their own."""


def old_journal(path: Path, *records: Punch) -> None:
    """Make a journal as it was before records had a table of their own, with these, all pending or held."""
    with inside(path) as db:
        for migration in MIGRATIONS[:FORMS]:
            db.executescript(migration.read_text())
        db.execute(f"PRAGMA user_version = {FORMS}")
        db.execute("INSERT INTO device (id, key, name, met_at) VALUES (1, ?, 'front-door', '2026')", (KEY,))
        db.execute("INSERT INTO destination (id, name, after) VALUES (1, 'main', 0)")
        ids: set[str] = set()
        for seq, one in enumerate(records, 1):
            (shown,) = events([one], KEY, "front-door", Stamps(DHAKA), "pull")
            again = shown.id in ids
            ids.add(shown.id)
            db.execute(
                "INSERT INTO punch (seq, id, same_second, device, device_name, user_id, timestamp, verify,"
                " state, work_code, clock_suspect, canonical, source, journalled_at)"
                " VALUES (?, ?, ?, 1, 'front-door', ?, ?, ?, ?, ?, 0, ?, 'pull', '2026-11-22')",
                (seq, shown.id, again, one.user_id, shown.timestamp, one.verify, one.state, one.work_code,
                 one.canonical),
            )  # fmt: skip
            state, reason = ("held", "same second") if again else ("pending", None)
            db.execute("INSERT INTO outbox VALUES (1, ?, ?, ?, '2026', NULL)", (seq, state, reason))


RECORDS = [
    punch("1"), punch("2"), punch("1", verify=4), punch("1", 5), punch("1", state=1), punch("2", verify=9),
]  # fmt: skip


def test_further_punches_of_a_second_get_ids_of_their_own(path: Path) -> None:
    """Those that shared the id of the first are numbered as they came, and can be sent by a person."""
    old_journal(path, *RECORDS)
    first = {user: punch_id(KEY, user, "2026-11-22T08:59:58") for user in "12"}
    with open_journal(path) as journal:
        assert look(path, "SELECT id, nth, first_id, hold, kinds FROM punch ORDER BY seq") == [
            (first["1"], 1, None, None, 8),
            (first["2"], 1, None, None, 8),
            (punch_id(KEY, "1", "2026-11-22T08:59:58", 2), 2, first["1"], "same second", 8),
            (punch_id(KEY, "1", "2026-11-22T09:00:03"), 1, None, None, 8),
            (punch_id(KEY, "1", "2026-11-22T08:59:58", 3), 3, first["1"], "same second", 8),
            (punch_id(KEY, "2", "2026-11-22T08:59:58", 2), 2, first["2"], "same second", 8),
        ]
        outbox = JournalOutbox(journal, "main")
        assert [event.user_id for event in pending(outbox)] == ["1", "2", "1"]
        assert outbox.counts() == Counts(punches=6, pending=3, held=3)
        third = punch_id(KEY, "1", "2026-11-22T08:59:58", 3)
        assert Decisions(journal, "main").retry(Selection(frozenset(), ids=(third,)), Places([(1, 99)])) == 1


@pytest.mark.parametrize("proved_new", [False, True])
def test_what_was_known_is_known(path: Path, proved_new: bool) -> None:
    """Each record is found by its bytes, once; its place alone may prove it another punch."""
    old_journal(path, *RECORDS)
    with open_journal(path) as journal:
        again = visit(journal).take(piece(*RECORDS, proved_new=proved_new))
        assert again == (Tally(exact_repeats=6, held_exact_repeats=6) if proved_new else Tally(seen_before=6))
        assert visit(journal).take(piece(*RECORDS)) == Tally(seen_before=6)


def test_a_journal_from_before_push_has_two_doors(path: Path) -> None:
    """What a terminal pushes that was read by an older zkpoll is known, and only what is new is pending."""
    old_journal(path, punch("1"), punch("2"))
    with open_journal(path) as journal:
        again = push(journal, line("1", verify=4), line("2"), line("3"), rests=[b"1", b"2", b"3"])
        assert again == Tally(first_seen=1, seen_before=2, by_other_door=2)
        assert JournalOutbox(journal, "main").counts() == Counts(punches=3, pending=3)
        assert visit(journal).take(piece(punch("1"), punch("2"))) == Tally(seen_before=2)
        assert (pushed_standings(journal), pending_callers(journal)) == ({}, ())
    assert look(path, "SELECT verify, kinds, source FROM punch ORDER BY seq") == [
        (1, 40, "pull"), (1, 40, "pull"), (1, 32, "push"),
    ]  # fmt: skip


def test_a_journal_from_before_the_bridge_has_three_doors(path: Path) -> None:
    """Rows of punches that were read before are known, and none of those is marked as typed in."""
    old_journal(path, punch("1"), punch("2"))
    with open_journal(path) as journal:
        tally = Bridge(journal).visit({1: [row("1", verify=4), row("2", state=1), row("3")]})
        assert tally == BridgeTally(rows=3, first_seen=1, seen_before=2, other_state=1)
        outbox = JournalOutbox(journal, "main")
        assert outbox.counts() == Counts(punches=3, pending=3)
        assert [(event.source, event.manual) for event in pending(outbox)] == [
            ("pull", False), ("pull", False), ("bridge", False),
        ]  # fmt: skip
    assert look(path, "SELECT state, kinds FROM punch ORDER BY seq") == [(0, 8 | 64), (0, 8 | 64), (0, 64)]


def test_a_journal_from_before_standings_knows_how_it_stands(path: Path) -> None:
    """What was confirmed is counted, once, and what was told stays told; no run is missed that was there."""
    with inside(path) as db:
        db.create_function("punch_id", -1, lambda *_seed: "")  # no punch is there to get an id
        for migration in MIGRATIONS[:14]:
            db.executescript(migration.read_text())
        db.execute("PRAGMA user_version = 14")
        db.execute(
            "INSERT INTO device (key, name, met_at, read_at) VALUES ('S', 'a', '2026', '2026-11-22T03:00Z')"
        )
        db.execute("INSERT INTO destination (id, name, after) VALUES (1, 'main', 0), (2, 'new', 9)")
        for seq, state in enumerate(["confirmed", "confirmed", "pending"], 1):
            db.execute(
                "INSERT INTO punch (seq, id, device, device_name, user_id, timestamp, verify, state,"
                " work_code, clock_suspect, source, journalled_at)"
                " VALUES (?, ?, 1, 'a', '1', 'x', 1, 0, 0, 0, 'pull', 'x')",
                (seq, str(seq)),
            )
            db.execute("INSERT INTO outbox VALUES (1, ?, ?, NULL, ?, NULL)", (seq, state, f"2026-11-2{seq}"))
        db.execute(
            "INSERT INTO condition VALUES ('device a', 'clock', '2026-11-20', '2026-11-21'),"
            " ('way to dashboard main', 'exposed', '2026-11-20', '2026-11-21')"
        )
    with open_journal(path) as journal:
        main, new = dashboard_standings(journal)
        assert (main.confirmed, main.confirmed_at, new.confirmed) == (
            2,
            datetime(2026, 11, 22, tzinfo=UTC),
            0,
        )
        assert last_run(journal) == datetime(2026, 11, 22, 3, tzinfo=UTC)
        first, then = datetime(2026, 11, 20), datetime(2026, 11, 21)  # as they stand there
        assert told(journal) == {
            "device a": Condition("clock", first, then),
            "way to dashboard main": Condition("exposed", first, then, advice=True),
        }


def test_what_was_in_flight_is_in_flight_as_spans(path: Path) -> None:
    """Each request keeps what nothing has answered for, its bytes and its number; one without any is gone."""
    with inside(path) as db:
        db.create_function("punch_id", -1, lambda *_seed: "")
        for migration in MIGRATIONS[:16]:
            db.executescript(migration.read_text())
        db.execute("PRAGMA user_version = 16")
        db.execute("INSERT INTO destination (id, name, after) VALUES (1, 'main', 0)")
        db.execute(
            "INSERT INTO request (id, destination, punches, key) VALUES (3, 1, 9, 'k'), (4, 1, 1, NULL),"
            " (5, 1, 2, NULL)"
        )
        carried = [(3, seq) for seq in (1, 2, 3, 7, 9, 10)] + [(4, 7)]
        db.executemany("INSERT INTO carried VALUES (?, ?)", carried)
    open_journal(path).__exit__(None, None, None)
    assert look(path, "SELECT id, punches, key, first, last, places FROM request ORDER BY id") == [
        (3, 9, "k", 1, 10, "1-3,7,9-10"),
        (4, 1, None, 7, 7, "7"),
    ]
    with inside(path) as db:
        db.execute("INSERT INTO request (destination, punches) VALUES (1, 1)")
        assert look(path, "SELECT max(id) FROM request") == [(4,)]  # not committed yet
        assert db.execute("SELECT max(id) FROM request").fetchone() == (6,)


def test_a_journal_from_before_counters_has_its_sums(path: Path) -> None:
    """What is due to each dashboard is counted once: of one that came late, of one that was given up."""
    with inside(path) as db:
        db.create_function("punch_id", -1, lambda *_seed: "")  # no punch is there to get an id
        for migration in MIGRATIONS[:16]:
            db.executescript(migration.read_text())
        db.execute("PRAGMA user_version = 16")
        db.execute("INSERT INTO device (key, name, met_at) VALUES ('S', 'a', '2026')")
        db.execute(
            "INSERT INTO destination (id, name, after, given_up_at, confirmed)"  # 7 is a wrong number
            " VALUES (1, 'main', 0, NULL, 7), (2, 'late', 3, NULL, 0), (3, 'gone', 0, '2026', 1)"
        )
        for seq in range(1, 5):
            db.execute(
                "INSERT INTO punch (seq, id, device, device_name, user_id, timestamp, verify, state,"
                " work_code, clock_suspect, source, journalled_at)"
                " VALUES (?, ?, 1, ?, '1', '2026-11-22T08:00:00+06:00', 1, 0, 0, 0, 'pull', 'x')",
                (seq, str(seq), "ab"[seq % 2]),
            )
        places = [
            (1, 1, "confirmed"), (1, 2, "discarded"), (1, 3, "pending"), (1, 4, "held"),
            (2, 2, "discarded"), (2, 4, "pending"), (3, 1, "confirmed"),
        ]  # fmt: skip
        db.executemany("INSERT INTO outbox VALUES (?, ?, ?, NULL, '2026', NULL)", places)
    with open_journal(path) as journal:
        main, late, gone = (JournalOutbox(journal, name) for name in ("main", "late", "gone"))
        assert main.counts() == Counts(punches=4, pending=1, confirmed=1, held=1, discarded=1)
        assert late.counts() == Counts(punches=2, pending=1, discarded=1)
        assert gone.counts() == Counts(punches=1, confirmed=1)
        assert [one.recount() == one.counts() for one in (main, late, gone)] == [True] * 3
        assert names_of_punches(journal) == {"a", "b"}


def test_an_older_zkpoll_that_runs_on_journals_nothing(path: Path) -> None:
    """What it would put into outboxes, uncounted, would be taken for damage. It fails; its terminals wait."""
    with open_journal(path) as journal, pytest.raises(sqlite3.OperationalError, match="given_up_at"):
        connection(journal).execute(
            "INSERT INTO outbox (destination, punch, state, changed_at)"
            " SELECT destination.id, punch.seq, 'pending', '2026' FROM punch CROSS JOIN destination"
            " WHERE destination.given_up_at IS NULL"
        )


def test_a_journal_from_before_rows_were_counted_has_its_numbers(path: Path) -> None:
    """Rows that are there, whose punches they are, and what each device has shown, pruned or not, count."""
    with open_journal(path) as journal:
        visit(journal).take(piece(*RECORDS[:3]))
        bridge = Bridge(journal)
        bridge.visit({1: [row("7"), row("8")], 2: [row("9", device="CQZ9"), aside("x")]})
        bridge.visit({1: [row("7")], 2: [row("9", device="CQZ9"), aside("x")]})
        push(journal, line("7"), line("8"))
    with inside(path) as db:
        db.execute("INSERT INTO forgotten_punch VALUES (x'01', 90, 8, 0, 0), (x'02', 91, 64, 0, 1)")
        db.execute("INSERT INTO forgotten_form VALUES (1, x'01', 1, 90), (1, x'02', 1, 91)")
        device, database = "SELECT id, shown FROM device", "SELECT rows_there FROM database"
        pairs = "SELECT database, device FROM database_device"
        counted = [db.execute(one).fetchall() for one in (device, database, pairs)]
        db.execute("ALTER TABLE device DROP COLUMN shown")
        db.execute("ALTER TABLE database DROP COLUMN rows_there")
        db.execute("ALTER TABLE destination DROP COLUMN removed")
        for table in ("database_device", "errand", "course", "punched", "punched_until"):
            db.execute(f"DROP TABLE {table}")
        db.execute("PRAGMA user_version = 19")
    open_journal(path).__exit__(None, None, None)
    (here, elsewhere), rows, whose = counted
    assert look(path, device) == [(here[0], here[1] + 1), elsewhere]  # the one that was pruned as well
    assert (look(path, database), look(path, pairs)) == (rows, whose) == ([(3,)], [(1, 1), (1, 2)])


def test_a_migration_that_fails_has_done_nothing(path: Path) -> None:
    """One that breaks off in its middle leaves the old journal, which the next run brings up to date."""
    old_journal(path, *RECORDS)
    with inside(path) as db:
        db.execute("CREATE TABLE punch_first_id (x)")  # stands where the migration's last index is to be
    before = path.read_bytes()
    with pytest.raises(JournalError), open_journal(path):
        pass
    assert look(path, "PRAGMA user_version") == [(FORMS,)]
    assert look(path, "SELECT count(*) FROM sqlite_master WHERE name = 'form'") == [(0,)]
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert len(path.read_bytes()) == len(before)
    with inside(path) as db:
        db.execute("DROP TABLE punch_first_id")
    with open_journal(path) as journal:
        assert visit(journal).take(piece(*RECORDS)) == Tally(seen_before=6)
