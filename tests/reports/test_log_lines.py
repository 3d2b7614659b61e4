"""How lines on stderr look: to a person, to a program, to journald."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.peers import closed_port
from tests.site import TOKEN, Result, Site, entry
from zkpoll.reports.log_lines import Formatter, Style, priority, style_of
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = datetime(2026, 11, 22, 3, 4, 5, 678000, UTC)


def record(text: str, level: int = logging.WARNING) -> logging.LogRecord:
    """Return a record of the log at `MOMENT`, of an error that was raised."""
    try:
        raise ValueError("odd")  # noqa: TRY301  # its traceback is what the test needs
    except ValueError:
        made = logging.LogRecord("zkpoll.sync", level, "sync.py", 1, text, (), sys.exc_info())
    made.created = MOMENT.timestamp()
    return made


def test_a_notice_for_a_person() -> None:
    """A notice stands behind the program's name, as cron mails it."""
    assert Style().notice("device front: gone") == "zkpoll: device front: gone"


def test_a_notice_for_a_program() -> None:
    """A notice in JSON is one object on one line, whatever is in it."""
    line = Style("json").notice('device "ü"\n: gone', logging.ERROR, MOMENT)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-11-22T03:04:05.678+00:00",
        "level": "error",
        "logger": "zkpoll",
        "message": 'device "ü"\n: gone',
    }


def test_journald_gets_the_priority_of_each_line() -> None:
    """Every line carries its priority, a traceback's too, and no time, which journald knows."""
    assert Style(to_journald=True).notice("a\nb") == "<4>zkpoll: a\n<4>b"
    lines = Formatter(Style(to_journald=True)).format(record("it failed", logging.ERROR)).splitlines()
    assert lines[0] == "<3>it failed"
    assert lines[-1] == "<3>ValueError: odd"
    assert all(line.startswith("<3>") for line in lines)


def test_a_record_for_a_program() -> None:
    """A record in JSON holds its logger and its traceback, on one line, behind the priority if need be."""
    line = Formatter(Style("json", to_journald=True)).format(record("it failed"))
    assert line.startswith("<4>{")
    fields = json.loads(line.removeprefix("<4>"))
    assert (fields["logger"], fields["message"], fields["level"]) == ("zkpoll.sync", "it failed", "warning")
    assert fields["time"] == "2026-11-22T03:04:05.678+00:00"
    assert fields["exception"].endswith("ValueError: odd")


@pytest.mark.parametrize(
    ("level", "number"),
    [
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.DEBUG, 7),
    ],
)
def test_priorities(level: int, number: int) -> None:
    """Levels are syslog's, as sd-daemon(3) has them."""
    assert priority(level) == number


def test_only_journald_gets_priorities(tmp_path: Path) -> None:
    """JOURNAL_STREAM counts where it names this very stream: a child may write elsewhere."""
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        named = f"{status.st_dev}:{status.st_ino}"
        assert style_of(stream, {"JOURNAL_STREAM": named}, "json") == Style("json", to_journald=True)
        assert style_of(stream, {"JOURNAL_STREAM": named + "0"}) == Style()
        assert style_of(stream, {}) == Style()
    assert style_of(stream, {"JOURNAL_STREAM": named}) == Style()  # closed


# --- the real command ---


def journalled(site: Site, *arguments: str) -> Result:
    """Run `zkpoll` as systemd does, its stderr being what JOURNAL_STREAM names."""
    ours, theirs = os.pipe()
    status = os.fstat(theirs)
    with os.fdopen(ours) as reader:
        process = subprocess.Popen(
            [sys.executable, "-m", "zkpoll", *arguments, "-c", str(site.inventory)],
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            env=os.environ | {"TOKEN": TOKEN, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"},
        )
        os.close(theirs)
        told = reader.read()
    return Result(process.wait(timeout=60), "", told)


def test_a_run_in_json(site: Site, dashboard: SampleDashboard) -> None:
    """With --log-format json every line on stderr is an object: the log, the news, and why a run ended."""
    with serve(Terminal.with_samples(3)) as address, closed_port() as nobody:
        site.write(dashboard.url, entry("front", address), entry("back", nobody))
        logged, news = site.sync("-v", "--log-format", "json"), site.sync("--log-format", "json")
    lines = [json.loads(line) for line in logged.err.splitlines()]
    assert {line["level"] for line in lines} == {"info", "warning"}
    assert lines[-1]["message"].startswith("1 of 2 devices read, 3 new punches, 3 delivered")
    (line,) = (json.loads(line) for line in news.err.splitlines())
    assert (line["level"], line["logger"]) == ("warning", "zkpoll")
    assert line["message"].startswith("device back: ")
    site.journal.write_bytes(b"no journal at all" * 100)
    broken = site.sync("--log-format", "json")
    assert broken.code == 74
    assert json.loads(broken.err)["level"] == "error"


def test_a_run_under_systemd(site: Site, dashboard: SampleDashboard) -> None:
    """Where journald reads stderr, each line of the log and of the news carries its priority."""
    with serve(Terminal.with_samples(3)) as address, closed_port() as nobody:
        site.write(dashboard.url, entry("front", address), entry("back", nobody))
        logged, news = journalled(site, "sync", "-v"), journalled(site, "sync")
    assert {line[:3] for line in logged.err.splitlines()} == {"<6>", "<4>"}
    assert news.err.startswith("<4>zkpoll: device back: ")
