"""The two sums that must come out: what was read, and what the journal holds."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from operator import add


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the records of one or more slices (the reading sum)."""

    first_seen: int = 0
    seen_before: int = 0
    exact_repeats: int = 0
    same_second: int = 0
    quarantined: int = 0
    newly_quarantined: int = 0
    """Those of the quarantined that were not in quarantine before; no part of the sum."""
    held_since: int = 0
    """Those first seen that are older than the device's starting line, and held; no part of the sum."""
    held_repeats: int = 0
    """Those first seen that are repeats of another one, and held; no part of the sum."""
    held_exact_repeats: int = 0
    """Those exact repeats that are kept as punches of their own, and held; no part of the sum."""
    clock_repeats: int = 0
    """Those of the same second whose bytes another punch had, as the clock restarts; no part of the sum."""
    by_other_door: int = 0
    """Those seen before that another door alone had shown until now; no part of the sum."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(*map(add, astuple(self), astuple(other)))

    @property
    def records(self) -> int:
        """The sum."""
        return self.first_seen + self.seen_before + self.exact_repeats + self.same_second + self.quarantined


@dataclass(frozen=True, slots=True)
class Counts:
    """The journal sum of one destination: every punch is in exactly one state."""

    punches: int = 0
    pending: int = 0
    confirmed: int = 0
    parked: int = 0
    held: int = 0
    discarded: int = 0

    @property
    def difference(self) -> int:
        """Punches that are in no state (or, negative, in more than one); 0 when the sum comes out."""
        return self.punches - (self.pending + self.confirmed + self.parked + self.held + self.discarded)
