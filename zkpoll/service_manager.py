"""What a service manager is told: that the program is ready, alive, about to stop (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def notify(text: str, env: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager `READY=1`, `WATCHDOG=1`, `STOPPING=1` or the like; nothing without one."""
    where = env.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out,
        suppress(OSError),  # a manager that is gone is no reason to stop
    ):
        out.sendto(text.encode(), where.replace("@", "\0", 1) if where.startswith("@") else where)


def watchdog_interval(env: Mapping[str, str] = os.environ) -> float | None:
    """Return the seconds within which `WATCHDOG=1` is awaited (WatchdogSec); None if it is not."""
    microseconds = env.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
