"""Which device key a visit runs under: the whole table."""

from __future__ import annotations

import pytest

from zkpoll.errors import WrongSerial
from zkpoll.pull.identity import Identity, identify

A, B, C = "CQZ7224760045", "OIN7030067091200012", "NEW1"


@pytest.mark.parametrize(
    ("told", "configured", "stored"),
    [(A, None, None), (A, A, None), (A, None, A), (A, A, A), (None, A, None), (None, A, A)],
)
def test_serials_that_agree_give_the_key(
    told: str | None, configured: str | None, stored: str | None
) -> None:
    """The serial told, else the one in the inventory, is the key, as long as nothing contradicts it."""
    assert identify("front", told, configured, stored, frozenset()) == Identity(A)


@pytest.mark.parametrize("configured", [None, A, B, C])
def test_a_number_that_a_repair_gave_is_the_old_key(configured: str | None) -> None:
    """A terminal accepted under another serial number keeps the key it had."""
    assert identify("front", B, configured, A, {B, C}) == Identity(A)


@pytest.mark.parametrize(
    ("configured", "stored", "advice"),
    [
        (None, None, "give it one with serial:"),
        (None, A, "tells no serial number any more, and was " + A),
        (B, A, "was " + A),
    ],
)
def test_the_silent_need_a_key_that_nothing_contradicts(
    configured: str | None, stored: str | None, advice: str
) -> None:
    """A terminal that tells no serial number is not guessed at: the visit fails, and says what to do."""
    with pytest.raises(WrongSerial, match=advice) as failure:
        identify("front", None, configured, stored, frozenset())
    assert str(failure.value).startswith("front ")


@pytest.mark.parametrize(
    ("configured", "stored", "named"),
    [(B, None, B), (B, A, B), (B, B, B), (None, B, B), (A, B, B)],
)
def test_another_number_is_a_stranger(configured: str | None, stored: str | None, named: str) -> None:
    """A terminal that tells another number is read under its own, and both numbers are named."""
    found = identify("front", A, configured, stored, frozenset())
    assert found.key == A
    assert found.problem is not None
    assert A in found.problem
    assert named in found.problem


@pytest.mark.parametrize(("configured", "stored", "two"), [(None, A, True), (A, A, True), (B, A, False)])
def test_two_that_answer_in_turn(configured: str | None, stored: str, two: bool) -> None:
    """A stranger that comes and goes has the same address, unless the inventory says that it belongs here."""
    found = identify("front", B, configured, stored, frozenset(), in_turn=lambda told: told == B)
    assert ("two terminals have this address" in str(found.problem)) is two
    assert identify("front", A, None, A, frozenset(), in_turn=lambda _told: True) == Identity(A)


@pytest.mark.parametrize("told", [None, A, B])
@pytest.mark.parametrize("stored", [None, C])
def test_the_inventory_may_be_believed(told: str | None, stored: str | None) -> None:
    """With `trust: inventory` the configured number is the key, whatever the terminal tells."""
    found = identify("front", told, C, stored, frozenset(), trusts_inventory=True)
    assert found == Identity(C, by_inventory=True)


@pytest.mark.parametrize("told", [None, A, B, C])
def test_another_number_in_the_inventory_waits_for_a_person(told: str | None) -> None:
    """A key that was chosen is not exchanged without a word: both numbers are named, and what to do."""
    found = identify("front", told, C, A, frozenset(), trusts_inventory=True)
    assert found.key == C
    assert found.problem is not None
    assert f"it was serial number {A}, and is {C} by trust: inventory" in found.problem
    assert "`zkpoll devices accept front`" in found.problem
    kept = identify("front", told, C, A, {C}, trusts_inventory=True)
    assert kept == Identity(A, by_inventory=True)


@pytest.mark.parametrize(
    "serials",
    [(told, conf, stored) for told in (None, A, B) for conf in (None, A, B) for stored in (None, A, B)],
)
def test_nothing_is_delivered_but_what_all_agree_on(
    serials: tuple[str | None, str | None, str | None],
) -> None:
    """Whatever is given, an identity is without a problem only if every serial that is known is its key."""
    known = {serial for serial in serials if serial is not None}
    try:
        found = identify("front", *serials, frozenset())
    except WrongSerial:
        return
    assert (found.problem is None) == (known == {found.key})
