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
from zkpoll.errors import NothingLaidOut, Refused, UnknownLayout, WireError
from zkpoll.model.fullness import WarnAt
from zkpoll.model.log import Reading, Sink, Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS, MIXED, is_counted
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
    warn_at: WarnAt = field(default_factory=WarnAt)
    """From when on a person is told of its log and clock."""


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
    """Their bytes, `even`."""
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
        self._layout: int | None = None
        self._records = self._proved = self._end = self._missed = 0
        self._whole = self._continued = self._once = False
        self._kept: tuple[Table, int] | None = None

    def read(self) -> Reading:
        """Read the new part, or all of it, and hand it on in slices. Return the reading."""
        if not self._read_once():
            # A device lays out one table at a time: the users first, then the log afresh.
            self._users = slots(self._session, self._sizes)
            self._read_once()
        return Reading(
            layout=self._layout,
            records=self._records,
            proved=self._proved,
            on_device=self._end,
            capacity=self._sizes.capacity if self._sizes else None,
            drift=self._drift,
            whole=self._whole,
            before=self._known.count if self._known else 0,
            continued=self._continued,
            once=self._once,
            missed=self._missed,
            complete_until=self._complete_until,
        )

    def _read_once(self) -> bool:
        """Have the log laid out and read it; False if the users must be read first."""
        try:
            table, total, stretch = self._laid_out()
        except NothingLaidOut:
            if not plan.nothing_new(self._known, self._sizes.records if self._sizes else 0):
                raise
            self._end, self._continued = self._known.count if self._known else 0, True
            return True
        if not total:
            empty = Watermark(self._known.layout if self._known else 0, 0, (), all_read=True)
            self._sink.take(Slice((), (), empty, form=None, drift=self._drift))
            self._whole = True
            return True
        emptied = self._was_emptied(table, total)
        if stretch is None:
            runs = self._session.tables.runs(table, LENGTH)
            head = next(runs)
            layout = layout_of(head, total, self._known)
            stretch = _Stretch(layout, 0, layout.even(chain([head], runs)))
        runs = filter(None, stretch.runs)
        first = next(runs, b"")
        due = first or self._again(stretch.layout, stretch.start)
        if due and stretch.layout.needs_users and self._users is None:
            self._kept = (table, total) if table.content is not None else None
            return False
        self._hand_on(replace(stretch, runs=chain([first], runs)), emptied)
        again = stretch.start > 0 and self._again(stretch.layout, self._end)
        if again:
            # What is new is safe by now; if going over the old breaks off, no progress is lost.
            self._go_over(table, stretch)
        self._whole = again or stretch.start == 0
        self._continued = stretch.start > 0
        if table.content is None:
            self._session.tables.free()
        if self._known and self._known.count and not stretch.start:
            self._note_count(self._known)
        return True

    def _laid_out(self) -> tuple[Table, int, _Stretch | None]:
        """Have the log laid out; return it, how many bytes its records have, and those behind the known ones.

        None stands for these where the last known records are not in their place any more.
        """
        if self._kept:
            table, total = self._kept
        else:
            table = _open(self._session, self._sizes, self._known)
            if self._is_counted(table):
                total = table.size - LENGTH
                if stretch := self._appended(table, total, self._known):
                    return table, total, stretch
            table, total = _settled(self._session, self._sizes, table)
        return table, total, self._appended(table, total, self._known)

    def _is_counted(self, table: Table) -> bool:
        """Say whether the device's count tells the same size of its log as what it laid out.

        Then the length in front of the records need not be asked for: it would be the third to say so. Some
        firmware tells too small a size, which its count belies. Where all of a log is read, it is asked for.
        """
        known, sizes = self._known, self._sizes
        layout = layouts.LAYOUTS.get(known.layout) if known and known.tail else None
        return (
            sizes is not None
            and layout is not None
            and table.content is None
            and table.size == LENGTH + sizes.records * layout.width
            and not self._again(layout, sizes.records)
        )

    def _note_count(self, known: Watermark) -> None:
        """Keep the count of a device that lays out fewer records than that, and none of the last known ones.

        It hands out each record once. Next time its count alone tells whether any is new. The watermark has
        no proof, so that all is read of a log that is laid out whole again. What it counts besides these and
        the known ones is missing: others were handed that, or a visit that broke off.
        """
        if self._layout is None or self._sizes is None or self._sizes.records <= self._end:
            return
        sizes = self._session.sizes()  # somebody may have punched before the log was laid out
        if sizes is None or sizes.records <= self._end:
            return
        self._missed = max(0, sizes.records - known.count - self._end)
        self._end, self._once, self._continued = sizes.records, True, known.once
        mark = Watermark(self._layout, sizes.records, ())
        self._sink.take(Slice((), (), mark, form=None, drift=self._drift))

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
        held = self._count(table, total, known)
        if count >= sizes.capacity or not 0 < sizes.records <= held < sizes.capacity:
            return False
        return self._appended(table, total, replace(known, count=count, tail=tail)) is None

    def _count(self, table: Table, total: int, known: Watermark) -> int:
        """Return how many records a log of a known layout has now; 0 where it has none of that layout."""
        layout = layouts.layout_called(known.layout)
        if layout is None or not layout.shortest:
            return total // known.layout
        try:
            return sum(map(len, layout.even(self._session.tables.runs(table, LENGTH)))) // layout.width
        except UnknownLayout:
            return 0

    def _appended(self, table: Table, total: int, known: Watermark | None) -> _Stretch | None:
        """Return the records behind the last known ones, if those are still in their place.

        Where some of them are shorter than others, that is found from the first one on.
        """
        layout = layouts.layout_called(known.layout) if known else None
        if known is None or layout is None or not layout.divides(total):
            return None
        start = plan.resume(known, known.layout, total - total % known.layout)
        if start is None:
            return None
        skipped, wanted = 0 if known.layout == MIXED else start, len(known.tail) * layout.width
        runs = layout.even(self._session.tables.runs(table, LENGTH + skipped * layout.width))
        try:
            tail, behind = _split(runs, (known.count - skipped) * layout.width, wanted)
        except UnknownLayout:
            return None
        found = layout.decode(tail[: len(tail) // layout.width * layout.width], layouts.ANY_SLOT, TAIL)
        if found.tail != known.tail:
            return None
        last = found.punches[-1].time.replace(fold=known.fold) if found.punches else None
        return _Stretch(layout, known.count, chain([behind], runs), last)

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
        new = slicer.hand_on(stretch.runs, self._progress)
        self._records += self._proved + new
        self._layout, self._end = slicer.layout, stretch.start + new

    def _go_over(self, table: Table, stretch: _Stretch) -> None:
        """Read the known part of the log again, with the records that were just proved: all are counted."""
        size = stretch.start * stretch.layout.width
        mixed = self._known is not None and self._known.layout == MIXED
        runs = self._session.tables.runs(table, LENGTH, table.size if mixed else LENGTH + size)
        known = _until(stretch.layout.even(runs), size)
        again = self._slicer(stretch.layout).go_over().hand_on(known, self._progress)
        self._records += again - self._proved
        self._proved = 0

    def _slicer(self, layout: layouts.Layout) -> Slicer:
        return Slicer(layout, self._users or {}, self._target.zone, self._drift, self._sink.take)


def _split(runs: Iterator[bytes], size: int, keep: int) -> tuple[bytes, bytes]:
    """Pass over `size` bytes; return the last `keep` of them, and what of their run stands behind.

    Fewer than `keep` come back, where `runs` end before.
    """
    tail = b""
    for run in runs:
        tail = (tail + run[:size])[-keep:]
        if len(run) >= size:
            return tail, run[size:]
        size -= len(run)
    return b"", b""


def _until(runs: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of `runs`."""
    for run in runs:
        yield run[:size]
        size -= len(run)
        if size <= 0:
            return


def lay_out(session: Session, sizes: Sizes | None, known: Watermark | None) -> tuple[Table, int]:
    """Have the device lay out its log; return the table, and the number of bytes of its records.

    `sizes` and `known` tell whether it may be empty. Some firmware tells too small a size for the table it
    lays out, or lays out an empty one; the old command sends all of it. Raise `Refused` when the log cannot
    be read (`NothingLaidOut` when it is laid out empty, and records are counted), `WireError` when its length
    is not what it says.
    """
    return _settled(session, sizes, _open(session, sizes, known))


def _settled(session: Session, sizes: Sizes | None, table: Table) -> tuple[Table, int]:
    """Given a log as it was laid out, return the table to read and the bytes of its records, as both tell."""
    said = _said(session, table)
    if not said and table is not _EMPTY and not (sizes and not sizes.records):
        table = _by_the_old_command(session, sizes, table)
        said = _said(session, table)
    if said != table.size - LENGTH and table.content is None:
        with suppress(Refused):
            table = session.tables.read_whole(LOG)
            said = _said(session, table)
    if said != table.size - LENGTH:
        raise WireError(f"the log says it has {said} bytes, the device laid out {table.size - LENGTH}")
    return table, said


def check_laid_out(session: Session, sizes: Sizes | None) -> None:
    """Have the device lay out its log, and drop it. Raise `NothingLaidOut` as `lay_out` does.

    A device that counts no records, or does not lay out tables, is not asked further.
    """
    if not sizes or not sizes.records:
        return
    try:
        table = session.tables.prepare(LOG)
    except MaybeEmpty:
        table = _EMPTY
    except Refused:
        return
    if table.size == LENGTH:
        _by_the_old_command(session, sizes, table)
    if table.content is None:
        session.tables.free()


def _by_the_old_command(session: Session, sizes: Sizes | None, empty: Table) -> Table:
    """Given a log that is laid out as `empty`, return what the old command sends, if that is more.

    SCR100, WL20 (https://github.com/fananimi/pyzk/issues/8, /76). A log that was cleared since it was counted
    is empty, and so is one that nobody counts. Raise `NothingLaidOut` for any other.
    """
    why = "command 13 brings nothing either"
    try:
        table = session.tables.read_whole(LOG)
    except Refused as refused:
        why = str(refused)
    else:
        if _said(session, table):
            return table
    counted = session.sizes() if sizes else None
    if counted and counted.records:
        raise NothingLaidOut(
            f"the terminal counts {counted.records:,} records and lays out an empty log ({why}): "
            "restart it, and let it push if that does not help"
        )
    return empty


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
            if sizes and sizes.records:
                sizes = session.sizes() or sizes  # it may have been cleared since they were told
            # By the device's own count; where it gives none, by what was known of the log.
            expected = sizes.records == 0 if sizes else known is not None and known.count == 0
            if said and expected:
                return _EMPTY
            kind = NothingLaidOut if said else Refused
            raise kind(f"the log cannot be read, and may not be empty: {refused}, {again}") from again


def layout_of(head: bytes, total: int, watermark: Watermark | None) -> layouts.Layout:
    """Return the layout of a log: the one it had before, unless that no longer fits."""
    known = layouts.layout_called(watermark.layout) if watermark else None
    if known is None or not known.divides(total):
        return layouts.detect(head, total)
    if layouts.fits(known, head, named=True):
        return known
    try:
        return layouts.detect(head, total)
    except UnknownLayout:
        if layouts.fits(known, head):
            return known
        raise


def slots(session: Session, sizes: Sizes | None = None) -> dict[int, str]:
    """Return the user ids of a device by slot. Raise as `read_users` does."""
    return {int(user.slot): user.user_id for user in read_users(session, sizes)}


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


def read_users(session: Session, sizes: Sizes | None = None) -> tuple[User, ...]:
    """Return the users of a device, as many as it counts.

    `sizes` are the ones that it told in this session. They are asked for again where the table contradicts
    them: somebody may have been enrolled in between. Raise `Refused` when it will not tell, `WireError` for
    no table, or for one of other people than are counted.
    """
    sizes = sizes or session.sizes()
    records = _user_records(session)
    with suppress(WireError):
        return user_table.decode(records, _counted(sizes))
    return user_table.decode(records, _counted(session.sizes()) or _counted(sizes))


def _counted(sizes: Sizes | None) -> int | None:
    """Return how many users a device counts, or None: some firmware counts 0, whatever it holds."""
    return sizes.users or None if sizes else None


def _user_records(session: Session) -> bytes:
    """Return the records of the user table."""
    try:
        table = session.tables.prepare(*USERS)
    except Refused:
        table = session.tables.read_whole(*USERS)
    data = b"".join(session.tables.runs(table))
    if int.from_bytes(data[:LENGTH], "little") + LENGTH != len(data):
        raise WireError("the user table is not as long as it says")
    if table.content is None:
        session.tables.free()
    return data[LENGTH:]
