"""Users in one line each."""

from __future__ import annotations

from zkpoll.model.user import User
from zkpoll.reports.user_rows import UserRow, rows


def user(
    user_id: str = "1001",
    name: bytes = b"Ada",
    *,
    slot: int = 1,
    privilege: int = 0,
    card: int = 0,
    group: int = 1,
    has_password: bool = False,
) -> User:
    """Return a user as a device tells of it."""
    return User(slot, user_id, name, privilege, card, group, has_password)


def row(found: User, device: str = "front", encoding: str = "utf-8") -> UserRow:
    """Return a user as an export tells of it."""
    (made,) = rows([found], device=device, serial_number=f"S-{device}", encoding=encoding)
    return made
