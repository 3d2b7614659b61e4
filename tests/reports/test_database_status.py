"""How databases stand: the words and the document of `zkpoll status`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zkpoll.journal.database_overview import DatabaseStanding, HeldForPerson
from zkpoll.reports.database_status import DatabaseStatus

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
READ = NOW - timedelta(minutes=5)
STANDING = DatabaseStanding(
    name="head-office",
    address="/mnt/zk/att2000.mdb",
    kind="att2000",
    key="head-office",
    met_at=READ,
    read_at=READ,
    whole_at=READ,
    rows=9931,
    set_aside=0,
    changed=0,
    gone=0,
    pending=0,
)
WELL = DatabaseStatus(
    "head-office",
    "att2000",
    "/mnt/zk/att2000.mdb",
    enabled=True,
    standing=STANDING,
    held=HeldForPerson(),
    stale=False,
)
NEVER = replace(WELL, standing=None, stale=True)


def standing(**fields: Any) -> DatabaseStatus:
    """Return a database that stands well but for these."""
    return replace(WELL, standing=replace(STANDING, **fields))


def test_all_well() -> None:
    """While nothing is set aside, changed or gone, there are its last reading and its rows, and no remark."""
    assert WELL.cells(NOW) == ("5 min ago", "9,931", "", "", "")
    assert [*WELL.words(NOW)] == ["read 5 min ago", "9,931 rows"]
    assert ([*WELL.remarks()], WELL.attention) == ([], False)


@pytest.mark.parametrize(
    ("found", "key"),
    [
        (standing(set_aside=3), "set_aside"),
        (replace(WELL, held=HeldForPerson(sudden=3)), "held_sudden"),
        (replace(WELL, held=HeldForPerson(manual=3)), "held_manual"),
    ],
)
def test_what_waits_for_a_person(found: DatabaseStatus, key: str) -> None:
    """Rows that are set aside, and punches that are held for their database's sake, need a person."""
    assert found.attention
    (need,) = found.needs()
    assert need.line.startswith("database head-office: 3 ")
    assert "; see `zkpoll " in need.line
    assert found.document()[key] == 3


@pytest.mark.parametrize("what", ["changed", "gone", "pending"])
def test_what_waits_for_nobody(what: str) -> None:
    """Rows that were edited or went were told once, and what is on its way needs nobody."""
    found = standing(**{what: 3})
    assert not found.attention
    assert found.document()[what] == 3


def test_the_words_of_rows() -> None:
    """Each number stands in its column, and in a pipe beside its word."""
    found = standing(set_aside=1, changed=2, gone=3000)
    assert found.cells(NOW)[2:] == ("1", "2", "3,000")
    assert [*found.words(NOW)][2:] == ["1 set aside", "2 edited", "3,000 gone"]


def test_read_too_long_ago() -> None:
    """A database that was not read for too long, or never, is told in capitals."""
    assert replace(WELL, stale=True).cells(NOW)[0] == "5 min ago, TOO LONG"
    assert (NEVER.cells(NOW)[:2], NEVER.attention) == (("never, TOO LONG", ""), True)
    assert [*NEVER.words(NOW)] == ["read never, TOO LONG"]
    assert (NEVER.document()["rows"], NEVER.document()["read_at"]) == (None, None)


def test_read_ahead_of_now() -> None:
    """Of a reading ahead of this host's clock nobody knows how old it is; not asked where it is taken out."""
    ahead = replace(standing(read_at=NOW + timedelta(hours=1)), ahead=True)
    assert ahead.cells(NOW)[0] == "2026-11-22 04:00Z, AHEAD"
    assert ahead.attention
    off = replace(ahead, enabled=False)
    assert not off.attention
    assert next(off.remarks()) == "enabled: false"


def test_the_document() -> None:
    """A program finds the database's own facts and the counts under their names."""
    assert WELL.document() == {
        "name": "head-office",
        "kind": "att2000",
        "address": "/mnt/zk/att2000.mdb",
        "enabled": True,
        "stale": False,
        "ahead_of_clock": False,
        "read_at": "2026-11-22T02:55:00.000+00:00",
        "whole_at": "2026-11-22T02:55:00.000+00:00",
        "rows": 9931,
        "set_aside": 0,
        "changed": 0,
        "gone": 0,
        "pending": 0,
        "held_sudden": 0,
        "held_manual": 0,
    }
