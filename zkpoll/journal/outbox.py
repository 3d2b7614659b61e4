"""One dashboard's way out of the journal: what is pending, in flight, settled; the sum."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from zkpoll.journal.database import now
from zkpoll.model.delivery import Batch, Reach
from zkpoll.model.punch import Event
from zkpoll.model.sums import Counts
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.journal.database import Journal, Row
    from zkpoll.model.delivery import OutboxState, Settled


class JournalOutbox:
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
        self._last: tuple[str, ...] = ()
        """Ids of those of them that were sent together last."""

    def next(self, limit: int) -> Batch:
        """Return what was in flight and is not settled, then the oldest pending; `limit` at most."""
        found = self._journal.all("in_flight", destination=self._destination)
        sent = [row[:-2] for row in found]
        last = sum(row[-1] for row in found)
        if any(state == "parked" for *_, state, _ in found):
            return self._handed_out(sent, [], last, tried_before=True)
        flying = {seq for seq, *_ in sent}
        rows = self._journal.all("pending", destination=self._destination, limit=max(limit, len(sent)))
        rest = [row for row in rows if row[0] not in flying] if flying else rows
        return self._handed_out(sent, rest[: max(0, limit - len(sent))], last, tried_before=False)

    def parked(self, limit: int, tried_before: datetime, after: Event | None = None) -> Batch:
        """Return the oldest parked punches that were last tried before then, `limit` at most.

        So is one that was tried in a time to come: this host's clock was wrong. `after` is the last one that
        was returned before, None to begin with the oldest.
        """
        rows = self._journal.all(
            "parked",
            destination=self._destination,
            limit=limit,
            before=tried_before.isoformat(timespec="milliseconds"),
            now=now(),
            after=self._seqs[after.id] if after else 0,
        )
        return self._handed_out([], rows, 0, tried_before=True)

    def newest_of_people(self, limit: int) -> list[Event]:
        """Return the newest pending punch of each of up to `limit` people, newest first.

        They may be sent and settled as if they had been returned with the others.
        """
        rows = self._journal.all("newest_of_people", destination=self._destination, limit=limit)
        self._seqs |= {row[1]: row[0] for row in rows}
        return [Event._make(row[1:]) for row in rows]

    def _handed_out(self, sent: Sequence[Row], rows: Sequence[Row], last: int, tried_before: bool) -> Batch:
        found = [*sent, *rows]
        self._seqs = {row[1]: row[0] for row in found}
        self._in_flight = tuple(row[1] for row in sent)
        self._last = self._in_flight[:last]
        return Batch(tuple(Event._make(row[1:]) for row in found), last, len(sent), tried_before)

    def send(self, ids: Sequence[str]) -> None:
        """Write down that these, of the punches last returned, are in flight, beside what is already.

        On disk when it returns.
        """
        if tuple(ids) == self._last:
            return
        with self._journal.transaction():
            if self._in_flight:
                self._journal.run("none_is_last", destination=self._destination)
            self._journal.run_many("take_off", self._rows(ids))
        self._last = tuple(ids)
        flying = set(self._in_flight)
        self._in_flight += tuple(one for one in ids if one not in flying)

    def settle(self, settled: Settled, answered: Sequence[str] | None = None) -> None:
        """Write down what an answer decided; what it answered for is in flight no more, by default all.

        On disk when it returns. What a person discarded meanwhile stays so.
        """
        landed = set(self._in_flight if answered is None else answered)
        left = tuple(one for one in self._in_flight if one not in landed)
        with self._journal.transaction():
            self._confirm(settled.confirmed)
            self._park(settled)
            if left:
                self._journal.run_many("land", self._rows(landed))
            else:
                self._journal.run("land_all", destination=self._destination)
        self._in_flight, self._last = left, ()

    def _confirm(self, ids: tuple[str, ...]) -> None:
        if ids == self._in_flight:  # as most answers do; four times as fast
            self._journal.run("confirm_in_flight", destination=self._destination, now=now())
        else:
            self._journal.run_many("confirm", [row | {"now": now()} for row in self._rows(ids)])

    def _park(self, settled: Settled) -> None:
        moment = now()
        rows = zip(self._rows(settled.parked), settled.parked.items(), strict=True)
        self._journal.run_many(
            "park",
            [
                row | {"reason": words, "now": moment, "tried_at": None if one in settled.unasked else moment}
                for row, (one, words) in rows
            ],
        )

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
        return Counts(*(self._journal.one("counts", destination=self._destination) or ()))

    def oldest_pending(self) -> str | None:
        """Return when the oldest pending punch was journalled (UTC, ISO 8601), or None."""
        row = self._journal.one("oldest_pending", destination=self._destination)
        return row[0] if row else None

    def reaches(self, now: datetime) -> dict[str, Reach]:
        """Return how far each device's punches are read and settled with this dashboard, by device name.

        A log that was read up to a time ahead of now (aware) was read by a wrong clock: nobody knows how far.
        """
        found: dict[str, Reach] = {}
        for name, text in self._journal.all("complete_until"):
            until = datetime.fromisoformat(text) if text else None
            found[name] = Reach(None if until is None or is_ahead(until, now) else until)
        for name, state, earliest, count in self._journal.all(
            "unsettled_by_device", destination=self._destination
        ):
            found[name] = _with_waiting(found.get(name, Reach()), state, earliest, count)
        return found


def _with_waiting(reach: Reach, state: OutboxState, earliest: str, count: int) -> Reach:
    """Given how far a device is settled, return it with `count` more punches that are not."""
    first = datetime.fromisoformat(earliest)
    since = min(first, reach.unsettled_since or first)
    match state:
        case "pending":
            return replace(reach, unsettled_since=since, pending=reach.pending + count)
        case "parked":
            return replace(reach, unsettled_since=since, parked=reach.parked + count)
        case _:
            return replace(reach, unsettled_since=since, held=reach.held + count)


def first_pending(journal: Journal, name: str) -> Event | None:
    """Given a dashboard's name, return the oldest punch that is pending there, or None. Writes nothing."""
    row = journal.one("first_pending", name=name)
    return Event._make(row) if row else None


def newest_punch(journal: Journal) -> Event | None:
    """Return the punch that was journalled last, or None."""
    row = journal.one("newest_punch")
    return Event._make(row) if row else None


def waiting(journal: Journal) -> dict[str, int]:
    """Return how many punches are pending, by the name of each dashboard there ever was."""
    return dict(journal.all("waiting_by_destination"))
