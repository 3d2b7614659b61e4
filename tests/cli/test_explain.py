"""`zkpoll explain`: what became of a person's punches on a day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_status import NOBODY, READING, ago, change
from tests.journal.helpers import KEY, odd, piece, punch, visit
from tests.site import at_a_terminal, entry
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled

if TYPE_CHECKING:
    from tests.site import Site

DAY = "2026-11-22"
WORDS = "no such employee [1001]"


@pytest.fixture
def journalled(site: Site) -> Site:
    """Give a site where person 1001 punched five times on a day, and what became of that for a dashboard.

    Confirmed, refused, pending, discarded, and one more in a second that was taken; `late` came after it all.
    """
    site.write("http://127.0.0.1:9/", entry("front-door", NOBODY), entry("back", NOBODY, transport="udp"))
    with open_journal(site.journal) as journal:
        outbox = JournalOutbox(journal, "main")
        log = [punch("1001", second, state=second % 6) for second in range(4)]
        visit(journal).take(piece(*log, punch("1001", 3, verify=99), punch("1002"), odd(b"x")))
        Devices(journal).note_reading(KEY, READING)
        ids = [event.id for event in outbox.next(9).events]
        outbox.settle(Settled((ids[0],), {ids[1]: WORDS}))
        Decisions(journal, "main").discard(Selection(frozenset(), ids=(ids[2],)), 9, "a test (by bob)")
        JournalOutbox(journal, "late")
    return site


def explained(site: Site, user: str, day: str = DAY) -> dict[str, Any]:
    """Return what `explain --json` prints."""
    result = site.run("explain", user, day, "--json")
    assert (result.code, result.err) == (0, "")
    return result.document()


def test_as_json(journalled: Site) -> None:
    """For a program every punch is there with every dashboard, and how far each device is known."""
    found = explained(journalled, "1001")
    first, *_, twin = found["punches"]
    assert first == {
        "id": "224c9c2b-8130-5e29-a627-3b68fe8961e9",
        "device": "front-door",
        "serial_number": KEY,
        "timestamp": "2026-11-22T08:59:58+06:00",
        "verify": 1,
        "state": 0,
        "punch_state": "check_in",
        "work_code": 0,
        "source": "pull",
        "journalled_at": first["journalled_at"],
        "hold": None,
        "clock_suspect": False,
        "stranger": False,
        "line_rest": None,
        "places": first["places"],
    }
    late, main = first["places"]
    assert (late["dashboard"], late["state"]) == ("late", None)
    assert (main["state"], main["reason"], main["in_flight"]) == ("confirmed", None, False)
    assert [punch["places"][1]["state"] for punch in found["punches"]] == [
        *("confirmed", "parked", "discarded", "pending", "held"),
    ]
    assert (twin["hold"], twin["id"] != first["id"]) == ("same second", True)
    front, back = found["devices"]
    assert front["quarantined"] == {"no such date": 1}
    assert (back["last_success"], back["read_after_that_day"]) == (None, False)


def test_lines_for_a_pipe(journalled: Site) -> None:
    """In a pipe each punch has a line for each dashboard, which says what became of it and why."""
    result = journalled.run("explain", "1001", DAY)
    assert (result.code, result.err) == (0, "")
    lines = [line.split("  ") for line in result.out.splitlines()]
    fates = [line[-1] for line in lines if line[-2] == "main"]
    assert lines[1][:4] == ["2026-11-22T08:59:58+06:00", "front-door", "finger (1)", "check_in (0)"]
    assert fates[0].startswith("confirmed 20")
    assert ", last refused 20" in fates[1]
    assert fates[1].endswith(f": {WORDS}")
    assert fates[2].endswith("Z: a test (by bob)")
    assert fates[3].startswith("pending since 20")
    assert fates[4].endswith("Z: another punch of that person has its second")
    assert "verify 99" in lines[-1]
    assert lines[0][-1].startswith("never meant for it: ")


def test_a_screen_for_a_person(journalled: Site) -> None:
    """On a terminal each punch is a paragraph of lines no wider than 80 columns."""
    code, shown = at_a_terminal(journalled, "explain", "1001", DAY)
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith(f"08:59:58  front-door ({KEY})\n  finger (1), check_in (0), 2026-11-22T08:59:58")
    assert "  main: confirmed 20" in shown
    assert shown.count("front-door") == 5


@pytest.mark.parametrize(("user", "day"), [("1003", DAY), ("1001", "2026-11-21"), ("100", DAY), ("%", DAY)])
def test_nothing_was_shown(journalled: Site, user: str, day: str) -> None:
    """Where no device has shown a punch, it says so, and how far each device is known."""
    result = journalled.run("explain", user, day)
    assert (result.code, result.err) == (0, "")
    none, front, back = result.out.splitlines()
    assert none == f"No device has shown a punch of user {user} on {day}."
    assert front.startswith("front-door: read 20")
    assert ", read whole 20" in front
    assert front.endswith(", 1 in quarantine: no such date")
    assert back == "back: never read"


def test_a_device_that_was_not_read_since(journalled: Site) -> None:
    """A day that had not ended at a device when it was last read may still bring punches."""
    change(journalled, "UPDATE device SET read_at = '2026-11-22T23:59:59.000+00:00'")
    assert "NOT READ since that day ended" in journalled.run("explain", "1003", DAY).out
    change(journalled, "UPDATE device SET read_at = '2026-11-23T00:00:00.000+00:00'")
    assert "NOT READ" not in journalled.run("explain", "1003", DAY).out
    change(journalled, "UPDATE device SET whole_at = NULL, read_at = ?", ago(hours=1))
    assert "never read whole" in journalled.run("explain", "1003", DAY).out


def test_a_terminal_that_is_not_accepted(journalled: Site) -> None:
    """A punch of a stranger says that its terminal is not accepted, and a clock in doubt is told."""
    change(journalled, "UPDATE device SET held = 1")
    change(journalled, "UPDATE punch SET clock_suspect = 1")
    line = journalled.run("explain", "1001", DAY).out.splitlines()[0]
    assert "its clock cannot have been right  its terminal is not accepted" in line


@pytest.mark.parametrize("day", ["22.11.2026", "2026-02-30", "yesterday"])
def test_what_is_no_date(journalled: Site, day: str) -> None:
    """A date that is none is wrong usage."""
    result = journalled.run("explain", "1001", day)
    assert result.code == 2
    assert "%Y-%m-%d" in result.err


def test_the_day_is_the_devices(journalled: Site) -> None:
    """A punch belongs to the day that its device's wall clock showed, wherever zkpoll runs."""
    change(journalled, "UPDATE punch SET timestamp = '2026-11-23T00:30:00+06:00' WHERE seq = 1")
    found = explained(journalled, "1001", "2026-11-23")
    assert [datetime.fromisoformat(punch["timestamp"]).hour for punch in found["punches"]] == [0]
    assert len(explained(journalled, "1001")["punches"]) == 4
