"""The device key that a visit runs under. Pure.

The key is part of every punch's identity, so it is chosen once, at first contact, and never guessed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.errors import WrongSerial

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the device that answered."""

    key: str
    """The device key that its log is journalled under."""
    problem: str | None = None
    """Why it is not the device of that name, in one sentence; None if it is."""
    by_inventory: bool = False
    """Whether the inventory says so, whatever the device tells."""


def identify(
    name: str,
    told: str | None,
    configured: str | None,
    stored: str | None,
    aliases: AbstractSet[str],
    *,
    trusts_inventory: bool = False,
    in_turn: Callable[[str], bool] = lambda _told: False,
) -> Identity:
    """Given the serial numbers that a device tells and that are known of it, return its identity.

    `configured` is the one in the inventory, `stored` the one in the journal; `aliases` are those that
    repairs gave to the device. With `trusts_inventory` the configured one is its key, whatever it tells.
    `in_turn` says whether the terminal with a serial number and the device itself have answered in turn.
    Raise `WrongSerial` when a device that tells none has no other key, or told one before.
    """
    if trusts_inventory and configured is not None:
        return _as_configured(name, configured, stored, aliases)
    if told is None:
        if configured is None and stored is None:
            raise WrongSerial(f"{name} tells no serial number; give it one with serial: in the inventory")
        if configured is None or (stored is not None and stored != configured):
            raise WrongSerial(
                f"{name} tells no serial number any more, and was {stored} before; "
                "check that host: is still that terminal"
            )
        return Identity(configured)
    if stored is not None and told in aliases:
        return Identity(stored)
    if configured is not None and configured != told:
        problem = f"tells serial number {told}, the inventory says {configured}; put serial: or host: right"
    elif stored is not None and stored != told:
        problem = (
            f"another terminal answers here: serial number {told}, it was {stored}; its log is kept, and not "
            f"delivered. Put host: right, or run `zkpoll devices accept {name}`"
        )
    else:
        return Identity(told)
    if stored is not None and configured in (None, stored) and in_turn(told):
        problem = (
            f"two terminals have this address, and answer in turn: serial number {told}, and {stored}, which "
            f"is {name}; give {told} another one in its Comm. menu; its log is kept, and not delivered"
        )
    return Identity(told, problem)


def _as_configured(name: str, configured: str, stored: str | None, aliases: AbstractSet[str]) -> Identity:
    """Return the identity of a device that is who the inventory says."""
    if stored is None or stored == configured:
        return Identity(configured, by_inventory=True)
    if configured in aliases:
        return Identity(stored, by_inventory=True)
    problem = (
        f"it was serial number {stored}, and is {configured} by trust: inventory; its log is kept, and not "
        f"delivered. Put serial: back, or run `zkpoll devices accept {name}`: then all of its log goes out "
        "under the new number, with --same-terminal only what is new, under the old one"
    )
    return Identity(configured, problem, by_inventory=True)
