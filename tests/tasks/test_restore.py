"""A raw copy proves a journal, and gives back what it lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from zkpoll.inventory import load
from zkpoll.journal.comparison import Comparison
from zkpoll.journal.decisions import Decisions, Selection, dashboards
from zkpoll.journal.opening import open_empty
from zkpoll.pull.raw_copy import RawCopy
from zkpoll.simulator import Terminal
from zkpoll.tasks.restore import compare, restore

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

TAKEN = datetime(2026, 11, 22, 3, tzinfo=UTC)
COUNT = 20


@pytest.fixture
def copy() -> RawCopy:
    """Give the raw copy of a log of some punches."""
    log = b"".join(Terminal.with_samples(COUNT).log)
    return RawCopy("front-door", "CQZ7224760045", TAKEN, "UTC", 40, {}, log)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of that device, which holds all its punches, and of two dashboards."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard:\n"
        "  - {name: main, url: 'http://127.0.0.1:9/'}\n"
        "  - {name: other, url: 'http://127.0.0.1:9/other'}\n"
        "journal: journal.db\n"
        "devices:\n"
        "  - {name: front-door, host: 127.0.0.1, timezone: UTC, since: 2100-01-01}\n"
    )
    return load(path, {})


def test_an_empty_journal_gets_everything_for_every_dashboard(copy: RawCopy, inventory: Inventory) -> None:
    """All is missing, then all is there; each dashboard has each punch, held as the settings say."""
    with open_empty() as journal:
        assert compare(journal, copy) == Comparison(missing=COUNT)
        assert restore(journal, inventory, copy) == (Comparison(in_journal=COUNT), COUNT)
        assert compare(journal, copy).proved
        held = Selection(frozenset({"held"}))
        assert {name: len(list(Decisions(journal, name).punches(held))) for name in dashboards(journal)} == {
            "main": COUNT,
            "other": COUNT,
        }


def test_nothing_is_put_there_twice(copy: RawCopy, inventory: Inventory) -> None:
    """What the journal holds is not written again."""
    with open_empty() as journal:
        restore(journal, inventory, copy)
        assert restore(journal, inventory, copy) == (Comparison(in_journal=COUNT), 0)
