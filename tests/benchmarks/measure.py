"""How a figure is measured, and how it is shown beside its target."""

from __future__ import annotations

import gc
import operator
import os
import subprocess
import sys
import time
import timeit
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HOLDS = {"at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure."""

    what: str
    value: float
    unit: str = "x"
    bound: Literal["at least", "at most"] | None = None
    target: float = 0.0

    @property
    def met(self) -> bool:
        """Whether the target is met; a figure without one always does."""
        return self.bound is None or _HOLDS[self.bound](self.value, self.target)

    def __str__(self) -> str:
        """Return the figure, its target and whether it is met, in one line."""
        line = f"{self.what:<62} {self.value:>10,.2f} {self.unit:<10}"
        if self.bound is None:
            return line
        return f"{line} {self.bound} {self.target:g}  {'ok' if self.met else 'MISSED'}"


def best_of(times: int, work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of `times` runs of `work`: the one that was disturbed least.

    Without the garbage collector, as `timeit` has it: it looks at all that is alive, whoever made it.
    """
    return min(timeit.repeat(work, gc.collect, repeat=times, number=1))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took."""

    seconds: float
    megabytes: float
    """Its peak memory."""


_METER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""A small process in between: a child's peak memory begins with that of the process it was forked from."""


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> Cost:
    """Run a process to its end. Raise `RuntimeError` when it does not end well."""
    began = time.perf_counter()
    metered = [sys.executable, "-S", "-c", _METER, *command]
    done = subprocess.run(
        metered, capture_output=True, text=True, env=os.environ | (environment or {}), check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return Cost(seconds, int(done.stdout) / 1024)
