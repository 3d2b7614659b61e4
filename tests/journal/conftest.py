"""A journal on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zkpoll.journal.opening import open_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is, or will be."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open a new journal."""
    with open_journal(path) as journal:
        yield journal
