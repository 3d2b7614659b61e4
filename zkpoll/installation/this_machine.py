"""What this machine knows of itself: its time zone and its networks."""

from __future__ import annotations

import fcntl
import ipaddress
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_GET_ADDRESS: Final = 0x8915
_GET_MASK: Final = 0x891B
"""SIOCGIFADDR and SIOCGIFNETMASK: netdevice(7)."""
_LARGEST: Final = 22
"""Prefix of the largest network that is looked through unasked: 1,022 addresses, under a minute."""
_VIRTUAL: Final = ("docker", "br-", "veth", "virbr", "cni", "podman")
"""How interfaces are named behind which there are containers and virtual machines, and no terminals."""


def zone(env: Mapping[str, str], etc: Path = Path("/etc")) -> str | None:
    """Return the name of this machine's time zone, None where it tells none."""
    if named := env.get("TZ", "").removeprefix(":"):
        return named
    target = os.path.realpath(etc / "localtime")
    if "/zoneinfo/" in target:
        return target.partition("/zoneinfo/")[2]
    try:
        return (etc / "timezone").read_text("utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def networks() -> list[ipaddress.IPv4Network]:
    """Return this machine's private IPv4 networks, of each at most the /22 around its address."""
    found: dict[ipaddress.IPv4Network, None] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _index, name in socket.if_nameindex():
            try:
                address, mask = (_told(asked, what, name) for what in (_GET_ADDRESS, _GET_MASK))
            except OSError:  # it has no IPv4 address
                continue
            own = ipaddress.ip_interface(f"{address}/{mask}")
            if isinstance(own, ipaddress.IPv4Interface) and not name.startswith(_VIRTUAL):
                found |= dict.fromkeys(searched(own))
    return list(found)


def searched(own: ipaddress.IPv4Interface) -> list[ipaddress.IPv4Network]:
    """Given an own address with its network, return what of it is looked through, if anything."""
    if own.ip.is_loopback or not own.ip.is_private or own.network.prefixlen > 30:
        return []
    prefix = max(own.network.prefixlen, _LARGEST)
    return [ipaddress.IPv4Network(f"{own.ip}/{prefix}", strict=False)]


def _told(asked: socket.socket, what: int, interface: str) -> str:
    answer = fcntl.ioctl(asked.fileno(), what, struct.pack("256s", interface.encode()[:15]))
    return socket.inet_ntoa(answer[20:24])
