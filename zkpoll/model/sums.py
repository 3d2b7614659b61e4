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
    other_state: int = 0
    """Those of these that tell another state than the other door did; no part of the sum."""
    held_manual: int = 0
    """Those first seen that a person typed in, and held; no part of the sum."""

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


@dataclass(frozen=True, slots=True)
class BridgeTally:
    """What became of the rows of a database that one visit read (the reading sum of the bridge)."""

    rows: int = 0
    """Rows read; events that are no punches are none."""
    first_seen: int = 0
    seen_before: int = 0
    repeats: int = 0
    """Rows that this visit has shown before: an exact duplicate."""
    set_aside: int = 0
    newly_set_aside: int = 0
    """Those of the rows set aside that were not before; no part of the sum, as all that follow."""
    changed: int = 0
    """Rows whose state, verify, work code or mark of a person's hand is another one than before."""
    gone: int = 0
    """Rows that were there and are nowhere now."""
    other_state: int = 0
    """Rows that are the punch of another door which told another state."""
    sudden: int = 0
    """New punches that are held, as most of their seconds are known under other user ids."""
    held_manual: int = 0
    """New punches that a person typed in, held as the inventory asks."""
    held_since: int = 0
    held_repeats: int = 0

    def __add__(self, other: BridgeTally) -> BridgeTally:
        return BridgeTally(*map(add, astuple(self), astuple(other)))

    @property
    def difference(self) -> int:
        """Rows that were read and are nowhere; 0 when the sum comes out."""
        return self.rows - (self.first_seen + self.seen_before + self.repeats + self.set_aside)
