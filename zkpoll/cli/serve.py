"""`zkpoll serve`: the door for terminals that push."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, load_inventory, log, log_format_option, verbose_option

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.reports.log_lines import Format
    from zkpoll.tasks.admin_desk import LivePage


@click.command(short_help="Listen for terminals that push, until it is stopped.")
@config_option
@click.option("--no-deliver", is_flag=True, help="Journal only; leave delivery to `zkpoll sync`.")
@click.option(
    "--clock-is-right",
    is_flag=True,
    help="Take this host's clock as right, though the journal has later times.",
)
@click.option("--watch", "watches", is_flag=True, help="Stay with the devices that have a host:, too.")
@verbose_option
@log_format_option
def serve(
    config: Path | None,
    no_deliver: bool,
    clock_is_right: bool,
    watches: bool,
    verbose: bool,
    log_format: Format,
) -> int:
    """Listen for terminals that push (ADMS, "Cloud Server"), until it is stopped.

    It lets in the devices of the inventory that have push:, at the address in listen:. A terminal hears OK
    once its punches are on disk, and keeps them otherwise. What comes is delivered at once; a dashboard that
    is away delays no terminal. `zkpoll sync` may run beside it, on the same journal; what has a host: and
    databases: are read by that alone. With --watch, what has a host: is watched by this one, as by
    `zkpoll watch`. With admin: it shows people the status page, at an address of its own.

    When it accepts calls it writes one line on stderr: "listening on 127.0.0.1:8081". After that a line for
    each thing that needs a person: when it begins, changes or ends, and once a day while it lasts. `zkpoll
    devices pending` shows who called and was not let in.

    It needs the package waitress, which `pip install 'zkpoll[serve]'` brings.

    Exit codes: 0 stopped by a signal; 74 the journal cannot be used; 75 another `zkpoll serve` has it, or
    another `zkpoll watch` all of the devices; 78 bad inventory, an address where it cannot listen, or no
    waitress.
    """
    from zkpoll.errors import NotInstalled, ZkpollError

    if find_spec("waitress") is None:
        raise NotInstalled(
            "`zkpoll serve` needs waitress, which is not installed: pip install 'zkpoll[serve]', "
            "or '.[serve]' in a checkout"
        )
    from zkpoll.cli import sync_report
    from zkpoll.cli.serve_report import Teller
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.cli.streams import speak_utf8
    from zkpoll.reports.log_lines import style_of

    if log_format == "json":
        speak_utf8(sys.stderr)
    style = style_of(sys.stderr, os.environ, log_format)
    try:
        inventory = load_inventory(config)
        from zkpoll.serve import serve as run

        with log(verbose, style), stop_on_signal() as stop:
            teller = Teller(inventory, style, watches=watches)
            run(
                inventory,
                teller.observers,
                stop=stop,
                deliver=not no_deliver,
                clock_is_right=clock_is_right,
                page=_page(inventory),
                watching=[one for one in inventory.called if one.enabled] if watches else None,
            )
    except ZkpollError as error:
        return sync_report.failed(error, style)
    return 0


def _page(inventory: Inventory) -> LivePage | None:
    """Return the live page, where the inventory has a place for it."""
    if inventory.admin is None:
        return None
    from functools import partial

    from zkpoll.reports.page.html import policy
    from zkpoll.reports.page.live import live_page
    from zkpoll.tasks.admin_desk import LivePage

    return LivePage(policy(), partial(live_page, inventory))
