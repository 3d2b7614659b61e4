"""What goes wrong around a `zkpoll` that runs, and what may never come of it."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tests.look import inside
from tests.site import TOKEN
from zkpoll.model.punch import punch_id

if TYPE_CHECKING:
    from tests.site import Result, Site
    from zkpoll.simulator import Received, SampleDashboard, Terminal

SERIAL = "CQZ7224760045"
ZKPOLL = ("-m", "zkpoll")
IMPATIENT = (
    "-c",
    "from zkpoll.cli import main; from zkpoll.journal import sqlite; sqlite.WAIT = 0.2; main()",
)
"""A zkpoll that waits less for a journal that another program holds."""
RESTLESS = ("-c", "from zkpoll.cli import main, streams; streams.PATIENCE = 0.2; main()")
"""A zkpoll that waits less for a reader of stderr."""


def ids_of(terminal: Terminal, serial: str = SERIAL) -> set[str]:
    """Return the ids of every punch a terminal ever took."""
    return {punch_id(serial, record.user_id, record.time.isoformat()) for record in terminal.history}


def start(
    site: Site,
    *arguments: str,
    program: tuple[str, ...] = ZKPOLL,
    out: int = subprocess.PIPE,
    err: int = subprocess.PIPE,
) -> subprocess.Popen[str]:
    """Start `program` as `Site.start` does, its output in pipes or in the files of these numbers."""
    popen = site.popen if program == ZKPOLL else subprocess.Popen
    return popen(
        [sys.executable, *program, *arguments, "--config", str(site.inventory)],
        stdout=out,
        stderr=err,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"TOKEN": TOKEN},
    )


class Disk(Protocol):
    """Where a site lies."""

    def fill(self, process: subprocess.Popen[str], room: int) -> None:
        """Leave a process no more than `room` bytes."""

    def make_room(self) -> None:
        """Leave everybody as much as they want."""


class Limit:
    """Any disk, with a limit on the size of what one process writes."""

    def __init__(self, site: Site) -> None:
        self._log = site.folder / "journal.db-wal"

    def fill(self, process: subprocess.Popen[str], room: int) -> None:
        """Let the process write no file beyond the end of the journal's log, and `room` bytes more."""
        size = self._log.stat().st_size if self._log.exists() else 0
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + room, resource.RLIM_INFINITY))

    def make_room(self) -> None:
        """The limit went with its process."""


class Holder:
    """Another program, which has a transaction under way in the journal."""

    def __init__(self, site: Site) -> None:
        self._path = site.journal
        self._db: sqlite3.Connection | None = None

    @property
    def holds(self) -> bool:
        """Whether it keeps everybody else from writing."""
        return self._db is not None and self._db.in_transaction

    def hold(self) -> None:
        """Begin as soon as nobody else is at it."""
        self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        self._db.execute("BEGIN IMMEDIATE")

    def let_go(self) -> None:
        """End, if it has begun."""
        if self._db is not None:
            self._db.close()
        self._db = None


def catches(process: subprocess.Popen[str], number: int) -> bool:
    """Say whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


# --- what may never come of it ---


def check_the_last_word(result: Result, code: int, *words: str) -> None:
    """See that a process ended with `code`, and said one line that holds `words`."""
    assert result.code == code, result.err
    assert result.out == ""
    assert len(result.err.splitlines()) == 1, result.err
    assert result.err.startswith("zkpoll: ")
    assert all(word in result.err for word in words), result.err


def check_nothing_lost(site: Site, dashboard: SampleDashboard, *, punches: set[str]) -> None:
    """See that every punch is confirmed and came, in one request only, which may have come twice."""
    assert dashboard.events.keys() == punches
    assert not dashboard.conflicts
    bodies: dict[str, bytes] = {}
    for request in dashboard.requests:
        for event in events_in(request.body):
            assert bodies.setdefault(event["id"], request.body) == request.body
    with inside(site.journal) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT DISTINCT state FROM outbox").fetchall() == [("confirmed",)]
        assert db.execute("SELECT count(*) FROM request").fetchall() == [(0,)]
        assert {row[0] for row in db.execute("SELECT id FROM punch")} == punches


def same_request(one: Received, other: Received) -> bool:
    """Say whether two requests are the same, byte for byte."""
    return (one.body, one.idempotency_key) == (other.body, other.idempotency_key)


def events_in(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a request."""
    events: list[dict[str, Any]] = json.loads(body)["events"]
    return events
