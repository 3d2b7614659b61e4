"""Terminals that announce more than any holds, and send on: a visit ends in words, in bounded memory."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from itertools import count, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.pull.devices import requests, tcp_bytes, tcp_peer, terminal_of
from zkpoll.pull.framing import MAX_PAYLOAD
from zkpoll.simulator import ClientSession, Command, EnrolledUser, WireFrame, serve, wire
from zkpoll.simulator.records import encode_user, table
from zkpoll.simulator.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.simulator.terminal import Terminal

MOST: Final = 200_000_000
"""Bytes of memory that a visit may hold, whatever arrives."""
FOUR_GB: Final = 0xFFFF_FFF0
BLOCK: Final = 60_000
"""Bytes of a frame: what a datagram can carry, and more than any terminal puts into one."""


class Visited(NamedTuple):
    """What came of a visit in a process of its own."""

    peak: int
    error: str
    records: int


def visited(address: tuple[str, int], transport: str = "tcp", what: str = "log") -> Visited:
    """Visit `address` in a process of its own."""
    host, port = address[:2]
    words = [sys.executable, "-m", "tests.pull.visitor", host, str(port), transport, what]
    done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
    return Visited(**json.loads(done.stdout))


def announcing(size: int, request: WireFrame) -> bytes:
    """Return the payload that announces a stream of `size` bytes."""
    return encode(WireFrame(Command.PREPARE_DATA, 0, request.reply_id, size.to_bytes(4, "little") * 2))


@contextmanager
def flood(terminal: Terminal, command: int, transport: str) -> Iterator[tuple[str, int]]:
    """Let `terminal` announce 4 GB in answer to `command`, and send on until the client leaves."""
    if transport == "tcp":
        with tcp_peer(lambda client: _flood_tcp(terminal, command, client)) as address:
            yield address
        return
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        stop = threading.Event()
        thread = threading.Thread(target=_flood_udp, args=(terminal, command, server, stop))
        thread.start()
        try:
            yield server.getsockname()
        finally:
            stop.set()
            thread.join()


def _flood_tcp(terminal: Terminal, command: int, client: socket.socket) -> None:
    session = ClientSession(seated=False)
    for payload in requests(client):
        request = wire.decode(payload)
        assert request
        if request.command == command:
            client.sendall(wire.with_top(announcing(FOUR_GB, request)))
            block = tcp_bytes(WireFrame(Command.DATA, 0, request.reply_id, b"\1" * BLOCK))
            for data in repeat(block):
                client.sendall(data)
        for answer in terminal.reply(session, payload):
            client.sendall(wire.with_top(answer))


def _flood_udp(terminal: Terminal, command: int, server: socket.socket, stop: threading.Event) -> None:
    session = ClientSession(seated=False, largest=1024)
    while not stop.is_set():
        if not select.select([server], [], [], 0.05)[0]:
            continue
        payload, client = server.recvfrom(65536)
        request = wire.decode(payload)
        assert request
        if request.command != command:
            for answer in terminal.reply(session, payload):
                server.sendto(answer, client)
            continue
        server.sendto(announcing(FOUR_GB, request), client)
        for number in count():
            if stop.is_set() or select.select([server], [], [], 0.0005)[0]:
                break  # the client has lost patience
            block = WireFrame(Command.DATA, number & 0xFFFF, request.reply_id, b"\1" * BLOCK)
            with suppress(OSError):
                server.sendto(encode(block), client)


def without_buffer(terminal: Terminal) -> Terminal:
    """Let `terminal` know no 1503."""
    del terminal.handlers[Command.PREPARE_BUFFER]
    return terminal


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("command", "what"),
    [
        (Command.PREPARE_BUFFER, "log"),
        (Command.READ_BUFFER, "log"),
        (Command.ATTLOG_RRQ, "log"),
        (Command.PREPARE_BUFFER, "users"),
        (Command.READ_BUFFER, "users"),
        (Command.USERTEMP_RRQ, "users"),
    ],
)
def test_four_gigabytes_are_announced_and_sent(command: Command, what: str, transport: str) -> None:
    """What is announced is compared with what was asked and with what terminals hold, before it is read."""
    terminal = terminal_of(records=100)
    if command not in {Command.PREPARE_BUFFER, Command.READ_BUFFER}:
        without_buffer(terminal)
    with flood(terminal, command, transport) as address:
        came_of = visited(address, transport, what)
    asked = "WireError: asked for "
    too_long = "WireError: the device announces a table of 4,294,967,280 bytes; no terminal holds more than"
    assert came_of.error.startswith(asked if command == Command.READ_BUFFER else too_long)
    assert came_of.records == 0
    assert came_of.peak < MOST


# --- what terminals might hold ---


def streamed(request: WireFrame, body: bytes) -> list[WireFrame]:
    """Return `body` as a stream of frames."""
    pieces = (body[at : at + BLOCK] for at in range(0, len(body), BLOCK))
    return [
        WireFrame(Command.PREPARE_DATA, 0, request.reply_id, len(body).to_bytes(4, "little")),
        *(WireFrame(Command.DATA, 0, request.reply_id, piece) for piece in pieces),
    ]


def at_once(request: WireFrame, body: bytes) -> list[WireFrame]:
    """Return `body` as one frame."""
    return [WireFrame(Command.DATA, 0, request.reply_id, body)]


def lengthened(short: bytes, times: int) -> bytes:
    """Return a table in which the rows of the table `short` stand so many times."""
    body = short[4:] * times
    return len(body).to_bytes(4, "little") + body


@pytest.mark.long
@pytest.mark.parametrize("form", [at_once, streamed])
@pytest.mark.parametrize("layout", [16, 40])
def test_the_longest_log_that_comes_at_once_is_read(
    layout: int, form: Callable[[WireFrame, bytes], list[WireFrame]]
) -> None:
    """A log just short of the limit is read to its end, a slice at a time, in the same memory."""
    terminal = without_buffer(terminal_of(layout, records=50))
    log = table(terminal.log)
    body = lengthened(log, (MAX_PAYLOAD - 12) // (len(log) - 4))
    terminal.handlers[Command.ATTLOG_RRQ] = lambda _, request: form(request, body)
    with serve(terminal) as address:
        came_of = visited(address)
    assert (came_of.error, came_of.records) == ("", len(body) // layout)
    assert came_of.peak < MOST


@pytest.mark.parametrize("width", [28, 72])
def test_the_longest_user_table_is_read(width: int) -> None:
    """As many users as there are slots are known, in the same memory."""
    terminal = without_buffer(terminal_of(8 if width == 28 else 40, records=5, user_capacity=0xFFFF))
    terminal.users = [EnrolledUser(slot, str(slot), "Ada") for slot in range(1, 0x10000)]
    body = table([encode_user(user, width) for user in terminal.users])
    terminal.handlers[Command.USERTEMP_RRQ] = lambda _, request: at_once(request, body)
    with serve(terminal) as address:
        came_of = visited(address, what="users")
    assert (came_of.error, came_of.records) == ("", 0xFFFF)
    assert came_of.peak < MOST


def test_a_short_question_has_no_long_answer() -> None:
    """A frame that is longer than any answer to the question asked is refused before it is read."""
    terminal = terminal_of(records=5)
    told = b"~SerialNumber=" + bytes(MAX_PAYLOAD // 2)
    terminal.handlers[Command.OPTIONS_RRQ] = lambda _, r: [WireFrame(Command.ACK_OK, 0, r.reply_id, told)]
    with serve(terminal) as address:
        came_of = visited(address)
    assert came_of.error == f"WireError: a frame cannot be {len(told) + 8} bytes long"
    assert came_of.peak < MOST / 3
