"""Bodies of requests: what YAML and JSON mean in them, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.inventory.helpers import dashboard, read, wrong
from zkpoll.cli.config import config
from zkpoll.inventory.documents import NAMES, Document, JsonDocument, JsonValue
from zkpoll.inventory.formats.template import Template

if TYPE_CHECKING:
    from pathlib import Path

ID = '"{{ id }}"'


def template(*lines: str) -> str:
    """Given settings of a template, return an inventory whose dashboard has them from line 5."""
    return dashboard("url: https://a", "format: template", "template:", *(f"  {line}" for line in lines))


def body(folder: Path, *lines: str, env: dict[str, str] | None = None) -> Document:
    """Given lines of a body below its id, return what it means."""
    return loaded(folder, "body:", f"  id: {ID}", *(f"  {line}" for line in lines), env=env)


def loaded(folder: Path, *lines: str, env: dict[str, str] | None = None) -> Document:
    """Given settings of a template, return its body."""
    made = read(folder, template(*lines), env).dashboards[0].format_settings
    assert isinstance(made, Template)
    return made.body


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("12", 12), ("-0.5", -0.5), ("1e3", 1000.0), ("0", 0), ("true", True), ("false", False)),
        *(("null", None), ("~", None), ("", None), ("''", ""), ("'12'", "12"), ('"true"', "true")),
        *(("0012", "0012"), ("+1", "+1"), (".5", ".5"), ("1.", "1."), ("0x1f", "0x1f"), ("1_000", "1_000")),
        *(("yes", "yes"), ("True", "True"), ("2026-11-22", "2026-11-22"), ("12:30", "12:30")),
        *(("[1, '1', [no, {a: }]]", [1, "1", ["no", {"a": None}]]), ("{0012: 0}", {"0012": 0}), ("{}", {})),
        *(("${NUMBER}", "7"), ("'${NUMBER}'", "7"), ("x${NUMBER}", "x7"), ("${WORD}", "true")),
        *(("$${A}", "${A}"), ("${HEX}", "8612e54"), ("${GONE:-1.50}", "1.50"), ("${ZEROS}", "007")),
    ],
)
def test_what_is_not_in_quotes_is_what_json_takes_it_for(tmp_path: Path, written: str, value: object) -> None:
    """A number, a switch or nothing as JSON writes it is one; what comes from a variable is always text."""
    env = {"NUMBER": "7", "WORD": "true", "HEX": "8612e54", "ZEROS": "007"}
    found = body(tmp_path, f"x: {written}", env=env).tree["x"]
    assert (found, type(found)) == (value, type(value))


TREE = {"rows": [{"key": "{{ id }}", "n": [1, 2.5, True, None, "1"]}], "a b": {}}


@pytest.mark.parametrize(
    "lines",
    [
        [f"body: {json.dumps(TREE)}"],
        [f"body: '{json.dumps(TREE)}'"],
        ["body: |", *(f"  {line}" for line in json.dumps(TREE, indent=2).split("\n"))],
        ["body: |-", *(f"  {line}" for line in json.dumps(TREE, indent="\t").split("\n"))],
        ["body: >", *(f"  {line}" for line in json.dumps(TREE, indent=2).split("\n"))],
    ],
)
def test_a_body_may_be_json(tmp_path: Path, lines: list[str]) -> None:
    """JSON is taken as YAML's own, in quotes on a line, or as a block of text."""
    assert loaded(tmp_path, *lines).tree == TREE


def test_a_list_is_a_body(tmp_path: Path) -> None:
    """The outermost of a body may be a list."""
    assert loaded(tmp_path, f"body: [{ID}, 1]").tree == ["{{ id }}", 1]


def test_the_names_in_a_body_are_known(tmp_path: Path) -> None:
    """Placeholders stand anywhere in values, spaces in them or not, as often as wanted."""
    found = body(tmp_path, "a: 'x {{user_id}}{{ device }}'", "b: [{c: '{{  device  }}'}]", "d: '{ {id}} }}'")
    assert found.names == {"id", "user_id", "device"}
    assert (found.count("device"), found.count("utc")) == (2, 0)


def test_a_list_of_punches_stands_where_it_is_wanted(tmp_path: Path) -> None:
    """With each, the body holds the list once, or is the list."""
    each = f"each: {{key: {ID}}}"
    assert loaded(tmp_path, "body: {a: [{b: '{{events}}'}]}", each).tree == {"a": [{"b": "{{events}}"}]}
    for written in ("'{{ events }}'", "'\"{{ events }}\"'"):
        found = loaded(tmp_path, f"body: {written}", each)
        assert (found.tree, found.names) == ("{{ events }}", frozenset({"events"}))


def test_the_names_are_told_apart() -> None:
    """Each name stands for one thing."""
    assert len(set(NAMES)) == len(NAMES)


KNOWN = f"known here: {', '.join(NAMES)}, events"
NOT_JSON = "expected an object or a list of JSON"
FIRST = "line 1 column 1 (char 0))"
NO_ID = "found no {{ id }}; without it a repeat cannot be told from a second punch"
NO_EACH = "found {{ events }}, but no each, which says what one looks like"
ONE_LIST = "{{ events }}, expected one, where the list of each goes"
VARIABLE = "found a variable in JSON as text; write it as a mapping, whose values may hold some"
TOO_LARGE = "found a number that is too large for JSON; put it in quotes"
TOO_DEEP = "found more than 64 levels of objects and lists"
MALFORMED = "found {{ that begins no placeholder, expected {{ name }} with one of our names"
MARKS = ("{{ user-id }}", "{{}}", "{{ id", "{{ id }", "{{ id | upper }}", "{{ ${KEY} }}")
UNQUOTED = 'found {{ }} without quotes, which is no text in YAML; expected "{{ name }}"'
LINE_BREAK = "found a control character or line break (U+000A), expected one line"
IN_NAME = "found {{ in a name; names are sent as they stand, and placeholders are for values"
WITHIN = "found {{ events }} within a text, expected it alone: a list stands for it"
BODY = (
    "The body of a request: JSON with placeholders such as {{ user_id }} in its texts; where there is each,"
    " {{ events }} stands for the list"
)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["body:"], f"body: found nothing, {NOT_JSON}"),
        (["body: 'hunter2'"], f"body: found text that is no JSON (Expecting value: {FIRST}, {NOT_JSON}"),
        (["body: '7'"], f"body: found text, {NOT_JSON}"),
        (['body: \'{"a": 1, "a": 2}\''], "body: found an object in which a name stands twice"),
        (["body: '[NaN]'"], "body: found what JSON cannot hold"),
        (["body: '[1e999]'"], f"body: {TOO_LARGE}"),
        (["body: [1e999]"], f"body: {TOO_LARGE}"),
        ([f"body: '[{'9' * 5000}]'"], f"body: {TOO_LARGE}"),
        (["body: '[\"\\ud800\"]'"], "body: found half a character in a text (a lone surrogate)"),
        ([f"body: '{'[' * 65}{']' * 65}'"], f"body: {TOO_DEEP}"),
        ([f"body: '{'[' * 100_000}{']' * 100_000}'"], f"body: {TOO_DEEP}"),
        ([f"body: {'[' * 65}{']' * 65}"], f"body: {TOO_DEEP}"),
        (["body: '[\"${KEY}\"]'"], f"body: {VARIABLE}"),
        (["body: {a: '{{ usr_id }}'}"], "body: unknown name {{ usr_id }}, did you mean user_id?"),
        (["body: {a: '{{ USER_ID }}'}"], "body: unknown name {{ USER_ID }}, did you mean user_id?"),
        (["body: {a: '{{ zebra }}'}"], f"body: unknown name {{{{ zebra }}}}, {KNOWN}"),
        *(([f"body: {{a: '{mark}'}}"], f"body: {MALFORMED}") for mark in MARKS),
        (["body: {'{{ id }}': 1}"], f"body: {IN_NAME}"),
        (["body: {a: '{{ user_id }}'}"], f"body: {NO_ID}"),
        (["body: {a: 1}", "each: {a: '{{ user_id }}'}"], f"body: found no {ONE_LIST}"),
        (["body: {a: '{{ events }}'}", "each: {a: '{{ user_id }}'}"], f"each: {NO_ID}"),
        (["body: {a: '{{ events }}', b: '{{ id }}'}"], f"body: {NO_EACH}"),
        (["body: '{{ events }}'"], f"body: {NO_EACH}"),
        (
            ["body: {a: '{{ events }}'}", f"each: [{ID}, '{{{{ events }}}}']"],
            "each: found {{ events }}, which is the list of these",
        ),
        (
            ["body: ['{{ events }}', '{{ events }}']", f"each: [{ID}]"],
            f"body: found more than one {ONE_LIST}",
        ),
        (["body: {a: 'x{{ events }}'}", f"each: [{ID}]"], f"body: {WITHIN}"),
        (
            ["body: ['{{ events }}', '{{ utc }}']", f"each: [{ID}]"],
            "body: found {{ utc }}, which is of one punch; it belongs into each",
        ),
        ([f"body: [{ID}, {{{{ utc }}}}]"], f"body[1]: {UNQUOTED}"),
        (["body: {a: {{ id }}}"], f"body.a: {UNQUOTED}"),
        (["body: {{ events }}"], f"body: {UNQUOTED}"),
        (["body: {a: '${GONE}'}"], "body.a: environment variable GONE is not set"),
        ([f'body: [{ID}, "a\\nb"]'], f"body[1]: {LINE_BREAK}"),
        (['body: "[\\n]"'], f"body: {LINE_BREAK}"),
        (["each: ['{{ id }}']"], f"body: missing ({BODY})"),
        ([f"body: [{ID}]", "method: GET"], "method: found 'GET', expected POST or PUT or PATCH"),
        ([f"body: [{ID}]", "methd: PUT"], "methd: unknown setting, did you mean method?"),
    ],
)
def test_a_wrong_body_is_one_exact_line(tmp_path: Path, lines: list[str], told: str) -> None:
    """What cannot be sent, or could not be understood there, is told at load time, and by one sentence."""
    (line,) = wrong(tmp_path, template(*lines), {"KEY": "hunter2"})
    assert line.partition(": dashboard.template.")[2] == told
    assert "hunter2" not in line


@pytest.mark.parametrize("style", ["|", ">", "|-"])
def test_only_bodies_have_several_lines(tmp_path: Path, style: str) -> None:
    """A block of text is JSON in a body, and a mistake anywhere else."""
    lines = (f"name: {style}", "  a", "", "  b")
    assert wrong(tmp_path, dashboard("url: https://a", *lines)) == [
        f"devices.yaml:3: dashboard.name: {LINE_BREAK}"
    ]


def test_what_variables_hold_is_a_secret(tmp_path: Path) -> None:
    """What stands for a variable or a file in a body is masked as a whole, and known, so as to be hidden."""
    (tmp_path / "key").write_text("from-file\n")
    lines = (
        "a: Key ${KEY} of ${SITE}",
        "b: ${PIN}",
        "c: '${file:key}'",
        "d: ['${KEY}']",
        "e: ${YES}",
        "f: 1e3",
    )
    env = {"KEY": "hunter2", "SITE": "{x}", "PIN": "1e3", "YES": "true"}
    inventory = read(tmp_path, template("body:", f"  id: {ID}", *(f"  {line}" for line in lines)), env)
    assert inventory.dashboards[0].secrets_in_bodies() == ("hunter2", "{x}", "1e3", "from-file", "true")
    shown = inventory.masked()["dashboard"][0]["template"]["body"]
    mask = "********"
    assert shown == {"id": "{{ id }}", "a": mask, "b": mask, "c": mask, "d": [mask], "e": mask, "f": 1000.0}
    checked = CliRunner().invoke(config, ["check", "-c", str(tmp_path / "devices.yaml"), "--show"], env=env)
    assert yaml.safe_load(checked.stdout)["dashboard"][0]["template"]["body"] == shown
    for text in (repr(inventory), str(inventory), checked.output):
        assert "hunter2" not in text
        assert "from-file" not in text


def test_both_documents_secrets_are_known(tmp_path: Path) -> None:
    """Secrets may stand around the list, and in every punch."""
    lines = ("body: {a: '{{ events }}', k: '${A}'}", f"each: {{i: {ID}, k: '${{B}}'}}")
    made = read(tmp_path, template(*lines), {"A": "one", "B": "two"}).dashboards[0]
    assert made.secrets_in_bodies() == ("one", "two")


def test_a_mask_is_nothing_but_what_is_shown(tmp_path: Path) -> None:
    """What is sent is what was written; null is a value, and is printed as one."""
    inventory = read(tmp_path, template(f"body: {{id: {ID}, a: , k: '${{A}}'}}"), {"A": "one"})
    made = inventory.dashboards[0].format_settings
    assert isinstance(made, Template)
    assert made.body.tree == {"id": "{{ id }}", "a": None, "k": "one"}
    assert inventory.masked()["dashboard"][0]["template"]["body"]["a"] is None


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{"))
NUMBER = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(tree=JSON)
def test_any_json_is_itself(tree: Any) -> None:
    """Whatever JSON holds is kept, written as a text or given as values."""
    assert JsonValue().parse(tree) == tree
    if isinstance(tree, dict | list):
        for given_as in (tree, json.dumps(tree), json.dumps(tree, ensure_ascii=False)):
            found = JsonDocument().parse(given_as)
            assert found == Document(tree, (), frozenset(), tree)
            assert json.dumps(found.tree) == json.dumps(tree)
