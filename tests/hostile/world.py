"""Terminals that remember all they stored, a dashboard, a journal with several names; and what must hold."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from tests.forks import START, Forked
from tests.look import MISCOUNTED, look
from tests.site import TOKEN, Result, Site, entry
from zkpoll.journal.opening import folders
from zkpoll.pull import layouts, raw_copy
from zkpoll.simulator import (
    LAYOUTS,
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

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from random import Random
    from types import TracebackType

    from zkpoll.simulator import ClientSession, Listening, Received, Record, WireFrame

NO_POWER: Final = datetime(2000, 1, 1)
"""The time that a terminal's clock begins with when its battery is dead."""
PEOPLE: Final = 3
"""Few, so that two punches of one person in one second, and of one day and another, are common."""
PATIENT: Final = 10.0
"""Seconds of silence allowed where nothing goes wrong."""
HASTY: Final = 0.3
"""The same where answers are lost."""
REQUEST: Final = 0
"""Where a moment is counted in commands: a request to the dashboard. No command has this number."""
ANY: Final = -1
"""The same: a command of any kind."""
_SEAT: Final = 20.0
"""Seconds that a terminal may need to notice that a killed client is gone."""
ANSWERS: Final[Mapping[str, HttpAnswer]] = {
    "well": HttpAnswer(),
    "busy": HttpAnswer(503),
    "broken": HttpAnswer(500, b"<html>oops"),
    "lost": HttpAnswer(cut=True, body=b"", keep=True),
    "unheard": HttpAnswer(cut=True, body=b"", keep=False),
    "late": HttpAnswer(delay=2 * HASTY, keep=True),
}
"""What the dashboard may answer. Of those that it keeps, and is not heard, it has the punches."""
_STOPS: Final = (signal.SIGTERM, signal.SIGHUP)
_ENDS: Final = frozenset(
    {0, 1, 69, 75, -signal.SIGKILL, *(128 + one for one in _STOPS), *(-one for one in _STOPS)}
)
"""How a run may end on such a day. By a signal itself, where that comes before the run or after it."""


_IDS: Final = "SELECT id FROM punch JOIN outbox ON punch = seq WHERE outbox.state = ?"
_FORMS: Final = "SELECT bytes FROM form JOIN device ON device.id = device WHERE key = ?"
_PUNCHES: Final = """
    SELECT user_id, substr(timestamp, 1, 19), state FROM punch JOIN device ON device.id = device WHERE key = ?
"""
_DOUBTED: Final = "SELECT 1 FROM watermark JOIN device ON id = device WHERE key = ? AND clear_sent = 1"
_SENT: Final = """
    SELECT bytes, punch.id, outbox.state FROM form JOIN device ON device.id = form.device
    JOIN punch ON seq = form.punch LEFT JOIN outbox ON outbox.punch = seq WHERE key = ?
"""


class Moment(NamedTuple):
    """A moment of a run: just before a command comes to a terminal, or a request to the dashboard."""

    what: int
    """A command, or `ANY`, or `REQUEST`."""
    nth: int
    """From 1."""
    delay: float = 0.0
    """Seconds behind it."""


Punch = tuple[str, str, int]
"""User id, the time on the terminal's clock, state."""


class Press(NamedTuple):
    """Somebody who punches."""

    unit: int
    user: int
    step: int
    """Seconds since the last one."""
    state: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong in one run, and who punches meanwhile."""

    clear: bool = False
    full: bool = False
    faults: tuple[Faults, ...] = ()
    """Of the terminals, in order."""
    answers: tuple[str, ...] = ()
    """What the dashboard answers, one request after the other; then it is well."""
    presses: tuple[tuple[Moment, Press], ...] = ()
    power: tuple[Moment, int] | None = None
    """When which terminal loses power for a moment; its clock restarts."""
    end: tuple[Moment, signal.Signals] | None = None
    """What ends the run, and when."""
    twin: tuple[Moment, int] | None = None
    """When another run begins, and by which of its names it knows the journal."""
    name: int = 0
    """By which of its names the run knows the journal."""
    ahead: int = 0
    """Days by which the host's clock is ahead."""
    vouched: bool | None = None
    """What the kernel says of it."""

    @property
    def is_silent(self) -> bool:
        """Whether anybody is silent for long."""
        return any(one != Faults() for one in self.faults)

    def __str__(self) -> str:
        """Return what is not as usual, for a story."""
        usual = Trouble()
        names = [name for name in self.__slots__ if getattr(self, name) != getattr(usual, name)]
        told = [f"{name}={getattr(self, name)!r}" for name in names if name != "faults"]
        told += [f"faults[{number}]={_told(one)}" for number, one in enumerate(self.faults)]
        return f"run({', '.join(told)})"


def _told(faults: Faults) -> str:
    """Return what is not as usual."""
    usual = asdict(Faults())
    return repr({name: value for name, value in asdict(faults).items() if value != usual[name]})


class Unit(Terminal):
    """A terminal that remembers all that it ever stored, and whose clock goes, restarts or stands still."""

    def __init__(self, name: str, model: Model, *, renumbers: bool) -> None:
        """With `renumbers` it numbers its records from 1 again when its log is cleared."""
        people = [EnrolledUser(slot, str(1000 + slot)) for slot in range(1, PEOPLE + 1)]
        super().__init__(model, users=people)
        self.name = name
        self.stored: Counter[bytes] = Counter()
        """How often it stored which bytes."""
        self.punched: Counter[Punch] = Counter()
        """How often it stored which punch."""
        self.cleared: list[bytes] = []
        """The logs it had when it was told to clear them."""
        self.stands = False
        self._renumbers = renumbers
        self._numbered_from = 0
        self.show(datetime.now())
        for user in people:  # records of one second alone may fit two layouts, and are not guessed at
            self.punch(user.user_id)

    def show(self, moment: datetime) -> None:
        """Let the clock show another time."""
        self.set_clock(moment.replace(microsecond=0), frozen=True)

    def press(self, press: Press) -> None:
        """Let somebody punch; nothing comes of it while the terminal is disabled."""
        if not self.stands:
            self.show(self.now() + timedelta(seconds=press.step))
        self.punch(self.users[press.user].user_id, state=press.state)

    def record(self, records: Iterable[Record]) -> int:
        """Store records, and remember them."""
        with self._changed:
            came = [one._replace(number=one.number - self._numbered_from) for one in records]
            assert super().record(came) == len(came)  # there is room for all
            self.stored.update(self.canonical([encode_record(one, self.model.layout) for one in came]))
            self.punched.update((one.user_id, one.time.isoformat(), one.state) for one in came)
            return len(came)

    def canonical(self, rows: list[bytes]) -> list[bytes]:
        """Return records as the journal knows them."""
        decoded = layouts.LAYOUTS[self.model.layout].decode(b"".join(rows), layouts.ANY_SLOT)
        assert not decoded.quarantined
        return [punch.canonical for punch in decoded.punches]

    def lose_power(self) -> None:
        """Let the terminal restart, which enables it, and its clock, too."""
        self.restart()
        self.show(NO_POWER)

    def clear(self) -> None:
        """Empty the log, and remember it."""
        self.cleared.append(b"".join(self.log))
        super().clear()
        if self._renumbers:
            self._numbered_from = len(self.history)


class Dashboard(SampleDashboard):
    """A dashboard that tells of each request before it looks at it."""

    told: Callable[[Received], object]

    def answer(self, request: Received) -> HttpAnswer:
        """Tell of a request, and answer it."""
        self.told(request)
        return super().answer(request)


class Day:
    """Two terminals, a dashboard, a journal with three names, and what happened so far."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.random = random
        self.story: list[str] = []
        self.began = datetime.now()
        self.site = Site(folder, Forked)
        self.units = [self._unit(f"unit{number}") for number in range(2)]
        self.dashboard = Dashboard(TOKEN)
        self.dashboard.told = self._requested
        self.undecidable = False
        """Whether a log that was cleared, which nobody saw, was filled with the very same bytes again."""
        self._wrong: list[str] = []
        """What was not as it has to be at a moment that only others saw."""
        self._at: dict[tuple[int, int], list[Callable[[], object]]] = {}
        self._turns: Counter[int] = Counter()
        self._guard = threading.Lock()
        self._timers: list[threading.Timer] = []
        self._running: list[subprocess.Popen[str]] = []
        self._copies: set[Path] = set()
        self._addresses: list[Listening] = []
        self._exit = ExitStack()
        real = folder / "state"
        real.mkdir()
        (folder / "folder").symlink_to(real, target_is_directory=True)
        (folder / "other.db").symlink_to(real / "journal.db")
        self.site.journal = real / "journal.db"
        self._names = ("state/journal.db", "folder/journal.db", "other.db")

    def _unit(self, name: str) -> Unit:
        layout, inline = self.random.choice(LAYOUTS), self.random.choice([0, 1008])
        renumbers = self.random.random() < 0.5
        self.story.append(f"{name}: {layout} bytes{', renumbers' if renumbers else ''}")
        unit = Unit(name, Model(serial=name.upper(), layout=layout, inline_limit=inline), renumbers=renumbers)
        unit.before_command = partial(self._commanded, unit)
        clear = unit.handlers[Command.CLEAR_ATTLOG]

        def cleared(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            self._check_proof(unit)
            return clear(session, request)

        unit.handlers[Command.CLEAR_ATTLOG] = cleared
        return unit

    def __enter__(self) -> Self:
        self._exit.enter_context(self.dashboard)
        self._addresses = [self._exit.enter_context(serve(unit)) for unit in self.units]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.kill()
            process.communicate()
        self._exit.close()

    # --- runs ---

    def run(self, trouble: Trouble) -> Result:
        """Run `zkpoll sync`, and another one beside it where there is to be one; return how it ended."""
        self.story.append(str(trouble))
        self._turns.clear()
        self._arrange(trouble)
        with self._guard:
            self._running.append(self._start("run", trouble.name, trouble))
        first, *others = (self._ended(process) for process in self._processes())
        with self._guard:
            self._at.clear()
        for timer in self._timers:
            timer.join()
        self._timers.clear()
        self._well_again()
        for result in (first, *others):
            self._check_end(result)
        self._check_journal()
        return first

    def _processes(self) -> Iterator[subprocess.Popen[str]]:
        """Yield the runs under way, also those that begin meanwhile."""
        while self._running:
            yield self._running[0]
            with self._guard:
                del self._running[0]

    def _ended(self, process: subprocess.Popen[str]) -> Result:
        return self.site.finish(process)

    def _start(self, file: str, name: int, trouble: Trouble) -> subprocess.Popen[str]:
        """Start a run that knows the journal by one of its names."""
        silent = trouble.is_silent
        self.site.inventory = self.site.folder / f"{file}.yaml"
        self.site.inventory.write_text(self.inventory(name, trouble))
        seconds = timedelta(days=trouble.ahead).total_seconds()
        host = map(str, (seconds, trouble.vouched, silent))
        self.site.zkpoll = [*START[:2], "tests.hostile.command", *host]
        return self.site.start("sync", "--json", *(["--full"] if trouble.full else []))

    def inventory(self, name: int, trouble: Trouble) -> str:
        """Return an inventory that knows the journal by one of its names."""
        devices = "".join(
            f"  - {{{entry(unit.name, address, **self.settings(unit, trouble))}}}\n"
            for unit, address in zip(self.units, self._addresses, strict=True)
        )
        return (
            f"dashboard: {{url: '{self.dashboard.url}', token: '${{TOKEN}}', batch_size: 7, attempts: 2,"
            f" retry_wait: 0, timeout: {HASTY if 'late' in trouble.answers else PATIENT}}}\n"
            f"journal: {self._names[name]}\nkeep_raw: 1d\n"
            f"defaults: {{timezone: UTC, timeout: {HASTY if trouble.is_silent else PATIENT}}}\n"
            f"devices:\n{devices}"
        )

    def settings(self, unit: Unit, trouble: Trouble) -> dict[str, object]:  # noqa: ARG002
        """Return the settings of a terminal in one run."""
        return {"clear": "confirmed" if trouble.clear else "never"}

    # --- what happens meanwhile ---

    def _arrange(self, trouble: Trouble) -> None:
        """Let things go wrong in the next run."""
        for unit, faults in zip(self.units, trouble.faults, strict=False):
            unit.faults = faults
        self.dashboard.answers.extend(ANSWERS[word] for word in trouble.answers)
        for moment, press in trouble.presses:
            self._let(moment, partial(self.units[press.unit].press, press))
        if trouble.twin:
            moment, name = trouble.twin
            self._let(moment, partial(self._start_twin, name, trouble))
        if trouble.power:
            moment, number = trouble.power
            self._let(moment, self.units[number].lose_power)
        if trouble.end:
            moment, number = trouble.end
            self._let(moment, partial(self._send, number))

    def _let(self, moment: Moment, happen: Callable[[], object]) -> None:
        self._at.setdefault((moment.what, moment.nth), []).append(partial(self._after, moment.delay, happen))

    def _after(self, seconds: float, happen: Callable[[], object]) -> None:
        if not seconds:
            happen()
            return
        timer = threading.Timer(seconds, happen)
        self._timers.append(timer)
        timer.start()

    def _start_twin(self, name: int, trouble: Trouble) -> None:
        with self._guard:
            if self._running:
                self._running.append(self._start("twin", name, trouble))

    def _send(self, number: signal.Signals) -> None:
        with self._guard:
            for process in self._running[:1]:
                process.send_signal(number)

    def _commanded(self, unit: Unit, command: int) -> None:
        if command == Command.PREPARE_BUFFER and unit.cleared and self._rows(_DOUBTED, unit.model.serial):
            self.undecidable |= b"".join(unit.log).startswith(unit.cleared[-1])
        self._comes(command)
        self._comes(ANY)

    def _requested(self, request: Received) -> None:
        self._comes(REQUEST)
        ids = {event["id"] for event in json.loads(request.body)["events"]}
        if again := ids & self._ids("confirmed"):
            self._wrong.append(f"{len(again)} punches were sent that the dashboard had confirmed")

    def _comes(self, what: int) -> None:
        with self._guard:
            self._turns[what] += 1
            happens = self._at.get((what, self._turns[what]), [])
        for happen in happens:
            happen()

    def _well_again(self) -> None:
        """Let nothing go wrong any more, and terminals notice that a killed client is gone."""
        until = time.monotonic() + _SEAT
        while any(unit.seats_taken for unit in self.units):
            assert time.monotonic() < until
            time.sleep(0.002)
        self.dashboard.answers.clear()
        for unit in self.units:
            unit.faults = Faults()

    # --- what has to be ---

    def _rows(self, sql: str, *parameters: str | None) -> list[Any]:
        """Return what is in the journal; nothing where there is none yet."""
        return look(self.site.journal, sql, parameters) if self.site.journal.exists() else []

    def _ids(self, state: str) -> set[str]:
        return {id_ for (id_,) in self._rows(_IDS, state)}

    def _forms(self, unit: Unit) -> Counter[bytes]:
        """Return how many records of a terminal the journal has, by their bytes."""
        return Counter(one for (one,) in self._rows(_FORMS, unit.model.serial))

    def journalled(self, unit: Unit) -> Counter[Punch]:
        """Return how often the journal has which punch of a terminal."""
        return Counter(map(tuple, self._rows(_PUNCHES, unit.model.serial)))

    def _check_proof(self, unit: Unit) -> None:
        """See, when CLEAR comes, that all in the log is journalled, settled and in a raw copy."""
        known, log = self._forms(unit), b"".join(unit.log)
        if any(known[row] < unit.stored[row] for row in unit.canonical(unit.log)):
            self._wrong.append(f"{unit.name} was cleared of a record that is not in the journal")
        if self._unsettled(unit):
            self._wrong.append(f"{unit.name} was cleared before all of its log was settled")
        if log not in self._copied(unit):
            self._wrong.append(f"{unit.name} was cleared without a copy of its log")

    def _unsettled(self, unit: Unit) -> list[Any]:
        """Return the punches in a terminal's log that the dashboard has not, or that nothing holds."""
        rows = self._rows(_SENT, unit.model.serial)
        log, has = set(unit.canonical(unit.log)), self.dashboard.events
        return [row for row in rows if row[0] in log and row[2] != "held" and row[1] not in has]

    def _copied(self, unit: Unit) -> list[bytes]:
        """Return the logs of a terminal's raw copies."""
        files = folders(self.site.journal).raw_copies.glob(f"*{raw_copy.SUFFIX}")
        copies = [raw_copy.load(file) for file in files]
        return [copy.log for copy in copies if copy.serial_number == unit.model.serial]

    def _check_end(self, result: Result) -> None:
        assert result.code in _ENDS, (result.code, result.err, _problems(result))
        assert "Traceback" not in result.err, result.err
        if result.code not in {0, 1}:
            return
        document = result.document()
        reading = document["sums"]["reading"]
        assert reading.pop("records") == sum(reading.values())
        (journal,) = document["sums"]["journal"].values()
        assert journal.pop("punches") == sum(journal.values())

    def _check_journal(self) -> None:
        """See what has to be at any time between two runs."""
        assert not self._wrong, self._wrong
        assert self._ids("confirmed") <= self.dashboard.events.keys()
        assert not self.dashboard.conflicts
        assert not self._rows(MISCOUNTED)
        intended = {key for (key,) in self._rows("SELECT key FROM intent JOIN device ON id = device")}
        for unit in self.units:
            assert not self._forms(unit) - unit.stored, "a record is in the journal that nobody made"
            assert not unit.disabled or unit.model.serial in intended
            copied = self._copied(unit)
            assert all(log in copied for log in unit.cleared), "a raw copy is gone"

    def end(self, *, clear: bool, last: Sequence[Press]) -> None:
        """Let all go well again, and see that all has arrived; the logs are cleared, too, if so asked."""
        self._all_is_well(Trouble())
        self._all_is_well(Trouble(full=True))
        if clear:
            for device in self._all_is_well(Trouble(clear=True))["devices"]:
                fate = device["clearing"] and device["clearing"]["fate"]
                assert fate in {None, "cleared", "refused"}, device
        for press in last:
            self.story.append(f"at last {tuple(press)}")
            self.units[press.unit].press(press)
        self._all_is_well(Trouble())

    def _all_is_well(self, trouble: Trouble) -> dict[str, Any]:
        """Run once, with nothing wrong, and see that all has arrived; return what the run says."""
        result = self.run(trouble)
        assert result.code in {0, 1}, (result.code, result.err)
        document = result.document()
        assert not document["maybe_disabled"]
        for device in document["devices"]:
            assert device["on_device"] is not None, device
        for delivery in document["deliveries"]:
            assert delivery["ok"], delivery
        self.check_arrived()
        return document

    def check_arrived(self) -> None:
        """See that each punch is in the journal, once, and at the dashboard or held."""
        self._check_journal()
        for unit in self.units:
            held = self.journalled(unit)
            assert (unit.punched - held, held - unit.punched) == (Counter(), Counter())
            known = self._forms(unit)
            assert (unit.stored - known, known - unit.stored) == (Counter(), Counter())
            assert not unit.disabled
        assert not self._rows("SELECT 1 FROM intent")
        states = Counter(state for (state,) in self._rows("SELECT state FROM outbox"))
        assert states.keys() <= {"confirmed", "held"}, states
        assert states.total() == sum(unit.punched.total() for unit in self.units)
        assert self._ids("confirmed") == self.dashboard.events.keys()


def _problems(result: Result) -> list[Any]:
    """Return what was wrong with a run's devices and deliveries, as far as it came to say so."""
    document = json.loads(result.out or "{}")
    parts = [*document.get("devices", []), *document.get("deliveries", [])]
    return [one["problem"] for one in parts if one["problem"]]
