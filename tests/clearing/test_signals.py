"""The real `zkpoll`, stopped, or cut off from who started it, while a device is disabled: it is enabled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.cli.bad_luck import ZKPOLL, check_the_last_word, start
from tests.site import entry
from tests.waiting import wait_for
from zkpoll.journal.clearance import maybe_disabled
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Command, Faults, Terminal, never, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

RECORDS: Final = 30
PATIENT: Final = 30.0
"""Seconds of silence that the terminal is allowed: nothing that ends sooner has waited it out."""
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
COMMANDS: Final = (("sync",), ("sync", "-v"), ("sync", "--json"), ("devices", "clear", "front", "--yes"))
EACH_COMMAND: Final = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
AS_LEADER: Final = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
del sys.argv[1]
from zkpoll.cli import main
main()
"""
"""A zkpoll whose stdin is the terminal that its session belongs to, as an ssh session's."""


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal whose log is due to be cleared."""
    terminal = Terminal.with_samples(RECORDS)
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where, clear="confirmed"), timeout=PATIENT)
        yield terminal


def at_clear(terminal: Terminal, what: Callable[[], object]) -> None:
    """Let something happen when CLEAR arrives: nobody can punch at that moment."""

    def watch(command: int) -> None:
        if command == Command.CLEAR_ATTLOG:
            assert terminal.disabled
            what()

    terminal.before_command = watch


def unanswered(terminal: Terminal) -> None:
    """Let CLEAR never be answered: who is not stopped waits."""
    terminal.faults = Faults(instead=(never(Command.CLEAR_ATTLOG),))


def check_open(site: Site, terminal: Terminal) -> None:
    """See that people can punch, and that the journal knows it."""
    assert not terminal.disabled
    with open_journal(site.journal, writable=False) as journal:
        assert not maybe_disabled(journal)


@contextmanager
def in_a_session(
    site: Site, *words: str, deaf: bool = False
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start zkpoll in a session of its own at a terminal; give it, and our end of the terminal.

    One that is `deaf` does not hear that the terminal hangs up.
    """
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", AS_LEADER, "deaf" if deaf else "", *words, "--config", str(site.inventory)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | site.environment,
        start_new_session=True,
    )
    os.close(theirs)
    with process:
        try:
            yield process, ours
        finally:
            process.kill()


# --- signals ---


@EACH_COMMAND
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_is_disabled(
    site: Site, terminal: Terminal, number: signal.Signals, words: tuple[str, ...]
) -> None:
    """Every signal that asks to stop leads through ENABLE, at once, and to its exit code."""
    process: list[subprocess.Popen[Any]] = []
    unanswered(terminal)
    at_clear(terminal, lambda: process[0].send_signal(number))
    began = time.monotonic()
    process.append(start(site, *words))
    told = site.finish(process[0])
    assert told.code == 128 + number
    assert time.monotonic() - began < PATIENT
    assert f"stopped by {number.name}; " in told.err
    assert "Traceback" not in told.err
    check_open(site, terminal)


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGHUP, signal.SIGHUP, signal.SIGHUP),
        (signal.SIGHUP, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGHUP),
        (signal.SIGQUIT, signal.SIGHUP),
    ],
    ids=lambda numbers: " ".join(one.name for one in numbers),
)
def test_a_closed_session_sends_several(
    site: Site, terminal: Terminal, numbers: tuple[signal.Signals, ...]
) -> None:
    """SIGHUP is no person in a hurry: whatever comes before or behind it, the device is enabled."""
    process: list[subprocess.Popen[Any]] = []
    enabling: list[bool] = []
    unanswered(terminal)

    def send(command: int) -> None:
        if command == Command.CLEAR_ATTLOG:
            process[0].send_signal(numbers[0])
        if command == Command.ENABLEDEVICE:
            enabling.append(terminal.disabled)
            for number in numbers[1:]:
                process[0].send_signal(number)

    terminal.before_command = send
    process.append(start(site, "sync"))
    check_the_last_word(site.finish(process[0]), 128 + numbers[0], f"stopped by {numbers[0].name}")
    assert enabling == [True]
    check_open(site, terminal)


def test_a_signal_that_the_caller_ignores(site: Site, terminal: Terminal) -> None:
    """Under `nohup` a closed session is none of its business: the run goes on to its end."""
    process: list[subprocess.Popen[str]] = []
    at_clear(terminal, lambda: process[0].send_signal(signal.SIGHUP))
    process.append(
        subprocess.Popen(
            ["/usr/bin/env", "nohup", sys.executable, *ZKPOLL, "sync", "--config", str(site.inventory)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | site.environment,
        )
    )
    told = site.finish(process[0])
    assert (told.code, told.out) == (0, "")
    assert f"its log of {RECORDS} records was cleared" in told.err
    assert not terminal.log
    check_open(site, terminal)


# --- a terminal that goes away ---


@EACH_COMMAND
def test_a_session_that_is_closed(site: Site, terminal: Terminal, words: tuple[str, ...]) -> None:
    """Where the terminal it was started at hangs up, the device is enabled, though nothing can be told."""
    unanswered(terminal)
    with in_a_session(site, *words) as (process, ours):
        at_clear(terminal, lambda: os.close(ours))
        began = time.monotonic()
        assert process.wait(60) == 128 + signal.SIGHUP
        assert time.monotonic() - began < PATIENT
    check_open(site, terminal)


def test_a_session_that_is_closed_at_the_question(site: Site, terminal: Terminal) -> None:
    """Where nobody can answer any more, nothing is cleared, and the exit code says why."""
    shown = b""
    with in_a_session(site, "devices", "clear", "front") as (process, ours):
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        os.close(ours)
        assert process.wait(60) == 128 + signal.SIGHUP
    assert len(terminal.log) == RECORDS
    assert Command.DISABLEDEVICE not in terminal.commands
    check_open(site, terminal)


@EACH_COMMAND
@pytest.mark.parametrize("broken", ["stdout", "stderr"])
def test_nobody_reads_what_it_says(
    site: Site, terminal: Terminal, words: tuple[str, ...], broken: str
) -> None:
    """A pipe whose reader goes away meanwhile keeps nothing from being done."""
    process: list[subprocess.Popen[Any]] = []
    at_clear(terminal, lambda: getattr(process[0], broken).close())
    process.append(start(site, *words))
    wait_for(lambda: process[0].poll() is not None)
    with process[0]:
        assert process[0].returncode in {0, 1}
    assert not terminal.log
    check_open(site, terminal)


@EACH_COMMAND
def test_a_terminal_that_only_answers_with_errors(
    site: Site, terminal: Terminal, words: tuple[str, ...]
) -> None:
    """A run that does not hear its terminal hang up, and can write nothing any more, does its work."""
    with in_a_session(site, *words, deaf=True) as (process, ours):
        at_clear(terminal, lambda: os.close(ours))
        process.wait(60)
    assert not terminal.log
    check_open(site, terminal)
