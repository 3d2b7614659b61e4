"""A vendor's database in memory, as the contract has it: rows in parts of ten, and faults to be turned on."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from zkpoll.bridge.contract import Contents, DatabaseUser, Lookups, MachineRows, Opened, Piece, PunchRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from zkpoll.bridge.contract import Source, Target
    from zkpoll.errors import ZkpollError

PART = 10
"""Rows of a bucket."""
START = datetime(2026, 11, 22, 8, 59, 58)


def punched(number: int, user: object = 17, **cells: object) -> PunchRow:
    """Return a row so many minutes after `START`, of person 17 at machine 1."""
    told: dict[str, Any] = {
        "time": START + timedelta(minutes=number),
        "user": user,
        "state": "I",
        "verify": 1,
        "machine": "1",
        **cells,
    }
    return PunchRow(**told)


@dataclass
class InMemory:
    """The database, its faults, and what was asked of it."""

    rows: list[PunchRow] = field(default_factory=list)
    people: dict[str, str] | None = field(default_factory=lambda: {"17": "1001", "18": "1002"})
    machines: dict[str, frozenset[str]] = field(default_factory=lambda: {"1": frozenset({"CQZ1"})})
    typed: frozenset[tuple[str, str]] = frozenset()
    part: int = PART
    moves_rows: bool = False
    fingers: bool = True
    """Whether its buckets have fingerprints."""
    moving: frozenset[int] = frozenset()
    """Buckets whose rows are in motion."""
    failing: dict[str, ZkpollError | Exception] = field(default_factory=dict)
    """What is raised by `open`, `tables`, `lookups`, `fingerprints`; or by reading a bucket (`read 3`)."""
    before_bucket: Callable[[int], None] = lambda _bucket: None
    """Called before a bucket is read."""
    read_buckets: list[int] = field(default_factory=list)
    """The buckets that were read, of all visits."""
    targets: list[Target] = field(default_factory=list)
    is_open: bool = False
    seconds: float = 0.0
    """How long it takes to read a bucket."""
    opening: float = 0.0
    """How long it takes to open it, in seconds."""

    @contextmanager
    def __call__(self, target: Target) -> Iterator[Source]:
        """Open it."""
        self.targets.append(target)
        time.sleep(self.opening)
        self._fail("open")
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False

    @property
    def opened(self) -> Opened:
        """Tell what it is."""
        return Opened("Memory", read_only=True)

    @property
    def in_motion(self) -> int:
        """Tell how many parts are in motion."""
        return len(self.moving & self._parts().keys())

    def tables(self) -> tuple[str, ...]:
        """Tell its tables."""
        self._fail("tables")
        return ("CHECKINOUT", "USERINFO", "Machines", "CHECKEXACT")

    def lookups(self) -> Lookups:
        """Tell people and machines."""
        self._fail("lookups")
        return Lookups(None if self.people is None else dict(self.people), dict(self.machines), self.typed)

    def fingerprints(self) -> dict[int, bytes]:
        """Tell what each part is like."""
        self._fail("fingerprints")
        return {bucket: self._finger(rows) for bucket, rows in self._parts().items()}

    def read(self, buckets: Collection[int]) -> Iterator[Piece]:
        """Yield the rows of some parts."""
        for bucket in buckets:
            time.sleep(self.seconds)
            self.before_bucket(bucket)
            self._fail(f"read {bucket}")
            if bucket not in self.moving:
                self.read_buckets.append(bucket)
                yield Piece(bucket, self._parts()[bucket])

    def contents(self) -> Contents:
        """Count the rows."""
        self._fail("contents")
        counts = Counter(
            (
                None if row.machine is None else str(row.machine),
                None if row.serial is None else str(row.serial),
            )
            for row in self.rows
        )
        machines = tuple(MachineRows(*key, rows) for key, rows in sorted(counts.items(), key=str))
        times = [row.time for row in self.rows if isinstance(row.time, datetime)]
        return Contents(len(self.rows), machines, max(times, default=None))

    def users(self) -> Iterator[DatabaseUser]:
        """Yield the people."""
        self._fail("users")
        return (DatabaseUser(number, badge) for number, badge in (self.people or {}).items())

    def _parts(self) -> dict[int, list[PunchRow]]:
        starts = range(0, len(self.rows), self.part)
        return {start // self.part: self.rows[start : start + self.part] for start in starts}

    def _finger(self, rows: list[PunchRow]) -> bytes:
        return hashlib.blake2b(repr(rows).encode(), digest_size=16).digest() if self.fingers else b""

    def _fail(self, step: str) -> None:
        if step in self.failing:
            raise self.failing[step]
