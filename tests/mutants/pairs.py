"""Which tests judge which module."""

from __future__ import annotations

from typing import Final

SETTLED: Final[dict[str, tuple[str, ...]]] = {
    "model/days": ("tests/model/test_days.py",),
    "model/packed_time": ("tests/model/test_packed_time.py",),
}
"""Modules of which each change fails a test or is explained."""
OPEN: Final[dict[str, tuple[str, ...]]] = {
    "wall_clock": ("tests/test_wall_clock.py",),
    "pull/layouts": ("tests/pull/test_layouts.py", "tests/pull/test_captures.py"),
    "delivery/verdicts": ("tests/delivery/test_client.py", "tests/delivery/test_contents.py"),
    "delivery/bisection": ("tests/delivery/test_loop.py", "tests/delivery/test_killed_trials.py"),
    "push/lines": ("tests/push/test_lines.py",),
    "journal/ledger": ("tests/journal/test_ledger.py",),
}
"""Modules that are not gone through yet; they can be named, too."""
