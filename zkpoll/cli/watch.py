"""`zkpoll watch`: terminals that are read when somebody punches."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, load_inventory, log, log_format_option, verbose_option
from zkpoll.cli.selection import Asked, device_options, devices_asked

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.reports.log_lines import Format


@click.command(short_help="Stay with terminals and deliver each punch at once, until it is stopped.")
@config_option
@device_options
@click.option("--no-deliver", is_flag=True, help="Journal only; leave delivery to another command.")
@verbose_option
@log_format_option
def watch(config: Path | None, asked: Asked, no_deliver: bool, verbose: bool, log_format: Format) -> int:
    """Stay with terminals, read what is new when somebody punches, and deliver it at once.

    Each terminal is called, and rings when somebody punches; then its log is read on, as `zkpoll sync` reads
    it. A terminal that is silent for 30 seconds is read all the same, so one that does not ring is read every
    30 seconds. One that is away is called again after a second, then ever more rarely, every 5 minutes at
    last. No terminal is disabled by that. A log is cleared where the inventory says so (clear:).

    A watch keeps a terminal's only seat. Where other software needs it, yield_seat: in the inventory lets go
    of it in between. `zkpoll sync` may run beside a watch, on the same journal: what is watched it leaves
    alone, and databases are read by it. `zkpoll serve --watch` watches, and takes what terminals push.

    When it has begun it writes one line on stderr: "watching 3 devices". After that a line for each thing
    that needs a person: when it begins, changes or ends, and once a day while it lasts. A signal ends it
    within 15 seconds.

    Exit codes: 0 stopped by a signal; 74 the journal cannot be used; 75 another `zkpoll watch` has all of
    these devices; 78 bad inventory, or nothing in it to watch.
    """
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.cli.streams import speak_utf8
    from zkpoll.cli.watch_report import Teller
    from zkpoll.errors import ZkpollError
    from zkpoll.fleet.worker import ended_in_time
    from zkpoll.reports.log_lines import style_of

    if log_format == "json":
        speak_utf8(sys.stderr)
    style = style_of(sys.stderr, os.environ, log_format)
    try:
        inventory = load_inventory(config)
        devices = devices_asked(inventory, asked)
        from zkpoll.watch import watch as run

        with log(verbose, style), stop_on_signal() as stop, ended_in_time(stop):
            teller = Teller(inventory, style, asks_for_all=not asked)
            run(inventory, devices, teller.observers, stop=stop, deliver=not no_deliver)
    except ZkpollError as error:
        return sync_report.failed(error, style)
    return 0
