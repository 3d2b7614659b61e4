"""Errands: their names, and when one is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from zkpoll.model.errand import STATES, Errand, ErrandStanding, Kind, Queue

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVERY = 300.0


def at(minutes: float) -> datetime:
    """Return a moment so long after noon."""
    return NOON + timedelta(minutes=minutes)


def standing(
    taken: float | None = None, taken_at: float | None = None, done_at: float | None = None, until: float = 5
) -> ErrandStanding:
    """Return how a visit stands that waits since noon; all numbers are minutes after it."""
    times = [None if one is None else at(one) for one in (taken, taken_at, done_at)]
    who = None if taken_at is None else "host/1"
    errand = Errand("visit", "gate")
    return ErrandStanding(errand, NOON, at(until), NOON, times[0], times[1], who, times[2], None)


@pytest.mark.parametrize("subject", ["visit gate", "deliver erp", "clear main hall"])
def test_a_subject_names_one_errand(subject: str) -> None:
    """What a message says is read back as it was written."""
    assert Errand.of(subject).subject == subject


@pytest.mark.parametrize("subject", ["", "visit", "visit ", "wipe gate", "VISIT gate", " visit gate"])
def test_what_names_no_errand(subject: str) -> None:
    """A word that is none of ours is refused, and so is no name."""
    with pytest.raises(ValueError, match="no such errand"):
        Errand.of(subject)


def test_one_that_nobody_takes() -> None:
    """It waits, and is late after two spans."""
    waiting = standing()
    assert (waiting.is_waiting, waiting.is_under_way) == (True, False)
    assert not waiting.is_late(at(10), EVERY)
    assert waiting.is_late(at(10.1), EVERY)
    assert waiting.is_late(at(2.1), 60)


def test_one_that_is_done() -> None:
    """It is late no more, however long ago that was: the next sending counts anew."""
    done = standing(taken=5, taken_at=1, done_at=2)
    assert (done.is_waiting, done.is_under_way) == (False, False)
    assert not done.is_late(at(600), EVERY)


def test_one_that_was_done_and_waits_again() -> None:
    """What was done before is no excuse for the sending that nobody takes."""
    again = standing(taken=5, taken_at=1, done_at=2, until=10)
    assert (again.is_waiting, again.is_under_way) == (True, False)
    assert again.is_late(at(12), EVERY)


@pytest.mark.parametrize(("kind", "seconds"), [("visit", 900), ("clear", 900), ("deliver", 60)])
def test_how_long_the_work_may_take(kind: Kind, seconds: float) -> None:
    """A quarter of an hour at a device, a minute for a delivery, to the second."""
    begun = ErrandStanding(Errand(kind, "x"), NOON, NOON, NOON, NOON, NOON, "host/1", None, None)
    assert not begun.is_late(NOON + timedelta(seconds=seconds), 1)
    assert begun.is_late(NOON + timedelta(seconds=seconds + 0.5), 1)


def test_how_it_stands() -> None:
    """One word for each errand; one that is late counts as nothing else."""
    long, done = standing(taken=5, taken_at=1), standing(taken=5, taken_at=1, done_at=2)
    assert (standing().state(at(1), EVERY), standing().state(at(11), EVERY)) == ("waiting", "late")
    assert (long.state(at(12), EVERY), long.state(at(12), EVERY, 600)) == ("under way", "late")
    assert (done.state(at(99), EVERY), long.state(at(2), 60)) == ("done", "under way")
    assert STATES == ("done", "waiting", "under way", "late")


def test_what_a_queue_is_called() -> None:
    """A queue without a word is that of devices without site."""
    assert Queue() == Queue(site=None, deliveries=False)
    assert (Queue().subject, Queue().command) == ("queue of devices without site", "zkpoll worker")


def test_one_that_takes_its_time() -> None:
    """A visit may last until its limit, whatever the span: then whoever was at it has not ended it."""
    long = standing(taken=5, taken_at=1, until=10)
    assert (long.is_waiting, long.is_under_way) == (True, True)  # the next sending was left as it is
    assert not long.is_late(at(15.9), EVERY)
    assert long.is_late(at(16.1), EVERY)
    assert long.is_late(at(12), EVERY, limit=600)
    assert not long.is_late(at(60), EVERY, limit=7200)


def test_one_that_is_taken_again_and_again() -> None:
    """Where each one that takes it dies at it, it is late, though somebody is at it now."""
    again = standing(taken=15, taken_at=11, until=15)
    assert again.is_late(at(11.5), EVERY)


def test_a_clock_that_was_put_back() -> None:
    """What waits since a time that lies ahead is not late; what was taken in one has no time left."""
    assert not standing().is_late(at(-60), EVERY)
    ahead = standing(taken=5, taken_at=900)
    assert not ahead.is_late(at(9), EVERY)
    assert ahead.is_late(at(11), EVERY)
