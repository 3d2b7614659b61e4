"""That `make mutants` finds what it is there to find."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.mutants.changes import Change, changes
from tests.mutants.pairs import OPEN, SETTLED
from tests.mutants.survivors import EXPLAINED, explanations, stale, unexplained
from tests.mutants.trial import TOP, Module

SOURCE = '''
def late(minutes: int) -> bool:
    """Say whether it is late."""
    if minutes < 0:
        raise ValueError("that is no time")
    return minutes > 5
'''


def test_what_decides_is_changed() -> None:
    """Comparisons and numbers are, and each change compiles; sentences and docstrings stay."""
    found = list(changes("late.py", SOURCE))
    assert {"return minutes >= 5", "return minutes > 6"} <= {one.after for one in found}
    assert {one.line for one in found} <= {4, 5, 6}
    assert not any("XX" in one.after for one in found)


def test_what_survives_is_explained_or_told() -> None:
    """An explanation is for one change of one module, and is told when that is no more."""
    known = explanations('[["model/late"]]\nbefore = "a"\nafter = "b"\nwhy = "nobody can tell"\n')
    same, other = Change(1, "a", "b", ""), Change(1, "a", "c", "")
    assert unexplained("model/late", [same, other], known) == [other]
    assert unexplained("model/early", [same], known) == [same]
    assert stale("model/late", [other], known) == known
    assert stale("model/late", [same], known) == []


TRIED = """
from tests.mutants.trial import Module, Trials
trials = Trials(Module("model/days", ("tests/model/test_days.py",)))
source = trials.module.path.read_text("utf-8")
wrong = source.replace("% len(WEEKDAYS)", "% 8")
assert wrong != source
endless = source + "while True: pass\\n"
trials._limit = 3
print(*(trials.of(one).value for one in (source + "# a remark\\n", wrong, endless)))
"""


def test_a_change_is_killed_or_survives() -> None:
    """What the tests notice is killed, what hangs too; what means the same survives."""
    done = subprocess.run(
        [sys.executable, "-c", TRIED], cwd=TOP, capture_output=True, text=True, check=False, timeout=100
    )
    assert (done.stdout.split(), done.returncode) == (["survived", "killed", "killed"], 0), done.stderr


@pytest.mark.parametrize("name", sorted(SETTLED | OPEN))
def test_modules_and_their_tests_are_there(name: str) -> None:
    """No pair is left over from before a move."""
    module = Module(name, (SETTLED | OPEN)[name])
    assert [path for path in (module.path, *(TOP / one for one in module.tests)) if not path.exists()] == []


def test_all_explanations_are_of_settled_modules() -> None:
    """Each says why."""
    known = explanations(EXPLAINED.read_text("utf-8"))
    assert {one.module for one in known} <= set(SETTLED)
    assert all(len(one.why) > 10 for one in known)
