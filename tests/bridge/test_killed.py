"""`zkpoll sync` as a process on a large database, killed again and again while rows come."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
from contextlib import closing, contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.bridge.offices import AccessOffice, Entry, Office, SqlOffice, Truth
from tests.site import TOKEN, Site
from tests.waiting import wait_for
from zkpoll.model.punch import punch_id
from zkpoll.simulator import HttpAnswer, Received, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bridge.jackcess import Jackcess

BADGES = {"17": "1001", "18": "1002", "19": "1003"}
SERIAL = "CQZ7224760045"
ROWS = 60_000
"""Three transactions."""
KILLS = 8
RUNS = 5
"""Runs in which all has arrived at last."""
BATCH = 2_000
"""Punches in one request."""


class Slow(SampleDashboard):
    """A dashboard that can fall silent, so that no run is through before it is killed."""

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self._again = threading.Event()
        self._left: int | None = None

    def default(self, request: Received) -> HttpAnswer:
        """Answer, or wait until the caller was killed."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                self._again.wait(60)
        return super().default(request)

    @contextmanager
    def silent_after(self, requests: int) -> Iterator[None]:
        """Answer so many requests in the block, and the others at its end."""
        self._again.clear()
        self._left = requests
        try:
            yield
        finally:
            self._left = None
            self._again.set()


class Life:
    """An office in use, a dashboard, and a folder with an inventory."""

    def __init__(self, office: Office, folder: Path, dashboard: Slow, seed: int) -> None:
        self.office = office
        self.dashboard = dashboard
        self.random = random.Random(seed)
        self.told = f"CRASH_SEED={seed}"
        self.site = Site(folder)
        sends = f"url: '{dashboard.url}', token: '${{TOKEN}}', timeout: 60, batch_size: {BATCH}"
        told = ", ".join(f"{key}: '{value}'" for key, value in office.inventory().items())
        self.site.inventory.write_text(
            f"dashboard: {{{sends}}}\njournal: {self.site.journal.name}\n"
            f"databases:\n  - {{name: head-office, kind: {office.kind}, timezone: UTC, {told}}}\n"
        )
        self._numbers = count(1)

    def people_punch(self, number: int, first: int) -> None:
        """Add rows from a second on: the later they are added, the older they may be."""
        rows = dict(self.office.truth.rows)
        for n, own in zip(range(number), self._numbers, strict=False):
            has = self.office.has_numbers
            row = Entry(
                own if has else 0, str(17 + n % 3), first + n * 7, n % 2, serial="" if has else SERIAL
            )
            rows[row.key] = row
        self.office.set(Truth(rows, BADGES, frozenset({(1, SERIAL)})))

    def killed(self) -> None:
        """Kill a run in its middle: so many rows are journalled, or so many requests answered."""
        rows = len(self.office.truth.rows)
        waiting = rows - len(self.dashboard.events)
        answered = self.random.randrange(-(-waiting // BATCH))
        enough = self.random.randrange(self._count("database_row"), rows + 1)
        state = self.office.state()
        with self.dashboard.silent_after(answered):
            process = self.site.start("sync")
            wait_for(lambda: process.poll() is not None or self._count("database_row") >= enough, 60)
            with suppress(subprocess.TimeoutExpired):
                process.wait(self.random.uniform(0, 0.3))
            process.kill()
            result = self.site.finish(process)
        assert result.code == -signal.SIGKILL, f"{self.told}: {result.err}"
        assert self.office.state() == state, self.told

    def _count(self, what: str) -> int:
        if not self.site.journal.exists():
            return 0
        with closing(sqlite3.connect(self.site.journal)) as db:
            try:
                (number,) = db.execute(f"SELECT count(*) FROM {what}").fetchone()  # noqa: S608 - ours
            except sqlite3.OperationalError:
                return 0  # it is just being made
        return int(number)

    def ends_well(self) -> None:
        """See that all has arrived, once, after some runs that nobody harms."""
        state = self.office.state()
        for _ in range(RUNS):
            if (result := self.site.sync()).code == 0:
                break
        assert (result.code, result.err) == (0, ""), self.told
        assert self.office.state() == state, self.told
        rows = self.office.truth.rows.values()
        expected = {punch_id(SERIAL, BADGES[row.user], row.at.isoformat()) for row in rows}
        assert len(expected) == len(rows)
        assert self.dashboard.events.keys() == expected, self.told
        assert not self.dashboard.conflicts


@pytest.fixture(params=["file", "sqlite"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Give an office with a file of each sort."""
    folder = tmp_path / "office"
    folder.mkdir()
    if request.param == "file":
        jackcess: Jackcess = request.getfixturevalue("jackcess")
        yield AccessOffice(jackcess, folder)
    else:
        made = SqlOffice("sqlite", folder)
        yield made
        made.close()


def live(office: Office, folder: Path, rows: int, kills: int) -> None:
    """Let so many rows be there, and more come between the kills."""
    seed = int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))
    with Slow() as dashboard:
        life = Life(office, folder, dashboard, seed)
        life.people_punch(rows, 1_000_000)
        for kill in range(kills):
            life.killed()
            life.people_punch(rows // 100, 900_000 - kill * 100_000)
        life.ends_well()


@pytest.mark.long
def test_killed_twice(office: Office, tmp_path: Path) -> None:
    """What a killed run journalled stays, what it did not comes next, and the file is as it was."""
    live(office, tmp_path, 6_000, 2)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_killed_again_and_again(office: Office, tmp_path: Path) -> None:
    """However often it is killed, all rows arrive, each once."""
    live(office, tmp_path, ROWS, KILLS)
