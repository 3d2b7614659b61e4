"""Names that changed: what the journal has under the old one goes on, and no punch changes its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, piece, punches, visit
from zkpoll.journal import conditions
from zkpoll.journal.decisions import Decisions
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import dashboard_standings
from zkpoll.journal.renames import Rename, Renamed, follow, is_due
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal
    from zkpoll.model.delivery import Batch

DASHBOARD = Rename("dashboard", "dashboard", "main")
DEVICE = Rename("device", "front-door", "gate")


def sent(outbox: JournalOutbox, batch: Batch) -> tuple[str, ...]:
    """Write down that a batch went out, and return its ids."""
    ids = tuple(one.id for one in batch.events)
    assert outbox.send(SentRequest(ids))
    return ids


def test_a_dashboard_that_is_renamed(journal: Journal) -> None:
    """All its punches, and what is in flight, go by the new name; the second time nothing is to be done."""
    outbox = JournalOutbox(journal, "dashboard")
    visit(journal).take(piece(*punches(10)))
    outbox.settle(Settled(confirmed=sent(outbox, outbox.next(4))))
    flying = sent(outbox, outbox.next(3))
    assert is_due(journal, DASHBOARD)
    assert follow(journal, DASHBOARD) == Renamed(DASHBOARD)
    assert follow(journal, DASHBOARD) is None
    renamed = JournalOutbox(journal, "main")
    assert renamed.counts() == Counts(punches=10, pending=6, confirmed=4)
    assert tuple(one.id for one in renamed.next(10).events)[:3] == flying


def test_a_dashboard_that_was_met_by_both_names(journal: Journal) -> None:
    """Of a punch that both have, the later one's state stays; the sum comes out, nothing goes twice."""
    old, ledger = JournalOutbox(journal, "dashboard"), visit(journal)
    ledger.take(piece(*punches(6), end=6))
    old.settle(Settled(confirmed=sent(old, old.next(4))))
    new = JournalOutbox(journal, "main")
    ledger.take(piece(*punches(4, first=6), end=10))
    old.settle(Settled(confirmed=sent(old, old.next(3))))  # two that wait, and one of the new ones
    new.settle(Settled(confirmed=sent(new, new.next(2))))
    assert (old.counts(), new.counts()) == (
        Counts(punches=10, pending=3, confirmed=7),
        Counts(punches=4, pending=2, confirmed=2),
    )
    assert follow(journal, DASHBOARD) == Renamed(DASHBOARD, joined=True)
    joined = JournalOutbox(journal, "main")
    assert joined.counts() == Counts(punches=10, pending=2, confirmed=8)
    assert [name for name, _ in journal.all("destinations")] == ["main"]
    (standing,) = dashboard_standings(journal)
    assert (standing.confirmed, standing.pending) == (8, 2)


@pytest.mark.parametrize("given_up", ["dashboard", "main"])
def test_a_dashboard_that_was_given_up(journal: Journal, given_up: str) -> None:
    """What came while one of the names was given up is owed by the other one alone; the sum comes out."""
    JournalOutbox(journal, "dashboard")
    ledger = visit(journal)
    ledger.take(piece(*punches(2), end=2))
    JournalOutbox(journal, "main")
    Decisions(journal, given_up).give_up()
    ledger.take(piece(*punches(3, first=2), end=5))
    follow(journal, DASHBOARD)
    ledger.take(piece(*punches(4, first=5), end=9))
    assert JournalOutbox(journal, "main").counts() == Counts(punches=9, pending=9)


def test_whoever_has_the_old_name_still(journal: Journal) -> None:
    """An outbox that another run renamed, or joined to another, knows; its number may be another's by now."""
    first, later = JournalOutbox(journal, "main"), JournalOutbox(journal, "dashboard")
    assert first.has_its_name()
    assert later.has_its_name()
    follow(journal, DASHBOARD)
    JournalOutbox(journal, "payroll")
    assert first.has_its_name()
    assert not later.has_its_name()
    follow(journal, Rename("dashboard", "main", "head"))
    assert not first.has_its_name()


def test_a_device_that_is_renamed(journal: Journal) -> None:
    """Its key, who answers where it belongs, and what was told and is to be told of it go on."""
    devices = Devices(journal)
    devices.meet("front-door", KEY)
    devices.meet_stranger("front-door", "X1")
    with journal.transaction():
        conditions.owe(journal, "device front-door", "something")
        conditions.owe(journal, "push front-door", "something")
        conditions.owe(journal, "device the-front-door", "something")
    assert follow(journal, DEVICE) == Renamed(DEVICE)
    assert (devices.key_of("gate"), devices.key_of("front-door")) == (KEY, None)
    assert devices.whose("X1") == (None, "gate")
    assert {subject for subject, _ in conditions.owed(journal)} == {
        "device gate",
        "push gate",
        "device the-front-door",
    }


def test_two_devices_stay_two(journal: Journal) -> None:
    """Where both names are of terminals that were met, nothing is changed."""
    devices = Devices(journal)
    devices.meet("front-door", KEY)
    devices.meet("gate", "X1")
    assert follow(journal, DEVICE) == Renamed(DEVICE, refusal=f"{KEY} and X1")
    assert (devices.key_of("front-door"), devices.key_of("gate")) == (KEY, "X1")
