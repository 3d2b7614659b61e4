"""`zkpoll sync` where dashboards know people by other ids than the devices do."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers import closed_port
from tests.site import TOKEN, Site, entry
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterable

EIGHT = datetime(2026, 11, 2, 8, 0)


def terminal(serial: str, *users: str) -> Terminal:
    """Return a terminal at which people punched once, one a minute."""
    found = Terminal(Model(serial=serial))
    for minute, user in enumerate(users):
        found.punch(user, EIGHT.replace(minute=minute))
    return found


def ids_of(one: Terminal) -> dict[str, str]:
    """Return the id of each person's punch, by the id that the device has for the person."""
    serial = str(one.model.serial)
    return {
        record.user_id: punch_id(serial, record.user_id, record.time.isoformat()) for record in one.history
    }


def told(dashboard: SampleDashboard) -> dict[str, str]:
    """Return who the dashboard was told that punches are of, by the id of the punch."""
    return {event["id"]: event["user_id"] for event in dashboard.events.values()}


def journalled(site: Site) -> dict[str, tuple[str, str]]:
    """Return who the journal says that punches are of, and how they stand, by the id of the punch."""
    exported = json.loads(site.run("punches", "export", "--json").out)
    return {one["id"]: (one["user_id"], one["dashboards"]["dashboard"]) for one in exported}


def listed(site: Site) -> list[dict[str, Any]]:
    """Return what `outbox list` prints."""
    found: list[dict[str, Any]] = json.loads(site.run("outbox", "list", "--json").out)
    return found


def write(site: Site, dashboard: str, user_id: str, *devices: str) -> None:
    """Write an inventory whose dashboard has a rule for user ids."""
    rule = f", user_id: {{{user_id}}}" if user_id else ""
    site.write_for(f"url: '{dashboard}', token: '${{TOKEN}}', attempts: 1{rule}", *devices)


def also_to(site: Site, second: SampleDashboard, user_id: str) -> None:
    """Add a dashboard with a rule for user ids to the inventory's one."""
    first, _, rest = site.inventory.read_text().partition("\n")
    one = first.removeprefix("dashboard: {")
    two = f"name: second, url: '{second.url}', token: '{TOKEN}', user_id: {{{user_id}}}"
    site.inventory.write_text(f"dashboard: [{{name: dashboard, {one}, {{{two}}}]\n{rest}")


def badges(site: Site, lines: Iterable[str]) -> None:
    """Write the file that maps ids."""
    (site.folder / "badges.csv").write_text("user_id,badge\n" + "".join(f"{line}\n" for line in lines))


def test_the_device_first_then_the_dashboard(site: Site, dashboard: SampleDashboard) -> None:
    """Each device has its rule and each dashboard its own, and the journal keeps what the devices said."""
    a, b = terminal("A1", "0017", "18"), terminal("B2", "0017", "19")
    with serve(a) as front, serve(b) as back, SampleDashboard(TOKEN) as second:
        badges(site, ["A-17,E17", "A-18,E18", "0017,E99", "19,E19"])
        devices = entry("front", front, user_id="{strip_zeros: true, prefix: A-}"), entry("back", back)
        write(site, dashboard.url, "", *devices)
        also_to(site, second, "map_file: badges.csv")
        assert site.sync().code == 0
    first, other = ids_of(a), ids_of(b)
    assert told(dashboard) == {
        first["0017"]: "A-17", first["18"]: "A-18", other["0017"]: "0017", other["19"]: "19",
    }  # fmt: skip
    assert told(second) == {
        first["0017"]: "E17", first["18"]: "E18", other["0017"]: "E99", other["19"]: "E19",
    }  # fmt: skip
    assert {one: user for one, (user, _) in journalled(site).items()} == {
        first["0017"]: "0017", first["18"]: "18", other["0017"]: "0017", other["19"]: "19",
    }  # fmt: skip


def test_an_unknown_id_waits_for_a_person(site: Site, dashboard: SampleDashboard) -> None:
    """It is parked with clear words, the others go, and it goes with the next run once the file has it."""
    one = terminal("A1", "17", "18", "17000", "19")
    ids = ids_of(one)
    with serve(one) as address:
        badges(site, ["17,E17", "18,E18", "19,E19"])
        write(site, dashboard.url, "map_file: badges.csv", entry("front", address))
        first, second = site.sync(), site.sync()
        (parked,) = listed(site)
        assert (first.code, second.code, second.err) == (1, 1, "")
        assert "1 punch is parked" in first.err
        assert (parked["id"], parked["user_id"]) == (ids["17000"], "17000")
        file = site.folder / "badges.csv"
        assert parked["reason"] == f"{file} has no user id 17000; once it has, the next run sends this punch"
        explained = site.run("explain", "17000", "2026-11-02").out
        assert "parked" in explained
        assert parked["reason"] in explained
        assert told(dashboard) == {ids["17"]: "E17", ids["18"]: "E18", ids["19"]: "E19"}
        badges(site, ["17,E17", "18,E18", "19,E19", "17000,E17000"])
        last = site.sync()
    assert last.code == 0
    assert "well again" in last.err
    assert told(dashboard)[ids["17000"]] == "E17000"
    assert journalled(site) == {ids[user]: (user, "confirmed") for user in ("17", "18", "17000", "19")}
    assert dashboard.events.keys() == set(ids.values())
    assert dashboard.duplicates == 0


def test_a_file_that_knows_nobody_sends_nothing(site: Site, dashboard: SampleDashboard) -> None:
    """Where no id is known, no request is made, and nothing is lost once the right file is there."""
    one = terminal("A1", "17", "18")
    with serve(one) as address:
        badges(site, ["1,x"])
        write(site, dashboard.url, "map_file: badges.csv", entry("front", address))
        assert site.sync().code == 1
        assert dashboard.requests == []
        badges(site, ["17,E17", "18,E18"])
        assert site.sync().code == 0
    assert sorted(told(dashboard).values()) == ["E17", "E18"]


@pytest.mark.parametrize("unknown", ["park", "pass"])
def test_a_slip_in_the_file(site: Site, dashboard: SampleDashboard, unknown: str) -> None:
    """A file that cannot be used keeps no terminal from being read; it is told, and no id is guessed."""
    one = terminal("A1", "17", "18")
    rule = f"map_file: badges.csv, unknown: {unknown}"
    with serve(one) as address:
        badges(site, ["17,E17", "18;E18"])
        write(site, dashboard.url, rule, entry("front", address))
        run = site.report()
        assert (run["exit_code"], run["devices"][0]["first_seen"]) == (1, 2)
        (reason,) = {parked["reason"] for parked in listed(site)}
        assert reason.startswith(f"{site.folder / 'badges.csv'}:3: found one column, expected two: ")
        assert reason.endswith("; once it is mended, the next run sends this punch")
        assert dashboard.requests == []
        assert site.run("config", "check").code == 78
        badges(site, ["17,E17", "18,E18"])
        assert site.sync().code == 0
    assert sorted(told(dashboard).values()) == ["E17", "E18"]


def test_what_passes(site: Site, dashboard: SampleDashboard) -> None:
    """With `unknown: pass` an id that is not in the file goes as it is."""
    one = terminal("A1", "17", "18")
    with serve(one) as address:
        badges(site, ["17,E17"])
        write(site, dashboard.url, "map_file: badges.csv, unknown: pass", entry("front", address))
        assert site.sync().code == 0
    assert told(dashboard) == {ids_of(one)["17"]: "E17", ids_of(one)["18"]: "18"}


def test_a_changed_rule_changes_no_punch(site: Site, dashboard: SampleDashboard) -> None:
    """What was confirmed does not go again under a new rule, and what waits goes under it, with its id."""
    one = terminal("A1", "17")
    with serve(one) as address:
        write(site, dashboard.url, "prefix: A-", entry("front", address))
        assert site.sync().code == 0
        one.punch("18", EIGHT.replace(hour=9))
        with closed_port() as (host, port):
            write(site, f"http://{host}:{port}/", "prefix: A-", entry("front", address))
            assert site.sync().code == 1
        write(site, dashboard.url, "prefix: B-", entry("front", address))
        assert site.sync().code == 0
    assert told(dashboard) == {ids_of(one)["17"]: "A-17", ids_of(one)["18"]: "B-18"}
    assert dashboard.duplicates == 0


def test_a_terminal_that_left(site: Site, dashboard: SampleDashboard) -> None:
    """Punches of one that is gone wait for a person where it may have had a rule of its own."""
    gone, left = terminal("A1", "17"), terminal("B2", "19")
    with serve(gone) as first, serve(left) as second, closed_port() as (host, port):
        a, b = entry("front", first, user_id="{prefix: A-}"), entry("back", second)
        other = entry("side", ("127.0.0.1", 9), user_id="{prefix: C-}", enabled="false")
        write(site, f"http://{host}:{port}/", "", a, b, other)
        assert site.sync().code == 1
        write(site, dashboard.url, "", b, other)
        assert site.sync().code == 1
        assert told(dashboard) == {ids_of(left)["19"]: "19"}
        (parked,) = listed(site)
        assert "front is not in the inventory any more" in parked["reason"]
        write(site, dashboard.url, "", entry("front", first, user_id="{prefix: A-}", enabled="false"), b)
        site.run("outbox", "retry", "--all")
        assert site.sync().code == 0
    assert told(dashboard)[ids_of(gone)["17"]] == "A-17"
