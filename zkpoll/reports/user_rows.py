"""One user of one device as a row of an export. Pure. PINs never come here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.model.user import User

ADMINISTRATOR: Final = 7
"""The level of those who may do everything at a terminal."""
_LEVELS: Final = {0: "user", 1: "enroller", 3: "manager", 6: "manager", ADMINISTRATOR: "administrator"}
"""What bits 1-3 of a privilege mean. Sources disagree on the manager: 3 in pyzk and zk-protocol, 6 in the
vendor manual of 2006. Certain is only that 0 may do nothing but punch."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user of one device. The fields are an export's columns."""

    device: str
    """Its name in the inventory."""
    serial_number: str
    """The device key."""
    uid: int
    """The user's slot in the device's table."""
    user_id: str
    name: str
    privilege: int
    """The device's number."""
    privilege_name: str
    enabled: bool
    group: int
    card: int
    """0 for none."""
    has_password: bool


COLUMNS: Final = tuple(field.name for field in fields(UserRow))


def rows(users: Iterable[User], *, device: str, serial_number: str, encoding: str) -> tuple[UserRow, ...]:
    """Given the users of a device and the encoding of their names, return them as rows."""
    return tuple(
        UserRow(
            device=device,
            serial_number=serial_number,
            uid=user.slot,
            user_id=user.user_id,
            name=readable(user.name, encoding),
            privilege=user.privilege,
            privilege_name=privilege_name(user.privilege),
            enabled=not user.privilege & 1,
            group=user.group,
            card=user.card,
            has_password=user.has_password,
        )
        for user in users
    )


def as_dict(row: UserRow) -> Mapping[str, object]:
    """Return a row by its columns."""
    return {name: getattr(row, name) for name in COLUMNS}


def level(privilege: int) -> int:
    """Given a device's number, return how much its holder may do at the terminal: 0 nothing but punch."""
    return privilege >> 1 & 7


def privilege_name(privilege: int) -> str:
    """Given a device's number, return the word for it, `other` where sources know none."""
    return _LEVELS.get(level(privilege), "other")


def readable(name: bytes, encoding: str) -> str:
    r"""Given the bytes of a name, return it as text.

    Bytes that mean nothing in `encoding`, such as half a letter where the device cut the name, are shown as
    `\xe2`. So are letters that would break a line.
    """
    return shown(name.decode(encoding, "backslashreplace"))
