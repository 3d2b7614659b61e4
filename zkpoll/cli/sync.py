"""`zkpoll sync`: the run that cron starts."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, log, log_format_option, verbose_option
from zkpoll.cli.selection import Asked, source_options, sources_asked

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.cli.sync_report import Manner
    from zkpoll.reports.log_lines import Format, Style
    from zkpoll.tasks.run import Options


@click.command(short_help="Read all devices and databases, deliver what is new.")
@config_option
@source_options
@click.option(
    "--full",
    is_flag=True,
    help="Read whole logs and databases, not the new part alone, and count all of the journal again.",
)
@click.option("--dry-run", is_flag=True, help="Read and show what would be sent; write nothing.")
@click.option("--no-deliver", is_flag=True, help="Read and journal only.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
@click.option("--report", is_flag=True, help="Print what a person at a terminal sees, wherever this runs.")
@click.option("-q", "--quiet", is_flag=True, help="On a terminal, print nothing but failures.")
@verbose_option
@log_format_option
def sync(
    config: Path | None,
    asked: Asked,
    full: bool,
    dry_run: bool,
    no_deliver: bool,
    as_json: bool,
    report: bool,
    quiet: bool,
    verbose: bool,
    log_format: Format,
) -> int:
    """Read every device and database, journal what is new, deliver what is pending.

    A device without host: calls us, so it is not read here; its punches are delivered like all others.

    On a terminal, or with --report, it prints a line for each device and database, and a summary; with -q
    only the lines of what failed or needs a look. From cron it prints nothing while all is well, and
    otherwise one line for each thing that needs a person: when it begins, changes or ends, and once a day
    while it lasts. So it is with the mistakes of a bad inventory; at a terminal all are shown each time.
    Where systemd's journal reads stderr, each line carries its priority.

    Where a first reading brings more than 1,000 punches that are older than a month, and since: is not there,
    a person at the terminal is asked before anything is sent; a dry run says so, too. From cron they go.

    Where the inventory says so, figures of the run are written for Prometheus (metrics:) and a page for a
    browser (page:), and a service is told how it begins and ends (health:). A dry run tells nobody.

    Exit codes: 0 all well; 1 something needs attention, the rest is done; 69 nothing could be reached;
    74 the journal cannot be used; 75 another run is at all of it (what another run is at counts as not asked
    for, where there is more); 78 bad inventory; 129, 130, 131 or 143 stopped by SIGHUP, SIGINT, SIGQUIT or
    SIGTERM.
    """
    from zkpoll.cli import sync_report
    from zkpoll.cli.streams import speak_utf8
    from zkpoll.errors import ZkpollError
    from zkpoll.reports.log_lines import style_of
    from zkpoll.tasks.run import Options

    if log_format == "json":
        speak_utf8(sys.stderr)
    manner = sync_report.Manner(as_json=as_json, report=report, quiet=quiet, verbose=verbose)
    manner.check(dry_run=dry_run)
    style = style_of(sys.stderr, os.environ, log_format)
    options = Options(full=full, deliver=not no_deliver, dry_run=dry_run)
    try:
        return _run(config, asked, options, style, manner)
    except ZkpollError as error:
        return sync_report.failed(error, style)


def _run(config: Path | None, asked: Asked, options: Options, style: Style, manner: Manner) -> int:
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.cli.streams import OutputLost
    from zkpoll.errors import ExitCode
    from zkpoll.reports.run_summary import letter
    from zkpoll.reports.watchers import watched
    from zkpoll.sync import sync as run

    shown = manner.is_seen or options.dry_run or sys.stderr.isatty()
    inventory = sync_report.loaded(config, style, shown=shown)
    if inventory is None:
        return ExitCode.INVENTORY
    devices, databases = sources_asked(inventory, asked)
    if asked:
        options = replace(options, devices=frozenset(one.name for one in (*devices, *databases)))
    with (
        log(manner.verbose, style),
        watched(inventory, dry_run=options.dry_run) as watchers,
        stop_on_signal() as stop,
    ):
        with sync_report.progress(inventory, options, shown=manner.has_progress) as observer:
            # Only a person keeps delivery waiting: from cron one silent device delays nobody's punches.
            person = not manner.as_json and sys.stdin.isatty() and sys.stderr.isatty()
            ask = partial(sync_report.ask_before_delivery, inventory=inventory, observer=observer)
            outcome = run(
                inventory, options, stop=stop, observer=observer, before_delivery=ask if person else None
            )
        untold = watchers.ended(outcome, letter(outcome)) if watchers else {}
        try:
            sync_report.show(outcome, inventory, untold, style, manner)
        except OutputLost as error:
            code = sync_report.failed(error, style)
            return outcome.exit_code or code
    return outcome.exit_code
