"""What a person is told of old punches that a first reading brought, before they are sent. Pure."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from zkpoll.journal.first_arrivals import OldPunches
    from zkpoll.tasks.outcome import Outcome

_MONTH: Final = timedelta(days=30)
_MANY: Final = 1000
"""Fewer are told of to nobody: a new terminal may have hung there for a while."""


def month_ago(today: date) -> date:
    """Return the day before which punches are old."""
    return today - _MONTH


def brought(old: Sequence[OldPunches]) -> list[str]:
    """Given old punches that wait, return a line for each device, or none where they are few."""
    if sum(len(one.seqs) for one in old) <= _MANY:
        return []
    return [f"{one.device} brought {_how_many(len(one.seqs), one.first)}" for one in old]


def would_bring(outcome: Outcome, never_read: Collection[str], today: date) -> list[str]:
    """Given a dry run, return a line for each source that would bring old ones; none where they are few."""
    before = month_ago(today).isoformat()
    found: defaultdict[str, list[str]] = defaultdict(list)
    for one in outcome.read:
        if one.name in never_read:
            found[one.name] += [punch.timestamp[:10] for punch in one.would_send if punch.timestamp < before]
    if sum(map(len, found.values())) <= _MANY:
        return []
    return list(_would_bring(found, before))


def _would_bring(found: dict[str, list[str]], before: str) -> Iterator[str]:
    unless = f"they are sent unless `since: {before}` in its entry (or defaults:) holds them back"
    for name, days in found.items():
        if days:
            yield f"{name} brings {_how_many(len(days), min(days))}; {unless}"


def _how_many(number: int, first: str) -> str:
    return f"{number:,} punches older than a month (from {first})"
