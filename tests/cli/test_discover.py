"""`zkpoll devices discover`: terminals on a network of this machine's own addresses."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.site import Result, entry
from zkpoll.errors import Stopped
from zkpoll.inventory import load
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.opening import lock, open_journal
from zkpoll.pull.discovery import discover
from zkpoll.simulator import Command, Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.site import Site
    from zkpoll.simulator import SampleDashboard

NETWORK = "127.7.7.0/28"
HARMLESS = {Command.CONNECT, Command.OPTIONS_RRQ, Command.EXIT, Command.AUTH}


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port that is free on every address of the network."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.7.8.1", 0))
        yield reserved.getsockname()[1]


def search(folder: Path, port: int, *arguments: str) -> Result:
    """Search the network where no inventory is."""
    command = [
        sys.executable,
        "-m",
        "zkpoll",
        "devices",
        "discover",
        NETWORK,
        "--port",
        str(port),
        *arguments,
    ]
    env = {name: value for name, value in os.environ.items() if name != "ZKPOLL_CONFIG"}
    done = subprocess.run(
        command, cwd=folder, env=env | {"HOME": str(folder)}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


def test_terminals_are_found(tmp_path: Path, port: int) -> None:
    """Over TCP and over UDP, with serial number and model, in the order of their addresses."""
    old, new, locked = (
        Terminal(Model(serial=serial, comm_key=key)) for serial, key in (("OLD", 0), ("NEW", 0), ("SAFE", 7))
    )
    with (
        serve(new, "127.7.7.3", port),
        serve(locked, "127.7.7.9", port),
        serve(old, "127.7.7.14", port, transport="udp"),
    ):
        told = search(tmp_path, port)
        document = json.loads(search(tmp_path, port, "--json").out)
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        f"127.7.7.3:{port}  tcp  NEW  Simulator  new",
        f"127.7.7.9:{port}  tcp  needs comm_key:  -  new",
        f"127.7.7.14:{port}  udp  OLD  Simulator  new",
    ]
    assert document[0] == {
        "host": "127.7.7.3",
        "port": port,
        "transport": "tcp",
        "serial_number": "NEW",
        "model": "Simulator",
        "needs_comm_key": False,
        "device": None,
        "moved_from": None,
        "place_of": None,
    }
    assert [one["needs_comm_key"] for one in document] == [False, True, False]
    assert {*old.commands, *new.commands, *locked.commands} <= HARMLESS
    assert (new.seats_taken, locked.seats_taken) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_entries_for_an_inventory(tmp_path: Path, site: Site, dashboard: SampleDashboard, port: int) -> None:
    """What --yaml prints stands under `devices:`, and is read by the next sync, whatever a terminal says."""
    tricky = Model(serial="B", options={"~DeviceName": "K40\n  - name: x"})
    tcp, udp, safe = Terminal.with_samples(5), Terminal.with_samples(4, model=tricky), Model(comm_key=7)
    with (
        serve(tcp, "127.7.7.3", port),
        serve(udp, "127.7.7.4", port, transport="udp"),
        serve(Terminal(safe), "127.7.7.5", port),
    ):
        told = search(tmp_path, port, "--yaml")
        site.write(dashboard.url)
        site.inventory.write_text(site.inventory.read_text() + told.out.replace("${COMM_KEY}", "7"))
        devices = load(site.inventory, {"TOKEN": "x"}).devices
        synced = site.sync("--device", "terminal-127-7-7-3", "--device", "terminal-127-7-7-4")
    assert told.code == 0
    assert [(one.name, one.host, one.transport, one.key()) for one in devices] == [
        ("terminal-127-7-7-3", "127.7.7.3", "tcp", 0),
        ("terminal-127-7-7-4", "127.7.7.4", "udp", 0),
        ("terminal-127-7-7-5", "127.7.7.5", "tcp", 7),
    ]
    assert "  # Simulator, serial number CQZ7224760045\n" in told.out
    assert synced.code == 0
    assert len(dashboard.events) == 9


def test_what_is_no_terminal(tmp_path: Path, port: int) -> None:
    """What answers and is none, or is busy, is told on stderr; without a terminal the code says so."""
    with serve(Terminal(faults=Faults(mute=True)), "127.7.7.2", port):
        told = search(tmp_path, port)
    assert (told.code, told.out) == (69, "")
    silent, none = told.err.splitlines()
    assert silent.startswith(f"zkpoll: 127.7.7.2:{port} does not answer in 1 s; it may be busy")
    assert none == f"zkpoll: no terminal answers on port {port} in {NETWORK}"


def test_those_in_the_inventory(site: Site, dashboard: SampleDashboard, port: int) -> None:
    """They are marked, left out of --yaml, and enabled first where a run left them disabled."""
    ours = Terminal.with_samples(3)
    with serve(ours, "127.7.7.3", port) as where, serve(Terminal(Model(serial="B")), "127.7.7.4", port):
        site.write(dashboard.url, entry("front", where))
        assert site.sync().code == 0
        with open_journal(site.journal) as journal:
            Clearance(journal, "CQZ7224760045").intend()
        ours.disabled = True
        command = ("devices", "discover", NETWORK, "--port", str(port))
        told, entries = site.run(*command), site.run(*command, "--yaml")
        assert not ours.disabled
        connections = ours.connections
        with lock(site.journal, f"device 127.7.7.3:{port}"):
            busy = site.run(*command)
        assert ours.connections == connections
    assert [line.rsplit("  ", 1)[1] for line in told.out.splitlines()] == ["front", "new"]
    assert "it may have been disabled by an earlier run, and is enabled" in told.err
    assert entries.out.count("name:") == 1
    assert "127.7.7.4" in entries.out
    assert busy.err == f"zkpoll: 127.7.7.3:{port}: another run is at it; it is left to that one\n"
    assert len(busy.out.splitlines()) == 1


def test_nothing_new(site: Site, port: int) -> None:
    """Where all is in the inventory, --yaml prints nothing and says why."""
    with serve(Terminal(), "127.7.7.3", port) as where:
        site.write("http://127.0.0.1:9/x", entry("front", where))
        told = site.run("devices", "discover", NETWORK, "--port", str(port), "--yaml")
    assert (told.code, told.out) == (0, "")
    assert told.err == "zkpoll: all that answer are in the inventory\n"


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("10.0.0.0/19", "say --yes"),
        ("10.0.0.0/15", "too large to be searched"),
        ("fe80::/64", "too large to be searched"),
        ("10.0.0.0/33", "is no network; write it as 192.168.1.0/24"),
        ("door", "is no network"),
    ],
)
def test_what_is_not_searched(site: Site, network: str, words: str) -> None:
    """A large network needs a yes, and what is none is wrong usage."""
    told = site.run("devices", "discover", network)
    assert told.code == 2
    assert words in told.err


def test_an_inventory_that_is_wrong(site: Site) -> None:
    """A named inventory that cannot be used is told; nothing is searched."""
    told = site.run("devices", "discover", NETWORK)
    assert told.code == 78
    assert "there is no such file" in told.err


def test_the_rate_is_polite(port: int) -> None:
    """No more probes go out in a second than were agreed on."""
    addresses = [f"127.7.7.{number}" for number in range(1, 11)]
    began = time.monotonic()
    assert list(discover(addresses, port, rate=20)) == []
    assert time.monotonic() - began >= 19 / 20  # two probes each


def test_a_stop_ends_a_search(port: int) -> None:
    """Ctrl-C waits for no rate."""
    began = time.monotonic()
    with pytest.raises(Stopped):
        list(discover(["127.7.7.1"] * 500, port, rate=5, stopped=lambda: time.monotonic() > began + 0.5))
    assert time.monotonic() - began < 10


def test_one_that_has_moved(site: Site, dashboard: SampleDashboard, port: int) -> None:
    """A terminal at another address than its own is named with both, and so is another in its place."""
    gate, hall = (Terminal.with_samples(3, model=Model(serial=serial)) for serial in ("G1", "H1"))
    with serve(gate, "127.7.7.9", port) as first, serve(hall, "127.7.7.3", port) as second:
        site.write(dashboard.url, entry("gate", first), entry("hall", second))
        assert site.sync().code == 0
    with (
        serve(gate, "127.7.7.7", port),
        serve(Terminal(Model(serial="X1")), "127.7.7.9", port),
        serve(hall, "127.7.7.3", port),
        serve(Terminal(Model(serial="H1")), "127.7.7.4", port),
    ):
        command = ("devices", "discover", NETWORK, "--port", str(port))
        told, entries, document = (site.run(*command, *more) for more in ([], ["--yaml"], ["--json"]))
    assert [line.rsplit("  ", 1)[1] for line in told.out.splitlines()] == [
        "hall",
        "another terminal with the serial number of hall",
        "gate is at 127.7.7.7 now (127.7.7.9 in the inventory)",
        "another terminal, where gate belongs",
    ]
    assert entries.err == "zkpoll: gate is at 127.7.7.7 now (127.7.7.9 in the inventory)\n"
    assert entries.out.count("name:") == 1
    shown = [(one["device"], one["moved_from"], one["place_of"]) for one in json.loads(document.out)]
    assert shown == [
        ("hall", None, None),
        (None, None, None),
        ("gate", "127.7.7.9", None),
        (None, None, "gate"),
    ]
