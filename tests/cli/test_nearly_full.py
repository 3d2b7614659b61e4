"""A terminal whose log is nearly full: told by sync, ping, status and the figures, until it is cleared."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tests.look import inside
from tests.site import entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def punched(terminal: Terminal, days: int, a_day: int) -> None:
    """Let people punch so often on each of the days before today."""
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for ago in range(days, 0, -1):
        for number in range(a_day):
            assert terminal.punch("1001", midnight - timedelta(days=ago) + timedelta(minutes=number))


def figure(site: Site, name: str) -> str:
    """Return a figure of the one device, as the file for Prometheus has it."""
    lines = (site.folder / "zkpoll.prom").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(f"zkpoll_device_{name}{{"))


def test_a_nearly_full_terminal(site: Site, dashboard: SampleDashboard) -> None:
    """It is told by its first reading, once a day, wherever one looks, and when it was cleared."""
    terminal = Terminal(Model(capacity=100))
    punched(terminal, days=8, a_day=10)
    with serve(terminal) as address:
        more = f"metrics: {{textfile: {site.folder / 'zkpoll.prom'}}}\n"
        site.write(dashboard.url, entry("front", address), more=more)
        first, again = site.sync(), site.sync()
        ping, status = site.run("devices", "ping"), site.run("status")
        figures = [figure(site, name) for name in ("nearly_full", "days_until_full")]
        with inside(site.journal) as db:
            db.execute("UPDATE condition SET told_at = '2026-11-01T00:00:00+00:00'")
        daily = site.sync()
        terminal.clear()
        cleared = site.sync()
    full_on = datetime.now().date() + timedelta(days=2)
    when = f"full on about {full_on} at 10 a day"
    told = f"its log is 80 % full (80 of 100 records), {when}; have it cleared (docs/clearing.md)"
    assert first.err == f"zkpoll: device front: {told}\n"
    assert [(one.code, one.err) for one in (first, again)] == [(1, first.err), (1, "")]
    assert ping.code == 1
    assert f"80 of 100, 80 %, {when}: nearly full; have its log cleared" in ping.out
    assert status.code == 1
    assert f"trouble  device front: {told} (since " in status.out
    assert figures == ["1.0", "2.0"]
    assert daily.err.startswith("zkpoll: device front: still, for ")
    assert "its log is 80 % full" in daily.err
    assert "device front: well again, after" in cleared.err
    assert figure(site, "nearly_full") == "0.0"


def test_one_record_of_room(site: Site, dashboard: SampleDashboard) -> None:
    """With room for one record it is nearly full, then full; a log that is to wrap is neither."""
    terminal = Terminal(Model(capacity=5, when_full="drop"))
    for minute in range(4):
        terminal.punch("1001", datetime(2026, 11, 1, 8, minute))
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        nearly = site.sync()
        terminal.punch("1001", datetime(2026, 11, 1, 9))
        full = site.sync()
        site.write(dashboard.url, entry("front", address, warn_full="never"))
        silenced = site.sync()
        terminal.punch("1001", datetime(2026, 11, 1, 10))
        wrapped = site.sync()
        ping = site.run("devices", "ping")
        for minute in range(9):
            terminal.punch("1001", datetime(2026, 11, 2, 8, minute))
        unseen = site.sync()
    assert "its log is 80 % full (4 of 5 records); have it cleared (docs/clearing.md)" in nearly.err
    assert "its log is full (5 records): it refuses new punches or overwrites old ones; have it" in full.err
    assert (silenced.code, wrapped.code, wrapped.err, ping.code) == (0, 0, "", 0)
    assert unseen.code == 1
    assert "RECORDS WERE OVERWRITTEN UNSEEN" in unseen.err


def test_what_is_to_be_cleared_by_itself(site: Site, dashboard: SampleDashboard) -> None:
    """Where clear: will empty the log nobody is told, but from 98 %; a wrong clock is told beside it."""
    terminal = Terminal(Model(capacity=100))
    punched(terminal, days=9, a_day=10)
    clear = {"clear": "confirmed", "quiet_hours": f"{datetime.now() - timedelta(hours=3):%H:%M}-"}
    clear["quiet_hours"] += f"{datetime.now() - timedelta(hours=2):%H:%M}"
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address, **clear))
        well, ping = site.sync(), site.run("devices", "ping")
        for minute in range(8):
            terminal.punch("1002", datetime(2026, 11, 1, 8, minute))
        terminal.set_clock(datetime.now() + timedelta(minutes=59))
        late = site.report()
    assert (well.code, well.err, ping.code) == (0, "", 0)
    trouble = late["troubles"]["device front"]
    assert trouble["kind"] == "nearly full and clock"
    assert "its log is 98 % full (98 of 100 records)" in trouble["text"]
    assert "its clock is 59 min ahead, and so are its punches: is timezone: UTC right?" in trouble["text"]
