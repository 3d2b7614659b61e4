"""`zkpoll sync`: the run that cron starts."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import check_called, config_option, load_inventory, log, log_format_option, verbose_option

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.reports.log_lines import Format, Style
    from zkpoll.tasks.run import Options


@click.command(short_help="Read all devices, deliver what is new.")
@config_option
@click.option("--device", "devices", multiple=True, metavar="NAME", help="Only this device; may be repeated.")
@click.option("--full", is_flag=True, help="Read whole logs, also where only the new part is needed.")
@click.option("--dry-run", is_flag=True, help="Read and show what would be sent; write nothing.")
@click.option("--no-deliver", is_flag=True, help="Read and journal only.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
@verbose_option
@log_format_option
def sync(
    config: Path | None,
    devices: tuple[str, ...],
    full: bool,
    dry_run: bool,
    no_deliver: bool,
    as_json: bool,
    verbose: bool,
    log_format: Format,
) -> int:
    """Read every device, journal what is new, deliver what is pending.

    A device without host: calls us, so it is not read here; its punches are delivered like all others.

    On a terminal it prints a line for each device and a summary. From cron it prints nothing while all is
    well, and otherwise one line for each thing that needs a person: when it begins, changes or ends, and
    once a day while it lasts. Where systemd's journal reads stderr, each line carries its priority.

    Where the inventory says so, figures of the run are written for Prometheus (metrics:), and a service is
    told how it begins and ends (health:). A dry run tells nobody.

    Exit codes: 0 all well; 1 something needs attention, the rest is done; 69 nothing could be reached;
    74 the journal cannot be used; 75 another run is at all of it; 78 bad inventory; 129, 130, 131 or 143
    stopped by SIGHUP, SIGINT, SIGQUIT or SIGTERM.
    """
    from zkpoll.cli import sync_report
    from zkpoll.cli.streams import speak_utf8
    from zkpoll.errors import ZkpollError
    from zkpoll.reports.log_lines import style_of
    from zkpoll.tasks.run import Options

    if log_format == "json":
        speak_utf8(sys.stderr)
    style = style_of(sys.stderr, os.environ, log_format)
    options = Options(frozenset(devices), full=full, deliver=not no_deliver, dry_run=dry_run)
    try:
        return _run(config, options, style, as_json=as_json, verbose=verbose)
    except ZkpollError as error:
        return sync_report.failed(error, style)


def _run(config: Path | None, options: Options, style: Style, *, as_json: bool, verbose: bool) -> int:
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.cli.streams import OutputLost
    from zkpoll.reports.run_summary import letter
    from zkpoll.reports.watchers import watched
    from zkpoll.sync import sync as run

    inventory = load_inventory(config)
    check_called(inventory, options.devices, "--device")
    with (
        log(verbose, style),
        watched(inventory, dry_run=options.dry_run) as watchers,
        stop_on_signal() as stop,
    ):
        with sync_report.progress(inventory, options, shown=not (as_json or verbose)) as observer:
            outcome = run(inventory, options, stop=stop, observer=observer)
        untold = watchers.ended(outcome, letter(outcome)) if watchers else {}
        try:
            sync_report.show(outcome, inventory, untold, style, as_json=as_json, verbose=verbose)
        except OutputLost as error:
            code = sync_report.failed(error, style)
            return outcome.exit_code or code
    return outcome.exit_code
