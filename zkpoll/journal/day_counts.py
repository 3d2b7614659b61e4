"""How many punches each day brought: counted once a day, as it takes long where there are many.

    once a day      those of the last weeks are counted, up to the last one there is
    at each look    what was counted then, and those behind it

So a look costs a day's punches and not those of weeks. A punch that only a database had shown when it was
counted, and that its device shows later, is in the day's number from the next time on; so is one that another
device gets.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from zkpoll.journal.overview import first_since, last_place
from zkpoll.model.fullness import WINDOW
from zkpoll.model.punch import Form
from zkpoll.wall_clock import is_ahead

if TYPE_CHECKING:
    from zkpoll.journal.database import Journal

_EVERY: Final = timedelta(hours=20)
"""Less than a day, so that a daily run that is early counts again."""


def count_once_a_day(journal: Journal, now: datetime) -> None:
    """Count the punches of the last weeks by device and day, unless that was done today. `now` is UTC."""
    row = journal.one("punched_until")
    at = datetime.fromisoformat(row[1]) if row else None
    if at is None or is_ahead(at, now) or now - at >= _EVERY:
        count_by_day(journal, now)


def count_by_day(journal: Journal, now: datetime) -> None:
    """Count the punches of the last weeks by device and day. `now` is UTC."""
    with journal.transaction():  # alone: all that is before the last place can be seen
        last = last_place(journal)
    first = first_since(journal, now - WINDOW - timedelta(days=1))
    rows = journal.all("punched_by_day", seq=first, last=last, bridge=int(Form.BRIDGE))
    with journal.transaction():
        journal.run("forget_punched")
        days = [{"device": device, "day": day, "number": number} for device, day, number in rows]
        journal.run_many("note_punched", days)
        journal.run("note_punched_until", seq=last, now=now.isoformat(timespec="milliseconds"))
