"""What more than one room's tests need."""

from __future__ import annotations

import gc
import os
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import pytest
from hypothesis import settings

from tests.examples import FULL, QUICK
from tests.forks import Forked
from tests.in_memory import stay_in_memory
from tests.new_journals import copy_new_journals
from tests.site import TOKEN, Site
from zkpoll.simulator import SampleDashboard

os.environ["TZ"] = "UTC"  # virtual terminals show this machine's wall clock, and inventories say UTC
os.environ["XDG_STATE_HOME"] = os.devnull  # nothing is remembered in the home of who runs the tests
time.tzset()
settings.register_profile("full", FULL)
settings.register_profile("quick", QUICK)
settings.load_profile("full")

_ONE_IN: Final = 5

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what `make test` and `make test-long` run with; without them nothing is left out or shortened."""
    parser.addoption(
        "--quick", action="store_true", help="few random examples; commands are forked, files in memory"
    )
    parser.addoption("--sample", action="store_true", help="one in five tests starts its commands afresh")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many random examples a test draws, before the tests are read, and where files are."""
    if config.getoption("quick"):
        settings.load_profile("quick")
        stay_in_memory()
        copy_new_journals()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the sample of the tests that start commands; Hypothesis marks those that --quick shortens.

    It is always the same one. `tests/cli/test_at_a_terminal.py` starts every command afresh anyway.
    """
    for item in items:
        starts = isinstance(item, pytest.Function) and "popen" in item.fixturenames
        if starts and crc32(item.nodeid.encode()) % _ONE_IN == 0:
            item.add_marker("sample")


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass by all that stays to the end: it is a gigabyte."""
    gc.freeze()


@pytest.fixture
def popen(request: pytest.FixtureRequest) -> type[subprocess.Popen[Any]]:
    """Give what starts commands."""
    chosen = request.config.getoption
    sampled = request.node.get_closest_marker("sample")
    return Forked if chosen("quick") or (chosen("sample") and not sampled) else subprocess.Popen


@pytest.fixture
def site(tmp_path: Path, popen: type[subprocess.Popen[Any]]) -> Site:
    """Give a site in a folder of its own."""
    return Site(tmp_path, popen)


@pytest.fixture
def dashboard() -> Iterator[SampleDashboard]:
    """Give a sample dashboard that is up and wants the site's token."""
    with SampleDashboard(TOKEN) as running:
        yield running
