"""A terminal, a dashboard and a journal between them; and what must hold when a clearing has gone wrong."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from tests.look import inside
from tests.pull.clearings import Step
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for
from zkpoll.errors import ExitCode
from zkpoll.inventory import load
from zkpoll.journal import conditions
from zkpoll.journal.opening import folders, open_journal
from zkpoll.model.punch import punch_id
from zkpoll.pull import raw_copy
from zkpoll.simulator import Command, Faults, HttpAnswer, Instead, Model, SampleDashboard, Terminal, serve
from zkpoll.simulator.records import encode_record
from zkpoll.sync import sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from zkpoll.simulator import Listening, Record
    from zkpoll.simulator.terminal import Handler
    from zkpoll.tasks.device_outcome import ClearOutcome
    from zkpoll.tasks.outcome import Outcome

SERIAL: Final = "CQZ7224760045"
KILLED: Final = -signal.SIGKILL
SOME: Final = 60
"""Records of a log that does not come at once."""
SINCE: Final = 30
"""Punches since it was read; in a full log the next one takes a place in the middle."""
PATIENT: Final = 10.0
"""Seconds of silence that a device is allowed where nothing is wrong with it."""
QUICK: Final = 0.3
"""The same, where it is to be silent."""
_LATER: Final = datetime(2026, 11, 22, 6)
"""When nobody has punched in the sample logs."""
_LOCKED: Final = "MAY STILL BE DISABLED"
_LEFT_ALONE: Final = {"unsettled", "changed", "disable ignored", "clear ignored", "not cleared"}
"""Fates that promise that nothing was cleared."""
_LONGEST: Final = 60
"""Seconds that a process may take."""
_FORKS: Final = multiprocessing.get_context("forkserver")
"""Makes processes that have loaded everything, so that they begin at once."""
_FORKS.set_forkserver_preload(["__main__", "tests.clearing.world"])
_READS: Final = (Command.PREPARE_BUFFER, Command.ATTLOG_RRQ)


class Kind(NamedTuple):
    """One kind of terminal, which clears differently."""

    model: Model
    faults: Faults = Faults()


KINDS: Final = {
    "with room": Kind(Model()),
    "full": Kind(Model(capacity=SOME, when_full="overwrite")),
    "counting 0": Kind(Model(), Faults(sizes_records=0)),
}


class Disk:
    """Takes the place of `os.fsync`, and finds no room for the files in some folders."""

    def __init__(self) -> None:
        self.full: set[Path] = set()
        self._fsync = os.fsync

    def fsync(self, descriptor: int) -> None:
        """Put a file on disk, or raise `OSError` where there is no room."""
        found = os.fstat(descriptor)
        files = (file for folder in list(self.full) for file in folder.glob("*.part"))
        if any(os.path.samestat(found, file.stat()) for file in files):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fsync(descriptor)


DISK: Final = Disk()
"""Whose `fsync` a test puts in place of the system's."""


class World:
    """A terminal whose log was read and delivered once, punches that came since, and who looks on."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        self.site = Site(folder)
        self.kind = kind
        self.dashboard = SampleDashboard(TOKEN)
        self.terminal = Terminal.with_samples(SOME, model=kind.model, faults=kind.faults)
        self.shown: set[bytes] = set()
        """Every record that was in the log when it was asked for."""
        self.unproven: list[str] = []
        """What was not as it has to be when the device was disabled or cleared."""
        self.at: dict[int, Callable[[], object]] = {}
        """What happens just before the command at this place arrives."""
        self._users = len(self.terminal.users)
        self._taken = 0
        self._exit = ExitStack()
        self._address: Listening | None = None

    def __enter__(self) -> Self:
        self._exit.enter_context(self.dashboard)
        self._address = self._exit.enter_context(serve(self.terminal))
        for command in _READS:
            self.terminal.handlers[command] = self._showing(self.terminal.handlers[command])
        assert self.sync(clear="never").exit_code is self._well
        self.terminal.commands.clear()
        for _ in range(SINCE):
            self.punch()
        self.before = list(self.terminal.log)
        """The log that is to be cleared."""
        self.terminal.before_command = self._before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def _well(self) -> ExitCode:
        """The exit code of a run that clears nothing: a log that stays full is told each time."""
        return ExitCode.ATTENTION if len(self.terminal.log) >= self.kind.model.capacity else ExitCode.OK

    # --- what happens ---

    def harm(self, *instead: Instead, ignores_disable: bool = False) -> None:
        """Let the terminal answer otherwise, counted from the next run's first command."""
        self.terminal.faults = replace(self.kind.faults, instead=instead, ignores_disable=ignores_disable)

    def punch(self) -> Record | None:
        """Let somebody punch; return the record, or None if the terminal did not take it."""
        self._taken += 1
        return self.terminal.punch(self.terminal.users[0].user_id, _LATER + timedelta(minutes=self._taken))

    def the_dashboard_goes_away(self) -> None:
        """Let the dashboard answer 503 from now on."""
        self.dashboard.answers.extend([HttpAnswer(503)] * 50)

    def the_disk_fills(self) -> None:
        """Let there be no room for raw copies from now on."""
        DISK.full.add(folders(self.site.journal).raw_copies)

    def all_is_well(self) -> None:
        """Let nothing go wrong any more; what the terminal is like stays."""
        DISK.full.discard(folders(self.site.journal).raw_copies)
        self.at.clear()
        self.dashboard.answers.clear()
        self.harm(ignores_disable=self.terminal.faults.ignores_disable)

    def _before(self, command: int) -> None:
        if happens := self.at.get(len(self.terminal.commands)):
            happens()
        if command == Command.DISABLEDEVICE:
            self._check_intent()
        if command == Command.CLEAR_ATTLOG:
            self._check_proof()

    def _showing(self, handler: Handler) -> Handler:
        def handle(session: Any, request: Any) -> Any:
            self.shown |= set(self.terminal.log)
            return handler(session, request)

        return handle

    def _check_intent(self) -> None:
        with inside(self.site.journal) as db:
            if db.execute("SELECT count(*) FROM intent").fetchone() != (1,):
                self.unproven.append("DISABLE came without an intent")

    def _check_proof(self) -> None:
        shown = self.shown & set(self.terminal.log)
        if missing := self._events(shown).keys() - self.dashboard.events.keys():
            self.unproven.append(f"CLEAR came before {len(missing)} punches were on the dashboard")
        if shown - set(self.copied):
            self.unproven.append("CLEAR came before all of the log was in a copy")

    @property
    def copied(self) -> list[bytes]:
        """The records of all raw copies."""
        files = sorted(folders(self.site.journal).raw_copies.glob(f"*{raw_copy.SUFFIX}"))
        return [row for file in files for row in _rows(raw_copy.load(file).log)]

    @property
    def owed(self) -> dict[str, dict[str, object]]:
        """What of every punch that must not be lost has to be on the dashboard, by its id.

        That is all that was ever stored; of a device that ignores DISABLE, all that it ever showed, or has.
        """
        if self.terminal.faults.ignores_disable:
            return self._events(self.shown | set(self.terminal.log))
        return dict(map(_event, self.terminal.history))

    def _events(self, rows: set[bytes]) -> dict[str, dict[str, object]]:
        return dict(_event(one) for one in self.terminal.history if encode_record(one, 40) in rows)

    # --- runs ---

    def write(self, clear: str, timeout: float) -> None:
        """Write the inventory."""
        assert self._address is not None
        self.site.write(self.dashboard.url, entry("front", self._address, clear=clear), timeout=timeout)

    def sync(self, clear: str = "confirmed", timeout: float = PATIENT) -> Outcome:
        """Run once, in this process."""
        self.write(clear, timeout)
        return _sync(self.site.inventory)

    def kill_at(self, place: int) -> bool:
        """Run in a process that is killed when the command at this place arrives; say whether it was."""
        self.write("confirmed", PATIENT)
        process = _FORKS.Process(target=_sync, args=(self.site.inventory,))
        self.at[place] = process.kill
        process.start()
        process.join(_LONGEST)
        assert process.exitcode in {KILLED, 0}
        wait_for(lambda: not self.terminal.seats_taken)
        return process.exitcode == KILLED

    # --- what has to be ---

    def check_told(self, outcome: Outcome, where: object) -> None:
        """See that the run that went wrong says what is true, and no more than was proved."""
        (device,) = outcome.devices
        clearing = device.clearing
        assert clearing is not None, (where, device.problem)
        assert not self.unproven, where
        self._check_lock(outcome, where)
        self._check_fate(clearing, where)
        fine = clearing.fate in {"cleared", "changed"} and not outcome.locked
        assert fine or outcome.exit_code is ExitCode.ATTENTION, (where, clearing)
        assert fine or clearing.problem, (where, clearing)

    def _check_lock(self, outcome: Outcome, where: object) -> None:
        assert outcome.locked in (frozenset(), {"front"}), where
        assert outcome.locked or not self.terminal.disabled, where
        if outcome.locked:
            assert _LOCKED in outcome.troubles()["device front"].text, where

    def _check_fate(self, clearing: ClearOutcome, where: object) -> None:
        sent = self.terminal.commands
        assert sent.count(Command.CLEAR_ATTLOG) <= 1, where
        left = set(self.before) & set(self.terminal.log)
        if clearing.fate == "cleared":
            assert not left, (where, clearing)
            assert Path(clearing.copy or "").is_file(), (where, clearing)
        elif clearing.fate in _LEFT_ALONE:
            # In a full log that is overwritten in place, new punches take the place of old ones.
            assert left if self.kind.model.when_full == "overwrite" else len(left) == len(self.before), where
        else:
            assert clearing.fate == "unknown", (where, clearing)
            assert Command.CLEAR_ATTLOG in sent, where

    def finish(self, where: object) -> int:
        """Run once more, as on any day, and see that everything has arrived and everybody can punch.

        Return how many punches that were stored are not on the dashboard, though none of them was owed.
        """
        self.all_is_well()
        outcome = self.sync(clear="never")
        (device,), (delivery,) = outcome.devices, outcome.deliveries
        assert outcome.exit_code is self._well, (where, outcome.troubles(), outcome.notices())
        assert not outcome.locked, where
        assert (device.difference, delivery.counts.difference) == (0, 0), where
        assert (delivery.counts.pending, delivery.counts.parked) == (0, 0), where
        assert not self.unproven, where
        self._check_arrived(where)
        lost = {_event(one)[0] for one in self.terminal.history} - self.dashboard.events.keys()
        self._check_terminal(where)
        return len(lost)

    def _check_arrived(self, where: object) -> None:
        arrived, owed = self.dashboard.events, self.owed
        assert arrived.keys() == owed.keys(), where
        assert all(arrived[id_].items() >= punch.items() for id_, punch in owed.items()), where
        assert not self.dashboard.conflicts, where

    def _check_terminal(self, where: object) -> None:
        assert not self.terminal.disabled, where
        assert Command.CLEAR_DATA not in self.terminal.commands, where
        assert len(self.terminal.users) == self._users, where
        assert self.punch(), where


def _sync(inventory: Path) -> Outcome:
    """Run once, and tell what there is to tell, as the command does."""
    settings = load(inventory, {"TOKEN": TOKEN})
    outcome = sync(settings)
    with open_journal(settings.home) as journal:
        conditions.strike(journal, outcome.untold)
    return outcome


def steps(kind: Kind) -> list[Step]:
    """Return every command that an unharmed clearing of such a terminal sends, in order."""
    with TemporaryDirectory() as folder, World(Path(folder), kind) as world:
        outcome = world.sync()
        assert outcome.exit_code is ExitCode.OK
        assert outcome.devices[0].clearing
        assert outcome.devices[0].clearing.fate == "cleared"
        sent = world.terminal.commands
    seen: Counter[int] = Counter()
    found = []
    for place, command in enumerate(sent):
        seen[command] += 1
        found.append(Step(command, seen[command], place))
    last = max(step.place for step in found if step.command == Command.CONNECT)
    return found[last:]


def _event(record: Record) -> tuple[str, dict[str, object]]:
    """Return the id of a punch, and what has to be on the dashboard under it."""
    moment = record.time.isoformat()
    fields = {"user_id": record.user_id, "timestamp": f"{moment}+00:00", "status": record.verify}
    return punch_id(SERIAL, record.user_id, moment), {**fields, "type": record.state, "device": "front"}


def _rows(log: bytes) -> list[bytes]:
    return [log[at : at + 40] for at in range(0, len(log), 40)]
