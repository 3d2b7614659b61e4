"""Devices without a host, which call us: what every command makes of them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers import closed_port
from tests.site import at_a_terminal, entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL: Final = "GATE1"
GATE: Final = f"name: gate, serial: {SERIAL}, push: {{secret: '${{GATE_PATH:-0123456789abcdef}}'}}"
SENTENCE: Final = "gate has no host:; it calls us (`zkpoll serve`)"
NOWHERE: Final = "http://127.0.0.1:9/x"


@pytest.fixture
def front() -> Iterator[str]:
    """Give the entry of a terminal that is called, and holds two punches."""
    terminal = Terminal(Model(serial="FRONT1"))
    terminal.punch("1")
    terminal.punch("2")
    with serve(terminal) as where:
        yield entry("front", where)


def with_old_punches(site: Site, url: str, *besides: str) -> None:
    """Give a site whose device has a host no more, and of which three punches wait from before."""
    terminal = Terminal(Model(serial=SERIAL))
    for user in ("1", "2", "3"):
        terminal.punch(user, datetime(2026, 11, 20, 8))
    with serve(terminal) as where:
        site.write(url, entry("gate", where))
        assert site.sync("--no-deliver").code == 0
    site.write(url, GATE, *besides)


def test_sync_says_nothing_of_them(site: Site, dashboard: SampleDashboard, front: str) -> None:
    """A run reads those that have a host, and neither waits for the others nor tells of them."""
    site.write(dashboard.url, GATE, front)
    document = site.report()
    assert document["exit_code"] == 0
    assert [one["name"] for one in document["devices"]] == ["front"]
    again = site.sync()
    assert (again.code, again.out, again.err) == (0, "", "")


def test_sync_where_all_call_us(site: Site, dashboard: SampleDashboard) -> None:
    """With nobody to call, a run still delivers what is in the journal, and all is well."""
    with_old_punches(site, dashboard.url)
    told = site.sync()
    assert (told.code, told.out, told.err) == (0, "", "")
    assert len(dashboard.events) == 3
    document = site.report()
    assert (document["exit_code"], document["devices"]) == (0, [])
    assert site.report("--dry-run")["exit_code"] == 0


def test_sync_where_all_call_us_and_the_dashboard_is_away(site: Site) -> None:
    """Then a dashboard that cannot be reached is what needs attention, and not every terminal."""
    with closed_port() as (host, port):
        with_old_punches(site, f"http://{host}:{port}/x")
        told = site.sync()
    assert told.code == 1
    assert told.err.startswith("zkpoll: dashboard dashboard: ")
    assert "gate" not in told.err


@pytest.mark.parametrize(
    "command",
    [
        *("sync --device gate", "sync --device front --device gate", "devices ping gate"),
        *("devices clock front gate", "devices clear gate --yes"),
        *("users export --device gate", "users diff --device gate"),
    ],
)
def test_one_that_is_asked_for_by_name(site: Site, command: str) -> None:
    """To call a device that has no host is wrong usage, in one sentence that says why; nobody is called."""
    with closed_port() as nobody:
        site.write(NOWHERE, GATE, entry("front", nobody))
        told = site.run(*command.split())
    assert told.code == 2
    assert SENTENCE in " ".join(told.err.split())
    assert told.out == ""
    assert not site.journal.exists()


@pytest.mark.parametrize("command", ["devices ping", "devices clock", "users export"])
def test_those_that_are_not_asked_for(site: Site, front: str, command: str) -> None:
    """Where all devices are asked, those without a host are passed over without a word."""
    site.write(NOWHERE, GATE, front)
    told = site.run(*command.split(), "--json")
    assert (told.code, told.err) == (0, "")
    assert "gate" not in told.out
    site.write(NOWHERE, GATE)
    none = site.run(*command.split(), "--json")
    assert (none.code, json.loads(none.out), none.err) == (0, [], "")


def test_users_diff_is_of_the_others(site: Site, front: str) -> None:
    """Users are compared on the devices that can be asked for them."""
    site.write(NOWHERE, GATE, front)
    assert site.run("users", "export", "--json").code == 0
    told = site.run("users", "diff")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_the_list_of_devices(site: Site) -> None:
    """In the place of an address it says that the device calls us."""
    with_old_punches(site, NOWHERE)
    told = site.run("devices", "list")
    assert (told.code, told.err) == (0, "")
    assert told.out == f"gate  calls us  {SERIAL}  -  -  -  3\n"
    (found,) = json.loads(site.run("devices", "list", "--json").out)
    assert (found["name"], found["host"], found["port"], found["backlog"]) == ("gate", None, None, 3)


@pytest.mark.parametrize("known", [False, True])
def test_status(site: Site, dashboard: SampleDashboard, front: str, known: bool) -> None:
    """No reading of such a device is missed, had it a host before or not; its calls are."""
    if known:
        with_old_punches(site, dashboard.url, front)
    else:
        site.write(dashboard.url, GATE, front)
    assert site.sync().code == 0
    told = site.run("status")
    assert (told.code, told.err) == (1, "")
    assert "\ndevice  gate  calls us  never called, TOO LONG\ndevice  front  read " in told.out
    assert "\ntrouble  push gate: it has never called; " in told.out
    assert "\ntrouble  push door: no `zkpoll serve` runs, so no punches arrive; " in told.out
    gate, _ = site.run("status", "--json").document()["devices"]
    assert (gate["calls_us"], gate["stale"], gate["ahead_of_clock"]) == (True, False, False)
    code, screen = at_a_terminal(site, "status")
    assert code == 1
    assert "calls us" in screen


def test_its_punches_are_known_by_its_name(site: Site) -> None:
    """What looks into the journal, or changes it, takes the name of a device without a host as any other."""
    with_old_punches(site, NOWHERE)
    days = ("--from", "2026-11-20", "--until", "2026-11-20")
    assert len(json.loads(site.run("punches", "export", "--device", "gate", "--json").out)) == 3
    assert len(json.loads(site.run("outbox", "list", "--pending", "--device", "gate", "--json").out)) == 3
    assert site.run("backfill", "--to", "dashboard", *days, "--device", "gate", "--dry-run").code == 0
    assert "gate" in site.run("explain", "1", "2026-11-20").out
    nothing = site.run("explain", "9", "2026-11-20")
    assert (
        nothing.out.splitlines()[2]
        == "gate: calls us, never until now; what it has not sent yet is not known"
    )
    (device,) = site.run("explain", "9", "2026-11-20", "--json").document()["devices"]
    assert (device["calls_us"], device["read_after_that_day"]) == (True, None)


def test_no_look_into_the_journal_needs_the_secret(site: Site) -> None:
    """In a shell without the secret of a device that pushes, `status` and the list work all the same."""
    site.write(NOWHERE, GATE.replace(":-0123456789abcdef", ""))
    assert site.run("devices", "list").out == f"gate  calls us  {SERIAL}  -  -  -  0\n"
    told = site.sync()
    assert told.code == 78
    assert "push.secret: environment variable GATE_PATH is not set" in told.err


def test_config_check(site: Site) -> None:
    """The settings of a device that nobody calls are shown without those of calls, its secret masked."""
    site.write(NOWHERE, GATE, more="listen: {address: '[::]:8081'}\n")
    told = site.run("config", "check", "--json")
    assert "0123456789abcdef" not in told.out
    document = told.document()
    assert document["listen"]["address"] == "[::]:8081"
    (gate,) = document["devices"]
    assert (gate["push"], gate["serial"]) == ({"secret": "********"}, SERIAL)
    assert not gate.keys() & {"host", "port", "timeout", "clear"}


def test_one_that_is_found_on_the_network(site: Site) -> None:
    """A terminal that answers, and has no host in the inventory, is known there by its serial number."""
    with serve(Terminal(Model(serial=SERIAL)), "127.7.9.3") as where:
        site.write(NOWHERE, GATE)
        network = ("devices", "discover", "127.7.9.3/32", "--port", str(where.port))
        assert site.run(*network).out == f"127.7.9.3:{where.port}  tcp  {SERIAL}  Simulator  gate\n"
        assert site.run(*network, "--yaml").out == ""


def test_both_doors(site: Site, dashboard: SampleDashboard, front: str) -> None:
    """A device that pushes and has a host is read as ever."""
    site.write(dashboard.url, f"{front}, serial: FRONT1, push: true")
    assert [one["name"] for one in site.report()["devices"]] == ["front"]
    assert site.run("devices", "ping", "front").code == 0
    assert "read " in site.run("status").out
