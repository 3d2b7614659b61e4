"""The device key that a visit runs under. Pure.

The key is part of every punch's identity, so it is chosen once, at first contact, and never guessed again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.errors import WrongSerial

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the device that answered."""

    key: str
    """The device key that its log is journalled under."""
    problem: str | None = None
    """Why it is not the device of that name, in one sentence; None if it is."""


def identify(
    name: str, told: str | None, configured: str | None, stored: str | None, aliases: AbstractSet[str]
) -> Identity:
    """Given the serial numbers that a device tells and that are known of it, return its identity.

    `configured` is the one in the inventory, `stored` the one in the journal; `aliases` are those that
    repairs gave to the device. Raise `WrongSerial` when a device that tells none has no other key, or told
    one before.
    """
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
        return Identity(told, problem)
    if stored is not None and stored != told:
        problem = (
            f"another terminal answers here: serial number {told}, it was {stored}; its log is kept, and not "
            f"delivered. Put host: right, or run `zkpoll devices accept {name}`"
        )
        return Identity(told, problem)
    return Identity(told)
