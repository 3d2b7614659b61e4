"""One device's clearing, at the end of a run: when it is due, and how its records are kept meanwhile."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import Busy, WrongSerial
from zkpoll.journal import watermarks
from zkpoll.journal.clearance import Clearance, Unsettled
from zkpoll.journal.devices import Devices
from zkpoll.model.fate import Fate
from zkpoll.model.report import BUG
from zkpoll.pull import raw_copy
from zkpoll.pull.clearing import clear_log
from zkpoll.pull.plan import within
from zkpoll.tasks.contact import contact
from zkpoll.tasks.device_outcome import ClearOutcome
from zkpoll.tasks.result import one_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.journal.devices import LastReading
    from zkpoll.model.log import Slice
    from zkpoll.tasks.contact import Contacts

_log = logging.getLogger(__name__)

_FAILED: Final = {BUG: Fate.BUG, Busy.kind: Fate.BUSY}
"""The fates of logs whose clearing failed in these ways; in all others they are not cleared."""


def due(device: Device, last: LastReading | None, now: datetime) -> bool:
    """Given a device's settings and its last reading, say whether to clear its log. `now` is UTC."""
    if last is None:
        return False
    clock = now.astimezone(ZoneInfo(device.timezone)).time()
    if device.quiet_hours and not within(device.quiet_hours, clock):
        return False
    return device.clear.due(last.on_device, last.capacity)


def clear(device: Device, contacts: Contacts, raw_copies: Path, *, by_hand: bool = False) -> ClearOutcome:
    """Clear a device's log if every record in it is settled. Raise only `StopRun`.

    The raw copy goes into the folder `raw_copies`. A clearing `by_hand` is allowed for a device that proved
    unfit for it, too.
    """
    outcome = one_failure(
        device.name,
        lambda: _cleared(device, contacts, raw_copies, by_hand=by_hand),
        lambda problem, kind: ClearOutcome(_FAILED.get(kind, Fate.NOT_CLEARED), problem=problem),
    )
    _log_outcome(device.name, outcome)
    return outcome


def _cleared(device: Device, contacts: Contacts, raw_copies: Path, *, by_hand: bool) -> ClearOutcome:
    name, journal = device.name, contacts.journal
    last = Devices(journal).last_reading(name)
    if last is None:
        raise WrongSerial(f"{name} was never read to its end; read it first (`zkpoll sync`)")
    clearance = Clearance(journal, last.key)
    if by_hand:
        clearance.allow()
    if why := clearance.refused():
        return ClearOutcome(Fate.REFUSED, problem=why)
    keeper = _LogKeeper(device, last.key, clearance, raw_copies, journal)
    with contact(contacts, device) as (session, guard):
        _log.info("%s: clearing its log, if all of it is settled", name)
        found = guard.ask(session)
        if found.problem or found.key != last.key:
            words = f"{name} was {last.key} a moment ago, and is {found.key} now"
            raise WrongSerial(found.problem or words)
        known = watermarks.load(journal, last.key)
        with contacts.journal.lock(f"clearing {last.key}"):
            cleared = clear_log(session, guard.target.timeout, known, keeper)
        if cleared.outcome is Fate.CLEARED and not cleared.locked:
            clearance.cleared()
        if cleared.outcome is Fate.CLEAR_IGNORED:
            clearance.note_clear_ignored()
        if cleared.disable_ignored:
            clearance.note_disable_ignored(cleared.problem or "it takes punches while it is disabled")
    # Where only the punches since the last visit are in the way, they wait for the next run.
    new = Unsettled(unknown=cleared.records - last.on_device)
    only_new = cleared.outcome is Fate.UNSETTLED and keeper.unsettled == new
    return ClearOutcome(
        Fate.CHANGED if only_new else cleared.outcome,
        cleared.records,
        problem=cleared.problem,
        copy=str(keeper.copy) if keeper.copy else None,
    )


def _log_outcome(name: str, outcome: ClearOutcome) -> None:
    """Write down what came of a clearing, but for a trouble: the run tells that at its end."""
    for notice in outcome.notices:
        _log.log(logging.INFO if notice.harmless else logging.WARNING, "%s: %s", name, notice.text)
    if outcome.problem and not (outcome.notices or outcome.trouble):
        _log.info("%s: its log is not cleared: %s", name, outcome.problem)


class _LogKeeper:
    """The keeper of a log's records in the journal and in a raw copy, as `pull.clearing.Keeper` is."""

    def __init__(
        self, device: Device, key: str, clearance: Clearance, raw_copies: Path, journal: Journal
    ) -> None:
        self.unsettled = Unsettled()
        """The records that are in the way."""
        self.copy: Path | None = None
        """The path of the raw copy."""
        self._device = device
        self._key = key
        self._clearance = clearance
        self._raw_copies = raw_copies
        self._journal = journal

    def refusal(self, piece: Slice) -> str | None:
        """Say why the records of `piece` must stay on the device, or None if none must."""
        self.unsettled = self._clearance.unsettled(piece)
        return self.unsettled.refusal

    def keep_copy(self, layout: int, log: bytes, users: Mapping[int, str]) -> None:
        """Save the raw copy. It is on disk when this returns."""
        copy = raw_copy.RawCopy.of(self._device.name, self._key, self._device.timezone, layout, log, users)
        self.copy = raw_copy.save(self._raw_copies, copy)

    def will_disable(self) -> None:
        """Write an intent: the device is about to be disabled."""
        self._clearance.intend()

    def check_locks(self) -> None:
        """Have the journal prove that it holds the locks of this run. Raise `JournalError`."""
        self._journal.check_in_place()

    def enabled(self, *, clear_sent: bool) -> None:
        """Strike the intent."""
        self._clearance.done(clear_sent=clear_sent)
