"""A delivery that begins once there is anything to send.

To import what sends takes as long as a third of an idle run. One that has nothing for a dashboard waits here
until its readers have ended, and has sent nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.tasks.outlet import undelivered

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal
    from zkpoll.tasks.delivery_outcome import DeliveryOutcome
    from zkpoll.tasks.outlet import Outlet


def deliver_when_due(outlet: Outlet, journal: Journal) -> DeliveryOutcome:
    """Deliver to a dashboard as soon as anything is owed to it. Raise only `StopRun`."""
    if not outlet.dashboard.has_shifts:
        coming = True
        while outlet.outbox.owes_nothing():
            if not coming:
                return undelivered(outlet.dashboard)
            coming = outlet.more()
    from zkpoll.tasks.deliver import deliver_to

    return deliver_to(outlet, journal)
