"""pyzk with its transport replaced: connect, authenticate, ask, read any part of a table.

The only importer of `zk`. pyzk 0.9 brings the command codes and the device commands built on
`__send_command` and `__read_chunk`; what is below those two is ours, because it loses data or hangs:
one `recv` taken for one frame, an endless loop when a device closes in mid-read, a lost datagram that
shortens a log, a ping through a shell, and a second connection that single-seat devices refuse.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, Self

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from zk import ZK, const

from zkpoll.errors import (
    FirmwareRefuses,
    HungUp,
    NotATerminal,
    Refused,
    SeatTaken,
    Silent,
    Unreachable,
    WireError,
    WrongKey,
    ZkpollError,
)
from zkpoll.pull import packed_time, sizes
from zkpoll.pull.blocks import Blocks, gaps
from zkpoll.pull.framing import Frame
from zkpoll.pull.link import Address, Limits, Link, open_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import TracebackType

LOG: Final = const.CMD_ATTLOG_RRQ
"""The attendance log's table."""
USERS: Final = (const.CMD_USERTEMP_RRQ, const.FCT_USER)
"""The user table: its command and function."""
PREPARE_BUFFER: Final = 1503
READ_BUFFER: Final = 1504
CONNECT_REFUSED: Final = 6001  # MB10-VL, SenseFace 3A: closed to this protocol, whatever the key

TCP_SLICE: Final = 0xFFC0
"""Bytes asked for at once over TCP: the largest size seen used with real units."""
UDP_SLICE: Final = 16 * 1024
_RESEND: Final = 1.0
"""Seconds before a datagram is sent again; real units answer within 0.15 s."""
_SENDINGS: Final = 8
"""How often a datagram is sent, at least, before its answer has been awaited for a whole timeout."""
_STRAGGLERS: Final = 0.2
"""Seconds left to datagrams that the final acknowledgement overtook."""
_ROUNDS: Final = 10
"""Requests in a row that may bring nothing new before a UDP read is given up."""
_WHOLE_READS: Final = 5
"""How often a table that cannot be asked for in parts is read until it comes over UDP without a loss."""
_SMALLEST_BLOCK: Final = 512
"""Bytes; 1008 and 1024 have been seen. Keeps a short last block from being taken for the block size."""
_KNOCKS: Final = 3
"""How often a device that turns clients away is tried in one visit."""
_SEAT_WAIT: Final = 2.0
"""Seconds between that; a visit of another client takes about as long."""
_EXIT_LIMIT: Final = 1.0
"""Seconds for the farewell: a mute device must not cost another whole timeout."""

_READS: Final = frozenset(
    {PREPARE_BUFFER, READ_BUFFER, const.CMD_ATTLOG_RRQ, const.CMD_USERTEMP_RRQ, const.CMD_DB_RRQ}
)
"""Requests that may be answered by a table; any other request's reply is one frame without one."""
_ONCE: Final = frozenset({const.CMD_CLEAR_ATTLOG})
"""Requests that are never sent again: carried out twice, they do harm."""
_TABLE_FRAMES: Final = frozenset({const.CMD_PREPARE_DATA, const.CMD_DATA})
_GOOD: Final = _TABLE_FRAMES | {const.CMD_ACK_OK}

_BUFFER_REQUEST = Struct("<BHII")
_BUFFER_ANSWER = Struct("<xI")
_SLICE_REQUEST = Struct("<II")
_SIZE = Struct("<I")


def scramble_key(key: int, session: int, tick: int = 50) -> bytes:
    """Given a comm key and the session it opens, return the 4 bytes of the AUTH command.

    The key's 32 bits reversed, plus the session, XOR "ZKSO", halves swapped, XOR the tick, which then
    stands in byte 2. Source: two published logins, recomputed. pyzk's own overflows on some keys
    (131071, in half of all sessions).
    """
    reversed_bits = int(f"{key & 0xFFFFFFFF:032b}"[::-1], 2)
    mixed = (reversed_bits + session & 0xFFFFFFFF).to_bytes(4, "little")
    _, b, c, d = (byte ^ letter for byte, letter in zip(mixed, b"ZKSO", strict=True))
    return bytes((c ^ tick, d ^ tick, tick, b ^ tick))


@dataclass(frozen=True, slots=True)
class Table:
    """A table the device laid out for this session: u32 length of the records, then the records."""

    size: int
    """Bytes, with the 4 of the length."""
    content: bytes | None
    """All of it, where the device sent it at once; else None, and it is read in slices."""


class MaybeEmpty(Refused):
    """The device answered as it also does to say "empty": with its general error code, or with no bytes."""


class _Lost(Silent):
    """Part of a table was lost on the way."""


class _NoProbe:
    """Takes the place of pyzk's helper, which pings through a shell and connects a second time."""

    def test_ping(self) -> bool:
        """Say yes: whether a device answers is found out by asking it."""
        return True

    def test_tcp(self) -> int:
        """Say 0, "connected": single-seat devices refuse a second connection."""
        return 0


class Session(ZK):  # type: ignore[misc]  # pyzk has no types
    """One conversation with one device; a context manager that connects and always says EXIT."""

    def __init__(self, address: Address, *, limits: Limits, key: int = 0) -> None:
        udp = address.transport == "udp"
        super().__init__(address.host, address.port, password=key, force_udp=udp, ommit_ping=True)
        self._ZK__sock.close()  # pyzk opens a UDP socket here that nobody closes
        self.helper = _NoProbe()
        self.address = address
        self.round_trips = 0
        self._bytes_received = 0
        self._limits = limits
        self._key = key
        self._link: Link | None = None
        self._request = Frame(0, 0, 0)
        self._block_limit = UDP_SLICE

    @property
    def bytes_received(self) -> int:
        """Bytes that came from the device in this session."""
        return self._bytes_received + (self._link.bytes_received if self._link else 0)

    # --- the conversation ---

    def __enter__(self) -> Self:
        try:
            self.connect()
        except BaseException:
            self.disconnect()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.disconnect()

    def connect(self) -> Session:
        """Open the one connection, start a session, give the comm key if asked for one.

        Most units take one TCP client and turn others away, so who is turned away waits and tries again, a
        few times. Raise `Unreachable` when nothing speaks the protocol there, `NotATerminal` when something
        else answers, `WrongKey`, `FirmwareRefuses`, or `Refused`.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(SeatTaken),
            stop=stop_after_attempt(_KNOCKS),
            wait=wait_fixed(min(_SEAT_WAIT, self._limits.timeout / 4)),
            sleep=self._limits.sleep,
            reraise=True,
        )
        retrying(self._connect)
        return self

    def _connect(self) -> None:
        self.disconnect()
        self._ZK__create_socket()
        self._ZK__session_id = 0
        self._ZK__reply_id = const.USHRT_MAX - 1
        asked = time.monotonic()
        reply = self._first_reply()
        if not self.tcp:
            reply = self._last_reply(reply, took=time.monotonic() - asked)
        self._ZK__session_id = reply.session
        if reply.command == const.CMD_ACK_UNAUTH:
            reply = self.ask(const.CMD_AUTH, scramble_key(self._key, reply.session))
        self._judge_login(reply)
        self.is_connect = True

    def _first_reply(self) -> Frame:
        try:
            return self.ask(const.CMD_CONNECT)
        except WireError as error:
            raise NotATerminal(
                f"{self.address} answers, but not as a terminal does ({error}); "
                "is it another kind of device or server?"
            ) from error
        except Silent as error:
            raise Unreachable(
                f"{self.address} does not answer in {self._limits.timeout:g} s; it may be busy with "
                "another client, need the other transport, or be no terminal (a C3 panel is silent too)"
            ) from error
        except HungUp as error:
            if not self.tcp:
                raise Unreachable(
                    f"{self.address} has nothing listening on that UDP port; "
                    "check host: and port:, or try transport: tcp"
                ) from error
            raise SeatTaken(
                f"{self.address} hangs up when spoken to ({error}); "
                "it may be busy with another client, or be no terminal"
            ) from error

    def _last_reply(self, reply: Frame, took: float) -> Frame:
        """Given a UDP device's first answer to CONNECT and the seconds it took, return the last one.

        Each CONNECT that arrives begins a session in place of the one before, whether it was sent again or
        the network doubled it. Their answers come no further apart than the first one took.
        """
        patience = max(took, min(_STRAGGLERS, _patience(self._limits)))
        while True:
            try:
                reply = self._next_answer(time.monotonic() + patience)
            except Silent:
                return reply

    def _judge_login(self, reply: Frame) -> None:
        match reply.command:
            case const.CMD_ACK_OK:
                return
            case const.CMD_ACK_UNAUTH:
                given = "the comm_key is wrong" if self._key else "a comm_key is needed"
                raise WrongKey(f"{self.address} refuses the login: {given}")
            case const.CMD_CONNECT | const.CMD_AUTH:
                raise NotATerminal(f"{self.address} sends back what it is sent; it is no terminal")
            case code if code == CONNECT_REFUSED:
                raise FirmwareRefuses(
                    f"{self.address} answers 6001: its firmware is closed to this protocol; "
                    "no comm_key opens it"
                )
            case code:
                raise Refused(f"{self.address} refuses to start a session (reply {code})")

    def disconnect(self) -> bool:
        """Say EXIT, whatever happened before, so that the device's only seat is free; then close."""
        if (link := self._link) is None:
            return True
        self._link = None
        try:
            link.limits = Limits(_EXIT_LIMIT, _EXIT_LIMIT)
            if self._ZK__session_id:
                self._exchange(link, self._next_request(const.CMD_EXIT, b""))
        except ZkpollError:
            return False  # the device is gone, or mute: closing the socket is all that is left
        finally:
            link.close()
            self._bytes_received += link.bytes_received
            self.is_connect = False
        return True

    @contextmanager
    def under(self, limits: Limits) -> Iterator[None]:
        """Keep to the limits of `limits` for a while."""
        before = self._limits
        self._keep_to(limits)
        try:
            yield
        finally:
            self._keep_to(before)

    def _keep_to(self, limits: Limits) -> None:
        self._limits = limits
        if self._link is not None:
            self._link.limits = limits

    def ask(self, command: int, data: bytes = b"") -> Frame:
        """Send a command and return its reply, whatever the reply's code.

        Raise `Silent`, `HungUp` (also where the device has forgotten the session), `WireError`, `OverLimit`
        or `Stopped`.
        """
        if command == const.CMD_CLEAR_DATA:  # the driver has a method that sends it
            raise ValueError("this command would delete the device's users; it is never sent")
        if self._link is None:
            raise HungUp("the session has ended")
        self._request = self._next_request(command, data)
        reply = self._exchange(self._link, self._request)
        if self.is_connect and reply.command == const.CMD_ACK_UNAUTH:
            raise HungUp("the device has ended the session (reply 2005); it may have restarted")
        return reply

    def order(self, command: int, data: bytes = b"") -> Frame:
        """Send a command that must succeed and return its reply. Raise `Refused` with the code."""
        return _good(command, self.ask(command, data))

    def _next_request(self, command: int, data: bytes) -> Frame:
        # The common client code never sends 65535, so no device was ever seen to accept it.
        self._ZK__reply_id = (self._ZK__reply_id + 1) % const.USHRT_MAX
        return Frame(command, self._ZK__session_id, self._ZK__reply_id, data)

    def _exchange(self, link: Link, request: Frame) -> Frame:
        """Send `request` and return its reply; most datagrams are sent again, under the same reply id."""
        self.round_trips += 1
        give_up = link.limits.silence()
        once = self.tcp or request.command in _ONCE
        patience = float("inf") if once else _patience(link.limits)
        link.send(request)
        while True:
            until = min(give_up, time.monotonic() + patience)
            try:
                return self._reply(link, request, until)
            except Silent:
                if time.monotonic() >= give_up:
                    raise
                link.send(request)

    def _reply(self, link: Link, request: Frame, until: float) -> Frame:
        """Return the next frame that answers `request`; late and realtime ones are put aside."""
        while True:
            link.limits.check()
            if time.monotonic() >= until:
                raise Silent(f"no answer for {link.limits.timeout:g} s")
            frame = link.receive(until)
            if _answers(frame, request):
                return frame

    # --- what a device says of itself ---

    def option(self, name: str) -> str | None:
        """Return the value of a device option such as `~SerialNumber`, or None if it has none."""
        reply = self.ask(const.CMD_OPTIONS_RRQ, name.encode() + b"\0")
        if reply.command != const.CMD_ACK_OK:
            return None
        value = reply.data.partition(b"\0")[0].rpartition(b"=")[2]
        return value.decode("ascii", "backslashreplace").strip() or None

    def sizes(self) -> sizes.Sizes | None:
        """Return what the device says it holds, or None if it refuses or does not add up."""
        reply = self.ask(const.CMD_GET_FREE_SIZES)
        return sizes.parse(reply.data) if reply.command == const.CMD_ACK_OK else None

    def time(self) -> datetime | None:
        """Return the device's wall clock, or None if it refuses or shows no real date."""
        reply = self.ask(const.CMD_GET_TIME)
        if reply.command != const.CMD_ACK_OK or len(reply.data) < _SIZE.size:
            return None
        return packed_time.unpack(_SIZE.unpack_from(reply.data)[0])

    # --- what changes it ---

    def set_time(self, timestamp: datetime) -> None:
        """Set the device's wall clock, to the second. Raise `Refused` when it will not."""
        self.order(const.CMD_SET_TIME, _SIZE.pack(packed_time.pack(timestamp)))

    def disable(self) -> None:
        """Let nobody punch until `enable`. Raise `Refused` when the device will not."""
        self.order(const.CMD_DISABLEDEVICE)

    def enable(self) -> None:
        """Let people punch again. Raise `Refused` when the device will not."""
        self.order(const.CMD_ENABLEDEVICE)

    def clear_log(self) -> None:
        """Delete the attendance log; asked once, whatever becomes of the answer. Raise `Refused`."""
        self.order(const.CMD_CLEAR_ATTLOG)

    def refresh(self) -> None:
        """Let the device take in what was changed. A refusal is left to whoever looks at the result."""
        self.ask(const.CMD_REFRESHDATA)

    # --- tables ---

    def open_table(self, command: int, function: int = 0) -> Table:
        """Have the device lay out a table (`LOG`, `USERS`) and return it.

        Raise `Refused` when the device does not do it: the table may be empty, or the firmware old.
        """
        request = _BUFFER_REQUEST.pack(1, command, function, 0)
        reply = self.order(PREPARE_BUFFER, request)
        if reply.command == const.CMD_ACK_OK:
            if len(reply.data) < _BUFFER_ANSWER.size:
                raise WireError("the device laid out a table without telling its size")
            return _table(command, _BUFFER_ANSWER.unpack_from(reply.data)[0])
        content = self._content(reply)
        return _table(command, len(content), content)

    def read_table(self, command: int, function: int = 0) -> Table:
        """Read a whole table the old way, by its own command. Raise `Refused` as `open_table` does.

        It cannot be asked for in parts: where a datagram is lost, all of it is asked for again.
        """
        data = bytes([function]) if function else b""
        for _ in range(_WHOLE_READS):
            with suppress(_Lost):
                return self._read_whole(command, data)
        raise Silent("part of the table was lost on the way, each time it was read")

    def _read_whole(self, command: int, data: bytes) -> Table:
        content = self._content(self.order(command, data))
        if not self.tcp and int.from_bytes(content[: _SIZE.size], "little") + _SIZE.size != len(content):
            raise _Lost  # the announcement was lost, and one block stands for the whole
        return _table(command, len(content), content)

    def read(self, table: Table, offset: int, size: int) -> bytes:
        """Return `size` bytes of `table` from `offset`; over UDP, what was lost is asked for again.

        Raise `WireError` when other bytes come than were asked for, `Refused` when the device lost the
        table (it restarted).
        """
        if table.content is not None:
            return table.content[offset : offset + size]
        if self.tcp:
            return self._read_tcp(offset, size)
        return self._read_udp(offset, size)

    def runs(self, table: Table, offset: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of `table` from `offset` to `end`, in the largest parts worth asking for."""
        end = table.size if end is None else end
        if table.content is not None:
            yield table.content[offset:end]
            return
        most = TCP_SLICE if self.tcp else UDP_SLICE
        for start in range(offset, end, most):
            yield self.read(table, start, min(most, end - start))

    def free_table(self) -> None:
        """Let the device drop the table. A refusal changes nothing: it drops it at EXIT."""
        self.ask(const.CMD_FREE_DATA)

    def _read_tcp(self, offset: int, size: int) -> bytes:
        data = self._content(self.order(READ_BUFFER, _SLICE_REQUEST.pack(offset, size)))
        if len(data) != size:
            raise WireError(f"asked for {size} bytes of a table, got {len(data)}")
        return data

    def _content(self, reply: Frame) -> bytes:
        """Return the table bytes that `reply` begins: itself, or the stream that it announces."""
        if reply.command == const.CMD_DATA:
            return reply.data
        if reply.command != const.CMD_PREPARE_DATA or len(reply.data) < _SIZE.size:
            raise WireError(f"a table was due, and reply {reply.command} came")
        size: int = _SIZE.unpack_from(reply.data)[0]
        return self._stream_tcp(size) if self.tcp else self._stream_udp(size)

    def _stream_tcp(self, size: int) -> bytes:
        """Return the `size` bytes of a stream.

        Its end is its byte count: the final acknowledgement can be early or missing, and is dropped by its
        reply id when it comes late.
        """
        parts: list[bytes] = []
        left = size
        while left > 0:
            frame = self._next_of_stream(self._limits.silence())
            if frame.command == const.CMD_DATA:
                parts.append(frame.data)
                left -= len(frame.data)
        if left:
            raise WireError(f"a stream of {size} bytes brought {-left} too many")
        return b"".join(parts)

    def _next_of_stream(self, until: float) -> Frame:
        return _good(self._request.command, self._next_answer(until))

    def _next_answer(self, until: float) -> Frame:
        """Return one more frame that answers the last request."""
        if self._link is None:
            raise HungUp("the session has ended")
        return self._reply(self._link, self._request, until)

    # --- tables over UDP, where datagrams get lost ---

    def _stream_udp(self, size: int) -> bytes:
        """Return the bytes of a stream that cannot be asked for in parts."""
        blocks = Blocks(size)
        self._collect(blocks)
        if (data := blocks.whole()) is None:
            raise _Lost("part of the table was lost on the way")
        return data

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
        reply = self.order(READ_BUFFER, _SLICE_REQUEST.pack(offset, size))
        if reply.command == const.CMD_DATA:
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
        patience = _patience(self._limits)
        while not blocks.full:
            try:
                frame = self._next_of_stream(time.monotonic() + patience)
            except Silent:
                return
            if frame.command == const.CMD_DATA:
                blocks.add(frame.session, frame.data)
            elif frame.command == const.CMD_ACK_OK:
                patience = min(patience, _STRAGGLERS)

    # --- pyzk's own names, so that its commands run over this transport ---

    def _ZK__create_socket(self) -> None:
        self._link = open_link(self.address, self._limits)

    def _ZK__send_command(
        self,
        command: int,
        command_string: bytes = b"",
        response_size: int = 8,  # noqa: ARG002  # pyzk passes it; frames tell their own length
    ) -> dict[str, Any]:
        reply = self.ask(command, command_string)
        self._ZK__response = reply.command
        self._ZK__header = (reply.command, 0, reply.session, reply.reply_id)
        self._ZK__data = self._ZK__data_recv = reply.data
        self._ZK__tcp_length = len(reply.data) + 8
        return {"status": reply.command in _GOOD, "code": reply.command}

    def _ZK__recieve_chunk(self) -> bytes:
        return self._content(Frame(self._ZK__response, 0, 0, self._ZK__data))

    def _ZK__read_chunk(self, start: int, size: int) -> bytes:
        return self.read(Table(start + size, None), start, size)


def _answers(frame: Frame, request: Frame) -> bool:
    """Say whether `frame` answers `request`.

    The session field decides nothing: it holds counters, byte counts and states as often as the session.
    Realtime events (500) come with any reply id.
    """
    return (
        frame.reply_id == request.reply_id
        and frame.command != const.CMD_REG_EVENT
        and (frame.command not in _TABLE_FRAMES or request.command in _READS)
    )


def _table(command: int, size: int, content: bytes | None = None) -> Table:
    if not size:  # not even its length, which an empty table has
        raise MaybeEmpty(f"the device's table for command {command} has no bytes")
    return Table(size, content)


def _good(command: int, reply: Frame) -> Frame:
    if reply.command in _GOOD:
        return reply
    refusal = MaybeEmpty if reply.command == const.CMD_ACK_ERROR else Refused
    raise refusal(f"the device answers command {command} with {reply.command}")


def _patience(limits: Limits) -> float:
    """Return the seconds after which a datagram counts as lost."""
    return min(_RESEND, limits.timeout / _SENDINGS)
