"""`zkpoll devices`: the terminals themselves."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import check_names, config_option
from zkpoll.cli.devices import ping
from zkpoll.cli.devices.discover import discover
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.model.sums import Counts
    from zkpoll.tasks.outcome import DeviceOutcome, Outcome


@click.group()
def devices() -> None:
    """Look after the terminals."""


for _look in (ping.list_, ping.ping, ping.info, ping.clock, discover):
    devices.add_command(_look)


@devices.command()
@config_option
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
def clear(config: Path | None, name: str, yes: bool) -> int:
    """Clear the log of the device NAME, with proof that nothing is lost.

    First it is read, and what is pending is delivered. Then its numbers are shown, and you are asked. The log
    is cleared only if every record in it is in the journal, settled with every dashboard, and in a raw copy
    beside the journal, and while nobody can punch; else it says what is in the way. What the device proved
    unfit for before (it ignored being disabled, or the command itself) is tried again.
    """
    from zkpoll.cli import sync_report
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.inventory import load, locate
    from zkpoll.sync import sync
    from zkpoll.tasks.run import Options

    if not (yes or sys.stdin.isatty()):
        raise click.UsageError("nobody is there to be asked; say --yes")
    inventory = load(locate(config, os.environ), os.environ)
    check_names(inventory, [name], "NAME")
    only = frozenset((name,))
    with sync_report.log(verbose=False), stop_on_signal() as stop:
        read = sync(inventory, Options(only, clear="never"), stop=stop)
        if read.devices[0].problem:
            return _not_cleared(read)
        if read.devices[0].reading and not read.devices[0].reading.on_device:
            click.echo(f"The log of {name} is empty.")
            return ExitCode.OK
        click.echo(_numbers(inventory, read.devices[0]))
        if not (yes or click.confirm(f"Clear the log of {name}?", err=True)):
            click.echo("Nothing is cleared.")
            return ExitCode.ATTENTION
        done = sync(inventory, Options(only, clear="now"), stop=stop)
    clearing = done.devices[0].clearing
    if clearing is None or clearing.fate not in ("cleared", "empty"):
        return _not_cleared(done)
    for subject, notice in done.notices():
        click.echo(f"{subject}: {notice.text}")
    return done.exit_code


def _not_cleared(outcome: Outcome) -> int:
    """Say why nothing was cleared."""
    troubles = [f"{subject}: {trouble.text}" for subject, trouble in outcome.troubles().items()]
    notices = [f"{subject}: {notice.text}" for subject, notice in outcome.notices()]
    clearing = outcome.devices[0].clearing
    if clearing and clearing.fate == "changed":
        notices.append(clearing.problem or "")
    for line in (*troubles, *notices):
        click.echo(f"zkpoll: {line}", err=True)
    return outcome.exit_code or ExitCode.ATTENTION


def _numbers(inventory: Inventory, device: DeviceOutcome) -> str:
    """Return what there is of a device's log, here and there, in lines."""
    from zkpoll.journal.clearance import Clearance
    from zkpoll.journal.sqlite import Journal
    from zkpoll.pull.raw_copy import folder

    with Journal(inventory.journal, writable=False) as journal:
        found = Clearance(journal, device.key or "").numbers()
    on_device = device.reading.on_device if device.reading else 0
    rows = [("on device", f"{on_device:,} records"), ("in journal", f"{found.punches:,} punches")]
    rows += [(f"for {name}", _states(counts)) for name, counts in found.dashboards.items()]
    rows += [
        ("quarantined", f"{found.quarantined:,} records, {found.accepted:,} of them accepted"),
        ("raw copy", f"of {on_device:,} records, to be made in {folder(inventory.journal)}"),
    ]
    width = max(len(what) for what, _ in rows)
    return "\n".join([f"{device.name} ({device.key})", *(f"  {a:<{width}}  {b}" for a, b in rows)])


def _states(counts: Counts) -> str:
    states = ("confirmed", "pending", "parked", "held", "discarded")
    return ", ".join(f"{getattr(counts, state):,} {state}" for state in states)


@devices.command()
@config_option
@click.argument("name")
@click.option(
    "--same-terminal", is_flag=True, help="It is the terminal it was; a repair changed its serial number."
)
def accept(config: Path | None, name: str, same_terminal: bool) -> None:
    """Accept the terminal that answers as NAME with another serial number.

    While it is not accepted, its log is read and kept, and nothing of it is delivered. As a new terminal its
    punches go out under its own serial number. With --same-terminal they keep the identities they had, and
    what was kept under the new number is read again.
    """
    from zkpoll.inventory import load, locate
    from zkpoll.journal.devices import Devices
    from zkpoll.journal.sqlite import Journal

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    check_names(inventory, [name], "NAME")
    with Journal(inventory.journal) as journal:
        known = Devices(journal)
        serial = known.accept_as_same(name) if same_terminal else known.accept(name)
    what = "is the terminal it was" if same_terminal else "is a new terminal from now on"
    click.echo(f"{name} {what} (serial number {serial}).")
