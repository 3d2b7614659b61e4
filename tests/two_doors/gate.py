"""One terminal that is read over port 4370 and pushes as well, a real `serve`, and what must have arrived."""

from __future__ import annotations

import random
import re
from collections import Counter
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from tests.hostile.world import Unit
from tests.look import look
from tests.serve.serving import Serving, serving, write
from tests.site import entry
from tests.waiting import wait_for
from zkpoll.simulator import Model, PushModel, PushTerminal, serve

if TYPE_CHECKING:
    from types import TracebackType

    from tests.site import Site
    from zkpoll.simulator import Record, SampleDashboard

NAME: Final = "gate"
STATES: Final = {8: (0, 0, 1, 4)}
"""What people choose; three bits hold no 255, which other terminals store where nobody chose."""
_FIRST_HERE: Final = re.compile(rf"zkpoll: device {NAME}: \d+ punch(es)? had not come by push\n")
_USUAL_STATES: Final = (0, 0, 1, 255)
_PUNCHES: Final = "SELECT user_id, substr(timestamp, 1, 19), state FROM punch"
_HELD: Final = "SELECT user_id, substr(timestamp, 1, 19), hold FROM punch WHERE hold IS NOT NULL"
_STATES: Final = "SELECT state, count(*) FROM outbox GROUP BY state"

Held = tuple[str, str, str]
"""User id, the time on the terminal's clock, why."""

_PATIENT: Final = 30
"""Seconds: a whole run of a command may be inside of one of the terminal's answers."""


class Gate:
    """A terminal with two doors, between the two programs that it is known to."""

    def __init__(
        self,
        site: Site,
        dashboard: SampleDashboard,
        layout: int,
        model: PushModel | None = None,
        more: str = "",
    ) -> None:
        """`more` is of the inventory: whole lines."""
        self.site = site
        self.dashboard = dashboard
        self.unit = Unit(NAME, Model(serial=NAME.upper(), layout=layout), renumbers=False)
        self.time = datetime.now().replace(microsecond=0) - timedelta(minutes=50)
        """When somebody punched last; times do not depend on the clock, which servers set."""
        self._states = STATES.get(layout, _USUAL_STATES)
        self._draw = random.Random(layout)  # the same people each time
        self._model = model or PushModel(batch=4)
        self._more = more
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as failed:
            address = failed.enter_context(serve(self.unit))
            more = {"push": "true", "warn_clock": "never", "timeout": str(_PATIENT)}
            settings = entry(NAME, address, serial=NAME.upper(), **more)
            write(self.site, self.dashboard.url, [settings], self._more)
            self.door: Serving = failed.enter_context(serving(self.site))
            self.push = PushTerminal(self.door.url, self.unit, self._model)
            self._exit = failed.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.push.close()
        self._exit.close()

    # --- what people do ---

    def people(self, count: int) -> None:
        """Let people punch, mostly several in a second; nobody twice in one."""
        for number in range(count):
            if number % len(self.unit.users) == 0:
                self.time += timedelta(seconds=self._draw.choice([1, 1, 5]))
            self.somebody(number, self._draw.choice(self._states))

    def somebody(self, number: int, state: int) -> Record:
        """Let somebody punch in the second of the last one. Doors differ on how, and on the work code."""
        user = self.unit.users[number % len(self.unit.users)].user_id
        verify, work_code = self._draw.choice([(1, 0), (15, 0), (1, 7)])
        record = self.unit.punch(user, self.time, verify, state, work_code)
        assert record
        return record

    # --- what it comes to ---

    def pushed(self) -> None:
        """Push all that waits."""
        assert all(exchange.accepted for exchange in self.push.round())

    def pulled(self, *words: str, code: int = 0) -> str:
        """Read it as cron does, and return what was said. That punches came first this way may be said."""
        result = self.site.sync(*words)
        assert (result.code, result.out) == (code, ""), result
        assert code or not _FIRST_HERE.sub("", result.err), result.err
        return result.err

    def look(self, sql: str) -> list[Any]:
        """Return the rows of a query to the journal."""
        return look(self.site.journal, sql)

    def check(self, *held: Held) -> None:
        """See that all is in the journal and at the dashboard, once, and nothing held but `held`."""
        found = Counter(map(tuple, self.look(_PUNCHES)))
        punched = self.unit.punched
        assert (punched - found, found - punched) == (Counter(), Counter())
        assert self.look(_HELD) == list(held)
        wait_for(lambda: len(self.dashboard.events) >= punched.total() - len(held))
        wait_for(lambda: "pending" not in dict(self.look(_STATES)))
        seconds = Counter((one["user_id"], one["timestamp"]) for one in self.dashboard.events.values())
        assert (seconds.total(), set(seconds.values())) == (punched.total() - len(held), {1})
        assert (self.dashboard.duplicates, self.dashboard.conflicts) == (0, [])
