"""The blocks of a UDP stream: whatever comes, in whatever order, no byte ever lands in a wrong place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, permutations, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zkpoll.pull.blocks import Blocks, gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def counter(index: int, _offset: int, _end: int) -> int:
    """Count blocks, as published terminals do."""
    return index


NOT_COUNTERS: dict[str, Callable[[int, int, int], int]] = {
    "all 0": lambda _index, _offset, _end: 0,
    "all 1": lambda _index, _offset, _end: 1,
    "all the session": lambda _index, _offset, _end: 0x6BA0,
    "from 1": lambda index, _offset, _end: index + 1,
    "from 2": lambda index, _offset, _end: index + 2,
    "from 16, as after an earlier stream": lambda index, _offset, _end: index + 16,
    "offsets": lambda _index, offset, _end: offset & 0xFFFF,
    "bytes sent so far": lambda _index, _offset, end: end & 0xFFFF,
    "by twos": lambda index, _offset, _end: 2 * index,
}


@dataclass(frozen=True)
class Stream:
    """The true bytes of a stream and the length of its blocks."""

    data: bytes
    length: int

    def blocks(self, number: Callable[[int, int, int], int]) -> list[tuple[int, bytes]]:
        """Return its blocks as a device that numbers them so sends them."""
        starts = range(0, len(self.data), self.length)
        cut = [(start, self.data[start : start + self.length]) for start in starts]
        return [(number(index, start, start + len(part)), part) for index, (start, part) in enumerate(cut)]


STREAMS = st.builds(
    Stream,
    # Few different bytes: blocks that are equal are part of the attack.
    st.lists(st.sampled_from(b"\0\1"), max_size=120).map(bytes) | st.binary(max_size=120),
    st.integers(1, 40),
)

LONG_STREAMS = st.integers(1, 12).flatmap(
    lambda length: st.builds(Stream, st.binary(min_size=3 * length, max_size=9 * length), st.just(length))
)
"""Of three blocks or more."""


def collected(stream: Stream, arrivals: Sequence[tuple[int, bytes]]) -> Blocks:
    """Return the blocks that arrived, having checked after each that no byte is in a wrong place."""
    blocks = Blocks(len(stream.data))
    for number, part in arrivals:
        blocks.add(number, part)
        assert blocks.whole() in (None, stream.data)
        for offset, piece in blocks.placed():
            assert piece, "a piece without bytes"
            assert stream.data[offset : offset + len(piece)] == piece
    return blocks


@settings(max_examples=examples(400))
@given(st.data(), STREAMS)
def test_no_loss_order_or_repetition_puts_a_byte_in_a_wrong_place(
    data: st.DataObject, stream: Stream
) -> None:
    """Any blocks of a stream, in any order and any number of times, yield true bytes or none."""
    true = stream.blocks(counter)
    arrivals = data.draw(st.lists(st.sampled_from(true), max_size=30)) if true else []
    blocks = collected(stream, arrivals)
    if true and {*true} == {*arrivals}:
        assert blocks.full
        assert blocks.whole() == stream.data


@pytest.mark.parametrize("name", NOT_COUNTERS)
@settings(max_examples=examples(150))
@given(data=st.data(), stream=STREAMS)
def test_numbers_that_do_not_count_blocks_yield_no_wrong_byte(
    data: st.DataObject, stream: Stream, name: str
) -> None:
    """A constant, an offset or a count from elsewhere in the session field costs time, never truth."""
    if name in ("offsets", "bytes sent so far", "by twos") and stream.length == 1:
        return  # numbers and offsets are the same thing then, or cannot be told from it
    true = stream.blocks(NOT_COUNTERS[name])
    arrivals = data.draw(st.lists(st.sampled_from(true), max_size=30)) if true else []
    collected(stream, arrivals)


@pytest.mark.parametrize("name", ["counter", *NOT_COUNTERS])
@pytest.mark.parametrize("last", [1, 3, 4])
def test_every_loss_and_order_of_small_streams(name: str, last: int) -> None:
    """All subsets in all orders of streams of up to five blocks: no wrong byte."""
    number = NOT_COUNTERS.get(name, counter)
    for count in range(1, 6):
        size = 4 * (count - 1) + last
        for data in (bytes(range(size)), bytes(size)):
            stream = Stream(data, 4)
            for arrivals in _subsets_in_all_orders(stream.blocks(number)):
                collected(stream, arrivals)


def _subsets_in_all_orders(blocks: list[tuple[int, bytes]]) -> list[tuple[tuple[int, bytes], ...]]:
    return [order for size in range(len(blocks) + 1) for order in permutations(blocks, size)]


@given(STREAMS, st.randoms())
def test_a_stream_that_came_whole_is_returned(stream: Stream, chance: object) -> None:
    """Every block once, in any order, is the stream."""
    arrivals = stream.blocks(counter)
    chance.shuffle(arrivals)  # type: ignore[attr-defined]
    blocks = collected(stream, arrivals)
    assert blocks.full
    assert blocks.whole() == stream.data


@given(LONG_STREAMS, st.data())
def test_what_is_placed_and_its_gaps_cover_the_stream(stream: Stream, data: st.DataObject) -> None:
    """With the first two blocks and any others, only what is missing is asked for again."""
    true = stream.blocks(counter)
    arrivals = true[:2] + data.draw(st.lists(st.sampled_from(true), max_size=10))
    placed = collected(stream, arrivals).placed()
    assert {part for _, part in placed} == {part for _, part in arrivals}
    holes = gaps(placed, len(stream.data))
    spans = sorted([(at, len(part)) for at, part in placed] + holes)
    at = 0
    for start, length in spans:
        assert start == at
        assert length > 0
        at += length
    assert at == len(stream.data)


def test_two_neighbours_and_a_short_last_block_are_proof_without_the_first() -> None:
    """Where the first block was lost, a last one that is shorter shows where the others belong."""
    stream = Stream(bytes(range(22)), 4)
    true = stream.blocks(counter)
    blocks = collected(stream, [true[5], true[3], true[2]])
    assert blocks.placed() == [(8, true[2][1]), (12, true[3][1]), (20, true[5][1])]
    assert gaps(blocks.placed(), 22) == [(0, 8), (16, 4)]


@pytest.mark.parametrize(
    "arrivals",
    [
        [],
        [(0, b"aaaa")],  # the only one: a constant 0 looks the same
        [(3, b"dddd")],
        [(0, b"aaaa"), (2, b"cccc")],  # offsets of two-byte blocks, or counting by twos, look the same
        [(1, b"bbbb"), (2, b"cccc")],  # counting from 1 looks the same
        [(0, b"aaaa"), (1, b"bbb")],  # a short block that is not the last
        [(0, b"aaaa"), (1, b"bbbb"), (0, b"AAAA")],  # two blocks in one place
        [(0, b"aaaa"), (1, b"bbbb"), (9, b"jjjj")],  # a block behind the end
        [(0, b"aaaa"), (1, b"")],
    ],
)
def test_what_proves_nothing_is_not_placed(arrivals: list[tuple[int, bytes]]) -> None:
    """Blocks whose numbers may mean something else are asked for again."""
    blocks = Blocks(16)
    for number, part in arrivals:
        blocks.add(number, part)
    assert blocks.placed() == []
    assert blocks.whole() is None


@pytest.mark.parametrize("number", [0, 1, 0x6BA0])
def test_a_stream_of_one_block_needs_no_number(number: int) -> None:
    """A block as long as the stream is the stream."""
    blocks = Blocks(4)
    blocks.add(number, b"abcd")
    assert (blocks.full, blocks.whole(), blocks.longest) == (True, b"abcd", 4)


def test_two_answers_to_one_question_are_none() -> None:
    """Two different blocks that both claim to be the whole stream prove nothing, and waiting is of no use."""
    blocks = Blocks(4)
    for part in (b"abcd", b"abce"):
        blocks.add(0, part)
    assert blocks.whole() is None
    assert blocks.full


def test_a_stream_of_no_bytes_is_whole_at_once() -> None:
    """Nothing was announced, so nothing is missing."""
    assert (Blocks(0).full, Blocks(0).whole(), Blocks(0).longest) == (True, b"", 0)


@given(st.integers(0, 12), st.sets(st.integers(0, 11)))
@example(0, set())
def test_gaps_are_what_is_not_there(size: int, present: set[int]) -> None:
    """Gaps are disjoint, in order, as long as possible, and hold exactly the bytes that are missing."""
    holes = gaps([(at, b"x") for at in sorted(present) if at < size], size)
    missing = [at + step for at, length in holes for step in range(length)]
    assert missing == [at for at in range(size) if at not in present]
    assert all(at + length < later for (at, length), (later, _) in pairwise(holes))


def test_every_small_table_of_numbers_and_lengths() -> None:
    """All ways in which three datagrams of a stream of 6 bytes can be numbered 0-2: no wrong byte."""
    true = {0: b"ab", 1: b"cd", 2: b"ef"}
    for numbers in product(range(3), repeat=3):
        blocks = Blocks(6)
        for number, part in zip(numbers, true.values(), strict=True):
            blocks.add(number, part)
        if len({*numbers}) < 3:
            assert blocks.whole() is None, "two different blocks of one number"
