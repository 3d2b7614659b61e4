"""`zkpoll sync` and what dashboards do to it: records at fault, absences, several of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.peers import closed_port
from tests.site import TOKEN, Site, entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator import Received


def ids_of(terminal: Terminal, *, without: str = "") -> set[str]:
    """Return the ids of every punch a terminal took, but those of one person."""
    return {
        punch_id(str(terminal.model.serial), record.user_id, record.time.isoformat())
        for record in terminal.history
        if record.user_id != without
    }


def refusing(dashboard: SampleDashboard, user: str, status: int = 422) -> Callable[[Received], HttpAnswer]:
    """Return a dashboard's way to refuse whatever holds a punch of `user`, without saying why."""

    def treat(request: Received) -> HttpAnswer:
        events = json.loads(request.body)["events"]
        if any(event["user_id"] == user for event in events):
            return HttpAnswer(status, b'{"error": "some employee is unknown"}')
        return dashboard.default(request)

    return treat


def dashboards(site: Site, *urls: tuple[str, str], more: str = "") -> None:
    """Make the inventory's dashboard a list of them, by name."""
    entries = "".join(f"  - {{name: {name}, url: '{url}', token: {TOKEN}{more}}}\n" for name, url in urls)
    rest = site.inventory.read_text().partition("journal:")[2]
    site.inventory.write_text(f"dashboard:\n{entries}journal:{rest}")


def settings(site: Site, more: str) -> None:
    """Add settings to the inventory's one dashboard."""
    site.inventory.write_text(site.inventory.read_text().replace("attempts: 1", f"attempts: 1, {more}", 1))


def test_an_unknown_employee_holds_up_nobody(site: Site, dashboard: SampleDashboard) -> None:
    """One person's refused punches are parked, and all others arrive in the same run."""
    terminal = Terminal.with_samples(300, users=20)
    user = terminal.users[3].user_id
    dashboard.answers.extend([refusing(dashboard, user)] * 500)
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        first, second = site.sync(), site.sync()
        assert dashboard.events.keys() == ids_of(terminal, without=user)
        parked = len(ids_of(terminal)) - len(dashboard.events)
        assert first.code == second.code == 1
        assert first.err == (
            f"zkpoll: dashboard dashboard: {parked} punches are parked; see `zkpoll outbox list`\n"
        )
        assert second.err == ""
        dashboard.answers.clear()
        assert f"{parked} punches" in site.run("outbox", "retry", "--user", user).out
        last = site.sync()
    assert last.code == 0
    assert dashboard.events.keys() == ids_of(terminal)
    assert "dashboard dashboard: well again" in last.err
    assert dashboard.duplicates == 0


def test_a_backlog_goes_out_oldest_first_and_capped(site: Site, dashboard: SampleDashboard) -> None:
    """After an absence each run sends as much as it may, oldest first, and says what waits."""
    terminal = Terminal.with_samples(250)
    with serve(terminal) as address:
        with closed_port() as (host, port):
            site.write(f"http://{host}:{port}/", entry("front", address))
            settings(site, "batch_size: 50")
            away = site.report()
        (delivery,) = away["deliveries"]
        assert (delivery["pending"], away["exit_code"]) == (250, 1)
        assert delivery["oldest_pending"]
        site.write(dashboard.url, entry("front", address))
        settings(site, "batch_size: 50, max_per_run: 100")
        runs = [site.report()["deliveries"][0] for _ in range(3)]
    assert [(run["confirmed_now"], run["pending"], run["capped"]) for run in runs] == [
        (100, 150, True), (100, 50, True), (50, 0, False),
    ]  # fmt: skip
    assert [event["timestamp"][:19] for event in dashboard.events.values()] == [
        record.time.isoformat() for record in terminal.history
    ]


def test_each_dashboard_has_its_own_troubles(site: Site, dashboard: SampleDashboard) -> None:
    """One that is away delays no other, and gets everything when it is back, under the same ids."""
    terminal = Terminal.with_samples(30)
    with serve(terminal) as address, SampleDashboard(TOKEN) as second:
        site.write("http://unused.example.com", entry("front", address))
        with closed_port() as (host, port):
            dashboards(
                site, ("main", dashboard.url), ("second", f"http://{host}:{port}/"), more=", attempts: 1"
            )
            first = site.report()
        assert [delivery["ok"] for delivery in first["deliveries"]] == [True, False]
        assert first["sums"]["journal"]["main"]["confirmed"] == 30
        assert first["sums"]["journal"]["second"]["pending"] == 30
        dashboards(site, ("main", dashboard.url), ("second", second.url))
        assert site.sync().code == 0
        assert dashboard.events == second.events
        assert second.events.keys() == ids_of(terminal)


def test_one_that_left_is_an_error_until_given_up(site: Site, dashboard: SampleDashboard) -> None:
    """Punches that wait for a dashboard which is no longer named are told of until a person discards them."""
    terminal = Terminal.with_samples(4)
    with serve(terminal) as address:
        site.write("http://unused.example.com", entry("front", address))
        with closed_port() as (host, port):
            dashboards(site, ("main", dashboard.url), ("old", f"http://{host}:{port}/"), more=", attempts: 1")
            site.sync()
        dashboards(site, ("main", dashboard.url))
        left = site.sync()
        assert left.code == 1
        assert "dashboard old: 4 punches wait for it, and it is not in the inventory any more" in left.err
        discard = ("outbox", "discard", "--to", "old", "--all", "--pending", "--reason", "shut down", "--yes")
        assert site.run(*discard).code == 0
        over = site.sync()
        assert over.code == 0
        assert "dashboard old: ended" in over.err
        terminal.punch(terminal.users[0].user_id)
        assert site.sync().code == 0


def test_plain_http_is_told_once(site: Site) -> None:
    """Punches that anybody on the way can read are worth a word, once, and are no error."""
    with serve(Terminal.with_samples(1)) as address:
        site.write("http://192.0.2.1/punches", entry("front", address))
        first, second = site.sync("--no-deliver"), site.sync("--no-deliver")
        assert (first.code, second.code, second.err) == (0, 0, "")
        assert first.err.startswith("zkpoll: way to dashboard dashboard: plain http")
        assert site.report("--no-deliver")["deliveries"][0]["exposed"] is True
