"""Days as people write them: 2026-11-22, today, yesterday, a weekday, and 22/11/2026. Pure."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT: Final = 3
"""Letters of a weekday's short form: mon, tue."""
_HYPHENS: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_SLASHES: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def day_of(text: str, today: date, month_first: bool | None = None) -> date:
    """Given a day as a person writes it, return it.

    A weekday is the last such day, today included. Of a date with slashes `month_first` says which is the
    month; where that is None, nobody knows, and it is refused. Raise ValueError naming what is expected.
    """
    word = text.strip().lower()
    if word in {"today", "yesterday"}:
        return today - timedelta(days=word == "yesterday")
    for number, name in enumerate(WEEKDAYS):
        if word in {name, name[:_SHORT]}:
            return today - timedelta(days=(today.weekday() - number) % len(WEEKDAYS))
    if hyphens := _HYPHENS.fullmatch(word):
        year, month, day = map(int, hyphens.groups())
        return _real(text, year, month, day)
    if slashes := _SLASHES.fullmatch(word):
        first, second, year = map(int, slashes.groups())
        if month_first is None:
            raise ValueError(
                f"{text!r}: which of the two is the month? Write it as {today}, or say it in the inventory"
                " (dates: day/month/year)"
            )
        return _real(text, year, *((first, second) if month_first else (second, first)))
    slashed = {None: "", False: f"{today:%d/%m/%Y}, ", True: f"{today:%m/%d/%Y}, "}[month_first]
    expected = f"expected one such as {today}, {slashed}today, yesterday or sunday (the last one)"
    raise ValueError(f"{text!r} is no day; {expected}")


def _real(text: str, year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None
