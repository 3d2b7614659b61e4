"""Visits to a long log: ours beside pyzk's, and beside the least that reading and keeping can cost."""

from __future__ import annotations

import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zk import ZK

from tests.benchmarks.measure import Figure, best_of
from tests.journal.helpers import Visiting
from tests.look import inside
from tests.pull.devices import visit
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.sqlite import queries
from zkpoll.model.sums import Tally
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target
from zkpoll.simulator import Command, Faults, Model, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.simulator import Listening

RECORDS = 100_000
ZONE = ZoneInfo("Asia/Dhaka")
_TERMINALS = 200
_AT_ONCE = 16


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
        self.ledgers.append(Visiting(self.journal, self.name, key, ZONE))
        return self.ledgers[0].watermark()

    def take(self, piece: Slice) -> None:
        self.tally += self.ledgers[0].take(piece)


def figures() -> Iterator[Figure]:
    """Measure everything about reading."""
    yield from _appended()
    yield from _whole()
    yield from _many()


def _visit(journal: Journal, address: Listening, name: str = "bench") -> Reading:
    return visit(Target(Address(*address), ZONE, 10, 900), _Visitor(journal, name))


def _pyzk_reads(address: Listening) -> None:
    device = ZK(address.host, port=address.port, timeout=120, ommit_ping=True)
    device.connect()
    if len(device.get_attendance()) < RECORDS:
        raise RuntimeError("pyzk read less than there is")
    device.disconnect()


def _appended() -> Iterator[Figure]:
    """Measure visits to a log that hardly grew."""
    terminal = Terminal.with_samples(RECORDS, users=300)
    terminal.model = Model(capacity=2 * RECORDS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        journal = stack.enter_context(open_journal(folder / "journal.db"))
        address = stack.enter_context(serve(terminal))
        _visit(journal, address)
        Devices(journal).note_reading("CQZ7224760045", _visit(journal, address))
        pyzk = best_of(1, partial(_pyzk_reads, address))
        yield from _new(journal, terminal, address, 0, pyzk)
        yield from _new(journal, terminal, address, 10, pyzk)
        terminal.faults = Faults(delay=0.05)
        slow_pyzk = best_of(1, partial(_pyzk_reads, address))
        slow = best_of(1, partial(_visit, journal, address))
        yield Figure("the same, 50 ms a reply: wall time", slow, "s")
        yield Figure("the same, 50 ms a reply: faster than pyzk", slow_pyzk / slow)
        disabled = Command.DISABLEDEVICE in terminal.commands
        yield Figure("times a device was disabled for reading", float(disabled), "", "at most", 0)


def _new(journal: Journal, terminal: Terminal, address: Listening, new: int, pyzk: float) -> Iterator[Figure]:
    for second in range(new):
        terminal.punch("1001", datetime(2026, 12, 24, 18, 0, second))
    began = time.perf_counter()
    reading = _visit(journal, address)
    took = time.perf_counter() - began
    if reading.whole or reading.records != 8 + new:
        raise RuntimeError(f"{reading.records} records were read where {8 + new} were due")
    what = f"a visit to 100,000 records, {new} new"
    yield Figure(f"{what}: bytes received", reading.bytes_received, "bytes", "at most", 4000)
    yield Figure(f"{what}: round trips", reading.round_trips, "", "at most", 9)
    yield Figure(f"{what}: faster than pyzk's read", pyzk / took, "x", "at least", 100)


def _whole() -> Iterator[Figure]:
    """Measure a whole reading into the journal against a bare receive and a bare executemany."""
    terminal = Terminal.with_samples(RECORDS, users=300)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        address = stack.enter_context(serve(terminal))
        ours = best_of(3, partial(_fresh_reading, folder, address))
        rows = _rows(folder / "journal.db")
        bare = best_of(3, partial(_bare_insert, folder, rows))
        received = best_of(3, partial(_bare_receive, b"".join(terminal.log)))
    yield Figure(
        "a whole reading of 100,000 into the journal, against bare I/O", ours / (bare + received), "x",
        "at most", 2.5,
    )  # fmt: skip


def _fresh(path: Path) -> None:
    for old in path.parent.glob(path.name + "*"):
        old.unlink()


def _fresh_reading(folder: Path, address: Listening) -> None:
    path = folder / "journal.db"
    _fresh(path)
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        _visit(journal, address)


def _rows(path: Path) -> list[dict[str, object]]:
    with inside(path) as db:
        db.row_factory = sqlite3.Row
        found = [dict(row) for row in db.execute("SELECT *, journalled_at AS now FROM punch")]
    if len(found) != RECORDS:
        raise RuntimeError(f"{len(found)} punches are in the journal")
    return found


def _bare_insert(folder: Path, rows: list[dict[str, object]]) -> None:
    path = folder / "bare.db"
    _fresh(path)
    with open_journal(path) as journal:
        Devices(journal).meet("bench", "x")
        JournalOutbox(journal, "main")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN")
        db.executemany(queries()["add_punch"].replace("RETURNING seq", ""), rows)
        db.execute("CREATE TEMP TABLE incoming AS SELECT seq AS place, seq AS value FROM punch")
        db.execute(queries()["add_to_outbox"], {"held": None, "now": "x"})
        db.execute("COMMIT")


def _bare_receive(log: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send, server, log)
        with socket.create_connection(server.getsockname()) as client:
            left = len(log)
            while left:
                left -= len(client.recv(65536))
        sending.result()


def _send(server: socket.socket, log: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.sendall(log)


def _many() -> Iterator[Figure]:
    """Measure many terminals with nothing new, in parallel and one after another."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        journal = stack.enter_context(open_journal(folder / "journal.db"))
        terminals = [
            Terminal.with_samples(50, model=Model(serial=f"S{number}"), faults=Faults(delay=0.01))
            for number in range(_TERMINALS)
        ]
        addresses = [stack.enter_context(serve(terminal)) for terminal in terminals]
        for number, address in enumerate(addresses):
            _visit(journal, address, f"d{number}")
        names = [f"d{number}" for number in range(_TERMINALS)]
        one_by_one = best_of(1, lambda: list(map(partial(_visit, journal), addresses, names)))
        together = best_of(1, lambda: _together(journal, addresses, names))
    yield Figure("200 terminals, 10 ms a reply, nothing new: one after another", one_by_one, "s")
    yield Figure("200 terminals, 10 ms a reply, nothing new: faster 16 at a time", one_by_one / together)


def _together(journal: Journal, addresses: list[Listening], names: list[str]) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(partial(_visit, journal), addresses, names))
