"""Clears a device's log, with proof that nothing is lost.

A visit of its own, in ten steps. Each may end it, for the reason on its right.

    people can punch    1  read the whole log                          it is empty        EMPTY
                           see that it counts no more than that        it does            NOT_CLEARED
                        2  ask the keeper about every record           one must stay      UNSETTLED
                           see that it ends where it was read to       it does not        CHANGED
                           see how long 6 would take                   too long           NOT_CLEARED
                        3  keep a copy, on disk when this is done
                        4  note that the device will be disabled, on disk as well
                           have the keeper prove its locks   it cannot          raised
    nobody can punch    5  DISABLE
                        6  look at the log afresh                      not the copy       CHANGED
                           and again, where it was not                 changed again      DISABLE_IGNORED
                           have the keeper prove its locks   it cannot          raised, after 9
                        7  CLEAR, once, whatever becomes of its answer
                        8  REFRESH, and have the log laid out afresh
                        9  ENABLE; answered: strike out the note of 4
    people can punch   10  read what 8 laid out                        nothing old left   CLEARED
                                                                       all of it left     CLEAR_IGNORED
                                                                       neither, or mute   UNKNOWN

    Whatever fails before 5 is raised: the log is as it was, nobody was disabled.
    From 5 to 8 it may take `WORK_LIMIT` seconds, however little comes at a time, or for however long.
    Whatever happens from 5 on, an error, a limit or a stop, leads through 9. It is tried for `ENABLE_LIMIT`
    seconds, in new sessions if need be. So nobody is kept from punching for as long as a minute. If
    nothing answers, the note of 4 stays: the device may still be disabled, and whatever connects next
    enables it first.
    A device error from 5 to 8 leads to 10 where CLEAR was sent (a log left whole is NOT_CLEARED there, if
    CLEAR was not answered), else to NOT_CLEARED at once. A stop, or an error of the keeper, is raised
    after 9.

The look of 6 compares the whole log, where that takes a few seconds by the time that 1 took, or where
nothing less is a proof. Else it compares length, head and tail: a log with room is only appended to.

A record can be lost only between 6 and 7, where it is in the log and not in the copy. DISABLE prevents that.
A device in whose log a record appears between two looks that both came after DISABLE ignores it, and must
not be cleared again before a person has looked at it.

It must never happen that CLEAR is sent twice, or without a copy on disk that equals the log; or that a
device is disabled without a note of it on disk; or that either is sent by a run whose locks may be another
run's by now. Whatever is new or unproven is left to the next run.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from tenacity import Retrying, retry_if_exception_type, wait_fixed

from zkpoll.errors import OverLimit, TryLater, UnknownLayout, WireError, ZkpollError
from zkpoll.model.fate import Fate
from zkpoll.model.log import Slice, Watermark
from zkpoll.model.punch import LAYOUT_FORMS
from zkpoll.pull import layouts
from zkpoll.pull.device_tables import PIECE
from zkpoll.pull.framing import MAX_PAYLOAD
from zkpoll.pull.link import Limits
from zkpoll.pull.reader import LENGTH, lay_out, layout_of, slots
from zkpoll.pull.slices import SLICE, TAIL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zkpoll.pull.device_tables import Table
    from zkpoll.pull.session import Session
    from zkpoll.pull.sizes import Sizes

WORK_LIMIT: Final = 36.0
"""Seconds after DISABLE in which the log may be looked at and cleared. With `ENABLE_LIMIT`, and the second or
two by which a wait may overrun, that is less than a minute. One look may take a third of it, so that there is
time for two. A quarter must be left when CLEAR is sent: a device that is slow must not carry it out behind
ENABLE, when people punch again."""
CHEAP_LOOK: Final = 3.0
"""Seconds within which a whole log must have been read, to be compared whole where less would do."""
ENABLE_LIMIT: Final = 20.0
"""Seconds for which a device is asked to let people punch again. A run that is stopped may take as long to
end; systemd kills a service after 90 s. A device that is away for longer has restarted, which enables it."""
_ANSWER: Final = ENABLE_LIMIT / 4
"""Seconds of silence after which ENABLE is tried on a new connection, so that there is time for a few. On the
one that there is, bytes that trickle in are no reason to wait longer: they may belong to another answer."""
_BETWEEN: Final = 1.0
"""Seconds between such attempts, at the most."""
_ENABLING: Final = "enabling it"


class Keeper(Protocol):
    """The keeper of the records; the caller provides it, so that clearing knows no journal.

    After `will_disable` the device may be disabled, until `enabled` is called. Where that never happens,
    whatever was raised, the device MAY STILL BE DISABLED.
    """

    def refusal(self, piece: Slice) -> str | None:
        """Say in one sentence why the records of `piece` must stay on the device, or None if none must."""

    def keep_copy(self, layout: int, log: bytes, users: Mapping[int, str]) -> None:
        """Keep a copy of the log's records, as read; on disk when this returns.

        `layout` is the number of theirs, `users` the user ids by slot, where records carry slots instead.
        """

    def will_disable(self) -> None:
        """Note that the device is about to be disabled; on disk when this returns."""

    def check_locks(self) -> None:
        """Raise, within a few seconds, where the locks of this clearing may be another run's by now."""

    def enabled(self, *, clear_sent: bool) -> None:
        """Strike that note out: ENABLE was answered. With `clear_sent` the log may be empty by now."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The result of a clearing."""

    outcome: Fate
    records: int
    """Records in the log, and in the copy if one was kept."""
    problem: str | None = None
    """Why it is not cleared, or another thing a person should know, in one sentence."""
    disable_ignored: bool = False
    """Whether people could punch while it was disabled, also where its log is cleared all the same."""
    locked: bool = False
    """Whether the device may still be disabled."""
    round_trips_locked: int = 0
    """Round trips between DISABLE and ENABLE."""


_IGNORES_DISABLE: Final = "it takes punches while it is disabled, so one may be lost when its log is cleared"
_HANDED_OUT: Final = (
    "it hands out each record once, so what it holds cannot be proved to be safe; clear it in its own menu"
)
_TOO_LATE: Final = (
    "looking at it again took too long to clear it while nobody can punch; the next run tries again"
)
_PROBLEMS: Final[Mapping[Fate, str]] = {
    Fate.CHANGED: "somebody punched meanwhile; the next run tries again",
    Fate.DISABLE_IGNORED: _IGNORES_DISABLE,
    Fate.CLEAR_IGNORED: "it says that it has cleared its log, and keeps it",
    Fate.UNKNOWN: "it was told to clear its log, and whether it did is not known; the copy has all of it",
}


def clear_log(session: Session, timeout: float, known: Watermark | None, keeper: Keeper) -> Cleared:
    """Clear a device's log if every record in it is settled, and return the result.

    `timeout` is the device's, in seconds; `known` tells whether its log may be empty. Raise one of the device
    errors while the device is not yet disabled, and at any time what `keeper` raises or `Stopped`; before
    that goes up the device is enabled.
    """
    if known is not None and known.once:  # to look at its log takes records from it
        return Cleared(Fate.NOT_CLEARED, 0, _HANDED_OUT)
    copy = _read_copy(session, known)
    if copy is None:
        return Cleared(Fate.EMPTY, 0)
    if (counted := _counted(session, copy)) > copy.records:
        not_shown = (
            f"the terminal counts {counted:,} records, and laid out {copy.records:,} of them: "
            "the others would be lost"
        )
        return Cleared(Fate.NOT_CLEARED, copy.records, not_shown)
    users = slots(session) if copy.layout.needs_users else {}
    refusals = map(keeper.refusal, copy.slices(users))
    if refusal := next(filter(None, refusals), None):
        return Cleared(Fate.UNSETTLED, copy.records, refusal)
    if known is not None and not copy.is_what(known):
        return Cleared(Fate.CHANGED, copy.records, _PROBLEMS[Fate.CHANGED])
    if not copy.has_room and copy.seconds > WORK_LIMIT / 3:
        too_slow = (
            "all of it would have to be read again while nobody can punch, which takes "
            f"{copy.seconds:.0f} s here, and {WORK_LIMIT / 3:g} s are allowed; give the terminal a faster "
            "connection, or clear it in its own menu once all is delivered"
        )
        return Cleared(Fate.NOT_CLEARED, copy.records, too_slow)
    keeper.keep_copy(layouts.number_of(copy.layout, copy.even), copy.log, users)
    return _DisabledPhase(session, timeout, keeper, copy).run()


def enable(session: Session, timeout: float) -> None:
    """Let people punch again: in `session` if it lives, else in a new one with the same device.

    Tries for `ENABLE_LIMIT` seconds, also when the run was stopped; `timeout` is the device's, in seconds.
    Raise a device error when no ENABLE was answered.
    """
    limits = Limits(min(timeout, _ANSWER), ENABLE_LIMIT, what=_ENABLING)
    retrying = Retrying(
        retry=retry_if_exception_type(TryLater),
        wait=wait_fixed(min(_BETWEEN, timeout / 4)),
        sleep=limits.sleep,  # ends it when the time is up
        reraise=True,
    )
    retrying(_enable_once, session, limits)


def _enable_once(session: Session, limits: Limits) -> None:
    with session.under(limits.within(_ANSWER, _ENABLING) if session.is_connect else limits):
        try:
            if not session.is_connect:
                session.connect()
            session.enable()
        except ZkpollError:
            session.disconnect()  # the next attempt needs the seat
            raise


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """The part of a log that shows whether it has changed."""

    total: int
    """Bytes of all its records."""
    part: bytes
    """Its first and its last records, or all of them."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A log as it was read."""

    layout: layouts.Layout
    log: bytes
    even: bytes
    """The same, with records of equal width."""
    has_room: bool
    """Whether it can only be appended to, or cleared: then its length, head and tail show any change."""
    seconds: float
    """How long it took to have it laid out and read."""
    counted: int = 0
    """Records by the device's count before."""

    @property
    def records(self) -> int:
        return len(self.even) // self.layout.width

    def slices(self, users: Mapping[int, str]) -> Iterator[Slice]:
        """Yield its records, decoded."""
        step = SLICE // self.layout.width * self.layout.width
        for at in range(0, len(self.even), step):
            decoded = self.layout.decode(self.even[at : at + step], users)
            form = LAYOUT_FORMS[self.layout.width]
            yield Slice(decoded.punches, decoded.quarantined, mark=None, form=form)

    def is_what(self, known: Watermark) -> bool:
        """Say whether it holds what is known of the log, and nothing behind.

        The keeper knows records by their bytes, which a clock that restarts gives to a new punch, too.
        """
        width = self.layout.width
        first, last = (known.count - len(known.tail)) * width, known.count * width
        if layouts.layout_called(known.layout) is not self.layout or last != len(self.even):
            return False
        return known.tail == self.layout.decode(self.even[first:last], layouts.ANY_SLOT, TAIL).tail

    def glimpse(self) -> _Glimpse:
        """Return what a look at the log would show, were it still the copy."""
        total = len(self.log)
        return _Glimpse(total, b"".join(self.log[start:end] for start, end in self.ranges(total)))

    def ranges(self, total: int) -> tuple[tuple[int, int], ...]:
        """Return the ranges of bytes (start, end) to look at in a log of `total` bytes."""
        if not self.has_room or self.seconds <= CHEAP_LOOK:
            return ((0, total),)
        some = min(total, TAIL * self.layout.width)
        return ((0, some), (total - some, total))

    def same(self, one: _Glimpse, other: _Glimpse) -> bool:
        """Say whether two looks saw one log, but for bytes that mean nothing."""
        if one == other:
            return True
        mine, theirs = _identities(self.layout, one.part), _identities(self.layout, other.part)
        return one.total == other.total and mine == theirs


def _read_copy(session: Session, known: Watermark | None) -> _Copy | None:
    """Read the whole log; None if it is empty."""
    sizes = session.sizes()
    began = time.monotonic()
    table, total = lay_out(session, sizes, known)
    if not total:
        return None
    log = _read(session, table, (0, total))
    seconds = time.monotonic() - began
    layout = layout_of(log[:PIECE], total, known)
    even = layout.whole(log)
    has_room = table.content is None and _has_room(sizes, len(even) // layout.width)
    return _Copy(layout, log, even, has_room, seconds, sizes.records if sizes else 0)


def _counted(session: Session, copy: _Copy) -> int:
    """Return how many records a device counts; asked again where it counted more than are in the copy.

    It may have been cleared in between.
    """
    again = session.sizes() if copy.counted > copy.records else None
    return min(copy.counted, again.records) if again else copy.counted


def _has_room(sizes: Sizes | None, records: int) -> bool:
    """Say whether a log has room by the device's word, which its bytes bear out.

    At its capacity some firmware overwrites in place. The word of a device that miscounts its log, or does
    not count it, is worth nothing here.
    """
    return sizes is not None and sizes.records == records < sizes.capacity


def _read(session: Session, table: Table, *ranges: tuple[int, int]) -> bytes:
    """Return the bytes of a log's records that lie in `ranges` (start, end).

    Raise `WireError` when they are more than can be held at once.
    """
    size = sum(end - start for start, end in ranges)
    if size > MAX_PAYLOAD:
        raise WireError(
            f"a log of {size:,} bytes is too long for a raw copy; clear it by hand, once all is delivered"
        )
    runs = (session.tables.runs(table, LENGTH + start, LENGTH + end) for start, end in ranges)
    data = b"".join(chain.from_iterable(runs))
    if table.content is None:
        session.tables.free()
    return data


class _DisabledPhase:
    """The part of a clearing in which the device is disabled."""

    def __init__(self, session: Session, timeout: float, keeper: Keeper, copy: _Copy) -> None:
        self._session = session
        self._timeout = timeout
        self._keeper = keeper
        self._copy = copy
        self._clear_sent = self._clear_answered = False
        self._after: tuple[Table, int] | None = None
        self._locked: str | None = None
        self._round_trips = 0

    def run(self) -> Cleared:
        """Clear the log if it is still the copy."""
        fate, why = Fate.NOT_CLEARED, None
        self._keeper.will_disable()
        self._keeper.check_locks()
        try:
            with self._disabled() as limits:
                fate = self._clear_if_unchanged(limits)
        except TryLater as error:
            why = str(error)
        if self._clear_sent:
            return self._fate_after_clear(why)
        return self._result(fate, why, disable_ignored=fate is Fate.DISABLE_IGNORED)

    @contextmanager
    def _disabled(self) -> Iterator[Limits]:
        """Disable the device, and enable it again whatever happens. Give the limits of the time between."""
        before = self._session.round_trips + 1
        limits = self._session.limits.within(WORK_LIMIT, "clearing it")
        try:
            with self._session.under(limits):
                self._session.disable()
                yield limits
        except OverLimit:
            self._session.disconnect()  # it may be in the middle of an answer, and ENABLE's would come behind
            raise
        finally:
            self._round_trips = max(0, self._session.round_trips - before)
            try:
                enable(self._session, self._timeout)
            except ZkpollError as error:
                self._locked = f"it may still be disabled, for it could not be enabled again ({error})"
            else:
                self._keeper.enabled(clear_sent=self._clear_sent)

    def _clear_if_unchanged(self, limits: Limits) -> Fate:
        copy, now = self._copy, self._look()
        if not copy.same(now, copy.glimpse()):
            return Fate.CHANGED if copy.same(now, self._look()) else Fate.DISABLE_IGNORED
        self._keeper.check_locks()
        if limits.left() < WORK_LIMIT / 4:
            raise TryLater(_TOO_LATE)
        self._clear_sent = True
        self._session.clear_log()
        self._clear_answered = True
        self._after = self._lay_out_cleared()
        return Fate.CLEARED

    def _look(self) -> _Glimpse:
        """Look at the log afresh; it is not expected to be empty."""
        table, total = lay_out(self._session, None, None)
        return _Glimpse(total, _read(self._session, table, *self._copy.ranges(total)))

    def _lay_out_cleared(self) -> tuple[Table, int]:
        """Lay out the log afresh; it is expected to be empty."""
        self._session.refresh()
        return lay_out(self._session, self._session.sizes(), Watermark(self._copy.layout.width, 0, ()))

    def _fate_after_clear(self, why: str | None) -> Cleared:
        """Find out the log's fate once CLEAR was sent; `why` is the error that broke the visit off, if any.

        A table that was laid out while the device was disabled does not change, so reading it can wait until
        people can punch again.
        """
        try:
            table, total = self._after or self._lay_out_cleared()
            now = _read(self._session, table, (0, total)) if total else b""
        except TryLater as error:
            return self._result(Fate.UNKNOWN, f"{_PROBLEMS[Fate.UNKNOWN]} ({why or error})")
        fate, more = compare(self._copy.layout, self._copy.log, now)
        if fate is Fate.CLEAR_IGNORED and not self._clear_answered:
            return self._result(Fate.NOT_CLEARED, why)
        return self._result(fate, disable_ignored=more and self._after is not None)

    def _result(self, fate: Fate, why: str | None = None, *, disable_ignored: bool = False) -> Cleared:
        ignored = _IGNORES_DISABLE if disable_ignored else None
        problems = dict.fromkeys((self._locked, why or _PROBLEMS.get(fate), ignored))
        return Cleared(
            fate,
            self._copy.records,
            "; ".join(filter(None, problems)) or None,
            disable_ignored,
            self._locked is not None,
            self._round_trips,
        )


def compare(layout: layouts.Layout, copy: bytes, now: bytes) -> tuple[Fate, bool]:
    """Given a log's records before CLEAR and now, return its fate, and whether there are new ones.

    `CLEARED` if none of the old ones is there, `CLEAR_IGNORED` if all are, in front, else `UNKNOWN`.
    """
    if not now:
        return Fate.CLEARED, False
    try:
        copied, found = layout.whole(copy), layout.whole(now)
    except UnknownLayout:
        return Fate.UNKNOWN, False
    if len(found) % layout.width:
        return Fate.UNKNOWN, False
    old, new = _identities(layout, copied), _identities(layout, found)
    if new.startswith(old):
        return Fate.CLEAR_IGNORED, len(new) > len(old)
    known = set(_records(layout, old))
    gone = layouts.fits(layout, now) and known.isdisjoint(_records(layout, new))
    return (Fate.CLEARED, True) if gone else (Fate.UNKNOWN, False)


def _identities(layout: layouts.Layout, records: bytes) -> bytes:
    """Return the identities of records, each as wide as its record; bytes that are no whole records as such.

    They are decoded a slice at a time: a punch takes ten times the memory of its record.
    """
    if len(records) % layout.width:
        return records
    step = SLICE // layout.width * layout.width
    slices = (records[at : at + step] for at in range(0, len(records), step))
    return b"".join(b"".join(layout.decode(one, layouts.ANY_SLOT, step).tail) for one in slices)


def _records(layout: layouts.Layout, data: bytes) -> Iterator[bytes]:
    """Yield the records in `data`, one by one."""
    return (data[at : at + layout.width] for at in range(0, len(data), layout.width))
