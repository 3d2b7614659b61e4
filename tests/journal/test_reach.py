"""How far each device's punches are read, and settled with a dashboard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tests.journal.helpers import (
    KEY,
    START,
    Bridge,
    Visiting,
    aside,
    bucket,
    confirm,
    odd,
    pending,
    piece,
    punch,
    row,
    visit,
)
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox, first_pending, newest_punch
from zkpoll.journal.quarantine import accept, accept_rows, quarantined, rows_set_aside
from zkpoll.model.delivery import Reach, Settled
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal

UNTIL = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
READING = Reading(
    40, 1, 0, 1, None, 0.0, whole=True, before=0, continued=False, complete_until=UNTIL
)  # fmt: skip
NOW = UNTIL + timedelta(minutes=5)
BERLIN = ZoneInfo("Europe/Berlin")


def at(second: int) -> datetime:
    """Return when the punch of that second was made, by a clock in Dhaka."""
    return (START + timedelta(seconds=second)).replace(tzinfo=ZoneInfo("Asia/Dhaka"))


def test_a_device_that_was_read(journal: Journal) -> None:
    """All that is confirmed leaves the time up to which the log was read."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1"), punch("2")))
    Devices(journal).note_reading(KEY, READING)
    confirm(outbox, pending(outbox))
    assert outbox.reaches(NOW) == {"front-door": Reach(UNTIL)}


def test_a_device_that_never_was_read_to_its_end(journal: Journal) -> None:
    """What a visit that broke off has journalled says nothing of what came later."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch(), end=5))
    assert outbox.reaches(NOW) == {"front-door": Reach(None, at(0), pending=1)}


def test_a_clock_that_shows_no_date(journal: Journal) -> None:
    """A reading that cannot tell takes back what the one before could."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)
    Devices(journal).note_reading(KEY, READING)
    Devices(journal).note_reading(KEY, replace(READING, complete_until=None, drift=None))
    assert outbox.reaches(NOW) == {"front-door": Reach(None)}


def test_a_log_that_was_read_in_a_time_to_come(journal: Journal) -> None:
    """How far a reading under a clock that was ahead reaches is not known; a minute is no wrong clock."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)
    Devices(journal).note_reading(KEY, replace(READING, complete_until=NOW + timedelta(days=30)))
    assert outbox.reaches(NOW) == {"front-door": Reach(None)}
    Devices(journal).note_reading(KEY, replace(READING, complete_until=NOW + timedelta(seconds=1)))
    assert outbox.reaches(NOW) == {"front-door": Reach(NOW + timedelta(seconds=1))}


def test_what_is_pending_or_parked(journal: Journal) -> None:
    """Both are counted, and the earliest of both is told; what is confirmed is neither."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*(punch(str(n), 10 * n) for n in range(4))))
    Devices(journal).note_reading(KEY, READING)
    events = pending(outbox)
    outbox.settle(Settled((events[0].id,), {events[1].id: "who is that?"}))
    assert outbox.reaches(NOW) == {"front-door": Reach(UNTIL, at(10), pending=2, parked=1)}
    outbox.settle(Settled((events[2].id, events[3].id)))
    assert outbox.reaches(NOW) == {"front-door": Reach(UNTIL, at(10), parked=1)}


def test_the_earliest_is_told_by_the_moment(journal: Journal) -> None:
    """In the hour that daylight saving repeats, the smaller wall clock time may be the later one."""
    outbox = JournalOutbox(journal, "main")
    first = datetime(2026, 10, 25, 2, 30)
    before = punch("1", canonical=b"1")._replace(time=first)
    after = punch("2", canonical=b"2")._replace(time=first.replace(minute=10, fold=1))
    visit(journal, zone=BERLIN).take(piece(before, after))
    since = outbox.reaches(NOW)["front-door"].unsettled_since
    assert since == datetime.fromisoformat("2026-10-25T02:30:00+02:00")


def test_each_device_and_each_dashboard_by_itself(journal: Journal) -> None:
    """What one dashboard refuses holds nothing at another, nor what one device brought at another."""
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    visit(journal).take(piece(punch("1")))
    visit(journal, "warehouse", "W1").take(piece(punch("2", 7)))
    confirm(main, pending(main))
    assert main.reaches(NOW) == {"front-door": Reach(), "warehouse": Reach()}
    assert spare.reaches(NOW) == {
        "front-door": Reach(None, at(0), pending=1),
        "warehouse": Reach(None, at(7), pending=1),
    }


def test_what_a_replaced_terminal_left(journal: Journal) -> None:
    """Punches of the terminal that hung there before hold the name they had, also when it is another's."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    Devices(journal).meet_stranger("front-door", "NEW1")
    Devices(journal).accept("front-door")
    Devices(journal).note_reading("NEW1", READING)
    assert outbox.reaches(NOW) == {"front-door": Reach(UNTIL, at(0), pending=1)}


def test_a_renamed_device(journal: Journal) -> None:
    """Its punches count under the name that it has now."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    visit(journal, "main-entrance")
    assert outbox.reaches(NOW) == {"main-entrance": Reach(None, at(0), pending=1)}
    assert Devices(journal).names() == {KEY: "main-entrance"}


def test_the_punch_that_goes_first(journal: Journal, path: Path) -> None:
    """The oldest that is pending, as it would be sent; a look at it makes no dashboard known."""
    outbox = JournalOutbox(journal, "main")
    assert newest_punch(journal) is None
    visit(journal).take(piece(punch("1"), punch("2", 5)))
    events = pending(outbox)
    with open_journal(path, writable=False) as look:
        assert first_pending(look, "main") == events[0]
        assert first_pending(look, "nobody") is None
        assert newest_punch(look) == events[1]
    confirm(outbox, events)
    assert first_pending(journal, "main") is None


def test_what_is_held_because_another_terminal_answers(journal: Journal) -> None:
    """Punches of a stranger will be sent once somebody has put the addresses right, so they hold, too."""
    outbox = JournalOutbox(journal, "main")
    visit(journal)
    Devices(journal).meet_stranger("warehouse", KEY)
    ledger = Visiting(journal, "front-door", KEY, ZoneInfo("Asia/Dhaka"), held=STRANGER)
    ledger.take(piece(punch()))
    assert outbox.reaches(NOW) == {"front-door": Reach(None, at(0), held=1)}


def test_a_device_that_was_renamed_and_then_replaced(journal: Journal) -> None:
    """What it left counts under the last name that it had, which is the one that people know."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    visit(journal, "main-entrance")
    Devices(journal).meet_stranger("main-entrance", "NEW1")
    Devices(journal).accept("main-entrance")
    assert outbox.reaches(NOW) == {"main-entrance": Reach(None, at(0), pending=1)}


def test_what_is_in_quarantine(journal: Journal) -> None:
    """Records that nobody has accepted are counted, for the device that has the name now."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(odd(b"1"), odd(b"2")))
    visit(journal, "warehouse", "W1").take(piece(odd(b"1")))
    Devices(journal).note_reading(KEY, READING)
    assert outbox.reaches(NOW) == {
        "front-door": Reach(UNTIL, quarantined=2),
        "warehouse": Reach(quarantined=1),
    }
    accept(journal, [one for one in quarantined(journal) if one.serial_number == KEY])
    assert outbox.reaches(NOW) == {"front-door": Reach(UNTIL), "warehouse": Reach(quarantined=1)}
    Devices(journal).meet_stranger("warehouse", "NEW1")
    Devices(journal).accept("warehouse")
    assert outbox.reaches(NOW)["warehouse"] == Reach()


def test_what_a_database_has_set_aside(journal: Journal) -> None:
    """Rows that are nobody's may be of each device of which that database has rows, and of no other."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1")))
    visit(journal, "warehouse", "W1").take(piece(punch("2")))
    Bridge(journal).take(bucket(1, row("1"), aside("z"), aside("y")))
    Bridge(journal, "other.mdb", "other").take(bucket(1, row("2", device="W1")))
    confirm(outbox, pending(outbox))
    assert outbox.reaches(NOW) == {"front-door": Reach(set_aside={"head-office": 2}), "warehouse": Reach()}
    accept_rows(journal, rows_set_aside(journal))
    assert outbox.reaches(NOW) == {"front-door": Reach(), "warehouse": Reach()}
