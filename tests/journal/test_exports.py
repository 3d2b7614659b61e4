"""What is exported: the users last exported of a device, and the punches of some days."""

from __future__ import annotations

from datetime import UTC, date
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, Visiting, piece, punch, punches, visit
from tests.look import look
from zkpoll.journal import exports
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.exports import Wanted, keep_users, last_users
from zkpoll.journal.holds import Holding
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import Settled
from zkpoll.model.user import User

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.journal.exports import Journalled

ADA = User(1, "0042", b"\xd1\xff", 14, 2**32 - 1, 2, has_password=True)
EVE = User(2, "7", b"", 0, 0, 1, has_password=False)


def found(journal: Journal, wanted: Wanted = Wanted()) -> list[Journalled]:  # noqa: B008  # frozen
    """Return the punches that are meant."""
    return list(exports.punches(journal, wanted))


# --- users ---


def test_users_come_back_as_they_were(journal: Journal, path: Path) -> None:
    """What was exported last is there to the byte, in its order, with the moment it was."""
    keep_users(journal, KEY, [EVE, ADA])
    last = last_users(journal, KEY)
    assert last is not None
    assert last.users == (EVE, ADA)
    assert last.exported_at.endswith("+00:00")
    assert last.users[1].has_password is True
    assert look(path, "SELECT count(*) FROM exported_user") == [(2,)]


def test_the_last_export_takes_the_place_of_the_one_before(journal: Journal) -> None:
    """Of each device one export is kept, and one of nobody is an export, too."""
    keep_users(journal, KEY, [EVE, ADA])
    keep_users(journal, "B", [EVE])
    keep_users(journal, KEY, [])
    ours, other = last_users(journal, KEY), last_users(journal, "B")
    assert ours is not None
    assert ours.users == ()
    assert other is not None
    assert other.users == (EVE,)


def test_never_exported(journal: Journal) -> None:
    """A device that was never exported is not one without users."""
    visit(journal)
    assert last_users(journal, KEY) is None


def test_two_users_in_one_slot(journal: Journal) -> None:
    """Odd firmware that repeats a slot or an id loses nobody here."""
    keep_users(journal, KEY, [EVE, EVE])
    last = last_users(journal, KEY)
    assert last is not None
    assert last.users == (EVE, EVE)


# --- punches ---


def test_a_punch_says_how_it_stands(journal: Journal) -> None:
    """Each punch comes with its state for each dashboard, and those that are held with the reason."""
    old = JournalOutbox(journal, "old")
    ledger = visit(journal, holding=Holding(repeat_within=30))
    ledger.take(piece(punch("1"), punch("2"), punch("2", verify=4), punch("3"), punch("3", 10)))
    outbox = JournalOutbox(journal, "main")
    ledger.take(piece(punch("4"), punch("5")))
    events = {event.user_id: event.id for event in old.next(9).events}
    old.settle(Settled((events["1"],), {events["2"]: "no such employee"}))
    Decisions(journal, "main").discard(Selection(frozenset({"pending"}), user="5"), Places([(1, 99)]), "left")
    assert [(one.event.user_id, one.states, one.hold) for one in found(journal)] == [
        ("1", {"old": "confirmed"}, None),
        ("2", {"old": "parked"}, None),
        ("2", {"old": "held"}, "same second"),
        ("3", {"old": "pending"}, None),
        ("3", {"old": "held"}, "repeat"),
        ("4", {"main": "pending", "old": "pending"}, None),
        ("5", {"main": "discarded", "old": "pending"}, None),
    ]
    assert outbox.counts().punches == 2


def test_a_punch_is_the_event(journal: Journal) -> None:
    """It has all that a dashboard gets, and whether its clock can have been right."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(punch("1")))
    (one,) = found(journal)
    assert one.event == outbox.next(1).events[0]
    assert one.event.clock_suspect is False
    assert one.journalled_at.endswith("+00:00")


def test_a_strangers_punches(journal: Journal) -> None:
    """What is held of a terminal that is not accepted says so."""
    JournalOutbox(journal, "main")
    Devices(journal).meet_stranger("front-door", "X")
    Visiting(journal, "front-door", "X", UTC, held=STRANGER).take(piece(punch()))
    (one,) = found(journal)
    assert (one.event.serial_number, one.states, one.hold) == ("X", {"main": "held"}, "another terminal")


@pytest.mark.parametrize(
    ("wanted", "users"),
    [
        (Wanted(), ["1", "1", "2", "3"]),
        (Wanted(first=date(2026, 11, 23)), ["1", "3"]),
        (Wanted(last=date(2026, 11, 22)), ["1", "2"]),
        (Wanted(date(2026, 11, 23), date(2026, 11, 23)), ["1", "3"]),
        (Wanted(date(2026, 11, 24)), []),
        (Wanted(user="1"), ["1", "1"]),
        (Wanted(devices=frozenset({"back-door"})), ["2"]),
        (Wanted(devices=frozenset({"yard"})), ["2"]),
        (Wanted(date(2026, 11, 23), user="1", devices=frozenset({"front-door", "x"})), ["1"]),
    ],
    ids=lambda given: repr(given) if isinstance(given, list) else None,
)
def test_which_punches_are_meant(journal: Journal, wanted: Wanted, users: list[str]) -> None:
    """Days by the device's own clock, a user, and a device by any name it had, choose together."""
    visit(journal).take(piece(punch("1"), punch("1", 86_400)))
    visit(journal, "back-door", "B").take(piece(punch("2")))
    visit(journal).take(piece(punch("3", 86_400)))
    Devices(journal).meet("yard", "B")
    assert sorted(one.event.user_id for one in found(journal, wanted)) == users


def test_page_by_page(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, each comes once, and what is journalled meanwhile does no harm."""
    monkeypatch.setattr(exports, "PAGE", 7)
    JournalOutbox(journal, "main")
    ledger = visit(journal)
    ledger.take(piece(*punches(21)))
    coming = exports.punches(journal, Wanted())
    begun = [next(coming) for _ in range(8)]
    ledger.take(piece(*punches(9, first=21)))
    ids = [one.event.id for one in (*begun, *coming)]
    assert len(ids) == len(set(ids)) == 30
    assert all(one.states == {"main": "pending"} for one in found(journal))
