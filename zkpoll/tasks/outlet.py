"""One dashboard, and the means of its delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.tasks.delivery_outcome import DeliveryOutcome

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from zkpoll.delivery.origins import Origins
    from zkpoll.inventory import Dashboard
    from zkpoll.journal.outbox import JournalOutbox


@dataclass(frozen=True, slots=True)
class Outlet:
    """One dashboard, and the means of its delivery."""

    dashboard: Dashboard
    outbox: JournalOutbox
    origins: Origins
    alert_after: float
    """Seconds after which a shift that is not complete is late."""
    more: Callable[[], bool]
    """Waits until something may be new (True), or nothing more will come."""
    stop: threading.Event
    progress: Callable[[str, int], None] = lambda _dashboard, _punches: None
    """Called with the dashboard's name and the number of punches each time some were delivered."""
    tells_shifts: bool = True
    """Whether it is told how far its shifts are complete; what pulls no logs finds nothing out about that."""


def undelivered(dashboard: Dashboard) -> DeliveryOutcome:
    """Return the result of a run that delivers nothing to a dashboard."""
    return DeliveryOutcome(dashboard.name, exposed=dashboard.exposed)
