"""`zkpoll quarantine`: what devices showed and nobody can believe."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import config_option
from zkpoll.cli.output import say
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.journal.quarantine import Impossible
    from zkpoll.journal.sqlite import Journal

_FIRST_FEW: Final = 5
"""Records shown before a person is asked whether to accept them."""


@click.group()
def quarantine() -> None:
    """Look at records that are impossible, and accept that they are."""


@quarantine.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(config: Path | None, as_json: bool) -> None:
    """List impossible records: their device, why, since when, and their bytes.

    Such a record has a date like 30 February, an unprintable user id or an unknown state. It is kept as the
    device gave it, counted in the outcome of each whole reading, and never sent. Until a person accepts it,
    the log it is in is not cleared.
    """
    from zkpoll.journal.quarantine import quarantined
    from zkpoll.journal.sqlite import Journal

    with Journal(_journal(config), writable=False) as journal:
        records = quarantined(journal)
    if as_json:
        rows = [asdict(record) | {"raw": record.raw.hex()} for record in records]
        click.echo(json.dumps(rows, indent=2))
        return
    for record in records:
        say(_line(record))
    if not records and sys.stdout.isatty():
        click.echo("Nothing is in quarantine.")


@quarantine.command()
@config_option
@click.option("--device", "name", required=True, metavar="NAME", help="The device they came from.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
def accept(config: Path | None, name: str, yes: bool) -> int:
    """Accept that a device's impossible records stay so: they no longer keep its log from being cleared.

    That is for all there are by now; one that comes later has to be accepted, too. They are never sent, and
    stay in quarantine, and in the copy that is kept of each log that is cleared.
    """
    from zkpoll.journal import quarantine as room
    from zkpoll.journal.sqlite import Journal

    if not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes")
    path = _journal(config)
    with Journal(path, writable=False) as journal:
        records = _not_accepted(journal, name)
    if not records:
        click.echo(f"Nothing of {name} is in quarantine that is not accepted.")
        return ExitCode.OK
    if not (yes or _agreed(records, name)):
        click.echo("Nothing is accepted.")
        return ExitCode.ATTENTION
    with Journal(path) as journal:
        count = room.accept(journal, records)
    click.echo(f"{_records(count)} of {name} {'is' if count == 1 else 'are'} accepted.")
    return ExitCode.OK


def _journal(config: Path | None) -> Path:
    from zkpoll.inventory import load, locate

    return load(locate(config, os.environ), os.environ, secrets=False).journal


def _not_accepted(journal: Journal, name: str) -> list[Impossible]:
    """Return a device's records that are not accepted yet, without those of a stranger at its address."""
    from zkpoll.journal.devices import Devices
    from zkpoll.journal.quarantine import quarantined

    key = Devices(journal).key_of(name)
    if key is None:
        raise click.BadParameter(f"no device {name!r} in the journal", param_hint="--device")
    return [one for one in quarantined(journal) if one.serial_number == key and one.accepted_at is None]


def _agreed(records: list[Impossible], name: str) -> bool:
    """Show what is to be accepted, and ask."""
    for record in records[:_FIRST_FEW]:
        click.echo(_line(record), err=True)
    if len(records) > _FIRST_FEW:
        click.echo(f"... and {len(records) - _FIRST_FEW:,} more", err=True)
    return click.confirm(f"Accept {_records(len(records))} of {name}?", err=True)


def _line(record: Impossible) -> str:
    name = record.device or "no device any more"
    what = f"{record.reason}: {record.raw.hex()}{'  (accepted)' if record.accepted_at else ''}"
    return f"{record.quarantined_at}  {name} ({record.serial_number})  {what}"


def _records(count: int) -> str:
    return f"{count:,} {'record' if count == 1 else 'records'}"
