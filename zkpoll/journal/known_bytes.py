"""Bytes that the journal knows: of how many punches, and that they keep the meaning they had at first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.journal.forgotten import forgotten_bytes
from zkpoll.model.punch import ANOTHERS, NOBODYS, Quarantined, is_counted
from zkpoll.model.sums import Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

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

    def __add__(self, other: Known) -> Known:
        """Return it with other punches of the same bytes: those that were pruned may be the later ones."""
        return Known(
            self.count + other.count,
            max(self.occurrence, other.occurrence),
            min(self.first, other.first),
            max(self.newest, other.newest),
        )


def known_bytes(
    journal: Journal, device: int | None, records: Collection[bytes], *, pruned: bool | None = None
) -> dict[bytes, Known]:
    """Return what the journal knows of records of a device, each given once; nothing of those it lacks.

    `pruned` says whether any punch of the device was ever pruned, where that is known.

    What was pruned is looked up first: bytes that become a digest between the two looks are unknown then, and
    not known twice, by which one more showing of them would be taken for a known punch.
    """
    asked = list(records)
    gone = forgotten_bytes(journal, device, asked, pruned=pruned)
    known = {asked[place]: Known(*found) for place, *found in gone}
    for place, *found in journal.look_up("known_bytes", asked, device=device):
        here, before = Known(*found), known.get(asked[place])
        known[asked[place]] = here + before if before else here
    return known


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


def as_first_read(
    journal: Journal, device: int | None, records: Records, *, quarantined: bool
) -> tuple[Records, Tally]:
    """Return `records` with what is known taken for what it was when first read, and a tally of what left.

    A door may read bytes with another table each time. What is in quarantine for its slot stays there: that
    may be another person's by now, and no later table tells whose punch it was. What is there for another
    reason is a punch once it is believed. What is known as a punch is one also when its slot is nobody's any
    more; it has left `records`, as seen before. `quarantined`: some record of the device is in quarantine.
    """
    punches, odd, known = records.punches, records.quarantined, 0
    if punches and quarantined:
        shown = [punch.canonical for punch in punches]
        rows = journal.look_up("nobodys_records", shown, device=device, nobodys=NOBODYS, anothers=ANOTHERS)
        found = {place for (place,) in rows}
        odd += tuple(Quarantined(punches[place].canonical, "in quarantine") for place in sorted(found))
        punches = tuple(punch for place, punch in enumerate(punches) if place not in found)
    if odd and not records.proved_new:
        punched = known_bytes(journal, device, {record.raw for record in odd})
        unknown = tuple(record for record in odd if record.raw not in punched)
        odd, known = unknown, len(odd) - len(unknown)
    return replace(records, punches=punches, quarantined=odd), Tally(seen_before=known)
