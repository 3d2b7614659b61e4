"""Whatever a terminal answers: nothing lost, forged, wiped or locked, in bounded memory, time and words."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Self

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.fuzz.command import IN_MEMORY, Told, fuzzed, run, while_there_is_time
from tests.fuzz.evidence import check_punches, kept
from tests.fuzz.liar import ALL_LIES, LIES, LIES_IN_A_CLEARING, Liar, Lie
from tests.look import look
from tests.site import TOKEN, Site, entry
from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS
from zkpoll.simulator import Command, EnrolledUser, HttpAnswer, Model, SampleDashboard, Terminal

if TYPE_CHECKING:
    from types import TracebackType

CHANGES: Final = frozenset(
    {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG, Command.CLEAR_DATA, Command.SET_TIME}
)
"""Commands that change a terminal, but for ENABLE."""
LOOKS: Final = (
    ("devices", "ping"),
    ("devices", "ping", "--json"),
    ("devices", "info", "front"),
    ("devices", "info", "front", "--json"),
    ("devices", "clock"),
    ("devices", "clock", "--json"),
    ("users", "export"),
    ("users", "export", "--json"),
    ("users", "diff", "--json"),
    ("sync", "--dry-run"),
    ("sync", "--dry-run", "--json", "-v"),
    ("sync", "--no-deliver", "-v"),
    ("sync", "--no-deliver"),
    ("discover",),
)
"""Commands that change nothing at a terminal."""
RUNS: Final = (
    ("sync",),
    ("sync", "-v"),
    ("sync", "--json"),
    ("sync", "--full"),
    ("sync", "--full", "-v", "--log-format", "json"),
    ("devices", "clear", "front", "--yes"),
    ("devices", "clock", "--set"),
)
"""Commands that may change something there."""


class Remembering(Terminal):
    """A terminal that remembers each record that was ever in its log."""

    def append(self, row: bytes) -> bool:
        """Append a record, and remember it if the log took it."""
        taken = super().append(row)
        if taken:
            self.ever = {*getattr(self, "ever", ()), row}
        return taken


@dataclass(frozen=True)
class Kind:
    """A terminal, and what the inventory says of it."""

    layout: int = 40
    transport: str = "tcp"
    records: int = 5
    odd: tuple[bytes, ...] = ()
    """Records that are none."""
    names: tuple[str, ...] = ()
    """Names of users."""
    inline: int = 1008
    blocks: int | None = None
    sizes: int | None = 92
    capacity: int = 100
    old: bool = False
    """Whether it knows no 1503."""
    key: int = 0
    clear: bool = False
    clock: bool = False

    def terminal(self) -> Terminal:
        """Return it."""
        model = Model(
            layout=self.layout,
            inline_limit=self.inline,
            block_size=self.blocks,
            sizes=self.sizes,
            capacity=self.capacity,
            comm_key=self.key,
            seats=99,
        )
        terminal = Remembering.with_samples(self.records, users=4, model=model)
        terminal.users += [
            EnrolledUser(50 + at, f"{500 + at}", name[: 2 if self.layout in {8, 16} else 6])
            for at, name in enumerate(self.names)
        ]
        for row in self.odd:
            terminal.append(row.ljust(self.layout, b"\1")[: self.layout])
        if self.old:
            del terminal.handlers[Command.PREPARE_BUFFER]
        return terminal

    def settings(self, timeout: float, limit: float, *, clear: bool = True) -> dict[str, Any]:
        """Return its settings in the inventory; without `clear` its log is never cleared."""
        found: dict[str, Any] = {"transport": self.transport, "timeout": timeout, "visit_limit": limit}
        found |= {"comm_key": self.key} if self.key else {}
        found |= {"clear": "confirmed"} if self.clear and clear else {}
        return found | ({"clock": "{set_when_off_by: 60}"} if self.clock else {})


@dataclass(frozen=True)
class Step:
    """One command, and the lies that are told meanwhile."""

    words: tuple[str, ...]
    lies: tuple[Lie, ...]
    person: bool = False
    """Whether a person sees it on a screen."""
    punches: int = 0
    """How often people punch before."""
    down: bool = False
    """Whether the dashboard takes nothing."""


class World:
    """A terminal that lies, a dashboard that does not, and what must be true of them."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.terminal = kind.terminal()
        self.truth_was_told = True
        """Whether nothing untrue was said of the log in a run that cleared it."""
        self.told_before = False
        self.met: set[str] = set()
        """What was met, for statistics."""
        self.failures: list[str] = []
        """What was found to be wrong while a command was at the terminal."""
        self.terminal.before_command = self._look_over

    def __enter__(self) -> Self:
        self._exit = ExitStack()
        folder = self._exit.enter_context(TemporaryDirectory(dir=IN_MEMORY))
        self.liar = self._exit.enter_context(Liar(self.terminal))
        self.dashboard = self._exit.enter_context(SampleDashboard(TOKEN))
        self.site = Site(Path(folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # --- what happens ---

    def go(self, step: Step) -> Told:
        """Run a command while the terminal lies, and see that all promises hold."""
        for _ in range(step.punches):
            self.terminal.punch(self.terminal.users[0].user_id)
        self.liar.tell(*step.lies)
        self.dashboard.answers.clear()
        self.dashboard.answers.extend([HttpAnswer(503)] * (9 if step.down else 0))
        told = self._run(step.words, self.kind.settings(0.03, 0.6), person=step.person)
        self._check_changes(step.words)
        self._check_words(told, step)
        self.check()
        return told

    def be_honest(self) -> None:
        """Read all of the log, and nothing but the truth is told: nothing may be lost by now."""
        self.liar.tell()
        self.dashboard.answers.clear()
        self.terminal.disabled, disabled = False, self.terminal.disabled
        if not self.terminal.log:  # an empty one need not be believed
            for user in self.terminal.users[:4]:
                self.terminal.punch(user.user_id)
        self.terminal.disabled = disabled
        settings = self.kind.settings(5.0, 50.0, clear=False)  # a clearing enables, too
        told = self._run(("sync", "--full", "--json"), settings)
        self.check()
        assert not self.terminal.disabled
        device = told.document()["devices"][0]
        assert device["records"] is not None, device
        assert device["records"] == sum(
            device[part]
            for part in ("first_seen", "seen_before", "exact_repeats", "same_second", "quarantined")
        )
        if self.truth_was_told:
            held = {punch.canonical for punch in kept(self.site.journal)}
            held |= {raw for (raw,) in look(self.site.journal, "SELECT raw FROM quarantine")}
            assert {self.canonical(row) for row in getattr(self.terminal, "ever", ())} <= held

    def _run(self, words: tuple[str, ...], settings: dict[str, Any], *, person: bool = False) -> Told:
        self.site.write(self.dashboard.url, entry("front", self.liar.address, **settings))
        if words == ("discover",):
            words = ("devices", "discover", "127.0.0.1/32", "--port", str(self.liar.address[1]))
        return run(*words, config=self.site.inventory, person=person)

    # --- what has to be ---

    def check(self) -> None:
        """See that journal, dashboard and terminal stand as they must."""
        assert self.failures == []
        assert Command.CLEAR_DATA not in self.liar.commands
        if not self.site.journal.exists():
            assert not self.terminal.disabled
            return
        journal = self.site.journal
        assert look(journal, "PRAGMA integrity_check") == [("ok",)]
        check_punches(journal, self.liar.said)
        ((punches,),) = look(journal, "SELECT count(*) FROM punch")
        states = look(journal, "SELECT state, count(*) FROM outbox GROUP BY state")
        assert sum(count for _, count in states) == punches
        confirmed = look(
            journal, "SELECT id FROM punch JOIN outbox ON punch = seq WHERE outbox.state = 'confirmed'"
        )
        assert {one for (one,) in confirmed} == self.dashboard.events.keys()
        assert not self.dashboard.conflicts
        if self.terminal.disabled:
            self.met.add("a terminal stays disabled")
            assert look(journal, "SELECT count(*) FROM intent") == [(1,)]

    def _check_changes(self, words: tuple[str, ...]) -> None:
        """See that a command did no more to the terminal than it may."""
        changes = CHANGES.intersection(self.liar.commands)
        may = set()
        if "--set" in words or (self.kind.clock and words in RUNS):
            may.add(Command.SET_TIME)
        if words[1:2] == ("clear",) or (words in RUNS and words[0] == "sync" and self.kind.clear):
            may |= {Command.DISABLEDEVICE, Command.CLEAR_ATTLOG}
        assert changes <= may
        if Command.CLEAR_ATTLOG in changes:
            self.met.add("a log is cleared")
        if Command.CLEAR_ATTLOG in changes and not self.liar.spared_the_log:
            self.truth_was_told = False
        assert self.liar.commands.count(Command.CLEAR_ATTLOG) <= 1

    def _check_words(self, told: Told, step: Step) -> None:
        """See that no code comes without a sentence, but the one whose trouble was told before."""
        words = step.words
        self.told_before |= bool(told.words)
        assert told.code == 0 or told.words or (self.told_before and words[0] == "sync")
        if told.code and words[0] == "sync" and "-v" in words and not ("--json" in words or step.person):
            assert "warning" in told.err.lower(), told
        if self.terminal.disabled and words[0] == "sync":
            assert told.code

    def _look_over(self, command: int) -> None:
        """See, while a log is about to be cleared, that it may be."""
        if command != Command.CLEAR_ATTLOG:
            return
        journal = self.site.journal
        if look(journal, "SELECT count(*) FROM intent") != [(1,)]:
            self.failures.append("cleared without an intent")
        if Command.DISABLEDEVICE not in self.liar.commands:
            self.failures.append("cleared while people can punch")
        if not list(journal.parent.rglob("*.zkraw")):
            self.failures.append("cleared without a copy")
        if self.liar.spared_the_log:
            settled = look(
                journal,
                "SELECT bytes FROM form JOIN outbox ON outbox.punch = form.punch"
                " WHERE outbox.state IN ('confirmed', 'held', 'discarded')",
            )
            if {self.canonical(row) for row in self.terminal.log} - {one for (one,) in settled}:
                self.failures.append("cleared, and not all of it is settled")

    def canonical(self, row: bytes) -> bytes:
        """Return the canonical bytes of a record of the log; raw ones where it is none."""
        found = LAYOUTS[self.kind.layout].decode(row, ANY_SLOT)
        return found.punches[0].canonical if found.punches else row


NAMES: Final = st.sampled_from(["Ada", "\x1b[2K", "a\r\nb", "\u202ex", "", "\x00z", "=1+2"])
RECORDS: Final = st.one_of(
    st.tuples(st.sampled_from([0, 1, 5, 20, 40]), st.just(())),
    st.tuples(st.sampled_from([20, 40]), st.tuples(st.sampled_from([b"\0", b"\xff" * 49, b"\1\0A\x1b"]))),
)
"""How many punches a log begins with, and what is beside them: single records that are none are real."""
KINDS: Final = st.builds(
    lambda records, **others: Kind(records=records[0], odd=records[1], **others),
    RECORDS,
    layout=st.sampled_from([8, 16, 22, 40, 40, 49]),
    transport=st.sampled_from(["tcp", "tcp", "udp"]),
    names=st.lists(NAMES, max_size=3).map(tuple),
    inline=st.sampled_from([0, 1008]),
    blocks=st.sampled_from([None, 100, 1008]),
    sizes=st.sampled_from([92, 80, 4, None]),
    capacity=st.sampled_from([40, 100]),
    old=st.booleans(),
    key=st.sampled_from([0, 0, 131071]),
    clear=st.booleans(),
    clock=st.booleans(),
)
STEPS: Final = st.builds(
    Step,
    st.sampled_from(RUNS) | st.sampled_from([*RUNS, *LOOKS]),
    st.lists(LIES, max_size=3).map(tuple) | ALL_LIES.map(lambda lie: (lie,)),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from([False, False, True]),
)


def live(kind: Kind, steps: list[Step]) -> None:
    """Tell these lies of such a terminal, and then the truth."""
    with World(kind) as world:
        for step in steps:
            world.go(step)
        world.be_honest()
    for one in world.met:
        event(one)


@pytest.mark.timeout(3600)
@fuzzed(120)
@given(kind=KINDS, steps=st.lists(STEPS, min_size=1, max_size=4))
@while_there_is_time
def test_any_lies(kind: Kind, steps: list[Step]) -> None:
    """After any lies the journal holds only what was said, and an honest day brings in all the rest."""
    live(kind, steps)


CLEARED: Final = st.builds(
    Kind,
    layout=st.sampled_from([8, 16, 40, 49]),
    transport=st.sampled_from(["tcp", "tcp", "udp"]),
    records=st.sampled_from([1, 20, 40]),
    inline=st.sampled_from([0, 1008]),
    sizes=st.sampled_from([92, None]),
    capacity=st.sampled_from([40, 100]),
    old=st.sampled_from([False, False, True]),
    clear=st.just(True),
)
CLEARINGS: Final = st.builds(
    Step,
    st.sampled_from(RUNS),
    st.lists(LIES_IN_A_CLEARING, max_size=2).map(tuple),
    st.booleans(),
    st.integers(0, 2),
)


@pytest.mark.timeout(3600)
@fuzzed(60)
@given(kind=CLEARED, steps=st.lists(CLEARINGS, min_size=1, max_size=3))
@while_there_is_time
def test_lies_in_a_clearing(kind: Kind, steps: list[Step]) -> None:
    """A log is wiped only where all of it is settled, and nobody stays locked out without a note of it."""
    live(kind, steps)
