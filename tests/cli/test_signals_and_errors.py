"""What holds for every command: codes, tracebacks, pipes, and what goes to stdout or stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click
import pytest

from tests.peers import closed_port, peer
from tests.site import TOKEN, entry
from zkpoll import __version__, cli
from zkpoll.errors import OUT_OF_MEMORY, ExitCode, JournalError
from zkpoll.simulator import HttpAnswer, Model, Terminal, serve
from zkpoll.version import told_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def test_the_log_is_on_stderr(site: Site, dashboard: SampleDashboard) -> None:
    """`-v` says on stderr what is done; stdout stays clean, and no secret is in what is said."""
    with serve(Terminal.with_samples(7)) as address:
        site.write(dashboard.url, entry("front", address))
        result = site.sync("-v")
    assert (result.code, result.out) == (0, "")
    assert "front: visiting 127.0.0.1" in result.err
    assert "7 records read, 7 new" in result.err
    assert "1 of 1 devices read, 7 new punches, 7 delivered to dashboard" in result.err
    assert TOKEN not in result.err


def test_json_parses_whatever_fails(site: Site, dashboard: SampleDashboard) -> None:
    """There is one JSON document on stdout also when devices and the dashboard fail, and with `-v`."""
    dashboard.answers.extend([HttpAnswer(422, b'{"error": "\xff\xfe"}')] * 50)
    good = Terminal.with_samples(7)
    key = Terminal(Model(serial="B", comm_key=7))
    rubbish = Terminal(Model(serial="C"))
    rubbish.append(b"\xa5" * 41)
    with (
        serve(good) as a,
        serve(key) as b,
        serve(rubbish) as c,
        closed_port() as down,
        peer(lambda _data: b"\xff" * 40) as odd,
    ):
        entries = [("good", a), ("key", b), ("rubbish", c), ("down", down), ("odd", odd)]
        site.write(dashboard.url, *(entry(name, address) for name, address in entries))
        result = site.sync("--json", "-v")
    document = result.document()
    assert result.code == document["exit_code"] == 1
    assert [(device["name"], device["ok"]) for device in document["devices"]] == [
        ("good", True), ("key", False), ("rubbish", False), ("down", False), ("odd", False),
    ]  # fmt: skip
    assert all(device["problem"] and device["failure"] for device in document["devices"][1:])
    assert [delivery["failure"] for delivery in document["deliveries"]] == ["refused"]
    assert document["sums"]["journal"]["dashboard"]["pending"] == 7
    assert "WARNING" in result.err
    assert "Traceback" not in result.err


def test_a_reader_that_has_enough(site: Site) -> None:
    """A pipe whose reader has gone is no reason for a traceback."""
    site.write("http://127.0.0.1:9/x", entry("front", ("127.0.0.1", 9)))
    process = site.start("config", "check")
    assert process.stdout
    process.stdout.close()
    with process:
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == 0


# --- in process: the same `main`, without the half second that a process costs ---


@pytest.fixture
def command() -> Iterator[click.Command]:
    """Give a command `fail` among the real ones, whose function a test may choose."""
    fail = click.Command("fail")
    cli.zkpoll.add_command(fail)
    yield fail
    del cli.zkpoll.commands["fail"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    """Run the command line, and return the code that the process would end with."""
    monkeypatch.setattr(sys, "argv", ["zkpoll", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code


def raising(error: BaseException) -> None:
    """Raise `error`."""
    raise error


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (JournalError("it is damaged\nrestore it"), 74, "zkpoll: it is damaged\nzkpoll: restore it\n"),
        (click.ClickException("no such device"), 1, "Error: no such device\n"),
        (KeyboardInterrupt(), 130, "\n"),
        (MemoryError(), 1, f"zkpoll: {OUT_OF_MEMORY}\n"),
    ],
)
def test_what_a_command_ends_with(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: click.Command,
    error: BaseException,
    code: int,
    told: str,
) -> None:
    """Each error that is meant ends with its code and its words, and without a traceback."""
    command.callback = lambda: raising(error)
    assert run(monkeypatch, "fail") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == told


def test_a_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: click.Command
) -> None:
    """What nobody meant is a bug: a traceback, a word on whom to tell, and code 70."""
    command.callback = lambda: raising(ZeroDivisionError("of course"))
    assert run(monkeypatch, "fail") == ExitCode.BUG
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("Traceback (most recent call last):\n")
    assert "ZeroDivisionError: of course\n" in shown.err
    assert shown.err.endswith("zkpoll: this is a bug in zkpoll; please report it with the lines above\n")


def test_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` tells the version and ends with 0."""
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr() == (f"zkpoll, version {told_version(__version__)}\n", "")


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command there is."""
    yield path
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", [*commands(cli.zkpoll)], ids=" ".join)
def test_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    """`--help` explains every command on stdout and ends with 0."""
    assert run(monkeypatch, *words, "--help") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"Usage: {' '.join(('zkpoll', *words))} ")
    assert shown.err == ""


def test_help_in_short(site: Site) -> None:
    """`-h` is `--help`."""
    short, long = site.run("sync", "-h"), site.run("sync", "--help")
    assert short == long
    assert (short.code, short.err) == (0, "")
    assert short.out.startswith("Usage: zkpoll sync ")


def test_what_is_no_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that there is not is wrong usage."""
    assert run(monkeypatch, "snyc") == 2
    assert "No such command" in capsys.readouterr().err


def test_a_schema_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed for programs is on stdout alone, and parses."""
    assert run(monkeypatch, "config", "schema") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)
    assert shown.err == ""
