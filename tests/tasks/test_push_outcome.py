"""How devices that push stand: which of it needs a person, when it begins, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from zkpoll.errors import Busy, JournalError
from zkpoll.journal.overview import DashboardStanding
from zkpoll.journal.pushed import Gap, PushStanding, Told
from zkpoll.tasks.deliver_on import by_now
from zkpoll.tasks.delivery_outcome import DeliveryOutcome
from zkpoll.tasks.outcome import Outcome
from zkpoll.tasks.push_outcome import DialectOutcome, ListenerOutcome, PushOutcome, is_silent

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CALLER = PushStanding(
    "gate",
    "GATE1",
    NOW - 9 * HOUR,
    NOW - MINUTE,
    "10.0.0.7",
    "attendance",
    "6",
    None,
    replays=0,
    door_events=0,
    told=Told(),
    told_at=None,
    gap=Gap(),
)
WELL = PushOutcome("gate", CALLER, NOW, NOW - 8 * HOUR, 30)
NEVER = replace(WELL, standing=None)


def kind(outcome: PushOutcome | DialectOutcome) -> str | None:
    """Return the kind of its trouble, or None."""
    return outcome.trouble.kind if outcome.trouble else None


def called(ago: timedelta) -> PushOutcome:
    """Return how the device stands that called last so long ago."""
    return replace(WELL, standing=replace(CALLER, last_call_at=NOW - ago))


@pytest.mark.parametrize(
    ("ago", "told"), [(MINUTE, None), (14 * MINUTE, None), (15 * MINUTE, "silent"), (7 * HOUR, "silent")]
)
def test_silence(ago: timedelta, told: str | None) -> None:
    """A person is told of a silence that no restart explains."""
    assert kind(called(ago)) == told


def test_one_that_never_called() -> None:
    """It is told where to look for it, once it has had time to call."""
    assert kind(NEVER) == "never called"
    assert NEVER.trouble
    assert "`zkpoll devices pending`" in NEVER.trouble.text
    assert kind(replace(NEVER, since=NOW - MINUTE)) is None


@pytest.mark.parametrize("before", [None, replace(CALLER, last_call_at=NOW - 72 * HOUR)])
def test_after_a_start_nobody_knows_yet(before: PushStanding | None) -> None:
    """While a device may still call, nothing is said of it, so that a silence that lasts neither ends nor
    begins again with a restart.
    """
    just_begun = replace(WELL, standing=before, since=NOW - 5 * MINUTE)
    assert (just_begun.is_open, kind(just_begun)) == (True, None)
    later = replace(just_begun, since=NOW - 16 * MINUTE)
    assert (later.is_open, kind(later)) == (False, "silent" if before else "never called")
    assert not replace(just_begun, standing=CALLER).is_open


def test_too_large() -> None:
    """A body that is too large is told while it comes again, and ends when it has not for an hour."""
    refused = replace(WELL, too_large=3, too_large_at=NOW - 59 * MINUTE)
    assert kind(refused) == "too large"
    assert refused.trouble
    assert "was refused 3 times" in refused.trouble.text
    assert kind(replace(refused, too_large_at=NOW - HOUR)) is None


@pytest.mark.parametrize(
    ("skew", "off"),
    [
        (3600.0, "1 h behind, and so are its punches: is timezone: Asia/Dhaka right?"),
        (-7200.4, "2 h ahead, and so are its punches: is timezone: Asia/Dhaka right?"),
        (-130, "2 min ahead, and so are its punches; put it right"),
        (-119, None),
        (599.0, None),  # they may have waited in the terminal
        (8.2e8, "26 years behind, and so are its punches; put it right"),
    ],
)
def test_its_clock(skew: float, off: str | None) -> None:
    """A clock is told to be off in the words of a device that is read, unless its punches may come late."""
    one = replace(WELL, standing=replace(CALLER, skew=skew), timezone="Asia/Dhaka")
    assert replace(one, warn_clock=None).trouble is None
    found = one.trouble
    assert (found and found.kind) == (off and "clock")
    assert found is None or found.text.startswith(f"its clock is {off}")


def test_another_terminal_calls_in_its_name() -> None:
    """What a terminal with another serial number brings is kept, and a person is asked whose it is."""
    other = replace(WELL, standing=replace(CALLER, serial_number="OTHER", is_stranger=True))
    assert other.trouble is not None
    assert other.trouble.kind == "another terminal"
    assert "OTHER" in other.trouble.text
    assert "zkpoll devices accept gate" in other.trouble.text


def test_its_dialect() -> None:
    """The dialect is advice of its own, which no silence ends."""
    access = DialectOutcome("gate", "access")
    assert access.trouble
    assert access.trouble.once
    assert access.subject != WELL.subject
    assert [kind(DialectOutcome("gate", one)) for one in ("attendance", None)] == [None, None]


def test_silent_on_a_screen() -> None:
    """Three calls left out count, and a minute for writing them down: no device that calls is silent."""
    assert [is_silent(NOW - ago, NOW, 30) for ago in (2.5 * MINUTE, 2.6 * MINUTE)] == [False, True]
    assert [is_silent(NOW - ago, NOW, 2) for ago in (1.1 * MINUTE, 1.2 * MINUTE)] == [False, True]


def test_the_door() -> None:
    """The door is in trouble while punches are not taken, whatever the reason is by now."""
    assert ListenerOutcome().trouble is None
    full, locked = (ListenerOutcome(why).trouble for why in ("the disk is full", "it is locked"))
    assert full
    assert locked
    assert full.kind == locked.kind
    assert "the disk is full" in full.text


def test_what_another_run_did_not_tell_is_not_looked_at() -> None:
    """To tell what was found before ends no trouble of the same subject."""
    outcome = Outcome((), (), 0.0, untold=(("push gate", "1 record is impossible"),))
    assert [subject for subject, _ in outcome.notices()] == ["push gate"]
    assert outcome.subjects() == frozenset()


# --- deliveries beside those of other runs ---

DONE = DeliveryOutcome("main", confirmed=3, requests=1)
FAILED = DeliveryOutcome("main", problem="it is away", kind="unreachable")
NOTHING = DashboardStanding("main", None, 0, 2, 1, NOW)
WAITING = DashboardStanding("main", None, 7, 2, 1, NOW)


@pytest.mark.parametrize(
    ("outcome", "standing", "is_told"),
    [
        (DONE, NOTHING, True),
        (DONE, WAITING, False),  # another run may have failed to deliver it since
        (replace(DONE, capped=True), WAITING, True),
        (FAILED, WAITING, True),
        (FAILED, NOTHING, False),  # another run has delivered it since
        (replace(FAILED, kind=Busy.kind), NOTHING, True),
        (replace(FAILED, kind=JournalError.kind), WAITING, False),
        (replace(DONE, leaves_shifts=True), NOTHING, False),  # who tells of shifts knows
    ],
)
def test_what_is_told_of_a_round(
    outcome: DeliveryOutcome, standing: DashboardStanding, is_told: bool
) -> None:
    """A round is told while it still holds; what other runs know better is left to them."""
    assert (by_now(outcome, standing, failed_before=False) is not None) is is_told


def test_a_round_is_told_with_what_waits_by_now() -> None:
    """The punches that wait are those of this moment, and the sum comes out."""
    found = by_now(FAILED, WAITING, failed_before=False)
    assert found
    assert found.trouble
    assert found.trouble.text == "it is away; 7 punches wait, the oldest since 2026-11-22T12:00Z"
    shifts = replace(DONE, leaves_shifts=True)
    assert by_now(shifts, NOTHING, failed_before=True)
