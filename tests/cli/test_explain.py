"""`zkpoll explain`: what became of a person's punches on a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_status import NOBODY, READING, ago, change
from tests.journal.helpers import KEY, odd, piece, punch, visit
from tests.site import at_a_terminal, entry
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import Devices
from zkpoll.journal.exports import keep_users
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.spans import Places
from zkpoll.model.delivery import Settled
from zkpoll.model.user import User

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
        Decisions(journal, "main").discard(
            Selection(frozenset(), ids=(ids[2],)), Places([(1, 9)]), "a test (by bob)"
        )
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
        "manual": False,
        "doors": ["pull"],
        "rows": [],
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
    assert (back["read_at"], back["read_after_that_day"]) == (None, False)


def test_lines_for_a_pipe(journalled: Site) -> None:
    """In a pipe each punch has a line for each dashboard, which says what became of it and why."""
    result = journalled.run("explain", "1001", DAY)
    assert (result.code, result.err) == (0, "")
    lines = [line.split("  ") for line in result.out.splitlines()]
    assert lines[0][0] == "user 1001 on Sunday 2026-11-22"
    del lines[0]
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
    first, shown = shown.split("\n", 1)
    assert first == "user 1001 on Sunday 2026-11-22"
    assert shown.startswith(f"08:59:58  front-door ({KEY})\n  finger (1), check_in (0), 2026-11-22T08:59:58")
    assert "  main: confirmed 20" in shown
    assert shown.count("front-door") == 5


def test_nothing_was_shown(journalled: Site) -> None:
    """Where no device has shown a punch, it says so, and how far each device is known: code 0."""
    result = journalled.run("explain", "1001", "2026-11-21")
    assert (result.code, result.err) == (0, "")
    whose, none, front, back = result.out.splitlines()
    assert whose == "user 1001 on Saturday 2026-11-21"
    assert none == "No device has shown a punch of user 1001 on 2026-11-21."
    assert front.startswith("front-door: read 20")
    assert ", read whole 20" in front
    assert front.endswith(", 1 in quarantine: no such date")
    assert back == "back: never read"


def test_nobody(journalled: Site) -> None:
    """An id that nothing knows is answered with the nearest ones, and how far devices are read: code 1."""
    result = journalled.run("explain", "10O1", DAY)
    assert (result.code, result.err) == (
        1,
        "zkpoll: nobody has the id 10O1; the nearest is 1001\n",
    )
    assert result.out.splitlines()[1] == f"No device has shown a punch of user 10O1 on {DAY}."
    nothing = journalled.run("explain", "%", DAY, "--json")
    assert (nothing.code, nothing.document()) == (1, {"candidates": []})
    assert nothing.err == (
        "zkpoll: nobody has the id %, and no names are known; `zkpoll users export` keeps them\n"
    )
    empty = journalled.run("explain", " ", DAY)
    assert (empty.code, "Invalid value for WHO: it is empty, expected a user id or" in empty.err) == (2, True)


def exported(site: Site) -> None:
    """Have the users of two terminals exported: `front-door`, which punched, and `back`, never read."""
    front = [User(1, "1001", b"Rahim Uddin", 0, 0, 1, False), User(2, "1010", b"Karim", 0, 0, 1, False)]
    back = [
        User(1, "1001", b"R. Uddin", 0, 0, 1, False),
        User(2, "1020", "José".encode("cp1252"), 0, 0, 1, False),
    ]
    site.write(
        "http://127.0.0.1:9/",
        entry("front-door", NOBODY),
        entry("back", NOBODY, transport="udp", serial="B7", encoding="cp1252"),
        more="dates: day/month/year\n",
    )
    with open_journal(site.journal) as journal:
        keep_users(journal, KEY, front)
        keep_users(journal, "B7", back)


def test_a_name(journalled: Site) -> None:
    """A name, or a part of one, finds its person; several are listed, and nobody is guessed."""
    exported(journalled)
    for who, day in (("rahim", "22/11/2026"), ("r. UDDIN", DAY), ("1001", "2026-11-22")):
        one = journalled.run("explain", who, day)
        assert (one.code, one.err) == (0, "")
        assert one.out.splitlines()[0] == "user 1001 (R. Uddin / Rahim Uddin) on Sunday 2026-11-22"
        assert len(one.out.splitlines()) == 11
    assert journalled.run("explain", "jose", DAY, "--json").document()["name"] == "José"
    several = journalled.run("explain", "i", DAY)
    assert (several.code, several.err) == (1, "zkpoll: 2 people fit 'i'; say the user id\n")
    assert several.out.splitlines() == [
        "1001  R. Uddin / Rahim Uddin  back, front-door",
        "1010  Karim  front-door",
    ]
    code, shown = at_a_terminal(journalled, "explain", "i", DAY)
    assert code == 1
    assert "1010  Karim" in shown
    nobody = journalled.run("explain", "Rahmi", DAY)
    assert (nobody.code, nobody.out) == (1, "")
    assert nobody.err.startswith(
        "zkpoll: nobody has the id or the name Rahmi; the nearest is 1001 (R. Uddin /"
    )


def test_today_is_the_inventorys(journalled: Site) -> None:
    """Today, yesterday and weekdays are those of the inventory's zone, by this host's clock."""
    before = datetime.now(UTC).date()
    today = explained(journalled, "1001", "today")["date"]
    sunday = explained(journalled, "1001", "Sunday")["date"]
    after = datetime.now(UTC).date()
    assert before.isoformat() <= today <= after.isoformat()
    assert date.fromisoformat(sunday).weekday() == 6
    assert timedelta(0) <= before - date.fromisoformat(sunday) < timedelta(7)


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
    line = journalled.run("explain", "1001", DAY).out.splitlines()[1]
    assert "its clock cannot have been right  its terminal is not accepted" in line


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("22.11.2026", "is no day; expected one such as 20"),
        ("2026-02-30", "is no day of the calendar"),
        ("23/11/2026", "which of the two is the month? Write it as 20"),
    ],
)
def test_what_is_no_date(journalled: Site, day: str, told: str) -> None:
    """A date that is none, or may be two, is wrong usage."""
    result = journalled.run("explain", "1001", day)
    assert (result.code, result.out) == (2, "")
    assert f"'{day}'" in result.err
    assert told in " ".join(result.err.split())


def test_the_day_is_the_devices(journalled: Site) -> None:
    """A punch belongs to the day that its device's wall clock showed, wherever zkpoll runs."""
    change(journalled, "UPDATE punch SET timestamp = '2026-11-23T00:30:00+06:00' WHERE seq = 1")
    found = explained(journalled, "1001", "2026-11-23")
    assert [datetime.fromisoformat(punch["timestamp"]).hour for punch in found["punches"]] == [0]
    assert len(explained(journalled, "1001")["punches"]) == 4
    assert journalled.run("explain", "1001", "9999-12-31").err == ""  # after which there is no day
