"""What devices that push are asked for, and when: decisions on values, and their place in the journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pytest

from tests.look import inside
from zkpoll.errors import SetAside
from zkpoll.inventory import load
from zkpoll.journal import conditions, pushed
from zkpoll.journal.opening import open_journal
from zkpoll.journal.pushed import Command, CommandNews, Contact, Gap, Pushed, PushStanding, Told
from zkpoll.tasks.orders import (
    GapStep,
    Orders,
    Wish,
    ask,
    everything,
    gap_notice,
    gap_step,
    is_spent,
    may_miss,
    was_lately,
    who_is_asked,
    wishes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

NOW: Final = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONDON: Final = ZoneInfo("Europe/London")
SUMMER: Final = datetime(2027, 7, 1, 12, tzinfo=UTC)
SERIAL: Final = "CQZ7224760045"
FAR_AHEAD: Final = timedelta(days=-4000)


def ago(**spans: float) -> datetime:
    """Return a moment before now."""
    return NOW - timedelta(**spans)


FINE: Final = PushStanding(
    "gate",
    SERIAL,
    first_call_at=ago(days=30),
    last_call_at=ago(seconds=20),
    address="192.0.2.7",
    dialect="attendance",
    zone_told="0",
    registry_code=None,
    replays=0,
    door_events=0,
    told=Told(records=100),
    told_at=ago(hours=2),
    gap=Gap(),
    committed_at=ago(hours=3),
)
"""A device with which all is well."""


def command(changes: dict[str, object]) -> Command:
    """Return a command that waits since a minute ago."""
    return replace(Command("x", "CHECK", "TimeZone 0", ago(minutes=1)), **changes)  # type: ignore[arg-type]


# --- CHECK and INFO ---


def wanted(standing: PushStanding = FINE, told: str | None = "0", now: datetime = NOW) -> list[str]:
    """Return the orders that a device in London should get."""
    return [wish.text for wish in wishes(standing, told, LONDON, now)]


def test_nothing_is_asked_while_all_is_well() -> None:
    """A device that knows its zone, and told of itself today, is left alone."""
    assert wanted() == []


def test_daylight_saving_needs_a_check() -> None:
    """The day the clocks change, the zone that was told is not that of now."""
    standing = replace(FINE, told_at=SUMMER - timedelta(hours=1))
    assert wanted(standing, "0", SUMMER) == ["CHECK"]
    assert wanted(standing, "1", SUMMER) == []


def test_a_zone_that_nobody_told() -> None:
    """Of a device that never shook hands here, nobody knows what it was told; a new one is given time."""
    assert wanted(told=None) == ["CHECK"]
    new = replace(FINE, first_call_at=ago(minutes=9), told_at=None)
    assert wanted(new, None) == []


@pytest.mark.parametrize(
    ("told_at", "texts"),
    [(ago(hours=23), []), (ago(hours=24), ["INFO"]), (None, ["INFO"]), (NOW - FAR_AHEAD, ["INFO"])],
)
def test_a_device_that_tells_nothing_is_asked(told_at: datetime | None, texts: list[str]) -> None:
    """What a device tells of itself is a day old at most, also where a clock was years ahead."""
    assert wanted(replace(FINE, told_at=told_at)) == texts


@pytest.mark.parametrize(
    ("changes", "lately"),
    [
        pytest.param({}, True, id="waits"),
        pytest.param({"settled_at": ago(minutes=0)}, True, id="answered just now"),
        pytest.param({"queued_at": ago(hours=25), "settled_at": ago(hours=25)}, False, id="of yesterday"),
        pytest.param({"queued_at": NOW - FAR_AHEAD, "settled_at": NOW}, False, id="of a time to come"),
        pytest.param({"kind": "TimeZone 60"}, False, id="for another zone"),
    ],
)
def test_no_order_is_given_again_and_again(changes: dict[str, object], lately: bool) -> None:
    """A device that does not obey is asked once a day for the same thing, and at once for another."""
    assert was_lately(Wish("CHECK", "TimeZone 0"), [command(changes)], NOW) is lately


@pytest.mark.parametrize(
    ("changes", "spent"),
    [
        pytest.param({}, False, id="never fetched"),
        pytest.param({"queued_at": ago(minutes=60)}, True, id="never fetched for an hour"),
        pytest.param({"offers": 4, "offered_at": ago(minutes=2)}, False, id="four offers"),
        pytest.param({"offers": 5, "offered_at": ago(seconds=59)}, False, id="the fifth may be answered yet"),
        pytest.param({"offers": 5, "offered_at": ago(seconds=60)}, True, id="the fifth was not answered"),
        pytest.param({"queued_at": NOW - FAR_AHEAD}, True, id="queued at a time to come"),
    ],
)
def test_what_nobody_answers_is_dropped(changes: dict[str, object], spent: bool) -> None:
    """A command is offered five times at most, and waits an hour at most."""
    assert is_spent(command(changes), NOW) is spent


# --- gaps ---


def step(gap: Gap, held: int, *, is_asked: bool = False, **changes: Any) -> GapStep:
    """Return what follows for a device that tells 100 records."""
    standing = replace(FINE, gap=gap, **changes)
    return gap_step(standing, held, is_asked=is_asked, now=NOW)


@pytest.mark.parametrize("held", [100, 101, 5000])
def test_no_gap(held: int) -> None:
    """Of a log that was cleared, more is held here than it has; that is no gap."""
    assert step(Gap(), held) == GapStep(Gap())


def test_a_gap_is_given_ten_minutes() -> None:
    """Records that were just told may be on their way."""
    assert step(Gap(), 88) == GapStep(Gap(since=NOW))
    young = Gap(since=ago(minutes=9))
    assert step(young, 88) == GapStep(young)
    old = Gap(since=ago(minutes=10))
    assert step(old, 88) == GapStep(Gap(ago(minutes=10), NOW), asks=True)
    assert step(old, 88, is_asked=True) == GapStep(old)


def test_it_is_asked_for_once_and_told_once() -> None:
    """If asking brings nothing, a person is told how many are missing, and that is remembered."""
    asked = Gap(ago(minutes=30), ago(minutes=9))
    assert step(asked, 88) == GapStep(asked)
    answered = Gap(ago(minutes=30), ago(minutes=10))
    assert step(answered, 88, is_asked=True) == GapStep(answered)
    told = step(answered, 88)
    assert told == GapStep(Gap(told=12), tells=12)
    assert step(told.gap, 88) == GapStep(told.gap)


def test_only_a_growing_gap_begins_anew() -> None:
    """What was told is not told again; one more that is missing is."""
    assert step(Gap(told=12), 87) == GapStep(Gap(since=NOW, told=12))
    asked = Gap(ago(minutes=30), ago(minutes=20), 12)
    assert step(asked, 87) == GapStep(Gap(told=13), tells=13)


def test_a_gap_that_closed_is_forgotten() -> None:
    """When all came after all, nothing is remembered; but not by a count that is older than the batch."""
    fresh: dict[str, Any] = {"committed_at": ago(hours=3), "told_at": ago(hours=2)}
    assert step(Gap(ago(minutes=30), ago(minutes=20)), 100, **fresh) == GapStep(Gap())
    assert step(Gap(told=12), 95, **fresh) == GapStep(Gap(told=5))
    stale: dict[str, Any] = {"committed_at": ago(hours=1), "told_at": ago(hours=2)}
    assert step(Gap(told=12), 95, **stale) == GapStep(Gap(told=12))


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"told": Told()}, False),
        ({"committed_at": None}, True),
        ({"committed_at": ago(minutes=9)}, False),
        ({"committed_at": NOW - FAR_AHEAD}, True),
    ],
)
def test_who_may_miss_records(changes: dict[str, object], may: bool) -> None:
    """A device that tells no count, or is sending, is not asked for more."""
    assert may_miss(replace(FINE, **changes), NOW) is may  # type: ignore[arg-type]


def test_everything_is_by_the_wall_clock() -> None:
    """All there is ends tomorrow by the device's own calendar, so that a fast clock loses nothing."""
    late = datetime(2026, 11, 29, 20, tzinfo=UTC)
    assert everything(ZoneInfo("Asia/Dhaka"), late) == (
        datetime(2000, 1, 1),
        datetime(2026, 12, 1, 23, 59, 59),
    )


# --- with a journal ---


def ago_today(**spans: float) -> datetime:
    """Return a moment before now."""
    return datetime.now(UTC) - timedelta(**spans)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory with a device that pushes, and one that is called as well."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard: {url: 'http://127.0.0.1:9', token: x}\n"
        "journal: journal.db\n"
        "defaults: {timezone: UTC}\n"
        "devices:\n"
        f"  - {{name: gate, serial: {SERIAL}, push: true}}\n"
        "  - {name: both, serial: B1, push: true, host: 127.0.0.1}\n"
        "  - {name: off, serial: OFF1, push: true, enabled: false}\n"
    )
    return load(path, {})


@pytest.fixture
def journal(inventory: Inventory) -> Iterator[Journal]:
    """Give its journal, in which all three have called."""
    with open_journal(inventory.home) as journal:
        called(journal)
        yield journal


def called(
    journal: Journal, now: datetime | None = None, zone: str = "0", records: int = 12, **changes: str
) -> None:
    """Let all devices have called half a minute before."""
    at = (now or datetime.now(UTC)) - timedelta(seconds=30)
    rows = [
        Contact(name, serial, at, at, "192.0.2.7", "attendance", zone, told=Told(records=records))
        for name, serial in (("gate", SERIAL), ("both", "B1"), ("off", "OFF1"))
    ]
    pushed.contacts(journal, [replace(row, **changes) for row in rows])  # type: ignore[arg-type]


def texts(journal: Journal) -> list[tuple[str, str]]:
    """Return all commands that wait, each with its device."""
    found = pushed.waiting_commands(journal)
    return [(key, one.text.split(" StartTime")[0]) for key, those in found.items() for one in those]


def test_another_zone_asks_each_device_once(inventory: Inventory, journal: Journal) -> None:
    """When the zone is another one, each device that may call gets one CHECK, however long it takes it."""
    called(journal, zone="7")
    orders = Orders(inventory, journal)
    for _ in range(3):
        orders.look_after(datetime.now(UTC), {})
    assert texts(journal) == [(SERIAL, "CHECK"), ("B1", "CHECK")]


def test_what_this_process_told_counts(inventory: Inventory, journal: Journal) -> None:
    """A device that has just shaken hands is not asked to, though the journal does not know it yet."""
    called(journal, zone="7")
    Orders(inventory, journal).look_after(datetime.now(UTC), {"gate": "0"})
    assert texts(journal) == [("B1", "CHECK")]


def test_devices_that_get_no_orders(inventory: Inventory, journal: Journal) -> None:
    """Nothing is queued for one that does not call, nor in a dialect that has other orders."""
    called(journal, ago_today(minutes=10), zone="7")
    Orders(inventory, journal).look_after(datetime.now(UTC), {})
    assert texts(journal) == []
    called(journal, zone="7", dialect="access")
    Orders(inventory, journal).look_after(datetime.now(UTC), {})
    assert texts(journal) == []


def test_a_gap_from_its_beginning_to_its_end(inventory: Inventory, journal: Journal) -> None:
    """Of a device without a host, all is asked for after ten minutes, and what does not come is told once."""
    orders = Orders(inventory, journal)
    began = datetime.now(UTC)
    heard: list[tuple[str, str]] = []
    for minute in range(60):
        now = began + timedelta(minutes=minute)
        called(journal, now)
        orders.look_after(now, {})
        waiting = pushed.waiting_commands(journal)
        if minute >= 12:
            news = [
                CommandNews(key, one.id, settled=True, code=-1) for key in waiting for one in waiting[key]
            ]
            pushed.note_commands(journal, news)
        heard += texts(journal)
    assert heard == [(SERIAL, "DATA QUERY ATTLOG")] * 2
    assert conditions.owed(journal) == (("push gate", gap_notice(12)),)
    assert Pushed(journal, SERIAL).gap() == Gap(told=12)
    (settled,) = Pushed(journal, SERIAL).commands()
    assert (settled.kind, settled.return_code) == ("gap", -1)
    assert "StartTime=2000-01-01 00:00:00\tEndTime=" in settled.text
    assert Pushed(journal, "B1").gap() == Gap()


def test_a_spent_command_makes_room(inventory: Inventory, journal: Journal, tmp_path: Path) -> None:
    """One that nobody answers for an hour is dropped, and stays known as that."""
    ask(journal, SERIAL, UTC, (None, None), datetime.now(UTC))
    with inside(tmp_path / "journal.db") as db:
        db.execute("UPDATE push_command SET queued_at = ?", (ago_today(hours=1).isoformat(),))
    Orders(inventory, journal).look_after(datetime.now(UTC), {})
    assert texts(journal) == []
    (dropped,) = Pushed(journal, SERIAL).commands()
    assert (dropped.settled_at is None, dropped.return_code) == (False, None)


def test_many_devices_cost_few_queries(
    inventory: Inventory, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at a thousand devices asks the journal no more often than one at ten, while nothing changes."""
    serials = [f"S{n}" for n in range(1000)]
    gate = inventory.devices[0]
    many = [gate.model_copy(update={"name": serial, "serial": serial}) for serial in serials]
    fleet = inventory.model_copy(update={"devices": tuple(many)})
    at = datetime.now(UTC) - timedelta(seconds=30)
    told = Told(records=0)
    pushed.contacts(
        journal, [Contact(s, s, at, at, "192.0.2.7", "attendance", "0", told=told) for s in serials]
    )
    orders = Orders(fleet, journal)
    asked: list[str] = []

    def noted(verb: str) -> None:
        real = getattr(type(journal), verb)

        def noting(it: Journal, query: str, *given: object, **parameters: object) -> object:
            asked.append(query)
            return real(it, query, *given, **parameters)

        monkeypatch.setattr(type(journal), verb, noting)

    for verb in ("all", "one", "run", "run_many"):
        noted(verb)
    orders.look_after(datetime.now(UTC), {})
    assert len(asked) <= 10


def test_asking_by_hand(journal: Journal) -> None:
    """A person's order waits as it was typed, once."""
    since, until = datetime(2026, 11, 1), datetime(2026, 11, 2, 23, 59, 59)
    assert ask(journal, SERIAL, UTC, (since, until), datetime.now(UTC)).is_new
    assert not ask(journal, SERIAL, UTC, (since, until), datetime.now(UTC)).is_new
    assert ask(journal, SERIAL, UTC, (since, None), datetime.now(UTC)).until > datetime.now()
    first, _ = Pushed(journal, SERIAL).commands()
    assert first.text == "DATA QUERY ATTLOG StartTime=2026-11-01 00:00:00\tEndTime=2026-11-02 23:59:59"


def test_whom_nothing_can_be_asked(inventory: Inventory, journal: Journal, tmp_path: Path) -> None:
    """A device that never called, or has other orders, is refused in a sentence."""
    gate = inventory.devices[0]
    assert who_is_asked(journal, gate).serial_number == SERIAL
    called(journal, dialect="access")
    with pytest.raises(SetAside, match="gate speaks the access dialect"):
        who_is_asked(journal, gate)
    with inside(tmp_path / "journal.db") as db:
        db.execute("DELETE FROM push_device")
    with pytest.raises(SetAside, match="gate has never called"):
        who_is_asked(journal, gate)
