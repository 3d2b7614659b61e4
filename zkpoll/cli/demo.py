"""`zkpoll demo`: the whole way of a punch, without hardware."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="See it work, without hardware.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    help="Where the inventory and the journal are left for you to look at.",
)
def demo(folder: Path) -> int:
    """Start three virtual terminals and a sample dashboard, and sync them twice; a fourth terminal pushes.

    The terminals (TCP, UDP, TCP with a comm key, one that calls by itself) and the dashboard live on this
    machine's loopback while the demo runs. What is run against them is the real `zkpoll sync`, and between
    its two runs the real `zkpoll serve`, with the inventory it leaves behind.
    """
    from zkpoll.errors import reason
    from zkpoll.ordinary_files import check_replaceable
    from zkpoll.simulator.demo import INVENTORY, run

    try:
        check_replaceable(folder / INVENTORY)
    except OSError as error:
        raise click.ClickException(f"{folder / INVENTORY} cannot be written: {reason(error)}") from error
    return run(folder, click.echo)
