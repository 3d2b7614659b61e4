"""Two terminals whose cables, or addresses, were exchanged: one sentence, and nothing is lost or mixed up."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

from tests.look import look
from tests.site import entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import Listening, SampleDashboard

TWO = (
    "gate and hall answer at each other's address: exchange their cables or their addresses again, or their"
    " host: in the inventory; their logs are kept meanwhile, and not delivered"
)


def place(site: Site, dashboard: SampleDashboard, **at: Listening) -> None:
    """Write an inventory with each device at an address."""
    site.write(dashboard.url, *(entry(name, address) for name, address in at.items()))


def test_swapped_and_back(site: Site, dashboard: SampleDashboard) -> None:
    """Cron hears one line; punches wait under their own terminals, and go out when it is over."""
    gate, hall = (
        Terminal.with_samples(5, model=Model(serial="G1")),
        Terminal.with_samples(5, model=Model(serial="H1")),
    )
    with ExitStack() as stack:
        first, second = stack.enter_context(serve(gate)), stack.enter_context(serve(hall))
        place(site, dashboard, gate=first, hall=second)
        assert site.sync().code == 0
        for one in (gate, hall):
            assert one.punch("1001", datetime(2027, 1, 4, 8))
        place(site, dashboard, gate=second, hall=first)
        told, again = site.sync(), site.sync()
        ping = site.run("devices", "ping")
        status = site.run("status")
        assert (told.code, told.err) == (1, f"zkpoll: device gate: {TWO}\n")
        assert (again.code, again.err) == (1, "")
        assert ping.code == 1
        failed = [line for line in ping.out.splitlines() if "  failed  " in line]
        assert [[*line.split("  ")[:2], TWO in line] for line in failed] == [
            ["gate", "failed", True],
            ["hall", "failed", True],
        ]
        assert TWO in status.out
        troubles = site.report()["troubles"]
        assert {name: one["told_by"] for name, one in troubles.items()} == {
            "device gate": None,
            "device hall": "device gate",
        }
        assert len(dashboard.events) == 10
        assert look(site.journal, "SELECT device_name, count(*) FROM punch GROUP BY device_name") == [
            ("gate", 6),
            ("hall", 6),
        ]
        place(site, dashboard, gate=first, hall=second)
        back = site.sync()
    assert back.code == 0
    assert [line.partition(",")[0] for line in back.err.splitlines()] == ["zkpoll: device gate: well again"]
    ids = {punch_id(key, "1001", "2027-01-04T08:00:00") for key in ("G1", "H1")}
    assert ids <= dashboard.events.keys()
    assert (len(dashboard.events), dashboard.duplicates) == (12, 0)


def test_three_in_a_ring(site: Site, dashboard: SampleDashboard) -> None:
    """Three that went round are one line, too, also where the serial numbers are in the inventory alone."""
    with ExitStack() as stack:
        terminals = [Terminal.with_samples(2, model=Model(serial=f"S{n}")) for n in range(3)]
        at = [stack.enter_context(serve(one)) for one in terminals]
        names = zip(("a", "b", "c"), (*at[1:], at[0]), strict=True)
        site.write(
            dashboard.url,
            *(entry(name, address, serial=f"S{n}") for n, (name, address) in enumerate(names)),
        )
        told = site.sync()
    assert told.code == 1
    assert told.err.startswith(
        "zkpoll: device a: b answers at the address of a, c answers at the address of b, and a answers at the"
        " address of c: exchange"
    )
    assert len(told.err.splitlines()) == 1
