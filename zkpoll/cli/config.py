"""`zkpoll config`: look at the inventory, touch no device."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option

if TYPE_CHECKING:
    from pathlib import Path


@click.group()
def config() -> None:
    """Check the inventory, or describe it to an editor."""


@config.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
def check(config: Path | None, as_json: bool) -> None:
    """Check the inventory and print its settings.

    Prints what zkpoll will use: defaults merged into every device, variables filled in, secrets
    masked. A wrong inventory ends with code 78 and every problem, one a line. No device and no
    dashboard is contacted.
    """
    from zkpoll.inventory import load, locate
    from zkpoll.tasks.outcome import EXPOSED

    inventory = load(locate(config, os.environ), os.environ, strict=True)
    for dashboard in inventory.dashboards:
        if dashboard.exposed:
            click.echo(f"{dashboard.name}: {EXPOSED}", err=True)
    settings = inventory.masked()
    click.echo(_json(settings) if as_json else _yaml(settings), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON Schema of the inventory.

    Save it and name it in the inventory's first line, and an editor completes and checks settings:

    \b
      zkpoll config schema > devices.schema.json
      # yaml-language-server: $schema=./devices.schema.json
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.inventory.schema import schema as inventory_schema

    click.echo(_json(inventory_schema()), nl=False)


def _json(data: object) -> str:
    return json.dumps(data, indent=2) + "\n"


def _yaml(data: object) -> str:
    import yaml

    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
