"""The live page, as the journal is at the moment in which it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.journal.opening import open_journal
from zkpoll.reports.page.html import page
from zkpoll.reports.page.search import search
from zkpoll.reports.page.view import page_view

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory

_PATIENCE: Final = 3.0
"""Seconds to wait for whoever locks the journal against readers."""


def live_page(inventory: Inventory, user: str | None, day: str) -> str:
    """Given a user and a day as they were typed in, return the page with that story, or the page alone.

    Nothing is written. Raise `JournalError` where the journal cannot be read.
    """
    now = datetime.now(UTC)
    with open_journal(inventory.home, writable=False, patience=_PATIENCE) as journal:
        with journal.snapshot():
            found = search(inventory, journal, user, day, now)
        return page(page_view(inventory, journal, now), found)
