"""`zkpoll sync` to a site of Frappe HR, with all that goes wrong on the way to it and in it."""

from __future__ import annotations

import signal
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from tests.delivery.frappe_site import TOKEN, FrappeSite, error_body
from tests.delivery.troubled import CUT
from tests.host_clock import YEARS, on_a_host
from tests.site import Site, entry
from zkpoll.simulator import HttpAnswer, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.site import Result
    from zkpoll.simulator import Received, Record

DHAKA = ZoneInfo("Asia/Dhaka")
LOG_TYPES = {0: "IN", 1: "OUT"}
RUNS = 15
"""In a row, of which one must bring something through; each has six attempts for each request that fails."""

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


def _waiting(run: Result) -> int:
    return sums(run)["pending"] + sums(run)["parked"]


def until_nothing_waits(site: Site) -> list[Result]:
    """Run until nothing is pending or parked; return all runs. Fail where so many bring nothing through.

    A site that fails so often may have a punch parked; a person sends it again.
    """
    runs: list[Result] = []
    while not runs or _waiting(runs[-1]):
        assert len(runs) < RUNS or _waiting(runs[-1]) < _waiting(runs[-RUNS]), runs[-1]
        if runs and sums(runs[-1])["parked"]:
            assert site.run("outbox", "retry", "--all").code == 0
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
        runs = until_nothing_waits(site)
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
        assert (delivery["pending"], delivery["failure"]) == (30, "refused")
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


ATTEMPTS = 6
"""How often a request is sent in a run, as `write` has it."""


def zones_asked(frappe: FrappeSite) -> int:
    """Return how often a site was asked for its time zone."""
    return sum(request.path.endswith("get_time_zone") for request in frappe.requests)


def test_a_site_that_never_told_its_zone(site: Site) -> None:
    """Where the first answer is lost in all attempts, nothing is sent; the next run is told, and sends."""
    terminal = Terminal.with_samples(3, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        frappe.answers.extend([CUT] * ATTEMPTS)
        lost = site.sync("--json")
        (delivery,) = lost.document()["deliveries"]
        assert (lost.code, delivery["failure"], delivery["pending"]) == (1, "unreachable", 3)
        assert [request.method for request in frappe.requests] == ["GET"] * ATTEMPTS
        frappe.answers.append(CUT)
        assert site.sync().code == 0
    assert found(frappe) == expected(frappe, terminal.history, LOG_TYPES)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            HttpAnswer(403, error_body("PermissionError", "Not permitted")),
            "403 to the question for its time zone; let the user of token:, and whatever stands before",
        ),
        (HttpAnswer(200, b'{"message": {"time_zone": null}}'), "set Time Zone in its System Settings"),
        (HttpAnswer(200, b'{"message": {"time_zone": "Mars/X"}}'), "a time zone that is unknown here"),
    ],
)
def test_a_site_that_cannot_tell_its_zone(site: Site, answer: HttpAnswer, told: str) -> None:
    """What keeps a site from telling is told, with what to do, and nothing is sent."""
    terminal = Terminal.with_samples(3, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        frappe.answers.append(answer)
        refused = site.sync()
        assert (refused.code, len(frappe.requests), frappe.checkins) == (1, 1, [])
        assert told in refused.err
        assert site.sync().code == 0
    assert found(frappe) == expected(frappe, terminal.history, LOG_TYPES)


def a_day_later(site: Site) -> None:
    """Let what the site told have been told more than a day ago."""
    past = datetime.now(UTC) - timedelta(hours=25)
    with closing(sqlite3.connect(site.journal)) as db, db:
        db.execute("UPDATE destination SET answered_at = ?", [past.isoformat(timespec="milliseconds")])


def test_the_zone_is_asked_for_daily(site: Site) -> None:
    """A day later it is asked for again; an answer that is lost then stops nothing, a changed one all."""
    terminal = Terminal.with_samples(2, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))

        def punched() -> tuple[int, int]:
            """Punch, run, and return how often the zone was asked for, and how many checkins there are."""
            del frappe.requests[:]
            terminal.punch(terminal.users[0].user_id, terminal.history[-1].time + timedelta(minutes=1))
            site.sync()
            return zones_asked(frappe), len(frappe.checkins)

        assert punched() == (1, 3)
        assert punched() == (0, 4)
        a_day_later(site)
        frappe.answers.append(CUT)
        assert punched() == (1, 5)
        frappe.zone = "Asia/Kolkata"
        assert punched() == (1, 5)
        frappe.answers.append(CUT)
        assert punched() == (1, 5)
        frappe.zone = "Asia/Dhaka"
        assert punched() == (1, 8)


def test_a_zone_that_was_told_in_a_time_to_come(site: Site) -> None:
    """What a host whose clock was wrong has written down counts for nothing once it is right."""
    terminal = Terminal.with_samples(2, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        with on_a_host(site, ahead=YEARS):
            site.sync()
        assert (zones_asked(frappe), len(frappe.checkins)) == (1, 2)
        terminal.punch(terminal.users[0].user_id, terminal.history[-1].time + timedelta(minutes=1))
        frappe.answers.extend([CUT] * ATTEMPTS)
        site.sync()
        assert (zones_asked(frappe), len(frappe.checkins)) == (1 + ATTEMPTS, 2)
        site.sync()
        assert (zones_asked(frappe), len(frappe.checkins)) == (2 + ATTEMPTS, 3)


def test_another_address_or_zone_is_asked_for_anew(site: Site) -> None:
    """What one site told is no answer of another one, nor to another `timezone:`."""
    terminal = Terminal.with_samples(2, users=2)
    with FrappeSite() as frappe, FrappeSite() as other, serve(terminal) as address:
        for one in (frappe, other):
            employ(one, terminal)
        write(site, frappe, entry("front", address))
        assert site.sync().code == 0
        terminal.punch(terminal.users[0].user_id, terminal.history[-1].time + timedelta(minutes=1))
        write(site, other, entry("front", address))
        other.answers.extend([CUT] * ATTEMPTS)
        assert (site.sync().code, other.checkins) == (1, [])
        inventory = site.inventory.read_text("utf-8")
        site.inventory.write_text(
            inventory.replace("timezone: Asia/Dhaka}", "timezone: Asia/Kolkata}"), "utf-8"
        )
        assert "and timezone: says Asia/Kolkata" in site.sync().err
        site.inventory.write_text(inventory, "utf-8")
        assert site.sync().code == 0
        assert (len(frappe.checkins), len(other.checkins)) == (2, 1)


def test_killed_while_the_site_tells_its_zone(site: Site) -> None:
    """A run that is killed before it heard the zone has sent nothing; the next one asks, and sends all."""
    terminal = Terminal.with_samples(4, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        run = site.start("sync")

        def kill(request: Received) -> HttpAnswer:
            run.kill()
            return frappe.serve(request)

        frappe.answers.append(kill)
        assert site.finish(run).code == -signal.SIGKILL
        assert (zones_asked(frappe), len(frappe.requests), frappe.checkins) == (1, 1, [])
        assert site.sync().code == 0
        assert zones_asked(frappe) == 2
    assert found(frappe) == expected(frappe, terminal.history, LOG_TYPES)


@pytest.mark.parametrize("command", [("dashboards", "ping"), ("sync", "--dry-run")])
def test_a_look_writes_down_no_zone(site: Site, command: tuple[str, ...]) -> None:
    """What a ping hears is not what a delivery goes by, and a preview asks for nothing."""
    terminal = Terminal.with_samples(2, users=2)
    with FrappeSite() as frappe, serve(terminal) as address:
        employ(frappe, terminal)
        write(site, frappe, entry("front", address))
        site.run(*command)
        frappe.answers.extend([CUT] * ATTEMPTS)
        assert (site.sync().code, frappe.checkins) == (1, [])
