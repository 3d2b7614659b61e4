"""When a run ended last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkpoll.journal.database import now

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal


def note_run(journal: Journal) -> None:
    """Write down that a run ends now."""
    with journal.transaction():
        journal.run("note_run", now=now())


def last_run(journal: Journal) -> datetime | None:
    """Return when a run ended last, by this host's clock then (UTC); None where none has.

    One that was killed or stopped, or could not use the journal, has not ended.
    """
    row = journal.one("last_run")
    return datetime.fromisoformat(row[0]).astimezone(UTC) if row else None
