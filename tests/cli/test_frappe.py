"""`zkpoll sync` to a site of Frappe HR, with all that goes wrong on the way to it and in it."""

from __future__ import annotations

import signal
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.delivery.frappe_site import TOKEN, FrappeSite
from tests.site import Site, entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.site import Result
    from zkpoll.simulator import Record

DHAKA = ZoneInfo("Asia/Dhaka")
LOG_TYPES = {0: "IN", 1: "OUT"}
RUNS = 15
"""In which everything must be delivered at last; each has six attempts for each request that fails."""

Checkin = tuple[str, str, str | None]
"""An employee, the time by the clock of the site, and the log type."""


def write(site: Site, frappe: FrappeSite, *devices: str) -> None:
    """Write an inventory whose dashboard is that site, in a zone that is not the terminals'."""
    settings = "format: frappe, frappe: {timezone: Asia/Dhaka}, attempts: 6, retry_wait: 0, timeout: 2"
    site.write_for(f"url: '{frappe.url}', token: '${{TOKEN}}', {settings}", *devices)
    site.environment["TOKEN"] = TOKEN


def employ(frappe: FrappeSite, terminal: Terminal, *, without: str = "") -> None:
    """Let everybody be employed whom a terminal knows, but one."""
    frappe.employ(*(user.user_id for user in terminal.users if user.user_id != without))


def expected(frappe: FrappeSite, records: Iterable[Record], log_types: Mapping[int, str]) -> Counter[Checkin]:
    """Return the checkins that are to come of records of people whom a site knows."""
    names = {one["attendance_device_id"]: one["name"] for one in frappe.employees}
    return Counter(
        (names[record.user_id], _there(record.time), log_types.get(record.state))
        for record in records
        if record.user_id in names
    )


def _there(moment: datetime) -> str:
    """Return the wall clock of a terminal, which shows UTC, as that of the site."""
    return moment.replace(tzinfo=UTC).astimezone(DHAKA).strftime("%Y-%m-%d %H:%M:%S")


def found(frappe: FrappeSite) -> Counter[Checkin]:
    """Return the checkins that a site has."""
    return Counter((one["employee"], one["time"], one["log_type"]) for one in frappe.checkins)


def sums(run: Result) -> dict[str, int]:
    """Return how many punches the journal has in each state after a run."""
    states: dict[str, int] = run.document()["sums"]["journal"]["dashboard"]
    return states


def until_nothing_is_pending(site: Site) -> list[Result]:
    """Run until nothing is pending, or so often that something must be wrong; return all runs."""
    runs: list[Result] = []
    while not runs or sums(runs[-1])["pending"]:
        assert len(runs) < RUNS, runs[-1]
        runs.append(site.sync("--json", "-v"))
    return runs


def punch_in_all_states(terminal: Terminal) -> None:
    """Let somebody punch in each of the states that are neither an arrival nor a departure."""
    user, last = terminal.users[0].user_id, terminal.history[-1].time
    for number, state in enumerate((2, 3, 255), 1):
        terminal.punch(user, last + timedelta(minutes=number), state=state)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_goes_wrong_each_is_there_once(site: Site, seed: int) -> None:
    """After some runs the checkins are just the journal's confirmed punches, each once."""
    front = Terminal.with_samples(16, users=8)
    gate = Terminal.with_samples(6, users=3, model=Model(serial="GATE1"))
    punch_in_all_states(front)
    with FrappeSite(seed) as frappe, serve(front) as one, serve(gate) as other:
        frappe.blind_to_absent_log_type = True
        frappe.language = "de"
        employ(frappe, front)
        write(site, frappe, entry("front", one), entry("gate", other, direction="none"))
        runs = until_nothing_is_pending(site)
    assert frappe.troubles
    assert found(frappe) == expected(frappe, front.history, LOG_TYPES) + expected(frappe, gate.history, {})
    assert sums(runs[-1])["confirmed"] == len(frappe.checkins) == 25
    assert not any(part in run.out + run.err for run in runs for part in TOKEN.split(":"))


@pytest.mark.parametrize(("nth", "direction"), [(1, "state"), (1, "none"), (4, "none")])
def test_killed_before_the_answer(site: Site, nth: int, direction: str) -> None:
    """A run that is killed while the site has the punch and not yet answered is taken up by the next."""
    terminal = Terminal.with_samples(6, users=3)
    with FrappeSite() as frappe, serve(terminal) as address:
        frappe.blind_to_absent_log_type = True
        employ(frappe, terminal)
        write(site, frappe, entry("front", address, direction=direction))
        run = site.start("sync")

        def kill() -> None:
            if len(frappe.checkins) == nth:
                run.kill()

        frappe.stored = kill
        assert site.finish(run).code == -signal.SIGKILL
        assert len(frappe.checkins) == nth
        last = site.sync("--json")
    log_types = LOG_TYPES if direction == "state" else {}
    assert found(frappe) == expected(frappe, terminal.history, log_types)
    assert (last.code, sums(last)["confirmed"], len(frappe.checkins)) == (0, 6, 6)


def test_an_unknown_employee_is_parked_until_there_is_one(site: Site) -> None:
    """The others' punches arrive; why the rest is parked is told, and once it is mended they arrive, too."""
    terminal = Terminal.with_samples(8, users=4)
    user = terminal.users[2].user_id
    with FrappeSite() as frappe, serve(terminal) as address:
        frappe.language = "de"
        employ(frappe, terminal, without=user)
        write(site, frappe, entry("front", address))
        first = site.sync("--json")
        assert (first.code, sums(first)["confirmed"], sums(first)["parked"]) == (1, 6, 2)
        assert f"no employee has attendance_device_id {user}" in site.run("outbox", "list").out
        frappe.employ(user)
        assert "2 punches" in site.run("outbox", "retry", "--user", user).out
        assert site.sync().code == 0
    assert found(frappe) == expected(frappe, terminal.history, LOG_TYPES)


def test_a_site_that_refuses_everything_parks_nothing(site: Site) -> None:
    """Where the checkins are in another app, a person is told in the site's words, and all is kept."""
    terminal = Terminal.with_samples(30, users=20)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        frappe.app = "erpnext"
        write(site, frappe, entry("front", address))
        refused = site.sync("--json")
        (delivery,) = refused.document()["deliveries"]
        assert (delivery["pending"], delivery["kind"]) == (30, "refused")
        assert "No module named 'hrms'" in delivery["problem"]
        frappe.app = "hrms"
        assert site.sync().code == 0
    assert found(frappe) == expected(frappe, terminal.history, LOG_TYPES)


def test_a_ping(site: Site) -> None:
    """`zkpoll dashboards ping` says what is well, and what is not, without the secret."""
    with FrappeSite() as frappe, serve(Terminal.with_samples(2)) as address:
        frappe.employ("1001")
        frappe.zone = "Asia/Kolkata"
        write(site, frappe, entry("front", address))
        ping = site.run("dashboards", "ping")
        assert ping.code != 0
        assert "the site is in Asia/Kolkata, and timezone: says Asia/Dhaka" in " ".join(ping.out.split())
        frappe.zone = "Asia/Dhaka"
        assert site.run("dashboards", "ping").code == 0
        site.environment["TOKEN"] = f"{TOKEN}wrong"
        refused = [site.run("dashboards", "ping"), site.sync("-v")]
        assert [run.code for run in refused] == [1, 1]
    assert frappe.checkins == []
    assert not any(part in run.out + run.err for run in (ping, *refused) for part in TOKEN.split(":"))


def test_a_site_in_another_zone(site: Site) -> None:
    """Nothing goes to a site whose clock is not the one that the inventory says: all hours would be wrong."""
    terminal = Terminal.with_samples(3, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        frappe.zone = "Asia/Kolkata"
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        run = site.sync()
        assert (run.code, frappe.checkins) == (1, [])
        assert "the site is in Asia/Kolkata, and timezone: says" in run.err
        frappe.zone = "Asia/Dhaka"
        assert site.sync().code == 0
        assert len(frappe.checkins) == 3
