"""The doorbell of a terminal: it rings for a punch, also during a read, and nothing about it is believed."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.pull.devices import (
    TIMEOUT,
    Kept,
    Network,
    check_whole,
    requests,
    session,
    target,
    tcp_bytes,
    tcp_peer,
    terminal_of,
    through,
    udp_peer,
)
from tests.simulator.client import capture
from tests.waiting import wait_for
from zkpoll.errors import HungUp, OverLimit, Refused, Silent, Stopped, WireError
from zkpoll.pull.doorbell import Doorbell
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.reader import read_log
from zkpoll.pull.session import Session
from zkpoll.simulator import Command, Faults, Terminal, WireFrame, refuse, serve
from zkpoll.simulator.records import EVENTS
from zkpoll.simulator.wire import decode, encode, with_top

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.simulator import Transport

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
LONG = 300
"""Records of a log that comes in several frames over UDP."""
PATIENT = 5.0
"""Seconds of silence, for devices that answer."""
SOON = 20.0
"""Seconds to wait for a bell that rings."""
QUIET = 0.2
"""Seconds to wait for a bell that does not."""


def listening(session: Session) -> Doorbell:
    """Return the bell of a device, registered."""
    bell = Doorbell(session)
    bell.register()
    return bell


def check_read(terminal: Terminal, session: Session) -> None:
    """Assert that the whole log comes out of the session as the terminal holds it."""
    sink = Kept()
    check_whole(terminal, read_log(session, target(("", 0)), None, sink), sink)


# --- it rings ---


@BOTH
def test_it_rings_at_each_punch(transport: Transport) -> None:
    """A bell ends a wait as soon as somebody punches; without one a wait ends in silence."""
    terminal = terminal_of(records=3)
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        assert not bell.wait(QUIET)
        for number in range(1, 4):
            person = threading.Timer(0.05, terminal.punch, ["1002"])
            person.start()
            assert bell.wait(SOON)
            person.join()
            assert bell.rung == number
        assert not bell.wait(0)
        check_read(terminal, open_session)


@BOTH
@pytest.mark.parametrize("reply_id", [0, 3])
def test_each_event_is_acknowledged(transport: Transport, reply_id: int) -> None:
    """ACK_OK under the session's number and the event's reply id, as zk-protocol has it; nobody answers."""
    terminal = terminal_of()
    terminal.faults = Faults(event_reply_id=reply_id)
    said: list[WireFrame] = []

    def note(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        said.append(request)
        return answer

    terminal.rewrite = note
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        for _ in range(3):
            terminal.punch("1002")
            assert bell.wait(SOON)
        assert open_session.time() is not None
    number = next(one.session for one in said if one.command == Command.REG_EVENT)
    acknowledged = [one for one in said if one.command == Command.ACK_OK]
    assert acknowledged == [WireFrame(Command.ACK_OK, number, reply_id, b"")] * 3


@BOTH
def test_a_visit_acknowledges_nothing(transport: Transport) -> None:
    """Events that nobody registered for are dropped without a word, as ever."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(events=(Command.PREPARE_BUFFER, Command.GET_TIME))
    with session(terminal, transport, timeout=PATIENT) as open_session:
        check_read(terminal, open_session)
        assert open_session.bells > 0
    assert Command.ACK_OK not in terminal.commands


@BOTH
@pytest.mark.parametrize("width", EVENTS)
def test_an_event_of_any_length_rings(transport: Transport, width: int) -> None:
    """Each of the lengths that are known rings, and lengths that are not, and none at all."""
    terminal = terminal_of(layout=16, event_width=width)
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        terminal.punch("1002")
        assert bell.wait(SOON)
        for data in b"", b"\xff" * 7, b"\xfe" * 53, b"%s\n\0\x1b[2J" * 90:
            terminal.ring(data=data)
            assert bell.wait(SOON)
        terminal.ring(event=0x0002)  # a finger was seen: it rings, too
        assert bell.wait(SOON)
        assert bell.rung == 6


@pytest.mark.parametrize("name", ["pyzk-event-12", "zkp-event-attlog-32", "zkp-event-fpftr"])
def test_published_events_ring(name: str) -> None:
    """The events that were captured ring, also that of a finger, which nobody asked for."""

    def converse(client: socket.socket) -> None:
        for request in answered(client):
            if request.command == Command.REG_EVENT:
                client.sendall(with_top(capture(name)))

    with tcp_peer(converse) as address, Session(Address(*address), limits=Limits(PATIENT, 30)) as one:
        bell = listening(one)
        assert bell.wait(SOON)
        assert bell.rung == 1


# --- a bell during an exchange ---


@BOTH
def test_a_ring_during_a_read_is_not_lost(transport: Transport) -> None:
    """Punches in mid-read: the bytes of the read are whole, and the next wait tells of them, once."""
    terminal = terminal_of(records=LONG)
    people = iter(["1002", "1003"])

    def punch(command: int) -> None:
        if command in {Command.READ_BUFFER, Command.FREE_DATA} and (person := next(people, None)):
            terminal.punch(person)

    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        terminal.before_command = punch
        sink = Kept()
        reading = read_log(open_session, target(("", 0)), None, sink)
        assert reading.records == len(sink.shown) == LONG
        assert bell.rung == 2
        assert bell.wait(0)
        assert not bell.wait(0)
        check_read(terminal, open_session)
    assert len(terminal.log) == LONG + 2
    assert terminal.commands.count(Command.ACK_OK) == 2


@BOTH
def test_a_ring_in_front_of_each_answer(transport: Transport) -> None:
    """Somebody at the door all the time: the log is read whole, with every frame behind an event."""
    terminal = terminal_of(records=LONG)
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        event = WireFrame(Command.REG_EVENT, 1, 0, bytes(32))
        terminal.rewrite = lambda _request, answer: [one for frame in answer for one in (event, frame)]
        check_read(terminal, open_session)
        assert bell.rung > 5
        terminal.rewrite = None
        assert bell.wait(0)


@BOTH
def test_registering_again_does_no_harm(transport: Transport) -> None:
    """Two, three times in a session: still one event for a punch."""
    terminal = terminal_of()
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        bell.register()
        bell.register()
        terminal.punch("1002")
        assert bell.wait(SOON)
        assert not bell.wait(QUIET)
        assert bell.rung == 1


# --- too many bells ---


@BOTH
def test_bells_that_queue_are_one_ring(transport: Transport) -> None:
    """Forty punches while nobody looked are told once, counted forty times."""
    terminal = terminal_of()
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        for _ in range(40):
            terminal.punch("1002")
        assert bell.wait(SOON)
        while bell.rung < 40:  # on a machine that is busy the network may take its time
            assert bell.wait(SOON)
        assert not bell.wait(QUIET)
        assert bell.rung == 40


def test_a_flood_holds_nobody() -> None:
    """Five thousand bells, as fast as they go: the log is read in their midst, and each is counted."""
    terminal = terminal_of(records=LONG)
    with session(terminal, timeout=SOON) as open_session:
        bell = listening(open_session)
        flood = threading.Thread(target=terminal.ring, kwargs={"times": 5_000})
        flood.start()
        assert bell.wait(SOON)
        check_read(terminal, open_session)
        while bell.wait(2):
            pass
        flood.join()
        assert bell.rung == 5_000


def test_a_device_that_rings_and_never_reads_is_not_waited_for() -> None:
    """Where nobody takes acknowledgements none is sent any more; bells are heard all the same."""
    bells, heard = 20_000, threading.Event()

    def converse(client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for request in answered(client):
            if request.command == Command.REG_EVENT:
                client.settimeout(SOON)
                client.sendall(tcp_bytes(WireFrame(Command.REG_EVENT, 1, 0, bytes(32))) * bells)
                heard.wait(SOON)
                return

    with tcp_peer(converse) as address:
        one = Session(Address(*address), limits=Limits(TIMEOUT, 60))
        one.connect()
        link = one._link
        assert link is not None
        link._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        bell = listening(one)
        try:
            while bell.rung < bells:
                assert bell.wait(SOON)
        finally:
            heard.set()
            one.disconnect()


def test_other_frames_ring_nothing() -> None:
    """A device that talks all the time, and says nothing: the wait ends when it should."""

    def converse(client: socket.socket) -> None:
        for request in answered(client):
            if request.command == Command.REG_EVENT:
                client.settimeout(SOON)
                while True:
                    client.sendall(tcp_bytes(WireFrame(Command.ACK_OK, 7, 60_000, b"late")) * 100)

    with tcp_peer(converse) as address:
        one = Session(Address(*address), limits=Limits(PATIENT, 60))
        one.connect()
        bell = listening(one)
        assert not bell.wait(QUIET)
        assert bell.rung == 0
        one.disconnect()


# --- no bell ---


@BOTH
@pytest.mark.parametrize("code", [Command.ACK_ERROR, Command.ACK_UNKNOWN])
def test_a_device_may_refuse(transport: Transport, code: int) -> None:
    """One that knows no events says so: the session goes on, and can be read."""
    terminal = terminal_of(records=3)
    terminal.faults = Faults(instead=(refuse(Command.REG_EVENT, code),))
    with session(terminal, transport, timeout=PATIENT) as open_session:
        with pytest.raises(Refused, match=f"command 500 with {code}"):
            Doorbell(open_session).register()
        check_read(terminal, open_session)


@BOTH
def test_a_bell_that_never_rings_is_silence(transport: Transport) -> None:
    """A unit that registers and rings no bell: the wait ends without one, and the punch is in the log."""
    terminal = terminal_of(records=3)
    terminal.faults = Faults(rings_no_bell=True)
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        terminal.punch("1002")
        assert not bell.wait(QUIET)
        check_read(terminal, open_session)
    assert len(terminal.log) == 4


@BOTH
def test_a_restarted_device_is_found_mute_by_a_question(transport: Transport) -> None:
    """Its silence is that of a quiet door: only the next read tells."""
    terminal = terminal_of()
    terminal.faults = Faults(mute_after_restart=True)
    with session(terminal, transport) as open_session:
        bell = listening(open_session)
        terminal.restart()
        terminal.punch("1002")
        assert not bell.wait(QUIET)
        with pytest.raises(Silent):
            open_session.time()


def test_a_device_that_hangs_up_ends_a_wait() -> None:
    """A line that is cut instead of the second bell: the first rings, then the wait ends at once."""
    terminal = terminal_of()
    terminal.faults = Faults(cuts_every_bell=2)
    with session(terminal, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        terminal.punch("1002")
        assert bell.wait(SOON)
        terminal.punch("1002")
        with pytest.raises(HungUp):
            bell.wait(SOON)


def test_a_forgotten_datagram_session_is_told_by_a_question() -> None:
    """Over UDP there is no line: the unit that forgot the session says so when it is asked."""
    terminal = terminal_of()
    terminal.faults = Faults(cuts_every_bell=1)
    with session(terminal, "udp", timeout=PATIENT) as open_session:
        bell = listening(open_session)
        terminal.punch("1002")
        assert not bell.wait(QUIET)
        with pytest.raises(HungUp, match="2005"):
            open_session.time()


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (b"", HungUp),
        (tcp_bytes(WireFrame(Command.REG_EVENT, 1, 0, bytes(32)))[:30], HungUp),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", WireError),
        (b"\x50\x50\x82\x7d\xff\xff\xff\x01", WireError),
    ],
)
def test_a_line_ends_in_mid_event_or_in_garbage(last: bytes, error: type[Exception]) -> None:
    """What breaks off, and what is no frame, raise as in every exchange."""

    def converse(client: socket.socket) -> None:
        for request in answered(client):
            if request.command == Command.REG_EVENT:
                client.sendall(last)
                return

    with tcp_peer(converse) as address:
        one = Session(Address(*address), limits=Limits(PATIENT, 30))
        one.connect()
        bell = listening(one)
        with pytest.raises(error):
            bell.wait(SOON)
        one.disconnect()


def test_a_closed_session_has_no_bell() -> None:
    """After EXIT there is nothing to wait for."""
    with session(terminal_of(), timeout=PATIENT) as open_session:
        bell = listening(open_session)
        open_session.disconnect()
        with pytest.raises(HungUp):
            bell.wait(SOON)
        assert not bell.leave()


@BOTH
def test_a_session_that_never_began_has_no_bell(transport: Transport) -> None:
    """Before CONNECT there is nothing to register with."""
    with serve(terminal_of(), transport=transport) as address:
        bell = Doorbell(Session(Address(*address, transport), limits=Limits(PATIENT, 30)))
        with pytest.raises(HungUp):
            bell.register()


# --- the network ---


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_lost_registration_is_sent_again(way: str) -> None:
    """Over UDP: a lost request, or its lost answer, leaves a bell that rings once for a punch."""
    terminal = terminal_of()
    with (
        serve(terminal, transport="udp") as device,
        through(Network.bad(way, 2, "lost"), device) as address,
        Session(Address(*address, "udp"), limits=Limits(PATIENT, 30)) as one,
    ):
        bell = listening(one)
        terminal.punch("1002")
        assert bell.wait(SOON)
        assert not bell.wait(QUIET)
        assert bell.rung == 1


@pytest.mark.parametrize("seed", range(3))
def test_bells_get_lost_on_a_bad_line(seed: int) -> None:
    """Over UDP with lost, doubled and swapped datagrams: some rings are missed, no read is spoilt."""
    terminal = terminal_of(records=20)
    network = Network.random(seed, loss=0.1, doubled=0.1, swapped=0.1)
    with (
        serve(terminal, transport="udp") as device,
        through(network, device) as address,
        Session(Address(*address, "udp"), limits=Limits(PATIENT, 60)) as one,
    ):
        bell = listening(one)
        for _ in range(10):
            terminal.punch("1002")
            bell.wait(QUIET)
        assert bell.rung > 0
        check_read(terminal, one)


# --- limits ---


@BOTH
def test_a_stop_ends_a_wait(transport: Transport) -> None:
    """Whoever stops the run waits for no bell; the farewell is said all the same."""
    terminal, stop = terminal_of(), threading.Event()
    with serve(terminal, transport=transport) as address:
        limits = Limits(PATIENT, 30, stop.is_set)
        with Session(Address(*address, transport), limits=limits) as one:
            bell = listening(one)
            threading.Timer(0.1, stop.set).start()
            with pytest.raises(Stopped):
                bell.wait(1e6)
            terminal.punch("1002")
            with pytest.raises(Stopped):
                bell.wait(0)
            assert bell.leave()
        wait_for(lambda: Command.EXIT in terminal.commands)


@BOTH
def test_waiting_is_no_part_of_a_visit(transport: Transport) -> None:
    """A wait goes on when a visit's time is over, and each read has a limit of its own."""
    terminal = terminal_of(records=LONG)
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        visit = Limits(PATIENT, 0.01)
        with open_session.under(visit):
            wait_for(lambda: visit.left() < 0)
            assert not bell.wait(0.01)
            terminal.punch("1002")
            assert bell.wait(SOON)
            with pytest.raises(OverLimit, match="the visit"):
                open_session.time()
            with open_session.under(visit.anew(30, "the read")):
                check_read(terminal, open_session)
            assert open_session.limits is visit


def test_a_frame_that_never_ends_is_over_the_limit() -> None:
    """A device that drips one event for ever holds a wait for its seconds and one silence."""
    drips = threading.Event()

    def converse(client: socket.socket) -> None:
        for request in answered(client):
            if request.command == Command.REG_EVENT:
                client.sendall(tcp_bytes(WireFrame(Command.REG_EVENT, 1, 0, bytes(60_000)))[:40])
                while not drips.wait(0.02):
                    client.sendall(b"\0")

    with tcp_peer(converse) as address:
        one = Session(Address(*address), limits=Limits(0.4, 30))
        one.connect()
        bell = listening(one)
        with pytest.raises(OverLimit, match="waiting for a bell took longer"):
            bell.wait(0.1)
        drips.set()
        one.disconnect()


# --- leaving ---


@BOTH
def test_leaving_ends_the_bell(transport: Transport) -> None:
    """A unit that was told so rings no more; the session goes on."""
    terminal = terminal_of()
    with session(terminal, transport, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        assert bell.leave()
        terminal.punch("1002")
        assert not bell.wait(QUIET)
        assert open_session.time() is not None
        bell.register()
        terminal.punch("1002")
        assert bell.wait(SOON)


@BOTH
def test_leaving_a_mute_device_raises_nothing(transport: Transport) -> None:
    """One that does not answer is left all the same."""
    terminal = terminal_of()
    with session(terminal, transport) as open_session:
        bell = listening(open_session)
        terminal.faults = Faults(mute=True)
        assert not bell.leave()


def test_a_new_session_has_to_register() -> None:
    """After another CONNECT events are not acknowledged until the unit was asked for them again."""
    terminal = terminal_of()
    with session(terminal, timeout=PATIENT) as open_session:
        bell = listening(open_session)
        open_session.connect()
        terminal.punch("1002")
        assert not bell.wait(QUIET)
        bell.register()
        terminal.punch("1002")
        assert bell.wait(SOON)
    assert terminal.commands.count(Command.ACK_OK) == 1


def test_a_device_of_datagrams_may_ring_without_being_asked() -> None:
    """An event that comes before anybody registered rings, and is not acknowledged."""
    said: list[int] = []

    def answer(datagram: bytes) -> list[bytes]:
        request = decode(datagram)
        assert request is not None
        said.append(request.command)
        if request.command == Command.ACK_OK:
            return []
        event = encode(WireFrame(Command.REG_EVENT, 1, 0, bytes(12)))
        return [event, encode(WireFrame(Command.ACK_OK, 7, request.reply_id))]

    with (
        udp_peer(answer) as address,
        Session(Address(*address, "udp"), limits=Limits(PATIENT, 30)) as one,
    ):
        bell = Doorbell(one)
        assert one.time() is None
        assert bell.wait(0)
    assert Command.ACK_OK not in said


def answered(client: socket.socket) -> Iterator[WireFrame]:
    """Answer each request with ACK_OK, and yield it then."""
    for payload in requests(client):
        request = decode(payload)
        assert request is not None
        if request.command != Command.ACK_OK:
            client.sendall(tcp_bytes(WireFrame(Command.ACK_OK, 7, request.reply_id)))
        yield request
