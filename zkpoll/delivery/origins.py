"""What the inventory says of the terminals that punches come from, for the way out. Pure.

The journal keeps what the device said; whether that was an arrival, and where, is the inventory's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from zkpoll.inventory import Device
    from zkpoll.model.punch import Event

Direction: TypeAlias = Literal["in", "out"]

_WAYS: Final = frozenset({"in", "out"})
"""What `direction:` says of terminals at which people only come, or only go."""


@dataclass(frozen=True)
class Terminals:
    """The terminals of an inventory."""

    devices: Mapping[str, Device] = field(default_factory=dict)
    """By name."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names by device key, as far as they are known; a renamed terminal keeps its key. May still change."""

    @classmethod
    def of_inventory(cls, devices: Iterable[Device], names: Mapping[str, str]) -> Terminals:
        """Given the devices of an inventory and the names by device key, return the terminals."""
        return cls({device.name: device for device in devices}, names)

    def of(self, event: Event) -> Device | None:
        """Given an event, return the terminal that it came from; None where the inventory has it no more."""
        name = self.names.get(event.serial_number, "")
        return self.devices.get(name) or self.devices.get(event.device)

    def meaning(self, event: Event) -> Device | None:
        """Given an event, return a terminal whose settings say what its user id and state mean.

        That is its own; where the inventory has it no more, any of those that are left if they all say the
        same of any terminal, else None.
        """
        return self.of(event) or self._any_if_alike

    @cached_property
    def _any_if_alike(self) -> Device | None:
        left = list(self.devices.values())
        # Where one is the way in, the one that is gone may have been the way out.
        if not left or left[0].direction in _WAYS:
            return None
        return left[0] if all(_meant(one) == _meant(left[0]) for one in left) else None

    def direction(self, event: Event) -> Direction | None:
        """Given an event, return whether the person came or went; None where nobody can tell."""
        device = self.meaning(event)
        return direction(device, event.state) if device else None


def _meant(device: Device) -> tuple[object, ...]:
    return device.user_id, device.direction, device.in_states, device.out_states


def direction(device: Device, state: int) -> Direction | None:
    """Given a terminal and the state of a punch there, return whether the person came or went."""
    match device.direction:
        case "in" | "out" as always:
            return always
        case "state" if state in device.in_states:
            return "in"
        case "state" if state in device.out_states:
            return "out"
        case _:
            return None
