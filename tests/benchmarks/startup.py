"""How long a person waits for help."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Figure, best_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def figures() -> Iterator[Figure]:
    """Measure `zkpoll --help` against importing click alone."""
    python = partial(subprocess.run, stdout=subprocess.DEVNULL, check=True)
    shown = best_of(10, partial(python, [sys.executable, "-m", "zkpoll", "--help"]))
    bare = best_of(10, partial(python, [sys.executable, "-c", "import click"]))
    yield Figure("zkpoll --help against a bare import of click", shown / bare, "x", "at most", 2.5)
