"""The real command as a process of its own, met with floods: its memory is measured, and all that it says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.command import IN_MEMORY, Told, check_bounds, fuzzed, peak_in, while_there_is_time
from tests.fuzz.front import FLOODS as BODIES
from tests.fuzz.front import TURNS, Front, Turn
from tests.fuzz.liar import ALL_LIES, FLOODS, LIES, Liar, Lie
from tests.fuzz.test_terminals import Kind
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 200_000_000
"""Bytes of memory that a process may hold."""
MEASURED: Final = """
import atexit, os
from pathlib import Path

status = Path("/proc/self/status")
atexit.register(lambda: Path(os.environ["PEAK"]).write_text(status.read_text()))

from zkpoll.cli import main

main()
"""
"""The command, which notes its peak of memory at its end: what its parent is told counts the parent, too."""

pytestmark = pytest.mark.long


def run_apart(site: Site, words: Sequence[str]) -> Told:
    """Run `zkpoll` as a process of its own, in pipes; check its bounds and its memory."""
    peak = site.folder / "peak"
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", MEASURED, *words, "--config", str(site.inventory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | site.environment | {"PEAK": str(peak)},
    )
    result = site.finish(process)
    told = Told(result.code, result.out, result.err)
    check_bounds(told, time.monotonic() - began)
    assert peak_in(peak.read_text()) < MOST
    return told


WORDS: Final = (
    ("sync",),
    ("sync", "-v"),
    ("sync", "--json"),
    ("devices", "ping"),
    ("devices", "info", "front"),
    ("devices", "clock"),
    ("users", "export"),
)


@pytest.mark.timeout(3600)
@fuzzed(5)
@given(
    words=st.sampled_from(WORDS),
    lies=st.lists(FLOODS | LIES | ALL_LIES, min_size=1, max_size=3),
    transport=st.sampled_from(["tcp", "udp"]),
    old=st.booleans(),
    layout=st.sampled_from([8, 40]),
)
@while_there_is_time
def test_a_terminal(words: tuple[str, ...], lies: list[Lie], transport: str, old: bool, layout: int) -> None:
    """A flood from a terminal ends in words, in bounded memory."""
    kind = Kind(layout, transport, old=old)
    with (
        TemporaryDirectory(dir=IN_MEMORY) as folder,
        Liar(kind.terminal()) as liar,
        SampleDashboard(TOKEN) as dashboard,
    ):
        site = Site(Path(folder))
        site.write(dashboard.url, entry("front", liar.address, **kind.settings(0.1, 2.0)))
        liar.tell(*lies)
        run_apart(site, words)


@pytest.mark.timeout(3600)
@fuzzed(5)
@given(
    words=st.sampled_from([*WORDS[:3], ("dashboards", "ping")]),
    turns=st.lists(st.builds(Turn, st.just(1) | st.none(), BODIES) | TURNS, min_size=1, max_size=3),
    name=st.sampled_from(["events", "event"]),
)
@while_there_is_time
def test_a_dashboard(words: tuple[str, ...], turns: list[Turn], name: str) -> None:
    """A flood from a dashboard ends in words, in bounded memory."""
    with (
        TemporaryDirectory(dir=IN_MEMORY) as folder,
        serve(Terminal.with_samples(5)) as address,
        Front(SampleDashboard(TOKEN)) as front,
    ):
        site = Site(Path(folder))
        site.write_for(
            f"url: '{front.url}', token: {TOKEN}, format: {name}, attempts: 2, retry_wait: 0, timeout: 0.5",
            entry("front", address),
        )
        front.do(*turns)
        run_apart(site, words)
