"""The two sinks of a visit: one journals a device's log, one only looks for new punches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import Refused
from zkpoll.journal import conditions, quarantine, watermarks
from zkpoll.journal.database import of_device
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Intake
from zkpoll.journal.overview import last_place
from zkpoll.model.log import WholeReading
from zkpoll.model.sums import Tally
from zkpoll.pull import unknown_log
from zkpoll.tasks.device_outcome import NOTHING_FOUND_AGAIN, Released, notice_of_log, notices_of_release
from zkpoll.tasks.release import judged, late_intake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.model.punch import Event
    from zkpoll.pull.identity import Identity
    from zkpoll.pull.session import Session
    from zkpoll.tasks.claims import Claims
    from zkpoll.tasks.release import Judgement


_ON_ITS_WAY: Final = timedelta(minutes=2)
"""How long a punch may take to come by push: terminals look once a minute for what they did not send."""
_CALLS: Final = timedelta(hours=1)
"""A device that has not called for longer does not push; of that a person is told anyway."""


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
        self.released = Released()
        """What became of the records that were in quarantine."""
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

    def begin(self, found: Identity, session: Session) -> Watermark | None:
        """Given the device that answers, begin with its log, and return the journal's watermark of it.

        What is believed by now of what was in quarantine is released first. Raise `SameSerial` if another run
        has met another device of the inventory as that terminal, and one of the device errors.
        """
        device = self._device
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
        if not self._stranger:
            judgement = judged(self._journal, found.key, session, device)
            if judgement.punches or judgement.nobodys:
                self._release(found.key, judgement)
        known = watermarks.load(self._journal, found.key)
        self._may_look(known)
        self._known = known.count if known else 0
        self.whole = known.whole if known else None
        return known

    @abstractmethod
    def _may_look(self, known: Watermark | None, /) -> None:
        """Raise `Refused` where a look at the log would take records from it that nobody keeps."""

    @abstractmethod
    def _meet(self, key: str, /) -> None:
        """Note that the terminal with this key answers."""

    @abstractmethod
    def _release(self, key: str, judgement: Judgement, /) -> None:
        """Let records leave quarantine that are punches by now."""

    def _late_intake(self, key: str) -> Intake:
        return late_intake(self._journal, self._device, self._device.name, key)

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

    def _may_look(self, known: Watermark | None, /) -> None:
        """All is kept. What is perhaps handed out only once is not asked for where it cannot be."""
        if known is None or known.once:
            from zkpoll.journal.pushed import try_to_write

            try_to_write(self._journal)

    def _meet(self, key: str, /) -> None:
        known = Devices(self._journal)
        meet = known.meet_stranger if self._stranger else known.meet
        meet(self._device.name, key, self._claims.others(self._device.name))

    def _release(self, key: str, judgement: Judgement, /) -> None:
        """Journal what is believed, and note what waits for a person. On disk when this returns."""
        with self._journal.transaction():
            tally = quarantine.release(
                self._journal, key, self._late_intake(key), judgement.punches, judgement.drift
            )
            quarantine.judge(self._journal, key, judgement.nobodys)
            self.released = Released(tally, len(judgement.nobodys))
            for notice in notices_of_release(self.released):
                if not notice.harmless:
                    self._owe(notice.text)
        self._announce()

    def take(self, piece: Slice) -> None:
        """Journal records, and the watermark behind them. They are on disk when this returns."""
        assert self.key is not None  # noqa: S101  # `begin` has set it
        with self._journal.transaction(only=of_device(self.key)):
            pushes = self._device.push is not None
            before = last_place(self._journal) if pushes else 0
            tally = self._intake.add(piece)
            if pushes:
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
        from zkpoll.journal.pushed import Pushed

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
        with self._journal.transaction(only=of_device(self.key)):
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

    def _may_look(self, known: Watermark | None, /) -> None:
        if known and known.once:
            raise Refused(
                "it hands out each record once, and a dry run would have what the next run needs: not read"
            )

    def _meet(self, _key: str, /) -> None:
        """Nothing is noted."""

    def _release(self, key: str, judgement: Judgement, /) -> None:
        """Look which of what is believed would be sent."""
        tally, intake = Tally(), self._late_intake(key)
        for records in quarantine.as_records(judgement.punches, judgement.drift):
            found = intake.sort(records)
            tally += found.tally
            self._new |= {event.id: event for event in found.to_send}
        self.released = Released(tally, len(judgement.nobodys))

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
