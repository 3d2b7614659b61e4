"""From the finger to the dashboard: under watch, by push, and by cron; with bells lost and lines cut.

The terminals and the dashboard share the machine with zkpoll; a terminal takes 20 ms for each reply. Cron is
tried every few seconds, and reckoned for every five minutes from that: waiting is the same for everybody.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.benchmarks.measure import Row
from tests.serve.serving import serving
from tests.site import TOKEN, Site, entry
from tests.waiting import wait_for
from tests.watch.watching import is_registered, watching
from zkpoll.simulator import Faults, Model, SampleDashboard, Terminal, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.measure import Scale
    from zkpoll.simulator.dashboard import JsonEvent

REPLY: Final = 0.02
"""Seconds a terminal takes for a reply."""
FEW: Final = 5
MANY: Final = 60
"""Terminals."""
CRON: Final = 300.0
"""Seconds."""
OFTEN: Final = 3.0
"""Seconds from one run to the next here, in place of cron's."""
BEGAN: Final = datetime(2027, 1, 1, 8, 0)


class _Clocked(SampleDashboard):
    """A dashboard that notes when each punch arrives, by its device and time."""

    def __init__(self) -> None:
        super().__init__(TOKEN)
        self.at: dict[tuple[str, str], float] = {}

    def keep(self, events: list[JsonEvent]) -> None:
        """Keep the events, and note when they came."""
        now = time.perf_counter()
        for event in events:
            self.at.setdefault((event["device"], event["timestamp"][:19]), now)
        super().keep(events)


class _Hall:
    """Terminals, and the moments at which somebody punched."""

    def __init__(self, dashboard: _Clocked, terminals: Sequence[Terminal]) -> None:
        self._dashboard = dashboard
        self._terminals = terminals
        self._punched: dict[tuple[str, str], float] = {}

    def punch(self, which: int) -> None:
        """Let somebody punch at a terminal."""
        moment = BEGAN + timedelta(seconds=len(self._punched))
        self._punched[f"t{which}", moment.isoformat()] = time.perf_counter()
        self._terminals[which].punch("7", moment)

    def waits(self) -> list[float]:
        """Wait until all have arrived, once, and return the seconds that each took."""
        wait_for(lambda: self._punched.keys() <= self._dashboard.at.keys(), 90)
        if self._dashboard.duplicates:
            raise RuntimeError("a punch arrived twice")
        return [self._dashboard.at[one] - began for one, began in self._punched.items()]


def rows(scale: Scale) -> Iterator[Row]:
    """Measure each way."""
    fingers = 15 if scale.short else 60
    rung = _watched(FEW, Faults(delay=REPLY), fingers, pause=0.3)
    pushed = _pushed(fingers)
    ran = _run(5 if scale.short else 12)
    what = f"finger to dashboard, `watch`, {FEW} terminals"
    yield from _three(what, rung, targets=(0.5, 1.5, 3))
    yield Row("the same, median: by push, `serve`", median(rung), peer=median(pushed), target=20)
    yield from _three("finger to dashboard, `serve`", pushed)
    yield from _three(f"finger to dashboard, a run each {OFTEN:g} s", ran)
    a_run = max(0.0, median(ran) - OFTEN / 2)
    reckoned = CRON / 2 + a_run
    yield Row("`watch`, median: a run each 5 min, reckoned", median(rung), peer=reckoned, target=0.01)
    yield Row("a run each 5 min, reckoned: p95", 0.95 * CRON + a_run)
    yield Row("a run each 5 min, reckoned: worst", CRON + a_run)
    bad = Faults(delay=REPLY, loses_every_bell=5, cuts_every_bell=10)
    worse = _watched(FEW, bad, fingers, pause=0.3)
    yield from _three("20 % of bells lost, 10 % of lines cut, `watch`", worse, targets=(1, 35, 35))
    crowd = _crowd(1 if scale.short else 3)
    yield from _three(f"{MANY} punch at once at {MANY} terminals, `watch`", crowd, targets=(5, 10, 15))


def _three(what: str, waits: Sequence[float], targets: Sequence[float | None] = (None,) * 3) -> Iterator[Row]:
    figures = (median(waits), quantiles(waits, n=20, method="inclusive")[-1], max(waits))
    for name, figure, target in zip(("median", "p95", "worst"), figures, targets, strict=True):
        yield Row(f"{what}: {name}", figure, target=target)


@contextmanager
def _hall(number: int, faults: Faults) -> Iterator[tuple[Site, _Hall, list[Terminal]]]:
    """Give a site with so many terminals, and a dashboard."""
    models = (Model(serial=f"S{one}") for one in range(number))
    terminals = [Terminal.with_samples(50, model=one, faults=faults) for one in models]
    with ExitStack() as stack:
        dashboard = stack.enter_context(_Clocked())
        site = Site(Path(stack.enter_context(TemporaryDirectory())))
        places = [stack.enter_context(serve(one)) for one in terminals]
        site.write(dashboard.url, *(entry(f"t{one}", place) for one, place in enumerate(places)))
        yield site, _Hall(dashboard, terminals), terminals


def _watched(number: int, faults: Faults, fingers: int, pause: float) -> list[float]:
    """Return what punches took, one after the other at terminals by chance, under watch."""
    chance = random.Random(1)  # no secret
    with _hall(number, faults) as (site, hall, terminals), watching(site):
        wait_for(lambda: all(map(is_registered, terminals)), 60)
        for _ in range(fingers):
            hall.punch(chance.randrange(number))
            time.sleep(chance.uniform(0, 2 * pause))
        return hall.waits()


def _crowd(times: int) -> list[float]:
    """Return what punches took where somebody punches at each terminal in one moment."""
    waits: list[float] = []
    with _hall(MANY, Faults(delay=REPLY)) as (site, hall, terminals), watching(site):
        wait_for(lambda: all(map(is_registered, terminals)), 60)
        for _ in range(times):
            for which in range(MANY):
                hall.punch(which)
            waits = hall.waits()
    return waits


def _pushed(fingers: int) -> list[float]:
    """Return what punches took that a terminal pushed at once."""
    waits = []
    with TemporaryDirectory() as folder, _Clocked() as dashboard:
        site = Site(Path(folder))
        device = "name: gate, serial: GATE1, push: true"
        site.write(dashboard.url, device, more="listen: {address: '127.0.0.1:0'}\n")
        with serving(site) as door:
            for number in range(fingers):
                moment = BEGAN + timedelta(seconds=number)
                began = time.perf_counter()
                door.push(f"7\t{moment:%Y-%m-%d %H:%M:%S}\t0\t1\t0\t0\t0", serial="GATE1")
                key = "gate", moment.isoformat()
                while key not in dashboard.at:
                    time.sleep(0.001)
                waits.append(dashboard.at[key] - began)
    return waits


def _run(runs: int) -> list[float]:
    """Return what punches took where `zkpoll sync` runs every few seconds; they come at any moment."""
    chance = random.Random(1)  # no secret
    with _hall(FEW, Faults(delay=REPLY)) as (site, hall, _):
        site.sync()
        due = time.perf_counter()
        for _ in range(runs):
            moments = sorted(chance.uniform(0, OFTEN) for _ in range(4))
            due += OFTEN
            for moment in moments:
                time.sleep(max(0.0, due - OFTEN + moment - time.perf_counter()))
                hall.punch(chance.randrange(FEW))
            time.sleep(max(0.0, due - time.perf_counter()))
            if (done := site.sync()).code:
                raise RuntimeError(f"a run ended with {done.code}: {done.err[:500]}")
        return hall.waits()
