"""Bytes <-> frames of the 4370 protocol. No I/O.

A frame's payload is command, checksum, session field and reply id (four u16), then data. All integers
are little-endian. UDP carries one payload a datagram. TCP puts 8 bytes in front: `50 50 82 7d` and the
payload's length as u32. Source: published captures, and https://github.com/adrobinoga/zk-protocol
(`protocol.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Final, Literal

from zkpoll.errors import WireError

TCP_START: Final = b"\x50\x50\x82\x7d"
MAX_PAYLOAD: Final = 32 * 1024 * 1024
"""Bytes. Some units send a whole log as one frame (39,564 bytes seen); the largest log known, some 500,000
records of 49 bytes, fits. A longer length is not a length."""
MAX_SHORT: Final = 64 * 1024
"""Bytes of a frame that carries no whole table; 65,472 of a slice are the most that anybody asks for."""

_TOP = Struct("<4sI")
_HEADER = Struct("<4H")
SHORTEST: Final = _HEADER.size
"""Bytes of a payload without data."""
_U16_ONES: Final = 0xFFFF
_PIECE: Final = 64 * 1024
"""Bytes summed up at once, so that a long frame is not held twice. Even: words are not cut."""


class _NeedMore(Enum):
    NEED_MORE = "need more"


NEED_MORE: Final = _NeedMore.NEED_MORE
NeedMore = Literal[_NeedMore.NEED_MORE]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    command: int
    session: int
    """Often not the session: a block counter in streams, a byte count in final acknowledgements."""
    reply_id: int
    data: bytes = b""


def checksum(payload: bytes) -> int:
    """Given a payload whose checksum field is zero, return its checksum.

    The ones' complement of the ones' complement sum of all u16 words, an odd byte padded with zero.
    """
    number = _sum(payload)
    total = number % _U16_ONES or (_U16_ONES if number else 0)
    return total ^ _U16_ONES


def _sum(payload: bytes | memoryview) -> int:
    """Return a number that leaves, modulo 0xffff, what the sum of all u16 words leaves.

    The payload itself, read as one number, is such a one (2**16 leaves 1), which costs one pass in C.
    """
    pieces = (payload[at : at + _PIECE] for at in range(0, len(payload), _PIECE))
    return sum(int.from_bytes(piece, "little") for piece in pieces)


def encode(frame: Frame) -> bytes:
    """Return the payload of `frame`: one UDP datagram."""
    bare = _HEADER.pack(frame.command, 0, frame.session, frame.reply_id) + frame.data
    return bare[:2] + checksum(bare).to_bytes(2, "little") + bare[4:]


def decode(payload: bytes | memoryview) -> Frame:
    """Given a whole payload, return its frame. Raise `WireError` when it is none."""
    if len(payload) < _HEADER.size:
        raise WireError(f"a frame of {len(payload)} bytes is too short")
    number = _sum(payload)
    if number % _U16_ONES or not number:
        raise WireError("a frame's checksum does not match its bytes")
    command, _, session, reply_id = _HEADER.unpack_from(payload)
    return Frame(command, session, reply_id, bytes(payload[_HEADER.size :]))


def encode_tcp(frame: Frame) -> bytes:
    """Return `frame` as TCP carries it."""
    payload = encode(frame)
    return _TOP.pack(TCP_START, len(payload)) + payload


class FrameReader:
    """Takes a TCP stream in pieces of any size and gives back its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def started(self) -> bool:
        """Whether part of a frame has come in."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        """Append bytes as they came from the socket."""
        self._buffer += data

    def next_frame(self, longest: int = MAX_PAYLOAD) -> Frame | NeedMore:
        """Return the next frame, or `NEED_MORE`; raise `WireError` if these bytes can never be one.

        `longest` is the most bytes that a payload may have here. Garbage is told from patience at the first
        wrong byte of the start mark.
        """
        buffer = self._buffer
        head = bytes(buffer[:4])
        if not TCP_START.startswith(head):
            raise WireError(f"a frame starts with 50 50 82 7d, not with {head.hex(' ')}")
        if len(buffer) < _TOP.size:
            return NEED_MORE
        length: int = _TOP.unpack_from(buffer)[1]
        if not _HEADER.size <= length <= longest:
            raise WireError(f"a frame cannot be {length} bytes long")
        end = _TOP.size + length
        if len(buffer) < end:
            return NEED_MORE
        try:
            with memoryview(buffer)[_TOP.size : end] as payload:
                return decode(payload)
        finally:
            del buffer[:end]
