"""The result of a device's part of a run: its visit, and the clearing of its log. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from zkpoll.errors import NothingLaidOut, UnknownLayout, WireError
from zkpoll.model.fate import Fate
from zkpoll.model.fullness import FULL, NEARLY_FULL, WarnAt
from zkpoll.model.report import BUG, Notice, Trouble
from zkpoll.model.sums import Tally
from zkpoll.wall_clock import clock_fault, is_off, off_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zkpoll.inventory import Device
    from zkpoll.model.fullness import Fullness
    from zkpoll.model.log import Reading, WholeReading
    from zkpoll.model.punch import Event

_LASTING: Final = frozenset((Fate.UNSETTLED, Fate.NOT_CLEARED))
"""Fates of a log that last until a person sees to it."""
_NO_NEWS: Final = _LASTING | {Fate.CHANGED, Fate.BUSY, Fate.REFUSED, Fate.BUG}
NOTHING_FOUND_AGAIN: Final = (
    "a visit that broke off found no record of the reading before it, and its log has changed again since: "
    "it was cleared and filled again, or RECORDS WERE OVERWRITTEN UNSEEN; read it more often"
)
"""What is told of a whole reading that no visit will bring to its end."""
SAME_SERIAL: Final = "same serial as "
"""How the kind of trouble begins of a device that has the serial number of another, whose name follows."""
NOTHING_LAID_OUT: Final = "it counts records and lays out an empty log"
"""The kind of trouble of a device whose log cannot be had."""
_COUNTED: Final = {
    NothingLaidOut.kind: NOTHING_LAID_OUT,
    UnknownLayout.kind: UnknownLayout.kind,
    WireError.kind: WireError.kind,
}
"""Kinds whose sentences count bytes or records of a log, which grows while the trouble stays the same: what
that is called."""


def warn_at(device: Device) -> WarnAt:
    """Given the settings of a device, return from when on a person is told of its log and clock."""
    return WarnAt(device.warned_full, device.clear.above, device.warned_clock)


@dataclass(frozen=True, slots=True)
class ClearOutcome:
    """The result of clearing a device's log."""

    fate: Fate
    records: int = 0
    """Records in it."""
    problem: str | None = None
    """Why it was not cleared, or what else a person should know, in one sentence."""
    copy: str | None = None
    """The path of its raw copy."""

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that a person must see to, or None."""
        if self.fate is Fate.BUG:
            return Trouble(BUG, self.problem or "")
        if self.fate in _LASTING:
            return Trouble("not cleared", f"its log is due to be cleared, and is not: {self.problem}")
        return None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The events that a person should know of."""
        if self.fate is Fate.CLEARED:
            text = f"its log of {self.records:,} records was cleared; a copy is in {self.copy}"
            cleared = Notice(text, harmless=True)
            return (cleared, Notice(self.problem)) if self.problem else (cleared,)
        return (Notice(self.problem),) if self.problem and self.fate not in _NO_NEWS else ()


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a device's records in quarantine, by what is known of records today."""

    tally: Tally = field(default_factory=Tally)
    """Of those that left it; they are no part of the reading."""
    nobodys: int = 0
    """Those that stay because a person has to say whose they are, and had another reason until now."""


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """The result of a device's part of a run."""

    name: str
    address: str
    key: str | None = None
    tally: Tally = field(default_factory=Tally)
    """The sum over the records handed on, also of a visit that broke off."""
    reading: Reading | None = None
    whole: WholeReading | None = None
    """The reading from the log's first record on that came to its end, begun in this visit or one before that
    broke off; None where the log was only read on."""
    warn_at: WarnAt = field(default_factory=WarnAt)
    """From when on a person is told of its log and clock."""
    timezone: str = ""
    """That of its clock, by the inventory."""
    fullness: Fullness | None = None
    """How full its log was; None where that is not known, or it does not tell."""
    clock_set: bool = False
    """Whether the device's clock was set."""
    clock_kept: str | None = None
    """Why its clock was not set, though it is off and the inventory asks for it."""
    host_off: bool = False
    """Whether its clock is off as others are, alike, so that this host's is to blame."""
    clearing: ClearOutcome | None = None
    """The result of clearing its log; None where that was not due."""
    problem: str | None = None
    """One sentence; None when all is well."""
    kind: str | None = None
    same_serial_as: str | None = None
    """The device of the inventory whose serial number it has, so that it was not read."""
    ring: tuple[str, ...] = ()
    """The devices that answer at each other's addresses, if it is one of them, the first to be told first."""
    seconds: float = 0.0
    would_send: tuple[Event, ...] = ()
    """New punches that a dry run would have journalled, and sent."""
    not_pushed: int = 0
    """Punches first seen now that had not come by push, though the device pushes."""
    released: Released = field(default_factory=Released)

    @property
    def subject(self) -> str:
        """The subject of its trouble and its notices."""
        return f"device {self.name}"

    @property
    def difference(self) -> int:
        """Records that were read and are nowhere: 0 when the reading sum comes out."""
        return self.reading.records - self.tally.records if self.reading else 0

    @property
    def complete(self) -> bool:
        """Whether the device's own log was read to its end, and the reading sum comes out."""
        return self.reading is not None and not self.problem and not self.difference

    @property
    def trouble(self) -> Trouble | None:
        """The trouble that needs a person's attention for as long as it lasts, or None."""
        if self.problem and self.same_serial_as is not None:
            return Trouble(f"{SAME_SERIAL}{self.same_serial_as}", self.problem)
        if self.problem and self.ring:
            first = None if self.ring[0] == self.name else f"device {self.ring[0]}"
            return Trouble(self.problem, self.problem, told_by=first)
        if self.problem:
            return Trouble(_COUNTED.get(self.kind or "", self.problem), self.problem)
        if self.difference:
            text = f"{self.difference} records read are nowhere; this is a bug, please report it"
            return Trouble(BUG, text)
        if self.clearing and self.clearing.trouble:
            return self.clearing.trouble
        # Both may last for months, and neither may hide the other.
        lasting = [one for one in (self._log_trouble, self._clock_trouble) if one]
        if len(lasting) > 1:
            return Trouble(" and ".join(one.kind for one in lasting), "; ".join(one.text for one in lasting))
        return lasting[0] if lasting else None

    @property
    def _log_trouble(self) -> Trouble | None:
        """The trouble while its log is full, or nearly."""
        log = self.fullness
        if log is None or self._cleared or not log.is_nearly(self.warn_at):
            return None
        if log.is_full:
            text = f"its log is full ({log.records:,} records)"
            return Trouble(FULL, f"{text}: it refuses new punches or overwrites old ones; have it cleared")
        return Trouble(NEARLY_FULL, f"its log is {log.words}; have it cleared (docs/clearing.md)")

    @property
    def _clock_trouble(self) -> Trouble | None:
        """The trouble while its clock is off, and others are not off alike."""
        if not self.clock_off or self.host_off:
            return None
        if self.clock_kept:
            return Trouble("clock", f"its clock is {self.drift} and was not set: {self.clock_kept}")
        seconds = (self.reading and self.reading.drift) or 0.0
        return Trouble("clock", f"its clock is {clock_fault(seconds, self.warn_at.clock, self.timezone)}")

    @property
    def clock_off(self) -> bool:
        """Whether its clock differs from this host's by more than it may, and was not set."""
        far = self.reading is not None and is_off(self.reading.drift, self.warn_at.clock)
        return self.clock_kept is not None or (far and not self.clock_set)

    @property
    def _cleared(self) -> bool:
        """Whether its log was cleared after it was read."""
        return self.clearing is not None and self.clearing.fate is Fate.CLEARED

    @property
    def drift(self) -> str:
        """By how much the device's clock is off, in words."""
        seconds = self.reading.drift if self.reading else None
        return "off by an unknown time" if seconds is None else off_in_words(seconds)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The events of this visit that a person should know of."""
        return (
            *notices_of_release(self.released),
            *notices_of_records(self.tally),
            *self._notices_of_push(),
            *(self.clearing.notices if self.clearing else ()),
            *self._notices_of_device(),
        )

    def _notices_of_push(self) -> Iterator[Notice]:
        if number := self.not_pushed:
            text = "1 punch had" if number == 1 else f"{number:,} punches had"
            yield Notice(f"{text} not come by push", harmless=True)

    def _notices_of_device(self) -> Iterator[Notice]:
        reading = self.reading
        if self.clock_set:
            yield Notice(f"its clock was {self.drift} and was set", harmless=True)
        notice = notice_of_log(reading, self.whole) if reading and self.whole else None
        # A full log wraps at every punch, and is told as full, or meant to.
        wraps = self.fullness is not None and self.fullness.is_full and not self._cleared
        if notice and not (wraps and notice.harmless):
            yield notice


def notices_of_release(released: Released) -> Iterator[Notice]:
    """Yield the notices of what was in quarantine and could be read by now."""
    tally = released.tally
    if number := tally.records:
        text = "1 record that was in quarantine is a punch now"
        if number > 1:
            text = f"{number:,} records that were in quarantine are punches now"
        held = tally.same_second + tally.held_exact_repeats + tally.held_since + tally.held_repeats
        more = f"; {held:,} of them {'is' if held == 1 else 'are'} held (`zkpoll outbox list --held`)"
        yield Notice(text + more * bool(held), harmless=True)
    if number := released.nobodys:
        text = "1 record in quarantine is a punch"
        if number > 1:
            text = f"{number:,} records in quarantine are punches"
        yield Notice(f"{text} of nobody; say whose (`zkpoll quarantine assign`)")


def notices_of_records(tally: Tally) -> Iterator[Notice]:
    """Yield the notices of what became of records, whichever door they came by."""
    if tally.newly_quarantined:
        yield Notice(f"{_records(tally.newly_quarantined)} impossible; see `zkpoll quarantine list`")
    if others := tally.same_second - tally.clock_repeats:
        yield Notice(f"{_records(others)} of a user in a second that holds another one, held")
    if repeats := tally.clock_repeats:
        text = "1 punch shares" if repeats == 1 else f"{repeats:,} punches share"
        yield Notice(
            f"{text} a second with another of the same person; the terminal's clock restarts or stands still;"
            " they are held (`zkpoll outbox list --held`)"
        )
    if tally.other_state:
        text = "1 punch has" if tally.other_state == 1 else f"{tally.other_state:,} punches have"
        yield Notice(f"{text} another state than in the database; the one that came first stays")
    if tally.held_since:
        text = "record older than since: is" if tally.held_since == 1 else "records older than since: are"
        yield Notice(f"{tally.held_since:,} {text} held, not sent", harmless=True)


def _records(number: int) -> str:
    return "1 record is" if number == 1 else f"{number} records are"


def notice_of_log(reading: Reading, whole: WholeReading) -> Notice | None:
    """Return the notice of a log that was read from its first record on to its end, or None.

    Where records were known before, the last of them are not in their places any more.
    """
    if not whole.before:
        if 0 < (reading.capacity or 0) <= reading.on_device:
            return Notice("its log was full before it was read: RECORDS MAY HAVE BEEN OVERWRITTEN UNSEEN")
        return None
    if reading.missed:
        missing = "1 RECORD IS" if reading.missed == 1 else f"{reading.missed:,} RECORDS ARE"
        return Notice(
            f"it laid out {reading.records:,} of the {reading.on_device:,} records that it counts, and "
            f"{whole.before:,} were known before: {missing} MISSING; it hands out each record once, "
            "or not all of its log"
        )
    if reading.once and reading.continued:
        return None
    if reading.once:
        return Notice(
            f"it laid out {reading.records:,} of the {reading.on_device:,} records that it counts, and none "
            "of the last known ones: it hands out each record once",
            harmless=True,
        )
    was_full = 0 < (reading.capacity or 0) <= whole.before
    # Some firmware drops many of the oldest at once when its log is full, so that it is shorter than it was.
    may_have_dropped = was_full and reading.on_device and not whole.seen
    if reading.on_device < whole.before and not may_have_dropped:
        sizes = f"{whole.before} records then, {reading.on_device} now"
        return Notice(f"its log was cleared or shortened since the last visit: {sizes}", harmless=True)
    if whole.seen:
        return Notice("its log was wrapped or rewritten; all of it was read", harmless=True)
    if reading.capacity and reading.on_device < reading.capacity:
        return Notice(
            "its log shares no record with the last reading: it was cleared and filled again, or "
            "RECORDS WERE OVERWRITTEN UNSEEN; read it more often"
        )
    return Notice(
        "its full log shares no record with the last reading: RECORDS WERE OVERWRITTEN UNSEEN; "
        "read it more often, or have it cleared"
    )
