"""`zkpoll devices list`: the devices of the inventory, with what the journal knows of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.simulator import HttpAnswer, Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"


def test_before_anything_was_read(site: Site) -> None:
    """Devices that nobody has read yet are listed as the inventory has them, and no journal is begun."""
    host = ("127.0.0.1", 9)
    site.write(
        "http://127.0.0.1:9/x",
        entry("front", host),
        entry("back", host, serial="X1", enabled="false", port=10),
    )
    told = site.run("devices", "list")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        "front  127.0.0.1:9  -  never  -  -  0",
        "back (off)  127.0.0.1:10  X1  never  -  -  0",
    ]
    assert not site.journal.exists()


def test_after_a_reading(site: Site, dashboard: SampleDashboard) -> None:
    """Serial number, last reading, how full the log is, the clock, and what waits are the journal's."""
    terminal = Terminal.with_samples(30, model=Model(capacity=60))
    terminal.set_clock(datetime.now() + timedelta(seconds=25))
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        dashboard.answers.append(HttpAnswer(503))
        assert site.sync().code == 1
        connections = terminal.connections
        told, document = site.run("devices", "list"), site.run("devices", "list", "--json")
        assert terminal.connections == connections
    (line,) = told.out.splitlines()
    name, address, serial, read, fill, drift, backlog = line.split("  ")
    assert (name, address, serial, fill, backlog) == (
        "front",
        f"127.0.0.1:{where.port}",
        SERIAL,
        "50 %",
        "30",
    )
    assert datetime.now(UTC) - datetime.fromisoformat(read) < timedelta(minutes=5)
    assert 20 <= int(drift.removesuffix(" s")) <= 26
    (found,) = json.loads(document.out)
    assert (found["on_device"], found["capacity"], found["backlog"]) == (30, 60, 30)
    assert (found["name"], found["serial_number"], found["enabled"]) == ("front", SERIAL, True)


def test_a_log_of_unknown_size(site: Site, dashboard: SampleDashboard) -> None:
    """Where a device does not tell how many records there is room for, their number stands there."""
    with serve(Terminal.with_samples(1234, model=Model(sizes=4))) as where:
        site.write(dashboard.url, entry("front", where))
        assert site.sync().code == 0
    assert site.run("devices", "list").out.split("  ")[4:7:2] == ["1,234", "0\n"]


def test_no_secret_is_needed(site: Site, dashboard: SampleDashboard) -> None:
    """An operator's shell has neither the variables nor the files of secrets, and can list all the same."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9), comm_key="'${NOT_THERE}'"))
    assert site.run("devices", "list").code == 0
