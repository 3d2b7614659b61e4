"""How full a log is, when it is full, and from when on a person is told."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from zkpoll.model.fullness import FULL, NEARLY_FULL, Fullness, WarnAt, fullness, pace

TODAY = date(2026, 11, 22)
DAY = timedelta(days=1)


def log(percent: float, per_day: float | None = None, capacity: int = 1000) -> Fullness:
    """Return a log that is so full."""
    return Fullness(round(percent * capacity / 100), capacity, TODAY, per_day)


def days(*counts: int, last: date = TODAY) -> dict[date, int]:
    """Return so many punches on each of the days that end before the last one."""
    return {last - DAY * n: count for n, count in enumerate(reversed(counts), start=1)}


@pytest.mark.parametrize(
    ("one", "at", "told"),
    [
        (log(89.9), WarnAt(), False),
        (log(90), WarnAt(), True),
        (log(100), WarnAt(), True),
        (log(90), WarnAt(full=95), False),
        (log(100), WarnAt(full=None), False),
        (log(60, per_day=400 / 14), WarnAt(), True),
        (log(60, per_day=400 / 15), WarnAt(), False),
        (log(60, per_day=400), WarnAt(full=None), False),
        (log(49.9, per_day=400), WarnAt(), False),  # it is never further from being full
        (log(75, capacity=4), WarnAt(), True),  # one record of room
        (log(50, capacity=4), WarnAt(), False),
        # One that is cleared by itself, in time.
        (log(97), WarnAt(clear_above=0), False),
        (log(98), WarnAt(clear_above=0), True),
        (log(70, per_day=300), WarnAt(clear_above=80), False),
        (log(85, per_day=300), WarnAt(clear_above=80), False),
        (log(90), WarnAt(clear_above=80), True),  # it was to be cleared long ago
        (log(97), WarnAt(clear_above=95), False),
        (log(98), WarnAt(clear_above=95), True),
        (log(98), WarnAt(full=99, clear_above=80), False),
        (log(90.9), WarnAt(clear_above=86), False),  # 5 % more may come in meanwhile
        (log(91), WarnAt(clear_above=86), True),
        (log(100), WarnAt(full=None, clear_above=80), False),
    ],
)
def test_from_when_on_a_log_is_nearly_full(one: Fullness, at: WarnAt, told: bool) -> None:
    """From 90 %, 14 days before it is full, or for want of room; later where it is cleared by itself."""
    assert one.is_nearly(at) is told


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            log(95, 310, 100_000),
            "95 % full (95,000 of 100,000 records), full on about 2026-12-08 at 310 a day",
        ),
        (log(99, 0.4), "99 % full (990 of 1,000 records), full on about 2026-12-17 at less than 1 a day"),
        (log(99), "99 % full (990 of 1,000 records)"),
        (log(99, 0), "99 % full (990 of 1,000 records)"),
        (log(120, 5), "100 % full (1,200 of 1,000 records)"),
    ],
)
def test_a_full_log_in_words(one: Fullness, words: str) -> None:
    """It is told how full it is, and where that is known from which day on it has no room."""
    assert one.words == words


def test_the_day_it_is_full() -> None:
    """A full log is full today; of one that nobody uses, or fills in a thousand years, no day is known."""
    assert (log(100).full_on, log(100).days_left) == (TODAY, 0)
    assert (log(70, 10).full_on, log(70, 10).days_left) == (date(2026, 12, 22), 30)
    assert [log(0, rate, 10**9).full_on for rate in (None, 0, 1)] == [None] * 3
    assert (log(0, 1, 36_500).full_on, log(0, 1, 36_499).days_left) == (None, 36_499)
    assert fullness(5, 1000, TODAY, 2) == Fullness(5, 1000, TODAY, 2)
    assert Fullness(5, 1000, TODAY).per_day is None
    assert fullness(None, 1000, TODAY, 5) is fullness(5, None, TODAY, 5) is fullness(5, 0, TODAY, 5) is None


def test_what_is_told_unasked() -> None:
    """From 90 % on, of a clock that is off by two minutes; the two states are words of JSON."""
    assert WarnAt() == WarnAt(full=90, clear_above=None, clock=120)
    assert (FULL, NEARLY_FULL) == ("full", "nearly full")


@pytest.mark.parametrize(
    ("punches", "met", "rate"),
    [
        (days(*[10] * 28), TODAY - 60 * DAY, 10),
        (days(*[10] * 60), TODAY - 60 * DAY, 10),
        (days(*[10] * 14), TODAY - 60 * DAY, 5),  # two weeks on leave
        (days(*[10] * 14), TODAY, 10),  # a first reading: its log begins two weeks ago
        (days(*[10] * 60), TODAY, 10),
        (days(10, 20, 30), TODAY, 20),
        (days(10, 20), TODAY, None),
        ({}, TODAY - 2 * DAY, None),
        ({}, TODAY - 3 * DAY, 0),
        (days(10, 20, 30) | {TODAY: 900, TODAY + DAY: 900}, TODAY, 20),
    ],
)
def test_how_many_punches_a_day_brings(punches: dict[date, int], met: date, rate: float | None) -> None:
    """The last four whole weeks count, or as much of them as is known: three days at least, not today."""
    assert pace(punches, met, TODAY) == rate
