"""A first sync: 100,000 punches from a local terminal to a local dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Figure, run
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 100_000


def figures() -> Iterator[Figure]:
    """Measure a first sync, and what memory a longer log takes."""
    yield from _first_sync()
    small, large = _peak_memory(2 * RECORDS), _peak_memory(4 * RECORDS)
    yield Figure("peak memory of reading 400,000 records against 200,000", large / small, "x", "at most", 1.2)


def _terminal(records: int) -> Terminal:
    """Return a terminal whose log is not full."""
    return Terminal.with_samples(records, users=300, model=Model(capacity=2 * records))


def _peak_memory(records: int) -> float:
    """Return the peak memory, in MB, of a first reading into the journal."""
    with TemporaryDirectory() as folder, serve(_terminal(records)) as address:
        site = Site(Path(folder))
        site.write("http://127.0.0.1:9/", entry("front", address))
        command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
        return run(command, {"TOKEN": TOKEN}).megabytes


def _first_sync() -> Iterator[Figure]:
    """Measure the real `zkpoll sync`; the terminal and the dashboard share the machine with it."""
    with (
        TemporaryDirectory() as folder,
        serve(_terminal(RECORDS)) as address,
        SampleDashboard(TOKEN) as dashboard,
    ):
        site = Site(Path(folder))
        site.write(dashboard.url, entry("front", address))
        command = [sys.executable, "-m", "zkpoll", "sync", "--config", str(site.inventory)]
        cost = run(command, {"TOKEN": TOKEN})
        if len(dashboard.events) != RECORDS:
            raise RuntimeError(f"{len(dashboard.events)} punches arrived")
    yield Figure("a first sync of 100,000 punches", RECORDS / cost.seconds, "punches/s")
    yield Figure("a first sync of 100,000 punches: peak memory", cost.megabytes, "MB", "at most", 200)
