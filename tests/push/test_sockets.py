"""Sockets that listen: bound, or handed over by systemd; and the limit on open files."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import Final

import pytest

from zkpoll.errors import ExitCode, InventoryError
from zkpoll.push.sockets import address_of, open_sockets

TELL: Final = """
from zkpoll.errors import InventoryError
from zkpoll.push.sockets import address_of, open_sockets
try:
    found = open_sockets("systemd")
    print([address_of(one) for one in found], [one.get_inheritable() for one in found])
    caller = found[0].accept()[0]
    caller.sendall(b"from the child")
except InventoryError as error:
    print(error)
"""
"""A program that takes the sockets of systemd, and answers the first caller of the first."""
NONE: Final = (
    "cannot listen on systemd: systemd has handed over no socket; start the .socket unit, not the program"
)
WRONG: Final = (
    "cannot listen on systemd: of the sockets that systemd has handed over one is no listening TCP socket"
)


def activated(
    sockets: list[socket.socket], told: int | None = None, pid: str = "$$"
) -> subprocess.Popen[str]:
    """Start `TELL` as systemd would: its sockets are files 3 and above, and the variables say so."""
    numbers = [one.fileno() for one in sockets]
    moves = "".join(f" {at}<&{number}" for at, number in enumerate(range(100, 100 + len(numbers)), 3))
    high = "".join(f"exec {at}<&{number}; " for at, number in enumerate(numbers, 100))
    count = len(sockets) if told is None else told
    script = f'{high}LISTEN_FDS={count} LISTEN_PID={pid} exec "$0" -c "$1"{moves}'
    return subprocess.Popen(
        ["/bin/bash", "-c", script, sys.executable, TELL], pass_fds=numbers, stdout=subprocess.PIPE, text=True
    )


def said(sockets: list[socket.socket], told: int | None = None, pid: str = "$$") -> str:
    """Return what the program said."""
    with activated(sockets, told, pid) as program:
        assert program.stdout
        return program.stdout.read().strip()


def test_the_sockets_of_systemd_are_taken() -> None:
    """A program started with two sockets listens on both, serves who calls, and hands them to no child."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
        activated([one, two]) as program,
        socket.create_connection(one.getsockname(), 20) as caller,
    ):
        assert caller.recv(100) == b"from the child"
        assert program.stdout
        assert program.stdout.read().strip() == f"{[address_of(one), address_of(two)]} [False, False]"


@pytest.mark.parametrize(("told", "pid"), [(0, "$$"), (1, "1"), (1, "''")])
def test_no_sockets_are_no_listener(told: int, pid: str) -> None:
    """Without sockets, or with those of another process, it says what to start."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        assert said([one], told, pid) == NONE


def test_other_sockets_are_refused() -> None:
    """A socket that is connected, of datagrams, or of a path, or a file that is none, is refused."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        connected = stack.enter_context(socket.create_connection(listening.getsockname()))
        datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        pair = [stack.enter_context(one) for one in socket.socketpair()]
        for other in (connected, datagrams, pair[0]):
            assert said([listening, other]) == WRONG
        assert said([listening], told=2).startswith("cannot listen on systemd: ")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("8081", "write HOST:PORT, such as 0.0.0.0:8081 or [::]:8081"),
        ("192.0.2.1:8081", "cannot assign requested address"),
    ],
)
def test_an_address_that_cannot_be_had_is_named(where: str, why: str) -> None:
    """The error names the address and the reason, and ends the program with 78."""
    with pytest.raises(InventoryError) as raised:
        open_sockets(where)
    assert str(raised.value) == f"cannot listen on {where}: {why}"
    assert raised.value.exit_code is ExitCode.INVENTORY


LIMITS: Final = """
import resource, sys
from zkpoll.push.sockets import allow_connections
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(allow_connections(wanted), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "found"),
    [
        (1024, 8192, "2000 2256 8192"),
        (4096, 8192, "2000 4096 8192"),
        (1024, 1024, "768 1024 1024"),
        (300, 300, "150 300 300"),
    ],
)
def test_as_many_connections_as_files(soft: int, hard: int, found: str) -> None:
    """The limit on open files is raised as connections need it; no more are taken than it bears."""
    told = [sys.executable, "-c", LIMITS, str(soft), str(hard), "2000"]
    assert subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip() == found
