"""The office of each story."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.forks import Forked
from tests.site import Site
from tests.stories.office import Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Give an office with a dashboard, and no terminal yet. Its commands are always forked: they are many."""
    with ExitStack() as stack:
        yield Office(Site(tmp_path, Forked), stack)
