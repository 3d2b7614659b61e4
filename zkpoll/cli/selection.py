"""Which devices and databases a command is for: names and patterns, and the sites where they are."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from zkpoll.cli.app import load_inventory, no_such

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from click.shell_completion import CompletionItem

    from zkpoll.inventory import Database, Device, Inventory
    from zkpoll.journal.database import Journal

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Asked:
    """The devices and databases that a person asked for."""

    names: tuple[str, ...] = ()
    """Names, or patterns of names as a shell has them; one of them has to fit."""
    sites: tuple[str, ...] = ()
    """Names of sites, of which it has to be at one, or patterns of such."""
    parameter: str = "--device"
    """Where the names stand, for complaints."""

    def __bool__(self) -> bool:
        """Say whether any were asked for."""
        return bool(self.names or self.sites)


# --- options ---


def _completed(of: Callable[[Inventory], Iterable[str]]) -> Callable[..., list[CompletionItem]]:
    """Return what completes a name by those that the inventory has; without an inventory, by none."""

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        from zkpoll.errors import InventoryError

        try:
            names = of(load_inventory(context.params.get("config"), secrets=False))
        except InventoryError:
            return []
        return [CompletionItem(name) for name in names if name.startswith(begun)]

    return complete


def _names_of_devices(inventory: Inventory) -> list[str]:
    return [one.name for one in inventory.devices]


def _names_of_databases(inventory: Inventory) -> list[str]:
    return [one.name for one in inventory.databases]


def _names_of_sources(inventory: Inventory) -> list[str]:
    return [one.name for one in inventory.sources]


_site = click.option(
    "--site",
    "sites",
    multiple=True,
    metavar="NAME",
    shell_complete=_completed(lambda inventory: inventory.sites),
    help="Only what is at this site; may be repeated.",
)


def _options(what: str, of: Callable[[Inventory], Iterable[str]], name: str = "a name") -> Callable[[F], F]:
    named = click.option(
        "--device",
        "devices",
        multiple=True,
        metavar="PATTERN",
        shell_complete=_completed(of),
        help=f"Only {what}: {name}, or a pattern such as 'dhaka-*'; may be repeated.",
    )
    return lambda command: named(_site(_gathered(command)))


def _gathered(command: F) -> F:
    """Return a command that is given `asked: Asked` in place of the names and the sites."""

    @wraps(command)
    def run(*args: Any, sites: tuple[str, ...], **options: Any) -> Any:
        names, patterns = options.pop("names", ()), options.pop("devices", ())
        parameter = "NAME" if names else "--device"
        return command(*args, asked=Asked((*names, *patterns), sites, parameter), **options)

    return run  # type: ignore[return-value]  # click gives a command its parameters by their names


source_options = _options("this device or database", _names_of_sources)
"""Passes `asked: Asked` to a command that reads devices and databases, or looks at what they brought."""
device_options = _options("this device", _names_of_devices)
"""Passes `asked: Asked` to a command that is for devices."""
former_options = _options(
    "those of this device or database", _names_of_sources, "its name of today, one that it had"
)
"""Passes `asked: Asked` to a command that looks into the journal, which knows names of the past."""


def device_names(command: F) -> F:
    """Pass `asked: Asked` to a command whose devices stand behind it, or are named by the options."""
    argument = click.argument(
        "names", nargs=-1, metavar="[NAME]...", shell_complete=_completed(_names_of_devices)
    )
    return argument(device_options(command))


def database_names(command: F) -> F:
    """Pass `asked: Asked` to a command whose databases stand behind it; with `--site`."""
    argument = click.argument(
        "names", nargs=-1, metavar="[NAME]...", shell_complete=_completed(_names_of_databases)
    )
    return argument(_site(_gathered(command)))


# --- what is meant; pure ---


def fits(asked: str, known: Collection[str]) -> set[str]:
    """Return those names that are meant: the very one, though it may look like a pattern, or all that fit."""
    return {asked} if asked in known else {name for name in known if fnmatchcase(name, asked)}


def fitting(
    asked: Asked, known: Iterable[str], at: Collection[str] | None, what: str, where: str
) -> list[str]:
    """Given all names that are known, and those of the sites asked for, return those that are meant.

    `at` is None where no site is asked for. Refuse a pattern that fits nothing, with what there is.
    """
    known = list(dict.fromkeys(known))
    pool = known if at is None else [name for name in known if name in at]
    meant = {one: fits(one, known) for one in asked.names}
    for one, names in meant.items():
        if names.isdisjoint(pool):
            there = "" if at is None else f" at site {' or '.join(asked.sites)}"
            raise no_such(what, one, f"{where}{there}", pool, asked.parameter)
    return [name for name in pool if not meant or any(name in names for names in meant.values())]


def names_at(inventory: Inventory, asked: Asked) -> set[str] | None:
    """Return the names of what is at the sites asked for, None where none is asked for."""
    if not asked.sites:
        return None
    for one in asked.sites:
        if not fits(one, inventory.sites):
            raise no_such("site", one, "inventory", inventory.sites, "--site")
    sites = {site for one in asked.sites for site in fits(one, inventory.sites)}
    return {source.name for source in inventory.sources if source.site in sites}


def listed(inventory: Inventory, asked: Asked, what: Literal["device", "database"]) -> Inventory:
    """Return the inventory with those devices or databases alone, also those that are taken out."""
    if not asked:
        return inventory
    known = _names_of_devices(inventory) if what == "device" else _names_of_databases(inventory)
    return _with(inventory, fitting(asked, known, names_at(inventory, asked), what, "inventory"))


def _with(inventory: Inventory, names: Collection[str]) -> Inventory:
    devices = tuple(one for one in inventory.devices if one.name in names)
    databases = tuple(one for one in inventory.databases if one.name in names)
    return inventory.model_copy(update={"devices": devices, "databases": databases})


# --- what is to be asked ---


def devices_asked(inventory: Inventory, asked: Asked) -> list[Device]:
    """Return the devices that are to be called, in the inventory's order; all enabled ones unless asked."""
    return _asked(inventory, asked, _names_of_devices(inventory), "device")[0]


def databases_asked(inventory: Inventory, asked: Asked) -> list[Database]:
    """Return the databases that are to be read, in the inventory's order; all enabled ones unless asked."""
    return _asked(inventory, asked, _names_of_databases(inventory), "database")[1]


def sources_asked(inventory: Inventory, asked: Asked) -> tuple[list[Device], list[Database]]:
    """Return the devices and databases that are to be read; all enabled ones unless asked."""
    what = "device or database" if inventory.databases else "device"
    return _asked(inventory, asked, _names_of_sources(inventory), what)


def _asked(
    inventory: Inventory, asked: Asked, known: Sequence[str], what: str
) -> tuple[list[Device], list[Database]]:
    """Return those of the known ones that are to be read.

    One that is taken out (enabled: false) is meant by its very name only, and not by a pattern or its site.
    """
    from zkpoll.inventory.models import NOT_CALLED

    at = names_at(inventory, asked)
    names = fitting(asked, known, at, what, "inventory")
    named = {name for name in names if name in asked.names}
    left = _with(inventory, names)
    for device in left.devices:
        if device.name in named and device.host is None:
            raise click.BadParameter(f"{device.name} {NOT_CALLED}", param_hint=asked.parameter)
    devices = [one for one in left.called if one.enabled or one.name in named]
    databases = [one for one in left.databases if one.enabled or one.name in named]
    if asked and not (devices or databases):
        parameter = asked.parameter if asked.names else "--site"
        off = [one.name for one in left.sources if not one.enabled]
        why = f"{off[0]} is taken out (enabled: false); say its whole name" if off else ""
        calls = [one.name for one in left.devices if one.host is None]
        why = why or (f"{calls[0]} {NOT_CALLED}" if calls else f"no {what} is at that site")
        raise click.BadParameter(f"nothing is left to be asked: {why}", param_hint=parameter)
    return devices, databases


# --- what the journal knows ---


def names_in_journal(
    inventory: Inventory, journal: Journal, asked: Asked, also: Iterable[str] = ()
) -> frozenset[str] | None:
    """Return the names that are asked for, of today and of the past; None where none is asked for.

    The journal knows those that left the inventory, too, and `also` some; at a site is what the inventory
    says of it.
    """
    from zkpoll.journal.decisions import device_names, names_of_punches

    if not asked:
        return None
    at = names_at(inventory, asked)
    known = {*device_names(journal), *also}
    if at is not None:
        known |= {*_names_of_sources(inventory)}
    if at is None and not all(one in known for one in asked.names):
        known |= names_of_punches(journal)
    return frozenset(fitting(asked, sorted(known), at, "device", "journal"))
