"""A virtual terminal that pushes: it calls a server over HTTP, and nothing ever calls it.

    boot -> handshake -> uploads, one by one -> getrequest -> commands, and their results
               ^              | no answer          ^ after Delay seconds  |
               +- ErrorDelay -+                    +----------------------+

A batch is delivered when the status is 200 and the body contains `OK`. Until then it is sent again with
the same bytes, whatever the answer. Nothing but a 200 sets the clock. Which punches the server has is a
flag a row in the terminal; stamps are only passed on, and mean something to an `old` model alone.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import md5
from http.client import HTTPException
from time import monotonic
from typing import TYPE_CHECKING, Final

from zkpoll.simulator import push_lines
from zkpoll.simulator.push_model import PushFaults, PushModel
from zkpoll.simulator.push_settings import PushSettings, access_time, pairs
from zkpoll.simulator.push_uploads import PushForms
from zkpoll.simulator.push_wire import HungUpError, PushLine, PushRequest, PushServer
from zkpoll.simulator.terminal import Terminal
from zkpoll.simulator.wire import pack_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from zkpoll.simulator.push_uploads import PushUpload
    from zkpoll.simulator.push_wire import PushAnswer
    from zkpoll.simulator.records import Record

_ORDER: Final = re.compile(r"C:(\w+):(\S.*)")
_DRIFT: Final = timedelta(seconds=2)
"""A clock that is off by no more is left alone."""
_TICK: Final = 0.02
"""Seconds after which a terminal at rest looks for new punches."""
_AFTER_COMMAND: Final = 1
"""Seconds until the next getrequest, after a command (seen on several)."""
_REGISTRY_DELAY: Final = 15
"""Seconds until a terminal that got no RegistryCode asks again (C39)."""
UNSUPPORTED: Final = -1002
NO_DATA: Final = -1
WRONG_TABLE: Final = -629


@dataclass(frozen=True, slots=True)
class PushExchange:
    """A request, and the answer to it."""

    what: str
    """`handshake`, `registry`, `push`, `time`, `options`, `punches`, a table, `getrequest` or `results`."""
    request: bytes
    answer: PushAnswer | None
    """None if there was none."""
    accepted: bool
    """Whether the terminal is content with the answer."""
    trouble: str = ""
    """Why there was no answer."""
    punches: int = 0


class PushTerminal:
    """A virtual terminal that pushes, driven by one caller at a time; punches may come from any thread.

    Its log, users and clock are those of a `Terminal`, which may answer on port 4370 at the same time:
    one terminal with two doors. Drive it by `step` or `round`, or let it go on by itself with `run`.
    """

    def __init__(
        self,
        url: str,
        terminal: Terminal | None = None,
        model: PushModel | None = None,
        faults: PushFaults | None = None,
        *,
        pace: float = 1.0,
        timeout: float = 10.0,
    ) -> None:
        """`pace` scales every delay it is told, `timeout` is silence in seconds.

        Raise `ValueError` if `url` is no address to push to, or the terminal has no serial number.
        """
        self.terminal = terminal or Terminal()
        if not self.terminal.model.serial:
            raise ValueError("a terminal that pushes has a serial number")
        self.serial: Final = self.terminal.model.serial
        self.model = model or PushModel()
        self.pace = pace
        self.settings = PushSettings()
        """What the last handshake told it."""
        self.wait = 0
        """Seconds until the next round, as the server told them."""
        self.commands: list[tuple[str, str]] = []
        """Every command that came: its id, and its text."""
        self.clock_sets = 0
        """How often a server has set its clock."""
        self._line = PushLine(PushServer.of(url), timeout)
        self._faults = faults or PushFaults()
        self._acknowledged: set[int] = set()
        self._due: deque[int] = deque()
        self._seen = 0
        self._new_from = len(self.terminal.history)
        self._clock_set_at: int | None = None
        self._token = ""
        self._going: Iterator[PushExchange] = iter(())
        self.boot()

    @property
    def faults(self) -> PushFaults:
        """Its faults. Setting them starts all counting anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: PushFaults) -> None:
        self._faults = faults
        self._line.hung_up = 0

    @property
    def acknowledged(self) -> list[Record]:
        """The punches for which it has heard `OK`, oldest first."""
        return [self.terminal.history[place] for place in sorted(self._acknowledged)]

    def boot(self) -> None:
        """Switch it off and on: what it was told is gone, what has been delivered is not."""
        if self._acknowledged and self.faults.replays_at_boot:
            self._send_all()
        else:
            self._due = deque(place for place in range(self._seen) if place not in self._acknowledged)
        self.close()
        self._going = iter(())
        self._queue: deque[PushUpload] = deque()
        self._pending: PushUpload | None = None
        self._greeted = False
        self._fresh = True
        self._checked = False
        self._looks = True
        self._looked = self.terminal.now(), monotonic()
        self._counts_told: tuple[int, int] | None = None
        self._failed = False

    def point_at(self, url: str) -> None:
        """Type another server into its menu: it boots, and sends its whole log there (C04).

        Raise `ValueError` if `url` is no address to push to.
        """
        line = PushLine(PushServer.of(url), self._line.timeout)
        self.boot()
        self._line = line
        self._send_all()

    # Driving it

    def step(self) -> PushExchange:
        """Make the next request, and return it with its answer."""
        while True:
            for exchange in self._going:
                return exchange
            self._going = self._round()

    def round(self) -> list[PushExchange]:
        """Do all that is due, without waiting, up to and with a getrequest; return what was said."""
        going, self._going = self._going, iter(())
        return list(going) or list(self._round())

    def run(self, stop: threading.Event) -> Iterator[PushExchange]:
        """Go on until `stop` is set, and yield what is said. Waits as long as the server told it."""
        poll_at = monotonic()
        try:
            while not stop.is_set():
                polls = monotonic() >= poll_at
                for exchange in self._round(polls=polls):
                    if stop.is_set():
                        return
                    yield exchange
                if polls or self._failed:
                    poll_at = monotonic() + self.wait * self.pace
                while not stop.wait(min(_TICK, max(0.0, poll_at - monotonic()))):
                    if monotonic() >= poll_at or (self._has_uploads() and not self._failed):
                        break
        finally:
            self.close()

    def close(self) -> None:
        """Close its socket, if it is one that keeps it."""
        self._line.close()

    def hang_up(self) -> None:
        """End the request under way, from another thread or a signal handler."""
        self._line.hang_up()

    # A round

    def _round(self, *, polls: bool = True) -> Iterator[PushExchange]:
        self._failed = False
        if not self._greeted:
            self.wait = self.settings.seconds("ErrorDelay")
            yield from self._register() if self.model.dialect == "3.x" else self._shake_hands()
            if not self._greeted:
                return
        self.wait = self.settings.seconds("RequestDelay" if self.model.dialect == "3.x" else "Delay")
        self._flood()
        yield from self._upload(punches=True)
        if polls and self._greeted:
            yield from self._poll()
        if self._failed:
            self.wait = self.settings.seconds("ErrorDelay")

    def _ask(self, what: str, request: PushRequest, upload: PushUpload | None = None) -> PushExchange:
        data = request.encoded(self._line.server, self.model)
        answer, trouble = None, ""
        try:
            answer = self._line.ask(data, self.model, self.faults)
        except OSError as error:
            trouble = error.strerror or str(error)
        except HTTPException:
            trouble = "what answers there is not HTTP"
        except HungUpError:
            trouble = "broken off in the middle of the body"
        if answer is None:
            self._greeted = self._greeted and self.model.handshakes_once
        accepted = answer is not None and self._accepts(answer, upload)
        self._failed |= not accepted
        return PushExchange(what, data, answer, accepted, trouble, len(upload.places) if upload else 0)

    def _accepts(self, answer: PushAnswer, upload: PushUpload | None) -> bool:
        if upload is None:
            return answer.status == 200
        if upload.what == "results" and self.model.picky and "text/plain" not in self._header(answer):
            return False
        return answer.ok or (answer.status == 200 and bool(upload.settles) and upload.settles in answer.text)

    def _header(self, answer: PushAnswer) -> str:
        return answer.header("Content-Type", exact=self.model.picky)

    def _get(self, what: str, name: str, query: str) -> PushExchange:
        return self._ask(what, PushRequest("GET", name, query, token=self._token))

    def _post(self, what: str, name: str, body: bytes = b"") -> PushExchange:
        return self._ask(what, PushRequest("POST", name, f"SN={self.serial}", body, self._token))

    # Handshakes

    def _shake_hands(self) -> Iterator[PushExchange]:
        """Ask for settings, as C02, C07 and C19 do."""
        model = self.model
        query = f"SN={self.serial}&options=all&language={model.language}&pushver={model.pushver or '2.4.1'}"
        query += f"&DeviceType={model.device_type}" if model.device_type else ""
        query += f"&pushcommkey={model.comm_key}" if model.comm_key else ""
        query += f"&PushOptionsFlag={model.options_flag}" if model.options_flag else ""
        exchange = self._get("handshake", "cdata", query)
        if exchange.answer and exchange.accepted:
            self._take_settings(exchange.answer)
            self._take_date(exchange.answer)
            self._begin()
        yield exchange

    def _register(self) -> Iterator[PushExchange]:
        """Go the way of the access dialect: cdata, registry, push, time."""
        query = f"SN={self.serial}&options=all&pushver={self.model.pushver or '3.1.2'}&DeviceType=acc"
        greeting = self._get("handshake", "cdata", query)
        yield greeting
        if not (greeting.answer and greeting.accepted):
            return
        told = pairs(greeting.answer.lines(whole=self.model.picky))
        code = told.get("RegistryCode") if told.get("registry") == "ok" else None
        if code:
            self._take_settings(greeting.answer)
        else:
            registry = self._post("registry", "registry", push_lines.option_line(self._options()).encode())
            yield registry
            code = pairs(registry.answer.lines()).get("RegistryCode") if registry.answer else None
            if not (code and registry.accepted):
                self.wait = _REGISTRY_DELAY
                return
            push = self._post("push", "push")
            yield push
            if not (push.answer and push.accepted):
                return
            self._take_settings(push.answer)
        session = self.settings.told.get("SessionID", "")
        secret = f"{code}{self.serial}{session}".encode()
        self._token = md5(secret, usedforsecurity=False).hexdigest()
        clock = self._get("time", "rtdata", f"SN={self.serial}&type=time")
        if clock.answer and clock.accepted:
            self._set_clock(access_time(clock.answer.text))
            self._begin()
        yield clock

    def _take_settings(self, answer: PushAnswer) -> None:
        self.settings = PushSettings(pairs(answer.lines(whole=self.model.picky)))

    def _take_date(self, answer: PushAnswer) -> None:
        date, zone = answer.date(exact=self.model.picky), self.settings.zone
        self._set_clock(None if date is None or zone is None else date + zone)

    def _set_clock(self, moment: datetime | None) -> None:
        if moment is None:
            return
        if self._clock_set_at is None:
            self._clock_set_at = len(self.terminal.history)
        self.clock_sets += 1
        if abs(moment - self.terminal.now()) > _DRIFT:
            self.terminal.adjust_clock(moment)

    def _begin(self) -> None:
        """Begin to upload after a handshake."""
        self._greeted = self._looks = True
        if self.model.old and not self._checked:
            self._resume_from(self.settings.number("Stamp"))
        self._queue = deque(one for one in self._queue if one.what != "options")
        if self.model.dialect == "2.x" and self.settings.number("PushOptionsFlag") == 1:
            self._queue.append(self._forms.options(self._options()))
        if self._fresh or self._checked:
            self._queue += self._forms.besides(self.terminal.users, self.terminal.now())
        self._fresh = self._checked = False

    def _resume_from(self, stamp: int) -> None:
        """Send what is newer than `stamp`; everything, if that is later than the clock."""
        since = 0 if stamp > pack_time(self.terminal.now()) else stamp
        history = self.terminal.history
        self._seen, self._pending = len(history), None
        self._due = deque(place for place in self.terminal.held if pack_time(history[place].time) > since)

    # Uploads

    def _upload(self, *, punches: bool) -> Iterator[PushExchange]:
        """Deliver what waits, one by one, until the server does not take one."""
        while upload := self._queue[0] if self._queue else self._next_punches() if punches else None:
            exchange = self._ask(upload.what, upload.request, upload)
            if exchange.accepted:
                self._acknowledged.update(upload.places)
                if upload is self._pending:
                    self._pending = None
                else:
                    self._queue.popleft()
            yield exchange
            if not exchange.accepted:
                return

    def _next_punches(self) -> PushUpload | None:
        """Return the batch that waits for its `OK`, else make the next one."""
        if self._pending is None and self._sends("AttLog"):
            self._look()
            held = self.terminal.held
            batch: list[int] = []
            while self._due and len(batch) < self.model.batch:
                place = self._due.popleft()
                batch += [place] if place in held else []  # else it was cleared, or overwritten
            self._pending = self._punches(batch) if batch else None
        return self._pending

    def _look(self) -> None:
        if self._time_to_look():
            count = len(self.terminal.history)
            self._due.extend(range(self._seen, count))
            self._seen, self._looks = count, False
            self._looked = self.terminal.now(), monotonic()

    def _time_to_look(self) -> bool:
        interval = self.settings.number("TransInterval") * 60 * self.pace
        return (
            self._looks
            or self.settings.realtime
            or (interval > 0 and monotonic() - self._looked[1] >= interval)
            or self.settings.time_to_look(self._looked[0], self.terminal.now())
        )

    def _has_uploads(self) -> bool:
        if self._queue or self._pending:
            return True
        new = len(self.terminal.history) > self._seen and self._time_to_look()
        return self._sends("AttLog") and (bool(self._due) or new)

    def _sends(self, *kinds: str) -> bool:
        return not self.model.obeys_transflag or self.settings.sends(*kinds)

    def _send_all(self) -> None:
        self._pending, self._due = None, deque(range(self._seen))

    def _punches(self, places: Sequence[int]) -> PushUpload:
        history, door = self.terminal.history, None
        end = len(history) if self._clock_set_at is None else self._clock_set_at
        unset = range(self._new_from, end) if self.faults.broken_times else range(0)
        if self.model.dialect == "3.x" and self.model.door_events:
            door = str(self.terminal.now())
        return self._forms.punches(history, places, unset, door)

    @property
    def _forms(self) -> PushForms:
        return PushForms(self.serial, self.model, self.settings, self.faults.until_ok, self._token)

    def _flood(self) -> None:
        if not any(upload.what == "OPERLOG" for upload in self._queue):
            self._queue += [self._forms.operlog()] * self.faults.empty_operlogs

    def _options(self) -> dict[str, str]:
        counts = len(self.terminal.users), len(self.terminal.log)
        return push_lines.options(self.model, self.serial, *counts)

    # Commands

    def _poll(self) -> Iterator[PushExchange]:
        """Ask for commands, carry them out, and post what came of them."""
        counts = len(self.terminal.users), len(self.terminal.log)
        info = "" if counts == self._counts_told else f"&INFO={push_lines.info(self.model, *counts)}"
        exchange = self._get("getrequest", "getrequest", f"SN={self.serial}{info}")
        orders: list[tuple[str, str]] = []
        if exchange.answer and exchange.accepted:
            self._counts_told = counts
            if self.model.dialect == "2.x":
                self._take_date(exchange.answer)
            found = (_ORDER.fullmatch(line) for line in exchange.answer.lines(whole=self.model.picky))
            orders = [(order[1], order[2]) for order in found if order]
        yield exchange
        if orders:
            self.commands += orders
            self.wait = _AFTER_COMMAND
            results = [line for number, text in orders for line in self._carry_out(number, text)]
            self._queue.appendleft(self._forms.results(results))
            yield from self._upload(punches=False)

    def _carry_out(self, number: str, text: str) -> list[str]:
        """Carry out a command, however often it comes, and return the lines of its result."""
        word, *rest = text.split(maxsplit=3)
        more: list[str] = []
        code = 0
        if word == "CHECK":
            self._send_all()
            self._greeted, self._checked = False, True
        elif word == "INFO":
            more = [f"{key}={value}" for key, value in self._options().items()]
        elif word == "LOG":
            self._looks = True
        elif rest[:2] == ["QUERY", "ATTLOG"] and self.model.dialect == "3.x":
            code = WRONG_TABLE
        elif rest[:2] == ["QUERY", "ATTLOG"]:
            code = 0 if self._query(pairs("".join(rest[2:]).split("\t"))) else NO_DATA
        else:
            code = UNSUPPORTED
        return [f"ID={number}&Return={code}&CMD={word}", *more]

    def _query(self, bounds: Mapping[str, str]) -> bool:
        """Post the punches between StartTime and EndTime again; return whether there are any."""
        first, last = bounds.get("StartTime", ""), bounds.get("EndTime", "9999")
        history = self.terminal.history
        places = [place for place in self.terminal.held if first <= str(history[place].time) <= last]
        size = self.model.batch
        self._queue += [self._punches(places[start : start + size]) for start in range(0, len(places), size)]
        return bool(places)


@contextmanager
def pushing(terminal: PushTerminal) -> Iterator[None]:
    """Let `terminal` push by itself, in a thread, for as long as the `with` block lasts."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: deque(terminal.run(stop), maxlen=0))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        terminal.hang_up()
        thread.join()
