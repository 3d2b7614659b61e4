"""Realtime events: who registers with command 500 is told of each punch, and nobody else."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from struct import pack
from typing import TYPE_CHECKING, Any

import pytest
import zk

from tests.simulator.client import Client, capture
from zkpoll.simulator import (
    Command,
    Faults,
    Listening,
    Model,
    Record,
    Terminal,
    Transport,
    never,
    refuse,
    serve,
)
from zkpoll.simulator.records import encode_event
from zkpoll.simulator.wire import WireFrame, decode

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
PUNCHES = pack("<I", 1)


def until(done: Callable[[], bool]) -> None:
    """Wait for something to happen in another thread."""
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.005)


def registered(address: Listening, udp: bool = False, mask: bytes = PUNCHES) -> Client:
    """Return a client that has registered for events."""
    client = Client(address, udp)
    client.connect()
    assert client.ask(Command.REG_EVENT, mask).command == Command.ACK_OK
    return client


@pytest.mark.parametrize(
    ("name", "record", "width"),
    [
        ("pyzk-event-12", Record(1, 3, "4822257", datetime(2018, 12, 7, 19, 9, 6), 0, 0), 12),
        ("zkp-event-attlog-32", Record(1, 3, "999111333", datetime(2018, 6, 25, 17, 41, 5), 1, 0), 32),
    ],
)
def test_events_are_the_published_bytes(name: str, record: Record, width: int) -> None:
    """An event in 12 and in 32 bytes is byte for byte a published one."""
    published = decode(capture(name))
    assert published is not None
    assert (published.command, published.session) == (Command.REG_EVENT, 1)
    assert encode_event(record, width) == published.data


def test_an_event_of_ten_bytes_has_the_slot() -> None:
    """The oldest form: slot, verify, state in the low four bits, and the time."""
    record = Record(1, 3, "4822257", datetime(2018, 12, 7, 19, 9, 6), 1, 5)
    assert encode_event(record, 10) == bytes.fromhex("03000115120c07130906")


@pytest.mark.parametrize(("width", "begins_as"), [(14, 10), (36, 32), (37, 32), (52, 32)])
def test_longer_events_begin_as_shorter_ones(width: int, begins_as: int) -> None:
    """The lengths that are known by code alone: what is read of them stands where it stands in others."""
    record = Record(1, 3, "4822257", datetime(2018, 12, 7, 19, 9, 6), 1, 5)
    event = encode_event(record, width)
    assert (len(event), event[:begins_as]) == (width, encode_event(record, begins_as))


@BOTH
@pytest.mark.parametrize(
    ("layout", "width"), [(8, None), (16, None), (40, None), (49, None), (40, 36), (40, 52)]
)
def test_pyzk_is_told_of_each_punch(transport: Transport, layout: int, width: int | None) -> None:
    """`live_capture` of an unmodified pyzk yields each punch, of numeric ids (12 bytes) and texts (32)."""
    terminal = Terminal.with_samples(20, 8, Model(layout=layout, gap=0.02, event_width=width))
    with serve(terminal, transport=transport) as address:
        unit = zk.ZK(address.host, address.port, 5, force_udp=transport == "udp", ommit_ping=True)
        unit._ZK__sock.close()
        unit.connect()
        if transport == "tcp":
            unit.helper.client.close()
        people = threading.Thread(target=_three_punch, args=(terminal,))
        people.start()
        live = unit.live_capture(5)
        told = [next(live) for _ in range(3)]
        people.join()
        unit.end_live_capture = True
        assert list(live) == []
        assert unit.get_time() is not None
        unit.disconnect()
    punched = terminal.history[-3:]
    assert [(one.uid, one.user_id, one.timestamp, one.status, one.punch) for one in told] == [
        (one.uid, one.user_id, one.time, one.verify, one.state) for one in punched
    ]
    assert terminal.commands.count(Command.ACK_OK) == 3


def _three_punch(terminal: Terminal) -> None:
    """Let three people punch once a client has registered."""
    until(lambda: Command.REG_EVENT in terminal.commands)
    for number, user in enumerate(terminal.users[:3]):
        terminal.punch(user.user_id, datetime(2026, 11, 30, 8, 0, number), verify=15, state=number)


@BOTH
def test_only_who_registered_is_told(transport: Transport) -> None:
    """Of two clients one registers: it alone gets the event, and its session field is the event's mask."""
    terminal = Terminal.with_samples(0, 3, Model(seats=2))
    udp = transport == "udp"
    with (
        serve(terminal, transport=transport) as address,
        registered(address, udp) as one,
        Client(address, udp) as other,
    ):
        other.connect()
        record = terminal.punch("1002", state=1)
        assert record is not None
        expected = WireFrame(Command.REG_EVENT, 1, 0, encode_event(record, 32))
        assert list(one.frames()) == [expected]
        assert list(other.frames()) == []
        assert other.ask(Command.GET_TIME).command == Command.ACK_OK


@BOTH
@pytest.mark.parametrize("acknowledged", [True, False])
def test_events_need_no_acknowledgement(transport: Transport, acknowledged: bool) -> None:
    """The next punch is told whether the last event was acknowledged or not; ACK_OK is not answered."""
    terminal = Terminal.with_samples(0, 3)
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, registered(address, udp) as client:
        for _ in range(3):
            terminal.punch("1002")
            assert next(client.frames()).command == Command.REG_EVENT
            if acknowledged:
                assert client.ask_all(Command.ACK_OK) == []
        assert client.ask(Command.GET_TIME).command == Command.ACK_OK


@BOTH
@pytest.mark.parametrize("mask", [0, 0x0002, 0xFFFE])
def test_a_mask_without_punches_is_told_of_none(transport: Transport, mask: int) -> None:
    """Whoever registers anew for other events, or for none, is told of no more punches."""
    terminal = Terminal.with_samples(0, 3)
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, registered(address, udp) as client:
        client.ask(Command.REG_EVENT, pack("<I", mask))
        terminal.punch("1002")
        assert list(client.frames()) == []


@BOTH
@pytest.mark.parametrize("last", [Command.EXIT, Command.CONNECT])
def test_events_end_with_the_session(transport: Transport, last: int) -> None:
    """After EXIT, or a CONNECT that begins a new session, nothing more is told."""
    terminal = Terminal.with_samples(0, 3)
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, registered(address, udp) as client:
        client.ask(last)
        terminal.punch("1002")
        assert list(client.frames()) == []


def test_a_client_that_left_is_told_no_more() -> None:
    """A client that closes without EXIT is forgotten, and people go on punching."""
    terminal = Terminal.with_samples(0, 3)
    with serve(terminal) as address:
        with registered(address):
            pass
        until(lambda: terminal.seats_taken == 0)
        assert terminal.punch("1002")
        with registered(address) as client:
            terminal.punch("1003")
            assert len(list(client.frames())) == 1


def test_a_restart_ends_events() -> None:
    """A terminal that was restarted tells nobody until they register again."""
    terminal = Terminal.with_samples(0, 3)
    with serve(terminal) as address, registered(address) as client:
        terminal.restart()
        terminal.punch("1002")
        assert list(client.frames()) == []


def test_a_punch_that_is_not_taken_is_not_told() -> None:
    """While the terminal is disabled nobody can punch, so there is no event."""
    terminal = Terminal.with_samples(0, 3)
    with serve(terminal) as address, registered(address) as client:
        client.ask(Command.DISABLEDEVICE)
        assert terminal.punch("1002") is None
        assert list(client.frames()) == []


def test_without_a_session_nobody_registers() -> None:
    """REG_EVENT before CONNECT is refused, and a datagram client that is cut off is told no more."""
    terminal = Terminal.with_samples(0, 3)
    with serve(terminal, transport="udp") as address, Client(address, udp=True) as client:
        assert client.ask(Command.REG_EVENT, PUNCHES).command == Command.ACK_UNAUTH
        terminal.punch("1002")
        assert list(client.frames()) == []


def test_an_event_never_cuts_an_answer_in_two() -> None:
    """A punch in the middle of a long answer is told before or behind it."""
    terminal = Terminal.with_samples(500, 3, Model(block_size=1008, gap=0.002))
    with serve(terminal) as address, registered(address) as client:
        client.send(Command.ATTLOG_RRQ)
        frames: list[Any] = []
        for frame in client.frames():
            frames.append(frame.command)
            if len(frames) == 3:
                threading.Thread(target=terminal.punch, args=("1002",)).start()
    assert frames[-1] == Command.REG_EVENT
    assert frames.count(Command.REG_EVENT) == 1
    assert frames[-2] == Command.ACK_OK


# --- bells that do not ring as they should ---


@BOTH
@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (Faults(rings_no_bell=True), 0),
        (Faults(loses_every_bell=3), 4),
        (Faults(rings_twice=True), 12),
        (Faults(loses_every_bell=2, rings_twice=True), 6),
    ],
)
def test_bells_are_lost_and_doubled(transport: Transport, faults: Faults, told: int) -> None:
    """Of six punches a terminal tells none, two in three, each two times; all of them are in its log."""
    terminal = Terminal.with_samples(0, 3, faults=faults)
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, registered(address, udp) as client:
        for _ in range(6):
            assert terminal.punch("1002")
        assert [frame.command for frame in client.frames()] == [Command.REG_EVENT] * told
    assert len(terminal.log) == 6


@BOTH
def test_a_terminal_may_refuse_to_ring(transport: Transport) -> None:
    """One that knows no events says so, and sends none."""
    terminal = Terminal.with_samples(0, 3, faults=Faults(instead=(refuse(Command.REG_EVENT),)))
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, Client(address, udp) as client:
        client.connect()
        assert client.ask(Command.REG_EVENT, PUNCHES).command == Command.ACK_ERROR
        terminal.punch("1002")
        assert list(client.frames()) == []


def test_a_line_is_cut_at_every_second_bell() -> None:
    """Over TCP the client is told of the first punch, and hung up on at the second, which is in the log."""
    terminal = Terminal.with_samples(0, 3, faults=Faults(cuts_every_bell=2))
    with serve(terminal) as address, registered(address) as client:
        terminal.punch("1002")
        assert next(client.frames()).command == Command.REG_EVENT
        terminal.punch("1002")
        assert client.hung_up()
    assert len(terminal.log) == 2


def test_a_session_is_forgotten_at_every_bell() -> None:
    """Over UDP, where there is no line to cut, the session is not known any more."""
    terminal = Terminal.with_samples(0, 3, faults=Faults(cuts_every_bell=1))
    with serve(terminal, transport="udp") as address, registered(address, udp=True) as client:
        terminal.punch("1002")
        assert client.ask(Command.GET_TIME).command == Command.ACK_UNAUTH


@BOTH
def test_a_restarted_terminal_may_be_mute(transport: Transport) -> None:
    """A session from before the restart hears nothing any more; a new one is answered, and told."""
    terminal = Terminal.with_samples(0, 3, faults=Faults(mute_after_restart=True))
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address:
        with registered(address, udp) as client:
            terminal.restart()
            terminal.punch("1002")
            assert client.ask_all(Command.GET_TIME) == []
        with registered(address, udp) as client:
            terminal.punch("1002")
            assert next(client.frames()).command == Command.REG_EVENT


@BOTH
def test_a_terminal_rings_for_other_reasons(transport: Transport) -> None:
    """An event of another kind, such as a finger that was seen, comes whatever the mask, without a punch."""
    terminal = Terminal.with_samples(0, 3)
    udp = transport == "udp"
    with serve(terminal, transport=transport) as address, registered(address, udp) as client:
        terminal.ring(0x0002, times=3)
        assert list(client.frames()) == [WireFrame(Command.REG_EVENT, 2, 0, b"")] * 3
    assert terminal.history == []


def test_events_suffer_from_the_network_too() -> None:
    """A damaged event is a damaged frame; a lost registration is none."""
    terminal = Terminal.with_samples(0, 3, faults=Faults(instead=(never(Command.REG_EVENT),)))
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        assert client.ask_all(Command.REG_EVENT, PUNCHES) == []
        terminal.punch("1002")
        assert list(client.frames()) == []
        terminal.faults = Faults()
        client.ask(Command.REG_EVENT, PUNCHES)
        terminal.faults = Faults(damage=frozenset([1]))
        terminal.punch("1002")
        with pytest.raises(AssertionError, match="checksum"):
            list(client.frames())
