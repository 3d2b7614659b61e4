"""`zkpoll users` where databases are in the inventory: whom their programs know."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.time_net import TimeNet
from tests.site import entry
from zkpoll.simulator import Terminal, serve
from zkpoll.simulator.records import EnrolledUser

if TYPE_CHECKING:
    from pathlib import Path

    from tests.site import Site


@pytest.fixture
def vendor(site: Site) -> TimeNet:
    """Give a database of two people, alone in the inventory."""
    site.inventory.write_text(
        "dashboard: {url: 'http://127.0.0.1:9/'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        "databases:\n  - {name: head-office, kind: zktime-net, file: net.db}\n"
    )
    return TimeNet(site.folder / "net.db")


def exported(site: Site, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows of an export in JSON."""
    told = site.run("users", "export", "--json", *arguments)
    assert (told.code, told.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(told.out)
    return found


@pytest.mark.usefixtures("vendor")
def test_people_are_exported(site: Site) -> None:
    """A person is a row: the database, the number there, badge and name; and the file is as it was."""
    before = (site.folder / "net.db").read_bytes()
    first, second = exported(site)
    assert first == {
        "device": "head-office",
        "serial_number": "head-office",
        "uid": 17,
        "user_id": "1001",
        "name": "Amina Rahman",
        "privilege": 0,
        "privilege_name": "user",
        "enabled": True,
        "group": 0,
        "card": 0,
        "has_password": False,
    }
    assert (second["uid"], second["user_id"], second["name"]) == (18, "1002", "Rahim")
    rows = list(csv.DictReader(io.StringIO(site.run("users", "export", "--device", "head-office").out)))
    assert [row["user_id"] for row in rows] == ["1001", "1002"]
    assert (site.folder / "net.db").read_bytes() == before


def test_what_has_changed(site: Site, vendor: TimeNet, tmp_path: Path) -> None:
    """Who is new, gone or renamed since the last export is told, also against a file, in whatever format."""
    told = site.run("users", "diff")
    assert told.code == 1
    assert (
        "database head-office: its users were never exported; `zkpoll users export` begins with it"
        in told.err
    )
    files = [tmp_path / "users.csv", tmp_path / "users.json"]
    for path in files:
        assert site.run("users", "export", "--output", str(path)).code == 0
    assert json.loads(site.run("users", "diff", "--json").out) == []
    vendor.person(19, "1003", "Jamila", "")
    vendor.run("UPDATE hr_employee SET emp_lastname = 'Khan' WHERE id = 17")
    vendor.run("DELETE FROM hr_employee WHERE id = 18")
    for against in ((), *((str(path),) for path in files)):
        told = site.run("users", "diff", *against, "--json", "--exit-code")
        assert told.code == 1
        found = {(one["kind"], one["user_id"], one["device"]) for one in json.loads(told.out)}
        assert found == {
            ("added", "1003", "head-office"),
            ("removed", "1002", "head-office"),
            ("renamed", "1001", "head-office"),
        }


def test_devices_and_databases(site: Site, vendor: TimeNet) -> None:
    """Both are asked, and named by `--device`; one that cannot be read is told as what it is."""
    with serve(Terminal(users=[EnrolledUser(1, "1001", "Amina")])) as where:
        database = "databases:\n  - {name: head-office, kind: zktime-net, file: net.db}\n"
        site.write("http://127.0.0.1:9/", entry("front-door", where), more=database)
        assert [row["device"] for row in exported(site)] == ["front-door", "head-office", "head-office"]
        assert [row["device"] for row in exported(site, "--device", "front-door")] == ["front-door"]
        vendor.path.unlink()
        told = site.run("users", "export")
    assert told.code == 1
    assert told.err.startswith("zkpoll: database head-office: ")
    assert "front-door" in told.out
