"""What more than one room's tests need."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.examples import FULL, QUICK
from tests.forks import Forked
from tests.site import TOKEN, Site
from zkpoll.simulator import SampleDashboard

os.environ["TZ"] = "UTC"  # virtual terminals show this machine's wall clock, and inventories say UTC
time.tzset()
settings.register_profile("full", FULL)
settings.register_profile("quick", QUICK)
settings.load_profile("full")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take --quick, with which `make test` runs; without it nothing is left out or shortened."""
    parser.addoption("--quick", action="store_true", help="few random examples; commands are forked")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many random examples a test draws, before the tests are read."""
    if config.getoption("quick"):
        settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose commands --quick forks; Hypothesis marks those that it shortens."""
    for item in items:
        if isinstance(item, pytest.Function) and "popen" in item.fixturenames:
            item.add_marker("command")


@pytest.fixture
def popen(pytestconfig: pytest.Config) -> type[subprocess.Popen[Any]]:
    """Give what starts commands."""
    return Forked if pytestconfig.getoption("quick") else subprocess.Popen


@pytest.fixture
def site(tmp_path: Path, popen: type[subprocess.Popen[Any]]) -> Site:
    """Give a site in a folder of its own."""
    return Site(tmp_path, popen)


@pytest.fixture
def dashboard() -> Iterator[SampleDashboard]:
    """Give a sample dashboard that is up and wants the site's token."""
    with SampleDashboard(TOKEN) as running:
        yield running
