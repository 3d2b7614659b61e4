"""`zkpoll quarantine`: what devices showed and nobody can believe."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zkpoll.cli.options import config_option

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def quarantine() -> None:
    """Look at records that are impossible."""


@quarantine.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(config: Path | None, as_json: bool) -> None:
    """List impossible records: their device, why, since when, and their bytes.

    Such a record has a date like 30 February, an unprintable user id or an unknown state. It is kept as the
    device gave it, counted in the outcome of each whole reading, and never sent.
    """
    from zkpoll.inventory import load, locate
    from zkpoll.journal.quarantine import quarantined
    from zkpoll.journal.store import Journal

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    with Journal(inventory.journal, writable=False) as journal:
        rows = [asdict(record) | {"raw": record.raw.hex()} for record in quarantined(journal)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        name = row["device"] or "no device any more"
        click.echo("{quarantined_at}  {name} ({serial_number})  {reason}: {raw}".format(**row, name=name))
    if not rows and sys.stdout.isatty():
        click.echo("Nothing is in quarantine.")
