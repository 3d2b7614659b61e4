"""Values as they are looked up: bare text, and times to the second. Pure.

Rows, people and terminals find each other by these, whichever engine told of them: 1 and "1" are the same
machine, and 08:59:57.997 is the second that follows.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from zkpoll.bridge.contract import Cell

NO_NUMBER: Final = frozenset({"", "0"})
"""What stands where there is no serial number, no badge or no operator."""
_SECOND: Final = timedelta(seconds=1)
_HALF: Final = 500_000
"""Microseconds. Access counts in days, SQL Server in 1/300 s: real values lie within 4 ms of a second."""


def bare(cell: Cell) -> str:
    """Return a value as text without blanks around it; none is empty. Whole numbers are written as such."""
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, bool) or (isinstance(cell, float) and cell.is_integer()):
        return str(int(cell))
    return cell.decode("utf-8", "replace").strip() if isinstance(cell, bytes) else str(cell)


def to_second(time: datetime) -> datetime:
    """Return a time rounded to the second. Raise `OverflowError` behind the last one that there is."""
    if not time.microsecond:
        return time
    return time.replace(microsecond=0) + (_SECOND if time.microsecond >= _HALF else timedelta(0))


def second_text(time: datetime) -> str:
    """Return a whole second as rows have it in their keys: `2026-11-22T08:59:58`, in UTC if an instant.

    Raise `OverflowError` as `to_second` does.
    """
    return (time if time.tzinfo is None else time.astimezone(UTC)).isoformat()[:WALL]
