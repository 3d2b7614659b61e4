"""The demo: virtual terminals, a sample dashboard, and the real `zkpoll sync` and `serve` between them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zkpoll.simulator.dashboard import SampleDashboard
from zkpoll.simulator.model import Model
from zkpoll.simulator.push_terminal import PushTerminal
from zkpoll.simulator.server import serve
from zkpoll.simulator.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from zkpoll.simulator.server import Transport

INVENTORY: Final = "devices.yaml"
"""The name of the file that is left in the folder."""
_TOKEN: Final = "demo-token"  # noqa: S105  # of a dashboard that lives as long as the demo
_SHOWN: Final = 3
_ARRIVES_WITHIN: Final = 30.0
"""Seconds in which a punch that was pushed is at the dashboard, on the slowest machine."""


@dataclass(frozen=True, slots=True)
class _DemoTerminal:
    """A terminal of the demo."""

    name: str
    serial: str
    records: int
    transport: Transport = "tcp"
    comm_key: int = 0
    pushes: bool = False

    def terminal(self) -> Terminal:
        """Return the virtual terminal, with its clock set to UTC."""
        model = Model(serial=self.serial, comm_key=self.comm_key)
        terminal = Terminal.with_samples(self.records, users=20, model=model)
        terminal.set_clock(datetime.now(UTC).replace(tzinfo=None))
        return terminal

    def entry(self, port: int) -> str:
        """Return its lines in the inventory."""
        if self.pushes:
            return f"  - name: {self.name}\n    serial: {self.serial}\n    push: true"
        lines = [f"  - name: {self.name}", "    host: 127.0.0.1", f"    port: {port}"]
        lines += ["    transport: udp"] if self.transport == "udp" else []
        lines += [f"    comm_key: {self.comm_key}"] if self.comm_key else []
        return "\n".join(lines)


_TERMINALS: Final = (
    _DemoTerminal("front-door", "DEMO00000001", 1200),
    _DemoTerminal("warehouse", "DEMO00000002", 300, transport="udp"),
    _DemoTerminal("office", "DEMO00000003", 40, comm_key=123456),
)
_GATE: Final = _DemoTerminal("gate", "DEMO00000004", 25, pushes=True)


def run(folder: Path, say: Callable[[str], None]) -> int:
    """Run the demo in `folder`, telling it line by line; return 0 if it went as it should, else 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("journal.db*"):
        if old.is_file():
            old.unlink()
    with ExitStack() as stack:
        dashboard = stack.enter_context(SampleDashboard(_TOKEN))
        ports = [
            stack.enter_context(serve(one.terminal(), transport=one.transport)).port for one in _TERMINALS
        ]
        inventory = folder / INVENTORY
        inventory.write_text(_inventory(dashboard.url, ports), "utf-8")
        say(f"Three virtual terminals and a sample dashboard are up; the inventory is {inventory}.")
        went_well = _sync(inventory, say) == 0
        _show_arrived(dashboard, say)
        pushed = _serve(inventory, dashboard, say)
        requests = len(dashboard.requests)
        went_well &= _sync(inventory, say) == 0
        again = len(dashboard.requests) - requests
        say(f"The second run had nothing to send: {again} requests.")
    expected = sum(one.records for one in _TERMINALS) + pushed
    went_well &= not again and len(dashboard.events) == expected
    if went_well:
        _say_what_to_try(inventory, next(iter(dashboard.events.values())), say)
    else:
        say("The demo FAILED.")
    return 0 if went_well else 1


def _say_what_to_try(inventory: Path, event: dict[str, Any], say: Callable[[str], None]) -> None:
    """Name commands that look into what the demo left; `event` is a punch of it."""
    where, day = shlex.quote(str(inventory)), event["timestamp"][:10]
    say("\nIts terminals are gone, its journal is there. Try:")
    say(f"  {_command()} status -c {where}  # one thing: `serve` has ended with the demo")
    say(f"  {_command()} explain -c {where} {event['user_id']} {day}")
    say(f"  {_command()} punches export -c {where} --device office")
    say("Next: README.md, “Five minutes to a first punch”.")


def _command() -> str:
    """Return how zkpoll is started, as a person has done it."""
    started = Path(sys.argv[0])
    if started.name != "zkpoll":
        return "python -m zkpoll"
    return "zkpoll" if shutil.which("zkpoll") == str(started) else shlex.quote(str(started))


def _inventory(url: str, ports: list[int]) -> str:
    terminals, all_ports = [*_TERMINALS, _GATE], [*ports, 0]
    entries = "\n".join(one.entry(port) for one, port in zip(terminals, all_ports, strict=True))
    return f"""\
# What the demo ran with. Its terminals and its dashboard are gone; see devices.example.yaml for all settings.
dashboard:
  url: {url}
  token: ${{DEMO_TOKEN}}
journal: journal.db
listen: {{address: "127.0.0.1:0"}}  # any free port
defaults: {{timezone: UTC, timeout: 5}}
devices:
{entries}
"""


def _sync(inventory: Path, say: Callable[[str], None]) -> int:
    say(f"\n$ zkpoll sync --config {inventory}")
    sys.stdout.flush()
    # Cron would see nothing at all, as all is well; here somebody wants to see what is done.
    command = [sys.executable, "-m", "zkpoll", "sync", "--config", str(inventory)]
    command += [] if sys.stdout.isatty() else ["--verbose"]
    return subprocess.run(command, env=os.environ | {"DEMO_TOKEN": _TOKEN}, check=False).returncode


def _serve(inventory: Path, dashboard: SampleDashboard, say: Callable[[str], None]) -> int:
    """Let a terminal push to the real `zkpoll serve`; return how many punches it has to bring."""
    if find_spec("waitress") is None:
        say("\nWith `pip install 'zkpoll[serve]'` a terminal that pushes would take part, too.")
        return 0
    say(f"\n$ zkpoll serve --config {inventory}")
    command = [sys.executable, "-m", "zkpoll", "serve", "--config", str(inventory)]
    environment = os.environ | {"DEMO_TOKEN": _TOKEN}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as door:
        assert door.stderr  # noqa: S101  # it is a pipe
        first = door.stderr.readline()
        say(first.rstrip())
        try:
            if first.startswith("listening on "):
                _push(f"http://{first.split()[-1]}", dashboard, say)
        finally:
            door.terminate()
        if last_words := door.stderr.read():
            say(last_words.rstrip())
    return _GATE.records + 1


def _push(url: str, dashboard: SampleDashboard, say: Callable[[str], None]) -> None:
    before = len(dashboard.events)
    gate = PushTerminal(url, _GATE.terminal())
    gate.round()
    say(f"gate calls it, as terminals do that push: {len(gate.acknowledged)} punches are answered OK.")
    _wait_for(dashboard, before + _GATE.records)
    gate.terminal.punch(gate.terminal.users[0].user_id)
    began = time.monotonic()
    gate.round()
    _wait_for(dashboard, before + _GATE.records + 1)
    after = (time.monotonic() - began) * 1000
    say(f"Somebody punches at gate: {after:.0f} ms later it is at the dashboard.")


def _wait_for(dashboard: SampleDashboard, events: int) -> None:
    """Wait until a dashboard has so many events, for a while."""
    end = time.monotonic() + _ARRIVES_WITHIN
    while len(dashboard.events) < events and time.monotonic() < end:
        time.sleep(0.02)


def _show_arrived(dashboard: SampleDashboard, say: Callable[[str], None]) -> None:
    events = list(dashboard.events.values())
    say(f"\nThe dashboard has {len(events):,} punches, in {len(dashboard.requests)} requests:")
    for device, punches in sorted(Counter(event["device"] for event in events).items()):
        say(f"  {device}: {punches:,}")
    for event in events[:_SHOWN]:
        say(f"  {json.dumps(event)}")
    say("  ...")
