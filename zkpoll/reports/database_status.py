"""How databases stand, for the screen of `zkpoll status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkpoll.journal.database_overview import HeldForPerson, database_standings, held_for_person
from zkpoll.reports.verdict import STALE, Need
from zkpoll.reports.words import OFF, STAMPED_AHEAD, are, counted, iso, minute, punches, span
from zkpoll.tasks.database_outcome import DATABASE
from zkpoll.wall_clock import age, is_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from zkpoll.inventory import Database, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.database_overview import DatabaseStanding


@dataclass(frozen=True, slots=True)
class DatabaseStatus:
    """A database of the inventory, and how it stands."""

    name: str
    kind: str
    """The vendor's program."""
    address: str
    enabled: bool
    standing: DatabaseStanding | None
    """None while nothing of it was ever read."""
    held: HeldForPerson
    stale: bool
    """Whether its last reading is older than it may be."""
    ahead: bool = False
    """Whether its last reading is stamped ahead of now, so that nobody knows how old it is."""

    @property
    def subject(self) -> str:
        """The subject of its troubles."""
        return f"{DATABASE}{self.name}"

    @property
    def read_at(self) -> datetime | None:
        """When it was last read to its end (UTC)."""
        return self.standing.read_at if self.standing else None

    @property
    def attention(self) -> bool:
        """Whether a person has to see to it."""
        return any(self.needs())

    def needs(self) -> Iterator[Need]:
        """Yield what a person has to see to; its last reading not where it is taken out."""
        subject, aside = self.subject, self._unusual()[0]
        sudden, manual = self.held.sudden, self.held.manual
        if self.stale:
            yield Need(
                subject, STALE, "it is not read" if self.read_at else "it was never read", self.read_at
            )
        if self.ahead and self.enabled:
            yield Need(subject, "ahead", f"its last reading is {STAMPED_AHEAD}")
        if aside:
            text = f"{counted(aside, 'row')} set aside, no punches yet; see `zkpoll quarantine list`"
            yield Need(subject, "set aside", text)
        if sudden:
            text = (
                f"{punches(sudden)} {are(sudden)} held: most of their seconds are known under other user ids"
            )
            yield Need(subject, "sudden", f"{text}; see `zkpoll outbox list --held`")
        if manual:
            text = f"{punches(manual)} that a person typed in {are(manual)} held"
            yield Need(subject, "manual", f"{text}; see `zkpoll outbox list --held`")

    def cells(self, now: datetime) -> tuple[str, str, str, str, str]:
        """Return its last reading, its rows, and those that are set aside, edited and gone."""
        read = "never"
        if self.read_at:
            ago = f"{span(age(self.read_at, now))} ago"
            read = f"{minute(self.read_at)}, AHEAD" if self.ahead else ago
        one = self.standing
        rows = f"{one.rows:,}" if one else ""
        aside, changed, gone = (f"{number:,}" if number else "" for number in self._unusual())
        return f"{read}, TOO LONG" if self.stale else read, rows, aside, changed, gone

    def words(self, now: datetime) -> Iterator[str]:
        """Yield the same in words, without what is empty."""
        yield f"read {self.cells(now)[0]}"
        if self.standing:
            yield counted(self.standing.rows, "row")
        for number, word in zip(self._unusual(), ("set aside", "edited", "gone"), strict=True):
            if number:
                yield f"{number:,} {word}"

    def _unusual(self) -> tuple[int, int, int]:
        one = self.standing
        return (one.set_aside, one.changed, one.gone) if one else (0, 0, 0)

    def remarks(self) -> Iterator[str]:
        """Yield, one by one, the facts about it that are not as usual, and need nobody."""
        if not self.enabled:
            yield OFF
            if self.ahead:
                yield f"its last reading is {STAMPED_AHEAD}"

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        one = self.standing
        return {
            "name": self.name,
            "kind": self.kind,
            "address": self.address,
            "enabled": self.enabled,
            "stale": self.stale,
            "ahead_of_clock": self.ahead,
            "read_at": iso(self.read_at),
            "whole_at": iso(one.whole_at if one else None),
            "rows": one.rows if one else None,
            "set_aside": one.set_aside if one else 0,
            "changed": one.changed if one else 0,
            "gone": one.gone if one else 0,
            "pending": one.pending if one else 0,
            "held_sudden": self.held.sudden,
            "held_manual": self.held.manual,
        }


def database_status(
    inventory: Inventory, journal: Journal, limit: timedelta, now: datetime
) -> tuple[DatabaseStatus, ...]:
    """Return how the inventory's databases stand, in its order. `now` is UTC.

    `limit` is how old a last reading may be.
    """
    if not inventory.databases:
        return ()
    known, held = database_standings(journal), held_for_person(journal)

    def stands(database: Database) -> DatabaseStatus:
        standing = known.get(database.name)
        read = standing.read_at if standing else None
        return DatabaseStatus(
            database.name,
            database.kind,
            database.address,
            database.enabled,
            standing,
            held.get(database.name, HeldForPerson()),
            stale=database.enabled and (read is None or age(read, now) > limit),
            ahead=read is not None and is_ahead(read, now),
        )

    return tuple(map(stands, inventory.databases))
