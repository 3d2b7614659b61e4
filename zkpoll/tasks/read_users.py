"""Ask devices for their users: each under its lock, in parallel, one answer for each."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkpoll.errors import Busy, ExitCode, StopRun, Unreachable, WrongSerial, ZkpollError
from zkpoll.journal.clearance import Clearance
from zkpoll.pull.link import Limits
from zkpoll.pull.reader import all_users
from zkpoll.pull.session import Session
from zkpoll.tasks.outcome import BUG
from zkpoll.tasks.run import FAILED, Claims, joined
from zkpoll.tasks.visit import target_of, unlock, whose

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from zkpoll.inventory import Device, Inventory
    from zkpoll.journal.locks import Locks
    from zkpoll.journal.sqlite import Journal
    from zkpoll.model.user import User

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking a device."""

    device: Device
    key: str = ""
    """The device key, where it answered."""
    users: tuple[User, ...] = field(default=(), repr=False)
    problem: str | None = None
    """Why it did not answer, in one sentence; None if it did."""
    kind: str | None = None
    """The kind of that."""


def exit_code(answers: Sequence[Answer]) -> ExitCode:
    """Given what came of asking some devices, return the documented exit code."""
    kinds = [answer.kind for answer in answers]
    if BUG in kinds:
        return ExitCode.BUG
    if kinds and all(kind == Busy.kind for kind in kinds):
        return ExitCode.LOCKED
    if kinds and all(kind == Unreachable.kind for kind in kinds):
        return ExitCode.UNREACHABLE
    return ExitCode.ATTENTION if any(kinds) else ExitCode.OK


def call(
    inventory: Inventory, devices: Sequence[Device], journal: Journal, locks: Locks, stop: threading.Event
) -> list[Answer]:
    """Ask `devices` for their users and return an answer for each, in their order.

    Raise `Stopped` once `stop` is set, `JournalError` when the journal cannot be used.
    """
    visitor = _Visitor(journal, locks, stop, Claims())
    with ThreadPoolExecutor(inventory.parallel, "device") as pool:
        futures = [pool.submit(visitor.ask, device) for device in devices]
        return joined(futures, stop.set)


@dataclass(frozen=True, slots=True)
class _Visitor:
    """What all visits share."""

    journal: Journal
    locks: Locks
    stop: threading.Event
    claims: Claims

    def ask(self, device: Device) -> Answer:
        """Ask one device, whatever happens; raise only what stops the whole run."""
        try:
            with self.locks.held(f"device {target_of(device).address}"):
                return self._visited(device)
        except StopRun:
            raise
        except ZkpollError as error:
            return Answer(device, problem=str(error), kind=error.kind)
        except Exception as error:  # noqa: BLE001  # one failure stays one failure
            _log.exception("%s: %s", device.name, FAILED.format(type(error).__name__))
            return Answer(device, problem=FAILED.format(type(error).__name__), kind=BUG)

    def _visited(self, device: Device) -> Answer:
        target = target_of(device)
        _log.info("%s: asking %s for its users", device.name, target.address)
        limits = Limits(target.timeout, target.visit_limit, self.stop.is_set)
        with Session(target.address, limits=limits, key=target.key) as session:
            unlocked = unlock(self.journal, device, session)
            key = self._identify(device, session.option("~SerialNumber"))
            if unlocked:
                Clearance(self.journal, key).done(clear_sent=True)
            users = all_users(session)
        _log.info("%s: serial %s, %d users", device.name, key, len(users))
        return Answer(device, key, users)

    def _identify(self, device: Device, serial: str | None) -> str:
        """Return the device's key. Raise `WrongSerial` for any terminal but the one that belongs there."""
        found = whose(self.journal, device, serial)
        if found.problem:
            raise WrongSerial(found.problem)
        self.claims.claim(found.key, device.name)
        return found.key
