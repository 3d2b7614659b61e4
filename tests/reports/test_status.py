"""The screen of how everything stands: its judgement, and its words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, odd, piece, punch, visit
from zkpoll.inventory import load
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_empty
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.overview import DashboardStanding, DeviceStanding
from zkpoll.model.log import Reading
from zkpoll.reports.device_list import ListedDevice, device_list
from zkpoll.reports.status import DashboardStatus, DeviceStatus, StatusScreen, status
from zkpoll.tasks.outcome import LOCKED

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = timedelta(days=1)
WELL = DeviceStatus(
    DeviceStanding("front-door", "S1", read_at=NOW - timedelta(hours=3)), enabled=True, stale=False
)
OWED = DashboardStanding("main", None, 2, 1, 0, NOW - timedelta(hours=30))
READING = Reading(40, 5, 0, 50, 100, -3.2, whole=True, before=0, continued=False)


def screen(*shown: DeviceStatus | DashboardStatus) -> StatusScreen:
    """Return a screen of devices and dashboards."""
    devices = tuple(one for one in shown if isinstance(one, DeviceStatus))
    dashboards = tuple(one for one in shown if isinstance(one, DashboardStatus))
    return StatusScreen(NOW, DAY, devices, dashboards, {})


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of a device in use, one that is not, and a dashboard."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard: {name: main, url: 'http://127.0.0.1:9/'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: UTC}\n"
        "devices:\n"
        "  - {name: front-door, host: 127.0.0.1}\n"
        "  - {name: off, host: 127.0.0.2, enabled: false, serial: OFF1}\n"
    )
    return load(path, {})


@pytest.mark.parametrize("stale", [False, True])
def test_attention(stale: bool) -> None:
    """One stale device, or one stale dashboard, needs attention; nothing else does."""
    assert screen(WELL, DeviceStatus(WELL.standing, enabled=True, stale=stale)).attention is stale
    assert screen(WELL, DashboardStatus(OWED, named=False, stale=stale)).attention is stale
    assert screen(WELL, DashboardStatus(OWED, named=True, stale=stale)).document()["attention"] is stale


def test_lines_leave_out_what_is_not_known() -> None:
    """A line has its kind, its name, and only what is known."""
    never = DeviceStatus(DeviceStanding("back-door"), enabled=False, stale=False)
    assert list(screen(WELL, never).lines()) == [
        "1 terminal well, 1 terminal switched off; no run has ended yet",
        "device  front-door  read 3 h ago",
        "device  back-door  read never  enabled: false",
    ]
    left = screen(DashboardStatus(replace(OWED, confirmed=7), named=False, stale=True))
    late, away = "not confirmed for too long", "not in the inventory"
    assert list(left.lines()) == [
        "1 thing needs you",
        f"trouble  dashboard main: 3 punches {late}, and it is {away} (since 2026-11-20 21:00Z)",
        f"dashboard  main  7 confirmed, 2 pending, 1 parked, 0 held  the oldest for 30 h, TOO LONG  {away}",
    ]


def test_what_is_stamped_ahead_of_the_clock() -> None:
    """A time to come is shown as what it is, never as an age, and needs a person while it is in use."""
    standing = DeviceStanding("front-door", read_at=NOW + DAY)
    ahead = DeviceStatus(standing, enabled=True, stale=False, ahead=True)
    waits = DashboardStatus(DashboardStanding("main", None, 1, 0, 0, NOW + DAY), True, False, ahead=True)
    when, words = (
        "2026-11-23 03:00Z, AHEAD",
        "stamped ahead of this host's clock, which was wrong then, or is",
    )
    assert list(screen(ahead, waits).lines()) == [
        "2 things need you; no run has ended yet; 0 of 1 punch confirmed",
        f"trouble  device front-door: its last reading is {words}",
        f"trouble  dashboard main: its oldest punch is {words}",
        f"device  front-door  read {when}",
        f"dashboard  main  0 confirmed, 1 pending, 0 parked, 0 held  the oldest waits since {when}",
    ]
    off = DeviceStatus(standing, enabled=False, stale=False, ahead=True)
    assert [screen(one).attention for one in (ahead, off, waits)] == [True, False, True]
    assert all(
        screen(one).document()[kind][0]["ahead_of_clock"]
        for one, kind in ((ahead, "devices"), (waits, "dashboards"))
    )


def test_remarks() -> None:
    """What is not as usual is said of each thing that it is about: what needs a person, and what does not."""
    standing = DeviceStanding(
        "a", on_device=9, capacity=9, disabled_since=NOW, stranger="S2", quarantined=1_000, read_at=NOW
    )
    gone = DashboardStanding("main", "gone", 0, 0, 0, None)
    found = screen(DeviceStatus(standing, True, False), DashboardStatus(gone, True, False))
    assert list(found.remarks()) == [
        "a: another terminal (S2) answers there",
        "a: 1,000 quarantined",
    ]
    assert [need.line for need in found.needs] == [
        f"device a: {LOCKED.text} (since 2026-11-22 03:00Z)",
        "device a: its log is 100 % full (9 of 9 records) (since 2026-11-22 03:00Z)",
        "dashboard main: nothing is sent there: gone; to go on: zkpoll dashboards resume main",
    ]


def test_from_a_journal(inventory: Inventory) -> None:
    """Devices stand in the inventory's order; a dashboard that left is shown while punches wait for it."""
    with open_empty() as journal:
        JournalOutbox(journal, "main")
        JournalOutbox(journal, "old")
        visit(journal).take(piece(punch("1001"), punch("1002"), odd(b"x")))
        Devices(journal).note_reading(KEY, READING)
        found = status(inventory, journal, datetime.now(UTC))
        earlier = status(inventory, journal, datetime.now(UTC) - 2 * DAY)
        later = status(inventory, journal, datetime.now(UTC) + 2 * DAY)
        assert device_list(inventory, journal)[0].backlog == 2
    assert [(one.name, one.enabled, one.stale) for one in found.devices] == [
        ("front-door", True, False),
        ("off", False, False),
    ]
    assert [(one.name, one.named, one.standing.pending) for one in found.dashboards] == [
        ("main", True, 2),
        ("old", False, 2),
    ]
    assert not found.attention
    assert earlier.attention
    assert [one.ahead for one in earlier.devices] == [True, False]
    assert [one.ahead for one in earlier.dashboards] == [True, True]
    assert [one.stale for one in later.devices] == [True, False]
    assert [one.stale for one in later.dashboards] == [True, True]


def test_without_a_journal(inventory: Inventory) -> None:
    """The list of devices has the inventory's word where there is no other."""
    with open_empty() as journal:
        listed = device_list(inventory, journal)
    assert listed == [
        ListedDevice("front-door", "127.0.0.1", 4370, enabled=True, serial_number=None),
        ListedDevice("off", "127.0.0.2", 4370, enabled=False, serial_number="OFF1"),
    ]
