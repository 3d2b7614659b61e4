"""Lanes: requests side by side, and each device's punches in order, exactly once, whatever happens."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import pytest

from tests.delivery.frappe_site import TOKEN, FrappeSite
from tests.delivery.odoo_server import OdooServer
from tests.delivery.test_frappe import FORM as FRAPPE
from tests.delivery.test_odoo import FORM as ODOO
from tests.delivery.test_odoo import access
from tests.journal.helpers import piece, punch, visit
from tests.look import look
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.events import SingleEvent
from zkpoll.delivery.loop import deliver
from zkpoll.errors import JournalUnfit
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.model.delivery import SentRequest, Settled
from zkpoll.simulator import HttpAnswer, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.simulator import Received

DEVICES: Final = 12
EACH: Final = 5
"""Punches of each device."""
ANSWER: Final = 0.05
"""Seconds that an answer takes."""
NEVER: Final = threading.Event()


class Slow:
    """What a dashboard of any kind does when its answers take a while: it counts how many wait."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.at_once = self.most_at_once = 0
        self._counting = threading.Lock()

    def default(self, request: Received) -> HttpAnswer:
        """Answer after a while."""
        with self._counting:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(ANSWER)
        with self._counting:
            self.at_once -= 1
        answer: HttpAnswer = super().default(request)  # type: ignore[misc]  # of the kind it is mixed into
        return answer


class SlowFrappe(Slow, FrappeSite):
    """A site of Frappe HR; its checkins in the order they were made."""

    def where(self, lanes: int) -> Destination:
        """How to deliver to it."""
        self.employ(*(f"{number}{user:02}" for number in range(DEVICES) for user in range(EACH)))
        way = Access(self.url, 5, TOKEN, scheme="token")
        return Destination("main", way, FRAPPE, 100, 1, 0, lanes=lanes)

    @property
    def found(self) -> list[tuple[str, str]]:
        """The device and the time of each punch there."""
        return [(one["device_id"], one["time"]) for one in self.checkins]


class SlowOdoo(Slow, OdooServer):
    """An Odoo, with requests of one punch."""

    def where(self, lanes: int) -> Destination:
        """How to deliver to it."""
        return Destination("main", access(self), ODOO, 1, 1, 0, lanes=lanes)

    @property
    def found(self) -> list[tuple[str, str]]:
        """The device and the time of each punch there."""
        return [(row["device"], row["punched_at"]) for row in self.rows]


class SlowEvents(Slow, SampleDashboard):
    """A dashboard that takes one event a request."""

    def where(self, lanes: int) -> Destination:
        """How to deliver to it."""
        return Destination("main", Access(self.url, 5), SingleEvent(), 100, 1, 0, lanes=lanes)

    @property
    def found(self) -> list[tuple[str, str]]:
        """The device and the time of each punch there."""
        return [(one["device"], one["timestamp"]) for one in self.events.values()]


KINDS: Final = (SlowFrappe, SlowOdoo, SlowEvents)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal is."""
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open a journal with a backlog of many devices, in turn."""
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        fill(journal)
        yield journal


def fill(journal: Journal, first: int = 0) -> None:
    """Let people punch at all devices."""
    for second in range(first, first + EACH):
        for number in range(DEVICES):
            user = f"{number}{second % EACH:02}"
            visit(journal, f"gate-{number}", f"KEY{number}").take(piece(punch(user, second)))


def run(
    journal: Journal, where: Destination, more: Callable[[], bool] = lambda: False, stop: Any = NEVER
) -> Delivered:
    """Deliver in one run."""
    outbox = JournalOutbox(journal, "main")
    return deliver(outbox, where, more=more, progress=lambda _: None, stop=stop)


def check_order(found: list[tuple[str, str]], each: int = EACH) -> None:
    """See that all punches are there, once, and those of each device oldest first."""
    assert Counter(found) == Counter(set(found))
    assert len(found) == DEVICES * each
    for device in {one for one, _ in found}:
        times = [time for one, time in found if one == device]
        assert times == sorted(times)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lanes", [1, 4])
def test_lanes(journal: Journal, kind: type[SlowFrappe], lanes: int) -> None:
    """As many requests are under way at once as there are lanes; each device's punches in order, once."""
    with kind() as server:
        done = run(journal, server.where(lanes))
        assert (done.confirmed, done.problem) == (DEVICES * EACH, None)
        assert server.most_at_once == lanes
        check_order(server.found)
    counts = JournalOutbox(journal, "main").counts()
    assert (counts.confirmed, counts.difference) == (DEVICES * EACH, 0)


@pytest.mark.parametrize(("before", "after"), [(1, 4), (4, 3), (5, 1)])
def test_another_number_of_lanes(path: Path, journal: Journal, before: int, after: int) -> None:
    """What is in flight when the number of lanes is changed goes first, each in the lane of its device."""
    with SlowEvents() as server:
        stop = threading.Event()
        server.answers.extend([HttpAnswer(cut=True, body=b"", keep=True)] * before)
        assert run(journal, server.where(before), stop=stop).kind is not None
        server.answers.clear()
        in_flight = look(path, "SELECT count(*) FROM request")[0][0]
        assert 1 <= in_flight <= before
        assert run(journal, server.where(after)).problem is None
        check_order(server.found)
    assert look(path, "SELECT * FROM request") == []


def test_a_request_of_many_devices_is_shared(path: Path, journal: Journal) -> None:
    """A request that an earlier setting left in flight goes to the lanes of its devices."""
    outbox = JournalOutbox(journal, "main")
    outbox.send(SentRequest(tuple(event.id for event in outbox.next(20).events)))
    with SlowEvents() as server:
        assert run(journal, server.where(4)).confirmed == DEVICES * EACH
        check_order(server.found)
    assert look(path, "SELECT * FROM request") == []


def test_a_refused_punch_stops_no_other_lane(journal: Journal) -> None:
    """A punch that is refused for its own fault is parked, and all others are delivered."""

    class Refusing(SlowEvents):
        def default(self, request: Received) -> HttpAnswer:
            one = json.loads(request.body)
            if one["device"] == "gate-3" and one["user_id"] == "302":
                return HttpAnswer(422, b'{"error": "nobody"}')
            return super().default(request)

    with Refusing() as server:
        done = run(journal, server.where(4))
        assert (done.confirmed, done.parked, done.problem) == (DEVICES * EACH - 1, 1, None)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(HttpAnswer(401), "configuration"), (HttpAnswer(410), "gone"), (HttpAnswer(503), "away")],
)
def test_a_dashboard_that_is_down_ends_all_lanes(journal: Journal, answer: HttpAnswer, kind: str) -> None:
    """What one lane is told of the dashboard ends all soon, and is told once."""
    with SlowEvents() as server:
        server.answers.extend([answer] * 4)
        done = run(journal, server.where(4))
        assert (done.confirmed, bool(done.problem)) == (0, True), kind
        assert len(server.requests) <= 4
        if kind == "gone":
            assert JournalOutbox(journal, "main").halted()


def test_no_more_than_a_run_may_send(journal: Journal) -> None:
    """All lanes together send no more than `max_per_run`, and say that more is left."""
    with SlowEvents() as server:
        done = run(journal, replace(server.where(4), most=13))
        assert (done.confirmed, done.capped) == (13, True)
        assert len(server.found) == 13


def test_what_comes_meanwhile(journal: Journal) -> None:
    """Lanes wait together for what comes, and each sends its own of it."""
    rounds = iter(range(2))

    def more() -> bool:
        number = next(rounds, None)
        if number is not None:
            fill(journal, (number + 1) * EACH)
        return number is not None

    with SlowEvents() as server:
        assert run(journal, server.where(4), more).confirmed == 3 * DEVICES * EACH
        check_order(server.found, 3 * EACH)


def test_an_error_in_a_lane_is_raised(path: Path, journal: Journal) -> None:
    """A journal that is damaged under one lane ends all, and the error comes out."""
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE punch SET user_id = 'x' WHERE seq = 30")
    with SlowEvents() as server, pytest.raises(JournalUnfit):
        run(journal, server.where(4))


class Meanwhile:
    """A journal in which something happens each time the devices are looked up, just behind that."""

    def __init__(self, journal: Journal, happens: Callable[[], None]) -> None:
        self._journal = journal
        self._happens = happens

    def all(self, query: str, /, **parameters: object) -> list[Any]:
        """Look something up."""
        found = self._journal.all(query, **parameters)
        if query == "keys_of_devices":
            self._happens()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


def test_a_device_met_at_that_moment(path: Path) -> None:
    """What devices have that are met while a lane looks for its own punches is sent in the same run."""
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        visit(journal, "gate-0", "KEY0").take(piece(punch("0", 0)))
        new = iter(range(1, DEVICES))

        def happens() -> None:
            if (number := next(new, None)) is not None:
                visit(journal, f"gate-{number}", f"KEY{number}").take(piece(punch("1", number)))
                visit(journal, "gate-0", "KEY0").take(piece(punch("0", 0), punch("0", number)))

        found: list[str] = []
        for share in JournalOutbox(Meanwhile(journal, happens), "main").shares(2):
            while batch := share.next(100).events:
                ids = tuple(event.id for event in batch)
                share.send(SentRequest(ids))
                share.settle(Settled(ids))
                found += ids
        assert JournalOutbox(journal, "main").counts().pending == 0
        assert len(found) == len(set(found))


def alone(path: Path, lanes: int, bad: int = 1) -> Iterator[Journal]:
    """Open a journal in which one lane has so many punches, all of user `bad`, and the others have many."""
    crowd = [f"KEY{number}" for number in range(99) if crc32(f"KEY{number}".encode()) % lanes]
    lone = next(key for key in map(str, range(99)) if not crc32(key.encode()) % lanes)
    with open_journal(path) as journal:
        JournalOutbox(journal, "main")
        visit(journal, "lone", lone).take(piece(*(punch("bad", one) for one in range(bad))))
        for key in crowd[:DEVICES]:
            visit(journal, key.lower(), key).take(piece(*(punch(f"{key}{one}", one) for one in range(EACH))))
        yield journal


class Picky(SlowEvents):
    """A dashboard that answers at once, and never well, where user `bad` punches."""

    status = 422

    def default(self, request: Received) -> HttpAnswer:
        """Take all others."""
        if json.loads(request.body)["user_id"] == "bad":
            return HttpAnswer(self.status, b'{"error": "nobody"}')
        return super().default(request)


@contextmanager
def picky(status: int) -> Iterator[Picky]:
    """Serve such a dashboard."""
    with Picky() as server:
        server.status = status
        yield server


@pytest.mark.parametrize("bad", [1, 2, 9])
def test_another_lane_is_a_witness(path: Path, bad: int) -> None:
    """One that is refused, and is alone in its lane, is parked once a punch of another lane is confirmed."""
    for journal in alone(path, 4, bad):
        with picky(422) as server:
            done = run(journal, server.where(4))
        assert (done.confirmed, done.parked, done.problem) == (DEVICES * EACH, bad, None)


@pytest.mark.parametrize("bad", [1, 2])
def test_another_lane_is_a_witness_of_a_failure(path: Path, bad: int) -> None:
    """So is one at which the dashboard fails in run after run; all others are delivered meanwhile."""
    for journal in alone(path, 4, bad):
        with picky(500) as server:
            ends = [run(journal, replace(server.where(4), most=20)) for _ in range(3)]
            assert [one.parked for one in ends] == [0, 0, bad]
            assert run(journal, server.where(4)).problem is None
            assert len(server.found) == DEVICES * EACH


def test_no_witness_anywhere(path: Path) -> None:
    """Where every lane is refused, none waits for another one for ever, and nothing is parked."""
    for journal in alone(path, 4):
        with SlowEvents() as server:
            server.answers.extend([HttpAnswer(422, b'{"error": "nobody"}')] * 500)
            done = run(journal, server.where(4))
            assert (done.confirmed, done.parked, done.kind) == (0, 0, "refused")


def test_a_run_that_may_send_little_has_some_of_all_lanes(journal: Journal) -> None:
    """No lane takes all that a run may send, and leaves nothing to the others in run after run."""
    with SlowEvents() as server:
        assert run(journal, replace(server.where(4), most=8)).confirmed == 8
        assert server.most_at_once == 4


def test_what_has_to_be_known_first_is_asked_by_one_lane(journal: Journal) -> None:
    """A site that does not tell its time zone is asked about once an attempt, for all lanes together."""

    class Down(SlowFrappe):
        def default(self, request: Received) -> HttpAnswer:  # noqa: ARG002
            time.sleep(6 * ANSWER)
            return HttpAnswer(503)

    with Down() as server:
        done = run(journal, replace(server.where(4), attempts=3))
        assert (done.confirmed, bool(done.problem)) == (0, True)
        assert done.requests <= 5


def test_a_lane_that_waits_ends_with_the_others(journal: Journal) -> None:
    """A lane that waits an hour for its next attempt ends at once where another one ends them all."""

    class Closing(SlowEvents):
        def default(self, request: Received) -> HttpAnswer:
            if len(self.requests) > 8:
                return HttpAnswer(401)
            return super().default(request)

    with Closing() as server:
        server.answers.append(HttpAnswer(503))
        done = run(journal, replace(server.where(4), attempts=4, retry_wait=3600))
        assert done.kind == "configuration"
