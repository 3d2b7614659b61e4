"""The store of what a vendor's database has shown: its buckets, its rows, the punch of each row, its people.

A row is in one bucket, or nowhere. A bucket that was read to its end leaves those of its rows nowhere that it
shows no more; another bucket may show them later in the visit. What is nowhere at the end of a visit is gone.
So a visit may be cut off anywhere: the next one goes on. Where people were renumbered, a row has another key;
it is the same punch under that, and its old key is forgotten.

A whole reading is a visit that knows no fingerprint. It is over when a visit comes to its end, maybe not the
one that began it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from zkpoll.journal import conditions
from zkpoll.journal.database import now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from zkpoll.journal.database import Journal

PAGE: Final = 5_000
"""Rows that are set aside, looked at at a time."""


@dataclass(frozen=True, slots=True)
class KnownDatabase:
    """A database that the journal has met. Times are UTC."""

    key: str
    """The device key of the rows that no terminal made."""
    name: str | None
    """Its name in the inventory; None where another address has that by now."""
    address: str
    kind: str
    """The vendor's program."""
    read_at: datetime | None
    """Its last complete visit; None before the first one, which reads all of it."""
    whole_at: datetime | None
    """Its last complete whole reading; None where one is under way."""
    rows: int | None
    """How many rows it had at its last complete visit."""
    lookups: bytes | None
    """The digest of the people and machines by which its rows were settled, or tried again, last."""
    asked: bytes | None
    """The digest of what of the inventory decides which rows are punches."""


@dataclass(frozen=True, slots=True)
class PeopleNews:
    """What is new of the people of a database."""

    renumbered: tuple[str, ...] = ()
    """Badges that another number has now: a number may be another person's by now."""
    changed: tuple[str, ...] = ()
    """Numbers that have another badge now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a complete visit found at its end."""

    rows: int
    """Rows that are there."""
    gone: int
    """Rows with a punch that were there and are nowhere now."""
    before: int
    """Rows that were there before they went: of more than a fifth, a person hears other words."""


class Ledger:
    """What of one database is in the journal."""

    def __init__(self, journal: Journal, address: str) -> None:
        """Given its address, look at a database; of one that was never met, nothing is known."""
        self.journal = journal
        self._address = address
        self.id: int | None = None
        """Its number in the journal."""
        self.numbering = 0
        """Rows that were read under another numbering do not tell by their keys whose they are."""
        self.known: KnownDatabase | None = None
        """What is known of it, or None."""
        self._look()

    def _look(self) -> None:
        row = self.journal.one("database", address=self._address)
        if row is None:
            return
        self.id, self.numbering, key, name, kind, read_at, whole_at, *rest = row
        read, whole = (text and datetime.fromisoformat(text) for text in (read_at, whole_at))
        self.known = KnownDatabase(key, name, self._address, kind, read or None, whole or None, *rest)

    def meet(self, name: str, kind: str, own_key: str) -> KnownDatabase:
        """Note the database in the transaction under way; it keeps the key it had at first contact.

        Who has its address is the same database, under whatever name. Another address is another database,
        whose rows are known by their punches, if they are the same. `own_key` is the key of its own that it
        is to have; one that is its name is not taken from another database that had that name first.
        """
        known = self.known
        if known is None or (known.name, known.kind) != (name, kind):
            key = self._first_key(name) if own_key == name else own_key
            self.journal.run("unname_database", name=name)
            self.journal.run("meet_database", name=name, kind=kind, key=key, address=self._address, now=now())
            self._look()
        if self.known is None:
            raise self.journal.damaged()
        return self.known

    def _first_key(self, name: str) -> str:
        """Return the key of a database that has none but its name: where it moved, the one it had there."""
        keys: dict[str, str | None] = dict(self.journal.all("database_keys"))
        moved = (key for key, other in keys.items() if other == name)
        free = (key for key in chain([name], (f"{name}-{n}" for n in count(2))) if key not in keys)
        return next(chain(moved, free))

    # --- what is known ---

    def fingerprints(self) -> dict[int, bytes]:
        """Return the fingerprints of the buckets that were read to their end."""
        return dict(self.journal.all("fingerprints", database=self.id))

    def people_news(self, people: Mapping[str, str]) -> PeopleNews:
        """Given the badges by number, return what is new since they were kept last."""
        current: dict[str, str] = {}
        holders: dict[str, set[str]] = {}
        for number, badge, is_current in self.journal.all("people_of_database", database=self.id):
            holders.setdefault(badge, set()).add(number)
            if is_current:
                current[number] = badge
        other = {number: badge for number, badge in people.items() if current.get(number) != badge}
        renumbered = {
            badge
            for number, badge in other.items()
            if any(one != number and people.get(one) != badge for one in holders.get(badge, ()))
        }
        return PeopleNews(tuple(sorted(renumbered)), tuple(sorted(current.keys() & other.keys())))

    def set_aside(self) -> Iterator[Sequence[tuple[str, str]]]:
        """Yield pages of the keys and the rows that are set aside and not gone, and that nobody accepted.

        Those that were not read since people were renumbered are left out. No transaction is open between two
        pages.
        """
        after, whose = "", {"database": self.id, "numbering": self.numbering}
        while page := self.journal.all("set_aside", after=after, limit=PAGE, **whose):
            after = page[-1][0]
            yield [(key, raw) for key, raw in page]

    # --- the visit ---

    def begin_whole(
        self, asked: bytes, people: Mapping[str, str] | None = None, read: Collection[int] = ()
    ) -> None:
        """Begin to read all of it, but for the buckets `read`, which just were. On disk when it returns.

        `asked` is kept, and so are the `people` for whose sake it is read: one who is known by another badge
        starts one whole reading. Where people were renumbered, no row tells by its key whose it is until it
        was read again, in however many visits.
        """
        renumbered = people is not None and self.people_news(people).renumbered
        with self.journal.transaction():
            forgotten = sorted(self.fingerprints().keys() - set(read))
            self.journal.run_over("forget_buckets", forgotten, database=self.id)
            self.journal.run("begin_whole", database=self.id, asked=asked, renumbered=int(bool(renumbered)))
            self._keep_people(people)
        self._look()

    def keep_lookups(self, lookups: bytes) -> None:
        """Note the people and machines by which all is settled from now on, or was tried again. On disk."""
        with self.journal.transaction():
            self.journal.run("keep_lookups", database=self.id, lookups=lookups)
        self._look()

    def misses(self, present: Collection[int]) -> bool:
        """Say whether rows are nowhere, now that all that differed in the buckets `present` was read."""
        with self.journal.transaction():
            self._leave_all_but(present)
        nowhere, _ = self.journal.one("count_nowhere", database=self.id) or (0, 0)
        return bool(nowhere)

    def end(
        self,
        present: Collection[int],
        lookups: bytes,
        people: Mapping[str, str] | None,
        *,
        whole: bool,
        tell: Callable[[Ended], Iterable[str]] = lambda _: (),
    ) -> Ended:
        """Note the end of a visit that read all that differed; return what it found. On disk then.

        `present` are the buckets it has, `whole` says that all of them were read. What `tell` makes of it is
        owed to a person in the same transaction.
        """
        moment = now()
        with self.journal.transaction():
            self._leave_all_but(present)
            self.journal.run("forget_renumbered", database=self.id, numbering=self.numbering)
            nowhere, gone = self.journal.one("count_nowhere", database=self.id) or (0, 0)
            if nowhere:
                self.journal.run("note_gone", database=self.id, now=moment)
            rows = self._count_rows(whole)
            ended = Ended(rows, gone, rows + nowhere)
            self._keep_people(people)
            self.journal.run(
                "end_visit", database=self.id, lookups=lookups, rows=rows, whole=whole, now=moment
            )
            for text in tell(ended):
                conditions.owe(self.journal, f"database {self.known.name}" if self.known else "", text)
        self._look()
        return ended

    def _leave_all_but(self, present: Collection[int]) -> None:
        known = {bucket for (bucket,) in self.journal.all("known_buckets", database=self.id)}
        left = sorted(known.difference(present))
        self.add_rows_there(-self.journal.run_over("leave_buckets", left, database=self.id))
        self.journal.run_over("forget_buckets", left, database=self.id)

    def add_rows_there(self, more: int) -> None:
        """Count rows that came to be in a bucket, or are in none any more, in the transaction under way."""
        if more:
            self.journal.run("add_rows_there", database=self.id, more=more)

    def _count_rows(self, whole: bool) -> int:
        """Return how many rows are there; where all were read, walk them. Raise if others were counted."""
        if not whole:
            (rows,) = self.journal.one("rows_there", database=self.id) or (0,)
            return int(rows)
        counted, rows = self.journal.one("count_rows", database=self.id) or (0, 0)
        if counted != rows:
            raise self.journal.damaged()
        return int(rows)

    def _keep_people(self, people: Mapping[str, str] | None) -> None:
        """Keep the badges that are not those their numbers had last."""
        if people is None:
            return
        rows = self.journal.all("people_of_database", database=self.id)
        current = {number: badge for number, badge, is_current in rows if is_current}
        common = {"database": self.id, "now": now()}
        new = [
            common | {"number": number, "badge": badge}
            for number, badge in people.items()
            if current.get(number) != badge
        ]
        if new:
            self.journal.run_many("end_badge", [{k: one[k] for k in ("database", "number")} for one in new])
            self.journal.run_many("keep_badge", new)
