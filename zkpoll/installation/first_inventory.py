"""The text of a first, short inventory. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USUAL_PORT: Final = 4370
_NOT_TEXT: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""Words that YAML, of one version or another, takes for something else where no quotes are around them."""


@dataclass(frozen=True, slots=True)
class FirstDevice:
    """A terminal, as it was found or named."""

    host: str
    port: int = USUAL_PORT
    name: str = ""
    """Empty for one that is called by its address."""
    udp: bool = False
    serial_number: str | None = None
    model: str | None = None
    needs_comm_key: bool = False
    also_at: tuple[str, ...] = ()
    """Other addresses at which the same serial number answers."""


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """What a person was asked for."""

    url: str
    token_file: str
    """As the inventory has it: with `${…}` in it, or a path."""
    journal: str
    zone: str
    devices: tuple[FirstDevice, ...]


def asked_device(text: str) -> FirstDevice:
    """Given `[NAME=]HOST[:PORT]`, return the device; an IPv6 address with a port is in brackets.

    Raise ValueError when the port is no number from 1 to 65535. Host and name are checked with the inventory.
    """
    name, mark, address = text.rpartition("=")
    if mark and not name:
        raise ValueError("expected a name before =")
    host, port = address, ""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
        if rest and rest == port:
            raise ValueError("expected [ADDRESS]:PORT")
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    elif address.count(":") == 0 or address.count(":") > 1:
        return FirstDevice(address, name=name)
    if port and not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"{port!r} is no port, expected a number from 1 to 65535")
    return FirstDevice(host, int(port or USUAL_PORT), name)


def each_once(found: Iterable[FirstDevice]) -> tuple[FirstDevice, ...]:
    """Return the devices, of those with one serial number the first, with all addresses.

    One address counts once, as networks that are looked through may overlap.
    """
    kept: list[FirstDevice] = []
    places: dict[str, int] = {}
    for one in {(one.host, one.port): one for one in found}.values():
        at = places.get(one.serial_number) if one.serial_number else None
        if at is not None:
            kept[at] = replace(kept[at], also_at=(*kept[at].also_at, one.host))
            continue
        if one.serial_number:
            places[one.serial_number] = len(kept)
        kept.append(one)
    return tuple(kept)


def inventory_text(answers: FirstAnswers) -> str:
    """Return the inventory as YAML. Values stand in JSON's quotes, which YAML reads as well."""
    lines = [
        "# Which terminals zkpoll reads, and where their punches go. All settings: devices.example.yaml.",
        "dashboard:",
        f"  url: {_quoted(answers.url)}",
        f"  token_file: {_quoted(answers.token_file)}",
        f"journal: {_quoted(answers.journal)}  # keep it on a local disk that is backed up",
        "defaults:",
        f"  timezone: {_quoted(answers.zone)}  # what the terminals' clocks show; they do not know it",
        "devices:",
    ]
    for name, one in zip(_names(answers.devices), answers.devices, strict=True):
        lines += _entry(name, one)
    return "\n".join(lines) + "\n"


def _entry(name: str, one: FirstDevice) -> list[str]:
    lines = []
    if one.model or one.serial_number:
        about = f"{one.model or 'a terminal'}, serial number {one.serial_number or 'not told'}"
        lines += [f"  # {_one_line(about)}"]
    if one.also_at:
        lines += [f"  # the same serial number answers at {', '.join(one.also_at)}, too"]
    lines += [f"  - name: {_quoted(name)}", f"    host: {_quoted(one.host)}"]
    lines += [f"    port: {one.port}"] if one.port != USUAL_PORT else []
    lines += ["    transport: udp"] if one.udp else []
    if one.needs_comm_key:
        lines += [
            "    # It asks for its Comm Key (on the terminal: Menu, Comm., PC Connection).",
            "    # Remove the # below, and write that number:",
            "    # comm_key: 0",
        ]
    return lines


def _names(devices: Sequence[FirstDevice]) -> list[str]:
    """Return a name for each: its own, or one made of its address, with a number where that is taken."""
    taken = {one.name for one in devices if one.name}
    names = []
    for one in devices:
        made = f"terminal-{''.join(c if c.isalnum() and c.isascii() else '-' for c in one.host)}"
        numbered = (f"{made}-{n}" for n in count(2))
        name = one.name or next(free for free in chain([made], numbered) if free not in taken)
        taken.add(name)
        names.append(name)
    return names


def _quoted(text: str) -> str:
    plain = text and all(c.isascii() and (c.isalnum() or c in "/._-+") for c in text) and text[0].isalpha()
    return text if plain and text.lower() not in _NOT_TEXT else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Return what a terminal told, without what could end a comment."""
    return "".join(c if c.isprintable() else "?" for c in text)
