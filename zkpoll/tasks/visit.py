"""One device's part of a run: read it, journal it, say what it came to."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll.errors import StopRun, UnknownLayout, WrongSerial, ZkpollError
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import STRANGER, Devices
from zkpoll.journal.holds import Holding
from zkpoll.journal.intake import Ledger
from zkpoll.model.sums import Tally
from zkpoll.pull import unknown_log
from zkpoll.pull.identity import identify
from zkpoll.pull.link import Address
from zkpoll.pull.reader import Target, visit
from zkpoll.pull.set_clock import correct
from zkpoll.tasks.outcome import BUG, DeviceOutcome
from zkpoll.tasks.run import FAILED

if TYPE_CHECKING:
    from zkpoll.inventory import Device
    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.log import Reading, Slice, Watermark
    from zkpoll.model.punch import Event
    from zkpoll.pull.identity import Identity
    from zkpoll.pull.session import Session
    from zkpoll.tasks.run import Run

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """One device's part of a run, and the sink of its door."""

    device: Device
    run: Run
    key: str | None = None
    unlocked: bool = False
    """Whether it was enabled, since it may have been left disabled."""
    stranger: str | None = None
    """Why this is not the device that belongs here, or None."""
    clock_set: bool = False
    clock_kept: str | None = None
    """Why the device's clock, though off, was not set."""
    tally: Tally = field(default_factory=Tally)
    new: dict[str, Event] = field(default_factory=dict)
    ledger: Ledger | None = None
    outcome: DeviceOutcome = field(init=False)

    def __post_init__(self) -> None:
        self.outcome = DeviceOutcome(self.device.name, str(self.address))

    @property
    def address(self) -> Address:
        """Where the device answers."""
        return target_of(self.device).address

    def __call__(self) -> None:
        """Visit the device, whatever happens; raise only what stops the whole run."""
        began = time.monotonic()
        try:
            outcome = self._visited()
        finally:
            self.run.feed.reader_ended()
        self.outcome = replace(outcome, key=self.key, tally=self.tally, seconds=time.monotonic() - began)
        _tell(self.outcome)
        self.run.observer.device_done(self.outcome)

    def _visited(self) -> DeviceOutcome:
        try:
            with self.run.lock(f"device {self.address}"):
                return self._judged(self._read())
        except StopRun:
            raise
        except UnknownLayout as error:
            saved = "" if self.run.options.dry_run else self._saved(error.log)
            return replace(self.outcome, problem=f"{error}{saved}", kind=error.kind)
        except ZkpollError as error:
            return replace(self.outcome, problem=str(error), kind=error.kind)
        except Exception as error:  # noqa: BLE001  # one failure stays one failure
            _log.exception("%s: %s", self.device.name, FAILED.format(type(error).__name__))
            return replace(self.outcome, problem=FAILED.format(type(error).__name__), kind=BUG)

    def _saved(self, log: bytes) -> str:
        return "; " + unknown_log.save(self.run.inventory.journal, self.device.name, log)

    def _judged(self, reading: Reading) -> DeviceOutcome:
        """Return the outcome of a visit that read the log to its end."""
        self.tally += Tally(seen_before=reading.proved)
        outcome = replace(self.outcome, reading=reading, clock_set=self.clock_set, clock_kept=self.clock_kept)
        if self.key and not self.run.options.dry_run:
            Devices(self.run.journal).note_reading(self.key, reading)
        return replace(outcome, problem=self.stranger, kind=WrongSerial.kind) if self.stranger else outcome

    def _read(self) -> Reading:
        device, run = self.device, self.run
        _log.info("%s: visiting %s", device.name, self.address)
        return visit(
            target_of(device, full=run.options.full),
            self,
            stopped=run.stop.is_set,
            progress=lambda records: run.observer.records_read(device.name, records),
            after_connect=self._unlock,
            before_exit=self._correct_clock,
        )

    def _unlock(self, session: Session) -> None:
        self.unlocked = unlock(self.run.journal, self.device, session)

    def _correct_clock(self, session: Session, reading: Reading) -> None:
        """Set the device's clock if the inventory asks for it; the reading is safe whatever comes of it."""
        wanted, drift = self.device.clock, reading.drift
        if wanted is None or drift is None or abs(drift) <= wanted.set_when_off_by:
            return
        if self.stranger or self.run.options.dry_run:
            return
        zone = ZoneInfo(self.device.timezone)
        try:
            self.clock_kept = correct(session, zone, drift, wanted.set_when_off_by, self.run.newest)
        except ZkpollError as error:
            self.clock_kept = str(error)
        self.clock_set = self.clock_kept is None

    def identify(self, serial: str | None) -> Watermark | None:
        """Settle under which device key this visit runs, and return what the journal has of that log."""
        known, name = Devices(self.run.journal), self.device.name
        found = whose(self.run.journal, self.device, serial)
        self.run.claims.claim(found.key, name)
        self.key, self.stranger = found.key, found.problem
        if self.unlocked and not (self.stranger or self.run.options.dry_run):
            Clearance(self.run.journal, found.key).done(clear_sent=True)
        if not self.stranger:
            self.run.names[found.key] = name
        if not self.run.options.dry_run:
            (known.meet_stranger if self.stranger else known.meet)(name, found.key)
        self.ledger = Ledger(
            self.run.journal,
            known.name_of(found.key) or name,
            found.key,
            ZoneInfo(self.device.timezone),
            held=STRANGER if self.stranger else None,
            holding=Holding(self.device.since, self.device.repeat_within),
        )
        return self.ledger.watermark()

    def take(self, piece: Slice) -> None:
        """Journal `piece`; a dry run only looks at what would be new."""
        if self.ledger is None:
            raise WrongSerial(f"{self.device.name} was read before it was known who it is")
        if not self.run.options.dry_run:
            self.tally += self.ledger.take(piece)
            self.run.feed.announce()
            return
        found = self.ledger.sort(piece)
        self.tally += found.tally
        if not self.stranger:
            self.new |= {event.id: event for event in found.to_send}


def target_of(device: Device, *, full: bool = False) -> Target:
    """Given a device's settings, return it as a target of visits."""
    return Target(
        Address(device.host, device.port, device.transport),
        ZoneInfo(device.timezone),
        device.timeout,
        device.visit_limit,
        key=device.key(),
        full=full,
        quiet_hours=device.quiet_hours,
    )


def whose(journal: Journal, device: Device, serial: str | None) -> Identity:
    """Given the serial number that a device tells, say whose it is, by the inventory and the journal.

    Raise `WrongSerial` as `identify` does.
    """
    known = Devices(journal)
    return identify(device.name, serial, device.serial, known.key_of(device.name), known.aliases(device.name))


def unlock(journal: Journal, device: Device, session: Session) -> bool:
    """Let people punch again, if an earlier run could not see to it; say whether that was so.

    The journal's note of it is struck out by who knows then that this is the device.
    """
    key = Devices(journal).key_of(device.name)
    if key is None or not Clearance(journal, key).intended():
        return False
    session.enable()
    _log.warning("%s: it may have been disabled by an earlier run, and is enabled", device.name)
    return True


def _tell(outcome: DeviceOutcome) -> None:
    if outcome.trouble:
        _log.warning("%s: %s", outcome.name, outcome.trouble.text)
    for notice in outcome.notices:
        _log.log(logging.INFO if notice.harmless else logging.WARNING, "%s: %s", outcome.name, notice.text)
    if outcome.tally.held_repeats:
        _log.info("%s: repeats held: %d", outcome.name, outcome.tally.held_repeats)
    if outcome.reading:
        reading, tally = outcome.reading, outcome.tally
        _log.info(
            "%s: serial %s, %d records read, %d new, clock %+d s, %.1f s",
            *(
                outcome.name,
                outcome.key,
                reading.records,
                tally.first_seen,
                round(reading.drift or 0),
                outcome.seconds,
            ),
        )
