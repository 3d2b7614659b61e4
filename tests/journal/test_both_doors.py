"""One punch by two doors: known by its bytes, else by who, when and in or out; whichever door was first."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import (
    DHAKA,
    KEY,
    START,
    Visiting,
    batch,
    confirm,
    connection,
    line,
    odd,
    pending,
    piece,
    punch,
    push,
    visit,
)
from tests.look import look
from zkpoll.errors import WrongSerial
from zkpoll.journal.clearance import Clearance, Unsettled
from zkpoll.journal.comparison import Comparison, Restoring
from zkpoll.journal.devices import Devices
from zkpoll.journal.exports import Wanted
from zkpoll.journal.exports import punches as exported
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import sightings
from zkpoll.journal.pushed import Pushed
from zkpoll.journal.quarantine import quarantined
from zkpoll.model.log import Reading, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, Punch, Quarantined, is_counted, punch_id
from zkpoll.model.sums import Counts, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal

LAYOUTS = sorted(LAYOUT_FORMS)
SINCE = Holding(since=START)
READING = Reading(40, 1, 0, 1, None, None, whole=True, before=0, continued=False)
CONTENT = "SELECT user_id, verify, state, work_code, source, kinds FROM punch ORDER BY seq"
EVERYONE = [("1001", 0), ("1001", 1), ("1002", 0), ("1003", 0)]
"""Who punches in one second, in or out: all there is to tell a punch by, over doors."""


def record(
    user: str = "1001", second: int = 0, *, state: int = 0, number: int = 0, layout: int = 40
) -> Punch:
    """Return a punch as a reading shows it in some layout: verify in other numbers, no work code."""
    bytes_ = f"{number if layout > 22 else ''} {user} {second} {state}".encode().ljust(layout, b"\0")
    return punch(user, second, verify=0 if layout == 22 else 33, state=state)._replace(canonical=bytes_)


def read(
    journal: Journal, *records: Punch | Quarantined, layout: int = 40, proved_new: bool = False
) -> Tally:
    """Take records of the log in a visit of their own."""
    return visit(journal).take(piece(*records, layout=layout, proved_new=proved_new))


# --- one door ---


def test_a_pushed_punch_is_a_punch(journal: Journal, path: Path) -> None:
    """It has the one identity, the offset of its zone and its door, and every dashboard gets it."""
    outbox = JournalOutbox(journal, "main")
    assert push(journal, line("1001", verify=15, state=4, work_code=7)) == Tally(first_seen=1)
    assert look(path, CONTENT) == [("1001", 15, 4, 7, "push", 32)]
    (event,) = pending(outbox)
    assert (event.id, event.timestamp, event.source, event.serial_number) == (
        "224c9c2b-8130-5e29-a627-3b68fe8961e9", "2026-11-22T08:59:58+06:00", "push", KEY,
    )  # fmt: skip


def test_batches_come_again(journal: Journal, path: Path) -> None:
    """A batch, a part of one and the whole log add nothing, however often they come."""
    outbox = JournalOutbox(journal, "main")
    lines = [line(str(number)) for number in range(9)]
    assert push(journal, *lines) == Tally(first_seen=9)
    confirm(outbox, pending(outbox))
    for again in (lines, lines[3:5], lines[::-1]):
        assert push(journal, *again) == Tally(seen_before=len(again))
    assert push(journal, *lines, line("new"), *lines) == Tally(first_seen=1, seen_before=18)
    assert look(path, "SELECT count(*) FROM punch") == [(10,)]
    assert outbox.counts() == Counts(punches=10, confirmed=9, pending=1)


def test_equal_lines_are_one_punch(journal: Journal) -> None:
    """A line that stands twice in a batch is a repeat: nothing in it tells two presses apart."""
    assert push(journal, line(), line(), line("2")) == Tally(first_seen=2, exact_repeats=1)
    assert push(journal, line(), line()) == Tally(seen_before=2)
    assert not is_counted(batch(line()).form)


def test_a_line_of_another_state_is_another_punch(journal: Journal, path: Path) -> None:
    """In and out in one second are two; the second one waits for a person."""
    JournalOutbox(journal, "main")
    assert push(journal, line(), line(state=1)) == Tally(first_seen=1, same_second=1)
    assert push(journal, line(state=1), line()) == Tally(seen_before=2)
    assert look(path, "SELECT state, reason FROM outbox ORDER BY punch") == [
        ("pending", None), ("held", "same second"),
    ]  # fmt: skip


def test_a_known_batch_writes_its_stamp_alone(journal: Journal) -> None:
    """A replay of a whole log costs one row a batch: nothing else is inserted, changed or deleted."""
    lines = [line(str(number)) for number in range(100)]
    push(journal, *lines, odd(b"x"), rests=[b"255\t0"] * 100)
    statements: list[str] = []
    connection(journal).set_trace_callback(statements.append)
    push(journal, *lines, rests=[b"255\t0"] * 100)
    connection(journal).set_trace_callback(None)
    verbs = re.compile(r"^(?:INSERT INTO|UPDATE|DELETE FROM|SAVEPOINT) (\w+)", re.MULTILINE)
    written = [table for one in statements for table in verbs.findall(one)]
    assert [table for table in written if table != "incoming"] == ["push_table"]


def test_a_starting_line_holds_for_ever(journal: Journal, path: Path) -> None:
    """Whatever is older than `since` is held, however late it is pushed, after readings too."""
    assert push(journal, line("1", -1), line("2"), holding=SINCE) == Tally(first_seen=2, held_since=1)
    visit(journal)
    Devices(journal).note_reading(KEY, READING)
    assert push(journal, line("3", -9), holding=SINCE).held_since == 1
    assert look(path, "SELECT hold FROM punch ORDER BY seq") == [("since",), (None,), ("since",)]


def test_a_push_is_no_first_reading(journal: Journal, path: Path) -> None:
    """The pull door's starting line, its last reading and its watermark are what they were."""
    push(journal, line("1"), line("2"), holding=SINCE)
    assert Devices(journal).last_reading("front-door") is None
    assert Devices(journal).newest_reading() is None
    ledger = visit(journal, holding=SINCE)
    assert ledger.watermark() is None
    assert ledger.take(piece(record("1"), record("3", -1))) == Tally(1, 1, held_since=1, by_other_door=1)
    mark = ledger.watermark()
    push(journal, line("4"), line("5"))
    assert ledger.watermark() == mark == Watermark(40, 2, mark.tail if mark else ())
    assert look(path, "SELECT read_at, whole_at, on_device, complete_until FROM device") == [(None,) * 4]


def test_what_follows_on_a_line_is_kept_beside_it(journal: Journal, path: Path) -> None:
    """The rest of the line that showed a punch first is kept as it came, and what came by pull has none."""
    rests = [b"255\t36.6\t1", b"", b"other"]
    push(journal, line("1"), line("2"), line("1"), rests=rests)
    read(journal, record("3"))
    push(journal, line("1"), line("3"), rests=[b"a counter that restarted", b"\xff\t0"])
    assert look(path, "SELECT user_id, rest FROM push_line JOIN punch ON seq = punch ORDER BY seq") == [
        ("1", b"255\t36.6\t1"), ("3", b"\xff\t0"),
    ]  # fmt: skip


def test_a_suspect_clock_is_flagged(journal: Journal) -> None:
    """A line from a clock that lost its power is flagged, and pending."""
    outbox = JournalOutbox(journal, "main")
    push(journal, line()._replace(time=datetime(2000, 1, 1)))
    assert [event.clock_suspect for event in pending(outbox)] == [True]


def test_lines_in_quarantine_pass_for_no_record(journal: Journal) -> None:
    """A line nobody can believe is kept once, and never taken for a record of the log with its bytes."""
    forged = Quarantined(record().canonical, "no such date")
    assert push(journal, forged, line("2")) == Tally(1, quarantined=1, newly_quarantined=1)
    assert push(journal, forged, line("2")) == Tally(seen_before=1, quarantined=1)
    assert [one.raw for one in quarantined(journal)] == [b"push\n" + record().canonical]
    assert read(journal, record()) == Tally(first_seen=1)
    assert Clearance(journal, KEY).unsettled(piece(record())) == Unsettled()


# --- both doors ---


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", list(permutations(["push", "pull", "again"])))
def test_whichever_door_is_first(journal: Journal, path: Path, layout: int, order: tuple[str, ...]) -> None:
    """A punch that comes by both doors is one, in every layout; only in and out of one second are held."""
    outbox = JournalOutbox(journal, "main")
    for door in order:
        if door == "push":
            push(journal, *(line(user, state=state, verify=1, work_code=7) for user, state in EVERYONE))
        else:
            log = [record(user, state=state, layout=layout) for user, state in EVERYONE]
            read(journal, *log, layout=layout)
    kinds = 32 | LAYOUT_FORMS[layout]
    first = order.index("push") < min(order.index("pull"), order.index("again"))
    verify = 0 if layout == 22 else 33
    content = (1, 7, "push") if first else (verify, 0, "pull")
    assert look(path, CONTENT) == [
        (user, content[0], state, content[1], content[2], kinds) for user, state in EVERYONE
    ]
    assert outbox.counts() == Counts(punches=4, pending=3, held=1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cut", range(5))
@pytest.mark.parametrize("proved_new", [False, True])
def test_a_reading_meets_what_was_pushed(
    journal: Journal, path: Path, layout: int, cut: int, proved_new: bool
) -> None:
    """Where push has brought a part, a reading finds the rest, though its place proves all of it new."""
    push(journal, *(line(user, state=state) for user, state in EVERYONE[:cut]))
    log = [record(user, state=state, layout=layout) for user, state in EVERYONE]
    ledger = visit(journal)
    tally = sum((ledger.take(piece(one, layout=layout, proved_new=proved_new)) for one in log), start=Tally())
    assert (tally.seen_before, tally.by_other_door) == (cut, cut)
    assert tally.first_seen + tally.same_second == 4 - cut
    assert not tally.exact_repeats
    assert look(path, "SELECT count(*), count(DISTINCT id), count(hold) FROM punch") == [(4, 4, 1)]


def test_a_reading_meets_it_in_a_dry_run_too(journal: Journal) -> None:
    """A look says of what was pushed what the reading says that journals it."""
    push(journal, line("1"), line("2"))
    slices = [piece(record("1"), record("3")), piece(record("2"), record("1"))]
    looking = visit(journal)
    looked = [looking.sort(one).tally for one in slices]
    taking = visit(journal)
    assert looked == [taking.take(one) for one in slices]
    assert looked[1] == Tally(seen_before=1, exact_repeats=1, by_other_door=1)


def test_neither_door_swallows_another_state(journal: Journal) -> None:
    """A forged IN takes the place of no OUT, by whatever door it comes."""
    push(journal, line("1", state=0))
    assert read(journal, record("1", state=1), record("2", state=1)) == Tally(first_seen=1, same_second=1)
    assert push(journal, line("2", state=0)) == Tally(same_second=1)


def test_a_punch_stored_twice_is_two_by_pull_alone(journal: Journal, path: Path) -> None:
    """A press that the log holds twice, and push shows as one line, is held once, whoever is first."""
    twice = [record(number=1), record(number=2)]
    push(journal, line(), line())
    assert read(journal, *twice) == Tally(seen_before=1, same_second=1, by_other_door=1)
    assert push(journal, line()) == Tally(seen_before=1)
    read(journal, *(record("2", number=number) for number in (3, 4)))
    assert push(journal, line("2"), line("2")) == Tally(seen_before=1, exact_repeats=1, by_other_door=1)
    assert look(path, "SELECT user_id, hold FROM punch ORDER BY seq") == [
        ("1001", None), ("1001", "same second"), ("2", None), ("2", "same second"),
    ]  # fmt: skip


def test_a_record_with_a_number_is_one_in_each_reading(journal: Journal) -> None:
    """One that push was first to bring, and that a reading shows in two slices, is a repeat."""
    push(journal, line())
    ledger = visit(journal)
    assert ledger.take(piece(record(), proved_new=True)).seen_before == 1
    assert ledger.take(piece(record(), proved_new=True)) == Tally(exact_repeats=1)


def test_a_clock_that_restarts_shows_push_nothing(journal: Journal) -> None:
    """The same bytes behind a proven tail are another punch, though push has shown the line by then."""
    old = datetime(2000, 1, 1, 0, 5)
    shown, pushed = record()._replace(time=old), line()._replace(time=old)
    read(journal, shown)
    assert push(journal, pushed) == Tally(seen_before=1, by_other_door=1)
    assert read(journal, shown, proved_new=True) == Tally(same_second=1, clock_repeats=1)
    assert push(journal, pushed) == Tally(seen_before=1)


def test_doors_at_once(journal: Journal, path: Path) -> None:
    """What push journals in the middle of a reading was seen before, and is no punch of the reading's own."""
    ledger = visit(journal)
    assert ledger.take(piece(record("1"))) == Tally(first_seen=1)
    with open_journal(path) as other:
        push(other, line("1"), line("2"))
        read(other, record("3"), record("3", number=9))
    assert ledger.take(piece(record("2"), record("3"), record("1"), end=4)) == Tally(
        seen_before=2, exact_repeats=1, by_other_door=1
    )


def test_two_writers_at_once(journal: Journal, path: Path) -> None:
    """A log that is read and pushed at the same time, by two runs, is journalled once, and known by both."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)

    def read_it() -> Tally:
        ledger = visit(journal)
        slices = (piece(*(record(str(user), second) for user in range(5))) for second in range(60))
        return sum((ledger.take(one) for one in slices), start=Tally())

    def push_it() -> Tally:
        with open_journal(path) as other:
            batches = ([line(str(user), second) for user in range(5)] for second in range(60))
            return sum((push(other, *one) for one in batches), start=Tally())

    with ThreadPoolExecutor() as pool:
        doors = [pool.submit(read_it), pool.submit(push_it)]
        pulled, pushed = (door.result() for door in doors)
    assert pulled.first_seen + pushed.first_seen == 300
    assert (pulled.by_other_door, pushed.by_other_door) == (pushed.first_seen, pulled.first_seen)
    assert outbox.counts() == Counts(punches=300, pending=300)
    assert look(path, "SELECT DISTINCT kinds FROM punch") == [(8 | 32,)]


def test_a_batch_that_is_undone_leaves_nothing(journal: Journal, path: Path) -> None:
    """What goes wrong before the end of its transaction leaves no punch, no stamp and no device."""
    with pytest.raises(OSError, match="full"):
        push(journal, line(), odd(b"x"), rests=[b"1"], fail=OSError("full"))
    assert Pushed(journal, KEY).stamps() == {}
    left = "SELECT punch FROM form UNION ALL SELECT punch FROM push_line UNION ALL SELECT 1 FROM quarantine"
    assert look(path, "SELECT seq FROM punch UNION ALL SELECT id FROM device") + look(path, left) == []
    assert push(journal, line(), odd(b"x")) == Tally(1, quarantined=1, newly_quarantined=1)


def test_who_punches_soon_again_over_both_doors(journal: Journal, path: Path) -> None:
    """A repeat is told by the last punch that was kept, by whatever door that came."""
    minute = Holding(repeat_within=60)
    push(journal, line("1"), holding=minute)
    assert visit(journal, holding=minute).take(piece(record("1"), record("1", 50))).held_repeats == 1
    assert push(journal, line("1", 50), line("1", 59), line("1", 70), holding=minute).held_repeats == 1
    assert look(path, "SELECT hold FROM punch ORDER BY seq") == [(None,), ("repeat",), ("repeat",), (None,)]


# --- clearing ---


def test_a_push_clears_no_log(journal: Journal) -> None:
    """A record is not in the journal before a reading has found it, though its punch is, and confirmed."""
    outbox = JournalOutbox(journal, "main")
    log = piece(record("1"), record("2"))
    push(journal, line("1"), line("2"))
    confirm(outbox, pending(outbox))
    assert Clearance(journal, KEY).unsettled(log) == Unsettled(unknown=2)
    assert read(journal, record("1"), record("2")) == Tally(seen_before=2, by_other_door=2)
    assert Clearance(journal, KEY).unsettled(log) == Unsettled()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_known_by_its_id_is_known_to_the_clearing(journal: Journal, layout: int) -> None:
    """A terminal that pushes as well is cleared like any other: read, then confirmed, in every layout."""
    outbox = JournalOutbox(journal, "main")
    log = piece(*(record(user, state=state, layout=layout) for user, state in EVERYONE), layout=layout)
    push(journal, *(line(user, state=state) for user, state in EVERYONE))
    visit(journal).take(log)
    assert Clearance(journal, KEY).unsettled(log) == Unsettled(pending={"main": 3})
    confirm(outbox, pending(outbox))
    assert Clearance(journal, KEY).unsettled(log) == Unsettled()


@pytest.mark.parametrize("layout", [8, 16, 22])
def test_a_record_shown_twice_must_be_known_twice(journal: Journal, layout: int) -> None:
    """A line of push stands for one record without a number, not for two equal ones."""
    push(journal, line(), line())
    one = record(layout=layout)
    read(journal, one, layout=layout)
    assert Clearance(journal, KEY).unsettled(piece(one, one, layout=layout)) == Unsettled(unknown=1)


def test_lines_in_quarantine_keep_no_log(journal: Journal) -> None:
    """What was pushed and cannot be believed is a person's to look at, and no record of the log."""
    push(journal, line(), odd(b"x"))
    read(journal, record())
    assert Clearance(journal, KEY).unsettled(piece(record())) == Unsettled()


# --- which device it is ---


def test_a_device_is_met_by_its_first_batch(journal: Journal) -> None:
    """A terminal that was never read is known by the serial number of the inventory, and read under it."""
    push(journal, line())
    devices = Devices(journal)
    assert (devices.key_of("front-door"), devices.name_of(KEY)) == (KEY, "front-door")
    assert read(journal, record()) == Tally(seen_before=1, by_other_door=1)


def test_a_renamed_device_keeps_its_punches(journal: Journal, path: Path) -> None:
    """Another name in the inventory begins no new device."""
    push(journal, line("1"))
    assert push(journal, line("1"), line("2"), name="gate") == Tally(first_seen=1, seen_before=1)
    assert look(path, "SELECT name FROM device") == [("gate",)]


@pytest.mark.parametrize("same", [False, True])
def test_another_terminal_by_a_known_name_is_held(journal: Journal, same: bool) -> None:
    """Another serial number for a known name is another terminal, and held until a person accepts it."""
    outbox, devices = JournalOutbox(journal, "main"), Devices(journal)
    push(journal, line("1"))
    for _ in range(2):
        push(journal, line("1"), line("2"), key="NEW1")
    assert outbox.counts() == Counts(punches=3, pending=1, held=2)
    assert (devices.accept_as_same if same else devices.accept)("front-door") == "NEW1"
    key = KEY if same else "NEW1"
    assert push(journal, line("1"), line("2"), line("3"), key="NEW1") == Tally(first_seen=1, seen_before=2)
    assert {event.id for event in pending(outbox)} == {
        punch_id(one, user, "2026-11-22T08:59:58")
        for one, user in [(KEY, "1"), (key, "1"), (key, "2"), (key, "3")]
    }


def test_a_repaired_terminal_with_two_doors(journal: Journal) -> None:
    """What the stranger showed by one door and the device by the other is one punch, and two are two."""
    outbox = JournalOutbox(journal, "main")
    push(journal, line("1"), line("2"))
    Devices(journal).meet_stranger("front-door", "NEW1")
    stranger = Visiting(journal, "front-door", "NEW1", DHAKA, held="another terminal")
    stranger.take(piece(record("1"), record("2", number=1), record("2", number=2), record("3")))
    Devices(journal).accept_as_same("front-door")
    assert [event.user_id for event in pending(outbox)] == ["1", "2", "3"]
    assert outbox.counts() == Counts(punches=6, pending=3, held=1, discarded=2)
    again = read(journal, record("1"), record("2", number=1), record("2", number=2), record("3"))
    assert (again.first_seen, again.same_second) == (0, 0)


def test_a_stranger_that_gets_a_name_of_its_own(journal: Journal) -> None:
    """What was held of it goes out, and nobody is told of a stranger any more."""
    outbox = JournalOutbox(journal, "main")
    push(journal, line("1"))
    push(journal, line("1"), key="NEW1")
    push(journal, line("1"), line("2"), name="gate", key="NEW1")
    assert outbox.counts() == Counts(punches=3, pending=3)
    with pytest.raises(WrongSerial, match="no other terminal"):
        Devices(journal).accept("front-door")


# --- what is made of it ---


def test_lists_and_exports_tell_the_door(journal: Journal) -> None:
    """A punch that was pushed is exported and explained like any other, by the door it came in."""
    push(journal, line("1001"))
    read(journal, record("1001"))
    (seen,) = sightings(journal, "1001", date(2026, 11, 22))
    (out,) = exported(journal, Wanted())
    assert (seen.source, out.event.source) == ("push", "push")


def test_a_raw_copy_is_proved_by_what_was_pushed(journal: Journal) -> None:
    """A copy's records are in the journal by whatever door; only what neither brought is put back."""
    push(journal, line("1"), line("2"))
    room = Restoring(journal, "front-door", KEY, DHAKA, source="pull")
    copy = piece(record("1"), record("2"), record("3"))
    assert room.compare(copy) == Comparison(in_journal=2, missing=1)
    assert Restoring(journal, "front-door", KEY, DHAKA, source="pull").add(copy).first_seen == 1
    assert Restoring(journal, "front-door", KEY, DHAKA, source="pull").compare(copy).proved


def test_a_batch_comes_in_within_a_transaction(journal: Journal) -> None:
    """Outside one, a punch could be journalled without its place in the outboxes."""
    visit(journal)
    with pytest.raises(RuntimeError, match="outside a transaction"):
        Intake(journal, "front-door", KEY, DHAKA, source="push").add(batch(line()))
