"""Who may call in: the serial number, the secret of the path, the network. Pure."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

from zkpoll.push.contract import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Network, IPv6Network

    from zkpoll.push.contract import Admission, Call


def admit(call: Call, address: str, doors: Mapping[str, Admission]) -> Admission | Refusal | None:
    """Given a call, its IP address and the devices by serial number, return whose it is, or the refusal.

    None where it has no well-formed serial number: it is refused as well, and only counted.
    """
    if call.serial is None:
        return None
    door = doors.get(call.serial)
    if door is None:
        return Refusal(call.serial, "unknown serial")
    if not door.enabled:
        return Refusal(call.serial, "disabled")
    if not _same(call.secret, door.secret):
        return Refusal(call.serial, "wrong secret")
    if door.networks and not _within(address, door.networks):
        return Refusal(call.serial, "outside its networks")
    return door


def _same(told: str | None, secret: str | None) -> bool:
    """Say whether a path's prefix is the secret, in a time that does not tell how much of it is right.

    A prefix where no secret is set is wrong, too: somebody typed it in, and expects it to count.
    """
    if told is None or secret is None:
        return told is secret
    return hmac.compare_digest(*(text.encode("utf-8", "surrogatepass") for text in (told, secret)))


def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Say whether an address is in one of the networks; what is no IP address is in none.

    A socket that takes both versions shows an IPv4 address as `::ffff:192.0.2.1`.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return any(ip in network for network in networks)
