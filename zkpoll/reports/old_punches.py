"""The screen of old punches: how many of each device may be removed, and why others stay. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from zkpoll.reports.words import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from zkpoll.journal.prune import PruneFate, PruneShare

STAYS: Final[dict[PruneFate, str]] = {
    "undelivered": "undelivered",
    "held": "held",
    "same_second": "same second",
    "in_database": "in a database",
}
"""The reasons why punches stay, in JSON and in words."""


@dataclass(frozen=True, slots=True)
class OldPunches:
    """Punches journalled before a moment, device by device."""

    before: datetime
    shares: Sequence[PruneShare]

    @property
    def removable(self) -> int:
        """How many may go."""
        return sum(share.removable for share in self.shares)

    def lines(self) -> Iterator[str]:
        """Yield a line for each device, without the reasons that keep none of its punches."""
        for share in self.shares:
            stays = [f"{share.counts[key]:,} {word}" for key, word in STAYS.items() if share.counts.get(key)]
            others = f"others may be on the device: {share.why}" if share.why else ""
            parts = [f"{share.device}  {share.removable:,} may go", ", ".join(stays), others]
            yield "  ".join(filter(None, parts))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Yield for each device its name, how many may go, and how many stay for each reason."""
        for share in self.shares:
            yield share.device, *(f"{number:,}" for number in _numbers(share).values())

    def remarks(self) -> Iterator[str]:
        """Yield for each device why other punches may still be on it, where any may."""
        for share in self.shares:
            if share.why:
                yield f"{share.device}: others may be on the device: {share.why}"

    def document(self, removed: int) -> dict[str, Any]:
        """Return it as a JSON document, with how many were removed."""
        devices = [
            {"device": one.device, "serial_number": one.serial_number, **_numbers(one), "why": one.why}
            for one in self.shares
        ]
        return {"before": iso(self.before), "devices": devices, "removed": removed}


def _numbers(share: PruneShare) -> dict[str, int]:
    return {"removable": share.removable} | {fate: share.counts.get(fate, 0) for fate in STAYS}
