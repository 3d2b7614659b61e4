"""What `zkpoll sync` tells of things that happen once, and of clocks."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.journal.helpers import START, line, push
from tests.pull.devices import read_at
from tests.site import at_a_terminal, entry
from zkpoll.journal.opening import open_journal
from zkpoll.model.punch import punch_id
from zkpoll.pull.host_clock import synchronised
from zkpoll.simulator import Command, Faults, HttpAnswer, Model, Terminal, cut, refuse, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"
UTC = ZoneInfo("UTC")
CLOCK = "{set_when_off_by: 30s}"
OLD_TIMES = datetime(2026, 11, 1, 8)


def ids_of(terminal: Terminal) -> set[str]:
    """Return the ids of every punch a terminal ever took."""
    return {punch_id(SERIAL, record.user_id, record.time.isoformat()) for record in terminal.history}


def punch(terminal: Terminal, times: int) -> None:
    """Let the same person punch, a minute apart, later each time."""
    for _ in range(times):
        terminal.punch("1001", OLD_TIMES + timedelta(minutes=len(terminal.history)))


def off_by(terminal: Terminal, seconds: float) -> None:
    """Let the terminal's clock be ahead of the true time."""
    terminal.set_clock(datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=seconds))


# --- what happened to a log ---


def test_a_log_that_somebody_else_cleared(site: Site, dashboard: SampleDashboard) -> None:
    """A log that was cleared between two visits is told of once, and is no failure."""
    terminal = Terminal.with_samples(30)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
        terminal.clear()
        punch(terminal, 4)
        told, again = site.sync(), site.sync()
    assert (told.code, told.out) == (0, "")
    assert told.err == (
        "zkpoll: device front: its log was cleared or shortened since the last visit: "
        "30 records then, 4 now\n"
    )
    assert (again.code, again.err) == (0, "")
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_log_that_is_handed_out_once(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal that gives each record to the first who asks is told of once, and nothing is a failure."""
    terminal = Terminal.with_samples(30)
    terminal.faults = Faults(hands_out_once=True)
    told = []
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for new in (0, 0, 3, 5, 0, 8, 0):
            punch(terminal, new)
            asked = len(terminal.commands)
            assert site.run("devices", "ping").code == 0  # what it took would be gone
            assert Command.PREPARE_BUFFER not in terminal.commands[asked:]
            told.append(site.sync())
    assert [one.code for one in told] == [0] * 7
    assert "".join(one.err for one in told) == (
        "zkpoll: device front: it laid out 3 of the 33 records that it counts, and none of the last known "
        "ones: it hands out each record once\n"
    )
    assert dashboard.events.keys() == ids_of(terminal)


def test_what_is_handed_out_once_is_not_asked_for_in_vain(site: Site, dashboard: SampleDashboard) -> None:
    """While the journal cannot be written to, the records stay with the terminal."""
    terminal = Terminal.with_samples(30)
    terminal.faults = Faults(hands_out_once=True)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for _ in range(2):
            site.sync()
            punch(terminal, 2)
        site.sync()
        punch(terminal, 2)
        with closing(sqlite3.connect(site.journal)) as db:
            for table, does in (("device", "UPDATE"), ("punch", "INSERT")):
                fails = f"BEFORE {does} ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
                db.execute(f"CREATE TRIGGER full_{table} {fails}")
        assert site.sync().code != 0
        with closing(sqlite3.connect(site.journal)) as db:
            for table in ("device", "punch"):
                db.execute(f"DROP TRIGGER full_{table}")
        assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_what_another_program_was_handed_out_is_missed(site: Site, dashboard: SampleDashboard) -> None:
    """Where a terminal counts more than was known and is laid out, a person is told how many are missing."""
    terminal = Terminal.with_samples(30)
    terminal.faults = Faults(hands_out_once=True)
    told = []
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for new, taken in ((0, 0), (3, 0), (2, 4), (1, 1), (2, 0)):
            punch(terminal, taken)
            if taken:
                read_at(address)  # by somebody else
            punch(terminal, new)
            told.append(site.sync())
        site.sync()
    assert [one.code for one in told] == [0, 0, 1, 1, 0]
    assert "4 RECORDS ARE MISSING" in told[2].err
    assert "1 RECORD IS MISSING" in told[3].err
    assert told[4].err == ""
    assert len(dashboard.events) == 30 + 8


def test_a_dry_run_takes_nothing_that_is_handed_out_once(site: Site, dashboard: SampleDashboard) -> None:
    """What a terminal shows once is left for the run that keeps it."""
    terminal = Terminal.with_samples(30)
    terminal.faults = Faults(hands_out_once=True)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for _ in range(2):
            site.sync()
            punch(terminal, 2)
        site.sync()
        punch(terminal, 2)
        dry = site.sync("--dry-run")
        assert (dry.code, dry.out) == (1, "")
        assert "it hands out each record once, and a dry run would have what the next run needs" in dry.err
        assert site.sync().code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_log_that_is_laid_out_empty(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal that counts records and gives none is a failure, told once; status and ping say it, too."""
    terminal = Terminal.with_samples(150)
    terminal.faults = Faults(lays_out_nothing=True, instead=(refuse(Command.ATTLOG_RRQ),))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        told = site.sync()
        punch(terminal, 1)
        again = site.sync()
        status, ping = site.run("status"), site.run("devices", "ping")
        terminal.faults = Faults(lays_out_nothing=True)
        well = site.sync()
    words = "records and lays out an empty log (the device answers command 13 with 2001): restart it"
    assert f"front: the terminal counts 150 {words}" in told.err
    assert (told.code, again.code, again.err) == (1, 1, "")
    assert status.code == 1
    assert f"trouble  device front: the terminal counts 150 {words}" in status.out
    assert ping.code == 1
    assert f"151 of 100,000, <1 %: the terminal counts 151 {words}" in ping.out
    assert well.code == 0
    assert dashboard.events.keys() == ids_of(terminal)


def test_a_log_that_goes_round(site: Site, dashboard: SampleDashboard) -> None:
    """A full log is told once while it drops its oldest, and loudly when something was dropped unseen."""
    terminal = Terminal(Model(capacity=30, when_full="drop"))
    punch(terminal, 30)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        full = site.sync()
        punch(terminal, 25)
        wrapped = site.sync()
        assert dashboard.events.keys() == ids_of(terminal)
        punch(terminal, 31)
        overwritten, again = site.sync(), site.sync()
    assert full.code == 1
    assert full.err.startswith("zkpoll: device front: its log is full (30 records): ")
    assert (wrapped.code, wrapped.err) == (1, "")
    assert overwritten.code == 1
    assert "RECORDS WERE OVERWRITTEN UNSEEN" in overwritten.err
    assert len(overwritten.err.splitlines()) == 1
    assert (again.code, again.err) == (1, "")
    assert len(dashboard.events) == len(terminal.history) - 1


def test_what_was_pushed_is_not_found_again(site: Site, dashboard: SampleDashboard) -> None:
    """A log that went round unseen is told of loudly, though the terminal has pushed what is left of it."""
    terminal = Terminal(Model(capacity=30, when_full="drop"))
    punch(terminal, 30)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
        punch(terminal, 40)
        left = terminal.history[-len(terminal.log) :]
        seconds = [(record.time - START) // timedelta(seconds=1) for record in left]
        with open_journal(site.journal) as journal:
            push(journal, *(line("1001", second) for second in seconds), name="front", key=SERIAL)
        overwritten = site.sync()
    assert "RECORDS WERE OVERWRITTEN UNSEEN" in overwritten.err
    assert len(dashboard.events) == 30 + len(left)


def test_a_log_that_went_round_before_a_visit_broke_off(site: Site, dashboard: SampleDashboard) -> None:
    """What a visit found that broke off behind the log's end is told by the next one, once."""
    terminal = Terminal(Model(capacity=60, when_full="drop", inline_limit=0))
    punch(terminal, 40)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, warn_full="never"))
        first = site.sync()
        punch(terminal, 70)
        del terminal.log[:5]
        terminal.faults = Faults(instead=(cut(Command.FREE_DATA, times=1),))
        broken, told, again = site.sync(), site.sync(), site.sync()
    assert (first.code, first.err) == (0, "")
    assert broken.code == 1
    assert "OVERWRITTEN" not in broken.err
    assert told.code == 1
    assert "device front: its log shares no record with the last reading: " in told.err
    assert "RECORDS WERE OVERWRITTEN UNSEEN" in told.err
    assert (again.code, again.err) == (0, "")


# --- the device's clock ---


def test_drift_is_shown(site: Site, dashboard: SampleDashboard) -> None:
    """How far a clock is off is in the JSON and on a person's screen; nobody sets it unasked."""
    terminal = Terminal.with_samples(5)
    off_by(terminal, -100)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        document = site.report()
        code, shown = at_a_terminal(site, "sync", columns=200)
    assert document["devices"][0]["drift"] == pytest.approx(-100, abs=3)
    assert document["devices"][0]["ok"]
    assert code == 0
    assert any(f"clock -{seconds} s" in shown for seconds in range(97, 104))
    assert Command.SET_TIME not in terminal.commands


@pytest.mark.skipif(synchronised() is True, reason="this host's clock is synchronised")
def test_a_clock_that_this_host_may_not_set(site: Site, dashboard: SampleDashboard) -> None:
    """On a host whose own clock is doubtful no clock is set: why is told once, while it lasts."""
    terminal = Terminal.with_samples(5)
    off_by(terminal, 90)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clock=CLOCK))
        first, second = site.sync(), site.sync()
        off_by(terminal, 10)  # by hand
        third = site.sync()
    assert (first.code, first.out) == (1, "")
    assert "its clock is 90 s ahead and was not set: " in first.err.replace("89 s", "90 s").replace(
        "91 s", "90 s"
    )
    assert "this host's clock is" in first.err
    assert len(first.err.splitlines()) == 1
    assert (second.code, second.err) == (1, "")
    assert (third.code, third.err) == (0, "zkpoll: device front: well again, after 0 min\n")
    assert Command.SET_TIME not in terminal.commands
    assert dashboard.events.keys() == ids_of(terminal)  # the reading is safe all the same


@pytest.mark.skipif(synchronised() is not True, reason="this host's clock is not synchronised")
def test_a_clock_that_is_set(site: Site, dashboard: SampleDashboard) -> None:
    """A clock that is off by more than the limit is set after the reading, told once, and is no failure."""
    terminal = Terminal.with_samples(5)
    off_by(terminal, 90)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clock=CLOCK))
        first, second = site.sync(), site.sync()
    assert first.code == 0
    assert "and was set" in first.err
    assert (second.code, second.err) == (0, "")
    assert abs(terminal.now() - datetime.now(UTC).replace(tzinfo=None)) < timedelta(seconds=5)


def test_a_clock_that_is_hours_off_is_never_set(site: Site, dashboard: SampleDashboard) -> None:
    """Three hours are a wrong zone, not a slow clock: whatever this host is, the clock is left alone."""
    terminal = Terminal.with_samples(5)
    off_by(terminal, 3 * 3600)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clock=CLOCK))
        device = site.report()["devices"][0]
    assert not device["ok"]
    assert "was not set" in device["problem"]
    assert Command.SET_TIME not in terminal.commands


def test_a_dry_run_sets_no_clock(site: Site, dashboard: SampleDashboard) -> None:
    """A dry run shows how far a clock is off, and neither sets it nor says that it should be."""
    terminal = Terminal.with_samples(5)
    off_by(terminal, 90)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clock=CLOCK))
        document = site.report("--dry-run")
    assert document["exit_code"] == 0
    assert document["devices"][0]["drift"] == pytest.approx(90, abs=3)
    assert Command.SET_TIME not in terminal.commands


# --- whatever others say, on a person's screen ---


def test_brackets_on_a_screen(site: Site, dashboard: SampleDashboard) -> None:
    """Names and a dashboard's own words are shown as they are, whatever markup they look like."""
    dashboard.answers.extend([HttpAnswer(422, b"no [/b] such [red]employee")] * 50)
    with serve(Terminal.with_samples(5)) as address:
        site.write(dashboard.url, entry("'[bold]front[/x]'", address))
        code, shown = at_a_terminal(site, "sync", columns=200)
    assert code == 1
    assert "Traceback" not in shown
    assert "[bold]front[/x]" in shown
    assert "no [/b] such [red]employee" in " ".join(shown.split())  # a window may break it anywhere
