"""Whatever an answer holds: it becomes a decision, in few words, and a good one only where it is good."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.delivery.outbox import some_events
from tests.delivery.template_server import WAYS
from tests.delivery.test_registry import dashboard, terminals
from tests.fuzz.command import LONGEST_LINE, fuzzed, while_there_is_time
from zkpoll.delivery.contract import Decision, Failure, Reply, Verdict, carried_out
from zkpoll.delivery.formats.registry import format_of
from zkpoll.delivery.verdicts import LONGEST_WAIT
from zkpoll.model.delivery import Reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkpoll.delivery.contract import Answer, Format, Request
    from zkpoll.inventory import Dashboard

SECRET: Final = "s3cret-t0ken"
EVENTS: Final = some_events(3)
IDS: Final = tuple(event.id for event in EVENTS)
MOST_REQUESTS: Final = 12
"""Of one exchange."""
SHIFTS: Final = {
    "token": "a:b",
    "frappe": {"timezone": "Asia/Dhaka", "shifts": [{"name": "Day", "devices": ["x"]}]},
}
SORTS: Final[dict[str, Dashboard]] = {
    "events": dashboard("events"),
    "event": dashboard("event"),
    **{f"template, {way}": dashboard("template", template=template) for way, (_, template) in WAYS.items()},
    "odoo": dashboard("odoo"),
    "frappe": dashboard("frappe", **SHIFTS),
}


def form(name: str) -> Format:
    """Return the format of a sort of dashboards."""
    return format_of(SORTS[name], terminals(), (SECRET,))


# --- what is drawn ---

NAMES: Final = st.sampled_from(
    [
        *(
            "rejected",
            "Rejected",
            "present",
            "id",
            "error",
            "success",
            "ok",
            "data",
            "message",
            "name",
            "time",
        ),
        *(
            "time_zone",
            "exc_type",
            "exception",
            "_server_messages",
            "employee",
            "device_id",
            "log_type",
            "result",
        ),
        *("last_sync_of_checkin", "enable_auto_attendance", "event_id", "attendance_device_id", "status", ""),
    ]
)
LEAVES: Final[st.SearchStrategy[Any]] = st.one_of(
    st.sampled_from([None, True, False, 0, 1, 2, -1, 10**30, 0.5]),
    st.sampled_from(
        [
            *IDS,
            IDS[0].upper(),
            "rejected",
            SECRET,
            f"key {SECRET}\r\n\x1b[31m",
            "2026-11-22 08:59:58",
            "\u2028",
        ]
    ),
    st.sampled_from(
        [
            "Asia/Dhaka",
            "../x",
            "\0",
            "odoo.exceptions.X",
            "builtins.ValueError",
            "frappe.exceptions.ValidationError",
        ]
    ),
    st.text(max_size=8),
)
TREES: Final[st.SearchStrategy[Any]] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
KINDS: Final = st.sampled_from(
    ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
BODIES: Final = st.dictionaries(NAMES, LEAVES | TREES, min_size=1, max_size=3) | TREES
JSON: Final = st.builds(
    lambda tree, plain, kind, before, behind: (before + json.dumps(tree, ensure_ascii=plain) + behind).encode(
        kind, "surrogatepass"
    ),
    BODIES,
    st.booleans(),
    KINDS,
    st.sampled_from(["", "", "", " ", "\ufeff", "\n\u200b"]),
    st.sampled_from(["", "", "", " ", "x", "<"]),
)
CUT: Final = st.builds(lambda body, at: body[: at % (len(body) + 1)], JSON, st.integers(0, 400))
PAGES: Final = st.builds(
    lambda before, begin, kind: (before + begin).encode(kind),
    st.sampled_from(["", " ", "\r\n", "\ufeff"]),
    st.sampled_from(["<html>", "<!-- -->", "<!DOCTYPE html>", "<?xml ?>", "<p>rejected"]),
    KINDS,
)
REPLIES: Final = st.builds(
    Reply,
    st.sampled_from(
        [200, 200, 200, 201, 204, 207, 301, 400, 401, 404, 409, 409, 417, 422, 429, 500, 503, 999]
    ),
    st.sampled_from(["", "application/json", "text/html; charset=x", "text/plain", "\x1b/json"]),
    st.one_of(JSON, JSON, CUT, PAGES, st.binary(max_size=60)),
    st.sampled_from(["", "http://\x1b[2K\n", f"/login?key={SECRET}", "x" * 70_000]),
    st.sampled_from(["", "0", "-1", "\u00b2", "9" * 400, "Sun, 22 Nov 2026 08:59:58 GMT"]),
    st.sampled_from(["", "Sun, 22 Nov 2026 08:59:50 GMT", "Sun, 22 Nov 0000 08:59:50", "\ud800"]),
    st.sampled_from([True, True, True, False]),
)
ANSWERS: Final[st.SearchStrategy[Answer]] = st.one_of(
    REPLIES, REPLIES, REPLIES, st.builds(Failure, st.just(f"no {SECRET} answer"), st.booleans())
)


class Asked:
    """A dashboard that gives the answers that were drawn, over and over."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = islice(cycle(answers), MOST_REQUESTS)
        self.given: list[Answer] = []

    def __call__(self, _: Request) -> Answer:
        """Answer a request."""
        self.given.append(next(self._answers))
        return self.given[-1]


# --- what has to be ---


def check_words(words: str) -> None:
    """Assert that words are few, one line, and hold no secret."""
    assert words.isprintable(), words
    assert len(words) < LONGEST_LINE
    assert SECRET not in words


def check_decision(decision: Decision) -> None:
    """Assert that a decision is about what was asked, in few words."""
    check_words(decision.message)
    for words in decision.rejected.values():
        check_words(words)
    assert {*decision.rejected, *decision.present} <= set(IDS)
    assert 0 <= decision.wait <= LONGEST_WAIT
    assert decision.message or decision.verdict in {Verdict.CONFIRMED, Verdict.NAMED}


def check_good(reply: Reply) -> None:
    """Assert that docs/dashboards.md lets this answer confirm what it does not reject by name."""
    assert reply.status // 100 == 2
    assert reply.whole
    text = re.sub(r"\\u00([0-7][0-9a-fA-F])", lambda found: chr(int(found[1], 16)), _text(reply.body)).strip()
    assert not text.startswith("<")
    try:
        tree = json.loads(_text(reply.body))
    except ValueError:
        tree = None
        assert "rejected" not in text.lower()
        assert not text.startswith("{")
    if isinstance(tree, dict):
        assert not tree.get("error")
        assert tree.get("success") is not False
        assert tree.get("ok") is not False
        assert not tree.get("rejected") or isinstance(tree["rejected"], list)
        others = {name: value for name, value in tree.items() if name != "rejected"}
        assert "rejected" not in json.dumps(others).lower()
    elif tree is not None:
        assert "rejected" not in json.dumps(tree).lower()


def _text(body: bytes) -> str:
    """Return a body as text, without what shows as nothing at its beginning."""
    return body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff\u200b\n ")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SORTS)
@fuzzed(120)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=4), unsure=st.booleans())
@example(answers=[Reply(200, "", b'{"rejected": [], "a": "\\u0072ejected"}')], unsure=False)
@while_there_is_time
def test_any_meaning(name: str, answers: list[Answer], unsure: bool) -> None:
    """An exchange ends with a decision; a good one has a good answer, as the page on dashboards has it."""
    kind = form(name)
    events = EVENTS[: kind.most or len(EVENTS)]
    asked = Asked(answers)
    decision = carried_out(kind.exchange(events, unsure=unsure), asked)
    check_decision(decision)
    replies = [one for one in asked.given if isinstance(one, Reply)]
    if decision.verdict is Verdict.CONFIRMED:
        assert any(one.status // 100 == 2 or one.status == 409 for one in replies)
    if decision.verdict is Verdict.CONFIRMED and name in {"events", "event"}:
        check_good(replies[-1])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SORTS)
@fuzzed(40)
@given(answers=st.lists(ANSWERS, min_size=1, max_size=4))
@while_there_is_time
def test_any_meaning_to_questions(name: str, answers: list[Answer]) -> None:
    """What a dashboard answers to a ping, and behind a delivery, is well or not, in few words."""
    kind = form(name)
    for probe in kind.probes():
        for answer in answers:
            meaning = probe.meaning(answer) if isinstance(answer, Reply) else None
            if meaning:
                check_words(meaning[1])
    if preflight := kind.preflight():
        for known in map(preflight.told, answers):
            if isinstance(known, Decision):
                check_decision(known)
            else:
                check_words(known)
                check_words(preflight.flaw(known) or "")
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    for step in kind.follow_ups():
        told = carried_out(step.exchange({"x": Reach(complete_until=now)}, now), Asked(answers))
        if isinstance(told, Decision):
            check_decision(told)
        else:
            check_words(told.problem or "")
