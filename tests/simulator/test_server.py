"""A virtual terminal on real sockets, read by hand and by an unmodified pyzk."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import zk

from tests.simulator.client import LOG, USERS, Client
from zkpoll.simulator import (
    LAYOUTS,
    Command,
    Faults,
    Listening,
    Model,
    Terminal,
    Transport,
    never,
    serve,
)
from zkpoll.simulator.records import encode_user, table
from zkpoll.simulator.wire import encode, with_top

if TYPE_CHECKING:
    from collections.abc import Iterator

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])


@pytest.fixture
def threads_before() -> Iterator[None]:
    """Prove that the test leaves no thread behind."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def driver(address: Listening, transport: Transport, key: int = 0) -> Any:
    """Return pyzk as it is, connected. The datagram socket it never closes is closed here."""
    unit = zk.ZK(
        address.host,
        address.port,
        timeout=5,
        password=key,
        force_udp=transport == "udp",
        ommit_ping=True,
    )
    unit._ZK__sock.close()
    connected = unit.connect()
    if transport == "tcp":
        unit.helper.client.close()
    return connected


@BOTH
@pytest.mark.parametrize("count", [1, 2, 25, 26, 1700, 5000])
def test_pyzk_reads_every_record(transport: Transport, count: int) -> None:
    """An unmodified pyzk reads each record of a log, however long, over TCP and UDP."""
    terminal = Terminal.with_samples(count, users=5)
    with serve(terminal, transport=transport) as address:
        unit = driver(address, transport)
        attendance = unit.get_attendance()
        unit.disconnect()
    read = [(one.uid, one.user_id, one.timestamp, one.status, one.punch) for one in attendance]
    assert read == [(one.number, one.user_id, one.time, one.verify, one.state) for one in terminal.history]


@BOTH
@pytest.mark.parametrize("count", [3, 14, 15, 1000])
def test_pyzk_reads_every_user(transport: Transport, count: int) -> None:
    """An unmodified pyzk reads each user of a table, however long."""
    terminal = Terminal.with_samples(0, users=count)
    with serve(terminal, transport=transport) as address:
        unit = driver(address, transport)
        users = unit.get_users()
        unit.disconnect()
    assert [(one.uid, one.user_id, one.name, one.privilege) for one in users] == [
        (one.uid, one.user_id, one.name, one.privilege) for one in terminal.users
    ]


@BOTH
def test_pyzk_gets_what_else_it_asks_for(transport: Transport) -> None:
    """With the comm key, pyzk reads clock, serial and firmware, and may clear the log."""
    terminal = Terminal.with_samples(10, model=Model(comm_key=123456))
    with serve(terminal, transport=transport) as address:
        unit = driver(address, transport, key=123456)
        assert abs((unit.get_time() - terminal.now()).total_seconds()) < 5
        assert unit.get_serialnumber() == terminal.model.serial
        assert unit.get_firmware_version() == terminal.model.firmware
        assert unit.get_pin_width() == 9
        unit.disable_device()
        disabled = [terminal.disabled]
        unit.clear_attendance()
        unit.refresh_data()
        unit.enable_device()
        disabled.append(terminal.disabled)
        unit.disconnect()
    assert terminal.log == []
    assert disabled == [True, False]
    assert terminal.rejected == 0


@BOTH
def test_pyzk_is_refused_with_a_wrong_key(transport: Transport) -> None:
    """A wrong comm key is refused."""
    with serve(Terminal(Model(comm_key=12)), transport=transport) as address:
        unit = zk.ZK(address.host, address.port, 5, 45, transport == "udp", ommit_ping=True)
        unit._ZK__sock.close()
        with pytest.raises(zk.exception.ZKErrorResponse, match="Unauthenticated"):
            unit.connect()
        unit._ZK__sock.close()
        if transport == "tcp":
            unit.helper.client.close()


@BOTH
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_is_read_whole(transport: Transport, layout: int) -> None:
    """Log and users come out in every layout as the terminal holds them."""
    terminal = Terminal.with_samples(200, 30, Model(layout=layout))
    width = terminal.model.bytes_a_user
    with (
        serve(terminal, transport=transport) as address,
        Client(address, transport == "udp") as client,
    ):
        client.connect()
        assert client.read(LOG) == table(terminal.log)
        assert client.read(USERS) == table(encode_user(user, width) for user in terminal.users)


@BOTH
def test_a_terminal_listens_on_ipv6(transport: Transport) -> None:
    """The server also binds ::1."""
    with (
        serve(Terminal(), "::1", transport=transport) as address,
        Client(address, transport == "udp") as client,
    ):
        assert address.host == "::1"
        assert client.connect().command == Command.ACK_OK


def test_a_taken_port_is_an_error() -> None:
    """A port that is in use raises OSError at once."""
    with serve(Terminal()) as address, ExitStack() as stack, pytest.raises(OSError, match="in use"):
        stack.enter_context(serve(Terminal(), port=address.port))


def test_bytes_are_counted() -> None:
    """The terminal counts the bytes it sends and receives, and its connections."""
    terminal = Terminal.with_samples(300)
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        client.read(LOG)
        assert terminal.bytes_sent == client.received
    assert terminal.bytes_received == 16 + (16 + 11) + (16 + 8)
    assert terminal.connections == 1


def test_one_client_at_a_time() -> None:
    """A second client gets no answer until the first says EXIT."""
    terminal = Terminal()
    with serve(terminal) as address, Client(address) as first, Client(address) as second:
        first.connect()
        assert second.ask_all(Command.CONNECT) == []
        assert terminal.seats_taken == 1
        first.ask(Command.EXIT)
        assert first.hung_up()
        assert second.connect().command == Command.ACK_OK


def test_a_second_client_may_be_reset() -> None:
    """Some terminals reset a second client's connection."""
    with serve(Terminal(Model(when_taken="reset"))) as address, Client(address) as first:
        first.connect()
        with Client(address) as second:
            second.send(Command.CONNECT)
            with pytest.raises(ConnectionResetError):
                second.socket.recv(1)
        assert first.ask(Command.GET_TIME).command == Command.ACK_OK


def test_there_may_be_more_seats() -> None:
    """A terminal with two seats takes two clients."""
    with (
        serve(Terminal(Model(seats=2))) as address,
        Client(address) as first,
        Client(address) as second,
    ):
        assert {client.connect().command for client in (first, second)} == {Command.ACK_OK}


def test_a_closed_connection_frees_its_seat() -> None:
    """A client that closes without EXIT leaves the seat to the next one, at once."""
    with serve(Terminal()) as address:
        for _ in range(20):
            with Client(address) as client:
                assert client.connect().command == Command.ACK_OK


def test_a_seat_may_stay_taken_until_a_restart() -> None:
    """On a terminal that keeps seats, a client that left without EXIT blocks the next one."""
    terminal = Terminal(faults=Faults(keeps_seat=True))
    with serve(terminal) as address:
        with Client(address) as client:
            client.connect()
        with Client(address) as client:
            assert client.ask_all(Command.CONNECT) == []
            terminal.restart()
            assert client.connect().command == Command.ACK_OK


def test_another_protocol_is_hung_up_on() -> None:
    """Bytes that are no frame end the connection; a frame with a wrong checksum is ignored."""
    terminal = Terminal()
    with serve(terminal) as address, Client(address) as client:
        frame = bytearray(encode(client.connect()))
        frame[2] ^= 1
        client.socket.sendall(with_top(bytes(frame)))
        assert client.ask(Command.GET_TIME).command == Command.ACK_OK
        assert terminal.rejected == 1
        client.socket.sendall(bytes.fromhex("aa01760400fefefefe467755"))
        assert client.hung_up()


@pytest.mark.usefixtures("threads_before")
@BOTH
@pytest.mark.parametrize("faults", [Faults(), Faults(delay=60), Faults(bandwidth=1)])
def test_it_stops_at_once(transport: Transport, faults: Faults) -> None:
    """Whatever a client is waiting for, the server stops promptly and leaves no thread."""
    terminal = Terminal.with_samples(1000, faults=faults)
    started = time.monotonic()
    with (
        serve(terminal, transport=transport) as address,
        Client(address, transport == "udp") as client,
    ):
        client.send(Command.CONNECT)
        time.sleep(0.05)
    assert time.monotonic() - started < 1


def test_the_port_is_free_again() -> None:
    """The same port can be served again right after, and the log is still there."""
    terminal = Terminal.with_samples(5)
    with serve(terminal) as address, Client(address) as client:
        client.connect()
    with serve(terminal, port=address.port) as again, Client(again) as client:
        client.connect()
        assert client.read(LOG) == table(terminal.log)


def test_a_silent_command_over_udp_can_be_asked_again() -> None:
    """A datagram client that gets no answer asks again under the same reply id."""
    terminal = Terminal(faults=Faults(instead=(never(Command.GET_TIME, times=1),)))
    with serve(terminal, transport="udp") as address, Client(address, udp=True) as client:
        client.connect()
        client.send(Command.GET_TIME)
        assert list(client.frames()) == []
        assert client.ask(Command.GET_TIME).reply_id == 1


def test_clients_may_come_in_crowds() -> None:
    """Several threads may use one terminal at once."""
    terminal = Terminal.with_samples(500, model=Model(seats=8))
    bodies: list[bytes] = []

    def visit(address: Listening) -> None:
        with Client(address) as client:
            client.connect()
            bodies.append(client.read(LOG))

    with serve(terminal) as address:
        visitors = [threading.Thread(target=visit, args=(address,)) for _ in range(8)]
        for visitor in visitors:
            visitor.start()
        for visitor in visitors:
            visitor.join()
    assert bodies == [table(terminal.log)] * 8


def test_udp_forgets_the_oldest_stranger() -> None:
    """Sessions over UDP are bounded: the first of very many clients must connect again."""
    with serve(Terminal(), transport="udp") as address, ExitStack() as stack:
        first, *others = (stack.enter_context(Client(address, udp=True)) for _ in range(65))
        for client in first, *others:
            client.connect()
        assert first.ask(Command.GET_TIME).command == Command.ACK_UNAUTH


def test_nothing_listens_after_the_block() -> None:
    """After the `with` block a connection is refused."""
    with serve(Terminal()) as address:
        pass
    with socket.socket() as probe:
        assert probe.connect_ex(address) != 0
