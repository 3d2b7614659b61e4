"""Published requests of real terminals get their answers, and their punches are those that were published."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.push.published import Published, published
from tests.push.terminals import KNOWN, NOW, call_of, fields_of
from zkpoll.push import options
from zkpoll.push.contract import Known, Reaction
from zkpoll.push.lines import read, split
from zkpoll.push.reaction import react

SETTINGS = options.attendance(KNOWN, NOW)
ANSWERS = {
    "C02-0": SETTINGS,
    "C03-0": "OK: 5",
    "C04-0": "OK: 6",
    "C06-0": "OK: 1",
    "C07-0": SETTINGS,
    "C07-1": "OK",
    "C08-0": SETTINGS,
    "C09-0": "OK: 1",
    "C10-0": "OK: 1",
    "C10-1": "OK: 1",
    "C10-2": "OK: 1",
    "C10-3": "OK: 2",
    **{f"C13-{place}": "OK: 1" for place in range(6)},
    "C14-0": "OK: 1",
    "C16-0": "OK: 1",
    "C16-1": "OK: 1",
    "C16-2": "OK: 1",
    "C16-3": "OK: 1",
    "C16-4": "OK",
    "C18-0": SETTINGS,
    "C19-0": SETTINGS,
    "C21-0": SETTINGS,
    "C21-1": "OK",
    "C21-2": "OK: 0",
    "C21-3": "OK",
    "C21-4": "OK",
    **{f"C23-{place}": "OK" for place in range(4)},
    "C25-0": SETTINGS,
    "C29-0": "OK",
    "C30-0": "OK",
    "C30-1": "OK",
    "C31-0": SETTINGS,
    "C32-0": "OK: 9",
    "C34-0": "OK",
    "C35-0": "OK",
    "C36-0": "OK: 1",
    "C36-1": "OK: 2",
    "C39-0": "RegistryCode=c0de0123456789ab",
    "C42-0": "OK: 1",
    "C43-0": "user=1",
    "C45-0": "OK: 1",
    "C46-0": "OK: 2",
}
"""What each published request hears. Publishers' servers spell it in other ways that terminals take, too."""
KINDS = {
    "C03-0": {"OPLOG": 4, "FP": 1},
    "C10-1": {"USER": 1},
    "C10-2": {"FP": 1},
    "C10-3": {"OPLOG": 2},
    "C16-1": {"USER": 1},
    "C16-2": {"BIOPHOTO": 1},
    "C16-3": {"BIODATA": 1},
    "C42-0": {"USER": 1},
    "C43-0": {"USER": 1},
    "C45-0": {"FP": 1},
}
PUNCHES = [one for one in published().values() if one.punches is not None]


def reaction_of(one: Published, known: Known = KNOWN) -> Reaction:
    """Return what a published request leads to."""
    reaction = react(call_of(one.target, one.method), one.body, known, NOW)
    assert isinstance(reaction, Reaction)
    return reaction


def test_every_request_has_its_answer_here() -> None:
    """No published request is passed over, and none is made up."""
    assert published().keys() == ANSWERS.keys()


@pytest.mark.parametrize("one", published().values(), ids=lambda one: one.name)
def test_a_published_request_is_answered(one: Published) -> None:
    """Punches as published are on their way to the disk, and the answer is one that terminals take."""
    reaction = reaction_of(one)
    assert reaction.text == ANSWERS[one.name]
    assert reaction.unknown is None
    batch = reaction.batch
    if one.name == "C14-0":  # its publisher put `<PIN>` in place of the id
        assert batch is not None
        assert [punch.user_id for punch in batch.punches] == ["<PIN>"]
    elif one.punches is None and not one.quarantined:
        assert batch is None
    else:
        assert batch is not None
        assert [fields_of(punch) for punch in batch.punches] == (one.punches or [])
        assert len(batch.quarantined) == one.quarantined


@pytest.mark.parametrize("name", KINDS)
def test_published_lines_of_other_tables_are_counted_by_kind(name: str) -> None:
    """Operations, users and templates are counted; nothing else of them is left."""
    assert dict(reaction_of(published()[name]).counted) == KINDS[name]


@pytest.mark.parametrize("one", published().values(), ids=lambda one: one.name)
def test_the_bytes_are_those_of_the_wire(one: Published) -> None:
    """Where a length was published and the body was not cut, the body here has that length."""
    if one.content_length is not None and b"{cut}" not in one.body:
        assert len(one.body) == one.content_length


@pytest.mark.parametrize("one", PUNCHES, ids=lambda one: one.name)
def test_published_punches_read_whole_cut_and_with_rubbish_behind(one: Published) -> None:
    """Wherever a body is cut, its whole lines are the same punches; rubbish behind is quarantined."""
    whole = read(split(one.body) or [])
    for place in range(len(one.body)):
        done = one.body.count(b"\n", 0, place)
        cut = read(split(one.body[:place]) or [])
        assert cut.punches[:done] == whole.punches[:done]
        assert len(cut.punches) + len(cut.quarantined) + cut.door_events in (done, done + 1)
    rubbish = read(split(one.body.rstrip(b"\n") + b"\n\x00\xff\x1f\x8b\tx\r\n") or [])
    assert rubbish.punches == whole.punches
    assert [bad.raw for bad in rubbish.quarantined] == [b"push\n\x00\xff\x1f\x8b\tx"]


@pytest.mark.parametrize(
    ("place", "users", "punches"), [(0, "2", "18"), (1, "5", "71"), (2, "27", "283"), (3, "0", "0")]
)
def test_published_counts_of_a_poll(place: int, users: str, punches: str) -> None:
    """INFO of 6, 10 and 13 values tells users and punches alike."""
    told = reaction_of(published()[f"C23-{place}"]).told
    assert (told["UserCount"], told["TransactionCount"]) == (users, punches)


def test_published_settings_of_an_mb360() -> None:
    """Of 31 settings those are kept that say what it is and how much it holds."""
    assert reaction_of(published()["C21-3"]).told == {
        "DeviceName": "MB360/ID",
        "FWVersion": "Ver 8.0.4.2-I113-02",
        "Platform": "ZMM220_TFT",
        "PushVersion": "Ver 2.0.36-20180926",
        "UserCount": "143",
        "TransactionCount": "128",
    }
    result = reaction_of(published()["C21-4"])
    assert (result.returned, result.told) == ({"122": 0}, {"DeviceName": "MB360/ID"})


def test_published_results() -> None:
    """Five results in one body, and an id of 16 letters and digits."""
    assert reaction_of(published()["C34-0"]).returned == dict.fromkeys(
        ["info8487", "info8488", "info8489", "info7464", "fp7464"], 0
    )
    assert reaction_of(published()["C29-0"]).returned == {"a13eeb9927464f9e": 0}


def test_a_published_registration() -> None:
    """A SenseFace 2A gets its code, and is known to speak the access dialect."""
    reaction = reaction_of(published()["C39-0"])
    assert (reaction.dialect, reaction.registers) == ("access", True)
    assert reaction.told["DeviceName"] == "SenseFace 2A"
    assert reaction.told["FWVersion"] == "ZAM70-NF24HA-Ver3.0.15"


def test_a_zam70_hears_ok_the_third_time() -> None:
    """The row that came every few seconds, as `user=1` was not taken, gets the other answer."""
    row = published()["C43-0"]
    heard = [reaction_of(row, replace(KNOWN, came_before=times)).text for times in range(4)]
    assert heard == ["user=1", "user=1", "OK", "OK"]
