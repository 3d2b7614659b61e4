"""The nouns that cross borders: one identity, one offset, two sums."""

from __future__ import annotations

import uuid
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.model.log import Slice
from zkpoll.model.punch import NAMESPACE, Event, Form, Punch, Quarantined, events, punch_id
from zkpoll.model.sums import Counts, Tally
from zkpoll.wall_clock import Stamps

DHAKA = ZoneInfo("Asia/Dhaka")
BERLIN = ZoneInfo("Europe/Berlin")
NUMBERS = st.integers(0, 10**6)
TALLIES = st.builds(Tally, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)


def at(time: datetime) -> Punch:
    """Return a punch of user 1001 at that wall clock time."""
    return Punch("1001", time, verify=15, state=4, work_code=7, canonical=b"record")


def event(punch: Punch, key: str, name: str, zone: ZoneInfo, door: str) -> Event:
    """Return a punch as an event."""
    (found,) = events([punch], key, name, Stamps(zone), door)
    return found


# --- identity ---


def test_the_identity_of_the_example() -> None:
    """The id that the documentation promises for this punch."""
    found = punch_id("CQZ7224760045", "1001", "2026-11-22T08:59:58")
    assert found == "224c9c2b-8130-5e29-a627-3b68fe8961e9"


@given(st.text(), st.text(), st.text())
def test_the_identity_is_a_standard_one(key: str, user_id: str, time: str) -> None:
    """Any program can compute our ids with its own library's UUID version 5."""
    assert punch_id(key, user_id, time) == str(uuid.uuid5(NAMESPACE, f"{key}\n{user_id}\n{time}"))


def test_the_namespace_is_a_standard_one() -> None:
    """The namespace is derived from the name `zkpoll`, not made up."""
    assert uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll") == NAMESPACE


@given(st.datetimes(datetime(2000, 1, 1), datetime(2133, 12, 31)))
def test_the_identity_is_by_the_second(time: datetime) -> None:
    """An event's id is made of the wall clock to the second, as a device shows it."""
    shown = time.replace(microsecond=0)
    expected = punch_id("K", "1001", shown.strftime("%Y-%m-%dT%H:%M:%S"))
    assert event(at(shown), "K", "front-door", DHAKA, "pull").id == expected


# --- event ---


def test_an_event_is_its_punch() -> None:
    """What a device shows goes into the event unchanged, beside where it was read."""
    assert event(
        at(datetime(2026, 11, 22, 8, 59, 58)), "CQZ7224760045", "front-door", DHAKA, "pull"
    ) == Event(
        id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
        device="front-door",
        serial_number="CQZ7224760045",
        user_id="1001",
        timestamp="2026-11-22T08:59:58+06:00",
        verify=15,
        state=4,
        work_code=7,
        source="pull",
    )


@pytest.mark.parametrize(
    ("wall", "timestamp"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T01:59:59+01:00"),
        ("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00"),  # an hour that no right clock shows
        ("2026-03-29T03:00:00", "2026-03-29T03:00:00+02:00"),
        ("2026-10-25T01:59:59", "2026-10-25T01:59:59+02:00"),
        ("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00"),  # an hour that comes twice: the earlier
        ("2026-10-25T03:00:00", "2026-10-25T03:00:00+01:00"),
        ("2000-01-01T00:00:00", "2000-01-01T00:00:00+01:00"),  # a clock that has lost its battery
    ],
)
def test_summer_time(wall: str, timestamp: str) -> None:
    """The offset is the zone's at that wall clock time; the time itself is never moved."""
    found = event(at(datetime.fromisoformat(wall)), "K", "front-door", BERLIN, "pull")
    assert found.timestamp == timestamp


def test_the_zone_is_no_part_of_the_identity() -> None:
    """A wrong time zone put right does not make a second punch of the first."""
    punch = at(datetime(2026, 11, 22, 8, 59, 58))
    assert event(punch, "K", "a", DHAKA, "pull").id == event(punch, "K", "b", BERLIN, "push").id


# --- sums ---


@given(TALLIES, TALLIES)
def test_tallies_add_up(one: Tally, other: Tally) -> None:
    """The reading sum of two slices is the sum of their reading sums."""
    assert (one + other).records == one.records + other.records
    assert one + other == other + one
    assert one + Tally() == one


def test_a_slice_counts_all_its_records() -> None:
    """Records that nobody can believe are records, too."""
    odd = Quarantined(b"x", "no such date")
    assert Slice((at(datetime(2026, 1, 1)),), (odd, odd), None, form=Form.PULL_8).records == 3


@given(st.lists(NUMBERS, min_size=5, max_size=5), st.integers(-5, 5))
def test_what_is_in_no_state_is_named(states: list[int], missing: int) -> None:
    """The journal sum comes out exactly when every punch is in one state."""
    assert Counts(sum(states) + missing, *states).difference == missing
