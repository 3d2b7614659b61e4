"""How many random examples a test draws: all of them, or a quarter in `make test`."""

from __future__ import annotations

from hypothesis import settings

FULL = settings(deadline=None)  # a busy machine is no failure
QUICK = settings(FULL, max_examples=FULL.max_examples // 4)


def examples(full: int) -> int:
    """Return how many examples to draw now of a test that draws `full` of them otherwise."""
    return max(1, full * settings().max_examples // FULL.max_examples)
