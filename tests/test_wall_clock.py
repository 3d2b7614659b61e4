"""Wall clock times in their zone, and how far a terminal's clock is off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.wall_clock import (
    DAY,
    Stamps,
    age,
    clock_fault,
    clock_suspect,
    complete_until,
    drift,
    drift_in_words,
    in_gap,
    in_words,
    is_ahead,
    is_off,
    may_be_the_zone,
    offset,
    unfold,
)

LONDON = ZoneInfo("Europe/London")
"""On 2026-10-25, 01:00-02:00 is shown twice; on 2026-03-29, 01:00-02:00 is skipped."""
DHAKA = ZoneInfo("Asia/Dhaka")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = datetime(2026, 10, 25)

REPEATS = [
    # zone, the first time that is shown twice, for how many minutes
    ("Europe/London", datetime(2026, 10, 25, 1), 60),
    ("America/New_York", datetime(2026, 11, 1, 1), 60),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 30), 30),
    ("America/Sao_Paulo", datetime(2018, 2, 17, 23), 60),
    ("Africa/Cairo", datetime(2010, 9, 30, 23), 60),
    ("America/St_Johns", datetime(2010, 11, 6, 23, 1), 60),  # until 00:01 of the next day
    ("Antarctica/Troll", datetime(2026, 10, 25, 1), 120),
]
GAPS = [
    # zone, the first time that is skipped, for how many minutes
    ("Europe/London", datetime(2026, 3, 29, 1), 60),
    ("America/New_York", datetime(2026, 3, 8, 2), 60),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, 2), 30),
    ("America/Sao_Paulo", datetime(2018, 11, 4), 60),
    ("Africa/Cairo", datetime(2010, 9, 10), 60),
    ("Pacific/Apia", datetime(2011, 12, 30), 24 * 60),
]


def at(clock: str, day: datetime = NIGHT) -> datetime:
    """Given a time such as 01:30 or 01:30:05, return it on a day."""
    return datetime.fromisoformat(f"{day:%Y-%m-%d}T{clock}")


def folds(*clocks: str | datetime, last: datetime | None = None) -> list[int]:
    """Given times of the night on which London repeats an hour, return the fold that each gets."""
    times = [at(each) if isinstance(each, str) else each for each in clocks]
    unfolded = unfold(times, LONDON, last)
    assert unfolded == times
    return [time.fold for time in unfolded]


@pytest.mark.parametrize(("name", "begin", "minutes"), REPEATS)
def test_the_order_of_the_log_tells_the_two_passes_apart(name: str, begin: datetime, minutes: int) -> None:
    """A punch a minute through the end of daylight saving comes out at the moments it happened."""
    zone = ZoneInfo(name)
    first = begin.replace(tzinfo=zone).astimezone(UTC) - timedelta(hours=3)
    moments = [first + timedelta(minutes=n) for n in range(10 * 60)]
    shown = [moment.astimezone(zone).replace(tzinfo=None, fold=0) for moment in moments]
    assert len(moments) - len(set(shown)) == minutes
    unfolded = unfold(shown, zone, None)
    assert [time.replace(tzinfo=zone).astimezone(UTC) for time in unfolded] == moments
    assert sum(time.fold for time in unfolded) == minutes


def test_one_punch_in_each_pass_is_enough() -> None:
    """The step back alone is the sign, however few the records, and the first pass comes first."""
    assert folds("01:40", "01:20") == [0, 1]
    assert folds("00:10", "01:50", "01:20", "01:30", "02:10") == [0, 0, 1, 1, 0]


def test_without_a_step_back_it_is_the_first_pass() -> None:
    """A log that steps forward through the span stays in its first pass, also at its very beginning."""
    assert folds("01:00", "01:20", "01:59:59", "02:00") == [0, 0, 0, 0]


def test_the_second_pass_lasts_until_the_span_ends() -> None:
    """Another step back within the second pass does not begin a third or lead back to the first."""
    assert folds("01:40", "01:20", "01:50", "01:10", "01:05") == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(("step", "fold"), [(0, 0), (1, 0), (10, 0), (11, 1), (59 * 60, 1)])
def test_a_correction_of_seconds_is_not_the_repeat(step: int, fold: int) -> None:
    """The same second again, or a step back of ten seconds at most, leaves the pass as it was."""
    time = at("01:59:30")
    assert folds(time, time - timedelta(seconds=step)) == [0, fold]


def test_a_terminal_that_turns_its_clock_back_late_is_in_the_second_pass() -> None:
    """From just after the span back into it is the second pass; from an hour after it, anything may be."""
    assert folds("01:50", "02:10", "01:15", "01:20") == [0, 0, 1, 1]
    assert folds("02:00:03", "01:59:58") == folds("02:00", "01:59:59") == [0, 1]
    assert folds("01:50", "03:00", "01:15", "01:20") == [0, 0, 0, 0]


def test_a_clock_that_jumps_by_years_begins_with_the_first_pass() -> None:
    """From a restart at 2000, or from years ahead, the span is entered as for the first time."""
    for jump in (datetime(2000, 1, 1), datetime(2031, 5, 1), datetime(2025, 10, 26, 1, 30, fold=1)):
        assert folds(jump, "01:30", "01:10")[1:] == [0, 1]


def test_the_last_record_carries_the_pass_over_to_the_next_slice() -> None:
    """The last time with its fold is all that the next slice or visit needs to know."""
    assert folds("01:30", last=at("01:20")) == [0]
    assert folds("01:10", last=at("01:20")) == [1]
    assert folds("01:30", "01:40", last=at("01:20").replace(fold=1)) == [1, 1]
    assert folds("01:30", last=at("00:20").replace(fold=1)) == [0]
    assert unfold([], LONDON, at("01:20")) == []


STEPS = st.integers(-90, 90).map(lambda minutes: timedelta(minutes=minutes))
JUMPS = st.sampled_from([timedelta(days=-9000), timedelta(days=9000), timedelta(seconds=-5), timedelta()])
NEARBY = st.lists(STEPS | JUMPS, max_size=40)


@given(begin=st.integers(0, 180), steps=NEARBY, cuts=st.sets(st.integers(0, 40)))
def test_where_a_log_is_cut_does_not_matter(begin: int, steps: list[timedelta], cuts: set[int]) -> None:
    """Slices and visits, cut anywhere, give what the whole log gives."""
    times = [NIGHT + timedelta(minutes=begin)]
    for step in steps:
        # As a terminal's clock can show it: from 2000 on, and back to the night after a jump.
        there = times[-1] + step
        times.append(there if 2000 <= there.year < 2060 else NIGHT + timedelta(minutes=begin))
    pieces: list[datetime] = []
    edges = [0, *sorted(cuts), len(times)]
    for start, end in pairwise(edges):
        pieces += unfold(times[start:end], LONDON, pieces[-1] if pieces else None)
    whole = unfold(times, LONDON, None)
    assert [(time, time.fold) for time in pieces] == [(time, time.fold) for time in whole]


CHANGES = st.sampled_from(REPEATS + GAPS)
ANYWHERE = st.datetimes(datetime(2000, 1, 1), datetime(2133, 12, 31)).map(lambda time: time.replace(fold=0))


@given(change=CHANGES, minutes=st.lists(st.integers(-300, 1700)), others=st.lists(ANYWHERE))
def test_only_what_is_shown_twice_is_touched(
    change: tuple[str, datetime, int], minutes: list[int], others: list[datetime]
) -> None:
    """Whatever a clock shows in whatever order, no time changes, and only repeated ones get a fold."""
    name, begin, _ = change
    zone = ZoneInfo(name)
    times = [begin + timedelta(minutes=n) for n in minutes] + others
    unfolded = unfold(times, zone, None)
    assert unfolded == times
    for time in unfolded:
        first, second = (time.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        assert not time.fold or first < second
        assert in_gap(time, zone) is (second < first)


@pytest.mark.parametrize("zone", [UTC, DHAKA])
def test_a_zone_without_daylight_saving_repeats_nothing(zone: tzinfo) -> None:
    """In Dhaka and in UTC a clock that steps back is only a clock that steps back."""
    times = [at(clock) for clock in ("01:40", "01:20", "23:50", "22:50")]
    assert [time.fold for time in unfold(times, zone, None)] == [0, 0, 0, 0]


def test_the_ends_of_the_calendar_are_times_like_others() -> None:
    """The first and the last second that Python knows raise nothing."""
    ends = [datetime(9999, 12, 31, 23, 59, 59), datetime(1, 1, 1)]
    for zone in (UTC, LONDON, DHAKA):
        assert unfold(ends, zone, None) == ends


@pytest.mark.parametrize(("name", "begin", "minutes"), GAPS)
def test_a_time_that_clocks_skip_is_in_the_gap(name: str, begin: datetime, minutes: int) -> None:
    """From the first skipped second to the last, and none around them."""
    zone = ZoneInfo(name)
    end = begin + timedelta(minutes=minutes)
    second = timedelta(seconds=1)
    assert [in_gap(time, zone) for time in (begin - second, begin, end - second, end)] == [
        *(False, True, True, False),
    ]
    assert unfold([end - second, begin], zone, None)[1].fold == 0


@pytest.mark.parametrize(("name", "begin", "minutes"), REPEATS)
def test_a_time_that_clocks_show_twice_is_in_no_gap(name: str, begin: datetime, minutes: int) -> None:
    """What is shown twice is not skipped."""
    assert not any(in_gap(begin + timedelta(minutes=n), ZoneInfo(name)) for n in range(-5, minutes + 5))


@pytest.mark.parametrize(
    ("time", "drift", "suspect"),
    [
        (datetime(2026, 11, 22, 9), None, False),
        (datetime(2026, 11, 22, 9), 0.0, False),
        (datetime(2026, 11, 22, 9), -86_400.0, False),
        (datetime(2026, 11, 22, 9), -86_401.0, True),
        (datetime(2026, 11, 22, 9), 86_401.0, True),
        (datetime(2000, 1, 1), None, True),
        (datetime(2009, 12, 31, 23, 59, 59), 0.0, True),
        (datetime(2010, 1, 1), 0.0, False),
        (datetime(2026, 3, 29, 1, 30), 0.0, True),
        (datetime(2026, 10, 25, 1, 30), 0.0, False),
    ],
)
def test_a_clock_is_suspect_for_three_reasons(time: datetime, drift: float | None, suspect: bool) -> None:
    """Before 2010, at a time that does not exist, or more than a day off; an unknown drift is no reason."""
    assert clock_suspect(time, LONDON, drift) is suspect


@pytest.mark.parametrize("zone", [LONDON, ZoneInfo("Asia/Dhaka"), ZoneInfo("America/Santiago")], ids=str)
@pytest.mark.parametrize("drift", [None, 0.0, 90_000.0])
def test_the_stamps_of_a_date_are_those_of_each_of_its_times(zone: ZoneInfo, drift: float | None) -> None:
    """What is looked up once for a date is what each of its times would be told, on every day of a year."""
    latest = datetime(2026, 6, 1, 12)
    stamps = Stamps(zone, drift, latest)
    began = datetime(2009, 12, 31), datetime(2026, 1, 1)
    for time in (begin + n * timedelta(minutes=30) for begin in began for n in range(366 * 48)):
        for shown in (time, time.replace(fold=1)):
            assert stamps.of(shown) == (offset(shown, zone), clock_suspect(shown, zone, drift, latest))


@pytest.mark.parametrize("ahead", [-3600, -1, 0, 1, 90, 86_400])
def test_drift_is_how_far_the_device_is_ahead(ahead: int) -> None:
    """Drift has the sign of the device's error."""
    now = datetime(2026, 11, 22, 2, 59, 58, tzinfo=UTC)
    shown = datetime(2026, 11, 22, 8, 59, 58) + timedelta(seconds=ahead)
    assert drift(shown, now, DHAKA) == timedelta(seconds=ahead)


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


# --- what this host stamped ---


@pytest.mark.parametrize(
    ("ago", "old", "ahead"),
    [
        (timedelta(days=30), timedelta(days=30), False),
        (timedelta(0), timedelta(0), False),
        (timedelta(seconds=-60), timedelta(0), False),  # as NTP may put a clock back
        (timedelta(seconds=-61), timedelta(0), True),
        (timedelta(days=-730), timedelta(0), True),
    ],
)
@pytest.mark.parametrize("zone", [UTC, BERLIN])
def test_how_old_a_stamp_is(ago: timedelta, old: timedelta, ahead: bool, zone: ZoneInfo) -> None:
    """A time to come counts as just now, and is known as such; the zone it is given in means nothing."""
    now = datetime(2026, 11, 22, 3, tzinfo=UTC)
    then = (now - ago).astimezone(zone)
    assert age(then, now) == old
    assert is_ahead(then, now) is ahead


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "+0 s"),
        (-119.4, "-119 s"),
        (120, "2 min ahead"),
        (3540, "59 min ahead"),
        (-3600.4, "1 h behind"),
        (-5400, "1 h 30 min behind"),
        (DAY - 1, "1 day ahead"),
        (-2 * DAY - 3 * 3600, "2 days 3 h behind"),
        (-364 * DAY, "364 days behind"),
        (366 * DAY, "1 year ahead"),
        (-9490 * DAY, "26 years behind"),
    ],
)
def test_a_drift_in_words(seconds: float, words: str) -> None:
    """A drift is told in seconds while it is small, and then as people say it."""
    assert drift_in_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "limit", "may"),
    [
        (3540, 120, True),
        (-3600, 10, True),
        (3540, 10, False),
        (1800, 120, True),
        (1680, 120, True),
        (900, 120, False),
        (-20_700, 120, True),  # 5:45, Kathmandu
        (4000, DAY, False),  # whatever is allowed, a clock that is minutes off is no zone
        (26 * 3600, 120, True),
        (2 * DAY, 120, False),
    ],
)
def test_a_clock_that_is_off_as_a_zone_is(seconds: float, limit: float, may: bool) -> None:
    """Near a quarter of an hour, from half an hour on, it is asked whether timezone: is right."""
    assert may_be_the_zone(seconds, limit) is may
    asked = "is timezone: Asia/Dhaka right? If it is, put the clock right"
    assert (asked in clock_fault(seconds, limit, "Asia/Dhaka")) is may
    assert clock_fault(30, None, "UTC") == "30 s ahead, and so are its punches; put it right"


def test_from_when_on_a_clock_is_off() -> None:
    """A clock is off from the limit on, either way; without one, or a date, it never is."""
    assert [is_off(one, 120) for one in (119.9, 120, -120, None)] == [False, True, True, False]
    assert not is_off(DAY, None)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (30, "30 s"),
        (300, "5 min"),
        (3 * 3600, "3 h"),
        (7500, "2 h 5 min"),
        (40 * DAY, "40 days"),
        (9490 * DAY, "26 years"),
    ],
)
def test_a_span_in_words(seconds: float, words: str) -> None:
    """A span is told in the unit that people would use."""
    assert in_words(seconds) == words
