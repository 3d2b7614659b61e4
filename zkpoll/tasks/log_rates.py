"""How fast the logs of devices fill, for those where it matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkpoll.journal.rates import rates_by_now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.tasks.device_outcome import DeviceOutcome


def rated(journal: Journal, visited: Sequence[DeviceOutcome]) -> list[DeviceOutcome]:
    """Return the results of visits with how fast their logs fill.

    To count that walks the punches of the last weeks, of all devices: seconds where there are a thousand. So
    it is done once a day, and only while a log is half full, as no other is told of for its rate. One that
    was never counted is counted at once.
    """
    logs = {one.name: one.fullness for one in visited if one.complete}
    half_full = [name for name, log in logs.items() if log and log.is_half_full]
    rates = rates_by_now(journal, half_full, datetime.now(UTC))
    return [with_rate(one, rates) for one in visited]


def with_rate(outcome: DeviceOutcome, rates: Mapping[str, float | None]) -> DeviceOutcome:
    """Return the result of a visit with how fast its log fills, by the rates of all by name."""
    log = outcome.fullness
    return replace(outcome, fullness=log and replace(log, per_day=rates.get(outcome.name)))
