"""Reports of a run: to a person at a terminal, to cron, or to a program."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import open_journal
from zkpoll.cli.output import (
    complain,
    console,
    preview_lines,
    print_grid,
    print_json,
    print_lines,
    show_preview,
)
from zkpoll.cli.streams import OutputLost, news_are_lost
from zkpoll.journal import conditions
from zkpoll.model.punch import as_json as event_as_json
from zkpoll.reports.news import tell, untold
from zkpoll.reports.run_summary import document, log_reading, notice_lines, summary, trouble_lines
from zkpoll.tasks.run import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zkpoll.cli.output import Cell
    from zkpoll.errors import ExitCode, ZkpollError
    from zkpoll.inventory import Inventory
    from zkpoll.reports.log_lines import Style
    from zkpoll.tasks.outcome import Outcome
    from zkpoll.tasks.run import Options

_SHOWN: Final = 10
"""New punches that a dry run shows to a person."""
_OK: Final = ("ok", "green")
_LOOK: Final = ("look", "yellow")
_FAILED: Final = ("failed", "red")


@contextmanager
def progress(inventory: Inventory, options: Options, *, shown: bool) -> Iterator[Observer]:
    """Show a progress bar while inside, if a person is at the terminal. Give the observer that moves it."""
    if not (shown and sys.stderr.isatty()):
        yield Observer()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("devices"),
        MofNCompleteColumn(),
        BarColumn(20),
        TextColumn("{task.fields[records]:,} records read, {task.fields[punches]:,} punches delivered"),
    )
    devices = len(options.devices) or sum(device.enabled for device in inventory.called)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sync", total=devices, records=0, punches=0)
        counter = bar.tasks[0].fields

        def count(what: str, number: int) -> None:
            bar.update(task, **{what: counter[what] + number})

        yield Observer(
            records_read=lambda _device, records: count("records", records),
            device_done=lambda _outcome: bar.advance(task),
            delivered=lambda _dashboard, punches: count("punches", punches),
        )


def failed(error: ZkpollError, style: Style) -> ExitCode:
    """Tell on stderr why a run came to nothing. Return its exit code."""
    complain(style.notice(line, logging.ERROR) for line in str(error).splitlines())
    return error.exit_code


def show(
    outcome: Outcome,
    inventory: Inventory,
    watchers: Mapping[str, str | None],
    style: Style,
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Report a run's outcome, and for each of `watchers` why it could not be told.

    Without a person at a terminal, a real run tells its news on stderr.
    """
    if as_json:
        print_json(document(outcome) | {"watchers": dict(watchers)})
    elif sys.stdout.isatty():
        _show_person(outcome)
        _warn((f"{subject}: {trouble.text}" for subject, trouble in untold(watchers).items()), style)
    elif outcome.would_send is not None:
        print_lines(json.dumps(event_as_json(event)) for event in outcome.would_send)
        for preview in outcome.previews:
            for line in preview_lines(preview):
                click.echo(line, err=True)
        _warn((*trouble_lines(outcome), *notice_lines(outcome)), style)
    elif verbose:
        logger = logging.getLogger("zkpoll")
        for subject, trouble in outcome.late_troubles().items():  # the run logged the others itself
            logger.warning("%s: %s", subject, trouble.text)
        for subject, text in outcome.overdue:
            logger.warning("%s: %s", subject, text)
        logger.info("%s", summary(outcome))
    else:
        with open_journal(inventory, writable=True) as journal:
            tell(journal, outcome, watchers, datetime.now(UTC), lambda lines: _tell(lines, style))
        _tell(notice_lines(outcome), style)
    if outcome.untold and outcome.would_send is None:
        with open_journal(inventory, writable=True) as journal:
            conditions.strike(journal, outcome.untold)


def _tell(lines: Iterable[str], style: Style) -> None:
    """Tell news. Raise `OutputLost` where nobody can be told, so that those that last are told again."""
    lines = tuple(lines)
    _warn(lines, style)
    if lines and news_are_lost():
        raise OutputLost


def _warn(lines: Iterable[str], style: Style) -> None:
    for line in lines:
        click.echo(style.notice(line), err=True)


def _show_person(outcome: Outcome) -> None:
    """Print a line for each device and each trouble, the punches of a dry run, and the summary."""
    print_grid(_rows(outcome))
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
        if device.trouble:
            yield device.name, _FAILED, device.trouble.text
            continue
        attention = any(not notice.harmless for notice in device.notices)
        text = "; ".join([log_reading(device), *(notice.text for notice in device.notices)])
        yield device.name, _LOOK if attention else _OK, text
    for delivery in outcome.deliveries:
        if delivery.trouble:
            yield delivery.name, _FAILED if delivery.problem else _LOOK, delivery.trouble.text
        elif delivery.problem:
            yield delivery.name, _OK, delivery.problem
    for subject, trouble in {**outcome.other_troubles(), **outcome.advice()}.items():
        yield subject, _LOOK, trouble.text
    for subject, text in outcome.overdue:
        yield subject, _LOOK, text
