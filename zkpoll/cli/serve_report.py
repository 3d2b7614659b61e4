"""Reports of `zkpoll serve`: where it listens, its news, and figures for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from zkpoll.journal import conditions
from zkpoll.reports.news import tell
from zkpoll.serve import Observers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.log_lines import Style
    from zkpoll.tasks.outcome import Outcome


class Teller:
    """The teller of one `serve`: lines on stderr."""

    def __init__(self, inventory: Inventory, style: Style) -> None:
        self._inventory = inventory
        self._style = style
        self.observers = Observers(ready=self._ready, news=self._news)

    def _ready(self, address: str) -> None:
        click.echo(f"listening on {address}", err=True)

    def _news(self, outcome: Outcome, journal: Journal) -> None:
        tell(journal, outcome, {}, datetime.now(UTC), self._say)
        self._say(f"{subject}: {text}" for subject, text in outcome.untold)
        if outcome.untold:
            conditions.strike(journal, outcome.untold)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            click.echo(self._style.notice(line), err=True)
