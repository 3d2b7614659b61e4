"""What drivers give, as the contract has it. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from zkpoll.bridge.contract import MEANINGS, PunchRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zkpoll.bridge.contract import Cell

_AS_THEY_ARE: Final = frozenset({int, str, float, bool, datetime, type(None)})
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d))?", re.ASCII
)
"""Times as text: of SQLite, and of SQL Server's newer types at an old TDS, with seven digits of a second."""
_DIGITS: Final = 38
"""As many has a number of SQL Server at most; Python refuses to write one of some thousands."""


def as_cell(value: Any) -> Cell:
    """Given a value of a driver, return it in one of the contract's types."""
    if type(value) in _AS_THEY_ARE:
        return value  # type: ignore[no-any-return]
    if isinstance(value, Decimal):
        whole = value.is_finite() and value.adjusted() < _DIGITS and value == value.to_integral_value()
        return int(value) if whole else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return raw
    return value if isinstance(value, datetime) else str(value)


def as_time(value: Any) -> Cell:
    """Given a value of a column of times, return a datetime; what is none stays as it is."""
    cell = as_cell(value)
    return _parsed(cell) if isinstance(cell, str) else cell


def _parsed(text: str) -> datetime | str:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return text
    day, minute, second, fraction, zone = found.groups()
    micro = f".{fraction[:6]:0<6}" if fraction else ""
    try:
        return datetime.fromisoformat(f"{day} {minute}{second or ':00'}{micro}{zone or ''}")
    except ValueError:
        return text


def punch_rows(places: Mapping[str, int]) -> Callable[[Sequence[Any]], PunchRow]:
    """Given the place of each meaning in the rows of a statement, return what makes a row of such a one."""
    pick = itemgetter(*(places.get(meaning, -1) for meaning in MEANINGS))

    def make(row: Sequence[Any]) -> PunchRow:
        time, *rest = pick((*row, None))
        return PunchRow(as_time(time), *map(as_cell, rest))

    return make
