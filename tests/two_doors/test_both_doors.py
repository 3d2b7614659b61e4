"""One terminal that is read and pushes as well, on one journal: each of its punches is there once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.serve.serving import Heard
from tests.two_doors.gate import NAME, Gate
from tests.waiting import wait_for
from zkpoll.simulator import LAYOUTS, Command, PushModel, pushing

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


CLEAR = ("devices", "clear", NAME, "--yes")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_whichever_door_is_first(site: Site, dashboard: SampleDashboard, layout: int) -> None:
    """In every order and layout, each punch is journalled and sent once, and the log cleared by proof."""
    with Gate(site, dashboard, layout) as gate:
        gate.people(9)
        gate.pushed()
        gate.pulled()
        gate.check()

        gate.people(9)
        gate.pulled()
        gate.pushed()
        gate.check()

        for door in (gate.push.step, gate.pulled, gate.push.step, gate.push.step, gate.pulled, gate.pushed):
            gate.people(5)
            door()
        gate.pulled("--full")
        gate.check()

        _both_at_once(gate)
        gate.pulled()
        gate.check()

        gate.people(1)
        first = gate.somebody(1, 0)
        gate.pushed()
        gate.somebody(1, 1)
        assert "of a user in a second that holds another one, held" in gate.pulled(code=1)
        gate.pushed()
        held = (first.user_id, gate.time.isoformat(), "same second")
        gate.check(held)

        gate.push.point_at(gate.door.url)  # so it sends its whole log
        gate.pushed()
        assert len(gate.push.acknowledged) == len(gate.unit.history)
        gate.pulled("--full")
        gate.check(held)

        cleared = site.run(*CLEAR)
        assert (cleared.code, gate.unit.log) == (0, []), cleared
        again = "".join(f"{one}\n" for one in _lines(gate)).encode()
        assert gate.door.ask(f"/iclock/cdata?SN={NAME.upper()}&table=ATTLOG", again) == Heard(
            200, f"OK: {len(gate.unit.history)}"
        )
        gate.people(3)
        gate.pushed()
        gate.people(3)
        gate.pulled()
        gate.pushed()
        gate.check(held)
    assert gate.door.lines == []


def _both_at_once(gate: Gate) -> None:
    """Read it twice while it pushes and people punch all the while."""
    done = threading.Event()

    def punch() -> None:
        while not done.wait(0.01):
            gate.people(2)

    people = threading.Thread(target=punch)
    with pushing(gate.push):
        people.start()
        try:
            gate.pulled()
            gate.pulled("--full")
        finally:
            done.set()
            people.join()
        wait_for(lambda: len(gate.push.acknowledged) == len(gate.unit.history))


def _lines(gate: Gate) -> list[str]:
    return [
        f"{one.user_id}\t{one.time}\t{one.state}\t{one.verify}\t{one.work_code}\t0\t0"
        for one in gate.unit.history
    ]


MOMENTS = {
    "before the copy": (Command.CONNECT, 3, "1 record is not in the journal"),
    "after it": (Command.DISABLEDEVICE, 1, "somebody punched meanwhile"),
}


@pytest.mark.parametrize(("command", "nth", "why"), MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("layout", [16, 40])
def test_what_push_alone_brought(
    site: Site, dashboard: SampleDashboard, layout: int, command: int, nth: int, why: str
) -> None:
    """A log is not cleared of a punch that came by push alone, though it is journalled and confirmed."""
    with Gate(site, dashboard, layout) as gate:
        gate.people(9)
        gate.pushed()
        gate.pulled()
        seen = 0

        def punched_and_pushed(received: int) -> None:
            nonlocal seen
            seen += received == command
            if received == command and seen == nth:
                gate.people(1)
                gate.pushed()
                gate.check()

        gate.unit.before_command = punched_and_pushed
        refused = site.run(*CLEAR)
        assert (seen, len(gate.unit.log)) == (nth, 13)
        assert why in refused.err, refused
        gate.unit.before_command = None
        assert (site.run(*CLEAR).code, gate.unit.log) == (0, [])
        gate.check()


def test_the_sum_of_a_reading(site: Site, dashboard: SampleDashboard) -> None:
    """The records of a log that push brought before count as seen before, once, and the sum comes out."""
    with Gate(site, dashboard, 40) as gate:
        gate.people(9)
        gate.pushed()
        reading = site.report()["sums"]["reading"]
    assert (reading.pop("records"), reading["seen_before"]) == (12, 12)
    assert sum(reading.values()) == 12


def test_doors_that_tell_different_states(site: Site, dashboard: SampleDashboard) -> None:
    """Where doors tell different states of a punch, both words are kept, and one waits for a person."""
    with Gate(site, dashboard, 40, PushModel(key_value=True)) as gate:
        gate.pushed()
        gate.people(1)
        record = gate.somebody(1, 4)
        gate.pushed()
        gate.pulled(code=1)
        found = gate.look("SELECT user_id, state, hold FROM punch ORDER BY seq DESC LIMIT 2")
        assert found == [(record.user_id, 4, "same second"), (record.user_id, 255, None)]
        assert (site.run(*CLEAR).code, gate.unit.log) == (0, [])
