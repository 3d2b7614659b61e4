"""What an answer's body holds, in any shape, encoding and type: what does not confirm, and what does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Final

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from zkpoll.delivery.contents import read
from zkpoll.delivery.contract import Reply, Verdict
from zkpoll.delivery.formats.events import Events
from zkpoll.delivery.verdicts import judge

IDS: Final = ("0a", "0b", "0c")
CONFIRMED, CONFIGURATION = Verdict.CONFIRMED, Verdict.CONFIGURATION
SUSPECT, NAMED = Verdict.SUSPECT, Verdict.NAMED

REJECTS: Final = {
    "in an object": '{"data": {"rejected": [{"id": "0b"}]}}',
    "in an empty list": '{"data": {"rejected": []}}',
    "in a list": '[{"rejected": ["0b"]}]',
    "as a state": '{"results": [{"id": "0b", "state": "rejected"}]}',
    "in a text": '{"message": "1 punch was rejected"}',
    "in a longer name": '{"rejectedIds": ["0b"]}',
    "in capitals": '{"Rejected": [{"id": "0b"}]}',
    "in both cases": '{"REJECTED": ["0b"], "rejected": []}',
    "twice": '{"rejected": ["0b"], "rejected": []}',
    "twice, once escaped": r'{"rejected": ["0b"], "r\u0065jected": []}',
    "escaped": r'{"data": {"\u0072\u0065jected": ["0b"]}}',
    "escaped in capitals": r'{"\u0052EJECTED": ["0b"]}',
    "of more, in one that is": '{"rejected": [{"id": "0b", "rejected": ["0c"]}]}',
    "of two, in one that is": '{"rejected": [{"id": "0b", "id": "0c"}]}',
    "in the words on one": '{"rejected": [{"id": "0b", "error": {"rejected": ["0c"]}}]}',
    "of others": '{"rejected": ["somewhere"]}',
    "as a number": '{"rejected": 1}',
    "as no number": '{"rejected": NaN}',
    "as a word": '"rejected"',
    "and not listed": '{"rejected": {"0b": "unknown"}}',
    "in what is no JSON": '{"data": {"rejected": ["0b"]}',
    "in a comment": '/* 1 rejected */ {"ok": true}',
    "in lines": '{"id": "0a"}\n{"id": "0b", "state": "rejected"}',
}
PAGES: Final = {
    "a comment": "<!-- sign in -->",
    "a comment, and an answer": '<!-- cached --> {"ok": true}',
    "XHTML": "<?xml version='1.0'?><html/>",
    "a head": "<head><title>Sign in</title>",
    "behind blanks": " \r\n\t\x0b\xa0\u200b\ufeff<html>",
    "behind two marks": "\ufeff\ufeff<html>",
    "a warning of PHP": '<br />\n<b>Warning</b>: no database\n{"ok": true}',
    "in quotes": '"<html>sign in</html>"',
    "with the word": "<html>rejected</html>",
}
FAILURES: Final = {
    "error": '{"error": "unknown employee"}',
    "Error": '{"Error": {"code": 7}, "accepted": 3}',
    "errors": '{"errors": [{"message": "no such field"}], "data": null}',
    "ok": '{"ok": false}',
    "OK of 0": '{"OK": 0}',
    "success": '{"success": false, "message": "maintenance"}',
    "success as a text": '{"success": " False "}',
    "success of nothing": '{"success": null}',
    "status": '{"status": "Error", "message": "maintenance"}',
    "a record in a list": '[{"id": "0a", "ok": true}, {"id": "0b", "ok": false}]',
    "a record of a list": '{"results": [{"id": "0b", "error": "unknown employee"}]}',
    "status is no yes": '{"status": false, "message": "no such device"}',
    "another status": '{"status": 500, "message": "Server Error"}',
    "another status as a text": '{"statusCode": "503"}',
    "of several": '[{"id": "0a", "status": 201}, {"id": "0b", "status": 500}]',
    "JSON-RPC": '{"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Server Error"}}',
    "some failed": '{"inserted": 2, "failed": 1}',
    "those that failed": '{"inserted": ["0a", "0c"], "failures": [{"id": "0b"}]}',
    "false": "false",
    "zero": "0",
    "a word in quotes": '"error"',
    "and the word": '{"ok": false, "error": "0b was rejected"}',
}
SPOKEN: Final = {
    "a word": "ERROR",
    "no": "False",
    "a word and more": "Error: database is locked",
    "behind a mark": "\ufeff FAILED - duplicate entry",
    "a warning": "\nWarning: mysqli_connect(): Connection refused in /var/www/in.php on line 3\nOK",
    "a fatal error": "PHP Fatal error:  Uncaught mysqli_sql_exception in /var/www/in.php:3\nStack trace:",
    "a notice behind": "OK\nNotice: Undefined index: id in C:\\xampp\\htdocs\\in.php on line 12",
}
"""What a program says in plain words, typed as HTML mostly."""
ANSWERS: Final = {
    "an object": '{"accepted": 3}',
    "nothing rejected": '{"accepted": 3, "rejected": []}',
    "none rejected": '{"accepted": 3, "rejected": 0}',
    "no failure": '{"ok": true, "success": "yes", "error": null, "errors": [], "status": "success"}',
    "another status": '{"status": 200, "statusCode": "201"}',
    "none failed": '{"inserted": 3, "failed": 0, "failures": []}',
    "our own punch": '{"events": [{"id": "0a", "status": 1, "type": 0}]}',
    "how many": "3",
    "one": "1",
    "a list": '[{"id": "0a"}, {"id": "0b"}, {"id": "0c"}]',
    "null": "null",
    "a tag in a text": '{"note": "<b>"}',
    "a tag in a later text": '"see <b>"',
    "escapes": r'{"name": "\u0627\u0644"}',
    "blanks around": ' \n{"ok": true}\r\n ',
    "nothing": "",
    "blanks": " \r\n",
}
WORDS: Final = {
    "no failures": "Failed: 0, inserted: 3",
    "no error": "error=0",
    "errors": "No errors on line 1",
    "a word": "OK",
    "some words": "3 punches taken, none refused",
    "a number in brackets": "[3]",
}

ENCODINGS: Final = [
    *("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
]
TYPES: Final = [
    *("", "application/json", "Application/JSON; charset=utf-8", "application/problem+json", "text/json"),
    *(
        "text/html; charset=utf-8",
        "application/xhtml+xml",
        "text/plain",
        "application/octet-stream",
        "nonsense",
    ),
]


def verdicts(text: str, status: int = 200) -> set[Verdict]:
    """Return what an answer with that text means, in all encodings and of all types."""
    return {
        judge(Reply(status, kind, text.encode(encoding)), (), IDS).verdict
        for encoding in ENCODINGS
        for kind in TYPES
    }


@pytest.mark.parametrize("text", REJECTS.values(), ids=REJECTS)
def test_a_rejection_in_another_shape(text: str) -> None:
    """A 2xx that rejects in a shape that nobody understands confirms nothing, and stops with a sentence."""
    assert verdicts(text) == {CONFIGURATION}
    assert "so nothing is confirmed" in judge(Reply(200, "", text.encode()), (), IDS).message


@pytest.mark.parametrize("text", PAGES.values(), ids=PAGES)
def test_a_page_that_does_not_look_like_one(text: str) -> None:
    """What begins as a page is one, whatever it is called; it confirms nothing, and judges no record."""
    assert verdicts(text) == verdicts(text, 422) == {CONFIGURATION}
    assert "with a web page" in judge(Reply(200, "application/json", text.encode()), (), IDS).message


@pytest.mark.parametrize("text", FAILURES.values(), ids=FAILURES)
def test_a_good_status_that_failed(text: str) -> None:
    """A 2xx whose own words say that it failed is a refusal, and the words that say so are named."""
    assert verdicts(text) == verdicts(text, 207) == {SUSPECT}
    decision = judge(Reply(200, "", text.encode()), (), IDS)
    assert "answered 200 and says that it failed (" in decision.message
    assert "it says: " in decision.message


@pytest.mark.parametrize("text", SPOKEN.values(), ids=SPOKEN)
@pytest.mark.parametrize("kind", ["", "text/html; charset=UTF-8", "text/plain", "nonsense"])
def test_a_failure_in_plain_words(kind: str, text: str) -> None:
    """A word for a failure, or an error that PHP shows, is a refusal as well."""
    for encoding in ENCODINGS:
        assert judge(Reply(200, kind, text.encode(encoding)), (), IDS).verdict is SUSPECT, encoding
    decision = judge(Reply(200, kind, text.encode()), (), IDS)
    assert "answered 200 and says that it failed (" in decision.message


@pytest.mark.parametrize(
    "text",
    [
        'Connected successfully{"ok":false}',
        'Array\n(\n    [0] => 1\n)\n{ "ok": true }',
        ')]}\',\n{"ok":true}',
        '{"ok":true}<script src="//counter.example"></script>',
        "{'ok': False}",
        '[{"ok": false',
    ],
)
def test_words_around_json(text: str) -> None:
    """JSON with words in front of it or behind is none, whatever its type: nobody reads what it says."""
    assert verdicts(text) == {CONFIGURATION}
    assert "what should be JSON and is none" in judge(Reply(200, "text/html", text.encode()), (), IDS).message


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_that_confirms(text: str) -> None:
    """JSON without a failure or a rejection confirms, whatever its type and encoding; so does no body."""
    assert verdicts(text) == {CONFIRMED}


@pytest.mark.parametrize("text", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_word_confirms(encoding: str, text: str) -> None:
    """A word is an answer, of any type but JSON's."""
    for kind in TYPES:
        wanted = CONFIGURATION if "json" in kind.lower() and text[0] != "[" else CONFIRMED
        assert judge(Reply(200, kind, text.encode(encoding)), (), IDS).verdict is wanted, kind


def test_failed_and_named() -> None:
    """A 2xx that failed, and names the guilty, refuses those; the others are sent again."""
    text = '{"success": false, "rejected": [{"id": "0b", "error": "unknown", "success": false}]}'
    assert verdicts(text) == {NAMED}
    assert judge(Reply(200, "", text.encode()), (), IDS).rejected == {"0b": "unknown"}


@pytest.mark.parametrize("said", ["it was rejected", "\\u0072ejected", {"state": "rejected"}])
def test_what_is_said_of_one_may_have_the_word(said: object) -> None:
    """The words on a record that is rejected by name may hold the word itself."""
    body = json.dumps({"rejected": [{"id": "0b", "state": "rejected", "error": said}]}).encode()
    decision = judge(Reply(200, "", body), (), IDS)
    assert (decision.verdict, list(decision.rejected)) == (CONFIRMED, ["0b"])


@pytest.mark.parametrize("body", ["{}", "OK", "", "[]"])
def test_several_results(body: str) -> None:
    """A 207 confirms only where it lists what is rejected, be it none."""
    assert judge(Reply(207, "", body.encode()), (), IDS).verdict is CONFIGURATION
    assert verdicts('{"rejected": []}', 207) == {CONFIRMED}


@pytest.mark.parametrize("status", [400, 409, 422, 500])
def test_a_refusal_is_what_its_status_says(status: int) -> None:
    """The words of a failure, and rejections that are not understood, change nothing in what is no 2xx."""
    plain = judge(Reply(status, "application/json", b"{}"), (), IDS).verdict
    for text in (*REJECTS.values(), *FAILURES.values()):
        if "0b" in judge(Reply(status, "", text.encode()), (), IDS).rejected:
            continue
        assert judge(Reply(status, "application/json", text.encode()), (), IDS).verdict is plain, text


# --- any JSON ---

LETTERS: Final = st.tuples(*(st.sampled_from([c, c.upper(), f"\\u{ord(c):04x}"]) for c in "rejected"))
"""The word in JSON, in any case, each letter escaped or not."""
PLAIN: Final = st.sampled_from(["id", "data", "accepted", "0b", "note", "n"])
LEAVES: Final = st.none() | st.just(True) | st.integers(1, 9) | st.sampled_from(IDS)


def _around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return JSON that holds another one: in a list, or in an object beside another value."""
    leaf = LEAVES.map(json.dumps)
    return st.one_of(
        st.builds("[{}, {}]".format, leaf, inner),
        st.builds("[{}]".format, inner),
        st.builds('{{"{}": {}}}'.format, PLAIN, inner),
        st.builds('{{"a": {}, "{}": {}}}'.format, leaf, PLAIN, inner),
        st.builds('{{"rejected": [], "{}": {}}}'.format, PLAIN, inner),
        st.builds('{{"rejected": [{{"id": "0b", "{}": {}}}]}}'.format, PLAIN, inner),
    )


HOLDING: Final = st.builds(
    '{{"{}": {}}}'.format, LETTERS.map("".join), st.recursive(LEAVES.map(json.dumps), _around) | st.just("[]")
)
"""An object with the word for a name."""


@given(st.recursive(HOLDING, _around), st.sampled_from(ENCODINGS), st.sampled_from(TYPES))
@example('{"rejected": [], "rejected": ["0b"]}', "utf-8", "")
def test_any_json_with_the_word(text: str, encoding: str, kind: str) -> None:
    """JSON with the word as a name, in any case, depth or escape, but the one place, does not confirm all."""
    value = json.loads(text)
    understood = isinstance(value, dict) and set(value) == {"rejected"} and not value["rejected"]
    assume(not (understood and text.count(":") == 1))
    decision = judge(Reply(200, kind, text.encode(encoding)), (), IDS)
    assert decision.verdict is not CONFIRMED or decision.rejected
    if decision.verdict is CONFIRMED:
        assert value.keys() == {"rejected"}


@given(st.binary(max_size=60), st.sampled_from(TYPES), st.integers(200, 299))
def test_any_bytes(body: bytes, kind: str, status: int) -> None:
    """Any bytes hold something, and what does not confirm is told in one printable sentence."""
    decision = judge(Reply(status, kind, body), (), IDS)
    assert (decision.message == "") is (decision.verdict is CONFIRMED)
    assert decision.message.isprintable()


# --- cost ---


def test_a_body_that_is_too_long_is_not_read() -> None:
    """Of a body whose end was not read, no JSON is read either; a page is known by its beginning."""
    cut = Reply(200, "application/json", b'{"accepted": [' + b"1," * 2_000_000, whole=False)
    assert len(cut.content.text) == 1024
    assert "at such length" in judge(cut, (), IDS).message
    assert "web page" in judge(Reply(200, "", b"<html>" + b"x" * 4_000_000, whole=False), (), IDS).message


def test_a_body_is_read_once() -> None:
    """Whoever asks what a reply holds gets what was read the first time."""
    reply = Reply(200, "application/json", b'{"accepted": 3}')
    assert reply.content is reply.content
    assert reply == Reply(200, "application/json", b'{"accepted": 3}')


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 4_000_000,
        b'{"a":' * 800_000,
        b'{"rejected":' * 300_000,
        b"9" * 4_000_000,
        b" " * 4_000_000,
        b"\\u0072" * 600_000,
        b"[" + b'{"rejected":[]},' * 250_000 + b"1]",
        b'{"rejected":[' + b'{"error":1},' * 300_000 + b"1]}",
    ],
    ids=lambda body: body[:12].decode(),
)
def test_a_hostile_body_costs_little(body: bytes) -> None:
    """The longest body that is read is understood, or not, within moments."""
    began = time.monotonic()
    judge(Reply(200, "application/json", body), (), IDS)
    assert time.monotonic() - began < 10


NARROW: Final = """
import resource
from zkpoll.delivery.contract import Reply
from zkpoll.delivery.verdicts import judge
body = b'{"rejected": [' + b"[]," * 1_300_000 + b"[]]}"
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + {spare}_000_000,) * 2)
print(judge(Reply(200, "application/json", body), (), ("0b",)).verdict.name)
"""


@pytest.mark.parametrize("spare", [20, 40, 70, 100])
def test_an_answer_for_which_there_is_no_memory(spare: int) -> None:
    """An answer that needs more memory than there is confirms nothing, and ends nothing but its delivery."""
    code = NARROW.replace("{spare}", str(spare))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.stdout.strip(), ended.stderr) in (("TRY_AGAIN", ""), ("CONFIGURATION", ""))
    assert spare > 20 or ended.stdout.strip() == "TRY_AGAIN"


def test_a_mark_is_no_part_of_the_text() -> None:
    """A byte order mark hides neither JSON nor a page."""
    for encoding in ENCODINGS:
        assert read('{"ok": [1]}'.encode(encoding)).value == {"ok": [1]}
        assert read(("\ufeff" + '{"ok": [1]}').encode(encoding)).value == {"ok": [1]}


@pytest.mark.parametrize(
    ("body", "ok"), [(b'{"rejected": []}', True), (b'{"ok": false}', None), (b"<!-- -->", "not told at all")]
)
def test_an_empty_batch(body: bytes, ok: object) -> None:
    """A ping takes no failure for an acceptance, and none for a flaw: an empty batch may be the cause."""
    (probe,) = Events().probes()
    meaning = probe.meaning(Reply(200, "application/json", body))
    assert (meaning[0] if meaning else "not told at all") == ok
