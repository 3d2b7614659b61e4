"""A terminal that remembers what it showed, a dashboard, a journal, and runs in which things go wrong."""

from __future__ import annotations

import json
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.look import inside
from tests.peers import closed_port
from tests.pull.slow_lines import Clock
from tests.site import TOKEN, entry
from zkpoll.errors import Stopped
from zkpoll.inventory import load
from zkpoll.journal import conditions
from zkpoll.journal.opening import folders, open_journal
from zkpoll.model.punch import punch_id
from zkpoll.pull import clearing, raw_copy
from zkpoll.pull.clearing import ENABLE_LIMIT
from zkpoll.simulator import (
    Command,
    EnrolledUser,
    Faults,
    HttpAnswer,
    Model,
    SampleDashboard,
    Terminal,
    serve,
)
from zkpoll.simulator.records import encode_record
from zkpoll.sync import sync
from zkpoll.tasks.run import Observer, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.clearing.machine_process import Runner
    from zkpoll.simulator import ClientSession, Instead, Received, Record, WireFrame
    from zkpoll.simulator.dashboard import Script
    from zkpoll.simulator.terminal import Handler
    from zkpoll.tasks.device_outcome import DeviceOutcome
    from zkpoll.tasks.outcome import Outcome

NAME: Final = "front"
SERIAL: Final = "MODEL1"
Sent = tuple[str, str, str, int, int]
"""Id, user id, time with its offset, verify, state."""
PATIENT: Final = 10.0
"""Seconds of silence allowed where nothing goes wrong."""
HASTY: Final = 0.3
"""The same where answers are lost."""
_SEAT: Final = 10.0
"""Seconds that a terminal may need to notice that a killed client is gone."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong in one run, and who punches meanwhile; moments are commands, counted from 0."""

    terminal: tuple[Instead, ...] = ()
    dashboard: tuple[Literal["busy", "lost", "names one", "refuses", "well"], ...] = ()
    """What it answers, one request after the other; then it is well."""
    away: bool = False
    """Whether there is no dashboard."""
    punches: tuple[int, ...] = ()
    """When somebody punches."""
    before: tuple[int, ...] = ()
    """Commands just before which somebody punches."""
    restart: int | None = None
    """When the terminal loses power for a moment."""
    stop: int | None = None
    """When the run is told to stop."""
    drip: int | None = None
    """A command from which on the bytes of its connection drip."""
    clear: Literal["due", "never", "now"] = "due"


@dataclass(slots=True)
class Remembered:
    """What a terminal stored, and what became of it there. Rows are records, byte for byte."""

    stored: dict[bytes, list[Record]] = field(default_factory=dict)
    """What each row is: more than one thing where its slot went over to somebody else."""
    laid_out: set[bytes] = field(default_factory=set)
    """The log as it was last laid out for a client."""
    pushed_out: set[bytes] = field(default_factory=set)
    """Rows that a full log lost to newer ones."""
    pushed_out_before: set[bytes] = field(default_factory=set)
    """Those of them that were gone when the log was laid out."""
    owed: set[bytes] = field(default_factory=set)
    """Rows that a reading showed which came to the log's end, or that were there when CLEAR came."""
    cleared: set[bytes] = field(default_factory=set)
    """Rows that were there when CLEAR came."""

    def ids(self, row: bytes) -> set[str]:
        """Return the ids that a row may have."""
        return {id_of(record) for record in self.stored[row]}

    def punches(self) -> set[Sent]:
        """Return every punch as a dashboard may have it."""
        return {
            (id_of(record), record.user_id, f"{record.time.isoformat()}+00:00", record.verify, record.state)
            for records in self.stored.values()
            for record in records
        }


def id_of(record: Record) -> str:
    """Return the id of a punch."""
    return punch_id(SERIAL, record.user_id, record.time.isoformat())


class World:
    """A terminal, a dashboard, and a folder with an inventory and a journal."""

    def __init__(self, model: Model, faults: Faults, users: Iterable[EnrolledUser]) -> None:
        self._exit = ExitStack()
        self.folder = Path(self._exit.enter_context(TemporaryDirectory()))
        self.journal = self.folder / "journal.db"
        self._inventory = self.folder / "devices.yaml"
        self._copies = self.folder / "copies"
        self._copies.mkdir()
        self.faults = faults
        self.terminal = Terminal(model, faults, users)
        self.remembered = Remembered()
        self.now = datetime(2026, 10, 25, 8)
        self._clock: Clock | None = None
        self._watch()
        self.dashboard = self._exit.enter_context(SampleDashboard(TOKEN))
        self.address = self._exit.enter_context(serve(self.terminal))

    def close(self) -> None:
        """Take everything down."""
        self._exit.close()

    # --- what the terminal remembers ---

    def _watch(self) -> None:
        handlers = self.terminal.handlers
        for command in (Command.PREPARE_BUFFER, Command.ATTLOG_RRQ):
            handlers[command] = self._laying_out(handlers[command])
        handlers[Command.CLEAR_ATTLOG] = self._clearing(handlers[Command.CLEAR_ATTLOG])

    def _laying_out(self, handler: Handler) -> Handler:
        def handle(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            what = int.from_bytes(request.data[1:3], "little")
            if request.command == Command.ATTLOG_RRQ or what == Command.ATTLOG_RRQ:
                self.remembered.laid_out = set(self.terminal.log)
                self.remembered.pushed_out_before = set(self.remembered.pushed_out)
            return handler(session, request)

        return handle

    def _clearing(self, handler: Handler) -> Handler:
        def handle(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            log = set(self.terminal.log)
            if self.faults.ignores_disable:  # what it takes after the last look, nobody can have seen
                log &= self.remembered.laid_out
            self.remembered.owed |= log
            self.remembered.cleared |= log
            return handler(session, request)

        return handle

    def _read(self, outcome: DeviceOutcome) -> None:
        """Remember what a visit showed, if it came to the log's end.

        One that does not know the capacity cannot know either what is overwritten in place.
        """
        reading = outcome.reading
        if reading and (reading.whole or reading.capacity):
            self.remembered.owed |= self.remembered.laid_out

    # --- what people do ---

    def punch(self, user: int, step: int, state: int = 0) -> None:
        """Let somebody punch, `step` seconds after the last one."""
        self.now += timedelta(seconds=step)
        users, before = self.terminal.users, set(self.terminal.log)
        record = self.terminal.punch(users[user % len(users)].user_id, self.now, 1, state)
        if record:
            row = encode_record(record, self.terminal.model.layout)
            self.remembered.stored.setdefault(row, []).append(record)
            self.remembered.pushed_out |= before - set(self.terminal.log)
            self.remembered.pushed_out.discard(row)

    def replace_user(self, leaver: int, newcomer: str) -> None:
        """Let a user leave, and the slot be another one's, and so may rows that nobody has read."""
        users, known = self.terminal.users, self.journalled()
        at = leaver % len(users)
        users[at] = EnrolledUser(users[at].uid, newcomer)
        for row, records in self.remembered.stored.items():
            if row not in known and records[0].uid == users[at].uid:
                records.append(records[0]._replace(user_id=newcomer))

    def remove_user(self, leaver: int) -> None:
        """Let a user leave for good, unless it is the last one."""
        if len(self.terminal.users) > 1:
            del self.terminal.users[leaver % len(self.terminal.users)]

    def wipe(self) -> None:
        """Let a person clear the log at the terminal. What it lost before, nobody can see any more."""
        self.terminal.clear()
        self.remembered.pushed_out.clear()

    # --- runs ---

    def run(self, trouble: Trouble, timeout: float = PATIENT) -> Outcome | None:
        """Run `sync` in this process, and return what it came to; None if it was stopped."""
        stop = threading.Event()
        with self._troubled(trouble, timeout, stop):
            try:
                outcome = sync(
                    load(self._inventory, {"TOKEN": TOKEN}),
                    Options(clear=trouble.clear),
                    stop=stop,
                    observer=Observer(device_done=self._read),
                )
            except Stopped:
                return None
        with open_journal(self.journal) as journal:  # as the command does once it has told
            conditions.strike(journal, outcome.untold)
        return outcome

    def run_dripping(self, trouble: Trouble) -> tuple[Outcome | None, float]:
        """Run as `run` does, with a drip; return also for how many seconds nobody could punch."""
        with pytest.MonkeyPatch.context() as patch:
            self._clock = Clock(patch, self.terminal)
            patch.setattr(clearing, "ENABLE_LIMIT", ENABLE_LIMIT)
            outcome = self.run(trouble)
            return outcome, self._clock.disabled or 0.0

    def kill(self, runner: Runner, point: str, number: int, trouble: Trouble) -> bool:
        """Kill a run at a point, and say whether it came there."""
        with self._troubled(trouble, PATIENT, threading.Event()):
            killed = runner.kill(self._inventory, point, number)
            self._wait_for_the_seat()
            return killed

    def _wait_for_the_seat(self) -> None:
        """Wait until the terminal has noticed that its client is gone, and done what it was still told."""
        until = time.monotonic() + _SEAT
        while self.terminal.seats_taken:
            assert time.monotonic() < until
            time.sleep(0.001)

    def _troubled(self, trouble: Trouble, timeout: float, stop: threading.Event) -> ExitStack:
        """Let things go wrong within a `with` block."""
        stack = ExitStack()
        url = self.dashboard.url
        if trouble.away:
            host, port = stack.enter_context(closed_port())
            url = f"http://{host}:{port}/"
        self._inventory.write_text(
            f"dashboard: {{url: '{url}', token: '${{TOKEN}}', attempts: 1, timeout: 5, batch_size: 7}}\n"
            f"journal: {self.journal.name}\ndefaults: {{timezone: UTC, timeout: {timeout}}}\n"
            f"devices:\n  - {{{entry(NAME, self.address, clear='confirmed')}}}\n"
        )
        self.remembered.laid_out = set()
        self.dashboard.answers.extend(self._answer(word) for word in trouble.dashboard)
        self.terminal.faults = replace(self.faults, instead=trouble.terminal)
        self.terminal.before_command = self._happening(trouble, stop)
        stack.callback(self._well_again)
        return stack

    def _happening(self, trouble: Trouble, stop: threading.Event) -> Callable[[int], None]:
        """Return what happens before each command of a run."""
        turns = count()

        def happen(command: int) -> None:
            turn = next(turns)
            for _ in range(trouble.punches.count(turn) + trouble.before.count(command)):
                self.punch(turn, 1)
            if command == trouble.drip and self._clock:
                self._clock.drip_now()
            if turn == trouble.stop:
                stop.set()
            if turn == trouble.restart:
                self.terminal.restart()
                raise ConnectionAbortedError

        return happen

    def _answer(self, word: str) -> Script:
        match word:
            case "busy":
                return HttpAnswer(503)
            case "lost":
                return HttpAnswer(cut=True, body=b"", keep=True)
            case "names one":
                return _names_one
            case "refuses":
                return HttpAnswer(422)
            case _:
                return self.dashboard.default

    def _well_again(self) -> None:
        self.terminal.before_command = None
        self.terminal.faults = self.faults
        self.dashboard.answers.clear()
        for file in folders(self.journal).raw_copies.glob(f"*{raw_copy.SUFFIX}"):
            # A copy is named by the second: here a day passes between two runs.
            shutil.move(file, self._copies / f"{len(list(self._copies.iterdir()))}{raw_copy.SUFFIX}")

    # --- what is left ---

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what a connection of one's own finds in the journal; nothing where there is none yet."""
        if not self.journal.exists():
            return []
        with inside(self.journal) as db:
            return db.execute(query).fetchall() if db.execute("PRAGMA user_version").fetchone()[0] else []

    def journalled(self) -> dict[bytes, str]:
        """Return the id of the user and second of each row that is in the journal as a punch."""
        query = "SELECT bytes, coalesce(first_id, id) FROM form JOIN punch ON seq = form.punch"
        return dict(self.rows(f"{query} ORDER BY occurrence DESC"))

    def quarantined(self) -> set[bytes]:
        """Return the rows that are in quarantine."""
        return {raw for (raw,) in self.rows("SELECT raw FROM quarantine")}

    def intended(self) -> bool:
        """Say whether the journal knows that the terminal may be disabled."""
        return bool(self.rows("SELECT 1 FROM intent"))

    def copied(self) -> set[bytes]:
        """Return every row of every raw copy."""
        copies = [raw_copy.load(path) for path in self._copies.iterdir()]
        return {
            copy.log[at : at + copy.layout] for copy in copies for at in range(0, len(copy.log), copy.layout)
        }

    def sent(self) -> set[Sent]:
        """Return every punch that the dashboard has."""
        return {
            (id_, one["user_id"], one["timestamp"], one["status"], one["type"])
            for id_, one in self.dashboard.events.items()
        }

    def retry_what_is_parked(self) -> None:
        """Let the next run try again what the dashboard refused, as `zkpoll outbox retry` does."""
        if self.rows("SELECT 1 FROM outbox WHERE state = 'parked'"):
            with inside(self.journal) as db:
                db.execute("UPDATE outbox SET tried_at = NULL WHERE state = 'parked'")


def _names_one(request: Received) -> HttpAnswer:
    one = json.loads(request.body)["events"][-1]["id"]
    return HttpAnswer(422, json.dumps({"rejected": [{"id": one, "error": "nobody knows them"}]}).encode())
