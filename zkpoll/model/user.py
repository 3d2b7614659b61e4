"""A person that a device lets in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """One user of a device."""

    slot: int
    """The record's place in the device's table; 8-byte punches carry it instead of the user id."""
    user_id: str
    name: bytes
    """Up to its NUL, in an encoding that the device does not declare."""
    privilege: int
    """0 for an ordinary user; the other codes differ between sources."""
    card: int
    group: int
    has_password: bool
