"""Removing old punches that nobody needs any more.

A punch may go only when nobody needs it any more: every dashboard is done with it, and its device cannot show
it any more. That has two proofs, both by places in the journal: a host clock that was ahead or behind when it
was stamped means nothing.

    cleared      zkpoll itself has cleared the log after it was journalled, and nothing older was shown since
    overwritten  a reading found it in the log, and then twice as many further records as the log ever told to
                 hold: at most one log of them was there before it, so that as many again came after it. A log
                 that stops when it is full gets none of these

Either may be wrong about a device: another one under the same serial number, a saved log that was put back, a
capacity that was never true. So what goes is not lost sight of: `forgotten` keeps what tells it when it is
shown again. The proof is for what that does not keep, whose punch it was and when.

Only what may go is walked, device by device: a journal of which nothing may go is not walked at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.journal import forgotten
from zkpoll.journal.database import now
from zkpoll.model.punch import PUSHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from zkpoll.journal.database import Journal

PAGE: Final = 20_000
"""Punches looked at in one transaction: about half a second, in which other processes wait."""
SHORTEST: Final = "30d"
"""The least age of a punch that may go."""
LONGEST: Final = "36500d"
ALL: Final = 2**63 - 1
"""A place behind all there are."""

TURNS: Final = 2
"""How often a log must have been filled anew since a punch: it may lie anywhere in the order in which it was
read, so that the first filling proves nothing."""

PruneFate = Literal["removable", "undelivered", "held", "same_second", "in_database"]


# --- which punches may go; pure ---


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person wants removed."""

    before: datetime
    """Punches journalled before then (aware), and not after any that is younger."""
    inventory: frozenset[str]
    """The names and serial numbers of its devices, in use or not."""
    device: str | None = None
    """Only those of the device with this name or serial number."""


@dataclass(frozen=True, slots=True)
class DeviceLog:
    """A device, and what the journal knows of its log. Times are UTC, ISO 8601."""

    id: int
    key: str
    name: str | None = None
    seen_as: str | None = None
    """A stranger: the name at whose address it answers."""
    read_at: str | None = None
    """When any of it was last read."""
    cleared_at: str | None = None
    cleared_after: int | None = None
    """The last punch in the journal before that clearing; None also where that is not known."""
    called_at: str | None = None
    """When it called last, where it pushes."""
    maybe_disabled: bool = False
    records: int = 0
    """How many records it held when it was last read."""
    since_cleared: int = 0
    """How many of its records the journal has got after the clearing, up to that number."""
    capacity: int | None = None
    """The most records that it ever told its log can hold, or that were in it; None while it never told."""
    overwritten: int | None = None
    """The last punch behind which the log was filled anew `TURNS` times; None where it was not."""

    @property
    def label(self) -> str:
        """What to call the device."""
        return self.name or self.key

    def is_named(self, names: frozenset[str]) -> bool:
        """Say whether one of `names` is its name or its serial number."""
        return bool({self.key, self.name, self.seen_as} & names)


@dataclass(frozen=True, slots=True)
class Limit:
    """Which punches of a device cannot be on it any more."""

    upto: int | None = None
    """Those up to this place, by whatever door they came; None if there are none."""
    read_upto: int | None = None
    """Those up to this place that a reading found in its log; None if there are none."""
    why: str | None = None
    """Why others may be, or None."""

    @property
    def walks(self) -> Iterator[tuple[int, int]]:
        """Yield up to where what a reading found (1) and what it did not (0) may go."""
        if (upto := max(self.upto or 0, self.read_upto or 0)) > 0:
            yield 1, upto
        if self.upto:
            yield 0, self.upto


def off_device(log: DeviceLog, terms: Terms) -> Limit:
    """Given a device's log, return which of its punches cannot be in it any more.

    zkpoll itself has cleared the log after they were journalled, and all that it showed since came after
    that; or the log was filled anew so often that they were overwritten; or the device has left the
    inventory, was not read for all that time and did not call, and a person names it.
    """
    if terms.device and not log.is_named(frozenset({terms.device})):
        return Limit(why="not asked for")
    if log.maybe_disabled:
        return Limit(why="a clearing of its log was broken off; sync it first")
    if log.cleared_after is not None and log.records <= log.since_cleared:
        return Limit(log.cleared_after, log.overwritten, "they came after its last clearing")
    if not log.is_named(terms.inventory):
        return _left(log, terms)
    return Limit(None, log.overwritten, f"{_not_cleared(log)}; {_not_overwritten(log)}")


def _not_cleared(log: DeviceLog) -> str:
    """Say why no clearing proves that anything left a log."""
    if log.cleared_after is not None:
        return "its log shows records older than its clearing"
    if log.cleared_at:
        return "it was cleared by an older zkpoll; wait until it is cleared again"
    if log.called_at:
        return "it may push all of its log again, which was never cleared by zkpoll"
    return "its log was never cleared by zkpoll"


def _not_overwritten(log: DeviceLog) -> str:
    """Say which punches of a log may be in it, as far as capacity tells."""
    if not log.capacity:
        return "it never told how many records that holds"
    return f"it holds {log.capacity:,} records, and the last {TURNS * log.capacity:,} that were read stay"


def _left(log: DeviceLog, terms: Terms) -> Limit:
    """Return which punches of a device that left the inventory may go."""
    if not terms.device:
        return Limit(why=f"it left the inventory: --device {log.label}")
    if log.read_at and log.read_at >= _iso(terms.before):
        return Limit(why=f"it was read on {log.read_at[:10]}; wait until that is as long ago")
    if log.called_at and log.called_at >= _iso(terms.before):
        return Limit(why=f"it called on {log.called_at[:10]}; wait until that is as long ago")
    return Limit(ALL)


def _iso(moment: datetime) -> str:
    """Return a moment as the journal writes it."""
    return moment.isoformat(timespec="milliseconds")


# --- pruning ---


@dataclass(frozen=True, slots=True)
class PruneShare:
    """What becomes of one device's old punches."""

    device: str
    """Its name, or its serial number where it has none any more."""
    serial_number: str
    why: str | None
    """Why others, which nobody counted, may still be on it; None where there are none."""
    counts: Mapping[PruneFate, int] = field(default_factory=dict)
    """Of those that cannot be on it any more."""

    @property
    def removable(self) -> int:
        """How many of them may go."""
        return self.counts.get("removable", 0)


def old_punches(journal: Journal, terms: Terms) -> list[PruneShare]:
    """Return what may go and what must stay of each device's old punches, where there are any."""
    logs = [log for log in _logs(journal) if not terms.device or log.is_named(frozenset({terms.device}))]
    limits = {log.id: off_device(log, terms) for log in logs}
    young = _first_young(journal, limits.values(), terms)
    shares = []
    for log in logs:
        limit, counts = limits[log.id], Counter[PruneFate]()
        for in_log, upto in limit.walks:
            after = 0
            while page := _page(journal, log.id, in_log, (after, min(upto + 1, young)), terms):
                counts.update(fate for _, fate in page)
                after = page[-1][0]
        why = limit.why if _others_are_old(journal, log.id, limit, terms) else None
        if counts or why:
            shares.append(PruneShare(log.label, log.key, why, counts))
    return shares


def prune(journal: Journal, terms: Terms) -> int:
    """Remove the punches that may go, and their places in the outboxes; return how many.

    Each page is looked at and removed in one transaction, so that what is read, cleared or decided meanwhile
    counts. One that was broken off has done a part; doing it again does the rest.
    """
    journal.run("check_no_references")
    limits = {log.id: off_device(log, terms) for log in _logs(journal)}
    young = _first_young(journal, limits.values(), terms)
    removed = 0
    left = {device for (device,) in journal.all("devices_with_forms_left")}
    for device, limit in limits.items():
        for in_log, _ in limit.walks:
            if found := _prune_walk(journal, device, in_log, young, terms):
                left.add(device)
                removed += found
    for device in sorted(left):
        forgotten.forget_forms(journal, device)
    return removed


def _prune_walk(journal: Journal, device: int, in_log: int, young: int, terms: Terms) -> int:
    """Remove what may go of a device's punches of one sort; return how many."""
    removed, after = 0, 0
    while True:
        with journal.transaction():
            (log,) = _logs(journal, device)
            upto = dict(off_device(log, terms).walks).get(in_log, 0)
            page = _page(journal, device, in_log, (after, min(upto + 1, young)), terms)
            removed += _remove(journal, device, [seq for seq, fate in page if fate == "removable"])
        if not page:
            return removed
        after = page[-1][0]


def compact(journal: Journal) -> None:
    """Give the space of what was removed back to the disk, and overwrite what is left of it.

    Takes as much room as the journal has, for as long as it lasts.
    """
    journal.run("compact")


def knows(journal: Journal, device: str) -> bool:
    """Given a name or serial number, say whether it is one of a device that the journal has met."""
    named = frozenset({device})
    return any(_log(*row).is_named(named) for row in journal.all("logs", device=None))


def _logs(journal: Journal, device: int | None = None) -> list[DeviceLog]:
    """Return what is known of every device's log, or of one's, with the proofs that its punches give."""
    return [_counted(journal, _log(*row)) for row in journal.all("logs", device=device)]


def _log(
    id_: int,
    key: str,
    name: str | None,
    seen_as: str | None,
    read_at: str | None,
    watermark_at: str | None,
    cleared_at: str | None,
    cleared_after: int | None,
    cleared_quarantined: int | None,
    intent: str | None,
    on_device: int | None,
    watermark: int | None,
    called_at: str | None,
    largest: int | None,
) -> DeviceLog:
    """Given a row of the query `logs`, return it as a log that nobody has counted yet."""
    records = max(on_device or 0, watermark or 0)
    return DeviceLog(
        id_,
        key,
        name,
        seen_as,
        read_at=max(filter(None, (read_at, watermark_at)), default=None),
        cleared_at=cleared_at,
        cleared_after=cleared_after,
        called_at=called_at,
        maybe_disabled=intent is not None,
        records=records,
        since_cleared=-(cleared_quarantined or 0),
        capacity=largest and max(largest, records),
    )


def _counted(journal: Journal, log: DeviceLog) -> DeviceLog:
    """Return a log with what the journal counts of it: after its clearing, and since it was filled anew."""
    since, newest = log.since_cleared, None
    if log.cleared_after is not None:
        asked = {"after": log.cleared_after, "records": log.records - since, "pushed": PUSHED}
        row = journal.one("since_cleared", device=log.id, **asked)
        since += row[0] if row else 0
    if log.capacity:
        row = journal.one("newest_of_log", device=log.id, further=TURNS * log.capacity - 1)
        newest = row[0] if row else None
    return replace(
        log,
        since_cleared=since,
        overwritten=None if newest is None else newest - 1,
    )


def _first_young(journal: Journal, limits: Iterable[Limit], terms: Terms) -> int:
    """Return the place of the first punch that is not old; what is stamped ahead of now tells nothing.

    Looked for as far as anything may go; without an index, but only there.
    """
    last = max((upto for limit in limits for _, upto in limit.walks), default=0)
    row = journal.one("first_young", before=_iso(terms.before), now=now(), upto=last) if last else None
    return int(row[0]) if row else ALL


def _page(
    journal: Journal, device: int, in_log: int, between: tuple[int, int], terms: Terms
) -> list[tuple[int, PruneFate]]:
    """Return the next old punches of a device between two places, and what becomes of each."""
    after, end = between
    return [
        (seq, fate)
        for seq, fate in journal.all(
            "fates",
            device=device,
            in_log=in_log,
            after=after,
            end=end,
            before=_iso(terms.before),
            limit=PAGE,
        )
    ]


def _others_are_old(journal: Journal, device: int, limit: Limit, terms: Terms) -> bool:
    """Say whether a device has old punches that may still be on it."""
    uptos = {1: 0, 0: 0} | dict(limit.walks)
    return any(
        journal.one("any_old", device=device, in_log=in_log, after=upto, before=_iso(terms.before))
        for in_log, upto in uptos.items()
    )


def _remove(journal: Journal, device: int, seqs: Sequence[int]) -> int:
    if not seqs:
        return 0
    forgotten.forget_punches(journal, device, seqs)
    journal.run_over("count_removed", seqs)
    journal.run_over("remove_from_outboxes", seqs)
    journal.run_over("remove_lines", seqs)
    journal.run_over("remove_assignments", seqs)
    journal.run_over("part_from_rows", seqs)
    return journal.run_over("remove_punches", seqs)
