"""A virtual terminal: its users, its log, its answers.

No sockets here: `Terminal.reply` takes the payload of one request and returns the payloads of its
answer. Real terminals were seen to behave as it does. Where they differ, `Model` is the kind, and
`Faults` are its faults.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.simulator import wire
from zkpoll.simulator.faults import FaultInjector, Faults
from zkpoll.simulator.model import CAPACITY, Model
from zkpoll.simulator.records import (
    ADMIN,
    LONGEST_OFFSET,
    EnrolledUser,
    FreeSizes,
    Record,
    encode_event,
    encode_record,
    encode_short,
    encode_sizes,
    encode_user,
    table,
    with_old_memory,
)
from zkpoll.simulator.samples import sample_records, sample_users
from zkpoll.simulator.wire import Command, WireFrame

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST_DATAGRAM: Final = 1024
"""Data bytes a UDP datagram carries at most (js_zklib issues 7 and 50)."""
_BUFFER_TAIL: Final = bytes.fromhex("cdef2300")  # unknown; as one capture has it
_SEAT_GRACE: Final = 0.2
"""Seconds for the previous client's close to arrive, before a CONNECT finds every seat taken."""
_PUNCHES: Final = 0x0001
"""Events of attendance, in the mask of REG_EVENT, and in the session field of the event."""
_WAITING, _IDENTIFYING = 0, 2
"""States of a terminal (zk-protocol)."""
_U32X2: Final = Struct("<II")


@dataclass(eq=False, slots=True)
class ClientSession:
    """One client: a TCP connection, or an address that sends datagrams."""

    seated: bool = True
    """Whether it needs a seat: true over TCP."""
    largest: int | None = None
    """Most data bytes in one frame; None for any number."""
    id: int = 0
    """Session id; 0 before CONNECT."""
    authenticated: bool = False
    power_cycle: int = 0
    """How often the terminal had been restarted when the session began."""
    send: Callable[[bytes], None] | None = None
    """The transport's way to send a payload that nobody asked for. Raises `OSError` when it cannot."""
    cut_off: Callable[[], None] | None = None
    """The transport's way to close the connection at once, if it has one."""
    events: int = 0
    """The mask of the events that it registered for."""
    buffer: bytes | None = None
    """The table that 1503 built and 1504 hands out."""
    dripping: bool = False
    """Whether answers come a byte at a time."""
    late: list[WireFrame] = field(default_factory=list)
    """Frames that wait for the next answer."""
    hang_up: Literal["close", "reset"] | None = None
    """The transport's duty after this answer."""


Handler = Callable[[ClientSession, WireFrame], list[WireFrame]]
"""Given a client and its request, return the answer's frames."""


class Terminal:
    """A virtual terminal. Safe to use from several threads.

    Beyond the knobs of `Model` and `Faults`: put a function into `handlers` (by command), set
    `before_command` (called with each command before it is looked at) or `rewrite` (called with
    request and answer, returns the frames to send), or subclass.
    """

    def __init__(
        self, model: Model | None = None, faults: Faults | None = None, users: Iterable[EnrolledUser] = ()
    ) -> None:
        self.model = model or Model()
        self.users: list[EnrolledUser] = list(users)
        self.log: list[bytes] = []
        """The records in the log, packed."""
        self.history: list[Record] = []
        """Every punch that ever entered the log, also if it was overwritten or cleared."""
        self.commands: list[int] = []
        """Every command received."""
        self.rejected = 0
        """Requests that were no frames: too short, or a wrong checksum."""
        self.bytes_received = 0
        self.bytes_sent = 0
        self.connections = 0
        """TCP connections accepted."""
        self.disabled = False
        self.state = _IDENTIFYING
        """The answer to STATE_RRQ."""
        self.written: dict[str, str] = {}
        """Options that a client wrote, by name; they stand before the model's."""
        self.before_command: Callable[[int], None] | None = None
        self.rewrite: Callable[[WireFrame, list[WireFrame]], list[WireFrame]] | None = None
        self.injector = FaultInjector(faults or Faults())
        self.handlers: dict[int, Handler] = self._handlers()
        self._changed = threading.Condition()
        self._seats: list[ClientSession] = []
        self._registered: list[ClientSession] = []
        self._restarts = 0
        self._last_session = 0x2F00
        self._cursor = 0
        self._handed_out = 0
        self._last_frame: list[WireFrame] = []
        self._last_long: datetime | None = None
        self._clock_offset = timedelta()
        self._frozen_at: datetime | None = None

    @classmethod
    def with_samples(
        cls, records: int, users: int = 50, model: Model | None = None, faults: Faults | None = None
    ) -> Terminal:
        """Return a terminal with sample users and a sample log.

        Without a `model` it has room for all `records`.
        """
        terminal = cls(model or Model(capacity=max(CAPACITY, records)), faults)
        terminal.users = sample_users(users, terminal.model.layout)
        terminal.record(sample_records(terminal.users, records))
        return terminal

    @property
    def faults(self) -> Faults:
        """Its faults. Setting them starts all counting anew."""
        return self.injector.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._changed:
            self.injector = FaultInjector(faults)

    # The clock

    def now(self) -> datetime:
        """Return the time on the terminal's wall clock, to the second."""
        moment = self._frozen_at or datetime.now() + self._clock_offset
        return moment.replace(microsecond=0)

    def set_clock(self, moment: datetime, *, frozen: bool = False) -> None:
        """Let the clock go on from `moment`, or stand still there."""
        self._clock_offset = moment - datetime.now()
        self._frozen_at = moment if frozen else None

    def adjust_clock(self, moment: datetime) -> None:
        """Set the clock as a server does: one that stands still stands at `moment` then."""
        self.set_clock(moment, frozen=self._frozen_at is not None)

    # The log

    @property
    def held(self) -> range:
        """The places in `history` of the punches that the log holds: always the last ones."""
        with self._changed:
            return range(max(0, len(self.history) - len(self.log)), len(self.history))

    def punch(
        self,
        user_id: str,
        time: datetime | None = None,
        verify: int = 1,
        state: int = 0,
        work_code: int = 0,
    ) -> Record | None:
        """Let somebody punch, and return the record, or None if the terminal did not take it.

        It takes none while disabled, nor when its log is full and it is one that stops then. Clients that
        registered for events are told at once.
        """
        with self._changed:
            if self.disabled and not self.faults.ignores_disable:
                return None
            uid = next((user.uid for user in self.users if user.user_id == user_id), 0)
            number, moment = len(self.history) + 1, time or self.now()
            record = Record(number, uid, user_id, moment, verify, state, work_code)
            if not self.record([record]):
                return None
            told = [one for one in self._registered if one.authenticated and one.events & _PUNCHES]
        # Without the lock: one client that reads slowly must not keep the others from their answers.
        self._tell(told, self._event(record))
        return record

    def ring(self, event: int = _PUNCHES, data: bytes = b"", times: int = 1) -> None:
        """Send an event of which no punch is to be found, so many times, to each client that registered.

        Its mask does not matter: some firmware tells of more than it was asked for.
        """
        with self._changed:
            told = [one for one in self._registered if one.authenticated and one.events]
        frame = WireFrame(Command.REG_EVENT, event, self.faults.event_reply_id, data)
        for _ in range(times):
            self._tell(told, frame)

    def _event(self, record: Record) -> WireFrame:
        """Return the realtime event of a punch."""
        data = encode_event(record, self.model.bytes_an_event)
        return WireFrame(Command.REG_EVENT, _PUNCHES, self.faults.event_reply_id, data)

    def _tell(self, told: list[ClientSession], event: WireFrame) -> None:
        """Send an event to clients, as the faults have it. One that is gone is told no more."""
        for session in told:
            with self._changed:
                times = self.injector.bells()
            if times is None:
                self._cut_off(session)
            elif session.send is None:
                self._forget(session)
            else:
                try:
                    for _ in range(times):
                        session.send(self.injector.damaged(wire.encode(event)))
                except OSError:
                    self._forget(session)

    def _cut_off(self, session: ClientSession) -> None:
        self._forget(session)
        session.authenticated = False
        if session.cut_off is not None:
            session.cut_off()

    def record(self, records: Iterable[Record]) -> int:
        """Append `records` to the log as they are, and return how many of them it took."""
        with self._changed:
            taken = [record for record in records if self._take(record)]
            self.history += taken
            return len(taken)

    def _take(self, record: Record) -> bool:
        """Append a record in the form that is due, and return whether the log took it."""
        if self.model.short_records and self.log and self._last_long:
            seconds = (record.time - self._last_long).total_seconds()
            if 0 <= seconds <= LONGEST_OFFSET:
                return self.append(encode_short(record, int(seconds)))
        taken = self.append(encode_record(record, self.model.layout))
        self._last_long = record.time if taken else self._last_long
        return taken

    def append(self, row: bytes) -> bool:
        """Append any bytes as one record, and return whether the log took them."""
        with self._changed:
            if len(self.log) < self.model.capacity:
                self.log.append(row)
                return True
            if self.model.when_full == "overwrite":
                self.log[self._cursor % self.model.capacity] = row
                self._cursor += 1
            elif self.model.when_full == "drop":
                del self.log[: self.model.drop_count]
                self.log.append(row)
            return self.model.when_full != "stop"

    def clear(self) -> None:
        """Empty the log."""
        with self._changed:
            self.log.clear()
            self._cursor = self._handed_out = 0

    # Clients

    @property
    def seats_taken(self) -> int:
        """How many TCP clients are connected."""
        return len(self._seats)

    def restart(self) -> None:
        """Forget every client, and let people punch: somebody pulled the plug."""
        with self._changed:
            self._restarts += 1
            self._seats.clear()
            self._registered.clear()
            self.disabled = False
            self._changed.notify_all()

    def leave(self, session: ClientSession) -> None:
        """Free the seat of a client whose connection is closed, and tell it no more."""
        self._forget(session)
        if not self.faults.keeps_seat:
            self._stand_up(session)

    def _stand_up(self, session: ClientSession) -> None:
        with self._changed:
            if session in self._seats:
                self._seats.remove(session)
                self._changed.notify_all()

    def _forget(self, session: ClientSession) -> None:
        with self._changed:
            if session in self._registered:
                self._registered.remove(session)

    def _sit_down(self, session: ClientSession) -> bool:
        if not session.seated or session in self._seats:
            return True
        free = self._changed.wait_for(lambda: len(self._seats) < self.model.seats, timeout=_SEAT_GRACE)
        if free:
            self._seats.append(session)
        return free

    # Answers

    def reply(self, session: ClientSession, payload: bytes) -> list[bytes]:
        """Given the payload of one request, return the payloads of its answer, maybe none."""
        request = wire.decode(payload)
        if request is None:
            self.rejected += 1
            return []
        if self.before_command:
            self.before_command(request.command)
        with self._changed:
            self.commands.append(request.command)
            session.dripping |= request.command == self.faults.drip_after
            frames = self._answer(session, request)
            return [self.injector.damaged(wire.encode(frame)) for frame in frames]

    def _answer(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if self.faults.mute or self._is_mute_for(session, request):
            return []
        waiting, session.late = session.late, []
        answer = waiting + self._events(request) + self._own_answer(session, request)
        if self.faults.session_rubbish and request.command != Command.CONNECT:
            rubbish = self.injector.rubbish
            answer = [frame._replace(session=int.from_bytes(rubbish(2), "little")) for frame in answer]
        if self.faults.repeats_last:
            answer, self._last_frame = self._last_frame + answer, answer[-1:] or self._last_frame
        return self.rewrite(request, answer) if self.rewrite else answer

    def _is_mute_for(self, session: ClientSession, request: WireFrame) -> bool:
        old = session.power_cycle != self._restarts and request.command != Command.CONNECT
        return old and self.faults.mute_after_restart

    def _own_answer(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        instead = self.injector.instead(request.command)
        if instead is None:
            return self._handle(session, request)
        if instead.carried_out:
            self._handle(session, request)
        if instead.cut:
            session.hang_up, session.authenticated = "close", False
        if instead.code is None:
            return []
        return [WireFrame(instead.code, session.id, request.reply_id)]

    def _handle(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if request.command == Command.ACK_OK:
            return []  # the client has got an event; nobody waits for that
        allowed = session.authenticated or request.command in {Command.CONNECT, Command.AUTH}
        if not allowed:
            return _short(Command.ACK_UNAUTH, session, request)
        handler = self.handlers.get(request.command)
        return handler(session, request) if handler else _short(Command.ACK_UNKNOWN, session, request)

    def _handlers(self) -> dict[int, Handler]:
        """Return the handler of each command; any other command is answered with 0xffff."""
        return {
            Command.CONNECT: self._connect,
            Command.AUTH: self._auth,
            Command.EXIT: self._exit,
            Command.OPTIONS_RRQ: self._option,
            Command.OPTIONS_WRQ: self._write_option,
            Command.REFRESHOPTION: _ok,
            Command.GET_VERSION: lambda s, r: _ok(s, r, self.model.firmware.encode() + b"\0"),
            Command.GET_PINWIDTH: lambda s, r: _ok(s, r, b"\x09"),
            Command.GET_FREE_SIZES: self._sizes,
            Command.STATE_RRQ: lambda _, r: [WireFrame(Command.ACK_OK, self.state, r.reply_id)],
            Command.GET_TIME: self._get_time,
            Command.SET_TIME: self._set_time,
            Command.ENABLEDEVICE: self._enable,
            Command.DISABLEDEVICE: self._disable,
            Command.REFRESHDATA: _ok,
            Command.REG_EVENT: self._register,
            Command.STARTVERIFY: self._start_verify,
            Command.CANCELCAPTURE: self._cancel_capture,
            Command.CLEAR_ATTLOG: self._clear_log,
            Command.CLEAR_DATA: self._clear_all,
            Command.ATTLOG_RRQ: self._stream_log,
            Command.USERTEMP_RRQ: self._stream_users,
            Command.PREPARE_BUFFER: self._prepare_buffer,
            Command.READ_BUFFER: self._read_buffer,
            Command.FREE_DATA: self._free_data,
        }

    def _connect(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        """Begin a session. The answer carries its id, even when a comm key is due (2005)."""
        if not self._sit_down(session):
            session.hang_up = "reset" if self.model.when_taken == "reset" else None
            return []
        self._last_session = self._last_session % 0xFFFF + 1
        session.id = 0 if self.faults.session_zero else self._last_session
        session.buffer, session.events, session.power_cycle = None, 0, self._restarts
        session.authenticated = not self.model.comm_key
        welcome = session.authenticated or self.faults.wants_key_late
        return _short(Command.ACK_OK if welcome else Command.ACK_UNAUTH, session, request)

    def _auth(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if wire.key_matches(request.data, self.model.comm_key, session.id):
            session.authenticated = True
        code = Command.ACK_OK if session.authenticated else Command.ACK_UNAUTH
        return _short(code, session, request)

    def _exit(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self._stand_up(session)
        session.hang_up, session.authenticated = "close", False
        return _ok(session, request)

    def _option(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        name = request.data.split(b"\0")[0]
        key = name.decode("latin-1")
        value = self.written.get(key, self.model.option(key))
        if value is None:
            return _short(self.model.unknown_option, session, request)
        return _ok(session, request, name + b"=" + value.encode() + b"\0")

    def _write_option(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        """Keep `Name=value`, which a client may read back; a real unit goes by it after REFRESHOPTION."""
        name, mark, value = request.data.split(b"\0")[0].decode("latin-1").partition("=")
        if not (name and mark):
            return _short(Command.ACK_ERROR, session, request)
        self.written[name] = value
        return _ok(session, request)

    def _register(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        """Send this client the events of a u32 mask from now on; 0 is none."""
        session.events = wire.u32(request.data)
        if session not in self._registered:
            self._registered.append(session)
        return _ok(session, request)

    def _start_verify(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.state = _IDENTIFYING
        return _ok(session, request)

    def _cancel_capture(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.state = _WAITING
        return _ok(session, request)

    def _get_time(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        return _ok(session, request, wire.pack_time(self.now()).to_bytes(4, "little"))

    def _set_time(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        try:
            moment = wire.unpack_time(wire.u32(request.data))
        except ValueError:
            return _short(Command.ACK_ERROR, session, request)
        self.adjust_clock(moment)
        return _ok(session, request)

    def _enable(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.disabled = False
        return _ok(session, request)

    def _disable(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.disabled = True
        return _ok(session, request)

    def _clear_log(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if not self.faults.ignores_clear:
            self.clear()
        return _ok(session, request)

    def _clear_all(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        self.users.clear()
        self.clear()
        return _ok(session, request)

    def _sizes(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        if self.model.sizes is None:
            return _short(Command.ACK_ERROR, session, request)
        told = self.faults.sizes_records
        records = len(self.log) - self.faults.sizes_stale if told is None else told
        sizes = FreeSizes(
            users=len(self.users),
            records=max(0, records),
            operations=self.model.operations,
            admins=sum(user.privilege == ADMIN for user in self.users),
            passwords=sum(bool(user.password) for user in self.users),
            finger_capacity=self.model.finger_capacity,
            user_capacity=self.model.user_capacity,
            record_capacity=self.model.capacity,
        )
        return _ok(session, request, encode_sizes(sizes, self.model.sizes))

    # Tables

    def _table(self, command: int) -> bytes | None:
        """Return the table `command` reads, None if it is empty or there is no such table."""
        if command == Command.ATTLOG_RRQ:
            start = self._handed_out if self.faults.hands_out_once else 0
            self._handed_out = len(self.log)
            return self._rows(self.log[start:], self.model.layout)
        if command == Command.USERTEMP_RRQ:
            width = self.model.bytes_a_user
            users = self.users if self.model.second_ids else [replace(one, user_id="0") for one in self.users]
            return self._rows([encode_user(user, width) for user in users], width)
        return None

    def _rows(self, rows: list[bytes], width: int) -> bytes | None:
        if self.faults.old_memory:
            rows = [with_old_memory(row, width, self.injector.rubbish) for row in rows]
        return table(rows) if rows or self.model.empty_log == "table" else None

    def _prepare_buffer(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        """Build a snapshot: u8 1, u16 command, u32 fct, u32 ext ask for it."""
        command = int.from_bytes(request.data[1:3], "little")
        nothing = command == Command.ATTLOG_RRQ and self.faults.lays_out_nothing
        body = table([]) if nothing else self._table(command)
        if body is None:
            return _empty(request)
        if len(body) <= min(self.model.inline_limit, session.largest or len(body)):
            return [WireFrame(Command.DATA, session.id, request.reply_id, body)]
        session.buffer = body
        return _ok(session, request, b"\0" + _U32X2.pack(len(body), len(body)) + _BUFFER_TAIL)

    def _read_buffer(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        start, size = wire.u32(request.data), wire.u32(request.data, 4)
        if session.buffer is None or start + size > len(session.buffer):
            return _short(Command.ACK_ERROR, session, request)
        return self._stream(session, request, session.buffer[start : start + size])

    def _free_data(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        session.buffer = None
        return _ok(session, request)

    def _stream_log(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        body = self._table(Command.ATTLOG_RRQ)
        if body is not None and self.faults.legacy_rubbish:
            body = body[:4] + self.injector.rubbish(len(body) - 4)
        return _empty(request) if body is None else self._stream(session, request, body)

    def _stream_users(self, session: ClientSession, request: WireFrame) -> list[WireFrame]:
        body = self._table(Command.USERTEMP_RRQ)
        return _empty(request) if body is None else self._stream(session, request, body)

    def _stream(self, session: ClientSession, request: WireFrame, body: bytes) -> list[WireFrame]:
        """Return PREPARE_DATA, `body` in DATA blocks, and the last ACK_OK."""
        reply_id = request.reply_id
        size = session.largest or self.model.block_size or max(1, len(body))
        largest = session.largest or self.model.block_size or 0x10000
        prepare = _U32X2.pack(len(body), largest)
        frames = [WireFrame(Command.PREPARE_DATA, session.id, reply_id, prepare)]
        frames += [
            WireFrame(Command.DATA, number & 0xFFFF, reply_id, body[start : start + size])
            for number, start in enumerate(range(0, len(body), size))
        ]
        last = len(body) if self.model.final_ack_field == "bytes" else len(frames) - 2
        ack = WireFrame(Command.ACK_OK, last & 0xFFFF, reply_id)
        match self.faults.final_ack:
            case "sent":
                return [*frames, ack]
            case "early":
                return [*frames[:-1], ack, frames[-1]]
            case "late":
                session.late.append(ack)
        return frames

    def _events(self, request: WireFrame) -> list[WireFrame]:
        """Return the event that comes before this answer: the first user is seen at the door."""
        if request.command not in self.faults.events:
            return []
        first = self.users[0] if self.users else EnrolledUser(1, "1")
        return [self._event(Record(0, first.uid, first.user_id, self.now()))]


def _short(code: int, session: ClientSession, request: WireFrame) -> list[WireFrame]:
    return [WireFrame(code, session.id, request.reply_id)]


def _ok(session: ClientSession, request: WireFrame, data: bytes = b"") -> list[WireFrame]:
    return [WireFrame(Command.ACK_OK, session.id, request.reply_id, data)]


def _empty(request: WireFrame) -> list[WireFrame]:
    """Return the answer of an empty table: an error, with 0 as session (js_zklib)."""
    return [WireFrame(Command.ACK_ERROR, 0, request.reply_id)]
