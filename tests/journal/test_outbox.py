"""A dashboard's way out: oldest first, exactly once confirmed, nobody forgotten."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zkpoll
from tests.journal.helpers import KEY, START, piece, punch, punches, spoil, visit
from tests.look import inside, look
from zkpoll.errors import JournalError, JournalUnfit
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox, first_again, waiting
from zkpoll.journal.overview import sightings
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import Batch, SentRequest, Settled
from zkpoll.model.punch import Event, punch_id
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal


def users(outbox: JournalOutbox, limit: int = 99) -> list[str]:
    """Return whose punches are pending."""
    return [event.user_id for event in outbox.next(limit).events]


def confirm(outbox: JournalOutbox, count: int) -> None:
    """Confirm the oldest pending punches."""
    outbox.settle(Settled(tuple(event.id for event in outbox.next(count).events)))


def discard_upto(journal: Journal, upto: int) -> None:
    """Discard what is pending for the dashboard, up to a place in the journal."""
    Decisions(journal, "main").discard(Selection(frozenset({"pending"})), Places([(1, upto)]), "a mistake")


def test_an_event_is_whole(journal: Journal) -> None:
    """What comes out is what a dashboard is promised, with the device key for its serial number."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001", verify=15, state=4, work_code=7)))
    assert outbox.next(1).events == (
        Event(
            id="224c9c2b-8130-5e29-a627-3b68fe8961e9",
            device="front-door",
            serial_number=KEY,
            user_id="1001",
            timestamp="2026-11-22T08:59:58+06:00",
            verify=15,
            state=4,
            work_code=7,
            source="pull",
        ),
    )


def test_oldest_first(journal: Journal) -> None:
    """Punches go out in the order they were journalled, whatever their clocks say."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a", 500), punch("b", 3)))
    visit(journal, "warehouse", "OTHER1").take(piece(punch("c", 0)))
    assert users(outbox) == ["a", "b", "c"]
    assert users(outbox, limit=2) == ["a", "b"]
    assert users(outbox, limit=0) == []


def test_exactly_those_are_confirmed(journal: Journal) -> None:
    """A confirmation moves the punches it names and no other, for that dashboard alone."""
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    visit(journal).take(piece(*(punch(user) for user in "abcd")))
    events = main.next(99).events
    main.settle(Settled((events[2].id, events[0].id)))
    assert users(main) == ["b", "d"]
    assert users(spare) == ["a", "b", "c", "d"]
    assert main.counts() == Counts(punches=4, pending=2, confirmed=2)


def test_a_same_second_is_not_confirmed_along(journal: Journal) -> None:
    """A confirmation of the punch that holds an id leaves the held one of that id to a person."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch(verify=1), punch(verify=2)))
    confirm(outbox, 99)
    assert outbox.counts() == Counts(punches=2, confirmed=1, held=1)
    assert users(outbox) == []


def test_confirming_twice_is_harmless(journal: Journal, path: Path) -> None:
    """A second confirmation changes nothing, by the same run or by another."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    ids = Settled(tuple(event.id for event in outbox.next(2).events))
    with open_journal(path) as elsewhere:
        other = JournalOutbox(elsewhere, "main")
        other.next(2)
        outbox.settle(ids)
        outbox.settle(ids)
        other.settle(ids)
    assert outbox.counts() == Counts(punches=3, pending=1, confirmed=2)


def test_what_a_person_discarded_stays_so(journal: Journal) -> None:
    """A confirmation moves what is pending, and no punch that was decided on meanwhile."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(2)))
    ids = Settled(tuple(event.id for event in outbox.next(2).events))
    discard_upto(journal, 1)
    outbox.settle(ids)
    assert outbox.counts() == Counts(punches=2, confirmed=1, discarded=1)


def test_confirming_nothing_is_harmless(journal: Journal) -> None:
    """A dashboard that took none of a batch confirms none of it."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch()))
    outbox.settle(Settled())
    assert outbox.counts() == Counts(punches=1, pending=1)


def test_a_new_dashboard_gets_what_comes_from_now_on(journal: Journal) -> None:
    """A destination met later is not flooded with the past, and its sum comes out without it."""
    visit(journal).take(piece(punch("past")))
    late = JournalOutbox(journal, "late")
    assert late.counts() == Counts()
    visit(journal).take(piece(punch("past"), punch("new")))
    assert users(late) == ["new"]
    assert late.counts() == Counts(punches=1, pending=1)


def test_a_dashboard_that_is_absent_misses_nothing(path: Path) -> None:
    """A destination that left the inventory for some runs finds everything waiting."""
    with open_journal(path) as journal:
        JournalOutbox(journal, "absent")
        confirm(JournalOutbox(journal, "main"), 99)
    with open_journal(path) as journal:
        main = JournalOutbox(journal, "main")
        visit(journal).take(piece(*punches(3)))
        confirm(main, 99)
    with open_journal(path) as journal:
        assert JournalOutbox(journal, "absent").counts() == Counts(punches=3, pending=3)
        assert JournalOutbox(journal, "main").counts() == Counts(punches=3, confirmed=3)


def test_a_dashboard_without_punches(journal: Journal) -> None:
    """Where nothing is, nothing is pending, and the sum is zero."""
    outbox = JournalOutbox(journal, "main")
    assert outbox.next(9) == Batch()
    assert outbox.counts() == Counts()
    assert outbox.oldest_pending() is None


def test_the_oldest_pending(journal: Journal) -> None:
    """How long a dashboard has been behind is told by the journal's clock, not by the device's."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a", 9_000_000)))
    oldest = outbox.oldest_pending()
    assert oldest
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(oldest) < timedelta(minutes=1)
    confirm(outbox, 1)
    assert outbox.oldest_pending() is None


# --- in flight ---


def send(outbox: JournalOutbox, count: int) -> tuple[str, ...]:
    """Write the oldest pending punches down as in flight, and return their ids."""
    ids = tuple(event.id for event in outbox.next(count).events[:count])
    outbox.send(SentRequest(ids))
    return ids


def test_what_is_in_flight_survives(journal: Journal, path: Path) -> None:
    """A run that ends before the answer leaves the next one the same batch, in front of the rest."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(5)))
    before = outbox.next(3).events
    outbox.send(SentRequest(tuple(event.id for event in before)))
    with open_journal(path) as elsewhere:
        batch = JournalOutbox(elsewhere, "main").next(4)
        assert (batch.events[:3], batch.in_flight, len(batch.events)) == (before, 3, 4)
        assert len(JournalOutbox(elsewhere, "main").next(2).events) == 3  # a batch is never cut short
        assert JournalOutbox(elsewhere, "spare").next(9).in_flight == 0


def test_a_part_of_what_is_in_flight(journal: Journal, path: Path) -> None:
    """A part that is sent comes first; the rest of what it was cut from stays in flight behind it."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(5)))
    ids = send(outbox, 4)
    outbox.send(SentRequest(ids[2:]))
    with open_journal(path) as elsewhere:
        batch = JournalOutbox(elsewhere, "main").next(5)
    assert [event.id for event in batch.events][:4] == [*ids[2:], *ids[:2]]
    assert (batch.in_flight, batch.sent_before, len(batch.events)) == (2, 4, 5)
    outbox.settle(Settled((ids[2],)), ids[2:])
    batch = outbox.next(9)
    assert (batch.in_flight, batch.sent_before) == (2, 2)
    assert [event.id for event in batch.events][:3] == [ids[0], ids[1], ids[3]]
    outbox.settle(Settled((ids[0],)))
    assert outbox.next(9).sent_before == 0


def test_what_nobody_was_asked_about_is_tried_at_once(journal: Journal) -> None:
    """A punch that was parked without asking needs no rest; each comes once in a pass of many."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(5)))
    ids = send(outbox, 5)
    outbox.settle(Settled(parked=dict.fromkeys(ids, "no"), unasked=frozenset(ids[:4])))
    found, last = list[str](), None
    while events := outbox.parked(3, EARLIER, last).events:
        last = events[-1]
        found += [event.id for event in events]
        outbox.settle(Settled(parked=dict.fromkeys(found[-len(events) :], "no"), unasked=frozenset(ids)))
    assert tuple(found) == ids[:4]


def test_what_was_discarded_in_flight_is_not_sent(journal: Journal) -> None:
    """A person's word counts for what was in flight, too."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    send(outbox, 2)
    discard_upto(journal, 1)
    assert outbox.next(9).in_flight == 1
    assert len(outbox.next(9).events) == 2


def test_a_request_is_kept_byte_for_byte(journal: Journal, path: Path) -> None:
    """The next run gets a request as it went out, and when, and forgets it once it is answered."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 2)
    with open_journal(path) as elsewhere:
        other = JournalOutbox(elsewhere, "main")
        assert other.next(9).request == first_again(elsewhere, "main") == request
        began = datetime.fromisoformat(str(getattr(first_again(elsewhere, "main"), "began_at", None)))
        assert timedelta(0) <= datetime.now(UTC) - began < timedelta(minutes=1)
        other.settle(Settled(request.ids), request.ids)
        assert first_again(elsewhere, "main") is None
    assert look(path, "SELECT * FROM request") == []


def kept(outbox: JournalOutbox, count: int) -> SentRequest:
    """Write a request with the oldest pending punches down, with its bytes."""
    ids, body = tuple(event.id for event in outbox.next(count).events[:count]), b"bytes \0\xff"
    request = SentRequest(ids, "PUT", sha256(body).hexdigest(), body)
    outbox.send(request)
    return request


def test_a_decision_lets_go_of_the_bytes(journal: Journal, path: Path) -> None:
    """Where a person discarded one of a request's punches, the others are in flight without its bytes."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 2)
    discard(path, 1)
    batch = outbox.next(9)
    assert ([event.id for event in batch.events[:1]], batch.in_flight) == ([request.ids[1]], 1)
    assert (batch.request, first_again(journal, "main")) == (None, None)
    outbox.settle(Settled((request.ids[1],)), (request.ids[1],))
    assert outbox.next(9).in_flight == 0
    assert look(path, "SELECT * FROM request") == []


def test_what_nothing_is_to_be_sent_of_is_forgotten(journal: Journal, path: Path) -> None:
    """A request whose punches were all decided on keeps no bytes in the journal."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    kept(outbox, 2)
    discard(path, 1, 2)
    assert outbox.next(9).in_flight == 0
    assert look(path, "SELECT * FROM request") == []


def test_a_dashboard_that_is_given_up_keeps_no_request(journal: Journal, path: Path) -> None:
    """What was in flight to a dashboard that is given up is forgotten."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    kept(outbox, 2)
    Decisions(journal, "main").give_up()
    assert look(path, "SELECT * FROM request") == []


def discard(path: Path, *seqs: int) -> None:
    """Discard punches, as a person does."""
    with inside(path) as person:
        person.executemany("UPDATE outbox SET state = 'discarded' WHERE punch = ?", [(seq,) for seq in seqs])


# --- two runs at once ---


def test_an_answer_settles_its_own_request(journal: Journal, path: Path) -> None:
    """An answer confirms what its request carried, and leaves another run's request in flight."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(4)))
    ours = kept(outbox, 2)
    with open_journal(path) as elsewhere:
        other = JournalOutbox(elsewhere, "main")
        theirs = SentRequest(tuple(event.id for event in other.next(9).events[2:]))
        other.send(theirs)
        outbox.settle(Settled(ours.ids), ours.ids)
        assert look(path, "SELECT punch FROM outbox WHERE state = 'confirmed'") == [(1,), (2,)]
        assert [event.id for event in outbox.next(9).events] == list(theirs.ids)
        other.settle(Settled(theirs.ids), theirs.ids)
    assert outbox.counts() == Counts(punches=4, confirmed=4)


def test_a_request_that_two_runs_send(journal: Journal, path: Path) -> None:
    """Each settles by the answer that it got: what one refused and the other took is confirmed."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 3)
    with open_journal(path) as elsewhere:
        other = JournalOutbox(elsewhere, "main")
        other.next(9)
        other.send(request)
        other.settle(Settled(request.ids[:1], {request.ids[1]: "unknown"}), request.ids)
        assert outbox.counts() == Counts(punches=3, pending=1, confirmed=1, parked=1)
        more = kept(other, 1)
        outbox.settle(Settled(request.ids), request.ids)
        assert outbox.counts() == Counts(punches=3, confirmed=3)
        other.settle(Settled(parked={more.ids[0]: "unknown"}), more.ids)
    assert outbox.counts() == Counts(punches=3, confirmed=3)
    assert look(path, "SELECT * FROM request") == []


def test_a_number_is_never_used_again(journal: Journal, path: Path) -> None:
    """A request that another run has forgotten is not taken for one that was made since."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(4)))
    ours = kept(outbox, 2)
    with open_journal(path) as elsewhere:
        other = JournalOutbox(elsewhere, "main")
        other.next(2)
        other.settle(Settled(), ours.ids)
        theirs = SentRequest(tuple(event.id for event in other.next(4).events[2:]))
        other.send(theirs)
        outbox.settle(Settled(ours.ids), ours.ids)
        assert look(path, "SELECT punch FROM outbox WHERE state = 'confirmed'") == [(1,), (2,)]
        assert [event.id for event in outbox.next(9).events] == list(theirs.ids)


# --- parked ---

LATER = datetime.now(UTC) + timedelta(days=2)
EARLIER = datetime.now(UTC) - timedelta(days=1)


def park(outbox: JournalOutbox, words: str = "unknown") -> str:
    """Park the oldest pending punch, and return its id."""
    (event,) = outbox.next(1).events
    outbox.settle(Settled(parked={event.id: words}))
    return event.id


def test_parked(journal: Journal, path: Path) -> None:
    """A parked punch waits with the dashboard's words, out of the way of the others."""
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    visit(journal).take(piece(*punches(2)))
    park(main, "user 1 unknown")
    assert main.counts() == Counts(punches=2, pending=1, parked=1)
    assert spare.counts() == Counts(punches=2, pending=2)
    assert look(path, "SELECT reason FROM outbox WHERE state = 'parked'") == [("user 1 unknown",)]
    assert len(main.next(9).events) == 1


def test_parked_is_tried_again_in_its_time(journal: Journal, path: Path) -> None:
    """A parked punch comes up again when it was last tried long enough ago, or a person asks."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(1)))
    one = park(outbox)
    assert outbox.parked(9, EARLIER) == Batch(tried_before=True)
    assert [event.id for event in outbox.parked(9, LATER).events] == [one]
    with inside(path) as person:
        person.execute("UPDATE outbox SET tried_at = NULL")
    assert [event.id for event in outbox.parked(9, EARLIER).events] == [one]
    since = look(path, "SELECT changed_at FROM outbox")
    outbox.settle(Settled(parked={one: "still unknown"}))
    assert outbox.parked(9, EARLIER).events == ()
    assert look(path, "SELECT reason FROM outbox") == [("still unknown",)]
    assert look(path, "SELECT changed_at FROM outbox") == since
    outbox.parked(9, LATER)
    outbox.settle(Settled((one,)))
    assert outbox.counts() == Counts(punches=1, confirmed=1)
    assert look(path, "SELECT reason, tried_at FROM outbox") == [(None, None)]


def test_parked_ones_in_flight(journal: Journal, path: Path) -> None:
    """Parked punches whose answer was lost go again as what they are, alone."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    one = park(outbox)
    outbox.parked(9, LATER)
    outbox.send(SentRequest((one,)))
    with open_journal(path) as elsewhere:
        batch = JournalOutbox(elsewhere, "main").next(9)
    assert ([event.id for event in batch.events], batch.in_flight, batch.tried_before) == ([one], 1, True)


def test_gone(journal: Journal) -> None:
    """What a dashboard said when it was gone for good is kept for it alone."""
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    assert main.halted() is None
    main.halt("moved to Mars")
    assert (main.halted(), spare.halted()) == ("moved to Mars", None)
    assert JournalOutbox(journal, "main").halted() == "moved to Mars"


# --- damage ---


def test_what_is_no_state_is_not_sent(journal: Journal, path: Path) -> None:
    """A punch that an index lists as pending, and whose state is no word, keeps its request back."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    spoil(path, 2)
    ids = tuple(event.id for event in outbox.next(9).events)
    assert len(ids) == 3
    with damaged(path):
        outbox.send(SentRequest(ids))
    assert look(path, "SELECT count(*) FROM request") == [(0,)]
    assert outbox.next(9).in_flight == 0
    with damaged(path):
        outbox.counts()
    with damaged(path):
        outbox.reaches(datetime.now(UTC))


def test_what_turns_into_no_state_in_flight(journal: Journal, path: Path) -> None:
    """Damage that an answer meets is told; the others are settled, and what is damaged is not sent again."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 3)
    spoil(path, 2)
    with damaged(path):
        outbox.settle(Settled(request.ids), request.ids)
    assert look(path, "SELECT punch, state FROM outbox") == [
        (1, "confirmed"),
        (2, "pendinf"),
        (3, "confirmed"),
    ]
    with damaged(path):
        outbox.send(SentRequest(tuple(event.id for event in outbox.next(9).events)))


def test_what_is_no_state_is_not_parked(journal: Journal, path: Path) -> None:
    """A refusal that cannot be written down is told."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 3)
    spoil(path, 2)
    with damaged(path):
        outbox.settle(Settled(parked=dict.fromkeys(request.ids, "unknown")), request.ids)
    assert look(path, "SELECT state FROM outbox") == [("parked",), ("pendinf",), ("parked",)]


def test_what_is_in_flight_and_no_state(journal: Journal, path: Path) -> None:
    """A request with a punch whose state is no word is not handed out to be sent again."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    kept(outbox, 2)
    spoil(path, 2)
    with damaged(path):
        outbox.next(9)
    with damaged(path):
        first_again(journal, "main")


def test_what_no_index_lists(journal: Journal, path: Path) -> None:
    """A punch that waits, and that no index lists, would wait for ever: the sum does not come out."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    Decisions(journal, "main").discard(Selection(frozenset({"pending"})), Places([(1, 1)]), "a mistake")
    spoil(path, 2, "parked")
    with damaged(path):
        outbox.counts()


def test_what_is_gone(journal: Journal, path: Path) -> None:
    """A punch that waits and has no place any more is missed; so is one whose place no row stands behind."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    with inside(path) as db:
        db.execute("DELETE FROM outbox WHERE punch = 2")
    for count in (outbox.counts, outbox.recount):
        with damaged(path):
            count()


@pytest.mark.parametrize("settled", ["confirmed", "discarded"])
@pytest.mark.parametrize("damage", ["its word", "its place", "the punch and its place", "no index"])
def test_damage_among_what_is_settled(journal: Journal, path: Path, settled: str, damage: str) -> None:
    """What is settled is walked by a recount alone, which finds all that is wrong there."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    if settled == "confirmed":
        confirm(outbox, 2)
    else:
        discard_upto(journal, 2)
    assert outbox.recount() == outbox.counts()
    if damage == "its word":
        spoil(path, 1)
    elif damage == "no index":
        spoil(path, 1, "pending")
    else:
        with inside(path) as db:
            db.execute("DELETE FROM outbox WHERE punch = 1")
            if damage == "the punch and its place":
                db.execute("DELETE FROM form WHERE punch = 1")
                db.execute("DELETE FROM punch WHERE seq = 1")
    assert outbox.counts().pending == 1
    with damaged(path):
        outbox.recount()


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Expect the one sentence for damage."""
    with pytest.raises(JournalError, match=f"^the journal {path} is damaged; restore a backup"):
        yield


# --- people, dashboards that are given up ---


def test_the_newest_of_each_person(journal: Journal) -> None:
    """One pending punch of each person, newest first, may be sent like any other."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a", 1), punch("b", 2), punch("a", 3), punch("c", 4)))
    outbox.next(1)
    found = outbox.newest_of_people(2)
    assert [(event.user_id, event.timestamp[17:19]) for event in found] == [("c", "02"), ("a", "01")]
    outbox.send(SentRequest((found[0].id,)))
    outbox.settle(Settled((found[0].id,)))
    assert users(outbox) == ["a", "b", "a"]


def test_the_newest_of_all_devices(journal: Journal) -> None:
    """The devices take turns, so that the newest of one do not crowd out those of another."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a", 1), punch("b", 2)))
    visit(journal, "gate", "GATE").take(piece(punch("c", 3), punch("d", 4), punch("e", 5)))
    outbox.next(1)
    assert [event.user_id for event in outbox.newest_of_people(3)] == ["e", "b", "d"]


@pytest.mark.parametrize("text", ["", "1-", "x", "1-9", "3-1"])
def test_places_in_flight_that_are_damaged(journal: Journal, path: Path, text: str) -> None:
    """They are no places of what the request carried: nobody guesses, neither a run nor who explains."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    kept(outbox, 2)
    with inside(path) as db:
        db.execute("UPDATE request SET places = ?, first = 0, last = 9", [text])
    with damaged(path):
        outbox.next(9)
    if text not in {"1-9", "3-1"}:  # numbers they are
        with damaged(path):
            sightings(journal, "1", START.date())


def test_what_is_discarded_in_flight_is_not_confirmed(journal: Journal) -> None:
    """An answer that confirms a whole batch leaves alone what a person discarded of it meanwhile."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(2)))
    ids = send(outbox, 2)
    discard_upto(journal, 1)
    outbox.settle(Settled(ids))
    assert outbox.counts() == Counts(punches=2, confirmed=1, discarded=1)


def test_one_that_was_given_up(journal: Journal) -> None:
    """Nothing is kept for a dashboard that was given up; once it is back it is a new one."""
    old = JournalOutbox(journal, "old")
    visit(journal).take(piece(punch("before")))
    confirm(old, 9)
    Decisions(journal, "old").give_up()
    visit(journal).take(piece(punch("before"), punch("meanwhile")))
    assert waiting(journal) == {"old": 0}
    back = JournalOutbox(journal, "old")
    visit(journal).take(piece(punch("before"), punch("meanwhile"), punch("after")))
    assert users(back) == ["after"]
    assert back.counts() == Counts(punches=2, pending=1, confirmed=1)
    assert back.counts().difference == 0


def test_a_journal_of_the_first_form(path: Path) -> None:
    """A journal that an earlier zkpoll wrote is brought up to date, and what waits in it goes out."""
    first = Path(zkpoll.__file__).parent / "journal" / "sql" / "migrations" / "0001_initial.sql"
    with inside(path) as db:
        db.executescript(first.read_text())
        db.executescript(
            """
            INSERT INTO device (id, key, name, met_at) VALUES (1, 'X1', 'front-door', '2026');
            INSERT INTO punch VALUES
                (1, 'a1', 0, 1, 'front', '7', '2026-11-22T08:00:00+06:00', 1, 0, 0, 0, x'00', 'pull', '2026');
            INSERT INTO destination (id, name, after) VALUES (1, 'main', 0);
            INSERT INTO outbox (destination, punch, state, changed_at) VALUES (1, 1, 'pending', '2026');
            PRAGMA user_version = 1;
            """
        )
        db.execute("UPDATE punch SET id = ?", (punch_id("X1", "7", "2026-11-22T08:00:00"),))
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        assert users(outbox) == ["7"]
        confirm(outbox, 9)
        assert outbox.counts() == Counts(punches=1, confirmed=1)


MIGRATIONS = Path(zkpoll.__file__).parent / "journal" / "sql" / "migrations"


def test_what_was_in_flight_at_an_upgrade(path: Path) -> None:
    """What an earlier zkpoll sent and heard no answer to is sent again together, made anew, and settled."""
    ids = {user: punch_id("X1", str(user), "2026-11-22T08:00:00") for user in range(1, 6)}
    with inside(path) as db:
        for file in sorted(MIGRATIONS.glob("000[1-5]_*.sql")):
            db.executescript(file.read_text())
        db.executescript(
            """
            INSERT INTO device (id, key, name, met_at) VALUES (1, 'X1', 'front-door', '2026');
            INSERT INTO destination (id, name, after) VALUES (1, 'main', 0), (2, 'spare', 0);
            """
        )
        db.executemany(
            """
            INSERT INTO punch (id, same_second, device, device_name, user_id, timestamp, verify, state,
                               work_code, clock_suspect, canonical, source, journalled_at)
            VALUES (?, 0, 1, 'front', ?, '2026-11-22T08:00:00+06:00', 1, 0, 0, 0, ?, 'pull', '2026')
            """,
            [(ids[user], user, bytes([user])) for user in ids],
        )
        db.executescript(
            """
            INSERT INTO outbox (destination, punch, state, changed_at)
            SELECT destination.id, seq, 'pending', '2026' FROM destination CROSS JOIN punch;
            INSERT INTO batch (destination, punch, last)
            VALUES (1, 1, 0), (1, 2, 0), (1, 3, 1), (1, 4, 1), (2, 5, 1);
            PRAGMA user_version = 5;
            """
        )
    with open_journal(path) as journal:
        main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
        batch = main.next(9)
        assert [event.user_id for event in batch.events] == ["3", "4", "1", "2", "5"]
        assert (batch.in_flight, batch.sent_before, batch.request) == (2, 4, None)
        main.settle(Settled((ids[3], ids[4])), (ids[3], ids[4]))
        assert (main.next(9).in_flight, spare.next(9).in_flight) == (2, 1)
        main.settle(Settled((ids[1],)), (ids[1], ids[2]))
        spare.settle(Settled((ids[5],)), (ids[5],))
        assert main.next(9).sent_before == spare.next(9).sent_before == 0
        assert main.counts() == Counts(punches=5, pending=2, confirmed=3)
    assert look(path, "SELECT count(*) FROM request") == [(0,)]
    assert not look(path, "PRAGMA foreign_key_check")


# --- one transaction for an answer and the next request ---


def on_disk(path: Path) -> tuple[list[str], list[str]]:
    """Return the state of each punch, and what the requests in flight carry."""
    states = look(path, "SELECT state FROM outbox ORDER BY punch")
    return [row[0] for row in states], [row[0] for row in look(path, "SELECT places FROM request")]


def test_what_is_decided_is_on_disk_with_the_next_request(journal: Journal, path: Path) -> None:
    """Until the next request goes out, the one before is in flight; then it is settled, at once."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    first, second, third = (event.id for event in outbox.next(3).events)
    outbox.send(SentRequest((first,)))
    outbox.decide(Settled((first,)), (first,))
    assert on_disk(path) == (["pending"] * 3, ["1"])
    outbox.send(SentRequest((second,)))
    assert on_disk(path) == (["confirmed", "pending", "pending"], ["2"])
    outbox.decide(Settled(parked={second: "no"}), (second,))
    assert [event.id for event in outbox.next(3).events] == [third]
    outbox.flush()
    assert on_disk(path) == (["confirmed", "parked", "pending"], [])


def test_requests_that_follow_each_other_are_written_down_together(journal: Journal, path: Path) -> None:
    """So are their answers; a run that is killed in between leaves all of them in flight."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(5)))
    first, second, third, fourth, fifth = (event.id for event in outbox.next(5).events)
    outbox.send(SentRequest((first,)), (second, third))
    assert on_disk(path) == (["pending"] * 5, ["1-3"])
    for one in (first, second):
        outbox.decide(Settled((one,)), (one,))
    outbox.send(SentRequest((third,)))
    assert on_disk(path) == (["pending"] * 5, ["1-3"])
    killed = JournalOutbox(journal, "main").next(5)
    assert (killed.in_flight, killed.sent_before) == (3, 3)
    outbox.decide(Settled((third,)), (third,))
    outbox.send(SentRequest((fourth,)), (fifth,))
    assert on_disk(path) == (["confirmed"] * 3 + ["pending"] * 2, ["4-5"])
    outbox.decide(Settled(parked={fourth: "no"}), (fourth,))
    outbox.flush()
    assert on_disk(path) == (["confirmed"] * 3 + ["parked", "pending"], [])


def test_answers_are_written_down_each_second(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dashboard that takes its time does not keep from the disk what it said long ago."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    first, second, third = (event.id for event in outbox.next(3).events)
    outbox.send(SentRequest((first,)), (second, third))
    outbox.decide(Settled((first,)), (first,))
    moment = time.monotonic() + 1.1
    monkeypatch.setattr("zkpoll.journal.outbox.time.monotonic", lambda: moment)
    assert not outbox.send(SentRequest((second,)))
    assert on_disk(path) == (["confirmed", "pending", "pending"], ["2"])
    assert outbox.send(SentRequest((third,)))


def test_a_run_killed_before_it_wrote_an_answer_down_sends_again(journal: Journal, path: Path) -> None:
    """What was decided and is not on disk is in flight for the next run, byte for byte where that is kept."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(3)))
    request = kept(outbox, 2)
    outbox.decide(Settled(request.ids), request.ids)
    assert [event.user_id for event in outbox.next(9).events] == ["2"]
    with open_journal(path) as elsewhere:
        batch = JournalOutbox(elsewhere, "main").next(9)
    assert (batch.request, batch.in_flight) == (request, 2)


def test_a_transaction_that_fails_settles_nothing_and_forgets_nothing(journal: Journal, path: Path) -> None:
    """Where the next request cannot be written down, the decision is neither on disk nor lost."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(2)))
    first, second = (event.id for event in outbox.next(2).events)
    outbox.send(SentRequest((first,)))
    outbox.decide(Settled((first,)), (first,))
    with inside(path) as other:
        other.execute("DELETE FROM outbox WHERE punch = 2")
    with pytest.raises(JournalUnfit):
        outbox.send(SentRequest((second,)))
    assert on_disk(path) == (["pending"], ["1"])
    outbox.flush()
    assert on_disk(path) == (["confirmed"], [])


@pytest.mark.parametrize("held", [False, True], ids=["side by side", "with gaps"])
def test_what_is_decided_is_not_handed_out(journal: Journal, path: Path, held: bool) -> None:
    """What was decided is passed over, on disk or not; nothing else that is pending is."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*punches(6)))
    ids = [event.id for event in outbox.next(4).events]
    chosen = [ids[0], ids[3]] if held else ids
    outbox.send(SentRequest(tuple(chosen)))
    outbox.decide(Settled(tuple(chosen)), chosen)
    expected = ["1", "2", "4", "5"] if held else ["4", "5"]
    assert [event.user_id for event in outbox.next(9).events] == expected
    assert bool(look(path, "SELECT * FROM request")) is not held
