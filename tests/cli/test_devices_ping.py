"""`zkpoll devices ping | info | clock`: what devices say, and why they do not."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.peers import closed_port
from tests.site import TOKEN, at_a_terminal, entry
from zkpoll.inventory import load
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.opening import lock, open_journal
from zkpoll.pull import set_clock
from zkpoll.pull.host_clock import synchronised
from zkpoll.simulator import Command, Faults, Model, Terminal, refuse, serve
from zkpoll.tasks.inspect import Drift, look

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

NOWHERE = "http://127.0.0.1:9/x"
SERIAL = "CQZ7224760045"
STEPS = ["name", "port", "protocol", "key", "serial", "model", "firmware", "users", "records", "clock"]


def off_by(seconds: float) -> Terminal:
    """Return a terminal whose clock is so many seconds ahead."""
    terminal = Terminal.with_samples(3)
    terminal.set_clock(datetime.now() + timedelta(seconds=seconds))
    return terminal


def clock_of(site: Site, *, put_right: bool) -> Drift:
    """Look at the clock of the one device, in process."""
    inventory = load(site.inventory, {"TOKEN": TOKEN})
    with look(inventory, lambda: False) as looking:
        return looking.clock(inventory.devices[0], put_right=put_right)


# --- ping ---


def test_devices_that_are_well(site: Site) -> None:
    """Each is a line, and with -v each step is; -q prints nothing. No journal is written, and no lock."""
    other = Terminal.with_samples(5, model=Model(serial="OTHER1"))
    with serve(Terminal.with_samples(7)) as a, serve(other, transport="udp") as b:
        site.write(NOWHERE, entry("front", a), entry("back", b, transport="udp"))
        short, told, quiet = (site.run("devices", "ping", *option) for option in ((), ("-v",), ("-q",)))
    assert [(one.code, one.err) for one in (short, told, quiet)] == [(0, "")] * 3
    assert re.fullmatch(
        rf"front  ok      {SERIAL}, 7 of 100,000 records, clock [-+]\d+ s, [\d.]+ m?s\n"
        r"back   ok      OTHER1, 5 of 100,000 records, clock [-+]\d+ s, [\d.]+ m?s\n"
        r"2 of 2 well\n",
        short.out,
    )
    assert quiet.out == ""
    lines = [line.split("  ") for line in told.out.splitlines()[:-1]]
    assert [line[:3] for line in lines] == [
        [name, step, "ok"] for name in ("front", "back") for step in STEPS
    ]
    assert lines[4][4] == SERIAL
    assert lines[8][3:] == ["-", "7 of 100,000, <1 %"]
    assert [path.name for path in site.folder.iterdir()] == ["devices.yaml"]


def test_some_that_are_not(site: Site) -> None:
    """One that fails is attention, and told with what to do; where none is reached, the code says so."""
    with serve(Terminal.with_samples(3)) as good, closed_port() as away:
        site.write(NOWHERE, entry("front", good), entry("away", away), entry("off", away, enabled="false"))
        words: tuple[tuple[str, ...], ...] = ((), ("away", "off"), ("front",), ("-q",))
        both, none, one, quiet = (site.run("devices", "ping", *more) for more in words)
        code, screen = at_a_terminal(site, "devices", "ping")
    assert (both.code, none.code, one.code, quiet.code, code) == (1, 69, 0, 1, 1)
    why = "refuses the connection, and nothing answers on UDP; check host: and port:"
    failed = f"failed  port: 127.0.0.1:{away[1]} {why}"
    assert f"\naway   {failed}\n1 of 2 well: away not\n" in both.out
    assert "off" not in both.out
    assert none.out == f"away  {failed}\noff   {failed}\n0 of 2 well: away, off not\n"
    assert quiet.out == f"away   {failed}\n"
    assert screen.startswith(f"front  ok      {SERIAL}, 3 of 100,000 records, clock ")
    assert "\naway   failed  port\n  name  ok " in screen
    assert screen.endswith("\n1 of 2 well: away not\n")
    assert max(map(len, screen.splitlines())) <= 80


def test_one_that_refuses_is_no_unreachable_one(site: Site) -> None:
    """A wrong key is attention, not absence; --json says the same, and no secret."""
    with serve(Terminal(Model(comm_key=123456))) as where:
        site.write(NOWHERE, entry("front", where, comm_key=654321))
        told = site.run("devices", "ping", "--json")
    found: list[dict[str, Any]] = json.loads(told.out)
    assert told.code == 1
    assert [(one["name"], one["ok"], one["kind"], one["about"]) for one in found] == [
        ("front", False, "wrong_key", None)
    ]
    assert set(found[0]["steps"][0]) == {"name", "ok", "seconds", "text"}
    assert found[0]["steps"][-1]["name"] == "key"
    assert "654321" not in told.out


def test_a_terminal_that_is_not_the_one(site: Site, dashboard: SampleDashboard) -> None:
    """Another terminal than the journal knows fails a ping, which does not make it the device's own."""
    with ExitStack() as stack:
        front = stack.enter_context(serve(Terminal.with_samples(3)))
        site.write(dashboard.url, entry("front", front))
        assert site.sync().code == 0
        other = stack.enter_context(serve(Terminal.with_samples(3, model=Model(serial="B"))))
        site.write(dashboard.url, entry("front", other))
        told = [site.run("devices", "ping") for _ in range(2)]
    assert [one.code for one in told] == [1, 1]
    assert f"another terminal answers here: serial number B, it was {SERIAL}" in told[1].out


def test_a_device_that_another_run_is_at(site: Site, dashboard: SampleDashboard) -> None:
    """It is left to that run and named; 75 when that holds for all that were asked."""
    terminal, other = Terminal.with_samples(3), Terminal(Model(serial="B"))
    with serve(terminal) as a, serve(other) as b:
        site.write(dashboard.url, entry("front", a), entry("back", b))
        assert site.sync().code == 0
        visits = terminal.connections
        with lock(site.journal, f"device {a.host}:{a.port}"):
            one, both = site.run("devices", "ping", "front"), site.run("devices", "ping")
            clock = site.run("devices", "clock", "front")
    assert (one.code, both.code, clock.code) == (75, 0, 75)
    assert one.out == "front  busy    another run is at it; it is left to that one\n"
    assert both.out.endswith("\n1 of 1 well: another run is at front\n")
    assert terminal.connections == visits


@pytest.mark.parametrize("command", [("ping",), ("info", "front"), ("clock",)], ids=" ".join)
def test_a_device_that_may_be_disabled(
    site: Site, dashboard: SampleDashboard, command: tuple[str, ...]
) -> None:
    """Whatever looks at a device that a killed run left disabled lets people punch first, and says so."""
    terminal = Terminal.with_samples(3)
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        assert site.sync().code == 0
        with open_journal(site.journal) as journal:
            Clearance(journal, SERIAL).intend()
        terminal.disabled, terminal.commands[:] = True, []
        told = site.run("devices", *command)
        assert told.code == 0
        assert terminal.commands[:2] == [Command.CONNECT, Command.ENABLEDEVICE]
        assert not terminal.disabled
    assert told.err == "front: it may have been disabled by an earlier run, and is enabled\n"


def test_a_ping_enables_and_disables_nothing(site: Site, dashboard: SampleDashboard) -> None:
    """A device that no run has left disabled is asked, and nothing else."""
    terminal = Terminal.with_samples(3)
    with serve(terminal) as where:
        site.write(dashboard.url, entry("front", where))
        site.sync()
        terminal.commands.clear()
        assert site.run("devices", "ping").code == 0
    assert not {Command.ENABLEDEVICE, Command.DISABLEDEVICE, Command.SET_TIME} & set(terminal.commands)


@pytest.mark.parametrize("command", ["ping", "info", "clock"])
def test_a_name_that_is_not_there(site: Site, command: str) -> None:
    """A name that the inventory lacks is wrong usage."""
    site.write(NOWHERE, entry("front", ("127.0.0.1", 9)))
    told = site.run("devices", command, "frnt")
    assert told.code == 2
    assert "no device 'frnt' in the inventory; there are front" in told.err


def test_a_journal_that_is_none(site: Site) -> None:
    """A journal that cannot be used is told as such, and no device is asked."""
    with serve(terminal := Terminal()) as where:
        site.write(NOWHERE, entry("front", where))
        site.journal.write_text("no journal at all, but long enough to be looked at")
        assert site.run("devices", "ping").code == 74
    assert terminal.connections == 0


# --- info ---


def test_what_a_device_says_of_itself(site: Site) -> None:
    """A line for each thing, and in JSON a field."""
    with serve(Terminal.with_samples(7)) as where:
        site.write(NOWHERE, entry("front", where))
        told, document = site.run("devices", "info", "front"), site.run("devices", "info", "front", "--json")
    assert (told.code, told.err, document.code) == (0, "", 0)
    lines = dict(line.split("  ", 1) for line in told.out.splitlines())
    assert {name: value.strip() for name, value in lines.items()} | {"clock": ""} == {
        "device": "front",
        "address": f"127.0.0.1, tcp port {where.port}",
        "serial number": SERIAL,
        "model": "Simulator",
        "vendor": "-",
        "platform": "ZMM220_TFT",
        "firmware": "Ver 6.60 Nov 22 2019",
        "produced": "-",
        "MAC address": "00:17:61:00:00:01",
        "fingerprint algorithm": "10",
        "users": "50 of 10,000",
        "records": "7 of 100,000",
        "clock": "",
    }
    fields = document.document()
    assert (fields["name"], fields["serial_number"], fields["records"]) == ("front", SERIAL, 7)
    assert abs(datetime.fromisoformat(fields["clock"]) - datetime.now()) < timedelta(minutes=5)


def test_a_device_that_says_nothing(site: Site) -> None:
    """Why there is nothing to show is told on stderr."""
    with closed_port() as away:
        site.write(NOWHERE, entry("front", away))
        told = site.run("devices", "info", "front")
    assert (told.code, told.out) == (69, "")
    assert told.err.startswith(f"zkpoll: device front: 127.0.0.1:{away[1]} refuses the connection")


# --- clock ---


def test_clocks(site: Site) -> None:
    """Each device's clock is shown with its drift; one that is off by hours, or away, is attention."""
    with serve(off_by(40)) as near, serve(off_by(-7200)) as far, closed_port() as away:
        site.write(NOWHERE, entry("near", near), entry("far", far), entry("away", away))
        told = site.run("devices", "clock")
        one, none = site.run("devices", "clock", "near", "--json"), site.run("devices", "clock", "away")
    lines = [line.split("  ") for line in told.out.splitlines()]
    assert (told.code, one.code, none.code) == (1, 0, 69)
    assert [line[0] for line in lines] == ["near", "far", "away"]
    assert [line[3].partition(" ")[0] for line in lines] == ["ok", "2", f"127.0.0.1:{away[1]}"]
    (found,) = json.loads(one.out)
    assert set(found) == {"name", "clock", "drift", "was", "problem", "kind"}
    assert found["drift"] == pytest.approx(40, abs=4)


def test_without_set_no_clock_is_set(site: Site) -> None:
    """Looking at a clock leaves it is, whatever the inventory would have."""
    with serve(terminal := off_by(40)) as where:
        site.write(NOWHERE, entry("front", where, clock="{set_when_off_by: 5s}"))
        assert site.run("devices", "clock").code == 0
    assert Command.SET_TIME not in terminal.commands


@pytest.mark.skipif(synchronised() is True, reason="this host's clock is synchronised")
def test_no_clock_is_set_by_one_that_is_wrong_itself(site: Site) -> None:
    """Where nobody vouches for this host's clock, `--set` sets none and says why."""
    with serve(terminal := off_by(40)) as where:
        site.write(NOWHERE, entry("front", where))
        told = site.run("devices", "clock", "--set")
    assert told.code == 1
    assert "  not set: " in told.out
    assert "this host's clock is" in told.out
    assert Command.SET_TIME not in terminal.commands


@pytest.mark.usefixtures("trusted")
class TestSetting:
    """`--set`, on a host whose clock is synchronised."""

    @pytest.fixture
    def trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let this host's clock be one that can be trusted."""
        monkeypatch.setattr(set_clock, "synchronised", lambda: True)

    def look(self, site: Site, terminal: Terminal, **settings: object) -> Drift:
        """Set the clock of `terminal` if it is to be set."""
        with serve(terminal) as where:
            site.write(NOWHERE, entry("front", where, **settings))
            return clock_of(site, put_right=True)

    def test_a_clock_that_is_off_is_set(self, site: Site) -> None:
        """It shows the right time afterwards, and what it showed before is told."""
        terminal = off_by(-40)
        found = self.look(site, terminal)
        assert (found.problem, found.kind) == (None, None)
        assert found.was == pytest.approx(-40, abs=4)
        assert found.drift == pytest.approx(0, abs=2)
        assert abs(terminal.now() - datetime.now()) < timedelta(seconds=5)

    def test_a_clock_that_is_right_stays(self, site: Site) -> None:
        """A clock within what the inventory allows is not set, which is no failure."""
        terminal = off_by(20)
        found = self.look(site, terminal, clock="{set_when_off_by: 60s}")
        assert (found.problem, found.was) == (None, None)
        assert Command.SET_TIME not in terminal.commands

    def test_a_clock_that_is_hours_off_stays(self, site: Site) -> None:
        """That is a wrong zone, which no program puts right."""
        terminal = off_by(7200)
        assert "too much to be set by a program; check timezone:" in (self.look(site, terminal).problem or "")
        assert Command.SET_TIME not in terminal.commands

    def test_another_terminal_stays_as_it_is(self, site: Site) -> None:
        """What is not the device of that name is not set."""
        terminal = off_by(40)
        found = self.look(site, terminal, serial="X1")
        assert found.problem == (
            f"not set: tells serial number {SERIAL}, the inventory says X1; put serial: or host: right"
        )
        assert Command.SET_TIME not in terminal.commands

    def test_a_clock_without_a_date_stays(self, site: Site) -> None:
        """A clock that shows no date is set by hand."""
        terminal = off_by(40)
        terminal.faults = Faults(instead=(refuse(Command.GET_TIME),))
        assert self.look(site, terminal).problem == "not set: it shows no real date; set it by hand"

    def test_a_device_that_will_not_be_set(self, site: Site) -> None:
        """A refusal is told, and one that acknowledges and does nothing is found out."""
        for fault, words in (
            (refuse(Command.SET_TIME), "not set: the device answers command 202 with 2001"),
            (refuse(Command.SET_TIME, Command.ACK_OK), "it took the time, and does not show it"),
        ):
            terminal = off_by(40)
            terminal.faults = Faults(instead=(fault,))
            assert self.look(site, terminal).problem == words
