"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

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
