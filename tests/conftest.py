"""What more than one room's tests need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.site import TOKEN, Site
from zkpoll.simulator import Dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Give a site in a folder of its own."""
    return Site(tmp_path)


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    """Give a sample dashboard that is up and wants the site's token."""
    with Dashboard(TOKEN) as running:
        yield running
