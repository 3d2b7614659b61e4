"""`zkpoll config`: look at the inventory, touch no device."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import config_option, load_inventory
from zkpoll.cli.output import print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from zkpoll.inventory import Inventory

NO_DRIVER: Final = (
    "this machine has no psycopg, which a journal in PostgreSQL needs: pip install 'zkpoll[postgres]'"
)
NO_CELERY: Final = (
    "this machine has no celery, which `zkpoll dispatch` and `zkpoll worker` need: "
    "pip install 'zkpoll[celery]', or '.[celery]' in a checkout"
)

BARE_PAGE: Final = (
    "anybody on the way between it and a browser can read the page and its token; let a proxy with HTTPS"
    " stand before it, and have it at 127.0.0.1"
)


@click.group(short_help="Check and show the inventory; print an example of one.")
def config() -> None:
    """Check the inventory, print an example of one, or describe it to an editor."""


@config.command(short_help="Check devices.yaml: all mistakes at once.")
@config_option
@click.option("--show", is_flag=True, help="Print all settings as they will be used.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON; durations are in seconds.")
def check(config: Path | None, show: bool, as_json: bool) -> None:
    """Check the inventory: say that it has no mistakes, or all of them.

    With --show it prints what zkpoll will use: sites and defaults merged into every device, variables filled
    in, secrets masked. What is no mistake, but needs a look, is told on stderr. A wrong inventory ends with
    code 78 and every problem, one a line. No device, no dashboard and no server is contacted; `zkpoll status`
    tells whether a journal in PostgreSQL can be read.
    """
    import os

    from zkpoll.inventory import locate
    from zkpoll.model.journal_home import JournalServer
    from zkpoll.tasks.delivery_outcome import EXPOSED

    path = locate(config, os.environ)
    inventory = load_inventory(path, strict=True)
    for dashboard in inventory.dashboards:
        if dashboard.exposed:
            click.echo(f"{dashboard.name}: {EXPOSED}", err=True)
    if isinstance(inventory.home, JournalServer) and find_spec("psycopg") is None:
        click.echo(f"journal: {NO_DRIVER}", err=True)
    if inventory.workers is not None and find_spec("celery") is None:
        click.echo(f"workers: {NO_CELERY}", err=True)
    if inventory.admin is not None and not inventory.admin.is_on_this_machine:
        click.echo(f"admin: {BARE_PAGE}", err=True)
    if as_json:
        print_json(inventory.masked())
    elif show:
        import yaml

        document = inventory.masked(for_people=True)
        click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    else:
        say(f"{path}: {_contents(inventory)}, no mistakes")


def _contents(inventory: Inventory) -> str:
    """Return how many devices, dashboards and the like an inventory has, in words."""
    from zkpoll.reports.words import counted

    parts = [counted(len(inventory.devices), "device")] if inventory.devices else []
    parts += [counted(len(inventory.databases), "database")] if inventory.databases else []
    parts += [counted(len(inventory.sites), "site")] if inventory.sites else []
    return ", ".join((*parts, counted(len(inventory.dashboards), "dashboard")))


@config.command()
def example() -> None:
    """Print an inventory that shows every setting, explained.

    It is to read and to copy from; `zkpoll init` writes a short one to begin with.
    """
    from zkpoll.inventory.example import example as inventory_example

    click.echo(inventory_example(), nl=False)


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
