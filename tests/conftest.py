"""What more than one room's tests need."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.site import TOKEN, Site
from zkpoll.simulator import SampleDashboard

os.environ["TZ"] = "UTC"  # virtual terminals show this machine's wall clock, and inventories say UTC
time.tzset()
settings.register_profile("zkpoll", deadline=None)  # a busy machine is no failure
settings.load_profile("zkpoll")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site in a folder of its own."""
    return Site(tmp_path)


@pytest.fixture
def dashboard() -> Iterator[SampleDashboard]:
    """Give a sample dashboard that is up and wants the site's token."""
    with SampleDashboard(TOKEN) as running:
        yield running
