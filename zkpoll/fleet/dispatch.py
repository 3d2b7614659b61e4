"""One dispatch: what is due is claimed in the journal, then a message is sent for each of it.

    claim  ──▶ commit ──▶ send      what could not be sent is due again; what is lost on the way, too, once
                                    its span is over

Any number of machines may dispatch: each errand is claimed by one of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from zkpoll.errors import TryLater
from zkpoll.fleet.errands import Plan, span_end, span_of
from zkpoll.journal import errands as register
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox, waiting
from zkpoll.model.errand import Kind
from zkpoll.tasks.renames import follow_renames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import LastReading
    from zkpoll.model.errand import Errand, ErrandStanding
    from zkpoll.tasks.result import Result


class BrokerAway(TryLater):
    """The broker does not answer, or refuses us."""

    kind = "broker"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent of an errand: its name, and which sending it is."""

    subject: str
    until: datetime
    """When it counts no more (UTC)."""


class Sender(Protocol):
    """The way to the queues."""

    def send(self, queue: str, messages: Sequence[Message], most: int) -> None:
        """Send messages to a queue, which never has more than `most` that count.

        Raise `BrokerAway` where that is not sure of any of them.
        """


@dataclass(frozen=True, slots=True)
class Dispatched:
    """The result of a dispatch."""

    sent: Mapping[Kind, int] = field(default_factory=dict)
    standings: Sequence[ErrandStanding] = ()
    """How all errands stood before it."""
    problem: str | None = None
    """Why not all that was due was sent: the broker does not answer."""
    renamed: tuple[Result, ...] = ()
    """What came of names that changed in the inventory."""
    stranded: Mapping[str, int] = field(default_factory=dict)
    """Punches that wait for dashboards which left the inventory, by name."""


def dispatch(inventory: Inventory, journal: Journal, sender: Sender, every: float) -> Dispatched:
    """Send what is due, and return what was sent. Raise `JournalError`, and `Busy` as `follow_renames`."""
    renamed = follow_renames(inventory, journal, lambda: False)
    # Before any visit: a dashboard gets what is journalled after it was met.
    outboxes = {one.name: JournalOutbox(journal, one.name) for one in inventory.dashboards}
    left = {name: count for name, count in waiting(journal).items() if name not in outboxes}
    plan, now = Plan(inventory), datetime.now(UTC)
    known = [*plan.visits(), *plan.deliveries(), *plan.ever_cleared()]
    last = Devices(journal).last_readings() if plan.ever_cleared() else {}
    register.forget_but(journal, set(known) - _withdrawn(plan, register.standings(journal), last, now))
    before = register.standings(journal)
    batches = _claimed(plan, journal, before, last, now, every)
    most, sent = Counter(map(plan.queue, known)), Counter[Kind]()
    for place, batch in enumerate(batches):
        messages = [Message(one.subject, batch.until) for one in batch.errands]
        try:
            sender.send(batch.queue, messages, most[batch.queue])
        except BrokerAway as error:
            for unsent in batches[place:]:
                register.give_back(journal, unsent.errands, unsent.until)
            return Dispatched(sent, before, str(error), renamed, left)
        sent.update(one.kind for one in batch.errands)
    return Dispatched(sent, before, None, renamed, left)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Errands that were claimed, and go by one queue."""

    queue: str
    until: datetime
    errands: Sequence[Errand]


def _withdrawn(
    plan: Plan, before: Sequence[ErrandStanding], last: Mapping[str, LastReading], now: datetime
) -> set[Errand]:
    """Return the clearings that nobody took, and that are not due any more: nobody is to wait for them."""
    due = set(plan.due_to_be_cleared(last, now))
    waiting = {one.errand for one in before if one.is_waiting and not one.is_under_way}
    return {one for one in waiting - due if one.kind == "clear"}


def _claimed(
    plan: Plan,
    journal: Journal,
    before: Sequence[ErrandStanding],
    last: Mapping[str, LastReading],
    now: datetime,
    every: float,
) -> list[_Batch]:
    """Claim what is due by now, and return it. Deliveries are first: what they carry was read before.

    What waits longest goes first. Where workers are too few for all of it, what they leave is over with its
    span; in alphabetical order it would be the same devices each time, and nobody would ever visit them.

    A clearing goes before the next visit to the same device: behind that it would find the device taken, and
    be left, each time that both are due at once.
    """
    taken = {one.errand: one.sent_at for one in before if not one.is_waiting}
    since = {one.errand: one.waits_since if one.is_waiting else one.taken_at or now for one in before}
    wanted: dict[Kind, list[Errand]] = {
        "deliver": plan.deliveries(),
        "clear": plan.clearings(last, taken, now),
        "visit": plan.visits(),
    }
    batches = []
    for kind, errands in wanted.items():
        until = span_end(now, span_of(kind, every))
        settings = {errand: plan.settings(errand) for errand in errands}
        queues: dict[str, list[Errand]] = {}
        claimed = register.claim(journal, settings, now, until)
        for errand in sorted(claimed, key=lambda one: since.get(one, now)):
            queues.setdefault(plan.queue(errand), []).append(errand)
        batches += [_Batch(queue, until, found) for queue, found in queues.items()]
    return batches
