"""A worker that stood still for so long that the server gave its session up: it wakes, and cannot write."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from tests.cli.test_on_postgres import OnServer
from tests.fleet.brokers import broker
from tests.fleet.fleet import END_SESSIONS, EVERY, FORGET_CLEARINGS, dispatch, working
from tests.fleet.office import Office
from tests.journal.on_postgres import empty_database
from tests.waiting import wait_for
from zkpoll.simulator import Command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.fleet.fleet import Worker
    from zkpoll.simulator import SampleDashboard

_READY: Final = "taking errands"
_A_MINUTE_GOES_BY: Final = "UPDATE zkpoll.intent SET since = '2026-11-22T00:00:00+00:00'"
"""Else the next worker waits for what the first one may still do, for as long as that may last."""
_NINE: Final = datetime(2026, 11, 23, 9)
_UNDER_WAY: Final = (
    "SELECT taken_by FROM zkpoll.errand"
    " WHERE subject LIKE '% gate' AND taken_at IS NOT NULL AND done_at IS NULL"
)
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def office(
    tmp_path: Path, popen: type[subprocess.Popen[Any]], dashboard: SampleDashboard
) -> Iterator[Office]:
    """Give terminals with two seats: a frozen worker keeps one; the journal is on a server."""
    with broker("redis") as between, empty_database() as url:
        site = OnServer(tmp_path, popen, url)
        with Office(site, between, dashboard, seats=2, clear="confirmed") as one:
            yield one


def _run(office: Office, statement: str) -> list[tuple[Any, ...]]:
    assert isinstance(office.site, OnServer)
    with closing(psycopg.connect(office.site.url, autocommit=True)) as db:
        done = db.execute(statement.encode())
        return done.fetchall() if done.description else []


def _freeze_at(office: Office, worker: Worker, is_the_moment: Callable[[int], bool]) -> Callable[[], bool]:
    """Let a worker stand still when the gate gets a command of which that is true; say whether it does."""
    frozen: list[int] = []

    def look(command: int) -> None:
        if not frozen and is_the_moment(command):
            frozen.append(command)
            worker.freeze()

    office.gate.before_command = look
    return lambda: bool(frozen)


def _clearings_too_early(office: Office) -> list[int]:
    """Watch the gate; return a list which gets how long its log was when it was cleared undelivered."""
    found: list[int] = []

    def look(command: int) -> None:
        if command == Command.CLEAR_ATTLOG and not office.has_all():
            found.append(len(office.gate.log))

    office.gate.before_command = look
    return found


def _round(office: Office, *, clears: bool = False) -> None:
    """Send all anew, a span later; clearings once, or each time. What is frozen is late, and told."""
    if clears:
        _run(office, FORGET_CLEARINGS.format("zkpoll."))
    office.ahead += EVERY
    assert dispatch(office.site, ahead=office.ahead).code in {0, 1}


def _rounds_until(office: Office, condition: Callable[[], bool], *, clears: bool = False) -> None:
    """Send all anew until a condition holds: what lies in a frozen worker's hands is sent again."""
    for _ in range(20):
        _round(office, clears=clears)
        try:
            wait_for(condition, seconds=4)
        except AssertionError:
            continue
        return
    raise AssertionError("waited in vain")


def _balance(office: Office) -> None:
    """See that all is well, and nothing is there twice."""
    last = office.site.sync("--json", "--full")
    assert last.code == 0, last.err
    (sums,) = last.document()["sums"]["journal"].values()
    assert office.has_all()
    assert (sums["punches"], sums["confirmed"], sums["held"]) == (len(office.dashboard.events),) * 2 + (0,)
    assert office.dashboard.conflicts == []
    assert [one.disabled for one in office.terminals.values()] == [False] * 3


def test_a_frozen_visit_writes_nothing_when_it_wakes(office: Office) -> None:
    """Another worker has read the log meanwhile; each punch is in the journal once."""
    with working(office.site) as first:
        first.wait_until_it_says(_READY)
        stands = _freeze_at(office, first, lambda command: command == Command.PREPARE_BUFFER)
        _round(office)
        wait_for(stands)
        _run(office, END_SESSIONS)
        with working(office.site) as second:
            second.wait_until_it_says(_READY)
            _rounds_until(office, office.has_all)
            before = _run(office, "SELECT * FROM zkpoll.punch ORDER BY seq")
            taken = "SELECT taken_by, done_at, outcome FROM zkpoll.errand WHERE subject = 'visit gate'"
            wait_for(lambda: _run(office, taken)[0][1] is not None)
            by_whom = _run(office, taken)
            commands = len(office.gate.commands)
            first.wake()
            wait_for(lambda: len(office.gate.commands) > commands or office.gate.seats_taken == 0)
            wait_for(lambda: office.gate.seats_taken == 0)
            assert _run(office, "SELECT * FROM zkpoll.punch ORDER BY seq") == before
            assert _run(office, taken) == by_whom
        assert office.gate.punch("1", _NINE)
        _rounds_until(office, office.has_all)  # by the one that stood still
    _balance(office)


@pytest.mark.parametrize("after", [Command.DISABLEDEVICE, Command.PREPARE_BUFFER])
def test_a_frozen_clearing_clears_nothing_when_it_wakes(office: Office, after: int) -> None:
    """What was punched since then is in the log, and not yet delivered; the terminal is enabled."""

    def is_the_moment(command: int) -> bool:
        return command == after and (office.gate.disabled or after == Command.DISABLEDEVICE)

    with working(office.site) as first:
        first.wait_until_it_says(_READY)
        _round(office)
        wait_for(office.has_all)
        stands = _freeze_at(office, first, is_the_moment)
        _rounds_until(office, stands, clears=True)
        _run(office, END_SESSIONS)
        _run(office, _A_MINUTE_GOES_BY)
        with working(office.site) as second:
            second.wait_until_it_says(_READY)
            _rounds_until(office, lambda: not office.gate.disabled and office.gate.seats_taken < 2)
            mine = f"({first.process.pid})"
            wait_for(lambda: all(by.endswith(mine) for (by,) in _run(office, _UNDER_WAY)))
            # Who takes what still waits at the broker may read it, deliver it, and clear after that.
            assert office.gate.punch("1", _NINE)
            too_early = _clearings_too_early(office)
            first.wake()
            wait_for(lambda: office.gate.seats_taken == 0 and not office.gate.disabled)
            assert office.gate.punch("2", _NINE + timedelta(minutes=1))
            _rounds_until(office, office.has_all)
            assert too_early == []
    _balance(office)
