"""`zkpoll devices`: the terminals themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from zkpoll.cli.options import check_names, config_option

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def devices() -> None:
    """Look after the terminals."""


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
    from zkpoll.journal.store import Journal

    inventory = load(locate(config, os.environ), os.environ, secrets=False)
    check_names(inventory, [name], "NAME")
    with Journal(inventory.journal) as journal:
        known = Devices(journal)
        serial = known.accept_as_same(name) if same_terminal else known.accept(name)
    what = "is the terminal it was" if same_terminal else "is a new terminal from now on"
    click.echo(f"{name} {what} (serial number {serial}).")
