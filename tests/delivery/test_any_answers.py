"""Whatever dashboards answer, in whatever order: nothing is lost, and what is confirmed is kept."""

from __future__ import annotations

import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.delivery.forms import FORMS
from tests.delivery.moods import (
    Evades,
    HasSome,
    Mood,
    Mumbles,
    Names,
    Odd,
    Refuses,
    Takes,
    TooLarge,
    Trips,
    Unclear,
    Well,
    failed_alone_in,
    is_doubted,
    named_in,
    refused_alone_in,
)
from tests.examples import examples
from tests.journal.helpers import KEY, piece, punch, visit
from tests.look import inside, look
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.loop import deliver
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox

if TYPE_CHECKING:
    from types import TracebackType

    from zkpoll.delivery.destination import Outbox as AnyOutbox
    from zkpoll.journal.database import Journal
    from zkpoll.model.punch import Punch

NAMES = ("main", "spare")
PEOPLE = "ABCDEF"
INNOCENT = "A"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "zkpoll")
IN_MEMORY = Path("/dev/shm")
"""Where there is such a place: a file there is as good as any, and syncing it costs nothing."""
AT_ONCE, TOMORROW = timedelta(0), timedelta(days=1)


@dataclass(frozen=True)
class Meeting:
    """How one dashboard is met in one run."""

    moods: list[Mood]
    then: Mood
    format: str
    batch_size: int
    rest: timedelta
    """How long what is parked rests."""
    resumed: bool
    """Whether a person resumes it before, should it be gone."""


@dataclass(frozen=True)
class Run:
    """What comes in by terminals, and how each dashboard is met."""

    before: list[Punch]
    meanwhile: list[Punch]
    meetings: tuple[Meeting, Meeting]


PLACES = st.frozensets(st.integers(0, 6), min_size=1, max_size=4)
LATER = (("Retry-After", "0"),)
MUMBLED = (
    b'{"data": {"rejected": ["all"]}}',
    b'{"Rejected": [], "rejected": []}',
    b'{"rejected": ["all"], "rejected": []}',
    '["all", "rejected"]'.encode("utf-16-le"),
    b"<!-- log in -->",
    b"<head><title>Log in",
    b'{"accepted": 7',
)
TAKING: st.SearchStrategy[Mood] = st.one_of(
    st.builds(Takes, st.sampled_from([200, 201, 202, 204, 207])),
    st.builds(Well, st.sampled_from([200, 400, 417, 422])),
    st.builds(
        Trips,
        st.sampled_from([Evades(500), Evades(400, page=True), Evades(200, kept=True, cut=True, empty=True)]),
    ),
    st.builds(Names, st.sampled_from([200, 207]), PLACES, st.booleans()),
    st.builds(Names, st.sampled_from([400, 401, 409, 413, 422, 429]), PLACES, st.booleans()),
    st.builds(HasSome, PLACES),
    st.builds(TooLarge, st.integers(0, 6)),
)
EVADING: st.SearchStrategy[Mood] = st.one_of(
    st.builds(Refuses, st.sampled_from([200, 400, 417, 422])),
    st.builds(Mumbles, st.sampled_from(MUMBLED), st.booleans()),
    st.builds(Mumbles, st.sampled_from([b"", b"{}", b"[]"]), st.booleans(), st.just(207)),
    st.builds(Names, st.just(503), PLACES),
    st.builds(Evades, st.sampled_from([408, 409, 425, 429, 500, 503]), headers=st.sampled_from([(), LATER])),
    st.builds(Evades, st.just(200), kept=st.booleans(), cut=st.just(True), empty=st.booleans()),
    st.builds(Evades, st.sampled_from([200, 400, 417, 422]), page=st.just(True), kept=st.booleans()),
    st.builds(Evades, st.sampled_from([301, 302, 307, 308, 401, 403, 404, 405, 415, 600])),
    st.builds(Unclear, st.booleans(), st.booleans()),
    st.just(Evades(410)),
)
MEETINGS = st.builds(
    Meeting,
    st.lists(TAKING | TAKING | EVADING, min_size=2, max_size=12),
    st.sampled_from([Well(), Takes(), Takes(), Refuses(422), TooLarge(2), Evades(503)]),
    st.sampled_from(["events", "events", "events", "event"]),
    st.integers(1, 7),
    st.sampled_from([AT_ONCE, TOMORROW]),
    st.booleans(),
)
PUNCHES = st.lists(
    st.builds(punch, st.sampled_from(PEOPLE), st.integers(0, 9), verify=st.integers(1, 2)), max_size=12
)
"""A few seconds and two ways to be recognised, so that some are repeats, and some of the same second."""
RUNS = st.lists(st.builds(Run, PUNCHES, PUNCHES, st.tuples(MEETINGS, MEETINGS)), min_size=1, max_size=4)
GUILTY = st.frozensets(st.sampled_from(PEOPLE.replace(INNOCENT, "")), max_size=2)


@dataclass
class World:
    """A journal, two dashboards, and what must be true of them."""

    guilty: tuple[frozenset[str], frozenset[str]]
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What may be sent: every punch but those of the same second, as JSON, by id."""
    journalled: int = 0

    def __enter__(self) -> Self:
        self._exit = ExitStack()
        folder = TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        self.path = Path(self._exit.enter_context(folder)) / "journal.db"
        self.odds = {
            name: self._exit.enter_context(Odd(bad)) for name, bad in zip(NAMES, self.guilty, strict=True)
        }
        with open_journal(self.path) as journal:
            for name in NAMES:
                JournalOutbox(journal, name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # --- what happens ---

    def go_through(self, run: Run) -> None:
        """Journal what comes and deliver to both dashboards, in a run of its own."""
        with open_journal(self.path) as journal:
            self._take(journal, run.before)
            arrivals = [run.meanwhile]
            for name, meeting in zip(NAMES, run.meetings, strict=True):
                if meeting.resumed:
                    self._resume(name)
                self._meet(journal, name, meeting, arrivals)

    def _take(self, journal: Journal, punches: list[Punch]) -> None:
        tally = visit(journal).take(piece(*punches))
        self.journalled += tally.first_seen + tally.same_second
        for one in punches:
            sent = as_sent(one)
            self.known.setdefault(sent["id"], sent)

    def _resume(self, name: str) -> None:
        with inside(self.path) as db:
            db.execute("UPDATE destination SET halted = NULL WHERE name = ?", [name])

    def _meet(self, journal: Journal, name: str, meeting: Meeting, arrivals: list[list[Punch]]) -> None:
        odd, outbox = self.odds[name], JournalOutbox(journal, name)
        odd.moods.clear()
        odd.moods.extend(meeting.moods)
        odd.then = meeting.then
        odd.settings = meeting.format, meeting.batch_size
        gone, heard, before = odd.is_gone and not meeting.resumed, len(odd.heard), self.states(name)
        odd.run, odd.parked = odd.run + 1, frozenset(before["parked"])

        def more() -> bool:
            if not arrivals:
                return False
            self._take(journal, arrivals.pop())
            return True

        done = delivered(outbox, odd, meeting, more)
        self._check(name, outbox.counts().difference, outbox.counts().punches)
        assert done.requests == len(odd.heard) - heard
        assert not (gone and done.requests)
        self._check_changes(name, before, done, heard)

    # --- what has to be ---

    def states(self, name: str) -> dict[str, set[str]]:
        """Return the ids of a dashboard's punches by state, without those that were held for their second."""
        found: dict[str, set[str]] = {state: set() for state in ("pending", "confirmed", "parked", "held")}
        for state, id_ in look(self.path, STATES.format(name)):
            assert all(id_ not in ids for ids in found.values())
            found[state].add(id_)
        return found

    def _check(self, name: str, difference: int, punches: int) -> None:
        assert (difference, punches) == (0, self.journalled)
        odd, states = self.odds[name], self.states(name)
        assert set().union(*states.values()) == self.known.keys()
        assert states["confirmed"] <= odd.events.keys()
        assert states["parked"] <= named_in(odd.heard) | refused_alone_in(odd.heard) | failed_alone_in(
            odd.heard
        )
        for heard in odd.heard:
            assert all(sent == self.known[sent["id"]] for sent in heard.events)
        for place, (heard, after) in enumerate(zip(odd.heard, odd.heard[1:], strict=False), 1):
            in_doubt = heard.parked or is_doubted(odd.heard[:place])
            assert heard.is_same_as(after) or in_doubt or not heard.must_come_again

    def _check_changes(self, name: str, before: dict[str, set[str]], done: Delivered, heard: int) -> None:
        after = self.states(name)
        assert before["confirmed"] <= after["confirmed"]
        assert done.confirmed == len(after["confirmed"] - before["confirmed"])
        parked = after["parked"] - before["parked"]
        assert done.parked == len(parked)
        # What nobody named is only parked by a dashboard that takes others.
        assert done.confirmed or parked <= named_in(self.odds[name].heard[heard:])

    def check_the_end(self) -> None:
        """See that all is settled, and nobody parked but those whom the dashboard does not know."""
        for name, odd in self.odds.items():
            states = self.states(name)
            assert states["pending"] == set()
            assert {self.known[one]["user_id"] for one in states["parked"]} <= odd.guilty
            assert states["confirmed"] <= odd.events.keys()
            assert not odd.conflicts


STATES = """
SELECT outbox.state, punch.id FROM outbox
JOIN punch ON punch.seq = outbox.punch
JOIN destination ON destination.id = outbox.destination
WHERE destination.name = '{}' AND punch.nth = 1
"""


def delivered(outbox: AnyOutbox, odd: Odd, meeting: Meeting, more: Any) -> Delivered:
    """Deliver without waits, to a dashboard that answers at once or never."""
    where = Destination(
        name="any",
        access=Access(odd.url, timeout=10),
        format=FORMS[meeting.format],
        batch_size=meeting.batch_size,
        attempts=2,
        retry_wait=0,
        park_retry_every=meeting.rest,
    )
    return deliver(outbox, where, more=more, progress=lambda _: None, stop=threading.Event())


def as_sent(one: Punch) -> dict[str, Any]:
    """Return a punch as dashboards must get it."""
    moment = one.time.isoformat()
    return {
        "user_id": one.user_id,
        "timestamp": f"{moment}+06:00",
        "status": one.verify,
        "type": 0,
        "id": str(uuid.uuid5(NAMESPACE, f"{KEY}\n{one.user_id}\n{moment}")),
        "device": "front-door",
        "serial_number": KEY,
        "punch_state": "check_in",
        "work_code": 0,
        "source": "pull",
    }


WELL = Meeting([], Well(), "events", 7, AT_ONCE, resumed=True)


@pytest.mark.timeout(600)  # should it fail, the shortest story of it is looked for
@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs=RUNS, guilty=st.tuples(GUILTY, GUILTY))
def test_any_answers(runs: list[Run], guilty: tuple[frozenset[str], frozenset[str]]) -> None:
    """After any answers every punch is in one state, what is confirmed is kept, and good days settle all."""
    with World(guilty) as world:
        for run in runs:
            world.go_through(run)
        for day in range(2):
            world.go_through(Run([punch(INNOCENT, 100 + day)], [], (WELL, WELL)))
        world.check_the_end()
