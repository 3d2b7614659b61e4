"""What needs a person, and the first line of `zkpoll status`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zkpoll.journal.overview import DashboardStanding
from zkpoll.model.report import Condition
from zkpoll.reports.verdict import NO_RUN, NO_RUN_YET, STALE, LastRun, Need, confirmed, needs, of_things

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
THEN = NOW - timedelta(days=3)
DOOR = "device front-door"
CLOCK = Condition("clock", THEN, NOW, "its clock is off by 59 min")
UNREAD = Need(DOOR, STALE, "it is not read", THEN)
LOCKED = Need(DOOR, "locked", "it may still be disabled", THEN)


@pytest.mark.parametrize(
    ("told", "found", "lines"),
    [
        (CLOCK, [], ["device front-door: its clock is off by 59 min (since 2026-11-19 03:00Z)"]),
        (Condition("clock", THEN, NOW), [], ["device front-door: clock (since 2026-11-19 03:00Z)"]),
        (Condition("exposed", THEN, NOW, "use https", advice=True), [], []),
        (CLOCK, [UNREAD], ["device front-door: its clock is off by 59 min (since 2026-11-19 03:00Z)"]),
        (CLOCK, [LOCKED], ["its clock is off by 59 min", "it may still be disabled"]),
        (Condition("locked", THEN, NOW, "IT MAY"), [LOCKED], ["IT MAY"]),
        (None, [UNREAD], ["device front-door: it is not read (since 2026-11-19 03:00Z)"]),
    ],
)
def test_each_thing_is_named_once(told: Condition | None, found: list[Need], lines: list[str]) -> None:
    """A trouble is told in the words that a run had; what shows at this moment only where that says more."""
    shown = needs({DOOR: told} if told else {}, found, NO_RUN_YET, NOW)
    assert len(shown) == len(lines)
    assert all(line in need.line for need, line in zip(shown, lines, strict=True))


@pytest.mark.parametrize(
    ("ended", "how"),
    [
        (THEN, "no run has ended for 3 days, so 2 devices and 1 database are not read"),
        (None, "yet, so 2 dev"),
    ],
)
def test_where_nothing_runs_that_is_one_thing(ended: datetime | None, how: str) -> None:
    """A timer that does not start any more is one thing to see to, and not one for each device."""
    unread = [UNREAD, Need("device back", STALE, "it was never read"), Need("database x", STALE, "no")]
    first, clock, locked = needs({"this host": CLOCK}, [*unread, LOCKED], LastRun(ended, overdue=True), NOW)
    assert (first.kind, first.since, how in first.text) == (NO_RUN, ended, True)
    assert (clock.subject, locked) == ("this host", LOCKED)


@pytest.mark.parametrize(
    ("sent", "how"),
    [
        (THEN, "it has sent no errand for 3 days, so nothing is read and delivered"),
        (None, "it has sent no errand yet"),
        (NOW + timedelta(days=3), "it has sent no errand since a time that lies ahead of this host's clock"),
    ],
)
def test_where_nothing_is_sent_that_is_one_thing(sent: datetime | None, how: str) -> None:
    """With workers it is the dispatch that is missing, also while each device was read in good time."""
    run = LastRun(sent, overdue=True, what="dispatch")
    for unread in ([], [UNREAD, Need("database x", STALE, "no")]):
        (need,) = needs({}, unread, run, NOW)
        assert (need.subject, need.kind, need.since) == ("zkpoll dispatch", NO_RUN, sent)
        assert need.text.startswith(how)
    assert needs({}, [UNREAD], LastRun(sent, overdue=False, what="dispatch"), NOW) == (UNREAD,)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([], None),
        ([(0, 0, 0)], "no punches yet"),
        ([(1, 0, 0)], "1 of 1 punch confirmed"),
        ([(4819, 0, 0)], "4,819 of 4,819 punches confirmed"),
        ([(4819, 0, 0), (4819, 0, 0)], "4,819 of 4,819 punches confirmed"),
        ([(4800, 15, 4), (10, 0, 0)], "4,810 of 4,829 punches confirmed, by 2 dashboards together"),
    ],
)
def test_how_many_are_confirmed(counts: list[tuple[int, int, int]], words: str | None) -> None:
    """Punches are counted that dashboards have or are to get: confirmed, pending, parked; not the held."""
    standings = [
        DashboardStanding("main", None, pending, parked, 99, None, done) for done, pending, parked in counts
    ]
    assert confirmed(standings) == words


def test_the_last_run() -> None:
    """It is said how long ago it ended; by a clock that was ahead of today's nobody knows."""
    assert NO_RUN_YET.words(NOW) == "no run has ended yet"
    assert LastRun(NOW - timedelta(minutes=3), overdue=False).words(NOW) == "last run 3 min ago"
    sent = LastRun(NOW - timedelta(minutes=3), overdue=False, what="dispatch")
    assert sent.words(NOW) == "last dispatch 3 min ago"
    assert LastRun(None, overdue=True, what="dispatch").words(NOW) == "no dispatch yet"
    ahead = LastRun(NOW + timedelta(days=3), overdue=False)
    assert ahead.words(NOW) == "last run stamped 2026-11-25 03:00Z, AHEAD"


def test_things_in_one_phrase() -> None:
    """What there is none of is left out."""
    assert of_things((12, "terminal"), (1, "database"), (0, "push door"), (2, "dashboard")) == (
        "12 terminals, 1 database and 2 dashboards"
    )
    assert (of_things((1, "terminal")), of_things((0, "terminal"))) == ("1 terminal", "")
