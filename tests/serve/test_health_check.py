"""`GET /health`: whether punches are taken, told on a socket of its own."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.look import inside
from tests.peers import closed_port
from tests.serve.quick import quick
from tests.serve.serving import GATE, SERIAL, line, serving, write
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.site import Site
    from zkpoll.simulator import SampleDashboard


def asked(port: int, what: str = "GET /health", body: str = "") -> tuple[int, str, str]:
    """Ask, and return the status, the head and the body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        caller.sendall(f"{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n{body}".encode())
        answer = b"".join(iter(lambda: caller.recv(65536), b"")).decode()
    head, _, text = answer.partition("\r\n\r\n")
    return int(head.split()[1]), head, text


def health(port: int) -> tuple[int, dict[str, Any]]:
    """Return the status and the document of `GET /health`."""
    status, head, text = asked(port)
    assert "Content-Type: application/json\r\n" in f"{head}\r\n"
    return status, json.loads(text)


@pytest.fixture
def port(site: Site, dashboard: SampleDashboard) -> int:
    """Give the port where health is told, in the inventory."""
    with closed_port() as (_, free):
        off = "name: off, serial: OFF1, push: true, enabled: false"
        write(site, dashboard.url, [GATE, off])
    text = site.inventory.read_text()
    site.inventory.write_text(text.replace("listen: {", f"listen: {{health: '127.0.0.1:{free}', "))
    return free


def test_all_is_well(site: Site, port: int) -> None:
    """It is asked on a socket of its own, has nothing else, and devices find nothing of it on theirs."""
    with serving(site) as door:
        assert health(port) == (
            200,
            {"ok": True, "devices": 1, "silent": [], "waiting_bodies": 0, "journal": "ok", "clock": "ok"},
        )
        assert asked(port, "HEAD /health")[0] == 200
        others = ["GET /", "GET /health/", "POST /health", f"GET /iclock/cdata?SN={SERIAL}&options=all"]
        assert {asked(port, other)[0] for other in others} == {404}
        assert (
            asked(port, f"POST /iclock/cdata?SN={SERIAL}&table=ATTLOG", "1\t2026-11-22 08:59:58\t0\t1")[0]
            == 404
        )
        assert door.ask("/health").status == 404


def test_punches_that_cannot_be_taken(site: Site, port: int) -> None:
    """While punches are not taken it is 503 with the reason; then 200 again, though nobody brings any."""
    with quick(site) as door:
        assert door.push(line("1001", "2026-11-22 08:59:58")).status == 200
        with inside(site.journal) as db:
            db.execute("BEGIN IMMEDIATE")
            assert door.push(line("1001", "2026-11-22 09:59:58")).status == 503
            status, document = health(port)
            assert (status, document["ok"]) == (503, False)
            assert "locked" in document["journal"]
        wait_for(lambda: health(port)[0] == 200)


def test_slow_callers_hold_nobody_up(site: Site, port: int) -> None:
    """Many that say nothing, or half of a head, are in nobody's way."""
    with serving(site):
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
        for one in idle[:20]:
            one.sendall(b"GET /hea")
        began = time.monotonic()
        assert health(port)[0] == 200
        assert time.monotonic() - began < 2
        for one in idle:
            one.close()


def test_an_address_that_is_taken(site: Site, port: int) -> None:
    """Where it cannot be told, serve does not start: 78, with the address."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        told = site.run("serve")
    assert told.code == 78
    assert f"cannot listen on 127.0.0.1:{port}: " in told.err
