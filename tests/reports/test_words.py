"""Counts, time spans and moments in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zkpoll.reports import words

MOMENT = datetime(2026, 11, 22, 3, 4, 5, 678_900, tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 punches"), (1, "1 punch"), (2, "2 punches"), (12_345, "12,345 punches")]
)
def test_counts(number: int, text: str) -> None:
    """One is singular, all else plural, and thousands are set apart."""
    assert words.punches(number) == text
    assert words.counted(number, "record") == text.replace("punches", "records").replace("punch", "record")
    assert words.are(number) == ("is" if number == 1 else "are")


@pytest.mark.parametrize(
    ("seconds", "text", "coarse"),
    [
        (0, "0 s", "0 min"),
        (119.9, "119 s", "1 min"),
        (120, "2 min", "2 min"),
        (7199.9, "119 min", "119 min"),
        (7200, "2 h", "2 h"),
        (2 * 86_400 - 1, "47 h", "47 h"),
        (2 * 86_400, "2 days", "2 days"),
        (-61, "0 s", "0 min"),
    ],
)
def test_spans(seconds: float, text: str, coarse: str) -> None:
    """A span is told in the largest unit that it has two of, never as more than it is, and never below 0."""
    assert words.span(timedelta(seconds=seconds)) == text
    assert words.span(timedelta(seconds=seconds), "min") == coarse


def test_moments() -> None:
    """A moment and its ISO text give the same words."""
    assert words.iso(MOMENT) == "2026-11-22T03:04:05.678+00:00"
    assert words.iso(None) is None
    for moment in (MOMENT, MOMENT.isoformat()):
        assert words.second(moment) == "2026-11-22 03:04:05Z"
        assert words.minute(moment) == "2026-11-22 03:04Z"


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.6, "+3 s"), (0, "+0 s"), (-7.2, "-7 s"), (-8.2e8, "26 years behind")]
)
def test_clocks(seconds: float, text: str) -> None:
    """A clock is ahead or behind, by whole seconds; one that restarted in 2000, by years."""
    assert words.ahead(seconds) == text
