"""One visit to a database: what differs from the journal is read, settled, and journalled.

    lock ──▶ open ──▶ lookups ──▶ ledger    begin a whole reading where one is due;
                                            settle anew what is set aside, where people or machines changed
         ──▶ fingerprints ──▶ the buckets that differ, 20,000 rows a transaction ──▶ end: what is gone
                              all others, before a row of a file is called so

What is done stays done: by the visit's limit, a signal or a kill it loses the rows in hand at most, and the
next one goes on. After an error that was met while rows were read, sound rows are kept, and a whole reading
begins; one that is under way goes on. Where the error was damage, no fingerprint is kept: what could not be
read must not count as read. What a person has to hear is owed in the transaction that makes
it known, in words that count all of the visit so far.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.bridge.contract import from_raw
from zkpoll.bridge.meaning import Settler
from zkpoll.errors import Damaged, OverLimit, SetAside, Stopped, TryLater
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.ledger import Ledger
from zkpoll.journal.taking import Place, Taking
from zkpoll.model.bridged import BucketRows, SettledRow
from zkpoll.model.sums import BridgeTally
from zkpoll.pull.plan import reconciliation_due
from zkpoll.tasks.database_contact import asked, database_contact, own_key, rules_of
from zkpoll.tasks.database_outcome import DATABASE, DatabaseOutcome, notices_of_rows
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

    from zkpoll.bridge.contract import Lookups, Opens, Source
    from zkpoll.inventory import Database, Device
    from zkpoll.journal.ledger import Ended
    from zkpoll.model.punch import Event
    from zkpoll.tasks.contact import Contacts
    from zkpoll.tasks.database_outcome import Asides

GROUP: Final = 20_000
"""Rows of one transaction: as many may have to be read again after a kill."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bridge:
    """The means of all visits to databases of one run. May be shared by threads."""

    contacts: Contacts
    opens: Opens
    devices: Sequence[Device] = ()
    """Those of the inventory."""
    names: MutableMapping[str, str] | None = None
    """The names of the inventory's sources by device key, to add to; None: as the journal has them."""
    full: bool = False
    """Whether all rows are read, also those of buckets that are as they were."""
    announce: Callable[[], None] = lambda: None
    """Called each time something was journalled."""
    progress: Callable[[str, int], None] = lambda _name, _rows: None
    """Called with the database's name and the number of rows each time some came."""


def read_database(database: Database, bridge: Bridge) -> DatabaseOutcome:
    """Read what is new in a database, journal it, and return the result. Raise only `StopRun`.

    Where the contacts write nothing, the result tells what would be new.
    """
    began = time.monotonic()
    visit = _Visit(database, bridge)
    problem, kind = one_failure(database.name, visit.make, lambda problem, kind: (problem, kind))
    outcome = DatabaseOutcome(
        database.name,
        database.kind,
        database.address,
        tally=visit.tally,
        complete=visit.complete,
        rows=visit.rows,
        buckets=visit.buckets,
        buckets_read=visit.buckets_read,
        in_motion=visit.in_motion,
        problem=problem,
        kind=kind,
        renumbered=visit.renumbered,
        asides=visit.asides,
        would_send=tuple(visit.would_send.values()),
        seconds=time.monotonic() - began,
    )
    _log_database(outcome)
    return outcome


class Places:
    """Where rows are journalled, by device key: as the inventory's device of it, else as the database."""

    def __init__(self, database: Database, devices: Sequence[Device], names: Mapping[str, str]) -> None:
        """`names` are the names of devices by key, as far as they are known."""
        self._database = database
        self._by_name = {device.name: device for device in devices}
        self._by_serial = {device.serial: device for device in devices if device.serial}
        self._names = names
        self._known: dict[str, Place] = {}

    def __call__(self, key: str) -> Place:
        """Return the place of the rows of a device key; of two starting lines the later one counts."""
        if key not in self._known:
            database = self._database
            device = self._by_name.get(self._names.get(key, "")) or self._by_serial.get(key)
            source = device or database
            self._known[key] = Place(
                source.name,
                ZoneInfo(device.timezone if device else database.zone_of(key)),
                Holding(
                    max(filter(None, (database.since, source.since)), default=None),
                    source.repeat_within or database.repeat_within,
                ),
            )
        return self._known[key]


class _Visit:
    """One visit, and how far it has come."""

    def __init__(self, database: Database, bridge: Bridge) -> None:
        self.tally = BridgeTally()
        self.asides: Asides = {}
        self.renumbered = 0
        self.complete = False
        self.rows: int | None = None
        self.buckets = self.buckets_read = self.in_motion = 0
        self.would_send: dict[str, Event] = {}
        self._database = database
        self._bridge = bridge
        self._journal = bridge.contacts.journal
        self._writes = bridge.contacts.writes
        self._owed: frozenset[str] = frozenset()
        self._deadline = time.monotonic() + database.visit_limit

    def make(self) -> tuple[str | None, str | None]:
        """Make the visit, which has no problem then. Raise what ends it early; what is done is counted."""
        database, bridge = self._database, self._bridge
        _log.info("%s: reading %s", database.name, database.address)
        with database_contact(bridge.contacts, database, bridge.opens) as source:
            source.tables()
            lookups = source.lookups()
            ledger = Ledger(self._journal, database.address)
            due = self._begin(ledger, lookups)
            whole = due or ledger.known is None or ledger.known.whole_at is None
            key = ledger.known.key if ledger.known else own_key(database)
            self.rows = ledger.known.rows if ledger.known else None
            names = Devices(self._journal).names() if bridge.names is None else bridge.names
            places = Places(database, bridge.devices, names)
            rules = rules_of(database, key)
            settler = Settler(
                rules, lookups, lambda one: places(one).zone, Devices(self._journal).key_of_serial
            )
            taking = Taking(
                ledger,
                places,
                by_key=not self.renumbered,
                held_manual=database.manual == "hold",
                judge_sudden=bool(ledger.known and ledger.known.read_at),
            )
            digest = rules.digest(lookups)
            if ledger.known and ledger.known.lookups != digest:
                if not due:  # else every row is settled anew as it is read
                    self._settle_anew(ledger, taking, settler)
                if self._writes:
                    ledger.keep_lookups(digest)
            fingerprints = source.fingerprints()
            known = {} if due else ledger.fingerprints()
            self.buckets = len(fingerprints)
            differing = [
                one
                for one in sorted(fingerprints)
                if not fingerprints[one] or known.get(one) != fingerprints[one]
            ]
            others = fingerprints.keys() - set(differing)
            try:
                self._read(source, taking, settler, {one: fingerprints[one] for one in differing})
                if not whole and others and self._has_to_seek(source, ledger, fingerprints):
                    ledger.begin_whole(asked(database), read=differing)
                    self._read(source, taking, settler, {one: fingerprints[one] for one in others})
                    whole = True
            except (TryLater, SetAside) as error:
                # A server that goes away each time must not make each visit begin anew.
                goes_on = isinstance(error, OverLimit) or (whole and not isinstance(error, Damaged))
                if self._writes and not goes_on:
                    ledger.begin_whole(asked(database))
                raise
        self.complete = not self.in_motion
        if self.complete and self._writes:
            self._end(ledger, fingerprints, digest, lookups, whole=whole or not others)
        return None, None

    def _begin(self, ledger: Ledger, lookups: Lookups) -> bool:
        """Note the database, and begin a whole reading where one is due. Say whether it is."""
        database, known = self._database, ledger.known
        news = ledger.people_news(lookups.people) if known and lookups.people is not None else None
        self.renumbered = len(news.renumbered) if news else 0
        due = (
            self._bridge.full
            or known is None
            or known.asked != asked(database)
            or bool(news and (news.renumbered or news.changed))
            or reconciliation_due(
                known.whole_at, datetime.now(UTC), database.quiet_hours, ZoneInfo(database.timezone)
            )
        )
        if self._writes:
            with self._journal.transaction():
                known = ledger.meet(database.name, database.kind, own_key(database))
                self._owe()
            if self._bridge.names is not None:
                self._bridge.names.setdefault(known.key, database.name)
            if due:
                ledger.begin_whole(asked(database), lookups.people)
        return due

    def _settle_anew(self, ledger: Ledger, taking: Taking, settler: Settler) -> None:
        """Try the rows again that are set aside, now that people or machines are others."""
        for tried, page in enumerate(ledger.set_aside()):
            if tried:  # opening alone may have taken longer than the limit, and each visit is to get on
                self._check_limit("rows that are set aside")
            rows = settler.settle_all(from_raw(raw) for _, raw in page)
            if self._writes:
                with self._journal.transaction():
                    self._note(taking.retake(rows), taking)
                self._bridge.announce()
            else:
                settled = [row for row in rows if isinstance(row, SettledRow)]
                self._look(taking, [BucketRows(0, settled, ends=False)])

    def _read(
        self, source: Source, taking: Taking, settler: Settler, fingerprints: Mapping[int, bytes]
    ) -> None:
        """Read buckets, and keep their rows in groups. `fingerprints` are those from before any row."""
        group: list[BucketRows] = []
        rows = 0
        left = set(fingerprints)
        try:
            for bucket, found, ends in source.read(sorted(fingerprints)):
                group.append(BucketRows(bucket, settler.settle_all(found), fingerprints[bucket], ends))
                rows += len(found)
                self._bridge.progress(self._database.name, len(found))
                if ends:
                    left.discard(bucket)
                if rows >= GROUP:
                    self._keep(taking, group)
                    group, rows = [], 0
                if left:
                    self._check_limit(f"{len(left):,} of {self.buckets:,} parts of its table")
        except (TryLater, SetAside):
            self._keep(taking, group)  # sound rows, of which no more came
            raise
        self._keep(taking, group)
        self.in_motion = max(len(left), source.in_motion)

    def _has_to_seek(self, source: Source, ledger: Ledger, present: Mapping[int, bytes]) -> bool:
        """Say whether rows are nowhere that buckets which are as they were may show after all.

        In a file that is written to, one page's fingerprint may be older than a row's move to it, and that of
        the page which it left may be younger. Where each page is read, and is as its fingerprint met it, all
        are of one moment.
        """
        return source.moves_rows and self._writes and not self.in_motion and ledger.misses(present.keys())

    def _keep(self, taking: Taking, group: Sequence[BucketRows]) -> None:
        """Journal rows and the fingerprints of their buckets. They are on disk when this returns."""
        if not group:
            return
        self.buckets_read += sum(one.ends for one in group)
        if not self._writes:
            self._look(taking, group)
            return
        with self._journal.transaction():
            self._note(taking.take(group), taking)
        self._bridge.announce()

    def _look(self, taking: Taking, group: Sequence[BucketRows]) -> None:
        tally, events = taking.look(group)
        self.tally += tally
        self.would_send |= {event.id: event for event in events}

    def _note(self, tally: BridgeTally, taking: Taking) -> None:
        """Note what became of rows, in the transaction under way."""
        self.tally += tally
        self.asides = taking.newly_aside
        self._owe()

    def _owe(self) -> None:
        """Owe a person the words on all of the visit so far, in place of those on less of it."""
        told = notices_of_rows(self._database.name, self.tally, self.asides, self.renumbered, self.rows)
        words = frozenset(notice.text for notice in told if not notice.harmless)
        conditions.owe_instead(self._journal, f"{DATABASE}{self._database.name}", self._owed - words, words)
        self._owed = words

    def _end(
        self,
        ledger: Ledger,
        fingerprints: Mapping[int, bytes],
        digest: bytes,
        lookups: Lookups,
        *,
        whole: bool,
    ) -> None:
        """Note a visit that read all that differs, and what is gone."""

        def words(ended: Ended) -> list[str]:
            gone = BridgeTally(gone=ended.gone)
            return [one.text for one in notices_of_rows(self._database.name, gone, {}, 0, ended.rows)]

        ended = ledger.end(fingerprints.keys(), digest, lookups.people, whole=whole, tell=words)
        self.tally += BridgeTally(gone=ended.gone)
        self.rows = ended.rows

    def _check_limit(self, left: str) -> None:
        """Raise `Stopped` or `OverLimit` once the visit is to end; `left` is what is not read yet."""
        if self._bridge.contacts.stopped():
            raise Stopped(Stopped.__doc__)
        if time.monotonic() > self._deadline:
            limit = f"{self._database.visit_limit:g} s"
            raise OverLimit(
                f"the visit took longer than visit_limit ({limit}); left for the next run: {left}"
            )


def _log_database(outcome: DatabaseOutcome) -> None:
    name = outcome.name
    if outcome.problem:
        _log.warning("%s: %s", name, outcome.problem)
    for notice in outcome.notices:
        _log.log(logging.INFO if notice.harmless else logging.WARNING, "%s: %s", name, notice.text)
    if outcome.in_motion:
        text = "%s: parts of its table that changed while they were read, left for the next run: %d"
        _log.info(text, name, outcome.in_motion)
    if outcome.tally.held_repeats:
        _log.info("%s: repeats held: %d", name, outcome.tally.held_repeats)
    _log.info(
        "%s: %d of %d parts of its table read, %d rows, %d new, %.1f s",
        *(name, outcome.buckets_read, outcome.buckets, outcome.tally.rows),
        *(outcome.tally.first_seen, outcome.seconds),
    )
