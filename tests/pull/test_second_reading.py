"""Single records, decoded anew by their bytes alone."""

from __future__ import annotations

from datetime import datetime

import pytest

from zkpoll.pull.layouts import ANY_SLOT
from zkpoll.pull.second_reading import OfSlot, bytes_of_slot, of_slot, read_again
from zkpoll.simulator import Model, Terminal
from zkpoll.simulator.wire import pack_time

MOMENT = datetime(2026, 9, 1, 8)
EIGHT = bytes.fromhex("0700080080901633")
"""Slot 7, a finger, in."""


@pytest.mark.parametrize("layout", [16, 22, 40, 49])
def test_a_record_of_each_layout(layout: int) -> None:
    """Its width alone tells the layout, which was found by evidence when it was read first."""
    terminal = Terminal.with_samples(3, model=Model(layout=layout))
    for raw, shown in zip(terminal.log, terminal.history, strict=True):
        punch = read_again(raw, {})
        assert punch is not None
        assert (punch.user_id, punch.time, punch.state) == (shown.user_id, shown.time, shown.state)
        assert of_slot(raw) is None


def test_a_record_of_a_slot() -> None:
    """It is a punch of whoever the user table names, and of nobody without one."""
    punch = read_again(EIGHT, {7: "1007"})
    assert punch is not None
    assert (punch.user_id, punch.time, punch.canonical) == ("1007", MOMENT, EIGHT)
    assert read_again(EIGHT, {8: "1007"}) is None
    assert of_slot(EIGHT) == OfSlot(7, MOMENT)


@pytest.mark.parametrize("raw", [
    b"", b"short", bytes(40), EIGHT * 4, EIGHT[:7],
    EIGHT[:4] + (pack_time(datetime(2026, 2, 28)) + 2 * 86_400).to_bytes(4, "little"),
])  # fmt: skip
def test_what_is_none(raw: bytes) -> None:
    """Bytes of no layout, and records that are impossible still, are no punch and name no slot."""
    assert read_again(raw, ANY_SLOT) is None
    assert of_slot(raw) is None


@pytest.mark.parametrize("slot", [0, 7, 255, 256, 65534, 65535])
def test_the_bytes_of_a_slot(slot: int) -> None:
    """Every record of the slot lies between them, and none of another."""
    first, last = bytes_of_slot(slot.to_bytes(2, "little") + EIGHT[2:])
    for rest in (bytes(6), EIGHT[2:], b"\xff" * 6):
        assert first <= slot.to_bytes(2, "little") + rest < last
        for other in {slot ^ 1, slot ^ 256}:
            assert not first <= other.to_bytes(2, "little") + rest < last
