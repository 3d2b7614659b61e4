"""The list of the inventory's devices, with what the journal knows of each. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zkpoll.journal.devices import Devices

if TYPE_CHECKING:
    from zkpoll.inventory import Inventory
    from zkpoll.journal.database import Journal


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device of the inventory, with what the journal knows of it."""

    name: str
    host: str | None
    """None, as its port, of one that calls us, and is not called."""
    port: int | None
    enabled: bool
    serial_number: str | None
    read_at: str | None = None
    """When it was last read to the end (UTC, ISO 8601)."""
    on_device: int | None = None
    """Records in its log then."""
    capacity: int | None = None
    drift: float | None = None
    """Seconds by which its clock was ahead then."""
    backlog: int = 0
    """Punches of it that wait for a dashboard."""


def device_list(inventory: Inventory, journal: Journal) -> list[ListedDevice]:
    """Return the devices in the inventory's order."""
    known = Devices(journal).known()
    found: list[ListedDevice] = []
    for device in inventory.devices:
        port = None if device.host is None else device.port
        one = ListedDevice(device.name, device.host, port, device.enabled, device.serial)
        if it := known.get(device.name):
            one = replace(one, serial_number=it.key, backlog=it.backlog)
            if device.host is not None:  # what was read while it had one says nothing of it today
                one = replace(
                    one, read_at=it.read_at, on_device=it.on_device, capacity=it.capacity, drift=it.drift
                )
        found.append(one)
    return found
