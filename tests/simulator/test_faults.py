"""Faults of the transport, on real sockets."""

from __future__ import annotations

import time
from struct import pack

import pytest

from tests.simulator.client import LOG, Client
from zkpoll.simulator import Command, Faults, Model, Terminal, cut, serve
from zkpoll.simulator.faults import FaultInjector
from zkpoll.simulator.records import table


def sent(faults: Faults, count: int) -> list[bytes]:
    """Return what arrives of `count` datagrams, which are numbers from 1."""
    return FaultInjector(faults).datagrams([bytes([number]) for number in range(1, count + 1)])


@pytest.mark.parametrize(
    ("faults", "left"),
    [
        (Faults(drop=frozenset({2, 4})), [1, 3]),
        (Faults(duplicate=frozenset({3})), [1, 2, 3, 3, 4]),
        (Faults(swap=frozenset({1, 4})), [2, 1, 3, 4]),
        (Faults(drop_share=1), []),
        (Faults(duplicate_share=1), [1, 1, 2, 2, 3, 3, 4, 4]),
        (Faults(swap_share=1), [2, 3, 4, 1]),
    ],
)
def test_datagrams_are_dropped_doubled_and_swapped(faults: Faults, left: list[int]) -> None:
    """The chosen datagrams, or a share of them, are lost, come twice or change places."""
    assert [one[0] for one in sent(faults, 4)] == left


def test_a_share_is_about_that_share_and_the_same_every_time() -> None:
    """A tenth lost is about a tenth, and the same seed loses the same ones."""
    faults = Faults(drop_share=0.1)
    assert 150 < len(sent(faults, 200)) < 195
    assert sent(faults, 200) == sent(faults, 200)


def test_datagrams_are_counted_over_all_answers() -> None:
    """The numbers of datagrams go on from answer to answer."""
    injector = FaultInjector(Faults(drop=frozenset({2})))
    assert [injector.datagrams([b"x"]) for _ in range(3)] == [[b"x"], [], [b"x"]]


def test_a_lost_datagram_never_arrives() -> None:
    """Of a stream over UDP, block 1 is missing and the others are there."""
    terminal = Terminal.with_samples(100)
    with serve(terminal, transport="udp") as address, Client(address, udp=True) as client:
        client.connect()
        client.ask(Command.PREPARE_BUFFER, LOG)
        terminal.faults = Faults(drop=frozenset({3}))
        frames = client.ask_all(Command.READ_BUFFER, pack("<II", 0, 4004))
    blocks = [frame.session for frame in frames if frame.command == Command.DATA]
    assert blocks == [0, 2, 3]


@pytest.mark.parametrize(
    "faults",
    [
        Faults(cut=1, gap=0.0001),
        Faults(cut=7),
        Faults(random_cuts=True),
        Faults(join=True),
        Faults(join=True, random_cuts=True),
    ],
)
def test_cut_and_joined_writes_carry_the_same_bytes(faults: Faults) -> None:
    """However the stream is cut or joined, all of it arrives."""
    terminal = Terminal.with_samples(60, model=Model(block_size=1008), faults=faults)
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        assert client.read(LOG) == table(terminal.log)


def test_cuts_reach_the_client_as_cuts() -> None:
    """With a gap between writes of ten bytes, the client receives ten bytes at a time."""
    with serve(Terminal(faults=Faults(cut=10, gap=0.02))) as address, Client(address) as client:
        client.connect()
        assert client.pieces == [10, 6]


def test_a_connection_drips_behind_a_command() -> None:
    """From that command on all answers come a byte at a time, in its connection and in no other."""
    terminal = Terminal(faults=Faults(drip_after=Command.DISABLEDEVICE, drip=0.02))
    with serve(terminal) as address:
        with Client(address) as client:
            client.connect()
            client.ask(Command.DISABLEDEVICE)
            client.ask(Command.ENABLEDEVICE)
            assert client.pieces == [16, *[1] * 32]
        with Client(address) as other:
            other.connect()
            other.ask(Command.ENABLEDEVICE)
            assert other.pieces == [16, 16]


def test_joined_frames_leave_in_one_write() -> None:
    """PREPARE_DATA, DATA and ACK_OK leave together when joined, one by one otherwise."""
    frames = [b"prepare", b"data", b"ack"]
    assert list(FaultInjector(Faults(join=True)).writes(frames)) == [b"preparedataack"]
    assert list(FaultInjector(Faults()).writes(frames)) == frames


@pytest.mark.parametrize("count", [0, 1, 20, 500])
def test_it_hangs_up_after_so_many_bytes(count: int) -> None:
    """The connection ends after exactly that many bytes, on every connection."""
    terminal = Terminal.with_samples(100, faults=Faults(hang_up_after=count))
    with serve(terminal) as address:
        for _ in range(2):
            with Client(address) as client:
                list(client.ask_all(Command.CONNECT))
                if count > 16:
                    client.ask_all(Command.ATTLOG_RRQ)
                assert client.received == count
                assert client.hung_up()


def test_it_hangs_up_only_so_often() -> None:
    """After as many hang-ups as asked for, the next connection is whole."""
    terminal = Terminal(faults=Faults(hang_up_after=10, hang_up_times=2))
    received = []
    with serve(terminal) as address:
        for _ in range(4):
            with Client(address, wait=0.1) as client:
                client.ask_all(Command.CONNECT)
                received.append(client.received)
    assert received == [10, 10, 16, 16]


@pytest.mark.parametrize("udp", [False, True])
@pytest.mark.parametrize("carried_out", [False, True])
def test_a_command_cuts_the_client_off(carried_out: bool, udp: bool) -> None:
    """The command is not answered, carried out or not: TCP closes, UDP forgets. The next client is served."""
    fault = cut(Command.DISABLEDEVICE, times=1, carried_out=carried_out)
    terminal = Terminal(faults=Faults(instead=(fault,)))
    with serve(terminal, transport="udp" if udp else "tcp") as address:
        with Client(address, udp) as client:
            client.connect()
            assert client.ask_all(Command.DISABLEDEVICE) == []
            assert terminal.disabled == carried_out
            if udp:
                assert client.ask(Command.GET_TIME).command == Command.ACK_UNAUTH
            else:
                assert client.hung_up()
        with Client(address, udp) as client:
            assert client.connect().command == Command.ACK_OK
            assert client.ask(Command.DISABLEDEVICE).command == Command.ACK_OK
    assert terminal.disabled


@pytest.mark.parametrize("udp", [False, True])
def test_a_delay_comes_before_each_answer(udp: bool) -> None:
    """Each answer comes as late as was asked for."""
    faults = Faults(delay=0.1)
    with (
        serve(Terminal(faults=faults), transport="udp" if udp else "tcp") as address,
        Client(address, udp) as client,
    ):
        started = time.monotonic()
        client.connect()
        client.ask(Command.GET_TIME)
        assert 0.2 <= time.monotonic() - started < 1


@pytest.mark.parametrize("udp", [False, True])
def test_a_slow_line_takes_its_time(udp: bool) -> None:
    """4,000 bytes over a line of 10,000 bytes a second take about 0.4 seconds."""
    terminal = Terminal.with_samples(100, faults=Faults(bandwidth=10_000))
    with (
        serve(terminal, transport="udp" if udp else "tcp") as address,
        Client(address, udp, wait=1) as client,
    ):
        client.connect()
        started = time.monotonic()
        assert client.read(LOG) == table(terminal.log)
        assert 0.35 < time.monotonic() - started < 1.5


@pytest.mark.parametrize("udp", [False, True])
def test_a_mute_terminal_accepts_and_says_nothing(udp: bool) -> None:
    """A mute terminal takes the request, and never answers."""
    terminal = Terminal(faults=Faults(mute=True))
    with (
        serve(terminal, transport="udp" if udp else "tcp") as address,
        Client(address, udp) as client,
    ):
        assert client.ask_all(Command.CONNECT) == []
    assert terminal.commands == [Command.CONNECT]


def test_a_damaged_frame_fails_its_checksum() -> None:
    """The k-th frame has one wrong byte, and only that one."""
    terminal = Terminal(faults=Faults(damage=frozenset({2})))
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        with pytest.raises(AssertionError, match="checksum"):
            client.ask(Command.GET_TIME)
        client.reply_id += 1
        assert client.ask(Command.GET_TIME).command == Command.ACK_OK


def test_faults_can_change_while_it_serves() -> None:
    """New faults hold from the next answer on."""
    terminal = Terminal()
    with serve(terminal) as address, Client(address) as client:
        client.connect()
        terminal.faults = Faults(mute=True)
        assert client.ask_all(Command.GET_TIME) == []
        terminal.faults = Faults()
        assert client.ask(Command.GET_TIME).command == Command.ACK_OK
