"""A journal that an earlier zkpoll wrote is brought up to date in one transaction, without a loss."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zkpoll
from tests.journal.helpers import DHAKA, KEY, line, pending, piece, punch, push, visit
from tests.look import inside, look
from zkpoll.errors import JournalError
from zkpoll.journal.callers import pending as pending_callers
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.pushed import pushed_standings
from zkpoll.model.punch import event, punch_id
from zkpoll.model.sums import Counts, Tally

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
            shown = event(one, KEY, "front-door", DHAKA, "pull")
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
        assert Decisions(journal, "main").retry(Selection(frozenset(), ids=(third,)), 99) == 1


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
