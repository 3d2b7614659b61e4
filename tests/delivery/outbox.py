"""An outbox that keeps its events in memory, and events to put into one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from zkpoll.model.delivery import Batch, KeptAnswer, SentRequest, Settled
from zkpoll.model.punch import Event, punch_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SERIAL = "CQZ7224760045"

EXAMPLE = Event(
    id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
    device="front-door",
    serial_number=SERIAL,
    user_id="1001",
    timestamp="2026-11-22T08:59:58+06:00",
    verify=1,
    state=0,
    work_code=0,
    source="pull",
)


def some_events(count: int, first: int = 1) -> list[Event]:
    """Return events of as many people, all at the same second."""
    time = "2026-11-22T08:59:58"
    return [
        Event(
            id=punch_id(SERIAL, str(user), time),
            device="front-door",
            serial_number=SERIAL,
            user_id=str(user),
            timestamp=f"{time}+06:00",
            verify=1,
            state=0,
            work_code=0,
            source="pull",
        )
        for user in range(first, first + count)
    ]


class MemoryOutbox:
    """The punches of one destination in memory; remembers each confirmation as it was made."""

    def __init__(self, events: Iterable[Event] = (), *, parked: Iterable[Event] = ()) -> None:
        self._pending = {event.id: event for event in events}
        self._parked = {event.id: event for event in parked}
        self._order = [*self._pending, *self._parked]
        self._tried: set[str] = set()
        self.refusals: dict[str, str] = {}
        """What was said of each that is parked, by id."""
        self.requests: list[tuple[SentRequest, list[str]]] = []
        """The requests in flight, the oldest first, each with the ids that nothing has answered for."""
        self.sent: list[tuple[str, ...]] = []
        """What was written down as in flight, each time."""
        self.confirmations: list[tuple[str, ...]] = []
        self.gone: str | None = None
        self.answers: dict[bytes, KeptAnswer] = {}
        """What the dashboard told about itself last, by what it was asked."""
        self.failures = 0
        self._together: set[str] = set()
        """The ids of those in flight that were written down together."""
        self._ahead: set[str] = set()
        """Those of them that have not gone out."""

    def add(self, events: Iterable[Event]) -> None:
        """Put `events` behind what is pending."""
        found = {event.id: event for event in events}
        self._order += found
        self._pending.update(found)

    def kept_answer(self, asked: bytes) -> KeptAnswer | None:
        """Return what the dashboard told when it was asked this."""
        return self.answers.get(asked)

    def keep_answer(self, asked: bytes, text: str) -> None:
        """Remember what the dashboard told, and nothing else of it."""
        self.answers = {asked: KeptAnswer(text, datetime.now(UTC))}

    def tell(self, off: timedelta) -> None:
        """Let all that it told have been told so much later than now."""
        self.answers = {
            asked: KeptAnswer(one.text, datetime.now(UTC) + off) for asked, one in self.answers.items()
        }

    def shares(self, count: int) -> Sequence[MemoryOutbox]:
        """Return outboxes of which one has all: they are punches of one device."""
        return [self, *(MemoryOutbox() for _ in range(count - 1))]

    def look_from_start(self) -> None:
        """It always does."""

    def halted(self) -> str | None:
        """Return what the dashboard said when it was gone."""
        return self.gone

    def halt(self, words: str) -> None:
        """Remember that the dashboard is gone."""
        self.gone = words

    def failed_runs(self) -> int:
        """Return what was remembered."""
        return self.failures

    def remember_failed_runs(self, runs: int) -> None:
        """Remember how many runs ended at a failure."""
        self.failures = runs

    def next(self, limit: int) -> Batch:
        """Return what is in flight, then the oldest pending, as the journal does."""
        self.flush()
        known = self._pending | self._parked
        again = next((one for one in self.requests[::-1] if one[0].body is not None), None)
        found = [again] if again else self.requests[::-1]
        flying = dict.fromkeys(one for _, left in found for one in sorted(left, key=self._order.index))
        sent = [known[one] for one in flying]
        parked = any(one in self._parked for one in flying)
        alone = parked or len(found) < len(self.requests)
        rest = [] if alone else [event for event in self._pending.values() if event not in sent]
        return Batch(
            (*sent, *rest)[: max(limit, len(sent))],
            len(found[0][1]) if found else 0,
            len(sent),
            tried_before=parked,
            request=again[0] if again else None,
        )

    @property
    def in_flight(self) -> list[str]:
        """The ids in flight, those that were written down first before the others."""
        return list(dict.fromkeys(one for _, left in self.requests for one in left))

    def newest_of_people(self, limit: int) -> list[Event]:
        """Return the newest pending, newest first: each is of another person. In flight are none, or all."""
        self.flush()
        newest = list(self._pending.values())[::-1]
        flying = set(self.in_flight)
        return ([event for event in newest if event.id not in flying] or newest)[:limit]

    def parked(self, limit: int, tried_before: datetime, after: Event | None) -> Batch:  # noqa: ARG002
        """Return the parked that were not tried in this run, or about which nobody was asked."""
        behind = self._order.index(after.id) if after else -1
        due = [
            event
            for event in self._parked.values()
            if event.id not in self._tried and self._order.index(event.id) > behind
        ]
        return Batch(tuple(due[:limit]), tried_before=True)

    def send(self, request: SentRequest, ahead: Sequence[str] = ()) -> bool:
        """Remember what is in flight, and what is to follow."""
        if not request.ids:
            return False
        self.sent.append(request.ids)
        self._ahead -= set(request.ids)
        if request in [known for known, _ in self.requests] or set(request.ids) <= self._together:
            return False
        self.flush()
        ids = (*request.ids, *ahead)
        self.requests.append((SentRequest(ids) if ahead else request, list(ids)))
        if ahead:
            self._ahead, self._together = set(ahead), set(ids)
        return True

    def recall(self, request: SentRequest) -> None:
        """Forget what did not go out."""
        self.flush()
        self.requests = [one for one in self.requests if one[0] != request]

    def settle(self, settled: Settled, answered: Sequence[str]) -> None:
        """Take out what is settled. Raise `KeyError` for one that is neither pending nor parked."""
        left = [(known, [one for one in ids if one not in answered]) for known, ids in self.requests]
        self.requests = [
            (known if len(ids) == len(known.ids) else SentRequest(tuple(ids)), ids)
            for known, ids in left
            if ids
        ]
        self._together -= set(answered)
        for one in settled.confirmed:
            self._parked.pop(one) if one in self._parked else self._pending.pop(one)
        for one in settled.parked:
            self._parked[one] = self._parked.get(one) or self._pending.pop(one)
        self._tried = (self._tried | settled.parked.keys()) - settled.unasked
        self.refusals |= settled.parked
        if settled.confirmed:
            self.confirmations.append(settled.confirmed)

    def decide(self, settled: Settled, answered: Sequence[str]) -> None:
        """Take out what is settled."""
        self.settle(settled, answered)

    def flush(self) -> None:
        """Forget what was to follow. What is decided is settled, as long as this lives."""
        if self._ahead:
            self.settle(Settled(), list(self._ahead))
            self._ahead = set()

    def rest(self) -> None:
        """Let what is parked be due again."""
        self._tried.clear()

    @property
    def left(self) -> list[str]:
        """The ids still pending."""
        return list(self._pending)

    @property
    def put_aside(self) -> list[str]:
        """The ids parked."""
        return list(self._parked)

    @property
    def confirmed(self) -> list[str]:
        """The ids confirmed, in the order of their confirmation."""
        return [one for ids in self.confirmations for one in ids]
