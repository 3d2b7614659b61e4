"""Reports of `zkpoll worker`: what it takes, its news, and its own troubles."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.streams import OutputLost
from zkpoll.cli.sync_report import tell_lines
from zkpoll.fleet.worker import Observers
from zkpoll.journal import conditions
from zkpoll.model.report import Trouble
from zkpoll.reports.news import news, tell
from zkpoll.reports.run_summary import notice_lines
from zkpoll.tasks.outcome import HostClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Condition
    from zkpoll.reports.log_lines import Style
    from zkpoll.tasks.outcome import Outcome

_BROKER = "broker"
_CLOCK = "clock"
"""The kind of the one trouble whose words are others each time."""


class Teller:
    """The teller of one worker: lines on stderr.

    What is wrong with the worker itself is kept here: the journal may be the trouble, and others are well.
    """

    def __init__(self, broker: str, queues: Sequence[str], style: Style) -> None:
        """`broker` is its address without the password."""
        self._broker = broker
        self._queues = queues
        self._style = style
        self._lock = threading.Lock()
        self._own: dict[str, Condition] = {}
        self._is_ready = False
        self.observers = Observers(trouble=self._trouble, done=self._done)

    def connected(self, why_not: str | None) -> None:
        """Tell that the broker answers (None), or why it does not."""
        text = why_not and f"{self._broker} does not answer: {why_not}; waiting for it"
        self._trouble(_BROKER, text)
        if not text and not self._is_ready:
            self._is_ready = True
            line, style = f"taking errands: {', '.join(self._queues)}", self._style
            write = style.prefixed if style.format == "text" else style.notice  # scripts wait for it
            click.echo(write(line, logging.INFO), err=True)

    def _trouble(self, subject: str, text: str | None) -> None:
        if text is None and subject not in self._own:  # as with each errand
            return
        with self._lock, suppress(OutputLost):
            before = {subject: self._own[subject]} if subject in self._own else {}
            kind = text if subject != HostClock().subject else _CLOCK
            troubles = {subject: Trouble(kind, text)} if text and kind else {}
            new = news(before, troubles, {subject}, datetime.now(UTC))
            self._say(new.lines)
            self._own.pop(subject, None)
            self._own.update(new.conditions)

    def _done(self, outcome: Outcome, journal: Journal, inventory: Inventory) -> None:
        with suppress(OutputLost):
            tell(journal, outcome, {}, datetime.now(UTC), self._say, inventory, "worker")
            self._say(notice_lines(outcome))
            if outcome.untold:
                conditions.strike(journal, outcome.untold)

    def _say(self, lines: Iterable[str]) -> None:
        tell_lines(lines, self._style)
