"""`zkpoll sync` as a process, when the disk, the journal, the pipes or a person let it down in mid-run."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.bad_luck import (
    IMPATIENT,
    RESTLESS,
    Disk,
    Holder,
    Limit,
    catches,
    check_nothing_lost,
    check_the_last_word,
    events_in,
    ids_of,
    same_request,
    start,
)
from tests.places import FileSystem
from tests.site import TOKEN, Result, entry
from tests.waiting import wait_for
from zkpoll.simulator import Command, HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import Received

RECORDS = 400
BATCH = 50
NEVER = 60.0
"""Seconds; longer than anything here waits."""


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal that the site's inventory names, its punches sent in batches of `BATCH`."""
    terminal = Terminal.with_samples(RECORDS)
    with serve(terminal) as address:
        site.write(f"{dashboard.url}', batch_size: '{BATCH}", entry("front", address), timeout=5)
        yield terminal


def at_request(dashboard: SampleDashboard, number: int, what: Callable[[], object]) -> None:
    """Let something happen while the dashboard is at its `number`-th request from now, before it answers."""

    def answer(request: Received) -> HttpAnswer:
        what()
        return dashboard.default(request)

    dashboard.answers.extend([*[dashboard.default] * (number - 1), answer])


def at_command(terminal: Terminal, command: int, what: Callable[[], object]) -> None:
    """Let something happen while the terminal is at a command, the first time it comes."""

    def watch(came: int) -> None:
        if came == command:
            terminal.before_command = None
            what()

    terminal.before_command = watch


# --- the disk is full ---


@pytest.fixture(params=["a limit", "a file system"])
def disk(request: pytest.FixtureRequest, site: Site) -> Iterator[Disk]:
    """Give the site, before it is written, a disk that can be filled: for one process, or for all."""
    if request.param == "a limit":
        yield Limit(site)
        return
    try:
        with FileSystem(site.folder, kilobytes=4096) as disk:
            yield disk
    except OSError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.mark.parametrize("room", [0, 20_000, 150_000])
def test_a_disk_without_room(
    disk: Disk, site: Site, dashboard: SampleDashboard, terminal: Terminal, room: int
) -> None:
    """A journal that cannot be made, or cannot hold what is read, ends the run; the next one has it all."""
    process = start(site, "sync")
    disk.fill(process, room)
    check_the_last_word(site.finish(process), 74, str(site.journal), "disk is full")
    assert not dashboard.requests
    disk.make_room()
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


def test_a_disk_that_fills_during_reading(
    disk: Disk, site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """What was read and cannot be kept is read again by the next run."""
    process = start(site, "sync")
    at_command(terminal, Command.GET_FREE_SIZES, lambda: disk.fill(process, 9_000))
    check_the_last_word(site.finish(process), 74, str(site.journal), "disk is full")
    assert terminal.commands
    assert not dashboard.requests
    disk.make_room()
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


@pytest.mark.parametrize("room", [0, 30_000])
def test_a_disk_that_fills_during_delivery(
    disk: Disk, site: Site, dashboard: SampleDashboard, terminal: Terminal, room: int
) -> None:
    """What the dashboard took and the journal cannot say goes again, byte for byte, once there is room."""
    process = start(site, "sync")
    at_request(dashboard, 3, lambda: disk.fill(process, room))
    check_the_last_word(site.finish(process), 74, str(site.journal), "disk is full")
    sent = len(dashboard.requests)
    assert 3 <= sent < RECORDS // BATCH
    disk.make_room()
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates in {0, BATCH}
    assert same_request(*dashboard.requests[sent - 1 : sent + 1]) == bool(dashboard.duplicates)


# --- the journal is locked, or gone ---


@pytest.fixture
def holder(site: Site) -> Iterator[Holder]:
    """Give another program that can hold the site's journal."""
    holder = Holder(site)
    yield holder
    holder.let_go()


Moment = Callable[[Terminal, SampleDashboard, Callable[[], object]], object]
MOMENTS: dict[str, Moment] = {
    "reading": lambda terminal, _, what: at_command(terminal, Command.GET_FREE_SIZES, what),
    "delivery": lambda _, dashboard, what: at_request(dashboard, 3, what),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_journal_locked_for_a_while(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, holder: Holder, moment: str
) -> None:
    """A run waits for a program that is at the journal for a moment, and that is all."""
    MOMENTS[moment](terminal, dashboard, holder.hold)
    process = start(site, "sync")
    wait_for(lambda: holder.holds)
    time.sleep(0.5)
    assert process.poll() is None
    sent = len(dashboard.requests)
    holder.let_go()
    assert site.finish(process) == Result(0, "", "")
    assert sent < len(dashboard.requests)
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_journal_locked_for_too_long(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, holder: Holder, moment: str
) -> None:
    """The wait ends, and what could not be written down is read or sent again by the next run."""
    MOMENTS[moment](terminal, dashboard, holder.hold)
    result = site.finish(start(site, "sync", program=IMPATIENT))
    assert holder.holds
    check_the_last_word(result, 74, str(site.journal), "is locked by another program")
    holder.let_go()
    sent = len(dashboard.requests)
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == (BATCH if moment == "delivery" else 0)
    assert moment == "reading" or same_request(*dashboard.requests[sent - 1 : sent + 1])


@pytest.mark.parametrize("gone", ["journal.db", "journal.db-wal", "journal.db*"])
def test_a_journal_deleted_in_mid_run(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, gone: str
) -> None:
    """A journal that somebody deletes is told, and costs repeats, which dashboards know by their ids."""

    def delete() -> None:
        for file in site.folder.glob(gone):
            if file.is_file():
                file.unlink()

    at_request(dashboard, 3, delete)
    result = site.sync()
    removed = site.folder / gone if gone == "journal.db-wal" else site.journal
    check_the_last_word(result, 74, f"{removed} was removed while zkpoll was at it")
    if gone == "journal.db":  # with what SQLite left of it, nothing new is begun before a person has seen it
        check_the_last_word(site.sync(), 74, "a part of it", "is left")
        (site.folder / "journal.db-wal").unlink()
        check_the_last_word(site.sync(), 1, "is begun anew")
    assert site.sync() == Result(0, "", "")
    assert site.sync() == Result(0, "", "")
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


def test_a_folder_deleted_in_mid_run(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """A journal whose folder is gone is told of; put right, the next run has it all."""
    inventory = site.inventory.read_text()
    at_request(dashboard, 3, lambda: shutil.rmtree(site.folder))
    check_the_last_word(site.sync(), 74, f"{site.journal} was removed while zkpoll was at it")
    site.folder.mkdir()
    site.inventory.write_text(inventory)
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


# --- two at once ---


def test_two_runs_on_a_new_machine(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """Of two runs that begin together each terminal and dashboard has one, and the other says nothing."""
    runs = [start(site, "sync") for _ in range(2)]
    results = [site.finish(run) for run in runs]
    assert {(result.out, result.err) for result in results} == {("", "")}
    codes = {result.code for result in results}
    assert codes <= {0, 75}
    assert 0 in codes  # 75: the other run had the terminal
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


@pytest.mark.parametrize(("moment", "code"), [("reading", 75), ("delivery", 0)])
def test_a_second_run_in_the_middle(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, moment: str, code: int
) -> None:
    """What the first run is at is left to it; while it delivers, the terminal is free and has nothing new."""
    other: list[Result] = []
    MOMENTS[moment](terminal, dashboard, lambda: other.append(site.sync()))
    first = site.sync()
    assert first == Result(0, "", "")
    assert other == [Result(code, "", "")]
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0
    assert [len(events_in(request.body)) for request in dashboard.requests] == [BATCH] * (RECORDS // BATCH)


# --- stopped in mid-delivery ---


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_while_a_dashboard_thinks(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, number: int, code: int
) -> None:
    """A signal ends the wait for an answer soon; the next run begins with that request, byte for byte."""
    dashboard.answers.extend([dashboard.default, HttpAnswer(delay=NEVER, keep=True)])
    process = start(site, "sync")
    wait_for(lambda: len(dashboard.requests) == 2)
    process.send_signal(number)
    began = time.monotonic()
    check_the_last_word(site.finish(process), code, f"stopped by {signal.Signals(number).name}")
    assert time.monotonic() - began < 4
    terminal.punch("1001", datetime(2020, 1, 1))
    assert site.sync().code == 0
    assert same_request(*dashboard.requests[1:3])
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == BATCH


def test_stopped_and_answered(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """An answer that comes a moment after the signal still counts, and nothing is sent twice."""
    dashboard.answers.extend([dashboard.default, HttpAnswer(delay=0.5)])
    process = start(site, "sync")
    wait_for(lambda: len(dashboard.requests) == 2)
    process.send_signal(signal.SIGTERM)
    check_the_last_word(site.finish(process), 143, "stopped by SIGTERM")
    assert len(dashboard.requests) == 2
    assert site.sync().code == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


def test_stopped_between_two_attempts(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """A signal ends the wait that a dashboard asked for as well."""
    site.inventory.write_text(site.inventory.read_text().replace("attempts: 1", "attempts: 5"))
    dashboard.answers.extend([dashboard.default, HttpAnswer(503, headers={"Retry-After": "30"})])
    process = start(site, "sync")
    wait_for(lambda: len(dashboard.requests) == 2)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    check_the_last_word(site.finish(process), 143, "stopped by SIGTERM")
    assert time.monotonic() - began < 4
    assert site.sync().code == 0
    assert same_request(*dashboard.requests[1:3])
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))
    assert dashboard.duplicates == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
    ],
)
def test_a_second_signal(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, first: int, second: int
) -> None:
    """Whoever does not want to wait for the end sends another signal; that loses nothing either."""
    dashboard.answers.extend([dashboard.default, HttpAnswer(delay=NEVER, keep=True)])
    process = start(site, "sync")
    wait_for(lambda: len(dashboard.requests) == 2)
    process.send_signal(first)
    wait_for(lambda: not catches(process, first))
    process.send_signal(second)
    assert site.finish(process) == Result(-second, "", "")
    assert site.sync().code == 0
    assert same_request(*dashboard.requests[1:3])
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


# --- nobody listens ---


@pytest.mark.parametrize(
    ("closed", "arguments"),
    [
        ("stdout", ["--json"]),
        ("stdout", ["-v"]),
        ("stderr", ["-v"]),
        ("stderr", ["--json", "-v"]),
        ("stderr", []),
    ],
)
def test_nobody_listens(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, closed: str, arguments: list[str]
) -> None:
    """A pipe whose reader has gone stops no delivery, and is no reason for a traceback."""
    with start(site, "sync", *arguments) as process:
        assert process.stdout
        assert process.stderr
        (process.stdout if closed == "stdout" else process.stderr).close()
        said = (process.stderr if closed == "stdout" else process.stdout).read()
    assert "Traceback" not in said
    assert "ignored" not in said
    assert process.returncode == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


@pytest.mark.parametrize("arguments", [("--json",), ("-v",), ()])
def test_without_any_stream(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, arguments: tuple[str, ...]
) -> None:
    """A run whose parent closed all streams does the same."""
    shell = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "zkpoll", "sync", *arguments]
    ended = subprocess.run(
        [*shell, "--config", str(site.inventory)], env=os.environ | {"TOKEN": TOKEN}, check=False, timeout=60
    )
    assert ended.returncode == 0
    check_nothing_lost(site, dashboard, punches=ids_of(terminal))


def test_the_first_line_only(site: Site, dashboard: SampleDashboard) -> None:
    """`| head -1` gets its line, and there is no traceback."""
    with serve(Terminal.with_samples(3000)) as address:
        site.write(dashboard.url, entry("front", address))
        with start(site, "sync", "--dry-run") as process:
            assert process.stdout
            assert process.stderr
            assert json.loads(process.stdout.readline())["device"] == "front"
            process.stdout.close()
            assert process.stderr.read() == ""
    assert process.returncode == 0


@pytest.fixture
def cleared(site: Site, terminal: Terminal) -> Terminal:
    """Give the terminal, to be cleared as soon as all is confirmed."""
    text = site.inventory.read_text()
    site.inventory.write_text(text.replace("name: front", "name: front, clear: confirmed"))
    return terminal


@pytest.fixture
def full() -> Iterator[int]:
    """Give the number of a file that takes nothing."""
    with Path("/dev/full").open("w") as file:
        yield file.fileno()


def check_cleared(terminal: Terminal) -> None:
    """See that a terminal was cleared, and that people can punch."""
    assert (terminal.log, terminal.disabled) == ([], False)
    assert Command.CLEAR_ATTLOG in terminal.commands


@pytest.mark.parametrize(
    ("stream", "arguments", "code"),
    [("out", ["--json"], 1), ("out", ["-v"], 0), ("err", ["-v"], 0), ("err", [], 1)],
)
def test_a_full_stream(
    site: Site,
    dashboard: SampleDashboard,
    cleared: Terminal,
    full: int,
    stream: str,
    arguments: list[str],
    code: int,
) -> None:
    """A stream that takes nothing stops no delivery and no clearing; what is lost of it shows by the code."""
    out, err = (full, subprocess.PIPE) if stream == "out" else (subprocess.PIPE, full)
    told = site.finish(start(site, "sync", *arguments, out=out, err=err))
    assert told.code == code
    if "--json" in arguments:
        assert told.err == "zkpoll: the output cannot be written: no space left on device\n"
    check_nothing_lost(site, dashboard, punches=ids_of(cleared))
    check_cleared(cleared)


def test_news_that_nobody_could_read(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, full: int
) -> None:
    """News that a full stderr did not take are told by the next run, and the code is not 0."""
    dashboard.answers.extend([HttpAnswer(500)] * 9)
    assert site.finish(start(site, "sync", err=full)).code == 1
    told = site.sync()
    assert told.code == 1
    assert "answered 500" in told.err
    assert "still" not in told.err
    assert site.sync().err == ""
    assert terminal.log


def test_a_stderr_that_nobody_reads(site: Site, dashboard: SampleDashboard, cleared: Terminal) -> None:
    """A full pipe whose reader sleeps keeps no punch waiting, and no terminal disabled."""
    ours, theirs = os.pipe()
    os.write(theirs, bytes(fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, 4096)))
    process = start(site, "sync", "-v", program=RESTLESS, err=theirs)
    os.close(theirs)
    assert site.finish(process).code == 0
    os.close(ours)
    check_nothing_lost(site, dashboard, punches=ids_of(cleared))
    check_cleared(cleared)


def test_a_window_that_is_closed(site: Site, dashboard: SampleDashboard, cleared: Terminal) -> None:
    """Whoever closes the window in which a run is shown ends nothing; only the code tells of it."""
    ours, theirs = os.openpty()
    at_request(dashboard, 3, lambda: os.close(ours))
    process = start(site, "sync", out=theirs, err=theirs)
    os.close(theirs)
    assert site.finish(process).code == 1
    check_nothing_lost(site, dashboard, punches=ids_of(cleared))
    check_cleared(cleared)
