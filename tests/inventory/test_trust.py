"""`trust: inventory`: a serial number of one's own, for a terminal that tells another one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import GOOD, device, read, wrong

if TYPE_CHECKING:
    from pathlib import Path

OWN = "    serial: OWN1\n    trust: inventory\n"


def test_it_is_the_devices_word_unless_the_inventory_says_so(tmp_path: Path) -> None:
    """Without the setting the terminal's word counts; with it the number stands beside it."""
    assert read(tmp_path, GOOD).devices[0].trust == "device"
    made = read(tmp_path, GOOD + OWN).devices[0]
    assert (made.trust, made.serial) == ("inventory", "OWN1")


@pytest.mark.parametrize("where", ["device", "defaults"])
def test_it_needs_a_serial(tmp_path: Path, where: str) -> None:
    """Without a number there is nothing to believe."""
    text = device("trust: inventory")
    if where == "defaults":
        text = GOOD.replace("defaults:\n", "defaults:\n  trust: inventory\n")
    (only,) = wrong(tmp_path, text)
    assert only.endswith(
        "devices[0] (front).serial: missing (with trust: inventory the device is known by it)"
    )


def test_it_is_one_of_two_words(tmp_path: Path) -> None:
    """Anything else is told with the words that there are."""
    (only,) = wrong(tmp_path, device("serial: A", "trust: me"))
    assert "trust: found 'me'" in only
    assert "device" in only
    assert "inventory" in only


def test_it_is_of_our_calls_alone(tmp_path: Path) -> None:
    """A device that nobody calls is known by the number that its calls tell."""
    text = device("serial: A", "push: true", "trust: inventory").replace("    host: 192.168.1.201\n", "")
    (only,) = wrong(tmp_path, text)
    assert only.endswith("devices[0] (front).trust: needs host: beside it; nobody calls a device without one")


@pytest.mark.parametrize(
    ("enabled", "told"), [("true", "already an enabled device"), ("false", "is that of")]
)
@pytest.mark.parametrize("first", [False, True])
def test_the_number_is_no_other_entrys(tmp_path: Path, enabled: str, told: str, first: bool) -> None:
    """A number of one's own must not be another entry's, also where that one is taken out."""
    own = "  - {name: own, host: b, serial: X1, trust: inventory}\n"
    other = f"  - {{name: other, host: c, serial: X1, enabled: {enabled}}}\n"
    (only,) = wrong(tmp_path, GOOD + (own + other if first else other + own))
    assert "serial X1" in only
    assert told in only
