"""The page as a file: `zkpoll status --html`, and `page:` in the inventory."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.look import look
from tests.peers import closed_port
from tests.site import entry
from tests.waiting import wait_for
from zkpoll.inventory import load
from zkpoll.reports.page.file import SteadyPage
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def test_status_writes_it(site: Site, dashboard: SampleDashboard) -> None:
    """To a file for its owner and group alone, or to stdout; it ends with the code of `status`."""
    path = site.folder / "page.html"
    with closed_port() as nobody:
        site.write(dashboard.url, entry("front", nobody))
        site.sync()
    before = site.run("status", "--html", str(path))
    assert (before.code, before.out, before.err) == (1, "", "")
    assert "1 thing needs you" in path.read_text()
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    after = site.run("status", "--html", str(path))
    assert (after.code, after.out, after.err) == (0, "", "")
    assert "1 terminal and 1 dashboard well" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    shown = site.run("status", "--html", "-")
    assert shown.code == 0
    assert shown.out.startswith("<!doctype html>")
    both = site.run("status", "--html", "-", "--json")
    assert both.code == 2
    assert "--html and --json exclude each other" in both.err


def test_where_it_cannot_be_written(site: Site, dashboard: SampleDashboard) -> None:
    """A sentence, and nothing is left."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    link = site.folder / "link"
    link.symlink_to("elsewhere")
    for path in (site.folder / "nowhere" / "page.html", link):
        result = site.run("status", "--html", str(path))
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(f"zkpoll: {path} cannot be written: ")
    assert not (site.folder / "elsewhere").exists()


def test_each_run_writes_it(site: Site, dashboard: SampleDashboard) -> None:
    """With what the run itself has told; a dry run writes nothing."""
    path = site.folder / "page.html"
    more = f"page: {{file: {path.name}}}\n"
    with serve(Terminal.with_samples(3)) as address, closed_port() as nobody:
        site.write(dashboard.url, entry("front", address), entry("back", nobody), more=more)
        site.sync("--dry-run")
        assert not path.exists()
        told = site.sync().err
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    (line,) = [line for line in told.splitlines() if "back" in line]
    sentence = line.removeprefix("zkpoll: device back: ")
    assert sentence in path.read_text()
    assert "Punches today" in path.read_text()
    assert site.report()["watchers"] == {"page": None}
    assert look(site.journal, "SELECT count(*) FROM punched_until") == [(1,)]


def test_a_page_that_cannot_be_written_fails_no_run(site: Site, dashboard: SampleDashboard) -> None:
    """It is told once, and that it ended; nothing else changes."""
    folder = site.folder / "www"
    more = f"page: {{file: {folder / 'page.html'}}}\n"
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address), more=more)
        begun, again = site.sync(), site.sync()
        assert (begun.code, again.code, again.err) == (0, 0, "")
        assert begun.err.startswith(f"zkpoll: page: {folder / 'page.html'} cannot be written: ")
        assert site.run("status").code == 1
        folder.mkdir()
        assert site.sync().err == "zkpoll: page: well again, after 0 min\n"
        site.write(dashboard.url, entry("front", address))
        assert (site.sync().err, site.run("status").code) == ("", 0)


def test_a_process_writes_it_again_and_again(site: Site, dashboard: SampleDashboard) -> None:
    """Beside its other work, in a thread of its own; where it cannot, it says why."""
    path = site.folder / "page.html"
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address), more=f"page: {{file: {path.name}}}\n")
        site.sync()
    steady = SteadyPage(load(site.inventory, site.environment))
    path.unlink()
    steady.look_after()
    wait_for(path.is_file)
    assert steady.problem is None
    assert "1 terminal and 1 dashboard well" in path.read_text()
    path.unlink()
    path.mkdir()

    def fails() -> bool:
        steady.look_after()
        return steady.problem is not None

    wait_for(fails)
    assert str(steady.problem).startswith(f"{path} cannot be written: ")


def test_a_site_without_it(site: Site) -> None:
    """Nothing is written, and what makes pages is not imported by a run."""
    site.write("http://127.0.0.1:9/", entry("front", ("127.0.0.1", 9)))
    code = (
        "import sys; from zkpoll.cli import zkpoll\n"
        f"zkpoll(['sync', '-c', {str(site.inventory)!r}], standalone_mode=False)\n"
        "sys.exit(bool({'jinja2', 'markupsafe'} & set(sys.modules)))"
    )
    environment = os.environ | site.environment
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["page.html", "macros.html", "style.css", "search.html"])
def test_templates_are_data_of_the_package(name: str) -> None:
    """They are where the package is, so that they are in its wheel."""
    from importlib.resources import files

    assert files("zkpoll.reports.page").joinpath("templates", name).is_file()
