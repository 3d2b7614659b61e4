"""The brokers that workers are tried with: how they go away, what waits in them, what others put there."""

from __future__ import annotations

import atexit
import socket
import subprocess
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import pytest
from amqp.exceptions import ChannelError
from kombu.connection import Connection
from kombu.entity import Queue

from tests.bridge.relays import Relay
from tests.fleet.own_redis import PROGRAM, SECRET, WHY_NOT, OwnRedis

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from kombu.message import Message

SITES: Final = ("dhaka", "sylhet", "khulna")
"""Of all inventories here, if they have so many."""
KINDS: Final = ("redis", "rabbitmq")
_PORT: Final = 5672
"""Of a RabbitMQ on loopback, as it is installed."""
_PATIENCE: Final = 60.0
"""Seconds that rabbitmqctl has: it starts a machine of its own."""


class Broker(Protocol):
    """A broker of a test's own, which can go away and come back. Its password is `SECRET`."""

    url: str

    def away(self) -> None:
        """Let nobody reach it."""

    def back(self) -> None:
        """Let everybody reach it again."""


@contextmanager
def broker(kind: str) -> Iterator[Broker]:
    """Give a broker of a kind; skip the test where there is none."""
    if kind == "redis" and not PROGRAM:
        pytest.skip(WHY_NOT)
    with InRedis() if kind == "redis" else InRabbit() as one:
        yield one


# --- Redis ---


class InRedis(OwnRedis):
    """A Redis that is killed and begun empty."""

    def away(self) -> None:
        """Kill it."""
        self.kill()

    def back(self) -> None:
        """Start it empty."""
        self.start()


# --- RabbitMQ ---


class InRabbit:
    """A part of the machine's RabbitMQ, behind a line that can be cut; what waits in it stays there.

    All of a process are one after the other in the same part, and each begins without queues.
    """

    def __init__(self) -> None:
        self._name = _room()
        self._line = Relay(_PORT)
        self._ends = ExitStack()
        self.url = f"amqp://{self._name}:{SECRET}@127.0.0.1:{self._line.port}/{self._name}"

    def __enter__(self) -> Self:
        self._ends.enter_context(self._line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()
        with Connection(f"amqp://{self._name}:{SECRET}@127.0.0.1:{_PORT}/{self._name}") as connection:
            for queue in QUEUES:
                connection.channel().queue_delete(queue)

    def away(self) -> None:
        """Cut the line."""
        self._ends.close()

    def back(self) -> None:
        """Mend it, at the same port."""
        self._line = self._ends.enter_context(Relay(_PORT, self._line.port))


@cache
def _room() -> str:
    """Make a virtual host and its user, and return the name of both; skip the test where that cannot be.

    They are made once in this process, and go with it: each order starts a machine for some seconds.
    """
    name = f"zkpoll-{uuid.uuid4().hex[:12]}"
    try:
        socket.create_connection(("127.0.0.1", _PORT), timeout=2).close()
        _control("add_vhost", name)
        _control("add_user", name, SECRET)
        _control("set_permissions", "-p", name, name, ".*", ".*", ".*")
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no RabbitMQ on 127.0.0.1:{_PORT} that takes our orders: {error}")
    atexit.register(_control, "delete_user", name)
    atexit.register(_control, "delete_vhost", name)
    return name


def _control(*words: str) -> None:
    command = ["rabbitmqctl", *words]
    subprocess.run(command, capture_output=True, check=True, timeout=_PATIENCE)


# --- what is in them ---


@dataclass(frozen=True)
class Letter:
    """A message as it lies in a queue."""

    body: bytes | str
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    headers: dict[str, Any] | None = None
    correlation_id: str = ""


QUEUES: Final = ("zkpoll.visit", *(f"zkpoll.site.{site}" for site in SITES), "zkpoll.deliver")
"""Of what has no site, of each site, of deliveries."""


def waiting(there: Broker, queue: str) -> int:
    """Return how many messages wait in a queue; 0 where there is no such queue."""
    with Connection(there.url) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)
        except ChannelError:
            return 0


def take_out(there: Broker, queue: str) -> list[Letter]:
    """Take all messages out of a queue, the first one first."""
    with Connection(there.url) as connection:
        bound = Queue(queue, channel=connection.channel())
        return [_letter(one) for one in iter(lambda: bound.get(no_ack=True), None)]


def _letter(message: Message) -> Letter:
    return Letter(
        message.body,
        message.content_type,
        message.content_encoding,
        dict(message.headers),
        message.properties.get("correlation_id", ""),
    )


def put_in(there: Broker, queue: str, letters: Iterable[Letter]) -> None:
    """Put messages into a queue, behind those that wait there."""
    with Connection(there.url) as connection, connection.Producer() as producer:
        for one in letters:
            producer.publish(
                one.body,
                routing_key=queue,
                content_type=one.content_type,
                content_encoding=one.content_encoding,
                headers=one.headers or {},
                correlation_id=one.correlation_id,
            )
