"""A device's counts and capacities: the sizes reply (command 50). Pure.

Source: six published captures of 80 and 92 bytes, in which free = capacity - held holds throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

LONGEST_LOG: Final = 64 * 1024 * 1024
"""Bytes that a log may have: a million records of 49 bytes, twice what any is known to hold."""
_DWORDS = Struct("<20I")
_USERS, _FINGERS, _RECORDS = 4, 6, 8
_CAPACITY = {_FINGERS: 14, _USERS: 15, _RECORDS: 16}
_FREE = {_FINGERS: 17, _USERS: 18, _RECORDS: 19}


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts and capacities. A hint, never a proof: some firmware says 0 records with a full log."""

    users: int
    records: int
    capacity: int
    """Records the log can hold."""
    user_capacity: int


def parse(data: bytes) -> Sizes | None:
    """Given the data of a sizes reply, return its numbers, or None if they do not add up."""
    if len(data) < _DWORDS.size:
        return None  # D2 and WL20 answer one zero dword
    dwords = _DWORDS.unpack_from(data)
    if any(dwords[_CAPACITY[held]] - dwords[held] != dwords[_FREE[held]] for held in _CAPACITY):
        return None
    capacity = dwords[_CAPACITY[_RECORDS]]
    if not capacity:
        return None
    return Sizes(dwords[_USERS], dwords[_RECORDS], capacity, dwords[_CAPACITY[_USERS]])
