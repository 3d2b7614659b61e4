"""How far a site is told that a shift's punches are complete, and what it may answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.delivery.contract import Answer, Decision, Failure, Reply, Request, Verdict, carried_out
from zkpoll.delivery.formats.frappe.answers import Judge
from zkpoll.delivery.formats.frappe.shifts import bound as bound_by
from zkpoll.delivery.formats.frappe.shifts import follow_up, moving
from zkpoll.inventory.formats.frappe import Shift
from zkpoll.model.delivery import Reach, ShiftMove

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = Shift(name="Day", devices=("front-door", "warehouse"))
DHAKA = ZoneInfo("Asia/Dhaka")
READ = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEFORE = READ - timedelta(hours=2)
WANTED = ShiftMove("Day", READ, "front-door, last read then")
SECRET = "s3cret-f00d"


def bound(reaches: Mapping[str, Reach]) -> ShiftMove:
    """Return how far the shift is, with all the patience in the world."""
    return bound_by(DAY, reaches, READ - timedelta(days=1000))


def reply(document: object, status: int = 200) -> Reply:
    """Return a site's answer with a document."""
    return Reply(status, "application/json", json.dumps({"data": document}).encode())


def stands(moment: str | None) -> Reply:
    """Return a site's answer with a Shift Type that stands there."""
    return reply({"name": "Day", "last_sync_of_checkin": moment})


def moved(
    wanted: ShiftMove, *answers: Answer, zone: ZoneInfo = DHAKA
) -> tuple[ShiftMove | Decision, list[Request]]:
    """Return what came of telling a site, and what it was asked."""
    asked: list[Request] = []

    def send(request: Request) -> Answer:
        asked.append(request)
        return answers[len(asked) - 1]

    done = carried_out(moving(wanted, zone, Judge((SECRET,))), send)
    return done, asked


# --- how far it is ---


def test_the_least_of_its_devices() -> None:
    """A shift is complete as far as the device is that was read the longest time ago."""
    reaches = {"front-door": Reach(READ), "warehouse": Reach(BEFORE), "canteen": Reach()}
    assert bound(reaches) == ShiftMove("Day", BEFORE, "warehouse, last read then")


@pytest.mark.parametrize(
    ("reach", "told"),
    [
        (Reach(READ, BEFORE, pending=3), "warehouse, with 3 punches pending"),
        (Reach(READ, BEFORE, parked=1_200), "warehouse, with 1,200 punches parked"),
        (Reach(READ, BEFORE, pending=2, parked=1), "warehouse, with 2 punches pending and 1 punches parked"),
        (Reach(READ, BEFORE, held=4), "warehouse, with 4 punches held, from where another terminal belongs"),
    ],
)
def test_what_is_not_confirmed_holds_it(reach: Reach, told: str) -> None:
    """A punch that the site does not have, whyever, keeps the shift from moving past it."""
    assert bound({"front-door": Reach(READ), "warehouse": reach}) == ShiftMove("Day", BEFORE, told)


def test_what_came_later_holds_nothing() -> None:
    """A pending punch from behind the reading's end is no reason."""
    after = READ + timedelta(minutes=1)
    reaches = {"front-door": Reach(READ, after, pending=1), "warehouse": Reach(READ)}
    assert bound(reaches).until == READ


@pytest.mark.parametrize("reach", [None, Reach(), Reach(None, BEFORE, pending=1)])
def test_a_device_that_was_never_read_to_its_end(reach: Reach | None) -> None:
    """Of what nobody has read, nobody says that it is complete."""
    found = bound({"front-door": Reach(READ)} | ({"warehouse": reach} if reach else {}))
    assert (found.until, found.late) == (None, True)
    assert found.held_by.startswith("warehouse was not read to its end yet")


def test_a_shift_that_is_late() -> None:
    """Whoever may process attendance no further than long ago, or not at all, is late."""
    reaches = {"front-door": Reach(READ), "warehouse": Reach(BEFORE)}
    assert not bound_by(DAY, reaches, BEFORE).late
    assert bound_by(DAY, reaches, BEFORE + timedelta(seconds=1)).late
    assert bound_by(DAY, {"front-door": Reach(READ)}, BEFORE).late


MOMENTS = st.datetimes(
    datetime(2026, 11, 21),
    datetime(2026, 11, 23),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=6)), timezone(timedelta(hours=-5))]),
)
REACHES = st.builds(Reach, st.none() | MOMENTS, st.none() | MOMENTS)


@given(st.dictionaries(st.sampled_from(["front-door", "warehouse", "canteen"]), REACHES))
def test_never_past_anything_that_is_missing(reaches: dict[str, Reach]) -> None:
    """Whatever the devices' states: none of the shift's has an end, or a punch unsettled, before its time."""
    found = bound(reaches)
    own = [reaches.get(name, Reach()) for name in DAY.devices]
    if found.until is None:
        assert any(reach.complete_until is None for reach in own)
        return
    for reach in own:
        assert reach.complete_until is not None
        assert found.until <= reach.complete_until
        assert reach.unsettled_since is None or found.until <= reach.unsettled_since


# --- what may be of any time ---

ADVICE = "of a time that nobody knows: see zkpoll quarantine list, then zkpoll quarantine accept --device"
UNDATED = [
    (Reach(READ, quarantined=1), f"warehouse, with 1 record in quarantine, {ADVICE} warehouse"),
    (Reach(READ, quarantined=1_200), f"warehouse, with 1,200 records in quarantine, {ADVICE} warehouse"),
    (
        Reach(READ, BEFORE, pending=1, quarantined=2),
        f"warehouse, with 2 records in quarantine, {ADVICE} warehouse",
    ),
    (
        Reach(READ, set_aside={"office": 1}),
        f"warehouse, with 1 row set aside in its database office, {ADVICE} office",
    ),
]


def told_of(
    reaches: Mapping[str, Reach], *answers: Answer, late_before: datetime = BEFORE - timedelta(days=9)
) -> tuple[ShiftMove | Decision, list[str]]:
    """Return what came of telling a site of the shift, and by which methods it was asked."""
    asked: list[str] = []

    def send(request: Request) -> Answer:
        asked.append(request.method)
        return answers[len(asked) - 1]

    step = follow_up(DAY, DHAKA, Judge((SECRET,)))
    return carried_out(step.exchange(reaches, late_before), send), asked


@pytest.mark.parametrize(("reach", "told"), UNDATED)
def test_a_record_of_any_time_holds_it_where_it_stands(reach: Reach, told: str) -> None:
    """While a person has not seen to it, the shift is not moved, and they hear of it at once."""
    found = told_of({"front-door": Reach(READ), "warehouse": reach}, stands("2026-11-22 14:00:00"))
    assert found == (ShiftMove("Day", BEFORE - timedelta(hours=2), told, late=True), ["GET"])


def test_it_is_said_to_be_no_further_than_all_is_read() -> None:
    """A site that was set further than all is there is not taken at its word."""
    reaches = {"front-door": Reach(READ, quarantined=1), "warehouse": Reach(BEFORE)}
    (move, asked) = told_of(reaches, stands("2026-11-22 17:59:59"))
    assert isinstance(move, ShiftMove)
    assert (move.until, move.late, asked) == (BEFORE, True, ["GET"])


def test_a_shift_that_stands_nowhere_yet() -> None:
    """One that was never moved is not moved for the first time, either."""
    (move, asked) = told_of({name: Reach(READ, quarantined=1) for name in DAY.devices}, stands(None))
    assert isinstance(move, ShiftMove)
    assert (move.until, move.late, move.moved, asked) == (None, True, False, ["GET"])
    assert "front-door, with 1 record" in move.held_by
    assert "warehouse, with 1 record" in move.held_by


def test_a_record_of_another_device_holds_nothing() -> None:
    """What is in quarantine of a device at which nobody of the shift punches is another shift's."""
    reaches = {"front-door": Reach(READ), "warehouse": Reach(READ), "canteen": Reach(READ, quarantined=3)}
    (move, asked) = told_of(reaches, stands(None), stands("2026-11-22 18:00:00"))
    assert isinstance(move, ShiftMove)
    assert (move.until, move.moved, asked) == (READ, True, ["GET", "PUT"])


def test_a_site_that_does_not_tell_where_it_stands() -> None:
    """What keeps a site from telling is told as it is of any shift."""
    reaches = {"front-door": Reach(READ), "warehouse": Reach(READ, quarantined=1)}
    move, _ = told_of(reaches, Reply(404, "application/json", b"{}"))
    assert isinstance(move, ShiftMove)
    assert "no Shift Type of that name" in (move.problem or "")
    assert isinstance(told_of(reaches, Failure("away"))[0], Decision)


# --- telling the site ---


def test_what_is_sent() -> None:
    """The site is asked how far it is, then told, in its own zone, to the second, never later than true."""
    wanted = replace(WANTED, until=READ.replace(microsecond=999_999))
    done, asked = moved(wanted, stands("2026-11-22 08:00:00"), stands("2026-11-22 18:00:00"))
    assert done == replace(wanted, moved=True)
    look, tell = asked
    assert (look.method, look.path, look.body) == ("GET", "/api/resource/Shift%20Type/Day", None)
    assert (tell.method, tell.path) == ("PUT", "/api/resource/Shift%20Type/Day")
    assert tell.body == b'{"last_sync_of_checkin":"2026-11-22 18:00:00"}'
    assert tell.key is None


@pytest.mark.parametrize("name", ["Früh/Spät", "9-5 & late?", "a%2Fb"])
def test_any_name_is_one_part_of_the_path(name: str) -> None:
    """No name of a shift leads to another document."""
    _, (look, _) = moved(replace(WANTED, name=name), stands(None), stands(None))
    assert look.path.count("/") == 4
    assert not set("?&# ") & set(look.path)


@pytest.mark.parametrize(
    "before", ["2026-11-22 18:00:00", "2026-11-22 18:00:00.000000", "2027-01-01 00:00:00"]
)
def test_never_backwards(before: str) -> None:
    """What stands there already, or is further, is left as it is."""
    done, asked = moved(WANTED, stands(before))
    assert (done, [request.method for request in asked]) == (WANTED, ["GET"])


@pytest.mark.parametrize("before", [None, "", "2026-11-22 17:59:59.999999"])
def test_forwards_from_anything_earlier(before: str | None) -> None:
    """One that was never moved is moved as well."""
    assert moved(WANTED, stands(before), stands("2026-11-22 18:00:00"))[0] == replace(WANTED, moved=True)


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2026-10-24T23:59:59+00:00", "2026-10-25 01:59:59"),
        ("2026-10-25T00:58:00+00:00", "2026-10-25 00:58:00"),
        ("2026-10-25T01:10:00+00:00", "2026-10-25 01:10:00"),
        ("2026-10-25T02:00:00+00:00", "2026-10-25 03:00:00"),
    ],
)
def test_a_repeated_hour(until: str, told: str) -> None:
    """Where daylight saving repeats an hour, the site is told a time from before it until it is over.

    At 02:58 in the first pass, a punch at 02:10 in the second one is still to come.
    """
    wanted = replace(WANTED, until=datetime.fromisoformat(until))
    _, (_, tell) = moved(wanted, stands(None), stands(told), zone=ZoneInfo("Europe/Berlin"))
    assert tell.body == f'{{"last_sync_of_checkin":"{told}"}}'.encode()


def test_nothing_known_asks_nothing() -> None:
    """A shift that is held from the beginning costs no request."""
    wanted = ShiftMove("Day", None, "warehouse was not read to its end yet")
    assert moved(wanted) == (wanted, [])


LASTING = [
    (
        Reply(404, "application/json", b'{"exc_type": "DoesNotExistError"}'),
        "it has no Shift Type of that name",
    ),
    (Reply(403, "application/json", b'{"exc_type": "PermissionError"}'), "read and write Shift Type"),
    (Reply(401), "token"),
    (Reply(417, "application/json", b'{"exc_type": "ValidationError"}'), "417"),
    (Reply(200, "text/html", b"<html>Log in</html>"), "web page"),
    (Reply(200, "application/json", b'{"message": "pong"}'), "no Shift Type"),
    (Reply(200, "application/json", b'{"data": [1]}'), "no Shift Type"),
    (reply({"last_sync_of_checkin": "yesterday"}), "no Shift Type"),
    (reply({"last_sync_of_checkin": 5}), "no Shift Type"),
]
PASSING = [
    (Reply(417, "application/json", b'{"exc_type": "TimestampMismatchError"}'), "417"),
    (Reply(503), "503"),
    (Reply(429), "429"),
    (Failure("no complete answer"), "no complete answer"),
]


@pytest.mark.parametrize(("answer", "told"), LASTING)
@pytest.mark.parametrize("telling", [False, True])
def test_what_the_site_does_not_take(answer: Answer, told: str, telling: bool) -> None:
    """Each refusal says what to do about it."""
    done, _ = moved(WANTED, *([stands(None), answer] if telling else [answer]))
    assert isinstance(done, ShiftMove)
    assert not done.moved
    assert done.problem is not None
    assert told in done.problem


@pytest.mark.parametrize(("answer", "told"), PASSING)
@pytest.mark.parametrize("telling", [False, True])
def test_a_site_that_does_not_answer(answer: Answer, told: str, telling: bool) -> None:
    """What may be different in five minutes is the site's trouble, not the shift's."""
    done, _ = moved(WANTED, *([stands(None), answer] if telling else [answer]))
    assert isinstance(done, Decision)
    assert done.verdict is Verdict.TRY_AGAIN
    assert told in done.message


@pytest.mark.parametrize("kept", [None, "2026-11-22 17:59:59"])
def test_a_site_that_keeps_what_it_had(kept: str | None) -> None:
    """A site that says yes, and saves nothing, is no success."""
    done, _ = moved(WANTED, stands(kept), stands(kept))
    assert isinstance(done, ShiftMove)
    assert (done.moved, "keeps the time that it had" in (done.problem or "")) == (False, True)


def test_a_time_with_an_offset() -> None:
    """A site that tells an offset with its time is understood."""
    done, _ = moved(WANTED, stands("2026-11-22T12:00:01+00:00"))
    assert done == WANTED


def test_no_secret_is_told() -> None:
    """What a site echoes of the secret is not repeated."""
    done, _ = moved(WANTED, Reply(401, body=f"bad key {SECRET}".encode()))
    assert SECRET not in repr(done)
