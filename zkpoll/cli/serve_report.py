"""Reports of `zkpoll serve`: where it listens, its news, and figures for Prometheus."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.streams import OutputLost, forget_lost_news, news_are_lost
from zkpoll.journal import conditions
from zkpoll.reports.departures import METRICS_OF_SERVE, PAGE_OF_SERVE
from zkpoll.reports.news import news, tell
from zkpoll.reports.run_summary import letter, notice_lines
from zkpoll.reports.watchers import Watchers
from zkpoll.serve import Observers
from zkpoll.tasks.push_outcome import ListenerOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Condition
    from zkpoll.reports.log_lines import Style
    from zkpoll.reports.page.file import SteadyPage
    from zkpoll.tasks.outcome import Outcome
    from zkpoll.tasks.push_outcome import ServeFigures

_DOOR: Final = ListenerOutcome().subject


class Teller:
    """The teller of one `serve`: lines on stderr. Where nobody can read them, news wait for the next run.

    The condition of the door is kept here, and the journal gets a copy: the journal may be the trouble.
    """

    def __init__(self, inventory: Inventory, style: Style, *, watches: bool = False) -> None:
        """`watches` says that devices are read as well, as a run does, which has watchers."""
        self._inventory = inventory
        self._watchers = Watchers(inventory) if watches else None
        self._style = style
        self._untold_figures: str | None = None
        self._page: SteadyPage | None = None
        self._lock = threading.Lock()
        self._door: Condition | None = None
        self.observers = Observers(
            ready=self._ready, door=self._tell_door, figures=self._measure, news=self._tell
        )

    def _ready(self, address: str, journal: Journal) -> None:
        self._door = conditions.told(journal).get(_DOOR)
        line, style = f"listening on {address}", self._style
        as_text = style.format == "text"  # word for word: scripts wait for it
        write = style.prefixed if as_text else style.notice
        click.echo(write(line, logging.INFO), err=True)

    def _tell_door(self, outcome: ListenerOutcome) -> None:
        with self._lock, suppress(OutputLost):
            before = {_DOOR: self._door} if self._door else {}
            troubles = {_DOOR: outcome.trouble} if outcome.trouble else {}
            new = news(before, troubles, {_DOOR}, datetime.now(UTC))
            self._say(new.lines)
            self._door = new.conditions.get(_DOOR)

    def _measure(self, figures: ServeFigures, journal: Journal) -> None:
        if self._inventory.page:
            from zkpoll.reports.page.file import SteadyPage

            self._page = self._page or SteadyPage(self._inventory)
            self._page.look_after()
        if self._inventory.metrics is None:
            return
        from zkpoll.reports import metrics
        from zkpoll.reports.watchers import why_not_written

        path, now = self._inventory.metrics.textfile, datetime.now(UTC)

        def write() -> None:
            standing = metrics.standings(self._inventory, journal, now)
            with metrics.turn(journal):
                metrics.write_of_serve(path, metrics.of_serve(figures, standing, now))

        self._untold_figures = why_not_written(path, write)

    def _tell(self, outcome: Outcome, journal: Journal) -> None:
        with suppress(OutputLost):
            # Another watcher than that of a run, which may run as another user.
            watchers = {METRICS_OF_SERVE: self._untold_figures} if self._inventory.metrics else {}
            if self._page:
                watchers[PAGE_OF_SERVE] = self._page.problem
            if self._watchers:
                watchers |= self._watchers.ended(outcome, letter(outcome))
            known = {_DOOR: self._door}
            tell(journal, outcome, watchers, datetime.now(UTC), self._say, self._inventory, "serve", known)
            self._say(notice_lines(outcome))
            if outcome.untold:
                conditions.strike(journal, outcome.untold)

    def _say(self, lines: Iterable[str]) -> None:
        """Tell news. Raise `OutputLost` where nobody can be told, so that they are told again."""
        lines = tuple(lines)
        forget_lost_news()
        for line in lines:
            click.echo(self._style.notice(line), err=True)
        if lines and news_are_lost():
            raise OutputLost
