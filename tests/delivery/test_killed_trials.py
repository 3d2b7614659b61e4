"""Runs that are killed while a batch is taken apart, with a journal: nothing is lost, or there twice."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.odoo_server import OdooServer
from tests.delivery.test_odoo import FORM, access
from tests.journal.helpers import piece, punch, visit
from tests.look import look
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Destination
from zkpoll.delivery.formats.events import Events
from zkpoll.delivery.loop import deliver
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.simulator import HttpAnswer, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.simulator import Received

PEOPLE = 24
GUILTY = frozenset(("5", "6", "17"))
WRITES = frozenset(("send", "settle", "decide", "flush", "recall", "remember_failed_runs"))
FAILURE = HttpAnswer(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"})


class Killed(BaseException):
    """The end of a run, at once."""


class Mortal:
    """A journal's outbox that kills its run at the n-th thing that is written down, before or behind it."""

    def __init__(self, outbox: JournalOutbox, at: int, *, behind: bool) -> None:
        self._outbox, self._left, self._behind = outbox, at, behind
        self._dead = False

    def __getattr__(self, name: str) -> Any:
        """Return what the outbox has of that name."""
        found = getattr(self._outbox, name)
        return self._deadly(found) if name in WRITES else found

    def _deadly(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*given: Any) -> Any:
            if self._dead:
                raise Killed
            self._left -= 1
            self._dead = self._left == 0
            if self._dead and not self._behind:
                raise Killed
            result = write(*given)
            if self._dead:
                raise Killed
            return result

        return written


class Tripping(SampleDashboard):
    """A dashboard that fails at punches of the guilty."""

    def default(self, request: Received) -> HttpAnswer:
        """Fail, or take what is sent."""
        return FAILURE if holds_guilty(request) else super().default(request)

    @property
    def found(self) -> Counter[str]:
        """How often each punch is there."""
        return Counter(list(self.events))

    @property
    def where(self) -> Destination:
        """How to deliver to it."""
        return Destination("main", Access(self.url, 5), Events(), 10, 1, 0)


class TrippingOdoo(OdooServer):
    """An Odoo that fails so, whose model lets a punch be there twice."""

    def __init__(self) -> None:
        super().__init__()
        self.unique = False

    def serve(self, request: Received) -> HttpAnswer:
        """Fail, or do what is asked."""
        create = request.path.endswith("/create")
        return FAILURE if create and holds_guilty(request) else super().serve(request)

    @property
    def found(self) -> Counter[str]:
        """How often each punch is there."""
        return Counter(self.ids)

    @property
    def where(self) -> Destination:
        """How to deliver to it."""
        return Destination("main", access(self), FORM, 10, 1, 0)


def holds_guilty(request: Received) -> bool:
    """Say whether a request holds a punch of somebody guilty."""
    text = request.body.decode()
    return any(f'"{key}":"{one}"' in text for key in ("user_id", "badge") for one in GUILTY)


def deliver_once(path: Path, where: Destination, day: int, at: int = 0, *, behind: bool = False) -> None:
    """Let three more people punch, and deliver in a run of its own, which is killed where `at` is not 0."""
    with open_journal(path) as journal:
        outbox = JournalOutbox(journal, "main")
        first = 100 + 3 * day
        visit(journal).take(piece(*(punch(str(user), day) for user in range(first, first + 3))))
        mortal: Any = Mortal(outbox, at, behind=behind)
        try:
            deliver(mortal, where, more=lambda: False, progress=lambda _: None, stop=threading.Event())
        except Killed:
            assert at
        assert outbox.counts().difference == 0


@pytest.mark.parametrize("kind", [Tripping, TrippingOdoo])
@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("every", [1, 3, 8, 21])
def test_killed_again_and_again(
    tmp_path: Path, kind: type[Tripping | TrippingOdoo], every: int, behind: bool
) -> None:
    """Runs that are killed at any step lose nothing, and those that follow park the guilty alone."""
    path = tmp_path / "journal.db"
    with kind() as server, open_journal(path) as journal:
        JournalOutbox(journal, "main")
        visit(journal).take(piece(*(punch(str(user)) for user in range(PEOPLE))))
        for day in range(6):
            # The first two end at the batch, and that is written down; what follows takes it apart.
            at = 0 if day < 2 else every + day
            deliver_once(path, server.where, day, at, behind=behind)
        for day in range(6, 18):
            deliver_once(path, server.where, day)
        rows = look(
            path, "SELECT id, user_id, outbox.state FROM outbox JOIN punch ON punch.seq = outbox.punch"
        )
        assert {user for _, user, state in rows if state == "parked"} == GUILTY
        assert {state for _, user, state in rows if user not in GUILTY} == {"confirmed"}
        assert server.found == Counter(one for one, user, _ in rows if user not in GUILTY)
        assert look(path, "SELECT * FROM request") == []
