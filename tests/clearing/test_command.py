"""The real `zkpoll`, where logs are cleared: what it asks, says, refuses and leaves behind."""

from __future__ import annotations

import json
import resource
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.clearing.world import KILLED, KINDS, World
from tests.host_clock import on_a_host
from tests.site import at_a_terminal, entry
from tests.waiting import wait_for
from zkpoll.errors import ExitCode
from zkpoll.journal.opening import folders
from zkpoll.pull import raw_copy
from zkpoll.pull.raw_copy import RawCopy, save
from zkpoll.simulator import Command, Faults, HttpAnswer, Model, Terminal, never, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.site import Result, Site
    from zkpoll.simulator import Listening, Received, SampleDashboard

SERIAL = "CQZ7224760045"
RECORDS = 30
CLEAR = ("devices", "clear", "front", "--yes")
LOCKED = (Command.DISABLEDEVICE, Command.CLEAR_ATTLOG)


@pytest.fixture
def terminal() -> Terminal:
    """Give a terminal with a log of a few records."""
    return Terminal.with_samples(RECORDS)


@pytest.fixture
def address(terminal: Terminal, site: Site, dashboard: SampleDashboard) -> Iterator[Listening]:
    """Put the terminal up, and an inventory that never clears it."""
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        yield where


@pytest.fixture
def front(address: Listening, site: Site, dashboard: SampleDashboard) -> Callable[..., None]:
    """Give what writes the inventory anew, with other settings of the terminal."""

    def write(more: str = "", **settings: object) -> None:
        site.write(dashboard.url, entry("front", address, **settings), more=more)

    return write


def copies(site: Site) -> list[Path]:
    """Return where the raw copies are."""
    return sorted(folders(site.journal).raw_copies.glob("*.zkraw"))


def untouched(terminal: Terminal, records: int = RECORDS) -> bool:
    """Say whether the log is as long as it was, and nobody was locked out."""
    return len(terminal.log) == records and not set(LOCKED) & set(terminal.commands)


def cleared(terminal: Terminal) -> bool:
    """Say whether the log is empty and people can punch."""
    return not terminal.log and not terminal.disabled and Command.CLEAR_DATA not in terminal.commands


def rejecting(user: str) -> Callable[[Received], HttpAnswer]:
    """Return a dashboard's answer that refuses the punches of one user."""

    def answer(received: Received) -> HttpAnswer:
        events = json.loads(received.body)["events"]
        found = [{"id": one["id"], "error": "unknown"} for one in events if one["user_id"] == user]
        return HttpAnswer(200, json.dumps({"rejected": found}).encode())

    return answer


# --- by hand ---


@pytest.mark.usefixtures("address")
def test_it_clears_and_says_so(terminal: Terminal, site: Site, dashboard: SampleDashboard) -> None:
    """With `--yes` the numbers are shown, the log is cleared, and it is said where the copy is."""
    told = site.run(*CLEAR)
    (copy,) = copies(site)
    assert (told.code, told.err) == (0, "")
    assert f"front ({SERIAL})" in told.out
    assert f"device front: its log of {RECORDS} records was cleared; a copy is in {copy}\n" in told.out
    assert cleared(terminal)
    assert len(terminal.users) == 50
    assert len(dashboard.events) == RECORDS
    assert site.run(*CLEAR).out == "The log of front is empty.\n"


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_a_person_is_asked(terminal: Terminal, site: Site, answer: str, code: int) -> None:
    """At a terminal the numbers are shown, and only a yes clears."""
    ended, shown = at_a_terminal(site, "devices", "clear", "front", answer=answer)
    assert ended == code
    assert f"{RECORDS} records" in shown
    assert "Clear the log of front? [y/N]" in shown
    assert untouched(terminal) if code else cleared(terminal)
    assert ("Nothing is cleared." in shown) == bool(code)


@pytest.mark.usefixtures("address")
def test_nobody_to_ask(terminal: Terminal, site: Site) -> None:
    """Without a terminal and without `--yes` the device is not even called."""
    told = site.run("devices", "clear", "front")
    assert (told.code, told.out) == (2, "")
    assert "nobody is there to be asked; say --yes" in told.err
    assert not terminal.commands


# --- what forbids it ---


@pytest.mark.usefixtures("address")
def test_what_no_dashboard_has(terminal: Terminal, site: Site, dashboard: SampleDashboard) -> None:
    """Punches that wait forbid it, until the dashboard has them or a person gives them up."""
    dashboard.answers.extend([HttpAnswer(503)] * 5)
    told = site.run(*CLEAR)
    assert told.code == 1
    assert f"{RECORDS} punches wait for dashboard (`zkpoll sync`, or `zkpoll outbox discard`)" in told.err
    assert untouched(terminal)
    give_up = ("--all", "--pending", "--to", "dashboard", "--reason", "shut down", "--yes")
    assert site.run("outbox", "discard", *give_up).code == 0
    assert site.run(*CLEAR).code == 0
    assert cleared(terminal)
    assert not dashboard.events


@pytest.mark.usefixtures("address")
def test_what_a_dashboard_refused(terminal: Terminal, site: Site, dashboard: SampleDashboard) -> None:
    """A parked punch forbids it, until a person gives it up."""
    dashboard.answers.append(rejecting(terminal.history[3].user_id))
    told = site.run(*CLEAR)
    assert told.code == 1
    assert "1 punch is parked for dashboard (`zkpoll outbox list`)" in told.err
    assert untouched(terminal)
    give_up = ("--all", "--to", "dashboard", "--reason", "a test punch", "--yes")
    assert site.run("outbox", "discard", *give_up).code == 0
    assert site.run(*CLEAR).code == 0
    assert cleared(terminal)
    assert len(dashboard.events) == RECORDS


@pytest.mark.usefixtures("address")
def test_what_nobody_can_believe(terminal: Terminal, site: Site) -> None:
    """A record in quarantine forbids it, until a person accepts it; the copy has it."""
    second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400
    odd = terminal.log[0][:27] + second.to_bytes(4, "little") + terminal.log[0][31:]
    terminal.append(odd)
    told = site.run(*CLEAR)
    assert told.code == 1
    assert "1 record is in quarantine (`zkpoll quarantine accept`)" in told.err
    assert untouched(terminal, RECORDS + 1)
    assert site.run("quarantine", "accept", "--device", "front", "--yes").code == 0
    assert site.run(*CLEAR).code == 0
    assert cleared(terminal)
    assert raw_copy.load(copies(site)[-1]).log.endswith(odd)


# --- by itself ---


@pytest.mark.parametrize(("records", "due"), [(79, False), (80, False), (81, True)])
def test_above(site: Site, dashboard: SampleDashboard, records: int, due: bool) -> None:
    """`clear: {above: 80%}` clears a log that is fuller than that, and no other."""
    terminal = Terminal.with_samples(records, model=Model(capacity=100))
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where, clear="{above: 80%}"))
        told = site.sync()
    assert told.code == 0
    assert (len(copies(site)) == 1) == due
    assert cleared(terminal) if due else untouched(terminal, records)


@pytest.mark.parametrize(("begins", "inside"), [(-1, True), (2, False)])
def test_quiet_hours(
    terminal: Terminal, site: Site, front: Callable[..., None], begins: int, inside: bool
) -> None:
    """Where there are quiet hours, logs are cleared by themselves within them only."""
    start = datetime.now(UTC) + timedelta(hours=begins)
    front(clear="confirmed", quiet_hours=f"{start:%H:%M}-{start + timedelta(hours=2):%H:%M}")
    assert site.sync().code == 0
    assert cleared(terminal) if inside else untouched(terminal)


def test_without_delivery(terminal: Terminal, site: Site, front: Callable[..., None]) -> None:
    """A run that delivers nothing clears nothing, whatever was delivered before."""
    assert site.sync().code == 0
    front(clear="confirmed")
    assert site.sync("--no-deliver").code == 0
    assert untouched(terminal)
    assert site.sync().code == 0
    assert cleared(terminal)


def test_the_log_tells_what_came_of_it(terminal: Terminal, site: Site, front: Callable[..., None]) -> None:
    """With -v, as a service runs, a clearing is in the log like all else, and so is what went wrong."""
    front(clear="confirmed", timeout=0.5)
    told = site.sync("-v")
    (copy,) = copies(site)
    assert told.code == 0
    assert f"INFO    front: its log of {RECORDS} records was cleared; a copy is in {copy}\n" in told.err
    terminal.punch(terminal.users[0].user_id)
    terminal.faults = Faults(instead=(never(Command.REFRESHDATA),))
    told = site.sync("-v")
    assert told.code == 1
    assert "WARNING front: it was told to clear its log, and whether it did is not known" in told.err
    terminal.punch(terminal.users[1].user_id)
    terminal.faults = Faults(ignores_clear=True)
    told = site.sync("-v")
    assert told.code == 1
    assert "WARNING front: it says that it has cleared its log, and keeps it" in told.err
    told = site.sync("-v")
    assert told.code == 0
    assert "INFO    front: its log is not cleared: it said on " in told.err


# --- devices that do not do what they say ---


def test_a_device_that_ignores_clear(terminal: Terminal, site: Site, front: Callable[..., None]) -> None:
    """It is told once; `sync` never tries again by itself, and a person may."""
    terminal.faults = Faults(ignores_clear=True)
    front(clear="confirmed")
    first, second, third = site.sync(), site.sync(), site.sync()
    assert first.code == 1
    assert "it says that it has cleared its log, and keeps it" in first.err
    assert (second.code, second.err, third.code, third.err) == (0, "", 0, "")
    assert terminal.commands.count(Command.CLEAR_ATTLOG) == 1
    again = site.run(*CLEAR)
    assert again.code == 1
    assert "it says that it has cleared its log, and keeps it" in again.err
    assert terminal.commands.count(Command.CLEAR_ATTLOG) == 2
    terminal.faults = Faults()
    assert site.run(*CLEAR).code == 0
    assert cleared(terminal)


def test_a_device_that_ignores_disable(terminal: Terminal, site: Site, front: Callable[..., None]) -> None:
    """One that takes punches while it is disabled is told once, and cleared by a person or not at all."""
    terminal.faults = Faults(ignores_disable=True)
    minutes = iter(range(1, 10_000))

    def punch(_command: int) -> None:
        if terminal.disabled:
            moment = datetime(2026, 11, 22) + timedelta(minutes=next(minutes))
            terminal.punch(terminal.users[0].user_id, moment)

    terminal.before_command = punch
    front(clear="confirmed")
    first, second = site.sync(), site.sync()
    assert first.code == 1
    assert "it takes punches while it is disabled" in first.err
    assert (second.code, second.err) == (0, "")
    assert terminal.commands.count(Command.DISABLEDEVICE) == 1
    again = site.run(*CLEAR)
    assert again.code == 1
    assert "it takes punches while it is disabled" in again.err
    assert terminal.commands.count(Command.DISABLEDEVICE) == 2
    assert Command.CLEAR_ATTLOG not in terminal.commands
    terminal.before_command = None
    assert site.run(*CLEAR).code == 0
    assert cleared(terminal)


# --- the copy ---


@pytest.mark.usefixtures("address")
def test_the_copy(terminal: Terminal, site: Site) -> None:
    """It is for its owner alone, `decode` shows it, and `journal restore` proves the journal with it."""
    log = b"".join(terminal.log)
    assert site.run(*CLEAR).code == 0
    (copy,) = copies(site)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    assert raw_copy.load(copy).log == log
    decoded = without_inventory("decode", str(copy))
    assert f"a raw copy of {RECORDS} records of 40 bytes; its SHA-256 is right" in decoded
    proved = site.run("journal", "restore", str(copy))
    assert proved.code == 0
    assert f"{RECORDS} in the journal, 0 missing, 0 quarantined, 0 differ" in proved.out
    site.journal.unlink()
    assert site.run("journal", "restore", str(copy), "--write", "--yes").code == 0
    assert site.run("journal", "restore", str(copy)).out == proved.out


def without_inventory(*arguments: str) -> str:
    """Run a command that takes no inventory, and return what it prints."""
    command = [sys.executable, "-m", "zkpoll", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.usefixtures("address")
def test_old_copies_go(site: Site, front: Callable[..., None]) -> None:
    """On a host whose clock is right, the copies that are older than `keep_raw` go, and no others."""
    now = datetime.now(UTC).replace(microsecond=0)
    old, young = (
        save(
            folders(site.journal).raw_copies,
            RawCopy("front", SERIAL, now - timedelta(days=days), "UTC", 40, {}, b""),
        )
        for days in (11, 9)
    )
    front()
    assert "is begun anew" in site.sync().err  # copies without a journal tell of one
    front(more="keep_raw: 10d\n", clear="confirmed")
    with on_a_host(site):
        assert site.sync().code == 0
    assert not old.exists()
    assert young in copies(site)
    assert len(copies(site)) == 2


# --- when it goes wrong ---


@pytest.mark.usefixtures("address")
def test_a_full_disk(terminal: Terminal, site: Site, front: Callable[..., None]) -> None:
    """Where nothing more can be written once the log is read, the device is left as it is."""
    front(clear="confirmed")
    process: list[Any] = []

    def fill(command: int) -> None:
        if command == Command.PREPARE_BUFFER and terminal.commands.count(Command.CONNECT) == 2:
            resource.prlimit(process[0].pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    terminal.before_command = fill
    process.append(site.start("sync"))
    told = site.finish(process[0])
    assert told.code in {1, 74}
    assert "file too large" in told.err or "disk" in told.err
    assert untouched(terminal)
    assert list(folders(site.journal).raw_copies.iterdir()) == []
    terminal.before_command = None
    assert site.sync().code == 0
    assert cleared(terminal)


def test_a_device_that_a_killed_run_left_disabled(tmp_path: Path) -> None:
    """While it is off every run says that it may be disabled; the first that reaches it enables it first."""
    with World(tmp_path, KINDS["with room"]) as world:
        killed = killed_at(world, Command.CLEAR_ATTLOG)
        assert (killed.code, world.terminal.disabled) == (KILLED, True)
        world.terminal.before_command = None
        world.terminal.commands.clear()
        world.terminal.faults = Faults(mute=True)
        away, still = world.site.sync(), world.site.report()
        assert away.code == ExitCode.UNREACHABLE
        assert "device front: IT MAY STILL BE DISABLED, so that nobody can punch" in away.err
        assert still["maybe_disabled"] == ["front"]
        world.terminal.commands.clear()
        world.terminal.faults = Faults()
        back = world.site.sync("--json")
        assert back.document()["maybe_disabled"] == []
        assert world.terminal.commands[:2] == [Command.CONNECT, Command.ENABLEDEVICE]
        assert world.finish("back") == 0


def killed_at(world: World, command: int) -> Result:
    """Run `zkpoll sync`, killed when a command arrives."""
    world.write("confirmed", timeout=2)
    process: list[Any] = []

    def kill(one: int) -> None:
        if one == command:
            process[0].kill()

    world.terminal.before_command = kill
    process.append(world.site.start("sync"))
    result = world.site.finish(process[0])
    wait_for(lambda: not world.terminal.seats_taken)
    return result
