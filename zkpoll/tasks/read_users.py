"""The users of devices: each device asked under its lock, in parallel, one result for each."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkpoll.errors import WrongSerial
from zkpoll.pull.reader import all_users
from zkpoll.tasks.claims import Claims
from zkpoll.tasks.contact import Contacts, contact, target_of
from zkpoll.tasks.result import one_failure
from zkpoll.tasks.run import joined

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.database import Journal
    from zkpoll.model.user import User

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DeviceUsers:
    """The users of a device, or why it did not tell them."""

    device: Device
    key: str = ""
    """The device key, where it answered."""
    users: tuple[User, ...] = field(default=(), repr=False)
    problem: str | None = None
    """Why it did not answer, in one sentence; None if it did."""
    kind: str | None = None
    """The kind of that."""


def call(
    inventory: Inventory, devices: Sequence[Device], journal: Journal, stop: threading.Event
) -> list[DeviceUsers]:
    """Ask `devices` for their users and return a result for each, in their order.

    Raise `Stopped` once `stop` is set, `JournalError` when the journal cannot be used.
    """
    claims = Claims(inventory.devices, [device.name for device in devices])
    contacts = Contacts(journal, stop.is_set, writes=True, claims=claims)
    with ThreadPoolExecutor(inventory.at_once, "device") as pool:
        return joined([pool.submit(read_users, device, contacts) for device in devices], stop.set)


def read_users(device: Device, contacts: Contacts) -> DeviceUsers:
    """Ask one device for its users. Raise only `StopRun`."""

    def asked() -> DeviceUsers:
        _log.info("%s: asking %s for its users", device.name, target_of(device).address)
        with contact(contacts, device) as (session, guard):
            found = guard.ask(session)
            if found.problem:
                raise WrongSerial(found.problem)
            users = all_users(session)
        _log.info("%s: serial %s, %d users", device.name, found.key, len(users))
        return DeviceUsers(device, found.key, users)

    return one_failure(
        device.name, asked, lambda problem, kind: DeviceUsers(device, problem=problem, kind=kind)
    )
