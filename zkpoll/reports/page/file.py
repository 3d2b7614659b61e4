"""The page as a file, for a web server: whole, or not there at all.

A run, and each dispatch, writes it when all else is done, so that it has what was just told. `zkpoll serve`
writes it again and again, beside its other work: terminals do not wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from zkpoll.durable import new_file, remove_old_parts
from zkpoll.journal.day_counts import count_once_a_day
from zkpoll.journal.opening import open_journal
from zkpoll.reports.watchers import why_not_written

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

_log = logging.getLogger(__name__)

PERSONAL: Final = 0o640
"""For its owner, and the group of the web server: it holds user ids."""
_PATIENCE: Final = 3.0
"""Seconds to wait for a journal that is locked: a run waits for the page, and a process that is to stop."""
_SHARE: Final = 10
"""A page that takes a second is written every ten seconds at most."""


def write_page(path: Path, inventory: Inventory) -> str | None:
    """Write the page as things stand now. Return why it could not be written, or None."""
    from zkpoll.reports.page.html import page
    from zkpoll.reports.page.view import page_view

    def write() -> None:
        now = datetime.now(UTC)
        with open_journal(inventory.home, patience=_PATIENCE) as journal:
            count_once_a_day(journal, now)
            view = page_view(inventory, journal, now)
        put_page(path, page(view))

    problem = why_not_written(path, write)
    if problem:
        _log.warning("%s", problem)
    return problem


def put_page(path: Path, text: str) -> None:
    """Put a page in its place, whole and on disk. Raise `OSError` where it cannot be written."""
    with new_file(path, replace=True, mode=PERSONAL) as file:
        file.write(text.encode())
    remove_old_parts(path)


class SteadyPage:
    """The page that a process writes again and again, in a thread of its own."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._writing: threading.Thread | None = None
        self._not_before = 0.0
        """By the monotonic clock."""
        self.problem: str | None = None
        """Why it could not be written the last time."""

    def look_after(self) -> None:
        """Begin to write it, where the inventory has one and it is time. Does not wait for that."""
        if self._inventory.page is None or time.monotonic() < self._not_before:
            return
        if self._writing is None or not self._writing.is_alive():
            self._writing = threading.Thread(
                target=self._write, args=[self._inventory.page.file], name="page"
            )
            self._writing.start()

    def _write(self, path: Path) -> None:
        began = time.monotonic()
        self.problem = write_page(path, self._inventory)
        ended = time.monotonic()
        self._not_before = ended + _SHARE * (ended - began)
