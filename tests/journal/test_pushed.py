"""What is kept of devices that push, and of callers that may not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, START, line, odd, piece, punch, push, visit
from tests.look import look
from zkpoll.errors import JournalError
from zkpoll.journal import callers
from zkpoll.journal.callers import Caller
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import (
    SETTLED,
    SKEWS,
    Command,
    CommandNews,
    Contact,
    Gap,
    Pushed,
    Told,
    all_commands,
    contacts,
    note_commands,
    pushed_standings,
    waiting_commands,
)

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
CALLED = Contact("front-door", KEY, NOON, NOON, "192.0.2.7")
MINUTE = timedelta(minutes=1)


def keep(
    journal: Journal, table: str = "ATTLOG", stamp: str | None = "1", digest: bytes = b"a" * 32,
    *, last: datetime | None = None, skews: tuple[float, ...] = (),
) -> None:  # fmt: skip
    """Note a batch of a device that is known."""
    Devices(journal).meet("front-door", KEY)
    with journal.transaction():
        Pushed(journal, KEY).keep_batch(table, stamp, digest, last=last, skews=skews)


# --- batches ---


def test_nothing_is_known_before_the_first_batch(journal: Journal) -> None:
    """Of a device that never called there is no stamp to hand back, and nothing to compare a body with."""
    room = Pushed(journal, KEY)
    assert (room.stamps(), room.digest("ATTLOG"), room.last_time()) == ({}, None, None)
    assert (room.registry_code(), room.gap(), room.held(), room.commands()) == (None, Gap(), 0, ())
    assert pushed_standings(journal) == {}


def test_the_last_stamp_of_each_table(journal: Journal, path: Path) -> None:
    """A stamp is handed back as it came, after a restart too; a batch without one leaves the last."""
    keep(journal, "ATTLOG", "9999", b"1" * 32)
    keep(journal, "RTLOG", "0x1", b"2" * 32)
    keep(journal, "ATTLOG", None, b"3" * 32)
    with open_journal(path) as again:
        room = Pushed(again, KEY)
        assert room.stamps() == {"ATTLOG": "9999", "RTLOG": "0x1"}
        assert (room.digest("ATTLOG"), room.digest("RTLOG")) == (b"3" * 32, b"2" * 32)


def test_stamps_of_tables_that_are_not_kept(journal: Journal) -> None:
    """The stamp of operations comes with the contacts, and stands beside those of batches."""
    keep(journal, "ATTLOG", "5")
    contacts(journal, [replace(CALLED, stamps={"OPERLOG": "7"})])
    contacts(journal, [replace(CALLED, stamps={"OPERLOG": "8"})])
    assert Pushed(journal, KEY).stamps() == {"ATTLOG": "5", "OPERLOG": "8"}
    assert Pushed(journal, KEY).digest("OPERLOG") is None


@pytest.mark.parametrize("fold", [0, 1])
def test_the_time_of_the_last_punch(journal: Journal, fold: int) -> None:
    """The wall clock time of the last punch of the last batch is kept with the pass of a repeated hour."""
    last = datetime(2026, 10, 25, 2, 30, fold=fold)
    keep(journal, "RTLOG", last=START)
    keep(journal, "ATTLOG", last=last)
    keep(journal, "ATTLOG")
    found = Pushed(journal, KEY).last_time()
    assert (found, found and found.fold) == (last, fold)


def test_a_batch_of_a_device_that_was_not_met(journal: Journal) -> None:
    """A batch whose device nobody met is a mistake of ours, and is not kept."""
    with pytest.raises(JournalError), journal.transaction():
        Pushed(journal, KEY).keep_batch("ATTLOG", "1", b"x")


def test_the_clocks_skew_is_a_median(journal: Journal) -> None:
    """One punch that came late moves no clock, and old ones are forgotten."""
    contacts(journal, [CALLED])
    assert pushed_standings(journal)["front-door"].skew is None
    keep(journal, skews=(2.5, 3.0, 4000.0))
    keep(journal)
    assert pushed_standings(journal)["front-door"].skew == 3.0
    for _ in range(SKEWS):
        keep(journal, skews=(-60.25,))
    assert pushed_standings(journal)["front-door"].skew == -60.25


# --- contacts ---


def test_a_contact_meets_its_device(journal: Journal) -> None:
    """A device is known from its first call on, before it sends a punch."""
    contacts(journal, [CALLED, replace(CALLED, name="gate", serial="X1", dialect="access")])
    assert Devices(journal).names() == {KEY: "front-door", "X1": "gate"}
    found = pushed_standings(journal)
    assert (found["front-door"].first_call_at, found["front-door"].address) == (NOON, "192.0.2.7")
    assert (found["gate"].serial_number, found["gate"].dialect) == ("X1", "access")
    assert found["gate"].committed_at is None


def test_contacts_add_up(journal: Journal, path: Path) -> None:
    """Numbers of two writers are added up; what a call did not show stays; the last word stands."""
    told = Told("K40", "Ver 6.60", "ZEM560", "2.4.1", 30, 1200)
    first = replace(
        CALLED, dialect="attendance", zone_told="6", registry_code="abc", told=told, replays=2, door_events=5
    )
    contacts(journal, [first])
    later = NOON + MINUTE
    with open_journal(path) as other:
        contacts(
            other, [Contact("front-door", KEY, later, later, "192.0.2.8", replays=1, told=Told(records=9))]
        )
    found = pushed_standings(journal)["front-door"]
    assert (found.first_call_at, found.last_call_at, found.address) == (NOON, later, "192.0.2.8")
    assert (found.dialect, found.zone_told, found.registry_code) == ("attendance", "6", "abc")
    assert (found.replays, found.door_events) == (3, 5)
    assert (found.told, found.told_at) == (replace(told, records=9), later)
    assert Pushed(journal, KEY).registry_code() == "abc"


def test_a_clock_that_was_ahead_hides_no_silence(journal: Journal) -> None:
    """A contact that this host stamped years ahead is replaced by the next one."""
    contacts(journal, [replace(CALLED, last_at=NOON.replace(year=2099))])
    contacts(journal, [CALLED])
    assert pushed_standings(journal)["front-door"].last_call_at == NOON


def test_the_terminal_that_calls_by_a_name_is_the_one_told(journal: Journal) -> None:
    """Where another terminal calls in the place of a device, it is told how that one stands."""
    contacts(journal, [CALLED])
    contacts(journal, [replace(CALLED, serial="NEW1", address="192.0.2.9")])
    assert pushed_standings(journal)["front-door"].serial_number == "NEW1"
    Devices(journal).accept_as_same("front-door")
    contacts(journal, [replace(CALLED, serial="NEW1", address="192.0.2.10")])
    found = pushed_standings(journal)
    assert [(one.serial_number, one.address) for one in found.values()] == [(KEY, "192.0.2.10")]


def test_no_contacts_no_transaction(journal: Journal) -> None:
    """A minute without a call writes nothing."""
    with journal.transaction():  # another one would be refused
        contacts(journal, [])
        callers.note(journal, [], 0)


# --- gaps ---


def test_what_a_device_may_count(journal: Journal) -> None:
    """Punches count once, by whatever door, with impossible lines, and nothing of another device."""
    push(journal, line("1"), line("2"), odd(b"x"))
    visit(journal).take(piece(punch("1"), punch("3"), odd(b"y")))
    push(journal, line("4"), name="gate", key="X1")
    assert Pushed(journal, KEY).held() == 4


def test_a_gap_is_remembered(journal: Journal) -> None:
    """Since when punches are missing, whether they were asked for, and what was told of it, is kept."""
    gap = Gap(NOON, NOON + MINUTE, 12)
    contacts(journal, [CALLED])
    with journal.transaction():
        Pushed(journal, KEY).keep_gap(gap)
    contacts(journal, [CALLED])
    assert Pushed(journal, KEY).gap() == pushed_standings(journal)["front-door"].gap == gap
    with journal.transaction():
        Pushed(journal, KEY).keep_gap(Gap(told=12))
    assert Pushed(journal, KEY).gap() == Gap(told=12)


# --- commands ---


def order(id_: str, text: str = "CHECK") -> Command:
    """Return a command."""
    return Command(id_, text, "", NOON)


def queue(journal: Journal, one: Command, key: str = KEY) -> bool:
    """Let a command wait; say whether it does."""
    with journal.transaction():
        return Pushed(journal, key).queue(one, one.kind)


def settle(journal: Journal, id_: str, code: int | None = 0, key: str = KEY) -> None:
    """Note that a device has answered a command, or that it was dropped."""
    note_commands(journal, [CommandNews(key, id_, settled=True, code=code)])


def turn(journal: Journal, key: str = KEY) -> Command | None:
    """Return the command whose turn it is."""
    return next(iter(waiting_commands(journal).get(key, ())), None)


def test_a_command_waits_until_it_is_settled(journal: Journal) -> None:
    """A command is offered and settled by the device's answer; the next one has its turn then."""
    contacts(journal, [CALLED])
    assert queue(journal, replace(order("A", "INFO"), kind="daily"))
    assert queue(journal, order("B"))
    for _ in range(2):
        note_commands(journal, [CommandNews(KEY, "A")])
    waiting = turn(journal)
    assert waiting is not None
    assert (waiting.id, waiting.text, waiting.kind, waiting.offers) == ("A", "INFO", "daily", 2)
    assert waiting.offered_at is not None
    settle(journal, "A", -1002)
    assert (turn(journal) or waiting).id == "B"
    settle(journal, "B", None)
    assert turn(journal) is None
    assert [(one.id, one.return_code, bool(one.settled_at)) for one in Pushed(journal, KEY).commands()] == [
        ("A", -1002, True), ("B", None, True),
    ]  # fmt: skip


def test_a_command_does_not_pile_up(journal: Journal) -> None:
    """One of the same words that waits already is enough; once that is settled, it may be queued again."""
    contacts(journal, [CALLED])
    assert [queue(journal, order("A")), queue(journal, order("B"))] == [True, False]
    settle(journal, "A")
    assert queue(journal, order("B"))


def test_only_what_waits_is_settled(journal: Journal) -> None:
    """An id that is nobody's, another device's or settled already changes nothing."""
    contacts(journal, [CALLED, replace(CALLED, name="gate", serial="X1")])
    queue(journal, order("A"))
    settle(journal, "A", key="X1")
    settle(journal, "Z")
    assert turn(journal) is not None
    settle(journal, "A", 0)
    settle(journal, "A", -1)
    assert [one.return_code for one in Pushed(journal, KEY).commands()] == [0]


def test_the_last_settled_commands_stay(journal: Journal) -> None:
    """Of what is settled the last few are kept of each device, and all that waits."""
    contacts(journal, [CALLED, replace(CALLED, name="gate", serial="X1")])
    for number in range(SETTLED + 3):
        for key in (KEY, "X1"):
            queue(journal, order(str(number)), key)
            settle(journal, str(number), key=key)
    queue(journal, order("next"))
    found = all_commands(journal)
    assert [one.id for one in found[KEY]] == ["3", "4", "5", "6", "7", "next"]
    assert found[KEY] == Pushed(journal, KEY).commands()
    assert len(found["X1"]) == SETTLED


def test_no_command_for_a_device_that_never_called(journal: Journal) -> None:
    """Nothing waits for a device that nobody knows."""
    assert not queue(journal, order("A"))
    assert all_commands(journal) == {}


def test_the_key_of_a_terminal_that_calls(journal: Journal) -> None:
    """A caller is known by its own serial number, but for one that a repair gave to a known device."""
    known = Devices(journal)
    assert contacts(journal, [CALLED]) == [KEY] == [known.key_of_caller("front-door", KEY)]
    assert known.key_of_caller("front-door", "NEW1") == "NEW1"
    assert contacts(journal, [replace(CALLED, serial="NEW1")]) == ["NEW1"]
    known.accept_as_same("front-door")
    assert known.key_of_caller("front-door", "NEW1") == KEY
    assert contacts(journal, [replace(CALLED, serial="NEW1")]) == [KEY]


# --- callers that may not push ---


def caller(serial: str, minute: int = 0, **more: str) -> Caller:
    """Return a caller that was refused once."""
    at = NOON + minute * MINUTE
    return Caller(
        serial, more.pop("reason", "unknown serial"), at, at, 1, "192.0.2.1", "/iclock/cdata", **more
    )


def test_refused_callers_add_up(journal: Journal, path: Path) -> None:
    """A caller has one row: how often it was refused in all, and what it showed last."""
    callers.note(journal, [caller("A", push_version="2.4.1"), caller("B")], 0)
    with open_journal(path) as other:
        callers.note(
            other, [replace(caller("A", 1, reason="wrong secret", device_type="att"), requests=3)], 0
        )
    assert callers.pending(journal) == (
        Caller(
            "A", "wrong secret", NOON, NOON + MINUTE, 4, "192.0.2.1", "/iclock/cdata", device_type="att"
        ),
        caller("B"),
    )  # fmt: skip


def test_callers_without_a_serial_are_a_number(journal: Journal) -> None:
    """What has no well-formed serial number is counted, and is none of the callers."""
    callers.note(journal, [], 3)
    callers.note(journal, [caller("A")], 4)
    assert (callers.pending(journal), callers.nameless(journal)) == ((caller("A"),), 7)


def test_the_least_recent_caller_goes(journal: Journal) -> None:
    """A flood of made-up numbers takes its rows and no more, whatever this host's clock said."""
    callers.note(journal, [caller("ahead", 10**7), caller("true")], 1)
    for first in range(0, 300, 50):
        callers.note(journal, [caller(f"X{number}") for number in range(first, first + 50)], 0)
        callers.note(journal, [caller("true")], 0)
    found = callers.pending(journal)
    assert len(found) == callers.KEPT
    assert found[0].serial == "true"
    assert "ahead" not in {one.serial for one in found}
    assert callers.nameless(journal) == 1


def test_callers_are_forgotten_when_a_person_says_so(journal: Journal) -> None:
    """A list that was looked through begins anew, the count of the nameless too."""
    callers.note(journal, [caller("A"), caller("B")], 2)
    assert callers.forget(journal) == 2
    assert (callers.pending(journal), callers.nameless(journal), callers.forget(journal)) == ((), 0, 0)


def test_a_refused_caller_is_no_device(journal: Journal, path: Path) -> None:
    """Whoever calls in vain leaves nothing among the devices."""
    callers.note(journal, [caller(KEY)], 0)
    assert look(path, "SELECT count(*) FROM device") == [(0,)]
    assert Devices(journal).key_of("front-door") is None
