"""Terminals that a search found, as the inventory and the journal know them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkpoll.pull.link import Address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zkpoll.inventory import Device
    from zkpoll.pull.discovery import Responder


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A terminal that was found, and where it belongs."""

    found: Responder
    device: Device | None = None
    """Which one of the inventory it is, if any."""
    moved_from: str | None = None
    """Its address in the inventory; None where it is there, or has none."""
    place_of: Device | None = None
    """The device that belongs where it answers, where that is another one."""
    copy_of: Device | None = None
    """The device that answers at its own place with the same serial number."""

    @property
    def is_new(self) -> bool:
        """Whether nothing of the inventory is this terminal, or belongs where it is."""
        return self.device is None and self.place_of is None

    @property
    def words(self) -> str:
        """Its device, and what is unusual about it."""
        if self.device and self.moved_from:
            here = self.found.address.host
            return f"{self.device.name} is at {here} now ({self.moved_from} in the inventory)"
        if self.device:
            return self.device.name
        if self.copy_of:
            return f"another terminal with the serial number of {self.copy_of.name}"
        return f"another terminal, where {self.place_of.name} belongs" if self.place_of else "new"


def recognised(
    found: Sequence[Responder], places: Mapping[str, Device], whose: Mapping[str, Device]
) -> list[Whereabouts]:
    """Given terminals, the devices by their addresses and by their serial numbers, return what each is.

    A device whose number nobody knows is what answers at its address.
    """
    at_home = {one.serial_number for one in found if _is_home(one, places, whose)}
    known = {device.name for device in whose.values()}
    result = []
    for one in found:
        here, owner = places.get(one.address.host), whose.get(one.serial_number or "")
        if one.serial_number is None or (here and here.trust == "inventory"):
            result.append(Whereabouts(one, here))
        elif owner is None:
            another = here is not None and here.name in known
            result.append(Whereabouts(one, place_of=here) if another else Whereabouts(one, here))
        elif owner is here or owner.host is None:
            result.append(Whereabouts(one, owner))
        elif one.serial_number in at_home:
            result.append(Whereabouts(one, place_of=here, copy_of=owner))
        else:
            where = Address(*owner.address)
            text = where.host if where.port == one.address.port else str(where)
            result.append(Whereabouts(one, owner, moved_from=text))
    return result


def _is_home(found: Responder, places: Mapping[str, Device], whose: Mapping[str, Device]) -> bool:
    """Say whether a terminal is the device that belongs where it answers, by its serial number."""
    here = places.get(found.address.host)
    return here is not None and whose.get(found.serial_number or "") is here
