"""Bytes that the journal knows: of how many punches, and that they keep the meaning they had at first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.model.punch import Quarantined, is_counted
from zkpoll.model.sums import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Records
    from zkpoll.model.punch import Form


@dataclass(slots=True)
class Known:
    """What is known of the bytes of a record, on one device."""

    count: int = 0
    """Of how many punches."""
    occurrence: int = 0
    """The last of these, counted from the first that ever was."""
    first: int = 0
    """The journal's place of the first of them."""
    newest: int = 0
    """The journal's place of the one journalled last."""


def known_bytes(journal: Journal, device: int | None, records: Collection[bytes]) -> dict[bytes, Known]:
    """Return what the journal knows of records of a device, each given once; nothing of those it lacks."""
    asked = list(records)
    rows = journal.look_up("known_bytes", asked, device=device)
    return {asked[place]: Known(*known) for place, *known in rows}


class Showings:
    """How often one reading has shown each record so far, where records carry no number.

    By the journal's place of the first punch of its bytes: a log of 500,000 records takes 35 MB this way, by
    the bytes it would be twice as much.
    """

    def __init__(self) -> None:
        self._once: set[int] = set()
        self._more: dict[int, int] = {}

    def of(self, first: int) -> int:
        """Return how often the record was shown whose first punch is at this place."""
        return self._more.get(first) or int(first in self._once)

    def add(self, form: Form | None, shown: Mapping[int, int]) -> None:
        """Given how often a slice shows records, by their first punches, add it up."""
        if not is_counted(form):
            return
        for first, times in shown.items():
            before = self.of(first)
            if before + times == 1:
                self._once.add(first)
            else:
                self._more[first] = before + times


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
    if odd and not records.proved_new:
        found = _places(journal, "known_bytes", [record.raw for record in odd], device)
        odd = tuple(record for place, record in enumerate(odd) if place not in found)
        known = len(found)
    return replace(records, punches=punches, quarantined=odd), Tally(seen_before=known)


def _places(journal: Journal, query: str, values: Sequence[bytes], device: int | None) -> set[int]:
    return {row[0] for row in journal.look_up(query, values, device=device)}
