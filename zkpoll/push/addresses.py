"""Addresses of the push door: where it listens, and who calls. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    Network = IPv4Network | IPv6Network
    Address = IPv4Address | IPv6Address

_HIGHEST_PORT = 65535


def host_and_port(where: str) -> tuple[str, int]:
    """Given `HOST:PORT` or `[IPv6]:PORT`, return the two. Raise `ValueError` if it is neither."""
    host, colon, port = where.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address stands in brackets: [::]:8081")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= _HIGHEST_PORT):
        raise ValueError("write HOST:PORT, such as 0.0.0.0:8081 or [::]:8081")
    return host, int(port)


def written(host: str, port: int) -> str:
    """Given a host and a port, return them as one text: `[::1]:8081`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def caller(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Given a connection's peer and its X-Forwarded-For, return the address that the call comes from.

    Each proxy appends whom it was called by. So the list is read from its end, as long as the one who wrote
    an entry is trusted; what stands before the first address that is not could be anybody's invention.
    """
    found = _read(peer)
    if found is None:
        return peer
    for entry in reversed(forwarded.split(",")):
        if not any(found in network for network in trusted):
            break
        before = _read(_without_port(entry.strip(" \t")))
        if before is None:
            break
        found = before
    return str(found)


def _without_port(entry: str) -> str:
    """Some proxies add the port: `192.0.2.1:5000`, `[2001:db8::1]:5000`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def _read(text: str) -> Address | None:
    """Given an address, return it without a zone, and IPv4 inside of IPv6 as IPv4; None if it is none."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found
