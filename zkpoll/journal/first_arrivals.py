"""Old punches that a first reading brought, before anybody is sent them.

`since:` counts when a log is read for the first time. Who did not think of it can still say no: what would
have been held by it is held then.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.journal.database import now
from zkpoll.journal.database_overview import database_standings
from zkpoll.journal.devices import Devices

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from zkpoll.journal.database import Journal


@dataclass(frozen=True, slots=True)
class OldPunches:
    """Those of one device, which wait to be sent."""

    device: str
    first: str
    """The day of the oldest (ISO 8601), by the device's wall clock."""
    seqs: tuple[int, ...]


def never_read(journal: Journal, names: Iterable[str]) -> frozenset[str]:
    """Given names of devices and databases, return those that were never read to their end."""
    devices, databases = Devices(journal), database_standings(journal)
    return frozenset(
        name
        for name in names
        if devices.last_reading(name) is None and not (name in databases and databases[name].read_at)
    )


def old_arrivals(journal: Journal, after: int, before: date) -> list[OldPunches]:
    """Return what was journalled `after` a place, is from before a day, and waits at every dashboard."""
    found: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for seq, device, timestamp in journal.all("old_arrivals", after=after, before=before.isoformat()):
        found[device].append((timestamp[:10], seq))
    return [OldPunches(device, min(rows)[0], tuple(seq for _, seq in rows)) for device, rows in found.items()]


def hold_old_arrivals(journal: Journal, after: int, before: date) -> int:
    """Hold those as `since:` would have, and return how many. The caller has the dashboards' locks."""
    with journal.transaction():
        seqs = [seq for one in old_arrivals(journal, after, before) for seq in one.seqs]
        journal.run_over("hold_punches", seqs, hold="since")
        journal.run_over("hold_in_outboxes", seqs, hold="since", now=now())
    return len(seqs)
