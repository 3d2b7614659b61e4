"""`zkpoll sync`, killed wherever it writes, sends or receives, and at any other moment: nothing is lost.

`make test-crash` kills hundreds of times. A failure names its seed: with CRASH_SEED and the CRASH_KILLS of
that run in the environment, the same test kills at the same points again.
"""

from __future__ import annotations

import os
import random
from itertools import cycle, islice
from typing import TYPE_CHECKING, Final

import pytest

from tests.crash.points import points
from tests.crash.world import STAGES, SYNCS, World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.crash.world import Count, Stage

KILLS: Final = int(os.environ.get("CRASH_KILLS", "20"))
PART: Final = 10
"""Kills of one test."""
PARTS: Final = -(-KILLS // PART)
AT_POINTS: Final = 8
"""Of those, how many at a point; the others come at any moment."""
MANY: Final = 300
TRIES: Final = 6
"""For one kill: a run may end before its moment has come."""
RECORDS: Final = 15_000
"""More than the 13,107 that are journalled at once."""


@pytest.fixture
def seed() -> int:
    """Give what everything random in a test follows from, but for the order of threads."""
    return int(os.environ.get("CRASH_SEED", random.randrange(1_000_000)))


def killed_at(world: World, point: str, counts: dict[str, Count]) -> bool:
    """Kill a run at a point, in a stage that reaches it, and finish; say whether it was killed."""
    where = [stage for stage in STAGES if point in counts[stage.name].reached]
    for attempt in range(TRIES):
        stage = world.random.choice(where)
        turns = counts[stage.name].reached[point] if attempt < TRIES // 2 else 1
        killed = world.kill(stage, point, world.random.randint(1, turns))
        world.finish()
        if killed:
            return True
    return False


def killed_at_any_moment(world: World, stage: Stage) -> bool:
    """Kill a run at a random moment, sooner each time it was too late, and finish; say whether it was."""
    for attempt in range(1, TRIES + 1):
        killed = world.kill_at_any_moment(stage, world.seconds / attempt)
        world.finish()
        if killed:
            return True
    return False


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_point(tmp_path: Path, seed: int, part: int, counts: dict[str, Count]) -> None:
    """A run that is killed before or after any write, request or answer loses and doubles nothing."""
    with World(tmp_path, seed) as world:
        world.finish()
        mine = [
            point for point in points()[part::PARTS] if any(point in one.reached for one in counts.values())
        ]
        world.random.shuffle(mine)
        for point in islice(cycle(mine), AT_POINTS):
            assert killed_at(world, point, counts), point
        for _ in range(PART - AT_POINTS):
            assert killed_at_any_moment(world, world.random.choice(SYNCS))
        assert world.kills == PART


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(-(-PARTS // 2)))
def test_killed_in_a_long_log(tmp_path: Path, seed: int, part: int) -> None:  # noqa: ARG001  # so many of them
    """A run that is killed while it journals a log in slices goes on from the last slice that is whole."""
    with World(tmp_path, seed, records=RECORDS, batch_size=1000) as world:
        world.finish()
        assert killed_at_any_moment(world, SYNCS[0])
        assert world.kills == 1


def test_there_are_enough_kills() -> None:
    """The parts, each of which counts its kills, come to as many as were asked for, one a point."""
    assert PARTS * PART >= KILLS
    assert KILLS < MANY or len(points()) <= PARTS * AT_POINTS
