"""Setting a device's clock, where the inventory asks for it and this host can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkpoll.pull.host_clock import synchronised
from zkpoll.wall_clock import refusal_to_set

if TYPE_CHECKING:
    from datetime import tzinfo

    from zkpoll.pull.session import Session


def correct(
    session: Session, zone: tzinfo, drift: float, limit: float, newest_run: datetime | None
) -> str | None:
    """Given a device that is more than `limit` seconds off, set its clock; return why not, or None.

    `drift` is in seconds, `newest_run` (aware) is the journal's. Raise `Refused` when the device will not.
    """
    now = datetime.now(UTC)
    refusal = refusal_to_set(drift, limit, synchronised=synchronised(), now=now, newest_run=newest_run)
    if refusal is None:
        session.set_time(datetime.now(zone).replace(tzinfo=None))
    return refusal
