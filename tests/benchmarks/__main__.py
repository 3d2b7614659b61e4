"""Measure everything, print it, and fail if a target is missed."""

import sys

from tests.benchmarks import decoding, delivery, first_sync, pushing, reading, startup

missed = False
for part in (decoding, reading, first_sync, delivery, pushing, startup):
    for figure in part.figures():
        print(figure, flush=True)  # noqa: T201  # a report for a person
        missed |= not figure.met
sys.exit(1 if missed else 0)
