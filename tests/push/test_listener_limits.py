"""How much of the listener its callers may take, and how it ends."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.push.doors import BATCH, PATIENCE, STRANGER, NoteDesk, one_answer, open_door, post, rest
from zkpoll.errors import ExitCode, InventoryError
from zkpoll.push.listener import Limits, listening

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.push.doors import Door

GET: Final = b"GET /iclock/getrequest?SN=1 HTTP/1.1\r\n\r\n"
HEAD: Final = post()[: -len(BATCH)]
GONE: Final = (ConnectionResetError, BrokenPipeError)
SHORT: Final = Limits(whole=1.0, finish=1.0, linger=1.0)


def status(data: bytes) -> int:
    """Given an answer, return its status; 0 if there was none."""
    return int(data[9:12] or 0)


def drip(caller: socket.socket, data: bytes) -> None:
    """Send byte by byte, 20 a second."""
    for byte in data:
        caller.sendall(bytes([byte]))
        time.sleep(0.05)


def until(true: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def callers(door: Door, number: int, stack: ExitStack) -> list[socket.socket]:
    """Return connections that end with `stack`."""
    return [stack.enter_context(door.call()) for _ in range(number)]


# --- slow callers ---


@pytest.mark.parametrize(
    "begun", [b"", b"P", HEAD[:40], HEAD, HEAD + BATCH[:5], HEAD.replace(b"\r\n", b"\n")]
)
def test_a_request_that_never_ends_is_closed(begun: bytes) -> None:
    """A caller that says nothing, or stops in the midst, is closed without an answer."""
    with open_door(limits=SHORT) as door:
        began = time.monotonic()
        assert door.ask(begun) == b""
        assert 0.9 < time.monotonic() - began < 4
        assert door.desk.calls == []


def test_who_drips_is_closed_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """A request has a time from its first byte to its last, however often a byte of it comes."""
    caplog.set_level(logging.INFO)
    with open_door(limits=SHORT) as door, door.call() as caller:
        began = time.monotonic()
        with pytest.raises(GONE):
            drip(caller, HEAD + BATCH * 10)
        assert 0.9 < time.monotonic() - began < 4
        assert door.desk.calls == []
    assert "a call from 127.0.0.1 was not whole within 1 s" in caplog.text


def test_a_long_wait_for_the_desk_is_no_silence() -> None:
    """A whole request is answered, however long the disk takes."""
    with open_door(limits=SHORT) as door, door.call() as caller:
        door.desk.may_answer.clear()
        caller.sendall(post())
        time.sleep(2.5)
        door.desk.may_answer.set()
        assert status(rest(caller)) == 200


def test_each_request_of_a_connection_has_its_own_time() -> None:
    """A kept connection may be much older than a request may."""
    with open_door(limits=SHORT) as door, door.call() as caller:
        for _ in range(6):
            caller.sendall(GET)
            assert status(one_answer(caller)) == 200
            time.sleep(0.4)


def test_who_does_not_listen_is_closed() -> None:
    """A caller that sends and never reads an answer is closed, too."""
    with open_door(limits=SHORT) as door, door.call() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        caller.settimeout(0.5)
        with pytest.raises((*GONE, TimeoutError)):
            caller.sendall(GET * 200_000)
        until(lambda: door.listener.connections == 0)


def test_a_refused_body_is_not_read_for_ever() -> None:
    """What a stranger sends after its answer is dropped for some seconds, then the connection is closed."""
    with open_door(limits=SHORT) as door, door.call() as caller:
        caller.sendall(post(b"", query=STRANGER).replace(b"Length: 0", b"Length: 4000000"))
        assert status(rest(caller)) == 403
        began = time.monotonic()
        with pytest.raises(GONE):
            drip(caller, bytes(400))
        assert 0.9 < time.monotonic() - began < 4


# --- crowds ---


def test_a_thousand_idle_callers_keep_nobody_out() -> None:
    """Beside 1,000 silent connections, and 100 in mid-request, others are served at once."""
    with open_door() as door, ExitStack() as stack:
        callers(door, 1000, stack)
        for slow in callers(door, 100, stack):
            slow.sendall(HEAD)
        began = time.monotonic()
        for _ in range(50):
            assert status(door.ask(post())) == 200
        assert time.monotonic() - began < 10


def test_a_full_house_lets_idle_callers_go(caplog: pytest.LogCaptureFixture) -> None:
    """With no room left, idle connections end after seconds, those that wait come in, and it is told."""
    with open_door(limits=Limits(connections=20, linger=1.0)) as door, ExitStack() as stack:
        callers(door, 20, stack)
        assert status(door.ask(post())) == 200
    assert "connections are open, no more are let in" in caplog.text


def test_polls_do_not_wait_behind_bodies() -> None:
    """With the disk at a standstill and all threads waiting for it, polls and refusals are answered."""
    with open_door() as door, ExitStack() as stack:
        door.desk.may_answer.clear()
        waiting = callers(door, 20, stack)
        for one in waiting:
            one.sendall(post())
        until(lambda: door.listener.waiting == 12)
        with door.call() as caller:
            caller.sendall(GET)
            assert status(one_answer(caller)) == 200
        assert status(door.ask(post(query=STRANGER))) == 403
        door.desk.may_answer.set()
        assert [status(rest(one)) for one in waiting] == [200] * 20
        assert door.listener.waiting == 0


def test_no_more_than_a_number_of_bodies_wait(caplog: pytest.LogCaptureFixture) -> None:
    """One body more than may wait is 503 at once and reaches no desk; those that wait are answered."""
    with open_door() as door, ExitStack() as stack:
        door.desk.may_answer.clear()
        waiting = callers(door, 8 + 256, stack)
        for one in waiting:
            one.sendall(post())
        until(lambda: door.listener.waiting == 256)
        data = door.ask(post())
        assert data.startswith(b"HTTP/1.1 503 ")
        assert data.endswith(b"\r\n\r\nUnavailable")
        door.desk.may_answer.set()
        assert [status(rest(one)) for one in waiting] == [200] * 264
        assert len(door.desk.calls) == 264
        assert status(door.ask(post())) == 200
    assert caplog.text == ""  # a queue is no trouble


@pytest.mark.parametrize("length", [b"Content-Length: 4000000", b"Transfer-Encoding: chunked"])
def test_large_bodies_have_a_room_of_their_own(length: bytes) -> None:
    """Large bodies that would not fit into memory together are 503 at their head; small ones are served."""
    large = b"POST /iclock/cdata?SN=1 HTTP/1.1\r\n" + length + b"\r\n\r\n"
    with open_door(limits=Limits(memory=10_000_000)) as door, ExitStack() as stack:
        for one in callers(door, 2, stack):
            one.sendall(large)
        until(lambda: len(door.desk.heads) == 2)
        assert status(door.ask(large)) == 503
        assert status(door.ask(post())) == 200
        stack.close()
        until(lambda: status(door.ask(post(bytes(4_000_000)))) == 200)


def test_large_bodies_take_room_while_they_wait() -> None:
    """A large body that is whole and waits for the disk takes room, too."""
    large = post(bytes(4_000_000))
    with open_door(limits=Limits(memory=10_000_000)) as door, ExitStack() as stack:
        door.desk.may_answer.clear()
        waiting = callers(door, 2, stack)
        for one in waiting:
            one.sendall(large)
        until(lambda: len(door.desk.heads) == 2)
        assert status(door.ask(large)) == 503
        door.desk.may_answer.set()
        assert [status(rest(one)) for one in waiting] == [200, 200]
        assert status(door.ask(large)) == 200


# --- the end ---


def test_idle_connections_do_not_delay_the_end() -> None:
    """With nothing in hand it ends at once, whoever is connected; and no thread is left."""
    before = threading.active_count()
    with open_door() as door, ExitStack() as stack:
        idle = callers(door, 20, stack)
        for one in idle[:10]:
            one.sendall(GET)
            assert status(one_answer(one)) == 200
        idle[10].sendall(HEAD[:20])
        until(lambda: door.listener.connections == 20)
        idle[0].sendall(GET)
        assert status(one_answer(idle[0])) == 200  # the turn that reads this reads the half a head, too
        began = time.monotonic()
        door.close()
        assert time.monotonic() - began < 1
        assert [rest(one) for one in idle] == [b""] * 20
        with pytest.raises(ConnectionRefusedError):
            door.call()
    assert threading.active_count() == before


def test_bodies_in_hand_are_finished_and_answered() -> None:
    """What had come before the stop is answered, also if its body was on the way; what comes later is 503."""
    with open_door() as door, ExitStack() as stack:
        door.desk.may_answer.clear()
        *whole, partial, late, idle = callers(door, 14, stack)
        for one in whole:
            one.sendall(post().replace(b"Connection: close\r\n", b""))
        partial.sendall(HEAD + BATCH[:5])
        late.sendall(HEAD[:20])
        until(lambda: door.listener.connections == 14)
        until(lambda: door.listener.waiting == 3 and len(door.desk.heads) == 12)
        door.stop.set()
        time.sleep(0.5)
        assert door.thread.is_alive()
        partial.sendall(BATCH[5:])
        late.sendall(HEAD[20:] + BATCH)
        idle.sendall(post())
        assert [status(rest(one)) for one in (late, idle)] == [503, 503]
        door.desk.may_answer.set()
        for one in (*whole, partial):
            data = rest(one)
            assert status(data) == 200
            assert b"\r\nConnection: close\r\n" in data
        assert len(door.desk.calls) == 12
        door.close()


def test_the_end_does_not_wait_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A body that is not done in time is left without an answer, and that is told, without its path."""
    caplog.set_level(logging.DEBUG)
    before = threading.active_count()
    with open_door(limits=SHORT) as door, door.call() as caller:
        door.desk.may_answer.clear()
        caller.sendall(post().replace(b"/iclock", b"/hushhush/iclock"))
        until(lambda: bool(door.desk.heads))
        began = time.monotonic()
        door.close()
        assert 0.9 < time.monotonic() - began < 4
        assert rest(caller) == b""
        door.desk.may_answer.set()
        until(lambda: threading.active_count() == before)
    assert "stopped with 1 calls unanswered" in caplog.text
    assert "hushhush" not in caplog.text


def test_whoever_resets_in_mid_answer_leaves_nothing() -> None:
    """Connections that were reset at any point are forgotten, and the end does not wait for them."""
    with open_door() as door:
        door.desk.may_answer.clear()
        for sent in (b"", HEAD[:20], HEAD, post(), GET, post(query=STRANGER)):
            with door.call() as caller:
                caller.sendall(sent)
                time.sleep(0.05)
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        door.desk.may_answer.set()
        until(lambda: door.listener.connections == 0)
        began = time.monotonic()
        door.close()
        assert time.monotonic() - began < 1


# --- where it listens ---


def test_a_port_that_is_taken_is_an_error_of_the_inventory() -> None:
    """Two listeners cannot have one port: the second says so, by its address, and has exit code 78."""
    with open_door() as door:
        where = door.listener.address
        with pytest.raises(
            InventoryError, match=f"^cannot listen on {where}: address already in use$"
        ) as raised:
            listening(where, NoteDesk()).__enter__()
        assert raised.value.exit_code is ExitCode.INVENTORY
        assert status(door.ask(post())) == 200


def test_calls_may_come_before_it_serves() -> None:
    """From its making on the listener has its port, and a call waits until it serves."""
    stop = threading.Event()
    with listening("127.0.0.1:0", NoteDesk()) as listener:
        host, _, port = listener.address.partition(":")
        assert port != "0"
        with socket.create_connection((host, int(port)), PATIENCE) as caller:
            caller.sendall(post())
            thread = threading.Thread(target=listener.serve, args=(stop,))
            thread.start()
            try:
                assert status(rest(caller)) == 200
            finally:
                stop.set()
                thread.join()
