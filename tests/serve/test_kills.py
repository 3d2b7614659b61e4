"""`zkpoll serve`, killed under load wherever it is: nothing that was acknowledged is lost, nothing doubled.

`make test-crash` kills hundreds of times. A failure names its seed: with CRASH_SEED and the CRASH_KILLS of
that run in the environment, the same steps are drawn again; what other threads are at by then is open.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.serve.armed import steps
from tests.serve.crowd import Crowd

if TYPE_CHECKING:
    from tests.site import Site

KILLS: Final = int(os.environ.get("CRASH_KILLS", "20"))
_COMMITTED: Final = "took"
"""The function that every batch comes to between its commit and its answer."""
PART: Final = 10
"""Kills of one test."""
PARTS: Final = -(-KILLS // PART)


@pytest.fixture
def seed() -> int:
    """Give what everything random in a test follows from, but for the order of threads."""
    return int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))


@pytest.mark.long
def test_killed_a_few_times(site: Site, seed: int) -> None:
    """A `serve` that is killed under load has kept whatever it acknowledged, and the next one goes on."""
    with Crowd(site, seed) as crowd:
        crowd.kill_at_a_step(_COMMITTED)
        crowd.kill_at_any_moment()
        crowd.kill_at_a_step()
        crowd.finish()
        assert crowd.at_steps, "no step was reached"


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_again_and_again(site: Site, seed: int, part: int) -> None:
    """Kills before, in and after commits, one after the other, lose, double and invent no punch."""
    with Crowd(site, seed + part) as crowd:
        crowd.kill_at_a_step(_COMMITTED)
        for turn in range(1, PART):
            if turn % 5:
                crowd.kill_at_a_step()
            else:
                crowd.kill_at_any_moment()
        crowd.finish()
        assert crowd.at_steps, "no step was reached"


def test_there_are_steps_on_the_whole_way() -> None:
    """Steps are found before the commit, at it and behind it, and where an answer is written."""
    functions = {step.split()[2] for step in steps() if ":" in step}
    assert {"_answered", "take_batch", "transaction", "execute", "took"} <= functions
    assert "before INSERT punch" in steps()
