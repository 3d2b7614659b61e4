"""`zkpoll sync` and `zkpoll serve` on one journal, for a minute, while people punch and others look in."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from itertools import count, cycle
from typing import TYPE_CHECKING, Final

import pytest

from tests.hostile.world import PEOPLE, Unit
from tests.look import look
from tests.serve.serving import serving, write
from tests.site import TOKEN, entry
from tests.waiting import wait_for
from zkpoll.simulator import (
    EnrolledUser,
    HttpAnswer,
    Model,
    PushModel,
    PushTerminal,
    SampleDashboard,
    pushing,
    serve,
)

if TYPE_CHECKING:
    from tests.site import Result, Site
    from zkpoll.simulator import Received

LASTS: Final = 60.0
"""Seconds."""
AWAY: Final = (15.0, 30.0)
"""When the dashboard is away."""
KNOWN_BACK: Final = 45.0
"""When somebody has delivered again, and what was parked is sent again."""
PUNCHES: Final = 25
"""A second, at each terminal; nobody twice in one second."""
LAYOUTS: Final = (8, 16, 40)
BESIDE: Final = (
    ("journal", "backup", "{folder}/backup.db", "--force"),
    ("journal", "prune", "--older-than", "30d", "--yes"),
    ("outbox", "retry", "--all"),
    ("status",),
)
_PUNCHES: Final = """
    SELECT user_id, substr(timestamp, 1, 19), state FROM punch JOIN device ON device.id = device WHERE key = ?
"""
_STATES: Final = "SELECT state, count(*) FROM outbox GROUP BY state"


class Sometimes(SampleDashboard):
    """A dashboard that is away for a while, and refuses a punch now and then meanwhile."""

    away = False
    _asked = 0

    def default(self, request: Received) -> HttpAnswer:
        """Answer as ever, or with 503, or name the last punch as one that is refused."""
        if not self.away:
            return super().default(request)
        self._asked += 1
        if self._asked % 3:
            return HttpAnswer(503)
        last = json.loads(request.body)["events"][-1]["id"]
        return HttpAnswer(422, json.dumps({"rejected": [{"id": last, "error": "unknown"}]}).encode())


def _unit(layout: int) -> Unit:
    """Return a terminal whose clock goes, and many people."""
    unit = Unit(f"unit{layout}", Model(serial=f"UNIT{layout}", layout=layout), renumbers=False)
    unit.users += [EnrolledUser(slot, str(1000 + slot)) for slot in range(10, 10 + 2 * PUNCHES)]
    unit.set_clock(datetime.now())
    return unit


def _punch(units: list[Unit], stop: threading.Event) -> None:
    for number in count(PEOPLE):  # the first ones have punched just now
        if stop.wait(1 / PUNCHES):
            return
        for unit in units:
            unit.punch(unit.users[number % len(unit.users)].user_id, state=number % 2)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_minute_side_by_side(site: Site) -> None:
    """Neither program disturbs the other, nor do those who look in: no noise, nothing lost, nothing twice."""
    units, stop = [_unit(layout) for layout in LAYOUTS], threading.Event()
    said: list[tuple[float, tuple[str, ...], Result]] = []
    with ExitStack() as stack:
        dashboard = stack.enter_context(Sometimes(TOKEN))
        addresses = [stack.enter_context(serve(unit)) for unit in units]
        devices = [
            entry(unit.name, address, serial=unit.model.serial, push="true")
            for unit, address in zip(units, addresses, strict=True)
        ]
        write(site, dashboard.url, devices)
        door = stack.enter_context(serving(site))
        terminals = [PushTerminal(door.url, unit, PushModel(batch=16)) for unit in units]
        for terminal in terminals:
            stack.enter_context(pushing(terminal))
        # Until it is written down that a device has called, `status` says that it never did.
        wait_for(lambda: look(site.journal, "SELECT count(*) FROM push_device") == [(len(units),)])
        people = threading.Thread(target=_punch, args=(units, stop))
        people.start()
        stack.callback(people.join)
        stack.callback(stop.set)
        began = time.monotonic()
        for words in cycle([("sync",), *BESIDE, ("sync",), ("sync", "--full")]):
            moment = time.monotonic() - began
            if moment > LASTS:
                break
            dashboard.away = AWAY[0] <= moment < AWAY[1]
            said.append((moment, words, site.run(*(word.format(folder=site.folder) for word in words))))
        stop.set()
        people.join()
        wait_for(lambda: all(len(one.acknowledged) == len(one.terminal.history) for one in terminals))
        said.append((LASTS, ("sync",), site.sync("--full")))
        wait_for(lambda: "pending" not in dict(look(site.journal, _STATES)))
    for moment, words, result in said:
        _check(moment, words, result)
    assert any(words[0] == "outbox" and not result.code for _, words, result in said)
    assert all("dashboard" in line for line in door.lines), door.lines
    for unit in units:
        found = Counter(map(tuple, look(site.journal, _PUNCHES, (unit.model.serial,))))
        assert (found - unit.punched, unit.punched - found) == (Counter(), Counter())
    total = sum(unit.punched.total() for unit in units)
    assert total > LASTS * PUNCHES
    assert dict(look(site.journal, _STATES)) == {"confirmed": total}
    assert (len(dashboard.events), dashboard.duplicates, dashboard.conflicts) == (total, 0, [])
    assert look(site.folder / "backup.db", "PRAGMA integrity_check") == [("ok",)]


def _check(moment: float, words: tuple[str, ...], result: Result) -> None:
    """See that a command did well; while the dashboard is away, that may be said."""
    troubled = AWAY[0] <= moment < KNOWN_BACK
    if words[0] == "outbox":
        assert result.code == 0 or "no punch is meant" in result.err, (moment, result)
    elif words[0] in ("sync", "status") and troubled:
        assert result.code in {0, 1}, (moment, words, result)
        assert all("dashboard" in line for line in result.err.splitlines()), (moment, words, result)
    else:
        assert (result.code, result.err) == (0, ""), (moment, words, result)
        assert words[0] != "sync" or not result.out, (moment, words, result)
