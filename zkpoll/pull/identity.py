"""Which device key a visit runs under. Pure.

The key is part of every punch's identity, so it is chosen once, at first contact, and never guessed again.
"""

from __future__ import annotations

from zkpoll.errors import WrongSerial


def device_key(name: str, told: str | None, configured: str | None, stored: str | None) -> str:
    """Given the serial a device tells, the one in the inventory and the stored key, return its key.

    Raise `WrongSerial` when there is none, or when they contradict each other.
    """
    if told is None:
        return _key_of_the_silent(name, configured, stored)
    if configured is not None and configured != told:
        raise WrongSerial(
            f"{name} tells serial number {told}, the inventory says {configured}; put serial: or host: right"
        )
    if stored is not None and stored != told:
        raise WrongSerial(
            f"{name} tells serial number {told}, but was {stored} before; put host: right, "
            "or give a new terminal a new name"
        )
    return told


def _key_of_the_silent(name: str, configured: str | None, stored: str | None) -> str:
    if configured is None and stored is None:
        raise WrongSerial(f"{name} tells no serial number; give it one with serial: in the inventory")
    if configured is None or (stored is not None and stored != configured):
        raise WrongSerial(
            f"{name} tells no serial number any more, and was {stored} before; "
            "check that host: is still that terminal"
        )
    return configured
