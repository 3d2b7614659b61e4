"""People punch, runs break off, logs are cleared, in any order: whatever a terminal showed arrives, once."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.clearing.machine_process import Runner
from tests.clearing.machine_world import HASTY, NAME, SERIAL, Trouble, World
from tests.examples import examples
from zkpoll.errors import ExitCode
from zkpoll.pull import clearing
from zkpoll.simulator import Command, EnrolledUser, Faults, Model, cut, never, refuse
from zkpoll.tasks.outcome import LOCKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hypothesis.strategies import SearchStrategy

    from zkpoll.simulator import Instead
    from zkpoll.tasks.outcome import Outcome

COMMANDS = [
    Command.CONNECT,
    Command.OPTIONS_RRQ,
    Command.GET_FREE_SIZES,
    Command.PREPARE_BUFFER,
    Command.READ_BUFFER,
    Command.FREE_DATA,
    Command.ATTLOG_RRQ,
    Command.DISABLEDEVICE,
    Command.CLEAR_ATTLOG,
    Command.REFRESHDATA,
    Command.ENABLEDEVICE,
    Command.EXIT,
]
"""What a visit and a clearing send."""
LOCKING = [Command.DISABLEDEVICE, Command.CLEAR_ATTLOG, Command.REFRESHDATA, Command.ENABLEDEVICE]
"""What only a clearing sends, so that a fault is met there."""
FILES = [
    "pull/link.py", "journal/sqlite.py", "pull/raw_copy.py", "durable.py", "delivery/transport.py",
    "journal/locks.py",
]  # fmt: skip
"""Where a run is killed while it writes, sends or receives."""
TURNS = st.integers(0, 24)
"""Commands of a run that reads and clears."""


def faults() -> SearchStrategy[Instead]:
    """Return what may become of one command, once or for good."""
    command = st.sampled_from(COMMANDS) | st.sampled_from(LOCKING)
    once = st.fixed_dictionaries({"first": st.integers(1, 3), "times": st.just(1)})
    cuts = st.builds(cut, command, carried_out=st.booleans())
    once_cut = st.builds(
        lambda command, when, done: cut(command, carried_out=done, **when), command, once, st.booleans()
    )
    once_lost = st.builds(
        lambda command, when, done: never(command, carried_out=done, **when), command, once, st.booleans()
    )
    refused = st.builds(lambda command, when: refuse(command, **when), command, once)
    locked = st.just(never(Command.ENABLEDEVICE))
    return once_cut | refused | once_lost | cuts | locked


def troubles() -> SearchStrategy[Trouble]:
    """Return what may go wrong in a run."""
    return st.builds(
        Trouble,
        terminal=st.lists(faults(), max_size=2).map(tuple),
        dashboard=answers(),
        away=st.sampled_from([False, False, False, True]),
        punches=punches(),
        before=st.lists(st.sampled_from(LOCKING), max_size=2).map(tuple),
        restart=st.none() | TURNS,
        stop=st.none() | st.none() | TURNS,
        clear=st.sampled_from(["due", "due", "now", "never"]),
    )


def answers() -> SearchStrategy[tuple[str, ...]]:
    """Return what the dashboard may answer."""
    words = st.sampled_from(["busy", "lost", "names one", "refuses", "well"])
    return st.lists(words, max_size=3).map(tuple)


def punches() -> SearchStrategy[tuple[int, ...]]:
    """Return when people may punch in a run."""
    return st.lists(TURNS, max_size=4).map(tuple)


class Machine(RuleBasedStateMachine):
    """One terminal, which never ignores what it is told, and has room for all."""

    runner: ClassVar[Runner]
    model = Model(serial=SERIAL)
    faults = Faults()

    @initialize(inline=st.sampled_from([0, 1008]), miscounts=st.booleans())
    def set_up(self, inline: int, miscounts: bool) -> None:
        """Put everything up; tables come inline or in slices, and the log's count is right or always 0."""
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(clearing, "ENABLE_LIMIT", 4 * HASTY)
        model = replace(self.model, inline_limit=inline)
        faults = replace(self.faults, sizes_records=0 if miscounts else None)
        self.world = World(model, faults, [EnrolledUser(1, "1"), EnrolledUser(2, "2"), EnrolledUser(3, "30")])
        self.told_of: set[bytes] = set()
        self.ids: dict[bytes, str] = {}
        for user in range(6):
            self.world.punch(user, 7)
        self.check_all(self.world.run(Trouble(clear="never")))

    def teardown(self) -> None:
        """See that all has arrived after one more ordinary run, and take everything down."""
        try:
            if sys.exc_info()[0] is None:
                self.all_is_well("never")
        finally:
            self.world.close()
            self.patch.undo()

    # --- what happens ---

    @rule(user=st.integers(0, 3), state=st.integers(0, 1), step=st.integers(0, 2), times=st.integers(1, 12))
    def people_punch(self, user: int, state: int, step: int, times: int) -> None:
        """People punch; several in a second, and exact repeats, included."""
        for number in range(times):
            self.world.punch(user + number // 2, step, state)

    @rule(days=st.sampled_from([-5 * 366, -1, 40]))
    def clock_jumps(self, days: int) -> None:
        """Somebody sets the terminal's clock."""
        self.world.now = max(datetime(2000, 1, 1), self.world.now + timedelta(days=days))

    @rule()
    def somebody_wipes_the_log(self) -> None:
        """A person clears the log at the terminal."""
        self.world.wipe()

    @rule()
    def power_is_lost(self) -> None:
        """The terminal restarts, which enables it."""
        self.world.terminal.restart()

    @rule(trouble=troubles())
    def a_run_in_trouble(self, trouble: Trouble) -> None:
        """Nearly anything goes wrong: the outcome is true, and says so if people are locked out."""
        self.check_run(self.world.run(trouble, HASTY))

    @rule(before=st.lists(st.sampled_from(LOCKING), min_size=1, max_size=2).map(tuple))
    def people_punch_while_it_is_cleared(self, before: tuple[int, ...]) -> None:
        """Nothing goes wrong, but somebody punches just before the log is cleared, or just after."""
        self.check_run(self.world.run(Trouble(before=before)))

    @rule(
        command=st.sampled_from(LOCKING) | st.sampled_from(COMMANDS),
        punches=punches(),
        stop=st.none() | TURNS,
        clear=st.sampled_from(["due", "now"]),
    )
    def a_byte_every_second(
        self, command: int, punches: tuple[int, ...], stop: int | None, clear: Literal["due", "now"]
    ) -> None:
        """Bytes drip in from a command on: whatever becomes of the run, people can punch within a minute."""
        before = self.world.terminal.disabled
        trouble = Trouble(drip=command, punches=punches, stop=stop, clear=clear)
        outcome, seconds = self.world.run_dripping(trouble)
        assert seconds < 60
        assert before or not self.world.terminal.disabled
        if outcome is None:  # stopped: as of a killed run, nobody hears what it found
            self.told_of |= self.world.remembered.pushed_out
        self.check_run(outcome)

    @rule(
        point=st.tuples(st.sampled_from(["before", "after"]), st.sampled_from(COMMANDS + LOCKING)),
        number=st.integers(1, 3),
        answers=answers(),
        punches=punches(),
    )
    def a_run_is_killed_at_a_command(
        self, point: tuple[str, int], number: int, answers: tuple[str, ...], punches: tuple[int, ...]
    ) -> None:
        """The process is killed before or after it sends a command."""
        self.kill(f"{point[0]} {int(point[1])}", number, answers, punches)

    @rule(
        point=st.tuples(st.sampled_from(["before", "after"]), st.sampled_from(FILES)),
        number=st.integers(1, 60),
        answers=answers(),
        punches=punches(),
    )
    def a_run_is_killed_anywhere(
        self, point: tuple[str, str], number: int, answers: tuple[str, ...], punches: tuple[int, ...]
    ) -> None:
        """The process is killed where it writes, sends or receives."""
        self.kill(" ".join(point), number, answers, punches)

    def kill(self, point: str, number: int, answers: tuple[str, ...], punches: tuple[int, ...]) -> None:
        """Kill a run at a point; what it would have told, the next one does."""
        trouble = Trouble(dashboard=answers, punches=punches)  # type: ignore[arg-type]
        self.world.kill(self.runner, point, number, trouble)

    @rule(clear=st.sampled_from(["due", "now", "never"]))
    def all_is_well(self, clear: str) -> None:
        """Nothing goes wrong any more."""
        self.world.retry_what_is_parked()
        self.check_all(self.world.run(Trouble(clear=clear)))  # type: ignore[arg-type]

    # --- what has to be ---

    @invariant()
    def nobody_is_locked_out_unawares(self) -> None:
        """Where the terminal is disabled, the journal knows that it may be."""
        assert not self.world.terminal.disabled or self.world.intended()

    @invariant()
    def the_dashboard_has_what_was_punched(self) -> None:
        """Nothing is invented, doubled or changed on its way."""
        assert self.world.sent() <= self.world.remembered.punches()
        assert not self.world.dashboard.conflicts

    @invariant()
    def a_record_keeps_its_id(self) -> None:
        """Whoever has its slot by now, a record that is in the journal keeps its id."""
        ids = self.world.journalled()
        assert self.ids.items() <= ids.items()
        self.ids = ids

    def check_run(self, outcome: Outcome | None) -> None:
        """Assert that the outcome of a run is true."""
        if outcome is None:
            return
        device, (delivery,) = outcome.devices[0], outcome.deliveries
        assert outcome.exit_code is not ExitCode.BUG, outcome.troubles()
        assert not device.difference
        assert not delivery.counts.difference
        if self.world.terminal.disabled:
            assert outcome.troubles()[f"device {NAME}"] is LOCKED
            assert outcome.exit_code is not ExitCode.OK
        self.check_told(outcome)

    def check_told(self, outcome: Outcome) -> None:
        """Assert that a reading which comes too late for some records says so.

        What a visit found that broke off, or a run that was killed, the next one says.
        """
        device = outcome.devices[0]
        if device.reading is None:
            return
        gone = self.world.remembered.pushed_out_before - self.told_of
        lost = gone - self.world.journalled().keys() - self.world.quarantined()
        self.told_of |= gone
        # After a log that was empty: see the tests at the end.
        before = device.whole.before if device.whole else device.reading.before
        if lost and before and not told_of_a_loss(outcome):
            # One that was not full, and is shorter: as if somebody had cleared it. Nobody can tell.
            assert device.reading.on_device < before < self.world.terminal.model.capacity, lost

    def check_all(self, outcome: Outcome | None) -> None:
        """Assert that everything has arrived and people can punch."""
        world, remembered = self.world, self.world.remembered
        assert outcome is not None
        self.check_run(outcome)
        assert not world.terminal.disabled
        assert not outcome.locked
        assert outcome.devices[0].problem is None
        assert outcome.deliveries[0].trouble is None
        assert outcome.deliveries[0].counts.pending == 0
        ids, odd = world.journalled(), world.quarantined()
        missing = remembered.owed | set(world.terminal.log)
        missing -= {row for row, id_ in ids.items() if id_ in remembered.ids(row)}
        assert not missing - odd
        assert set(ids.values()) == world.dashboard.events.keys()
        assert remembered.cleared <= world.copied()


class Slots(Machine):
    """Its records name slots of a user table, where people come and go."""

    model = Model(serial=SERIAL, layout=8)

    @rule(leaver=st.integers(0, 3), newcomer=st.sampled_from(["4", "50", "600"]))
    def a_slot_goes_to_somebody_else(self, leaver: int, newcomer: str) -> None:
        """A user leaves, and another one gets the slot."""
        self.world.replace_user(leaver, newcomer)

    @rule(leaver=st.integers(0, 3))
    def somebody_leaves(self, leaver: int) -> None:
        """A user is deleted; the slot is nobody's."""
        self.world.remove_user(leaver)


class Drops(Machine):
    """It drops its oldest records when its log is full."""

    model = Model(serial=SERIAL, capacity=20, when_full="drop", drop_count=3)


class Overwrites(Machine):
    """It overwrites its oldest records in place when its log is full."""

    model = Model(serial=SERIAL, capacity=20, when_full="overwrite")


class IgnoresClear(Machine):
    """It acknowledges CLEAR, and keeps its log."""

    faults = Faults(ignores_clear=True)


class IgnoresDisable(Machine):
    """People punch while it is disabled."""

    faults = Faults(ignores_disable=True)


@pytest.fixture(autouse=True, scope="module")
def killing() -> Iterator[None]:
    """Keep the process ready that runs what is to be killed."""
    with Runner() as Machine.runner:
        yield


QUICK = settings(
    max_examples=examples(12), stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPlain = Machine.TestCase
TestPlain.settings = QUICK
TestSlots = Slots.TestCase
TestSlots.settings = QUICK
TestDrops = Drops.TestCase
TestDrops.settings = QUICK
TestOverwrites = Overwrites.TestCase
TestOverwrites.settings = QUICK
TestIgnoresClear = IgnoresClear.TestCase
TestIgnoresClear.settings = QUICK
TestIgnoresDisable = IgnoresDisable.TestCase
TestIgnoresDisable.settings = QUICK


@pytest.fixture
def drops() -> Iterator[Machine]:
    """Give a terminal that drops its oldest records, of which all were read."""
    machine = Drops()
    machine.set_up(inline=0, miscounts=False)
    yield machine
    machine.world.close()
    machine.patch.undo()


def test_cleared_and_not_enabled(drops: Machine) -> None:
    """A terminal that is cleared and does not answer ENABLE is told of, and the next run enables it."""
    drops.check_run(drops.world.run(Trouble(terminal=(never(Command.ENABLEDEVICE),)), HASTY))
    drops.nobody_is_locked_out_unawares()
    drops.all_is_well("never")


def test_wrapped_since_it_was_cleared(drops: Machine) -> None:
    """A log that lost records unseen since it was cleared is told of, also where it is cleared again."""
    drops.check_run(drops.world.run(Trouble(clear="due")))
    drops.people_punch(user=0, state=0, step=1, times=50)
    assert told_of_a_loss(drops.world.run(Trouble(clear="due")))


def test_wrapped_before_a_visit_that_broke_off(drops: Machine) -> None:
    """A log that lost records unseen is told of, also where the visit that finds out breaks off."""
    drops.people_punch(user=0, state=0, step=1, times=50)
    broken = drops.world.run(Trouble(terminal=(cut(Command.FREE_DATA, times=1),), clear="never"))
    assert told_of_a_loss(broken) or told_of_a_loss(drops.world.run(Trouble(clear="due")))


def test_wrapped_and_cleared_after_a_visit_that_broke_off(drops: Machine) -> None:
    """What such a visit found is told, also where the next one finds another log again."""
    drops.people_punch(user=0, state=0, step=1, times=50)
    assert not told_of_a_loss(
        drops.world.run(Trouble(terminal=(cut(Command.FREE_DATA, times=1),), clear="never"))
    )
    drops.somebody_wipes_the_log()
    drops.people_punch(user=0, state=0, step=1, times=2)
    assert told_of_a_loss(drops.world.run(Trouble(clear="never")))
    assert not told_of_a_loss(drops.world.run(Trouble(clear="never")))


def test_wrapped_before_a_run_that_was_killed(drops: Machine) -> None:
    """A log that lost records unseen is told of, also where the run that found out could tell nobody."""
    drops.people_punch(user=0, state=0, step=1, times=50)
    assert drops.world.kill(drops.runner, f"before {int(Command.DISABLEDEVICE)}", 1, Trouble())
    assert told_of_a_loss(drops.world.run(Trouble(clear="due")))


def test_wrapped_by_many_records_at_once(drops: Machine) -> None:
    """A log that lost records unseen is told of, also where it dropped so many that it is not full now."""
    drops.people_punch(user=0, state=0, step=1, times=40)
    assert len(drops.world.terminal.log) < drops.model.capacity
    assert told_of_a_loss(drops.world.run(Trouble(clear="never")))


def told_of_a_loss(outcome: Outcome | None) -> bool:
    """Say whether an outcome tells that records may have been lost unseen."""
    assert outcome is not None
    (device,) = outcome.devices
    said = [notice.text for _, notice in outcome.notices()] + [str(device.trouble)]
    return any("OVERWRITTEN UNSEEN" in text or "log is full" in text for text in said)
