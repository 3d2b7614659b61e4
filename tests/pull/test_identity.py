"""Which device key a visit runs under: the whole table."""

from __future__ import annotations

import pytest

from zkpoll.errors import WrongSerial
from zkpoll.pull.identity import device_key

A, B = "CQZ7224760045", "OIN7030067091200012"


@pytest.mark.parametrize(
    ("told", "configured", "stored"),
    [(A, None, None), (A, A, None), (A, None, A), (A, A, A), (None, A, None), (None, A, A)],
)
def test_serials_that_agree_give_the_key(
    told: str | None, configured: str | None, stored: str | None
) -> None:
    """The serial told, else the one in the inventory, is the key, as long as nothing contradicts it."""
    assert device_key("front", told, configured, stored) == A


@pytest.mark.parametrize(
    ("told", "configured", "stored", "advice"),
    [
        (None, None, None, "give it one with serial:"),
        (None, None, A, "tells no serial number any more, and was " + A),
        (None, B, A, "was " + A),
        (A, B, None, "the inventory says " + B),
        (A, B, A, "the inventory says " + B),
        (A, B, B, "the inventory says " + B),
        (A, None, B, "was " + B + " before"),
        (A, A, B, "was " + B + " before"),
    ],
)
def test_serials_that_contradict_each_other_fail_the_visit(
    told: str | None, configured: str | None, stored: str | None, advice: str
) -> None:
    """No key is guessed: the visit fails, and says which device and what to look at."""
    with pytest.raises(WrongSerial, match=advice) as failure:
        device_key("front", told, configured, stored)
    assert str(failure.value).startswith("front ")


@pytest.mark.parametrize(
    "serials",
    [(told, conf, stored) for told in (None, A, B) for conf in (None, A, B) for stored in (None, A, B)],
)
def test_a_key_is_never_anything_but_what_all_agree_on(
    serials: tuple[str | None, str | None, str | None],
) -> None:
    """Whatever is given, a key comes back only if every serial that is known is that key."""
    known = {serial for serial in serials if serial is not None}
    try:
        key = device_key("front", *serials)
    except WrongSerial:
        return
    assert known == {key}
