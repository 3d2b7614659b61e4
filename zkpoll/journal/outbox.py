"""One dashboard's way out of the journal: what is pending, in flight, settled; the sum."""

from __future__ import annotations

import time
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, get_args
from zlib import crc32

from zkpoll.journal import way_out
from zkpoll.journal.balance import balance, recount
from zkpoll.journal.database import now, of_dashboard
from zkpoll.journal.overview import last_place
from zkpoll.journal.spans import count_of, places_of, spans, written
from zkpoll.model.delivery import Batch, KeptAnswer, OutboxState, Reach, SentRequest
from zkpoll.model.punch import Event
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from zkpoll.journal.database import Journal, Row
    from zkpoll.model.delivery import Settled
    from zkpoll.model.sums import Counts

_TOGETHER_FOR: Final = 1.0
"""Seconds after which the answers to requests that were written down together are, too, though some are
ahead."""
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
    places: frozenset[int]
    """The places of those."""
    waiting: Sequence[Row] = ()
    """Those of them that are still to be sent, the oldest first."""
    whole: bool = False
    """Whether it can be sent again as it was: its bytes are known, and all that it carried is to be sent."""

    @property
    def parked(self) -> bool:
        """Whether any of its punches was parked before it was sent."""
        return any(state == "parked" for state, *_ in self.waiting)


@dataclass(frozen=True, slots=True)
class _Decided:
    """What an answer decided, until it is on disk; all by the places of the punches."""

    confirmed: frozenset[int]
    parked: Mapping[int, tuple[str, str | None]]
    """With the words of the refusal, and when they were tried; None where nobody was asked."""
    answered: frozenset[int]
    """Those in flight no more."""
    requests: tuple[int, ...]
    """The numbers of the requests that carried them."""
    at: str

    @property
    def settled(self) -> frozenset[int]:
        """Those that wait no more."""
        return self.confirmed | self.parked.keys()


@dataclass(frozen=True, slots=True)
class _Share:
    """The devices of one of several senders that share a dashboard's punches, by a hash of their keys."""

    number: int
    of: int

    def has(self, key: str) -> bool:
        """Say whether a device is among them: always the same one's, whatever runs and on which machine."""
        return crc32(key.encode()) % self.of == self.number


class JournalOutbox:
    """The punches of one destination.

    What an answer decided is on disk with the next thing that is: as a rule the next request, in the same
    transaction, so that a punch costs one. Until then it is in flight on disk, as if no answer had come, and
    a run that is killed sends it again. Whoever waits for anything calls `flush` first.

        on disk    1 in flight | 1 settled, 2 in flight | 2 settled, 3 in flight | ... | 3 settled
        dashboard       1              2                        3
                   send(1)  decide(1), send(2)     decide(2), send(3)         decide(3), flush

    Requests that follow each other, and whose answers can be asked for again, are written down together when
    the first of them goes out: the others are `ahead`. So are their answers, once the last one has come. Any
    `flush` ends that: what has not gone out by then is in flight no more.

        on disk    1 to 9 in flight |                     | 1 to 9 settled, 10 to 18 in flight | ...
        dashboard                     1    2   ...    9                                          10
                   send(1, ahead)     decide(1), send(2), ...                   decide(9), send(10, ahead)

    What is in flight may be another run's: one that was killed, or one that is at the same journal just now,
    where their locks do not meet. Whoever finds a request sends it, too; each settles by its own answers.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        """Given a dashboard's name, open its outbox; a new dashboard gets what comes from now on."""
        self._journal = journal
        self._name = name
        row = journal.one("destination_met", name=name)
        if row is None:
            with journal.transaction():
                row = journal.one("meet_destination", name=name)
        self._destination: int | None = row[0] if row else None
        self._share = _Share(0, 1)
        self._empty()

    def _empty(self) -> None:
        """Know nothing of what was handed out."""
        self._seqs: dict[str, int] = {}
        """Of the punches last handed out, by id."""
        self._all_upto = 0
        """The place up to which all that was pending was handed out last."""
        self._none_upto = 0
        """The place up to which nothing is pending of the devices of a share."""
        self._in_flight: dict[int, _Flight] = {}
        """The requests in flight, those of other runs included, by their numbers."""
        self._decided: _Decided | None = None
        self._ahead: dict[str, int] = {}
        """The places of the punches that are written down as in flight and have not gone out, by id."""
        self._together: int | None = None
        """The number of the request that holds those that were written down together, if no answer to any of
        them is on disk yet."""
        self._together_since = 0.0
        """When that was, by the monotonic clock."""

    def shares(self, count: int) -> list[JournalOutbox]:
        """Return so many outboxes that share its punches: each has those of some devices, and no others.

        Which one has those of a device depends on its key and on `count` alone.
        """
        found = [copy(self) for _ in range(count)]
        for number, one in enumerate(found):
            one._share = _Share(number, count)
            one._empty()
        return found

    def has_its_name(self) -> bool:
        """Say whether the journal still has it by that name; a run with another inventory may rename it."""
        row = self._journal.one("dashboard_by_name", name=self._name)
        return row is not None and row[1] == self._destination

    def owes_nothing(self) -> bool:
        """Say whether nothing is pending, parked or in flight, and the dashboard was not gone for good."""
        return self._journal.one("owed_anything", destination=self._destination) is None

    # --- handing out ---

    def next(self, limit: int) -> Batch:
        """Return what was in flight and is not settled, then the oldest pending; `limit` at most.

        The last request that can be sent again as it was stands in front, and alone while there are others.
        """
        if self._ahead or (self._decided and not self._is_a_span(self._decided.settled)):
            self.flush()
        flights = self._flights()
        again = next((one for one in reversed(flights) if one.whole), None)
        found = [again] if again else flights[::-1]
        sent = {row[1]: row for one in found for row in one.waiting}
        parked = any(one.parked for one in found)
        rest: Sequence[Row] = ()
        if not parked and len(flights) == len(found):
            rows = self._pending(max(limit, len(sent)))
            rest = [row for row in rows if row[0] not in sent][: max(0, limit - len(sent))]
        batch = self._handed_out(
            [*(row[1:] for row in sent.values()), *rest],
            in_flight=len(found[0].waiting) if found else 0,
            sent_before=len(sent),
            tried_before=parked,
            request=again.request if again else None,
        )
        self._all_upto = rest[-1][0] if rest else 0
        return batch

    def _is_a_span(self, settled: AbstractSet[int]) -> bool:
        """Say whether nothing but punches that are decided on is pending from the first to the last.

        What another run brings between them meanwhile is passed over once.
        """
        if len(settled) <= 1:
            return True
        first, last = min(settled), max(settled)
        handed_out = sum(first <= seq <= last for seq in self._seqs.values())
        return last <= self._all_upto and handed_out == len(settled)

    def _pending(self, limit: int) -> list[Row]:
        """Return the oldest pending punches of the outbox's devices, but for those that are decided on.

        What is pending of others is walked past once: where nothing was pending before, nothing will be, but
        for what a person decides meanwhile, or is brought late beside others: that waits until somebody looks
        from the start.
        """
        end = last_place(self._journal) if self._share.of > 1 else 0
        settled = self._decided.settled if self._decided else ()
        between = {"first": min(settled, default=0), "last": max(settled, default=0)}
        rows = self._of_share("pending", limit=limit, after=self._none_upto, **between)
        if self._share.of > 1:
            # What devices have that were met after they were looked up stands behind `end`.
            self._none_upto = min(rows[0][0] - 1, end) if rows else end
        return rows

    def look_from_start(self) -> None:
        """Let `next` look at all that is pending once more: what was committed late may stand in front."""
        self._none_upto = 0

    def _of_share(self, query: str, **parameters: object) -> list[Row]:
        """Run a query over the punches of the outbox's devices."""
        every = self._share.of == 1
        keys = () if every else self._journal.all("keys_of_devices")
        devices = [number for number, key in keys if self._share.has(key)]
        return self._journal.look_up(query, devices, destination=self._destination, all=every, **parameters)

    def _flights(self) -> list[_Flight]:
        """Return the requests in flight, the oldest first. Forget those of which nothing is to be sent."""
        landed = self._decided.answered if self._decided else frozenset()
        own = self._decided.requests if self._decided else ()
        flights = _flights(self._journal, self._destination, dict.fromkeys(own, landed))
        over = [number for number, flight in flights.items() if not flight.waiting and number not in own]
        if over:
            with self._joined():
                self._journal.run_later("forget_request", [{"request": number} for number in over])
        mine = {number: self._mine(flight) for number, flight in flights.items()}
        self._in_flight = {number: flight for number, flight in mine.items() if flight.waiting}
        return list(self._in_flight.values())

    def _mine(self, flight: _Flight) -> _Flight:
        """Return a request with those of its punches that are this outbox's."""
        rows = [row for row in flight.waiting if self._share.has(row[4])]
        if len(rows) == len(flight.waiting):
            return flight
        ids, places = tuple(row[2] for row in rows), frozenset(row[1] for row in rows)
        return _Flight(SentRequest(ids), places, rows)

    def parked(self, limit: int, tried_before: datetime, after: Event | None = None) -> Batch:
        """Return the oldest parked punches that were last tried before then, `limit` at most.

        So is one that was tried in a time to come: this host's clock was wrong. `after` is the last one that
        was returned before, None to begin with the oldest.
        """
        self.flush()
        rows = self._of_share(
            "parked",
            limit=limit,
            before=tried_before.isoformat(timespec="milliseconds"),
            now=now(),
            after=self._seqs[after.id] if after else 0,
        )
        return self._handed_out(rows, tried_before=True)

    def newest_of_people(self, limit: int) -> list[Event]:
        """Return the newest pending punch of each of up to `limit` people, of all devices in turn.

        Those in flight are left out, if there are others: they go again as they went out. They may be sent
        and settled as if they had been returned with the others.
        """
        self.flush()
        rows = self._of_share("newest_of_people", limit=limit)
        flying = {one for flight in self._in_flight.values() for one in flight.request.ids}
        rows = [row for row in rows if row[1] not in flying] or rows
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
        self._all_upto = 0
        events = way_out.events(self._journal, rows)
        return Batch(events, in_flight, sent_before, tried_before, request)

    # --- what goes out, and what became of it ---

    def send(self, request: SentRequest, ahead: Sequence[str] = ()) -> bool:
        """Write down that a request goes out, with punches of those last returned.

        `ahead` are the ids of others of those that follow soon, one a request: they are written down with it,
        and not once more when they go. Return False if it is in flight already, or carries none. On disk when
        it returns, and with it what was decided before, but for what was decided on those that went together.
        Raise `JournalError`, and nothing is to be sent, where the journal is damaged.
        """
        for one in request.ids:
            self._ahead.pop(one, None)
        if not request.ids or self._is_in_flight(request):
            if self._together is None or time.monotonic() - self._together_since > _TOGETHER_FOR:
                self.flush()
            return False
        ids = (*request.ids, *ahead)
        places = frozenset(self._seqs[one] for one in ids)
        some = spans(places)
        between = [{"first": first, "last": last} for first, last in some]
        with self._joined():
            counts = [
                self._journal.one("places_between", destination=self._destination, **one) for one in between
            ]
            if len(places) != len(ids) or sum(row[0] for row in counts if row) != len(places):
                raise self._journal.damaged()
            (number,) = self._journal.one(
                "add_request",
                destination=self._destination,
                now=now(),
                punches=len(places),
                first=some[0][0],
                last=some[-1][1],
                places=written(some),
                method=request.method,
                key=request.key,
                body=request.body,
            ) or (None,)
        self._in_flight[number] = _Flight(SentRequest(ids) if ahead else request, places)
        if ahead:
            self._ahead = {one: self._seqs[one] for one in ahead}
            self._together, self._together_since = number, time.monotonic()
        return True

    def _is_in_flight(self, request: SentRequest) -> bool:
        """Say whether it is written down, by itself or together with others."""
        if any(request == flight.request for flight in self._in_flight.values()):
            return True
        together = self._in_flight.get(self._together) if self._together is not None else None
        return bool(together and request.body is None and set(request.ids) <= set(together.request.ids))

    def recall(self, request: SentRequest) -> None:
        """Write down that a request did not go out after all, nor what was ahead. On disk when it returns."""
        self._leave_ahead()
        numbers = [number for number, known in self._in_flight.items() if known.request == request]
        with self._joined():
            self._journal.run_later("forget_request", [{"request": number} for number in numbers])
        for number in numbers:
            del self._in_flight[number]

    def settle(self, settled: Settled, answered: Sequence[str] | None = None) -> None:
        """Write down what an answer decided; what it answered for is in flight no more, by default all.

        On disk when it returns. What a person discarded meanwhile stays so. Raise `JournalError` where the
        journal is damaged; what can be settled is settled by then.
        """
        in_flight = [one for flight in self._in_flight.values() for one in flight.request.ids]
        self.decide(settled, in_flight if answered is None else answered)
        self.flush()

    def decide(self, settled: Settled, answered: Sequence[str]) -> None:
        """Take down what an answer decided, as `settle` does; on disk with the next thing that is."""
        if self._together is None:
            self.flush()
        moment = now()
        self._take_down(
            _Decided(
                frozenset(self._seqs[one] for one in settled.confirmed),
                {
                    self._seqs[one]: (words, None if one in settled.unasked else moment)
                    for one, words in settled.parked.items()
                },
                *self._landed({one: self._seqs[one] for one in answered}),
                moment,
            )
        )

    def _landed(self, some: Mapping[str, int]) -> tuple[frozenset[int], tuple[int, ...]]:
        """Take punches, with their places by id, for in flight no more.

        Return the places, and the numbers of the requests that carried them.
        """
        places = frozenset(some.values())
        of = tuple(number for number, one in self._in_flight.items() if not places.isdisjoint(one.places))
        for number in of:
            known = self._in_flight.pop(number)
            if left := known.places - places:
                ids = tuple(one for one in known.request.ids if some.get(one) not in known.places)
                self._in_flight[number] = _Flight(SentRequest(ids), left)
        return places, of

    def _take_down(self, decided: _Decided) -> None:
        """Put what is decided to what was before and is not on disk yet."""
        if before := self._decided:
            decided = _Decided(
                before.confirmed | decided.confirmed,
                {**before.parked, **decided.parked},
                before.answered | decided.answered,
                tuple(dict.fromkeys((*before.requests, *decided.requests))),
                decided.at,
            )
        self._decided = decided

    def _leave_ahead(self) -> None:
        """Take down that what was to follow did not go out."""
        if self._ahead:
            self._take_down(_Decided(frozenset(), {}, *self._landed(self._ahead), now()))
            self._ahead = {}

    def flush(self) -> None:
        """Write down what is decided and not on disk yet, if there is anything.

        Raise `JournalError` where the journal is damaged; what can be settled is settled by then.
        """
        self._leave_ahead()
        if decided := self._decided:
            with self._journal.transaction(only=of_dashboard(self._destination)):
                changed = self._write(decided)
            self._decided = self._together = None
            self._check(decided, *changed)

    @contextmanager
    def _joined(self, *, alone: bool = False) -> Iterator[None]:
        """Do what is inside in one transaction with what is decided and not on disk yet.

        `alone`: nobody else writes meanwhile, for whatever dashboard. Raise `JournalError`, with nothing
        done, where the journal is damaged.
        """
        self._leave_ahead()
        with self._journal.transaction(only=None if alone else of_dashboard(self._destination)):
            if decided := self._decided:
                self._check(decided, *self._write(decided))
            yield
        self._decided = self._together = None

    def _write(self, decided: _Decided) -> tuple[int, int]:
        """Write down what was decided. Return how many were confirmed by that, and how many parked."""
        common = {"destination": self._destination, "now": decided.at}
        between = [common | {"first": first, "last": last} for first, last in spans(decided.confirmed)]
        confirmed = self._journal.run_many("confirm", between) if between else 0
        if confirmed:
            self._journal.run_at_end("count_confirmed", number=confirmed, **common)
        rows = [
            common | {"punch": seq, "reason": words, "tried_at": tried_at}
            for seq, (words, tried_at) in decided.parked.items()
        ]
        parked = self._journal.run_many("park", rows) if rows else 0
        for number in decided.requests:
            self._unload(number, decided.answered)
        return confirmed, parked

    def _unload(self, number: int, answered: AbstractSet[int]) -> None:
        """Take punches out of a request; others may have taken out some of it, too."""
        row = self._journal.one("carried_by", request=number)
        left = spans(_places(self._journal, *row) - answered) if row else ()
        if left:
            first, last = left[0][0], left[-1][1]
            shrunk = {"request": number, "first": first, "last": last, "places": written(left)}
            self._journal.run_later("shrink_request", [shrunk])
        else:
            self._journal.run_later("forget_request", [{"request": number}])

    def _check(self, decided: _Decided, confirmed: int, parked: int) -> None:
        """Raise `JournalError` where some were not changed, unless others have settled them."""
        if confirmed != len(decided.confirmed):
            self._check_states(decided.confirmed, _DECIDED)
        if parked != len(decided.parked):
            self._check_states(decided.parked, _DECIDED | {"parked"})

    def _check_states(self, seqs: Iterable[int], known: AbstractSet[str]) -> None:
        wanted = list(seqs)
        states = self._journal.look_up("states", wanted, destination=self._destination)
        if len(states) != len(wanted) or any(state not in known for _, state in states):
            raise self._journal.damaged()

    # --- the dashboard itself ---

    def halted(self) -> str | None:
        """Return what the dashboard said when it was gone for good, or None."""
        row = self._journal.one("halted", destination=self._destination)
        return row[0] if row else None

    def halt(self, words: str) -> None:
        """Write down that the dashboard is gone for good, in its own words."""
        with self._joined(alone=True):
            self._journal.run("halt", destination=self._destination, words=words)

    def kept_answer(self, asked: bytes) -> KeptAnswer | None:
        """Return what it told when it was asked this. None if it never was, or was asked otherwise since."""
        row = self._journal.one("kept_answer", destination=self._destination, asked=asked)
        return KeptAnswer(row[0], datetime.fromisoformat(row[1])) if row else None

    def keep_answer(self, asked: bytes, text: str) -> None:
        """Write down what it told, in place of what it told before. On disk when it returns."""
        with self._joined(alone=True):
            self._journal.run(
                "keep_answer", destination=self._destination, asked=asked, answer=text, now=now()
            )

    def failed_runs(self) -> int:
        """Return how many runs in a row ended at a failure of the punches that are first."""
        row = self._journal.one("failed_runs", destination=self._destination)
        return row[0] if row else 0

    def remember_failed_runs(self, runs: int) -> None:
        """Write that down."""
        with self._joined(alone=True):
            self._journal.run("remember_failed_runs", destination=self._destination, runs=runs)

    def counts(self) -> Counts:
        """Return how many punches are in which state.

        Raise `JournalError` where one that waits is in none, or an index says otherwise: it would not go.
        """
        return balance(self._journal, self._destination)

    def recount(self) -> Counts:
        """Return the same by walking what is settled, too. Raise `JournalError` where that is wrong."""
        return recount(self._journal, self._destination)

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
        for name, count in self._journal.all("waiting_in_quarantine"):
            found[name] = replace(found.get(name, Reach()), quarantined=count)
        for name, database, count in self._journal.all("waiting_aside"):
            reach = found.get(name, Reach())
            found[name] = replace(reach, set_aside={**reach.set_aside, database: count})
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


def _flights(
    journal: Journal, destination: int | None, landed: Mapping[int, AbstractSet[int]]
) -> dict[int, _Flight]:
    """Given a destination's number, return its requests in flight by their own, the oldest first.

    `landed` are places that are answered for and still written down as in flight, by request. Raise
    `JournalError` where a punch's place in the outbox is damaged, or a request's bytes are.
    """
    flights: dict[int, _Flight] = {}
    for number, began_at, punches, text, method, key, body in journal.all(
        "requests", destination=destination
    ):
        places = _places(journal, punches, text) - landed.get(number, frozenset())
        rows = journal.look_up("carried", sorted(places), destination=destination) if places else []
        if any(state not in _STATES for state, *_ in rows):
            raise journal.damaged()
        waiting = [row for row in rows if row[0] in _WAITING]
        ids = tuple(row[2] for row in rows)
        whole = body is not None and len(waiting) == punches
        if whole:
            way_out.check_bytes(journal, key, body)
        request = SentRequest(ids, method, key, body, began_at) if whole else SentRequest(ids)
        flights[number] = _Flight(request, places, waiting, whole)
    return flights


def _places(journal: Journal, punches: int, text: str) -> frozenset[int]:
    """Return the places of the punches in flight of a request that carried so many."""
    some = way_out.spans_sent(journal, text)
    if not 0 < count_of(some) <= punches:
        raise journal.damaged()
    return frozenset(places_of(some))


def first_again(journal: Journal, name: str) -> SentRequest | None:
    """Given a dashboard's name, return the request that is sent again as it was before all else, or None."""
    numbers: dict[str, int] = dict(journal.all("destinations"))
    destination = numbers.get(name)
    whole = [one.request for one in _flights(journal, destination, {}).values() if one.whole]
    return whole[-1] if whole else None


def first_pending(journal: Journal, name: str) -> Event | None:
    """Given a dashboard's name, return the oldest punch that is pending there, or None. Writes nothing."""
    row = journal.one("first_pending", name=name)
    return _event(row) if row else None


def newest_punch(journal: Journal) -> Event | None:
    """Return the punch that was journalled last, or None."""
    row = journal.one("newest_punch")
    return _event(row) if row else None


def _event(row: Row) -> Event:
    return Event(*row[:-2], *map(bool, row[-2:]))


def waiting(journal: Journal) -> dict[str, int]:
    """Return how many punches are pending, by the name of each dashboard there ever was."""
    return dict(journal.all("waiting_by_destination"))
