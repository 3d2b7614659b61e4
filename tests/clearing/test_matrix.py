"""Every command of a clearing, and whatever can happen to it: in the next run all is there, and well.

The rows are the commands that an unharmed clearing sends, whatever they are. Each cell is a `zkpoll sync`
in which something goes wrong, and one more in which nothing does.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.clearing.world import DISK, KINDS, PATIENT, QUICK, SINCE, World, steps
from tests.pull.clearings import at_each, rarely
from zkpoll.errors import ExitCode
from zkpoll.pull import clearing
from zkpoll.simulator import Command, cut, never, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clearing.world import Kind
    from tests.pull.clearings import Step
    from zkpoll.simulator import Instead

EACH_KIND = pytest.mark.parametrize("kind", rarely(KINDS, often="with room"))
AGAIN = 2.0
"""Seconds of silence allowed where answers come; a refused ENABLE is repeated after a quarter of them."""
TRIES = 3
"""For one cell: on a busy machine a run in a hurry may break off where nothing was meant to be wrong."""


class Harm(NamedTuple):
    """What happens to a command, and how many seconds of silence the run allows meanwhile."""

    happens: Callable[[World, Step], None]
    timeout: float = PATIENT
    lasts: bool = False
    """Whether it happens each time that command comes again, so that nothing can be done about it."""


def instead(make: Callable[..., Instead], **settings: object) -> Callable[[World, Step], None]:
    """Return what lets the terminal answer otherwise."""

    def happens(world: World, step: Step) -> None:
        world.harm(make(step.command, first=step.turn, **settings))

    return happens


def a_punch(world: World, step: Step) -> None:
    """Let somebody punch just before the command."""
    world.at[step.place] = world.punch


def no_dashboard(world: World, step: Step) -> None:
    """Let the dashboard go away, and somebody punch."""

    def happens() -> None:
        world.the_dashboard_goes_away()
        world.punch()

    world.at[step.place] = happens


def no_room(world: World, step: Step) -> None:
    """Let the disk be full."""
    world.at[step.place] = world.the_disk_fills


HARMS = {
    "cut before it arrives": Harm(instead(cut, times=1), QUICK),
    "cut before its answer": Harm(instead(cut, times=1, carried_out=True), QUICK),
    "answered by ERROR": Harm(instead(refuse, times=1), AGAIN),
    "answered by ERROR for good": Harm(instead(refuse), AGAIN, lasts=True),
    "not answered": Harm(instead(never, times=1), QUICK),
    "never answered": Harm(instead(never), QUICK, lasts=True),
    "carried out and never answered": Harm(instead(never, carried_out=True), QUICK, lasts=True),
    "a punch just before it": Harm(a_punch),
    "the dashboard goes away": Harm(no_dashboard),
    "the disk is full": Harm(no_room),
}


@pytest.fixture(autouse=True)
def around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a device for two seconds, not for twenty, to let people punch again; let disks be full."""
    monkeypatch.setattr(clearing, "ENABLE_LIMIT", 2.0)
    monkeypatch.setattr(os, "fsync", DISK.fsync)


def in_a_world(kind: Kind, cell: Callable[[World], bool], where: object) -> None:
    """Try out `cell` in a new world, again if it says that it did not come to what it is for."""
    for _ in range(TRIES):
        with TemporaryDirectory() as folder, World(Path(folder), kind) as world:
            if cell(world):
                return
    pytest.fail(f"its command never came, or the device could not be enabled: {where}")


@EACH_KIND
def test_the_rows_are_the_commands_of_a_clearing(kind: Kind) -> None:
    """The visit that clears is found whole, from its CONNECT to its EXIT, each command once."""
    found = steps(kind)
    commands = [step.command for step in found]
    assert (commands[0], commands[-1]) == (Command.CONNECT, Command.EXIT)
    for once in (Command.DISABLEDEVICE, Command.CLEAR_ATTLOG, Command.ENABLEDEVICE):
        assert commands.count(once) == 1
    assert [step.place for step in found] == list(range(found[0].place, found[0].place + len(found)))


def harmed(harm: Harm, kind: Kind, found: list[Step]) -> None:
    """Try out what becomes of a clearing when `harm` happens to each of the commands `found`."""

    def cell(step: Step, world: World) -> bool:
        harm.happens(world, step)
        outcome = world.sync(timeout=harm.timeout)
        reached = len(world.terminal.commands) > step.place
        world.check_told(outcome, step)
        assert world.finish(step) == 0, step
        in_vain = harm.lasts and step.command == Command.ENABLEDEVICE
        return reached and (in_vain or not outcome.locked)

    at_each(found, lambda step: in_a_world(kind, partial(cell, step), step))


@pytest.mark.long
@EACH_KIND
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_whatever_happens_to_a_command(harm: Harm, kind: Kind) -> None:
    """The run says what became of it, and the next one finds everybody's punches and an open door."""
    harmed(harm, kind, [step for step in steps(kind) if step.command != Command.ENABLEDEVICE])


@EACH_KIND
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_whatever_happens_to_enable(harm: Harm, kind: Kind) -> None:
    """Where the device stays disabled the run says so in capitals, and the next one enables it."""
    harmed(harm, kind, [step for step in steps(kind) if step.command == Command.ENABLEDEVICE])


@EACH_KIND
def test_killed_at_a_command(kind: Kind) -> None:
    """A run that is killed has no last word: the device is enabled by the next one, which has every punch."""

    def cell(step: Step, world: World) -> bool:
        killed = world.kill_at(step.place)
        assert not world.unproven, step
        assert world.finish(step) == 0, step
        return killed

    at_each(steps(kind), lambda step: in_a_world(kind, partial(cell, step), step))


@EACH_KIND
def test_a_punch_that_a_disabled_device_takes(kind: Kind) -> None:
    """Of all punches on a device that ignores DISABLE one kind alone is lost: between the proof and CLEAR.

    No log that it shows has them. All others arrive.
    """
    lost = set()

    def cell(step: Step, world: World) -> bool:
        world.harm(ignores_disable=True)
        a_punch(world, step)
        outcome = world.sync()
        world.check_told(outcome, step)
        if world.finish(step):
            lost.add(step.place)
        return True

    found = steps(kind)
    at_each(found, lambda step: in_a_world(kind, partial(cell, step), step))
    clear = next(step.place for step in found if step.command == Command.CLEAR_ATTLOG)
    proof = max(step.place for step in found if step.command == Command.PREPARE_BUFFER and step.place < clear)
    assert lost == set(range(proof + 1, clear + 1))


@EACH_KIND
def test_punches_around_each_command_of_a_device_that_ignores_disable(kind: Kind) -> None:
    """Where somebody punches just before a command and before the next, what it shows is never lost.

    If one of the two is lost, the run says that people can punch while the device is disabled, or the other
    came before the proof or CLEAR as well.
    """

    def cell(step: Step, world: World) -> bool:
        world.harm(ignores_disable=True)
        world.at |= dict.fromkeys((step.place, step.place + 1), world.punch)
        outcome = world.sync()
        world.check_told(outcome, step)
        told = outcome.devices[0].clearing
        lost = world.finish(step)
        if step.command == Command.CLEAR_ATTLOG:  # one before it, one behind it
            assert lost == 1
            assert told
            assert "takes punches while it is disabled" in str(told.problem)
            assert outcome.exit_code is ExitCode.ATTENTION
        return True

    at_each(steps(kind), lambda step: in_a_world(kind, partial(cell, step), step))


@EACH_KIND
def test_a_dashboard_that_is_away_from_the_beginning(kind: Kind, tmp_path: Path) -> None:
    """While one punch of a log waits for the dashboard, the device is not even disabled."""
    with World(tmp_path, kind) as world:
        world.the_dashboard_goes_away()
        outcome = world.sync()
        world.check_told(outcome, "away")
        told = outcome.devices[0].clearing
        assert told
        assert (told.fate, told.problem) == (
            "unsettled",
            f"{SINCE} punches wait for dashboard (`zkpoll sync`, or `zkpoll outbox discard`)",
        )
        assert Command.DISABLEDEVICE not in world.terminal.commands
        assert world.finish("away") == 0
