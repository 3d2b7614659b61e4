"""`zkpoll dispatch`: sends workers what is due."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, json_option, log, log_format_option, verbose_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zkpoll.fleet.dispatch import Dispatched
    from zkpoll.inventory import Inventory
    from zkpoll.inventory.workers import Workers
    from zkpoll.journal.database import Journal
    from zkpoll.reports.departures import Teller
    from zkpoll.reports.log_lines import Format, Style
    from zkpoll.tasks.outcome import Outcome


@click.command(short_help="Send workers what is due.")
@config_option
@json_option
@verbose_option
@log_format_option
def dispatch(config: Path | None, as_json: bool, verbose: bool, log_format: Format) -> int:
    """Send workers the visits, deliveries and clearings that are due.

    It ends at once. Run it each minute by cron or a timer, on any number of machines: each errand is sent by
    one of them. workers: in the inventory says where the broker is, and how often devices are visited.
    `zkpoll worker` carries the errands out, and `zkpoll status` shows how they stand.

    On a terminal it says what it sent. From cron it prints nothing while all is well, and otherwise one line
    for each thing that needs a person: when it begins, changes or ends, and once a day while it lasts.

    It needs Celery, which `pip install 'zkpoll[celery]'` brings.

    Exit codes: 0 all that is due was sent; 1 the broker does not answer, or errands are late; 74 the journal
    cannot be used; 75 another run delivers under a name that has changed (was:); 78 bad inventory, or no
    workers: in it.
    """
    from zkpoll.cli import sync_report
    from zkpoll.errors import ExitCode, ZkpollError
    from zkpoll.reports.log_lines import style_of

    style = style_of(sys.stderr, os.environ, log_format)
    try:
        inventory = sync_report.loaded(config, style, shown=as_json or verbose or sys.stderr.isatty())
        if inventory is None:
            return ExitCode.INVENTORY
        with log(verbose, style):
            return _dispatch(inventory, workers_of(inventory, "dispatch"), style, as_json=as_json)
    except ZkpollError as error:
        return sync_report.failed(error, style)


def workers_of(inventory: Inventory, command: str) -> Workers:
    """Return the settings of workers. Raise `InventoryError` or `NotInstalled` where there can be none."""
    from importlib.util import find_spec

    from zkpoll.errors import InventoryError, NotInstalled

    if inventory.workers is None:
        raise InventoryError(
            "workers: is missing in the inventory; it says where the broker is (docs/scale.md)"
        )
    if find_spec("celery") is None:
        raise NotInstalled(
            f"`zkpoll {command}` needs Celery, which is not installed: pip install 'zkpoll[celery]', "
            "or '.[celery]' in a checkout"
        )
    return inventory.workers


def _dispatch(inventory: Inventory, workers: Workers, style: Style, *, as_json: bool) -> int:
    import time

    from zkpoll.cli.app import open_journal
    from zkpoll.fleet.celery import Queues
    from zkpoll.fleet.dispatch import dispatch as run
    from zkpoll.reports.run_summary import letter
    from zkpoll.reports.watchers import watched

    began = time.monotonic()
    with (
        watched(inventory) as watchers,
        open_journal(inventory, writable=True) as journal,
        Queues(workers.broker_url(), workers.address) as queues,
    ):
        done = run(inventory, journal, queues, workers.every)
        outcome = _outcome(done, inventory, time.monotonic() - began)
        untold = watchers.ended(outcome, letter(outcome)) if watchers else {}
        _show(done, outcome, untold, inventory, journal, style, as_json=as_json)
    return outcome.exit_code


def _outcome(done: Dispatched, inventory: Inventory, seconds: float) -> Outcome:
    """Return what a dispatch found, as the outcome of a run that read nothing.

    Where the broker is away, that says it all, and how its queues stand is not looked at. What could not be
    sent before is no trouble of its queue: it was sent by now.
    """
    from datetime import UTC, datetime

    from zkpoll.tasks.fleet_outcome import BrokerOutcome, queue_outcomes
    from zkpoll.tasks.outcome import Outcome

    sent = [one for one in done.standings if one.until is not None]
    queues = () if done.problem else queue_outcomes(inventory, sent, datetime.now(UTC))
    return Outcome(
        devices=(),
        deliveries=(),
        renamed=done.renamed,
        stranded=done.stranded,
        fleet=(BrokerOutcome(done.problem), *queues),
        seconds=seconds,
    )


def _show(
    done: Dispatched,
    outcome: Outcome,
    watchers: Mapping[str, str | None],
    inventory: Inventory,
    journal: Journal,
    style: Style,
    *,
    as_json: bool,
) -> None:
    """Tell what was sent, or the news."""
    from datetime import UTC, datetime
    from functools import partial

    from zkpoll.cli.output import print_json
    from zkpoll.cli.page_report import leave_page
    from zkpoll.cli.sync_report import tell_lines
    from zkpoll.reports.news import tell

    seen = as_json or sys.stdout.isatty()
    say = None if seen else partial(tell_lines, style=style)
    # Where nobody can see whether a `serve` runs, one may.
    teller: Teller = "run" if journal.is_locked("serve") is False else "run beside serve"
    tell(journal, outcome, watchers, datetime.now(UTC), say, inventory, teller)
    watchers = {**watchers, **leave_page(inventory, journal, say, teller)}
    troubles = {subject: one.text for subject, one in outcome.said().items()}
    if as_json:
        print_json(
            {"sent": dict(done.sent), "troubles": troubles, "watchers": dict(watchers)},
        )
    elif seen:
        click.echo(f"sent {_words(done)}")
        for subject, text in troubles.items():
            click.echo(f"{subject}: {text}")


def _words(done: Dispatched) -> str:
    words = {
        "visit": ("visit", "visits"),
        "deliver": ("delivery", "deliveries"),
        "clear": ("clearing", "clearings"),
    }
    told = [f"{count} {words[kind][count != 1]}" for kind, count in done.sent.items() if count]
    return ", ".join(told) or "nothing: nothing is due"
