"""Terminals' clocks that are off: from when on, in which words, and what a dashboard hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.simulator import HttpAnswer, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

ASKS = (
    "its clock is 59 min ahead, and so are its punches: is timezone: UTC right? If it is, put the clock right"
)


def off_by(terminal: Terminal, **span: float) -> None:
    """Let the terminal's clock be ahead of the true time."""
    terminal.set_clock(datetime.now(UTC).replace(tzinfo=None) + timedelta(**span))


def test_a_dashboard_that_asks_for_doubtful_times(site: Site, dashboard: SampleDashboard) -> None:
    """With extra_fields: each event says whether its clock can be right, also in a repeated request."""
    terminal = Terminal()
    terminal.punch("1001", datetime(2000, 1, 1, 8))
    terminal.punch("1002", datetime(2026, 11, 1, 8))
    dashboard.answers.append(HttpAnswer(cut=True, body=b"", keep=True))
    with serve(terminal) as address:
        settings = f"url: '{dashboard.url}', token: '${{TOKEN}}', attempts: 1"
        site.write_for(f"{settings}, extra_fields: [clock_suspect]", entry("front", address))
        shown = site.sync("--dry-run")
        lost, again = site.sync(), site.sync()
    assert '"clock_suspect":true' in shown.err
    assert (lost.code, again.code) == (1, 0)
    doubts = {one["user_id"]: one["clock_suspect"] for one in dashboard.events.values()}
    assert doubts == {"1001": True, "1002": False}
    first, second = dashboard.requests
    assert first.body == second.body


def test_a_clock_that_is_an_hour_off(site: Site, dashboard: SampleDashboard) -> None:
    """59 minutes are told alike by sync, ping, clock and the figures, with the question for the zone."""
    terminal = Terminal.with_samples(3)
    off_by(terminal, minutes=59)
    with serve(terminal) as address:
        more = f"metrics: {{textfile: {site.folder / 'zkpoll.prom'}}}\n"
        site.write(dashboard.url, entry("front", address), more=more)
        told, ping, clock = site.sync(), site.run("devices", "ping"), site.run("devices", "clock")
        figures = (site.folder / "zkpoll.prom").read_text()
        off_by(terminal, days=-2, hours=-3)
        behind = site.sync("--json")
        site.write(dashboard.url, entry("front", address, warn_clock="never"))
        never = [site.sync(), site.run("devices", "ping"), site.run("devices", "clock")]
        site.write(dashboard.url, entry("front", address, warn_clock="10s"))
        off_by(terminal, seconds=-30)
        strict = site.report()["troubles"]["device front"]
    assert (told.code, told.err) == (1, f"zkpoll: device front: {ASKS}\n")
    assert (ping.code, clock.code) == (1, 1)
    assert ASKS.removeprefix("its clock is ") in ping.out
    assert ASKS.removeprefix("its clock is ") in clock.out
    assert 'zkpoll_device_clock_off{device="front"} 1.0' in figures
    assert "its clock is 2 days 3 h behind, and so are its punches; put it right" in behind.out
    assert [one.code for one in never] == [0, 0, 0]
    assert strict["kind"] == "clock"
    assert "s behind, and so are its punches; put it right" in strict["text"]
