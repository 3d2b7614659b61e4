"""The user table of a device, decoded under one of two layouts. Pure.

The table holds every user's PIN in clear; nothing here keeps it. Sources: captures published with client
projects (80 records of 72 bytes, 9 of 28), and the 2006 vendor manual.
"""

from __future__ import annotations

from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Final

from zkpoll.errors import WireError
from zkpoll.model.user import User

if TYPE_CHECKING:
    from collections.abc import Callable

_TFT = Struct("<HB8s24sIB8x24s")
_OLD = Struct("<HB5s8sIxBHI")
_TEMPLATE: Final = 0x31
"""Privilege of a slot that holds templates instead of a user (WL10, https://github.com/MrFaviod/pyzk-wl10)."""
_MOST: Final = 1 / 2
"""Share of believable users above which a layout is believed; of two, the one with the greater share."""


def decode(data: bytes) -> tuple[User, ...]:
    """Given the records of a user table, return its users.

    Slots that hold no user are left out, and so is a user without a believable id: one odd record must not
    keep everybody else from being known. Raise `WireError` when most records fit neither 72 nor 28 bytes.
    Size alone does not tell the two apart: 504 bytes are 7 of the one or 18 of the other.
    """
    readings = [
        _read(data, struct, build)
        for struct, build in ((_TFT, _tft_user), (_OLD, _old_user))
        if len(data) % struct.size == 0
    ]
    share, users = max(readings, key=itemgetter(0), default=(0.0, ()))
    if share <= _MOST:
        raise WireError(f"a user table of {len(data)} bytes fits no known layout")
    return users


def _read(data: bytes, struct: Struct, build: Callable[..., User | None]) -> tuple[float, tuple[User, ...]]:
    """Return the users, and their share of the records that are not empty slots."""
    records = (data[at : at + struct.size] for at in range(0, len(data), struct.size))
    taken, users = 0, []
    for record in records:
        if any(record) and record[2] != _TEMPLATE:
            taken += 1
            if (user := build(*struct.unpack(record))) is not None:
                users.append(user)
    return (len(users) / taken if taken else 1.0), tuple(users)


def _tft_user(
    slot: int, privilege: int, password: bytes, name: bytes, card: int, group: int, user_id: bytes
) -> User | None:
    """72 bytes: slot, privilege, 8 PIN, 24 name, card, group, zones, 24 user id. All TFT devices."""
    text = _text(user_id)
    if not text.strip() or not (text.isascii() and text.decode("ascii").isprintable()):
        return None
    return User(slot, text.decode("ascii"), _text(name), privilege, card, group, bool(_text(password)))


def _old_user(
    slot: int,
    privilege: int,
    password: bytes,
    name: bytes,
    card: int,
    group: int,
    _zones: int,
    user_id: int,
) -> User | None:
    """28 bytes: slot, privilege, 5 PIN, 8 name, card, group, zones, u32 user id. Older terminals."""
    if not slot or not user_id:
        return None
    return User(slot, str(user_id), _text(name), privilege, card, group, bool(_text(password)))


def _text(field: bytes) -> bytes:
    """Return a text field up to its NUL. Old memory follows."""
    return field.partition(b"\0")[0]
