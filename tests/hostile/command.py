"""Runs `zkpoll` on a host whose clock is off, and reads a short log in as many steps as a long one takes.

    python -m tests.hostile.command SECONDS VOUCHED HASTY sync --config devices.yaml

is `tests.host_clock` where slices are a few records long, so that a reading breaks off between two of them.
If HASTY, the stage in which nobody can punch ends after a second or two: some terminals keep it waiting.
"""

from __future__ import annotations

import ast
import sys
from typing import Final

from tests.forks import load_everything
from tests.host_clock import be_on_a_host
from zkpoll.cli import main
from zkpoll.pull import clearing, device_tables, slices

SLICE: Final = 400
"""Bytes that are read, or journalled, at once; the records by which a visit goes on must fit in."""
WORK_LIMIT: Final = 1.5
ENABLE_LIMIT: Final = 1.0


if __name__ == "__main__":
    load_everything()
    ahead, vouched, hasty = map(ast.literal_eval, sys.argv[1:4])
    slices.SLICE = device_tables.TCP_SLICE = SLICE  # type: ignore[misc]
    if hasty:
        clearing.WORK_LIMIT = WORK_LIMIT  # type: ignore[misc]
        clearing.ENABLE_LIMIT = ENABLE_LIMIT  # type: ignore[misc]
        clearing._ANSWER = ENABLE_LIMIT / 4  # type: ignore[misc]
    be_on_a_host(ahead, vouched)
    sys.argv = ["zkpoll", *sys.argv[4:]]
    main()
