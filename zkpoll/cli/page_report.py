"""The page at the end of a run: written when all is told, and what became of that."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.departures import Teller


def leave_page(
    inventory: Inventory,
    journal: Journal,
    say: Callable[[Iterable[str]], None] | None,
    teller: Teller,
) -> dict[str, str | None]:
    """Write the page where the inventory has one. Return why it could not be written, or None, by its name.

    That is remembered, and told by `say`, if there is one, as the news of a run are. Nothing without a page.
    """
    if inventory.page is None:
        return {}
    from zkpoll.reports.departures import PAGE
    from zkpoll.reports.news import tell
    from zkpoll.reports.page.file import write_page
    from zkpoll.tasks.outcome import Outcome

    found = {PAGE: write_page(inventory.page.file, inventory)}
    nothing = Outcome(devices=(), deliveries=(), seconds=0.0)
    tell(journal, nothing, found, datetime.now(UTC), say, inventory, teller)
    return found
