"""A broker that answers, and refuses: a worker says why, waits as for one that is away, and goes on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

import pytest

from tests.peers import free_ports, listens
from tests.waiting import wait_for
from zkpoll.fleet.celery import Consumer, Queues
from zkpoll.fleet.dispatch import BrokerAway, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM: Final = shutil.which("redis-server")
RABBIT: Final = "127.0.0.1:5672"


@contextmanager
def redis(*settings: str) -> Iterator[str]:
    """Run a Redis with settings of its own; give its address."""
    if PROGRAM is None:
        pytest.skip("there is no redis-server here")
    (port,) = free_ports(1)
    words = [PROGRAM, "--port", str(port), "--bind", "127.0.0.1", "--save", "", *settings]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: listens(port))
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


class Consuming:
    """A consumer in a thread; what it has told, and taken."""

    def __init__(self, url: str) -> None:
        self.told: list[str | None] = []
        self.taken: list[str] = []
        self.stop = threading.Event()
        consumer = Consumer(url, ["visit"], 1, self.told.append)
        self.thread = threading.Thread(
            target=consumer.consume, args=(lambda subject, _: self.taken.append(subject), self.stop)
        )

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        began = time.monotonic()
        self.stop.set()
        self.thread.join()
        assert time.monotonic() - began < 5


def refused(url: str) -> list[str | None]:
    """Return what a consumer tells of a broker within some seconds; it has to be there all the time."""
    with Consuming(url) as consuming:
        wait_for(lambda: bool(consuming.told), 15)
        assert consuming.thread.is_alive()
    return consuming.told


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "login", "words"),
    [
        (["--requirepass", "geheim"], "", "Authentication required"),
        (["--requirepass", "geheim"], ":falsch@", "invalid username-password pair"),
        (["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"], "", "maxmemory"),
    ],
    ids=["no password", "a wrong one", "full"],
)
def test_a_redis_that_refuses(settings: list[str], login: str, words: str) -> None:
    """It is told once, with its reason and without the password; the worker does not end."""
    with redis(*settings) as address:
        (told,) = refused(f"redis://{login}{address}/0")
    assert told is not None
    assert words in told
    assert "falsch" not in told


@pytest.mark.long
@pytest.mark.parametrize(
    ("login", "vhost", "words"),
    [("guest:falsch", "", "Login was refused"), ("guest:guest", "/nosuch", "vhost nosuch not found")],
    ids=["a wrong password", "no such vhost"],
)
def test_a_rabbitmq_that_refuses(login: str, vhost: str, words: str) -> None:
    """The same, though the engine tries several times a second."""
    if not listens(5672):
        pytest.skip("there is no RabbitMQ here")
    (told,) = refused(f"amqp://{login}@{RABBIT}{vhost}")
    assert told is not None
    assert words in told
    assert "falsch" not in told


@pytest.mark.long
def test_a_redis_that_is_full_no_more() -> None:
    """What is sent then comes to the worker that was refused."""
    with redis("--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as address:
        url, host = f"redis://{address}/0", address.split(":")
        until = datetime.now(UTC) + timedelta(hours=1)
        with Consuming(url) as consuming:
            wait_for(lambda: bool(consuming.told), 15)
            with Queues(url, url) as queues, pytest.raises(BrokerAway, match="maxmemory"):
                queues.send("visit", [Message("visit gate", until)], 1)
            with socket.create_connection((host[0], int(host[1]))) as line:
                line.sendall(b"CONFIG SET maxmemory 0\r\n")
                assert line.recv(100) == b"+OK\r\n"
            with Queues(url, url) as queues:
                queues.send("visit", [Message("visit gate", until)], 1)
            wait_for(lambda: bool(consuming.taken) and consuming.told[-1] is None, 20)
    assert consuming.taken == ["visit gate"]
