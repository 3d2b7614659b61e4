"""How fast devices' logs fill: counted once a day at most, as it takes long where there are many punches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.journal.day_counts import count_by_day
from zkpoll.journal.overview import device_standings
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.journal.database import Journal

_EVERY: Final = timedelta(hours=20)
"""Less than a day, so that a daily run that is early counts again."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a device's log fills."""

    per_day: float | None
    """New punches a day; None where that was not known."""
    reckoned_at: datetime | None
    """UTC; None while nobody counted."""

    def is_old(self, now: datetime) -> bool:
        """Say whether to count again. `now` is UTC; what lies ahead of it was stamped by a wrong clock."""
        at = self.reckoned_at
        return at is None or is_ahead(at, now) or now - at >= _EVERY


def kept_rates(journal: Journal) -> dict[str, Rate]:
    """Return what was counted last of each device that has a name, by name."""
    return {
        name: Rate(per_day, datetime.fromisoformat(at) if at else None)
        for name, per_day, at in journal.all("rates")
    }


def rates_by_now(journal: Journal, names: Iterable[str], now: datetime) -> dict[str, float | None]:
    """Return how many punches a day brings to each device, by name, no older than a day for `names`.

    It is counted for all devices in one walk. `now` is UTC.
    """
    kept = kept_rates(journal)
    if not any(name in kept and kept[name].is_old(now) for name in names):
        return {name: one.per_day for name, one in kept.items()}
    count_by_day(journal, now)
    read = {name: one for name, one in device_standings(journal, now).items() if one.read_at}
    found = {name: one.per_day for name, one in read.items()}
    at = now.isoformat(timespec="milliseconds")
    with journal.transaction():
        rows = [{"name": name, "per_day": per_day, "now": at} for name, per_day in found.items()]
        journal.run_many("note_rate", rows)
    return found
