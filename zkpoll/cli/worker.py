"""`zkpoll worker`: carries out what `zkpoll dispatch` sends."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, log, log_format_option, no_such, verbose_option
from zkpoll.cli.dispatch import workers_of

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.reports.log_lines import Format, Style


@click.command(short_help="Carry out what is sent to workers, until it is stopped.")
@config_option
@click.option(
    "--site", "sites", multiple=True, metavar="NAME", help="Visit what is at this site; may be repeated."
)
@click.option("--deliver", is_flag=True, help="Deliver to dashboards.")
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Errands carried out at the same time, besides deliveries.",
)
@verbose_option
@log_format_option
def worker(
    config: Path | None,
    sites: tuple[str, ...],
    deliver: bool,
    threads: int,
    verbose: bool,
    log_format: Format,
) -> int:
    """Carry out the visits, deliveries and clearings that `zkpoll dispatch` sends, until it is stopped.

    With --site it visits what is at these sites, with --deliver it delivers to dashboards. With neither it
    does all of it, and visits what has no site, too. Any number of workers may run, on any machines that
    have the same inventory and reach the broker and the journal. `zkpoll sync` may run beside them.

    When it takes errands it writes one line on stderr: "taking errands: visit, deliver". After that a line
    for each thing that needs a person: when it begins, changes or ends, and once a day while it lasts. A
    broker that is away is waited for. A change of the inventory is seen; one that cannot be used is told, and
    the former one stays.

    A signal ends it within 15 seconds: what is under way is broken off where that loses nothing.

    It needs Celery, which `pip install 'zkpoll[celery]'` brings.

    Exit codes: 0 stopped by a signal; 74 the journal cannot be used; 78 bad inventory, or no workers: in it.
    """
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.cli.streams import speak_utf8
    from zkpoll.errors import ZkpollError
    from zkpoll.inventory import locate
    from zkpoll.reports.log_lines import style_of

    if log_format == "json":
        speak_utf8(sys.stderr)
    style = style_of(sys.stderr, os.environ, log_format)
    try:
        path = locate(config, os.environ)
        inventory = _load(path)
        for site in sites:
            if site not in inventory.sites:
                raise no_such("site", site, "inventory", inventory.sites, "--site")
        workers_of(inventory, "worker")
        with log(verbose, style), stop_on_signal() as stop:
            _work(path, inventory, sites, deliver, threads, stop, style)
    except ZkpollError as error:
        return sync_report.failed(error, style)
    return 0


def _load(path: Path) -> Inventory:
    from zkpoll.cli.app import load_inventory

    return load_inventory(path)


def _work(
    path: Path,
    inventory: Inventory,
    sites: tuple[str, ...],
    deliver: bool,
    threads: int,
    stop: threading.Event,
    style: Style,
) -> None:
    from zkpoll.cli.app import open_journal
    from zkpoll.cli.worker_report import Teller
    from zkpoll.fleet.celery import Consumer
    from zkpoll.fleet.errands import queues, threads_for
    from zkpoll.fleet.inventories import Inventories
    from zkpoll.fleet.worker import ended_in_time, myself, work

    workers = workers_of(inventory, "worker")
    names = queues(inventory, sites, deliver=deliver)

    def settled(inventory: Inventory) -> object:
        broker = inventory.workers and inventory.workers.broker_url()
        return broker, queues(inventory, sites, deliver=deliver)

    teller = Teller(workers.address, names, style)
    with ended_in_time(stop), open_journal(inventory, writable=True) as journal:
        work(
            Inventories(inventory, path, _load, settled, teller.observers.trouble),
            journal,
            Consumer(workers.broker_url(), names, threads_for(inventory, names, threads), teller.connected),
            teller.observers,
            by=myself(),
            stop=stop,
        )
