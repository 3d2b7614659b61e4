"""Errands in the journal: each is sent by one, taken by one, and found again whatever is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from tests.journal.stores import InPostgres, InSqlite
from zkpoll.journal import errands
from zkpoll.journal.errands import claim, done, forget_but, give_back, sent_with, standings, take
from zkpoll.model.errand import Errand, ErrandStanding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.journal.stores import Store
    from zkpoll.journal.database import Journal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SPAN = timedelta(minutes=5)
GATE, ERP, YARD = Errand("visit", "gate"), Errand("deliver", "erp"), Errand("clear", "back yard")
ALL = {GATE: "one", ERP: "second", YARD: ""}
ONE = {GATE: "one"}
ME, YOU = "here/1", "there/2"


def at(minutes: float) -> datetime:
    """Return a moment so long after noon."""
    return NOON + timedelta(minutes=minutes)


def dispatch(journal: Journal, minutes: float, wanted: dict[Errand, str] = ONE) -> list[Errand]:
    """Claim what is due so long after noon, for the span of five minutes it lies in."""
    return claim(journal, wanted, at(minutes), NOON + SPAN * (minutes // 5 + 1))


def gate(journal: Journal) -> ErrandStanding:
    """Return how the visit to the gate stands."""
    return {one.errand: one for one in standings(journal)}[GATE]


def test_what_is_due_is_claimed_once_a_span(journal: Journal) -> None:
    """Whoever asks again in the same span gets nothing, whoever asks in the next one gets all."""
    assert dispatch(journal, 0, ALL) == [YARD, ERP, GATE]
    assert dispatch(journal, 4.9, ALL) == []
    assert dispatch(journal, 4.9, {**ALL, Errand("visit", "new"): "x"}) == [Errand("visit", "new")]
    assert dispatch(journal, 5, ALL) == [YARD, ERP, GATE]
    assert dispatch(journal, 600, {}) == []
    assert [one.errand for one in standings(journal)] == [YARD, ERP, GATE, Errand("visit", "new")]


def test_each_is_sent_with_its_own_settings(journal: Journal) -> None:
    """A worker compares them with its own, as long as nobody has taken that sending."""
    dispatch(journal, 0, ALL)
    assert [sent_with(journal, one, at(5)) for one in ALL] == ["one", "second", ""]
    assert sent_with(journal, GATE, at(10)) is None
    assert sent_with(journal, Errand("visit", "x"), at(5)) is None
    dispatch(journal, 5, {GATE: "another"})
    assert (sent_with(journal, GATE, at(5)), sent_with(journal, GATE, at(10))) == (None, "another")
    take(journal, GATE, at(10), ME, at(6))
    assert sent_with(journal, GATE, at(10)) is None


def test_a_sending_is_taken_once(journal: Journal) -> None:
    """A message that a broker has doubled, or that is from before, is nobody's."""
    dispatch(journal, 0)
    assert not take(journal, GATE, at(10), ME, at(1))
    assert take(journal, GATE, at(5), ME, at(1))
    assert not take(journal, GATE, at(5), ME, at(1))
    assert not take(journal, GATE, at(5), YOU, at(1))
    assert done(journal, GATE, at(5), ME, at(2), "read")
    assert not take(journal, GATE, at(5), YOU, at(3))
    dispatch(journal, 5)
    assert not take(journal, GATE, at(5), YOU, at(6))
    assert take(journal, GATE, at(10), YOU, at(6))


def test_how_one_stands(journal: Journal) -> None:
    """Who is at it, since when, and how it ended; in UTC, whatever the zone it was told in."""
    zone = datetime.fromisoformat("2026-11-22T18:00:00+06:00").tzinfo
    claim(journal, ONE, NOON.astimezone(zone), at(5).astimezone(zone))
    waiting = ErrandStanding(GATE, NOON, at(5), NOON, None, None, None, None, None)
    assert gate(journal) == waiting
    take(journal, GATE, at(5), ME, at(1))
    assert gate(journal) == ErrandStanding(GATE, NOON, at(5), NOON, at(5), at(1), ME, None, None)
    assert gate(journal).is_under_way
    done(journal, GATE, at(5), ME, at(2), "read")
    assert gate(journal) == ErrandStanding(GATE, NOON, at(5), NOON, at(5), at(1), ME, at(2), "read")
    assert str(gate(journal).sent_at.tzinfo) == "UTC"


def test_waiting_begins_anew_with_what_was_done(journal: Journal) -> None:
    """An errand waits since it was first sent without being done, over all sendings."""
    dispatch(journal, 0)
    dispatch(journal, 5)
    assert gate(journal).waits_since == at(0)
    take(journal, GATE, at(10), ME, at(6))
    dispatch(journal, 10)  # the one who took it was killed
    assert gate(journal).waits_since == at(0)
    take(journal, GATE, at(15), YOU, at(11))
    done(journal, GATE, at(15), YOU, at(12), "read")
    dispatch(journal, 15)
    assert gate(journal).waits_since == at(15)
    take(journal, GATE, at(20), ME, at(16))
    assert (gate(journal).is_under_way, gate(journal).outcome) == (True, None)
    assert done(journal, GATE, at(20), ME, at(17), "read")


def test_one_that_lasts_longer_than_a_span(journal: Journal) -> None:
    """It was sent again meanwhile: that sending waits since the end of the first one."""
    dispatch(journal, 0)
    take(journal, GATE, at(5), ME, at(1))
    dispatch(journal, 5)
    assert gate(journal).is_under_way
    assert done(journal, GATE, at(5), ME, at(7), "read")
    assert gate(journal).is_waiting
    assert gate(journal).waits_since == at(7)
    dispatch(journal, 10)
    assert gate(journal).waits_since == at(7)


def test_a_killed_takers_errand_is_taken_again(journal: Journal) -> None:
    """The next sending is anybody's, and one who comes back from the dead has no say in it."""
    dispatch(journal, 0)
    take(journal, GATE, at(5), ME, at(1))
    assert dispatch(journal, 4) == []
    assert dispatch(journal, 5) == [GATE]
    assert take(journal, GATE, at(10), YOU, at(6))
    assert not done(journal, GATE, at(5), ME, at(7), "read")
    assert not done(journal, GATE, at(10), ME, at(7), "read")
    assert gate(journal).done_at is None
    assert done(journal, GATE, at(10), YOU, at(8), "read")
    assert not done(journal, GATE, at(10), YOU, at(9), "again")
    assert (gate(journal).done_at, gate(journal).outcome) == (at(8), "read")


def test_what_could_not_be_sent_is_due_at_once(journal: Journal) -> None:
    """It waits since it was first claimed, and a message of it that went out nevertheless is no one's."""
    dispatch(journal, 0, ALL)
    give_back(journal, [GATE, ERP], at(5))
    assert gate(journal).until is None
    assert gate(journal).is_waiting
    assert not take(journal, GATE, at(5), ME, at(1))
    assert dispatch(journal, 1, ALL) == [ERP, GATE]
    assert (gate(journal).until, gate(journal).waits_since) == (at(5), at(0))
    assert take(journal, GATE, at(5), ME, at(1))


def test_what_was_sent_nevertheless_is_not_due(journal: Journal) -> None:
    """The broker's answer was lost, and a worker has it; or it has been claimed anew by another one."""
    dispatch(journal, 0)
    take(journal, GATE, at(5), ME, at(1))
    give_back(journal, [GATE], at(5))
    assert dispatch(journal, 2) == []
    dispatch(journal, 5)
    give_back(journal, [GATE], at(5))
    dispatch(journal, 10)
    give_back(journal, [GATE], at(5))
    give_back(journal, [GATE], at(10))
    assert dispatch(journal, 11) == []
    assert gate(journal).until == at(15)


@pytest.mark.parametrize("back", [-0.5, -60, -60 * 24 * 365 * 5])
def test_a_clock_that_was_put_back_keeps_nothing_from_being_sent(journal: Journal, back: float) -> None:
    """What was claimed at a time that lies ahead is due now, and waits since now."""
    dispatch(journal, 0)
    assert dispatch(journal, back) == [GATE]
    assert gate(journal).waits_since == at(back)
    assert dispatch(journal, back) == []
    assert take(journal, GATE, NOON + SPAN * (back // 5 + 1), ME, at(back))


def test_a_clock_that_was_ahead_for_a_while(journal: Journal) -> None:
    """The span it comes back to was one before: its sending can be taken though that one's was."""
    dispatch(journal, 0)
    take(journal, GATE, at(5), ME, at(1))
    done(journal, GATE, at(5), ME, at(1), "read")
    assert dispatch(journal, 5000) == [GATE]
    assert dispatch(journal, 2) == [GATE]
    assert gate(journal).is_waiting
    assert take(journal, GATE, at(5), YOU, at(3))


def test_a_span_that_was_made_shorter(journal: Journal) -> None:
    """What was sent for a long one is due in the short one."""
    claim(journal, ONE, at(1), at(60))
    assert dispatch(journal, 2) == [GATE]


def test_what_left_the_inventory_is_forgotten(journal: Journal) -> None:
    """But not while its sending lasts: another host may know it yet."""
    present = datetime.now(UTC)
    claim(journal, ALL, NOON, at(5))
    claim(journal, {Errand("visit", "late"): ""}, present, present + SPAN)
    claim(journal, {Errand("visit", "unsent"): ""}, present, present + SPAN)
    give_back(journal, [Errand("visit", "unsent")], present + SPAN)
    forget_but(journal, [GATE])
    assert [one.errand for one in standings(journal)] == [GATE, Errand("visit", "late")]


def test_ten_thousand_in_few_statements(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk is one statement over all of its errands, whatever their number."""
    asked: list[int] = []
    real = journal.look_up

    def counted(query: str, values: list[str], **parameters: object) -> list[tuple[object, ...]]:
        asked.append(len(values))
        return real(query, values, **parameters)

    monkeypatch.setattr(journal, "look_up", counted)
    many = {Errand("visit", f"gate-{number}"): f"digest {number}" for number in range(2500)}
    assert len(dispatch(journal, 0, many)) == 2500
    assert asked == [1000, 1000, 500]
    assert sent_with(journal, Errand("visit", "gate-7"), at(5)) == "digest 7"
    give_back(journal, many, at(5))
    assert len(dispatch(journal, 1, many)) == 2500


@pytest.fixture(params=[InSqlite, InPostgres])
def shared(request: pytest.FixtureRequest) -> Iterable[Store]:
    """Return a place for a journal that several processes open."""
    place: Store = request.param()
    place.open().__exit__(None, None, None)
    yield place
    place.close()


def test_of_several_dispatchers_each_errand_is_claimed_by_one(
    shared: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four sessions claim at once, span after span, each what it knows: each errand is one's."""
    monkeypatch.setattr(errands, "_AT_ONCE", 40)
    many = {Errand("visit", f"gate-{number:03}"): "x" for number in range(400)}
    known = [dict(list(many.items())[80 * who :]) for who in range(4)]  # else they queue up behind the first
    start = Barrier(4)
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        journals = [stack.enter_context(shared.open()) for _ in range(4)]

        def claims(who: int, minutes: int) -> list[Errand]:
            start.wait(20)
            return dispatch(journals[who], minutes, known[who])

        shared_out = False
        for minutes in (0, 5, 10):
            found = list(pool.map(claims, range(4), [minutes] * 4))
            shared_out |= sum(map(bool, found)) > 1
            everything = [errand for one in found for errand in one]
            assert len(everything) == len(many)
            assert set(everything) == many.keys()
        assert shared_out, "they did it one after the other"


def test_of_several_workers_one_takes_a_sending(shared: Store) -> None:
    """Each of four sessions is handed every message at once: each is taken by one of them."""
    many = {Errand("visit", f"gate-{number}"): "x" for number in range(100)}
    start = Barrier(4)
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        journals = [stack.enter_context(shared.open()) for _ in range(4)]
        dispatch(journals[0], 0, many)

        def takes(who: int) -> list[Errand]:
            start.wait(20)
            return [one for one in many if take(journals[who], one, at(5), f"worker {who}", at(1))]

        found = list(pool.map(takes, range(4)))
        everything = [errand for one in found for errand in one]
        assert len(everything) == len(many)
        assert set(everything) == many.keys()
        held = {one.errand: one.taken_by for one in standings(journals[0])}
        assert all(held[errand] == f"worker {who}" for who in range(4) for errand in found[who])


def test_a_taking_waits_for_no_other_writer(shared: Store) -> None:
    """On a server, a worker takes and ends an errand while another session has a transaction of its own."""
    if isinstance(shared, InSqlite):
        pytest.skip("a file has one writer")
    with shared.open() as journal, shared.open() as other:
        dispatch(journal, 0)
        with other.transaction():
            assert take(journal, GATE, at(5), ME, at(1))
            assert done(journal, GATE, at(5), ME, at(2), "read")
