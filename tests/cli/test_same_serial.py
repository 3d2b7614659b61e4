"""Several devices of the inventory with one serial number: copies of boards, one terminal entered twice."""

from __future__ import annotations

import json
import random
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.look import inside
from tests.peers import closed_port
from tests.site import entry
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import lock, open_journal
from zkpoll.model.punch import punch_id
from zkpoll.simulator import Command, EnrolledUser, Faults, Model, Terminal, serve
from zkpoll.simulator.faults import cut, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.site import Result, Site
    from zkpoll.simulator import Listening, SampleDashboard
    from zkpoll.simulator.faults import Instead

SERIAL: Final = "CQZ7224760045"
OWN: Final = "clone-of-the-gate"
REFUSED: Final = (
    f"serial number {SERIAL} is {{}}'s{{}}, so nothing of this one is read: if both are one terminal, remove "
    "one of the two entries; if this is another one with a copied number, give it a serial: of its own with "
    "trust: inventory"
)


def terminal(*users: str) -> Terminal:
    """Return a terminal with the one serial number, at which these people punched once."""
    enrolled = [EnrolledUser(slot, user) for slot, user in enumerate(users, 1)]
    made = Terminal(Model(serial=SERIAL), users=enrolled)
    for minute, user in enumerate(users):
        made.punch(user, datetime(2026, 11, 22, 8) + timedelta(minutes=minute))
    return made


def ids_of(one: Terminal, key: str = SERIAL) -> set[str]:
    """Return the ids of all that a terminal ever took, under a device key."""
    return {punch_id(key, record.user_id, record.time.isoformat()) for record in one.history}


def told(name: str, other: str, remark: str = "") -> str:
    """Return the line that cron mails of a device whose number is another's."""
    return f"zkpoll: device {name}: {REFUSED.format(other, remark)}\n"


def steps(result: Result) -> list[dict[str, Any]]:
    """Return the JSON document of a ping: what was found of each device."""
    found: list[dict[str, Any]] = json.loads(result.out)
    return found


class Copies:
    """Two terminals with one serial number and different logs."""

    def __init__(self, site: Site, dashboard: SampleDashboard, stack: ExitStack) -> None:
        self.site, self.dashboard = site, dashboard
        self.gate, self.clone = terminal("1", "2", "3"), terminal("71", "72")
        self.at_gate: tuple[str, int] | Listening = stack.enter_context(serve(self.gate))
        self.at_clone = stack.enter_context(serve(self.clone))
        self.write(self.entry("gate"), self.entry("clone"))

    def entry(self, name: str, **settings: object) -> str:
        """Return the entry of one of them."""
        return entry(name, self.at_gate if name == "gate" else self.at_clone, **settings)

    def write(self, *entries: str) -> None:
        """Write the inventory."""
        self.site.write(self.dashboard.url, *entries, timeout=5)

    def journalled(self) -> set[tuple[str, str]]:
        """Return whose punches the journal has, by key and user."""
        query = "SELECT device.key, user_id FROM punch JOIN device ON device.id = punch.device"
        with inside(self.site.journal) as db:
            return set(db.execute(query).fetchall())


@pytest.fixture
def copies(site: Site, dashboard: SampleDashboard) -> Iterator[Copies]:
    """Give two terminals with one serial number, as they stand in one inventory."""
    with ExitStack() as stack:
        yield Copies(site, dashboard, stack)


@pytest.mark.parametrize("seed", range(3))
def test_one_is_read_and_the_other_is_told_once(copies: Copies, seed: int) -> None:
    """Whichever answers first, in whatever runs: the first entry is read, the other told of once."""
    draw = random.Random(seed)
    said: list[Result] = []
    for number in range(7):
        for one in (copies.gate, copies.clone):
            one.faults = Faults(delay=draw.choice([0, 0.03]))
            one.punch(one.users[0].user_id, datetime(2026, 11, 22, 9, number))
        words = draw.choice([(), ("--device", "clone"), ("--device", "gate", "--full")]) if number else ()
        said.append(copies.site.sync(*words))
    said.append(copies.site.sync())
    assert "".join(one.err for one in said) == told("clone", "gate")
    assert said[0].err == told("clone", "gate")
    assert (said[0].code, said[-1].code) == (1, 1)
    assert copies.dashboard.events.keys() == ids_of(copies.gate)
    assert copies.journalled() == {(SERIAL, user) for user in ("1", "2", "3")}


def test_the_name_that_the_journal_knows_keeps_it(copies: Copies) -> None:
    """Another entry that is put in front of it takes nothing away, and gives nothing."""
    copies.write(copies.entry("clone"))
    assert copies.site.sync().code == 0
    copies.write(copies.entry("gate"), copies.entry("clone"))
    assert [copies.site.sync().err for _ in range(3)] == [told("gate", "clone"), "", ""]
    assert copies.dashboard.events.keys() == ids_of(copies.clone)


def test_both_are_new_and_only_the_second_is_asked(copies: Copies) -> None:
    """What was never met owns nothing: the device that is asked alone is known by the number from then on."""
    assert copies.site.sync("--device", "clone").code == 0
    assert [copies.site.sync().err for _ in range(2)] == [told("gate", "clone"), ""]


@pytest.mark.parametrize("away", ["off", "disabled", "busy"])
def test_the_owner_is_away(copies: Copies, away: str) -> None:
    """That its owner is switched off, taken out or visited by another run gives the number to nobody."""
    copies.site.sync()
    settings: dict[str, object] = {"enabled": "false"} if away == "disabled" else {}
    with ExitStack() as stack:
        if away == "off":
            copies.at_gate = stack.enter_context(closed_port())
        if away == "busy":
            stack.enter_context(lock(copies.site.journal, f"device 127.0.0.1:{list(copies.at_gate)[1]}"))
        copies.write(copies.entry("gate", **settings), copies.entry("clone"))
        assert copies.site.sync().code == 1
    remark = " (enabled: false)" if away == "disabled" else ""
    document = copies.site.report("--device", "clone")
    assert document["troubles"]["device clone"]["text"] == REFUSED.format("gate", remark)
    assert copies.dashboard.events.keys() == ids_of(copies.gate)
    assert copies.journalled() == {(SERIAL, user) for user in ("1", "2", "3")}


def test_the_owner_does_not_answer_at_first(copies: Copies) -> None:
    """A first run reads the one that is there; from then on it is known by the number."""
    at_gate = copies.at_gate
    with closed_port() as copies.at_gate:
        copies.write(copies.entry("gate"), copies.entry("clone"))
        assert copies.site.report()["devices"][1]["failure"] is None
    copies.at_gate = at_gate
    copies.write(copies.entry("gate"), copies.entry("clone"))
    assert copies.site.report()["troubles"]["device gate"]["text"] == REFUSED.format("clone", "")


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize("slow", ["gate", "clone"])
def test_a_slow_one_is_waited_for(copies: Copies, slow: str, parallel: int) -> None:
    """The first in the inventory gets the number also where it takes longer than anybody waits for it."""
    (copies.gate if slow == "gate" else copies.clone).faults = Faults(delay=0.8)
    devices = (copies.entry("gate", timeout=5), copies.entry("clone", timeout=5))
    copies.site.write(copies.dashboard.url, *devices, more=f"parallel: {parallel}\n")
    assert copies.site.sync().err == told("clone", "gate")
    assert copies.dashboard.events.keys() == ids_of(copies.gate)


@pytest.mark.parametrize("answers", [cut, refuse])
def test_one_that_was_left_is_away_when_it_is_asked_again(
    copies: Copies, answers: Callable[..., Instead]
) -> None:
    """It fails alone, and in words; the others are read, and it is when it is back."""
    copies.gate.faults = Faults(delay=1.2)
    copies.clone.model = replace(copies.clone.model, serial="OTHER")
    copies.clone.faults = Faults(instead=(answers(Command.CONNECT, first=2),))
    copies.write(copies.entry("gate"), copies.entry("clone"))
    first = copies.site.report()
    assert [one["failure"] is None for one in first["devices"]] == [True, False]
    copies.gate.faults = copies.clone.faults = Faults()
    assert copies.site.sync().code == 0
    assert copies.dashboard.events.keys() == ids_of(copies.gate) | ids_of(copies.clone, "OTHER")


def test_two_runs_at_once(copies: Copies) -> None:
    """Of two runs that begin with an empty journal, neither reads the second."""
    for _ in range(3):
        copies.gate.faults = Faults(delay=0.1)
        runs = [copies.site.start("sync", "--device", name) for name in ("gate", "clone")]
        runs += [copies.site.start("sync") for _ in range(2)]
        for one in runs:
            assert copies.site.finish(one).code in {0, 1, 75}
        owner = {user for _, user in copies.journalled()}
        assert owner in ({"1", "2", "3"}, {"71", "72"})  # one of them alone, whoever was first
    assert copies.site.sync().code == 1


@pytest.mark.parametrize("taken", ["silent", "reset"])
def test_one_terminal_by_two_addresses(
    site: Site, dashboard: SampleDashboard, taken: Literal["silent", "reset"]
) -> None:
    """It has one seat: the known entry reads it, the other is told of once, and none is in the way."""
    one = terminal("1", "2", "3")
    one.model = replace(one.model, when_taken=taken)
    with serve(one) as front, serve(one) as back:
        site.write(dashboard.url, entry("front", front), timeout=1)
        assert site.sync().code == 0
        site.write(dashboard.url, entry("back", back), entry("front", front), timeout=1)
        site.sync()
        site.sync()
        said = [site.sync() for _ in range(4)]
    assert [(one.code, one.err) for one in said] == [(1, "")] * 4
    assert dashboard.events.keys() == ids_of(one)


def test_three_copies(copies: Copies) -> None:
    """All but one are told of, each by the name that has the number."""
    third = terminal("81")
    with serve(third) as address:
        copies.write(copies.entry("gate"), entry("third", address), copies.entry("clone"))
        said = [copies.site.sync().err for _ in range(3)]
    lines, names = sorted(said[0].splitlines(keepends=True)), ["clone", "gate", "third"]
    # The first of the inventory, where it answers in time; on a busy machine it may not.
    assert lines in [[told(one, owner) for one in names if one != owner] for owner in names]
    assert said[1:] == ["", ""]


def test_a_copy_is_exchanged(copies: Copies) -> None:
    """It is well again when another terminal hangs there."""
    copies.site.sync()
    copies.clone.model = replace(copies.clone.model, serial="NEW1")
    said = copies.site.sync()
    assert (said.code, said.err) == (0, "zkpoll: device clone: well again, after 0 min\n")
    assert copies.dashboard.events.keys() == ids_of(copies.gate) | ids_of(copies.clone, "NEW1")


def test_a_board_that_is_flashed_with_the_number_of_another(copies: Copies) -> None:
    """A device that was known by its own number, and tells another's by now, is not read as that one."""
    copies.clone.model = replace(copies.clone.model, serial="OLD1")
    assert copies.site.sync().code == 0
    copies.clone.model = replace(copies.clone.model, serial=SERIAL)
    copies.clone.punch("71", datetime(2026, 11, 22, 9))
    gate, clone = copies.entry("gate"), copies.entry("clone")
    for entries in ((gate, clone), (clone, gate)):
        copies.write(*entries)
        for words in ((), ("--device", "clone"), ()):
            copies.site.sync(*words)
    assert copies.site.report()["troubles"].keys() == {"device clone"}
    assert copies.journalled() == {("OLD1", "71"), ("OLD1", "72"), *((SERIAL, user) for user in "123")}
    assert len(copies.dashboard.events) == 5


def test_a_renamed_device_takes_its_number_along(copies: Copies) -> None:
    """Also where its old name is another terminal's by now, in whatever order they stand."""
    copies.clone.model = replace(copies.clone.model, serial="OTHER1")
    copies.write(copies.entry("gate"))
    copies.site.sync()
    at_gate = copies.entry("gate").replace("name: gate", "name: entrance")
    copies.write(at_gate)
    assert copies.site.sync().code == 0
    again = (
        at_gate.replace("name: entrance", "name: portal"),
        copies.entry("clone").replace("clone", "entrance"),
    )
    copies.write(*again)
    copies.site.sync()
    said = copies.site.sync()
    assert said.code == 0
    assert copies.dashboard.events.keys() == ids_of(copies.gate) | ids_of(copies.clone, "OTHER1")
    assert copies.dashboard.duplicates == 0


def test_a_renamed_device_with_a_repaired_number_keeps_its_ids(copies: Copies) -> None:
    """The number that a repair gave it is its own by any name, and nobody else's."""
    copies.write(copies.entry("gate"))
    copies.site.sync()
    copies.gate.model = replace(copies.gate.model, serial="REPAIRED")
    copies.site.sync()
    copies.site.run("devices", "accept", "gate", "--same-terminal")
    copies.clone.model = replace(copies.clone.model, serial="REPAIRED")
    copies.write(copies.entry("gate"), copies.entry("clone"))
    assert copies.site.report()["troubles"].keys() == {"device clone"}
    copies.write(copies.entry("gate").replace("name: gate", "name: portal"))
    assert copies.site.sync().code == 0
    assert copies.dashboard.events.keys() == ids_of(copies.gate)
    assert copies.dashboard.duplicates == 0


def test_a_dry_run_says_it_too(copies: Copies) -> None:
    """It would send nothing of the other, whether the journal knows them or not."""
    for known in (False, True):
        said = copies.site.sync("--dry-run")
        assert told("clone", "gate") in said.err
        assert '"71"' not in said.out
        if not known:
            assert '"1"' in said.out
            copies.site.sync()


@pytest.mark.parametrize("known", [False, True])
def test_ping_says_it_too(copies: Copies, known: bool) -> None:
    """Asked both at once, the first is well and the second has another one's number; so `info`, and users."""
    if known:
        copies.site.sync()
    said = copies.site.run("devices", "ping", "--json")
    assert said.code == 1
    gate, clone = steps(said)
    assert gate["ok"]
    assert [step["text"] for step in clone["steps"] if step["ok"] is False] == [REFUSED.format("gate", "")]
    exported = copies.site.run("users", "export")
    assert exported.code == 1
    assert REFUSED.format("gate", "") in exported.err
    assert '"72"' not in exported.out
    if known:
        assert REFUSED.format("gate", "") in copies.site.run("devices", "info", "clone").err
        assert copies.site.run("devices", "ping", "clone").code == 1


# --- trust: inventory ---


def test_a_number_of_its_own(copies: Copies) -> None:
    """With `trust: inventory` a copy is a device like any other, under the number that it has here."""
    copies.site.sync()
    copies.write(copies.entry("gate"), copies.entry("clone", serial=OWN, trust="inventory"))
    said = copies.site.sync()
    assert (said.code, said.err) == (0, "zkpoll: device clone: well again, after 0 min\n")
    copies.clone.punch("71", datetime(2026, 11, 22, 10))
    assert copies.site.sync().code == 0
    assert copies.dashboard.events.keys() == ids_of(copies.gate) | ids_of(copies.clone, OWN)
    assert copies.dashboard.duplicates == 0
    assert copies.site.run("devices", "ping").code == 0


@pytest.mark.parametrize("serial", [SERIAL, None])
def test_what_it_tells_is_still_shown(copies: Copies, serial: str | None) -> None:
    """Ping and info show the number that the terminal tells, and the one that it has here."""
    copies.clone.model = replace(copies.clone.model, serial=serial)
    copies.write(copies.entry("clone", serial=OWN, trust="inventory"))
    assert copies.site.sync().code == 0
    shown = copies.site.run("devices", "info", "clone").out
    (found,) = steps(copies.site.run("devices", "ping", "--json"))
    (step,) = [one for one in found["steps"] if one["name"] == "serial"]
    assert OWN in shown
    assert step["text"] == f"{serial or 'it tells none'}; {OWN} in the inventory"
    assert found["about"]["serial_number"] == serial
    assert serial is None or serial in shown


def test_trust_that_comes_later_is_asked_for(copies: Copies) -> None:
    """A device that was known by the number it tells gets another one only when a person accepts that."""
    copies.write(copies.entry("clone"))
    copies.site.sync()
    copies.write(copies.entry("gate"), copies.entry("clone", serial=OWN, trust="inventory"))
    first, second = copies.site.sync(), copies.site.sync()
    assert (first.code, second.code, second.err) == (1, 1, "")
    assert f"it was serial number {SERIAL}, and is {OWN} by trust: inventory; its log is kept" in first.err
    assert told("gate", "clone") in first.err
    assert copies.dashboard.events.keys() == ids_of(copies.clone)
    assert copies.site.run("devices", "accept", "clone").code == 0
    assert (
        "device gate: well again" in copies.site.sync().err
    )  # and that the log under this number is another
    assert copies.site.sync().code == 0
    everything = ids_of(copies.clone) | ids_of(copies.clone, OWN) | ids_of(copies.gate)
    assert copies.dashboard.events.keys() == everything
    copies.write(copies.entry("gate"), copies.entry("clone"))
    assert copies.site.report()["troubles"]["device clone"]["text"] == REFUSED.format("gate", "")


def test_trust_that_comes_later_may_keep_the_old_number(copies: Copies) -> None:
    """With --same-terminal its punches keep the ids they had, and it is not sent again."""
    copies.write(copies.entry("clone"))
    copies.site.sync()
    copies.write(copies.entry("clone", serial=OWN, trust="inventory"))
    copies.site.sync()
    assert copies.site.run("devices", "accept", "clone", "--same-terminal").code == 0
    copies.clone.punch("71", datetime(2026, 11, 22, 10))
    assert copies.site.sync().code == 0
    assert copies.dashboard.events.keys() == ids_of(copies.clone)


def test_a_trusted_number_that_is_another_terminals(copies: Copies) -> None:
    """A number of one's own that another device of the inventory tells is not one's own."""
    copies.site.sync()
    copies.write(copies.entry("gate"), copies.entry("clone", serial=SERIAL, trust="inventory"))
    assert copies.site.sync("--json").document()["troubles"].keys() == {"device clone"}
    assert copies.journalled() == {(SERIAL, user) for user in ("1", "2", "3")}


def test_the_door_of_a_device_that_pushes(copies: Copies) -> None:
    """The number is that of the entry whose calls tell it; the one without push is told of once."""
    copies.write(copies.entry("gate"))
    copies.site.sync()
    pushing = f"name: door, serial: {SERIAL}, push: true"
    copies.write(copies.entry("gate"), pushing)
    assert copies.site.sync().code == 0
    with open_journal(copies.site.journal) as journal, journal.transaction():
        assert Devices(journal).meet_caller("door", SERIAL).held is None
    assert [copies.site.sync().err for _ in range(2)] == [told("gate", "door"), ""]
