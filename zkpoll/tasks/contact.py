"""Contact with a device: under its lock, enabled first if it may be disabled, identified.

The one home of the rule that nobody is locked out. All that speaks to a device stands inside `contact`:

    lock        the device's, so that no other run is at it
    wait        until an intent of a run that lost its locks on the way is old enough for that run to be done
    log in
    enable      if the journal has an intent: an earlier run may have left the device disabled
    identify    by the serial number it tells, the inventory and the journal
    enable      if there is an intent for the device that it turns out to be, known by another name
    settle      whose the number is, if several devices of the inventory tell it
    strike      the intent, if the device that answers is the one it is for
    work, say EXIT, free the lock

It must never happen that an intent is struck before the device it is for has answered ENABLE. Another
terminal at its address may be enabled, and no harm is done. The intent stays then: the device itself is
enabled when it is met, at whatever address, and told of until then.

Nor must a device be enabled while another run clears it, which may reach it at another address. The lock of
its clearing, by its key, tells an intent that is at work from one that was left behind. But a server frees
the locks of a run that it cannot hear: that run may go on for as long as it may keep people from punching, so
an intent that is younger is waited for, or left to the next contact.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias
from zoneinfo import ZoneInfo

from zkpoll.errors import Busy
from zkpoll.journal.clearance import Clearance, intended, seconds_since_intended
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import look_at, open_journal
from zkpoll.pull.identity import identify
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.reader import Target
from zkpoll.pull.session import Session
from zkpoll.tasks.claims import Claim, Claims, lock_of
from zkpoll.tasks.device_outcome import warn_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.model.journal_home import JournalHome
    from zkpoll.pull.identity import Identity

    Login: TypeAlias = Callable[[Target, Callable[[], bool]], AbstractContextManager[Session]]

_AT_WORK: Final = 60.0
"""Seconds from an intent to the last word of the run that wrote it down, whatever comes in between."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The means of all contacts of one command. May be shared by threads."""

    journal: Journal
    stopped: Callable[[], bool]
    writes: bool
    """Whether they write to the journal; looks and dry runs do not."""
    claims: Claims = field(default_factory=Claims)
    """What the devices of the inventory turn out to be; without any, as for databases, no two can be one."""


@contextmanager
def writing(
    home: JournalHome, stopped: Callable[[], bool], claims: Claims | None = None
) -> Iterator[Contacts]:
    """Give contacts that write to the journal at `home`. Raise `JournalError` when it cannot be used."""
    with open_journal(home) as journal:
        yield Contacts(journal, stopped, writes=True, claims=claims or Claims())


@contextmanager
def looking(
    home: JournalHome, stopped: Callable[[], bool], claims: Claims | None = None
) -> Iterator[Contacts]:
    """Give contacts that write nothing: with the journal at `home`, or an empty one while there is none.

    While there is none, no other run can be at any device. Raise `JournalError` when it cannot be read.
    """
    with look_at(home) as journal:
        yield Contacts(journal, stopped, writes=False, claims=claims or Claims())


class Guard:
    """The rule for one device, step by step, for those that open the session themselves."""

    def __init__(self, contacts: Contacts, device: Device) -> None:
        self.target = target_of(device)
        self._contacts = contacts
        self._device = device
        self._session: Session | None = None
        self._intended: str | None = None  # the key of the device that an intent was found for

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lock of the device. Raise `Busy` when another run is at it."""
        name, claims = self._device.name, self._contacts.claims
        claims.begins(name)
        try:
            with self._contacts.journal.lock(lock_of(self._device)):
                self._wait_for_intent()
                yield
        finally:
            claims.ended(name)

    def _wait_for_intent(self) -> None:
        """Wait until no intent for the device is young. Raise `Stopped`."""
        key = Devices(self._contacts.journal).key_of(self._device.name)
        if key is None or not (left := self._young_for(key)):
            return
        _log.warning(
            "%s: a run that may have disabled it is not heard of any more; waiting %.0f s for its end",
            self._device.name,
            left,
        )
        Limits(left, 2 * left, self._contacts.stopped).sleep(left)

    def _young_for(self, key: str) -> float:
        """Return for how many seconds a run that wrote an intent for a device down may still be at it."""
        age = seconds_since_intended(self._contacts.journal, key)
        return 0.0 if age is None else max(0.0, _AT_WORK - max(0.0, age))

    def enable(self, session: Session) -> None:
        """Let people punch again, if an earlier run could not see to it. Comes right after the login."""
        self._session = session
        key = Devices(self._contacts.journal).key_of(self._device.name)
        if key is not None:
            self._enable_if_intended(key)

    def identify(self, serial: str | None) -> Identity:
        """Given the serial number that the device tells, return its identity.

        The intent is struck if this is the device it is for. Raise `WrongSerial` when there is no key, or it
        is that of another device in the inventory.
        """
        journal, device = self._contacts.journal, self._device
        known = Devices(journal)
        stored, aliases = known.key_of(device.name), known.aliases(device.name)
        trusts = device.trust == "inventory"
        found = identify(
            device.name,
            serial,
            device.serial,
            stored,
            aliases,
            trusts_inventory=trusts,
            in_turn=lambda told: known.answered_in_turn(device.name, told),
        )
        if stored is None:  # a device with a new name may tell the number that a repair gave it
            found = replace(found, key=known.key_of_serial(found.key))
        # Whoever disables it has written that down before: where nothing is, there is nothing to see to.
        if found.key != self._intended and intended(journal, found.key):
            try:
                with journal.lock(f"clearing {found.key}"):
                    if not self._young_for(found.key):
                        self._enable_if_intended(found.key)
            except Busy:
                _log.info("%s: another run is clearing its log", device.name)
        if self._contacts.writes and found.key == self._intended:
            Clearance(journal, found.key).done(clear_sent=True)
        stranger = found.problem is not None
        claim = Claim(found.key, stranger, keeps=stored if trusts and stranger else None)
        self._contacts.claims.settle(device.name, claim, journal, self._contacts.stopped)
        return found

    def _enable_if_intended(self, key: str) -> None:
        if self._session is None or not intended(self._contacts.journal, key):
            return
        self._session.enable()
        self._intended = key
        _log.warning("%s: it may have been disabled by an earlier run, and is enabled", self._device.name)

    def ask(self, session: Session) -> Identity:
        """Ask the device for its serial number and return its identity, as `identify` does."""
        return self.identify(session.serial_number())


def plain_login(target: Target, stopped: Callable[[], bool]) -> Session:
    """Return a session with a device. It logs in when it is entered."""
    limits = Limits(target.timeout, target.visit_limit, stopped)
    return Session(target.address, limits=limits, key=target.key)


@contextmanager
def contact(
    contacts: Contacts, device: Device, login: Login = plain_login
) -> Iterator[tuple[Session, Guard]]:
    """Give a session with a device that is under its lock and enabled, and the guard that identifies it.

    Raise `Busy` when another run is at it, and one of the device errors.
    """
    guard = Guard(contacts, device)
    with guard.lock(), login(guard.target, contacts.stopped) as session:
        guard.enable(session)
        yield session, guard


def target_of(device: Device, *, full: bool = False) -> Target:
    """Given the settings of a device with a host, return it as a target of visits."""
    return Target(
        Address(*device.address),
        ZoneInfo(device.timezone),
        device.timeout,
        device.visit_limit,
        key=device.key(),
        full=full,
        quiet_hours=device.quiet_hours,
        warn_at=warn_at(device),
    )
