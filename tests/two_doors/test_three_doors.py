"""One terminal that is read, pushes, and whose punches a vendor's program has as well: each is there once."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.two_doors import programs
from tests.two_doors.gate import NAME, Gate
from tests.two_doors.programs import Net, OnAccess, OnSqlite
from tests.waiting import wait_for
from zkpoll.model.punch import punch_id
from zkpoll.simulator import LAYOUTS, Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bridge.jackcess import Jackcess
    from tests.site import Result, Site
    from tests.two_doors.programs import Program, SerialFrom
    from zkpoll.simulator import SampleDashboard


SERIAL: Final = NAME.upper()
OFFICE: Final = programs.NAME
CLEAR: Final = ("devices", "clear", NAME, "--yes")
DOORS: Final = ("pull", "push", "bridge")
ORDERS: Final = list(permutations(DOORS))
EVERY: Final = [
    pytest.param(order, layout, marks=[] if place == which % len(ORDERS) else pytest.mark.long)
    for which, layout in enumerate(LAYOUTS)
    for place, order in enumerate(ORDERS)
]
"""Each order in each layout; quickly, another order in each layout."""
STATED: Final = {
    ("bridge", "pull"): f"device {NAME}: 1 punch has another state than in the database",
    ("bridge", "push"): f"push {NAME}: 1 punch has another state than in the database",
    ("pull", "bridge"): f"database {OFFICE}: 1 punch has another state there than at the terminal",
    ("push", "bridge"): f"database {OFFICE}: 1 punch has another state there than at the terminal",
}
"""What is said where the second of two doors shows another state than the first."""


class Office(Gate):
    """A terminal with two doors, and the program whose database is the third."""

    def __init__(
        self, site: Site, dashboard: SampleDashboard, layout: int, program: Program, more: str = ""
    ) -> None:
        super().__init__(site, dashboard, layout, more=program.entry(more))
        self.program = program
        self.doors: dict[str, Callable[[], object]] = {
            "pull": lambda: self.pulled("--device", NAME),
            "push": self.pushed,
            "bridge": self.bridged,
        }

    def bridged(self, *words: str, code: int = 0) -> str:
        """Let the program fetch what is new, and read its database."""
        self.program.fetch(self.unit)
        return self.pulled("--device", OFFICE, *words, code=code)

    def kinds(self) -> list[int]:
        """Return by which doors the punches came, as far as they are not all."""
        return [kinds for (kinds,) in self.look("SELECT kinds FROM punch")]


def by_every_door(gate: Office, order: tuple[str, ...]) -> None:
    """Let people punch, and each door be open, in this order and in others; see that all is there once."""
    gate.people(9)
    for door in order:
        gate.doors[door]()
        gate.check()
    for door in order[::-1]:
        gate.people(5)
        gate.doors[door]()
    gate.pushed()
    gate.program.fetch(gate.unit)
    gate.pulled("--full")
    gate.check()
    assert gate.pulled() == ""


@pytest.mark.parametrize(("order", "layout"), EVERY)
def test_one_punch_by_every_door(
    site: Site, dashboard: SampleDashboard, order: tuple[str, ...], layout: int
) -> None:
    """In every order and layout, each punch is journalled and sent once, and nobody is told anything."""
    with Office(site, dashboard, layout, Net(site.folder, SERIAL)) as gate:
        by_every_door(gate, order)
        assert {event["device"] for event in dashboard.events.values()} == {NAME}
        cleared = site.run(*CLEAR)
        assert (cleared.code, gate.unit.log) == (0, []), cleared
        gate.people(3)
        for door in order:
            gate.doors[door]()
        gate.check()
    assert gate.door.lines == []


@pytest.mark.parametrize(
    "order", [ORDERS[4], *(pytest.param(one, marks=pytest.mark.long) for one in ORDERS[:4] + ORDERS[5:])]
)
def test_one_punch_by_every_door_with_an_access_file(
    site: Site, dashboard: SampleDashboard, order: tuple[str, ...], jackcess: Jackcess
) -> None:
    """The same where the program's database is an Access file, as its own engine writes it."""
    with Office(site, dashboard, 40, OnAccess(site.folder, SERIAL, jackcess)) as gate:
        by_every_door(gate, order)
    assert gate.door.lines == []


@pytest.mark.parametrize("first", ["pull", "bridge"])
@pytest.mark.parametrize("serial_from", ["row", "inventory", "machines"])
def test_wherever_the_serial_number_stands(
    site: Site, dashboard: SampleDashboard, serial_from: SerialFrom, first: str
) -> None:
    """A row is of its terminal by its own serial number, by `machines:`, or by the program's list."""
    with Office(site, dashboard, 40, OnSqlite(site.folder, SERIAL, serial_from)) as gate:
        gate.people(5)
        gate.doors[first]()
        gate.doors["bridge"]()
        gate.doors["pull"]()
        gate.check()
        assert {event["serial_number"] for event in dashboard.events.values()} == {SERIAL}


# --- what a person is told ---


@pytest.mark.parametrize("order", STATED, ids="-".join)
def test_states_that_differ(site: Site, dashboard: SampleDashboard, order: tuple[str, str]) -> None:
    """In at the terminal and out in the database is one punch; that is told once, and then all is quiet."""
    with Office(site, dashboard, 40, OnSqlite(site.folder, SERIAL)) as gate:
        gate.bridged()
        gate.pulled()
        gate.pushed()
        gate.people(1)
        gate.program.fetch(gate.unit, state=4)
        found: list[Result] = []
        for door in order:
            if door == "push":
                gate.pushed()  # what it has to say, the next run may say
            found.append(site.sync("--device", OFFICE if door == "bridge" else NAME))
        assert gate.look("SELECT source, hold FROM punch WHERE seq > 3") == [(order[0], None)]
        assert [one.code for one in found] == [0, 1], found
        gate.pushed()
        found += [site.sync("--full"), site.sync("--full")]
        said = [*"".join(one.err for one in found).splitlines(), *gate.door.lines]
        assert said.count(f"zkpoll: {STATED[order]}; the one that came first stays") == 1
        assert (found[-1].code, found[-1].err) == (0, "")
        wait_for(lambda: len(dashboard.events) == 4)
        assert dashboard.duplicates == 0


def test_explain_tells_the_doors(site: Site, dashboard: SampleDashboard) -> None:
    """A person's day says in which database a punch stands, and which doors showed it besides."""
    with Office(site, dashboard, 40, Net(site.folder, SERIAL)) as gate:
        gate.people(1)
        record = gate.unit.history[-1]
        words = ("explain", record.user_id, str(record.time.date()))
        gate.bridged()
        assert f"read in {OFFICE} 20" in site.run(*words).out
        gate.pulled()
        gate.pushed()
        line = site.run(*words).out.splitlines()[-1]
        assert f"read in {OFFICE} 20" in line
        assert "; also at its terminal; also by push" in line


# --- clearing ---

MOMENTS = {
    "before the copy": (Command.CONNECT, 3, "1 record is not in the journal"),
    "after it": (Command.DISABLEDEVICE, 1, "somebody punched meanwhile"),
}


@pytest.mark.parametrize(("command", "nth", "why"), MOMENTS.values(), ids=MOMENTS)
def test_what_a_database_alone_brought(
    site: Site, dashboard: SampleDashboard, command: int, nth: int, why: str
) -> None:
    """A log is not cleared of a punch that only a database showed, though it is journalled and confirmed."""
    with Office(site, dashboard, 40, Net(site.folder, SERIAL)) as gate:
        gate.people(9)
        gate.bridged()
        gate.pulled()
        seen = 0

        def punched_and_fetched(received: int) -> None:
            nonlocal seen
            seen += received == command
            if received == command and seen == nth:
                gate.people(1)
                gate.program.fetch(gate.unit)
                site.sync("--device", OFFICE)  # which may say that the terminal is disabled just now
                gate.check()

        gate.unit.before_command = punched_and_fetched
        refused = site.run(*CLEAR)
        assert (seen, len(gate.unit.log)) == (nth, 13)
        assert why in refused.err, refused
        gate.unit.before_command = None
        assert (site.run(*CLEAR).code, gate.unit.log) == (0, [])
        gate.check()


# --- terminals that come later, or are repaired ---


def test_a_terminal_that_only_the_database_knew(site: Site, dashboard: SampleDashboard) -> None:
    """Once it is in the inventory, nothing of it is sent twice, and what is new has the inventory's name."""
    program = OnSqlite(site.folder, SERIAL)
    gate = Office(site, dashboard, 40, program)
    gate.people(6)
    program.fetch(gate.unit)
    site.write(dashboard.url, "name: other, host: 127.0.0.1, enabled: false", more=program.entry())
    gate.pulled()
    assert {event["device"] for event in dashboard.events.values()} == {OFFICE}
    known = set(dashboard.events)
    with gate:
        gate.pulled()
        gate.pushed()
        assert dashboard.events.keys() == known
        for door in gate.doors:
            gate.people(3)
            gate.doors[door]()
        gate.pulled()
        gate.check()
        later = [event for id_, event in dashboard.events.items() if id_ not in known]
        assert {event["device"] for event in later} == {NAME}
        assert "CQZ" not in site.run("status").out
    assert gate.door.lines == []


def test_a_terminal_that_was_repaired(site: Site, dashboard: SampleDashboard) -> None:
    """Rows with the serial number that a repair gave are of the terminal that it was."""
    program = OnSqlite(site.folder, "REPAIRED1")
    with Office(site, dashboard, 40, program) as gate:
        gate.people(4)
        gate.pulled("--device", NAME)
        gate.unit.model = replace(gate.unit.model, serial="REPAIRED1")
        gate.people(2)
        assert site.sync("--device", NAME).code == 1
        accepted = site.run("devices", "accept", NAME, "--same-terminal")
        assert (accepted.code, accepted.err) == (0, "")
        program.fetch(gate.unit)
        assert site.sync().code == 0
        gate.people(3)
        program.fetch(gate.unit)
        assert site.sync("--device", OFFICE).code == 0
        assert site.sync("--device", NAME).code == 0
        expected = {punch_id(SERIAL, one.user_id, one.time.isoformat()) for one in gate.unit.history}
        assert dashboard.events.keys() == expected
        assert dashboard.duplicates == 0


def test_rows_that_a_person_typed_in(site: Site, dashboard: SampleDashboard) -> None:
    """A row by hand goes out under the database's own key, beside what the terminal showed of that person."""
    program = Net(site.folder, SERIAL)
    with Office(site, dashboard, 40, program) as gate:
        gate.people(4)
        last = gate.unit.history[-1]
        typed = last._replace(time=last.time.replace(second=(last.time.second + 30) % 60))
        program.type_in(typed)
        gate.bridged()
        gate.pulled()
        gate.pushed()
        by_hand = punch_id(OFFICE, typed.user_id, typed.time.isoformat())
        event: dict[str, Any] = dashboard.events.pop(by_hand)
        assert (event["manual"], event["device"], event["serial_number"]) == (True, OFFICE, OFFICE)
        expected = {punch_id(SERIAL, one.user_id, one.time.isoformat()) for one in gate.unit.history}
        assert dashboard.events.keys() == expected
        assert not any("manual" in one for one in dashboard.events.values())
