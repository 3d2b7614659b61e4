"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkpoll.inventory import Inventory

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="ZKPOLL_CONFIG",
    show_envvar=True,
    help="The inventory. Else the first there is of ./devices.yaml,"
    " ~/.config/zkpoll/devices.yaml and /etc/zkpoll/devices.yaml.",
)
"""Passes `config: Path | None` to a command, for `zkpoll.inventory.locate`."""


def check_names(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of devices and the parameter they came by, refuse those that the inventory lacks."""
    known = [device.name for device in inventory.devices]
    for name in names:
        if name not in known:
            there_are = ", ".join(known)
            raise click.BadParameter(
                f"no device {name!r} in the inventory; there are {there_are}", param_hint=parameter
            )
