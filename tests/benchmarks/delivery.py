"""From the journal to a dashboard, beside one POST a punch over fresh connections, as other tools do it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import requests

from tests.benchmarks.measure import Figure, run
from tests.site import TOKEN, Site, entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

PUNCHES = 100_000
ONE_BY_ONE = 500
"""Punches that are sent one by one; enough for a rate."""


def figures() -> Iterator[Figure]:
    """Measure what leaves the journal in a second."""
    model = Model(capacity=2 * PUNCHES)
    with (
        TemporaryDirectory() as folder,
        serve(Terminal.with_samples(PUNCHES, users=300, model=model)) as address,
    ):
        site = Site(Path(folder))
        site.write("http://127.0.0.1:9/", entry("front", address))
        command = [sys.executable, "-m", "zkpoll", "sync", "--config", str(site.inventory)]
        run([*command, "--no-deliver"], {"TOKEN": TOKEN})
        with _counting(PUNCHES) as url:
            site.write(url, entry("front", address))
            cost = run(command, {"TOKEN": TOKEN})
    with _counting(ONE_BY_ONE) as url:
        each = _one_by_one(url)
    rate = PUNCHES / cost.seconds
    yield Figure("100,000 punches from the journal, the whole command", rate, "punches/s", "at least", 20_000)
    yield Figure("the same: peak memory", cost.megabytes, "MB", "at most", 120)
    yield Figure("one POST a punch over fresh connections", 1 / each, "punches/s")
    yield Figure("the journal's punches against one POST a punch", rate * each, "x", "at least", 50)


@contextmanager
def _counting(expected: int) -> Iterator[str]:
    """Give the URL of a dashboard that counts. Raise `RuntimeError` when it did not count `expected`."""
    command = [sys.executable, "-m", "tests.benchmarks.counting"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as counter:
        assert counter.stdin
        assert counter.stdout
        yield f"http://127.0.0.1:{int(counter.stdout.readline())}/"
        counter.stdin.close()
        counted = int(counter.stdout.readline())
    if counted != expected:
        raise RuntimeError(f"{counted} punches arrived, not {expected}")


def _one_by_one(url: str) -> float:
    """Return the seconds a punch takes."""
    punch = {"id": "224c9c2b-8130-5e29-a627-3b68fe8961e9", "user_id": "1001", "status": 1, "type": 0}
    began = time.perf_counter()
    for _ in range(ONE_BY_ONE):
        body, headers = json.dumps(punch), {"Content-Type": "application/json"}
        requests.post(url, body, headers=headers, timeout=10).raise_for_status()
    return (time.perf_counter() - began) / ONE_BY_ONE
