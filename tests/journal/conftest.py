"""A journal on disk."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.journal.on_postgres import journal_url
from zkpoll.journal.opening import open_journal
from zkpoll.journal.postgres import PostgresJournal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is, or will be."""
    return tmp_path / "journal.db"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let a test that asks for a journal, and not for its file, have one in each store."""
    wanted = set(metafunc.fixturenames)
    both = {"journal", "store"} <= wanted and "path" not in wanted
    if both and not hasattr(metafunc.module, "ONLY_SQLITE"):
        metafunc.parametrize("store", ["sqlite", "postgres"])


@pytest.fixture
def store() -> str:
    """Return where the journal is."""
    return "sqlite"


@pytest.fixture
def journal(store: str, tmp_path: Path) -> Iterator[Journal]:
    """Open a new journal."""
    with new_journal(store, tmp_path) as opened:
        yield opened


@contextmanager
def new_journal(store: str, folder: Path) -> Iterator[Journal]:
    """Open a new journal in a store."""
    with ExitStack() as stack:
        if store == "postgres":
            yield stack.enter_context(PostgresJournal(stack.enter_context(journal_url())))
        else:
            yield stack.enter_context(open_journal(folder / "journal.db"))
