"""A broker is believed for its certificate alone: what carries errands gives its password to nobody else."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from tests.certificates import Authority
from tests.fleet.tls_redis import SECRET, tls_redis
from zkpoll.fleet.celery import Consumer, Queues
from zkpoll.fleet.dispatch import BrokerAway, Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOGIN: Final = f":{quote(SECRET, safe='')}@"
UNTIL: Final = datetime.now(UTC) + timedelta(hours=1)
WRONG: Final = pytest.mark.parametrize(
    ("known", "place"), [(False, "IP:127.0.0.1"), (True, "DNS:broker.example.com")]
)
"""Whether we know the authority, and the name in the certificate."""


def know(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an authority among those that this machine knows."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))


def test_errands_go_by_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to a Redis that proves who it is comes to a worker."""
    with tls_redis(tmp_path, "IP:127.0.0.1") as address:
        know(tmp_path / "authority.pem", monkeypatch)
        url = address.replace("//", f"//{LOGIN}")
        with Queues(url, "rediss://127.0.0.1") as queues:
            queues.send("visit", [Message("visit gate", UNTIL)], 1)
        stop, taken = threading.Event(), []

        def carry(subject: str, until: datetime) -> None:
            taken.append((subject, until))
            stop.set()

        giving_up = threading.Timer(20, stop.set)
        giving_up.start()
        Consumer(url, ["visit"], 1, lambda _: None).consume(carry, stop)
        giving_up.cancel()
    assert taken == [("visit gate", UNTIL)]


@WRONG
def test_a_redis_that_cannot_prove_itself_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, place: str
) -> None:
    """One of an unknown authority, or with another one's certificate, is none."""
    with tls_redis(tmp_path, place) as address:
        if known:
            know(tmp_path / "authority.pem", monkeypatch)
        url = address.replace("//", f"//{LOGIN}")
        with Queues(url, "rediss://127.0.0.1") as queues, pytest.raises(BrokerAway, match="certificate"):
            queues.send("visit", [Message("visit gate", UNTIL)], 1)


@contextmanager
def heard_in_tls(folder: Path, place: str) -> Iterator[tuple[str, list[bytes]]]:
    """Run what speaks TLS and listens in the place of a RabbitMQ; give its URL, and what was said to it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*Authority(folder).issue("broker", place=place))
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        ended = threading.Event()

        def listen() -> None:
            while not ended.is_set():
                with suppress(OSError):
                    connection, _ = server.accept()
                    connection.settimeout(5)
                    with connection, context.wrap_socket(connection, server_side=True) as speaker:
                        heard.append(speaker.recv(8))

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            yield f"amqps://zkpoll{LOGIN}127.0.0.1:{server.getsockname()[1]}/zkpoll", heard
        finally:
            ended.set()
            listener.join(10)


def test_a_rabbitmq_that_proves_itself_is_spoken_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where authority and name are right, the protocol begins."""
    with heard_in_tls(tmp_path, "IP:127.0.0.1") as (url, heard):
        know(tmp_path / "authority.pem", monkeypatch)
        with Queues(url, "amqps://127.0.0.1") as queues, pytest.raises(BrokerAway):
            queues.send("visit", [Message("visit gate", UNTIL)], 1)
    assert heard[0] == b"AMQP\0\0\x09\x01"


@WRONG
def test_a_rabbitmq_that_cannot_prove_itself_hears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, place: str
) -> None:
    """One of an unknown authority, or with another one's certificate, hears no word."""
    with heard_in_tls(tmp_path, place) as (url, heard):
        if known:
            know(tmp_path / "authority.pem", monkeypatch)
        with Queues(url, "amqps://127.0.0.1") as queues, pytest.raises(BrokerAway, match="certificate"):
            queues.send("visit", [Message("visit gate", UNTIL)], 1)
    assert not any(heard)
