"""Measure everything, print the table, and end with 1 if a target is missed.

python -m tests.benchmarks [--short] [PART ...]
"""

import os
import sys

from tests.benchmarks import (
    bridging,
    decoding,
    delivery,
    first_sync,
    fleet,
    growth,
    page,
    pushing,
    reading,
    startup,
    stores,
    watch,
)
from tests.benchmarks.measure import HEAD, SHORT, WHOLE

PARTS = (
    startup,
    decoding,
    reading,
    first_sync,
    delivery,
    growth,
    page,
    pushing,
    bridging,
    stores,
    fleet,
    watch,
)

asked = set(sys.argv[1:])
scale = SHORT if "--short" in asked else WHOLE
if os.environ.get("BENCH_LONG"):
    scale = scale.longer()
names = asked - {"--short"}
parts = [part for part in PARTS if not names or part.__name__.rpartition(".")[2] in names]
missed = 0
print(HEAD, flush=True)  # noqa: T201  # a report for a person
for part in parts:
    for row in part.rows(scale):
        print(row.line(scale.slack), flush=True)  # noqa: T201
        missed += not row.met(scale.slack)
sys.exit(1 if missed else 0)
