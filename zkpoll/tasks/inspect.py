"""A person's look at devices: nothing is journalled; one that a run left disabled is enabled first."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import Refused, StopRun, WrongSerial, ZkpollError
from zkpoll.journal.devices import Devices
from zkpoll.journal.locks import Locks
from zkpoll.journal.sqlite import Journal
from zkpoll.model.step import Step
from zkpoll.pull.diagnosis import Diagnosis, diagnose, judged, logged_in, shown_clock
from zkpoll.pull.identity import Identity, identify
from zkpoll.pull.set_clock import correct
from zkpoll.tasks.visit import target_of, unlock, whose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from zkpoll.inventory import Device, Inventory
    from zkpoll.pull.diagnosis import Hook, Who
    from zkpoll.pull.link import Address
    from zkpoll.pull.session import Session

_FINEST: Final = 1.0
"""Seconds; a device's clock shows no less."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What a look at a device's clock came to."""

    name: str
    clock: datetime | None = None
    """What it shows."""
    drift: float | None = None
    """Seconds by which it is ahead."""
    was: float | None = None
    """By how much it was, before it was set; None where it was not."""
    problem: str | None = None
    kind: str | None = None
    """Kind of the error; None when the clock was read."""


@dataclass(frozen=True, slots=True)
class Look:
    """What the looks of one command share. Its methods may be called by several threads."""

    inventory: Inventory
    journal: Journal | None
    """None while there is none: then nobody else is at any device."""
    stopped: Callable[[], bool]

    def diagnosis(self, device: Device, *, details: bool = False) -> Diagnosis:
        """Return what a device says of itself, or why it does not; raise only what stops everything."""
        target = target_of(device)
        try:
            with self.lock(target.address):
                return diagnose(
                    target,
                    self.who(device),
                    stopped=self.stopped,
                    after_connect=self.unlock(device),
                    details=details,
                )
        except StopRun:
            raise
        except ZkpollError as error:
            return Diagnosis((Step("lock", ok=False, seconds=None, text=str(error)),), None, error.kind)

    def clock(self, device: Device, *, put_right: bool = False) -> Drift:
        """Return how far a device's clock is off; set it if asked to, and if it and ours can be trusted."""
        target = target_of(device)
        try:
            with self.lock(target.address), logged_in(target, self.stopped) as session:
                self.unlock(device)(session)
                found = Drift(device.name, *shown_clock(session, target))
                if put_right:
                    return self._put_right(device, session, found)
        except StopRun:
            raise
        except ZkpollError as error:
            return Drift(device.name, problem=str(error), kind=error.kind)
        text, good = judged(found.drift)
        return found if good else replace(found, problem=text)

    def _put_right(self, device: Device, session: Session, found: Drift) -> Drift:
        """Set a device's clock where it is off, and look at it again."""
        limit = device.clock.set_when_off_by if device.clock else _FINEST
        if found.drift is not None and abs(found.drift) <= limit:
            return found
        refusal = self._refusal(device, session, found.drift, limit)
        if refusal:
            return replace(found, problem=f"not set: {refusal}")
        clock, drift = shown_clock(session, target_of(device))
        if drift is None or abs(drift) > max(limit, 2 * _FINEST):
            return Drift(device.name, clock, drift, problem="it took the time, and does not show it")
        return Drift(device.name, clock, drift, was=found.drift)

    def _refusal(self, device: Device, session: Session, drift: float | None, limit: float) -> str | None:
        """Set a device's clock; return why not, or None."""
        if drift is None:
            return "it shows no real date; set it by hand"
        try:
            found = self.who(device)(session.option("~SerialNumber"))
            newest = Devices(self.journal).newest_reading() if self.journal else None
            return found.problem or correct(session, ZoneInfo(device.timezone), drift, limit, newest)
        except (WrongSerial, Refused) as error:
            return str(error)

    def lock(self, address: Address) -> AbstractContextManager[None]:
        """Return the lock of the device at `address`."""
        if self.journal is None:
            return nullcontext()
        return Locks(self.inventory.journal).held(f"device {address}")

    def who(self, device: Device) -> Who:
        """Return what says whose serial number a device tells."""

        def settle(serial: str | None) -> Identity:
            if self.journal is None:
                return identify(device.name, serial, device.serial, None, frozenset())
            return whose(self.journal, device, serial)

        return settle

    def unlock(self, device: Device) -> Hook:
        """Return what enables a device that a run before this one may have left disabled.

        That it may be is struck out by the next run that visits it.
        """

        def enable(session: Session) -> None:
            if self.journal:
                unlock(self.journal, device, session)

        return enable


@contextmanager
def look(inventory: Inventory, stopped: Callable[[], bool]) -> Iterator[Look]:
    """Give what the looks of one command share. Raise `JournalError` when the journal cannot be read."""
    with opened(inventory.journal) as journal:
        yield Look(inventory, journal, stopped)


@contextmanager
def opened(path: Path) -> Iterator[Journal | None]:
    """Give the journal at `path` to be read, or None while there is none: a look begins no journal."""
    try:
        there = path.exists()
    except OSError:
        there = True  # the journal has better words for it
    if not there:
        yield None
        return
    with Journal(path, writable=False) as journal:
        yield journal
