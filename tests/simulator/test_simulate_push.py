"""`zkpoll simulate --push`, the real process."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.peers import closed_port
from tests.simulator.push_server import Booth, reply
from tests.simulator.test_simulate import command

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def caller(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a terminal that pushes to `url`, and kill it if the test did not end it."""
    whole = command("--push", url, *options)
    with subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    """Return the next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def refusal(*options: str) -> str:
    """Return the sentence with which options are refused as wrong usage."""
    done = subprocess.run(command(*options), capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_pushes_until_a_signal(number: signal.Signals) -> None:
    """It tells in plain lines what it does, and ends with 0 and without a word on Ctrl-C or SIGTERM."""
    options = ("--serial", "0123", "--records", "130", "--punch-every", "1s")
    with Booth() as booth, caller(booth.url, *options) as process:
        first = line(process)
        assert first.startswith(f"pushing to {booth.url} (130 records, 50 users): - ")
        (device,) = yaml.safe_load(first.split("): ", 1)[1])
        assert (device["serial"], device["push"]) == ("0123", True)
        assert [line(process) for _ in range(4)] == [
            "handshake: GET OPTION FROM: X",
            "posted 128 punches: OK: 1",
            "posted 2 punches: OK: 1",
            "posted 1 punch: OK: 1",
        ]
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
        assert (process.returncode, errors) == (0, "")
    assert booth.requests[0].line.startswith("GET /iclock/cdata?SN=0123&options=all&")


def test_a_server_that_is_away_is_told_once_and_tried_again() -> None:
    """It survives a server that is away, says so once, and goes on when that is back."""
    with closed_port() as (host, port), ExitStack() as stack:
        url = f"http://{host}:{port}"
        process = stack.enter_context(caller(url, "--records", "1", "--speed", "1000"))
        line(process)
        assert line(process) == f"no answer from {url}: Connection refused; trying again"
        time.sleep(0.3)  # dozens of tries
        ends = stack.pop_all()
    with ends, Booth(at=port):
        assert line(process) == "handshake: GET OPTION FROM: X"
        assert line(process) == "posted 1 punch: OK: 1"


def test_a_refusal_is_told_once() -> None:
    """What the server says while it does not take punches is told once, fit for a screen."""
    with Booth() as booth:
        booth.answers += [reply("no \x1b[31mentry\nX", 403)] * 3
        with caller(booth.url, "--records", "0", "--speed", "1000") as process:
            line(process)
            assert line(process) == "handshake: 403 no \\x1b[31mentry; trying again"
            assert line(process) == "handshake: GET OPTION FROM: X"


def test_a_silent_server_does_not_hold_up_the_end() -> None:
    """Ctrl-C ends a request under way."""
    with Booth(silent=True) as booth, caller(booth.url) as process:
        line(process)
        while not booth.requests:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0


def test_commands_are_told_with_their_result() -> None:
    """A command from the server is a line with what came of it."""
    with Booth() as booth:
        booth.commands.append("C:7:REBOOT")
        with caller(booth.url, "--records", "0") as process:
            assert [line(process) for _ in range(3)][2] == "carried out ID=7&Return=-1002&CMD=REBOOT: OK"


def test_knobs_are_options() -> None:
    """What the options say can be seen in the requests."""
    options = ("--aspx", "--no-host", "--http10", "--fields", "5", "--batch-size", "2", "--people", "--old")
    with Booth() as booth, caller(booth.url, "--records", "3", "--users", "2", *options) as process:
        [line(process) for _ in range(7)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
    assert all(".aspx?" in asked.line and asked.line.endswith("HTTP/1.0") for asked in booth.requests)
    assert all(asked.head[0].startswith("User-Agent") for asked in booth.requests)
    assert [asked.body.count(b"\n") for asked in booth.posted()] == [2, 1]
    assert booth.posted()[0].body.split(b"\n")[0].count(b"\t") == 4
    assert booth.posted("table=OPERLOG&OpStamp=")
    assert booth.posted("fdata.aspx")


def test_the_access_dialect_is_an_option() -> None:
    """With `--dialect 3.x` it registers, and posts rtlog."""
    with Booth() as booth, caller(booth.url, "--dialect", "3.x", "--records", "3") as process:
        told = [line(process) for _ in range(6)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
    assert [one.split(":")[0] for one in told[1:]] == [
        "handshake",
        "posted registry",
        "posted push",
        "time",
        "posted 3 punches",
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--push", "http://a", "--udp"), "--udp is for a terminal that listens: leave it out with --push"),
        (("--push", "http://a", "--port", "4370"), "--port is for a terminal that listens"),
        (("--aspx",), "--aspx is for a terminal that pushes: give --push URL, too"),
        (("--dialect", "2.x"), "--dialect is for a terminal that pushes"),
        (
            ("--push", "http://a", "--dialect", "3.x", "--fields", "9"),
            "--fields is of the attendance dialect",
        ),
        (("--push", "http://a", "--serial", ""), "a terminal that pushes has a serial number"),
        (("--push", "https://a"), "Invalid value for --push: a virtual terminal speaks http:// only"),
        (
            ("--push", "gate"),
            "Invalid value for --push: 'gate' is no address to push to; write it as http://",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(options: tuple[str, ...], sentence: str) -> None:
    """Options that make no sense together, and addresses that are none, are wrong usage."""
    assert refusal(*options).startswith(f"Error: {sentence}")


def test_every_option_is_for_one_of_both_or_shared() -> None:
    """Each option of the command belongs to one kind of terminal, or to both; a new one has to be placed."""
    from zkpoll.cli.simulate import simulate
    from zkpoll.cli.simulate_push import OWN, SHARED

    names = {one.name for one in simulate.params}
    assert names >= OWN | SHARED
    assert OWN.isdisjoint(SHARED)
    listening = names - OWN - SHARED
    assert listening == {
        *("host", "port", "udp", "layout", "comm_key", "block_size", "gap", "event_width"),
        *("delay", "cut", "drop", "damage", "no_buffer", "no_sizes", "mute"),
        *("refuse_events", "no_events", "lose_event", "double_events", "cut_at_event"),
    }
