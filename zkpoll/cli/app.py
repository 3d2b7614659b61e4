"""Needs of every command: options, the inventory, the journal, names, questions to a person, the log."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence

    from zkpoll.inventory import Dashboard, Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.log_lines import Style

# --- options ---

config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="ZKPOLL_CONFIG",
    show_envvar=True,
    help="The inventory. Else the first there is of ./devices.yaml,"
    " ~/.config/zkpoll/devices.yaml and /etc/zkpoll/devices.yaml.",
)
"""Passes `config: Path | None` to a command, for `load_inventory`."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask. Needed where no terminal is.")
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Say on stderr what is done.")
log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How lines on stderr look: to a person, or a JSON object each.",
)
DAY = click.DateTime(["%Y-%m-%d"])
"""A day as an option or argument."""


# --- the inventory ---


def load_inventory(config: Path | None, *, secrets: bool = True, strict: bool = False) -> Inventory:
    """Return the inventory asked for, or the first that is found; `secrets` and `strict` as for `load`."""
    from zkpoll.inventory import load, locate

    return load(locate(config, os.environ), os.environ, secrets=secrets, strict=strict)


def check_names(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of devices and the parameter they came by, refuse those that the inventory lacks."""
    _check(names, "device", [device.name for device in inventory.devices], "inventory", parameter)


def check_dashboards(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of dashboards and the parameter they came by, refuse those that the inventory lacks."""
    _check(names, "dashboard", [one.name for one in inventory.dashboards], "inventory", parameter)


def check_called(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of devices that are to be called, refuse those that are not there or have no host."""
    from zkpoll.inventory.models import NOT_CALLED

    names = tuple(names)
    check_names(inventory, names, parameter)
    for one in inventory.devices:
        if one.name in names and one.host is None:
            raise click.BadParameter(f"{one.name} {NOT_CALLED}", param_hint=parameter)


def devices_asked(inventory: Inventory, names: Sequence[str], parameter: str) -> list[Device]:
    """Return the devices of these names, or all enabled ones with a host, in the inventory's order."""
    check_called(inventory, names, parameter)
    return [one for one in inventory.called if (one.name in names if names else one.enabled)]


def dashboards_asked(inventory: Inventory, names: Sequence[str], parameter: str) -> list[Dashboard]:
    """Return the dashboards of these names, or all, in the inventory's order."""
    check_dashboards(inventory, names, parameter)
    return [one for one in inventory.dashboards if not names or one.name in names]


def _check(names: Iterable[str], what: str, known: Iterable[str], where: str, parameter: str) -> None:
    for name in names:
        if name not in known:
            there_are = ", ".join(known) or "none"
            raise click.BadParameter(
                f"no {what} {name!r} in the {where}; there are {there_are}", param_hint=parameter
            )


# --- the journal: opened here, and nowhere else in the command line ---


def open_journal(inventory: Inventory, *, writable: bool = False) -> Journal:
    """Open the journal. One that is not there is made by a writer, and refused to a reader."""
    from zkpoll.journal import opening

    return opening.open_journal(inventory.journal, writable=writable)


def open_or_empty(inventory: Inventory) -> Journal:
    """Open the journal to be read, or an empty one in memory while there is none."""
    from zkpoll.journal.opening import look_at

    return look_at(inventory.journal)


def check_journal(
    journal: Journal, *, dashboard: str | None = None, device: str | None = None, parameter: str = "--to"
) -> None:
    """Refuse a dashboard or a device that the journal does not know. `parameter` is the dashboard's.

    It knows those that left the inventory, too.
    """
    from zkpoll.journal.decisions import dashboards, has_device

    if dashboard is not None:
        _check([dashboard], "dashboard", dashboards(journal), "journal", parameter)
    if device is not None and not has_device(journal, device):
        raise no_such_device(device)


def no_such_device(name: str) -> click.BadParameter:
    """Return the error to raise where the journal knows no device of this name."""
    return click.BadParameter(f"no device {name!r} in the journal", param_hint="--device")


@contextmanager
def no_delivery(inventory: Inventory, dashboards: Iterable[str]) -> Iterator[None]:
    """Hold the locks of these dashboards, so that nothing is delivered to them meanwhile.

    Where another run delivers to one of them, raise `Busy` naming it, and hold none.
    """
    from zkpoll.errors import Busy
    from zkpoll.journal.opening import lock

    with ExitStack() as stack:
        for name in dashboards:
            try:
                stack.enter_context(lock(inventory.journal, f"dashboard {name}"))
            except Busy as error:
                raise Busy(
                    f"{name}: another run delivers to it now; nothing was changed, try again"
                ) from error
        yield


# --- a person ---


def refuse_unasked(yes: bool, instead: str = "--yes") -> None:
    """Refuse a command that has to ask, where it may not decide by itself and no person is at a terminal."""
    if not (yes or sys.stdin.isatty()):
        raise click.UsageError(f"nobody is there to be asked; say {instead}")


def agreed(question: str) -> bool:
    """Ask a person at the terminal. The question goes to stderr, as stdout is for data.

    Raise `click.Abort` where nobody answers, also because the terminal has hung up.
    """
    try:
        return click.confirm(question, err=True)
    except OSError as error:
        raise click.Abort from error


# --- a run ---


@contextmanager
def log(verbose: bool, style: Style | None = None) -> Iterator[None]:
    """Write the log to stderr if `verbose`, a line an event, by default with the local time."""
    import logging

    from zkpoll.reports.log_lines import Formatter, Style

    logger = logging.getLogger("zkpoll")
    handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.setFormatter(Formatter(style or Style()))
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


@contextmanager
def stoppable_run(*, verbose: bool = False) -> Iterator[threading.Event]:
    """Write the log if `verbose`. Give an event that the first signal to stop sets."""
    from zkpoll.cli.signals import stop_on_signal

    with log(verbose), stop_on_signal() as stop:
        yield stop
