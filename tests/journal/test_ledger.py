"""The ledger of a vendor's database: each row is a punch once, or set aside; changes are seen."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import (
    DHAKA,
    KEY,
    START,
    Bridge,
    aside,
    bucket,
    confirm,
    pending,
    piece,
    plan,
    punch,
    push,
    row,
    visit,
)
from tests.look import inside, look
from zkpoll.journal import overview, prune
from zkpoll.journal.conditions import owed
from zkpoll.journal.database_overview import database_standings, row_changes
from zkpoll.journal.decisions import Decisions, Selection, Span
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.ledger import Ledger, PeopleNews
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.quarantine import accept_rows, rows_set_aside
from zkpoll.journal.spans import Places
from zkpoll.model.punch import as_json
from zkpoll.model.sums import BridgeTally, Counts, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.model.bridged import SettledRow

ROWS = "SELECT key, bucket, punch, gone_at IS NOT NULL FROM database_row ORDER BY key"
SPAN = Span(date(2000, 1, 1), date(2199, 1, 1))


def crowd(count: int, *, badge: str = "", first: int = 0) -> list[SettledRow]:
    """Return rows of as many seconds, each another person's, by badges of one sort."""
    return [row(f"{badge}{number % 7}", number) for number in range(first, first + count)]


# --- rows ---


def test_a_row_is_a_punch_once(journal: Journal, path: Path) -> None:
    """A first reading journals every row, and a second one knows them all."""
    outbox = JournalOutbox(journal, "main")
    bridge = Bridge(journal)
    rows = [row("1"), row("2"), row("1", 60, state=1)]
    assert bridge.visit({1: rows}) == BridgeTally(rows=3, first_seen=3)
    assert bridge.visit({1: rows}) == BridgeTally()
    assert bridge.visit({1: rows}, whole=True) == BridgeTally(rows=3, seen_before=3)
    assert outbox.counts() == Counts(punches=3, pending=3)
    assert {event.source for event in pending(outbox)} == {"bridge"}
    assert look(path, "SELECT name, key FROM device") == [(None, KEY)]


def test_equal_rows_are_one_punch(journal: Journal, path: Path) -> None:
    """Rows of one person and second are one, be it in one group, in one visit or in two, under any key."""
    bridge = Bridge(journal)
    twice = [row("1", key="1 a"), row("1", key="2 b", state=1), row("1", key="1 a")]
    assert bridge.visit({1: twice, 2: [row("1", key="3 c")]}) == BridgeTally(rows=4, first_seen=1, repeats=3)
    again = {1: twice, 2: [row("1", key="3 c"), row("1", key="4 d")]}
    assert bridge.visit(again) == BridgeTally(rows=2, seen_before=2)
    assert look(path, "SELECT DISTINCT punch FROM database_row") == [(1,)]
    assert look(path, "SELECT count(*), max(occurrence) FROM form") == [(1, 1)]


def test_a_row_keeps_its_punch(journal: Journal, path: Path) -> None:
    """Whatever badge and serial number a row has later, it is the punch that it was."""
    bridge = Bridge(journal)
    bridge.visit({1: [row("1", key="7 a"), row("2", key="8 b")]})
    later = [row("99", key="7 a"), row("2", key="8 b", device="CQZ9")]
    assert bridge.visit({1: later}) == BridgeTally(rows=2, seen_before=2)
    assert bridge.visit({1: [aside("7 a"), aside("8 b", "no serial")]}) == BridgeTally(rows=2, seen_before=2)
    assert look(path, "SELECT user_id FROM punch ORDER BY seq") == [("1",), ("2",)]


def test_a_row_that_says_another_thing_is_told_once(journal: Journal, path: Path) -> None:
    """What was sent first stays; the row is changed, once for each change, with what it says now."""
    bridge = Bridge(journal)
    bridge.visit({1: [row("1"), row("2")]})
    for tally, one in ((1, row("1", state=1)), (0, row("1", state=1)), (1, row("1", state=1, manual=True))):
        assert bridge.visit({1: [one, row("2")]}, whole=True).changed == tally
    (change,) = row_changes(journal, "head-office")
    assert (change.user_id, change.state, change.device) == ("1", 0, "head-office")
    assert (change.raw, change.gone_at) == (row("1", state=1).raw, None)
    assert look(path, "SELECT state, manual FROM punch ORDER BY seq") == [(0, 0), (0, 0)]
    assert database_standings(journal)["head-office"].changed == 1


def test_a_row_that_moves_is_not_gone(journal: Journal, path: Path) -> None:
    """A row is in the bucket that shows it, whichever of the two is read first, also after a broken visit."""
    bridge = Bridge(journal)
    one, other = row("1"), row("2")
    bridge.visit({1: [one, other], 2: []})
    for buckets in ({1: [other], 2: [one]}, {1: [one, other], 2: []}, {2: [one], 1: [other]}):
        assert bridge.visit(buckets) == BridgeTally(rows=len(buckets[1]) + len(buckets[2]), seen_before=2)
    bridge.take(bucket(2))  # and is killed
    assert look(path, ROWS) == [(one.key, None, 1, 0), (other.key, 1, 2, 0)]
    assert bridge.visit({1: [one, other], 2: []}) == BridgeTally(rows=2, seen_before=2)


def test_what_is_gone_is_kept_and_told(journal: Journal, path: Path) -> None:
    """A row that is nowhere is counted once; its punch stays, and should it come back, it is no other one."""
    bridge = Bridge(journal)
    outbox = JournalOutbox(journal, "main")
    bridge.visit({1: [row("1"), row("2"), aside("x")], 2: [row("3")]})
    ended = bridge.ledger.end([2], b"", None, whole=False, tell=lambda end: [f"{end.gone} of {end.before}"])
    assert (ended.rows, ended.gone, ended.before) == (1, 2, 4)
    assert owed(journal) == (("database head-office", "2 of 4"),)
    assert bridge.visit({2: [row("3")]}).gone == 0
    assert [(change.user_id, bool(change.gone_at)) for change in row_changes(journal, "head-office")] == [
        ("1", True), ("2", True),
    ]  # fmt: skip
    assert outbox.counts().pending == 3
    assert bridge.visit({1: [row("1")], 2: [row("3")]}) == BridgeTally(rows=1, seen_before=1)
    assert look(path, "SELECT count(*) FROM database_row WHERE gone_at IS NULL") == [(2,)]


def test_a_bucket_in_pieces_ends_with_the_last(journal: Journal) -> None:
    """Rows of a bucket are missed once it was read to its end, and its fingerprint is known then alone."""
    bridge = Bridge(journal)
    bridge.visit({0: [row("1"), row("2"), row("3")]})
    taking = bridge.taking()
    pieces = bucket(0, row("1"), ends=False), bucket(0, row("2"))
    for one in pieces:
        with journal.transaction():
            assert taking.take([one]) == BridgeTally(rows=1, seen_before=1)
    assert bridge.ledger.fingerprints() == {0: pieces[1].fingerprint}
    assert bridge.ledger.end([0], b"", None, whole=True).gone == 1


def test_a_visit_that_is_undone_leaves_nothing(journal: Journal, path: Path) -> None:
    """Rows, punches and fingerprints are kept together or not at all."""
    bridge = Bridge(journal)
    with suppress(ZeroDivisionError), journal.transaction():
        bridge.taking().take([bucket(1, row("1"))])
        raise ZeroDivisionError
    assert bridge.ledger.fingerprints() == {}
    assert look(path, "SELECT (SELECT count(*) FROM punch), (SELECT count(*) FROM database_row)") == [(0, 0)]
    assert bridge.visit({1: [row("1")]}).first_seen == 1


# --- rows that are set aside ---


def test_a_row_that_is_aside_is_a_punch_once_it_is_settled(journal: Journal) -> None:
    """It is kept with its reason, and tried again until it is known whose it is."""
    bridge = Bridge(journal)
    assert bridge.visit({1: [row("1"), aside("7 x")]}) == BridgeTally(
        rows=2, first_seen=1, set_aside=1, newly_set_aside=1
    )
    again = bridge.visit({1: [row("1"), aside("7 x")]}, whole=True)
    assert (again.set_aside, again.newly_set_aside) == (1, 0)
    assert [one for page in bridge.ledger.set_aside() for one in page] == [("7 x", "raw 7 x")]
    with journal.transaction():
        assert bridge.taking().retake([aside("7 x", "no serial", "3")]) == BridgeTally()
    assert [(one.reason, one.detail) for one in rows_set_aside(journal)] == [("no serial", "3")]
    with journal.transaction():
        tally = bridge.taking().retake([row("7", key="7 x")])
    assert tally == BridgeTally(rows=1, first_seen=1)
    assert list(bridge.ledger.set_aside()) == []
    assert bridge.visit({1: [row("1"), row("7", key="7 x")]}).seen_before == 2


def test_what_is_accepted_is_asked_no_more(journal: Journal) -> None:
    """A row that a person accepted is neither told nor tried; read and known, it is a punch all the same."""
    bridge = Bridge(journal)
    bridge.visit({1: [aside("7 x"), aside("8 y")]})
    (found, _) = rows_set_aside(journal)
    assert (found.database, found.key, found.raw) == ("head-office", "7 x", "raw 7 x")
    assert (accept_rows(journal, [found]), accept_rows(journal, [found])) == (1, 0)
    assert [key for page in bridge.ledger.set_aside() for key, _ in page] == ["8 y"]
    assert database_standings(journal)["head-office"].set_aside == 1
    again = bridge.visit({1: [aside("7 x"), aside("8 y")]}, whole=True)
    assert again == BridgeTally(rows=2, seen_before=1, set_aside=1)
    assert bridge.visit({1: [row("7", key="7 x"), aside("8 y")]}).first_seen == 1


# --- people ---


def test_people_are_compared(journal: Journal) -> None:
    """A number with another badge is changed, a badge under another number renumbered; news are so once."""
    bridge = Bridge(journal)
    ledger = bridge.ledger
    assert ledger.people_news({"1": "a", "2": "b"}) == PeopleNews()
    ledger.end([], b"", {"1": "a", "2": "b"}, whole=True)
    assert ledger.people_news({"1": "a", "2": "b", "3": "c"}) == PeopleNews()
    assert ledger.people_news({"1": "x", "2": "b"}) == PeopleNews(changed=("1",))
    assert ledger.people_news({"1": "b", "2": "a"}) == PeopleNews(("a", "b"), ("1", "2"))
    assert ledger.people_news({"9": "a", "2": "b"}) == PeopleNews(renumbered=("a",))
    ledger.begin_whole(b"", {"1": "b", "2": "a"})
    assert ledger.people_news({"1": "b", "2": "a"}) == PeopleNews()
    assert ledger.people_news({"1": "a", "2": "b"}) == PeopleNews(("a", "b"), ("1", "2"))


def test_a_key_that_is_another_persons_tells_nothing(journal: Journal, path: Path) -> None:
    """Where people were renumbered, a row is whose it is now, also in the visit after one that was killed."""
    bridge = Bridge(journal)
    bridge.visit({1: [row("a", key="1 t"), row("b", key="2 t"), row("a", 60, key="1 u")]})
    bridge.ledger.end([1], b"", {"1": "a", "2": "b"}, whole=True)
    bridge.ledger.begin_whole(b"", {"1": "b", "2": "a"})
    bridge.take(bucket(2))  # and is killed
    rows = [row("b", key="1 t"), row("a", key="2 t"), row("b", 60, key="1 u"), row("a", 60, key="2 u")]
    assert bridge.visit({1: rows}) == BridgeTally(rows=4, first_seen=1, seen_before=3)
    sql = "SELECT key, user_id FROM database_row JOIN punch ON seq = punch ORDER BY key"
    assert look(path, sql) == [("1 t", "b"), ("1 u", "b"), ("2 t", "a"), ("2 u", "a")]
    assert bridge.visit({1: rows}, whole=True) == BridgeTally(rows=4, seen_before=4)


def test_by_key_is_the_visits_to_say(journal: Journal, path: Path) -> None:
    """A visit may look up rows by their punches alone."""
    bridge = Bridge(journal)
    bridge.visit({1: [row("a", key="1 t")]})
    tally = bridge.visit({1: [row("b", key="1 t")]}, bridge.taking(by_key=False))
    assert tally == BridgeTally(rows=1, first_seen=1)
    assert look(path, "SELECT punch FROM database_row") == [(2,)]


# --- what is held ---


def test_what_was_typed_in_says_so(journal: Journal) -> None:
    """A manual row's punch has its mark in JSON, on every way out of the journal; others have none."""
    outbox = JournalOutbox(journal, "main")
    Bridge(journal).visit({1: [row("1", manual=True), row("2")]})
    marks = [json.loads(json.dumps(as_json(event))).get("manual") for event in pending(outbox)]
    assert marks == [True, None]
    assert [one.manual for one in overview.sightings(journal, "1", START.date())] == [True]


def test_manual_rows_are_held_where_asked(journal: Journal) -> None:
    """A person decides about each: a backfill leaves it, a retry sends it."""
    outbox = JournalOutbox(journal, "main")
    bridge = Bridge(journal)
    late = bridge.taking(Holding(since=START + timedelta(days=1)), held_manual=True)
    assert bridge.visit({1: [row("1", manual=True), row("2")]}, late) == BridgeTally(
        rows=2, first_seen=2, held_manual=1, held_since=1
    )
    decisions = Decisions(journal, "main")
    assert decisions.backfill(SPAN, repeats=True, dry_run=False).released == 1
    assert [event.user_id for event in pending(outbox)] == ["2"]
    assert decisions.retry(Selection(frozenset({"held"})), Places([(1, 99)])) == 1
    assert outbox.counts() == Counts(punches=2, pending=2)


def test_other_badges_all_of_a_sudden_are_held(journal: Journal) -> None:
    """Seconds that are known, under other badges, by the thousand: nothing of it is sent unless asked for."""
    outbox = JournalOutbox(journal, "main")
    bridge = Bridge(journal)
    bridge.visit({1: crowd(1100)})
    taking = bridge.taking(Holding(since=START + timedelta(days=1)), by_key=False, judge_sudden=True)
    tally = bridge.visit({1: crowd(1100, badge="9")}, taking)
    assert tally == BridgeTally(rows=1100, first_seen=1100, gone=1100, sudden=1100)
    assert outbox.counts() == Counts(punches=2200, pending=1100, held=1100)
    decisions = Decisions(journal, "main")
    assert decisions.backfill(SPAN, repeats=True, dry_run=False).released == 0
    held = Selection(frozenset({"held"}))
    assert {one.reason for one in decisions.punches(held)} == {"sudden"}
    assert decisions.retry(held, Places([(1, 10_000)])) == 1100


def test_a_late_batch_is_not_sudden(journal: Journal) -> None:
    """As many new rows in seconds of their own go out, as does what shares its seconds but is little."""
    bridge = Bridge(journal)
    bridge.visit({1: crowd(600)})
    taking = bridge.taking(by_key=False, judge_sudden=True)
    assert bridge.visit({1: crowd(600, badge="9")}, taking).sudden == 0
    late = bridge.taking(judge_sudden=True)
    assert bridge.visit({1: crowd(600, badge="9"), 2: crowd(1500, first=600)}, late).sudden == 0


def test_sudden_is_counted_over_the_visit(journal: Journal) -> None:
    """However small its groups are, from the thousandth on all is held."""
    bridge = Bridge(journal)
    bridge.visit({number: crowd(400, first=number * 400) for number in range(4)})
    taking = bridge.taking(by_key=False, judge_sudden=True)
    others = {number: crowd(400, badge="9", first=number * 400) for number in range(4)}
    assert bridge.visit(others, taking).sudden == 800


def test_a_strangers_rows_wait(journal: Journal) -> None:
    """Rows of a terminal that answers where another one belongs are held until a person accepts it."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)
    Devices(journal).meet_stranger("front-door", "CQZ9")
    Bridge(journal).visit({1: [row("1", device="CQZ9")]})
    assert outbox.counts() == Counts(punches=1, held=1)
    Devices(journal).accept("front-door")
    assert outbox.counts() == Counts(punches=1, pending=1)


def test_repeats_are_measured_over_rows(journal: Journal) -> None:
    """`repeat_within` and `since` hold rows as they hold records."""
    bridge = Bridge(journal)
    taking = bridge.taking(Holding(START, repeat_within=60))
    tally = bridge.visit({1: [row("1"), row("1", 30), row("1", -9)]}, taking)
    assert (tally.first_seen, tally.held_repeats, tally.held_since) == (3, 1, 1)


@pytest.mark.parametrize(("days", "suspect"), [(0, 0), (2, 1), (60_000, 1)])
def test_a_time_that_is_still_to_come_is_doubted(
    journal: Journal, path: Path, days: int, suspect: int
) -> None:
    """A row of 2133 is a punch whose clock cannot have been right."""
    ahead = round((datetime.now(DHAKA).replace(tzinfo=None) - START).total_seconds()) + days * 86_400
    assert Bridge(journal).visit({1: [row("1", ahead)]}).first_seen == 1
    assert look(path, "SELECT clock_suspect FROM punch") == [(suspect,)]


# --- a dry run ---


def test_a_dry_run_tells_what_would_be_sent(journal: Journal, path: Path) -> None:
    """It sorts as a run does, and writes nothing, of a database that was never met, too."""
    ledger = Ledger(journal, "new.mdb")
    assert ledger.known is None
    bridge = Bridge(journal)
    bridge.visit({1: [row("1"), row("2")]})
    before = path.stat().st_mtime_ns, look(path, "SELECT count(*) FROM punch")
    taking = bridge.taking(Holding(START))
    rows = bucket(1, row("1", state=1), row("2"), row("3", -5), row("4"), row("4", key="k"), aside("x"))
    tally, events = taking.look([rows])
    assert tally.difference == 0
    assert replace(tally, set_aside=0, newly_set_aside=0) == BridgeTally(
        rows=6, first_seen=2, seen_before=2, repeats=1, changed=1, held_since=1
    )
    assert (tally.set_aside, tally.newly_set_aside) == (1, 1)
    assert [event.user_id for event in events] == ["4"]
    again, events = taking.look([bucket(2, row("4", key="l"))])
    assert (again.repeats, events) == (1, [])
    assert (path.stat().st_mtime_ns, look(path, "SELECT count(*) FROM punch")) == before


# --- the database itself ---


def test_a_renamed_database_is_the_same(journal: Journal) -> None:
    """By its address it is known, with its key; whoever had the name before has none any more."""
    bridge = Bridge(journal)
    bridge.visit({1: [row("1")]})
    renamed = Bridge(journal, name="hq")
    assert renamed.ledger.known
    assert (renamed.ledger.known.key, renamed.ledger.known.name) == ("head-office", "hq")
    assert renamed.visit({1: [row("1")]}) == BridgeTally()
    moved = Bridge(journal, address="other.mdb", name="hq")
    assert moved.visit({1: [row("1")]}) == BridgeTally(rows=1, seen_before=1)
    assert [(one.name, one.address) for one in database_standings(journal).values()] == [("hq", "other.mdb")]


def test_a_database_that_was_renamed_and_then_moved_keeps_its_key(journal: Journal) -> None:
    """Its rows that no terminal made are the same at its new address."""
    Bridge(journal).visit({1: [row("1")]})
    Bridge(journal, name="hq").visit({1: [row("1")]})
    moved = Bridge(journal, address="other.mdb", name="hq")
    moved.visit({1: [row("1")]})
    assert moved.ledger.known
    assert moved.ledger.known.key == "head-office"


def test_a_name_that_is_used_again_is_no_key_that_another_has(journal: Journal) -> None:
    """A new database gets another key than the one that had its name first: two rows are not one."""
    Bridge(journal).visit({1: [row("1")]})
    Bridge(journal, name="hq").visit({1: [row("1")]})
    new = Bridge(journal, address="other.mdb")
    new.visit({})
    assert new.ledger.known
    assert (new.ledger.known.name, new.ledger.known.key) == ("head-office", "head-office-2")


def test_a_whole_reading_lasts_until_a_visit_ends(journal: Journal) -> None:
    """It forgets what is known of buckets, and is over at the end of the first complete visit."""
    bridge = Bridge(journal)
    ledger = bridge.ledger
    assert ledger.known
    assert (ledger.known.read_at, ledger.known.whole_at) == (None, None)
    bridge.visit({1: [row("1")]})
    assert ledger.known.read_at == ledger.known.whole_at is not None
    ledger.begin_whole(b"asked")
    known = Ledger(journal, "att2000.mdb").known
    assert known
    assert known == ledger.known
    assert (ledger.fingerprints(), known.whole_at, known.asked) == ({}, None, b"asked")
    bridge.visit({1: [row("1")]})
    assert ledger.known.whole_at is not None
    assert (ledger.known.rows, ledger.known.lookups) == (1, b"lookups")


def test_standings_count_what_waits(journal: Journal) -> None:
    """`status` knows of each database what is there, set aside, changed, gone and not delivered."""
    outbox = JournalOutbox(journal, "main")
    JournalOutbox(journal, "other")
    bridge = Bridge(journal)
    bridge.visit({1: [row("1"), row("2"), row("3"), aside("x")]})
    confirm(outbox, pending(outbox, 1))
    bridge.visit({1: [row("1", state=1), row("2"), aside("x")]})
    one = database_standings(journal)["head-office"]
    assert (one.rows, one.set_aside, one.changed, one.gone, one.pending) == (3, 1, 1, 1, 3)
    (sighting,) = overview.sightings(journal, "3", START.date())
    assert [(shown.database, bool(shown.gone_at)) for shown in sighting.rows] == [("head-office", True)]


# --- pruning ---


def aged(path: Path) -> prune.Terms:
    """Let all that is journalled be two years old, and return terms that mean it."""
    with inside(path) as db:
        db.execute("UPDATE punch SET journalled_at = '2024-01-01T00:00:00.000+00:00'")
    return prune.Terms(datetime(2025, 1, 1, tzinfo=UTC), frozenset(), device=KEY)


def test_what_a_database_shows_stays(journal: Journal, path: Path) -> None:
    """A punch may go once its row is gone, and should the row come back, it is not sent again."""
    outbox = JournalOutbox(journal, "main")
    bridge = Bridge(journal)
    bridge.visit({1: [row("1"), row("2")]})
    bridge.visit({1: [row("2")]})
    confirm(outbox, pending(outbox))
    terms = aged(path)
    (share,) = prune.old_punches(journal, terms)
    assert share.counts == {"removable": 1, "in_database": 1}
    assert prune.prune(journal, terms) == 1
    assert look(path, "SELECT user_id FROM punch") == [("2",)]
    assert [change.user_id for change in row_changes(journal, "head-office")] == [None]
    assert bridge.visit({1: [row("1"), row("2")]}) == BridgeTally(rows=2, seen_before=2)
    assert outbox.counts() == Counts(punches=1, confirmed=1)


def test_rows_do_not_stand_for_a_log(journal: Journal, path: Path) -> None:
    """Rows that came after a clearing do not count as its log's records, nor as what a device pushed."""
    ledger = visit(journal)
    ledger.take(piece(punch("1")))
    with inside(path) as db:
        db.execute("UPDATE device SET cleared_at = '2026', cleared_after = 1, cleared_quarantined = 0,"
                   " on_device = 1")  # fmt: skip
    Bridge(journal).visit({1: [row("2"), row("3")]})
    (log,) = prune._logs(journal)
    assert log.since_cleared == 0
    assert push(journal, punch("4")._replace(canonical=b"push\n4")) == Tally(first_seen=1)


# --- how long it takes ---


@pytest.mark.parametrize("query", [
    "rows_by_key", "keys_of_buckets", "set_aside", "bridged_seconds", "note_gone", "count_nowhere",
    "rows_of_punch", "row_changes",
])  # fmt: skip
def test_a_visit_walks_no_table(journal: Journal, query: str) -> None:
    """However many rows a database has, a visit takes the time of what is new."""
    steps = plan(journal, query)
    assert steps
    assert not [
        one for one in steps if one.startswith(("SCAN database_row", "SCAN punch", "SCAN database_p"))
    ]
