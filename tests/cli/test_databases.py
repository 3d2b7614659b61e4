"""`zkpoll databases`: what is known of databases, which rows changed, and whether they can be read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.time_net import TimeNet
from tests.journal.helpers import Bridge, aside, row
from tests.site import Site, at_a_terminal
from zkpoll.journal.holds import Holding
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox

if TYPE_CHECKING:
    from zkpoll.model.bridged import SettledRow

NOW = '{"time": {"at": "2026-11-22T08:59:58"}, "user": 17, "state": "O", "verify": 1}'
OFF = "  - {name: branch, kind: biotime, url: 'postgresql://zkpoll@127.0.0.1:9/biotime', enabled: false}\n"


def write(site: Site, *more: str) -> str:
    """Write an inventory with a database and those of `more`; return the address of the first."""
    path = site.folder / "att2000.mdb"
    site.inventory.write_text(
        "dashboard: {url: 'http://127.0.0.1:9/', token: '${TOKEN}'}\n"
        "journal: journal.db\n"
        "defaults: {timezone: Asia/Dhaka}\n"
        f"databases:\n  - {{name: head-office, kind: att2000, file: att2000.mdb}}\n{''.join(more)}"
    )
    return str(path)


def edited(one: SettledRow) -> SettledRow:
    """Return a row as it stands there once somebody has made an arrival a departure."""
    return one._replace(punch=one.punch._replace(state=1), raw=NOW)


@pytest.fixture
def read(site: Site) -> Site:
    """Give a site whose database was read twice: one row is set aside, then one is edited and one is gone."""
    address = write(site, OFF)
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        bridge = Bridge(journal, address)
        bridge.visit({1: [row("1"), row("2"), row("3"), aside("7 x")]}, whole=True)
        bridge.visit({1: [edited(row("1")), row("2"), aside("7 x")]})
    return site


def test_before_anything_was_read(site: Site) -> None:
    """Databases that nobody has read yet are listed as the inventory has them, and no journal is begun."""
    address = write(site, OFF)
    told = site.run("databases", "list")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        f"head-office  att2000  {address}  -  never  0  0  0  0",
        "branch (off)  biotime  postgresql://zkpoll@127.0.0.1:9/biotime  -  never  0  0  0  0",
    ]
    assert not site.journal.exists()
    (found, _) = json.loads(site.run("databases", "list", "--json").out)
    assert (found["rows"], found["read_at"]) == (None, None)


def test_the_list(read: Site) -> None:
    """Rows, the last reading, and what is set aside, edited, gone and waiting are the journal's."""
    first, second = (line.split("  ") for line in read.run("databases", "list").out.splitlines())
    assert (first[3], first[5:], second[3:]) == (
        "3",
        ["1", "1", "1", "3"],
        ["-", "never", "0", "0", "0", "0"],
    )
    found, off = json.loads(read.run("databases", "list", "--json").out)
    assert {key: found[key] for key in ("name", "kind", "rows", "enabled")} == {
        "name": "head-office",
        "kind": "att2000",
        "rows": 3,
        "enabled": True,
    }
    assert [found[key] for key in ("set_aside", "changed", "gone", "backlog")] == [1, 1, 1, 3]
    assert found["read_at"]
    assert off["enabled"] is False


def test_the_list_at_a_terminal(read: Site) -> None:
    """A person sees all of it within 80 columns, the place of a database below its name."""
    code, screen = at_a_terminal(read, "databases", "list")
    assert code == 0
    assert max(map(len, screen.splitlines())) <= 80
    assert "head-office" in screen
    assert "3 rows" in screen
    assert "never" in screen


def test_changes(read: Site) -> None:
    """Each row that was edited or is gone is a line: when, who, the punch, and what it says now."""
    told = read.run("databases", "changes", "head-office")
    assert (told.code, told.err) == (0, "")
    lines = [line.split("  ")[1:] for line in told.out.splitlines()]
    assert lines == [
        [
            "1",
            "2026-11-22 08:59:58",
            "head-office",
            "now state O, verify 1; sent as check_in (0), verify 1, work code 0",
        ],
        ["3", "2026-11-22 08:59:58", "head-office", "gone"],
    ]
    first, gone = json.loads(read.run("databases", "changes", "head-office", "--json").out)
    assert (first["what"], first["user_id"], first["says_now"]["state"]) == ("edited", "1", "O")
    assert (gone["what"], gone["user_id"], gone["changed_at"]) == ("gone", "3", None)
    code, screen = at_a_terminal(read, "databases", "changes", "head-office")
    assert code == 0
    assert max(map(len, screen.splitlines())) <= 80
    assert "gone" in screen


def test_no_changes(site: Site) -> None:
    """Where nothing was edited, a person is told so, and a program gets an empty list."""
    write(site)
    assert at_a_terminal(site, "databases", "changes", "head-office") == (
        0,
        "No row was edited, and none is gone.\n",
    )
    assert json.loads(site.run("databases", "changes", "head-office", "--json").out) == []
    assert site.run("databases", "changes", "head-office").out == ""


def test_a_name_that_is_none(read: Site) -> None:
    """Who misspells a database learns which there are."""
    told = read.run("databases", "changes", "head-ofice")
    assert told.code == 2
    assert "no database 'head-ofice' in the inventory; there are head-office, branch" in told.err


def test_no_secret_is_needed(site: Site) -> None:
    """An operator's shell has no passwords, and can look at what the journal knows all the same."""
    password = "password: '${NOT_THERE}', url: 'postgresql://zkpoll@127.0.0.1:9/biotime'"
    write(site, f"  - {{name: branch, kind: biotime, {password}}}\n")
    assert site.run("databases", "list").code == 0


# --- status ---


def status(site: Site) -> tuple[int, dict[str, Any]]:
    """Return the code of `status`, and what `status --json` prints of the first database."""
    told = site.run("status", "--json")
    return told.code, told.document()["databases"][0]


def test_status(read: Site) -> None:
    """A row that is set aside needs a person; an edited or a gone one was told once."""
    code, found = status(read)
    assert (code, found["stale"], found["set_aside"], found["changed"], found["gone"]) == (1, False, 1, 1, 1)
    verdict, need, line, *_ = read.run("status").out.splitlines()
    assert verdict.startswith("1 thing needs you; ")
    assert need.startswith("trouble  database head-office: 1 row set aside, no punches yet; see `zkpoll q")
    assert line.startswith("database  head-office  read ")
    assert line.endswith("3 rows  1 set aside  1 edited  1 gone")
    assert read.run("quarantine", "accept", "--device", "head-office", "--yes").code == 0
    code, found = status(read)
    assert (code, found["set_aside"]) == (0, 0)


def test_status_at_a_terminal(read: Site) -> None:
    """A table of its own tells of databases, and there is none of devices where there are none."""
    code, screen = at_a_terminal(read, "status")
    assert code == 1
    assert max(map(len, screen.splitlines())) <= 80
    assert "\n\ndatabase  " in screen
    assert "\ndevice  " not in screen
    assert "enabled: false: branch" in screen


def test_status_of_one_that_was_never_read(site: Site) -> None:
    """A database that was never read is too old to go by, unless it is taken out."""
    write(site)
    with open_journal(site.journal):
        pass
    code, found = status(site)
    assert (code, found["stale"], found["read_at"]) == (1, True, None)
    assert "\ndatabase  head-office  read never, TOO LONG\n" in site.run("status").out


def test_status_of_punches_that_wait_for_a_person(site: Site) -> None:
    """Punches that are held because a person typed them in end `status` with 1 until somebody decides."""
    address = write(site)
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "dashboard")
        bridge = Bridge(journal, address)
        typed = replace(Holding(), manual=True)
        bridge.visit({1: [row("1", manual=True), row("2")]}, bridge.taking(typed, held_manual=True))
    code, found = status(site)
    assert (code, found["held_manual"], found["pending"]) == (1, 1, 1)
    assert "1 punch that a person typed in is held; see `zkpoll outbox list --held`" in site.run("status").out
    (held,) = json.loads(site.run("outbox", "list", "--held", "--json").out)
    assert held["reason"] == "manual"
    assert site.run("outbox", "retry", "--id", held["id"]).code == 0
    assert status(site)[0] == 0


# --- ping ---


def with_a_file(site: Site, *more: str) -> TimeNet:
    """Write an inventory with a real file of SQLite in it, and the databases of `more`; return the file."""
    write(site, *more)
    text = site.inventory.read_text()
    site.inventory.write_text(
        text.replace("kind: att2000, file: att2000.mdb", "kind: zktime-net, file: net.db")
    )
    made = TimeNet(site.folder / "net.db")
    made.punch("2026-11-22 08:59:58")
    return made


def test_ping(site: Site) -> None:
    """Each step is told with what was found, whose the rows of each machine are among it; code 0."""
    with_a_file(site, OFF)
    before = (site.folder / "net.db").read_bytes()
    short, told = site.run("databases", "ping"), site.run("databases", "ping", "-v")
    assert (told.code, told.err) == (0, "")
    assert re.fullmatch(
        r"head-office  ok      SQLite \S+, 1 row, newest 2026-11-22 08:59:58, [\d.]+ m?s\n", short.out
    )
    steps = {line.split("  ")[1]: line.split("  ")[2:] for line in told.out.splitlines()}
    assert steps["open"][2].startswith("SQLite ")
    assert steps["tables"][2] == "att_punches, hr_employee, att_terminal"
    assert steps["rights"] == ["ok", "-", "read only"]
    assert steps["rows"][2] == "1 row"
    assert steps["machine 1"][2] == "1 row of CQZ7224760077, told by the table of machines"
    assert steps["newest row"][2] == "2026-11-22 08:59:58"
    (document,) = json.loads(site.run("databases", "ping", "head-office", "--json").out)
    assert (document["name"], document["ok"], document["kind"]) == ("head-office", True, None)
    assert (document["about"]["rows"], document["about"]["newest"]) == (1, "2026-11-22T08:59:58")
    assert (site.folder / "net.db").read_bytes() == before
    assert not site.journal.exists()


def test_ping_at_a_terminal(site: Site) -> None:
    """A person sees the steps below the line of one that failed, within 80 columns."""
    with_a_file(site).punch("2026-11-22 09:00:00", terminal=3)
    code, screen = at_a_terminal(site, "databases", "ping")
    assert code == 1
    assert screen.startswith("head-office  failed  machine 3\n  open ")
    assert max(map(len, screen.splitlines())) <= 80


def test_ping_of_rows_that_are_nobodys(site: Site) -> None:
    """A machine whose serial number nobody knows is a step that fails, with what to write; code 1."""
    with_a_file(site).punch("2026-11-22 09:00:00", terminal=3)
    told = site.run("databases", "ping")
    assert told.code == 1
    text = "machine 3: 1 row: machine 3 has no serial number here; name it in machines:"
    assert told.out == f"head-office  failed  {text}\n"


def test_ping_of_what_is_not_there(site: Site) -> None:
    """Code 69 where none could be reached, and 1 where one of several could."""
    gone = "  - {name: gone, kind: zktime-net, file: gone.db}\n"
    with_a_file(site, gone)
    told = site.run("databases", "ping", "gone")
    assert told.code == 69
    assert told.out.startswith("gone  failed  open: ")
    assert site.run("databases", "ping").code == 1
    (document,) = json.loads(site.run("databases", "ping", "gone", "--json").out)
    assert (document["ok"], document["kind"], document["about"]) == (False, "unreachable", None)


def test_ping_beside_another_run(site: Site) -> None:
    """A database that another run reads is left to it; code 75."""
    with_a_file(site)
    with open_journal(site.journal) as journal, journal.lock(f"database {site.folder / 'net.db'}"):
        told = site.run("databases", "ping")
    assert told.code == 75
    assert told.out.startswith("head-office  busy    another run is at it")


# --- the whole way ---


def test_from_the_file_to_the_list(site: Site) -> None:
    """What the vendor's program edits and removes after a sync is told by changes, and status stays well."""
    vendor = with_a_file(site)
    vendor.punch("2026-11-22 09:01:00", person=18)
    vendor.punch("2026-11-22 17:00:00")
    assert site.sync("--no-deliver").code == 0
    vendor.run("UPDATE att_punches SET workstate = 1 WHERE id = 1")
    vendor.run("DELETE FROM att_punches WHERE id = 2")
    told = site.sync("--no-deliver", "--full")
    assert told.code == 1
    assert "see `zkpoll databases changes head-office`" in told.err
    lines = [
        line.split("  ")[1:] for line in site.run("databases", "changes", "head-office").out.splitlines()
    ]
    assert [line[:3] for line in lines] == [
        ["1001", "2026-11-22 08:59:58", "head-office"],
        ["1002", "2026-11-22 09:01:00", "head-office"],
    ]
    assert lines[0][3].startswith("now state 1, ")
    assert lines[0][3].endswith("; sent as check_in (0), verify 1, work code 0")
    assert lines[1][3] == "gone"
    assert site.run("status").code == 0
    (told_day,) = site.run("explain", "1001", "2026-11-22", "--json").document()["punches"][:1]
    assert [one["database"] for one in told_day["rows"]] == ["head-office"]
    assert "read in head-office " in site.run("explain", "1002", "2026-11-22").out
    assert " (gone from there " in site.run("explain", "1002", "2026-11-22").out
    assert "head-office: read " in site.run("explain", "1003", "2026-11-22").out
    assert site.run("databases", "list").out.split("  ")[3] == "2"
