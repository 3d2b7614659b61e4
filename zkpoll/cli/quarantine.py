"""`zkpoll quarantine`: records with impossible values, kept raw."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import (
    agreed,
    config_option,
    json_option,
    load_inventory,
    no_such_device,
    open_journal,
    refuse_unasked,
    yes_option,
)
from zkpoll.cli.output import print_json, say
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.quarantine import Impossible

_FIRST_FEW: Final = 5
"""Records shown before a person is asked whether to accept them."""


@click.group()
def quarantine() -> None:
    """Look at records that are impossible, and accept that they are."""


@quarantine.command("list")
@config_option
@json_option
def list_(config: Path | None, as_json: bool) -> None:
    """List impossible records: their device, why, since when, and their bytes.

    Such a record has a date like 30 February, an unprintable user id or an unknown state. It is kept as the
    device gave it, counted in the outcome of each whole reading, and never sent. Until a person accepts it,
    the log it is in is not cleared.
    """
    from zkpoll.journal.quarantine import quarantined

    with open_journal(load_inventory(config, secrets=False)) as journal:
        records = quarantined(journal)
    if as_json:
        print_json([asdict(record) | {"raw": record.raw.hex()} for record in records])
        return
    for record in records:
        say(_line(record))
    if not records and sys.stdout.isatty():
        click.echo("Nothing is in quarantine.")


@quarantine.command()
@config_option
@click.option("--device", "name", required=True, metavar="NAME", help="The device they came from.")
@yes_option
def accept(config: Path | None, name: str, yes: bool) -> int:
    """Accept that a device's impossible records stay so: they no longer keep its log from being cleared.

    That is for all there are by now; one that comes later has to be accepted, too. They are never sent, and
    stay in quarantine, and in the copy that is kept of each log that is cleared.
    """
    from zkpoll.journal import quarantine as room
    from zkpoll.journal.devices import Devices
    from zkpoll.reports.words import are, counted

    refuse_unasked(yes)
    inventory = load_inventory(config, secrets=False)
    with open_journal(inventory) as journal:
        key = Devices(journal).key_of(name)
        found = room.quarantined(journal)
    if key is None:
        raise no_such_device(name)
    # Not those of a stranger at its address.
    records = [one for one in found if one.serial_number == key and one.accepted_at is None]
    if not records:
        click.echo(f"Nothing of {name} is in quarantine that is not accepted.")
        return ExitCode.OK
    if not yes:
        for record in records[:_FIRST_FEW]:
            click.echo(_line(record), err=True)
        if len(records) > _FIRST_FEW:
            click.echo(f"... and {len(records) - _FIRST_FEW:,} more", err=True)
        if not agreed(f"Accept {counted(len(records), 'record')} of {name}?"):
            click.echo("Nothing is accepted.")
            return ExitCode.ATTENTION
    with open_journal(inventory, writable=True) as journal:
        count = room.accept(journal, records)
    click.echo(f"{counted(count, 'record')} of {name} {are(count)} accepted.")
    return ExitCode.OK


def _line(record: Impossible) -> str:
    name = record.device or "no device any more"
    what = f"{record.reason}: {record.raw.hex()}{'  (accepted)' if record.accepted_at else ''}"
    return f"{record.quarantined_at}  {name} ({record.serial_number})  {what}"
