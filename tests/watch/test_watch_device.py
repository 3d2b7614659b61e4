"""One device under watch: what it does with terminals that ring badly, and what is told of them."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from tests.look import inside, look
from tests.peers import closed_port
from tests.site import entry
from tests.waiting import wait_for
from tests.watch.watching import DISABLE, EXIT, arrived, is_registered, quick
from zkpoll.errors import JournalUnfit
from zkpoll.model.sums import Tally
from zkpoll.pull.doorbell import Doorbell
from zkpoll.simulator import Command, Faults, Model, Terminal, refuse, serve
from zkpoll.tasks.device_outcome import DeviceOutcome
from zkpoll.watch import settled

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

BEGAN: Final = datetime(2026, 11, 22, 8, 0)
SILENT: Final = "the terminal rings no bell when somebody punches; it is read every 0.2 s"


def punch(terminal: Terminal, number: int) -> None:
    """Let the n-th punch happen: each has a second of its own."""
    terminal.punch("7", BEGAN + timedelta(seconds=number))


MUTE: Final = (
    Faults(rings_no_bell=True),
    Faults(loses_every_bell=1),
    Faults(instead=(refuse(Command.REG_EVENT),)),
)


@pytest.mark.parametrize("faults", MUTE)
def test_one_that_rings_no_bell(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch, faults: Faults
) -> None:
    """It is read after each silence, and said to ring no bell: as advice, with a subject of its own."""
    with serve(terminal := Terminal.with_samples(2, faults=faults)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch) as watch:
            arrived(dashboard, 2)
            for number in range(3):
                seen = len(terminal.commands)
                wait_for(lambda seen=seen: len(terminal.commands) > seen + 6)  # type: ignore[misc]
                punch(terminal, number)
                arrived(dashboard, 3 + number)
            wait_for(lambda: bool(watch.outcomes[-1].advice()))
    last = watch.outcomes[-1]
    assert {subject: one.text for subject, one in last.advice().items()} == {"bell of front": SILENT}
    assert "bell of front" in last.subjects()
    assert (dict(last.troubles()), last.exit_code) == ({}, 0)


def test_one_that_rings_is_not_said_to_be_silent(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that loses some bells is read all the same, and nothing is said of it."""
    faults = Faults(loses_every_bell=2)
    with serve(terminal := Terminal.with_samples(2, faults=faults)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch) as watch:
            wait_for(lambda: is_registered(terminal))
            for number in range(6):
                punch(terminal, number)
                arrived(dashboard, 3 + number)
    assert not watch.outcomes[-1].advice()


def test_one_that_is_mute_after_a_restart(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that is dead on the other end is found by the next look, and begun anew."""
    faults = Faults(mute_after_restart=True)
    with serve(terminal := Terminal.with_samples(2, faults=faults)) as address:
        site.write(dashboard.url, entry("front", address), timeout=0.3)
        with quick(site, monkeypatch):
            wait_for(lambda: is_registered(terminal))
            terminal.restart()
            punch(terminal, 1)
            arrived(dashboard, 3)
    assert terminal.connections > 1


@pytest.mark.parametrize("command", [500, 1503])
def test_a_punch_in_between(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch, command: int
) -> None:
    """What is punched between reading and registering, or during a reading, waits for no silence."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address))

        def somebody_punches(received: int) -> None:
            if received == command and len(terminal.history) == expected - 1:
                punch(terminal, expected)

        expected = 3 if command == 500 else 4
        terminal.before_command = somebody_punches
        with quick(site, monkeypatch, look=30):
            if command == 1503:
                wait_for(lambda: is_registered(terminal))
                punch(terminal, 1)
            arrived(dashboard, expected)


def test_bells_that_never_end(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it rings, it is read once in so long, and what is new arrives."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch, look=30):
            wait_for(lambda: is_registered(terminal))
            before = terminal.commands.count(1503)
            for _ in range(50):
                terminal.ring(times=20)
            punch(terminal, 1)
            arrived(dashboard, 3)
    assert terminal.commands.count(1503) - before < 50


def test_a_seat_that_is_yielded(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With yield_seat: a terminal is read, told EXIT, and called again after that time."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address, yield_seat="5s"))
        with quick(site, monkeypatch):
            arrived(dashboard, 2)
            wait_for(lambda: terminal.seats_taken == 0 and terminal.commands[-1] == EXIT)
            assert 500 not in terminal.commands
            beside = site.sync()  # nobody is at it
            assert (beside.code, beside.err) == (0, "")


def test_its_log_is_cleared_when_due(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that is due is cleared after a silence, with proof, told once; and the watch goes on."""
    with serve(terminal := Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        with quick(site, monkeypatch) as watch:
            arrived(dashboard, 3)
            wait_for(lambda: not terminal.log)
            wait_for(lambda: any("was cleared" in one for one in watch.told()))
            assert not terminal.disabled
            punch(terminal, 1)
            arrived(dashboard, 4)
            wait_for(lambda: terminal.seats_taken == 1)
        assert sum("was cleared" in one for one in watch.told()) == 1
        assert terminal.commands.count(DISABLE) >= 1
        assert (terminal.disabled, look(site.journal, "SELECT count(*) FROM intent")) == (False, [(0,)])


def test_a_log_that_cannot_be_cleared_stays(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not confirmed stays on the terminal, and that it is not cleared is told while it lasts."""
    with closed_port() as nobody, serve(terminal := Terminal.with_samples(3)) as address:
        site.write(f"http://{nobody[0]}:{nobody[1]}", entry("front", address, clear="confirmed"))
        with quick(site, monkeypatch) as watch:
            wait_for(lambda: any("device front" in one.troubles() for one in watch.outcomes))
            told = len(watch.outcomes)
            wait_for(lambda: len(watch.outcomes) > told + 5)
        assert "device front" in watch.outcomes[-1].troubles()
    assert (len(terminal.log), DISABLE in terminal.commands) == (3, False)
    assert dashboard.events == {}


def test_idle_looks_write_no_more_and_more(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of looks that find nothing leave the journal as large as it was, and move the last reading."""

    def size() -> tuple[int, int]:
        return (
            look(site.journal, "PRAGMA page_count")[0][0],
            look(site.journal, "SELECT count(*) FROM form")[0][0],
        )

    with serve(terminal := Terminal.with_samples(20)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch, look=0.001, news=3600):
            arrived(dashboard, 20)
            wait_for(lambda: terminal.commands.count(1503) > 20)
            before, read_at = size(), look(site.journal, "SELECT max(read_at) FROM device")
            looks = terminal.commands.count(1503)
            wait_for(lambda: terminal.commands.count(1503) > looks + 200)
            assert size() == before
            assert look(site.journal, "SELECT max(read_at) FROM device") > read_at


def test_one_that_is_away_is_told_once(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does not answer that is its trouble at each telling; once it does, it is none."""
    terminal = Terminal.with_samples(2)
    with closed_port() as (host, port):
        site.write(dashboard.url, entry("front", (host, port)))
    with quick(site, monkeypatch) as watch:
        wait_for(lambda: len(watch.outcomes) > 5 and "device front" in watch.outcomes[-1].troubles())
        assert watch.outcomes[-1].exit_code == 69
        with serve(terminal, port=port):
            arrived(dashboard, 2)
            wait_for(lambda: not watch.outcomes[-1].troubles())
    assert watch.error is None


def test_a_notice_is_told_once(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An impossible record goes into quarantine; that is told by one telling, and the sum comes out."""
    with serve(terminal := Terminal.with_samples(5)) as address:
        terminal.append(b"\xff" * 40)
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch) as watch:
            arrived(dashboard, 5)
            wait_for(lambda: any("impossible" in one for one in watch.told()))
            told = len(watch.outcomes)
            wait_for(lambda: len(watch.outcomes) > told + 5)
        with_it = [one for one in watch.outcomes if any("impossible" in n.text for _, n in one.notices())]
        assert len(with_it) == 1
        assert all(one.difference == 0 for outcome in watch.outcomes for one in outcome.devices)


def test_a_journal_that_is_locked_for_a_while(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program has the journal nothing is lost; then all arrives."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch) as watch:
            arrived(dashboard, 2)
            with inside(site.journal) as other:
                other.execute("BEGIN IMMEDIATE")
                punch(terminal, 1)
                looked = terminal.commands.count(1503)
                wait_for(lambda: terminal.commands.count(1503) >= looked)
            arrived(dashboard, 3)
    assert watch.error is None


def test_a_journal_that_is_moved_away_ends_it(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A journal that is not in its place any more ends the watch, and is said to be the reason."""
    with serve(Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch) as watch:
            arrived(dashboard, 2)
            site.journal.rename(tmp_path / "elsewhere.db")
            wait_for(lambda: watch.error is not None)
    assert isinstance(watch.error, JournalUnfit)


def test_a_thread_that_fails_ends_all(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug outside of a reading is not waited for: the process ends with it, and says EXIT to the others."""

    def broken(_bell: Doorbell, _seconds: float) -> bool:
        raise ZeroDivisionError

    with serve(terminal := Terminal.with_samples(2)) as address, serve(
        other := Terminal.with_samples(1, model=Model(serial="B"))
    ) as beside:  # fmt: skip
        site.write(dashboard.url, entry("front", address), entry("back", beside))
        monkeypatch.setattr(Doorbell, "wait", broken)
        with quick(site, monkeypatch) as watch:
            wait_for(lambda: watch.error is not None)
    assert isinstance(watch.error, ZeroDivisionError)
    assert EXIT in (*terminal.commands[-1:], *other.commands[-1:])
    assert threading.active_count() < 30


def test_what_is_told_again_has_no_events() -> None:
    """Of a result that was told, its state stays, and its sum comes out; what happened is told no more."""
    before = DeviceOutcome(
        "front", "1.2.3.4:4370", tally=Tally(first_seen=3, quarantined=1, newly_quarantined=1)
    )
    after = settled(before)
    assert before.notices
    assert not after.notices
    assert (after.tally.records, after.difference) == (before.tally.records, 0)


def test_one_that_forgot_who_listens(
    site: Site, dashboard: SampleDashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a look finds what rang unheard, it is asked to ring once more: it may have forgotten."""
    with serve(terminal := Terminal.with_samples(2)) as address:
        site.write(dashboard.url, entry("front", address))
        with quick(site, monkeypatch, look=1):
            wait_for(lambda: is_registered(terminal))
            terminal._registered.clear()
            punch(terminal, 1)
            arrived(dashboard, 3)
            wait_for(lambda: terminal.commands.count(Command.REG_EVENT) == 2)
    assert terminal.connections == 1
