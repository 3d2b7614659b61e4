"""A terminal with two doors, the desk and the run that it meets, all in this process, and a true time."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import unquote

import pytest

from tests.host_clock import clock_here
from tests.hostile.world import ANSWERS, Unit
from tests.look import look
from tests.site import TOKEN, entry
from zkpoll.delivery.origins import Origins
from zkpoll.errors import Busy, JournalError, Stopped
from zkpoll.inventory import load
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.pushed import Pushed
from zkpoll.model.punch import PUSHED
from zkpoll.push.contract import Head, Order
from zkpoll.simulator import (
    Command,
    Model,
    PushFaults,
    PushModel,
    PushTerminal,
    SampleDashboard,
    serve,
)
from zkpoll.simulator.push_wire import PushAnswer, PushLine, PushServer
from zkpoll.sync import sync
from zkpoll.tasks.deliver import deliver_to
from zkpoll.tasks.desk import Desk
from zkpoll.tasks.outlet import Outlet
from zkpoll.tasks.run import Options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from zkpoll.journal.database import Journal
    from zkpoll.simulator import ClientSession, WireFrame

NAME: Final = "gate"
SERIAL: Final = "GATE1"
BEGAN: Final = datetime(2027, 10, 30, 23, 40)
"""UTC. Eighty minutes later, clocks in London show an hour again."""
_MEMORY: Final = Path("/dev/shm")

Mood = Literal["well", "full", "lost", "cut", "dies", "dies unheard"]
"""How a request fares: it is answered; it finds the disk full; it is done, and its answer is lost; it never
is whole; `serve` is killed in the middle of its transaction; or behind that, before the answer."""
_PUNCHES: Final = "SELECT user_id, substr(timestamp, 1, 19), state FROM punch"
_SECONDS: Final = """
    SELECT user_id, substr(timestamp, 1, 19), count(*), sum(hold IS NULL) FROM punch GROUP BY 1, 2
"""
_SENT: Final = "SELECT punch.id, outbox.state FROM punch JOIN outbox ON punch = seq"
_FORMS: Final = """
    SELECT bytes, punch.id, outbox.state FROM form
    JOIN punch ON seq = form.punch JOIN outbox ON outbox.punch = seq
"""


class Press(NamedTuple):
    """Somebody who punches."""

    user: int
    step: int
    """Seconds since the last one."""
    state: int
    verify: int
    work_code: int


class Meanwhile(NamedTuple):
    """Something that happens just before a command of a run comes to the terminal."""

    nth: int
    """Of which command, from 0."""
    what: Press | Mood | Literal["stop"]
    """Somebody punches, the terminal makes a request, or the run is told to stop."""


class _Killed(BaseException):
    """The end of `serve` in the middle of a transaction."""


class _InHand(PushLine):
    """A line to a desk in this process."""

    def __init__(self, house: House) -> None:
        super().__init__(PushServer("127.0.0.1", 80), 1)
        self._house = house

    def ask(self, request: bytes, model: PushModel, faults: PushFaults) -> PushAnswer:  # noqa: ARG002
        head, _, body = request.partition(b"\r\n\r\n")
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        path, _, query = target.partition("?")
        return self._house.called(Head(method, unquote(path), query, "192.0.2.1"), body)


@dataclass(slots=True)
class _Run:
    """A run under way."""

    happens: Mapping[int, Sequence[Press | Mood | Literal["stop"]]]
    stop: threading.Event = field(default_factory=threading.Event)
    commands: count[int] = field(default_factory=count)


class House:
    """The terminal, its desk, a dashboard, and all that was ever shown."""

    def __init__(self, layout: int, model: PushModel, *, renumbers: bool) -> None:
        self._exit = ExitStack()
        folder = tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None)
        self.folder = Path(self._exit.enter_context(folder))
        self.journal_file = self.folder / "journal.db"
        self.true = BEGAN
        self.zone = "UTC"
        self.unit = Unit(NAME, Model(serial=SERIAL, layout=layout, inline_limit=0), renumbers=renumbers)
        self.unit.show(BEGAN)
        self.dashboard = self._exit.enter_context(SampleDashboard(TOKEN))
        self._address = self._exit.enter_context(serve(self.unit))
        self.push = PushTerminal("http://127.0.0.1", self.unit, model)
        self.push._line = _InHand(self)
        self.moods: list[Mood] = []
        """How the next requests with punches fare; then they fare well."""
        self.wrong: list[str] = []
        """What was not as it has to be at a moment that only others saw."""
        self.killed = threading.Event()
        self._orders = count()
        self._journal: Journal | None = None
        self._watch_clearings()
        self.open(self.zone)

    def close(self) -> None:
        """Take everything down."""
        self.push.close()
        if self._journal:
            self._journal.__exit__(None, None, None)
        self._exit.close()

    # --- serve ---

    def open(self, zone: str) -> None:
        """Start `serve`, behind which the journal is all there is; with another time zone, if so."""
        if self._journal:
            self._journal.__exit__(None, None, None)
        self.zone = zone
        device = entry(NAME, self._address, serial=SERIAL, push="true", timezone=zone, warn_clock="never")
        inventory = self.folder / "devices.yaml"
        inventory.write_text(
            f"dashboard: {{url: '{self.dashboard.url}', token: {TOKEN}, batch_size: 7, attempts: 1}}\n"
            f"journal: journal.db\nlisten: {{address: '127.0.0.1:0'}}\ndevices:\n  - {{{device}}}\n"
        )
        self.inventory = load(inventory, {})
        with self._true_time():
            self._journal = open_journal(self.journal_file)
            self._outbox = JournalOutbox(self._journal, self.inventory.dashboards[0].name)
            self.desk = Desk(self.inventory, self._journal, taken=lambda _met, _name: None)
        self.killed.clear()

    def _true_time(self) -> AbstractContextManager[None]:
        return clock_here(self.true - datetime.now(UTC).replace(tzinfo=None), vouched=True)

    def called(self, head: Head, body: bytes) -> PushAnswer:
        """Answer a call, as the mood is; while `serve` is killed, nobody does."""
        mood = self.moods.pop(0) if self.moods and b"\t" in body else "well"
        if self.killed.is_set() or mood == "cut":
            raise ConnectionResetError(104, "Connection reset by peer")
        with self._true_time(), ExitStack() as stack:
            if mood in ("full", "dies"):  # when a batch is written, and not committed
                patch = stack.enter_context(pytest.MonkeyPatch.context())
                patch.setattr(Pushed, "keep_batch", _full if mood == "full" else _killed)
            assert self.desk.turn_away(head) is None
            try:
                answer = self.desk.answer(head, body)
            except _Killed:
                mood = "dies unheard"
        if mood == "dies unheard":
            self.killed.set()
        if mood in ("lost", "dies unheard"):
            raise ConnectionResetError(104, "Connection reset by peer")
        return self._heard(answer.status, answer.text)

    def _heard(self, status: int, text: str) -> PushAnswer:
        date = f"{self.true:%a, %d %b %Y %H:%M:%S} GMT"
        return PushAnswer(status, (("Date", date), ("Content-Type", "text/plain")), text.encode())

    def requests(self, number: int, moods: Sequence[Mood] = ()) -> None:
        """Let the terminal make so many requests; a killed `serve` is started again behind them."""
        self.moods = list(moods)
        for _ in range(number):
            self.push.step()
        self.moods = []

    def order(self, text: str) -> None:
        """Let a command wait for the terminal, as an operator or a gap has it."""
        assert self._journal
        with self._true_time():
            if not self.killed.is_set() and Devices(self._journal).key_of(NAME):
                Pushed(self._journal, SERIAL).queue(Order(f"order{next(self._orders):07}", text), "ask")
                self.desk.exchange_orders()
                self.desk.write_down(datetime.now(UTC))

    def deliver(self) -> None:
        """Deliver a round, as `serve` does."""
        assert self._journal
        if self.killed.is_set():
            return
        names = Devices(self._journal).names()
        outlet = Outlet(
            self.inventory.dashboards[0],
            self._outbox,
            Origins.of_inventory(self.inventory.devices, names),
            self.inventory.alert_after,
            lambda: False,
            threading.Event(),
        )
        with self._true_time():
            deliver_to(outlet, self._journal)

    # --- sync ---

    def run(
        self,
        options: Options,
        happens: Sequence[Meanwhile] = (),
        answers: Sequence[str] = (),
        *,
        twin: bool = False,
    ) -> None:
        """Run `sync`, beside another one if `twin`."""
        self.dashboard.answers.extend(ANSWERS[word] for word in answers)
        at: defaultdict[int, list[Press | Mood | Literal["stop"]]] = defaultdict(list)
        for one in happens:
            at[one.nth].append(one.what)
        run = _Run(at)
        self.unit.before_command = lambda _command: self._happen(run)
        other = threading.Thread(target=self._run, args=(options, run)) if twin else None
        with self._true_time():
            if other:
                other.start()
            self._run(options, run)
            if other:
                other.join()
        self.unit.before_command = None
        self.dashboard.answers.clear()

    def _run(self, options: Options, run: _Run) -> None:
        with suppress(Stopped):
            outcome = sync(self.inventory, options, stop=run.stop)
            for device in outcome.devices:
                if device.difference or (device.problem and device.kind != Busy.kind):
                    self.wrong.append(str(device))

    def _happen(self, run: _Run) -> None:
        for what in run.happens.get(next(run.commands), ()):
            if what == "stop":
                run.stop.set()
            elif isinstance(what, Press):
                self.press(what)
            else:
                self.moods = [what]
                self.push.step()
                self.moods = []

    # --- the terminal ---

    def press(self, press: Press) -> None:
        """Let somebody punch; nothing comes of it while the terminal is disabled."""
        self.pass_by(press.step)
        user = self.unit.users[press.user].user_id
        self.unit.punch(user, verify=press.verify, state=press.state, work_code=press.work_code)

    def pass_by(self, seconds: int) -> None:
        """Let time pass; the terminal's clock goes, too, whatever it shows."""
        self.true += timedelta(seconds=seconds)
        self.unit.show(self.unit.now() + timedelta(seconds=seconds))

    def reboot(self, *, replays: bool) -> None:
        """Switch the terminal off and on; some send all they have again."""
        self.push.faults = PushFaults(replays_at_boot=replays)
        self.push.boot()

    def _watch_clearings(self) -> None:
        clear = self.unit.handlers[Command.CLEAR_ATTLOG]

        def cleared(session: ClientSession, request: WireFrame) -> list[WireFrame]:
            self._check_proof()
            return clear(session, request)

        self.unit.handlers[Command.CLEAR_ATTLOG] = cleared

    # --- what has to be ---

    def look(self, sql: str) -> list[Any]:
        """Return the rows of a query to the journal."""
        return look(self.journal_file, sql)

    def _forms(self) -> Counter[bytes]:
        return Counter(one for one, *_ in self.look(_FORMS) if not one.startswith(PUSHED))

    def _check_proof(self) -> None:
        """See, when CLEAR comes, that each record is known by its bytes, and has arrived or is held."""
        rows, known = self.unit.canonical(self.unit.log), self._forms()
        if any(known[row] < self.unit.stored[row] for row in rows):
            self.wrong.append("cleared of a record that no reading has journalled")
        there = self.dashboard.events
        if not set(rows) <= {one for one, id_, state in self.look(_FORMS) if id_ in there or state == "held"}:
            self.wrong.append("cleared before all of it had arrived")

    def check(self) -> None:
        """See what has to be at any time."""
        assert not self.wrong, self.wrong
        assert not self._forms() - self.unit.stored, "a record is in the journal that nobody made"
        punches = Counter(map(tuple, self.look(_PUNCHES)))
        assert not punches - self.unit.punched, "a punch is in the journal that nobody made"
        heard = {(one.user_id, one.time.isoformat(), one.state) for one in self.push.acknowledged}
        assert heard <= punches.keys(), "OK was said of a punch that is not in the journal"
        for *second, _, open_ in self.look(_SECONDS):
            assert open_ == 1, f"{open_} punches of {second} are to be sent"
        sent = dict(self.look(_SENT))
        assert self.dashboard.events.keys() <= sent.keys()
        assert {id_ for id_, state in sent.items() if state == "confirmed"} <= self.dashboard.events.keys()
        assert not self.dashboard.conflicts

    def end(self) -> None:
        """Let all go well, and see that all is in the journal and at the dashboard, once."""
        if self.killed.is_set():
            self.open(self.zone)
        for _ in range(3):
            self.push.round()
        self.run(Options(full=True, clear="never"))
        self.check()
        punches = Counter(map(tuple, self.look(_PUNCHES)))
        assert (punches - self.unit.punched, self.unit.punched - punches) == (Counter(), Counter())
        assert (self._forms() - self.unit.stored, self.unit.stored - self._forms()) == (Counter(), Counter())
        held = sum(number - 1 for *_, number, _ in self.look(_SECONDS))
        states = Counter(state for _, state in self.look(_SENT))
        assert states == Counter(confirmed=states["confirmed"], held=held)
        assert len(self.dashboard.events) == states["confirmed"]


def _full(*_: object, **__: object) -> None:
    raise JournalError("cannot grow: the disk is full")


def _killed(*_: object, **__: object) -> None:
    raise _Killed
