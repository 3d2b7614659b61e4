"""Short hostile days of terminals with both doors, drawn; and all arrives, once.

`DAYS=500 make test-long ARGS=tests/two_doors` draws so many. A failure names its seed: with DAY_SEED in the
environment that day alone is drawn again, but for the order of threads.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from tests.hostile.test_day import Drawing
from tests.two_doors.day import TwoDoorsDay
from zkpoll.simulator import PushFaults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hostile.world import Trouble

_SEED: Final = os.environ.get("DAY_SEED")
DAYS: Final = 1 if _SEED else int(os.environ.get("DAYS", "8"))


class TwoDoorsDrawing(Drawing):
    """What happens on such a day, drawn."""

    def __init__(self, random: Random, day: TwoDoorsDay) -> None:
        super().__init__(random, day)
        self._two = day

    def happen(self) -> None:
        """Let something happen at one of the doors, or to a terminal."""
        draw, day = self._random, self._two
        number = draw.randrange(len(day.doors))
        name = day.units[number].name
        match draw.choices(["other", "push", "boot", "start", "stop", "kill"], [10, 8, 2, 4, 1, 1])[0]:
            case "push":
                faults, killed = self.push_faults(), draw.uniform(0, 0.03) if self.maybe(0.3) else None
                self.tell(f"{name} calls, hang_up_after={faults.hang_up_after}, serve killed after {killed}")
                day.push(number, faults, killed)
            case "boot":
                replays = self.maybe(0.6)
                self.tell(f"{name} boots{', and sends all again' if replays else ''}")
                day.doors[number].boots(replays=replays)
            case "start":
                self.tell("serve is started")
                day.start_serve(draw.randrange(3))
            case "stop":
                self.tell("serve is stopped")
                day.stop_serve()
            case "kill":
                self.tell("serve is killed")
                day.kill_serve()
            case _:
                super().happen()

    def push_faults(self) -> PushFaults:
        """Draw what is wrong with one round of calls."""
        after = self._random.randint(1, 400) if self.maybe(0.3) else None
        return PushFaults(hang_up_after=after, hang_up_times=1)

    def trouble(self) -> Trouble:
        """Draw what goes wrong in one run, and who calls meanwhile; this host's clock is right."""
        for _ in range(self._random.choice([0, 0, 1, 2, 4])):
            moment, (what, happen) = self.moment(), self.at_the_door()
            self.tell(f"in the next run, at {tuple(moment)}: {what}")
            self._two.meanwhile.append((moment, happen))
        return replace(super().trouble(), ahead=0, vouched=None)

    def at_the_door(self) -> tuple[str, Callable[[], object]]:
        """Draw what happens at the push door in the middle of a run."""
        draw, day = self._random, self._two
        number = draw.randrange(len(day.doors))
        match draw.choices(["call", "kill", "start"], [6, 1, 1])[0]:
            case "call":
                return f"{day.units[number].name} calls", partial(day.doors[number].calls, self.push_faults())
            case "kill":
                return "serve is killed", day.kill_serve
            case _:
                return "serve is started", day.start_serve


def live(folder: Path, seed: int) -> None:
    """Let a day go by, and see that all has arrived in the end."""
    draw = Random(seed)
    with TwoDoorsDay(folder, draw) as day:
        try:
            day.start_serve()
            drawing = TwoDoorsDrawing(draw, day)
            for _ in range(draw.randint(8, 20)):
                drawing.happen()
                if day.undecidable:
                    pytest.skip("a log was cleared unseen, and filled with the very same bytes again")
            day.end(clear=draw.random() < 0.5, last=[drawing.press() for _ in range(6)])
            day.check_quiet()
        except Exception as error:
            error.add_note(f"DAY_SEED={seed}\n" + "\n".join(day.story))
            raise


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("day", range(DAYS))
def test_nothing_is_lost_or_doubled_by_two_doors(tmp_path: Path, day: int) -> None:  # noqa: ARG001
    """After a day of kills, lost answers, replays and clearings at both doors, all punches arrived, once."""
    live(tmp_path, int(_SEED) if _SEED else random.randrange(1 << 32))
