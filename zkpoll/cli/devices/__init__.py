"""`zkpoll devices`: the terminals themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import (
    agreed,
    check_called,
    check_names,
    config_option,
    load_inventory,
    open_journal,
    refuse_unasked,
    stoppable_run,
    yes_option,
)
from zkpoll.cli.devices import ping
from zkpoll.cli.devices.ask import ask
from zkpoll.cli.devices.discover import discover
from zkpoll.cli.devices.pending import pending
from zkpoll.cli.output import print_lines
from zkpoll.cli.streams import going_on
from zkpoll.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory
    from zkpoll.tasks.device_outcome import DeviceOutcome
    from zkpoll.tasks.outcome import Outcome


@click.group(short_help="Look after terminals: clocks, logs, who called.")
def devices() -> None:
    """Look after the terminals."""


for _look in (ping.list_, ping.ping, ping.info, ping.clock, discover, pending, ask):
    devices.add_command(_look)


@devices.command()
@config_option
@click.argument("name")
@yes_option
def clear(config: Path | None, name: str, yes: bool) -> int:
    """Clear the log of the device NAME, with proof that nothing is lost.

    First it is read, and what is pending is delivered. Then its numbers are shown, and you are asked. The log
    is cleared only if every record in it is in the journal, settled with every dashboard, and in a raw copy
    beside the journal, and while nobody can punch; else it says what is in the way. What the device proved
    unfit for before (it ignored being disabled, or the command itself) is tried again.
    """
    from zkpoll.model.fate import Fate
    from zkpoll.reports.run_summary import notice_lines
    from zkpoll.sync import sync
    from zkpoll.tasks.run import Options

    refuse_unasked(yes)
    inventory = load_inventory(config)
    check_called(inventory, [name], "NAME")
    only = frozenset((name,))
    with stoppable_run() as stop:
        read = sync(inventory, Options(only, clear="never"), stop=stop)
        if read.devices[0].problem:
            return _not_cleared(read)
        if read.devices[0].reading and not read.devices[0].reading.on_device:
            click.echo(f"The log of {name} is empty.")
            return ExitCode.OK
        with going_on():
            click.echo(_numbers(inventory, read.devices[0]))
        if not (yes or agreed(f"Clear the log of {name}?")):
            click.echo("Nothing is cleared.")
            return ExitCode.ATTENTION
        done = sync(inventory, Options(only, clear="now"), stop=stop)
    clearing = done.devices[0].clearing
    if clearing is None or clearing.fate not in (Fate.CLEARED, Fate.EMPTY):
        return _not_cleared(done)
    print_lines(notice_lines(done))
    return done.exit_code


def _not_cleared(outcome: Outcome) -> int:
    """Say why nothing was cleared."""
    from zkpoll.errors import Busy
    from zkpoll.model.fate import Fate
    from zkpoll.reports.run_summary import notice_lines, trouble_lines

    lines = [*trouble_lines(outcome), *notice_lines(outcome)]
    clearing = outcome.devices[0].clearing
    if clearing and clearing.fate in (Fate.CHANGED, Fate.BUSY):
        lines.append(clearing.problem or "")
    device = outcome.devices[0]
    if device.kind == Busy.kind:  # no trouble: another run is at it
        lines.append(f"{device.subject}: {device.problem}")
    for line in lines:
        click.echo(f"zkpoll: {line}", err=True)
    return outcome.exit_code or ExitCode.ATTENTION


def _numbers(inventory: Inventory, device: DeviceOutcome) -> str:
    """Return in lines how many punches of a device are on it, in the journal and at each dashboard."""
    from zkpoll.journal.clearance import Clearance
    from zkpoll.journal.opening import folders

    with open_journal(inventory) as journal:
        found = Clearance(journal, device.key or "").numbers()
    on_device = device.reading.on_device if device.reading else 0
    rows = [("on device", f"{on_device:,} records"), ("in journal", f"{found.punches:,} punches")]
    states = ("confirmed", "pending", "parked", "held", "discarded")
    rows += [
        (f"for {name}", ", ".join(f"{getattr(counts, state):,} {state}" for state in states))
        for name, counts in found.dashboards.items()
    ]
    rows += [
        ("quarantined", f"{found.quarantined:,} records, {found.accepted:,} of them accepted"),
        ("raw copy", f"of {on_device:,} records, to be made in {folders(inventory.home).raw_copies}"),
    ]
    width = max(len(what) for what, _ in rows)
    return "\n".join([f"{device.name} ({device.key})", *(f"  {a:<{width}}  {b}" for a, b in rows)])


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
    from zkpoll.journal.devices import Devices

    inventory = load_inventory(config, secrets=False)
    check_names(inventory, [name], "NAME")
    with open_journal(inventory, writable=True) as journal:
        known = Devices(journal)
        serial = known.accept_as_same(name) if same_terminal else known.accept(name)
    what = "is the terminal it was" if same_terminal else "is a new terminal from now on"
    click.echo(f"{name} {what} (serial number {serial}).")
