"""The journal's sum: each punch that is due to a dashboard is in exactly one state there.

    due                      counted by what was journalled since the dashboard was met, and by what a person
                             put in by backfill; what is pruned leaves it
    pending, parked, held    counted by their indexes, and by the places these lead to: they are what waits
    confirmed, discarded     counted by what answers and persons decided

So the sum costs what waits, however much is settled. What gives a punch a place, takes it away or settles it
counts that in the same transaction. The left side knows nothing of the right one: where one that
waits has no place, or is in no state, or an index says otherwise, the sum is wrong.

Damage among what is settled is found by a recount, which walks all. Where it finds other numbers than were
counted, the journal is damaged. They are never put right: a punch that is gone with all its places leaves no
other trace than the number that was counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Collection

    from zkpoll.journal.database import Journal


def balance(journal: Journal, destination: int | None) -> Counts:
    """Return how many punches of a destination are in which state. Raise `JournalError` if one is in none."""
    row = journal.one("counts", destination=destination)
    if row is None:  # another run has joined it with another one
        return Counts()
    return _proved(journal, Counts(*row[:6]), row[6:])


def recount(journal: Journal, destination: int | None) -> Counts:
    """Return the same by walking all. Raise `JournalError` as well where that was counted otherwise."""
    counts, counted = _walked(journal, destination)
    if counted is not None and counted != (counts.punches, counts.confirmed, counts.discarded):
        raise journal.damaged()
    return counts


def recount_all(journal: Journal, but: Collection[str] = ()) -> None:
    """Recount each destination, also those that left the inventory, but for those with these names."""
    for name, number in journal.all("destinations"):
        if name not in but:
            recount(journal, number)


def count_joined(journal: Journal, old: int, new: int) -> None:
    """Count anew, in the transaction under way, what one destination has once it got what another one had."""
    counts, _ = _walked(journal, new)
    journal.run(
        "keep_joined_counts",
        old=old,
        new=new,
        due=counts.punches,
        confirmed=counts.confirmed,
        discarded=counts.discarded,
    )


def _walked(journal: Journal, destination: int | None) -> tuple[Counts, tuple[int, ...] | None]:
    """Return what a walk finds, and what was counted: due, confirmed, discarded.

    None was counted of a destination that is gone.
    """
    row = journal.one("recount", destination=destination) or ()
    counts = _proved(journal, Counts(*row[:6]), row[6:9])
    return counts, None if row[9] is None else row[9:]


def _proved(journal: Journal, counts: Counts, waiting: tuple[int, ...]) -> Counts:
    """Given pending, parked and held ones, counted another way, return a sum that comes out."""
    if counts.difference or waiting != (counts.pending, counts.parked, counts.held):
        raise journal.damaged()
    return counts
