"""The journal's file as people treat it: called by other names, emptied, removed, replaced."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cli.bad_luck import check_the_last_word, wait_for
from tests.site import entry
from zkpoll.simulator import Faults, Terminal, serve

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


@contextmanager
def a_run_under_way(site: Site, dashboard: SampleDashboard) -> Iterator[subprocess.Popen[str]]:
    """Give a run that has delivered one terminal's punches, and waits for another terminal to answer."""
    with serve(Terminal.with_samples(20)) as up, serve(Terminal(faults=Faults(mute=True))) as mute:
        site.write(dashboard.url, entry("front", up), entry("mute", mute), timeout=30)
        process = site.start("sync")
        wait_for(lambda: len(dashboard.events) == 20)
        try:
            yield process
        finally:
            process.terminate()
            site.finish(process)


# --- other names ---


def test_runs_that_call_it_differently_meet(site: Site, dashboard: SampleDashboard) -> None:
    """A run that names the journal through a link leaves a terminal to the run that is at it already."""
    with a_run_under_way(site, dashboard):
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
