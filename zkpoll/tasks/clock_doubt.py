"""Whether old punches may be removed by this host's clock, by what the journal knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.errors import SetAside
from zkpoll.journal.devices import Devices
from zkpoll.pull import host_clock

if TYPE_CHECKING:
    from datetime import datetime

    from zkpoll.journal.database import Journal


class ClockInDoubt(SetAside):
    """This host's clock may be wrong, and with it every age."""

    kind = "clock"


def doubted(journal: Journal, now: datetime) -> str | None:
    """Return why no age counts by this host's clock, or None. `now` is UTC.

    The terminals' clocks are those of their last readings.
    """
    known = Devices(journal)
    drifts = [one.drift for one in known.known().values() if one.drift is not None]
    if why := host_clock.doubt(host_clock.synchronised(), drifts):
        return why
    if host_clock.may_have_jumped(known.newest_reading(until=now), now):
        return "this host's clock is days past the newest reading"
    return None
