"""Flipped bits in the journal's file: no punch is sent again and again, and no run ends without a word."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.bad_luck import check_the_last_word, ids_of
from tests.look import inside, look
from tests.site import Site, entry
from zkpoll.simulator import HttpAnswer, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Result

RECORDS: Final = 60
ROW: Final = rb"pending(?=20\d\d-)"
"""The state of a place in an outbox, in the table: a time follows."""
ENTRY: Final = rb"pending(?!20\d\d-)"
"""The state in the index of what is pending: the punch's number follows."""


@pytest.fixture
def terminal(site: Site, dashboard: SampleDashboard) -> Iterator[Terminal]:
    """Give a terminal whose punches wait in the site's journal, in a file without a log beside it."""
    terminal = Terminal.with_samples(RECORDS)
    with serve(terminal) as address:
        site.write(f"{dashboard.url}', batch_size: '7", entry("front", address))
        assert site.sync("--no-deliver").code == 0
        with closing(sqlite3.connect(site.journal)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
        yield terminal


def flip(site: Site, pattern: bytes, number: int = 30, bit: int = 0, letter: int = -1) -> None:
    """Flip a bit of a letter in the file, in what matches a pattern for the `number`-th time."""
    data = bytearray(site.journal.read_bytes())
    found = list(re.finditer(pattern, data))[number]
    data[range(found.start(), found.end())[letter]] ^= 1 << bit
    site.journal.write_bytes(data)


def sent(dashboard: SampleDashboard) -> list[str]:
    """Return the ids that were sent, each as often as it was."""
    return [
        one for request in dashboard.requests for one in re.findall(r'"id":"([^"]+)"', request.body.decode())
    ]


def check_it_is_told(site: Site, result: Result) -> None:
    """See that a run ended because of damage, and said so."""
    check_the_last_word(result, 74, f"the journal {site.journal} is damaged; restore a backup")


@pytest.mark.parametrize("bit", [0, 5])
@pytest.mark.parametrize("letter", range(7))
def test_a_damaged_word(
    site: Site, dashboard: SampleDashboard, terminal: Terminal, letter: int, bit: int
) -> None:
    """A punch whose state is no word, though an index lists it, is never sent; each run says why it ended."""
    flip(site, ROW, letter=letter, bit=bit)
    check_it_is_told(site, site.sync())
    first = len(dashboard.requests)
    check_it_is_told(site, site.sync())
    assert len(dashboard.requests) == first
    found = sent(dashboard)
    assert len(found) == len(set(found)) < RECORDS
    assert set(found) < ids_of(terminal)


@pytest.mark.parametrize("number", [0, 30, RECORDS - 1])
def test_a_damaged_index(site: Site, dashboard: SampleDashboard, terminal: Terminal, number: int) -> None:
    """A punch that waits, and that the index does not list as such, is not passed over in silence."""
    flip(site, ENTRY, number)
    check_it_is_told(site, site.sync())
    check_it_is_told(site, site.sync())
    found = sent(dashboard)
    assert max(map(found.count, found), default=0) <= 2
    assert set(found) <= ids_of(terminal)


def test_a_damaged_word_of_what_is_settled(
    site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """A punch that was confirmed, and is in no state now, is told by each run that counts all again."""
    assert site.sync().code == 0
    with closing(sqlite3.connect(site.journal)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    flip(site, rb"confirmed(?=20\d\d-)")
    assert site.sync().code == 0
    for _ in range(2):
        check_it_is_told(site, site.sync("--full"))
    assert len(sent(dashboard)) == len(ids_of(terminal))
    check_the_last_word(site.run("journal", "backup", str(site.folder / "copy.db")), 74, "is damaged")


@pytest.mark.usefixtures("terminal", "dashboard")
def test_a_dashboard_that_left_is_counted_again_too(site: Site) -> None:
    """What was settled with one that no inventory names any more is told as well where it is gone."""
    assert site.sync().code == 0
    with inside(site.journal) as db:
        db.execute(
            "INSERT INTO destination (name, after, given_up_since, discarded) VALUES ('old', 0, '2026', 1)"
        )
    assert site.sync().code == 0
    check_it_is_told(site, site.sync("--full"))


def test_one_that_was_lost_when_it_was_damaged(
    site: Site, dashboard: SampleDashboard, terminal: Terminal
) -> None:
    """A punch whose request is in flight, and whose state is no word now, is not sent again."""
    site.inventory.write_text(site.inventory.read_text().replace("batch_size: '7'", "batch_size: 500"))
    dashboard.answers.append(HttpAnswer(cut=True, body=b""))
    assert site.sync().code == 1
    with closing(sqlite3.connect(site.journal)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    assert look(site.journal, "SELECT punches, places FROM request") == [(RECORDS, f"1-{RECORDS}")]
    flip(site, ROW)
    check_it_is_told(site, site.sync())
    assert len(dashboard.requests) == 1
    assert set(sent(dashboard)) == ids_of(terminal)


USER: Final = rb"front\d{4}(?=2026-)"
"""A punch's user id: the device's name stands in front, the time behind."""


@pytest.mark.parametrize("number", [0, 15, 30])
def test_a_damaged_user(site: Site, dashboard: SampleDashboard, terminal: Terminal, number: int) -> None:
    """A flipped bit makes nobody else's punch: what is not the punch that its id says does not go out."""
    flip(site, USER, number)
    for _ in range(2):
        check_it_is_told(site, site.sync())
    assert set(sent(dashboard)) < ids_of(terminal)
    assert not dashboard.conflicts
    assert {one["user_id"] for one in dashboard.events.values()} <= {user.user_id for user in terminal.users}
    check_the_last_word(site.run("punches", "export", "--format", "json"), 74, "is damaged")


def test_a_damaged_request(site: Site, dashboard: SampleDashboard, terminal: Terminal) -> None:
    """A request in flight is sent again as it was, or not at all."""
    assert terminal.log
    dashboard.answers.append(HttpAnswer(cut=True, body=b""))
    assert site.sync().code == 1
    with closing(sqlite3.connect(site.journal)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
    flip(site, rb'"user_id":"\d+(?=")', 3)
    before = len(dashboard.requests)
    check_it_is_told(site, site.sync())
    assert len(dashboard.requests) == before
