"""A person's question to a dashboard, outside of runs: nothing is sent that is a punch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from zkpoll.delivery.access import Access
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.ping import ping
from zkpoll.errors import JournalError
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import newest_punch
from zkpoll.journal.sqlite import Journal
from zkpoll.tasks.deliver import previewed

if TYPE_CHECKING:
    from zkpoll.delivery.ping import Ping
    from zkpoll.inventory import Dashboard, Inventory
    from zkpoll.model.delivery import Preview

_log = logging.getLogger(__name__)


def pinged(dashboard: Dashboard, inventory: Inventory) -> tuple[Ping, Preview | None]:
    """Given a dashboard, ask whether it would take punches; return that, and what it would be sent first."""
    shown = _example(dashboard, inventory)
    access = Access.to(dashboard)
    form = format_of(dashboard, Origins.of_inventory(inventory.devices, {}), access.secrets)
    return ping(access, form), shown


def _example(dashboard: Dashboard, inventory: Inventory) -> Preview | None:
    """Return how the oldest punch that waits for a dashboard would be sent, or, where none waits, the newest.

    A journal that cannot be read, or is not there yet, has none.
    """
    try:
        with Journal(inventory.journal, writable=False) as journal:
            terminals = Origins.of_inventory(inventory.devices, Devices(journal).names())
            newest = filter(None, [newest_punch(journal)])
            return previewed(dashboard, terminals, journal, tuple(newest))
    except JournalError as error:
        _log.info("%s", error)
        return None
