"""Terminals to visit, a sink that keeps what it is handed, and a lossy network in between."""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from zkpoll.errors import ZkpollError
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.reader import Target, read_log
from zkpoll.pull.session import Session
from zkpoll.pull.slices import TAIL
from zkpoll.simulator import Model, Terminal, WireFrame, serve
from zkpoll.simulator.wire import encode, take_payloads, with_top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.model.punch import Punch
    from zkpoll.simulator import Record, Transport

TIMEOUT: Final = 0.4
"""Seconds of silence that these tests allow a device."""
EXIT_LIMIT: Final = 1.0
"""Seconds that the farewell may take."""
SLACK: Final = 1.0
"""Seconds that a loaded machine may add to any wait."""


class Shown(NamedTuple):
    """What of a punch can be compared with what the terminal knows."""

    user_id: str
    time: datetime
    verify: int
    state: int
    work_code: int


def shown(punch: Punch) -> Shown:
    """Return what was read of a punch."""
    return Shown(*punch[:5])


def held(terminal: Terminal) -> list[Shown]:
    """Return what the log of `terminal` shows, from what was punched, not from its bytes."""
    return [as_shown(record, terminal.model.layout) for record in terminal.history]


def as_shown(record: Record, layout: int) -> Shown:
    """Return what a layout has room for: 22 bytes no verify, 8 bytes two bits of it, both no work code."""
    verify = {8: record.verify & 3, 22: 0}.get(layout, record.verify)
    work_code = 0 if layout in {8, 22} else record.work_code
    return Shown(record.user_id, record.time, verify, record.state, work_code)


@dataclass
class Kept:
    """A sink that keeps every slice it is handed."""

    watermark: Watermark | None = None
    serials: list[str | None] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)

    def identify(self, serial: str | None) -> Watermark | None:
        """Note the serial number, and return the watermark."""
        self.serials.append(serial)
        return self.watermark

    def take(self, piece: Slice) -> None:
        """Keep `piece`."""
        self.slices.append(piece)

    @property
    def punches(self) -> list[Punch]:
        """All punches, in the order they were handed on."""
        return [punch for piece in self.slices for punch in piece.punches]

    @property
    def shown(self) -> list[Shown]:
        """What was read of them."""
        return [shown(punch) for punch in self.punches]

    @property
    def quarantined(self) -> list[bytes]:
        """The raw bytes of all quarantined records."""
        return [one.raw for piece in self.slices for one in piece.quarantined]


class Visit(NamedTuple):
    """What came of a visit."""

    sink: Kept
    reading: Reading | None
    error: ZkpollError | None


def terminal_of(layout: int = 40, records: int = 0, **model: object) -> Terminal:
    """Return a virtual terminal with `records` sample punches."""
    return Terminal.with_samples(records, model=Model(layout=layout, **model))  # type: ignore[arg-type]


def target(address: tuple[str, int], transport: str = "tcp", **settings: float) -> Target:
    """Return the device at `address`, with short limits."""
    limits = {"timeout": TIMEOUT, "visit_limit": 30.0} | settings
    return Target(
        Address(*address[:2], transport),
        UTC,
        timeout=limits["timeout"],
        visit_limit=limits["visit_limit"],
        key=int(limits.get("key", 0)),
    )


class Taker(Protocol):
    """A sink that also says what is known of the log of the device that tells this serial number."""

    def identify(self, serial: str | None) -> Watermark | None: ...  # noqa: D102

    def take(self, piece: Slice) -> None: ...  # noqa: D102


def login(where: Target, stopped: Callable[[], bool] = lambda: False) -> Session:
    """Return a session with a device, which logs in when it is entered."""
    return Session(where.address, limits=Limits(where.timeout, where.visit_limit, stopped), key=where.key)


def visit(
    where: Target,
    sink: Taker,
    *,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _records: None,
) -> Reading:
    """Log in, ask for the serial number, and read the log, as a visit does."""
    with login(where, stopped) as session:
        known = sink.identify(session.serial_number())
        reading = read_log(session, where, known, sink, progress)
    return replace(reading, round_trips=session.round_trips, bytes_received=session.bytes_received)


def read_at(
    address: tuple[str, int], transport: str = "tcp", sink: Kept | None = None, **settings: float
) -> tuple[Reading, Kept]:
    """Visit `address` and return what was found and handed on."""
    sink = sink or Kept()
    return visit(target(address, transport, **settings), sink), sink


def read(
    terminal: Terminal, transport: Transport = "tcp", sink: Kept | None = None, **settings: float
) -> tuple[Reading, Kept]:
    """Visit `terminal` once and return what was found and handed on."""
    with serve(terminal, transport=transport) as address:
        return read_at(address, transport, sink, **settings)


def attempt(
    address: tuple[str, int], transport: str = "tcp", sink: Kept | None = None, **settings: float
) -> Visit:
    """Visit `address`, and return what came of it, be it one of the device errors."""
    sink = sink or Kept()
    try:
        return Visit(sink, visit(target(address, transport, **settings), sink), None)
    except ZkpollError as error:
        return Visit(sink, None, error)


def check_whole(terminal: Terminal, reading: Reading, sink: Kept) -> None:
    """Assert that a visit read exactly what `terminal` holds, and handed it on in order."""
    assert sink.shown == held(terminal)
    assert reading.records == reading.on_device == len(terminal.log)
    assert not sink.quarantined
    check_slices(sink)
    assert last_mark(sink).count == len(terminal.log)


def check_slices(sink: Kept) -> None:
    """Assert that slices follow each other, and that each says the last identities up to its end."""
    end = 0
    identities: list[bytes] = []
    for piece in sink.slices:
        end += piece.records
        assert piece.mark is not None
        assert piece.mark.count == end
        identities += [punch.canonical for punch in piece.punches]
        if not any(one.quarantined for one in sink.slices):
            assert list(piece.mark.tail) == identities[-TAIL:]


def last_mark(sink: Kept) -> Watermark:
    """Return the watermark at the end of the last slice."""
    mark = sink.slices[-1].mark
    assert mark is not None
    return mark


@contextmanager
def session(
    terminal: Terminal, transport: Transport = "tcp", key: int = 0, timeout: float = TIMEOUT
) -> Iterator[Session]:
    """Give a session with `terminal`."""
    with serve(terminal, transport=transport) as (host, port):
        limits = Limits(timeout, 30)
        with Session(Address(host, port, transport), limits=limits, key=key) as open_session:
            yield open_session


# --- a network that loses, doubles and swaps datagrams, both ways ---

Fate = str
"""What happens to a datagram: `passes`, `lost`, `doubled`, or `swapped` with the one behind it."""


class Network:
    """What becomes of each datagram: a plan by direction (`there`, `back`) and number, from 1."""

    def __init__(self, plan: Callable[[str, int], Fate]) -> None:
        self.passed = {"there": 0, "back": 0}
        self._plan = plan
        self._waiting: dict[str, list[bytes]] = {"there": [], "back": []}

    @classmethod
    def bad(cls, way: str, number: int, fate: Fate) -> Network:
        """Return a network in which one datagram meets its fate."""
        return cls(lambda where, count: fate if (where, count) == (way, number) else "passes")

    @classmethod
    def random(cls, seed: int, loss: float, doubled: float, swapped: float) -> Network:
        """Return a network in which shares of all datagrams meet each fate."""
        fates, weights = ("lost", "doubled", "swapped", "passes"), (loss, doubled, swapped)
        dice = Random(seed)
        return cls(lambda *_: dice.choices(fates, (*weights, 1 - sum(weights)))[0])

    def carry(self, way: str, datagram: bytes) -> list[bytes]:
        """Return the datagrams that come out where `datagram` went in."""
        self.passed[way] += 1
        fate = self._plan(way, self.passed[way])
        if fate == "swapped":
            self._waiting[way].append(datagram)
            return []
        copies = {"lost": 0, "doubled": 2}.get(fate, 1)
        return [datagram] * copies + self.flush(way)

    def flush(self, way: str) -> list[bytes]:
        """Return the datagrams that waited for one behind them."""
        waiting, self._waiting[way] = self._waiting[way], []
        return waiting


@contextmanager
def through(network: Network, device: tuple[str, int]) -> Iterator[tuple[str, int]]:
    """Give the address at which `device` is reached over UDP through `network`, by one client."""
    with socket.socket(type=socket.SOCK_DGRAM) as front, socket.socket(type=socket.SOCK_DGRAM) as back:
        front.bind(("127.0.0.1", 0))
        back.connect(device)
        stop = threading.Event()
        thread = threading.Thread(target=_relay, args=(network, front, back, stop))
        thread.start()
        try:
            yield front.getsockname()
        finally:
            stop.set()
            thread.join()


def _relay(network: Network, front: socket.socket, back: socket.socket, stop: threading.Event) -> None:
    client = None
    while not stop.is_set():
        ready, _, _ = select.select([front, back], [], [], 0.01)
        if front in ready:
            data, client = front.recvfrom(65536)
            _send(back, network.carry("there", data))
        if back in ready and client:
            with suppress(ConnectionRefusedError):
                _send(front, network.carry("back", back.recv(65536)), client)
        if not ready:  # nothing came behind it: a datagram that was to be swapped is only late
            _send(back, network.flush("there"))
            if client:
                _send(front, network.flush("back"), client)


def _send(outlet: socket.socket, datagrams: Sequence[bytes], where: tuple[str, int] | None = None) -> None:
    for datagram in datagrams:
        outlet.sendto(datagram, where) if where else outlet.send(datagram)


# --- peers that speak for themselves ---


@contextmanager
def tcp_peer(converse: Callable[[socket.socket], None]) -> Iterator[tuple[str, int]]:
    """Give the address of a server that treats each TCP connection as `converse` does, one at a time."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()
        thread = threading.Thread(target=_accept, args=(server, converse, stop))
        thread.start()
        try:
            yield server.getsockname()
        finally:
            stop.set()
            thread.join()


def _accept(server: socket.socket, converse: Callable[[socket.socket], None], stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(OSError):
            client, _ = server.accept()
            with client:
                client.settimeout(2)
                converse(client)


@contextmanager
def udp_peer(answer: Callable[[bytes], list[bytes]]) -> Iterator[tuple[str, int]]:
    """Give the address of a UDP server that answers each datagram as `answer` says."""
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        stop = threading.Event()
        thread = threading.Thread(target=_answer, args=(server, answer, stop))
        thread.start()
        try:
            yield server.getsockname()
        finally:
            stop.set()
            thread.join()


def _answer(server: socket.socket, answer: Callable[[bytes], list[bytes]], stop: threading.Event) -> None:
    while not stop.is_set():
        with suppress(OSError):
            data, client = server.recvfrom(65536)
            _send(server, answer(data), client)


def requests(client: socket.socket) -> Iterator[bytes]:
    """Yield the payload of each request that comes over TCP, until the client leaves."""
    stream = bytearray()
    while data := client.recv(65536):
        stream += data
        yield from take_payloads(stream)


def tcp_bytes(*frames: WireFrame) -> bytes:
    """Return `frames` as one TCP stream."""
    return b"".join(with_top(encode(frame)) for frame in frames)


@contextmanager
def closed_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[tuple[str, int]]:
    """Give a loopback address on which nobody listens."""
    with socket.socket(type=kind) as reserved:
        reserved.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            yield reserved.getsockname()
            return
        where = reserved.getsockname()
    yield where


@contextmanager
def black_hole() -> Iterator[tuple[str, int]]:
    """Give a loopback address where connections are never completed: its queue is full."""
    queue: deque[socket.socket] = deque()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        try:
            while _queues(server.getsockname(), queue):
                continue
            yield server.getsockname()
        finally:
            for one in queue:
                one.close()


def _queues(where: tuple[str, int], queue: deque[socket.socket]) -> bool:
    one = socket.socket()
    queue.append(one)
    one.settimeout(0.1)
    try:
        one.connect(where)
    except TimeoutError:
        return False
    return True
