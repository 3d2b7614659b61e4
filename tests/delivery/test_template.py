"""The format `template`: what goes out, what the answers mean, and a server in the style of many."""

from __future__ import annotations

import json
import re
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from tests.delivery.outbox import EXAMPLE, MemoryOutbox, some_events
from tests.delivery.template_answers import CASES, SUCCESS, TemplateCase
from tests.delivery.template_server import API_KEY, WAYS, JsonApi, Manners
from tests.site import TOKEN
from zkpoll.delivery.access import Access
from zkpoll.delivery.contract import Reply, Verdict
from zkpoll.delivery.destination import Delivered, Destination
from zkpoll.delivery.formats.events import compact
from zkpoll.delivery.formats.fields import values
from zkpoll.delivery.formats.template import TemplateFormat
from zkpoll.delivery.loop import deliver
from zkpoll.delivery.origins import Origins
from zkpoll.inventory import Device, load
from zkpoll.inventory.documents import NAMES, PLACEHOLDER
from zkpoll.inventory.formats.template import Success, Template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zkpoll.delivery.contract import Decision, Request
    from zkpoll.model.punch import Event

PAGE: Final = (Path(__file__).parents[2] / "docs" / "template.md").read_text("utf-8")
SECRET: Final = "b0dy-s3cret/1"

FRONT: Final = Device.model_validate(
    {
        "name": "front-door",
        "host": "192.168.1.201",
        "timezone": "Asia/Dhaka",
        "latitude": "23.7806",
        "longitude": "90.4074",
    }
)
"""The terminal of the page's example."""
TERMINALS: Final = Origins({FRONT.name: FRONT})
ONE: Final = Template.model_validate(
    {
        "body": {
            "ref": "{{ id }}",
            "employee": "{{ user_id }}",
            "at": "{{ timestamp }}",
            "way": "{{ direction }}",
            "state": "{{ type }}",
            "place": ["{{ latitude }}", "{{ longitude }}"],
            "note": "{{ device }} ({{ latitude }}): {{ direction }}, {{ type }}",
            "manual": False,
        }
    }
)
LISTED: Final = Template.model_validate(
    {
        "method": "PUT",
        "body": {"source": "zkpoll", "records": "{{ events }}", "more": None},
        "each": {"ref": "{{id}}", "employee": "{{ user_id }}", "punched": "{{ date }} at {{ time }}"},
    }
)


def request(settings: Template, *events: Event, terminals: Origins = TERMINALS) -> Request:
    """Return the request that carries events."""
    return next(TemplateFormat(settings, terminals).exchange(events, unsure=False))


def body(settings: Template, *events: Event, terminals: Origins = TERMINALS) -> str:
    """Return the text of the body that carries events."""
    found = request(settings, *events, terminals=terminals).body
    assert found is not None
    return found.decode()


def decided(
    answer: Any, success: Success | None, ids: Sequence[str], secrets: tuple[str, ...] = ()
) -> Decision:
    """Return what becomes of the events of so many ids when that is the answer to them."""
    settings = LISTED.model_copy(update={"success": success})
    exchange = TemplateFormat(settings, TERMINALS, secrets).exchange(
        [EXAMPLE._replace(id=one) for one in ids], unsure=False
    )
    next(exchange)
    with pytest.raises(StopIteration) as end:
        exchange.send(answer)
    decision: Decision = end.value.value
    return decision


# --- what goes out ---


@pytest.mark.parametrize(
    ("settings", "state", "way"),
    [
        ({}, 0, "in"),
        ({}, 1, "out"),
        ({}, 2, None),
        ({}, 255, None),
        ({"direction": "out"}, 0, "out"),
        ({"direction": "in"}, 255, "in"),
        ({"direction": "none"}, 0, None),
        ({"in_states": ("3",), "out_states": ("2",)}, 2, "out"),
    ],
)
def test_the_request_of_one_punch(settings: dict[str, Any], state: int, way: str | None) -> None:
    """A text that is a placeholder alone becomes the value, null and number included; another one a text."""
    terminal = Device.model_validate(FRONT.model_dump() | settings)
    sent = body(ONE, EXAMPLE._replace(state=state), terminals=Origins({"front-door": terminal}))
    quoted = f'"{way}"' if way else "null"
    assert sent == (
        '{"ref":"224c9c2b-8130-5e29-a627-3b68fe8961e9","employee":"1001","at":"2026-11-22T08:59:58+06:00",'
        f'"way":{quoted},"state":{state},"place":[23.7806,90.4074],'
        f'"note":"front-door (23.7806): {way or ""}, {state}","manual":false}}'
    )


def test_a_terminal_without_a_place() -> None:
    """What nobody told is null, and within a text nothing."""
    nowhere = FRONT.model_copy(update={"latitude": None, "longitude": None})
    sent = body(ONE, EXAMPLE, terminals=Origins({"front-door": nowhere}))
    assert '"place":[null,null],"note":"front-door (): in, 0"' in sent


@pytest.mark.parametrize(
    ("user_id", "written"),
    [
        ("0017", "0017"),
        ('a"b\\', 'a\\"b\\\\'),
        ("{{ id }}", "{{ id }}"),
        ('","x":"', '\\",\\"x\\":\\"'),
        ("১০০১", "১০০১"),
        ("\x07\n", "\\u0007\\n"),
        ("\ud800", "\\ud800"),
    ],
)
def test_odd_user_ids(user_id: str, written: str) -> None:
    """Whatever a user id holds stays within its text, and is not filled in once more."""
    texts = ["{{ user_id }}", "<{{ user_id }}>", '"{{ user_id }}', "\\{{ user_id }}", '"{{ type }}']
    settings = Template.model_validate({"body": [*texts, "{{ id }}"]})
    sent = body(settings, EXAMPLE._replace(user_id=user_id))
    assert sent == (
        f'["{written}","<{written}>","\\"{written}","\\\\{written}","\\"0","224c9c2b-8130-5e29-a627-3b68fe8961e9"]'
    )


def test_the_request_of_several() -> None:
    """The list stands where `{{ events }}` stood, with a document for each punch, in their order."""
    asked = request(LISTED, *some_events(2))
    assert (asked.method, asked.path, asked.ids) == ("PUT", "", tuple(one.id for one in some_events(2)))
    assert asked.body == (
        b'{"source":"zkpoll","records":['
        b'{"ref":"253ceac7-c599-5e5f-bd11-ac4fa4f07290","employee":"1","punched":"2026-11-22 at 08:59:58"},'
        b'{"ref":"03ae6d2c-a594-54e0-b951-a70cc6cb7dd7","employee":"2","punched":"2026-11-22 at 08:59:58"}'
        b'],"more":null}'
    )


def test_the_list_alone() -> None:
    """The body can be the list, and what stands for a punch can be a list."""
    settings = Template.model_validate({"body": "{{ events }}", "each": ["{{ id }}", "{{ epoch }}"]})
    assert body(settings, EXAMPLE) == '[["224c9c2b-8130-5e29-a627-3b68fe8961e9",1795316398]]'


def test_how_many_a_request_carries() -> None:
    """One punch without `each`, and any number with it."""
    assert (TemplateFormat(ONE, TERMINALS).most, TemplateFormat(LISTED, TERMINALS).most) == (1, None)


def test_a_repeat_is_the_same_request() -> None:
    """What may be there already is sent again, byte for byte."""
    form = TemplateFormat(LISTED, TERMINALS)
    assert next(form.exchange([EXAMPLE], unsure=True)) == next(form.exchange([EXAMPLE], unsure=False))


def filled(tree: Any, told: Any) -> Any:
    """Return a document filled in the way its page tells it, value by value."""
    if isinstance(tree, dict):
        return {name: filled(value, told) for name, value in tree.items()}
    if isinstance(tree, list):
        return [filled(value, told) for value in tree]
    if not isinstance(tree, str):
        return tree
    if alone := PLACEHOLDER.fullmatch(tree):
        return told[alone["name"]]
    return PLACEHOLDER.sub(lambda mark: in_text(told[mark["name"]]), tree)


def in_text(value: object) -> str:
    """Return a value as it stands within a text."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


TEXTS = st.lists(
    st.sampled_from([*(f"{{{{ {name} }}}}" for name in NAMES), *'"\\{}[],: x', "é", "\u2028", "\n"])
).map("".join)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text('ab"\\,:[{ é'), inner),
)


@given(tree=TREES, user_id=st.text(), device=st.text('"\\{} id'), latitude=st.none() | st.floats(-90, 90))
def test_any_document(tree: Any, user_id: str, device: str, latitude: float | None) -> None:
    """Whatever a document and the values hold, the pieces join to what filling it by hand gives."""
    place = FRONT.model_copy(update={"latitude": latitude})
    event = EXAMPLE._replace(user_id=user_id, device=device)
    terminals = Origins({device: place})
    try:
        settings = Template.model_validate({"body": [tree, "{{ id }}"]})
    except ValueError:  # such as `{{{{ id }}`
        return
    sent = json.loads(body(settings, event, terminals=terminals))
    assert sent == [filled(tree, values(event, terminals)), event.id]


def test_probes_change_nothing() -> None:
    """A ping asks with OPTIONS, and carries no punch."""
    (probe,) = TemplateFormat(ONE, TERMINALS).probes()
    assert (probe.request.method, probe.request.body, probe.step) == ("OPTIONS", None, "credentials")


# --- what the answers mean ---


@pytest.mark.parametrize("case", CASES, ids=[case.shown for case in CASES])
def test_each_answer_means_what_the_page_says(case: TemplateCase) -> None:
    """Each answer of a row has its verdict, and the row is in the table."""
    assert {decided(one, case.success, case.ids).verdict for one in case.answers} == {case.verdict}
    assert case.row in PAGE


def test_the_table_has_no_other_row() -> None:
    """No row is left of what the program no longer does."""
    (table,) = re.findall(r"^\| answer \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert table.strip().splitlines()[2:] == [case.row for case in CASES]


@pytest.mark.parametrize(
    ("success", "reply", "words"),
    [
        (
            SUCCESS,
            Reply(202, body=b'{"ok": true}'),
            "answered 202 but with none of the statuses in success: (200, 2",
        ),
        (
            SUCCESS,
            Reply(200, body=b"fine"),
            "answered 200 without the JSON in which success: looks for $.ok",
        ),
        (SUCCESS, Reply(200, body=b'{"ok": 1}'), "answered 200 and success: wants true at $.ok; it says"),
        (
            Success(path=("a b", -1)),
            Reply(200, body=b'{"a b": []}'),
            'wants something at $["a b"][-1]; it says',
        ),
    ],
)
def test_the_words_name_the_rule(success: Success, reply: Reply, words: str) -> None:
    """A 2xx that does not confirm says which rule it breaks, with the dashboard's own words."""
    decision = decided(reply, success, ("a1",))
    assert words in decision.message
    assert decision.message.endswith(f'it says: "{reply.body.decode()}"')


def test_the_words_hold_no_secret() -> None:
    """What a dashboard echoes of the body is masked where it is secret, in any spelling."""
    reply = Reply(200, body=rb'{"ok": false, "you sent": "b0dy-s3cret\/1", "or": "b0dy-s3cret/1"}')
    decision = decided(reply, SUCCESS, ("a1",), (SECRET,))
    assert "s3cret" not in decision.message
    assert decision.message.count("***") == 2


@pytest.mark.parametrize(
    ("wanted", "found", "holds"),
    [
        ("true", "true", True),
        ("true", "1", False),
        ("1", "true", False),
        ("1", "1.0", True),
        ("0", "false", False),
        ("0", '"0"', False),
        ("null", "null", True),
        ("null", "0", False),
        ('"ok"', '"ok"', True),
        ('"ok"', '"OK"', False),
        ("[1, true]", "[1.0, true]", True),
        ("[1, true]", "[true, 1]", False),
        ("[1]", "[1, 2]", False),
        ('{"a": [0]}', '{"a": [0.0]}', True),
        ('{"a": 0}', '{"a": false}', False),
        ('{"a": 0}', '{"a": 0, "b": 1}', False),
        ("{}", "[]", False),
    ],
)
def test_values_are_equal_as_json_has_them(wanted: str, found: str, holds: bool) -> None:
    """No number is true, 1 is 1.0, and lists and objects are compared to their depths."""
    success = Success(path=("x",), value=json.loads(wanted))
    decision = decided(Reply(200, body=f'{{"x": {found}}}'.encode()), success, ("a1",))
    assert (decision.verdict is Verdict.CONFIRMED) == holds


@pytest.mark.parametrize(
    ("path", "holds"),
    [
        ((), True),
        (("rows",), True),
        (("rows", 0, "id"), True),
        (("rows", -1, "id"), True),
        (("rows", 1), False),
        (("rows", -2), False),
        (("rows", "0"), False),
        (("rows", 0, "error"), False),
        (("rows", 0, "id", "x"), False),
        (("none",), False),
        ((0,), False),
    ],
)
def test_a_path_alone_asks_for_anything_but_null(path: tuple[str | int, ...], holds: bool) -> None:
    """Without a value the place must be there and hold something."""
    reply = Reply(200, body=b'{"rows": [{"id": 0, "error": null}]}')
    assert (decided(reply, Success(path=path), ("a1",)).verdict is Verdict.CONFIRMED) == holds


def test_a_nesting_nobody_can_read() -> None:
    """An answer that is nested beyond reading confirms nothing."""
    reply = Reply(200, body=b"[" * 100_000)
    assert decided(reply, SUCCESS, ("a1",)).verdict is Verdict.SUSPECT


def test_a_409_that_contradicts_itself() -> None:
    """A 409 that rejects, without saying which, is no repeat."""
    reply = Reply(409, body=b'{"rejected": 1}')
    assert decided(reply, SUCCESS, ("a1",)).verdict is Verdict.TRY_AGAIN


@given(
    status=st.integers(100, 599),
    content=st.binary() | st.sampled_from([b'{"ok": true}', b'{"ok": false}', b"<html>"]),
    ids=st.sampled_from([("a1",), ("a1", "b2")]),
)
def test_only_what_was_asked_for_confirms(status: int, content: bytes, ids: tuple[str, ...]) -> None:
    """Whatever is answered, punches are confirmed by a listed 2xx with the value, or alone by 409."""
    decision = decided(Reply(status, body=content), SUCCESS, ids)
    if decision.verdict is Verdict.CONFIRMED:
        fine = status in {200, 201} and json.loads(content) == {"ok": True}
        assert fine or (status == 409 and len(ids) == 1 and b"<html" not in content)


# --- the page ---


def shown(language: str, first: str) -> str:
    """Return the page's block in a language that begins like that."""
    (block,) = re.findall(rf"^```{language}\n({re.escape(first)}.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    text: str = block
    return text


def test_the_page_tells_of_each_name() -> None:
    """The table lists exactly the names there are, each with what it is for the example's punch."""
    rows = re.findall(r"^\| `([a-z_]+)` \| .* \| `(.*)` \|$", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == list(NAMES)
    told = values(EXAMPLE, TERMINALS)
    assert {name: json.loads(example) for name, example in rows} == told


def test_the_page_shows_the_request(tmp_path: Path) -> None:
    """The page's inventory is one, and sends what the page shows for the example's punch."""
    path = tmp_path / "devices.yaml"
    terminal = FRONT.model_dump(include={"name", "host", "timezone"})
    yaml = shown("yaml", "dashboard:\n  url: https://hr.example.com/api/v2/clockings\n  token")
    path.write_text(f"{yaml}journal: journal.db\ndevices: [{json.dumps(terminal)}]\n")
    (dashboard,) = load(path, {"HR_TOKEN": "t", "HR_API_KEY": "…"}).dashboards
    template = dashboard.format_settings
    assert isinstance(template, Template)
    assert template.success == SUCCESS
    assert body(template, EXAMPLE) == compact(json.loads(shown("json", "{"))).decode()


# --- the server, and deliveries to it ---


@pytest.fixture
def serving() -> Any:
    """Start servers, and close them after the test."""
    with ExitStack() as stack:
        yield lambda *arguments, **more: stack.enter_context(JsonApi(*arguments, **more))


def post(server: JsonApi, content: object, method: str = "POST", token: str = TOKEN) -> tuple[int, Any]:
    """Send what any client could; return the status and the JSON of the answer."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.request(method, server.url, json=content, headers=headers, timeout=5)
    return answer.status_code, answer.json()


RECORD: Final = {"ref": "r1", "employee": "1001"}
OTHER: Final = {"ref": "r2", "employee": "1002"}
STRANGE: Final = {"ref": "r3", "employee": "9"}


def test_a_server_keeps_each_once(serving: Callable[..., JsonApi]) -> None:
    """A document is taken with 201, its repeat with 200, and there is one of it."""
    server = serving()
    assert post(server, RECORD) == (201, {"result": {"ok": True, "kept": 1}})
    assert post(server, RECORD, method="PUT") == (200, {"result": {"ok": True, "kept": 0}})
    assert server.records == [RECORD]


def test_a_server_that_answers_409(serving: Callable[..., JsonApi]) -> None:
    """It says that it has some of a list, and keeps the others unless lists are kept as a whole."""
    loose = serving(Manners(listed="", repeats="conflict"))
    assert [post(loose, [RECORD])[0], post(loose, [RECORD, OTHER])[0]] == [201, 409]
    assert loose.records == [RECORD, OTHER]
    strict = serving(Manners(listed="rows", repeats="conflict", together=True))
    assert [post(strict, {"rows": [RECORD]})[0], post(strict, {"rows": [RECORD, OTHER]})[0]] == [201, 409]
    assert strict.records == [RECORD]
    naming = serving(Manners(listed="", repeats="named"))
    post(naming, [RECORD])
    assert post(naming, [RECORD, OTHER]) == (409, {"present": ["r1"]})


def test_a_server_that_refuses(serving: Callable[..., JsonApi]) -> None:
    """It says so by a status, in its body, or with the names of those at fault."""
    says = {"error": "unknown employee 9"}
    assert post(serving(strangers="9"), STRANGE) == (422, says)
    assert post(serving(Manners(says="body"), "9"), STRANGE) == (200, {"result": {"ok": False, **says}})
    naming = serving(Manners(listed="", names=True), "9")
    assert post(naming, [RECORD, STRANGE]) == (422, {"rejected": [{"id": "r3", **says}]})
    assert naming.records == [RECORD]


def test_a_server_that_wants_things(serving: Callable[..., JsonApi]) -> None:
    """It wants the token, its key in the body, JSON, some method, and not too many requests."""
    server = serving(Manners(key_in_body=True))
    assert post(server, RECORD, token="other")[0] == 401
    assert post(server, RECORD) == (401, {"error": f"unknown api_key in {json.dumps(RECORD)}"})
    assert post(server, RECORD | {"api_key": API_KEY})[0] == 201
    assert post(server, RECORD, method="GET")[0] == 405
    limited = serving(Manners(limit=2))
    assert [post(limited, RECORD)[0] for _ in range(4)] == [201, 429, 200, 429]


def delivered(server: JsonApi, settings: Template, outbox: MemoryOutbox, batch_size: int = 50) -> Delivered:
    """Deliver what is in an outbox."""
    access = Access(server.url, 5, TOKEN)
    form = TemplateFormat(settings, TERMINALS, access.secrets)
    where = Destination("main", access, form, batch_size, attempts=6, retry_wait=0)
    return deliver(outbox, where, more=lambda: False, progress=lambda _: None, stop=threading.Event())


ROWS: Final = Template.model_validate(
    {
        "body": {"rows": "{{ events }}"},
        "each": {"ref": "{{ id }}", "employee": "{{ user_id }}"},
        "success": Success(status=(200, 201, 409), path=("result", "ok"), value=True),
    }
)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("there", [[0, 1, 2], [17], range(40), [3, 4, 5, 20, 39]])
def test_a_list_of_which_some_are_there(
    serving: Callable[..., JsonApi], together: bool, there: Sequence[int]
) -> None:
    """A list that meets 409 is taken apart until each punch is there once, whatever the server kept of it."""
    events = some_events(40)
    server = serving(Manners(listed="rows", repeats="conflict", together=together))
    server.records += [{"ref": events[at].id, "employee": events[at].user_id} for at in there]
    outbox = MemoryOutbox(events)
    assert delivered(server, ROWS, outbox).problem is None
    assert (outbox.left, outbox.put_aside) == ([], [])
    assert sorted(server.refs) == sorted(one.id for one in events)


@pytest.mark.parametrize(
    "manners",
    [
        Manners(listed="rows", says="body"),
        Manners(listed="rows", says="body", together=True),
        Manners(listed="rows", says="body", together=True, repeats="conflict"),
        Manners(listed="rows", says="status", together=True),
        Manners(listed="rows", names=True, repeats="conflict"),
    ],
    ids=str,
)
def test_a_refusal_parks_the_ones_at_fault(serving: Callable[..., JsonApi], manners: Manners) -> None:
    """Those whom the server does not know are parked with its words, and all others are there once."""
    events = some_events(40)
    strangers = [events[at] for at in (0, 1, 17, 39)]
    server = serving(manners, [event.user_id for event in strangers])
    outbox = MemoryOutbox(events)
    assert delivered(server, ROWS, outbox).problem is None
    assert sorted(outbox.put_aside) == sorted(event.id for event in strangers)
    assert all(f"unknown employee {event.user_id}" in outbox.refusals[event.id] for event in strangers), (
        outbox.refusals
    )
    assert sorted(server.refs) == sorted(one.id for one in events if one not in strangers)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("way", WAYS)
def test_books_agree_whatever_goes_wrong(serving: Callable[..., JsonApi], way: str, seed: int) -> None:
    """Whatever is lost on the way, in the end each punch is confirmed and there once, or is a stranger's."""
    manners, template = WAYS[way]
    events = some_events(60)
    strangers = {events[at].user_id for at in (5, 6, 40)}
    server = serving(manners, strangers, seed)
    outbox = MemoryOutbox(events)
    for _ in range(20):
        if not outbox.left:
            break
        delivered(server, Template.model_validate(template), outbox, batch_size=16)
    assert outbox.left == []
    assert {event.user_id for event in events if event.id in outbox.put_aside} == strangers
    assert sorted(server.refs) == sorted(outbox.confirmed)


@pytest.mark.parametrize(
    "success", [Success(path=("result", "okay"), value=True), Success(status=(204,))], ids=str
)
def test_a_rule_that_never_holds(serving: Callable[..., JsonApi], success: Success) -> None:
    """Where no answer is what `success:` asks for, nothing is confirmed, nothing parked, and it is told."""
    server = serving(Manners(listed="rows"))
    outbox = MemoryOutbox(some_events(40))
    result = delivered(server, ROWS.model_copy(update={"success": success}), outbox)
    assert (result.confirmed, result.kind, len(outbox.left), outbox.put_aside) == (0, "refused", 40, [])
    assert result.problem is not None
    assert "success:" in result.problem
    assert sorted(set(server.refs)) == sorted(server.refs)


def test_it_says_no_for_an_hour(serving: Callable[..., JsonApi]) -> None:
    """200 with a refusal of everybody parks nobody, however often it is asked."""
    server = serving(Manners(listed="rows", says="body", together=True), {str(user) for user in range(41)})
    outbox = MemoryOutbox(some_events(40))
    for _ in range(3):
        assert delivered(server, ROWS, outbox).kind == "refused"
    assert (len(outbox.left), outbox.put_aside, server.records) == (40, [], [])
