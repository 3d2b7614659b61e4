"""What real terminals do that breaks clients: what becomes of it here, in pyzk, and in the document."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, get_args

import pytest

from tests.pull.devices import attempt, held
from tests.pull.quirks import COLLECTED, LAST, NOT_ABOUT_READING, QUIRKS, Word
from zkpoll.simulator import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.pull.quirks import Quirk
    from zkpoll.simulator import Terminal

TIMEOUT: Final = 1.0
"""Seconds of silence that both are to allow a terminal."""
LIMIT: Final = 6.0
"""Seconds after which a reading that has not ended never will; the slowest that ends takes two."""

EACH = pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: quirk.title)

_PYZK: Final = """
import json, sys
from zk import ZK

host, port, transport, key, timeout = sys.argv[1:]
udp = transport == "udp"
driver = ZK(host, int(port), timeout=float(timeout), password=key, force_udp=udp, ommit_ping=True)
try:
    found = driver.connect().get_attendance()
    told = [(one.user_id, one.timestamp.isoformat(), one.status, one.punch) for one in found]
except Exception:
    told = None
print()
print(json.dumps(told))
"""
"""Reads a terminal with the unmodified driver, and tells what it was given, in the last line."""


def word(shown: Sequence[object], truth: Sequence[object], *, failed: bool = False) -> Word:
    """Return what a reading came to that showed this of what was true."""
    if failed:
        return "fails" if list(shown) == list(truth[: len(shown)]) else "wrong"
    if list(shown) == list(truth):
        return "reads"
    return "wrong" if shown else "empty"


def by_zkpoll(quirk: Quirk) -> Word:
    """Visit a terminal of this kind, and return what came of it."""
    terminal = quirk.terminal()
    with serve(terminal, transport=quirk.transport) as address:
        came_of = attempt(address, quirk.transport, timeout=TIMEOUT, key=quirk.key)
    return word(came_of.sink.shown, held(terminal), failed=came_of.error is not None)


def by_pyzk(quirk: Quirk) -> Word:
    """Let pyzk read a terminal of this kind, in a process that can be ended, and return what came of it."""
    terminal = quirk.terminal()
    with serve(terminal, transport=quirk.transport) as (host, port):
        given = (host, port, quirk.transport, quirk.key, TIMEOUT)
        command = [sys.executable, "-I", "-c", _PYZK, *map(str, given)]
        try:
            done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return "hangs"
    told = json.loads(done.stdout.splitlines()[-1])
    if told is None:
        return "fails"
    # Its `status` is how somebody was recognised, its `punch` whether they came or went.
    shown = [
        (user_id, datetime.fromisoformat(time), *_meant(terminal, verify, state))
        for user_id, time, verify, state in told
    ]
    return word(shown, [one[:2] + _meant(terminal, *one[2:4]) for one in held(terminal)])


def _meant(terminal: Terminal, verify: int, state: int) -> tuple[int, ...]:
    """Return what a record's layout has of these two: 22 bytes no verify."""
    return (state,) if terminal.model.layout == 22 else (verify, state)


@EACH
def test_what_zkpoll_does(quirk: Quirk) -> None:
    """A visit to a terminal that does this comes to what the table says."""
    assert by_zkpoll(quirk) == quirk.zkpoll


@EACH
@pytest.mark.long  # nothing that zkpoll promises, and a process for each
def test_what_pyzk_does(quirk: Quirk) -> None:
    """Unmodified pyzk on a terminal that does this comes to what the table says."""
    assert by_pyzk(quirk) == quirk.pyzk


@pytest.mark.parametrize(
    ("shown", "failed", "expected"),
    [
        ("abc", False, "reads"),
        ("", False, "empty"),
        ("ab", False, "wrong"),
        ("abcc", False, "wrong"),
        ("acb", False, "wrong"),
        ("abx", False, "wrong"),
        ("", True, "fails"),
        ("ab", True, "fails"),
        ("ax", True, "wrong"),
    ],
)
def test_the_words(shown: str, failed: bool, expected: str) -> None:
    """A reading is judged by all that was true, and one that failed by what it handed on before."""
    assert word(shown, "abc", failed=failed) == expected


def test_nothing_read_of_an_empty_log() -> None:
    """Of an empty log, nothing is everything."""
    assert word("", "") == "reads"


# --- the document ---

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = (ROOT / "docs" / "devices.md").read_text("utf-8")
HEAD: Final = "| quirk | zkpoll | pyzk 0.9 | shown by |"


class Row(NamedTuple):
    """One row of the document's tables of what terminals do."""

    quirk: str
    zkpoll: str
    pyzk: str
    shown_by: str


def tables(head: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the document's tables with this head."""
    for table in DOCUMENT.split(head)[1:]:
        for line in table.split("\n\n", 1)[0].splitlines()[2:]:
            yield [cell.strip() for cell in line.strip("|").split(" |")]


ROWS: Final = [Row(*cells) for cells in tables(HEAD)]
BY_TITLE: Final = {row.quirk: row for row in ROWS}


def test_each_quirk_has_one_name() -> None:
    """No two quirks, and no two rows, have the same name."""
    assert len(BY_TITLE) == len(ROWS)
    assert len({quirk.title for quirk in QUIRKS}) == len(QUIRKS)


@EACH
def test_the_document_says_what_happens(quirk: Quirk) -> None:
    """Each simulated quirk is a row, with the words that the tests above hold true."""
    row = BY_TITLE[quirk.title]
    assert row.pyzk == quirk.pyzk
    assert re.match(r"\w+", row.zkpoll)[0] == quirk.zkpoll  # type: ignore[index]


def test_the_document_says_no_more_than_happens() -> None:
    """A row with a word for pyzk is a simulated quirk."""
    assert {row.quirk for row in ROWS if row.pyzk != "-"} == {quirk.title for quirk in QUIRKS}
    assert {row.pyzk for row in ROWS} <= {*get_args(Word), "-"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.quirk)
def test_what_shows_it_exists(row: Row) -> None:
    """Each row names a test that exists; only what is not done has none."""
    if row.shown_by == "-":
        assert row.zkpoll.startswith(("not used", "not seen"))
        return
    path, name = row.shown_by.strip("`").split("::")
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name.startswith("test_")
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_nothing_that_was_collected_is_forgotten() -> None:
    """Everything that was collected about terminals has a row, or is not about reading."""
    assert {*COLLECTED, *NOT_ABOUT_READING} == {*range(1, LAST + 1)}
    assert not COLLECTED.keys() & NOT_ABOUT_READING.keys()
    assert {title for titles in COLLECTED.values() for title in titles} <= BY_TITLE.keys()


def messages() -> Iterator[str]:
    """Yield the parts that stay the same of each notice and failure in the document."""
    for head in ("| notice | meaning |", "| failure | meaning, and what to do |"):
        for message, _ in tables(head):
            quoted = re.search(r"`(.+)`", message)
            assert quoted
            yield from filter(None, quoted[1].split("…"))


def texts() -> str:
    """Return every text in the sources of zkpoll, each on a line of its own."""
    return "\n".join(
        node.value
        for path in sorted((ROOT / "zkpoll").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_messages_are_the_programs() -> None:
    """Each message that the document explains is one that the program has."""
    said = texts()
    parts = list(messages())
    assert len(parts) > 20
    assert [part for part in parts if part not in said] == []
