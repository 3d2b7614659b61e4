"""`zkpoll sync`: the run that cron starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from zkpoll.cli.options import check_names, config_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Read all devices, deliver what is new.")
@config_option
@click.option("--device", "devices", multiple=True, metavar="NAME", help="Only this device; may be repeated.")
@click.option("--full", is_flag=True, help="Read whole logs, also where only the new part is needed.")
@click.option("--dry-run", is_flag=True, help="Read and show what would be sent; write nothing.")
@click.option("--no-deliver", is_flag=True, help="Read and journal only.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as one JSON document.")
@click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is done.")
def sync(
    config: Path | None,
    devices: tuple[str, ...],
    full: bool,
    dry_run: bool,
    no_deliver: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Read every device, journal what is new, deliver what is pending.

    On a terminal it prints a line for each device and a summary. From cron it prints nothing while all is
    well, and otherwise one line for each thing that needs a person: when it begins, changes or ends, and
    once a day while it lasts.

    Exit codes: 0 all well; 1 something needs attention, the rest is done; 69 nothing could be reached;
    74 the journal cannot be used; 75 another run is at all of it; 78 bad inventory; 130 or 143 stopped by a
    signal.
    """
    from zkpoll.cli import report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.inventory import load, locate
    from zkpoll.run import Options
    from zkpoll.sync import sync as run

    inventory = load(locate(config, os.environ), os.environ)
    check_names(inventory, devices, "--device")
    options = Options(frozenset(devices), full=full, deliver=not no_deliver, dry_run=dry_run)
    with report.log(verbose), stop_on_signal() as stop:
        with report.progress(inventory, options, shown=not (as_json or verbose)) as observer:
            outcome = run(inventory, options, stop=stop, observer=observer)
        report.show(outcome, inventory.journal, as_json=as_json, verbose=verbose)
    return outcome.exit_code
