"""`zkpoll serve` as operators run it: a process, real calls, real signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.look import inside
from tests.serve.serving import GATE, SERIAL, Heard, journalled, line, serving, write
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def test_a_punch_goes_all_the_way(site: Site, dashboard: SampleDashboard) -> None:
    """What a terminal posts is answered once it is on disk, and at the dashboard seconds later."""
    write(site, dashboard.url)
    with serving(site) as door:
        told = door.ask(f"/iclock/cdata?SN={SERIAL}&options=all&pushver=2.4.1&DeviceType=att")
        assert told.status == 200
        assert told.text.startswith(f"GET OPTION FROM: {SERIAL}\nATTLOGStamp=None\n")
        assert "\nTimeZone=0\n" in told.text
        assert door.push(line("1001", "2026-11-22 08:59:58")) == Heard(200, "OK: 1")
        wait_for(lambda: len(dashboard.events) == 1)
        assert door.ask(f"/iclock/getrequest?SN={SERIAL}") == Heard(200, "OK")
    (event,) = dashboard.events.values()
    assert (event["user_id"], event["source"], event["serial_number"]) == ("1001", "push", SERIAL)
    assert event["timestamp"] == "2026-11-22T08:59:58+00:00"


def test_strangers_get_one_answer(site: Site) -> None:
    """Whoever may not in hears the same two words, whatever it asks, and leaves nothing but a line."""
    write(site, devices=[GATE, "name: shut, serial: SHUT1, push: true, enabled: false"])
    body = line("1001", "2026-11-22 08:59:58").encode()
    with serving(site) as door:
        heard = {
            door.ask("/iclock/cdata?SN=OTHER&options=all"),
            door.ask("/iclock/cdata?SN=OTHER&table=ATTLOG", body),
            door.ask("/iclock/registry?SN=OTHER", b"DeviceType=acc"),
            door.ask("/iclock/cdata?options=all"),
            door.ask("/iclock/cdata?SN=SHUT1&table=ATTLOG", body),
            door.ask(f"/guessed-secret-0001/iclock/cdata?SN={SERIAL}&table=ATTLOG", body),
        }
        assert heard == {Heard(403, "Forbidden")}
        assert door.ask("/") == Heard(404, "")
    assert journalled(site) == []


def test_one_serve_a_journal(site: Site) -> None:
    """A second one on the same journal says whose it is, and ends with 75."""
    write(site)
    with serving(site):
        second = site.run("serve")
    assert (second.code, second.out) == (75, "")
    assert "another `zkpoll serve` has the journal" in second.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it(site: Site, number: int) -> None:
    """A signal lets it finish, and is no failure."""
    write(site)
    with serving(site) as door:
        door.process.send_signal(number)
        assert door.process.wait(timeout=30) == 0


def test_what_cannot_be_served(site: Site) -> None:
    """Without listen:, without a device that pushes, or where another program listens: a sentence, and 78."""
    site.write("http://127.0.0.1:9", GATE)
    missing = site.run("serve")
    assert (missing.code, "listen: is missing" in missing.err) == (78, True)
    write(site, devices=["name: door, host: 127.0.0.1"])
    nobody = site.run("serve")
    assert (nobody.code, "nobody may call" in nobody.err) == (78, True)
    write(site)
    with serving(site) as door:
        site.write("http://127.0.0.1:9", GATE, more=f"listen: {{address: '127.0.0.1:{door.address[1]}'}}\n")
        site.inventory.write_text(site.inventory.read_text().replace("journal.db", "other.db"))
        taken = site.run("serve")
    assert (taken.code, "cannot listen on 127.0.0.1:" in taken.err) == (78, True)


def test_a_sync_beside_it(site: Site, dashboard: SampleDashboard) -> None:
    """A run by cron beside it has nothing to do, says nothing, and ends with 0."""
    write(site, dashboard.url)
    with serving(site) as door:
        assert door.push(line("1001", "2026-11-22 08:59:58")).status == 200
        result = site.sync()
        wait_for(lambda: len(dashboard.events) == 1)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert dashboard.duplicates == 0


def test_a_dashboard_that_is_away_delays_nobody(site: Site, dashboard: SampleDashboard) -> None:
    """Terminals hear OK while the dashboard is away; when it is back, it gets all."""
    write(site)
    start = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
    lines = [line("1001", f"{start + timedelta(seconds=n):%Y-%m-%d %H:%M:%S}") for n in range(40)]
    with serving(site, "--no-deliver") as door:
        for one in lines:
            assert door.push(one) == Heard(200, "OK: 1")
    assert len(journalled(site)) == 40
    write(site, dashboard.url)
    with serving(site):
        wait_for(lambda: len(dashboard.events) == 40)
    assert dashboard.duplicates == 0


def test_who_brings_nothing_waits_for_nobody(site: Site) -> None:
    """While the journal hangs, empty posts of terminals that wait for it hold up nobody else's poll."""
    write(site, devices=[f"name: {name}, serial: '{name}', push: true" for name in "ABC"])
    with serving(site, "--no-deliver") as door, ThreadPoolExecutor(4) as terminals:
        door.ask("/iclock/getrequest?SN=A")
        with inside(site.journal) as db:
            db.execute("BEGIN IMMEDIATE")
            pushed = [
                terminals.submit(door.push, line("1", "2026-11-22 08:59:58"), serial=one) for one in "AB"
            ]
            time.sleep(0.5)
            for one in "AB":
                terminals.submit(door.ask, f"/iclock/cdata?SN={one}&table=OPERLOG", b"")
            time.sleep(0.5)
            began = time.monotonic()
            assert door.ask("/iclock/getrequest?SN=C") == Heard(200, "OK")
            assert time.monotonic() - began < 5
            db.execute("ROLLBACK")
        assert [one.result() for one in pushed] == [Heard(200, "OK: 1")] * 2


def test_without_waitress(site: Site) -> None:
    """Installed without what only `serve` needs, it says what is to be installed, and ends with 78."""
    write(site)
    without = "import sys; sys.modules['waitress'] = None; from zkpoll.cli import main; main()"
    site.popen, site.zkpoll = subprocess.Popen, [sys.executable, "-c", without]
    refused = site.run("serve")
    assert (refused.code, refused.out) == (78, "")
    assert "pip install 'zkpoll[serve]'" in refused.err
    assert "Traceback" not in refused.err
