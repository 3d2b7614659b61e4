"""Reports of `zkpoll watch`: what it watches, its news, figures, and the journal's own trouble."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.cli.streams import OutputLost
from zkpoll.cli.sync_report import tell_lines
from zkpoll.journal import conditions
from zkpoll.model.report import Trouble
from zkpoll.reports.departures import PAGE
from zkpoll.reports.news import news, tell
from zkpoll.reports.run_summary import letter, notice_lines
from zkpoll.reports.watchers import Watchers
from zkpoll.reports.words import counted
from zkpoll.watch import WatchObservers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.report import Condition
    from zkpoll.reports.departures import Teller as Who
    from zkpoll.reports.log_lines import Style
    from zkpoll.reports.page.file import SteadyPage
    from zkpoll.tasks.outcome import Outcome

_JOURNAL = "journal"


class Teller:
    """The teller of one watch: lines on stderr, and what watches its runs.

    What is wrong with the journal is kept here.
    """

    def __init__(self, inventory: Inventory, style: Style, *, asks_for_all: bool) -> None:
        self._inventory = inventory
        self._style = style
        self._asks_for_all = asks_for_all
        self._lock = threading.Lock()
        self._own: dict[str, Condition] = {}
        self._watchers = Watchers(inventory)
        self._page: SteadyPage | None = None
        self._has_told = False
        self.observers = WatchObservers(ready=self._ready, journal=self._journal, news=self._news)

    def _ready(self, devices: Sequence[Device], left: Sequence[str]) -> None:
        self._watchers.started()
        style = self._style
        line = "; ".join([f"watching {counted(len(devices), 'device')}", *self._not(left)])
        write = style.prefixed if style.format == "text" else style.notice  # scripts wait for it
        click.echo(write(line, logging.INFO), err=True)

    def _not(self, left: Sequence[str]) -> Iterable[str]:
        """Yield what is not watched, and why."""
        if left:
            yield f"another `zkpoll watch` has {', '.join(left)}"
        if self._asks_for_all:
            calls = [one.name for one in self._inventory.devices if one.enabled and one.host is None]
            off = [one.name for one in self._inventory.devices if not one.enabled]
            stores = [one.name for one in self._inventory.databases if one.enabled]
            if calls:
                yield f"not {', '.join(calls)}, which call{'s' * (len(calls) == 1)} `zkpoll serve`"
            if off:
                yield f"not {', '.join(off)}, switched off (enabled: false)"
            if stores:
                yield f"`zkpoll sync` reads {', '.join(stores)}"

    def _journal(self, problem: str | None) -> None:
        if problem is None and not self._own:  # as after each reading
            return
        with self._lock, suppress(OutputLost):
            # One trouble, though each thread meets it in words of its own.
            troubles = {_JOURNAL: Trouble(_JOURNAL, problem)} if problem else {}
            new = news(self._own, troubles, {_JOURNAL}, datetime.now(UTC))
            self._say(new.lines)
            self._own = dict(new.conditions)

    def _news(self, outcome: Outcome, journal: Journal) -> None:
        untold = self._watchers.ended(outcome, letter(outcome))
        if self._page:
            untold[PAGE] = self._page.problem
        # What has left the inventory is told once: a run with a newer one may tell of more than this one has.
        beside: Who = "run" if journal.is_locked("serve") is False else "run beside serve"
        who: Who = "worker" if self._has_told else beside
        with suppress(OutputLost):
            tell(journal, outcome, untold, datetime.now(UTC), self._say, self._inventory, who)
            self._has_told = True
            self._say(notice_lines(outcome))
            if outcome.untold:
                conditions.strike(journal, outcome.untold)
        self._write_page()

    def _write_page(self) -> None:
        """Begin to write the page, with what was just told, where the inventory has one."""
        if self._inventory.page:
            from zkpoll.reports.page.file import SteadyPage

            self._page = self._page or SteadyPage(self._inventory)
            self._page.look_after()

    def _say(self, lines: Iterable[str]) -> None:
        tell_lines(lines, self._style)
