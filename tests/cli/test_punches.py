"""`zkpoll punches export`: what the journal holds of who was where, when."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import stat
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_users import PEAK, measured
from tests.journal.helpers import KEY, piece, punch, visit
from tests.site import Site, at_a_terminal, entry
from zkpoll.journal.exports import keep_users
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Slice
from zkpoll.model.punch import Form, Punch
from zkpoll.model.user import User

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "224c9c2b-8130-5e29-a627-3b68fe8961e9"
MANY = 200_000


@pytest.fixture
def journalled(site: Site) -> Site:
    """Give a site with two dashboards, `old` of which left the inventory, and punches of two days."""
    site.write("http://127.0.0.1:9", entry("front-door", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        old, ledger = JournalOutbox(journal, "old"), visit(journal)
        ledger.take(piece(punch("1001"), punch("1002"), punch("1002", verify=4)))
        JournalOutbox(journal, "dashboard")
        ledger.take(piece(punch("-1003", 86_400)))
        old.settle(Settled((FIRST,), {old.next(9).events[1].id: "no such employee"}))
    return site


def exported(site: Site, *arguments: str) -> list[dict[str, Any]]:
    """Return what `punches export --json` prints."""
    told = site.run("punches", "export", "--json", *arguments)
    assert (told.code, told.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(told.out)
    return found


def test_as_json(journalled: Site) -> None:
    """Each punch is the event that dashboards get, and how it stands."""
    first = exported(journalled)[0]
    assert first == {
        "user_id": "1001",
        "timestamp": "2026-11-22T08:59:58+06:00",
        "status": 1,
        "type": 0,
        "id": FIRST,
        "device": "front-door",
        "serial_number": KEY,
        "punch_state": "check_in",
        "work_code": 0,
        "source": "pull",
        "name": None,
        "manual": False,
        "clock_suspect": False,
        "hold": None,
        "journalled_at": first["journalled_at"],
        "dashboards": {"dashboard": None, "old": "confirmed"},
    }
    assert datetime.fromisoformat(first["journalled_at"]).tzinfo == UTC


def test_names(journalled: Site) -> None:
    """A name is that of the person at the punch's device, else the only one of the id, else none."""
    users = [("1001", b"=Rahim"), ("1002", b"Jos\xe9"), ("9", b"Eve")]
    others = [("1001", b"R. Uddin"), ("-1003", b"Karim")]
    with open_journal(journalled.journal) as journal:
        for key, found in ((KEY, users), ("B7", others)):
            keep_users(journal, key, [User(1, *one, 0, 0, 1, False) for one in found])
    text = journalled.inventory.read_text()
    journalled.inventory.write_text(text.replace("port: 9", "port: 9, encoding: cp1252"))
    assert [one["name"] for one in exported(journalled)] == ["=Rahim", "José", "José", "Karim"]
    header, first, *_ = csv.reader(io.StringIO(journalled.run("punches", "export").out, newline=""))
    assert dict(zip(header, first, strict=True))["name"] == "'=Rahim"
    assert "1002 José" in at_a_terminal(journalled, "punches", "export")[1]


def test_states_and_holds(journalled: Site) -> None:
    """For every dashboard that ever was it is said whether it has the punch, and why it is held."""
    found = [(one["user_id"], one["dashboards"], one["hold"]) for one in exported(journalled)]
    assert found == [
        ("1001", {"dashboard": None, "old": "confirmed"}, None),
        ("1002", {"dashboard": None, "old": "parked"}, None),
        ("1002", {"dashboard": None, "old": "held"}, "same second"),
        ("-1003", {"dashboard": "pending", "old": "pending"}, None),
    ]


def test_as_csv(journalled: Site) -> None:
    """In a pipe it is CSV with a column for each dashboard, and nothing that a spreadsheet would run."""
    told = journalled.run("punches", "export")
    assert (told.code, told.err) == (0, "")
    header, first, *_, last = csv.reader(io.StringIO(told.out, newline=""))
    assert header[-6:] == [
        *("manual", "clock_suspect", "hold", "journalled_at", "dashboards.dashboard", "dashboards.old")
    ]
    assert dict(zip(header, first, strict=True))["dashboards.old"] == "confirmed"
    assert last[0] == "'-1003"


def test_as_ndjson_to_a_file(journalled: Site, tmp_path: Path) -> None:
    """The same rows, a line each, in a file of its owner's."""
    path = tmp_path / "punches.ndjson"
    told = journalled.run("punches", "export", "--output", str(path))
    assert (told.code, told.out, told.err) == (0, "", "")
    assert [json.loads(line) for line in path.read_text().splitlines()] == exported(journalled)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "users"),
    [
        (("--from", "2026-11-23"), ["-1003"]),
        (("--until", "2026-11-22"), ["1001", "1002", "1002"]),
        (("--from", "2026-11-22", "--until", "2026-11-22", "--user", "1002"), ["1002", "1002"]),
        (("--device", "front-door", "--user", "1001"), ["1001"]),
        (("--from", "2027-01-01"), []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_which_are_exported(journalled: Site, arguments: tuple[str, ...], users: list[str]) -> None:
    """Days, users and devices choose what is exported."""
    assert [one["user_id"] for one in exported(journalled, *arguments)] == users


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "2026-11-23", "--until", "2026-11-22"),
        ("--from", "22.11.2026"),
        ("--device", "yard"),
        ("--json", "--format", "ndjson"),
    ],
    ids=" ".join,
)
def test_wrong_usage(journalled: Site, arguments: tuple[str, ...]) -> None:
    """Days that end before they begin, and devices that nobody knows, are refused."""
    told = journalled.run("punches", "export", *arguments)
    assert (told.code, told.out) == (2, "")


def test_no_journal(site: Site) -> None:
    """Without a journal none is made: code 74."""
    site.write("http://127.0.0.1:9", entry("front-door", ("127.0.0.1", 9)))
    assert site.run("punches", "export").code == 74
    assert not site.journal.exists()


def test_on_a_terminal(journalled: Site) -> None:
    """A person gets a table that fits, and is told where nothing is."""
    code, shown = at_a_terminal(journalled, "punches", "export", "--user", "1001")
    assert code == 0
    assert shown.splitlines()[0].split() == ["time", "device", "user", "state", "dashboards"]
    assert re.search(r"front-door +1001 +check_in +old confirmed", shown)
    assert max(map(len, shown.splitlines())) <= 80
    nobody = at_a_terminal(journalled, "punches", "export", "--user", "9")
    assert nobody == (0, "There are no such punches.\n")


def fill(site: Site, count: int) -> None:
    """Put so many punches of five hundred people into the journal of a site."""
    site.write("http://127.0.0.1:9", entry("front-door", ("127.0.0.1", 9)))
    begin, step = datetime(2025, 1, 1), 20_000
    with open_journal(site.journal) as journal:
        JournalOutbox(journal, "main")
        ledger = visit(journal)
        for start in range(0, count, step):
            run = tuple(
                Punch(str(1000 + n % 500), begin + timedelta(seconds=n), 1, n % 2, 0, n.to_bytes(40))
                for n in range(start, start + step)
            )
            ledger.take(Slice(run, (), None, form=Form.PULL_40))


@pytest.mark.long
@pytest.mark.timeout(300)  # seconds; a dozen where nothing else runs
def test_two_hundred_thousand_punches(site: Site) -> None:
    """However long the journal is, an export takes little memory, and no punch is left out."""
    fill(site, MANY)
    out, peak = measured(site, "punches", "export", "--format", "ndjson")
    lines = out.splitlines()
    assert len(set(lines)) == len(lines) == MANY
    assert peak < PEAK


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal(site: Site, number: signal.Signals, code: int) -> None:
    """An export that is stopped half way leaves no half of a file."""
    fill(site, 40_000)
    folder = site.folder / "exports"
    folder.mkdir()
    path = folder / "punches.csv"
    process = site.start("punches", "export", "--output", str(path))
    until = time.monotonic() + 30
    while not any(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(number)
    ended = site.finish(process)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert list(folder.iterdir()) == []
