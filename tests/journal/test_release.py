"""Records that leave quarantine: once, with their place in every outbox, and found again as what they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import (
    DHAKA,
    KEY,
    START,
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
from zkpoll.journal import prune, quarantine
from zkpoll.journal.clearance import Clearance, Unsettled
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import HOLD_NOTHING, Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.log import Reading
from zkpoll.model.punch import ANOTHERS, NOBODYS
from zkpoll.model.sums import Counts, Tally
from zkpoll.pull.layouts import Doubt

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Slice
    from zkpoll.model.punch import Punch

READING = Reading(40, 1, 0, 1, None, 0.0, whole=True, before=0, continued=False)
UNKNOWN = "unknown state"


def raw_of(record: Punch) -> bytes:
    """Return a record as its terminal shows it: with a tail that means nothing."""
    return record.canonical[:32] + b"oldmemry"


def set_aside(*records: Punch, reason: str = UNKNOWN) -> Slice:
    """Return a log that an older zkpoll could not believe."""
    return piece(*(odd(raw_of(one), reason) for one in records))


def release(
    journal: Journal, *records: Punch, holding: Holding = HOLD_NOTHING, drift: float | None = None
) -> Tally:
    """Release records, as a visit does."""
    intake = Intake(journal, "front-door", KEY, DHAKA, source="pull", holding=holding, late=True)
    with journal.transaction():
        return quarantine.release(journal, KEY, intake, {raw_of(one): one for one in records}, drift)


def test_the_reason_is_the_decoders() -> None:
    """What the journal keeps for a person is what the decoder calls by that name."""
    assert Doubt.NO_SLOT.value == str(NOBODYS)


def test_what_is_believed_is_a_punch(journal: Journal, path: Path) -> None:
    """It is journalled under the id it would have had, is pending, and is in quarantine no more."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001"), punch("1002")))
    assert quarantine.to_be_judged(journal, KEY) == [raw_of(punch("1001")), raw_of(punch("1002"))]
    assert release(journal, punch("1001"), punch("1002")) == Tally(first_seen=2)
    assert [event.user_id for event in pending(outbox)] == ["1001", "1002"]
    assert pending(outbox)[0].id == "224c9c2b-8130-5e29-a627-3b68fe8961e9"
    assert quarantine.quarantined(journal) == []
    assert outbox.counts() == Counts(punches=2, pending=2)
    assert release(journal, punch("1001")) == Tally()
    assert look(path, "SELECT count(*) FROM punch") == [(2,)]


def test_it_is_known_when_it_is_read_again(journal: Journal) -> None:
    """The same record is seen before in every later reading, and its watermark still proves its place."""
    visiting = visit(journal)
    visiting.take(set_aside(punch("1001"), punch("1002")))
    release(journal, punch("1001"), punch("1002"))
    assert visit(journal).take(piece(punch("1001"), punch("1002"))) == Tally(seen_before=2)
    mark = visiting.watermark()
    assert mark is not None
    assert mark.tail == (punch("1001").canonical, punch("1002").canonical)


def test_the_watermark_knows_its_new_bytes(journal: Journal) -> None:
    """The last records of the log are found where they were, so that only what is new is read."""
    visiting = visit(journal)
    visiting.take(piece(punch("1"), odd(raw_of(punch("2")), UNKNOWN), odd(b"never")))
    release(journal, punch("2"))
    mark = visiting.watermark()
    assert mark is not None
    assert (mark.count, mark.tail) == (3, (punch("1").canonical, punch("2").canonical, odd(b"never").raw))


def test_one_record_with_two_tails_is_one_punch(journal: Journal) -> None:
    """Bytes that mean nothing make no second punch of a record."""
    outbox = JournalOutbox(journal, "main")
    one = punch("1001")
    other = one.canonical[:32] + b"other..."
    visit(journal).take(piece(odd(raw_of(one), UNKNOWN), odd(other, UNKNOWN)))
    intake = Intake(journal, "front-door", KEY, DHAKA, source="pull", late=True)
    with journal.transaction():
        tally = quarantine.release(journal, KEY, intake, {raw_of(one): one, other: one})
    assert tally == Tally(first_seen=1, exact_repeats=1)
    assert quarantine.quarantined(journal) == []
    assert outbox.counts().punches == 1


def test_what_was_accepted_is_released(journal: Journal) -> None:
    """A person accepted that it is never sent because nobody could read it; by now somebody can."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001")))
    quarantine.accept(journal, quarantine.quarantined(journal))
    assert release(journal, punch("1001")) == Tally(first_seen=1)
    assert len(pending(outbox)) == 1


@pytest.mark.parametrize("reason", [NOBODYS, ANOTHERS])
def test_what_waits_for_a_person_is_not_judged(journal: Journal, reason: str) -> None:
    """Whose it is no later reading tells, nor does a line that was pushed belong to a log."""
    visit(journal).take(set_aside(punch("1001"), reason=reason))
    push(journal, replace(odd(b""), raw=b"push\nrubbish"))
    assert quarantine.to_be_judged(journal, KEY) == []


def test_read_again_before_it_is_released(journal: Journal) -> None:
    """A reading that believes a record takes it out of quarantine in the same transaction."""
    outbox = JournalOutbox(journal, "main")
    plain = punch("1001")
    visit(journal).take(piece(odd(plain.canonical, UNKNOWN)))
    assert visit(journal).sort(piece(plain)).tally == Tally(first_seen=1)
    assert visit(journal).take(piece(plain)) == Tally(first_seen=1)
    assert quarantine.quarantined(journal) == []
    assert outbox.counts() == Counts(punches=1, pending=1)


def test_read_again_with_its_tail(journal: Journal) -> None:
    """One that was journalled as its reading believed it leaves quarantine as seen before."""
    visit(journal).take(set_aside(punch("1001")))
    assert visit(journal).take(piece(punch("1001"))) == Tally(first_seen=1)
    assert release(journal, punch("1001")) == Tally(seen_before=1)
    assert quarantine.quarantined(journal) == []


def test_another_door_had_shown_it(journal: Journal) -> None:
    """The punch that was pushed is the one, in an equal state."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001")))
    push(journal, line("1001"))
    assert release(journal, punch("1001")) == Tally(seen_before=1, by_other_door=1)
    assert outbox.counts().punches == 1


def test_one_of_a_second_that_is_taken_is_held(journal: Journal) -> None:
    """It is sorted as every record is: a further one of a person and second waits for a person."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001"), odd(raw_of(punch("1001", state=10)), UNKNOWN)))
    assert release(journal, punch("1001", state=10)) == Tally(same_second=1)
    assert outbox.counts() == Counts(punches=2, pending=1, held=1)


def test_the_starting_line_counts(journal: Journal) -> None:
    """What is older than since: is held, though the device was read long ago."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001"), punch("1002", 60)))
    with journal.transaction():
        Devices(journal).note_reading(KEY, READING)
    holding = Holding(since=START + timedelta(seconds=30))
    assert release(journal, punch("1001"), punch("1002", 60), holding=holding) == Tally(
        first_seen=2, held_since=1
    )
    assert [event.user_id for event in pending(outbox)] == ["1002"]


def test_repeats_among_them_are_held_and_measure_nothing_later(journal: Journal) -> None:
    """Of two presses one is held; what came since is still measured by what came just before it."""
    holding = Holding(repeat_within=60)
    visit(journal, holding=holding).take(piece(punch("1", 1000), odd(raw_of(punch("1")), UNKNOWN)))
    visit(journal).take(piece(odd(raw_of(punch("1", 30)), UNKNOWN)))
    found = release(journal, punch("1", 30), punch("1"), holding=holding)
    assert found == Tally(first_seen=2, held_repeats=1)
    later = visit(journal, holding=holding).take(piece(punch("1", 1030)))
    assert later == Tally(first_seen=1, held_repeats=1)


def test_a_clock_that_cannot_be_right_is_doubted(journal: Journal, path: Path) -> None:
    """One from the year 2000 is flagged, as is what a clock shows that is days off."""
    early = punch("1001")._replace(time=datetime(2000, 1, 1, 8))
    visit(journal).take(set_aside(early, punch("1002")))
    release(journal, early)
    release(journal, punch("1002"), drift=1e6)
    assert look(path, "SELECT clock_suspect FROM punch") == [(1,), (1,)]


def test_an_error_leaves_it_in_quarantine(journal: Journal) -> None:
    """A transaction that is undone has neither journalled nor released anything."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001")))
    intake = Intake(journal, "front-door", KEY, DHAKA, source="pull", late=True)

    def killed() -> None:
        with journal.transaction():
            quarantine.release(journal, KEY, intake, {raw_of(punch("1001")): punch("1001")})
            raise OSError("killed")

    with pytest.raises(OSError, match="killed"):
        killed()
    assert len(quarantine.quarantined(journal)) == 1
    assert outbox.counts().punches == 0


def test_clearing_waits_until_it_is_delivered(journal: Journal) -> None:
    """What lets a log be cleared is a punch that was confirmed, and no more a record that was accepted."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(set_aside(punch("1001")))
    quarantine.accept(journal, quarantine.quarantined(journal))
    release(journal, punch("1001"))
    unsettled = Clearance(journal, KEY).unsettled(piece(punch("1001")))
    assert unsettled == Unsettled(pending={"main": 1})
    confirm(outbox, pending(outbox))
    assert Clearance(journal, KEY).unsettled(piece(punch("1001"))) == Unsettled()


@pytest.mark.parametrize("when", ["before the clearing", "after it"])
def test_the_proof_of_a_clearing_comes_out(journal: Journal, when: str) -> None:
    """A clearing proves what it did when records leave quarantine: all that the log shows came after it."""
    visit(journal).take(piece(punch("1")))
    if when == "before the clearing":
        visit(journal).take(set_aside(punch("1001")))
    clearance = Clearance(journal, KEY)
    clearance.intend()
    clearance.cleared()
    if when == "after it":
        visit(journal).take(set_aside(punch("1001")))
    visit(journal).take(piece(punch("2")))
    assert all(log.since_cleared >= log.records for log in prune._logs(journal))
    release(journal, punch("1001"))
    assert all(log.since_cleared >= log.records for log in prune._logs(journal))


def test_an_empty_quarantine_costs_one_look(journal: Journal) -> None:
    """Nothing is asked of the journal but that, by an index."""
    visit(journal).take(piece(punch("1")))
    asked: list[str] = []
    connection(journal).set_trace_callback(asked.append)
    assert quarantine.to_be_judged(journal, KEY) == []
    connection(journal).set_trace_callback(None)
    assert len(asked) == 1


# --- whose it is, as a person says ---


def test_a_person_says_whose_it_is(journal: Journal, path: Path) -> None:
    """It is that user's punch, for good, and who said so is kept beside it."""
    outbox = JournalOutbox(journal, "main")
    one = punch("1007", canonical=b"slot 7")
    visit(journal).take(piece(odd(one.canonical, NOBODYS)))
    intake = Intake(journal, "front-door", KEY, DHAKA, source="pull", late=True)
    assert quarantine.assign(journal, KEY, intake, {one.canonical: one}, 7, "bob") == Tally(first_seen=1)
    assert [event.user_id for event in pending(outbox)] == ["1007"]
    assert look(path, "SELECT punch, slot, person, assigned_at > '2026' FROM assignment") == [
        (1, 7, "bob", 1)
    ]
    again = piece(odd(one.canonical, NOBODYS))
    assert visit(journal).take(again) == Tally(seen_before=1)
    assert visit(journal).take(piece(one._replace(user_id="2222"))) == Tally(seen_before=1)
    assert quarantine.quarantined(journal) == []


def test_what_another_person_has_said_stands(journal: Journal, path: Path) -> None:
    """Of two who say at once whose it is, the first is right, and the other one has changed nothing."""
    one = punch("1007", canonical=b"slot 7")
    visit(journal).take(piece(odd(one.canonical, NOBODYS)))
    for user, person in (("1007", "bob"), ("2222", "eve")):
        intake = Intake(journal, "front-door", KEY, DHAKA, source="pull", late=True)
        quarantine.assign(journal, KEY, intake, {one.canonical: one._replace(user_id=user)}, 7, person)
    assert look(path, "SELECT user_id FROM punch") == [("1007",)]
    assert look(path, "SELECT person FROM assignment") == [("bob",)]
