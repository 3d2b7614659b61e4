"""The loop for one destination, against a real server."""

from __future__ import annotations

import hashlib
import itertools
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.delivery.dashboard import DROP, Dashboard, MuteServer, Received, Script
from tests.delivery.outbox import MemoryOutbox, some_events
from zkpoll.delivery.access import Access
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.events import Events, SingleEvent
from zkpoll.delivery.loop import deliver
from zkpoll.model.delivery import SentRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from zkpoll.delivery.contract import Exchange
    from zkpoll.model.delivery import Batch, Settled
    from zkpoll.model.punch import Event

Serve = Callable[..., Dashboard]

TOKEN = "s3cret-t0ken-9f8e7d6c"


def destination(
    url: str,
    format: str = "events",  # noqa: A002
    batch_size: int = 2,
    timeout: float = 5.0,
    attempts: int = 3,
    retry_wait: float = 0.01,
    most: int | None = None,
) -> Destination:
    """Return a destination that waits as little as a test can bear."""
    access = Access(url, timeout, TOKEN)
    form = Events(secrets=(TOKEN,)) if format == "events" else SingleEvent(secrets=(TOKEN,))
    return Destination("main", access, form, batch_size, attempts, retry_wait, most)


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
    server, outbox = serve(Script(), Script(), Script(401)), MemoryOutbox(some_events(4))
    result = run(outbox, destination(server.url, format="event", batch_size=500))
    assert (result.confirmed, result.requests, result.kind) == (2, 3, "configuration")
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
        (Script(415, body=b"send XML"), "configuration", "format:"),
        (Script(410, body=b"moved to Mars"), "gone", "moved to Mars"),
        (Script(200, body=b'{"rejected": 2}'), "configuration", "rejects some"),
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
    assert outbox.in_flight == ids(4)[2:]


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


def test_gone_for_good(serve: Serve) -> None:
    """After a 410 nothing is sent in later runs either, until a person says otherwise."""
    server, outbox = serve(Script(410, body=b"moved to Mars")), MemoryOutbox(some_events(1))
    first = run(outbox, destination(server.url))
    assert first.kind == "gone"
    again = run(outbox, destination(server.url), more=_never_asked)
    assert (again.requests, again.kind, again.problem) == (0, "gone", first.problem)
    assert again.problem is not None
    assert "moved to Mars" in again.problem
    assert "zkpoll dashboards resume main" in again.problem
    outbox.gone = None
    assert run(outbox, destination(serve().url)) == Delivered(1, 1)


# --- what was in flight ---


def test_each_request_is_written_down_before_it_is_sent(serve: Serve) -> None:
    """What a request holds is written down as in flight before it is sent, and lands with its answer."""
    server, outbox = serve(), MemoryOutbox(some_events(5))
    run(outbox, destination(server.url))
    assert [list(one) for one in outbox.sent] == [got.ids for got in server.received]
    assert outbox.in_flight == []


def test_what_was_in_flight_goes_first_and_alone(serve: Serve) -> None:
    """A batch whose answer was lost is sent again as it was, byte for byte, though more is pending now."""
    lost, outbox = serve(DROP), MemoryOutbox(some_events(3))
    run(outbox, destination(lost.url, batch_size=3))
    outbox.add(some_events(5, first=4))
    server = serve()
    assert run(outbox, destination(server.url, batch_size=4)) == Delivered(8, 3)
    assert server.received[0].body == lost.received[0].body
    assert server.received[0].headers["Idempotency-Key"] == lost.received[0].headers["Idempotency-Key"]
    assert [len(got.ids) for got in server.received] == [3, 4, 1]


def in_flight(outbox: MemoryOutbox, *scripts: Script, serve: Serve, **settings: Any) -> Received:
    """Let the answer to a first request be lost, and return that one."""
    lost = serve(*(scripts or (DROP,)))
    run(outbox, destination(lost.url, **settings))
    return lost.received[0]


def same(one: Received, other: Received) -> bool:
    """Say whether two requests are the same, byte for byte, under the same key."""
    keys = [got.headers["Idempotency-Key"] for got in (one, other)]
    return one.body == other.body and keys[0] == keys[1] == hashlib.sha256(one.body).hexdigest()


def test_settings_change_no_request_in_flight(serve: Serve) -> None:
    """Where requests hold other things now, one in flight is sent as it was, and the rest as they do."""
    for settings in ({"batch_size": 1}, {"format": "event"}, {"batch_size": 9}):
        outbox = MemoryOutbox(some_events(4))
        lost = in_flight(outbox, batch_size=3, serve=serve)
        server = serve()
        assert run(outbox, destination(server.url, **settings)).confirmed == 4
        assert len(server.received) == 2
        assert same(lost, server.received[0])


def test_a_method_is_kept_as_well(serve: Serve) -> None:
    """A request goes again by the method that it was sent by."""
    outbox, server = MemoryOutbox(some_events(2)), serve()
    outbox.send(SentRequest(tuple(ids(2)), "GET", "key", b"bytes"))
    assert run(outbox, destination(server.url)) == Delivered(2, 1)
    (got,) = server.received
    assert (got.method, got.body, got.headers["Idempotency-Key"]) == ("GET", b"bytes", "key")


@pytest.mark.parametrize(
    "answer", [Script(422), Script(400), Script(413), Script(415), Script(200, body=b"<p>")]
)
def test_a_refusal_lets_the_settings_of_now_take_effect(serve: Serve, answer: Script) -> None:
    """One in flight that is answered and not taken is made anew: perhaps they were put right since."""
    outbox = MemoryOutbox(some_events(3))
    lost = in_flight(outbox, batch_size=3, serve=serve)
    server = serve(lambda request: answer if request.body == lost.body else Script())
    assert run(outbox, destination(server.url, batch_size=2)) == Delivered(3, 3)
    assert [len(got.ids) for got in server.received] == [3, 2, 1]
    assert outbox.requests == []


def test_a_refusal_of_what_is_the_same_now(serve: Serve) -> None:
    """One in flight that today's settings make alike is taken apart as any other, and not sent twice."""
    outbox = MemoryOutbox(some_events(4))
    in_flight(outbox, batch_size=4, serve=serve)
    server = serve(guilty(3))
    assert run(outbox, destination(server.url, batch_size=4)) == Delivered(3, 5, parked=1)
    assert [len(got.ids) for got in server.received] == [4, 2, 2, 1, 1]
    outbox = MemoryOutbox(some_events(4))
    in_flight(outbox, batch_size=4, serve=serve)
    assert run(outbox, destination(serve(Script(415)).url, batch_size=4)).requests == 1


@pytest.mark.parametrize("script", [DROP, Script(503), Script(409), Script(raw=b"no HTTP")])
def test_no_answer_lets_go_of_nothing(serve: Serve, script: Script) -> None:
    """Where nobody answers, run after run, the same request is sent, whatever the settings say."""
    outbox = MemoryOutbox(some_events(3))
    lost = in_flight(outbox, batch_size=3, serve=serve)
    with MuteServer() as gone:
        nowhere = f"http://{gone.place}/"
    for size in (1, 2, 1):
        assert run(outbox, destination(nowhere, batch_size=size)).kind == "unreachable"
    server = serve(script)
    assert run(outbox, destination(server.url, batch_size=1, attempts=2)).kind == "unreachable"
    assert [same(lost, got) for got in server.received] == [True, True]
    unusable = run(outbox, destination("no address", batch_size=1))
    assert (unusable.kind, unusable.requests) == ("configuration", 1)
    outbox.add(some_events(1, first=4))
    server = serve()
    assert run(outbox, destination(server.url, batch_size=1)) == Delivered(4, 2)
    assert (server.received[0].ids, same(lost, server.received[1])) == (ids(4)[3:], True)


def test_what_did_not_go_out_is_not_in_flight(serve: Serve) -> None:
    """Without a connection nobody has a request, and it is made anew; one that was lost stays in flight."""
    with MuteServer() as gone:
        nowhere = f"http://{gone.place}/"
    outbox, server = MemoryOutbox(some_events(3)), serve()
    run(outbox, destination(nowhere, batch_size=3))
    assert outbox.in_flight == []
    assert run(outbox, destination(server.url, batch_size=2)) == Delivered(3, 2)
    outbox = MemoryOutbox(some_events(3))
    lost = in_flight(outbox, batch_size=3, serve=serve)
    run(outbox, destination(nowhere, batch_size=2))
    assert [request.body for request, _ in outbox.requests] == [lost.body]


def test_a_secret_is_not_kept(serve: Serve) -> None:
    """A request whose body may hold a secret is in flight without its bytes."""
    outbox, lost = MemoryOutbox(some_events(2)), serve(DROP)
    where = destination(lost.url)
    run(outbox, replace(where, access=replace(where.access, in_bodies=(TOKEN,))))
    assert [request for request, _ in outbox.requests] == [SentRequest(tuple(ids(2)))]
    assert len({got.body for got in lost.received}) == 1


class _Counting(MemoryOutbox):
    most = 0
    """Punches that were in flight at a time, at most."""

    def send(self, request: SentRequest, ahead: Sequence[str] = ()) -> bool:
        new = super().send(request, ahead)
        self.most = max(self.most, len(self.in_flight))
        return new


def test_what_is_not_asked_about_goes_by_itself(serve: Serve) -> None:
    """No other punch is in flight with one that would be sent again, though its bytes are not kept."""
    outbox = _Counting(some_events(4))
    where = destination(serve().url, format="event", batch_size=1)
    result = run(outbox, replace(where, access=replace(where.access, in_bodies=(TOKEN,))))
    assert (result.confirmed, outbox.most) == (4, 1)


class _KnowsLater(Events):
    """A format that makes other bytes each time it is asked, and does not know all people at first."""

    made = 0

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:  # noqa: ARG002
        """Send those of known people."""
        type(self).made += 1
        known = events[:1] if self.made == 1 else events
        request = self.carry(known)
        return super().resend(replace(request, body=(request.body or b"") + b" " * self.made))


def test_a_repeat_within_a_run(serve: Serve) -> None:
    """A request goes again as it was also where the same punches would make another one by now."""
    outbox, server = MemoryOutbox(some_events(2)), serve(DROP, Script())
    where = replace(destination(server.url), format=_KnowsLater())
    assert run(outbox, where) == Delivered(2, 3)
    first, again, rest = server.received
    assert first.body == again.body
    assert (again.ids, rest.ids) == (ids(2)[:1], ids(2)[1:])
    assert outbox.confirmations == [tuple(ids(2)[:1]), tuple(ids(2)[1:])]


def test_settings_may_split_what_has_no_bytes(serve: Serve) -> None:
    """What is in flight without its bytes, of an older zkpoll, goes in as many requests as it takes."""
    outbox, server = MemoryOutbox(some_events(5)), serve()
    outbox.send(SentRequest(tuple(ids(4))))
    assert run(outbox, destination(server.url, batch_size=3)) == Delivered(5, 3)
    assert [len(got.ids) for got in server.received] == [3, 1, 1]


# --- records at fault ---


def guilty(*users: int) -> Callable[[Received], Script]:
    """Return a dashboard's way to treat a request: 422 while it holds one of these people's records."""
    bad = {some_events(1, first=user)[0].id for user in users}

    def treat(request: Received) -> Script:
        return Script(422, body=b"no such person") if bad & set(request.ids) else Script()

    return treat


def test_a_record_at_fault_stands_alone(serve: Serve) -> None:
    """It is found in few requests, parked with the dashboard's words, and holds up nobody."""
    server, outbox = serve(guilty(700)), MemoryOutbox(some_events(1000))
    result = run(outbox, destination(server.url, batch_size=1000))
    (bad,) = some_events(1, first=700)
    assert (result.confirmed, result.parked, result.problem) == (999, 1, None)
    assert result.requests <= 2 * 10 + 1
    assert (outbox.left, outbox.put_aside) == ([], [bad.id])
    assert "no such person" in outbox.refusals[bad.id]


@pytest.mark.parametrize("first", [1, 480])
def test_many_at_fault_among_others(serve: Serve, first: int) -> None:
    """A day of somebody the dashboard does not know is parked, wherever it lies, in one run."""
    server, outbox = serve(guilty(*range(first, first + 21))), MemoryOutbox(some_events(500))
    result = run(outbox, destination(server.url, batch_size=500))
    assert (result.confirmed, result.parked, result.problem) == (479, 21, None)


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_dashboard_at_fault_parks_nothing(serve: Serve, count: int) -> None:
    """Where none is taken the dashboard is at fault: few requests, nothing parked, a person is told."""
    server, outbox = serve(Script(422, body=b"schema changed")), MemoryOutbox(some_events(count))
    result = run(outbox, destination(server.url, batch_size=500), more=_never_asked)
    assert (result.confirmed, result.parked, result.kind) == (0, 0, "refused")
    assert result.requests <= 20
    assert result.problem is not None
    assert "schema changed" in result.problem
    assert (outbox.left, outbox.put_aside, outbox.in_flight) == (ids(count), [], [])


def test_a_site_of_unknown_people_holds_up_nobody(serve: Serve) -> None:
    """Where all at the head of the queue are refused, somebody from behind it shows who is at fault."""
    server, outbox = serve(guilty(*range(1, 41))), MemoryOutbox(some_events(200))
    result = run(outbox, destination(server.url, batch_size=20))
    assert (result.confirmed, result.parked, result.problem) == (160, 40, None)


def test_one_of_several_witnesses_is_enough(serve: Serve) -> None:
    """Once one from behind a batch has shown who is at fault, the others go when it is their turn."""
    server, outbox = serve(guilty(1)), MemoryOutbox(some_events(5))
    assert run(outbox, destination(server.url, most=1)) == Delivered(1, 2, parked=1, capped=True)
    assert (outbox.left, outbox.put_aside) == (ids(5)[1:4], ids(1))


def test_one_named_at_a_time(serve: Serve) -> None:
    """A dashboard that names the first it does not like is not sent all the rest each time."""
    bad = set(ids(200))

    def first_bad(request: Received) -> Script:
        found = [one for one in request.ids if one in bad]
        return Script(422, body=_rejecting(found[0])) if found else Script()

    server, outbox = serve(first_bad), MemoryOutbox(some_events(200))
    assert run(outbox, destination(server.url, batch_size=200)).parked == 200
    assert sum(len(got.ids) for got in server.received) < 200 * 10


def test_a_bad_hour_parks_nothing(serve: Serve) -> None:
    """A dashboard that took punches a moment ago, and now refuses everything, is at fault itself."""
    server, outbox = serve(Script(), Script(422)), MemoryOutbox(some_events(1000))
    result = run(outbox, destination(server.url, batch_size=100), more=_never_asked)
    assert (result.confirmed, result.parked, result.kind) == (100, 0, "refused")
    assert len(outbox.left) == 900


def test_the_last_one_may_be_at_fault(serve: Serve) -> None:
    """A single record is parked where others were confirmed in the run, and else stays."""
    server, outbox = serve(guilty(3)), MemoryOutbox(some_events(3))
    assert run(outbox, destination(server.url)) == Delivered(2, 2, parked=1)
    alone = MemoryOutbox(some_events(1, first=3))
    assert run(alone, destination(server.url)).kind == "refused"
    assert alone.put_aside == []


def test_refused_alone_and_named_is_no_proof(serve: Serve) -> None:
    """Where one is refused without a word and all others by name, nobody can tell who is at fault."""
    server = serve(Script(413), lambda request: Script(200, body=_rejecting(request.ids[0])))
    result = run(MemoryOutbox(some_events(2)), destination(server.url, batch_size=1))
    assert (result.confirmed, result.parked, result.kind) == (0, 1, "refused")
    assert result.problem is not None
    assert "too large" in result.problem


def test_one_event_a_request_holds_up_nobody_either(serve: Serve) -> None:
    """With a request for each event, one that is refused at the head of the queue is no obstacle."""
    server, outbox = serve(guilty_alone(1)), MemoryOutbox(some_events(9))
    result = run(outbox, destination(server.url, format="event"))
    assert (result.confirmed, result.parked, result.requests) == (8, 1, 9)


def guilty_alone(user: int) -> Callable[[Received], Script]:
    """Return the same for bare events."""
    (bad,) = some_events(1, first=user)
    return lambda request: Script(422) if bad.id.encode() in request.body else Script()


def test_a_large_request_is_halved(serve: Serve) -> None:
    """413 makes requests smaller for the rest of the run; one that is too large alone is at fault."""
    server = serve(lambda request: Script(413) if len(request.ids) > 30 else Script())
    outbox = MemoryOutbox(some_events(300))
    result = run(outbox, destination(server.url, batch_size=100))
    assert (result.confirmed, result.problem) == (300, None)
    assert [len(got.ids) for got in server.received] == [100, 50, 25] + [25] * 11


def test_named_in_a_good_answer(serve: Serve) -> None:
    """What a 2xx rejects by name is parked, and the rest of the request is confirmed."""
    outbox = MemoryOutbox(some_events(4))
    server = serve(lambda request: Script(200, body=_rejecting(request.ids[0])), Script())
    assert run(outbox, destination(server.url)) == Delivered(3, 2, parked=1)
    assert outbox.refusals == {ids(1)[0]: "unknown"}


def test_named_in_a_refusal(serve: Serve) -> None:
    """What a 4xx rejects by name is parked without further proof, and the others go again at once."""
    outbox = MemoryOutbox(some_events(4))
    server = serve(lambda request: Script(422, body=_rejecting(request.ids[0])), Script())
    assert run(outbox, destination(server.url, batch_size=4)) == Delivered(3, 3, parked=1)
    assert [len(got.ids) for got in server.received] == [4, 2, 1]


def test_present_in_a_conflict(serve: Serve) -> None:
    """What a 409 names as present is confirmed, and the others go again."""
    outbox = MemoryOutbox(some_events(4))
    present = b'{"present": ["%s"]}' % ids(1)[0].encode()
    server = serve(Script(409, body=present), Script())
    assert run(outbox, destination(server.url, batch_size=4)) == Delivered(4, 3)
    assert outbox.confirmations == [(ids(1)[0],), tuple(ids(4)[1:3]), tuple(ids(4)[3:])]


def _rejecting(one: str) -> bytes:
    return b'{"rejected": [{"id": "%s", "error": "unknown"}]}' % one.encode()


# --- records at which it fails ---

FAILURES = {
    "500": Script(500, body=b"KeyError: 'dept'"),
    "503": Script(503),
    "409": Script(409),
    "a page with 400": Script(400, {"Content-Type": "text/html"}, b"<h1>Server Error</h1>"),
    "a warning": Script(200, {"Content-Type": "application/json"}, b"Warning: Undefined index"),
    "a page with 200": Script(200, body=b"<br /><b>Warning</b>: Undefined index"),
    "reset": DROP,
    "late": Script(delay=60),
}


def tripping(failure: Script, *users: int) -> Callable[[Received], Script]:
    """Return a dashboard's way to treat a request: it fails while it holds one of these people's records."""
    bad = [event.id.encode() for user in users for event in some_events(1, first=user)]
    return lambda request: failure if any(one in request.body for one in bad) else Script()


@pytest.mark.parametrize("form", ["events", "event"])
@pytest.mark.parametrize("failure", FAILURES)
def test_one_that_trips_it_is_parked_in_the_third_run(serve: Serve, failure: str, form: str) -> None:
    """However it fails at one punch: two runs end there, the third brings all others and parks that one."""
    outbox, server = MemoryOutbox(some_events(30)), serve(tripping(FAILURES[failure], 1))
    where = destination(server.url, form, batch_size=10, attempts=1, timeout=0.5)
    for _ in range(2):
        ended = run(outbox, where)
        assert (ended.confirmed, ended.parked, ended.requests) == (0, 0, 1)
        assert ended.problem is not None
    third = run(outbox, where)
    assert (third.confirmed, third.parked, third.problem) == (29, 1, None)
    assert (outbox.left, outbox.put_aside, outbox.in_flight, outbox.failures) == ([], ids(1), [], 0)
    assert outbox.refusals[ids(1)[0]].startswith("it fails at this one alone: ")


@pytest.mark.parametrize("places", [(1,), (15,), (9, 10), (10, 11), (1, 2, 3), (3, 14, 25), (28, 29)])
@pytest.mark.parametrize(("form", "size"), [("events", 10), ("events", 500), ("event", 1)])
def test_those_that_trip_it_are_parked(serve: Serve, places: tuple[int, ...], form: str, size: int) -> None:
    """One or more, side by side or not: all others arrive, once, and those are parked, in a few runs."""
    outbox, server = MemoryOutbox(some_events(30)), serve(tripping(FAILURES["500"], *places))
    for day in range(20):
        outbox.add(some_events(3, first=100 + 3 * day))
        run(outbox, destination(server.url, form, batch_size=size, attempts=1))
        if not outbox.left:
            break
    guilty = [some_events(1, first=place)[0].id for place in places]
    assert day < 12
    assert (sorted(outbox.put_aside), outbox.left) == (sorted(guilty), [])
    assert len(set(outbox.confirmed)) == len(outbox.confirmed) == 30 + 3 * (day + 1) - len(places)


@pytest.mark.parametrize("form", ["events", "event"])
@pytest.mark.parametrize("failure", FAILURES)
def test_an_outage_parks_nothing_and_asks_no_more(serve: Serve, failure: str, form: str) -> None:
    """A dashboard that fails at all is asked as often in each of ten runs, and gets all when it is back."""
    outbox, server = MemoryOutbox(some_events(30)), serve(FAILURES[failure])
    where = destination(server.url, form, batch_size=10, attempts=2, timeout=0.2)
    asked = []
    for day in range(10):
        outbox.add(some_events(1, first=100 + day))
        ended = run(outbox, where)
        assert (ended.confirmed, ended.parked, ended.problem is None) == (0, 0, False)
        asked.append(ended.requests)
    assert set(asked) == {1 if "page" in failure or "warning" in failure else 2}
    assert len(outbox.requests) <= 5  # the batch, and the few that were tried in its place
    lost = [(one.body, one.headers["Idempotency-Key"]) for one in server.received]
    server = serve()
    assert run(outbox, replace(where, access=replace(where.access, url=server.url))).confirmed == 40
    again = [(one.body, one.headers["Idempotency-Key"]) for one in server.received]
    # Behind one that shows that it is back, each that nobody answered for comes as it was, the last first.
    assert [one for one in again if one in lost] == list(dict.fromkeys(lost[::-1]))
    assert (outbox.left, outbox.put_aside, outbox.in_flight) == ([], [], [])


def test_down_in_the_middle_of_a_trial(serve: Serve) -> None:
    """A dashboard that dies while a batch is taken apart parks nothing, and is not asked for ever."""
    outbox, dead = MemoryOutbox(some_events(100)), threading.Event()

    def treat(request: Received) -> Script:
        failure = Script(500) if dead.is_set() else tripping(Script(500), 40)(request)
        if len(request.ids) == 25:
            dead.set()
        return failure

    server = serve(treat)
    where = destination(server.url, batch_size=100, attempts=1)
    ended = [run(outbox, where) for _ in range(3)][-1]
    assert (ended.parked, outbox.put_aside) == (0, [])
    assert ended.requests <= 2 + 2 * 16
    assert ended.kind == "unreachable"
    dead.clear()
    server = serve(tripping(Script(500), 40))
    for _ in range(2):
        run(outbox, destination(server.url, batch_size=100, attempts=1))
    assert (outbox.left, outbox.put_aside) == ([], [ids(40)[39]])


def test_a_batch_that_takes_too_long(serve: Serve) -> None:
    """Where each part of a batch is taken and the whole never, later ones of the run are smaller."""
    server = serve(lambda request: Script(504) if len(request.ids) > 30 else Script())
    outbox = MemoryOutbox(some_events(500))
    where = destination(server.url, batch_size=100, attempts=1)
    ended = [run(outbox, where) for _ in range(3)][-1]
    assert (ended.confirmed, ended.parked, outbox.put_aside) == (500, 0, [])
    assert [len(got.ids) for got in server.received[4:7]] == [50, 25, 25]
    assert max(len(got.ids) for got in server.received[10:]) <= 25


def test_nobody_else_can_show_it(serve: Serve) -> None:
    """One that fails with nobody behind it stays pending: it may be the dashboard; two more settle it."""
    outbox, server = MemoryOutbox(some_events(1)), serve(tripping(Script(500), 1))
    where = destination(server.url, batch_size=10, attempts=1)
    for _ in range(4):
        assert run(outbox, where).kind == "unreachable"
    outbox.add(some_events(1, first=2))
    assert (run(outbox, where).confirmed, outbox.put_aside) == (1, [])
    outbox.add(some_events(2, first=3))
    assert (run(outbox, where).problem, outbox.left, outbox.put_aside) == (None, [], ids(1))


@pytest.mark.parametrize(("size", "seed"), [(1, 1), (1, 2), (10, 1), (10, 2), (500, 1)])
def test_those_of_one_device_are_at_fault_and_always_the_newest(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, size: int, seed: int
) -> None:
    """Where all of one device trip it, and it is always read last, those of the others still arrive."""
    dice = random.Random(seed)
    monkeypatch.setattr("zkpoll.delivery.loop.random", dice)
    guilty: set[bytes] = set()
    server = serve(
        lambda request: Script(500) if any(one in request.body for one in guilty) else Script(),
    )
    outbox, good = MemoryOutbox(), set[str]()
    for day in range(30):
        batch = some_events(12, first=100 * day)
        bad = [event._replace(device="gate") for event in batch[6:]]
        guilty |= {event.id.encode() for event in bad}
        good |= {event.id for event in batch[:6]}
        outbox.add([*batch[:6], *bad])
        run(outbox, destination(server.url, batch_size=size, attempts=1))
    assert not good & set(outbox.put_aside)
    assert len(good & set(outbox.confirmed)) > len(good) / 3


@pytest.mark.parametrize(("form", "size"), [("event", 1), ("events", 10)])
def test_one_that_fails_now_and_then_parks_nothing(serve: Serve, form: str, size: int) -> None:
    """A dashboard that fails twice in each five requests, whatever they hold, is not taken for sound."""
    counted = itertools.count()
    server = serve(lambda _: Script(500) if next(counted) % 5 in {1, 2} else Script())
    outbox = MemoryOutbox(some_events(60))
    for day in range(20):
        outbox.add(some_events(2, first=100 + 2 * day))
        run(outbox, destination(server.url, form, batch_size=size, attempts=2, retry_wait=0))
    assert outbox.refusals == {}
    assert len(outbox.left) <= 10


def test_a_dashboard_that_dies_at_it(serve: Serve) -> None:
    """One at which the process dies is found, though nobody is there at the attempts that follow."""
    outbox = MemoryOutbox(some_events(30))
    for _ in range(2):
        server = serve(tripping(DROP, 5))
        where = destination(server.url, batch_size=10, attempts=2, retry_wait=0.2)
        stopping = threading.Thread(target=_close_when_seen, args=(server,))
        stopping.start()
        assert run(outbox, where).kind == "unreachable"
        stopping.join()
    assert outbox.failures == 2


def _close_when_seen(server: Dashboard) -> None:
    server.seen.wait()
    time.sleep(0.05)
    server.server_close()


# --- parked before ---


def test_parked_ones_are_tried_again(serve: Serve) -> None:
    """What was parked goes after what is pending, and is confirmed once the dashboard takes it."""
    server, outbox = serve(), MemoryOutbox(some_events(2), parked=some_events(2, first=3))
    assert run(outbox, destination(server.url)) == Delivered(4, 2)
    assert (outbox.put_aside, outbox.confirmed) == ([], ids(4))


def test_parked_ones_stay_parked_without_alarm(serve: Serve) -> None:
    """What is refused again stays parked, alone or not, and is no news."""
    server, outbox = serve(guilty(3)), MemoryOutbox(parked=some_events(3, first=2))
    assert run(outbox, destination(server.url, batch_size=4)) == Delivered(2, 5)
    assert outbox.put_aside == [some_events(1, first=3)[0].id]


@pytest.mark.parametrize("alone", [True, False])
def test_parked_ones_that_trip_it_again(serve: Serve, alone: bool) -> None:
    """One that fails again stays parked without alarm; others are taken, and nobody waits behind it."""
    bad, good = some_events(1, first=7), some_events(3, first=8)
    outbox, server = MemoryOutbox(some_events(2), parked=bad + good), serve(tripping(Script(500), 7))
    where = destination(server.url, batch_size=10, attempts=1)
    if alone:
        run(outbox, where)
        outbox.rest()
    done = run(outbox, where)
    assert (done.problem, done.parked, outbox.put_aside, outbox.in_flight) == (None, 0, [bad[0].id], [])
    assert done.confirmed == (0 if alone else 5)
    outbox.add(some_events(2, first=20))
    assert run(outbox, where).confirmed == 2


def test_parked_ones_in_an_outage(serve: Serve) -> None:
    """What is parked when a dashboard is down stays due: the next run tries it, behind what is pending."""
    outbox, server = MemoryOutbox(parked=some_events(40)), serve(Script(503))
    done = run(outbox, destination(server.url, batch_size=10, attempts=2))
    assert (done.requests, done.parked, outbox.in_flight, outbox.refusals) == (2, 0, [], {})
    assert run(outbox, destination(serve().url, batch_size=10)).confirmed == 40


class _ClockSetBack(MemoryOutbox):
    def parked(self, limit: int, tried_before: datetime, after: Event | None) -> Batch:
        self._tried.clear()  # by a clock that was set back, nothing was tried yet
        return super().parked(limit, tried_before, after)


def test_parked_ones_are_tried_once_a_run(serve: Serve) -> None:
    """Whatever this host's clock does meanwhile, a run ends."""
    server, outbox = serve(Script(422)), _ClockSetBack(parked=some_events(3))
    assert run(outbox, destination(server.url, batch_size=1)).requests == 3


# --- how much ---


def test_what_is_parked_counts_as_sent(serve: Serve) -> None:
    """A punch that is refused and parked takes up its share of what a run may send."""
    server = serve(lambda request: Script(200, body=_rejecting(request.ids[0])))
    outbox = MemoryOutbox(some_events(9))
    result = run(outbox, destination(server.url, most=4), more=_never_asked)
    assert (result.confirmed, result.parked, result.capped) == (2, 2, True)


def test_a_run_sends_no_more_than_it_may(serve: Serve) -> None:
    """The oldest go first; the rest waits for the next run, and nobody is blamed."""
    server, outbox = serve(), MemoryOutbox(some_events(9))
    result = run(outbox, destination(server.url, most=5), more=_never_asked)
    assert result == Delivered(5, 3, capped=True)
    assert (outbox.confirmed, outbox.left) == (ids(5), ids(9)[5:])


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


class _SettlesNothing(MemoryOutbox):
    def settle(self, settled: Settled, answered: Sequence[str]) -> None:
        super().settle(replace(settled, confirmed=()), answered)


@pytest.mark.parametrize("parked", [False, True])
def test_what_was_confirmed_and_comes_again(serve: Serve, parked: bool) -> None:
    """An outbox that hands out what was confirmed ends the delivery; nobody is sent it for ever."""
    events, server = some_events(3), serve()
    outbox = _SettlesNothing([] if parked else events, parked=events if parked else [])
    result = run(outbox, destination(server.url, batch_size=3), more=_never_asked if not parked else _no_more)
    assert (result.came_again, result.confirmed, result.requests) == (not parked, 3, 1)


class _SettlesAllButOne(MemoryOutbox):
    def settle(self, settled: Settled, answered: Sequence[str]) -> None:
        left = some_events(1, first=2)[0].id
        confirmed = tuple(one for one in settled.confirmed if one != left)
        super().settle(replace(settled, confirmed=confirmed), answered)


def test_one_of_many_comes_again(serve: Serve) -> None:
    """It is found in the next batch, however much is pending behind it."""
    server, outbox = serve(), _SettlesAllButOne(some_events(700))
    result = run(outbox, destination(server.url, batch_size=100))
    assert (result.came_again, result.requests) == (True, 1)


def _no_more() -> bool:
    return False


class _FullDisk(MemoryOutbox):
    def settle(self, settled: Settled, answered: Sequence[str]) -> None:  # noqa: ARG002
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
