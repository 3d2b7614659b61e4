"""Counts, time spans and moments in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from zkpoll.wall_clock import drift_in_words

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_UNITS: Final = ((86_400, "days"), (3600, "h"), (60, "min"), (1, "s"))
"""Units of time spans, in seconds."""
ahead: Final = drift_in_words
"""By how much a clock is ahead, in the words that troubles have for it, too."""
CALLS_US: Final = "calls us"
"""Of a device without a host, in the place of what is known of those that are called."""
OFF: Final = "enabled: false"
"""Of what the inventory takes out for a while, in its own words."""
STAMPED_AHEAD: Final = "stamped ahead of this host's clock, which was wrong then, or is"
"""Of a moment in the journal that has not come yet."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 record`, `2,000 records`. The plural ends in s by default."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def punches(number: int) -> str:
    """Return `1 punch`, `2,000 punches`."""
    return counted(number, "punch", "punches")


def are(number: int) -> str:
    """Return the verb for so many things: is, are."""
    return "is" if number == 1 else "are"


def span(time: timedelta, finest: Literal["min", "s"] = "s") -> str:
    """Return a time span in the largest unit that it has two of: `3 days`, `2 h`, `5 min`, `40 s`.

    Nothing lasts less than no time: a span below that is `0 s`.
    """
    seconds = max(0, int(time.total_seconds()))
    unit, word = next(
        (unit, word) for unit, word in _UNITS if seconds >= 2 * unit or word in {finest, _UNITS[-1][1]}
    )
    return f"{seconds // unit} {word}"


def iso(moment: datetime | None) -> str | None:
    """Return a moment as JSON has it: ISO 8601, to the millisecond."""
    return moment.isoformat(timespec="milliseconds") if moment else None


def second(moment: datetime | str) -> str:
    """Given a moment in UTC, or its ISO 8601 text, return it to the second: `2026-11-22 03:00:05Z`."""
    return f"{str(moment)[:19].replace('T', ' ')}Z"


def minute(moment: datetime | str) -> str:
    """Given a moment in UTC, or its ISO 8601 text, return it to the minute: `2026-11-22 03:00Z`."""
    return f"{str(moment)[:16].replace('T', ' ')}Z"
