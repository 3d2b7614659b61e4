"""When a log is due to be cleared, and a clearing that knows nothing but the journal."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING

import pytest

from tests.site import TOKEN, Site, entry
from zkpoll.inventory import load
from zkpoll.journal.devices import Devices, LastReading
from zkpoll.journal.opening import folders, open_journal
from zkpoll.model.fate import Fate
from zkpoll.simulator import Command, Model, Terminal, serve
from zkpoll.sync import sync
from zkpoll.tasks.clear import clear, due
from zkpoll.tasks.contact import writing
from zkpoll.tasks.run import Options

if TYPE_CHECKING:
    from zkpoll.inventory import Device
    from zkpoll.simulator import SampleDashboard

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def device(site: Site, **settings: object) -> Device:
    """Return a device with these settings, as an inventory has it."""
    site.write("http://127.0.0.1:9/x", entry("front", ("127.0.0.1", 4370), **settings))
    return load(site.inventory, {"TOKEN": TOKEN}).devices[0]


def reading(on_device: int, capacity: int | None = 100) -> LastReading:
    """Return a last reading."""
    return LastReading("S1", NOON, on_device, capacity)


@pytest.mark.parametrize(
    ("settings", "last", "is_due"),
    [
        ({}, reading(100), False),
        ({"clear": "confirmed"}, reading(1), True),
        ({"clear": "confirmed"}, reading(0), False),
        ({"clear": "confirmed"}, None, False),
        ({"clear": "{above: 80%}"}, reading(80), False),
        ({"clear": "{above: 80%}"}, reading(81), True),
        ({"clear": "{above: 80%}"}, reading(81, None), False),
        ({"clear": "confirmed", "quiet_hours": "11:00-13:00"}, reading(1), True),
        ({"clear": "confirmed", "quiet_hours": "13:00-15:00"}, reading(1), False),
        ({"clear": "confirmed", "quiet_hours": "17:00-19:00", "timezone": "Asia/Dhaka"}, reading(1), True),
    ],
)
def test_what_is_due(site: Site, settings: dict[str, object], last: LastReading | None, is_due: bool) -> None:
    """Its settings, its last reading and the time decide; quiet hours are by the device's zone."""
    assert due(device(site, **settings), last, NOON) is is_due


def test_the_last_reading_is_the_journals(site: Site, dashboard: SampleDashboard) -> None:
    """The journal knows how full a log was when it was last read to its end."""
    with serve(Terminal.with_samples(5, model=Model(serial="S1", capacity=50))) as address:
        site.write(dashboard.url, entry("front", address))
        sync(load(site.inventory, {"TOKEN": TOKEN}))
    with open_journal(site.journal, writable=False) as journal:
        last = Devices(journal).last_reading("front")
        assert Devices(journal).last_reading("back") is None
    assert last
    assert (last.key, last.on_device, last.capacity) == ("S1", 5, 50)


def test_a_clearing_needs_no_visit_of_its_run(site: Site, dashboard: SampleDashboard) -> None:
    """What an earlier run read and delivered is cleared by a process that knows the journal alone."""
    terminal = Terminal.with_samples(5, model=Model(serial="S1"))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        inventory = load(site.inventory, {"TOKEN": TOKEN})
        assert sync(inventory).exit_code == 0
        with writing(inventory.home, Event().is_set) as contacts:
            cleared = clear(inventory.devices[0], contacts, folders(inventory.home).raw_copies)
    assert (cleared.fate, cleared.records, cleared.problem) == (Fate.CLEARED, 5, None)
    assert not terminal.log
    assert not terminal.disabled


def test_a_device_that_was_never_read_is_not_cleared(site: Site, dashboard: SampleDashboard) -> None:
    """Without a reading in the journal nothing is even asked."""
    terminal = Terminal.with_samples(5)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        inventory = load(site.inventory, {"TOKEN": TOKEN})
        with writing(inventory.home, Event().is_set) as contacts:
            cleared = clear(inventory.devices[0], contacts, folders(inventory.home).raw_copies, by_hand=True)
    assert cleared.fate is Fate.NOT_CLEARED
    assert "was never read to its end" in str(cleared.problem)
    assert not terminal.commands


def test_a_device_that_was_not_read_in_a_run_is_not_cleared_in_it(
    site: Site, dashboard: SampleDashboard
) -> None:
    """A visit that failed leaves the log alone, however full the journal knows it to be."""
    terminal = Terminal.with_samples(5, model=Model(serial="S1"))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        sync(load(site.inventory, {"TOKEN": TOKEN}))
        terminal.model = Model(serial="S2")
        terminal.commands.clear()
        site.write(dashboard.url, entry("front", address, clear="confirmed"))
        for options in (Options(), Options(clear="now")):
            outcome = sync(load(site.inventory, {"TOKEN": TOKEN}), options)
            assert outcome.devices[0].clearing is None
    assert terminal.commands.count(Command.CONNECT) == 2
