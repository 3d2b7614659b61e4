"""A person's look at devices: nothing is journalled, and one that a run left disabled is enabled first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import Refused, WrongSerial
from zkpoll.journal.devices import Devices
from zkpoll.model.report import BUG, Trouble
from zkpoll.model.step import Step
from zkpoll.pull.diagnosis import Diagnosis, diagnose, judged, logged_in, shown_clock
from zkpoll.pull.host_clock import alike
from zkpoll.pull.set_clock import correct
from zkpoll.tasks.contact import Guard, contact, looking
from zkpoll.tasks.outcome import HostClock
from zkpoll.tasks.result import MEMORY, one_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from zkpoll.inventory import Device, Inventory
    from zkpoll.model.report import Notice
    from zkpoll.pull.session import Session
    from zkpoll.tasks.contact import Contacts

_FINEST: Final = 1.0
"""Seconds; a device's clock shows no less."""


@dataclass(frozen=True, slots=True)
class Inspection(Diagnosis):
    """The result of a ping: the diagnosis of one device of the inventory."""

    name: str = ""
    notices: tuple[Notice, ...] = ()

    @property
    def subject(self) -> str:
        """The device."""
        return f"device {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The steps that failed, or None."""
        return None if self.ok else Trouble(self.kind or "steps", "; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Drift:
    """The result of a look at a device's clock."""

    name: str
    clock: datetime | None = None
    """The time it shows."""
    drift: float | None = None
    """Seconds by which it is ahead."""
    was: float | None = None
    """By how much it was, before it was set; None where it was not."""
    problem: str | None = None
    kind: str | None = None
    """Kind of the error; None when the clock was read."""

    @property
    def subject(self) -> str:
        """The device."""
        return f"device {self.name}"

    @property
    def trouble(self) -> Trouble | None:
        """The problem, or None."""
        return Trouble(self.kind or "clock", self.problem) if self.problem else None

    @property
    def notices(self) -> tuple[Notice, ...]:
        """None."""
        return ()


def judged_together(found: Sequence[Drift]) -> tuple[list[Drift], HostClock]:
    """Given looks at clocks, return them, and this host's clock; it is blamed where they are off alike.

    One that was set counts as it was before.
    """
    drifts = {one.name: one.drift if one.was is None else one.was for one in found}
    shown = {name: drift for name, drift in drifts.items() if drift is not None}
    off = [shown[one.name] for one in found if one.name in shown and (one.problem or one.was is not None)]
    blamed = alike(off, len(shown))
    words = "off as the others are"
    judged = [
        replace(one, problem=words) if one.problem and drifts[one.name] in blamed else one for one in found
    ]
    return judged, HostClock(blamed, len(shown))


@dataclass(frozen=True, slots=True)
class Look:
    """The looks of one command. Its methods may be called by several threads."""

    inventory: Inventory
    contacts: Contacts

    def guard(self, device: Device) -> Guard:
        """Return the guard of a device, for those that open the session themselves."""
        return Guard(self.contacts, device)

    def diagnosis(self, device: Device, *, details: bool = False) -> Inspection:
        """Return what a device says of itself, or why it does not. Raise only `StopRun`."""

        def diagnosed() -> Inspection:
            guard = self.guard(device)
            with guard.lock():
                found = diagnose(
                    guard.target,
                    guard.identify,
                    stopped=self.contacts.stopped,
                    after_connect=guard.enable,
                    details=details,
                )
            return Inspection(found.steps, found.about, found.kind, name=device.name)

        def failed(problem: str, kind: str) -> Inspection:
            step = Step("zkpoll" if kind in {BUG, MEMORY} else "lock", ok=False, seconds=None, text=problem)
            return Inspection((step,), None, kind, name=device.name)

        return one_failure(device.name, diagnosed, failed)

    def clock(self, device: Device, *, put_right: bool = False) -> Drift:
        """Return how far a device's clock is off. Set it if asked to, and if it and ours can be trusted."""

        def looked() -> Drift:
            with contact(self.contacts, device, logged_in) as (session, guard):
                found = Drift(device.name, *shown_clock(session, guard.target))
                if put_right:
                    return self._put_right(device, session, guard, found)
            text, good = judged(found.drift)
            return found if good else replace(found, problem=text)

        return one_failure(
            device.name, looked, lambda problem, kind: Drift(device.name, problem=problem, kind=kind)
        )

    def _put_right(self, device: Device, session: Session, guard: Guard, found: Drift) -> Drift:
        """Set a device's clock if it is off, and look at it again."""
        limit = device.clock.set_when_off_by if device.clock else _FINEST
        if found.drift is None:
            return replace(found, problem="not set: it shows no real date; set it by hand")
        if abs(found.drift) <= limit:
            return found
        try:
            newest = Devices(self.contacts.journal).newest_reading()
            refusal = guard.ask(session).problem or correct(
                session, ZoneInfo(device.timezone), found.drift, limit, newest
            )
        except (WrongSerial, Refused) as error:
            refusal = str(error)
        if refusal:
            return replace(found, problem=f"not set: {refusal}")
        clock, drift = shown_clock(session, guard.target)
        if drift is None or abs(drift) > max(limit, 2 * _FINEST):
            return Drift(device.name, clock, drift, problem="it took the time, and does not show it")
        return Drift(device.name, clock, drift, was=found.drift)


@contextmanager
def look(inventory: Inventory, stopped: Callable[[], bool]) -> Iterator[Look]:
    """Give the looks of one command. Raise `JournalError` when the journal cannot be read."""
    with looking(inventory.journal, stopped) as contacts:
        yield Look(inventory, contacts)
