"""Bytes that the journal knows keep the meaning they had when they were first read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zkpoll.model.punch import Quarantined
from zkpoll.model.sums import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Records


def as_first_read(journal: Journal, device: int | None, records: Records) -> tuple[Records, Tally]:
    """Return `records` with what is known taken for what it was when first read, and a tally of what left.

    A door may read bytes with another table each time. What is in quarantine stays there: its slot of the
    user table may be another person's by now, and no later table tells whose punch it was. What is known as a
    punch is one also when its slot is nobody's any more; it has left `records`, as seen before.
    """
    punches, odd, known = records.punches, records.quarantined, 0
    if punches and journal.one("any_quarantined", device=device):
        found = _places(journal, "quarantined_records", [punch.canonical for punch in punches], device)
        odd += tuple(Quarantined(punches[place].canonical, "in quarantine") for place in sorted(found))
        punches = tuple(punch for place, punch in enumerate(punches) if place not in found)
    if odd:
        found = _places(journal, "punches_by_record", [record.raw for record in odd], device)
        odd = tuple(record for place, record in enumerate(odd) if place not in found)
        known = len(found)
    return replace(records, punches=punches, quarantined=odd), Tally(seen_before=known)


def _places(journal: Journal, query: str, values: Sequence[bytes], device: int | None) -> set[int]:
    return {row[0] for row in journal.look_up(query, values, device=device)}
