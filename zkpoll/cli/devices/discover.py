"""`zkpoll devices discover`: terminals on a network."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from zkpoll.cli.app import config_option, load_inventory
from zkpoll.cli.output import print_json, show_table
from zkpoll.errors import ExitCode, InventoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory
    from zkpoll.pull.diagnosis import Hook
    from zkpoll.pull.discovery import Around, Network, Responder
    from zkpoll.pull.link import Address
    from zkpoll.tasks.inspect import Look
    from zkpoll.tasks.whereabouts import Whereabouts

_UNASKED: Final = 4096
"""Addresses that are searched without `--yes`: a network of /20."""
_MOST: Final = 65_536
"""Addresses that are searched at all; those of a /16 take about an hour."""
_USUAL_PORT: Final = 4370


def _network(_ctx: click.Context, _param: click.Parameter, value: str) -> Network:
    import ipaddress

    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no network; write it as 192.168.1.0/24") from None


@click.command(short_help="Find the terminals on a network.")
@click.argument("network", callback=_network)
@config_option
@click.option(
    "--port", type=click.IntRange(1, 65535), default=_USUAL_PORT, show_default=True, help="Their port."
)
@click.option("--yaml", "form", flag_value="yaml", help="Print entries for `devices:` in an inventory.")
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--yes", is_flag=True, help="Search more than 4,096 addresses (a network larger than /20).")
def discover(config: Path | None, network: Network, port: int, form: str | None, yes: bool) -> int:
    """Find terminals on NETWORK, such as 192.168.1.0/24; change nothing on them.

    Each address gets one TCP connection and, where no terminal answers that, one UDP datagram, at most fifty
    of them a second: about ten seconds for a /24. Without an inventory that works as well; with one, what is
    in it already is marked, and left out of --yaml. A terminal is known by its serial number, where the
    inventory or the journal has it, so that one with another address is named, with both addresses. What
    answers and is no terminal is told on stderr.

    Exit codes: 0 some were found; 69 none was.
    """
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.pull.discovery import RATE, hosts
    from zkpoll.pull.discovery import discover as search
    from zkpoll.tasks.inspect import look
    from zkpoll.tasks.whereabouts import recognised

    if network.num_addresses > _MOST:
        raise click.UsageError(f"{network} is too large to be searched; name its parts, /16 or smaller")
    if network.num_addresses > _UNASKED and not yes:
        minutes = network.num_addresses * 2 / RATE / 60
        raise click.UsageError(f"to search {network} takes about {minutes:.0f} min; say --yes")
    inventory = _inventory(config)
    ours = _ours(inventory, port) if inventory else {}
    terminals: list[Responder] = []
    whose: dict[str, Device] = {}
    with (
        stop_on_signal() as stop,
        look(inventory, stop.is_set) if inventory else nullcontext() as looking,
    ):
        around = _around(looking, ours)
        for found in search(hosts(network), port, stopped=stop.is_set, around=around):
            if found.terminal:
                terminals.append(found)
            else:
                click.echo(f"zkpoll: {found.problem}", err=True)
        if looking:
            whose = looking.whose(one.serial_number for one in terminals)
    _show_found(recognised(terminals, ours, whose), form or "table")
    if not terminals:
        click.echo(f"zkpoll: no terminal answers on port {port} in {network}", err=True)
    return ExitCode.OK if terminals else ExitCode.UNREACHABLE


def _inventory(config: Path | None) -> Inventory | None:
    """Return the inventory without its secrets, or None where none is named and none is found."""
    from zkpoll.inventory import locate

    try:
        path = locate(config, os.environ)
    except InventoryError:
        return None
    return load_inventory(path, secrets=False)


def _ours(inventory: Inventory, port: int) -> dict[str, Device]:
    """Return the devices of the inventory that have this port, by each of their addresses."""
    import socket

    found: dict[str, Device] = {}
    for device in inventory.called:
        host, at, _transport = device.address
        if at == port:
            with suppress(OSError, UnicodeError):  # a name that does not resolve is nowhere on the network
                where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found |= {str(one[0]): device for *_, one in where}
    return found


def _around(look: Look | None, ours: Mapping[str, Device]) -> Around:
    """Return the context of a contact: a terminal of the inventory is locked, and enabled if it has to be."""

    @contextmanager
    def around(address: Address) -> Iterator[Hook]:
        device = ours.get(address.host)
        if look is None or device is None:
            yield lambda _session: None
            return
        guard = look.guard(device)
        with guard.lock():
            yield guard.enable

    return around


def _show_found(rows: Sequence[Whereabouts], form: str) -> None:
    """Print the terminals, each with its device in the inventory, if it is there."""
    if form == "json":
        print_json([_document(one) for one in rows])
    elif form == "yaml":
        new = [one.found for one in rows if one.is_new]
        for found in new:
            click.echo(_entry(found), nl=False)
        for one in rows:
            if one.moved_from:
                click.echo(f"zkpoll: {one.words}", err=True)
        if rows and not new:
            click.echo("zkpoll: all that answer are in the inventory", err=True)
    else:
        headings = ("address", "transport", "serial", "model", "device")
        show_table(headings, list(map(_cells, rows)))


def _document(row: Whereabouts) -> dict[str, object]:
    return {
        **asdict(row.found.address),
        "serial_number": row.found.serial_number,
        "model": row.found.model,
        "needs_comm_key": row.found.problem is not None,
        "device": row.device and row.device.name,
        "moved_from": row.moved_from,
        "place_of": row.place_of and row.place_of.name,
    }


def _cells(row: Whereabouts) -> tuple[str, ...]:
    found = row.found
    return (
        str(found.address),
        found.address.transport,
        found.serial_number or ("needs comm_key:" if found.problem else "-"),
        found.model or "-",
        row.words,
    )


def _entry(found: Responder) -> str:
    """Return a terminal as an entry for `devices:`."""
    import yaml

    host = found.address.host
    settings: dict[str, object] = {
        "name": f"terminal-{host.replace('.', '-').replace(':', '-')}",
        "host": host,
    }
    settings |= {"port": found.address.port} if found.address.port != _USUAL_PORT else {}
    settings |= {"transport": "udp"} if found.address.transport == "udp" else {}
    about = f"{found.model or 'a terminal'}, serial number {found.serial_number or 'not told'}"
    lines = yaml.safe_dump([settings], sort_keys=False).splitlines()
    lines += ["  comm_key: ${COMM_KEY}  # it asks for one"] if found.problem else []
    return "".join(f"  {line}\n" for line in (f"# {about}", *lines))
