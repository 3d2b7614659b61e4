"""`zkpoll dashboards`: where punches go."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    check_destination,
    config_option,
    dashboards_asked,
    json_option,
    load_inventory,
    no_delivery,
    open_journal,
)
from zkpoll.cli.output import print_json, show_preview
from zkpoll.cli.ping_report import PingReport, report_options

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.tasks.ping_dashboard import DashboardPing


@click.group(short_help="Look after dashboards: ask them, or go on with one.")
def dashboards() -> None:
    """Look after the dashboards."""


@dashboards.command(short_help="Ask dashboards whether they would take punches.")
@config_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@report_options
def ping(config: Path | None, names: tuple[str, ...], as_json: bool, verbose: bool, quiet: bool) -> int:
    """Ask dashboards whether they would take punches; send none.

    Prints a line for each, and how many are well. Where a step fails, or with -v, it shows each step with its
    time and what was found: the name, the connection, TLS, an answer, and whether the credentials are
    accepted. What is asked depends on the format: an empty batch; a look at the records, with what the site
    has set up (frappe, odoo); or OPTIONS, and the credentials stay unknown (event, template). Without NAME
    all dashboards are asked.

    Of one dashboard, and with -v of each, it shows the request that carries the oldest punch that waits, with
    secrets masked; where none waits the newest is the example.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached.
    """
    from zkpoll.tasks.ping_dashboard import pinged
    from zkpoll.tasks.result import exit_code

    inventory = load_inventory(config)
    asked = dashboards_asked(inventory, names, "NAME")
    report = PingReport([one.name for one in asked], verbose=verbose, quiet=quiet, as_json=as_json)
    found: list[DashboardPing] = []
    for one in asked:
        ping = pinged(one, inventory)
        found.append(ping)
        report.show(ping)
        if ping.preview is not None and not (as_json or quiet) and (verbose or len(asked) == 1):
            show_preview(ping.preview, "  how the oldest that waits, or the newest, is sent:")
    report.end()
    if as_json:
        print_json(list(map(_document, found)))
    return exit_code(found)


@dashboards.command()
@config_option
@click.argument("name")
def resume(config: Path | None, name: str) -> None:
    """Deliver again to a dashboard that delivery was stopped to.

    One that answered 410 (Gone), or a Frappe site that gave a checkin another time than its punch has, is
    sent nothing any more until this is said.
    """
    from zkpoll.journal.decisions import Decisions

    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        check_destination(journal, name, "NAME")
    with open_journal(inventory, writable=True) as journal, no_delivery(inventory, [name]):
        said = Decisions(journal, name).resume()
    if said is None:
        click.echo(f"{name} was not stopped; there is nothing to resume.")
    else:
        click.echo(f"{name} gets punches again from the next delivery on (it was stopped: {said}).")


def _document(ping: DashboardPing) -> dict[str, object]:
    return {
        "name": ping.name,
        "ok": ping.ok,
        "answered": ping.answered,
        "steps": list(map(asdict, ping.steps)),
        "first_request": asdict(ping.preview) if ping.preview else None,
    }
