"""One dashboard's way out of the journal: what is pending, in flight, settled; the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkpoll.journal.store import now
from zkpoll.punch import Batch, Counts, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from zkpoll.journal.store import Journal, Row
    from zkpoll.punch import Settled


class Outbox:
    """The punches of one destination."""

    def __init__(self, journal: Journal, name: str) -> None:
        """Given a dashboard's name, open its outbox; a new dashboard gets what comes from now on."""
        self._journal = journal
        with journal.transaction():
            row = journal.one("meet_destination", name=name)
        self._destination: int | None = row[0] if row else None
        self._seqs: dict[str, int] = {}
        """Of the punches last handed out, by id."""
        self._in_flight: tuple[str, ...] = ()
        """Ids of those of them that are in flight."""

    def next(self, limit: int) -> Batch:
        """Return what was in flight last and is not settled, then the oldest pending; `limit` at most."""
        sent = self._journal.all("in_flight", destination=self._destination)
        tried_before = any(state == "parked" for *_, state in sent)
        room = 0 if tried_before else max(0, limit - len(sent))
        rows = self._journal.all("pending", destination=self._destination, limit=room)
        return self._handed_out([row[:-1] for row in sent], rows, tried_before)

    def parked(self, limit: int, tried_before: datetime) -> Batch:
        """Return the oldest parked punches that were last tried before then, `limit` at most."""
        before = tried_before.isoformat(timespec="milliseconds")
        rows = self._journal.all("parked", destination=self._destination, limit=limit, before=before)
        return self._handed_out([], rows, tried_before=True)

    def _handed_out(self, sent: Sequence[Row], rows: Sequence[Row], tried_before: bool) -> Batch:
        found = [*sent, *rows]
        self._seqs = {id_: seq for seq, id_, *_ in found}
        self._in_flight = tuple(id_ for _, id_, *_ in sent)
        events = tuple(Event._make([*fields, bool(suspect)]) for _, *fields, suspect in found)
        return Batch(events, len(sent), tried_before)

    def send(self, ids: Sequence[str]) -> None:
        """Write down that these, of the punches last returned, are in flight together, and no others.

        On disk when it returns.
        """
        if tuple(ids) == self._in_flight:
            return
        with self._journal.transaction():
            self._journal.run("land", destination=self._destination)
            self._journal.run_many("take_off", self._rows(ids))
        self._in_flight = tuple(ids)

    def settle(self, settled: Settled) -> None:
        """Write down what an answer decided; nothing is in flight any more.

        On disk when it returns. What a person discarded meanwhile stays so.
        """
        moment = now()
        confirmed = [row | {"now": moment} for row in self._rows(settled.confirmed)]
        parked = [
            row | {"reason": words, "now": moment}
            for row, words in zip(self._rows(settled.parked), settled.parked.values(), strict=True)
        ]
        with self._journal.transaction():
            self._journal.run_many("confirm", confirmed)
            self._journal.run_many("park", parked)
            self._journal.run("land", destination=self._destination)
        self._in_flight = ()

    def _rows(self, ids: Iterable[str]) -> list[dict[str, object]]:
        return [{"destination": self._destination, "punch": self._seqs[id_]} for id_ in ids]

    def halted(self) -> str | None:
        """Return what the dashboard said when it was gone for good, or None."""
        row = self._journal.one("halted", destination=self._destination)
        return row[0] if row else None

    def halt(self, words: str) -> None:
        """Write down that the dashboard is gone for good, in its own words."""
        with self._journal.transaction():
            self._journal.run("halt", destination=self._destination, words=words)

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
