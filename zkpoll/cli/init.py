"""`zkpoll init`: a first inventory."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from zkpoll.cli.app import yes_option
from zkpoll.errors import ExitCode, InventoryError, reason

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Sequence

    from zkpoll.installation.first_inventory import FirstDevice

T = TypeVar("T")
_SYSTEM: Final = Path("/etc/zkpoll/devices.yaml")
_MOST: Final = 4096
"""Addresses of a network that is looked through: a minute and a half."""
_HOW_TO_FIND: Final = (
    "on the terminal, Menu, Comm., Ethernet (or Network) shows its address; say --device ADDRESS"
)


@click.command(short_help="Write a first devices.yaml: asks, and looks for terminals.")
@click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="ZKPOLL_CONFIG",
    show_envvar=True,
    help="What to write. Else ./devices.yaml, or as root /etc/zkpoll/devices.yaml.",
)
@click.option("--dashboard", metavar="URL", help="Where punches go, such as https://hr.example.com/punches.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file that holds the dashboard's token. Else it is asked for, and kept beside devices.yaml.",
)
@click.option("--zone", help="The time zone of the terminals, such as Asia/Dhaka. Else this machine's.")
@click.option(
    "--device",
    "devices",
    metavar="[NAME=]ADDRESS",
    multiple=True,
    help="A terminal: 192.168.1.201, door=10.0.0.7:4371, [fd00::7]:4370. Then none are looked for.",
)
@click.option(
    "--network",
    "networks",
    metavar="CIDR",
    multiple=True,
    help="Where to look, such as 192.168.1.0/24. Else this machine's own networks, at most a /22 of each.",
)
@click.option("--no-look", is_flag=True, help="Look for no terminals.")
@click.option("--dry-run", is_flag=True, help="Print the inventory; write nothing.")
@yes_option
@click.pass_context
def init(
    ctx: click.Context,
    config: Path | None,
    dashboard: str | None,
    token_file: Path | None,
    zone: str | None,
    devices: Sequence[str],
    networks: Sequence[str],
    no_look: bool,
    dry_run: bool,
    yes: bool,
) -> int:
    """Write a first inventory, devices.yaml, and say what to do next.

    It asks for what no option says: the dashboard, its token, the time zone. Then it looks for terminals on
    this machine's networks, and changes nothing on them. The token goes into a file of its own that only you
    can read. A file that is there is never overwritten. For ERPNext, Frappe HR and Odoo, add format: as
    docs/frappe.md and docs/odoo.md show.

    Exit codes: 0 written; 1 written, but what is said of it could not be printed; 2 something is missing or
    wrong, or the file is there; 69 no terminal was found; 78 the files cannot be written; 130 stopped at a
    question. From 2 on, nothing was written.
    """
    from zkpoll.installation import this_machine
    from zkpoll.installation.first_inventory import FirstAnswers, each_once, inventory_text
    from zkpoll.installation.units import STATE

    before: Path | None = ctx.find_root().params.get("config")
    path = _expanded(config or before or (_SYSTEM if os.geteuid() == 0 else Path("devices.yaml")), "--config")
    token_file = token_file and _expanded(token_file, "--token-file").absolute()
    if os.path.lexists(path) and not dry_run:
        raise _is_there(path)
    if not path.parent.is_dir() and path != _SYSTEM and not dry_run:
        raise click.UsageError(
            f"there is no folder {path.parent}; make it with mkdir -p {_word(path.parent)}"
        )
    asks = sys.stdin.isatty() and not yes
    named, where = tuple(map(_named, devices)), _networks(networks)
    url = _answer(asks, "Dashboard's URL", "--dashboard", _url) if dashboard is None else _url(dashboard)
    token = ""
    if not token_file and not dry_run:
        token = _answer(asks, "Dashboard's token (not shown)", "--token-file FILE", _token, hidden=True)
    zone = _zone(zone, this_machine.zone(os.environ), asks)
    found = named or (() if no_look else each_once(_look(where)))
    if not found and asks:
        click.echo("No terminal answers. Menu, Comm., Ethernet on the terminal shows its address.", err=True)
        found = (_answer(asks, "Terminal's address", "--device", _named),)
    if not found:
        click.echo(f"zkpoll: no terminal was found, and nothing was written; {_HOW_TO_FIND}", err=True)
        return ExitCode.UNREACHABLE
    beside = path.parent / "token"
    system = path == _SYSTEM
    said = "${CREDENTIALS_DIRECTORY:-/etc/zkpoll}/token" if system else "token"
    if token_file:
        said = str(token_file).replace("${", "$${")
    journal = str(STATE / "journal.db") if system else "journal.db"
    text = inventory_text(FirstAnswers(url, said, journal, zone, tuple(found)))
    _check(path, text, secrets=token_file is not None)
    if dry_run:
        click.echo(text, nl=False)
        return ExitCode.OK
    _write(path, text, None if token_file else beside, token)
    _say_next(path, None if token_file else beside, found, plain=config is None and before is None)
    return ExitCode.OK


def _is_there(path: Path) -> click.UsageError:
    return click.UsageError(f"{path} is there already, and is not overwritten; --config names another file")


def _expanded(path: Path, option: str) -> Path:
    from zkpoll.inventory.files import expanded

    try:
        return expanded(path)
    except ValueError as error:
        raise click.BadParameter(f"{str(path)!r}: {error}", param_hint=option) from None


def _word(path: Path) -> str:
    return shlex.quote(str(path))


def _named(text: str) -> FirstDevice:
    from zkpoll.installation.first_inventory import asked_device
    from zkpoll.inventory.hosts import check_host

    try:
        found = asked_device(text.strip())
        check_host(found.host)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--device") from None
    return found


def _networks(asked: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Return the networks that are named. Refuse those that take too long."""
    import ipaddress

    try:
        where = [ipaddress.ip_network(one, strict=False) for one in asked]
    except ValueError:
        raise click.BadParameter(
            "expected a network such as 192.168.1.0/24", param_hint="--network"
        ) from None
    if any(one.num_addresses > _MOST for one in where):
        raise click.BadParameter("expected networks of /20 or smaller", param_hint="--network")
    return where


def _answer(
    asks: bool,
    question: str,
    option: str,
    checked: Callable[[str], T],
    *,
    hidden: bool = False,
    default: str | None = None,
) -> T:
    """Ask a person, until the answer can be used; where nobody is there, name the option."""
    if not asks:
        raise click.UsageError(f"nobody is there to be asked; say {option}")
    answer: T = click.prompt(question, default, hidden, value_proc=checked, err=True)
    return answer


def _url(text: str) -> str:
    from zkpoll.inventory.hosts import check_url, without_secrets

    text = text.strip()
    try:
        return check_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{without_secrets(text)!r}: {error}", param_hint="--dashboard") from None


def _token(text: str) -> str:
    from zkpoll.inventory.credentials import Token

    token = text.strip()
    if not Token().fits(token):
        raise click.UsageError(f"the token: expected {Token.expected}")
    return token


def _zone(given: str | None, own: str | None, asks: bool) -> str:
    if given is not None:
        return _checked_zone(given)
    usual = None
    with suppress(click.BadParameter):  # such as TZ=EST5EDT4: what it says is no name
        usual = own and _checked_zone(own)
    if asks:
        return _answer(asks, "Time zone of the terminals", "--zone", _checked_zone, default=usual)
    if not usual:
        raise click.UsageError("this machine does not tell its time zone; say --zone")
    return usual


def _checked_zone(text: str) -> str:
    from zkpoll.inventory.zones import check_zone

    try:
        return check_zone(text.strip())
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}", param_hint="--zone") from None


def _look(asked: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> list[FirstDevice]:
    """Look for terminals, and tell where. Without networks, in those of this machine."""
    from zkpoll.cli.signals import stop_on_signal
    from zkpoll.installation import this_machine
    from zkpoll.installation.first_inventory import FirstDevice
    from zkpoll.pull.discovery import discover, hosts

    found = []
    with stop_on_signal() as stop:
        for network in asked or this_machine.networks():
            click.echo(f"Looking for terminals in {network} …", err=True)
            for one in discover(hosts(network), stopped=stop.is_set):
                if not one.terminal:
                    click.echo(f"  {one.problem}", err=True)
                else:
                    click.echo(f"  {one.address.host}  {one.model or 'asks for its Comm Key'}", err=True)
                    found.append(FirstDevice(
                        one.address.host, one.address.port, udp=one.address.transport == "udp",
                        serial_number=one.serial_number, model=one.model,
                        needs_comm_key=one.problem is not None,
                    ))  # fmt: skip
    return found


def _check(path: Path, text: str, *, secrets: bool) -> None:
    """Run the check of `zkpoll config check` on what is to be written, and tell what it would tell."""
    from zkpoll.inventory.file import checked
    from zkpoll.tasks.delivery_outcome import EXPOSED

    try:
        inventory = checked(path, text, os.environ, secrets=secrets, strict=True)
        for dashboard in inventory.dashboards:
            if dashboard.exposed:
                click.echo(f"{dashboard.name}: {EXPOSED}", err=True)
    except InventoryError as error:
        raise click.UsageError(
            f"nothing was written, as the inventory would have mistakes:\n{error}"
        ) from None


def _write(path: Path, text: str, token_file: Path | None, token: str) -> None:
    from zkpoll.installation.first_files import OtherToken, write_first
    from zkpoll.installation.units import STATE

    try:
        # What the services have as their own: until one has run, nobody has made it.
        new_folders = {path.parent: 0o755, STATE: 0o700} if path == _SYSTEM else {}
        write_first(path, text, token_file, token, new_folders=new_folders)
    except FileExistsError:
        raise _is_there(path) from None
    except OtherToken as error:
        raise click.UsageError(f"{error}; use it with --token-file {_word(token_file or path)}") from None
    except OSError as error:
        raise InventoryError(f"{path}: nothing was written: {reason(error)}") from None


def _say_next(path: Path, token_file: Path | None, found: Sequence[FirstDevice], *, plain: bool) -> None:
    say: Callable[[str], None] = click.echo
    say(f"Wrote {path}" + (f", and the token to {token_file} (only you can read it)" if token_file else ""))
    for one in found:
        if one.needs_comm_key:
            say(f"{one.host} asks for its Comm Key: write it into {path}, where comm_key: stands")
    config = "" if plain else f" -c {_word(path)}"
    say(f"Next:\n  zkpoll devices ping{config}\n  zkpoll sync --dry-run{config}")
