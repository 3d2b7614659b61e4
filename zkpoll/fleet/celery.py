"""The engine: Celery, with queues at a broker (Redis, or RabbitMQ). Nothing else of zkpoll knows it.

A message is acknowledged when a thread begins with it: a broker that gives it out again, as Redis does after
an hour, would only give out what is done. No results, no retries, no schedule: the journal has all of that.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from celery import Celery, bootsteps, signals
from celery.exceptions import InvalidTaskError
from celery.worker import WorkController, state
from celery.worker.strategy import default
from kombu import Connection, Exchange, Queue
from kombu.exceptions import KombuError

from zkpoll.fleet.dispatch import BrokerAway
from zkpoll.model.printable import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zkpoll.fleet.dispatch import Message

_log = logging.getLogger(__name__)

_TASK: Final = "zkpoll.errand"
_EXCHANGE: Final = Exchange("zkpoll", type="direct")
_WAIT: Final = 5.0
"""Seconds that a sender waits for the broker, each time."""
_REST: Final = 2 * _WAIT
"""Seconds until a broker that refuses us is tried again: time enough to tell that it does."""
_SAME: Final = 60.0
"""Seconds until the same words of the engine are logged again."""
_LOOK: Final = 0.2
"""Seconds between two looks at whether a worker is to end."""


class Queues:
    """The queues at one broker, to send to. A context manager that closes the way there."""

    def __init__(self, url: str, address: str) -> None:
        """`url` has the password, `address` is what people may read."""
        self._url = url
        self._address = address
        self._app = _app(url, self._sending())
        self._connection = self._app.connection_for_write(connect_timeout=_WAIT)
        self._failures = _failures(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(*self._failures):
            self._connection.release()

    def send(self, queue: str, messages: Sequence[Message], most: int) -> None:
        """Send messages to a queue, which never has more than `most` that count.

        What it has beyond that is over, as nobody takes it: it is emptied first. Raise `BrokerAway` where any
        of them may not be there.
        """
        try:
            self._connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=_WAIT)
            bound = _queue(queue)(self._connection.default_channel)
            bound.declare()
            if bound.queue_declare().message_count > most:
                bound.purge()
            with self._app.amqp.Producer(self._connection) as producer:
                for one in messages:
                    self._app.send_task(
                        _TASK,
                        (one.subject, one.until.isoformat()),
                        queue=_queue(queue),
                        producer=producer,
                        expires=one.until,
                        retry=False,
                        confirm_timeout=_WAIT,
                    )
        except self._failures as error:
            raise BrokerAway(f"{self._address} does not answer: {_words(error)}") from error

    def _sending(self) -> dict[str, Any]:
        """Return what the transport is told for a sender, so that each of its waits ends."""
        if self._url.startswith("amqp"):
            return {"confirm_publish": True, "read_timeout": _WAIT, "write_timeout": _WAIT}
        return {"socket_connect_timeout": _WAIT, "socket_timeout": _WAIT}


class Consumer:
    """One worker's way from queues to its threads."""

    def __init__(
        self, url: str, queues: Sequence[str], threads: int, connected: Callable[[str | None], None]
    ) -> None:
        """`connected` is called each time that the broker answers, with None, or is lost, with the reason.

        First when it does, or is late.
        """
        self._url = url
        self._queues = queues
        self._threads = threads
        self._connected = connected

    def consume(self, carry: Callable[[str, datetime], None], stop: threading.Event) -> None:
        """Call `carry` with the subject and `until` of each message, until `stop` is set; then return.

        A broker that is away, or refuses us, is waited for. A message that is none of ours is dropped, and
        that is logged.
        """
        app = _app(self._url, {"socket_keepalive": True} if not self._url.startswith("amqp") else {})
        app.conf.task_queues = [_queue(one) for one in self._queues]
        link = _Link(self._connected)

        def errand(subject: str, until: str) -> None:
            carry(subject, datetime.fromisoformat(until).astimezone(UTC))

        class Watch(bootsteps.StartStopStep):  # type: ignore[misc]
            """The step of the consumer that stands while there is a connection."""

            requires = ("celery.worker.consumer.tasks:Tasks",)

            def start(self, _: object) -> None:
                link.up()

            def stop(self, _: object) -> None:
                link.down()

        app.set_default()  # its threads look there for the task; one that is shared would be the first app's
        app.task(name=_TASK, shared=False, Strategy=staticmethod(_careful))(errand)
        app.steps["consumer"].add(Watch)
        state.should_stop = state.should_terminate = None
        with _own_words(_failures(app.connection_for_read()), link.fails), link.watched(stop):
            self._controller(app).start()
            while not stop.wait(_REST):  # it ends by itself where a broker answers, and refuses us
                self._controller(app).start()

    def _controller(self, app: Celery) -> WorkController:
        """Return the engine itself; it works once."""
        return WorkController(
            app=app,
            hostname=f"zkpoll-{os.getpid()}@{socket.gethostname()}",
            pool_cls="threads",
            concurrency=self._threads,
            queues=[_queue(one).name for one in self._queues],
            without_gossip=True,
            without_mingle=True,
        )


def _careful(task: Any, app: Celery, consumer: Any) -> Callable[..., None]:
    """Return the engine's own way to take a message, but for two of its habits, which end or stop a worker.

    A message in a strange form ends it, and the broker would give that one to the next. And a message whose
    acknowledgement fails counts as unacknowledged for ever: after as many as there are threads no more come.
    """
    usual = default(task, app, consumer)

    def take(message: Any, payload: object, ack: Callable[..., None], *more: Any) -> None:
        def acknowledge() -> None:
            if message.channel is consumer.task_consumer.channel:  # else the broker has given it up
                message.ack()  # where that fails, the connection is lost, and made anew

        def soon(*how: Any) -> None:
            if consumer.hub is None:
                ack(*how)
            else:
                consumer.hub.call_soon(acknowledge)

        try:
            usual(message, payload, soon, *more)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InvalidTaskError(f"a message in a strange form: {error}") from error

    return take


class _Link:
    """Whether a worker has its broker; what lasts is told."""

    def __init__(self, told: Callable[[str | None], None]) -> None:
        self._told = told
        self._why = "no word from it"
        self._is_up = False
        self._was_told: bool | None = None
        self._changed_at = time.monotonic()

    def up(self) -> None:
        self._set(is_up=True)

    def down(self) -> None:
        self._set(is_up=False)

    def fails(self, why: str) -> None:
        """Note why it has none."""
        self._why = why

    def _set(self, *, is_up: bool) -> None:
        if is_up is not self._is_up:  # a broker that refuses us is tried, and lost, several times a second
            self._is_up, self._changed_at = is_up, time.monotonic()

    @contextmanager
    def watched(self, stop: threading.Event) -> Iterator[None]:
        """Tell how it stands while inside, and end the worker once `stop` is set."""
        ended = threading.Event()

        def watch() -> None:
            while not (stop.wait(_LOOK) or ended.is_set()):
                late = time.monotonic() - self._changed_at > _WAIT
                if self._is_up is not self._was_told and (self._is_up or late):
                    self._was_told = self._is_up
                    self._told(None if self._is_up else self._why)
            state.should_stop = os.EX_OK

        watching = threading.Thread(target=watch, name="broker", daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()


class _Words(logging.Handler):
    """The engine's own log: that something was dropped is said in ours; the rest is not for people."""

    def __init__(self, failures: tuple[type[BaseException], ...], fails: Callable[[str], None]) -> None:
        """`fails` is told of each of the `failures` of a broker."""
        super().__init__()
        self._failures = failures
        self._fails = fails
        self._said_at: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Log that a message was dropped, or that the engine failed; the same no more than once a minute."""
        found, message = record.args if isinstance(record.args, tuple) else (), record.getMessage()
        for error in (one for one in found if isinstance(one, self._failures)):
            self._fails(_words(error))
        if self._is_said(message):
            return
        first = shown(message.splitlines()[0][:200])
        if record.levelno >= logging.CRITICAL or record.exc_info:
            _log.warning("the engine dropped a message, or failed: %s", first)
        else:
            _log.info("%s", first)

    def _is_said(self, message: str) -> bool:
        """Say whether a message was logged a moment ago; it is by now."""
        now = time.monotonic()
        self._said_at = {one: at for one, at in self._said_at.items() if now - at < _SAME}
        is_said = message in self._said_at
        self._said_at.setdefault(message, now)
        return is_said


def _dropped(*_: object, **found: Any) -> None:
    _log.warning(
        "a message that is none of zkpoll's was dropped: %s", shown(str(found.get("name") or "no task"))
    )


@contextmanager
def _own_words(failures: tuple[type[BaseException], ...], fails: Callable[[str], None]) -> Iterator[None]:
    """Let what the engine logs be said in our log while inside; `fails` is told of a broker's `failures`."""
    loggers = [logging.getLogger(name) for name in ("celery", "kombu", "amqp")]
    before = [(one, one.propagate, one.level) for one in loggers]
    handler = _Words(failures, fails)
    for one in loggers:
        one.addHandler(handler)
        one.propagate = False
        one.setLevel(logging.ERROR)
    for signal in (signals.task_unknown, signals.task_rejected):
        signal.connect(_dropped)
    try:
        yield
    finally:
        for signal in (signals.task_unknown, signals.task_rejected):
            signal.disconnect(_dropped)
        for one, propagate, level in before:
            one.removeHandler(handler)
            one.setLevel(level)
            one.propagate = propagate


def _app(url: str, transport: dict[str, Any]) -> Celery:
    app = Celery("zkpoll", broker=url, set_as_current=False, fixups=[])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        enable_utc=True,
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_default_delivery_mode="transient",  # the journal is what remembers
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=_WAIT,
        broker_transport_options=transport,
        broker_use_ssl=_proof(url),
    )
    return app


def _failures(way: Connection) -> tuple[type[BaseException], ...]:
    """Return what is raised on the way to a broker where that is away, or refuses us."""
    return (*way.connection_errors, *way.channel_errors, KombuError, OSError)


def _proof(url: str) -> dict[str, Any] | None:
    """Return how a broker proves who it is: by a certificate in the name of its host. None without TLS.

    By themselves the transports take any certificate (Redis), or one of any name (RabbitMQ).
    """
    parts = urlsplit(url)
    if parts.scheme == "rediss":
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if parts.scheme == "amqps":
        return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}
    return None


def _queue(name: str) -> Queue:
    full = f"zkpoll.{name}"
    return Queue(full, _EXCHANGE, routing_key=full)


def _words(error: BaseException) -> str:
    """Return what is wrong in one line; the URL with its password is in none."""
    text = getattr(error, "reply_text", None) or str(error)  # that of RabbitMQ, without numbers around it
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")
