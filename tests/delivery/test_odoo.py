"""The format `odoo`: its requests, its answers, and deliveries to a server that behaves as Odoo does."""

from __future__ import annotations

import ast
import csv
import hashlib
import json
import re
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.delivery.odoo_answers import CASES, EVENTS, LOOKS, Case, look, raised, returned
from tests.delivery.odoo_server import DATABASE, FIELDS, KEY, MODEL, OdooServer, failure
from tests.delivery.outbox import EXAMPLE, MemoryOutbox, some_events
from zkpoll.delivery.access import Access
from zkpoll.delivery.client import Client
from zkpoll.delivery.contract import Decision, Reply, Request, Verdict
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.odoo import OdooFormat
from zkpoll.delivery.loop import deliver
from zkpoll.delivery.origins import Origins
from zkpoll.delivery.ping import Ping, ping
from zkpoll.inventory import Device
from zkpoll.inventory.formats.odoo import Odoo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zkpoll.delivery.contract import Answer
    from zkpoll.model.punch import Event

PAGE = (Path(__file__).parents[2] / "docs" / "odoo.md").read_text("utf-8")
BEARER: Final = f"bearer {KEY}"


def form(device: dict[str, Any] | None = None, **settings: Any) -> OdooFormat:
    """Return the format with settings of its own, and with one terminal."""
    front = {"name": "front-door", "host": "192.0.2.1", "timezone": "Asia/Dhaka"} | (device or {})
    terminals = Origins.of_inventory([Device.model_validate(front)], {})
    return OdooFormat(Odoo.model_validate(settings), terminals, (KEY,))


FORM: Final = form()


def decided(
    answers: Sequence[Answer], events: Sequence[Event] = EVENTS, *, unsure: bool = False
) -> tuple[list[Request], Decision]:
    """Answer an exchange with exactly those answers; return its requests, and what it decides."""
    exchange = FORM.exchange(events, unsure=unsure)
    *others, last = answers
    requests = [next(exchange), *(exchange.send(answer) for answer in others)]
    with pytest.raises(StopIteration) as end:
        exchange.send(last)
    return requests, end.value.value


def first(of: OdooFormat, *events: Event, unsure: bool = False) -> Request:
    """Return the first request for events."""
    return next(of.exchange(events, unsure=unsure))


def body(of: OdooFormat, *events: Event) -> str:
    """Return the body of the request that creates events."""
    return (first(of, *events).body or b"").decode()


# --- requests ---

RECORD = (
    '{{"event_id":"224c9c2b-8130-5e29-a627-3b68fe8961e9","badge":"1001","punched_at":"2026-11-22 02:59:58",'
    '"device":"front-door","serial_number":"CQZ7224760045","direction":{},"state":{},"verify":1}}'
)


@pytest.mark.parametrize(
    ("device", "state", "direction"),
    [
        ({}, 0, '"in"'),
        ({}, 1, '"out"'),
        ({}, 4, '"in"'),
        ({}, 5, '"out"'),
        ({}, 2, "false"),
        ({}, 255, "false"),
        ({"direction": "in"}, 1, '"in"'),
        ({"direction": "out"}, 0, '"out"'),
        ({"direction": "none"}, 0, "false"),
    ],
)
def test_a_batch_is_one_call(device: dict[str, Any], state: int, direction: str) -> None:
    """Punches go out as the values of new records, byte for byte; what cannot be told is false."""
    event = EXAMPLE._replace(state=state)
    shown = RECORD.format(direction, state)
    asked = first(form(device), event, event)
    expected = f'{{"vals_list":[{shown},{shown}]}}'.encode()
    assert asked == Request(
        expected,
        hashlib.sha256(expected).hexdigest(),
        (EXAMPLE.id, EXAMPLE.id),
        path="/json/2/zkpoll.punch/create",
    )


def test_a_model_of_ones_own() -> None:
    """Model, fields and database are as the inventory has them, in its order; places are numbers."""
    fields = {"punch_state": "x_state", "id": "x_event", "latitude": "x_lat", "transport": "x_tr"}
    fields |= {"epoch": "x_epoch", "work_code": "x_code", "timestamp": "x_when"}
    of = form({"latitude": "23.5", "longitude": "90"}, model="x_punch", database="acme", fields=fields)
    asked = first(of, EXAMPLE)
    assert asked.path == "/json/2/x_punch/create"
    assert asked.headers == {"X-Odoo-Database": "acme"}
    assert (asked.body or b"").decode() == (
        '{"vals_list":[{"x_state":"check_in","x_event":"224c9c2b-8130-5e29-a627-3b68fe8961e9","x_lat":23.5,'
        '"x_tr":"tcp","x_epoch":1795316398,"x_code":0,"x_when":"2026-11-22T08:59:58+06:00"}]}'
    )
    assert first(of, EXAMPLE, unsure=True).headers == asked.headers
    assert all(probe.request.headers == asked.headers for probe in of.probes())


def test_a_terminal_that_is_gone() -> None:
    """A punch of a terminal that the inventory has no more still goes out, with what is known of it."""
    of = form({"name": "other"}, fields={"id": "event", "device": "device", "direction": "d", "host": "host"})
    gone = EXAMPLE._replace(device="front-door")
    assert json.loads(body(of, gone))["vals_list"][0] == {
        "event": EXAMPLE.id, "device": "front-door", "d": "in", "host": False,
    }  # fmt: skip


@pytest.mark.parametrize("user", ["007", "০১২", 'o"brien\\', "a b", "\ud83d", "x" * 24, "nul\0"])
def test_odd_user_ids(user: str) -> None:
    """Any user id comes out of the JSON as it went in, the same bytes each time."""
    event = EXAMPLE._replace(user_id=user)
    assert json.loads(body(FORM, event))["vals_list"][0]["badge"] == user
    assert body(FORM, event) == body(FORM, event)


def test_the_look() -> None:
    """What may be there is looked for by the field of the id, archived or not, without a limit."""
    asked = first(FORM, *EVENTS[:2], unsure=True)
    a, b = (event.id for event in EVENTS[:2])
    assert asked == Request(
        f'{{"domain":[["event_id","in",["{a}","{b}"]]],"fields":["event_id"],'
        '"context":{"active_test":false}}'.encode(),
        path="/json/2/zkpoll.punch/search_read",
    )


# --- answers ---


@pytest.mark.parametrize("case", CASES, ids=[case.shown for case in CASES])
def test_each_answer_means_what_the_page_says(case: Case) -> None:
    """Each answer of a row has its verdict, after a look where there is one, and nothing is sent twice."""
    for answer in case.answers:
        requests, decision = decided([answer] if case.looked is None else [answer, case.looked])
        assert decision.verdict is case.verdict, answer
        assert [request.path.rpartition("/")[2] for request in requests][:1] == ["create"]
        assert [request.key is not None for request in requests] == [True, False][: len(requests)]
        assert bool(decision.message) is (case.verdict not in (Verdict.CONFIRMED, Verdict.NAMED))


@pytest.mark.parametrize("case", LOOKS, ids=[case.shown for case in LOOKS])
def test_nothing_is_sent_on_a_guess(case: Case) -> None:
    """Where a look does not show that nothing is there, nothing is sent in this exchange."""
    for answer in case.answers:
        (asked,), decision = decided([answer], unsure=True)
        assert asked.key is None
        assert decision.verdict is case.verdict, answer


def test_present_ones_are_named() -> None:
    """Exactly those that a look finds are named as there, and none as rejected."""
    for answers, unsure in (([raised(422, "x"), look(EVENTS[1:])], False), ([look(EVENTS[1:])], True)):
        _, decision = decided(answers, unsure=unsure)
        assert decision.present == {event.id for event in EVENTS[1:]}
        assert not decision.rejected


def test_what_is_not_there_is_sent() -> None:
    """After a look that finds none, the punches go out in the same exchange."""
    requests, decision = decided([look(()), returned([1, 2, 3])], unsure=True)
    assert [request.path.rpartition("/")[2] for request in requests] == ["search_read", "create"]
    assert decision.verdict is Verdict.CONFIRMED


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            raised(422, "odoo.exceptions.ValidationError", f"Unbekannt: {KEY}"),
            'the dashboard answered 422 and refused it; it says: "Unbekannt: ***"',
        ),
        (
            raised(422, "odoo.exceptions.UserError", "No employee \ud83d\nhere"),
            'the dashboard answered 422 and refused it; it says: "No employee ? here"',
        ),
        (
            raised(500, "builtins.ValueError", "Invalid field 'badge' on 'zkpoll.punch'"),
            (
                "the dashboard answered 500 and failed at it; check fields: against the model;"
                " it says: \"Invalid field 'badge' on 'zkpoll.punch'\""
            ),
        ),
        (
            raised(403, "odoo.exceptions.AccessError", "Nein"),
            (
                "the dashboard answered 403 and forbids it; give the user of the API key the rights to create"
                ' and to read zkpoll.punch; it says: "Nein"'
            ),
        ),
        (
            Reply(404, "text/html", b"<!doctype html>not here"),
            (
                "the dashboard answered 404 and has no zkpoll.punch; check url: (Odoo 19 or newer), database:"
                " and model:, and that the module which brings the model is installed"
            ),
        ),
        (
            raised(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey"),
            (
                "the dashboard answered 401 and does not accept the API key in token:; keys expire, so make a"
                ' new one; it says: "Invalid apikey"'
            ),
        ),
        (
            returned({"jsonrpc": "2.0"}),
            (
                "the dashboard answered 200 with something else than the records that were asked for; check"
                ' url: and fields:; it says: "{"jsonrpc": "2.0"}"'
            ),
        ),
    ],
)
def test_words(answer: Reply, told: str) -> None:
    """Each refusal says what to do, with Odoo's own words and without its traceback or our key."""
    looks = answer.status in (200, 422, 500)
    assert decided([answer, look(())] if looks else [answer])[1].message == told


def test_a_look_that_fails_says_so() -> None:
    """A look that is refused as a record would be is told as what it was."""
    _, decision = decided([raised(500, "builtins.ValueError", "Invalid field 'event_id'")], unsure=True)
    assert decision.message == (
        "asked which punches are there already, the dashboard answered 500 and failed at it; check fields:"
        " against the model; it says: \"Invalid field 'event_id'\""
    )


def test_waits() -> None:
    """What Odoo, or who stands before it, asks for is waited."""
    _, decision = decided([Reply(503, retry_after="7")])
    assert decision.wait == 7
    _, decision = decided([Reply(429, retry_after="9")], unsure=True)
    assert decision.wait == 9


# --- the server behaves as Odoo does ---


@pytest.fixture
def server() -> Iterator[OdooServer]:
    """Give a server that has no troubles."""
    with OdooServer() as running:
        yield running


def access(server: OdooServer, key: str = KEY) -> Access:
    """Return the access to a server."""
    return Access(server.url, timeout=5, token=key, scheme="bearer")


def said(server: OdooServer, request: Request, key: str = KEY) -> tuple[int, Any]:
    """Send one request, and return the status and the JSON of the answer; of a web page, its text."""
    with Client(access(server, key)) as client:
        answer = client.send(request)
    assert isinstance(answer, Reply)
    page = answer.content_type.startswith("text/html")
    return answer.status, answer.body.decode() if page else json.loads(answer.body)


def call(method: str, model: str = MODEL, **arguments: object) -> Request:
    """Return the request for a call."""
    return Request(json.dumps(arguments).encode(), path=f"/json/2/{model}/{method}")


def values(event_id: object = "a1", badge: object = "1", **more: object) -> dict[str, object]:
    """Return the values of a record."""
    return {"event_id": event_id, "badge": badge, "punched_at": "2026-11-22 02:59:58", **more}


def test_the_server_creates_and_finds(server: OdooServer) -> None:
    """New records get numbers; a search finds what it is asked for, with the fields that are asked for."""
    made = call("create", vals_list=[values("a1"), values("b2", "7", direction="in", state=3)])
    assert said(server, made) == (200, [1, 2])
    found = call("search_read", domain=[["event_id", "in", ["b2", "c3"]]], fields=["badge", "direction"])
    assert said(server, found) == (200, [{"id": 2, "badge": "7", "direction": "in"}])
    assert said(server, call("search_read", domain=[], fields=["state"], limit=1)) == (
        200, [{"id": 1, "state": 0}],
    )  # fmt: skip
    server.rows[0]["active"] = False
    assert said(server, call("search_read", fields=["badge"])) == (200, [{"id": 2, "badge": "7"}])
    everything = call("search_read", fields=["badge"], context={"active_test": False})
    assert len(said(server, everything)[1]) == 2


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_server_creates_all_or_nothing(server: OdooServer, language: str) -> None:
    """One record at fault rolls all of them back, with words in the user's language."""
    server.language = language
    said(server, call("create", vals_list=[values("a1")]))
    server.unknown.add("66")
    for bad in (values("a1"), values("c3", badge="66"), values("b2"), values("")):
        status, error = said(server, call("create", vals_list=[values("b2"), bad]))
        assert (status, error["name"]) == (422, "odoo.exceptions.ValidationError")
        assert ("The operation" in error["message"]) is (language == "en" and bad["badge"] != "66")
        assert error.keys() == {"name", "message", "arguments", "context", "debug"}
    assert server.ids == ["a1"]
    server.unique = False
    assert said(server, call("create", vals_list=[values("a1")])) == (200, [2])


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ({"nonsense": 1}, "builtins.ValueError"),
        ({"direction": "sideways"}, "builtins.ValueError"),
        ({"punched_at": "2026-11-22T08:59:58+06:00"}, "builtins.ValueError"),
        ({"badge": "nul\0"}, "builtins.ValueError"),
        ({"badge": "\ud83d"}, "builtins.UnicodeEncodeError"),
        ({"state": 2**40}, "psycopg2.errors.NumericValueOutOfRange"),
    ],
)
def test_the_server_fails_at_values(server: OdooServer, bad: dict[str, object], name: str) -> None:
    """What no column takes is an error of the server's, with status 500."""
    status, error = said(server, call("create", vals_list=[values() | bad]))
    assert (status, error["name"], server.rows) == (500, name, [])


def test_the_server_knows_its_user(server: OdooServer) -> None:
    """A wrong key, a right that is missing and a model that is not there have their statuses."""
    made = call("create", vals_list=[values()])
    assert said(server, made, key="0000")[0] == 401
    server.rights = {"read"}
    assert said(server, call("has_access", operation="create")) == (200, False)
    status, error = said(server, made)
    assert (status, error["name"]) == (403, "odoo.exceptions.AccessError")
    assert said(server, call("create", "x_other", vals_list=[values()]))[0] == 404
    assert said(server, call("demolish"))[0] == 404
    assert said(server, Request(b"{}", path="/json/2"))[0] == 404
    assert said(server, call("create", vals=[values()]))[0] == 422
    assert said(server, call("create"))[0] == 422
    assert said(server, Request(b"{", path=f"/json/2/{MODEL}/create"))[0] == 400


def test_the_server_has_several_databases(server: OdooServer) -> None:
    """Where there are several, one that is not named is not found, and a page says so."""
    server.databases.append("other")
    status, text = said(server, call("search_read", fields=["badge"]))
    assert status == 404
    assert text.startswith("<!doctype html>")


# --- deliveries ---


def delivered(
    server: OdooServer, outbox: MemoryOutbox, of: OdooFormat = FORM, size: int = 10, attempts: int = 6
) -> Delivered:
    """Deliver what is pending, without waiting between attempts."""
    where = Destination("odoo", access(server), of, size, attempts, retry_wait=0)
    return deliver(outbox, where, more=lambda: False, progress=lambda _: None, stop=threading.Event())


def until_nothing_is_pending(server: OdooServer, outbox: MemoryOutbox) -> list[Delivered]:
    """Deliver again and again, as runs of a timer do."""
    runs: list[Delivered] = []
    while outbox.left and len(runs) < 20:
        runs.append(delivered(server, outbox))
    assert outbox.left == []
    return runs


@pytest.mark.parametrize("unique", [True, False], ids=["unique", "studio"])
@pytest.mark.parametrize("seed", range(12))
def test_troubles(seed: int, unique: bool) -> None:
    """Whatever goes wrong on the way, each punch is there once in the end, and each is confirmed."""
    events = some_events(73)
    outbox = MemoryOutbox(events)
    with OdooServer(seed) as server:
        server.unique = unique
        until_nothing_is_pending(server, outbox)
        assert server.troubles
        assert Counter(server.ids) == Counter(event.id for event in events)
        assert sorted(outbox.confirmed) == sorted(server.ids)


@pytest.mark.parametrize("language", ["en", "de"])
def test_people_whom_nobody_knows(language: str) -> None:
    """Punches that a constraint refuses are parked with its words, and all others arrive."""
    events = some_events(60)
    outbox = MemoryOutbox(events)
    with OdooServer(5) as server:
        server.language = language
        server.unknown = {"7", "8", "41"}
        until_nothing_is_pending(server, outbox)
        refused = {event.id for event in events if event.user_id in server.unknown}
        assert set(outbox.put_aside) == refused
        assert Counter(server.ids) == Counter({event.id for event in events} - refused)
    seven = next(event.id for event in events if event.user_id == "7")
    assert outbox.refusals[seven] == (
        'the dashboard answered 422 and refused it; it says: "No employee has badge 7"'
    )


def test_a_value_that_no_column_takes(server: OdooServer) -> None:
    """One user id that Odoo cannot store holds up nobody."""
    odd = EXAMPLE._replace(id="00000000-0000-5000-8000-000000000000", user_id="nul\0")
    outbox = MemoryOutbox([odd, *some_events(30)])
    assert delivered(server, outbox).problem is None
    assert (outbox.put_aside, len(server.rows)) == ([odd.id], 30)


def test_punches_that_are_there_already(server: OdooServer) -> None:
    """What somebody imported before is confirmed, archived or not, and not there twice."""
    events = some_events(25)
    said(server, call("create", vals_list=[values(event.id) for event in events[5:20]]))
    server.rows[3]["active"] = False
    outbox = MemoryOutbox(events)
    assert delivered(server, outbox).problem is None
    assert Counter(server.ids) == Counter(event.id for event in events)
    assert sorted(outbox.confirmed) == sorted(server.ids)


def test_a_field_that_is_missing_parks_nothing(server: OdooServer) -> None:
    """A model without one of the fields is no punch's fault: nothing is parked, and the field is named."""
    del server.fields["verify"]
    outbox = MemoryOutbox(some_events(30))
    done = delivered(server, outbox)
    assert done.kind == "refused"
    assert "Invalid field 'verify' on 'zkpoll.punch'" in (done.problem or "")
    assert (len(outbox.left), outbox.put_aside) == (30, [])


def test_a_run_that_cannot_see_sends_nothing(server: OdooServer) -> None:
    """A user who may create but not read is told so, and doubles nothing after a lost answer."""
    server.unique = False
    server.answers.append(failure(500, "psycopg2.errors.SerializationFailure", "could not serialize"))
    server.rights = {"create"}
    outbox = MemoryOutbox(some_events(3))
    done = delivered(server, outbox)
    assert done.kind == "configuration"
    assert "to read zkpoll.punch" in (done.problem or "")
    assert (server.rows, len(outbox.left)) == ([], 3)
    server.rights = {"create", "read"}
    assert delivered(server, outbox).problem is None
    assert len(server.rows) == 3


def test_locks_pass(server: OdooServer) -> None:
    """What is locked, or failed for a moment, is tried again in the same run."""
    server.answers.extend(
        [
            failure(409, "odoo.exceptions.LockError", "Gesperrt"),
            failure(500, "psycopg2.errors.LockNotAvailable", "could not obtain lock"),
        ]
    )
    outbox = MemoryOutbox(some_events(3))
    assert delivered(server, outbox).problem is None
    assert len(server.rows) == 3


# --- ping ---


def asked(server: OdooServer, of: OdooFormat = FORM, key: str = KEY) -> Ping:
    """Ping the server."""
    return ping(access(server, key), of)


def outcomes(found: Ping) -> dict[str, bool | None]:
    """Return how each step went, in their order, but those of the way."""
    return {step.name: step.ok for step in found.steps if step.name not in ("name", "connection")}


def test_all_is_well(server: OdooServer) -> None:
    """A ping looks at the model and its fields, asks for the right to create, and creates nothing."""
    found = asked(server)
    assert outcomes(found) == {"answer": True, "credentials": True, "rights": True}
    assert [step.text for step in found.steps[-3:]] == [
        "200 to a look at zkpoll.punch",
        "accepted, and zkpoll.punch has all fields",
        "may create zkpoll.punch",
    ]
    look, question = (json.loads(request.body) for request in server.requests)
    assert look == {"domain": [], "fields": list(FIELDS), "limit": 1}
    assert question == {"operation": "create"}


def test_a_ping_of_a_model_that_is_not_there(server: OdooServer) -> None:
    """Odoo answers, and it is said that the module is missing."""
    found = asked(server, form(model="x_punch"))
    assert outcomes(found) == {"answer": True, "credentials": False}
    assert found.steps[-2].text == "404 to a look at x_punch"
    assert "has no x_punch; check url: (Odoo 19 or newer), database: and model:" in found.steps[-1].text


def test_a_ping_of_a_server_with_several_databases(server: OdooServer) -> None:
    """Without the database's name its page says nothing, so our words do; with it all is well."""
    server.databases.append("other")
    found = asked(server)
    assert outcomes(found) == {"answer": True, "credentials": False}
    assert "database:" in found.steps[-1].text
    assert asked(server, form(database=DATABASE)).ok


def test_a_ping_of_a_model_that_lacks_a_field(server: OdooServer) -> None:
    """The field is named."""
    found = asked(server, form(fields={"id": "event_id", "user_id": "x_badge"}))
    assert outcomes(found) == {"answer": True, "credentials": False}
    assert "Invalid field 'x_badge' on 'zkpoll.punch'" in found.steps[-1].text


def test_a_ping_without_rights(server: OdooServer) -> None:
    """Who may only look is told so before the first punch; who may not even do that, too."""
    server.rights = {"read"}
    found = asked(server)
    assert outcomes(found) == {"answer": True, "credentials": True, "rights": False}
    assert found.steps[-1].text == "may not create zkpoll.punch; give its user the right to"
    server.rights = set()
    assert outcomes(asked(server)) == {"answer": True, "credentials": False}


def test_a_ping_with_a_wrong_key(server: OdooServer) -> None:
    """The key is what to look at, and it is not shown."""
    found = asked(server, key="0123456789abcdef")
    assert outcomes(found) == {"answer": True, "credentials": False}
    assert "token:" in found.steps[-1].text
    assert "0123456789abcdef" not in repr(found)


def test_a_ping_of_an_odoo_that_tells_no_rights(server: OdooServer) -> None:
    """Where the question is not known, nobody is alarmed."""
    server.answers.extend([server.default, failure(404, "werkzeug.exceptions.NotFound", "no method")])
    found = asked(server)
    assert found.ok
    assert found.steps[-1].text == "not told; the first punch will tell"


def test_a_ping_of_something_else(server: OdooServer) -> None:
    """A server that answers with JSON of its own is no Odoo."""
    server.answers.append(failure(200, "", ""))
    found = asked(server)
    assert outcomes(found) == {"answer": True, "credentials": False}
    assert "something else than the records that were asked for" in found.steps[-1].text


# --- the page ---


def table(title: str) -> list[str]:
    """Return the rows of the table that begins with that title."""
    (found,) = re.findall(rf"^\| {title} \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    rows: list[str] = found.strip().splitlines()[2:]
    return rows


def test_the_tables_have_no_other_rows() -> None:
    """The page tells of exactly the answers that are tested, in their order."""
    assert table("answer of Odoo") == [case.row for case in CASES]
    assert table("what the look finds") == [case.row for case in LOOKS]


def test_the_requests_are_those_shown() -> None:
    """The samples are what goes out, and where to."""
    bodies = [json.loads(shown) for shown in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    assert bodies == [
        json.loads(body(FORM, EXAMPLE)),
        json.loads(first(FORM, EXAMPLE, unsure=True).body or b""),
    ]
    paths = re.findall(r"^POST (\S+) HTTP/1.1$", PAGE, re.MULTILINE)
    assert paths == [first(FORM, EXAMPLE).path, first(FORM, EXAMPLE, unsure=True).path]


FILES: Final[dict[str, str]] = dict(
    re.findall(r"^`([^`\s]+)`\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
)
"""The files of the module that the page shows, by path."""


def test_the_module_is_whole() -> None:
    """The module's files are those that it names, and its Python is Python."""
    manifest = ast.literal_eval(FILES["__manifest__.py"])
    assert set(FILES) == {
        "__manifest__.py", "__init__.py", "models/__init__.py", "models/punch.py", *manifest["data"],
    }  # fmt: skip
    for path, text in FILES.items():
        if path.endswith(".py"):
            compile(text, path, "exec")
    rights = list(csv.DictReader(FILES["security/ir.model.access.csv"].splitlines()))
    groups = {row["id"] for row in csv.DictReader(FILES["security/res.groups.csv"].splitlines())}
    poller = next(row for row in rights if row["group_id:id"] in groups)
    assert {right for right in poller if right.startswith("perm_") and poller[right] == "1"} == {
        "perm_read", "perm_create",
    }  # fmt: skip
    assert {row["model_id:id"] for row in rights} == {"model_" + Odoo().model.replace(".", "_")}


def test_the_module_takes_what_is_sent() -> None:
    """Its fields are those of the default settings, and that of the id is unique in the database."""
    (model,) = [node for node in ast.parse(FILES["models/punch.py"]).body if isinstance(node, ast.ClassDef)]
    named = {
        ast.unparse(node.targets[0]): ast.unparse(node.value)
        for node in model.body
        if isinstance(node, ast.Assign)
    }
    assert named["_name"] == repr(Odoo().model)
    fields = {name: made for name, made in named.items() if made.startswith("fields.")}
    assert list(fields) == list(Odoo().fields.values()) == list(FIELDS)
    kinds = {name: made.removeprefix("fields.").partition("(")[0].lower() for name, made in fields.items()}
    assert kinds == FIELDS
    (unique,) = [made for made in named.values() if made.startswith("models.Constraint(")]
    assert f"UNIQUE({Odoo().fields['id']})" in unique
