"""Frames: bytes in any pieces give frames, "need more" or an error, and nothing else."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pull.three_ways import frames_of, read_three_ways
from zkpoll.errors import WireError
from zkpoll.pull.framing import (
    MAX_PAYLOAD,
    NEED_MORE,
    TCP_START,
    Frame,
    FrameReader,
    checksum,
    decode,
    encode,
    encode_tcp,
)

U16 = st.integers(0, 0xFFFF)
FRAMES = st.builds(Frame, U16, U16, U16, st.binary(max_size=200))


def word_by_word(payload: bytes) -> int:
    """Return the ones' complement checksum as the published description words it."""
    padded = payload + bytes(len(payload) % 2)
    total = 0
    for place in range(0, len(padded), 2):
        total += padded[place] | padded[place + 1] << 8
        if total > 0xFFFF:
            total = total - 0x10000 + 1  # the carry goes around
    return ~total & 0xFFFF


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """Return `data` cut at `cuts`."""
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(places)]


@given(st.binary(max_size=300))
@example(b"")
@example(bytes(1))
@example(bytes(300))
@example(b"\xff" * 299)
@example(b"\xff" * 300)
@example(b"\x01\x00\xfe\xff")
def test_the_checksum_is_the_published_one(payload: bytes) -> None:
    """The one-pass sum equals the sum word by word, odd lengths, zeros and ones included."""
    assert checksum(payload) == word_by_word(payload)


@given(FRAMES)
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    """A frame survives the wire, as a datagram and in a stream, however the stream is read."""
    assert decode(encode(frame)) == frame
    assert read_three_ways(encode_tcp(frame)) == frame


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 1500), max_size=12))
def test_frames_may_be_cut_and_joined_anywhere(frames: list[Frame], cuts: list[int]) -> None:
    """Where TCP cuts the stream changes nothing."""
    stream = b"".join(map(encode_tcp, frames))
    assert frames_of(pieces_of(stream, cuts)) == frames


@given(
    st.lists(st.binary(max_size=60) | FRAMES.map(encode_tcp) | st.just(TCP_START), max_size=6),
    st.lists(st.integers(0, 600), max_size=8),
)
def test_any_bytes_end_in_an_answer(parts: list[bytes], cuts: list[int]) -> None:
    """Whatever comes, the reader says frame, need more or `WireError`; and after garbage, garbage again."""
    reader = FrameReader()
    for piece in pieces_of(b"".join(parts), cuts):
        reader.feed(piece)
        try:
            while reader.next_frame() is not NEED_MORE:
                pass
        except WireError:
            pass


@given(st.binary(max_size=64))
def test_a_payload_is_a_frame_or_an_error(payload: bytes) -> None:
    """A payload is believed if its checksum is the one its bytes have, and refused otherwise."""
    bare = payload[:2] + b"\0\0" + payload[4:]
    sound = len(payload) >= 8 and int.from_bytes(payload[2:4], "little") == word_by_word(bare)
    try:
        frame = decode(payload)
    except WireError:
        assert not sound
    else:
        # Ones' complement writes 0 in two ways, and both are the right checksum then.
        assert sound or word_by_word(bare) == 0
        assert encode(frame)[4:] == payload[4:]


@pytest.mark.parametrize("place", range(4))
def test_garbage_is_told_at_its_first_byte(place: int) -> None:
    """One wrong byte of the start mark is an error at once, without waiting for the rest."""
    reader = FrameReader()
    reader.feed(TCP_START[:place])
    assert reader.next_frame() is NEED_MORE
    reader.feed(bytes([TCP_START[place] ^ 1]))
    with pytest.raises(WireError, match="starts with 50 50 82 7d"):
        reader.next_frame()


@pytest.mark.parametrize("length", [*range(8), MAX_PAYLOAD + 1, 2**31, 2**32 - 1])
def test_a_length_that_is_none_is_refused_before_anything_is_allocated(length: int) -> None:
    """A frame of less than its header or more than any log is refused at its eighth byte, for free."""
    reader = FrameReader()
    reader.feed(TCP_START + length.to_bytes(4, "little"))
    tracemalloc.start()
    with pytest.raises(WireError, match=f"cannot be {length} bytes"):
        reader.next_frame()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("length", [8, MAX_PAYLOAD])
def test_a_length_at_the_limits_is_waited_for(length: int) -> None:
    """The shortest and the longest frame are patience, not garbage."""
    reader = FrameReader()
    reader.feed(TCP_START + length.to_bytes(4, "little"))
    assert reader.next_frame() is NEED_MORE


def test_a_damaged_frame_does_not_take_the_next_one_with_it() -> None:
    """After a frame whose checksum is wrong, the reader stands at the next frame."""
    good = Frame(2000, 0x1234, 7, b"abc")
    damaged = bytearray(encode_tcp(Frame(1501, 0, 7, b"xyz")))
    damaged[-1] ^= 0x40
    reader = FrameReader()
    reader.feed(bytes(damaged) + encode_tcp(good))
    with pytest.raises(WireError, match="checksum"):
        reader.next_frame()
    assert reader.next_frame() == good


def test_a_datagram_of_zeros_is_no_frame() -> None:
    """Zeros sum up to zero, but their checksum would be ff ff."""
    with pytest.raises(WireError, match="checksum"):
        decode(bytes(32))
    assert encode(Frame(0, 0, 0))[2:4] == b"\xff\xff"


@pytest.mark.parametrize("length", range(8))
def test_a_datagram_shorter_than_a_header_is_no_frame(length: int) -> None:
    """What has no room for a header is refused."""
    with pytest.raises(WireError, match=f"of {length} bytes"):
        decode(bytes(length))


def test_an_empty_reader_has_not_started() -> None:
    """Between frames nothing has started; within one, something has."""
    reader = FrameReader()
    assert not reader.started
    reader.feed(encode_tcp(Frame(1000, 0, 0)) + TCP_START[:1])
    reader.next_frame()
    assert reader.started
