"""Access files as databases of punches, read while the vendor's program writes them. Nothing is written.

A bucket is a page of the table of punches, with the pages that its moved rows point to. Each page is read
twice, at least 0.1 s apart, and its rows are those of the second reading:

    fingerprints()    first reading: a digest of each page, nothing else is kept
    read(buckets)     second reading: another digest means that the page is in motion, and it is left out for
                      the next visit; the same one that cannot be decoded is damaged

A file that changes while it is read may show halves of two states. What seems damaged in it is looked at
again after a pause, in a file that is opened anew; only what lasts is told. Then it comes last, so that the
rows of all sound pages are out before it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from zkpoll.bridge.contract import MEANINGS, Contents, Lookups, MachineRows, Opened, Piece, PunchRow
from zkpoll.bridge.jet import JetFile
from zkpoll.bridge.schemas import schema_of
from zkpoll.bridge.side_tables import USER_MEANINGS, badges, serials, typed_in, user_of
from zkpoll.bridge.values import bare
from zkpoll.errors import Damaged, Encrypted, Refused, Silent, Unreachable, WrongSchema, reason
from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zkpoll.bridge.contract import Cell, DatabaseUser, Target
    from zkpoll.bridge.jet import JetTable
    from zkpoll.bridge.schemas import Schema, TableFacts
    from zkpoll.errors import ZkpollError

_T = TypeVar("_T")
_SHARING: Final = frozenset({32, 33})
"""Windows' codes of a file that another program has for itself alone."""
_NAMED: Final = 5
"""Pages that are named in one sentence."""
_LISTED: Final = 60
"""Tables that are named in one sentence: files of the vendor have about 40."""
_DIGEST: Final = 16
"""Bytes."""
_TELLS_TERMINAL: Final = frozenset({"serial", "machine"})
"""What may lack, but not be passed over: a row would seem to be of no terminal."""


class Patience(NamedTuple):
    """How long is waited for a file that changes, in seconds."""

    apart: float = 0.1
    """Between two readings of a page."""
    pause: float = 2.0
    """Before what seems damaged is looked at again."""
    tries: int = 3
    """How often it is looked at again."""
    sleep: Callable[[float], None] = time.sleep


PATIENCE: Final = Patience()


@contextmanager
def open_access(path: Path, target: Target, patience: Patience = PATIENCE) -> Iterator[AccessSource]:
    """Open an Access file, for one visit. Raise as `Source` does, or `Encrypted`."""
    source = AccessSource(path, target, patience)
    try:
        source.tables()
        yield source
    finally:
        source.close()


@dataclass(frozen=True, slots=True)
class _Table:
    """A table that is read, and its columns by meaning."""

    jet: JetTable
    columns: Mapping[str, str]

    def rows(
        self, number: int, snapshot: _Snapshot, meanings: Sequence[str], key: Iterable[str] = ()
    ) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows of a page, a cell of each meaning; None of those that the table has not."""
        there = [meaning for meaning in meanings if meaning in self.columns]
        columns = [self.columns[meaning] for meaning in there]
        needed = [self.columns[meaning] for meaning in key if meaning in self.columns]
        pick = itemgetter(*(there.index(one) if one in there else len(there) for one in meanings))
        for row in self.jet.rows(number, snapshot.page, columns, needed, snapshot.fetch):
            yield pick((*row, None))


class _Tables(NamedTuple):
    """The tables that are read, as far as they are there."""

    punches: _Table
    people: _Table | None
    machines: _Table | None
    typed: _Table | None


class _Snapshot(NamedTuple):
    """A page as it was at one moment, with the pages that its moved rows point to."""

    page: bytes
    others: Mapping[int, bytes]

    def fetch(self, number: int) -> bytes:
        """Return a page that a row has moved to. Raise `Damaged` where the file had none."""
        if number not in self.others:
            raise Damaged(f"the file ended before page {number}")
        return self.others[number]

    @property
    def digest(self) -> bytes:
        """16 bytes that differ where any of these pages does."""
        made = blake2b(self.page, digest_size=_DIGEST)
        for other in self.others.values():
            made.update(other)
        return made.digest()


class _Opening:
    """A file as it was when it was opened."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self.stamp = _stamp(path)
        self._context: AbstractContextManager[JetFile] = JetFile.open(path)
        self.file = self._context.__enter__()
        try:
            self.tables = _tables(self.file, schema)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._context.__exit__(None, None, None)

    def snapshot(self, table: JetTable, number: int) -> _Snapshot:
        page = self.file.page(number)
        return _Snapshot(page, {other: self.file.page(other) for other in table.moved_to(page)})


class AccessSource:
    """An Access file in one visit: a `Source`. It is opened when it is first asked for something."""

    def __init__(self, path: Path, target: Target, patience: Patience = PATIENCE) -> None:
        self._path = path
        self._schema = schema_of(target)
        self._key = _key(target, self._schema)
        self._patience = patience
        self._opening: _Opening | None = None
        self._digests: dict[int, bytes] = {}
        self._stamp: tuple[int, ...] = ()
        self._hashed_at = 0.0
        self._moving: set[int] = set()

    def close(self) -> None:
        """Close the file."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.close()

    moves_rows = True
    """By compaction, by an edit, and, where a table has no key, by a row that is there twice."""

    @property
    def opened(self) -> Opened:
        """What is known of the file."""
        version = self._steadily(lambda opening: opening.file.version)
        return Opened(f"Access ({version})", read_only=True, notes=_lock_notes(self._path))

    @property
    def in_motion(self) -> int:
        """Buckets that were left out in this visit, since they changed while they were read."""
        return len(self._moving)

    def tables(self) -> tuple[str, ...]:
        """Return the tables that are read, as they are spelled there."""
        tables = self._steadily(lambda opening: opening.tables)
        return tuple(table.jet.name for table in tables if table is not None)

    def lookups(self) -> Lookups:
        """Read the tables of people, terminals and typed rows."""
        return self._steadily(self._look_up)

    def users(self) -> Iterator[DatabaseUser]:
        """Yield the people."""
        return iter(self._steadily(self._users))

    def contents(self) -> Contents:
        """Count what is there."""
        return self._steadily(self._count)

    def fingerprints(self) -> Mapping[int, bytes]:
        """Return a digest of each page of the table, empty for one that cannot be read."""
        self._digests, self._stamp = self._steadily(self._hash)
        self._hashed_at = time.monotonic()
        return MappingProxyType(self._digests)

    def read(self, buckets: Collection[int]) -> Iterator[Piece]:
        """Yield the rows of pages that are as `fingerprints` met them."""
        self._patience.sleep(max(0.0, self._hashed_at + self._patience.apart - time.monotonic()))
        damaged: dict[int, Damaged] = {}
        yield from self._sound(sorted(buckets), damaged)
        tries = self._patience.tries
        while damaged and tries and self._has_changed():
            tries -= 1
            self.close()
            self._patience.sleep(self._patience.pause)
            again = sorted(damaged)
            damaged.clear()
            yield from self._sound(again, damaged)
        there = self._steadily(lambda opening: set(opening.tables.punches.jet.pages()))
        self._moving |= self._digests.keys() ^ there  # the map of the pages may have been torn, too
        if damaged:
            raise self._damage(damaged)

    # --- pages of the table of punches ---

    def _hash(self, opening: _Opening) -> tuple[dict[int, bytes], tuple[int, ...]]:
        """Return a digest of each page, and the file's stamp before the first."""
        table = opening.tables.punches.jet
        found: dict[int, bytes] = {}
        stamp = _stamp(self._path)
        for number in table.pages():
            try:
                found[number] = opening.snapshot(table, number).digest
            except Damaged:
                found[number] = b""  # it is read at every visit, and told when its rows are asked for
        return found, stamp

    def _sound(self, numbers: Iterable[int], damaged: dict[int, Damaged]) -> Iterator[Piece]:
        """Yield the rows of sound pages that are at rest; of damaged ones, put why into `damaged`."""
        for number in numbers:
            try:
                with _system_told(self._path):
                    piece = self._piece(number)
            except Damaged as problem:
                damaged[number] = problem
            else:
                if piece is not None:
                    yield piece

    def _piece(self, number: int) -> Piece | None:
        """Return the rows of a page, None where it is in motion. Raise `Damaged`."""
        opening = self._opened()
        table = opening.tables.punches
        snapshot = opening.snapshot(table.jet, number)
        if snapshot.digest != self._digests[number]:
            self._moving.add(number)
            return None
        rows = table.rows(number, snapshot, MEANINGS, self._key)
        piece = Piece(number, list(map(PunchRow._make, rows)))
        self._moving.discard(number)
        return piece

    def _has_changed(self) -> bool:
        """Say whether the file was written since the fingerprints were taken."""
        with _system_told(self._path):
            return _stamp(self._path) != self._stamp

    def _damage(self, damaged: Mapping[int, Damaged]) -> Damaged:
        """Return the error that names the damaged pages and their table."""
        name = shown(self._opened().tables.punches.jet.name)
        numbers = list(damaged)
        advice = "compact and repair the file with Access or the vendor's program, or put back a copy"
        if len(numbers) == 1:
            told = str(damaged[numbers[0]])
            told = told if name in told else f"{name}: {told}"
            return Damaged(f"{told}; the rows of that page were not read; {advice}")
        named = ", ".join(map(str, numbers[:_NAMED]))
        more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
        return Damaged(
            f"{len(numbers)} pages of {name} are damaged ({named}{more}); their rows were not read; {advice}"
        )

    def _count(self, opening: _Opening) -> Contents:
        table = opening.tables.punches
        machines: Counter[tuple[str, str]] = Counter()
        newest: datetime | None = None
        for number in table.jet.pages():
            snapshot = opening.snapshot(table.jet, number)
            for machine, serial, at in table.rows(number, snapshot, ("machine", "serial", "time"), self._key):
                machines[bare(machine), bare(serial)] += 1
                if isinstance(at, datetime) and (newest is None or at > newest):
                    newest = at
        counted = (
            MachineRows(machine or None, serial or None, rows)
            for (machine, serial), rows in sorted(machines.items())
        )
        return Contents(machines.total(), tuple(counted), newest)

    # --- the tables beside it ---

    def _look_up(self, opening: _Opening) -> Lookups:
        tables = opening.tables
        asked = {
            "people": (tables.people, ("number", "badge")),
            "machines": (tables.machines, ("number", "serial")),
            "typed": (tables.typed, ("number", "time", "added")),
        }
        if self._schema.user_is == "badge":
            del asked["people"]
        found = self._read_twice(opening, asked)
        return Lookups(
            badges(found["people"]) if "people" in found else None,
            serials(found.get("machines", ())),
            typed_in(found.get("typed", ())),
        )

    def _users(self, opening: _Opening) -> list[DatabaseUser]:
        found = self._read_twice(opening, {"people": (opening.tables.people, USER_MEANINGS)})
        return [user_of(dict(zip(USER_MEANINGS, row, strict=True))) for row in found.get("people", ())]

    def _read_twice(
        self, opening: _Opening, asked: Mapping[str, tuple[_Table | None, Sequence[str]]]
    ) -> dict[str, list[tuple[Cell, ...]]]:
        """Return the rows of tables, of those that are there. Raise `Silent` where a page is in motion."""
        there = {name: (table, meanings) for name, (table, meanings) in asked.items() if table is not None}
        first = {
            name: {number: opening.snapshot(table.jet, number).digest for number in table.jet.pages()}
            for name, (table, _) in there.items()
        }
        if any(first.values()):
            self._patience.sleep(self._patience.apart)
        found: dict[str, list[tuple[Cell, ...]]] = {}
        for name, (table, meanings) in there.items():
            key = ("number",) if name == "people" else ()
            rows = found[name] = []
            for number, digest in first[name].items():
                snapshot = opening.snapshot(table.jet, number)
                if snapshot.digest != digest:
                    raise Silent(f"{shown(table.jet.name)} changes all the time while it is read")
                rows += table.rows(number, snapshot, meanings, key)
        return found

    # --- a file that changes ---

    def _opened(self) -> _Opening:
        if self._opening is None:
            self._opening = _Opening(self._path, self._schema)
        return self._opening

    def _steadily(self, work: Callable[[_Opening], _T]) -> _T:
        """Return what `work` brings. Where it fails in a file that changes, open anew and try again."""
        tries = self._patience.tries
        while True:
            with _system_told(self._path):
                stamp = _stamp(self._path) if self._opening is None else self._opening.stamp
                try:
                    return work(self._opened())
                except (Damaged, Encrypted, WrongSchema, Silent) as problem:
                    self._patience.sleep(self._patience.apart)
                    changes = isinstance(problem, Silent) or _stamp(self._path) != stamp
                    if not (changes and tries):
                        raise
            tries -= 1
            self.close()
            self._patience.sleep(self._patience.pause)


# --- the file ---


def refusal(path: Path, error: OSError) -> ZkpollError:
    """Given why the system does not let a file be read, return what a person is told."""
    if getattr(error, "winerror", None) in _SHARING:
        return Unreachable(
            f"{path} is held by another program for itself alone, as for a compaction or a backup; "
            "the next run tries again"
        )
    if isinstance(error, PermissionError):
        return Refused(f"{path} may not be read by this user: {reason(error)}")
    return Unreachable(f"{path} cannot be read: {reason(error)}")


@contextmanager
def _system_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refusal(path, error) from error


def _stamp(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written or replaced."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _lock_notes(path: Path) -> tuple[str, ...]:
    """Return a sentence of each lock file that stands beside the file."""
    return tuple(
        f"{lock.name} stands beside it: a program has the database open, or the lock file was copied along"
        for lock in (path.with_suffix(".ldb"), path.with_suffix(".laccdb"))
        if os.path.lexists(lock)
    )


# --- its tables ---


def _key(target: Target, schema: Schema) -> frozenset[str]:
    """Return the meanings that no sound row lacks: those of the vendor's keys, or the number of the row."""
    if target.kind == "custom" or schema.punches is None:
        return frozenset({"id"})
    key = schema.punches.needed - _TELLS_TERMINAL
    return key if schema.user_is == "number" else frozenset({"id", "time"})


def _tables(file: JetFile, schema: Schema) -> _Tables:
    """Return the tables that are read. Raise `WrongSchema`."""
    if schema.punches is None:
        raise WrongSchema("an Access file takes no query: name its table and columns in the inventory")
    punches = _table(file, schema.punches)
    people = _table(file, schema.people)
    if punches is None:
        raise _missing(file, schema.punches)
    if people is None and schema.people is not None and schema.user_is == "number":
        raise _missing(file, schema.people)
    return _Tables(punches, people, _table(file, schema.machines), _table(file, schema.typed))


def _table(file: JetFile, facts: TableFacts | None) -> _Table | None:
    """Return a table, None where it is not there. Raise `WrongSchema` where it lacks a column it needs."""
    table = None if facts is None else file.tables.get(facts.name.casefold())
    if facts is None or table is None:
        return None
    columns: dict[str, str] = {}
    for meaning, names in facts.columns.items():
        found = next((one for name in names if (one := table.columns.get(name.casefold()))), None)
        if found is not None and not found.readable and meaning in facts.needed | _TELLS_TERMINAL:
            raise WrongSchema(
                f"{shown(table.name)} has its {shown(found.name)} in a type that is not read;"
                " text, numbers and dates are"
            )
        if found is not None:
            columns[meaning] = found.name
        elif meaning in facts.needed:
            there = _listed(column.name for column in table.columns.values())
            raise WrongSchema(f"{shown(table.name)} has no column {' or '.join(names)}; it has {there}")
    return _Table(table, MappingProxyType(columns))


def _missing(file: JetFile, facts: TableFacts) -> WrongSchema:
    there = _listed(sorted(table.name for table in file.tables.values()))
    return WrongSchema(f"there is no table {facts.name}; there are {there}")


def _listed(names: Iterable[str]) -> str:
    """Return names as one text, not too many of them."""
    told = [shown(name) for name in names]
    more = f" and {len(told) - _LISTED} more" if len(told) > _LISTED else ""
    return ", ".join(told[:_LISTED]) + more if told else "none"
