"""Sets a device's clock by this host's, if that can be trusted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkpoll.pull.host_clock import synchronised
from zkpoll.wall_clock import TOO_FAR, in_words

if TYPE_CHECKING:
    from datetime import tzinfo

    from zkpoll.pull.session import Session


def correct(
    session: Session, zone: tzinfo, drift: float, limit: float, newest_run: datetime | None
) -> str | None:
    """Set the clock of a device that is more than `limit` seconds off. Return why not, or None.

    `drift` is in seconds, `newest_run` (aware) is the journal's. Raise `Refused` when the device will not.
    """
    now = datetime.now(UTC)
    refusal = refusal_to_set(drift, limit, synchronised=synchronised(), now=now, newest_run=newest_run)
    if refusal is None:
        session.set_time(datetime.now(zone).replace(tzinfo=None))
    return refusal


def refusal_to_set(
    drift: float, limit: float, *, synchronised: bool | None, now: datetime, newest_run: datetime | None
) -> str | None:
    """Given how far a device's clock is off, return why it must not be set by ours, or None if it must.

    `drift` and `limit` are in seconds, `now` and `newest_run` (the journal's) are aware. `synchronised` says
    whether this host's clock is; None, where that cannot be told, is a refusal.
    """
    if not abs(drift) > limit:
        return f"within {in_words(limit)}"
    if synchronised is None:
        return "whether this host's clock is synchronised by NTP cannot be told"
    if not synchronised:
        return "this host's clock is not synchronised by NTP"
    if newest_run is not None and now < newest_run:
        return "this host's clock is behind the journal's newest run"
    if abs(drift) >= TOO_FAR:
        off = in_words(abs(drift))
        return f"it is off by {off}: too much to be set by a program; check timezone: or set it by hand"
    return None
