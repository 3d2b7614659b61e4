"""Who may call in."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.push.terminals import call_of
from zkpoll.push.contract import Admission, Reason, Refusal
from zkpoll.push.gate import admit

SECRET = "0123456789abcdef"
OPEN = Admission("gate", "A1")
OFF = Admission("old", "A2", enabled=False, secret=SECRET)
LOCKED = Admission("safe", "A3", secret=SECRET)
NEAR = Admission("near", "A4", networks=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")))
BOTH = Admission("both", "A5", secret=SECRET, networks=NEAR.networks)
DOORS = {door.serial: door for door in (OPEN, OFF, LOCKED, NEAR, BOTH)}


def let_in(serial: str, address: str = "198.51.100.1", prefix: str = "") -> Admission | Refusal | None:
    """Return what becomes of a call."""
    return admit(call_of(f"{prefix}/iclock/cdata?SN={serial}"), address, DOORS)


@pytest.mark.parametrize(
    ("serial", "address", "prefix", "door"),
    [
        ("A1", "198.51.100.1", "", OPEN),
        ("A3", "198.51.100.1", f"/{SECRET}", LOCKED),
        ("A4", "203.0.113.9", "", NEAR),
        ("A4", "::ffff:203.0.113.9", "", NEAR),
        ("A4", "2001:db8::7", "", NEAR),
        ("A5", "203.0.113.9", f"/{SECRET}", BOTH),
    ],
)
def test_a_known_device_comes_in(serial: str, address: str, prefix: str, door: Admission) -> None:
    """With its secret, and from its networks, in either version of the address."""
    assert let_in(serial, address, prefix) is door


@pytest.mark.parametrize(
    ("serial", "address", "prefix", "reason"),
    [
        ("A9", "203.0.113.9", f"/{SECRET}", "unknown serial"),
        ("a1", "203.0.113.9", "", "unknown serial"),
        ("A2", "203.0.113.9", "", "disabled"),
        ("A3", "203.0.113.9", "", "wrong secret"),
        ("A3", "203.0.113.9", f"/{SECRET}x", "wrong secret"),
        ("A3", "203.0.113.9", f"/{SECRET.upper()}", "wrong secret"),
        ("A3", "203.0.113.9", "/ключ\ud800", "wrong secret"),
        ("A1", "203.0.113.9", f"/{SECRET}", "wrong secret"),
        ("A4", "198.51.100.1", "", "outside its networks"),
        ("A4", "::ffff:198.51.100.1", "", "outside its networks"),
        ("A4", "2001:db9::7", "", "outside its networks"),
        ("A4", "", "", "outside its networks"),
        ("A4", "not an address", "", "outside its networks"),
        ("A5", "198.51.100.1", "", "wrong secret"),
        ("A5", "198.51.100.1", f"/{SECRET}", "outside its networks"),
    ],
)
def test_all_others_are_refused_for_the_first_reason(
    serial: str, address: str, prefix: str, reason: Reason
) -> None:
    """Serial, enabled, secret, network: in this order."""
    assert let_in(serial, address, prefix) == Refusal(serial, reason)


def test_a_caller_without_a_serial_is_nobody() -> None:
    """It is refused, and has no row of its own."""
    assert let_in("") is None


def test_the_secret_of_a_device_does_not_show() -> None:
    """A device that is printed says nothing of its secret."""
    assert SECRET not in repr(LOCKED)
