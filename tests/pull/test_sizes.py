"""What a device says it holds is believed only if it adds up."""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.pull.sizes import Sizes, parse


def reply(dwords: int = 20, **changed: int) -> bytes:
    """Return a sizes reply of 546 users, 1090 fingers and 67 records; `d8=0` changes dword 8."""
    said = dict.fromkeys(range(dwords), 0)
    said |= {4: 546, 6: 1090, 8: 67, 10: 2634, 12: 2, 14: 10_000, 15: 10_000, 16: 200_000}
    said |= {17: 8910, 18: 9454, 19: 199_933}
    said |= {int(name[1:]): value for name, value in changed.items()}
    return pack(f"<{dwords}I", *(said[place] for place in range(dwords)))


@pytest.mark.parametrize("dwords", [20, 23, 28])
def test_all_lengths_say_the_same(dwords: int) -> None:
    """80, 92 and 112 bytes begin alike; what follows the twentieth dword is not needed."""
    assert parse(reply(dwords)) == Sizes(users=546, records=67, capacity=200_000, user_capacity=10_000)


@pytest.mark.parametrize("place", [4, 6, 8, 14, 15, 16, 17, 18, 19])
def test_a_reply_that_does_not_add_up_is_not_believed(place: int) -> None:
    """Free is capacity less what is held, for users, fingers and records; else nothing is believed."""
    assert parse(reply(**{f"d{place}": 77_777})) is None


def test_a_device_that_can_hold_nothing_is_not_believed() -> None:
    """A reply of zeros adds up, and must not pass for an empty log."""
    assert parse(bytes(80)) is None
    assert parse(reply(d8=0, d16=0, d19=0)) is None


@given(st.binary(max_size=79))
def test_a_short_reply_says_nothing(data: bytes) -> None:
    """Some terminals answer one zero dword though they hold records."""
    assert parse(data) is None


@given(st.binary(min_size=80, max_size=112))
def test_rubbish_is_an_answer_or_none(data: bytes) -> None:
    """No bytes make the reader fail."""
    said = parse(data)
    assert said is None or said.capacity >= said.records
