"""Devices that answer at each other's addresses: cables or addresses were exchanged. Pure.

Each of them alone is a stranger where it answers: its log is kept under its own key, and not delivered. Seen
together they are one mistake, told in one sentence. What is journalled is the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from zkpoll.inventory import Device
    from zkpoll.tasks.device_outcome import DeviceOutcome

Ring = tuple[str, ...]
"""Names of devices: at the address of each answers the next one, and at that of the last the first."""


def rings(told: Mapping[str, str], whose: Mapping[str, str]) -> list[Ring]:
    """Given the keys that devices told, and whose each key is, return the rings among them.

    A ring begins with the first of its devices in `told`.
    """
    answers = {name: whose.get(key) for name, key in told.items()}
    found: list[Ring] = []
    seen: set[str] = set()
    for first in told:
        chain, name = [first], answers[first]
        while name is not None and name in answers and name not in chain:
            chain.append(name)
            name = answers[name]
        if name == first and len(chain) > 1 and first not in seen:
            found.append(tuple(chain))
            seen.update(chain)
    return found


def owners(devices: Iterable[Device], names: Mapping[str, str]) -> dict[str, str]:
    """Given the devices of the inventory, and names by key as the journal has them, return whose a key is.

    What the inventory says goes first.
    """
    devices = tuple(devices)
    there = {device.name for device in devices}
    known = {key: name for key, name in names.items() if name in there}
    return known | {device.serial: device.name for device in devices if device.serial}


def sentence(ring: Ring) -> str:
    """Return what a person should know of a ring."""
    if len(ring) == 2:
        what = f"{ring[0]} and {ring[1]} answer at each other's address"
    else:
        pairs = zip(ring, (*ring[1:], ring[0]), strict=True)
        first, *rest = (f"{one} answers at the address of {place}" for place, one in pairs)
        what = f"{first}, {', '.join(rest[:-1])}, and {rest[-1]}" if rest[:-1] else f"{first}, and {rest[0]}"
    return (
        f"{what}: exchange their cables or their addresses again, or their host: in the inventory; their logs"
        " are kept meanwhile, and not delivered"
    )


def in_rings(devices: Sequence[DeviceOutcome], found: Iterable[Ring]) -> list[DeviceOutcome]:
    """Return a run's devices; those of a ring have its sentence, which is told of the first of them."""
    of = {name: ring for ring in found for name in ring}
    return [
        replace(one, problem=sentence(of[one.name]), ring=of[one.name])
        if one.name in of and one.problem
        else one
        for one in devices
    ]
