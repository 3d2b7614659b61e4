"""Drawn days of a terminal with both doors: whatever fails, all that it showed arrives, once."""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.examples import examples
from tests.hostile.world import NO_POWER
from tests.two_doors.house import House, Meanwhile, Mood, Press
from zkpoll.simulator import LAYOUTS, PushModel
from zkpoll.tasks.run import Options

MOODS: tuple[Mood, ...] = ("well", "full", "lost", "cut", "dies", "dies unheard")
MOOD = st.sampled_from(MOODS)
PRESS = st.builds(
    Press,
    st.sampled_from([0, 0, 1]),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([1, 15]),
    st.sampled_from([0, 0, 7]),
)
HAPPENING = st.lists(st.builds(Meanwhile, st.integers(0, 40), st.one_of(PRESS, MOOD)), max_size=4)
ZONES = st.sampled_from(["UTC", "Europe/London", "Asia/Kolkata"])
WORDS = st.lists(st.sampled_from(["well", "busy", "broken", "lost", "unheard"]), max_size=3)


class TwoDoors(RuleBasedStateMachine):
    """A terminal, people, both doors, a dashboard, and all that may fail between them."""

    @initialize(
        layout=st.sampled_from(LAYOUTS),
        renumbers=st.booleans(),
        batch=st.sampled_from([1, 3, 128]),
        fields=st.sampled_from([5, 7, 11]),
        key_value=st.booleans(),
    )
    def begin(self, layout: int, renumbers: bool, batch: int, fields: int, key_value: bool) -> None:
        """Put everything up."""
        model = PushModel(batch=batch, fields=fields, key_value=key_value)
        self.house = House(layout, model, renumbers=renumbers)
        self.house.push.round()

    def teardown(self) -> None:
        """See that all arrives once all goes well, and take everything down."""
        if not hasattr(self, "house"):
            return
        try:
            if sys.exc_info()[0] is None:
                self.house.end()
        finally:
            self.house.close()

    # --- people, and the terminal ---

    @rule(presses=st.lists(PRESS, min_size=1, max_size=6))
    def people_punch(self, presses: list[Press]) -> None:
        """Let people punch, several in a second, some twice."""
        for press in presses:
            self.house.press(press)

    @rule(press=PRESS, doors=st.lists(st.sampled_from(["push", "pull", "both"]), min_size=2, max_size=4))
    def one_person_in_one_second(self, press: Press, doors: list[str]) -> None:
        """Let a person punch again and again in one second, and a door, or both, be open in between."""
        for number, door in enumerate(doors):
            self.house.press(press._replace(step=press.step if number == 0 else 0))
            if door != "pull":
                self.house.requests(3)
            if door != "push":
                self.house.run(Options(clear="never"))

    @rule(seconds=st.sampled_from([1, 60, 2400, 86400]))
    def time_passes(self, seconds: int) -> None:
        """Let time pass."""
        self.house.pass_by(seconds)

    @rule()
    def its_clock_restarts(self) -> None:
        """Let its clock begin anew, until a server sets it."""
        self.house.unit.show(NO_POWER)

    @rule(replays=st.booleans())
    def it_boots(self, replays: bool) -> None:
        """Switch it off and on."""
        self.house.reboot(replays=replays)

    # --- push ---

    @rule(number=st.integers(1, 8), moods=st.lists(MOOD, max_size=3))
    def it_calls(self, number: int, moods: list[Mood]) -> None:
        """Let it make some requests, of which not all fare well."""
        self.house.requests(number, moods)

    @rule(zone=st.one_of(st.none(), ZONES))
    def serve_is_started_anew(self, zone: str | None) -> None:
        """Start `serve`, where it was killed or runs; its terminal may be told of another time zone."""
        self.house.open(zone or self.house.zone)

    @rule(text=st.sampled_from(["CHECK", "INFO", "DATA QUERY ATTLOG StartTime=2000-01-01 00:00:00"]))
    def it_is_ordered(self, text: str) -> None:
        """Queue a command, which may make it send all it has."""
        self.house.order(text)

    @rule()
    def serve_delivers(self) -> None:
        """Let `serve` deliver what waits."""
        self.house.deliver()

    # --- pull ---

    @rule(happens=HAPPENING, full=st.booleans(), twin=st.booleans(), answers=WORDS)
    def it_is_read(self, happens: list[Meanwhile], full: bool, twin: bool, answers: list[str]) -> None:
        """Read it, by two runs at once maybe, while it pushes and people punch."""
        self.house.run(Options(full=full, clear="never"), happens, answers, twin=twin)

    @rule(happens=HAPPENING, nth=st.integers(0, 10))
    def a_run_is_stopped(self, happens: list[Meanwhile], nth: int) -> None:
        """Read it by a run that is told to stop."""
        self.house.run(Options(clear="never"), [*happens, Meanwhile(nth, "stop")])

    @rule(happens=HAPPENING)
    def it_is_cleared(self, happens: list[Meanwhile]) -> None:
        """Read it and clear it, if all in it has arrived."""
        self.house.run(Options(clear="now"), happens)

    # --- what must hold ---

    @invariant()
    def nothing_is_lost_doubled_or_made_up(self) -> None:
        """See what has to be at any time."""
        if hasattr(self, "house"):
            self.house.check()


TestTwoDoors = TwoDoors.TestCase
TestTwoDoors.settings = settings(
    max_examples=examples(100),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
