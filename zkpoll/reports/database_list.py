"""The list of the inventory's databases, with what the journal knows of each. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkpoll.journal.database_overview import database_standings
from zkpoll.reports.words import iso, minute

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.journal.database_overview import DatabaseStanding


@dataclass(frozen=True, slots=True)
class ListedDatabase:
    """A database of the inventory, with what the journal knows of it."""

    name: str
    kind: str
    """The vendor's program."""
    address: str
    enabled: bool
    standing: DatabaseStanding | None
    """None while nothing of it was ever read."""

    @property
    def title(self) -> str:
        """Its name, and whether it is taken out."""
        return self.name if self.enabled else f"{self.name} (off)"

    @property
    def read(self) -> str:
        """When it was last read to its end."""
        return minute(self.standing.read_at) if self.standing and self.standing.read_at else "never"

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Its rows that are set aside, edited and gone, and its punches that wait for a dashboard."""
        one = self.standing
        return (one.set_aside, one.changed, one.gone, one.pending) if one else (0, 0, 0, 0)

    def cells(self) -> tuple[str, ...]:
        """Return its name, kind, address, rows, last reading, and the counts."""
        rows = f"{self.standing.rows:,}" if self.standing else "-"
        numbers = (f"{number:,}" for number in self.counts)
        return self.title, self.kind, self.address, rows, self.read, *numbers

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        one = self.standing
        set_aside, changed, gone, pending = self.counts
        return {
            "name": self.name,
            "kind": self.kind,
            "address": self.address,
            "enabled": self.enabled,
            "rows": one.rows if one else None,
            "read_at": iso(one.read_at if one else None),
            "set_aside": set_aside,
            "changed": changed,
            "gone": gone,
            "backlog": pending,
        }


def database_list(inventory: Inventory, journal: Journal) -> list[ListedDatabase]:
    """Return the databases in the inventory's order."""
    known = database_standings(journal) if inventory.databases else {}
    return [
        ListedDatabase(one.name, one.kind, one.address, one.enabled, known.get(one.name))
        for one in inventory.databases
    ]
