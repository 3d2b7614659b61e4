"""The loop for one destination, against a real server."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.delivery.dashboard import DROP, Dashboard, MuteServer, Script
from tests.delivery.outbox import MemoryOutbox, some_events
from zkpoll.delivery.access import Access
from zkpoll.delivery.deliver import Delivered, Destination, deliver

if TYPE_CHECKING:
    from collections.abc import Sequence

Serve = Callable[..., Dashboard]

TOKEN = "s3cret-t0ken-9f8e7d6c"


def destination(
    url: str,
    format: str = "events",  # noqa: A002
    batch_size: int = 2,
    timeout: float = 5.0,
    attempts: int = 3,
    retry_wait: float = 0.01,
) -> Destination:
    """Return a destination that waits as little as a test can bear."""
    return Destination("main", Access(url, timeout, TOKEN), format, batch_size, attempts, retry_wait)


def run(
    outbox: MemoryOutbox,
    where: Destination,
    *,
    more: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> Delivered:
    """Deliver, by default what is there already."""
    return deliver(outbox, where, more=more, progress=progress, stop=stop or threading.Event())


def ids(count: int) -> list[str]:
    """Return the ids of the first events there are."""
    return [event.id for event in some_events(count)]


def test_all_confirmed_in_order(serve: Serve) -> None:
    """Everything pending goes out, oldest first, and each answer confirms exactly its own request."""
    server, outbox, steps = serve(), MemoryOutbox(some_events(5)), list[int]()
    assert run(outbox, destination(server.url), progress=steps.append) == Delivered(5, 3)
    assert [got.ids for got in server.received] == [list(one) for one in outbox.confirmations]
    assert (outbox.confirmed, outbox.left, steps) == (ids(5), [], [2, 2, 1])


def test_one_event_a_request(serve: Serve) -> None:
    """The format `event` sends bare events, and confirms each as soon as it is answered for."""
    server, outbox = serve(Script(), Script(), Script(400)), MemoryOutbox(some_events(4))
    result = run(outbox, destination(server.url, format="event", batch_size=500))
    assert (result.confirmed, result.requests, result.kind) == (2, 3, "refused")
    assert outbox.confirmations == [(one,) for one in ids(2)]
    assert outbox.left == ids(4)[2:]


def test_nothing_pending_sends_nothing(serve: Serve) -> None:
    """Without anything to send, no connection is made."""
    server = serve()
    assert run(MemoryOutbox(), destination(server.url)) == Delivered(0, 0)
    assert server.received == []


def test_more_comes_while_delivering(serve: Serve) -> None:
    """What readers journal meanwhile is sent as it comes, also what came with their last word."""
    server, outbox = serve(), MemoryOutbox(some_events(1))
    arrivals = [(some_events(3, first=2), True), ([], True), (some_events(1, first=5), False)]

    def more() -> bool:
        events, coming = arrivals.pop(0)
        outbox.add(events)
        return coming

    assert run(outbox, destination(server.url), more=more).confirmed == 5
    assert (outbox.left, arrivals) == ([], [])


@pytest.mark.parametrize("lost", [Script(503), Script(429), DROP, Script(delay=60), Script(trickle="body")])
def test_lost_answer(serve: Serve, lost: Script) -> None:
    """An answer that is lost or late is asked for again with the identical body and key."""
    server, outbox = serve(lost, lost, Script()), MemoryOutbox(some_events(2))
    assert run(outbox, destination(server.url, timeout=0.4)) == Delivered(2, 3)
    assert len({got.body for got in server.received}) == 1
    assert len({got.headers["Idempotency-Key"] for got in server.received}) == 1
    assert outbox.confirmations == [tuple(ids(2))]


def test_attempts_are_counted(serve: Serve) -> None:
    """After its attempts a dashboard is left alone for this run, whatever else is pending."""
    server, outbox = serve(Script(503, body=b"under maintenance")), MemoryOutbox(some_events(6))
    result = run(outbox, destination(server.url, attempts=4), more=_never_asked)
    assert (result.confirmed, result.requests, result.kind) == (0, 4, "unreachable")
    assert result.problem is not None
    assert "503" in result.problem
    assert "under maintenance" in result.problem
    assert len(server.received) == 4
    assert outbox.left == ids(6)


def test_each_request_has_its_attempts(serve: Serve) -> None:
    """Attempts spent on one batch are not taken from the next."""
    bad, good = Script(500), Script()
    server, outbox = serve(bad, bad, good, bad, bad, good), MemoryOutbox(some_events(4))
    assert run(outbox, destination(server.url)) == Delivered(4, 6)


@pytest.mark.parametrize(
    ("script", "kind", "hint"),
    [
        (Script(302, {"Location": "https://sso.example.com/"}), "configuration", "https://sso.example.com/"),
        (Script(401), "configuration", "token:"),
        (Script(403), "configuration", "rights"),
        (Script(404), "configuration", "url:"),
        (Script(200, {"Content-Type": "text/html"}, b"<html>Sign in"), "configuration", "login page"),
        (Script(400, body=b"no such device"), "refused", "no such device"),
        (Script(409, body=b"out of order"), "refused", "out of order"),
        (Script(413, body=b"too many"), "refused", "too many"),
        (Script(422, body=b"user 1001 unknown"), "refused", "user 1001 unknown"),
    ],
)
def test_no_second_attempt(serve: Serve, script: Script, kind: str, hint: str) -> None:
    """What another attempt cannot change is asked once; the batch stays, and a person is told."""
    server, outbox = serve(Script(), script), MemoryOutbox(some_events(5))
    result = run(outbox, destination(server.url), more=_never_asked)
    assert (result.confirmed, result.requests, result.kind) == (2, 2, kind)
    assert result.problem is not None
    assert hint in result.problem
    assert (outbox.confirmed, outbox.left) == (ids(2), ids(5)[2:])


def test_unusable_settings() -> None:
    """A URL that is none ends the delivery without an attempt being worth repeating."""
    result = run(MemoryOutbox(some_events(1)), destination("dashboard"))
    assert (result.confirmed, result.requests, result.kind) == (0, 1, "configuration")


def test_nobody_there() -> None:
    """A dashboard that is away costs its attempts, once, and is called unreachable."""
    with MuteServer() as gone:
        place = gone.place
    outbox = MemoryOutbox(some_events(4))
    result = run(outbox, destination(f"http://{place}/"))
    assert (result.confirmed, result.requests, result.kind) == (0, 3, "unreachable")
    assert outbox.left == ids(4)


def test_retry_after_is_honoured(serve: Serve) -> None:
    """A dashboard that asks for a second gets it, where the own wait would be shorter."""
    server = serve(Script(429, {"Retry-After": "1"}), Script())
    started = time.monotonic()
    assert run(MemoryOutbox(some_events(1)), destination(server.url)) == Delivered(1, 2)
    assert time.monotonic() - started >= 1


def test_stop_ends_the_wait(serve: Serve) -> None:
    """A stop ends the wait between two attempts at once: no further request, nothing blamed."""
    server, outbox, stop = serve(Script(503)), MemoryOutbox(some_events(1)), threading.Event()
    threading.Thread(target=_stop_when_seen, args=(server, stop)).start()
    started = time.monotonic()
    assert run(outbox, destination(server.url, retry_wait=30), stop=stop) == Delivered(0, 1)
    assert time.monotonic() - started < 2
    assert (len(server.received), outbox.left) == (1, ids(1))


def test_stop_between_batches(serve: Serve) -> None:
    """After a stop no new request begins; what was confirmed until then stays so."""
    server, outbox, stop = serve(), MemoryOutbox(some_events(6)), threading.Event()
    result = run(outbox, destination(server.url), progress=lambda _: stop.set(), stop=stop)
    assert result == Delivered(2, 1)
    assert outbox.confirmed == ids(2)


def test_stop_between_single_events(serve: Serve) -> None:
    """After a stop no new request begins in the middle of a batch either."""
    server, outbox, stop = serve(), MemoryOutbox(some_events(6)), threading.Event()
    where = destination(server.url, format="event", batch_size=6)
    assert run(outbox, where, progress=lambda _: stop.set(), stop=stop) == Delivered(1, 1)
    assert (outbox.confirmed, len(server.received)) == (ids(1), 1)


def test_stop_keeps_an_answer_that_comes(serve: Serve) -> None:
    """A request in flight at the stop still confirms, if its answer comes within moments."""
    server, outbox, stop = serve(Script(delay=0.4)), MemoryOutbox(some_events(4)), threading.Event()
    threading.Thread(target=_stop_when_seen, args=(server, stop)).start()
    assert run(outbox, destination(server.url), stop=stop) == Delivered(2, 1)


def test_stopped_before_it_began(serve: Serve) -> None:
    """A run that is already stopped sends nothing."""
    server, stop = serve(), threading.Event()
    stop.set()
    assert run(MemoryOutbox(some_events(1)), destination(server.url), stop=stop) == Delivered(0, 0)
    assert server.received == []


class _FullDisk(MemoryOutbox):
    def confirm(self, ids: Sequence[str]) -> None:  # noqa: ARG002
        raise OSError(28, "No space left on device")


def test_outbox_errors_are_its_own(serve: Serve) -> None:
    """A confirmation that cannot be written is the journal's failure, never counted, never hidden."""
    steps = list[int]()
    with pytest.raises(OSError, match="No space left"):
        run(_FullDisk(some_events(1)), destination(serve().url), progress=steps.append)
    assert steps == []


def test_token_stays_secret(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """No log, result or repr shows the token, even if the dashboard echoes it in everything it says."""
    caplog.set_level(logging.DEBUG)
    echo = {"Location": f"https://x/?token={TOKEN}", "X-Echo": TOKEN}
    shown = ""
    for status in (302, 401, 422, 503):
        server = serve(Script(status, echo, f"not you, {TOKEN}!".encode()))
        where = destination(server.url)
        shown += repr(where) + repr(run(MemoryOutbox(some_events(1)), where))
    assert "not you, ***!" in shown
    assert "again in" in caplog.text
    assert TOKEN not in shown + caplog.text


def _never_asked() -> bool:
    pytest.fail("a delivery that has ended must not wait for more")


def _stop_when_seen(server: Dashboard, stop: threading.Event) -> None:
    server.seen.wait()
    time.sleep(0.1)
    stop.set()
