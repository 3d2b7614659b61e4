"""`zkpoll quarantine`: what nobody can believe, as it came, and a person who accepts that it is so."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import KEY, connection, odd, piece, punch, visit
from tests.site import at_a_terminal, entry
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from typing import Any

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

SERIAL = "CQZ7224760045"


def with_an_impossible_record(serial: str = SERIAL) -> tuple[Terminal, bytes]:
    """Return a terminal one record of which is of 30 February, and that record."""
    terminal = Terminal.with_samples(40, model=Model(serial=serial))
    second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400
    raw = terminal.log[0][:27] + second.to_bytes(4, "little") + terminal.log[0][31:]
    terminal.append(raw)
    return terminal, raw


def test_it_lists_what_came(site: Site, dashboard: SampleDashboard) -> None:
    """Each impossible record is listed once with its device, the reason, when it came, and its bytes."""
    terminal, raw = with_an_impossible_record()
    with serve(terminal) as address:
        site.write(dashboard.url, entry("front", address))
        assert site.sync().code == 1
        site.sync("--full")
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert (told.code, told.err, listed.code, listed.err) == (0, "", 0, "")
    (record,) = json.loads(listed.out)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", record["quarantined_at"])
    assert record == {
        "device": "front",
        "serial_number": SERIAL,
        "raw": raw.hex(),
        "reason": "no such date",
        "quarantined_at": record["quarantined_at"],
        "accepted_at": None,
    }
    assert told.out == f"{record['quarantined_at']}  front ({SERIAL})  no such date: {raw.hex()}\n"


def test_a_terminal_that_was_replaced(site: Site, dashboard: SampleDashboard) -> None:
    """What came from a terminal that is no device any more is listed all the same."""
    with serve(with_an_impossible_record()[0]) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    with serve(Terminal.with_samples(3, model=Model(serial="NEW1")), port=address.port):
        site.sync()
    assert site.run("devices", "accept", "front").code == 0
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert f"no device any more ({SERIAL})" in told.out
    assert json.loads(listed.out)[0]["device"] is None


def test_an_empty_quarantine(site: Site, dashboard: SampleDashboard) -> None:
    """With nothing in it, a pipe gets nothing and a program an empty list."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert (listed.code, json.loads(listed.out)) == (0, [])


def test_looking_needs_no_secret(site: Site, dashboard: SampleDashboard) -> None:
    """An operator's shell has neither the variables nor the files of secrets, and may look all the same."""
    with serve(with_an_impossible_record()[0]) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    site.inventory.write_text(site.inventory.read_text().replace("${TOKEN}", "${NOT_HERE}"))
    told = site.run("quarantine", "list")
    assert (told.code, told.err) == (0, "")
    assert "no such date" in told.out


def test_no_journal_yet(site: Site, dashboard: SampleDashboard) -> None:
    """Looking at a journal that is not there makes none: code 74 and one sentence."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = site.run("quarantine", "list")
    assert result.code == 74
    assert len(result.err.splitlines()) == 1
    assert not site.journal.exists()


# --- accepting them ---


@pytest.fixture
def kept(site: Site, dashboard: SampleDashboard) -> Site:
    """Give a site with three records in quarantine: two of `front`, and one of a stranger at its address."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    with open_journal(site.journal) as journal:
        visit(journal, "front").take(piece(punch(), odd(b"1"), odd(b"2")))
        visit(journal, "other", "NEW1").take(piece(odd(b"1")))
        Devices(journal).meet_stranger("front", "NEW1")
        connection(journal).execute("UPDATE device SET name = NULL WHERE key = 'NEW1'")
    return site


def accepted(site: Site) -> dict[str, list[bool]]:
    """Return which records are accepted, by serial number."""
    listed: list[dict[str, Any]] = json.loads(site.run("quarantine", "list", "--json").out)
    return {
        key: [one["accepted_at"] is not None for one in listed if one["serial_number"] == key]
        for key in (KEY, "NEW1")
    }


def test_accepting(kept: Site) -> None:
    """All of that device's records are accepted, and no other's; they stay in the list, marked."""
    result = kept.run("quarantine", "accept", "--device", "front", "--yes")
    assert (result.code, result.out, result.err) == (0, "2 records of front are accepted.\n", "")
    assert accepted(kept) == {KEY: [True, True], "NEW1": [False]}
    lines = kept.run("quarantine", "list").out.splitlines()
    assert [line.endswith("  (accepted)") for line in lines] == [KEY in line for line in lines]


def test_accepting_twice(kept: Site) -> None:
    """Where nothing is left to accept, all is well; one that came since is accepted alone."""
    arguments = ("quarantine", "accept", "--device", "front", "--yes")
    kept.run(*arguments)
    again = kept.run(*arguments)
    assert (again.code, again.out) == (0, "Nothing of front is in quarantine that is not accepted.\n")
    with open_journal(kept.journal) as journal:
        visit(journal, "front").take(piece(odd(b"1"), odd(b"3")))
    assert kept.run(*arguments).out == "1 record of front is accepted.\n"


def test_a_person_is_asked(kept: Site) -> None:
    """At a terminal the records are shown, and nothing but a yes accepts them."""
    code, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="n\n")
    assert code == 1
    assert shown.count(f"front ({KEY})  no such date: ") == 2
    assert "Accept 2 records of front? [y/N]" in shown
    assert "Nothing is accepted." in shown
    assert accepted(kept)[KEY] == [False, False]
    code, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="y\n")
    assert (code, accepted(kept)[KEY]) == (0, [True, True])
    assert "2 records of front are accepted." in shown


def test_only_the_first_of_many_are_shown(kept: Site) -> None:
    """A terminal that went mad does not fill the screen before the question."""
    with open_journal(kept.journal) as journal:
        visit(journal, "front").take(piece(*(odd(b"many %d" % number) for number in range(1200))))
    _, shown = at_a_terminal(kept, "quarantine", "accept", "--device", "front", answer="n\n")
    assert shown.count("no such date") == 5
    assert "... and 1,197 more" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--device", "front"), "nobody is there to be asked; say --yes"),
        (("--device", "nobody", "--yes"), "no device 'nobody' in the journal"),
        (("--yes",), "Missing option '--device'"),
    ],
)
def test_what_is_not_accepted(kept: Site, arguments: tuple[str, ...], told: str) -> None:
    """Without a person to ask, a device that is known, or any device at all, nothing is changed."""
    result = kept.run("quarantine", "accept", *arguments)
    assert (result.code, result.out) == (2, "")
    assert told in result.err
    assert accepted(kept) == {KEY: [False, False], "NEW1": [False]}
