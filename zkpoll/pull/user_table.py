"""The user table of a device, decoded under one of two layouts. Pure.

The table holds every user's PIN in clear; nothing here keeps it. Sources: captures published with client
projects (80 records of 72 bytes, 9 of 28), and the 2006 vendor manual.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import attrgetter
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
"""Share of believable users above which a layout is believed."""


def decode(data: bytes, counted: int | None = None) -> tuple[User, ...]:
    """Given the records of a user table, and how many users the device counts, return its users.

    Slots that hold no user are left out, and so is a user without a believable id: one odd record must not
    keep everybody else from being known. Raise `WireError` when most records fit neither 72 nor 28 bytes,
    when they are not as many as counted, or when two have one slot: read so, the records of other widths
    (16 bytes before firmware 5.04) would name people whom nobody knows. Size alone does not tell: 504 bytes
    are 7 of 72, 18 of 28 or 14 of 36.
    """
    readings = [
        _read(data, struct, build)
        for struct, build in ((_TFT, _tft_user), (_OLD, _old_user))
        if len(data) % struct.size == 0
    ]
    fitting = [one for one in readings if one.share > _MOST]
    if not fitting:
        raise WireError(f"a user table of {len(data)} bytes fits no known layout")
    believed = [one for one in fitting if counted is None or counted in {one.taken, len(one.users)}]
    if not believed:
        raise WireError(
            f"the terminal counts {counted:,} users, and in no known layout its user table of {len(data)} "
            "bytes has so many: none of it is believed"
        )
    users = max(believed, key=attrgetter("share")).users
    if len({user.slot for user in users}) < len(users):
        raise WireError(f"a user table of {len(data)} bytes names one slot twice: none of it is believed")
    return users


@dataclass(frozen=True, slots=True)
class _Reading:
    """A user table, read under one layout."""

    users: tuple[User, ...]
    taken: int
    """Records that are not empty slots."""

    @property
    def share(self) -> float:
        """The share of the users among them; of two layouts, the one with the greater share is believed."""
        return len(self.users) / self.taken if self.taken else 1.0


def _read(data: bytes, struct: Struct, build: Callable[..., User | None]) -> _Reading:
    records = (data[at : at + struct.size] for at in range(0, len(data), struct.size))
    taken = [record for record in records if any(record) and record[2] != _TEMPLATE]
    users = [user for record in taken if (user := build(*struct.unpack(record))) is not None]
    if any(user.user_id for user in users):
        named = tuple(user for user in users if user.user_id)
    else:
        named = tuple(replace(user, user_id=str(user.slot)) for user in users)
    return _Reading(named, len(taken))


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
    """28 bytes: slot, privilege, 5 PIN, 8 name, card, group, zones, u32 user id. Older terminals.

    The id is empty where it is 0, as it is of all users of terminals whose slots are the ids: before firmware
    5.04, or set to ids of 5 digits (the vendor manual; https://github.com/fananimi/pyzk/issues/52).
    """
    if not slot:
        return None
    text = str(user_id) if user_id else ""
    return User(slot, text, _text(name), privilege, card, group, bool(_text(password)))


def _text(field: bytes) -> bytes:
    """Return a text field up to its NUL. Old memory follows."""
    return field.partition(b"\0")[0]
