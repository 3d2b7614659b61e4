"""Options that several commands share, and what makes their values good."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zkpoll.inventory import Inventory
    from zkpoll.journal.sqlite import Journal

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

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def check_names(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of devices and the parameter they came by, refuse those that the inventory lacks."""
    known = [device.name for device in inventory.devices]
    _check(names, "device", known, "inventory", parameter)


def check_dashboards(inventory: Inventory, names: Iterable[str], parameter: str) -> None:
    """Given names of dashboards and the parameter they came by, refuse those that the inventory lacks."""
    known = [dashboard.name for dashboard in inventory.dashboards]
    _check(names, "dashboard", known, "inventory", parameter)


def check_journal(
    journal: Journal, *, dashboard: str | None = None, device: str | None = None, parameter: str = "--to"
) -> None:
    """Refuse a dashboard, which came by `parameter`, and a device that the journal does not know.

    It knows those that left the inventory, too.
    """
    from zkpoll.journal.decisions import dashboards, has_device

    if dashboard is not None:
        _check([dashboard], "dashboard", dashboards(journal), "journal", parameter)
    if device is not None and not has_device(journal, device):
        raise click.BadParameter(f"no device {device!r} in the journal", param_hint="--device")


def _check(names: Iterable[str], what: str, known: Iterable[str], where: str, parameter: str) -> None:
    for name in names:
        if name not in known:
            there_are = ", ".join(known) or "none"
            raise click.BadParameter(
                f"no {what} {name!r} in the {where}; there are {there_are}", param_hint=parameter
            )


@contextmanager
def no_delivery(journal: Path, dashboards: Iterable[str]) -> Iterator[None]:
    """Hold the locks of these dashboards, so that nothing is delivered to them meanwhile.

    Raise `Busy` naming the one that is at it; then none is held.
    """
    from zkpoll.errors import Busy
    from zkpoll.journal.locks import Locks

    with ExitStack() as stack:
        for name in dashboards:
            try:
                stack.enter_context(Locks(journal).held(f"dashboard {name}"))
            except Busy as error:
                raise Busy(
                    f"{name}: another run delivers to it now; nothing was changed, try again"
                ) from error
        yield
