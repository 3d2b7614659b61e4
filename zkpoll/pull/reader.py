"""What part of a device's log to read, handed on in verified slices.

A visit connects once, asks who answers, and reads the log while people go on punching: the device lays its
log out as a table that does not change under the reader. Whatever is verified is handed on as it comes, so
that a visit that breaks off has made progress.

Every visit reads the whole log; what the journal already holds is recognised there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from zkpoll.errors import Refused, UnknownLayout, WireError
from zkpoll.pull import clock as wall
from zkpoll.pull import layouts, users
from zkpoll.pull.link import Address, Clock
from zkpoll.pull.session import LOG, USERS, MaybeEmpty, Session, Table
from zkpoll.punch import Reading, Sink, Slice, Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from zkpoll.pull.sizes import Sizes

LENGTH: Final = 4
"""Bytes of the length in front of a table's records."""
TAIL: Final = 8
"""Records kept as proof of where a reading ended. A record holds a user and a second, so eight of them in
a row are met again only where they were."""
_SLICE: Final = 512 * 1024
"""Bytes of records journalled at once: some ten thousand records, a few megabytes of memory."""
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


def visit(
    target: Target,
    sink: Sink,
    *,
    stopped: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _records: None,
) -> Reading:
    """Read a device's log into `sink` and return what was found.

    Calls `progress` with the number of records each time some were handed on. Raise one of the device
    errors; what was handed on until then stays.
    """
    clock = Clock(target.timeout, target.visit_limit, stopped)
    with Session(target.address, clock=clock, key=target.key) as session:
        watermark = sink.identify(session.option("~SerialNumber"))
        drift = _drift(session, target.zone)
        sizes = session.sizes()
        log = _Log(session, sink, progress)
        log.read(_open_log(session, sizes, watermark), watermark)
        return Reading(
            layout=log.layout.width if log.layout else None,
            records=log.records,
            on_device=log.end,
            capacity=sizes.capacity if sizes else None,
            drift=drift,
            round_trips=session.round_trips,
            bytes_received=session.bytes_received,
        )


def _drift(session: Session, zone: tzinfo) -> float | None:
    shown = session.time()
    return wall.drift(shown, datetime.now(UTC), zone).total_seconds() if shown else None


def _open_log(session: Session, sizes: Sizes | None, watermark: Watermark | None) -> Table:
    """Return the log as a table, by whichever command the firmware knows.

    An error answer means "empty" only if the old command agrees and nothing contradicts it; firmware
    without the buffered read, or too busy for it, answers with the same code. "Not supported" and "unknown"
    never mean it.
    """
    try:
        return session.open_table(LOG)
    except Refused as refused:
        try:
            return session.read_table(LOG)
        except Refused as again:
            said = isinstance(refused, MaybeEmpty) or isinstance(again, MaybeEmpty)
            if said and _expected_empty(sizes, watermark):
                return _EMPTY
            raise Refused(f"the log cannot be read, and may not be empty: {refused}, {again}") from again


def _expected_empty(sizes: Sizes | None, watermark: Watermark | None) -> bool:
    """Say whether a log is empty by the device's count, or, where it gives none, was so last time."""
    if sizes:
        return sizes.records == 0
    return watermark is not None and watermark.count == 0


class _Log:
    """One pass through a log, from its table to the sink."""

    def __init__(self, session: Session, sink: Sink, progress: Callable[[int], None]) -> None:
        self._session = session
        self._sink = sink
        self._progress = progress
        self._users: Mapping[int, str] = {}
        self._tail: deque[bytes] = deque(maxlen=TAIL)
        self._impossible = 0
        self.layout: layouts.Layout | None = None
        self.records = 0
        self.end = 0

    def read(self, table: Table, watermark: Watermark | None) -> None:
        """Read all of `table`, handing its records on in slices."""
        head = self._head(table)
        layout = _layout(head, table.size - LENGTH, watermark) if head else None
        if layout and layout.needs_users:
            table, head = self._with_users(table)
        if not layout or not head:
            self._sink.take(Slice(watermark.layout if watermark else 0, 0, (), (), ()))
            return
        self.layout = layout
        self._hand_on(layout, chain([head], self._session.runs(table, LENGTH + len(head))))
        if table.content is None:
            self._session.free_table()

    def _head(self, table: Table) -> bytes:
        """Return the first records of `table`. Raise `WireError` if it is not as long as it says."""
        first = next(self._session.runs(table))
        total = int.from_bytes(first[:LENGTH], "little")
        if total + LENGTH != table.size:
            raise WireError(f"the log says it has {total} bytes, the device laid out {table.size - LENGTH}")
        return first[LENGTH:]

    def _with_users(self, table: Table) -> tuple[Table, bytes]:
        """Read the users first, then the log afresh: a device lays out one table at a time."""
        if table.content is None:
            self._session.free_table()
        self._users = {user.slot: user.user_id for user in read_users(self._session)}
        if table.content is None:
            table = self._session.open_table(LOG)
        return table, self._head(table)

    def _hand_on(self, layout: layouts.Layout, runs: Iterator[bytes]) -> None:
        """Hand whole records on, a slice at a time; when the reading breaks off, those that came."""
        held = bytearray()
        try:
            for run in runs:
                held += run
                if len(held) >= _SLICE:
                    self._take(layout, held)
        except Exception:
            self._take(layout, held)
            raise
        self._take(layout, held)

    def _take(self, layout: layouts.Layout, held: bytearray) -> None:
        """Hand on the whole records at the front of `held` and remove them there."""
        end = len(held) // layout.width * layout.width
        if not end:
            return
        data = bytes(memoryview(held)[:end])
        del held[:end]
        decoded = layout.decode(data, self._users, TAIL)
        count = end // layout.width
        self._check(decoded.impossible, count, data)
        self._tail.extend(decoded.tail)
        self.records += count
        self.end += count
        self._sink.take(
            Slice(layout.width, self.end, decoded.punches, decoded.quarantined, tuple(self._tail))
        )
        self._progress(count)

    def _check(self, impossible: int, count: int, data: bytes) -> None:
        self._impossible += impossible
        if layouts.too_many(self._impossible, self.records + count):
            raise UnknownLayout(
                f"{self._impossible} of {self.records + count} records are impossible: no known layout", data
            )


def _layout(head: bytes, total: int, watermark: Watermark | None) -> layouts.Layout:
    """Return the layout of a log: the one it had before, unless it no longer fits."""
    known = layouts.LAYOUTS.get(watermark.layout) if watermark else None
    if known and total % known.width == 0 and layouts.fits(known, head):
        return known
    return layouts.detect(head, total)


def read_users(session: Session) -> tuple[users.User, ...]:
    """Return the users of a device. Raise `Refused` when it will not tell, `WireError` for no table."""
    try:
        table = session.open_table(*USERS)
    except Refused:
        table = session.read_table(*USERS)
    data = b"".join(session.runs(table))
    if int.from_bytes(data[:LENGTH], "little") + LENGTH != len(data):
        raise WireError("the user table is not as long as it says")
    if table.content is None:
        session.free_table()
    return users.decode(data[LENGTH:])
