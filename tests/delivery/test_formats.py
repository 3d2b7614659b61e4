"""Events as JSON."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.forms import FORMS, carried
from tests.delivery.outbox import EXAMPLE, some_events
from zkpoll.delivery.contract import most_of
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.origins import Origins
from zkpoll.inventory import Dashboard
from zkpoll.model.punch import as_json

CONTRACT = (
    '{"user_id":"1001","timestamp":"2026-11-22T08:59:58+06:00","status":1,"type":0,'
    '"id":"224c9c2b-8130-5e29-a627-3b68fe8961e9","device":"front-door","serial_number":"CQZ7224760045",'
    '"punch_state":"check_in","work_code":0,"source":"pull"}'
)


def test_event_is_the_contract() -> None:
    """The design's example comes out byte for byte, keys in its order."""
    one = carried("event", [EXAMPLE])
    assert one.body.decode() == CONTRACT


def test_events_wraps_the_contract() -> None:
    """The default format is a list of the same objects under one key."""
    both = carried("events", [EXAMPLE, EXAMPLE])
    assert both.body.decode() == f'{{"events":[{CONTRACT},{CONTRACT}]}}'


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
    asked = carried("events", some_events(3))
    assert asked.key == hashlib.sha256(asked.body).hexdigest()


@pytest.mark.parametrize("name", ["events", "event"])
def test_extra_fields(name: str) -> None:
    """An event says whether its clock is doubted only where that is asked for, behind all else."""
    doubted = EXAMPLE._replace(clock_suspect=True)
    asked = Dashboard(url="http://127.0.0.1/", format=name, extra_fields=("clock_suspect",))
    assert carried(name, [doubted]) == carried(name, [EXAMPLE])
    for event, word in ((doubted, b"true"), (EXAMPLE, b"false")):
        request = next(format_of(asked, Origins(), ()).exchange([event], unsure=False))
        plain, body = carried(name, [event]).body, request.body or b""
        assert body.replace(b',"clock_suspect":' + word, b"") == plain
        assert body.endswith(b'"clock_suspect":' + word + (b"}" if name == "event" else b"}]}"))


@pytest.mark.parametrize(("name", "most"), [("events", 3), ("event", 1)])
def test_requests(name: str, most: int) -> None:
    """A request is as large as wanted and its format allows, and its ids are those of its body, in order."""
    events = some_events(most_of(FORMS[name], 3))
    asked = carried(name, events)
    assert len(asked.ids) == most
    assert asked.ids == tuple(event.id for event in events)
    assert all(one in asked.body.decode() for one in asked.ids)


@given(name=st.sampled_from(sorted(FORMS)), text=st.text(st.characters(exclude_categories=())))
def test_any_text_travels(name: str, text: str) -> None:
    """Whatever a name holds, even a lone surrogate, it comes out of the JSON as it went in."""
    asked = carried(name, [EXAMPLE._replace(user_id=text)])
    value = json.loads(asked.body)
    event = value["events"][0] if name == "events" else value
    # What JSON cannot tell apart: two lone halves side by side are one character.
    assert event["user_id"] == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    assert carried(name, [EXAMPLE._replace(user_id=text)]) == asked


def test_pure_modules_load_no_http() -> None:
    """Importing the room, its formats and its policy loads no HTTP library."""
    program = (
        "import sys, zkpoll.delivery, zkpoll.delivery.formats, zkpoll.delivery.bisection\n"
        "sys.exit(bool({'requests', 'urllib3', 'tenacity', 'http.client'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
