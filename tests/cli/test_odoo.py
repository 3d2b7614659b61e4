"""`zkpoll` as a process, and a server that behaves as Odoo does."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tests.delivery.odoo_server import DATABASE, KEY, MODEL, OdooServer
from tests.site import Result, Site, entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Model, Terminal, serve

if TYPE_CHECKING:
    from zkpoll.simulator import Listening

DHAKA = ZoneInfo("Asia/Dhaka")


def write(site: Site, server: OdooServer, *addresses: Listening, zone: str = "UTC", odoo: str = "") -> None:
    """Write an inventory with a terminal at each address; all but the first are entrances."""
    site.environment["ODOO_KEY"] = KEY
    dashboard = (
        f"url: '{server.url}', token: '${{ODOO_KEY}}', format: odoo, odoo: {{{odoo}}}, batch_size: 50,"
        f" attempts: 6, retry_wait: 0, timeout: 2"
    )
    front, *others = addresses
    site.write_for(
        dashboard,
        entry("front", front, timezone=zone),
        *(entry(f"gate-{at}", address, direction="in") for at, address in enumerate(others, 1)),
    )


def until_nothing_is_pending(site: Site) -> list[Result]:
    """Run `zkpoll sync` as a timer does, until everything is settled."""
    results: list[Result] = []
    while not results or json.loads(site.run("outbox", "list", "--pending", "--json").out):
        assert len(results) < 8
        results.append(site.sync())
    assert all(KEY not in result.out + result.err for result in results)
    return results


def journalled(site: Site, state: str = "confirmed") -> Counter[str]:
    """Return the ids of all punches in the journal whose delivery is in that state."""
    punches: list[dict[str, Any]] = json.loads(site.run("punches", "export", "--json").out)
    return Counter(one["id"] for one in punches if one["dashboards"] == {"dashboard": state})


def ids_of(terminal: Terminal) -> Counter[str]:
    """Return the ids of every punch a terminal took."""
    serial = str(terminal.model.serial)
    return Counter(punch_id(serial, one.user_id, one.time.isoformat()) for one in terminal.history)


@pytest.mark.parametrize(("seed", "unique"), [(1, True), (2, True), (3, False), (4, False)])
def test_each_punch_is_there_once(site: Site, seed: int, unique: bool) -> None:
    """Through all troubles, the records of Odoo are the confirmed punches of the journal, each once."""
    front, gate = Terminal.with_samples(300), Terminal.with_samples(60, model=Model(serial="B2"))
    with serve(front) as a, serve(gate) as b, OdooServer(seed) as server:
        server.unique = unique
        write(site, server, a, b)
        until_nothing_is_pending(site)
        gate.punch(gate.users[0].user_id)
        until_nothing_is_pending(site)
    assert server.troubles
    assert Counter(server.ids) == journalled(site) == ids_of(front) + ids_of(gate)


def test_a_record_is_what_the_terminal_showed(site: Site) -> None:
    """Times are in UTC, states and ways of recognition are the terminal's, and a gate's people come in."""
    front, gate = Terminal.with_samples(20), Terminal.with_samples(20, model=Model(serial="B2"))
    front.set_clock(datetime.now(DHAKA).replace(tzinfo=None))
    with serve(front) as a, serve(gate) as b, OdooServer() as server:
        server.databases.append("other")
        write(site, server, a, b, zone="Asia/Dhaka", odoo=f"database: {DATABASE}")
        result = site.sync()
    assert (result.code, result.out, result.err) == (0, "", "")
    records = {row["event_id"]: row for row in server.rows}
    for terminal, zone, device in ((front, DHAKA, "front"), (gate, UTC, "gate-1")):
        for shown in terminal.history:
            row = records[punch_id(str(terminal.model.serial), shown.user_id, shown.time.isoformat())]
            assert row["punched_at"] == f"{shown.time.replace(tzinfo=zone).astimezone(UTC):%Y-%m-%d %H:%M:%S}"
            assert (row["badge"], row["device"]) == (shown.user_id, device)
            assert (row["state"], row["verify"]) == (shown.state, shown.verify)
            said = {0: "in", 1: "out"}.get(shown.state, False)
            assert row["direction"] == ("in" if device == "gate-1" else said)


@pytest.mark.parametrize("unique", [True, False], ids=["unique", "studio"])
def test_killed_before_it_heard(site: Site, unique: bool) -> None:
    """A run that is killed when Odoo has stored a batch, and before its answer, doubles nothing."""
    terminal = Terminal.with_samples(120)
    with serve(terminal) as address, OdooServer() as server:
        server.unique = unique
        write(site, server, address)
        process = site.start("sync")
        server.stored = process.kill
        assert site.finish(process).code == -9
        assert len(server.rows) == 50
        server.stored = lambda: None
        until_nothing_is_pending(site)
    assert Counter(server.ids) == journalled(site) == ids_of(terminal)


@pytest.mark.parametrize("language", ["en", "de"])
def test_people_whom_odoo_does_not_know(site: Site, language: str) -> None:
    """What Odoo refuses is parked with its words, all others arrive, and later the parked ones do."""
    terminal = Terminal.with_samples(200, users=20)
    user = terminal.users[3].user_id
    with serve(terminal) as address, OdooServer() as server:
        server.language = language
        server.unknown.add(user)
        write(site, server, address)
        result, *_ = until_nothing_is_pending(site)
        assert result.code == 1
        parked = json.loads(site.run("outbox", "list", "--json").out)
        assert {one["user_id"] for one in parked} == {user}
        words = f'the dashboard answered 422 and refused it; it says: "No employee has badge {user}"'
        assert {one["reason"] for one in parked} == {words}
        assert Counter(server.ids) == journalled(site)
        server.unknown.clear()
        site.run("outbox", "retry", "--user", user)
        assert site.sync().code == 0
    assert Counter(server.ids) == ids_of(terminal)


def test_a_module_that_is_not_installed(site: Site) -> None:
    """Nothing is sent on, nothing is parked, and a person is told what to look at; then all arrive."""
    terminal = Terminal.with_samples(30)
    with serve(terminal) as address, OdooServer() as server:
        write(site, server, address, odoo="model: x_punch")
        result = site.sync()
        assert result.code == 1
        assert "has no x_punch; check url: (Odoo 19 or newer), database: and model:" in result.err
        pinged = site.run("dashboards", "ping", "-v")
        assert (pinged.code, KEY in pinged.out + pinged.err) == (1, False)
        assert "404 to a look at x_punch" in pinged.out
        write(site, server, address)
        assert site.sync().code == 0
    assert Counter(server.ids) == ids_of(terminal)


def test_a_ping(site: Site) -> None:
    """A ping says that the model is there and may be created, shows the first request, and sends none."""
    with serve(Terminal.with_samples(3)) as address, OdooServer() as server:
        write(site, server, address)
        site.sync("--no-deliver")
        pinged = site.run("dashboards", "ping")
    assert pinged.code == 0
    assert f"accepted, and {MODEL} has all fields" in pinged.out
    assert f"may create {MODEL}" in pinged.out
    assert f"POST {server.url}/json/2/{MODEL}/create" in pinged.out
    assert '"badge":' in pinged.out
    assert KEY not in pinged.out + pinged.err
    assert server.rows == []
