"""Formats that ask before they send: when they are told to, and how their exchanges are carried out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.delivery.dashboard import DROP, Dashboard, Received, Script
from tests.delivery.outbox import MemoryOutbox, some_events
from zkpoll.delivery.access import Access
from zkpoll.delivery.contract import (
    Decision,
    Failure,
    Preflight,
    Probe,
    Reply,
    Request,
    Verdict,
    carried_out,
    carrying,
)
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.loop import deliver
from zkpoll.delivery.verdicts import judge
from zkpoll.model.delivery import SentRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.contract import Answer, Exchange, FollowUp
    from zkpoll.model.punch import Event

    Serve = Callable[..., Dashboard]


@dataclass
class Looking:
    """A format that looks for what may be there already, and notes what it was told."""

    most: int | None = 2
    asks: Preflight | None = None
    told: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)

    def carry(self, events: Sequence[Event]) -> Request:
        """Return the request that carries the ids."""
        return carrying(events, compact({"events": [event.id for event in events]}))

    def exchange(self, events: Sequence[Event], *, unsure: bool) -> Exchange:
        """Look if need be, then send."""
        ids = [event.id for event in events]
        self.told.append((tuple(ids), unsure))
        if unsure:
            answer = yield Request(method="GET", path="/look")
            if not isinstance(answer, Reply) or answer.status != 404:
                decision = judge(answer)
                return Decision(decision.verdict, decision.message)
        return judge((yield self.carry(events)), (), ids)

    def resend(self, request: Request) -> None:
        """Send nothing again as it was."""

    def preflight(self) -> Preflight | None:
        """Ask what the test says."""
        return self.asks

    def probes(self) -> tuple[Probe, ...]:
        """Ask nothing."""
        return ()

    def follow_ups(self) -> tuple[FollowUp, ...]:
        """Send nothing more."""
        return ()


def run(
    form: Looking,
    server: Dashboard,
    outbox: MemoryOutbox,
    attempts: int = 3,
    stop: threading.Event | None = None,
) -> Delivered:
    """Deliver what is there."""
    where = Destination("main", Access(server.url, 5.0), form, 2, attempts, 0.01)
    return deliver(outbox, where, more=lambda: False, progress=lambda _: None, stop=stop or threading.Event())


def ids(count: int) -> tuple[str, ...]:
    """Return the ids of the first events there are."""
    return tuple(event.id for event in some_events(count))


def test_what_was_never_sent_is_sent_at_once(serve: Serve) -> None:
    """Without a doubt, no request is spent on looking."""
    form, server = Looking(), serve()
    assert run(form, server, MemoryOutbox(some_events(4))) == Delivered(4, 2)
    assert form.told == [(ids(2), False), (ids(4)[2:], False)]
    assert [got.method for got in server.received] == ["POST", "POST"]


def test_a_lost_answer_is_looked_up(serve: Serve) -> None:
    """After a lost answer the next attempt looks first; what is there is not sent again."""
    form, server, outbox = Looking(), serve(DROP, Script(200)), MemoryOutbox(some_events(2))
    assert run(form, server, outbox) == Delivered(2, 2)
    assert form.told == [(ids(2), False), (ids(2), True)]
    assert [(got.method, got.path) for got in server.received] == [
        ("POST", "/v1/attendance"),
        ("GET", "/v1/attendance/look"),
    ]


def test_what_is_not_there_is_sent_again(serve: Serve) -> None:
    """Where the look finds nothing, the same request goes out, key and all."""
    form, server = Looking(), serve(Script(502), Script(404), Script())
    assert run(form, server, MemoryOutbox(some_events(2))) == Delivered(2, 3)
    first, look, again = server.received
    assert (first.body, first.headers["Idempotency-Key"]) == (again.body, again.headers["Idempotency-Key"])
    assert (look.body, look.headers["Idempotency-Key"], look.headers["Content-Type"]) == (b"", None, None)


def test_a_look_that_is_not_answered_settles_nothing(serve: Serve) -> None:
    """As long as nobody says what is there, nothing is sent."""
    form, server, outbox = Looking(), serve(DROP, Script(503)), MemoryOutbox(some_events(2))
    result = run(form, server, outbox, attempts=4)
    assert (result.confirmed, result.kind, result.requests) == (0, "unreachable", 4)
    assert [got.method for got in server.received] == ["POST", "GET", "GET", "GET"]
    assert outbox.in_flight == list(ids(2))


def test_what_was_in_flight_is_looked_up_by_the_next_run(serve: Serve) -> None:
    """A run that found its predecessor's request unanswered looks before it sends, and only for that."""
    form, outbox = Looking(), MemoryOutbox(some_events(4))
    run(form, serve(DROP), outbox, attempts=1)
    form.told.clear()
    assert run(form, serve(Script(404), Script()), outbox).confirmed == 4
    assert form.told == [(ids(2), True), (ids(4)[2:], False)]


def test_bytes_of_another_format_are_not_sent_again(serve: Serve) -> None:
    """Whoever asks what is there sends no request of a format that did not, and asks for its punches."""
    form, server, outbox = Looking(), serve(Script(404), Script()), MemoryOutbox(some_events(3))
    outbox.send(SentRequest(ids(3), "POST", "key", b"bytes"))
    assert run(form, server, outbox).confirmed == 3
    assert form.told == [(ids(2), True), (ids(3)[2:], True)]
    assert b"bytes" not in [got.body for got in server.received]


def test_what_is_asked_for_keeps_no_bytes(serve: Serve) -> None:
    """A request of a format that looks first is written down without bytes: nobody may send it blindly."""
    outbox = MemoryOutbox(some_events(2))
    run(Looking(), serve(DROP), outbox, attempts=1)
    assert [request for request, _ in outbox.requests] == [SentRequest(ids(2))]


def test_smaller_parts_of_what_was_in_flight_are_all_looked_up(serve: Serve) -> None:
    """Whoever sends fewer in a request than the run before looks for each part of it."""
    outbox = MemoryOutbox(some_events(2))
    run(Looking(), serve(DROP), outbox, attempts=1)
    form = Looking(most=1)
    assert run(form, serve(Script(200), Script(404), Script()), outbox).confirmed == 2
    assert form.told == [((one,), True) for one in ids(2)]


def test_what_is_left_of_a_part_is_not_forgotten(serve: Serve) -> None:
    """What was in flight and not sent again stays in flight, whatever becomes of the other part."""
    outbox = MemoryOutbox(some_events(2))
    run(Looking(), serve(DROP), outbox, attempts=1)
    run(Looking(most=1), serve(Script(404), DROP), outbox, attempts=1)
    assert sorted(outbox.in_flight) == sorted(ids(2))
    form = Looking()
    assert run(form, serve(Script(404), Script()), outbox).confirmed == 2
    assert all(unsure for _, unsure in form.told)


def test_what_was_parked_may_have_been_sent(serve: Serve) -> None:
    """Nobody knows any more how it ended, so what was parked is looked for before it is sent again."""
    form = Looking()
    assert run(form, serve(Script(200)), MemoryOutbox(parked=some_events(2))).confirmed == 2
    assert form.told == [(ids(2), True)]


def test_what_was_refused_is_no_longer_unsure(serve: Serve) -> None:
    """Once the other side has answered for a request, its halves are sent without a look."""
    form = Looking()
    server = serve(DROP, Script(404), Script(422), Script(), Script(422))
    result = run(form, server, MemoryOutbox(some_events(2)))
    assert (result.confirmed, result.parked) == (1, 1)
    assert [unsure for _, unsure in form.told] == [False, True, False, False]


def test_a_stop_between_two_requests(serve: Serve) -> None:
    """When the run is stopped, an exchange under way asks nothing more, and what it sent stays in flight."""
    stop, outbox = threading.Event(), MemoryOutbox(some_events(2))

    def stopping(_: Received) -> Script:
        stop.set()
        return Script(404)

    server = serve(DROP, stopping)
    assert run(Looking(), server, outbox, stop=stop) == Delivered(0, 2)
    assert [got.method for got in server.received] == ["POST", "GET"]
    assert outbox.in_flight == list(ids(2))


def test_an_exchange_that_asks_nothing() -> None:
    """What a format decides by itself costs no request."""

    def decided() -> Exchange:
        yield from ()
        return Decision(Verdict.NAMED, rejected={"a": "nobody"})

    def unreachable(_: Request) -> Answer:
        raise AssertionError

    assert carried_out(decided(), unreachable).rejected == {"a": "nobody"}


def test_answers_go_to_who_asked() -> None:
    """Each answer belongs to the request before it, in order."""
    answers: dict[str, Answer] = {"/one": Reply(201), "/two": Failure("away")}

    def asking() -> Exchange:
        one = yield Request(path="/one")
        two = yield Request(path="/two")
        return Decision(Verdict.CONFIRMED, repr((one, two)))

    heard = carried_out(asking(), lambda request: answers[request.path])
    assert heard.message == repr((Reply(201), Failure("away")))


def asking(compared_with: str = "here") -> Preflight:
    """Return a question that is to be answered with 200, and shows a flaw where something else is wanted."""

    def told(answer: Answer) -> str | Decision:
        return "here" if isinstance(answer, Reply) and answer.status == 200 else judge(answer)

    def flaw(text: str) -> str | None:
        return None if text == compared_with else "the wrong zone"

    return Preflight(Request(method="GET", path="/zone"), compared_with, told, flaw)


def paths(server: Dashboard) -> list[str]:
    """Return the ends of the paths that a server was asked for."""
    return [got.path.removeprefix("/v1/attendance") for got in server.received]


def test_a_question_before_the_first(serve: Serve) -> None:
    """What is wrong with all punches is found before one of them is sent."""
    server, outbox = serve(), MemoryOutbox(some_events(4))
    result = run(Looking(asks=asking("there")), server, outbox)
    assert (result.kind, result.problem, result.confirmed) == ("configuration", "the wrong zone", 0)
    assert paths(server) == ["/zone"]
    assert (outbox.in_flight, len(outbox.left)) == ([], 4)


def test_a_question_is_asked_once_a_day(serve: Serve) -> None:
    """What was answered is known to the next delivery, and asked again after a day."""
    server, outbox = serve(), MemoryOutbox(some_events(4))
    assert run(Looking(asks=asking()), server, outbox) == Delivered(4, 3)
    outbox.add(some_events(1, 9))
    assert run(Looking(asks=asking()), server, outbox) == Delivered(1, 1)
    outbox.tell(timedelta(hours=-25))
    outbox.add(some_events(1, 10))
    assert run(Looking(asks=asking()), server, outbox) == Delivered(1, 2)
    assert paths(server) == ["/zone", "", "", "", "/zone", ""]


@pytest.mark.parametrize("lost", [DROP, Script(503), Script(429)])
def test_a_question_that_was_never_answered(serve: Serve, lost: Script) -> None:
    """Without an answer nothing is sent, nor written down as sent; it is asked as often as any request."""
    server, outbox = serve(lost, lost, lost, Script()), MemoryOutbox(some_events(2))
    result = run(Looking(asks=asking()), server, outbox)
    assert (result.kind, result.confirmed, result.requests) == ("unreachable", 0, 3)
    assert (outbox.sent, paths(server)) == ([], ["/zone"] * 3)
    assert run(Looking(asks=asking()), server, outbox).confirmed == 2


def test_a_question_that_is_answered_at_last(serve: Serve) -> None:
    """An answer to the second attempt lets the punches go, and they were not sent before."""
    form, server = Looking(asks=asking()), serve(DROP, Script(200))
    assert run(form, server, MemoryOutbox(some_events(2))) == Delivered(2, 3)
    assert (paths(server), form.told) == (["/zone", "/zone", ""], [(ids(2), False)])


def test_a_later_answer_that_is_lost(serve: Serve) -> None:
    """What was told before is compared, and the question is asked but once."""
    server, outbox = serve(Script(), Script(), DROP, Script()), MemoryOutbox(some_events(2))
    assert run(Looking(asks=asking()), server, outbox).confirmed == 2
    outbox.tell(timedelta(days=-2))
    outbox.add(some_events(2, 9))
    assert run(Looking(asks=asking()), server, outbox) == Delivered(2, 2)
    assert paths(server) == ["/zone", "", "/zone", ""]


def test_what_was_told_in_a_time_to_come(serve: Serve) -> None:
    """An answer that was kept by a wrong clock counts for nothing."""
    server, outbox = serve(Script(), Script(), DROP, Script()), MemoryOutbox(some_events(2))
    assert run(Looking(asks=asking()), server, outbox).confirmed == 2
    outbox.tell(timedelta(days=700))
    outbox.add(some_events(2, 9))
    assert run(Looking(asks=asking()), server, outbox, attempts=1).confirmed == 0
    assert run(Looking(asks=asking()), server, outbox, attempts=1).confirmed == 2


def test_what_is_wrong_is_asked_until_it_is_right(serve: Serve) -> None:
    """A flaw that was told stays one while the answers are lost, and is asked about in each delivery."""
    server, outbox = serve(Script(200), DROP), MemoryOutbox(some_events(2))
    form = Looking(asks=asking("there"))
    problems = [run(form, server, outbox, attempts=1).problem for _ in range(3)]
    assert problems == ["the wrong zone"] * 3
    assert paths(server) == ["/zone"] * 3


def test_another_setting_or_address_asks_anew(serve: Serve) -> None:
    """What one dashboard told by its old settings is no answer of another, or to another question."""
    server, other, outbox = serve(), serve(), MemoryOutbox(some_events(2))
    assert run(Looking(asks=asking()), server, outbox).confirmed == 2
    outbox.add(some_events(2, 9))
    assert run(Looking(asks=asking("there")), server, outbox).problem == "the wrong zone"
    assert run(Looking(asks=asking()), other, outbox) == Delivered(2, 2)
    assert (paths(server), paths(other)) == (["/zone", "", "/zone"], ["/zone", ""])


def test_where_nothing_is_to_be_sent_nothing_is_asked(serve: Serve) -> None:
    """A delivery without punches costs no request."""
    server = serve()
    run(Looking(asks=asking()), server, MemoryOutbox())
    assert server.received == []
