"""What is held rather than sent: what is older than a starting line, and repeats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.journal.holds import Decided, Hold, Holding, Who, decide
from zkpoll.model.punch import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

EIGHT = datetime(2026, 10, 25, 8, tzinfo=UTC)
MINUTE = Holding(repeat_within=60)


def event(second: float, user: str = "1", state: int = 0, *, hours: int = 0, suspect: bool = False) -> Event:
    """Return a punch so many seconds after eight o'clock UTC, on a wall clock so many hours ahead of that."""
    time = (EIGHT + timedelta(seconds=second)).astimezone(timezone(timedelta(hours=hours)))
    return Event("", "front", "S1", user, time.isoformat(), 1, state, 0, "pull", suspect)


def holds(events: Sequence[Event], holding: Holding = MINUTE) -> list[Hold | None]:
    """Return why each of `events` is held, with nothing before them."""
    return list(decide(events, holding, {}).holds)


# --- repeats ---


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param((0, 50, 100), [None, "repeat", None], id="a held one measures nothing"),
        pytest.param((0, 60, 61), [None, "repeat", None], id="the limit itself is within"),
        pytest.param((0, 20, 40, 60, 80), [None, "repeat", "repeat", "repeat", None], id="five in a row"),
        pytest.param((0, 0), [None, None], id="no time between"),
        pytest.param((0, -1, 30), [None, None, "repeat"], id="the clock was set back"),
        pytest.param((0, -3600, 1), [None, None, None], id="far back, and right again"),
    ],
)
def test_a_repeat_is_measured_by_the_last_kept(seconds: Sequence[int], expected: list[Hold | None]) -> None:
    """A punch is a repeat if it follows the last one that was kept, within the limit."""
    assert holds([event(second) for second in seconds]) == expected


def test_only_the_same_user_and_state_repeat() -> None:
    """Another person, or another state (255, which is none, is one too), repeats nothing."""
    events = [event(0), event(1, "2"), event(2, state=1), event(3, state=255), event(4, state=255)]
    assert holds(events) == [None, None, None, None, "repeat"]


def test_a_repeated_hour_repeats_no_punch() -> None:
    """When daylight saving ends the wall clock shows a time again, an hour later."""
    first, later = event(0, hours=1), event(3630, hours=0)
    assert (first.timestamp[11:19], later.timestamp[11:19]) == ("09:00:00", "09:00:30")
    assert holds([first, later, event(3640)]) == [None, None, "repeat"]


def test_a_skipped_hour_hides_no_repeat() -> None:
    """When daylight saving begins, punches whose wall clock times are an hour apart may be seconds apart."""
    assert holds([event(0), event(10, hours=1)]) == [None, "repeat"]


def test_a_suspect_clock_neither_repeats_nor_measures() -> None:
    """Of what a clock stamped that cannot have been right, no time can be taken."""
    assert holds([event(0), event(10, suspect=True), event(70)]) == [None, None, None]
    assert holds([event(0, suspect=True), event(10)]) == [None, None]


# --- the starting line ---


def test_what_is_older_than_the_line_is_held() -> None:
    """The line is a wall clock time of the device, and itself on the near side; whoever, whatever clock."""
    since = Holding(since=datetime(2026, 10, 25, 14))
    events = [event(-1, hours=6), event(0, hours=6), event(-1, suspect=True, hours=6), event(0, hours=5)]
    assert holds(events, since) == ["since", None, "since", "since"]


def test_what_the_line_holds_measures_nothing() -> None:
    """The first punch after the line is sent, however soon it follows one from before."""
    both = Holding(since=datetime(2026, 10, 25, 8), repeat_within=60)
    assert holds([event(-10), event(5), event(15)], both) == ["since", None, "repeat"]


# --- against a model ---

EVENTS = st.lists(
    st.builds(
        event,
        st.integers(-90, 90) | st.integers(-4000, 4000),
        st.sampled_from("12"),
        st.sampled_from([0, 255]),
        hours=st.sampled_from([0, 1]),
        suspect=st.booleans(),
    ),
    max_size=25,
)
HOLDING = st.builds(
    Holding,
    st.none() | st.integers(-4000, 4000).map(lambda s: EIGHT.replace(tzinfo=None) + timedelta(seconds=s)),
    st.none() | st.sampled_from([0.5, 30.0, 60.0, 3600.0]),
)


def model(events: Sequence[Event], holding: Holding) -> list[Hold | None]:
    """Decide each punch by a search through all that came before it."""
    found: list[Hold | None] = []
    for at, new in enumerate(events):
        kept = [
            old
            for old, hold in zip(events[:at], found, strict=True)
            if hold is None and not old.clock_suspect and (old.user_id, old.state) == (new.user_id, new.state)
        ]
        ago = utc(new) - utc(kept[-1]) if kept else 0
        if holding.since and new.timestamp[:19] < holding.since.isoformat():
            found.append("since")
        elif not new.clock_suspect and holding.repeat_within and 0 < ago <= holding.repeat_within:
            found.append("repeat")
        else:
            found.append(None)
    return found


def utc(event: Event) -> int:
    """Return when a punch was, in seconds of any epoch."""
    hours, minutes, seconds = map(int, event.timestamp[11:19].split(":"))
    return 3600 * (hours - int(event.timestamp[20:22])) + 60 * minutes + seconds


@given(EVENTS, HOLDING)
def test_all_that_is_held(events: list[Event], holding: Holding) -> None:
    """Whatever the punches, clocks and settings: held is what the definition says, and nothing else."""
    assert holds(events, holding) == model(events, holding)


@given(EVENTS, HOLDING, st.integers(0, 25))
def test_a_log_may_be_cut_anywhere(events: list[Event], holding: Holding, cut: int) -> None:
    """Slices and visits change nothing: all that counts of what came before is what was kept last."""
    last: dict[Who, str] = {}
    first = decide(events[:cut], holding, last)
    second = decide(events[cut:], holding, last | first.kept)
    assert Decided(first.holds + second.holds, first.kept | second.kept) == decide(events, holding, last)
