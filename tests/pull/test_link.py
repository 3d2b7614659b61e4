"""Frames over real sockets: cuts, joins, limits, and what a person is told."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, cast

import pytest

from tests.pull.devices import SLACK, TIMEOUT, black_hole, closed_port, tcp_bytes, tcp_peer, udp_peer
from zkpoll.errors import HungUp, OverLimit, Silent, Stopped, Unreachable, WireError
from zkpoll.pull.framing import Frame
from zkpoll.pull.link import Address, Limits, Link, TcpLink, open_link
from zkpoll.simulator import WireFrame
from zkpoll.simulator.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SENT = [WireFrame(2000, 7, number, bytes([number]) * size) for number, size in enumerate((0, 1, 300, 8))]
LOOPBACK = cast("str", None)
"""The system's word for a host of two addresses (where it has IPv6): ::1, then 127.0.0.1."""
RECEIVED = [Frame(*frame) for frame in SENT]


def link_to(where: tuple[str, int], transport: str = "tcp", limits: Limits | None = None) -> Link:
    """Open a link to `where`."""
    return open_link(Address(*where, transport), limits or Limits(TIMEOUT, 30))


def silence() -> float:
    """Return the moment at which the usual silence, from now on, has lasted too long."""
    return time.monotonic() + TIMEOUT


@pytest.fixture
def pair() -> Iterator[tuple[Link, socket.socket]]:
    """Give a TCP link and the device's end of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = link_to(server.getsockname())
        device, _ = server.accept()
        with device:
            device.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield link, device
        link.close()


def test_an_address_reads_as_people_write_it() -> None:
    """An address is host:port, with brackets where the host has colons itself."""
    assert str(Address("door.example")) == "door.example:4370"
    assert str(Address("::1", 4371)) == "[::1]:4371"


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 8, 9, 15, 16, 17, 100])
def test_frames_may_be_cut_anywhere(pair: tuple[Link, socket.socket], cut: int) -> None:
    """A stream that comes in pieces of any size, with pauses between them, gives the same frames."""
    link, device = pair
    stream = tcp_bytes(*SENT)

    def send() -> None:
        for start in range(0, len(stream), cut):
            device.sendall(stream[start : start + cut])
            time.sleep(0.0005)

    thread = threading.Thread(target=send)
    thread.start()
    assert [link.receive(silence()) for _ in SENT] == RECEIVED
    thread.join()
    assert link.bytes_received == len(stream)


def test_frames_may_be_joined(pair: tuple[Link, socket.socket]) -> None:
    """Frames that come in one piece are given one by one."""
    link, device = pair
    device.sendall(tcp_bytes(*SENT))
    assert [link.receive(silence()) for _ in SENT] == RECEIVED


def test_silence_ends_a_wait(pair: tuple[Link, socket.socket]) -> None:
    """Nothing for the timeout is `Silent`, and not much later."""
    began = time.monotonic()
    with pytest.raises(Silent, match=r"no answer for 0\.4 s"):
        pair[0].receive(silence())
    assert TIMEOUT <= time.monotonic() - began < TIMEOUT + SLACK


def test_silence_in_the_middle_of_a_frame_ends_a_wait(pair: tuple[Link, socket.socket]) -> None:
    """A frame that stops half-way is `Silent` one timeout after its last byte."""
    link, device = pair
    device.sendall(tcp_bytes(*SENT)[:20])
    assert link.receive(silence()) == RECEIVED[0]
    with pytest.raises(Silent):
        link.receive(silence())


def test_each_byte_starts_the_silence_anew(pair: tuple[Link, socket.socket]) -> None:
    """A frame that takes longer than the timeout is received, as long as its bytes keep coming."""
    link, device = pair
    stream = tcp_bytes(SENT[3])

    def send() -> None:
        for byte in stream:
            time.sleep(TIMEOUT / 8)
            device.sendall(bytes([byte]))

    thread = threading.Thread(target=send)
    thread.start()
    assert link.receive(silence()) == RECEIVED[3]
    thread.join()


def test_the_limit_of_a_visit_ends_a_trickle(pair: tuple[Link, socket.socket]) -> None:
    """A device that keeps sending a byte now and then is cut off at the limit of the visit."""
    link, device = pair
    link.limits = Limits(TIMEOUT, 0.5)
    stop = threading.Event()

    def send() -> None:
        for byte in tcp_bytes(SENT[2]):
            device.sendall(bytes([byte]))
            if stop.wait(0.02):
                return

    thread = threading.Thread(target=send)
    thread.start()
    began = time.monotonic()
    with pytest.raises(OverLimit, match=r"longer than its limit of 0\.5 s"):
        link.receive(silence())
    assert time.monotonic() - began < 0.5 + SLACK
    stop.set()
    thread.join()


def test_a_stop_ends_a_wait(pair: tuple[Link, socket.socket]) -> None:
    """Stopping the run ends a wait within a second, however long the timeout."""
    link, _ = pair
    stop = threading.Event()
    link.limits = Limits(60, 60, stop.is_set)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        link.receive(time.monotonic() + 60)
    assert time.monotonic() - began < 1


def test_a_device_that_closes_is_told_from_a_silent_one(pair: tuple[Link, socket.socket]) -> None:
    """A close between frames, and one within a frame, are `HungUp`, each in its own words."""
    link, device = pair
    device.sendall(tcp_bytes(SENT[1])[:-1])
    device.shutdown(socket.SHUT_WR)
    with pytest.raises(HungUp, match="closed the connection in the middle of a frame"):
        link.receive(silence())


def test_a_close_between_frames_loses_none(pair: tuple[Link, socket.socket]) -> None:
    """What came before a close is still given."""
    link, device = pair
    device.sendall(tcp_bytes(*SENT))
    device.close()
    assert [link.receive(silence()) for _ in SENT] == RECEIVED
    with pytest.raises(HungUp, match=r"closed the connection$"):
        link.receive(silence())


def test_a_reset_is_a_hang_up(pair: tuple[Link, socket.socket]) -> None:
    """A connection that is reset is `HungUp`, in receiving and in sending."""
    link, device = pair
    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    device.close()
    with pytest.raises(HungUp, match="the connection broke"):
        link.receive(silence())
    with pytest.raises(HungUp, match="the connection broke"):
        link.send(RECEIVED[0])


def test_a_device_that_takes_nothing_ends_a_send(pair: tuple[Link, socket.socket]) -> None:
    """A device that no longer reads holds a send up for one timeout."""
    link, _ = pair
    with pytest.raises(Silent, match=r"nothing was taken for 0\.4 s"):
        link.send(Frame(1503, 0, 0, bytes(30_000_000)))


def test_a_link_knows_whether_the_device_takes_more(pair: tuple[Link, socket.socket]) -> None:
    """There is room at first, and none behind what a device does not read."""
    link, _ = pair
    assert link.has_room()
    with pytest.raises(Silent):
        link.send(Frame(1503, 0, 0, bytes(30_000_000)))
    assert not link.has_room()


def test_what_is_no_frame_is_an_error_at_once(pair: tuple[Link, socket.socket]) -> None:
    """The first wrong byte is enough: nobody waits for more of what can never be a frame."""
    link, device = pair
    device.sendall(b"H")
    began = time.monotonic()
    with pytest.raises(WireError, match="not with 48"):
        link.receive(silence())
    assert time.monotonic() - began < TIMEOUT / 2


def test_closing_never_raises(pair: tuple[Link, socket.socket]) -> None:
    """A link may be closed twice."""
    pair[0].close()
    pair[0].close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_hosts_may_be_names_and_addresses_of_either_family(host: str, transport: str) -> None:
    """A device is reached by IPv4, by IPv6 and by name, over TCP and UDP."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as server:
        server.bind(("::1" if ":" in host else "127.0.0.1", 0))
        if transport == "tcp":
            server.listen()
        link = link_to((host, server.getsockname()[1]), transport)
        link.send(RECEIVED[0])
        device = server.accept()[0] if transport == "tcp" else server
        device.settimeout(2)
        assert encode(SENT[0]) in device.recv(100)
        device.close()
        link.close()


def test_of_several_addresses_the_one_that_answers_is_taken() -> None:
    """A host with several addresses is reached at the first that answers."""
    with tcp_peer(lambda client: client.sendall(tcp_bytes(SENT[1]))) as (_, port):
        link = link_to((LOOPBACK, port))
        assert link.receive(silence()) == RECEIVED[1]
        link.close()


def test_datagrams_go_to_the_older_family() -> None:
    """Of a host's addresses UDP takes the IPv4 one, as nothing tells which of them is heard."""
    with udp_peer(lambda data: [data]) as (_, port):
        link = link_to((LOOPBACK, port), "udp")
        link.send(RECEIVED[1])
        assert link.receive(silence()) == RECEIVED[1]
        link.close()


@pytest.mark.parametrize(
    "rubbish", [b"", b"x", bytes(range(100)), encode(SENT[2])[:-1], b"\xff" + encode(SENT[2])[1:]]
)
def test_a_damaged_datagram_is_a_lost_one(rubbish: bytes) -> None:
    """What is no sound frame is passed over, and the next sound one is given."""
    with udp_peer(lambda _: [rubbish, encode(SENT[2])]) as where:
        link = link_to(where, "udp")
        link.send(RECEIVED[0])
        assert link.receive(silence()) == RECEIVED[2]
        link.close()


def test_a_stranger_is_not_heard() -> None:
    """Datagrams from any other address than the device's do not reach the link."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as device,
        socket.socket(type=socket.SOCK_DGRAM) as stranger,
    ):
        device.bind(("127.0.0.1", 0))
        link = link_to(device.getsockname(), "udp")
        link.send(RECEIVED[0])
        _, client = device.recvfrom(100)
        stranger.sendto(encode(SENT[1]), client)
        device.sendto(encode(SENT[2]), client)
        assert link.receive(silence()) == RECEIVED[2]
        link.close()


def test_a_part_of_a_visit_ends_with_it_or_before() -> None:
    """A part has its own limit and its own name, never more time than the whole, and the same stop."""
    stop = threading.Event()
    whole = Limits(TIMEOUT, 30, stop.is_set)
    part = whole.within(0, "the part")
    assert part.timeout == TIMEOUT
    with pytest.raises(OverLimit, match=r"^the part took longer than its limit of 0 s$"):
        part.check()
    whole.check()
    assert 29 < whole.within(60, "the part").left() <= 30
    stop.set()
    with pytest.raises(Stopped):
        whole.within(10, "the part").check()


def test_what_begins_anew_is_no_part_of_a_visit() -> None:
    """It has all of its time when the visit's is over, under its own name; a stop holds for it, too."""
    stop = threading.Event()
    over = Limits(TIMEOUT, -1, stop.is_set)
    with pytest.raises(OverLimit):
        over.check()
    anew = over.anew(60, "the next")
    assert anew.timeout == TIMEOUT
    assert 59 < anew.left() <= 60
    with pytest.raises(OverLimit, match=r"^the next took longer than its limit of -1 s$"):
        over.anew(-1, "the next").check()
    stop.set()
    with pytest.raises(Stopped):
        anew.check()


def test_a_flood_of_rubbish_ends_at_the_limit_of_the_visit() -> None:
    """Datagrams that are no frames, without a pause between them, do not keep a visit for ever."""
    with socket.socket(type=socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        link = link_to(device.getsockname(), "udp", Limits(TIMEOUT, 0.5))
        link.send(RECEIVED[0])
        _, client = device.recvfrom(100)
        stop = threading.Event()

        def flood() -> None:
            while not stop.is_set():
                device.sendto(b"rubbish", client)
                time.sleep(0.0002)

        thread = threading.Thread(target=flood)
        thread.start()
        began = time.monotonic()
        with pytest.raises((OverLimit, Silent)):
            link.receive(silence())
        assert time.monotonic() - began < 0.5 + SLACK
        stop.set()
        thread.join()
        link.close()


# --- what a person is told of a connection that cannot be opened ---


def unreachable(
    where: tuple[str, int], transport: str = "tcp", limits: Callable[[], Limits] = lambda: Limits(TIMEOUT, 30)
) -> str:
    """Return the message of a connection that cannot be opened."""
    with pytest.raises(Unreachable) as caught:
        link_to(where, transport, limits())
    return str(caught.value)


def test_a_host_that_refuses() -> None:
    """A port where nobody listens is named, with what to check."""
    with closed_port() as (host, port):
        assert unreachable((host, port)) == (
            f"{host}:{port} refuses the connection; check host: and port:, "
            "or try transport: udp for an older terminal"
        )


def test_a_host_that_never_completes_a_connection() -> None:
    """A host behind a firewall costs one timeout and is named."""
    with black_hole() as (host, port):
        began = time.monotonic()
        assert unreachable((host, port)) == (
            f"{host}:{port} does not answer for 0.4 s; is it switched on, "
            "on this network, and not behind a firewall?"
        )
        assert time.monotonic() - began < TIMEOUT + SLACK


def test_a_stop_ends_an_attempt_to_connect() -> None:
    """Stopping the run ends an attempt to connect within a second, however long the timeout."""
    stop = threading.Event()
    with black_hole() as where:
        threading.Timer(0.1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Stopped):
            link_to(where, limits=Limits(60, 60, stop.is_set))
        assert time.monotonic() - began < 1


def test_the_limit_of_a_visit_ends_an_attempt_to_connect() -> None:
    """An attempt to connect is part of the visit, and of its limit."""
    with black_hole() as where, pytest.raises(OverLimit):
        link_to(where, limits=Limits(60, 0.2))


def test_nothing_is_tried_when_the_run_was_stopped() -> None:
    """A visit that is due after the run was stopped opens no connection."""
    with pytest.raises(Stopped):
        link_to(("door.invalid", 4370), limits=Limits(60, 60, lambda: True))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("host", ["door.invalid", "a" * 64 + ".invalid", "two..dots.invalid"])
def test_a_name_that_does_not_resolve(host: str, transport: str) -> None:
    """A name that means nothing is named, also one that can be no name."""
    said = unreachable((host, 4370), transport)
    assert said == f"the name {host} does not resolve; check host: or the name server"


def test_an_address_that_cannot_be_reached() -> None:
    """Any other cause is given in the system's words."""
    said = unreachable(("fe80::1", 4370))  # an address of a link, and no word on which one
    assert said.startswith("[fe80::1]:4370 cannot be reached: ")


def test_a_link_is_one_connection() -> None:
    """Opening a link connects once: no probe comes before it."""
    connections: list[socket.socket] = []

    def count(client: socket.socket) -> None:
        connections.append(client)
        client.recv(1)

    with tcp_peer(count) as where:
        link = link_to(where)
        assert isinstance(link, TcpLink)
        link.close()
        time.sleep(0.1)
    assert len(connections) == 1
