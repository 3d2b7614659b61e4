"""Records and slices in one line each, and a look into the file by a connection of one's own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from zkpoll.journal import watermarks
from zkpoll.journal.database import of_device
from zkpoll.journal.devices import Devices
from zkpoll.journal.holds import HOLD_NOTHING
from zkpoll.journal.intake import Intake, Sorted
from zkpoll.journal.ledger import Ledger
from zkpoll.journal.pushed import Pushed
from zkpoll.journal.sqlite import SqliteJournal, queries
from zkpoll.journal.taking import Place, Taking
from zkpoll.model.bridged import AsideRow, BucketRows, SettledRow
from zkpoll.model.delivery import Settled
from zkpoll.model.log import Records, Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, Form, Punch, Quarantined
from zkpoll.model.sums import BridgeTally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo
    from pathlib import Path

    from zkpoll.journal.database import Journal
    from zkpoll.journal.holds import HeldReason, Holding
    from zkpoll.journal.outbox import JournalOutbox
    from zkpoll.model.bridged import AsideReason
    from zkpoll.model.punch import Event
    from zkpoll.model.sums import Tally

KEY = "CQZ7224760045"
DHAKA = ZoneInfo("Asia/Dhaka")
START = datetime(2026, 11, 22, 8, 59, 58)
SHOWN = """
SELECT shown, (SELECT count(DISTINCT punch) FROM (
    SELECT punch FROM form
    WHERE form.device = device.id AND CAST(substr(bytes, 1, 3) AS TEXT) <> 'db' || char(10)
    UNION ALL
    SELECT punch FROM forgotten_form WHERE forgotten_form.device = device.id AND punch IN
        (SELECT punch FROM forgotten_punch WHERE kinds <> 64)) AS shown_ever)
FROM device
"""
"""How many punches each device has shown itself, as it was counted, and as a walk finds."""


def punch(
    user: str = "1001",
    second: int = 0,
    *,
    verify: int = 1,
    state: int = 0,
    work_code: int = 0,
    canonical: bytes | None = None,
) -> Punch:
    """Return a punch so many seconds after `START`; its 40 canonical bytes follow from the rest."""
    if canonical is None:
        canonical = f"{user} {second} {verify} {state} {work_code}".encode()
    time = START + timedelta(seconds=second)
    return Punch(user, time, verify, state, work_code, canonical.ljust(40, b"\0"))


def punches(count: int, *, first: int = 0) -> list[Punch]:
    """Return punches number `first` and following of a long log by fifty people."""
    return [punch(str(number % 50), number // 50) for number in range(first, first + count)]


def odd(raw: bytes, reason: str = "no such date") -> Quarantined:
    """Return a record nobody can believe."""
    return Quarantined(raw.ljust(40, b"\0"), reason)


def piece(
    *records: Punch | Quarantined, end: int | None = None, layout: int = 40, proved_new: bool = False
) -> Slice:
    """Return a slice of a log, by default the whole log, of 40-byte records."""
    count = len(records) if end is None else end
    last = records[-8:]
    tail = tuple(record.canonical if isinstance(record, Punch) else record.raw for record in last)
    return Slice(
        punches=tuple(record for record in records if isinstance(record, Punch)),
        quarantined=tuple(record for record in records if isinstance(record, Quarantined)),
        mark=Watermark(layout, count, tail),
        form=LAYOUT_FORMS[layout],
        proved_new=proved_new,
    )


def line(
    user: str = "1001", second: int = 0, *, verify: int = 1, state: int = 0, work_code: int = 0
) -> Punch:
    """Return the same punch as `punch` does, as its device pushes it."""
    time = START + timedelta(seconds=second)
    canonical = f"push\n{user}\t{time}\t{state}\t{verify}\t{work_code}".encode()
    return Punch(user, time, verify, state, work_code, canonical)


def batch(*records: Punch | Quarantined) -> Records:
    """Return what a device pushed at once."""
    return Records(
        tuple(record for record in records if isinstance(record, Punch)),
        tuple(record for record in records if isinstance(record, Quarantined)),
        form=Form.PUSH,
    )


def push(
    journal: Journal,
    *records: Punch | Quarantined,
    name: str = "front-door",
    key: str = KEY,
    zone: tzinfo = DHAKA,
    holding: Holding = HOLD_NOTHING,
    rests: Sequence[bytes] = (),
    stamp: str = "9999",
    fail: Exception | None = None,
) -> Tally:
    """Take a batch as `zkpoll serve` does: with its stamp, in one transaction. At its end raise `fail`."""
    with Devices(journal).transaction_of_caller(name, key) as met:
        intake = Intake(journal, name, met.key, zone, source="push", held=met.held, holding=holding)
        tally = intake.add(batch(*records), rests)
        times = [record.time for record in records if isinstance(record, Punch)]
        digest = sha256(repr(records).encode()).digest()
        Pushed(journal, met.key).keep_batch("ATTLOG", stamp, digest, last=times[-1] if times else None)
        if fail:
            raise fail
    return tally


class Visiting:
    """The records of one visit, taken as `zkpoll sync` does: with their watermark, in one transaction."""

    def __init__(
        self,
        journal: Journal,
        name: str,
        key: str,
        zone: tzinfo,
        *,
        held: HeldReason | None = None,
        holding: Holding = HOLD_NOTHING,
    ) -> None:
        """Begin a visit to a device that was met before."""
        self.journal = journal
        self.key = key
        self.intake = Intake(journal, name, key, zone, source="pull", held=held, holding=holding)

    def take(self, piece: Slice) -> Tally:
        """Keep a slice of the log."""
        with self.journal.transaction(only=of_device(self.key)):
            tally = self.intake.add(piece)
            if piece.mark:
                watermarks.store(self.journal, self.key, piece.mark)
        return tally

    def sort(self, records: Records) -> Sorted:
        """Look at records without keeping any."""
        return self.intake.sort(records)

    def watermark(self) -> Watermark | None:
        """Return how much of the log is in the journal."""
        return watermarks.load(self.journal, self.key)


def visit(
    journal: Journal,
    name: str = "front-door",
    key: str = KEY,
    zone: tzinfo = DHAKA,
    holding: Holding = HOLD_NOTHING,
) -> Visiting:
    """Begin a visit to a device."""
    Devices(journal).meet(name, key)
    return Visiting(journal, name, key, zone, holding=holding)


def pending(outbox: JournalOutbox, limit: int = 9) -> list[Event]:
    """Return what is to be sent next."""
    return list(outbox.next(limit).events)


def confirm(outbox: JournalOutbox, events: Sequence[Event]) -> None:
    """Confirm what was just found pending."""
    outbox.settle(Settled(confirmed=tuple(event.id for event in events)))


def spoil(path: Path, seq: int, state: str = "pendinf") -> None:
    """Write a state, by default a word that is none, into a punch's place in the outboxes, but no index."""
    with closing(sqlite3.connect(path)) as db:
        for setting in ("ignore_check_constraints = ON", "writable_schema = ON"):
            db.execute(f"PRAGMA {setting}")
        indexes = "FROM sqlite_master WHERE type = 'index' AND name LIKE 'outbox_%'"
        kept = db.execute(f"SELECT type, name, tbl_name, rootpage, sql {indexes}").fetchall()
        db.execute(f"DELETE {indexes}")
        db.commit()
    with closing(sqlite3.connect(path)) as db:
        for setting in ("ignore_check_constraints = ON", "writable_schema = ON"):
            db.execute(f"PRAGMA {setting}")
        db.execute("UPDATE outbox SET state = ? WHERE punch = ?", (state, seq))
        db.executemany(
            "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, ?, ?)", kept
        )
        version = db.execute("PRAGMA schema_version").fetchone()[0]
        db.execute(f"PRAGMA schema_version = {version + 1}")
        db.commit()


def connection(journal: Journal) -> sqlite3.Connection:
    """Return the connection of an open journal in SQLite, to see what it does or to break it.

    The test ends here where the journal is in another store.
    """
    if not isinstance(journal, SqliteJournal):
        pytest.skip("it looks at SQLite itself")
    return journal._db


class Nothing(dict[str, object]):
    """NULL for every named parameter."""

    def __missing__(self, name: str) -> None:
        return None


def plan(journal: Journal, query: str) -> list[str]:
    """Return SQLite's plan for the named query, a line a step."""
    steps = connection(journal).execute(f"EXPLAIN QUERY PLAN {queries()[query]}", Nothing())
    return [str(detail) for *_, detail in steps]


# --- rows of a database ---


def row(
    user: str = "1001",
    second: int = 0,
    *,
    state: int = 0,
    verify: int = 1,
    work_code: int = 0,
    manual: bool = False,
    device: str = KEY,
    key: str | None = None,
) -> SettledRow:
    """Return the same punch as `punch` does, as a row of a database shows it, known by person and second."""
    time = START + timedelta(seconds=second)
    canonical = f"db\n{user}\t{time.isoformat()}".encode()
    found = Punch(user, time, verify, state, work_code, canonical)
    return SettledRow(key or f"{user} {time}", device, found, f"raw {user} {time} {state}", manual)


def aside(key: str, reason: AsideReason = "no person", detail: str = "") -> AsideRow:
    """Return a row that is no punch for now."""
    return AsideRow(key, f"raw {key}", reason, detail)


def bucket(number: int, *rows: SettledRow | AsideRow, ends: bool = True) -> BucketRows:
    """Return rows of a bucket, with a fingerprint of them."""
    digest = sha256(repr(rows).encode()).digest()[:16]
    return BucketRows(number, rows, digest if ends else b"", ends)


class Bridge:
    """The visits of `zkpoll sync` to one database."""

    def __init__(self, journal: Journal, address: str = "att2000.mdb", name: str = "head-office") -> None:
        """Meet a database."""
        self.journal = journal
        self.name = name
        self.ledger = Ledger(journal, address)
        with journal.transaction():
            self.ledger.meet(name, "att2000", name)

    def taking(
        self,
        holding: Holding = HOLD_NOTHING,
        *,
        by_key: bool = True,
        held_manual: bool = False,
        judge_sudden: bool = False,
        zone: tzinfo = DHAKA,
    ) -> Taking:
        """Begin a visit."""
        return Taking(
            self.ledger,
            lambda _: Place(self.name, zone, holding),
            by_key=by_key,
            held_manual=held_manual,
            judge_sudden=judge_sudden,
        )

    def take(self, *buckets: BucketRows) -> BridgeTally:
        """Take buckets in a visit that does not come to its end."""
        taking = self.taking()
        with self.journal.transaction():
            return taking.take(buckets)

    def visit(
        self,
        buckets: Mapping[int, Sequence[SettledRow | AsideRow]],
        taking: Taking | None = None,
        *,
        whole: bool = False,
    ) -> BridgeTally:
        """Read all buckets of which one has changed, to the end, each in a transaction of its own."""
        taking = taking or self.taking()
        known = {} if whole else self.ledger.fingerprints()
        tally = BridgeTally()
        for one in (bucket(number, *rows) for number, rows in buckets.items()):
            if known.get(one.bucket) != one.fingerprint or whole:
                with self.journal.transaction():
                    tally += taking.take([one])
        self.ended = self.ledger.end(buckets.keys(), b"lookups", None, whole=whole)
        assert tally.difference == 0
        return replace(tally, gone=self.ended.gone)
