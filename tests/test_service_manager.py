"""What a service manager is told."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from zkpoll.service_manager import notify, watchdog_interval

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_it_is_told(tmp_path: Path, kind: str) -> None:
    """A word reaches the manager by a path and by an abstract name."""
    where = str(tmp_path / "notify") if kind == "path" else f"@zkpoll-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(where.replace("@", "\0"))
        notify("READY=1", {"NOTIFY_SOCKET": where})
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    "env", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/no/such"}, {"NOTIFY_SOCKET": "vsock:2:1"}]
)
def test_nobody_is_told(env: dict[str, str]) -> None:
    """Without a manager, or with one that is gone, nothing happens."""
    notify("READY=1", env)


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_it_wants_to_hear(env: dict[str, str], seconds: float | None) -> None:
    """The interval is the manager's, where it is meant for this process."""
    assert watchdog_interval(env) == seconds
