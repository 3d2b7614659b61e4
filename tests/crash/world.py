"""What a killed run leaves alone: terminals, a database and a dashboard. And what it must not harm.

A `Stage` is a situation and the command that runs in it. A stage is set, its command killed, and then the
real `zkpoll sync` runs to the end, after which all that was ever shown has arrived.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

from tests.crash.office import SERIAL, Office
from tests.look import MISCOUNTED
from tests.site import TOKEN, Result, Site, entry
from zkpoll.journal.opening import folders
from zkpoll.pull.raw_copy import NEWEST, RawCopy, save
from zkpoll.simulator import Command, Faults, HttpAnswer, Model, SampleDashboard, Terminal, cut, serve
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from zkpoll.simulator import Listening, Received

ROOT: Final = Path(__file__).parents[2]
KILLED: Final = -signal.SIGKILL
OLD: Final = "CQZ7224760045"
_BEGIN: Final = datetime(2026, 11, 22, 6)
_LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
_RUNS: Final = 4
"""Runs in which all must be well at last; two are needed where something is told of once."""
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll")

Punch = tuple[str, str, int, int]
"""User id, time with its offset, verify, state."""


@dataclass(frozen=True, slots=True)
class Count:
    """What an unharmed run reached."""

    reached: dict[str, int]
    """How often, by point."""
    strays: tuple[str, ...]
    """What it wrote where there is no point."""
    modules: frozenset[str]
    """The files of zkpoll it is made of, below the package."""


class World:
    """Three terminals, a database, a dashboard that loses answers, and an inventory and a journal."""

    def __init__(self, folder: Path, seed: int, records: int = 60, batch_size: int = 20) -> None:
        self.random = Random(seed)
        self._seed = seed
        self._story: list[str] = []
        self.seconds = 0.0
        """How long an unharmed run took last."""
        self.site = Site(folder)
        self.dashboard = SampleDashboard(TOKEN)
        self.watcher = SampleDashboard()
        """Who is told that a run begins and ends."""
        self.front = Terminal.with_samples(records, model=Model(serial=OLD))
        self.gate = Terminal.with_samples(40, model=Model(serial="GATE1", layout=16))
        self.lab = Terminal.with_samples(30, model=Model(serial="LAB1"))
        self.office = Office(folder / "office.db", self.random)
        self.kills = 0
        self._owners = {OLD: self.front, "GATE1": self.gate, "LAB1": self.lab}
        self._lab_log = self.lab.log
        self._impossible = b""
        self._refused: set[str] = set()
        self._assigned: set[datetime] = set()
        """When slot 999 punched at the lab, which is nobody's there."""
        self._batch_size = batch_size
        self._name, self._was = "dashboard", ""
        """The dashboard's name, and the setting that tells the one before."""
        self._journals = self._seconds = 0
        self._exit = ExitStack()
        self._addresses: list[Listening] = []

    def __enter__(self) -> Self:
        self._exit.enter_context(self.dashboard)
        self._exit.enter_context(self.watcher)
        self._addresses = [
            self._exit.enter_context(serve(self.front)),
            self._exit.enter_context(serve(self.gate, transport="udp")),
            self._exit.enter_context(serve(self.lab)),
        ]
        self.begin_a_journal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()
        if error is not None:
            error.add_note(f"CRASH_SEED={self._seed}; killed: {'; '.join(self._story)}")

    # --- what happens ---

    def begin_a_journal(self) -> None:
        """Let the next run find no journal, as on a new machine, and what one that was killed left."""
        self._journals += 1
        self._leave_an_old_part()
        self.front.model = replace(self.front.model, serial=OLD)
        self.site.journal = self.site.folder / f"journal{self._journals}.db"
        self._write_inventory(entry("lab", self._addresses[2]))

    def the_journal_is_lost(self) -> None:
        """Let the next run find no journal where there was one."""
        self.begin_a_journal()
        folders(self.site.journal).begun.touch()

    def _leave_an_old_part(self) -> None:
        part = self.site.folder / ".zkpoll.prom.old.part"
        part.touch()
        os.utime(part, (0, 0))

    def _write_inventory(self, lab: str, batch_size: int | None = None, form: str = "") -> None:
        front, gate, _ = self._addresses
        self.site.inventory.write_text(
            f"dashboard: {{name: {self._name}, {self._was}url: '{self.dashboard.url}',"
            f" token: '${{TOKEN}}', timeout: 5, batch_size: {batch_size or self._batch_size}, attempts: 3,"
            f" retry_wait: 0{form}}}\n"
            f"journal: {self.site.journal.name}\n"
            f"metrics: {{textfile: zkpoll.prom}}\nhealth: {{ping_url: '{self.watcher.url}'}}\n"
            "defaults: {timezone: UTC, timeout: 2, repeat_within: 1s}\n"
            f"devices:\n  - {{{entry('front', front)}}}\n  - {{{entry('gate', gate, transport='udp')}}}\n"
            f"  - {{{lab}}}\n"
            f"databases:\n  - {{{self.office.entry}}}\n"
        )

    def a_day_goes_by(self) -> None:
        """Let one log wrap and another be cleared, people punch, and nearly everything go wrong."""
        del self.front.log[: len(self.front.log) // 2]
        self.gate.clear()
        self.people_punch()
        self._append_an_impossible_record()
        self._lab_log, self.lab.log = self.lab.log, [self.random.randbytes(40) for _ in range(60)]
        self.gate.faults = Faults(drop=frozenset({self.random.randint(2, 6)}))
        self.dashboard.answers.extend(
            [self.dashboard.default, HttpAnswer(503, early=_HINTS), _LOST, self._refuse_one, _LOST]
        )

    def people_punch(self) -> None:
        """Let people punch at each terminal, so many that several requests are needed."""
        self.lab.model = replace(self.lab.model, capacity=Model().capacity)
        for terminal in self._owners.values():
            users = self.random.sample(terminal.users, self.random.randint(8, 25))
            for user in users:
                self._seconds += self.random.randint(2, 4)
                moment = _BEGIN + timedelta(seconds=self._seconds)
                assert terminal.punch(user.user_id, moment, state=self.random.randint(0, 1))
        self.office.people_punch()

    def a_year_ends(self) -> None:
        """Let the vendor's program delete old rows, and its people be others by number; all of it is read."""
        self.office.a_year_ends()

    def the_dashboard_goes(self) -> None:
        """Let the dashboard say once that it is gone for good."""
        self.people_punch()
        self.dashboard.answers.append(HttpAnswer(410))

    def the_dashboard_is_renamed(self) -> None:
        """Let the dashboard have another name, by which a run has met it already as a new one."""
        self.people_punch()
        old, self._name, self._was = self._name, f"dashboard{self._seconds}", ""
        self._write_inventory(entry("lab", self._addresses[2]))
        self.site.sync("--no-deliver")
        self._was = f"was: {old}, "
        self._write_inventory(entry("lab", self._addresses[2]))

    def requests_are_to_be_smaller(self) -> None:
        """Let an older zkpoll, which kept no bytes, lose a request, and a person ask for smaller ones."""
        self.people_punch()
        self.dashboard.answers.extend([_LOST, _LOST, _LOST])
        self.site.sync()
        with closing(sqlite3.connect(self.site.journal)) as db, db:
            db.execute("UPDATE request SET method = NULL, key = NULL, body = NULL")
        self._write_inventory(entry("lab", self._addresses[2]), batch_size=7)

    def requests_go_side_by_side(self) -> None:
        """Let four lanes send a punch each, and answers get lost; later a request has many again."""
        self.people_punch()
        self.dashboard.answers.extend([self.dashboard.default, _LOST, HttpAnswer(503), _LOST])
        self._write_inventory(entry("lab", self._addresses[2]), form=", format: event, lanes: 4")

    def a_log_is_to_be_cleared(self) -> None:
        """Let a terminal's log, more than half full, be cleared once all of it is delivered.

        The oldest copies of it are due, and nobody knows how fast it fills.
        """
        self.people_punch()
        self.lab.model = replace(self.lab.model, capacity=len(self.lab.log) * 3 // 2)
        if self._has_journal():
            with closing(sqlite3.connect(self.site.journal)) as db, db:
                db.execute("UPDATE device SET rated_at = NULL")
        for number in range(NEWEST + 1):
            taken_at = _LONG_AGO + timedelta(seconds=self._seconds + number)
            save(folders(self.site.journal).raw_copies, RawCopy("lab", "LAB1", taken_at, "UTC", 40, {}, b""))
        self._write_inventory(entry("lab", self._addresses[2], clear="confirmed"))

    def a_clearing_is_cut_off(self) -> None:
        """Let the line break when the log has just been cleared, before the terminal has said so."""
        self.a_log_is_to_be_cleared()
        self.lab.faults = Faults(instead=(cut(Command.CLEAR_ATTLOG, times=1, carried_out=True),))

    def the_front_is_repaired(self) -> None:
        """Let the front terminal come back with another serial number, and be read."""
        self.people_punch()
        self.front.model = replace(self.front.model, serial=f"NEW{self._seconds}")
        assert self.site.sync().code == 1

    def a_newer_zkpoll_believes(self) -> None:
        """Let the lab's last punch be in quarantine, as by a zkpoll that did not know its state."""
        self.people_punch()
        self.site.sync()
        self._seconds += 5
        moment = _BEGIN + timedelta(seconds=self._seconds)
        assert self.lab.punch(self.lab.users[0].user_id, moment)
        raw = self.lab.log[-1][:36] + b"mory"
        with closing(sqlite3.connect(self.site.journal)) as db, db:
            device, tail = db.execute(
                "SELECT id, tail FROM device JOIN watermark ON device = id WHERE key = 'LAB1'"
            ).fetchone()
            for one in (raw, self._nobodys()):
                db.execute(
                    "INSERT INTO quarantine VALUES (?, ?, 'unknown state', '2026', NULL)", [device, one]
                )
            db.execute(
                "UPDATE watermark SET records = records + 1, tail = ? WHERE device = ?",
                [tail[len(raw) :] + raw, device],
            )

    def a_slot_is_somebodys(self) -> None:
        """Let a person know whose a slot was that is in no user table."""
        with closing(sqlite3.connect(self.site.journal)) as db, db:
            (device,) = db.execute("SELECT id FROM device WHERE key = 'LAB1'").fetchone()
            db.execute(
                "INSERT INTO quarantine VALUES (?, ?, 'its slot is not in the user table', '2026', NULL)",
                [device, self._nobodys()],
            )

    def _nobodys(self) -> bytes:
        """Return an 8-byte record of a slot that the lab has not; a person says it is user 1007's."""
        self._seconds += 5
        moment = _BEGIN + timedelta(seconds=self._seconds)
        self._assigned.add(moment)
        return b"\xe7\x03\x08\0" + pack_time(moment).to_bytes(4, "little")

    def all_is_well(self) -> None:
        """Let nothing go wrong any more, and a person accept the repaired terminal and tell a slot's."""
        self.dashboard.answers.clear()
        self.gate.faults = self.lab.faults = Faults()
        self.lab.log = self._lab_log
        self.lab.model = replace(self.lab.model, capacity=Model().capacity)
        for copy in folders(self.site.journal).raw_copies.glob(f"lab-{_LONG_AGO.year}*"):
            copy.unlink()  # by hand: nobody vouches for the clock of this host
        self._write_inventory(entry("lab", self._addresses[2]))
        if self.front.model.serial != OLD:
            accepted = self.site.run(*ACCEPT)
            assert accepted.code == 0 or "no other terminal" in accepted.err, accepted.err
        self._assign()

    def _assign(self) -> None:
        if self._assigned and self._has_journal():
            assigned = self.site.run(*ASSIGN)
            nothing_yet = ("no record of slot 999", "no device 'lab' in the journal")
            assert assigned.code == 0 or any(words in assigned.err for words in nothing_yet), assigned.err

    def _has_journal(self) -> bool:
        """Say whether a run got so far as to make the journal that the inventory names by now."""
        if not self.site.journal.exists():
            return False
        with closing(sqlite3.connect(self.site.journal)) as db:
            return bool(db.execute("PRAGMA user_version").fetchone()[0])

    def _append_an_impossible_record(self) -> None:
        """Let the log hold one record of 30 February; two in so short a log speak against its layout."""
        self.front.log = [row for row in self.front.log if row != self._impossible]
        second = pack_time(datetime(2026, 2, 28, 8)) + 2 * 86_400 + self._seconds
        row = self.front.log[0]
        self._impossible = row[:27] + second.to_bytes(4, "little") + row[31:]
        self.front.append(self._impossible)

    def _refuse_one(self, received: Received) -> HttpAnswer:
        """Refuse a request, and name one of its punches."""
        one = json.loads(received.body)["events"][0]["id"]
        self._refused.add(one)
        return HttpAnswer(422, json.dumps({"rejected": [{"id": one, "error": "nobody knows them"}]}).encode())

    def _a_person_decides(self) -> None:
        """Let the dashboard be resumed, and what it refused be sent again, as two commands do."""
        with closing(sqlite3.connect(self.site.journal)) as db, db:
            db.execute("UPDATE destination SET halted = NULL")
            db.execute("UPDATE outbox SET tried_at = NULL WHERE state = 'parked'")

    # --- runs ---

    def count(self, stage: Stage) -> Count:
        """Return what `stage` reaches when nobody kills it."""
        stage.prepare(self)
        result = self.site.finish(self._start("count", 0, stage))
        document = json.loads(result.out.splitlines()[-1])
        self.finish()
        return Count(document["reached"], tuple(document["strays"]), frozenset(document["modules"]))

    def kill(self, stage: Stage, point: str, number: int) -> bool:
        """Kill `stage` when it reaches `point` for the `number`-th time; say whether it did."""
        self._story.append(f"{stage.name} {point} ({number})")
        stage.prepare(self)
        return self._ended(self._start(point, number, stage))

    def kill_at_any_moment(self, stage: Stage, longest: float) -> bool:
        """Kill `stage` at some moment of its first `longest` seconds; say whether it was still running."""
        moment = self.random.uniform(0, longest)
        self._story.append(f"{stage.name} after {moment:.3f} s")
        stage.prepare(self)
        process = self.site.start(*stage.command)
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        process.kill()
        return self._ended(process)

    def _start(self, point: str, number: int, stage: Stage) -> subprocess.Popen[str]:
        """Start zkpoll as `Site.start` does, with one point armed."""
        arguments = [point, str(number), *stage.command, "--config", str(self.site.inventory)]
        return subprocess.Popen(
            [sys.executable, "-B", "-m", "tests.crash.process", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=os.environ | {"TOKEN": TOKEN},
        )

    def _ended(self, process: subprocess.Popen[str]) -> bool:
        result = self.site.finish(process)
        assert result.code in {KILLED, 0, 1}, result.err
        self._check_what_is_left()
        self.kills += result.code == KILLED
        return result.code == KILLED

    def finish(self) -> None:
        """Run the real `zkpoll sync` to its end, and see that everything has arrived."""
        self.all_is_well()
        result = self._sync()
        self._assign()  # what that run found to be nobody's
        assert self._ids("parked") <= self._refused
        self._a_person_decides()
        for _ in range(_RUNS):
            if result.code == 0:
                break
            result = self._sync()
        document = result.document()
        results = document["devices"] + document["databases"] + document["deliveries"]
        assert result.code == 0, [one["problem"] for one in results]
        self._check_sums(document)
        assert not [serial for serial, terminal in self._owners.items() if terminal.disabled]
        shown = self._shown()
        assert self._arrived() == shown
        assert not self.dashboard.conflicts
        assert self._ids("confirmed") <= shown.keys()

    def _sync(self) -> Result:
        began = time.monotonic()
        result = self.site.sync("--json")
        self.seconds = time.monotonic() - began
        assert result.code in {0, 1}, result.err
        return result

    # --- what has to be ---

    def _check_what_is_left(self) -> None:
        """See what a killed run left behind: a sound journal, that claims no more than the dashboard has."""
        with TemporaryDirectory(dir=self.site.folder) as folder:
            # A copy, so that the next run and not this look at it is the first to mend the journal.
            for file in self.site.folder.glob(f"{self.site.journal.name}*"):
                if file.is_file():
                    shutil.copy(file, folder)
            assert self._ids("confirmed", Path(folder)) <= self.dashboard.events.keys()

    def _ids(self, state: str, folder: Path | None = None) -> set[str]:
        """Return the ids of all punches in a state, in a journal that is whole."""
        with closing(sqlite3.connect((folder or self.site.folder) / self.site.journal.name)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert not db.execute("PRAGMA foreign_key_check").fetchall()
            if not db.execute("PRAGMA user_version").fetchone()[0]:
                return set()  # the first run did not get so far as to make one
            assert not db.execute(MISCOUNTED).fetchall()
            query = "SELECT id FROM outbox JOIN punch ON punch.seq = outbox.punch WHERE outbox.state = ?"
            return {row[0] for row in db.execute(query, [state])}

    def _check_sums(self, document: dict[str, Any]) -> None:
        reading = document["sums"]["reading"]
        assert reading.pop("records") == sum(reading.values())
        (journal,) = document["sums"]["journal"].values()
        assert journal.pop("punches") == sum(journal.values())
        assert journal["pending"] == journal["parked"] == 0

    def _shown(self) -> dict[str, Punch]:
        """Return every punch that was ever shown, by the one id that it can have."""
        rows = {
            str(uuid.uuid5(_NAMESPACE, f"{SERIAL}\n{user}\n{time.isoformat()}")): (
                user,
                f"{time.isoformat()}+00:00",
                1,
                0,
            )
            for user, time in self.office.shown
        }
        rows |= {
            str(uuid.uuid5(_NAMESPACE, f"LAB1\n1007\n{time.isoformat()}")): (
                "1007",
                f"{time.isoformat()}+00:00",
                1,
                0,
            )
            for time in self._assigned
        }
        return rows | {
            str(uuid.uuid5(_NAMESPACE, f"{serial}\n{record.user_id}\n{record.time.isoformat()}")): (
                record.user_id,
                f"{record.time.isoformat()}+00:00",
                record.verify,
                record.state,
            )
            for serial, terminal in self._owners.items()
            for record in terminal.history
        }

    def _arrived(self) -> dict[str, Punch]:
        return {
            id_: (event["user_id"], event["timestamp"], event["status"], event["type"])
            for id_, event in self.dashboard.events.items()
        }


_LOST: Final = HttpAnswer(cut=True, body=b"", keep=True)
"""The dashboard took the punches, and its answer never came."""
_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
"""What a server in front of the dashboard says while it waits for the answer."""
ASSIGN: Final = ("quarantine", "assign", "lab", "--slot", "999", "--user", "1007", "--yes")
ACCEPT: Final = ("devices", "accept", "front", "--same-terminal")


@dataclass(frozen=True, slots=True)
class Stage:
    """A situation, and the command that runs in it."""

    name: str
    prepare: Callable[[World], None]
    command: tuple[str, ...] = ("sync",)


STAGES: Final = (
    Stage("a first run", World.begin_a_journal),
    Stage("a lost journal", World.the_journal_is_lost),
    Stage("a run in trouble", World.a_day_goes_by),
    Stage("a dashboard that is gone", World.the_dashboard_goes),
    Stage("a dashboard with another name", World.the_dashboard_is_renamed),
    Stage("smaller requests", World.requests_are_to_be_smaller),
    Stage("several lanes", World.requests_go_side_by_side),
    Stage("a clearing", World.a_log_is_to_be_cleared),
    Stage("a year's end in a database", World.a_year_ends),
    Stage("a clearing in trouble", World.a_clearing_is_cut_off),
    Stage("records that are believed", World.a_newer_zkpoll_believes),
    Stage("a slot of somebody", World.a_slot_is_somebodys, ASSIGN),
    Stage("a repair", World.the_front_is_repaired, ACCEPT),
    Stage("nobody to accept", World.people_punch, ("devices", "accept", "gate")),
)
SYNCS: Final = tuple(stage for stage in STAGES if stage.command == ("sync",))
