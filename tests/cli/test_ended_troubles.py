"""Troubles of what left the inventory end at the next `zkpoll sync`, and cron hears why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from tests.peers import closed_port
from tests.site import entry
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def full_terminal() -> Terminal:
    """Return a terminal with room for three records, and as many punches."""
    terminal = Terminal(Model(serial="F", capacity=3))
    for minute in range(3):
        terminal.punch("1001", datetime(2026, 11, 1, 8, minute))
    return terminal


def test_devices_that_leave(site: Site, dashboard: SampleDashboard) -> None:
    """Taken out or switched off: told once with why, by any run; one that is back begins anew."""
    metrics = f"metrics: {{textfile: {site.folder / 'zkpoll.prom'}}}\n"
    with serve(full_terminal()) as a, serve(Terminal.with_samples(3)) as b, closed_port() as (host, port):
        gone, off, well = entry("ctg-1", (host, port)), entry("ctg-2", ("127.0.0.2", port)), entry("ctg-3", b)
        site.write(dashboard.url, gone, off, well, entry("ctg-4", a), more=metrics)
        begun = site.sync()
        site.write(dashboard.url, f"{off}, enabled: false", well, entry("ctg-4", a), more=metrics)
        ended, again = site.sync("--device", "ctg-3"), site.sync()
        figures = (site.folder / "zkpoll.prom").read_text()
        site.write(dashboard.url, off, well, entry("ctg-4", a), more=metrics)
        back = site.sync()
    told = [line.split(": ")[1] for line in begun.err.splitlines()]
    assert sorted(set(told)) == ["device ctg-1", "device ctg-2", "device ctg-4"]
    assert ended.err.splitlines() == [
        "zkpoll: device ctg-1: ended, after 0 min: taken out of the inventory",
        "zkpoll: device ctg-2: ended, after 0 min: switched off (enabled: false)",
    ]
    assert (again.code, again.err) == (1, "")  # ctg-4 is full still, as was told
    assert not [name for name in ("ctg-1", "ctg-2") if f'"{name}"' in figures]
    assert back.err.startswith("zkpoll: device ctg-2: ")
    assert "still" not in back.err


def test_a_renamed_device_and_a_dashboard_that_left(site: Site, dashboard: SampleDashboard) -> None:
    """A terminal is told under its new name; a dashboard's troubles end, but that punches wait for it."""
    with serve(full_terminal()) as address, closed_port() as (host, port):
        site.write(f"http://{host}:{port}/", entry("ctg-4", address))
        begun = site.sync()
        site.write_for(f"name: other, url: '{dashboard.url}', token: x", entry("ctg-5", address))
        left = site.sync()
        which = ("--to", "dashboard", "--all", "--pending")
        given_up = site.run("outbox", "discard", *which, "--reason", "gone", "--yes")
        ended, again = site.sync(), site.sync()
    assert "zkpoll: dashboard dashboard: " in begun.err
    assert "zkpoll: device ctg-4: ended, after 0 min: called ctg-5 now\n" in left.err
    assert "zkpoll: device ctg-5: its log is full" in left.err
    waits = "dashboard dashboard: 3 punches wait for it, and it is not in the inventory any more"
    assert waits in left.err
    assert given_up.code == 0, given_up.err
    assert ended.err == "zkpoll: dashboard dashboard: ended, after 0 min: taken out of the inventory\n"
    assert (again.code, again.err) == (1, "")
