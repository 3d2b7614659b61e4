"""Which tests judge which module."""

from __future__ import annotations

from typing import Final

SETTLED: Final[dict[str, tuple[str, ...]]] = {
    "model/days": ("tests/model/test_days.py",),
    "model/errand": ("tests/model/test_errand.py",),
    "model/fullness": ("tests/model/test_fullness.py",),
    "model/packed_time": ("tests/model/test_packed_time.py",),
    "model/printable": ("tests/model/test_printable.py",),
    "push/addresses": ("tests/push/test_addresses.py",),
    "push/ambiguity": ("tests/push/test_ambiguity.py",),
    "push/calls": ("tests/push/test_calls.py",),
    "push/commands": ("tests/push/test_commands.py",),
    "push/gate": ("tests/push/test_gate.py",),
    "push/options": ("tests/push/test_options.py",),
}
"""Modules of which each change fails a test or is explained."""
OPEN: Final[dict[str, tuple[str, ...]]] = {
    "model/punch": ("tests/model/test_punch.py",),
    "wall_clock": ("tests/test_wall_clock.py",),
    "pull/layouts": ("tests/pull/test_layouts.py", "tests/pull/test_captures.py"),
    "delivery/verdicts": ("tests/delivery/test_verdicts.py", "tests/delivery/test_contents.py"),
    "delivery/bisection": ("tests/delivery/test_loop.py", "tests/delivery/test_killed_trials.py"),
    "journal/ledger": ("tests/journal/test_ledger.py",),
    "push/lines": ("tests/push/test_lines.py", "tests/push/test_secrets.py"),
    "push/reaction": ("tests/push/test_reaction.py",),
    "bridge/jet": ("tests/bridge/test_jet.py",),
}
"""Modules that are not gone through yet; they can be named, too."""
