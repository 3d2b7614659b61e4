"""A visit's way in: what is new, what was seen before, what shares a second; all or nothing."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.journal.helpers import (
    DHAKA,
    KEY,
    START,
    Visiting,
    confirm,
    connection,
    odd,
    pending,
    piece,
    punch,
    punches,
    visit,
)
from tests.look import look
from zkpoll.errors import WrongSerial
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import HOLD_NOTHING, Holding
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.log import Reading, Slice, Watermark
from zkpoll.model.punch import punch_id
from zkpoll.model.sums import Counts, Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Punch


def test_first_reading(journal: Journal, path: Path) -> None:
    """Every record of a log never read is first seen, kept as the device shows it, and pending."""
    outbox = JournalOutbox(journal, "main")
    tally = visit(journal).take(piece(punch("1001", verify=15, state=4, work_code=7), punch("1002")))
    assert tally == Tally(first_seen=2)
    assert outbox.counts() == Counts(punches=2, pending=2)
    assert look(
        path, "SELECT user_id, timestamp, verify, state, work_code, device_name, source FROM punch"
    ) == [
        ("1001", "2026-11-22T08:59:58+06:00", 15, 4, 7, "front-door", "pull"),
        ("1002", "2026-11-22T08:59:58+06:00", 1, 0, 0, "front-door", "pull"),
    ]


def test_the_one_identity(journal: Journal, path: Path) -> None:
    """The journal stores the id that every machine computes for this punch."""
    visit(journal).take(piece(punch("1001")))
    assert look(path, "SELECT id FROM punch") == [("224c9c2b-8130-5e29-a627-3b68fe8961e9",)]


def test_reading_the_same_again(journal: Journal) -> None:
    """A log read twice adds nothing, and nothing becomes pending a second time."""
    outbox = JournalOutbox(journal, "main")
    log = piece(*punches(5))
    visit(journal).take(log)
    confirm(outbox, pending(outbox, 2))
    assert visit(journal).take(log) == Tally(seen_before=5)
    assert outbox.counts() == Counts(punches=5, pending=3, confirmed=2)


def test_exact_repeats(journal: Journal) -> None:
    """A record met twice in a visit is an exact repeat, in one slice or two; later it was seen before."""
    ledger = visit(journal)
    assert ledger.take(piece(punch(), punch())) == Tally(first_seen=1, exact_repeats=1)
    assert ledger.take(piece(punch(), end=3)) == Tally(exact_repeats=1)
    assert visit(journal).take(piece(punch(), punch())) == Tally(seen_before=2)


def test_same_second(journal: Journal) -> None:
    """Another punch of that user in that second is kept and held everywhere, for a person to see."""
    outboxes = [JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")]
    tally = visit(journal).take(piece(punch(verify=1), punch(verify=15), punch(state=1)))
    assert tally == Tally(first_seen=1, same_second=2)
    assert [outbox.counts() for outbox in outboxes] == [Counts(punches=3, pending=1, held=2)] * 2
    assert [[event.verify for event in pending(outbox)] for outbox in outboxes] == [[1], [1]]


@pytest.mark.parametrize("other", [punch(verify=2), punch(state=2), punch(work_code=2)])
def test_same_second_in_a_later_visit(journal: Journal, path: Path, other: Punch) -> None:
    """Whatever it is that tells two punches apart, neither takes the other's place."""
    visit(journal).take(piece(punch()))
    assert visit(journal).take(piece(punch(), other)) == Tally(seen_before=1, same_second=1)
    assert visit(journal).take(piece(punch(), other)) == Tally(seen_before=2)
    assert look(path, "SELECT nth, hold FROM punch ORDER BY seq") == [(1, None), (2, "same second")]
    first, second = (id_ for (id_,) in look(path, "SELECT id FROM punch ORDER BY seq"))
    assert (first, second) == tuple(punch_id(KEY, "1001", "2026-11-22T08:59:58", nth) for nth in (1, 2))
    assert look(path, "SELECT first_id FROM punch ORDER BY seq") == [(None,), (first,)]


def test_held_punches_say_why(journal: Journal, path: Path) -> None:
    """A held punch names its reason, a pending one has none."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch(verify=1), punch(verify=2)))
    assert look(path, "SELECT state, reason FROM outbox ORDER BY punch") == [
        ("pending", None),
        ("held", "same second"),
    ]


def test_another_number_is_another_record(journal: Journal, path: Path) -> None:
    """Records of one user and second that differ in their number alone are kept each: a clock stood still."""
    visit(journal).take(piece(punch(canonical=b"number 1")))
    more = piece(punch(canonical=b"number 2"), punch(canonical=b"number 3"))
    assert visit(journal).take(more) == Tally(same_second=2)
    assert visit(journal).take(more) == Tally(seen_before=2)
    assert look(path, "SELECT count(*) FROM punch") == [(3,)]


def test_another_number_in_one_visit_is_another_record(journal: Journal) -> None:
    """Within a slice, too, only equal bytes are a repeat."""
    tally = visit(journal).take(
        piece(punch(canonical=b"number 1"), punch(canonical=b"number 2"), punch(canonical=b"number 2"))
    )
    assert tally == Tally(first_seen=1, same_second=1, exact_repeats=1)


def test_a_new_layout_makes_no_new_punches(journal: Journal) -> None:
    """After an update of the firmware the same punch has longer records, and is the same punch."""
    first, held = punch(verify=1), punch(verify=2)
    visit(journal).take(piece(first, held))
    longer = [one._replace(canonical=one.canonical + b"\xff255".ljust(9, b"\0")) for one in (first, held)]
    assert visit(journal).take(piece(*longer, layout=49)) == Tally(seen_before=2)


def test_equal_content_in_one_layout_is_another_punch(journal: Journal) -> None:
    """The form a record says it has counts, not how long its bytes are."""
    visit(journal).take(piece(punch()))
    other = punch()._replace(canonical=b"of 49 bytes".ljust(49, b"\0"))
    assert visit(journal).take(piece(other)) == Tally(same_second=1)


def test_a_new_layout_may_tell_another_verify(journal: Journal, path: Path) -> None:
    """A punch in another form is known by its state: its first content stays, its bytes are known then."""
    visit(journal).take(piece(punch(verify=1), layout=16))
    longer = punch(verify=15, work_code=3)
    assert visit(journal).take(piece(longer)) == Tally(seen_before=1)
    assert visit(journal).take(piece(longer)) == Tally(seen_before=1)
    assert look(path, "SELECT verify, work_code, kinds FROM punch") == [(1, 0, 2 | 8)]
    assert look(path, "SELECT count(*) FROM form") == [(2,)]


def test_a_new_layout_swallows_no_other_state(journal: Journal) -> None:
    """A record of another state is another punch, in any form: an IN may not take the place of an OUT."""
    visit(journal).take(piece(punch(state=0), layout=16))
    assert visit(journal).take(piece(punch(state=1))) == Tally(same_second=1)


def test_of_several_punches_the_one_of_equal_content_comes_first(journal: Journal, path: Path) -> None:
    """Where a second holds several, a record in another form is the one whose content it has."""
    visit(journal).take(piece(punch(verify=1), punch(verify=2), layout=16))
    longer = piece(punch(verify=2, canonical=b"2"), punch(verify=1, canonical=b"1"), punch(canonical=b"3"))
    assert visit(journal).take(longer) == Tally(seen_before=2, same_second=1)
    shown = look(path, "SELECT substr(bytes, 1, 1), verify FROM form JOIN punch ON seq = form.punch")
    assert {(b"1", 1), (b"2", 2), (b"3", 1)} < set(shown)


# --- equal bytes ---

TWICE = Tally(exact_repeats=1, held_exact_repeats=1)


@pytest.mark.parametrize("layout", [8, 16, 22])
def test_without_a_number_a_reading_counts(journal: Journal, layout: int) -> None:
    """As often as a reading shows a record without a number, so many punches it is, however it is cut."""
    one = punch()
    ledger = visit(journal)
    assert ledger.take(piece(one, one, layout=layout)) == Tally(first_seen=1) + TWICE
    assert ledger.take(piece(one, layout=layout)) == TWICE
    ledger = visit(journal)
    assert ledger.take(piece(one, layout=layout)) == Tally(seen_before=1)
    assert ledger.take(piece(one, one, layout=layout)) == Tally(seen_before=2)
    assert ledger.take(piece(one, one, layout=layout)) == Tally(exact_repeats=2, held_exact_repeats=2)


@pytest.mark.parametrize("layout", [8, 16, 22, 40, 49])
def test_a_place_proves_equal_bytes_new(journal: Journal, path: Path, layout: int) -> None:
    """Behind what is known, equal bytes are another punch; with a number they are one in each reading."""
    JournalOutbox(journal, "main")
    one = punch()
    visit(journal).take(piece(one, layout=layout))
    new = piece(one, one, layout=layout, proved_new=True)
    numbered = layout in {40, 49}
    expected = TWICE + (Tally(exact_repeats=1) if numbered else TWICE)
    looked = visit(journal).sort(new)
    assert (looked.tally, looked.to_send) == (expected, [])
    assert visit(journal).take(new) == expected
    assert look(path, "SELECT state, reason FROM outbox ORDER BY punch")[1:] == [("held", "exact repeat")] * (
        1 if numbered else 2
    )


def test_a_suspect_clock_is_told(journal: Journal, path: Path) -> None:
    """Where the clock cannot have been right, equal bytes are another day, not a press stored twice."""
    old = punch()._replace(time=datetime(2000, 1, 1, 0, 5))
    assert visit(journal).take(piece(old, old, layout=16)) == Tally(
        first_seen=1, same_second=1, clock_repeats=1
    )
    off = replace(piece(punch("2"), punch("2"), layout=16), drift=100_000)
    assert visit(journal).take(off).clock_repeats == 1
    assert look(path, "SELECT hold, clock_suspect FROM punch WHERE nth > 1") == [("same second", 1)] * 2


def test_a_slot_that_changed_hands_behind_a_proven_tail(journal: Journal, path: Path) -> None:
    """Equal bytes that are proved new are whose the user table says by now; they wait for a person."""
    visit(journal).take(piece(punch("1001", canonical=b"slot 5"), layout=8))
    new = piece(punch("2002", canonical=b"slot 5"), layout=8, proved_new=True)
    assert visit(journal).take(new) == TWICE
    assert look(path, "SELECT user_id, nth, first_id, hold FROM punch ORDER BY seq") == [
        ("1001", 1, None, None),
        ("2002", 1, None, "exact repeat"),
    ]
    gone = piece(odd(b"slot 5"), layout=8, proved_new=True)
    assert visit(journal).take(gone) == Tally(quarantined=1, newly_quarantined=1)


def test_bytes_known_under_another_id_undo_nothing(journal: Journal, path: Path) -> None:
    """A slice that is all new but for one record's bytes keeps each punch once."""
    visit(journal).take(piece(punch("1001", canonical=b"slot 5")))
    more = piece(*punches(20), punch("2002", canonical=b"slot 5"))
    assert visit(journal).take(more) == Tally(first_seen=20, seen_before=1)
    assert look(path, "SELECT count(*), (SELECT count(*) FROM form) FROM punch") == [(21, 21)]


def test_records_and_progress_are_kept_together(journal: Journal, path: Path) -> None:
    """What goes wrong before the caller's transaction ends leaves nothing of a slice; it comes again."""
    outbox, ledger = JournalOutbox(journal, "main"), visit(journal)
    with suppress(KeyboardInterrupt), journal.transaction():
        ledger.intake.add(piece(punch(), odd(b"x")))
        raise KeyboardInterrupt
    assert look(path, "SELECT seq FROM punch UNION ALL SELECT 1 FROM quarantine") == []
    assert ledger.watermark() is None
    assert ledger.take(piece(punch(), odd(b"x"))) == Tally(1, quarantined=1, newly_quarantined=1)
    assert outbox.counts() == Counts(punches=1, pending=1)


def test_records_come_in_within_a_transaction(journal: Journal, path: Path) -> None:
    """Outside one, a punch could be journalled without its place in the outboxes."""
    ledger = visit(journal)
    with pytest.raises(RuntimeError, match="outside a transaction"):
        ledger.intake.add(piece(punch()))
    assert look(path, "SELECT count(*) FROM punch") == [(0,)]


def test_only_what_was_inserted_goes_into_the_outboxes(journal: Journal, path: Path) -> None:
    """A punch that another writer journals at the same time is left to that writer, whatever its number."""
    JournalOutbox(journal, "main")
    ledger = visit(journal)
    other = ("x", 1, None, 1, "x", "x", "x", 0, 0, 0, 0, 0, "x", None, 0, "x")
    with journal.transaction():
        with journal.savepoint():
            others = journal.insert_all("add_punch", [other])
        ledger.intake.add(piece(punch()))
    assert [*others] == [1]
    assert look(path, "SELECT punch FROM outbox") == [(2,)]


def test_what_is_in_quarantine_stays_there(journal: Journal) -> None:
    """A record that nobody could believe is not somebody's punch once another user table is read."""
    outbox = JournalOutbox(journal, "main")
    record = punch("1005", canonical=b"slot 5")
    visit(journal).take(piece(odd(record.canonical, "its slot is not in the user table")))
    again = visit(journal).take(piece(record._replace(user_id="2222"), punch("1")))
    assert again == Tally(first_seen=1, quarantined=1)
    assert [event.user_id for event in pending(outbox)] == ["1"]


def test_a_known_record_keeps_its_identity(journal: Journal, path: Path) -> None:
    """Once journalled, a record is nobody else's punch, whatever user table it is read with later."""
    before = "SELECT id, user_id FROM punch"
    visit(journal).take(piece(punch("1001", canonical=b"slot 5")))
    kept = look(path, before)
    assert visit(journal).take(piece(punch("2002", canonical=b"slot 5"))) == Tally(seen_before=1)
    assert look(path, before) == kept


def test_the_same_bytes_of_another_device(journal: Journal) -> None:
    """Two terminals that show the same bytes show two punches."""
    visit(journal).take(piece(punch()))
    assert visit(journal, "warehouse", "OTHER1").take(piece(punch())) == Tally(first_seen=1)


def test_a_punch_stays_one_when_its_slot_is_nobodys(journal: Journal, path: Path) -> None:
    """A record that names the slot of somebody deleted since is the punch it was, not an impossible one."""
    known = punch()
    visit(journal).take(piece(known))
    later = piece(odd(known.canonical, "slot 7 is nobody's"), odd(b"other"))
    assert visit(journal).sort(later).tally == Tally(seen_before=1, quarantined=1)
    assert visit(journal).take(later) == Tally(seen_before=1, quarantined=1, newly_quarantined=1)
    assert len(look(path, "SELECT raw FROM quarantine")) == 1


def test_quarantine(journal: Journal, path: Path) -> None:
    """Bytes nobody can believe are kept once, raw, and counted whenever they are read."""
    JournalOutbox(journal, "main")
    log = piece(odd(b"a"), punch(), odd(b"a"), odd(b"b"))
    assert visit(journal).take(log) == Tally(first_seen=1, quarantined=3, newly_quarantined=2)
    assert visit(journal).take(log) == Tally(seen_before=1, quarantined=3)
    assert look(path, "SELECT raw, reason FROM quarantine") == [
        (b"a".ljust(40, b"\0"), "no such date"),
        (b"b".ljust(40, b"\0"), "no such date"),
    ]
    assert look(path, "SELECT count(*) FROM outbox") == [(1,)]


def test_the_offset_is_fixed_when_journalled(journal: Journal) -> None:
    """Another time zone in the inventory changes what comes, not what was."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    tally = visit(journal, zone=ZoneInfo("Europe/Berlin")).take(piece(punch(), punch("1002")))
    assert tally == Tally(first_seen=1, seen_before=1)
    assert [event.timestamp for event in pending(outbox)] == [
        "2026-11-22T08:59:58+06:00",
        "2026-11-22T08:59:58+01:00",
    ]


# --- the watermark ---


def test_no_watermark_before_the_first_reading(journal: Journal) -> None:
    """Of a device never read, nothing is presumed."""
    assert visit(journal).watermark() is None
    assert Visiting(journal, "unmet", "UNMET", DHAKA).watermark() is None


def test_the_watermark_is_the_last_slices_end(journal: Journal) -> None:
    """The proof is what the last slice ended with, quarantined bytes included."""
    ledger = visit(journal)
    ledger.take(piece(*punches(20)))
    last = piece(punch("x"), odd(b"y"), end=22)
    ledger.take(last)
    assert ledger.watermark() == last.mark
    assert visit(journal).watermark() == last.mark


@pytest.mark.parametrize("layout", [0, 40])
def test_an_empty_log(journal: Journal, layout: int) -> None:
    """A log that was found empty is covered by a watermark, also after it held something."""
    visit(journal).take(piece(punch()))
    ledger = visit(journal)
    assert ledger.take(Slice((), (), Watermark(layout, 0, ()), form=None)) == Tally()
    assert ledger.watermark() == Watermark(layout, 0, ())


def test_sorting_writes_nothing(journal: Journal, path: Path) -> None:
    """A dry run names what is new and leaves the journal as it is."""
    ledger = visit(journal)
    found = ledger.sort(piece(punch(), punch(), punch(verify=2), odd(b"x")))
    assert found.tally == Tally(first_seen=1, exact_repeats=1, same_second=1, quarantined=1)
    assert [new.hold for new in found.new] == [None, "same second"]
    assert found.new[1].first_id == found.new[0].event.id != found.new[1].event.id
    assert look(path, "SELECT (SELECT count(*) FROM punch) + (SELECT count(*) FROM quarantine)") == [(0,)]
    assert ledger.watermark() is None


# --- the devices ---


def test_a_device_keeps_its_key(journal: Journal) -> None:
    """What was told at first contact is there at the next; of others nothing is known."""
    devices = Devices(journal)
    devices.meet("front-door", KEY)
    assert (devices.key_of("front-door"), devices.name_of(KEY)) == (KEY, "front-door")
    assert (devices.key_of("warehouse"), devices.name_of("OTHER1")) == (None, None)


def test_a_renamed_device_keeps_its_punches(journal: Journal, path: Path) -> None:
    """A new name in the inventory begins no new log; what is journalled keeps the old name."""
    visit(journal, "front-door").take(piece(punch("1")))
    assert visit(journal, "gate").take(piece(punch("1"), punch("2"))) == Tally(first_seen=1, seen_before=1)
    assert Devices(journal).key_of("front-door") is None
    assert look(path, "SELECT device_name FROM punch ORDER BY seq") == [("front-door",), ("gate",)]


# --- side by side ---


def in_threads(*tasks: Callable[[], None]) -> None:
    """Run all `tasks` at once and raise the first failure."""
    failures: list[BaseException] = []

    def guarded(task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def reading(journal: Journal, name: str) -> Callable[[], None]:
    """Return a visit of forty slices with five punches each."""

    def read() -> None:
        ledger = visit(journal, name, name)
        for number in range(40):
            ledger.take(piece(*punches(5, first=5 * number), end=5 * (number + 1)))

    return read


def delivering(journal: Journal, expected: int) -> Callable[[], None]:
    """Return a delivery that goes on until so many punches are confirmed."""

    def deliver() -> None:
        outbox, confirmed, began = JournalOutbox(journal, "main"), 0, time.monotonic()
        while confirmed < expected:
            assert time.monotonic() < began + 30
            events = pending(outbox, 30)
            confirm(outbox, events)
            confirmed += len(events)
            assert outbox.counts().difference == 0

    return deliver


def test_two_devices_and_a_dashboard_at_once(journal: Journal) -> None:
    """Threads that share the journal neither lose, double nor mix up anything."""
    outbox = JournalOutbox(journal, "main")
    in_threads(reading(journal, "a"), reading(journal, "b"), delivering(journal, 400))
    assert outbox.counts() == Counts(punches=400, confirmed=400)


def test_two_runs_at_once(journal: Journal, path: Path) -> None:
    """Neither do two runs, each with its own connection; the sums come out at every moment."""
    outbox = JournalOutbox(journal, "main")
    with open_journal(path) as other:
        in_threads(reading(journal, "a"), reading(other, "b"), delivering(journal, 400))
    assert outbox.counts() == Counts(punches=400, confirmed=400)


READING = Reading(40, 30, 8, 200, 50_000, 1.5, whole=True, before=22, continued=True)


def test_when_a_log_was_last_read_whole(journal: Journal) -> None:
    """The first reading to the end counts as whole; later ones only if they were."""
    devices = Devices(journal)
    ledger = visit(journal)
    ledger.take(piece(punch()))
    assert devices.newest_reading() is None
    devices.note_reading(KEY, replace(READING, whole=False))
    first = whole_at(ledger)
    time.sleep(0.01)
    devices.note_reading(KEY, replace(READING, whole=False))
    assert whole_at(ledger) == first
    devices.note_reading(KEY, READING)
    assert whole_at(ledger) > first
    assert devices.newest_reading() == whole_at(ledger)


def whole_at(ledger: Visiting) -> datetime:
    """Return when all of the log was last read."""
    mark = ledger.watermark()
    assert mark is not None
    assert mark.whole_at is not None
    return mark.whole_at


def test_going_over_the_old_part_moves_no_watermark(journal: Journal) -> None:
    """A slice without a mark keeps its punches and leaves the watermark where it was."""
    ledger = visit(journal)
    kept = piece(*punches(20))
    ledger.take(kept)
    assert ledger.take(replace(piece(punch("x")), mark=None)) == Tally(first_seen=1)
    assert ledger.watermark() == kept.mark


def test_a_suspect_clock_is_flagged(journal: Journal) -> None:
    """What a clock stamped that cannot have been right is flagged, and pending like everything else."""
    outbox = JournalOutbox(journal, "main")
    ledger = visit(journal)
    ledger.take(replace(piece(punch("1")), drift=100_000.0))
    ledger.take(piece(punch("2")._replace(time=datetime(2000, 1, 1))))
    ledger.take(replace(piece(punch("3")), drift=60.0))
    assert {event.user_id: event.clock_suspect for event in pending(outbox)} == {
        "1": True, "2": True, "3": False,
    }  # fmt: skip


# --- what is held ---

OUTBOX = "SELECT user_id, outbox.state, reason FROM outbox JOIN punch ON seq = punch ORDER BY seq"
SINCE = Holding(since=START)
MINUTE = Holding(repeat_within=60)
HELD_OR_NOT = "SELECT hold FROM punch ORDER BY seq"


def test_a_first_reading_has_a_starting_line(journal: Journal, path: Path) -> None:
    """What is older than `since` is journalled, first seen and held, and says why; the rest is pending."""
    outbox = JournalOutbox(journal, "main")
    tally = visit(journal, holding=SINCE).take(piece(punch("1", -1), punch("2", 0)))
    assert tally == Tally(first_seen=2, held_since=1)
    assert outbox.counts() == Counts(punches=2, pending=1, held=1)
    assert look(path, OUTBOX) == [("1", "held", "since"), ("2", "pending", None)]
    assert look(path, HELD_OR_NOT) == [("since",), (None,)]


def test_a_first_reading_lasts_until_the_logs_end(journal: Journal) -> None:
    """A reading that broke off goes on as the first one; what is appended after it goes out, however old."""
    visit(journal, holding=SINCE).take(piece(punch("1", -9)))
    assert visit(journal, holding=SINCE).take(piece(punch("2", -8))).held_since == 1
    Devices(journal).note_reading(KEY, READING)
    assert visit(journal, holding=SINCE).take(piece(punch("3", -7))) == Tally(first_seen=1)


def test_repeats_are_held_over_slices_and_visits(journal: Journal, path: Path) -> None:
    """A repeat is held wherever the log was cut, and a first reading's end changes nothing about it."""
    outbox = JournalOutbox(journal, "main")
    ledger = visit(journal, holding=MINUTE)
    assert ledger.take(piece(punch("1", 0), punch("1", 50))) == Tally(first_seen=2, held_repeats=1)
    assert ledger.take(piece(punch("1", 55), punch("2", 55))) == Tally(first_seen=2, held_repeats=1)
    Devices(journal).note_reading(KEY, READING)
    later = piece(punch("1", 58), punch("1", 61), punch("2", 61, state=1))
    assert visit(journal, holding=MINUTE).take(later) == Tally(first_seen=3, held_repeats=1)
    assert [event.timestamp[14:19] for event in pending(outbox)] == ["59:58", "00:53", "00:59", "00:59"]
    holds = [hold for (hold,) in look(path, HELD_OR_NOT)]
    assert holds == [None, "repeat", "repeat", None, "repeat", None, None]
    assert outbox.counts() == Counts(punches=7, pending=4, held=3)


def test_what_is_held_is_decided_once(journal: Journal, path: Path) -> None:
    """Reading a log again under other settings neither sends what was held nor holds what was not."""
    JournalOutbox(journal, "main")
    log = piece(punch("1", 0), punch("1", 50), punch("1", 100))
    visit(journal, holding=MINUTE).take(log)
    before = look(path, OUTBOX)
    assert [state for _, state, _ in before] == ["pending", "held", "pending"]
    for holding in (Holding(), Holding(START.replace(year=2030), 3600)):
        assert visit(journal, holding=holding).take(log) == Tally(seen_before=3)
    assert look(path, OUTBOX) == before


def test_repeats_among_records_that_are_known(journal: Journal) -> None:
    """Where a log is read again, only what is new in it is measured, by what was kept last."""
    visit(journal, holding=MINUTE).take(piece(punch("1", 0)))
    again = piece(punch("1", 0), punch("1", 50), punch("1", 50), punch("1", 61))
    assert visit(journal, holding=MINUTE).take(again) == Tally(2, 1, 1, held_repeats=1)


def test_the_same_second_is_no_measure(journal: Journal, path: Path) -> None:
    """What waits for a person already is not held for another reason, and hides no punch after it."""
    JournalOutbox(journal, "main")
    log = piece(punch("1", 0), punch("1", 0, state=1), punch("1", 30, state=1), punch("1", 30))
    tally = visit(journal, holding=MINUTE).take(log)
    assert tally == Tally(first_seen=2, same_second=2)
    assert look(path, OUTBOX) == [
        ("1", "pending", None), ("1", "held", "same second"),
        ("1", "pending", None), ("1", "held", "same second"),
    ]  # fmt: skip


IN_TWICE_THEN_OUT = [punch("1", 0), punch("1", 30), punch("1", 30, state=1)]
"""Two INs, and the OUT in the second of the repeat."""


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("visits", [1, 2])
def test_a_repeat_keeps_no_second_from_another_state(journal: Journal, cut: int, visits: int) -> None:
    """An OUT is sent though a held repeat of the IN has its second, wherever the log was cut."""
    outbox = JournalOutbox(journal, "main")
    ledger = visit(journal, holding=MINUTE)
    tally = ledger.take(piece(*IN_TWICE_THEN_OUT[:cut]))
    ledger = visit(journal, holding=MINUTE) if visits > 1 else ledger
    tally += ledger.take(piece(*IN_TWICE_THEN_OUT[cut:]))
    assert tally == Tally(first_seen=3, held_repeats=1)
    sent = pending(outbox)
    assert [(event.timestamp[14:19], event.state) for event in sent] == [("59:58", 0), ("00:28", 1)]
    assert sent[1].id == punch_id(KEY, "1", "2026-11-22T09:00:28", 2)
    assert visit(journal, holding=MINUTE).take(piece(*IN_TWICE_THEN_OUT)) == Tally(seen_before=3)


def test_it_keeps_none_under_other_settings(journal: Journal) -> None:
    """So it is where repeats are not held any more when the OUT is read."""
    outbox = JournalOutbox(journal, "main")
    visit(journal, holding=MINUTE).take(piece(*IN_TWICE_THEN_OUT[:2]))
    assert visit(journal).take(piece(*IN_TWICE_THEN_OUT)) == Tally(first_seen=1, seen_before=2)
    assert [event.state for event in pending(outbox)] == [0, 1]


def test_what_shares_the_second_of_a_repeat(journal: Journal, path: Path) -> None:
    """One of another state is sent and measures what follows; one that repeats, and all after, are held."""
    JournalOutbox(journal, "main")
    log = [
        punch("1", 0), punch("1", 30), punch("1", 30, verify=15),  # another IN: not sent, and told
        punch("1", 30, state=1), punch("1", 30, state=1, verify=15), punch("1", 30, state=4),
        punch("1", 50, state=1),
    ]  # fmt: skip
    tally = visit(journal, holding=MINUTE).take(piece(*log))
    assert tally == Tally(first_seen=4, same_second=3, held_repeats=2)
    assert [hold for (hold,) in look(path, HELD_OR_NOT)] == [
        None, "repeat", "same second", None, "same second", "same second", "repeat",
    ]  # fmt: skip


def test_a_suspect_clock_lets_none_go(journal: Journal, path: Path) -> None:
    """What a clock stamped that cannot have been right stays held, beside whatever it lies."""
    JournalOutbox(journal, "main")
    visit(journal, holding=MINUTE).take(piece(*IN_TWICE_THEN_OUT[:2]))
    far_off = replace(piece(*IN_TWICE_THEN_OUT), drift=100_000)
    assert visit(journal, holding=MINUTE).take(far_off) == Tally(seen_before=2, same_second=1)
    assert look(path, HELD_OR_NOT) == [(None,), ("repeat",), ("same second",)]


def test_each_device_has_its_own_repeats(journal: Journal) -> None:
    """Who punches at one door and then at another has punched twice."""
    visit(journal, holding=MINUTE).take(piece(punch("1", 0)))
    assert visit(journal, "warehouse", "OTHER1", holding=MINUTE).take(piece(punch("1", 9))).held_repeats == 0


def test_sorting_holds_what_taking_holds(journal: Journal, path: Path) -> None:
    """A dry run names as held what a real one would hold, over all its slices, and leaves no trace of it."""
    visit(journal, holding=MINUTE).take(piece(punch("1", 0)))
    ledger = visit(journal, holding=replace(MINUTE, since=START))
    slices = [
        piece(punch("2", -1), punch("1", 50)), piece(punch("1", 100)), piece(punch("1", 160)),
        piece(punch("1", 160, state=1)), piece(punch("1", 160, state=4)),
    ]  # fmt: skip
    dry = [ledger.sort(one) for one in slices]
    assert [[event.user_id for event in found.to_send] for found in dry] == [[], ["1"], [], ["1"], []]
    assert look(path, "SELECT count(*), max(timestamp) FROM last_kept") == [(1, "2026-11-22T08:59:58+06:00")]
    real = visit(journal, holding=replace(MINUTE, since=START))
    assert [found.tally for found in dry] == [real.take(one) for one in slices]


def test_holding_costs_one_look_up_a_slice(journal: Journal) -> None:
    """Without the setting nothing is asked or noted; with it, once a slice, however many punches it has."""
    statements: list[str] = []
    visit(journal).take(piece(*punches(8)))
    ledgers = visit(journal), visit(journal, holding=MINUTE)
    connection(journal).set_trace_callback(statements.append)
    ledgers[0].take(piece(*punches(100, first=100)))
    assert not [statement for statement in statements if "last_kept" in statement]
    ledgers[1].take(piece(*punches(200, first=100)))
    connection(journal).set_trace_callback(None)
    assert len([statement for statement in statements if "CROSS JOIN last_kept" in statement]) == 1


# --- strangers ---


def stranger(journal: Journal, holding: Holding = HOLD_NOTHING) -> Visiting:
    """Begin a visit to a terminal that answers where the front door's belongs."""
    Devices(journal).meet("front-door", KEY)
    Devices(journal).meet_stranger("front-door", "NEW1")
    return Visiting(journal, "front-door", "NEW1", DHAKA, held=STRANGER, holding=holding)


def test_a_strangers_punches_are_kept_and_held(journal: Journal) -> None:
    """Nothing of a terminal that answers in another one's place is delivered, or lost."""
    outbox = JournalOutbox(journal, "main")
    stranger(journal).take(piece(*punches(5)))
    assert pending(outbox) == []
    assert outbox.counts() == Counts(punches=5, held=5)
    assert Devices(journal).key_of("front-door") == KEY


def test_an_accepted_stranger_is_the_device_from_now_on(journal: Journal) -> None:
    """Accepting a new terminal releases its punches under its own number; the old one keeps its own."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("old")))
    stranger(journal).take(piece(punch("new")))
    assert Devices(journal).accept("front-door") == "NEW1"
    assert Devices(journal).key_of("front-door") == "NEW1"
    assert [(event.user_id, event.serial_number) for event in pending(outbox)] == [
        ("old", KEY), ("new", "NEW1"),
    ]  # fmt: skip


def test_a_repaired_terminal_is_the_device_it_was(journal: Journal) -> None:
    """Accepting the same terminal keeps its key; what was held is read again under it, and sent once."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1")))
    stranger(journal).take(piece(punch("1"), punch("2")))
    devices = Devices(journal)
    assert devices.accept_as_same("front-door") == "NEW1"
    assert devices.aliases("front-door") == {"NEW1"}
    assert devices.key_of("front-door") == KEY
    assert [(event.user_id, event.serial_number) for event in pending(outbox)] == [("1", KEY), ("2", KEY)]
    assert [event.id for event in pending(outbox)] == [
        punch_id(KEY, user, "2026-11-22T08:59:58") for user in ("1", "2")
    ]
    assert outbox.counts() == Counts(punches=3, pending=2, discarded=1)
    assert visit(journal).take(piece(punch("1"), punch("2"))) == Tally(seen_before=2)


@pytest.mark.parametrize("accept", [Devices.accept, Devices.accept_as_same])
def test_an_accepted_strangers_held_punches_stay_held(
    journal: Journal, path: Path, accept: Callable[[Devices, str], str]
) -> None:
    """A stranger has a first reading of its own; what its settings hold is held for that once accepted."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)
    Devices(journal).note_reading(KEY, READING)
    holding = replace(SINCE, repeat_within=60)
    log = piece(punch("1", -1), punch("2", 0), punch("2", 9), punch("3"), punch("3", verify=2))
    assert stranger(journal, holding).take(log) == Tally(4, same_second=1, held_since=1, held_repeats=1)
    waiting = ["another terminal"] * 4 + ["same second"]
    assert [(state, reason) for _, state, reason in look(path, OUTBOX)] == [("held", why) for why in waiting]
    accept(Devices(journal), "front-door")
    assert look(path, OUTBOX) == [
        ("1", "held", "since"), ("2", "pending", None), ("2", "held", "repeat"), ("3", "pending", None),
        ("3", "held", "same second"),
    ]  # fmt: skip
    assert outbox.counts() == Counts(punches=5, pending=2, held=3)


def test_a_stranger_cannot_be_what_was_never_read(journal: Journal) -> None:
    """A device that was never read under its own number has nothing for another number to stand for."""
    JournalOutbox(journal, "main")
    Devices(journal).meet_stranger("front-door", "NEW1")
    with pytest.raises(WrongSerial, match="serial:"):
        Devices(journal).accept_as_same("front-door")


def test_a_terminal_that_is_back_in_its_place_is_released(journal: Journal) -> None:
    """When addresses are put right, what was held of a terminal we know goes out."""
    outbox = JournalOutbox(journal, "main")
    visit(journal, "warehouse", "NEW1")
    stranger(journal).take(piece(punch("1")))
    assert pending(outbox) == []
    visit(journal, "warehouse", "NEW1")
    assert [event.user_id for event in pending(outbox)] == ["1"]


@pytest.mark.parametrize("accept", [Devices.accept, Devices.accept_as_same])
def test_there_must_be_a_stranger_to_accept(journal: Journal, accept: Callable[[Devices, str], str]) -> None:
    """Where no other terminal was seen, there is nothing to accept, and nothing changes."""
    visit(journal)
    with pytest.raises(WrongSerial, match="front-door"):
        accept(Devices(journal), "front-door")
    assert Devices(journal).key_of("front-door") == KEY


def test_a_look_remembers_the_slices_before(journal: Journal) -> None:
    """A dry run sorts a log that comes in several slices as the run that journals it."""
    slices = [piece(punch("1"), punch("2", 5)), piece(punch("1"), punch("1", verify=9), punch("3", 7))]
    looking = visit(journal)
    looked = [looking.sort(one).tally for one in slices]
    taking = visit(journal)
    assert looked == [taking.take(one) for one in slices]
    assert (looked[1].exact_repeats, looked[1].same_second, looked[1].first_seen) == (1, 1, 1)
