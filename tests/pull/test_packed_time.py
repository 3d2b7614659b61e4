"""Terminals' time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.records import packed, packed_date
from zkpoll.pull.packed_time import complete_until, drift, pack, unpack

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2133, 6, 1)).map(lambda at: at.replace(microsecond=0))
BERLIN = ZoneInfo("Europe/Berlin")


def exists(year: int, month: int, day: int) -> bool:
    """Say whether the calendar has this date."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@given(MOMENTS)
def test_packing_is_the_published_formula_and_unpacking_its_inverse(moment: datetime) -> None:
    """Every second from 2000 on survives, packed as published."""
    assert pack(moment) == packed(moment)
    assert unpack(pack(moment)) == moment


@given(st.integers(0, 2**32 - 1))
def test_any_u32_is_a_time_or_no_date(code: int) -> None:
    """Four bytes of rubbish are a time that packs to them, or no date; never a crash."""
    moment = unpack(code)
    assert moment is None or pack(moment) == code


@pytest.mark.parametrize("year", [2000, 2001, 2004, 2026, 2100, 2132])
def test_days_that_no_calendar_has_are_no_dates(year: int) -> None:
    """Of the 31 slots of every month, those the calendar lacks are told from the others."""
    for month in range(1, 13):
        for day in range(1, 32):
            assert (unpack(packed_date(year, month, day)) is not None) is exists(year, month, day)


def test_the_ends_of_the_range() -> None:
    """The first second is 2000-01-01 00:00:00, a real time; the last code lies in 2133."""
    assert unpack(0) == datetime(2000, 1, 1)
    assert unpack(packed_date(2133, 6, 1)) == datetime(2133, 6, 1)
    assert unpack(2**32 - 1) == datetime(2133, 8, 18, 6, 28, 15)


@pytest.mark.parametrize("ahead", [-3600, -1, 0, 1, 90, 86_400])
def test_drift_is_how_far_the_device_is_ahead(ahead: int) -> None:
    """Drift has the sign of the device's error."""
    now = datetime(2026, 11, 22, 2, 59, 58, tzinfo=UTC)
    shown = datetime(2026, 11, 22, 8, 59, 58) + timedelta(seconds=ahead)
    assert drift(shown, now, ZoneInfo("Asia/Dhaka")) == timedelta(seconds=ahead)


@pytest.mark.parametrize("hour", [0, 1])
def test_drift_in_the_repeated_hour_takes_the_nearer_reading(hour: int) -> None:
    """02:30 on the night summer time ends is right in both of its hours."""
    now = datetime(2026, 10, 25, hour, 30, tzinfo=UTC)
    assert drift(datetime(2026, 10, 25, 2, 30, 5), now, BERLIN) == timedelta(seconds=5)


def test_drift_in_the_skipped_hour_is_small() -> None:
    """A device that shows the hour that summer time skips is read as not yet changed."""
    now = datetime(2026, 3, 29, 1, 10, tzinfo=UTC)
    assert drift(datetime(2026, 3, 29, 2, 10), now, BERLIN) == timedelta(0)


def test_a_device_that_did_not_change_to_winter_time_is_an_hour_ahead() -> None:
    """Once the repeated hour is over, the hour shows."""
    now = datetime(2026, 10, 25, 3, tzinfo=UTC)
    assert drift(datetime(2026, 10, 25, 5), now, BERLIN) == timedelta(hours=1)


@pytest.mark.parametrize("zone", [UTC, BERLIN, ZoneInfo("America/New_York")])
def test_drift_does_not_depend_on_the_zone_the_true_time_is_given_in(zone: ZoneInfo) -> None:
    """The true time is an instant, in whatever zone it comes, the device's own included."""
    now = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(zone)
    assert drift(datetime(2026, 10, 25, 2, 30), now, BERLIN) == timedelta(0)


@given(
    off_by=st.floats(-1e6, 1e6),
    after=st.floats(0, 1e6),
    put_right=st.booleans(),
)
def test_no_punch_behind_a_reading_is_stamped_before_its_end(
    off_by: float, after: float, put_right: bool
) -> None:
    """Whatever is punched after the clock was asked for has a later stamp, also once that clock is right."""
    asked = datetime(2026, 11, 22, 2, 59, 58, 640_000, tzinfo=UTC)
    until = complete_until(asked, off_by, UTC)
    stamped = asked + timedelta(seconds=after + (0 if put_right else off_by))
    assert until is not None
    assert until <= stamped.replace(microsecond=0)  # devices stamp whole seconds


def test_a_clock_without_a_date_ends_nothing() -> None:
    """Where nobody can tell what the device will stamp, nothing is complete."""
    assert complete_until(datetime(2026, 11, 22, tzinfo=UTC), None, UTC) is None


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        (datetime(2026, 10, 25, 0, 0, 0, tzinfo=UTC), datetime(2026, 10, 24, 23, 59, 59, tzinfo=UTC)),
        (datetime(2026, 10, 25, 0, 30, 1, tzinfo=UTC), datetime(2026, 10, 24, 22, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC), datetime(2026, 10, 24, 23, 30, tzinfo=UTC)),
        (datetime(2026, 10, 25, 2, 0, 1, tzinfo=UTC), datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        (datetime(2026, 3, 29, 1, 30, 1, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_no_log_ends_in_an_hour_that_comes_twice(asked: datetime, until: datetime) -> None:
    """In the repeated hour, whose pass a single record does not tell, the end is from before it."""
    assert complete_until(asked, 0.0, BERLIN) == until
