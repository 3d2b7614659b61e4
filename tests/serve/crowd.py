"""Terminals that push at the same time while `zkpoll serve` is killed, and what must not come of it."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import sys
import threading
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from tests.cli.bad_luck import check_nothing_lost
from tests.host_clock import ROOT
from tests.look import look
from tests.serve.armed import steps
from tests.serve.serving import EndedError, Serving, ask, line, serving, write
from tests.site import TOKEN
from tests.waiting import wait_for
from zkpoll.model.punch import punch_id
from zkpoll.simulator import HttpAnswer, SampleDashboard

if TYPE_CHECKING:
    from types import TracebackType

    from tests.site import Site
    from zkpoll.simulator import Received

KILLED: Final = -signal.SIGKILL
SERIALS: Final = ("CROWD0", "CROWD0", "CROWD1", "CROWD2", "CROWD3")
"""Of the terminals; two of them push with one serial number."""
_BEGIN: Final = datetime(2026, 11, 22, 6)
_LONGEST: Final = 1.2
"""Seconds of load, after which it is killed wherever it is."""
_ENOUGH: Final = 30.0
"""Seconds in which a step is reached that every batch comes to."""
_FULL: Final = 128
_LOST: Final = HttpAnswer(cut=True, body=b"", keep=True)
"""The dashboard took the punches, and its answer never came."""


class Caller:
    """One terminal: it sends each batch until it hears OK, and some again."""

    def __init__(self, number: int, serial: str, random: Random) -> None:
        self.serial = serial
        self.acknowledged: set[tuple[str, str]] = set()
        """User ids and times of punches that were sent with a batch for which it heard OK."""
        self.sent: set[tuple[str, str]] = set()
        self._number = number
        self._random = random
        self._seconds = 0
        self._batches: list[list[tuple[str, str]]] = []
        self._waiting: list[tuple[str, str]] = []

    def push(self, address: tuple[str, int], enough: threading.Event) -> None:
        """Push until it is enough and nothing waits, or nobody answers."""
        while self._waiting or not enough.is_set():
            self._waiting = self._waiting or self._next()
            body = "".join(f"{line(*one)}\n" for one in self._waiting).encode()
            try:
                with socket.create_connection(address, timeout=40) as there:
                    heard = ask(there, f"/iclock/cdata?SN={self.serial}&table=ATTLOG&Stamp=9999", body)
            except OSError:
                return
            assert heard.status == 200, heard
            assert heard.text == f"OK: {len(self._waiting)}"
            self.acknowledged.update(self._waiting)
            self._waiting = []

    def _next(self) -> list[tuple[str, str]]:
        kind = self._random.random()
        if kind < 0.25 and self._batches:
            return self._random.choice(self._batches)
        punches: list[tuple[str, str]] = []
        for _ in range(_FULL if kind > 0.85 else self._random.randint(1, 3)):
            self._seconds += self._random.randint(0, 2)
            user = f"{self._number}{len(self.sent) + len(punches)}"
            punches.append((user, str(_BEGIN + timedelta(seconds=self._seconds))))
        self.sent.update(punches)
        self._batches.append(punches)
        return punches


class Crowd:
    """Some terminals, a dashboard that loses answers, and a journal under a `zkpoll serve` that is killed."""

    def __init__(self, site: Site, seed: int) -> None:
        self.random = Random(seed)
        self.at_steps = 0
        """How many kills were at the step that was meant."""
        self._site = site
        self._story: list[str] = [f"CRASH_SEED={seed}"]
        self._dashboard = SampleDashboard(TOKEN)
        self._callers = [
            Caller(number, serial, Random(self.random.random())) for number, serial in enumerate(SERIALS)
        ]

    def __enter__(self) -> Self:
        self._dashboard.__enter__()
        devices = [f"name: {one.lower()}, serial: {one}, push: true" for one in sorted(set(SERIALS))]
        write(self._site, self._dashboard.url, devices)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dashboard.__exit__(kind, error, trace)
        if error is not None:
            error.add_note("; ".join(self._story))

    def kill_at_a_step(self, function: str = "") -> None:
        """Kill it under load where a thread comes to a step (of a function), else at the end of the load."""
        step = self.random.choice([one for one in steps() if f" {function} " in one or not function])
        number = self.random.randint(1, 6)
        self._story.append(f"{step} ({number})")
        before = self._site.zkpoll, self._site.environment
        self._site.zkpoll = [sys.executable, "-m", "tests.serve.armed", step, str(number)]
        self._site.environment = self._site.environment | {"PYTHONPATH": str(ROOT)}
        try:
            self.at_steps += not self._kill(_ENOUGH if function else _LONGEST)
        finally:
            self._site.zkpoll, self._site.environment = before

    def kill_at_any_moment(self) -> None:
        """Kill it under load at a moment that is drawn."""
        moment = self.random.uniform(0, _LONGEST)
        self._story.append(f"after {moment:.3f} s")
        self._kill(moment)

    def _kill(self, seconds: float) -> bool:
        """Kill it after so long, if it was not killed by then; say whether it was still alive."""
        if self.random.random() < 0.3:
            self._dashboard.answers.append(_LOST)
        process = self._site.start("serve")
        try:
            door = Serving(process)
        except EndedError:
            with process:
                process.communicate(timeout=40)
            assert process.returncode == KILLED
            self._check_what_is_left()
            return False
        enough = threading.Event()
        threads = [threading.Thread(target=one.push, args=(door.address, enough)) for one in self._callers]
        for one in threads:
            one.start()
        was_alive = _outlives(door, seconds)
        door.kill()
        assert door.process.returncode == KILLED
        enough.set()
        for one in threads:
            one.join(timeout=60)
        self._check_what_is_left()
        return was_alive

    def finish(self) -> None:
        """Let all be sent and delivered, and see that each punch is there once."""
        self._dashboard.answers.clear()
        enough = threading.Event()
        enough.set()
        with serving(self._site) as door:
            for one in self._callers:
                one.push(door.address, enough)
                assert one.acknowledged == one.sent
            wait_for(lambda: look(self._site.journal, _UNDELIVERED) == [(0,)], 60)
        self._check_what_is_left()
        ids = {
            punch_id(one.serial, user, time.replace(" ", "T"))
            for one in self._callers
            for user, time in one.acknowledged
        }
        # A request of a process that was killed while it sent it.
        self._dashboard.requests = [one for one in self._dashboard.requests if _is_whole(one)]
        check_nothing_lost(self._site, self._dashboard, punches=ids)

    def _check_what_is_left(self) -> None:
        """See what a killed one left behind: a sound journal, with all that was acknowledged, once."""
        with TemporaryDirectory(dir=self._site.folder) as folder:
            # A copy, so that the next one and not this look is the first to mend the journal.
            for file in self._site.folder.glob(f"{self._site.journal.name}*"):
                shutil.copy(file, folder)
            with closing(sqlite3.connect(Path(folder) / self._site.journal.name)) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                assert not db.execute("PRAGMA foreign_key_check").fetchall()
                if not db.execute("PRAGMA user_version").fetchone()[0]:
                    rows, confirmed = [], set[str]()
                else:
                    rows = db.execute(_PUNCHES).fetchall()
                    confirmed = {row[0] for row in db.execute(_CONFIRMED)}
        kept = {tuple(row) for row in rows}
        assert len(kept) == len(rows), "doubled"
        for serial in sorted(set(SERIALS)):
            mine = [one for one in self._callers if one.serial == serial]
            here = {(user, time) for key, user, time in kept if key == serial}
            assert set().union(*(one.acknowledged for one in mine)) <= here, "lost"
            assert here <= set().union(*(one.sent for one in mine)), "invented"
        assert confirmed <= self._dashboard.events.keys()


def _is_whole(request: Received) -> bool:
    return len(request.body) == int(request.headers["content-length"])


def _outlives(door: Serving, seconds: float) -> bool:
    """Wait so long, or until it has ended; say whether it has not."""
    try:
        wait_for(lambda: door.process.poll() is not None, seconds)
    except AssertionError:
        return True
    return False


_PUNCHES: Final = """
SELECT device.key, user_id, replace(substr(timestamp, 1, 19), 'T', ' ') FROM punch
JOIN device ON device.id = punch.device
"""
_CONFIRMED: Final = """
SELECT punch.id FROM outbox JOIN punch ON punch.seq = outbox.punch WHERE outbox.state = 'confirmed'
"""
_UNDELIVERED: Final = "SELECT count(*) FROM outbox WHERE state <> 'confirmed'"
