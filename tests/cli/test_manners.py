"""Options that all commands share, or several: where the inventory stands, how much is said, former names."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.peers import closed_port
from tests.site import at_a_terminal, entry
from zkpoll.simulator import Terminal, serve

if TYPE_CHECKING:
    from tests.site import Result, Site
    from zkpoll.simulator import SampleDashboard


def plain(site: Site, *arguments: str) -> Result:
    """Run `zkpoll` with these words alone."""
    start = [*site.zkpoll, *arguments]
    pipe = subprocess.PIPE
    process = site.popen(start, stdout=pipe, stderr=pipe, text=True, env=os.environ | site.environment)
    return site.finish(process)


def test_the_inventory_before_or_behind(site: Site, dashboard: SampleDashboard) -> None:
    """-c stands in front of a command or behind it, and in front it wins over the environment; not two."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    here, said = str(site.inventory), f"{site.inventory}: 1 device, 1 dashboard, no mistakes\n"
    site.environment["ZKPOLL_CONFIG"] = "/nowhere/devices.yaml"
    assert plain(site, "-c", here, "config", "check").out == said
    assert plain(site, "config", "check", "-c", here).out == said
    assert plain(site, "--config", here, "config", "check", "-c", here).out == said
    two = plain(site, "-c", here, "config", "check", "-c", "other.yaml")
    assert two.code == 2
    assert f"-c says {here} before the command and other.yaml behind it; say one" in two.err
    assert plain(site, "config", "check").code == 78


def test_the_report_and_silence(site: Site, dashboard: SampleDashboard) -> None:
    """--report prints in a pipe what a person sees, and -q on a terminal what failed; both is wrong usage."""
    with serve(Terminal.with_samples(3)) as front, closed_port() as away:
        site.write(dashboard.url, entry("front", front), entry("away", away))
        report, cron = site.sync("--report"), site.sync()
        code, screen = at_a_terminal(site, "sync", "-q")
        well = at_a_terminal(site, "sync", "-q", "--device", "front")
    assert (report.code, report.err, code) == (1, "", 1)
    assert report.out.splitlines()[0].split()[:2] == ["front", "ok"]
    assert report.out.splitlines()[1].split()[:2] == ["away", "failed"]
    assert "\n1 of 2 devices read, " in report.out
    assert cron.err.startswith("zkpoll: device away: ")  # nobody had been told on stderr
    assert screen.split()[:2] == ["away", "failed"]
    assert "devices read" not in screen
    assert well == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        "sync -q --report",
        "sync -q -v",
        "sync -q --json",
        "sync --report --json",
        "devices ping -q -v",
        "dashboards ping -q --json",
    ],
)
def test_both_is_wrong_usage(site: Site, dashboard: SampleDashboard, words: str) -> None:
    """What contradicts itself is refused before anything is asked."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    told = site.run(*words.split())
    assert (told.code, told.out) == (2, "")
    assert "not both" in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("punches export --to 2026-11-22", "--to names a dashboard; the last day is --until 2026-11-22"),
        (
            "quarantine assign front --slot 7 --user 1007 --to 2026-11-22",
            "--to is called --until now: --until 2026-11-22",
        ),
        (
            "backfill --to dashboard --from 2026-11-22 --to-date 2026-11-22",
            "--to-date is called --until now: --until 2026-11-22",
        ),
        (
            "backfill --to 2026-11-22 --from 2026-11-22 --until 2026-11-22",
            "--to names a dashboard; the last day is --until 2026-11-22",
        ),
    ],
)
def test_former_names(site: Site, dashboard: SampleDashboard, words: str, told: str) -> None:
    """A date behind --to is refused with the option that it has today."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    assert site.sync().code == 69
    result = site.run(*words.split())
    assert (result.code, result.out) == (2, "")
    assert told in " ".join(result.err.split())
