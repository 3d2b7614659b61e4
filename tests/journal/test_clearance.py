"""What may leave its device, that a device may be disabled, and what is remembered of its firmware."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.helpers import KEY, START, Visiting, confirm, connection, odd, piece, punch, spoil, visit
from tests.look import look
from tests.site import entry
from zkpoll.errors import JournalError, WrongSerial
from zkpoll.journal.clearance import Clearance, Numbers, Unsettled, intended
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.opening import open_empty, open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.quarantine import accept, quarantined
from zkpoll.journal.spans import Places
from zkpoll.journal.sqlite import queries
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Watermark
from zkpoll.model.sums import Counts
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Punch, Quarantined
    from zkpoll.simulator import SampleDashboard

ALL = Selection(frozenset({"pending", "parked", "held"}))
NEW = "OIN7030067091200012"


def unsettled(journal: Journal, *records: Punch | Quarantined, key: str = KEY) -> Unsettled:
    """Return what of these records must stay on their device."""
    return Clearance(journal, key).unsettled(piece(*records))


def park(outbox: JournalOutbox) -> None:
    """Let the dashboard refuse all that is pending."""
    outbox.settle(Settled(parked={event.id: "no such employee" for event in outbox.next(99).events}))


def accept_all(journal: Journal, key: str = KEY) -> int:
    """Let a person accept all that a device has in quarantine."""
    return accept(journal, [record for record in quarantined(journal) if record.serial_number == key])


# --- what is settled ---


def test_what_the_journal_lacks_stays(journal: Journal) -> None:
    """A record that is not in the journal must not be lost, whether it is a punch or not."""
    visit(journal).take(piece(punch("a")))
    assert unsettled(journal, punch("a")) == Unsettled()
    assert unsettled(journal, punch("a"), punch("b"), odd(b"?")) == Unsettled(unknown=2)
    assert unsettled(journal) == Unsettled()


def test_what_another_device_has_is_no_proof(journal: Journal) -> None:
    """The same bytes from another device are another punch, and another quarantine."""
    visit(journal, "gate", NEW).take(piece(punch(), odd(b"?")))
    visit(journal)
    accept_all(journal, NEW)
    assert unsettled(journal, punch(), odd(b"?")) == Unsettled(unknown=2)


def test_equal_records_count_once(journal: Journal) -> None:
    """A log that shows a record twice has one record to wait for."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("a")))
    assert unsettled(journal, punch("a"), punch("a"), punch("b"), punch("b")) == Unsettled(
        unknown=1, pending={"main": 1}
    )


def test_every_dashboard_must_have_it(journal: Journal) -> None:
    """What waits for one dashboard stays, whatever the others have, and though it left the inventory."""
    main, old = JournalOutbox(journal, "main"), JournalOutbox(journal, "old")
    log = [punch("a"), punch("b")]
    visit(journal).take(piece(*log))
    assert unsettled(journal, *log) == Unsettled(pending={"main": 2, "old": 2})
    confirm(main, main.next(1).events)
    park(old)
    assert unsettled(journal, *log) == Unsettled(pending={"main": 1}, parked={"old": 2})
    confirm(main, main.next(9).events)
    assert unsettled(journal, *log) == Unsettled(parked={"old": 2})
    assert Decisions(journal, "old").discard(ALL, Places([(1, 10**9)]), "shut down") == 2
    assert unsettled(journal, *log) == Unsettled()


def test_what_is_tried_again_stays(journal: Journal) -> None:
    """A discarded punch that a person has sent again is waited for again."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    desk = Decisions(journal, "main")
    ids = tuple(one.id for one in desk.punches(ALL))
    desk.discard(ALL, Places([(1, 10**9)]), "x")
    assert unsettled(journal, punch()) == Unsettled()
    desk.retry(Selection(frozenset(), ids=ids), Places([(1, 10**9)]))
    assert unsettled(journal, punch()) == Unsettled(pending={"main": 1})


def test_what_is_older_than_a_dashboard_is_settled_there(journal: Journal) -> None:
    """A dashboard that came later was not to get a punch, and so has nothing to wait for."""
    visit(journal).take(piece(punch("a")))
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("b")))
    assert unsettled(journal, punch("a")) == Unsettled()
    assert unsettled(journal, punch("a"), punch("b")) == Unsettled(pending={"main": 1})


def test_a_state_that_is_none(journal: Journal, path: Path) -> None:
    """A punch whose state is no word is not settled: nothing is cleared, and no numbers are made up."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    spoil(path, 1)
    with pytest.raises(JournalError, match="is damaged; restore a backup"):
        unsettled(journal, punch("a"), punch("b"))
    assert unsettled(journal, punch("b")) == Unsettled(pending={"main": 1})
    with pytest.raises(JournalError, match="is damaged; restore a backup"):
        Clearance(journal, KEY).numbers()


def test_what_is_held_back_for_good_is_settled(journal: Journal) -> None:
    """Older than `since`, a repeat, of the same second: the journal keeps it, and the device need not."""
    outbox = JournalOutbox(journal, "main")
    log = [punch("a"), punch("b", 60), punch("b", 70), punch("c", 90), punch("c", 90, verify=4)]
    holding = Holding(since=START + timedelta(seconds=30), repeat_within=30)
    visit(journal, holding=holding).take(piece(*log))
    confirm(outbox, outbox.next(9).events)
    assert outbox.counts() == Counts(punches=5, confirmed=2, held=3)
    assert unsettled(journal, *log) == Unsettled()


def test_what_is_held_as_a_strangers_stays(journal: Journal) -> None:
    """While nobody has said whose terminal it is, its punches go nowhere; then they wait like others."""
    JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    visit(journal)
    Devices(journal).meet_stranger("front-door", NEW)
    Visiting(journal, "front-door", NEW, UTC, held=STRANGER).take(piece(punch("a"), punch("b")))
    found = unsettled(journal, punch("a"), punch("b"), key=NEW)
    assert found == Unsettled(strange=2)
    Devices(journal).accept("front-door")
    found = unsettled(journal, punch("a"), punch("b"), key=NEW)
    assert found == Unsettled(pending={"main": 2, "spare": 2})


def test_quarantined_ones_stay_until_they_are_accepted(journal: Journal) -> None:
    """Each record in quarantine stays until a person accepts it, and those of other devices as well."""
    log = [odd(b"1"), odd(b"2")]
    visit(journal).take(piece(*log))
    visit(journal, "gate", NEW).take(piece(*log))
    assert unsettled(journal, *log) == Unsettled(quarantined=2)
    assert accept_all(journal) == 2
    assert unsettled(journal, *log) == Unsettled()
    assert unsettled(journal, *log, key=NEW) == Unsettled(quarantined=2)


def test_an_accepted_record_stays_accepted(journal: Journal) -> None:
    """A record that shows up again was accepted then; a new one was not, and acceptance has one date."""
    visit(journal).take(piece(odd(b"1")))
    assert accept_all(journal) == 1
    (before,) = quarantined(journal)
    visit(journal).take(piece(odd(b"1"), odd(b"2")))
    assert unsettled(journal, odd(b"1"), odd(b"2")) == Unsettled(quarantined=1)
    assert before.accepted_at is not None
    assert datetime.now(UTC) - datetime.fromisoformat(before.accepted_at) < timedelta(minutes=1)
    assert accept_all(journal) == 1
    assert before in quarantined(journal)


def test_a_punch_that_lies_in_quarantine_stays(journal: Journal) -> None:
    """What a later user table makes a punch of is still the record that nobody could believe."""
    unknown_slot = odd(punch().canonical, "no such user")
    visit(journal).take(piece(unknown_slot))
    assert unsettled(journal, punch()) == Unsettled(quarantined=1)
    accept_all(journal)
    assert unsettled(journal, punch()) == Unsettled()


DASHBOARDS = ("main", "spare")
STATES = st.sampled_from(["absent", "pending", "parked", "confirmed", "discarded"])
FATES = st.one_of(st.sampled_from(["unknown", "quarantined", "accepted"]), st.tuples(STATES, STATES))
"""What became of a record: not a punch, or one, with its state at each of the dashboards."""


@given(st.lists(FATES, max_size=6))
def test_what_is_unsettled_is_what_a_model_says(fates: list[str | tuple[str, str]]) -> None:
    """Whatever became of each record of a log, each is counted for each reason that keeps it, no other."""
    log = [
        punch(str(number)) if isinstance(fate, tuple) or fate == "unknown" else odd(b"%d" % number)
        for number, fate in enumerate(fates)
    ]
    with open_empty() as journal:
        for name in DASHBOARDS:
            JournalOutbox(journal, name)
        ledger = visit(journal)
        for number, (record, fate) in enumerate(zip(log, fates, strict=True)):
            if fate != "unknown":
                ledger.take(piece(record))
            if fate == "accepted":
                accept(journal, quarantined(journal)[-1:])
            for name, state in zip(DASHBOARDS, fate, strict=True) if isinstance(fate, tuple) else ():
                put(journal, str(number), name, state)
        found = unsettled(journal, *log)
    assert found == expected(fates)
    assert (found.refusal is None) is (found == Unsettled())


def expected(fates: list[str | tuple[str, str]]) -> Unsettled:
    """Return what must be unsettled."""
    outboxes = [dict(zip(DASHBOARDS, fate, strict=True)) for fate in fates if isinstance(fate, tuple)]
    counts = Counter((state, name) for outbox in outboxes for name, state in outbox.items())
    parked, pending = (
        {name: count for (state, name), count in counts.items() if state == wanted}
        for wanted in ("parked", "pending")
    )
    return Unsettled(
        fates.count("unknown"), quarantined=fates.count("quarantined"), parked=parked, pending=pending
    )


def put(journal: Journal, user: str, dashboard: str, state: str) -> None:
    """Put a user's punch into a state at a dashboard."""
    place = "WHERE punch = (SELECT seq FROM punch WHERE user_id = :user)"
    place += " AND destination = (SELECT id FROM destination WHERE name = :dashboard)"
    change = "DELETE FROM outbox" if state == "absent" else "UPDATE outbox SET state = :state"
    connection(journal).execute(f"{change} {place}", {"user": user, "dashboard": dashboard, "state": state})


def test_a_long_log_is_looked_up_record_by_record(journal: Journal) -> None:
    """However long the journal is, asking for some records walks none of its tables."""
    plan = (
        connection(journal).execute(f"EXPLAIN QUERY PLAN {queries()['unsettled']}", {"device": 1}).fetchall()
    )
    assert not [step for *_, step in plan if re.match(r"SCAN (punch|outbox|quarantine)\b", step)]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Unsettled(), None),
        (Unsettled(unknown=1), "1 record is not in the journal (`zkpoll sync --full`)"),
        (Unsettled(unknown=1200), "1,200 records are not in the journal (`zkpoll sync --full`)"),
        (Unsettled(strange=2), "2 punches are another terminal's (`zkpoll devices accept`)"),
        (Unsettled(quarantined=1), "1 record is in quarantine (`zkpoll quarantine accept`)"),
        (Unsettled(parked={"payroll": 1}), "1 punch is parked for payroll (`zkpoll outbox list`)"),
        (
            Unsettled(pending={"main": 12}),
            "12 punches wait for main (`zkpoll sync`, or `zkpoll outbox discard`)",
        ),
        (
            Unsettled(quarantined=2, parked={"a{}": 3, "b": 2}),
            (
                "2 records are in quarantine (`zkpoll quarantine accept`), "
                "3 punches are parked for a{} (`zkpoll outbox list`), "
                "2 punches are parked for b (`zkpoll outbox list`)"
            ),
        ),
    ],
)
def test_a_refusal_is_one_sentence(found: Unsettled, told: str | None) -> None:
    """Each reason says how much it is, for whom, and the command that helps; no reason, no refusal."""
    assert found.refusal == told


# --- the numbers ---


def test_the_numbers_of_a_device(journal: Journal) -> None:
    """What a person sees before a log is cleared is what the journal holds of that device, and no other."""
    main, old = JournalOutbox(journal, "main"), JournalOutbox(journal, "old")
    log = [punch("a"), punch("a", verify=4), punch("b"), punch("c")]
    visit(journal).take(piece(*log, odd(b"1"), odd(b"2")))
    park(old)
    confirm(main, main.next(1).events)
    Decisions(journal, "old").discard(Selection(frozenset({"parked"}), user="b"), Places([(1, 10**9)]), "x")
    accept(journal, quarantined(journal)[:1])
    JournalOutbox(journal, "late")
    visit(journal, "gate", NEW).take(piece(punch("z"), odd(b"3")))
    assert Clearance(journal, KEY).numbers() == Numbers(
        punches=4,
        dashboards={
            "main": Counts(punches=4, pending=2, confirmed=1, held=1),
            "old": Counts(punches=4, parked=2, held=1, discarded=1),
        },
        quarantined=2,
        accepted=1,
    )
    assert Clearance(journal, NEW).numbers().dashboards.keys() == {"main", "old", "late"}


def test_the_numbers_of_nothing(journal: Journal) -> None:
    """A device that was met and never read has nothing in the journal."""
    JournalOutbox(journal, "main")
    visit(journal)
    assert Clearance(journal, KEY).numbers() == Numbers(0, {}, 0, 0)


# --- it may be disabled ---


def test_an_intent_is_on_disk_until_it_is_struck_out(path: Path) -> None:
    """Whoever opens the journal next sees that the device may be disabled; no other device is."""
    with open_journal(path) as journal:
        visit(journal)
        visit(journal, "gate", NEW)
        assert not intended(journal, KEY)
        Clearance(journal, KEY).intend()
        assert look(path, "SELECT key FROM intent JOIN device ON id = device") == [(KEY,)]
    with open_journal(path) as journal:
        assert (intended(journal, KEY), intended(journal, NEW)) == (True, False)
        Clearance(journal, NEW).done()
        assert intended(journal, KEY)
        Clearance(journal, KEY).done()
        assert not intended(journal, KEY)
        assert look(path, "SELECT * FROM intent") == []


def test_an_intent_is_as_old_as_the_first(journal: Journal, path: Path) -> None:
    """Intending it twice is intending it once, since the first time; so is striking it out."""
    visit(journal)
    clearance = Clearance(journal, KEY)
    clearance.intend()
    first = look(path, "SELECT since FROM intent")
    clearance.intend()
    assert look(path, "SELECT since FROM intent") == first
    clearance.done()
    clearance.done()
    assert not intended(journal, KEY)


def test_an_intent_follows_the_terminal(journal: Journal) -> None:
    """A device that got another name, or a repair another serial number, may still be disabled."""
    visit(journal)
    Clearance(journal, KEY).intend()
    known = Devices(journal)
    known.meet("portal", KEY)
    known.meet_stranger("portal", NEW)
    known.accept_as_same("portal")
    assert intended(journal, known.key_of("portal") or "")


def test_looking_needs_no_right_to_write(journal: Journal, path: Path) -> None:
    """What asks before it connects may have the journal to read only."""
    visit(journal).take(piece(punch()))
    Clearance(journal, KEY).intend()
    with open_journal(path, writable=False) as look:
        clearance = Clearance(look, KEY)
        assert (intended(journal, KEY), clearance.refused(), clearance.numbers().punches) == (True, None, 1)
        assert unsettled(look, punch()) == Unsettled()


def test_a_device_that_nobody_met(journal: Journal) -> None:
    """Nothing is written down of a device that the journal does not know: there is no such device."""
    with pytest.raises(WrongSerial, match=f"no device with serial number {KEY} was ever read"):
        Clearance(journal, KEY)


# --- what came of it ---


def test_a_cleared_log_begins_again(journal: Journal, path: Path) -> None:
    """When a log is cleared the journal expects an empty one in the same layout, and nobody is locked out."""
    ledger = visit(journal)
    ledger.take(piece(punch("a"), punch("b")))
    clearance = Clearance(journal, KEY)
    clearance.intend()
    clearance.cleared()
    assert ledger.watermark() == Watermark(40, 0, (), all_read=True)
    assert not intended(journal, KEY)
    ((cleared_at, on_device),) = look(path, "SELECT cleared_at, on_device FROM device")
    assert datetime.now(UTC) - datetime.fromisoformat(cleared_at) < timedelta(minutes=1)
    assert on_device == 0
    assert look(path, "SELECT count(*) FROM punch") == [(2,)]


def test_clearing_is_noted_whole_or_not_at_all(journal: Journal, path: Path) -> None:
    """If it cannot all be written down, the intent stays, and the next visit reads the log as before."""
    ledger = visit(journal)
    ledger.take(piece(punch()))
    before = ledger.watermark()
    clearance = Clearance(journal, KEY)
    clearance.intend()
    connection(journal).execute(
        "CREATE TRIGGER no BEFORE UPDATE OF cleared_at ON device BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(JournalError):
        clearance.cleared()
    assert intended(journal, KEY)
    assert ledger.watermark() == before
    assert look(path, "SELECT cleared_at FROM device") == [(None,)]


def test_a_clear_whose_end_is_unknown(journal: Journal, path: Path) -> None:
    """Once CLEAR was sent, all of the log is read next; what it held tells whether it was cleared."""
    ledger = visit(journal)
    ledger.take(piece(punch()))
    clearance = Clearance(journal, KEY)
    clearance.intend()
    clearance.done(clear_sent=True)
    assert ledger.watermark() == Watermark(40, 0, (), before_clear=(1, (punch().canonical,)))
    assert not intended(journal, KEY)
    assert look(path, "SELECT cleared_at FROM device") == [(None,)]


def test_another_devices_log_is_read_on(journal: Journal) -> None:
    """Clearing one device changes nothing for the others."""
    ledger = visit(journal, "gate", NEW)
    ledger.take(piece(punch()))
    before = ledger.watermark()
    visit(journal).take(piece(punch()))
    Clearance(journal, KEY).cleared()
    assert ledger.watermark() == before


@pytest.mark.parametrize("left", [0, 40])
def test_the_visit_after_a_clear_has_nothing_to_report(
    site: Site, dashboard: SampleDashboard, left: int
) -> None:
    """A log that we cleared is not one that somebody cleared; if it is still there, no punch is doubled."""
    terminal = Terminal.with_samples(40)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        with open_journal(site.journal) as journal:
            Clearance(journal, str(terminal.model.serial)).cleared()
        del terminal.log[left:]
        result = site.sync()
        report = site.report()
    assert (result.code, result.out, result.err) == (0, "", "")
    assert report["devices"][0]["on_device"] == left
    assert len(dashboard.events) == 40


# --- what is never cleared again ---


def test_a_device_that_ignores_clear(journal: Journal) -> None:
    """It is not cleared again before a person allows it, or it turns out that it clears its log after all."""
    visit(journal)
    clearance = Clearance(journal, KEY)
    assert clearance.refused() is None
    clearance.note_clear_ignored()
    told = f"it said on {datetime.now(UTC):%Y-%m-%d} that it had cleared its log, and kept it"
    assert clearance.refused() == told
    clearance.allow()
    assert clearance.refused() is None
    clearance.note_clear_ignored()
    clearance.cleared()
    assert clearance.refused() is None


def test_a_device_that_ignores_disable(journal: Journal) -> None:
    """It is not cleared again before a person allows it, though one clear went well; other devices are."""
    visit(journal)
    visit(journal, "gate", NEW)
    clearance = Clearance(journal, KEY)
    clearance.note_clear_ignored()
    clearance.note_disable_ignored("it takes punches while it is disabled")
    assert clearance.refused() == "it takes punches while it is disabled"
    clearance.cleared()
    assert clearance.refused() == "it takes punches while it is disabled"
    assert Clearance(journal, NEW).refused() is None
    Clearance(journal, NEW).allow()
    assert clearance.refused() is not None
    clearance.allow()
    assert clearance.refused() is None
