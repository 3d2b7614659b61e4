"""Callers that may not push: who called in vain, so that a person can paste them into the inventory.

Anybody can call. So no more than `KEPT` of them are remembered; the one that called least recently goes, told
by the order in which they were noted: no clock takes part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from zkpoll.journal.database import now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.journal.database import Journal

KEPT: Final = 256
_NAMELESS: Final = ""
"""The serial number of all that have none."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller with a well-formed serial number that was refused."""

    serial: str
    reason: str
    """Why, the last time."""
    first_at: datetime
    """UTC, as is `last_at`. Where it is known by then, only the last one counts."""
    last_at: datetime
    requests: int
    """How many; to be added up."""
    address: str
    """The IP address it called from last."""
    path: str
    """What it asked for last, without a secret."""
    push_version: str | None = None
    """What it says of itself (pushver), as is the next one (DeviceType)."""
    device_type: str | None = None


def note(journal: Journal, rows: Iterable[Caller], nameless: int) -> None:
    """Add callers to those that are known, the least recent first; `nameless` are requests of all others."""
    values = [
        {
            "serial": one.serial,
            "reason": one.reason,
            "first_at": one.first_at.isoformat(),
            "last_at": one.last_at.isoformat(),
            "requests": one.requests,
            "address": one.address,
            "push_version": one.push_version,
            "device_type": one.device_type,
            "path": one.path,
        }
        for one in rows
    ]
    if nameless:
        moment = now()
        empty = {"reason": "", "address": "", "push_version": None, "device_type": None, "path": ""}
        values.append(
            {"serial": _NAMELESS, "first_at": moment, "last_at": moment, "requests": nameless, **empty}
        )
    if not values:
        return
    with journal.transaction():
        journal.run_many("note_caller", values)
        journal.run("forget_least_recent", nameless=_NAMELESS, kept=KEPT)


def pending(journal: Journal) -> tuple[Caller, ...]:
    """Return the callers that were refused, the last one first."""
    return tuple(
        Caller(
            serial,
            reason,
            datetime.fromisoformat(first),
            datetime.fromisoformat(last),
            requests,
            address,
            path,
            push_version,
            device_type,
        )
        for serial, reason, first, last, requests, address, push_version, device_type, path in journal.all(
            "refused_callers"
        )
        if serial != _NAMELESS
    )


def nameless(journal: Journal) -> int:
    """Return how many requests had no well-formed serial number."""
    return sum(row[4] for row in journal.all("refused_callers") if row[0] == _NAMELESS)


def forget(journal: Journal) -> int:
    """Forget them all; return how many serial numbers they were."""
    with journal.transaction():
        known = len(pending(journal))
        journal.run("forget_callers")
    return known
