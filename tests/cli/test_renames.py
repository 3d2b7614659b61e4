"""Names that change in the inventory (`was:`): history goes on, and nothing is lost or doubled."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.cli.time_net import TimeNet
from tests.look import look
from tests.peers import closed_port
from tests.site import TOKEN, Site, entry
from zkpoll.errors import Busy
from zkpoll.inventory import load
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Model, SampleDashboard, Terminal, serve
from zkpoll.tasks import renames


def write(site: Site, dashboards: str, *devices: str, more: str = "") -> None:
    """Write an inventory with a list of dashboards, or one."""
    entries = "".join(f"  - {{{device}}}\n" for device in devices)
    site.inventory.write_text(
        f"dashboard: {dashboards}\njournal: journal.db\ndefaults: {{timezone: UTC, timeout: 2}}\n"
        f"{more}devices:\n{entries}"
    )


def one(url: str, *more: str) -> str:
    """Return a dashboard's settings."""
    return "{" + ", ".join([f"url: '{url}'", "token: '${TOKEN}'", "attempts: 1", *more]) + "}"


def states(site: Site) -> dict[tuple[str, str], int]:
    """Return how many punches are in which state, for each dashboard."""
    rows = look(
        site.journal,
        "SELECT name, state, count(*) FROM outbox JOIN destination ON destination.id = destination"
        " GROUP BY name, state",
    )
    return {(name, state): number for name, state, number in rows}


def test_one_dashboard_becomes_two(site: Site, dashboard: SampleDashboard) -> None:
    """What waits for the dashboard without a name is told with what to write, and goes to it then."""
    terminal = Terminal.with_samples(10)
    with serve(terminal) as address, SampleDashboard(TOKEN) as payroll:
        device = entry("front", address)
        with closed_port() as (host, port):
            write(site, one(f"http://{host}:{port}/"), device)
            assert site.sync().code == 1
        named, other = one(dashboard.url, "name: main"), one(payroll.url, "name: payroll")
        write(site, f"[{named}, {other}]", device)
        terminal.punch("1001", terminal.history[-1].time + timedelta(minutes=1))
        told = site.sync()
        assert told.code == 1
        assert (
            "dashboard dashboard: 11 punches wait for it, and it is not in the inventory any more" in told.err
        )
        assert "write `was: dashboard` beside that" in told.err
        assert (len(dashboard.events), len(payroll.events)) == (1, 1)
        write(site, f"[{one(dashboard.url, 'name: main', 'was: dashboard')}, {other}]", device)
        joined = site.sync()
        assert joined.code == 0
        assert "journal: dashboard dashboard is called main now" in joined.err
        assert "is joined to what it has by that name" in joined.err
        assert (len(dashboard.events), len(payroll.events), dashboard.duplicates) == (11, 1, 0)
        again = site.sync("--json")
    assert (again.code, again.err) == (0, "")
    sums = again.document()["sums"]["journal"]
    assert {name: (one["confirmed"], one["pending"]) for name, one in sums.items()} == {
        "main": (11, 0),
        "payroll": (1, 0),
    }
    assert states(site) == {("main", "confirmed"): 11, ("payroll", "confirmed"): 1}


def test_all_kinds_of_things_are_renamed(site: Site, dashboard: SampleDashboard) -> None:
    """A dashboard, a device that is away and a database go on by new names: nothing is sent or told twice."""
    terminal = Terminal.with_samples(10)
    vendor = TimeNet(site.folder / "office.db")
    vendor.punch("2026-11-22 08:59:58")

    def databases(name: str) -> str:
        return f"databases:\n  - {{{name}, kind: zktime-net, file: office.db}}\n"

    with serve(terminal) as address:
        write(site, one(dashboard.url), entry("front", address), more=databases("name: office"))
        assert site.sync().code == 0
    requests = len(dashboard.requests)
    with closed_port() as away:
        write(site, one(dashboard.url), entry("front", away), more=databases("name: office"))
        assert "zkpoll: device front: " in site.sync().err
        device = entry("gate", away, was="[entrance, front]")
        name = "name: main", "was: dashboard"
        write(site, one(dashboard.url, *name), device, more=databases("name: head, was: office"))
        renamed = site.sync()
    assert sorted(line.partition(";")[0] for line in renamed.err.splitlines()) == [
        "zkpoll: journal: dashboard dashboard is called main now",
        "zkpoll: journal: database office is called head now",
        "zkpoll: journal: device front is called gate now",
    ]
    assert len(dashboard.requests) == requests
    told = {subject for (subject,) in look(site.journal, "SELECT subject FROM condition")}
    assert told == {"device gate"}
    assert look(site.journal, "SELECT name, key FROM device WHERE name IS NOT NULL") == [
        ("gate", terminal.model.serial)
    ]
    assert look(site.journal, "SELECT name, key FROM database") == [("head", "office")]
    with serve(terminal) as address:
        write(
            site,
            one(dashboard.url, *name),
            entry("gate", address, was="front"),
            more=databases("name: head, was: office"),
        )
        terminal.punch("1001", datetime(2026, 11, 29, 9))
        back = site.sync()
    assert (back.code, "device gate: well again" in back.err) == (0, True)
    assert (len(dashboard.events), dashboard.duplicates) == (12, 0)


def test_two_terminals_keep_their_histories(site: Site, dashboard: SampleDashboard) -> None:
    """Where the journal knows two terminals by the two names, they are never joined, and that is told."""
    old, new = Terminal.with_samples(3), Terminal.with_samples(3, model=Model(serial="NEW1"))
    with serve(old) as here, serve(new) as there:
        write(site, one(dashboard.url), entry("front", here), entry("gate", there))
        assert site.sync().code == 0
        write(site, one(dashboard.url), entry("gate", there, was="front"))
        refused = site.sync()
        assert refused.code == 1
        assert (
            "zkpoll: device front: gate has it as its earlier name (was:), and the journal knows both: these"
            f" are two terminals, {old.model.serial} and NEW1, and keep their histories; take was: away there"
        ) in refused.err
    assert len(look(site.journal, "SELECT 1 FROM device WHERE name IN ('front', 'gate')")) == 2


def test_a_run_at_the_old_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another run delivers by the old name nothing is renamed, and the wait for it ends."""
    monkeypatch.setattr(renames, "_PATIENCE", 0.1)
    write(site, one("http://a.example.com", "name: main"), entry("front", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        with journal.transaction():
            journal.run("meet_destination", name="main")
        write(site, one("http://a.example.com", "name: new", "was: main"), entry("front", ("127.0.0.1", 9)))
        inventory = load(site.inventory, {"TOKEN": TOKEN})
        with journal.lock("dashboard main"), pytest.raises(Busy, match="still delivers to it as main"):
            renames.follow_renames(inventory, journal, lambda: False)
        assert len(renames.follow_renames(inventory, journal, lambda: False)) == 1
        assert renames.follow_renames(inventory, journal, lambda: False) == ()
        assert [name for name, *_ in journal.all("destinations")] == ["new"]
