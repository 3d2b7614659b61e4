"""A person's look at devices: nothing is journalled, and one that a run left disabled is enabled first."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from zkpoll.errors import Refused, WrongSerial
from zkpoll.journal import conditions
from zkpoll.journal.devices import Devices
from zkpoll.journal.rates import kept_rates
from zkpoll.model.report import BUG, Trouble
from zkpoll.model.step import Step
from zkpoll.pull.diagnosis import Diagnosis, diagnose, judged, logged_in, shown_clock
from zkpoll.pull.host_clock import alike
from zkpoll.pull.set_clock import correct
from zkpoll.tasks.claims import Claims
from zkpoll.tasks.contact import Guard, contact, looking, target_of
from zkpoll.tasks.device_outcome import NOTHING_LAID_OUT
from zkpoll.tasks.outcome import HostClock
from zkpoll.tasks.result import MEMORY, one_failure
from zkpoll.tasks.rings import owners, rings, sentence
from zkpoll.wall_clock import drift_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
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

    @property
    def facts(self) -> tuple[str, ...]:
        """What matters of it, in few words, as far as it tells: a line has room for no more."""
        if (about := self.about) is None:
            return ()
        room = f" of {about.capacity:,}" if about.capacity else ""
        told = (
            about.serial_number or about.model,
            None if about.records is None else f"{about.records:,}{room} records",
            None if about.drift is None else f"clock {drift_in_words(about.drift)}",
        )
        return tuple(filter(None, told))


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
            guard, journal = self.guard(device), self.contacts.journal
            told = conditions.told(journal).get(f"device {device.name}")
            rate = kept_rates(journal).get(device.name)
            with guard.lock():
                found = diagnose(
                    guard.target,
                    guard.identify,
                    stopped=self.contacts.stopped,
                    after_connect=guard.enable,
                    details=details,
                    lay_out=told is not None and told.kind == NOTHING_LAID_OUT,
                    per_day=rate.per_day if rate else None,
                )
            return Inspection(found.steps, found.about, found.kind, name=device.name)

        def failed(problem: str, kind: str) -> Inspection:
            step = Step("zkpoll" if kind in {BUG, MEMORY} else "lock", ok=False, seconds=None, text=problem)
            return Inspection((step,), None, kind, name=device.name)

        return one_failure(device.name, diagnosed, failed)

    def whose(self, serials: Iterable[str | None]) -> dict[str, Device]:
        """Given serial numbers that terminals tell, return the devices that they belong to, by number."""
        known = Devices(self.contacts.journal)
        names = owners(self.inventory.devices, known.names())
        devices = {device.name: device for device in self.inventory.devices}
        keys = {serial: known.key_of_serial(serial) for serial in serials if serial is not None}
        found = {serial: names.get(serial) or names.get(key) for serial, key in keys.items()}
        return {serial: devices[name] for serial, name in (names | found).items() if name is not None}

    def in_rings(self, found: Sequence[Inspection]) -> list[Inspection]:
        """Return diagnoses; those of devices that answer at each other's addresses say so."""
        whose = owners(self.inventory.devices, Devices(self.contacts.journal).names())
        of = {name: ring for ring in rings(self.contacts.claims.told(), whose) for name in ring}
        return [
            replace(one, steps=_in_ring(one.steps, sentence(of[one.name]))) if one.name in of else one
            for one in found
        ]

    def clock(self, device: Device, *, put_right: bool = False) -> Drift:
        """Return how far a device's clock is off. Set it if asked to, and if it and ours can be trusted."""

        def looked() -> Drift:
            with contact(self.contacts, device, logged_in) as (session, guard):
                found = Drift(device.name, *shown_clock(session, guard.target))
                if put_right:
                    found = self._put_right(device, session, guard, found)
            if found.problem or found.was is not None:
                return found
            text, good = judged(found.drift, target_of(device))
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


def _in_ring(steps: tuple[Step, ...], words: str) -> tuple[Step, ...]:
    """Return the steps of a device that answers where another one belongs, in the words of its ring."""
    return tuple(
        replace(one, text=words) if one.name == "serial" and one.ok is False else one for one in steps
    )


@contextmanager
def look(inventory: Inventory, stopped: Callable[[], bool], asked: Iterable[str] = ()) -> Iterator[Look]:
    """Give the looks of one command. `asked` are the names of devices that tell each other apart.

    Raise `JournalError` when the journal cannot be read.
    """
    with looking(inventory.home, stopped, Claims(inventory.devices, asked)) as contacts:
        yield Look(inventory, contacts)
