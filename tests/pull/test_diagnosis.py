"""A look at a terminal: every fault is made on a real socket, and told with its cause and what to do."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.pull.devices import (
    SLACK,
    TIMEOUT,
    black_hole,
    closed_port,
    target,
    tcp_bytes,
    tcp_peer,
    terminal_of,
    udp_peer,
)
from zkpoll.errors import Stopped, Unreachable
from zkpoll.pull.diagnosis import About, Diagnosis, diagnose, fill, logged_in
from zkpoll.pull.identity import Identity, identify
from zkpoll.simulator import Command, Faults, Model, Terminal, WireFrame, cut, never, refuse, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.simulator import Listening, Transport

BOTH = pytest.mark.parametrize("transport", ["tcp", "udp"])
SERIAL = "CQZ7224760045"
QUESTIONS = ("serial", "model", "firmware", "users", "records", "clock")
HARMLESS = {
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
    Command.CONNECT,
    Command.AUTH,
    Command.OPTIONS_RRQ,
    Command.GET_VERSION,
    Command.GET_FREE_SIZES,
    Command.GET_TIME,
    Command.EXIT,
}


def who(
    configured: str | None = None, stored: str | None = None, aliases: frozenset[str] = frozenset()
) -> Callable[[str | None], Identity]:
    """Return what knows a device by these serial numbers."""
    return lambda told: identify("door", told, configured, stored, aliases)


def looked(
    where: tuple[str, int],
    transport: str = "tcp",
    knows: Callable[[str | None], Identity] | None = None,
    **settings: float,
) -> Diagnosis:
    """Look at what is there."""
    return diagnose(target(where, transport, **settings), knows or who(), lay_out=True)


def outcomes(found: Diagnosis) -> dict[str, bool | None]:
    """Return how each step went, in their order."""
    return {step.name: step.ok for step in found.steps}


def texts(found: Diagnosis) -> dict[str, str]:
    """Return what each step found."""
    return {step.name: step.text for step in found.steps}


def failed(found: Diagnosis, where: tuple[str, int]) -> tuple[str, str]:
    """Return the step that ended a look, and its words without the address in front; no other one failed."""
    assert not found.ok
    assert found.about is None
    *before, last = found.steps
    assert all(step.ok for step in before)
    assert last.ok is False
    assert found.problems == (last.text,)
    return last.name, last.text.removeprefix(f"{where[0]}:{where[1]} ")


@contextmanager
def over_both(tcp: Terminal, udp: Terminal) -> Iterator[Listening]:
    """Give an address at which one terminal answers over TCP and one over UDP."""
    with serve(tcp) as where, serve(udp, port=where.port, transport="udp"):
        yield where


def answering(data: bytes) -> Callable[[socket.socket], None]:
    """Return a conversation that answers whatever comes with `data`."""

    def converse(client: socket.socket) -> None:
        if client.recv(65536):
            client.sendall(data)

    return converse


def silent(client: socket.socket) -> None:
    """Take the connection, and say nothing until the client leaves."""
    while client.recv(65536):
        pass


# --- one that answers ---


@BOTH
def test_all_is_well(transport: Transport) -> None:
    """Every step is told with what was found and its time, and what the terminal says can be kept."""
    terminal = terminal_of(records=30, capacity=3000)
    with serve(terminal, transport=transport) as where:
        found = looked(where, transport)
    assert found.ok
    assert found.kind is None
    assert tuple(outcomes(found)) == ("name", "port", "protocol", "key", *QUESTIONS)
    told = texts(found)
    assert told["name"] == "127.0.0.1"
    assert told["port"] == f"{transport} {where.port}"
    assert told["key"] == "none is asked for"
    assert [told[name] for name in QUESTIONS[:5]] == [
        SERIAL,
        "Simulator",
        "Ver 6.60 Nov 22 2019",
        "50 of 10,000",
        "30 of 3,000, 1 %",
    ]
    assert found.about is not None
    assert found.about.drift is not None
    assert abs(found.about.drift) < 3
    assert replace(found.about, clock=None, drift=None) == About(
        SERIAL, "Simulator", "Ver 6.60 Nov 22 2019", 50, 10_000, 30, 3000
    )
    assert all(step.seconds is None or 0 <= step.seconds < TIMEOUT for step in found.steps)


@BOTH
def test_nothing_is_changed(transport: Transport) -> None:
    """A look sends only questions, says EXIT, and leaves no seat taken."""
    terminal = terminal_of(records=3, comm_key=7)
    with serve(terminal, transport=transport) as where:
        assert looked(where, transport, key=7).ok
        assert terminal.commands[-1] == Command.EXIT
    assert set(terminal.commands) <= HARMLESS
    assert terminal.connections == (transport == "tcp")


@BOTH
def test_a_key_that_is_accepted(transport: Transport) -> None:
    """Where a comm key is asked for and right, that is a step with its time."""
    with serve(terminal_of(comm_key=7), transport=transport) as where:
        (step,) = (step for step in looked(where, transport, key=7).steps if step.name == "key")
    assert (step.ok, step.text) == (True, "accepted")
    assert step.seconds is not None


def test_details() -> None:
    """Asked for details, a terminal says what else it is; what it does not tell stays open."""
    model = Model(options={"~OEMVendor": "ZKTeco\x1b[2J"})
    with serve(Terminal(model)) as where:
        about = diagnose(target(where), who(), details=True).about
    assert about is not None
    assert (about.platform, about.mac, about.algorithm) == ("ZMM220_TFT", "00:17:61:00:00:01", "10")
    assert about.produced is None
    assert about.vendor == r"ZKTeco\x1b[2J"


def test_what_is_called_after_the_login() -> None:
    """The hook comes before any question; what goes wrong in it is told as a step."""
    terminal = terminal_of(records=1)
    with serve(terminal) as where:
        assert diagnose(target(where), who(), after_connect=lambda session: session.enable()).ok
        assert terminal.commands[:2] == [Command.CONNECT, Command.ENABLEDEVICE]
        terminal.faults = Faults(instead=(refuse(Command.ENABLEDEVICE),))
        found = diagnose(target(where), who(), after_connect=lambda session: session.enable())
    assert outcomes(found)["enable"] is False


# --- nobody there ---


def test_a_name_that_does_not_resolve() -> None:
    """No step after the name is shown, and the name is what to look at."""
    found = looked(("nowhere.invalid", 4370))
    assert outcomes(found) == {"name": False}
    assert found.kind == Unreachable.kind
    assert found.problems == ("the name nowhere.invalid does not resolve; check host: or the name server",)


def test_a_port_that_refuses() -> None:
    """A port that is closed, over UDP too, is told as refused."""
    with closed_port() as where:
        name, text = failed(looked(where), where)
    assert name == "port"
    assert text == "refuses the connection, and nothing answers on UDP; check host: and port:"


def test_a_port_that_is_filtered() -> None:
    """Where nothing comes back at all, a firewall or a dead device is what to look at."""
    with black_hole() as where:
        name, text = failed(looked(where), where)
    assert name == "port"
    assert text == (
        "does not answer, nor on UDP: what is sent there is filtered or lost; "
        "is it switched on, on this network, and not behind a firewall?"
    )


def test_one_that_answers_on_udp_only() -> None:
    """An old terminal's TCP port is closed; one datagram shows that it is there, and takes its leave."""
    terminal = terminal_of(records=1)
    with serve(terminal, transport="udp") as where:
        name, text = failed(looked(where), where)
        assert (name, text) == ("port", "answers on UDP only: set `transport: udp`")
    assert terminal.commands == [Command.CONNECT, Command.EXIT]


def test_one_whose_checksums_are_wrong() -> None:
    """The port is there and something answers: the protocol is where it ends, and why is told."""
    with serve(Terminal(faults=Faults(wrong_checksums=True)), transport="udp") as where:
        found = looked(where, "udp")
        name, text = failed(found, where)
    assert (name, outcomes(found)["port"]) == ("protocol", True)
    assert text.startswith(
        "answers with wrong checksums; restart the terminal, look at the network in between"
    )


def test_one_that_answers_on_udp_behind_a_filter() -> None:
    """The same is told where TCP is dropped on the way."""
    with black_hole() as where, serve(terminal_of(), port=where[1], transport="udp"):
        assert failed(looked(where), where) == ("port", "answers on UDP only: set `transport: udp`")


def test_one_that_answers_on_tcp_only() -> None:
    """A terminal that is asked over UDP by mistake is found over TCP, and its seat is left free."""
    terminal = terminal_of(records=1)
    with serve(terminal) as where:
        name, text = failed(looked(where, "udp"), where)
        assert (name, text) == ("port", "answers on TCP only: set `transport: tcp`")
        assert looked(where).ok


def test_a_udp_port_that_is_closed() -> None:
    """Nothing on UDP and nothing on TCP: host and port are what to look at."""
    with closed_port(socket.SOCK_DGRAM) as where:
        name, text = failed(looked(where, "udp"), where)
    assert name == "port"
    assert text.startswith("has nothing listening on that UDP port; check host: and port:")


# --- one that is busy ---


@pytest.mark.parametrize(
    ("when_taken", "what", "menu"),
    [
        ("silent", "takes the connection and says nothing", ", or somebody is in its menu"),
        ("reset", "hangs up when spoken to", ""),
    ],
)
def test_one_that_is_busy(when_taken: str, what: str, menu: str) -> None:
    """Whichever way a terminal turns a second client away, that it may be busy is said."""
    with (
        serve(terminal_of(records=3, when_taken=when_taken)) as where,
        socket.create_connection(where) as other,
    ):
        other.sendall(tcp_bytes(WireFrame(Command.CONNECT, 0, 0)))
        other.recv(100)
        name, text = failed(looked(where), where)
    assert name == "protocol"
    assert text == (
        f"{what}: it is busy with another client, which must hang up first{menu}, "
        "or no terminal (a C3 panel is silent, and so are some HTTP servers)"
    )


def test_one_that_is_silent_on_tcp_and_answers_on_udp() -> None:
    """Another client, or the wrong transport: both are said."""
    with over_both(Terminal(faults=Faults(mute=True)), terminal_of()) as where:
        name, text = failed(looked(where), where)
    assert name == "protocol"
    assert text == (
        "takes the connection and says nothing, but answers on UDP: it is busy with another client, "
        "or somebody is in its menu; if it is not, set `transport: udp`"
    )


# --- one that refuses ---


@BOTH
def test_firmware_that_refuses(transport: Transport) -> None:
    """Firmware that is closed to the protocol is told as such, and no key is asked for."""
    faults = Faults(instead=(refuse(Command.CONNECT, Command.CLOSED_FIRMWARE),))
    with serve(Terminal(faults=faults), transport=transport) as where:
        name, text = failed(looked(where, transport), where)
    assert name == "protocol"
    assert text == "answers 6001: its firmware is closed to this protocol; no comm_key opens it"


@BOTH
@pytest.mark.parametrize(("key", "what"), [(5, "the comm_key is wrong"), (0, "a comm_key is needed")])
def test_a_wrong_key(transport: Transport, key: int, what: str) -> None:
    """A key that is wrong or missing is told with where the right one stands."""
    with serve(terminal_of(comm_key=7), transport=transport) as where:
        name, text = failed(looked(where, transport, key=key), where)
    assert name == "key"
    assert text == f"refuses the login: {what}; see Comm Key in the Comm. menu of the terminal"


def test_one_that_refuses_this_time() -> None:
    """Any other refusal is told with its number."""
    with serve(Terminal(faults=Faults(instead=(refuse(Command.CONNECT),)))) as where:
        assert failed(looked(where), where) == ("protocol", "refuses to start a session (reply 2001)")


# --- something else ---


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "an HTTP server"),
        (b"<html>400</html>", "an HTTP server"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "an SSH server"),
        (bytes.fromhex("15030100020146"), "a server that speaks TLS"),
        (bytes.fromhex("aa01c8040000006b2d0055"), "a C3 or inBio panel, which speaks another protocol"),
    ],
    ids=["http", "html", "ssh", "tls", "c3"],
)
def test_what_is_no_terminal(data: bytes, what: str) -> None:
    """What answers in another language is named by its first bytes."""
    with tcp_peer(answering(data)) as where:
        name, text = failed(looked(where), where)
    assert name == "protocol"
    assert text == f"is {what}, and no terminal; check host: and port:"


def test_what_nobody_knows() -> None:
    """What speaks an unknown language is told with how it begins."""
    with tcp_peer(answering(b"220 mail.example ESMTP\r\n")) as where:
        name, text = failed(looked(where), where)
    assert name == "protocol"
    assert "not with 32 32 30 20" in text


def test_what_echoes() -> None:
    """What sends our own words back is no terminal, over either transport."""

    def echo(client: socket.socket) -> None:
        while data := client.recv(65536):
            client.sendall(data)

    said = ("protocol", "sends back what it is sent; it is no terminal")
    with tcp_peer(echo) as where:
        assert failed(looked(where), where) == said
    with udp_peer(lambda data: [data]) as where:
        assert failed(looked(where, "udp"), where) == said


def test_an_echo_is_no_terminal_at_a_second_look() -> None:
    """A datagram service that echoes is not taken for a terminal that answers on UDP."""
    with udp_peer(lambda data: [data]) as where:
        assert failed(looked(where), where)[1].startswith("refuses the connection, and nothing answers")


def test_rubbish_is_no_terminal_at_a_second_look() -> None:
    """Nor is one that talks rubbish, over either transport."""
    with udp_peer(lambda _: [b"rubbish"]) as where:
        assert failed(looked(where), where)[1].startswith("refuses the connection, and nothing answers")
    with tcp_peer(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as where:
        assert "has nothing listening on that UDP port" in failed(looked(where, "udp"), where)[1]


# --- who it is ---


@pytest.mark.parametrize(
    ("knows", "words"),
    [
        (who(configured="X1"), f"tells serial number {SERIAL}, the inventory says X1; put serial: or host:"),
        (who(stored="X1"), f"another terminal answers here: serial number {SERIAL}, it was X1;"),
    ],
    ids=["inventory", "journal"],
)
def test_another_serial_than_expected(knows: Callable[[str | None], Identity], words: str) -> None:
    """A terminal that is not the one of that name fails that step; the rest is asked all the same."""
    with serve(terminal_of()) as where:
        found = looked(where, knows=knows)
    assert not found.ok
    assert texts(found)["serial"].startswith(words)
    assert [name for name, ok in outcomes(found).items() if ok is False] == ["serial"]
    assert found.about is not None
    assert found.about.serial_number == SERIAL


def test_a_repaired_terminal_is_known() -> None:
    """A serial number that a repair gave to the device is no other one."""
    with serve(terminal_of()) as where:
        assert looked(where, knows=who(stored="X1", aliases=frozenset({SERIAL}))).ok


def test_one_that_tells_no_serial_number() -> None:
    """Without serial: in the inventory it cannot be read; with it all is well."""
    with serve(terminal_of(serial=None)) as where:
        none, given = looked(where), looked(where, knows=who(configured="X1"))
    assert none.problems == ("door tells no serial number; give it one with serial: in the inventory",)
    assert given.ok
    assert texts(given)["serial"] == "it tells none; X1 in the inventory"


# --- what it holds, and shows ---


def test_what_it_does_not_tell() -> None:
    """What a terminal does not tell is unknown, which is no failure."""
    terminal = terminal_of(sizes=None)
    terminal.faults = Faults(instead=(refuse(Command.GET_VERSION), refuse(Command.GET_TIME)))
    terminal.model = replace(terminal.model, options={"~DeviceName": ""})
    with serve(terminal) as where:
        found = looked(where)
    assert found.ok
    assert found.about == About(SERIAL)
    unknown = {name: text for name, text in texts(found).items() if outcomes(found)[name] is None}
    assert unknown == dict.fromkeys(("model", "firmware", "users", "records"), "it does not tell") | {
        "clock": "it shows no real date"
    }


def test_a_full_log() -> None:
    """A log at its capacity fails that step, since it refuses punches or overwrites them."""
    with serve(terminal_of(records=20, capacity=20)) as where:
        found = looked(where)
    assert found.problems == (
        "20 of 20, 100 %: it refuses new punches or overwrites old ones; have its log cleared",
    )
    assert found.about is not None


@BOTH
@pytest.mark.parametrize("empty_log", ["error", "table"])
def test_a_log_that_is_laid_out_empty(empty_log: str, transport: Transport) -> None:
    """A terminal that counts records and gives none of them fails that step; the rest is asked."""
    terminal = terminal_of(records=0, capacity=1000, empty_log=empty_log)
    terminal.faults = Faults(sizes_records=150)
    with serve(terminal, transport=transport) as where:
        found = looked(where, transport)
    assert [name for name, ok in outcomes(found).items() if ok is False] == ["records"]
    assert texts(found)["records"].startswith(
        "150 of 1,000, 15 %: the terminal counts 150 records and lays out an empty log ("
    )
    assert found.about is not None


@BOTH
@pytest.mark.parametrize("code", [2001, 4989, 0xFFFF])
def test_a_terminal_without_the_buffered_read_is_well(code: int, transport: Transport) -> None:
    """One that refuses to lay out its log, and gives it by the old command, has no word on it."""
    terminal = terminal_of(records=30)
    terminal.faults = Faults(instead=(refuse(Command.PREPARE_BUFFER, code),))
    with serve(terminal, transport=transport) as where:
        assert looked(where, transport).ok


@BOTH
@pytest.mark.parametrize("records", [0, 3, 3000])
def test_a_log_is_laid_out_and_dropped(records: int, transport: Transport) -> None:
    """A look reads nothing of a log that is there, and the terminal does not keep it laid out."""
    terminal = terminal_of(records=records)
    with serve(terminal, transport=transport) as where:
        assert looked(where, transport).ok
    assert terminal.commands.count(Command.PREPARE_BUFFER) == (records > 0)
    assert terminal.commands.count(Command.FREE_DATA) == (records == 3000)
    assert terminal.bytes_sent < 2000


def test_a_log_that_is_handed_out_once_is_left_alone() -> None:
    """Where a look would take records from the next visit, it takes none."""
    terminal = terminal_of(records=3)
    with serve(terminal) as where:
        assert diagnose(target(where), who()).ok
    assert Command.PREPARE_BUFFER not in terminal.commands


@pytest.mark.parametrize(
    ("ahead", "ok", "words"),
    [
        (30, True, "+"),
        (-100, True, "-"),
        (-3000, False, "50 min behind, and so are its punches; put it right"),
        (
            3540,
            False,
            "59 min ahead, and so are its punches: is timezone: UTC right? If it is, put the clock right",
        ),
        (-86_400 * 40, False, "40 days behind, and so are its punches; put it right"),
        (86_400 * 3653, False, "10 years ahead, "),
    ],
)
def test_a_clock_that_is_off(ahead: int, ok: bool, words: str) -> None:
    """A clock that drifts is told, by years in years; one off by two minutes or more fails its step."""
    terminal = terminal_of()
    terminal.set_clock(datetime.now() + timedelta(seconds=ahead))
    with serve(terminal) as where:
        found = looked(where)
    assert found.ok is ok
    assert found.about is not None
    assert found.about.drift == pytest.approx(ahead, abs=3)
    assert texts(found)["clock"].startswith(words)


def test_words_that_would_steer_a_screen() -> None:
    """Whatever a terminal says, it cannot move the cursor or begin a line."""
    model = Model(options={"~DeviceName": "K40\x1b[31m"}, firmware="6.60\r\nfront  ok")
    with serve(Terminal(model)) as where:
        told = texts(looked(where))
    assert (told["model"], told["firmware"]) == (r"K40\x1b[31m", r"6.60\r\nfront  ok")


@pytest.mark.parametrize(("records", "words"), [(0, "0 %"), (1, "<1 %"), (999, "99 %"), (1000, "100 %")])
def test_how_full_a_log_is(records: int, words: str) -> None:
    """Only an empty log is at 0 %, and only a full one at 100 %."""
    assert fill(records, 1000) == words


# --- every wait ends ---


@BOTH
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (Command.OPTIONS_RRQ, "serial"),
        (Command.GET_VERSION, "firmware"),
        (Command.GET_FREE_SIZES, "users"),
        (Command.GET_TIME, "clock"),
    ],
)
def test_one_that_falls_silent(transport: Transport, command: Command, name: str) -> None:
    """The question that is not answered is the step that fails, and it costs one timeout."""
    terminal = Terminal(faults=Faults(instead=(never(command),)))
    with serve(terminal, transport=transport) as where:
        began = time.monotonic()
        found = looked(where, transport)
        assert time.monotonic() - began < TIMEOUT + 2 * SLACK
    assert failed(found, where)[0] == name
    assert found.problems == ("no answer for 0.4 s",)


def test_one_that_hangs_up_on_the_way() -> None:
    """So it is where the terminal closes the connection."""
    with serve(Terminal(faults=Faults(instead=(cut(Command.GET_FREE_SIZES),)))) as where:
        found = looked(where)
    assert failed(found, where) == ("users", "the device closed the connection")
    assert found.kind == "hung_up"


def test_a_stop_ends_it() -> None:
    """Ctrl-C waits for no timeout."""
    with tcp_peer(silent) as where:
        began = time.monotonic()
        with pytest.raises(Stopped):
            diagnose(
                target(where, timeout=20),
                who(),
                stopped=lambda: time.monotonic() > began + 0.2,
            )
        assert time.monotonic() - began < 5


def test_a_session_that_cannot_be_had_is_told_in_the_same_words() -> None:
    """Whoever wants a session for something else learns the cause of its absence, too."""
    with serve(terminal_of(), transport="udp") as where:
        with (
            pytest.raises(Unreachable, match="answers on UDP only: set `transport: udp`"),
            logged_in(target(where)),
        ):
            pass
        with logged_in(target(where, "udp")) as session:
            assert session.serial_number() == SERIAL
