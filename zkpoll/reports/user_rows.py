"""One user of one device or database as a row of an export. Pure. PINs never come here."""

from __future__ import annotations

from codecs import getincrementaldecoder
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

from pydantic import Field

from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.model.user import User

_ORDINARY: Final = "user"
ADMINISTRATOR: Final = 7
"""The level of those who may do everything at a terminal."""
_LEVELS: Final = {0: _ORDINARY, 1: "enroller", 3: "manager", 6: "manager", ADMINISTRATOR: "administrator"}
"""What bits 1-3 of a privilege mean. Sources disagree on the manager: 3 in pyzk and zk-protocol, 6 in the
vendor manual of 2006. Certain is only that 0 may do nothing but punch."""


NumberOrText: TypeAlias = Annotated[int | str, Field(union_mode="left_to_right")]
"""A number wherever it can be one: in a file, all is text."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user of one device or database. The fields are an export's columns."""

    device: str
    """Its name in the inventory."""
    serial_number: str
    """The device key."""
    uid: NumberOrText
    """The user's slot in the device's table, or the number that a database has for the person."""
    user_id: str
    name: str
    privilege: int
    """The device's number, or the database's."""
    privilege_name: str
    """`user` for 0; the word for the device's number, or a database's number again, of which nobody knows the
    meaning."""
    enabled: bool
    group: int
    card: NumberOrText
    """0 for none."""
    has_password: bool


_FIELDS: Final = frozenset({8, 24})
"""Bytes of a name's field in a user record of 28 and of 72 bytes."""
COLUMNS: Final = tuple(field.name for field in fields(UserRow))


def rows(
    users: Iterable[User], *, device: str, serial_number: str, encoding: str, of_database: bool = False
) -> tuple[UserRow, ...]:
    """Given the users of a device or a database and the encoding of their names, return them as rows."""
    return tuple(
        UserRow(
            device=device,
            serial_number=serial_number,
            uid=user.slot,
            user_id=user.user_id,
            name=readable(user.name, encoding),
            privilege=user.privilege,
            privilege_name=_stored(user.privilege) if of_database else privilege_name(user.privilege),
            enabled=of_database or not user.privilege & 1,
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


def rank(row: UserRow) -> int:
    """Return how much a user may do: 0 nothing but punch, `ADMINISTRATOR` everything."""
    return 0 if row.privilege_name == _ORDINARY else max(1, level(row.privilege))


def _stored(privilege: int) -> str:
    """Given a database's number, return words for it: programs have scales of their own."""
    return f"privilege {privilege}" if privilege else _ORDINARY


def privilege_name(privilege: int) -> str:
    """Given a device's number, return the word for it, `other` where sources know none."""
    return _LEVELS.get(level(privilege), "other")


def readable(name: bytes, encoding: str) -> str:
    r"""Given the bytes of a name, return it as text.

    A name that fills its field was cut there, and ends before a letter of which it has a part. Other bytes
    that mean nothing in `encoding` are shown as `\xe2`: it may be the wrong one. So are letters that would
    break a line.
    """
    decoder = getincrementaldecoder(encoding)("backslashreplace")
    return shown(decoder.decode(name, final=len(name) not in _FIELDS))
