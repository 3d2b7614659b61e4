"""Visits to terminals: to a long log that hardly grew, beside pyzk's; and to many with nothing new."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zk import ZK

from tests.benchmarks.measure import Row, in_turns, median_cost, run
from tests.benchmarks.serving import served
from tests.journal.helpers import Visiting
from tests.pull.devices import visit
from tests.site import TOKEN, Site, entry
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.model.sums import Tally
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target
from zkpoll.simulator import Command, Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale
    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.simulator import Listening

_ZONE: Final = ZoneInfo("Asia/Dhaka")
_REPLY: Final = 0.03
"""Seconds that a terminal of a large fleet takes for a reply, the way there included."""
_PATIENCE: Final = 60
"""Seconds: all of the fleet live in one process, which answers them in turn."""


@dataclass
class _Visitor:
    """The sink of a visit: the real ledger."""

    journal: Journal
    name: str = "bench"
    ledgers: list[Visiting] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def identify(self, serial: str | None) -> Watermark | None:
        key = serial or "none"
        Devices(self.journal).meet(self.name, key)
        self.ledgers.append(Visiting(self.journal, self.name, key, _ZONE))
        return self.ledgers[0].watermark()

    def take(self, piece: Slice) -> None:
        self.tally += self.ledgers[0].take(piece)


def rows(scale: Scale) -> Iterator[Row]:
    """Measure everything about reading but a first sync."""
    yield from _appended(scale)
    yield from _many(scale)


def _visit(journal: Journal, address: Listening) -> Reading:
    return visit(Target(Address(*address), _ZONE, 10, 900), _Visitor(journal))


def _pyzk_reads(address: Listening, count: int) -> None:
    device = ZK(address.host, port=address.port, timeout=120, ommit_ping=True)
    device.connect()
    if len(device.get_attendance()) < count:
        raise RuntimeError("pyzk read less than there is")
    device.disconnect()


def _appended(scale: Scale) -> Iterator[Row]:
    """Measure visits to a log that hardly grew."""
    count = scale.records
    terminal = Terminal.with_samples(count, users=300)
    terminal.model = Model(capacity=2 * count)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        journal = stack.enter_context(open_journal(folder / "journal.db"))
        address = stack.enter_context(serve(terminal))
        _visit(journal, address)
        Devices(journal).note_reading("CQZ7224760045", _visit(journal, address))
        for new in (0, 10):
            yield from _new(journal, terminal, address, new)
        disabled = Command.DISABLEDEVICE in terminal.commands
        yield Row("times a device was disabled for reading", float(disabled), "", target=0)
        if scale.short:
            return
        took = in_turns(1, ours=partial(_visit, journal, address), pyzk=partial(_pyzk_reads, address, count))
        yield Row(f"a visit to {count:,} records: pyzk", took["ours"], peer=took["pyzk"], target=0.01)
        terminal.faults = Faults(delay=0.05)
        slow = in_turns(1, ours=partial(_visit, journal, address), pyzk=partial(_pyzk_reads, address, count))
        yield Row(
            f"a visit to {count:,} records, 50 ms a reply: pyzk", slow["ours"], peer=slow["pyzk"], target=0.1
        )


def _new(journal: Journal, terminal: Terminal, address: Listening, new: int) -> Iterator[Row]:
    for second in range(new):
        terminal.punch("1001", datetime(2026, 12, 24, 18, 0, second))
    reading = _visit(journal, address)
    if reading.whole or reading.records != 8 + new:
        raise RuntimeError(f"{reading.records} records were read where {8 + new} were due")
    what = f"a visit to {len(terminal.log):,} records, {new} new"
    yield Row(f"{what}: bytes received", reading.bytes_received, "B", target=4000)
    yield Row(f"{what}: round trips", reading.round_trips, "", target=8)


def _many(scale: Scale) -> Iterator[Row]:
    """Measure the real `zkpoll sync` of a large fleet with nothing new."""
    count = scale.terminals
    with TemporaryDirectory() as name, served("idle", count, _REPLY) as fleet:
        site = Site(Path(name))
        devices = [entry(f"d{at}", where) for at, where in enumerate(fleet.places)]
        site.write("http://127.0.0.1:9/", *devices, timeout=_PATIENCE)
        command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
        run(command, {"TOKEN": TOKEN})
        idle = median_cost([run(command, {"TOKEN": TOKEN}) for _ in range(scale.turns)])
        site.write("http://127.0.0.1:9/", *devices, more="parallel: 16\n", timeout=_PATIENCE)
        sixteen = run(command, {"TOKEN": TOKEN})
    what = f"{count:,} terminals, 30 ms a reply, nothing new"
    yield Row(
        f"{what}: parallel: 16", idle.seconds, peer=sixteen.seconds, target=0.5 if count >= 1000 else None
    )
    yield Row(f"{what}: its memory", idle.megabytes, "MB", peer=sixteen.megabytes, target=1.1)
