"""Records with impossible values, kept as they came until a person accepts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.journal.database import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.database import Journal


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
    accepted_at: str | None
    """When a person accepted it (UTC, ISO 8601); None while it keeps its device's log from being cleared."""


def quarantined(journal: Journal) -> list[Impossible]:
    """Return all records in quarantine, oldest first."""
    return [Impossible(*row) for row in journal.all("quarantined")]


def accept(journal: Journal, records: Sequence[Impossible]) -> int:
    """Let the log that `records` are in be cleared as far as they go; return how many were not accepted yet.

    They stay in quarantine, and accepted, wherever they are met again.
    """
    rows = [{"key": record.serial_number, "raw": record.raw, "now": now()} for record in records]
    with journal.transaction():
        return journal.run_many("accept_quarantined", rows)
