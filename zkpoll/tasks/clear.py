"""One device's clearing, at the end of a run: the policy, and who keeps the records meanwhile."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from zkpoll.errors import StopRun, WrongSerial, ZkpollError
from zkpoll.journal.clearance import Clearance, Unsettled
from zkpoll.journal.intake import Ledger
from zkpoll.pull import raw_copy
from zkpoll.pull.clearing import Cleared, Fate, clear_log
from zkpoll.pull.plan import within
from zkpoll.tasks.outcome import BUG, REFUSED, ClearOutcome
from zkpoll.tasks.run import FAILED
from zkpoll.tasks.visit import target_of, whose

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.model.log import Slice, Watermark
    from zkpoll.pull.session import Session
    from zkpoll.tasks.outcome import DeviceOutcome
    from zkpoll.tasks.run import Options, Run

_log = logging.getLogger(__name__)


def due(device: Device, outcome: DeviceOutcome, options: Options, now: datetime) -> bool:
    """Say whether a device's log is to be cleared, after a visit that came to `outcome`; `now` is UTC."""
    reading = outcome.reading
    if options.clear == "never" or not options.deliver:
        return False
    if reading is None or outcome.problem or outcome.difference:
        return False
    if options.clear == "now":
        return True
    if device.quiet_hours and not within(
        device.quiet_hours, now.astimezone(ZoneInfo(device.timezone)).time()
    ):
        return False
    return device.clear.due(reading.on_device, reading.capacity)


@dataclass(slots=True)
class Clearing:
    """One device's clearing, and the keeper of its records."""

    device: Device
    run: Run
    key: str
    on_device: int
    """Records in its log at the visit before."""
    unsettled: Unsettled = field(default_factory=Unsettled)
    """What of the log is in the way."""
    clearance: Clearance = field(init=False)
    copy: Path | None = None
    """Where the raw copy is."""

    def __post_init__(self) -> None:
        self.clearance = Clearance(self.run.journal, self.key)

    def __call__(self) -> ClearOutcome:
        """Clear the log if every record in it is settled; raise only what stops the whole run."""
        if self.run.options.clear == "now":
            self.clearance.allow()
        if why := self.clearance.refused():
            return ClearOutcome(REFUSED, problem=why)
        try:
            with self.run.lock(f"device {target_of(self.device).address}"):
                return self._cleared()
        except StopRun:
            raise
        except ZkpollError as error:
            return ClearOutcome(Fate.NOT_CLEARED.value, problem=str(error))
        except Exception as error:  # noqa: BLE001  # one failure stays one failure
            _log.exception("%s: %s", self.device.name, FAILED.format(type(error).__name__))
            return ClearOutcome(BUG, problem=FAILED.format(type(error).__name__))

    def _cleared(self) -> ClearOutcome:
        _log.info("%s: clearing its log, if all of it is settled", self.device.name)
        cleared = clear_log(
            target_of(self.device), self, stopped=self.run.stop.is_set, after_connect=self._unlock
        )
        match cleared.outcome:
            case Fate.CLEARED if not cleared.locked:
                self.clearance.cleared()
            case Fate.CLEAR_IGNORED:
                self.clearance.note_clear_ignored()
        if cleared.disable_ignored:
            self.clearance.note_disable_ignored(cleared.problem or "it takes punches while it is disabled")
        return ClearOutcome(
            (Fate.CHANGED if self._only_new(cleared) else cleared.outcome).value,
            cleared.records,
            problem=cleared.problem,
            copy=str(self.copy) if self.copy else None,
        )

    def _only_new(self, cleared: Cleared) -> bool:
        """Say whether nothing but what was punched since the last visit is in the way."""
        new = cleared.records - self.on_device
        return cleared.outcome is Fate.UNSETTLED and self.unsettled == Unsettled(unknown=new)

    def _unlock(self, session: Session) -> None:
        """Enable a device that a run before this one may have left disabled."""
        if self.clearance.intended():
            session.enable()
            self.clearance.done(clear_sent=True)

    # --- the keeper ---

    def identify(self, serial: str | None) -> Watermark | None:
        """Refuse any device but the one that was visited; return what the journal has of its log."""
        name = self.device.name
        found = whose(self.run.journal, self.device, serial)
        if found.problem or found.key != self.key:
            raise WrongSerial(found.problem or f"{name} was {self.key} a moment ago, and is {found.key} now")
        zone = ZoneInfo(self.device.timezone)
        return Ledger(self.run.journal, name, self.key, zone).watermark()

    def refusal(self, piece: Slice) -> str | None:
        """Say why the records of `piece` must stay on the device, or None if none must."""
        self.unsettled = self.clearance.unsettled(
            [punch.canonical for punch in piece.punches], [record.raw for record in piece.quarantined]
        )
        return self.unsettled.refusal

    def keep_copy(self, layout: int, log: bytes, users: Mapping[int, str]) -> None:
        """Save the log beside the journal; on disk when this returns."""
        copy = raw_copy.RawCopy.of(self.device.name, self.key, self.device.timezone, layout, log, users)
        self.copy = raw_copy.save(self.run.inventory.journal, copy)

    def will_disable(self) -> None:
        """Write down that the device is about to be disabled."""
        self.clearance.intend()

    def enabled(self, *, clear_sent: bool) -> None:
        """Strike that out."""
        self.clearance.done(clear_sent=clear_sent)
