"""Events as JSON."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.outbox import EXAMPLE, some_events
from zkpoll.delivery.events import as_json
from zkpoll.delivery.formats import FORMATS, requests_for

CONTRACT = (
    '{"user_id":"1001","timestamp":"2026-11-22T08:59:58+06:00","status":1,"type":0,'
    '"id":"224c9c2b-8130-5e29-a627-3b68fe8961e9","device":"front-door","serial_number":"CQZ7224760045",'
    '"punch_state":"check_in","work_code":0,"source":"pull"}'
)


def test_event_is_the_contract() -> None:
    """The design's example comes out byte for byte, keys in its order."""
    (request,) = requests_for("event", [EXAMPLE], 500)
    assert request.body.decode() == CONTRACT


def test_events_wraps_the_contract() -> None:
    """The default format is a list of the same objects under one key."""
    (request,) = requests_for("events", [EXAMPLE, EXAMPLE], 500)
    assert request.body.decode() == f'{{"events":[{CONTRACT},{CONTRACT}]}}'


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (0, "check_in"),
        (1, "check_out"),
        (2, "break_out"),
        (3, "break_in"),
        (4, "overtime_in"),
        (5, "overtime_out"),
        (6, None),
        (255, None),
        (-1, None),
    ],
)
def test_punch_state(state: int, word: str | None) -> None:
    """States 0-5 have their standard word, every other number has none and is passed on as it is."""
    shown = as_json(EXAMPLE._replace(state=state))
    assert (shown["punch_state"], shown["type"]) == (word, state)


def test_key_is_the_hash_of_the_body() -> None:
    """The idempotency key is the SHA-256 of exactly the bytes that are sent."""
    (request,) = requests_for("events", some_events(3), 500)
    assert request.key == hashlib.sha256(request.body).hexdigest()


@pytest.mark.parametrize(("name", "sizes"), [("events", [3, 3, 1]), ("event", [1] * 7)])
def test_batches(name: str, sizes: list[int]) -> None:
    """Batches are as large as allowed, in order, and their ids are those of their bodies."""
    events = some_events(7)
    requests = requests_for(name, events, 3)
    assert [len(request.ids) for request in requests] == sizes
    assert [i for request in requests for i in request.ids] == [event.id for event in events]
    assert all(one in request.body.decode() for request in requests for one in request.ids)


@given(name=st.sampled_from(sorted(FORMATS)), text=st.text(st.characters(exclude_categories=())))
def test_any_text_travels(name: str, text: str) -> None:
    """Whatever a name holds, even a lone surrogate, it comes out of the JSON as it went in."""
    (request,) = requests_for(name, [EXAMPLE._replace(user_id=text)], 1)
    value = json.loads(request.body)
    event = value["events"][0] if name == "events" else value
    # What JSON cannot tell apart: two lone halves side by side are one character.
    assert event["user_id"] == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert requests_for(name, [EXAMPLE._replace(user_id=text)], 1) == [request]


def test_pure_modules_load_no_http() -> None:
    """Importing the room, its formats and its policy loads no HTTP library."""
    program = (
        "import sys, zkpoll.delivery, zkpoll.delivery.formats, zkpoll.delivery.policy\n"
        "sys.exit(bool({'requests', 'urllib3', 'tenacity', 'http.client'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
