"""Visits that keep the fingerprints, as zkpoll does, and rows as they came."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkpoll.bridge.contract import PunchRow, Source


def rows_of(source: Source) -> list[PunchRow]:
    """Return all rows."""
    return [row for piece in source.read(source.fingerprints()) for row in piece.rows]


@dataclass
class Visits:
    """What the visits until now have shown."""

    prints: dict[int, bytes] = field(default_factory=dict)
    buckets: dict[int, list[PunchRow]] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    """The buckets that the last visit read."""

    def visit(self, source: Source) -> list[PunchRow]:
        """Read what differs; return the rows that are new."""
        before = [row for rows in self.buckets.values() for row in rows]
        prints = source.fingerprints()
        self.read = [one for one, told in prints.items() if not told or self.prints.get(one) != told]
        self.buckets = {one: rows for one, rows in self.buckets.items() if one in prints}
        for piece in source.read(self.read):
            self.buckets[piece.bucket] = list(piece.rows)
        self.prints = {one: told for one, told in prints.items() if told}
        return [row for row in self.rows if row not in before]

    @property
    def rows(self) -> list[PunchRow]:
        """All rows that are there, as far as the visits know."""
        return [row for rows in self.buckets.values() for row in rows]
