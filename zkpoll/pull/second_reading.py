"""Single records, decoded anew by their bytes alone. Pure.

What a reading found impossible is kept as it came. A later zkpoll may know what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.pull.layouts import ANY_SLOT, LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from zkpoll.model.punch import Punch

_SLOT: Final = 2
"""Bytes that the slot takes, in front of a record that has one."""


class OfSlot(NamedTuple):
    """What a record tells that names a slot of the user table instead of a user."""

    slot: int
    time: datetime
    """The device's wall clock."""


def read_again(raw: bytes, users: Mapping[int, str]) -> Punch | None:
    """Given the bytes of one record and the device's users by slot, return its punch; None if it is none."""
    layout = LAYOUTS.get(len(raw))
    if layout is None:
        return None
    decoded = layout.decode(raw, users)
    return decoded.punches[0] if len(decoded.punches) == 1 and not decoded.quarantined else None


def of_slot(raw: bytes) -> OfSlot | None:
    """Given the bytes of a record, return its slot and time; None where it names no slot or is no punch."""
    layout = LAYOUTS.get(len(raw))
    if layout is None or not layout.needs_users:
        return None
    punch = read_again(raw, ANY_SLOT)
    return OfSlot(int(punch.user_id), punch.time) if punch else None


def bytes_of_slot(raw: bytes) -> tuple[bytes, bytes]:
    """Given a record that names a slot, return bytes between which all records of that slot lie."""
    slot = raw[:_SLOT]
    return slot, slot + b"\xff" * len(raw)
