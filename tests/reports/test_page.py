"""The page: what it shows, in HTML that asks nobody for more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from zkpoll.inventory import load
from zkpoll.journal.opening import open_empty
from zkpoll.reports.page.html import page
from zkpoll.reports.page.search import Search
from zkpoll.reports.page.view import page_view

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of a device and a dashboard."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard: {name: main, url: 'http://127.0.0.1:9/'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        "devices:\n"
        "  - {name: front-door, host: 127.0.0.1}\n"
    )
    return load(path, {})


def test_form(inventory: Inventory) -> None:
    """A page that cannot be asked has no form, and says the command; one that can be has the form."""
    with open_empty() as journal:
        view = page_view(inventory, journal, NOW)
    assert "<form" not in page(view)
    assert "zkpoll explain" in page(view)
    assert "<form" in page(view, Search())
