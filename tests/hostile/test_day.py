"""Short hostile days, drawn: clocks restart, runs are killed, answers are lost; and all arrives, once.

`DAYS=500 make test-long ARGS=tests/hostile` draws so many. A failure names its seed: with DAY_SEED in the
environment that day alone is drawn again, but for the order of threads.
"""

from __future__ import annotations

import os
import random
from random import Random
from signal import SIGHUP, SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Final, TypeVar

import pytest

from tests.hostile.world import ANSWERS, ANY, NO_POWER, PEOPLE, REQUEST, Day, Moment, Press, Trouble
from zkpoll.simulator import Command, Faults, Instead

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

_SEED: Final = os.environ.get("DAY_SEED")
DAYS: Final = 1 if _SEED else int(os.environ.get("DAYS", "16"))
CLEARING: Final = (
    Command.DISABLEDEVICE, Command.PREPARE_BUFFER, Command.CLEAR_ATTLOG, Command.REFRESHDATA,
    Command.ENABLEDEVICE,
)  # fmt: skip
VISITING: Final = (
    Command.CONNECT, Command.OPTIONS_RRQ, Command.GET_FREE_SIZES, Command.PREPARE_BUFFER,
    Command.READ_BUFFER, Command.FREE_DATA, Command.EXIT,
)  # fmt: skip
DRIPS: Final = (Command.DISABLEDEVICE, Command.CLEAR_ATTLOG, Command.ENABLEDEVICE)
SIGNALS: Final = (SIGKILL, SIGKILL, SIGTERM, SIGHUP)
YEAR: Final = 365
TURNS: Final = 90
"""Commands of a run that reads and clears two terminals."""


class Drawing:
    """What happens on a day, drawn."""

    def __init__(self, random: Random, day: Day) -> None:
        self._random = random
        self._day = day

    def happen(self) -> None:
        """Let something happen."""
        draw = self._random
        unit = draw.choice(self._day.units)
        match draw.choices(["people", "restart", "right", "stands", "power", "run"], [6, 2, 1, 1, 1, 8])[0]:
            case "people":
                presses = [self.press() for _ in range(draw.randint(1, 20))]
                self.tell(f"punches: {[tuple(press) for press in presses]}")
                for press in presses:
                    self._day.units[press.unit].press(press)
            case "restart":
                self.tell(f"the clock of {unit.name} restarts")
                unit.show(NO_POWER)
            case "right":
                self.tell(f"the clock of {unit.name} is set")
                unit.show(self._day.began)
            case "stands":
                unit.stands = not unit.stands
                self.tell(f"the clock of {unit.name} {'stands still' if unit.stands else 'goes'}")
            case "power":
                self.tell(f"{unit.name} loses power")
                unit.lose_power()
            case _:
                self._day.run(self.trouble())

    def tell(self, what: str) -> None:
        """Add to the day's story."""
        self._day.story.append(what)

    def maybe(self, chance: float) -> bool:
        """Say yes, so often."""
        return self._random.random() < chance

    def press(self) -> Press:
        """Draw somebody who punches."""
        draw = self._random
        return Press(draw.randrange(2), draw.randrange(PEOPLE), draw.choice([0, 0, 1, 2]), draw.randrange(2))

    def moment(self) -> Moment:
        """Draw a moment of a run."""
        draw = self._random
        delay = draw.choice([0.0, 0.0, draw.uniform(0, 0.03)])
        match draw.choice(["any", "request", "clearing", "clearing"]):
            case "any":
                return Moment(ANY, draw.randint(1, TURNS), delay)
            case "request":
                return Moment(REQUEST, draw.randint(1, 4), delay)
            case _:
                return Moment(draw.choice(CLEARING), draw.randint(1, 3), delay)

    def faults(self) -> Faults:
        """Draw what is wrong with a terminal in one run."""
        draw = self._random
        command = draw.choice(CLEARING if self.maybe(0.7) else VISITING)
        first, times = draw.choice([1, 1, 2, 3, 5]), draw.choice([1, 1, None])
        done = self.maybe(0.5)
        match draw.choice(["drips", "hangs", "cut", "refuses", "hangs up"]):
            case "drips":
                return Faults(drip_after=draw.choice(DRIPS), drip=0.2)
            case "hangs":
                return Faults(instead=(Instead(command, None, first, times, done),))
            case "cut":
                return Faults(instead=(Instead(command, None, first, times, done, cut=True),))
            case "refuses":
                return Faults(instead=(Instead(command, Command.ACK_ERROR, first, times),))
            case _:
                return Faults(hang_up_after=draw.randint(16, 1500), hang_up_times=draw.choice([1, 2, None]))

    def trouble(self) -> Trouble:
        """Draw what goes wrong in one run."""
        draw = self._random
        ahead = draw.choice([2 * YEAR, 10 * YEAR, -5 * YEAR]) if self.maybe(0.15) else 0
        faults = (
            tuple(self.faults() if self.maybe(0.6) else Faults() for _ in range(2))
            if self.maybe(0.35)
            else ()
        )
        return Trouble(
            clear=ahead >= 0 and self.maybe(0.75),  # what is copied long ago is removed soon
            full=self.maybe(0.15),
            faults=tuple(faults) if self.maybe(0.35) else (),
            answers=tuple(draw.choices(list(ANSWERS), k=draw.randint(1, 4))) if self.maybe(0.4) else (),
            presses=tuple(
                (self.moment(), self.press()) for _ in range(draw.randint(1, 4) if self.maybe(0.5) else 0)
            ),
            power=(self.moment(), draw.randrange(2)) if self.maybe(0.1) else None,
            end=(self.moment(), draw.choice([SIGKILL, SIGKILL, SIGTERM, SIGHUP]))
            if self.maybe(0.45)
            else None,
            twin=(self.moment(), draw.randrange(3)) if self.maybe(0.2) else None,
            name=draw.randrange(3) if self.maybe(0.3) else 0,
            ahead=ahead,
            vouched=draw.choice([True, True, False, None]) if ahead else None,
        )


def live(folder: Path, seed: int) -> None:
    """Let a day go by, and see that all has arrived in the end."""
    draw = Random(seed)
    with Day(folder, draw) as day:
        try:
            drawing = Drawing(draw, day)
            for _ in range(draw.randint(5, 14)):
                drawing.happen()
                if day.undecidable:
                    pytest.skip("a log was cleared unseen, and filled with the very same bytes again")
            day.end(clear=draw.random() < 0.5, last=[drawing.press() for _ in range(6)])
        except Exception as error:
            error.add_note(f"DAY_SEED={seed}\n" + "\n".join(day.story))
            raise


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("day", range(DAYS))
def test_nothing_is_lost_doubled_or_wiped(tmp_path: Path, day: int) -> None:  # noqa: ARG001  # so many
    """After a day of restarting clocks, kills, lost answers and clearings, all punches arrived, once."""
    live(tmp_path, int(_SEED) if _SEED else random.randrange(1 << 32))
