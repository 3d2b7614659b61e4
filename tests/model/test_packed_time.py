"""Packed time: every second there is, and no other."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.records import packed, packed_date
from zkpoll.model.packed_time import pack, unpack

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2133, 6, 1)).map(lambda at: at.replace(microsecond=0))


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
