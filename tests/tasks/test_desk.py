"""The desk of the push door, before its upkeep has written anything down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from zkpoll.errors import JournalError
from zkpoll.inventory import load
from zkpoll.journal.opening import open_journal
from zkpoll.push.contract import Head
from zkpoll.reports.push_status import push_status
from zkpoll.tasks.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal

INVENTORY = """\
journal: journal.db
dashboard: {url: "http://127.0.0.1:9/", token: x}
listen: {address: "127.0.0.1:0"}
defaults: {timezone: UTC}
devices:
  - {name: gate, serial: "0123", push: true}
"""
GATE = "/iclock/cdata"


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Return an inventory of one terminal that pushes."""
    path = tmp_path / "devices.yaml"
    path.write_text(INVENTORY)
    return load(path, {})


@pytest.fixture
def journal(inventory: Inventory) -> Iterator[Journal]:
    """Return its journal, which is empty."""
    with open_journal(inventory.home) as journal:
        yield journal


def desk(inventory: Inventory, journal: Journal) -> Desk:
    """Return the desk of a `serve` that has just begun."""
    return Desk(inventory, journal, taken=lambda _met, _name: None, clock_is_right=True)


def push(desk: Desk, user: str) -> int:
    """Let the terminal push a punch of now, and return the status it is answered with."""
    line = f"{user}\t{datetime.now(UTC):%Y-%m-%d %H:%M:%S}\t0\t1\t0\n"
    return desk.answer(Head("POST", GATE, "SN=0123&table=ATTLOG&Stamp=1", "192.0.2.7"), line.encode()).status


def test_who_brought_punches_has_called(inventory: Inventory, journal: Journal) -> None:
    """From the moment its punches are in, a look knows when it called, and from where."""
    assert push(desk(inventory, journal), "1001") == 200
    (gate,) = push_status(inventory, journal, timedelta(hours=1), datetime.now(UTC))[0].values()
    assert (gate.silent, gate.stale) == (False, False)
    assert gate.standing
    assert gate.standing.address == "192.0.2.7"
    assert abs(gate.standing.last_call_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_who_is_known_brings_punches_to_a_desk_that_is_new(inventory: Inventory, journal: Journal) -> None:
    """A terminal that was met before brings its first batch to each process that it calls."""
    assert [push(desk(inventory, journal), user) for user in ("1001", "1002")] == [200, 200]


def test_a_call_is_counted_once(inventory: Inventory, journal: Journal) -> None:
    """What is written with the first batch is not written again; further ones wait for the upkeep."""
    one = desk(inventory, journal)
    (gate,) = one.seats.values()
    written: list[str] = []
    real = journal.run

    def run(query: str, /, **parameters: object) -> int:
        written.append(query)
        return real(query, **parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "run", run)
        for user in ("1001", "1002", "1003"):
            assert push(one, user) == 200
    assert written.count("add_contact") == 1
    one.write_down(datetime.now(UTC), all_of_it=True)
    assert gate.last_call_at
    (found,) = push_status(inventory, journal, timedelta(hours=1), datetime.now(UTC))[0].values()
    assert found.standing
    assert found.standing.replays == 0
    assert abs(found.standing.last_call_at - gate.last_call_at) < timedelta(seconds=0.01)


def test_a_batch_that_is_not_taken_leaves_no_call(inventory: Inventory, journal: Journal) -> None:
    """Both are in, or neither; the next batch brings its call again."""
    one = desk(inventory, journal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zkpoll.journal.pushed.Pushed.keep_batch", _full)
        assert push(one, "1001") == 503
    assert journal.all("push_standings") == []
    assert push(one, "1001") == 200
    assert len(journal.all("push_standings")) == 1


def _full(*_: object, **__: object) -> None:
    raise JournalError("the disk is full")
