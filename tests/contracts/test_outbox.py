"""The contract between delivery and an outbox, held by the journal's and by the one that tests use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.delivery.outbox import MemoryOutbox, some_events
from tests.journal.conftest import new_journal
from tests.journal.helpers import piece, punch, visit
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Batch, SentRequest, Settled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zkpoll.delivery.destination import Outbox
    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Event

BEFORE_THIS_RUN = datetime.now(UTC) - timedelta(days=1)
"""Parked punches that were last tried earlier than this are due again."""


class World(Protocol):
    """An outbox, and the punches that come into it. A person's number is their user id."""

    outbox: Outbox

    def arrive(self, first: int, last: int) -> None:
        """Let one punch of each of these people become pending, in that order."""


class InJournal:
    """The outbox of a dashboard in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._visit = visit(journal)
        self.outbox: Outbox = JournalOutbox(journal, "main")

    def arrive(self, first: int, last: int) -> None:
        """Read the punches from a device."""
        self._visit.take(piece(*(punch(str(user)) for user in range(first, last + 1))))


class InMemory:
    """The outbox in memory that tests of delivery use."""

    def __init__(self) -> None:
        self._memory = MemoryOutbox()
        self.outbox: Outbox = self._memory

    def arrive(self, first: int, last: int) -> None:
        """Add events like those a device's punches become."""
        self._memory.add(some_events(last - first + 1, first))


@pytest.fixture(params=["sqlite", "postgres", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Return each kind of outbox, empty."""
    if request.param == "memory":
        yield InMemory()
        return
    with new_journal(request.param, tmp_path) as journal:
        yield InJournal(journal)


def ids(events: Sequence[Event]) -> tuple[str, ...]:
    """Return the ids of events."""
    return tuple(event.id for event in events)


def kept(of: tuple[str, ...]) -> SentRequest:
    """Return a request whose bytes are kept."""
    body = b"bytes of %d" % len(of)
    return SentRequest(of, "POST", sha256(body).hexdigest(), body)


def people(batch: Batch) -> list[int]:
    """Return whose punches a batch has."""
    return [int(event.user_id) for event in batch.events]


def shown(batch: Batch) -> tuple[list[int], int, int, bool]:
    """Return whose punches a batch has, and what is said of them."""
    return people(batch), batch.in_flight, batch.sent_before, batch.tried_before


class TestOutbox:
    """What delivery relies on, whichever outbox it has."""

    def test_nothing(self, world: World) -> None:
        """Where nothing is, nothing is handed out."""
        assert world.outbox.next(9) == Batch()
        assert world.outbox.parked(9, BEFORE_THIS_RUN, None) == Batch(tried_before=True)
        assert list(world.outbox.newest_of_people(9)) == []

    def test_oldest_first(self, world: World) -> None:
        """Pending punches are handed out whole, in the order of their arrival, as many as asked for."""
        world.arrive(1, 2)
        world.arrive(3, 3)
        assert world.outbox.next(9) == Batch(tuple(some_events(3)))
        assert people(world.outbox.next(2)) == [1, 2]

    def test_handing_out_settles_nothing(self, world: World) -> None:
        """What was only handed out is handed out again, and was not sent."""
        world.arrive(1, 2)
        assert world.outbox.next(9) == world.outbox.next(9)

    def test_confirmed_ones_are_gone(self, world: World) -> None:
        """An answer settles those that it confirms; the others of the request are pending as before."""
        world.arrive(1, 4)
        found = ids(world.outbox.next(3).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled((found[2], found[0])), found)
        assert shown(world.outbox.next(9)) == ([2, 4], 0, 0, False)

    def test_an_answer_may_settle_nothing(self, world: World) -> None:
        """What was answered for is in flight no more, and what was not settled is still pending."""
        world.arrive(1, 3)
        found = ids(world.outbox.next(2).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled(), found)
        assert shown(world.outbox.next(9)) == ([1, 2, 3], 0, 0, False)

    def test_unanswered_ones_come_first(self, world: World) -> None:
        """A request without an answer is handed out again as it was, never cut, in front of the rest."""
        world.arrive(1, 5)
        world.outbox.send(SentRequest(ids(world.outbox.next(3).events)))
        world.arrive(6, 6)
        assert shown(world.outbox.next(4)) == ([1, 2, 3, 4], 3, 3, False)
        assert shown(world.outbox.next(1)) == ([1, 2, 3], 3, 3, False)

    def test_sent_in_any_order(self, world: World) -> None:
        """A request is handed out again oldest first, in whatever order its punches were named."""
        world.arrive(1, 3)
        world.outbox.send(SentRequest(ids(world.outbox.next(3).events)[::-1]))
        assert shown(world.outbox.next(9)) == ([1, 2, 3], 3, 3, False)

    def test_a_part_of_a_request(self, world: World) -> None:
        """A part that is sent comes first; the rest of what it was cut from was sent before."""
        world.arrive(1, 5)
        found = ids(world.outbox.next(4).events)
        world.outbox.send(SentRequest(found))
        world.outbox.send(SentRequest(found[2:]))
        assert shown(world.outbox.next(9)) == ([3, 4, 1, 2, 5], 2, 4, False)
        world.outbox.settle(Settled((found[2],)), found[2:])
        assert shown(world.outbox.next(9)) == ([1, 2, 4, 5], 2, 2, False)

    def test_a_request_with_its_bytes(self, world: World) -> None:
        """A request that may go out again as it was is handed out with its punches, in front of the rest."""
        world.arrive(1, 5)
        request = kept(ids(world.outbox.next(3).events))
        world.outbox.send(request)
        world.outbox.send(request)
        found = world.outbox.next(4)
        assert (shown(found), found.request) == (([1, 2, 3, 4], 3, 3, False), request)
        world.outbox.settle(Settled(), request.ids)
        assert shown(world.outbox.next(4)) == ([1, 2, 3, 4], 0, 0, False)

    def test_a_request_that_did_not_go_out(self, world: World) -> None:
        """A request that is called back is in flight no more; what was in flight before it still is."""
        world.arrive(1, 3)
        before, request = kept(ids(world.outbox.next(2).events)), kept(ids(world.outbox.next(1).events))
        world.outbox.next(2)
        assert world.outbox.send(before)
        assert world.outbox.send(request)
        assert not world.outbox.send(request)
        world.outbox.recall(request)
        found = world.outbox.next(9)
        assert (shown(found), found.request) == (([1, 2, 3], 2, 2, False), before)

    def test_several_that_go_one_after_the_other(self, world: World) -> None:
        """Those written down together go without another word; what was answered for is settled."""
        world.arrive(1, 4)
        one, two, three, _ = ids(world.outbox.next(4).events)
        assert world.outbox.send(SentRequest((one,)), (two, three))
        world.outbox.decide(Settled((one,)), (one,))
        assert not world.outbox.send(SentRequest((two,)))
        world.outbox.decide(Settled((), {two: "unknown user"}), (two,))
        assert not world.outbox.send(SentRequest((three,)))
        world.outbox.decide(Settled((three,)), (three,))
        assert shown(world.outbox.next(9)) == ([4], 0, 0, False)
        world.outbox.flush()
        assert shown(world.outbox.next(9)) == ([4], 0, 0, False)

    def test_what_was_to_follow_and_did_not(self, world: World) -> None:
        """What has not gone out when anything else happens is not in flight; what has gone out is."""
        world.arrive(1, 5)
        one, two, three, four, _ = ids(world.outbox.next(5).events)
        world.outbox.send(SentRequest((one,)), (two, three, four))
        world.outbox.decide(Settled((one,)), (one,))
        world.outbox.send(SentRequest((two,)))
        assert shown(world.outbox.next(9)) == ([2, 3, 4, 5], 1, 1, False)
        world.outbox.send(SentRequest((four,)), (three,))
        world.outbox.flush()
        assert shown(world.outbox.next(9)) == ([4, 2, 3, 5], 1, 2, False)

    def test_one_that_follows_is_called_back(self, world: World) -> None:
        """One that did not go out after all takes what was to follow with it."""
        world.arrive(1, 3)
        one, two, _ = ids(world.outbox.next(3).events)
        request = SentRequest((one,))
        assert world.outbox.send(request, (two,))
        world.outbox.recall(request)
        assert shown(world.outbox.next(9)) == ([1, 2, 3], 0, 0, False)

    def test_one_that_was_answered_for_is_sent_again(self, world: World) -> None:
        """It is in flight again, though those that it was written down with are not through."""
        world.arrive(1, 3)
        one, two, three = ids(world.outbox.next(3).events)
        world.outbox.send(SentRequest((one,)), (two, three))
        world.outbox.decide(Settled(), (one,))
        assert world.outbox.send(SentRequest((one,)))
        assert shown(world.outbox.next(9)) == ([1, 2, 3], 1, 1, False)

    def test_several_requests_with_their_bytes(self, world: World) -> None:
        """One of several comes alone, the last one first; what it shares with others is settled for them."""
        world.arrive(1, 5)
        found = ids(world.outbox.next(5).events)
        both, one = kept(found[:4]), kept(found[2:4])
        world.outbox.send(both)
        world.outbox.send(one)
        batch = world.outbox.next(9)
        assert (shown(batch), batch.request) == (([3, 4], 2, 2, False), one)
        world.outbox.settle(Settled(one.ids), one.ids)
        batch = world.outbox.next(9)
        assert (shown(batch), batch.request) == (([1, 2, 5], 2, 2, False), None)

    def test_parked_ones_let_the_others_pass(self, world: World) -> None:
        """A refused punch is pending no more, and rests for this run."""
        world.arrive(1, 3)
        found = ids(world.outbox.next(2).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled((found[1],), {found[0]: "unknown user"}), found)
        assert shown(world.outbox.next(9)) == ([3], 0, 0, False)
        assert people(world.outbox.parked(9, BEFORE_THIS_RUN, None)) == []

    def test_parked_without_asking(self, world: World) -> None:
        """A punch that was parked though nobody was asked about it is due at once; each once in a pass."""
        world.arrive(1, 4)
        found = ids(world.outbox.next(4).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled((), dict.fromkeys(found, "no"), frozenset(found[:3])), found)
        first = world.outbox.parked(2, BEFORE_THIS_RUN, None)
        assert shown(first) == ([1, 2], 0, 0, True)
        assert shown(world.outbox.parked(2, BEFORE_THIS_RUN, first.events[-1])) == ([3], 0, 0, True)

    def test_a_parked_one_is_settled(self, world: World) -> None:
        """A parked punch that is tried again is confirmed, or parked again."""
        world.arrive(1, 2)
        self._park_without_asking(world)
        found = ids(world.outbox.parked(9, BEFORE_THIS_RUN, None).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled((found[0],), {found[1]: "still no"}), found)
        assert world.outbox.next(9) == Batch()
        assert people(world.outbox.parked(9, BEFORE_THIS_RUN, None)) == []

    def test_parked_ones_in_flight(self, world: World) -> None:
        """Parked punches whose answer was lost are handed out alone, and said to be parked."""
        world.arrive(1, 2)
        self._park_without_asking(world)
        world.arrive(3, 3)
        world.outbox.send(SentRequest(ids(world.outbox.parked(1, BEFORE_THIS_RUN, None).events)))
        assert shown(world.outbox.next(9)) == ([1], 1, 1, True)

    def test_the_newest_of_people(self, world: World) -> None:
        """The newest punches of some people, newest first, are sent and settled like the others."""
        world.arrive(1, 4)
        world.outbox.next(1)
        found = world.outbox.newest_of_people(2)
        assert [int(event.user_id) for event in found] == [4, 3]
        world.outbox.send(SentRequest((found[0].id,)))
        assert shown(world.outbox.next(2)) == ([4, 1], 1, 1, False)
        world.outbox.settle(Settled((found[0].id,)), (found[0].id,))
        assert shown(world.outbox.next(9)) == ([1, 2, 3], 0, 0, False)

    def test_the_newest_are_none_in_flight(self, world: World) -> None:
        """What is in flight is left out of the newest, as long as there is anything else."""
        world.arrive(1, 4)
        world.outbox.send(SentRequest(ids(world.outbox.next(9).events[2:])))
        world.outbox.next(9)
        assert [int(event.user_id) for event in world.outbox.newest_of_people(9)] == [2, 1]
        world.outbox.send(SentRequest(ids(world.outbox.next(9).events)))
        assert [int(event.user_id) for event in world.outbox.newest_of_people(9)] == [4, 3, 2, 1]

    def test_gone(self, world: World) -> None:
        """What a dashboard said when it was gone for good is remembered."""
        assert world.outbox.halted() is None
        world.outbox.halt("moved to Mars")
        assert world.outbox.halted() == "moved to Mars"

    def test_what_the_dashboard_told(self, world: World) -> None:
        """Its last answer is kept, with the moment; to another question there is none."""
        assert world.outbox.kept_answer(b"one") is None
        world.outbox.keep_answer(b"one", "Asia/Dhaka")
        told = world.outbox.kept_answer(b"one")
        assert told is not None
        assert told.text == "Asia/Dhaka"
        assert abs(datetime.now(UTC) - told.at) < timedelta(minutes=1)
        world.outbox.keep_answer(b"another", "UTC")
        assert world.outbox.kept_answer(b"one") is None

    @staticmethod
    def _park_without_asking(world: World) -> None:
        """Park all that is pending, so that it is due again at once."""
        found = ids(world.outbox.next(9).events)
        world.outbox.send(SentRequest(found))
        world.outbox.settle(Settled((), dict.fromkeys(found, "no"), frozenset(found)), found)
