"""A person that a device lets in, or a database knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """One user of a device."""

    slot: int | str
    """The record's place in the device's table; 8-byte punches carry it instead of the user id. Of a database
    its program's own number of the person, which may be text."""
    user_id: str
    name: bytes
    """Up to its NUL, in an encoding that the device does not declare."""
    privilege: int
    """0 for an ordinary user; the other codes differ between sources."""
    card: int | str
    """0 for none; text where a database has one that is no number."""
    group: int
    has_password: bool
