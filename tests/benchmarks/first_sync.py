"""A first sync: 100,000 punches from a terminal to a dashboard, each a process of its own.

Beside it, in turns: the sum of its floors, which is each of its pieces of work done bare, one after the
other; and others' ways to do the same.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import requests
from zk import ZK

from tests.benchmarks.measure import Row, in_turns, run
from tests.benchmarks.serving import served
from tests.look import inside
from tests.site import TOKEN, Site, entry
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.simulator import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.measure import Scale
    from tests.benchmarks.serving import Served

_BATCH: Final = 500
"""Punches of a request, and of a commit that confirms them."""
_FIELDS: Final = Struct("<H24sBIB8s")
_ONE_BY_ONE: Final = 300
"""Punches that are sent one by one; enough for a rate."""


def rows(scale: Scale) -> Iterator[Row]:
    """Measure a first sync beside its floors and its peers, and what memory a longer log takes."""
    count = scale.records
    costs: list[float] = []
    with TemporaryDirectory() as name, served("logs", count) as terminal, served("counting") as counter:
        folder = Path(name)
        bare = _Bare(folder, terminal, counter, count)
        took = in_turns(
            scale.turns,
            ours=partial(_synced, folder, terminal, counter, count, costs),
            floor=bare.all,
            read=partial(_pyzk, terminal, count),
        )
        each = _one_by_one(counter)
    what = f"a first sync of {count:,} punches"
    yield Row(f"{what}: floors", took["ours"], floor=took["floor"], target=2.2)
    for piece, seconds in bare.took.items():
        yield Row(f"   of them {piece}", seconds)
    # No target: what pyzk takes is copying of memory, which machines do at very different speeds.
    yield Row(f"{what}: pyzk's bare reading", took["ours"], peer=took["read"])
    yield Row(f"{what}: pyzk and one POST each", took["ours"], peer=took["read"] + count * each, target=0.1)
    yield Row(f"{what}: peak memory", max(costs), "MB", target=200)
    if not scale.short:
        small, large = _peak_memory(2 * count), _peak_memory(4 * count)
        yield Row("peak memory of reading twice as long a log", large, "MB", peer=small, target=1.2)


def _synced(folder: Path, terminal: Served, counter: Served, count: int, costs: list[float]) -> float:
    """Return the seconds of the real `zkpoll sync`, from the start of its process to the end."""
    with TemporaryDirectory(dir=folder) as name:
        site = Site(Path(name))
        site.write(counter.said, entry("front", terminal.places[0]))
        cost = run(
            [sys.executable, "-m", "zkpoll", "sync", "--config", str(site.inventory)], {"TOKEN": TOKEN}
        )
        with inside(site.journal) as db:
            confirmed = db.execute("SELECT count(*) FROM outbox WHERE state = 'confirmed'").fetchone()[0]
    if confirmed != count:
        raise RuntimeError(f"{confirmed} punches were confirmed")
    costs.append(cost.megabytes)
    return cost.seconds


def _peak_memory(records: int) -> float:
    """Return the peak memory, in MB, of a first reading into the journal."""
    with TemporaryDirectory() as folder, served("logs", records) as terminal:
        site = Site(Path(folder))
        site.write("http://127.0.0.1:9/", entry("front", terminal.places[0]))
        command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
        return run(command, {"TOKEN": TOKEN}).megabytes


# --- others ---


def _pyzk(terminal: Served, count: int) -> None:
    """Let pyzk, as it is, read the log and keep it in memory."""
    where = terminal.places[0]
    device = ZK(where.host, port=where.port, timeout=120, ommit_ping=True)
    device.connect()
    if len(device.get_attendance()) < count:
        raise RuntimeError("pyzk read less than there is")
    device.disconnect()


def _one_by_one(counter: Served) -> float:
    """Return the seconds that a punch takes which goes alone, over a connection of its own."""
    punch = {"id": "224c9c2b-8130-5e29-a627-3b68fe8961e9", "user_id": "1001", "status": 1, "type": 0}

    def send() -> None:
        for _ in range(_ONE_BY_ONE):
            body, headers = json.dumps(punch), {"Content-Type": "application/json"}
            requests.post(counter.said, body, headers=headers, timeout=10).raise_for_status()

    return in_turns(1, send=send)["send"] / _ONE_BY_ONE


# --- the floors ---


class _Bare:
    """The pieces of work of a first sync, each with nothing around it."""

    def __init__(self, folder: Path, terminal: Served, counter: Served, count: int) -> None:
        self.took: dict[str, float] = {}
        """The seconds of each piece, the last time."""
        self._folder = folder
        self._counter = counter
        self._log = b"".join(Terminal.with_samples(count, users=300).log)
        site = Site(folder / "once")
        site.folder.mkdir()
        site.write("http://127.0.0.1:9/", entry("front", terminal.places[0]))
        command = [sys.executable, "-m", "zkpoll", "sync", "--no-deliver", "--config", str(site.inventory)]
        run(command, {"TOKEN": TOKEN})
        with inside(site.journal) as db:
            db.row_factory = sqlite3.Row
            written = [
                one["name"] for one in db.execute("PRAGMA table_info (punch)")
            ]  # none that is generated
            found = (dict(one) for one in db.execute("SELECT * FROM punch"))
            self._punches = [{name: one[name] for name in written} for one in found]
            self._forms = [tuple(one) for one in db.execute("SELECT * FROM form")]
        self._bodies: list[bytes] = []

    def all(self) -> float:
        """Do all of them, one after the other, and return their sum in seconds."""
        pieces = {
            "socket": self._receive,
            "decoding": self._decode,
            "ids": self._identify,
            "punches and their indexes": self._insert,
            "outbox, and confirmed in it": self._confirm,
            "JSON": self._write,
            "HTTP": self._send,
        }
        self.took = in_turns(1, **pieces)
        return sum(self.took.values())

    def _receive(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
            sending = pool.submit(_give, server, self._log)
            with socket.create_connection(server.getsockname()) as client:
                left = len(self._log)
                while left:
                    left -= len(client.recv(65536))
            sending.result()

    def _decode(self) -> None:
        midnights: dict[int, datetime] = {}
        found = []
        for _slot, user, verify, time, state, _rest in _FIELDS.iter_unpack(self._log):
            day, second = divmod(time, 86_400)
            if day not in midnights:
                year, rest = divmod(day, 372)
                midnights[day] = datetime(2000 + year, rest // 31 + 1, rest % 31 + 1)
            moment = midnights[day] + timedelta(seconds=second)
            found.append((user.rstrip(b"\0").decode(), moment, verify, state))

    def _identify(self) -> None:
        for punch in self._punches:
            seed = f"{punch['device']}\n{punch['user_id']}\n{punch['timestamp']}".encode()
            h = hashlib.sha1(seed, usedforsecurity=False).hexdigest()
            _ = f"{h[:8]}-{h[8:12]}-5{h[13:16]}-a{h[17:20]}-{h[20:32]}"

    def _insert(self) -> None:
        path = self._folder / "bare.db"
        for old in path.parent.glob(path.name + "*"):
            old.unlink()
        with open_journal(path) as journal:
            journal.run("meet_device", key="x", name="bench", now="x")
            JournalOutbox(journal, "main")
        columns, marks = ", ".join(self._punches[0]), ", ".join("?" * len(self._punches[0]))
        given = [tuple(one.values()) for one in self._punches]
        with closing(_durable(path)) as db:
            db.execute("BEGIN")
            db.executemany(f"INSERT INTO punch ({columns}) VALUES ({marks})", given)  # noqa: S608  # no value
            db.executemany("INSERT INTO form VALUES (?, ?, ?, ?)", self._forms)
            db.execute("COMMIT")

    def _confirm(self) -> None:
        with closing(_durable(self._folder / "bare.db")) as db:
            db.execute("BEGIN")
            db.execute(
                "INSERT INTO outbox (destination, punch, state, changed_at)"
                " SELECT 1, seq, 'pending', 'x' FROM punch"
            )
            db.execute("COMMIT")
            for first in range(1, len(self._punches) + 1, _BATCH):
                db.execute("BEGIN")
                db.execute(
                    "UPDATE outbox SET state = 'confirmed', changed_at = 'x'"
                    " WHERE destination = 1 AND state = 'pending' AND punch BETWEEN ? AND ?",
                    (first, first + _BATCH - 1),
                )
                db.execute("COMMIT")

    def _write(self) -> None:
        self._bodies = []
        for first in range(0, len(self._punches), _BATCH):
            events = [_event(one) for one in self._punches[first : first + _BATCH]]
            self._bodies.append(json.dumps({"events": events}).encode())

    def _send(self) -> None:
        where = urlsplit(self._counter.said)
        with socket.create_connection((where.hostname, where.port)) as sock:
            for body in self._bodies:
                head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
                sock.sendall(head.encode() + body)
                sock.recv(65536)


def _event(punch: dict[str, Any]) -> dict[str, Any]:
    return {
        "user_id": punch["user_id"],
        "timestamp": punch["timestamp"],
        "status": punch["verify"],
        "type": punch["state"],
        "id": punch["id"],
        "device": punch["device_name"],
        "serial_number": "CQZ7224760045",
        "punch_state": "check_in",
        "work_code": punch["work_code"],
        "source": punch["source"],
    }


def _durable(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = FULL")
    return db


def _give(server: socket.socket, log: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.sendall(log)
