"""When a terminal's clock is set, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zkpoll.pull.set_clock import refusal_to_set

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)
NO_NTP = "this host's clock is not synchronised by NTP"
BEHIND = "this host's clock is behind the journal's newest run"
BY_HAND = "too much to be set by a program; check timezone: or set it by hand"


@pytest.mark.parametrize(
    ("drift", "synchronised", "newest_run", "told"),
    [
        (30.1, True, None, None),
        (-30.1, True, NOW, None),
        (3599.0, True, NOW - timedelta(days=1), None),
        (30.0, True, None, "within 30 s"),
        (-29.0, False, LATER, "within 30 s"),
        (float("nan"), True, None, "within 30 s"),
        (31.0, False, None, NO_NTP),
        (31.0, None, None, "whether this host's clock is synchronised by NTP cannot be told"),
        (31.0, True, LATER, BEHIND),
        (3600.0, True, None, f"it is off by 1 h: {BY_HAND}"),
        (-10_800.0, True, None, f"it is off by 3 h: {BY_HAND}"),
        (8.2e8, True, None, f"it is off by 26 years: {BY_HAND}"),
        (-10_800.0, False, LATER, NO_NTP),
        (-10_800.0, True, LATER, BEHIND),
    ],
)
def test_a_clock_is_set_only_by_a_better_one(
    drift: float, synchronised: bool | None, newest_run: datetime | None, told: str | None
) -> None:
    """It is set when it is off by more than the limit and less than an hour, by a host that can know."""
    assert refusal_to_set(drift, 30, synchronised=synchronised, now=NOW, newest_run=newest_run) == told


@pytest.mark.parametrize(("limit", "told"), [(1, "1 s"), (1.5, "1.5 s"), (90, "90 s"), (300, "5 min")])
def test_the_limit_is_told_in_words(limit: float, told: str) -> None:
    """A limit is told in the unit that people would use."""
    assert refusal_to_set(0, limit, synchronised=True, now=NOW, newest_run=None) == f"within {told}"
