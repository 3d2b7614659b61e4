"""Days as people write them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkpoll.model.days import WEEKDAYS, day_of

TODAY = date(2026, 11, 25)
"""A Wednesday."""


@pytest.mark.parametrize(
    ("text", "month_first", "day"),
    [
        ("2026-11-22", None, date(2026, 11, 22)),
        (" 2026-3-1 ", None, date(2026, 3, 1)),
        ("today", None, TODAY),
        ("Yesterday", None, date(2026, 11, 24)),
        ("wednesday", None, TODAY),
        ("Thursday", None, date(2026, 11, 19)),
        ("SUN", None, date(2026, 11, 22)),
        ("23/11/2026", False, date(2026, 11, 23)),
        ("3/4/2026", False, date(2026, 4, 3)),
        ("3/4/2026", True, date(2026, 3, 4)),
    ],
)
def test_a_day(text: str, month_first: bool | None, day: date) -> None:
    """A date, a word for one, a weekday: the last such day, today included; slashes where it is said how."""
    assert day_of(text, TODAY, month_first) == day


@pytest.mark.parametrize(
    ("text", "month_first", "told"),
    [
        ("2026-02-30", None, "'2026-02-30' is no day of the calendar"),
        ("23/11/2026", True, "'23/11/2026' is no day of the calendar"),
        ("3/4/26", False, "one such as 2026-11-25, 25/11/2026, today, yesterday or sunday"),
        ("3/4/26", True, "one such as 2026-11-25, 11/25/2026, today"),
        ("tomorrow", None, "'tomorrow' is no day; expected one such as 2026-11-25, today,"),
        ("", None, "'' is no day"),
        ("\u0662\u0660\u0662\u0666-11-22", None, "is no day; expected"),
        ("22/11/\u0662\u0660\u0662\u0666", False, "is no day; expected"),
        (
            "23/11/2026",
            None,
            "which of the two is the month? Write it as 2026-11-25, or say it in the inventory",
        ),
    ],
)
def test_no_day(text: str, month_first: bool | None, told: str) -> None:
    """What is no day, or may be two, is refused with what is expected."""
    with pytest.raises(ValueError, match=r"is no day|which of the two") as caught:
        day_of(text, TODAY, month_first)
    assert told in str(caught.value)


@given(st.dates(min_value=date(2, 1, 1)), st.integers(0, 6))
def test_every_weekday_is_within_the_last_seven_days(today: date, number: int) -> None:
    """Whatever day it is today, a weekday is that one, and no further back than six days."""
    found = day_of(WEEKDAYS[number], today)
    assert found.weekday() == number
    assert 0 <= (today - found).days <= 6
