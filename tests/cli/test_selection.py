"""`--site`, `--device` and names: which devices and databases a command is for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest

from tests.journal.helpers import piece, punch, visit
from tests.site import entry
from zkpoll.cli.selection import Asked, databases_asked, devices_asked, fits, fitting, listed, sources_asked
from zkpoll.inventory import load
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site
    from zkpoll.inventory import Inventory
    from zkpoll.simulator import SampleDashboard

INVENTORY = """\
dashboard: {url: 'http://127.0.0.1:9'}
journal: journal.db
defaults: {timezone: UTC}
sites: {dhaka: , sylhet: , empty: }
devices:
  - {name: dhaka-1, host: 10.0.0.1, site: dhaka}
  - {name: dhaka-2, host: 10.0.0.2, site: dhaka, enabled: false}
  - {name: dhaka-gate, serial: A, push: true, site: dhaka}
  - {name: sylhet-1, host: 10.0.1.1, site: sylhet}
  - {name: 'odd [1]', host: 10.0.1.2}
databases:
  - {name: dhaka-hq, kind: att2000, file: a.mdb, site: dhaka}
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Give an inventory of three sites."""
    path = tmp_path / "devices.yaml"
    path.write_text(INVENTORY)
    return load(path, {})


@pytest.mark.parametrize(
    ("names", "sites", "meant"),
    [
        ((), (), ["dhaka-1", "sylhet-1", "odd [1]", "dhaka-hq"]),
        (("dhaka-*",), (), ["dhaka-1", "dhaka-hq"]),
        (("dhaka-2",), (), ["dhaka-2"]),
        (("dhaka-2", "*-1"), (), ["dhaka-1", "dhaka-2", "sylhet-1"]),
        ((), ("dhaka",), ["dhaka-1", "dhaka-hq"]),
        ((), ("dhaka", "sylhet"), ["dhaka-1", "sylhet-1", "dhaka-hq"]),
        (("*-1",), ("dhaka",), ["dhaka-1"]),
        (("dhaka-2",), ("dhaka",), ["dhaka-2"]),
        (("odd [1]",), (), ["odd [1]"]),
        (("dhaka-[12]",), (), ["dhaka-1"]),
    ],
)
def test_what_is_read(
    inventory: Inventory, names: tuple[str, ...], sites: tuple[str, ...], meant: list[str]
) -> None:
    """A pattern and a site mean what is in use; a name alone also what is taken out; both narrow down."""
    devices, databases = sources_asked(inventory, Asked(names, sites))
    assert [one.name for one in (*devices, *databases)] == meant
    if names or sites:
        found = listed(inventory, Asked(names, sites), "device").devices
        assert {one.name for one in devices} <= {one.name for one in found}


def test_a_command_for_one_kind_means_no_other(inventory: Inventory) -> None:
    """`devices ping 'dhaka-*'` asks no database, and `databases ping` no device."""
    asked = Asked(("dhaka-*",), parameter="NAME")
    assert [one.name for one in devices_asked(inventory, asked)] == ["dhaka-1"]
    assert [one.name for one in databases_asked(inventory, asked)] == ["dhaka-hq"]
    assert [one.name for one in listed(inventory, asked, "device").devices] == [
        "dhaka-1",
        "dhaka-2",
        "dhaka-gate",
    ]


@pytest.mark.parametrize(
    ("names", "sites", "told"),
    [
        (
            ("ctg-*",),
            (),
            (
                "no device or database fits 'ctg-*' in the inventory; there are dhaka-1, dhaka-2, dhaka-gate,"
                " sylhet-1, odd [1], dhaka-hq"
            ),
        ),
        (("dhaka",), (), "no device or database 'dhaka' in the inventory; there are dhaka-1, dhaka-2,"),
        ((), ("ctg",), "no site 'ctg' in the inventory; there are dhaka, sylhet, empty"),
        (
            ("dhaka-1",),
            ("sylhet",),
            "no device or database 'dhaka-1' in the inventory at site sylhet; there are sylhet-1",
        ),
        ((), ("empty",), "nothing is left to be asked: no device or database is at that site"),
        (
            ("*-2",),
            (),
            "nothing is left to be asked: dhaka-2 is taken out (enabled: false); say its whole name",
        ),
        (
            ("*-gate",),
            (),
            "nothing is left to be asked: dhaka-gate has no host:; it calls us (`zkpoll serve`)",
        ),
        (("dhaka-gate",), (), "dhaka-gate has no host:; it calls us (`zkpoll serve`)"),
    ],
)
def test_what_fits_nothing(
    inventory: Inventory, names: tuple[str, ...], sites: tuple[str, ...], told: str
) -> None:
    """It is wrong usage, and names what there is."""
    with pytest.raises(click.BadParameter) as caught:
        sources_asked(inventory, Asked(names, sites))
    assert caught.value.message.startswith(told)
    assert caught.value.exit_code == 2


def test_no_more_names_than_a_person_reads(tmp_path: Path) -> None:
    """Of two hundred devices twelve are named."""
    path = tmp_path / "devices.yaml"
    devices = "".join(f"  - {{name: d{i}, host: d{i}}}\n" for i in range(200))
    path.write_text(
        f"dashboard: {{url: 'http://a'}}\njournal: j\ndefaults: {{timezone: UTC}}\ndevices:\n{devices}"
    )
    with pytest.raises(click.BadParameter) as caught:
        devices_asked(load(path, {}), Asked(("x",)))
    assert caught.value.message.endswith(
        "there are " + ", ".join(f"d{i}" for i in range(12)) + " and 188 more"
    )


def test_a_name_is_itself_before_it_is_a_pattern() -> None:
    """Signs of patterns in a name do no harm, also beside one that fits it, and case matters."""
    assert fits("odd [1]", ["odd [1]", "odd 1"]) == {"odd [1]"}
    assert fits("odd [1]", ["odd 1", "odd 2"]) == {"odd 1"}
    assert fits("dhaka-*", ["Dhaka-1"]) == set()
    known = ["odd [1]", "odd 1"]
    assert fitting(Asked(("odd [1]",)), known, None, "device", "inventory") == ["odd [1]"]
    with pytest.raises(click.BadParameter, match="at site dhaka; there are odd 1"):
        fitting(Asked(("odd [1]",), ("dhaka",)), known, {"odd 1"}, "device", "inventory")


def test_a_site_is_read_and_looked_at(site: Site, dashboard: SampleDashboard) -> None:
    """A site is read alone; lists, exports and decisions take sites, patterns and former names."""
    a, b = Terminal.with_samples(3), Terminal.with_samples(4, model=Model(serial="B"))
    with serve(a) as first, serve(b) as second:
        site.write(
            dashboard.url,
            entry("dhaka-1", first, site="dhaka"),
            entry("sylhet-1", second, site="sylhet"),
            more="sites: {dhaka: , sylhet: {direction: in}}\n",
        )
        assert site.sync("--site", "dhaka").code == 0
        assert (len(dashboard.events), b.connections) == (3, 0)
        pinged = site.run("devices", "ping", "*-1", "--site", "sylhet", "--json")
        assert [one["name"] for one in json.loads(pinged.out)] == ["sylhet-1"]
    with open_journal(site.journal) as journal:
        visit(journal, "ctg-9", "B").take(piece(punch("1001"), punch("1002")))  # named so when it was read
        Devices(journal).meet("sylhet-1", "B")

    def exported(*arguments: str) -> int:
        result = site.run("punches", "export", "--format", "json", *arguments)
        assert (result.code, result.err) == (0, "")
        return len(json.loads(result.out))

    assert exported("--device", "ctg-*") == exported("--site", "sylhet") == 2
    assert exported("--device", "dhaka-*", "--device", "ctg-9") == 5
    assert [line.split()[0] for line in site.run("devices", "list", "dhaka*").out.splitlines()] == ["dhaka-1"]
    waits = site.run("outbox", "list", "--pending", "--device", "c*", "--json")
    assert len(json.loads(waits.out)) == 2
    gone = site.run("outbox", "discard", "--site", "sylhet", "--pending", "--reason", "a test", "--yes")
    assert gone.out == "2 punches for dashboard are discarded.\n"
    wrong = site.run("outbox", "retry", "--device", "ctg-?0")
    assert wrong.code == 2
    assert "no device fits 'ctg-?0' in the journal; there are ctg-9, dhaka-1, sylhet-1" in wrong.err


def test_sites_and_devices_are_completed(site: Site) -> None:
    """The shell offers the sites and devices of the inventory; without one, nothing and no error."""
    site.inventory.write_text(INVENTORY)

    def completed(*words: str) -> list[str]:
        line = " ".join(("zkpoll", *words))
        site.environment |= {"_ZKPOLL_COMPLETE": "bash_complete", "COMP_WORDS": line}
        site.environment |= {"COMP_CWORD": str(len(words)), "ZKPOLL_CONFIG": str(site.inventory)}
        result = site.run()
        assert result.err == ""
        return [one.partition(",")[2] for one in result.out.split()]

    assert completed("sync", "--site", "") == ["dhaka", "sylhet", "empty"]
    assert completed("devices", "ping", "sy") == ["sylhet-1"]
    assert completed("outbox", "list", "--device", "dhaka-h") == ["dhaka-hq"]
    site.inventory.write_text("devices: [")
    assert completed("sync", "--site", "") == []
