"""`zkpoll serve` as a service manager starts it: with sockets, and with an ear for what it tells."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.peers import free_ports
from tests.serve.serving import AWAY, GATE, SERIAL, Heard, ask, journalled, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.site import Site

ACTIVATE: Final = shutil.which("systemd-socket-activate")
pytestmark = [
    pytest.mark.skipif(ACTIVATE is None, reason="systemd's tools are not on this machine"),
]


@contextmanager
def activated(site: Site, ports: list[int], manager: str) -> Iterator[subprocess.Popen[str]]:
    """Have systemd's own tool listen on `ports`, and start `serve` at the first call."""
    listen = [word for port in ports for word in ("--listen", f"127.0.0.1:{port}")]
    told = ["--setenv", f"NOTIFY_SOCKET={manager}", "--setenv", "TOKEN", "--setenv", "PYTHONPATH"]
    with subprocess.Popen(
        [ACTIVATE or "", *listen, *told, sys.executable, "-m", "zkpoll", "serve", "--config", site.inventory],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | site.environment | {"PYTHONPATH": str(Path.cwd())},
    ) as process:
        assert process.stderr
        for _ in ports:
            assert process.stderr.readline().startswith("Listening on ")
        yield process
        process.kill()


def test_serve_takes_its_sockets_and_tells_how_it_is(site: Site) -> None:
    """Two sockets are taken, the call that started it is answered, and the manager hears of each state."""
    site.write(AWAY, GATE, more="listen: {address: systemd}\n")
    one, two = free_ports(2)
    where = str(site.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(where)
        manager.settimeout(20)
        with activated(site, [one, two], where) as process:
            punch = f"{line('1001', '2026-11-22 08:59:58')}\n".encode()
            with socket.create_connection(("127.0.0.1", two), timeout=40) as first:
                assert ask(first, f"/iclock/cdata?SN={SERIAL}&table=ATTLOG", punch) == Heard(200, "OK: 1")
            assert manager.recv(100) == b"READY=1"
            with socket.create_connection(("127.0.0.1", one), timeout=40) as other:
                assert ask(other, f"/iclock/getrequest?SN={SERIAL}") == Heard(200, "OK")
            assert [manager.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=40) == 0
            told = {manager.recv(100)}
            while told == {b"WATCHDOG=1"}:
                told = {manager.recv(100)}
            assert told == {b"STOPPING=1"}
            assert process.stderr
            assert f"listening on 127.0.0.1:{one}, 127.0.0.1:{two}\n" in process.stderr.read()
    assert journalled(site) == [("1001", "2026-11-22T08:59:58")]


def test_without_a_socket_it_says_what_to_start(site: Site) -> None:
    """Started by hand with the service's inventory, it names the socket unit, and ends with 78."""
    site.write(AWAY, GATE, more="listen: {address: systemd}\n")
    refused = site.run("serve")
    assert refused.code == 78
    assert "systemd has handed over no socket; start the .socket unit, not the program" in refused.err
