"""`zkpoll dashboards`: where punches go."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    check_journal,
    config_option,
    dashboards_asked,
    json_option,
    load_inventory,
    no_delivery,
    open_journal,
)
from zkpoll.cli.output import print_json, show_preview, show_steps

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.tasks.ping_dashboard import DashboardPing


@click.group()
def dashboards() -> None:
    """Look after the dashboards."""


@dashboards.command()
@config_option
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
def ping(config: Path | None, names: tuple[str, ...], as_json: bool) -> int:
    """Ask dashboards whether they would take punches; send none.

    Shows for each step how long it took and what was found: the name, the connection, TLS, an answer, and
    whether the credentials are accepted. What is asked depends on the format: an empty batch; a look at
    the records, with what the site has set up (frappe, odoo); or OPTIONS, and the credentials stay unknown
    (event, template). Without NAME all dashboards are asked.

    Then it shows the request that carries the oldest punch that waits, with secrets masked; where none waits
    the newest is the example.

    Exit codes: 0 all are well; 1 some are not; 69 none could be reached.
    """
    from zkpoll.tasks.ping_dashboard import pinged
    from zkpoll.tasks.result import exit_code

    inventory = load_inventory(config)
    asked = dashboards_asked(inventory, names, "NAME")
    found: list[DashboardPing] = []
    for one in asked:
        ping = pinged(one, inventory)
        found.append(ping)
        if not as_json:
            show_steps(ping.name, ping.steps)
            if ping.preview is not None:
                show_preview(ping.preview, "  how the oldest that waits, or the newest, is sent:")
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
        check_journal(journal, dashboard=name, parameter="NAME")
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
