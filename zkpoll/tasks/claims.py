"""Whose a device key is, where several devices of the inventory turn out to have it.

Boards are cloned, numbers are flashed twice, one terminal is entered by two addresses. The first of these
that is there has the key, and nothing of the others is read.

    holder     the device that the journal knows by it, while it is in the inventory
    newcomer   a device that the journal does not know by any key yet: the first in the inventory
    stranger   a terminal that answers where another one belongs: where it was seen before, else the first

A holder that tells another key now has moved, and is passed over: terminals change places and names.

Nobody may have a key because it was quicker. A device whose case hangs on others that have not been heard yet
waits a moment for them, and hangs up: they may want its only seat. It is asked again when all were heard.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from zkpoll.errors import SameSerial, WrongSerial
from zkpoll.journal.devices import Devices
from zkpoll.pull.link import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from zkpoll.inventory import Device
    from zkpoll.journal.database import Journal

_PATIENCE: Final = 2.0
"""Seconds to wait for others that are being asked; a login takes a tenth of that. Whoever wants the seat
that we have meanwhile waits for `timeout`, which is more."""
_LOOK_AGAIN: Final = 0.1
"""Seconds until a wait looks whether the command is to end."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a device turned out to be."""

    key: str
    stranger: bool = False
    """Whether another terminal answers where it belongs."""
    keeps: str | None = None
    """The key that it has until a person accepts the other one."""

    def has(self, key: str) -> bool:
        """Say whether a key is its own."""
        return key in (self.key, self.keeps)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the inventory and the journal say of a key."""

    order: tuple[str, ...]
    """All devices of the inventory."""
    holder: str | None = None
    """The one of them that the journal knows by the key."""
    seen_as: str | None = None
    """The one at whose address it answers as a stranger."""
    unmet: frozenset[str] = frozenset()
    """Those that the journal knows by no key."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whose a key is."""

    owner: str
    awaits: frozenset[str] = frozenset()
    """Those that were not heard yet, and may change it."""


def judge(name: str, claims: Mapping[str, Claim], standing: Standing, unheard: AbstractSet[str]) -> Verdict:
    """Given a device that told who it is, and what others told, return whose its key is. Pure.

    `unheard` are devices that will be heard in this command.
    """
    own, holder = claims[name], standing.holder
    if holder == name:
        return Verdict(name)
    tell = [one for one in standing.order if one in claims and claims[one].has(own.key)]
    unmet = frozenset(unheard & standing.unmet)
    if holder is not None and (holder not in claims or holder in tell):
        silent = frozenset(unheard & {holder})
        if own.stranger and standing.seen_as == name and holder not in tell:
            return Verdict(name, unmet | silent)
        return Verdict(holder, silent)
    newcomers = [one for one in tell if not claims[one].stranger]
    if newcomers:
        before = standing.order[: standing.order.index(newcomers[0])]
        return Verdict(newcomers[0], unmet.intersection(before))
    first = standing.seen_as if standing.seen_as in tell else tell[0]
    if first != name:
        return Verdict(first)
    return Verdict(name, unmet if standing.seen_as == name else frozenset(unheard))


class Claims:
    """The devices of one command, and what they turned out to be. May be shared by threads."""

    def __init__(
        self, devices: Sequence[Device] = (), asked: Iterable[str] = (), *, asks_again: bool = False
    ) -> None:
        """Given the devices of the inventory, and the names of those that are asked, begin.

        `asks_again` says that one which cannot be settled is asked again when all of them were heard.
        """
        self._devices = {device.name: device for device in devices}
        self._unheard = set(asked)
        self._asks_again = asks_again
        self._asked_now: set[str] = set()
        self._claims: dict[str, Claim] = {}
        self._standings: dict[str, Standing] = {}
        self._owners: dict[str, str] = {}
        self._left: set[str] = set()
        self._changed = threading.Condition()

    def will_ask(self, names: Iterable[str]) -> None:
        """Note the devices that will be heard."""
        with self._changed:
            self._unheard.update(names)

    def begins(self, name: str) -> None:
        """Note that a device is being asked."""
        with self._changed:
            self._asked_now.add(name)

    def ended(self, name: str) -> None:
        """Note that a device was asked, whether it told who it is or not."""
        with self._changed:
            self._asked_now.discard(name)
            self._unheard.discard(name)
            self._changed.notify_all()

    def is_left(self, name: str) -> bool:
        """Say whether a device is left until others are heard."""
        with self._changed:
            return name in self._left

    def refusal(self, name: str) -> SameSerial | None:
        """Return why a device that was left is not read, now that the others were heard, or None.

        It is left no more, whether or not it answers when it is asked again.
        """
        with self._changed:
            self._left.discard(name)
            return self._refusal(name, self._verdict(name))

    def told(self) -> dict[str, str]:
        """Return the keys of the devices that were heard, by name, in the inventory's order."""
        with self._changed:
            return {name: self._claims[name].key for name in self._devices if name in self._claims}

    def others(self, name: str) -> Collection[str]:
        """Return the devices that must not have the key of a device when it is met."""
        with self._changed:
            standing = self._standings.get(name)
            return self._devices.keys() - {name, standing.holder if standing else None}

    def settle(self, name: str, claim: Claim, journal: Journal, stopped: Callable[[], bool]) -> None:
        """Note what a device turned out to be, and see that its key is its own.

        Raise `SameSerial` where it is another one's, `WrongSerial` where that cannot be said yet.
        """
        known = Devices(journal)
        holder, seen_as = known.whose(claim.key)
        unmet: frozenset[str] = frozenset()
        if holder != name:
            unmet = frozenset(self._devices.keys() - known.names().values())
        standing = Standing(
            (*self._devices, *([name] if name not in self._devices else [])),
            holder if holder == name or holder in self._devices else None,
            seen_as,
            unmet,
        )
        end = time.monotonic() + _PATIENCE
        with self._changed:
            self._claims[name], self._standings[name] = claim, standing
            self._unheard.discard(name)
            self._changed.notify_all()
            verdict = self._verdict(name)
            while verdict.owner == name and verdict.awaits & self._asked_now:
                if stopped() or (left := end - time.monotonic()) <= 0:
                    break
                self._changed.wait(min(left, _LOOK_AGAIN))
                verdict = self._verdict(name)
            self._left.discard(name)
            if self._asks_again and verdict.awaits:
                self._left.add(name)
            if refusal := self._refusal(name, verdict):
                raise refusal
            if name in self._left:
                raise WrongSerial(f"{name} is asked again when the other devices have told who they are")
            self._owners[claim.key] = name
        if self._asks_again and not claim.stranger and holder != name:
            self._outlast_other_runs(name, standing, known, end, stopped)

    def _verdict(self, name: str) -> Verdict:
        owner = self._owners.get(self._claims[name].key)
        if owner is not None:
            return Verdict(owner)
        return judge(name, self._claims, self._standings[name], self._unheard)

    def _refusal(self, name: str, verdict: Verdict) -> SameSerial | None:
        if verdict.owner == name:
            return None
        device = self._devices.get(verdict.owner)
        remark = "" if device is None or device.enabled else " (enabled: false)"
        return SameSerial(self._claims[name].key, verdict.owner, remark)

    def _outlast_other_runs(
        self, name: str, standing: Standing, known: Devices, end: float, stopped: Callable[[], bool]
    ) -> None:
        """Let other runs meet those that they are at, of the devices in front of a newcomer.

        One of these that has its key is met then, and the journal gives it to nobody else.
        """
        for other in standing.order[: standing.order.index(name)]:
            device = self._devices[other]
            if other not in standing.unmet or other in self._claims or device.host is None:
                continue
            while known.is_being_met(other, lock_of(device)) and time.monotonic() < end and not stopped():
                time.sleep(_LOOK_AGAIN)


def lock_of(device: Device) -> str:
    """Return the subject of the lock of a device with a host."""
    return f"device {Address(*device.address)}"
