"""`zkpoll config`: look at the inventory, touch no device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkpoll.cli.app import config_option, load_inventory
from zkpoll.cli.output import print_json

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
    from zkpoll.tasks.delivery_outcome import EXPOSED

    inventory = load_inventory(config, strict=True)
    for dashboard in inventory.dashboards:
        if dashboard.exposed:
            click.echo(f"{dashboard.name}: {EXPOSED}", err=True)
    if as_json:
        print_json(inventory.masked())
    else:
        import yaml

        click.echo(yaml.safe_dump(inventory.masked(), sort_keys=False, allow_unicode=True), nl=False)


@config.command()
def schema() -> None:
    """Print the JSON Schema of the inventory.

    Save it and name it in the inventory's first line, and an editor completes and checks settings:

    \b
      zkpoll config schema > devices.schema.json
      # yaml-language-server: $schema=./devices.schema.json
    """  # noqa: D301  # click's own mark is the character itself
    from zkpoll.inventory.schema import schema as inventory_schema

    print_json(inventory_schema())
