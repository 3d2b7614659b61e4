"""Which part of a log is read."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from zkpoll.model.log import Watermark
from zkpoll.pull.plan import reconciliation_due, resume, within

NOW = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)
DHAKA = ZoneInfo("Asia/Dhaka")  # 02:30 then
NIGHT = (time(22), time(5))
TAIL = tuple(bytes([n]) * 40 for n in range(8))


def test_a_log_that_only_grew_is_read_from_the_proof_on() -> None:
    """The last known records are read again, and everything after them."""
    assert resume(Watermark(40, 100, TAIL), 40, 110 * 40) == 92
    assert resume(Watermark(40, 100, TAIL), 40, 100 * 40) == 92
    assert resume(Watermark(40, 3, TAIL[:3]), 40, 4 * 40) == 0


@pytest.mark.parametrize(
    ("watermark", "total"),
    [
        (None, 4000),
        (Watermark(40, 0, ()), 4000),
        (Watermark(40, 101, TAIL), 4000),
        (Watermark(49, 80, TAIL), 4000),
        (Watermark(40, 80, TAIL), 4001),
    ],
)
def test_anything_else_is_read_whole(watermark: Watermark | None, total: int) -> None:
    """A log that is new, shorter, of another layout or of no whole records has no proof to go on from."""
    assert resume(watermark, 40, total) is None


@pytest.mark.parametrize(
    ("hours", "quiet", "due"),
    [
        (23, None, False),
        (24, None, True),
        (19, NIGHT, False),
        (21, NIGHT, True),
        (40, (time(3), time(4)), False),
        (49, (time(3), time(4)), True),
    ],
)
def test_reconciliation_is_due_once_a_day(hours: int, quiet: tuple[time, time] | None, due: bool) -> None:
    """A log is read whole again after a day, in quiet hours if there are any, at the latest after two."""
    assert reconciliation_due(NOW - timedelta(hours=hours), NOW, quiet, DHAKA) is due


def test_a_log_that_was_read_whole_in_a_time_to_come() -> None:
    """What a clock that was ahead stamped puts no reconciliation off, whatever hour it is."""
    assert reconciliation_due(NOW + timedelta(days=700), NOW, None, DHAKA)
    assert reconciliation_due(NOW + timedelta(seconds=1), NOW, (time(3), time(4)), DHAKA)


def test_a_log_that_was_never_read_to_its_end_needs_no_reconciliation() -> None:
    """What is read for the first time is not read again at once."""
    assert not reconciliation_due(None, NOW, None, DHAKA)


def test_quiet_hours_may_span_midnight() -> None:
    """22:00-05:00 is the night, its end not included."""
    assert [within(NIGHT, time(hour)) for hour in (21, 22, 0, 4, 5)] == [False, True, True, True, False]
    assert [within((time(1), time(3)), time(hour)) for hour in (0, 1, 2, 3)] == [False, True, True, False]
