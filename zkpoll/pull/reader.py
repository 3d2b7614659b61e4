"""What part of a device's log to read, handed on in verified slices.

A visit connects once, asks who answers, and reads the log while people go on punching: the device lays its
log out as a table that does not change under the reader. The last records that are known and everything
after them come first; if those are what they were, the log was only appended to, and the rest need not be
read. Whatever is verified is handed on as it comes, so that a visit that breaks off has made progress.
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
from zkpoll.pull import layouts, plan, user_table
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.session import Session
from zkpoll.pull.slices import TAIL, Slicer
from zkpoll.pull.tables import LOG, USERS, MaybeEmpty, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from zkpoll.model.user import User
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


def visit(
    target: Target,
    sink: Sink,
    *,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _records: None,
    after_connect: Callable[[Session], None] = lambda _session: None,
    before_exit: Callable[[Session, Reading], None] = lambda _session, _reading: None,
) -> Reading:
    """Read a device's log into `sink` and return what was found.

    Calls `after_connect` before anything is asked, `progress` with the number of records each time some
    came, and `before_exit` when all is read. Raise one of the device errors; what was handed on until then
    stays.
    """
    limits = Limits(target.timeout, target.visit_limit, stopped)
    with Session(target.address, limits=limits, key=target.key) as session:
        after_connect(session)
        reading = _Log(session, target, sink, progress).read()
        before_exit(session, reading)
    return replace(reading, round_trips=session.round_trips, bytes_received=session.bytes_received)


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive records of a log, from the `start`-th on."""

    layout: layouts.Layout
    start: int
    runs: Iterator[bytes]
    last: datetime | None = None
    """The time of the record before them."""


class _Log:
    """A device's log on its way from the device to the sink."""

    def __init__(self, session: Session, target: Target, sink: Sink, progress: Callable[[int], None]) -> None:
        self._session = session
        self._target = target
        self._sink = sink
        self._progress = progress
        self._known = sink.identify(session.option("~SerialNumber"))
        asked = datetime.now(UTC)
        self._drift = self._ask_drift()
        self._complete_until = wall_clock.complete_until(asked, self._drift, target.zone)
        self._sizes = session.sizes()
        self._users: Mapping[int, str] | None = None
        self._layout: layouts.Layout | None = None
        self._records = self._proved = self._end = 0
        self._whole = self._continued = False

    def read(self) -> Reading:
        """Read what is new, or all of it, handing records on in slices; return what was found."""
        if not self._read_table(*self._laid_out()):
            # A device lays out one table at a time: the users first, then the log afresh.
            self._users = slots(self._session)
            self._read_table(*self._laid_out())
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

    def _ask_drift(self) -> float | None:
        shown = self._session.time()
        if shown is None:
            return None
        return wall_clock.drift(shown, datetime.now(UTC), self._target.zone).total_seconds()

    def _laid_out(self) -> tuple[Table, int]:
        return lay_out(self._session, self._sizes, self._known)

    def _read_table(self, table: Table, total: int) -> bool:
        """Read the log that `table` holds; False if the users must be read first."""
        if not total:
            self._empty()
            return True
        part = self._appended(table, total) or self._all(table, total)
        end = total // part.layout.width
        again = part.start > 0 and self._again(end)
        if part.layout.needs_users and self._users is None and (again or part.start < end):
            return False
        self._layout, self._end = part.layout, end
        self._hand_on(part)
        if again:
            # What is new is safe by now; if going over the old breaks off, no progress is lost.
            self._go_over(table, part)
        self._whole = again or part.start == 0
        self._continued = part.start > 0
        if table.content is None:
            self._session.tables.free()
        return True

    def _empty(self) -> None:
        width = self._known.layout if self._known else 0
        self._sink.take(Slice((), (), Watermark(width, 0, ()), self._drift))
        self._whole = True

    def _appended(self, table: Table, total: int) -> _Part | None:
        """Return what follows the last known records, if those are where they were."""
        known = self._known
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
        return _Part(layout, known.count, chain([first[size:]], runs), last)

    def _all(self, table: Table, total: int) -> _Part:
        runs = self._session.tables.runs(table, LENGTH)
        head = next(runs)
        return _Part(layout_of(head, total, self._known), 0, chain([head], runs))

    def _again(self, end: int) -> bool:
        """Say whether to go over the known part of a log of `end` records again.

        A log at its capacity may be overwritten in place, which leaves the last known records where they are.
        """
        if self._target.full or (self._sizes is not None and 0 < self._sizes.capacity <= end):
            return True
        whole_at = self._known.whole_at if self._known else None
        quiet, zone = self._target.quiet_hours, self._target.zone
        return plan.reconciliation_due(whole_at, datetime.now(UTC), quiet, zone)

    def _hand_on(self, part: _Part) -> None:
        slicer = self._slicer(part.layout)
        if self._known and part.start:
            slicer.go_on(self._known, part.last)
            self._proved = len(self._known.tail)
        self._records += self._proved + slicer.hand_on(part.runs, self._progress)

    def _go_over(self, table: Table, part: _Part) -> None:
        """Read the known part of the log again, but for the last records, which were just proved."""
        end = part.start - self._proved
        runs = self._session.tables.runs(table, LENGTH, LENGTH + end * part.layout.width)
        self._records += self._slicer(part.layout).go_over().hand_on(runs, self._progress)

    def _slicer(self, layout: layouts.Layout) -> Slicer:
        return Slicer(layout, self._users or {}, self._target.zone, self._drift, self._sink.take)


def lay_out(session: Session, sizes: Sizes | None, known: Watermark | None) -> tuple[Table, int]:
    """Have the device lay out its log; return it as a table, and the bytes of its records.

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
    """Return the bytes of records in `table` by its own account."""
    return int.from_bytes(session.tables.read(table, 0, LENGTH), "little")


def _open(session: Session, sizes: Sizes | None, known: Watermark | None) -> Table:
    """Return the log as a table, by whichever command the firmware knows.

    An error answer means "empty" only if the old command agrees and nothing contradicts it; firmware without
    the buffered read, or too busy for it, answers with the same code. "Not supported" and "unknown" never
    mean it.
    """
    try:
        return session.tables.open(LOG)
    except Refused as refused:
        try:
            return session.tables.read_whole(LOG)
        except Refused as again:
            said = isinstance(refused, MaybeEmpty) or isinstance(again, MaybeEmpty)
            if said and _expected_empty(sizes, known):
                return _EMPTY
            raise Refused(f"the log cannot be read, and may not be empty: {refused}, {again}") from again


def _expected_empty(sizes: Sizes | None, known: Watermark | None) -> bool:
    """Say whether a log is empty by the device's count, or, where it gives none, was so last time."""
    if sizes:
        return sizes.records == 0
    return known is not None and known.count == 0


def layout_of(head: bytes, total: int, watermark: Watermark | None) -> layouts.Layout:
    """Return the layout of a log: the one it had before, unless it no longer fits."""
    known = layouts.LAYOUTS.get(watermark.layout) if watermark else None
    if known and total % known.width == 0 and layouts.fits(known, head):
        return known
    return layouts.detect(head, total)


def slots(session: Session) -> dict[int, str]:
    """Return the user ids of a device by slot. Raise as `read_users` does."""
    return {user.slot: user.user_id for user in read_users(session)}


def all_users(session: Session) -> tuple[User, ...]:
    """Return the users of a device, none where it has none. Raise as `read_users` does.

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
        table = session.tables.open(*USERS)
    except Refused:
        table = session.tables.read_whole(*USERS)
    data = b"".join(session.tables.runs(table))
    if int.from_bytes(data[:LENGTH], "little") + LENGTH != len(data):
        raise WireError("the user table is not as long as it says")
    if table.content is None:
        session.tables.free()
    return user_table.decode(data[LENGTH:])
