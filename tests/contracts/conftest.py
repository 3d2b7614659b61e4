"""A journal on disk, as in the tests of the journal."""

from __future__ import annotations

from tests.journal.conftest import journal, path, store

__all__ = ["journal", "path", "store"]
