"""Removing old punches that nobody needs any more.

A punch may go only when nobody needs it any more, neither a dashboard nor we ourselves: a record that its
device shows once more must be known, or it would be a new punch. What came before a clearing and what after
it is told by places in the journal: a host clock that was ahead or behind when it was stamped means nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from zkpoll.journal.database import now
from zkpoll.model.punch import PUSHED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from zkpoll.journal.database import Journal

PAGE: Final = 20_000
"""Punches looked at in one transaction: about half a second, in which other processes wait."""
SHORTEST: Final = "30d"
"""The least age of a punch that may go."""
LONGEST: Final = "36500d"
ALL: Final = 2**63 - 1
"""A place behind all there are."""

PruneFate = Literal["removable", "undelivered", "held", "same_second", "on_device"]


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
    """How many of its records the journal has got after the clearing."""

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
    """Those up to this place; None if there are none."""
    why: str | None = None
    """Why there are none, or None."""


def off_device(log: DeviceLog, terms: Terms) -> Limit:
    """Given a device's log, return which of its punches cannot be in it any more.

    Either zkpoll itself has cleared the log after they were journalled, and all that it showed since came
    after that; or the device has left the inventory, was not read for all that time and did not call, and a
    person names it. A device pushes what is in its log, and at any time it may push all of that once more.
    """
    if terms.device and not log.is_named(frozenset({terms.device})):
        return Limit(why="not asked for")
    if log.maybe_disabled:
        return Limit(why="a clearing of its log was broken off; sync it first")
    if log.cleared_after is not None and log.records <= log.since_cleared:
        return Limit(log.cleared_after)
    if not log.is_named(terms.inventory):
        return _left(log, terms)
    if log.cleared_after is not None:
        return Limit(why="its log shows records older than its clearing")
    if log.cleared_at:
        return Limit(why="it was cleared by an older zkpoll; wait until it is cleared again")
    if log.called_at:
        return Limit(why="it may push all of its log again, which was never cleared by zkpoll")
    return Limit(why="its log was never cleared by zkpoll")


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
    """Why those `on_device` may still be there, or None."""
    counts: Mapping[PruneFate, int] = field(default_factory=dict)

    @property
    def removable(self) -> int:
        """How many of them may go."""
        return self.counts.get("removable", 0)


def old_punches(journal: Journal, terms: Terms) -> list[PruneShare]:
    """Return what may go and what must stay of each device's old punches, where there are any."""
    logs = _logs(journal)
    limits = {log.id: off_device(log, terms) for log in logs}
    counts: defaultdict[int, Counter[PruneFate]] = defaultdict(Counter)
    young = _first_young(journal, terms)
    page = _page(journal, limits, terms, (0, young))
    while page:
        for _, device, fate in page:
            counts[device][fate] += 1
        page = _page(journal, limits, terms, (page[-1][0], young))
    meant = [log for log in logs if not terms.device or log.is_named(frozenset({terms.device}))]
    return [
        PruneShare(log.label, log.key, limits[log.id].why, counts[log.id])
        for log in meant
        if log.id in counts
    ]


def prune(journal: Journal, terms: Terms) -> int:
    """Remove the punches that may go, and their places in the outboxes; return how many.

    Each page is looked at and removed in one transaction, so that what is read, cleared or decided meanwhile
    counts. One that was broken off has done a part; doing it again does the rest.
    """
    journal.run("check_no_references")
    removed, after, young = 0, 0, _first_young(journal, terms)
    while True:
        with journal.transaction():
            limits = {log.id: off_device(log, terms) for log in _logs(journal)}
            page = _page(journal, limits, terms, (after, young))
            removed += _remove(journal, [seq for seq, _, fate in page if fate == "removable"])
        if not page:
            break
        after = page[-1][0]
    for log in _logs(journal):
        with journal.transaction():
            journal.run("remove_forms", device=log.id)
    return removed


def compact(journal: Journal) -> None:
    """Give the space of what was removed back to the disk, and overwrite what is left of it.

    Takes as much room as the journal has, for as long as it lasts.
    """
    journal.run("compact")


def knows(journal: Journal, device: str) -> bool:
    """Given a name or serial number, say whether it is one of a device that the journal has met."""
    return any(log.is_named(frozenset({device})) for log in _logs(journal))


def _logs(journal: Journal) -> list[DeviceLog]:
    return [_log(*row) for row in journal.all("logs", pushed=PUSHED)]


def _log(
    id_: int,
    key: str,
    name: str | None,
    seen_as: str | None,
    read_at: str | None,
    watermark_at: str | None,
    cleared_at: str | None,
    cleared_after: int | None,
    intent: str | None,
    on_device: int | None,
    watermark: int | None,
    since_cleared: int | None,
    called_at: str | None,
) -> DeviceLog:
    """Given a row of the query `logs`, return it as a log."""
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
        records=max(on_device or 0, watermark or 0),
        since_cleared=since_cleared or 0,
    )


def _first_young(journal: Journal, terms: Terms) -> int:
    """Return the place of the first punch that is not old; what is stamped ahead of now tells nothing."""
    row = journal.one("first_young", before=_iso(terms.before), now=now())
    return int(row[0]) if row else ALL


def _page(
    journal: Journal, limits: Mapping[int, Limit], terms: Terms, between: tuple[int, int]
) -> list[tuple[int, int, PruneFate]]:
    """Return the next old punches between two places: place, device, and what becomes of each."""
    gone: dict[int, object] = {device: limit.upto for device, limit in limits.items() if limit.upto}
    after, young = between
    found = journal.look_up("fates", gone, after=after, young=young, before=_iso(terms.before), limit=PAGE)
    return [(seq, device, fate) for seq, device, fate in found]


def _remove(journal: Journal, seqs: Sequence[int]) -> int:
    journal.run_over("remove_from_outboxes", seqs)
    journal.run_over("remove_lines", seqs)
    return journal.run_over("remove_punches", seqs)
