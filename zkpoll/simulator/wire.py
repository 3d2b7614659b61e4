"""The 4370 protocol as a terminal speaks it: frames, checksum, packed time, comm key.

Written from published captures and notes alone (https://github.com/adrobinoga/zk-protocol, the vendor
manual of 2006), without a look at the poller's own framing, so that one mistake cannot pass on both
sides. All integers are little-endian.
"""

from __future__ import annotations

import sys
from array import array
from datetime import datetime
from enum import IntEnum
from struct import Struct, unpack
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

TCP_START: Final = bytes.fromhex("5050827d")
TCP_TOP_SIZE: Final = 8
"""Bytes: the start mark and the payload's length."""

_HEADER: Final = Struct("<4H")
_TOP: Final = Struct("<4sI")


class Command(IntEnum):
    """Command and reply codes."""

    USERTEMP_RRQ = 9
    OPTIONS_RRQ = 11
    OPTIONS_WRQ = 12
    ATTLOG_RRQ = 13
    CLEAR_DATA = 14  # users and log
    CLEAR_ATTLOG = 15
    GET_FREE_SIZES = 50
    STARTVERIFY = 60
    CANCELCAPTURE = 62
    STATE_RRQ = 64
    GET_PINWIDTH = 69
    GET_TIME = 201
    SET_TIME = 202
    REG_EVENT = 500
    CONNECT = 1000
    EXIT = 1001
    ENABLEDEVICE = 1002
    DISABLEDEVICE = 1003
    REFRESHDATA = 1013
    REFRESHOPTION = 1014
    GET_VERSION = 1100
    AUTH = 1102
    PREPARE_DATA = 1500
    DATA = 1501
    FREE_DATA = 1502
    PREPARE_BUFFER = 1503
    READ_BUFFER = 1504
    ACK_OK = 2000
    ACK_ERROR = 2001
    ACK_UNAUTH = 2005
    NOT_SUPPORTED = 4989  # a SpeedFace-H5L's answer to 1503
    CLOSED_FIRMWARE = 6001  # an MB10-VL's answer to CONNECT
    ACK_UNKNOWN = 0xFFFF


class NoStartMarkError(Exception):
    """A TCP stream that is not of this protocol."""


class WireFrame(NamedTuple):
    """One message. `session` is the header's third field, often something else than the session."""

    command: int
    session: int
    reply_id: int
    data: bytes = b""


def checksum(payload: bytes) -> int:
    """Given a payload with a zero checksum field, return its checksum.

    Ones' complement of the ones'-complement sum of all u16 words; an odd end is padded with a zero.
    """
    words = array("H", payload + b"\0" * (len(payload) % 2))
    if sys.byteorder == "big":
        words.byteswap()
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def encode(frame: WireFrame) -> bytes:
    """Return the payload of `frame`: one UDP datagram."""
    bare = _HEADER.pack(frame.command, 0, frame.session, frame.reply_id) + frame.data
    header = _HEADER.pack(frame.command, checksum(bare), frame.session, frame.reply_id)
    return header + frame.data


def decode(payload: bytes) -> WireFrame | None:
    """Return the frame in `payload`, or None if a terminal would ignore it (size, checksum)."""
    if len(payload) < _HEADER.size:
        return None
    command, found, session, reply_id = _HEADER.unpack_from(payload)
    if found != checksum(payload[:2] + b"\0\0" + payload[4:]):
        return None
    return WireFrame(command, session, reply_id, payload[_HEADER.size :])


def with_top(payload: bytes) -> bytes:
    """Return `payload` as TCP carries it."""
    return _TOP.pack(TCP_START, len(payload)) + payload


def take_payloads(stream: bytearray) -> Iterator[bytes]:
    """Yield the whole payloads at the head of `stream`, and remove them from it.

    Raise `NoStartMarkError` if the stream does not start with the start mark.
    """
    while len(stream) >= TCP_TOP_SIZE:
        start, length = _TOP.unpack_from(stream)
        if start != TCP_START:
            raise NoStartMarkError(start.hex(" "))
        end = TCP_TOP_SIZE + length
        if len(stream) < end:
            return
        payload = bytes(stream[TCP_TOP_SIZE:end])
        del stream[:end]
        yield payload


def pack_time(moment: datetime) -> int:
    """Return `moment` (device wall clock, 2000 or later) as a u32; every month has 31 slots."""
    days = ((moment.year - 2000) * 12 + moment.month - 1) * 31 + moment.day - 1
    return ((days * 24 + moment.hour) * 60 + moment.minute) * 60 + moment.second


def unpack_time(packed: int) -> datetime:
    """Return the moment a u32 stands for. Raise `ValueError` for a day such as 31 February."""
    minutes, second = divmod(packed, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(days, 31)
    year, month = divmod(months, 12)
    return datetime(2000 + year, month + 1, day + 1, hour, minute, second)


def scramble_key(key: int, session: int, tick: int = 50) -> bytes:
    """Return the 4 bytes a client sends with AUTH for comm key `key` in `session`.

    The key's 32 bits reversed, plus the session id; XOR "ZKSO"; halves swapped; XOR the tick, which
    stands itself in byte 2.
    """
    reversed_bits = int(f"{key & 0xFFFFFFFF:032b}"[::-1], 2)
    mixed = ((reversed_bits + session) & 0xFFFFFFFF).to_bytes(4, "little")
    masked = bytes(a ^ b for a, b in zip(mixed, b"ZKSO", strict=True))
    low, high = masked[:2], masked[2:]
    swapped = bytes(byte ^ (tick & 0xFF) for byte in high + low)
    return swapped[:2] + bytes([tick & 0xFF]) + swapped[3:]


def key_matches(sent: bytes, key: int, session: int) -> bool:
    """Return whether `sent`, the data of AUTH, proves that the client knows `key`."""
    return len(sent) == 4 and sent == scramble_key(key, session, tick=sent[2])


def u32(data: bytes, offset: int = 0) -> int:
    """Return the u32 at `offset`. Missing bytes read as zero."""
    number: int = unpack("<I", data[offset : offset + 4].ljust(4, b"\0"))[0]
    return number
