"""A visit: reads the new part of a device's log, in verified slices.

A visit connects once, asks for the serial number, and reads the log while people go on punching: the device
lays its log out as a table that does not change under the reader. The last known records and everything after
them come first. If the known ones are unchanged, the log was only appended to, and the rest need not be
read. Verified records are handed on as they come, so that a visit that breaks off has made progress.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from zkpoll import wall_clock
from zkpoll.errors import Refused, WireError
from zkpoll.model.log import Reading, Sink, Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, is_counted
from zkpoll.pull import layouts, plan, user_table
from zkpoll.pull.device_tables import LOG, USERS, MaybeEmpty, Table
from zkpoll.pull.slices import TAIL, Slicer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from zkpoll.model.user import User
    from zkpoll.pull.link import Address
    from zkpoll.pull.session import Session
    from zkpoll.pull.sizes import Sizes

LENGTH: Final = 4
"""Bytes of the length in front of a table's records."""
_EMPTY: Final = Table(LENGTH, bytes(LENGTH))


@dataclass(frozen=True, slots=True)
class Target:
    """A device to visit."""

    address: Address
    zone: tzinfo
    """The zone its wall clock shows."""
    timeout: float
    """Seconds of silence between bytes."""
    visit_limit: float
    """Seconds."""
    key: int = field(default=0, repr=False)
    full: bool = False
    """Whether to read the whole log, also where only the new part is needed."""
    quiet_hours: plan.QuietHours | None = None
    """When to read the whole log once a day."""


def read_log(
    session: Session,
    target: Target,
    known: Watermark | None,
    sink: Sink,
    progress: Callable[[int], None] = lambda _records: None,
) -> Reading:
    """Given what is `known` of a device's log, read the rest into `sink`; return what was found.

    Calls `progress` with the number of records each time some came. Raise one of the device errors; what was
    handed on until then stays.
    """
    return _LogReader(session, target, known, sink, progress).read()


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive records of a log, from the `start`-th on."""

    layout: layouts.Layout
    start: int
    runs: Iterator[bytes]
    last: datetime | None = None
    """The time of the record before them."""


class _LogReader:
    """Reads a device's log into the sink."""

    def __init__(
        self,
        session: Session,
        target: Target,
        known: Watermark | None,
        sink: Sink,
        progress: Callable[[int], None],
    ) -> None:
        self._session = session
        self._target = target
        self._sink = sink
        self._progress = progress
        self._known = known
        asked = datetime.now(UTC)
        shown = session.time()
        drift = wall_clock.drift(shown, datetime.now(UTC), target.zone) if shown else None
        self._drift = None if drift is None else drift.total_seconds()
        self._complete_until = wall_clock.complete_until(asked, self._drift, target.zone)
        self._sizes = session.sizes()
        self._users: Mapping[int, str] | None = None
        self._layout: layouts.Layout | None = None
        self._records = self._proved = self._end = 0
        self._whole = self._continued = False

    def read(self) -> Reading:
        """Read the new part, or all of it, and hand it on in slices. Return the reading."""
        if not self._read_once():
            # A device lays out one table at a time: the users first, then the log afresh.
            self._users = slots(self._session)
            self._read_once()
        return Reading(
            layout=self._layout.width if self._layout else None,
            records=self._records,
            proved=self._proved,
            on_device=self._end,
            capacity=self._sizes.capacity if self._sizes else None,
            drift=self._drift,
            whole=self._whole,
            before=self._known.count if self._known else 0,
            continued=self._continued,
            complete_until=self._complete_until,
        )

    def _read_once(self) -> bool:
        """Have the log laid out and read it; False if the users must be read first."""
        table, total = lay_out(self._session, self._sizes, self._known)
        if not total:
            empty = Watermark(self._known.layout if self._known else 0, 0, (), all_read=True)
            self._sink.take(Slice((), (), empty, form=None, drift=self._drift))
            self._whole = True
            return True
        emptied = self._was_emptied(table, total)
        stretch = self._appended(table, total, self._known)
        if stretch is None:
            runs = self._session.tables.runs(table, LENGTH)
            head = next(runs)
            stretch = _Stretch(layout_of(head, total, self._known), 0, chain([head], runs))
        end = total // stretch.layout.width
        again = stretch.start > 0 and self._again(stretch.layout, end)
        if stretch.layout.needs_users and self._users is None and (again or stretch.start < end):
            return False
        self._layout, self._end = stretch.layout, end
        self._hand_on(stretch, emptied)
        if again:
            # What is new is safe by now; if going over the old breaks off, no progress is lost.
            self._go_over(table, stretch)
        self._whole = again or stretch.start == 0
        self._continued = stretch.start > 0
        if table.content is None:
            self._session.tables.free()
        return True

    def _was_emptied(self, table: Table, total: int) -> bool:
        """Say whether a log was cleared since the last reading, as seen then or by what it holds now.

        Where it was told to clear itself and nobody saw it empty, it was if what it held is not in its place
        any more: with room left, a log is only appended to, or cleared. At its capacity, or by a count that
        its bytes belie, that proves nothing.
        """
        known, sizes = self._known, self._sizes
        if known is None or known.count:
            return False
        if known.before_clear is None or sizes is None:
            return known.all_read
        count, tail = known.before_clear
        if count >= sizes.capacity or not 0 < sizes.records <= total // known.layout < sizes.capacity:
            return False
        return self._appended(table, total, replace(known, count=count, tail=tail)) is None

    def _appended(self, table: Table, total: int, known: Watermark | None) -> _Stretch | None:
        """Return the records behind the last known ones, if those are still in their place."""
        layout = layouts.LAYOUTS.get(known.layout) if known else None
        start = plan.resume(known, layout.width, total) if layout else None
        if known is None or layout is None or start is None:
            return None
        runs = self._session.tables.runs(table, LENGTH + start * layout.width)
        first = next(runs)
        size = len(known.tail) * layout.width
        found = layout.decode(first[:size], layouts.ANY_SLOT, TAIL)
        if found.tail != known.tail:
            return None
        last = found.punches[-1].time.replace(fold=known.fold) if found.punches else None
        return _Stretch(layout, known.count, chain([first[size:]], runs), last)

    def _again(self, layout: layouts.Layout, end: int) -> bool:
        """Say whether to go over the known part of a log of `end` records again.

        A log at its capacity may be overwritten in place, and then the last known records stay in theirs.
        Records without a number are counted in one go: a whole reading that broke off begins again.
        """
        all_read = self._known is None or self._known.all_read
        counts = is_counted(LAYOUT_FORMS[layout.width])
        full = self._sizes is not None and 0 < self._sizes.capacity <= end
        if self._target.full or full or (counts and not all_read):
            return True
        whole_at = self._known.whole_at if self._known else None
        quiet, zone = self._target.quiet_hours, self._target.zone
        return plan.reconciliation_due(whole_at, datetime.now(UTC), quiet, zone)

    def _hand_on(self, stretch: _Stretch, emptied: bool) -> None:
        slicer = self._slicer(stretch.layout)
        if self._known and stretch.start:
            slicer.go_on(self._known, stretch.last)
            self._proved = len(self._known.tail)
        elif emptied:
            slicer.begin_anew()
        self._records += self._proved + slicer.hand_on(stretch.runs, self._progress)

    def _go_over(self, table: Table, stretch: _Stretch) -> None:
        """Read the known part of the log again, with the records that were just proved: all are counted."""
        runs = self._session.tables.runs(table, LENGTH, LENGTH + stretch.start * stretch.layout.width)
        again = self._slicer(stretch.layout).go_over().hand_on(runs, self._progress)
        self._records += again - self._proved
        self._proved = 0

    def _slicer(self, layout: layouts.Layout) -> Slicer:
        return Slicer(layout, self._users or {}, self._target.zone, self._drift, self._sink.take)


def lay_out(session: Session, sizes: Sizes | None, known: Watermark | None) -> tuple[Table, int]:
    """Have the device lay out its log; return the table, and the number of bytes of its records.

    `sizes` and `known` tell whether it may be empty. Some firmware tells too small a size for the table it
    lays out; the old command sends all of it. Raise `Refused` when the log cannot be read, `WireError` when
    its length is not what it says.
    """
    table = _open(session, sizes, known)
    said = _said(session, table)
    if said != table.size - LENGTH and table.content is None:
        with suppress(Refused):
            table = session.tables.read_whole(LOG)
            said = _said(session, table)
    if said != table.size - LENGTH:
        raise WireError(f"the log says it has {said} bytes, the device laid out {table.size - LENGTH}")
    return table, said


def _said(session: Session, table: Table) -> int:
    """Return the number of bytes of records in `table`, by the length in front of them."""
    return int.from_bytes(session.tables.read(table, 0, LENGTH), "little")


def _open(session: Session, sizes: Sizes | None, known: Watermark | None) -> Table:
    """Return the log as a table, by whichever command the firmware knows.

    An error answer means "empty" only if the old command agrees and nothing contradicts it; firmware without
    the buffered read, or too busy for it, answers with the same code. "Not supported" and "unknown" never
    mean it.
    """
    try:
        return session.tables.prepare(LOG)
    except Refused as refused:
        try:
            return session.tables.read_whole(LOG)
        except Refused as again:
            said = isinstance(refused, MaybeEmpty) or isinstance(again, MaybeEmpty)
            # By the device's own count; where it gives none, by what was known of the log.
            expected = sizes.records == 0 if sizes else known is not None and known.count == 0
            if said and expected:
                return _EMPTY
            raise Refused(f"the log cannot be read, and may not be empty: {refused}, {again}") from again


def layout_of(head: bytes, total: int, watermark: Watermark | None) -> layouts.Layout:
    """Return the layout of a log: the one it had before, unless that no longer fits."""
    known = layouts.LAYOUTS.get(watermark.layout) if watermark else None
    if known and total % known.width == 0 and layouts.fits(known, head):
        return known
    return layouts.detect(head, total)


def slots(session: Session) -> dict[int, str]:
    """Return the user ids of a device by slot. Raise as `read_users` does."""
    return {user.slot: user.user_id for user in read_users(session)}


def all_users(session: Session) -> tuple[User, ...]:
    """Return the users of a device, maybe none. Raise as `read_users` does.

    An error answer means that it has none only if its own count agrees.
    """
    try:
        return read_users(session)
    except MaybeEmpty:
        sizes = session.sizes()
        if sizes is None or sizes.users:
            raise
        return ()


def read_users(session: Session) -> tuple[User, ...]:
    """Return the users of a device. Raise `Refused` when it will not tell, `WireError` for no table."""
    try:
        table = session.tables.prepare(*USERS)
    except Refused:
        table = session.tables.read_whole(*USERS)
    data = b"".join(session.tables.runs(table))
    if int.from_bytes(data[:LENGTH], "little") + LENGTH != len(data):
        raise WireError("the user table is not as long as it says")
    if table.content is None:
        session.tables.free()
    return user_table.decode(data[LENGTH:])
