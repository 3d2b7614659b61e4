"""The punches of a person, or of some days, found by an index, in the order of journalling."""

from __future__ import annotations

from array import array
from datetime import date
from typing import TYPE_CHECKING

from zkpoll.journal.names import ids_of_punches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal


def places_of_days(
    journal: Journal, first: date | None, last: date | None, user: str | None = None
) -> Sequence[int]:
    """Return the places of the punches of some days by their devices' wall clocks, first journalled first.

    `first` and `last`, inclusive, are None for all days, `user` is None for all people: then it is a look
    into the index for each. All places are in memory, some bytes each.
    """
    days = {"first": (first or date.min).isoformat(), "last": (last or date.max).isoformat()}
    found = array("q")
    for one in ids_of_punches(journal) if user is None else [user]:
        found.extend(seq for (seq,) in journal.all("places_of_person", user=one, **days))
    return array("q", sorted(found))
