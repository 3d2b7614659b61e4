"""pyzk with its transport replaced: one authenticated conversation with one device.

The only importer of `zk`. pyzk 0.9 brings the device commands built on `__send_command` and
`__read_chunk`. What is below those two is ours, because it loses data or hangs: one `recv` taken for one
frame, an endless loop when a device closes in mid-read, a lost datagram that shortens a log, a ping
through a shell, and a second connection that single-seat devices refuse.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import replace
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

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
    WrongChecksums,
    WrongKey,
    WrongSerial,
    ZkpollError,
)
from zkpoll.model import packed_time
from zkpoll.model.printable import shown
from zkpoll.pull import codes, framing, sizes
from zkpoll.pull.device_tables import STRAGGLERS, MaybeEmpty, Table, Tables
from zkpoll.pull.framing import Frame
from zkpoll.pull.link import Address, Limits, Link, open_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from types import TracebackType

_SEAT_WAIT: Final = 2.0
"""Seconds between two knocks at a device that turns clients away: about as long as another's visit."""
_EXIT_LIMIT: Final = 1.0
"""Seconds for the farewell: a mute device must not cost another whole timeout."""

_WHOLE: Final = frozenset({codes.PREPARE_BUFFER, codes.ATTLOG_RRQ, codes.USERTEMP_RRQ, codes.DB_RRQ})
"""Requests that may be answered by a whole table, in one frame."""
_READS: Final = _WHOLE | {codes.READ_BUFFER}
"""Requests that may be answered by a table; any other request's reply is one frame without one."""
_ONCE: Final = frozenset({codes.CLEAR_ATTLOG})
"""Requests that are never sent again: carried out twice, they do harm."""
_AGAIN: Final = frozenset(
    {
        codes.CONNECT,
        codes.AUTH,
        codes.OPTIONS_RRQ,
        codes.GET_FREE_SIZES,
        codes.GET_TIME,
        codes.GET_VERSION,
        codes.ENABLEDEVICE,
        codes.DISABLEDEVICE,
        codes.REG_EVENT,
        *_READS,
    }
)
"""Requests that are repeated where the device answers with one of `_NOT_NOW`: questions, reads, and what
comes to the same if it is carried out twice."""
_NOT_NOW: Final = frozenset({codes.ACK_RETRY, codes.ACK_REPEAT, *range(codes.ACK_ERROR_DATA, 0x10000)})
"""Replies by which a device says that it did not understand, or to ask again; the next one may be the due
one."""
_TABLE_FRAMES: Final = frozenset({codes.PREPARE_DATA, codes.DATA})
_GOOD: Final = _TABLE_FRAMES | {codes.ACK_OK}
_REPLIES: Final = _GOOD | {codes.ACK_ERROR, codes.ACK_UNAUTH, codes.CONNECT_REFUSED}
"""Codes that tell a damaged reply from bytes of another protocol."""
_REPLY_IDS: Final = 0xFFFF
"""Reply ids count modulo this: the common client code never sends 65535, so no device was ever seen to
accept it."""
_SERIAL_NUMBER: Final = b"~SerialNumber"
_LONGEST_SERIAL: Final = 64
"""Characters; those that were published have up to 20."""
_LONGEST_TEXT: Final = 200
"""Bytes of a device's text that are shown; names and versions have some thirty."""
_U32 = Struct("<I")


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

    knocks: ClassVar[int] = 3
    """How often a device that turns clients away is tried in one visit."""

    def __init__(self, address: Address, *, limits: Limits, key: int = 0) -> None:
        udp = address.transport == "udp"
        super().__init__(address.host, address.port, password=key, force_udp=udp, ommit_ping=True)
        self._ZK__sock.close()  # pyzk opens a UDP socket here that nobody closes
        self.helper = _NoProbe()
        self.address = address
        self._reached = address
        self.limits = limits
        self.round_trips = 0
        self.bells = 0
        """Realtime events that came, those during an exchange included. They are counted, never decoded."""
        self._bytes_received = 0
        self._key = key
        self._begun = False
        """Whether the device has begun a session, which EXIT is to end."""
        self._heard = False
        """Whether it has been given a key in this session, or a command without one."""
        self._registered = False
        """Whether it asked for realtime events in this session, and therefore acknowledges each."""
        self._link: Link | None = None
        self._request = Frame(0, 0, 0)
        self.tables = Tables(self)

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

        Most units take one TCP client and turn others away. Turned away, it waits and tries again, a few
        times. Raise `Unreachable` when nothing speaks the protocol there, `NotATerminal` when something
        else answers, `WrongKey`, `FirmwareRefuses`, or `Refused`.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(SeatTaken),
            stop=stop_after_attempt(self.knocks),
            wait=wait_fixed(min(_SEAT_WAIT, self.limits.timeout / 4)),
            sleep=self.limits.sleep,
            reraise=True,
        )
        retrying(self._connect)
        return self

    def _connect(self) -> None:
        self.disconnect()
        self._ZK__create_socket()
        self._ZK__session_id = 0
        self._ZK__reply_id = _REPLY_IDS - 1
        asked = time.monotonic()
        reply = self._first_reply()
        if not self.tcp:
            reply = self._last_reply(reply, took=time.monotonic() - asked)
        self._ZK__session_id = reply.session
        self._begun = reply.command != codes.CONNECT  # which is an echo
        self._heard = self._registered = False
        if reply.command == codes.ACK_UNAUTH:
            self._authenticate()
        else:
            self._judge_login(reply)
        self.is_connect = True

    def _authenticate(self) -> None:
        """Give the comm key. Raise `WrongKey` when it is refused."""
        self._heard = True
        self._judge_login(self._asked(codes.AUTH, scramble_key(self._key, self._ZK__session_id)))

    def _first_reply(self) -> Frame:
        try:
            return self.ask(codes.CONNECT)
        except WireError as error:
            raise NotATerminal(
                f"{self.address} answers, but not as a terminal does ({error}); "
                "is it another kind of device or server?"
            ) from error
        except Silent as error:
            if self._link is not None and _wrong_checksum(self._link.damaged):
                raise WrongChecksums(
                    f"{self.address} answers with wrong checksums; restart the terminal, look at the network "
                    "in between, set `transport: tcp` if it speaks that, or check that it is a terminal"
                ) from error
            raise Unreachable(
                f"{self.address} does not answer in {self.limits.timeout:g} s; it may be busy with "
                "another client, or somebody is in its menu; it may need the other transport, or be no "
                "terminal (a C3 panel is silent too)"
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
        patience = max(took, min(STRAGGLERS, self.limits.patience()))
        while True:
            try:
                reply = self._next_answer(time.monotonic() + patience)
            except Silent:
                return reply

    def _judge_login(self, reply: Frame) -> None:
        match reply.command:
            case codes.ACK_OK:
                return
            case codes.ACK_UNAUTH:
                given = "the comm_key is wrong" if self._key else "a comm_key is needed"
                where = "see Comm Key in the Comm. menu of the terminal"
                raise WrongKey(f"{self.address} refuses the login: {given}; {where}")
            case codes.CONNECT | codes.AUTH:
                raise NotATerminal(f"{self.address} sends back what it is sent; it is no terminal")
            case codes.CONNECT_REFUSED:
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
            if self._begun:  # some devices number their session 0
                self._exchange(link, self._next_request(codes.EXIT, b""))
        except ZkpollError:
            return False  # the device is gone, or mute: closing the socket is all that is left
        finally:
            link.close()
            self._bytes_received += link.bytes_received
            self.is_connect = self._begun = False
        return True

    @contextmanager
    def under(self, limits: Limits) -> Iterator[None]:
        """Keep to the limits of `limits` for a while."""
        before = self.limits
        self._keep_to(limits)
        try:
            yield
        finally:
            self._keep_to(before)

    def _keep_to(self, limits: Limits) -> None:
        self.limits = limits
        if self._link is not None:
            self._link.limits = limits

    def ask(self, command: int, data: bytes = b"") -> Frame:
        """Send a command and return its reply, whatever the reply's code.

        A reply that only asks to come again is answered by a repeat, once, where that does no harm. A device
        that accepts CONNECT and still wants a key gets it with the first command.

        Raise `Silent`, `HungUp` (also where the device has forgotten the session, or wants a key and none is
        set), `WrongKey`, `WireError`, `OverLimit` or `Stopped`.
        """
        reply = self._asked(command, data)
        if not self.is_connect:
            return reply
        begins, self._heard = not self._heard, True
        if begins and reply.command == codes.ACK_UNAUTH and self._key:
            self._authenticate()
            reply = self._asked(command, data)
        if reply.command == codes.ACK_UNAUTH:
            if begins and not self._key:
                raise HungUp(
                    "the device has ended the session (reply 2005) as soon as it began; "
                    "a comm_key is wanted, or it has restarted"
                )
            raise HungUp("the device has ended the session (reply 2005); it may have restarted")
        return reply

    def _asked(self, command: int, data: bytes = b"") -> Frame:
        if command == const.CMD_CLEAR_DATA:  # the driver has a method that sends it
            raise ValueError("this command would delete the device's users; it is never sent")
        if self._link is None:
            raise HungUp("the session has ended")
        self._link.longest = framing.MAX_PAYLOAD if command in _WHOLE else framing.MAX_SHORT
        self._request = self._next_request(command, data)
        reply = self._exchange(self._link, self._request)
        if reply.command in _NOT_NOW and command in _AGAIN:
            self._request = self._next_request(command, data)
            reply = self._exchange(self._link, self._request)
        return reply

    def order(self, command: int, data: bytes = b"") -> Frame:
        """Send a command that must succeed and return its reply. Raise `Refused` with the code."""
        return _good(command, self.ask(command, data))

    def next_of_answer(self, until: float) -> Frame:
        """Return one more frame that answers the last request, as a table takes several.

        Waits for it until the moment `until` (`time.monotonic`). Raise `Silent` when none comes, `Refused`
        when it is an error code.
        """
        return _good(self._request.command, self._next_answer(until))

    def _next_answer(self, until: float) -> Frame:
        if self._link is None:
            raise HungUp("the session has ended")
        return self._reply(self._link, self._request, until)

    def _next_request(self, command: int, data: bytes) -> Frame:
        self._ZK__reply_id = (self._ZK__reply_id + 1) % _REPLY_IDS
        return Frame(command, self._ZK__session_id, self._ZK__reply_id, data)

    def _exchange(self, link: Link, request: Frame) -> Frame:
        """Send `request` and return its reply; most datagrams are sent again, under the same reply id."""
        self.round_trips += 1
        give_up = link.limits.silence()
        once = self.tcp or request.command in _ONCE
        patience = float("inf") if once else link.limits.patience()
        link.send(request)
        while True:
            until = min(give_up, time.monotonic() + patience)
            try:
                return self._reply(link, request, until)
            except Silent:
                if time.monotonic() >= give_up:
                    if _wrong_checksum(link.damaged):
                        seconds = link.limits.timeout
                        raise Silent(f"nothing but answers with wrong checksums for {seconds:g} s") from None
                    raise
                link.send(request)

    def _reply(self, link: Link, request: Frame, until: float) -> Frame:
        """Return the next frame that answers `request`. Late and realtime ones are put aside."""
        while True:
            link.limits.check()
            if time.monotonic() >= until:
                raise Silent(f"no answer for {link.limits.timeout:g} s")
            frame = self._received(link, until)
            if _answers(frame, request):
                return frame

    def _received(self, link: Link, until: float) -> Frame:
        """Return the next frame. An event is counted, and acknowledged as the device told it: at once.

        Under the session's number and the event's reply id (zk-protocol, `realtime.md`; pyzk sends the same
        for the usual 0). A device that reads nothing is not waited for: clients that never acknowledge fare
        well, too (zkteco-js).
        """
        frame = link.receive(until)
        if frame.command == codes.REG_EVENT:
            self.bells += 1
            if self._registered and link.has_room():
                link.send(Frame(codes.ACK_OK, self._ZK__session_id, frame.reply_id))
        return frame

    # --- what the device says unasked ---

    def register(self, events: int) -> None:
        """Be told of the events of a mask (u32; 0 for none) from now on. Raise `Refused` when it will not."""
        self._registered = bool(events)
        self.order(codes.REG_EVENT, _U32.pack(events))

    def overhear(self, until: float) -> Frame:
        """Return the next frame that comes unasked, waiting until the moment `until` (`time.monotonic`).

        Raise `Silent` when none comes, else as `ask`.
        """
        if self._link is None:
            raise HungUp("the session has ended")
        self._link.longest = framing.MAX_SHORT
        self._link.limits.check()
        return self._received(self._link, until)

    # --- the device's account of itself ---

    def serial_number(self) -> str | None:
        """Return the device's serial number, or None if it plainly tells none.

        It becomes part of every punch's identity, so nothing is taken for it that only comes in its place.
        Raise `WireError` for the answer to another question, `WrongSerial` for a value that is none.
        """
        said = self._told(codes.OPTIONS_RRQ, _SERIAL_NUMBER)
        name, named, value = said.partition(b"=")
        if said and not (named and name == _SERIAL_NUMBER):
            raise WireError(
                f'{self.address} was asked for its serial number and answers "{_text(said)}"; '
                "restart the terminal if it does so again"
            )
        serial = value.strip(b" \t\r\n")
        text = _text(serial)
        if len(serial) > _LONGEST_SERIAL or text.encode() != serial:
            raise WrongSerial(
                f'{self.address} tells a serial number that cannot be one ("{text}"); '
                "restart the terminal, and ask its vendor if that does not help"
            )
        return text or None

    def option(self, name: str) -> str | None:
        """Return the value of a device option such as `~DeviceName`, or None if it has none.

        What the device tells of another option is no answer.
        """
        told, named, value = self._told(codes.OPTIONS_RRQ, name.encode()).partition(b"=")
        return (_text(value) or None) if named and told == name.encode() else None

    def firmware(self) -> str | None:
        """Return the version of the device's firmware, or None if it does not tell."""
        return _text(self._told(codes.GET_VERSION)) or None

    def _told(self, command: int, name: bytes = b"") -> bytes:
        """Ask for a text and return its bytes up to the NUL; none if the device does not tell it."""
        reply = self.ask(command, name and name + b"\0")
        return reply.data.partition(b"\0")[0] if reply.command == codes.ACK_OK else b""

    def sizes(self) -> sizes.Sizes | None:
        """Return the device's counts and capacities, or None if it refuses or they do not add up."""
        reply = self.ask(codes.GET_FREE_SIZES)
        return sizes.parse(reply.data) if reply.command == codes.ACK_OK else None

    def time(self) -> datetime | None:
        """Return the device's wall clock, or None if it refuses or shows no real date."""
        reply = self.ask(codes.GET_TIME)
        if reply.command != codes.ACK_OK or len(reply.data) < _U32.size:
            return None
        return packed_time.unpack(_U32.unpack_from(reply.data)[0])

    # --- changes to the device ---

    def set_time(self, timestamp: datetime) -> None:
        """Set the device's wall clock, to the second. Raise `Refused` when it will not."""
        self.order(codes.SET_TIME, _U32.pack(packed_time.pack(timestamp)))

    def disable(self) -> None:
        """Let nobody punch until `enable`. Raise `Refused` when the device will not."""
        self.order(codes.DISABLEDEVICE)

    def enable(self) -> None:
        """Let people punch again. Raise `Refused` when the device will not."""
        self.order(codes.ENABLEDEVICE)

    def clear_log(self) -> None:
        """Delete the attendance log. Asked once, even if the answer is lost. Raise `Refused`."""
        self.order(codes.CLEAR_ATTLOG)

    def refresh(self) -> None:
        """Let the device take in changes. A refusal is ignored: the caller looks at the result."""
        self.ask(codes.REFRESHDATA)

    # --- pyzk's own names, so that its commands run over this transport ---

    def _ZK__create_socket(self) -> None:
        self._link = open_link(self._reached, self.limits)
        # Next time there at once: a name server that is away must not keep a device from being enabled.
        self._reached = replace(self._reached, host=self._link.peer() or self._reached.host)

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
        return self.tables.content(Frame(self._ZK__response, 0, 0, self._ZK__data))

    def _ZK__read_chunk(self, start: int, size: int) -> bytes:
        return self.tables.read(Table(start + size, None), start, size)


def _answers(frame: Frame, request: Frame) -> bool:
    """Say whether `frame` answers `request`.

    The session field decides nothing: it holds counters, byte counts and states as often as the session.
    Realtime events (500) come with any reply id.
    """
    return (
        frame.reply_id == request.reply_id
        and frame.command != codes.REG_EVENT
        and (frame.command not in _TABLE_FRAMES or request.command in _READS)
    )


def _wrong_checksum(damaged: bytes) -> bool:
    """Given a datagram that is no sound frame, say whether it has the form of a reply."""
    return len(damaged) >= framing.SHORTEST and int.from_bytes(damaged[:2], "little") in _REPLIES


def _good(command: int, reply: Frame) -> Frame:
    if reply.command in _GOOD:
        return reply
    refusal = MaybeEmpty if reply.command == codes.ACK_ERROR else Refused
    raise refusal(f"the device answers command {command} with {reply.command}")


def _text(said: bytes) -> str:
    """Return a device's own words, fit for a screen, without blanks at the ends."""
    return shown(said[:_LONGEST_TEXT].decode("ascii", "backslashreplace").strip(" "))
