"""What rows, people and terminals are looked up by."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from zkpoll.bridge.contract import Lookups, PunchRow
from zkpoll.bridge.meaning import RowRules, Settler
from zkpoll.bridge.side_tables import badges, serials, typed_in
from zkpoll.bridge.values import bare, second_text, to_second
from zkpoll.model.bridged import SettledRow

if TYPE_CHECKING:
    from zkpoll.bridge.contract import Cell

MORNING = datetime(2026, 11, 22, 8, 59, 58)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999)
EAST = timezone(timedelta(hours=6))


@pytest.mark.parametrize("cell", [17, 17.0, "17", " 17 ", b"17", b"17 "])
def test_a_number_is_the_same_in_each_type(cell: Cell) -> None:
    """The number of a person or a terminal is the same text, whichever type its column has."""
    assert bare(cell) == "17"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, ""),
        (True, "1"),
        (False, "0"),
        (1.5, "1.5"),
        ("0017", "0017"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_what_is_no_number_stays_what_it_is(cell: Cell, text: str) -> None:
    """Zeros in front, fractions and bytes that are no text are kept apart."""
    assert bare(cell) == text


@pytest.mark.parametrize(
    ("time", "second"),
    [
        (MORNING, "2026-11-22T08:59:58"),
        (MORNING - timedelta(microseconds=3333), "2026-11-22T08:59:58"),
        (MORNING + timedelta(microseconds=499_999), "2026-11-22T08:59:58"),
        (datetime(2026, 12, 31, 23, 59, 59, 996667), "2027-01-01T00:00:00"),
        (MORNING.replace(tzinfo=UTC), "2026-11-22T08:59:58"),
        (MORNING.replace(tzinfo=EAST), "2026-11-22T02:59:58"),
    ],
)
def test_the_nearest_second(time: datetime, second: str) -> None:
    """SQL Server keeps 1/300 s, Access parts of a day: the nearest second is meant, of an instant in UTC."""
    assert second_text(to_second(time)) == second


def test_the_end_of_the_calendar() -> None:
    """A typed row behind the last second that there is finds no punch, and breaks nothing."""
    with pytest.raises(OverflowError):
        to_second(LAST)
    assert typed_in([(17, LAST, 1), (17, MORNING, 1), (18, MORNING, 0)]) == {("17", "2026-11-22T08:59:58")}


@pytest.mark.parametrize("there", [17, 17.0, "17 ", b"17"])
@pytest.mark.parametrize("here", [17, 17.0, "17 ", b"17"])
@pytest.mark.parametrize("time", [MORNING, MORNING.replace(tzinfo=EAST)])
def test_tables_find_each_other(here: Any, there: Any, time: datetime) -> None:
    """A row finds its person, its terminal and that somebody typed it in, whatever types the tables have."""
    near = time + timedelta(microseconds=3333)
    lookups = Lookups(badges([(there, " 1001 ")]), serials([(there, "CQZ1")]), typed_in([(there, near, 1)]))
    rules = RowRules("head-office", "number")
    settled = Settler(rules, lookups, lambda _key: UTC).settle(PunchRow(time, here, machine=here))
    assert isinstance(settled, SettledRow)
    assert (settled.punch.user_id, settled.device, settled.manual) == ("1001", "CQZ1", True)
