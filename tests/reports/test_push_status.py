"""How the push door and its callers stand, on the screen of `zkpoll status`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from zkpoll.inventory import load
from zkpoll.journal import callers
from zkpoll.journal.callers import Caller
from zkpoll.journal.opening import open_empty
from zkpoll.journal.pushed import Contact, contacts
from zkpoll.reports.push_status import DoorStatus
from zkpoll.reports.status import StatusScreen, status

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
NOTHING = "nothing to look after, all is well"


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of a device that pushes, one that is called as well, and one that is taken out."""
    path = tmp_path / "devices.yaml"
    path.write_text(
        "dashboard: {name: main, url: 'http://127.0.0.1:9/'}\n"
        "journal: journal.db\n"
        "listen: {address: '127.0.0.1:0', poll_every: 20s}\n"
        "defaults: {timezone: UTC}\n"
        "devices:\n"
        "  - {name: gate, serial: GATE1, push: true}\n"
        "  - {name: both, host: 127.0.0.1, serial: BOTH1, push: true}\n"
        "  - {name: shut, serial: SHUT1, push: true, enabled: false}\n"
    )
    return load(path, {})


def seen(inventory: Inventory, *calls: Contact, refused: tuple[Caller, ...] = ()) -> StatusScreen:
    """Return the screen after calls."""
    with open_empty() as journal:
        contacts(journal, calls)
        callers.note(journal, refused, 7)
        return status(inventory, journal, NOW)


def call(name: str, ago: timedelta, **told: object) -> Contact:
    """Return what a device's calls told, the last one so long ago."""
    return Contact(name, f"{name.upper()}1", NOW - 30 * DAY, NOW - ago, "10.0.0.7", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ago", "words", "bad", "attention"),
    [
        (2 * MINUTE, "2 min ago", False, False),
        (2.2 * MINUTE, "2 min ago, SILENT", True, False),
        (DAY, "24 h ago, SILENT", True, False),
        (DAY + MINUTE, "24 h ago, TOO LONG", True, True),
        (-2 * DAY, "2026-11-24 03:00Z, AHEAD", True, True),
    ],
)
def test_silence(inventory: Inventory, ago: timedelta, words: str, bad: bool, attention: bool) -> None:
    """Three calls left out, and a minute until they are written down, are shown; only a long silence needs a
    person.
    """
    gate = next(one for one in seen(inventory, call("gate", ago)).pushing if one.name == "gate")
    assert (gate.cells(NOW)[0], gate.looks_bad, gate.attention) == (words, bad, attention)


def test_who_never_called(inventory: Inventory) -> None:
    """One that never called needs a person, unless it is taken out."""
    screen = seen(inventory)
    found = {one.name: (one.cells(NOW)[0], one.attention) for one in screen.pushing}
    assert found == {
        "gate": ("never, TOO LONG", True),
        "both": ("never, TOO LONG", True),
        "shut": ("never", False),
    }
    assert [need.subject for need in screen.needs if need.kind == "never called"] == [
        "push gate",
        "push both",
    ]


def test_both_doors_are_shown(inventory: Inventory) -> None:
    """A device that is called and calls has a row in either table, and one line in a pipe."""
    told = call("both", MINUTE, dialect="attendance", zone_told="330", replays=2)
    screen = seen(inventory, told)
    assert [one.name for one in screen.called] == ["both"]
    assert "both" in {one.name for one in screen.pushing}
    (line,) = (line for line in screen.lines() if line.startswith("device  both"))
    assert line == (
        "device  both  read never, TOO LONG  called 60 s ago  pushed never  TimeZone 330"
        "  dialect attendance  replays 2"
    )
    (document,) = (one["push"] for one in screen.document()["devices"] if one["name"] == "both")
    assert document["last_call"] == "2026-11-22T02:59:00.000+00:00"
    assert (document["timezone_told"], document["replays"], document["last_batch"]) == ("330", 2, None)


def test_refused_callers_are_counted(inventory: Inventory) -> None:
    """Who was refused is counted until it is let in."""

    def refused(serial: str, ago: timedelta) -> Caller:
        return Caller(serial, "unknown serial", NOW - DAY, NOW - ago, 9, "10.0.0.9", "/iclock/cdata")

    wrong, mended = refused("OTHER", MINUTE), refused("GATE1", 2 * MINUTE)
    screen = seen(inventory, call("gate", MINUTE), refused=(wrong, mended))
    assert screen.door
    assert list(screen.door.words())[1] == "1 caller was refused; see `zkpoll devices pending`"
    assert screen.document()["push_door"] == {
        "serving": False,
        "refused_callers": 1,
        "nameless_requests": 7,
    }


@pytest.mark.parametrize(
    ("door", "attention", "words"),
    [
        (DoorStatus(True, needed=True), False, "`zkpoll serve` runs"),
        (
            DoorStatus(False, needed=True),
            True,
            "no `zkpoll serve` runs",
        ),
        (DoorStatus(False, needed=False), False, "no `zkpoll serve` runs"),
        (DoorStatus(None, needed=True), False, "whether `zkpoll serve` runs cannot be seen from here"),
    ],
)
def test_whether_anybody_listens(door: DoorStatus, attention: bool, words: str) -> None:
    """Where devices push, a door at which nobody listens needs a person."""
    screen = StatusScreen(NOW, DAY, (), (), {}, door=door)
    assert screen.attention is attention
    verdict, *needs, line = screen.lines()
    assert line == f"door  push  {words}"
    assert verdict == ("1 thing needs you" if attention else "1 push door well" if door.needed else NOTHING)
    closed = "trouble  push door: no `zkpoll serve` runs, so no punches arrive; terminals keep them"
    assert needs == [closed] * attention
