"""Records that nobody can believe, as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkpoll.journal.store import Journal


@dataclass(frozen=True, slots=True)
class Impossible:
    """One record in quarantine."""

    device: str | None
    """Its inventory name; None for a terminal that was replaced."""
    serial_number: str
    raw: bytes
    reason: str
    quarantined_at: str
    """UTC, ISO 8601."""


def quarantined(journal: Journal) -> list[Impossible]:
    """Return all records in quarantine, oldest first."""
    return [Impossible(*row) for row in journal.all("quarantined")]
