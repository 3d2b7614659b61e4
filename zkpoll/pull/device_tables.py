"""A device's tables, the log and the users, whole or in slices.

    laid out (1503)     then any slice of it is read (1504), as often as it takes; freed at the end
    read whole (13, 9)  what firmware without 1503 knows; over UDP all or nothing

The bytes of a slice, or of a whole table, come as one DATA frame or as a stream: PREPARE_DATA with the
size, DATA frames, ACK_OK. Over TCP a stream ends with its byte count. The ACK_OK decides nothing: it can
be early, late or missing.

Over UDP any datagram may be lost, doubled or overtaken; the link drops a damaged one. One slice:

    sent, received         where it is lost
    READ_BUFFER    ->      nothing comes: the session sends it again, under the same reply id
    <- PREPARE_DATA        the first DATA stands in for the reply, and is a block like the others
    <- DATA 0, 1, 2 ...    a gap: it is asked for by offset and size, again and again while that brings more
    <- ACK_OK              silence ends the wait. Where it comes early, a moment is left to the stragglers

    states of a slice      missing -> (ask) -> placed | missing;  all placed -> done
                           no gain in ten requests in a row -> `Silent`, and the visit fails
    blocks                 their numbers give their places only where they prove to count blocks (`blocks`).
                           Where they do not, requests shrink to one block, which proves itself by its length

A table read whole has no offsets to ask for: where a datagram is lost, all of it is read again, five times
at most. If PREPARE_DATA is lost, one block may look like the whole table; the length in front of the
records tells.

What a device announces is compared with what was asked, and with what terminals hold, before any of it is
read; and no stream is read past what it announced. So the memory of a visit is bounded, whatever arrives:
a table is laid out and read in slices, or it is at most `framing.MAX_PAYLOAD` long.

It must never happen that bytes land in a place that is not proved to be theirs, that a table comes out
shorter without an error, or that a wait has no end.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from zkpoll.errors import Refused, Silent, WireError
from zkpoll.pull import codes
from zkpoll.pull.blocks import Blocks, gaps
from zkpoll.pull.framing import MAX_PAYLOAD
from zkpoll.pull.sizes import LONGEST_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.pull.framing import Frame
    from zkpoll.pull.link import Limits

LOG: Final = codes.ATTLOG_RRQ
"""The attendance log's table."""
USERS: Final = (codes.USERTEMP_RRQ, codes.FCT_USER)
"""The user table: its command and function."""

_LONGEST: Final = {codes.ATTLOG_RRQ: LONGEST_LOG, codes.USERTEMP_RRQ: 8 * 1024 * 1024}
"""Bytes that a table may have, by its command; of users 100,000 of 72 bytes."""
PIECE: Final = 128 * 1024
"""Bytes handed on at once of a table that came whole; as many as the search for a layout looks at."""
TCP_SLICE: Final = 0xFFC0
"""Bytes asked for at once over TCP: the largest size seen used with real units."""
UDP_SLICE: Final = 16 * 1024
STRAGGLERS: Final = 0.2
"""Seconds left to datagrams that the last one of an answer overtook."""
_ROUNDS: Final = 10
"""Requests in a row that may bring nothing new before a UDP read is given up."""
_WHOLE_READS: Final = 5
"""How often a table that cannot be asked for in parts is read until it comes over UDP without a loss."""
_SMALLEST_BLOCK: Final = 512
"""Bytes; 1008 and 1024 have been seen. Keeps a short last block from being taken for the block size."""

_BUFFER_REQUEST = Struct("<BHII")
_BUFFER_ANSWER = Struct("<xI")
_SLICE_REQUEST = Struct("<II")
_SIZE = Struct("<I")


@dataclass(frozen=True, slots=True)
class Table:
    """A table that the device laid out: u32 length of the records, then the records."""

    size: int
    """Bytes, with the 4 of the length."""
    content: bytes | None
    """All of it, where the device sent it at once; else None, and it is read in slices."""


class MaybeEmpty(Refused):
    """The device answered as it also does to say "empty": with its general error code, or with no bytes."""


class _Lost(Silent):
    """Part of a table was lost on the way."""


class Conversation(Protocol):
    """A session with a device, as far as tables need one."""

    tcp: bool
    limits: Limits

    def ask(self, command: int, data: bytes = b"") -> Frame:
        """Send a command and return its reply."""

    def order(self, command: int, data: bytes = b"") -> Frame:
        """Send a command that must succeed and return its reply. Raise `Refused`."""

    def next_of_answer(self, until: float) -> Frame:
        """Return one more frame of the last answer, waiting for it until a moment (`time.monotonic`).

        Raise `Silent` when none comes, `Refused` when it is an error code.
        """


class Tables:
    """The tables of one device, in one session."""

    def __init__(self, session: Conversation) -> None:
        self._session = session
        self._block_limit = UDP_SLICE

    def prepare(self, command: int, function: int = 0) -> Table:
        """Have the device lay out a table (`LOG`, `USERS`) and return it.

        Raise `Refused` when the device does not do it: the table may be empty, or the firmware old.
        """
        request = _BUFFER_REQUEST.pack(1, command, function, 0)
        reply = self._session.order(codes.PREPARE_BUFFER, request)
        if reply.command == codes.ACK_OK:
            if len(reply.data) < _BUFFER_ANSWER.size:
                raise WireError("the device laid out a table without telling its size")
            return _table(command, _BUFFER_ANSWER.unpack_from(reply.data)[0])
        content = self.content(reply, most=_LONGEST[command])
        return _table(command, len(content), content)

    def read_whole(self, command: int, function: int = 0) -> Table:
        """Read a whole table the old way, by its own command. Raise `Refused` as `prepare` does.

        It cannot be asked for in parts: where a datagram is lost, all of it is asked for again.
        """
        data = bytes([function]) if function else b""
        for _ in range(_WHOLE_READS):
            with suppress(_Lost):
                content = self.content(self._session.order(command, data), most=_LONGEST[command])
                said = int.from_bytes(content[: _SIZE.size], "little") + _SIZE.size
                if self._session.tcp or said == len(content):
                    return _table(command, len(content), content)
                # Else the announcement was lost, and one block stands for the whole.
        raise Silent("part of the table was lost on the way, each time it was read")

    def read(self, table: Table, offset: int, size: int) -> bytes:
        """Return `size` bytes of `table` from `offset`; over UDP, what was lost is asked for again.

        Raise `WireError` when other bytes come than were asked for, `Refused` when the device lost the
        table (it restarted).
        """
        if table.content is not None:
            return table.content[offset : offset + size]
        if not self._session.tcp:
            return self._read_udp(offset, size)
        reply = self._session.order(codes.READ_BUFFER, _SLICE_REQUEST.pack(offset, size))
        _check_asked(size, _announced(reply))
        data = self.content(reply)
        _check_asked(size, len(data))
        return data

    def runs(self, table: Table, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of `table` from `offset` to `end`, in the largest parts worth asking for."""
        end = table.size if end is None else end
        most = PIECE if table.content is not None else TCP_SLICE if self._session.tcp else UDP_SLICE
        for start in range(offset, end, most):
            yield self.read(table, start, min(most, end - start))

    def free(self) -> None:
        """Let the device drop the table it laid out. A refusal changes nothing: it drops it at EXIT."""
        self._session.ask(codes.FREE_DATA)

    def content(self, reply: Frame, most: int = MAX_PAYLOAD) -> bytes:
        """Return the table bytes that `reply` begins: itself, or the stream that it announces.

        Raise `WireError` when it announces more than `most`, or more than can be had at once.
        """
        if reply.command == codes.DATA:
            return reply.data
        size = _announced(reply)
        if size is None:
            raise WireError(f"a table was due, and reply {reply.command} came")
        _check_possible(size, min(most, MAX_PAYLOAD))
        if self._session.tcp:
            return self._stream_tcp(size)
        blocks = Blocks(size)
        self._collect(blocks)
        if (data := blocks.whole()) is None:
            raise _Lost("part of the table was lost on the way")
        return data

    def _stream_tcp(self, size: int) -> bytes:
        """Return the `size` bytes of a stream.

        Its end is its byte count: the final acknowledgement can be early or missing, and is dropped by its
        reply id when it comes late.
        """
        data = bytearray()
        while len(data) < size:
            frame = self._session.next_of_answer(self._session.limits.silence())
            if frame.command == codes.DATA:
                data += frame.data
        if len(data) > size:
            raise WireError(f"a stream of {size} bytes brought {len(data) - size} too many")
        return bytes(data)

    def _read_udp(self, offset: int, size: int) -> bytes:
        """Return `size` bytes at `offset`, asking again for what is missing while that brings more."""
        data = bytearray(size)
        missing = [(0, size)]
        rounds = 0
        while missing:
            start, length = missing[0]
            pieces = self._ask_blocks(offset + start, min(length, self._block_limit), in_vain=rounds)
            for at, piece in pieces:
                data[start + at : start + at + len(piece)] = piece
            missing[:1] = [(start + at, left) for at, left in gaps(pieces, length)]
            rounds = 0 if pieces else rounds + 1
            if rounds >= _ROUNDS:
                raise Silent(f"{rounds} requests in a row for the same bytes brought none of them")
        return bytes(data)

    def _ask_blocks(self, offset: int, size: int, in_vain: int) -> list[tuple[int, bytes]]:
        """Ask for `size` bytes once and return (offset in them, bytes) of the blocks that came.

        `in_vain` is how often they were asked for before without a gain.
        """
        blocks = Blocks(size)
        reply = self._session.order(codes.READ_BUFFER, _SLICE_REQUEST.pack(offset, size))
        _check_asked(size, _announced(reply))
        if reply.command == codes.DATA:
            blocks.add(reply.session, reply.data)
        self._collect(blocks)
        if (data := blocks.whole()) is not None:
            return [(0, data)]
        placed = blocks.placed()
        if not placed and (blocks.full or (blocks.longest and in_vain)):
            # What this device counts is not blocks: from here on a request brings one block at most.
            self._block_limit = min(self._block_limit, max(blocks.longest, _SMALLEST_BLOCK))
        return placed

    def _collect(self, blocks: Blocks) -> None:
        """Take in the datagrams of the stream under way until it is whole or nothing more comes."""
        patience = self._session.limits.patience()
        while not blocks.full:
            try:
                frame = self._session.next_of_answer(time.monotonic() + patience)
            except Silent:
                return
            if frame.command == codes.DATA:
                blocks.add(frame.session, frame.data)
            elif frame.command == codes.ACK_OK:
                patience = min(patience, STRAGGLERS)


def _announced(reply: Frame) -> int | None:
    """Return the bytes of the stream that a reply announces, or None if it announces none."""
    if reply.command != codes.PREPARE_DATA or len(reply.data) < _SIZE.size:
        return None
    size: int = _SIZE.unpack_from(reply.data)[0]
    return size


def _check_asked(size: int, came: int | None) -> None:
    if came is not None and came != size:
        raise WireError(f"asked for {size} bytes of a table, got {came}")


def _check_possible(size: int, most: int) -> None:
    if size > most:
        raise WireError(
            f"the device announces a table of {size:,} bytes; no terminal holds more than {most:,}: restart "
            "it, and check that host: is a terminal"
        )


def _table(command: int, size: int, content: bytes | None = None) -> Table:
    _check_possible(size, _LONGEST[command])
    if not size:  # not even its length, which an empty table has
        raise MaybeEmpty(f"the device's table for command {command} has no bytes")
    return Table(size, content)
