"""The sample dashboard, over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from zkpoll.simulator import HttpAnswer, Received, SampleDashboard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def dashboard() -> Iterator[SampleDashboard]:
    """Open a dashboard that asks for no token."""
    with SampleDashboard() as opened:
        yield opened


@pytest.fixture
def session() -> Iterator[requests.Session]:
    """Open a client that keeps its connection."""
    with requests.Session() as opened:
        yield opened


def event(number: int, **more: Any) -> dict[str, Any]:
    """Return an event."""
    return {"id": f"event-{number}", "user_id": "1001", **more}


def batch(*numbers: int) -> dict[str, Any]:
    """Return the body of a request with some events."""
    return {"events": [event(number) for number in numbers]}


def test_events_are_kept_once(dashboard: SampleDashboard, session: requests.Session) -> None:
    """Each event is kept once by its id; those that come again are counted."""
    answers = [session.post(dashboard.url, json=batch(*numbers)) for numbers in ((1, 2), (2, 3))]
    assert [answer.json() for answer in answers] == [{"accepted": 2}, {"accepted": 2}]
    assert list(dashboard.events) == ["event-1", "event-2", "event-3"]
    assert (dashboard.duplicates, dashboard.conflicts) == (1, [])


def test_a_bare_event_is_taken(dashboard: SampleDashboard, session: requests.Session) -> None:
    """One event without a batch around it is kept too."""
    assert session.post(dashboard.url, json=event(1)).json() == {"accepted": 1}
    assert dashboard.events == {"event-1": event(1)}


def test_one_id_with_two_contents_is_a_conflict(
    dashboard: SampleDashboard, session: requests.Session
) -> None:
    """An event that comes again with other content is reported, and the first stays."""
    for state in (0, 1):
        session.post(dashboard.url, json=event(1, type=state))
    assert dashboard.events["event-1"]["type"] == 0
    assert dashboard.conflicts == [event(1, type=1)]


def test_the_token_is_checked(session: requests.Session) -> None:
    """Without the right bearer token nothing is kept."""
    with SampleDashboard(token="secret") as dashboard:
        codes = [
            session.post(dashboard.url, json=batch(1), headers=headers).status_code
            for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Bearer secret"})
        ]
        assert codes == [401, 401, 200]
        assert len(dashboard.events) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 422), (b'{"events": 1}', 422), (b'{"events": [{"no": "id"}]}', 422)],
)
def test_what_is_no_event_is_refused(
    dashboard: SampleDashboard, session: requests.Session, body: bytes, status: int
) -> None:
    """No JSON is 400; JSON that holds no events is 422."""
    assert session.post(dashboard.url, data=body).status_code == status
    assert session.get(dashboard.url).status_code == 405
    assert dashboard.events == {}


def test_requests_are_remembered_on_one_connection(
    dashboard: SampleDashboard, session: requests.Session
) -> None:
    """Headers, body and Idempotency-Key of each request are there to look at; HTTP/1.1 keeps alive."""
    for key in ("a", "b"):
        session.post(dashboard.url, json=batch(1), headers={"Idempotency-Key": key})
    assert [request.idempotency_key for request in dashboard.requests] == ["a", "b"]
    assert json.loads(dashboard.requests[0].body) == batch(1)
    assert dashboard.requests[0].headers["content-type"] == "application/json"
    assert dashboard.connections == 1


def test_scripted_answers_come_first(dashboard: SampleDashboard, session: requests.Session) -> None:
    """Scripted answers, plain or made by a function, are used once each, in order."""

    def busy(request: Received) -> HttpAnswer:
        return HttpAnswer(503, request.body, {"Retry-After": "7"})

    dashboard.answers.extend([busy, HttpAnswer(500)])
    answers = [session.post(dashboard.url, json=batch(1)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 500, 200]
    assert answers[0].headers["Retry-After"] == "7"
    assert answers[0].json() == batch(1)
    assert dashboard.duplicates == 0


@pytest.mark.parametrize("body", [b"", b'{"accepted": 1}'])
def test_a_cut_answer_may_hide_kept_events(
    dashboard: SampleDashboard, session: requests.Session, body: bytes
) -> None:
    """The connection breaks before or in the middle of the answer, and the events are kept."""
    dashboard.answers.append(HttpAnswer(body=body, cut=True))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        session.post(dashboard.url, json=batch(1))
    assert list(dashboard.events) == ["event-1"]


def test_events_are_kept_or_lost_against_the_status(
    dashboard: SampleDashboard, session: requests.Session
) -> None:
    """A dashboard may keep events and say 500, or say 200 and lose them."""
    dashboard.answers.extend([HttpAnswer(500, keep=True), HttpAnswer(200, keep=False)])
    for number in (1, 2):
        session.post(dashboard.url, json=batch(number))
    assert list(dashboard.events) == ["event-1"]


def test_answers_are_late_and_slow(dashboard: SampleDashboard, session: requests.Session) -> None:
    """An answer comes after its delay, and its body at the speed asked for."""
    dashboard.answers.append(HttpAnswer(body=b"x" * 40, delay=0.1, trickle=200))
    started = time.monotonic()
    answer = session.post(dashboard.url, json=batch(1))
    assert answer.content == b"x" * 40
    assert 0.3 <= time.monotonic() - started < 1.5


def test_it_is_quiet(
    dashboard: SampleDashboard, session: requests.Session, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed, not even for a client that leaves in the middle."""
    dashboard.answers.append(HttpAnswer(body=b"x" * 4_000_000, delay=0.2))
    with pytest.raises(requests.Timeout):
        session.post(dashboard.url, json=batch(1), timeout=0.05)
    session.close()
    time.sleep(0.3)
    assert capfd.readouterr() == ("", "")


def test_it_stops_at_once() -> None:
    """An idle kept-alive connection or a waiting answer does not hold it up."""
    before = threading.active_count()
    started = time.monotonic()
    with requests.Session() as session, SampleDashboard() as dashboard:
        session.post(dashboard.url, json=batch(1))
    assert time.monotonic() - started < 1
    assert threading.active_count() == before


def test_it_listens_on_ipv6(session: requests.Session) -> None:
    """The dashboard also binds ::1."""
    with SampleDashboard(host="::1") as dashboard:
        assert session.post(dashboard.url, json=batch(1)).ok


def test_a_closed_dashboard_has_no_url() -> None:
    """Outside its `with` block a dashboard has no address."""
    with pytest.raises(RuntimeError, match="not open"):
        _ = SampleDashboard().url
