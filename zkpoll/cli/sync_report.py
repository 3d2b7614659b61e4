"""Reports of a run: to a person at a terminal, to cron, or to a program."""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import agreed, load_inventory, no_delivery, open_journal, open_or_empty
from zkpoll.cli.output import (
    complain,
    console,
    preview_lines,
    print_grid,
    print_json,
    print_lines,
    show_preview,
)
from zkpoll.cli.page_report import leave_page
from zkpoll.cli.signals import interruptibly
from zkpoll.cli.streams import OutputLost, news_are_lost
from zkpoll.errors import Busy, InventoryError
from zkpoll.inventory import journal_of, locate
from zkpoll.journal import conditions
from zkpoll.journal.first_arrivals import hold_old_arrivals, never_read, old_arrivals
from zkpoll.model.journal_home import beside
from zkpoll.model.punch import as_json as event_as_json
from zkpoll.reports import inventory_news
from zkpoll.reports.news import tell, untold
from zkpoll.reports.old_arrivals import brought, month_ago, would_bring
from zkpoll.reports.run_summary import (
    document,
    log_reading,
    notice_lines,
    rows_read,
    summary,
    trouble_lines,
)
from zkpoll.tasks.run import Observer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from zkpoll.cli.output import Cell
    from zkpoll.errors import ExitCode, ZkpollError
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.departures import Teller
    from zkpoll.reports.log_lines import Style
    from zkpoll.tasks.outcome import Outcome
    from zkpoll.tasks.run import Options

_SHOWN: Final = 10
"""New punches that a dry run shows to a person."""
_OK: Final = ("ok", "green")
_LOOK: Final = ("look", "yellow")
_FAILED: Final = ("failed", "red")
_BUSY: Final = ("busy", "yellow")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a run is reported, as it was asked for."""

    as_json: bool = False
    report: bool = False
    """What a person at a terminal sees, wherever it runs."""
    quiet: bool = False
    verbose: bool = False

    def check(self, *, dry_run: bool) -> None:
        """Refuse what contradicts itself."""
        asked = {"--report": self.report, "-v": self.verbose, "--json": self.as_json, "--dry-run": dry_run}
        for option in (name for name, is_asked in asked.items() if is_asked and self.quiet):
            raise click.UsageError(f"-q or {option}, not both")
        if self.report and self.as_json:
            raise click.UsageError("--report or --json, not both")

    @property
    def is_for_a_person(self) -> bool:
        """Whether the report is the one for a person."""
        return not self.as_json and (self.report or sys.stdout.isatty())

    @property
    def is_seen(self) -> bool:
        """Whether a person or a program looks at the output, so that it is no news for cron."""
        return self.as_json or self.verbose or self.is_for_a_person

    @property
    def has_progress(self) -> bool:
        """Whether a person at the terminal is to see how far it has come."""
        return not (self.as_json or self.verbose or self.quiet)


@contextmanager
def progress(inventory: Inventory, options: Options, *, shown: bool) -> Iterator[Observer]:
    """Show a progress bar while inside, if a person is at the terminal. Give the observer that moves it."""
    if not (shown and sys.stderr.isatty()):
        yield Observer()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("sources" if inventory.databases else "devices"),
        MofNCompleteColumn(),
        BarColumn(20),
        TextColumn("{task.fields[records]:,} records read, {task.fields[punches]:,} punches delivered"),
    )
    sources = (*inventory.called, *inventory.databases)
    total = len(options.devices) or sum(source.enabled for source in sources)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sync", total=total, records=0, punches=0)
        counter = bar.tasks[0].fields

        def count(what: str, number: int) -> None:
            bar.update(task, **{what: counter[what] + number})

        @contextmanager
        def silenced() -> Iterator[None]:
            bar.stop()
            try:
                yield
            finally:
                bar.start()

        yield Observer(
            silenced=silenced,
            records_read=lambda _source, records: count("records", records),
            device_done=lambda _outcome: bar.advance(task),
            database_done=lambda _outcome: bar.advance(task),
            delivered=lambda _dashboard, punches: count("punches", punches),
        )


def ask_before_delivery(journal: Journal, after: int, inventory: Inventory, observer: Observer) -> None:
    """Ask a person at the terminal whether many old punches are to go out.

    `after` is the last place in the journal before the run. What is not to go is held as by `since:`, also
    where the question is broken off.
    """
    before = month_ago(datetime.now(UTC).date())
    old = old_arrivals(journal, after, before)
    lines = brought(old)
    if not lines:
        return
    with observer.silenced():
        for line in lines:
            click.echo(line, err=True)
        try:
            wanted = interruptibly(partial(agreed, "Send them? If not, they are held"))
        except click.Abort:
            _hold(journal, after, before, inventory)
            raise
        if not wanted:
            _hold(journal, after, before, inventory)
            first, names = min(one.first for one in old), [one.name for one in inventory.dashboards]
            span = f"--from {first} --until {before}"
            click.echo(f"Held. `zkpoll backfill --to {names[0]} {span}` sends them.", err=True)


def _hold(journal: Journal, after: int, before: date, inventory: Inventory) -> None:
    with no_delivery(inventory, [one.name for one in inventory.dashboards]):
        hold_old_arrivals(journal, after, before)


def loaded(config: Path | None, style: Style, *, shown: bool) -> Inventory | None:
    """Return the inventory asked for, or None where cron was told, now or before, that it cannot be used.

    Where a person or a program looks (`shown`), nothing is remembered: raise `InventoryError`.
    """
    if shown:
        return load_inventory(config)
    path = locate(config, os.environ)
    error = inventory = None
    try:
        inventory = load_inventory(path)
    except InventoryError as caught:
        error = caught
    journal = beside(inventory.home) if inventory else journal_of(path, os.environ)
    memory = inventory_news.Memory(path, journal, os.environ)
    level = logging.ERROR if error else logging.WARNING
    try:
        inventory_news.tell(error, memory, datetime.now(UTC), lambda lines: tell_lines(lines, style, level))
    except OutputLost:  # told again by the next run
        if error is not None:
            raise error from None
    return inventory


def failed(error: ZkpollError, style: Style) -> ExitCode:
    """Tell on stderr why a run came to nothing. Return its exit code."""
    complain(style.notice(line, logging.ERROR) for line in str(error).splitlines())
    return error.exit_code


def show(
    outcome: Outcome,
    inventory: Inventory,
    watchers: Mapping[str, str | None],
    style: Style,
    manner: Manner,
) -> None:
    """Report a run's outcome, and for each of `watchers` why it could not be told.

    Without a person at a terminal, a real run tells its news on stderr. Any real one remembers the troubles
    that last: what is told in another way is told as news by the next run that has any.
    """
    real = outcome.would_send is None
    if real:
        say = None if manner.is_seen else partial(tell_lines, style=style)
        watchers = {**watchers, **_remember(outcome, inventory, watchers, say)}
    if manner.as_json:
        print_json(document(outcome) | {"watchers": dict(watchers)})
    elif manner.is_for_a_person:
        _show_person(outcome, quiet=manner.quiet)
        _warn((f"{subject}: {trouble.text}" for subject, trouble in untold(watchers).items()), style)
    elif not real:
        _show_dry(outcome, style)
    elif manner.verbose:
        _log_end(outcome)
    else:
        tell_lines(notice_lines(outcome), style)
    if not real:
        with open_or_empty(inventory) as journal:
            unread = never_read(journal, (one.name for one in outcome.read))
        _warn(would_bring(outcome, unread, datetime.now(UTC).date()), style)
    if outcome.untold and real:
        with open_journal(inventory, writable=True) as journal:
            conditions.strike(journal, outcome.untold)


def _show_dry(outcome: Outcome, style: Style) -> None:
    """Print what a dry run would have sent, and on stderr the rest."""
    print_lines(json.dumps(event_as_json(event)) for event in outcome.would_send or ())
    for preview in outcome.previews:
        for line in preview_lines(preview):
            click.echo(line, err=True)
    _warn((*trouble_lines(outcome), *notice_lines(outcome)), style)


def _log_end(outcome: Outcome) -> None:
    """Log the end of a run that logged its visits and deliveries itself."""
    logger = logging.getLogger("zkpoll")
    for subject, trouble in outcome.late_troubles().items():
        logger.warning("%s: %s", subject, trouble.text)
    for subject, text in outcome.overdue:
        logger.warning("%s: %s", subject, text)
    logger.info("%s", summary(outcome))


def _remember(
    outcome: Outcome,
    inventory: Inventory,
    watchers: Mapping[str, str | None],
    say: Callable[[Iterable[str]], None] | None,
) -> dict[str, str | None]:
    """Remember the troubles of a run, and tell its news by `say`, if there is one; then leave the page.

    Return why that could not be written, or None, where there is one.
    """
    with open_journal(inventory, writable=True) as journal:
        # Where nobody can see whether a `serve` runs, one may.
        teller: Teller = "run" if journal.is_locked("serve") is False else "run beside serve"
        try:
            tell(journal, outcome, watchers, datetime.now(UTC), say, inventory, teller)
        finally:  # who looks at the page may be another one than who reads cron's mail
            found = leave_page(inventory, journal, say, teller)
        return found


def tell_lines(lines: Iterable[str], style: Style, level: int = logging.WARNING) -> None:
    """Tell news. Raise `OutputLost` where nobody can be told, so that those that last are told again."""
    lines = tuple(lines)
    complain(style.notice(line, level) for line in lines)
    if lines and news_are_lost():
        raise OutputLost


def _warn(lines: Iterable[str], style: Style) -> None:
    for line in lines:
        click.echo(style.notice(line), err=True)


def _show_person(outcome: Outcome, *, quiet: bool) -> None:
    """Print a line for each device, database and trouble, the punches of a dry run, and the summary.

    If `quiet`, print a line for what is in trouble, and nothing else.
    """
    rows = [row for row in _rows(outcome) if not (quiet and row[1] in (_OK, _BUSY))]
    if rows:
        print_grid(rows)
    if quiet:
        return
    shown = console()
    new = outcome.would_send or ()
    for event in new[:_SHOWN]:
        shown.print("would send", json.dumps(event_as_json(event)), markup=False, soft_wrap=True)
    if len(new) > _SHOWN:
        shown.print(f"and {len(new) - _SHOWN:,} more; `zkpoll sync --dry-run | less` shows all", markup=False)
    for preview in outcome.previews:
        show_preview(preview, f"the first request to {preview.dashboard} would be:")
    shown.print(summary(outcome), markup=False)


def _rows(outcome: Outcome) -> Iterator[tuple[Cell, Cell, Cell]]:
    for device in outcome.devices:
        trouble = device.trouble
        if trouble and not device.complete:
            mark = _BUSY if device.kind == Busy.kind else _FAILED
            yield device.name, mark, f"see {trouble.told_by}" if trouble.told_by else trouble.text
            continue
        attention = trouble is not None or any(not notice.harmless for notice in device.notices)
        told = [trouble.text] if trouble else []
        text = "; ".join([log_reading(device), *told, *(notice.text for notice in device.notices)])
        yield device.name, _LOOK if attention else _OK, text
    for database in outcome.databases:
        if database.trouble:
            yield database.name, _BUSY if database.kind == Busy.kind else _FAILED, database.trouble.text
            continue
        attention = any(not notice.harmless for notice in database.notices)
        text = "; ".join([rows_read(database), *(notice.text for notice in database.notices)])
        yield database.name, _LOOK if attention else _OK, text
    for delivery in outcome.deliveries:
        if delivery.trouble:
            yield delivery.name, _FAILED if delivery.problem else _LOOK, delivery.trouble.text
        elif delivery.problem:
            yield delivery.name, _OK, delivery.problem
    for subject, trouble in {**outcome.other_troubles(), **outcome.advice()}.items():
        yield subject, _LOOK, trouble.text
    for subject, text in outcome.overdue:
        yield subject, _LOOK, text
