"""`zkpoll dashboards`: whether they would take punches, and going on after they were gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.journal.helpers import piece, punch, visit
from tests.peers import closed_port
from tests.site import TOKEN, entry
from zkpoll.journal.opening import lock, open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.simulator import HttpAnswer

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

DEVICE = entry("front-door", ("127.0.0.1", 9))


def write(site: Site, **urls: str) -> None:
    """Write an inventory with these dashboards."""
    site.write("http://127.0.0.1:9/x", DEVICE)
    listed = "".join(f"  - {{name: {name}, url: '{url}', token: '{TOKEN}'}}\n" for name, url in urls.items())
    lines = site.inventory.read_text().splitlines(keepends=True)
    site.inventory.write_text(f"dashboard:\n{listed}{''.join(lines[1:])}")


def test_a_dashboard_that_is_well(site: Site, dashboard: SampleDashboard) -> None:
    """It is a line, and with -v each step is; nothing is kept there, and no journal is made here."""
    site.write(dashboard.url, DEVICE)
    short, told = site.run("dashboards", "ping"), site.run("dashboards", "ping", "-v")
    assert (told.code, told.err) == (0, "")
    assert short.out.startswith("dashboard  ok      answer 200 to an empty batch, credentials accepted, ")
    assert short.out.count("\n") == 1
    lines = [line.split("  ") for line in told.out.splitlines()]
    assert [line[:3] for line in lines] == [
        ["dashboard", step, "ok"] for step in ("name", "connection", "answer", "credentials")
    ]
    assert lines[3][3:] == ["-", "accepted"]
    assert dashboard.events == {}
    assert not site.journal.exists()


def test_one_that_does_not_know_us(site: Site, dashboard: SampleDashboard) -> None:
    """A token that is refused is told with what to fix, and is no unreachable dashboard."""
    dashboard.token = "another"
    site.write(dashboard.url, DEVICE)
    told = site.run("dashboards", "ping", "--json")
    (found,) = json.loads(told.out)
    assert (told.code, found["name"], found["ok"], found["answered"]) == (1, "dashboard", False, True)
    assert found["steps"][-1]["name"] == "credentials"
    assert "check token:" in found["steps"][-1]["text"]
    assert set(found["steps"][-1]) == {"name", "ok", "seconds", "text"}
    assert TOKEN not in told.out


def test_some_that_are_away(site: Site, dashboard: SampleDashboard) -> None:
    """One that is away is attention; when nothing could be reached, that is what the code says."""
    with closed_port() as (host, port):
        write(site, good=dashboard.url, away=f"http://{host}:{port}/x")
        both, away, good = (
            site.run("dashboards", "ping", *names) for names in ((), ("away",), ("good", "good"))
        )
    assert (both.code, away.code, good.code) == (1, 69, 0)
    assert both.out.startswith("good  ok      answer 200 ")
    assert f"\naway  failed  connection: {host}:{port} refuses " in both.out
    assert both.out.endswith("\n1 of 2 well: away not\n")
    assert away.out.startswith("away  failed  connection: ")
    assert good.out.count("\n") == 1


def test_a_name_that_is_not_there(site: Site, dashboard: SampleDashboard) -> None:
    """A name that the inventory lacks is wrong usage."""
    site.write(dashboard.url, DEVICE)
    told = site.run("dashboards", "ping", "main")
    assert told.code == 2
    assert "no dashboard 'main' in the inventory; there are dashboard" in told.err


def test_one_that_was_gone(site: Site, dashboard: SampleDashboard) -> None:
    """After 410 nothing is sent; after `resume` everything is; a second time there is nothing to resume."""
    site.write(dashboard.url, DEVICE)
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        visit(journal).take(piece(punch("a"), punch("b")))
    dashboard.answers.append(HttpAnswer(410))
    site.sync()
    site.sync()
    assert len(dashboard.requests) == 1
    resumed = site.run("dashboards", "resume", "dashboard")
    assert (resumed.code, resumed.err) == (0, "")
    assert resumed.out.startswith(
        "dashboard gets punches again from the next delivery on (it was stopped: the "
    )
    assert "410" in resumed.out
    site.sync()
    assert len(dashboard.events) == 2
    again = site.run("dashboards", "resume", "dashboard")
    assert (again.code, again.out) == (0, "dashboard was not stopped; there is nothing to resume.\n")


def test_resuming_what_is_not_there(site: Site, dashboard: SampleDashboard) -> None:
    """A name that the journal lacks is wrong usage; without a journal none is made."""
    site.write(dashboard.url, DEVICE)
    none = site.run("dashboards", "resume", "dashboard")
    assert (none.code, site.journal.exists()) == (74, False)
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
    told = site.run("dashboards", "resume", "main")
    assert told.code == 2
    assert "no dashboard 'main' in the journal; there are dashboard" in told.err


def test_a_dashboard_that_is_delivered_to(site: Site, dashboard: SampleDashboard) -> None:
    """While a delivery goes on nothing is changed: code 75, and one sentence."""
    site.write(dashboard.url, DEVICE)
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard").halt("gone")
        with lock(site.journal, "dashboard dashboard"):
            told = site.run("dashboards", "resume", "dashboard")
        assert JournalOutbox(journal, "dashboard").halted() == "gone"
    assert (told.code, told.out) == (75, "")
    assert told.err == "zkpoll: dashboard: another run delivers to it now; nothing was changed, try again\n"
