"""A first sync: 100,000 punches from a local terminal to a local dashboard."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Figure, run
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import Dashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDS = 100_000


def figures() -> Iterator[Figure]:
    """Measure the real `zkpoll sync`; the terminal and the dashboard share the machine with it."""
    with (
        TemporaryDirectory() as folder,
        serve(Terminal.with_samples(RECORDS, users=300)) as address,
        Dashboard(TOKEN) as dashboard,
    ):
        site = Site(Path(folder))
        site.write(dashboard.url, entry("front", address))
        command = [sys.executable, "-m", "zkpoll", "sync", "--config", str(site.inventory)]
        cost = run(command, {"TOKEN": TOKEN})
        if len(dashboard.events) != RECORDS:
            raise RuntimeError(f"{len(dashboard.events)} punches arrived")
    yield Figure("a first sync of 100,000 punches", RECORDS / cost.seconds, "punches/s")
    yield Figure("a first sync of 100,000 punches: peak memory", cost.megabytes, "MB", "at most", 200)
