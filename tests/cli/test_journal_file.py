"""The journal's file as people treat it: called by other names, emptied, removed, replaced."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.cli.bad_luck import check_the_last_word
from tests.site import at_a_terminal, entry
from tests.waiting import wait_for
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Command, Faults, Terminal, serve

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


@contextmanager
def a_run_under_way(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, timeout: float = 30, **settings: str
) -> Iterator[subprocess.Popen[str]]:
    """Give a run that has delivered the punches of `terminal`, and waits for another one to answer."""
    with serve(terminal) as up, serve(Terminal(faults=Faults(mute=True))) as mute:
        site.write(dashboard.url, entry("front", up, **settings), entry("mute", mute), timeout=timeout)
        process = site.start("sync")
        wait_for(lambda: len(dashboard.events) == len(terminal.history))
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                site.finish(process)


# --- other names ---


def test_runs_that_call_it_differently_meet(site: Site, dashboard: SampleDashboard) -> None:
    """A run that names the journal through a link leaves a terminal to the run that is at it already."""
    with a_run_under_way(site, dashboard, Terminal.with_samples(20)):
        (site.folder / "link.db").symlink_to(site.journal)
        site.inventory.write_text(site.inventory.read_text().replace("journal.db", "link.db"))
        second = site.sync("--device", "mute")
    assert (second.code, second.err) == (75, "")
    assert sorted(path.name for path in site.folder.glob("link.db*")) == ["link.db"]


def test_a_hard_link_is_refused(site: Site, dashboard: SampleDashboard) -> None:
    """A second name of the file's own is told in one sentence, and nothing is read or sent."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 0
        (site.folder / "second.db").hardlink_to(site.journal)
        check_the_last_word(site.run("status"), 74, "has a second name (a hard link)", "-samefile")
        result = site.sync()
    assert result.code == 74
    assert "has a second name (a hard link)" in result.err
    assert len(result.err.splitlines()) == 1


# --- emptied, gone ---

ANEW = "journal.db was gone, and is begun anew"


@contextmanager
def a_site_that_was_read(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal that was read and delivered, and is up."""
    terminal = Terminal.with_samples(20)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first = site.sync()
        assert (first.code, first.out, first.err) == (0, "", "")  # a first journal is no news
        yield terminal


def lose(site: Site) -> None:
    """Remove the journal, and what SQLite has beside it."""
    for end in ("", "-wal", "-shm"):
        site.journal.with_name(site.journal.name + end).unlink(missing_ok=True)


@pytest.mark.parametrize("command", [["sync"], ["sync", "--dry-run"], ["status"], ["outbox", "list"]])
def test_an_empty_file_is_refused(site: Site, dashboard: SampleDashboard, command: list[str]) -> None:
    """A journal of no bytes is told with what to do, and neither begun anew nor read past."""
    with a_site_that_was_read(site, dashboard):
        lose(site)
        site.journal.touch()
        check_the_last_word(site.run(*command), 74, "is empty (0 bytes)", "restore a backup", "remove it")
    assert site.journal.stat().st_size == 0
    assert len(dashboard.requests) == 1


def test_a_new_journal_is_told_once(site: Site, dashboard: SampleDashboard) -> None:
    """A journal that is begun where there was one is told by the run that begins it, and not again."""
    with a_site_that_was_read(site, dashboard) as terminal:
        lose(site)
        check_the_last_word(site.run("status"), 74, "it is gone; restore a backup, or let")
        looked = site.sync("--dry-run")
        told, again = site.sync(), site.sync()
    assert looked.code == told.code == 1
    assert ANEW in looked.err
    assert told.err.startswith(f"zkpoll: journal: {site.folder / ANEW}: ")
    assert len(told.err.splitlines()) == 1
    assert (again.code, again.err) == (0, "")
    assert len(dashboard.events) == len(terminal.history)
    assert not dashboard.conflicts


def test_a_new_journal_is_told_by_whichever_run_can(site: Site, dashboard: SampleDashboard) -> None:
    """A journal that another command began, or a run that was stopped, is told by the next run."""
    with a_site_that_was_read(site, dashboard):
        lose(site)
        with open_journal(site.journal):
            pass
        document = site.report()
        assert document["exit_code"] == 1
        (told,) = document["untold"]
        assert told["subject"] == "journal"
        assert ANEW in told["text"]
        assert site.report()["untold"] == []


def test_a_new_journal_is_told_at_a_terminal(site: Site, dashboard: SampleDashboard) -> None:
    """A person who runs it by hand reads of it, too."""
    with a_site_that_was_read(site, dashboard):
        lose(site)
        code, shown = at_a_terminal(site, "sync")
    assert code == 1
    assert "is begun anew" in " ".join(shown.split())


def test_a_restored_backup_is_no_new_journal(site: Site, dashboard: SampleDashboard) -> None:
    """A copy that an operator puts in the journal's place goes on where it was, without a word."""
    copy = site.folder / "backup.db"
    with a_site_that_was_read(site, dashboard):
        assert site.run("journal", "backup", str(copy)).code == 0
        lose(site)
        copy.rename(site.journal)
        after = site.sync()
    assert (after.code, after.err) == (0, "")
    assert len(dashboard.requests) == 1


def test_a_part_that_is_left_is_not_mixed_in(site: Site, dashboard: SampleDashboard) -> None:
    """Where SQLite's log outlived the journal, a new journal would take it for its own: that is refused."""
    left = site.folder / "journal.db-wal"
    with a_site_that_was_read(site, dashboard):
        lose(site)
        left.write_bytes(b"x" * 5000)
        check_the_last_word(site.run("status"), 74, "it is gone")
        result = site.sync()
    assert result.code == 74
    assert f"a part of it, {left}, is left: put the journal back" in result.err
    assert left.stat().st_size == 5000
    assert not site.journal.exists()


# --- while a run is at it ---


@pytest.mark.parametrize("then", ["removed", "replaced by another file"])
def test_another_file_in_mid_run(site: Site, dashboard: SampleDashboard, then: str) -> None:
    """A run whose journal was taken from under it says so at its end, and clears no terminal."""
    terminal = Terminal.with_samples(20)
    with a_run_under_way(site, dashboard, terminal, timeout=2, clear="confirmed") as process:
        if then == "removed":
            lose(site)
        else:
            with open_journal(site.folder / "other.db"):
                pass
            (site.folder / "other.db").replace(site.journal)
        result = site.finish(process)
    assert result.code == 74, result.err
    assert f"the journal {site.journal} was {then} while zkpoll was at it" in result.err
    assert len(result.err.splitlines()) == 1
    assert len(terminal.log) == 20
    assert Command.CLEAR_ATTLOG not in terminal.commands
