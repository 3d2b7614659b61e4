"""What the inventory says of the terminals that punches come from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.delivery.outbox import EXAMPLE, SERIAL
from zkpoll.delivery.origins import Origins, direction
from zkpoll.inventory import Database, Device


def device(name: str, **settings: Any) -> Device:
    """Return a terminal."""
    return Device.model_validate({"name": name, "host": "192.0.2.1", "timezone": "UTC"} | settings)


def database(name: str, **settings: Any) -> Database:
    """Return a database."""
    given = {"name": name, "kind": "biotime", "url": "mysql://u@h/d", "timezone": "UTC"}
    return Database.model_validate(given | settings)


def terminals(*devices: Device | Database, **names: str) -> Origins:
    """Return the terminals of an inventory; `names` are those of the journal, by device key."""
    return Origins.of_inventory(devices, names)


@pytest.mark.parametrize(
    ("state", "way"),
    [(0, "in"), (1, "out"), (2, None), (3, None), (4, "in"), (5, "out"), (6, None), (255, None)],
)
def test_direction_by_state(state: int, way: str | None) -> None:
    """Check-in and overtime-in are arrivals, their counterparts departures, and all else is neither."""
    assert direction(device("a"), state) == way


@pytest.mark.parametrize("state", [0, 1, 2, 255])
@pytest.mark.parametrize(("said", "way"), [("in", "in"), ("out", "out"), ("none", None)])
def test_direction_by_terminal(said: str, way: str | None, state: int) -> None:
    """A terminal that is the way in, or out, or cannot tell, is so whatever was pressed."""
    assert direction(device("a", direction=said), state) == way


def test_direction_by_own_states() -> None:
    """An inventory can count breaks, and leave overtime out."""
    ours = device("a", in_states=[0, 3], out_states=[1, 2])
    assert [direction(ours, state) for state in range(6)] == ["in", "out", "out", "in", None, None]


def test_no_key_is_never_guessed() -> None:
    """No inventory can say that a punch without a key is an arrival, unless all of its terminal's are."""
    for states in ("in_states", "out_states"):
        with pytest.raises(ValueError, match="no key was pressed"):
            device("a", **{states: [255]})


def test_a_terminal_by_its_name() -> None:
    """A punch is of the terminal whose name it was journalled under."""
    front, back = device("front-door"), device("back")
    assert terminals(front, back).of(EXAMPLE) is front


def test_a_renamed_terminal() -> None:
    """One that was renamed since is found by its device key, under the name that the journal has for it."""
    entrance, back = device("entrance"), device("back")
    assert terminals(entrance, back, **{SERIAL: "entrance", "B2": "back"}).of(EXAMPLE) is entrance
    assert terminals(entrance, back, **{SERIAL: "front-door"}).of(EXAMPLE) is None
    assert terminals(entrance, back).of(EXAMPLE) is None


@pytest.mark.parametrize(
    ("left", "way"),
    [
        ([{}], "in"),
        ([{}, {}], "in"),
        ([{"in_states": [1], "out_states": [0]}] * 2, "out"),
        ([{"direction": "none"}], None),
        ([{}, {"direction": "out"}], None),
        ([{}, {"in_states": [4]}], None),
        ([{"direction": "in"}], None),
        ([{"direction": "in"}] * 3, None),
        ([{"direction": "out"}], None),
        ([], None),
    ],
)
def test_a_terminal_that_is_gone(left: list[dict[str, Any]], way: str | None) -> None:
    """Its punches mean what all others' mean, if that is one thing and none of them is the way in, or out.

    Where one is left that only lets in, the one that is gone may have been the way out.
    """
    found = terminals(*(device(f"d{number}", **settings) for number, settings in enumerate(left)))
    assert found.of(EXAMPLE) is None
    assert found.direction(EXAMPLE) == way


def test_a_punch_of_a_database() -> None:
    """A punch that only a database has shown means what the database says, under the database's own name."""
    hq, front = database("hq", direction="out"), device("front-door", direction="in")
    shown = EXAMPLE._replace(device="hq", source="bridge", serial_number="UNKNOWN")
    assert terminals(front, hq).of(shown) is hq
    assert terminals(front, hq).direction(shown) == "out"


def test_a_punch_of_a_device_that_a_database_has_shown() -> None:
    """A punch that only a database has shown means what that says, under its name."""
    hq, front = database("hq", direction="out"), device("front-door", direction="in")
    for name in ("front-door", "hq"):  # as it was named when the punch was journalled
        shown = EXAMPLE._replace(device=name, source="bridge")
        assert terminals(front, hq, **{SERIAL: "front-door"}).of(shown) is front


def test_a_database_that_is_gone() -> None:
    """Its punches mean what all others' mean, be they devices or databases, if that is one thing."""
    shown = EXAMPLE._replace(device="gone", source="bridge", serial_number="UNKNOWN")
    assert terminals(device("a"), database("b")).direction(shown) == "in"
    assert terminals(device("a"), database("b", in_states=[4])).direction(shown) is None


def test_whose_punches_of_one_that_is_gone() -> None:
    """Origins that know people by different rules say nothing of a third one's."""
    rule = {"user_id": {"prefix": "A-"}}
    assert terminals(device("a", **rule), device("b", **rule)).meaning(EXAMPLE) is not None
    assert terminals(device("a", **rule), device("b")).meaning(EXAMPLE) is None
