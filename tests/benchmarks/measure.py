"""How work is measured, and how a figure is shown beside its floor, its peer and its target."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    records: int
    """Of a long log."""
    one_by_one: int
    """Punches that are sent one a request."""
    turns: int
    """How often each piece of work is done; an odd number, as its median counts."""
    sizes: tuple[int, ...]
    """Punches of journals that are compared, the smallest first."""
    terminals: int
    """Of a large fleet."""
    slack: float = 1.0
    """How many times its target a figure may be until it is missed."""
    short: bool = False

    def longer(self) -> Self:
        """Return it with a journal of 5 million punches as well."""
        return replace(self, sizes=(*self.sizes, 5_000_000))


WHOLE: Final = Scale(100_000, 2_000, 3, (10_000, 100_000, 1_000_000), 1_000)
SHORT: Final = Scale(100_000, 1_000, 1, (10_000, 100_000), 200, slack=1.5, short=True)
"""What the gate runs. A busy machine is no fault: a target has to be missed by half."""

HEAD: Final = f"{'':<54} {'ours':>9} {'floor':>9} {'peer':>9} {'ratio':>7}  target"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of ours, and what it is held against. Less is better, always."""

    work: str
    ours: float
    unit: str = "s"
    floor: float | None = None
    """The least that this can cost here: the same bare work, without any program around it."""
    peer: float | None = None
    """What others cost, or we ourselves in the other case that the work names."""
    target: float | None = None
    """The most that the ratio may be; of a figure without floor and peer, the most that itself may be."""

    @property
    def ratio(self) -> float | None:
        """Return it against its floor, else against its peer."""
        other = self.peer if self.floor is None else self.floor
        return None if other is None else self.ours / other

    def met(self, slack: float) -> bool:
        """Say whether it is no more than `slack` times its target."""
        figure = self.ours if self.ratio is None else self.ratio
        return self.target is None or figure <= self.target * slack

    def line(self, slack: float) -> str:
        """Return it as a line of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:,.2f}"
        told = [_shown(one, self.unit) for one in (self.ours, self.floor, self.peer)]
        target = ""
        if self.target is not None:
            most = _shown(self.target, self.unit) if self.ratio is None else f"{self.target:g}"
            target = f"<= {most}{'' if self.met(slack) else '  MISSED'}"
        return f"{self.work:<54} {told[0]:>9} {told[1]:>9} {told[2]:>9} {ratio:>7}  {target}".rstrip()


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "s":
        return f"{value:,.2f} s" if value >= 1 else f"{value * 1000:,.1f} ms"
    return f"{value:,.0f} {unit}".rstrip()


def in_turns(turns: int, **works: Callable[[], object]) -> dict[str, float]:
    """Do each of `works` so often, in turns; return the median of what each took, in seconds, by its name.

    In turns, so that a slow moment of the machine meets all of them. Work that returns a number of seconds
    tells itself what it took, as where it has to be prepared. Else all of it is timed. Without the garbage
    collector, as `timeit` has it: it looks at all that is alive, whoever made it.
    """
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            gc.collect()
            gc.disable()
            began = time.perf_counter()
            told = work()
            seconds = time.perf_counter() - began
            gc.enable()
            took[name].append(told if isinstance(told, float) else seconds)
    return {name: median(each) for name, each in took.items()}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took."""

    seconds: float
    cpu: float
    """Seconds of CPU, the kernel's for it included."""
    megabytes: float
    """Its peak memory."""


_METER: Final = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
took, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
sys.exit(code)
"""
"""A small process in between: a child's peak memory begins with that of the process it was forked from."""


def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, may_end_with: int = 0
) -> Cost:
    """Run a process to its end. Raise `RuntimeError` when it ends otherwise than well, or as it may."""
    # A program that is installed has its bytecode.
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    metered = [sys.executable, "-S", "-c", _METER, *command]
    done = subprocess.run(
        metered, capture_output=True, text=True, env={**ours, **(environment or {})}, check=False
    )
    if done.returncode not in {0, may_end_with}:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[:500]}")
    return Cost(*json.loads(done.stdout))


def median_cost(costs: Sequence[Cost]) -> Cost:
    """Return the median of each of its figures."""
    return Cost(
        median(one.seconds for one in costs),
        median(one.cpu for one in costs),
        median(one.megabytes for one in costs),
    )
