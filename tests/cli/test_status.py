"""`zkpoll status`: how everything stands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.journal.helpers import KEY, odd, piece, punch, visit
from tests.look import inside
from tests.site import at_a_terminal, entry
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Reading

if TYPE_CHECKING:
    from tests.site import Site

NOBODY = ("127.0.0.1", 9)
READING = Reading(40, 5, 0, 50, 100, -3.2, whole=True, before=0, continued=False)


@pytest.fixture
def journalled(site: Site) -> Site:
    """Give a site whose front door was read just now, with a punch in each state for its dashboard.

    Another device is taken out, and was never read. A dashboard that left has all pending.
    """
    off = entry("off", ("127.0.0.1", 10), enabled="false")
    site.write("http://127.0.0.1:9/", entry("front-door", NOBODY), off)
    with open_journal(site.journal) as journal:
        outbox = JournalOutbox(journal, "dashboard")
        JournalOutbox(journal, "old")
        log = [punch("1001"), punch("1002"), punch("1003"), punch("1003", verify=4)]
        visit(journal).take(piece(*log, odd(b"x")))
        Devices(journal).note_reading(KEY, READING)
        ids = [event.id for event in outbox.next(9).events]
        outbox.settle(Settled((ids[0],), {ids[1]: "no"}))
    return site


def change(site: Site, sql: str, *values: object) -> None:
    """Let time pass in the journal."""
    with inside(site.journal) as db:
        db.execute(sql, values)


def ago(**span: float) -> str:
    """Return a moment so long ago, as the journal writes it."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="milliseconds")


def document(site: Site, code: int = 0) -> dict[str, Any]:
    """Return what `status --json` prints."""
    result = site.run("status", "--json")
    assert (result.code, result.err) == (code, "")
    return result.document()


def test_as_json(journalled: Site) -> None:
    """For a program it is one document with all that is known, and code 0 while nothing is too old."""
    found = document(journalled)
    assert (found["attention"], found["alert_after"], found["troubles"]) == (False, 86_400, [])
    front, off = found["devices"]
    assert front == {
        "name": "front-door",
        "serial_number": KEY,
        "enabled": True,
        "calls_us": False,
        "stale": False,
        "ahead_of_clock": False,
        "last_success": front["last_success"],
        "last_whole": front["last_success"],
        "records": 50,
        "capacity": 100,
        "per_day": None,
        "full_on": None,
        "drift": -3.2,
        "cleared_at": None,
        "maybe_disabled_since": None,
        "stranger": None,
        "quarantined": 1,
        "accepted": 0,
        "push": None,
    }
    assert found["push_door"] is None
    assert (off["enabled"], off["stale"], off["last_success"]) == (False, False, None)
    main, old = found["dashboards"]
    assert (main["pending"], main["parked"], main["held"], main["in_inventory"]) == (1, 1, 1, True)
    assert main["oldest_unconfirmed"] <= front["last_success"]
    assert (old["name"], old["pending"], old["in_inventory"], old["stale"]) == ("old", 3, False, False)


def test_lines_for_a_pipe(journalled: Site) -> None:
    """In a pipe each device and each dashboard has a line."""
    result = journalled.run("status")
    assert (result.code, result.err) == (0, "")
    front, off, main, old = (line.split("  ") for line in result.out.splitlines())
    assert front[:2] == ["device", "front-door"]
    assert front[3:] == ["50 of 100 (50%)", "clock -3 s", "1 quarantined"]
    assert off == ["device", "off", "read never", "enabled: false"]
    assert main[:3] == ["dashboard", "dashboard", "1 pending, 1 parked, 1 held"]
    assert old[-1] == "not in the inventory"


def test_a_screen_for_a_person(journalled: Site) -> None:
    """On a terminal it is one screen of tables, no wider than 80 columns."""
    change(journalled, "UPDATE device SET met_at = ?", ago(days=9))
    change(journalled, "UPDATE punch SET journalled_at = ?", ago(days=2))
    code, shown = at_a_terminal(journalled, "status")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 80
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["device", "last", "read", "log", "full", "on", "clock"]
    full_on = (datetime.now(UTC) + timedelta(days=50 * 8 / 4)).date()
    assert lines[1][-7:] == ["50", "of", "100", "(50%)", str(full_on), "-3", "s"]
    assert "front-door: 1 quarantined" in shown


@pytest.mark.parametrize(
    ("sql", "who"),
    [
        ("UPDATE device SET read_at = ?", "device  front-door  read 3 h ago, TOO LONG"),
        ("UPDATE outbox SET changed_at = ? WHERE destination = 1 AND state = 'pending'", "for 3 h, TOO LONG"),
        ("UPDATE outbox SET changed_at = ? WHERE destination = 1 AND state = 'parked'", "for 3 h, TOO LONG"),
        ("UPDATE outbox SET changed_at = ? WHERE destination = 2", "3 h, TOO LONG  not in the inventory"),
    ],
)
def test_what_is_too_old_needs_a_person(journalled: Site, sql: str, who: str) -> None:
    """Code 1 says that a reading, or a punch that waits for any dashboard, is older than alert_after."""
    written = journalled.inventory.read_text().replace("devices:", "alert_after: 2h\ndevices:")
    journalled.inventory.write_text(written)
    change(journalled, sql, ago(minutes=100))
    assert document(journalled)["attention"] is False
    change(journalled, sql, ago(hours=3, minutes=1))
    assert document(journalled, code=1)["attention"] is True
    told = journalled.run("status")
    assert told.code == 1
    assert who in told.out


def test_a_device_that_may_be_disabled_needs_a_person(journalled: Site) -> None:
    """Code 1 lasts while anybody may be locked out, also by a device out of use, or of the inventory."""
    with open_journal(journalled.journal) as journal:
        clearance = Clearance(journal, KEY)
        clearance.intend()
        found = document(journalled, code=1)
        assert (found["attention"], found["maybe_disabled"]) == (True, ["front-door"])
        assert found["devices"][0]["maybe_disabled_since"]
        told = journalled.run("status")
        assert told.code == 1
        (line,) = (line for line in told.out.splitlines() if "DISABLED" in line)
        assert line.startswith("device  front-door  ")
        assert "MAY STILL BE DISABLED since " in line
        assert line.count("so that nobody can punch: switch it off and on") == 1
        code, shown = at_a_terminal(journalled, "status")
        assert code == 1
        assert "front-door: MAY STILL BE DISABLED since" in shown
        journalled.write("http://127.0.0.1:9/", entry("front-door", NOBODY, enabled="false"))
        assert "MAY STILL BE DISABLED" in journalled.run("status").out
        assert document(journalled, code=1)["maybe_disabled"] == ["front-door"]
        journalled.write("http://127.0.0.1:9/", entry("off", NOBODY, enabled="false"))
        assert document(journalled, code=1)["maybe_disabled"] == ["front-door"]
        told = journalled.run("status")
        assert told.code == 1
        assert "device  front-door  IT MAY STILL BE DISABLED, so that nobody can punch" in told.out
        clearance.done()
    assert document(journalled)["maybe_disabled"] == []


def test_what_is_held_or_confirmed_may_be_old(journalled: Site) -> None:
    """What a person or the settings hold back, and what is confirmed, waits for nothing."""
    change(journalled, "UPDATE outbox SET changed_at = ? WHERE state IN ('held', 'confirmed')", ago(days=99))
    assert document(journalled)["attention"] is False


def test_a_device_that_was_never_read(journalled: Site) -> None:
    """A device that was never read to its end needs a person, unless it is taken out."""
    written = journalled.inventory.read_text().replace("enabled: false", "enabled: true")
    journalled.inventory.write_text(written)
    found = document(journalled, code=1)
    assert [device["stale"] for device in found["devices"]] == [False, True]


def test_what_cron_told_is_shown(journalled: Site) -> None:
    """A condition that lasts is there, with when it began."""
    change(
        journalled, "INSERT INTO condition VALUES ('device back', 'clock', ?, ?)", ago(days=3), ago(days=1)
    )
    (trouble,) = document(journalled)["troubles"]
    assert (trouble["subject"], trouble["kind"]) == ("device back", "clock")
    assert "trouble  device back  since 20" in journalled.run("status").out


def test_no_journal_yet(site: Site) -> None:
    """Where no sync has been, there is no journal to look at, and none is made."""
    site.write("http://127.0.0.1:9/", entry("front-door", NOBODY))
    result = site.run("status")
    assert (result.code, result.out) == (74, "")
    assert not site.journal.exists()
