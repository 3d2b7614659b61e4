"""Rows of a database on their way into the journal: what each is, and which punch.

How a row is sorted. The first line that fits decides; all of it in the transaction that keeps it:

    its key was in these rows before     repeat
    its key is known, and tells:
      with a punch                         it stays that punch, whatever badge or serial it has by now: seen
                                             before, or repeat if this visit journalled it; of another
                                             content than before: changed
      its punch was pruned                 seen before
    it is settled                        to the intake of its device: first seen, seen before, or repeat
    else                                 set aside, with the reason; but seen before if a person accepted that

A key tells nothing where people were renumbered since it was read. A row that was set aside, and is settled
when it is read or tried again, is a punch, also one that was accepted: nobody asks after it any more, and
nothing is lost.

Sudden: where a visit brings more than `SUDDEN` new punches, and most of their seconds are known at their
devices under other user ids, somebody has put other badges in place. From then on the visit's new punches are
held; those of groups before are on their way.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from zkpoll.journal.database import now
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.intake import Intake
from zkpoll.journal.known_bytes import known_bytes
from zkpoll.journal.overview import last_place
from zkpoll.model.bridged import AsideRow, SettledRow
from zkpoll.model.log import Records
from zkpoll.model.punch import Form
from zkpoll.model.sums import BridgeTally, Tally
from zkpoll.wall_clock import WALL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from zkpoll.journal.holds import Holding
    from zkpoll.journal.ledger import Ledger
    from zkpoll.model.bridged import AsideReason, BucketRows
    from zkpoll.model.punch import Event

SUDDEN: Final = 1_000
"""New punches of a visit that are no surprise, whatever seconds they have."""


class Place(NamedTuple):
    """How a device's rows are journalled."""

    name: str
    """The device's name of its punches."""
    zone: tzinfo
    holding: Holding


class _Known(NamedTuple):
    """What the journal knows of a row."""

    punch: int | None
    reason: str | None
    detail: str | None
    content: bytes
    bucket: int | None
    is_gone: int
    accepted_at: str | None
    numbering: int


@dataclass(slots=True)
class _Row:
    """A row on its way."""

    row: SettledRow | AsideRow
    bucket: int | None
    """None for one that is tried again where it is."""
    known: _Known | None
    content: bytes
    """What it says beside whose it is and when; of one that is set aside, all that it says."""
    numbering: int
    punch: int | None = None
    reason: str | None = None
    detail: str | None = None

    @property
    def wall(self) -> str:
        """Its time, by its device's wall clock."""
        return self.row.punch.time.isoformat() if isinstance(self.row, SettledRow) else ""

    @property
    def is_changed(self) -> bool:
        """Whether it is the punch that it was, and says something else of it."""
        known = self.known
        return (
            known is not None
            and known.punch is not None
            and known.punch == self.punch
            and known.content != self.content
        )

    @property
    def comes_in(self) -> bool:
        """Whether it was in no bucket, and is in one now."""
        return self.bucket is not None and (self.known is None or self.known.bucket is None)

    @property
    def is_news(self) -> bool:
        """Whether the ledger does not say all this."""
        known = self.known
        return known is None or (
            known.is_gone == 1
            or self.bucket not in {None, known.bucket}
            or (known.punch, known.reason, known.detail) != (self.punch, self.reason, self.detail)
            or (known.content, known.numbering) != (self.content, self.numbering)
        )


@dataclass(slots=True)
class _Suddenness:
    """How many new punches a visit brought, and how many of their seconds were known."""

    new: int = 0
    twins: int = 0

    @property
    def is_sudden(self) -> bool:
        """Whether that cannot be right."""
        return self.new > SUDDEN and 2 * self.twins > self.new


@dataclass(slots=True)
class _Group:
    """Rows that are kept together, sorted by their keys."""

    tally: BridgeTally
    told: list[_Row] = field(default_factory=list)
    """Those whose keys tell which punch they are, or that it was pruned."""
    open: defaultdict[str, list[_Row]] = field(default_factory=lambda: defaultdict(list))
    """Those that the intake is to sort, by device."""
    aside: list[_Row] = field(default_factory=list)


class Taking:
    """One visit's way into the ledger. A visit whose transaction was undone goes on with another one."""

    def __init__(
        self,
        ledger: Ledger,
        places: Callable[[str], Place],
        *,
        by_key: bool = True,
        held_manual: bool = False,
        judge_sudden: bool = False,
    ) -> None:
        """Begin a visit to the database of `ledger`, where `places` tells of each device by its key.

        `by_key=False`: no key tells which punch a row is. `held_manual`: what a person typed in is held.
        `judge_sudden`: the first whole reading is over, and what comes all of a sudden is held.
        """
        self.newly_aside: Counter[tuple[AsideReason, str]] = Counter()
        """How many rows are set aside that were not before, by reason and detail."""
        self._ledger = ledger
        self._journal = ledger.journal
        self._places = places
        self._by_key = by_key
        self._held_manual = held_manual
        self._judge_sudden = judge_sudden
        self._suddenness = _Suddenness()
        self._before = last_place(ledger.journal)
        self._intakes: dict[str, Intake] = {}
        self._own: list[range] = []
        self._shown: defaultdict[int, set[str]] = defaultdict(set)
        """The keys of buckets that are not read to their end, and the buckets."""

    def take(self, buckets: Sequence[BucketRows]) -> BridgeTally:
        """Keep rows, each with its punch, and fingerprints, in the transaction under way."""
        tally = self._keep([(bucket.bucket, row) for bucket in buckets for row in bucket.rows])
        for bucket in buckets:
            self._shown[bucket.bucket].update(row.key for row in bucket.rows)
        ended = {bucket.bucket: bucket.fingerprint for bucket in buckets if bucket.ends}
        asked = list(ended)
        left = [
            key
            for place, key in self._journal.look_up("keys_of_buckets", asked, database=self._ledger.id)
            if key not in self._shown[asked[place]]
        ]
        if left:
            self._ledger.add_rows_there(
                -self._journal.run_over("leave_bucket", left, database=self._ledger.id)
            )
        self._keep_fingerprints(ended)
        for one in ended:
            del self._shown[one]
        return tally

    def _keep_fingerprints(self, ended: Mapping[int, bytes]) -> None:
        rows = [
            {"database": self._ledger.id, "bucket": bucket, "fingerprint": fingerprint}
            for bucket, fingerprint in ended.items()
            if fingerprint
        ]
        self._journal.run_many("keep_fingerprint", rows)
        if without := [bucket for bucket, fingerprint in ended.items() if not fingerprint]:
            self._journal.run_over("forget_buckets", without, database=self._ledger.id)

    def retake(self, rows: Sequence[SettledRow | AsideRow]) -> BridgeTally:
        """Keep rows that were set aside and were tried again, in the transaction under way.

        They stay in their buckets. Those that are still to be set aside are not counted.
        """
        tally = self._keep([(None, row) for row in rows])
        return replace(tally, rows=tally.rows - tally.set_aside, set_aside=0, newly_set_aside=0)

    def look(self, buckets: Sequence[BucketRows]) -> tuple[BridgeTally, list[Event]]:
        """Sort rows without writing anything; return as well the events that would be sent.

        What was sorted before in this visit counts as known, as far as it is settled.
        """
        group = self._sorted([(bucket.bucket, row) for bucket in buckets for row in bucket.rows])
        tally = replace(group.tally, changed=sum(one.is_changed for one in group.told))
        sorts = {key: self._intake(key).sort(_records(rows)) for key, rows in group.open.items()}
        for found in sorts.values():
            tally += _bridged(found.tally)
        new = {key: [one.event.timestamp[:WALL] for one in found.new] for key, found in sorts.items()}
        if self._is_sudden(new):
            return _all_sudden(tally, sum(map(len, new.values()))), []
        return tally, [event for one in sorts.values() for event in one.to_send]

    # --- sorting ---

    def _sorted(self, rows: Iterable[tuple[int | None, SettledRow | AsideRow]]) -> _Group:
        """Look up what is known of rows, and sort them by that."""
        first: dict[str, tuple[int | None, SettledRow | AsideRow]] = {}
        total = 0
        for bucket, row in rows:
            total += 1
            first.setdefault(row.key, (bucket, row))
        keys = list(first)
        found = self._journal.look_up("rows_by_key", keys, database=self._ledger.id)
        known = {keys[place]: _Known(*fields) for place, *fields in found}
        group, numbering = _Group(BridgeTally()), self._ledger.numbering
        seen = repeats = new = accepted = 0
        for key, (bucket, row) in first.items():
            one = known.get(key)
            item = _Row(row, bucket, one, _content(row), numbering)
            if one and one.reason is None and self._by_key and one.numbering == numbering:
                item.punch = one.punch
                if isinstance(row, AsideRow):  # nobody knows any more whose it is
                    item.content = one.content
                group.told.append(item)
                if one.punch is not None and any(one.punch in places for places in self._own):
                    repeats += 1
                else:
                    seen += 1
            elif isinstance(row, SettledRow):
                group.open[row.device].append(item)
            else:
                item.reason, item.detail = row.reason, row.detail
                group.aside.append(item)
                if one is None or one.reason is None:
                    new += 1
                    self.newly_aside[row.reason, row.detail] += 1
                accepted += one is not None and one.accepted_at is not None
        group.tally = BridgeTally(
            rows=total,
            seen_before=seen + accepted,
            repeats=repeats + total - len(first),
            set_aside=len(group.aside) - accepted,
            newly_set_aside=new,
        )
        return group

    def _intake(self, key: str) -> Intake:
        if key not in self._intakes:
            name, zone, holding = self._places(key)
            row = self._journal.one("device_by_key", key=key)
            self._intakes[key] = Intake(
                self._journal,
                name,
                key,
                zone,
                source="bridge",
                held=STRANGER if row and row[3] else None,
                holding=replace(holding, manual=self._held_manual),
            )
        return self._intakes[key]

    def _is_sudden(self, new: Mapping[str, Sequence[str]]) -> bool:
        """Given the seconds of new punches by device key, add them up, and say whether they are sudden."""
        if not self._judge_sudden:
            return False
        for key, seconds in new.items():
            times = Counter(seconds)
            asked = list(times)
            device, *_ = self._journal.one("device_by_key", key=key) or (None,)
            found = self._journal.look_up("bridged_seconds", asked, device=device, before=self._before)
            self._suddenness.new += len(seconds)
            self._suddenness.twins += sum(times[asked[place]] for (place,) in found)
        return self._suddenness.is_sudden

    # --- keeping ---

    def _keep(self, rows: Sequence[tuple[int | None, SettledRow | AsideRow]]) -> BridgeTally:
        """Keep rows with their buckets, in the transaction under way."""
        group, before = self._sorted(rows), last_place(self._journal)
        tally = group.tally
        new: dict[str, dict[int, str]] = {}
        for key, open_ in group.open.items():
            tally += self._settle(key, open_)
            new[key] = {one.punch: one.wall for one in open_ if one.punch and one.punch > before}
        if self._is_sudden({key: list(walls.values()) for key, walls in new.items()}):
            seqs = [seq for walls in new.values() for seq in walls]
            self._journal.run_over("hold_punches", seqs, hold="sudden")
            self._journal.run_over("hold_in_outboxes", seqs, hold="sudden", now=now())
            tally = _all_sudden(tally, len(seqs))
        self._note_own(before)
        kept = [*group.told, *(one for rows in group.open.values() for one in rows), *group.aside]
        moment = now()
        self._journal.run_many("keep_row", [self._as_kept(one, moment) for one in kept if one.is_news])
        self._ledger.add_rows_there(sum(one.comes_in for one in kept))
        return replace(tally, changed=sum(one.is_changed for one in kept))

    def _settle(self, key: str, rows: Sequence[_Row]) -> BridgeTally:
        """Let the intake of a device sort settled rows and keep what is new; note the punch of each."""
        if key not in self._intakes:
            Devices(self._journal).meet_in_rows(key)
        records = _records(rows)
        tally = self._intake(key).add(records)
        device, *_ = self._journal.one("device_by_key", key=key) or (None,)
        found = known_bytes(self._journal, device, {one.canonical for one in records.punches})
        firsts = [what.first for what in found.values()]
        here = {firsts[place] for place, _ in self._journal.look_up("nth_of_second", firsts)}
        for one, punch in zip(rows, records.punches, strict=True):
            first = found[punch.canonical].first
            one.punch = first if first in here else None  # it was pruned
        self._journal.run("note_device_of_rows", database=self._ledger.id, device=device)
        return _bridged(tally)

    def _note_own(self, before: int) -> None:
        """Note the punches that were journalled behind a place, in this transaction, as this visit's."""
        new = range(before + 1, last_place(self._journal) + 1)
        if new and self._own and self._own[-1].stop == new.start:
            new = range(self._own.pop().start, new.stop)
        if new:
            self._own.append(new)

    def _as_kept(self, one: _Row, moment: str) -> dict[str, object]:
        known = one.known
        return {
            "database": self._ledger.id,
            "key": one.row.key,
            "bucket": one.bucket if one.bucket is not None or known is None else known.bucket,
            "punch": one.punch,
            "content": one.content,
            "raw": one.row.raw if one.reason or one.is_changed else None,
            "reason": one.reason,
            "detail": one.detail,
            "changed_at": moment if one.is_changed else None,
            "accepted_at": known.accepted_at if known and one.reason else None,
            "numbering": self._ledger.numbering,
            "now": moment,
        }


def _content(row: SettledRow | AsideRow) -> bytes:
    if isinstance(row, AsideRow):
        return hashlib.blake2b(row.raw.encode(), digest_size=8).digest()
    _, _, verify, state, work_code, _ = row.punch
    return b"%d %d %d %d" % (state, verify, work_code, row.manual)


def _records(rows: Sequence[_Row]) -> Records:
    """Return settled rows as records; typed in is what every row of it says to be."""
    settled = [one.row for one in rows if isinstance(one.row, SettledRow)]
    typed = {row.punch.canonical for row in settled if row.manual}
    manual = typed.difference(row.punch.canonical for row in settled if not row.manual)
    punches = tuple(row.punch for row in settled)
    return Records(punches, (), form=Form.BRIDGE, manual=frozenset(manual))


def _bridged(tally: Tally) -> BridgeTally:
    """Return what became of rows, as the intake counted it."""
    return BridgeTally(
        first_seen=tally.first_seen + tally.same_second,
        seen_before=tally.seen_before,
        repeats=tally.exact_repeats,
        other_state=tally.other_state,
        held_manual=tally.held_manual,
        held_since=tally.held_since,
        held_repeats=tally.held_repeats,
    )


def _all_sudden(tally: BridgeTally, count: int) -> BridgeTally:
    """Return a tally whose new punches, so many, are all held as sudden ones."""
    return replace(tally, sudden=count, held_manual=0, held_since=0, held_repeats=0)
