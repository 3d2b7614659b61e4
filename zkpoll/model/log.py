"""One device's log: what is known of it, what was read, and who takes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from zkpoll.model.punch import Form, Punch, Quarantined


@dataclass(frozen=True, slots=True)
class WholeReading:
    """A reading of a log from its first record on, which may take several visits where some break off."""

    before: int
    """Records of the log that were known when it began; none of the last ones was in its place any more."""
    seen: int = 0
    """Those of its records until now that were known before they were read."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """How much of a device's log is in the journal, with the proof."""

    layout: int
    """Width of a record in bytes: 8, 16, 22, 40 or 49; 4 where some of its 8-byte records are short ones."""
    count: int
    """How many of the log's records are in the journal."""
    tail: tuple[bytes, ...]
    """Canonical bytes (raw bytes where quarantined) of the last of them, oldest first."""
    fold: int = 0
    """1 if the last of them lies in the second pass of an hour that daylight saving repeats."""
    whole_at: datetime | None = None
    """When all of the log was last read; None while it never was."""
    all_read: bool = False
    """Whether all of the log was read to there, or it was seen empty: what stands behind is new."""
    before_clear: tuple[int, tuple[bytes, ...]] | None = None
    """`count` and `tail` of the log when it was told to clear itself, where nobody saw what became of it; the
    others say that nothing is known."""
    whole: WholeReading | None = None
    """The whole reading that is under way, and not at the log's end yet."""

    @property
    def once(self) -> bool:
        """Whether the device hands out each record once. `count` is its own, and there is no proof then."""
        return self.count > 0 and not self.tail


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one device in one form, in the order in which they were made."""

    punches: tuple[Punch, ...]
    """Their times have `fold` set in the second pass of a repeated hour."""
    quarantined: tuple[Quarantined, ...]
    form: Form | None = field(kw_only=True)
    """None only where there are no records."""
    drift: float | None = field(default=None, kw_only=True)
    """Seconds by which the device's clock is ahead, where it is known."""
    proved_new: bool = field(default=False, kw_only=True)
    """Whether their place in the log proves them new: behind the last known records, or in a log that was
    seen empty. Equal bytes are another punch then."""
    manual: frozenset[bytes] = field(default=frozenset(), kw_only=True)
    """The canonical bytes of those that a person typed in, which no terminal has."""

    @property
    def records(self) -> int:
        """How many records they are."""
        return len(self.punches) + len(self.quarantined)


@dataclass(frozen=True, slots=True)
class Slice(Records):
    """A verified run of consecutive records of one log, in the log's order."""

    mark: Watermark | None
    """The watermark at the end of the slice; None where the log is only gone over again."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a visit to a device found, beside the records it handed on."""

    layout: int | None
    """Width of a record in bytes; 4 where some of 8 are short ones; None when the log is empty."""
    records: int
    """Records read from the log's bytes."""
    proved: int
    """Those of them that were not handed on: the last known ones, found where they were."""
    on_device: int
    """Records in the log, by its bytes; by the device's count where it handed out all of them before."""
    capacity: int | None
    """Records the log can hold, where the device tells."""
    drift: float | None
    """Seconds by which the device's clock is ahead; None when it shows no real date."""
    whole: bool
    """Whether all of the log was read in this visit."""
    before: int
    """Records of the log that were in the journal before this visit."""
    continued: bool
    """Whether the log still held, where they were, the last records that were known of it, or was known to
    hand out each record once."""
    once: bool = False
    """Whether the device laid out fewer records than it counts, and none of the last known ones: it hands out
    each record once. `on_device` is its count then."""
    missed: int = 0
    """Records that such a device has counted since the last visit, and did not lay out."""
    round_trips: int = 0
    bytes_received: int = 0
    complete_until: datetime | None = None
    """What the device stamped with an earlier time was in the log that was read (UTC); None where its clock
    shows no date."""


class Sink(Protocol):
    """The taker of a door's records; a task provides it, so that no door knows the journal."""

    def take(self, piece: Slice) -> None:
        """Keep `piece` for good: when this returns, it is on disk."""
