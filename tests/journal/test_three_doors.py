"""One punch by three doors: whichever was first, a row and what shares its person and second are one."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import TYPE_CHECKING, Literal

import pytest

from tests.journal.helpers import (
    KEY,
    START,
    Bridge,
    line,
    pending,
    piece,
    punch,
    push,
    row,
    visit,
)
from tests.look import look
from zkpoll.errors import WrongSerial
from zkpoll.journal import pushed
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import Devices
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.pushed import Contact, Pushed
from zkpoll.model.log import Slice
from zkpoll.model.punch import LAYOUT_FORMS, Form, Punch
from zkpoll.model.sums import BridgeTally, Counts, Tally

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal

LAYOUTS = sorted(LAYOUT_FORMS)
Way = Literal["pull", "push", "bridge"]
WAYS: tuple[Way, ...] = ("pull", "push", "bridge")
ORDERS = list(permutations(WAYS))
CONTENT = "SELECT state, source, kinds, hold FROM punch ORDER BY seq"


def record(user: str = "1001", second: int = 0, *, state: int = 0, layout: int = 40) -> Punch:
    """Return a punch as a reading shows it in some layout, with verify in numbers of its own."""
    bytes_ = f"{user} {second} {state}".encode().ljust(layout, b"\0")
    return punch(user, second, verify=33, state=state)._replace(canonical=bytes_)


def show(journal: Journal, way: Way, *states: int, layout: int = 40) -> tuple[int, int, int]:
    """Show a person's punches of one second by a door; return how many are new, known, and told otherwise."""
    if way == "bridge":
        found = Bridge(journal).visit({1: [row(state=states[0])]}, whole=True)
        return found.first_seen, found.seen_before + found.repeats, found.other_state
    if way == "push":
        tally = push(journal, *(line(state=state) for state in states))
    else:
        shown = [record(state=state, layout=layout) for state in states]
        tally = visit(journal).take(piece(*shown, layout=layout))
    return tally.first_seen + tally.same_second, tally.seen_before + tally.exact_repeats, tally.other_state


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_one_punch_by_every_door(journal: Journal, path: Path, order: tuple[Way, ...], layout: int) -> None:
    """Of equal state, it is one punch in every order and layout; the first one's content stays."""
    outbox = JournalOutbox(journal, "main")
    assert [show(journal, way, 0, layout=layout) for way in order] == [(1, 0, 0), (0, 1, 0), (0, 1, 0)]
    for way in (*order, *order[::-1]):
        assert show(journal, way, 0, layout=layout) == (0, 1, 0)
    kinds = LAYOUT_FORMS[layout] | Form.PUSH | Form.BRIDGE
    assert look(path, CONTENT) == [(0, order[0], kinds, None)]
    assert outbox.counts() == Counts(punches=1, pending=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_shows_the_row(journal: Journal, path: Path, layout: int) -> None:
    """A punch that came by the bridge is what each layout shows, of whatever state, as firmware changes."""
    show(journal, "bridge", 1)
    assert show(journal, "pull", 0, layout=layout) == (0, 1, 1)
    for other in LAYOUTS:
        assert show(journal, "pull", 0, layout=other) == (0, 1, int(other != layout))
        assert show(journal, "pull", 0, layout=other) == (0, 1, 0)
    assert look(path, "SELECT state, source, kinds FROM punch") == [(1, "bridge", 31 | Form.BRIDGE)]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_row_may_tell_another_state(journal: Journal, path: Path, order: tuple[Way, ...]) -> None:
    """A row of another state is the punch all the same, and that is told once; the first one's stays."""
    states = {"pull": 0, "push": 0, "bridge": 1}
    found = [show(journal, way, states[way]) for way in order]
    assert [new for new, _, _ in found] == [1, 0, 0]
    told = sum(differ for _, _, differ in found)
    assert told == (2 if order[0] == "bridge" else 1)
    for way in order:
        assert show(journal, way, states[way]) == (0, 1, 0)
    assert look(path, CONTENT) == [(states[order[0]], order[0], 8 | 32 | 64, None)]


@pytest.mark.parametrize("way", ["pull", "push"])
@pytest.mark.parametrize("states", [(0, 1), (1, 0)])
def test_of_several_that_of_its_state_is_the_row(
    journal: Journal, path: Path, way: Way, states: tuple[int, ...]
) -> None:
    """In and out in the second of a row: one is the row, whichever comes first in the batch."""
    show(journal, "bridge", 1)
    assert show(journal, way, *states) == (1, 1, 0)
    assert show(journal, way, *states) == (0, 2, 0)
    assert [found[0] for found in look(path, CONTENT)] == [1, 0]
    assert look(path, "SELECT hold FROM punch ORDER BY seq") == [(None,), ("same second",)]


@pytest.mark.parametrize("state", [0, 1, 5])
def test_of_several_holders_a_row_is_the_likest(journal: Journal, path: Path, state: int) -> None:
    """A row is the punch of its state where a terminal showed two of its second, else the first of them."""
    show(journal, "pull", 0, 1)
    assert show(journal, "bridge", state) == (0, 1, int(state == 5))
    (shown,) = look(path, "SELECT state FROM punch WHERE kinds & 64")
    assert shown == (state if state < 2 else 0,)
    assert look(path, "SELECT count(*) FROM punch") == [(2,)]


def test_a_punch_of_a_terminal_takes_no_other_state(journal: Journal) -> None:
    """That a row was added to it lets no push of another state be the punch that a reading showed."""
    show(journal, "pull", 0)
    show(journal, "bridge", 0)
    assert show(journal, "push", 1) == (1, 0, 0)
    assert show(journal, "push", 0) == (0, 1, 0)


def test_rows_of_many_are_looked_up_at_once(journal: Journal) -> None:
    """A whole log that was read is known row by row, and what is only in the database is new."""
    visit(journal).take(piece(*(record(str(number)) for number in range(300))))
    rows = [row(str(number)) for number in range(400)]
    assert Bridge(journal).visit({1: rows}) == BridgeTally(rows=400, first_seen=100, seen_before=300)


def test_two_databases_show_one_punch(journal: Journal, path: Path) -> None:
    """The same row in a database and in a copy of it elsewhere is one punch, of both."""
    assert Bridge(journal).visit({1: [row()]}).first_seen == 1
    copy = Bridge(journal, "copy.mdb", "branch")
    assert copy.visit({7: [row(state=1)]}) == BridgeTally(rows=1, seen_before=1)
    assert look(path, "SELECT database, punch FROM database_row") == [(1, 1), (2, 1)]


# --- what counts forms ---


def test_a_row_never_lets_a_terminal_be_cleared(journal: Journal) -> None:
    """A record that only a database has shown is unknown to a clearing, be it delivered or not."""
    JournalOutbox(journal, "main")
    visit(journal)
    show(journal, "bridge", 0)
    log = Slice((record(),), (), None, form=Form.PULL_40)
    assert Clearance(journal, KEY).unsettled(log).unknown == 1
    show(journal, "pull", 0)
    assert Clearance(journal, KEY).unsettled(log).unknown == 0


def test_rows_are_no_gap_of_push(journal: Journal) -> None:
    """What only a database shows is not counted as what its terminal showed, nor missed at the push door."""
    push(journal, line("1"))
    called = datetime(2000, 1, 1, tzinfo=UTC)
    pushed.contacts(journal, [Contact("front-door", KEY, datetime.now(UTC), datetime.now(UTC), "192.0.2.7")])
    Bridge(journal).visit({1: [row("1"), row("2"), row("3")]})
    door = Pushed(journal, KEY)
    assert (door.held(), door.not_pushed(0, START, called)) == (1, 0)
    visit(journal).take(piece(record("2")))
    assert (door.held(), door.not_pushed(0, START, called)) == (2, 1)


def test_rows_move_with_their_terminal(journal: Journal, path: Path) -> None:
    """A repaired terminal's punches become its own with all their forms, and no door shows them as new."""
    outbox = JournalOutbox(journal, "main")
    visit(journal).take(piece(record("1")))
    devices = Devices(journal)
    devices.meet_stranger("front-door", "CQZ9")
    bridge = Bridge(journal)
    under_new = [row(user, state=1, device="CQZ9") for user in "12"]
    assert bridge.visit({1: under_new}).first_seen == 2
    assert devices.accept_as_same("front-door") == "CQZ9"
    assert devices.key_of_serial("CQZ9") == KEY
    assert [(event.user_id, event.serial_number) for event in pending(outbox)] == [("1", KEY), ("2", KEY)]
    assert visit(journal).take(piece(record("1"), record("2"))) == Tally(
        seen_before=2, by_other_door=1, other_state=1
    )
    again = bridge.visit({1: [row(user, state=1) for user in "12"]}, whole=True)
    assert again == BridgeTally(rows=2, seen_before=2)
    assert outbox.counts() == Counts(punches=3, pending=2, discarded=1)
    with pytest.raises(WrongSerial):
        devices.accept_as_same("front-door")
    assert look(path, "SELECT count(*) FROM form") == [(4,)]


def test_a_terminal_of_rows_alone_gets_its_name_later(journal: Journal, path: Path) -> None:
    """A serial number that only a database knows is the device that is read under it one day."""
    show(journal, "bridge", 0)
    assert Devices(journal).names() == {}
    assert show(journal, "pull", 0) == (0, 1, 0)
    assert look(path, "SELECT name, key FROM device") == [("front-door", KEY)]
    assert look(path, "SELECT device_name FROM punch") == [("head-office",)]
