"""Things that answer on a port and are no terminal."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HANDED_OUT: Final = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
"""From here on the system gives ports to whoever asks for any."""


@contextmanager
def peer(answer: Callable[[bytes], bytes | None]) -> Iterator[tuple[str, int]]:
    """Answer each read on a TCP port with what `answer` makes of it; None hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()
        thread = threading.Thread(target=_serve, args=(server, answer, stop))
        thread.start()
        try:
            yield server.getsockname()[:2]
        finally:
            stop.set()
            thread.join()


def _serve(server: socket.socket, answer: Callable[[bytes], bytes | None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            client, _ = server.accept()
        except TimeoutError:
            continue
        with client:
            client.settimeout(0.1)
            _converse(client, answer, stop)


def _converse(client: socket.socket, answer: Callable[[bytes], bytes | None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            data = client.recv(65536)
            reply = answer(data) if data else None
            if reply is None:
                return
            client.sendall(reply)
        except TimeoutError:
            continue
        except OSError:
            return  # the client is gone


@contextmanager
def closed_port() -> Iterator[tuple[str, int]]:
    """Give a loopback address that nobody listens on."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()


def free_ports(count: int) -> list[int]:
    """Return ports for a program that can't be told to take any.

    None is one that the system hands out by itself: between this look and that program's start, another
    test would be given it, and the calls meant for the program would reach a stranger.
    """
    free: list[int] = []
    for port in random.SystemRandom().sample(range(10_000, _HANDED_OUT), 1000):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise AssertionError("no port is free")


def listens(port: int) -> bool:
    """Say whether anybody listens on a port of this machine."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
