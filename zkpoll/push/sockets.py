"""Sockets that listen: bound here, or handed over by systemd; and how many a process may have open."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from zkpoll.errors import InventoryError, reason
from zkpoll.push.addresses import host_and_port, written

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEMD: Final = "systemd"
"""The address that stands for the sockets systemd hands over."""
BACKLOG: Final = 1024
"""Connections that wait in the kernel until they are accepted."""
_FIRST_HANDED_OVER: Final = 3
"""sd_listen_fds(3): they follow stdin, stdout and stderr."""
_OTHER_FILES: Final = 256
"""Files that the process needs besides: the journal, connections to dashboards, logs."""


def open_sockets(where: str, env: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Given an address or `systemd`, return sockets that listen. Raise `InventoryError` with the reason."""
    try:
        return _handed_over(env) if where == SYSTEMD else [_bound(*host_and_port(where))]
    except ValueError as error:
        raise InventoryError(f"cannot listen on {where}: {error}") from error
    except OSError as error:
        raise InventoryError(f"cannot listen on {where}: {reason(error)}") from error


def address_of(listening: socket.socket) -> str:
    """Given a socket, return its address and its real port: `127.0.0.1:8081`."""
    host, port = listening.getsockname()[:2]
    return written(host, port)


def allow_connections(wanted: int) -> int:
    """Raise the limit on open files as far as `wanted` connections need; return how many it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= files:
        return wanted
    if hard != resource.RLIM_INFINITY:
        files = min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(files - _OTHER_FILES, files // 2)


def _bound(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
    )[0]
    with ExitStack() as unless_it_listens:
        made = unless_it_listens.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # [::] takes IPv4, too
        made.bind(address)
        made.listen(BACKLOG)
        unless_it_listens.pop_all()
    return made


def _handed_over(env: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets of LISTEN_FDS. LISTEN_PID says whose they are: a child inherits the variables."""
    count = env.get("LISTEN_FDS", "")
    if env.get("LISTEN_PID") != str(os.getpid()) or not (count.isascii() and count.isdigit() and int(count)):
        raise ValueError("systemd has handed over no socket; start the .socket unit, not the program")
    with ExitStack() as unless_all_listen:
        found = []
        for number in range(_FIRST_HANDED_OVER, _FIRST_HANDED_OVER + int(count)):
            os.set_inheritable(number, False)
            found.append(unless_all_listen.enter_context(socket.socket(fileno=number)))
        if not all(_listens(one) for one in found):
            raise ValueError("of the sockets that systemd has handed over one is no listening TCP socket")
        unless_all_listen.pop_all()
    return found


def _listens(one: socket.socket) -> bool:
    return (
        one.family in (socket.AF_INET, socket.AF_INET6)
        and one.type == socket.SOCK_STREAM
        and bool(one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    )
