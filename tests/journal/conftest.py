"""A journal on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkpoll.journal.sqlite import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is, or will be."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open a new journal."""
    with Journal(path) as journal:
        yield journal
