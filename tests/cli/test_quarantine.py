"""`zkpoll quarantine list`: what nobody can believe, as it came."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

from tests.site import entry
from zkpoll.simulator import Model, Terminal, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import Dashboard

SERIAL = "CQZ7224760045"


def with_an_impossible_record(serial: str = SERIAL) -> tuple[Terminal, bytes]:
    """Return a terminal one record of which is of 30 February, and that record."""
    terminal = Terminal.with_samples(40, model=Model(serial=serial))
    second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400
    raw = terminal.log[0][:27] + second.to_bytes(4, "little") + terminal.log[0][31:]
    terminal.append(raw)
    return terminal, raw


def test_it_lists_what_came(site: Site, dashboard: Dashboard) -> None:
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
    }
    assert told.out == f"{record['quarantined_at']}  front ({SERIAL})  no such date: {raw.hex()}\n"


def test_a_terminal_that_was_replaced(site: Site, dashboard: Dashboard) -> None:
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


def test_an_empty_quarantine(site: Site, dashboard: Dashboard) -> None:
    """With nothing in it, a pipe gets nothing and a program an empty list."""
    with serve(Terminal.with_samples(3)) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    told, listed = site.run("quarantine", "list"), site.run("quarantine", "list", "--json")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert (listed.code, json.loads(listed.out)) == (0, [])


def test_looking_needs_no_secret(site: Site, dashboard: Dashboard) -> None:
    """An operator's shell has neither the variables nor the files of secrets, and may look all the same."""
    with serve(with_an_impossible_record()[0]) as address:
        site.write(dashboard.url, entry("front", address))
        site.sync()
    site.inventory.write_text(site.inventory.read_text().replace("${TOKEN}", "${NOT_HERE}"))
    told = site.run("quarantine", "list")
    assert (told.code, told.err) == (0, "")
    assert "no such date" in told.out


def test_no_journal_yet(site: Site, dashboard: Dashboard) -> None:
    """Looking at a journal that is not there makes none: code 74 and one sentence."""
    site.write(dashboard.url, entry("front", ("127.0.0.1", 9)))
    result = site.run("quarantine", "list")
    assert result.code == 74
    assert len(result.err.splitlines()) == 1
    assert not site.journal.exists()
