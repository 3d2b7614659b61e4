"""Why what a person was told of has ended: it left the inventory, or was switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.inventory.helpers import read
from zkpoll.reports.departures import departures

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

WHOLE = """\
dashboard:
  - {name: hr, url: "https://erp.example.com", token: "a:b", format: frappe,
     frappe: {timezone: Asia/Dhaka, shifts: [{name: Day, devices: [front]}]}}
journal: journal.db
metrics: {textfile: zkpoll.prom}
page: {file: zkpoll.html}
health: {ping_url: "https://hc.example.com/x"}
listen: {address: "127.0.0.1:8081"}
defaults: {timezone: Asia/Dhaka}
devices:
  - {name: front, host: 10.0.0.1}
  - {name: back, host: 10.0.0.2}
  - {name: gate, serial: G1, push: true}
sites: {dhaka: {}}
workers: {broker: "redis://10.0.0.5", every: 5m}
databases:
  - {name: hq, kind: att2000, file: hq.mdb, site: dhaka}
"""
SUBJECTS = frozenset(
    (
        *("device front", "device back", "push gate", "push dialect of gate", "push door", "database hq"),
        *("dashboard hr", "way to dashboard hr", "backlog of hr", "shift Day of hr"),
        *("metrics", "health check", "metrics of serve", "this host", "raw copies"),
        *("page", "page of serve"),
        *("queue dhaka", "queue of devices without site", "deliveries", "broker"),
    )
)
"""All that a person is told of."""
GONE = "taken out of the inventory"
OFF = "switched off (enabled: false)"
NOTHING = "nothing pushes any more"


def left(inventory: Inventory, **renamed: str) -> dict[str, str]:
    """Return what left, in a run beside which no `serve` is."""
    return departures(SUBJECTS, inventory, renamed, "run")


def test_what_is_there_has_not_left(tmp_path: Path) -> None:
    """Nothing ends of what the inventory has, whoever looks."""
    inventory = read(tmp_path, WHOLE)
    assert left(inventory) == departures(SUBJECTS, inventory, {}, "serve") == {}


FEW = "no two terminals are read any more that could tell"


@pytest.mark.parametrize(
    ("line", "instead", "found"),
    [
        ("  - {name: back, host: 10.0.0.2}\n", "", {"device back": GONE, "this host": FEW}),
        ("host: 10.0.0.2}", "host: 10.0.0.2, enabled: false}", {"device back": OFF, "this host": FEW}),
        ("name: back", "name: rear", {"device back": "called rear now"}),
        (
            "name: back, host: 10.0.0.2",
            "name: back, serial: B, push: true",
            {"device back": "not called any more: no host:", "this host": FEW},
        ),
        (
            "site: dhaka}",
            "site: dhaka, enabled: false}",
            {"database hq": OFF, "queue dhaka": "it has no errands any more"},
        ),
        (
            "databases:\n  - {name: hq, kind: att2000, file: hq.mdb, site: dhaka}\n",
            "",
            {"database hq": GONE, "queue dhaka": "it has no errands any more"},
        ),
        (
            'workers: {broker: "redis://10.0.0.5", every: 5m}\n',
            "",
            dict.fromkeys(("queue dhaka", "queue of devices without site", "deliveries", "broker"), GONE),
        ),
        ("name: Day", "name: Night", {"shift Day of hr": GONE}),
        ("name: hr", "name: erp", {one: GONE for one in SUBJECTS if one.endswith("hr")}),
        ("metrics: {textfile: zkpoll.prom}\n", "", {"metrics": GONE, "metrics of serve": GONE}),
        ("page: {file: zkpoll.html}\n", "", {"page": GONE, "page of serve": GONE}),
        ('health: {ping_url: "https://hc.example.com/x"}\n', "", {"health check": GONE}),
        (
            "push: true}",
            "push: true, enabled: false}",
            {
                "push gate": OFF,
                "push dialect of gate": OFF,
                "push door": NOTHING,
                "metrics of serve": NOTHING,
                "page of serve": NOTHING,
            },
        ),
    ],
)
def test_what_has_left(tmp_path: Path, line: str, instead: str, found: dict[str, str]) -> None:
    """Each kind of thing ends when it is taken out, switched off or called otherwise, and no other does."""
    assert line in WHOLE
    assert left(read(tmp_path, WHOLE.replace(line, instead)), back="rear", front="elsewhere") == found


def test_serve_and_runs_tell_of_their_own(tmp_path: Path) -> None:
    """`serve` and workers may know an older inventory: each ends its own, a worker nothing."""
    inventory = read(tmp_path, WHOLE.replace("name: gate", "name: door").replace("name: back", "name: rear"))
    assert departures(SUBJECTS, inventory, {}, "serve").keys() == {"push gate", "push dialect of gate"}
    assert departures(SUBJECTS, inventory, {}, "run beside serve").keys() == {"device back"}
    assert departures(SUBJECTS, inventory, {}, "worker") == {}
