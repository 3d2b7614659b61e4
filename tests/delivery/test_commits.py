"""How often a delivery writes to disk: once a request, and a few times at its beginning and end."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

import pytest

from tests.journal.helpers import piece, punches, visit
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Destination
from zkpoll.delivery.formats.events import Events, SingleEvent
from zkpoll.delivery.loop import deliver
from zkpoll.journal.opening import open_journal
from zkpoll.journal.outbox import JournalOutbox
from zkpoll.journal.sqlite import SqliteJournal
from zkpoll.simulator import SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zkpoll.delivery.contract import Exchange, FollowUp, Format, Probe, Request
    from zkpoll.model.punch import Event

PUNCHES = 300


class Asked:
    """The format `event` for a dashboard that is asked what arrived, instead of being sent the same again."""

    most = 1
    _event = SingleEvent()

    def carry(self, events: Sequence[Event]) -> Request:
        """Return what carries one event."""
        return self._event.carry(events)

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Send an event that was not sent before: here all answers come."""
        assert not unsure
        return self._event.exchange(events, unsure=False)

    def resend(self, _request: Request) -> None:
        """Send nothing again as it was."""

    def preflight(self) -> None:
        """Ask nothing."""

    def probes(self) -> tuple[Probe, ...]:
        """Ask nothing."""
        return ()

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Send nothing more."""
        return ()


@pytest.mark.parametrize(
    ("form", "size", "a_commit"),
    [(Events(), 20, 1), (Events(), 7, 1), (SingleEvent(), 1, 1), (Asked(), 1, 10)],
    ids=["20", "7", "one by one", "one by one, asked"],
)
def test_a_commit_a_request(tmp_path: Path, form: Format, size: int, a_commit: int) -> None:
    """A request costs one transaction, with the answer to the one before; the last answer one more.

    Where a dashboard can be asked what arrived, ten requests cost one.
    """
    commits: list[str] = []
    open_journal(tmp_path / "journal.db").__exit__(None, None, None)
    with SqliteJournal(tmp_path / "journal.db") as journal, SampleDashboard() as dashboard:
        outbox = JournalOutbox(journal, "main")
        visit(journal).take(piece(*punches(PUNCHES)))
        journal._db.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
        where = Destination("main", Access(dashboard.url, 5), form, size, 1, 0)
        done = deliver(outbox, where, more=lambda: False, progress=lambda _: None, stop=threading.Event())
        assert (done.confirmed, len(commits)) == (PUNCHES, math.ceil(done.requests / a_commit) + 1)
