"""How a figure is measured, and how it is shown beside its target."""

from __future__ import annotations

import gc
import operator
import os
import subprocess
import time
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
    """Return the seconds of the fastest of `times` runs of `work`: the one that was disturbed least."""
    fastest = float("inf")
    for _ in range(times):
        gc.collect()
        began = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - began)
    return fastest


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took."""

    seconds: float
    megabytes: float
    """Its peak memory."""


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> Cost:
    """Run a process to its end. Raise `RuntimeError` when it does not end well."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | (environment or {}))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(time.perf_counter() - began, usage.ru_maxrss / 1024)
