"""Contact with a device: under its lock, enabled first if it may be disabled, identified.

The one home of the rule that nobody is locked out. All that speaks to a device stands inside `contact`:

    lock        the device's, so that no other run is at it
    log in
    enable      if the journal has an intent: an earlier run may have left the device disabled
    identify    by the serial number it tells, the inventory and the journal
    enable      if there is an intent for the device that it turns out to be, known by another name
    strike      the intent, if the device that answers is the one it is for
    work, say EXIT, free the lock

It must never happen that an intent is struck before the device it is for has answered ENABLE. Another
terminal at its address may be enabled, and no harm is done. The intent stays then: the device itself is
enabled when it is met, at whatever address, and told of until then.

Nor must a device be enabled while another run clears it, which may reach it at another address. The lock of
its clearing, by its key, tells an intent that is at work from one that was left behind.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

from zkpoll.errors import Busy, WrongSerial
from zkpoll.journal.clearance import Clearance
from zkpoll.journal.devices import Devices
from zkpoll.journal.opening import look_at, open_journal
from zkpoll.pull.identity import identify
from zkpoll.pull.link import Address, Limits
from zkpoll.pull.reader import Target
from zkpoll.pull.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal
    from zkpoll.pull.identity import Identity

    Login: TypeAlias = Callable[[Target, Callable[[], bool]], AbstractContextManager[Session]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Contacts:
    """The means of all contacts of one command. May be shared by threads."""

    journal: Journal
    stopped: Callable[[], bool]
    writes: bool
    """Whether they write to the journal; looks and dry runs do not."""


@contextmanager
def writing(path: Path, stopped: Callable[[], bool]) -> Iterator[Contacts]:
    """Give contacts that write to the journal at `path`. Raise `JournalError` when it cannot be used."""
    with open_journal(path) as journal:
        yield Contacts(journal, stopped, writes=True)


@contextmanager
def looking(path: Path, stopped: Callable[[], bool]) -> Iterator[Contacts]:
    """Give contacts that write nothing: with the journal at `path`, or an empty one while there is none.

    While there is none, no other run can be at any device. Raise `JournalError` when it cannot be read.
    """
    with look_at(path) as journal:
        yield Contacts(journal, stopped, writes=False)


class Guard:
    """The rule for one device, step by step, for those that open the session themselves."""

    def __init__(self, contacts: Contacts, device: Device) -> None:
        self.target = target_of(device)
        self._contacts = contacts
        self._device = device
        self._session: Session | None = None
        self._intended: str | None = None  # the key of the device that an intent was found for

    def lock(self) -> AbstractContextManager[None]:
        """Return the lock of the device."""
        return self._contacts.journal.lock(f"device {self.target.address}")

    def enable(self, session: Session) -> None:
        """Let people punch again, if an earlier run could not see to it. Comes right after the login."""
        self._session = session
        key = Devices(self._contacts.journal).key_of(self._device.name)
        if key is not None:
            self._enable_if_intended(key)

    def identify(self, serial: str | None) -> Identity:
        """Given the serial number that the device tells, return its identity.

        The intent is struck if this is the device it is for. Raise `WrongSerial` when there is no key.
        """
        journal, device = self._contacts.journal, self._device
        known = Devices(journal)
        stored, aliases = known.key_of(device.name), known.aliases(device.name)
        found = identify(device.name, serial, device.serial, stored, aliases)
        if found.key != self._intended:
            try:
                with journal.lock(f"clearing {found.key}"):
                    self._enable_if_intended(found.key)
            except Busy:
                _log.info("%s: another run is clearing its log", device.name)
        if self._contacts.writes and found.key == self._intended:
            Clearance(journal, found.key).done(clear_sent=True)
        return found

    def _enable_if_intended(self, key: str) -> None:
        try:
            intended = Clearance(self._contacts.journal, key).intended()
        except WrongSerial:  # nobody has met that device, so nobody has disabled it
            return
        if not intended or self._session is None:
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
    )
