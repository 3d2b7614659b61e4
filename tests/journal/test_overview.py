"""How devices, dashboards and punches stand: what is read from the journal, and what is reckoned from it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import DHAKA, KEY, connection, odd, piece, plan, punch, punches, visit
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.comparison import Restoring
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import (
    DashboardStanding,
    DeviceStanding,
    Place,
    dashboard_standings,
    device_standings,
    sightings,
)
from zkpoll.journal.quarantine import accept, quarantined
from zkpoll.journal.rates import kept_rates, rates_by_now
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = date(2026, 11, 22)
READING = Reading(40, 5, 0, 50, 100, 1.5, whole=True, before=0, continued=False)


def busy(read_ago: timedelta = timedelta(0)) -> DeviceStanding:
    """Return a device whose log has 700 of 1,000 records, and gets 10 a day."""
    return DeviceStanding("front", read_at=NOW - read_ago, on_device=700, capacity=1000, per_day=10)


# --- reckoned; pure ---


@pytest.mark.parametrize(
    ("on_device", "capacity", "full_on"),
    [(1000, 1000, TODAY), (1200, 1000, TODAY), (None, 1000, None), (700, None, None), (700, 0, None)],
)
def test_logs_that_are_full_or_do_not_tell(
    on_device: int | None, capacity: int | None, full_on: date | None
) -> None:
    """A full log is full today, and of one that tells no capacity nothing is reckoned."""
    device = DeviceStanding("a", met_at=NOW, read_at=NOW, on_device=on_device, capacity=capacity)
    assert device.full_on == full_on


def test_a_reading_that_is_stamped_ahead_of_now() -> None:
    """What is stamped with a time to come was read just now: the day a log is full is not put off by it."""
    device = replace(busy(-700 * DAY), as_of=NOW)
    assert device.full_on == busy().full_on == date(2026, 12, 22)
    assert not device.is_stale(DAY, NOW)
    assert (device.is_ahead(NOW), busy().is_ahead(NOW)) == (True, False)
    assert DashboardStanding("a", None, 1, 0, 0, NOW + DAY).is_ahead(NOW)


def test_a_cleared_log_fills_from_when_it_was_cleared() -> None:
    """After clearing, the empty log counts from then, not from the reading before it."""
    device = replace(busy(2 * DAY), cleared_at=NOW, on_device=0, capacity=280)
    assert device.full_on == TODAY + 28 * DAY


@pytest.mark.parametrize(
    ("read_ago", "stale"), [(None, True), (DAY, False), (DAY + timedelta(seconds=1), True)]
)
def test_what_is_too_old(read_ago: timedelta | None, stale: bool) -> None:
    """A reading, or a punch that waits, may be as old as the limit, and a device has to be read at all."""
    moment = None if read_ago is None else NOW - read_ago
    assert DeviceStanding("a", read_at=moment).is_stale(DAY, NOW) is stale
    waits = DashboardStanding("a", None, 1, 0, 0, moment)
    assert waits.is_stale(DAY, NOW) is (stale and moment is not None)


# --- read from the journal ---


def test_a_device_as_the_journal_knows_it(journal: Journal) -> None:
    """Everything a reading noted is there, and so are quarantine, intents and strangers."""
    before = datetime.now(UTC)
    visit(journal).take(piece(punch(), odd(b"a"), odd(b"b")))
    Devices(journal).note_reading(KEY, READING)
    accept(journal, quarantined(journal)[:1])
    Clearance(journal, KEY).intend()
    Devices(journal).meet_stranger("front-door", "X1")
    (device,) = device_standings(journal, datetime.now(UTC)).values()
    assert (device.name, device.serial_number, device.stranger) == ("front-door", KEY, "X1")
    assert (device.on_device, device.capacity, device.drift, device.fill) == (50, 100, 1.5, 0.5)
    assert (device.quarantined, device.accepted) == (1, 1)
    for moment in (device.met_at, device.read_at, device.whole_at, device.disabled_since):
        assert moment is not None
        assert before - timedelta(seconds=1) < moment <= datetime.now(UTC)


def test_only_the_last_weeks_are_counted(journal: Journal) -> None:
    """Punches count by the day of their own timestamps, of a first reading, too; no doubtful ones."""
    for name, key, number in (("front-door", KEY, 60), ("back", "B2", 20), ("new", "N3", 6)):
        visit(journal, name, key).take(piece(*punches(number)))
        Devices(journal).note_reading(key, READING)
    days = {60: range(1, 11), 27: range(11, 26), 3: range(61, 81), 1: range(26, 61), -2: range(81, 84)}
    with journal.transaction():
        db = connection(journal)
        for ago, places in days.items():
            stamped = (NOW - ago * DAY).isoformat(timespec="seconds")
            for place in places:
                db.execute("UPDATE punch SET timestamp = ? WHERE seq = ?", (stamped, place))
        db.execute("UPDATE punch SET clock_suspect = 1 WHERE seq > 55 AND seq <= 60")
        db.execute("UPDATE punch SET journalled_at = ? WHERE seq <= 10", ((NOW - 60 * DAY).isoformat(),))
        db.execute("UPDATE device SET met_at = ?, read_at = ?", (NOW.isoformat(), NOW.isoformat()))
    pace = {name: one.per_day for name, one in device_standings(journal, NOW).items()}
    assert pace == {"front-door": (15 + 30) / 27, "back": 20 / 3, "new": None}
    assert {one.per_day for one in device_standings(journal, NOW, rates=False).values()} == {None}


def test_rates_are_counted_once_a_day(journal: Journal) -> None:
    """What was counted is kept for a day, as a walk over weeks of punches is nothing for every run."""
    visit(journal).take(piece(*punches(30)))
    with journal.transaction():
        connection(journal).execute("UPDATE punch SET timestamp = ?", ((NOW - 5 * DAY).isoformat(),))
    first = rates_by_now(journal, ["front-door", "nobody"], NOW)
    assert first == {}  # it was never read to its end
    Devices(journal).note_reading(KEY, READING)
    with journal.transaction():
        connection(journal).execute(
            "UPDATE device SET met_at = ?, read_at = ?", (NOW.isoformat(), NOW.isoformat())
        )
    assert rates_by_now(journal, [], NOW) == {"front-door": None}  # nobody asks
    assert rates_by_now(journal, ["front-door"], NOW) == {"front-door": 6}
    with journal.transaction():
        connection(journal).execute("UPDATE punch SET clock_suspect = 1 WHERE seq > 20")
    for later, rate in ((19, 6), (21, 4), (-24 * 900, None)):  # counted by a clock that was ahead: again
        moment = NOW + timedelta(hours=later)
        assert rates_by_now(journal, ["front-door"], moment) == {"front-door": rate}
        assert kept_rates(journal)["front-door"].per_day == rate
    assert [one.per_day for one in device_standings(journal, NOW, rates=False).values()] == [None]


def test_an_empty_journal(journal: Journal) -> None:
    """A new journal knows nothing, and says so."""
    assert device_standings(journal, NOW) == {}
    assert dashboard_standings(journal) == []
    assert sightings(journal, "1001", TODAY) == []


def test_what_waits_for_a_dashboard(journal: Journal) -> None:
    """Pending, parked and held punches are counted, and the oldest unconfirmed one tells since when."""
    outbox, other = JournalOutbox(journal, "main"), JournalOutbox(journal, "other")
    visit(journal).take(piece(punch("1"), punch("2"), punch("3"), punch("3", verify=4), punch("4")))
    ids = [event.id for event in outbox.next(9).events]
    outbox.settle(Settled((ids[0],), {ids[1]: "no"}))
    other.next(9)
    other.settle(Settled(tuple(ids)))
    other.halt("gone")
    main, done = dashboard_standings(journal)
    assert (main.name, main.pending, main.parked, main.held, main.halted) == ("main", 2, 1, 1, None)
    assert main.oldest is not None
    assert datetime.now(UTC) - main.oldest < timedelta(minutes=5)
    assert (main.confirmed, main.due, done.confirmed, done.due) == (1, 4, 4, 4)
    assert main.confirmed_at is not None
    assert done == DashboardStanding("other", "gone", 0, 0, 1, None, 4, done.confirmed_at)


def test_the_oldest_is_the_one_that_waits_longest(journal: Journal) -> None:
    """A punch that came into the outbox late, by a backfill, hides no older one behind it."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1"), punch("2")))
    with journal.transaction():
        connection(journal).execute(
            "UPDATE outbox SET changed_at = '2026-11-20T00:00:00.000+00:00' WHERE punch = 2"
        )
    (main,) = dashboard_standings(journal)
    assert main.oldest == datetime(2026, 11, 20, tzinfo=UTC)


def test_a_persons_day(journal: Journal) -> None:
    """Every punch of that person on that day, and no other, with its place in every outbox."""
    visit(journal, "old", "A1").take(piece(punch("1001")))
    main, second = JournalOutbox(journal, "main"), JournalOutbox(journal, "second")
    log = [punch("1001", 60), punch("1001", 60, verify=4), punch("1001", 86_400), punch("1002")]
    visit(journal).take(piece(*log))
    ids = [event.id for event in main.next(1).events]
    main.settle(Settled(parked={ids[0]: "no such employee"}))
    second.next(1)
    second.send(SentRequest(tuple(ids)))
    old, first, twin = sightings(journal, "1001", TODAY)
    assert (old.device, old.serial_number, first.device) == ("old", "A1", "front-door")
    assert (first.hold, twin.hold) == (None, "same second")
    assert twin.id != first.id
    assert {place.state for place in old.places} == {None}
    parked, pending = first.places
    assert (parked.dashboard, parked.state, parked.reason) == ("main", "parked", "no such employee")
    assert parked.tried_at == parked.since
    assert pending == Place("second", "pending", None, pending.since, None, in_flight=True)
    assert [place.reason for place in twin.places] == ["same second", "same second"]
    assert first.timestamp == "2026-11-22T09:00:58+06:00"


def test_what_was_discarded_keeps_its_reason(journal: Journal) -> None:
    """A punch that a person gave up says why."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001")))
    Decisions(journal, "main").discard(Selection(frozenset({"pending"})), Places([(1, 9)]), "a test (by bob)")
    (seen,) = sightings(journal, "1001", TODAY)
    assert [(place.state, place.reason) for place in seen.places] == [("discarded", "a test (by bob)")]


def test_what_was_restored_is_seen(journal: Journal) -> None:
    """A punch that came back from a raw copy is a punch like any other."""
    Devices(journal).meet("front-door", KEY)
    Restoring(journal, "front-door", KEY, DHAKA, source="pull").add(piece(punch("1001")))
    assert [seen.id for seen in sightings(journal, "1001", TODAY)] == ["224c9c2b-8130-5e29-a627-3b68fe8961e9"]


# --- how it is found ---


@pytest.mark.parametrize("query", ["journalled_from", "punched_by_day", "places_of_punch"])
def test_a_look_at_the_last_weeks_walks_no_table(journal: Journal, query: str) -> None:
    """However long the journal grows, a look takes the time of the last weeks."""
    assert not [step for step in plan(journal, query) if re.match(r"SCAN (punch|outbox)\b", step)]


def test_what_is_confirmed_is_not_walked(journal: Journal) -> None:
    """A million confirmed punches do not slow down the look at those that wait."""
    steps = [
        step for step in plan(journal, "dashboard_standings") if re.search(r"\b(waiting|outbox)\b", step)
    ]
    assert len(steps) == 7
    for step in steps:
        assert re.search(r"INDEX outbox_(pending|parked|held)|destination=\? AND punch=\?", step)
