"""`zkpoll simulate`, the real process."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml

from tests.simulator.client import LOG, Client
from zkpoll.simulator import Command, Listening, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

_RUN = "from zkpoll.cli.simulate import simulate; simulate()"


class Running(NamedTuple):
    """A simulator process and its first line."""

    process: subprocess.Popen[str]
    line: str
    address: Listening


def command(*options: str) -> list[str]:
    """Return the command line of a simulator."""
    return [sys.executable, "-W", "error", "-c", _RUN, *options]


@contextmanager
def simulator(*options: str) -> Iterator[Running]:
    """Run a simulator on any free port, and kill it if the test did not end it."""
    whole = command("--port", "0", *options)
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        port = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert port is not None
        try:
            yield Running(process, line, Listening("127.0.0.1", int(port[1])))
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(number: signal.Signals) -> None:
    """It prints one line, serves, and ends with 0 and without a word on Ctrl-C or SIGTERM."""
    with simulator("--records", "100") as running:
        with Client(running.address) as client:
            client.connect()
            assert len(client.read(LOG)) == 4 + 100 * 40
            running.process.send_signal(number)
            assert running.process.communicate(timeout=5) == ("", "")
        assert running.process.returncode == 0


def test_its_line_is_an_inventory_snippet() -> None:
    """The line ends with a device as an inventory holds it, and the options are carried out."""
    options = ("--udp", "--comm-key", "12", "--records", "3", "--layout", "16", "--serial", "0123")
    with simulator(*options) as running:
        device = yaml.safe_load(running.line.split(": ", 1)[1])[0]
        assert device["port"] == running.address.port
        assert (device["transport"], device["comm_key"]) == ("udp", 12)
        with Client(running.address, udp=True) as client:
            client.connect(key=12)
            assert len(client.read(LOG)) == 4 + 3 * 16
            assert client.ask(Command.OPTIONS_RRQ, b"~SerialNumber\0").data.endswith(b"=0123\0")


def test_people_go_on_punching() -> None:
    """With `--punch-every` the log grows."""
    options = ("--records", "2", "--punch-every", "50ms")
    with simulator(*options) as running, Client(running.address) as client:
        client.connect()
        first = len(client.read(LOG))
        time.sleep(0.3)
        assert len(client.read(LOG)) >= first + 2 * 40


def test_faults_are_options() -> None:
    """A fault from the command line is carried out."""
    with simulator("--no-buffer", "--no-sizes") as running, Client(running.address) as client:
        client.connect()
        assert client.ask(Command.PREPARE_BUFFER, LOG).command == Command.ACK_ERROR
        assert client.ask(Command.GET_FREE_SIZES).data == b"\0\0\0\0"


@pytest.mark.parametrize(
    ("options", "different"), [((), 4), (("--double-events",), 2), (("--lose-event", "2"), 4)]
)
def test_a_client_is_told_of_punches(options: tuple[str, ...], different: int) -> None:
    """The first four events that a client gets are of four people; of two where each is sent two times."""
    with (
        simulator("--punch-every", "50ms", *options) as running,
        Client(running.address, wait=10) as client,
    ):
        client.connect()
        assert client.ask(Command.REG_EVENT, b"\1\0\0\0").command == Command.ACK_OK
        events = list(islice(client.frames(), 4))
    assert {frame.command for frame in events} == {Command.REG_EVENT}
    assert len({frame.data[:24] for frame in events}) == different


@pytest.mark.parametrize("options", [("--no-events",), ("--lose-event", "1")])
def test_a_client_is_told_of_none(options: tuple[str, ...]) -> None:
    """A client registers, people punch, and no event comes."""
    with simulator("--punch-every", "20ms", *options) as running, Client(running.address) as client:
        client.connect()
        assert client.ask(Command.REG_EVENT, b"\1\0\0\0").command == Command.ACK_OK
        assert list(client.frames()) == []
        assert len(client.read(LOG)) > 4 + 1000 * 40


def test_a_client_is_cut_off_at_a_punch() -> None:
    """`--cut-at-event 1` hangs up at the first punch."""
    options = ("--punch-every", "50ms", "--cut-at-event", "1")
    with simulator(*options) as running, Client(running.address, wait=10) as client:
        client.connect()
        client.ask(Command.REG_EVENT, b"\1\0\0\0")
        assert client.hung_up()


def test_a_client_is_not_registered() -> None:
    """`--refuse-events` answers command 500 with an error."""
    with simulator("--refuse-events") as running, Client(running.address) as client:
        client.connect()
        assert client.ask(Command.REG_EVENT, b"\1\0\0\0").command == Command.ACK_ERROR


def test_a_taken_port_is_one_sentence() -> None:
    """A port in use: one sentence, exit code 1, no traceback."""
    with serve(Terminal()) as address:
        whole = command("--port", str(address.port))
        done = subprocess.run(whole, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (f"Error: cannot listen on 127.0.0.1:{address.port}: Address already in use\n")


@pytest.mark.parametrize(
    "options", [("--punch-every", "soon"), ("--layout", "41"), ("--drop", "2"), ("--users", "0")]
)
def test_a_wrong_value_is_wrong_usage(options: tuple[str, str]) -> None:
    """A value that makes no sense ends with 2 and names the option."""
    done = subprocess.run(command(*options), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 2
    assert options[0] in done.stderr


def test_help_has_an_example_and_loads_nothing_heavy() -> None:
    """`--help` shows an example on a line of its own, without loading the simulator."""
    code = "import sys; from zkpoll.cli.simulate import simulate; simulate(standalone_mode=False)"
    code += "; assert not [m for m in sys.modules if m.startswith('zkpoll.simulator')]"
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert "\n    zkpoll simulate --udp" in done.stdout
