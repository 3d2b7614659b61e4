"""Addresses of the push door."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from zkpoll.push.addresses import caller, host_and_port, written

PROXIES = [ip_network("10.0.0.0/24"), ip_network("2001:db8::/64")]


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("0.0.0.0:8081", "0.0.0.0", 8081),
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::]:8081", "::", 8081),
        ("[fe80::1%eth0]:65535", "fe80::1%eth0", 65535),
        ("localhost:80", "localhost", 80),
    ],
)
def test_where_to_listen_is_read(text: str, host: str, port: int) -> None:
    """An address is a host and a port, IPv6 in brackets, and is written as it was read."""
    assert host_and_port(text) == (host, port)
    assert written(host, port) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8081",
        ":8081",
        "0.0.0.0",
        "0.0.0.0:",
        "0.0.0.0:http",
        "0.0.0.0:65536",
        "::1:80",
        "[]:80",
        "h:-1",
        "[::1:80",
        "::1]:80",
        "h:٣",
    ],
)
def test_where_not_to_listen_is_refused(text: str) -> None:
    """What is not a host and a port is refused, with the form it should have."""
    with pytest.raises(ValueError, match=":8081"):
        host_and_port(text)


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "1.1.1.1, 198.51.100.7 ,\t10.0.0.3", "198.51.100.7"),
        ("10.0.0.2", "10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("10.0.0.2", "198.51.100.7, unknown", "10.0.0.2"),
        ("10.0.0.2", "198.51.100.7, unknown, 10.0.0.3", "10.0.0.3"),
        ("10.0.0.2", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.2", "198.51.100.7\x0b", "10.0.0.2"),  # no space of HTTP's
        ("10.0.0.2", "[2001:db8:1::7]:4711", "2001:db8:1::7"),
        ("2001:db8::1", "2001:db8:1::7", "2001:db8:1::7"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("::ffff:10.0.0.2", "::ffff:198.51.100.7", "198.51.100.7"),
        ("fe80::1%eth0", "", "fe80::1"),
    ],
)
def test_who_calls_is_the_last_that_is_not_trusted(peer: str, forwarded: str, found: str) -> None:
    """Each entry counts only if the one who wrote it is trusted; an invented one never reaches the front."""
    assert caller(peer, forwarded, PROXIES) == found
