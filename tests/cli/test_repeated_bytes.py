"""Terminals whose clock restarts every day, or stands still: equal bytes that are other people's wages."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.look import look
from tests.site import entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Command, EnrolledUser, Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"
USERS = [EnrolledUser(slot, str(1000 + slot)) for slot in range(1, 13)]
DEAD_BATTERY = datetime(2000, 1, 1)
A_DAY = [(user.user_id, DEAD_BATTERY + timedelta(seconds=second)) for second, user in enumerate(USERS)]
"""A punch of everybody, second by second."""
CONFIRMED = "SELECT count(*) FROM outbox WHERE state = 'confirmed'"
STATES = "SELECT outbox.state, count(*) FROM outbox GROUP BY 1"
WITHOUT_NUMBERS = [8, 16, 22]


def terminal_of(layout: int) -> Terminal:
    """Return a terminal with an empty log."""
    return Terminal(model=Model(serial=SERIAL, layout=layout), users=list(USERS))


def a_day(terminal: Terminal, random: Random, begin: datetime) -> int:
    """Let everybody punch twice within the half minute after the clock restarted; return how many punched."""
    seconds = sorted(random.choices(range(30), k=2 * len(USERS)))
    people = random.sample(terminal.users, len(USERS)) + random.sample(terminal.users, len(USERS))
    for second, user in zip(seconds, people, strict=True):
        assert terminal.punch(user.user_id, begin + timedelta(seconds=second))
    return len(people)


def held(site: Site, why: str) -> list[tuple[str, str]]:
    """Return the id and user of each punch that is held for this reason."""
    found = json.loads(site.run("outbox", "list", "--held", "--json").out)
    return [(one["id"], one["user_id"]) for one in found if one["reason"] == why]


@pytest.mark.parametrize("layout", [*WITHOUT_NUMBERS, 40, 49])
def test_a_clock_that_restarts_every_day(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """Each punch of each day is in the journal, once; a person can send those that share their second."""
    random, punched, said = Random(layout), 0, ""
    terminal = terminal_of(layout)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for _ in range(8):
            punched += a_day(terminal, random, DEAD_BATTERY)
            result = site.sync("--full") if random.random() < 0.5 else site.sync()
            said += result.err
    assert look(site.journal, "SELECT count(*), count(DISTINCT id) FROM punch") == [(punched, punched)]
    states = dict(look(site.journal, STATES))
    assert states["confirmed"] + states["held"] == punched
    assert len(dashboard.events) == states["confirmed"]
    waiting = held(site, "same second")
    assert len(waiting) == states["held"]
    if layout in WITHOUT_NUMBERS:
        assert "share a second with another of the same person; the terminal's clock restarts" in said
    assert site.run("outbox", "retry", "--id", waiting[0][0]).code == 0
    site.sync()
    assert waiting[0][0] in dashboard.events


@pytest.mark.parametrize("layout", [*WITHOUT_NUMBERS, 40, 49])
@pytest.mark.parametrize("when", [Command.DISABLEDEVICE, Command.REFRESHDATA])
def test_a_log_that_nobody_saw_empty(
    site: Site, dashboard: SampleDashboard, layout: int, when: Command
) -> None:
    """Where a run was killed while it cleared a log, the log's next records tell whether they are new."""
    terminal = terminal_of(layout)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        for user, moment in A_DAY:
            terminal.punch(user, moment)
        process = site.start("sync")
        terminal.before_command = lambda command: process.kill() if command == when else None
        assert site.finish(process).code == -signal.SIGKILL
        terminal.before_command = None
        terminal.restart()
        if not terminal.log:
            terminal.history.clear()  # it numbers its records from 1 again
        for user, moment in A_DAY[:8]:
            assert terminal.punch(user, moment)
        site.write(dashboard.url, entry("front", address))
        site.sync()
        site.sync("--full")
    assert look(site.journal, "SELECT count(*), count(DISTINCT id) FROM punch") == [(20, 20)]


@pytest.mark.parametrize("layout", WITHOUT_NUMBERS)
def test_a_cleared_log_had_every_punch(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """A log is cleared when each of its records is known as often as it shows them; its copy proves that."""
    random, punched = Random(layout), 0
    terminal = terminal_of(layout)
    with serve(terminal) as address:
        for day in range(4):
            punched += a_day(terminal, random, DEAD_BATTERY)
            clear = {"clear": "confirmed"} if day in {1, 3} else {}
            site.write(dashboard.url, entry("front", address, **clear))
            site.sync()
            assert len(terminal.log) == (0 if clear else punched if day == 0 else punched // 3)
    assert look(site.journal, "SELECT count(*) FROM punch") == [(punched,)]
    copies = sorted(path for path in (site.folder / "journal.db.raw").rglob("*") if path.is_file())
    assert len(copies) == 2
    for copy in copies:
        proof = site.run("journal", "restore", str(copy))
        assert (proof.code, "0 missing" in proof.out) == (0, True), proof
    site.journal.unlink()
    assert site.run("journal", "restore", str(copies[0]), "--write", "--yes").code == 0
    assert look(site.journal, "SELECT count(*) FROM punch") == [(punched // 2,)]


@pytest.mark.parametrize("layout", [*WITHOUT_NUMBERS, 40, 49])
def test_a_punch_between_the_reading_and_the_clearing(
    site: Site, dashboard: SampleDashboard, layout: int
) -> None:
    """A punch that came since a log was read keeps it from being cleared, also where its bytes are known."""
    terminal = terminal_of(layout)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        for user, moment in A_DAY:
            terminal.punch(user, moment)
        site.sync()
        assert not terminal.log
        terminal.history.clear()  # it numbers its records from 1 again
        terminal.punch(*A_DAY[0])
        terminal.commands.clear()

        def punch(command: int) -> None:
            if command == Command.CONNECT and command in terminal.commands and len(terminal.log) == 1:
                terminal.punch(*A_DAY[1])

        terminal.before_command = punch
        report = site.report()
        assert len(terminal.log) == 2
        assert report["devices"][0]["clearing"]["fate"] == "changed"
        site.sync()
        assert not terminal.log
    punched = len(A_DAY) + 2
    assert look(site.journal, "SELECT count(*), count(DISTINCT id) FROM punch") == [(punched, punched)]


def test_a_press_that_is_stored_twice(site: Site, dashboard: SampleDashboard) -> None:
    """Where the clock is believable, an equal record is kept and held quietly; by its id it goes out."""
    terminal = terminal_of(16)
    moment = datetime(2026, 11, 20, 8)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        for second in (0, 0, 5):
            terminal.punch("1001", moment + timedelta(seconds=second))
        report = site.report()
        again = site.sync("--full")
        terminal.punch("1001", moment)
        last = site.report()
        twice, thrice = held(site, "exact repeat")
        site.run("outbox", "retry", "--id", thrice[0])
        site.sync()
    assert (report["exit_code"], report["devices"][0]["notices"], again.err) == (0, [], "")
    reading = report["sums"]["reading"]
    assert (reading["first_seen"], reading["exact_repeats"], reading.pop("records")) == (2, 1, 3)
    assert sum(reading.values()) == 3
    assert last["sums"]["reading"]["exact_repeats"] == 1
    ids = [punch_id(SERIAL, "1001", moment.isoformat(), nth) for nth in (1, 2, 3)]
    assert [twice[0], thrice[0]] == ids[1:]
    assert dashboard.events.keys() == {ids[0], ids[2], punch_id(SERIAL, "1001", "2026-11-20T08:00:05")}


@pytest.mark.parametrize("layout", [*WITHOUT_NUMBERS, 40, 49])
def test_reading_again_makes_nothing_new(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """Whole readings, a lost journal tail or another order of visits double nothing."""
    random = Random(layout)
    terminal = terminal_of(layout)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        punched = sum(a_day(terminal, random, DEAD_BATTERY) for _ in range(3))
        site.sync()
        for wipe in ("", "DELETE FROM watermark", "UPDATE watermark SET records = records - 9, tail = x'00'"):
            look(site.journal, wipe)
            for arguments in ((), ("--full",)):
                assert site.sync(*arguments).code in {0, 1}
                assert look(site.journal, "SELECT count(*) FROM punch") == [(punched,)]


@pytest.mark.parametrize("layout", [16, 40])
def test_what_was_put_back_is_known(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """A journal from a backup, with a raw copy put back, takes no record behind its end for a new one."""
    random, terminal = Random(layout), terminal_of(layout)
    with serve(terminal) as address:
        punched = a_day(terminal, random, DEAD_BATTERY)
        site.write(dashboard.url, entry("front", address))
        site.sync()
        backup = site.folder / "backup.db"
        assert site.run("journal", "backup", str(backup)).code == 0
        punched += a_day(terminal, random, DEAD_BATTERY)
        log = list(terminal.log)
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        site.sync()
        (copy,) = (site.folder / "journal.db.raw").iterdir()
        terminal.log.extend(log)  # as where the terminal lost its memory of having been cleared
        backup.replace(site.journal)
        assert site.run("journal", "restore", str(copy), "--write", "--yes").code == 0
        site.write(dashboard.url, entry("front", address))
        site.sync()
    assert look(site.journal, "SELECT count(*), count(DISTINCT id) FROM punch") == [(punched, punched)]


@pytest.mark.parametrize("layout", [16, 40])
def test_a_repaired_terminal_shows_what_is_known(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """What it showed under its new number is its own by now: nothing behind its old end is new."""
    random, terminal = Random(layout), terminal_of(layout)
    with serve(terminal) as address:
        punched = a_day(terminal, random, DEAD_BATTERY)
        site.write(dashboard.url, entry("front", address))
        site.sync()
        terminal.model = replace(terminal.model, serial="NEW1")
        punched += a_day(terminal, random, DEAD_BATTERY)
        assert site.sync().code == 1
        assert site.run("devices", "accept", "front", "--same-terminal").code == 0
        site.sync()
        punched += a_day(terminal, random, DEAD_BATTERY)
        site.sync()
    of_it = (
        "SELECT count(*), count(DISTINCT id) FROM punch WHERE device = (SELECT id FROM device WHERE name = ?)"
    )
    assert look(site.journal, of_it, ("front",)) == [(punched, punched)]
    assert [(len(dashboard.events),)] == look(site.journal, CONFIRMED)
