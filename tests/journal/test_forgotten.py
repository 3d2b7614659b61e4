"""What was pruned is neither lost sight of nor sent again, whatever a terminal shows and by whatever door."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.helpers import (
    DHAKA,
    KEY,
    Bridge,
    Visiting,
    bucket,
    confirm,
    line,
    pending,
    piece,
    plan,
    punch,
    punches,
    push,
    row,
    visit,
)
from tests.look import MISCOUNTED, look
from zkpoll.journal import forgotten, prune
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.decisions import Decisions, Selection
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.known_bytes import Known, known_bytes
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.prune import Terms
from zkpoll.journal.pushed import Pushed
from zkpoll.journal.spans import Places
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Reading
from zkpoll.model.sums import Counts

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.database import Journal, Row, Values
    from zkpoll.model.punch import Punch
    from zkpoll.model.sums import Tally

TERMS = Terms(datetime.now(UTC) + timedelta(days=100), frozenset({"front-door"}))
"""What a person wants removed in a time to come, when all that is journalled now is old."""
CAPACITY = 5


def told(journal: Journal, records: int, capacity: int | None = CAPACITY) -> None:
    """Note what a reading found that came to the log's end."""
    found = Reading(40, records, 0, records, capacity, None, whole=True, before=0, continued=False)
    Devices(journal).note_reading(KEY, found)


def wrapped(journal: Journal, count: int, capacity: int | None = CAPACITY) -> list[Punch]:
    """Have so many punches read of a log that overwrites its oldest, and confirmed; return them all."""
    main, made = JournalOutbox(journal, "main"), punches(count)
    for end in range(CAPACITY, count + 1, CAPACITY):
        visit(journal).take(piece(*made[end - CAPACITY : end]))
        told(journal, CAPACITY, capacity)
    confirm(main, pending(main, count))
    return made


# --- the proof ---


def test_a_log_that_was_filled_twice_since_lets_punches_go(journal: Journal, path: Path) -> None:
    """The last two fillings of a log stay, and what came before them goes; a second time there is nothing."""
    wrapped(journal, 20)
    (share,) = prune.old_punches(journal, TERMS)
    assert share.counts == {"removable": 10}
    assert share.why == (
        "its log was never cleared by zkpoll; it holds 5 records, and the last 10 that were read stay"
    )
    assert prune.prune(journal, TERMS) == 10
    assert look(path, "SELECT min(seq), count(*) FROM punch") == [(11, 10)]
    assert look(path, "SELECT count(*) FROM forgotten_punch") == [(10,)]
    assert look(path, "SELECT count(*) FROM forgotten_form") == [(10,)]
    assert look(path, "SELECT count(*) FROM form") == [(10,)]
    assert look(path, MISCOUNTED) == []
    assert prune.prune(journal, TERMS) == 0


@pytest.mark.parametrize(
    ("capacities", "expected"),
    [
        ((None,), 0),
        ((0,), 0),
        ((5,), 10),
        ((5, None), 10),
        ((9, 5), 2),  # older firmware, which told more
        ((5, 9), 2),
        ((3,), 10),  # it held five
    ],
)
def test_the_largest_log_that_was_ever_told_counts(
    journal: Journal, capacities: tuple[int | None, ...], expected: int
) -> None:
    """No capacity, no proof; of several, and of what was in it, the largest decides."""
    wrapped(journal, 20, capacities[0])
    for capacity in capacities:
        told(journal, CAPACITY, capacity)
    assert prune.prune(journal, TERMS) == expected


def test_what_was_never_read_counts_for_nothing(journal: Journal) -> None:
    """Punches that were pushed, or found in a database, and never in the log do not move it on."""
    wrapped(journal, 10)
    push(journal, *(line("7", second) for second in range(500, 520)))
    Bridge(journal).take(bucket(1, *(row("8", second) for second in range(600, 620))))
    assert prune.prune(journal, TERMS) == 0


def test_a_log_that_was_put_back_counts_for_nothing(journal: Journal) -> None:
    """Records that a log shows once more, in places that prove them new, do not move it on."""
    made = wrapped(journal, 10)
    for _ in range(3):
        visit(journal).take(piece(*made, proved_new=True))
    main = JournalOutbox(journal, "main")
    confirm(main, pending(main, 99))
    assert prune.prune(journal, TERMS) == 0


def test_a_pushed_punch_that_no_reading_found_stays(journal: Journal, path: Path) -> None:
    """Nobody knows whether it was in the log at all."""
    wrapped(journal, 5)
    push(journal, line("7", 900))
    main = JournalOutbox(journal, "main")
    confirm(main, pending(main))
    for first in range(5, 35, CAPACITY):
        visit(journal).take(piece(*punches(CAPACITY, first=first)))
    confirm(main, pending(main, 99))
    assert prune.prune(journal, TERMS) == 5 + 20
    assert look(path, "SELECT count(*) FROM punch WHERE user_id = '7'") == [(1,)]


# --- what is shown again ---


def test_it_is_known_by_every_door(journal: Journal, path: Path) -> None:
    """Shown again in its form, in another layout, as a pushed line or by a database: nobody is sent it."""
    made = wrapped(journal, 20)
    prune.prune(journal, TERMS)
    again = made[:10]
    assert visit(journal).take(piece(*again)).seen_before == 10
    narrow = [replace_bytes(one) for one in again]
    for _ in range(2):
        assert visit(journal).take(piece(*narrow, layout=16)).seen_before == 10
        lines = [line(one.user_id, second) for one, second in zip(again, [0] * 10, strict=True)]
        assert push(journal, *lines, rests=[b"rest"] * 10).seen_before == 10
    tally = Bridge(journal).take(bucket(1, *(row(one.user_id, 0, state=3) for one in again)))
    assert (tally.first_seen, tally.seen_before) == (0, 10)
    assert look(path, "SELECT count(*), count(punch) FROM database_row") == [(10, 0)]
    assert look(path, "SELECT count(*) FROM forgotten_form") == [(40,)]
    assert JournalOutbox(journal, "main").counts() == Counts(punches=10, confirmed=10)
    assert look(path, "PRAGMA foreign_key_check") == []


def replace_bytes(one: Punch) -> Punch:
    """Return a punch as a record of 16 bytes shows it."""
    return one._replace(canonical=f"{one.user_id} {one.time:%H%M%S}".encode().ljust(16, b"\0"))


@pytest.mark.parametrize("pushed", [False, True])
def test_another_state_in_its_second_is_another_punch(journal: Journal, path: Path, pushed: bool) -> None:
    """A record of that user and second which says something else is held as the second one, for a person."""
    wrapped(journal, 20)
    prune.prune(journal, TERMS)
    if pushed:
        assert push(journal, line("0", 0, state=1)).same_second == 1
    else:
        assert visit(journal).take(piece(punch("0", 0, state=1))).same_second == 1
    assert look(path, "SELECT nth, hold FROM punch ORDER BY seq DESC LIMIT 1") == [(2, "same second")]
    assert prune.prune(journal, TERMS) == 0


def test_a_place_that_proves_it_new(journal: Journal, path: Path) -> None:
    """A clock that stands still shows the bytes of a pruned punch for another one: held, under its own id."""
    made = wrapped(journal, 20)
    prune.prune(journal, TERMS)
    tally = visit(journal).take(piece(made[0], proved_new=True))
    assert tally.seen_before + tally.first_seen == 0
    last = "SELECT nth, hold FROM punch ORDER BY seq DESC LIMIT 1"
    assert look(path, last) == [(2, "exact repeat")]
    assert look(path, "SELECT max(occurrence) FROM form") == [(2,)]


def test_bytes_of_which_the_later_punch_was_pruned(journal: Journal, path: Path) -> None:
    """A slot that changed hands, and a clock that restarts: the earlier punch is parked, the later one goes.

    The third one has an occurrence of its own, and may be pruned, too.
    """
    main, desk, slot = JournalOutbox(journal, "main"), Decisions(journal, "main"), bytes(8)

    def press(user: str) -> Tally:
        tally = visit(journal).take(piece(punch(user, canonical=slot), layout=8, proved_new=True))
        desk.retry(Selection(frozenset({"held"})), Places([(1, 9)]))
        return tally

    def go() -> int:
        clearance = Clearance(journal, KEY)
        clearance.intend()
        clearance.cleared()
        return prune.prune(journal, TERMS)

    press("1")
    press("2")
    first, later = pending(main)
    main.settle(Settled((later.id,), parked={first.id: "no"}), [first.id, later.id])
    assert go() == 1
    assert press("3").exact_repeats == 1
    known = known_bytes(journal, 1, [punch(canonical=slot).canonical])
    assert list(known.values()) == [Known(count=3, occurrence=3, first=1, newest=3)]
    confirm(main, pending(main))
    assert go() == 1
    assert look(path, "SELECT occurrence, punch FROM forgotten_form") == [(2, 2), (3, 3)]
    assert press("3").first_seen == 0


def test_what_another_run_prunes_just_now_is_not_known_twice(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes become a digest between two looks of a clearing: a second showing is unknown yet."""
    main, shown = JournalOutbox(journal, "main"), punch()
    visit(journal).take(piece(shown, layout=16))
    confirm(main, pending(main))
    clearance = Clearance(journal, KEY)
    clearance.intend()
    clearance.cleared()
    with monkeypatch.context() as killed:
        killed.setattr(forgotten, "forget_forms", lambda *_: None)
        assert prune.prune(journal, TERMS) == 1
    look_up = SqliteJournal.look_up

    def meanwhile(self: SqliteJournal, query: str, values: Values, **parameters: object) -> list[Row]:
        rows = look_up(self, query, values, **parameters)
        if self is journal and query in {"known_bytes", "forgotten_bytes"}:
            with open_journal(path) as other:
                prune.prune(other, TERMS)
        return rows

    monkeypatch.setattr(SqliteJournal, "look_up", meanwhile)
    assert clearance.unsettled(piece(shown, shown, layout=16)).unknown > 0


def test_a_terminal_that_pushes_and_is_back_lacks_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It left the inventory, its punches were pruned, and it is in use again: all it tells of is held."""
    main, lines = JournalOutbox(journal, "main"), [line("1", second) for second in range(9)]
    push(journal, *lines)
    visit(journal).take(piece(punch("1", 0)))
    confirm(main, pending(main))
    assert Pushed(journal, KEY).held() == 9
    monkeypatch.setattr(forgotten, "PIECE", 3)
    assert prune.prune(journal, Terms(TERMS.before, frozenset(), KEY)) == 9
    push(journal, *lines)
    assert Pushed(journal, KEY).held() == 9


def test_it_may_be_cleared(journal: Journal) -> None:
    """A record whose punch was pruned is settled; one beside it that nobody knows is not."""
    made = wrapped(journal, 20)
    prune.prune(journal, TERMS)
    clearance = Clearance(journal, KEY)
    assert clearance.unsettled(piece(*made)).refusal is None
    assert clearance.unsettled(piece(made[0], punch("new"))).unknown == 1


@pytest.mark.parametrize("form_by_form", [False, True])
def test_the_same_terminal_under_another_serial_number(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch, form_by_form: bool
) -> None:
    """What a repaired terminal shows again under its new number, and was pruned, is no news."""
    if form_by_form:
        monkeypatch.setattr(forgotten, "PIECE", 1)
    made = wrapped(journal, 20)
    prune.prune(journal, TERMS)
    Devices(journal).meet_stranger("front-door", "another")
    shown = (*made[:3], *made[-3:], punch("new"))
    Visiting(journal, "front-door", "another", DHAKA, held=STRANGER).take(piece(*shown))
    Devices(journal).accept_as_same("front-door")
    main = JournalOutbox(journal, "main")
    assert [one.user_id for one in pending(main)] == ["new"]
    assert main.recount() == Counts(punches=17, pending=1, confirmed=10, discarded=6)
    assert look(path, "SELECT count(*) FROM punch WHERE nth > 1") == [(0,)]


def test_a_dry_run_knows_it(journal: Journal) -> None:
    """What would be sent is told as it will be."""
    made = wrapped(journal, 20)
    prune.prune(journal, TERMS)
    found = visit(journal).sort(piece(*made, punch("new")))
    assert (found.tally.seen_before, found.tally.first_seen, len(found.to_send)) == (20, 1, 1)


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize(
    "at", ["forget_punch", "remove_punches", "forget_form", "remove_form", "note_forms_forgotten"]
)
@pytest.mark.parametrize("times", [1, 3])
def test_a_pruning_that_is_killed(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch, at: str, times: int
) -> None:
    """Wherever it ends, what was removed by then is known, and the next one does the rest."""
    monkeypatch.setattr(prune, "PAGE", 3)
    monkeypatch.setattr(forgotten, "PIECE", 3)
    made = wrapped(journal, 20)
    left = times

    def dying(verb: str) -> None:
        run = getattr(SqliteJournal, verb)

        def killed(self: SqliteJournal, query: str, *arguments: object, **parameters: object) -> object:
            nonlocal left
            left -= query == at
            if query == at and left == 0:
                raise Killed
            return run(self, query, *arguments, **parameters)

        monkeypatch.setattr(SqliteJournal, verb, killed)

    with monkeypatch.context() as monkeypatch:
        for verb in ("run", "run_over", "run_many"):
            dying(verb)
        with contextlib.suppress(Killed):
            prune.prune(journal, TERMS)
    assert visit(journal).sort(piece(*made)).tally.seen_before == 20
    prune.prune(journal, TERMS)
    assert visit(journal).sort(piece(*made)).tally.seen_before == 20
    assert look(path, "SELECT count(*) FROM forgotten_form") == [(10,)]
    assert look(path, "SELECT count(*) FROM form") == [(10,)]
    assert look(path, "SELECT sum(forms_left) FROM device") == [(0,)]


# --- what it costs ---


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("newest_of_log", "USING INDEX punch_of_device (device=? AND in_log=?)"),
        ("fates", "SEARCH punch USING INDEX punch_of_device (device=? AND in_log=? AND rowid>? AND rowid<?)"),
        ("since_cleared", "USING INDEX punch_of_device (device=? AND in_log=? AND rowid>?)"),
        ("forms_behind", "SEARCH form USING PRIMARY KEY (device=? AND (bytes,occurrence)>(?,?))"),
    ],
)
def test_what_may_not_go_is_not_walked(journal: Journal, query: str, found: str) -> None:
    """Each statement finds what it asks for by an index, of the device it is about."""
    assert any(found in step for step in plan(journal, query)), plan(journal, query)


# --- a terminal, and all that can happen to it ---


@dataclass
class ModelTerminal:
    """A terminal whose log overwrites its oldest record, and what it has shown."""

    journal: Journal
    log: list[Punch] = field(default_factory=list)
    history: list[Punch] = field(default_factory=list)
    shown: set[tuple[str, datetime, int]] = field(default_factory=set)
    layout: int = 40
    sent: Counter[str] = field(default_factory=Counter)

    def press(self, second: int, state: int) -> None:
        """Make a punch, unless that very one was made before."""
        made = punch("1", second, state=state)
        if made not in self.history:
            self.history.append(made)
            self.log = [*self.log, made][-CAPACITY:]

    def read(self) -> None:
        """Be read whole."""
        if not self.log:
            return
        records = [self._record(one) for one in self.log]
        visit(self.journal).take(piece(*records, layout=self.layout))
        told(self.journal, len(self.log))
        self._show(self.log)

    def push(self, *, everything: bool) -> None:
        """Push its log, or what is last in it."""
        lines = self.log if everything else self.log[-1:]
        if lines:
            seconds = [round((one.time - punch().time).total_seconds()) for one in lines]
            push(
                self.journal, *(line("1", s, state=one.state) for s, one in zip(seconds, lines, strict=True))
            )
            self._show(lines)

    def put_back(self) -> None:
        """Get the oldest records it ever had back."""
        self.log = self.history[:CAPACITY]

    def deliver(self) -> None:
        """Let the dashboard have what is pending."""
        main = JournalOutbox(self.journal, "main")
        events = pending(main, 999)
        self.sent.update(event.id for event in events)
        confirm(main, events)

    def _record(self, one: Punch) -> Punch:
        if self.layout == 40:
            return one
        return one._replace(canonical=f"{one.time:%H%M%S} {one.state}".encode().ljust(self.layout, b"\0"))

    def _show(self, records: list[Punch]) -> None:
        self.shown.update((one.user_id, one.time, one.state) for one in records)


STEP = st.one_of(
    st.tuples(st.just("press"), st.integers(0, 40), st.integers(0, 1)),
    st.tuples(st.just("read")),
    st.tuples(st.just("read and deliver")),
    st.tuples(st.just("prune")),
    st.tuples(st.sampled_from(["push", "push all", "put back", "layout"])),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEP, min_size=30, max_size=90))
def test_no_punch_is_lost_or_sent_twice(steps: list[tuple[object, ...]]) -> None:
    """Prune when you like: each record that was ever shown was journalled once, and no id is sent twice."""
    with SqliteJournal(None) as journal:
        JournalOutbox(journal, "main")
        visit(journal)
        terminal = ModelTerminal(journal)
        for name, *arguments in steps:
            match name:
                case "press":
                    terminal.press(*arguments)  # type: ignore[arg-type]  # two numbers
                case "read":
                    terminal.read()
                case "read and deliver":
                    terminal.read()
                    terminal.deliver()
                case "push" | "push all":
                    terminal.push(everything=name == "push all")
                case "put back":
                    terminal.put_back()
                case "layout":
                    terminal.layout = 56 - terminal.layout
                case _:
                    prune.prune(journal, TERMS)
        terminal.read()
        terminal.deliver()
        count = "SELECT (SELECT count(*) FROM punch) + (SELECT count(*) FROM forgotten_punch)"
        assert journal._db.execute(count).fetchone() == (len(terminal.shown),)
        assert set(terminal.sent.values()) <= {1}
        held = "SELECT count(*) FROM outbox WHERE state = 'held'"
        assert len(terminal.sent) + journal._db.execute(held).fetchone()[0] == len(terminal.shown)
