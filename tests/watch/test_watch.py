"""`zkpoll watch` as people run it: a real process, terminals on sockets, a dashboard."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.look import look
from tests.serve.serving import GATE, serving, write
from tests.site import TOKEN, entry
from tests.waiting import wait_for
from tests.watch.watching import DISABLE, ENABLE, EXIT, EndedError, Watching, arrived, is_registered, watching
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Faults, HttpAnswer, Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site

BEGAN: Final = datetime(2026, 11, 22, 8, 0)


def punch(terminal: Terminal, number: int) -> None:
    """Let the n-th punch happen: each has a second of its own."""
    terminal.punch("7", BEGAN + timedelta(seconds=number))


def test_a_punch_is_there_at_once(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal that rings is read at each punch in one session, not disabled, and told EXIT at the end."""
    with serve(terminal := Terminal.with_samples(5)) as address:
        site.write(dashboard.url, entry("front", address))
        with watching(site) as watch:
            assert watch.lines == ["watching 1 device\n"]
            wait_for(lambda: is_registered(terminal))
            for number in range(3):
                punch(terminal, number)
                arrived(dashboard, 6 + number)
            assert watch.stop() == 0
        assert (terminal.connections, terminal.commands[-1]) == (1, EXIT)
        assert not {DISABLE, ENABLE, 15} & set(terminal.commands)
    assert len(watch.lines) == 1


@pytest.mark.parametrize("when", [1, 2, 3])
def test_killed_in_a_reading(site: Site, dashboard: SampleDashboard, when: int) -> None:
    """Killed while it reads, a watch loses nothing and sends nothing twice; the next one goes on."""
    with serve(terminal := Terminal.with_samples(5)) as address:
        site.write(dashboard.url, entry("front", address))
        running: list[Watching] = []
        seen = 0

        def kill(command: int) -> None:
            nonlocal seen
            seen += command == 1503
            if seen == when and running:
                running[0].process.kill()

        process = site.start("watch")
        running.append(Watching(process))
        terminal.before_command = kill
        wait_for(lambda: terminal.seats_taken == 1 or process.poll() is not None)
        number = 0

        def is_over() -> bool:
            return process.poll() is not None or len(dashboard.events) >= 5 + number

        while process.poll() is None:
            punch(terminal, number)
            number += 1
            wait_for(is_over)
        running[0].end()
        terminal.before_command = None
        wait_for(lambda: terminal.seats_taken == 0)
        punch(terminal, number)
        with watching(site):
            wait_for(lambda: len(dashboard.events) == 6 + number)
            # A request that nobody heard the answer of is sent again, as it was.
            assert not dashboard.conflicts


def test_signals_end_it(site: Site, dashboard: SampleDashboard) -> None:
    """SIGHUP, SIGINT and SIGTERM end it with 0, and the terminal hears EXIT."""
    with serve(terminal := Terminal.with_samples(1)) as address:
        site.write(dashboard.url, entry("front", address))
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            with watching(site) as watch:
                wait_for(lambda: terminal.seats_taken == 1)
                os.kill(watch.process.pid, number)
                assert watch.process.wait(timeout=40) == 0
            assert terminal.commands[-1] == EXIT


def test_a_terminal_that_restarts(site: Site, dashboard: SampleDashboard) -> None:
    """One that hangs up is called again, and what was punched meanwhile arrives."""
    with serve(terminal := Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        with watching(site) as watch:
            wait_for(lambda: is_registered(terminal))
            terminal.faults = Faults(cuts_every_bell=1)
            punch(terminal, 1)
            terminal.faults = Faults()
            punch(terminal, 2)
            arrived(dashboard, 5)
        assert len(watch.lines) == 1


def test_a_device_left_disabled_is_enabled_first(site: Site, dashboard: SampleDashboard) -> None:
    """Where a run wrote down that it disables a device, a watch enables it before all else."""
    with serve(terminal := Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        with open_journal(site.journal) as journal:
            Clearance(journal, str(terminal.model.serial)).intend()
        terminal.disabled = True
        with watching(site):
            wait_for(lambda: not terminal.disabled)
            punch(terminal, 1)
            arrived(dashboard, 4)
        assert DISABLE not in terminal.commands


def test_a_second_watch_says_so(site: Site, dashboard: SampleDashboard) -> None:
    """A second watch of the same devices ends with 75 and a sentence; one of others has these."""
    with serve(Terminal.with_samples(1, model=Model(serial="A"))) as one, serve(
        Terminal.with_samples(2, model=Model(serial="B"))
    ) as two:  # fmt: skip
        site.write(dashboard.url, entry("front", one), entry("back", two))
        with watching(site, "--device", "front"):
            second = site.run("watch", "--device", "front")
            assert (second.code, second.out) == (75, "")
            assert second.err == f"zkpoll: another `zkpoll watch` has front (journal {site.journal})\n"
            with watching(site) as other:
                assert other.lines[0] == "watching 1 device; another `zkpoll watch` has front\n"
                arrived(dashboard, 3)


def test_sync_beside_it_says_nothing(site: Site, dashboard: SampleDashboard) -> None:
    """A run from cron beside a watch mails nothing: 75 where all is watched, else it does the rest."""
    with serve(terminal := Terminal.with_samples(5)) as one, serve(
        Terminal.with_samples(2, model=Model(serial="B"))
    ) as two:  # fmt: skip
        site.write(dashboard.url, entry("front", one), entry("back", two))
        with watching(site, "--device", "front"):
            arrived(dashboard, 5)
            alone = site.sync("--device", "front")
            assert (alone.code, alone.out, alone.err) == (75, "", "")
            both = site.sync()
            assert (both.code, both.out, both.err) == (0, "", "")
            punch(terminal, 1)
            arrived(dashboard, 8)
            status = site.run("status", "--json").document()
            assert (status["watching"], status["attention"]) == (True, False)
            assert "`zkpoll watch` runs" in site.run("status").out
        assert site.run("status", "--json").document()["watching"] is False


def test_serve_delivers_what_a_watch_brings(site: Site, dashboard: SampleDashboard) -> None:
    """A `zkpoll serve` beside a watch that sends nothing finds what that journals."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        write(site, dashboard.url, (GATE, entry("front", address)))
        with serving(site), watching(site, "--no-deliver") as watch:
            assert watch.lines == ["watching 1 device; not gate, which calls `zkpoll serve`\n"]
            wait_for(lambda: is_registered(terminal))
            punch(terminal, 1)
            arrived(dashboard, 3)


def test_both_doors_in_one_process(site: Site, dashboard: SampleDashboard) -> None:
    """`zkpoll serve --watch` takes what is pushed, reads what rings, and delivers both."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        write(site, dashboard.url, (GATE, entry("front", address)))
        with serving(site, "--watch") as both:
            assert both.push("7\t2026-11-22 08:00:00\t0\t1").status == 200
            wait_for(lambda: is_registered(terminal))
            punch(terminal, 1)
            arrived(dashboard, 4)
            assert site.run("watch").code == 75
            assert (site.sync().code, both.lines) == (75, [])
        assert terminal.commands[-1] == EXIT


def test_a_dashboard_that_is_away(site: Site) -> None:
    """While a dashboard is away terminals are read on; when it is back it gets all of it, once."""
    with serve(terminal := Terminal.with_samples(2)) as address, SampleDashboard(TOKEN) as dashboard:
        site.write(dashboard.url, entry("front", address))
        dashboard.answers.append(HttpAnswer(503))
        with watching(site):
            wait_for(lambda: is_registered(terminal))
            punch(terminal, 1)
            wait_for(lambda: look(site.journal, "SELECT count(*) FROM punch")[0][0] == 3)
            assert not dashboard.events
            arrived(dashboard, 3)


def test_what_is_not_watched_is_said(site: Site, dashboard: SampleDashboard) -> None:
    """What is switched off is named in the first line; with nothing to watch it ends with 78."""
    with serve(Terminal.with_samples(1)) as address:
        site.write(dashboard.url, entry("front", address), entry("old", ("127.0.0.1", 9), enabled="false"))
        with watching(site) as watch:
            assert watch.lines == ["watching 1 device; not old, switched off (enabled: false)\n"]
        site.write(dashboard.url, entry("old", ("127.0.0.1", 9), enabled="false"))
        nothing = site.run("watch")
        assert nothing.code == 78
        assert "nothing to watch" in nothing.err
    with pytest.raises(EndedError):
        Watching(site.start("watch"))


@pytest.mark.long
def test_thirty_terminals(site: Site, dashboard: SampleDashboard) -> None:
    """Thirty terminals have a thread each, and each punch arrives, once, however all punch at once."""
    terminals = [Terminal.with_samples(1, model=Model(serial=f"S{number}")) for number in range(30)]
    with ExitStack() as stack:
        entries = [
            entry(f"door-{number}", stack.enter_context(serve(one))) for number, one in enumerate(terminals)
        ]
        site.write(dashboard.url, *entries)
        with watching(site):
            wait_for(lambda: all(map(is_registered, terminals)), 60)
            for number in range(3):
                for terminal in terminals:
                    punch(terminal, number)
                arrived(dashboard, 30 * (2 + number))
        assert {one.connections for one in terminals} == {1}
