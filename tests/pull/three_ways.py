"""Every way in which a stream's bytes may reach a frame reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkpoll.errors import WireError
from zkpoll.pull.framing import NEED_MORE, Frame, FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterable

RUBBISH = b"\xaa\x01\xc8"


def read_three_ways(wire: bytes) -> Frame:
    """Given the bytes of one frame, return it, read whole, byte by byte and with rubbish behind alike."""
    whole = _reader_of([wire]).next_frame()
    assert whole == _byte_by_byte(wire) == _with_rubbish_behind(wire)
    assert isinstance(whole, Frame)
    return whole


def frames_of(pieces: Iterable[bytes]) -> list[Frame]:
    """Return the frames of a stream that comes in `pieces`, reading as far as possible after each."""
    reader = FrameReader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next_frame()) is not NEED_MORE:
            found.append(frame)
    assert not reader.started, "part of a frame was left over"
    return found


def _reader_of(pieces: Iterable[bytes]) -> FrameReader:
    reader = FrameReader()
    for piece in pieces:
        reader.feed(piece)
    return reader


def _byte_by_byte(wire: bytes) -> object:
    reader = FrameReader()
    for place in range(len(wire) - 1):
        assert reader.next_frame() is NEED_MORE
        reader.feed(wire[place : place + 1])
        assert reader.started
    assert reader.next_frame() is NEED_MORE
    reader.feed(wire[-1:])
    return reader.next_frame()


def _with_rubbish_behind(wire: bytes) -> object:
    reader = _reader_of([wire, RUBBISH])
    frame = reader.next_frame()
    for _ in range(2):
        with pytest.raises(WireError, match=RUBBISH.hex(" ")):
            reader.next_frame()
    return frame
