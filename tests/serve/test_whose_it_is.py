"""Whose a punch is that is pushed, when it was, and whether it goes out: told by real calls and commands."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.look import look
from tests.serve.serving import GATE, SERIAL, Heard, journalled, line, serving, write
from tests.waiting import wait_for
from zkpoll.model.punch import punch_id

if TYPE_CHECKING:
    from tests.serve.serving import Serving
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


MORNING = "2026-11-22 08:59:58"
OTHER = "NEW7224760046"
RENEWED = f"name: gate, serial: {OTHER}, push: true"


def kept(site: Site) -> list[Any]:
    """Return device key, user, timestamp, number within its second and hold of the punches, as they came."""
    return look(
        site.journal,
        "SELECT device.key, user_id, timestamp, nth, hold FROM punch JOIN device ON device.id = punch.device "
        "ORDER BY punch.seq",
    )


def all_delivered(site: Site, dashboard: SampleDashboard, punches: int) -> None:
    """Wait until so many punches are at the dashboard, and see that none was there twice."""
    wait_for(lambda: len(dashboard.events) >= punches)
    wait_for(lambda: look(site.journal, "SELECT count(*) FROM outbox WHERE state = 'pending'") == [(0,)])
    assert (len(dashboard.events), dashboard.duplicates) == (punches, 0)


# --- serial numbers ---


def test_two_devices_with_one_serial_number(site: Site, dashboard: SampleDashboard) -> None:
    """Two terminals that tell one serial number lose nothing: what only one of them has is kept, once."""
    write(site, dashboard.url)
    start = datetime(2026, 11, 22, 8)
    times = [str(start + timedelta(seconds=second)) for second in range(60)]
    own = {user: [line(user, time) for time in times] for user in ("1001", "1002")}
    both = [line("1003", time) for time in times]

    def push(user: str) -> None:
        for first in range(0, 60, 10):
            rows = own[user][first : first + 10] + both[first : first + 10]
            assert door.push(*rows, stamp=user) == Heard(200, "OK: 20")

    with serving(site) as door:
        threads = [threading.Thread(target=push, args=(user,)) for user in own]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        all_delivered(site, dashboard, 180)
    assert len(set(journalled(site))) == len(journalled(site)) == 180


def test_a_device_that_is_taken_out(site: Site) -> None:
    """A disabled device is a stranger until it is enabled again, and then brings what it kept."""
    write(site)
    with serving(site) as door:
        assert door.push(line("1001", MORNING)) == Heard(200, "OK: 1")
    write(site, devices=[f"{GATE}, enabled: false", "name: door, serial: D1, push: true"])
    with serving(site) as door:
        assert door.push(line("1002", MORNING)) == Heard(403, "Forbidden")
        assert door.ask(f"/iclock/cdata?SN={SERIAL}&options=all").status == 403
    assert look(site.journal, "SELECT serial, reason FROM refused_caller") == [(SERIAL, "disabled")]
    write(site)
    with serving(site) as door:
        assert door.push(line("1002", MORNING)) == Heard(200, "OK: 1")
    assert [user for user, _ in journalled(site)] == ["1001", "1002"]


def replaced(site: Site, url: str) -> None:
    """Let a terminal push, and then another one be put into the inventory under its name."""
    write(site, url)
    with serving(site) as door:
        for time in ("2026-11-21 08:00:00", MORNING):
            assert door.push(line("1001", time), stamp=f"of {SERIAL}"[:32].replace(" ", "-")).status == 200
        assert f"ATTLOGStamp=of-{SERIAL}\n" in handshake(door, SERIAL)
        wait_for(lambda: look(site.journal, "SELECT DISTINCT state FROM outbox") == [("confirmed",)])
    write(site, url, devices=[RENEWED])


def handshake(door: Serving, serial: str) -> str:
    """Return what a terminal is told at a handshake."""
    return door.ask(f"/iclock/cdata?SN={serial}&options=all").text


def test_another_terminal_under_its_name(site: Site, dashboard: SampleDashboard) -> None:
    """It gets no stamp of the one before, all of it is kept, and goes out once a person accepts it."""
    replaced(site, dashboard.url)
    with serving(site) as door:
        assert "ATTLOGStamp=None\n" in handshake(door, OTHER)
        # Byte for byte the last batch of the other one, and still none of its own.
        assert door.push(line("1001", MORNING), serial=OTHER) == Heard(200, "OK: 1")
        assert door.push(line("1002", MORNING), serial=OTHER) == Heard(200, "OK: 1")
        assert door.push(line("1001", MORNING)) == Heard(403, "Forbidden")
        assert [(key, user) for key, user, *_ in kept(site)][2:] == [(OTHER, "1001"), (OTHER, "1002")]
        assert len(dashboard.events) == 2
        accepted = site.run("devices", "accept", "gate")
        assert accepted.code == 0, accepted.err
        assert door.push(line("1003", MORNING), serial=OTHER) == Heard(200, "OK: 1")
        all_delivered(site, dashboard, 5)
    ids = {punch_id(OTHER, user, MORNING.replace(" ", "T")) for user in ("1001", "1002", "1003")}
    assert ids <= dashboard.events.keys()


def test_a_repaired_terminal(site: Site, dashboard: SampleDashboard) -> None:
    """Accepted as the terminal it was, it replays its log under its new serial number and doubles nothing."""
    replaced(site, dashboard.url)
    log = [line("1001", "2026-11-21 08:00:00"), line("1001", MORNING), line("1002", "2026-11-22 10:00:00")]
    with serving(site) as door:
        assert door.push(*log, serial=OTHER) == Heard(200, "OK: 3")
        assert len(dashboard.events) == 2
        accepted = site.run("devices", "accept", "gate", "--same-terminal")
        assert accepted.code == 0, accepted.err
        assert door.push(*log, serial=OTHER) == Heard(200, "OK: 3")
        assert door.push(line("1003", MORNING), serial=OTHER) == Heard(200, "OK: 1")
        all_delivered(site, dashboard, 4)
    with serving(site) as door:
        assert door.push(*log, serial=OTHER, stamp="repaired") == Heard(200, "OK: 3")
        assert "ATTLOGStamp=repaired\n" in handshake(door, OTHER)
    assert {event["serial_number"] for event in dashboard.events.values()} == {SERIAL}
    own = [user for key, user, *_ in kept(site) if key == SERIAL]
    assert sorted(own) == ["1001", "1001", "1002", "1003"]


def test_a_terminal_that_was_replaced_and_came_back(site: Site, dashboard: SampleDashboard) -> None:
    """The one before, back in its place, is the device it always was, and goes on."""
    replaced(site, dashboard.url)
    with serving(site) as door:
        assert door.push(line("1002", MORNING), serial=OTHER) == Heard(200, "OK: 1")
    write(site, dashboard.url)
    with serving(site) as door:
        assert f"ATTLOGStamp=of-{SERIAL}\n" in handshake(door, SERIAL)
        assert door.push(line("1002", MORNING)) == Heard(200, "OK: 1")
        all_delivered(site, dashboard, 3)
    assert [(key, hold) for key, *_, hold in kept(site)] == [(SERIAL, None)] * 2 + [
        (OTHER, None),
        (SERIAL, None),
    ]


# --- what is held ---


def test_since_and_repeats(site: Site, dashboard: SampleDashboard) -> None:
    """What is older than since:, or a repeat, is kept and held, in whatever batch and order it comes."""
    settings = "since: 2026-11-20, repeat_within: 5m"
    write(site, dashboard.url, devices=[f"{GATE}, {settings}"])
    first, again, later = "2026-11-22 08:00:00", "2026-11-22 08:04:59", "2026-11-22 08:10:01"
    with serving(site) as door:
        assert door.push(line("1001", first)).status == 200
        assert door.push(line("1001", "2026-11-19 23:59:59"), line("1001", again)).status == 200
        assert door.push(line("1001", later), line("1002", again)).status == 200
        assert door.push(line("1001", "2026-11-18 08:00:00"), line("1001", first)).status == 200
        all_delivered(site, dashboard, 3)
    holds = {(user, time[:19].replace("T", " ")): hold for _, user, time, _, hold in kept(site)}
    assert holds == {
        ("1001", first): None,
        ("1001", "2026-11-19 23:59:59"): "since",
        ("1001", again): "repeat",
        ("1001", later): None,
        ("1002", again): None,
        ("1001", "2026-11-18 08:00:00"): "since",
    }


def test_lines_in_quarantine(site: Site, dashboard: SampleDashboard) -> None:
    """A line that cannot be is acknowledged, kept, and accepted by a person; no replay adds it again."""
    write(site, dashboard.url)
    odd = line("1001", "2026-02-30 08:00:00")
    with serving(site) as door:
        assert door.push(line("1001", MORNING), odd, line("1002", MORNING)) == Heard(200, "OK: 3")
        assert door.push(odd, line("1003", MORNING)) == Heard(200, "OK: 2")
        all_delivered(site, dashboard, 3)
        (row,) = json.loads(site.run("quarantine", "list", "--json").out)
        assert (row["device"], bytes.fromhex(row["raw"])) == ("gate", b"push\n" + odd.encode())
        accepted = site.run("quarantine", "accept", "--device", "gate", "--yes")
        assert accepted.code == 0, accepted.err
        assert door.push(odd) == Heard(200, "OK: 1")
    rows = look(site.journal, "SELECT count(*), count(accepted_at) FROM quarantine")
    assert rows == [(1, 1)]


# --- when it was ---


BERLIN = f"{GATE}, timezone: Europe/Berlin"
"""On 25 October 2026 its clocks show 02:00 to 03:00 twice."""


def test_an_hour_that_comes_twice(site: Site, dashboard: SampleDashboard) -> None:
    """Punches of both passes have the offset of their own, pushed one by one or all at once."""
    passes = [
        ("1001", "2026-10-25 01:59:00", "+02:00"),
        ("1002", "2026-10-25 02:30:00", "+02:00"),
        ("1003", "2026-10-25 02:59:50", "+02:00"),
        ("1004", "2026-10-25 02:00:10", "+01:00"),
        ("1005", "2026-10-25 02:30:00", "+01:00"),
        ("1006", "2026-10-25 03:00:00", "+01:00"),
    ]
    expected = sorted((user, f"{time.replace(' ', 'T')}{offset}") for user, time, offset in passes)
    lines = [line(user, time) for user, time, _ in passes]
    write(site, dashboard.url, devices=[BERLIN])
    with serving(site) as door:
        for one in lines[:4]:
            assert door.push(one).status == 200
    with serving(site) as door:  # it remembers at which pass it was
        for one in lines[4:]:
            assert door.push(one).status == 200
        assert door.push(*lines) == Heard(200, "OK: 6")
        all_delivered(site, dashboard, 6)
    told = sorted((event["user_id"], event["timestamp"]) for event in dashboard.events.values())
    assert told == expected
    write(site, dashboard.url, devices=[BERLIN.replace(SERIAL, "B2").replace("gate", "b2")])
    with serving(site) as door:
        assert door.push(*lines, serial="B2") == Heard(200, "OK: 6")
        all_delivered(site, dashboard, 12)
    told = [(one["user_id"], one["timestamp"]) for one in dashboard.events.values() if one["device"] == "b2"]
    assert sorted(told) == expected


def test_one_person_at_one_time_of_both_passes(site: Site, dashboard: SampleDashboard) -> None:
    """Coming and going an hour apart, at one time on the clock, are two punches: one waits for a person."""
    write(site, dashboard.url, devices=[BERLIN])
    night = [line("1001", "2026-10-25 02:30:00", 0), line("1002", "2026-10-25 02:45:00", 0)]
    night += [line("1001", "2026-10-25 02:30:00", 1)]
    with serving(site) as door:
        for one in night:
            assert door.push(one).status == 200
        assert door.push(*night) == Heard(200, "OK: 3")
        all_delivered(site, dashboard, 2)
    assert kept(site) == [
        (SERIAL, "1001", "2026-10-25T02:30:00+02:00", 1, None),
        (SERIAL, "1002", "2026-10-25T02:45:00+02:00", 1, None),
        (SERIAL, "1001", "2026-10-25T02:30:00+01:00", 2, "same second"),
    ]
