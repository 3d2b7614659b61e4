"""Addresses: of terminals, of dashboards and of our own listener. Nothing here touches the network."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LONGEST_NAME = 253
_SCOPE = re.compile(r"[A-Za-z0-9_.-]+")
_HOST = "expected an IPv4 or IPv6 address, or a DNS name of letters, digits, '-', '_' and '.'"
_BINDING = re.compile(r"(?:\[(?P<inner>.+)\]|(?P<outer>[^\[\]:]+)):(?P<port>[0-9]{1,5})")
HIGHEST_PORT = 65_535
_IPV4 = "expected an IPv4 address: four numbers from 0 to 255, no leading zeros"
# The C library reads any name that ends in a number, even 0x7f000001, as an IPv4 address.
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")


def check_host(text: str) -> str:
    """Given a host, return it. Raise ValueError when it is no address and no DNS name."""
    if ":" in text:
        return _check_ipv6(text)
    if _is_ip(text):
        return text
    if _ENDS_IN_NUMBER.fullmatch(text):
        raise ValueError(_IPV4)
    if len(text) > _LONGEST_NAME or not _NAME.fullmatch(text):
        raise ValueError(_HOST)
    return text


def _check_ipv6(text: str) -> str:
    address, mark, scope = text.partition("%")
    if _is_ip(address) and bool(mark) == bool(scope) and (not mark or _SCOPE.fullmatch(scope)):
        return text
    if re.fullmatch(r"[^:]+:[0-9]+", text):
        raise ValueError("expected the host alone; its port goes into port:")
    raise ValueError(_HOST)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_loopback(text: str) -> bool:
    """Given a valid host, say whether it is this machine, without a name server."""
    host = same_host(text)
    return ipaddress.ip_address(host).is_loopback if _is_ip(host) else host == "localhost"


def same_host(text: str) -> str:
    """Given a valid host, return the form that two spellings of one host share."""
    address, mark, scope = text.partition("%")
    if _is_ip(address):
        return str(ipaddress.ip_address(address)) + mark + scope
    return text.lower().removesuffix(".")


@dataclass(frozen=True, slots=True)
class Binding:
    """A host and a port to listen on."""

    host: str
    port: int
    """0 for any that is free."""

    def __str__(self) -> str:
        """Return it as the inventory has it: `[::]:8081`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def binding(text: str) -> Binding:
    """Given a host and a port as `0.0.0.0:8081` or `[::]:8081`, return both. Raise ValueError."""
    parts = _BINDING.fullmatch(text)
    host = (parts["inner"] or parts["outer"]) if parts else ""
    if parts is None or bool(parts["inner"]) != (":" in host) or int(parts["port"]) > HIGHEST_PORT:
        raise ValueError('expected a host and a port, such as 0.0.0.0:8081 or "[::]:8081"')
    return Binding(check_host(host), int(parts["port"]))


def check_url(text: str) -> str:
    """Given a dashboard's URL, return it. Raise ValueError with its flaw."""
    if not text.isprintable() or any(character in ' "<>\\' for character in text):
        raise ValueError("expected a URL without spaces, quotes or control characters")
    if "#" in text:
        raise ValueError("expected a URL without a fragment (#)")
    if not _is_web(text):
        raise ValueError("expected an http:// or https:// URL with a valid host")
    if "@" in urlsplit(text).netloc:
        raise ValueError("expected a URL without user and password; use token")
    return text


def _is_web(text: str) -> bool:
    """Given a text, say whether it is an http or https URL of a valid host and port."""
    try:
        parts = urlsplit(text)
        check_host(parts.hostname or "")
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and port != 0


def without_secrets(url: str) -> str:
    """Given the text of a wrong URL, return it without the parts that may be a password or a key."""
    return re.sub(r"[?#].*", "?(hidden)", re.sub(r"^.*@", "(hidden)@", url))
