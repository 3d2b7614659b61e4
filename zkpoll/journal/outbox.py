"""One dashboard's way out of the journal: pending punches, confirmations, the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.journal.store import now
from zkpoll.punch import Counts, Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.journal.store import Journal


class Outbox:
    """The punches of one destination."""

    def __init__(self, journal: Journal, name: str) -> None:
        """Given a dashboard's name, open its outbox; a new dashboard gets what comes from now on."""
        self._journal = journal
        with journal.transaction():
            row = journal.one("meet_destination", name=name)
        self._destination: int | None = row[0] if row else None
        self._handed_out: dict[str, int] = {}

    def pending(self, limit: int) -> list[Event]:
        """Return up to `limit` pending punches, oldest first."""
        rows = self._journal.all("pending", destination=self._destination, limit=limit)
        self._handed_out = {id_: seq for seq, id_, *_ in rows}
        return [Event._make([*fields, bool(suspect)]) for _, *fields, suspect in rows]

    def confirm(self, ids: Sequence[str]) -> None:
        """Write down that the destination has these punches, of those `pending` last returned.

        On disk when it returns.
        """
        moment = now()
        rows = [
            {"destination": self._destination, "punch": self._handed_out[id_], "now": moment} for id_ in ids
        ]
        with self._journal.transaction():
            self._journal.run_many("confirm", rows)

    def counts(self) -> Counts:
        """Return how many punches are in which state."""
        counts: dict[str, int] = dict(self._journal.all("counts", destination=self._destination))
        return Counts(**counts)

    def oldest_pending(self) -> str | None:
        """Return when the oldest pending punch was journalled (UTC, ISO 8601), or None."""
        row = self._journal.one("oldest_pending", destination=self._destination)
        return row[0] if row else None


def waiting(journal: Journal) -> dict[str, int]:
    """Return how many punches are pending, by the name of the dashboard they are for, where there are any."""
    return dict(journal.all("waiting_by_destination"))
