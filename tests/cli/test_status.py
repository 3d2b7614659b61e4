"""`zkpoll status`: how everything stands."""

from __future__ import annotations

import re
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
from zkpoll.journal.runs import note_run
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Reading
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

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
    change(site, "UPDATE punch SET timestamp = ?", ago(days=2))
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
    assert (found["attention"], found["alert_after"], found["troubles"]) == (False, 86_400, {})
    front, off = found["devices"]
    assert front == {
        "name": "front-door",
        "serial_number": KEY,
        "enabled": True,
        "calls_us": False,
        "stale": False,
        "ahead_of_clock": False,
        "read_at": front["read_at"],
        "whole_at": front["read_at"],
        "on_device": 50,
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
    assert (off["enabled"], off["stale"], off["read_at"]) == (False, False, None)
    main, old = found["dashboards"]
    assert (main["pending"], main["parked"], main["held"], main["in_inventory"]) == (1, 1, 1, True)
    assert main["oldest_unconfirmed"] <= front["read_at"]
    assert (old["name"], old["pending"], old["in_inventory"], old["stale"]) == ("old", 3, False, False)


def test_lines_for_a_pipe(journalled: Site) -> None:
    """In a pipe each device and each dashboard has a line."""
    result = journalled.run("status")
    assert (result.code, result.err) == (0, "")
    verdict, front, off, main, old = (line.split("  ") for line in result.out.splitlines())
    well = "1 terminal and 1 dashboard well, 1 terminal switched off"
    assert verdict == [f"{well}; no run has ended yet; 1 of 3 punches confirmed"]
    assert front[:2] == ["device", "front-door"]
    assert front[3:] == ["50 of 100 (50%)", "clock -3 s", "1 quarantined"]
    assert off == ["device", "off", "read never", "enabled: false"]
    assert main[:3] == ["dashboard", "dashboard", "1 confirmed, 1 pending, 1 parked, 1 held"]
    assert main[3].startswith("last delivery ")
    assert old[-1] == "not in the inventory"


def test_a_screen_for_a_person(journalled: Site) -> None:
    """On a terminal it is one screen of tables, no wider than 80 columns."""
    change(journalled, "UPDATE device SET met_at = ?", ago(days=9))
    code, shown = at_a_terminal(journalled, "status")
    assert code == 0
    assert max(map(len, shown.splitlines())) <= 80
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0][:6] == ["1", "terminal", "and", "1", "dashboard", "well,"]
    lines = lines[lines.index(["device", "last", "read", "log", "full", "on", "clock"]) :]
    full_on = datetime.now(UTC).date() + timedelta(days=50 * 9 / 4)
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
        assert line.startswith("trouble  device front-door: IT MAY STILL BE DISABLED")
        assert line.count("so that nobody can punch: switch it off and on") == 1
        assert " (since 20" in line
        code, shown = at_a_terminal(journalled, "status")
        assert code == 1
        assert shown.startswith("1 thing needs you; ")
        assert "-  device front-door: IT MAY STILL BE DISABLED" in shown
        journalled.write("http://127.0.0.1:9/", entry("front-door", NOBODY, enabled="false"))
        assert "MAY STILL BE DISABLED" in journalled.run("status").out
        assert document(journalled, code=1)["maybe_disabled"] == ["front-door"]
        journalled.write("http://127.0.0.1:9/", entry("off", NOBODY, enabled="false"))
        assert document(journalled, code=1)["maybe_disabled"] == ["front-door"]
        told = journalled.run("status")
        assert told.code == 1
        assert "trouble  device front-door: IT MAY STILL BE DISABLED, so that nobody can punch" in told.out
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
    """A trouble that lasts needs a person, in the words it was told in; advice, and what ended, need none."""
    sql = "INSERT INTO condition VALUES ({}, ?, ?, {})"
    for values, rest in [
        ("'way to dashboard main', 'exposed'", "'use https', 1, NULL"),
        ("'device side', 'clock'", "'its clock was off', 0, 'ended'"),
    ]:
        change(journalled, sql.format(values, rest), ago(days=3), ago(days=1))
    assert document(journalled)["needs"] == []
    values, rest = "'device back', 'clock'", "'its clock is off by 59 min', 0, NULL"
    change(journalled, sql.format(values, rest), ago(days=3), ago(days=1))
    change(
        journalled,
        "INSERT INTO condition (subject, kind, since, told_at) VALUES ('shift Day of main', 'late', ?, ?)",
        ago(days=3),
        ago(days=1),
    )
    found = document(journalled, code=1)
    assert found["verdict"].startswith("2 things need you; ")
    assert list(found["troubles"]) == ["device back", "shift Day of main", "way to dashboard main"]
    assert found["troubles"]["shift Day of main"]["text"] is None
    told = journalled.run("status")
    verdict, back, shift, *_, advice = told.out.splitlines()
    assert (told.code, verdict) == (1, found["verdict"])
    assert back.startswith("trouble  device back: its clock is off by 59 min (since 20")
    assert shift.startswith("trouble  shift Day of main: late (since 20")
    assert advice.startswith("advice  way to dashboard main: use https (since 20")


def test_what_a_run_finds_is_shown_until_it_is_well(site: Site, dashboard: SampleDashboard) -> None:
    """Whoever runs it and in whatever words, `status` says what is wrong, and then that all is well.

    Cron hears that it began, and that it ended, once each.
    """
    front, back = Terminal.with_samples(3), Terminal.with_samples(2, model=Model(serial="B2"))
    with serve(front) as here, serve(back) as there:
        site.write(dashboard.url, entry("front", here), entry("back", NOBODY, enabled="false"))
        assert site.sync("-v").code == 0
        well = site.run("status")
        assert well.code == 0
        assert re.fullmatch(
            r"1 terminal and 1 dashboard well, 1 terminal switched off; last run \d+ s ago;"
            r" 3 of 3 punches confirmed",
            well.out.splitlines()[0],
        )
        site.write(dashboard.url, entry("front", here), entry("back", NOBODY))
        bad = []
        for run in (("-v",), ("--json",), ()):  # systemd's, a program's, cron's
            told = site.sync(*run)
            assert told.code == 1
            bad.append(site.run("status"))
        verdict, trouble, *_ = bad[0].out.splitlines()
        assert re.fullmatch(r"1 thing needs you; last run \d+ s ago; 3 of 3 punches confirmed", verdict)
        sentence = trouble.removeprefix("trouble  ").partition(" (since ")[0]
        assert told.err == f"zkpoll: {sentence}\n"
        assert [(one.code, one.out.splitlines()[1]) for one in bad] == [(1, trouble)] * 3
        site.write(dashboard.url, entry("front", here), entry("back", there))
        assert site.sync("-v").code == 0
        well = site.run("status")
        assert (well.code, well.out.count("trouble")) == (0, 0)
        assert well.out.startswith("2 terminals and 1 dashboard well; ")
        assert site.sync().err == "zkpoll: device back: well again, after 0 min\n"
        assert site.sync().err == ""


def test_two_hundred_devices_fit_a_screen(site: Site) -> None:
    """On a terminal those that need a person are shown, and others counted; `--all` and a pipe have all."""
    names = [f"dhaka-{number}" for number in range(200)]
    out = {"dhaka-7", "dhaka-9"}
    off = {name: {"enabled": "false"} if name in out else {} for name in names}
    at = (("127.0.0.1", port) for port in range(20_000, 20_200))
    site.write("http://127.0.0.1:9/", *(entry(name, next(at), **off[name]) for name in names))
    with open_journal(site.journal) as journal:
        for name in names[2:]:
            Devices(journal).meet(name, name.upper())
            Devices(journal).note_reading(name.upper(), READING)
        note_run(journal)
    code, shown = at_a_terminal(site, "status")
    lines = shown.splitlines()
    assert (code, max(map(len, lines)) <= 80, len(lines) < 24) == (1, True, True)
    assert lines[0].startswith("2 things need you; last run ")
    assert [line.split()[:3] for line in lines if line.startswith(("-", "dhaka"))] == [
        ["-", "device", "dhaka-0:"],
        ["-", "device", "dhaka-1:"],
        ["dhaka-0", "never,", "TOO"],
        ["dhaka-1", "never,", "TOO"],
    ]
    assert "device: 196 more are well, 2 switched off; --all shows them" in lines
    assert "enabled: false: dhaka-7, dhaka-9" in lines
    assert (
        sum(line.startswith("dhaka-") for line in at_a_terminal(site, "status", "--all")[1].splitlines())
        == 200
    )
    assert site.run("status").out.count("\ndevice  dhaka-") == 200


def test_no_journal_yet(site: Site) -> None:
    """Where no sync has been, there is no journal to look at, and none is made."""
    site.write("http://127.0.0.1:9/", entry("front-door", NOBODY))
    result = site.run("status")
    assert (result.code, result.out) == (74, "")
    assert not site.journal.exists()
