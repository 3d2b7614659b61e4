"""What each command prints: for a person in a window, without colour, in a pipe, and to nobody."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.every_command import ASKS, ELSEWHERE, LOOKS, NO_JSON, ROWS, Prepared, commands, prepare
from tests.cli.test_quarantine import with_an_impossible_record
from tests.site import TOKEN, Result, at_a_terminal
from zkpoll.cli import zkpoll
from zkpoll.simulator import SampleDashboard, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.site import Site

FOR_PROGRAMS: Final = {"config check", "config example", "config schema", "systemd print", "completion"}
"""Commands whose output is data at a terminal, too."""
ESCAPE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
COLOUR: Final = re.compile(r"\x1b\[(?:[\d;]*;)?(?:3\d|4\d|9\d|10\d)(?:;[\d;]*)?m")
FAILURES: Final = ("Traceback", "Exception ignored", "BrokenPipe", "this is a bug")


@dataclass(frozen=True)
class Shown:
    """What a command printed, in each of the places it was run in."""

    narrow: str
    """In a window of 60 columns that shows colours."""
    wide: str
    """In one of 80 columns, with NO_COLOR."""
    piped: Result
    program: Result
    """In a pipe, with --json where there is that."""
    unread: Result
    """In a pipe that nobody reads."""

    def screen(self, columns: int) -> str:
        """Return what was shown in the window so wide."""
        return {60: self.narrow, 80: self.wide}[columns]


def run_everywhere(site: Prepared, name: str) -> Shown:
    """Run a command in each of these places."""
    words = site.row(name)
    piped = site.run(*words)
    window = {"COLUMNS": "", "TERM": "xterm-256color"}
    return Shown(
        at_a_terminal(site, *words, columns=60, **window, NO_COLOR="")[1],
        at_a_terminal(site, *words, columns=80, **window)[1],
        piped,
        piped if name in NO_JSON else site.run(*words, "--json"),
        to_nobody(site, *words),
    )


def to_nobody(site: Site, *words: str) -> Result:
    """Run a command whose reader has gone before it prints anything."""
    process = site.start(*words)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    with process:
        told = process.stderr.read()
    return Result(process.returncode, "", told)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """Give one prepared site to the whole module."""
    terminal, _ = with_an_impossible_record()
    with SampleDashboard(TOKEN) as dashboard, serve(terminal) as address:
        prepared = Prepared(tmp_path_factory.mktemp("site"), terminal, address.port)
        prepare(prepared, dashboard, terminal)
        yield prepared


@pytest.fixture(scope="module")
def everything(site: Prepared) -> Iterator[dict[str, Future[Shown]]]:
    """Give what every command printed; two run at a time, so that the wait is half as long."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        yield {
            name: pool.submit(run_everywhere, site, name)
            for pool, names in ((one, ASKS), (other, LOOKS))
            for name in names
        }


@pytest.fixture(params=ROWS)
def name(request: pytest.FixtureRequest) -> str:
    """Give each command."""
    return str(request.param)


@pytest.fixture
def shown(everything: dict[str, Future[Shown]], name: str) -> Shown:
    """Give what a command printed."""
    return everything[name].result(timeout=100)


def test_every_command_is_here() -> None:
    """A new command is a new row, or is named with the reason why it is none; so is one without --json."""
    there = commands(zkpoll)
    assert there.keys() == ROWS.keys() | ELSEWHERE.keys()
    assert not ROWS.keys() & ELSEWHERE.keys()
    without = {name for name in ROWS if not any("--json" in option.opts for option in there[name].params)}
    assert without == NO_JSON


def too_wide(screen: str, columns: int) -> list[str]:
    """Return the lines of a screen that do not fit, but for those with one word that is wider than it."""
    lines = re.split(r"[\r\n]+", ESCAPE.sub("", screen))
    return [line for line in lines if len(line.rstrip()) > columns and max(map(len, line.split())) <= columns]


@pytest.mark.long
@pytest.mark.parametrize("columns", [60, 80])
def test_a_window(shown: Shown, name: str, columns: int) -> None:
    """What a person sees fits the window, and is no failure of the program."""
    screen = shown.screen(columns)
    assert screen.strip()
    assert not [word for word in FAILURES if word in screen]
    assert name in FOR_PROGRAMS or not too_wide(screen, columns)


@pytest.mark.long
def test_without_colour(shown: Shown) -> None:
    """With NO_COLOR nothing is coloured."""
    assert not COLOUR.findall(shown.wide)


@pytest.mark.long
def test_there_is_colour(everything: dict[str, Future[Shown]]) -> None:
    """Without it a step of a ping is green, so that the other test can tell."""
    assert COLOUR.search(everything["devices ping"].result(timeout=100).narrow)


@pytest.mark.long
def test_in_a_pipe(shown: Shown) -> None:
    """In a pipe there is no escape sequence, and no failure of the program."""
    for result in (shown.piped, shown.program):
        assert "\x1b" not in result.out + result.err
        assert "\r" not in (result.out + result.err).replace("\r\n", "\n")
        assert not [word for word in FAILURES if word in result.err]
        assert result.code in {0, 1}


@pytest.mark.long
def test_for_a_program(shown: Shown, name: str) -> None:
    """With --json stdout is one JSON document."""
    if name not in NO_JSON - {"config schema"}:
        assert json.loads(shown.program.out)


@pytest.mark.long
def test_a_reader_that_has_gone(shown: Shown, name: str) -> None:
    """A reader that has gone before the first word is no failure; a sync tells how the run went."""
    assert not [word for word in FAILURES if word in shown.unread.err]
    assert shown.unread.code == 0 or (name == "sync" and shown.unread.code == shown.piped.code)


@pytest.mark.long
@pytest.mark.parametrize("words", ["config schema", "punches export", "outbox list --json"])
def test_the_first_line(site: Prepared, words: str) -> None:
    """`| head -1` gets the first line, and ends the rest without a word."""
    with site.start(*words.split()) as process:
        head = subprocess.run(
            ["/usr/bin/env", "head", "-1"],
            stdin=process.stdout,
            capture_output=True,
            timeout=60,
            check=True,
        )
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert head.stdout.count(b"\n") == 1
    assert process.returncode == 0
