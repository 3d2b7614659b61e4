"""Needs of every command: options, the inventory, the journal, names, questions to a person, the log."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from zkpoll.inventory import Dashboard, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.log_lines import Style

F = TypeVar("F", bound="Callable[..., Any]")

# --- options ---


def one_inventory(context: click.Context, parameter: click.Parameter, own: Path | None) -> Path | None:
    """Return the inventory that stands behind the command or before it. Refuse two that differ."""
    before: Path | None = context.find_root().params.get("config")
    if before is None or before == own:
        return own
    if context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"-c says {before} before the command and {own} behind it; say one")
    return before


config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    envvar="ZKPOLL_CONFIG",
    show_envvar=True,
    callback=one_inventory,
    help="The inventory. Else the first there is of ./devices.yaml,"
    " ~/.config/zkpoll/devices.yaml and /etc/zkpoll/devices.yaml.",
)
"""Passes `config: Path | None` to a command, for `load_inventory`."""
before_option = click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="The inventory; also behind the command."
)
"""The same in front of all commands, whose `config_option` looks for it there."""

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
_PATIENCE: Final = 10.0
"""Seconds that a command waits for a dashboard another run delivers to."""
_FEW: Final = 12
"""Names that are told where one is asked for that is not there."""
_PAUSE: Final = 0.02
"""Seconds between two looks: shorter than `zkpoll serve` rests between two rounds."""
_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{4}|today|yesterday")
"""What is a date and no dashboard, unless one is called so."""


def formerly(old: str, new: str) -> Callable[[F], F]:
    """Refuse an option by the name it had, with a sentence that has its name of today."""

    def refuse(_context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"{old} is called {new} now: {new} {value}")

    return click.option(old, hidden=True, expose_value=False, callback=refuse)


def refuse_date(to: str, dashboards: Iterable[str]) -> None:
    """Refuse a date in the place of a dashboard, as `--to` had it in former versions."""
    if _DATE.fullmatch(to) and to not in dashboards:
        raise click.UsageError(f"--to names a dashboard; the last day is --until {to}")


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


def check_databases(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of databases and the parameter they came by, refuse those that the inventory lacks."""
    _check(names, "database", [one.name for one in inventory.databases], "inventory", parameter)


def check_called(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of devices that are to be called, refuse those that are not there or have no host."""
    from zkpoll.inventory.models import NOT_CALLED

    names = tuple(names)
    check_names(inventory, names, parameter)
    for one in inventory.devices:
        if one.name in names and one.host is None:
            raise click.BadParameter(f"{one.name} {NOT_CALLED}", param_hint=parameter)


def dashboards_asked(inventory: Inventory, names: Sequence[str], parameter: str) -> list[Dashboard]:
    """Return the dashboards of these names, or all, in the inventory's order."""
    check_dashboards(inventory, names, parameter)
    return [one for one in inventory.dashboards if not names or one.name in names]


def _check(names: Iterable[str], what: str, known: Iterable[str], where: str, parameter: str) -> None:
    for name in names:
        if name not in known:
            raise no_such(what, name, where, list(known), parameter)


def no_such(what: str, asked: str, where: str, known: Sequence[str], parameter: str) -> click.BadParameter:
    """Return the error for a name or a pattern that fits nothing: it names what there is."""
    shown = ", ".join(known[:_FEW]) or "none"
    rest = f" and {len(known) - _FEW:,} more" if len(known) > _FEW else ""
    is_pattern = any(sign in asked for sign in "*?[")
    told = f"no {what} fits {asked!r}" if is_pattern else f"no {what} {asked!r}"
    return click.BadParameter(f"{told} in the {where}; there are {shown}{rest}", param_hint=parameter)


# --- the journal: opened here, and nowhere else in the command line ---


def open_journal(inventory: Inventory, *, writable: bool = False) -> Journal:
    """Open the journal. One that is not there is made by a writer, and refused to a reader."""
    from zkpoll.journal import opening

    return opening.open_journal(inventory.home, writable=writable)


def open_or_empty(inventory: Inventory) -> Journal:
    """Open the journal to be read, or an empty one in memory while there is none."""
    from zkpoll.journal.opening import look_at

    return look_at(inventory.home)


def check_destination(journal: Journal, name: str, parameter: str = "--to") -> None:
    """Refuse a dashboard that the journal does not know. It knows those that left the inventory, too."""
    from zkpoll.journal.decisions import dashboards

    _check([name], "dashboard", dashboards(journal), "journal", parameter)


def no_such_device(name: str) -> click.BadParameter:
    """Return the error to raise where the journal knows no device of this name."""
    return click.BadParameter(f"no device {name!r} in the journal", param_hint="--device")


@contextmanager
def no_delivery(inventory: Inventory, dashboards: Iterable[str]) -> Iterator[None]:
    """Hold the locks of these dashboards, so that nothing is delivered to them meanwhile.

    A lock that another run has is waited for a while: `zkpoll serve` lets go of it between two rounds. Where
    it is still taken then, raise `Busy` naming the dashboard, and hold none.
    """
    from zkpoll.errors import Busy
    from zkpoll.journal.opening import lock

    until = time.monotonic() + _PATIENCE
    with ExitStack() as stack:
        for name in dashboards:
            while True:
                try:
                    stack.enter_context(lock(inventory.home, f"dashboard {name}"))
                    break
                except Busy as error:
                    if time.monotonic() >= until:
                        raise Busy(
                            f"{name}: another run delivers to it now; nothing was changed, try again"
                        ) from error
                    time.sleep(_PAUSE)
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


def account() -> str:
    """Return the name of the account that runs this."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return "somebody"


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
