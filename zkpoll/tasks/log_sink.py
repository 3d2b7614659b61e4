"""The two sinks of a visit: one journals a device's log, one only looks for new punches."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import WrongSerial
from zkpoll.journal import conditions, watermarks
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.overview import last_place
from zkpoll.journal.pushed import Pushed
from zkpoll.model.log import WholeReading
from zkpoll.model.sums import Tally
from zkpoll.pull import unknown_log
from zkpoll.tasks.device_outcome import NOTHING_FOUND_AGAIN, notice_of_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.model.punch import Event
    from zkpoll.pull.identity import Identity


_ON_ITS_WAY: Final = timedelta(minutes=2)
"""How long a punch may take to come by push: terminals look once a minute for what they did not send."""
_CALLS: Final = timedelta(hours=1)
"""A device that has not called for longer does not push; of that a person is told anyway."""


class Claims:
    """The terminals that the devices of the inventory reached in this run. No two may reach one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}

    def claim(self, key: str, name: str) -> None:
        """Raise `WrongSerial` if another device of the inventory is that terminal."""
        with self._lock:
            other = self._names.setdefault(key, name)
        if other != name:
            raise WrongSerial(f"{name} is the same terminal as {other} (serial number {key}); take one out")


class LogSink(ABC):
    """The taker of one device's log."""

    def __init__(self, device: Device, journal: Journal, claims: Claims, names: dict[str, str]) -> None:
        """Given a device, begin nothing yet. `names` are those of the inventory by device key, to add to."""
        self.key: str | None = None
        """The key of the device that answers; None until `begin`."""
        self.tally = Tally()
        """The sum over the records taken."""
        self.not_pushed = 0
        """Punches of those that push should have brought before, and did not."""
        self.whole: WholeReading | None = None
        """The reading from the log's first record on that is under way, or came to its end."""
        self._device = device
        self._journal = journal
        self._claims = claims
        self._names = names

    @property
    def would_send(self) -> tuple[Event, ...]:
        """The new punches of a dry run. A real one journals them, and has none."""
        return ()

    def begin(self, found: Identity) -> Watermark | None:
        """Given the device that answers, begin with its log, and return the journal's watermark of it.

        Raise `WrongSerial` if another device of the inventory is that terminal.
        """
        device = self._device
        self._claims.claim(found.key, device.name)
        self.key, self._stranger = found.key, found.problem is not None
        if not self._stranger:
            self._names[found.key] = device.name
        self._meet(found.key)
        self._intake = Intake(
            self._journal,
            Devices(self._journal).name_of(found.key) or device.name,
            found.key,
            ZoneInfo(device.timezone),
            source="pull",
            held=STRANGER if self._stranger else None,
            holding=Holding(device.since, device.repeat_within),
        )
        known = watermarks.load(self._journal, found.key)
        self._known = known.count if known else 0
        self.whole = known.whole if known else None
        return known

    @abstractmethod
    def _meet(self, key: str, /) -> None:
        """Note that the terminal with this key answers."""

    @abstractmethod
    def take(self, piece: Slice) -> None:
        """Take records of the log, once `begin` was called."""

    def _follow(self, piece: Slice, tally: Tally) -> WholeReading | None:
        """Note records, and what became of them, as a part of a reading from the first record on.

        What a terminal has pushed alone is not found again: no reading before has seen it.
        Return such a reading of a visit before, if it will never come to its end: the log is another by now.
        """
        given_up = None
        if piece.mark and piece.mark.count == piece.records:  # it begins with the log's first record
            given_up, self.whole = self.whole, WholeReading(self._known)
        if piece.mark and self.whole:
            seen = tally.seen_before - tally.by_other_door
            self.whole = replace(self.whole, seen=self.whole.seen + seen)
        return given_up

    def end(self, reading: Reading) -> None:
        """Note a reading that came to the log's end. The records that it proved were seen before."""
        self.tally += Tally(seen_before=reading.proved)

    @abstractmethod
    def save(self, log: bytes, /) -> str:
        """Keep a log of no known layout. Return the words that tell it, to follow others."""


class JournalSink(LogSink):
    """Journals a device's log, and announces that it did."""

    def __init__(
        self,
        device: Device,
        journal: Journal,
        claims: Claims,
        names: dict[str, str],
        *,
        unknown_logs: Path,
        announce: Callable[[], None],
    ) -> None:
        """Logs of no known layout are saved in the folder `unknown_logs`."""
        super().__init__(device, journal, claims, names)
        self._unknown_logs = unknown_logs
        self._announce = announce

    def _meet(self, key: str, /) -> None:
        known = Devices(self._journal)
        (known.meet_stranger if self._stranger else known.meet)(self._device.name, key)

    def take(self, piece: Slice) -> None:
        """Journal records, and the watermark behind them. They are on disk when this returns."""
        assert self.key is not None  # noqa: S101  # `begin` has set it
        with self._journal.transaction():
            before = last_place(self._journal)
            tally = self._intake.add(piece)
            if self._device.push is not None:
                self.not_pushed += self._missed_by_push(self.key, before, piece.drift)
            given_up = self._follow(piece, tally)
            if given_up and given_up.before and not given_up.seen:
                self._owe(NOTHING_FOUND_AGAIN)
            if piece.mark:
                watermarks.store(self._journal, self.key, replace(piece.mark, whole=self.whole))
        self.tally += tally
        self._announce()

    def _missed_by_push(self, key: str, before: int, drift: float | None) -> int:
        """Return how many of the punches behind a place had time to come by push, and did not."""
        now = datetime.now(UTC)
        clock = now.astimezone(ZoneInfo(self._device.timezone)) + timedelta(seconds=drift or 0)
        return Pushed(self._journal, key).not_pushed(
            before, clock.replace(tzinfo=None) - _ON_ITS_WAY, now - _CALLS
        )

    def end(self, reading: Reading) -> None:
        """Note the reading in the journal as well, and a loss that it shows until that is told."""
        super().end(reading)
        assert self.key is not None  # noqa: S101  # `begin` has set it
        notice = notice_of_log(reading, self.whole) if self.whole else None
        with self._journal.transaction():
            Devices(self._journal).note_reading(self.key, reading)
            watermarks.end(self._journal, self.key)
            if notice and not notice.harmless:
                self._owe(notice.text)

    def _owe(self, text: str) -> None:
        conditions.owe(self._journal, f"device {self._device.name}", text)

    def save(self, log: bytes, /) -> str:
        """Save the log for a person to look at."""
        return "; " + unknown_log.save(self._unknown_logs, self._device.name, log)


class DrySink(LogSink):
    """Looks for new punches, and writes nothing."""

    def __init__(self, device: Device, journal: Journal, claims: Claims, names: dict[str, str]) -> None:
        super().__init__(device, journal, claims, names)
        self._new: dict[str, Event] = {}

    @property
    def would_send(self) -> tuple[Event, ...]:
        """The new punches, but for those of a stranger: they would be held."""
        return tuple(self._new.values())

    def _meet(self, _key: str, /) -> None:
        """Nothing is noted."""

    def take(self, piece: Slice) -> None:
        """Sort the records, and keep those that would be sent in mind."""
        found = self._intake.sort(piece)
        self.tally += found.tally
        self._follow(piece, found.tally)
        if not self._stranger:
            self._new |= {event.id: event for event in found.to_send}

    def save(self, _log: bytes, /) -> str:
        """Nothing is saved, and nothing told of it."""
        return ""
