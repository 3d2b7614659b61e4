"""All watchers around one run."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zkpoll.errors import ExitCode, ZkpollError, reason
from zkpoll.reports.health import Health

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.tasks.outcome import Outcome

_log = logging.getLogger(__name__)


class Watchers:
    """The watchers of the inventory, around one run. Nothing here raises."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._textfile = inventory.metrics.textfile if inventory.metrics else None
        self._health = Health(inventory.health.ping_url) if inventory.health else None
        self._outcome_told = False

    def started(self) -> None:
        """Tell that a run begins."""
        if self._health:
            self._health.started()

    def ended(self, outcome: Outcome, summary: str) -> dict[str, str | None]:
        """Tell a run's outcome. Return for each watcher why it could not be told, or None."""
        self._outcome_told = True
        found: dict[str, str | None] = {}
        # A run that left all to another one, as to `zkpoll watch`, has no figures: the other one has.
        if self._textfile and outcome.exit_code is not ExitCode.LOCKED:
            found["metrics"] = self._measure(self._textfile, outcome)
        if self._health:
            found["health check"] = self._health.ended(outcome.exit_code, summary)
        return found

    def broke_off(self, error: Exception) -> None:
        """Tell that a run broke off, unless its outcome was told."""
        if self._health and not self._outcome_told:
            known = isinstance(error, ZkpollError)
            code = error.exit_code if isinstance(error, ZkpollError) else ExitCode.BUG
            self._health.ended(code, str(error) if known else f"a bug in zkpoll ({type(error).__name__})")

    def _measure(self, path: Path, outcome: Outcome) -> str | None:
        """Write a run's figures. Return why they could not be written, or None."""
        from zkpoll.journal.opening import open_journal
        from zkpoll.reports import metrics

        now, beside_serve = datetime.now(UTC), bool(self._inventory.pushing)

        def write() -> None:
            with open_journal(self._inventory.home, writable=False) as journal, metrics.turn(journal):
                found = metrics.of_run(outcome, metrics.standings(self._inventory, journal, now), now)
                metrics.write_of_run(path, found, beside_serve=beside_serve)

        problem = why_not_written(path, write)
        if problem:
            _log.warning("%s", problem)
        return problem


def why_not_written(path: Path, write: Callable[[], None]) -> str | None:
    """Let `write` write to a file what others look at. Return why it could not be written, or None."""
    try:
        write()
    except OSError as error:
        return f"{path} cannot be written: {reason(error)}"
    except ZkpollError as error:
        return str(error)
    return None


@contextmanager
def watched(inventory: Inventory, *, dry_run: bool = False) -> Iterator[Watchers | None]:
    """Tell the watchers that a run begins, and if it breaks off. Give them, to be told of its outcome.

    A dry run has none.
    """
    if dry_run:
        yield None
        return
    watchers = Watchers(inventory)
    watchers.started()
    try:
        yield watchers
    except Exception as error:
        watchers.broke_off(error)
        raise
