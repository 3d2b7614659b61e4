"""The conversation with a terminal: login, answers, limits, farewell, and what answers there is none to."""

from __future__ import annotations

import random
import socket
import threading
import time
import traceback
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.pull.devices import (
    EXIT_LIMIT,
    SLACK,
    TIMEOUT,
    Kept,
    Network,
    attempt,
    black_hole,
    check_whole,
    closed_port,
    read,
    read_at,
    requests,
    session,
    target,
    tcp_bytes,
    tcp_peer,
    terminal_of,
    through,
    udp_peer,
    visit,
)
from zkpoll.errors import (
    FirmwareRefuses,
    HungUp,
    NotATerminal,
    OverLimit,
    Refused,
    SeatTaken,
    Silent,
    Stopped,
    Unreachable,
    WireError,
    WrongChecksums,
    WrongKey,
    WrongSerial,
    ZkpollError,
)
from zkpoll.pull.device_tables import LOG
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.session import Session, scramble_key
from zkpoll.simulator import (
    Command,
    Faults,
    Instead,
    SampleDashboard,
    Terminal,
    WireFrame,
    never,
    refuse,
    serve,
    wire,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator import Transport
    from zkpoll.simulator.terminal import Handler

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
COMMANDS = (
    Command.CONNECT,
    Command.OPTIONS_RRQ,
    Command.GET_TIME,
    Command.GET_FREE_SIZES,
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
    Command.EXIT,
)
"""What a visit to a log of some size says, in order."""
LONG = 100
"""Records of a log that does not come at once."""
WRONG_KEY = "refuses the login: the comm_key is wrong; see Comm Key in the Comm. menu of the terminal"
KEYS = (1, 12, 123456, 65535, 999999, 2**31, 2**32 - 1)


def strict(terminal: Terminal) -> Terminal:
    """Let `terminal` refuse, as one that was restarted does, what is not of its latest session."""

    def only_now(handler: Handler) -> Handler:
        return lambda client, request: (
            handler(client, request)
            if request.session == client.id
            else [WireFrame(Command.ACK_UNAUTH, 0, request.reply_id)]
        )

    for command in set(terminal.handlers) - {Command.CONNECT}:
        terminal.handlers[command] = only_now(terminal.handlers[command])
    return terminal


# --- the login ---


@BOTH
@pytest.mark.parametrize("key", KEYS)
def test_a_comm_key_opens_a_session(key: int, transport: Transport) -> None:
    """Every key that 32 bits hold is accepted, also those on which the driver's own code overflows."""
    terminal = terminal_of(records=3, comm_key=key)
    check_whole(terminal, *read(terminal, transport, key=key))


@pytest.mark.parametrize("key", [*KEYS, 0])
@pytest.mark.parametrize("id_", [1, 0x2F00, 0xFFFF])
def test_the_key_is_scrambled_as_terminals_do(key: int, id_: int) -> None:
    """Key and session give the bytes that an independent reading of the protocol gives."""
    assert scramble_key(key, id_) == wire.scramble_key(key, id_)
    assert scramble_key(key, id_, tick=7) == wire.scramble_key(key, id_, tick=7)


def test_the_key_is_scrambled_as_in_a_published_login() -> None:
    """Key 12 in session 0x45cf gives the bytes that were captured (pyzk, test.py)."""
    assert scramble_key(12, 0x45CF) == bytes.fromhex("614d323c")


@BOTH
def test_a_key_that_is_not_asked_for_is_not_sent(transport: Transport) -> None:
    """A terminal without a comm key gets no AUTH, whatever the inventory says."""
    terminal = terminal_of(records=3)
    read(terminal, transport, key=123456)
    assert Command.AUTH not in terminal.commands


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("fate", ["doubled", "lost"])
@pytest.mark.parametrize("way", ["there", "back"])
def test_the_last_answer_to_a_doubled_connect_counts(way: str, fate: str, number: int) -> None:
    """A CONNECT that arrives twice begins two sessions, and the visit goes on in the second."""
    terminal = strict(terminal_of(records=LONG, comm_key=123456))
    network = Network.bad(way, number, fate)
    with serve(terminal, transport="udp") as device, through(network, device) as address:
        check_whole(terminal, *read_at(address, "udp", key=123456))


def test_the_last_answer_of_a_slow_terminal_counts() -> None:
    """A terminal slower than the patience gets several CONNECTs, and is read in the last session."""
    terminal = strict(terminal_of(records=LONG, comm_key=123456))
    slow = iter([0.15])

    def dawdle(command: int) -> None:
        if command == Command.CONNECT:
            time.sleep(next(slow, 0))

    terminal.before_command = dawdle
    check_whole(terminal, *read(terminal, "udp", key=123456))
    assert terminal.commands.count(Command.CONNECT) > 1


def test_a_visit_is_one_connection() -> None:
    """A visit opens one TCP connection, and frees the only seat for the next."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(keeps_seat=True)
    with serve(terminal) as address:
        for visits in (1, 2, 3):
            read_at(address)
            assert terminal.connections == visits
    once = [*COMMANDS]
    once.insert(once.index(Command.READ_BUFFER), Command.READ_BUFFER)  # the log's length, then its records
    assert terminal.commands == once * 3


# --- a key that is wanted late, answers that ask to come again, session 0 ---


@BOTH
def test_a_key_that_is_wanted_after_the_login_is_given(transport: Transport) -> None:
    """A terminal that accepts CONNECT and refuses the first command gets the key, and is read."""
    terminal = terminal_of(records=LONG, comm_key=123456)
    terminal.faults = Faults(wants_key_late=True)
    check_whole(terminal, *read(terminal, transport, key=123456))
    assert terminal.commands[:4] == [
        Command.CONNECT,
        Command.OPTIONS_RRQ,
        Command.AUTH,
        Command.OPTIONS_RRQ,
    ]
    assert terminal.commands.count(Command.AUTH) == 1


@BOTH
def test_a_key_that_is_wanted_after_the_login_and_missing(transport: Transport) -> None:
    """Without a key such a terminal fails the visit, and that a comm_key is wanted is said."""
    terminal = terminal_of(records=3, comm_key=123456)
    terminal.faults = Faults(wants_key_late=True)
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport)
    assert type(came_of.error) is HungUp
    assert str(came_of.error) == (
        "the device has ended the session (reply 2005) as soon as it began; "
        "a comm_key is wanted, or it has restarted"
    )
    assert terminal.commands == [Command.CONNECT, Command.OPTIONS_RRQ, Command.EXIT]


@BOTH
def test_a_key_that_is_wanted_after_the_login_and_wrong(transport: Transport) -> None:
    """A wrong key is tried once, and said to be wrong."""
    terminal = terminal_of(records=3, comm_key=123456)
    terminal.faults = Faults(wants_key_late=True)
    with serve(terminal, transport=transport) as where:
        assert what(where, told(where, transport, WrongKey)) == WRONG_KEY
    assert terminal.commands == [Command.CONNECT, Command.OPTIONS_RRQ, Command.AUTH, Command.EXIT]


@BOTH
@pytest.mark.parametrize("key", [0, 7])
def test_a_session_that_is_forgotten_later_is_not_begun_again(key: int, transport: Transport) -> None:
    """A terminal that answers 2005 in mid-visit has ended the session, whether a key is at hand or not."""
    terminal = terminal_of(records=LONG, comm_key=key)
    terminal.faults = Faults(instead=(refuse(Command.GET_FREE_SIZES, Command.ACK_UNAUTH),))
    with serve(terminal, transport=transport) as address:
        came_of = attempt(address, transport, key=key)
    assert type(came_of.error) is HungUp
    assert str(came_of.error) == "the device has ended the session (reply 2005); it may have restarted"
    assert terminal.commands.count(Command.AUTH) == bool(key)


def test_a_terminal_that_takes_the_key_and_forgets_it_is_not_asked_for_ever() -> None:
    """A terminal that answers 2005 before and after the key has ended the session."""
    terminal = terminal_of(records=3, comm_key=7)
    terminal.faults = Faults(
        wants_key_late=True, instead=(refuse(Command.OPTIONS_RRQ, Command.ACK_UNAUTH, first=2),)
    )
    with serve(terminal) as address:
        assert "ended the session" in str(attempt(address, key=7).error)
    assert terminal.commands.count(Command.AUTH) == 1


NOT_NOW = (2003, 2004, 65531, 65532, 65533, 65535)
QUESTIONS = (
    Command.CONNECT,
    Command.AUTH,
    Command.OPTIONS_RRQ,
    Command.GET_TIME,
    Command.GET_FREE_SIZES,
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
)


@BOTH
@pytest.mark.parametrize("code", NOT_NOW)
def test_an_answer_that_comes_when_asked_again(code: int, transport: Transport) -> None:
    """Each question and each read of a visit may be refused once, and is asked again."""
    terminal = terminal_of(records=LONG, comm_key=7)
    terminal.faults = Faults(instead=tuple(refuse(command, code, times=1) for command in QUESTIONS))
    reading, sink = read(terminal, transport, key=7)
    check_whole(terminal, reading, sink)
    assert sink.serials == [terminal.model.serial]
    assert reading.drift is not None
    assert reading.capacity


def test_a_log_without_1503_may_be_refused_once() -> None:
    """So may the old commands for the log and the users, and the version."""
    terminal = terminal_of(8, records=LONG)
    again = (Command.ATTLOG_RRQ, Command.USERTEMP_RRQ, Command.GET_VERSION)
    once = tuple(refuse(command, 2003, times=1) for command in again)
    terminal.faults = Faults(instead=(refuse(Command.PREPARE_BUFFER, 4989), *once))
    check_whole(terminal, *read(terminal))
    with session(terminal) as open_session:
        assert open_session.firmware() == terminal.model.firmware


@pytest.mark.parametrize("code", [2003, 2004, 65535])
def test_an_answer_that_never_comes_is_asked_for_twice(code: int) -> None:
    """A terminal that always answers so is not asked for ever."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(instead=(refuse(Command.READ_BUFFER, code),))
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, Refused)
    assert str(came_of.error) == f"the device answers command 1504 with {code}"
    assert terminal.commands.count(Command.READ_BUFFER) == 2


@pytest.mark.parametrize("code", NOT_NOW)
def test_what_would_do_harm_is_never_sent_again(code: int) -> None:
    """CLEAR_ATTLOG and a new time are sent once, whatever the answer; people are enabled all the same."""
    terminal = terminal_of(records=3)
    refused = (Command.CLEAR_ATTLOG, Command.SET_TIME, Command.ENABLEDEVICE, Command.DISABLEDEVICE)
    terminal.faults = Faults(instead=tuple(refuse(command, code, times=1) for command in refused))
    with session(terminal) as open_session:
        open_session.disable()
        with pytest.raises(Refused):
            open_session.clear_log()
        with pytest.raises(Refused):
            open_session.set_time(terminal.now())
        open_session.enable()
        assert not terminal.disabled
    assert terminal.commands.count(Command.CLEAR_ATTLOG) == 1
    assert terminal.commands.count(Command.SET_TIME) == 1
    assert len(terminal.log) == 3


@BOTH
@pytest.mark.parametrize("key", [0, 7])
def test_a_session_of_the_number_0_is_one(key: int, transport: Transport) -> None:
    """A terminal that numbers its sessions 0 is read, and gets its EXIT: the seat is free for the next."""
    terminal = terminal_of(records=LONG, comm_key=key)
    with serve(terminal, transport=transport) as address:
        for _ in range(2):
            terminal.faults = Faults(session_zero=True, keeps_seat=True)
            check_whole(terminal, *read_at(address, transport, key=key))
            assert terminal.commands[-1] == Command.EXIT
        assert not terminal.seats_taken


def test_the_last_frame_that_comes_again_is_put_aside() -> None:
    """A terminal that repeats its last frame in front of each answer, also of the next visit, is read."""
    terminal = terminal_of(records=LONG, comm_key=7)
    terminal.faults = Faults(repeats_last=True)
    with serve(terminal, transport="udp") as address:
        for _ in range(3):
            check_whole(terminal, *read_at(address, "udp", key=7))


# --- who answers instead of a terminal, and what a person is told ---

SECRET = 918273


def told(where: tuple[str, int], transport: str = "tcp", kind: type[ZkpollError] = Unreachable) -> str:
    """Visit what is no terminal, and return what a person is told of it.

    Assert that it is one sentence that names the address and holds no secret, and that nothing was handed
    on.
    """
    came_of = attempt(where, transport, key=SECRET, visit_limit=5)
    assert type(came_of.error) is kind, came_of.error
    message = str(came_of.error)
    assert message.startswith(f"{where[0]}:{where[1]} ")
    assert "\n" not in message
    assert ". " not in message.replace("Comm. menu", "")
    everything = "".join(traceback.format_exception(came_of.error)) + repr(target(where, key=SECRET))
    assert str(SECRET) not in everything
    assert scramble_key(SECRET, 1).hex() not in everything
    assert came_of.sink.slices == []
    return message


def what(where: tuple[str, int], message: str) -> str:
    """Return `message` without the address in front."""
    return message.removeprefix(f"{where[0]}:{where[1]} ")


def answering(reply: bytes) -> Callable[[socket.socket], None]:
    """Return a conversation that answers whatever comes with `reply`."""

    def converse(client: socket.socket) -> None:
        while client.recv(65536):
            client.sendall(reply)

    return converse


def silent(client: socket.socket) -> None:
    """Listen, and say nothing."""
    while client.recv(65536):
        pass


def test_a_host_that_refuses() -> None:
    """A closed TCP port is told from a silent host."""
    with closed_port() as where:
        assert what(where, told(where, kind=SeatTaken)) == (
            "refuses the connection; check host: and port:, or try transport: udp for an older terminal"
        )


def test_a_host_that_refuses_datagrams() -> None:
    """A closed UDP port is noticed at once, and told from a silent host."""
    with closed_port(socket.SOCK_DGRAM) as where:
        began = time.monotonic()
        assert what(where, told(where, "udp")) == (
            "has nothing listening on that UDP port; check host: and port:, or try transport: tcp"
        )
        assert time.monotonic() - began < TIMEOUT


def test_a_host_that_does_not_answer() -> None:
    """A host that drops what is sent to it costs one timeout."""
    with black_hole() as where:
        assert what(where, told(where)).startswith("does not answer for 0.4 s; is it switched on")


def test_a_server_that_says_nothing() -> None:
    """A server that takes the connection and stays silent, such as a busy terminal, costs one timeout."""
    with tcp_peer(silent) as where:
        began = time.monotonic()
        assert what(where, told(where)) == (
            "does not answer in 0.4 s; it may be busy with another client, or somebody is in its menu; "
            "it may need the other transport, or be no terminal (a C3 panel is silent too)"
        )
        assert time.monotonic() - began < TIMEOUT + SLACK / 2


WRONG_CHECKSUMS = (
    "answers with wrong checksums; restart the terminal, look at the network in between, "
    "set `transport: tcp` if it speaks that, or check that it is a terminal"
)


def test_a_terminal_whose_checksums_are_all_wrong() -> None:
    """Over UDP a damaged datagram is a lost one; where none is sound, it is told what they are."""
    with serve(Terminal.with_samples(5, faults=Faults(wrong_checksums=True)), transport="udp") as where:
        assert what(where, told(where, "udp", WrongChecksums)) == WRONG_CHECKSUMS


def test_checksums_that_go_wrong_in_the_middle() -> None:
    """The same is told of a visit whose later answers are all damaged."""
    terminal = Terminal.with_samples(5)

    def spoil(command: int) -> None:
        if command == Command.GET_FREE_SIZES:
            terminal.faults = Faults(wrong_checksums=True)

    terminal.before_command = spoil
    with serve(terminal, transport="udp") as where:
        came_of = attempt(where, "udp")
    assert type(came_of.error) is Silent
    assert str(came_of.error).startswith("nothing but answers with wrong checksums for ")


@pytest.mark.parametrize("rubbish", [b"", b"x", bytes(7)])
def test_what_is_too_short_for_a_checksum_is_no_wrong_one(rubbish: bytes) -> None:
    """A server that sends some bytes, too few for a frame, does not answer."""
    with udp_peer(lambda _: [rubbish]) as where:
        assert what(where, told(where, "udp")).startswith("does not answer in 0.4 s")


def test_a_datagram_server_that_says_nothing() -> None:
    """A UDP server that stays silent costs one timeout."""
    with udp_peer(lambda _: []) as where:
        assert what(where, told(where, "udp")).startswith("does not answer in 0.4 s")


@BOTH
def test_a_datagram_server_that_talks_rubbish(transport: str) -> None:
    """Random bytes are no terminal over TCP, and no answer over UDP."""
    rubbish = random.Random(1).randbytes(64)
    if transport == "udp":
        with udp_peer(lambda _: [rubbish]) as where:
            assert what(where, told(where, transport)).startswith("does not answer in 0.4 s")
    else:
        with tcp_peer(answering(rubbish)) as where:
            assert "not as a terminal does" in told(where, kind=NotATerminal)


def test_a_web_server() -> None:
    """A web server's complaint shows that it is no terminal."""
    with tcp_peer(answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")) as where:
        assert what(where, told(where, kind=NotATerminal)) == (
            "answers, but not as a terminal does (a frame starts with 50 50 82 7d, not with 48 54 54 50); "
            "is it another kind of device or server?"
        )


def test_a_patient_web_server() -> None:
    """A web server that waits for the end of our first line is a silent one."""
    with SampleDashboard() as dashboard:
        port = int(dashboard.url.split(":")[2].split("/")[0])
        told(("127.0.0.1", port))


def test_a_c3_panel() -> None:
    """A C3 panel's frames are no terminal's."""
    with tcp_peer(answering(bytes.fromhex("aa01c8040000006b2d0055"))) as where:
        assert "not with aa 01 c8 04" in told(where, kind=NotATerminal)


def test_a_server_that_echoes() -> None:
    """What sends our own words back is no terminal."""

    def echo(client: socket.socket) -> None:
        while data := client.recv(65536):
            client.sendall(data)

    with tcp_peer(echo) as where:
        said = what(where, told(where, kind=NotATerminal))
        assert said == "sends back what it is sent; it is no terminal"
    with udp_peer(lambda data: [data]) as where:
        assert what(where, told(where, "udp", NotATerminal)) == said


def test_a_server_that_closes_at_once() -> None:
    """A server that takes the connection and closes it is named, with what it may be."""
    with tcp_peer(lambda _: None) as where:
        message = what(where, told(where, kind=SeatTaken))
        assert message.startswith("hangs up when spoken to (")
        assert message.endswith("; it may be busy with another client, or be no terminal")


def test_a_server_that_closes_when_spoken_to() -> None:
    """A server that hangs up on CONNECT is named in the same way."""

    def hang_up(client: socket.socket) -> None:
        client.recv(65536)

    with tcp_peer(hang_up) as where:
        assert "hangs up when spoken to (the device closed the connection);" in told(where, kind=SeatTaken)


@BOTH
def test_a_wrong_key(transport: Transport) -> None:
    """A key that the terminal refuses is said to be wrong, and the terminal is left in order."""
    terminal = terminal_of(comm_key=1, records=3)
    with serve(terminal, transport=transport) as where:
        assert what(where, told(where, transport, WrongKey)) == WRONG_KEY
    assert terminal.commands == [Command.CONNECT, Command.AUTH, Command.EXIT]


def test_a_session_shows_no_key() -> None:
    """Whoever prints a session or a target sees no comm key."""
    shown = Session(Address("door.example"), limits=Limits(1, 1), key=SECRET)
    assert str(SECRET) not in f"{shown} {shown!r} {target(('door.example', 1), key=SECRET)}"


def test_a_missing_key() -> None:
    """A terminal that wants a key and gets none is said to need one."""
    with serve(terminal_of(comm_key=1)) as (host, port):
        error = attempt((host, port)).error
    assert isinstance(error, WrongKey)
    where = "see Comm Key in the Comm. menu of the terminal"
    assert str(error) == f"{host}:{port} refuses the login: a comm_key is needed; {where}"


@BOTH
@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (
            6001,
            FirmwareRefuses,
            "answers 6001: its firmware is closed to this protocol; no comm_key opens it",
        ),
        (2001, Refused, "refuses to start a session (reply 2001)"),
        (0xFFFF, Refused, "refuses to start a session (reply 65535)"),
    ],
)
def test_a_terminal_that_refuses(
    code: int, kind: type[ZkpollError], message: str, transport: Transport
) -> None:
    """Firmware that is closed to the protocol is told from a terminal that refuses this time."""
    terminal = terminal_of(records=3)
    terminal.faults = Faults(instead=(refuse(Command.CONNECT, code),))
    with serve(terminal, transport=transport) as where:
        assert what(where, told(where, transport, kind)) == message


@pytest.mark.parametrize("when_taken", ["silent", "reset"])
def test_a_terminal_that_is_busy_with_another(when_taken: str) -> None:
    """A terminal whose only seat is taken is unreachable, and says what it may be."""
    terminal = terminal_of(records=3, when_taken=when_taken)
    with serve(terminal) as where, socket.create_connection(where) as other:
        other.sendall(tcp_bytes(WireFrame(Command.CONNECT, 0, 0)))
        other.recv(100)
        kind = SeatTaken if when_taken == "reset" else Unreachable
        assert "busy with another client" in told(where, kind=kind)


def test_a_seat_that_is_given_up_meanwhile_is_taken() -> None:
    """A terminal that turns us away, busy with another client, is tried again and then read."""
    terminal = terminal_of(records=LONG, when_taken="reset")
    with serve(terminal) as where, socket.create_connection(where) as other:
        other.sendall(tcp_bytes(WireFrame(Command.CONNECT, 0, 0)))
        other.recv(100)
        leaving = threading.Timer(0.5, other.shutdown, (socket.SHUT_RDWR,))
        leaving.start()
        check_whole(terminal, *read_at(where, timeout=2))
        leaving.join()
    assert terminal.connections > 2


def test_stopping_ends_the_wait_for_a_seat() -> None:
    """Ctrl-C is not held up by a terminal that turns us away."""
    began = time.monotonic()
    with closed_port() as where, pytest.raises(Stopped):
        visit(target(where, timeout=20), Kept(), stopped=lambda: time.monotonic() - began > 0.3)
    assert time.monotonic() - began < SLACK


# --- which frame is the answer ---


@BOTH
@pytest.mark.parametrize("reply_id", [0, None], ids=["id-0", "awaited-id"])
def test_events_are_not_answers(transport: Transport, reply_id: int | None) -> None:
    """Somebody at the door in front of every answer changes nothing, whatever the event's reply id."""
    terminal = terminal_of(records=LONG)

    def knock(request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        number = request.reply_id if reply_id is None else reply_id
        event = WireFrame(Command.REG_EVENT, 1, number, b"1001".ljust(24, b"\0") + bytes(8))
        return list(chain.from_iterable((event, frame) for frame in answer))

    terminal.rewrite = knock
    check_whole(terminal, *read(terminal, transport))


@BOTH
def test_late_answers_are_put_aside(transport: Transport) -> None:
    """Every answer comes again in front of the next one, and is not taken for it."""
    terminal = terminal_of(records=LONG)
    before: list[WireFrame] = []

    def again(_request: WireFrame, answer: list[WireFrame]) -> list[WireFrame]:
        late, before[:] = list(before), answer
        return late + answer

    terminal.rewrite = again
    check_whole(terminal, *read(terminal, transport))


@BOTH
@pytest.mark.parametrize("final_ack", ["sent", "missing", "late", "early"])
@pytest.mark.parametrize("field", ["block", "bytes"])
def test_the_last_acknowledgement_decides_nothing(transport: Transport, final_ack: str, field: str) -> None:
    """The last ACK_OK of a stream may be missing, late or early; the bytes are counted instead."""
    terminal = terminal_of(records=2000, final_ack_field=field, block_size=1024)
    terminal.faults = Faults(final_ack=final_ack)  # type: ignore[arg-type]
    check_whole(terminal, *read(terminal, transport, timeout=2))


@BOTH
def test_the_session_field_of_control_answers_decides_nothing(transport: Transport) -> None:
    """A terminal that writes anything into the session field of its answers is read all the same."""
    terminal = terminal_of(records=2000)
    terminal.faults = Faults(session_rubbish=True)
    reading, sink = read(terminal, transport, timeout=1)
    check_whole(terminal, reading, sink)


def test_answers_to_other_commands_are_never_tables() -> None:
    """A table's frame with the awaited reply id does not answer a command that has no table."""
    terminal = terminal_of(records=3)
    terminal.rewrite = lambda request, answer: [
        WireFrame(Command.DATA, 0, request.reply_id, b"late"),
        *answer,
    ]
    with session(terminal) as open_session:
        assert open_session.serial_number() == "CQZ7224760045"


def test_a_terminal_that_forgets_the_session_has_not_lost_its_serial_number() -> None:
    """A terminal that restarted in mid-visit ends the visit, to be tried again; it is no other terminal."""
    terminal = terminal_of(records=3)
    terminal.handlers[Command.OPTIONS_RRQ] = lambda _, r: [WireFrame(Command.ACK_UNAUTH, 0, r.reply_id)]
    with serve(terminal) as address:
        came_of = attempt(address)
    assert isinstance(came_of.error, HungUp)
    assert "ended the session" in str(came_of.error)
    assert came_of.sink.serials == []


# --- what a terminal says of itself ---


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"~DeviceName=K40\0", "K40"),
        (b"~DeviceName=K40\0old memory=1\0", "K40"),
        (b"~DeviceName=K40", "K40"),
        (b"~DeviceName= K40 = 40 \0", "K40 = 40"),
        (b"~DeviceName=\0", None),
        (b"\0", None),
        (b"", None),
        (b"~DeviceName=\xd1\x1b[31m\r\n\0", r"\xd1\x1b[31m\r\n"),
        (b"~DeviceName=" + b"x" * 60_000, "x" * 200),
        (b"~DeviceName\0", None),
        (b"K40\0", None),
        (b"~SerialNumber=CQZ7224760045\0", None),
        (b"~DeviceNam=K40\0", None),
    ],
)
def test_an_option_is_text_up_to_its_end(data: bytes, value: str | None) -> None:
    """An option's value ends at its NUL and is told under its name; an empty one is none."""
    with session(telling(data)) as open_session:
        assert open_session.option("~DeviceName") == value


def telling(data: bytes) -> Terminal:
    """Return a terminal that answers `data` to the question for any option."""
    terminal = terminal_of(records=3)
    terminal.handlers[Command.OPTIONS_RRQ] = lambda s, r: [WireFrame(Command.ACK_OK, s.id, r.reply_id, data)]
    return terminal


@pytest.mark.parametrize(
    ("data", "serial"),
    [
        (b"~SerialNumber=CQZ7224760045\0", "CQZ7224760045"),
        (b"~SerialNumber=CQZ7224760045\0~SerialNumber=2\0", "CQZ7224760045"),
        (b"~SerialNumber=CQZ7224760045", "CQZ7224760045"),
        (b"~SerialNumber= 0012 \0", "0012"),
        (b"~SerialNumber=CQZ7224760045\r\n\0", "CQZ7224760045"),
        (b"~SerialNumber=A 1/2=3\0", "A 1/2=3"),
        (b"~SerialNumber=" + b"9" * 64 + b"\0", "9" * 64),
        (b"~SerialNumber=\0", None),
        (b"~SerialNumber=  \0", None),
        (b"\0", None),
        (b"", None),
    ],
)
def test_a_serial_number_is_what_is_told_as_such(data: bytes, serial: str | None) -> None:
    """A serial number comes under its name and ends at its NUL; a terminal may plainly tell none."""
    with session(telling(data)) as open_session:
        assert open_session.serial_number() == serial


@BOTH
@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"\x01", WireError, r'was asked for its serial number and answers "\x01"; '),
        (b"~SerialNumber\0", WireError, 'was asked for its serial number and answers "~SerialNumber"; '),
        (b"~DeviceName=K40\0", WireError, 'was asked for its serial number and answers "~DeviceName=K40"; '),
        (b"CQZ7224760045\0", WireError, 'was asked for its serial number and answers "CQZ7224760045"; '),
        (b"=CQZ7224760045\0", WireError, 'was asked for its serial number and answers "=CQZ7224760045"; '),
        (b"~SerialNumber=\x01\0", WrongSerial, r'cannot be one ("\x01"); '),
        (b"~SerialNumber=A1\x1b[2K\r\nback: ok\0", WrongSerial, r'one ("A1\x1b[2K\r\nback: ok"); '),
        (b"~SerialNumber=CQ\tZ\0", WrongSerial, r'cannot be one ("CQ\tZ"); '),
        (b"~SerialNumber=\xd1\0", WrongSerial, r'cannot be one ("\xd1"); '),
        (b"~SerialNumber=" + b"9" * 65, WrongSerial, f'cannot be one ("{"9" * 65}"); '),
        (b"~SerialNumber=" + b"9" * 60_000, WrongSerial, f'cannot be one ("{"9" * 200}"); '),
    ],
)
def test_what_is_no_serial_number_ends_the_visit(
    data: bytes, kind: type[ZkpollError], words: str, transport: Transport
) -> None:
    """Whatever else comes in place of a serial number, nothing is read under it, and one sentence says so."""
    with serve(telling(data), transport=transport) as address:
        came_of = attempt(address, transport)
    assert type(came_of.error) is kind
    assert words in str(came_of.error)
    assert str(came_of.error).isprintable()
    assert came_of.sink == Kept()


@pytest.mark.parametrize("code", [2001, 4989, 0xFFFF])
def test_a_refused_question_has_no_answer(code: int) -> None:
    """A terminal may refuse to tell its options, its time and its sizes."""
    terminal = terminal_of()
    asked = (Command.OPTIONS_RRQ, Command.GET_TIME, Command.GET_FREE_SIZES)
    terminal.faults = Faults(instead=tuple(refuse(command, code) for command in asked))
    with session(terminal) as open_session:
        assert open_session.serial_number() is None
        assert open_session.option("~DeviceName") is None
        assert open_session.time() is None
        assert open_session.sizes() is None


@pytest.mark.parametrize("data", [b"", b"\1", (30 * 86400 + 31 * 86400).to_bytes(4, "little")])
def test_a_time_that_is_none(data: bytes) -> None:
    """A time that is too short or names 31 February is no time."""
    terminal = terminal_of()
    terminal.handlers[Command.GET_TIME] = lambda s, r: [WireFrame(Command.ACK_OK, s.id, r.reply_id, data)]
    with session(terminal) as open_session:
        assert open_session.time() is None


# --- limits, and the farewell ---


def free_seat(terminal: Terminal, address: tuple[str, int]) -> None:
    """Assert that the only seat of `terminal` is free: the next visit reads all of it."""
    terminal.faults = Faults(keeps_seat=True)
    check_whole(terminal, *read_at(address))


@BOTH
@pytest.mark.parametrize("command", COMMANDS)
def test_silence_at_any_command_ends_the_visit(command: Command, transport: Transport) -> None:
    """A terminal that never answers one command costs one timeout, and gets its EXIT."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(keeps_seat=True, instead=(never(command, carried_out=command == Command.EXIT),))
    with serve(terminal, transport=transport) as address:
        began = time.monotonic()
        came_of = attempt(address, transport)
        took = time.monotonic() - began
        if command != Command.CONNECT:
            assert Command.EXIT in terminal.commands
        if transport == "tcp":
            free_seat(terminal, address)
    match command:
        case Command.CONNECT:
            assert type(came_of.error) is Unreachable
        case Command.EXIT:
            assert came_of.error is None
        case _:
            assert type(came_of.error) is Silent
            assert str(came_of.error) == "no answer for 0.4 s"
    assert took < TIMEOUT + EXIT_LIMIT + SLACK


@BOTH
def test_a_terminal_that_falls_silent_costs_one_timeout_and_a_farewell(transport: Transport) -> None:
    """A terminal that is dead from one command on costs its timeout and the limit of EXIT, no more."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(instead=(never(Command.READ_BUFFER), never(Command.EXIT)))
    with serve(terminal, transport=transport) as address:
        began = time.monotonic()
        assert type(attempt(address, transport).error) is Silent
        took = time.monotonic() - began
    assert TIMEOUT + EXIT_LIMIT * 0.9 <= took < TIMEOUT + EXIT_LIMIT + SLACK


@BOTH
def test_a_mute_terminal_costs_one_timeout(transport: Transport) -> None:
    """A terminal that answers nothing at all costs one timeout: no session began, so no EXIT is due."""
    terminal = terminal_of()
    terminal.faults = Faults(mute=True)
    with serve(terminal, transport=transport) as address:
        began = time.monotonic()
        assert type(attempt(address, transport, timeout=0.5).error) is Unreachable
        assert time.monotonic() - began < 0.5 + EXIT_LIMIT * 0.9
    assert set(terminal.commands) == {Command.CONNECT}


@pytest.mark.parametrize("layout", [8, 40])
def test_a_trickle_ends_at_the_limit_of_the_visit(layout: int) -> None:
    """A terminal that sends a byte now and then never falls silent, and is cut off at the visit's limit."""
    terminal = terminal_of(layout, records=LONG)
    terminal.faults = Faults(cut=1, gap=0.005)
    with serve(terminal) as address:
        began = time.monotonic()
        came_of = attempt(address, visit_limit=0.6)
        took = time.monotonic() - began
    assert type(came_of.error) is OverLimit
    assert str(came_of.error) == "the visit took longer than its limit of 0.6 s"
    assert took < 0.6 + EXIT_LIMIT + SLACK


@BOTH
def test_a_terminal_that_only_sends_events_is_silent(transport: Transport) -> None:
    """Events without an end do not keep a visit waiting for an answer that never comes."""

    def chatter(client: socket.socket) -> None:
        event = tcp_bytes(WireFrame(Command.REG_EVENT, 1, 0, bytes(32)))
        payload = next(requests(client))
        client.sendall(tcp_bytes(WireFrame(Command.ACK_OK, 5, wire.u32(payload, 4) >> 16)))
        while True:  # until the visit is over, and its connection closed
            client.sendall(event * 100)

    if transport == "tcp":
        with tcp_peer(chatter) as address:
            began = time.monotonic()
            assert type(attempt(address).error) is Silent
            assert time.monotonic() - began < TIMEOUT + EXIT_LIMIT + SLACK
        return
    event = wire.encode(WireFrame(Command.REG_EVENT, 1, 0, bytes(32)))
    with udp_peer(lambda _: [event] * 5) as address:
        assert type(attempt(address, transport).error) is Unreachable


@BOTH
@pytest.mark.parametrize("command", [Command.OPTIONS_RRQ, Command.READ_BUFFER])
def test_a_stop_ends_a_visit_and_says_exit(transport: Transport, command: Command) -> None:
    """Stopping the run in the middle of a visit ends it within a second, and frees the seat."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(keeps_seat=True, instead=(never(command),))
    stop = threading.Event()
    terminal.before_command = lambda number: stop.set() if number == command else None
    with serve(terminal, transport=transport) as address:
        began = time.monotonic()
        with pytest.raises(Stopped):
            visit(target(address, transport, timeout=60), SINK, stopped=stop.is_set)
        assert time.monotonic() - began < 1
        assert terminal.commands[-1] == Command.EXIT
        terminal.before_command = None
        if transport == "tcp":
            free_seat(terminal, address)


class _Sink:
    """A sink that nothing reaches."""

    def identify(self, _serial: str | None) -> None:
        """Know nothing."""

    def take(self, piece: object) -> None:
        """Take nothing: these visits end before."""
        raise AssertionError(piece)


SINK = _Sink()


@pytest.mark.parametrize(
    "instead",
    [
        refuse(Command.PREPARE_BUFFER, 4989),
        refuse(Command.READ_BUFFER),
        never(Command.READ_BUFFER, first=1, times=1),
        Instead(Command.PREPARE_BUFFER, Command.DATA),
        Instead(Command.READ_BUFFER, Command.ACK_OK),
    ],
)
def test_exit_is_said_after_every_failure(instead: Instead) -> None:
    """Whatever ended a visit, the terminal's only seat is free afterwards."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(keeps_seat=True, instead=(instead, refuse(LOG, 4989)))
    with serve(terminal) as address:
        attempt(address)
        assert terminal.commands[-1] == Command.EXIT
        free_seat(terminal, address)


@pytest.mark.parametrize("bad", range(2, 12))
def test_exit_is_said_after_bytes_that_are_no_frame(bad: int) -> None:
    """A frame that is damaged ends a TCP visit as an error of the wire, and the seat is free."""
    terminal = terminal_of(records=LONG)
    terminal.faults = Faults(keeps_seat=True, damage=frozenset({bad}))
    with serve(terminal) as address:
        came_of = attempt(address)
        assert terminal.commands[-1] == Command.EXIT
        free_seat(terminal, address)
    # The last acknowledgement, and the answers to FREE and EXIT, come when all is read.
    assert type(came_of.error) is WireError or (came_of.error is None and bad > 9)


def test_a_session_that_has_ended_answers_no_more() -> None:
    """After EXIT nothing is sent, and asking says so."""
    terminal = terminal_of(records=LONG)
    with session(terminal) as open_session:
        table = open_session.tables.prepare(LOG)
        assert open_session.disconnect()
        for ask in (open_session.sizes, lambda: open_session.tables.read(table, 0, 4)):
            with pytest.raises(HungUp, match="the session has ended"):
                ask()
        assert open_session.disconnect()
    assert terminal.commands.count(Command.EXIT) == 1


def test_what_goes_wrong_in_the_sink_is_not_the_terminals_fault() -> None:
    """An error of the sink goes up as it is, is not handed the same records again, and EXIT is said."""
    terminal = terminal_of(records=LONG)
    taken = []

    class Full(_Sink):
        def take(self, piece: object) -> None:
            taken.append(piece)
            raise OSError(28, "no space left on device")

    with serve(terminal) as address:
        with pytest.raises(OSError, match="no space left"):
            visit(target(address), Full())
        assert len(taken) == 1
        assert terminal.commands[-1] == Command.EXIT
        free_seat(terminal, address)
