"""A hostile day on which both terminals push as well, to a real `serve` that is killed now and then."""

from __future__ import annotations

import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tests.forks import Forked
from tests.hostile.world import PATIENT, Day, Moment, Trouble, Unit
from tests.serve.serving import Serving
from tests.site import Site
from tests.waiting import wait_for
from zkpoll.model.punch import PUSHED
from zkpoll.simulator import PushFaults, PushModel, PushTerminal

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path
    from random import Random
    from types import TracebackType

BATCHES: Final = (1, 3, 128)
_UNSETTLED: Final = "SELECT 1 FROM outbox WHERE state = 'pending' LIMIT 1"
_SAID: Final = (
    "in a second that holds another one, held",
    "with another of the same person",
    "zkpoll: dashboard dashboard: ",
)
"""What `serve` may say on such a day: contradictions, clocks that restart, what the dashboard answers."""


class Pushing(PushTerminal):
    """A terminal's other door, at which one caller at a time may be, and others turn away."""

    def __init__(self, url: str, unit: Unit, model: PushModel) -> None:
        super().__init__(url, unit, model, timeout=PATIENT)
        self._busy = threading.Lock()

    def calls(self, faults: PushFaults | None = None) -> None:
        """Do all that is due, unless that is done just now."""
        if self._busy.acquire(blocking=False):
            try:
                self.faults = faults or PushFaults()
                self.round()
            finally:
                self._busy.release()

    def boots(self, *, replays: bool) -> None:
        """Switch it off and on; some send all they have again."""
        with self._busy:
            self.faults = PushFaults(replays_at_boot=replays)
            self.boot()

    @property
    def is_done(self) -> bool:
        """Whether all that was ever punched is acknowledged, or gone from the log."""
        heard, log = len(self.acknowledged), self.terminal.held
        return heard >= len(log) and self._acknowledged.issuperset(log)


class TwoDoorsDay(Day):
    """Two terminals with two doors, a dashboard, a journal with three names, and a `serve`."""

    def __init__(self, folder: Path, random: Random) -> None:
        super().__init__(folder, random)
        self._reserved = socket.socket()  # nobody else gets the port while no `serve` listens there
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port = self._reserved.getsockname()[1]
        url = f"http://127.0.0.1:{self._port}"
        self.doors = [
            Pushing(url, unit, PushModel(batch=random.choice(BATCHES), keeps_open=random.random() < 0.3))
            for unit in self.units
        ]
        self.meanwhile: list[tuple[Moment, Callable[[], object]]] = []
        """What else happens in the next run."""
        self._serve_site = Site(folder, Forked)
        self._serve_site.inventory = folder / "serve.yaml"
        self._serving: Serving | None = None
        self._starting = threading.Lock()
        self.said: list[str] = []
        """What `serve` said."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self.doors:
            door.close()
        self.kill_serve()
        self._reserved.close()
        super().__exit__(kind, error, trace)

    def inventory(self, name: int, trouble: Trouble) -> str:
        """Return an inventory with a listener."""
        return f"listen: {{address: '127.0.0.1:{self._port}'}}\n{super().inventory(name, trouble)}"

    def settings(self, unit: Unit, trouble: Trouble) -> dict[str, object]:
        """Return the settings of a terminal that pushes as well."""
        return {"serial": unit.model.serial, "push": "true", **super().settings(unit, trouble)}

    # --- serve ---

    def start_serve(self, name: int = 0) -> None:
        """Start `serve`, which knows the journal by one of its names, unless it runs."""
        with self._starting:
            if self._serving is None:
                self._serve_site.inventory.write_text(self.inventory(name, Trouble()))
                self._serving = Serving(self._serve_site.start("serve", "--clock-is-right"))

    def kill_serve(self) -> None:
        """Kill it with SIGKILL, if it runs."""
        with self._starting:
            if self._serving:
                self._serving.kill()
                self._end_serve(self._serving)

    def stop_serve(self) -> None:
        """Stop it as an operator does, if it runs."""
        with self._starting:
            if self._serving:
                assert self._serving.stop() == 0
                self._end_serve(self._serving)

    def _end_serve(self, serving: Serving) -> None:
        self.said += serving.lines
        self._serving = None

    def push(self, number: int, faults: PushFaults | None, killed_after: float | None) -> None:
        """Let a terminal call; `serve` is killed so many seconds later, if so."""
        timer = threading.Timer(killed_after, self.kill_serve) if killed_after is not None else None
        if timer:
            timer.start()
        self.doors[number].calls(faults)
        if timer:
            timer.join()

    # --- runs ---

    def _arrange(self, trouble: Trouble) -> None:
        super()._arrange(trouble)
        for moment, happen in self.meanwhile:
            self._let(moment, happen)
        self.meanwhile.clear()

    def _forms(self, unit: Unit) -> Counter[bytes]:
        """Return how many records of a terminal's log the journal has, by their bytes."""
        forms = super()._forms(unit)
        for line in [one for one in forms if one.startswith(PUSHED)]:
            del forms[line]
        return forms

    def _check_journal(self) -> None:
        super()._check_journal()
        for unit, door in zip(self.units, self.doors, strict=True):
            held = self.journalled(unit)
            heard = {(one.user_id, one.time.isoformat(), one.state) for one in door.acknowledged}
            assert heard <= held.keys(), "OK was said of a punch that is not in the journal"
            assert not held - unit.punched, "a punch is in the journal that nobody made"

    def _all_is_well(self, trouble: Trouble) -> dict[str, Any]:
        self.start_serve()
        for door in self.doors:
            wait_for(partial(self._is_pushed, door))
        return super()._all_is_well(trouble)

    def _is_pushed(self, door: Pushing) -> bool:
        door.calls()
        return door.is_done

    def check_arrived(self) -> None:
        """See that all has arrived; what `serve` has in hand arrives soon."""
        wait_for(lambda: not self._rows(_UNSETTLED))
        super().check_arrived()

    def check_quiet(self) -> None:
        """See that `serve` said nothing but what a person has to know."""
        self.stop_serve()
        odd = [line for line in self.said if not any(words in line for words in _SAID)]
        assert not odd, odd
