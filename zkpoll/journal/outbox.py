"""One dashboard's way out of the journal: what is pending, in flight, settled; the sum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, get_args

from zkpoll.journal import way_out
from zkpoll.journal.database import now
from zkpoll.model.delivery import Batch, OutboxState, Reach, SentRequest
from zkpoll.model.punch import Event
from zkpoll.model.sums import Counts
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from zkpoll.journal.database import Journal, Row
    from zkpoll.model.delivery import Settled

_STATES: Final = frozenset(get_args(OutboxState))
_WAITING: Final = frozenset(("pending", "parked"))
"""The states of punches that are sent."""
_DECIDED: Final = frozenset(("confirmed", "discarded"))
"""The states that others may have brought a punch into since it was sent: another run, which was told that it
was taken, too; a person."""


@dataclass(slots=True)
class _Flight:
    """A request in flight."""

    request: SentRequest
    """With the punches that nothing has answered for."""
    waiting: Sequence[Row]
    """Those of them that are still to be sent, the oldest first."""
    whole: bool
    """Whether it can be sent again as it was: its bytes are known, and all that it carried is to be sent."""

    @property
    def parked(self) -> bool:
        """Whether any of its punches was parked before it was sent."""
        return any(state == "parked" for state, *_ in self.waiting)


class JournalOutbox:
    """The punches of one destination.

    What is in flight may be another run's: one that was killed, or one that is at the same journal just now,
    where their locks do not meet. Whoever finds a request sends it, too; each settles by its own answers.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        """Given a dashboard's name, open its outbox; a new dashboard gets what comes from now on."""
        self._journal = journal
        with journal.transaction():
            row = journal.one("meet_destination", name=name)
        self._destination: int | None = row[0] if row else None
        self._seqs: dict[str, int] = {}
        """Of the punches last handed out, by id."""
        self._in_flight: dict[int, SentRequest] = {}
        """The requests in flight, those of other runs included, by their numbers."""

    def next(self, limit: int) -> Batch:
        """Return what was in flight and is not settled, then the oldest pending; `limit` at most.

        The last request that can be sent again as it was stands in front, and alone while there are others.
        """
        flights = self._flights()
        again = next((one for one in reversed(flights) if one.whole), None)
        found = [again] if again else flights[::-1]
        sent = {row[1]: row for one in found for row in one.waiting}
        parked = any(one.parked for one in found)
        rest: Sequence[Row] = ()
        if not parked and len(flights) == len(found):
            rows = self._journal.all("pending", destination=self._destination, limit=max(limit, len(sent)))
            rest = [row for row in rows if row[0] not in sent][: max(0, limit - len(sent))]
        return self._handed_out(
            [*(row[1:] for row in sent.values()), *rest],
            in_flight=len(found[0].waiting) if found else 0,
            sent_before=len(sent),
            tried_before=parked,
            request=again.request if again else None,
        )

    def _flights(self) -> list[_Flight]:
        """Return the requests in flight, the oldest first. Forget those of which nothing is to be sent."""
        flights = _flights(self._journal, self._destination)
        over = [number for number, flight in flights.items() if not flight.waiting]
        if over:
            with self._journal.transaction():
                self._journal.run_many("forget_request", [{"request": number} for number in over])
        self._in_flight = {number: flight.request for number, flight in flights.items() if flight.waiting}
        return [flights[number] for number in self._in_flight]

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
        return self._handed_out(rows, tried_before=True)

    def newest_of_people(self, limit: int) -> list[Event]:
        """Return the newest pending punch of each of up to `limit` people, newest first.

        They may be sent and settled as if they had been returned with the others.
        """
        rows = self._journal.all("newest_of_people", destination=self._destination, limit=limit)
        self._seqs |= {row[1]: row[0] for row in rows}
        return list(way_out.events(self._journal, rows))

    def _handed_out(
        self,
        rows: Sequence[Row],
        in_flight: int = 0,
        sent_before: int = 0,
        *,
        tried_before: bool,
        request: SentRequest | None = None,
    ) -> Batch:
        self._seqs = {row[1]: row[0] for row in rows}
        events = way_out.events(self._journal, rows)
        return Batch(events, in_flight, sent_before, tried_before, request)

    def send(self, request: SentRequest) -> bool:
        """Write down that a request goes out, with punches of those last returned.

        Return False, with nothing done, if it is in flight already. On disk when it returns. Raise
        `JournalError`, and nothing is to be sent, where the journal is damaged.
        """
        if request in self._in_flight.values():
            return False
        with self._journal.transaction():
            (number,) = self._journal.one(
                "add_request",
                destination=self._destination,
                now=now(),
                punches=len(request.ids),
                method=request.method,
                key=request.key,
                body=request.body,
            ) or (None,)
            seqs = [self._seqs[one] for one in request.ids]
            carried = self._journal.run_over("carry", seqs, request=number, destination=self._destination)
            if carried != len(seqs):
                raise self._journal.damaged()
        self._in_flight[number] = request
        return True

    def recall(self, request: SentRequest) -> None:
        """Write down that a request did not go out after all. On disk when it returns."""
        numbers = [number for number, known in self._in_flight.items() if known == request]
        with self._journal.transaction():
            self._journal.run_many("forget_request", [{"request": number} for number in numbers])
        for number in numbers:
            del self._in_flight[number]

    def settle(self, settled: Settled, answered: Sequence[str] | None = None) -> None:
        """Write down what an answer decided; what it answered for is in flight no more, by default all.

        On disk when it returns. What a person discarded meanwhile stays so. Raise `JournalError` where the
        journal is damaged; what can be settled is settled by then.
        """
        moment = now()
        rows = [
            {
                "destination": self._destination,
                "punch": self._seqs[one],
                "reason": words,
                "now": moment,
                "tried_at": None if one in settled.unasked else moment,
            }
            for one, words in settled.parked.items()
        ]
        with self._journal.transaction():
            confirmed = self._confirm(settled.confirmed, moment)
            parked = self._journal.run_many("park", rows) if rows else 0
            self._land(answered)
        if confirmed != len(settled.confirmed):
            self._check(settled.confirmed, _DECIDED)
        if parked != len(rows):
            self._check(settled.parked, _DECIDED | {"parked"})

    def _confirm(self, ids: Sequence[str], moment: str) -> int:
        """Confirm the punches that are not settled. Return how many that were."""
        if not ids:
            return 0
        common = {"destination": self._destination, "now": moment}
        wanted, changed = frozenset(ids), 0
        same = (number for number, request in self._in_flight.items() if wanted == frozenset(request.ids))
        if (number := next(same, None)) is not None:  # as by most answers; twice as fast
            changed = self._journal.run("confirm_request", request=number, **common)
        if changed != len(ids):  # not all of a request, or one that another run has forgotten
            changed += self._journal.run_over("confirm", [self._seqs[one] for one in ids], **common)
        return changed

    def _check(self, ids: Iterable[str], decided: AbstractSet[str]) -> None:
        """Given punches of which some were not changed, raise `JournalError` unless others settled them."""
        seqs = [self._seqs[one] for one in ids]
        states = self._journal.look_up("states", seqs, destination=self._destination)
        if len(states) != len(seqs) or any(state not in decided for _, state in states):
            raise self._journal.damaged()

    def _land(self, answered: Iterable[str] | None) -> None:
        """Take punches that were answered for, None for all, out of the requests that carried them."""
        landed = None if answered is None else frozenset(answered)
        for number, request in list(self._in_flight.items()):
            left = () if landed is None else tuple(one for one in request.ids if one not in landed)
            if not left:
                self._journal.run("forget_request", request=number)
                del self._in_flight[number]
            elif landed and len(left) < len(request.ids):
                seqs = [self._seqs[one] for one in landed.intersection(request.ids)]
                self._journal.run_over("unload", seqs, request=number)
                self._in_flight[number] = SentRequest(left)

    def halted(self) -> str | None:
        """Return what the dashboard said when it was gone for good, or None."""
        row = self._journal.one("halted", destination=self._destination)
        return row[0] if row else None

    def halt(self, words: str) -> None:
        """Write down that the dashboard is gone for good, in its own words."""
        with self._journal.transaction():
            self._journal.run("halt", destination=self._destination, words=words)

    def counts(self) -> Counts:
        """Return how many punches are in which state.

        Raise `JournalError` where one is in none, or an index says otherwise, so that it would never be sent.
        """
        row = self._journal.one("counts", destination=self._destination) or ()
        counts, (places, *indexed) = Counts(*row[:-4]), row[-4:]
        in_a_state = counts.punches - counts.difference
        if in_a_state != places or indexed != [counts.pending, counts.parked, counts.held]:
            raise self._journal.damaged()
        return counts

    def oldest_pending(self) -> str | None:
        """Return when the oldest pending punch was journalled (UTC, ISO 8601), or None."""
        row = self._journal.one("oldest_pending", destination=self._destination)
        return row[0] if row else None

    def reaches(self, now: datetime) -> dict[str, Reach]:
        """Return how far each device's punches are read and settled with this dashboard, by device name.

        A log that was read up to a time ahead of now (aware) was read by a wrong clock: nobody knows how far.
        Raise `JournalError` where the journal is damaged: a punch that no index lists would seem settled.
        """
        self.counts()
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


def _flights(journal: Journal, destination: int | None) -> dict[int, _Flight]:
    """Given a destination's number, return its requests in flight by their own, the oldest first.

    Raise `JournalError` where a punch's place in the outbox is damaged, or a request's bytes are.
    """
    requests = journal.all("requests", destination=destination)
    rows: dict[int, list[Row]] = {number: [] for number, *_ in requests}
    for number, *row in journal.all("carried", destination=destination) if requests else ():
        if row[0] not in _STATES:
            raise journal.damaged()
        if number in rows:  # else it was written between the two questions
            rows[number].append(tuple(row))
    flights: dict[int, _Flight] = {}
    for number, began_at, punches, method, key, body in requests:
        ids = tuple(row[2] for row in rows[number])
        waiting = [row for row in rows[number] if row[0] in _WAITING]
        whole = body is not None and len(waiting) == punches
        if whole:
            way_out.check_bytes(journal, key, body)
        request = SentRequest(ids, method, key, body, began_at) if whole else SentRequest(ids)
        flights[number] = _Flight(request, waiting, whole)
    return flights


def first_again(journal: Journal, name: str) -> SentRequest | None:
    """Given a dashboard's name, return the request that is sent again as it was before all else, or None."""
    numbers: dict[str, int] = dict(journal.all("destinations"))
    destination = numbers.get(name)
    whole = [one.request for one in _flights(journal, destination).values() if one.whole]
    return whole[-1] if whole else None


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
