"""The search of the live page: where a punch is, in the words of `zkpoll explain`. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.model.days import day_of
from zkpoll.reports.explain import details, explain
from zkpoll.reports.people import Person, who
from zkpoll.reports.words import counted, punches

if TYPE_CHECKING:
    from datetime import datetime

    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.reports.explain import PersonDay
    from zkpoll.reports.people import Meant

_MOST: Final = 50
"""Lines of each list; a person's day has a few."""
_LONGEST: Final = 100
"""Characters of a user id or a name: more would be compared with each of them, and fits none."""


@dataclass(frozen=True, slots=True)
class Told:
    """A punch of the story: when, at which device, and all that is known of it."""

    time: str
    """By the device's wall clock: `07:58:12`."""
    device: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked, as it was typed, and what was found. Without a user nothing was asked yet."""

    user: str = ""
    day: str = ""
    """`2026-11-29`, as a browser sends it, or what was typed in its place."""
    story: PersonDay | None = None
    problem: str | None = None
    """Why there is no story, or that nobody is known by that id yet, in a sentence."""
    people: tuple[Person, ...] = ()
    """Who may be meant, where that is not one."""
    others: int = 0
    """How many more may be."""

    @property
    def title(self) -> str | None:
        """The person, the day and the number of punches; None where there is no story."""
        if self.story is None:
            return None
        return f"{self.story.title}: {punches(len(self.story.punches))}"

    @property
    def told(self) -> tuple[Told, ...]:
        """The punches of that day, the first ones where they are very many."""
        found = self.story.punches[:_MOST] if self.story else ()
        return tuple(
            Told(one.timestamp[11:19], f"{one.device} ({one.serial_number})", tuple(details(one)))
            for one in found
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is not known of that day, and how far devices and databases are read where nothing is."""
        if self.story is None:
            return ()
        if not self.story.punches:
            return _first(tuple(self.story.not_seen()))
        rest, more = len(self.story.punches) - _MOST, self.story.more_may_come()
        cut = [f"And {punches(rest)} more, which `zkpoll explain` shows."] if rest > 0 else []
        return (*cut, *([more] if more else []))


def search(inventory: Inventory, journal: Journal, user: str | None, day: str, now: datetime) -> Search:
    """Given a user id or a name, and a day, as they were typed, return what was found. `now` is UTC.

    Without a day it is today, in the inventory's zone. Without a user nothing was asked.
    """
    today = now.astimezone(ZoneInfo(inventory.zone)).date()
    if user is None:
        return Search(day=today.isoformat())
    asked, written = user.strip(), day.strip()
    month_first = inventory.dates and inventory.dates == "month/day/year"
    try:
        date = day_of(written[:_LONGEST], today, month_first) if written else today
    except ValueError as error:
        return Search(asked, written, problem=f"{error}.")
    if not asked:
        return Search("", date.isoformat(), problem="Whose? Expected a user id or a name.")
    if len(asked) > _LONGEST:
        return Search("", date.isoformat(), problem="That is too long for a user id or a name.")
    if "\0" in asked:  # PostgreSQL would not be asked for it
        return Search("", date.isoformat(), problem="No user id or name has such a letter.")
    meant = who(inventory, journal, asked)
    is_one = len(meant.found) == 1
    story = None
    if is_one or (meant.is_id and not meant.found):  # perhaps nobody has read yet who that is
        story = explain(inventory, journal, meant.found[0] if is_one else Person(asked), date, now)
    maybe = () if is_one else (meant.found or meant.nearest)
    return Search(
        asked,
        date.isoformat(),
        story,
        None if is_one else _sentence(meant),
        maybe[:_MOST],
        len(maybe[_MOST:]),
    )


def _sentence(meant: Meant) -> str:
    told = meant.sentence()
    return f"{told[:1].upper()}{told[1:]}."


def _first(lines: tuple[str, ...]) -> tuple[str, ...]:
    rest = len(lines) - _MOST
    more = (f"And {counted(rest, 'more', 'more')}, which `zkpoll explain` shows.",) if rest > 0 else ()
    return (*lines[:_MOST], *more)
