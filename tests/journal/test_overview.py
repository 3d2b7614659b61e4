"""How devices, dashboards and punches stand: what is read from the journal, and what is reckoned from it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import DHAKA, KEY, connection, odd, piece, punch, punches, visit
from tests.journal.test_sql import plan
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
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = date(2026, 11, 22)
READING = Reading(40, 5, 0, 50, 100, 1.5, whole=True, before=0, continued=False)


def busy(days: int, a_day: int, *, met: int = 60, read_ago: timedelta = timedelta(0)) -> DeviceStanding:
    """Return a device that was met `met` days ago, with so many punches on each of the last whole days."""
    journalled = {TODAY - timedelta(days=n): a_day for n in range(1, days + 1)}
    return DeviceStanding(
        "front",
        met_at=NOW - timedelta(days=met),
        read_at=NOW - read_ago,
        on_device=700,
        capacity=1000,
        journalled=journalled,
    )


# --- reckoned; pure ---


def test_the_day_a_log_is_full() -> None:
    """Free places are filled at the rate of the last 28 days, whole weeks, counted from the last reading."""
    device = busy(28, 10)
    assert device.per_day == 10
    assert device.full_on == date(2026, 12, 22)
    assert busy(60, 10).per_day == 10
    assert busy(14, 10).per_day == 5


def test_first_contact_is_no_rate() -> None:
    """What a log had gathered before it was first read does not count as what a day brings."""
    assert busy(3, 10, met=3).per_day == 10  # of four days the first is left out, and it had 10 as well
    young = busy(1, 50_000, met=1)
    assert (young.per_day, young.full_on) == (None, None)
    assert DeviceStanding("front").per_day is None


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
    device = replace(busy(28, 10, read_ago=-700 * DAY), as_of=NOW)
    assert (device.per_day, device.full_on) == (10, busy(28, 10).full_on)
    assert not device.is_stale(DAY, NOW)
    assert (device.is_ahead(NOW), busy(28, 10).is_ahead(NOW)) == (True, False)
    assert DashboardStanding("a", None, 1, 0, 0, NOW + DAY).is_ahead(NOW)


def test_nothing_is_full_in_a_thousand_years() -> None:
    """A rate so low that no calendar holds the day gives none, and neither does no punch at all."""
    slow = DeviceStanding(
        "a", met_at=NOW - 60 * DAY, read_at=NOW, on_device=0, capacity=10**9, journalled={TODAY - DAY: 1}
    )
    assert slow.full_on is None
    assert busy(0, 0).full_on is None


def test_a_cleared_log_fills_from_when_it_was_cleared() -> None:
    """After clearing, the empty log counts from then, not from the reading before it."""
    device = DeviceStanding(
        "a", met_at=NOW - 60 * DAY, read_at=NOW - 2 * DAY, cleared_at=NOW, on_device=0, capacity=280,
        journalled={TODAY - 10 * DAY: 280},
    )  # fmt: skip
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
    assert sum(device.journalled.values()) == 1


def test_only_the_last_weeks_are_counted(journal: Journal) -> None:
    """Of a long journal only the days of the window are counted, each punch by its own device."""
    visit(journal).take(piece(*punches(30)))
    visit(journal, "back", "B2").take(piece(*punches(20)))
    moments = {60: 10, 27: 15, 1: 25}  # days ago -> the first place that was journalled later
    with journal.transaction():
        for ago, first in zip(moments, [1, 11, 26], strict=True):
            text = (NOW - ago * DAY).isoformat(timespec="milliseconds")
            connection(journal).execute("UPDATE punch SET journalled_at = ? WHERE seq >= ?", (text, first))
    known = device_standings(journal, NOW)
    assert known["front-door"].journalled == {TODAY - 27 * DAY: 15, TODAY - DAY: 5}
    assert known["back"].journalled == {TODAY - DAY: 20}


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
    assert done == DashboardStanding("other", "gone", 0, 0, 1, None)


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
    Decisions(journal, "main").discard(Selection(frozenset({"pending"})), 9, "a test (by bob)")
    (seen,) = sightings(journal, "1001", TODAY)
    assert [(place.state, place.reason) for place in seen.places] == [("discarded", "a test (by bob)")]


def test_what_was_restored_is_seen(journal: Journal) -> None:
    """A punch that came back from a raw copy is a punch like any other."""
    Devices(journal).meet("front-door", KEY)
    Restoring(journal, "front-door", KEY, DHAKA, source="pull").add(piece(punch("1001")))
    assert [seen.id for seen in sightings(journal, "1001", TODAY)] == ["224c9c2b-8130-5e29-a627-3b68fe8961e9"]


# --- how it is found ---


@pytest.mark.parametrize("query", ["journalled_from", "journalled_by_day", "places_of_punch"])
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
