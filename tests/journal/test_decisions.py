"""What a person decides: exactly what was meant is changed, and nothing that would double a punch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, Visiting, pending, piece, punch, punches, visit
from tests.look import look
from zkpoll.journal import decisions
from zkpoll.journal.decisions import (
    Backfilled,
    Decisions,
    Selection,
    Span,
    dashboards,
    device_names,
    names_of_punches,
    why_not_discarded,
    why_not_retried,
)
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import Settled
from zkpoll.model.punch import punch_id
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.journal.decisions import Waiting
    from zkpoll.model.log import Slice

PARKED = Selection(frozenset({"parked"}))
ANY = Selection(frozenset({"parked", "held", "pending", "discarded"}))
DAY = date(2026, 11, 22)
SPAN = Span(DAY, DAY)
END = Places([(1, 10**9)])
WORDS = "no such employee"
NEW = "OIN7030067091200012"


def park(outbox: JournalOutbox, *users: str) -> None:
    """Let the dashboard refuse the pending punches of these users."""
    events = outbox.next(99).events
    outbox.settle(Settled(parked={event.id: WORDS for event in events if event.user_id in users}))


def confirm(outbox: JournalOutbox, *users: str) -> None:
    """Let the dashboard take the pending punches of these users, by default all."""
    events = outbox.next(99).events
    outbox.settle(Settled(tuple(event.id for event in events if not users or event.user_id in users)))


def users(found: Sequence[Waiting]) -> list[str]:
    """Return whose punches these are."""
    return [one.user_id for one in found]


def seen(journal: Journal, choice: Selection = ANY, name: str = "main") -> list[Waiting]:
    """Return the punches that are meant."""
    return list(Decisions(journal, name).punches(choice))


def states(journal: Journal, name: str = "main") -> dict[str, tuple[str, str | None]]:
    """Return the state of each user's last punch, and the reason for it."""
    return {one.user_id: (one.state, one.reason) for one in seen(journal, name=name)}


def strange(journal: Journal, *pieces: Slice, name: str = "front-door") -> None:
    """Let another terminal answer where that device belongs."""
    Devices(journal).meet_stranger(name, NEW)
    ledger = Visiting(journal, name, NEW, UTC, held=STRANGER)
    for one in pieces:
        ledger.take(one)


# --- looking ---


def test_a_punch_is_whole(journal: Journal) -> None:
    """What is shown of a punch is who, when, where, in which state since when, and the dashboard's words."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001"), punch("1002")))
    park(outbox, "1001")
    (one,) = seen(journal, PARKED)
    assert (one.dashboard, one.id, one.device) == (
        "main", "224c9c2b-8130-5e29-a627-3b68fe8961e9", "front-door",
    )  # fmt: skip
    assert (one.serial_number, one.user_id, one.timestamp) == (KEY, "1001", "2026-11-22T08:59:58+06:00")
    assert (one.state, one.reason) == ("parked", WORDS)
    assert datetime.now(UTC) - datetime.fromisoformat(one.since) < timedelta(minutes=1)
    assert one.tried_at == one.since


@pytest.mark.parametrize("page", [1, 2, 1000])
def test_every_punch_comes_once_and_oldest_first(
    journal: Journal, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large a page is, each punch in one of the states comes once, oldest first."""
    monkeypatch.setattr(decisions, "PAGE", page)
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*map(punch, "abcdef")))
    park(outbox, "e", "b")
    confirm(outbox, "c")
    assert users(seen(journal, PARKED)) == ["b", "e"]
    assert users(seen(journal, Selection(frozenset({"pending"})))) == ["a", "d", "f"]
    assert users(seen(journal)) == ["a", "b", "d", "e", "f"]


def test_what_is_decided_while_one_looks(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look holds nothing open: what is confirmed meanwhile is not shown, and nothing comes twice."""
    monkeypatch.setattr(decisions, "PAGE", 2)
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*map(punch, "abcd")))
    looking = Decisions(journal, "main").punches(ANY)
    first = next(looking)
    confirm(outbox, "a", "c")
    assert users([first, *looking]) == ["a", "b", "d"]


def test_choosing(journal: Journal) -> None:
    """A user, a device by its present or former name, and an id choose the punches that fit all of them."""
    JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    visit(journal, "gate", "OTHER1").take(piece(punch("b", 60)))
    visit(journal, "portal", "OTHER1").take(piece(punch("b", 60), punch("b", 120)))
    states = ANY.states
    assert users(seen(journal, Selection(states, user="a"))) == ["a"]
    assert len(seen(journal, Selection(states, user="b"))) == 3
    assert len(seen(journal, Selection(states, devices=frozenset({"portal"})))) == 2
    assert len(seen(journal, Selection(states, user="b", devices=frozenset({"gate", "x"})))) == 1
    (one,) = seen(journal, Selection(states, user="a"))
    assert seen(journal, Selection(frozenset(), ids=(one.id, "no such id"))) == [one]
    assert seen(journal, Selection(frozenset(), user="b", ids=(one.id,))) == []


def test_names(journal: Journal) -> None:
    """The journal knows each dashboard it has met, and each device by all the names it had."""
    assert dashboards(journal) == []
    JournalOutbox(journal, "old")
    JournalOutbox(journal, "main")
    visit(journal, "gate").take(piece(punch()))
    Devices(journal).meet("portal", KEY)
    assert dashboards(journal) == ["main", "old"]
    assert device_names(journal) == frozenset({"portal"})
    assert names_of_punches(journal) == frozenset({"gate"})


def test_a_dashboard_that_nobody_met(journal: Journal) -> None:
    """Nothing waits for a dashboard that the journal does not know, and looking does not make it known."""
    visit(journal).take(piece(punch()))
    assert seen(journal, name="nobody") == []
    assert dashboards(journal) == []


# --- trying again ---


def test_parked_ones_are_tried_at_the_next_sync(journal: Journal) -> None:
    """What is tried again stays parked, for the same reason and since the same moment, and is due at once."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    park(outbox, "a", "b")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert outbox.parked(9, yesterday).events == ()
    assert Decisions(journal, "main").retry(Selection(PARKED.states, user="a"), END) == 1
    assert [event.user_id for event in outbox.parked(9, yesterday).events] == ["a"]
    a, b = seen(journal)
    assert (a.state, a.reason, a.since, a.tried_at) == ("parked", WORDS, b.since, None)
    assert b.tried_at is not None


def test_held_and_discarded_ones_by_their_id(journal: Journal) -> None:
    """A repeat and a punch that was given up are pending again when a person names them."""
    outbox = JournalOutbox(journal, "main")
    desk = Decisions(journal, "main")
    visit(journal, holding=Holding(repeat_within=60)).take(
        piece(punch("a"), punch("a", 10), punch("b"), punch("c"))
    )
    desk.discard(Selection(ANY.states, user="b"), END, "gone")
    ids = tuple(one.id for one in seen(journal) if one.state != "pending")
    assert len(ids) == 2
    assert desk.retry(Selection(frozenset(), ids=ids), END) == 2
    assert {one.state for one in seen(journal)} == {"pending"}
    assert all(one.reason is None for one in seen(journal))
    assert outbox.counts() == Counts(punches=4, pending=4)


def test_what_is_never_sent_again(journal: Journal) -> None:
    """Of a stranger, or shown by the same terminal: no person's word doubles those."""
    outbox = JournalOutbox(journal, "main")
    desk = Decisions(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    confirm(outbox)
    strange(journal, piece(punch("b"), punch("c")))
    before = {(one.user_id, why_not_retried(one)) for one in seen(journal)}
    assert before == {
        ("b", "it is of a terminal that is not accepted; see zkpoll devices accept"),
        ("c", "it is of a terminal that is not accepted; see zkpoll devices accept"),
    }
    desk.discard(ANY, END, "given up")
    ids = tuple(one.id for one in seen(journal))
    assert desk.retry(Selection(frozenset(), ids=ids), END) == 0
    assert outbox.counts() == Counts(punches=4, confirmed=2, discarded=2)
    Devices(journal).accept_as_same("front-door")
    (b,) = seen(journal, Selection(ANY.states, user="b"))
    assert why_not_retried(b) == "its terminal has shown it under its own serial number, too"
    assert desk.retry(Selection(frozenset(), ids=ids), END) == 0


def test_one_of_the_same_second_by_its_id(journal: Journal) -> None:
    """A further punch of a second goes out under an id of its own, once a person names that."""
    outbox = JournalOutbox(journal, "main")
    desk = Decisions(journal, "main")
    visit(journal).take(piece(punch("a"), punch("a", verify=4)))
    confirm(outbox)
    (twin,) = seen(journal)
    first = punch_id(KEY, "a", "2026-11-22T08:59:58")
    assert desk.retry(Selection(frozenset(), ids=(first,)), END) == 0
    assert twin.id == punch_id(KEY, "a", "2026-11-22T08:59:58", 2)
    assert desk.retry(Selection(frozenset(), ids=(twin.id,)), END) == 1
    assert [(event.id, event.verify) for event in pending(outbox)] == [(twin.id, 4)]


def test_what_needs_no_trying(journal: Journal) -> None:
    """A punch that the dashboard has, or that waits anyway, is left, and it is said why."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("a"), punch("b")))
    confirm(outbox, "a")
    ids = tuple(event.id for event in outbox.next(9).events)
    (b,) = seen(journal, Selection(frozenset(), ids=ids))
    assert why_not_retried(b) == "the next sync sends it anyway"
    assert Decisions(journal, "main").retry(Selection(frozenset(), ids=ids), END) == 0


# --- giving up ---


def test_discarding(journal: Journal, path: Path) -> None:
    """What is given up is never sent, is kept in the journal with the reason, and the sum comes out."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(*map(punch, "abcd")))
    park(outbox, "a", "b")
    confirm(outbox, "c")
    desk = Decisions(journal, "main")
    assert desk.discard(Selection(frozenset({"parked"})), END, "left (by eve)") == 2
    assert states(journal) == {
        "a": ("discarded", "left (by eve)"), "b": ("discarded", "left (by eve)"), "d": ("pending", None),
    }  # fmt: skip
    assert outbox.counts() == Counts(punches=4, pending=1, confirmed=1, discarded=2)
    assert look(path, "SELECT count(*) FROM punch") == [(4,)]


def test_what_is_confirmed_stays_so(journal: Journal) -> None:
    """No confirmed punch is discarded, even when it is named."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001")))
    confirm(outbox)
    named = Selection(frozenset(), ids=("224c9c2b-8130-5e29-a627-3b68fe8961e9",))
    (one,) = seen(journal, named)
    assert why_not_discarded(one) == why_not_retried(one) == "the dashboard has it"
    assert Decisions(journal, "main").discard(named, END, "x") == 0
    assert outbox.counts() == Counts(punches=1, confirmed=1)


def test_only_up_to_what_was_shown(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes to the journal while a person thinks is not meant, in one dashboard alone."""
    monkeypatch.setattr(decisions, "PAGE", 2)
    main, spare = JournalOutbox(journal, "main"), JournalOutbox(journal, "spare")
    visit(journal).take(piece(*map(punch, "abc")))
    shown = Places((one.seq, one.seq) for one in seen(journal))
    visit(journal, "gate", "OTHER1").take(piece(punch("a", 60)))
    assert Decisions(journal, "main").discard(Selection(ANY.states), shown, "x") == 3
    assert main.counts() == Counts(punches=4, pending=1, discarded=3)
    assert spare.counts() == Counts(punches=4, pending=4)


# --- older punches ---


def backfill(
    journal: Journal, span: Span = SPAN, *, repeats: bool = False, dry_run: bool = False
) -> Backfilled:
    """Send `late` older punches."""
    return Decisions(journal, "late").backfill(span, repeats=repeats, dry_run=dry_run)


@pytest.mark.parametrize("page", [1, 1000])
def test_a_dashboard_that_came_later(journal: Journal, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets older punches under the ids they always had, once, and its sum comes out."""
    monkeypatch.setattr(decisions, "PAGE", page)
    main = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1001"), punch("b"), punch("b", verify=4)))
    late = JournalOutbox(journal, "late")
    visit(journal).take(piece(punch("1001"), punch("b"), punch("b", verify=4), punch("c")))
    assert backfill(journal, dry_run=True) == Backfilled(added=2, held=1, left=1)
    assert late.counts() == Counts(punches=1, pending=1)
    assert backfill(journal) == Backfilled(added=2, held=1, left=1)
    assert late.counts() == Counts(punches=4, pending=3, held=1)
    assert late.counts().difference == main.counts().difference == 0
    events = late.next(9).events
    assert [event.user_id for event in events] == ["1001", "b", "c"]
    assert events[0].id == "224c9c2b-8130-5e29-a627-3b68fe8961e9"
    confirm(late)
    assert backfill(journal) == Backfilled(left=4)
    assert late.counts() == Counts(punches=4, confirmed=3, held=1)
    assert main.counts() == Counts(punches=4, pending=3, held=1)


def test_a_dashboard_that_is_new(journal: Journal) -> None:
    """One that no sync has met yet is met; a dry run only says what would be."""
    visit(journal).take(piece(*punches(5)))
    assert backfill(journal, dry_run=True) == Backfilled(added=5)
    assert dashboards(journal) == []
    assert backfill(journal) == Backfilled(added=5)
    assert JournalOutbox(journal, "late").counts() == Counts(punches=5, pending=5)


def test_days_and_devices(journal: Journal) -> None:
    """Only punches of those days by the device's own clock, both included, and of that device are sent."""
    day = 86_400
    visit(journal).take(piece(*(punch(str(number), number * day) for number in range(5))))
    visit(journal, "gate", "OTHER1").take(piece(punch("gate", day)))
    JournalOutbox(journal, "late")
    span = Span(DAY + timedelta(days=1), DAY + timedelta(days=2))
    assert backfill(journal, Span(span.first, span.last, frozenset({"front-door"}))) == Backfilled(added=2)
    assert list(states(journal, "late")) == ["1", "2"]
    assert backfill(journal, span) == Backfilled(added=1, left=2)


def test_midnight_is_the_devices(journal: Journal) -> None:
    """A punch after midnight in Dhaka is of the new day, though it is still the old one in UTC."""
    night = int(timedelta(hours=15, minutes=1).total_seconds())
    visit(journal).take(piece(punch("a", night)))  # 2026-11-23T00:00:58+06:00
    assert backfill(journal) == Backfilled()
    assert backfill(journal, Span(DAY + timedelta(days=1), DAY + timedelta(days=1))) == Backfilled(added=1)


def test_what_was_held_for_its_age(journal: Journal) -> None:
    """Punches from before `since:` go out; repeats only when they are asked for as well."""
    late = JournalOutbox(journal, "late")
    holding = Holding(since=datetime(2026, 11, 22, 9), repeat_within=60)
    visit(journal, holding=holding).take(piece(punch("old"), punch("a", 10), punch("a", 20)))
    assert late.counts() == Counts(punches=3, pending=1, held=2)
    assert backfill(journal) == Backfilled(released=1, left=2)
    assert states(journal, "late") == {"old": ("pending", None), "a": ("held", "repeat")}
    assert backfill(journal, repeats=True) == Backfilled(released=1, left=2)
    assert late.counts() == Counts(punches=3, pending=3)


@pytest.mark.parametrize("repeats", [False, True])
def test_older_repeats(journal: Journal, repeats: bool) -> None:
    """For a dashboard that came later a repeat is held, unless repeats are asked for."""
    visit(journal, holding=Holding(repeat_within=60)).take(piece(punch("a"), punch("a", 10)))
    held = 0 if repeats else 1
    assert backfill(journal, repeats=repeats) == Backfilled(added=2 - held, held=held)
    assert JournalOutbox(journal, "late").counts() == Counts(punches=2, pending=2 - held, held=held)


def test_what_a_person_or_the_dashboard_decided_stays_so(journal: Journal) -> None:
    """Confirmed, parked and discarded punches are left as they are."""
    late = JournalOutbox(journal, "late")
    visit(journal).take(piece(*map(punch, "abcd")))
    park(late, "a")
    confirm(late, "b")
    Decisions(journal, "late").discard(Selection(frozenset({"pending"}), user="c"), END, "x")
    assert backfill(journal, repeats=True) == Backfilled(left=4)
    assert late.counts() == Counts(punches=4, pending=1, confirmed=1, parked=1, discarded=1)


def test_strangers_are_not_sent(journal: Journal) -> None:
    """What is of a terminal that is not accepted is held, and goes out once it is accepted."""
    strange(journal, piece(punch("a")))
    assert backfill(journal, repeats=True) == Backfilled(held=1)
    assert states(journal, "late") == {"a": ("held", STRANGER)}
    assert backfill(journal, repeats=True) == Backfilled(left=1)
    Devices(journal).accept("front-door")
    assert states(journal, "late") == {"a": ("pending", None)}


def test_a_repaired_terminal_is_not_sent_twice(journal: Journal) -> None:
    """What a terminal showed under a new serial number, too, goes out under its own alone."""
    visit(journal).take(piece(punch("a")))
    strange(journal, piece(punch("a")))
    Devices(journal).accept_as_same("front-door")
    assert backfill(journal) == Backfilled(added=1)
    assert [event.serial_number for event in JournalOutbox(journal, "late").next(9).events] == [KEY]


# --- going on ---


def test_resuming(journal: Journal) -> None:
    """A dashboard that was gone for good is delivered to again, once a person says so."""
    outbox = JournalOutbox(journal, "main")
    assert Decisions(journal, "main").resume() is None
    outbox.halt("gone")
    assert Decisions(journal, "main").resume() == "gone"
    assert outbox.halted() is None
